/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_when.c - times and durations as text.
 */
#include <string.h>

#include "reconciler/base/when.h"
#include "tests/unit/unit.h"

static int64_t at(const char *s)
{
	struct wall t;

	ck_assert_msg(when_parse(s, &t), "'%s'", s);
	return t.s;
}

START_TEST(known_moments_are_read_and_written)
{
	static const struct {
		const char *text;
		int64_t s;
	} rows[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "1969-12-31T23:59:59Z", -1 },
		{ "2000-02-29T12:00:00Z", 951825600 },
		{ "2026-11-21T02:00:00Z", 1795226400 },
		{ "9999-12-31T23:59:59Z", 253402300799 },
		{ "0000-01-01T00:00:00Z", -62167219200 },
		{ "2038-01-19T03:14:08Z", 2147483648 },
	};
	char text[WHEN_TEXT_MAX];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ck_assert_int_eq(at(rows[i].text), rows[i].s);
		when_format((struct wall){ .s = rows[i].s }, text);
		ck_assert_str_eq(text, rows[i].text);
	}
}
END_TEST

START_TEST(offsets_fractions_and_leap_seconds_are_understood)
{
	ck_assert_int_eq(at("2026-11-21T03:00:00+01:00"), 1795226400);
	ck_assert_int_eq(at("2026-11-20T20:30:00-05:30"), 1795226400);
	ck_assert_int_eq(at("2026-11-21t02:00:00.123456789z"), 1795226400);
	ck_assert_int_eq(at("2016-12-31T23:59:60Z"), at("2017-01-01T00:00:00Z"));
}
END_TEST

START_TEST(what_is_not_rfc_3339_is_refused)
{
	static const char *const bad[] = {
		"",
		"2026-11-21",
		"2026-11-21T02:00Z",
		"2026-11-21 02:00:00Z",
		"2026-11-21T02:00:00",
		"2026-11-21T02:00:00.Z",
		"2026-11-21T02:00:00Zx",
		"2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2026-02-29T00:00:00Z",
		"1900-02-29T00:00:00Z",
		"2026-04-31T00:00:00Z",
		"2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z",
		"2026-01-01T00:00:61Z",
		"2026-01-01T00:00:00+24:00",
		"2026-01-01T00:00:00+0100",
		"+026-01-01T00:00:00Z",
	};
	struct wall t = { .s = 7 };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_msg(!when_parse(bad[i], &t), "'%s'", bad[i]);
	}
	ck_assert_int_eq(t.s, 7);
}
END_TEST

START_TEST(times_beyond_four_digits_are_clamped)
{
	char text[WHEN_TEXT_MAX];

	when_format((struct wall){ .s = INT64_MAX }, text);
	ck_assert_str_eq(text, "9999-12-31T23:59:59Z");
	when_format((struct wall){ .s = INT64_MIN }, text);
	ck_assert_str_eq(text, "0000-01-01T00:00:00Z");
}
END_TEST

START_TEST(every_day_of_four_centuries_survives_the_calendar)
{
	int weekday = 6; /* 1 January 2000 */
	int wrong = 0;

	for (int64_t day = 10957; day < 10957 + 146097; day++) {
		int64_t t = day * 86400 + 86399;
		struct civil c = when_civil((struct wall){ .s = t });

		wrong += c.weekday != weekday || c.hour != 23 || when_from_civil(&c).s != t;
		weekday = (weekday + 1) % 7;
	}
	ck_assert_int_eq(wrong, 0);
}
END_TEST

START_TEST(people_get_minutes_and_a_z)
{
	char text[WHEN_TEXT_MAX];

	when_format_short((struct wall){ .s = 1795226459 }, text);
	ck_assert_str_eq(text, "2026-11-21 02:00Z");
}
END_TEST

START_TEST(distances_use_the_largest_unit_of_at_least_two)
{
	static const struct {
		int64_t away;
		const char *text;
	} rows[] = {
		{ 0, "now" },
		{ 1, "now" },
		{ -1, "now" },
		{ 2, "in 2s" },
		{ 119, "in 119s" },
		{ 120, "in 2m" },
		{ -7199, "119m ago" },
		{ -7200, "2h ago" },
		{ 172799, "in 47h" },
		{ 172800, "in 2d" },
		{ 23 * 86400, "in 23d" },
		{ -10800, "3h ago" },
	};
	char text[40];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		when_format_relative((struct wall){ .s = 1000000 + rows[i].away },
		                     (struct wall){ .s = 1000000 }, text, sizeof(text));
		ck_assert_str_eq(text, rows[i].text);
	}
	when_format_relative((struct wall){ .s = INT64_MAX }, (struct wall){ .s = INT64_MIN }, text,
	                     sizeof(text));
	ck_assert_str_eq(text, "in 213503982334601d");
	when_format_relative((struct wall){ .s = 0 }, (struct wall){ .s = 172800 }, text, 5);
	ck_assert_str_eq(text, "2d a");
}
END_TEST

START_TEST(durations_are_read)
{
	static const struct {
		const char *text;
		int64_t s;
	} rows[] = {
		{ "2160h", 7776000 }, { "1h30m", 5400 },  { "15m", 900 },   { "1.5h", 5400 },
		{ "90d", 7776000 },   { "2w", 1209600 },  { "0", 0 },       { "0s", 0 },
		{ "1500ms", 1 },      { ".5m", 30 },      { "1.d", 86400 }, { "1d12h", 129600 },
		{ "0.25s1s", 1 },     { "1000000us", 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t s = -1;

		ck_assert_msg(duration_parse(rows[i].text, &s), "'%s'", rows[i].text);
		ck_assert_int_eq(s, rows[i].s);
	}
}
END_TEST

START_TEST(what_is_no_duration_is_refused)
{
	static const char *const bad[] = { "",      "5",        "h",
		                           "1x",    "-1h",      "+1h",
		                           "1 h",   "1h ",      ".h",
		                           "1..5h", "1h5",      "500ms",
		                           "0.5s",  "9999999h", "99999999999999999999s",
		                           "1001y", "366001d",  "1e3s" };
	int64_t s = 7;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_msg(!duration_parse(bad[i], &s), "'%s'", bad[i]);
	}
	ck_assert_int_eq(s, 7);
}
END_TEST

START_TEST(durations_are_written_and_read_back)
{
	static const int64_t rows[] = { 0,    1,     59,     60,      61,      3600,
		                        9000, 86400, 129600, 7776000, 31536001 };
	char text[40];

	duration_format(9000, text, sizeof(text));
	ck_assert_str_eq(text, "2h30m");
	duration_format(7776000, text, sizeof(text));
	ck_assert_str_eq(text, "90d");
	duration_format(-90, text, sizeof(text));
	ck_assert_str_eq(text, "-1m30s");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int64_t s = -1;

		duration_format(rows[i], text, sizeof(text));
		ck_assert_msg(duration_parse(text, &s), "'%s'", text);
		ck_assert_int_eq(s, rows[i]);
	}
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("when");

	tcase_add_test(tc, known_moments_are_read_and_written);
	tcase_add_test(tc, offsets_fractions_and_leap_seconds_are_understood);
	tcase_add_test(tc, what_is_not_rfc_3339_is_refused);
	tcase_add_test(tc, times_beyond_four_digits_are_clamped);
	tcase_add_test(tc, every_day_of_four_centuries_survives_the_calendar);
	tcase_add_test(tc, people_get_minutes_and_a_z);
	tcase_add_test(tc, distances_use_the_largest_unit_of_at_least_two);
	tcase_add_test(tc, durations_are_read);
	tcase_add_test(tc, what_is_no_duration_is_refused);
	tcase_add_test(tc, durations_are_written_and_read_back);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("base/when", build)
