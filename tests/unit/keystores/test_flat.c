/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_flat.c - PEM, split PEM and DER, with what OpenSSL writes and reads.
 */
#include <stdio.h>

#include "tests/unit/keystores/support.h"

static struct keystore *created(const struct keystore_ops *ops)
{
	struct err err = { 0 };
	struct keystore *ks = NULL;

	ck_assert_ok(ops->create(&ks, &err), &err);
	return ks;
}

static void put_text(const char *name, const char *text)
{
	put_file(name, bytes_of_str(text));
}

/* Heap text of several files, one behind the other. */
static char *joined(const char *const *names)
{
	struct buf out;

	buf_init(&out, KEYSTORE_FILE_LIMIT);
	for (; *names != NULL; names++) {
		struct bytes part = get_file(*names);

		buf_add_bytes(&out, part);
		free((void *)(uintptr_t)part.p);
	}
	buf_add_byte(&out, '\0');
	return (char *)buf_take(&out, NULL);
}

static char *text_of(const char *name)
{
	return joined((const char *const[]){ name, NULL });
}

START_TEST(bundle_is_written_key_first_and_read_by_openssl)
{
	struct keystore *ks = created(&keystore_pem);

	must_set_key(ks, "", &world.web, world.web_chain, 3, 0);
	must_set_trusted(ks, "ca", world.other.der);
	encode(ks, "web.bundle", NULL, NULL, NULL);
	keystore_pem.close(ks);
	char *text = text_of("web.bundle");
	ck_assert(str_starts(text, "-----BEGIN PRIVATE KEY-----\n"));
	free(text);
	free(tool("openssl pkey -in web.bundle -check -noout"));
	free(tool("openssl verify -CAfile root.pem -untrusted web.bundle web.bundle"));

	ks = decode(&keystore_pem, "web.bundle", NULL, NULL);
	struct keystore_entry e = entry_of(ks, "");
	char *ours = describe(ks);
	ck_assert_ptr_nonnull(strstr(ours, "key  - match "));
	ck_assert_int_eq(e.kind, KS_KEY);
	ck_assert_uint_eq(e.n_chain, 2); /* the root is an anchor */
	ck_assert(bytes_equal(e.chain[1], world.inter.der));
	ck_assert_uint_eq(keystore_pem.count(ks), 3);
	free(ours);
	keystore_pem.close(ks);
}
END_TEST

static const char *const orders[][6] = {
	{ "web.key.pem", "web.pem", "inter.pem", NULL },
	{ "web.pem", "inter.pem", "web.key.pem", NULL },
	{ "inter.pem", "root.pem", "web.key.pem", "web.pem", NULL },
	{ "root.pem", "other.pem", "inter.pem", "web.pem", "web.key.pem", NULL },
};

START_TEST(bundle_is_read_in_any_order_and_given_back_unchanged)
{
	char *text = joined(orders[_i]);

	put_text("any.pem", text);
	struct keystore *ks = decode(&keystore_pem, "any.pem", NULL, NULL);
	struct keystore_entry e = entry_of(ks, "");
	ck_assert_uint_eq(e.n_chain, 2);
	ck_assert(bytes_equal(e.chain[0], world.web.der));
	ck_assert(bytes_equal(e.chain[1], world.inter.der));
	encode(ks, "same.pem", NULL, NULL, NULL);
	char *same = text_of("same.pem");
	ck_assert_str_eq(same, text);

	/* A renewal takes the old leaf and its issuers with it, and nothing else. */
	must_set_key(ks, "", &world.web2, world.web2_chain, 2, 0);
	encode(ks, "renewed.pem", NULL, NULL, NULL);
	keystore_pem.close(ks);
	ks = decode(&keystore_pem, "renewed.pem", NULL, NULL);
	e = entry_of(ks, "");
	ck_assert_uint_eq(e.n_chain, 2);
	ck_assert(bytes_equal(e.chain[0], world.web2.der));
	ck_assert_uint_eq(keystore_pem.count(ks), 1 + (size_t)(_i == 2) + 2 * (size_t)(_i == 3));
	keystore_pem.close(ks);
	free(same);
	free(text);
}
END_TEST

START_TEST(comments_and_foreign_blocks_survive_an_edit)
{
	char *web = text_of("web.pem");
	char *key = text_of("web.key.pem");
	char *root = text_of("root.pem");
	char *text = str_printf("# head\r\n%s%s# about the parameters\n"
	                        "-----BEGIN DH PARAMETERS-----\nMAYCAQcCAQU=\n"
	                        "-----END DH PARAMETERS-----\n# the root\n%s# the end",
	                        key, web, root);

	put_text("c.pem", text);
	struct keystore *ks = decode(&keystore_pem, "c.pem", NULL, NULL);
	must_set_key(ks, "", &world.web2, world.web2_chain, 1, 0);
	must_set_trusted(ks, "more", world.other.der);
	encode(ks, "c2.pem", NULL, NULL, NULL);
	char *after = text_of("c2.pem");
	ck_assert_ptr_nonnull(strstr(after, "# about the parameters\n-----BEGIN DH PARAMETERS"));
	ck_assert_ptr_nonnull(strstr(after, "# the root\n-----BEGIN CERTIFICATE"));
	ck_assert(str_ends(after, "# the end"));
	ck_assert_ptr_null(strstr(after, web));
	free(after);
	free(text);
	free(root);
	free(key);
	free(web);
	keystore_pem.close(ks);
}
END_TEST

START_TEST(authorities_are_addressed_by_their_fingerprint)
{
	struct keystore *ks = created(&keystore_pem);
	struct keystore_entry e;

	must_set_trusted(ks, "root", world.root.der);
	must_set_trusted(ks, "again", world.root.der);
	must_set_trusted(ks, "other", world.other.der);
	encode(ks, "ca.pem", NULL, NULL, NULL);
	keystore_pem.close(ks);
	ks = decode(&keystore_pem, "ca.pem", NULL, NULL);
	ck_assert_uint_eq(keystore_pem.count(ks), 2);
	keystore_pem.entry(ks, 0, &e);
	ck_assert_int_eq(e.kind, KS_TRUSTED);
	ck_assert_uint_eq(strlen(e.alias), 16);
	char *alias = str_dup(e.alias);
	must_remove(ks, alias);
	ck_assert_uint_eq(keystore_pem.count(ks), 1);
	ck_assert_int_eq(keystore_pem.remove(ks, alias, NULL), ERR_NOT_FOUND);
	ck_assert_int_eq(keystore_pem.remove(ks, "", NULL), ERR_NOT_FOUND);
	encode(ks, "ca2.pem", NULL, NULL, NULL);
	char *text = text_of("ca2.pem");
	char *other = text_of("other.pem");
	ck_assert_str_eq(text, other);
	free(text);
	free(other);
	free(alias);
	keystore_pem.close(ks);
}
END_TEST

static const struct {
	const char *make; /* writes k.pem */
	const char *password;
	unsigned warnings;
} keys[] = {
	{ "openssl pkcs8 -topk8 -in web.key.pem -passout pass:sesame -out k.pem", "sesame", 0 },
	{ "openssl pkcs8 -topk8 -in web.key.pem -passout pass:sesame -out k.pem", "wrong",
	  KS_WARN_KEY_UNREADABLE },
	{ "openssl pkcs8 -topk8 -in web.key.pem -passout pass:sesame -out k.pem", NULL,
	  KS_WARN_KEY_UNREADABLE },
	{ "openssl ec -in web.key.pem -out k.pem", NULL, 0 },
	{ "openssl ec -in web.key.pem -aes128 -passout pass:sesame -out k.pem", "sesame",
	  KS_WARN_WEAK },
	{ "openssl ec -in web.key.pem -des3 -passout pass:sesame -out k.pem", "sesame",
	  KS_WARN_WEAK },
	{ "openssl ec -in web.key.pem -aes256 -passout pass:sesame -out k.pem", "wrong",
	  KS_WARN_WEAK | KS_WARN_KEY_UNREADABLE },
	{ "openssl pkcs8 -topk8 -scrypt -in web.key.pem -passout pass:sesame -out k.pem", "sesame",
	  0 },
	{ "openssl pkcs8 -topk8 -scrypt -in web.key.pem -passout pass:sesame -out k.pem", "wrong",
	  KS_WARN_KEY_UNREADABLE },
	{ "openssl pkcs8 -topk8 -v2 des3 -in web.key.pem -passout pass:sesame -out k.pem", "sesame",
	  0 },
	{ "openssl pkcs8 -topk8 -v2 aes-128-cbc -v2prf hmacWithSHA512 -in web.key.pem -passout "
	  "pass:sesame -out k.pem",
	  "sesame", 0 },
	{ "openssl pkcs8 -topk8 -v1 PBE-SHA1-3DES -in web.key.pem -passout pass:sesame -out k.pem",
	  "sesame", 0 },
	{ "openssl pkcs8 -provider default -provider legacy -topk8 -v1 PBE-SHA1-RC2-40 -in "
	  "web.key.pem -passout pass:sesame -out k.pem",
	  "sesame", KS_WARN_WEAK },
	{ "openssl pkcs8 -provider default -provider legacy -topk8 -v1 PBE-MD5-DES -in web.key.pem "
	  "-passout pass:sesame -out k.pem",
	  "sesame", KS_WARN_WEAK },
};

START_TEST(keys_of_all_shapes_are_read)
{
	free(tool(keys[_i].make));
	char *text = joined((const char *const[]){ "web.pem", "k.pem", NULL });

	put_text("shape.pem", text);
	struct keystore *ks = decode(&keystore_pem, "shape.pem", NULL, keys[_i].password);
	ck_assert_uint_eq(entry_of(ks, "").warnings, keys[_i].warnings);
	ck_assert_uint_eq(entry_of(ks, "").n_chain, 1);
	char *ours = describe(ks);
	ck_assert_ptr_nonnull(strstr(ours, (keys[_i].warnings & KS_WARN_KEY_UNREADABLE) == 0
	                                           ? "key  - match "
	                                           : "key  - unreadable "));
	/* It stays encrypted as long as nobody replaces it. */
	must_set_trusted(ks, "ca", world.other.der);
	encode(ks, "shape2.pem", NULL, NULL, NULL);
	char *after = text_of("shape2.pem");
	char *key = text_of("k.pem");
	ck_assert_ptr_nonnull(strstr(after, key));
	free(key);
	free(after);
	free(ours);
	free(text);
	keystore_pem.close(ks);
}
END_TEST

/* What OpenSSL's programs print around and between the blocks. */
START_TEST(output_of_openssl_is_read_as_it_is_saved)
{
	free(tool("openssl pkcs12 -export -inkey api.key.pem -in api.pem -certfile chain.pem -name "
	          "api -passout pass:sesame -out bag.p12"));
	free(tool("openssl pkcs12 -in bag.p12 -nodes -passin pass:sesame -out bag.pem"));
	struct keystore *ks = decode(&keystore_pem, "bag.pem", NULL, NULL);
	char *text = text_of("bag.pem");
	ck_assert_ptr_nonnull(strstr(text, "Bag Attributes"));
	char *ours = describe(ks);
	ck_assert_ptr_nonnull(strstr(ours, "key  - match "));
	ck_assert_uint_eq(entry_of(ks, "").n_chain, 2);
	must_set_trusted(ks, "ca", world.other.der);
	encode(ks, "bag2.pem", NULL, NULL, NULL);
	char *after = text_of("bag2.pem");
	ck_assert(str_starts(after, text));
	free(after);
	free(ours);
	free(text);
	keystore_pem.close(ks);
}
END_TEST

static char *with_crlf(const char *text)
{
	struct buf out;

	buf_init(&out, KEYSTORE_FILE_LIMIT);
	for (; *text != '\0'; text++) {
		buf_add_str(&out, *text == '\n' ? "\r" : "");
		buf_add_byte(&out, (uint8_t)*text);
	}
	buf_add_byte(&out, '\0');
	return (char *)buf_take(&out, NULL);
}

START_TEST(text_of_windows_without_a_final_line_end_is_read_and_kept)
{
	free(tool("openssl ec -in web.key.pem -aes128 -passout pass:sesame -out k.pem"));
	char *plain = joined((const char *const[]){ "inter.pem", "k.pem", "web.pem", NULL });
	char *text = with_crlf(plain);

	text[strlen(text) - 2] = '\0';
	put_text("crlf.pem", text);
	struct keystore *ks = decode(&keystore_pem, "crlf.pem", NULL, "sesame");
	char *ours = describe(ks);
	ck_assert_ptr_nonnull(strstr(ours, "key  - match "));
	ck_assert_uint_eq(entry_of(ks, "").n_chain, 2);
	must_set_trusted(ks, "ca", world.other.der);
	encode(ks, "crlf2.pem", NULL, NULL, NULL);
	keystore_pem.close(ks);
	char *after = text_of("crlf2.pem");
	ck_assert(str_starts(after, text));
	ks = decode(&keystore_pem, "crlf2.pem", NULL, "sesame");
	ck_assert_uint_eq(keystore_pem.count(ks), 2);
	keystore_pem.close(ks);
	free(after);
	free(ours);
	free(text);
	free(plain);
}
END_TEST

START_TEST(old_labels_name_certificates_too)
{
	char *web = text_of("web.pem");
	char *x509 =
		str_printf("-----BEGIN X509 CERTIFICATE-----%.*s-----END X509 CERTIFICATE-----\n",
	                   (int)(strstr(web, "-----END") - web - 27), web + 27);

	free(tool("openssl x509 -in inter.pem -trustout -addtrust serverAuth -setalias x -out "
	          "trusted.pem"));
	char *trusted = text_of("trusted.pem");
	ck_assert_ptr_nonnull(strstr(trusted, "BEGIN TRUSTED CERTIFICATE"));
	char *key = text_of("web.key.pem");
	char *text = str_printf("%s%s%s", x509, trusted, key);
	put_text("old.pem", text);
	struct keystore *ks = decode(&keystore_pem, "old.pem", NULL, NULL);
	struct keystore_entry e = entry_of(ks, "");
	ck_assert_uint_eq(e.n_chain, 2);
	ck_assert(bytes_equal(e.chain[0], world.web.der));
	ck_assert(bytes_equal(e.chain[1], world.inter.der));
	encode(ks, "old2.pem", NULL, NULL, NULL);
	char *after = text_of("old2.pem");
	ck_assert_str_eq(after, text);
	free(after);
	free(text);
	free(key);
	free(trusted);
	free(x509);
	free(web);
	keystore_pem.close(ks);
}
END_TEST

START_TEST(two_keys_in_one_file_are_an_error_that_says_so)
{
	char *two = joined((const char *const[]){ "web.key.pem", "web.pem", "api.key.pem", NULL });
	char *twice =
		joined((const char *const[]){ "web.key.pem", "web.pem", "web.key.pem", NULL });
	struct err err = { 0 };

	ck_assert_int_eq(decode_code(&keystore_pem, bytes_of_str(two), NULL, NULL, &err),
	                 ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "two different private keys"));
	ck_assert_int_eq(decode_code(&keystore_pem, bytes_of_str(twice), NULL, NULL, NULL), ERR_OK);
	free(twice);
	free(two);
}
END_TEST

START_TEST(key_of_another_certificate_is_pointed_out)
{
	char *text = joined((const char *const[]){ "web2.key.pem", "web.pem", NULL });

	put_text("stray.pem", text);
	struct keystore *ks = decode(&keystore_pem, "stray.pem", NULL, NULL);
	ck_assert_uint_eq(entry_of(ks, "").warnings, KS_WARN_KEY_MISMATCH);
	keystore_pem.close(ks);
	free(text);
}
END_TEST

START_TEST(binary_keys_alone_are_read)
{
	static const char *const made[] = {
		"openssl pkcs8 -topk8 -nocrypt -in api.key.pem -outform DER -out k.der",
		"openssl rsa -in api.key.pem -traditional -outform DER -out k.der",
		"openssl ec -in web.key.pem -outform DER -out k.der",
		"openssl pkcs8 -topk8 -in web.key.pem -passout pass:sesame -outform DER -out k.der",
	};

	for (size_t i = 0; i < ARRAY_LEN(made); i++) {
		free(tool(made[i]));
		struct bytes file = get_file("k.der");
		ck_assert_msg(keystore_der.recognises(file), "%s", made[i]);
		ck_assert(!keystore_pkcs12.recognises(file) && !keystore_pem.recognises(file));
		struct keystore *ks = decode(&keystore_der, "k.der", NULL, "sesame");
		ck_assert_uint_eq(keystore_der.count(ks), 1);
		ck_assert_int_eq(entry_of(ks, "").kind, KS_KEY);
		ck_assert_uint_eq(entry_of(ks, "").warnings, 0);
		encode(ks, "k2.der", NULL, NULL, NULL);
		struct bytes same = get_file("k2.der");
		ck_assert(bytes_equal(file, same));
		free((void *)(uintptr_t)same.p);
		free((void *)(uintptr_t)file.p);
		keystore_der.close(ks);
	}
}
END_TEST

START_TEST(base64_without_its_lines_is_a_certificate)
{
	char *web = text_of("web.pem");
	char *bare = str_printf("%.*s", (int)(strstr(web, "-----END") - web - 28), web + 28);
	char *text = with_crlf(bare);

	put_text("bare.cer", text);
	ck_assert(keystore_der.recognises(bytes_of_str(text)));
	ck_assert(!keystore_der.recognises(bytes_of_str("MAA=")));
	ck_assert(!keystore_der.recognises(bytes_of_str("Meaningless")));
	struct keystore *ks = decode(&keystore_der, "bare.cer", NULL, NULL);
	struct keystore_entry e = { 0 };
	keystore_der.entry(ks, 0, &e);
	ck_assert(bytes_equal(e.chain[0], world.web.der));
	encode(ks, "bare2.cer", NULL, NULL, NULL);
	char *after = text_of("bare2.cer");
	ck_assert_str_eq(after, text);
	free(after);
	free(text);
	free(bare);
	free(web);
	keystore_der.close(ks);
}
END_TEST

START_TEST(traditional_keys_are_written_when_asked)
{
	struct keystore *ks = created(&keystore_pem);
	struct keystore_encode how = { .traditional = true };
	struct keystore_part part[KEYSTORE_PARTS_MAX];
	size_t n = 0;
	struct err err = { 0 };

	must_set_key(ks, "", &world.api, world.api_chain, 1, 0);
	ck_assert_ok(keystore_pem.encode(ks, &how, part, &n, &err), &err);
	ck_assert(part[0].private);
	ck_assert(str_starts(secret_str(&part[0].bytes), "-----BEGIN RSA PRIVATE KEY-----"));
	keystore_part_release(&part[0]);
	must_remove(ks, "");
	ck_assert_ok(keystore_pem.encode(ks, &how, part, &n, &err), &err);
	ck_assert(!part[0].private);
	keystore_part_release(&part[0]);
	keystore_pem.close(ks);
}
END_TEST

START_TEST(split_store_keeps_the_key_in_its_own_part)
{
	struct keystore *ks = created(&keystore_pem_split);
	struct keystore_encode how = { 0 };
	struct keystore_part part[KEYSTORE_PARTS_MAX];
	size_t n = 0;
	struct err err = { 0 };

	must_set_key(ks, "", &world.web, world.web_chain, 2, 0);
	ck_assert_ok(keystore_pem_split.encode(ks, &how, part, &n, &err), &err);
	ck_assert_uint_eq(n, 2);
	ck_assert(!part[0].private && part[1].private);
	ck_assert_ptr_null(strstr(secret_str(&part[0].bytes), "PRIVATE KEY"));
	ck_assert_ptr_null(strstr(secret_str(&part[1].bytes), "CERTIFICATE"));
	struct bytes parts[2] = { secret_view(&part[0].bytes), { 0 } };
	keystore_pem_split.close(ks);

	/* The key file is gone: the leaf that is left makes way for the new one. */
	struct keystore_passwords pw = { 0 };
	ck_assert_ok(keystore_pem_split.decode(parts, 2, &pw, &ks, &err), &err);
	must_set_key(ks, "", &world.web2, world.web2_chain, 2, 0);
	encode(ks, "split.crt", NULL, NULL, NULL);
	keystore_pem_split.close(ks);
	ks = decode(&keystore_pem_split, "split.crt", NULL, NULL);
	ck_assert_uint_eq(keystore_pem_split.count(ks), 1);
	ck_assert_uint_eq(entry_of(ks, "").n_chain, 2);
	char *ours = describe(ks);
	ck_assert_ptr_nonnull(strstr(ours, "key  - match "));
	free(ours);
	keystore_pem_split.close(ks);
	keystore_part_release(&part[0]);
	keystore_part_release(&part[1]);
}
END_TEST

START_TEST(der_store_holds_leaf_and_key)
{
	struct keystore *ks = created(&keystore_der);

	must_set_key(ks, "", &world.web, world.web_chain, 3, 0);
	encode(ks, "pair.der", NULL, NULL, NULL);
	ck_assert_int_eq(keystore_der.set_trusted(ks, "x", world.root.der, 0, NULL), ERR_INVALID);
	keystore_der.close(ks);
	free(tool("openssl x509 -inform DER -in pair.der -noout"));
	free(tool("openssl pkey -inform DER -in pair.der.key -noout -check"));
	ks = decode(&keystore_der, "pair.der", NULL, NULL);
	char *ours = describe(ks);
	ck_assert_ptr_nonnull(strstr(ours, "key  - match "));
	ck_assert_uint_eq(entry_of(ks, "").n_chain, 1);
	free(ours);
	must_remove(ks, "");
	must_set_trusted(ks, "x", world.root.der);
	encode(ks, "root2.der", NULL, NULL, NULL);
	keystore_der.close(ks);
	struct bytes file = get_file("root2.der");
	ck_assert(bytes_equal(file, world.root.der));
	free((void *)(uintptr_t)file.p);
}
END_TEST

START_TEST(a_bundle_cut_short_is_damaged_not_smaller)
{
	char *text = joined((const char *const[]){ "web.key.pem", "web.pem", "inter.pem", NULL });
	size_t n = strlen(text);

	for (size_t i = 1; i < n; i++) {
		char *copy = malloc(i + 1);
		memcpy(copy, text, i);
		copy[i] = '\0';
		/* Cut between two blocks it is a whole, smaller file: nobody can tell. */
		char *begin = copy;
		for (char *at = begin; (at = strstr(at, "-----BEGIN ")) != NULL; at++) {
			begin = at;
		}
		char *end = strstr(begin, "-----END ");
		bool cut = end == NULL || strstr(end, "KEY-----") == NULL;
		cut = cut && (end == NULL || strstr(end, "ATE-----") == NULL);
		char *exact = realloc(copy, i);
		enum err_code rc = decode_code(&keystore_pem, bytes_of(exact, i), NULL, NULL,
		                               /* err= */ NULL);
		ck_assert_msg(rc == (cut ? ERR_INVALID : ERR_OK), "%zu: %d", i, (int)rc);
		free(exact);
	}
	free(text);
}
END_TEST

static const struct {
	const struct keystore_ops *ops;
	const char *text;
} refused[] = {
	{ &keystore_pem, "hello" },
	{ &keystore_pem, "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n" },
	{ &keystore_pem, "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERT-----\n" },
	{ &keystore_pem, "-----BEGIN CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nMAA=\n"
	                 "-----END CERTIFICATE-----\n" },
	{ &keystore_der, "hello" },
	{ &keystore_der, "\x30\x03\x02\x01" },
};

START_TEST(damaged_text_is_refused)
{
	struct err err = { 0 };

	ck_assert_int_eq(decode_code(refused[_i].ops, bytes_of_str(refused[_i].text), NULL, NULL,
	                             &err),
	                 ERR_INVALID);
	char line[512];
	err_format(&err, line, sizeof(line));
	ck_assert_msg(strstr(line, "offset") != NULL, "%s", line);
}
END_TEST

START_TEST(formats_are_told_apart_by_content)
{
	char *pem = text_of("web.pem");
	struct keystore *ks = created(&keystore_pkcs12);

	must_set_trusted(ks, "a", world.root.der);
	encode(ks, "r.p12", "x", NULL, NULL);
	keystore_pkcs12.close(ks);
	struct bytes p12 = get_file("r.p12");
	ck_assert(keystore_pem.recognises(bytes_of_str(pem)));
	ck_assert(!keystore_pem.recognises(p12));
	ck_assert(keystore_der.recognises(world.web.der));
	ck_assert(!keystore_der.recognises(p12));
	ck_assert(keystore_pkcs12.recognises(p12));
	ck_assert(!keystore_pkcs12.recognises(world.web.der));
	ck_assert(keystore_jks.recognises(bytes_of("\xfe\xed\xfe\xed", 4)));
	ck_assert(!keystore_jks.recognises(p12));
	ck_assert(!keystore_pkcs12.recognises(bytes_of("\x30", 1)));
	free((void *)(uintptr_t)p12.p);
	free(pem);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("flat");

	tcase_add_unchecked_fixture(tc, world_make, world_drop);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, bundle_is_written_key_first_and_read_by_openssl);
	tcase_add_loop_test(tc, bundle_is_read_in_any_order_and_given_back_unchanged, 0,
	                    (int)ARRAY_LEN(orders));
	tcase_add_test(tc, comments_and_foreign_blocks_survive_an_edit);
	tcase_add_test(tc, authorities_are_addressed_by_their_fingerprint);
	tcase_add_loop_test(tc, keys_of_all_shapes_are_read, 0, (int)ARRAY_LEN(keys));
	tcase_add_test(tc, output_of_openssl_is_read_as_it_is_saved);
	tcase_add_test(tc, text_of_windows_without_a_final_line_end_is_read_and_kept);
	tcase_add_test(tc, old_labels_name_certificates_too);
	tcase_add_test(tc, two_keys_in_one_file_are_an_error_that_says_so);
	tcase_add_test(tc, key_of_another_certificate_is_pointed_out);
	tcase_add_test(tc, binary_keys_alone_are_read);
	tcase_add_test(tc, base64_without_its_lines_is_a_certificate);
	tcase_add_test(tc, traditional_keys_are_written_when_asked);
	tcase_add_test(tc, split_store_keeps_the_key_in_its_own_part);
	tcase_add_test(tc, der_store_holds_leaf_and_key);
	tcase_add_test(tc, a_bundle_cut_short_is_damaged_not_smaller);
	tcase_add_loop_test(tc, damaged_text_is_refused, 0, (int)ARRAY_LEN(refused));
	tcase_add_test(tc, formats_are_told_apart_by_content);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("flat", build)
