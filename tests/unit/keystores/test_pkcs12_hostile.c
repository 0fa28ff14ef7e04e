/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_pkcs12_hostile.c - PKCS#12 files that are damaged, forged, odd or meant to hurt.
 */
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

static void small_store(const char *name, const char *profile)
{
	struct keystore *ks = created();

	must_set_key(ks, "web", &world.web, world.web_chain, 2, T0);
	encode(ks, name, "changeit", NULL, profile);
	keystore_pkcs12.close(ks);
}

START_TEST(wrong_password_and_changed_file_are_told_apart)
{
	struct err err = { 0 };

	small_store("w.p12", NULL);
	struct bytes file = get_file("w.p12");
	ck_assert_int_eq(decode_code(&keystore_pkcs12, file, "wrong", NULL, &err), ERR_DENIED);
	err_clear(&err);
	ck_assert_int_eq(decode_code(&keystore_pkcs12, file, NULL, NULL, &err), ERR_DENIED);
	uint8_t *copy = malloc(file.n);
	memcpy(copy, file.p, file.n);
	copy[file.n - 30] ^= 1; /* in the MAC's salt */
	err_clear(&err);
	ck_assert_int_eq(decode_code(&keystore_pkcs12, bytes_of(copy, file.n), "changeit", NULL,
	                             &err),
	                 ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "modified"));
	free(copy);
	free((void *)(uintptr_t)file.p);
}
END_TEST

START_TEST(no_truncation_and_no_flipped_bit_passes)
{
	free(tool("openssl pkcs12 -export -inkey web.key.pem -in web.pem -name web -noiter "
	          "-nomaciter -passout pass:changeit -out t.p12"));
	struct bytes file = get_file("t.p12");
	struct keystore *ks = decode(&keystore_pkcs12, "t.p12", "changeit", NULL);
	char *right = describe(ks);
	keystore_pkcs12.close(ks);

	for (size_t n = 0; n < file.n; n++) {
		/* A copy of exactly that size, so that the sanitizer sees a step too far. */
		uint8_t *cut = malloc(n + 1);
		memcpy(cut, file.p, n);
		uint8_t *exact = realloc(cut, n == 0 ? 1 : n);
		ck_assert_int_eq(decode_code(&keystore_pkcs12, bytes_of(exact, n), "changeit", NULL,
		                             /* err= */ NULL),
		                 ERR_INVALID);
		free(exact);
	}
	uint8_t *copy = malloc(file.n);
	struct keystore_passwords pw = passwords("changeit", NULL);
	for (size_t i = 0; i < file.n; i++) {
		memcpy(copy, file.p, file.n);
		copy[i] ^= (uint8_t)(1u << i % 8);
		struct bytes in = bytes_of(copy, file.n);
		ks = NULL;
		if (keystore_pkcs12.decode(&in, 1, &pw, &ks, /* err= */ NULL) == ERR_OK) {
			char *text = describe(ks);
			ck_assert_str_eq(text, right);
			free(text);
			keystore_pkcs12.close(ks);
		}
	}
	free(copy);
	free(right);
	free((void *)(uintptr_t)file.p);
}
END_TEST

START_TEST(iteration_bombs_are_refused_before_they_are_counted)
{
	struct err err = { 0 };
	struct p12_limits was = p12_limits;

	small_store("bomb.p12", NULL);
	struct bytes file = get_file("bomb.p12");
	p12_limits.iterations = 9999;
	ck_assert_int_eq(decode_code(&keystore_pkcs12, file, "changeit", NULL, &err), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "10000 iterations"));
	p12_limits = was;
	p12_limits.work = 40000; /* enough for the MAC, not for the rest */
	err_clear(&err);
	ck_assert_int_eq(decode_code(&keystore_pkcs12, file, "changeit", NULL, &err), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "more key derivation work"));
	p12_limits = was;
	free((void *)(uintptr_t)file.p);
}
END_TEST

START_TEST(a_mac_that_anybody_could_forge_is_refused)
{
	static const uint8_t key_length[] = { 0x02, 0x01, 0x20 };
	struct err err = { 0 };

	small_store("pbmac1.p12", "Modern2026");
	struct bytes file = get_file("pbmac1.p12");
	ck_assert_int_eq(decode_code(&keystore_pkcs12, file, "wrong", NULL, &err), ERR_DENIED);
	uint8_t *copy = malloc(file.n);
	memcpy(copy, file.p, file.n);
	uint8_t *at = NULL;
	for (size_t i = 0; i + 3 <= file.n; i++) { /* the last one is the MAC's */
		at = memcmp(copy + i, key_length, 3) == 0 ? copy + i : at;
	}
	ck_assert_ptr_nonnull(at);
	at[2] = 19;
	err_clear(&err);
	ck_assert_int_eq(decode_code(&keystore_pkcs12, bytes_of(copy, file.n), "changeit", NULL,
	                             &err),
	                 ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "19 octets"));
	free(copy);
	free((void *)(uintptr_t)file.p);
}
END_TEST

START_TEST(duplicates_and_bags_of_others_are_shown_and_kept)
{
	static const uint8_t alias_b[] = { 0x1e, 0x02, 0x00, 'b' };
	struct keystore *ks = created();

	must_set_trusted(ks, "a", world.root.der);
	must_set_trusted(ks, "b", world.other.der);
	encode(ks, "dup.p12", NULL, NULL, NULL);
	keystore_pkcs12.close(ks);
	struct bytes file = get_file("dup.p12");
	uint8_t *copy = malloc(file.n + 4);
	memcpy(copy, file.p, file.n);
	uint8_t *at = memmem(copy, file.n, alias_b, sizeof(alias_b));
	ck_assert_ptr_nonnull(at);
	at[3] = 'A';
	memcpy(copy + file.n, "tail", 4);
	put_file("dup.p12", bytes_of(copy, file.n + 4));
	ks = decode(&keystore_pkcs12, "dup.p12", NULL, NULL);
	ck_assert_uint_eq(keystore_pkcs12.warnings(ks), KS_WARN_NO_MAC | KS_WARN_TRAILING_BYTES);
	ck_assert_uint_eq(entry_of(ks, "A").warnings, KS_WARN_DUPLICATE_ALIAS);
	ck_assert_uint_eq(entry_of(ks, "a").warnings, KS_WARN_DUPLICATE_ALIAS);
	must_remove(ks, "a");
	ck_assert_uint_eq(keystore_pkcs12.count(ks), 0);
	keystore_pkcs12.close(ks);
	free(copy);
	free((void *)(uintptr_t)file.p);
}
END_TEST

START_TEST(orphans_are_opaque_and_survive)
{
	free(tool("openssl pkcs12 -export -nokeys -in chain.pem -passout pass:changeit -out "
	          "orphan.p12"));
	struct keystore *ks = decode(&keystore_pkcs12, "orphan.p12", "changeit", NULL);
	struct keystore_entry e;

	ck_assert_uint_eq(keystore_pkcs12.count(ks), 2);
	keystore_pkcs12.entry(ks, 0, &e);
	ck_assert_int_eq(e.kind, KS_OPAQUE);
	ck_assert_uint_eq(e.n_chain, 1);
	must_set_trusted(ks, "other", world.other.der);
	must_set_trusted(ks, "other", world.other.der);
	encode(ks, "orphan2.p12", "changeit", NULL, NULL);
	keystore_pkcs12.close(ks);
	ks = decode(&keystore_pkcs12, "orphan2.p12", "changeit", NULL);
	ck_assert_uint_eq(keystore_pkcs12.count(ks), 3);
	keystore_pkcs12.close(ks);
}
END_TEST

START_TEST(renewal_leaves_no_certificate_behind)
{
	struct keystore *ks = created();

	must_set_key(ks, "web", &world.web, world.web_chain, 3, T0);
	must_set_key(ks, "web", &world.other, &world.other.der, 1, T0 + 5);
	encode(ks, "renew.p12", "changeit", NULL, NULL);
	keystore_pkcs12.close(ks);
	ks = decode(&keystore_pkcs12, "renew.p12", "changeit", NULL);
	ck_assert_uint_eq(keystore_pkcs12.count(ks), 1);
	ck_assert_uint_eq(entry_of(ks, "web").n_chain, 1);
	ck_assert_int_eq(entry_of(ks, "web").created_ms, T0 + 5);
	keystore_pkcs12.close(ks);

	/* But a chain that another key needs stays. */
	ks = created();
	must_set_key(ks, "web", &world.web, world.web_chain, 3, T0);
	must_set_key(ks, "api", &world.api, world.api_chain, 3, T0);
	must_remove(ks, "web");
	ck_assert_uint_eq(entry_of(ks, "api").n_chain, 3);
	keystore_pkcs12.close(ks);
}
END_TEST

START_TEST(a_trusted_root_in_the_chain_of_a_key_can_be_removed)
{
	struct keystore *ks = created();

	must_set_key(ks, "web", &world.web, world.web_chain, 2, T0);
	must_set_trusted(ks, "root", world.root.der);
	ck_assert_uint_eq(entry_of(ks, "web").n_chain, 3);
	must_remove(ks, "root");
	ck_assert_uint_eq(keystore_pkcs12.count(ks), 1);
	ck_assert_uint_eq(entry_of(ks, "web").n_chain, 2);
	keystore_pkcs12.close(ks);
}
END_TEST

static const struct {
	const char *hex;
} hostile[] = {
	{ "30" },
	{ "3080" },
	{ "30800000" },
	{ "3084ffffffff020103" },
	{ "3085010000000002010330" },
	{ "308002010330800609" },
	{ "30030201033000" },
	{ "3003020104" },
	{ "300e020103300906072a864886f70d010701" },
	/* the content is a signature */
	{ "3010020103300b06092a864886f70d010702" },
};

START_TEST(hostile_structures_are_refused)
{
	uint8_t raw[64];
	size_t n = 0;

	ck_assert(hex_decode(hostile[_i].hex, raw, sizeof(raw), &n));
	uint8_t *exact = malloc(n);
	memcpy(exact, raw, n);
	ck_assert_int_eq(decode_code(&keystore_pkcs12, bytes_of(exact, n), "x", NULL, NULL),
	                 ERR_INVALID);
	free(exact);
}
END_TEST

START_TEST(nesting_has_a_limit)
{
	uint8_t deep[200];
	struct err err = { 0 };

	for (size_t i = 0; i < sizeof(deep); i += 2) {
		deep[i] = 0x30;
		deep[i + 1] = 0x80;
	}
	ck_assert_int_eq(decode_code(&keystore_pkcs12, bytes_of(deep, sizeof(deep)), "x", NULL,
	                             &err),
	                 ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "deeper than 64"));
}
END_TEST

START_TEST(an_unknown_profile_is_refused)
{
	struct keystore *ks = created();
	struct keystore_encode how = { .passwords = passwords("changeit", NULL),
		                       .profile = "Modern1999" };
	struct keystore_part parts[KEYSTORE_PARTS_MAX];
	size_t n;

	ck_assert_int_eq(keystore_pkcs12.encode(ks, &how, parts, &n, NULL), ERR_INVALID);
	keystore_pkcs12.close(ks);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("pkcs12-hostile");

	tcase_add_unchecked_fixture(tc, world_make, world_drop);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, wrong_password_and_changed_file_are_told_apart);
	tcase_add_test(tc, no_truncation_and_no_flipped_bit_passes);
	tcase_add_test(tc, iteration_bombs_are_refused_before_they_are_counted);
	tcase_add_test(tc, a_mac_that_anybody_could_forge_is_refused);
	tcase_add_test(tc, duplicates_and_bags_of_others_are_shown_and_kept);
	tcase_add_test(tc, orphans_are_opaque_and_survive);
	tcase_add_test(tc, renewal_leaves_no_certificate_behind);
	tcase_add_test(tc, a_trusted_root_in_the_chain_of_a_key_can_be_removed);
	tcase_add_loop_test(tc, hostile_structures_are_refused, 0, (int)ARRAY_LEN(hostile));
	tcase_add_test(tc, nesting_has_a_limit);
	tcase_add_test(tc, an_unknown_profile_is_refused);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("pkcs12-hostile", build)
