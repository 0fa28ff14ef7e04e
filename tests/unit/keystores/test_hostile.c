/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_hostile.c - a small store of every format, cut at every octet and with lengths that lie
 * everywhere; and files that ask for more work than anybody has time for.
 *
 * Whatever comes, there is a verdict with a sentence, soon, and without more memory than the file
 * is worth.
 */
#include "providers/keystores/flat.h"
#include "providers/keystores/jks_store.h"
#include "providers/keystores/p12_crypto.h"
#include "tests/unit/keystores/support.h"

#define T0         1700000000000
#define PASSWORD   "sesame"
#define MEMORY_MAX ((size_t)1 << 20) /* in one piece; the files have a few thousand octets */
#define COPIES     40

/* There only where the sanitizer is. */
extern int install_hooks(
	void (*on_malloc)(const volatile void *p, size_t n),
	void (*on_free)(
		const volatile void *p)) __asm__("__sanitizer_install_malloc_and_free_hooks")
	__attribute__((weak));

static size_t largest;

static void note_allocation(const volatile void *p, size_t n)
{
	(void)p;
	largest = n > largest ? n : largest;
}

static void note_free(const volatile void *p)
{
	(void)p;
}

static const struct format {
	const struct keystore_ops *ops;
	const char *file;
} formats[] = {
	{ &keystore_jks, "a.jks" },    { &keystore_jceks, "a.jceks" },
	{ &keystore_pkcs12, "a.p12" }, { &keystore_bcfks, "a.bcfks" },
	{ &keystore_pem, "a.pem" },    { &keystore_pem_split, "chain.pem" },
	{ &keystore_der, "root.der" }, { &keystore_p7b, "a.p7b" },
	{ &keystore_zip, "a.zip" },
};

static void assert_little_memory(void)
{
	ck_assert(largest != 0 || install_hooks == NULL);
	ck_assert_uint_lt(largest, MEMORY_MAX);
}

/* From a copy of exactly its size, so that a step too far is seen. */
static enum err_code judge(const struct keystore_ops *ops, const uint8_t *p, size_t n)
{
	const char *pw = ops->has_password ? PASSWORD : NULL;
	struct err err = { 0 };
	uint8_t *exact = malloc(n == 0 ? 1 : n);

	ck_assert_ptr_nonnull(exact);
	memcpy(exact, p, n);
	(void)ops->recognises(bytes_of(exact, n));
	enum err_code rc = decode_code(ops, bytes_of(exact, n), pw, NULL, &err);
	ck_assert_msg(rc == ERR_OK || rc == ERR_INVALID || rc == ERR_DENIED, "%s: %d %s", ops->type,
	              (int)rc, err.msg);
	ck_assert(rc == ERR_OK || strlen(err.msg) > 10);
	free(exact);
	return rc;
}

START_TEST(a_store_cut_anywhere_gets_a_verdict)
{
	const struct format *f = &formats[_i];
	struct bytes file = get_file(f->file);
	largest = 0;

	ck_assert_int_eq(judge(f->ops, file.p, file.n), ERR_OK);
	for (size_t n = 0; n < file.n; n++) {
		(void)judge(f->ops, file.p, n);
	}
	assert_little_memory();
	free((void *)(uintptr_t)file.p);
}
END_TEST

START_TEST(lengths_that_lie_get_a_verdict)
{
	static const struct bytes lies[] = {
		{ .p = (const uint8_t *)"\xff\xff\xff\xff", .n = 4 },
		{ .p = (const uint8_t *)"\x7f\xff\xff\xff", .n = 4 },
		{ .p = (const uint8_t *)"\x84\x7f\xff\xff\xff", .n = 5 },
		{ .p = (const uint8_t *)"\x80", .n = 1 },
		{ .p = (const uint8_t *)"\x00", .n = 1 },
	};
	const struct format *f = &formats[_i];
	struct bytes file = get_file(f->file);
	uint8_t *copy = malloc(file.n);
	largest = 0;

	for (size_t at = 0; at < file.n; at++) {
		for (size_t k = 0; k < ARRAY_LEN(lies); k++) {
			if (at + lies[k].n <= file.n) {
				memcpy(copy, file.p, file.n);
				memcpy(copy + at, lies[k].p, lies[k].n);
				(void)judge(f->ops, copy, file.n);
			}
		}
	}
	assert_little_memory();
	free(copy);
	free((void *)(uintptr_t)file.p);
}
END_TEST

static void replace_all(const char *name, const char *from, const char *to, size_t n)
{
	struct bytes file = get_file(name);
	uint8_t *p = (uint8_t *)(uintptr_t)file.p;
	uint8_t *at = memmem(p, file.n, from, n);

	ck_assert_ptr_nonnull(at);
	for (; at != NULL; at = memmem(at, file.n - (size_t)(at - p), from, n)) {
		memcpy(at, to, n);
	}
	put_file(name, file);
	free(p);
}

START_TEST(a_store_that_asks_for_endless_work_is_refused)
{
	struct err err = { 0 };

	/* 70,000 iterations become 8,388,607; the derivation alone would take the test's time. */
	p12_limits = (struct p12_limits){ .iterations = 5000000, .work = 40000000 };
	free(tool("openssl pkcs12 -export -inkey web.key.pem -in web.pem -passout pass:" PASSWORD
	          " -iter 70000 -out bomb.p12"));
	replace_all("bomb.p12", "\x02\x03\x01\x11\x70", "\x02\x03\x7f\xff\xff", 5);
	struct bytes file = get_file("bomb.p12");
	ck_assert_int_eq(decode_code(&keystore_pkcs12, file, PASSWORD, NULL, &err), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "8388607 iterations"));
	free((void *)(uintptr_t)file.p);
}
END_TEST

/* One file, many keys, each of them within what is accepted for one. */
static void many_keys(const char *name, const char *options)
{
	char *words = str_printf("openssl pkcs8 -topk8 -in web.key.pem -passout pass:" PASSWORD
	                         " -out one.pem %s",
	                         options);
	struct buf all;

	free(tool(words));
	free(words);
	struct bytes one = get_file("one.pem");
	buf_init(&all, KEYSTORE_FILE_LIMIT);
	for (size_t i = 0; i < COPIES; i++) {
		buf_add_bytes(&all, one);
	}
	put_file(name, buf_view(&all));
	buf_release(&all);
	free((void *)(uintptr_t)one.p);
}

static const char *const slow_keys[] = {
	"-iter 20000",
	"-v1 PBE-SHA1-3DES -iter 20000",
	"-scrypt -scrypt_N 1024 -scrypt_r 8 -scrypt_p 1",
};

START_TEST(many_slow_keys_in_one_file_share_one_budget)
{
	struct keystore_passwords pw = passwords(NULL, PASSWORD);
	struct keystore *ks = NULL;
	struct err err = { 0 };
	size_t opened = 0;

	p12_limits = (struct p12_limits){ .iterations = 20000, .work = 200000 };
	many_keys("many.pem", slow_keys[_i]);
	struct bytes file = get_file("many.pem");
	ck_assert_ok(keystore_pem.decode(&file, 1, &pw, &ks, &err), &err);
	for (size_t i = 0; i < flat_of(ks)->n; i++) {
		opened += flat_of(ks)->items[i].opened;
	}
	ck_assert_msg(opened >= 1 && opened <= 12, "%zu opened", opened);
	keystore_pem.close(ks);
	free((void *)(uintptr_t)file.p);
}
END_TEST

/* What we do not decrypt ourselves goes to GnuTLS, which counts as far as it is told. */
START_TEST(a_key_with_more_iterations_than_accepted_stays_closed)
{
	struct keystore_passwords pw = passwords(NULL, PASSWORD);
	struct keystore *ks = NULL;
	struct err err = { 0 };

	free(tool("openssl pkcs8 -topk8 -in web.key.pem -passout pass:" PASSWORD
	          " -iter 20000 -out slow.pem"));
	p12_limits = (struct p12_limits){ .iterations = 19999, .work = 40000000 };
	struct bytes file = get_file("slow.pem");
	ck_assert_ok(keystore_pem.decode(&file, 1, &pw, &ks, &err), &err);
	ck_assert_uint_eq(entry_of(ks, "").warnings, KS_WARN_KEY_UNREADABLE);
	keystore_pem.close(ks);
	p12_limits.iterations = 20000;
	ck_assert_ok(keystore_pem.decode(&file, 1, &pw, &ks, &err), &err);
	ck_assert_uint_eq(entry_of(ks, "").warnings, 0);
	keystore_pem.close(ks);
	free((void *)(uintptr_t)file.p);
}
END_TEST

static void make(const struct keystore_ops *ops, const char *name)
{
	struct keystore *ks = NULL;
	struct err err = { 0 };

	ck_assert_ok(ops->create(&ks, &err), &err);
	must_set_key(ks, "web", &world.web, world.web_chain, 1, T0);
	encode(ks, name, ops->has_password ? PASSWORD : NULL, NULL, NULL);
	ops->close(ks);
}

static void setup(void)
{
	world_make();
	if (install_hooks != NULL) {
		ck_assert_int_gt(install_hooks(note_allocation, note_free), 0);
	}
	jks_limits = (struct jks_limits){ .iterations = 2000, .work = 20000, .written = 20 };
	p12_limits = (struct p12_limits){ .iterations = 2000, .work = 20000, .written = 10 };
	make(&keystore_jks, "a.jks");
	make(&keystore_jceks, "a.jceks");
	make(&keystore_pkcs12, "a.p12");
	make(&keystore_pem, "a.pem");
	make(&keystore_zip, "a.zip");
	free(tool("openssl crl2pkcs7 -nocrl -certfile web.pem -outform DER -out a.p7b"));
	free(tool("java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -cp " KEYSTORE_ORACLE
	          ":/usr/share/java/bcprov.jar BcfksMaker . a.bcfks"));
}

static void build(Suite *suite)
{
	TCase *tc = tcase_create("hostile");

	tcase_add_unchecked_fixture(tc, setup, world_drop);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, a_store_cut_anywhere_gets_a_verdict, 0, (int)ARRAY_LEN(formats));
	tcase_add_loop_test(tc, lengths_that_lie_get_a_verdict, 0, (int)ARRAY_LEN(formats));
	tcase_add_test(tc, a_store_that_asks_for_endless_work_is_refused);
	tcase_add_loop_test(tc, many_slow_keys_in_one_file_share_one_budget, 0,
	                    (int)ARRAY_LEN(slow_keys));
	tcase_add_test(tc, a_key_with_more_iterations_than_accepted_stays_closed);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("hostile", build)
