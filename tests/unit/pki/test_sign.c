/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_sign.c - what we sign, before four judges: our own RFC 5280 checks, our own reader,
 * openssl and certtool.
 */
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/alg.h"
#include "reconciler/pki/csr.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/sign.h"
#include "tests/unit/pki/judge.h"
#include "tests/unit/pki/lint5280.h"
#include "tests/unit/unit.h"

static const struct key_spec key_specs[] = {
	{ KEY_RSA, 2048 },  { KEY_ECDSA, 256 }, { KEY_ECDSA, 384 },
	{ KEY_ECDSA, 521 }, { KEY_ED25519, 0 },
};
static char *dir;
static struct buf said;

static void setup(void)
{
	pki_init(&clock_system);
	dir = unit_tmpdir();
	buf_init(&said, 1 << 20);
}

static void teardown(void)
{
	buf_release(&said);
	unit_rmtree(dir);
}

static void assert_lint_clean(const struct cert *c, const struct cert *issuer)
{
	CLEANUP(buf_release) struct buf findings = { 0 };

	buf_init(&findings, 1 << 16);
	lint5280_cert(c->der, issuer, &findings);
	ck_assert_clean(&findings);
}

static int openssl_verify(const struct made *root, const struct made *sub, const struct made *leaf)
{
	judge_write_pem(dir, "root.pem", root->cert);
	judge_write_pem(dir, "sub.pem", sub->cert);
	judge_write_pem(dir, "leaf.pem", leaf->cert);
	buf_reset(&said);
	return JUDGE(dir, &said, "openssl", "verify", "-x509_strict", "-attime", "1800000000",
	             "-CAfile", "root.pem", "-untrusted", "sub.pem", "leaf.pem");
}

static void make_three(const struct key_spec *key, struct made *root, struct made *sub,
                       struct made *leaf)
{
	struct str_list dns = STR_LIST("web.example.com", "*.dc1.example.com");
	struct cert_spec root_spec = made_ca("Root", *key);
	struct cert_spec sub_spec = made_ca("Sub", *key);
	struct cert_spec leaf_spec = made_leaf(&dns, *key);

	sub_spec.path_len = 0;
	leaf_spec.ip_addresses = STR_LIST("192.0.2.7", "2001:db8::7");
	made_init(root, &root_spec, /* issuer= */ NULL);
	made_init(sub, &sub_spec, root);
	made_init(leaf, &leaf_spec, sub);
}

START_TEST(root_sub_and_leaf_of_every_key_type_pass_every_judge)
{
	CLEANUP(made_release) struct made root;
	CLEANUP(made_release) struct made sub;
	CLEANUP(made_release) struct made leaf;
	CLEANUP(buf_release) struct buf bundle = { 0 };

	make_three(&key_specs[_i], &root, &sub, &leaf);
	assert_lint_clean(root.cert, /* issuer= */ NULL);
	assert_lint_clean(sub.cert, root.cert);
	assert_lint_clean(leaf.cert, sub.cert);
	ck_assert_msg(openssl_verify(&root, &sub, &leaf) == 0, "%s", buf_str(&said));
	buf_init(&bundle, 1 << 20);
	cert_to_pem(leaf.cert, &bundle);
	cert_to_pem(sub.cert, &bundle);
	judge_write(dir, "bundle.pem", buf_view(&bundle));
	buf_reset(&said);
	ck_assert_msg(JUDGE(dir, &said, "certtool", "--verify", "--infile", "bundle.pem",
	                    "--load-ca-certificate", "root.pem") == 0,
	              "%s", buf_str(&said));
}
END_TEST

START_TEST(every_field_of_the_spec_reaches_the_certificate)
{
	static const uint8_t note[] = { 0x0c, 0x02, 'h', 'i' };
	static const struct other_name upn = { "1.3.6.1.4.1.311.20.2.3", "joe@example.com" };
	static const struct extension custom = { "1.3.6.1.4.1.99999.1", false, { note, 4 } };
	CLEANUP(made_release) struct made root;
	CLEANUP(made_release) struct made leaf;
	struct cert_spec root_spec = made_ca("Root", key_specs[1]);
	struct cert_spec spec = {
		.subject = { .common_name = "web.example.com",
		             .serial_number = "42",
		             .organizations = STR_LIST("Ärzte, GmbH", "Two"),
		             .countries = STR_LIST("DE"),
		             .organizational_units = STR_LIST("Ops"),
		             .localities = STR_LIST("Berlin"),
		             .provinces = STR_LIST("BE"),
		             .street_addresses = STR_LIST("Street 1"),
		             .postal_codes = STR_LIST("10115") },
		.dns_names = STR_LIST("web.example.com"),
		.ip_addresses = STR_LIST("2001:DB8:0::1"),
		.uris = STR_LIST("spiffe://example.com/web"),
		.emails = STR_LIST("ops@example.com"),
		.other_names = &upn,
		.n_other_names = 1,
		.path_len = -1,
		.key_usage = KU_DIGITAL_SIGNATURE | KU_DECIPHER_ONLY,
		.ext_usage = EKU_SERVER_AUTH | EKU_CLIENT_AUTH | EKU_OCSP_SIGNING,
		.key = key_specs[1],
		.extensions = &custom,
		.n_extensions = 1,
	};
	const char *field = "none";

	made_init(&root, &root_spec, /* issuer= */ NULL);
	made_init(&leaf, &spec, &root);
	assert_lint_clean(leaf.cert, root.cert);
	ck_assert_msg(cert_satisfies(leaf.cert, &spec, &field) == SPEC_SATISFIED, "%s", field);
	ck_assert_str_eq(leaf.cert->subject,
	                 "CN=web.example.com,serialNumber=42,OU=Ops,O=Two,O=Ärzte\\, GmbH,"
	                 "postalCode=10115,STREET=Street 1,L=Berlin,ST=BE,C=DE");
	ck_assert_str_eq(leaf.cert->ip_addresses.v[0], "2001:db8::1");
	ck_assert_uint_eq(leaf.cert->key_usage, KU_DIGITAL_SIGNATURE | KU_DECIPHER_ONLY);
	judge_write_pem(dir, "leaf.pem", leaf.cert);
	ck_assert_int_eq(JUDGE(dir, &said, "openssl", "x509", "-in", "leaf.pem", "-noout", "-text",
	                       "-nameopt", "utf8,sep_comma_plus_space"),
	                 0);
	ck_assert_ptr_nonnull(strstr(buf_str(&said), "Version: 3 (0x2)"));
	ck_assert_ptr_nonnull(strstr(buf_str(&said), "DNS:web.example.com"));
	ck_assert_ptr_nonnull(strstr(buf_str(&said), "IP Address:2001:DB8:0:0:0:0:0:1"));
	ck_assert_ptr_nonnull(strstr(buf_str(&said), "URI:spiffe://example.com/web"));
	ck_assert_ptr_nonnull(strstr(buf_str(&said), "email:ops@example.com"));
	ck_assert_ptr_nonnull(strstr(buf_str(&said), "UPN::joe@example.com"));
	ck_assert_ptr_nonnull(strstr(buf_str(&said), "Digital Signature, Decipher Only"));
	ck_assert_ptr_nonnull(
		strstr(buf_str(&said),
	               "TLS Web Server Authentication, TLS Web Client Authentication, "
	               "OCSP Signing"));
	ck_assert_ptr_nonnull(strstr(buf_str(&said), "1.3.6.1.4.1.99999.1"));
}
END_TEST

START_TEST(literal_subject_keeps_its_order_and_satisfies_itself)
{
	CLEANUP(made_release) struct made root;
	struct cert_spec spec = made_ca(/* cn= */ NULL, key_specs[1]);
	const char *field;

	spec.subject = (struct subject){
		.literal = "CN=a\\,b + UID=7,OU=x,DC=corp,DC=example , C=DE",
	};
	made_init(&root, &spec, /* issuer= */ NULL);
	assert_lint_clean(root.cert, /* issuer= */ NULL);
	ck_assert_str_eq(root.cert->subject, "CN=a\\,b+UID=7,OU=x,DC=corp,DC=example,C=DE");
	ck_assert_int_eq(cert_satisfies(root.cert, &spec, &field), SPEC_SATISFIED);
	spec.subject.literal = "OU=x,CN=a\\,b+UID=7,DC=corp,DC=example,C=DE";
	ck_assert_int_eq(cert_satisfies(root.cert, &spec, &field), SPEC_REQUEST_DIFFERS);
	ck_assert_str_eq(field, "literalSubject");
	judge_write_pem(dir, "root.pem", root.cert);
	ck_assert_int_eq(JUDGE(dir, &said, "openssl", "x509", "-in", "root.pem", "-noout",
	                       "-subject", "-nameopt", "RFC2253"),
	                 0);
	ck_assert_str_eq(buf_str(&said), "subject=UID=7+CN=a\\,b,OU=x,DC=corp,DC=example,C=DE\n");
}
END_TEST

static int verify_under_constraints(const char *dns, const char *ip)
{
	static const char *const permitted[] = { "example.com" };
	static const char *const permitted_ip[] = { "192.0.2.0/24" };
	static const char *const excluded[] = { "secret.example.com" };
	struct name_constraints nc = { .critical = true,
		                       .permitted_dns = { permitted, 1 },
		                       .permitted_ips = { permitted_ip, 1 },
		                       .excluded_dns = { excluded, 1 } };
	CLEANUP(made_release) struct made root;
	CLEANUP(made_release) struct made sub;
	CLEANUP(made_release) struct made leaf;
	struct cert_spec root_spec = made_ca("Root", key_specs[1]);
	struct cert_spec sub_spec = made_ca("Sub", key_specs[1]);
	struct str_list names = STR_LIST(dns);
	struct cert_spec leaf_spec = made_leaf(&names, key_specs[1]);

	leaf_spec.subject.common_name = NULL;
	leaf_spec.ip_addresses = STR_LIST(ip);
	sub_spec.name_constraints = &nc;
	made_init(&root, &root_spec, /* issuer= */ NULL);
	made_init(&sub, &sub_spec, &root);
	made_init(&leaf, &leaf_spec, &sub);
	assert_lint_clean(sub.cert, root.cert);
	assert_lint_clean(leaf.cert, sub.cert);
	const char *field;
	ck_assert_int_eq(cert_satisfies(sub.cert, &sub_spec, &field), SPEC_SATISFIED);
	return openssl_verify(&root, &sub, &leaf);
}

START_TEST(name_constraints_are_enforced_by_openssl)
{
	ck_assert_msg(verify_under_constraints("web.example.com", "192.0.2.9") == 0, "%s",
	              buf_str(&said));
	ck_assert_int_ne(verify_under_constraints("web.example.org", "192.0.2.9"), 0);
	ck_assert_ptr_nonnull(strstr(buf_str(&said), "permitted subtree violation"));
	ck_assert_int_ne(verify_under_constraints("web.example.com", "198.51.100.1"), 0);
	ck_assert_int_ne(verify_under_constraints("a.secret.example.com", "192.0.2.9"), 0);
	ck_assert_ptr_nonnull(strstr(buf_str(&said), "excluded subtree violation"));
}
END_TEST

START_TEST(crl_is_accepted_and_revokes)
{
	CLEANUP(made_release) struct made root;
	CLEANUP(made_release) struct made sub;
	CLEANUP(made_release) struct made leaf;
	CLEANUP(buf_release) struct buf crl = { 0 };
	CLEANUP(buf_release) struct buf findings = { 0 };
	struct err err = { 0 };
	struct arena arena;
	struct crl_facts facts;

	make_three(&key_specs[_i], &root, &sub, &leaf);
	struct crl_entry entries[] = {
		{ leaf.cert->serial, { 1790000000 }, 1 },
		{ root.cert->serial, { 2600000000 }, 0 }, /* GeneralizedTime */
	};
	struct crl_input in = { .issuer = sub.cert,
		                .number = 300,
		                .this_update = { 1799990000 },
		                .next_update = { 1800100000 },
		                .entries = entries,
		                .n_entries = 2 };
	buf_init(&crl, 1 << 20);
	buf_init(&findings, 1 << 16);
	ck_assert_ok(crl_create(&in, sub.key, &crl, &err), &err);
	lint5280_crl(buf_view(&crl), sub.cert, &findings);
	ck_assert_clean(&findings);

	arena_init(&arena);
	ck_assert_ok(crl_parse(buf_view(&crl), sub.cert, &arena, &facts, &err), &err);
	ck_assert_uint_eq(facts.number, 300);
	ck_assert_uint_eq(facts.n_entries, 2);
	ck_assert_uint_eq(facts.entries[0].reason, 1);
	ck_assert_int_eq(facts.entries[1].revoked_at.s, 2600000000);
	ck_assert_int_eq(crl_parse(buf_view(&crl), root.cert, &arena, &facts, &err), ERR_VERIFY);
	arena_release(&arena);

	judge_write(dir, "crl.der", buf_view(&crl));
	judge_write_pem(dir, "sub.pem", sub.cert);
	ck_assert_msg(JUDGE(dir, &said, "openssl", "crl", "-inform", "DER", "-in", "crl.der",
	                    "-CAfile", "sub.pem", "-noout", "-text") == 0,
	              "%s", buf_str(&said));
	ck_assert_ptr_nonnull(strstr(buf_str(&said), "verify OK"));
	ck_assert_ptr_nonnull(strstr(buf_str(&said), "Key Compromise"));
	ck_assert_int_eq(openssl_verify(&root, &sub, &leaf), 0);
	ck_assert_int_eq(JUDGE(dir, &said, "openssl", "crl", "-inform", "DER", "-in", "crl.der",
	                       "-out", "crl.pem"),
	                 0);
	buf_reset(&said);
	ck_assert_int_ne(JUDGE(dir, &said, "openssl", "verify", "-attime", "1800000000",
	                       "-crl_check", "-CRLfile", "crl.pem", "-CAfile", "root.pem",
	                       "-untrusted", "sub.pem", "leaf.pem"),
	                 0);
	ck_assert_ptr_nonnull(strstr(buf_str(&said), "certificate revoked"));
}
END_TEST

START_TEST(empty_crl_has_no_entry_list)
{
	CLEANUP(made_release) struct made root;
	CLEANUP(buf_release) struct buf crl = { 0 };
	CLEANUP(buf_release) struct buf findings = { 0 };
	struct cert_spec spec = made_ca("Root", key_specs[1]);
	struct err err = { 0 };

	made_init(&root, &spec, /* issuer= */ NULL);
	struct crl_input in = { .issuer = root.cert,
		                .number = 1,
		                .this_update = { 1799990000 },
		                .next_update = { 1800100000 } };
	buf_init(&crl, 1 << 20);
	buf_init(&findings, 1 << 16);
	ck_assert_ok(crl_create(&in, root.key, &crl, &err), &err);
	lint5280_crl(buf_view(&crl), root.cert, &findings);
	ck_assert_clean(&findings);
}
END_TEST

START_TEST(request_of_every_key_type_satisfies_openssl_and_ourselves)
{
	CLEANUP(cleanup_key) struct key *key = NULL;
	CLEANUP(buf_release) struct buf csr = { 0 };
	CLEANUP(buf_release) struct buf own = { 0 };
	struct str_list dns = STR_LIST("web.example.com");
	struct cert_spec spec = made_leaf(&dns, key_specs[_i]);
	struct bytes spki;
	struct err err = { 0 };

	buf_init(&csr, 1 << 20);
	buf_init(&own, 1 << 20);
	ck_assert_ok(key_generate(&spec.key, &key, &err), &err);
	ck_assert_ok(csr_create(&spec, /* encode_usages= */ true, key, &csr, &err), &err);
	ck_assert_ok(csr_check(buf_view(&csr), &spki, &err), &err);
	ck_assert_ok(key_spki(key, &own, &err), &err);
	ck_assert(bytes_equal(spki, buf_view(&own)));
	judge_write(dir, "req.der", buf_view(&csr));
	ck_assert_msg(JUDGE(dir, &said, "openssl", "req", "-inform", "DER", "-in", "req.der",
	                    "-noout", "-verify", "-text") == 0,
	              "%s", buf_str(&said));
	ck_assert_ptr_nonnull(strstr(buf_str(&said), "verify OK"));
	ck_assert_ptr_nonnull(strstr(buf_str(&said), "DNS:web.example.com"));

	csr.p[csr.len - 1] ^= 1;
	ck_assert_int_eq(csr_check(buf_view(&csr), &spki, &err), ERR_VERIFY);
}
END_TEST

static enum err_code try_spec(const struct cert_spec *spec, struct err *err)
{
	CLEANUP(cleanup_key) struct key *key = NULL;
	CLEANUP(buf_release) struct buf spki = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };
	uint8_t serial[20];

	buf_init(&spki, 1 << 20);
	buf_init(&out, 1 << 20);
	serial_random(serial);
	err_clear(err);
	ck_assert_ok(key_generate(&spec->key, &key, err), err);
	ck_assert_ok(key_spki(key, &spki, err), err);
	struct tbs_input in = { .spec = spec,
		                .spki = buf_view(&spki),
		                .serial = bytes_of(serial, 20),
		                .not_before = { JUDGE_NOT_BEFORE },
		                .not_after = { JUDGE_NOT_AFTER } };
	return tbs_certificate(&in, key, SIG_DEFAULT, &out, err);
}

START_TEST(what_rfc_5280_forbids_is_refused)
{
	static const uint8_t not_der[] = { 0x0c, 0x09, 'x' };
	static const uint8_t null_der[] = { 0x05, 0x00 };
	struct cert_spec good = made_ca("Root", key_specs[1]);
	struct cert_spec s = good;
	struct err err = { 0 };

	ck_assert_ok(try_spec(&good, &err), &err);
	s.subject = (struct subject){ 0 };
	ck_assert_int_eq(try_spec(&s, &err), ERR_INVALID);
	s = good;
	s.subject.countries = STR_LIST("Germany");
	ck_assert_int_eq(try_spec(&s, &err), ERR_INVALID);
	ck_assert_str_eq(err.msg, "subject attribute C is longer than 2 characters");
	s = good;
	s.dns_names = STR_LIST("bad name");
	ck_assert_int_eq(try_spec(&s, &err), ERR_INVALID);
	s.dns_names = STR_LIST("a.*.example.com");
	ck_assert_int_eq(try_spec(&s, &err), ERR_INVALID);
	s.dns_names = STR_LIST("example.com.");
	ck_assert_int_eq(try_spec(&s, &err), ERR_INVALID);
	s = good;
	s.ip_addresses = STR_LIST("192.0.2.300");
	ck_assert_int_eq(try_spec(&s, &err), ERR_INVALID);
	struct extension twice[] = { { "1.2.3.4", false, { null_der, 2 } },
		                     { "1.2.3.4", true, { null_der, 2 } } };
	s = good;
	s.extensions = twice;
	s.n_extensions = 2;
	ck_assert_int_eq(try_spec(&s, &err), ERR_INVALID);
	ck_assert_str_eq(err.msg, "extension 1.2.3.4 appears twice");
	struct extension broken = { "1.2.3.4", false, { not_der, 3 } };
	s.extensions = &broken;
	s.n_extensions = 1;
	ck_assert_int_eq(try_spec(&s, &err), ERR_INVALID);
	struct extension ours = { "2.5.29.17", false, { null_der, 2 } };
	s.extensions = &ours;
	ck_assert_int_eq(try_spec(&s, &err), ERR_INVALID);
}
END_TEST

START_TEST(dates_beyond_2049_are_generalized_time)
{
	CLEANUP(made_release) struct made root;
	CLEANUP(buf_release) struct buf tbs = { 0 };
	CLEANUP(buf_release) struct buf der = { 0 };
	CLEANUP(buf_release) struct buf findings = { 0 };
	struct cert_spec spec = made_ca("Root", key_specs[1]);
	struct err err = { 0 };
	uint8_t serial[20];

	made_init(&root, &spec, /* issuer= */ NULL);
	serial_random(serial);
	struct tbs_input in = { .spec = &spec,
		                .spki = root.cert->spki,
		                .serial = bytes_of(serial, 20),
		                .not_before = { 2524607999 }, /* 2049-12-31T23:59:59Z */
		                .not_after = { 2524608000 } };
	buf_init(&tbs, 1 << 20);
	buf_init(&der, 1 << 20);
	buf_init(&findings, 1 << 16);
	ck_assert_ok(tbs_certificate(&in, root.key, SIG_DEFAULT, &tbs, &err), &err);
	ck_assert_ok(sign_tbs(buf_view(&tbs), root.key, SIG_DEFAULT, &der, &err), &err);
	lint5280_cert(buf_view(&der), /* issuer= */ NULL, &findings);
	ck_assert_clean(&findings);
	ck_assert_ptr_nonnull(memmem(der.p, der.len, "491231235959Z", 13));
	ck_assert_ptr_nonnull(memmem(der.p, der.len, "20500101000000Z", 15));
}
END_TEST

START_TEST(serials_are_20_octets_and_positive)
{
	uint8_t serial[20];

	for (int i = 0; i < 1000; i++) {
		serial_random(serial);
		ck_assert_int_ge(serial[0], 0x40);
		ck_assert_int_le(serial[0], 0x7f);
	}
}
END_TEST

/* The linter is only worth something when it can find. */
START_TEST(linter_finds_what_is_wrong)
{
	CLEANUP(made_release) struct made root;
	CLEANUP(made_release) struct made other;
	CLEANUP(buf_release) struct buf findings = { 0 };
	CLEANUP(buf_release) struct buf broken = { 0 };
	struct cert_spec spec = made_ca("Root", key_specs[1]);
	struct cert_spec other_spec = made_ca("Other", key_specs[1]);

	made_init(&root, &spec, /* issuer= */ NULL);
	made_init(&other, &other_spec, /* issuer= */ NULL);
	buf_init(&findings, 1 << 16);
	lint5280_cert(root.cert->der, other.cert, &findings);
	ck_assert_ptr_nonnull(strstr(buf_str(&findings), "signature does not verify"));
	ck_assert_ptr_nonnull(strstr(buf_str(&findings), "AKI missing"));
	ck_assert_ptr_nonnull(strstr(buf_str(&findings), "issuer is not the CA's subject"));
	buf_init(&broken, 1 << 16);
	buf_add_bytes(&broken, root.cert->der);
	uint8_t *serial = memmem(broken.p, broken.len, root.cert->serial.p, 20);
	serial[0] = 0x80;
	buf_reset(&findings);
	lint5280_cert(buf_view(&broken), /* issuer= */ NULL, &findings);
	ck_assert_ptr_nonnull(strstr(buf_str(&findings), "serial is not positive"));
}
END_TEST

static void build(Suite *suite)
{
	TCase *t = tcase_create("sign");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, root_sub_and_leaf_of_every_key_type_pass_every_judge, 0,
	                    ARRAY_LEN(key_specs));
	tcase_add_test(t, every_field_of_the_spec_reaches_the_certificate);
	tcase_add_test(t, literal_subject_keeps_its_order_and_satisfies_itself);
	tcase_add_test(t, name_constraints_are_enforced_by_openssl);
	tcase_add_loop_test(t, crl_is_accepted_and_revokes, 0, ARRAY_LEN(key_specs));
	tcase_add_test(t, empty_crl_has_no_entry_list);
	tcase_add_loop_test(t, request_of_every_key_type_satisfies_openssl_and_ourselves, 0,
	                    ARRAY_LEN(key_specs));
	tcase_add_test(t, what_rfc_5280_forbids_is_refused);
	tcase_add_test(t, dates_beyond_2049_are_generalized_time);
	tcase_add_test(t, serials_are_20_octets_and_positive);
	tcase_add_test(t, linter_finds_what_is_wrong);
	suite_add_tcase(suite, t);
}

UNIT_MAIN("sign", build)
