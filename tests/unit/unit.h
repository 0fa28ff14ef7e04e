/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unit.h - what every Check program of ours shares: its main, a scratch directory, and assertions
 * on errors.
 */
#pragma once

#include <check.h>
#include <stdlib.h>
#include <sys/types.h>

#include "reconciler/base/err.h"

/* A fresh directory below $TMPDIR, 0700, removed with unit_rmtree(). Heap. */
char *unit_tmpdir(void);
void unit_rmtree(char *dir); /* also frees the name */

#define ck_assert_ok(expr, err)                                                                    \
	do {                                                                                       \
		enum err_code ck_rc_ = (expr);                                                     \
		char ck_text_[1024];                                                               \
		err_format((err), ck_text_, sizeof(ck_text_));                                     \
		ck_assert_msg(ck_rc_ == ERR_OK, "%s: %s", #expr, ck_text_);                        \
	} while (0)

/* Run the suite made by the function; verbose when CK_VERBOSITY says so. Ends main. */
#define UNIT_MAIN(name, build)                                                                     \
	int main(void)                                                                             \
	{                                                                                          \
		Suite *suite = suite_create(name);                                                 \
		build(suite);                                                                      \
		SRunner *runner = srunner_create(suite);                                           \
		srunner_run_all(runner, CK_ENV);                                                   \
		int failed = srunner_ntests_failed(runner);                                        \
		srunner_free(runner);                                                              \
		return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;                                  \
	}
