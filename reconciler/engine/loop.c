/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop.c - nothing is decided here: an event only makes the next pass come earlier than its timer
 * would.
 *
 * The wall clock is held against the monotonic one: after a jump of more than an hour the loop
 * observes and does nothing until they agree again, because certificates issued or dropped by a
 * wrong clock cannot be taken back.
 */
#include "reconciler/engine/loop.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"
#include "reconciler/engine/watch.h"

#define CLOCK_JUMP_S  3600
#define WATCH_SLICE_S 1
#define DIRS_MAX      4096

static volatile sig_atomic_t asked_to_end;
static volatile sig_atomic_t asked_to_look;

static void on_signal(int sig)
{
	if (sig == SIGHUP) {
		asked_to_look = 1;
	} else {
		asked_to_end = 1;
	}
}

static void catch_signals(void)
{
	/* Without SA_RESTART: a wait must end when one arrives. */
	struct sigaction sa = { .sa_handler = on_signal };
	const int signals[] = { SIGTERM, SIGINT, SIGHUP };

	asked_to_end = 0;
	asked_to_look = 0;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		(void)sigaction(signals[i], &sa, /* oldact= */ NULL);
	}
}

/* sd_notify(3): one datagram; a whole library for it would cost every start of the program. */
static void tell_systemd(const char *message)
{
	const char *path = secure_getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t n = path == NULL ? 0 : strlen(path);

	if (n < 2 || n >= sizeof(to.sun_path)) {
		return;
	}
	memcpy(to.sun_path, path, n);
	if (path[0] == '@') {
		to.sun_path[0] = '\0';
	}
	CLEANUP(cleanup_close) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		(void)sendto(fd, message, strlen(message), MSG_NOSIGNAL, (struct sockaddr *)&to,
		             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	}
}

/* Directories are watched, because a file replaced by rename takes its own watch away with it. */
struct dirs {
	const char *v[DIRS_MAX];
	size_t n;
};

static void watch_dir(struct loop *l, struct dirs *d, const char *path)
{
	struct err why = { 0 };

	for (size_t i = 0; i < d->n; i++) {
		if (str_equal(d->v[i], path)) {
			return;
		}
	}
	if (d->n == DIRS_MAX) {
		return;
	}
	if (watch_add(path, &why) != ERR_OK) {
		if (why.code != ERR_NOT_FOUND) {
			log_event(l->log, LOG_LEVEL_WARN, "watch.failed", "path", path, "error",
			          why.msg, NULL);
		}
		return;
	}
	d->v[d->n] = str_dup(path);
	d->n += d->v[d->n] == NULL ? 0 : 1;
}

static void watch_dir_of(struct loop *l, struct dirs *d, const char *file)
{
	const char *slash = strrchr(file, '/');
	CLEANUP(cleanup_free)
	char *dir = slash == NULL || slash == file ? NULL
	                                           : str_printf("%.*s", (int)(slash - file), file);

	if (dir != NULL) {
		watch_dir(l, d, dir);
	}
}

static void watch_repository(struct loop *l, struct dirs *d)
{
	static const char *const inside[] = { "", "/refs/heads", "/.git", "/.git/refs/heads" };
	const char *path = source_local_path(l->accept.source);

	for (size_t i = 0; path != NULL && i < ARRAY_LEN(inside); i++) {
		CLEANUP(cleanup_free) char *dir = str_printf("%s%s", path, inside[i]);
		if (dir != NULL) {
			watch_dir(l, d, dir);
		}
	}
}

static void watch_stores(struct loop *l, struct dirs *d, const struct desired *desired)
{
	struct err why = { 0 };
	struct pass p = { 0 };

	arena_init(&p.arena);
	seen_certs_init(&p.certs, &p.arena);
	if (memory_empty(&p.arena, &p.certs, &p.memory, &why) == ERR_OK &&
	    wants_build(desired, p.memory, &p.arena, &p.wants, &why) == ERR_OK) {
		for (size_t i = 0; i < p.wants->n_stores; i++) {
			const struct want_store *s = &p.wants->stores[i];
			if (s->target->via.s == NULL || str_equal(s->target->via.s, "local")) {
				watch_dir_of(l, d, s->path);
			}
		}
	}
	pass_release(&p);
}

static void watch_all(struct loop *l, struct dirs *d, const struct desired *desired)
{
	watch_repository(l, d);
	if (desired != NULL) {
		watch_stores(l, d, desired);
	}
	for (size_t i = 0; i < l->watch.n; i++) {
		watch_dir_of(l, d, l->watch.v[i].s);
	}
	if (l->inbox != NULL) {
		watch_dir(l, d, l->inbox);
	}
}

static void dirs_release(struct dirs *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free((void *)(uintptr_t)d->v[i]);
	}
	d->n = 0;
}

struct moment {
	struct wall wall;
	struct mono mono;
};

static struct moment moment_of(const struct clock *c)
{
	return (struct moment){ .wall = c->wall(c), .mono = c->mono(c) };
}

static bool clock_jumped(const struct clock *c, const struct moment *since)
{
	struct moment now = moment_of(c);
	int64_t walked = now.wall.s - since->wall.s;
	int64_t passed = (now.mono.ms - since->mono.ms) / 1000;

	return walked - passed > CLOCK_JUMP_S || passed - walked > CLOCK_JUMP_S;
}

static void log_pass(struct loop *l, const struct converge_result *r, const struct accepted *a)
{
	char done[24];
	char failed[24];
	char wake[WHEN_TEXT_MAX] = "none";

	(void)snprintf(done, sizeof(done), "%zu", r->done);
	(void)snprintf(failed, sizeof(failed), "%zu", r->failed);
	if (r->wake.s != 0) {
		when_format(r->wake, wake);
	}
	log_event(l->log, r->failed > 0 ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "pass.done", "commit",
	          a->desired->commit, "done", done, "failed", failed, "in_sync",
	          r->converged ? "true" : "false", "wake", wake, "error", r->last.first_error,
	          NULL);
}

static enum err_code observe_only(struct loop *l, struct err *err)
{
	CLEANUP(pass_release) struct pass p = { 0 };

	log_event(l->log, LOG_LEVEL_WARN, "clock.jumped", "action",
	          "observing only until the clocks agree again", NULL);
	return engine_observe(l->engine, &p, err);
}

static enum err_code one_pass(struct loop *l, struct accepted *a, const struct moment *since,
                              struct converge_result *ret, struct err *err)
{
	enum err_code rc = accept_newest(&l->accept, a, err);

	if (rc != ERR_OK) {
		return rc;
	}
	if (a->stale) {
		log_event(l->log, LOG_LEVEL_WARN, "source.stale", "commit", a->desired->commit,
		          "why", a->why, NULL);
	}
	l->engine->desired = a->desired;
	l->engine->source_stale = a->stale;
	*ret = (struct converge_result){ 0 };
	if (clock_jumped(l->engine->clock, since)) {
		return observe_only(l, err);
	}
	rc = engine_converge(l->engine, l->max_rounds, ret, /* ret_last= */ NULL, err);
	if (rc == ERR_OK) {
		log_pass(l, ret, a);
	}
	return rc;
}

/* Wait for a change, a signal, or the sooner of interval and wake. */
static void wait_for_cause(struct loop *l, struct wall wake)
{
	const struct clock *c = l->engine->clock;
	int64_t until = c->mono(c).ms + l->interval_s * 1000;

	while (!asked_to_end && !asked_to_look && c->mono(c).ms < until) {
		if (wake.s != 0 && c->wall(c).s >= wake.s) {
			return;
		}
		if (watch_wait(WATCH_SLICE_S)) {
			return;
		}
	}
	asked_to_look = 0;
}

static enum err_code loop_body(struct loop *l, struct accepted *a, struct dirs *dirs,
                               struct err *err)
{
	struct moment since = moment_of(l->engine->clock);
	struct converge_result result = { 0 };
	bool ready = false;

	while (!asked_to_end) {
		struct err why = { 0 };
		enum err_code rc = one_pass(l, a, &since, &result, &why);
		if (rc != ERR_OK && (l->once || rc == ERR_NOMEM || a->desired == NULL)) {
			*err = why;
			return rc;
		}
		if (rc != ERR_OK) {
			log_event(l->log, LOG_LEVEL_ERROR, "pass.failed", "error", why.msg, "hint",
			          why.hint, NULL);
		}
		if (l->once) {
			return result.failed == 0 && result.converged
			               ? ERR_OK
			               : err_set(err, ERR_VERIFY, "%s",
			                         result.last.first_error[0] != '\0'
			                                 ? result.last.first_error
			                                 : "something still waits");
		}
		watch_all(l, dirs, a->desired);
		if (!ready) {
			tell_systemd("READY=1");
			log_event(l->log, LOG_LEVEL_INFO, "loop.ready", NULL);
			ready = true;
		}
		wait_for_cause(l, result.wake);
	}
	return ERR_OK;
}

enum err_code loop_run(struct loop *l, struct err *err)
{
	CLEANUP(accepted_release) struct accepted a = { 0 };
	CLEANUP(dirs_release) struct dirs dirs = { .n = 0 };

	catch_signals();
	enum err_code rc = watch_open(err);
	if (rc != ERR_OK) {
		return rc;
	}
	rc = loop_body(l, &a, &dirs, err);
	l->engine->desired = NULL;
	watch_close();
	tell_systemd("STOPPING=1");
	if (rc == ERR_OK) {
		log_event(l->log, LOG_LEVEL_INFO, "loop.ended", NULL);
	}
	return rc;
}
