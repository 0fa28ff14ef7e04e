/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_arena.c - memory that dies together.
 */
#include <stdint.h>
#include <string.h>

#include "reconciler/base/arena.h"
#include "tests/unit/unit.h"

START_TEST(allocations_are_zeroed_aligned_and_apart)
{
	struct arena a;
	int wrong = 0;

	arena_init(&a);
	for (size_t i = 1; i < 3000; i++) {
		uint8_t *p = arena_alloc(&a, i % 100);

		ck_assert_ptr_nonnull(p);
		ck_assert_uint_eq((uintptr_t)p % 8, 0);
		for (size_t k = 0; k < i % 100; k++) {
			wrong += p[k] != 0;
		}
		memset(p, 0xFF, i % 100);
	}
	ck_assert_int_eq(wrong, 0);
	ck_assert(!arena_failed(&a));
	arena_release(&a);
}
END_TEST

START_TEST(large_pieces_do_not_waste_the_current_block)
{
	struct arena a;
	char *before;
	char *large;
	char *after;

	arena_init(&a);
	before = arena_alloc(&a, 8);
	large = arena_alloc(&a, (size_t)3 << 20);
	after = arena_alloc(&a, 8);
	ck_assert_ptr_nonnull(large);
	ck_assert_ptr_eq(after, before + 8);
	memset(large, 1, (size_t)3 << 20);
	arena_release(&a);
}
END_TEST

START_TEST(a_large_piece_can_come_first)
{
	struct arena a;

	arena_init(&a);
	ck_assert_ptr_nonnull(arena_alloc(&a, (size_t)3 << 20));
	ck_assert_ptr_nonnull(arena_alloc(&a, 8));
	arena_release(&a);
}
END_TEST

START_TEST(impossible_sizes_fail_and_failure_sticks)
{
	struct arena a;

	arena_init(&a);
	ck_assert_ptr_null(arena_alloc(&a, SIZE_MAX));
	ck_assert_ptr_null(arena_array(&a, SIZE_MAX / 2, 3));
	ck_assert(arena_failed(&a));
	ck_assert_ptr_nonnull(arena_alloc(&a, 8));
	ck_assert(arena_failed(&a));
	arena_release(&a);
	ck_assert(!arena_failed(&a));
}
END_TEST

START_TEST(strings_and_bytes_are_copied)
{
	struct arena a;
	char text[] = "certificate";
	struct bytes v;

	arena_init(&a);
	char *s = arena_str(&a, text);
	char *n = arena_strn(&a, text, 4);
	v = arena_bytes(&a, bytes_of_str(text));
	text[0] = 'X';
	ck_assert_str_eq(s, "certificate");
	ck_assert_str_eq(n, "cert");
	ck_assert(bytes_equal(v, bytes_of_str("certificate")));
	ck_assert_ptr_null(arena_bytes(&a, bytes_of(NULL, 0)).p);
	ck_assert_str_eq(arena_printf(&a, "%s-%d", "a", 7), "a-7");
	ck_assert_str_eq(arena_join(&a, (const char *const[]){ "ab", "", "c" }, 3), "abc");
	ck_assert_str_eq(arena_join(&a, NULL, 0), "");
	arena_release(&a);
}
END_TEST

START_TEST(a_vector_grows_and_keeps_its_elements)
{
	struct {
		int *v;
		size_t n, cap;
	} vec = { 0 };
	struct arena a;

	arena_init(&a);
	for (int i = 0; i < 1000; i++) {
		int *e = ARENA_PUSH(&a, &vec);

		ck_assert_ptr_nonnull(e);
		ck_assert_int_eq(*e, 0);
		*e = i;
	}
	for (int i = 0; i < 1000; i++) {
		ck_assert_int_eq(vec.v[i], i);
	}
	arena_release(&a);
}
END_TEST

START_TEST(the_last_vector_grows_where_it_stands_and_others_move)
{
	struct triple {
		char octets[27];
	};
	struct {
		struct triple *v;
		size_t n, cap;
	} vec = { 0 };
	struct arena a;

	arena_init(&a);
	struct triple *first = ARENA_PUSH(&a, &vec);
	ck_assert_ptr_eq(ARENA_PUSH(&a, &vec), first + 1);
	ck_assert_ptr_eq(vec.v, first);
	memset(vec.v, 1, 2 * sizeof(*vec.v));
	char *other = arena_alloc(&a, 100);
	memset(other, 2, 100);
	struct triple *third = ARENA_PUSH(&a, &vec);
	ck_assert_ptr_ne(vec.v, first);
	ck_assert_int_eq(third->octets[26], 0);
	ck_assert_int_eq(vec.v[1].octets[26], 1);
	memset(third, 3, sizeof(*third));
	ck_assert_int_eq(other[0], 2);
	ck_assert_int_eq(other[99], 2);
	arena_release(&a);
}
END_TEST

START_TEST(a_reserved_vector_stays_where_it_is)
{
	struct {
		long *v;
		size_t n, cap;
	} vec = { 0 };
	struct arena a;

	arena_init(&a);
	ARENA_RESERVE(&a, &vec, 0);
	ck_assert_ptr_null(vec.v);
	ARENA_RESERVE(&a, &vec, 100000);
	long *at = vec.v;
	for (long i = 0; i < 100000; i++) {
		*ARENA_PUSH(&a, &vec) = i;
	}
	ck_assert_ptr_eq(vec.v, at);
	ck_assert_int_eq(vec.v[99999], 99999);
	ck_assert_ptr_nonnull(ARENA_PUSH(&a, &vec));
	ck_assert_int_eq(vec.v[99999], 99999);
	arena_release(&a);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("arena");

	tcase_add_test(tc, allocations_are_zeroed_aligned_and_apart);
	tcase_add_test(tc, large_pieces_do_not_waste_the_current_block);
	tcase_add_test(tc, a_large_piece_can_come_first);
	tcase_add_test(tc, impossible_sizes_fail_and_failure_sticks);
	tcase_add_test(tc, strings_and_bytes_are_copied);
	tcase_add_test(tc, a_vector_grows_and_keeps_its_elements);
	tcase_add_test(tc, the_last_vector_grows_where_it_stands_and_others_move);
	tcase_add_test(tc, a_reserved_vector_stays_where_it_is);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("base/arena", build)
