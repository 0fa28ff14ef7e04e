/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pace.c - a credit that grows with time, and for every host a count and a queue of those parked.
 */
#include "state/probe/pace.h"

#include <stdlib.h>

#define START    1000 /* what one costs, so that a second earns `rate` of them */
#define BURST_MS 20   /* of unused credit that is kept */
#define NONE     SIZE_MAX

struct pace_host {
	size_t flying, first, last; /* parked */
};

bool pace_init(struct pace *p, const struct look_endpoint *looks, size_t n, unsigned per_host,
               unsigned rate, struct mono now)
{
	*p = (struct pace){ .looks = looks,
		            .n_looks = n,
		            .per_host = per_host,
		            .rate = rate,
		            .credit = START,
		            .counted = now,
		            .first_free = NONE };
	map_init(&p->by_host);
	if (per_host == 0) {
		return true;
	}
	p->hosts = calloc(n + 1, sizeof(*p->hosts));
	p->host_of = calloc(n + 1, sizeof(*p->host_of));
	p->behind = calloc(n + 1, sizeof(*p->behind));
	bool ok = p->hosts != NULL && p->host_of != NULL && p->behind != NULL;
	for (size_t i = 0; ok && i < n; i++) {
		struct pace_host *h = map_get_str(&p->by_host, looks[i].host);
		if (h == NULL) {
			h = &p->hosts[p->n_hosts++];
			*h = (struct pace_host){ .first = NONE };
			ok = map_put_str(&p->by_host, looks[i].host, h, /* ret_old= */ NULL) >= 0;
		}
		p->host_of[i] = (size_t)(h - p->hosts);
	}
	if (!ok) {
		pace_release(p);
	}
	return ok;
}

void pace_release(struct pace *p)
{
	map_release(&p->by_host);
	free(p->hosts);
	free(p->host_of);
	free(p->behind);
	*p = (struct pace){ .n_looks = 0 };
}

static int64_t credit_at(const struct pace *p, struct mono now)
{
	int64_t cap = (int64_t)p->rate * BURST_MS;
	int64_t credit = p->credit + (now.ms - p->counted.ms) * (int64_t)p->rate;

	cap = cap < START ? START : cap;
	return credit > cap ? cap : credit;
}

static void append(size_t *first, size_t *last, size_t *behind, size_t look)
{
	behind[look] = NONE;
	if (*first == NONE) {
		*first = look;
	} else {
		behind[*last] = look;
	}
	*last = look;
}

/* A parked one whose turn has come, else the first new one whose host has room. */
static bool choose(struct pace *p, size_t *ret)
{
	if (p->per_host == 0) {
		*ret = p->next;
		return p->next < p->n_looks && ++p->next > 0;
	}
	if (p->first_free != NONE) {
		*ret = p->first_free;
		p->first_free = p->behind[*ret];
		return true;
	}
	while (p->next < p->n_looks) {
		size_t look = p->next++;
		struct pace_host *h = &p->hosts[p->host_of[look]];
		if (h->flying < p->per_host) {
			h->flying++;
			*ret = look;
			return true;
		}
		append(&h->first, &h->last, p->behind, look);
	}
	return false;
}

bool pace_next(struct pace *p, struct mono now, size_t *ret_look)
{
	if (p->rate == 0) {
		return choose(p, ret_look);
	}
	p->credit = credit_at(p, now);
	p->counted = now;
	if (p->credit < START || !choose(p, ret_look)) {
		return false;
	}
	p->credit -= START;
	return true;
}

void pace_done(struct pace *p, size_t look)
{
	if (p->per_host == 0) {
		return;
	}
	struct pace_host *h = &p->hosts[p->host_of[look]];
	size_t parked = h->first;
	if (parked == NONE) {
		h->flying--;
		return;
	}
	/* Its place goes to the next in line, which counts as flying from now on. */
	h->first = p->behind[parked];
	append(&p->first_free, &p->last_free, p->behind, parked);
}

int64_t pace_wait(const struct pace *p, struct mono now)
{
	bool any = p->next < p->n_looks || (p->per_host != 0 && p->first_free != NONE);

	if (p->rate == 0 || !any) {
		return -1;
	}
	int64_t missing = START - credit_at(p, now);
	return missing <= 0 ? 0 : (missing + (int64_t)p->rate - 1) / (int64_t)p->rate;
}
