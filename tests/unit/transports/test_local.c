/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_local.c - the local machine as a transport.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "providers/transport.h"
#include "reconciler/base/str.h"
#include "tests/unit/gitrepo.h"
#include "tests/unit/unit.h"

static char *dir, *path, *backup;
static struct transport *t;
static struct err err;

static void setup(void)
{
	dir = unit_tmpdir();
	path = str_printf("%s/web.pem", dir);
	backup = str_printf("%s/web.pem.old", dir);
	err = (struct err){ 0 };
	ck_assert_ok(transport_local_open(&t, &err), &err);
}

static void teardown(void)
{
	t->ops->close(t);
	free(path);
	free(backup);
	unit_rmtree(dir);
}

static struct transport_write write_of(const char *text)
{
	return (struct transport_write){ .path = path, .data = bytes_of_str(text), .mode = 0640 };
}

static void holds(const char *file, const char *text)
{
	CLEANUP(buf_release) struct buf b;

	buf_init(&b, 4096);
	ck_assert_ok(t->ops->read(t, file, 4096, &b, &err), &err);
	ck_assert_str_eq(buf_str(&b), text);
}

static bool exists(const char *file)
{
	struct fs_facts f;

	ck_assert_ok(t->ops->stat(t, file, &f, &err), &err);
	return f.exists;
}

START_TEST(check_says_yes_and_changes_nothing)
{
	struct transport_write w = write_of("new");

	ck_assert_ok(t->ops->check(t, &w, &err), &err);
	ck_assert(!exists(path));
}
END_TEST

START_TEST(replace_keeps_the_old_file_as_backup)
{
	struct transport_write w = write_of("new");
	struct fs_facts f;

	repo_write(dir, "web.pem", "old");
	w.backup = backup;
	ck_assert_ok(t->ops->check(t, &w, &err), &err);
	ck_assert_ok(t->ops->replace(t, &w, &err), &err);
	holds(path, "new");
	holds(backup, "old");
	ck_assert_ok(t->ops->stat(t, path, &f, &err), &err);
	ck_assert_uint_eq(f.mode & 07777, 0640);
}
END_TEST

START_TEST(a_file_changed_meanwhile_is_a_conflict)
{
	struct transport_write w = write_of("new");
	struct fs_facts seen;

	repo_write(dir, "web.pem", "old");
	ck_assert_ok(t->ops->stat(t, path, &seen, &err), &err);
	repo_write(dir, "web.pem", "somebody else's");
	w.expect = &seen;
	ck_assert_int_eq(t->ops->check(t, &w, &err), ERR_CONFLICT);
	err_clear(&err);
	ck_assert_int_eq(t->ops->replace(t, &w, &err), ERR_CONFLICT);
	err_clear(&err);
	holds(path, "somebody else's");
}
END_TEST

START_TEST(check_finds_a_missing_directory)
{
	struct transport_write w = write_of("new");

	w.path = "/nonexistent/dir/web.pem";
	ck_assert_int_eq(t->ops->check(t, &w, &err), ERR_NOT_FOUND);
	ck_assert_str_ne(err.hint, "");
}
END_TEST

START_TEST(check_says_who_may_not_write)
{
	struct transport_write w = write_of("new");
	uid_t me = geteuid(), as = me == 0 ? 65534 : me;
	char want[64];

	/* Ours and not for writing: the way in stands open to whoever asks. */
	ck_assert_int_eq(chmod(dir, 0555), 0);
	ck_assert_int_eq(seteuid(as), 0);
	enum err_code rc = t->ops->check(t, &w, &err);
	ck_assert_int_eq(seteuid(me), 0);
	ck_assert_int_eq(chmod(dir, 0700), 0);
	ck_assert_int_eq(rc, ERR_DENIED);
	(void)snprintf(want, sizeof(want), "let uid %u write there", (unsigned)as);
	ck_assert_ptr_nonnull(strstr(err.hint, want));
}
END_TEST

START_TEST(check_finds_unknown_owners)
{
	struct transport_write w = write_of("new");

	w.owner = "no-such-user-here";
	ck_assert_int_eq(t->ops->check(t, &w, &err), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "no-such-user-here"));
	err_clear(&err);
	w.owner = NULL;
	w.group = "no-such-group-here";
	ck_assert_int_eq(t->ops->check(t, &w, &err), ERR_INVALID);
	err_clear(&err);
	w.group = "root";
	w.owner = "root";
	ck_assert_int_eq(t->ops->check(t, &w, &err), geteuid() == 0 ? ERR_OK : ERR_DENIED);
}
END_TEST

START_TEST(check_refuses_what_replace_would_refuse)
{
	struct transport_write w = write_of("new");

	w.path = "relative.pem";
	ck_assert_int_eq(t->ops->check(t, &w, &err), ERR_INVALID);
	err_clear(&err);
	w.path = path;
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(t->ops->check(t, &w, &err), ERR_INVALID);
	err_clear(&err);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	ck_assert_int_eq(t->ops->check(t, &w, &err), ERR_DENIED);
	err_clear(&err);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(chmod(dir, 0777), 0);
	ck_assert_int_eq(t->ops->check(t, &w, &err), ERR_DENIED);
	ck_assert_int_eq(chmod(dir, 0700), 0);
}
END_TEST

START_TEST(check_finds_that_there_is_no_room)
{
	struct transport_write w = write_of("new");

	w.data.n = (size_t)1 << 60; /* never read */
	ck_assert_int_eq(t->ops->check(t, &w, &err), ERR_IO);
	ck_assert_ptr_nonnull(strstr(err.msg, "no room"));
}
END_TEST

START_TEST(sweep_leaves_what_backup_says)
{
	struct transport_sweep s = { .path = path, .keep = 1, .max_age_s = 3600 };
	CLEANUP(cleanup_free) char *first = str_printf("%s" TRANSPORT_BACKUP_INFIX "1", path);
	CLEANUP(cleanup_free) char *second = str_printf("%s" TRANSPORT_BACKUP_INFIX "2", path);
	struct transport_write w = write_of("a");
	struct fs_facts f;

	ck_assert_ok(t->ops->replace(t, &w, &err), &err);
	w.backup = first;
	ck_assert_ok(t->ops->replace(t, &w, &err), &err);
	w.backup = second;
	ck_assert_ok(t->ops->replace(t, &w, &err), &err);
	ck_assert_ok(t->ops->stat(t, path, &f, &err), &err);
	s.now = (struct wall){ f.mtime_ns / 1000000000 };
	ck_assert_ok(t->ops->sweep(t, &s, &err), &err);
	ck_assert(!exists(first) && exists(second) && exists(path));
	s.now.s += 3700;
	ck_assert_ok(t->ops->sweep(t, &s, &err), &err);
	ck_assert(!exists(second) && exists(path));
}
END_TEST

START_TEST(remove_and_run_reach_the_machine)
{
	static const char *const argv[] = { "sh", "-c", "echo hello; exit 3", /* end= */ NULL };
	struct proc_spec spec = { .argv = argv, .timeout_ms = 10000, .out_limit = 100 };
	struct proc_result result;
	CLEANUP(buf_release) struct buf out;

	buf_init(&out, 100);
	repo_write(dir, "web.pem", "old");
	ck_assert_ok(t->ops->remove(t, path, &err), &err);
	ck_assert(!exists(path));
	ck_assert_ok(t->ops->run(t, &spec, &out, &result, &err), &err);
	ck_assert_str_eq(buf_str(&out), "hello\n");
	ck_assert_int_eq(result.exit_status, 3);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("local");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, check_says_yes_and_changes_nothing);
	tcase_add_test(tc, replace_keeps_the_old_file_as_backup);
	tcase_add_test(tc, a_file_changed_meanwhile_is_a_conflict);
	tcase_add_test(tc, check_finds_a_missing_directory);
	tcase_add_test(tc, check_says_who_may_not_write);
	tcase_add_test(tc, check_finds_unknown_owners);
	tcase_add_test(tc, check_refuses_what_replace_would_refuse);
	tcase_add_test(tc, check_finds_that_there_is_no_room);
	tcase_add_test(tc, sweep_leaves_what_backup_says);
	tcase_add_test(tc, remove_and_run_reach_the_machine);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("local", build)
