/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_secret.c - private bytes.
 */
#include <string.h>

#include "reconciler/base/secret.h"
#include "tests/unit/unit.h"

START_TEST(a_secret_is_a_terminated_copy)
{
	char text[] = "hunter2";
	struct secret s = { 0 };

	ck_assert_str_eq(secret_str(&s), "");
	ck_assert_int_eq(secret_set_str(&s, text), 0);
	text[0] = 'X';
	ck_assert_str_eq(secret_str(&s), "hunter2");
	ck_assert_uint_eq(secret_view(&s).n, 7);
	secret_release(&s);
	ck_assert_ptr_null(s.p);
	secret_release(&s);
}
END_TEST

START_TEST(setting_again_replaces)
{
	struct secret s = { 0 };

	ck_assert_int_eq(secret_set_str(&s, "one"), 0);
	ck_assert_int_eq(secret_set_str(&s, "three"), 0);
	ck_assert_str_eq(secret_str(&s), "three");
	ck_assert_int_eq(secret_set(&s, s.p, 2), 0);
	ck_assert_str_eq(secret_str(&s), "th");
	secret_release(&s);
}
END_TEST

START_TEST(a_secret_takes_over_a_buffer)
{
	struct secret s = { 0 };
	struct buf b;

	buf_init_secret(&b, 100);
	buf_add_str(&b, "key");
	secret_from_buf(&s, &b);
	ck_assert_str_eq(secret_str(&s), "key");
	ck_assert_uint_eq(b.len, 0);
	buf_release(&b);
	secret_release(&s);
}
END_TEST

START_TEST(secrets_compare_by_content)
{
	struct secret a = { 0 };
	struct secret b = { 0 };

	ck_assert(secret_equal(&a, &b));
	ck_assert_int_eq(secret_set_str(&a, "same"), 0);
	ck_assert(!secret_equal(&a, &b));
	ck_assert_int_eq(secret_set_str(&b, "same"), 0);
	ck_assert(secret_equal(&a, &b));
	ck_assert_int_eq(secret_set_str(&b, "sama"), 0);
	ck_assert(!secret_equal(&a, &b));
	secret_release(&a);
	secret_release(&b);
}
END_TEST

START_TEST(wiping_leaves_zeroes)
{
	char key[4] = { 1, 2, 3, 4 };

	secret_wipe(key, sizeof(key));
	ck_assert_mem_eq(key, "\0\0\0\0", 4);
	secret_wipe(NULL, 0);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("secret");

	tcase_add_test(tc, a_secret_is_a_terminated_copy);
	tcase_add_test(tc, setting_again_replaces);
	tcase_add_test(tc, a_secret_takes_over_a_buffer);
	tcase_add_test(tc, secrets_compare_by_content);
	tcase_add_test(tc, wiping_leaves_zeroes);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("base/secret", build)
