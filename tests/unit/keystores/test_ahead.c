/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_ahead.c - a key derived by another thread is the key, and nobody else's. Run it under
 * ThreadSanitizer, too.
 */
#include "providers/keystores/p12_crypto.h"
#include "tests/unit/keystores/support.h"

static struct p12_password pw;
static struct p12_alg alg;

static void init(void)
{
	struct p12_alg like = p12_alg_make(P12_AES256);

	like.iterations = 5000;
	p12_alg_fresh(&like, &alg);
	ck_assert_int_eq(p12_password_init(&pw, password("changeit"), NULL), ERR_OK);
}

static void release(void)
{
	p12_password_release(&pw);
}

START_TEST(it_is_the_key_that_would_have_been_derived)
{
	struct p12_ahead a = { .running = false };
	uint8_t key[P12_KEY_MAX];
	uint8_t want[P12_KEY_MAX];

	p12_ahead_start(&a, &alg, &pw);
	ck_assert_ptr_eq(pw.ahead, &a);
	p12_pbkdf2(alg.prf, secret_view(&pw.v[0].raw), alg.salt, alg.iterations, want,
	           sizeof(want));
	ck_assert(p12_ahead_take(pw.ahead, &alg, &pw.v[0], key));
	ck_assert_mem_eq(key, want, sizeof(want));
	ck_assert(!p12_ahead_take(pw.ahead, &alg, &pw.v[0], key));
	p12_ahead_release(&a);
}
END_TEST

START_TEST(nobody_takes_the_key_of_another)
{
	struct p12_ahead a = { .running = false };
	struct p12_password other = { 0 };
	struct p12_alg like = alg;
	uint8_t key[P12_KEY_MAX] = { 0 };
	static const uint8_t zero[P12_KEY_MAX];

	ck_assert_int_eq(p12_password_init(&other, password("changeme"), NULL), ERR_OK);
	p12_ahead_start(&a, &alg, &pw);
	ck_assert(!p12_ahead_take(&a, &alg, &other.v[0], key));
	like.iterations++;
	ck_assert(!p12_ahead_take(&a, &like, &pw.v[0], key));
	p12_alg_fresh(&alg, &like);
	ck_assert(!p12_ahead_take(&a, &like, &pw.v[0], key));
	like = p12_alg_make(P12_3DES);
	ck_assert(!p12_ahead_take(&a, &like, &pw.v[0], key));
	ck_assert(!p12_ahead_take(/* a= */ NULL, &alg, &pw.v[0], key));
	ck_assert_mem_eq(key, zero, sizeof(key));
	p12_ahead_release(&a);
	ck_assert(!p12_ahead_take(&a, &alg, &pw.v[0], key));
	ck_assert_mem_eq(a.key, zero, sizeof(a.key));
	p12_password_release(&other);
}
END_TEST

START_TEST(what_is_cheap_or_a_bomb_is_left_to_who_needs_it)
{
	static const uint64_t iterations[] = { 0, 1, 2047, 1000001, UINT64_MAX };

	for (size_t i = 0; i < ARRAY_LEN(iterations); i++) {
		struct p12_ahead a = { .running = false };
		alg.iterations = iterations[i];
		p12_ahead_start(&a, &alg, &pw);
		ck_assert(!a.running);
		ck_assert_ptr_null(pw.ahead);
		p12_ahead_release(&a);
	}
}
END_TEST

static void build(Suite *s)
{
	TCase *t = tcase_create("ahead");

	tcase_add_checked_fixture(t, init, release);
	tcase_add_test(t, it_is_the_key_that_would_have_been_derived);
	tcase_add_test(t, nobody_takes_the_key_of_another);
	tcase_add_test(t, what_is_cheap_or_a_bomb_is_left_to_who_needs_it);
	suite_add_tcase(s, t);
}

UNIT_MAIN("keystores/ahead", build)
