/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_rows.c - desired, remembered and observed rows laid side by side, by pointer from here on.
 *
 * Desired and remembered rows are both sorted and are joined by walking along; what was observed is
 * looked up once per row. Everything later is array arithmetic, so that an identity with nothing to
 * do costs what its comparison costs.
 */
#include "reconciler/base/when.h"
#include "reconciler/engine/planner.h"
#include "reconciler/engine/want_build.h"

struct id_plan *plan_of_identity(const struct planner *p, const struct identity *id)
{
	return id == NULL ? NULL : &p->ids[id - p->in->desired->identities];
}

struct issuer_plan *plan_of_issuer(const struct planner *p, const char *name)
{
	const struct desired *d = p->in->desired;
	size_t lo = 0;
	size_t hi = d->n_issuers;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = strcmp(d->issuers[mid]->o.name, name);

		if (c == 0) {
			return &p->issuers[mid];
		}
		if (c < 0) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return NULL;
}

struct unit_plan *plan_of_unit(const struct planner *p, const struct target *t,
                               const struct host *h)
{
	const struct desired *d = p->in->desired;
	size_t at = 0;

	for (size_t hi = d->n_targets; at < hi;) {
		size_t mid = at + (hi - at) / 2;

		if (strcmp(d->targets[mid]->o.name, t->o.name) < 0) {
			at = mid + 1;
		} else {
			hi = mid;
		}
	}
	return at < d->n_targets && str_equal(d->targets[at]->o.name, t->o.name)
	               ? &p->units[p->first_unit[at] + (size_t)(h - t->hosts)]
	               : NULL;
}

static bool unit_selected(const struct planner *p, const struct target *t)
{
	if (p->in->target != NULL && !str_equal(p->in->target, t->o.name)) {
		return false;
	}
	return object_selected(&t->o, p->in->selector);
}

/* With --target, an identity is planned when that target presents or verifies it. */
static void select_identities(struct planner *p)
{
	for (size_t i = 0; i < p->in->desired->n_identities; i++) {
		struct id_plan *ip = &p->ids[i];
		bool touched = p->in->target == NULL;

		for (struct slot *s = ip->slots; s != NULL && !touched; s = s->next) {
			touched = s->sp->unit->selected;
		}
		for (struct pin_ref *r = ip->pins; r != NULL && !touched; r = r->next) {
			touched = r->sp->unit->selected;
		}
		ip->selected = touched && object_selected(&ip->id->def->o, p->in->selector);
	}
}

static bool covers(const struct suspension *s, const char *kind, const char *name, const char *host)
{
	size_t n = strlen(name);

	if (!str_equal(s->kind, kind) || strncmp(s->name, name, n) != 0) {
		return false;
	}
	return s->name[n] == '\0' ||
	       (host != NULL && s->name[n] == '@' && str_equal(s->name + n + 1, host));
}

static const struct halt *halt_new(struct planner *p, const char *why, struct wall until)
{
	static const struct halt no_memory = { .why = "suspended" };
	struct halt *h = ARENA_NEW(p->a, struct halt);

	if (h == NULL || why == NULL) {
		return &no_memory; /* the arena has failed, and so does the plan */
	}
	*h = (struct halt){ .why = why, .until = until };
	return h;
}

static const struct halt *halted(struct planner *p, const struct suspension *s)
{
	const char *reason = s->reason == NULL ? "suspended" : s->reason;
	char until[WHEN_TEXT_MAX];

	if (s->until.s == 0) {
		return halt_new(p, reason, s->until);
	}
	when_format_short(s->until, until);
	return halt_new(p, say(p, "%s, until %s", reason, until), s->until);
}

const struct halt *suspended_by(struct planner *p, const struct object *o, const struct halt *h)
{
	return h == NULL ? NULL
	                 : halt_new(p, say(p, "%s %s: %s", kind_name(o->kind), o->name, h->why),
	                            h->until);
}

const struct halt *suspended(struct planner *p, const struct object *o, const char *host)
{
	static const struct halt for_ever = { .why = "spec.suspend" };
	const struct memory *m = p->in->memory;

	if (o->suspend) {
		return &for_ever;
	}
	for (size_t i = 0; i < m->n_suspensions; i++) {
		const struct suspension *s = &m->suspensions[i];

		if (covers(s, kind_name(o->kind), o->name, host) &&
		    (s->until.s == 0 || s->until.s > p->now.s)) {
			wake_at(p, s->until);
			return halted(p, s);
		}
	}
	return NULL;
}

bool held_back(struct planner *p, const struct backoff *b, const uint8_t inputs[SHA256_BYTES],
               struct waiting w)
{
	/* Other inputs are another action: what failed before says nothing about it. */
	if (b == NULL || b->failures == 0 || memcmp(b->inputs, inputs, SHA256_BYTES) != 0) {
		return false;
	}
	const char *error = b->error == NULL ? "" : b->error;

	if (b->held) {
		w.what_for = "Held";
		w.message = say(p, "failed %u times the same way: %s", b->same, error);
		report_waiting(p, &w);
		return true;
	}
	if (b->next_at.s > p->now.s) {
		w.what_for = "BackOff";
		const char *times = b->failures == 1 ? "once" : say(p, "%u times", b->failures);
		w.message =
			say(p, "failed %s, next try %s: %s", times, say_when(p, b->next_at), error);
		w.until = b->next_at;
		report_waiting(p, &w);
		return true;
	}
	return false;
}

/* Where the memory stands while the sorted wants go by. */
struct cursor {
	size_t identity, store, slot;
	size_t obs_store, obs_endpoint, target; /* where the last was found */
};

/* What is wanted goes by the names of Targets mostly. */
static struct unit_plan *unit_row(const struct planner *p, struct cursor *c, const struct target *t,
                                  const struct host *h)
{
	static const int steps[] = { 0, 1, -1 };
	const struct desired *d = p->in->desired;

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		size_t at = c->target + (size_t)steps[i];
		if (at < d->n_targets && d->targets[at] == t) {
			c->target = at;
			return &p->units[p->first_unit[at] + (size_t)(h - t->hosts)];
		}
	}
	return plan_of_unit(p, t, h);
}

static const struct identity_memory *identity_next(const struct memory *m, struct cursor *c,
                                                   const char *name)
{
	int order = -1;

	while (c->identity < m->n_identities &&
	       (order = strcmp(m->identities[c->identity].name, name)) < 0) {
		c->identity++;
	}
	return order == 0 ? &m->identities[c->identity] : NULL;
}

static const struct store_memory *store_next(const struct memory *m, struct cursor *c,
                                             const char *key)
{
	int order = -1;

	while (c->store < m->n_stores && (order = strcmp(m->stores[c->store].key, key)) < 0) {
		c->store++;
	}
	return order == 0 ? &m->stores[c->store] : NULL;
}

static const struct slot_memory *slot_in(const struct memory *m, struct cursor *c, const char *key,
                                         const char *alias)
{
	int order = -1;

	while (c->slot < m->n_slots && (order = strcmp(m->slots[c->slot].store_key, key)) < 0) {
		c->slot++;
	}
	for (size_t i = c->slot;
	     order == 0 && i < m->n_slots && strcmp(m->slots[i].store_key, key) == 0; i++) {
		if (strcmp(m->slots[i].alias, alias) == 0) {
			return &m->slots[i];
		}
	}
	return NULL;
}

static void identity_row(struct planner *p, struct cursor *at, size_t i)
{
	struct id_plan *ip = &p->ids[i];

	ip->id = &p->in->desired->identities[i];
	ip->mem = identity_next(p->in->memory, at, ip->id->name);
	if (ip->mem != NULL && !ip->mem->archived && ip->mem->n_revisions > 0 &&
	    ip->mem->revisions[0].chain.n > 0) {
		ip->cur = &ip->mem->revisions[0];
	}
	ip->usable = ip->cur != NULL && !ip->cur->revoked && !ip->cur->compromised &&
	             (ip->cur->has_key || ip->id->def->shared->request != NULL) &&
	             ip->cur->chain.v[0]->not_after.s > p->now.s;
	ip->due.s = INT64_MAX;
}

static void unit_rows(struct planner *p)
{
	const struct desired *d = p->in->desired;
	struct unit_plan *u = p->units;

	for (size_t i = 0; i < d->n_targets; i++) {
		const struct target *t = d->targets[i];
		bool selected = unit_selected(p, t);

		p->first_unit[i] = (size_t)(u - p->units);
		for (size_t h = 0; h < t->n_hosts; h++, u++) {
			u->target = t;
			u->host = &t->hosts[h];
			u->selected = selected;
			u->suspended = suspended(p, &t->o, u->host->name);
		}
	}
}

static const struct obs_entry *entry_at(const struct obs_store *os, const char *folded)
{
	for (size_t i = 0; os != NULL && i < os->n_entries; i++) {
		if (str_equal(os->entries[i].folded, folded)) {
			return &os->entries[i];
		}
	}
	return NULL;
}

/* A format without aliases holds one key; whatever else is in the file stands under no name too. */
static const struct obs_entry *certificate_of(const struct planner *p, const struct store_plan *sp,
                                              const struct want_entry *we)
{
	const struct id_plan *ip = plan_of_identity(p, we->identity);

	for (size_t r = 0; ip != NULL && ip->mem != NULL && r < ip->mem->n_revisions; r++) {
		const struct seen_chain *held = &ip->mem->revisions[r].chain;

		for (size_t i = 0; sp->os != NULL && i < sp->os->n_entries; i++) {
			const struct seen_chain *c = &sp->os->entries[i].chain;

			if (c->n > 0 && held->n > 0 && c->v[0] == held->v[0]) {
				return &sp->os->entries[i];
			}
		}
	}
	return NULL;
}

/* Of another format than the wanted one, the entries may have no names to be found by. */
static bool aliases_there(const struct store_plan *sp)
{
	return sp->os == NULL || sp->os->format == NULL || format_has_aliases(sp->os->format);
}

/* Of a store with aliases where one without is wanted, adopt may say which. */
static const char *wanted_name(const struct store_plan *sp, const struct want_entry *we)
{
	const struct adopt_spec *a = we->identity == NULL ? NULL : we->identity->def->shared->adopt;

	return sp->ws->has_aliases || a == NULL || a->alias.s == NULL ? we->folded : a->alias.s;
}

static const struct obs_entry *key_entry_of(const struct planner *p, const struct store_plan *sp,
                                            const struct want_entry *we)
{
	bool named = aliases_there(sp);
	const char *name = named && sp->os != NULL ? wanted_name(sp, we) : we->folded;
	const struct obs_entry *at = entry_at(sp->os, name);

	if (sp->ws->has_aliases && named) {
		return at;
	}
	if (we->certificate_only) {
		return certificate_of(p, sp, we);
	}
	for (size_t i = 0; sp->os != NULL && at == NULL && i < sp->os->n_entries; i++) {
		at = sp->os->entries[i].kind == KS_KEY ? &sp->os->entries[i] : NULL;
	}
	return at;
}

static void slot_row(struct planner *p, struct cursor *at, struct store_plan *sp,
                     const struct want_entry *we)
{
	struct slot *s = &sp->slots[sp->n_slots++];

	s->sp = sp;
	s->we = we;
	s->id = plan_of_identity(p, we->identity);
	s->oe = sp->readable && !sp->absent ? key_entry_of(p, sp, we) : NULL;
	s->sm = slot_in(p->in->memory, at, sp->ws->key, we->folded);
	if (s->id != NULL) {
		s->next = s->id->slots;
		s->id->slots = s;
	}
}

static void pin_row(struct planner *p, struct store_plan *sp, const struct want_entry *we)
{
	struct id_plan *ip = plan_of_identity(p, we->identity);

	if (ip == NULL || we->leaving || (ip->pins != NULL && ip->pins->sp == sp)) {
		return;
	}
	struct pin_ref *r = ARENA_NEW(p->a, struct pin_ref);

	if (r != NULL) {
		r->sp = sp;
		r->next = ip->pins;
		ip->pins = r;
	}
}

static void store_row(struct planner *p, struct cursor *at, size_t i)
{
	struct store_plan *sp = &p->stores[i];
	size_t keys = 0;

	sp->ws = &p->w->stores[i];
	sp->os = observed_store_near(p->in->observed, sp->ws->key, &at->obs_store);
	sp->sm = store_next(p->in->memory, at, sp->ws->key);
	sp->unit = unit_row(p, at, sp->ws->target, sp->ws->host);
	sp->absent = sp->os != NULL && sp->os->status == LOOK_ABSENT;
	sp->readable = sp->absent || (sp->os != NULL && sp->os->status == LOOK_OK);
	if (sp->unit->n_stores++ == 0) {
		sp->unit->first_store = (uint32_t)i;
	}
	for (size_t k = 0; k < sp->ws->n_entries; k++) {
		keys += sp->ws->entries[k].source == ENTRY_CERTIFICATE ? 1 : 0;
	}
	sp->slots = ARENA_ARRAY(p->a, struct slot, keys);
	sp->changes = &p->no_changes;
	for (size_t k = 0; sp->slots != NULL && k < sp->ws->n_entries; k++) {
		const struct want_entry *we = &sp->ws->entries[k];

		if (we->source == ENTRY_CERTIFICATE) {
			slot_row(p, at, sp, we);
		} else {
			pin_row(p, sp, we);
		}
	}
}

static void endpoint_row(struct planner *p, struct cursor *at, const struct want_endpoint *we)
{
	struct endpoint_ref *e = ARENA_NEW(p->a, struct endpoint_ref);
	struct id_plan *ip = plan_of_identity(p, we->identity);

	if (e == NULL) {
		return;
	}
	e->we = we;
	e->oe = observed_endpoint_near(p->in->observed, we->key, &at->obs_endpoint);
	if (we->target != NULL) {
		struct unit_plan *u = unit_row(p, at, we->target, we->target_host);

		e->next = u->endpoints;
		u->endpoints = e;
	}
	if (ip != NULL) {
		e->next_of_identity = ip->endpoints;
		ip->endpoints = e;
	}
}

/* Configuration rows of one host stand together, in the order of the Target. */
static void config_rows(struct planner *p, struct cursor *at)
{
	for (size_t i = 0; i < p->w->n_configs; i++) {
		const struct want_config *c = &p->w->configs[i];
		struct unit_plan *u = unit_row(p, at, c->target, c->host);

		if (u->n_configs++ == 0) {
			u->first_config = (uint32_t)i;
		}
	}
}

static enum err_code allocate(struct planner *p, struct err *err)
{
	const struct desired *d = p->in->desired;

	for (size_t i = 0; i < d->n_targets; i++) {
		p->n_units += d->targets[i]->n_hosts;
	}
	p->ids = ARENA_ARRAY(p->a, struct id_plan, d->n_identities + 1);
	p->issuers = ARENA_ARRAY(p->a, struct issuer_plan, d->n_issuers + 1);
	p->stores = ARENA_ARRAY(p->a, struct store_plan, p->w->n_stores + 1);
	p->units = ARENA_ARRAY(p->a, struct unit_plan, p->n_units + 1);
	p->first_unit = ARENA_ARRAY(p->a, size_t, d->n_targets);
	return arena_failed(p->a) ? err_nomem(err) : ERR_OK;
}

enum err_code planner_rows(struct planner *p, struct err *err)
{
	const struct desired *d = p->in->desired;
	struct cursor at = { 0 };
	enum err_code rc = allocate(p, err);

	if (rc != ERR_OK) {
		return rc;
	}
	unit_rows(p);
	for (size_t i = 0; i < d->n_identities; i++) {
		identity_row(p, &at, i);
	}
	for (size_t i = 0; i < d->n_issuers; i++) {
		p->issuers[i].def = d->issuers[i];
		p->issuers[i].mem = memory_issuer(p->in->memory, d->issuers[i]->o.name);
	}
	for (size_t i = 0; i < p->w->n_stores; i++) {
		store_row(p, &at, i);
	}
	for (size_t i = p->w->n_endpoints; i > 0; i--) {
		endpoint_row(p, &at, &p->w->endpoints[i - 1]);
	}
	config_rows(p, &at);
	select_identities(p);
	return arena_failed(p->a) ? err_nomem(err) : ERR_OK;
}
