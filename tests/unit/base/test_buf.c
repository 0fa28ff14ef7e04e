/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_buf.c - growth, limits, stickiness.
 */
#include <stdlib.h>
#include <string.h>

#include "reconciler/base/buf.h"
#include "tests/unit/unit.h"

START_TEST(appended_pieces_come_out_in_order_and_terminated)
{
	struct buf b;

	buf_init(&b, 1000);
	ck_assert_str_eq(buf_str(&b), "");
	buf_add_str(&b, "one ");
	buf_add_byte(&b, '2');
	buf_printf(&b, " %s", "three");
	buf_add_bytes(&b, bytes_of_str("!"));
	ck_assert_str_eq(buf_str(&b), "one 2 three!");
	ck_assert_uint_eq(buf_view(&b).n, 12);
	buf_release(&b);
}
END_TEST

START_TEST(numbers_are_big_endian)
{
	static const uint8_t want[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 };
	struct buf b;

	buf_init(&b, 1000);
	buf_add_u16be(&b, 0x0102);
	buf_add_u32be(&b, 0x03040506);
	buf_add_u64be(&b, UINT64_C(0x0708090A0B0C0D0E));
	ck_assert(bytes_equal(buf_view(&b), bytes_of(want, sizeof(want))));
	buf_release(&b);
}
END_TEST

START_TEST(exactly_the_limit_fits_and_one_more_does_not)
{
	struct err err = { 0 };
	struct buf b;

	buf_init(&b, 4);
	buf_add_str(&b, "1234");
	ck_assert(!buf_failed(&b));
	buf_add_byte(&b, '5');
	ck_assert(buf_failed(&b));
	ck_assert_str_eq(buf_str(&b), "1234");
	ck_assert_int_eq(buf_check(&b, "the plan", &err), ERR_NOMEM);
	ck_assert_ptr_nonnull(strstr(err.msg, "the plan"));
	buf_release(&b);
}
END_TEST

START_TEST(failure_is_sticky_until_reset)
{
	struct err err = { 0 };
	struct buf b;

	buf_init(&b, 4);
	buf_add_str(&b, "12345");
	buf_add_str(&b, "1");
	ck_assert(buf_failed(&b));
	ck_assert_uint_eq(b.len, 0);
	ck_assert_ptr_null(buf_room(&b, 1));
	buf_reset(&b);
	buf_printf(&b, "%d", 1234);
	ck_assert_ok(buf_check(&b, "it", &err), &err);
	ck_assert_str_eq(buf_str(&b), "1234");
	buf_printf(&b, "%d", 5);
	ck_assert(buf_failed(&b));
	buf_release(&b);
}
END_TEST

START_TEST(growing_keeps_what_was_there)
{
	for (int secret = 0; secret < 2; secret++) {
		struct buf b;
		int wrong = 0;

		(secret ? buf_init_secret : buf_init)(&b, 100000);
		for (int i = 0; i < 100000; i++) {
			buf_add_byte(&b, (uint8_t)(i * 7));
		}
		ck_assert(!buf_failed(&b));
		for (int i = 0; i < 100000; i++) {
			wrong += b.p[i] != (uint8_t)(i * 7);
		}
		ck_assert_int_eq(wrong, 0);
		buf_release(&b);
	}
}
END_TEST

START_TEST(room_is_filled_by_the_caller)
{
	struct buf b;
	uint8_t *room;

	buf_init(&b, 10);
	room = buf_room(&b, 10);
	ck_assert_ptr_nonnull(room);
	ck_assert_str_eq(buf_str(&b), "");
	memset(room, 'a', 3);
	buf_grew(&b, 3);
	ck_assert_str_eq(buf_str(&b), "aaa");
	buf_release(&b);
}
END_TEST

START_TEST(taking_leaves_an_empty_buffer)
{
	struct buf b;
	size_t n = 99;
	uint8_t *p;

	buf_init(&b, 10);
	buf_add_str(&b, "abc");
	p = buf_take(&b, &n);
	ck_assert_uint_eq(n, 3);
	ck_assert_str_eq((char *)p, "abc");
	ck_assert_uint_eq(b.len, 0);
	buf_add_str(&b, "d");
	ck_assert_str_eq(buf_str(&b), "d");
	buf_release(&b);
	free(p);
}
END_TEST

START_TEST(memory_is_adopted_by_an_empty_buffer_within_its_limit)
{
	struct buf b;
	uint8_t *p = malloc(8);

	ck_assert_ptr_nonnull(p);
	memcpy(p, "abcdefg", 8);
	buf_init(&b, 4);
	ck_assert(!buf_adopt(&b, p, 5, 8));
	ck_assert(!buf_adopt(&b, p, 4, 4)); /* no room for the NUL */
	ck_assert(buf_adopt(&b, p, 3, 8));
	ck_assert_str_eq(buf_str(&b), "abc");
	ck_assert(!buf_adopt(&b, p, 3, 8)); /* not empty */
	buf_add_byte(&b, 'x');
	ck_assert_str_eq(buf_str(&b), "abcx");
	buf_add_byte(&b, 'y');
	ck_assert(buf_failed(&b));
	buf_release(&b);
}
END_TEST

START_TEST(a_zeroed_buffer_can_be_released)
{
	struct buf b = { 0 };

	buf_release(&b);
	buf_release(&b);
	ck_assert_ptr_null(b.p);
}
END_TEST

START_TEST(adding_nothing_is_allowed)
{
	struct buf b;

	buf_init(&b, 0);
	buf_add(&b, NULL, 0);
	ck_assert(!buf_failed(&b));
	ck_assert_str_eq(buf_str(&b), "");
	buf_release(&b);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("buf");

	tcase_add_test(tc, appended_pieces_come_out_in_order_and_terminated);
	tcase_add_test(tc, numbers_are_big_endian);
	tcase_add_test(tc, exactly_the_limit_fits_and_one_more_does_not);
	tcase_add_test(tc, failure_is_sticky_until_reset);
	tcase_add_test(tc, growing_keeps_what_was_there);
	tcase_add_test(tc, room_is_filled_by_the_caller);
	tcase_add_test(tc, taking_leaves_an_empty_buffer);
	tcase_add_test(tc, memory_is_adopted_by_an_empty_buffer_within_its_limit);
	tcase_add_test(tc, a_zeroed_buffer_can_be_released);
	tcase_add_test(tc, adding_nothing_is_allowed);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("base/buf", build)
