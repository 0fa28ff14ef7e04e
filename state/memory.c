/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.c - finding things in a memory.
 *
 * The arrays are sorted as they come from the store, so looking is a binary search: maps over a
 * fleet would be larger than half of the rows themselves.
 */
#include "state/memory.h"

#include <stdlib.h>
#include <string.h>

static int by_identity(const void *a, const void *b)
{
	return strcmp(((const struct identity_memory *)a)->name,
	              ((const struct identity_memory *)b)->name);
}

static int by_store(const void *a, const void *b)
{
	return strcmp(((const struct store_memory *)a)->key, ((const struct store_memory *)b)->key);
}

static int by_issuer(const void *a, const void *b)
{
	return strcmp(((const struct issuer_memory *)a)->name,
	              ((const struct issuer_memory *)b)->name);
}

static int by_imported(const void *a, const void *b)
{
	return strcmp(((const struct imported_memory *)a)->name,
	              ((const struct imported_memory *)b)->name);
}

static int by_slot(const void *a, const void *b)
{
	const struct slot_memory *x = a;
	const struct slot_memory *y = b;
	int c = x->store_key == y->store_key ? 0 : strcmp(x->store_key, y->store_key);

	return c != 0 ? c : strcmp(x->alias, y->alias);
}

static const void *find(const void *key, const void *rows, size_t n, size_t size,
                        int (*compare)(const void *, const void *))
{
	return n == 0 ? NULL : bsearch(key, rows, n, size, compare);
}

const struct identity_memory *memory_identity(const struct memory *m, const char *name)
{
	const struct identity_memory key = { .name = name };

	return find(&key, m->identities, m->n_identities, sizeof(key), by_identity);
}

const struct store_memory *memory_store(const struct memory *m, const char *key)
{
	const struct store_memory wanted = { .key = key };

	return find(&wanted, m->stores, m->n_stores, sizeof(wanted), by_store);
}

const struct issuer_memory *memory_issuer(const struct memory *m, const char *name)
{
	const struct issuer_memory key = { .name = name };

	return find(&key, m->issuers, m->n_issuers, sizeof(key), by_issuer);
}

const struct imported_memory *memory_imported(const struct memory *m, const char *name)
{
	const struct imported_memory key = { .name = name };

	return find(&key, m->imported, m->n_imported, sizeof(key), by_imported);
}

const struct slot_memory *memory_slot(const struct memory *m, const char *store_key,
                                      const char *folded_alias)
{
	const struct slot_memory key = { .store_key = store_key, .alias = folded_alias };

	return find(&key, m->slots, m->n_slots, sizeof(key), by_slot);
}

enum err_code memory_empty(struct arena *arena, struct seen_certs *certs, struct memory **ret,
                           struct err *err)
{
	struct memory *m = ARENA_NEW(arena, struct memory);

	if (m == NULL) {
		return err_nomem(err);
	}
	m->arena = arena;
	m->certs = certs;
	m->state_id = "";
	*ret = m;
	return ERR_OK;
}

/* What is const for readers is not yet for who puts it together. */
static void sort(const void *rows, size_t n, size_t size,
                 int (*compare)(const void *, const void *))
{
	const char *v = rows;

	for (size_t i = 1; i < n; i++) {
		if (compare(v + (i - 1) * size, v + i * size) > 0) {
			qsort((void *)(uintptr_t)rows, n, size, compare);
			return;
		}
	}
}

void memory_release(struct memory *m)
{
	(void)m;
}

enum err_code memory_index(struct memory *m, struct err *err)
{
	(void)err;
	sort(m->identities, m->n_identities, sizeof(*m->identities), by_identity);
	sort(m->stores, m->n_stores, sizeof(*m->stores), by_store);
	sort(m->issuers, m->n_issuers, sizeof(*m->issuers), by_issuer);
	sort(m->imported, m->n_imported, sizeof(*m->imported), by_imported);
	sort(m->slots, m->n_slots, sizeof(*m->slots), by_slot);
	return ERR_OK;
}

const struct source_memory *memory_source(const struct memory *m, const char *name)
{
	for (size_t i = 0; i < m->n_sources; i++) {
		if (strcmp(m->sources[i].name, name) == 0) {
			return &m->sources[i];
		}
	}
	return NULL;
}
