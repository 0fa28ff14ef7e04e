/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_starttls_words.c - what the schema lets one write is what the prober speaks. Neither layer
 * sees the other.
 */
#include <stdlib.h>

#include "desired/schema.h"
#include "reconciler/base/str.h"
#include "state/probe/probe.h"
#include "tests/unit/unit.h"

static const struct field *row(const struct table *t, const char *name)
{
	size_t hint = 0;
	const struct field *f = table_find(t, name, &hint);

	ck_assert_ptr_nonnull(f);
	return f;
}

static const struct word *words(void)
{
	const struct field *verify = row(kind_table(KIND_TARGET), "verify");
	const struct field *tls = row(verify->sub, "tls");

	return row(tls->sub, "starttls")->words;
}

START_TEST(what_can_be_written_is_spoken)
{
	size_t n = 0;

	for (const struct word *w = words(); w->name != NULL; w++, n++) {
		ck_assert_msg(probe_speaks(w->name), "%s", w->name);
		ck_assert_int_eq(probe_dialect_port(w->name) > 0, !str_equal(w->name, "none"));
	}
	for (size_t i = 0; probe_dialect(i) != NULL; i++) {
		n--;
	}
	ck_assert_uint_eq(n, 1); /* none */
	ck_assert(!probe_speaks("smpt"));
}
END_TEST

static void build(Suite *s)
{
	TCase *t = tcase_create("starttls");

	tcase_add_test(t, what_can_be_written_is_spoken);
	suite_add_tcase(s, t);
}

UNIT_MAIN("engine/starttls_words", build)
