/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_jks_java.c - JKS files made field by field, and what the JDK sees in them.
 *
 * Our view must be Java's, but for a list of differences that are meant: each case says which.
 */
#include "providers/keystores/jks_store.h"
#include "reconciler/pki/cert.h"
#include "tests/unit/keystores/warm.h"

#define PASSWORD "changeit"

static void put_u32(struct buf *b, uint32_t v)
{
	buf_add_u32be(b, v);
}

static void head(struct buf *b, uint32_t magic, uint32_t version, uint32_t count)
{
	put_u32(b, magic);
	put_u32(b, version);
	put_u32(b, count);
}

static void start(struct buf *b, uint32_t tag, struct bytes alias, uint32_t date)
{
	put_u32(b, tag);
	buf_add_u16be(b, (uint16_t)alias.n);
	buf_add_bytes(b, alias);
	put_u32(b, date >> 31 != 0 ? UINT32_MAX : 0); /* the sign */
	put_u32(b, date);
}

static void certificate(struct buf *b, const char *type, struct bytes data)
{
	if (type != NULL) {
		buf_add_u16be(b, (uint16_t)strlen(type));
		buf_add_str(b, type);
	}
	put_u32(b, (uint32_t)data.n);
	buf_add_bytes(b, data);
}

static void trusted(struct buf *b, const char *alias)
{
	start(b, 2, bytes_of_str(alias), 1000);
	certificate(b, "X.509", world.root.der);
}

static void one(struct buf *b, struct bytes alias)
{
	head(b, JKS_MAGIC, 2, 1);
	start(b, 2, alias, 1000);
	certificate(b, "X.509", world.root.der);
}

static void one_of_type(struct buf *b, const char *type, struct bytes data)
{
	head(b, JKS_MAGIC, 2, 1);
	start(b, 2, bytes_of_str("a"), 1000);
	certificate(b, type, data);
}

static void key(struct buf *b, struct bytes sealed, uint32_t n_chain)
{
	head(b, JKS_MAGIC, 2, 1);
	start(b, 1, bytes_of_str("a"), 1000);
	put_u32(b, (uint32_t)sealed.n);
	buf_add_bytes(b, sealed);
	put_u32(b, n_chain);
	if (n_chain == 1) {
		certificate(b, "X.509", world.root.der);
	}
}

static void empty(struct buf *b)
{
	head(b, JKS_MAGIC, 2, 0);
}

static void negative_count(struct buf *b)
{
	head(b, JKS_MAGIC, 2, UINT32_MAX);
}

static void count_too_small(struct buf *b)
{
	head(b, JKS_MAGIC, 2, 1);
	trusted(b, "a");
	trusted(b, "b");
}

static void count_too_large(struct buf *b)
{
	head(b, JKS_MAGIC, 2, 3);
	trusted(b, "a");
	trusted(b, "b");
}

static void version_one(struct buf *b)
{
	head(b, JKS_MAGIC, 1, 1);
	start(b, 2, bytes_of_str("a"), 1000);
	certificate(b, NULL, world.root.der);
}

static void version_three(struct buf *b)
{
	head(b, JKS_MAGIC, 3, 1);
	trusted(b, "a");
}

static void other_magic(struct buf *b)
{
	head(b, JKS_MAGIC + 1, 2, 0);
}

static void jceks_magic(struct buf *b)
{
	head(b, JCEKS_MAGIC, 2, 0);
}

static void tag_four(struct buf *b)
{
	head(b, JKS_MAGIC, 2, 1);
	start(b, 4, bytes_of_str("a"), 1000);
}

static void before_1970(struct buf *b)
{
	head(b, JKS_MAGIC, 2, 1);
	start(b, 2, bytes_of_str("a"), (uint32_t)-5);
	certificate(b, "X.509", world.root.der);
}

static void no_alias(struct buf *b)
{
	one(b, bytes_of_str(""));
}

static void alias_of_surrogates(struct buf *b)
{
	one(b, bytes_of("\xed\xa0\xbd\xed\xb8\x80", 6));
}

static void alias_of_four_octets(struct buf *b)
{
	one(b, bytes_of("\xf0\x9f\x98\x80", 4));
}

static void alias_cut_inside(struct buf *b)
{
	one(b, bytes_of("a\xc3", 2));
}

static void alias_overlong(struct buf *b)
{
	one(b, bytes_of("\xc1\xa1", 2));
}

static void alias_upper_case(struct buf *b)
{
	one(b, bytes_of_str("A"));
}

static void alias_twice(struct buf *b)
{
	head(b, JKS_MAGIC, 2, 2);
	trusted(b, "a");
	start(b, 2, bytes_of_str("a"), 2000);
	certificate(b, "X.509", world.other.der);
}

static void type_lower_case(struct buf *b)
{
	one_of_type(b, "x.509", world.root.der);
}

static void type_short(struct buf *b)
{
	one_of_type(b, "X509", world.root.der);
}

static void type_unknown(struct buf *b)
{
	one_of_type(b, "PGP", world.root.der);
}

static void certificate_in_pem(struct buf *b)
{
	struct buf pem;

	buf_init(&pem, KEYSTORE_FILE_LIMIT);
	der_to_pem(world.root.der, "CERTIFICATE", &pem);
	one_of_type(b, "X.509", buf_view(&pem));
	buf_release(&pem);
}

static void certificate_with_a_tail(struct buf *b)
{
	struct buf both;

	buf_init(&both, KEYSTORE_FILE_LIMIT);
	buf_add_bytes(&both, world.root.der);
	buf_add_str(&both, "tail");
	one_of_type(b, "X.509", buf_view(&both));
	buf_release(&both);
}

static void certificate_of_rubbish(struct buf *b)
{
	one_of_type(b, "X.509", bytes_of_str("rubbish"));
}

static void key_of_rubbish(struct buf *b)
{
	key(b, bytes_of_str("rubbish"), 1);
}

static void key_in_clear(struct buf *b)
{
	key(b, secret_view(&world.root.key), 1);
}

static void key_without_chain(struct buf *b)
{
	key(b, bytes_of_str("rubbish"), 0);
}

static void key_with_a_negative_chain(struct buf *b)
{
	key(b, bytes_of_str("rubbish"), UINT32_MAX);
}

static void key_with_an_endless_chain(struct buf *b)
{
	key(b, bytes_of_str("rubbish"), 0x7fffffff);
}

static void negative_length(struct buf *b)
{
	head(b, JKS_MAGIC, 2, 1);
	start(b, 2, bytes_of_str("a"), 1000);
	buf_add_u16be(b, 5);
	buf_add_str(b, "X.509");
	put_u32(b, UINT32_MAX);
}

static const struct {
	const char *what;
	void (*make)(struct buf *b);
	const char *java; /* NULL: the same as ours; else its first words */
	const char *ours; /* then: words in ours */
} crafted[] = {
	{ "nothing in it", empty, NULL, NULL },
	{ "a negative count is none", negative_count, NULL, NULL },
	{ "a count too small", count_too_small, NULL, NULL },
	{ "a count too large", count_too_large, NULL, NULL },
	{ "version 1", version_one, NULL, NULL },
	{ "version 3", version_three, NULL, NULL },
	{ "another magic number", other_magic, NULL, NULL },
	{ "JCEKS in the place of JKS", jceks_magic, NULL, NULL },
	{ "an entry of no kind", tag_four, NULL, NULL },
	{ "an alias of no length", no_alias, NULL, NULL },
	{ "an alias outside the BMP", alias_of_surrogates, NULL, NULL },
	{ "an alias in UTF-8 that is not Java's", alias_of_four_octets, NULL, NULL },
	{ "an alias that ends inside a character", alias_cut_inside, NULL, NULL },
	{ "an alias that is overlong", alias_overlong, NULL, NULL },
	{ "two of one alias: the last", alias_twice, "trusted a 2000", "trusted a 1000" },
	{ "a type in lower case", type_lower_case, NULL, NULL },
	{ "a type by its short name", type_short, NULL, NULL },
	{ "a key that is none", key_of_rubbish, NULL, NULL },
	{ "a key in clear", key_in_clear, NULL, NULL },
	{ "a negative length", negative_length, NULL, NULL },
	{ "a chain without end", key_with_an_endless_chain, NULL, NULL },
	/* The differences that are meant. */
	{ "Java takes a key without a chain for a secret", key_without_chain, "secret a unreadable",
	  "key a 1000 unreadable" },
	{ "and one with a negative chain", key_with_a_negative_chain, "secret a unreadable",
	  "key a 1000 unreadable" },
	{ "Java cannot reach an alias in upper case", alias_upper_case, "error load",
	  "trusted a " },
	{ "Java has dates before 1970, we have no date", before_1970, "trusted a -5 ",
	  "trusted a - " },
	{ "Java reads PEM inside, and we leave it as it is", certificate_in_pem, "trusted a ",
	  "trusted a " },
	{ "Java drops what follows a certificate, we leave it as it is", certificate_with_a_tail,
	  "trusted a ", "trusted a " },
	{ "Java refuses all for a type that it does not know", type_unknown, "error load",
	  "trusted a " },
	{ "Java refuses all for one bad certificate", certificate_of_rubbish, "error load",
	  "trusted a " },
};

static void make_file(void (*make)(struct buf *b), const char *name)
{
	struct secret wide = { .p = (uint8_t[]){ 0, 'c', 0, 'h', 0, 'a', 0, 'n', 0, 'g', 0, 'e', 0,
		                                 'i', 0, 't' },
		               .n = 16 };
	uint8_t digest[20];
	struct buf b;

	buf_init(&b, KEYSTORE_FILE_LIMIT);
	make(&b);
	jks_digest(&wide, buf_view(&b), digest);
	buf_add(&b, digest, sizeof(digest));
	put_file(name, buf_view(&b));
	buf_release(&b);
}

/* As text, or "error load" as Java's answer begins. */
static char *seen_by_us(const char *name)
{
	struct bytes file = get_file(name);
	struct keystore_passwords pw = passwords(PASSWORD, NULL);
	struct keystore *ks = NULL;
	struct err err = { 0 };
	enum err_code rc = keystore_jks.decode(&file, 1, &pw, &ks, &err);

	free((void *)(uintptr_t)file.p);
	if (rc != ERR_OK) {
		ck_assert(rc == ERR_INVALID || rc == ERR_DENIED);
		ck_assert_uint_gt(strlen(err.msg), 10);
		return str_dup("error load");
	}
	char *text = describe(ks);
	keystore_jks.close(ks);
	return text;
}

START_TEST(crafted_files_are_seen_as_java_sees_them)
{
	make_file(crafted[_i].make, "crafted.jks");
	char *ours = seen_by_us("crafted.jks");
	char *java = warm_ask("load\tJKS\tcrafted.jks\t" PASSWORD "\t" PASSWORD);

	if (strncmp(java, "error load", 10) == 0) {
		java[10] = '\0';
	}
	if (crafted[_i].java == NULL) {
		ck_assert_msg(str_equal(java, ours), "%s:\nJava: %s\nwe:   %s", crafted[_i].what,
		              java, ours);
	} else {
		ck_assert_msg(strncmp(java, crafted[_i].java, strlen(crafted[_i].java)) == 0 &&
		                      strstr(ours, crafted[_i].ours) != NULL &&
		                      !str_equal(java, ours),
		              "%s:\nJava: %s\nwe:   %s", crafted[_i].what, java, ours);
	}
	free(java);
	free(ours);
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
	TCase *tc = tcase_create("jks-java");

	tcase_add_unchecked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, crafted_files_are_seen_as_java_sees_them, 0,
	                    (int)ARRAY_LEN(crafted));
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("jks-java", build)
