/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_pkcs12_java.c - PKCS#12 files made bag by bag, and what the JDK sees in them.
 *
 * Our view must be Java's, but for a list of differences that are meant: each case says which.
 */
#include <stdio.h>

#include "providers/keystores/kstext.h"
#include "providers/keystores/p12_store.h"
#include "reconciler/pki/key.h"
#include "reconciler/pki/pki.h"
#include "reconciler/pki/sign.h"
#include "tests/unit/keystores/support.h"

#define T0 1700000000000

/* One bag of a file in the making. */
struct made {
	char type;              /* k shrouded key, K plain key, c certificate, s SDSI, u unknown,
	                           l CRL, n nested safe, x rubbish for a certificate */
	const char *identity;   /* "web", "api" ... or NULL */
	const char *attributes; /* letters: see add_attribute() */
};

static const struct identity *identity(const char *name)
{
	static const struct {
		const char *name;
		const struct identity *id;
	} all[] = { { "web", &world.web },     { "api", &world.api },     { "web2", &world.web2 },
		    { "inter", &world.inter }, { "other", &world.other }, { "root", &world.root } };

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (strcmp(all[i].name, name) == 0) {
			return all[i].id;
		}
	}
	ck_abort_msg("%s", name);
}

static void put_attribute(struct der_writer *w, const char *oid, int tag, struct bytes value)
{
	size_t mark = der_mark(w);

	if (tag != 0) {
		der_put(w, tag, value);
	}
	der_wrap(w, DER_SET, mark);
	der_put_oid(w, oid);
	der_wrap(w, DER_SEQUENCE, mark);
}

/* Lower case: friendlyName a..e; upper case: A..E the same letters in upper case; 1..3 localKeyId;
 * T trustedKeyUsage of any; t of nothing; ! an attribute of a stranger; 0 localKeyId with an empty
 * SET; ~ friendlyName that is UTF8String; - friendlyName that is empty. */
static void add_attribute(struct der_writer *w, char c)
{
	uint8_t wide[2] = { 0, (uint8_t)c };
	uint8_t octet = (uint8_t)c;

	switch (c) {
	case 'T':
		put_attribute(w, P12_OID_TRUSTED, DER_OID, bytes_of("\x55\x1d\x25\x00", 4));
		break;
	case 't':
		put_attribute(w, P12_OID_TRUSTED, 0, bytes_of(NULL, 0));
		break;
	case '!':
		put_attribute(w, "1.3.6.1.4.1.311.17.1", DER_BMP, bytes_of("\0C\0S\0P", 6));
		break;
	case '0':
		put_attribute(w, P12_OID_KEY_ID, 0, bytes_of(NULL, 0));
		break;
	case '~':
		put_attribute(w, P12_OID_NAME, DER_UTF8, bytes_of("utf", 3));
		break;
	case '-':
		put_attribute(w, P12_OID_NAME, DER_BMP, bytes_of(NULL, 0));
		break;
	case '1':
	case '2':
	case '3':
		put_attribute(w, P12_OID_KEY_ID, DER_OCTET_STRING, bytes_of(&octet, 1));
		break;
	default:
		put_attribute(w, P12_OID_NAME, DER_BMP, bytes_of(wide, 2));
		break;
	}
}

static void put_shrouded(struct der_writer *w, const struct identity *id)
{
	CLEANUP(p12_password_release) struct p12_password pw = { 0 };
	struct p12_alg like = p12_alg_make(P12_AES256);
	struct p12_alg alg;
	struct buf cipher;

	buf_init_secret(&cipher, KEYSTORE_FILE_LIMIT);
	ck_assert_int_eq(p12_password_init(&pw, password("changeit"), NULL), ERR_OK);
	like.iterations = 1000;
	p12_alg_fresh(&like, &alg);
	buf_add_bytes(&cipher, secret_view(&id->key));
	ck_assert_int_eq(p12_encrypt(&alg, &pw, &cipher, NULL), ERR_OK);
	size_t mark = der_mark(w);
	der_put(w, DER_OCTET_STRING, buf_view(&cipher));
	p12_alg_write(&alg, w);
	der_wrap(w, DER_SEQUENCE, mark);
	buf_release(&cipher);
}

static void put_cert(struct der_writer *w, const char *type, struct bytes der)
{
	size_t mark = der_mark(w);

	der_put(w, DER_OCTET_STRING, der);
	der_wrap(w, DER_CONTEXT_CONSTRUCTED(0), mark);
	der_put_oid(w, type);
	der_wrap(w, DER_SEQUENCE, mark);
}

static const char *put_value(struct der_writer *w, const struct made *m)
{
	switch (m->type) {
	case 'k':
		put_shrouded(w, identity(m->identity));
		return P12_OID_SHROUDED;
	case 'K':
		der_put_raw(w, secret_view(&identity(m->identity)->key));
		return P12_OID_KEY;
	case 's':
		put_cert(w, "1.2.840.113549.1.9.22.2", bytes_of("sdsi", 4));
		return P12_OID_CERT;
	case 'x':
		put_cert(w, P12_OID_X509, bytes_of("rubbish", 7));
		return P12_OID_CERT;
	case 'l':
		put_cert(w, "1.2.840.113549.1.9.23.1", bytes_of("crl", 3));
		return "1.2.840.113549.1.12.10.1.4";
	case 'n':
		der_put(w, DER_SEQUENCE, bytes_of(NULL, 0));
		return "1.2.840.113549.1.12.10.1.6";
	case 'u':
		der_put(w, DER_UTF8, bytes_of("whatever", 8));
		return "1.2.3.4.5";
	default:
		put_cert(w, P12_OID_X509, identity(m->identity)->der);
		return P12_OID_CERT;
	}
}

static void put_bag(struct der_writer *w, const struct made *m)
{
	size_t bag = der_mark(w);

	for (size_t i = strlen(m->attributes); i-- > 0;) {
		add_attribute(w, m->attributes[i]);
	}
	if (m->attributes[0] != '\0') {
		der_wrap(w, DER_SET, bag);
	}
	size_t value = der_mark(w);
	const char *oid = put_value(w, m);
	der_wrap(w, DER_CONTEXT_CONSTRUCTED(0), value);
	der_put_oid(w, oid);
	der_wrap(w, DER_SEQUENCE, bag);
}

/* One data safe, no MAC. */
static void write_made(const struct made *bags, size_t n, const char *name)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	struct buf out;
	struct err err = { 0 };

	der_writer_init(&w);
	for (size_t i = n; i-- > 0;) {
		put_bag(&w, &bags[i]);
	}
	der_wrap(&w, DER_SEQUENCE, 0);
	for (int layer = 0; layer < 2; layer++) {
		der_wrap(&w, DER_OCTET_STRING, 0);
		der_wrap(&w, DER_CONTEXT_CONSTRUCTED(0), 0);
		der_put_oid(&w, P12_OID_DATA);
		der_wrap(&w, DER_SEQUENCE, 0);
		if (layer == 0) {
			der_wrap(&w, DER_SEQUENCE, 0);
		}
	}
	der_put_u64(&w, 3);
	der_wrap(&w, DER_SEQUENCE, 0);
	buf_init(&out, KEYSTORE_FILE_LIMIT);
	ck_assert_ok(der_writer_finish(&w, &out, &err), &err);
	put_file(name, buf_view(&out));
	buf_release(&out);
}

#define BAGS_MAX 6

struct crafted {
	const char *what;
	struct made bags[BAGS_MAX];
	const char *java; /* NULL: the same as ours; else its first words */
	const char *ours; /* then: words in ours */
};

static const struct crafted crafted[] = {
	{ "a key and its leaf by identifier",
	  { { 'k', "web", "a1" }, { 'c', "web", "a1" } },
	  NULL,
	  NULL },
	{ "no names at all", { { 'k', "web", "1" }, { 'c', "web", "1" } }, NULL, NULL },
	{ "two keys without names, numbered",
	  { { 'k', "web", "1" }, { 'c', "web", "1" }, { 'k', "api", "2" }, { 'c', "api", "2" } },
	  NULL,
	  NULL },
	{ "a leaf by name alone", { { 'k', "web", "a1" }, { 'c', "web", "a" } }, NULL, NULL },
	{ "a leaf by identifier alone", { { 'k', "web", "a1" }, { 'c', "web", "1" } }, NULL, NULL },
	{ "identifier before name",
	  { { 'k', "web", "a1" }, { 'c', "other", "a2" }, { 'c', "web", "b1" } },
	  NULL,
	  NULL },
	{ "two leaves with the identifier: the one with the name",
	  { { 'k', "web", "a1" }, { 'c', "web", "a1" }, { 'c', "other", "b1" } },
	  NULL,
	  NULL },
	{ "two leaves with the identifier, no name: the last",
	  { { 'k', "web", "a1" }, { 'c', "other", "1" }, { 'c', "web", "1" } },
	  NULL,
	  NULL },
	{ "a key without identifier, its leaf first in a safe",
	  { { 'k', "web", "a" }, { 'c', "web", "a" } },
	  NULL,
	  NULL },
	{ "chain of three",
	  { { 'k', "web", "a1" }, { 'c', "web", "a1" }, { 'c', "inter", "" }, { 'c', "root", "" } },
	  NULL,
	  NULL },
	{ "chain of three, the wrong way round",
	  { { 'k', "web", "a1" }, { 'c', "root", "" }, { 'c', "inter", "" }, { 'c', "web", "a1" } },
	  NULL,
	  NULL },
	{ "a trusted root lengthens a chain",
	  { { 'k', "web", "a1" },
	    { 'c', "web", "a1" },
	    { 'c', "inter", "" },
	    { 'c', "root", "bT" } },
	  NULL,
	  NULL },
	{ "trusted with an empty SET of usages", { { 'c', "root", "at" } }, NULL, NULL },
	{ "two names, the last wins", { { 'c', "root", "abT" } }, NULL, NULL },
	{ "an empty name", { { 'c', "root", "-T" } }, NULL, NULL },
	{ "trusted without a name", { { 'c', "root", "T" }, { 'c', "other", "T" } }, NULL, NULL },
	{ "an alias in upper case", { { 'c', "root", "AT" } }, NULL, NULL },
	{ "an attribute of a stranger", { { 'c', "root", "a!T" } }, NULL, NULL },
	{ "an orphan is no entry", { { 'c', "root", "a" }, { 'c', "other", "bT" } }, NULL, NULL },
	{ "a CRL and an unknown bag are no entries",
	  { { 'l', NULL, "" }, { 'u', NULL, "" }, { 'n', NULL, "" }, { 'c', "other", "bT" } },
	  NULL,
	  NULL },
	{ "the key of another certificate",
	  { { 'k', "web", "a1" }, { 'c', "other", "a1" } },
	  NULL,
	  NULL },
	{ "two keys share a leaf",
	  { { 'k', "web", "a1" }, { 'k', "web2", "b1" }, { 'c', "web", "a1" } },
	  NULL,
	  NULL },
	/* The differences that are meant. */
	{ "Java lets the last of two aliases win, we show both",
	  { { 'c', "root", "aT" }, { 'c', "other", "AT" } },
	  "trusted a ",
	  "trusted a " },
	{ "Java loses a plain key",
	  { { 'K', "web", "a1" }, { 'c', "web", "a1" } },
	  "",
	  "key a - match " },
	{ "Java refuses a name in UTF-8", { { 'c', "root", "~T" } }, "error load", "trusted utf " },
	{ "Java refuses an SDSI certificate",
	  { { 's', NULL, "" }, { 'c', "root", "aT" } },
	  "error load",
	  "trusted a " },
	{ "Java refuses all for one bad certificate",
	  { { 'x', NULL, "" }, { 'c', "root", "aT" } },
	  "error load",
	  "trusted a " },
	{ "Java trips over an empty SET", { { 'c', "root", "a0T" } }, "error load", "trusted a " },
	{ "Java drops a second key without identifier",
	  { { 'k', "web", "a1" }, { 'c', "web", "a1" }, { 'k', "api", "b" }, { 'c', "api", "b" } },
	  "key a ",
	  "key b - mismatch " },
};

static size_t count_bags(const struct crafted *c)
{
	size_t n = 0;

	while (n < BAGS_MAX && c->bags[n].type != '\0') {
		n++;
	}
	return n;
}

/* Java's dates of keys without one are the moment it read them. */
static void drop_dates(char *text)
{
	for (char *at = strstr(text, "key "); at != NULL; at = strstr(at + 1, "key ")) {
		char *date = strchr(at + 4, ' ');
		char *end = date == NULL ? NULL : strchr(date + 1, ' ');

		if (end != NULL && (at == text || at[-1] == '\n')) {
			date[1] = '-';
			memmove(date + 2, end, strlen(end) + 1);
		}
	}
}

/* What Java says about each of them, asked once: between "== number" and the next. */
static char *java_says;

static char *says(int i)
{
	char *mark = str_printf("== %d\n", i);
	const char *at = strstr(java_says, mark);

	ck_assert_msg(at != NULL, "%d: %s", i, java_says);
	at += strlen(mark);
	const char *end = strstr(at, "== ");
	free(mark);
	return str_printf("%.*s", end == NULL ? (int)strlen(at) : (int)(end - at), at);
}

static void setup(void)
{
	struct buf script;

	world_make();
	buf_init(&script, KEYSTORE_FILE_LIMIT);
	for (size_t i = 0; i < ARRAY_LEN(crafted); i++) {
		char *name = str_printf("crafted%zu.p12", i);

		write_made(crafted[i].bags, count_bags(&crafted[i]), name);
		buf_printf(&script, "echo\t== %zu\nload\tPKCS12\t%s\tchangeit\tchangeit\n", i,
		           name);
		free(name);
	}
	java_says = oracle("%s", buf_str(&script));
	buf_release(&script);
}

static void teardown(void)
{
	free(java_says);
	world_drop();
}

START_TEST(crafted_files_are_seen_as_java_sees_them)
{
	const struct crafted *c = &crafted[_i];

	char *name = str_printf("crafted%d.p12", _i);
	char *java = says(_i);
	struct keystore *ks = decode(&keystore_pkcs12, name, "changeit", NULL);
	char *ours = describe(ks);

	drop_dates(java);
	if (c->java == NULL) {
		ck_assert_msg(strcmp(java, ours) == 0, "%s:\nJava: %s\nwe:   %s", c->what, java,
		              ours);
	} else {
		ck_assert_msg(strncmp(java, c->java, strlen(c->java)) == 0 &&
		                      strstr(ours, c->ours) != NULL && strcmp(java, ours) != 0,
		              "%s:\nJava: %s\nwe:   %s", c->what, java, ours);
	}
	free(name);
	free(java);
	free(ours);
	keystore_pkcs12.close(ks);
}
END_TEST

/* Every bag of the first file but those of `alias` is in the second, octet for octet. */
static void assert_others_kept(const char *before, const char *after, const char *alias)
{
	struct keystore *a = decode(&keystore_pkcs12, before, "changeit", NULL);
	struct bytes file = get_file(after); /* one data safe: bags lie in clear */
	const struct p12_safe *safe = &p12_of(a)->safes[0];

	for (size_t k = 0; k < safe->n; k++) {
		ck_assert_msg(contains(file, safe->bags[k].raw) ||
		                      str_equal(safe->bags[k].folded, alias),
		              "bag %zu of %s", k, before);
	}
	free((void *)(uintptr_t)file.p);
	keystore_pkcs12.close(a);
}

static const struct made mixed[] = {
	{ 'k', "web", "a1!" }, { 'c', "web", "a1!" },  { 'u', NULL, "!" },
	{ 'l', NULL, "" },     { 'c', "root", "!bT" }, { 'c', "other", "c" },
};

START_TEST(an_edit_keeps_every_bag_and_attribute_that_it_does_not_name)
{
	struct err err = { 0 };

	write_made(mixed, ARRAY_LEN(mixed), "mixed.p12");
	for (int edit = 0; edit < 5; edit++) {
		struct keystore *ks = decode(&keystore_pkcs12, "mixed.p12", "changeit", NULL);

		if (edit == 0) {
			must_set_trusted(ks, "d", world.inter.der);
		} else if (edit == 1) {
			must_remove(ks, "b");
		} else if (edit == 2) {
			must_set_key(ks, "b", &world.api, world.api_chain, 1, T0);
		} else if (edit == 3) {
			ck_assert_ok(keystore_pkcs12.rename(ks, "b", "Z", &err), &err);
		} else {
			ck_assert_ok(keystore_pkcs12.set_key_password(ks, "a", NULL,
			                                              password("other"), &err),
			             &err);
		}
		encode(ks, "mixed2.p12", "changeit", NULL, NULL);
		keystore_pkcs12.close(ks);
		assert_others_kept("mixed.p12", "mixed2.p12",
		                   edit == 0   ? "d"
		                   : edit == 4 ? "a"
		                               : "b");
	}
}
END_TEST

START_TEST(a_rename_changes_the_name_and_no_other_octet)
{
	struct err err = { 0 };
	size_t differ = 0;

	write_made(mixed, ARRAY_LEN(mixed), "mixed.p12");
	struct keystore *ks = decode(&keystore_pkcs12, "mixed.p12", "changeit", NULL);
	ck_assert_int_eq(keystore_pkcs12.rename(ks, "nobody", "x", NULL), ERR_NOT_FOUND);
	ck_assert_int_eq(keystore_pkcs12.rename(ks, "a", "B", NULL), ERR_CONFLICT);
	ck_assert_ok(keystore_pkcs12.rename(ks, "a", "W", &err), &err);
	encode(ks, "mixed3.p12", "changeit", NULL, NULL);
	keystore_pkcs12.close(ks);
	struct bytes before = get_file("mixed.p12");
	struct bytes after = get_file("mixed3.p12");
	ck_assert_uint_eq(before.n, after.n);
	for (size_t i = 0; i < before.n; i++) {
		differ += before.p[i] != after.p[i];
	}
	ck_assert_uint_eq(differ, 2); /* of the key and of its leaf */
	char *java = oracle("load\tPKCS12\tmixed3.p12\tchangeit\tchangeit\n");
	ck_assert_ptr_nonnull(strstr(java, "key w "));
	ck_assert_ptr_nonnull(strstr(java, " match "));
	free(java);
	free((void *)(uintptr_t)before.p);
	free((void *)(uintptr_t)after.p);
}
END_TEST

START_TEST(a_key_gets_a_password_of_its_own_and_a_plain_one_its_first)
{
	static const struct made two[] = { { 'K', "api", "b2" }, { 'c', "api", "b2" } };
	struct err err = { 0 };

	write_made(mixed, ARRAY_LEN(mixed), "mixed.p12");
	struct keystore *ks = decode(&keystore_pkcs12, "mixed.p12", "changeit", NULL);
	ck_assert_int_eq(keystore_pkcs12.set_key_password(ks, "b", NULL, password("x"), NULL),
	                 ERR_INVALID);
	ck_assert_int_eq(keystore_pkcs12.set_key_password(ks, "a", password("no"), password("x"),
	                                                  NULL),
	                 ERR_DENIED);
	ck_assert_ok(keystore_pkcs12.set_key_password(ks, "a", password("changeit"),
	                                              password("third"), &err),
	             &err);
	encode(ks, "third.p12", "changeit", NULL, NULL);
	keystore_pkcs12.close(ks);
	write_made(two, 2, "plain.p12");
	ks = decode(&keystore_pkcs12, "plain.p12", "changeit", NULL);
	ck_assert_uint_eq(entry_of(ks, "b").warnings, KS_WARN_WEAK);
	ck_assert_ok(keystore_pkcs12.set_key_password(ks, "b", NULL, password("third"), &err),
	             &err);
	ck_assert_uint_eq(entry_of(ks, "b").warnings, 0);
	encode(ks, "closed.p12", "changeit", NULL, NULL);
	keystore_pkcs12.close(ks);
	char *java = oracle("load\tPKCS12\tthird.p12\tchangeit\tthird\n"
	                    "load\tPKCS12\tclosed.p12\tchangeit\tthird\n");
	const char *first = strstr(java, " match ");
	ck_assert_ptr_nonnull(first);
	ck_assert_ptr_nonnull(strstr(first + 1, " match "));
	free(java);
}
END_TEST

static void must_set_secret(struct keystore *ks, const char *alias, const char *algorithm)
{
	struct keystore_secret_key key = { 0 };
	struct err err = { 0 };

	(void)snprintf(key.algorithm, sizeof(key.algorithm), "%s", algorithm);
	ck_assert_int_eq(secret_set_str(&key.key, "0123456789abcdef01234567"), 0);
	ck_assert_ok(ks->ops->set_secret(ks, alias, &key, T0, &err), &err);
	secret_release(&key.key);
}

/* Java calls a DES key by the name of a cipher once it has been in a PKCS#12 file. */
static void plain_names(char *text)
{
	static const char mode[] = "/CBC";

	for (char *at = strstr(text, mode); at != NULL; at = strstr(at, mode)) {
		memmove(at, at + sizeof(mode) - 1, strlen(at + sizeof(mode) - 1) + 1);
	}
}

START_TEST(secret_keys_go_both_ways)
{
	struct keystore *ks = NULL;
	struct err err = { 0 };

	ck_assert_ok(keystore_pkcs12.create(&ks, &err), &err);
	must_set_secret(ks, "aes", "AES");
	must_set_secret(ks, "mac", "HmacSHA256");
	must_set_secret(ks, "des3", "DESede");
	must_set_key(ks, "web", &world.web, world.web_chain, 1, T0 + 10);
	must_set_secret(ks, "AES", "AES");
	encode(ks, "secret.p12", "changeit", NULL, NULL);
	char *ours = describe(ks);
	keystore_pkcs12.close(ks);
	char *java = oracle("load\tPKCS12\tsecret.p12\tchangeit\tchangeit\n"
	                    "new\tPKCS12\n"
	                    "secret\taes\tchangeit\n"
	                    "secretkey\ttriple\tchangeit\tDESede\n"
	                    "secretkey\tmac\tchangeit\tHmacSHA512\n"
	                    "secretkey\tfour\tchangeit\tARCFOUR\n"
	                    "secretkey\tdes\tchangeit\tDES\n"
	                    "save\tjsecret.p12\tchangeit\n"
	                    "echo\t==\n"
	                    "load\tPKCS12\tjsecret.p12\tchangeit\tchangeit\n");
	plain_names(java);
	char *second = strstr(java, "==\n");
	ck_assert_ptr_nonnull(second);
	*second = '\0';
	ck_assert_str_eq(java, ours);
	free(ours);
	ks = decode(&keystore_pkcs12, "jsecret.p12", "changeit", NULL);
	ours = describe(ks);
	ck_assert_str_eq(second + 3, ours);
	free(ours);
	free(java);
	keystore_pkcs12.close(ks);
}
END_TEST

static void count_fact(void *ctx, const struct keystore_fact *f)
{
	struct buf *out = ctx;

	buf_printf(out, "%s%s=%s\n", f->entry == SIZE_MAX ? "" : "entry ", f->name, f->value);
}

START_TEST(inspect_names_what_protects_what)
{
	struct keystore *ks = NULL;
	struct err err = { 0 };
	struct buf facts;

	buf_init(&facts, KEYSTORE_FILE_LIMIT);
	ck_assert_ok(keystore_pkcs12.create(&ks, &err), &err);
	must_set_key(ks, "web", &world.web, world.web_chain, 1, T0);
	encode(ks, "facts.p12", "changeit", NULL, "LegacyRC2");
	keystore_pkcs12.close(ks);
	ks = decode(&keystore_pkcs12, "facts.p12", "changeit", NULL);
	keystore_pkcs12.facts(ks, count_fact, &facts);
	ck_assert_str_eq(buf_str(&facts), "mac=PKCS#12 HMAC-sha1\n"
	                                  "macIterations=10000\n"
	                                  "macSaltLength=20\n"
	                                  "certProtection=PBE SHA-1 RC2-40\n"
	                                  "certIterations=10000\n"
	                                  "entry keyProtection=PBE SHA-1 3DES\n"
	                                  "entry keyIterations=10000\n"
	                                  "entry attributes=friendlyName localKeyId\n");
	buf_release(&facts);
	keystore_pkcs12.close(ks);
}
END_TEST

START_TEST(keys_stay_when_told_to_and_follow_otherwise)
{
	struct keystore *ks = NULL;
	struct keystore_encode how = { .keys_stay = true };
	struct keystore_part part[KEYSTORE_PARTS_MAX];
	struct err err = { 0 };
	size_t n;

	ck_assert_ok(keystore_pkcs12.create(&ks, &err), &err);
	must_set_key(ks, "web", &world.web, world.web_chain, 1, T0);
	encode(ks, "stay.p12", "changeit", NULL, NULL);
	keystore_pkcs12.close(ks);
	ks = decode(&keystore_pkcs12, "stay.p12", "changeit", NULL);
	how.passwords = passwords("another", NULL);
	ck_assert_ok(keystore_pkcs12.encode(ks, &how, part, &n, &err), &err);
	put_file("stay2.p12", secret_view(&part[0].bytes));
	keystore_part_release(&part[0]);
	encode(ks, "stay3.p12", "another", NULL, NULL);
	keystore_pkcs12.close(ks);
	char *java = oracle("load\tPKCS12\tstay2.p12\tanother\tchangeit\n"
	                    "load\tPKCS12\tstay3.p12\tanother\tanother\n");
	const char *first = strstr(java, " match ");
	ck_assert_ptr_nonnull(first);
	ck_assert_ptr_nonnull(strstr(first + 1, " match "));
	free(java);

	/* The caller believes in one key password; the key that is under the store's follows it. */
	ks = decode(&keystore_pkcs12, "stay.p12", "changeit", "elsewhere");
	ck_assert_uint_eq(entry_of(ks, "web").warnings, KS_WARN_KEY_UNREADABLE);
	encode(ks, "stay4.p12", "third", "elsewhere", NULL);
	keystore_pkcs12.close(ks);
	ks = decode(&keystore_pkcs12, "stay4.p12", "third", NULL);
	ck_assert_uint_eq(entry_of(ks, "web").warnings, 0);
	keystore_pkcs12.close(ks);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("pkcs12-java");

	tcase_add_unchecked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, crafted_files_are_seen_as_java_sees_them, 0,
	                    (int)ARRAY_LEN(crafted));
	tcase_add_test(tc, an_edit_keeps_every_bag_and_attribute_that_it_does_not_name);
	tcase_add_test(tc, a_rename_changes_the_name_and_no_other_octet);
	tcase_add_test(tc, a_key_gets_a_password_of_its_own_and_a_plain_one_its_first);
	tcase_add_test(tc, secret_keys_go_both_ways);
	tcase_add_test(tc, inspect_names_what_protects_what);
	tcase_add_test(tc, keys_stay_when_told_to_and_follow_otherwise);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("pkcs12-java", build)
