/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_clock.c - time that is passed in, and repeatable randomness.
 */
#include "reconciler/base/clock.h"
#include "reconciler/base/rng.h"
#include "tests/unit/unit.h"

START_TEST(the_manual_clock_stands_still_until_told)
{
	struct clock_manual c;

	clock_manual_init(&c, (struct wall){ .s = 1000 });
	ck_assert_int_eq(c.clock.wall(&c.clock).s, 1000);
	ck_assert_int_eq(c.clock.mono(&c.clock).ms, 0);
	clock_manual_advance(&c, 90);
	ck_assert_int_eq(c.clock.wall(&c.clock).s, 1090);
	ck_assert_int_eq(c.clock.mono(&c.clock).ms, 90000);
}
END_TEST

START_TEST(the_shifted_clock_starts_where_it_is_told)
{
	struct clock_shifted c;
	int64_t s;

	clock_shifted_init(&c, (struct wall){ .s = 4000000000 });
	s = c.clock.wall(&c.clock).s;
	ck_assert_int_ge(s, 4000000000);
	ck_assert_int_lt(s, 4000000060);
}
END_TEST

START_TEST(the_monotonic_clock_does_not_go_back)
{
	int64_t last = clock_system.mono(&clock_system).ms;

	for (int i = 0; i < 1000; i++) {
		int64_t now = clock_system.mono(&clock_system).ms;

		ck_assert_int_ge(now, last);
		last = now;
	}
	ck_assert_int_gt(clock_system.wall(&clock_system).s, 1700000000);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_numbers)
{
	struct rng a;
	struct rng b;

	rng_seed(&a, 42);
	rng_seed(&b, 42);
	for (int i = 0; i < 100; i++) {
		ck_assert_uint_eq(rng_next(&a), rng_next(&b));
	}
	rng_seed(&b, 43);
	ck_assert_uint_ne(rng_next(&a), rng_next(&b));
}
END_TEST

START_TEST(numbers_below_a_bound_reach_all_of_it)
{
	unsigned hits[7] = { 0 };
	struct rng r;

	rng_seed(&r, 1);
	for (int i = 0; i < 7000; i++) {
		hits[rng_below(&r, 7)]++;
	}
	for (int i = 0; i < 7; i++) {
		ck_assert_uint_gt(hits[i], 800);
		ck_assert_uint_lt(hits[i], 1200);
	}
	ck_assert_uint_eq(rng_below(&r, 1), 0);
}
END_TEST

START_TEST(the_hash_of_text_never_changes)
{
	ck_assert_uint_eq(rng_hash_str(""), UINT64_C(0xF52A15E9A9B5E89B));
	ck_assert_uint_eq(rng_hash_str("kms-server"), UINT64_C(0xDE1742F06E750D6E));
	ck_assert_uint_ne(rng_hash_str("web01"), rng_hash_str("web02"));
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("clock");

	tcase_add_test(tc, the_manual_clock_stands_still_until_told);
	tcase_add_test(tc, the_shifted_clock_starts_where_it_is_told);
	tcase_add_test(tc, the_monotonic_clock_does_not_go_back);
	tcase_add_test(tc, the_same_seed_gives_the_same_numbers);
	tcase_add_test(tc, numbers_below_a_bound_reach_all_of_it);
	tcase_add_test(tc, the_hash_of_text_never_changes);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("base/clock", build)
