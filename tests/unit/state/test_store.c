/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_store.c - opening: directory, lock, versions, modes, damage, a full disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "tests/unit/state/fixture.h"

static enum err_code try_open(struct fixture *f, enum store_mode mode, struct store **ret)
{
	struct store_options opt = {
		.dir = f->dir, .master_key = f->master, .mode = mode, .clock = &f->clock.clock
	};

	err_clear(&f->err);
	return store_open(&opt, ret, &f->err);
}

/* SQL behind the store's back: damage, and looking. */
static void sql(struct fixture *f, const char *script)
{
	CLEANUP(cleanup_free) char *path = str_printf("%s/certwright.db", f->dir);
	struct db *db = NULL;

	err_clear(&f->err);
	ck_assert_ok(db_open(path, /* writable= */ true, &db, &f->err), &f->err);
	ck_assert_ok(db_exec(db, script, &f->err), &f->err);
	db_close(db);
}

static void close_store(struct fixture *f)
{
	store_close(f->s);
	f->s = NULL;
}

START_TEST(everything_made_is_for_our_eyes_only_whatever_the_umask)
{
	static const char *const files[] = { "", "/certwright.db", "/certwright.db-wal",
		                             "/certwright.db-shm", "/lock" };
	struct fixture f;
	struct stat st;

	(void)umask(0);
	fixture_init(&f);
	ck_assert_ok(store_approve(f.s, "web", &f.err), &f.err);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		CLEANUP(cleanup_free) char *path = str_printf("%s%s", f.dir, files[i]);
		ck_assert_msg(stat(path, &st) == 0, "%s", path);
		ck_assert_msg((st.st_mode & 077) == 0, "%s %o", path, st.st_mode);
	}
	ck_assert_int_eq(stat(f.master, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	ck_assert_int_eq(st.st_size, 32);
	fixture_release(&f);
}
END_TEST

START_TEST(a_state_that_others_can_read_is_refused_with_the_cure)
{
	struct fixture f;
	struct store *s = NULL;

	fixture_init(&f);
	close_store(&f);
	ck_assert_int_eq(chmod(f.dir, 0750), 0);
	ck_assert_int_eq(try_open(&f, STORE_RECONCILER, &s), ERR_DENIED);
	ck_assert_ptr_nonnull(strstr(f.err.hint, "chmod 700"));
	ck_assert_ptr_null(s);
	fixture_release(&f);
}
END_TEST

START_TEST(the_id_is_made_once_and_is_sixteen_hex_digits)
{
	struct fixture f;
	char id[17];

	fixture_init(&f);
	ck_assert(store_made_master_key(f.s));
	ck_assert_uint_eq(strlen(store_id(f.s)), 16);
	memcpy(id, store_id(f.s), sizeof(id));
	fixture_reopen(&f);
	ck_assert_str_eq(store_id(f.s), id);
	ck_assert(!store_made_master_key(f.s));
	fixture_release(&f);
}
END_TEST

START_TEST(a_directory_made_for_the_master_key_may_be_passed_and_the_key_not_read)
{
	struct fixture f = { .tmp = unit_tmpdir() };
	struct stat st;
	mode_t before = umask(022);

	(void)snprintf(f.dir, sizeof(f.dir), "%s/state", f.tmp);
	(void)snprintf(f.master, sizeof(f.master), "%s/etc/certwright/master.key", f.tmp);
	clock_manual_init(&f.clock, T0);
	fixture_open(&f, STORE_RECONCILER);
	(void)umask(before);
	ck_assert_int_eq(stat(f.master, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	*strrchr(f.master, '/') = '\0';
	ck_assert_int_eq(stat(f.master, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0755);
	fixture_release(&f);
}
END_TEST

START_TEST(reading_makes_nothing_and_says_that_there_is_nothing)
{
	struct fixture f = { .tmp = unit_tmpdir() };
	struct store *s = NULL;

	(void)snprintf(f.dir, sizeof(f.dir), "%s/state", f.tmp);
	clock_manual_init(&f.clock, T0);
	ck_assert_int_eq(try_open(&f, STORE_READ, &s), ERR_NOT_FOUND);
	ck_assert(f.err.hint[0] != 0);
	ck_assert_int_ne(access(f.dir, F_OK), 0);
	ck_assert_int_eq(mkdir(f.dir, 0700), 0);
	ck_assert_int_eq(try_open(&f, STORE_READ, &s), ERR_NOT_FOUND);
	fixture_release(&f);
}
END_TEST

START_TEST(a_reader_sees_and_does_not_write)
{
	struct fixture f;
	struct seen_certs certs;

	fixture_init(&f);
	ck_assert_ok(store_approve(f.s, "web", &f.err), &f.err);
	close_store(&f);
	fixture_open(&f, STORE_READ);
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert_ptr_nonnull(memory_identity(m, "web"));
	fixture_forget(m, &certs);
	ck_assert_int_eq(store_approve(f.s, "web", &f.err), ERR_DENIED);
	fixture_release(&f);
}
END_TEST

START_TEST(a_second_process_is_told_the_pid_that_has_the_lock)
{
	struct fixture f;
	char want[64];

	fixture_init(&f);
	(void)snprintf(want, sizeof(want), "reconciler with pid %d holds", (int)getpid());
	(void)fflush(NULL);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct store *s = NULL;
		bool ok = try_open(&f, STORE_RECONCILER, &s) == ERR_CONFLICT &&
		          strstr(f.err.msg, want) != NULL && f.err.hint[0] != 0;
		_exit(ok ? 0 : 1);
	}
	int status = 1;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	fixture_release(&f);
}
END_TEST

START_TEST(a_state_that_was_removed_or_replaced_is_not_written_to)
{
	struct fixture f;
	char lock[300];
	char away[300];

	fixture_init(&f);
	(void)snprintf(lock, sizeof(lock), "%s/lock", f.dir);
	(void)snprintf(away, sizeof(away), "%s/away", f.tmp);
	ck_assert_ok(store_succeeded(f.s, "push:x", &f.err), &f.err);
	ck_assert_int_eq(rename(f.dir, away), 0);
	ck_assert_int_eq(store_succeeded(f.s, "push:x", &f.err), ERR_CONFLICT);
	ck_assert_ptr_nonnull(strstr(f.err.msg, "removed or replaced"));
	err_clear(&f.err);
	ck_assert_int_eq(rename(away, f.dir), 0);
	ck_assert_ok(store_succeeded(f.s, "push:x", &f.err), &f.err);
	ck_assert_int_eq(unlink(lock), 0);
	ck_assert_int_eq(close(open(lock, O_CREAT | O_WRONLY, 0600)), 0);
	ck_assert_int_eq(store_succeeded(f.s, "push:x", &f.err), ERR_CONFLICT);
	ck_assert(f.err.hint[0] != 0);
	fixture_release(&f);
}
END_TEST

START_TEST(the_lock_dies_with_the_process_that_held_it)
{
	struct fixture f;
	int status = 1;

	fixture_init(&f);
	close_store(&f);
	(void)fflush(NULL);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		struct store *s = NULL;
		_exit(try_open(&f, STORE_RECONCILER, &s) == ERR_OK ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	fixture_open(&f, STORE_RECONCILER);
	fixture_release(&f);
}
END_TEST

START_TEST(an_operator_writes_requests_beside_the_reconciler_and_nothing_else)
{
	struct fixture f;
	struct store *op = NULL;
	struct request_row *rows = NULL;
	size_t n = 0;
	int64_t seq = 0;

	fixture_init(&f);
	ck_assert_int_eq(try_open(&f, STORE_OPERATOR, &op), ERR_OK);
	ck_assert_ok(store_request_add(op, "push", "web@h", "{}", &f.err), &f.err);
	ck_assert_ok(store_requests_open(f.s, &f.arena, &rows, &n, &f.err), &f.err);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(store_identity_archive(op, "web", &f.err), ERR_DENIED);
	err_clear(&f.err);
	ck_assert_int_eq(journal_intent(op, "p", "a", "d", &seq, &f.err), ERR_DENIED);
	store_close(op);
	fixture_release(&f);
}
END_TEST

START_TEST(an_empty_database_file_is_a_first_run)
{
	struct fixture f = { .tmp = unit_tmpdir() };
	int64_t revision = -1;

	(void)snprintf(f.dir, sizeof(f.dir), "%s/state", f.tmp);
	(void)snprintf(f.master, sizeof(f.master), "%s/k/e/y", f.tmp);
	clock_manual_init(&f.clock, T0);
	ck_assert_int_eq(mkdir(f.dir, 0700), 0);
	CLEANUP(cleanup_free) char *path = str_printf("%s/certwright.db", f.dir);
	FILE *file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	(void)fclose(file);
	fixture_open(&f, STORE_RECONCILER);
	ck_assert_ok(store_revision(f.s, &revision, &f.err), &f.err);
	fixture_release(&f);
}
END_TEST

START_TEST(a_state_of_a_newer_version_is_refused_by_everyone)
{
	static const enum store_mode modes[] = { STORE_READ, STORE_OPERATOR, STORE_RECONCILER };
	struct fixture f;
	struct store *s = NULL;

	fixture_init(&f);
	close_store(&f);
	sql(&f, "PRAGMA user_version=99");
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		ck_assert_int_eq(try_open(&f, modes[i], &s), ERR_CONFLICT);
		ck_assert_ptr_nonnull(strstr(f.err.msg, "newer certwright"));
	}
	fixture_release(&f);
}
END_TEST

START_TEST(a_first_run_killed_at_any_write_is_a_first_run_again)
{
	struct fixture f = { .tmp = unit_tmpdir() };
	struct store *s = NULL;
	int status = 0;

	(void)snprintf(f.dir, sizeof(f.dir), "%s/state", f.tmp);
	(void)snprintf(f.master, sizeof(f.master), "%s/master.key", f.tmp);
	clock_manual_init(&f.clock, T0);
	/* One more write survives in every round, until the child lives to the end. */
	for (int at = 0; at < 100 && status == 0; at++) {
		(void)fflush(NULL);
		pid_t pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0) {
			fixture_countdown = at;
			db_fault_hook = fixture_die;
			_exit(try_open(&f, STORE_RECONCILER, &s) == ERR_OK ? 7 : 1);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	}
	ck_assert_int_eq(WEXITSTATUS(status), 7);
	fixture_open(&f, STORE_RECONCILER);
	fixture_release(&f);
}
END_TEST

START_TEST(a_file_that_is_no_database_is_a_sentence)
{
	struct fixture f;
	struct store *s = NULL;

	fixture_init(&f);
	close_store(&f);
	CLEANUP(cleanup_free) char *path = str_printf("%s/certwright.db", f.dir);
	FILE *file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	for (int i = 0; i < 1000; i++) {
		(void)fputs("this is no database", file);
	}
	(void)fclose(file);
	ck_assert_int_eq(try_open(&f, STORE_RECONCILER, &s), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(f.err.hint, "backup"));
	fixture_release(&f);
}
END_TEST

static enum err_code load(struct fixture *f)
{
	struct seen_certs certs;
	struct memory *m = NULL;

	err_clear(&f->err);
	seen_certs_init(&certs, &f->arena);
	enum err_code rc = memory_load(f->s, &f->arena, &certs, &m, &f->err);
	memory_release(m);
	seen_certs_release(&certs);
	return rc;
}

START_TEST(damaged_rows_are_sentences)
{
	static const char *const damage[] = {
		"UPDATE revision SET chain = x'00'",
		"UPDATE revision SET chain = x''",
		"UPDATE revision SET chain = zeroblob(32)",
		"UPDATE revision SET chain = zeroblob(33)",
		"UPDATE revision SET request_digest = zeroblob(31)",
		"UPDATE revision SET has_key = 7",
		"UPDATE revision SET revision = -1",
		"UPDATE revision SET status = 0, spki_sha256 = x''",
		"UPDATE revision SET name = 'nobody'",
		"UPDATE certificate SET sha256 = zeroblob(31) WHERE id = 1",
		"UPDATE certificate SET self_signed = 2",
		"DELETE FROM certificate",
		"UPDATE store SET written = x''",
		"UPDATE store SET activations = -1",
		"UPDATE slot SET store_key = 'none'",
		"UPDATE slot SET sha256 = x'01'",
		"UPDATE anchor SET sha256 = zeroblob(32)",
		"UPDATE backoff SET inputs = x''",
		"UPDATE ca SET issuer = 'none'",
		"UPDATE ca SET sha256 = zeroblob(32)",
		"UPDATE identity SET archived = 9",
		"UPDATE identity SET name = CAST(x'6100' AS TEXT)",
	};
	struct fixture f;
	struct cert leaf = pretend_cert("a-leaf");
	const struct cert *v[] = { &leaf };
	CLEANUP(secret_release) struct secret key = { 0 };

	fixture_init(&f);
	const struct cert *anchor = real_cert(&f, fixture_a_pem);
	struct slot_write slot = { .alias = "ca", .anchor_der = anchor->der };
	struct backoff b = { .failures = 1 };
	struct ca_books *books = store_ca_books(f.s);
	memcpy(slot.sha256, anchor->sha256, SHA256_BYTES);
	ck_assert_int_eq(secret_set_str(&key, "k"), 0);
	ck_assert_ok(store_identity_adopt(f.s,
	                                  &(struct adoption){
						  .identity = "web",
						  .chain = (struct chain){ .v = v, .n = 1 },
						  .pkcs8 = &key,
						  .issuer = "i",
						  .issuer_generation = 1,
						  .renew = 0 },
	                                  /* ret_revision= */ NULL, &f.err),
	             &f.err);
	ck_assert_ok(store_written(f.s,
	                           &(struct store_write){ .target = "t",
	                                                  .host = "h",
	                                                  .path = "/p",
	                                                  .slots = &slot,
	                                                  .n_slots = 1 },
	                           &f.err),
	             &f.err);
	ck_assert_ok(store_failed(f.s, "push:t@h:/p", &b, &f.err), &f.err);
	ck_assert_ok(books->store_ca(books, "ca", 1, &key, anchor->der, &f.err), &f.err);
	ck_assert_int_eq(load(&f), ERR_OK);
	close_store(&f);
	CLEANUP(cleanup_free) char *path = str_printf("%s/certwright.db", f.dir);
	CLEANUP(cleanup_free) char *good = str_printf("%s/good", f.tmp);
	for (size_t i = 0; i < ARRAY_LEN(damage); i++) {
		pid_t pid = fork();
		if (pid == 0) {
			(void)execlp("cp", "cp", i == 0 ? path : good, i == 0 ? good : path, NULL);
			_exit(127);
		}
		int status = 1;
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
		sql(&f, damage[i]);
		fixture_open(&f, STORE_RECONCILER);
		ck_assert_msg(load(&f) == ERR_INVALID, "%s", damage[i]);
		ck_assert_msg(strstr(f.err.msg, "damaged") != NULL ||
		                      strstr(f.err.msg, "not kept") != NULL,
		              "%s: %s", damage[i], f.err.msg);
		close_store(&f);
	}
	fixture_release(&f);
}
END_TEST

START_TEST(the_revision_counts_what_plans_read_and_nothing_else)
{
	struct fixture f;
	int64_t a = 0;
	int64_t b = 0;
	int64_t seq = 0;
	uint8_t inputs[32] = { 1 };
	struct suspension x = { .kind = "Target", .name = "web", .until = T0 };

	fixture_init(&f);
	ck_assert_ok(store_revision(f.s, &a, &f.err), &f.err);
	ck_assert_ok(journal_intent(f.s, "p", "a", "d", &seq, &f.err), &f.err);
	ck_assert_ok(store_memo_put(f.s, "plan", inputs, T0, bytes_of_str("x"), &f.err), &f.err);
	ck_assert_ok(store_accepted_set(f.s, "repo", "abc", &f.err), &f.err);
	ck_assert_ok(store_revision(f.s, &b, &f.err), &f.err);
	ck_assert_int_eq(a, b);
	ck_assert_ok(store_request_add(f.s, "push", "web", "{}", &f.err), &f.err);
	ck_assert_ok(store_revision(f.s, &b, &f.err), &f.err);
	ck_assert_int_eq(b, a + 1);
	ck_assert_ok(store_suspend(f.s, &x, &f.err), &f.err);
	ck_assert_ok(store_revision(f.s, &b, &f.err), &f.err);
	ck_assert_int_eq(b, a + 2);
	fixture_reopen(&f);
	ck_assert_ok(store_revision(f.s, &b, &f.err), &f.err);
	ck_assert_int_eq(b, a + 2);
	fixture_release(&f);
}
END_TEST

static int full(const char *point)
{
	return strcmp(point, "commit") == 0 ? ENOSPC : 0;
}

START_TEST(a_full_disk_is_said_with_a_hint_and_nothing_is_half_done)
{
	struct fixture f;
	struct seen_certs certs;

	fixture_init(&f);
	db_fault_hook = full;
	ck_assert_int_eq(store_approve(f.s, "web", &f.err), ERR_IO);
	ck_assert_ptr_nonnull(strstr(f.err.hint, "free some space"));
	db_fault_hook = NULL;
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert_ptr_null(memory_identity(m, "web"));
	fixture_forget(m, &certs);
	ck_assert_ok(store_approve(f.s, "web", &f.err), &f.err);
	fixture_release(&f);
}
END_TEST

START_TEST(a_write_that_the_file_system_refuses_changes_nothing)
{
	struct fixture f;
	CLEANUP(buf_release) struct buf got = { 0 };
	static uint8_t big[1 << 20];
	uint8_t inputs[32] = { 7 };
	struct rlimit old;
	bool found = true;

	fixture_init(&f);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
	struct rlimit small = { .rlim_cur = 400 << 10, .rlim_max = old.rlim_max };
	(void)signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	enum err_code rc = store_memo_put(f.s, "big", inputs, (struct wall){ T0.s + 9 },
	                                  bytes_of(big, sizeof(big)), &f.err);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
	ck_assert_int_eq(rc, ERR_IO);
	err_clear(&f.err);
	buf_init(&got, sizeof(big));
	ck_assert_ok(store_memo_get(f.s, "big", inputs, &got, &found, &f.err), &f.err);
	ck_assert(!found);
	ck_assert_ok(store_memo_put(f.s, "big", inputs, (struct wall){ T0.s + 9 },
	                            bytes_of(big, sizeof(big)), &f.err),
	             &f.err);
	fixture_release(&f);
}
END_TEST

START_TEST(a_memo_is_found_for_its_inputs_until_its_time)
{
	struct fixture f;
	CLEANUP(buf_release) struct buf got = { 0 };
	uint8_t one[32] = { 1 };
	uint8_t two[32] = { 2 };
	bool found = false;

	fixture_init(&f);
	buf_init(&got, 100);
	ck_assert_ok(store_memo_put(f.s, "plan", one, (struct wall){ T0.s + 10 },
	                            bytes_of_str("text"), &f.err),
	             &f.err);
	fixture_reopen(&f);
	ck_assert_ok(store_memo_get(f.s, "plan", one, &got, &found, &f.err), &f.err);
	ck_assert(found);
	ck_assert_str_eq(buf_str(&got), "text");
	ck_assert_ok(store_memo_get(f.s, "plan", two, &got, &found, &f.err), &f.err);
	ck_assert(!found);
	clock_manual_advance(&f.clock, 10);
	ck_assert_ok(store_memo_get(f.s, "plan", one, &got, &found, &f.err), &f.err);
	ck_assert(!found);
	ck_assert_uint_eq(got.len, 4);
	fixture_release(&f);
}
END_TEST

START_TEST(the_accepted_commit_is_kept_for_each_repository)
{
	struct fixture f;
	char commit[41] = "x";

	fixture_init(&f);
	ck_assert_ok(store_accepted_get(f.s, "repo", commit, &f.err), &f.err);
	ck_assert_str_eq(commit, "");
	ck_assert_ok(store_accepted_set(f.s, "repo", "0123456789012345678901234567890123456789",
	                                &f.err),
	             &f.err);
	fixture_reopen(&f);
	ck_assert_ok(store_accepted_get(f.s, "repo", commit, &f.err), &f.err);
	ck_assert_str_eq(commit, "0123456789012345678901234567890123456789");
	ck_assert_int_eq(store_accepted_set(f.s, "repo",
	                                    "01234567890123456789012345678901234567890", &f.err),
	                 ERR_INVALID);
	fixture_release(&f);
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("store");

	tcase_add_test(tc, everything_made_is_for_our_eyes_only_whatever_the_umask);
	tcase_add_test(tc, a_state_that_others_can_read_is_refused_with_the_cure);
	tcase_add_test(tc, the_id_is_made_once_and_is_sixteen_hex_digits);
	tcase_add_test(tc, a_directory_made_for_the_master_key_may_be_passed_and_the_key_not_read);
	tcase_add_test(tc, reading_makes_nothing_and_says_that_there_is_nothing);
	tcase_add_test(tc, a_reader_sees_and_does_not_write);
	tcase_add_test(tc, a_second_process_is_told_the_pid_that_has_the_lock);
	tcase_add_test(tc, a_state_that_was_removed_or_replaced_is_not_written_to);
	tcase_add_test(tc, the_lock_dies_with_the_process_that_held_it);
	tcase_add_test(tc, an_operator_writes_requests_beside_the_reconciler_and_nothing_else);
	tcase_add_test(tc, an_empty_database_file_is_a_first_run);
	tcase_add_test(tc, a_state_of_a_newer_version_is_refused_by_everyone);
	tcase_add_test(tc, a_first_run_killed_at_any_write_is_a_first_run_again);
	tcase_add_test(tc, a_file_that_is_no_database_is_a_sentence);
	tcase_add_test(tc, damaged_rows_are_sentences);
	tcase_add_test(tc, the_revision_counts_what_plans_read_and_nothing_else);
	tcase_add_test(tc, a_full_disk_is_said_with_a_hint_and_nothing_is_half_done);
	tcase_add_test(tc, a_write_that_the_file_system_refuses_changes_nothing);
	tcase_add_test(tc, a_memo_is_found_for_its_inputs_until_its_time);
	tcase_add_test(tc, the_accepted_commit_is_kept_for_each_repository);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("state/store", build)
