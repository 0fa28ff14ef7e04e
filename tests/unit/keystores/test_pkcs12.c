/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_pkcs12.c - PKCS#12 against the JDK, OpenSSL, GnuTLS and BouncyCastle.
 */
#include <stdio.h>

#include "providers/keystores/p12_store.h"
#include "tests/unit/keystores/support.h"

#define T0 1700000000000

static struct keystore *created(void)
{
	struct err err = { 0 };
	struct keystore *ks = NULL;

	ck_assert_ok(keystore_pkcs12.create(&ks, &err), &err);
	return ks;
}

static struct keystore *filled(void)
{
	struct keystore *ks = created();

	must_set_key(ks, "web", &world.web, world.web_chain, 2, T0);
	must_set_key(ks, "API", &world.api, world.api_chain, 3, T0);
	must_set_trusted(ks, "\xc3\x84pfel \xf0\x9f\x98\x80", world.root.der);
	must_set_trusted(ks, "other", world.other.der);
	return ks;
}

/* One virtual machine for all questions of a test: agree() notes what we see in a file, agree_now()
 * asks Java about all of them. */
static struct buf questions, answers;

static void agree(const char *name, const char *store, const char *key)
{
	struct keystore *ks = decode(&keystore_pkcs12, name, store, key);
	char *ours = describe(ks);

	if (questions.limit == 0) {
		buf_init(&questions, KEYSTORE_FILE_LIMIT);
		buf_init(&answers, KEYSTORE_FILE_LIMIT);
	}
	buf_printf(&questions, "load\tPKCS12\t%s\t%s\t%s\n", name, store,
	           key == NULL ? store : key);
	buf_add_str(&answers, ours);
	free(ours);
	keystore_pkcs12.close(ks);
}

static void agree_now(void)
{
	char *java = oracle("%s", buf_str(&questions));

	ck_assert_str_eq(java, buf_str(&answers));
	free(java);
	buf_release(&questions);
	buf_release(&answers);
}

/* What Java wrote, and says about it, once per program: between "== name" and the next. */
static char *java_says;

static char *says(const char *name)
{
	char *mark = str_printf("== %s\n", name);
	const char *at = strstr(java_says, mark);

	ck_assert_msg(at != NULL, "%s: %s", name, java_says);
	at += strlen(mark);
	const char *end = strstr(at, "== ");
	free(mark);
	return str_printf("%.*s", end == NULL ? (int)strlen(at) : (int)(end - at), at);
}

static void assert_read_as_java_does(const char *name)
{
	struct keystore *ks = decode(&keystore_pkcs12, name, "changeit", NULL);
	char *ours = describe(ks);
	char *java = says(name);

	ck_assert_str_eq(java, ours);
	free(ours);
	free(java);
	keystore_pkcs12.close(ks);
}

static const struct {
	const char *profile, *word;
	bool java;           /* reads it */
	const char *openssl; /* options; NULL: does not read it */
} profiles[] = {
	{ NULL, "Modern2023", true, "" },
	{ "Modern2023", "Modern2023", true, "" },
	{ "LegacyDES", "LegacyDES", true, "-legacy" },
	{ "LegacyRC2", "LegacyRC2", true, "-legacy" },
	{ "Modern2026", "Modern2026", false, NULL },
};

START_TEST(every_profile_is_read_by_the_others)
{
	struct keystore *ks = filled();
	char words[256];

	encode(ks, "ours.p12", "changeit", NULL, profiles[_i].profile);
	char *before = describe(ks);
	keystore_pkcs12.close(ks);
	ks = decode(&keystore_pkcs12, "ours.p12", "changeit", NULL);
	char *after = describe(ks);
	ck_assert_str_eq(before, after);
	ck_assert_str_eq(keystore_pkcs12.profile(ks), profiles[_i].word);
	ck_assert_uint_eq(keystore_pkcs12.warnings(ks) & KS_WARN_NO_MAC, 0);
	keystore_pkcs12.close(ks);
	free(before);
	free(after);
	if (profiles[_i].java) {
		agree("ours.p12", "changeit", NULL);
		agree_now();
	}
	if (profiles[_i].openssl != NULL) {
		(void)snprintf(words, sizeof(words),
		               "openssl pkcs12 -in ours.p12 -info -nodes -passin pass:changeit "
		               "-out info.pem %s",
		               profiles[_i].openssl);
		free(tool(words));
		struct bytes pem = get_file("info.pem");
		ck_assert(contains(pem, bytes_of_str("friendlyName: web")));
		free((void *)(uintptr_t)pem.p);
	}
}
END_TEST

START_TEST(keytool_and_certtool_list_what_we_write)
{
	struct keystore *ks = filled();

	encode(ks, "list.p12", "changeit", NULL, NULL);
	keystore_pkcs12.close(ks);
	char *out = tool("keytool -list -v -keystore list.p12 -storepass changeit");
	ck_assert_ptr_nonnull(strstr(out, "Your keystore contains 4 entries"));
	ck_assert_ptr_nonnull(strstr(out, "Alias name: api"));
	ck_assert_ptr_nonnull(strstr(out, "Entry type: PrivateKeyEntry"));
	ck_assert_ptr_nonnull(strstr(out, "Entry type: trustedCertEntry"));
	free(out);
	out = tool("certtool --p12-info --inder --infile list.p12 --password changeit");
	ck_assert_ptr_nonnull(strstr(out, "MAC: SHA256"));
	ck_assert_ptr_nonnull(strstr(out, "Type: PKCS #8 Encrypted key"));
	ck_assert_ptr_nonnull(strstr(out, "Friendly name: web"));
	free(out);
}
END_TEST

START_TEST(two_keys_of_one_moment_do_not_share_an_identifier)
{
	struct keystore *ks = filled();

	encode(ks, "moment.p12", "changeit", NULL, NULL);
	ck_assert_int_eq(entry_of(ks, "web").created_ms, T0);
	ck_assert_int_eq(entry_of(ks, "api").created_ms, T0 + 1);
	agree("moment.p12", "changeit", NULL);
	agree_now();
	keystore_pkcs12.close(ks);
}
END_TEST

static size_t entry_count(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what)) {
		n++;
	}
	return n;
}

START_TEST(a_key_password_of_its_own_works)
{
	struct keystore *ks = filled();

	encode(ks, "keypw.p12", "changeit", "keypass", NULL);
	keystore_pkcs12.close(ks);
	agree("keypw.p12", "changeit", "keypass");
	ks = decode(&keystore_pkcs12, "keypw.p12", "changeit", NULL);
	ck_assert_uint_eq(entry_of(ks, "web").warnings, KS_WARN_KEY_UNREADABLE);

	/* A new store password: certificates and MAC follow, the keys keep the password they had.
	 */
	encode(ks, "keypw2.p12", "another", NULL, NULL);
	keystore_pkcs12.close(ks);
	agree("keypw2.p12", "another", "keypass");
	ck_assert_uint_eq(entry_count(buf_str(&answers), " match "), 4);
	agree_now();
}
END_TEST

START_TEST(what_java_writes_comes_back_unchanged)
{
	struct keystore *ks = decode(&keystore_pkcs12, "java.p12", "changeit", NULL);
	char *ours = describe(ks);
	char *java = says("java.p12");

	ck_assert_str_eq(java, ours);
	ck_assert_ptr_nonnull(strstr(ours, "secret aes"));
	/* The trusted root lengthens the chain of web, as it does in Java. */
	ck_assert_uint_eq(entry_of(ks, "web").n_chain, 3);
	ck_assert_str_eq(keystore_pkcs12.profile(ks), "Modern2023");
	encode(ks, "same.p12", "changeit", NULL, NULL);
	encode(ks, "same2.p12", "changeit", NULL, "Modern2023");
	struct bytes before = get_file("java.p12");
	struct bytes after = get_file("same.p12");
	struct bytes after2 = get_file("same2.p12");
	ck_assert(bytes_equal(before, after));
	ck_assert(bytes_equal(before, after2));
	free((void *)(uintptr_t)before.p);
	free((void *)(uintptr_t)after.p);
	free((void *)(uintptr_t)after2.p);
	free(ours);
	free(java);
	keystore_pkcs12.close(ks);
}
END_TEST

/* Is every bag of `name` but those of `alias` in the other file, octet for octet? */
static void assert_kept(const char *name, const char *other, const char *alias)
{
	struct keystore *a = decode(&keystore_pkcs12, name, "changeit", NULL);
	struct keystore *b = decode(&keystore_pkcs12, other, "changeit", NULL);
	const struct p12 *was = p12_of(a);
	const struct p12 *is = p12_of(b);
	size_t kept = 0;

	for (size_t i = 0; i < was->n; i++) {
		for (size_t k = 0; k < was->safes[i].n; k++) {
			const struct p12_bag *bag = &was->safes[i].bags[k];
			bool found = false;

			for (size_t s = 0; s < is->n && !found; s++) {
				for (size_t t = 0; t < is->safes[s].n && !found; t++) {
					found = bytes_equal(bag->raw, is->safes[s].bags[t].raw);
				}
			}
			ck_assert_msg(found || str_equal(bag->folded, alias), "bag '%s' lost",
			              bag->alias);
			kept += found;
		}
	}
	ck_assert_uint_ge(kept, 3);
	keystore_pkcs12.close(a);
	keystore_pkcs12.close(b);
}

START_TEST(an_edit_touches_its_alias_alone)
{
	struct keystore *ks = decode(&keystore_pkcs12, "java.p12", "changeit", NULL);
	struct bytes key_safe = p12_of(ks)->safes[0].raw;
	struct bytes before = get_file("java.p12");

	ck_assert(contains(before, key_safe));
	must_set_trusted(ks, "other", world.inter.der);
	encode(ks, "edit1.p12", "changeit", NULL, NULL);
	struct bytes after = get_file("edit1.p12");
	ck_assert(contains(after, key_safe)); /* the safe with the keys, untouched */
	assert_kept("java.p12", "edit1.p12", "other");
	agree("edit1.p12", "changeit", NULL);
	free((void *)(uintptr_t)after.p);
	keystore_pkcs12.close(ks);

	ks = decode(&keystore_pkcs12, "java.p12", "changeit", NULL);
	must_set_key(ks, "WEB", &world.web2, world.web2_chain, 2, T0);
	encode(ks, "edit2.p12", "changeit", NULL, NULL);
	keystore_pkcs12.close(ks);
	assert_kept("java.p12", "edit2.p12", "web");
	agree("edit2.p12", "changeit", NULL);
	ck_assert_ptr_nonnull(strstr(buf_str(&answers), "key web 1700000000000 match "));

	ks = decode(&keystore_pkcs12, "java.p12", "changeit", NULL);
	must_remove(ks, "API");
	must_remove(ks, "aes");
	encode(ks, "edit3.p12", "changeit", NULL, NULL);
	ck_assert_int_eq(keystore_pkcs12.remove(ks, "nobody", NULL), ERR_NOT_FOUND);
	keystore_pkcs12.close(ks);
	agree("edit3.p12", "changeit", NULL);
	agree_now();
	free((void *)(uintptr_t)before.p);
}
END_TEST

START_TEST(all_follows_a_new_password_and_a_new_profile)
{
	struct keystore *ks = decode(&keystore_pkcs12, "java.p12", "changeit", NULL);

	encode(ks, "move1.p12", "different", NULL, NULL);
	encode(ks, "move2.p12", "changeit", NULL, "LegacyDES");
	keystore_pkcs12.close(ks);
	agree("move1.p12", "different", NULL);
	agree("move2.p12", "changeit", NULL);
	ks = decode(&keystore_pkcs12, "move2.p12", "changeit", NULL);
	ck_assert_str_eq(keystore_pkcs12.profile(ks), "LegacyDES");
	/* Without a word, an edit keeps what it finds. */
	must_remove(ks, "web");
	encode(ks, "move3.p12", "changeit", NULL, NULL);
	keystore_pkcs12.close(ks);
	ks = decode(&keystore_pkcs12, "move3.p12", "changeit", NULL);
	ck_assert_str_eq(keystore_pkcs12.profile(ks), "LegacyDES");
	encode(ks, "move4.p12", "changeit", NULL, "Modern2023");
	keystore_pkcs12.close(ks);
	agree("move4.p12", "changeit", NULL);
	/* The secret key inside was carried along each time. */
	ck_assert_uint_eq(entry_count(buf_str(&answers), "secret aes"), 3);
	agree_now();
}
END_TEST

START_TEST(a_key_that_does_not_open_does_not_stand_against_a_profile)
{
	struct keystore *ks = filled();
	struct err err = { 0 };

	ck_assert_ok(keystore_pkcs12.set_key_password(ks, "web", /* old= */ NULL,
	                                              password("stranger"), &err),
	             &err);
	encode(ks, "strange1.p12", "changeit", NULL, "LegacyRC2");
	keystore_pkcs12.close(ks);
	ks = decode(&keystore_pkcs12, "strange1.p12", "changeit", NULL);
	ck_assert_uint_ne(entry_of(ks, "web").warnings & KS_WARN_KEY_UNREADABLE, 0);
	ck_assert_str_eq(keystore_pkcs12.profile(ks), "LegacyRC2");
	encode(ks, "strange2.p12", "changeit", NULL, "Modern2023");
	keystore_pkcs12.close(ks);
	ks = decode(&keystore_pkcs12, "strange2.p12", "changeit", NULL);
	ck_assert_str_eq(keystore_pkcs12.profile(ks), "Modern2023");
	keystore_pkcs12.close(ks);
	ks = decode(&keystore_pkcs12, "strange2.p12", "changeit", "stranger");
	ck_assert_uint_eq(entry_of(ks, "web").warnings & KS_WARN_KEY_UNREADABLE, 0);
	keystore_pkcs12.close(ks);
}
END_TEST

static const struct {
	const char *options;
	bool weak;
	const char *profile;
} openssl_files[] = {
	{ "", false, "Modern2023" },
	{ "-legacy", true, "LegacyRC2" },
	{ "-legacy -descert -macalg sha1", false, "LegacyDES" },
	{ "-legacy -keypbe PBE-SHA1-2DES -certpbe PBE-SHA1-2DES", true, "custom" },
	{ "-legacy -keypbe PBE-SHA1-RC2-128 -certpbe PBE-SHA1-RC2-128", true, "custom" },
	{ "-legacy -keypbe PBE-SHA1-RC2-40 -certpbe PBE-SHA1-RC2-40", true, "custom" },
	{ "-legacy -keypbe PBE-SHA1-RC4-128 -certpbe PBE-SHA1-RC4-128", true, "custom" },
	{ "-legacy -keypbe PBE-SHA1-RC4-40 -certpbe PBE-SHA1-RC4-40", true, "custom" },
	{ "-legacy -keypbe PBE-MD5-DES -certpbe PBE-MD5-DES", true, "custom" },
	{ "-keypbe AES-128-CBC -certpbe AES-192-CBC", false, "custom" },
	{ "-keypbe DES-EDE3-CBC -certpbe DES-EDE3-CBC", false, "custom" },
	{ "-legacy -keypbe DES-CBC -certpbe DES-CBC", true, "custom" },
	{ "-legacy -keypbe RC2-CBC -certpbe RC2-40-CBC", true, "custom" },
	{ "-legacy -keypbe RC2-64-CBC -certpbe RC2-CBC", true, "custom" },
	{ "-macalg sha512-256", false, "custom" },
	{ "-macalg sha224", false, "custom" },
	{ "-macalg sha384", false, "custom" },
	{ "-macalg sha512", false, "custom" },
	{ "-noiter -nomaciter", false, "Modern2023" },
	{ "-certpbe NONE", false, "custom" },
	{ "-nomac", false, "custom" },
};

START_TEST(we_read_what_openssl_writes_and_keep_it_in_an_edit)
{
	char words[512];

	(void)snprintf(words, sizeof(words),
	               "openssl pkcs12 -export -inkey web.key.pem -in web.pem -certfile chain.pem "
	               "-name web -passout pass:changeit -out o.p12 %s",
	               openssl_files[_i].options);
	free(tool(words));
	struct keystore *ks = decode(&keystore_pkcs12, "o.p12", "changeit", NULL);
	struct keystore_entry web = entry_of(ks, "web");
	char *ours = describe(ks);

	ck_assert_ptr_nonnull(strstr(ours, "key web - match "));
	ck_assert_uint_eq(web.n_chain, 3);
	ck_assert_uint_eq(((keystore_pkcs12.warnings(ks) | web.warnings) & KS_WARN_WEAK) != 0,
	                  openssl_files[_i].weak);
	ck_assert_str_eq(keystore_pkcs12.profile(ks), openssl_files[_i].profile);
	must_set_trusted(ks, "other", world.other.der);
	must_set_key(ks, "api", &world.api, world.api_chain, 2, T0);
	encode(ks, "o2.p12", "changeit", NULL, NULL);
	keystore_pkcs12.close(ks);
	ks = decode(&keystore_pkcs12, "o2.p12", "changeit", NULL);
	ck_assert_uint_eq(entry_of(ks, "web").n_chain, 3);
	ck_assert_uint_eq(entry_of(ks, "api").n_chain, 3);
	keystore_pkcs12.close(ks);
	free(tool("openssl pkcs12 -legacy -in o2.p12 -nodes -passin pass:changeit -out o2.pem"));
	free(ours);
}
END_TEST

static const char *const java_algorithms[] = {
	"PBEWithHmacSHA1AndAES_128",   "PBEWithHmacSHA224AndAES_128", "PBEWithHmacSHA256AndAES_256",
	"PBEWithHmacSHA384AndAES_256", "PBEWithHmacSHA512AndAES_256", "PBEWithSHA1AndDESede",
	"PBEWithSHA1AndRC2_40",        "PBEWithSHA1AndRC2_128",       "PBEWithSHA1AndRC4_40",
	"PBEWithSHA1AndRC4_128",
};
static const char *const java_macs[] = { "HmacPBESHA1", "HmacPBESHA224", "HmacPBESHA256",
	                                 "HmacPBESHA384", "HmacPBESHA512" };

static void setup(void)
{
	struct buf script;

	world_make();
	buf_init(&script, KEYSTORE_FILE_LIMIT);
	buf_add_str(&script, "new\tPKCS12\n"
	                     "key\tWeb\tchangeit\tweb.key\tweb.der,inter.der\n"
	                     "key\tapi\tchangeit\tapi.key\tapi.der,inter.der,root.der\n"
	                     "secret\taes\tchangeit\n"
	                     "trusted\tother\tother.der\n"
	                     "trusted\t\xc3\xa4rger\troot.der\n"
	                     "save\tjava.p12\tchangeit\n"
	                     "echo\t== java.p12\n"
	                     "load\tPKCS12\tjava.p12\tchangeit\tchangeit\n");
	for (size_t i = 0; i < ARRAY_LEN(java_algorithms); i++) {
		buf_printf(&script,
		           "prop\tkeystore.pkcs12.certProtectionAlgorithm\t%s\n"
		           "prop\tkeystore.pkcs12.keyProtectionAlgorithm\t%s\n"
		           "prop\tkeystore.pkcs12.macAlgorithm\t%s\n"
		           "new\tPKCS12\n"
		           "key\tweb\tchangeit\tweb.key\tweb.der,inter.der\n"
		           "trusted\tother\tother.der\n"
		           "save\t%s.p12\tchangeit\n"
		           "echo\t== %s.p12\n"
		           "load\tPKCS12\t%s.p12\tchangeit\tchangeit\n",
		           java_algorithms[i], java_algorithms[i],
		           java_macs[i % ARRAY_LEN(java_macs)], java_algorithms[i],
		           java_algorithms[i], java_algorithms[i]);
	}
	buf_add_str(&script, "prop\tkeystore.pkcs12.certProtectionAlgorithm\tNONE\n"
	                     "prop\tkeystore.pkcs12.macAlgorithm\tNONE\n"
	                     "new\tPKCS12\n"
	                     "trusted\troot\troot.der\n"
	                     "save\tcacerts.p12\t-\n"
	                     "new\tBC-PKCS12\n"
	                     "key\tweb\tchangeit\tweb.key\tweb.der,inter.der\n"
	                     "key\tapi\tchangeit\tapi.key\tapi.der,inter.der\n"
	                     "save\tbc.p12\tchangeit\n"
	                     "echo\t== end\n");
	java_says = oracle("%s", buf_str(&script));
	buf_release(&script);
}

static void teardown(void)
{
	free(java_says);
	world_drop();
}

START_TEST(we_read_every_algorithm_java_can_write)
{
	char *name = str_printf("%s.p12", java_algorithms[_i]);

	assert_read_as_java_does(name);
	free(name);
}
END_TEST

START_TEST(a_store_without_a_password_stays_without)
{
	struct keystore *ks = decode(&keystore_pkcs12, "cacerts.p12", "changeit", NULL);

	ck_assert_uint_eq(keystore_pkcs12.warnings(ks), KS_WARN_NO_MAC);
	ck_assert_str_eq(keystore_pkcs12.profile(ks), "custom");
	must_set_trusted(ks, "other", world.other.der);
	encode(ks, "cacerts2.p12", "changeit", NULL, NULL);
	encode(ks, "cacerts3.p12", "changeit", NULL, "Modern2023");
	keystore_pkcs12.close(ks);

	ks = created();
	must_set_trusted(ks, "root", world.root.der);
	encode(ks, "open.p12", NULL, NULL, NULL);
	must_set_key(ks, "web", &world.web, world.web_chain, 1, T0);
	struct keystore_encode how = { 0 };
	struct keystore_part parts[KEYSTORE_PARTS_MAX];
	size_t n;
	ck_assert_int_eq(keystore_pkcs12.encode(ks, &how, parts, &n, NULL), ERR_INVALID);
	keystore_pkcs12.close(ks);

	char *java = oracle("load\tPKCS12\tcacerts2.p12\t-\t-\n"
	                    "load\tPKCS12\topen.p12\t-\t-\n"
	                    "load\tPKCS12\tcacerts3.p12\tchangeit\t-\n"
	                    "load\tPKCS12\tcacerts3.p12\twrong\t-\n");
	ck_assert_uint_eq(entry_count(java, "trusted root "), 3);
	ck_assert_uint_eq(entry_count(java, "trusted other "), 2);
	ck_assert_ptr_nonnull(strstr(java, "error load keystore password was incorrect"));
	free(java);
}
END_TEST

START_TEST(empty_and_absent_passwords_are_told_apart_by_trying)
{
	free(tool("openssl pkcs12 -export -inkey web.key.pem -in web.pem -name web -passout pass: "
	          "-out empty.p12"));
	free(tool("certtool --to-p12 --load-privkey web.key.pem --load-certificate web.pem "
	          "--p12-name web --null-password --outder --outfile null.p12"));
	struct keystore *ks = decode(&keystore_pkcs12, "null.p12", "", NULL);
	ck_assert_uint_eq(entry_of(ks, "web").warnings, 0);
	ck_assert_uint_eq(entry_of(ks, "web").n_chain, 1);
	keystore_pkcs12.close(ks);
	ks = decode(&keystore_pkcs12, "empty.p12", NULL, NULL);
	ck_assert_uint_eq(entry_of(ks, "web").warnings, 0);
	must_set_trusted(ks, "root", world.root.der);
	encode(ks, "edited.p12", "", NULL, NULL);
	keystore_pkcs12.close(ks);
	free(tool("openssl pkcs12 -in edited.p12 -nodes -passin pass: -out e.pem"));
}
END_TEST

START_TEST(passwords_beyond_ascii_work_with_openssl)
{
	free(tool("openssl pkcs12 -export -inkey web.key.pem -in web.pem -name web -passout "
	          "pass:M\xc3\xb6tley\xe2\x82\xac -out umlaut.p12"));
	struct keystore *ks =
		decode(&keystore_pkcs12, "umlaut.p12", "M\xc3\xb6tley\xe2\x82\xac", NULL);
	must_set_trusted(ks, "root", world.root.der);
	encode(ks, "umlaut2.p12", "M\xc3\xb6tley\xe2\x82\xac", NULL, "LegacyDES");
	keystore_pkcs12.close(ks);
	free(tool("openssl pkcs12 -legacy -in umlaut2.p12 -nodes -passin "
	          "pass:M\xc3\xb6tley\xe2\x82\xac -out u.pem"));
}
END_TEST

START_TEST(indefinite_lengths_of_bouncycastle_are_read_and_edited)
{
	struct bytes file = get_file("bc.p12");
	ck_assert_int_eq(file.p[1], 0x80); /* or this test proves nothing */
	free((void *)(uintptr_t)file.p);
	struct keystore *ks = decode(&keystore_pkcs12, "bc.p12", "changeit", NULL);
	char *ours = describe(ks);
	ck_assert_uint_eq(entry_count(ours, " match "), 2);
	free(ours);
	must_remove(ks, "api");
	must_set_trusted(ks, "root", world.root.der);
	encode(ks, "bc2.p12", "changeit", NULL, NULL);
	keystore_pkcs12.close(ks);
	char *java = oracle("load\tPKCS12\tbc2.p12\tchangeit\tchangeit\n"
	                    "load\tBC-PKCS12\tbc2.p12\tchangeit\tchangeit\n");
	ck_assert_uint_eq(entry_count(java, "key web "), 2);
	ck_assert_uint_eq(entry_count(java, " match "), 2);
	ck_assert_uint_eq(entry_count(java, "key api "), 0);
	free(java);
}
END_TEST

static void add_others(TCase *tc)
{
	tcase_add_loop_test(tc, every_profile_is_read_by_the_others, 0, (int)ARRAY_LEN(profiles));
	tcase_add_test(tc, keytool_and_certtool_list_what_we_write);
	tcase_add_test(tc, two_keys_of_one_moment_do_not_share_an_identifier);
	tcase_add_test(tc, a_key_password_of_its_own_works);
	tcase_add_test(tc, what_java_writes_comes_back_unchanged);
	tcase_add_test(tc, an_edit_touches_its_alias_alone);
	tcase_add_test(tc, all_follows_a_new_password_and_a_new_profile);
	tcase_add_test(tc, a_key_that_does_not_open_does_not_stand_against_a_profile);
	tcase_add_loop_test(tc, we_read_what_openssl_writes_and_keep_it_in_an_edit, 0,
	                    (int)ARRAY_LEN(openssl_files));
	tcase_add_loop_test(tc, we_read_every_algorithm_java_can_write, 0,
	                    (int)ARRAY_LEN(java_algorithms));
	tcase_add_test(tc, a_store_without_a_password_stays_without);
	tcase_add_test(tc, empty_and_absent_passwords_are_told_apart_by_trying);
	tcase_add_test(tc, passwords_beyond_ascii_work_with_openssl);
	tcase_add_test(tc, indefinite_lengths_of_bouncycastle_are_read_and_edited);
}

static void build(Suite *suite)
{
	TCase *tc = tcase_create("pkcs12");

	tcase_add_unchecked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	add_others(tc);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("pkcs12", build)
