/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * resolve.c - a queue of names and a few dozen threads that do nothing but getaddrinfo().
 *
 * getaddrinfo_a() would be less code, but it exists in glibc only and its request must stay in
 * memory until a cancelled lookup has ended, which is the whole difficulty. Here the thread owns
 * what was given up. Closing joins the threads that wait for work and lets go of those inside a
 * lookup: it must not wait half a minute for a dead name server. Whoever leaves last frees the
 * resolver.
 */
#include "state/probe/resolve.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "reconciler/base/str.h"
#include "reconciler/base/thread.h"

#define THREADS_MAX 64 /* a dead name server holds each for half a minute */

enum lookup_stage { LOOKUP_QUEUED, LOOKUP_RUNNING, LOOKUP_DONE };

struct lookup {
	struct lookup *next; /* in the queue, then among the ended */
	enum lookup_stage stage;
	bool reported;
	void *owner;
	bool given_up;
	char *host;
	char port[8];
	struct addrinfo *list;
	int rc, sys;
};

struct worker {
	struct resolver *resolver;
	pthread_t thread;
	bool busy; /* inside a lookup */
};

struct resolver {
	pthread_mutex_t lock; /* all below, and the stage and given_up of every lookup */
	pthread_cond_t work;
	struct lookup *head, *tail;
	struct lookup *ended; /* and not reported */
	struct worker workers[THREADS_MAX];
	unsigned threads, idle;
	unsigned users; /* who opened it, and the threads */
	bool closing;
	int wake;
};

static void lookup_free(struct lookup *l)
{
	if (l->list != NULL) {
		freeaddrinfo(l->list);
	}
	free(l->host);
	free(l);
}

static void resolver_leave(struct resolver *r)
{
	(void)pthread_mutex_lock(&r->lock);
	bool last = --r->users == 0;
	(void)pthread_mutex_unlock(&r->lock);
	if (!last) {
		return;
	}
	(void)close(r->wake);
	(void)pthread_cond_destroy(&r->work);
	(void)pthread_mutex_destroy(&r->lock);
	free(r);
}

enum err_code resolver_open(struct resolver **ret, struct err *err)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		return err_nomem(err);
	}
	r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->wake < 0) {
		int sys = errno;
		free(r);
		return err_set_sys(err, sys, "probe: make an event descriptor");
	}
	if (pthread_mutex_init(&r->lock, /* attr= */ NULL) != 0) {
		(void)close(r->wake);
		free(r);
		return err_nomem(err);
	}
	if (pthread_cond_init(&r->work, /* attr= */ NULL) != 0) {
		(void)pthread_mutex_destroy(&r->lock);
		(void)close(r->wake);
		free(r);
		return err_nomem(err);
	}
	r->users = 1;
	*ret = r;
	return ERR_OK;
}

void resolver_close(struct resolver *r)
{
	pthread_t ending[THREADS_MAX];
	unsigned n = 0;

	if (r == NULL) {
		return;
	}
	(void)pthread_mutex_lock(&r->lock);
	r->closing = true;
	for (unsigned i = 0; i < r->threads; i++) {
		if (r->workers[i].busy) {
			(void)pthread_detach(r->workers[i].thread);
		} else {
			ending[n++] = r->workers[i].thread;
		}
	}
	(void)pthread_cond_broadcast(&r->work);
	(void)pthread_mutex_unlock(&r->lock);
	while (n > 0) {
		(void)pthread_join(ending[--n], /* thread_return= */ NULL);
	}
	resolver_leave(r);
}

int resolver_fd(const struct resolver *r)
{
	return r->wake;
}

void resolver_clear(struct resolver *r)
{
	uint64_t n;

	(void)!read(r->wake, &n, sizeof(n));
}

static void look_up(struct lookup *l)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		                        .ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV };

	l->rc = getaddrinfo(l->host, l->port, &hints, &l->list);
	l->sys = l->rc == EAI_SYSTEM ? errno : 0;
	if (l->rc != 0) {
		l->list = NULL;
	}
}

/* Called and returns with the lock held. */
static void serve(struct resolver *r, struct worker *w, struct lookup *l)
{
	const uint64_t one = 1;

	l->stage = LOOKUP_RUNNING;
	w->busy = true;
	(void)pthread_mutex_unlock(&r->lock);
	look_up(l);
	(void)pthread_mutex_lock(&r->lock);
	w->busy = false;
	l->stage = LOOKUP_DONE;
	if (l->given_up) {
		lookup_free(l);
		return;
	}
	l->next = r->ended;
	r->ended = l;
	(void)!write(r->wake, &one, sizeof(one));
}

static void *thread_main(void *arg)
{
	struct worker *w = arg;
	struct resolver *r = w->resolver;

	(void)pthread_mutex_lock(&r->lock);
	while (!r->closing) {
		struct lookup *l = r->head;
		if (l == NULL) {
			r->idle++;
			(void)pthread_cond_wait(&r->work, &r->lock);
			r->idle--;
			continue;
		}
		r->head = l->next;
		serve(r, w, l);
	}
	(void)pthread_mutex_unlock(&r->lock);
	resolver_leave(r);
	return NULL;
}

/* With the lock held. */
static void add_thread(struct resolver *r)
{
	struct worker *w = &r->workers[r->threads];

	w->resolver = r;
	if (thread_start(&w->thread, thread_main, w)) {
		r->threads++;
		r->users++;
	}
}

struct lookup *lookup_start(struct resolver *r, const char *host, int port, void *owner)
{
	struct lookup *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		return NULL;
	}
	l->owner = owner;
	l->host = str_dup(host);
	if (l->host == NULL) {
		free(l);
		return NULL;
	}
	(void)snprintf(l->port, sizeof(l->port), "%u", (unsigned)port & 0xffffu);
	(void)pthread_mutex_lock(&r->lock);
	if (r->idle == 0 && r->threads < THREADS_MAX) {
		add_thread(r);
	}
	if (r->threads == 0) {
		(void)pthread_mutex_unlock(&r->lock);
		lookup_free(l);
		return NULL;
	}
	if (r->head == NULL) {
		r->head = l;
	} else {
		r->tail->next = l;
	}
	r->tail = l;
	(void)pthread_cond_signal(&r->work);
	(void)pthread_mutex_unlock(&r->lock);
	return l;
}

bool lookup_take(struct resolver *r, struct lookup *l, struct addrinfo **ret, int *ret_rc,
                 int *ret_sys)
{
	(void)pthread_mutex_lock(&r->lock);
	bool done = l->stage == LOOKUP_DONE;
	(void)pthread_mutex_unlock(&r->lock);
	if (done) {
		*ret = TAKE_PTR(l->list);
		*ret_rc = l->rc;
		*ret_sys = l->sys;
	}
	return done;
}

void *resolver_next(struct resolver *r)
{
	void *owner = NULL;

	(void)pthread_mutex_lock(&r->lock);
	struct lookup *l = r->ended;
	if (l != NULL) {
		r->ended = l->next;
		l->reported = true;
		owner = l->owner;
	}
	(void)pthread_mutex_unlock(&r->lock);
	return owner;
}

/* With the lock held: take one out. */
static void unlink_from(struct lookup **list, const struct lookup *l)
{
	while (*list != l) {
		list = &(*list)->next;
	}
	*list = l->next;
}

static void unqueue(struct resolver *r, const struct lookup *l)
{
	unlink_from(&r->head, l);
	if (r->tail == l) {
		r->tail = r->head;
		while (r->tail != NULL && r->tail->next != NULL) {
			r->tail = r->tail->next;
		}
	}
}

void lookup_end(struct resolver *r, struct lookup *l)
{
	if (l == NULL) {
		return;
	}
	(void)pthread_mutex_lock(&r->lock);
	bool running = l->stage == LOOKUP_RUNNING;
	if (l->stage == LOOKUP_QUEUED) {
		unqueue(r, l);
	} else if (l->stage == LOOKUP_DONE && !l->reported) {
		unlink_from(&r->ended, l);
	}
	l->given_up = true;
	(void)pthread_mutex_unlock(&r->lock);
	if (!running) {
		lookup_free(l);
	}
}

int resolve_literal(const char *host, int port, struct addrinfo **ret)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		                        .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	char service[8];

	(void)snprintf(service, sizeof(service), "%u", (unsigned)port & 0xffffu);
	return getaddrinfo(host, service, &hints, ret);
}
