/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rename.h - metadata.formerNames: what the state calls by a former name, and its name now.
 */
#pragma once

#include "reconciler/engine/engine.h"

/* Rows of the memory (and of an observation of the past; NULL: none) get their names of today, and
 * the memory says which. Pure. The first of several former names that holds something is taken;
 * a clash is what stands under another one, or under a former name while the new one holds
 * something as well. */
enum err_code renames_find(const struct desired *d, struct memory *m, struct err *err);
enum err_code renames_of_observed(const struct memory *m, struct observed *o, struct err *err);
/* Keep in the store what the pass found, and what no memory shows: generated secrets. */
enum err_code renames_keep(struct engine *e, struct pass *p, size_t *ret_n, struct err *err);
/* What the store calls an identity of this pass. */
const char *identity_in_store(const struct memory *m, const char *name);
/* What a generated secret ("keystore/NAME") is called in the store now. Arena. */
enum err_code generated_name(const struct engine *e, const char *name, struct arena *arena,
                             const char **ret, struct err *err);
