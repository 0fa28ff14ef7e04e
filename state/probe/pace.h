/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pace.h - which look may start now: so many a second, so many at once to one host.
 *
 * A look whose host is busy steps aside without holding up those behind it.
 */
#pragma once

#include "reconciler/base/clock.h"
#include "reconciler/base/map.h"
#include "state/look.h"

struct pace_host;

struct pace {
	const struct look_endpoint *looks;
	size_t n_looks, next; /* the first never considered */
	unsigned per_host;    /* 0: no limit */
	unsigned rate;        /* starts a second; 0: no limit */
	int64_t credit;       /* thousandths of a start */
	struct mono counted;
	struct map by_host;
	struct pace_host *hosts; /* one a look at most */
	size_t n_hosts;
	size_t *host_of, *behind; /* of a look: its host, the look parked behind it */
	size_t first_free,
		last_free; /* parked looks whose host is free again, by way of `behind` */
};

bool pace_init(struct pace *p, const struct look_endpoint *looks, size_t n, unsigned per_host,
               unsigned rate, struct mono now); /* false: no memory */
void pace_release(struct pace *p);              /* accepts a zeroed one */
/* The look to start now; false: none yet, or none at all. */
bool pace_next(struct pace *p, struct mono now, size_t *ret_look);
/* A look that was started has ended. */
void pace_done(struct pace *p, size_t look);
/* Milliseconds until the rate allows another start; -1: it is not the rate that we wait for. */
int64_t pace_wait(const struct pace *p, struct mono now);
