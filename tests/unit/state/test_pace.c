/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_pace.c - what starts when, what is due when, and what is offered next.
 */
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/rng.h"
#include "state/probe/offer.h"
#include "state/probe/pace.h"
#include "state/probe/sighting.h"
#include "state/probe/timers.h"
#include "tests/unit/unit.h"

static struct mono at(int64_t ms)
{
	return (struct mono){ .ms = ms };
}

static size_t start_all(struct pace *p, struct mono now, size_t *ret, size_t max)
{
	size_t n = 0;

	while (n < max && pace_next(p, now, &ret[n])) {
		n++;
	}
	return n;
}

START_TEST(without_limits_all_start_at_once_in_order)
{
	struct look_endpoint looks[5] = {
		{ .host = "a" }, { .host = "a" }, { .host = "b" }, { .host = "a" }, { .host = "c" }
	};
	struct pace p;
	size_t started[8];

	ck_assert(pace_init(&p, looks, 5, 0, 0, at(0)));
	ck_assert_uint_eq(start_all(&p, at(0), started, 8), 5);
	for (size_t i = 0; i < 5; i++) {
		ck_assert_uint_eq(started[i], i);
		pace_done(&p, i);
	}
	ck_assert_int_eq(pace_wait(&p, at(0)), -1);
	pace_release(&p);
}
END_TEST

START_TEST(a_busy_host_holds_up_nobody_else)
{
	struct look_endpoint looks[6] = { { .host = "a" }, { .host = "a" }, { .host = "a" },
		                          { .host = "b" }, { .host = "b" }, { .host = "c" } };
	struct pace p;
	size_t started[8];

	ck_assert(pace_init(&p, looks, 6, 1, 0, at(0)));
	ck_assert_uint_eq(start_all(&p, at(0), started, 8), 3);
	ck_assert_uint_eq(started[0], 0);
	ck_assert_uint_eq(started[1], 3);
	ck_assert_uint_eq(started[2], 5);
	pace_done(&p, 5);
	ck_assert_uint_eq(start_all(&p, at(0), started, 8), 0);
	pace_done(&p, 3);
	pace_done(&p, 0);
	ck_assert_uint_eq(start_all(&p, at(0), started, 8), 2);
	ck_assert_uint_eq(started[0], 4);
	ck_assert_uint_eq(started[1], 1);
	pace_done(&p, 4);
	pace_done(&p, 1);
	ck_assert_uint_eq(start_all(&p, at(0), started, 8), 1);
	ck_assert_uint_eq(started[0], 2);
	pace_done(&p, 2);
	ck_assert_uint_eq(start_all(&p, at(0), started, 8), 0);
	pace_release(&p);
}
END_TEST

START_TEST(a_rate_is_kept_over_time)
{
	static struct look_endpoint looks[1000];
	struct pace p;
	size_t started[1000];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(looks); i++) {
		looks[i].host = "a";
	}
	ck_assert(pace_init(&p, looks, ARRAY_LEN(looks), 0, 100, at(5)));
	int64_t now = 5;
	while (now < 1005) {
		n += start_all(&p, at(now), started, 1000);
		int64_t wait = pace_wait(&p, at(now));
		ck_assert_int_gt(wait, 0);
		now += wait;
	}
	ck_assert_uint_ge(n, 99);
	ck_assert_uint_le(n, 102);
	/* A pause is not made up for by a burst. */
	ck_assert_uint_le(start_all(&p, at(now + 60000), started, 1000), 3);
	pace_release(&p);
}
END_TEST

START_TEST(the_first_due_comes_first)
{
	enum { N = 200 };
	struct timers t;
	struct rng rng;
	int64_t due[N];
	size_t thing;
	struct mono when;

	rng_seed(&rng, 42);
	ck_assert(timers_init(&t, N));
	for (size_t round = 0; round < 4; round++) {
		for (size_t i = 0; i < N; i++) {
			due[i] = (int64_t)rng_below(&rng, 1000);
			timers_set(&t, i, at(due[i]));
		}
	}
	for (size_t i = 0; i < N; i += 3) {
		timers_remove(&t, i);
		timers_remove(&t, i);
	}
	int64_t last = 0;
	size_t n = 0;
	for (; timers_first(&t, &thing, &when); n++) {
		ck_assert_uint_ne(thing % 3, 0);
		ck_assert_int_eq(when.ms, due[thing]);
		ck_assert_int_ge(when.ms, last);
		last = when.ms;
		timers_remove(&t, thing);
	}
	ck_assert_uint_eq(n, N - (N + 2) / 3);
	timers_release(&t);
}
END_TEST

static const struct offer_end cut = { .has_name = true, .alert = -1 };

START_TEST(a_look_without_proof_falls_back_to_what_clients_offer)
{
	struct offer o = offer_first(/* wants_proof= */ false, /* completes= */ false);

	ck_assert_int_eq(o.kind, OFFER_GLANCE);
	ck_assert(offer_next(&o, &cut));
	ck_assert_int_eq(o.kind, OFFER_VEILED);
	struct offer_end end = { .alert = ALERT_PROTOCOL_VERSION };
	struct offer old = o;
	ck_assert(!offer_next(&old, &end));
	ck_assert(offer_next(&o, &cut));
	ck_assert_int_eq(o.kind, OFFER_COMMON);
	ck_assert(!offer_next(&o, &cut));
}
END_TEST

START_TEST(who_completes_handshakes_begins_with_the_library)
{
	struct offer o = offer_first(/* wants_proof= */ true, /* completes= */ true);
	struct offer_end end = { .wanted_proof = true, .completes = true, .alert = -1 };

	ck_assert_int_eq(o.kind, OFFER_COMMON);
	ck_assert(offer_next(&o, &end));
	ck_assert_int_eq(o.kind, OFFER_PERMISSIVE);
}
END_TEST

START_TEST(a_look_for_proof_ends_with_a_glance)
{
	struct offer o = offer_first(/* wants_proof= */ true, /* completes= */ false);
	struct offer_end end = cut;

	end.wanted_proof = true;
	ck_assert_int_eq(o.kind, OFFER_VEILED);
	ck_assert(offer_next(&o, &end));
	ck_assert_int_eq(o.kind, OFFER_COMMON);
	ck_assert(offer_next(&o, &end));
	ck_assert_int_eq(o.kind, OFFER_PERMISSIVE);
	struct offer seen = o;
	ck_assert(offer_next(&o, &end));
	ck_assert_int_eq(o.kind, OFFER_GLANCE);
	ck_assert(!offer_next(&o, &end));
	end.seen = true;
	ck_assert(!offer_next(&seen, &end));
	end.proven = true;
	o = offer_first(/* wants_proof= */ true, /* completes= */ false);
	ck_assert(!offer_next(&o, &end));
}
END_TEST

START_TEST(a_refused_name_is_left_out_once)
{
	struct offer o = offer_first(/* wants_proof= */ true, /* completes= */ false);
	struct offer_end end = { .has_name = true,
		                 .wanted_proof = true,
		                 .alert = ALERT_UNRECOGNIZED_NAME };

	ck_assert(offer_next(&o, &end));
	ck_assert_int_eq(o.kind, OFFER_VEILED);
	ck_assert(o.nameless);
	ck_assert(!offer_next(&o, &end));
	o = offer_first(/* wants_proof= */ true, /* completes= */ false);
	end.has_name = false;
	ck_assert(!offer_next(&o, &end));
}
END_TEST

START_TEST(who_hangs_up_on_a_name_is_asked_without_one_at_last)
{
	struct offer o = offer_first(/* wants_proof= */ false, /* completes= */ false);
	struct offer_end end = cut;

	end.hung_up = true;
	ck_assert(offer_next(&o, &end));
	ck_assert(offer_next(&o, &end));
	ck_assert(!o.nameless);
	ck_assert(offer_next(&o, &end));
	ck_assert(o.nameless);
	ck_assert_int_eq(o.kind, OFFER_GLANCE);
	ck_assert(offer_next(&o, &end));
	ck_assert(offer_next(&o, &end));
	ck_assert(!offer_next(&o, &end));
}
END_TEST

START_TEST(what_is_not_tls_is_not_asked_again)
{
	struct offer o = offer_first(/* wants_proof= */ false, /* completes= */ false);
	struct offer_end end = cut;

	end.foreign = true;
	ck_assert(!offer_next(&o, &end));
}
END_TEST

START_TEST(a_twin_is_asked_for_by_its_kind_of_key)
{
	struct offer seen = { .kind = OFFER_COMMON, .nameless = true };
	struct offer o = offer_twin(&seen, /* leaf_rsa= */ true);
	struct offer_end end = { .alert = ALERT_HANDSHAKE_FAILURE };

	ck_assert_int_eq(o.kind, OFFER_GLANCE);
	ck_assert_int_eq(o.keys, HELLO_KEYS_ECDSA);
	ck_assert(o.nameless);
	struct offer other = o;
	ck_assert(!offer_next_twin(&other, /* seen_tls13= */ false, &end));
	ck_assert(offer_next_twin(&o, /* seen_tls13= */ true, &end));
	ck_assert_int_eq(o.kind, OFFER_COMMON);
	ck_assert(!offer_next_twin(&o, /* seen_tls13= */ true, &end));
	ck_assert_int_eq(offer_twin(&seen, /* leaf_rsa= */ false).keys, HELLO_KEYS_RSA);
}
END_TEST

static void build(Suite *s)
{
	TCase *t = tcase_create("pace");

	tcase_add_test(t, without_limits_all_start_at_once_in_order);
	tcase_add_test(t, a_busy_host_holds_up_nobody_else);
	tcase_add_test(t, a_rate_is_kept_over_time);
	tcase_add_test(t, the_first_due_comes_first);
	tcase_add_test(t, a_look_without_proof_falls_back_to_what_clients_offer);
	tcase_add_test(t, who_completes_handshakes_begins_with_the_library);
	tcase_add_test(t, a_look_for_proof_ends_with_a_glance);
	tcase_add_test(t, a_refused_name_is_left_out_once);
	tcase_add_test(t, who_hangs_up_on_a_name_is_asked_without_one_at_last);
	tcase_add_test(t, what_is_not_tls_is_not_asked_again);
	tcase_add_test(t, a_twin_is_asked_for_by_its_kind_of_key);
	suite_add_tcase(s, t);
}

UNIT_MAIN("state/pace", build)
