/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan.c - the stages of a plan in order, and its rows in one settled order at the end.
 *
 * Stages read only what earlier ones wrote: trust needs the stores, generations need trust,
 * identities need generations, stores need identities, hosts need stores.
 */
#include "reconciler/engine/plan.h"

#include <stdlib.h>

#include "reconciler/engine/planner.h"

static int text_order(const char *a, const char *b)
{
	return a == b ? 0 : a == NULL ? -1 : b == NULL ? 1 : strcmp(a, b);
}

static int object_order(enum kind ka, const char *na, const char *ha, enum kind kb, const char *nb,
                        const char *hb)
{
	int c = ka != kb ? (ka < kb ? -1 : 1) : text_order(na, nb);

	return c != 0 ? c : text_order(ha, hb);
}

static int by_conflict(const void *a, const void *b)
{
	const struct conflict *x = a;
	const struct conflict *y = b;
	int c = object_order(x->object_kind, x->name, x->host, y->object_kind, y->name, y->host);

	c = c != 0 ? c : text_order(x->code, y->code);
	return c != 0 ? c : text_order(x->message, y->message);
}

static int by_waiting(const void *a, const void *b)
{
	const struct waiting *x = a;
	const struct waiting *y = b;
	int c = object_order(x->object_kind, x->name, x->host, y->object_kind, y->name, y->host);

	c = c != 0 ? c : text_order(x->what_for, y->what_for);
	return c != 0 ? c : text_order(x->message, y->message);
}

static int by_unobserved(const void *a, const void *b)
{
	const struct unobserved *x = a;
	const struct unobserved *y = b;
	int c = object_order(x->object_kind, x->name, x->host, y->object_kind, y->name, y->host);

	return c != 0 ? c : text_order(x->error, y->error);
}

static int by_drift(const void *a, const void *b)
{
	const struct drift *x = a;
	const struct drift *y = b;
	int c = object_order(x->object_kind, x->name, x->host, y->object_kind, y->name, y->host);

	c = c != 0 ? c : text_order(x->verdict, y->verdict);
	return c != 0 ? c : text_order(x->message, y->message);
}

static int by_mark(const void *a, const void *b)
{
	const struct mark *x = a;
	const struct mark *y = b;
	int c = text_order(x->store->key, y->store->key);

	c = c != 0 ? c : text_order(x->alias, y->alias);
	return c != 0 ? c : (x->kind > y->kind) - (x->kind < y->kind);
}

#define SORT_ROWS(rows, cmp)                                                                       \
	do {                                                                                       \
		if ((rows).n > 1) {                                                                \
			qsort((rows).v, (rows).n, sizeof(*(rows).v), (cmp));                       \
		}                                                                                  \
	} while (0)

/* The same sentence twice (two slots of one host) says nothing new. */
static void unique_waitings(struct planner *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->waitings.n; i++) {
		if (n == 0 || by_waiting(&p->waitings.v[n - 1], &p->waitings.v[i]) != 0) {
			p->waitings.v[n++] = p->waitings.v[i];
		}
	}
	p->waitings.n = n;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void fill_depends(struct planner *p, struct draft *d)
{
	const char **ids = ARENA_ARRAY(p->a, const char *, d->deps.n + 1);
	size_t n = 0;
	size_t kept = 0;

	for (size_t i = 0; ids != NULL && i < d->deps.n; i++) {
		if (!d->deps.v[i]->dropped) {
			ids[n++] = d->deps.v[i]->a.id;
		}
	}
	if (n > 1) {
		qsort(ids, n, sizeof(*ids), by_text);
	}
	for (size_t i = 0; i < n; i++) {
		if (kept == 0 || strcmp(ids[kept - 1], ids[i]) != 0) {
			ids[kept++] = ids[i];
		}
	}
	d->a.depends_on = ids;
	d->a.n_depends_on = kept;
}

/* Drafts were made parents first and hosts in their order; stage and urgency are laid over that by
 * a stable merge, which keeps every dependency pointing backwards. */
static struct action *settle_actions(struct planner *p, size_t *ret_n)
{
	struct action *v = ARENA_ARRAY(p->a, struct action, p->drafts.n + 1);
	size_t n = 0;

	for (int stage = STAGE_ISSUER; v != NULL && stage <= STAGE_LAST; stage++) {
		for (int urgent = 1; urgent >= 0; urgent--) {
			for (size_t i = 0; i < p->drafts.n; i++) {
				struct draft *d = p->drafts.v[i];

				if (d->dropped || (int)d->stage != stage ||
				    d->a.urgent != (urgent == 1)) {
					continue;
				}
				fill_depends(p, d);
				d->a.reasons = d->reasons.v;
				d->a.n_reasons = d->reasons.n;
				d->a.row = d->reasons.n == 0 ? NULL : d->reasons.v[0].row;
				v[n++] = d->a;
			}
		}
	}
	*ret_n = n;
	return v;
}

static const struct plan *finish(struct planner *p)
{
	struct plan *plan = ARENA_NEW(p->a, struct plan);
	size_t n = 0;

	if (plan == NULL) {
		return NULL;
	}
	SORT_ROWS(p->conflicts, by_conflict);
	SORT_ROWS(p->waitings, by_waiting);
	SORT_ROWS(p->unobserved, by_unobserved);
	SORT_ROWS(p->drifts, by_drift);
	SORT_ROWS(p->marks, by_mark);
	unique_waitings(p);
	const struct action *actions = settle_actions(p, &n);

	*plan = (struct plan){
		.arena = p->a,
		.commit = p->in->desired->commit,
		.observed_at = p->in->observed->at,
		.made_at = p->now,
		.state_id = p->in->memory->state_id,
		.wants = p->w,
		.actions = actions,
		.n_actions = n,
		.conflicts = p->conflicts.v,
		.n_conflicts = p->conflicts.n,
		.waitings = p->waitings.v,
		.n_waitings = p->waitings.n,
		.unobserved = p->unobserved.v,
		.n_unobserved = p->unobserved.n,
		.drifts = p->drifts.v,
		.n_drifts = p->drifts.n,
		.verdicts = p->verdicts.v,
		.n_verdicts = p->verdicts.n,
		.marks = p->marks.v,
		.n_marks = p->marks.n,
		.renames = p->in->memory->renames,
		.n_renames = p->in->memory->n_renames,
		.wake = p->wake,
	};
	plan->in_sync =
		n == 0 && plan->n_renames == 0 && plan->n_conflicts == 0 && plan->n_waitings == 0;
	return plan;
}

static void source_stale(struct planner *p)
{
	struct drift d = { .object_kind = KIND_POLICY,
		           .name = "source",
		           .verdict = "SourceStale",
		           .message = "planned from the last accepted desired state" };

	if (p->in->source_stale) {
		report_drift(p, &d);
	}
}

static void stages(struct planner *p)
{
	plan_issuers(p);
	trust_index(p);
	plan_generations(p);
	plan_identities(p);
	plan_urgency(p);
	plan_stores(p);
	plan_units(p);
	plan_crls(p);
	plan_leftovers(p);
	plan_verdicts(p);
	source_stale(p);
}

static enum err_code build(struct planner *p, const struct plan **ret, struct err *err)
{
	enum err_code rc = planner_rows(p, err);

	if (rc == ERR_OK) {
		stages(p);
		rc = p->rc;
	}
	const struct plan *plan = rc == ERR_OK ? finish(p) : NULL;

	if (rc == ERR_OK && arena_failed(p->a)) {
		return err_nomem(err);
	}
	if (rc == ERR_OK) {
		*ret = plan;
	}
	return rc;
}

enum err_code plan_build(const struct plan_input *in, struct arena *arena, const struct plan **ret,
                         struct err *err)
{
	struct planner p = { .in = in, .a = arena, .now = in->now, .w = in->wants, .err = err };

	map_init(&p.anchors);
	map_init(&p.revisions);
	map_init(&p.parsed_sets);
	enum err_code rc = build(&p, ret, err);

	map_release(&p.parsed_sets);
	map_release(&p.revisions);
	map_release(&p.anchors);
	return rc;
}
