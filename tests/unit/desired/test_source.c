/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_source.c - commits and files of repositories made by the git program itself.
 */
#include <git2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "desired/source.h"
#include "desired/source_git.h"
#include "reconciler/base/str.h"
#include "tests/unit/gitrepo.h"
#include "tests/unit/unit.h"

static char *dir;
static struct err err;

#define ck_assert_fails(expr, code)                                                                \
	do {                                                                                       \
		err_clear(&err);                                                                   \
		ck_assert_int_eq((expr), (code));                                                  \
	} while (0)

static struct source *src;

static void setup(void)
{
	dir = unit_tmpdir();
	err = (struct err){ 0 };
	src = NULL;
}

static void teardown(void)
{
	source_close(src);
	unit_rmtree(dir);
}

static void open_local(const char *path)
{
	source_close(src);
	src = NULL;
	ck_assert_ok(source_open_local(path, &src, &err), &err);
}

static void resolves(const char *ref, const char *want)
{
	char got[41];

	ck_assert_ok(source_resolve(src, ref, got, &err), &err);
	ck_assert_str_eq(got, want);
}

struct seen {
	struct buf names, text;
	size_t n;
};

static enum err_code see(const struct source_file *file, void *arg, struct err *e)
{
	struct seen *seen = arg;

	(void)e;
	buf_printf(&seen->names, "%s\n", file->path);
	buf_add_bytes(&seen->text, file->data);
	seen->n++;
	return ERR_OK;
}

static enum err_code walk(const char *commit, const char *path, uint64_t limit, struct seen *seen)
{
	struct source_walk w = { .commit = commit, .path = path, .file_limit = limit };

	*seen = (struct seen){ 0 };
	buf_init(&seen->names, 1 << 24);
	buf_init(&seen->text, 1 << 24);
	return source_each_yaml(src, &w, see, seen, &err);
}

static void seen_release(struct seen *seen)
{
	buf_release(&seen->names);
	buf_release(&seen->text);
}

static void walk_gives(const char *commit, const char *path, const char *names)
{
	CLEANUP(seen_release) struct seen seen;

	ck_assert_ok(walk(commit, path, 0, &seen), &err);
	ck_assert_str_eq(buf_str(&seen.names), names);
}

START_TEST(a_directory_without_a_repository_is_not_found)
{
	ck_assert_fails(source_open_local(dir, &src, &err), ERR_NOT_FOUND);
	ck_assert_ptr_null(src);
	ck_assert_str_ne(err.hint, "");
}
END_TEST

START_TEST(a_missing_directory_is_not_found)
{
	ck_assert_fails(source_open_local("/nonexistent/fleet", &src, &err), ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(err.msg, "/nonexistent/fleet"));
}
END_TEST

START_TEST(the_repository_around_a_subdirectory_is_opened)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");
	CLEANUP(cleanup_free) char *deep = str_printf("%s/a/b", repo);

	repo_write(repo, "a/b/x.yaml", "x\n");
	CLEANUP(cleanup_free) char *id = repo_commit(repo, "one");
	open_local(deep);
	resolves(NULL, id);
	ck_assert_str_eq(source_local_path(src), repo);
	ck_assert(source_is_local(src));
}
END_TEST

START_TEST(a_bare_repository_is_read_and_has_no_working_tree)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");
	CLEANUP(cleanup_free) char *bare = str_printf("%s/bare.git", dir);
	struct seen seen;

	repo_write(repo, "x.yaml", "x\n");
	CLEANUP(cleanup_free) char *id = repo_commit(repo, "one");
	repo_git(dir, "clone", "-q", "--bare", repo, bare, /* end= */ NULL);
	open_local(bare);
	resolves(NULL, id);
	walk_gives(id, NULL, "x.yaml\n");
	ck_assert_str_eq(source_local_path(src), bare);
	ck_assert_fails(walk(NULL, NULL, 0, &seen), ERR_INVALID);
	seen_release(&seen);
}
END_TEST

START_TEST(a_linked_worktree_has_its_own_head)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");
	CLEANUP(cleanup_free) char *tree = str_printf("%s/other", dir);

	free(repo_commit(repo, "one"));
	repo_git(repo, "worktree", "add", "-q", "-b", "side", tree, /* end= */ NULL);
	repo_write(tree, "y.yaml", "y\n");
	CLEANUP(cleanup_free) char *id = repo_commit(tree, "two");
	open_local(tree);
	resolves(NULL, id);
	walk_gives(NULL, NULL, "y.yaml\n");
}
END_TEST

START_TEST(a_repository_of_somebody_else_is_refused_with_a_way_out)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");

	if (geteuid() != 0) {
		return; /* only root can give files away */
	}
	free(repo_commit(repo, "one"));
	repo_run(dir, "chown", "-R", "65534", repo, /* end= */ NULL);
	ck_assert_fails(source_open_local(repo, &src, &err), ERR_DENIED);
	ck_assert_ptr_nonnull(strstr(err.hint, "safe.directory"));
}
END_TEST

START_TEST(the_id_follows_the_place)
{
	CLEANUP(cleanup_free) char *one = repo_new(dir, "one");
	CLEANUP(cleanup_free) char *two = repo_new(dir, "two");
	char a[17], b[17], c[17];

	open_local(one);
	source_id(src, a);
	open_local(two);
	source_id(src, b);
	open_local(one);
	source_id(src, c);
	ck_assert_str_eq(a, c);
	ck_assert_str_ne(a, b);
	ck_assert_uint_eq(strlen(a), 16);
}
END_TEST

START_TEST(branches_tags_and_ids_resolve_to_commits)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");
	CLEANUP(cleanup_free) char *one = repo_commit(repo, "one");
	char part[9], got[41];

	repo_git(repo, "tag", "light", /* end= */ NULL);
	repo_git(repo, "tag", "-a", "-m", "t", "heavy", /* end= */ NULL);
	repo_git(repo, "branch", "team/side", /* end= */ NULL);
	CLEANUP(cleanup_free) char *two = repo_commit(repo, "two");
	open_local(repo);
	resolves("main", two);
	resolves("HEAD", two);
	resolves("refs/heads/main", two);
	resolves("team/side", one);
	resolves("light", one);
	resolves("heavy", one);
	resolves(one, one);
	(void)snprintf(part, sizeof(part), "%.8s", one);
	resolves(part, one);
	ck_assert_fails(source_resolve(src, "nosuch", got, &err), ERR_NOT_FOUND);
	ck_assert_fails(source_resolve(src, "main~1", got, &err), ERR_NOT_FOUND);
	ck_assert_fails(source_resolve(src, "", got, &err), ERR_NOT_FOUND);
	ck_assert_fails(source_resolve(src, "0123456789012345678901234567890123456789", got, &err),
	                ERR_NOT_FOUND);
}
END_TEST

START_TEST(a_tag_cannot_shadow_a_branch)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");

	free(repo_commit(repo, "one"));
	repo_git(repo, "tag", "main", /* end= */ NULL);
	CLEANUP(cleanup_free) char *two = repo_commit(repo, "two");
	open_local(repo);
	resolves("main", two);
}
END_TEST

START_TEST(a_branch_cannot_shadow_a_commit_id)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");
	CLEANUP(cleanup_free) char *one = repo_commit(repo, "one");
	CLEANUP(cleanup_free) char *ref = str_printf("refs/heads/%s", one);

	CLEANUP(cleanup_free) char *two = repo_commit(repo, "two");
	repo_git(repo, "update-ref", ref, two, /* end= */ NULL);
	open_local(repo);
	resolves(one, one);
}
END_TEST

START_TEST(a_tag_of_a_file_is_no_commit)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");
	char got[41];

	repo_write(repo, "x.yaml", "x\n");
	free(repo_commit(repo, "one"));
	repo_git(repo, "tag", "blob", "HEAD:x.yaml", /* end= */ NULL);
	open_local(repo);
	ck_assert_fails(source_resolve(src, "blob", got, &err), ERR_INVALID);
}
END_TEST

START_TEST(a_repository_without_a_commit_says_so)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");
	char got[41];

	open_local(repo);
	ck_assert_fails(source_resolve(src, NULL, got, &err), ERR_NOT_FOUND);
	ck_assert_str_ne(err.hint, "");
}
END_TEST

START_TEST(ancestors_are_told_from_rewinds)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");
	CLEANUP(cleanup_free) char *one = repo_commit(repo, "one");
	CLEANUP(cleanup_free) char *two = repo_commit(repo, "two");
	const char *nobody = "0123456789012345678901234567890123456789";
	bool is = false;

	repo_git(repo, "checkout", "-q", "-b", "side", one, /* end= */ NULL);
	CLEANUP(cleanup_free) char *side = repo_commit(repo, "side");
	open_local(repo);
	ck_assert_ok(source_is_ancestor(src, one, two, &is, &err), &err);
	ck_assert(is);
	ck_assert_ok(source_is_ancestor(src, two, two, &is, &err), &err);
	ck_assert(is);
	ck_assert_ok(source_is_ancestor(src, two, one, &is, &err), &err);
	ck_assert(!is);
	ck_assert_ok(source_is_ancestor(src, two, side, &is, &err), &err);
	ck_assert(!is);
	is = true;
	ck_assert_ok(source_is_ancestor(src, nobody, two, &is, &err), &err);
	ck_assert(!is);
	ck_assert_fails(source_is_ancestor(src, one, nobody, &is, &err), ERR_NOT_FOUND);
}
END_TEST

START_TEST(a_shallow_clone_is_read_to_its_edge)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");
	CLEANUP(cleanup_free) char *url = str_printf("file://%s", repo);
	CLEANUP(cleanup_free) char *clone = str_printf("%s/clone", dir);
	CLEANUP(cleanup_free) char *one = repo_commit(repo, "one");
	CLEANUP(cleanup_free) char *two = repo_commit(repo, "two");
	bool is = false;

	repo_write(repo, "x.yaml", "x\n");
	CLEANUP(cleanup_free) char *three = repo_commit(repo, "three");
	repo_git(dir, "clone", "-q", "--depth", "2", url, clone, /* end= */ NULL);
	open_local(clone);
	walk_gives(three, NULL, "x.yaml\n");
	ck_assert_ok(source_is_ancestor(src, two, three, &is, &err), &err);
	ck_assert(is);
	ck_assert_ok(source_is_ancestor(src, one, three, &is, &err), &err);
	ck_assert(!is);
}
END_TEST

static void write_zoo(const char *repo)
{
	repo_write(repo, "a.yaml", "1\n");
	repo_write(repo, "a/b.yml", "2\n");
	repo_write(repo, "a-b/c.yaml", "3\n");
	repo_write(repo, "a0.yaml", "4\n");
	repo_write(repo, "README.md", "no\n");
	repo_write(repo, "yaml", "no\n");
	repo_write(repo, ".hidden.yaml", "no\n");
	repo_write(repo, ".github/ci.yaml", "no\n");
	repo_write(repo, "we ird/\xc3\xbc\n\"'.yaml", "5\n");
	repo_write(repo, "z/empty.yaml", "");
}

#define ZOO "a-b/c.yaml\na.yaml\na/b.yml\na0.yaml\nwe ird/\xc3\xbc\n\"'.yaml\nz/empty.yaml\n"

START_TEST(tree_and_working_tree_come_in_the_same_order)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");
	CLEANUP(seen_release) struct seen tree;
	CLEANUP(seen_release) struct seen disk;

	write_zoo(repo);
	CLEANUP(cleanup_free) char *id = repo_commit(repo, "zoo");
	open_local(repo);
	ck_assert_ok(walk(id, NULL, 0, &tree), &err);
	ck_assert_ok(walk(NULL, NULL, 0, &disk), &err);
	ck_assert_str_eq(buf_str(&tree.names), ZOO);
	ck_assert_str_eq(buf_str(&disk.names), ZOO);
	ck_assert_str_eq(buf_str(&tree.text), "3\n1\n2\n4\n5\n");
	ck_assert_str_eq(buf_str(&disk.text), "3\n1\n2\n4\n5\n");
}
END_TEST

START_TEST(a_subdirectory_keeps_whole_paths)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");
	struct seen seen;

	write_zoo(repo);
	CLEANUP(cleanup_free) char *id = repo_commit(repo, "zoo");
	open_local(repo);
	walk_gives(id, "a", "a/b.yml\n");
	walk_gives(id, "a/", "a/b.yml\n");
	walk_gives(NULL, "a", "a/b.yml\n");
	walk_gives(id, ".", ZOO);
	ck_assert_fails(walk(id, "nosuch", 0, &seen), ERR_NOT_FOUND);
	seen_release(&seen);
	ck_assert_fails(walk(NULL, "nosuch", 0, &seen), ERR_NOT_FOUND);
	seen_release(&seen);
	ck_assert_fails(walk(id, "a.yaml", 0, &seen), ERR_NOT_FOUND);
	seen_release(&seen);
	ck_assert_fails(walk(id, "../x", 0, &seen), ERR_INVALID);
	seen_release(&seen);
}
END_TEST

START_TEST(symlinks_and_submodules_are_left_out)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");
	CLEANUP(cleanup_free) char *other = repo_new(dir, "other");
	CLEANUP(cleanup_free) char *link = str_printf("%s/link.yaml", repo);
	CLEANUP(cleanup_free) char *dirlink = str_printf("%s/dirlink", repo);

	repo_write(other, "sub.yaml", "no\n");
	free(repo_commit(other, "sub"));
	repo_write(repo, "x.yaml", "x\n");
	ck_assert_int_eq(symlink("/etc/passwd", link), 0);
	ck_assert_int_eq(symlink("/etc", dirlink), 0);
	repo_git(repo, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", other,
	         "sub", /* end= */ NULL);
	CLEANUP(cleanup_free) char *id = repo_commit(repo, "one");
	open_local(repo);
	walk_gives(id, NULL, "x.yaml\n");
	walk_gives(NULL, NULL, "x.yaml\n");
}
END_TEST

START_TEST(the_working_tree_shows_edits_but_not_what_git_ignores)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");

	repo_write(repo, "x.yaml", "old\n");
	repo_write(repo, "build/kept.yaml", "tracked\n");
	CLEANUP(cleanup_free) char *id = repo_commit(repo, "one");
	repo_write(repo, "x.yaml", "new\n");
	repo_write(repo, "y.yaml", "untracked\n");
	repo_write(repo, "tmp.yaml", "ignored\n");
	repo_write(repo, "out/z.yaml", "ignored\n");
	repo_write(repo, ".gitignore", "tmp.yaml\nout/\nbuild/\n");
	open_local(repo);
	CLEANUP(seen_release) struct seen seen;
	ck_assert_ok(walk(NULL, NULL, 0, &seen), &err);
	ck_assert_str_eq(buf_str(&seen.names), "build/kept.yaml\nx.yaml\ny.yaml\n");
	ck_assert_str_eq(buf_str(&seen.text), "tracked\nnew\nuntracked\n");
	walk_gives(id, NULL, "build/kept.yaml\nx.yaml\n");
}
END_TEST

START_TEST(three_hundred_files_loose_or_packed_read_the_same)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");
	CLEANUP(seen_release) struct seen loose;
	CLEANUP(seen_release) struct seen packed;

	for (int i = 0; i < 300; i++) {
		char name[64], text[64];
		(void)snprintf(name, sizeof(name), "d%02d/f%03d.yaml", i % 7, i);
		(void)snprintf(text, sizeof(text), "kind: X\nnumber: %d\n", i);
		repo_write(repo, name, text);
	}
	CLEANUP(cleanup_free) char *id = repo_commit(repo, "many");
	open_local(repo);
	ck_assert_ok(walk(id, NULL, 0, &loose), &err);
	repo_git(repo, "repack", "-adq", /* end= */ NULL);
	repo_git(repo, "prune-packed", /* end= */ NULL);
	open_local(repo);
	ck_assert_ok(walk(id, NULL, 0, &packed), &err);
	ck_assert_uint_eq(loose.n, 300);
	ck_assert_str_eq(buf_str(&loose.names), buf_str(&packed.names));
	ck_assert_str_eq(buf_str(&loose.text), buf_str(&packed.text));
}
END_TEST

START_TEST(a_file_above_the_limit_is_named)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");
	struct seen seen;

	repo_write(repo, "big.yaml", "0123456789\n");
	CLEANUP(cleanup_free) char *id = repo_commit(repo, "one");
	open_local(repo);
	ck_assert_fails(walk(id, NULL, 10, &seen), ERR_INVALID);
	seen_release(&seen);
	ck_assert_ptr_nonnull(strstr(err.msg, "big.yaml"));
	err_clear(&err);
	ck_assert_fails(walk(NULL, NULL, 10, &seen), ERR_INVALID);
	seen_release(&seen);
	ck_assert_ok(walk(id, NULL, 11, &seen), &err);
	seen_release(&seen);
}
END_TEST

START_TEST(a_tree_deeper_than_the_limit_is_refused)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");
	char name[512] = "";
	struct seen seen;

	for (int i = 0; i < SOURCE_DEPTH_MAX + 1; i++) {
		(void)memcpy(name + 2 * (size_t)i, "d/", 3);
	}
	(void)memcpy(name + strlen(name), "x.yaml", 7);
	repo_write(repo, name, "x\n");
	CLEANUP(cleanup_free) char *id = repo_commit(repo, "deep");
	open_local(repo);
	ck_assert_fails(walk(id, NULL, 0, &seen), ERR_INVALID);
	seen_release(&seen);
	ck_assert_fails(walk(NULL, NULL, 0, &seen), ERR_INVALID);
	seen_release(&seen);
}
END_TEST

static enum err_code stop(const struct source_file *file, void *arg, struct err *e)
{
	int *calls = arg;

	(void)file;
	(*calls)++;
	return err_set(e, ERR_CONFLICT, "enough");
}

START_TEST(the_visitors_error_ends_the_walk)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");
	int calls = 0;

	write_zoo(repo);
	CLEANUP(cleanup_free) char *id = repo_commit(repo, "zoo");
	struct source_walk w = { .commit = id };
	open_local(repo);
	ck_assert_fails(source_each_yaml(src, &w, stop, &calls, &err), ERR_CONFLICT);
	ck_assert_int_eq(calls, 1);
}
END_TEST

START_TEST(a_damaged_object_is_an_error_not_an_absence)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");
	struct seen seen;

	repo_write(repo, "x.yaml", "x\n");
	CLEANUP(cleanup_free) char *id = repo_commit(repo, "one");
	CLEANUP(cleanup_free)
	char *oid = repo_git_out(repo, "rev-parse", "HEAD:x.yaml", /* end= */ NULL);
	CLEANUP(cleanup_free)
	char *path = str_printf("%s/.git/objects/%.2s/%s", repo, oid, oid + 2);
	ck_assert_int_eq(unlink(path), 0);
	open_local(repo);
	ck_assert_fails(walk(id, NULL, 0, &seen), ERR_IO);
	seen_release(&seen);
	ck_assert_ptr_nonnull(strstr(err.msg, "x.yaml"));
}
END_TEST

START_TEST(no_object_may_claim_all_memory)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");
	git_buf text = { 0 };

	open_local(repo);
	ck_assert_int_eq(git_buf_grow(&text, 1000), 0);
	ck_assert_int_lt(git_buf_grow(&text, SOURCE_OBJECT_MAX + 1), 0);
	git_buf_dispose(&text);
}
END_TEST

static enum err_code read_one(const char *commit, const char *path, uint64_t limit, char ret[64])
{
	struct arena arena;
	struct bytes data = { 0 };
	struct source_walk w = { .commit = commit, .path = path, .file_limit = limit };

	arena_init(&arena);
	enum err_code rc = source_read(src, &w, &arena, &data, &err);
	if (rc == ERR_OK) {
		(void)snprintf(ret, 64, "%.*s", (int)data.n, (const char *)data.p);
	}
	arena_release(&arena);
	return rc;
}

START_TEST(one_file_is_read_from_the_commit_or_the_disk)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");
	char text[64];

	repo_write(repo, "pki/ca.pem", "old");
	CLEANUP(cleanup_free) char *id = repo_commit(repo, "one");
	repo_write(repo, "pki/ca.pem", "new");
	open_local(repo);
	ck_assert_ok(read_one(id, "pki/ca.pem", 100, text), &err);
	ck_assert_str_eq(text, "old");
	ck_assert_ok(read_one(NULL, "pki/ca.pem", 100, text), &err);
	ck_assert_str_eq(text, "new");
	ck_assert_fails(read_one(id, "pki/ca.pem", 2, text), ERR_INVALID);
	ck_assert_fails(read_one(NULL, "pki/ca.pem", 2, text), ERR_INVALID);
	ck_assert_fails(read_one(id, "pki/no.pem", 2, text), ERR_NOT_FOUND);
	ck_assert_fails(read_one(NULL, "pki/no.pem", 2, text), ERR_NOT_FOUND);
	ck_assert_fails(read_one(NULL, "no/ca.pem", 2, text), ERR_NOT_FOUND);
	ck_assert_fails(read_one(id, "pki", 2, text), ERR_INVALID);
	ck_assert_fails(read_one(NULL, "pki", 2, text), ERR_INVALID);
}
END_TEST

START_TEST(no_path_leaves_the_repository)
{
	static const char *const bad[] = { "",          "/etc/passwd", "..",      "../x",
		                           "a/../../x", "a/..",        "./x",     "a//b",
		                           "a/",        ".git/config", "a/.GIT/x" };
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");
	char text[64];

	CLEANUP(cleanup_free) char *id = repo_commit(repo, "one");
	open_local(repo);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		enum err_code want = strcasestr(bad[i], ".git") ? ERR_DENIED : ERR_INVALID;
		ck_assert_fails(read_one(id, bad[i], 100, text), want);
		ck_assert_fails(read_one(NULL, bad[i], 100, text), want);
	}
}
END_TEST

START_TEST(links_on_the_way_are_not_followed)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");
	CLEANUP(cleanup_free) char *link = str_printf("%s/link", repo);
	CLEANUP(cleanup_free) char *dirlink = str_printf("%s/out", repo);
	char text[64];

	ck_assert_int_eq(symlink("/etc/passwd", link), 0);
	ck_assert_int_eq(symlink("/etc", dirlink), 0);
	CLEANUP(cleanup_free) char *id = repo_commit(repo, "one");
	open_local(repo);
	ck_assert_fails(read_one(id, "link", 4096, text), ERR_INVALID);
	ck_assert_fails(read_one(NULL, "link", 4096, text), ERR_INVALID);
	ck_assert_fails(read_one(id, "out/passwd", 4096, text), ERR_NOT_FOUND);
	ck_assert_fails(read_one(NULL, "out/passwd", 4096, text), ERR_NOT_FOUND);
}
END_TEST

static void add_walking(Suite *suite)
{
	TCase *tc = tcase_create("walk");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, tree_and_working_tree_come_in_the_same_order);
	tcase_add_test(tc, a_subdirectory_keeps_whole_paths);
	tcase_add_test(tc, symlinks_and_submodules_are_left_out);
	tcase_add_test(tc, the_working_tree_shows_edits_but_not_what_git_ignores);
	tcase_add_test(tc, three_hundred_files_loose_or_packed_read_the_same);
	tcase_add_test(tc, a_file_above_the_limit_is_named);
	tcase_add_test(tc, a_tree_deeper_than_the_limit_is_refused);
	tcase_add_test(tc, the_visitors_error_ends_the_walk);
	tcase_add_test(tc, a_damaged_object_is_an_error_not_an_absence);
	tcase_add_test(tc, no_object_may_claim_all_memory);
	tcase_add_test(tc, one_file_is_read_from_the_commit_or_the_disk);
	tcase_add_test(tc, no_path_leaves_the_repository);
	tcase_add_test(tc, links_on_the_way_are_not_followed);
	suite_add_tcase(suite, tc);
}

static void build(Suite *suite)
{
	TCase *tc = tcase_create("open");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_directory_without_a_repository_is_not_found);
	tcase_add_test(tc, a_missing_directory_is_not_found);
	tcase_add_test(tc, the_repository_around_a_subdirectory_is_opened);
	tcase_add_test(tc, a_bare_repository_is_read_and_has_no_working_tree);
	tcase_add_test(tc, a_linked_worktree_has_its_own_head);
	tcase_add_test(tc, a_repository_of_somebody_else_is_refused_with_a_way_out);
	tcase_add_test(tc, the_id_follows_the_place);
	tcase_add_test(tc, branches_tags_and_ids_resolve_to_commits);
	tcase_add_test(tc, a_tag_cannot_shadow_a_branch);
	tcase_add_test(tc, a_branch_cannot_shadow_a_commit_id);
	tcase_add_test(tc, a_tag_of_a_file_is_no_commit);
	tcase_add_test(tc, a_repository_without_a_commit_says_so);
	tcase_add_test(tc, ancestors_are_told_from_rewinds);
	tcase_add_test(tc, a_shallow_clone_is_read_to_its_edge);
	suite_add_tcase(suite, tc);
	add_walking(suite);
}

UNIT_MAIN("source", build)
