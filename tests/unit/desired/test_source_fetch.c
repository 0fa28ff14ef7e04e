/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_source_fetch.c - mirrors of repositories on the same disk. What ssh and https add is in
 * tests/integration.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "desired/source.h"
#include "reconciler/base/str.h"
#include "tests/unit/gitrepo.h"
#include "tests/unit/unit.h"

static char *dir, *repo, *url, *mirrors;
static struct err err;
static struct source *src;

static void setup(void)
{
	dir = unit_tmpdir();
	repo = repo_new(dir, "fleet");
	url = str_printf("file://%s", repo);
	mirrors = str_printf("%s/mirrors", dir);
	err = (struct err){ 0 };
	struct source_remote_options opt = { .url = url, .timeout_ms = 30000 };
	ck_assert_ok(source_open_mirror(mirrors, &opt, &src, &err), &err);
}

static void teardown(void)
{
	source_close(src);
	free(repo);
	free(url);
	free(mirrors);
	unit_rmtree(dir);
}

static void fetch(void)
{
	ck_assert_ok(source_fetch(src, &err), &err);
}

static void resolves(const char *ref, const char *want)
{
	char got[41];

	ck_assert_ok(source_resolve(src, ref, got, &err), &err);
	ck_assert_str_eq(got, want);
}

static void unknown(const char *ref)
{
	char got[41];

	err_clear(&err);
	ck_assert_int_eq(source_resolve(src, ref, got, &err), ERR_NOT_FOUND);
	err_clear(&err);
}

static enum err_code see(const struct source_file *file, void *arg, struct err *e)
{
	(void)e;
	buf_printf(arg, "%s=%.*s", file->path, (int)file->data.n, (const char *)file->data.p);
	return ERR_OK;
}

static void walk_gives(const char *commit, const char *text)
{
	CLEANUP(buf_release) struct buf seen;
	struct source_walk w = { .commit = commit };

	buf_init(&seen, 1 << 20);
	ck_assert_ok(source_each_yaml(src, &w, see, &seen, &err), &err);
	ck_assert_str_eq(buf_str(&seen), text);
}

START_TEST(branches_tags_and_files_arrive)
{
	repo_write(repo, "x.yaml", "1\n");
	CLEANUP(cleanup_free) char *one = repo_commit(repo, "one");
	repo_git(repo, "tag", "-a", "-m", "t", "v1", /* end= */ NULL);
	repo_git(repo, "branch", "side", /* end= */ NULL);
	repo_write(repo, "x.yaml", "2\n");
	CLEANUP(cleanup_free) char *two = repo_commit(repo, "two");
	unknown(NULL);
	fetch();
	resolves(NULL, two);
	resolves("main", two);
	resolves("side", one);
	resolves("v1", one);
	walk_gives(one, "x.yaml=1\n");
	walk_gives(two, "x.yaml=2\n");
	ck_assert_ptr_null(source_local_path(src));
	ck_assert(!source_is_local(src));
}
END_TEST

START_TEST(nobody_else_may_look_into_a_mirror)
{
	char id[17];
	struct stat st;

	source_id(src, id);
	CLEANUP(cleanup_free) char *path = str_printf("%s/%s.git", mirrors, id);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 077, 0);
}
END_TEST

START_TEST(rewinds_arrive_and_can_be_seen)
{
	bool is = true;
	CLEANUP(cleanup_free) char *one = repo_commit(repo, "one");
	CLEANUP(cleanup_free) char *two = repo_commit(repo, "two");

	fetch();
	repo_git(repo, "reset", "-q", "--hard", one, /* end= */ NULL);
	CLEANUP(cleanup_free) char *other = repo_commit(repo, "other");
	fetch();
	resolves("main", other);
	ck_assert_ok(source_is_ancestor(src, two, other, &is, &err), &err);
	ck_assert(!is);
	resolves(two, two); /* the last accepted commit can still be read */
}
END_TEST

START_TEST(what_is_gone_is_pruned_even_when_a_directory_takes_its_name)
{
	CLEANUP(cleanup_free) char *one = repo_commit(repo, "one");

	repo_git(repo, "branch", "a", /* end= */ NULL);
	repo_git(repo, "tag", "old", /* end= */ NULL);
	fetch();
	resolves("a", one);
	repo_git(repo, "branch", "-q", "-D", "a", /* end= */ NULL);
	repo_git(repo, "branch", "a/b", /* end= */ NULL);
	repo_git(repo, "tag", "-d", "old", /* end= */ NULL);
	fetch();
	unknown("a");
	unknown("old");
	resolves("a/b", one);
}
END_TEST

START_TEST(the_default_branch_follows_the_remote)
{
	free(repo_commit(repo, "one"));
	fetch();
	repo_git(repo, "checkout", "-q", "-b", "trunk", /* end= */ NULL);
	CLEANUP(cleanup_free) char *two = repo_commit(repo, "two");
	fetch();
	resolves(NULL, two);
	repo_git(repo, "checkout", "-q", "--detach", "main", /* end= */ NULL);
	CLEANUP(cleanup_free) char *three = repo_commit(repo, "three");
	repo_git(repo, "tag", "t3", /* end= */ NULL);
	fetch();
	resolves(NULL, three);
}
END_TEST

START_TEST(an_empty_remote_is_no_error_and_has_no_commit)
{
	fetch();
	unknown(NULL);
	CLEANUP(cleanup_free) char *one = repo_commit(repo, "one");
	fetch();
	resolves(NULL, one);
}
END_TEST

START_TEST(a_remote_out_of_reach_leaves_the_mirror_as_it_was)
{
	CLEANUP(cleanup_free) char *away = str_printf("%s/away", dir);
	CLEANUP(cleanup_free) char *one = repo_commit(repo, "one");

	fetch();
	ck_assert_int_eq(rename(repo, away), 0);
	ck_assert_int_eq(source_fetch(src, &err), ERR_NET);
	err_clear(&err);
	resolves(NULL, one);
	ck_assert_int_eq(rename(away, repo), 0);
	fetch();
}
END_TEST

START_TEST(a_crash_during_a_fetch_does_not_block_the_next)
{
	char id[17];

	free(repo_commit(repo, "one"));
	fetch();
	CLEANUP(cleanup_free) char *two = repo_commit(repo, "two");
	source_id(src, id);
	CLEANUP(cleanup_free) char *mirror = str_printf("%s/%s.git", mirrors, id);
	repo_write(mirror, "refs/heads/main.lock", "");
	repo_write(mirror, "HEAD.lock", "");
	repo_write(mirror, "objects/pack/pack_git2_12345", "half");
	fetch();
	resolves("main", two);
	CLEANUP(cleanup_free) char *half = str_printf("%s/objects/pack/pack_git2_12345", mirror);
	ck_assert_int_ne(access(half, F_OK), 0);
}
END_TEST

START_TEST(a_mirror_is_found_again)
{
	CLEANUP(cleanup_free) char *one = repo_commit(repo, "one");
	struct source_remote_options opt = { .url = url };
	char a[17], b[17];

	fetch();
	source_id(src, a);
	source_close(src);
	src = NULL;
	ck_assert_ok(source_open_mirror(mirrors, &opt, &src, &err), &err);
	source_id(src, b);
	ck_assert_str_eq(a, b);
	resolves(NULL, one);
}
END_TEST

START_TEST(a_hundred_fetches_leave_few_packs_and_every_object)
{
	CLEANUP(cleanup_free) char *first = repo_commit(repo, "first");
	char id[17];

	fetch();
	for (int i = 0; i < 70; i++) {
		char text[32];
		(void)snprintf(text, sizeof(text), "%d\n", i);
		repo_write(repo, "x.yaml", text);
		free(repo_commit(repo, "next"));
		fetch();
	}
	source_id(src, id);
	CLEANUP(cleanup_free) char *mirror = str_printf("%s/%s.git", mirrors, id);
	CLEANUP(cleanup_free)
	char *count = repo_git_out(mirror, "count-objects", "-v", /* end= */ NULL);
	char *packs = strstr(count, "packs: ") + strlen("packs: ");
	int64_t n = 0;
	packs[strcspn(packs, "\n")] = '\0';
	ck_assert(str_to_i64(packs, 1, 64, &n));
	packs[strlen(packs)] = '\n';
	ck_assert_ptr_nonnull(strstr(count, "garbage: 0"));
	repo_git(mirror, "fsck", "--strict", /* end= */ NULL);
	resolves(first, first);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("fetch");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 100);
	tcase_add_test(tc, branches_tags_and_files_arrive);
	tcase_add_test(tc, nobody_else_may_look_into_a_mirror);
	tcase_add_test(tc, rewinds_arrive_and_can_be_seen);
	tcase_add_test(tc, what_is_gone_is_pruned_even_when_a_directory_takes_its_name);
	tcase_add_test(tc, the_default_branch_follows_the_remote);
	tcase_add_test(tc, an_empty_remote_is_no_error_and_has_no_commit);
	tcase_add_test(tc, a_remote_out_of_reach_leaves_the_mirror_as_it_was);
	tcase_add_test(tc, a_crash_during_a_fetch_does_not_block_the_next);
	tcase_add_test(tc, a_mirror_is_found_again);
	tcase_add_test(tc, a_hundred_fetches_leave_few_packs_and_every_object);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("source_fetch", build)
