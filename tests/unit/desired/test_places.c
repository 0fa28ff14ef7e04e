/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_places.c - ranges and ports become endpoints; what is wrong is named.
 */
#include <string.h>

#include "desired/places.h"
#include "reconciler/base/attr.h"
#include "tests/unit/unit.h"

static struct arena arena;
static struct err err;

static void setup(void)
{
	arena_init(&arena);
	err_clear(&err);
}

static void teardown(void)
{
	arena_release(&arena);
}

static enum err_code places_of(const char *range, const char *ports, const char *exclude,
                               const struct place **ret, size_t *ret_n)
{
	struct place_spec spec = { .ranges = &range,
		                   .n_ranges = 1,
		                   .ports = &ports,
		                   .n_ports = ports == NULL ? 0 : 1,
		                   .exclude = &exclude,
		                   .n_exclude = exclude == NULL ? 0 : 1 };

	err_clear(&err);
	return places_expand(&spec, &arena, ret, ret_n, &err);
}

START_TEST(ranges_become_endpoints_in_order)
{
	const struct place *p = NULL;
	size_t n = 0;

	ck_assert_ok(places_of("192.0.2.254/31", "25", NULL, &p, &n), &err);
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(p[0].host, "192.0.2.254");
	ck_assert_int_eq(p[0].port, 25);
	ck_assert_str_eq(p[1].host, "192.0.2.255");
	ck_assert_ok(places_of("pdu[01-03].example", "443", "pdu02.*", &p, &n), &err);
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(p[1].host, "pdu03.example");
	ck_assert_ok(places_of("[2001:db8::1]:5432", "443", NULL, &p, &n), &err);
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(p[0].host, "2001:db8::1");
	ck_assert_int_eq(p[0].port, 5432);
	ck_assert_ok(places_of("10.0.0.0/30", "8000-8001", "10.0.0.0/31", &p, &n), &err);
	ck_assert_uint_eq(n, 4);
	ck_assert_str_eq(p[0].host, "10.0.0.2");
	ck_assert_ok(places_of("10.0.0.1", NULL, NULL, &p, &n), &err);
	ck_assert_uint_gt(n, 20);
}
END_TEST

START_TEST(bad_ranges_are_named)
{
	static const char *const bad[][2] = {
		{ "10.0.0.0/8", "443" },
		{ "10.0.0.1", "0" },
		{ "10.0.0.1", "443-80" },
		{ "host:99999", "443" },
		{ "exa mple", "443" },
		{ "10.0.0.0/12", "1-65535" },
		{ "*.example", "443" },
		{ "10.0.0.1", "https" },
		{ "10.0.0.256", "443" },
		{ "10.0.0.1-9", "443" },
		{ "10.0.0.1-10.0.0.9", "443" },
		{ "10.0.0.[250-256]", "443" },
		{ "https://a.example/", "443" },
		{ "b\xc3\xbc.example", "443" },
		{ "[::1]x", "443" },
	};
	const struct place *p = NULL;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_msg(places_of(bad[i][0], bad[i][1], NULL, &p, &n) == ERR_INVALID,
		              "%s with %s", bad[i][0], bad[i][1]);
		ck_assert_uint_gt(strlen(err.msg), 10);
		ck_assert_uint_gt(strlen(err.hint), 10);
	}
	ck_assert_int_eq(places_of("10.0.0.1", "443", "10.0.0.0/8", &p, &n), ERR_INVALID);
}
END_TEST

START_TEST(an_exclusion_that_means_nothing_is_an_error)
{
	static const char *const bad[] = { "10.0.0.0/33", "10.0.0.1-10.0.0.9",
		                           "10.0.0.1-9",  "10.0.0.1:443",
		                           "@file",       "x]y",
		                           "a b",         "10.0.0.256" };
	const struct place *p = NULL;
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_msg(places_of("10.0.0.1", "443", bad[i], &p, &n) == ERR_INVALID, "%s",
		              bad[i]);
		ck_assert_ptr_nonnull(strstr(err.msg, bad[i]));
	}
	ck_assert_ok(places_of("pdu[1-4].Lab.example", "443", "PDU[2-3].lab.example", &p, &n),
	             &err);
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(p[0].host, "pdu1.lab.example");
	ck_assert_str_eq(p[1].host, "pdu4.lab.example");
	ck_assert_ok(places_of("10.0.0.0/29", "443", "10.0.0.[0-6]", &p, &n), &err);
	ck_assert_uint_eq(n, 1);
	ck_assert_ok(places_of("PDU1.example", "443", "*1.other", &p, &n), &err);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(places_of("PDU1.example", "443", "Pdu?.*", &p, &n), ERR_INVALID);
	/* one address, however it is written */
	ck_assert_int_eq(places_of("::ffff:10.1.2.3", "443", "10.0.0.0/8", &p, &n), ERR_INVALID);
	ck_assert_int_eq(places_of("10.1.2.3", "443", "::ffff:10.1.0.0/112", &p, &n), ERR_INVALID);
	ck_assert_ok(places_of("::ffff:10.1.2.0/127", "443", "10.1.2.1", &p, &n), &err);
	ck_assert_uint_eq(n, 1);
	ck_assert_ok(places_of("::ffff:11.1.2.3", "443", "10.0.0.0/8", &p, &n), &err);
	ck_assert_ok(places_of("10.1.2.3", "443", "::/64", &p, &n), &err);
}
END_TEST

START_TEST(an_endpoint_is_looked_at_once)
{
	static const char *const ranges[] = { "10.0.0.0/30", "10.0.0.1",      "10.0.0.2:443",
		                              "10.0.0.2:25", "A.example:443", "a.example" };
	static const char *const ports[] = { "443", "440-443" };
	const struct place_spec spec = {
		.ranges = ranges, .n_ranges = 6, .ports = ports, .n_ports = 2
	};
	const struct place *p = NULL;
	size_t n = 0;

	ck_assert_ok(places_expand(&spec, &arena, &p, &n, &err), &err);
	ck_assert_uint_eq(n, 4 * 4 + 1 + 4);
}
END_TEST

START_TEST(an_address_of_version_6_stands_in_brackets_or_not)
{
	const struct place *p = NULL;
	size_t n = 0;

	ck_assert_ok(places_of("[2001:db8::1]", "443", NULL, &p, &n), &err);
	ck_assert_str_eq(p[0].host, "2001:db8::1");
	ck_assert_ok(places_of("2001:db8::1", "443", NULL, &p, &n), &err);
	ck_assert_str_eq(p[0].host, "2001:db8::1");
}
END_TEST

START_TEST(hosts_are_listed_by_network_name_and_glob)
{
	static const char *const words[] = { "10.0.0.0/8", "*.lab.example", "2001:db8::1" };
	const struct {
		const char *host;
		bool listed;
	} cases[] = { { "10.255.1.1", true },   { "11.0.0.1", false },   { "a.lab.example", true },
		      { "lab.example", false }, { "2001:db8::1", true }, { "2001:db8::2", false } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		ck_assert_msg(place_host_listed(words, ARRAY_LEN(words), cases[i].host) ==
		                      cases[i].listed,
		              "%s", cases[i].host);
	}
	ck_assert(!place_host_listed(NULL, 0, "10.0.0.1"));
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("places");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, ranges_become_endpoints_in_order);
	tcase_add_test(tc, bad_ranges_are_named);
	tcase_add_test(tc, an_exclusion_that_means_nothing_is_an_error);
	tcase_add_test(tc, an_endpoint_is_looked_at_once);
	tcase_add_test(tc, an_address_of_version_6_stands_in_brackets_or_not);
	tcase_add_test(tc, hosts_are_listed_by_network_name_and_glob);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("desired/places", build)
