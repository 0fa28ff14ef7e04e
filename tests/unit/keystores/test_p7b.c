/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_p7b.c - PKCS#7 bundles of OpenSSL and keytool, and ours before them.
 */
#include <stdio.h>

#include "tests/unit/keystores/support.h"

static struct keystore *created(void)
{
	struct err err = { 0 };
	struct keystore *ks = NULL;

	ck_assert_ok(keystore_p7b.create(&ks, &err), &err);
	return ks;
}

/* The names that openssl prints, in the order of the file. */
static void must_print(const char *command, const char *const *names)
{
	char *out = tool(command);
	const char *at = out;

	for (; *names != NULL; names++) {
		char *line = str_printf("subject=CN = %s\n", *names);

		at = strstr(at, "subject=");
		ck_assert_msg(at != NULL && str_starts(at, line), "%s wanted in: %s", *names, out);
		at += strlen(line);
		free(line);
	}
	ck_assert_ptr_null(strstr(at, "subject="));
	free(out);
}

START_TEST(leaf_is_written_first_whatever_order_it_came_in)
{
	struct keystore *ks = created();

	must_set_trusted(ks, "", world.root.der);
	must_set_trusted(ks, "", world.other.der);
	must_set_trusted(ks, "", world.inter.der);
	must_set_trusted(ks, "", world.web.der);
	encode(ks, "w.p7b", NULL, NULL, NULL);
	encode(ks, "w2.p7b", NULL, NULL, NULL);
	keystore_p7b.close(ks);
	must_print("openssl pkcs7 -in w.p7b -print_certs -noout",
	           (const char *const[]){ "web", "inter", "root", "other", NULL });
	char *java = tool("keytool -printcert -file w.p7b");
	ck_assert_ptr_nonnull(strstr(java, "Certificate[4]"));
	ck_assert_ptr_nonnull(strstr(java, "Owner: CN=web"));
	ck_assert(strstr(java, "Owner: CN=web") < strstr(java, "Owner: CN=inter"));
	free(java);
	struct bytes one = get_file("w.p7b");
	struct bytes two = get_file("w2.p7b");
	ck_assert(bytes_equal(one, two));
	free((void *)(uintptr_t)one.p);
	free((void *)(uintptr_t)two.p);
}
END_TEST

static const struct {
	const char *make, *file;
} sources[] = {
	{ "openssl crl2pkcs7 -nocrl -certfile any.pem -out x.p7b", "x.p7b" },
	{ "openssl crl2pkcs7 -nocrl -certfile any.pem -outform DER -out x.p7b", "x.p7b" },
	{ "openssl cms -sign -binary -indef -stream -signer api.pem -inkey api.key.pem -nocerts "
	  "-certfile any.pem -in any.pem -outform DER -out x.p7b",
	  "x.p7b" },
};

START_TEST(bundle_is_read_in_any_order_and_shape_and_given_back_unchanged)
{
	struct buf any;

	buf_init(&any, KEYSTORE_FILE_LIMIT);
	for (const char *const *name =
	             (const char *const[]){ "root.pem", "other.pem", "inter.pem", "web.pem", NULL };
	     *name != NULL; name++) {
		struct bytes part = get_file(*name);
		buf_add_bytes(&any, part);
		free((void *)(uintptr_t)part.p);
	}
	put_file("any.pem", buf_view(&any));
	buf_release(&any);
	free(tool(sources[_i].make));
	struct bytes file = get_file(sources[_i].file);
	ck_assert(keystore_p7b.recognises(file));
	struct keystore *ks = decode(&keystore_p7b, sources[_i].file, NULL, NULL);
	struct keystore_entry e = { 0 };
	ck_assert_uint_eq(keystore_p7b.count(ks), 4);
	keystore_p7b.entry(ks, 0, &e);
	ck_assert_int_eq(e.kind, KS_TRUSTED);
	ck_assert(bytes_equal(e.chain[0], world.web.der));
	keystore_p7b.entry(ks, 1, &e);
	ck_assert(bytes_equal(e.chain[0], world.inter.der));
	encode(ks, "same.p7b", NULL, NULL, NULL);
	struct bytes same = get_file("same.p7b");
	ck_assert(bytes_equal(file, same));
	free((void *)(uintptr_t)same.p);
	free((void *)(uintptr_t)file.p);

	/* What somebody signed is not edited. */
	struct keystore_encode how = { 0 };
	struct keystore_part part[KEYSTORE_PARTS_MAX];
	struct err err = { 0 };
	size_t n = 0;
	must_set_trusted(ks, "", world.api.der);
	enum err_code rc = keystore_p7b.encode(ks, &how, part, &n, &err);
	ck_assert_int_eq(rc, _i == 2 ? ERR_INVALID : ERR_OK);
	if (rc == ERR_OK) {
		ck_assert_int_eq(part[0].bytes.p[0] == '-', _i == 0);
		keystore_part_release(&part[0]);
	} else {
		ck_assert_ptr_nonnull(strstr(err.msg, "signature"));
	}
	keystore_p7b.close(ks);
}
END_TEST

START_TEST(renewed_leaf_takes_its_place_and_issuers_nobody_needs_go)
{
	struct keystore *ks = created();
	struct keystore_entry e = { 0 };

	must_set_trusted(ks, "", world.web.der);
	must_set_trusted(ks, "", world.inter.der);
	must_set_trusted(ks, "", world.root.der);
	keystore_p7b.entry(ks, 0, &e);
	char *alias = str_dup(e.alias);
	must_set_trusted(ks, alias, world.web2.der); /* of the same issuer */
	ck_assert_uint_eq(keystore_p7b.count(ks), 3);
	keystore_p7b.entry(ks, 0, &e);
	ck_assert(bytes_equal(e.chain[0], world.web2.der));
	free(alias);
	alias = str_dup(e.alias);
	must_set_trusted(ks, alias, world.other.der);
	ck_assert_uint_eq(keystore_p7b.count(ks), 2); /* the root is nobody's to drop */
	free(alias);
	keystore_p7b.close(ks);
}
END_TEST

START_TEST(revocation_lists_and_foreign_elements_stay)
{
	/* SignedData { 1, {}, data, [0] { cert, [2] attribute certificate }, [1] { CRL }, {} } */
	static const uint8_t cert[] = { 0x30, 0x0f, 0x30, 0x0d, 0x02, 0x01, 0x01, 0x30, 0x00,
		                        0x30, 0x00, 0x30, 0x00, 0x30, 0x00, 0x30, 0x00 };
	static const uint8_t head[] = { 0x30, 0x40, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d,
		                        0x01, 0x07, 0x02, 0xa0, 0x33, 0x30, 0x31, 0x02, 0x01, 0x01,
		                        0x31, 0x00, 0x30, 0x0b, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
		                        0xf7, 0x0d, 0x01, 0x07, 0x01, 0xa0, 0x15 };
	static const uint8_t attribute[] = { 0xa2, 0x02, 0x05, 0x00 };
	static const uint8_t rest[] = { 0xa1, 0x04, 0x30, 0x02, 0x05, 0x00, 0x31, 0x00 };
	struct buf file;

	buf_init(&file, KEYSTORE_FILE_LIMIT);
	buf_add(&file, head, sizeof(head));
	buf_add(&file, cert, sizeof(cert));
	buf_add(&file, attribute, sizeof(attribute));
	buf_add(&file, rest, sizeof(rest));
	put_file("odd.p7b", buf_view(&file));
	buf_release(&file);
	struct keystore *ks = decode(&keystore_p7b, "odd.p7b", NULL, NULL);
	ck_assert_uint_eq(keystore_p7b.count(ks), 1);
	must_set_trusted(ks, "", world.web.der);
	encode(ks, "odd2.p7b", NULL, NULL, NULL);
	keystore_p7b.close(ks);
	struct bytes after = get_file("odd2.p7b");
	ck_assert(contains(after, bytes_of(attribute, sizeof(attribute))));
	ck_assert(contains(after, bytes_of(rest, sizeof(rest))));
	ck_assert(contains(after, world.web.der));
	free((void *)(uintptr_t)after.p);
}
END_TEST

START_TEST(armour_of_every_kind_is_recognised)
{
	struct keystore *ks = created();

	must_set_trusted(ks, "", world.web.der);
	encode(ks, "a.p7b", NULL, NULL, NULL);
	keystore_p7b.close(ks);
	struct bytes file = get_file("a.p7b");
	struct buf text;
	buf_init(&text, KEYSTORE_FILE_LIMIT);
	const char *body = strchr((const char *)file.p, '\n') + 1;
	int n = (int)(strstr(body, "-----END") - body);
	static const char *const labels[] = { "PKCS7", "CMS", "PKCS #7 SIGNED DATA",
		                              "CERTIFICATE" };
	for (size_t i = 0; i <= ARRAY_LEN(labels); i++) {
		buf_reset(&text);
		if (i < ARRAY_LEN(labels)) {
			buf_printf(&text,
			           "Your order\r\n-----BEGIN %s-----\r\n%.*s-----END %s-----\r\n",
			           labels[i], n, body, labels[i]);
		} else {
			buf_printf(&text, "%.*s", n, body);
		}
		ck_assert(keystore_p7b.recognises(buf_view(&text)));
		put_file("b.p7b", buf_view(&text));
		ks = decode(&keystore_p7b, "b.p7b", NULL, NULL);
		ck_assert_uint_eq(keystore_p7b.count(ks), 1);
		keystore_p7b.close(ks);
	}
	ck_assert(!keystore_p7b.recognises(world.web.der));
	buf_release(&text);
	struct bytes pem = get_file("web.pem");
	ck_assert(!keystore_p7b.recognises(pem));
	free((void *)(uintptr_t)pem.p);
	free((void *)(uintptr_t)file.p);
}
END_TEST

START_TEST(keys_have_no_place_in_it)
{
	struct keystore *ks = created();
	struct err err = { 0 };

	ck_assert_int_eq(keystore_p7b.set_key(ks, "", &world.web.key, world.web_chain, 1, 0, &err),
	                 ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "no private key"));
	encode(ks, "empty.p7b", NULL, NULL, NULL);
	keystore_p7b.close(ks);
	ks = decode(&keystore_p7b, "empty.p7b", NULL, NULL);
	ck_assert_uint_eq(keystore_p7b.count(ks), 0);
	keystore_p7b.close(ks);
}
END_TEST

START_TEST(a_file_cut_anywhere_is_damaged)
{
	free(tool("openssl crl2pkcs7 -nocrl -certfile chain.pem -outform DER -out cut.p7b"));
	struct bytes file = get_file("cut.p7b");

	for (size_t i = 0; i < file.n; i++) {
		uint8_t *exact = malloc(i + 1);
		memcpy(exact, file.p, i);
		uint8_t *part = realloc(exact, i == 0 ? 1 : i);
		ck_assert_int_eq(decode_code(&keystore_p7b, bytes_of(part, i), NULL, NULL, NULL),
		                 ERR_INVALID);
		free(part);
	}
	ck_assert_int_eq(decode_code(&keystore_p7b, file, NULL, NULL, NULL), ERR_OK);
	free((void *)(uintptr_t)file.p);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("p7b");

	tcase_add_unchecked_fixture(tc, world_make, world_drop);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, leaf_is_written_first_whatever_order_it_came_in);
	tcase_add_loop_test(tc, bundle_is_read_in_any_order_and_shape_and_given_back_unchanged, 0,
	                    (int)ARRAY_LEN(sources));
	tcase_add_test(tc, renewed_leaf_takes_its_place_and_issuers_nobody_needs_go);
	tcase_add_test(tc, revocation_lists_and_foreign_elements_stay);
	tcase_add_test(tc, armour_of_every_kind_is_recognised);
	tcase_add_test(tc, keys_have_no_place_in_it);
	tcase_add_test(tc, a_file_cut_anywhere_is_damaged);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("p7b", build)
