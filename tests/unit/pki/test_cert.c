/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_cert.c - what appliances send, what openssl makes, and what a certificate says about names.
 */
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/alg.h"
#include "reconciler/pki/cert.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/pem.h"
#include "tests/unit/pki/judge.h"
#include "tests/unit/unit.h"

static struct arena arena;
static struct err err;
static struct buf der;
static char *dir;

static void setup(void)
{
	pki_init(&clock_system);
	arena_init(&arena);
	err_clear(&err);
	buf_init(&der, 1 << 20);
	dir = unit_tmpdir();
}

static void teardown(void)
{
	arena_release(&arena);
	buf_release(&der);
	unit_rmtree(dir);
}

/* A certificate that no decent library would write. */
struct odd {
	const char *serial;
	size_t serial_n;
	int time_tag;
	const char *not_before, *not_after;
	const char *key_oid;
	const char *san;
	size_t san_n;
};
static const struct odd plain = {
	.serial = "\x01",
	.serial_n = 1,
	.time_tag = DER_UTC_TIME,
	.not_before = "200101000000Z",
	.not_after = "300101000000Z",
	.key_oid = OID_RSA,
	.san = "a.example",
	.san_n = 9,
};

static void put_san(struct der_writer *w, const struct odd *o)
{
	size_t mark = der_mark(w);

	der_put(w, DER_CONTEXT(2), bytes_of(o->san, o->san_n));
	der_wrap(w, DER_SEQUENCE, mark);
	der_wrap(w, DER_OCTET_STRING, mark);
	der_put_oid(w, OID_EXT_SAN);
	der_wrap(w, DER_SEQUENCE, mark);
	der_wrap(w, DER_SEQUENCE, mark);
	der_wrap(w, DER_CONTEXT_CONSTRUCTED(3), mark);
}

static void put_alg(struct der_writer *w, const char *oid)
{
	size_t mark = der_mark(w);

	der_put_oid(w, oid);
	der_wrap(w, DER_SEQUENCE, mark);
}

static enum err_code parse_odd(const struct odd *o, const struct cert **ret)
{
	struct der_writer w;

	der_writer_init(&w);
	der_put_bits(&w, bytes_of_str("sig"), 0);
	put_alg(&w, "1.2.3.4");
	size_t tbs = der_mark(&w);
	put_san(&w, o);
	size_t mark = der_mark(&w);
	der_put_bits(&w, bytes_of_str("key"), 0);
	put_alg(&w, o->key_oid);
	der_wrap(&w, DER_SEQUENCE, mark);
	der_put_raw(&w, bytes_of("\x30\x00", 2));
	mark = der_mark(&w);
	der_put_str(&w, o->time_tag, o->not_after);
	der_put_str(&w, o->time_tag, o->not_before);
	der_wrap(&w, DER_SEQUENCE, mark);
	der_put_raw(&w, bytes_of("\x30\x00", 2));
	put_alg(&w, "1.2.3.4");
	der_put(&w, DER_INTEGER, bytes_of(o->serial, o->serial_n));
	mark = der_mark(&w);
	der_put_u64(&w, 2);
	der_wrap(&w, DER_CONTEXT_CONSTRUCTED(0), mark);
	der_wrap(&w, DER_SEQUENCE, tbs);
	der_wrap(&w, DER_SEQUENCE, 0);
	buf_reset(&der);
	ck_assert_ok(der_writer_finish(&w, &der, &err), &err);
	der_writer_release(&w);
	return cert_parse(buf_view(&der), &arena, ret, &err);
}

START_TEST(odd_serials_are_facts)
{
	struct odd o = plain;
	const struct cert *c;

	o.serial = "\x80\x01"; /* negative */
	o.serial_n = 2;
	ck_assert_ok(parse_odd(&o, &c), &err);
	ck_assert_uint_eq(c->serial.n, 2);
	o.serial = "\x00\xffxxxxxxxxxxxxxxxxxxx"; /* 21 octets */
	o.serial_n = 21;
	ck_assert_ok(parse_odd(&o, &c), &err);
	ck_assert_uint_eq(c->serial.n, 21);
	ck_assert_str_eq(c->subject, "");
	ck_assert_str_eq(c->signature_algorithm, "1.2.3.4");
	ck_assert_uint_eq(c->key_bits, 0);
	ck_assert(c->self_issued && !cert_self_signed(c));
}
END_TEST

START_TEST(unknown_key_algorithm_is_named_by_its_oid)
{
	struct odd o = plain;
	const struct cert *c;

	o.key_oid = "1.2.643.7.1.1.1.1";
	ck_assert_ok(parse_odd(&o, &c), &err);
	ck_assert_str_eq(c->key_algorithm, "1.2.643.7.1.1.1.1");
}
END_TEST

START_TEST(nul_in_a_name_is_shown_and_covers_nothing)
{
	struct odd o = plain;
	const struct cert *c;

	o.san = "good.example\0.evil.test";
	o.san_n = 23;
	ck_assert_ok(parse_odd(&o, &c), &err);
	ck_assert_str_eq(c->dns_names.v[0], "good.example\\00.evil.test");
	ck_assert(!cert_covers(c, "good.example"));
	o.san = "\xff\\x";
	o.san_n = 3;
	ck_assert_ok(parse_odd(&o, &c), &err);
	ck_assert_str_eq(c->dns_names.v[0], "\\FF\\5Cx");
}
END_TEST

static const struct {
	int tag;
	const char *text;
	int64_t s;
} odd_times[] = {
	{ DER_UTC_TIME, "700101000000Z", 0 },
	{ DER_UTC_TIME, "500101000000Z", -631152000 },
	{ DER_GENERALIZED_TIME, "19000101000000Z", -2208988800 },
	{ DER_GENERALIZED_TIME, "99991231235959Z", 253402300799 },
	{ DER_UTC_TIME, "7001010000Z", 0 },
	{ DER_UTC_TIME, "700101010000+0100", 0 },
	{ DER_UTC_TIME, "691231230000-0100", 0 },
	{ DER_GENERALIZED_TIME, "19700101000000.25Z", 0 },
	{ DER_GENERALIZED_TIME, "19700101000000", 0 },
};

START_TEST(odd_dates_are_facts)
{
	struct odd o = plain;
	const struct cert *c;

	o.time_tag = odd_times[_i].tag;
	o.not_before = o.not_after = odd_times[_i].text;
	ck_assert_ok(parse_odd(&o, &c), &err);
	ck_assert_int_eq(c->not_before.s, odd_times[_i].s);
	ck_assert_int_eq(c->not_after.s, odd_times[_i].s);
}
END_TEST

START_TEST(what_is_no_certificate_is_refused_at_every_cut)
{
	struct odd o = plain;
	const struct cert *c = NULL;

	ck_assert_ok(parse_odd(&o, &c), &err);
	for (size_t n = 0; n < der.len; n++) {
		c = NULL;
		err_clear(&err);
		ck_assert_int_eq(cert_parse(bytes_of(der.p, n), &arena, &c, &err), ERR_INVALID);
		ck_assert_ptr_null(c);
	}
	err_clear(&err);
	buf_add_byte(&der, 0);
	ck_assert_int_eq(cert_parse(buf_view(&der), &arena, &c, &err), ERR_INVALID);
}
END_TEST

static void openssl_cert(const char *name, const char *newkey, const char *option)
{
	CLEANUP(buf_release) struct buf said = { 0 };

	buf_init(&said, 1 << 20);
	ck_assert_msg(
		JUDGE(dir, &said, "openssl", "req", "-x509", "-nodes", "-newkey", newkey,
	              "-pkeyopt", option, "-keyout", "key.pem", "-out", name, "-days", "30",
	              "-subj", "/C=DE/O=Example/CN=web.example.com", "-addext",
	              "subjectAltName=DNS:web.example.com,IP:192.0.2.1,URI:https://x/,email:a@b.c",
	              "-addext", "extendedKeyUsage=serverAuth,1.2.3.4", "-addext",
	              "keyUsage=digitalSignature,keyCertSign") == 0,
		"%s", buf_str(&said));
}

static const struct cert *read_cert(const char *name)
{
	CLEANUP(buf_release) struct buf in = { 0 };
	CLEANUP(cleanup_free) char *path = str_printf("%s/%s", dir, name);
	const struct cert *c = NULL;

	buf_init(&in, 1 << 20);
	ck_assert_ok(fs_read(path, 1 << 20, &in, &err), &err);
	ck_assert_ok(cert_parse_any(buf_view(&in), &arena, &c, &err), &err);
	return c;
}

static const struct {
	const char *newkey, *option, *algorithm, *signature;
	unsigned bits;
} peers[] = {
	{ "rsa", "rsa_keygen_bits:2048", "RSA", "SHA256-RSA", 2048 },
	{ "ec", "ec_paramgen_curve:P-256", "ECDSA", "ECDSA-SHA256", 256 },
	{ "ec", "ec_paramgen_curve:P-521", "ECDSA", "ECDSA-SHA256", 521 },
	{ "ec", "ec_paramgen_curve:secp256k1", "ECDSA", "ECDSA-SHA256", 256 },
};

START_TEST(facts_of_what_openssl_makes)
{
	openssl_cert("c.pem", peers[_i].newkey, peers[_i].option);
	const struct cert *c = read_cert("c.pem");

	ck_assert_str_eq(c->subject, "CN=web.example.com,O=Example,C=DE");
	ck_assert_str_eq(c->issuer, c->subject);
	ck_assert_str_eq(c->common_name, "web.example.com");
	ck_assert_str_eq(c->key_algorithm, peers[_i].algorithm);
	ck_assert_str_eq(c->signature_algorithm, peers[_i].signature);
	ck_assert_uint_eq(c->key_bits, peers[_i].bits);
	ck_assert(c->is_ca && c->path_len == -1);
	ck_assert_uint_eq(c->key_usage, KU_DIGITAL_SIGNATURE | KU_CERT_SIGN);
	ck_assert_uint_eq(c->ext_usage, EKU_SERVER_AUTH | EKU_OTHER);
	ck_assert_str_eq(c->ip_addresses.v[0], "192.0.2.1");
	ck_assert_str_eq(c->uris.v[0], "https://x/");
	ck_assert_str_eq(c->emails.v[0], "a@b.c");
	ck_assert_int_eq(c->not_after.s - c->not_before.s, 30 * 86400);
	ck_assert_uint_eq(c->ski.n, 20);
	/* GnuTLS has no secp256k1: a signature nobody can check does not count. */
	bool checkable = strstr(peers[_i].option, "secp256k1") == NULL;
	ck_assert_int_eq(cert_self_signed(c), checkable);
}
END_TEST

START_TEST(curve_counts_not_only_its_size)
{
	struct str_list dns = STR_LIST("web.example.com");
	struct cert_spec spec = made_leaf(&dns, (struct key_spec){ KEY_ECDSA, 256 });
	const char *field;

	openssl_cert("c.pem", "ec", "ec_paramgen_curve:secp256k1");
	ck_assert_int_eq(cert_satisfies(read_cert("c.pem"), &spec, &field), SPEC_KEY_DIFFERS);
	ck_assert_str_eq(field, "privateKey.algorithm");
}
END_TEST

START_TEST(bundles_are_read_in_file_order_whatever_lies_between)
{
	CLEANUP(made_release) struct made a = { 0 };
	CLEANUP(made_release) struct made b = { 0 };
	CLEANUP(buf_release) struct buf text = { 0 };
	CLEANUP(buf_release) struct buf said = { 0 };
	struct cert_spec spec = made_ca("A", (struct key_spec){ KEY_ECDSA, 256 });
	const struct cert **list;
	size_t n;

	made_init(&a, &spec, /* issuer= */ NULL);
	made_init(&b, &spec, /* issuer= */ NULL);
	buf_init(&text, 1 << 20);
	buf_init(&said, 1 << 20);
	buf_add_str(&text, "# comment\r\n");
	cert_to_pem(b.cert, &text);
	buf_add_str(&text, "-----BEGIN JUNK-----\nAAAA\n-----END JUNK-----\n");
	cert_to_pem(a.cert, &text);
	ck_assert_ok(cert_parse_bundle(buf_view(&text), &arena, &list, &n, &err), &err);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(memcmp(list[0]->sha256, b.cert->sha256, SHA256_BYTES), 0);
	ck_assert_int_eq(memcmp(list[1]->sha256, a.cert->sha256, SHA256_BYTES), 0);

	judge_write(dir, "bundle.pem", buf_view(&text));
	ck_assert_msg(JUDGE(dir, &said, "openssl", "crl2pkcs7", "-nocrl", "-certfile", "bundle.pem",
	                    "-outform", "DER", "-out", "b.p7b") == 0,
	              "%s", buf_str(&said));
	ck_assert_ptr_nonnull(read_cert("b.p7b"));
	ck_assert_int_eq(JUDGE(dir, &said, "openssl", "x509", "-in", "bundle.pem", "-trustout",
	                       "-addtrust", "serverAuth", "-out", "trusted.pem"),
	                 0);
	ck_assert_int_eq(memcmp(read_cert("trusted.pem")->sha256, b.cert->sha256, SHA256_BYTES), 0);
}
END_TEST

START_TEST(files_without_a_certificate_are_refused)
{
	const struct cert **list;
	size_t n;

	ck_assert_int_eq(cert_parse_bundle(bytes_of_str(""), &arena, &list, &n, &err), ERR_INVALID);
	err_clear(&err);
	ck_assert_int_eq(cert_parse_bundle(bytes_of_str("hello"), &arena, &list, &n, &err),
	                 ERR_INVALID);
	err_clear(&err);
	ck_assert_int_eq(cert_parse_bundle(bytes_of_str("-----BEGIN CERTIFICATE-----\n!!\n"
	                                                "-----END CERTIFICATE-----\n"),
	                                   &arena, &list, &n, &err),
	                 ERR_INVALID);
	ck_assert_str_eq(err.msg, "PEM block 'CERTIFICATE' is not base64");
}
END_TEST

START_TEST(hosts_are_covered_by_san_and_by_cn_only_without_one)
{
	CLEANUP(made_release) struct made m = { 0 };
	struct str_list dns = STR_LIST("web.example.com", "*.dc1.example.com");
	struct cert_spec spec = made_leaf(&dns, (struct key_spec){ KEY_ECDSA, 256 });

	spec.subject.common_name = "cn.example.com";
	spec.ip_addresses = STR_LIST("2001:db8::1");
	made_init(&m, &spec, /* issuer= */ NULL);
	ck_assert(cert_covers(m.cert, "WEB.example.com"));
	ck_assert(cert_covers(m.cert, "a.dc1.example.com"));
	ck_assert(!cert_covers(m.cert, "a.b.dc1.example.com"));
	ck_assert(!cert_covers(m.cert, "cn.example.com"));
	ck_assert(cert_covers(m.cert, "2001:DB8:0:0::1"));
	ck_assert(!cert_covers(m.cert, "192.0.2.1"));
	made_release(&m);
	spec.dns_names = (struct str_list){ 0 };
	made_init(&m, &spec, /* issuer= */ NULL);
	ck_assert(cert_covers(m.cert, "cn.example.com"));
}
END_TEST

static const char *differing(const struct cert *c, const struct cert_spec *spec)
{
	const char *field = "satisfied";

	(void)cert_satisfies(c, spec, &field);
	return field;
}

START_TEST(each_difference_is_named_by_its_field)
{
	static const uint8_t null_der[] = { 0x05, 0x00 };
	static const struct extension ext = { "1.2.3.4", false, { null_der, 2 } };
	static const struct other_name upn = { "1.2.3.5", "x" };
	CLEANUP(made_release) struct made m = { 0 };
	struct str_list dns = STR_LIST("web.example.com");
	const struct cert_spec good = {
		.subject = { .common_name = "web.example.com",
		             .organizations = STR_LIST("Example") },
		.dns_names = dns,
		.path_len = -1,
		.key = { KEY_ECDSA, 256 },
	};
	struct cert_spec s = good;

	made_init(&m, &good, /* issuer= */ NULL);
	ck_assert_str_eq(differing(m.cert, &good), "satisfied");
	s.key.bits = 384;
	ck_assert_str_eq(differing(m.cert, &s), "privateKey.size");
	s.key = (struct key_spec){ KEY_RSA, 2048 };
	ck_assert_str_eq(differing(m.cert, &s), "privateKey.algorithm");
	s = good;
	s.dns_names = STR_LIST("web.example.com", "b.example.com");
	ck_assert_str_eq(differing(m.cert, &s), "dnsNames");
	s = good;
	s.ip_addresses = STR_LIST("192.0.2.1");
	ck_assert_str_eq(differing(m.cert, &s), "ipAddresses");
	s = good;
	s.uris = STR_LIST("https://x/");
	ck_assert_str_eq(differing(m.cert, &s), "uris");
	s = good;
	s.emails = STR_LIST("a@b.c");
	ck_assert_str_eq(differing(m.cert, &s), "emailAddresses");
	s = good;
	s.other_names = &upn;
	s.n_other_names = 1;
	ck_assert_str_eq(differing(m.cert, &s), "otherNames");
	s = good;
	s.subject.common_name = "b.example.com";
	ck_assert_str_eq(differing(m.cert, &s), "commonName");
	s = good;
	s.subject.organizations = STR_LIST("Example", "Two");
	ck_assert_str_eq(differing(m.cert, &s), "subject.organizations");
	s.subject.organizations = (struct str_list){ 0 };
	ck_assert_str_eq(differing(m.cert, &s), "subject.organizations");
	s = good;
	s.subject.countries = STR_LIST("DE");
	ck_assert_str_eq(differing(m.cert, &s), "subject.countries");
	s = good;
	s.is_ca = true;
	ck_assert_str_eq(differing(m.cert, &s), "isCA");
	s = good;
	s.ext_usage = EKU_SERVER_AUTH | EKU_CLIENT_AUTH;
	s.key_usage = KU_DIGITAL_SIGNATURE;
	ck_assert_str_eq(differing(m.cert, &s), "usages");
	s = good;
	s.extensions = &ext;
	s.n_extensions = 1;
	ck_assert_str_eq(differing(m.cert, &s), "extensions");
}
END_TEST

START_TEST(what_cas_add_by_themselves_is_no_difference)
{
	CLEANUP(made_release) struct made m = { 0 };
	struct str_list both = STR_LIST("web.example.com", "cn.example.com");
	struct cert_spec made = made_leaf(&both, (struct key_spec){ KEY_ECDSA, 256 });
	struct cert_spec want = made;

	made_init(&m, &made, /* issuer= */ NULL);
	want.subject.common_name = NULL; /* the CN repeats a DNS name */
	ck_assert_str_eq(differing(m.cert, &want), "satisfied");
	want = made;
	made.subject.common_name = want.subject.common_name = "cn.example.com";
	want.dns_names = STR_LIST("WEB.example.com"); /* the DNS names repeat the CN */
	made_release(&m);
	made_init(&m, &made, /* issuer= */ NULL);
	ck_assert_str_eq(differing(m.cert, &want), "satisfied");
}
END_TEST

START_TEST(fingerprints_are_text_and_back)
{
	uint8_t sha[SHA256_BYTES];
	uint8_t back[SHA256_BYTES];
	char full[CERT_FINGERPRINT_TEXT];
	char brief[16];

	for (size_t i = 0; i < sizeof(sha); i++) {
		sha[i] = (uint8_t)(i * 37 + 0x3f);
	}
	fingerprint_format(sha, full);
	ck_assert_uint_eq(strlen(full), CERT_FINGERPRINT_TEXT - 1);
	ck_assert(str_starts(full, "3F:64:89:"));
	ck_assert(fingerprint_parse(full, back));
	ck_assert_int_eq(memcmp(sha, back, sizeof(sha)), 0);
	fingerprint_short(sha, brief);
	ck_assert_str_eq(brief, "3f:64…ba");
	ck_assert(!fingerprint_parse("3F:64", back));
	ck_assert(!fingerprint_parse("x", back));
}
END_TEST

static void build(Suite *suite)
{
	TCase *t = tcase_create("cert");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, odd_serials_are_facts);
	tcase_add_test(t, unknown_key_algorithm_is_named_by_its_oid);
	tcase_add_test(t, nul_in_a_name_is_shown_and_covers_nothing);
	tcase_add_loop_test(t, odd_dates_are_facts, 0, ARRAY_LEN(odd_times));
	tcase_add_test(t, what_is_no_certificate_is_refused_at_every_cut);
	tcase_add_loop_test(t, facts_of_what_openssl_makes, 0, ARRAY_LEN(peers));
	tcase_add_test(t, curve_counts_not_only_its_size);
	tcase_add_test(t, bundles_are_read_in_file_order_whatever_lies_between);
	tcase_add_test(t, files_without_a_certificate_are_refused);
	tcase_add_test(t, hosts_are_covered_by_san_and_by_cn_only_without_one);
	tcase_add_test(t, each_difference_is_named_by_its_field);
	tcase_add_test(t, what_cas_add_by_themselves_is_no_difference);
	tcase_add_test(t, fingerprints_are_text_and_back);
	suite_add_tcase(suite, t);
}

UNIT_MAIN("cert", build)
