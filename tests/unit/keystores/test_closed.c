/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_closed.c - stores read for their names and certificates alone.
 */
#include "tests/unit/keystores/support.h"

#define T0 1700000000000

static struct keystore *decode_closed(const struct keystore_ops *ops, const char *name,
                                      const char *store)
{
	struct bytes file = get_file(name);
	struct keystore_passwords pw = passwords(store, /* key= */ NULL);
	struct keystore *ks = NULL;
	struct err err = { 0 };

	pw.keys_closed = true;
	ck_assert_ok(ops->decode(&file, 1, &pw, &ks, &err), &err);
	free((void *)(uintptr_t)file.p);
	return ks;
}

static void check_closed(const struct keystore *ks, const char *alias)
{
	struct keystore_entry e = entry_of(ks, alias);
	struct secret key = { 0 };
	size_t i = 0;

	ck_assert(ks->keys_closed);
	ck_assert_int_eq(e.kind, KS_KEY);
	ck_assert_uint_eq(e.n_chain, 2);
	ck_assert(bytes_equal(e.chain[0], world.web.der));
	ck_assert_uint_eq(e.warnings, 0);
	for (struct keystore_entry at = { 0 }; i < ks->ops->count(ks); i++) {
		ks->ops->entry(ks, i, &at);
		if (str_equal(at.folded, e.folded)) {
			break;
		}
	}
	ck_assert_int_eq(ks->ops->key(ks, i, &key, /* err= */ NULL), ERR_DENIED);
}

static void write_with_key_password(const struct keystore_ops *ops, const char *name,
                                    const char *profile)
{
	struct keystore *ks = NULL;
	struct err err = { 0 };

	ck_assert_ok(ops->create(&ks, &err), &err);
	must_set_key(ks, "web", &world.web, world.web_chain, 2, T0);
	must_set_trusted(ks, "other", world.other.der);
	encode(ks, name, "changeit", "another", profile);
	ops->close(ks);
}

START_TEST(keys_may_stay_closed_and_nothing_is_said_about_them)
{
	static const struct {
		const struct keystore_ops *ops;
		const char *profile;
	} formats[] = { { &keystore_jks, NULL },
		        { &keystore_jceks, NULL },
		        { &keystore_pkcs12, "Modern2023" },
		        { &keystore_pkcs12, "LegacyDES" } };

	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		write_with_key_password(formats[i].ops, "closed", formats[i].profile);
		struct keystore *opened = decode(formats[i].ops, "closed", "changeit", NULL);
		struct keystore *closed = decode_closed(formats[i].ops, "closed", "changeit");

		ck_assert_uint_eq(entry_of(opened, "web").warnings, KS_WARN_KEY_UNREADABLE);
		check_closed(closed, "web");
		ck_assert_uint_eq(closed->ops->warnings(closed), opened->ops->warnings(opened));
		if (formats[i].profile != NULL) {
			ck_assert_str_eq(closed->ops->profile(closed), formats[i].profile);
		}
		closed->ops->close(closed);
		opened->ops->close(opened);
	}
}
END_TEST

START_TEST(a_store_with_closed_keys_is_still_checked_as_a_whole)
{
	static const struct keystore_ops *const formats[] = { &keystore_jks, &keystore_jceks,
		                                              &keystore_pkcs12 };

	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		write_with_key_password(formats[i], "wrong", /* profile= */ NULL);
		struct bytes file = get_file("wrong");
		struct keystore_passwords pw = passwords("changeme", /* key= */ NULL);
		struct keystore *ks = NULL;

		pw.keys_closed = true;
		ck_assert_int_eq(formats[i]->decode(&file, 1, &pw, &ks, /* err= */ NULL),
		                 ERR_DENIED);
		free((void *)(uintptr_t)file.p);
	}
}
END_TEST

START_TEST(a_weak_key_encryption_shows_without_opening_it)
{
	write_with_key_password(&keystore_pkcs12, "weak", "LegacyRC2");
	struct keystore *closed = decode_closed(&keystore_pkcs12, "weak", "changeit");

	ck_assert_str_eq(closed->ops->profile(closed), "LegacyRC2");
	ck_assert_uint_ne(closed->ops->warnings(closed) & KS_WARN_WEAK, 0);
	closed->ops->close(closed);
}
END_TEST

START_TEST(an_encrypted_pem_key_without_its_password_is_no_warning)
{
	free(tool("openssl pkcs8 -topk8 -in web.key.pem -passout pass:sesame -out k.pem"));
	struct bytes key = get_file("k.pem");
	struct bytes chain = get_file("chain.pem");
	struct bytes leaf = get_file("web.pem");
	struct buf text = { 0 };

	buf_init(&text, KEYSTORE_FILE_LIMIT);
	buf_add_bytes(&text, key);
	buf_add_bytes(&text, leaf);
	buf_add_bytes(&text, chain);
	put_file("closed.pem", buf_view(&text));
	buf_release(&text);
	free((void *)(uintptr_t)key.p);
	free((void *)(uintptr_t)chain.p);
	free((void *)(uintptr_t)leaf.p);

	struct keystore *ks =
		decode(&keystore_pem, "closed.pem", /* store= */ NULL, /* key= */ NULL);
	ck_assert_uint_eq(entry_of(ks, "").warnings, KS_WARN_KEY_UNREADABLE);
	keystore_pem.close(ks);
	ks = decode_closed(&keystore_pem, "closed.pem", /* store= */ NULL);
	check_closed(ks, "");
	keystore_pem.close(ks);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("closed");

	tcase_add_unchecked_fixture(tc, world_make, world_drop);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, keys_may_stay_closed_and_nothing_is_said_about_them);
	tcase_add_test(tc, a_store_with_closed_keys_is_still_checked_as_a_whole);
	tcase_add_test(tc, a_weak_key_encryption_shows_without_opening_it);
	tcase_add_test(tc, an_encrypted_pem_key_without_its_password_is_no_warning);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("closed", build)
