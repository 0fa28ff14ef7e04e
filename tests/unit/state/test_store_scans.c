/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_store_scans.c - a scan comes back as it was written, part by part; two that ended stay.
 */
#include "state/scans.h"
#include "tests/unit/state/fixture.h"

static void add(struct fixture *f, const char *name, const char *text)
{
	ck_assert_ok(store_scan_add(f->s, name, bytes_of_str(text), &f->err), &f->err);
}

static void scan(struct fixture *f, const char *name, const char *text)
{
	ck_assert_ok(store_scan_begin(f->s, name, &f->err), &f->err);
	add(f, name, text);
	clock_manual_advance(&f->clock, 10);
	ck_assert_ok(store_scan_end(f->s, name, &f->err), &f->err);
	clock_manual_advance(&f->clock, 3600);
}

static void ck_holds(struct fixture *f, const char *name, enum scan_which which, const char *want)
{
	CLEANUP(buf_release) struct buf text = { 0 };

	buf_init(&text, 1 << 20);
	err_clear(&f->err);
	enum err_code rc = store_scan_read(f->s, name, which, &text, &f->err);
	if (want == NULL) {
		ck_assert_int_eq(rc, ERR_NOT_FOUND);
	} else {
		ck_assert_ok(rc, &f->err);
		ck_assert_str_eq(buf_str(&text), want);
	}
}

START_TEST(parts_come_back_in_order_after_a_restart)
{
	struct fixture f;
	struct scan_times times;

	fixture_init(&f);
	ck_assert_ok(store_scan_begin(f.s, "dc1", &f.err), &f.err);
	add(&f, "dc1", "one ");
	add(&f, "dc1", "two ");
	fixture_reopen(&f);
	add(&f, "dc1", "three");
	ck_holds(&f, "dc1", SCAN_OPEN, "one two three");
	ck_assert_ok(store_scan_times(f.s, "dc1", SCAN_OPEN, &times, &f.err), &f.err);
	ck_assert_int_eq(times.begun.s, T0.s);
	ck_assert_int_eq(times.ended.s, 0);
	ck_holds(&f, "dc1", SCAN_LAST, NULL);
	fixture_release(&f);
}
END_TEST

START_TEST(the_last_two_that_ended_stay)
{
	struct fixture f;
	struct scan_times times;

	fixture_init(&f);
	scan(&f, "dc1", "first");
	ck_holds(&f, "dc1", SCAN_BEFORE, NULL);
	scan(&f, "dc1", "second");
	scan(&f, "other", "else");
	scan(&f, "dc1", "third");
	ck_holds(&f, "dc1", SCAN_LAST, "third");
	ck_holds(&f, "dc1", SCAN_BEFORE, "second");
	ck_holds(&f, "dc1", SCAN_OPEN, NULL);
	ck_holds(&f, "other", SCAN_LAST, "else");
	ck_assert_ok(store_scan_times(f.s, "dc1", SCAN_LAST, &times, &f.err), &f.err);
	ck_assert_int_eq(times.ended.s - times.begun.s, 10);
	ck_assert_ok(store_scan_times(f.s, "none", SCAN_LAST, &times, &f.err), &f.err);
	ck_assert_int_eq(times.begun.s, 0);
	fixture_release(&f);
}
END_TEST

START_TEST(what_is_begun_again_or_declared_no_more_is_forgotten)
{
	static const char *const names[] = { "dc1" };
	struct fixture f;

	fixture_init(&f);
	scan(&f, "dc1", "kept");
	scan(&f, "gone", "forgotten");
	ck_assert_ok(store_scan_begin(f.s, "dc1", &f.err), &f.err);
	add(&f, "dc1", "given up");
	ck_assert_ok(store_scan_begin(f.s, "dc1", &f.err), &f.err);
	ck_holds(&f, "dc1", SCAN_OPEN, "");
	ck_assert_ok(store_scans_keep(f.s, names, 1, &f.err), &f.err);
	ck_holds(&f, "dc1", SCAN_LAST, "kept");
	ck_holds(&f, "gone", SCAN_LAST, NULL);
	err_clear(&f.err);
	ck_assert_int_eq(store_scan_add(f.s, "gone", bytes_of_str("x"), &f.err), ERR_NOT_FOUND);
	fixture_release(&f);
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("scans");

	tcase_add_test(tc, parts_come_back_in_order_after_a_restart);
	tcase_add_test(tc, the_last_two_that_ended_stay);
	tcase_add_test(tc, what_is_begun_again_or_declared_no_more_is_forgotten);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("state/store_scans", build)
