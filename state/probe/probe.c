/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe.c - many looks at once: one poll() loop over flights, no thread but the name lookups'.
 *
 * The wall time of a pass is that of its dead endpoints divided by the number in flight, so that
 * number matters and threads do not: a handshake is some 100 microseconds of our own work.
 */
#include "state/probe/probe.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>

#include "state/probe/flight.h"

#define PARALLEL_DEFAULT 64
#define PARALLEL_MAX     4096
#define TIMEOUT_DEFAULT  10000

struct prober_tls {
	struct prober base;
	int64_t timeout_ms;
	size_t parallel;
	struct tls_rules rules;
	struct resolver *resolver;
};

struct loop {
	struct flight_env env;
	const struct look_endpoint *looks;
	struct obs_endpoint *ret;
	size_t n_looks, n_started;
	struct flight *flights;
	struct pollfd *fds; /* one a flight, then the resolver's */
	size_t n_flights;
	bool nomem;
};

static bool is_flying(const struct flight *f)
{
	return f->stage != FLIGHT_IDLE;
}

/* Put endpoints into idle flights. Returns how many fly. */
static size_t launch(struct loop *l)
{
	size_t flying = 0;

	for (size_t i = 0; i < l->n_flights; i++) {
		struct flight *f = &l->flights[i];

		while (!is_flying(f) && l->n_started < l->n_looks && !l->nomem) {
			size_t k = l->n_started++;
			flight_start(f, &l->env, &l->looks[k], &l->ret[k]);
			l->nomem = l->nomem || f->nomem;
		}
		flying += is_flying(f) ? 1 : 0;
	}
	return flying;
}

/* Fill the poll set; the milliseconds until the first flight is due. */
static int arm(struct loop *l, struct mono now)
{
	int64_t wait = INT_MAX;

	for (size_t i = 0; i < l->n_flights; i++) {
		const struct flight *f = &l->flights[i];

		l->fds[i] = (struct pollfd){ .fd = flight_fd(f), .events = f->events };
		if (is_flying(f)) {
			int64_t due = flight_due(f).ms - now.ms;
			wait = due < wait ? due : wait;
		}
	}
	l->fds[l->n_flights] =
		(struct pollfd){ .fd = resolver_fd(l->env.resolver), .events = POLLIN };
	return wait < 0 ? 0 : (int)wait;
}

static enum err_code turn(struct loop *l, struct err *err)
{
	const struct clock *clock = l->env.clock;
	int wait = arm(l, clock->mono(clock));

	if (poll(l->fds, (nfds_t)(l->n_flights + 1), wait) < 0) {
		return errno == EINTR ? ERR_OK : err_set_sys(err, errno, "probe: poll");
	}
	if (l->fds[l->n_flights].revents != 0) {
		resolver_clear(l->env.resolver);
	}
	struct mono now = clock->mono(clock);
	for (size_t i = 0; i < l->n_flights; i++) {
		if (is_flying(&l->flights[i])) {
			flight_step(&l->flights[i], now, l->fds[i].revents);
			l->nomem = l->nomem || l->flights[i].nomem;
		}
	}
	return ERR_OK;
}

static enum err_code fly(struct loop *l, struct err *err)
{
	enum err_code rc = ERR_OK;

	while (rc == ERR_OK && launch(l) > 0 && !l->nomem) {
		rc = turn(l, err);
	}
	for (size_t i = 0; i < l->n_flights; i++) {
		flight_end(&l->flights[i]);
	}
	return rc == ERR_OK && l->nomem ? err_nomem(err) : rc;
}

static enum err_code prober_tls_probe(struct prober *base, const struct look_endpoint *looks,
                                      size_t n, struct observed *o, struct obs_endpoint *ret,
                                      struct err *err)
{
	struct prober_tls *p = CONTAINER_OF(base, struct prober_tls, base);
	struct loop l = {
		.env = { .rules = &p->rules,
		         .resolver = p->resolver,
		         .clock = &clock_system,
		         .timeout_ms = p->timeout_ms,
		         .o = o },
		.looks = looks,
		.ret = ret,
		.n_looks = n,
		.n_flights = n < p->parallel ? n : p->parallel,
	};

	if (n == 0) {
		return ERR_OK;
	}
	l.flights = calloc(l.n_flights, sizeof(*l.flights));
	l.fds = calloc(l.n_flights + 1, sizeof(*l.fds));
	enum err_code rc = l.flights == NULL || l.fds == NULL ? err_nomem(err) : fly(&l, err);
	free(l.flights);
	free(l.fds);
	return rc;
}

enum err_code prober_tls_open(const struct probe_options *opt, struct prober **ret, struct err *err)
{
	struct prober_tls *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		return err_nomem(err);
	}
	p->base.probe = prober_tls_probe;
	p->timeout_ms = opt->timeout_ms > 0 ? opt->timeout_ms : TIMEOUT_DEFAULT;
	p->parallel = opt->parallel > 0 ? (size_t)opt->parallel : PARALLEL_DEFAULT;
	p->parallel = p->parallel > PARALLEL_MAX ? PARALLEL_MAX : p->parallel;
	enum err_code rc = tls_rules_init(&p->rules, err);
	if (rc == ERR_OK) {
		rc = resolver_open(&p->resolver, err);
	}
	if (rc != ERR_OK) {
		prober_tls_close(&p->base);
		return rc;
	}
	*ret = &p->base;
	return ERR_OK;
}

void prober_tls_close(struct prober *base)
{
	if (base == NULL) {
		return;
	}
	struct prober_tls *p = CONTAINER_OF(base, struct prober_tls, base);
	resolver_close(p->resolver);
	tls_rules_release(&p->rules);
	free(p);
}
