/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_bcfks.c - stores that BouncyCastle writes, held against what it reads back from them.
 */
#include "providers/keystores/p12_crypto.h"
#include "reconciler/pki/der.h"
#include "tests/unit/keystores/support.h"

static void make(void)
{
	world_make();
	free(tool("openssl pkcs8 -topk8 -in web.key.pem -passout pass:sesame -outform DER -out "
	          "shrouded.p8"));
	free(tool("java -XX:+UseSerialGC -cp " KEYSTORE_ORACLE
	          ":/usr/share/java/bcprov.jar BcfksMaker ."));
}

static const struct {
	const char *file, *cipher, *derivation;
} stores[] = {
	{ "plain.bcfks", "AES-256-CCM", "PBKDF2, HMAC-sha512, 51200 iterations" },
	{ "kwp.bcfks", "AES-256-KWP", "PBKDF2, HMAC-sha512, 1000 iterations" },
	{ "scrypt.bcfks", "AES-256-CCM", "scrypt, N 64, r 8" },
	{ "sha3.bcfks", "AES-256-CCM", "PBKDF2, HMAC-sha3_512, 2000 iterations" },
};

struct facts {
	const char *file;
	unsigned encryption, derivation, keys;
	size_t at; /* in `stores` */
};

static void note(void *ctx, const struct keystore_fact *f)
{
	struct facts *seen = ctx;

	if (f->entry != SIZE_MAX) {
		seen->keys += str_equal(f->name, "keyProtection");
	} else if (str_equal(f->name, "encryption")) {
		ck_assert_str_eq(f->value, stores[seen->at].cipher);
		seen->encryption++;
	} else if (str_equal(f->name, "keyDerivation")) {
		ck_assert_str_eq(f->value, stores[seen->at].derivation);
		seen->derivation++;
	}
}

START_TEST(every_store_of_bouncycastle_is_read_as_it_reads_it)
{
	struct facts seen = { .at = (size_t)_i };
	struct keystore *ks = decode(&keystore_bcfks, stores[_i].file, "sesame", NULL);
	char *ours = describe(ks);
	char *theirs = oracle("load\tBC-BCFKS\t%s\tsesame\tsesame\n", stores[_i].file);

	ck_assert_str_eq(ours, theirs);
	ck_assert_uint_eq(keystore_bcfks.count(ks), 7);
	ck_assert_uint_eq(entry_of(ks, "web").warnings, 0);
	ck_assert_uint_eq(entry_of(ks, "other").warnings, KS_WARN_KEY_UNREADABLE);
	ck_assert_uint_eq(entry_of(ks, "stray").warnings, KS_WARN_KEY_MISMATCH);
	ck_assert(bytes_equal(entry_of(ks, "Root").chain[0], world.root.der));
	ck_assert(bytes_equal(entry_of(ks, "root").chain[0], world.other.der));
	ck_assert_uint_eq(entry_of(ks, "\xc3\xa4pfel").n_chain, 3);
	keystore_bcfks.facts(ks, note, &seen);
	ck_assert(seen.encryption == 1 && seen.derivation == 1 && seen.keys == 5);
	free(theirs);
	free(ours);
	keystore_bcfks.close(ks);

	ks = decode(&keystore_bcfks, stores[_i].file, "sesame", "keypass");
	ck_assert_uint_eq(entry_of(ks, "other").warnings, 0);
	ck_assert_uint_eq(entry_of(ks, "web").warnings, KS_WARN_KEY_UNREADABLE);
	keystore_bcfks.close(ks);
}
END_TEST

static size_t index_of(const struct keystore *ks, const char *alias)
{
	struct keystore_entry e;

	for (size_t i = 0; i < ks->ops->count(ks); i++) {
		ks->ops->entry(ks, i, &e);
		if (str_equal(e.alias, alias)) {
			return i;
		}
	}
	ck_abort_msg("no entry '%s'", alias);
}

START_TEST(keys_may_stay_closed)
{
	struct bytes file = get_file("plain.bcfks");
	struct keystore_passwords pw = passwords("sesame", /* key= */ NULL);
	struct secret pkcs8 = { 0 };
	struct keystore *ks = NULL;
	struct err err = { 0 };

	pw.keys_closed = true;
	ck_assert_ok(keystore_bcfks.decode(&file, 1, &pw, &ks, &err), &err);
	ck_assert(ks->keys_closed);
	ck_assert_uint_eq(keystore_bcfks.count(ks), 7);
	ck_assert_uint_eq(entry_of(ks, "other").warnings, 0);
	ck_assert_uint_eq(entry_of(ks, "stray").warnings, 0);
	ck_assert_int_eq(keystore_bcfks.key(ks, index_of(ks, "web"), &pkcs8, NULL), ERR_DENIED);
	keystore_bcfks.close(ks);
	free((void *)(uintptr_t)file.p);
}
END_TEST

START_TEST(secret_keys_come_out_with_their_algorithm)
{
	struct keystore *ks = decode(&keystore_bcfks, "plain.bcfks", "sesame", NULL);
	struct keystore_secret_key key = { .algorithm = "" };
	struct err err = { 0 };

	ck_assert_ok(keystore_bcfks.secret(ks, index_of(ks, "aes"), &key, &err), &err);
	ck_assert_str_eq(key.algorithm, "AES");
	ck_assert(bytes_equal(secret_view(&key.key), bytes_of_str("0123456789abcdef")));
	secret_release(&key.key);
	ck_assert_int_eq(keystore_bcfks.secret(ks, index_of(ks, "web"), &key, NULL), ERR_INVALID);
	struct secret pkcs8 = { 0 };
	ck_assert_int_eq(keystore_bcfks.key(ks, index_of(ks, "aes"), &pkcs8, NULL), ERR_INVALID);
	ck_assert_int_eq(keystore_bcfks.key(ks, index_of(ks, "other"), &pkcs8, NULL), ERR_DENIED);
	keystore_bcfks.close(ks);
	ks = decode(&keystore_bcfks, "kept.bcfks", "sesame", NULL);
	ck_assert_ok(keystore_bcfks.secret(ks, index_of(ks, "hmac"), &key, &err), &err);
	ck_assert_str_eq(key.algorithm, "HmacSHA256");
	secret_release(&key.key);
	keystore_bcfks.close(ks);
}
END_TEST

START_TEST(key_that_somebody_else_encrypted_is_opened_too)
{
	struct keystore *ks = decode(&keystore_bcfks, "kept.bcfks", "sesame", NULL);
	char *ours = describe(ks);

	ck_assert_ptr_nonnull(strstr(ours, "key kept "));
	ck_assert_ptr_nonnull(strstr(ours, " match "));
	free(ours);
	keystore_bcfks.close(ks);
}
END_TEST

START_TEST(a_wrong_password_is_told_from_a_modified_store)
{
	struct bytes file = get_file("plain.bcfks");
	uint8_t *p = (uint8_t *)(uintptr_t)file.p;
	struct err err = { 0 };

	ck_assert_int_eq(decode_code(&keystore_bcfks, file, "wrong", NULL, &err), ERR_DENIED);
	ck_assert_str_eq(err.msg, "the keystore password is wrong");
	ck_assert_int_eq(decode_code(&keystore_bcfks, file, NULL, NULL, NULL), ERR_DENIED);
	p[file.n - 1] ^= 1; /* the MAC */
	err_clear(&err);
	ck_assert_int_eq(decode_code(&keystore_bcfks, file, "sesame", NULL, &err), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "modified"));
	p[file.n - 1] ^= 1;
	ck_assert_int_eq(decode_code(&keystore_bcfks, file, "sesame", NULL, NULL), ERR_OK);
	free(p);
	ck_assert_int_eq(decode_code(&keystore_bcfks, file = get_file("nopw.bcfks"), "", NULL,
	                             NULL),
	                 ERR_OK);
	free((void *)(uintptr_t)file.p);
}
END_TEST

START_TEST(an_empty_store_is_read)
{
	struct keystore *ks = decode(&keystore_bcfks, "empty.bcfks", "sesame", NULL);

	ck_assert_uint_eq(keystore_bcfks.count(ks), 0);
	keystore_bcfks.close(ks);
}
END_TEST

START_TEST(integrity_by_signature_is_refused_with_its_reason)
{
	struct bytes file = get_file("signed.bcfks");
	struct err err = { 0 };

	ck_assert(keystore_bcfks.recognises(file));
	ck_assert_int_eq(decode_code(&keystore_bcfks, file, "sesame", NULL, &err), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "signature"));
	free((void *)(uintptr_t)file.p);
}
END_TEST

START_TEST(nothing_is_written_and_the_sentence_says_what_to_do)
{
	struct keystore *ks = decode(&keystore_bcfks, "empty.bcfks", "sesame", NULL);
	struct keystore *made = NULL;
	struct keystore_encode how = { 0 };
	struct keystore_part part[KEYSTORE_PARTS_MAX];
	struct keystore_secret_key key = { .algorithm = "AES" };
	struct err err = { 0 };
	size_t n = 0;

	ck_assert_int_eq(keystore_bcfks.encode(ks, &how, part, &n, &err), ERR_INVALID);
	ck_assert_str_eq(err.msg, "BCFKS stores are read, not written");
	ck_assert_ptr_nonnull(strstr(err.hint, "pkcs12"));
	ck_assert_int_eq(keystore_bcfks.create(&made, NULL), ERR_INVALID);
	ck_assert_int_eq(keystore_bcfks.remove(ks, "a", NULL), ERR_INVALID);
	ck_assert_int_eq(keystore_bcfks.rename(ks, "a", "b", NULL), ERR_INVALID);
	ck_assert_int_eq(keystore_bcfks.set_trusted(ks, "a", world.root.der, 0, NULL), ERR_INVALID);
	ck_assert_int_eq(keystore_bcfks.set_secret(ks, "a", &key, 0, NULL), ERR_INVALID);
	ck_assert_int_eq(keystore_bcfks.set_key(ks, "a", &world.web.key, world.web_chain, 1, 0,
	                                        NULL),
	                 ERR_INVALID);
	keystore_bcfks.close(ks);
}
END_TEST

START_TEST(a_store_cut_anywhere_is_damaged)
{
	struct bytes file = get_file("empty.bcfks");

	for (size_t i = 0; i < file.n; i++) {
		uint8_t *exact = malloc(i + 1);
		memcpy(exact, file.p, i);
		uint8_t *part = realloc(exact, i == 0 ? 1 : i);
		ck_assert_int_eq(decode_code(&keystore_bcfks, bytes_of(part, i), "sesame", NULL,
		                             NULL),
		                 ERR_INVALID);
		(void)keystore_bcfks.recognises(bytes_of(part, i));
		free(part);
	}
	free((void *)(uintptr_t)file.p);
}
END_TEST

START_TEST(iterations_without_end_are_refused)
{
	struct bytes file = get_file("kwp.bcfks");
	struct p12_limits was = p12_limits;
	struct err err = { 0 };

	p12_limits.iterations = 999;
	ck_assert_int_eq(decode_code(&keystore_bcfks, file, "sesame", NULL, &err), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "iterations"));

	/* Enough for the store, not for its keys: they are opened when they are asked for. */
	p12_limits = was;
	p12_limits.work = 4000;
	struct keystore *ks = decode(&keystore_bcfks, "kwp.bcfks", "sesame", NULL);
	struct secret key = { 0 };
	ck_assert_uint_eq(entry_of(ks, "web").warnings, 0);
	p12_limits = was;
	err_clear(&err);
	ck_assert_ok(keystore_bcfks.key(ks, index_of(ks, "web"), &key, &err), &err);
	ck_assert_uint_gt(key.n, 32);
	secret_release(&key);
	keystore_bcfks.close(ks);
	free((void *)(uintptr_t)file.p);
}
END_TEST

START_TEST(its_content_is_taken_for_nothing_else)
{
	static const struct keystore_ops *const formats[] = {
		&keystore_jks,   &keystore_pkcs12, &keystore_p7b, &keystore_zip,
		&keystore_bcfks, &keystore_pem,    &keystore_der,
	};
	static const char *const files[] = { "plain.bcfks", "kwp.bcfks", "scrypt.bcfks",
		                             "signed.bcfks" };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct bytes file = get_file(files[i]);
		const struct keystore_ops *ops = NULL;

		ck_assert_int_eq(keystore_identify(formats, ARRAY_LEN(formats), file, &ops, NULL),
		                 ERR_OK);
		ck_assert_str_eq(ops->type, "bcfks");
		ck_assert(!keystore_der.recognises(file) && !keystore_pkcs12.recognises(file));
		free((void *)(uintptr_t)file.p);
	}
	struct bytes file = get_file("shrouded.p8");
	ck_assert(!keystore_bcfks.recognises(file));
	ck_assert(!keystore_bcfks.recognises(world.web.der));
	free((void *)(uintptr_t)file.p);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("bcfks");

	tcase_add_unchecked_fixture(tc, make, world_drop);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, every_store_of_bouncycastle_is_read_as_it_reads_it, 0,
	                    (int)ARRAY_LEN(stores));
	tcase_add_test(tc, keys_may_stay_closed);
	tcase_add_test(tc, secret_keys_come_out_with_their_algorithm);
	tcase_add_test(tc, key_that_somebody_else_encrypted_is_opened_too);
	tcase_add_test(tc, a_wrong_password_is_told_from_a_modified_store);
	tcase_add_test(tc, an_empty_store_is_read);
	tcase_add_test(tc, integrity_by_signature_is_refused_with_its_reason);
	tcase_add_test(tc, nothing_is_written_and_the_sentence_says_what_to_do);
	tcase_add_test(tc, a_store_cut_anywhere_is_damaged);
	tcase_add_test(tc, iterations_without_end_are_refused);
	tcase_add_test(tc, its_content_is_taken_for_nothing_else);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("bcfks", build)
