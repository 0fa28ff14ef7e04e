/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * warm.h - one virtual machine for all questions of a program: a cold one costs more than all that
 * a test asks it.
 */
#pragma once

#include "tests/unit/keystores/support.h"

/* Unchecked fixtures, inside those of the world. Tests that are processes of their own share it. */
void warm_start(void);
void warm_stop(void);
/* One command of KeystoreOracle.java; what it printed, heap. */
char *warm_ask(const char *fmt, ...) ATTR_PRINTF(1, 2);
/* keytool with these arguments, tabs between them: was it content? */
bool warm_keytool(const char *fmt, ...) ATTR_PRINTF(1, 2);

/* The main of a program whose tests are seeds: all, one (--seed N), or more (--seeds N). */
int seeds_main(int argc, char **argv, const char *name, void (*build)(Suite *suite), int64_t *first,
               int64_t *last);
#define SEEDS_MAIN(name, build, first, last)                                                       \
	int main(int argc, char **argv)                                                            \
	{                                                                                          \
		return seeds_main(argc, argv, name, build, first, last);                           \
	}
