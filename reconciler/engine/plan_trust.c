/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_trust.c - who verifies whom, derived from the stores, and who stands in the way of a change.
 *
 * A verifier counts as ready when it was observed to hold the anchor or pin and its software is
 * known to have loaded that very content. Not knowing is not ready.
 */
#include "reconciler/engine/planner.h"
#include "reconciler/engine/want_build.h"

struct anchor_plan *anchor_plan_of(struct planner *p, const struct seen_cert *c)
{
	struct bytes key = bytes_of(c->sha256, sizeof(c->sha256));
	struct anchor_plan *ap = map_get(&p->anchors, key);

	if (ap != NULL) {
		return ap;
	}
	ap = ARENA_NEW(p->a, struct anchor_plan);
	if (ap == NULL || map_put(&p->anchors, key, ap, NULL) < 0) {
		p->rc = p->rc == ERR_OK ? err_nomem(p->err) : p->rc;
		return NULL;
	}
	ap->cert = c;
	return ap;
}

bool store_holds(const struct store_plan *sp, const struct seen_cert *c)
{
	if (!sp->readable || sp->absent || c == NULL) {
		return false;
	}
	for (size_t i = 0; i < sp->os->n_entries; i++) {
		const struct obs_entry *e = &sp->os->entries[i];

		if (e->kind == KS_TRUSTED && e->chain.n > 0 && e->chain.v[0] == c) {
			return true;
		}
	}
	return false;
}

bool store_loaded(const struct store_plan *sp)
{
	if (!sp->readable || sp->absent) {
		return false;
	}
	return sp->ws->target->shared->n_activate == 0 ||
	       (sp->sm != NULL && digests_equal(sp->sm->activated, sp->os->sha256));
}

static void note_verifier(struct planner *p, struct store_plan *sp, const struct want_entry *we)
{
	struct anchor_plan *ap = anchor_plan_of(p, we->anchor);

	if (ap == NULL) {
		return;
	}
	ap->verifiers++;
	if (store_holds(sp, we->anchor) && store_loaded(sp)) {
		return;
	}
	struct blocker *b = ARENA_NEW(p->a, struct blocker);

	if (b != NULL) {
		b->sp = sp;
		b->next = ap->blockers;
		ap->blockers = b;
	}
}

void trust_index(struct planner *p)
{
	for (size_t i = p->w->n_stores; i > 0; i--) {
		struct store_plan *sp = &p->stores[i - 1];

		for (size_t k = 0; k < sp->ws->n_entries; k++) {
			const struct want_entry *we = &sp->ws->entries[k];

			/* A generation on its way out may still have to be presented. */
			if (we->source != ENTRY_CERTIFICATE && we->anchor != NULL &&
			    (!we->leaving || we->issuer != NULL)) {
				note_verifier(p, sp, we);
			}
		}
	}
}

static bool accepts(const struct store_plan *sp, const struct change_of_face *c)
{
	return store_loaded(sp) && (store_holds(sp, c->leaf) || store_holds(sp, c->anchor));
}

/* A consumer written on the presenter's Target is judged by its quorum, not store by store. */
static bool has_quorum(const struct change_of_face *c, const struct store_plan *sp)
{
	const struct target *t = c->where == NULL ? NULL : c->where->ws->target;

	for (size_t i = 0; t != NULL && i < t->shared->n_consumers; i++) {
		if (str_equal(t->shared->consumers[i].target.s, sp->ws->target->o.name)) {
			return true;
		}
	}
	return false;
}

static const char *why_not(struct planner *p, const struct store_plan *sp,
                           const struct change_of_face *c)
{
	const struct seen_cert *wanted = c->leaf != NULL ? c->leaf : c->anchor;

	if (!sp->readable) {
		return say(p, "%s could not be looked at", sp->ws->key);
	}
	if (store_holds(sp, c->leaf) || store_holds(sp, c->anchor)) {
		return say(p, "%s holds the new trust but has not loaded it", sp->ws->key);
	}
	if (wanted == NULL) {
		return say(p, "%s pins the certificate and must hold the new one first",
		           sp->ws->key);
	}
	return say(p, "%s does not trust %s yet", sp->ws->key, say_cert(p, wanted));
}

static const char *blocked_by(struct planner *p, struct store_plan *sp,
                              const struct change_of_face *c)
{
	/* What is not there verifies nobody once it starts; two absent stores must not wait for one
	 * another. */
	bool both_absent = c->where != NULL && c->where->absent && sp->absent;

	if (accepts(sp, c) || both_absent || has_quorum(c, sp)) {
		return NULL;
	}
	if (sp->readable && (store_holds(sp, c->leaf) || store_holds(sp, c->anchor))) {
		sp->need_load = true;
	}
	sp->unit->urgent = sp->unit->urgent || c->urgent;
	return why_not(p, sp, c);
}

static bool host_accepts(const struct planner *p, const struct unit_plan *u,
                         const struct change_of_face *c)
{
	for (size_t i = 0; i < u->n_stores; i++) {
		if (accepts(&p->stores[u->first_store + i], c)) {
			return true;
		}
	}
	return false;
}

/* The time runs from when there is something to trust: what this very plan issues is not there yet.
 */
static bool past_deadline(struct planner *p, const struct consumer_spec *cs,
                          const struct change_of_face *c)
{
	struct wall end = { c->id->cur == NULL ? 0 : c->id->cur->issued_at.s + cs->deadline_s };

	if (cs->deadline_s == 0 || !cs->proceed_on_deadline || c->id->cur == NULL ||
	    c->id->draft != NULL) {
		return false;
	}
	wake_at(p, end);
	return p->now.s >= end.s;
}

static const char *consumer_in_the_way(struct planner *p, const struct consumer_spec *cs,
                                       const struct change_of_face *c)
{
	const struct target *t;
	size_t ready = 0;

	if (past_deadline(p, cs, c)) {
		return NULL;
	}
	if (cs->external.s != NULL) {
		return say(p, "consumer %s has not confirmed it", cs->external.s);
	}
	t = desired_target(p->in->desired, cs->target.s);
	for (size_t h = 0; t != NULL && h < t->n_hosts; h++) {
		ready += host_accepts(p, plan_of_unit(p, t, &t->hosts[h]), c) ? 1 : 0;
	}
	if (t == NULL || ready * 100 >= (size_t)cs->quorum_percent * t->n_hosts) {
		return NULL;
	}
	for (size_t h = 0; c->urgent && h < t->n_hosts; h++) {
		plan_of_unit(p, t, &t->hosts[h])->urgent = true;
	}
	return say(p, "%zu of %zu hosts of Target %s trust it, %d %% must", ready, t->n_hosts,
	           t->o.name, cs->quorum_percent);
}

static const char *consumers_in_the_way(struct planner *p, const struct change_of_face *c)
{
	const struct target *t = c->where == NULL ? NULL : c->where->ws->target;
	bool same = c->anchor != NULL && c->anchor == c->old_anchor;
	const char *first = NULL;

	for (size_t i = 0; t != NULL && i < t->shared->n_consumers; i++) {
		const struct consumer_spec *cs = &t->shared->consumers[i];

		/* Under the same anchor a target needs nothing new; an outsider may have pinned. */
		if (same && cs->external.s == NULL && c->id->pins == NULL) {
			continue;
		}
		const char *why = consumer_in_the_way(p, cs, c);

		first = first == NULL ? why : first;
	}
	return first;
}

/* It was told to trust the anchor instead of the certificate itself, and has not heard it yet. */
static bool still_pins(const struct store_plan *sp, const struct seen_cert *leaf)
{
	for (size_t i = 0; leaf != NULL && i < sp->ws->n_entries; i++) {
		const struct want_entry *we = &sp->ws->entries[i];

		if (we->source != ENTRY_CERTIFICATE && we->anchor == leaf) {
			return true;
		}
	}
	return false;
}

const char *trust_in_the_way(struct planner *p, const struct change_of_face *c)
{
	const char *first = NULL;

	/* All of them are asked, not only the first: each may have to hurry or to load. */
	for (struct pin_ref *r = c->id->pins; r != NULL; r = r->next) {
		const char *why = blocked_by(p, r->sp, c);

		first = first == NULL ? why : first;
	}
	if (c->anchor != NULL) {
		struct anchor_plan *ap = anchor_plan_of(p, c->anchor);
		bool same = c->anchor == c->old_anchor;

		for (struct blocker *b = ap == NULL ? NULL : ap->blockers; b != NULL; b = b->next) {
			if (same && !still_pins(b->sp, c->old_leaf)) {
				continue; /* it has nothing to lose by this change */
			}
			const char *why = blocked_by(p, b->sp, c);

			first = first == NULL ? why : first;
		}
	}
	const char *why = consumers_in_the_way(p, c);

	return first == NULL ? why : first;
}
