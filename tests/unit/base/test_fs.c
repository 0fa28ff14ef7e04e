/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_fs.c - looking, reading, directories, house-keeping.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "reconciler/base/str.h"
#include "tests/unit/base/sandbox.h"

START_TEST(reading_stops_at_the_limit)
{
	struct err err = { 0 };
	struct buf b;

	put(path, "12345");
	buf_init(&b, 100);
	buf_add_str(&b, "x");
	ck_assert_int_eq(fs_read(path, 4, &b, &err), ERR_INVALID);
	ck_assert_str_eq(buf_str(&b), "x");
	err_clear(&err);
	ck_assert_ok(fs_read(path, 5, &b, &err), &err);
	ck_assert_str_eq(buf_str(&b), "x12345");
	buf_release(&b);
}
END_TEST

START_TEST(files_without_a_size_are_read_and_limited)
{
	struct err err = { 0 };
	struct buf b;

	buf_init(&b, 100000);
	ck_assert_ok(fs_read("/proc/self/status", 100000, &b, &err), &err);
	ck_assert_uint_gt(b.len, 100);
	buf_reset(&b);
	ck_assert_int_eq(fs_read("/proc/self/status", 100, &b, &err), ERR_INVALID);
	ck_assert_uint_eq(b.len, 0);
	buf_release(&b);
}
END_TEST

START_TEST(only_certain_absence_is_not_found)
{
	struct err err = { 0 };
	struct buf b;

	buf_init(&b, 100);
	ck_assert_int_eq(fs_read(path, 10, &b, &err), ERR_NOT_FOUND);
	err_clear(&err);
	ck_assert_int_eq(fs_read(dir, 10, &b, &err), ERR_INVALID);
	err_clear(&err);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(fs_read(path, 10, &b, &err), ERR_INVALID);
	buf_release(&b);
}
END_TEST

START_TEST(looking_at_nothing_is_no_error)
{
	struct fs_facts f = { .exists = true };
	struct err err = { 0 };

	ck_assert_ok(fs_stat(path, &f, &err), &err);
	ck_assert(!f.exists);
	ck_assert_int_eq(symlink("nowhere", path), 0);
	ck_assert_ok(fs_stat(path, &f, &err), &err);
	ck_assert(!f.exists);
	ck_assert(f.is_symlink);
}
END_TEST

START_TEST(looking_where_one_cannot_is_an_error)
{
	struct fs_facts f = { .size = 77 };
	struct err err = { 0 };

	put(path, "x");
	in_dir(other, "web.pem/below");
	ck_assert_int_ne(fs_stat(other, &f, &err), ERR_OK);
	ck_assert_uint_eq(f.size, 77);
}
END_TEST

START_TEST(removing_twice_is_removing_once)
{
	struct err err = { 0 };

	put(path, "x");
	ck_assert_ok(fs_remove(path, &err), &err);
	ck_assert_ok(fs_remove(path, &err), &err);
	ck_assert_uint_eq(files(), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_ne(fs_remove(path, &err), ERR_OK);
}
END_TEST

START_TEST(directories_are_made_with_their_parents)
{
	struct fs_facts f;
	struct err err = { 0 };

	(void)umask(0077);
	in_dir(other, "a/b//c/");
	ck_assert_ok(fs_make_dirs(other, 0750, &err), &err);
	ck_assert_ok(fs_make_dirs(other, 0700, &err), &err);
	in_dir(other, "a/b");
	ck_assert_ok(fs_stat(other, &f, &err), &err);
	ck_assert_uint_eq(f.mode, 0755);
	in_dir(other, "a/b/c");
	ck_assert_ok(fs_stat(other, &f, &err), &err);
	ck_assert_uint_eq(f.mode, 0750);
	put(path, "x");
	in_dir(other, "web.pem/sub");
	ck_assert_int_ne(fs_make_dirs(other, 0700, &err), ERR_OK);
}
END_TEST

START_TEST(only_old_temporaries_of_ours_are_swept)
{
	static const char *const names[] = { ".certwright-abcdef", ".certwright-young1",
		                             ".certwright-notours", "web.pem" };
	const struct timespec old[2] = { { .tv_sec = 1000 }, { .tv_sec = 1000 } };
	struct err err = { 0 };
	size_t removed = 0;
	struct fs_facts f;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		in_dir(other, names[i]);
		put(other, "x");
		if (i != 1) {
			ck_assert_int_eq(utimensat(AT_FDCWD, other, old, 0), 0);
		}
	}
	in_dir(other, names[1]);
	ck_assert_ok(fs_stat(other, &f, &err), &err);
	ck_assert_ok(fs_sweep_temps(dir, (struct wall){ .s = f.mtime_ns / 1000000000 + 30 },
	                            &removed, &err),
	             &err);
	ck_assert_uint_eq(removed, 1);
	ck_assert_uint_eq(files(), 3);
	ck_assert_ok(fs_sweep_temps("/nonexistent/dir", (struct wall){ 0 }, &removed, &err), &err);
	ck_assert_uint_eq(removed, 0);
}
END_TEST

START_TEST(the_newest_backups_are_kept)
{
	struct wall future = { .s = INT64_C(1) << 40 };
	struct err err = { 0 };

	for (int i = 0; i < 5; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "web.pem.bak-%d", i);
		in_dir(other, name);
		put(other, "x");
	}
	put(path, "live");
	ck_assert_ok(fs_prune_backups(dir, "web.pem.bak-", 2, (struct wall){ 0 }, &err), &err);
	ck_assert_uint_eq(files(), 6);
	ck_assert_ok(fs_prune_backups(dir, "web.pem.bak-", 2, future, &err), &err);
	ck_assert_uint_eq(files(), 3);
	in_dir(other, "web.pem.bak-4");
	holds(other, "x");
	ck_assert_int_eq(fs_prune_backups(dir, "", 0, future, &err), ERR_BUG);
}
END_TEST

START_TEST(users_and_groups_have_numbers)
{
	struct err err = { 0 };
	uint32_t id = 7;

	ck_assert_ok(fs_uid_of("root", &id, &err), &err);
	ck_assert_uint_eq(id, 0);
	ck_assert_ok(fs_gid_of("root", &id, &err), &err);
	ck_assert_uint_eq(id, 0);
	ck_assert_ok(fs_uid_of("4321", &id, &err), &err);
	ck_assert_uint_eq(id, 4321);
	ck_assert_int_eq(fs_uid_of("no-such-user", &id, &err), ERR_NOT_FOUND);
	err_clear(&err);
	ck_assert_int_eq(fs_gid_of("no-such-group", &id, &err), ERR_NOT_FOUND);
	ck_assert_uint_eq(id, 4321);
}
END_TEST

START_TEST(closing_keeps_errno)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	errno = EISDIR;
	cleanup_close(&fd);
	ck_assert_int_eq(errno, EISDIR);
	ck_assert_int_eq(fd, -1);
	cleanup_close(&fd);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("fs");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, reading_stops_at_the_limit);
	tcase_add_test(tc, files_without_a_size_are_read_and_limited);
	tcase_add_test(tc, only_certain_absence_is_not_found);
	tcase_add_test(tc, looking_at_nothing_is_no_error);
	tcase_add_test(tc, looking_where_one_cannot_is_an_error);
	tcase_add_test(tc, removing_twice_is_removing_once);
	tcase_add_test(tc, directories_are_made_with_their_parents);
	tcase_add_test(tc, only_old_temporaries_of_ours_are_swept);
	tcase_add_test(tc, the_newest_backups_are_kept);
	tcase_add_test(tc, users_and_groups_have_numbers);
	tcase_add_test(tc, closing_keeps_errno);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("base/fs", build)
