/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_presented.c - is anybody still presenting a chain to this anchor? Asked before trust is
 * taken away, hence only when an anchor is leaving; answered once per anchor.
 *
 * What was not seen, or seen without proof of possession, is UNKNOWN, and unknown keeps trust.
 */
#include "reconciler/engine/planner.h"
#include "reconciler/engine/want_build.h"

struct revision_ref {
	struct id_plan *id;
	const struct held *held;
};

static void index_revisions(struct planner *p)
{
	p->revisions_ready = true;
	for (size_t i = 0; i < p->in->desired->n_identities; i++) {
		const struct identity_memory *im = p->ids[i].mem;

		for (size_t k = 0; im != NULL && k < im->n_revisions; k++) {
			const struct held *h = &im->revisions[k];
			struct revision_ref *r = ARENA_NEW(p->a, struct revision_ref);

			if (r == NULL || h->chain.n == 0) {
				continue;
			}
			*r = (struct revision_ref){ .id = &p->ids[i], .held = h };
			if (map_put(&p->revisions, bytes_of(h->chain.v[0]->sha256, SHA256_BYTES), r,
			            NULL) < 0) {
				p->rc = p->rc == ERR_OK ? err_nomem(p->err) : p->rc;
			}
		}
	}
}

static const struct revision_ref *revision_of(struct planner *p, const uint8_t *sha256)
{
	if (!p->revisions_ready) {
		index_revisions(p);
	}
	return map_get(&p->revisions, bytes_of(sha256, SHA256_BYTES));
}

const struct held *held_by_leaf(struct planner *p, const struct seen_cert *leaf,
                                struct id_plan **ret_id)
{
	const struct revision_ref *r = revision_of(p, leaf->sha256);

	if (r != NULL && ret_id != NULL) {
		*ret_id = r->id;
	}
	return r == NULL ? NULL : r->held;
}

static const struct cert *parsed_anchor(struct planner *p, struct anchor_plan *ap)
{
	if (!ap->parse_tried) {
		ap->parse_tried = true;
		ap->parsed = seen_cert_parse(ap->cert, p->a);
	}
	return ap->parsed;
}

static bool held_ends_in(struct planner *p, const struct held *h, const struct anchor_plan *ap)
{
	for (size_t i = 0; i < h->chain.n; i++) {
		if (h->chain.v[i] == ap->cert) {
			return true;
		}
	}
	return h->issuer[0] != '\0' && anchor_of(p, h->issuer, h->issuer_generation) == ap->cert;
}

static bool chain_ends_in(struct planner *p, const struct seen_chain *c, struct anchor_plan *ap)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->v[i] == ap->cert) {
			return true;
		}
	}
	if (c->n == 0) {
		return false;
	}
	const struct held *h = held_by_leaf(p, c->v[0], /* ret_id= */ NULL);

	if (h != NULL && h->issuer[0] != '\0') {
		return anchor_of(p, h->issuer, h->issuer_generation) == ap->cert;
	}
	const struct cert *anchor = parsed_anchor(p, ap);

	if (anchor == NULL) {
		return true; /* cannot tell: as if it did */
	}
	if (!anchor->is_ca && !seen_cert_self_signed(ap->cert)) {
		return false;
	}
	const struct cert *top = seen_cert_parse(c->v[c->n - 1], p->a);

	return top == NULL || cert_issued_by(top, anchor);
}

/* Could this identity present a chain to it where we cannot look? */
static bool may_present(struct planner *p, const struct want_entry *e, const struct id_plan *ip,
                        const struct anchor_plan *ap)
{
	if (ip == NULL) {
		return true;
	}
	if (e->identity != NULL) {
		return e->identity == ip->id;
	}
	if (ip->mem == NULL || ip->mem->n_revisions == 0) {
		return true;
	}
	for (size_t i = 0; i < ip->mem->n_revisions; i++) {
		const struct held *h = &ip->mem->revisions[i];

		if (h->issuer[0] == '\0' || held_ends_in(p, h, ap)) {
			return true;
		}
	}
	return false;
}

struct question {
	const struct want_entry *e;
	struct anchor_plan *ap;
};

/* The first by name is the one told: rows may come in any order. */
static void answer(const struct question *q, enum answer a, const char *who)
{
	struct anchor_plan *ap = q->ap;

	if (a == ANSWER_NO || (ap->presented == ANSWER_YES && a != ANSWER_YES)) {
		return;
	}
	if (ap->presented != a || ap->who == NULL || strcmp(who, ap->who) < 0) {
		ap->who = who;
	}
	ap->presented = a;
}

static void ask_held(struct planner *p, const struct question *q)
{
	for (size_t i = 0; i < p->in->desired->n_identities; i++) {
		const struct id_plan *ip = &p->ids[i];

		if (ip->cur != NULL && held_ends_in(p, ip->cur, q->ap)) {
			answer(q, ANSWER_YES, ip->id->name);
			return;
		}
	}
}

/* An endpoint of this host that proves to serve what is stored. */
static bool serves_what_is_stored(const struct slot *s)
{
	for (const struct endpoint_ref *e = s->sp->unit->endpoints; e != NULL; e = e->next) {
		const struct obs_endpoint *oe = e->oe;

		if (e->we->identity == s->we->identity && oe != NULL && oe->status == ENDPOINT_OK &&
		    oe->proof == PROOF_POSSESSION && oe->served.n > 0 &&
		    oe->served.v[0] == slot_leaf(s)) {
			return true;
		}
	}
	return false;
}

/* What its software presents is not what the file shows: it could not be looked at, or the file
 * was not loaded since it changed. */
static bool dark(const struct slot *s)
{
	if (!s->sp->readable || (s->oe != NULL && s->oe->chain.n == 0)) {
		return true;
	}
	return s->sp->ws->target->shared->n_activate > 0 && !store_loaded(s->sp) &&
	       !serves_what_is_stored(s);
}

static void ask_stores(struct planner *p, const struct question *q)
{
	const struct observed *o = p->in->observed;

	for (size_t i = 0; i < p->w->n_stores; i++) {
		const struct store_plan *sp = &p->stores[i];

		for (size_t k = 0; k < sp->n_slots; k++) {
			const struct slot *s = &sp->slots[k];

			if (dark(s) && may_present(p, q->e, s->id, q->ap)) {
				answer(q, ANSWER_UNKNOWN, sp->ws->key);
			}
		}
	}
	for (size_t i = 0; i < o->n_stores; i++) {
		const struct obs_store *os = &o->stores[i];

		for (size_t k = 0; os->status == LOOK_OK && k < os->n_entries; k++) {
			if (os->entries[k].kind == KS_KEY &&
			    chain_ends_in(p, &os->entries[k].chain, q->ap)) {
				answer(q, ANSWER_YES,
				       store_key(p->a, os->target, os->host, os->path));
			}
		}
	}
}

static enum answer endpoint_answer(struct planner *p, const struct question *q,
                                   const struct want_endpoint *we, const struct obs_endpoint *oe)
{
	const struct id_plan *ip = plan_of_identity(p, we->identity);

	if (oe != NULL && oe->status == ENDPOINT_REFUSED) {
		return ANSWER_NO;
	}
	if (oe != NULL && oe->status == ENDPOINT_OK && oe->served.n > 0) {
		if (chain_ends_in(p, &oe->served, q->ap)) {
			return ANSWER_YES;
		}
		if (oe->proof == PROOF_POSSESSION) {
			return ANSWER_NO;
		}
	}
	return may_present(p, q->e, ip, q->ap) ? ANSWER_UNKNOWN : ANSWER_NO;
}

static void ask_endpoints(struct planner *p, const struct question *q)
{
	for (size_t i = 0; i < p->w->n_endpoints; i++) {
		const struct want_endpoint *we = &p->w->endpoints[i];

		if (!we->spec->shared->once) {
			answer(q,
			       endpoint_answer(p, q, we,
			                       observed_endpoint(p->in->observed, we->key)),
			       we->key);
		}
	}
}

/* Slots of ours in stores that nobody looks at any more. */
static void ask_abandoned(struct planner *p, const struct question *q)
{
	const struct memory *m = p->in->memory;

	for (size_t i = 0; i < m->n_slots; i++) {
		const struct slot_memory *s = &m->slots[i];

		if (s->identity == NULL || wants_store(p->w, s->store_key) != NULL) {
			continue;
		}
		const struct revision_ref *r = revision_of(p, digest_or_zeroes(s->sha256));

		if (r == NULL || held_ends_in(p, r->held, q->ap)) {
			answer(q, ANSWER_UNKNOWN, s->store_key);
		}
	}
}

enum answer presented(struct planner *p, const struct want_entry *e, const char **ret_who)
{
	struct anchor_plan *ap = anchor_plan_of(p, e->anchor);
	struct question q = { .e = e, .ap = ap };

	if (ap == NULL) {
		return ANSWER_UNKNOWN;
	}
	if (!ap->presented_known) {
		ap->presented_known = true;
		ask_held(p, &q);
		ask_stores(p, &q);
		ask_endpoints(p, &q);
		ask_abandoned(p, &q);
	}
	*ret_who = ap->who;
	return ap->presented;
}
