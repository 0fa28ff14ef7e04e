/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_key.c - private keys in every shape that files have.
 */
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/alg.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/key.h"
#include "reconciler/pki/pkcs8.h"
#include "tests/unit/pki/judge.h"
#include "tests/unit/unit.h"

static const struct key_spec key_specs[] = {
	{ KEY_RSA, 2048 },  { KEY_ECDSA, 256 }, { KEY_ECDSA, 384 },
	{ KEY_ECDSA, 521 }, { KEY_ED25519, 0 },
};
static struct err err;
static char *dir;
static struct buf said;

static void setup(void)
{
	pki_init(&clock_system);
	err_clear(&err);
	buf_init(&said, 1 << 20);
	dir = unit_tmpdir();
}

static void teardown(void)
{
	buf_release(&said);
	unit_rmtree(dir);
}

/* PKCS#8 as Java writes it: version, d, nothing else. */
static void java_pkcs8(const struct pkcs8_facts *f, struct buf *out)
{
	struct der_writer w;

	der_writer_init(&w);
	der_put(&w, DER_OCTET_STRING, f->ec_secret);
	der_put_u64(&w, 1);
	der_wrap(&w, DER_SEQUENCE, 0);
	der_wrap(&w, DER_OCTET_STRING, 0);
	der_put_raw(&w, f->alg);
	der_put_u64(&w, 0);
	der_wrap(&w, DER_SEQUENCE, 0);
	ck_assert_ok(der_writer_finish(&w, out, &err), &err);
	der_writer_release(&w);
}

START_TEST(generated_keys_survive_export_and_import)
{
	CLEANUP(cleanup_key) struct key *key = NULL;
	CLEANUP(cleanup_key) struct key *back = NULL;
	CLEANUP(secret_release) struct secret pkcs8 = { 0 };
	uint8_t a[SHA256_BYTES];
	uint8_t b[SHA256_BYTES];

	ck_assert_ok(key_generate(&key_specs[_i], &key, &err), &err);
	ck_assert_ok(key_export_pkcs8(key, &pkcs8, &err), &err);
	ck_assert_ok(key_import(secret_view(&pkcs8), &back, &err), &err);
	key_spki_sha256(key, a);
	key_spki_sha256(back, b);
	ck_assert_int_eq(memcmp(a, b, sizeof(a)), 0);
	ck_assert_uint_eq(key_spec_of(back).bits, key_specs[_i].bits);
	ck_assert_ok(pkcs8_spki_sha256(secret_view(&pkcs8), /* hint_or_null= */ NULL, b, &err),
	             &err);
	ck_assert_int_eq(memcmp(a, b, sizeof(a)), 0);
}
END_TEST

START_TEST(public_half_that_openssl_computes_is_the_same)
{
	CLEANUP(cleanup_key) struct key *key = NULL;
	CLEANUP(secret_release) struct secret pkcs8 = { 0 };
	CLEANUP(buf_release) struct buf spki = { 0 };
	CLEANUP(buf_release) struct buf theirs = { 0 };
	CLEANUP(cleanup_free) char *path = str_printf("%s/pub.der", dir);

	buf_init(&spki, 1 << 16);
	buf_init(&theirs, 1 << 16);
	ck_assert_ok(key_generate(&key_specs[_i], &key, &err), &err);
	ck_assert_ok(key_export_pkcs8(key, &pkcs8, &err), &err);
	ck_assert_ok(key_spki(key, &spki, &err), &err);
	judge_write(dir, "key.der", secret_view(&pkcs8));
	ck_assert_msg(JUDGE(dir, &said, "openssl", "pkey", "-inform", "DER", "-in", "key.der",
	                    "-pubout", "-outform", "DER", "-out", "pub.der") == 0,
	              "%s", buf_str(&said));
	ck_assert_ok(fs_read(path, 1 << 16, &theirs, &err), &err);
	ck_assert(bytes_equal(buf_view(&spki), buf_view(&theirs)));
}
END_TEST

START_TEST(java_keys_without_public_half_work_and_stay_as_they_are)
{
	CLEANUP(made_release) struct made m = { 0 };
	CLEANUP(cleanup_key) struct key *key = NULL;
	CLEANUP(secret_release) struct secret pkcs8 = { 0 };
	CLEANUP(secret_release) struct secret kept = { 0 };
	CLEANUP(buf_release) struct buf java = { 0 };
	CLEANUP(buf_release) struct buf alg = { 0 };
	CLEANUP(buf_release) struct buf sig = { 0 };
	struct cert_spec spec = made_ca("Java", key_specs[_i]);
	struct pkcs8_facts f;
	uint8_t sha[SHA256_BYTES];

	made_init(&m, &spec, /* issuer= */ NULL);
	ck_assert_ok(key_export_pkcs8(m.key, &pkcs8, &err), &err);
	ck_assert_ok(pkcs8_read(secret_view(&pkcs8), &f, &err), &err);
	buf_init(&java, 1 << 16);
	buf_init(&alg, 1 << 16);
	buf_init(&sig, 1 << 16);
	java_pkcs8(&f, &java);
	ck_assert_uint_lt(java.len, pkcs8.n);
	ck_assert_ok(key_import(buf_view(&java), &key, &err), &err);
	ck_assert(key_matches_cert(key, m.cert));
	ck_assert_ok(key_export_pkcs8(key, &kept, &err), &err);
	ck_assert(bytes_equal(secret_view(&kept), buf_view(&java)));
	ck_assert_ok(pkcs8_spki_sha256(buf_view(&java), m.cert, sha, &err), &err);
	ck_assert_int_eq(memcmp(sha, m.cert->spki_sha256, sizeof(sha)), 0);
	ck_assert_ok(key_sign(key, SIG_DEFAULT, bytes_of_str("tbs"), &alg, &sig, &err), &err);
	ck_assert(
		signature_valid(m.cert->spki, buf_view(&alg), bytes_of_str("tbs"), buf_view(&sig)));
}
END_TEST

START_TEST(a_lie_about_the_public_half_is_not_believed)
{
	CLEANUP(cleanup_key) struct key *key = NULL;
	CLEANUP(secret_release) struct secret pkcs8 = { 0 };
	CLEANUP(buf_release) struct buf spki = { 0 };
	CLEANUP(buf_release) struct buf forged = { 0 };
	struct spki_facts f;
	uint8_t a[SHA256_BYTES];
	uint8_t b[SHA256_BYTES];

	buf_init(&spki, 1 << 16);
	buf_init(&forged, 1 << 16);
	ck_assert_ok(key_generate(&key_specs[1], &key, &err), &err);
	ck_assert_ok(key_export_pkcs8(key, &pkcs8, &err), &err);
	ck_assert_ok(key_spki(key, &spki, &err), &err);
	ck_assert(spki_read(buf_view(&spki), &f));
	buf_add_bytes(&forged, secret_view(&pkcs8));
	uint8_t *point = memmem(forged.p, forged.len, f.key.p, f.key.n);
	ck_assert_ptr_nonnull(point);
	point[10] ^= 1;
	key_spki_sha256(key, a);
	ck_assert_ok(pkcs8_spki_sha256(buf_view(&forged), /* hint_or_null= */ NULL, b, &err), &err);
	ck_assert_int_eq(memcmp(a, b, sizeof(a)), 0);
}
END_TEST

static const struct {
	const char *const make[14]; /* openssl, writes key.out */
	const char *password;
	enum err_code want;
} shapes[] = {
	{ { "openssl", "genpkey", "-algorithm", "RSA", "-out", "key.out" }, NULL, ERR_OK },
	{ { "openssl", "genrsa", "-traditional", "-out", "key.out", "2048" }, NULL, ERR_OK },
	{ { "openssl", "ecparam", "-name", "prime256v1", "-genkey", "-out", "key.out" },
	  NULL,
	  ERR_OK },
	{ { "openssl", "ecparam", "-name", "secp384r1", "-genkey", "-noout", "-outform", "DER",
	    "-out", "key.out" },
	  NULL,
	  ERR_OK },
	{ { "openssl", "genrsa", "-traditional", "-aes128", "-passout", "pass:secret", "-out",
	    "key.out", "2048" },
	  "secret",
	  ERR_OK },
	{ { "openssl", "genpkey", "-algorithm", "ED25519", "-aes256", "-pass", "pass:secret",
	    "-out", "key.out" },
	  "secret",
	  ERR_OK },
	{ { "openssl", "genpkey", "-algorithm", "ED25519", "-aes256", "-pass", "pass:secret",
	    "-out", "key.out" },
	  "wrong",
	  ERR_DENIED },
	{ { "openssl", "genpkey", "-algorithm", "ED25519", "-aes256", "-pass", "pass:secret",
	    "-out", "key.out" },
	  NULL,
	  ERR_DENIED },
	{ { "openssl", "genpkey", "-algorithm", "ED25519", "-outform", "DER", "-out", "key.out" },
	  NULL,
	  ERR_OK },
};

START_TEST(every_shape_of_key_file_is_decoded)
{
	CLEANUP(buf_release) struct buf in = { 0 };
	CLEANUP(secret_release) struct secret pkcs8 = { 0 };
	CLEANUP(cleanup_key) struct key *key = NULL;
	CLEANUP(cleanup_free) char *path = str_printf("%s/key.out", dir);

	buf_init(&in, 1 << 16);
	ck_assert_msg(judge_run(dir, &said, shapes[_i].make) == 0, "%s", buf_str(&said));
	ck_assert_ok(fs_read(path, 1 << 16, &in, &err), &err);
	enum err_code rc = key_decode(buf_view(&in), shapes[_i].password, &pkcs8, &err);
	ck_assert_msg(rc == shapes[_i].want, "%s", err.msg);
	if (rc == ERR_OK) {
		ck_assert_ok(key_import(secret_view(&pkcs8), &key, &err), &err);
	} else {
		ck_assert_ptr_null(pkcs8.p);
		ck_assert_ptr_null(strstr(err.msg, "wrong"));
	}
}
END_TEST

START_TEST(pem_for_files_is_read_by_openssl_and_by_ourselves)
{
	CLEANUP(cleanup_key) struct key *key = NULL;
	CLEANUP(cleanup_key) struct key *back = NULL;
	CLEANUP(secret_release) struct secret pkcs8 = { 0 };
	CLEANUP(secret_release) struct secret again = { 0 };
	CLEANUP(buf_release) struct buf pem = { 0 };
	static const char *const labels[] = { "-----BEGIN RSA PRIVATE KEY-----",
		                              "-----BEGIN EC PRIVATE KEY-----",
		                              "-----BEGIN EC PRIVATE KEY-----",
		                              "-----BEGIN EC PRIVATE KEY-----",
		                              "-----BEGIN PRIVATE KEY-----" };
	uint8_t a[SHA256_BYTES];
	uint8_t b[SHA256_BYTES];

	buf_init(&pem, 1 << 16);
	ck_assert_ok(key_generate(&key_specs[_i], &key, &err), &err);
	ck_assert_ok(key_export_pkcs8(key, &pkcs8, &err), &err);
	ck_assert_ok(pkcs8_to_pem(secret_view(&pkcs8), /* traditional= */ true, &pem, &err), &err);
	ck_assert(str_starts(buf_str(&pem), labels[_i]));
	judge_write(dir, "key.pem", buf_view(&pem));
	ck_assert_msg(JUDGE(dir, &said, "openssl", "pkey", "-in", "key.pem", "-noout", "-check") ==
	                      0,
	              "%s", buf_str(&said));
	ck_assert_ok(key_decode(buf_view(&pem), /* password= */ NULL, &again, &err), &err);
	ck_assert_ok(key_import(secret_view(&again), &back, &err), &err);
	key_spki_sha256(key, a);
	key_spki_sha256(back, b);
	ck_assert_int_eq(memcmp(a, b, sizeof(a)), 0);
	buf_reset(&pem);
	ck_assert_ok(pkcs8_to_pem(secret_view(&pkcs8), /* traditional= */ false, &pem, &err), &err);
	ck_assert(str_starts(buf_str(&pem), "-----BEGIN PRIVATE KEY-----"));
}
END_TEST

START_TEST(damaged_keys_are_refused_at_every_cut)
{
	CLEANUP(cleanup_key) struct key *key = NULL;
	CLEANUP(secret_release) struct secret pkcs8 = { 0 };
	struct key *none = NULL;

	ck_assert_ok(key_generate(&key_specs[_i], &key, &err), &err);
	ck_assert_ok(key_export_pkcs8(key, &pkcs8, &err), &err);
	for (size_t n = 0; n < pkcs8.n; n++) {
		err_clear(&err);
		ck_assert_int_eq(key_import(bytes_of(pkcs8.p, n), &none, &err), ERR_INVALID);
		ck_assert_ptr_null(none);
	}
}
END_TEST

START_TEST(impossible_sizes_and_foreign_signatures_are_refused)
{
	static const struct key_spec bad[] = {
		{ KEY_RSA, 1024 }, { KEY_RSA, 2049 }, { KEY_ECDSA, 224 }, { KEY_ECDSA, 0 }
	};
	CLEANUP(cleanup_key) struct key *key = NULL;
	CLEANUP(buf_release) struct buf out = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_int_eq(key_generate(&bad[i], &key, &err), ERR_INVALID);
		err_clear(&err);
	}
	buf_init(&out, 1 << 16);
	ck_assert_ok(key_generate(&key_specs[1], &key, &err), &err);
	ck_assert_int_eq(key_sign(key, SIG_SHA256_RSA, bytes_of_str("x"), &out, &out, &err),
	                 ERR_INVALID);
}
END_TEST

START_TEST(a_key_under_a_password_is_read_by_openssl_and_comes_back_byte_for_byte)
{
	CLEANUP(cleanup_key) struct key *key = NULL;
	CLEANUP(secret_release) struct secret pkcs8 = { 0 };
	CLEANUP(secret_release) struct secret again = { 0 };
	CLEANUP(secret_release) struct secret pw = { 0 };
	CLEANUP(buf_release) struct buf der = { 0 };

	buf_init(&der, 1 << 16);
	ck_assert_int_eq(secret_set_str(&pw, "p\xc3\xa4ss"), 0);
	ck_assert_ok(key_generate(&key_specs[_i], &key, &err), &err);
	ck_assert_ok(key_export_pkcs8(key, &pkcs8, &err), &err);
	ck_assert_ok(pkcs8_encrypt(secret_view(&pkcs8), &pw, &der, &err), &err);
	ck_assert_ok(key_decode(buf_view(&der), "p\xc3\xa4ss", &again, &err), &err);
	ck_assert(bytes_equal(secret_view(&pkcs8), secret_view(&again)));
	ck_assert_int_ne(key_decode(buf_view(&der), "another", &again, /* err= */ NULL), ERR_OK);
	judge_write(dir, "sealed.der", buf_view(&der));
	ck_assert_msg(JUDGE(dir, &said, "openssl", "pkcs8", "-inform", "DER", "-in", "sealed.der",
	                    "-passin", "pass:p\xc3\xa4ss", "-out", "plain.pem") == 0,
	              "%s", buf_str(&said));
}
END_TEST

START_TEST(ec_secret_outside_the_group_is_refused)
{
	CLEANUP(cleanup_key) struct key *key = NULL;
	CLEANUP(secret_release) struct secret pkcs8 = { 0 };
	CLEANUP(buf_release) struct buf java = { 0 };
	uint8_t zeros[32] = { 0 };
	uint8_t ones[32];
	struct pkcs8_facts f;
	struct key *none = NULL;

	memset(ones, 0xff, sizeof(ones));
	buf_init(&java, 1 << 16);
	ck_assert_ok(key_generate(&key_specs[1], &key, &err), &err);
	ck_assert_ok(key_export_pkcs8(key, &pkcs8, &err), &err);
	ck_assert_ok(pkcs8_read(secret_view(&pkcs8), &f, &err), &err);
	f.ec_secret = bytes_of(zeros, sizeof(zeros));
	java_pkcs8(&f, &java);
	ck_assert_int_eq(key_import(buf_view(&java), &none, &err), ERR_INVALID);
	err_clear(&err);
	buf_reset(&java);
	f.ec_secret = bytes_of(ones, sizeof(ones));
	java_pkcs8(&f, &java);
	ck_assert_int_eq(key_import(buf_view(&java), &none, &err), ERR_INVALID);
}
END_TEST

START_TEST(iterations_without_end_are_refused)
{
	/* PBES2 { PBKDF2 { salt, 8388607 }, ... }, and PBE-SHA1-3DES { salt, 8388607 } */
	static const uint8_t pbes2[] = {
		0x30, 0x30, 0x30, 0x2a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,
		0x05, 0x0d, 0x30, 0x1d, 0x30, 0x17, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7,
		0x0d, 0x01, 0x05, 0x0c, 0x30, 0x0a, 0x04, 0x03, 0x61, 0x62, 0x63, 0x02, 0x03,
		0x7f, 0xff, 0xff, 0x30, 0x02, 0x05, 0x00, 0x04, 0x02, 0x61, 0x62
	};
	static const uint8_t pbe[] = { 0x30, 0x1e, 0x30, 0x18, 0x06, 0x0a, 0x2a, 0x86,
		                       0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01, 0x03,
		                       0x30, 0x0a, 0x04, 0x03, 0x61, 0x62, 0x63, 0x02,
		                       0x03, 0x7f, 0xff, 0xff, 0x04, 0x02, 0x61, 0x62 };
	const struct bytes files[] = { bytes_of(pbes2, sizeof(pbes2)), bytes_of(pbe, sizeof(pbe)) };
	struct secret pkcs8 = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		err_clear(&err);
		ck_assert_int_eq(key_decode(files[i], "x", &pkcs8, &err), ERR_INVALID);
		ck_assert_msg(strstr(err.msg, "8388607 iterations") != NULL, "%s", err.msg);
	}
}
END_TEST

static void build(Suite *suite)
{
	TCase *t = tcase_create("key");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, generated_keys_survive_export_and_import, 0, ARRAY_LEN(key_specs));
	tcase_add_loop_test(t, public_half_that_openssl_computes_is_the_same, 0,
	                    ARRAY_LEN(key_specs));
	tcase_add_loop_test(t, java_keys_without_public_half_work_and_stay_as_they_are, 1, 4);
	tcase_add_test(t, a_lie_about_the_public_half_is_not_believed);
	tcase_add_loop_test(t, every_shape_of_key_file_is_decoded, 0, ARRAY_LEN(shapes));
	tcase_add_loop_test(t, pem_for_files_is_read_by_openssl_and_by_ourselves, 0,
	                    ARRAY_LEN(key_specs));
	tcase_add_loop_test(t, damaged_keys_are_refused_at_every_cut, 0, ARRAY_LEN(key_specs));
	tcase_add_test(t, impossible_sizes_and_foreign_signatures_are_refused);
	tcase_add_loop_test(t,
	                    a_key_under_a_password_is_read_by_openssl_and_comes_back_byte_for_byte,
	                    0, ARRAY_LEN(key_specs));
	tcase_add_test(t, ec_secret_outside_the_group_is_refused);
	tcase_add_test(t, iterations_without_end_are_refused);
	suite_add_tcase(suite, t);
}

UNIT_MAIN("key", build)
