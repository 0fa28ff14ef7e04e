/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * renewal.c - the calendar of a certificate, from its real life and not from what was asked for.
 *
 * A window can move a renewal later but never behind the safety margin: then the renewal happens
 * when it is due, as cert-manager does.
 */
#include "reconciler/engine/renewal.h"

#include "reconciler/base/rng.h"
#include "reconciler/engine/plan.h"

#define DAY_S        ((int64_t)86400)
#define SHORT_LIFE_S (10 * DAY_S)
#define SMEAR_STEPS  10000
#define DENY_STEP_S  300

int64_t urgent_margin(struct wall not_before, struct wall not_after)
{
	int64_t sixth = (not_after.s - not_before.s) / 6;

	return sixth < 3 * DAY_S ? sixth : 3 * DAY_S;
}

static bool any_allow(const struct window_spec *w, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!w[i].deny) {
			return true;
		}
	}
	return false;
}

bool windows_open(const struct window_spec *w, size_t n, struct wall t)
{
	bool open = !any_allow(w, n);

	for (size_t i = 0; i < n; i++) {
		bool inside = window_is_open(&w[i].window, t);

		if (inside && w[i].deny) {
			return false;
		}
		open = open || inside;
	}
	return open;
}

/* The nearest moment at which some allowing window is open, denials aside. */
static bool next_allowed(const struct window_spec *w, size_t n, struct wall t, struct wall until,
                         struct wall *ret)
{
	bool found = false;

	if (!any_allow(w, n)) {
		*ret = t;
		return true;
	}
	for (size_t i = 0; i < n; i++) {
		struct wall at;

		if (w[i].deny || !window_next_open(&w[i].window, t, until, &at)) {
			continue;
		}
		if (!found || at.s < ret->s) {
			*ret = at;
		}
		found = true;
	}
	return found;
}

bool windows_next_open(const struct window_spec *w, size_t n, struct wall t, struct wall until,
                       struct wall *ret)
{
	struct wall at = t;

	while (at.s <= until.s && next_allowed(w, n, at, until, &at)) {
		if (windows_open(w, n, at)) {
			*ret = at;
			return true;
		}
		/* Denied: a denial has no end of its own to ask for, so walk to the next raster. */
		at.s += DENY_STEP_S - at.s % DENY_STEP_S;
	}
	return false;
}

static int64_t due_point(const struct certificate *c, const char *name, struct wall nb,
                         struct wall na)
{
	int64_t life = na.s - nb.s;

	if (c->shared->renew_before_s > 0 && c->shared->renew_before_s < life) {
		return na.s - c->shared->renew_before_s;
	}
	if (c->shared->renew_before_percentage > 0) {
		return na.s - life / 100 * c->shared->renew_before_percentage;
	}
	/* Explicit times are kept to the second; only the default is spread. */
	int64_t point = nb.s + (life <= SHORT_LIFE_S ? life / 2 : life / 3 * 2);
	int64_t smear = (int64_t)(rng_hash_str(name) % SMEAR_STEPS);

	return point - life / 20 * smear / SMEAR_STEPS;
}

struct wall renewal_time(const struct certificate *c, const char *identity_name,
                         struct wall not_before, struct wall not_after)
{
	struct wall due = { INT64_MAX };
	struct wall at;

	if (c->shared->renewal_disabled) {
		return due;
	}
	due.s = due_point(c, identity_name, not_before, not_after);
	if (c->shared->n_renewal_windows == 0) {
		return due;
	}
	struct wall latest = { not_after.s - urgent_margin(not_before, not_after) };

	return windows_next_open(c->shared->renewal_windows, c->shared->n_renewal_windows, due,
	                         latest, &at)
	               ? at
	               : due;
}
