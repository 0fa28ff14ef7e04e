/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * looking.h - from wants to a look list: what engine_observe() does once a pass and verify does
 * again for a few endpoints.
 */
#pragma once

#include "reconciler/engine/engine.h"

struct look_stores {
	struct look_store *v;
	size_t n, cap;
};
/* One look per file of a monitor; of a pattern one, and one per file that it names now. A pattern
 * that names nothing, or cannot be followed everywhere, has its row all the same. */
enum err_code look_files(struct engine *e, struct pass *p, struct look_stores *looks,
                         struct err *err);
/* What a row says: the sentence with its hint. NULL: no memory. */
const char *look_sentence(struct arena *arena, const struct err *why);

/* An empty pass with memory and wants; `look`: also at anchors that are not in the commit. */
enum err_code pass_begin(struct engine *e, struct pass *p, bool look, struct err *err);
/* Fill one look for an endpoint. `client_key` (caller's, released by it) holds the key when the
 * endpoint asks for a client identity; a key that cannot be had makes the look `unresolved`. */
enum err_code look_endpoint_of(struct engine *e, struct pass *p, const struct want_endpoint *w,
                               struct secret *client_key, struct look_endpoint *ret,
                               struct err *err);
/* The same for an edit; `value` (caller's) holds the wanted value as long as the look lives. */
enum err_code look_config_of(struct engine *e, struct pass *p, const struct want_config *w,
                             struct secret *value, struct look_config *ret, struct err *err);
/* Look again at one endpoint of the pass, with the identities that it issued meanwhile.
 * ENDPOINT_NONE: it must not or cannot be asked, `error` says why. */
enum err_code look_again(struct engine *e, struct pass *p, const struct want_endpoint *w,
                         struct obs_endpoint *ret, struct err *err);
