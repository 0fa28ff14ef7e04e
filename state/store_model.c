/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_model.c - from an open keystore to its meaning.
 */
#include "state/store_model.h"

#include <string.h>

#include "reconciler/base/str.h"
#include "reconciler/pki/key.h"

struct taking {
	const struct keystore *ks;
	struct arena *arena;
	struct seen_certs *certs;
};

static enum err_code take_chain(const struct taking *t, const struct keystore_entry *from,
                                struct obs_entry *to, struct err *err)
{
	const struct seen_cert **v = ARENA_ARRAY(t->arena, const struct seen_cert *, from->n_chain);

	if (v == NULL) {
		return err_nomem(err);
	}
	to->chain.v = v;
	for (size_t i = 0; i < from->n_chain; i++) {
		enum err_code rc = seen_cert_add(t->certs, from->chain[i], &v[i], /* err= */ NULL);
		if (rc == ERR_NOMEM) {
			return err_nomem(err);
		}
		if (rc != ERR_OK) {
			to->warnings |= KS_WARN_BAD_CERTIFICATE;
			break;
		}
		to->chain.n = i + 1;
	}
	return ERR_OK;
}

/* Unless nobody may know whether it opens. */
static void take_key(const struct taking *t, size_t i, struct obs_entry *to)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	CLEANUP(arena_release) struct arena scratch = { 0 };
	const struct cert *leaf = NULL;

	if (t->ks->keys_closed) {
		return;
	}
	arena_init(&scratch);
	if (to->chain.n > 0) {
		leaf = seen_cert_parse(to->chain.v[0], &scratch);
	}
	uint8_t spki[SHA256_BYTES];
	to->key_opens = t->ks->ops->key(t->ks, i, &key, /* err= */ NULL) == ERR_OK &&
	                pkcs8_spki_sha256(secret_view(&key), leaf, spki, /* err= */ NULL) == ERR_OK;
	if (!to->key_opens) {
		to->warnings |= KS_WARN_KEY_UNREADABLE;
		return;
	}
	to->key_spki_sha256 = arena_copy(t->arena, spki, sizeof(spki));
	to->key_matches = to->chain.n > 0 && digests_equal(spki, to->chain.v[0]->spki_sha256);
}

static enum err_code take_entries(const struct taking *t, struct obs_store *row, struct err *err)
{
	size_t n = t->ks->ops->count(t->ks);
	struct obs_entry *v = ARENA_ARRAY(t->arena, struct obs_entry, n);

	if (v == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < n; i++) {
		struct keystore_entry from = { .alias = NULL };
		t->ks->ops->entry(t->ks, i, &from);
		v[i].alias = arena_str(t->arena, from.alias);
		v[i].folded = arena_str(t->arena, from.folded);
		v[i].kind = from.kind;
		v[i].warnings = from.warnings;
		enum err_code rc = take_chain(t, &from, &v[i], err);
		if (rc != ERR_OK) {
			return rc;
		}
		if (from.kind == KS_KEY) {
			take_key(t, i, &v[i]);
		}
	}
	row->entries = v;
	row->n_entries = n;
	return arena_failed(t->arena) ? err_nomem(err) : ERR_OK;
}

enum err_code store_model_take(const struct keystore *ks, struct arena *arena,
                               struct seen_certs *certs, struct obs_store *row, struct err *err)
{
	const struct taking t = { .ks = ks, .arena = arena, .certs = certs };
	const char *profile = ks->ops->profile(ks);

	row->format = ks->ops->type;
	row->warnings = ks->ops->warnings(ks);
	row->profile = profile == NULL ? NULL : arena_str(arena, profile);
	return take_entries(&t, row, err);
}

struct gathering {
	struct arena *arena;
	struct entry_details *v;
	size_t n;
	const char *last; /* attributes of one */
};

static void note_fact(void *ctx, const struct keystore_fact *f)
{
	struct gathering *g = ctx;

	if (f->entry >= g->n || !str_equal(f->name, "attributes")) {
		return;
	}
	struct entry_details *d = &g->v[f->entry];
	if (d->attributes != NULL) {
		d->attributes = arena_printf(g->arena, "%s, %s", d->attributes, f->value);
		return;
	}
	/* Of ten thousand trusted certificates all are trusted for the same. */
	if (g->last == NULL || !str_equal(g->last, f->value)) {
		g->last = arena_str(g->arena, f->value);
	}
	d->attributes = g->last;
}

static void take_secret(const struct keystore *ks, size_t i, struct arena *arena,
                        struct entry_details *d)
{
	struct keystore_secret_key k = { .algorithm = "" };

	if (ks->ops->secret(ks, i, &k, /* err= */ NULL) == ERR_OK) {
		d->secret_algorithm = arena_str(arena, k.algorithm);
		pki_sha256(k.key.p, k.key.n, d->secret_sha256);
	}
	secret_release(&k.key);
}

enum err_code store_model(const struct keystore *ks, struct arena *arena, struct seen_certs *certs,
                          struct store_model *ret, struct err *err)
{
	struct store_model m = { .row = { .status = LOOK_OK, .password = -1 },
		                 .has_aliases = ks->ops->has_aliases };
	struct gathering g = { .arena = arena };
	enum err_code rc = store_model_take(ks, arena, certs, &m.row, err);

	if (rc != ERR_OK) {
		return rc;
	}
	g.n = m.row.n_entries;
	g.v = ARENA_ARRAY(arena, struct entry_details, g.n);
	for (size_t i = 0; g.v != NULL && i < g.n; i++) {
		struct keystore_entry e = { .alias = NULL };
		ks->ops->entry(ks, i, &e);
		g.v[i].created_ms = e.created_ms;
		if (e.kind == KS_SECRET && !ks->keys_closed) {
			take_secret(ks, i, arena, &g.v[i]);
		}
	}
	if (g.v != NULL) {
		ks->ops->facts(ks, note_fact, &g);
	}
	m.details = g.v;
	if (arena_failed(arena)) {
		return err_nomem(err);
	}
	*ret = m;
	return ERR_OK;
}
