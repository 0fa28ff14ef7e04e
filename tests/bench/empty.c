/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * empty.c - nothing, linked with every library that certwright is linked with: no whole process of
 * ours can be quicker than this one.
 */
int main(void)
{
	return 0;
}
