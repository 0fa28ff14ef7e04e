/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * material.c - see material.h.
 */
#include "reconciler/cli/material.h"

#include <stdlib.h>
#include <string.h>

#include "reconciler/base/str.h"
#include "reconciler/cli/password.h"
#include "reconciler/pki/key.h"

#define KEY_FILE_MAX ((size_t)1 << 20)
#define PIECES_MAX   100000

void material_init(struct material *m, struct store_tool *t)
{
	*m = (struct material){ .tool = t };
}

void material_release(struct material *m)
{
	for (size_t i = 0; i < m->n; i++) {
		secret_release(&m->v[i].pkcs8);
		secret_release(&m->v[i].secret.key);
	}
	free(m->v);
	free(m->pool);
	*m = (struct material){ 0 };
}

static struct piece *add_piece(struct material *m, const struct piece *like)
{
	if (m->n == m->cap) {
		size_t cap = m->cap == 0 ? 16 : 2 * m->cap;
		struct piece *grown =
			cap > PIECES_MAX ? NULL : reallocarray(m->v, cap, sizeof(*grown));
		if (grown == NULL) {
			return NULL;
		}
		m->v = grown;
		m->cap = cap;
	}
	m->v[m->n] = *like;
	return &m->v[m->n++];
}

static enum err_code add_certificate(struct material *m, struct bytes der, const struct cert **ret,
                                     struct err *err)
{
	enum err_code rc = cert_parse(der, &m->tool->arena, ret, err);

	if (rc != ERR_OK) {
		return rc;
	}
	if (m->n_pool == m->cap_pool) {
		size_t cap = m->cap_pool == 0 ? 16 : 2 * m->cap_pool;
		const struct cert **grown = reallocarray(m->pool, cap, sizeof(const struct cert *));
		if (grown == NULL) {
			return err_nomem(err);
		}
		m->pool = grown;
		m->cap_pool = cap;
	}
	m->pool[m->n_pool++] = *ret;
	return ERR_OK;
}

static enum err_code take_chain(struct material *m, const struct keystore_entry *e,
                                struct chain *ret, struct err *err)
{
	const struct cert **v = ARENA_ARRAY(&m->tool->arena, const struct cert *, e->n_chain);
	enum err_code rc = v == NULL ? err_nomem(err) : ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < e->n_chain; i++) {
		rc = add_certificate(m, e->chain[i], &v[i], err);
	}
	*ret = (struct chain){ .v = v, .n = rc == ERR_OK ? e->n_chain : 0 };
	return rc;
}

/* Certificates beside a key that is not theirs are pieces of their own. */
static enum err_code split_chain(struct material *m, const struct piece *from, struct err *err)
{
	for (size_t i = 0; i < from->chain.n; i++) {
		struct piece p = { .kind = PIECE_CERTIFICATE,
			           .file = from->file,
			           .alias = "",
			           .created_ms = -1,
			           .chain = { .v = &from->chain.v[i], .n = 1 } };
		if (add_piece(m, &p) == NULL) {
			return err_nomem(err);
		}
	}
	return ERR_OK;
}

static enum err_code take_key(struct material *m, struct piece *p, const struct keystore *ks,
                              size_t i, struct err *err)
{
	const struct cert *leaf = p->chain.n == 0 ? NULL : p->chain.v[0];
	enum err_code rc = ks->ops->key(ks, i, &p->pkcs8, err);

	if (rc != ERR_OK) {
		return rc;
	}
	p->has_spki = pkcs8_spki_sha256(secret_view(&p->pkcs8), leaf, p->spki_sha256,
	                                /* err= */ NULL) == ERR_OK;
	bool fits = leaf != NULL && p->has_spki &&
	            memcmp(leaf->spki_sha256, p->spki_sha256, SHA256_BYTES) == 0;
	p->kind = fits ? PIECE_IDENTITY : PIECE_KEY;
	if (!fits && leaf != NULL && ks->ops->has_aliases) {
		return err_set(err, ERR_INVALID, "the certificate is for another key");
	}
	struct piece copy = *p;
	if (!fits) {
		p->chain = (struct chain){ 0 };
		return split_chain(m, &copy, err); /* p is gone when the list moved */
	}
	return ERR_OK;
}

static enum err_code take_entry(struct material *m, const struct store_file *f, size_t i,
                                struct err *err)
{
	const struct keystore *ks = f->ks;
	struct keystore_entry e = { .alias = NULL };

	ks->ops->entry(ks, i, &e);
	struct piece fresh = { .kind = PIECE_CERTIFICATE,
		               .file = f->shown,
		               .created_ms = e.created_ms,
		               .trusted = ks->ops->has_aliases && e.kind == KS_TRUSTED };
	fresh.alias = ks->ops->has_aliases ? arena_str(&m->tool->arena, e.alias) : "";
	if (e.kind == KS_OPAQUE || fresh.alias == NULL) {
		return fresh.alias == NULL ? err_nomem(err) : ERR_OK;
	}
	enum err_code rc = take_chain(m, &e, &fresh.chain, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct piece *p = add_piece(m, &fresh);
	if (p == NULL) {
		return err_nomem(err);
	}
	if (e.kind == KS_SECRET) {
		p->kind = PIECE_SECRET;
		return ks->ops->secret(ks, i, &p->secret, err);
	}
	return e.kind == KS_KEY ? take_key(m, p, ks, i, err) : ERR_OK;
}

/* A bare private key in DER is no keystore of any format. */
static enum err_code read_bare_key(struct material *m, const char *path, const char *word,
                                   struct err *err)
{
	CLEANUP(secret_release) struct secret password = { 0 };
	CLEANUP(buf_release) struct buf data = { 0 };
	struct piece p = { .kind = PIECE_KEY, .file = path, .alias = "", .created_ms = -1 };

	buf_init_secret(&data, KEY_FILE_MAX);
	enum err_code rc = fs_read(path, KEY_FILE_MAX, &data, err);
	if (rc == ERR_OK && word != NULL) {
		rc = password_resolve(word, &password, err);
	}
	if (rc == ERR_OK) {
		rc = key_decode(buf_view(&data), word == NULL ? NULL : secret_str(&password),
		                &p.pkcs8, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	p.has_spki = pkcs8_spki_sha256(secret_view(&p.pkcs8), /* hint_or_null= */ NULL,
	                               p.spki_sha256, /* err= */ NULL) == ERR_OK;
	if (add_piece(m, &p) == NULL) {
		secret_release(&p.pkcs8);
		return err_nomem(err);
	}
	return ERR_OK;
}

enum err_code material_read(struct material *m, const char *path, const struct store_words *words,
                            struct err *err)
{
	CLEANUP(store_file_release) struct store_file f = { 0 };
	const char *word =
		words->password == NULL ? NULL : args_get(m->tool->args, words->password);
	enum err_code rc = store_file_open(m->tool, path, words, STORE_LOOK, &f, err);

	/* What lies beside it may be of another format, and is then read on its own. */
	if (rc == ERR_INVALID && f.n_parts > 1) {
		store_file_release(&f);
		err_clear(err);
		rc = store_file_open(m->tool, path, words, STORE_ALONE, &f, err);
	}
	if (rc == ERR_INVALID && f.ops == NULL &&
	    read_bare_key(m, path, word, /* err= */ NULL) == ERR_OK) {
		err_clear(err);
		return ERR_OK;
	}
	for (size_t i = 0; rc == ERR_OK && i < f.ops->count(f.ks); i++) {
		rc = take_entry(m, &f, i, err);
		if (rc != ERR_OK) {
			struct keystore_entry e = { .alias = NULL };
			f.ops->entry(f.ks, i, &e);
			return e.alias[0] == '\0' ? err_wrap(err, "%s", path)
			                          : err_wrap(err, "%s, entry '%s'", path, e.alias);
		}
	}
	return rc;
}

static struct piece *certificate_of(struct material *m, const struct piece *key)
{
	for (size_t i = 0; i < m->n; i++) {
		struct piece *p = &m->v[i];
		if (p->kind == PIECE_CERTIFICATE && key->has_spki &&
		    memcmp(p->chain.v[0]->spki_sha256, key->spki_sha256, SHA256_BYTES) == 0) {
			return p;
		}
	}
	return NULL;
}

struct matching {
	struct material *m;
	struct map by_sha256; /* certificates on their own, to the first piece */
	struct map issuers;   /* names of those that certified one of the pool */
	const struct cert **pool;
	size_t n_pool; /* only what has such a name */
};

static void matching_release(struct matching *x)
{
	map_release(&x->by_sha256);
	map_release(&x->issuers);
}

/* What may be above another in a chain: of ten thousand certificates a few. */
static enum err_code find_issuers(struct matching *x, struct err *err)
{
	const struct material *m = x->m;

	for (size_t i = 0; i < m->n_pool; i++) {
		const struct cert *c = m->pool[i];
		if (!c->self_issued && map_put(&x->issuers, c->issuer_der, &x->issuers,
		                               /* ret_old= */ NULL) < 0) {
			return err_nomem(err);
		}
	}
	x->pool = ARENA_ARRAY(&m->tool->arena, const struct cert *, m->n_pool);
	for (size_t i = 0; x->pool != NULL && i < m->n_pool; i++) {
		if (map_get(&x->issuers, m->pool[i]->subject_der) != NULL) {
			x->pool[x->n_pool++] = m->pool[i];
		}
	}
	return x->pool == NULL ? err_nomem(err) : ERR_OK;
}

static enum err_code build_chains(struct matching *x, struct err *err)
{
	for (size_t i = 0; i < x->m->n; i++) {
		struct piece *p = &x->m->v[i];
		if ((p->kind != PIECE_IDENTITY && p->kind != PIECE_CERTIFICATE) ||
		    p->chain.n != 1 || p->trusted) {
			continue;
		}
		p->chain = chain_build(p->chain.v[0], x->pool, x->n_pool, &x->m->tool->arena);
		if (p->chain.n == 0) {
			return err_nomem(err);
		}
	}
	return ERR_OK;
}

static bool is_bare(const struct piece *p)
{
	return p->kind == PIECE_CERTIFICATE && !p->trusted;
}

static enum err_code find_same(struct matching *x, struct err *err)
{
	for (size_t i = 0; i < x->m->n; i++) {
		struct piece *p = &x->m->v[i];
		void *old = NULL;

		if (is_bare(p)) {
			struct bytes key = bytes_of(p->chain.v[0]->sha256, SHA256_BYTES);
			if (map_put(&x->by_sha256, key, p, &old) < 0) {
				return err_nomem(err);
			}
			p->same = old;
		}
	}
	return ERR_OK;
}

/* What is an issuer in somebody's chain, or the same once more, is nothing of its own. */
static void mark_used(const struct matching *x, const struct piece *by)
{
	for (size_t i = 0; i < by->chain.n; i++) {
		struct bytes key = bytes_of(by->chain.v[i]->sha256, SHA256_BYTES);
		struct piece *p = map_get(&x->by_sha256, key);

		for (; p != NULL; p = p->same) {
			p->used = p->used || p != by;
		}
	}
}

enum err_code material_match(struct material *m, struct err *err)
{
	CLEANUP(matching_release) struct matching x = { .m = m };

	map_init(&x.by_sha256);
	map_init(&x.issuers);
	for (size_t i = 0; i < m->n; i++) {
		struct piece *key = &m->v[i];
		struct piece *cert = key->kind == PIECE_KEY ? certificate_of(m, key) : NULL;
		if (cert != NULL) {
			key->kind = PIECE_IDENTITY;
			key->chain = cert->chain;
			cert->used = true;
		}
	}
	enum err_code rc = find_issuers(&x, err);
	if (rc == ERR_OK) {
		rc = build_chains(&x, err);
	}
	if (rc == ERR_OK) {
		rc = find_same(&x, err);
	}
	for (size_t i = 0; rc == ERR_OK && i < m->n; i++) {
		if (m->v[i].kind == PIECE_IDENTITY) {
			mark_used(&x, &m->v[i]);
		}
	}
	for (size_t i = 0; rc == ERR_OK && i < m->n; i++) {
		if (is_bare(&m->v[i]) && !m->v[i].used) {
			mark_used(&x, &m->v[i]);
		}
	}
	return rc;
}

const char *material_stem(struct arena *arena, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	const char *dot = strrchr(name, '.');
	size_t n = dot == NULL || dot == name ? strlen(name) : (size_t)(dot - name);
	char *stem = arena_strn(arena, name, n);

	if (stem != NULL) {
		str_lower_ascii(stem);
	}
	return stem;
}
