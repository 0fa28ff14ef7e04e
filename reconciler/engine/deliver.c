/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * deliver.c - one host's change as a whole: what was there is kept in memory until the proof is in,
 * and put back when it is not.
 *
 * Putting back writes files and activates again; it never brings back an identity that is revoked
 * or expired, because a service that is down is better than one that lies.
 */
#include <stdlib.h>

#include "reconciler/base/str.h"
#include "reconciler/engine/configure.h"
#include "reconciler/engine/link.h"
#include "reconciler/engine/run.h"

struct write {
	size_t action;
	const struct want_store *store;
	struct image before, after;
	struct slot_write *slots;
	size_t n_slots;
	bool done;
};

struct work {
	struct run *run;
	const struct unit *unit;
	struct transport *transport;
	struct write *writes;
	size_t n_writes;
	struct config_change *configs;
	size_t n_configs;
	bool activated;
	const struct action *failed; /* the write that failed; NULL: none, or the host as a whole */
};

static void work_release(struct work *w)
{
	for (size_t i = 0; i < w->n_writes; i++) {
		image_release(&w->writes[i].before);
		image_release(&w->writes[i].after);
	}
	for (size_t i = 0; i < w->n_configs; i++) {
		config_change_release(&w->configs[i]);
	}
	free(w->writes);
	free(w->configs);
}

static bool action_writes(const struct action *a)
{
	return a->kind == ACTION_PUSH || a->kind == ACTION_TRUST_ADD ||
	       a->kind == ACTION_TRUST_DROP || a->kind == ACTION_RETIRE;
}

static const struct action *unit_action(const struct work *w, size_t i)
{
	return &w->run->plan->actions[w->unit->actions[i]];
}

static bool unit_has(const struct work *w, enum action_kind kind)
{
	for (size_t i = 0; i < w->unit->n; i++) {
		if (unit_action(w, i)->kind == kind) {
			return true;
		}
	}
	return false;
}

static bool unit_writes(const struct work *w)
{
	for (size_t i = 0; i < w->unit->n; i++) {
		const struct action *a = unit_action(w, i);
		if (action_writes(a) || a->kind == ACTION_CONFIGURE) {
			return true;
		}
	}
	return false;
}

static const struct passwords *passwords_of(const struct pass *p, const struct want_store *s)
{
	return &p->passwords[s - p->wants->stores];
}

static bool as_planned(const struct image *now, const struct action *a)
{
	if (a->expect_sha256 == NULL) {
		return image_is_empty(now);
	}
	return !image_is_empty(now) && memcmp(now->sha256, a->expect_sha256, SHA256_BYTES) == 0;
}

static enum err_code write_store(struct work *w, const struct action *a, struct write *x,
                                 struct err *err)
{
	struct run *r = w->run;
	const struct keystore_ops *ops = registry_keystore(r->engine->registry, a->store->format);
	struct compose c = {
		.engine = r->engine,
		.pass = r->pass,
		.transport = w->transport,
		.store = a->store,
		.ops = ops,
		.passwords = passwords_of(r->pass, a->store),
		.action = a,
		.fresh = r->fresh,
		.n_fresh = r->n_fresh,
		.start_anew = r->how.replace_unreadable,
	};

	struct image_swap swap = { .engine = r->engine,
		                   .transport = w->transport,
		                   .store = a->store,
		                   .now = &x->before,
		                   .next = &x->after,
		                   .backup = true };

	x->store = a->store;
	image_owner(&swap, r->pass->memory);
	if (ops == NULL) {
		return err_set(err, ERR_INVALID, "no such keystore format: %s", a->store->format);
	}
	enum err_code rc = authority_local_write(r->engine->authority, a->store->path, err);
	if (rc == ERR_OK) {
		rc = image_read(w->transport, ops, a->store->path, &x->before, err);
	}
	if (rc == ERR_OK && !as_planned(&x->before, a)) {
		return err_set(err, ERR_CONFLICT, "%s changed since it was looked at",
		               a->store->path);
	}
	if (rc == ERR_OK) {
		rc = image_compose(&c, &x->before, &x->after, &x->slots, &x->n_slots, err);
	}
	if (rc == ERR_OK) {
		rc = image_write(&swap, err);
	}
	/* A part may have been replaced before another failed: then all is put back. */
	x->done = rc == ERR_OK || x->after.n > 1;
	if (rc == ERR_OK) {
		struct store_write note = { .target = a->store->target->o.name,
			                    .host = a->store->host->name,
			                    .path = a->store->path,
			                    .owner = swap.owner,
			                    .group = swap.group,
			                    .slots = x->slots,
			                    .n_slots = x->n_slots };
		memcpy(note.sha256, x->after.sha256, SHA256_BYTES);
		rc = store_written(r->engine->store, &note, err);
	}
	return rc;
}

static enum err_code write_all(struct work *w, struct err *err)
{
	for (size_t i = 0; i < w->unit->n; i++) {
		const struct action *a = unit_action(w, i);
		enum err_code rc = ERR_OK;

		if (action_writes(a)) {
			struct write *x = &w->writes[w->n_writes++];
			x->action = w->unit->actions[i];
			rc = write_store(w, a, x, err);
		} else if (a->kind == ACTION_CONFIGURE) {
			rc = config_change_do(w->run->engine, w->run->pass, a->config, w->transport,
			                      &w->configs[w->n_configs++], err);
		}
		if (rc != ERR_OK) {
			w->failed = a;
			return err_wrap(err, "Target %s@%s", w->unit->target->o.name,
			                w->unit->host->name);
		}
	}
	return ERR_OK;
}

static bool entry_changed(const struct work *w, const char *alias)
{
	for (size_t i = 0; i < w->unit->n; i++) {
		const struct action *a = unit_action(w, i);
		for (size_t k = 0; k < a->n_entries; k++) {
			if (a->entries[k].op != ENTRY_KEEP &&
			    str_equal(a->entries[k].alias, alias)) {
				return true;
			}
		}
	}
	return false;
}

/* `when` chooses by what this unit changed; an activation without any change (NotReloaded) runs
 * every step. */
static bool step_applies(const struct work *w, const struct activate_spec *s)
{
	if (!unit_writes(w) || (s->when_entries.n == 0 && !s->when_configured)) {
		return true;
	}
	if (s->when_configured && w->n_configs > 0) {
		return true;
	}
	for (size_t i = 0; i < s->when_entries.n; i++) {
		if (entry_changed(w, s->when_entries.v[i].s)) {
			return true;
		}
	}
	return false;
}

enum phase { PHASE_BEFORE, PHASE_CHECK, PHASE_AFTER };

static enum err_code run_phase(struct work *w, enum phase phase, struct err *err)
{
	const struct target *t = w->unit->target;

	for (size_t i = 0; i < t->shared->n_activate; i++) {
		const struct activate_spec *s = &t->shared->activate[i];
		if (!step_applies(w, s)) {
			continue;
		}
		const struct command_spec *v = phase == PHASE_BEFORE  ? s->before
		                               : phase == PHASE_CHECK ? s->check
		                                                      : s->after;
		size_t n = phase == PHASE_BEFORE  ? s->n_before
		           : phase == PHASE_CHECK ? s->n_check
		                                  : s->n_after;
		enum err_code rc = run_commands(w->run, w->unit, v, n, s->timeout_s, err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return ERR_OK;
}

static enum err_code note_activation(struct work *w, bool success, struct err *err)
{
	struct pass *p = w->run->pass;

	for (size_t i = 0; i < p->wants->n_stores; i++) {
		const struct want_store *s = &p->wants->stores[i];
		const struct obs_store *o = observed_store(p->observed, s->key);
		const uint8_t *sha256 = o == NULL ? NULL : digest_or_zeroes(o->sha256);

		if (s->target != w->unit->target || s->host != w->unit->host) {
			continue;
		}
		for (size_t k = 0; k < w->n_writes; k++) {
			if (w->writes[k].store == s && w->writes[k].done) {
				sha256 = w->writes[k].after.sha256;
			}
		}
		if (sha256 == NULL) {
			continue;
		}
		enum err_code rc =
			store_activated(w->run->engine->store, s->key, sha256, success, err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return ERR_OK;
}

/* What was written just now has been activated once: there is nothing to count anew. */
static enum err_code note_proof(struct work *w, struct err *err)
{
	const struct pass *p = w->run->pass;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < p->wants->n_stores; i++) {
		const struct want_store *s = &p->wants->stores[i];
		const struct store_memory *sm = memory_store(p->memory, s->key);
		if (s->target == w->unit->target && s->host == w->unit->host && sm != NULL &&
		    sm->activations > 0) {
			rc = store_activation_proved(w->run->engine->store, s->key, err);
		}
	}
	return rc;
}

static enum err_code do_unit(struct work *w, struct err *err)
{
	bool activates = unit_has(w, ACTION_ACTIVATE);
	enum err_code rc = activates ? run_phase(w, PHASE_BEFORE, err) : ERR_OK;

	w->activated = activates;
	if (rc == ERR_OK) {
		rc = write_all(w, err);
	}
	if (rc == ERR_OK && activates) {
		rc = run_phase(w, PHASE_CHECK, err);
	}
	if (rc == ERR_OK && activates) {
		rc = run_phase(w, PHASE_AFTER, err);
	}
	if (rc == ERR_OK && activates) {
		rc = note_activation(w, /* success= */ true, err);
	}
	bool proven = true;
	if (rc == ERR_OK && (activates || unit_has(w, ACTION_VERIFY))) {
		rc = verify_host(w->run, w->unit, &proven, err);
	}
	if (rc == ERR_OK && activates && proven) {
		rc = note_proof(w, err);
	}
	return rc;
}

/* May what stood there before come back? */
static bool may_return(struct work *w, const struct write *x)
{
	const struct obs_store *o = observed_store(w->run->pass->observed, x->store->key);
	const struct clock *clock = w->run->engine->clock;

	for (size_t i = 0; o != NULL && i < o->n_entries; i++) {
		const struct obs_entry *e = &o->entries[i];
		if (e->kind != KS_KEY || e->chain.n == 0) {
			continue;
		}
		if (e->chain.v[0]->not_after.s <= clock->wall(clock).s) {
			return false;
		}
		for (size_t k = 0; k < w->run->pass->memory->n_identities; k++) {
			const struct identity_memory *im = &w->run->pass->memory->identities[k];
			for (size_t n = 0; n < im->n_revisions; n++) {
				const struct held *h = &im->revisions[n];
				if ((h->revoked || h->compromised) &&
				    h->chain.v[0] == e->chain.v[0]) {
					return false;
				}
			}
		}
	}
	return true;
}

static enum err_code put_back_store(struct work *w, struct write *x, struct err *err)
{
	struct image now = { 0 };
	const struct keystore_ops *ops =
		registry_keystore(w->run->engine->registry, x->store->format);
	struct transport *t = w->transport;

	enum err_code rc = image_read(t, ops, x->store->path, &now, err);
	if (rc == ERR_OK && image_is_empty(&x->before)) {
		for (size_t i = 0; rc == ERR_OK && i < now.n; i++) {
			rc = t->ops->remove(t, now.paths[i], err);
		}
	} else if (rc == ERR_OK) {
		for (size_t i = 0; i < x->before.n; i++) {
			x->before.private_part[i] = x->after.private_part[i];
		}
		struct image_swap swap = { .engine = w->run->engine,
			                   .transport = t,
			                   .store = x->store,
			                   .now = &now,
			                   .next = &x->before };
		image_owner(&swap, w->run->pass->memory);
		rc = image_write(&swap, err);
	}
	image_release(&now);
	return rc;
}

static void put_back(struct work *w)
{
	struct err why = { 0 };
	bool any = false;

	for (size_t i = w->n_writes; i > 0; i--) {
		struct write *x = &w->writes[i - 1];
		if (x->done && may_return(w, x) && put_back_store(w, x, &why) == ERR_OK) {
			any = true;
		}
		err_clear(&why);
	}
	for (size_t i = w->n_configs; i > 0; i--) {
		if (config_change_undo(&w->configs[i - 1], w->transport, &why) == ERR_OK) {
			any = true;
		}
		err_clear(&why);
	}
	if (any && w->activated && run_phase(w, PHASE_AFTER, &why) != ERR_OK) {
		err_clear(&why);
	}
}

/* What is left alone, or put back, for somebody else's failure has not failed itself: it is tried
 * again as soon as the other one is held off. */
static void aside(const struct work *w, struct err *ret)
{
	const struct action *f = w->failed;

	(void)err_set(ret, ERR_CONFLICT, "left as it was: %s on the same host failed",
	              f->path == NULL ? "a change" : f->path);
}

static enum err_code finish_action(struct work *w, size_t i, const struct err *why, struct err *err)
{
	const struct action *a = unit_action(w, i);
	bool own = w->failed == NULL || w->failed == a;
	bool moved = why->code == ERR_CONFLICT;
	struct err other = { 0 };

	if (!own) {
		aside(w, &other);
		w->run->result->moved = true;
	}
	enum err_code rc = run_end(w->run, w->unit->actions[i],
	                           why->code == ERR_OK ? NULL
	                           : own               ? why
	                                               : &other,
	                           err);
	if (rc != ERR_OK || a->store == NULL || moved || !own) {
		return rc;
	}
	const struct store_memory *sm = memory_store(w->run->pass->memory, a->store->key);
	const char *what = arena_printf(&w->run->pass->arena, "push:%s", a->store->key);
	return what == NULL ? err_nomem(err)
	       : why->code == ERR_OK
	               ? store_succeeded(w->run->engine->store, what, err)
	               : run_failed(w->run, what, sm == NULL ? NULL : sm->push, a, why, err);
}

/* The one that failed comes first: it is what the operator is told. */
static enum err_code finish(struct work *w, const struct err *why, struct err *err)
{
	for (int first = 1; first >= 0; first--) {
		for (size_t i = 0; i < w->unit->n; i++) {
			if ((unit_action(w, i) == w->failed) != (first == 1)) {
				continue;
			}
			enum err_code rc = finish_action(w, i, why, err);
			if (rc != ERR_OK) {
				return rc;
			}
		}
	}
	w->run->result->moved |= why->code == ERR_CONFLICT;
	return ERR_OK;
}

enum err_code deliver(struct run *r, const struct unit *u, struct err *err)
{
	CLEANUP(work_release) struct work w = { .run = r, .unit = u };
	struct err why = { 0 };

	w.writes = calloc(u->n, sizeof(*w.writes));
	w.configs = calloc(u->n, sizeof(*w.configs));
	if (w.writes == NULL || w.configs == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < u->n; i++) {
		enum err_code rc = run_begin(r, u->actions[i], err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	enum err_code rc = link_to(r->engine, r->pass, u->target, u->host, &w.transport, &why);
	if (rc == ERR_OK) {
		rc = do_unit(&w, &why);
	}
	if (rc != ERR_OK && u->target->shared->rollout.on_failure == FAIL_ROLLBACK) {
		put_back(&w);
	}
	for (size_t i = 0; rc == ERR_OK && i < w.n_writes; i++) {
		backups_sweep_store(r->engine, w.transport, w.writes[i].store);
	}
	return finish(&w, &why, err);
}
