/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_jceks.c - JCEKS against the JDK, and against its own bytes.
 */
#include <stdio.h>

#include "providers/keystores/jks_store.h"
#include "reconciler/pki/pki.h"
#include "tests/unit/keystores/support.h"

#define T0 1700000000000

static void setup(void)
{
	world_make();
	jks_limits.written = 20;
	free(oracle("prop\tjdk.jceks.iterationCount\t10000\n"
	            "new\tJCEKS\n"
	            "key\tweb\tchangeit\tweb.key\tweb.der,inter.der\n"
	            "key\tapi\tsecond\tapi.key\tapi.der,inter.der,root.der\n"
	            "trusted\troot\troot.der\n"
	            "secret\taes\tchangeit\n"
	            "secretkey\ttriple\tchangeit\tDESede\n"
	            "secretkey\tdes\tchangeit\tDES\n"
	            "secretkey\tmac\tsecond\tHmacSHA256\n"
	            "save\tjava.jceks\tchangeit\n"));
}

static struct keystore *created(void)
{
	struct err err = { 0 };
	struct keystore *ks = NULL;

	ck_assert_ok(keystore_jceks.create(&ks, &err), &err);
	return ks;
}

static void must_set_secret(struct keystore *ks, const char *alias, const char *algorithm)
{
	struct keystore_secret_key key = { 0 };
	struct err err = { 0 };

	(void)snprintf(key.algorithm, sizeof(key.algorithm), "%s", algorithm);
	ck_assert_int_eq(secret_set_str(&key.key, "0123456789abcdef"), 0);
	ck_assert_ok(ks->ops->set_secret(ks, alias, &key, T0, &err), &err);
	secret_release(&key.key);
}

/* What Java says of the file with that key password is what we say. */
static void assert_agrees(const char *name, const char *store, const char *key)
{
	char *java = oracle("load\tJCEKS\t%s\t%s\t%s\n", name, store, key);
	struct keystore *ks = decode(&keystore_jceks, name, store, key);
	char *ours = describe(ks);

	ck_assert_str_eq(java, ours);
	free(java);
	free(ours);
	keystore_jceks.close(ks);
}

START_TEST(we_read_what_java_writes_and_give_it_back_unchanged)
{
	assert_agrees("java.jceks", "changeit", "changeit");
	struct keystore *ks = decode(&keystore_jceks, "java.jceks", "changeit", NULL);
	char *ours = describe(ks);

	ck_assert_ptr_nonnull(strstr(ours, "key web "));
	ck_assert_ptr_nonnull(strstr(ours, " match "));
	ck_assert_ptr_nonnull(strstr(ours, " unreadable ")); /* api has a password of its own */
	ck_assert_ptr_nonnull(strstr(ours, "secret aes AES 30313233"));
	ck_assert_ptr_nonnull(strstr(ours, "secret triple DESede "));
	ck_assert_ptr_nonnull(strstr(ours, "secret des DES "));
	ck_assert_ptr_nonnull(strstr(ours, "secret mac unreadable"));
	ck_assert_uint_eq(entry_of(ks, "mac").warnings, KS_WARN_KEY_UNREADABLE);
	free(ours);
	encode(ks, "same.jceks", "changeit", NULL, NULL);
	struct bytes before = get_file("java.jceks");
	struct bytes after = get_file("same.jceks");
	ck_assert(bytes_equal(before, after));

	must_set_key(ks, "new", &world.web2, world.web2_chain, 2, T0);
	must_set_secret(ks, "new too", "AES");
	encode(ks, "more.jceks", "changeit", NULL, NULL);
	must_remove(ks, "NEW");
	must_remove(ks, "new too");
	encode(ks, "back.jceks", "changeit", NULL, NULL);
	struct bytes back = get_file("back.jceks");
	ck_assert(bytes_equal(before, back));
	assert_agrees("more.jceks", "changeit", "changeit");
	free((void *)(uintptr_t)before.p);
	free((void *)(uintptr_t)after.p);
	free((void *)(uintptr_t)back.p);
	keystore_jceks.close(ks);
}
END_TEST

START_TEST(java_reads_what_we_write)
{
	struct keystore *ks = created();

	must_set_key(ks, "web", &world.web, world.web_chain, 2, T0);
	must_set_key(ks, "API", &world.api, world.api_chain, 3, T0);
	must_set_trusted(ks, "\xc3\x84pfel", world.root.der);
	must_set_secret(ks, "aes", "AES");
	must_set_secret(ks, "mac", "HmacSHA512");
	encode(ks, "ours.jceks", "changeit", "keypass", NULL);
	assert_agrees("ours.jceks", "changeit", "keypass");
	keystore_jceks.close(ks);
	char *out = tool("keytool -list -keystore ours.jceks -storetype JCEKS -storepass changeit");
	ck_assert_ptr_nonnull(strstr(out, "contains 5 entries"));
	free(out);
}
END_TEST

START_TEST(keys_and_secrets_follow_a_new_password_or_stay)
{
	struct keystore *ks = decode(&keystore_jceks, "java.jceks", "changeit", NULL);
	struct err err = { 0 };

	encode(ks, "moved.jceks", "another", NULL, NULL);
	assert_agrees("moved.jceks", "another", "another");
	assert_agrees("moved.jceks", "another", "second");

	struct keystore_encode how = { .passwords = passwords("another", NULL), .keys_stay = true };
	struct keystore_part part[KEYSTORE_PARTS_MAX];
	size_t n;
	ck_assert_ok(keystore_jceks.encode(ks, &how, part, &n, &err), &err);
	put_file("stay.jceks", secret_view(&part[0].bytes));
	struct bytes before = get_file("java.jceks");
	/* Only the digest is another: what keytool -storepasswd does. */
	ck_assert_uint_eq(part[0].bytes.n, before.n);
	ck_assert_mem_eq(part[0].bytes.p, before.p, before.n - 20);
	keystore_part_release(&part[0]);
	assert_agrees("stay.jceks", "another", "changeit");
	free((void *)(uintptr_t)before.p);
	keystore_jceks.close(ks);
}
END_TEST

START_TEST(keys_under_the_store_password_follow_it_past_the_key_password)
{
	/* web is under "changeit", api under "second", which is what the caller believes of both */
	struct keystore *ks = decode(&keystore_jceks, "java.jceks", "changeit", "second");

	ck_assert_uint_eq(entry_of(ks, "web").warnings, KS_WARN_KEY_UNREADABLE);
	ck_assert_uint_eq(entry_of(ks, "api").warnings, 0);
	encode(ks, "both.jceks", "another", "second", NULL);
	assert_agrees("both.jceks", "another", "another");
	assert_agrees("both.jceks", "another", "second");
	keystore_jceks.close(ks);
	ks = decode(&keystore_jceks, "both.jceks", "another", NULL);
	ck_assert_uint_eq(entry_of(ks, "web").warnings, 0);
	ck_assert_uint_eq(entry_of(ks, "api").warnings, KS_WARN_KEY_UNREADABLE);
	keystore_jceks.close(ks);
}
END_TEST

START_TEST(one_key_gets_a_password_of_its_own)
{
	struct keystore *ks = decode(&keystore_jceks, "java.jceks", "changeit", NULL);
	struct err err = { 0 };

	ck_assert_int_eq(keystore_jceks.set_key_password(ks, "api", password("wrong"),
	                                                 password("x"), &err),
	                 ERR_DENIED);
	err_clear(&err);
	ck_assert_int_eq(keystore_jceks.set_key_password(ks, "api", NULL, password("x"), &err),
	                 ERR_DENIED);
	err_clear(&err);
	ck_assert_int_eq(keystore_jceks.set_key_password(ks, "root", NULL, password("x"), &err),
	                 ERR_INVALID);
	err_clear(&err);
	ck_assert_int_eq(keystore_jceks.set_key_password(ks, "nobody", NULL, password("x"), &err),
	                 ERR_NOT_FOUND);
	err_clear(&err);
	ck_assert_ok(keystore_jceks.set_key_password(ks, "API", password("second"),
	                                             password("third"), &err),
	             &err);
	ck_assert_ok(keystore_jceks.set_key_password(ks, "aes", NULL, password("third"), &err),
	             &err);
	encode(ks, "own.jceks", "changeit", NULL, NULL);
	assert_agrees("own.jceks", "changeit", "third");
	assert_agrees("own.jceks", "changeit", "changeit");
	keystore_jceks.close(ks);
	ks = decode(&keystore_jceks, "own.jceks", "changeit", "third");
	ck_assert_uint_eq(entry_of(ks, "api").warnings, 0);
	ck_assert_uint_eq(entry_of(ks, "aes").warnings, 0);
	ck_assert_uint_eq(entry_of(ks, "web").warnings, KS_WARN_KEY_UNREADABLE);
	keystore_jceks.close(ks);
}
END_TEST

START_TEST(a_renamed_entry_is_otherwise_the_same)
{
	struct keystore *ks = decode(&keystore_jceks, "java.jceks", "changeit", NULL);
	struct err err = { 0 };

	ck_assert_int_eq(keystore_jceks.rename(ks, "nobody", "x", &err), ERR_NOT_FOUND);
	err_clear(&err);
	ck_assert_int_eq(keystore_jceks.rename(ks, "api", "ROOT", &err), ERR_CONFLICT);
	err_clear(&err);
	ck_assert_ok(keystore_jceks.rename(ks, "api", "IPA", &err), &err);
	ck_assert_ok(keystore_jceks.rename(ks, "aes", "SEA", &err), &err);
	ck_assert_ok(keystore_jceks.rename(ks, "root", "toor", &err), &err);
	encode(ks, "renamed.jceks", "changeit", NULL, NULL);
	assert_agrees("renamed.jceks", "changeit", "second");
	/* The names are as long as before: all other octets are the same. */
	struct bytes before = get_file("java.jceks");
	struct bytes after = get_file("renamed.jceks");
	size_t differ = 0;
	ck_assert_uint_eq(before.n, after.n);
	for (size_t i = 0; i + 20 < before.n; i++) {
		differ += before.p[i] != after.p[i];
	}
	ck_assert_uint_eq(differ, 2 + 2 + 2);
	free((void *)(uintptr_t)before.p);
	free((void *)(uintptr_t)after.p);
	keystore_jceks.close(ks);
}
END_TEST

START_TEST(truncated_and_flipped_files_are_refused)
{
	struct err err = { 0 };
	struct keystore *ks = created();

	must_set_key(ks, "web", &world.web, world.web_chain, 1, T0);
	must_set_secret(ks, "aes", "AES");
	encode(ks, "small.jceks", "changeit", NULL, NULL);
	keystore_jceks.close(ks);
	struct bytes file = get_file("small.jceks");
	ck_assert_int_eq(decode_code(&keystore_jceks, file, "wrong", NULL, &err), ERR_DENIED);
	for (size_t n = 0; n < file.n; n++) {
		uint8_t *exact = malloc(n + 1);

		memcpy(exact, file.p, n);
		exact = realloc(exact, n == 0 ? 1 : n);
		err_clear(&err);
		ck_assert_int_eq(decode_code(&keystore_jceks, bytes_of(exact, n), "changeit", NULL,
		                             &err),
		                 ERR_INVALID);
		free(exact);
	}
	uint8_t *copy = malloc(file.n);
	for (size_t i = 0; i < file.n; i++) {
		memcpy(copy, file.p, file.n);
		copy[i] ^= (uint8_t)(1u << i % 8);
		ck_assert_int_ne(decode_code(&keystore_jceks, bytes_of(copy, file.n), "changeit",
		                             NULL, /* err= */ NULL),
		                 ERR_OK);
		/* Without a password the digest does not stop it. */
		(void)decode_code(&keystore_jceks, bytes_of(copy, file.n), NULL, "changeit",
		                  /* err= */ NULL);
	}
	free(copy);
	free((void *)(uintptr_t)file.p);
}
END_TEST

/* A file with one secret key whose object stream is `stream`. */
static enum err_code read_stream(const char *stream, size_t n, struct err *err)
{
	struct buf b;

	buf_init(&b, KEYSTORE_FILE_LIMIT);
	buf_add(&b, "\xce\xce\xce\xce\0\0\0\2\0\0\0\1\0\0\0\3\0\1a\0\0\0\0\0\0\0\1", 27);
	buf_add(&b, stream, n);
	buf_add(&b, "12345678901234567890", 20);
	enum err_code rc = decode_code(&keystore_jceks, buf_view(&b), NULL, NULL, err);
	buf_release(&b);
	return rc;
}

START_TEST(no_object_is_made_of_a_hostile_stream)
{
	struct buf good;
	struct err err = { 0 };
	struct bytes params = bytes_of("\x30\x0d\4\10abcdefgh\2\1\1", 15);

	buf_init(&good, KEYSTORE_FILE_LIMIT);
	jceks_sealed_write(params, bytes_of("12345678", 8), &good);
	ck_assert_ok(read_stream(buf_str(&good), good.len, &err), &err);
	/* Another class; arrays that say they are longer than the file; a null array. */
	good.p[10] ^= 1;
	ck_assert_int_eq(read_stream(buf_str(&good), good.len, &err), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "not a secret key"));
	good.p[10] ^= 1;
	uint8_t *length = memmem(good.p, good.len, "\0\0\0\xf\x30", 5);
	ck_assert_ptr_nonnull(length);
	length[0] = 0x7f;
	err_clear(&err);
	ck_assert_int_eq(read_stream(buf_str(&good), good.len, &err), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "ends too early"));
	buf_release(&good);
}
END_TEST

START_TEST(iteration_bombs_are_refused_before_they_are_counted)
{
	struct jks_limits was = jks_limits;
	struct err err = { 0 };
	struct bytes file = get_file("java.jceks");

	jks_limits.iterations = 9999;
	struct keystore *ks = decode(&keystore_jceks, "java.jceks", "changeit", NULL);
	/* As for Java: an entry that does not open. */
	ck_assert_uint_eq(entry_of(ks, "web").warnings, KS_WARN_KEY_UNREADABLE);
	keystore_jceks.close(ks);
	jks_limits = was;
	jks_limits.work = 30000; /* enough for one of them */
	ck_assert_int_eq(decode_code(&keystore_jceks, file, "changeit", NULL, &err), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "more key derivation work"));
	jks_limits = was;
	free((void *)(uintptr_t)file.p);
}
END_TEST

static const uint8_t twin_salts[][8] = { { 1, 2, 3, 4, 1, 2, 3, 4 }, { 7, 7, 7, 7, 7, 7, 7, 7 } };

/* What a writer with that first half of the salt in place of the twin would have made. */
static void assert_opens(const uint8_t salt[8], const uint8_t first[4])
{
	CLEANUP(jks_password_release) struct jks_password pw = { 0 };
	CLEANUP(secret_release) struct secret found = { 0 };
	struct jceks_params twin = { .iterations = 20 };
	struct jceks_params changed = { .iterations = 20 };
	struct err err = { 0 };
	uint64_t work = 1000;
	uint8_t cipher[16];

	ck_assert_ok(jks_password_init(&pw, password("changeit"), &err), &err);
	memcpy(twin.salt, salt, 8);
	memcpy(changed.salt, salt, 8);
	memcpy(changed.salt, first, 4);
	jceks_run(&changed, bytes_of("changeit", 8), /* encrypt= */ true,
	          bytes_of("\x30\x0d\4\0131234567890a\1", 16), cipher);
	/* The padding is one octet; the text is one DER element. */
	ck_assert_ok(jceks_decrypt(&twin, bytes_of(cipher, 16), &pw, &work, &found, &err), &err);
}

START_TEST(both_ways_to_change_a_salt_of_twins_are_read)
{
	const uint8_t *s = twin_salts[_i];
	const uint8_t reversed[4] = { s[3], s[2], s[1], s[0] };
	const uint8_t slipped[4] = { s[3], s[0], s[1], s[3] };

	assert_opens(s, reversed);
	assert_opens(s, slipped);
}
END_TEST

START_TEST(a_password_java_would_refuse_is_refused)
{
	struct keystore *ks = created();
	struct keystore_encode how = { .passwords = passwords("n\xc3\xa4her", NULL) };
	struct keystore_part part[KEYSTORE_PARTS_MAX];
	struct err err = { 0 };
	size_t n;

	must_set_trusted(ks, "root", world.root.der);
	encode(ks, "umlaut.jceks", "n\xc3\xa4her", NULL, NULL);
	must_set_key(ks, "web", &world.web, world.web_chain, 1, T0);
	ck_assert_int_eq(keystore_jceks.encode(ks, &how, part, &n, &err), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "ASCII"));
	keystore_jceks.close(ks);
	ks = decode(&keystore_jceks, "umlaut.jceks", "n\xc3\xa4her", NULL);
	ck_assert_uint_eq(keystore_jceks.warnings(ks), KS_WARN_PASSWORD_NOT_ASCII);
	keystore_jceks.close(ks);
}
END_TEST

START_TEST(a_jks_file_read_as_jceks_stays_jks)
{
	struct keystore *ks = NULL;
	struct err err = { 0 };

	ck_assert_ok(keystore_jks.create(&ks, &err), &err);
	must_set_key(ks, "web", &world.web, world.web_chain, 1, T0);
	encode(ks, "plain.jks", "changeit", NULL, NULL);
	keystore_jks.close(ks);
	ks = decode(&keystore_jceks, "plain.jks", "changeit", NULL);
	must_set_trusted(ks, "root", world.root.der);
	encode(ks, "plain2.jks", "changeit", NULL, NULL);
	keystore_jceks.close(ks);
	ks = decode(&keystore_jks, "plain2.jks", "changeit", NULL);
	ck_assert_uint_eq(keystore_jks.count(ks), 2);
	keystore_jks.close(ks);
	ck_assert(keystore_jceks.recognises(bytes_of("\xce\xce\xce\xce", 4)));
	ck_assert(!keystore_jks.recognises(bytes_of("\xce\xce\xce\xce", 4)));
}
END_TEST

static void count_fact(void *ctx, const struct keystore_fact *f)
{
	size_t *found = ctx;

	*found += strcmp(f->name, "keyProtection") == 0 &&
	          strcmp(f->value, "PBEWithMD5AndTripleDES") == 0;
	*found += strcmp(f->name, "keyIterations") == 0 && strcmp(f->value, "10000") == 0;
	*found += strcmp(f->name, "version") == 0 && f->entry == SIZE_MAX;
}

START_TEST(inspect_names_the_protection)
{
	struct keystore *ks = decode(&keystore_jceks, "java.jceks", "changeit", NULL);
	size_t found = 0;

	keystore_jceks.facts(ks, count_fact, &found);
	ck_assert_uint_eq(found, 6 + 6 + 1);
	keystore_jceks.close(ks);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("jceks");

	tcase_add_unchecked_fixture(tc, setup, world_drop);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, we_read_what_java_writes_and_give_it_back_unchanged);
	tcase_add_test(tc, java_reads_what_we_write);
	tcase_add_test(tc, keys_and_secrets_follow_a_new_password_or_stay);
	tcase_add_test(tc, keys_under_the_store_password_follow_it_past_the_key_password);
	tcase_add_test(tc, one_key_gets_a_password_of_its_own);
	tcase_add_test(tc, a_renamed_entry_is_otherwise_the_same);
	tcase_add_test(tc, truncated_and_flipped_files_are_refused);
	tcase_add_test(tc, no_object_is_made_of_a_hostile_stream);
	tcase_add_test(tc, iteration_bombs_are_refused_before_they_are_counted);
	tcase_add_loop_test(tc, both_ways_to_change_a_salt_of_twins_are_read, 0, 2);
	tcase_add_test(tc, a_password_java_would_refuse_is_refused);
	tcase_add_test(tc, a_jks_file_read_as_jceks_stays_jks);
	tcase_add_test(tc, inspect_names_the_protection);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("jceks", build)
