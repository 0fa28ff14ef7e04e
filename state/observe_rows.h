/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * observe_rows.h - how one store is looked at; what observe.c and observe_store.c share.
 */
#pragma once

#include "state/look.h"

/* What stays the same through one pass. */
struct observer {
	const struct look_context *ctx;
	struct observed *o;
	/* the last ids turned into names: fleets have few owners */
	uint32_t uid, gid;
	const char *owner, *group;
};

/* A failure to see becomes the row's sentence; only ERR_NOMEM comes back. */
enum err_code observe_store(struct observer *ob, const struct look_store *look,
                            struct obs_store *row, struct err *err);
/* The sentence of `err`, in the arena; NULL: no memory. */
const char *observe_sentence(struct observer *ob, const struct err *err);
/* What an error of a transport says about the thing looked for. */
enum look_status observe_status(enum err_code rc);
