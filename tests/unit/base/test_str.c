/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_str.c - text helpers, escaping, codecs.
 */
#include <string.h>

#include "reconciler/base/str.h"
#include "tests/unit/unit.h"

static struct buf out;

static void fresh(void)
{
	buf_init(&out, 10000);
}

static void done(void)
{
	buf_release(&out);
}

START_TEST(null_equals_null_only)
{
	ck_assert(str_equal(NULL, NULL));
	ck_assert(!str_equal(NULL, ""));
	ck_assert(str_equal("a", "a"));
	ck_assert(!str_equal("a", "b"));
}
END_TEST

START_TEST(beginnings_and_ends_are_recognised)
{
	ck_assert(str_starts("privateCA", "private"));
	ck_assert(!str_starts("pri", "private"));
	ck_assert(str_ends("web.pem", ".pem"));
	ck_assert(!str_ends("pem", ".pem"));
}
END_TEST

START_TEST(numbers_are_decimal_and_within_bounds)
{
	int64_t v = 7;

	ck_assert(str_to_i64("-12", -20, 20, &v));
	ck_assert_int_eq(v, -12);
	ck_assert(str_to_i64("9223372036854775807", 0, INT64_MAX, &v));
	ck_assert_int_eq(v, INT64_MAX);
	ck_assert(!str_to_i64("9223372036854775808", 0, INT64_MAX, &v));
	ck_assert(!str_to_i64("21", -20, 20, &v));
	ck_assert_int_eq(v, INT64_MAX);
}
END_TEST

START_TEST(what_is_not_wholly_a_number_is_none)
{
	static const char *const bad[] = { "", " 1", "1 ", "+1", "0x10", "1e3", "-", "--1", "1\n" };
	int64_t v;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_msg(!str_to_i64(bad[i], -100, 100, &v), "'%s'", bad[i]);
	}
}
END_TEST

START_TEST(utf8_is_checked_strictly)
{
	static const char *const good[] = {
		"", "abc", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x94\x91", "\xF4\x8F\xBF\xBF"
	};
	static const char *const bad[] = { "\x80",
		                           "\xC0\x80",
		                           "\xC1\xBF",
		                           "\xE0\x80\x80",
		                           "\xED\xA0\x80",
		                           "\xF4\x90\x80\x80",
		                           "\xF8\x88\x80\x80\x80",
		                           "\xE2\x82",
		                           "\xC3",
		                           "a\xFF" };

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		ck_assert_msg(str_is_utf8(good[i], strlen(good[i])), "good %zu", i);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_msg(!str_is_utf8(bad[i], strlen(bad[i])), "bad %zu", i);
	}
	ck_assert(!str_is_utf8("a\0b", 3));
}
END_TEST

START_TEST(case_is_folded_for_ascii_only)
{
	char s[] = "Web01.EXAMPLE-\xC3\x84";

	str_lower_ascii(s);
	ck_assert_str_eq(s, "web01.example-\xC3\x84");
	ck_assert_int_eq(str_casecmp_ascii("ABC", "abc"), 0);
	ck_assert_int_lt(str_casecmp_ascii("ab", "ABC"), 0);
	ck_assert_int_gt(str_casecmp_ascii("b", "A"), 0);
}
END_TEST

START_TEST(globs_match_the_whole_text)
{
	static const struct {
		const char *pattern, *s;
		bool match;
	} rows[] = {
		{ "", "", true },
		{ "", "a", false },
		{ "*", "", true },
		{ "*", "abc", true },
		{ "a*c", "abbbc", true },
		{ "a*c", "abbbd", false },
		{ "?", "", false },
		{ "a?c", "abc", true },
		{ "*.example", "a.b.example", true },
		{ "a**b", "ab", true },
		{ "*a*b*", "xxaxxbx", true },
		{ "[a]", "a", false },
		{ "web*", "we", false },
		{ "*ab", "aab", true },
		{ "*x", "y", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ck_assert_msg(str_glob(rows[i].pattern, rows[i].s) == rows[i].match, "%s ~ %s",
		              rows[i].pattern, rows[i].s);
	}
}
END_TEST

START_TEST(a_hostile_glob_does_not_explode)
{
	char text[2001];

	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	ck_assert(!str_glob("*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
}
END_TEST

START_TEST(distance_counts_slips_of_the_finger)
{
	ck_assert_uint_eq(str_distance("apply", "apply", 5), 0);
	ck_assert_uint_eq(str_distance("aplpy", "apply", 5), 1);
	ck_assert_uint_eq(str_distance("aply", "apply", 5), 1);
	ck_assert_uint_eq(str_distance("kitten", "sitting", 5), 3);
	ck_assert_uint_eq(str_distance("kitten", "sitting", 2), 2);
	ck_assert_uint_eq(str_distance("", "abc", 9), 3);
}
END_TEST

START_TEST(the_nearest_word_is_suggested_or_none)
{
	static const char *const verbs[] = { "plan", "apply", "status", "validate" };

	ck_assert_str_eq(str_nearest("aply", verbs, 4), "apply");
	ck_assert_str_eq(str_nearest("plna", verbs, 4), "plan");
	ck_assert_str_eq(str_nearest("vaildtae", verbs, 4), "validate");
	ck_assert_ptr_null(str_nearest("frobnicate", verbs, 4));
	ck_assert_ptr_null(str_nearest("xy", verbs, 4));
}
END_TEST

START_TEST(hex_goes_there_and_back)
{
	uint8_t raw[4];
	char text[9];
	size_t n = 0;

	ck_assert(hex_decode("3F:9a:C1:00", raw, sizeof(raw), &n));
	ck_assert_uint_eq(n, 4);
	hex_encode(bytes_of(raw, n), text);
	ck_assert_str_eq(text, "3f9ac100");
	ck_assert(hex_decode("", raw, sizeof(raw), &n));
	ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(broken_hex_is_refused)
{
	static const char *const bad[] = { "3",   "3g",     "g3",    "3f:",
		                           ":3f", "3f::9a", "3f 9a", "0011223344" };
	uint8_t raw[4];
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_msg(!hex_decode(bad[i], raw, sizeof(raw), &n), "'%s'", bad[i]);
	}
}
END_TEST

START_TEST(base64_matches_the_vectors_of_rfc_4648)
{
	static const char *const rows[][2] = { { "", "" },
		                               { "f", "Zg==" },
		                               { "fo", "Zm8=" },
		                               { "foo", "Zm9v" },
		                               { "foob", "Zm9vYg==" },
		                               { "fooba", "Zm9vYmE=" },
		                               { "foobar", "Zm9vYmFy" } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		fresh();
		base64_encode(bytes_of_str(rows[i][0]), &out);
		ck_assert_str_eq(buf_str(&out), rows[i][1]);
		buf_reset(&out);
		ck_assert(base64_decode(rows[i][1], strlen(rows[i][1]), &out));
		ck_assert_str_eq(buf_str(&out), rows[i][0]);
		done();
	}
}
END_TEST

START_TEST(base64_ignores_line_ends_and_nothing_else)
{
	static const char *const bad[] = { "Zg",       "Zg=",  "Z===",  "Zh==",     "Zm9=", "Zm9v!",
		                           "Zg==Zg==", "=Zm9", "Zm9v=", "Zm9v====", "Zm-_" };

	fresh();
	ck_assert(base64_decode("Zm9v\r\nYm Fy\n", 12, &out));
	ck_assert_str_eq(buf_str(&out), "foobar");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_msg(!base64_decode(bad[i], strlen(bad[i]), &out), "'%s'", bad[i]);
	}
	ck_assert_str_eq(buf_str(&out), "foobar");
	done();
}
END_TEST

START_TEST(terminals_get_no_control_characters)
{
	fresh();
	str_escape_terminal(&out, "ok \xC3\xA4\x1B[31m\n\xE2\x80\xAE\xFF\\", 16);
	ck_assert_str_eq(buf_str(&out), "ok \xC3\xA4\\x1b[31m\\x0a\\xe2\\x80\\xae\\xff\\\\");
	done();
}
END_TEST

START_TEST(a_column_of_a_terminal_ends_in_a_blank)
{
	fresh();
	str_pad_terminal(&out, "ab", 4);
	str_pad_terminal(&out, "\x07", 2);
	str_pad_terminal(&out, "wider", 3);
	ck_assert_str_eq(buf_str(&out), "ab   \\x07  wider ");
	done();
}
END_TEST

START_TEST(markdown_gets_no_markup)
{
	fresh();
	str_escape_markdown(&out, "<b>[x](y)|`", 11);
	ck_assert_str_eq(buf_str(&out), "\\<b\\>\\[x\\]\\(y\\)\\|\\`");
	done();
}
END_TEST

START_TEST(foreign_text_cannot_become_markup)
{
	fresh();
	str_escape_html(&out, "<a href=\"x\" on='y'>&\x1b\xff", 22);
	ck_assert_str_eq(buf_str(&out),
	                 "&#60;a href=&#34;x&#34; on=&#39;y&#39;&#62;&#38;\\x1b\\xff");
	done();
}
END_TEST

START_TEST(printing_to_the_heap_gives_the_whole_text)
{
	char *s = str_printf("%0500d", 7);

	ck_assert_uint_eq(strlen(s), 500);
	free(s);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("str");

	tcase_add_test(tc, null_equals_null_only);
	tcase_add_test(tc, beginnings_and_ends_are_recognised);
	tcase_add_test(tc, numbers_are_decimal_and_within_bounds);
	tcase_add_test(tc, what_is_not_wholly_a_number_is_none);
	tcase_add_test(tc, utf8_is_checked_strictly);
	tcase_add_test(tc, case_is_folded_for_ascii_only);
	tcase_add_test(tc, globs_match_the_whole_text);
	tcase_add_test(tc, a_hostile_glob_does_not_explode);
	tcase_add_test(tc, distance_counts_slips_of_the_finger);
	tcase_add_test(tc, the_nearest_word_is_suggested_or_none);
	tcase_add_test(tc, hex_goes_there_and_back);
	tcase_add_test(tc, broken_hex_is_refused);
	tcase_add_test(tc, base64_matches_the_vectors_of_rfc_4648);
	tcase_add_test(tc, base64_ignores_line_ends_and_nothing_else);
	tcase_add_test(tc, terminals_get_no_control_characters);
	tcase_add_test(tc, a_column_of_a_terminal_ends_in_a_blank);
	tcase_add_test(tc, markdown_gets_no_markup);
	tcase_add_test(tc, foreign_text_cannot_become_markup);
	tcase_add_test(tc, printing_to_the_heap_gives_the_whole_text);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("base/str", build)
