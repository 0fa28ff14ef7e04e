/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_resolve.c - lookups taken, given up and left behind. Run it under ThreadSanitizer, too.
 */
#include <poll.h>
#include <string.h>

#include "reconciler/base/attr.h"
#include "state/probe/resolve.h"
#include "tests/unit/unit.h"

#define N 40

static struct resolver *opened(void)
{
	struct resolver *r = NULL;
	struct err err = { .code = ERR_OK };

	ck_assert_ok(resolver_open(&r, &err), &err);
	return r;
}

static void wait_for_one(struct resolver *r)
{
	struct pollfd p = { .fd = resolver_fd(r), .events = POLLIN };

	ck_assert_int_eq(poll(&p, 1, 30000), 1);
	resolver_clear(r);
}

START_TEST(every_lookup_ends_with_a_list_or_a_reason)
{
	struct resolver *r = opened();
	struct lookup *l[N];
	size_t left = N;

	for (size_t i = 0; i < N; i++) {
		l[i] = lookup_start(r, i % 3 == 0 ? "no..such" : "localhost", 443, &l[i]);
		ck_assert_ptr_nonnull(l[i]);
	}
	while (left > 0) {
		wait_for_one(r);
		for (struct lookup **at; (at = resolver_next(r)) != NULL;) {
			size_t i = (size_t)(at - l);
			struct addrinfo *list = NULL;
			int rc = 0;
			int sys = 0;
			ck_assert(lookup_take(r, l[i], &list, &rc, &sys));
			ck_assert_int_eq(rc != 0, i % 3 == 0);
			ck_assert_int_eq(list == NULL, i % 3 == 0);
			if (list != NULL) {
				freeaddrinfo(list);
			}
			lookup_end(r, l[i]);
			l[i] = NULL;
			left--;
		}
	}
	resolver_close(r);
}
END_TEST

START_TEST(lookups_can_be_given_up_at_any_time)
{
	for (int round = 0; round < 20; round++) {
		struct resolver *r = opened();
		struct lookup *l[N];
		for (size_t i = 0; i < N; i++) {
			l[i] = lookup_start(r, "localhost", 443, &l[i]);
		}
		for (size_t i = 0; i < N; i += 2) {
			lookup_end(r, l[i]);
		}
		if (round % 2 == 0) {
			wait_for_one(r);
		}
		for (size_t i = 1; i < N; i += 2) {
			lookup_end(r, l[N - i]);
		}
		resolver_close(r);
	}
}
END_TEST

START_TEST(addresses_need_no_lookup)
{
	static const char *const addresses[] = { "127.0.0.1", "::1" };

	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		struct addrinfo *list = NULL;
		ck_assert_int_eq(resolve_literal(addresses[i], 443, &list), 0);
		ck_assert_ptr_nonnull(list);
		freeaddrinfo(list);
	}
	struct addrinfo *none = NULL;
	ck_assert_int_ne(resolve_literal("localhost", 443, &none), 0);
}
END_TEST

static void build(Suite *s)
{
	TCase *t = tcase_create("resolve");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, every_lookup_ends_with_a_list_or_a_reason);
	tcase_add_test(t, lookups_can_be_given_up_at_any_time);
	tcase_add_test(t, addresses_need_no_lookup);
	suite_add_tcase(s, t);
}

UNIT_MAIN("state/resolve", build)
