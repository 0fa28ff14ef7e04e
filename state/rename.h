/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rename.h - an object that goes on under another name.
 *
 * The same list twice: to a memory and an observation as values, so that a plan is made as if it
 * had been done already, and to the store (store_rename() in store.h), where it is kept.
 */
#pragma once

#include "state/memory.h"

enum renamed {
	RENAMED_ISSUER,
	RENAMED_IDENTITY, /* "web" or an instance, "web@h1" */
	RENAMED_TARGET,
	RENAMED_SECRET, /* a generated one: "keystore/NAME"; in no memory */
};
struct rename {
	enum renamed what;
	const char *from, *to;
};

/* The memory as if these were done; it must not be indexed by anybody yet. No `from` is anybody's
 * `to`; what stands under `to` holds nothing. */
enum err_code memory_rename(struct memory *m, const struct rename *v, size_t n, struct err *err);
/* The same for what was seen: Targets are part of its keys. */
enum err_code observed_rename(struct observed *o, const struct rename *v, size_t n,
                              struct err *err);
/* Copies under the names that the store has, before m->renames: for whoever finds the renames
 * himself, from the desired state of his own. Only what names stand in is copied. */
enum err_code renames_undone(const struct memory *m, const struct observed *o, struct arena *arena,
                             struct memory *ret_m, struct observed *ret_o, struct err *err);
