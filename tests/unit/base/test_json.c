/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_json.c - strict reading, streaming writing.
 */
#include <string.h>

#include "reconciler/base/json.h"
#include "tests/unit/unit.h"

static struct json_t *parsed(const char *text)
{
	struct json_t *j = NULL;
	struct err err = { 0 };

	ck_assert_ok(json_parse(text, strlen(text), &j, &err), &err);
	return j;
}

static void refused(const char *text, size_t n)
{
	struct json_t *j = NULL;
	struct err err = { 0 };

	ck_assert_msg(json_parse(text, n, &j, &err) == ERR_INVALID, "'%s'", text);
	ck_assert_ptr_null(j);
}

START_TEST(members_are_read_with_their_types)
{
	struct json_t *j = parsed("{\"s\":\"x\",\"i\":-3,\"b\":true,\"n\":null,\"a\":[1,\"two\"]}");

	ck_assert_str_eq(json_get_str(j, "s", "?"), "x");
	ck_assert_int_eq(json_get_int(j, "i", 9), -3);
	ck_assert(json_get_bool(j, "b", false));
	ck_assert(json_has(j, "n"));
	ck_assert_uint_eq(json_array_len(json_get(j, "a")), 2);
	ck_assert_str_eq(json_as_str(json_array_at(json_get(j, "a"), 1), "?"), "two");
	json_free(j);
}
END_TEST

START_TEST(absent_and_wrong_types_give_the_default)
{
	struct json_t *j = parsed("{\"s\":1,\"i\":\"1\",\"b\":1}");

	ck_assert_str_eq(json_get_str(j, "s", "?"), "?");
	ck_assert_int_eq(json_get_int(j, "i", 9), 9);
	ck_assert(json_get_bool(j, "b", true));
	ck_assert(!json_has(j, "x"));
	ck_assert_ptr_null(json_get(j, "x"));
	ck_assert_uint_eq(json_array_len(j), 0);
	ck_assert_uint_eq(json_array_len(NULL), 0);
	ck_assert_ptr_null(json_array_at(NULL, 0));
	ck_assert_str_eq(json_get_str(NULL, "s", "?"), "?");
	ck_assert_str_eq(json_as_str(NULL, "?"), "?");
	json_free(j);
}
END_TEST

START_TEST(what_is_not_strictly_json_is_refused)
{
	static const char *const bad[] = {
		"",      "{",        "{\"a\":1,}", "[1] x",      "{'a':1}", "[01]",
		"[NaN]", "// c\n[]", "[\"\\x\"]",  "[\"\xFF\"]", "1",       "\xEF\xBB\xBF[]"
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		refused(bad[i], strlen(bad[i]));
	}
}
END_TEST

START_TEST(duplicate_keys_are_refused)
{
	refused("{\"a\":1,\"a\":1}", 13);
}
END_TEST

START_TEST(nul_in_strings_is_refused)
{
	refused("[\"a\\u0000b\"]", 12);
	refused("[\"a\0b\"]", 7);
	refused("[]\0", 3);
}
END_TEST

START_TEST(endless_nesting_is_refused)
{
	static char deep[100000];

	memset(deep, '[', sizeof(deep));
	refused(deep, sizeof(deep));
}
END_TEST

START_TEST(an_error_says_where_and_does_not_quote_the_input)
{
	const char *text = "{\n  \"a\": \x1B[31m }";
	struct json_t *j = NULL;
	struct err err = { 0 };

	ck_assert_int_eq(json_parse(text, strlen(text), &j, &err), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "line 2"));
	ck_assert_ptr_null(strchr(err.msg, '\x1B'));
}
END_TEST

static void join(const char *key, struct json_t *value, void *arg)
{
	struct buf *b = arg;

	buf_printf(b, "%s=%s;", key, json_as_str(value, "?"));
}

START_TEST(members_are_walked_in_sorted_order)
{
	struct json_t *j = parsed("{\"b\":\"2\",\"a\":\"1\",\"ab\":\"3\",\"\":\"0\"}");
	struct buf b;

	buf_init(&b, 100);
	json_object_each(j, join, &b);
	ck_assert_str_eq(buf_str(&b), "=0;a=1;ab=3;b=2;");
	buf_reset(&b);
	json_object_each(NULL, join, &b);
	ck_assert_str_eq(buf_str(&b), "");
	buf_release(&b);
	json_free(j);
}
END_TEST

static void write_sample(struct json_writer *w)
{
	json_begin_object(w);
	json_member_str(w, "name", "web");
	json_key(w, "list");
	json_begin_array(w);
	json_int(w, 1);
	json_begin_object(w);
	json_end_object(w);
	json_str(w, NULL);
	json_end_array(w);
	json_key(w, "empty");
	json_begin_array(w);
	json_end_array(w);
	json_member_bool(w, "yes", true);
	json_member_time(w, "at", 1795226400);
	json_member_time(w, "never", 0);
	json_end_object(w);
}

START_TEST(documents_are_written_compactly)
{
	struct json_writer w;
	struct buf b;

	buf_init(&b, 1000);
	json_writer_init(&w, &b, false);
	write_sample(&w);
	ck_assert_str_eq(buf_str(&b), "{\"name\":\"web\",\"list\":[1,{},null],\"empty\":[],"
	                              "\"yes\":true,\"at\":\"2026-11-21T02:00:00Z\","
	                              "\"never\":null}");
	buf_release(&b);
}
END_TEST

START_TEST(documents_are_written_prettily)
{
	struct json_writer w;
	struct buf b;

	buf_init(&b, 1000);
	json_writer_init(&w, &b, true);
	write_sample(&w);
	ck_assert_str_eq(buf_str(&b), "{\n  \"name\": \"web\",\n  \"list\": [\n    1,\n    {},\n"
	                              "    null\n  ],\n  \"empty\": [],\n  \"yes\": true,\n"
	                              "  \"at\": \"2026-11-21T02:00:00Z\",\n  \"never\": null\n}");
	buf_release(&b);
}
END_TEST

START_TEST(strings_are_escaped_and_repaired)
{
	struct json_writer w;
	struct buf b;

	buf_init(&b, 1000);
	json_writer_init(&w, &b, false);
	json_strn(&w, "a\"\\\n\x01\x7F \xC3\xA4\xFFz", 11);
	ck_assert_str_eq(buf_str(&b), "\"a\\\"\\\\\\n\\u0001\\u007f \xC3\xA4\xEF\xBF\xBDz\"");
	buf_release(&b);
}
END_TEST

START_TEST(what_is_written_reads_back)
{
	static const int64_t numbers[] = { 0, -1, 10, INT64_MAX, INT64_MIN };
	char all[256];
	struct json_writer w;
	struct json_t *j;
	struct buf b;

	for (size_t i = 0; i < 255; i++) {
		all[i] = (char)(i % 127 + 1);
	}
	all[255] = '\0';
	buf_init(&b, 10000);
	json_writer_init(&w, &b, true);
	json_begin_array(&w);
	json_str(&w, all);
	for (size_t i = 0; i < 5; i++) {
		json_begin_object(&w);
		json_member_int(&w, "v", numbers[i]);
		json_end_object(&w);
	}
	json_end_array(&w);
	j = parsed(buf_str(&b));
	ck_assert_str_eq(json_as_str(json_array_at(j, 0), "?"), all);
	for (size_t i = 0; i < 5; i++) {
		ck_assert_int_eq(json_get_int(json_array_at(j, i + 1), "v", 1), numbers[i]);
	}
	json_free(j);
	buf_release(&b);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("json");

	tcase_add_test(tc, members_are_read_with_their_types);
	tcase_add_test(tc, absent_and_wrong_types_give_the_default);
	tcase_add_test(tc, what_is_not_strictly_json_is_refused);
	tcase_add_test(tc, duplicate_keys_are_refused);
	tcase_add_test(tc, nul_in_strings_is_refused);
	tcase_add_test(tc, endless_nesting_is_refused);
	tcase_add_test(tc, an_error_says_where_and_does_not_quote_the_input);
	tcase_add_test(tc, members_are_walked_in_sorted_order);
	tcase_add_test(tc, documents_are_written_compactly);
	tcase_add_test(tc, documents_are_written_prettily);
	tcase_add_test(tc, strings_are_escaped_and_repaired);
	tcase_add_test(tc, what_is_written_reads_back);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("base/json", build)
