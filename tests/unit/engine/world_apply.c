/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world_apply.c - what the actions of a plan do to the fleet and to what is remembered.
 */
#include <stdlib.h>

#include "reconciler/base/str.h"
#include "tests/unit/engine/world_impl.h"
#include "tests/unit/unit.h"

#define CA_LIFE_S (3650 * WORLD_DAY)

static const struct seen_cert *ca_cert(const struct w_issuer *is, int generation)
{
	for (size_t i = 0; i < is->n; i++) {
		if (is->gens[i].generation == generation) {
			return is->gens[i].cert;
		}
	}
	return NULL;
}

static void make_ca(struct world *w, const struct action *a)
{
	struct w_issuer *is = world_issuer(w, a->name);
	const struct private_ca *ca = a->issuer->private_ca;
	struct cert_spec spec = { .subject = { .common_name = ca->subject.common_name.s },
		                  .is_ca = true,
		                  .path_len = -1,
		                  .key_usage = KU_CERT_SIGN | KU_CRL_SIGN,
		                  .key = { .algorithm = KEY_ED25519 } };
	struct ca_generation *v = ARENA_ARRAY(&w->arena, struct ca_generation, is->n + 1);
	const struct seen_cert *parent = NULL;
	/* Its hour is its name: two CAs made at once differ by the Issuer's. */
	int64_t from = w->now.s - w->now.s % 3600 + (int64_t)strlen(a->name) * 3600 -
	               (int64_t)a->issuer_generation * 7200;

	if (ca->parent.s != NULL) {
		struct w_issuer *up = world_issuer(w, ca->parent.s);

		MUST(up->n > 0, "%s has no parent", a->id);
		parent = up->gens[up->n - 1].cert;
	}
	for (size_t i = 0; i < is->n; i++) {
		v[i] = is->gens[i];
	}
	v[is->n] = (struct ca_generation){
		.generation = a->issuer_generation,
		.cert = world_cert(w, &spec, parent, (struct wall){ from },
		                   (struct wall){ from + CA_LIFE_S }),
		.has_key = true,
		.created_at = w->now,
	};
	is->gens = v;
	is->n++;
}

static void push_revision(struct world *w, struct w_identity *id, const struct held *h)
{
	struct held *v = ARENA_ARRAY(&w->arena, struct held, id->n + 1);

	v[0] = *h;
	v[0].revision = id->n == 0 ? 1 : id->revisions[0].revision + 1;
	for (size_t i = 0; i < id->n; i++) {
		v[i + 1] = id->revisions[i];
	}
	id->revisions = v;
	id->n++;
	id->im.renew_asked.s = 0;
	id->im.issue = NULL;
	id->im.pending = NULL;
	id->im.archived = false;
}

static void issue(struct world *w, const struct action *a)
{
	struct w_identity *id = world_identity(w, a->identity->name);
	struct w_issuer *is = world_issuer(w, a->issuer->o.name);
	const struct seen_cert *ca = ca_cert(is, a->issuer_generation);
	struct cert_spec spec = { 0 };
	struct spec_digest digest;
	struct err err = { 0 };
	const struct seen_cert **chain = ARENA_ARRAY(&w->arena, const struct seen_cert *, 2);
	struct held h = { .issuer = a->issuer->o.name,
		          .issuer_generation = a->issuer_generation,
		          .issued_at = w->now,
		          .renew = a->identity->def->shared->renew,
		          .has_key = true };
	/* Two of one identity in the same second would be the same certificate. */
	struct wall from = { w->now.s - 300 + (int64_t)(id->n % 60) };

	MUST(ca != NULL, "%s issued before its CA", a->id);
	MUST_OK(identity_spec(a->identity, &w->arena, &spec, &err), &err);
	cert_spec_digest(&spec, &digest);
	memcpy(h.request_digest, digest.request, sizeof(h.request_digest));
	h.key_digest = arena_copy(&w->arena, digest.key, sizeof(digest.key));
	spec.key.algorithm = KEY_ED25519;
	spec.key.bits = 0;
	chain[0] = world_cert(w, &spec, ca, from, (struct wall){ w->now.s + spec.duration_s });
	h.chain = (struct seen_chain){ .v = chain, .n = 1 };
	if (!seen_cert_self_signed(ca)) {
		chain[1] = ca;
		h.chain.n = 2;
	}
	push_revision(w, id, &h);
	w->issued++;
}

static void adopt(struct world *w, const struct action *a)
{
	struct w_identity *id = world_identity(w, a->identity->name);
	struct held h = { .issuer = "", .issued_at = w->now, .has_key = true };
	CLEANUP(arena_release) struct arena scratch = { 0 };

	MUST(a->store != NULL, "%s adopts from nowhere", a->id);
	struct w_store *s = world_store(w, a->store->key);
	struct w_entry *e = world_entry(s, a->adopt_alias);

	MUST(e != NULL && e->kind == KS_KEY && e->key_matches, "%s adopts nothing", a->id);
	h.renew = a->identity->def->shared->renew;
	h.chain.v = arena_copy(&w->arena, e->chain, e->n * sizeof(e->chain[0]));
	h.chain.n = e->n;
	const struct cert *leaf = seen_cert_parse(e->chain[0], &scratch);

	for (size_t i = 0; i < w->issuers.n; i++) {
		for (size_t g = 0; g < w->issuers.v[i]->n; g++) {
			const struct ca_generation *gen = &w->issuers.v[i]->gens[g];
			const struct cert *ca = seen_cert_parse(gen->cert, &scratch);

			if (cert_issued_by(leaf, ca)) {
				h.issuer = w->issuers.v[i]->im.name;
				h.issuer_generation = gen->generation;
			}
		}
	}
	push_revision(w, id, &h);
}

static void copy_content(struct world *w, struct w_content *to, const struct w_content *from)
{
	to->v = arena_copy(&w->arena, from->v, from->n * sizeof(*from->v));
	to->n = from->n;
	to->cap = from->n;
}

static struct seen_chain revision_chain(struct world *w, const struct entry_change *ch)
{
	const struct w_identity *id = world_identity(w, ch->want->identity->name);

	for (size_t i = 0; i < id->n; i++) {
		if (ch->revision == 0 || id->revisions[i].revision == ch->revision) {
			return id->revisions[i].chain;
		}
	}
	ck_abort_msg("revision %d of %s is not held", ch->revision, ch->want->identity->name);
}

static const struct seen_cert *trust_of(struct world *w, const struct entry_change *ch)
{
	if (ch->to != NULL) {
		return ch->to;
	}
	if (ch->want->issuer != NULL) {
		return ca_cert(world_issuer(w, ch->want->issuer->o.name),
		               ch->want->issuer_generation);
	}
	return revision_chain(w, ch).v[0];
}

static void remove_entry(struct w_store *s, const char *alias)
{
	struct w_entry *e = world_entry(s, alias);

	if (e != NULL) {
		*e = s->content.v[s->content.n - 1];
		s->content.n--;
	}
}

/* A template becomes its alias when the certificate is there. */
static const char *alias_of(struct world *w, const struct action *a, const struct entry_change *ch)
{
	CLEANUP(arena_release) struct arena scratch = { 0 };
	const char *alias = ch->alias;
	struct err err = { 0 };

	if (ch->op == ENTRY_ADD && ch->to == NULL && text_is_template(ch->alias)) {
		const struct cert *c = seen_cert_parse(trust_of(w, ch), &scratch);

		MUST_OK(want_alias_known(a->store, ch->want, c, &w->arena, &alias, &err), &err);
	}
	return alias;
}

static void change_entry(struct world *w, struct w_store *s, const struct entry_change *ch,
                         const char *alias)
{
	switch (ch->op) {
	case ENTRY_KEEP:
		return;
	case ENTRY_REMOVE:
		remove_entry(s, alias);
		return;
	case ENTRY_ADD:
	case ENTRY_REPLACE:
		break;
	}
	if (ch->want->source != ENTRY_CERTIFICATE) {
		(void)world_entry_add(w, s, alias, KS_TRUSTED, trust_of(w, ch));
		return;
	}
	struct seen_chain c = revision_chain(w, ch);
	enum keystore_entry_kind kind = ch->want->certificate_only ? KS_TRUSTED : KS_KEY;
	struct w_entry *e = world_entry_add(w, s, alias, kind, c.v[0]);
	size_t n = kind == KS_TRUSTED ? 1 : c.n;

	for (size_t i = 0; i < n; i++) {
		e->chain[i] = c.v[i];
	}
	e->n = n;
}

static void forget_store(struct world *w, const char *key)
{
	size_t n = 0;

	for (size_t i = 0; i < w->slots.n; i++) {
		if (!str_equal(w->slots.v[i].store_key, key)) {
			w->slots.v[n++] = w->slots.v[i];
		}
	}
	w->slots.n = n;
}

static void remember_slot(struct world *w, const char *key, const char *alias, const char *identity,
                          const struct seen_cert *cert)
{
	struct slot_memory *s = NULL;
	struct anchor_memory *am = NULL;

	for (size_t i = 0; i < w->slots.n; i++) {
		if (str_equal(w->slots.v[i].store_key, key) &&
		    str_equal(w->slots.v[i].alias, alias)) {
			s = &w->slots.v[i];
		}
	}
	s = s == NULL ? ARENA_PUSH(&w->arena, &w->slots) : s;
	*s = (struct slot_memory){
		.store_key = key, .alias = alias, .identity = identity, .sha256 = cert->sha256
	};
	if (identity != NULL) {
		return;
	}
	for (size_t i = 0; i < w->anchors.n; i++) {
		if (str_equal(w->anchors.v[i].store_key, key) && w->anchors.v[i].cert == cert) {
			am = &w->anchors.v[i];
		}
	}
	if (am == NULL) {
		am = ARENA_PUSH(&w->arena, &w->anchors);
		am->first_at = w->now;
	}
	am->store_key = key;
	am->cert = cert;
	am->alias = alias;
}

/* Anchors stay known as long as a slot of theirs does. */
static void forget_anchors(struct world *w, const char *key)
{
	size_t n = 0;

	for (size_t i = 0; i < w->anchors.n; i++) {
		const struct anchor_memory *am = &w->anchors.v[i];
		bool kept = !str_equal(am->store_key, key);

		for (size_t k = 0; k < w->slots.n && !kept; k++) {
			const struct slot_memory *s = &w->slots.v[k];

			kept = s->identity == NULL && str_equal(s->store_key, key) &&
			       memcmp(s->sha256, am->cert->sha256, SHA256_BYTES) == 0;
		}
		if (kept) {
			w->anchors.v[n++] = *am;
		}
	}
	w->anchors.n = n;
}

static void note_written(struct world *w, struct w_store *s, const struct action *a)
{
	forget_store(w, s->key);
	for (size_t i = 0; i < a->n_entries; i++) {
		const struct entry_change *ch = &a->entries[i];
		const struct w_entry *e = ch->want == NULL || ch->op == ENTRY_REMOVE
		                                  ? NULL
		                                  : world_entry(s, alias_of(w, a, ch));

		if (e == NULL || e->n == 0) {
			continue;
		}
		bool trust = ch->want->source != ENTRY_CERTIFICATE;

		remember_slot(w, s->key, e->alias, trust ? NULL : ch->want->identity->name,
		              e->chain[0]);
	}
	forget_anchors(w, s->key);
	s->remembered = true;
	world_digest(s, s->sm.written);
	s->sm.written_at = w->now;
	s->sm.activations = 0;
	s->sm.push = NULL;
}

static void write_store(struct world *w, const struct action *a)
{
	struct w_store *s = world_store(w, a->store->key);
	struct w_content own = { 0 };

	/* What is loaded may share the old array. */
	copy_content(w, &own, &s->content);
	s->content = own;
	for (size_t i = 0; i < a->n_entries; i++) {
		change_entry(w, s, &a->entries[i], alias_of(w, a, &a->entries[i]));
	}
	s->exists = true;
	s->password = 0;
	s->format = a->store->format;
	s->mode = a->store->deliver->shared->mode & 0640u;
	if (a->store->keystore != NULL && a->store->keystore->pkcs12_profile.s != NULL) {
		s->profile = a->store->keystore->pkcs12_profile.s;
	}
	for (size_t i = 0; i < s->content.n; i++) {
		s->content.v[i].key_opens = s->content.v[i].kind == KS_KEY;
	}
	world_touch(s);
	note_written(w, s, a);
	if (a->target->shared->n_activate == 0) {
		copy_content(w, &s->loaded, &s->content);
	}
}

static void activate(struct world *w, const struct action *a)
{
	for (size_t i = 0; i < w->stores.n; i++) {
		struct w_store *s = w->stores.v[i];

		if (!str_equal(s->target, a->name) || !str_equal(s->host, a->host)) {
			continue;
		}
		copy_content(w, &s->loaded, &s->content);
		s->remembered = true;
		s->sm.activations++;
		s->sm.activated_at = w->now;
		s->sm.activated = world_content(w, s);
	}
}

static void configure(struct world *w, const struct action *a)
{
	for (size_t i = 0; i < w->configs.n; i++) {
		if (str_equal(w->configs.v[i]->key, a->config->key)) {
			w->configs.v[i]->matches = true;
		}
	}
}

static void perform(struct world *w, const struct action *a)
{
	switch (a->kind) {
	case ACTION_ISSUE:
	case ACTION_RENEW:
	case ACTION_REKEY:
		if (a->identity == NULL) {
			make_ca(w, a);
		} else {
			issue(w, a);
		}
		break;
	case ACTION_ADOPT:
		adopt(w, a);
		break;
	case ACTION_RETIRE:
		if (a->store == NULL) {
			world_identity(w, a->name)->im.archived = true;
			break;
		}
		write_store(w, a);
		break;
	case ACTION_PUSH:
	case ACTION_TRUST_ADD:
	case ACTION_TRUST_DROP:
		write_store(w, a);
		break;
	case ACTION_CONFIGURE:
		configure(w, a);
		break;
	case ACTION_ACTIVATE:
		activate(w, a);
		break;
	case ACTION_PUBLISH_CRL:
		world_issuer(w, a->name)->im.crl_number++;
		world_issuer(w, a->name)->im.crl_this_update = w->now;
		break;
	case ACTION_VERIFY:
	case ACTION_REVOKE:
	case ACTION_COUNT:
		break;
	}
}

static void keep_marks(struct world *w, const struct plan *p)
{
	for (size_t i = 0; i < p->n_marks; i++) {
		const struct mark *m = &p->marks[i];

		if (m->kind == MARK_STORE_OWNED) {
			struct w_store *s = world_store(w, m->store->key);

			s->sm.owner = s->sm.owner == NULL ? m->owner : s->sm.owner;
			s->sm.group = s->sm.group == NULL ? m->group : s->sm.group;
			s->remembered = true;
			continue;
		}
		if (m->kind == MARK_SLOT_OURS) {
			struct w_store *s = world_store(w, m->store->key);

			s->remembered = true;
			remember_slot(w, s->key, m->alias,
			              m->identity == NULL ? NULL : m->identity->name, m->cert);
			continue;
		}
		for (size_t k = 0; k < w->anchors.n; k++) {
			struct anchor_memory *am = &w->anchors.v[k];

			if (str_equal(am->store_key, m->store->key) && am->cert == m->cert) {
				am->left_at.s = m->kind == MARK_ANCHOR_RETURNED ? 0
				                : am->left_at.s != 0            ? am->left_at.s
				                                                : w->now.s;
			}
		}
	}
}

static void note_failure(struct world *w, const struct action *a)
{
	const struct backoff **at = NULL;

	if (a->identity != NULL) {
		at = &world_identity(w, a->identity->name)->im.issue;
	} else if (a->store != NULL) {
		struct w_store *s = world_store(w, a->store->key);

		s->remembered = true;
		at = &s->sm.push;
	}
	if (at == NULL) {
		return;
	}
	struct backoff *b = ARENA_NEW(&w->arena, struct backoff);

	*b = *at == NULL ? (struct backoff){ 0 } : **at;
	*at = b;
	b->failures++;
	b->same++;
	b->last_at = w->now;
	b->next_at.s = w->now.s + 60 * b->failures;
	b->error = "it failed";
	memcpy(b->inputs, a->inputs, SHA256_BYTES);
}

/* One set of what did not happen: its dependents do not either. */
static bool depends_on_lost(const struct plan *p, const struct action *a, const bool *lost)
{
	for (size_t i = 0; i < a->n_depends_on; i++) {
		size_t at = plan_position(p, a->depends_on[i]);

		MUST(at != SIZE_MAX, "%s depends on %s, which is not in the plan", a->id,
		     a->depends_on[i]);
		MUST(&p->actions[at] < a, "%s stands before %s", a->id, a->depends_on[i]);
		if (lost[at]) {
			return true;
		}
	}
	return false;
}

void world_apply(struct world *w)
{
	const struct plan *p = w->plan;
	bool *lost = ARENA_ARRAY(&w->arena, bool, p->n_actions + 1);

	keep_marks(w, p);
	for (size_t i = 0; i < p->n_actions; i++) {
		const struct action *a = &p->actions[i];

		if (depends_on_lost(p, a, lost) || a->not_before.s > w->now.s) {
			lost[i] = true;
			continue;
		}
		if (w->fails != NULL && w->fails(w, a)) {
			note_failure(w, a);
			lost[i] = true;
			continue;
		}
		perform(w, a);
		if (w->after != NULL) {
			w->after(w, a);
		}
	}
}
