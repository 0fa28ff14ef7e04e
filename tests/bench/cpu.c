/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpu.c - CPU and memory of commands that are run in turn, so that all of them meet the same
 * weather.
 *
 * cpu ROUNDS [@INPUT] COMMAND ARGUMENT... [-- [@INPUT] COMMAND ...]: prints a line for each
 * command: median of user and system CPU in seconds, largest resident set in KB, least wall
 * seconds. An argument {n} is replaced by the number of the round. Output of the commands is thrown
 * away; a status other than 0 or 2 (changes) ends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/clock.h"
#include "reconciler/base/str.h"

#define COMMANDS_MAX 8
#define ROUNDS_MAX   1000

struct command {
	char **argv;
	const char *input; /* NULL: nothing */
	double cpu[ROUNDS_MAX];
	double wall; /* the least: others are on the machine, too */
	long rss_kb;
};

static void redirect(const char *path, int flags, int to)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0 || dup2(fd, to) < 0) {
		_exit(127);
	}
}

static void become(const struct command *c, size_t round)
{
	char number[24];

	if (c->argv[0] == NULL) {
		_exit(127);
	}
	(void)snprintf(number, sizeof(number), "%zu", round);
	for (char **a = c->argv; *a != NULL; a++) {
		char *at = strstr(*a, "{n}");
		if (at != NULL) {
			*a = str_printf("%.*s%s%s", (int)(at - *a), *a, number, at + 3);
		}
	}
	redirect(c->input == NULL ? "/dev/null" : c->input, O_RDONLY, STDIN_FILENO);
	redirect("/dev/null", O_WRONLY, STDOUT_FILENO);
	(void)execvp(c->argv[0], c->argv);
	_exit(127);
}

static bool run(struct command *c, size_t round)
{
	struct rusage u;
	int status = 0;
	struct mono began = clock_system.mono(&clock_system);
	pid_t pid = fork();

	if (pid == 0) {
		become(c, round);
	}
	if (pid < 0 || wait4(pid, &status, 0, &u) != pid || !WIFEXITED(status) ||
	    (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 2)) {
		(void)fprintf(stderr, "cpu: %s failed\n", c->argv[0]);
		return false;
	}
	c->cpu[round] = (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	                (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
	double wall = (double)(clock_system.mono(&clock_system).ms - began.ms) / 1e3;
	c->wall = round == 0 || wall < c->wall ? wall : c->wall;
	c->rss_kb = u.ru_maxrss > c->rss_kb ? u.ru_maxrss : c->rss_kb;
	return true;
}

static size_t parse(char **argv, struct command *ret)
{
	size_t n = 0;

	while (*argv != NULL && n < COMMANDS_MAX) {
		struct command *c = &ret[n++];
		if (argv[0][0] == '@') {
			c->input = *argv++ + 1;
		}
		c->argv = argv;
		while (*argv != NULL && !str_equal(*argv, "--")) {
			argv++;
		}
		if (*argv != NULL) {
			*argv++ = NULL;
		}
	}
	return n;
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int main(int argc, char **argv)
{
	static struct command commands[COMMANDS_MAX];
	int64_t rounds = 0;

	if (argc < 3 || !str_to_i64(argv[1], 1, ROUNDS_MAX, &rounds)) {
		(void)fprintf(stderr, "usage: cpu ROUNDS [@INPUT] COMMAND... [-- ...]\n");
		return EXIT_FAILURE;
	}
	size_t n = parse(argv + 2, commands);
	for (size_t round = 0; round < (size_t)rounds; round++) {
		for (size_t i = 0; i < n; i++) {
			if (!run(&commands[i], round)) {
				return EXIT_FAILURE;
			}
		}
	}
	for (size_t i = 0; i < n; i++) {
		struct command *c = &commands[i];
		qsort(c->cpu, (size_t)rounds, sizeof(c->cpu[0]), by_value);
		(void)printf("%.6f %ld %.6f\n", c->cpu[rounds / 2], c->rss_kb, c->wall);
	}
	return EXIT_SUCCESS;
}
