/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world.c - the fleet as rows, and how they become an observation and a memory.
 *
 * Arrays given to a plan are fresh copies: a plan may keep pointers into them while the fleet goes
 * on changing under world_apply().
 */
#include "tests/unit/engine/world.h"

#include <stdio.h>
#include <stdlib.h>

#include "reconciler/base/str.h"
#include "tests/unit/engine/world_impl.h"
#include "tests/unit/unit.h"

void world_init(struct world *w)
{
	static const struct clock_manual *started;
	static struct clock_manual clock;

	if (started == NULL) {
		clock_manual_init(&clock, (struct wall){ WORLD_START });
		pki_init(&clock.clock);
		started = &clock;
	}
	*w = (struct world){ .now = { WORLD_START } };
	arena_init(&w->arena);
	seen_certs_init(&w->certs, &w->arena);
	w->in.trusted = true;
}

static void release_pass(struct world *w)
{
	wants_release(w->wants);
	observed_release(w->observed);
	memory_release((struct memory *)(uintptr_t)w->in.memory);
	w->wants = NULL;
	w->observed = NULL;
	w->in.memory = NULL;
}

void world_free(struct world *w)
{
	release_pass(w);
	seen_certs_release(&w->certs);
	arena_release(&w->arena);
}

struct w_store *world_store(struct world *w, const char *key)
{
	for (size_t i = 0; i < w->stores.n; i++) {
		if (str_equal(w->stores.v[i]->key, key)) {
			return w->stores.v[i];
		}
	}
	return NULL;
}

struct w_endpoint *world_endpoint(struct world *w, const char *host, int port)
{
	char prefix[300];

	(void)snprintf(prefix, sizeof(prefix), "%s:%d", host, port);
	for (size_t i = 0; i < w->endpoints.n; i++) {
		if (str_starts(w->endpoints.v[i]->key, prefix)) {
			return w->endpoints.v[i];
		}
	}
	return NULL;
}

struct w_identity *world_identity(struct world *w, const char *name)
{
	for (size_t i = 0; i < w->identities.n; i++) {
		if (str_equal(w->identities.v[i]->im.name, name)) {
			return w->identities.v[i];
		}
	}
	struct w_identity *id = ARENA_NEW(&w->arena, struct w_identity);

	id->im.name = arena_str(&w->arena, name);
	*ARENA_PUSH(&w->arena, &w->identities) = id;
	return id;
}

struct w_issuer *world_issuer(struct world *w, const char *name)
{
	for (size_t i = 0; i < w->issuers.n; i++) {
		if (str_equal(w->issuers.v[i]->im.name, name)) {
			return w->issuers.v[i];
		}
	}
	struct w_issuer *is = ARENA_NEW(&w->arena, struct w_issuer);

	is->im.name = arena_str(&w->arena, name);
	*ARENA_PUSH(&w->arena, &w->issuers) = is;
	return is;
}

struct w_entry *world_entry(struct w_store *s, const char *alias)
{
	for (size_t i = 0; i < s->content.n; i++) {
		if (str_equal(s->content.v[i].alias, alias)) {
			return &s->content.v[i];
		}
	}
	return NULL;
}

struct w_store *world_file(struct world *w, const char *identity, const char *path)
{
	const char *key = store_key(&w->arena, "", identity, path);
	struct w_store *s = world_store(w, key);

	if (s == NULL) {
		s = ARENA_NEW(&w->arena, struct w_store);
		s->key = key;
		s->target = "";
		s->host = arena_str(&w->arena, identity);
		s->path = arena_str(&w->arena, path);
		s->format = "jks";
		s->exists = true;
		*ARENA_PUSH(&w->arena, &w->stores) = s;
	}
	return s;
}

struct w_entry *world_entry_add(struct world *w, struct w_store *s, const char *alias,
                                enum keystore_entry_kind kind, const struct seen_cert *cert)
{
	struct w_entry *e = world_entry(s, alias);

	e = e == NULL ? ARENA_PUSH(&w->arena, &s->content) : e;
	*e = (struct w_entry){ .alias = alias,
		               .kind = kind,
		               .chain = { cert },
		               .n = 1,
		               .key_opens = kind == KS_KEY,
		               .key_matches = kind == KS_KEY };
	s->exists = true;
	world_touch(s);
	return e;
}

void world_touch(struct w_store *s)
{
	s->version++;
}

void world_pass(struct world *w, int64_t seconds)
{
	w->now.s += seconds;
}

void world_forget_keys(struct world *w)
{
	w->identities.n = 0;
	w->slots.n = 0;
	w->anchors.n = 0;
	for (size_t i = 0; i < w->stores.n; i++) {
		w->stores.v[i]->remembered = false;
		w->stores.v[i]->sm = (struct store_memory){ 0 };
	}
}

void world_forget(struct world *w)
{
	world_forget_keys(w);
	w->issuers.n = 0;
}

static void say_diagnostics(const struct diagnostics *diag)
{
	CLEANUP(buf_release) struct buf text = { 0 };

	buf_init(&text, BUF_LIMIT_TEXT);
	for (size_t i = 0; i < diag->n; i++) {
		diagnostic_format(&diag->v[i], &text);
	}
	ck_abort_msg("the desired state does not load:\n%s", buf_str(&text));
}

static void store_row(struct world *w, const struct want_store *ws)
{
	struct w_store *s = world_store(w, ws->key);

	if (s == NULL) {
		s = ARENA_NEW(&w->arena, struct w_store);
		s->key = arena_str(&w->arena, ws->key);
		s->target = arena_str(&w->arena, ws->target->o.name);
		s->host = arena_str(&w->arena, ws->host->name);
		s->path = arena_str(&w->arena, ws->path);
		s->format = arena_str(&w->arena, ws->format);
		s->mode = ws->deliver->shared->mode & 0640u;
		*ARENA_PUSH(&w->arena, &w->stores) = s;
	}
}

static void endpoint_row(struct world *w, const struct want_endpoint *we)
{
	for (size_t i = 0; i < w->endpoints.n; i++) {
		if (str_equal(w->endpoints.v[i]->key, we->key)) {
			return;
		}
	}
	struct w_endpoint *e = ARENA_NEW(&w->arena, struct w_endpoint);

	e->key = arena_str(&w->arena, we->key);
	e->status = ENDPOINT_OK;
	e->proof = PROOF_POSSESSION;
	*ARENA_PUSH(&w->arena, &w->endpoints) = e;
}

static void config_row(struct world *w, const struct want_config *wc)
{
	for (size_t i = 0; i < w->configs.n; i++) {
		if (str_equal(w->configs.v[i]->key, wc->key)) {
			return;
		}
	}
	struct w_config *c = ARENA_NEW(&w->arena, struct w_config);

	c->key = arena_str(&w->arena, wc->key);
	c->status = LOOK_OK;
	*ARENA_PUSH(&w->arena, &w->configs) = c;
}

static void make_rows(struct world *w)
{
	for (size_t i = 0; i < w->wants->n_stores; i++) {
		store_row(w, &w->wants->stores[i]);
	}
	for (size_t i = 0; i < w->wants->n_endpoints; i++) {
		endpoint_row(w, &w->wants->endpoints[i]);
	}
	for (size_t i = 0; i < w->wants->n_configs; i++) {
		config_row(w, &w->wants->configs[i]);
	}
}

void world_desire(struct world *w, const char *yaml)
{
	struct err err = { 0 };
	struct diagnostics diag = { 0 };
	struct memory_file file = { .path = "fleet.yaml" };
	const struct desired *d = NULL;

	file.data = bytes_of_str(arena_str(&w->arena, yaml));
	enum err_code rc = desired_load_files(&file, 1, &w->arena, &d, &diag, &err);

	if (rc != ERR_OK && diag.n > 0) {
		say_diagnostics(&diag);
	}
	MUST_OK(rc, &err);
	release_pass(w);
	w->desired = d;
}

static int by_identity(const void *a, const void *b)
{
	return strcmp(((const struct identity_memory *)a)->name,
	              ((const struct identity_memory *)b)->name);
}

static int by_issuer(const void *a, const void *b)
{
	return strcmp(((const struct issuer_memory *)a)->name,
	              ((const struct issuer_memory *)b)->name);
}

static int by_store(const void *a, const void *b)
{
	return strcmp(((const struct store_memory *)a)->key, ((const struct store_memory *)b)->key);
}

static int by_slot(const void *a, const void *b)
{
	const struct slot_memory *x = a;
	const struct slot_memory *y = b;
	int c = strcmp(x->store_key, y->store_key);

	return c != 0 ? c : strcmp(x->alias, y->alias);
}

static int by_anchor(const void *a, const void *b)
{
	const struct anchor_memory *x = a;
	const struct anchor_memory *y = b;
	int c = strcmp(x->store_key, y->store_key);

	return c != 0 ? c : memcmp(x->cert->sha256, y->cert->sha256, SHA256_BYTES);
}

static void sort_rows(void *v, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	if (n > 1) {
		qsort(v, n, size, cmp);
	}
}

static void remember_identities(struct world *w, struct memory *m)
{
	struct identity_memory *v =
		ARENA_ARRAY(&w->arena, struct identity_memory, w->identities.n + 1);

	for (size_t i = 0; i < w->identities.n; i++) {
		struct w_identity *id = w->identities.v[i];

		v[i] = id->im;
		v[i].revisions = arena_copy(&w->arena, id->revisions, id->n * sizeof(struct held));
		v[i].n_revisions = id->n;
	}
	sort_rows(v, w->identities.n, sizeof(*v), by_identity);
	m->identities = v;
	m->n_identities = w->identities.n;
}

static void remember_issuers(struct world *w, struct memory *m)
{
	struct issuer_memory *v = ARENA_ARRAY(&w->arena, struct issuer_memory, w->issuers.n + 1);

	for (size_t i = 0; i < w->issuers.n; i++) {
		struct w_issuer *is = w->issuers.v[i];

		v[i] = is->im;
		v[i].generations = is->gens;
		v[i].n_generations = is->n;
	}
	sort_rows(v, w->issuers.n, sizeof(*v), by_issuer);
	m->issuers = v;
	m->n_issuers = w->issuers.n;
}

static void remember_stores(struct world *w, struct memory *m)
{
	struct store_memory *v = ARENA_ARRAY(&w->arena, struct store_memory, w->stores.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < w->stores.n; i++) {
		struct w_store *s = w->stores.v[i];

		if (s->remembered) {
			v[n] = s->sm;
			v[n].key = s->key;
			v[n].target = s->target;
			v[n].host = s->host;
			v[n].path = s->path;
			n++;
		}
	}
	sort_rows(v, n, sizeof(*v), by_store);
	m->stores = v;
	m->n_stores = n;
}

static struct memory *memory_of(struct world *w)
{
	struct memory *m = ARENA_NEW(&w->arena, struct memory);
	struct err err = { 0 };

	m->arena = &w->arena;
	m->state_id = "0123456789abcdef";
	m->certs = &w->certs;
	remember_identities(w, m);
	remember_issuers(w, m);
	remember_stores(w, m);
	sort_rows(w->slots.v, w->slots.n, sizeof(*w->slots.v), by_slot);
	sort_rows(w->anchors.v, w->anchors.n, sizeof(*w->anchors.v), by_anchor);
	m->slots = arena_copy(&w->arena, w->slots.v, w->slots.n * sizeof(*w->slots.v));
	m->n_slots = w->slots.n;
	m->anchors = arena_copy(&w->arena, w->anchors.v, w->anchors.n * sizeof(*w->anchors.v));
	m->n_anchors = w->anchors.n;
	m->suspensions = w->suspensions.v;
	m->n_suspensions = w->suspensions.n;
	MUST_OK(memory_index(m, &err), &err);
	return m;
}

void world_digest(const struct w_store *s, uint8_t out[SHA256_BYTES])
{
	char text[600];
	int n = snprintf(text, sizeof(text), "%s %u", s->key, s->version);

	pki_sha256(text, (size_t)n, out);
}

const uint8_t *world_content(struct world *w, const struct w_store *s)
{
	uint8_t digest[SHA256_BYTES];

	world_digest(s, digest);
	return arena_copy(&w->arena, digest, sizeof(digest));
}

static struct seen_chain chain_of(struct world *w, const struct w_entry *e)
{
	return (struct seen_chain){
		.v = arena_copy(&w->arena, e->chain, e->n * sizeof(e->chain[0])), .n = e->n
	};
}

static void see_store(struct world *w, const struct w_store *s, struct obs_store *o)
{
	struct obs_entry *v = ARENA_ARRAY(&w->arena, struct obs_entry, s->content.n + 1);

	*o = (struct obs_store){ .target = s->target,
		                 .host = s->host,
		                 .path = s->path,
		                 .at = w->now,
		                 .format = s->format,
		                 .profile = s->profile,
		                 .password = s->password,
		                 .mode = s->mode,
		                 .owner = s->owner == NULL ? "root" : s->owner,
		                 .group = "root" };
	o->status = s->dark ? s->status : s->exists ? LOOK_OK : LOOK_ABSENT;
	o->error = s->dark ? "could not look" : s->refused;
	if (o->status != LOOK_OK) {
		return;
	}
	o->sha256 = world_content(w, s);
	for (size_t i = 0; i < s->content.n; i++) {
		const struct w_entry *e = &s->content.v[i];

		v[i] = (struct obs_entry){ .alias = e->alias,
			                   .folded = e->alias,
			                   .kind = e->kind,
			                   .chain = chain_of(w, e),
			                   .key_opens = e->key_opens,
			                   .key_matches = e->key_matches,
			                   .warnings = e->warnings };
	}
	o->entries = v;
	o->n_entries = s->content.n;
}

/* What the software of the host has loaded for the identity. */
static const struct w_entry *loaded_entry(struct world *w, const struct want_endpoint *we)
{
	for (size_t i = 0; i < w->wants->n_stores; i++) {
		const struct want_store *ws = &w->wants->stores[i];
		const struct w_store *s = world_store(w, ws->key);

		for (size_t k = 0; k < ws->n_entries; k++) {
			if (ws->target != we->target || ws->host != we->target_host ||
			    ws->entries[k].source != ENTRY_CERTIFICATE ||
			    ws->entries[k].identity != we->identity) {
				continue;
			}
			for (size_t e = 0; e < s->loaded.n; e++) {
				if (str_equal(s->loaded.v[e].alias, ws->entries[k].folded)) {
					return &s->loaded.v[e];
				}
			}
		}
	}
	return NULL;
}

static struct seen_chain alone(struct world *w, const struct seen_cert *c)
{
	struct w_entry one = { .chain = { c }, .n = 1 };

	return chain_of(w, &one);
}

static void see_others(struct world *w, const struct w_endpoint *e, struct obs_endpoint *o)
{
	struct obs_address *a = ARENA_ARRAY(&w->arena, struct obs_address, 2);

	if (e->twin != NULL) {
		o->twin = alone(w, e->twin);
	}
	if (e->elsewhere != NULL) {
		a[0] = (struct obs_address){ .address = "10.0.0.1",
			                     .status = ENDPOINT_OK,
			                     .served = o->served };
		a[1] = (struct obs_address){ .address = "10.0.0.2",
			                     .status = ENDPOINT_OK,
			                     .served = alone(w, e->elsewhere) };
		o->addresses = a;
		o->n_addresses = 2;
	}
}

static void see_endpoint(struct world *w, const struct w_endpoint *e, struct obs_endpoint *o)
{
	const struct w_entry *loaded = NULL;

	*o = (struct obs_endpoint){
		.key = e->key, .status = e->status, .at = w->now, .proof = e->proof
	};
	for (size_t i = 0; i < w->wants->n_endpoints; i++) {
		const struct want_endpoint *we = &w->wants->endpoints[i];

		if (str_equal(we->key, e->key)) {
			loaded = loaded_entry(w, we);
		}
	}
	if (e->instead != NULL) {
		o->served = alone(w, e->instead);
	} else if (loaded != NULL && e->behind != NULL) {
		struct w_entry longer = *loaded;
		longer.chain[longer.n++] = e->behind;
		o->served = chain_of(w, &longer);
	} else if (loaded != NULL) {
		o->served = chain_of(w, loaded);
	} else if (e->status == ENDPOINT_OK) {
		o->status = ENDPOINT_REFUSED; /* nothing to serve yet */
	}
	if (o->status != ENDPOINT_OK) {
		o->served.n = 0;
	}
	see_others(w, e, o);
}

static struct observed *observed_of(struct world *w)
{
	struct observed *o = ARENA_NEW(&w->arena, struct observed);
	struct obs_store *s = ARENA_ARRAY(&w->arena, struct obs_store, w->stores.n + 1);
	struct obs_endpoint *e = ARENA_ARRAY(&w->arena, struct obs_endpoint, w->endpoints.n + 1);
	struct obs_config *c = ARENA_ARRAY(&w->arena, struct obs_config, w->configs.n + 1);
	struct err err = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < w->stores.n; i++) {
		const struct w_store *of = w->stores.v[w->reversed ? w->stores.n - 1 - i : i];

		if (!of->unseen) {
			see_store(w, of, &s[n++]);
		}
	}
	for (size_t i = 0; i < w->endpoints.n; i++) {
		see_endpoint(w, w->endpoints.v[w->reversed ? w->endpoints.n - 1 - i : i], &e[i]);
	}
	for (size_t i = 0; i < w->configs.n; i++) {
		c[i] = (struct obs_config){ .key = w->configs.v[i]->key,
			                    .status = w->configs.v[i]->status,
			                    .at = w->now,
			                    .matches = w->configs.v[i]->matches };
	}
	o->arena = &w->arena;
	o->at = w->now;
	o->stores = s;
	o->n_stores = n;
	o->endpoints = e;
	o->n_endpoints = w->endpoints.n;
	o->configs = c;
	o->n_configs = w->configs.n;
	MUST_OK(observed_index(o, &err), &err);
	return o;
}

const struct plan *world_plan(struct world *w)
{
	struct err err = { 0 };

	release_pass(w);
	w->in.memory = memory_of(w);
	MUST_OK(wants_build(w->desired, w->in.memory, &w->arena, &w->wants, &err), &err);
	make_rows(w);
	w->observed = observed_of(w);
	w->in.desired = w->desired;
	w->in.observed = w->observed;
	w->in.wants = w->wants;
	w->in.now = w->now;
	w->plan = NULL;
	MUST_OK(plan_build(&w->in, &w->arena, &w->plan, &err), &err);
	return w->plan;
}

unsigned world_settle(struct world *w, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		if (world_plan(w)->n_actions == 0) {
			return i;
		}
		world_apply(w);
	}
	(void)world_plan(w);
	return rounds;
}

const struct action *plan_action(const struct plan *p, enum action_kind kind, const char *name,
                                 const char *host)
{
	for (size_t i = 0; i < p->n_actions; i++) {
		const struct action *a = &p->actions[i];

		if (a->kind == kind && str_equal(a->name, name) &&
		    (host == NULL || str_equal(a->host, host))) {
			return a;
		}
	}
	return NULL;
}

size_t plan_actions(const struct plan *p, enum action_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_actions; i++) {
		n += p->actions[i].kind == kind ? 1 : 0;
	}
	return n;
}

const struct waiting *plan_waiting(const struct plan *p, const char *what_for)
{
	for (size_t i = 0; i < p->n_waitings; i++) {
		if (str_equal(p->waitings[i].what_for, what_for)) {
			return &p->waitings[i];
		}
	}
	return NULL;
}

const struct conflict *plan_conflict(const struct plan *p, const char *code)
{
	for (size_t i = 0; i < p->n_conflicts; i++) {
		if (str_equal(p->conflicts[i].code, code)) {
			return &p->conflicts[i];
		}
	}
	return NULL;
}

const struct drift *plan_drift(const struct plan *p, const char *verdict)
{
	for (size_t i = 0; i < p->n_drifts; i++) {
		if (str_equal(p->drifts[i].verdict, verdict)) {
			return &p->drifts[i];
		}
	}
	return NULL;
}

const struct verdict *plan_verdict_of(const struct plan *p, const char *name, const char *host)
{
	for (size_t i = 0; i < p->n_verdicts; i++) {
		if (str_equal(p->verdicts[i].name, name) && str_equal(p->verdicts[i].host, host)) {
			return &p->verdicts[i];
		}
	}
	return NULL;
}

size_t plan_position(const struct plan *p, const char *id)
{
	for (size_t i = 0; i < p->n_actions; i++) {
		if (str_equal(p->actions[i].id, id)) {
			return i;
		}
	}
	return SIZE_MAX;
}
