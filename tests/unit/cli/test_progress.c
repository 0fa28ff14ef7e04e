/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_progress.c - the progress line: when it stands there, what it says, and that it goes.
 */
#include <stdio.h>
#include <string.h>

#include "reconciler/base/str.h"
#include "reconciler/cli/progress.h"
#include "tests/unit/unit.h"

struct fixture {
	struct clock_manual clock;
	struct cli cli;
	struct cli_progress p;
	char *text;
	size_t n;
};

static void setup(struct fixture *f)
{
	*f = (struct fixture){ .n = 0 };
	clock_manual_init(&f->clock, (struct wall){ 1900000000 });
	f->cli = (struct cli){ .err = open_memstream(&f->text, &f->n), .clock = &f->clock.clock };
	ck_assert_ptr_nonnull(f->cli.err);
	/* A stream in memory is no terminal. */
	ck_assert(!cli_progress_init(&f->p, &f->cli));
}

static const char *said(struct fixture *f)
{
	(void)fflush(f->cli.err);
	return f->text;
}

static void teardown(struct fixture *f)
{
	(void)fclose(f->cli.err);
	cleanup_free(&f->text);
}

START_TEST(a_short_look_says_nothing)
{
	struct fixture f;

	setup(&f);
	f.p.look.tell(&f.p.look, 0, 3);
	f.p.look.tell(&f.p.look, 1, 3);
	f.p.look.tell(&f.p.look, 3, 3);
	ck_assert_str_eq(said(&f), "");
	teardown(&f);
}
END_TEST

START_TEST(a_long_one_tells_count_rate_and_time_left_and_tidies_up)
{
	struct fixture f;

	setup(&f);
	f.p.look.tell(&f.p.look, 0, 1000);
	clock_manual_advance(&f.clock, 2);
	f.p.look.tell(&f.p.look, 200, 1000);
	ck_assert_str_eq(said(&f), "Looking: 200 of 1000, 100/s, 8s left");
	/* Not again at once. */
	f.p.look.tell(&f.p.look, 201, 1000);
	ck_assert_str_eq(said(&f), "Looking: 200 of 1000, 100/s, 8s left");
	clock_manual_advance(&f.clock, 2);
	f.p.look.tell(&f.p.look, 600, 1000);
	ck_assert_ptr_nonnull(strstr(said(&f), "\r\033[KLooking: 600 of 1000, 150/s, 3s left"));
	f.p.look.tell(&f.p.look, 1000, 1000);
	ck_assert_int_eq(strcmp(said(&f) + f.n - 4, "\r\033[K"), 0);
	ck_assert(!f.cli.line_open);
	teardown(&f);
}
END_TEST

START_TEST(a_second_look_begins_anew)
{
	struct fixture f;

	setup(&f);
	f.p.look.tell(&f.p.look, 5, 5);
	clock_manual_advance(&f.clock, 60);
	f.p.look.tell(&f.p.look, 0, 5);
	ck_assert_str_eq(said(&f), "");
	clock_manual_advance(&f.clock, 1);
	f.p.look.tell(&f.p.look, 0, 5);
	ck_assert_str_eq(said(&f), "Looking: 0 of 5");
	teardown(&f);
}
END_TEST

START_TEST(whatever_is_said_takes_its_place)
{
	struct fixture f;

	setup(&f);
	f.p.look.tell(&f.p.look, 0, 5);
	clock_manual_advance(&f.clock, 2);
	f.p.look.tell(&f.p.look, 1, 5);
	cli_note(&f.cli, "news");
	ck_assert_ptr_nonnull(strstr(said(&f), "left\r\033[Knews\n"));
	cli_note(&f.cli, "more");
	ck_assert_ptr_nonnull(strstr(said(&f), "news\nmore\n"));
	teardown(&f);
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("progress");

	tcase_add_test(tc, a_short_look_says_nothing);
	tcase_add_test(tc, a_long_one_tells_count_rate_and_time_left_and_tidies_up);
	tcase_add_test(tc, a_second_look_begins_anew);
	tcase_add_test(tc, whatever_is_said_takes_its_place);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("cli/progress", build)
