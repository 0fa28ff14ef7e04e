/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_err.c - reports: where they are cut, how they nest, what they are worth.
 */
#include <errno.h>
#include <string.h>

#include "reconciler/base/err.h"
#include "reconciler/base/str.h"
#include "tests/unit/unit.h"

START_TEST(a_raised_error_keeps_code_place_and_text)
{
	struct err err = { 0 };

	ck_assert_int_eq(err_set(&err, ERR_INVALID, "bad %s", "thing"), ERR_INVALID);
	ck_assert_int_eq(err.code, ERR_INVALID);
	ck_assert_str_eq(err.msg, "bad thing");
	ck_assert_int_gt(err.line, 0);
	ck_assert_ptr_nonnull(strstr(err.file, "test_err.c"));
}
END_TEST

START_TEST(raising_without_an_object_gives_the_code)
{
	ck_assert_int_eq(err_set(NULL, ERR_NET, "x"), ERR_NET);
	ck_assert_int_eq(err_set_sys(NULL, ENOENT, "x"), ERR_NOT_FOUND);
	ck_assert_int_eq(err_wrap(NULL, "x"), ERR_BUG);
	ck_assert_int_eq(err_hint(NULL, "x"), ERR_BUG);
}
END_TEST

START_TEST(errno_chooses_the_code_and_ends_the_text)
{
	struct err err = { 0 };

	ck_assert_int_eq(err_set_sys(&err, EACCES, "open '%s'", "f"), ERR_DENIED);
	ck_assert_str_eq(err.msg, "open 'f': Permission denied");
	ck_assert_int_eq(err.sys, EACCES);
	err_clear(&err);
	ck_assert_int_eq(err_set_sys(&err, ENOSPC, "x"), ERR_IO);
	err_clear(&err);
	ck_assert_int_eq(err_set_sys(&err, ENOMEM, "x"), ERR_NOMEM);
}
END_TEST

START_TEST(a_long_name_does_not_push_the_reason_out)
{
	char name[600];
	struct err err = { 0 };

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(err_set_sys(&err, EISDIR, "rename '%s'", name), ERR_IO);
	ck_assert(str_ends(err.msg, "...: Is a directory"));
}
END_TEST

START_TEST(a_cut_never_divides_a_character)
{
	for (size_t pad = 0; pad < 8; pad++) {
		char text[400] = "";
		struct err err = { 0 };

		memset(text, 'a', pad);
		for (size_t i = pad; i + 4 < sizeof(text); i += 4) {
			memcpy(text + i, "\xF0\x9F\x94\x91", 5);
		}
		ck_assert_int_eq(err_set(&err, ERR_IO, "%s", text), ERR_IO);
		ck_assert(str_ends(err.msg, "..."));
		ck_assert(str_is_utf8(err.msg, strlen(err.msg)));
		ck_assert_uint_gt(strlen(err.msg), sizeof(err.msg) - 8);
	}
}
END_TEST

START_TEST(contexts_are_shown_outermost_first)
{
	struct err err = { 0 };
	char text[200];

	ck_assert_int_eq(err_set(&err, ERR_IO, "inner"), ERR_IO);
	ck_assert_int_eq(err_wrap(&err, "middle"), ERR_IO);
	ck_assert_int_eq(err_wrap(&err, "outer %d", 1), ERR_IO);
	err_format(&err, text, sizeof(text));
	ck_assert_str_eq(text, "outer 1: middle: inner");
}
END_TEST

START_TEST(the_outermost_context_survives_when_there_are_too_many)
{
	struct err err = { 0 };
	char text[400];

	ck_assert_int_eq(err_set(&err, ERR_IO, "inner"), ERR_IO);
	for (int i = 1; i <= ERR_CTX_MAX + 3; i++) {
		ck_assert_int_eq(err_wrap(&err, "c%d", i), ERR_IO);
	}
	err_format(&err, text, sizeof(text));
	ck_assert_str_eq(text, "c9: c5: c4: c3: c2: c1: inner");
}
END_TEST

START_TEST(formatting_into_a_small_room_is_cut_and_terminated)
{
	struct err err = { 0 };
	char text[10];

	ck_assert_int_eq(err_set(&err, ERR_IO, "0123456789abcdef"), ERR_IO);
	err_format(&err, text, sizeof(text));
	ck_assert_str_eq(text, "012345...");
	err_format(&err, text, 1);
	ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(the_first_hint_stays)
{
	struct err err = { 0 };

	ck_assert_int_eq(err_set(&err, ERR_DENIED, "no"), ERR_DENIED);
	ck_assert_int_eq(err_hint(&err, "do this"), ERR_DENIED);
	ck_assert_int_eq(err_hint(&err, "do that"), ERR_DENIED);
	ck_assert_str_eq(err.hint, "do this");
}
END_TEST

START_TEST(a_cleared_object_can_be_raised_again)
{
	struct err err = { 0 };

	ck_assert_int_eq(err_set(&err, ERR_DENIED, "no"), ERR_DENIED);
	ck_assert_int_eq(err_hint(&err, "old"), ERR_DENIED);
	err_clear(&err);
	ck_assert_int_eq(err.code, ERR_OK);
	ck_assert_int_eq(err_set(&err, ERR_IO, "again"), ERR_IO);
	ck_assert_str_eq(err.hint, "");
	ck_assert_uint_eq(err.depth, 0);
}
END_TEST

START_TEST(every_code_has_a_name_of_its_own)
{
	for (int a = ERR_OK; a <= ERR_BUG; a++) {
		ck_assert_str_ne(err_code_name((enum err_code)a), "unknown");
		for (int b = ERR_OK; b < a; b++) {
			ck_assert_str_ne(err_code_name((enum err_code)a),
			                 err_code_name((enum err_code)b));
		}
	}
}
END_TEST

START_TEST(codes_say_what_to_do_next)
{
	ck_assert_int_eq(err_disposition(ERR_NET), ERR_RETRY);
	ck_assert_int_eq(err_disposition(ERR_CONFLICT), ERR_REPLAN);
	ck_assert_int_eq(err_disposition(ERR_INVALID), ERR_NEEDS_HUMAN);
	ck_assert_int_eq(err_disposition(ERR_BUG), ERR_GIVE_UP);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("err");

	tcase_add_test(tc, a_raised_error_keeps_code_place_and_text);
	tcase_add_test(tc, raising_without_an_object_gives_the_code);
	tcase_add_test(tc, errno_chooses_the_code_and_ends_the_text);
	tcase_add_test(tc, a_long_name_does_not_push_the_reason_out);
	tcase_add_test(tc, a_cut_never_divides_a_character);
	tcase_add_test(tc, contexts_are_shown_outermost_first);
	tcase_add_test(tc, the_outermost_context_survives_when_there_are_too_many);
	tcase_add_test(tc, formatting_into_a_small_room_is_cut_and_terminated);
	tcase_add_test(tc, the_first_hint_stays);
	tcase_add_test(tc, a_cleared_object_can_be_raised_again);
	tcase_add_test(tc, every_code_has_a_name_of_its_own);
	tcase_add_test(tc, codes_say_what_to_do_next);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("base/err", build)
