/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_store_collect.c - what is forgotten, and above all what is not.
 */
#include "state/rows.h"
#include "state/store_collect.h"
#include "state/store_impl.h"
#include "tests/unit/state/fixture.h"

#define DAY_S 86400

static void issue(struct fixture *f, const char *identity, const char *der)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	struct cert leaf = pretend_cert(der);
	const struct cert *v[] = { &leaf };
	struct new_key k = pretend_key(identity, der, &key, &leaf);
	int revision = 0;

	ck_assert_int_eq(secret_set_str(&key, der), 0);
	ck_assert_ok(store_identity_begin(f->s, &k, &revision, &f->err), &f->err);
	ck_assert_ok(store_identity_issued(f->s, identity, (struct chain){ .v = v, .n = 1 },
	                                   &f->err),
	             &f->err);
}

static struct collected collect(struct fixture *f, int keep)
{
	struct collected c = { 0 };

	ck_assert_ok(store_collect(f->s, keep, &c, &f->err), &f->err);
	return c;
}

static enum err_code key_of(struct fixture *f, const char *identity, int revision)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	enum err_code rc = store_identity_key(f->s, identity, revision, &key, &f->err);

	err_clear(&f->err);
	return rc;
}

static size_t revisions_of(struct fixture *f, const char *identity)
{
	struct seen_certs certs;
	struct memory *m = fixture_memory(f, &certs);
	size_t n = memory_identity(m, identity)->n_revisions;

	fixture_forget(m, &certs);
	return n;
}

START_TEST(old_revisions_go_with_their_keys_and_certificates)
{
	struct journal_entry *journal = NULL;
	struct fixture f;
	size_t n = 0;

	fixture_init(&f);
	issue(&f, "web", "a-1");
	issue(&f, "web", "a-2");
	issue(&f, "web", "a-3");
	clock_manual_advance(&f.clock, 32 * DAY_S);
	struct collected c = collect(&f, 1);
	ck_assert_uint_eq(c.revisions, 2);
	ck_assert_uint_eq(c.certificates, 2);
	ck_assert_uint_eq(revisions_of(&f, "web"), 1);
	ck_assert_int_eq(key_of(&f, "web", 1), ERR_NOT_FOUND);
	ck_assert_int_eq(key_of(&f, "web", 2), ERR_NOT_FOUND);
	ck_assert_int_eq(key_of(&f, "web", 3), ERR_OK);
	ck_assert_ok(journal_recent(f.s, 1, &f.arena, &journal, &n, &f.err), &f.err);
	ck_assert_str_eq(journal[0].action, "collect");
	ck_assert(journal[0].done);
	ck_assert_ptr_nonnull(strstr(journal[0].detail, "2 revisions"));
	/* Numbers go on where they were. */
	issue(&f, "web", "a-4");
	ck_assert_int_eq(key_of(&f, "web", 4), ERR_OK);
	fixture_release(&f);
}
END_TEST

START_TEST(newest_and_unexpired_revisions_stay)
{
	struct fixture f;

	fixture_init(&f);
	issue(&f, "web", "a-1");
	issue(&f, "web", "a-2");
	issue(&f, "web", "a-3");
	clock_manual_advance(&f.clock, 30 * DAY_S);
	ck_assert_uint_eq(collect(&f, 1).revisions, 0);
	clock_manual_advance(&f.clock, 2 * DAY_S);
	ck_assert_uint_eq(collect(&f, 3).revisions, 0);
	ck_assert_uint_eq(revisions_of(&f, "web"), 3);
	clock_manual_advance(&f.clock, DAY_S);
	ck_assert_uint_eq(collect(&f, 2).revisions, 1);
	ck_assert_uint_eq(revisions_of(&f, "web"), 2);
	fixture_release(&f);
}
END_TEST

START_TEST(once_a_day_is_enough)
{
	struct fixture f;

	fixture_init(&f);
	issue(&f, "web", "a-1");
	issue(&f, "web", "a-2");
	clock_manual_advance(&f.clock, 32 * DAY_S);
	ck_assert_uint_eq(collect(&f, 5).revisions, 0);
	clock_manual_advance(&f.clock, DAY_S - 1);
	ck_assert_uint_eq(collect(&f, 1).revisions, 0);
	clock_manual_advance(&f.clock, 1);
	ck_assert_uint_eq(collect(&f, 1).revisions, 1);
	fixture_release(&f);
}
END_TEST

START_TEST(what_is_presented_somewhere_or_held_stays)
{
	struct slot_write slot = { .alias = "x", .identity = "web" };
	struct store_write w = {
		.target = "t", .host = "h", .path = "/p", .slots = &slot, .n_slots = 1
	};
	struct fixture f;

	fixture_init(&f);
	for (size_t i = 0; i < 4; i++) {
		static const char *const ders[] = { "a-1", "a-2", "a-3", "a-4" };
		issue(&f, "web", ders[i]);
	}
	struct cert first = pretend_cert("a-1");
	memcpy(slot.sha256, first.sha256, SHA256_BYTES);
	ck_assert_ok(store_written(f.s, &w, &f.err), &f.err);
	ck_assert_ok(store_hold(f.s, "t@h:/p", 2, &f.err), &f.err);
	clock_manual_advance(&f.clock, 32 * DAY_S);
	ck_assert_uint_eq(collect(&f, 1).revisions, 1);
	ck_assert_int_eq(key_of(&f, "web", 1), ERR_OK);
	ck_assert_int_eq(key_of(&f, "web", 2), ERR_OK);
	ck_assert_int_eq(key_of(&f, "web", 3), ERR_NOT_FOUND);
	ck_assert_int_eq(key_of(&f, "web", 4), ERR_OK);
	fixture_release(&f);
}
END_TEST

START_TEST(a_request_given_up_goes_when_a_later_one_was_made)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	struct cert leaf = pretend_cert("a-1");
	struct fixture f;
	int revision = 0;

	fixture_init(&f);
	ck_assert_int_eq(secret_set_str(&key, "given up"), 0);
	struct new_key k = pretend_key("web", "r-1", &key, &leaf);
	ck_assert_ok(store_identity_begin(f.s, &k, &revision, &f.err), &f.err);
	issue(&f, "web", "a-2");
	ck_assert_int_eq(key_of(&f, "web", 1), ERR_OK);
	clock_manual_advance(&f.clock, 399 * DAY_S);
	ck_assert_uint_eq(collect(&f, 1).revisions, 0);
	clock_manual_advance(&f.clock, 2 * DAY_S);
	ck_assert_uint_eq(collect(&f, 1).revisions, 1);
	ck_assert_int_eq(key_of(&f, "web", 1), ERR_NOT_FOUND);
	ck_assert_int_eq(key_of(&f, "web", 2), ERR_OK);
	fixture_release(&f);
}
END_TEST

/* A store whose only entry is that certificate, or which has none. */
static void see(struct fixture *f, struct seen_certs *set, const struct seen_cert *c)
{
	struct obs_entry entry = { .alias = "x", .folded = "x", .kind = KS_TRUSTED };
	struct obs_store store = { .target = "t",
		                   .host = "h",
		                   .path = "/p",
		                   .status = LOOK_OK,
		                   .at = f->clock.wall_now,
		                   .entries = &entry,
		                   .n_entries = c == NULL ? 0 : 1 };
	struct observed o = { .arena = &f->arena,
		              .certs = set,
		              .at = f->clock.wall_now,
		              .stores = &store,
		              .n_stores = 1 };

	entry.chain = (struct seen_chain){ .v = &c, .n = 1 };
	ck_assert_ok(store_observed_save(f->s, &o, &f->err), &f->err);
}

START_TEST(a_certificate_swept_while_somebody_knew_it_is_written_again)
{
	const struct seen_cert *c = NULL;
	struct seen_certs certs;
	struct observed *o = NULL;
	struct fixture f;

	fixture_init(&f);
	seen_certs_init(&certs, &f.arena);
	ck_assert_ok(seen_cert_add(&certs, real_cert(&f, fixture_a_pem)->der, &c, &f.err), &f.err);
	see(&f, &certs, c);
	seen_certs_release(&certs);
	ck_assert_uint_eq(collect(&f, 1).certificates, 0);

	/* Read by somebody, looked at, and gone from everywhere. */
	seen_certs_init(&certs, &f.arena);
	ck_assert_ok(store_observed_load(f.s, &f.arena, &certs, /* known= */ NULL, &o, &f.err),
	             &f.err);
	c = o->stores[0].entries[0].chain.v[0];
	ck_assert_uint_gt(seen_cert_der(c).n, 0);
	see(&f, &certs, /* c= */ NULL);
	clock_manual_advance(&f.clock, DAY_S);
	ck_assert_uint_eq(collect(&f, 1).certificates, 1);
	see(&f, &certs, c);
	observed_release(o);
	seen_certs_release(&certs);

	seen_certs_init(&certs, &f.arena);
	ck_assert_ok(store_observed_load(f.s, &f.arena, &certs, /* known= */ NULL, &o, &f.err),
	             &f.err);
	ck_assert_uint_gt(seen_cert_der(o->stores[0].entries[0].chain.v[0]).n, 0);
	observed_release(o);
	seen_certs_release(&certs);
	fixture_release(&f);
}
END_TEST

START_TEST(every_row_that_names_a_certificate_keeps_it)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	struct fixture f;
	struct ca_books *books;
	const struct seen_cert *c = NULL;
	struct seen_certs certs;
	struct observed *o = NULL;

	fixture_init(&f);
	books = store_ca_books(f.s);
	ck_assert_int_eq(secret_set_str(&key, "the key of the CA"), 0);
	ck_assert_ok(books->store_ca(books, "ca", 1, &key, real_cert(&f, fixture_b_pem)->der,
	                             &f.err),
	             &f.err);
	issue(&f, "web", "a-1");
	seen_certs_init(&certs, &f.arena);
	ck_assert_ok(seen_cert_add(&certs, real_cert(&f, fixture_a_pem)->der, &c, &f.err), &f.err);
	struct slot_write anchor = { .alias = "trust", .anchor_der = seen_cert_der(c) };
	memcpy(anchor.sha256, c->sha256, SHA256_BYTES);
	struct store_write w = {
		.target = "t", .host = "h", .path = "/q", .slots = &anchor, .n_slots = 1
	};
	ck_assert_ok(store_written(f.s, &w, &f.err), &f.err);
	see(&f, &certs, c);
	seen_certs_release(&certs);
	ck_assert_uint_eq(collect(&f, 1).certificates, 0);
	seen_certs_init(&certs, &f.arena);
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert_ok(store_observed_load(f.s, &f.arena, &certs, /* known= */ NULL, &o, &f.err),
	             &f.err);
	ck_assert_uint_eq(m->n_anchors, 1);
	observed_release(o);
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

/* Whoever adds a column that names certificates: store_collect.c must know it. */
START_TEST(no_column_that_could_name_a_certificate_was_forgotten)
{
	static const char *const known =
		"anchor.sha256 ca.sha256 history.content imported.chain revision.chain"
		" seen_endpoint.others seen_endpoint.served seen_store.entries slot.sha256";
	static const char *const others =
		" backoff.inputs ca_request.csr ca_request.spki_sha256 ca_revocation.serial"
		" ca_serial.cert ca_serial.serial ca_serial.tbs certificate.der"
		" certificate.sha256 certificate.spki_sha256 crl.der exchange.csr exchange.handle"
		" memo.inputs memo.value revision.key_digest revision.request_digest"
		" revision.spki_sha256 scan_part.text sealed.box seen_endpoint.addresses seen_endpoint.ca_names seen_store.sha256"
		" store.activated store.written ";
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	struct fixture f;
	bool row = false;
	size_t n = 0;

	fixture_init(&f);
	ck_assert_ok(db_query(f.s->db,
	                      "SELECT m.name || '.' || p.name FROM sqlite_master m,"
	                      " pragma_table_info(m.name) p"
	                      " WHERE m.type = 'table' AND p.type = 'BLOB' ORDER BY 1",
	                      /* values= */ NULL, 0, &q, &f.err),
	             &f.err);
	while (db_next(q, &row, &f.err) == ERR_OK && row) {
		struct row r = row_of(q, "sqlite_master", &f.arena);
		const char *column = row_str(&r, 0);
		ck_assert_msg(strstr(known, column) != NULL || strstr(others, column) != NULL,
		              "%s: does it name certificates?", column);
		n++;
	}
	ck_assert_uint_gt(n, 25);
	cleanup_stmt(&q);
	q = NULL;
	fixture_release(&f);
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("collect");

	tcase_add_test(tc, old_revisions_go_with_their_keys_and_certificates);
	tcase_add_test(tc, newest_and_unexpired_revisions_stay);
	tcase_add_test(tc, once_a_day_is_enough);
	tcase_add_test(tc, what_is_presented_somewhere_or_held_stays);
	tcase_add_test(tc, a_request_given_up_goes_when_a_later_one_was_made);
	tcase_add_test(tc, a_certificate_swept_while_somebody_knew_it_is_written_again);
	tcase_add_test(tc, every_row_that_names_a_certificate_keeps_it);
	tcase_add_test(tc, no_column_that_could_name_a_certificate_was_forgotten);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("state/store_collect", build)
