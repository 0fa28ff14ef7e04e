/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_zip.c - the archive that an eConnect PDU takes, judged by Python's and Java's readers.
 */
#include <stdio.h>

#include "tests/unit/keystores/support.h"

static const char py_list[] =
	"import zipfile,sys; z=zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; "
	"print([(i.filename,i.compress_type,i.date_time[0],oct(i.external_attr>>16)) for i in "
	"z.infolist()])";
static const char py_make[] =
	"import zipfile,sys; z=zipfile.ZipFile(sys.argv[1],'w',int(sys.argv[2])); "
	"[z.write(f,n) for f,n in (a.split('=') for a in sys.argv[3:])]; z.close()";

/* Programs of Python have spaces: each becomes a file. */
static void make_scripts(void)
{
	put_file("list.py", bytes_of_str(py_list));
	put_file("make.py", bytes_of_str(py_make));
}

static struct keystore *created(void)
{
	struct err err = { 0 };
	struct keystore *ks = NULL;

	ck_assert_ok(keystore_zip.create(&ks, &err), &err);
	return ks;
}

static void encode_as(const struct keystore *ks, const char *file, const char *name)
{
	struct keystore_encode how = { .name = name };
	struct keystore_part part[KEYSTORE_PARTS_MAX];
	struct err err = { 0 };
	size_t n = 0;

	ck_assert_ok(keystore_zip.encode(ks, &how, part, &n, &err), &err);
	ck_assert_uint_eq(n, 1);
	put_file(file, secret_view(&part[0].bytes));
	keystore_part_release(&part[0]);
}

static bool same_files(const char *a, const char *b)
{
	struct bytes one = get_file(a);
	struct bytes two = get_file(b);
	bool same = bytes_equal(one, two);

	free((void *)(uintptr_t)one.p);
	free((void *)(uintptr_t)two.p);
	return same;
}

START_TEST(members_are_named_and_ordered_as_the_pdu_wants_them)
{
	struct keystore *ks = created();

	must_set_key(ks, "", &world.api, world.api_chain, 3, 0);
	encode_as(ks, "pdu1.zip", "pdu1");
	encode_as(ks, "pdu1b.zip", "pdu1");
	keystore_zip.close(ks);
	ck_assert(same_files("pdu1.zip", "pdu1b.zip"));
	make_scripts();
	char *listed = tool("python3 list.py pdu1.zip");
	ck_assert_str_eq(listed, "[('pdu1.key', 0, 1980, '0o100600'), ('pdu1.crt', 0, 1980, "
	                         "'0o100600'), ('pdu1.pem', 0, 1980, '0o100600')]\n");
	free(listed);
	free(tool("jar xf pdu1.zip"));
	free(tool("openssl rsa -in pdu1.key -check -noout"));
	free(tool("openssl verify -CAfile pdu1.pem pdu1.crt"));
	struct bytes key = get_file("pdu1.key");
	ck_assert(str_starts((const char *)key.p, "-----BEGIN RSA PRIVATE KEY-----\n"));
	ck_assert(str_ends((const char *)key.p, "-----END RSA PRIVATE KEY-----\n"));
	ck_assert_ptr_null(memchr(key.p, '\r', key.n));
	free((void *)(uintptr_t)key.p);

	ks = decode(&keystore_zip, "pdu1.zip", NULL, NULL);
	char *ours = describe(ks);
	ck_assert_ptr_nonnull(strstr(ours, "key  - match "));
	ck_assert_uint_eq(entry_of(ks, "").n_chain, 2);
	ck_assert_uint_eq(keystore_zip.count(ks), 2); /* the root is an authority */
	free(ours);
	keystore_zip.close(ks);
}
END_TEST

/* 0 stored, 8 deflated. */
START_TEST(archives_of_others_are_read_given_back_and_edited)
{
	make_scripts();
	char *make = str_printf("python3 make.py in.zip %d note.txt=note.txt api.key.pem=old.key "
	                        "api.pem=old.crt chain.pem=old.pem",
	                        _i * 8);
	put_file("note.txt", bytes_of_str("rack 7, rack 7, rack 7, rack 7, rack 7"));
	free(tool(make));
	free(make);
	struct bytes file = get_file("in.zip");
	ck_assert(keystore_zip.recognises(file));
	ck_assert(!keystore_pem.recognises(file) || _i == 0);
	free((void *)(uintptr_t)file.p);
	struct keystore *ks = decode(&keystore_zip, "in.zip", NULL, NULL);
	char *ours = describe(ks);
	ck_assert_ptr_nonnull(strstr(ours, "key  - match "));
	ck_assert_uint_eq(entry_of(ks, "").n_chain, 2);
	free(ours);
	encode_as(ks, "out.zip", NULL);
	ck_assert(same_files("in.zip", "out.zip"));

	must_set_trusted(ks, "", world.other.der);
	encode_as(ks, "more.zip", NULL);
	free(tool("jar xf more.zip"));
	ck_assert(same_files("old.key", "api.key.pem"));
	ck_assert(same_files("old.crt", "api.pem"));

	must_set_key(ks, "", &world.web, world.web_chain, 2, 0);
	encode_as(ks, "new.zip", "new");
	keystore_zip.close(ks);
	char *listed = tool("python3 list.py new.zip");
	char *end = str_printf("('note.txt', %d, ", _i * 8);
	ck_assert(str_starts(listed, "[('new.key', 0, "));
	ck_assert_msg(strstr(listed, end) != NULL, "%s", listed);
	free(tool("jar xf new.zip"));
	free(tool("openssl verify -CAfile new.pem new.crt"));
	free(tool("openssl ec -in new.key -check -noout"));
	ks = decode(&keystore_zip, "new.zip", NULL, NULL);
	ck_assert_uint_eq(keystore_zip.count(ks), 3); /* key; root and the other one */
	keystore_zip.close(ks);
	free(end);
	free(listed);
}
END_TEST

START_TEST(archives_of_jar_are_read)
{
	put_file("pdu.key", bytes_of_str(""));
	struct bytes key = get_file("web.key.pem");
	struct bytes crt = get_file("web.pem");
	put_file("pdu.key", key);
	put_file("pdu.crt", crt);
	free((void *)(uintptr_t)key.p);
	free((void *)(uintptr_t)crt.p);
	free(tool("jar cfM jar.zip pdu.key pdu.crt"));
	struct keystore *ks = decode(&keystore_zip, "jar.zip", NULL, NULL);
	ck_assert_uint_eq(entry_of(ks, "").n_chain, 1);
	must_set_trusted(ks, "", world.root.der);
	encode_as(ks, "jar2.zip", NULL);
	keystore_zip.close(ks);
	make_scripts();
	char *listed = tool("python3 list.py jar2.zip");
	ck_assert_ptr_nonnull(strstr(listed, "('pdu.pem', 0"));
	free(listed);
}
END_TEST

static const struct {
	const char *members, *word;
} refused[] = {
	{ "api.pem=../up.crt", "plain names" },
	{ "api.pem=/etc/up.crt", "plain names" },
	{ "api.pem=dir/up.crt", "plain names" },
	{ "api.pem=a\\b.crt", "plain names" },
	{ "api.pem=C:x.crt", "plain names" },
	{ "api.pem=.crt", "plain names" },
	{ "api.pem=a.crt web.pem=A.CRT", "two members" },
	{ "api.pem=a.crt web.pem=b.crt", "more than one member" },
	{ "api.key.pem=a.key web.key.pem=a.pem", "two different private keys" },
	{ "big=a.crt", "more than 1 MiB" },
};

START_TEST(what_leads_elsewhere_or_says_things_twice_is_refused)
{
	struct err err = { 0 };
	char line[512];
	char *make = str_printf("python3 -W ignore make.py bad.zip 8 %s", refused[_i].members);
	uint8_t *zeros = calloc(1, 3u << 20);

	make_scripts();
	put_file("big", bytes_of(zeros, 3u << 20));
	free(zeros);
	free(tool(make));
	struct bytes file = get_file("bad.zip");
	ck_assert_int_eq(decode_code(&keystore_zip, file, NULL, NULL, &err), ERR_INVALID);
	err_format(&err, line, sizeof(line));
	ck_assert_msg(strstr(line, refused[_i].word) != NULL, "%s", line);
	free((void *)(uintptr_t)file.p);
	free(make);
}
END_TEST

START_TEST(a_length_that_lies_costs_no_memory)
{
	make_scripts();
	free(tool("python3 make.py lie.zip 8 api.pem=a.crt"));
	struct bytes file = get_file("lie.zip");
	uint8_t *p = (uint8_t *)(uintptr_t)file.p;
	uint8_t *entry = memmem(p, file.n, "PK\1\2", 4);

	ck_assert_int_eq(decode_code(&keystore_zip, file, NULL, NULL, NULL), ERR_OK);
	entry[24]++; /* one more octet than there is */
	ck_assert_int_eq(decode_code(&keystore_zip, file, NULL, NULL, NULL), ERR_INVALID);
	entry[24]--;
	entry[27] = 0x7f;
	ck_assert_int_eq(decode_code(&keystore_zip, file, NULL, NULL, NULL), ERR_INVALID);
	entry[27] = 0;
	entry[8] |= 1; /* encrypted */
	ck_assert_int_eq(decode_code(&keystore_zip, file, NULL, NULL, NULL), ERR_INVALID);
	entry[8] = 0;
	entry[16]++; /* checksum */
	ck_assert_int_eq(decode_code(&keystore_zip, file, NULL, NULL, NULL), ERR_INVALID);
	free(p);
}
END_TEST

START_TEST(an_archive_cut_anywhere_is_damaged)
{
	make_scripts();
	free(tool("python3 make.py cut.zip 8 web.key.pem=a.key web.pem=a.crt"));
	struct bytes file = get_file("cut.zip");

	for (size_t i = 0; i < file.n; i++) {
		uint8_t *exact = malloc(i + 1);
		memcpy(exact, file.p, i);
		uint8_t *part = realloc(exact, i == 0 ? 1 : i);
		ck_assert_int_eq(decode_code(&keystore_zip, bytes_of(part, i), NULL, NULL, NULL),
		                 ERR_INVALID);
		/* "a.key" stands behind 30 octets: from there on it is known for what it was. */
		ck_assert(keystore_zip.recognises(bytes_of(part, i)) == (i >= 35));
		free(part);
	}
	free((void *)(uintptr_t)file.p);
}
END_TEST

START_TEST(what_lies_before_an_archive_is_not_lost_with_an_edit)
{
	CLEANUP(buf_release) struct buf whole = { 0 };
	struct err err = { 0 };

	make_scripts();
	free(tool("python3 make.py after.zip 8 web.key.pem=a.key web.pem=a.crt"));
	struct bytes file = get_file("after.zip");
	buf_init(&whole, KEYSTORE_FILE_LIMIT);
	buf_add_str(&whole, "MZ: a program that unpacks it");
	buf_add_bytes(&whole, file);
	ck_assert_int_eq(decode_code(&keystore_zip, buf_view(&whole), NULL, NULL, &err),
	                 ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "does not begin with a member"));
	ck_assert(!keystore_zip.recognises(buf_view(&whole)));
	free((void *)(uintptr_t)file.p);
}
END_TEST

START_TEST(names_that_no_archive_can_hold_are_refused)
{
	static const char *const names[] = { "", "a/b", "..", "a:b", ".hidden", "\xff" };
	struct keystore *ks = created();
	struct keystore_part part[KEYSTORE_PARTS_MAX];
	size_t n = 0;

	must_set_key(ks, "", &world.web, world.web_chain, 1, 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct keystore_encode how = { .name = names[i] };
		ck_assert_int_eq(keystore_zip.encode(ks, &how, part, &n, NULL), ERR_INVALID);
	}
	keystore_zip.close(ks);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("zip");

	tcase_add_unchecked_fixture(tc, world_make, world_drop);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, members_are_named_and_ordered_as_the_pdu_wants_them);
	tcase_add_loop_test(tc, archives_of_others_are_read_given_back_and_edited, 0, 2);
	tcase_add_test(tc, archives_of_jar_are_read);
	tcase_add_loop_test(tc, what_leads_elsewhere_or_says_things_twice_is_refused, 0,
	                    (int)ARRAY_LEN(refused));
	tcase_add_test(tc, a_length_that_lies_costs_no_memory);
	tcase_add_test(tc, an_archive_cut_anywhere_is_damaged);
	tcase_add_test(tc, what_lies_before_an_archive_is_not_lost_with_an_edit);
	tcase_add_test(tc, names_that_no_archive_can_hold_are_refused);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("zip", build)
