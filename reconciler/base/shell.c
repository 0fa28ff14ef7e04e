/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shell.c - single quotes around everything: inside them a POSIX shell sees nothing but the quote
 * itself. The '!' is taken out too, because csh, a login shell like any other over ssh, looks for
 * history even there.
 */
#include "reconciler/base/shell.h"

void shell_quote(struct buf *out, const char *s)
{
	buf_add_byte(out, '\'');
	for (; *s != '\0'; s++) {
		if (*s == '\'' || *s == '!') {
			buf_add_str(out, "'\\");
			buf_add_byte(out, (uint8_t)*s);
			buf_add_byte(out, '\'');
		} else {
			buf_add_byte(out, (uint8_t)*s);
		}
	}
	buf_add_byte(out, '\'');
}
