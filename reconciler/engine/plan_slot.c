/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_slot.c - table B for one key entry: what lies there, what is served, what follows.
 */
#include "reconciler/engine/planner.h"
#include "reconciler/engine/renewal.h"

#define ACTIVATIONS_MAX 2 /* of one write: the third would only disturb */

const struct seen_cert *slot_leaf(const struct slot *s)
{
	return s->oe == NULL || s->oe->chain.n == 0 ? NULL : s->oe->chain.v[0];
}

const struct held *slot_revision(const struct id_plan *ip, const struct seen_cert *leaf)
{
	for (size_t i = 0; ip->mem != NULL && i < ip->mem->n_revisions; i++) {
		const struct held *h = &ip->mem->revisions[i];

		if (h->chain.n > 0 && h->chain.v[0] == leaf) {
			return h;
		}
	}
	return NULL;
}

static bool damaged(const struct slot *s)
{
	const struct obs_entry *e = s->oe;

	if (s->we->certificate_only) {
		return e->chain.n == 0;
	}
	return e->kind != KS_KEY || e->chain.n == 0 ||
	       (e->warnings & KS_WARN_BAD_CERTIFICATE) != 0 || (e->key_opens && !e->key_matches);
}

bool is_factory(const struct target *t, const struct seen_cert *leaf)
{
	return t != NULL && t->shared->can.factory_identity && leaf != NULL &&
	       seen_cert_self_signed(leaf);
}

enum stored slot_stored(struct planner *p, struct slot *s)
{
	const struct seen_cert *leaf = slot_leaf(s);
	const struct id_plan *ip = s->id;

	(void)p;
	if (s->sp->ws->target->shared->can.write_only) {
		return STORED_OPAQUE;
	}
	if (!s->sp->readable) {
		return STORED_UNKNOWN;
	}
	if (s->oe == NULL) {
		return STORED_ABSENT;
	}
	const struct held *h = leaf == NULL ? NULL : slot_revision(ip, leaf);
	bool ours = h != NULL || s->sm != NULL;

	if (damaged(s)) {
		return ours ? STORED_DAMAGED : STORED_FOREIGN;
	}
	if (h != NULL) {
		return h == ip->cur ? STORED_CURRENT : STORED_PREVIOUS;
	}
	if (s->sm != NULL && digests_equal(s->sm->sha256, leaf->sha256)) {
		return STORED_PREVIOUS;
	}
	return is_factory(s->sp->ws->target, leaf) ? STORED_FACTORY : STORED_FOREIGN;
}

enum served endpoint_served(struct planner *p, const struct endpoint_ref *e,
                            const struct id_plan *ip)
{
	const struct obs_endpoint *oe = e->oe;

	(void)p;
	if (e->we->spec->shared->once) {
		return SERVED_UNDECLARED;
	}
	if (oe == NULL || oe->status == ENDPOINT_NONE || oe->status == ENDPOINT_UNREACHABLE ||
	    oe->status == ENDPOINT_NO_TLS) {
		return SERVED_UNKNOWN;
	}
	if (oe->status == ENDPOINT_REFUSED || oe->served.n == 0) {
		return oe->status == ENDPOINT_REFUSED ? SERVED_NOTHING : SERVED_UNKNOWN;
	}
	const struct held *h = slot_revision(ip, oe->served.v[0]);
	bool factory = h == NULL && is_factory(e->we->target, oe->served.v[0]);

	if (h == NULL && !factory) {
		return SERVED_FOREIGN;
	}
	if (h != NULL && h == ip->cur) {
		return SERVED_CURRENT;
	}
	/* Acting on it needs the proof that it is really there. */
	if (oe->proof != PROOF_POSSESSION) {
		return SERVED_UNKNOWN;
	}
	return factory ? SERVED_FACTORY : SERVED_PREVIOUS;
}

/* After a lost state: what satisfies the spec and comes from our issuer is ours. */
static bool looks_ours(struct planner *p, const struct slot *s)
{
	const struct seen_cert *leaf = slot_leaf(s);
	const struct cert *c =
		leaf == NULL || s->sp->sm != NULL ? NULL : seen_cert_parse(leaf, p->a);
	struct issuer_plan *is =
		s->id->issuer == NULL ? NULL : plan_of_issuer(p, s->id->issuer->o.name);
	struct cert_spec spec = { 0 };
	struct err ignored = { 0 };
	const char *field = NULL;

	if (c == NULL || is == NULL || is->mem == NULL ||
	    identity_spec(s->id->id, p->a, &spec, &ignored) != ERR_OK ||
	    cert_satisfies(c, &spec, &field) != SPEC_SATISFIED) {
		return false;
	}
	for (size_t i = 0; i < is->mem->n_generations; i++) {
		const struct seen_cert *g = is->mem->generations[i].cert;
		const struct cert *ca = g == NULL ? NULL : seen_cert_parse(g, p->a);

		if (ca != NULL && cert_issued_by(c, ca)) {
			return true;
		}
	}
	return false;
}

static void say_conflict(struct planner *p, struct slot *s, const struct slot_decision *d,
                         const struct endpoint_ref *e)
{
	struct conflict c = { .object_kind = KIND_TARGET,
		              .row = d->row,
		              .name = s->sp->ws->target->o.name,
		              .host = s->sp->ws->host->name,
		              .code = d->code };

	if (e != NULL) {
		c.message = say(p, "%s:%d serves %s, which is not of Certificate %s", e->we->host,
		                e->we->port, say_cert(p, e->oe->served.v[0]), s->id->id->name);
		c.hint = "find out who serves it; the file is as it should be";
	} else {
		c.message = say(p, "%s holds %s under '%s', which we did not put there",
		                s->sp->ws->path, say_cert(p, slot_leaf(s)), s->we->alias);
		c.hint =
			"takeOver: true on the Target replaces it (with backup), adopt takes it over";
	}
	report_conflict(p, &c);
	s->sp->unit->waits_for = d->code;
}

/* `why` NULL: what was said when the endpoint was looked at, if anything. */
static void say_drift(struct planner *p, const struct slot *s, const struct slot_decision *d,
                      const struct endpoint_ref *e, const char *why)
{
	struct drift x = { .object_kind = KIND_TARGET,
		           .row = d->row,
		           .name = s->sp->ws->target->o.name,
		           .host = s->sp->ws->host->name,
		           .verdict = d->code };

	if (why == NULL && e != NULL && e->oe != NULL) {
		why = e->oe->error;
	}
	x.message = e == NULL ? s->sp->ws->path
	                      : say(p, "%s:%d%s%s", e->we->host, e->we->port,
	                            why == NULL ? "" : ": ", why == NULL ? "" : why);
	report_drift(p, &x);
}

/* How often what lies there now was activated. */
static unsigned activations(const struct store_plan *sp)
{
	if (sp->sm == NULL || sp->os == NULL || !digests_equal(sp->sm->activated, sp->os->sha256)) {
		return 0;
	}
	return sp->sm->activations;
}

static void activate(struct planner *p, struct slot *s, const struct slot_decision *d,
                     const struct endpoint_ref *e)
{
	struct store_plan *sp = s->sp;

	if (sp->ws->target->shared->n_activate == 0) {
		say_drift(p, s, d, e, /* why= */ NULL);
		return;
	}
	if (activations(sp) >= ACTIVATIONS_MAX) {
		slot_waits(p, s, d->row, "Held",
		           say(p, "activated %u times without effect", activations(sp)),
		           (struct wall){ 0 });
		return;
	}
	if (work_of(sp)->activate.code == NULL) {
		struct reason *r = &work_for(p, sp)->activate;

		*r = (struct reason){ .row = d->row, .code = d->code };
		r->message = e == NULL ? "what was written was never loaded"
		                       : say(p, "%s:%d does not serve what is stored", e->we->host,
		                             e->we->port);
	}
}

static struct wall grace_end(const struct slot *s, const struct endpoint_ref *e)
{
	const struct store_memory *sm = s->sp->sm;
	int64_t since = sm == NULL ? 0 : sm->written_at.s;

	since = sm != NULL && sm->activated_at.s > since ? sm->activated_at.s : since;
	return (struct wall){ since == 0 ? 0 : since + e->we->spec->shared->grace_s };
}

/* The repair of what is served wrongly: the same content once more. */
static void again(struct planner *p, struct slot *s, const struct slot_decision *d)
{
	struct entry_change *ch = change_add(p, s->sp, ENTRY_REPLACE, s->we, s->oe, NULL);

	if (ch != NULL) {
		ch->to = s->id->cur->chain.v[0];
		ch->revision = s->id->cur->revision;
	}
	slot_reason(p, s, d, s->id->cur);
	s->sp->identity_changes = true;
}

static void wrong_chain(struct planner *p, struct slot *s, const struct endpoint_ref *e)
{
	const struct seen_chain *a = &e->oe->served;
	const struct seen_chain *b = &s->oe->chain;
	size_t na = a->n > 1 && seen_cert_self_signed(a->v[a->n - 1]) ? a->n - 1 : a->n;
	size_t nb = b->n > 1 && seen_cert_self_signed(b->v[b->n - 1]) ? b->n - 1 : b->n;
	struct slot_decision d = { .row = "B15", .code = "WrongChain" };
	const char *why = NULL;
	size_t same = 0;

	while (same < na && same < nb && a->v[same] == b->v[same]) {
		same++;
	}
	if (same < na && same < nb) {
		why = say(p, "certificate %zu of the chain is another one", same + 1);
	} else if (na != nb) {
		why = say(p, "certificates served: %zu, stored: %zu, not counting a root", na, nb);
	}
	if (why != NULL) {
		say_drift(p, s, &d, e, why);
		store_word(p, s->sp, d.row, "WrongChain", NULL);
	}
}

static void act_served(struct planner *p, struct slot *s, const struct slot_decision *d,
                       const struct endpoint_ref *e)
{
	struct waiting w = { .object_kind = KIND_TARGET,
		             .row = d->row,
		             .name = s->sp->ws->target->o.name,
		             .host = s->sp->ws->host->name,
		             .what_for = d->code };

	store_word(p, s->sp, d->row, d->word, NULL);
	switch (d->op) {
	case SLOT_ACTIVATE:
		activate(p, s, d, e);
		break;
	case SLOT_REPORT:
		s->sp->unit->down = s->sp->unit->down || str_equal(d->code, "ServiceDown");
		say_drift(p, s, d, e, /* why= */ NULL);
		break;
	case SLOT_WAIT:
		w.until = grace_end(s, e);
		w.message = "served from memory, within grace";
		report_waiting(p, &w);
		break;
	case SLOT_CONFLICT:
		say_conflict(p, s, d, e);
		break;
	case SLOT_PUSH:
		again(p, s, d);
		break;
	case SLOT_NONE:
		if (e != NULL && !s->we->certificate_only && s->oe != NULL && e->oe != NULL &&
		    e->oe->status == ENDPOINT_OK) {
			wrong_chain(p, s, e);
		}
		break;
	case SLOT_UNOBSERVED:
	case SLOT_RETIRE:
		break;
	}
}

static void judge_served(struct planner *p, struct slot *s, struct slot_facts *f)
{
	bool any = false;

	for (const struct endpoint_ref *e = s->sp->unit->endpoints; e != NULL; e = e->next) {
		if (e->we->identity != s->id->id) {
			continue;
		}
		f->served = endpoint_served(p, e, s->id);
		f->in_grace = f->served == SERVED_PREVIOUS && p->now.s < grace_end(s, e).s;
		struct slot_decision d = diff_slot(f);

		any = true;
		act_served(p, s, &d, f->served == SERVED_UNDECLARED ? NULL : e);
	}
	if (!any) {
		struct slot_decision d = diff_slot(f);

		act_served(p, s, &d, NULL);
	}
}

/* What is served is said, and nothing is done about it. */
static void say_served(struct planner *p, struct slot *s, struct slot_facts *f)
{
	struct slot_decision d;
	bool any = false;

	for (const struct endpoint_ref *e = s->sp->unit->endpoints; e != NULL; e = e->next) {
		if (e->we->identity == s->id->id) {
			f->served = endpoint_served(p, e, s->id);
			f->in_grace = f->served == SERVED_PREVIOUS && p->now.s < grace_end(s, e).s;
			d = diff_slot(f);
			store_word(p, s->sp, d.row, d.word, NULL);
			any = true;
		}
	}
	if (!any) {
		d = diff_slot(f);
		store_word(p, s->sp, d.row, d.word, NULL);
	}
}

/* In sync with what is held, but something newer is on its way in this very plan. */
static void follow_issue(struct planner *p, struct slot *s, struct slot_facts *f)
{
	struct slot_decision d = { .row = "B4", .code = "KeystoreEntryMismatch" };

	slot_deliver_revision(p, s, &d, NULL);
	say_served(p, s, f);
}

static void found_ours(struct planner *p, const struct slot *s)
{
	struct mark m = { .kind = MARK_SLOT_OURS,
		          .store = s->sp->ws,
		          .alias = s->we->folded,
		          .identity = s->id->id,
		          .cert = slot_leaf(s) };

	if (s->sm == NULL) {
		report_mark(p, &m);
	}
}

/* Without a key and without names the issuers stand there one by one. */
static bool issuer_missing(const struct slot *s)
{
	const struct seen_chain *held = &s->id->cur->chain;
	const struct keystore_def *ks = s->sp->ws->keystore;
	bool leaf = ks != NULL && ks->chain == CHAIN_LEAF;
	const struct obs_store *os = s->sp->os;

	for (size_t i = 1; !leaf && i < held->n; i++) {
		bool there = seen_cert_self_signed(held->v[i]);
		for (size_t k = 0; k < os->n_entries && !there; k++) {
			there = os->entries[k].chain.n > 0 &&
			        os->entries[k].chain.v[0] == held->v[i];
		}
		if (!there) {
			return true;
		}
	}
	return false;
}

static bool chain_differs(const struct slot *s)
{
	const struct seen_chain *have = &s->oe->chain;
	const struct seen_chain *held = &s->id->cur->chain;
	const struct keystore_def *ks = s->sp->ws->keystore;
	size_t n =
		have->n > 1 && seen_cert_self_signed(have->v[have->n - 1]) ? have->n - 1 : have->n;
	size_t want =
		held->n > 1 && seen_cert_self_signed(held->v[held->n - 1]) ? held->n - 1 : held->n;

	if (str_equal(s->sp->ws->format, "der") ||
	    (s->we->certificate_only && s->sp->ws->has_aliases)) {
		return false;
	}
	if (s->we->certificate_only) {
		return issuer_missing(s);
	}
	want = ks != NULL && ks->chain == CHAIN_LEAF ? 1 : want;
	return n != want || memcmp(have->v, held->v, n * sizeof(*have->v)) != 0;
}

/* Facts of the entry itself that the store-wide ones do not show. */
static bool entry_differs(struct planner *p, struct slot *s)
{
	struct reason r = { .row = "B7" };

	if (chain_differs(s)) {
		r.code = "ChainMismatch";
		r.message = say(p, "%zu certificates stored, %zu held", s->oe->chain.n,
		                s->id->cur->chain.n);
	} else if (!s->we->certificate_only && s->oe->kind == KS_KEY && !s->oe->key_opens) {
		r.code = "KeystorePasswordMismatch";
		r.message = "the key does not open with the key password";
	} else {
		return false;
	}
	r.field = say(p, "entries.%s", s->we->alias);
	reason_add(p, &work_for(p, s->sp)->reasons, &r);
	return true;
}

static void reencode(struct planner *p, struct slot *s, bool replace)
{
	if (!replace) {
		slot_keep(p, s, /* ours= */ true);
		return;
	}
	struct entry_change *ch = change_add(p, s->sp, ENTRY_REPLACE, s->we, s->oe, NULL);

	if (ch != NULL) {
		ch->to = s->id->cur->chain.v[0];
		ch->revision = s->id->cur->revision;
	}
	s->sp->write = true;
}

static void judge_current(struct planner *p, struct slot *s, struct slot_facts *f)
{
	bool own = entry_differs(p, s);

	found_ours(p, s);
	f->differs = own || s->sp->write;
	if (f->differs) {
		store_word(p, s->sp, "B7", "StoreStale", NULL);
		reencode(p, s, own);
		return;
	}
	if (s->id->draft != NULL && !s->id->adopting) {
		follow_issue(p, s, f);
		return;
	}
	size_t before = s->sp->changes->n;

	judge_served(p, s, f);
	if (s->sp->changes->n == before) {
		slot_keep(p, s, /* ours= */ true);
	}
}

/* B16: only the endpoint tells what is there. */
static void judge_opaque(struct planner *p, struct slot *s, struct slot_facts *f)
{
	struct slot_decision d = { 0 };
	const struct endpoint_ref *e = s->sp->unit->endpoints;

	while (e != NULL && e->we->identity != s->id->id) {
		e = e->next;
	}
	f->served = e == NULL ? SERVED_UNDECLARED : endpoint_served(p, e, s->id);
	/* What is served is right and must go all the same: revoked, or its key is lost. */
	if (f->served == SERVED_CURRENT && !s->id->usable) {
		f->served = SERVED_PREVIOUS;
	}
	d = diff_slot(f);
	if (d.op == SLOT_PUSH) {
		store_word(p, s->sp, d.row, d.word, NULL);
		slot_deliver(p, s, &d);
	} else if (d.op == SLOT_NONE && s->id->draft != NULL) {
		follow_issue(p, s, f);
	} else {
		act_served(p, s, &d, e);
	}
}

static bool load_pending(const struct store_plan *sp)
{
	const struct store_memory *sm = sp->sm;

	return sm != NULL && sp->ws->target->shared->n_activate > 0 && sp->os != NULL &&
	       !digests_equal(sm->written, /* b= */ NULL) &&
	       digests_equal(sm->written, sp->os->sha256) &&
	       !digests_equal(sm->activated, sm->written);
}

/* What is right stays and says nothing; what is not would be mended but for the suspension. */
static void plan_suspended(struct planner *p, struct slot *s, struct slot_facts *f)
{
	if (s->id->cur != NULL) {
		say_served(p, s, f);
	}
	if (s->stored != STORED_CURRENT && s->stored != STORED_OPAQUE) {
		slot_waits(p, s, s->stored == STORED_ABSENT ? "B2" : "B4", "Suspended",
		           say(p, "%s: Certificate %s: %s", s->sp->ws->path, s->id->id->name,
		               s->id->suspended->why),
		           s->id->suspended->until);
	}
	slot_keep(p, s, /* ours= */ s->sm != NULL);
}

void plan_slot(struct planner *p, struct store_plan *sp, struct slot *s)
{
	struct slot_facts f = { .desired = true, .take_over = sp->ws->target->shared->take_over };

	s->stored = s->id == NULL ? STORED_UNKNOWN : slot_stored(p, s);
	bool monitored = s->id != NULL && s->id->id->def->shared->mode == MODE_MONITORED;
	if (monitored) {
		slot_monitored(p, s);
	}
	if (s->id == NULL || monitored || s->id->adopting) {
		slot_keep(p, s, /* ours= */ s->sm != NULL);
		return;
	}
	f.stored = s->stored;
	f.ours = s->sm != NULL || (s->stored == STORED_FOREIGN && looks_ours(p, s));
	f.activated = activations(sp) > 0;
	f.load_pending = load_pending(sp);
	if (s->id->suspended != NULL) {
		plan_suspended(p, s, &f);
		return;
	}
	if (s->stored == STORED_CURRENT && s->id->usable) {
		judge_current(p, s, &f);
		return;
	}
	if (s->stored == STORED_OPAQUE) {
		judge_opaque(p, s, &f);
		return;
	}
	/* Revoked, or its key is lost: what is stored is right and must go all the same. */
	if (s->stored == STORED_CURRENT) {
		f.stored = STORED_PREVIOUS;
	}
	struct slot_decision d = diff_slot(&f);

	store_word(p, sp, d.row, d.word, NULL);
	if (d.op == SLOT_CONFLICT) {
		say_conflict(p, s, &d, NULL);
		slot_keep(p, s, /* ours= */ false);
	} else if (d.op == SLOT_PUSH) {
		slot_deliver(p, s, &d);
	}
}
