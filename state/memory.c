/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.c - finding things in a memory.
 *
 * A slot's map key is "STORE#ALIAS", and a path may hold '#': a find is compared with what was
 * asked for, and what it does not settle is looked for in the sorted array.
 */
#include "state/memory.h"

#include <stdio.h>
#include <string.h>

#define SLOT_KEY_MAX 512 /* longer ones are found in the sorted array */

/* Maps hold void *; what they hand out is const again. */
static void *unconst(const void *p)
{
	return (void *)(uintptr_t)p;
}

const struct identity_memory *memory_identity(const struct memory *m, const char *name)
{
	return map_get_str(&m->identity_by_name, name);
}

const struct store_memory *memory_store(const struct memory *m, const char *key)
{
	return map_get_str(&m->store_by_key, key);
}

const struct issuer_memory *memory_issuer(const struct memory *m, const char *name)
{
	return map_get_str(&m->issuer_by_name, name);
}

static int compare_slot(const struct slot_memory *s, const char *store_key, const char *alias)
{
	int c = strcmp(s->store_key, store_key);

	return c != 0 ? c : strcmp(s->alias, alias);
}

static const struct slot_memory *search_slot(const struct memory *m, const char *store_key,
                                             const char *alias)
{
	size_t from = 0;
	size_t to = m->n_slots;

	while (from < to) {
		size_t mid = from + (to - from) / 2;
		int c = compare_slot(&m->slots[mid], store_key, alias);
		if (c == 0) {
			return &m->slots[mid];
		}
		if (c < 0) {
			from = mid + 1;
		} else {
			to = mid;
		}
	}
	return NULL;
}

const struct slot_memory *memory_slot(const struct memory *m, const char *store_key,
                                      const char *folded_alias)
{
	char key[SLOT_KEY_MAX];
	int n = snprintf(key, sizeof(key), "%s#%s", store_key, folded_alias);
	const struct slot_memory *s;

	if (n >= 0 && n < SLOT_KEY_MAX) {
		s = map_get_str(&m->slot_by_key, key);
		if (s == NULL || compare_slot(s, store_key, folded_alias) == 0) {
			return s;
		}
	}
	return search_slot(m, store_key, folded_alias);
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

static bool index_slots(struct memory *m)
{
	for (size_t i = 0; i < m->n_slots; i++) {
		const struct slot_memory *s = &m->slots[i];
		const char *key = arena_printf(m->arena, "%s#%s", s->store_key, s->alias);
		if (key == NULL ||
		    map_put_str(&m->slot_by_key, key, unconst(s), /* ret_old= */ NULL) < 0) {
			return false;
		}
	}
	return true;
}

static bool index_rows(struct memory *m)
{
	for (size_t i = 0; i < m->n_identities; i++) {
		if (map_put_str(&m->identity_by_name, m->identities[i].name,
		                unconst(&m->identities[i]), /* ret_old= */ NULL) < 0) {
			return false;
		}
	}
	for (size_t i = 0; i < m->n_stores; i++) {
		if (map_put_str(&m->store_by_key, m->stores[i].key, unconst(&m->stores[i]),
		                /* ret_old= */ NULL) < 0) {
			return false;
		}
	}
	for (size_t i = 0; i < m->n_issuers; i++) {
		if (map_put_str(&m->issuer_by_name, m->issuers[i].name, unconst(&m->issuers[i]),
		                /* ret_old= */ NULL) < 0) {
			return false;
		}
	}
	return index_slots(m);
}

void memory_release(struct memory *m)
{
	if (m != NULL) {
		map_release(&m->identity_by_name);
		map_release(&m->store_by_key);
		map_release(&m->slot_by_key);
		map_release(&m->issuer_by_name);
	}
}

enum err_code memory_index(struct memory *m, struct err *err)
{
	memory_release(m);
	map_init(&m->identity_by_name);
	map_init(&m->store_by_key);
	map_init(&m->slot_by_key);
	map_init(&m->issuer_by_name);
	return index_rows(m) ? ERR_OK : err_nomem(err);
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
