/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_identify.c - every format is known by its content, whatever the file is called, and what we
 * do not read is refused with its name and a way out.
 */
#include "tests/unit/keystores/support.h"

static const struct keystore_ops *const formats[] = {
	&keystore_jks,   &keystore_pkcs12, &keystore_p7b,       &keystore_zip,
	&keystore_bcfks, &keystore_pem,    &keystore_pem_split, &keystore_der,
};

static const char *type_of(struct bytes file, struct err *err)
{
	const struct keystore_ops *ops = NULL;

	return keystore_identify(formats, ARRAY_LEN(formats), file, &ops, err) == ERR_OK ? ops->type
	                                                                                 : NULL;
}

static void must_be(const char *file, const char *type)
{
	struct bytes content = get_file(file);
	struct err err = { 0 };
	const char *found = type_of(content, &err);

	ck_assert_msg(found != NULL && str_equal(found, type), "%s: %s, wanted %s", file,
	              found == NULL ? err.msg : found, type);
	free((void *)(uintptr_t)content.p);
}

START_TEST(formats_of_real_tools_are_named)
{
	free(oracle("new\tJKS\ntrusted\ta\troot.der\nsave\tx.jks\tsesame\n"
	            "new\tPKCS12\ntrusted\ta\troot.der\nsave\tx.p12\tsesame\n"
	            "new\tBC-PKCS12\ntrusted\ta\troot.der\nsave\tbc.p12\tsesame\n"));
	must_be("x.jks", "jks");
	must_be("x.p12", "pkcs12");
	must_be("bc.p12", "pkcs12");
	free(tool("openssl crl2pkcs7 -nocrl -certfile chain.pem -out pem.p7b"));
	free(tool("openssl crl2pkcs7 -nocrl -certfile chain.pem -outform DER -out der.p7b"));
	free(tool("cp web.pem web.crt"));
	free(tool("jar cfM0 stored.zip web.crt"));
	must_be("stored.zip", "zip");
	must_be("pem.p7b", "p7b");
	must_be("der.p7b", "p7b");
	must_be("web.pem", "pem");
	must_be("web.der", "der");
}
END_TEST

static void must_refuse(struct bytes file, const char *word, const char *hint)
{
	struct err err = { 0 };

	ck_assert_msg(type_of(file, &err) == NULL, "%s", word);
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert_msg(strstr(err.msg, word) != NULL, "%s", err.msg);
	ck_assert_msg(strstr(err.hint, hint) != NULL, "%s", err.hint);
	ck_assert_int_eq(keystore_refuse_foreign(file, /* err= */ NULL), ERR_INVALID);
}

START_TEST(stores_of_bouncycastle_alone_are_refused_by_name)
{
	static const char *const types[] = { "BKS", "UBER" };

	free(oracle("new\tBC-BKS\ntrusted\ta\troot.der\nkey\tk\tsesame\tapi.key\tapi.der\n"
	            "save\tx.BKS\tsesame\nnew\tBC-UBER\ntrusted\ta\troot.der\n"
	            "save\tx.UBER\tsesame\nnew\tBC-BKS\nsave\tempty.BKS\tsesame\n"));
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		char *name = str_printf("x.%s", types[i]);
		struct bytes file = get_file(name);

		must_refuse(file, types[i], "keytool -importkeystore");
		free((void *)(uintptr_t)file.p);
		free(name);
	}
	struct bytes file = get_file("empty.BKS");
	must_refuse(file, "BKS", "PKCS12");
	free((void *)(uintptr_t)file.p);
}
END_TEST

START_TEST(pvk_of_openssl_is_refused_by_name)
{
	free(tool("openssl rsa -in api.key.pem -outform PVK -pvk-none -out api.pvk"));
	struct bytes file = get_file("api.pvk");
	must_refuse(file, "PVK", "openssl rsa -inform PVK");
	free((void *)(uintptr_t)file.p);
}
END_TEST

static const struct {
	struct bytes file;
	const char *word, *hint;
} foreign[] = {
#define TEXT(s)                                                                                    \
	{                                                                                          \
		(const uint8_t *)(s), sizeof(s) - 1                                                \
	}
	{ TEXT("\x37\x48\x06\x00\x00\x00\x00\x01X509KEY\0\0\0"), "KDB", "gskcapicmd" },
	{ TEXT("\0\0\0\0CERT\x20\0\0\0"), "SST", "certmgr" },
	{ TEXT("// mine\n/* all */ domain app1 {\n keystore a keystoreURI=\"x\";\n};\n"), "DKS",
	  "that it lists" },
	{ TEXT("\xff\xfe-\0-\0-\0-\0-\0B\0E\0G\0I\0N\0 \0"), "UTF-16", "iconv" },
	{ TEXT("\xfe\xff\0-\0-\0-\0-\0-\0B\0E\0G\0I\0N\0 "), "UTF-16", "iconv" },
#undef TEXT
};

START_TEST(other_foreign_formats_are_refused_by_name)
{
	must_refuse(foreign[_i].file, foreign[_i].word, foreign[_i].hint);
}
END_TEST

START_TEST(what_nobody_knows_is_no_keystore)
{
	static const char *const texts[] = {
		"",         "hello", "domain",   "domain app1", "// domain", "/* domain x {",
		"\x37\x48", "0",     "domainx {"
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct err err = { 0 };

		ck_assert_msg(type_of(bytes_of_str(texts[i]), &err) == NULL, "%s", texts[i]);
		ck_assert_int_eq(err.code, ERR_INVALID);
		ck_assert_int_eq(keystore_refuse_foreign(bytes_of_str(texts[i]), NULL), ERR_OK);
	}
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("identify");

	tcase_add_unchecked_fixture(tc, world_make, world_drop);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, formats_of_real_tools_are_named);
	tcase_add_test(tc, stores_of_bouncycastle_alone_are_refused_by_name);
	tcase_add_test(tc, pvk_of_openssl_is_refused_by_name);
	tcase_add_loop_test(tc, other_foreign_formats_are_refused_by_name, 0,
	                    (int)ARRAY_LEN(foreign));
	tcase_add_test(tc, what_nobody_knows_is_no_keystore);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("identify", build)
