/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_log.c - lines, escaping, levels.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "reconciler/base/log.h"
#include "tests/unit/unit.h"

static int fd;
static char text[4096];

static void open_log(void)
{
	fd = memfd_create("log", 0);
	ck_assert_int_ge(fd, 0);
}

static void close_log(void)
{
	ck_assert_int_eq(close(fd), 0);
}

static const char *logged(void)
{
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	return text;
}

START_TEST(a_line_holds_the_event_and_its_fields)
{
	struct log l;

	log_init(&l, fd, LOG_LEVEL_INFO, false);
	log_event(&l, LOG_LEVEL_INFO, "step.done", "identity", "web", "took_ms", "12", NULL);
	ck_assert_str_eq(logged(), "event=step.done identity=web took_ms=12\n");
}
END_TEST

START_TEST(values_from_outside_are_quoted_and_escaped)
{
	struct log l;

	log_init(&l, fd, LOG_LEVEL_INFO, false);
	log_event(&l, LOG_LEVEL_INFO, "x", "subject", "CN=a\"b\n\x1B[2J", "empty", "", NULL);
	ck_assert_str_eq(logged(), "event=x subject=\"CN=a\\\"b\\x0a\\x1b[2J\" empty=\"\"\n");
}
END_TEST

START_TEST(levels_other_than_info_are_named)
{
	struct log l;

	log_init(&l, fd, LOG_LEVEL_WARN, false);
	log_event(&l, LOG_LEVEL_WARN, "x", NULL);
	ck_assert_str_eq(logged(), "event=x level=warn\n");
}
END_TEST

START_TEST(what_is_below_the_level_is_not_written)
{
	struct log l;

	log_init(&l, fd, LOG_LEVEL_WARN, false);
	log_event(&l, LOG_LEVEL_INFO, "x", NULL);
	log_event(&l, LOG_LEVEL_DEBUG, "x", NULL);
	ck_assert_str_eq(logged(), "");
}
END_TEST

START_TEST(json_lines_are_objects)
{
	struct log l;

	log_init(&l, fd, LOG_LEVEL_INFO, true);
	log_event(&l, LOG_LEVEL_INFO, "x", "k", "a\"b", NULL);
	ck_assert_str_eq(logged(), "{\"event\":\"x\",\"level\":\"info\",\"k\":\"a\\\"b\"}\n");
}
END_TEST

START_TEST(a_line_that_is_too_long_still_tells_its_event)
{
	static char huge[100000];
	struct log l;

	memset(huge, 'a', sizeof(huge) - 1);
	log_init(&l, fd, LOG_LEVEL_INFO, false);
	log_event(&l, LOG_LEVEL_INFO, "x", "k", huge, NULL);
	ck_assert_str_eq(logged(), "event=x cut=true\n");
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("log");

	tcase_add_checked_fixture(tc, open_log, close_log);
	tcase_add_test(tc, a_line_holds_the_event_and_its_fields);
	tcase_add_test(tc, values_from_outside_are_quoted_and_escaped);
	tcase_add_test(tc, levels_other_than_info_are_named);
	tcase_add_test(tc, what_is_below_the_level_is_not_written);
	tcase_add_test(tc, json_lines_are_objects);
	tcase_add_test(tc, a_line_that_is_too_long_still_tells_its_event);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("base/log", build)
