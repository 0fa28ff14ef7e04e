/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_grow.c - stores that are filled one certificate after the other: what is seen in between is
 * what is in the file, and ten thousand do not take a hundred million steps.
 */
#include <stdio.h>

#include "providers/keystores/jks_store.h"
#include "providers/keystores/p12_store.h"
#include "tests/unit/keystores/support.h"

#define T0   1700000000000
#define MANY 20000

static struct keystore *created(const struct keystore_ops *ops)
{
	struct keystore *ks = NULL;
	struct err err = { 0 };

	ck_assert_ok(ops->create(&ks, &err), &err);
	return ks;
}

static const struct keystore_ops *const formats[] = { &keystore_pem, &keystore_p7b,
	                                              &keystore_zip, &keystore_pkcs12,
	                                              &keystore_jks, &keystore_jceks };

/* Step 0 is the key with its leaf alone, so that issuers that come later complete its chain. */
static void step(struct keystore *ks, size_t which)
{
	const struct bytes certs[] = { world.web.der, world.inter.der, world.root.der,
		                       world.other.der, world.api.der };
	char alias[16];

	(void)snprintf(alias, sizeof(alias), "c%zu", which);
	if (which == 0 && ks->ops != &keystore_p7b) {
		must_set_key(ks, "web", &world.web, world.web_chain, 1, T0);
	} else {
		must_set_trusted(ks, alias, certs[which]);
	}
}

static void check_against_file(const struct keystore *ks)
{
	encode(ks, "grown", "changeit", NULL, NULL);
	struct keystore *again = decode(ks->ops, "grown", "changeit", NULL);
	char *now = describe(ks);
	char *then = describe(again);

	ck_assert_str_eq(now, then);
	free(now);
	free(then);
	again->ops->close(again);
}

/* The permutation of five steps with this number. */
static void permute(unsigned number, size_t ret[5])
{
	size_t left[5] = { 0, 1, 2, 3, 4 };

	for (size_t n = 5; n > 0; n--) {
		size_t take = number % n;

		number /= (unsigned)n;
		ret[5 - n] = left[take];
		memmove(&left[take], &left[take + 1], (n - take - 1) * sizeof(*left));
	}
}

START_TEST(what_is_seen_after_each_step_is_what_is_in_the_file)
{
	const struct keystore_ops *ops = formats[_i];
	size_t order[5];

	p12_limits.written = 10;
	jks_limits.written = 10;
	for (unsigned number = 0; number < 120; number++) {
		struct keystore *ks = created(ops);

		permute(number, order);
		for (size_t i = 0; i < ARRAY_LEN(order); i++) {
			step(ks, order[i]);
			check_against_file(ks);
		}
		ops->close(ks);
	}
}
END_TEST

START_TEST(filling_a_store_takes_as_long_as_it_is_large)
{
	const struct keystore_ops *ops = formats[_i];
	struct keystore *ks = created(ops);
	struct secret der = { 0 };
	char alias[16];

	if (ops != &keystore_p7b) {
		must_set_key(ks, "web", &world.web, world.web_chain, 2, T0);
	}
	size_t before = ops->count(ks);
	ck_assert_int_eq(secret_set(&der, world.other.der.p, world.other.der.n), 0);
	for (unsigned i = 0; i < MANY; i++) {
		/* another signature each: nobody verifies it here */
		der.p[der.n - 1] = (uint8_t)i;
		der.p[der.n - 2] = (uint8_t)(i >> 8);
		(void)snprintf(alias, sizeof(alias), "c%u", i);
		must_set_trusted(ks, alias, secret_view(&der));
	}
	ck_assert_uint_eq(ops->count(ks), before + MANY);
	must_set_trusted(ks, alias, secret_view(&der));
	ck_assert_uint_eq(ops->count(ks), before + MANY);
	secret_release(&der);
	ops->close(ks);
}
END_TEST

/* The formats with aliases: an entry comes in the place of another. */
static const struct keystore_ops *const named[] = { &keystore_pkcs12, &keystore_jks,
	                                            &keystore_jceks };

static size_t chain_of_web(const struct keystore *ks)
{
	struct keystore_entry e = { .alias = NULL };

	for (size_t i = 0; i < ks->ops->count(ks); i++) {
		ks->ops->entry(ks, i, &e);
		if (e.kind == KS_KEY) {
			return e.n_chain;
		}
	}
	return 0;
}

START_TEST(what_replaces_another_is_seen_as_it_is_in_the_file)
{
	const struct keystore_ops *ops = named[_i];
	const struct bytes certs[] = { world.other.der, world.inter.der, world.root.der,
		                       world.api.der, world.other.der };
	struct keystore *ks = created(ops);
	struct err err = { 0 };

	p12_limits.written = 10;
	jks_limits.written = 10;
	must_set_key(ks, "web", &world.web, world.web_chain, 1, T0);
	for (size_t i = 0; i < ARRAY_LEN(certs); i++) {
		must_set_trusted(ks, "first", certs[i]);
		check_against_file(ks);
		must_set_trusted(ks, "second", certs[ARRAY_LEN(certs) - 1 - i]);
		check_against_file(ks);
		ck_assert_uint_eq(ops->count(ks), 3);
	}
	must_set_trusted(ks, "first", world.inter.der);
	/* Java finds issuers in the whole PKCS#12 store. */
	ck_assert_uint_eq(chain_of_web(ks), ops == &keystore_pkcs12 ? 2 : 1);
	must_set_trusted(ks, "first", world.api.der);
	ck_assert_uint_eq(chain_of_web(ks), 1);
	ck_assert_ok(ops->remove(ks, "first", &err), &err);
	ck_assert_ok(ops->rename(ks, "second", "first", &err), &err);
	must_set_trusted(ks, "second", world.root.der);
	must_set_trusted(ks, "first", world.root.der);
	check_against_file(ks);
	ck_assert_uint_eq(ops->count(ks), 3);
	ops->close(ks);
}
END_TEST

#define MANY_REPLACED 5000

static void set_all(struct keystore *ks, struct bytes like, size_t n)
{
	struct secret der = { 0 };
	char alias[16];

	ck_assert_int_eq(secret_set(&der, like.p, like.n), 0);
	for (size_t i = 0; i < n; i++) {
		der.p[der.n - 1] = (uint8_t)i;
		der.p[der.n - 2] = (uint8_t)(i >> 8);
		(void)snprintf(alias, sizeof(alias), "c%zu", i);
		must_set_trusted(ks, alias, secret_view(&der));
	}
	secret_release(&der);
}

START_TEST(replacing_every_entry_takes_as_long_as_the_store_is_large)
{
	struct keystore *ks = created(named[_i]);
	struct keystore_entry e = { .alias = NULL };

	p12_limits.written = 10;
	jks_limits.written = 10;
	set_all(ks, world.other.der, MANY_REPLACED);
	set_all(ks, world.api.der, MANY_REPLACED);
	ck_assert_uint_eq(ks->ops->count(ks), MANY_REPLACED);
	for (size_t i = 0; i < MANY_REPLACED; i++) {
		ks->ops->entry(ks, i, &e);
		ck_assert_uint_eq(e.chain[0].n, world.api.der.n);
	}
	check_against_file(ks);
	ks->ops->close(ks);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("grow");

	tcase_add_unchecked_fixture(tc, world_make, world_drop);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, what_is_seen_after_each_step_is_what_is_in_the_file, 0,
	                    (int)ARRAY_LEN(formats));
	tcase_add_loop_test(tc, filling_a_store_takes_as_long_as_it_is_large, 0,
	                    (int)ARRAY_LEN(formats));
	tcase_add_loop_test(tc, what_replaces_another_is_seen_as_it_is_in_the_file, 0,
	                    (int)ARRAY_LEN(named));
	tcase_add_loop_test(tc, replacing_every_entry_takes_as_long_as_the_store_is_large, 0,
	                    (int)ARRAY_LEN(named));
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("grow", build)
