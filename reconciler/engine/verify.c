/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verify.c - an exit status proves nothing: a restarted Tomcat lives on with its connector dead.
 * Only a completed handshake that shows the certificate just delivered counts.
 */
#include "reconciler/base/str.h"
#include "reconciler/engine/looking.h"
#include "reconciler/engine/run.h"

#define LOOK_INTERVAL_MS 250

/* While nginx reloads, workers old and new answer side by side: one good look proves nothing about
 * the next. */
#define LOOKS_IN_A_ROW 3
#define LOOK_AGAIN_MS  100

static const uint8_t *revision_leaf(struct run *r, const struct entry_change *ch)
{
	const struct identity_memory *im =
		memory_identity(r->pass->memory, ch->want->identity->name);

	for (size_t i = 0; i < r->n_fresh; i++) {
		if (r->fresh[i].identity == ch->want->identity &&
		    (ch->revision == 0 || ch->revision == r->fresh[i].revision)) {
			return r->fresh[i].chain.v[0]->sha256;
		}
	}
	for (size_t i = 0; im != NULL && i < im->n_revisions; i++) {
		if (ch->revision == 0 || ch->revision == im->revisions[i].revision) {
			return im->revisions[i].chain.v[0]->sha256;
		}
	}
	return NULL;
}

static const uint8_t *stored_leaf(const struct pass *p, const struct want_store *s,
                                  const struct identity *id)
{
	const struct obs_store *o = observed_store(p->observed, s->key);

	for (size_t i = 0; o != NULL && i < s->n_entries; i++) {
		const struct want_entry *w = &s->entries[i];
		if (w->source != ENTRY_CERTIFICATE || w->identity != id) {
			continue;
		}
		for (size_t k = 0; k < o->n_entries; k++) {
			const struct obs_entry *e = &o->entries[k];
			if (e->kind == KS_KEY && e->chain.n > 0 &&
			    (!s->has_aliases || str_equal(e->folded, w->folded))) {
				return e->chain.v[0]->sha256;
			}
		}
	}
	return NULL;
}

/* Nothing was put there: an activation must bring what lies there already. */
static const uint8_t *leaf_there(struct run *r, const struct unit *u, const struct identity *id)
{
	const struct wants *w = r->pass->wants;

	for (size_t i = 0; id != NULL && i < w->n_stores; i++) {
		const struct want_store *s = &w->stores[i];
		const uint8_t *leaf = s->target == u->target && s->host == u->host
		                              ? stored_leaf(r->pass, s, id)
		                              : NULL;
		if (leaf != NULL) {
			return leaf;
		}
	}
	return NULL;
}

/* The leaf this endpoint must show after the unit: what an action of it put, or keeps, in a key
 * entry of its identity. */
static const uint8_t *expected_leaf(struct run *r, const struct unit *u,
                                    const struct want_endpoint *w)
{
	for (size_t i = 0; i < u->n; i++) {
		const struct action *a = &r->plan->actions[u->actions[i]];
		for (size_t k = 0; k < a->n_entries; k++) {
			const struct entry_change *ch = &a->entries[k];
			if (ch->want == NULL || ch->op == ENTRY_REMOVE ||
			    ch->want->source != ENTRY_CERTIFICATE ||
			    ch->want->identity != w->identity) {
				continue;
			}
			return ch->op == ENTRY_KEEP && ch->to == NULL && ch->from != NULL
			               ? ch->from->sha256
			               : revision_leaf(r, ch);
		}
	}
	return leaf_there(r, u, w->identity);
}

static bool shows(const struct obs_endpoint *o, const uint8_t *leaf)
{
	return o->status == ENDPOINT_OK && o->proof == PROOF_POSSESSION && o->served.n > 0 &&
	       memcmp(o->served.v[0]->sha256, leaf, SHA256_BYTES) == 0;
}

static enum err_code mismatch(const struct want_endpoint *w, const struct obs_endpoint *o,
                              const uint8_t *leaf, struct err *err)
{
	char want[16];
	char got[16];

	fingerprint_short(leaf, want);
	if (o->status != ENDPOINT_OK || o->served.n == 0) {
		return err_set(err, ERR_VERIFY, "%s:%d does not present %s after activation: %s",
		               w->host, w->port, want,
		               o->error != NULL ? o->error : endpoint_status_name(o->status));
	}
	fingerprint_short(o->served.v[0]->sha256, got);
	if (o->proof != PROOF_POSSESSION) {
		return err_set(err, ERR_VERIFY, "%s:%d did not prove its key after activation: %s",
		               w->host, w->port, o->error != NULL ? o->error : "handshake cut");
	}
	return err_set(err, ERR_VERIFY, "%s:%d still presents %s after activation, wanted %s",
	               w->host, w->port, got, want);
}

/* What could not be seen before proves nothing when it cannot be seen now: a service that was down
 * is not brought back by taking its new certificate away. */
static bool was_up(struct run *r, const struct want_endpoint *w)
{
	const struct obs_endpoint *o = observed_endpoint(r->pass->observed, w->key);

	return o != NULL && o->status == ENDPOINT_OK;
}

static enum err_code verify_endpoint(struct run *r, const struct unit *u,
                                     const struct want_endpoint *w, bool *ret_proven,
                                     struct err *err)
{
	const struct clock *clock = r->engine->clock;
	const uint8_t *leaf = expected_leaf(r, u, w);
	int64_t deadline = clock->mono(clock).ms + w->spec->shared->grace_s * 1000;
	struct obs_endpoint seen = { 0 };
	unsigned proven = 0;

	if (leaf == NULL) {
		return ERR_OK;
	}
	for (;;) {
		enum err_code rc = look_again(r->engine, r->pass, w, &seen, err);
		if (rc != ERR_OK) {
			return rc;
		}
		proven = shows(&seen, leaf) ? proven + 1 : 0;
		if (proven == LOOKS_IN_A_ROW || (proven > 0 && r->engine->pause_ms == NULL)) {
			return ERR_OK;
		}
		if (proven > 0) {
			r->engine->pause_ms(r->engine, LOOK_AGAIN_MS);
			continue;
		}
		/* Not looked at: looking longer helps nobody. */
		if (seen.status == ENDPOINT_NONE || clock->mono(clock).ms >= deadline ||
		    r->engine->pause_ms == NULL) {
			break;
		}
		r->engine->pause_ms(r->engine, LOOK_INTERVAL_MS);
	}
	if (!was_up(r, w) && seen.status != ENDPOINT_OK) {
		*ret_proven = false;
		return ERR_OK;
	}
	return mismatch(w, &seen, leaf, err);
}

enum err_code verify_host(struct run *r, const struct unit *u, bool *ret_proven, struct err *err)
{
	const struct wants *w = r->pass->wants;
	bool proven = true;

	for (size_t i = 0; i < w->n_endpoints; i++) {
		const struct want_endpoint *ep = &w->endpoints[i];
		if (ep->target != u->target || ep->target_host != u->host) {
			continue;
		}
		enum err_code rc = verify_endpoint(r, u, ep, &proven, err);
		if (rc != ERR_OK) {
			return err_wrap(err, "Target %s@%s", u->target->o.name, u->host->name);
		}
	}
	for (size_t i = 0; i < u->target->n_verify; i++) {
		const struct verify_spec *v = &u->target->verify[i];
		enum err_code rc = v->kind == VERIFY_COMMAND
		                           ? run_commands(r, u, v->command, 1, 60, err)
		                   : v->kind == VERIFY_HTTP ? verify_http(r, u, v, err)
		                                            : ERR_OK;
		if (rc != ERR_OK) {
			return rc;
		}
	}
	*ret_proven = proven;
	return ERR_OK;
}
