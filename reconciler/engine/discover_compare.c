/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * discover_compare.c - two scans of the same ranges, held against each other by endpoint.
 */
#include <string.h>

#include "reconciler/base/map.h"
#include "reconciler/engine/discover.h"

static const char *key_of(struct arena *arena, const struct found *f)
{
	return arena_printf(arena, "%s %d", f->place->host, f->place->port);
}

static bool same_leaf(const struct found *a, const struct found *b)
{
	return memcmp(a->served.v[0]->sha256, b->served.v[0]->sha256, SHA256_BYTES) == 0;
}

/* What serves certificates, by endpoint; one that does so in two protocols counts once. */
static bool index_found(const struct discovery *d, struct arena *arena, struct map *ret)
{
	for (size_t i = 0; i < d->found.n; i++) {
		const struct found *f = &d->found.v[i];
		const char *key = f->status == ENDPOINT_OK ? key_of(arena, f) : "";

		if (key == NULL ||
		    (f->status == ENDPOINT_OK &&
		     map_put_str(ret, key, (void *)(uintptr_t)f, /* ret_old= */ NULL) < 0)) {
			return false;
		}
	}
	return true;
}

static bool list_gone(struct discovery *d, const struct discovery *before, const struct map *now)
{
	const struct found **gone =
		ARENA_ARRAY(d->arena, const struct found *, before->found.n + 1);

	for (size_t i = 0; gone != NULL && i < before->found.n; i++) {
		const struct found *f = &before->found.v[i];
		const char *key = key_of(d->arena, f);

		if (key != NULL && f->status == ENDPOINT_OK && map_get_str(now, key) == NULL) {
			gone[d->n_gone++] = f;
		}
	}
	d->gone = gone;
	return gone != NULL && !arena_failed(d->arena);
}

enum err_code discover_compare(struct discovery *d, const struct discovery *before,
                               struct wall then, struct err *err)
{
	CLEANUP(map_release) struct map old;
	CLEANUP(map_release) struct map now;

	map_init(&old);
	map_init(&now);
	if (!index_found(before, d->arena, &old) || !index_found(d, d->arena, &now)) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < d->found.n; i++) {
		struct found *f = &d->found.v[i];
		const char *key = f->status == ENDPOINT_OK ? key_of(d->arena, f) : NULL;
		const struct found *was = key == NULL ? NULL : map_get_str(&old, key);

		if (key != NULL) {
			f->change = was == NULL         ? FOUND_NEW
			            : same_leaf(f, was) ? FOUND_SAME
			                                : FOUND_CHANGED;
		}
	}
	d->compared = then;
	return list_gone(d, before, &now) ? ERR_OK : err_nomem(err);
}
