/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_proc.c - children: output, environment, deadlines.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reconciler/base/clock.h"
#include "reconciler/base/proc.h"
#include "tests/unit/unit.h"

static struct buf out;

static void setup(void)
{
	buf_init(&out, 1000000);
}

static void teardown(void)
{
	buf_release(&out);
}

/* Run a line of shell. */
static enum err_code run(const char *script, struct proc_spec spec, struct proc_result *ret,
                         struct err *err)
{
	const char *argv[] = { "sh", "-c", script, NULL };

	spec.argv = argv;
	spec.timeout_ms = spec.timeout_ms == 0 ? 30000 : spec.timeout_ms;
	spec.out_limit = spec.out_limit == 0 ? 1000000 : spec.out_limit;
	return proc_run(&spec, &out, ret, err);
}

START_TEST(output_and_status_come_back)
{
	struct proc_result r;
	struct err err = { 0 };

	ck_assert_ok(run("echo hello; echo oops >&2; exit 3", (struct proc_spec){ 0 }, &r, &err),
	             &err);
	ck_assert_str_eq(buf_str(&out), "hello\n");
	ck_assert_str_eq(r.err_tail, "oops\n");
	ck_assert_int_eq(r.exit_status, 3);
	ck_assert_int_eq(r.signal, 0);
	ck_assert(!r.timed_out);
}
END_TEST

START_TEST(input_is_fed_and_ends)
{
	static char large[300000];
	struct proc_result r;
	struct err err = { 0 };

	memset(large, 'x', sizeof(large));
	ck_assert_ok(run("cat", (struct proc_spec){ .input = bytes_of(large, sizeof(large)) }, &r,
	                 &err),
	             &err);
	ck_assert_uint_eq(out.len, sizeof(large));
	buf_reset(&out);
	ck_assert_ok(run("cat; echo end", (struct proc_spec){ 0 }, &r, &err), &err);
	ck_assert_str_eq(buf_str(&out), "end\n");
}
END_TEST

START_TEST(input_that_nobody_reads_is_no_harm)
{
	static char large[300000];
	struct proc_result r;
	struct err err = { 0 };

	ck_assert_ok(run("true", (struct proc_spec){ .input = bytes_of(large, sizeof(large)) }, &r,
	                 &err),
	             &err);
	ck_assert_int_eq(r.exit_status, 0);
}
END_TEST

START_TEST(the_environment_is_clean)
{
	static const char *const env[] = { "A=b c", "LANG=de_DE", NULL };
	struct proc_result r;
	struct err err = { 0 };

	ck_assert_int_eq(setenv("CERTWRIGHT_TEST_LEAK", "1", 1), 0);
	ck_assert_ok(run("echo \"$A $LANG ${HOME:+home} $CERTWRIGHT_TEST_LEAK.\"; pwd",
	                 (struct proc_spec){ .env = env }, &r, &err),
	             &err);
	ck_assert_str_eq(buf_str(&out), "b c de_DE home .\n/\n");
}
END_TEST

START_TEST(the_directory_can_be_chosen)
{
	struct proc_result r;
	struct err err = { 0 };

	ck_assert_ok(run("pwd", (struct proc_spec){ .cwd = "/usr" }, &r, &err), &err);
	ck_assert_str_eq(buf_str(&out), "/usr\n");
	ck_assert_int_eq(run("pwd", (struct proc_spec){ .cwd = "/nonexistent" }, &r, &err),
	                 ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(err.msg, "/nonexistent"));
}
END_TEST

START_TEST(no_descriptor_but_the_three_reaches_the_child)
{
	struct proc_result r;
	struct err err = { 0 };
	int leaky = open("/dev/null", O_RDONLY);

	ck_assert_int_ge(fcntl(leaky, F_DUPFD, 50), 50);
	ck_assert_ok(run("ls /proc/self/fd | wc -l", (struct proc_spec){ 0 }, &r, &err), &err);
	/* ls itself holds the directory open. */
	ck_assert_str_eq(buf_str(&out), "4\n");
	(void)close(leaky);
}
END_TEST

START_TEST(a_missing_program_is_not_found)
{
	const char *bare[] = { "no-such-program-here", NULL };
	const char *full[] = { "/no/such/program", NULL };
	struct proc_spec spec = { .argv = bare, .timeout_ms = 1000 };
	struct proc_result r = { .exit_status = 77 };
	struct err err = { 0 };

	ck_assert_int_eq(proc_run(&spec, NULL, &r, &err), ERR_NOT_FOUND);
	err_clear(&err);
	spec.argv = full;
	ck_assert_int_eq(proc_run(&spec, NULL, &r, &err), ERR_NOT_FOUND);
	ck_assert_int_eq(r.exit_status, 77);
}
END_TEST

START_TEST(a_program_we_may_not_run_is_denied)
{
	const char *argv[] = { "/etc/passwd", NULL };
	struct proc_spec spec = { .argv = argv, .timeout_ms = 1000 };
	struct proc_result r;
	struct err err = { 0 };

	ck_assert_int_eq(proc_run(&spec, NULL, &r, &err), ERR_DENIED);
}
END_TEST

START_TEST(a_child_that_ignores_the_polite_signal_is_killed)
{
	struct proc_result r = { 0 };
	struct err err = { 0 };
	int64_t start = clock_system.mono(&clock_system).ms;
	int64_t took;

	ck_assert_int_eq(run("trap '' TERM; echo on; while :; do sleep 60; done",
	                     (struct proc_spec){ .timeout_ms = 300 }, &r, &err),
	                 ERR_IO);
	took = clock_system.mono(&clock_system).ms - start;
	ck_assert(r.timed_out);
	ck_assert_int_eq(r.signal, 9);
	ck_assert_int_eq(r.exit_status, -1);
	ck_assert_str_eq(buf_str(&out), "on\n");
	ck_assert_int_ge(took, 2300);
	ck_assert_int_lt(took, 20000);
}
END_TEST

START_TEST(the_whole_group_dies_at_the_deadline)
{
	struct proc_result r = { 0 };
	struct err err = { 0 };
	int status = 0;

	/* We become the one orphans are given to, and so learn how the grandchild ended. */
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	ck_assert_int_eq(run("sleep 1000 & wait", (struct proc_spec){ .timeout_ms = 300 }, &r,
	                     &err),
	                 ERR_IO);
	ck_assert(r.timed_out);
	/* The shell is gone and reaped: the only child we have now is what it left. */
	ck_assert_int_gt(waitpid(-1, &status, 0), 1);
	ck_assert(WIFSIGNALED(status));
}
END_TEST

START_TEST(a_daemon_left_behind_does_not_hold_us)
{
	struct proc_result r;
	struct err err = { 0 };
	int64_t start = clock_system.mono(&clock_system).ms;

	ck_assert_ok(run("sleep 20 & echo started", (struct proc_spec){ 0 }, &r, &err), &err);
	ck_assert_str_eq(buf_str(&out), "started\n");
	ck_assert_int_lt(clock_system.mono(&clock_system).ms - start, 10000);
}
END_TEST

START_TEST(too_much_output_is_an_error_and_ends_the_program)
{
	struct proc_result r;
	struct err err = { 0 };

	ck_assert_int_eq(run("yes", (struct proc_spec){ .out_limit = 1000 }, &r, &err), ERR_IO);
	ck_assert_ptr_nonnull(strstr(err.msg, "1000 bytes"));
	ck_assert_uint_le(out.len, 1000);
}
END_TEST

START_TEST(only_the_end_of_the_error_output_is_kept)
{
	struct proc_result r;
	struct err err = { 0 };

	ck_assert_ok(run("seq 1 5000 >&2", (struct proc_spec){ 0 }, &r, &err), &err);
	ck_assert_uint_eq(strlen(r.err_tail), sizeof(r.err_tail) - 1);
	ck_assert_ptr_nonnull(strstr(r.err_tail, "\n4999\n5000\n"));
}
END_TEST

START_TEST(a_check_names_program_status_and_last_words)
{
	const char *argv[] = { "sh", "-c",
		               "echo first >&2; printf 'bad \\033[1mthing\\n\\n' >&2; exit 4",
		               NULL };
	struct proc_spec spec = { .argv = argv, .timeout_ms = 30000 };
	struct err err = { 0 };

	ck_assert_int_eq(proc_check(&spec, NULL, &err), ERR_REFUSED);
	ck_assert_str_eq(err.msg, "'sh' exited with status 4: bad \\x1b[1mthing");
}
END_TEST

START_TEST(a_check_tells_a_signal_from_a_status)
{
	const char *argv[] = { "sh", "-c", "kill -9 $$", NULL };
	struct proc_spec spec = { .argv = argv, .timeout_ms = 30000 };
	struct err err = { 0 };

	ck_assert_int_eq(proc_check(&spec, NULL, &err), ERR_REFUSED);
	ck_assert_str_eq(err.msg, "'sh' was killed by signal 9");
}
END_TEST

START_TEST(a_check_of_success_is_ok)
{
	const char *argv[] = { "true", NULL };
	struct proc_spec spec = { .argv = argv, .timeout_ms = 30000 };
	struct err err = { 0 };

	ck_assert_ok(proc_check(&spec, NULL, &err), &err);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("proc");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, output_and_status_come_back);
	tcase_add_test(tc, input_is_fed_and_ends);
	tcase_add_test(tc, input_that_nobody_reads_is_no_harm);
	tcase_add_test(tc, the_environment_is_clean);
	tcase_add_test(tc, the_directory_can_be_chosen);
	tcase_add_test(tc, no_descriptor_but_the_three_reaches_the_child);
	tcase_add_test(tc, a_missing_program_is_not_found);
	tcase_add_test(tc, a_program_we_may_not_run_is_denied);
	tcase_add_test(tc, a_child_that_ignores_the_polite_signal_is_killed);
	tcase_add_test(tc, the_whole_group_dies_at_the_deadline);
	tcase_add_test(tc, a_daemon_left_behind_does_not_hold_us);
	tcase_add_test(tc, too_much_output_is_an_error_and_ends_the_program);
	tcase_add_test(tc, only_the_end_of_the_error_output_is_kept);
	tcase_add_test(tc, a_check_names_program_status_and_last_words);
	tcase_add_test(tc, a_check_tells_a_signal_from_a_status);
	tcase_add_test(tc, a_check_of_success_is_ok);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("base/proc", build)
