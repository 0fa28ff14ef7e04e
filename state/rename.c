/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rename.c - other names in rows that are values already.
 *
 * Rows are const for whoever reads them; here they are still being made.
 */
#include "state/rename.h"

#include <stdio.h>

#include "reconciler/base/str.h"

#define RENAMED_COUNT (RENAMED_SECRET + 1)

struct renaming {
	struct arena *arena;
	struct map by_name[RENAMED_COUNT]; /* per enum renamed: from to to */
	struct map taken[RENAMED_COUNT];   /* ... and every to */
};

static void release(struct renaming *r)
{
	for (size_t i = 0; i < RENAMED_COUNT; i++) {
		map_release(&r->by_name[i]);
		map_release(&r->taken[i]);
	}
}

static enum err_code begin(struct renaming *r, struct arena *arena, const struct rename *v,
                           size_t n, struct err *err)
{
	r->arena = arena;
	for (size_t i = 0; i < RENAMED_COUNT; i++) {
		map_init(&r->by_name[i]);
		map_init(&r->taken[i]);
	}
	for (size_t i = 0; i < n; i++) {
		void *to = (void *)(uintptr_t)v[i].to;
		if (map_put_str(&r->by_name[v[i].what], v[i].from, to, /* ret_old= */ NULL) < 0 ||
		    map_put_str(&r->taken[v[i].what], v[i].to, to, /* ret_old= */ NULL) < 0) {
			return err_nomem(err);
		}
	}
	return ERR_OK;
}

static const char *named(const struct renaming *r, enum renamed what, const char *name)
{
	const char *to = name == NULL ? NULL : map_get_str(&r->by_name[what], name);

	return to == NULL ? name : to;
}

/* "old@rest" becomes "new@rest": keys of stores, edits, suspensions. */
static const char *prefixed(struct renaming *r, enum renamed what, const char *key)
{
	const char *at = strchr(key, '@');
	size_t n = at == NULL ? strlen(key) : (size_t)(at - key);
	const char *to = map_get(&r->by_name[what], bytes_of(key, n));

	return to == NULL ? key : arena_printf(r->arena, "%s%s", to, key + n);
}

static void rename_identities(struct renaming *r, struct memory *m)
{
	struct identity_memory *v = (struct identity_memory *)(uintptr_t)m->identities;
	size_t kept = 0;

	for (size_t i = 0; i < m->n_identities; i++) {
		struct identity_memory *im = &v[i];

		/* A wish of the operator under the new name: a row that holds nothing yet. */
		if (map_get_str(&r->taken[RENAMED_IDENTITY], im->name) != NULL) {
			continue;
		}
		for (size_t k = 0; k < im->n_revisions; k++) {
			struct held *h = (struct held *)(uintptr_t)&im->revisions[k];
			h->issuer = named(r, RENAMED_ISSUER, h->issuer);
		}
		im->name = named(r, RENAMED_IDENTITY, im->name);
		v[kept++] = *im;
	}
	m->n_identities = kept;
}

static void rename_issuers(struct renaming *r, struct memory *m)
{
	struct issuer_memory *v = (struct issuer_memory *)(uintptr_t)m->issuers;
	size_t kept = 0;

	for (size_t i = 0; i < m->n_issuers; i++) {
		if (map_get_str(&r->taken[RENAMED_ISSUER], v[i].name) == NULL) {
			v[i].name = named(r, RENAMED_ISSUER, v[i].name);
			v[kept++] = v[i];
		}
	}
	m->n_issuers = kept;
}

static void rename_stores(struct renaming *r, struct memory *m)
{
	struct store_memory *stores = (struct store_memory *)(uintptr_t)m->stores;
	struct slot_memory *slots = (struct slot_memory *)(uintptr_t)m->slots;
	struct anchor_memory *anchors = (struct anchor_memory *)(uintptr_t)m->anchors;

	for (size_t i = 0; i < m->n_stores; i++) {
		stores[i].key = prefixed(r, RENAMED_TARGET, stores[i].key);
		stores[i].target = named(r, RENAMED_TARGET, stores[i].target);
	}
	for (size_t i = 0; i < m->n_slots; i++) {
		slots[i].store_key = prefixed(r, RENAMED_TARGET, slots[i].store_key);
		slots[i].identity = named(r, RENAMED_IDENTITY, slots[i].identity);
	}
	for (size_t i = 0; i < m->n_anchors; i++) {
		anchors[i].store_key = prefixed(r, RENAMED_TARGET, anchors[i].store_key);
	}
}

static void rename_suspensions(struct renaming *r, struct memory *m)
{
	struct suspension *v = (struct suspension *)(uintptr_t)m->suspensions;

	for (size_t i = 0; i < m->n_suspensions; i++) {
		if (str_equal(v[i].kind, "Certificate")) {
			v[i].name = named(r, RENAMED_IDENTITY, v[i].name);
		} else if (str_equal(v[i].kind, "Issuer")) {
			v[i].name = named(r, RENAMED_ISSUER, v[i].name);
		} else if (str_equal(v[i].kind, "Target")) {
			v[i].name = prefixed(r, RENAMED_TARGET, v[i].name);
		}
	}
}

enum err_code memory_rename(struct memory *m, const struct rename *v, size_t n, struct err *err)
{
	CLEANUP(release) struct renaming r;

	enum err_code rc = begin(&r, m->arena, v, n, err);
	if (rc != ERR_OK) {
		return rc;
	}
	rename_identities(&r, m);
	rename_issuers(&r, m);
	rename_stores(&r, m);
	rename_suspensions(&r, m);
	return arena_failed(m->arena) ? err_nomem(err) : memory_index(m, err);
}

enum err_code observed_rename(struct observed *o, const struct rename *v, size_t n, struct err *err)
{
	CLEANUP(release) struct renaming r;
	struct obs_store *stores = (struct obs_store *)(uintptr_t)o->stores;
	struct obs_config *configs = (struct obs_config *)(uintptr_t)o->configs;

	enum err_code rc = begin(&r, o->arena, v, n, err);
	if (rc != ERR_OK) {
		return rc;
	}
	for (size_t i = 0; i < o->n_stores; i++) {
		stores[i].target = named(&r, RENAMED_TARGET, stores[i].target);
	}
	for (size_t i = 0; i < o->n_configs; i++) {
		configs[i].key = prefixed(&r, RENAMED_TARGET, configs[i].key);
	}
	return arena_failed(o->arena) ? err_nomem(err) : observed_index(o, err);
}

/* Not NULL for no rows: then only running out of memory is. */
static void *rows_of(struct arena *a, const void *v, size_t n, size_t size)
{
	return n == 0 ? arena_alloc(a, size) : arena_copy(a, v, n * size);
}

#define COPY_ROWS(a, v, n) ((v) = rows_of((a), (v), (n), sizeof(*(v))))

static enum err_code copy_rows(struct arena *a, struct memory *m, struct observed *o,
                               struct err *err)
{
	struct identity_memory *identities =
		rows_of(a, m->identities, m->n_identities, sizeof(*m->identities));

	for (size_t i = 0; identities != NULL && i < m->n_identities; i++) {
		COPY_ROWS(a, identities[i].revisions, identities[i].n_revisions);
	}
	m->identities = identities;
	COPY_ROWS(a, m->issuers, m->n_issuers);
	COPY_ROWS(a, m->stores, m->n_stores);
	COPY_ROWS(a, m->slots, m->n_slots);
	COPY_ROWS(a, m->anchors, m->n_anchors);
	COPY_ROWS(a, m->suspensions, m->n_suspensions);
	COPY_ROWS(a, o->stores, o->n_stores);
	COPY_ROWS(a, o->configs, o->n_configs);
	m->arena = a;
	o->arena = a;
	return arena_failed(a) ? err_nomem(err) : ERR_OK;
}

enum err_code renames_undone(const struct memory *m, const struct observed *o, struct arena *arena,
                             struct memory *ret_m, struct observed *ret_o, struct err *err)
{
	struct rename *back = ARENA_ARRAY(arena, struct rename, m->n_renames + 1);
	struct memory was = *m;
	struct observed seen = *o;

	if (back == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < m->n_renames; i++) {
		const struct rename *r = &m->renames[i];
		back[i] = (struct rename){ .what = r->what, .from = r->to, .to = r->from };
	}
	was.n_renames = 0;
	enum err_code rc = copy_rows(arena, &was, &seen, err);
	if (rc == ERR_OK) {
		rc = memory_rename(&was, back, m->n_renames, err);
	}
	if (rc == ERR_OK) {
		rc = observed_rename(&seen, back, m->n_renames, err);
	}
	if (rc == ERR_OK) {
		*ret_m = was;
		*ret_o = seen;
	}
	return rc;
}
