/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_report.c - what the daily report counts, and that nothing foreign escapes into its page.
 */
#include <string.h>

#include "reconciler/base/json.h"
#include "reconciler/engine/report.h"
#include "tests/unit/unit.h"

#define DAY  REPORT_DAY_S
#define T0   ((int64_t)1800000000)
#define EVIL "<script>alert(\"x\")</script>"

static struct arena arena;
static struct err err;

static void setup(void)
{
	arena_init(&arena);
	err_clear(&err);
}

static void teardown(void)
{
	arena_release(&arena);
}

static struct verdict certificate(const char *name, const char *word, int64_t days)
{
	return (struct verdict){ .object_kind = KIND_CERTIFICATE,
		                 .name = name,
		                 .word = word,
		                 .message = EVIL,
		                 .not_after = { T0 + days * DAY },
		                 .renewal = { INT64_MAX },
		                 .margin_s = days * DAY };
}

static struct report build_of(const struct verdict *v, size_t n, const struct journal_entry *e,
                              size_t n_e)
{
	struct plan *p = ARENA_NEW(&arena, struct plan);
	struct report r;

	p->commit = "0123456789abcdef";
	p->observed_at.s = T0 - 60;
	p->verdicts = v;
	p->n_verdicts = n;
	ck_assert_ok(report_build(p, (struct wall){ T0 }, e, n_e, &arena, &r, &err), &err);
	return r;
}

START_TEST(what_is_wrong_comes_first_and_weeks_are_counted)
{
	const struct verdict v[] = {
		certificate("fine", "InSync", 100),   certificate("soon", "Expiring", 6),
		certificate("gone", "Expired", -2),   certificate("week2", "InSync", 8),
		certificate("never", "Unknown", 400),
	};
	struct report r = build_of(v, 5, /* e= */ NULL, 0);

	ck_assert_uint_eq(r.certificates.all, 5);
	ck_assert_uint_eq(r.certificates.healthy, 2);
	ck_assert_uint_eq(r.certificates.unhealthy, 2);
	ck_assert_uint_eq(r.certificates.unknown, 1);
	ck_assert_uint_eq(r.n_attention, 3);
	ck_assert_str_eq(r.attention[0]->name, "gone");
	ck_assert_str_eq(r.attention[1]->name, "soon");
	ck_assert_str_eq(r.expiring[0]->name, "gone");
	ck_assert_str_eq(r.expiring[2]->name, "week2");
	ck_assert_uint_eq(r.expired, 1);
	ck_assert_uint_eq(r.weeks[0], 1);
	ck_assert_uint_eq(r.weeks[1], 1);
	ck_assert_uint_eq(r.later, 2);
}
END_TEST

START_TEST(only_the_last_day_is_told)
{
	const struct journal_entry e[] = {
		{ .at = { T0 - 10 },
		  .action = "push:a",
		  .done = true,
		  .outcome = ERR_IO,
		  .error = "x" },
		{ .at = { T0 - DAY + 1 }, .action = "issue:b", .done = true, .outcome = ERR_OK },
		{ .at = { T0 - DAY }, .action = "issue:c", .done = true, .outcome = ERR_OK },
	};
	struct report r = build_of(/* v= */ NULL, 0, e, 3);

	ck_assert_uint_eq(r.n_events, 2);
	ck_assert_uint_eq(r.done, 1);
	ck_assert_uint_eq(r.failed, 1);
}
END_TEST

START_TEST(foreign_text_is_harmless_on_the_page_and_whole_in_json)
{
	const struct verdict v[] = { certificate("web", "ServedForeign", 3) };
	const struct journal_entry e[] = {
		{ .at = { T0 - 10 },
		  .action = "push:" EVIL,
		  .done = true,
		  .outcome = ERR_IO,
		  .error = EVIL },
	};
	struct report r = build_of(v, 1, e, 1);
	CLEANUP(buf_release) struct buf out = { 0 };

	buf_init(&out, BUF_LIMIT_TEXT);
	report_render_html(&r, &out);
	ck_assert_ptr_null(strstr(buf_str(&out), "<script"));
	ck_assert_ptr_nonnull(strstr(buf_str(&out), "&#60;script&#62;"));
	ck_assert_ptr_nonnull(strstr(buf_str(&out), "Certificate/web"));
	buf_reset(&out);
	report_render_json(&r, &out);
	ck_assert_ptr_nonnull(strstr(buf_str(&out), "<script>alert(\\\"x\\\")</script>"));
	buf_reset(&out);
	report_render_text(&r, &out);
	ck_assert_ptr_nonnull(strstr(buf_str(&out), "FAILED push:"));
	ck_assert_ptr_nonnull(strstr(buf_str(&out), "1 certificate: 0 healthy, 1 to look after"));
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("report");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_wrong_comes_first_and_weeks_are_counted);
	tcase_add_test(tc, only_the_last_day_is_told);
	tcase_add_test(tc, foreign_text_is_harmless_on_the_page_and_whole_in_json);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("engine/report", build)
