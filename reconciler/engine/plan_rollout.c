/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_rollout.c - which hosts go in which order: trust before identity, waves, pauses, budgets.
 *
 * Every dependency points backwards in one order of the hosts, so that there can be no circle.
 */
#include <stdlib.h>

#include "reconciler/engine/planner.h"

#define BUDGET_DISRUPT_MIN 1

struct rollout_state {
	size_t in_wave, waves;
	struct drafts before, now; /* last actions of the wave before, of this one */
	bool failing;
	struct wall last_activation;
	int capacity; /* hosts that may be down at once, less those that are */
};

struct queue {
	struct unit_plan **v;
	size_t n, cap;
};

static uint32_t rank_of(const struct unit_plan *u)
{
	const struct texts *order = &u->target->shared->rollout.order;

	for (size_t i = 0; i < order->n; i++) {
		if (str_glob(order->v[i].s, u->host->name)) {
			return (uint32_t)i;
		}
	}
	return (uint32_t)order->n;
}

static int by_order(const void *a, const void *b)
{
	const struct unit_plan *x = *(struct unit_plan *const *)a;
	const struct unit_plan *y = *(struct unit_plan *const *)b;

	if (x->stage != y->stage) {
		return x->stage < y->stage ? -1 : 1;
	}
	if (x->urgent != y->urgent) {
		return x->urgent ? -1 : 1;
	}
	int c = strcmp(x->target->o.name, y->target->o.name);

	if (c != 0) {
		return c;
	}
	if (x->rank != y->rank) {
		return x->rank < y->rank ? -1 : 1;
	}
	return x->host->index < y->host->index ? -1 : x->host->index > y->host->index;
}

static void wait_unit(struct planner *p, struct unit_plan *u, const char *what_for,
                      const char *message, struct wall until)
{
	struct waiting w = { .object_kind = KIND_TARGET,
		             .name = u->target->o.name,
		             .host = u->host->name,
		             .what_for = what_for,
		             .message = message,
		             .until = until };

	u->waits_for = what_for;
	report_waiting(p, &w);
}

/* A renewal that was let through by the budget of issues is not braked a second time. */
static bool only_renewals(const struct planner *p, const struct unit_plan *u)
{
	for (size_t i = 0; i < u->n_stores; i++) {
		const struct store_plan *sp = &p->stores[u->first_store + i];

		for (size_t k = 0; sp->write && k < work_of(sp)->reasons.n; k++) {
			if (!str_equal(work_of(sp)->reasons.v[k].row, "B4")) {
				return false;
			}
		}
	}
	return !u->configures;
}

static bool braked(const struct planner *p, const struct unit_plan *u)
{
	return !u->urgent && unit_activates(p, u) && !only_renewals(p, u);
}

static bool over_budget(const struct planner *p, const struct queue *q, size_t *ret_count,
                        size_t *ret_limit)
{
	size_t limit = p->n_units * (size_t)p->in->budget_disrupt_percent / 100;

	*ret_count = 0;
	*ret_limit = limit < BUDGET_DISRUPT_MIN ? BUDGET_DISRUPT_MIN : limit;
	for (size_t i = 0; i < q->n; i++) {
		*ret_count += braked(p, q->v[i]) ? 1 : 0;
	}
	return p->in->budget_disrupt_percent > 0 && *ret_count > *ret_limit;
}

static struct rollout_state *state_new(struct planner *p, const struct target *t)
{
	struct rollout_state *st = ARENA_NEW(p->a, struct rollout_state);

	if (st == NULL) {
		return NULL;
	}
	st->capacity =
		t->shared->rollout.max_unavailable < 1 ? 1 : t->shared->rollout.max_unavailable;
	for (size_t h = 0; h < t->n_hosts; h++) {
		const struct unit_plan *u = plan_of_unit(p, t, &t->hosts[h]);

		st->capacity -= u->down ? 1 : 0;
		st->failing = st->failing || u->failing;
		for (size_t i = 0; i < u->n_stores; i++) {
			const struct store_memory *sm = p->stores[u->first_store + i].sm;

			if (sm != NULL && sm->activated_at.s > st->last_activation.s) {
				st->last_activation = sm->activated_at;
			}
		}
	}
	return st;
}

static struct rollout_state *state_of(struct planner *p, const struct unit_plan *u)
{
	struct unit_plan *first = plan_of_unit(p, u->target, u->target->hosts);

	struct unit_work *work = unit_work_for(p, first);

	if (work->state == NULL) {
		work->state = state_new(p, u->target);
	}
	return work->state;
}

static bool may_go(struct planner *p, struct unit_plan *u, struct rollout_state *st)
{
	const struct rollout_spec *r = &u->target->shared->rollout;
	struct wall open = { st->last_activation.s + r->pause_s };
	size_t size = st->capacity < 1 ? 1 : (size_t)st->capacity;

	if (u->urgent) {
		return true;
	}
	if (st->failing && r->on_failure == FAIL_STOP) {
		wait_unit(p, u, "RolloutPending", "another host of the Target failed",
		          (struct wall){ 0 });
		return false;
	}
	if (st->capacity < 1 && !u->down) {
		wait_unit(p, u, "RolloutPending", "as many hosts as may be unavailable are down",
		          (struct wall){ 0 });
		return false;
	}
	if (r->pause_s > 0 && st->last_activation.s != 0 && p->now.s < open.s) {
		wait_unit(p, u, "RolloutPending", say(p, "next wave %s", say_when(p, open)), open);
		return false;
	}
	if (r->pause_s > 0 && (st->waves > 1 || st->in_wave >= size)) {
		open.s = p->now.s + r->pause_s;
		wait_unit(p, u, "RolloutPending", "after the wave before it", open);
		return false;
	}
	return true;
}

static void follow(struct planner *p, struct unit_plan *u, const struct drafts *before)
{
	for (size_t i = 0; i < unit_work_of(u)->first.n; i++) {
		for (size_t k = 0; k < before->n; k++) {
			draft_depends(p, unit_work_of(u)->first.v[i], before->v[k]);
		}
	}
}

static void join_wave(struct planner *p, struct unit_plan *u, struct rollout_state *st)
{
	size_t size = st->capacity < 1 ? 1 : (size_t)st->capacity;

	if (st->in_wave >= size) {
		st->before = st->now;
		st->now = (struct drafts){ 0 };
		st->in_wave = 0;
		st->waves++;
	}
	st->in_wave++;
	if (u->target->shared->rollout.on_failure != FAIL_CONTINUE) {
		follow(p, u, &st->before);
	}
	for (size_t i = 0; i < unit_work_of(u)->last.n; i++) {
		struct draft **slot = ARENA_PUSH(p->a, &st->now);

		if (slot != NULL) {
			*slot = unit_work_of(u)->last.v[i];
		}
	}
}

/* One at a time over all Targets that share the key. */
static void join_exclusive(struct planner *p, struct map *groups, struct unit_plan *u)
{
	struct scope scope = { .target = u->target, .host = u->host };
	const char *key = NULL;
	struct err ignored = { 0 };
	void *before = NULL;

	if (u->target->shared->rollout.exclusive.s == NULL ||
	    expand_text(u->target->shared->rollout.exclusive.s, &scope, p->a, &key, &ignored) !=
	            ERR_OK) {
		return;
	}
	if (map_put_str(groups, key, &unit_work_for(p, u)->last, &before) < 0) {
		p->rc = p->rc == ERR_OK ? err_nomem(p->err) : p->rc;
		return;
	}
	if (before != NULL) {
		follow(p, u, before);
	}
}

static void emit_all(struct planner *p, const struct queue *q)
{
	CLEANUP(map_release) struct map groups = { 0 };
	size_t count;
	size_t limit;
	bool over = over_budget(p, q, &count, &limit);

	map_init(&groups);
	for (size_t i = 0; i < q->n; i++) {
		struct unit_plan *u = q->v[i];
		struct rollout_state *st = state_of(p, u);

		if (over && braked(p, u)) {
			wait_unit(p, u, "BudgetExceeded",
			          say(p,
			              "%zu hosts would be disrupted at once, %zu may: push %s@%s",
			              count, limit, u->target->o.name, u->host->name),
			          (struct wall){ 0 });
			continue;
		}
		if (st == NULL || !may_go(p, u, st)) {
			continue;
		}
		unit_emit(p, u);
		join_wave(p, u, st);
		join_exclusive(p, &groups, u);
	}
}

void plan_units(struct planner *p)
{
	struct queue q = { 0 };

	for (size_t i = 0; i < p->n_units; i++) {
		struct unit_plan *u = &p->units[i];

		if (!unit_ready(p, u)) {
			continue;
		}
		u->rank = rank_of(u);
		struct unit_plan **slot = ARENA_PUSH(p->a, &q);

		if (slot != NULL) {
			*slot = u;
		}
	}
	if (q.n > 1) {
		qsort(q.v, q.n, sizeof(*q.v), by_order);
	}
	emit_all(p, &q);
}
