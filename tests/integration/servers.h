/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * servers.h - real servers for a test: on free loopback ports, in the foreground, stopped by pid.
 *
 * A server dies with the process that started it, so an aborted test leaves none behind.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct server {
	pid_t pid;
};

/* A TCP port of 127.0.0.1 that nobody listens on. */
int server_free_port(void);
/* Run `argv` (absolute argv[0]) with stdout and stderr appended to `log`. */
void server_start(struct server *s, const char *log, const char *const *argv);
/* Wait until something accepts on 127.0.0.1:port; fails the test when `s` ends or 10 s are over. */
void server_wait_port(const struct server *s, int port, const char *log);
/* The same for a file to appear. */
void server_wait_file(const struct server *s, const char *path, const char *log);
/* SIGTERM, then SIGKILL after 5 s. */
void server_stop(struct server *s);
