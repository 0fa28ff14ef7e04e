/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_aliases.c - one pass over the store for the first question, none for those that follow.
 *
 * What is known stays known after a new entry at the end and one in the place of another. An edit
 * may move others, too (a key of PKCS#12 makes certificates its chain): every place is looked at
 * before it is told, and what does not stand there any more is looked for.
 */
#include "reconciler/cli/store_aliases.h"

#include "reconciler/base/str.h"
#include "reconciler/cli/store_file.h"

void store_aliases_init(struct store_aliases *x, const struct keystore *ks)
{
	*x = (struct store_aliases){ .ks = ks };
	arena_init(&x->arena);
	map_init(&x->at);
}

static void forget(struct store_aliases *x)
{
	map_release(&x->at);
	map_init(&x->at);
	arena_release(&x->arena);
	arena_init(&x->arena);
	x->known = false;
}

void store_aliases_release(struct store_aliases *x)
{
	map_release(&x->at);
	arena_release(&x->arena);
}

/* Of several with one alias the last, because it comes later. */
static bool note(struct store_aliases *x, size_t i)
{
	struct keystore_entry e = { .alias = NULL };
	void *old = NULL;

	x->ks->ops->entry(x->ks, i, &e);
	if (e.folded[0] == '\0') {
		return true;
	}
	const char *folded = arena_str(&x->arena, e.folded);
	if (folded == NULL || map_put_str(&x->at, folded, (void *)(uintptr_t)(i + 1), &old) < 0) {
		return false;
	}
	x->unique = x->unique && old == NULL;
	return true;
}

static bool look(struct store_aliases *x)
{
	forget(x);
	x->n = x->ks->ops->count(x->ks);
	x->unique = true;
	x->known = map_reserve(&x->at, x->n) == 0;
	for (size_t i = 0; x->known && i < x->n; i++) {
		x->known = note(x, i);
	}
	return x->known;
}

static bool stands_at(const struct keystore *ks, size_t i, const char *folded)
{
	struct keystore_entry e = { .alias = NULL };

	if (i >= ks->ops->count(ks)) {
		return false;
	}
	ks->ops->entry(ks, i, &e);
	return str_equal(e.folded, folded);
}

bool store_aliases_find(struct store_aliases *x, const char *alias, size_t *ret)
{
	CLEANUP(cleanup_free) char *folded = alias_fold(alias);

	if (folded == NULL || folded[0] == '\0' || (!x->known && !look(x))) {
		return store_find_alias(x->ks, alias, ret);
	}
	size_t place = (size_t)(uintptr_t)map_get_str(&x->at, folded);
	if (place == 0) {
		return false;
	}
	if (!stands_at(x->ks, place - 1, folded)) {
		forget(x);
		return store_find_alias(x->ks, alias, ret);
	}
	*ret = place - 1;
	return true;
}

void store_aliases_set(struct store_aliases *x, const char *alias)
{
	CLEANUP(cleanup_free) char *folded = alias_fold(alias);
	size_t n = x->ks->ops->count(x->ks);

	if (!x->known || folded == NULL || !x->unique) {
		x->known = false;
		return;
	}
	size_t place = (size_t)(uintptr_t)map_get_str(&x->at, folded);
	if (place == 0) {
		x->known = n == x->n + 1 && stands_at(x->ks, n - 1, folded) && note(x, n - 1);
	} else {
		x->known = n == x->n && stands_at(x->ks, place - 1, folded);
	}
	x->n = n;
}
