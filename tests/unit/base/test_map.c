/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_map.c - the hash map.
 */
#include <string.h>

#include "reconciler/base/arena.h"
#include "reconciler/base/map.h"
#include "tests/unit/unit.h"

START_TEST(an_empty_map_holds_nothing)
{
	struct map m;
	struct bytes key;
	size_t pos = 0;
	void *value;

	map_init(&m);
	ck_assert_ptr_null(map_get_str(&m, "x"));
	ck_assert(!map_next(&m, &pos, &key, &value));
	map_release(&m);
}
END_TEST

START_TEST(putting_again_replaces_and_returns_the_old_value)
{
	struct map m;
	int one;
	int two;
	void *old = &one;

	map_init(&m);
	ck_assert_int_eq(map_put_str(&m, "k", &one, &old), 0);
	ck_assert_ptr_null(old);
	ck_assert_int_eq(map_put_str(&m, "k", &two, &old), 0);
	ck_assert_ptr_eq(old, &one);
	ck_assert_ptr_eq(map_get_str(&m, "k"), &two);
	ck_assert_uint_eq(m.n, 1);
	map_release(&m);
}
END_TEST

START_TEST(ten_thousand_keys_are_all_found_and_walked_once)
{
	static char seen[10000];
	struct arena a;
	struct map m;
	struct bytes key;
	void *value;
	size_t pos = 0;
	size_t n = 0;

	memset(seen, 0, sizeof(seen));
	arena_init(&a);
	map_init(&m);
	for (int i = 0; i < 10000; i++) {
		ck_assert_int_eq(map_put_str(&m, arena_printf(&a, "host-%d.example", i), &seen[i],
		                             NULL),
		                 0);
	}
	for (int i = 0; i < 10000; i++) {
		ck_assert_ptr_eq(map_get_str(&m, arena_printf(&a, "host-%d.example", i)), &seen[i]);
	}
	ck_assert_ptr_null(map_get_str(&m, "host-10000.example"));
	while (map_next(&m, &pos, &key, &value)) {
		ck_assert_int_eq(*(char *)value, 0);
		*(char *)value = 1;
		n++;
	}
	ck_assert_uint_eq(n, 10000);
	map_release(&m);
	arena_release(&a);
}
END_TEST

START_TEST(room_that_was_asked_for_keeps_what_there_was)
{
	static int values[3];
	struct map m;

	map_init(&m);
	ck_assert_int_eq(map_reserve(&m, 0), 0);
	ck_assert_int_eq(map_put_str(&m, "a", &values[0], NULL), 0);
	ck_assert_int_eq(map_reserve(&m, 50000), 0);
	size_t cap = m.cap;
	ck_assert_uint_ge(cap, 50001);
	ck_assert_int_eq(map_put_str(&m, "b", &values[1], NULL), 0);
	ck_assert_int_eq(map_reserve(&m, 100), 0);
	ck_assert_uint_eq(m.cap, cap);
	ck_assert_ptr_eq(map_get_str(&m, "a"), &values[0]);
	ck_assert_ptr_eq(map_get_str(&m, "b"), &values[1]);
	ck_assert_int_lt(map_reserve(&m, SIZE_MAX / 2), 0);
	ck_assert_ptr_eq(map_get_str(&m, "a"), &values[0]);
	map_release(&m);
}
END_TEST

START_TEST(keys_are_bytes_of_every_length)
{
	static uint8_t data[100];
	struct map m;

	map_init(&m);
	for (size_t n = 0; n < sizeof(data); n++) {
		ck_assert_int_eq(map_put(&m, bytes_of(data, n), &data[n], NULL), 0);
	}
	for (size_t n = 0; n < sizeof(data); n++) {
		ck_assert_ptr_eq(map_get(&m, bytes_of(data, n)), &data[n]);
	}
	map_release(&m);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("map");

	tcase_add_test(tc, an_empty_map_holds_nothing);
	tcase_add_test(tc, putting_again_replaces_and_returns_the_old_value);
	tcase_add_test(tc, ten_thousand_keys_are_all_found_and_walked_once);
	tcase_add_test(tc, room_that_was_asked_for_keeps_what_there_was);
	tcase_add_test(tc, keys_are_bytes_of_every_length);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("base/map", build)
