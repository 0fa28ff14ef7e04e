/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * apply.c - the plan's actions in its order; what depends on something that failed is skipped, what
 * does not goes on.
 */
#include <stdio.h>
#include <stdlib.h>

#include "reconciler/base/str.h"
#include "reconciler/engine/run.h"

#define FIRST_DELAY_S     60
#define PUSH_DELAY_MAX_S  3600
#define ISSUE_DELAY_MAX_S (6 * 3600)

enum err_code run_begin(struct run *r, size_t action, struct err *err)
{
	const struct action *a = &r->plan->actions[action];

	if (r->engine->listener != NULL) {
		r->engine->listener->step(r->engine->listener, a, /* begins= */ true, ERR_OK,
		                          /* err= */ NULL);
	}
	return journal_intent(r->engine->store, r->id, a->id, a->detail == NULL ? "" : a->detail,
	                      &r->seq[action], err);
}

static void note_first(struct apply_result *res, const struct err *why)
{
	if (res->first_error[0] != '\0') {
		return;
	}
	err_format(why, res->first_error, sizeof(res->first_error));
	if (why->hint[0] != '\0') {
		size_t n = strlen(res->first_error);
		(void)snprintf(res->first_error + n, sizeof(res->first_error) - n, "\nhint: %s",
		               why->hint);
	}
}

enum err_code run_end(struct run *r, size_t action, const struct err *outcome, struct err *err)
{
	const struct action *a = &r->plan->actions[action];
	enum err_code code = outcome == NULL ? ERR_OK : outcome->code;
	char text[1024] = "";

	if (outcome != NULL) {
		err_format(outcome, text, sizeof(text));
		note_first(r->result, outcome);
	}
	r->status[action] = code == ERR_OK ? STEP_DONE : STEP_FAILED;
	*(code == ERR_OK ? &r->result->done : &r->result->failed) += 1;
	if (r->engine->listener != NULL) {
		r->engine->listener->step(r->engine->listener, a, /* begins= */ false, code,
		                          outcome);
	}
	return journal_outcome(r->engine->store, r->seq[action], code, text, err);
}

/* 1, 2, 4 ... minutes, with up to a tenth on top so that many do not come back in one second. */
static int64_t delay_s(struct run *r, unsigned failures, int64_t max)
{
	unsigned doublings = failures > 16 ? 16 : failures - 1;
	int64_t s = (int64_t)FIRST_DELAY_S << doublings;

	s = s > max ? max : s;
	return s + rng_below(&r->engine->rng, (uint32_t)(s / 10 + 1));
}

static bool is_delivery(const struct action *a)
{
	switch (a->kind) {
	case ACTION_RETIRE: /* of a slot; without a store it archives an identity */
		return a->store != NULL;
	case ACTION_PUSH:
	case ACTION_TRUST_ADD:
	case ACTION_TRUST_DROP:
	case ACTION_CONFIGURE:
	case ACTION_ACTIVATE:
	case ACTION_VERIFY:
		return true;
	case ACTION_ISSUE:
	case ACTION_RENEW:
	case ACTION_REKEY:
	case ACTION_ADOPT:
	case ACTION_REVOKE:
	case ACTION_PUBLISH_CRL:
	case ACTION_COUNT:
		break;
	}
	return false;
}

/* What was activated and does not prove itself has disturbed somebody each time. */
static bool worth_retrying(const struct action *a, enum err_code code)
{
	return err_disposition(code) == ERR_RETRY && !(code == ERR_VERIFY && is_delivery(a));
}

enum err_code run_failed(struct run *r, const char *what, const struct backoff *before,
                         const struct action *a, const struct err *why, struct err *err)
{
	struct wall now = r->engine->clock->wall(r->engine->clock);
	char text[1024];
	struct backoff b = { .failures = 1, .same = 1, .last_at = now, .error = text };

	err_format(why, text, sizeof(text));
	memcpy(b.inputs, a->inputs, sizeof(b.inputs));
	if (before != NULL && before->failures > 0) {
		b.failures = before->failures + 1;
		bool same = memcmp(before->inputs, b.inputs, sizeof(b.inputs)) == 0 &&
		            str_equal(before->error, text);
		b.same = same ? before->same + 1 : 1;
	}
	b.held = b.same >= 2 && !worth_retrying(a, why->code);
	int64_t max = str_starts(what, "issue") ? ISSUE_DELAY_MAX_S : PUSH_DELAY_MAX_S;
	b.next_at.s = now.s + delay_s(r, b.failures, max);
	return store_failed(r->engine->store, what, &b, err);
}

static bool same_host(const struct action *a, const struct action *b)
{
	return is_delivery(a) && is_delivery(b) && a->target == b->target &&
	       a->target_host == b->target_host;
}

enum readiness { READY, BLOCKED, LOST };

/* Ready when everything it depends on is done, or is a delivery of the same host that is ready
 * itself (the plan has no cycles). */
static enum readiness readiness(const struct run *r, const struct map *index, size_t i)
{
	const struct action *a = &r->plan->actions[i];
	enum readiness worst = READY;

	for (size_t k = 0; k < a->n_depends_on; k++) {
		const struct action *dep = map_get_str(index, a->depends_on[k]);
		if (dep == NULL) {
			continue;
		}
		size_t d = (size_t)(dep - r->plan->actions);
		if (r->status[d] == STEP_FAILED || r->status[d] == STEP_SKIPPED) {
			return LOST;
		}
		if (r->status[d] == STEP_DONE) {
			continue;
		}
		enum readiness of = same_host(a, dep) ? readiness(r, index, d) : BLOCKED;
		if (of == LOST) {
			return LOST;
		}
		worst = of == BLOCKED ? BLOCKED : worst;
	}
	return worst;
}

static const struct backoff *backoff_before(const struct memory *m, bool of_issuer,
                                            const char *name)
{
	const struct issuer_memory *issuer = of_issuer ? memory_issuer(m, name) : NULL;
	const struct identity_memory *identity = of_issuer ? NULL : memory_identity(m, name);

	return issuer != NULL ? &issuer->make : identity != NULL ? identity->issue : NULL;
}

static enum err_code do_single(struct run *r, size_t i, struct err *err)
{
	const struct action *a = &r->plan->actions[i];
	bool of_issuer = a->object_kind == KIND_ISSUER;
	const char *name = a->identity == NULL ? a->name : a->identity->name;
	const char *what =
		arena_printf(&r->pass->arena, "%s:%s", of_issuer ? "issuer" : "issue", name);
	struct fresh *fresh = &r->fresh[r->n_fresh];
	struct err why = { 0 };
	bool pending = false;

	enum err_code rc = what == NULL ? err_nomem(err) : run_begin(r, i, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (a->kind == ACTION_RETIRE) {
		rc = store_identity_archive(r->engine->store, a->name, &why);
	} else if (a->kind == ACTION_PUBLISH_CRL) {
		rc = issue_crl(r->engine, r->pass, a, &why);
	} else if (a->identity == NULL) {
		rc = issue_ca(r->engine, r->pass, a, &why);
	} else if (a->kind == ACTION_ADOPT) {
		rc = adopt_identity(r->engine, r->pass, a, fresh, &why);
	} else if (a->kind == ACTION_REVOKE) {
		rc = engine_revoke(r->engine, a->identity->name, /* reason= */ 0, &why);
	} else {
		rc = issue_identity(r->engine, r->pass, a, fresh, &pending, &why);
	}
	if (rc != ERR_OK) {
		(void)err_wrap(&why, "%s %s", kind_name(a->object_kind), name);
		enum err_code kept =
			run_failed(r, what, backoff_before(r->pass->memory, of_issuer, name), a,
		                   &why, err);
		return kept == ERR_OK ? run_end(r, i, &why, err) : kept;
	}
	r->n_fresh += fresh->identity != NULL && !pending ? 1 : 0;
	r->pass->fresh = r->fresh;
	r->pass->n_fresh = r->n_fresh;
	rc = store_succeeded(r->engine->store, what, err);
	if (rc == ERR_OK) {
		rc = run_end(r, i, /* outcome= */ NULL, err);
	}
	r->status[i] = pending ? STEP_SKIPPED : r->status[i];
	return rc;
}

static enum err_code do_delivery(struct run *r, const struct map *index, size_t first,
                                 size_t *members, struct err *err)
{
	const struct action *a = &r->plan->actions[first];
	struct unit u = { .target = a->target, .host = a->target_host, .actions = members };

	for (size_t i = first; i < r->plan->n_actions; i++) {
		if (r->status[i] == STEP_WAITING && same_host(a, &r->plan->actions[i]) &&
		    readiness(r, index, i) == READY) {
			members[u.n++] = i;
		}
	}
	return deliver(r, &u, err);
}

static bool is_due(const struct run *r, const struct action *a)
{
	return a->not_before.s <= r->engine->clock->wall(r->engine->clock).s;
}

bool engine_ends(struct engine *e)
{
	return e->ends != NULL && e->ends(e);
}

static bool is_ended(const struct run *r)
{
	return !r->how.whole && engine_ends(r->engine);
}

static enum err_code drop_done(struct run *r, const struct map *index, struct action *a,
                               struct err *err)
{
	const char **v = ARENA_ARRAY(&r->pass->arena, const char *, a->n_depends_on + 1);
	size_t n = 0;

	for (size_t i = 0; v != NULL && i < a->n_depends_on; i++) {
		const struct action *dep = map_get_str(index, a->depends_on[i]);
		if (dep == NULL || r->status[dep - r->plan->actions] != STEP_DONE) {
			v[n++] = a->depends_on[i];
		}
	}
	a->depends_on = v;
	a->n_depends_on = n;
	return v == NULL ? err_nomem(err) : ERR_OK;
}

/* What a plan that was cut short leaves, in its place: nobody looks again only to tell. */
static enum err_code keep_rest(struct run *r, const struct map *index, struct err *err)
{
	struct arena *arena = &r->pass->arena;
	struct plan *rest = ARENA_NEW(arena, struct plan);
	struct action *v = ARENA_ARRAY(arena, struct action, r->plan->n_actions + 1);
	enum err_code rc = rest == NULL || v == NULL ? err_nomem(err) : ERR_OK;
	size_t n = 0;

	for (size_t i = 0; rc == ERR_OK && i < r->plan->n_actions; i++) {
		r->result->skipped += r->status[i] == STEP_WAITING ? 1 : 0;
		if (r->status[i] != STEP_DONE) {
			v[n] = r->plan->actions[i];
			rc = drop_done(r, index, &v[n++], err);
		}
	}
	if (rc != ERR_OK) {
		return rc;
	}
	*rest = *r->plan;
	rest->actions = v;
	rest->n_actions = n;
	rest->n_renames = 0;
	r->pass->plan = rest;
	r->result->ended = true;
	return ERR_OK;
}

/* One sweep over what waits; *ret_progress tells whether another is worth it. */
static enum err_code sweep(struct run *r, const struct map *index, size_t *members,
                           bool *ret_progress, struct err *err)
{
	for (size_t i = 0; i < r->plan->n_actions; i++) {
		const struct action *a = &r->plan->actions[i];
		if (r->status[i] != STEP_WAITING) {
			continue;
		}
		enum readiness ready = readiness(r, index, i);
		if (ready == LOST || !is_due(r, a)) {
			r->status[i] = STEP_SKIPPED;
			r->result->skipped += 1;
			*ret_progress = true;
			continue;
		}
		if (ready == BLOCKED) {
			continue;
		}
		if (is_ended(r)) {
			*ret_progress = false;
			return ERR_OK;
		}
		enum err_code rc = is_delivery(a) ? do_delivery(r, index, i, members, err)
		                                  : do_single(r, i, err);
		if (rc != ERR_OK) {
			return rc;
		}
		*ret_progress = true;
	}
	return ERR_OK;
}

static enum err_code index_actions(const struct plan *p, struct map *ret, struct err *err)
{
	map_init(ret);
	for (size_t i = 0; i < p->n_actions; i++) {
		if (map_put_str(ret, p->actions[i].id, (void *)(uintptr_t)&p->actions[i],
		                /* ret_old= */ NULL) < 0) {
			return err_nomem(err);
		}
	}
	return ERR_OK;
}

enum err_code apply_plan(struct engine *e, struct pass *p, struct apply_how how,
                         struct apply_result *ret, struct err *err)
{
	CLEANUP(map_release) struct map index = { 0 };
	size_t n = p->plan->n_actions + 1;
	struct run r = { .engine = e, .pass = p, .plan = p->plan, .result = ret, .how = how };
	size_t *members = ARENA_ARRAY(&p->arena, size_t, n);
	bool progress = true;

	*ret = (struct apply_result){ 0 };
	r.id = arena_printf(&p->arena, "%s@%lld", p->plan->commit,
	                    (long long)e->clock->wall(e->clock).s);
	r.status = ARENA_ARRAY(&p->arena, enum step_status, n);
	r.seq = ARENA_ARRAY(&p->arena, int64_t, n);
	r.fresh = ARENA_ARRAY(&p->arena, struct fresh, n);
	if (arena_failed(&p->arena)) {
		return err_nomem(err);
	}
	enum err_code rc = index_actions(p->plan, &index, err);
	while (rc == ERR_OK && progress) {
		progress = false;
		rc = sweep(&r, &index, members, &progress, err);
	}
	return rc == ERR_OK && is_ended(&r) ? keep_rest(&r, &index, err) : rc;
}

enum err_code engine_apply(struct engine *e, struct pass *p, struct apply_result *ret,
                           struct err *err)
{
	return apply_plan(e, p, (struct apply_how){ 0 }, ret, err);
}
