/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_fs_replace.c - old file or new file, with faults and crashes at every step.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reconciler/base/str.h"
#include "tests/unit/base/sandbox.h"

static struct fs_replace job(const char *text)
{
	return (struct fs_replace){
		.path = path,
		.data = bytes_of_str(text),
		.mode = 0600,
		.uid = FS_NO_ID,
		.gid = FS_NO_ID,
	};
}

START_TEST(a_new_file_appears_with_its_mode)
{
	struct fs_replace r = job("new");
	struct fs_facts f;
	struct err err = { 0 };

	r.mode = 0640;
	ck_assert_ok(fs_replace(&r, &err), &err);
	holds(path, "new");
	ck_assert_ok(fs_stat(path, &f, &err), &err);
	ck_assert(f.exists);
	ck_assert_uint_eq(f.mode, 0640);
	ck_assert_uint_eq(f.size, 3);
	ck_assert_uint_eq(files(), 1);
}
END_TEST

START_TEST(an_old_file_is_replaced_by_a_new_inode)
{
	struct fs_replace r = job("new");
	struct fs_facts before;
	struct fs_facts after;
	struct err err = { 0 };

	put(path, "old");
	ck_assert_int_eq(chmod(path, 0666), 0);
	ck_assert_ok(fs_stat(path, &before, &err), &err);
	ck_assert_ok(fs_replace(&r, &err), &err);
	ck_assert_ok(fs_stat(path, &after, &err), &err);
	ck_assert_uint_ne(before.ino, after.ino);
	ck_assert_uint_eq(after.mode, 0600);
	holds(path, "new");
}
END_TEST

/* An application redirects the directory below its own to one that only root writes. */
START_TEST(a_link_of_somebody_else_leads_no_file_away)
{
	struct fs_replace r = job("new");
	struct err err = { 0 };
	char app[512], theirs[512], system[512], victim[512], there[512];

	if (geteuid() != 0) {
		return;
	}
	in_dir(app, "app");
	in_dir(system, "system");
	in_dir(victim, "system/web.pem");
	in_dir(theirs, "app/tls");
	in_dir(there, "app/tls/web.pem");
	ck_assert_int_eq(mkdir(app, 0755), 0);
	ck_assert_int_eq(mkdir(system, 0755), 0);
	put(victim, "system");
	ck_assert_int_eq(symlink("../system", theirs), 0);
	r.path = there;
	ck_assert_ok(fs_replace(&r, &err), &err); /* our own link */
	holds(victim, "new");
	put(victim, "system");
	ck_assert_int_eq(lchown(theirs, 65534, 65534), 0);
	ck_assert_int_eq(fs_replace_check(&r, &err), ERR_DENIED);
	ck_assert_ptr_nonnull(strstr(err.msg, "a symbolic link of uid 65534 on the way"));
	err_clear(&err);
	ck_assert_int_eq(fs_replace(&r, &err), ERR_DENIED);
	err_clear(&err);
	ck_assert_int_eq(fs_remove(there, &err), ERR_DENIED);
	err_clear(&err);
	holds(victim, "system");
	/* To a directory of their own they may lead us. */
	ck_assert_int_eq(chown(system, 65534, 65534), 0);
	ck_assert_int_eq(chown(victim, 65534, 65534), 0);
	ck_assert_ok(fs_replace(&r, &err), &err);
	holds(victim, "new");
	ck_assert_ok(fs_remove(there, &err), &err);
	ck_assert_int_eq(access(victim, F_OK), -1);
}
END_TEST

START_TEST(links_in_a_circle_are_an_error)
{
	struct fs_replace r = job("new");
	struct err err = { 0 };
	char one[512], two[512], there[512];

	in_dir(one, "one");
	in_dir(two, "two");
	in_dir(there, "one/web.pem");
	ck_assert_int_eq(symlink("two", one), 0);
	ck_assert_int_eq(symlink("one", two), 0);
	r.path = there;
	ck_assert_int_eq(fs_replace(&r, &err), ERR_IO);
	ck_assert_int_eq(err.sys, ELOOP);
}
END_TEST

START_TEST(an_empty_file_can_be_written)
{
	struct fs_replace r = job("");
	struct err err = { 0 };

	r.data = bytes_of(NULL, 0);
	put(path, "old");
	ck_assert_ok(fs_replace(&r, &err), &err);
	holds(path, "");
}
END_TEST

START_TEST(the_old_content_is_kept_as_backup)
{
	struct fs_replace r = job("new");
	struct err err = { 0 };

	r.backup = other;
	put(path, "old");
	ck_assert_ok(fs_replace(&r, &err), &err);
	holds(path, "new");
	holds(other, "old");
	ck_assert_uint_eq(files(), 2);
}
END_TEST

START_TEST(an_existing_backup_is_replaced)
{
	struct fs_replace r = job("new");
	struct fs_facts f;
	struct err err = { 0 };

	r.backup = other;
	put(path, "old");
	ck_assert_int_eq(chmod(path, 0640), 0);
	put(other, "ancient");
	ck_assert_ok(fs_replace(&r, &err), &err);
	holds(other, "old");
	ck_assert_ok(fs_stat(other, &f, &err), &err);
	ck_assert_uint_eq(f.mode, 0600);
	ck_assert_uint_eq(files(), 2);
}
END_TEST

START_TEST(a_backup_is_for_its_owner_alone_whatever_the_file_was)
{
	static const mode_t modes[] = { 0644, 0660, 0604, 0700, 0400 };
	struct fs_replace r = job("new");
	struct fs_facts f;
	struct err err = { 0 };

	r.backup = other;
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		put(path, "old");
		ck_assert_int_eq(chmod(path, modes[i]), 0);
		ck_assert_ok(fs_replace(&r, &err), &err);
		holds(other, "old");
		ck_assert_ok(fs_stat(other, &f, &err), &err);
		ck_assert_uint_eq(f.mode, modes[i] & 0600);
		ck_assert_int_eq(unlink(other), 0);
	}
}
END_TEST

START_TEST(a_backup_made_before_a_crash_is_accepted)
{
	struct fs_replace r = job("new");
	struct err err = { 0 };

	r.backup = other;
	put(path, "old");
	ck_assert_int_eq(link(path, other), 0);
	ck_assert_ok(fs_replace(&r, &err), &err);
	holds(path, "new");
	holds(other, "old");
}
END_TEST

START_TEST(nothing_to_back_up_is_no_error)
{
	struct fs_replace r = job("new");
	struct err err = { 0 };

	r.backup = other;
	ck_assert_ok(fs_replace(&r, &err), &err);
	ck_assert_uint_eq(files(), 1);
}
END_TEST

START_TEST(a_backup_elsewhere_is_refused)
{
	struct fs_replace r = job("new");
	struct err err = { 0 };

	put(path, "old");
	r.backup = "/tmp/elsewhere";
	ck_assert_int_eq(fs_replace(&r, &err), ERR_INVALID);
	err_clear(&err);
	r.backup = path;
	ck_assert_int_eq(fs_replace(&r, &err), ERR_INVALID);
	holds(path, "old");
	ck_assert_uint_eq(files(), 1);
}
END_TEST

static const char *fault_step;
static int fault_errno;
static char steps_seen[200];

static int fail_at(const char *step)
{
	size_t n = strlen(steps_seen);

	(void)snprintf(steps_seen + n, sizeof(steps_seen) - n, "%s ", step);
	return str_equal(step, fault_step) ? fault_errno : 0;
}

static const char *const steps[] = { "open-temp", "write",  "fsync-temp",
	                             "backup",    "rename", "fsync-dir" };

START_TEST(the_steps_come_in_the_promised_order)
{
	struct fs_replace r = job("new");
	struct err err = { 0 };

	r.backup = other;
	put(path, "old");
	steps_seen[0] = '\0';
	fault_step = NULL;
	fs_fault_hook = fail_at;
	ck_assert_ok(fs_replace(&r, &err), &err);
	ck_assert_str_eq(steps_seen, "open-temp write fsync-temp backup rename fsync-dir ");
}
END_TEST

START_TEST(a_full_or_broken_disk_leaves_old_or_new_and_no_temporary)
{
	static const int errors[] = { ENOSPC, EIO };
	struct fs_replace r = job("new");

	r.backup = other;
	fs_fault_hook = fail_at;
	for (size_t i = 0; i < ARRAY_LEN(steps) * 2; i++) {
		struct err err = { 0 };

		put(path, "old");
		(void)unlink(other);
		fault_step = steps[i / 2];
		fault_errno = errors[i % 2];
		steps_seen[0] = '\0';
		ck_assert_int_eq(fs_replace(&r, &err), ERR_IO);
		ck_assert_int_eq(err.sys, fault_errno);
		holds(path, strcmp(fault_step, "fsync-dir") == 0 ? "new" : "old");
		ck_assert_uint_le(files(), 2);
	}
}
END_TEST

static int die_at(const char *step)
{
	if (str_equal(step, fault_step)) {
		_exit(9);
	}
	return 0;
}

START_TEST(a_crash_at_any_step_leaves_old_or_new_and_a_rerun_finishes)
{
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct fs_replace r = job("new");
		struct err err = { 0 };
		struct buf b;
		int status = 0;
		pid_t pid;

		r.backup = other;
		put(path, "old");
		(void)unlink(other);
		fault_step = steps[i];
		fs_fault_hook = die_at;
		pid = fork();
		if (pid == 0) {
			_exit(fs_replace(&r, &err) == ERR_OK ? 0 : 1);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(WEXITSTATUS(status), 9);
		fs_fault_hook = NULL;
		buf_init(&b, 100);
		ck_assert_ok(fs_read(path, 100, &b, &err), &err);
		ck_assert(strcmp(buf_str(&b), "old") == 0 || strcmp(buf_str(&b), "new") == 0);
		buf_release(&b);
		ck_assert_ok(fs_replace(&r, &err), &err);
		holds(path, "new");
	}
}
END_TEST

START_TEST(a_mounted_file_is_overwritten_in_place)
{
	struct fs_replace r = job("much newer");
	struct fs_facts before;
	struct fs_facts after;
	struct err err = { 0 };

	put(path, "old");
	ck_assert_ok(fs_stat(path, &before, &err), &err);
	fault_step = "rename";
	fault_errno = EBUSY;
	fs_fault_hook = fail_at;
	ck_assert_ok(fs_replace(&r, &err), &err);
	ck_assert_ok(fs_stat(path, &after, &err), &err);
	ck_assert_uint_eq(before.ino, after.ino);
	holds(path, "much newer");
	ck_assert_uint_eq(files(), 1);
}
END_TEST

START_TEST(a_real_mount_is_overwritten_after_a_real_backup)
{
	struct fs_replace r = job("much newer");
	static char backup[512];
	struct err err = { 0 };

	put(path, "");
	put(other, "old");
	in_dir(backup, "backup");
	r.backup = backup;
	/* Each test is a process of its own, so nobody else sees this mount. */
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount(other, path, NULL, MS_BIND, NULL) != 0) {
		return;
	}
	ck_assert_ok(fs_replace(&r, &err), &err);
	holds(other, "much newer");
	holds(backup, "old");
	ck_assert_uint_eq(files(), 3);
	ck_assert_int_eq(umount(path), 0);
}
END_TEST

START_TEST(a_file_changed_meanwhile_is_a_conflict)
{
	struct fs_replace r = job("new");
	struct fs_facts f;
	struct err err = { 0 };

	put(path, "old");
	ck_assert_ok(fs_stat(path, &f, &err), &err);
	r.expect = &f;
	put(path, "older");
	ck_assert_int_eq(fs_replace(&r, &err), ERR_CONFLICT);
	holds(path, "older");
	ck_assert_uint_eq(files(), 1);
}
END_TEST

static int change_at(const char *step)
{
	if (str_equal(step, "backup")) {
		put(path, "changed just now");
	}
	return 0;
}

START_TEST(a_change_just_before_the_rename_is_a_conflict)
{
	struct fs_replace r = job("new");
	struct fs_facts f;
	struct err err = { 0 };

	put(path, "old");
	ck_assert_ok(fs_stat(path, &f, &err), &err);
	r.expect = &f;
	r.backup = other;
	fs_fault_hook = change_at;
	ck_assert_int_eq(fs_replace(&r, &err), ERR_CONFLICT);
	holds(path, "changed just now");
}
END_TEST

START_TEST(expectations_that_hold_are_no_conflict)
{
	struct fs_replace r = job("new");
	struct fs_facts f;
	struct err err = { 0 };

	ck_assert_ok(fs_stat(path, &f, &err), &err);
	ck_assert(!f.exists);
	r.expect = &f;
	ck_assert_ok(fs_replace(&r, &err), &err);
	ck_assert_int_eq(fs_replace(&r, &err), ERR_CONFLICT);
	err_clear(&err);
	ck_assert_ok(fs_stat(path, &f, &err), &err);
	ck_assert_ok(fs_replace(&r, &err), &err);
}
END_TEST

START_TEST(a_link_within_the_directory_stays_a_link)
{
	struct fs_replace r = job("new");
	struct fs_facts f;
	struct err err = { 0 };

	put(other, "old");
	ck_assert_int_eq(symlink("other", path), 0);
	ck_assert_ok(fs_replace(&r, &err), &err);
	ck_assert_ok(fs_stat(path, &f, &err), &err);
	ck_assert(f.is_symlink);
	holds(other, "new");
}
END_TEST

START_TEST(a_link_out_of_the_directory_is_refused)
{
	static const char *const targets[] = { "../x", "/etc/passwd", "sub/x", "..", "./../x" };
	struct fs_replace r = job("new");

	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		struct err err = { 0 };

		(void)unlink(path);
		ck_assert_int_eq(symlink(targets[i], path), 0);
		ck_assert_msg(fs_replace(&r, &err) == ERR_DENIED, "%s", targets[i]);
		ck_assert_uint_eq(files(), 1);
	}
}
END_TEST

START_TEST(links_in_a_circle_are_refused)
{
	struct fs_replace r = job("new");
	struct err err = { 0 };

	ck_assert_int_eq(symlink("other", path), 0);
	ck_assert_int_eq(symlink("web.pem", other), 0);
	ck_assert_int_eq(fs_replace(&r, &err), ERR_INVALID);
}
END_TEST

START_TEST(what_is_not_a_regular_file_is_not_replaced)
{
	struct fs_replace r = job("new");

	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(fs_replace(&r, /* err= */ NULL), ERR_INVALID);
}
END_TEST

START_TEST(another_name_of_the_file_keeps_the_old_content)
{
	struct fs_replace r = job("new");
	struct err err = { 0 };

	put(path, "old");
	ck_assert_int_eq(link(path, other), 0);
	ck_assert_ok(fs_replace(&r, &err), &err);
	holds(path, "new");
	holds(other, "old");
}
END_TEST

START_TEST(a_directory_that_others_write_to_is_refused)
{
	struct fs_replace r = job("new");
	struct err err = { 0 };

	ck_assert_int_eq(chmod(dir, 0777), 0);
	ck_assert_int_eq(fs_replace(&r, &err), ERR_DENIED);
	ck_assert_str_ne(err.hint, "");
	err_clear(&err);
	ck_assert_int_eq(chmod(dir, 01777), 0);
	ck_assert_ok(fs_replace(&r, &err), &err);
}
END_TEST

START_TEST(root_writes_as_the_owner_of_the_directory)
{
	struct fs_replace r = job("new");
	struct fs_facts f;
	struct err err = { 0 };

	if (geteuid() != 0) {
		return;
	}
	ck_assert_int_eq(chown(dir, 12345, 12345), 0);
	ck_assert_ok(fs_replace(&r, &err), &err);
	ck_assert_ok(fs_stat(path, &f, &err), &err);
	ck_assert_uint_eq(f.uid, 12345);
	r.uid = 0;
	r.gid = 54321;
	ck_assert_ok(fs_replace(&r, &err), &err);
	ck_assert_ok(fs_stat(path, &f, &err), &err);
	ck_assert_uint_eq(f.uid, 0);
	ck_assert_uint_eq(f.gid, 54321);
	ck_assert_uint_eq(files(), 1);
}
END_TEST

START_TEST(somebody_elses_file_in_a_shared_directory_is_refused)
{
	struct fs_replace r = job("new");
	struct err err = { 0 };

	if (geteuid() != 0) {
		return;
	}
	put(path, "old");
	ck_assert_int_eq(chown(path, 12345, 12345), 0);
	ck_assert_int_eq(chmod(dir, 01777), 0);
	ck_assert_int_eq(fs_replace(&r, &err), ERR_DENIED);
	holds(path, "old");
}
END_TEST

START_TEST(paths_that_name_no_file_are_refused)
{
	static const char *const bad[] = { "relative", "/", "/tmp/", "/tmp/.", "/tmp/.." };
	struct fs_replace r = job("new");

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = { 0 };

		r.path = bad[i];
		ck_assert_msg(fs_replace(&r, &err) == ERR_INVALID, "%s", bad[i]);
	}
}
END_TEST

START_TEST(a_missing_directory_is_named)
{
	struct fs_replace r = job("new");
	struct err err = { 0 };

	in_dir(other, "none/web.pem");
	r.path = other;
	ck_assert_int_eq(fs_replace(&r, &err), ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(err.msg, "none"));
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("fs_replace");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_new_file_appears_with_its_mode);
	tcase_add_test(tc, an_old_file_is_replaced_by_a_new_inode);
	tcase_add_test(tc, a_link_of_somebody_else_leads_no_file_away);
	tcase_add_test(tc, links_in_a_circle_are_an_error);
	tcase_add_test(tc, an_empty_file_can_be_written);
	tcase_add_test(tc, the_old_content_is_kept_as_backup);
	tcase_add_test(tc, an_existing_backup_is_replaced);
	tcase_add_test(tc, a_backup_is_for_its_owner_alone_whatever_the_file_was);
	tcase_add_test(tc, a_backup_made_before_a_crash_is_accepted);
	tcase_add_test(tc, nothing_to_back_up_is_no_error);
	tcase_add_test(tc, a_backup_elsewhere_is_refused);
	tcase_add_test(tc, the_steps_come_in_the_promised_order);
	tcase_add_test(tc, a_full_or_broken_disk_leaves_old_or_new_and_no_temporary);
	tcase_add_test(tc, a_crash_at_any_step_leaves_old_or_new_and_a_rerun_finishes);
	tcase_add_test(tc, a_mounted_file_is_overwritten_in_place);
	tcase_add_test(tc, a_real_mount_is_overwritten_after_a_real_backup);
	tcase_add_test(tc, a_file_changed_meanwhile_is_a_conflict);
	tcase_add_test(tc, a_change_just_before_the_rename_is_a_conflict);
	tcase_add_test(tc, expectations_that_hold_are_no_conflict);
	tcase_add_test(tc, a_link_within_the_directory_stays_a_link);
	tcase_add_test(tc, a_link_out_of_the_directory_is_refused);
	tcase_add_test(tc, links_in_a_circle_are_refused);
	tcase_add_test(tc, what_is_not_a_regular_file_is_not_replaced);
	tcase_add_test(tc, another_name_of_the_file_keeps_the_old_content);
	tcase_add_test(tc, a_directory_that_others_write_to_is_refused);
	tcase_add_test(tc, root_writes_as_the_owner_of_the_directory);
	tcase_add_test(tc, somebody_elses_file_in_a_shared_directory_is_refused);
	tcase_add_test(tc, paths_that_name_no_file_are_refused);
	tcase_add_test(tc, a_missing_directory_is_named);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("base/fs_replace", build)
