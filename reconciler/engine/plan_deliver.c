/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_deliver.c - which revision may go into a slot now: where its key may be, and what the peers
 * must trust first.
 */
#include "reconciler/engine/planner.h"

void slot_waits(struct planner *p, struct slot *s, const char *row, const char *what_for,
                const char *message, struct wall until)
{
	struct waiting w = { .object_kind = KIND_TARGET,
		             .row = row,
		             .name = s->sp->ws->target->o.name,
		             .host = s->sp->ws->host->name,
		             .what_for = what_for,
		             .message = message,
		             .until = until };

	s->sp->unit->waits_for = what_for;
	report_waiting(p, &w);
}

static bool target_allowed(struct planner *p, struct slot *s, const char *row)
{
	const struct texts *allow = &s->id->id->def->shared->allow_targets;
	struct conflict c = { .object_kind = KIND_TARGET,
		              .row = row,
		              .name = s->sp->ws->target->o.name,
		              .host = s->sp->ws->host->name,
		              .code = "KeyRelease" };

	for (size_t i = 0; i < allow->n; i++) {
		if (str_equal(allow->v[i].s, s->sp->ws->target->o.name)) {
			return true;
		}
	}
	if (allow->n == 0) {
		return true;
	}
	c.message = say(p, "Certificate %s may not go there: allowTargets does not name it",
	                s->id->id->name);
	c.hint = "add the Target to allowTargets of the Certificate";
	report_conflict(p, &c);
	return false;
}

/* A key that lives somewhere already and would go to a host it was never on. */
static bool key_may_go(struct planner *p, struct slot *s, const char *row)
{
	const struct identity_memory *im = s->id->mem;
	bool anywhere = false;

	if (p->in->trusted || p->in->key_release_allow || s->we->certificate_only ||
	    s->id->cur == NULL || (im->approved_at.s >= s->id->cur->issued_at.s)) {
		return true;
	}
	for (const struct slot *o = s->id->slots; o != NULL; o = o->next) {
		bool there = o->sm != NULL && str_equal(o->sm->identity, s->id->id->name);

		if (there && o->sp->ws->host == s->sp->ws->host) {
			return true;
		}
		anywhere = anywhere || there;
	}
	if (!anywhere) {
		return true;
	}
	slot_waits(p, s, row, "ApprovalPending",
	           say(p, "KeyRelease: the key of %s was never on this host; approve %s",
	               s->id->id->name, s->id->id->name),
	           (struct wall){ 0 });
	return false;
}

static const struct seen_cert *anchor_of_held(struct planner *p, const struct held *h)
{
	return h == NULL || h->issuer[0] == '\0' ? NULL
	                                         : anchor_of(p, h->issuer, h->issuer_generation);
}

/* What the peers of this slot see now, when it is neither nothing nor a factory's own: stored, or
 * still served from memory though the file is gone. */
static const struct seen_cert *face_now(const struct slot *s)
{
	const struct seen_cert *leaf = slot_leaf(s);

	if (leaf != NULL && s->stored != STORED_FACTORY) {
		return leaf;
	}
	for (const struct endpoint_ref *e = s->sp->unit->endpoints; e != NULL; e = e->next) {
		if (e->we->identity == s->id->id && e->oe != NULL && e->oe->status == ENDPOINT_OK &&
		    e->oe->served.n > 0 && !is_factory(e->we->target, e->oe->served.v[0])) {
			return e->oe->served.v[0];
		}
	}
	return NULL;
}

static const struct held *revision_by_digest(const struct id_plan *ip, const uint8_t *sha256)
{
	for (size_t i = 0; ip->mem != NULL && i < ip->mem->n_revisions; i++) {
		const struct held *h = &ip->mem->revisions[i];

		if (h->chain.n > 0 && digests_equal(h->chain.v[0]->sha256, sha256)) {
			return h;
		}
	}
	return NULL;
}

/* The revision whose trust must not be lost: what is there, or (somebody wrote over it, and the
 * software may not have noticed) what we put there last. */
static const struct held *revision_before(const struct slot *s, const struct seen_cert *now)
{
	const struct held *h = now == NULL ? NULL : slot_revision(s->id, now);

	return h == NULL && s->sm != NULL ? revision_by_digest(s->id, s->sm->sha256) : h;
}

static bool trust_allows(struct planner *p, struct slot *s, const struct held *next,
                         const char *row)
{
	const struct seen_cert *now = face_now(s);
	struct change_of_face c = { .id = s->id, .where = s->sp };
	const struct held *before = revision_before(s, now);

	/* Whom nobody accepts any more cannot be missed. */
	bool dead = before != NULL && (before->revoked || before->compromised ||
	                               before->chain.v[0]->not_after.s <= p->now.s);

	/* A file that is gone may still be served from memory: what we put there counts. */
	s->first = dead || (now == NULL && before == NULL && s->stored != STORED_DAMAGED);
	if (s->first || (next != NULL && next == before)) {
		return true;
	}
	c.leaf = next == NULL ? NULL : next->chain.v[0];
	c.anchor = next != NULL ? anchor_of_held(p, next)
	                        : anchor_of(p, s->id->issuer->o.name, s->id->generation);
	c.old_anchor = anchor_of_held(p, before);
	c.old_leaf = before == NULL ? NULL : before->chain.v[0];
	c.urgent = s->sp->unit->urgent;
	/* A CA that this plan makes first has no verifiers yet that could be asked. */
	const char *why = next == NULL && c.anchor == NULL ? "the CA that signs it is not made yet"
	                                                   : trust_in_the_way(p, &c);

	if (why == NULL) {
		return true;
	}
	slot_waits(p, s, row, "TrustPending", say(p, "%s: %s", s->id->id->name, why),
	           (struct wall){ 0 });
	return false;
}

void slot_reason(struct planner *p, struct slot *s, const struct slot_decision *d,
                 const struct held *next)
{
	bool later = next == NULL;
	const char *wanted = later ? "known after issue" : say_cert(p, next->chain.v[0]);
	struct reason r = { .row = d->row, .code = d->code };

	r.field = say(p, "entries.%s", s->we->alias);
	r.desired = wanted;
	r.observed = s->oe == NULL ? NULL : say_cert(p, slot_leaf(s));
	if (s->we->alias[0] == '\0') {
		r.field = "deliver";
		r.message = s->oe == NULL ? say(p, "wanted: %s", wanted)
		                          : say(p, "holds %s, wanted: %s", r.observed, wanted);
	} else if (s->stored == STORED_OPAQUE) {
		r.message =
			say(p, "alias %s cannot be read back, wanted: %s", s->we->alias, wanted);
	} else {
		r.message = s->oe == NULL ? say(p, "alias %s is missing, wanted: %s", s->we->alias,
		                                wanted)
		                          : say(p, "alias %s holds %s, wanted: %s", s->we->alias,
		                                r.observed, wanted);
	}
	struct store_work *work = work_for(p, s->sp);

	reason_add(p, later ? &work->later_reasons : &work->reasons, &r);
}

void slot_keep(struct planner *p, struct slot *s, bool ours)
{
	if (s->oe != NULL) {
		(void)change_add(p, s->sp, ENTRY_KEEP, ours ? s->we : NULL, s->oe, NULL);
	} else if (s->sp->absent) {
		s->sp->incomplete = true;
	}
}

static void put_revision(struct planner *p, struct slot *s, const struct slot_decision *d,
                         const struct held *next)
{
	struct store_plan *sp = s->sp;
	struct entry_change *ch = change_add(p, sp, s->oe == NULL ? ENTRY_ADD : ENTRY_REPLACE,
	                                     s->we, s->oe, next == NULL ? s->id->draft : NULL);

	if (ch != NULL && next != NULL) {
		ch->to = next->chain.v[0];
		ch->revision = next->revision;
	}
	slot_reason(p, s, d, next);
	sp->identity_changes = true;
	sp->identity_first = sp->identity_first || s->first;
}

/* The newest one must wait, but what lies there is nobody's: the one that the peers know goes back
 * meanwhile, so that no activation loads a stranger's key. */
static bool put_back(struct planner *p, struct slot *s, const struct slot_decision *d)
{
	const struct held *h = revision_before(s, face_now(s));
	bool nobodys = s->stored == STORED_DAMAGED || s->stored == STORED_FOREIGN ||
	               s->stored == STORED_FACTORY || s->stored == STORED_ABSENT;

	if (!nobodys || h == NULL || !h->has_key || h->revoked || h->compromised ||
	    h->chain.v[0]->not_after.s <= p->now.s) {
		return false;
	}
	put_revision(p, s, d, h);
	return true;
}

void slot_deliver_revision(struct planner *p, struct slot *s, const struct slot_decision *d,
                           const struct held *next)
{
	bool ours = s->stored == STORED_PREVIOUS || s->stored == STORED_DAMAGED ||
	            s->stored == STORED_CURRENT || s->sm != NULL;

	bool may_go = target_allowed(p, s, d->row) && key_may_go(p, s, d->row);

	if (may_go && trust_allows(p, s, next, d->row)) {
		put_revision(p, s, d, next);
	} else if (!may_go || !put_back(p, s, d)) {
		slot_keep(p, s, ours);
	}
}

void slot_deliver(struct planner *p, struct slot *s, const struct slot_decision *d)
{
	const struct id_plan *ip = s->id;

	if (ip->usable) {
		slot_deliver_revision(p, s, d, ip->cur);
	} else if (ip->draft != NULL) {
		slot_deliver_revision(p, s, d, NULL);
	} else {
		slot_keep(p, s, s->stored != STORED_FOREIGN);
	}
}
