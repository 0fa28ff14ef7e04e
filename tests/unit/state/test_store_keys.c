/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_store_keys.c - sealing, the master key file, generated secrets, rekey, and the canary.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>

#include "reconciler/base/fs.h"
#include "state/seal.h"
#include "tests/unit/state/fixture.h"

#define CANARY "canary-5f1d0b7e-canary-5f1d0b7e-canary"

static struct secret sealing_key(uint8_t fill)
{
	uint8_t raw[SEAL_KEY_BYTES];
	struct secret k = { 0 };

	memset(raw, fill, sizeof(raw));
	ck_assert_int_eq(secret_set(&k, raw, sizeof(raw)), 0);
	return k;
}

START_TEST(what_is_sealed_opens_with_the_same_key_and_place_only)
{
	CLEANUP(secret_release) struct secret key = sealing_key(1);
	CLEANUP(secret_release) struct secret other = sealing_key(2);
	CLEANUP(secret_release) struct secret got = { 0 };
	CLEANUP(buf_release) struct buf box = { 0 };
	struct bytes place = bytes_of_str("web 1");
	struct err err = { 0 };

	buf_init(&box, 1000);
	ck_assert_ok(seal(&key, place, bytes_of_str(CANARY), &box, &err), &err);
	ck_assert_uint_eq(box.len, strlen(CANARY) + SEAL_OVERHEAD);
	ck_assert_ok(unseal(&key, place, buf_view(&box), &got, &err), &err);
	ck_assert_str_eq(secret_str(&got), CANARY);
	ck_assert_int_eq(unseal(&other, place, buf_view(&box), &got, &err), ERR_DENIED);
	err_clear(&err);
	ck_assert_int_eq(unseal(&key, bytes_of_str("web 2"), buf_view(&box), &got, &err),
	                 ERR_DENIED);
	ck_assert_str_eq(secret_str(&got), CANARY);
}
END_TEST

START_TEST(every_changed_or_missing_octet_of_a_box_is_noticed)
{
	CLEANUP(secret_release) struct secret key = sealing_key(1);
	CLEANUP(secret_release) struct secret got = { 0 };
	CLEANUP(buf_release) struct buf box = { 0 };
	struct bytes place = bytes_of_str("p");
	struct err err = { 0 };

	buf_init(&box, 1000);
	ck_assert_ok(seal(&key, place, bytes_of_str("x"), &box, &err), &err);
	for (size_t i = 0; i < box.len; i++) {
		box.p[i] ^= 1;
		err_clear(&err);
		ck_assert_int_eq(unseal(&key, place, buf_view(&box), &got, &err), ERR_DENIED);
		box.p[i] ^= 1;
		err_clear(&err);
		ck_assert_int_eq(unseal(&key, place, bytes_of(box.p, i), &got, &err), ERR_DENIED);
	}
	ck_assert_ptr_null(got.p);
}
END_TEST

START_TEST(sealing_twice_gives_different_boxes)
{
	CLEANUP(secret_release) struct secret key = sealing_key(1);
	CLEANUP(buf_release) struct buf a = { 0 };
	CLEANUP(buf_release) struct buf b = { 0 };
	struct err err = { 0 };

	buf_init(&a, 1000);
	buf_init(&b, 1000);
	ck_assert_ok(seal(&key, bytes_of_str("p"), bytes_of_str("x"), &a, &err), &err);
	ck_assert_ok(seal(&key, bytes_of_str("p"), bytes_of_str("x"), &b, &err), &err);
	ck_assert(!bytes_equal(buf_view(&a), buf_view(&b)));
}
END_TEST

static enum err_code open_with(struct fixture *f, const char *master)
{
	struct store_options opt = { .dir = f->dir,
		                     .master_key = master,
		                     .mode = STORE_RECONCILER,
		                     .clock = &f->clock.clock };

	err_clear(&f->err);
	return store_open(&opt, &f->s, &f->err);
}

START_TEST(another_master_key_is_denied_when_the_state_is_opened)
{
	struct fixture f;
	CLEANUP(cleanup_free) char *other = NULL;

	fixture_init(&f);
	store_close(f.s);
	f.s = NULL;
	other = str_printf("%s/other.key", f.tmp);
	FILE *file = fopen(other, "w");
	ck_assert_ptr_nonnull(file);
	(void)fputs("0123456789abcdef0123456789abcdef", file);
	(void)fclose(file);
	ck_assert_int_eq(chmod(other, 0600), 0);
	ck_assert_int_eq(open_with(&f, other), ERR_DENIED);
	ck_assert_ptr_null(f.s);
	fixture_release(&f);
}
END_TEST

struct given {
	struct master_source src;
	const char *text;
	size_t n;
	int asked;
};

static enum err_code give(struct master_source *m, struct secret *ret, struct err *err)
{
	struct given *g = CONTAINER_OF(m, struct given, src);

	g->asked++;
	if (g->text == NULL) {
		return err_set(err, ERR_NOT_FOUND, "credential 'key': there is none");
	}
	return secret_set(ret, g->text, g->n) < 0 ? err_nomem(err) : ERR_OK;
}

static enum err_code open_given(struct fixture *f, struct given *g, const char *text, size_t n)
{
	struct store_options opt = { .dir = f->dir,
		                     .master_source = &g->src,
		                     .mode = STORE_RECONCILER,
		                     .clock = &f->clock.clock };

	*g = (struct given){ .src.get = give, .text = text, .n = n };
	store_close(f->s);
	f->s = NULL;
	err_clear(&f->err);
	return store_open(&opt, &f->s, &f->err);
}

#define RAW_KEY "0123456789abcdef0123456789abcde\n"
#define HEX_KEY "303132333435363738396162636465663031323334353637383961626364650a"

START_TEST(a_master_key_from_elsewhere_seals_as_a_file_does)
{
	struct fixture f = { .tmp = unit_tmpdir() };
	CLEANUP(secret_release) struct secret got = { 0 };
	CLEANUP(cleanup_free) char *file = NULL;
	struct given g;

	(void)snprintf(f.dir, sizeof(f.dir), "%s/state", f.tmp);
	clock_manual_init(&f.clock, T0);
	arena_init(&f.arena);
	ck_assert_ok(open_given(&f, &g, RAW_KEY, 32), &f.err);
	ck_assert(!store_made_master_key(f.s));
	ck_assert_ok(store_generated(f.s, "x", 20, &got, &f.err), &f.err);
	ck_assert_ok(open_given(&f, &g, HEX_KEY "\r\n", 66), &f.err);
	ck_assert_ok(store_generated(f.s, "x", 20, &got, &f.err), &f.err);
	ck_assert_int_eq(g.asked, 1);

	ck_assert_int_eq(open_given(&f, &g, HEX_KEY, 63), ERR_DENIED);
	ck_assert_ptr_nonnull(strstr(f.err.msg, "neither 32 octets nor 64"));
	ck_assert_int_eq(open_given(&f, &g, RAW_KEY, 31), ERR_DENIED);
	ck_assert_int_eq(open_given(&f, &g, "z" HEX_KEY, 64), ERR_DENIED);
	ck_assert_int_eq(open_given(&f, &g, HEX_KEY, 32), ERR_DENIED);
	ck_assert_ptr_nonnull(strstr(f.err.hint, "master key of this state"));
	ck_assert_int_eq(open_given(&f, &g, NULL, 0), ERR_NOT_FOUND);

	/* From now on it is a file. */
	ck_assert_ok(open_given(&f, &g, RAW_KEY, 32), &f.err);
	file = str_printf("%s/file.key", f.tmp);
	ck_assert_ok(store_rekey(f.s, file, &f.err), &f.err);
	ck_assert_ok(store_generated(f.s, "x", 20, &got, &f.err), &f.err);
	ck_assert_int_eq(open_given(&f, &g, RAW_KEY, 32), ERR_DENIED);
	ck_assert_ok(open_with(&f, file), &f.err);
	fixture_release(&f);
}
END_TEST

START_TEST(a_lost_master_key_is_never_made_anew)
{
	struct fixture f;

	fixture_init(&f);
	store_close(f.s);
	f.s = NULL;
	ck_assert_int_eq(unlink(f.master), 0);
	ck_assert_int_eq(open_with(&f, f.master), ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(f.err.hint, "restore"));
	ck_assert_int_ne(access(f.master, F_OK), 0);
	fixture_release(&f);
}
END_TEST

START_TEST(a_master_key_that_others_reach_or_that_is_none_is_refused)
{
	struct fixture f;

	fixture_init(&f);
	store_close(f.s);
	f.s = NULL;
	ck_assert_int_eq(chmod(f.master, 0640), 0);
	ck_assert_int_eq(open_with(&f, f.master), ERR_DENIED);
	ck_assert_ptr_nonnull(strstr(f.err.hint, "chmod 600"));
	ck_assert_int_eq(chmod(f.master, 0600), 0);
	if (geteuid() == 0) {
		ck_assert_int_eq(chown(f.master, 65534, (gid_t)-1), 0);
		ck_assert_int_eq(open_with(&f, f.master), ERR_DENIED);
		ck_assert_int_eq(chown(f.master, 0, (gid_t)-1), 0);
	}
	ck_assert_int_eq(truncate(f.master, 31), 0);
	ck_assert_int_eq(open_with(&f, f.master), ERR_DENIED);
	ck_assert_int_eq(unlink(f.master), 0);
	ck_assert_int_eq(symlink("/dev/zero", f.master), 0);
	ck_assert_int_ne(open_with(&f, f.master), ERR_OK);
	fixture_release(&f);
}
END_TEST

START_TEST(a_master_key_inside_the_state_is_refused_through_links_too)
{
	struct fixture f = { .tmp = unit_tmpdir() };
	CLEANUP(cleanup_free) char *inside = NULL;
	CLEANUP(cleanup_free) char *link_to = NULL;
	CLEANUP(cleanup_free) char *through = NULL;

	(void)snprintf(f.dir, sizeof(f.dir), "%s/state", f.tmp);
	clock_manual_init(&f.clock, T0);
	inside = str_printf("%s/master.key", f.dir);
	link_to = str_printf("%s/elsewhere", f.tmp);
	through = str_printf("%s/master.key", link_to);
	ck_assert_int_eq(open_with(&f, inside), ERR_DENIED);
	ck_assert_int_eq(symlink(f.dir, link_to), 0);
	ck_assert_int_eq(open_with(&f, through), ERR_DENIED);
	ck_assert_int_ne(access(inside, F_OK), 0);
	fixture_release(&f);
}
END_TEST

START_TEST(a_generated_secret_is_made_once_and_has_letters_and_digits)
{
	struct fixture f;
	CLEANUP(secret_release) struct secret a = { 0 };
	CLEANUP(secret_release) struct secret b = { 0 };
	CLEANUP(secret_release) struct secret c = { 0 };

	fixture_init(&f);
	ck_assert_ok(store_generated(f.s, "keystore/web", 24, &a, &f.err), &f.err);
	ck_assert_uint_eq(a.n, 24);
	for (size_t i = 0; i < a.n; i++) {
		ck_assert(strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
		                 a.p[i]) != NULL);
	}
	fixture_reopen(&f);
	ck_assert_ok(store_generated(f.s, "keystore/web", 12, &b, &f.err), &f.err);
	ck_assert(secret_equal(&a, &b));
	ck_assert_ok(store_generated(f.s, "keystore/other", 24, &c, &f.err), &f.err);
	ck_assert(!secret_equal(&a, &c));
	ck_assert_int_eq(store_generated(f.s, "x", 0, &c, &f.err), ERR_INVALID);
	fixture_release(&f);
}
END_TEST

START_TEST(a_reader_gets_generated_secrets_that_are_there_and_makes_none)
{
	struct fixture f;
	CLEANUP(secret_release) struct secret a = { 0 };
	CLEANUP(secret_release) struct secret b = { 0 };

	fixture_init(&f);
	ck_assert_ok(store_generated(f.s, "one", 24, &a, &f.err), &f.err);
	store_close(f.s);
	fixture_open(&f, STORE_READ);
	ck_assert_ok(store_generated(f.s, "one", 24, &b, &f.err), &f.err);
	ck_assert(secret_equal(&a, &b));
	ck_assert_int_eq(store_generated(f.s, "two", 24, &b, &f.err), ERR_NOT_FOUND);
	fixture_release(&f);
}
END_TEST

static bool file_holds(const char *path, const char *needle)
{
	CLEANUP(buf_release) struct buf b = { 0 };
	struct err err = { 0 };

	buf_init(&b, (size_t)64 << 20);
	ck_assert_ok(fs_read(path, (size_t)64 << 20, &b, &err), &err);
	return b.len > 0 && memmem(b.p, b.len, needle, strlen(needle)) != NULL;
}

static void no_file_holds(const char *dir, const char *needle)
{
	DIR *d = opendir(dir);

	ck_assert_ptr_nonnull(d);
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		CLEANUP(cleanup_free) char *path = str_printf("%s/%s", dir, e->d_name);
		if (e->d_type == DT_REG) {
			ck_assert_msg(!file_holds(path, needle), "%s holds a plain secret", path);
		}
	}
	(void)closedir(d);
}

START_TEST(no_file_of_the_state_ever_holds_a_plain_key)
{
	struct fixture f;
	struct cert leaf = pretend_cert("a-leaf");
	CLEANUP(secret_release) struct secret key = { 0 };
	CLEANUP(secret_release) struct secret made = { 0 };
	int revision = 0;

	fixture_init(&f);
	ck_assert_int_eq(secret_set_str(&key, CANARY), 0);
	struct new_key k = pretend_key("web", "c", &key, &leaf);
	ck_assert_ok(store_identity_begin(f.s, &k, &revision, &f.err), &f.err);
	ck_assert_ok(store_generated(f.s, "pw", 40, &made, &f.err), &f.err);
	no_file_holds(f.dir, CANARY);
	no_file_holds(f.dir, secret_str(&made));
	CLEANUP(cleanup_free) char *wal = str_printf("%s/certwright.db-wal", f.dir);
	ck_assert_msg(file_holds(wal, "corp-ca"), "the test would not see a plain secret either");
	CLEANUP(cleanup_free) char *next = str_printf("%s/next.key", f.tmp);
	ck_assert_ok(store_rekey(f.s, next, &f.err), &f.err);
	no_file_holds(f.dir, CANARY);
	store_close(f.s);
	f.s = NULL;
	no_file_holds(f.dir, CANARY);
	fixture_release(&f);
}
END_TEST

static void three_secrets(struct fixture *f)
{
	struct cert leaf = pretend_cert("a-leaf");
	CLEANUP(secret_release) struct secret key = { 0 };
	struct ca_books *books = store_ca_books(f->s);
	const struct cert *ca = real_cert(f, fixture_a_pem);
	int revision = 0;

	ck_assert_int_eq(secret_set_str(&key, CANARY), 0);
	struct new_key k = pretend_key("web", "c", &key, &leaf);
	ck_assert_ok(store_identity_begin(f->s, &k, &revision, &f->err), &f->err);
	ck_assert_ok(store_identity_begin(f->s, &k, &revision, &f->err), &f->err);
	ck_assert_ok(books->store_ca(books, "corp", 1, &key, ca->der, &f->err), &f->err);
}

static bool secrets_open(struct fixture *f)
{
	CLEANUP(secret_release) struct secret a = { 0 };
	CLEANUP(secret_release) struct secret b = { 0 };
	CLEANUP(secret_release) struct secret c = { 0 };
	CLEANUP(buf_release) struct buf cert = { 0 };
	struct ca_books *books = store_ca_books(f->s);

	buf_init(&cert, 10000);
	return store_identity_key(f->s, "web", 1, &a, NULL) == ERR_OK &&
	       store_identity_key(f->s, "web", 2, &b, NULL) == ERR_OK &&
	       books->load_ca(books, "corp", 1, &c, &cert, NULL) == ERR_OK &&
	       strcmp(secret_str(&a), CANARY) == 0 && strcmp(secret_str(&b), CANARY) == 0 &&
	       strcmp(secret_str(&c), CANARY) == 0;
}

START_TEST(after_a_rekey_the_new_master_key_opens_and_the_old_one_does_not)
{
	struct fixture f;
	CLEANUP(cleanup_free) char *next = NULL;

	fixture_init(&f);
	next = str_printf("%s/next.key", f.tmp);
	three_secrets(&f);
	ck_assert_int_eq(store_rekey(f.s, f.master, &f.err), ERR_INVALID);
	err_clear(&f.err);
	ck_assert_ok(store_rekey(f.s, next, &f.err), &f.err);
	ck_assert(secrets_open(&f));
	store_close(f.s);
	f.s = NULL;
	ck_assert_int_eq(open_with(&f, f.master), ERR_DENIED);
	ck_assert_int_eq(open_with(&f, next), ERR_OK);
	ck_assert(secrets_open(&f));
	fixture_release(&f);
}
END_TEST

START_TEST(a_rekey_killed_anywhere_leaves_one_of_the_two_keys_in_force)
{
	struct fixture f;
	int status = 0;
	int rounds = 0;

	fixture_init(&f);
	three_secrets(&f);
	store_close(f.s);
	f.s = NULL;
	CLEANUP(cleanup_free) char *next = str_printf("%s/next.key", f.tmp);
	for (; rounds < 50 && status == 0; rounds++) {
		(void)fflush(NULL);
		pid_t pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0) {
			if (open_with(&f, f.master) != ERR_OK) {
				_exit(1);
			}
			fixture_countdown = rounds;
			db_fault_hook = fixture_die;
			_exit(store_rekey(f.s, next, &f.err) == ERR_OK ? 7 : 2);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		if (status == 0) {
			bool old = open_with(&f, f.master) == ERR_OK;
			if (!old) {
				/* Killed behind the commit: the new one is in force already. */
				ck_assert_int_eq(open_with(&f, next), ERR_OK);
				status = 7 << 8;
			}
			ck_assert(secrets_open(&f));
			store_close(f.s);
			f.s = NULL;
		}
	}
	ck_assert_int_gt(rounds, 3);
	ck_assert_int_eq(WEXITSTATUS(status), 7);
	ck_assert_int_eq(open_with(&f, next), ERR_OK);
	ck_assert(secrets_open(&f));
	fixture_release(&f);
}
END_TEST

static int full_at_commit(const char *point)
{
	return strcmp(point, "commit") == 0 ? ENOSPC : 0;
}

START_TEST(a_rekey_that_fails_goes_on_with_the_old_key)
{
	struct fixture f;

	fixture_init(&f);
	three_secrets(&f);
	CLEANUP(cleanup_free) char *next = str_printf("%s/next.key", f.tmp);
	db_fault_hook = full_at_commit;
	ck_assert_int_eq(store_rekey(f.s, next, &f.err), ERR_IO);
	db_fault_hook = NULL;
	ck_assert(secrets_open(&f));
	fixture_reopen(&f);
	ck_assert(secrets_open(&f));
	fixture_release(&f);
}
END_TEST

START_TEST(an_operator_notices_a_rekey_under_its_feet)
{
	struct fixture f;
	struct store *op = NULL;
	CLEANUP(secret_release) struct secret a = { 0 };
	CLEANUP(secret_release) struct secret b = { 0 };

	fixture_init(&f);
	struct store_options opt = { .dir = f.dir,
		                     .master_key = f.master,
		                     .mode = STORE_OPERATOR,
		                     .clock = &f.clock.clock };
	ck_assert_ok(store_open(&opt, &op, &f.err), &f.err);
	ck_assert_ok(store_generated(op, "one", 20, &a, &f.err), &f.err);
	CLEANUP(cleanup_free) char *next = str_printf("%s/next.key", f.tmp);
	ck_assert_ok(store_rekey(f.s, next, &f.err), &f.err);
	/* Its master key is the old one: denied, and nothing sealed that nobody could open. */
	ck_assert_int_eq(store_generated(op, "two", 20, &b, &f.err), ERR_DENIED);
	store_close(op);
	err_clear(&f.err);
	ck_assert_ok(store_generated(f.s, "one", 20, &b, &f.err), &f.err);
	ck_assert(secret_equal(&a, &b));
	fixture_release(&f);
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("keys");

	tcase_add_test(tc, what_is_sealed_opens_with_the_same_key_and_place_only);
	tcase_add_test(tc, every_changed_or_missing_octet_of_a_box_is_noticed);
	tcase_add_test(tc, sealing_twice_gives_different_boxes);
	tcase_add_test(tc, another_master_key_is_denied_when_the_state_is_opened);
	tcase_add_test(tc, a_master_key_from_elsewhere_seals_as_a_file_does);
	tcase_add_test(tc, a_lost_master_key_is_never_made_anew);
	tcase_add_test(tc, a_master_key_that_others_reach_or_that_is_none_is_refused);
	tcase_add_test(tc, a_master_key_inside_the_state_is_refused_through_links_too);
	tcase_add_test(tc, a_generated_secret_is_made_once_and_has_letters_and_digits);
	tcase_add_test(tc, a_reader_gets_generated_secrets_that_are_there_and_makes_none);
	tcase_add_test(tc, no_file_of_the_state_ever_holds_a_plain_key);
	tcase_add_test(tc, after_a_rekey_the_new_master_key_opens_and_the_old_one_does_not);
	tcase_add_test(tc, a_rekey_killed_anywhere_leaves_one_of_the_two_keys_in_force);
	tcase_add_test(tc, a_rekey_that_fails_goes_on_with_the_old_key);
	tcase_add_test(tc, an_operator_notices_a_rekey_under_its_feet);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("state/store_keys", build)
