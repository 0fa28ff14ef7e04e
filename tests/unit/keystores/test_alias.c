/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_alias.c - aliases fold as String.toLowerCase(Locale.ENGLISH) folds them; the expected column
 * was printed by OpenJDK 17.
 */
#include "providers/keystore.h"
#include "tests/unit/unit.h"

static const struct {
	const char *alias, *folded;
} rows[] = {
	{ "", "" },
	{ "web", "web" },
	{ "WEB-01", "web-01" },
	{ "\xc3\x84pfel", "\xc3\xa4pfel" }, /* umlaut */
	{ "\xce\x9f\xce\x94\xce\x9f\xce\xa3",
	  "\xce\xbf\xce\xb4\xce\xbf\xcf\x82" },             /* final sigma */
	{ "\xc4\xb0", "i\xcc\x87" },                        /* dotted capital i */
	{ "I", "i" },                                       /* not Turkish */
	{ "\xf0\x9f\x98\x80 KEY", "\xf0\x9f\x98\x80 key" }, /* emoji */
	{ "\xf0\x90\x90\x80", "\xf0\x90\x90\xa8" },         /* Deseret, beyond the BMP */
};

START_TEST(alias_folds_like_java)
{
	char *folded = alias_fold(rows[_i].alias);

	ck_assert_str_eq(folded, rows[_i].folded);
	free(folded);
}
END_TEST

START_TEST(alias_that_is_not_utf8_equals_itself)
{
	char *folded = alias_fold("A\xff");

	ck_assert_str_eq(folded, "A\xff");
	free(folded);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("alias");

	tcase_add_loop_test(tc, alias_folds_like_java, 0, (int)(sizeof(rows) / sizeof(rows[0])));
	tcase_add_test(tc, alias_that_is_not_utf8_equals_itself);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("alias", build)
