/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_discovering.c - when a Discovery is due, and that an interrupted scan goes on. The ports
 * scanned are closed ones of loopback.
 */
#include "reconciler/base/attr.h"
#include "reconciler/engine/discovering.h"
#include "reconciler/pki/pki.h"
#include "state/scans.h"
#include "tests/unit/state/fixture.h"

#define DAY_S 86400

static struct fixture f;
static struct schedule_spec at_three;
static struct discovery_def def;
static const struct discovery_def *defs[] = { &def };
static struct desired desired;
static struct engine engine;
static const char *ranges[1], *ports[2];
static struct discovering_news news;

static void setup(void)
{
	pki_init(&clock_system);
	fixture_init(&f);
	at_three = (struct schedule_spec){ .window = { .hours = 0 } };
	ck_assert_ok(window_parse_cron("0 3 * * *", &at_three.window, &f.err), &f.err);
	at_three.window.duration_s = 60;
	ranges[0] = "127.0.0.1";
	ports[0] = "1";
	ports[1] = "2";
	def = (struct discovery_def){ .o = { .kind = KIND_DISCOVERY, .name = "dc1" },
		                      .ports = { .n = 1 },
		                      .range_words = ranges,
		                      .n_range_words = 1,
		                      .port_words = ports,
		                      .schedule = &at_three,
		                      .rate = 100000 };
	desired = (struct desired){ .discoveries = defs, .n_discoveries = 1 };
	engine = (struct engine){ .desired = &desired, .store = f.s, .clock = &f.clock.clock };
}

static void teardown(void)
{
	fixture_release(&f);
}

static struct wall now(void)
{
	return f.clock.clock.wall(&f.clock.clock);
}

static void step(struct discovering *x)
{
	err_clear(&f.err);
	ck_assert_ok(discovering_step(x, &engine, &news, &f.err), &f.err);
}

START_TEST(a_scan_waits_for_its_hour_and_is_done_once)
{
	struct discovering *x = discovering_new(now());

	step(x);
	ck_assert_ptr_null(news.tally.name);
	ck_assert_int_gt(news.next.s, now().s);
	ck_assert_int_le(news.next.s, now().s + DAY_S);
	ck_assert_int_eq(news.next.s % DAY_S, 3 * 3600);
	clock_manual_advance(&f.clock, news.next.s - now().s);
	step(x);
	ck_assert_str_eq(news.tally.name, "dc1");
	ck_assert(news.begins && news.ends);
	ck_assert_uint_eq(news.tally.places, 1);
	struct wall begun = now();
	step(x);
	ck_assert_ptr_null(news.tally.name);
	ck_assert_int_eq(news.next.s, begun.s + DAY_S);
	discovering_free(x);
}
END_TEST

START_TEST(an_opening_that_was_slept_through_is_not_made_up_for)
{
	struct discovering *x = discovering_new((struct wall){ 0 });

	step(x); /* never scanned, and nobody waits: at once */
	ck_assert_str_eq(news.tally.name, "dc1");
	discovering_free(x);
	clock_manual_advance(&f.clock, 10 * DAY_S);
	x = discovering_new(now());
	step(x);
	ck_assert_ptr_null(news.tally.name);
	ck_assert_int_gt(news.next.s, now().s);
	discovering_free(x);
}
END_TEST

START_TEST(without_a_schedule_or_suspended_it_is_never_due)
{
	struct discovering *x = discovering_new((struct wall){ 0 });

	def.o.suspend = true;
	step(x);
	ck_assert_ptr_null(news.tally.name);
	ck_assert_int_eq(news.next.s, 0);
	def.o.suspend = false;
	def.schedule = NULL;
	step(x);
	ck_assert_ptr_null(news.tally.name);
	discovering_free(x);
}
END_TEST

/* 8,192 endpoints: two batches. */
static void make_it_long(void)
{
	ranges[0] = "127.0.0.0/20";
	def.ports.n = 2;
}

START_TEST(an_interrupted_scan_goes_on)
{
	struct discovering *x = discovering_new((struct wall){ 0 });
	struct scan_times times;

	make_it_long();
	step(x);
	ck_assert(news.begins && !news.ends);
	discovering_free(x);
	x = discovering_new(now());
	step(x);
	ck_assert(!news.begins && news.ends);
	ck_assert_uint_eq(news.tally.places, 8192);
	ck_assert_ok(store_scan_times(f.s, "dc1", SCAN_OPEN, &times, &f.err), &f.err);
	ck_assert_int_eq(times.begun.s, 0);
	discovering_free(x);
}
END_TEST

START_TEST(a_scan_of_other_ranges_is_begun_anew)
{
	struct discovering *x = discovering_new((struct wall){ 0 });
	struct arena arena;
	struct seen_certs certs;
	struct discovery d = { .arena = &arena, .certs = &certs };
	struct wall begun;

	make_it_long();
	step(x);
	ck_assert(!news.ends);
	def.ports.n = 1;
	ranges[0] = "127.0.0.2";
	desired.tree_digest[0]++;
	step(x);
	ck_assert(news.begins && news.ends);
	ck_assert_uint_eq(news.tally.places, 1);
	arena_init(&arena);
	seen_certs_init(&certs, &arena);
	ck_assert_ok(discovering_recorded(f.s, "dc1", &d, &begun, &f.err), &f.err);
	ck_assert_uint_eq(d.n_places, 1);
	ck_assert_int_eq(begun.s, now().s);
	ck_assert_int_eq(d.compared.s, 0);
	seen_certs_release(&certs);
	arena_release(&arena);
	discovering_free(x);
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("discovering");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_scan_waits_for_its_hour_and_is_done_once);
	tcase_add_test(tc, an_opening_that_was_slept_through_is_not_made_up_for);
	tcase_add_test(tc, without_a_schedule_or_suspended_it_is_never_due);
	tcase_add_test(tc, an_interrupted_scan_goes_on);
	tcase_add_test(tc, a_scan_of_other_ranges_is_begun_anew);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("engine/discovering", build)
