/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * servers.c - fork, exec, poll until it answers. Not proc_run: that waits for the end.
 */
#include "tests/integration/servers.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reconciler/base/clock.h"
#include "reconciler/base/fs.h"
#include "tests/unit/unit.h"

#define START_MS 10000
#define STOP_MS  5000
#define POLL_MS  10

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		                     .sin_port = htons((uint16_t)port),
		                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int64_t now_ms(void)
{
	return clock_system.mono(&clock_system).ms;
}

int server_free_port(void)
{
	CLEANUP(cleanup_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = loopback(0);
	socklen_t n = sizeof(a);

	ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, n), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	return ntohs(a.sin_port);
}

void server_start(struct server *s, const char *log, const char *const *argv)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
		(void)setsid();
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent && dup2(null, 0) == 0 && dup2(fd, 1) == 1 &&
		    dup2(fd, 2) == 2) {
			(void)execv(argv[0], (char *const *)(uintptr_t)argv);
		}
		_exit(127);
	}
	s->pid = pid;
}

static bool has_ended(const struct server *s)
{
	siginfo_t info = { .si_pid = 0 };

	return waitid(P_PID, (id_t)s->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
	       info.si_pid != 0;
}

static bool accepts(int port)
{
	CLEANUP(cleanup_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in a = loopback(port);

	return connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
}

static void fail_to_start(const char *log)
{
	CLEANUP(buf_release) struct buf text;

	buf_init(&text, 1 << 20);
	(void)fs_read(log, 1 << 20, &text, /* err= */ NULL);
	ck_abort_msg("server did not start: %s", buf_str(&text));
}

static void wait_until(const struct server *s, int port, const char *path, const char *log)
{
	int64_t end = now_ms() + START_MS;

	while (path == NULL ? !accepts(port) : access(path, F_OK) != 0) {
		if (has_ended(s) || now_ms() > end) {
			fail_to_start(log);
		}
		(void)poll(/* fds= */ NULL, 0, POLL_MS);
	}
}

void server_wait_port(const struct server *s, int port, const char *log)
{
	wait_until(s, port, /* path= */ NULL, log);
}

void server_wait_file(const struct server *s, const char *path, const char *log)
{
	wait_until(s, /* port= */ 0, path, log);
}

void server_stop(struct server *s)
{
	int64_t end = now_ms() + STOP_MS;

	if (s->pid <= 0) {
		return;
	}
	(void)kill(s->pid, SIGTERM);
	while (!has_ended(s) && now_ms() < end) {
		(void)poll(/* fds= */ NULL, 0, POLL_MS);
	}
	(void)kill(s->pid, SIGKILL);
	(void)waitpid(s->pid, /* status= */ NULL, 0);
	s->pid = 0;
}
