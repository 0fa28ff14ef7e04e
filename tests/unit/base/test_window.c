/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_window.c - cron, timezones, daylight saving.
 */
#include <string.h>

#include "reconciler/base/buf.h"
#include "reconciler/base/tz.h"
#include "reconciler/base/when.h"
#include "tests/unit/unit.h"

static struct window window(const char *cron, const char *timezone, int64_t duration_s)
{
	struct window w = { .timezone = timezone, .duration_s = duration_s };
	struct err err = { 0 };

	ck_assert_ok(window_parse_cron(cron, &w, &err), &err);
	return w;
}

static struct wall at(const char *s)
{
	struct wall t = { 0 };

	ck_assert_msg(when_parse(s, &t), "'%s'", s);
	return t;
}

static void next_is(const struct window *w, const char *from, const char *want)
{
	struct wall t = { 0 };
	char text[WHEN_TEXT_MAX];

	ck_assert(window_next_open(w, at(from), at("2099-01-01T00:00:00Z"), &t));
	when_format(t, text);
	ck_assert_str_eq(text, want);
}

START_TEST(stars_lists_ranges_steps_and_names_are_read)
{
	struct window w = window("*/15 1-5,22 1,15 jan,MAR-may mon-fri", NULL, 60);

	ck_assert_uint_eq(w.minutes,
	                  UINT64_C(1) | UINT64_C(1) << 15 | UINT64_C(1) << 30 | UINT64_C(1) << 45);
	ck_assert_uint_eq(w.hours, 0x3Eu | 1u << 22);
	ck_assert_uint_eq(w.days, 1u << 1 | 1u << 15);
	ck_assert_uint_eq(w.months, 1u << 1 | 1u << 3 | 1u << 4 | 1u << 5);
	ck_assert_uint_eq(w.weekdays, 0x3E);
	ck_assert(!w.any_day);
	ck_assert(!w.any_weekday);
}
END_TEST

START_TEST(sunday_is_nought_and_seven)
{
	ck_assert_uint_eq(window("0 0 * * 0", NULL, 1).weekdays, 1);
	ck_assert_uint_eq(window("0 0 * * 7", NULL, 1).weekdays, 1);
	ck_assert_uint_eq(window("0 0 * * fri-sun", NULL, 1).weekdays, 0x61);
	ck_assert_uint_eq(window("0 0 * * 5-7", NULL, 1).weekdays, 0x61);
}
END_TEST

START_TEST(broken_cron_is_refused_with_the_field_named)
{
	static const char *const bad[] = {
		"",
		"* * * *",
		"* * * * * *",
		"60 * * * *",
		"* 24 * * *",
		"* * 0 * *",
		"* * 32 * *",
		"* * * 0 *",
		"* * * 13 *",
		"* * * * 8",
		"5-1 * * * *",
		"*/0 * * * *",
		"5/2 * * * *",
		"1,,2 * * * *",
		"1, * * * *",
		"a * * * *",
		"@daily",
		"* * * foo *",
		"1-2-3 * * * *",
		"-1 * * * *",
	};
	struct window untouched = { .hours = 5 };
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		err_clear(&err);
		ck_assert_msg(window_parse_cron(bad[i], &untouched, &err) == ERR_INVALID, "'%s'",
		              bad[i]);
	}
	ck_assert_uint_eq(untouched.hours, 5);
	err_clear(&err);
	ck_assert_int_eq(window_parse_cron("0 25 * * *", &untouched, &err), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.msg, "hour"));
}
END_TEST

START_TEST(a_window_is_open_from_its_opening_for_its_length)
{
	struct window w = window("0 2 * * *", NULL, 3600);

	ck_assert(!window_is_open(&w, at("2026-11-21T01:59:59Z")));
	ck_assert(window_is_open(&w, at("2026-11-21T02:00:00Z")));
	ck_assert(window_is_open(&w, at("2026-11-21T02:59:59Z")));
	ck_assert(!window_is_open(&w, at("2026-11-21T03:00:00Z")));
}
END_TEST

START_TEST(a_window_lasts_over_midnight)
{
	struct window w = window("30 23 * * sat", NULL, 7200);

	ck_assert(window_is_open(&w, at("2026-11-21T23:30:00Z")));
	ck_assert(window_is_open(&w, at("2026-11-22T01:29:59Z")));
	ck_assert(!window_is_open(&w, at("2026-11-22T01:30:00Z")));
	ck_assert(!window_is_open(&w, at("2026-11-22T23:45:00Z")));
}
END_TEST

START_TEST(either_day_field_is_enough_when_both_are_restricted)
{
	struct window both = window("0 0 13 * fri", NULL, 60);
	struct window day = window("0 0 13 * *", NULL, 60);

	ck_assert(window_is_open(&both, at("2026-11-13T00:00:00Z")));
	ck_assert(window_is_open(&both, at("2026-11-20T00:00:00Z")));
	ck_assert(window_is_open(&both, at("2026-12-13T00:00:00Z")));
	ck_assert(!window_is_open(&both, at("2026-12-14T00:00:00Z")));
	ck_assert(!window_is_open(&day, at("2026-11-20T00:00:00Z")));
}
END_TEST

START_TEST(the_next_opening_is_found)
{
	struct window w = window("0 2 * * sat", NULL, 3600);
	struct window leap = window("0 0 29 2 *", NULL, 3600);

	next_is(&w, "2026-11-21T01:00:00Z", "2026-11-21T02:00:00Z");
	next_is(&w, "2026-11-21T02:30:00Z", "2026-11-21T02:30:00Z");
	next_is(&w, "2026-11-21T03:00:00Z", "2026-11-28T02:00:00Z");
	next_is(&leap, "2025-03-01T00:00:00Z", "2028-02-29T00:00:00Z");
}
END_TEST

START_TEST(an_opening_beyond_the_horizon_is_none)
{
	struct window w = window("0 2 * * sat", NULL, 3600);
	struct window never = window("0 0 31 2 *", NULL, 3600);
	struct wall t = { .s = 7 };

	ck_assert(
		!window_next_open(&w, at("2026-11-21T03:00:00Z"), at("2026-11-28T01:59:59Z"), &t));
	ck_assert(!window_next_open(&never, at("2026-11-21T03:00:00Z"), at("9999-01-01T00:00:00Z"),
	                            &t));
	ck_assert_int_eq(t.s, 7);
}
END_TEST

START_TEST(local_time_follows_daylight_saving)
{
	struct window w = window("0 2 * * *", "Europe/Berlin", 3600);

	next_is(&w, "2026-01-15T00:30:00Z", "2026-01-15T01:00:00Z");
	next_is(&w, "2026-07-14T12:00:00Z", "2026-07-15T00:00:00Z");
}
END_TEST

START_TEST(an_opening_that_is_skipped_happens_at_the_jump)
{
	struct window w = window("30 2 * * *", "Europe/Berlin", 3600);

	next_is(&w, "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z");
	ck_assert(window_is_open(&w, at("2026-03-29T01:59:59Z")));
	ck_assert(!window_is_open(&w, at("2026-03-29T02:00:00Z")));
	next_is(&w, "2026-03-29T03:00:00Z", "2026-03-30T00:30:00Z");
}
END_TEST

START_TEST(an_opening_that_is_repeated_happens_once)
{
	struct window w = window("30 2 * * *", "Europe/Berlin", 600);

	next_is(&w, "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z");
	ck_assert(!window_is_open(&w, at("2026-10-25T01:30:00Z")));
	next_is(&w, "2026-10-25T01:00:00Z", "2026-10-26T01:30:00Z");
}
END_TEST

START_TEST(rules_hold_after_the_last_listed_change)
{
	struct window w = window("0 2 * * *", "Europe/Berlin", 3600);
	struct window south = window("0 2 * * *", "Pacific/Auckland", 3600);

	next_is(&w, "2070-07-14T12:00:00Z", "2070-07-15T00:00:00Z");
	next_is(&w, "2070-12-14T12:00:00Z", "2070-12-15T01:00:00Z");
	next_is(&south, "2070-07-14T00:00:00Z", "2070-07-14T14:00:00Z");
	next_is(&south, "2070-01-14T00:00:00Z", "2070-01-14T13:00:00Z");
}
END_TEST

START_TEST(zones_exist_or_do_not)
{
	ck_assert(window_timezone_exists(NULL));
	ck_assert(window_timezone_exists("UTC"));
	ck_assert(window_timezone_exists("Europe/Berlin"));
	ck_assert(window_timezone_exists("Asia/Kolkata"));
	ck_assert(!window_timezone_exists("Europe/Atlantis"));
	ck_assert(!window_timezone_exists("../../etc/passwd"));
	ck_assert(!window_timezone_exists("/etc/localtime"));
	ck_assert(!window_timezone_exists("Europe"));
	ck_assert(!window_timezone_exists("zone.tab"));
}
END_TEST

START_TEST(a_window_in_no_timezone_never_opens)
{
	struct window w = window("* * * * *", "Mars/Olympus", 3600);
	struct wall t;

	ck_assert(!window_is_open(&w, at("2026-01-01T00:00:00Z")));
	ck_assert(
		!window_next_open(&w, at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"), &t));
}
END_TEST

START_TEST(a_damaged_zone_file_is_no_zone)
{
	struct buf b;
	struct tz *tz;
	uint8_t head[44] = "TZif2";

	buf_init(&b, 1000);
	head[39] = 1;
	buf_add(&b, "TZif2", 5);
	ck_assert_ptr_null(tz_parse(buf_view(&b)));
	buf_reset(&b);
	/* An empty first block, then one type of +1 h, no changes, a rule. */
	buf_add(&b, "TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 44 - 20);
	for (int i = 0; i < 20; i++) {
		buf_add_byte(&b, 0);
	}
	buf_add(&b, head, sizeof(head));
	buf_add_u32be(&b, 3600);
	buf_add_u16be(&b, 0);
	for (size_t n = 0; n < b.len; n++) {
		ck_assert_ptr_null(tz_parse(bytes_of(b.p, n)));
	}
	buf_add_str(&b, "\n<+01>-1\n");
	tz = tz_parse(buf_view(&b));
	ck_assert_ptr_nonnull(tz);
	ck_assert_int_eq(tz_offset(tz, (struct wall){ .s = 0 }), 3600);
	tz_free(tz);
	buf_release(&b);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("window");

	tcase_add_test(tc, stars_lists_ranges_steps_and_names_are_read);
	tcase_add_test(tc, sunday_is_nought_and_seven);
	tcase_add_test(tc, broken_cron_is_refused_with_the_field_named);
	tcase_add_test(tc, a_window_is_open_from_its_opening_for_its_length);
	tcase_add_test(tc, a_window_lasts_over_midnight);
	tcase_add_test(tc, either_day_field_is_enough_when_both_are_restricted);
	tcase_add_test(tc, the_next_opening_is_found);
	tcase_add_test(tc, an_opening_beyond_the_horizon_is_none);
	tcase_add_test(tc, local_time_follows_daylight_saving);
	tcase_add_test(tc, an_opening_that_is_skipped_happens_at_the_jump);
	tcase_add_test(tc, an_opening_that_is_repeated_happens_once);
	tcase_add_test(tc, rules_hold_after_the_last_listed_change);
	tcase_add_test(tc, zones_exist_or_do_not);
	tcase_add_test(tc, a_window_in_no_timezone_never_opens);
	tcase_add_test(tc, a_damaged_zone_file_is_no_zone);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("base/window", build)
