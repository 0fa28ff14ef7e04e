/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_private_ca.c - the CA against books that crash at every durable call.
 */
#include <string.h>

#include "providers/private_ca.h"
#include "reconciler/base/attr.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/csr.h"
#include "reconciler/pki/pem.h"
#include "tests/unit/issuers/books.h"
#include "tests/unit/pki/judge.h"
#include "tests/unit/pki/lint5280.h"
#include "tests/unit/unit.h"

#define NOW  1800000000 /* 2027-01-15T08:00:00Z */
#define DAY  86400
#define YEAR (365 * DAY)

static const struct key_spec key_specs[] = {
	{ KEY_RSA, 2048 },  { KEY_ECDSA, 256 }, { KEY_ECDSA, 384 },
	{ KEY_ECDSA, 521 }, { KEY_ED25519, 0 },
};
static struct books books;
static struct err err;
static struct key *leaf_key;
static struct buf csr;
static struct cert_spec leaf_spec;
static struct str_list leaf_names;

static void make_csr(const struct cert_spec *spec)
{
	buf_reset(&csr);
	ck_assert_ok(csr_create(spec, /* encode_usages= */ true, leaf_key, &csr, &err), &err);
}

static void setup(void)
{
	static const char *const names[] = { "web.example.com" };

	pki_init(&clock_system);
	books_init(&books);
	err_clear(&err);
	buf_init(&csr, 1 << 20);
	leaf_names = (struct str_list){ names, 1 };
	leaf_spec = made_leaf(&leaf_names, key_specs[1]);
	leaf_spec.duration_s = 90 * DAY;
	ck_assert_ok(key_generate(&leaf_spec.key, &leaf_key, &err), &err);
	make_csr(&leaf_spec);
}

static void teardown(void)
{
	key_free(leaf_key);
	buf_release(&csr);
	books_release(&books);
}

static struct private_ca_spec root_spec(void)
{
	return (struct private_ca_spec){
		.name = "root",
		.subject = { .common_name = "Example Root" },
		.key = key_specs[1],
		.duration_s = 10 * (int64_t)YEAR,
		.generation = 1,
		.path_len = -1,
		.backdate_s = 300,
		.crl_validity_s = 7 * DAY,
		.crl_interval_s = DAY,
	};
}

static struct issuer *open_ca(const struct private_ca_spec *spec, struct issuer *parent,
                              struct chain upper)
{
	struct issuer *iss = NULL;

	ck_assert_ok(private_ca_create(spec, &books.base, parent, (struct wall){ NOW }, &err),
	             &err);
	ck_assert_ok(private_ca_open(spec, &books.base, upper, &iss, &err), &err);
	return iss;
}

static enum err_code submit(struct issuer *iss, const char *id, const struct cert_spec *spec,
                            struct order *ret)
{
	struct issuer_request req = { .identity = "web",
		                      .request_id = id,
		                      .csr = buf_view(&csr),
		                      .spec = spec,
		                      .now = { NOW } };

	err_clear(&err);
	return iss->ops->submit(iss, &req, ret, &err);
}

/* The certificates of an order, leaf first. */
static size_t chain_of(const struct order *o, struct arena *arena, const struct cert ***ret)
{
	size_t n;

	ck_assert_ok(cert_parse_bundle(buf_view(&o->chain_pem), arena, ret, &n, &err), &err);
	return n;
}

static const struct cert *ca_cert(const char *name, struct arena *arena)
{
	const struct cert *c = NULL;

	for (size_t i = 0; i < books.n_cas; i++) {
		if (strcmp(books.cas[i].issuer, name) == 0) {
			ck_assert_ok(cert_parse(buf_view(&books.cas[i].cert), arena, &c, &err),
			             &err);
		}
	}
	ck_assert_ptr_nonnull(c);
	return c;
}

static void assert_lint_clean(const struct cert *c, const struct cert *issuer)
{
	CLEANUP(buf_release) struct buf findings = { 0 };

	buf_init(&findings, 1 << 16);
	lint5280_cert(c->der, issuer, &findings);
	ck_assert_clean(&findings);
}

START_TEST(root_sub_and_leaf_of_every_key_type_verify_with_openssl)
{
	struct private_ca_spec root = root_spec();
	struct private_ca_spec sub = root_spec();
	struct arena arena;
	struct order order;
	const struct cert **chain;
	char *dir = unit_tmpdir();
	CLEANUP(buf_release) struct buf said = { 0 };

	arena_init(&arena);
	buf_init(&said, 1 << 16);
	root.key = key_specs[_i];
	sub.key = key_specs[_i];
	sub.name = "sub";
	sub.subject.common_name = "Example Sub";
	sub.duration_s = YEAR;
	sub.path_len = 0;
	sub.crl_urls = STR_LIST("http://pki.example.com/sub.crl");
	sub.issuer_urls = STR_LIST("http://pki.example.com/sub.cer");
	struct issuer *root_iss = open_ca(&root, /* parent= */ NULL, (struct chain){ 0 });
	struct issuer *sub_iss = open_ca(&sub, root_iss, (struct chain){ 0 });
	ck_assert_ok(submit(sub_iss, "web/1", &leaf_spec, &order), &err);
	ck_assert_int_eq(order.status, ORDER_ISSUED);
	ck_assert_uint_eq(chain_of(&order, &arena, &chain), 2);
	const struct cert *root_cert = ca_cert("root", &arena);
	assert_lint_clean(root_cert, /* issuer= */ NULL);
	assert_lint_clean(chain[1], root_cert);
	assert_lint_clean(chain[0], chain[1]);
	ck_assert_int_eq(chain[0]->not_before.s, NOW - 300);
	ck_assert_int_eq(chain[0]->not_after.s, NOW - 300 + 90 * DAY - 1);
	ck_assert(key_matches_cert(leaf_key, chain[0]));
	judge_write_pem(dir, "root.pem", root_cert);
	judge_write(dir, "chain.pem", buf_view(&order.chain_pem));
	ck_assert_msg(JUDGE(dir, &said, "openssl", "verify", "-x509_strict", "-attime",
	                    "1800000000", "-purpose", "sslserver", "-CAfile", "root.pem",
	                    "-untrusted", "chain.pem", "chain.pem") == 0,
	              "%s", buf_str(&said));
	order_release(&order);
	sub_iss->ops->close(sub_iss);
	root_iss->ops->close(root_iss);
	arena_release(&arena);
	unit_rmtree(dir);
}
END_TEST

START_TEST(same_request_twice_is_one_certificate)
{
	struct private_ca_spec root = root_spec();
	struct issuer *iss = open_ca(&root, /* parent= */ NULL, (struct chain){ 0 });
	struct order a;
	struct order b;
	struct order c;

	ck_assert_ok(submit(iss, "web/1", &leaf_spec, &a), &err);
	ck_assert_ok(submit(iss, "web/1", &leaf_spec, &b), &err);
	ck_assert(bytes_equal(buf_view(&a.chain_pem), buf_view(&b.chain_pem)));
	ck_assert_ok(iss->ops->resume(iss, buf_view(&a.handle), (struct wall){ NOW }, &c, &err),
	             &err);
	ck_assert(bytes_equal(buf_view(&a.chain_pem), buf_view(&c.chain_pem)));
	ck_assert_uint_eq(books.n_rows, 1);
	order_release(&a);
	order_release(&b);
	order_release(&c);
	iss->ops->close(iss);
}
END_TEST

START_TEST(resume_of_what_never_arrived_says_so)
{
	struct private_ca_spec root = root_spec();
	struct issuer *iss = open_ca(&root, /* parent= */ NULL, (struct chain){ 0 });
	struct order o;

	ck_assert_int_eq(iss->ops->resume(iss, bytes_of_str("web/9"), (struct wall){ NOW }, &o,
	                                  &err),
	                 ERR_NOT_FOUND);
	ck_assert_ok(submit(iss, "web/9", &leaf_spec, &o), &err);
	ck_assert_uint_eq(books.n_rows, 1);
	order_release(&o);
	iss->ops->close(iss);
}
END_TEST

static void assert_serials_unique(void)
{
	for (size_t i = 0; i < books.n_rows; i++) {
		for (size_t k = 0; k < i; k++) {
			ck_assert_int_ne(memcmp(books.rows[i].serial, books.rows[k].serial, 20), 0);
		}
	}
}

/* Crash at the nth durable call of making a root, issuing twice; then run it all again. */
static bool crash_and_rerun(int nth, bool after)
{
	struct private_ca_spec root = root_spec();
	struct issuer *iss = NULL;
	struct order first = { 0 };
	struct order again = { 0 };
	struct wall now = { NOW };

	order_init(&first);
	books.calls = 0;
	books.crash_after = after ? nth : 0;
	books.crash_before = after ? 0 : nth;
	enum err_code rc = private_ca_create(&root, &books.base, /* parent= */ NULL, now, &err);
	if (rc == ERR_OK) {
		rc = private_ca_open(&root, &books.base, (struct chain){ 0 }, &iss, &err);
	}
	if (rc == ERR_OK) {
		rc = submit(iss, "web/1", &leaf_spec, &first);
	}
	bool crashed = rc != ERR_OK;
	if (iss != NULL) {
		iss->ops->close(iss);
	}
	books.crash_after = books.crash_before = 0;
	CLEANUP(buf_release) struct buf tbs_before = { 0 };
	buf_init(&tbs_before, 1 << 20);
	if (books.n_rows > 0) {
		buf_add_bytes(&tbs_before, buf_view(&books.rows[0].tbs));
	}
	err_clear(&err);
	iss = open_ca(&root, /* parent= */ NULL, (struct chain){ 0 });
	ck_assert_ok(submit(iss, "web/1", &leaf_spec, &again), &err);
	ck_assert_uint_eq(books.n_rows, 1);
	ck_assert_uint_eq(books.n_cas, 1);
	ck_assert_uint_gt(books.rows[0].cert.len, 0);
	if (tbs_before.len > 0) {
		ck_assert(bytes_equal(buf_view(&tbs_before), buf_view(&books.rows[0].tbs)));
	}
	assert_serials_unique();
	order_release(&first);
	order_release(&again);
	iss->ops->close(iss);
	return crashed;
}

START_TEST(crash_at_any_durable_call_then_rerun_is_one_certificate)
{
	bool crashed = true;
	int nth = 0;

	while (crashed) {
		nth++;
		books_release(&books);
		books_init(&books);
		crashed = crash_and_rerun(nth, _i == 1);
	}
	ck_assert_int_eq(nth,
	                 5); /* store_ca, reserve, record_tbs, record_cert; the fifth is none */
}
END_TEST

START_TEST(serial_taken_elsewhere_is_drawn_again)
{
	struct private_ca_spec root = root_spec();
	struct issuer *iss = open_ca(&root, /* parent= */ NULL, (struct chain){ 0 });
	struct order o;

	books.conflicts = 3;
	ck_assert_ok(submit(iss, "web/1", &leaf_spec, &o), &err);
	order_release(&o);
	books.conflicts = 100;
	ck_assert_int_eq(submit(iss, "web/2", &leaf_spec, &o), ERR_CONFLICT);
	iss->ops->close(iss);
}
END_TEST

START_TEST(tbs_of_an_older_generation_is_not_signed_by_a_newer)
{
	struct private_ca_spec root = root_spec();
	struct issuer *iss = open_ca(&root, /* parent= */ NULL, (struct chain){ 0 });
	struct order o;

	books.crash_after = books.calls + 2; /* the TBS is written, the certificate is not */
	ck_assert_int_eq(submit(iss, "web/1", &leaf_spec, &o), ERR_IO);
	iss->ops->close(iss);
	books.crash_after = 0;
	err_clear(&err);
	root.generation = 2;
	iss = open_ca(&root, /* parent= */ NULL, (struct chain){ 0 });
	ck_assert_int_eq(submit(iss, "web/1", &leaf_spec, &o), ERR_CONFLICT);
	ck_assert_uint_eq(books.rows[0].cert.len, 0);
	iss->ops->close(iss);
}
END_TEST

START_TEST(nothing_outlives_its_issuer_and_nothing_predates_it)
{
	struct private_ca_spec root = root_spec();
	struct arena arena;
	const struct cert **chain;
	struct order o;

	arena_init(&arena);
	root.duration_s = 30 * DAY;
	struct issuer *iss = open_ca(&root, /* parent= */ NULL, (struct chain){ 0 });
	root.backdate_s = 7200;
	ck_assert_ok(submit(iss, "web/1", &leaf_spec, &o), &err);
	chain_of(&o, &arena, &chain);
	const struct cert *ca = ca_cert("root", &arena);
	ck_assert_int_eq(chain[0]->not_after.s, ca->not_after.s);
	ck_assert_int_eq(chain[0]->not_before.s, ca->not_before.s);
	ck_assert_int_eq(ca->not_before.s, NOW - 300);
	order_release(&o);

	struct issuer_request late = { .identity = "web",
		                       .request_id = "web/late",
		                       .csr = buf_view(&csr),
		                       .spec = &leaf_spec,
		                       .now = { NOW + 31 * DAY } };
	ck_assert_int_eq(iss->ops->submit(iss, &late, &o, &err), ERR_REFUSED);
	ck_assert_str_eq(err.hint, "raise privateCA.generation of Issuer 'root'");
	iss->ops->close(iss);
	arena_release(&arena);
}
END_TEST

START_TEST(key_of_a_ca_is_never_certified)
{
	struct private_ca_spec root = root_spec();
	struct issuer *iss = open_ca(&root, /* parent= */ NULL, (struct chain){ 0 });
	struct order o;

	key_free(leaf_key);
	ck_assert_ok(key_import(secret_view(&books.cas[0].pkcs8), &leaf_key, &err), &err);
	make_csr(&leaf_spec);
	ck_assert_int_eq(submit(iss, "web/1", &leaf_spec, &o), ERR_REFUSED);
	ck_assert_str_eq(err.msg, "the key is a CA's own");
	ck_assert_uint_eq(books.n_rows, 0);
	iss->ops->close(iss);
}
END_TEST

START_TEST(broken_request_reserves_nothing)
{
	struct private_ca_spec root = root_spec();
	struct issuer *iss = open_ca(&root, /* parent= */ NULL, (struct chain){ 0 });
	struct order o;

	csr.p[csr.len - 1] ^= 1;
	ck_assert_int_eq(submit(iss, "web/1", &leaf_spec, &o), ERR_VERIFY);
	ck_assert_uint_eq(books.n_rows, 0);
	iss->ops->close(iss);
}
END_TEST

START_TEST(spec_decides_the_content_not_the_request)
{
	struct private_ca_spec root = root_spec();
	struct issuer *iss = open_ca(&root, /* parent= */ NULL, (struct chain){ 0 });
	struct cert_spec asked = leaf_spec;
	struct arena arena;
	const struct cert **chain;
	struct order o;

	arena_init(&arena);
	asked.dns_names = STR_LIST("evil.example.com");
	asked.is_ca = true;
	make_csr(&asked);
	ck_assert_ok(submit(iss, "web/1", &leaf_spec, &o), &err);
	chain_of(&o, &arena, &chain);
	ck_assert_uint_eq(chain[0]->dns_names.n, 1);
	ck_assert_str_eq(chain[0]->dns_names.v[0], "web.example.com");
	ck_assert(!chain[0]->is_ca);
	order_release(&o);
	arena_release(&arena);
	iss->ops->close(iss);
}
END_TEST

START_TEST(extensions_of_the_issuer_are_in_every_certificate)
{
	static const uint8_t null_der[] = { 0x05, 0x00 };
	static const uint8_t true_der[] = { 0x01, 0x01, 0xff };
	static const struct extension house[] = { { "1.2.3.4", false, { null_der, 2 } },
		                                  { "1.2.3.5", false, { null_der, 2 } } };
	static const struct extension own = { "1.2.3.4", false, { true_der, 3 } };
	struct private_ca_spec root = root_spec();
	struct arena arena;
	const struct cert **chain;
	struct order o;
	const char *field = "none";

	arena_init(&arena);
	root.extensions = house;
	root.n_extensions = 2;
	leaf_spec.extensions = &own;
	leaf_spec.n_extensions = 1;
	struct issuer *iss = open_ca(&root, /* parent= */ NULL, (struct chain){ 0 });
	ck_assert_ok(submit(iss, "web/1", &leaf_spec, &o), &err);
	chain_of(&o, &arena, &chain);
	ck_assert_msg(cert_satisfies(chain[0], &leaf_spec, &field) == SPEC_SATISFIED, "%s", field);
	bool found = false;
	for (size_t i = 0; i < chain[0]->n_extensions; i++) {
		found |= strcmp(chain[0]->extensions[i].oid, "1.2.3.5") == 0;
	}
	ck_assert(found);
	order_release(&o);
	arena_release(&arena);
	iss->ops->close(iss);
}
END_TEST

START_TEST(path_length_is_kept)
{
	struct private_ca_spec root = root_spec();
	struct private_ca_spec mid = root_spec();
	struct private_ca_spec low = root_spec();
	struct arena arena;

	arena_init(&arena);
	root.path_len = 1;
	mid.name = "mid";
	mid.subject.common_name = "Mid";
	low.name = "low";
	low.subject.common_name = "Low";
	struct issuer *root_iss = open_ca(&root, /* parent= */ NULL, (struct chain){ 0 });
	struct issuer *mid_iss = open_ca(&mid, root_iss, (struct chain){ 0 });
	ck_assert_int_eq(ca_cert("mid", &arena)->path_len, 0);
	ck_assert_int_eq(private_ca_create(&low, &books.base, mid_iss, (struct wall){ NOW }, &err),
	                 ERR_REFUSED);
	ck_assert_uint_eq(books.n_cas, 2);
	mid_iss->ops->close(mid_iss);
	root_iss->ops->close(root_iss);
	arena_release(&arena);
}
END_TEST

START_TEST(revoked_certificate_is_on_the_next_crl_with_a_higher_number)
{
	struct private_ca_spec root = root_spec();
	struct issuer *iss = open_ca(&root, /* parent= */ NULL, (struct chain){ 0 });
	struct arena arena;
	const struct cert **chain;
	struct order o;
	struct crl_facts facts;
	CLEANUP(buf_release) struct buf crl = { 0 };
	CLEANUP(buf_release) struct buf findings = { 0 };

	arena_init(&arena);
	buf_init(&crl, 1 << 20);
	buf_init(&findings, 1 << 16);
	ck_assert_ok(private_ca_publish_crl(iss, (struct wall){ NOW }, &crl, &err), &err);
	const struct cert *ca = ca_cert("root", &arena);
	ck_assert_ok(crl_parse(buf_view(&crl), ca, &arena, &facts, &err), &err);
	ck_assert_uint_eq(facts.number, 1);
	ck_assert_uint_eq(facts.n_entries, 0);

	ck_assert_ok(submit(iss, "web/1", &leaf_spec, &o), &err);
	chain_of(&o, &arena, &chain);
	ck_assert_ok(iss->ops->revoke(iss, chain[0], 4, (struct wall){ NOW + 5 }, &err), &err);
	ck_assert_ok(iss->ops->revoke(iss, chain[0], 1, (struct wall){ NOW + 9 }, &err), &err);
	ck_assert_int_eq(iss->ops->revoke(iss, chain[0], 6, (struct wall){ NOW }, &err),
	                 ERR_INVALID);
	err_clear(&err);
	buf_reset(&crl);
	ck_assert_ok(private_ca_publish_crl(iss, (struct wall){ NOW + DAY }, &crl, &err), &err);
	ck_assert_ok(crl_parse(buf_view(&crl), ca, &arena, &facts, &err), &err);
	ck_assert_uint_eq(facts.number, 2);
	ck_assert_uint_eq(facts.n_entries, 1);
	ck_assert_uint_eq(facts.entries[0].reason, 4);
	ck_assert_int_eq(facts.entries[0].revoked_at.s, NOW + 5);
	ck_assert_int_eq(facts.next_update.s, NOW + 8 * DAY);
	lint5280_crl(buf_view(&crl), ca, &findings);
	ck_assert_clean(&findings);
	order_release(&o);
	arena_release(&arena);
	iss->ops->close(iss);
}
END_TEST

START_TEST(crl_number_is_not_reused_after_a_crash)
{
	struct private_ca_spec root = root_spec();
	struct issuer *iss = open_ca(&root, /* parent= */ NULL, (struct chain){ 0 });
	CLEANUP(buf_release) struct buf crl = { 0 };

	buf_init(&crl, 1 << 20);
	books.crash_before = books.calls + 2;
	ck_assert_int_eq(private_ca_publish_crl(iss, (struct wall){ NOW }, &crl, &err), ERR_IO);
	ck_assert_uint_eq(crl.len, 0);
	books.crash_before = 0;
	err_clear(&err);
	ck_assert_ok(private_ca_publish_crl(iss, (struct wall){ NOW }, &crl, &err), &err);
	ck_assert_uint_eq(books.crl_number, 2);
	ck_assert_uint_eq(books.crls_recorded, 1);
	iss->ops->close(iss);
}
END_TEST

START_TEST(opening_a_generation_that_was_never_made_is_not_found)
{
	struct private_ca_spec root = root_spec();
	struct issuer *iss = NULL;

	ck_assert_int_eq(private_ca_open(&root, &books.base, (struct chain){ 0 }, &iss, &err),
	                 ERR_NOT_FOUND);
	ck_assert_ptr_null(iss);
}
END_TEST

static const struct {
	const char *kind, *name;
	bool allowed;
} allow_cases[] = {
	{ "dns", "host.example", true },
	{ "dns", "HOST.example", true },
	{ "dns", "other.example", false },
	{ "dns", "a.dc1.example", true },
	{ "dns", "a.b.dc1.example", false },
	{ "dns", "dc1.example", false },
	{ "dns", "*.dc1.example", true },
	{ "dns", "*.a.dc1.example", false },
	{ "dns", "a.b.corp.example", true },
	{ "dns", "*.corp.example", true },
	{ "dns", "corp.example", false },
	{ "dns", "evilcorp.example", false },
	{ "ip", "192.0.2.200", true },
	{ "ip", "192.0.3.1", false },
	{ "ip", "2001:db8::1", true },
	{ "ip", "2001:db9::1", false },
	{ "uri", "https://a.dc1.example/x", true },
	{ "uri", "https://evil.test/a.dc1.example", false },
	{ "uri", "https://a.dc1.example@evil.test/", false },
	{ "uri", "urn:uuid:1", false },
	{ "email", "ops@a.corp.example", true },
	{ "email", "ops@corp.example", false },
	{ "cn", "a.dc1.example", true },
	{ "cn", "evil.test", false },
	{ "cn", "198.51.100.9", false },
	{ "cn", "Jane Doe", true },
	{ "literal", "CN=evil.test,O=x", false },
	{ "literal", "CN=Jane Doe,O=x", true },
	{ "upn", "jane@a.corp.example", true },
	{ "upn", "jane@evil.test", false },
};

START_TEST(allow_covers_every_kind_of_name)
{
	struct private_ca_spec ca = root_spec();
	struct str_list one = { &allow_cases[_i].name, 1 };
	const char *kind = allow_cases[_i].kind;
	struct other_name upn = { "1.3.6.1.4.1.311.20.2.3", allow_cases[_i].name };
	struct cert_spec want = { .path_len = -1 };

	ca.has_allow = true;
	ca.allow_dns = STR_LIST("host.example", "*.dc1.example", ".corp.example");
	ca.allow_ips = STR_LIST("192.0.2.0/24", "2001:db8::/32");
	want.dns_names = strcmp(kind, "dns") == 0 ? one : (struct str_list){ 0 };
	want.ip_addresses = strcmp(kind, "ip") == 0 ? one : (struct str_list){ 0 };
	want.uris = strcmp(kind, "uri") == 0 ? one : (struct str_list){ 0 };
	want.emails = strcmp(kind, "email") == 0 ? one : (struct str_list){ 0 };
	want.subject.common_name = strcmp(kind, "cn") == 0 ? one.v[0] : NULL;
	want.subject.literal = strcmp(kind, "literal") == 0 ? one.v[0] : NULL;
	want.other_names = &upn;
	want.n_other_names = strcmp(kind, "upn") == 0 ? 1 : 0;
	ck_assert_int_eq(private_ca_allows(&ca, &want, &err),
	                 allow_cases[_i].allowed ? ERR_OK : ERR_REFUSED);
}
END_TEST

START_TEST(without_allow_any_name_but_no_ca)
{
	struct private_ca_spec ca = root_spec();
	struct cert_spec want = leaf_spec;

	want.uris = STR_LIST("urn:uuid:1");
	ck_assert_ok(private_ca_allows(&ca, &want, &err), &err);
	want.is_ca = true;
	ck_assert_int_eq(private_ca_allows(&ca, &want, &err), ERR_REFUSED);
	ck_assert_str_eq(err.hint, "set allow.isCA: true on Issuer 'root'");
	err_clear(&err);
	ca.allow_ca = true;
	ck_assert_ok(private_ca_allows(&ca, &want, &err), &err);
}
END_TEST

START_TEST(own_name_constraints_are_judged_before_signing)
{
	static const char *const permitted[] = { "example.com" };
	static const char *const excluded[] = { "10.0.0.0/8" };
	struct name_constraints nc = { .critical = true,
		                       .permitted_dns = { permitted, 1 },
		                       .excluded_ips = { excluded, 1 } };
	struct private_ca_spec ca = root_spec();
	struct cert_spec want = leaf_spec;

	ca.name_constraints = &nc;
	ck_assert_ok(private_ca_allows(&ca, &want, &err), &err);
	want.ip_addresses = STR_LIST("10.1.2.3");
	ck_assert_int_eq(private_ca_allows(&ca, &want, &err), ERR_REFUSED);
	want.ip_addresses = (struct str_list){ 0 };
	want.dns_names = STR_LIST("web.example.org");
	err_clear(&err);
	ck_assert_int_eq(private_ca_allows(&ca, &want, &err), ERR_REFUSED);
}
END_TEST

START_TEST(a_refusal_names_its_issuer_once)
{
	struct private_ca_spec root = root_spec();
	struct issuer *iss = open_ca(&root, /* parent= */ NULL, (struct chain){ 0 });
	struct cert_spec want = leaf_spec;
	struct order o;
	char text[1024];

	want.is_ca = true;
	ck_assert_int_eq(submit(iss, "web/1", &want, &o), ERR_REFUSED);
	err_format(&err, text, sizeof(text));
	ck_assert_str_eq(text, "issuer 'root' may not certify a CA");
	iss->ops->close(iss);
}
END_TEST

static void build(Suite *suite)
{
	TCase *t = tcase_create("private_ca");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, root_sub_and_leaf_of_every_key_type_verify_with_openssl, 0,
	                    ARRAY_LEN(key_specs));
	tcase_add_test(t, same_request_twice_is_one_certificate);
	tcase_add_test(t, resume_of_what_never_arrived_says_so);
	tcase_add_loop_test(t, crash_at_any_durable_call_then_rerun_is_one_certificate, 0, 2);
	tcase_add_test(t, serial_taken_elsewhere_is_drawn_again);
	tcase_add_test(t, tbs_of_an_older_generation_is_not_signed_by_a_newer);
	tcase_add_test(t, nothing_outlives_its_issuer_and_nothing_predates_it);
	tcase_add_test(t, key_of_a_ca_is_never_certified);
	tcase_add_test(t, a_refusal_names_its_issuer_once);
	tcase_add_test(t, broken_request_reserves_nothing);
	tcase_add_test(t, spec_decides_the_content_not_the_request);
	tcase_add_test(t, extensions_of_the_issuer_are_in_every_certificate);
	tcase_add_test(t, path_length_is_kept);
	tcase_add_test(t, revoked_certificate_is_on_the_next_crl_with_a_higher_number);
	tcase_add_test(t, crl_number_is_not_reused_after_a_crash);
	tcase_add_test(t, opening_a_generation_that_was_never_made_is_not_found);
	tcase_add_loop_test(t, allow_covers_every_kind_of_name, 0, ARRAY_LEN(allow_cases));
	tcase_add_test(t, without_allow_any_name_but_no_ca);
	tcase_add_test(t, own_name_constraints_are_judged_before_signing);
	suite_add_tcase(suite, t);
}

UNIT_MAIN("private_ca", build)
