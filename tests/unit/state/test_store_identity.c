/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_store_identity.c - revisions of identities, from the new key to the memory of it.
 */
#include "tests/unit/state/fixture.h"

static struct secret key_of(const char *text)
{
	struct secret k = { 0 };

	ck_assert_int_eq(secret_set_str(&k, text), 0);
	return k;
}

static int begin(struct fixture *f, const char *identity, const char *id, const char *key,
                 const struct cert *leaf)
{
	CLEANUP(secret_release) struct secret k = key_of(key);
	struct new_key n = pretend_key(identity, id, &k, leaf);
	int revision = 0;

	ck_assert_ok(store_identity_begin(f->s, &n, &revision, &f->err), &f->err);
	return revision;
}

static void issue(struct fixture *f, const char *identity, const struct cert *leaf)
{
	const struct cert *v[] = { leaf };

	ck_assert_ok(store_identity_issued(f->s, identity, (struct chain){ .v = v, .n = 1 },
	                                   &f->err),
	             &f->err);
}

static void check_key(struct fixture *f, const char *identity, int revision, const char *want)
{
	CLEANUP(secret_release) struct secret got = { 0 };

	ck_assert_ok(store_identity_key(f->s, identity, revision, &got, &f->err), &f->err);
	ck_assert_str_eq(secret_str(&got), want);
}

START_TEST(a_new_key_is_pending_with_its_request_after_reopening)
{
	struct fixture f;
	struct cert leaf = pretend_cert("a-leaf");
	struct seen_certs certs;
	CLEANUP(buf_release) struct buf csr = { 0 };
	CLEANUP(buf_release) struct buf handle = { 0 };

	fixture_init(&f);
	ck_assert_int_eq(begin(&f, "web", "cause-1", "k1", &leaf), 1);
	fixture_reopen(&f);
	struct memory *m = fixture_memory(&f, &certs);
	const struct identity_memory *im = memory_identity(m, "web");
	ck_assert_ptr_nonnull(im);
	ck_assert_ptr_nonnull(im->pending);
	ck_assert_uint_eq(im->n_revisions, 0);
	ck_assert_str_eq(im->pending->request_id, "cause-1");
	ck_assert_int_eq(im->pending->since.s, T0.s);
	ck_assert(!im->pending->ordered);
	ck_assert_mem_eq(im->pending->spki_sha256, leaf.spki_sha256, SHA256_BYTES);
	ck_assert_int_eq(im->pending->request_digest[0], 0x11);
	ck_assert_int_eq(im->pending->key_digest[0], 0x22);
	buf_init(&csr, 100);
	buf_init(&handle, 100);
	ck_assert_ok(store_identity_csr(f.s, "web", &csr, &handle, &f.err), &f.err);
	ck_assert_str_eq(buf_str(&csr), "csr");
	ck_assert_uint_eq(handle.len, 0);
	check_key(&f, "web", 1, "k1");
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

START_TEST(an_order_keeps_its_handle_and_when_to_poll)
{
	struct fixture f;
	struct cert leaf = pretend_cert("a-leaf");
	struct seen_certs certs;
	CLEANUP(buf_release) struct buf csr = { 0 };
	CLEANUP(buf_release) struct buf handle = { 0 };

	fixture_init(&f);
	begin(&f, "web", "cause-1", "k1", &leaf);
	ck_assert_ok(store_identity_ordered(f.s, "web", bytes_of_str("order 7"),
	                                    (struct wall){ T0.s + 60 }, &f.err),
	             &f.err);
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert(memory_identity(m, "web")->pending->ordered);
	ck_assert_int_eq(memory_identity(m, "web")->pending->next_poll.s, T0.s + 60);
	buf_init(&csr, 100);
	buf_init(&handle, 100);
	ck_assert_ok(store_identity_csr(f.s, "web", &csr, &handle, &f.err), &f.err);
	ck_assert_str_eq(buf_str(&handle), "order 7");
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

START_TEST(what_is_issued_becomes_the_first_revision_and_keeps_the_older_ones)
{
	struct fixture f;
	struct cert one = pretend_cert("a-leaf-1");
	struct cert two = pretend_cert("b-leaf-2");
	struct seen_certs certs;

	fixture_init(&f);
	begin(&f, "web", "cause-1", "k1", &one);
	issue(&f, "web", &one);
	clock_manual_advance(&f.clock, 1000);
	ck_assert_int_eq(begin(&f, "web", "cause-2", "k2", &two), 2);
	issue(&f, "web", &two);
	fixture_reopen(&f);
	struct memory *m = fixture_memory(&f, &certs);
	const struct identity_memory *im = memory_identity(m, "web");
	ck_assert_uint_eq(im->n_revisions, 2);
	ck_assert_ptr_null(im->pending);
	ck_assert_int_eq(im->revisions[0].revision, 2);
	ck_assert_int_eq(im->revisions[0].issued_at.s, T0.s + 1000);
	ck_assert_int_eq(im->revisions[1].revision, 1);
	ck_assert_uint_eq(im->revisions[0].chain.n, 1);
	ck_assert_mem_eq(im->revisions[0].chain.v[0]->sha256, two.sha256, SHA256_BYTES);
	ck_assert(bytes_equal(seen_cert_der(im->revisions[0].chain.v[0]), two.der));
	ck_assert_int_eq(im->revisions[0].chain.v[0]->not_after.s, two.not_after.s);
	ck_assert_str_eq(im->revisions[0].issuer, "corp-ca");
	ck_assert_int_eq(im->revisions[0].renew, 3);
	ck_assert(im->revisions[0].has_key);
	check_key(&f, "web", 1, "k1");
	check_key(&f, "web", 2, "k2");
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

START_TEST(a_root_at_the_end_of_the_chain_is_not_kept)
{
	struct fixture f;
	struct cert leaf = pretend_cert("a-leaf");
	struct cert sub = pretend_cert("s-sub");
	const struct cert *v[] = { &leaf, &sub, /* the root */ NULL };
	struct seen_certs certs;

	fixture_init(&f);
	v[2] = real_cert(&f, fixture_a_pem);
	begin(&f, "web", "cause-1", "k1", &leaf);
	ck_assert_ok(store_identity_issued(f.s, "web", (struct chain){ .v = v, .n = 3 }, &f.err),
	             &f.err);
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert_uint_eq(memory_identity(m, "web")->revisions[0].chain.n, 2);
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

START_TEST(a_certificate_for_another_key_is_not_taken)
{
	struct fixture f;
	struct cert asked = pretend_cert("a-leaf");
	struct cert other = pretend_cert("b-leaf");
	const struct cert *v[] = { &other };
	struct seen_certs certs;

	fixture_init(&f);
	begin(&f, "web", "cause-1", "k1", &asked);
	ck_assert_int_eq(store_identity_issued(f.s, "web", (struct chain){ .v = v, .n = 1 },
	                                       &f.err),
	                 ERR_VERIFY);
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert_ptr_nonnull(memory_identity(m, "web")->pending);
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

START_TEST(a_second_begin_replaces_the_pending_one_and_archives_its_key)
{
	struct fixture f;
	struct cert leaf = pretend_cert("a-leaf");
	struct seen_certs certs;

	fixture_init(&f);
	begin(&f, "web", "cause-1", "k1", &leaf);
	ck_assert_int_eq(begin(&f, "web", "cause-2", "k2", &leaf), 2);
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert_int_eq(memory_identity(m, "web")->pending->revision, 2);
	check_key(&f, "web", 1, "k1");
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

START_TEST(an_adopted_pair_is_the_first_revision_without_digests)
{
	struct fixture f;
	struct cert leaf = pretend_cert("a-leaf");
	const struct cert *v[] = { &leaf };
	CLEANUP(secret_release) struct secret key = key_of("theirs");
	static const uint8_t none[32];
	struct seen_certs certs;

	fixture_init(&f);
	ck_assert_ok(store_identity_adopt(f.s,
	                                  &(struct adoption){
						  .identity = "web",
						  .chain = (struct chain){ .v = v, .n = 1 },
						  .pkcs8 = &key,
						  .issuer = "corp-ca",
						  .issuer_generation = 2,
						  .renew = 5 },
	                                  /* ret_revision= */ NULL, &f.err),
	             &f.err);
	ck_assert_ok(store_identity_adopt(f.s,
	                                  &(struct adoption){
						  .identity = "bare",
						  .chain = (struct chain){ .v = v, .n = 1 },
						  .pkcs8 = NULL,
						  .issuer = "",
						  .issuer_generation = 0,
						  .renew = 0 },
	                                  /* ret_revision= */ NULL, &f.err),
	             &f.err);
	struct memory *m = fixture_memory(&f, &certs);
	const struct held *h = &memory_identity(m, "web")->revisions[0];
	ck_assert_mem_eq(h->request_digest, none, sizeof(none));
	ck_assert_int_eq(h->issuer_generation, 2);
	ck_assert_int_eq(h->renew, 5);
	ck_assert(h->has_key);
	ck_assert(!memory_identity(m, "bare")->revisions[0].has_key);
	ck_assert_ptr_eq(h->chain.v[0], memory_identity(m, "bare")->revisions[0].chain.v[0]);
	check_key(&f, "web", 1, "theirs");
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

START_TEST(a_revision_that_is_not_there_has_no_key)
{
	struct fixture f;
	struct cert leaf = pretend_cert("a-leaf");
	CLEANUP(secret_release) struct secret got = { 0 };

	fixture_init(&f);
	ck_assert_int_eq(store_identity_key(f.s, "web", 1, &got, &f.err), ERR_NOT_FOUND);
	err_clear(&f.err);
	begin(&f, "web", "cause-1", "k1", &leaf);
	ck_assert_int_eq(store_identity_key(f.s, "web", 2, &got, &f.err), ERR_NOT_FOUND);
	ck_assert_ptr_null(got.p);
	fixture_release(&f);
}
END_TEST

START_TEST(revoked_and_compromised_stay_marked)
{
	struct fixture f;
	struct cert leaf = pretend_cert("a-leaf");
	struct seen_certs certs;

	fixture_init(&f);
	begin(&f, "web", "cause-1", "k1", &leaf);
	issue(&f, "web", &leaf);
	ck_assert_ok(store_identity_revoked(f.s, "web", 1, /* compromised= */ true, &f.err),
	             &f.err);
	ck_assert_ok(store_identity_revoked(f.s, "web", 1, /* compromised= */ false, &f.err),
	             &f.err);
	ck_assert_int_eq(store_identity_revoked(f.s, "web", 9, /* compromised= */ false, &f.err),
	                 ERR_NOT_FOUND);
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert(memory_identity(m, "web")->revisions[0].revoked);
	ck_assert(memory_identity(m, "web")->revisions[0].compromised);
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

START_TEST(an_archived_identity_keeps_its_keys_and_comes_back_with_a_new_one)
{
	struct fixture f;
	struct cert leaf = pretend_cert("a-leaf");
	struct seen_certs certs;

	fixture_init(&f);
	begin(&f, "web", "cause-1", "k1", &leaf);
	issue(&f, "web", &leaf);
	begin(&f, "web", "cause-2", "k2", &leaf);
	ck_assert_ok(store_identity_archive(f.s, "web", &f.err), &f.err);
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert(memory_identity(m, "web")->archived);
	ck_assert_ptr_null(memory_identity(m, "web")->pending);
	check_key(&f, "web", 1, "k1");
	fixture_forget(m, &certs);
	begin(&f, "web", "cause-3", "k3", &leaf);
	m = fixture_memory(&f, &certs);
	ck_assert(!memory_identity(m, "web")->archived);
	fixture_forget(m, &certs);
	ck_assert_int_eq(store_identity_archive(f.s, "nobody", &f.err), ERR_NOT_FOUND);
	fixture_release(&f);
}
END_TEST

START_TEST(issuing_answers_what_the_operator_asked)
{
	struct fixture f;
	struct cert leaf = pretend_cert("a-leaf");
	struct seen_certs certs;
	struct request_row *rows = NULL;
	size_t n = 0;

	fixture_init(&f);
	ck_assert_ok(store_renew_asked(f.s, "web", &f.err), &f.err);
	ck_assert_ok(store_approve(f.s, "web", &f.err), &f.err);
	ck_assert_ok(store_request_add(f.s, "renew", "web", "{}", &f.err), &f.err);
	ck_assert_ok(store_request_add(f.s, "push", "web", "{\"host\":\"h\"}", &f.err), &f.err);
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert_int_eq(memory_identity(m, "web")->renew_asked.s, T0.s);
	ck_assert_int_eq(memory_identity(m, "web")->approved_at.s, T0.s);
	fixture_forget(m, &certs);
	begin(&f, "web", "cause-1", "k1", &leaf);
	issue(&f, "web", &leaf);
	m = fixture_memory(&f, &certs);
	ck_assert_int_eq(memory_identity(m, "web")->renew_asked.s, 0);
	ck_assert_ok(store_requests_open(f.s, &f.arena, &rows, &n, &f.err), &f.err);
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(rows[0].verb, "push");
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

START_TEST(ten_thousand_identities_load_in_the_order_of_their_names)
{
	struct fixture f;
	struct cert leaf = pretend_cert("a-leaf");
	struct seen_certs certs;
	char name[32];

	fixture_init(&f);
	begin(&f, "n05000", "cause", "k", &leaf);
	issue(&f, "n05000", &leaf);
	store_close(f.s);
	f.s = NULL;
	/* Ten thousand durable calls would be ten thousand fsyncs: the rows are copied instead. */
	struct db *db = NULL;
	(void)snprintf(name, sizeof(name), "certwright.db");
	CLEANUP(cleanup_free) char *path = str_printf("%s/%s", f.dir, name);
	ck_assert_ok(db_open(path, /* writable= */ true, &db, &f.err), &f.err);
	ck_assert_ok(
		db_exec(db,
	                "WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i+1 FROM c WHERE i<9999)"
	                " INSERT INTO identity (name) SELECT printf('n%05d', i) FROM c"
	                " WHERE i <> 5000;"
	                "INSERT INTO revision SELECT i.name, r.revision, r.status, r.issuer,"
	                " r.issuer_generation, r.renew, r.request_digest, r.key_digest,"
	                " r.spki_sha256, r.since, r.issued_at, r.chain, 0, r.revoked,"
	                " r.compromised, r.request_id, r.ordered, r.next_poll"
	                " FROM identity i JOIN revision r ON r.name = 'n05000'"
	                " WHERE i.name <> 'n05000'",
	                &f.err),
		&f.err);
	db_close(db);
	fixture_open(&f, STORE_RECONCILER);
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert_uint_eq(m->n_identities, 10000);
	for (size_t i = 0; i < m->n_identities; i++) {
		(void)snprintf(name, sizeof(name), "n%05zu", i);
		ck_assert_str_eq(m->identities[i].name, name);
		ck_assert_uint_eq(m->identities[i].n_revisions, 1);
	}
	ck_assert_ptr_eq(memory_identity(m, "n09999"), &m->identities[9999]);
	/* One string for the issuer they share. */
	ck_assert_ptr_eq(m->identities[0].revisions[0].issuer,
	                 m->identities[9999].revisions[0].issuer);
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("identity");

	tcase_add_test(tc, a_new_key_is_pending_with_its_request_after_reopening);
	tcase_add_test(tc, an_order_keeps_its_handle_and_when_to_poll);
	tcase_add_test(tc, what_is_issued_becomes_the_first_revision_and_keeps_the_older_ones);
	tcase_add_test(tc, a_root_at_the_end_of_the_chain_is_not_kept);
	tcase_add_test(tc, a_certificate_for_another_key_is_not_taken);
	tcase_add_test(tc, a_second_begin_replaces_the_pending_one_and_archives_its_key);
	tcase_add_test(tc, an_adopted_pair_is_the_first_revision_without_digests);
	tcase_add_test(tc, a_revision_that_is_not_there_has_no_key);
	tcase_add_test(tc, revoked_and_compromised_stay_marked);
	tcase_add_test(tc, an_archived_identity_keeps_its_keys_and_comes_back_with_a_new_one);
	tcase_add_test(tc, issuing_answers_what_the_operator_asked);
	tcase_add_test(tc, ten_thousand_identities_load_in_the_order_of_their_names);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("state/store_identity", build)
