/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_identity.c - table A made into actions, after the gates that may hold one back.
 */
#include <stdlib.h>

#include "reconciler/engine/planner.h"
#include "reconciler/engine/renewal.h"

#define SCRATCH_LIMIT    ((size_t)4 << 20)
#define BUDGET_ISSUE_MIN 5

struct case_of {
	struct id_plan *ip;
	struct identity_facts f;
	struct identity_decision d;
	struct spec_digest digest;
	const char *field;
};

static struct waiting waiting_for(const struct case_of *c, const char *what_for,
                                  const char *message)
{
	return (struct waiting){ .object_kind = KIND_CERTIFICATE,
		                 .row = c->d.row,
		                 .name = c->ip->id->name,
		                 .what_for = what_for,
		                 .message = message };
}

static void wait_for(struct planner *p, const struct case_of *c, const char *what_for,
                     const char *message, struct wall until)
{
	struct waiting w = waiting_for(c, what_for, message);

	w.until = until;
	c->ip->waits_for = what_for;
	report_waiting(p, &w);
}

static const char *life_words(const struct certificate *def, const struct seen_cert *leaf)
{
	if (def->shared->renew_before_s > 0 || def->shared->renew_before_percentage > 0) {
		return "its renewal time";
	}
	return leaf->not_after.s - leaf->not_before.s <= 10 * (int64_t)86400 ? "1/2 of its life"
	                                                                     : "2/3 of its life";
}

static const char *identity_message(struct planner *p, const struct case_of *c)
{
	const struct id_plan *ip = c->ip;
	const struct seen_cert *leaf = ip->cur == NULL ? NULL : ip->cur->chain.v[0];

	if (str_equal(c->d.code, "Renewing")) {
		return say(p, "%s is over since %s, expires %s", life_words(ip->id->def, leaf),
		           say_when(p, ip->due), say_when(p, leaf->not_after));
	}
	if (str_equal(c->d.code, "Expired")) {
		return say(p, "expired %s", say_when(p, leaf->not_after));
	}
	if (str_equal(c->d.code, "DoesNotExist")) {
		return "no certificate is held";
	}
	if (str_equal(c->d.code, "IncorrectIssuer")) {
		return say(p, "held from Issuer/%s generation %d, wanted %s generation %d",
		           ip->cur->issuer, ip->cur->issuer_generation,
		           ip->issuer == NULL ? "?" : ip->issuer->o.name, ip->generation);
	}
	if (c->field != NULL) {
		return say(p, "%s differs", c->field);
	}
	if (str_equal(c->d.code, "InvalidKeyPair")) {
		return "its key is not held";
	}
	if (str_equal(c->d.code, "Revoked")) {
		return ip->cur->compromised ? "its key is compromised" : "it was revoked";
	}
	if (str_equal(c->d.code, "ManuallyTriggered")) {
		return "asked for";
	}
	return NULL;
}

static const char *key_words(struct planner *p, const struct certificate *def)
{
	switch (def->shared->key.algorithm) {
	case KEY_RSA:
		return say(p, "RSA %d", def->shared->key.size == 0 ? 2048 : def->shared->key.size);
	case KEY_ECDSA:
		return say(p, "ECDSA P-%d",
		           def->shared->key.size == 0 ? 256 : def->shared->key.size);
	case KEY_ED25519:
		break;
	}
	return "Ed25519";
}

/* The first of issuerRefs that can; else the first, to say why not. */
static struct issuer_plan *choose_issuer(const struct planner *p, const struct id_plan *ip)
{
	const struct texts *names = &ip->id->def->shared->issuers;
	struct issuer_plan *first = NULL;

	for (size_t i = 0; i < names->n; i++) {
		struct issuer_plan *is = plan_of_issuer(p, names->v[i].s);

		if (is != NULL && is->active > 0 && !is->lost && !is->blocked) {
			return is;
		}
		first = first == NULL ? is : first;
	}
	return first;
}

static void settle_issuer(struct planner *p, struct id_plan *ip)
{
	struct issuer_plan *is = choose_issuer(p, ip);

	if (is == NULL) {
		return;
	}
	ip->issuer = is->def;
	ip->generation = is->active;
	/* Never back: who has moved on already stays. */
	if (ip->cur != NULL && str_equal(ip->cur->issuer, is->def->o.name) &&
	    ip->cur->issuer_generation > ip->generation) {
		ip->generation = ip->cur->issuer_generation;
	}
}

static void issue_inputs(struct planner *p, const struct case_of *c, uint8_t ret[SHA256_BYTES])
{
	CLEANUP(buf_release) struct buf b = { 0 };
	const struct id_plan *ip = c->ip;
	const struct identity_memory *m = ip->mem;

	buf_init(&b, 65536);
	buf_add(&b, c->digest.request, sizeof(c->digest.request));
	buf_add(&b, c->digest.key, sizeof(c->digest.key));
	buf_printf(&b, "%s %d %d %d %lld", ip->issuer == NULL ? "" : ip->issuer->o.name,
	           ip->generation, ip->id->def->shared->renew, ip->id->def->shared->generation,
	           m == NULL ? 0LL : (long long)m->renew_asked.s);
	plan_check_buf(p, &b);
	pki_sha256(b.p, b.len, ret);
}

static bool issuer_ready(struct planner *p, const struct case_of *c)
{
	const struct id_plan *ip = c->ip;
	const struct issuer_plan *is =
		ip->issuer == NULL ? NULL : plan_of_issuer(p, ip->issuer->o.name);

	if (is == NULL) {
		wait_for(p, c, "WaitingForCA", "no Issuer of it can sign", (struct wall){ 0 });
		return false;
	}
	if (is->blocked || is->active == 0) {
		wait_for(p, c, "WaitingForCA", say(p, "Issuer %s cannot sign now", is->def->o.name),
		         (struct wall){ 0 });
		return false;
	}
	return true;
}

static bool approved(const struct id_plan *ip)
{
	if (ip->mem == NULL || ip->mem->approved_at.s == 0) {
		return false;
	}
	return ip->cur == NULL || ip->mem->approved_at.s >= ip->cur->issued_at.s;
}

/* Another issuer's certificate would be presented: its verifiers first. */
static bool trust_ready(struct planner *p, const struct case_of *c)
{
	struct id_plan *ip = c->ip;
	const struct change_of_face face = {
		.id = ip,
		.anchor = anchor_of(p, ip->issuer->o.name, ip->generation),
		.old_anchor = anchor_of(p, ip->cur->issuer, ip->cur->issuer_generation),
		.urgent = ip->urgent,
	};
	const struct id_plan without_pins = *ip;
	struct id_plan copy = without_pins;
	struct change_of_face asked = face;

	/* Pins are asked when it is delivered: they can hold it only once it is there. */
	copy.pins = NULL;
	asked.id = &copy;
	const char *why = trust_in_the_way(p, &asked);

	if (why == NULL) {
		return true;
	}
	wait_for(p, c, "TrustPending", why, (struct wall){ 0 });
	return false;
}

/* The issuer's own rules, before a key is made for what it will refuse. */
static bool issuer_grants(struct planner *p, const struct case_of *c)
{
	struct private_ca_spec ca = { 0 };
	struct cert_spec want = { 0 };
	struct err why = { 0 };

	enum err_code rc = issuer_ca_spec(c->ip->issuer, c->ip->generation, p->a, &ca, &why);
	if (rc == ERR_OK) {
		rc = identity_spec(c->ip->id, p->a, &want, &why);
	}
	if (rc == ERR_OK) {
		rc = private_ca_allows(&ca, &want, &why);
	}
	if (rc == ERR_OK || rc == ERR_NOMEM) {
		return true;
	}
	struct conflict x = { .object_kind = KIND_CERTIFICATE,
		              .row = c->d.row,
		              .name = c->ip->id->name,
		              .code = "PolicyViolation",
		              .message = say(p, "%s", why.msg),
		              .hint = why.hint[0] == '\0' ? NULL : say(p, "%s", why.hint) };
	c->ip->waits_for = x.code;
	report_conflict(p, &x);
	return false;
}

/* A certificate that can be put nowhere is an issuance for nothing. */
static bool has_a_place(struct planner *p, const struct case_of *c)
{
	const char *why = NULL;

	for (const struct slot *s = c->ip->slots; s != NULL; s = s->next) {
		why = store_refuses(s->sp);
		if (why == NULL) {
			return true;
		}
	}
	if (why == NULL) {
		return true;
	}
	wait_for(p, c, "TargetIncapable", say(p, "nowhere to put it: %s", why), (struct wall){ 0 });
	return false;
}

static bool may_issue(struct planner *p, const struct case_of *c, uint8_t inputs[SHA256_BYTES])
{
	struct id_plan *ip = c->ip;
	const struct pending *pend = ip->mem == NULL ? NULL : ip->mem->pending;

	if (ip->suspended != NULL) {
		wait_for(p, c, "Suspended", ip->suspended->why, ip->suspended->until);
		return false;
	}
	if (!has_a_place(p, c) || !issuer_ready(p, c) || !issuer_grants(p, c)) {
		return false;
	}
	if (pend != NULL && pend->ordered && pend->next_poll.s > p->now.s &&
	    memcmp(pend->request_digest, c->digest.request, sizeof(c->digest.request)) == 0) {
		wait_for(p, c, "WaitingForCA", "ordered, not issued yet", pend->next_poll);
		return false;
	}
	if (ip->id->def->shared->approval_required && !approved(ip)) {
		wait_for(p, c, "ApprovalPending", say(p, "approve %s", ip->id->name),
		         (struct wall){ 0 });
		return false;
	}
	if (str_equal(c->d.code, "IncorrectIssuer") && !trust_ready(p, c)) {
		return false;
	}
	issue_inputs(p, c, inputs);
	if (ip->mem != NULL &&
	    held_back(p, ip->mem->issue, inputs, waiting_for(c, "BackOff", NULL))) {
		ip->waits_for = "BackOff";
		return false;
	}
	return true;
}

static void draft_issue(struct planner *p, const struct case_of *c,
                        const uint8_t inputs[SHA256_BYTES])
{
	struct id_plan *ip = c->ip;
	const struct certificate *def = ip->id->def;
	const struct issuer_plan *is = plan_of_issuer(p, ip->issuer->o.name);
	enum action_kind kind = c->d.op == IDENTITY_ISSUE   ? ACTION_ISSUE
	                        : c->d.op == IDENTITY_REKEY ? ACTION_REKEY
	                                                    : ACTION_RENEW;
	struct draft *d = draft_new(p, kind, STAGE_IDENTITY, KIND_CERTIFICATE, ip->id->name);
	struct reason r = { .row = c->d.row, .code = c->d.code, .field = c->field };

	if (d == NULL) {
		return;
	}
	r.message = identity_message(p, c);
	reason_add(p, &d->reasons, &r);
	d->a.identity = ip->id;
	d->a.issuer = ip->issuer;
	d->a.issuer_generation = ip->generation;
	d->a.keep_key = kind == ACTION_RENEW && def->shared->key.rotation == ROTATE_NEVER;
	d->a.urgent = ip->urgent;
	memcpy(d->a.inputs, inputs, SHA256_BYTES);
	d->a.detail = say(p, "%s, %s, from Issuer/%s", key_words(p, def),
	                  d->a.keep_key ? "same key" : "new key", ip->issuer->o.name);
	draft_depends(p, d, ip->generation == is->wanted ? is->draft : NULL);
	ip->draft = d;
	/* What time asks for is no bad commit, and an approval is one. */
	ip->braked = !str_equal(c->d.row, "A10") && !approved(ip);
}

static void draft_adopt(struct planner *p, const struct case_of *c)
{
	struct id_plan *ip = c->ip;
	enum adopt_look look;
	const struct slot *from = NULL;
	struct reason r = { .row = c->d.row, .code = c->d.code };

	if (ip->suspended != NULL) {
		wait_for(p, c, "Suspended", ip->suspended->why, ip->suspended->until);
		return;
	}
	if (c->f.adopt) {
		from = adoption_slot(p, ip, &look);
		r.message = "taken over as it is";
	} else {
		for (const struct slot *s = ip->slots; s != NULL; s = s->next) {
			bool pair = !s->we->certificate_only && s->oe != NULL &&
			            s->oe->kind == KS_KEY && s->oe->key_opens && s->oe->key_matches;

			from = pair ? s : from;
		}
		r.message = "the state does not know it, but every slot holds it";
	}
	struct draft *d =
		draft_new(p, ACTION_ADOPT, STAGE_IDENTITY, KIND_CERTIFICATE, ip->id->name);

	if (d == NULL) {
		return;
	}
	reason_add(p, &d->reasons, &r);
	d->a.identity = ip->id;
	if (from != NULL) {
		d->a.store = from->sp->ws;
		d->a.adopt_alias = from->oe->alias;
		d->a.host = from->sp->ws->host->name;
		d->a.path = from->sp->ws->path;
		d->a.detail =
			say(p, "%s from %s", say_cert(p, from->oe->chain.v[0]), from->sp->ws->key);
	}
	if (c->f.adopt && ip->id->def->shared->adopt->imported.s != NULL) {
		const struct imported_memory *im = imported_of(p, ip->id);
		d->a.detail = im == NULL ? NULL
		                         : say(p, "%s, imported as %s", say_cert(p, im->chain.v[0]),
		                               im->name);
	}
	ip->draft = d;
	ip->adopting = true;
}

static void imported_conflict(struct planner *p, const struct case_of *c, struct conflict *x)
{
	const char *name = c->ip->id->def->shared->adopt->imported.s;

	if (c->f.adopt_look == ADOPT_DISAGREE) {
		x->message = say(p, "what was imported as %s has another key than keySha256 names",
		                 name);
		return;
	}
	x->message = say(p, "nothing was imported as %s", name);
	x->hint = say(p, "certwright import FILE --name %s seals it here", name);
}

static void conflict_of(struct planner *p, const struct case_of *c)
{
	bool adopt = str_equal(c->d.row, "A2");
	struct conflict x = { .object_kind = KIND_CERTIFICATE,
		              .row = c->d.row,
		              .name = c->ip->id->name,
		              .code = c->d.code };

	x.message = !adopt ? "the slots hold different certificates of it; which is the one?"
	            : c->f.adopt_look == ADOPT_DISAGREE
	                    ? "the places named by adopt hold different pairs, or not the key named"
	                    : "there is nothing to adopt where adopt says";
	x.hint = adopt ? "correct spec.adopt, or remove it to have one issued"
	               : "adopt one of them by name (spec.adopt with host)";
	if (adopt && c->ip->id->def->shared->adopt->imported.s != NULL) {
		imported_conflict(p, c, &x);
	}
	c->ip->waits_for = c->d.code;
	report_conflict(p, &x);
}

/* A4 stands before the rows that would issue: say what is held up by it, nothing else. */
static void lost_issuer(struct planner *p, struct case_of *c)
{
	struct identity_facts without = c->f;

	without.issuer_key_lost = false;
	if (diff_identity(&without).op != IDENTITY_NONE) {
		wait_for(p, c, "IssuerKeyLost",
		         say(p, "the key of Issuer %s is lost: nothing is issued",
		             c->ip->issuer->o.name),
		         (struct wall){ 0 });
	}
}

static void act(struct planner *p, struct case_of *c)
{
	uint8_t inputs[SHA256_BYTES];

	switch (c->d.op) {
	case IDENTITY_NONE:
	case IDENTITY_ARCHIVE:
		break;
	case IDENTITY_ADOPT:
		draft_adopt(p, c);
		break;
	case IDENTITY_WAIT:
		wait_for(p, c, c->d.code, "what it would be taken from cannot be read now",
		         (struct wall){ 0 });
		break;
	case IDENTITY_CONFLICT:
		conflict_of(p, c);
		break;
	case IDENTITY_LOST:
		lost_issuer(p, c);
		break;
	case IDENTITY_ISSUE:
	case IDENTITY_RENEW:
	case IDENTITY_REKEY:
		if (may_issue(p, c, inputs)) {
			draft_issue(p, c, inputs);
		}
		break;
	}
}

static bool is_urgent(const struct planner *p, const struct id_plan *ip)
{
	if (ip->cur == NULL) {
		return false;
	}
	const struct seen_cert *c = ip->cur->chain.v[0];

	return p->now.s >= c->not_after.s - urgent_margin(c->not_before, c->not_after);
}

static void plan_identity(struct planner *p, struct id_plan *ip)
{
	struct case_of c = { .ip = ip };

	ip->suspended =
		suspended(p, &ip->id->def->o, ip->id->host == NULL ? NULL : ip->id->host->name);
	ip->urgent = is_urgent(p, ip);
	settle_issuer(p, ip);
	identity_facts_gather(p, ip, &c.f, &c.field, &c.digest);
	if (p->rc != ERR_OK) {
		return;
	}
	const struct issuer_plan *is =
		ip->issuer == NULL ? NULL : plan_of_issuer(p, ip->issuer->o.name);

	c.f.issuer_key_lost = is != NULL && is->lost;
	c.d = diff_identity(&c.f);
	ip->row = c.d.row;
	if (ip->selected) {
		act(p, &c);
	}
}

static void brake(struct planner *p)
{
	size_t n = p->in->desired->n_identities;
	size_t limit = n * (size_t)p->in->budget_issue_percent / 100;
	size_t count = 0;

	limit = limit < BUDGET_ISSUE_MIN ? BUDGET_ISSUE_MIN : limit;
	for (size_t i = 0; i < n; i++) {
		count += p->ids[i].draft != NULL && p->ids[i].braked ? 1 : 0;
	}
	if (p->in->budget_issue_percent == 0 || count <= limit) {
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct id_plan *ip = &p->ids[i];
		struct waiting w = { .object_kind = KIND_CERTIFICATE,
			             .name = ip->id->name,
			             .what_for = "BudgetExceeded" };

		if (ip->draft == NULL || !ip->braked || ip->urgent) {
			continue;
		}
		ip->draft->dropped = true;
		w.row = ip->draft->reasons.n > 0 ? ip->draft->reasons.v[0].row : NULL;
		w.message = say(p, "%zu certificates would be issued at once, %zu may: approve %s",
		                count, limit, ip->id->name);
		ip->draft = NULL;
		ip->waits_for = w.what_for;
		report_waiting(p, &w);
	}
}

void plan_identities(struct planner *p)
{
	arena_init(&p->scratch);
	for (size_t i = 0; i < p->in->desired->n_identities && p->rc == ERR_OK; i++) {
		plan_identity(p, &p->ids[i]);
		if (p->scratch.used > SCRATCH_LIMIT) {
			arena_release(&p->scratch);
		}
	}
	if (arena_failed(&p->scratch) && p->rc == ERR_OK) {
		p->rc = err_nomem(p->err);
	}
	arena_release(&p->scratch);
	brake(p);
}
