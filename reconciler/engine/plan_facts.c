/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_facts.c - the facts of one identity for table A.
 *
 * On the way that finds nothing to do only digests are compared; a certificate is parsed when the
 * digest differs, when it was adopted (it has none), and after a lost state.
 */
#include "reconciler/engine/planner.h"

static const uint8_t zero_digest[32];

static bool pair_readable(const struct slot *s)
{
	return s->sp->readable && s->oe != NULL && s->oe->kind == KS_KEY && s->oe->chain.n > 0 &&
	       s->oe->key_opens && s->oe->key_matches;
}

static bool slot_named(const struct slot *s, const struct adopt_spec *a)
{
	const struct want_store *ws = s->sp->ws;

	return (a->target.s == NULL || str_equal(a->target.s, ws->target->o.name)) &&
	       (a->host.s == NULL || str_equal(a->host.s, ws->host->name)) &&
	       (a->keystore.s == NULL ||
	        (ws->keystore != NULL && str_equal(a->keystore.s, ws->keystore->o.name))) &&
	       (a->alias.s == NULL || !ws->has_aliases || str_equal(a->alias.s, s->we->alias) ||
	        str_equal(a->alias.s, s->we->folded));
}

static bool pin_agrees(const struct adopt_spec *a, const uint8_t spki_sha256[SHA256_BYTES])
{
	uint8_t pinned[SHA256_BYTES];

	return a->key_sha256.s == NULL || (fingerprint_parse(a->key_sha256.s, pinned) &&
	                                   memcmp(pinned, spki_sha256, sizeof(pinned)) == 0);
}

const struct imported_memory *imported_of(struct planner *p, const struct identity *id)
{
	const struct scope scope = { .target = id->target, .host = id->host };
	const char *name = NULL;

	enum err_code rc =
		expand_text(id->def->shared->adopt->imported.s, &scope, p->a, &name, p->err);
	if (rc != ERR_OK) {
		p->rc = p->rc == ERR_OK ? rc : p->rc;
		return NULL;
	}
	return memory_imported(p->in->memory, name);
}

static enum adopt_look look_at_imported(struct planner *p, const struct identity *id)
{
	const struct imported_memory *im = imported_of(p, id);

	if (im == NULL) {
		return ADOPT_ABSENT;
	}
	return pin_agrees(id->def->shared->adopt, im->chain.v[0]->spki_sha256) ? ADOPT_READABLE
	                                                                       : ADOPT_DISAGREE;
}

const struct slot *adoption_slot(struct planner *p, struct id_plan *ip, enum adopt_look *ret)
{
	const struct adopt_spec *a = ip->id->def->shared->adopt;
	const struct slot *best = NULL;

	if (a->certificate.s != NULL) {
		*ret = ADOPT_READABLE;
		return NULL;
	}
	if (a->imported.s != NULL) {
		*ret = look_at_imported(p, ip->id);
		return NULL;
	}
	*ret = ADOPT_ABSENT;
	for (const struct slot *s = ip->slots; s != NULL; s = s->next) {
		if (!slot_named(s, a)) {
			continue;
		}
		if (!s->sp->readable || (s->oe != NULL && !pair_readable(s))) {
			*ret = ADOPT_UNREADABLE;
			return NULL;
		}
		if (s->oe == NULL) {
			continue;
		}
		if (!pin_agrees(a, digest_or_zeroes(s->oe->key_spki_sha256)) ||
		    (best != NULL && best->oe->chain.v[0] != s->oe->chain.v[0])) {
			*ret = ADOPT_DISAGREE;
			return NULL;
		}
		/* The list runs from last to first: the first store by name is the one told. */
		best = s;
		*ret = ADOPT_READABLE;
	}
	(void)p;
	return best;
}

static bool from_our_issuer(struct planner *p, const struct id_plan *ip, const struct cert *leaf)
{
	const struct texts *names = &ip->id->def->shared->issuers;

	for (size_t i = 0; i < names->n; i++) {
		const struct issuer_plan *is = plan_of_issuer(p, names->v[i].s);

		if (is == NULL || is->lost || is->mem == NULL || is->mem->n_generations == 0) {
			/* Its books are gone with the rest: the name has to do, and nothing can be
			 * issued in its place anyway. */
			if (is != NULL && is->lost) {
				return true;
			}
			continue;
		}
		for (size_t g = 0; g < is->mem->n_generations; g++) {
			const struct seen_cert *c = is->mem->generations[g].cert;
			const struct cert *ca = c == NULL ? NULL : seen_cert_parse(c, p->a);

			if (ca != NULL && cert_issued_by(leaf, ca)) {
				return true;
			}
		}
	}
	return false;
}

static bool would_do(struct planner *p, const struct id_plan *ip, const struct slot *s,
                     const struct cert_spec *spec)
{
	const struct cert *leaf = seen_cert_parse(s->oe->chain.v[0], p->a);
	const char *field = NULL;

	return leaf != NULL && cert_satisfies(leaf, spec, &field) == SPEC_SATISFIED &&
	       from_our_issuer(p, ip, leaf);
}

static enum slots_look look_at_slots(struct planner *p, const struct id_plan *ip,
                                     const struct cert_spec *spec)
{
	const struct seen_cert *pair = NULL;
	size_t n = 0;
	size_t dark = 0;

	for (const struct slot *s = ip->slots; s != NULL; s = s->next) {
		if (s->we->certificate_only || s->sp->ws->target->shared->can.write_only) {
			continue;
		}
		n++;
		if (!s->sp->readable) {
			dark++;
			continue;
		}
		if (!pair_readable(s) || !would_do(p, ip, s, spec)) {
			continue;
		}
		if (pair != NULL && pair != s->oe->chain.v[0]) {
			return SLOTS_DISAGREE;
		}
		pair = s->oe->chain.v[0];
	}
	if (pair != NULL) {
		return SLOTS_ONE_PAIR;
	}
	return n > 0 && dark == n ? SLOTS_UNKNOWN : SLOTS_NOTHING;
}

static bool issued_elsewhere(const struct id_plan *ip)
{
	return memcmp(ip->cur->request_digest, zero_digest, sizeof(zero_digest)) == 0;
}

static void judge_spec(struct planner *p, const struct id_plan *ip, const struct cert_spec *spec,
                       const struct spec_digest *digest, struct identity_facts *f,
                       const char **ret_field)
{
	const struct held *h = ip->cur;

	if (issued_elsewhere(ip)) {
		/* Adopted on purpose: as it is, until its own renewal. */
		if (ip->id->def->shared->adopt != NULL) {
			return;
		}
	} else if (memcmp(h->request_digest, digest->request, sizeof(digest->request)) == 0 &&
	           digests_equal(h->key_digest, digest->key)) {
		return;
	}
	/* The certificate has the last word: a digest may differ for reasons that do not show. */
	const struct cert *leaf = seen_cert_parse(h->chain.v[0], p->a);

	switch (leaf == NULL ? SPEC_REQUEST_DIFFERS : cert_satisfies(leaf, spec, ret_field)) {
	case SPEC_SATISFIED:
		break;
	case SPEC_KEY_DIFFERS:
		f->key_differs = true;
		break;
	case SPEC_REQUEST_DIFFERS:
		f->request_differs = true;
		break;
	}
}

static bool issuer_named(const struct id_plan *ip)
{
	const struct texts *names = &ip->id->def->shared->issuers;

	for (size_t i = 0; i < names->n; i++) {
		if (str_equal(names->v[i].s, ip->cur->issuer)) {
			return true;
		}
	}
	return false;
}

static void judge_issuer(struct planner *p, const struct id_plan *ip, struct identity_facts *f)
{
	if (ip->cur->issuer[0] == '\0') {
		return;
	}
	if (!issuer_named(ip)) {
		f->issuer_differs = true;
		return;
	}
	const struct issuer_plan *is = plan_of_issuer(p, ip->cur->issuer);

	f->issuer_differs = is != NULL && is->active > ip->cur->issuer_generation;
}

static void judge_time(struct planner *p, struct id_plan *ip, struct identity_facts *f)
{
	const struct seen_cert *leaf = ip->cur->chain.v[0];
	const struct certificate *def = ip->id->def;

	ip->due = renewal_time(def, ip->id->name, leaf->not_before, leaf->not_after);
	f->expired = !def->shared->renewal_disabled && leaf->not_after.s <= p->now.s;
	f->due = ip->due.s <= p->now.s;
	if (!f->due) {
		wake_at(p, ip->due);
	}
}

static bool asked(const struct id_plan *ip)
{
	return ip->id->def->shared->renew > ip->cur->renew ||
	       (ip->mem->renew_asked.s != 0 && ip->mem->renew_asked.s >= ip->cur->issued_at.s);
}

void identity_facts_gather(struct planner *p, struct id_plan *ip, struct identity_facts *ret,
                           const char **ret_field, struct spec_digest *ret_digest)
{
	const struct certificate *def = ip->id->def;
	struct cert_spec spec = { 0 };
	struct identity_facts f = { .desired = true,
		                    .managed = def->shared->mode == MODE_MANAGED,
		                    .adopt = def->shared->adopt != NULL,
		                    .held = ip->cur != NULL };

	if (!f.managed) {
		*ret = f;
		return;
	}
	enum err_code rc = identity_spec(ip->id, &p->scratch, &spec, p->err);

	if (rc != ERR_OK) {
		p->rc = p->rc == ERR_OK ? rc : p->rc;
		return;
	}
	cert_spec_digest(&spec, ret_digest);
	if (!f.held) {
		if (f.adopt) {
			(void)adoption_slot(p, ip, &f.adopt_look);
		} else {
			f.slots = look_at_slots(p, ip, &spec);
		}
		*ret = f;
		return;
	}
	judge_spec(p, ip, &spec, ret_digest, &f, ret_field);
	judge_issuer(p, ip, &f);
	judge_time(p, ip, &f);
	f.pair_broken = !ip->cur->has_key && def->shared->request == NULL;
	f.revoked = ip->cur->revoked || ip->cur->compromised;
	f.asked = asked(ip);
	*ret = f;
}
