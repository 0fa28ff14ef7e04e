/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_store_rename.c - other names: nothing is lost, nothing is taken over, nothing is half done.
 */
#include "reconciler/pki/csr.h"
#include "state/store_impl.h"
#include "tests/unit/state/fixture.h"

static const struct rename all[] = {
	{ RENAMED_ISSUER, "old-ca", "new-ca" },
	{ RENAMED_IDENTITY, "old@h1", "new@h1" },
	{ RENAMED_TARGET, "was", "is" },
	{ RENAMED_SECRET, "keystore/was", "keystore/is" },
};

static void hold(struct fixture *f, const char *identity, const char *der)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	struct cert leaf = pretend_cert(der);
	const struct cert *v[] = { &leaf };
	struct new_key k = pretend_key(identity, der, &key, &leaf);
	int revision = 0;

	k.issuer = "old-ca";
	ck_assert_int_eq(secret_set_str(&key, identity), 0);
	ck_assert_ok(store_identity_begin(f->s, &k, &revision, &f->err), &f->err);
	ck_assert_ok(store_identity_issued(f->s, identity, (struct chain){ .v = v, .n = 1 },
	                                   &f->err),
	             &f->err);
}

/* A generation of the CA that a CA elsewhere has yet to certify. */
static void ask_elsewhere(struct fixture *f)
{
	CLEANUP(secret_release) struct secret pkcs8 = { 0 };
	CLEANUP(buf_release) struct buf csr = { 0 };
	struct key *key = NULL;
	struct ca_books *books = store_ca_books(f->s);
	struct cert_spec want = { .subject = { .common_name = "Asked" },
		                  .path_len = -1,
		                  .key = { KEY_ECDSA, 256 } };

	buf_init(&csr, BUF_LIMIT_TEXT);
	ck_assert_ok(key_generate(&want.key, &key, &f->err), &f->err);
	ck_assert_ok(csr_create(&want, /* encode_usages= */ false, key, &csr, &f->err), &f->err);
	ck_assert_int_eq(secret_set_str(&pkcs8, "the key that waits"), 0);
	ck_assert_ok(books->store_ca_request(books, "old-ca", 2, &pkcs8, buf_view(&csr), &f->err),
	             &f->err);
	key_free(key);
}

static void fill(struct fixture *f)
{
	CLEANUP(secret_release) struct secret ca_key = { 0 };
	CLEANUP(secret_release) struct secret password = { 0 };
	struct ca_books *books = store_ca_books(f->s);
	struct slot_write slot = { .alias = "x", .identity = "old@h1" };
	struct store_write w = {
		.target = "was", .host = "h1", .path = "/p", .slots = &slot, .n_slots = 1
	};
	struct backoff b = { .failures = 2, .error = "no", .next_at = T0 };
	struct suspension pause = { "Target", "was@h1", "why", T0 };
	uint64_t number = 0;

	hold(f, "old@h1", "a-1");
	hold(f, "old@h1", "a-2");
	ck_assert_ok(store_renew_asked(f->s, "new@h1", &f->err), &f->err);
	ck_assert_int_eq(secret_set_str(&ca_key, "the key of the CA"), 0);
	ck_assert_ok(books->store_ca(books, "old-ca", 1, &ca_key, real_cert(f, fixture_a_pem)->der,
	                             &f->err),
	             &f->err);
	ask_elsewhere(f);
	ck_assert_ok(books->next_crl_number(books, "old-ca", &number, &f->err), &f->err);
	ck_assert_ok(store_written(f->s, &w, &f->err), &f->err);
	ck_assert_ok(store_failed(f->s, "push:was@h1:/p", &b, &f->err), &f->err);
	ck_assert_ok(store_suspend(f->s, &pause, &f->err), &f->err);
	ck_assert_ok(store_generated(f->s, "keystore/was", 12, &password, &f->err), &f->err);
}

static void expect_names(struct fixture *f, bool renamed)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	CLEANUP(secret_release) struct secret ca_key = { 0 };
	CLEANUP(buf_release) struct buf der = { 0 };
	struct ca_books *books = store_ca_books(f->s);
	struct seen_certs certs;
	struct memory *m = fixture_memory(f, &certs);
	const char *id = renamed ? "new@h1" : "old@h1";
	const char *ca = renamed ? "new-ca" : "old-ca";
	const char *store = renamed ? "is@h1:/p" : "was@h1:/p";
	bool exists = false;

	buf_init(&der, BUF_LIMIT_TEXT);
	const struct identity_memory *im = memory_identity(m, id);
	ck_assert_ptr_nonnull(im);
	ck_assert_uint_eq(im->n_revisions, 2);
	ck_assert_str_eq(im->revisions[0].issuer, ca);
	ck_assert_int_eq(im->renew_asked.s == T0.s, renamed);
	ck_assert_uint_eq(m->n_identities, renamed ? 1 : 2);
	ck_assert_ok(store_identity_key(f->s, id, 1, &key, &f->err), &f->err);
	ck_assert_uint_eq(key.n, strlen("old@h1"));
	ck_assert_uint_eq(m->n_issuers, 1);
	ck_assert_uint_eq(memory_issuer(m, ca)->n_generations, 2);
	ck_assert_ok(books->load_ca(books, ca, 1, &ca_key, &der, &f->err), &f->err);
	buf_reset(&der);
	ck_assert_ok(books->load_ca_request(books, ca, 2, &ca_key, &der, &f->err), &f->err);
	ck_assert_str_eq(secret_str(&ca_key), "the key that waits");
	ck_assert_uint_eq(m->n_stores, 1);
	ck_assert_ptr_nonnull(memory_store(m, store));
	ck_assert_ptr_nonnull(memory_store(m, store)->push);
	ck_assert_uint_eq(memory_store(m, store)->push->failures, 2);
	ck_assert_ptr_nonnull(memory_slot(m, store, "x"));
	ck_assert_str_eq(memory_slot(m, store, "x")->identity, id);
	ck_assert_str_eq(m->suspensions[0].name, renamed ? "is@h1" : "was@h1");
	ck_assert_ok(store_generated_exists(f->s, renamed ? "keystore/is" : "keystore/was", &exists,
	                                    &f->err),
	             &f->err);
	ck_assert(exists);
	fixture_forget(m, &certs);
}

START_TEST(everything_that_bears_a_name_goes_along_and_unseals)
{
	struct fixture f;
	uint64_t number = 0;

	fixture_init(&f);
	fill(&f);
	expect_names(&f, /* renamed= */ false);
	ck_assert_ok(store_rename(f.s, all, ARRAY_LEN(all), &f.err), &f.err);
	expect_names(&f, /* renamed= */ true);
	fixture_reopen(&f);
	expect_names(&f, /* renamed= */ true);
	struct ca_books *books = store_ca_books(f.s);
	ck_assert_ok(books->next_crl_number(books, "new-ca", &number, &f.err), &f.err);
	ck_assert_uint_eq(number, 2);
	fixture_release(&f);
}
END_TEST

START_TEST(twice_is_once_and_a_stranger_is_no_failure)
{
	static const struct rename other = { RENAMED_IDENTITY, "nobody", "somebody" };
	struct fixture f;

	fixture_init(&f);
	fill(&f);
	ck_assert_ok(store_rename(f.s, all, 1, &f.err), &f.err);
	ck_assert_ok(store_rename(f.s, &other, 1, &f.err), &f.err);
	ck_assert_ok(store_rename(f.s, &all[1], 1, &f.err), &f.err);
	ck_assert_ok(store_rename(f.s, &all[2], 2, &f.err), &f.err);
	ck_assert_ok(store_rename(f.s, &all[3], 1, &f.err), &f.err);
	expect_names(&f, /* renamed= */ true);
	fixture_release(&f);
}
END_TEST

START_TEST(a_name_that_holds_something_is_not_overwritten_and_nothing_of_the_list_is_done)
{
	struct fixture f;

	fixture_init(&f);
	fill(&f);
	hold(&f, "new@h1", "b-1");
	ck_assert_int_eq(store_rename(f.s, all, ARRAY_LEN(all), &f.err), ERR_CONFLICT);
	ck_assert_ptr_nonnull(strstr(f.err.msg, "both names"));
	struct seen_certs certs;
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert_ptr_nonnull(memory_issuer(m, "old-ca"));
	ck_assert_uint_eq(memory_identity(m, "old@h1")->n_revisions, 2);
	ck_assert_uint_eq(memory_identity(m, "new@h1")->n_revisions, 1);
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

static int countdown;

static int die(const char *point ATTR_UNUSED)
{
	if (countdown-- == 0) {
		_exit(0);
	}
	return 0;
}

START_TEST(killed_at_any_write_all_names_are_old_or_all_are_new)
{
	struct fixture f;
	int status = 0;
	int at = 0;

	fixture_init(&f);
	fill(&f);
	for (; at < 200 && status == 0; at++) {
		store_close(f.s);
		f.s = NULL;
		(void)fflush(NULL);
		pid_t pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0) {
			fixture_open(&f, STORE_RECONCILER);
			countdown = at;
			db_fault_hook = die;
			_exit(store_rename(f.s, all, ARRAY_LEN(all), &f.err) == ERR_OK ? 7 : 1);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		fixture_open(&f, STORE_RECONCILER);
		expect_names(&f, /* renamed= */ WEXITSTATUS(status) == 7);
	}
	ck_assert_int_eq(WEXITSTATUS(status), 7);
	ck_assert_int_gt(at, 20);
	fixture_release(&f);
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("rename");

	tcase_add_test(tc, everything_that_bears_a_name_goes_along_and_unseals);
	tcase_add_test(tc, twice_is_once_and_a_stranger_is_no_failure);
	tcase_add_test(
		tc, a_name_that_holds_something_is_not_overwritten_and_nothing_of_the_list_is_done);
	tcase_add_test(tc, killed_at_any_write_all_names_are_old_or_all_are_new);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("state/store_rename", build)
