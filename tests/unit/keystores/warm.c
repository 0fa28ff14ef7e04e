/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * warm.c - see warm.h.
 *
 * A question and its answer at a time; behind each question goes a mark that comes back behind the
 * answer.
 */
#include "tests/unit/keystores/warm.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef KEYSTORE_ORACLE
#define KEYSTORE_ORACLE "no-oracle-was-built-without-javac"
#endif

static pid_t machine;
static int to_java = -1, from_java = -1;
static unsigned asked;

void warm_start(void)
{
	char *argv[] = { (char[]){ "java" },
		         (char[]){ "-XX:+UseSerialGC" },
		         (char[]){ "--add-exports" },
		         (char[]){ "java.base/sun.security.tools.keytool=ALL-UNNAMED" },
		         (char[]){ "-cp" },
		         (char[]){ KEYSTORE_ORACLE ":/usr/share/java/bcprov.jar" },
		         (char[]){ "KeystoreOracle" },
		         NULL };
	posix_spawn_file_actions_t actions;
	int in[2];
	int out[2];

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	ck_assert_int_eq(posix_spawn_file_actions_init(&actions), 0);
	(void)posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
	(void)posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	(void)posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	(void)posix_spawn_file_actions_addchdir_np(&actions, world.dir);
	ck_assert_int_eq(posix_spawnp(&machine, "java", &actions, NULL, argv, environ), 0);
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)close(in[0]);
	(void)close(out[1]);
	to_java = in[1];
	from_java = out[0];
}

void warm_stop(void)
{
	if (machine == 0) {
		return;
	}
	(void)close(to_java); /* the end of its input is the end of it */
	(void)close(from_java);
	(void)waitpid(machine, /* stat_loc= */ NULL, 0);
	machine = 0;
}

static void say(const struct buf *text)
{
	for (size_t at = 0; at < text->len;) {
		ssize_t n = write(to_java, text->p + at, text->len - at);

		ck_assert_msg(n > 0, "the virtual machine is gone");
		at += (size_t)n;
	}
}

static char *hear(const char *mark)
{
	struct buf answer;
	size_t n = strlen(mark);

	buf_init(&answer, KEYSTORE_FILE_LIMIT);
	while (answer.len < n || memcmp(answer.p + answer.len - n, mark, n) != 0) {
		uint8_t *room = buf_room(&answer, 4096);

		ck_assert_ptr_nonnull(room);
		ssize_t got = read(from_java, room, 4096);
		ck_assert_msg(got > 0, "the virtual machine is gone");
		buf_grew(&answer, (size_t)got);
	}
	answer.len -= n;
	buf_add_byte(&answer, '\0');
	return (char *)buf_take(&answer, NULL);
}

static char *ask(const char *prefix, const char *fmt, va_list ap) ATTR_PRINTF(2, 0);
static char *ask(const char *prefix, const char *fmt, va_list ap)
{
	char mark[64];
	struct buf question;

	(void)snprintf(mark, sizeof(mark), "== %d.%u\n", (int)getpid(), ++asked);
	buf_init(&question, KEYSTORE_FILE_LIMIT);
	buf_add_str(&question, prefix);
	buf_vprintf(&question, fmt, ap);
	buf_printf(&question, "\necho\t%s", mark);
	say(&question);
	buf_release(&question);
	return hear(mark);
}

char *warm_ask(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	char *answer = ask("", fmt, ap);
	va_end(ap);
	return answer;
}

bool warm_keytool(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	/* With -debug it throws where it would end the process. */
	char *answer = ask("keytool\t-debug\t", fmt, ap);
	va_end(ap);
	bool content = strstr(answer, "error keytool ") == NULL;
	free(answer);
	return content;
}

int seeds_main(int argc, char **argv, const char *name, void (*build)(Suite *suite), int64_t *first,
               int64_t *last)
{
	bool fine = argc == 1;

	if (argc == 3 && str_equal(argv[1], "--seed")) {
		fine = str_to_i64(argv[2], 1, 1000000, first);
		*last = *first;
	} else if (argc == 3 && str_equal(argv[1], "--seeds")) {
		fine = str_to_i64(argv[2], 1, 1000000, last);
	}
	if (!fine) {
		(void)fprintf(stderr, "usage: %s [--seed N | --seeds N]\n", argv[0]);
		return EXIT_FAILURE;
	}
	Suite *suite = suite_create(name);
	build(suite);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
