/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * looking_files.c - the files of monitors: what their patterns name today, and with which passwords
 * each is tried.
 *
 * Whether a commit may read a file is asked for every file and not for its pattern alone: what
 * "web*.p12" names is seen only here.
 */
#include "reconciler/base/str.h"
#include "reconciler/engine/link.h"
#include "reconciler/engine/looking.h"
#include "reconciler/engine/passwords.h"

struct naming {
	struct engine *engine;
	struct pass *pass;
	struct look_stores *looks;
	struct map known; /* by store_key(): a file is looked at once for one identity */
	const struct want_file *want;
	const struct passwords *passwords;
	struct transport *here;
};

static bool is_new(struct naming *n, const char *path)
{
	static char mark;
	const char *key = store_key(&n->pass->arena, "", n->want->monitor_of->name, path);

	if (key == NULL || map_get_str(&n->known, key) != NULL) {
		return false;
	}
	if (map_put_str(&n->known, key, &mark, /* ret_old= */ NULL) < 0) {
		n->pass->arena.failed = true;
		return false;
	}
	return true;
}

/* `unresolved` NULL: it can be looked at. */
static void add(struct naming *n, const char *path, const char *unresolved,
                const struct look_names *names)
{
	struct look_store *slot = is_new(n, path) ? ARENA_PUSH(&n->pass->arena, n->looks) : NULL;

	if (slot == NULL) {
		return;
	}
	*slot = (struct look_store){
		.target = "",
		.host = n->want->monitor_of->name,
		.path = path,
		.transport = n->here,
		/* only where to begin: what is in the file decides */
		.format = registry_keystore(n->engine->registry, "pem"),
		.password = n->passwords->has_store ? &n->passwords->store : NULL,
		.previous = n->passwords->previous,
		.n_previous = n->passwords->n_previous,
		.unresolved = unresolved,
		.read_only = true,
		.names = names,
	};
}

/* Allowed, with its password at hand, and on a machine within reach? Else the reason. */
static const char *refusal(const struct naming *n, const char *path)
{
	struct err why = { 0 };

	if (authority_local_read(n->engine->authority, path, &why) != ERR_OK) {
		return look_sentence(&n->pass->arena, &why);
	}
	return n->passwords->unresolved;
}

static void add_pattern(struct naming *n)
{
	struct arena *a = &n->pass->arena;
	struct fs_glob found = { .n = 0 };
	struct look_names *names = ARENA_NEW(a, struct look_names);
	struct err why = { 0 };

	if (names == NULL) {
		return;
	}
	enum err_code rc = n->here->ops->list == NULL
	                           ? err_set(&why, ERR_INVALID, "files cannot be listed there")
	                           : n->here->ops->list(n->here, n->want->path, a, &found, &why);
	if (rc != ERR_OK) {
		add(n, n->want->path, look_sentence(a, &why), /* names= */ NULL);
		return;
	}
	*names = (struct look_names){ .v = found.v, .n = found.n };
	if (found.n_unseen > 0) {
		const char *first = look_sentence(a, &found.why);
		names->error = found.n_unseen == 1
		                       ? first
		                       : arena_printf(a, "%s, and %zu more that could not be seen",
		                                      first, found.n_unseen - 1);
	}
	add(n, n->want->path, /* unresolved= */ NULL, names);
	for (size_t i = 0; i < found.n; i++) {
		add(n, found.v[i], refusal(n, found.v[i]), /* names= */ NULL);
	}
}

static enum err_code look_file(struct naming *n, struct passwords *pw, struct err *err)
{
	struct pass *p = n->pass;
	struct err why = { 0 };
	enum err_code rc = passwords_of_file(n->engine, n->want, &p->arena, pw, err);

	if (rc != ERR_OK) {
		return rc;
	}
	n->passwords = pw;
	const char *no = refusal(n, n->want->path);
	if (link_here(n->engine, p, &n->here, &why) != ERR_OK) {
		no = look_sentence(&p->arena, &why);
	}
	if (no != NULL || !fs_glob_is(n->want->path)) {
		add(n, n->want->path, no, /* names= */ NULL);
	} else {
		add_pattern(n);
	}
	return arena_failed(&p->arena) ? err_nomem(err) : ERR_OK;
}

enum err_code look_files(struct engine *e, struct pass *p, struct look_stores *looks,
                         struct err *err)
{
	struct naming n = { .engine = e, .pass = p, .looks = looks };
	enum err_code rc = ERR_OK;

	map_init(&n.known);
	for (size_t i = 0; rc == ERR_OK && i < p->wants->n_files; i++) {
		n.want = &p->wants->files[i];
		rc = look_file(&n, &p->passwords[p->wants->n_stores + i], err);
	}
	map_release(&n.known);
	return rc;
}
