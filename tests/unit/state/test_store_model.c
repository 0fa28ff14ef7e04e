/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_store_model.c - what counts as a difference between two keystores, over models made by hand.
 */
#include <string.h>

#include "reconciler/base/str.h"
#include "state/store_model.h"
#include "tests/unit/unit.h"

static struct arena arena;
static struct err err;
static const struct seen_cert leaf = { .sha256 = { 1 }, .self_signed = SELF_SIGNED_NO },
			      renewed = { .sha256 = { 2 }, .self_signed = SELF_SIGNED_NO },
			      inter = { .sha256 = { 3 }, .self_signed = SELF_SIGNED_NO },
			      root = { .sha256 = { 4 }, .self_signed = SELF_SIGNED_YES },
			      other = { .sha256 = { 5 }, .self_signed = SELF_SIGNED_YES };
static const struct seen_cert *const to_inter[] = { &leaf, &inter };
static const struct seen_cert *const to_root[] = { &leaf, &inter, &root };
static const struct seen_cert *const to_other[] = { &leaf, &inter, &other };
static const struct seen_cert *const new_leaf[] = { &renewed, &inter };
static const struct seen_cert *const just_root[] = { &root };
static const struct seen_cert *const just_other[] = { &other };

static void setup(void)
{
	arena_init(&arena);
}

static void teardown(void)
{
	arena_release(&arena);
}

#define CHAIN(x) ((struct seen_chain){ .v = (x), .n = ARRAY_LEN(x) })

static struct obs_entry key_entry(const char *alias, struct seen_chain chain, uint8_t key)
{
	uint8_t spki[SHA256_BYTES] = { key };

	return (struct obs_entry){ .alias = alias,
		                   .folded = alias,
		                   .kind = KS_KEY,
		                   .chain = chain,
		                   .key_opens = true,
		                   .key_matches = true,
		                   .key_spki_sha256 = arena_copy(&arena, spki, sizeof(spki)) };
}

static struct obs_entry trusted(const char *alias, struct seen_chain chain)
{
	return (struct obs_entry){
		.alias = alias, .folded = alias, .kind = KS_TRUSTED, .chain = chain
	};
}

static struct store_model model(const struct obs_entry *v, size_t n, bool aliases)
{
	struct entry_details *d = ARENA_ARRAY(&arena, struct entry_details, n);

	ck_assert_ptr_nonnull(d);
	return (struct store_model){
		.row = { .format = aliases ? "jks" : "pem", .entries = v, .n_entries = n },
		.has_aliases = aliases,
		.details = d
	};
}
#define MODEL(...)                                                                                 \
	model((const struct obs_entry[]){ __VA_ARGS__ },                                           \
	      sizeof((const struct obs_entry[]){ __VA_ARGS__ }) / sizeof(struct obs_entry), true)
#define FLAT(...)                                                                                  \
	model((const struct obs_entry[]){ __VA_ARGS__ },                                           \
	      sizeof((const struct obs_entry[]){ __VA_ARGS__ }) / sizeof(struct obs_entry), false)

static bool mean_the_same(const struct store_model *l, const struct store_model *r, bool dates)
{
	struct store_meaning a = { .sha256 = { 0 } };
	struct store_meaning b = { .sha256 = { 0 } };

	ck_assert_ok(store_model_meaning(l, &a, &err), &err);
	ck_assert_ok(store_model_meaning(r, &b, &err), &err);
	return memcmp(dates ? a.dated : a.sha256, dates ? b.dated : b.sha256, SHA256_BYTES) == 0;
}

/* "alias:kind alias:kind" */
static const char *differences(const struct store_model *l, const struct store_model *r, bool dates)
{
	const struct store_difference *v = NULL;
	const char *text = "";
	size_t n = 0;

	ck_assert_ok(store_model_diff(l, r, dates, &arena, &v, &n, &err), &err);
	if (l->has_aliases && r->has_aliases) {
		ck_assert_int_eq(mean_the_same(l, r, dates), n == 0);
	}
	for (size_t i = 0; i < n; i++) {
		text = arena_printf(&arena, "%s%s%s:%s", text, i == 0 ? "" : " ", v[i].alias,
		                    store_difference_name(v[i].kind));
	}
	return text;
}

START_TEST(order_and_a_trailing_root_are_no_difference)
{
	struct store_model l =
		MODEL(key_entry("web", CHAIN(to_inter), 1), trusted("ca", CHAIN(just_root)));
	struct store_model r =
		MODEL(trusted("ca", CHAIN(just_root)), key_entry("web", CHAIN(to_root), 1));

	ck_assert_str_eq(differences(&l, &r, /* dates= */ true), "");
}
END_TEST

START_TEST(each_difference_has_its_name)
{
	struct store_model l =
		MODEL(key_entry("chain", CHAIN(to_root), 1), key_entry("key", CHAIN(to_inter), 1),
	              key_entry("kind", CHAIN(to_inter), 1), key_entry("leaf", CHAIN(to_inter), 1),
	              trusted("mine", CHAIN(just_root)));
	const struct seen_cert *const leaf_only[] = { &leaf };
	struct store_model r =
		MODEL(key_entry("chain", CHAIN(leaf_only), 1), key_entry("key", CHAIN(to_inter), 2),
	              trusted("kind", CHAIN(just_root)), key_entry("leaf", CHAIN(new_leaf), 1),
	              trusted("yours", CHAIN(just_other)));

	ck_assert_str_eq(differences(&l, &r, /* dates= */ false),
	                 "chain:chain key:key kind:kind leaf:certificate mine:only-left "
	                 "yours:only-right");
}
END_TEST

START_TEST(another_root_at_the_end_is_no_difference_but_another_trusted_one_is)
{
	struct store_model l =
		MODEL(key_entry("web", CHAIN(to_root), 1), trusted("ca", CHAIN(just_root)));
	struct store_model r =
		MODEL(key_entry("web", CHAIN(to_other), 1), trusted("ca", CHAIN(just_other)));

	ck_assert_str_eq(differences(&l, &r, /* dates= */ false), "ca:certificate");
}
END_TEST

START_TEST(of_two_entries_with_one_alias_java_sees_the_last)
{
	struct store_model l =
		MODEL(key_entry("web", CHAIN(new_leaf), 2), key_entry("web", CHAIN(to_inter), 1));
	struct store_model r = MODEL(key_entry("web", CHAIN(to_inter), 1));

	ck_assert_str_eq(differences(&l, &r, /* dates= */ false), "");
}
END_TEST

START_TEST(without_aliases_entries_go_by_what_they_hold)
{
	struct store_model jks =
		MODEL(key_entry("web", CHAIN(to_root), 1), trusted("ca", CHAIN(just_other)));
	struct store_model pem =
		FLAT(key_entry("", CHAIN(to_inter), 1), trusted("04", CHAIN(just_root)),
	             trusted("05", CHAIN(just_other)));
	struct store_model lone = FLAT(key_entry("", CHAIN(to_inter), 1));

	ck_assert_str_eq(differences(&jks, &pem, /* dates= */ false), "");
	ck_assert_str_eq(differences(&jks, &lone, /* dates= */ false), "ca:only-left");
}
END_TEST

START_TEST(dates_count_when_asked_for)
{
	struct store_model l = MODEL(trusted("ca", CHAIN(just_root)));
	struct store_model r = MODEL(trusted("ca", CHAIN(just_root)));

	((struct entry_details *)(uintptr_t)r.details)[0].created_ms = 5;
	ck_assert_str_eq(differences(&l, &r, /* dates= */ false), "");
	ck_assert_str_eq(differences(&l, &r, /* dates= */ true), "ca:date");
}
END_TEST

/* The details of an entry of a model that is not shared. */
static struct entry_details *details(const struct store_model *m, size_t i)
{
	return (struct entry_details *)(uintptr_t)&m->details[i];
}

static void secret_of(const struct store_model *m, const char *algorithm, uint8_t first)
{
	details(m, 0)->secret_algorithm = algorithm;
	details(m, 0)->secret_sha256[0] = first;
}

START_TEST(of_secrets_algorithm_and_key_count)
{
	const struct obs_entry secret = { .alias = "s", .folded = "s", .kind = KS_SECRET };
	struct store_model l = MODEL(secret);
	struct store_model r = MODEL(secret);

	ck_assert_str_eq(differences(&l, &r, /* dates= */ true), "");
	secret_of(&l, "AES", 1);
	ck_assert_str_eq(differences(&l, &r, /* dates= */ true), "s:secret");
	secret_of(&r, "AES", 2);
	ck_assert_str_eq(differences(&l, &r, /* dates= */ true), "s:secret");
	secret_of(&r, "DES", 1);
	ck_assert_str_eq(differences(&l, &r, /* dates= */ true), "s:secret");
	secret_of(&r, "AES", 1);
	ck_assert_str_eq(differences(&l, &r, /* dates= */ true), "");
}
END_TEST

START_TEST(attributes_count_and_none_are_not_empty_ones)
{
	struct store_model l =
		MODEL(trusted("a", CHAIN(just_root)), trusted("b", CHAIN(just_root)));
	struct store_model r =
		MODEL(trusted("a", CHAIN(just_root)), trusted("b", CHAIN(just_root)));

	details(&l, 1)->attributes = "";
	ck_assert_str_eq(differences(&l, &r, /* dates= */ false), "b:attributes");
	details(&r, 1)->attributes = "1.2.3";
	ck_assert_str_eq(differences(&l, &r, /* dates= */ false), "b:attributes");
	details(&l, 1)->attributes = "1.2.3";
	ck_assert_str_eq(differences(&l, &r, /* dates= */ false), "");
}
END_TEST

START_TEST(a_key_that_does_not_open_is_another_than_one_that_does)
{
	struct obs_entry closed = key_entry("web", CHAIN(to_inter), 0);
	struct store_model l = MODEL(closed);

	closed.key_opens = false;
	closed.key_spki_sha256 = NULL;
	struct store_model r = MODEL(closed);
	ck_assert_str_eq(differences(&l, &r, /* dates= */ false), "web:key");
	ck_assert_str_eq(differences(&r, &r, /* dates= */ false), "");
}
END_TEST

START_TEST(an_entry_is_told_from_two_that_read_like_it)
{
	struct store_model l = MODEL(trusted("ca", CHAIN(just_root)));
	struct store_model r =
		MODEL(trusted("ca", CHAIN(just_root)), trusted("ca2", CHAIN(just_root)));
	struct store_model none = MODEL(trusted("c", (struct seen_chain){ .n = 0 }));

	ck_assert_str_eq(differences(&l, &r, /* dates= */ false), "ca2:only-right");
	ck_assert_str_eq(differences(&none, &l, /* dates= */ false), "c:only-left ca:only-right");
}
END_TEST

static void build(Suite *suite)
{
	TCase *t = tcase_create("store_model");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, order_and_a_trailing_root_are_no_difference);
	tcase_add_test(t, each_difference_has_its_name);
	tcase_add_test(t, another_root_at_the_end_is_no_difference_but_another_trusted_one_is);
	tcase_add_test(t, of_two_entries_with_one_alias_java_sees_the_last);
	tcase_add_test(t, without_aliases_entries_go_by_what_they_hold);
	tcase_add_test(t, dates_count_when_asked_for);
	tcase_add_test(t, of_secrets_algorithm_and_key_count);
	tcase_add_test(t, attributes_count_and_none_are_not_empty_ones);
	tcase_add_test(t, a_key_that_does_not_open_is_another_than_one_that_does);
	tcase_add_test(t, an_entry_is_told_from_two_that_read_like_it);
	suite_add_tcase(suite, t);
}

UNIT_MAIN("store_model", build)
