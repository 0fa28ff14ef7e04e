/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keystore_import.c - entries from other files into a store: what keytool calls -importcert,
 * -importkeystore and, with openssl before it, importing a key.
 *
 * Certificates that come for an alias which holds a key are the CA's reply: they must be for that
 * key, and become its chain. Everything else that is there already needs --replace.
 */
#include <string.h>

#include "reconciler/base/str.h"
#include "reconciler/cli/keystore_tool.h"
#include "reconciler/cli/material.h"
#include "reconciler/cli/store_aliases.h"
#include "reconciler/pki/key.h"

static const struct option_spec options[] = {
	OPTION_PASSWORD,
	OPTION_KEY_PASSWORD,
	OPTION_FORMAT,
	{ "source-password-ref", 0, "REF", "password of the files that are read" },
	{ "source-key-password-ref", 0, "REF", "password of the keys in them" },
	{ "source-format", 0, "FORMAT", "take the files that are read for this format" },
	{ "alias", 0, "ALIAS", "only this entry; from a file without aliases: the alias to give" },
	{ "as", 0, "ALIAS", "the alias that it gets here" },
	{ "all", 0, NULL, "every entry of a store with several" },
	OPTION_REPLACE,
	OPTION_PROFILE,
};

struct importing {
	struct store_tool tool;
	struct store_file f;
	struct material material;
	struct piece **v; /* those to import */
	size_t n;
	struct map nameless; /* how many got a name made of this one so far */
	struct store_aliases aliases;
	bool replace;
};

static void importing_release(struct importing *x)
{
	map_release(&x->nameless);
	store_aliases_release(&x->aliases);
	material_release(&x->material);
	store_file_release(&x->f);
	store_tool_release(&x->tool);
}

static enum err_code read_sources(struct importing *x, struct err *err)
{
	const struct args *a = x->tool.args;
	enum err_code rc = ERR_OK;

	for (size_t i = 1; rc == ERR_OK && i < a->n_words; i++) {
		rc = material_read(&x->material, a->words[i], &store_words_source, err);
	}
	return rc == ERR_OK ? material_match(&x->material, err) : rc;
}

static bool is_candidate(const struct piece *p, const char *folded)
{
	CLEANUP(cleanup_free) char *own = NULL;

	if (p->used) {
		return false;
	}
	if (folded == NULL || p->alias[0] == '\0') {
		return true;
	}
	own = alias_fold(p->alias);
	return str_equal(own, folded);
}

static enum err_code choose(struct importing *x, struct err *err)
{
	const struct args *a = x->tool.args;
	struct material *m = &x->material;
	const char *alias = args_get(a, "alias");
	CLEANUP(cleanup_free) char *folded = alias == NULL ? NULL : alias_fold(alias);
	bool named = false;

	x->v = ARENA_ARRAY(&x->tool.arena, struct piece *, m->n);
	if (x->v == NULL || (alias != NULL && folded == NULL)) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < m->n; i++) {
		if (is_candidate(&m->v[i], folded)) {
			x->v[x->n++] = &m->v[i];
			named = named || m->v[i].alias[0] != '\0';
		}
	}
	if (x->n == 0) {
		return alias == NULL ? err_set(err, ERR_NOT_FOUND, "there is nothing to import")
		                     : err_set(err, ERR_NOT_FOUND,
		                               "there is no entry '%s' to import", alias);
	}
	if (x->n > 1 && named && alias == NULL && !args_has(a, "all")) {
		(void)err_set(err, ERR_INVALID, "there are %zu entries to import", x->n);
		return err_hint(err, "--all takes them all, --alias ALIAS one");
	}
	if (x->n > 1 && named && args_has(a, "as")) {
		return err_set(err, ERR_INVALID, "--as names one entry, and there are %zu", x->n);
	}
	return ERR_OK;
}

/* The next of those that share a name; 0: no memory. */
static size_t number_of(struct importing *x, const char *shared)
{
	size_t *n = map_get_str(&x->nameless, shared);

	if (n == NULL) {
		n = ARENA_NEW(&x->tool.arena, size_t);
		if (n == NULL || map_put_str(&x->nameless, shared, n, /* ret_old= */ NULL) < 0) {
			return 0;
		}
	}
	return ++*n;
}

static const char *name_for(struct importing *x, const struct piece *p)
{
	const struct args *a = x->tool.args;
	struct arena *arena = &x->tool.arena;
	const char *as = args_get(a, "as");
	const char *given = as != NULL ? as : args_get(a, "alias");

	if (p->alias[0] != '\0') {
		return as != NULL ? as : p->alias;
	}
	size_t n = number_of(x, given != NULL ? "" : p->file);
	const char *name = given != NULL ? given : material_stem(arena, p->file);
	if (n == 0 || name == NULL) {
		return NULL;
	}
	return n == 1 ? name : arena_printf(arena, "%s-%zu", name, n);
}

static enum err_code ders_of(struct importing *x, const struct chain *c, struct bytes **ret,
                             struct err *err)
{
	struct bytes *v = ARENA_ARRAY(&x->tool.arena, struct bytes, c->n);

	for (size_t i = 0; v != NULL && i < c->n; i++) {
		v[i] = c->v[i]->der;
	}
	*ret = v;
	return v == NULL ? err_nomem(err) : ERR_OK;
}

static bool is_root(struct bytes der)
{
	CLEANUP(arena_release) struct arena scratch = { 0 };
	const struct cert *c = NULL;

	arena_init(&scratch);
	return cert_parse(der, &scratch, &c, /* err= */ NULL) == ERR_OK && cert_self_signed(c);
}

/* A trailing root is no difference. */
static bool same_chain(const struct keystore_entry *e, const struct chain *c)
{
	size_t n = c->n > 1 && cert_self_signed(c->v[c->n - 1]) ? c->n - 1 : c->n;
	size_t there =
		e->n_chain > 1 && is_root(e->chain[e->n_chain - 1]) ? e->n_chain - 1 : e->n_chain;

	if (there != n) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (!bytes_equal(e->chain[i], c->v[i]->der)) {
			return false;
		}
	}
	return true;
}

static enum err_code taken(const char *alias, struct err *err)
{
	(void)err_set(err, ERR_CONFLICT, "the alias '%s' is there already, with other content",
	              alias);
	return err_hint(err, "--replace puts the new entry in its place");
}

/* Of an edit; passed on. */
static enum err_code edited(struct importing *x, const char *alias, enum err_code rc)
{
	if (rc == ERR_OK) {
		store_aliases_set(&x->aliases, alias);
	}
	return rc;
}

/* Where an entry would go: by alias; the one key of a format without. */
static bool find_place(struct importing *x, const char *alias, bool key, size_t *ret)
{
	const struct keystore *ks = x->f.ks;

	if (ks->ops->has_aliases) {
		return store_aliases_find(&x->aliases, alias, ret);
	}
	for (size_t i = 0; key && i < ks->ops->count(ks); i++) {
		struct keystore_entry e = { .alias = NULL };
		ks->ops->entry(ks, i, &e);
		if (e.kind == KS_KEY) {
			*ret = i;
			return true;
		}
	}
	return false;
}

/* From what came with it and from what the store has: a reply as keytool completes it, and a chain
 * as Java will see it. */
static enum err_code complete_chain(struct importing *x, struct chain *c, struct err *err)
{
	const struct material *m = &x->material;
	const struct keystore *ks = x->f.ks;
	struct arena *arena = &x->tool.arena;
	size_t n = m->n_pool;
	size_t k = 0;

	for (size_t i = 0; i < ks->ops->count(ks); i++) {
		struct keystore_entry e = { .alias = NULL };
		ks->ops->entry(ks, i, &e);
		n += e.n_chain;
	}
	const struct cert **pool = ARENA_ARRAY(arena, const struct cert *, n);
	for (; pool != NULL && k < m->n_pool; k++) {
		pool[k] = m->pool[k];
	}
	for (size_t i = 0; pool != NULL && i < ks->ops->count(ks); i++) {
		struct keystore_entry e = { .alias = NULL };
		ks->ops->entry(ks, i, &e);
		for (size_t j = 0; j < e.n_chain; j++) {
			k += cert_parse(e.chain[j], arena, &pool[k], /* err= */ NULL) == ERR_OK;
		}
	}
	if (pool == NULL) {
		return err_nomem(err);
	}
	*c = chain_build(c->v[0], pool, k, arena);
	return c->n == 0 ? err_nomem(err) : ERR_OK;
}

/* One key in two spellings is one key: Java leaves the public half of EC keys out. */
static bool same_key(const struct keystore *ks, size_t at, const struct secret *pkcs8,
                     const struct cert *leaf)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	uint8_t there[SHA256_BYTES];
	uint8_t comes[SHA256_BYTES];

	if (ks->ops->key(ks, at, &key, /* err= */ NULL) != ERR_OK) {
		return false;
	}
	if (secret_equal(&key, pkcs8)) {
		return true;
	}
	return pkcs8_spki_sha256(secret_view(&key), leaf, there, /* err= */ NULL) == ERR_OK &&
	       pkcs8_spki_sha256(secret_view(pkcs8), leaf, comes, /* err= */ NULL) == ERR_OK &&
	       memcmp(there, comes, sizeof(there)) == 0;
}

static enum err_code put_identity(struct importing *x, const struct piece *p, const char *alias,
                                  struct err *err)
{
	struct keystore *ks = x->f.ks;
	struct keystore_entry e = { .alias = NULL };
	struct chain chain = p->chain;
	struct bytes *ders = NULL;
	size_t at = 0;
	enum err_code rc = complete_chain(x, &chain, err);

	if (rc == ERR_OK && find_place(x, alias, /* key= */ true, &at)) {
		ks->ops->entry(ks, at, &e);
		if (e.kind == KS_KEY && same_chain(&e, &chain) &&
		    same_key(ks, at, &p->pkcs8, chain.v[0])) {
			return ERR_OK;
		}
		if (!x->replace) {
			return taken(alias, err);
		}
	}
	if (rc == ERR_OK) {
		rc = ders_of(x, &p->chain, &ders, err);
	}
	if (rc == ERR_OK) {
		rc = ks->ops->set_key(ks, alias, &p->pkcs8, ders, p->chain.n,
		                      store_tool_now_ms(&x->tool), err);
	}
	return edited(x, alias, rc);
}

static enum err_code put_reply(struct importing *x, const struct piece *p, const char *alias,
                               size_t at, struct err *err)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	struct keystore *ks = x->f.ks;
	struct keystore_entry e = { .alias = NULL };
	uint8_t spki[SHA256_BYTES];
	struct chain chain = p->chain;
	struct bytes *ders = NULL;

	ks->ops->entry(ks, at, &e);
	enum err_code rc = complete_chain(x, &chain, err);
	if (rc != ERR_OK || same_chain(&e, &chain)) {
		return rc;
	}
	rc = ks->ops->key(ks, at, &key, err);
	if (rc == ERR_OK) {
		rc = pkcs8_spki_sha256(secret_view(&key), p->chain.v[0], spki, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	if (memcmp(spki, p->chain.v[0]->spki_sha256, SHA256_BYTES) != 0) {
		(void)err_set(err, ERR_CONFLICT,
		              "'%s' holds a private key, and the certificate is for another",
		              alias);
		return err_hint(err, "import it under another alias, or delete the key first");
	}
	rc = ders_of(x, &chain, &ders, err);
	if (rc == ERR_OK) {
		rc = ks->ops->set_key(ks, alias, &key, ders, chain.n, store_tool_now_ms(&x->tool),
		                      err);
	}
	return edited(x, alias, rc);
}

static enum err_code put_certificate(struct importing *x, const struct piece *p, const char *alias,
                                     struct err *err)
{
	struct keystore *ks = x->f.ks;
	struct keystore_entry e = { .alias = NULL };
	size_t at = 0;

	if (find_place(x, alias, /* key= */ false, &at)) {
		ks->ops->entry(ks, at, &e);
		if (e.kind == KS_KEY) {
			return put_reply(x, p, alias, at, err);
		}
		if (e.kind == KS_TRUSTED && bytes_equal(e.chain[0], p->chain.v[0]->der)) {
			return ERR_OK;
		}
		if (!x->replace) {
			return taken(alias, err);
		}
	}
	return edited(x, alias,
	              ks->ops->set_trusted(ks, alias, p->chain.v[0]->der,
	                                   store_tool_now_ms(&x->tool), err));
}

static enum err_code put_secret(struct importing *x, const struct piece *p, const char *alias,
                                struct err *err)
{
	struct keystore *ks = x->f.ks;
	struct keystore_secret_key old = { .algorithm = "" };
	size_t at = 0;

	if (find_place(x, alias, /* key= */ false, &at)) {
		bool same = ks->ops->secret(ks, at, &old, /* err= */ NULL) == ERR_OK &&
		            secret_equal(&old.key, &p->secret.key) &&
		            str_casecmp_ascii(old.algorithm, p->secret.algorithm) == 0;
		secret_release(&old.key);
		if (same) {
			return ERR_OK;
		}
		if (!x->replace) {
			return taken(alias, err);
		}
	}
	return edited(x, alias,
	              ks->ops->set_secret(ks, alias, &p->secret, store_tool_now_ms(&x->tool), err));
}

static enum err_code put_under(struct importing *x, const struct piece *p, const char *alias,
                               struct err *err)
{
	if (alias[0] == '\0' && x->f.ks->ops->has_aliases) {
		(void)err_set(err, ERR_INVALID, "%s: the alias is empty", p->file);
		return err_hint(err, "--as ALIAS names the entry");
	}
	switch (p->kind) {
	case PIECE_IDENTITY:
		return put_identity(x, p, alias, err);
	case PIECE_CERTIFICATE:
		return put_certificate(x, p, alias, err);
	case PIECE_SECRET:
		return put_secret(x, p, alias, err);
	case PIECE_KEY:
		break;
	}
	(void)err_set(err, ERR_INVALID, "%s: the private key has no certificate", p->file);
	return err_hint(err, "name the file of its certificate, too");
}

static enum err_code put(struct importing *x, const struct piece *p, struct err *err)
{
	const char *alias = name_for(x, p);
	enum err_code rc = alias == NULL ? err_nomem(err) : put_under(x, p, alias, err);

	return rc == ERR_OK ? rc : err_wrap(err, "%s", x->f.shown);
}

static enum err_code import(struct importing *x, bool *ret_written, struct err *err)
{
	struct store_file *f = &x->f;
	enum err_code rc = store_file_open(&x->tool, x->tool.args->words[0], &store_words_own,
	                                   STORE_ANY, f, err);

	if (rc == ERR_OK) {
		rc = read_sources(x, err);
	}
	if (rc == ERR_OK) {
		rc = choose(x, err);
	}
	if (rc == ERR_OK) {
		rc = f->ks == NULL ? store_file_create(f, &store_words_own, err)
		                   : store_file_note(f, /* ks_stays= */ true, err);
	}
	if (rc == ERR_OK) {
		store_aliases_init(&x->aliases, f->ks);
	}
	for (size_t i = 0; rc == ERR_OK && i < x->n; i++) {
		rc = put(x, x->v[i], err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	const struct keystore_encode how = { .passwords = store_file_passwords(f),
		                             .profile = args_get(x->tool.args, "profile") };
	rc = store_file_save(f, &how, ret_written, err);
	if (rc == ERR_OK && *ret_written && f->has_password && !f->ops->has_password &&
	    keystore_holds_key(f->ks)) {
		cli_note(x->tool.cli, "note: format %s has no password: only its mode protects %s",
		         f->ops->type, f->shown);
	}
	return rc;
}

static int run(struct cli *c, const struct args *a)
{
	CLEANUP(importing_release) struct importing x = { .replace = args_has(a, "replace") };
	struct err err = { 0 };
	bool written = false;

	store_tool_init(&x.tool, c, a);
	material_init(&x.material, &x.tool);
	return import(&x, &written, &err) == ERR_OK ? tool_report(&x.tool, a->words[0], written)
	                                            : cli_fail(c, &err);
}

const struct verb verb_keystore_import = {
	.name = "keystore import",
	.synopsis =
		"STORE FILE... [--alias ALIAS] [--as ALIAS] [--password-ref REF] [--source-password-ref REF]",
	.summary = "put keys and certificates from other files into a keystore",
	.text = "FILE is a store of any format, PEM, DER or P7B; a key finds its certificate in another FILE. Certificates for an alias that holds a key must be for that key and become its chain; others become trusted entries. STORE is made (0600) when it is not there.",
	.example =
		"certwright keystore import keystore.p12 web.pem web.key --as tomcat --password-ref file:password",
	.exits = "0, 1 error (an alias is taken, a key has no certificate): nothing was written",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.min_words = 2,
	.max_words = 1000,
	.run = run,
};
