/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard.c - presenter by verifier, before and after.
 */
#include "tests/unit/engine/guard.h"

#include <stdio.h>

#include "reconciler/base/str.h"

/* The store shall trust this identity: by its pin, or by the anchors of its issuer. */
static bool verifies(const struct want_store *v, const struct identity *id)
{
	for (size_t i = 0; i < v->n_entries; i++) {
		const struct want_entry *e = &v->entries[i];

		if (e->source == ENTRY_CERTIFICATE || e->leaving) {
			continue;
		}
		if (e->identity == id ||
		    (e->issuer != NULL && id->def->shared->issuers.n > 0 &&
		     str_equal(e->issuer->o.name, id->def->shared->issuers.v[0].s))) {
			return true;
		}
	}
	return false;
}

static const struct w_entry *presented_by(const struct w_store *s, const char *alias)
{
	for (size_t i = 0; i < s->loaded.n; i++) {
		if (str_equal(s->loaded.v[i].alias, alias) && s->loaded.v[i].kind == KS_KEY) {
			return &s->loaded.v[i];
		}
	}
	return NULL;
}

static size_t count_slots(const struct wants *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->n_stores; i++) {
		for (size_t k = 0; k < w->stores[i].n_entries; k++) {
			n += w->stores[i].entries[k].source == ENTRY_CERTIFICATE ? 1 : 0;
		}
	}
	return n;
}

static void look_at(struct guard *g, struct world *w, const struct w_store *s,
                    const struct want_entry *e, bool *row, const char *what)
{
	const struct w_entry *leaf = presented_by(s, e->folded);

	for (size_t v = 0; v < w->wants->n_stores; v++) {
		const struct want_store *vs = &w->wants->stores[v];
		bool now = false;

		if (leaf != NULL && e->identity != NULL && verifies(vs, e->identity)) {
			now = world_accepts(w, world_store(w, vs->key), leaf);
		}
		if (row[v] && !now && leaf != NULL && what != NULL && g->broken[0] == '\0') {
			(void)snprintf(g->broken, sizeof(g->broken),
			               "after %s, %s rejects %s of %s", what, vs->key, e->alias,
			               s->key);
		}
		g->pairs += now && !row[v] ? 1 : 0;
		row[v] = now;
	}
}

static void look(struct guard *g, struct world *w, const char *what)
{
	size_t slot = 0;

	for (size_t i = 0; i < w->wants->n_stores; i++) {
		const struct want_store *ws = &w->wants->stores[i];
		const struct w_store *s = world_store(w, ws->key);

		for (size_t k = 0; k < ws->n_entries; k++) {
			if (ws->entries[k].source != ENTRY_CERTIFICATE) {
				continue;
			}
			look_at(g, w, s, &ws->entries[k], &g->accepted[slot * g->n_stores], what);
			slot++;
		}
	}
}

void guard_begin(struct guard *g, struct world *w)
{
	g->n_stores = w->wants->n_stores;
	g->n_slots = count_slots(w->wants);
	g->accepted = ARENA_ARRAY(&w->arena, bool, g->n_slots * g->n_stores + 1);
	look(g, w, /* what= */ NULL);
}

void guard_after(struct world *w, const struct action *a)
{
	look(w->context, w, a->id);
}
