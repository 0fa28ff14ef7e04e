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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/fs_glob.h"
#include "reconciler/base/str.h"
#include "reconciler/engine/ending.h"
#include "reconciler/engine/notify.h"
#include "reconciler/engine/watch.h"

#define CLOCK_JUMP_S  3600
#define WATCH_SLICE_S 1

static volatile sig_atomic_t asked_to_look;

static void on_hangup(int sig)
{
	(void)sig;
	asked_to_look = 1;
}

static void catch_signals(void)
{
	/* Without SA_RESTART: a wait must end when one arrives. */
	struct sigaction sa = { .sa_handler = on_hangup };

	asked_to_look = 0;
	(void)sigaction(SIGHUP, &sa, /* oldact= */ NULL);
	ending_catch(/* note= */ NULL);
}

static void watch_failed(struct loop *l, const char *path, const struct err *why)
{
	if (why->code != ERR_NOT_FOUND) {
		log_event(l->log, LOG_LEVEL_WARN, "watch.failed", "path", path, "error", why->msg,
		          "hint", why->hint, NULL);
	}
}

static void watch_one(struct loop *l, struct watch *w, const char *path)
{
	struct err why = { 0 };

	if (path != NULL && watch_file(w, path, &why) != ERR_OK) {
		watch_failed(l, path, &why);
	}
}

static void watch_all_of(struct loop *l, struct watch *w, const char *dir)
{
	struct err why = { 0 };

	if (dir != NULL && watch_dir(w, dir, &why) != ERR_OK) {
		watch_failed(l, dir, &why);
	}
}

/* Bare or not: one of the two places is absent. */
static void watch_repository(struct loop *l, struct watch *w)
{
	static const char *const git[] = { "", "/.git" };
	const char *path = source_local_path(l->accept.source);

	for (size_t i = 0; path != NULL && i < ARRAY_LEN(git); i++) {
		CLEANUP(cleanup_free) char *head = str_printf("%s%s/HEAD", path, git[i]);
		CLEANUP(cleanup_free) char *packed = str_printf("%s%s/packed-refs", path, git[i]);
		CLEANUP(cleanup_free) char *heads = str_printf("%s%s/refs/heads", path, git[i]);
		CLEANUP(cleanup_free) char *tags = str_printf("%s%s/refs/tags", path, git[i]);
		watch_one(l, w, head);
		watch_one(l, w, packed);
		watch_all_of(l, w, heads);
		watch_all_of(l, w, tags);
	}
}

static void watch_stores(struct loop *l, struct watch *w, const struct desired *desired)
{
	struct err why = { 0 };
	struct pass p = { 0 };

	arena_init(&p.arena);
	seen_certs_init(&p.certs, &p.arena);
	if (memory_empty(&p.arena, &p.certs, &p.memory, &why) == ERR_OK &&
	    wants_build(desired, p.memory, &p.arena, &p.wants, &why) == ERR_OK) {
		for (size_t i = 0; i < p.wants->n_stores; i++) {
			const struct want_store *s = &p.wants->stores[i];
			if (s->target->shared->via.s == NULL ||
			    str_equal(s->target->shared->via.s, "local")) {
				watch_one(l, w, s->path);
			}
		}
		/* Of patterns the next look will tell: a directory may well be a busy one. */
		for (size_t i = 0; i < p.wants->n_files; i++) {
			if (!fs_glob_is(p.wants->files[i].path)) {
				watch_one(l, w, p.wants->files[i].path);
			}
		}
	}
	pass_release(&p);
}

static void watch_everything(struct loop *l, struct watch *w, const struct desired *desired)
{
	CLEANUP(cleanup_free) char *wake = str_printf("%s/" LOOP_WAKE_FILE, l->state_dir);

	watch_one(l, w, wake);
	watch_repository(l, w);
	if (desired != NULL) {
		watch_stores(l, w, desired);
	}
	for (size_t i = 0; i < l->watch.n; i++) {
		watch_one(l, w, l->watch.v[i].s);
	}
	watch_all_of(l, w, l->inbox);
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

/* What a pass found, for its log line; conflicts are told once, not at every pass. */
struct telling {
	struct engine_listener listener;
	struct look_progress progress;
	struct loop *loop;
	struct watchdog watchdog;
	size_t conflicts, waiting, unobserved;
	uint64_t told; /* hash of the conflicts and unobserved rows last told */
};

static void tell_troubles(struct telling *t, const struct plan *p)
{
	struct log *log = t->loop->log;

	for (size_t i = 0; i < p->n_conflicts; i++) {
		const struct conflict *c = &p->conflicts[i];
		log_event(log, LOG_LEVEL_WARN, "conflict", "kind", kind_name(c->object_kind),
		          "name", c->name, "host", c->host == NULL ? "" : c->host, "code", c->code,
		          "message", c->message, "hint", c->hint == NULL ? "" : c->hint, NULL);
	}
	for (size_t i = 0; i < p->n_unobserved; i++) {
		const struct unobserved *u = &p->unobserved[i];
		log_event(log, LOG_LEVEL_WARN, "unobserved", "kind", kind_name(u->object_kind),
		          "name", u->name, "host", u->host == NULL ? "" : u->host, "code", u->code,
		          "error", u->error == NULL ? "" : u->error, NULL);
	}
}

static uint64_t hash_troubles(const struct plan *p)
{
	uint64_t h = 0;

	for (size_t i = 0; i < p->n_conflicts; i++) {
		h = h * 31 + rng_hash_str(p->conflicts[i].name) +
		    rng_hash_str(p->conflicts[i].message);
	}
	for (size_t i = 0; i < p->n_unobserved; i++) {
		const struct unobserved *u = &p->unobserved[i];
		h = h * 31 + rng_hash_str(u->name) + rng_hash_str(u->host == NULL ? "" : u->host) +
		    rng_hash_str(u->error == NULL ? "" : u->error);
	}
	return h;
}

static enum err_code on_planned(struct engine_listener *l, const struct plan *p, struct err *err)
{
	struct telling *t = CONTAINER_OF(l, struct telling, listener);
	uint64_t hash = hash_troubles(p);

	(void)err;
	t->conflicts = p->n_conflicts;
	t->waiting = p->n_waitings;
	t->unobserved = p->n_unobserved;
	if (hash != t->told) {
		tell_troubles(t, p);
		t->told = hash;
	}
	return ERR_OK;
}

static void on_request(struct engine_listener *l, const char *verb, const char *name,
                       const struct err *why)
{
	struct telling *t = CONTAINER_OF(l, struct telling, listener);
	char error[1024] = "";

	if (why != NULL) {
		err_format(why, error, sizeof(error));
	}
	log_event(t->loop->log, why == NULL ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
	          why == NULL ? "request.done" : "request.failed", "verb", verb, "name", name,
	          "error", error, NULL);
}

static void on_step(struct engine_listener *l, const struct action *a, bool begins,
                    enum err_code outcome, const struct err *err)
{
	struct telling *t = CONTAINER_OF(l, struct telling, listener);
	char error[1024] = "";

	watchdog_feed(&t->watchdog);
	if (begins) {
		log_event(t->loop->log, LOG_LEVEL_DEBUG, "step.begin", "action", a->id, NULL);
		return;
	}
	if (outcome != ERR_OK && err != NULL) {
		err_format(err, error, sizeof(error));
	}
	log_event(t->loop->log, outcome == ERR_OK ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
	          outcome == ERR_OK         ? "step.done"
	          : outcome == ERR_CONFLICT ? "step.left"
	                                    : "step.failed",
	          "action", a->id, "error", error, "hint",
	          outcome == ERR_OK || err == NULL ? "" : err->hint, NULL);
}

static void on_look(struct look_progress *p, size_t done, size_t total)
{
	(void)done;
	(void)total;
	watchdog_feed(&CONTAINER_OF(p, struct telling, progress)->watchdog);
}

static void log_pass(struct telling *t, const struct converge_result *r, const struct accepted *a)
{
	struct loop *l = t->loop;
	char done[24], failed[24], waiting[24], unobserved[24], status[160];
	char wake[WHEN_TEXT_MAX] = "none";

	(void)snprintf(done, sizeof(done), "%zu", r->done);
	(void)snprintf(failed, sizeof(failed), "%zu", r->failed);
	(void)snprintf(waiting, sizeof(waiting), "%zu", t->waiting);
	(void)snprintf(unobserved, sizeof(unobserved), "%zu", t->unobserved);
	if (r->wake.s != 0) {
		when_format(r->wake, wake);
	}
	log_event(l->log, r->failed > 0 ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "pass.done", "commit",
	          a->desired->commit, "done", done, "failed", failed, "waiting", waiting,
	          "unobserved", unobserved, "in_sync", r->converged ? "true" : "false", "wake",
	          wake, "error", r->last.first_error, NULL);
	(void)snprintf(status, sizeof(status),
	               "STATUS=%.12s: %s, %zu waiting, %zu conflicts, %zu unobserved",
	               a->desired->commit, r->converged ? "in sync" : "not in sync", t->waiting,
	               t->conflicts, t->unobserved);
	notify_systemd(status);
}

static void log_findings(struct loop *l, const struct diagnostics *d)
{
	for (size_t i = 0; i < d->n; i++) {
		char place[512];
		(void)snprintf(place, sizeof(place), "%s:%u:%u", d->v[i].file, d->v[i].pos.line,
		               d->v[i].pos.col);
		log_event(l->log, LOG_LEVEL_WARN, "source.finding", "at", place, "message",
		          d->v[i].message, "hint", d->v[i].hint == NULL ? "" : d->v[i].hint, NULL);
	}
}

/* The newest commit that counts; told when what keeps a newer one from counting is news. */
static enum err_code take_newest(struct loop *l, struct accepted *a, uint64_t *told,
                                 struct err *err)
{
	enum err_code rc = accept_newest(&l->accept, a, err);

	if (rc != ERR_OK) {
		log_findings(l, &a->diagnostics);
		return rc;
	}
	uint64_t why = a->stale ? rng_hash_str(a->why) : 0;
	if (a->stale && why != *told) {
		log_event(l->log, LOG_LEVEL_WARN, "source.stale", "commit", a->desired->commit,
		          "why", a->why, NULL);
		log_findings(l, &a->diagnostics);
	}
	*told = why;
	l->engine->desired = a->desired;
	l->engine->source_stale = a->stale;
	return ERR_OK;
}

static enum err_code observe_only(struct loop *l, struct err *err)
{
	CLEANUP(pass_release) struct pass p = { 0 };

	log_event(l->log, LOG_LEVEL_WARN, "clock.jumped", "action",
	          "observing only until the clocks agree again", NULL);
	return engine_observe(l->engine, &p, err);
}

static enum err_code one_pass(struct telling *t, const struct accepted *a,
                              const struct moment *since, struct converge_result *ret,
                              struct err *err)
{
	struct loop *l = t->loop;

	*ret = (struct converge_result){ 0 };
	if (clock_jumped(l->engine->clock, since)) {
		return observe_only(l, err);
	}
	enum err_code rc =
		engine_converge(l->engine, l->max_rounds, ret, /* ret_last= */ NULL, err);
	if (rc == ERR_OK) {
		log_pass(t, ret, a);
	}
	return rc;
}

static void log_scan(struct loop *l, const struct discovering_news *n)
{
	const char *event = n->ends ? "discovery.done" : "discovery.begun";
	const struct scan_tally *y = &n->tally;
	char places[24], certificates[24], fresh[24], changed[24], gone[24];

	if (!n->begins && !n->ends) {
		return;
	}
	(void)snprintf(places, sizeof(places), "%zu", y->places);
	(void)snprintf(certificates, sizeof(certificates), "%zu", y->certificates);
	(void)snprintf(fresh, sizeof(fresh), "%zu", y->fresh);
	(void)snprintf(changed, sizeof(changed), "%zu", y->changed);
	(void)snprintf(gone, sizeof(gone), "%zu", y->gone);
	if (n->ends) {
		log_event(l->log, LOG_LEVEL_INFO, event, "name", y->name, "endpoints", places,
		          "certificates", certificates, "new", fresh, "changed", changed, "gone",
		          gone, NULL);
	} else {
		log_event(l->log, LOG_LEVEL_INFO, event, "name", y->name, NULL);
	}
}

/* One batch of what is due at *next, which is moved on; true: there is more to do at once. */
static bool scan_some(struct loop *l, struct wall *next)
{
	const struct clock *c = l->engine->clock;
	struct discovering_news news;
	struct err why = { 0 };
	char text[1024];

	if (c->wall(c).s < next->s) {
		return false;
	}
	if (discovering_step(l->discovering, l->engine, &news, &why) != ERR_OK) {
		err_format(&why, text, sizeof(text));
		log_event(l->log, LOG_LEVEL_WARN, "discovery.failed", "name",
		          news.tally.name == NULL ? "" : news.tally.name, "error", text, "hint",
		          why.hint, NULL);
		next->s = c->wall(c).s + l->interval_s;
		return false;
	}
	log_scan(l, &news);
	next->s = news.tally.name != NULL ? 0 : news.next.s == 0 ? INT64_MAX : news.next.s;
	return news.tally.name != NULL;
}

/* Wait for a change, a signal, or the sooner of interval and wake. */
static void wait_for_cause(struct telling *t, struct watch *w, struct wall wake)
{
	struct loop *l = t->loop;
	const struct clock *c = l->engine->clock;
	int64_t until = c->mono(c).ms + l->interval_s * 1000;
	struct wall scan = { 0 };

	while (!ending_asked(l->engine) && !asked_to_look && c->mono(c).ms < until) {
		watchdog_feed(&t->watchdog);
		if (wake.s != 0 && c->wall(c).s >= wake.s) {
			return;
		}
		if (l->engine->desired != NULL) {
			(void)scan_some(l, &scan);
		}
		if (watch_wait(w, c, WATCH_SLICE_S)) {
			return;
		}
	}
	asked_to_look = 0;
}

static enum err_code only_once(const struct converge_result *r, struct err *err)
{
	if (r->failed == 0 && r->converged) {
		return ERR_OK;
	}
	return err_set(err, ERR_VERIFY, "%s",
	               r->last.first_error[0] != '\0' ? r->last.first_error
	                                              : "something still waits");
}

static void get_ready(struct loop *l, bool *ready)
{
	if (!*ready) {
		notify_systemd("READY=1");
		log_event(l->log, LOG_LEVEL_INFO, "loop.ready", "commit",
		          l->engine->desired->commit, NULL);
		*ready = true;
	}
}

/* Watches come before looks: what changes in between is seen by the one or the other. */
static enum err_code loop_body(struct telling *t, struct accepted *a, struct watch *w,
                               struct err *err)
{
	struct loop *l = t->loop;
	struct moment since = moment_of(l->engine->clock);
	struct converge_result result = { 0 };
	uint64_t told = 0;
	bool ready = false;

	while (!ending_asked(l->engine)) {
		struct err why = { 0 };
		watchdog_feed(&t->watchdog);
		watch_everything(l, w, a->desired);
		enum err_code rc = take_newest(l, a, &told, &why);
		if (rc == ERR_OK) {
			watch_everything(l, w, a->desired);
			get_ready(l, &ready);
			rc = one_pass(t, a, &since, &result, &why);
		}
		if (rc != ERR_OK && (l->once || rc == ERR_NOMEM || a->desired == NULL)) {
			*err = why;
			return rc;
		}
		if (rc != ERR_OK) {
			char text[1024];
			err_format(&why, text, sizeof(text));
			log_event(l->log, LOG_LEVEL_ERROR, "pass.failed", "error", text, "hint",
			          why.hint, NULL);
		}
		if (l->once) {
			struct wall scan = { 0 };
			while (!ending_asked(l->engine) && scan_some(l, &scan)) {
			}
			return only_once(&result, err);
		}
		wait_for_cause(t, w, result.wake);
	}
	return ERR_OK;
}

enum err_code loop_run(struct loop *l, struct err *err)
{
	CLEANUP(accepted_release) struct accepted a = { 0 };
	struct telling telling = {
		.listener = { .planned = on_planned, .request = on_request, .step = on_step },
		.progress.tell = on_look,
		.loop = l,
	};
	struct watch watch;

	watchdog_init(&telling.watchdog, l->engine->clock);

	catch_signals();
	enum err_code rc = watch_open(&watch, err);
	if (rc != ERR_OK) {
		return rc;
	}
	l->discovering = discovering_new(l->once ? (struct wall){ 0 }
	                                         : l->engine->clock->wall(l->engine->clock));
	if (l->discovering == NULL) {
		watch_close(&watch);
		return err_nomem(err);
	}
	l->engine->listener = &telling.listener;
	l->engine->progress = &telling.progress;
	l->engine->ends = ending_asked;
	rc = loop_body(&telling, &a, &watch, err);
	l->engine->listener = NULL;
	l->engine->progress = NULL;
	l->engine->ends = NULL;
	l->engine->desired = NULL;
	watch_close(&watch);
	discovering_free(l->discovering);
	notify_systemd("STOPPING=1");
	if (rc == ERR_OK) {
		log_event(l->log, LOG_LEVEL_INFO, "loop.ended", NULL);
	}
	return rc;
}
