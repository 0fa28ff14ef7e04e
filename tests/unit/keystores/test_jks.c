/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_jks.c - JKS against the JDK, and against its own bytes.
 */
#include <stdio.h>

#include "reconciler/pki/pki.h"
#include "tests/unit/keystores/support.h"

#define T0 1700000000000

static struct keystore *created(void)
{
	struct err err = { 0 };
	struct keystore *ks = NULL;

	ck_assert_ok(keystore_jks.create(&ks, &err), &err);
	return ks;
}

static void small_store(const char *name)
{
	struct keystore *ks = created();

	must_set_key(ks, "web", &world.web, world.web_chain, 2, T0);
	must_set_trusted(ks, "root", world.root.der);
	encode(ks, name, "changeit", NULL, NULL);
	keystore_jks.close(ks);
}

START_TEST(java_reads_what_we_write)
{
	struct keystore *ks = created();

	must_set_key(ks, "web", &world.web, world.web_chain, 2, T0);
	must_set_key(ks, "API-Key", &world.api, world.api_chain, 3, T0 + 1);
	must_set_trusted(ks, "\xc3\x84pfel \xf0\x9f\x98\x80", world.root.der);
	must_set_trusted(ks, "other", world.other.der);
	encode(ks, "ours.jks", "changeit", "keypass", NULL);
	char *java = oracle("load\tJKS\tours.jks\tchangeit\tkeypass\n");
	char *ours = describe(ks);
	ck_assert_str_eq(java, ours);
	ck_assert_ptr_nonnull(strstr(ours, "key web 1700000000000 match "));
	ck_assert_ptr_nonnull(strstr(ours, "trusted \xc3\xa4pfel \xf0\x9f\x98\x80 "));
	free(java);
	free(ours);
	keystore_jks.close(ks);

	ks = decode(&keystore_jks, "ours.jks", "changeit", "keypass");
	ours = describe(ks);
	java = oracle("load\tJKS\tours.jks\tchangeit\tkeypass\n");
	ck_assert_str_eq(java, ours);
	free(java);
	free(ours);
	keystore_jks.close(ks);
}
END_TEST

START_TEST(keytool_lists_what_we_write)
{
	small_store("list.jks");
	char *out = tool("keytool -list -v -keystore list.jks -storetype JKS -storepass changeit");

	ck_assert_ptr_nonnull(strstr(out, "Your keystore contains 2 entries"));
	ck_assert_ptr_nonnull(strstr(out, "Entry type: PrivateKeyEntry"));
	ck_assert_ptr_nonnull(strstr(out, "Certificate chain length: 2"));
	ck_assert_ptr_nonnull(strstr(out, "Entry type: trustedCertEntry"));
	free(out);
}
END_TEST

static void java_store(void)
{
	free(oracle("new\tJKS\n"
	            "key\tweb\tchangeit\tweb.key\tweb.der,inter.der\n"
	            "key\tapi\tsecond\tapi.key\tapi.der,inter.der,root.der\n"
	            "trusted\troot\troot.der\n"
	            "trusted\t\xc3\xa4rger\tother.der\n"
	            "save\tjava.jks\tchangeit\n"));
}

START_TEST(we_read_what_java_writes_and_give_it_back_unchanged)
{
	struct keystore *ks = decode(&keystore_jks, "java.jks", "changeit", NULL);
	char *java = oracle("load\tJKS\tjava.jks\tchangeit\tchangeit\n");
	char *ours = describe(ks);

	ck_assert_str_eq(java, ours);
	ck_assert_ptr_nonnull(strstr(ours, " unreadable ")); /* api has a password of its own */
	ck_assert_uint_eq(entry_of(ks, "api").warnings, KS_WARN_KEY_UNREADABLE);
	free(java);
	free(ours);

	encode(ks, "same.jks", "changeit", NULL, NULL);
	struct bytes before = get_file("java.jks");
	struct bytes after = get_file("same.jks");
	ck_assert(bytes_equal(before, after));

	must_set_key(ks, "new", &world.web2, world.web2_chain, 2, T0);
	must_set_trusted(ks, "new too", world.inter.der);
	encode(ks, "more.jks", "changeit", NULL, NULL);
	must_remove(ks, "NEW");
	must_remove(ks, "new too");
	encode(ks, "back.jks", "changeit", NULL, NULL);
	struct bytes back = get_file("back.jks");
	ck_assert(bytes_equal(before, back));
	free((void *)(uintptr_t)before.p);
	free((void *)(uintptr_t)after.p);
	free((void *)(uintptr_t)back.p);
	keystore_jks.close(ks);
}
END_TEST

START_TEST(keys_follow_a_new_password_and_strangers_keep_theirs)
{
	struct keystore *ks = decode(&keystore_jks, "java.jks", "changeit", NULL);

	encode(ks, "moved.jks", "n\xc3\xa4her", NULL, NULL);
	char *java = oracle("load\tJKS\tmoved.jks\tn\xc3\xa4her\tn\xc3\xa4her\n"
	                    "load\tJKS\tmoved.jks\tn\xc3\xa4her\tsecond\n");
	ck_assert_ptr_nonnull(strstr(java, "key web "));
	/* Once by the new password, once by the one it always had. */
	char *first = strstr(java, " match ");
	ck_assert_ptr_nonnull(first);
	ck_assert_ptr_nonnull(strstr(first + 1, " match "));
	free(java);
	keystore_jks.close(ks);
}
END_TEST

START_TEST(wrong_password_is_denied_and_damage_is_invalid)
{
	struct err err = { 0 };

	small_store("small.jks");
	struct bytes file = get_file("small.jks");
	ck_assert_int_eq(decode_code(&keystore_jks, file, "wrong", NULL, &err), ERR_DENIED);
	for (size_t n = 0; n < file.n; n++) {
		err_clear(&err);
		ck_assert_int_eq(decode_code(&keystore_jks, bytes_of(file.p, n), "changeit", NULL,
		                             &err),
		                 ERR_INVALID);
	}
	ck_assert_ptr_nonnull(strstr(err.msg, "offset"));
	uint8_t *copy = malloc(file.n);
	for (size_t i = 0; i < file.n; i++) {
		memcpy(copy, file.p, file.n);
		copy[i] ^= 0x41;
		ck_assert_int_ne(decode_code(&keystore_jks, bytes_of(copy, file.n), "changeit",
		                             NULL, /* err= */ NULL),
		                 ERR_OK);
	}
	free(copy);
	free((void *)(uintptr_t)file.p);
}
END_TEST

/* A JKS file made byte by byte, with the right digest. */
static struct bytes crafted(const char *hex, const char *pw)
{
	char all[4096];
	uint8_t raw[2048];
	size_t n = 0;
	size_t wide_n = 0;
	uint8_t digest[20];

	for (; *pw != '\0'; pw++) {
		raw[wide_n++] = 0;
		raw[wide_n++] = (uint8_t)*pw;
	}
	memcpy(raw + wide_n, "Mighty Aphrodite", 16);
	size_t salt = wide_n + 16;
	(void)snprintf(all, sizeof(all), "%s", hex);
	ck_assert(hex_decode(all, raw + salt, sizeof(raw) - salt - 20, &n));
	pki_sha1(raw, salt + n, digest);
	uint8_t *out = malloc(n + 20);
	memcpy(out, raw + salt, n);
	memcpy(out + n, digest, 20);
	return bytes_of(out, n + 20);
}

static const struct {
	const char *hex;
	enum err_code rc;
} odd[] = {
	{ "feedfeed0000000200000000", ERR_OK },      /* empty */
	{ "feedfeed00000002ffffffff", ERR_OK },      /* Java: a negative count is none */
	{ "feedfeed000000027fffffff", ERR_INVALID }, /* more than 100,000 */
	{ "feedfeed0000000200000001", ERR_INVALID }, /* counts one that is not there */
	{ "feedfeed0000000300000000", ERR_INVALID },
	{ "cececece0000000200000000", ERR_INVALID },
	/* an alias, a key, a chain, a certificate longer than the file */
	{ "feedfeed00000002000000010000000100ff61", ERR_INVALID },
	{ "feedfeed0000000200000001000000010001610000000000000000ffffffff00", ERR_INVALID },
	{ "feedfeed000000020000000100000001000161000000000000000000000001007fffffff", ERR_INVALID },
	{ "feedfeed0000000200000001000000020001610000000000000000000558"
	  "2e353039fffffff0",
	  ERR_INVALID },
	{ "feedfeed0000000200000001000000030001610000000000000000", ERR_INVALID }, /* secret */
	{ "feedfeed0000000200000001000000020001ff0000000000000000", ERR_INVALID }, /* alias */
	/* chain of -1: Java's "none" */
	{ "feedfeed00000002000000010000000100016100000000000000000000000100ffffffff", ERR_OK },
};

START_TEST(odd_files_are_read_as_java_does_and_never_past_their_end)
{
	struct bytes file = crafted(odd[_i].hex, "changeit");
	struct err err = { 0 };

	ck_assert_msg(decode_code(&keystore_jks, file, "changeit", NULL, &err) == odd[_i].rc,
	              "%s: %s", odd[_i].hex, err.msg);
	free((void *)(uintptr_t)file.p);
}
END_TEST

START_TEST(unreachable_and_duplicate_aliases_are_flagged_and_kept)
{
	/* "A" and "a", each trusting one DER structure */
	struct bytes file = crafted("feedfeed0000000200000002"
	                            "0000000200014100000000000000010005582e35303900000003300101"
	                            "0000000200016100000000000000020005582e35303900000003300102",
	                            "changeit");
	struct keystore_passwords pw = passwords("changeit", NULL);
	struct keystore *ks = NULL;
	struct err err = { 0 };

	ck_assert_ok(keystore_jks.decode(&file, 1, &pw, &ks, &err), &err);
	ck_assert_uint_eq(keystore_jks.count(ks), 2);
	ck_assert_uint_eq(entry_of(ks, "A").warnings & KS_WARN_UNREACHABLE_ALIAS,
	                  KS_WARN_UNREACHABLE_ALIAS);
	ck_assert_uint_eq(entry_of(ks, "A").warnings & KS_WARN_DUPLICATE_ALIAS,
	                  KS_WARN_DUPLICATE_ALIAS);
	ck_assert_uint_eq(entry_of(ks, "a").warnings & KS_WARN_DUPLICATE_ALIAS,
	                  KS_WARN_DUPLICATE_ALIAS);
	must_set_trusted(ks, "a", world.root.der);
	ck_assert_uint_eq(keystore_jks.count(ks), 1);
	ck_assert_int_eq(keystore_jks.remove(ks, "b", &err), ERR_NOT_FOUND);
	keystore_jks.close(ks);
	free((void *)(uintptr_t)file.p);
}
END_TEST

START_TEST(version_one_stays_version_one)
{
	struct bytes file = crafted("feedfeed0000000100000001"
	                            "0000000200016100000000000000010000000430023000",
	                            "changeit");
	struct keystore *ks = NULL;

	put_file("v1.jks", file);
	ks = decode(&keystore_jks, "v1.jks", "changeit", NULL);
	must_set_key(ks, "web", &world.web, world.web_chain, 2, T0);
	must_remove(ks, "a");
	encode(ks, "v1.jks", "changeit", NULL, NULL);
	char *java = oracle("load\tJKS\tv1.jks\tchangeit\tchangeit\n");
	char *ours = describe(ks);
	ck_assert_str_eq(java, ours);
	free(java);
	free(ours);
	keystore_jks.close(ks);
	free((void *)(uintptr_t)file.p);
}
END_TEST

START_TEST(bytes_behind_the_digest_are_dropped_with_a_warning)
{
	small_store("tail.jks");
	struct bytes file = get_file("tail.jks");
	uint8_t *longer = malloc(file.n + 3);

	memcpy(longer, file.p, file.n);
	memcpy(longer + file.n, "abc", 3);
	put_file("tail.jks", bytes_of(longer, file.n + 3));
	struct keystore *ks = decode(&keystore_jks, "tail.jks", "changeit", NULL);
	ck_assert_uint_eq(keystore_jks.warnings(ks), KS_WARN_TRAILING_BYTES);
	encode(ks, "tail2.jks", "changeit", NULL, NULL);
	struct bytes again = get_file("tail2.jks");
	ck_assert(bytes_equal(again, file));
	keystore_jks.close(ks);
	free(longer);
	free((void *)(uintptr_t)file.p);
	free((void *)(uintptr_t)again.p);
}
END_TEST

START_TEST(without_a_password_nothing_is_proven_and_nothing_written)
{
	struct err err = { 0 };

	small_store("nopw.jks");
	struct keystore *ks = decode(&keystore_jks, "nopw.jks", NULL, NULL);
	struct keystore_encode how = { 0 };
	struct keystore_part parts[KEYSTORE_PARTS_MAX];
	size_t n;

	ck_assert_uint_eq(keystore_jks.warnings(ks), KS_WARN_NO_MAC);
	ck_assert_uint_eq(entry_of(ks, "web").warnings, KS_WARN_KEY_UNREADABLE);
	ck_assert_int_eq(keystore_jks.encode(ks, &how, parts, &n, &err), ERR_INVALID);
	keystore_jks.close(ks);
}
END_TEST

START_TEST(refuses_what_is_no_key_and_no_chain)
{
	struct keystore *ks = created();
	struct secret rubbish = { .p = (uint8_t *)(uintptr_t) "x", .n = 1 };
	struct bytes no_der = bytes_of("x", 1);

	ck_assert_int_eq(keystore_jks.set_key(ks, "a", &rubbish, world.web_chain, 1, T0, NULL),
	                 ERR_INVALID);
	ck_assert_int_eq(keystore_jks.set_key(ks, "a", &world.web.key, world.web_chain, 0, T0,
	                                      NULL),
	                 ERR_INVALID);
	ck_assert_int_eq(keystore_jks.set_trusted(ks, "a", no_der, T0, NULL), ERR_INVALID);
	ck_assert_int_eq(keystore_jks.set_trusted(ks, "\xff", world.root.der, T0, NULL),
	                 ERR_INVALID);
	ck_assert_uint_eq(keystore_jks.count(ks), 0);
	keystore_jks.close(ks);
}
END_TEST

START_TEST(a_renamed_entry_is_otherwise_the_same)
{
	struct keystore *ks = decode(&keystore_jks, "java.jks", "changeit", NULL);
	struct bytes before = get_file("java.jks");
	struct err err = { 0 };
	size_t differ = 0;

	ck_assert_ok(keystore_jks.rename(ks, "api", "AP\xc3\x84", &err), &err);
	encode(ks, "longer.jks", "changeit", NULL, NULL);
	char *java = oracle("load\tJKS\tlonger.jks\tchangeit\tsecond\n");
	ck_assert_ptr_nonnull(strstr(java, "key ap\xc3\xa4 "));
	ck_assert_ptr_nonnull(strstr(java, " match "));
	free(java);
	ck_assert_int_eq(keystore_jks.rename(ks, "web", "Root", &err), ERR_CONFLICT);
	ck_assert_ok(keystore_jks.rename(ks, "ap\xc3\xa4", "IPA", &err), &err);
	encode(ks, "renamed.jks", "changeit", NULL, NULL);
	struct bytes after = get_file("renamed.jks");
	ck_assert_uint_eq(before.n, after.n);
	for (size_t i = 0; i + 20 < before.n; i++) {
		differ += before.p[i] != after.p[i];
	}
	ck_assert_uint_eq(differ, 2);
	free((void *)(uintptr_t)before.p);
	free((void *)(uintptr_t)after.p);
	keystore_jks.close(ks);
}
END_TEST

START_TEST(an_unreachable_alias_is_repaired_by_a_rename_to_itself)
{
	struct bytes file = crafted("feedfeed0000000200000001"
	                            "0000000200014100000000000000010005582e35303900000003300101",
	                            "changeit");
	struct err err = { 0 };

	put_file("upper.jks", file);
	struct keystore *ks = decode(&keystore_jks, "upper.jks", "changeit", NULL);
	ck_assert_uint_eq(entry_of(ks, "A").warnings & KS_WARN_UNREACHABLE_ALIAS,
	                  KS_WARN_UNREACHABLE_ALIAS);
	ck_assert_ok(keystore_jks.rename(ks, "a", "A", &err), &err);
	ck_assert_uint_eq(entry_of(ks, "a").warnings & KS_WARN_UNREACHABLE_ALIAS, 0);
	keystore_jks.close(ks);
	free((void *)(uintptr_t)file.p);
}
END_TEST

START_TEST(one_key_gets_a_password_of_its_own)
{
	struct keystore *ks = decode(&keystore_jks, "java.jks", "changeit", NULL);
	struct err err = { 0 };

	ck_assert_ok(keystore_jks.set_key_password(ks, "api", password("second"),
	                                           password("\xc3\xa4nders"), &err),
	             &err);
	encode(ks, "own.jks", "changeit", NULL, NULL);
	char *java = oracle("load\tJKS\town.jks\tchangeit\t\xc3\xa4nders\n");
	ck_assert_ptr_nonnull(strstr(java, "key api "));
	ck_assert_ptr_nonnull(strstr(java, " match "));
	free(java);
	/* The other key is the octets it was. */
	struct keystore *again = decode(&keystore_jks, "own.jks", "changeit", NULL);
	ck_assert_uint_eq(entry_of(again, "web").warnings, 0);
	keystore_jks.close(again);
	keystore_jks.close(ks);
}
END_TEST

START_TEST(keytool_exact_storepasswd_changes_the_digest_alone)
{
	struct keystore *ks = decode(&keystore_jks, "java.jks", "changeit", NULL);
	struct keystore_encode how = { .passwords = passwords("another", NULL), .keys_stay = true };
	struct keystore_part part[KEYSTORE_PARTS_MAX];
	struct bytes before = get_file("java.jks");
	struct err err = { 0 };
	size_t n;

	ck_assert_ok(keystore_jks.encode(ks, &how, part, &n, &err), &err);
	ck_assert_uint_eq(part[0].bytes.n, before.n);
	ck_assert_mem_eq(part[0].bytes.p, before.p, before.n - 20);
	ck_assert_mem_ne(part[0].bytes.p + before.n - 20, before.p + before.n - 20, 20);
	keystore_part_release(&part[0]);
	free((void *)(uintptr_t)before.p);
	keystore_jks.close(ks);
}
END_TEST

START_TEST(a_key_beside_the_certificate_of_another_is_flagged)
{
	struct keystore *ks = created();

	must_set_key(ks, "right", &world.web, world.web_chain, 2, T0);
	must_set_key(ks, "wrong", &world.web, world.web2_chain, 2, T0);
	must_set_key(ks, "odd", &world.api, world.web_chain, 2, T0);
	ck_assert_uint_eq(entry_of(ks, "wrong").warnings, KS_WARN_KEY_MISMATCH);
	encode(ks, "wrong.jks", "changeit", NULL, NULL);
	keystore_jks.close(ks);
	ks = decode(&keystore_jks, "wrong.jks", "changeit", NULL);
	ck_assert_uint_eq(entry_of(ks, "right").warnings, 0);
	ck_assert_uint_eq(entry_of(ks, "wrong").warnings, KS_WARN_KEY_MISMATCH);
	ck_assert_uint_eq(entry_of(ks, "odd").warnings, KS_WARN_KEY_MISMATCH);
	keystore_jks.close(ks);
	/* Java writes EC keys without their public half: the match is found all the same. */
	ks = decode(&keystore_jks, "java.jks", "changeit", NULL);
	ck_assert_uint_eq(entry_of(ks, "web").warnings, 0);
	keystore_jks.close(ks);
}
END_TEST

static void setup(void)
{
	world_make();
	java_store();
}

static void build(Suite *suite)
{
	TCase *tc = tcase_create("jks");

	tcase_add_unchecked_fixture(tc, setup, world_drop);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, java_reads_what_we_write);
	tcase_add_test(tc, keytool_lists_what_we_write);
	tcase_add_test(tc, we_read_what_java_writes_and_give_it_back_unchanged);
	tcase_add_test(tc, keys_follow_a_new_password_and_strangers_keep_theirs);
	tcase_add_test(tc, wrong_password_is_denied_and_damage_is_invalid);
	tcase_add_loop_test(tc, odd_files_are_read_as_java_does_and_never_past_their_end, 0,
	                    (int)(sizeof(odd) / sizeof(odd[0])));
	tcase_add_test(tc, unreachable_and_duplicate_aliases_are_flagged_and_kept);
	tcase_add_test(tc, version_one_stays_version_one);
	tcase_add_test(tc, bytes_behind_the_digest_are_dropped_with_a_warning);
	tcase_add_test(tc, without_a_password_nothing_is_proven_and_nothing_written);
	tcase_add_test(tc, refuses_what_is_no_key_and_no_chain);
	tcase_add_test(tc, a_renamed_entry_is_otherwise_the_same);
	tcase_add_test(tc, an_unreachable_alias_is_repaired_by_a_rename_to_itself);
	tcase_add_test(tc, one_key_gets_a_password_of_its_own);
	tcase_add_test(tc, keytool_exact_storepasswd_changes_the_digest_alone);
	tcase_add_test(tc, a_key_beside_the_certificate_of_another_is_flagged);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("jks", build)
