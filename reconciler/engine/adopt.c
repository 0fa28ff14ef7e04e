/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * adopt.c - a pair is taken over as it is: nothing is issued, nothing is written where it lies.
 */
#include "reconciler/base/str.h"
#include "reconciler/engine/convert.h"
#include "reconciler/engine/link.h"
#include "reconciler/engine/run.h"
#include "reconciler/pki/key.h"

static enum err_code take_pair(struct pass *p, const struct keystore *ks, const char *alias,
                               struct chain *ret, struct secret *ret_key, struct err *err)
{
	CLEANUP(cleanup_free) char *folded = alias_fold(alias == NULL ? "" : alias);
	struct keystore_entry entry;

	for (size_t i = 0; folded != NULL && i < ks->ops->count(ks); i++) {
		ks->ops->entry(ks, i, &entry);
		if (entry.kind != KS_KEY ||
		    (ks->ops->has_aliases && !str_equal(entry.folded, folded))) {
			continue;
		}
		const struct cert **v = ARENA_ARRAY(&p->arena, const struct cert *, entry.n_chain);
		enum err_code rc = v == NULL ? err_nomem(err) : ERR_OK;
		for (size_t k = 0; rc == ERR_OK && k < entry.n_chain; k++) {
			rc = cert_parse(entry.chain[k], &p->arena, &v[k], err);
		}
		if (rc == ERR_OK) {
			*ret = chain_without_root((struct chain){ .v = v, .n = entry.n_chain });
			rc = ks->ops->key(ks, i, ret_key, err);
		}
		return rc;
	}
	return err_set(err, ERR_NOT_FOUND, "there is no key entry '%s' in it", folded);
}

/* Which of our issuers signed it, so that a later comparison does not take it for a stranger's. */
static void find_issuer(struct pass *p, const struct cert *leaf, const char **ret_name,
                        int *ret_generation)
{
	for (size_t i = 0; i < p->memory->n_issuers; i++) {
		const struct issuer_memory *im = &p->memory->issuers[i];
		for (size_t g = 0; g < im->n_generations; g++) {
			const struct cert *ca = seen_cert_parse(im->generations[g].cert, &p->arena);
			if (ca != NULL && cert_issued_by(leaf, ca)) {
				*ret_name = im->name;
				*ret_generation = im->generations[g].generation;
				return;
			}
		}
	}
}

static enum err_code check_pin(const struct action *a, struct bytes pkcs8, const struct cert *leaf,
                               struct err *err)
{
	const struct adopt_spec *spec = a->identity->def->shared->adopt;
	uint8_t spki[SHA256_BYTES];
	uint8_t pinned[SHA256_BYTES];

	enum err_code rc = pkcs8_spki_sha256(pkcs8, leaf, spki, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (memcmp(spki, leaf->spki_sha256, SHA256_BYTES) != 0) {
		return err_set(err, ERR_INVALID,
		               "the key does not belong to the certificate beside it");
	}
	if (spec != NULL && spec->key_sha256.s != NULL &&
	    (!fingerprint_parse(spec->key_sha256.s, pinned) ||
	     memcmp(pinned, spki, SHA256_BYTES) != 0)) {
		return err_set(err, ERR_DENIED, "the key there is not the one keySha256 names");
	}
	return ERR_OK;
}

/* From where it lives now. */
static enum err_code pair_in_store(struct engine *e, struct pass *p, const struct action *a,
                                   struct chain *ret, struct secret *ret_key, struct err *err)
{
	CLEANUP(cleanup_keystore) struct keystore *ks = NULL;
	CLEANUP(image_release) struct image im = { 0 };
	const struct keystore_ops *ops = format_seen(e, p, a->store);
	const struct passwords *pw = &p->passwords[a->store - p->wants->stores];
	struct bytes views[KEYSTORE_PARTS_MAX];
	struct transport *t = NULL;

	enum err_code rc = link_to(e, p, a->store->target, a->store->host, &t, err);
	if (rc == ERR_OK) {
		rc = image_read(t, ops, a->store->path, &im, err);
	}
	if (rc == ERR_OK) {
		image_views(&im, views);
		rc = passwords_open(pw, ops, views, im.n, &ks, err);
	}
	if (rc == ERR_OK) {
		rc = take_pair(p, ks, a->adopt_alias, ret, ret_key, err);
	}
	return rc == ERR_OK ? rc : err_wrap(err, "adopting from %s", a->store->path);
}

/* From a certificate in the repository and a key by reference. */
static enum err_code pair_by_reference(struct engine *e, struct pass *p, const struct identity *id,
                                       struct chain *ret, struct secret *ret_key, struct err *err)
{
	CLEANUP(secret_release) struct secret encoded = { 0 };
	const struct adopt_spec *spec = id->def->shared->adopt;
	struct scope scope = { .target = id->target, .host = id->host };
	struct generated_secrets generated;
	const struct cert **v = NULL;
	size_t n = 0;

	generated_secrets_init(&generated, e);
	struct secret_context ctx = engine_secrets(e, &generated);
	enum err_code rc = cert_parse_bundle(spec->data, &p->arena, &v, &n, err);
	if (rc == ERR_OK && n == 0) {
		rc = err_set(err, ERR_INVALID, "it holds no certificate");
	}
	if (rc == ERR_OK) {
		rc = secret_resolve_whole(&ctx, &spec->key, &scope, id->name, &encoded, err);
	}
	if (rc == ERR_OK) {
		rc = key_decode(secret_view(&encoded), /* password= */ NULL, ret_key, err);
	}
	if (rc != ERR_OK) {
		return err_wrap(err, "adopting %s", spec->certificate.s);
	}
	*ret = chain_without_root((struct chain){ .v = v, .n = n });
	return ERR_OK;
}

/* From what `import` sealed. */
static enum err_code pair_imported(struct engine *e, struct pass *p, const struct identity *id,
                                   struct chain *ret, struct secret *ret_key, struct err *err)
{
	const struct scope scope = { .target = id->target, .host = id->host };
	const char *name = NULL;

	enum err_code rc =
		expand_text(id->def->shared->adopt->imported.s, &scope, &p->arena, &name, err);
	if (rc != ERR_OK) {
		return rc;
	}
	const struct imported_memory *im = memory_imported(p->memory, name);
	if (im == NULL) {
		return err_set(err, ERR_NOT_FOUND, "nothing was imported as '%s'", name);
	}
	const struct cert **v = ARENA_ARRAY(&p->arena, const struct cert *, im->chain.n);
	for (size_t i = 0; v != NULL && i < im->chain.n; i++) {
		v[i] = seen_cert_parse(im->chain.v[i], &p->arena);
		if (v[i] == NULL) {
			return err_set(err, ERR_INVALID, "imported '%s': damaged certificate",
			               name);
		}
	}
	if (v == NULL) {
		return err_nomem(err);
	}
	*ret = (struct chain){ .v = v, .n = im->chain.n };
	return store_imported_key(e->store, name, ret_key, err);
}

static enum err_code find_pair(struct engine *e, struct pass *p, const struct action *a,
                               struct chain *ret, struct secret *ret_key, struct err *err)
{
	const struct adopt_spec *spec = a->identity->def->shared->adopt;

	if (a->store != NULL) {
		return pair_in_store(e, p, a, ret, ret_key, err);
	}
	return spec != NULL && spec->imported.s != NULL
	               ? pair_imported(e, p, a->identity, ret, ret_key, err)
	               : pair_by_reference(e, p, a->identity, ret, ret_key, err);
}

enum err_code adopt_identity(struct engine *e, struct pass *p, const struct action *a,
                             struct fresh *ret, struct err *err)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	struct chain chain = { 0 };
	const char *issuer = "";
	int generation = 0;
	int revision = 0;

	enum err_code rc = find_pair(e, p, a, &chain, &key, err);
	if (rc == ERR_OK) {
		rc = check_pin(a, secret_view(&key), chain.v[0], err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	find_issuer(p, chain.v[0], &issuer, &generation);
	struct adoption pair = { .identity = a->identity->name,
		                 .chain = chain,
		                 .pkcs8 = &key,
		                 .issuer = issuer,
		                 .issuer_generation = generation,
		                 .renew = a->identity->def->shared->renew };
	rc = store_identity_adopt(e->store, &pair, &revision, err);
	if (rc == ERR_OK) {
		*ret = (struct fresh){ .identity = a->identity,
			               .revision = revision,
			               .chain = chain };
	}
	return rc;
}

/* Has it in the state, key and all? What is there under another key was not adopted from it. */
static bool has_taken(const struct identity_memory *m, const struct imported_memory *im)
{
	for (size_t i = 0; m != NULL && im->chain.n > 0 && i < m->n_revisions; i++) {
		const struct held *h = &m->revisions[i];

		if (h->has_key && h->chain.n > 0 &&
		    memcmp(h->chain.v[0]->spki_sha256, im->chain.v[0]->spki_sha256, SHA256_BYTES) ==
		            0) {
			return true;
		}
	}
	return false;
}

/* Of those who name it, has one taken it, and does nobody wait for it? */
static enum err_code is_settled(const struct engine *e, const struct pass *p,
                                const struct imported_memory *im, struct arena *scratch, bool *ret,
                                struct err *err)
{
	bool taken = false;

	*ret = false;
	for (size_t i = 0; i < e->desired->n_identities; i++) {
		const struct identity *id = &e->desired->identities[i];
		const struct scope scope = { .target = id->target, .host = id->host };
		const char *name = NULL;

		if (id->def->shared->adopt == NULL || id->def->shared->adopt->imported.s == NULL) {
			continue;
		}
		enum err_code rc = expand_text(id->def->shared->adopt->imported.s, &scope, scratch,
		                               &name, err);
		if (rc != ERR_OK) {
			return rc;
		}
		if (str_equal(name, im->name)) {
			if (!has_taken(memory_identity(p->memory, id->name), im)) {
				return ERR_OK;
			}
			taken = true;
		}
	}
	*ret = taken;
	return ERR_OK;
}

enum err_code imports_settle(struct engine *e, const struct pass *p, struct err *err)
{
	CLEANUP(arena_release) struct arena scratch = { 0 };
	enum err_code rc = ERR_OK;

	if (e->store == NULL || e->read_only) {
		return ERR_OK;
	}
	arena_init(&scratch);
	for (size_t i = 0; rc == ERR_OK && i < p->memory->n_imported; i++) {
		const struct imported_memory *im = &p->memory->imported[i];
		bool settled = false;

		rc = is_settled(e, p, im, &scratch, &settled, err);
		if (rc == ERR_OK && settled) {
			rc = store_imported_forget(e->store, im->name, err);
			/* An operator was faster. */
			if (rc == ERR_NOT_FOUND) {
				err_clear(err);
				rc = ERR_OK;
			}
		}
	}
	return rc;
}
