/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe.c - many looks at once: one epoll loop over flights, no thread but the name lookups'.
 *
 * The wall time of a pass is that of its dead endpoints divided by the number in flight, so that
 * number matters and threads do not: a look is some 50 microseconds of our own work.
 */
#include "state/probe/probe.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "reconciler/base/str.h"
#include "state/probe/flight.h"
#include "state/probe/pace.h"
#include "state/probe/timers.h"

#define PARALLEL_DEFAULT 1000
#define PARALLEL_MAX     20000
#define DESCRIPTORS_KEPT 128 /* for everything else in the process */
#define TIMEOUT_DEFAULT  10000
#define EVENTS           256
#define TELL_MS          1000
#define FOR_RESOLVER     UINT64_MAX

struct prober_tls {
	struct prober base;
	struct probe_options opt;
	size_t parallel;
	struct tls_rules rules;
	struct resolver *resolver;
};

struct loop {
	struct flight_env env;
	const struct clock *clock;
	const struct look_endpoint *looks;
	struct obs_endpoint *ret;
	size_t n_looks;
	struct pace pace;
	struct timers timers;
	struct flight *flights;
	size_t *idle; /* stack */
	size_t n_flights, n_idle, n_done;
	struct look_progress *progress;
	bool nomem;
};

/* After every step: give an ended flight back, or note when it is due. */
static void settle(struct loop *l, struct flight *f)
{
	size_t i = f->index;

	l->nomem = l->nomem || f->nomem;
	if (f->stage != FLIGHT_IDLE) {
		timers_set(&l->timers, i, flight_due(f));
		return;
	}
	timers_remove(&l->timers, i);
	pace_done(&l->pace, (size_t)(f->look - l->looks));
	l->idle[l->n_idle++] = i;
	l->n_done++;
}

static void launch(struct loop *l, struct mono now)
{
	size_t look;

	while (l->n_idle > 0 && !l->nomem && now.ms < l->env.end.ms &&
	       pace_next(&l->pace, now, &look)) {
		struct flight *f = &l->flights[l->idle[--l->n_idle]];
		flight_start(f, &l->env, &l->looks[look], &l->ret[look], now);
		settle(l, f);
	}
}

/* Until the first flight is due, or the next one may start. -1: nothing is left to wait for. */
static int wait_ms(const struct loop *l, struct mono now)
{
	size_t thing;
	struct mono due;
	int64_t wait = -1;

	if (timers_first(&l->timers, &thing, &due)) {
		wait = due.ms > now.ms ? due.ms - now.ms : 0;
	}
	int64_t pace = l->n_idle > 0 && now.ms < l->env.end.ms ? pace_wait(&l->pace, now) : -1;
	if (pace >= 0 && (wait < 0 || pace < wait)) {
		wait = pace;
	}
	return wait > INT_MAX ? INT_MAX : (int)wait;
}

static void step_resolved(struct loop *l, struct mono now)
{
	struct flight *f;

	resolver_clear(l->env.resolver);
	while ((f = resolver_next(l->env.resolver)) != NULL) {
		flight_step(f, now, /* events= */ 0);
		settle(l, f);
	}
}

static void step_event(struct loop *l, struct mono now, const struct epoll_event *e)
{
	if (e->data.u64 == FOR_RESOLVER) {
		step_resolved(l, now);
		return;
	}
	struct flight *f = &l->flights[e->data.u64 >> 32];
	/* Of a socket that an event before has closed? */
	if (f->stage != FLIGHT_IDLE && f->socket == (uint32_t)e->data.u64) {
		flight_step(f, now, e->events);
		settle(l, f);
	}
}

static void step_due(struct loop *l, struct mono now)
{
	size_t thing;
	struct mono due;

	while (timers_first(&l->timers, &thing, &due) && due.ms <= now.ms) {
		flight_step(&l->flights[thing], now, /* events= */ 0);
		settle(l, &l->flights[thing]);
	}
}

static enum err_code turn(struct loop *l, int wait, struct err *err)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(l->env.epoll, events, EVENTS, wait);

	if (n < 0) {
		return errno == EINTR ? ERR_OK : err_set_sys(err, errno, "probe: epoll_wait");
	}
	struct mono now = l->clock->mono(l->clock);
	for (int i = 0; i < n; i++) {
		step_event(l, now, &events[i]);
	}
	step_due(l, now);
	return ERR_OK;
}

/* Rows of looks that there was no time for. */
static void give_up(struct loop *l)
{
	for (size_t i = 0; i < l->n_looks; i++) {
		if (l->ret[i].key == NULL) {
			flight_unseen(&l->ret[i], &l->looks[i], l->env.o,
			              "not looked at: the time for all looks was over");
		}
	}
}

static enum err_code fly(struct loop *l, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < l->n_flights; i++) {
		l->flights[i].index = (uint32_t)i;
		l->idle[l->n_idle++] = l->n_flights - 1 - i;
	}
	while (rc == ERR_OK && !l->nomem) {
		struct mono now = l->clock->mono(l->clock);
		launch(l, now);
		int wait = wait_ms(l, now);
		if (wait < 0) {
			break;
		}
		rc = turn(l, l->progress != NULL && wait > TELL_MS ? TELL_MS : wait, err);
		if (l->progress != NULL) {
			l->progress->tell(l->progress, l->n_done, l->n_looks);
		}
	}
	for (size_t i = 0; i < l->n_flights; i++) {
		flight_end(&l->flights[i]);
	}
	give_up(l);
	return rc == ERR_OK && l->nomem ? err_nomem(err) : rc;
}

static enum err_code open_loop(struct loop *l, const struct prober_tls *p, struct err *err)
{
	struct mono now = l->clock->mono(l->clock);
	struct epoll_event e = { .events = EPOLLIN, .data.u64 = FOR_RESOLVER };

	l->env.end.ms = p->opt.overall_ms > 0 ? now.ms + p->opt.overall_ms : INT64_MAX;
	l->flights = calloc(l->n_flights, sizeof(*l->flights));
	l->idle = calloc(l->n_flights, sizeof(*l->idle));
	if (l->flights == NULL || l->idle == NULL || !timers_init(&l->timers, l->n_flights) ||
	    !pace_init(&l->pace, l->looks, l->n_looks, (unsigned)p->opt.per_host,
	               (unsigned)p->opt.rate, now)) {
		return err_nomem(err);
	}
	l->env.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->env.epoll < 0 ||
	    epoll_ctl(l->env.epoll, EPOLL_CTL_ADD, resolver_fd(p->resolver), &e) < 0) {
		return err_set_sys(err, errno, "probe: make an epoll descriptor");
	}
	return ERR_OK;
}

static void close_loop(struct loop *l)
{
	if (l->env.epoll >= 0) {
		(void)close(l->env.epoll);
	}
	pace_release(&l->pace);
	timers_release(&l->timers);
	free(l->flights);
	free(l->idle);
	free(l);
}

static enum err_code prober_tls_probe(struct prober *base, const struct look_endpoint *looks,
                                      size_t n, struct observed *o, struct obs_endpoint *ret,
                                      struct err *err)
{
	struct prober_tls *p = CONTAINER_OF(base, struct prober_tls, base);

	if (n == 0) {
		return ERR_OK;
	}
	struct loop *l = calloc(1, sizeof(*l));
	if (l == NULL) {
		return err_nomem(err);
	}
	l->env.rules = &p->rules;
	l->env.resolver = p->resolver;
	l->env.epoll = -1;
	l->env.timeout_ms = p->opt.timeout_ms;
	l->env.polite = p->opt.polite;
	l->env.fence = p->opt.fence;
	l->env.o = o;
	l->clock = p->opt.clock;
	l->looks = looks;
	l->ret = ret;
	l->n_looks = n;
	l->progress = base->progress;
	l->n_flights = n < p->parallel ? n : p->parallel;
	enum err_code rc = open_loop(l, p, err);
	if (rc == ERR_OK && !veil_share_init(&l->env.share)) {
		rc = err_set(err, ERR_BUG, "probe: no cryptography of TLS 1.3 in GnuTLS");
	}
	if (rc == ERR_OK) {
		rc = fly(l, err);
	}
	close_loop(l);
	return rc;
}

/* As many as wanted, if the process may have so many descriptors. */
static size_t descriptors(size_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
		return wanted;
	}
	rlim_t needed = (rlim_t)wanted + DESCRIPTORS_KEPT;
	if (limit.rlim_cur < needed) {
		limit.rlim_cur = needed < limit.rlim_max ? needed : limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
		(void)getrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur >= needed) {
		return wanted;
	}
	return limit.rlim_cur > DESCRIPTORS_KEPT + 1 ? (size_t)limit.rlim_cur - DESCRIPTORS_KEPT
	                                             : 1;
}

enum err_code prober_tls_open(const struct probe_options *opt, struct prober **ret, struct err *err)
{
	struct prober_tls *p = calloc(1, sizeof(*p));

	if (p == NULL) {
		return err_nomem(err);
	}
	p->base.probe = prober_tls_probe;
	p->opt = *opt;
	p->opt.timeout_ms = opt->timeout_ms > 0 ? opt->timeout_ms : TIMEOUT_DEFAULT;
	p->opt.per_host = opt->per_host > 0 ? opt->per_host : 0;
	p->opt.rate = opt->rate > 0 ? opt->rate : 0;
	p->opt.clock = opt->clock != NULL ? opt->clock : &clock_system;
	p->parallel = opt->parallel > 0 ? (size_t)opt->parallel : PARALLEL_DEFAULT;
	p->parallel = descriptors(p->parallel > PARALLEL_MAX ? PARALLEL_MAX : p->parallel);
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

bool probe_speaks(const char *starttls)
{
	return starttls == NULL || str_equal(starttls, "none") || starttls_find(starttls) != NULL;
}

const char *probe_dialect(size_t i)
{
	const struct starttls_dialect *d = starttls_nth(i);

	return d == NULL ? NULL : d->word;
}

int probe_dialect_port(const char *starttls)
{
	const struct starttls_dialect *d = starttls == NULL ? NULL : starttls_find(starttls);

	return d == NULL ? 0 : d->port;
}
