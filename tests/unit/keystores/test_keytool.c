/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_keytool.c - where we are meant to differ from keytool: one test for each row of the table in
 * README.md, so that neither side changes unnoticed.
 */
#include "providers/keystores/jks_store.h"
#include "tests/unit/keystores/warm.h"

#define T0 1700000000000

/* Java's "web" (key of the intermediate's chain), "root" (trusted), under "changeit". */
static void java_makes(const char *type, const char *file)
{
	free(warm_ask("new\t%s", type));
	free(warm_ask("key\tweb\tchangeit\tweb.key\tweb.der,inter.der"));
	free(warm_ask("trusted\troot\troot.der"));
	free(warm_ask("save\t%s\tchangeit", file));
}

static char *java_sees(const char *type, const char *file, const char *store_pw, const char *key_pw)
{
	return warm_ask("load\t%s\t%s\t%s\t%s", type, file, store_pw, key_pw);
}

static void assert_sees(const char *type, const char *file, const char *key_pw, const char *what,
                        bool there)
{
	char *text = java_sees(type, file, "changeit", key_pw);

	ck_assert_msg((strstr(text, what) != NULL) == there, "'%s' in: %s", what, text);
	free(text);
}

START_TEST(keys_follow_the_store_password_of_a_jks_file)
{
	java_makes("JKS", "a.jks");
	struct keystore *ks = decode(&keystore_jks, "a.jks", "changeit", NULL);
	encode(ks, "b.jks", "another", NULL, NULL);
	keystore_jks.close(ks);
	ck_assert(warm_keytool("-storepasswd\t-new\tanother\t-keystore\ta.jks\t-storetype\tJKS\t"
	                       "-storepass\tchangeit"));
	char *theirs = java_sees("JKS", "a.jks", "another", "another");
	char *ours = java_sees("JKS", "b.jks", "another", "another");
	ck_assert_ptr_nonnull(strstr(theirs, " unreadable "));
	ck_assert_ptr_nonnull(strstr(ours, " match "));
	free(theirs);
	free(ours);
}
END_TEST

START_TEST(a_key_of_pkcs12_gets_a_password_of_its_own)
{
	struct err err = { 0 };

	java_makes("PKCS12", "a.p12");
	ck_assert(!warm_keytool("-keypasswd\t-alias\tweb\t-keypass\tchangeit\t-new\tkeypass1\t"
	                        "-keystore\ta.p12\t-storetype\tPKCS12\t-storepass\tchangeit"));
	struct keystore *ks = decode(&keystore_pkcs12, "a.p12", "changeit", NULL);
	ck_assert_ok(keystore_pkcs12.set_key_password(ks, "web", password("changeit"),
	                                              password("keypass1"), &err),
	             &err);
	encode(ks, "b.p12", "changeit", NULL, NULL);
	keystore_pkcs12.close(ks);
	assert_sees("PKCS12", "b.p12", "keypass1", " match ", /* there= */ true);
}
END_TEST

START_TEST(a_renamed_entry_keeps_its_date)
{
	struct keystore *ks = NULL;
	struct err err = { 0 };

	ck_assert_ok(keystore_jks.create(&ks, &err), &err);
	must_set_trusted(ks, "root", world.root.der); /* of 1700000000123 */
	encode(ks, "a.jks", "changeit", NULL, NULL);
	ck_assert_ok(keystore_jks.rename(ks, "root", "toor", &err), &err);
	encode(ks, "b.jks", "changeit", NULL, NULL);
	keystore_jks.close(ks);
	ck_assert(warm_keytool("-changealias\t-alias\troot\t-destalias\ttoor\t-keystore\ta.jks\t"
	                       "-storetype\tJKS\t-storepass\tchangeit"));
	assert_sees("JKS", "b.jks", "changeit", "trusted toor 1700000000123 ", /* there= */ true);
	assert_sees("JKS", "a.jks", "changeit", "trusted toor ", /* there= */ true);
	assert_sees("JKS", "a.jks", "changeit", "1700000000123", /* there= */ false);
}
END_TEST

/* openssl writes keys in clear when told to, and certificates that are nobody's. */
START_TEST(what_java_does_not_see_survives_an_edit)
{
	free(tool("openssl pkcs12 -export -inkey web.key.pem -in web.pem -certfile chain.pem -name "
	          "web -keypbe NONE -passout pass:changeit -out a.p12"));
	struct keystore *ks = decode(&keystore_pkcs12, "a.p12", "changeit", NULL);
	must_set_trusted(ks, "other", world.other.der);
	encode(ks, "b.p12", "changeit", NULL, NULL);
	keystore_pkcs12.close(ks);
	ck_assert(
		warm_keytool("-importcert\t-noprompt\t-alias\tother\t-file\tother.der\t-keystore\t"
	                     "a.p12\t-storetype\tPKCS12\t-storepass\tchangeit"));
	free(tool("openssl pkcs12 -in b.p12 -nodes -passin pass:changeit -out b.pem"));
	free(tool("openssl pkcs12 -in a.p12 -nodes -passin pass:changeit -out a.pem"));
	struct bytes ours = get_file("b.pem");
	struct bytes theirs = get_file("a.pem");
	ck_assert(contains(ours, bytes_of_str("BEGIN PRIVATE KEY")));
	ck_assert(!contains(theirs,
	                    bytes_of_str("BEGIN PRIVATE KEY"))); /* lost, and it said nothing */
	free((void *)(uintptr_t)ours.p);
	free((void *)(uintptr_t)theirs.p);
}
END_TEST

START_TEST(what_a_format_cannot_hold_is_an_error)
{
	struct keystore *to = NULL;
	struct err err = { 0 };

	java_makes("JKS", "a.jks");
	free(warm_ask("new\tPKCS12"));
	free(warm_ask("secret\taes\tchangeit"));
	free(warm_ask("save\tsecret.p12\tchangeit"));
	ck_assert(
		warm_keytool("-importkeystore\t-noprompt\t-srckeystore\tsecret.p12\t-srcstoretype\t"
	                     "PKCS12\t-srcstorepass\tchangeit\t-destkeystore\ta.jks\t"
	                     "-deststoretype\tJKS\t-deststorepass\tchangeit"));
	assert_sees("JKS", "a.jks", "changeit", "aes", /* there= */ false);
	struct keystore *from = decode(&keystore_pkcs12, "secret.p12", "changeit", NULL);
	ck_assert_ok(keystore_jks.create(&to, &err), &err);
	ck_assert_int_eq(keystore_copy(from, 0, "aes", T0, to, &err), ERR_INVALID);
	keystore_pkcs12.close(from);
	keystore_jks.close(to);
}
END_TEST

START_TEST(imported_keys_are_under_the_password_of_where_they_went)
{
	struct keystore *to = NULL;
	struct err err = { 0 };

	java_makes("JKS", "from.jks");
	ck_assert(warm_keytool("-importkeystore\t-noprompt\t-srckeystore\tfrom.jks\t-srcstoretype\t"
	                       "JKS\t-srcstorepass\tchangeit\t-destkeystore\tnew.jks\t"
	                       "-deststoretype\tJKS\t-deststorepass\tanother"));
	char *theirs = java_sees("JKS", "new.jks", "another", "another");
	ck_assert_ptr_nonnull(strstr(theirs, " unreadable "));
	free(theirs);
	struct keystore *from = decode(&keystore_jks, "from.jks", "changeit", NULL);
	ck_assert_ok(keystore_jks.create(&to, &err), &err);
	for (size_t i = 0; i < 2; i++) {
		struct keystore_entry e;

		keystore_jks.entry(from, i, &e);
		ck_assert_ok(keystore_copy(from, i, e.alias, T0, to, &err), &err);
	}
	encode(to, "ours.jks", "another", NULL, NULL);
	keystore_jks.close(from);
	keystore_jks.close(to);
	char *ours = java_sees("JKS", "ours.jks", "another", "another");
	ck_assert_ptr_nonnull(strstr(ours, " match "));
	free(ours);
}
END_TEST

START_TEST(a_root_that_was_trusted_does_not_stay_in_a_chain)
{
	java_makes("PKCS12", "a.p12");
	struct keystore *ks = decode(&keystore_pkcs12, "a.p12", "changeit", NULL);
	ck_assert_uint_eq(entry_of(ks, "web").n_chain, 3); /* lengthened by it, as Java does */
	must_remove(ks, "root");
	encode(ks, "b.p12", "changeit", NULL, NULL);
	keystore_pkcs12.close(ks);
	ck_assert(warm_keytool("-delete\t-alias\troot\t-keystore\ta.p12\t-storetype\tPKCS12\t"
	                       "-storepass\tchangeit"));
	ks = decode(&keystore_pkcs12, "a.p12", "changeit", NULL);
	ck_assert_uint_eq(entry_of(ks, "web").n_chain, 3);
	keystore_pkcs12.close(ks);
	ks = decode(&keystore_pkcs12, "b.p12", "changeit", NULL);
	ck_assert_uint_eq(entry_of(ks, "web").n_chain, 2);
	keystore_pkcs12.close(ks);
}
END_TEST

/* An alias in upper case inside the file: Java lists it and cannot get at it. */
static void put_upper_case(const char *name)
{
	static const uint8_t lower[] = { 0, 4, 'r', 'o', 'o', 't' };
	struct secret wide = { .p = (uint8_t[]){ 0, 'c', 0, 'h', 0, 'a', 0, 'n', 0, 'g', 0, 'e', 0,
		                                 'i', 0, 't' },
		               .n = 16 };

	java_makes("JKS", "lower.jks");
	struct bytes file = get_file("lower.jks");
	uint8_t *p = (uint8_t *)(uintptr_t)file.p;
	uint8_t *at = memmem(p, file.n, lower, sizeof(lower));
	ck_assert_ptr_nonnull(at);
	at[2] = 'R';
	jks_digest(&wide, bytes_of(p, file.n - 20), p + file.n - 20);
	put_file(name, file);
	free(p);
}

START_TEST(an_alias_in_upper_case_can_be_reached)
{
	struct err err = { 0 };

	put_upper_case("a.jks");
	ck_assert(!warm_keytool("-delete\t-alias\tRoot\t-keystore\ta.jks\t-storetype\tJKS\t"
	                        "-storepass\tchangeit"));
	struct keystore *ks = decode(&keystore_jks, "a.jks", "changeit", NULL);
	ck_assert_uint_eq(entry_of(ks, "Root").warnings, KS_WARN_UNREACHABLE_ALIAS);
	ck_assert_ok(keystore_jks.rename(ks, "root", "root", &err), &err);
	encode(ks, "b.jks", "changeit", NULL, NULL);
	keystore_jks.close(ks);
	ck_assert(warm_keytool("-delete\t-alias\tRoot\t-keystore\tb.jks\t-storetype\tJKS\t"
	                       "-storepass\tchangeit"));
}
END_TEST

START_TEST(weak_algorithms_go_when_the_profile_says_so)
{
	free(tool(
		"openssl pkcs12 -export -inkey web.key.pem -in web.pem -name web -legacy -passout "
		"pass:changeit -out a.p12"));
	struct keystore *ks = decode(&keystore_pkcs12, "a.p12", "changeit", NULL);
	encode(ks, "b.p12", "changeit", NULL, "Modern2023");
	keystore_pkcs12.close(ks);
	ck_assert(
		warm_keytool("-importcert\t-noprompt\t-alias\tother\t-file\tother.der\t-keystore\t"
	                     "a.p12\t-storetype\tPKCS12\t-storepass\tchangeit"));
	ks = decode(&keystore_pkcs12, "a.p12", "changeit", NULL);
	ck_assert_uint_eq(keystore_pkcs12.warnings(ks) & KS_WARN_WEAK, KS_WARN_WEAK);
	keystore_pkcs12.close(ks);
	ks = decode(&keystore_pkcs12, "b.p12", "changeit", NULL);
	ck_assert_uint_eq(keystore_pkcs12.warnings(ks) & KS_WARN_WEAK, 0);
	keystore_pkcs12.close(ks);
}
END_TEST

START_TEST(the_same_again_is_the_same_file)
{
	java_makes("PKCS12", "a.p12");
	struct bytes before = get_file("a.p12");
	struct keystore *ks = decode(&keystore_pkcs12, "a.p12", "changeit", NULL);
	must_set_trusted(ks, "ROOT", world.root.der);
	encode(ks, "b.p12", "changeit", NULL, NULL);
	keystore_pkcs12.close(ks);
	ck_assert(warm_keytool("-importkeystore\t-noprompt\t-srckeystore\tb.p12\t-srcstoretype\t"
	                       "PKCS12\t-srcstorepass\tchangeit\t-srcalias\troot\t-destkeystore\t"
	                       "a.p12\t-deststoretype\tPKCS12\t-deststorepass\tchangeit"));
	struct bytes ours = get_file("b.p12");
	struct bytes theirs = get_file("a.p12");
	ck_assert(bytes_equal(ours, before));
	ck_assert(!bytes_equal(theirs, before));
	free((void *)(uintptr_t)before.p);
	free((void *)(uintptr_t)ours.p);
	free((void *)(uintptr_t)theirs.p);
}
END_TEST

static void setup(void)
{
	world_make();
	warm_start();
}

static void teardown(void)
{
	warm_stop();
	world_drop();
}

static void build(Suite *suite)
{
	TCase *tc = tcase_create("keytool");

	tcase_add_unchecked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, keys_follow_the_store_password_of_a_jks_file);
	tcase_add_test(tc, a_key_of_pkcs12_gets_a_password_of_its_own);
	tcase_add_test(tc, a_renamed_entry_keeps_its_date);
	tcase_add_test(tc, what_java_does_not_see_survives_an_edit);
	tcase_add_test(tc, what_a_format_cannot_hold_is_an_error);
	tcase_add_test(tc, imported_keys_are_under_the_password_of_where_they_went);
	tcase_add_test(tc, a_root_that_was_trusted_does_not_stay_in_a_chain);
	tcase_add_test(tc, an_alias_in_upper_case_can_be_reached);
	tcase_add_test(tc, weak_algorithms_go_when_the_profile_says_so);
	tcase_add_test(tc, the_same_again_is_the_same_file);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("keytool", build)
