/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_aliases.h - where the entries of an open store stand, for who asks for thousands of them
 * while he changes it.
 */
#pragma once

#include "providers/keystore.h"
#include "reconciler/base/arena.h"
#include "reconciler/base/map.h"

struct store_aliases {
	const struct keystore *ks; /* borrowed */
	struct arena arena;
	struct map at; /* folded alias to place + 1 */
	size_t n;      /* entries, when they were looked at last */
	bool known;
	bool unique; /* no alias twice */
};
void store_aliases_init(struct store_aliases *x, const struct keystore *ks);
void store_aliases_release(struct store_aliases *x); /* accepts a zeroed one */
/* As store_find_alias(). */
bool store_aliases_find(struct store_aliases *x, const char *alias, size_t *ret);
/* To be said after every edit: one entry was set under that alias. */
void store_aliases_set(struct store_aliases *x, const char *alias);
