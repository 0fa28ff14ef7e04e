/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_fs_glob.c - which files a pattern names, and what is said of what could not be seen.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/fs_glob.h"
#include "reconciler/base/str.h"
#include "tests/unit/unit.h"

static char *dir;
static struct arena arena;
static struct fs_glob found;

static void make(const char *name)
{
	CLEANUP(cleanup_free) char *path = str_printf("%s/%s", dir, name);
	ck_assert_ptr_nonnull(path);
	char *slash = strrchr(path, '/');
	struct err err = { 0 };

	*slash = '\0';
	ck_assert_ok(fs_make_dirs(path, 0755, &err), &err);
	*slash = '/';
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(close(fd), 0);
}

static void setup(void)
{
	dir = unit_tmpdir();
	arena_init(&arena);
	make("a.pem");
	make("b.pem");
	make(".hidden.pem");
	make("c.jks");
	make("live/one/chain.pem");
	make("live/two/chain.pem");
	make("live/two/deep/chain.pem");
	make("live/two/deep/README");
}

static void teardown(void)
{
	arena_release(&arena);
	unit_rmtree(dir);
}

/* The files found, without the directory: "a.pem b.pem". */
static const char *names(const char *pattern)
{
	static char text[2048];
	CLEANUP(cleanup_free) char *path = str_printf("%s/%s", dir, pattern);
	struct err err = { 0 };

	found = (struct fs_glob){ 0 };
	ck_assert_ok(fs_glob(path, &arena, &found, &err), &err);
	text[0] = '\0';
	for (size_t i = 0; i < found.n; i++) {
		ck_assert_int_eq(strncmp(found.v[i], dir, strlen(dir)), 0);
		size_t n = strlen(text);
		(void)snprintf(text + n, sizeof(text) - n, "%s%s", n == 0 ? "" : " ",
		               found.v[i] + strlen(dir) + 1);
	}
	return text;
}

START_TEST(a_star_ends_at_a_slash_and_leaves_hidden_files_alone)
{
	ck_assert_str_eq(names("*.pem"), "a.pem b.pem");
	ck_assert_str_eq(names("*"), "a.pem b.pem c.jks");
	ck_assert_str_eq(names("?.jks"), "c.jks");
	ck_assert_str_eq(names(".*.pem"), ".hidden.pem");
	ck_assert_str_eq(names("live/*/chain.pem"), "live/one/chain.pem live/two/chain.pem");
}
END_TEST

START_TEST(two_stars_go_through_any_directories_or_none)
{
	ck_assert_str_eq(names("**/*.pem"), "a.pem b.pem live/one/chain.pem live/two/chain.pem "
	                                    "live/two/deep/chain.pem");
	ck_assert_str_eq(names("live/**/chain.pem"),
	                 "live/one/chain.pem live/two/chain.pem live/two/deep/chain.pem");
	ck_assert_str_eq(names("live/two/**"),
	                 "live/two/chain.pem live/two/deep/README live/two/deep/chain.pem");
	ck_assert_str_eq(names("**/**/deep/**/**/README"), "live/two/deep/README");
}
END_TEST

START_TEST(what_matches_nothing_gives_nothing_and_no_error)
{
	ck_assert_str_eq(names("*.p12"), "");
	ck_assert_str_eq(names("none/*/x.pem"), "");
	ck_assert_str_eq(names("a.pem/*"), "");
	ck_assert_str_eq(names("liv?"), ""); /* a directory */
	ck_assert_uint_eq(found.n_unseen, 0);
}
END_TEST

START_TEST(links_lead_to_files_but_two_stars_do_not_follow_them)
{
	CLEANUP(cleanup_free) char *loop = str_printf("%s/live/loop", dir);
	CLEANUP(cleanup_free) char *file = str_printf("%s/link.pem", dir);
	CLEANUP(cleanup_free) char *dead = str_printf("%s/dead.pem", dir);

	ck_assert_int_eq(symlink("..", loop), 0);
	ck_assert_int_eq(symlink("live/one/chain.pem", file), 0);
	ck_assert_int_eq(symlink("nowhere", dead), 0);
	ck_assert_str_eq(names("l*.pem"), "link.pem");
	ck_assert_str_eq(names("d*.pem"), "");
	ck_assert_uint_eq(found.n_unseen, 0);
	ck_assert_str_eq(names("live/**/a.pem"), "");
	ck_assert_str_eq(names("live/*/a.pem"), "live/loop/a.pem");
}
END_TEST

START_TEST(a_directory_that_cannot_be_listed_is_named_and_the_others_are_seen)
{
	CLEANUP(cleanup_free) char *shut = str_printf("%s/live/one", dir);

	if (geteuid() == 0) {
		return; /* nothing is shut to root */
	}
	ck_assert_int_eq(chmod(shut, 0), 0);
	ck_assert_str_eq(names("live/*/*.pem"), "live/two/chain.pem");
	ck_assert_uint_eq(found.n_unseen, 1);
	ck_assert_ptr_nonnull(strstr(found.why.msg, "live/one"));
	ck_assert_int_eq(chmod(shut, 0755), 0);
}
END_TEST

START_TEST(a_pattern_that_means_nothing_says_why)
{
	static const struct {
		const char *pattern, *why;
	} rows[] = {
		{ "a/*.pem", "does not begin" },   { "/a/../*.pem", "lead elsewhere" },
		{ "/a//*.pem", "follow each" },    { "/a/*/", "ends with '/'" },
		{ "/", "ends with '/'" },          { "/a/x**/*.pem", "whole directories" },
		{ "/a/***", "whole directories" }, { "/a/[ab].pem", "mean nothing" },
		{ "/a/{b,c}", "mean nothing" },
	};
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *why = fs_glob_wrong(rows[i].pattern);
		ck_assert_msg(why != NULL, "%s", rows[i].pattern);
		ck_assert_msg(strstr(why, rows[i].why) != NULL, "%s: %s", rows[i].pattern, why);
	}
	ck_assert_ptr_null(fs_glob_wrong("/a/**/b?*.pem"));
	ck_assert(fs_glob_is("/a/b?"));
	ck_assert(!fs_glob_is("/a/b"));
	ck_assert_int_eq(fs_glob("/a/[b]", &arena, &found, &err), ERR_INVALID);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("fs_glob");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_star_ends_at_a_slash_and_leaves_hidden_files_alone);
	tcase_add_test(tc, two_stars_go_through_any_directories_or_none);
	tcase_add_test(tc, what_matches_nothing_gives_nothing_and_no_error);
	tcase_add_test(tc, links_lead_to_files_but_two_stars_do_not_follow_them);
	tcase_add_test(tc, a_directory_that_cannot_be_listed_is_named_and_the_others_are_seen);
	tcase_add_test(tc, a_pattern_that_means_nothing_says_why);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("base/fs_glob", build)
