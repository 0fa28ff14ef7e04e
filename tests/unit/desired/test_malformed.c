/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_malformed.c - every directory of tests/malformed is a repository with mistakes; its file
 * `expect` holds what must be said about it: all of it, and nothing else. Where it has hints, all
 * hints are as they stand there; else they are left to the other directories.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "reconciler/base/str.h"
#include "tests/unit/desired/repository.h"
#include "tests/unit/unit.h"

#define AT_LEAST 60

static char *names[512];
static int n_names;

START_TEST(malformed_repository_gets_exactly_the_expected_errors)
{
	struct repository r;
	struct arena arena;
	const struct desired *d = NULL;
	struct diagnostics diag = { 0 };
	struct err err = { 0 };
	struct buf found;
	CLEANUP(cleanup_free) char *sub = str_printf("malformed/%s", names[_i]);
	CLEANUP(cleanup_free) char *dir = tests_path(sub);

	repository_read(dir, &r);
	arena_init(&arena);
	buf_init(&found, (size_t)1 << 20);
	enum err_code rc = desired_load_files(r.files, r.n, &arena, &d, &diag, &err);
	bool hints = r.expect != NULL && strstr(r.expect, "\n    hint: ") != NULL;
	diagnostics_print(&diag, hints, &found);
	ck_assert_msg(rc == ERR_INVALID, "%s: loads with code %d", names[_i], (int)rc);
	ck_assert_ptr_null(d);
	ck_assert_msg(r.expect != NULL && strcmp(buf_str(&found), r.expect) == 0,
	              "%s: expected\n%s\nfound\n%s", names[_i],
	              r.expect != NULL ? r.expect : "no file", buf_str(&found));
	buf_release(&found);
	arena_release(&arena);
	repository_release(&r);
}
END_TEST

START_TEST(there_are_at_least_sixty)
{
	ck_assert_int_ge(n_names, AT_LEAST);
}
END_TEST

static void find_names(void)
{
	struct dirent **entries;
	char *root = tests_path("malformed");
	int n = scandir(root, &entries, /* filter= */ NULL, alphasort);

	free(root);
	for (int i = 0; i < n; i++) {
		if (entries[i]->d_name[0] != '.' && n_names < (int)ARRAY_LEN(names)) {
			names[n_names++] = str_dup(entries[i]->d_name);
		}
		free(entries[i]);
	}
	if (n >= 0) {
		free(entries);
	}
}

static void build(Suite *s)
{
	TCase *tc = tcase_create("malformed");

	find_names();
	tcase_add_test(tc, there_are_at_least_sixty);
	tcase_add_loop_test(tc, malformed_repository_gets_exactly_the_expected_errors, 0, n_names);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("desired/malformed", build)
