/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * passwords.h - the resolved passwords of one wanted store, for looking and for writing.
 */
#pragma once

#include "reconciler/engine/engine.h"

struct passwords {
	struct secret store, key; /* key empty: the same as store */
	bool has_store, has_key;
	struct secret *previous; /* heap */
	size_t n_previous;
	const char *unresolved; /* sentence of the first reference that gave nothing; arena */
	bool not_made; /* `unresolved` because a generated one is made by the first write */
};

/* Resolve what the store's Keystore refers to. A reference that cannot be resolved is no error but
 * `unresolved`. */
enum err_code passwords_resolve(struct engine *e, const struct want_store *w, struct arena *arena,
                                struct passwords *ret, struct err *err);
/* The same for a file of a monitor: all of its passwords are tried in order. */
enum err_code passwords_of_file(struct engine *e, const struct want_file *w, struct arena *arena,
                                struct passwords *ret, struct err *err);
void passwords_release(struct passwords *p);
struct keystore_passwords passwords_view(const struct passwords *p);
/* Decode with the current passwords, else with the previous ones (keystore_open()). */
enum err_code passwords_open(const struct passwords *p, const struct keystore_ops *ops,
                             const struct bytes *parts, size_t n_parts, struct keystore **ret,
                             struct err *err);
void cleanup_keystore(struct keystore **ks); /* CLEANUP(cleanup_keystore) struct keystore *ks */

/* The values behind {generated: ...}, kept sealed in the engine's store. */
struct generated_secrets {
	struct generated_store base;
	const struct engine *engine;
	bool not_made; /* one was asked for that nobody made yet */
};
void generated_secrets_init(struct generated_secrets *g, const struct engine *e);
/* A context for secret_resolve() on behalf of this engine. */
struct secret_context engine_secrets(const struct engine *e, struct generated_secrets *g);
