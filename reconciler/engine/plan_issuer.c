/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_issuer.c - the private CA as an object of its own: made, rolled over, lost, its CRL due.
 *
 * A CA is made only when nothing speaks for one that existed: without its books, certificates seen
 * in the fleet under its name mean that the key was lost, and a second CA of the same name would
 * break everyone who trusts the first.
 */
#include "reconciler/engine/external_ca.h"
#include "reconciler/engine/planner.h"
#include "reconciler/engine/want_build.h"
#include "reconciler/pki/dn.h"

#define CA_END_EARLY_S (INT64_C(90) * 86400)

const struct ca_generation *generation_of(const struct issuer_plan *ip, int generation)
{
	for (size_t i = 0; ip->mem != NULL && i < ip->mem->n_generations; i++) {
		if (ip->mem->generations[i].generation == generation) {
			return &ip->mem->generations[i];
		}
	}
	return NULL;
}

static bool is_external(const struct issuer_plan *ip)
{
	const struct private_ca *ca = ip->def->private_ca;

	return ca != NULL && ca->external_certificate.s != NULL;
}

static const struct seen_cert *root_above(struct planner *p, const struct issuer_plan *ip,
                                          const struct seen_cert *c)
{
	const struct private_ca *ca = ip->def->private_ca;
	const struct issuer_plan *up =
		ca == NULL || ca->parent.s == NULL ? NULL : plan_of_issuer(p, ca->parent.s);
	const struct cert *lower = up == NULL || up == ip ? NULL : seen_cert_parse(c, p->a);

	for (size_t i = 0; lower != NULL && up->mem != NULL && i < up->mem->n_generations; i++) {
		const struct ca_generation *g = &up->mem->generations[i];
		const struct cert *upper = seen_cert_parse(g->cert, p->a);

		if (upper != NULL && cert_issued_by(lower, upper)) {
			return anchor_of(p, up->def->o.name, g->generation);
		}
	}
	return c;
}

const struct seen_cert *anchor_of(struct planner *p, const char *issuer, int generation)
{
	struct issuer_plan *ip = plan_of_issuer(p, issuer);
	const struct ca_generation *g = ip == NULL ? NULL : generation_of(ip, generation);

	if (g == NULL || g->cert == NULL) {
		return NULL;
	}
	if (seen_cert_self_signed(g->cert)) {
		return g->cert;
	}
	if (is_external(ip)) {
		const struct cert *top = external_ca_root(ip->def, g->cert->spki_sha256, p->a);
		const struct seen_cert *seen =
			top == NULL ? NULL : seen_cert_find(p->in->memory->certs, top->sha256);
		return seen == NULL ? g->cert : seen;
	}
	if (ip->anchors == NULL) {
		ip->anchors = ARENA_ARRAY(p->a, const struct seen_cert *, ip->mem->n_generations);
		if (ip->anchors == NULL) {
			return NULL;
		}
	}
	const struct seen_cert **known = &ip->anchors[g - ip->mem->generations];

	if (*known == NULL && !ip->visiting) {
		ip->visiting = true; /* parents in a circle were refused by the loader; be sure */
		*known = root_above(p, ip, g->cert);
		ip->visiting = false;
	}
	return *known;
}

static enum err_code subject_name(const struct subject_spec *s, struct arena *a, struct buf *out)
{
	struct subject sub = { .common_name = s->common_name.s,
		               .serial_number = s->serial_number.s };
	const struct texts *from[] = { &s->organizations, &s->countries, &s->organizational_units,
		                       &s->localities,    &s->provinces, &s->street_addresses,
		                       &s->postal_codes };
	struct str_list *to[] = { &sub.organizations, &sub.countries, &sub.organizational_units,
		                  &sub.localities,    &sub.provinces, &sub.street_addresses,
		                  &sub.postal_codes };
	struct der_writer w;
	struct err ignored = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		const char **v = ARENA_ARRAY(a, const char *, from[i]->n + 1);

		for (size_t k = 0; v != NULL && k < from[i]->n; k++) {
			v[k] = from[i]->v[k].s;
		}
		*to[i] = (struct str_list){ .v = v, .n = v == NULL ? 0 : from[i]->n };
	}
	der_writer_init(&w);
	enum err_code rc = dn_put(&w, &sub, &ignored);
	if (rc == ERR_OK) {
		rc = der_writer_finish(&w, out, &ignored);
	}
	der_writer_release(&w);
	return rc;
}

static bool signed_under(struct planner *p, const struct seen_chain *c, struct bytes name)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct cert *x = seen_cert_parse(c->v[i], p->a);

		if (x != NULL && dn_same(x->issuer_der, name)) {
			return true;
		}
	}
	return false;
}

static bool observed_under(struct planner *p, struct bytes name)
{
	const struct observed *o = p->in->observed;

	for (size_t i = 0; i < o->n_stores; i++) {
		for (size_t k = 0; k < o->stores[i].n_entries; k++) {
			if (signed_under(p, &o->stores[i].entries[k].chain, name)) {
				return true;
			}
		}
	}
	for (size_t i = 0; i < o->n_endpoints; i++) {
		if (signed_under(p, &o->endpoints[i].served, name)) {
			return true;
		}
	}
	return false;
}

static bool fleet_shows(struct planner *p, const struct issuer_plan *ip)
{
	CLEANUP(buf_release) struct buf name = { 0 };

	buf_init(&name, 65536);
	enum err_code rc = subject_name(&ip->def->private_ca->subject, p->a, &name);
	if (rc == ERR_NOMEM) {
		p->rc = p->rc == ERR_OK ? err_nomem(p->err) : p->rc;
	}
	return rc == ERR_OK && observed_under(p, buf_view(&name));
}

static bool nothing_readable(const struct planner *p)
{
	for (size_t i = 0; i < p->w->n_stores; i++) {
		if (p->stores[i].readable || p->stores[i].ws->target->shared->can.write_only) {
			return false;
		}
	}
	return p->w->n_stores > 0;
}

static void lost(struct planner *p, struct issuer_plan *ip, const char *message)
{
	struct conflict c = { .object_kind = KIND_ISSUER,
		              .row = "A4",
		              .name = ip->def->o.name,
		              .code = "IssuerKeyLost",
		              .message = message,
		              .hint = "restore the state from its backup, or raise "
		                      "privateCA.generation to start a new CA" };

	ip->lost = true;
	report_conflict(p, &c);
}

static void wait_issuer_until(struct planner *p, struct issuer_plan *ip, const char *code,
                              const char *message, struct wall until)
{
	struct waiting w = { .object_kind = KIND_ISSUER,
		             .name = ip->def->o.name,
		             .what_for = code,
		             .message = message,
		             .until = until };

	ip->blocked = true;
	report_waiting(p, &w);
}

static void wait_issuer(struct planner *p, struct issuer_plan *ip, const char *code,
                        const char *message)
{
	wait_issuer_until(p, ip, code, message, (struct wall){ 0 });
}

/* NULL: held back, or no memory. */
static struct draft *draft_ca(struct planner *p, struct issuer_plan *ip, const struct reason *r,
                              const char *detail)
{
	/* Whatever is committed may be the cure. */
	const uint8_t *inputs = p->in->desired->tree_digest;

	if (ip->mem != NULL &&
	    held_back(p, &ip->mem->make, inputs,
	              (struct waiting){ .object_kind = KIND_ISSUER, .name = ip->def->o.name })) {
		ip->blocked = true;
		return NULL;
	}
	struct draft *d = draft_new(p, ACTION_ISSUE, STAGE_ISSUER, KIND_ISSUER, ip->def->o.name);
	if (d == NULL) {
		return NULL;
	}
	memcpy(d->a.inputs, inputs, SHA256_BYTES);
	d->a.id = say(p, "issue:Issuer/%s", ip->def->o.name);
	d->a.issuer = ip->def;
	d->a.issuer_generation = ip->wanted;
	d->a.detail = detail;
	reason_add(p, &d->reasons, r);
	return d;
}

static const char *ca_detail(struct planner *p, const struct issuer_plan *ip)
{
	const char *parent = ip->def->private_ca->parent.s;

	if (is_external(ip)) {
		return say(p, "key and request of a private CA, generation %d, for a CA elsewhere",
		           ip->wanted);
	}
	return parent == NULL
	               ? say(p, "private CA, generation %d", ip->wanted)
	               : say(p, "private CA, generation %d, under Issuer/%s", ip->wanted, parent);
}

static void make_ca(struct planner *p, struct issuer_plan *ip, bool first)
{
	const struct private_ca *ca = ip->def->private_ca;
	struct issuer_plan *up = ca->parent.s == NULL ? NULL : plan_of_issuer(p, ca->parent.s);
	struct reason r = { .row = "A5",
		            .code = "DoesNotExist",
		            .message = "no key of it is held" };

	if (up != NULL && (up->lost || up->blocked)) {
		wait_issuer(p, ip, "WaitingForCA",
		            say(p, "Issuer %s must be there first", up->def->o.name));
		return;
	}
	if (!first) {
		r = (struct reason){ .row = "A8", .code = "RequestChanged" };
		r.field = "privateCA.generation";
		r.message = say(p, "generation %d is wanted", ip->wanted);
	}
	struct draft *d = draft_ca(p, ip, &r, ca_detail(p, ip));
	if (d != NULL && is_external(ip)) {
		ip->blocked = true; /* the certificate comes by a commit, if ever */
	} else if (d != NULL) {
		draft_depends(p, d, up == NULL ? NULL : up->draft);
		ip->draft = d;
	}
}

static const char *way_on(struct planner *p, const struct issuer_plan *ip)
{
	return is_external(ip)
	               ? say(p, "commit a new certificate of its key to %s",
	                     ip->def->private_ca->external_certificate.s)
	               : "raise privateCA.generation: what was issued stays trusted meanwhile";
}

/* Nobody looks at a CA until nothing can be issued any more: said early, and no step is planned
 * that could only fail. */
static void judge_end(struct planner *p, struct issuer_plan *ip, const struct seen_cert *cert)
{
	int64_t third = (cert->not_after.s - cert->not_before.s) / 3;
	int64_t early = third < CA_END_EARLY_S ? third : CA_END_EARLY_S;

	if (cert->not_after.s <= p->now.s) {
		report_conflict(p, &(struct conflict){
					   .object_kind = KIND_ISSUER,
					   .name = ip->def->o.name,
					   .code = "Expired",
					   .message = say(p, "the CA's own certificate expired %s",
		                                          say_when(p, cert->not_after)),
					   .hint = way_on(p, ip) });
		ip->blocked = true;
		return;
	}
	if (cert->not_after.s - early > p->now.s) {
		wake_at(p, (struct wall){ cert->not_after.s - early });
		return;
	}
	report_drift(p, &(struct drift){ .object_kind = KIND_ISSUER,
	                                 .name = ip->def->o.name,
	                                 .verdict = "Expiring",
	                                 .message = say(p, "the CA itself ends %s; %s",
	                                                say_when(p, cert->not_after),
	                                                way_on(p, ip)) });
}

static void await_commit(struct planner *p, struct issuer_plan *ip)
{
	const struct private_ca *ca = ip->def->private_ca;

	if (ca->external_data.n > 0) {
		wait_issuer(p, ip, "WaitingForCA",
		            say(p,
		                "%s holds no certificate for the key of generation %d; "
		                "'certwright ca show %s' prints the request",
		                ca->external_certificate.s, ip->wanted, ip->def->o.name));
		return;
	}
	wait_issuer(p, ip, "WaitingForCA",
	            say(p,
	                "its certificate has not been committed yet: 'certwright ca show %s' "
	                "prints the request, the certificate belongs into %s",
	                ip->def->o.name, ca->external_certificate.s));
}

/* A CA that a CA elsewhere certifies, whose key is here. */
static void plan_external(struct planner *p, struct issuer_plan *ip, const struct ca_generation *g)
{
	struct reason r = { .row = "A5",
		            .code = "DoesNotExist",
		            .message = "its certificate was committed" };
	struct chain c = { 0 };
	struct err why = { 0 };

	if (external_ca_chain(ip->def, g->request_spki, p->a, &c, &why) != ERR_OK) {
		wait_issuer(p, ip, "WaitingForCA", say(p, "%s", why.msg));
		return;
	}
	if (c.n == 0 && g->cert == NULL) {
		await_commit(p, ip);
		return;
	}
	if (c.n == 0 ||
	    (g->cert != NULL && memcmp(g->cert->sha256, c.v[0]->sha256, SHA256_BYTES) == 0)) {
		judge_end(p, ip, g->cert);
		return;
	}
	if (g->cert != NULL) {
		r = (struct reason){ .row = "A8",
			             .code = "RequestChanged",
			             .field = "privateCA.external.certificate",
			             .message = "another certificate of its key was committed" };
	}
	struct draft *d = draft_ca(p, ip, &r,
	                           say(p, "take the certificate of %s",
	                               ip->def->private_ca->external_certificate.s));
	if (g->cert == NULL) {
		ip->draft = d;
	}
}

static void judge_missing(struct planner *p, struct issuer_plan *ip)
{
	bool first = ip->mem == NULL || ip->mem->n_generations == 0;

	if (!first && ip->mem->generations[ip->mem->n_generations - 1].generation > ip->wanted) {
		wait_issuer(p, ip, "WaitingForCA",
		            say(p, "generation %d is older than what is there", ip->wanted));
		return;
	}
	/* A generation above the first cannot be told from one raised to get out of this. */
	if (first && ip->wanted <= 1 && fleet_shows(p, ip)) {
		lost(p, ip, "certificates under its name are in use, but its key is not held");
		return;
	}
	if (first && nothing_readable(p)) {
		wait_issuer(p, ip, "Unreachable",
		            "nothing could be looked at: whether it is in use is unknown");
		return;
	}
	make_ca(p, ip, first);
}

static void plan_issuer(struct planner *p, struct issuer_plan *ip)
{
	const struct private_ca *ca = ip->def->private_ca;
	const struct ca_generation *g;

	if (ip->done) {
		return;
	}
	ip->done = true;
	if (ca == NULL) {
		ip->blocked = true;
		return;
	}
	if (ca->parent.s != NULL && plan_of_issuer(p, ca->parent.s) != NULL) {
		plan_issuer(p, plan_of_issuer(p, ca->parent.s));
	}
	ip->wanted = ca->generation;
	g = generation_of(ip, ip->wanted);
	const struct halt *frozen = suspended(p, &ip->def->o, /* host= */ NULL);

	if (frozen != NULL && (g == NULL || g->cert == NULL)) {
		wait_issuer_until(p, ip, "Suspended", frozen->why, frozen->until);
	} else if (frozen != NULL) {
		ip->blocked = true;
	} else if (g == NULL) {
		judge_missing(p, ip);
	} else if (!g->has_key) {
		lost(p, ip, say(p, "the key of generation %d is not held", ip->wanted));
	} else if (is_external(ip)) {
		plan_external(p, ip, g);
	} else if (g->cert == NULL) {
		wait_issuer(p, ip, "WaitingForCA",
		            "its certificate was asked of a CA elsewhere: write external again, or "
		            "raise generation");
	} else {
		judge_end(p, ip, g->cert);
	}
}

void plan_issuers(struct planner *p)
{
	for (size_t i = 0; i < p->in->desired->n_issuers; i++) {
		plan_issuer(p, &p->issuers[i]);
	}
}

static bool alive(const struct planner *p, const struct ca_generation *g)
{
	return g->has_key && g->cert != NULL && g->cert->not_after.s > p->now.s;
}

/* Does every store that shall trust the anchor hold it, and has it loaded? */
static bool prepared(struct planner *p, const struct issuer_plan *ip, int generation)
{
	const struct seen_cert *anchor = anchor_of(p, ip->def->o.name, generation);
	const struct anchor_plan *ap = anchor == NULL ? NULL : anchor_plan_of(p, anchor);

	return ap == NULL || ap->blockers == NULL;
}

static void say_preparing(struct planner *p, struct issuer_plan *ip)
{
	const struct seen_cert *anchor = anchor_of(p, ip->def->o.name, ip->wanted);
	const struct anchor_plan *ap = anchor_plan_of(p, anchor);
	struct waiting w = { .object_kind = KIND_ISSUER,
		             .name = ip->def->o.name,
		             .what_for = "TrustPending" };
	size_t missing = 0;

	for (struct blocker *b = ap == NULL ? NULL : ap->blockers; b != NULL; b = b->next) {
		missing++;
		b->sp->need_load = b->sp->need_load || store_holds(b->sp, anchor);
	}
	if (missing == 0) {
		return;
	}
	w.message =
		say(p, "Preparing generation %d: %zu of %zu stores trust it, not yet %s",
	            ip->wanted, ap->verifiers - missing, ap->verifiers, ap->blockers->sp->ws->key);
	report_waiting(p, &w);
	ip->preparing = true;
}

/* Once everybody has moved on there is nothing left to prepare for. */
static bool older_in_use(const struct planner *p, const struct issuer_plan *ip)
{
	for (size_t i = 0; i < p->in->desired->n_identities; i++) {
		const struct held *cur = p->ids[i].cur;

		if (cur != NULL && cur->issuer_generation < ip->wanted &&
		    str_equal(cur->issuer, ip->def->o.name)) {
			return true;
		}
	}
	return false;
}

/* The newest generation that everybody trusts; when there is none, the oldest that still signs:
 * nobody can have lost that one yet. */
static int trusted_generation(struct planner *p, const struct issuer_plan *ip)
{
	int oldest = 0;

	for (size_t i = ip->mem == NULL ? 0 : ip->mem->n_generations; i > 0; i--) {
		const struct ca_generation *g = &ip->mem->generations[i - 1];

		if (g->generation > ip->wanted || !alive(p, g)) {
			continue;
		}
		if (prepared(p, ip, g->generation)) {
			return g->generation;
		}
		oldest = g->generation;
	}
	return oldest;
}

static void choose_generation(struct planner *p, struct issuer_plan *ip)
{
	if (ip->blocked || ip->lost || ip->def->private_ca == NULL) {
		return;
	}
	ip->active = ip->wanted;
	if (ip->mem == NULL || ip->mem->n_generations == 0 ||
	    (ip->draft == NULL && !older_in_use(p, ip))) {
		return;
	}
	int trusted = trusted_generation(p, ip);

	ip->active = trusted == 0 ? ip->wanted : trusted;
	if (ip->active != ip->wanted && ip->draft == NULL) {
		say_preparing(p, ip);
	}
}

void plan_generations(struct planner *p)
{
	for (size_t i = 0; i < p->in->desired->n_issuers; i++) {
		choose_generation(p, &p->issuers[i]);
	}
}

static void plan_crl(struct planner *p, struct issuer_plan *ip)
{
	const struct private_ca *ca = ip->def->private_ca;
	struct reason r = { .row = "A11", .code = "Renewing" };
	struct wall due = { ip->mem == NULL ? 0 : ip->mem->crl_this_update.s + ca->crl_interval_s };

	if (ip->mem != NULL && ip->mem->crl_number == 0) {
		r = (struct reason){ .row = "A5", .code = "DoesNotExist" };
		r.message = "no CRL was published yet";
	} else if (ip->mem != NULL && ip->mem->last_revocation.s > ip->mem->crl_this_update.s) {
		r.row = "A9";
		r.code = "Revoked";
		r.message = "a certificate was revoked since the last CRL";
	} else if (p->now.s >= due.s) {
		r.message = say(p, "the next CRL is due %s", say_when(p, due));
	} else {
		wake_at(p, due);
		return;
	}
	struct draft *d = draft_new(p, ACTION_PUBLISH_CRL, STAGE_CRL, KIND_ISSUER, ip->def->o.name);

	if (d != NULL) {
		d->a.issuer = ip->def;
		d->a.issuer_generation = ip->active == 0 ? ip->wanted : ip->active;
		d->a.detail =
			say(p, "CRL number after %llu", (unsigned long long)ip->mem->crl_number);
		reason_add(p, &d->reasons, &r);
	}
}

void plan_crls(struct planner *p)
{
	for (size_t i = 0; i < p->in->desired->n_issuers; i++) {
		struct issuer_plan *ip = &p->issuers[i];
		const struct private_ca *ca = ip->def->private_ca;
		const struct ca_generation *g = generation_of(ip, ip->wanted);

		/* Its own first CRL needs the CA; that is the next pass. */
		if (ca != NULL && ca->crl_interval_s > 0 && !ip->blocked && !ip->lost &&
		    g != NULL && g->has_key && object_selected(&ip->def->o, p->in->selector) &&
		    p->in->target == NULL) {
			plan_crl(p, ip);
		}
	}
}
