/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bcfks_read.c - the objects of a store whose integrity is known.
 *
 * BouncyCastle writes them in the order of a hash map, so they are sorted by alias here.
 */
#include <stdlib.h>

#include "providers/keystores/bcfks.h"
#include "providers/keystores/kscert.h"
#include "providers/keystores/p12_crypto.h"
#include "reconciler/base/str.h"

static enum err_code damaged(const char *what, struct err *err)
{
	return err_set(err, ERR_INVALID, "BCFKS store: %s", what);
}

static int64_t get_date(struct der *d)
{
	struct wall at;

	if (der_get_time(d, &at)) {
		return at.s * 1000;
	}
	(void)der_get_any(d, /* ret_tag= */ NULL, /* ret_content= */ NULL, /* ret_whole= */ NULL);
	return -1;
}

static enum err_code read_chain(struct arena *arena, struct der *d, struct bcfks_entry *e,
                                struct err *err)
{
	struct der list;
	struct bytes *chain = ARENA_ARRAY(arena, struct bytes, KS_CHAIN_MAX);
	struct bytes whole;

	if (chain == NULL) {
		return err_nomem(err);
	}
	if (!der_enter(d, DER_SEQUENCE, &list)) {
		return damaged("the chain of a key is missing", err);
	}
	while (e->n_chain < KS_CHAIN_MAX &&
	       der_get_any(&list, /* ret_tag= */ NULL, /* ret_content= */ NULL, &whole)) {
		struct ks_cert cert;

		e->warnings |= ks_cert_read(whole, &cert) ? 0u : (unsigned)KS_WARN_BAD_CERTIFICATE;
		chain[e->n_chain++] = whole;
	}
	e->chain = chain;
	return der_at_end(&list) ? ERR_OK : damaged("the chain of a key is malformed", err);
}

/* EncryptedPrivateKeyInfo, or EncryptedSecretKeyData, which looks the same. */
static bool read_sealed(struct der *d, struct bcfks_entry *e)
{
	struct der info;

	return der_enter(d, DER_SEQUENCE, &info) && der_peek(&info) == DER_SEQUENCE &&
	       der_get_any(&info, /* ret_tag= */ NULL, /* ret_content= */ NULL, &e->alg) &&
	       der_get(&info, DER_OCTET_STRING, &e->data);
}

static enum err_code read_data(struct arena *arena, struct bytes data, struct bcfks_entry *e,
                               struct err *err)
{
	struct der d = der_of(data);
	struct der seq;
	struct ks_cert cert;

	switch (e->type) {
	case BCFKS_CERTIFICATE: {
		struct bytes *one = ARENA_NEW(arena, struct bytes);
		if (one == NULL) {
			return err_nomem(err);
		}
		*one = data;
		e->chain = one;
		e->n_chain = 1;
		e->warnings |= ks_cert_read(data, &cert) ? 0u : (unsigned)KS_WARN_BAD_CERTIFICATE;
		return ERR_OK;
	}
	case BCFKS_PRIVATE_KEY:
	case BCFKS_PROTECTED_PRIVATE_KEY:
		return der_enter(&d, DER_SEQUENCE, &seq) && read_sealed(&seq, e)
		               ? read_chain(arena, &seq, e, err)
		               : damaged("a private key is malformed", err);
	case BCFKS_SECRET_KEY:
	case BCFKS_PROTECTED_SECRET_KEY:
		return read_sealed(&d, e) ? ERR_OK : damaged("a secret key is malformed", err);
	}
	return damaged("an object of a kind that is not known", err);
}

static enum err_code read_object(struct arena *arena, struct der *list, struct bcfks_entry *e,
                                 struct err *err)
{
	struct der object;
	uint64_t type;
	struct bytes alias;
	struct bytes data;

	if (!der_enter(list, DER_SEQUENCE, &object) || !der_get_u64(&object, &type) ||
	    type > BCFKS_PROTECTED_SECRET_KEY || !der_get(&object, DER_UTF8, &alias)) {
		return damaged("an object is malformed, or of a kind that is not known", err);
	}
	if (!str_is_utf8((const char *)alias.p, alias.n)) {
		return damaged("an alias is no text", err);
	}
	e->type = (enum bcfks_type)type;
	e->alias = arena_strn(arena, (const char *)alias.p, alias.n);
	(void)get_date(&object);
	e->created_ms = get_date(&object); /* the last change: what Java is told */
	if (e->alias == NULL) {
		return err_nomem(err);
	}
	return der_get(&object, DER_OCTET_STRING, &data)
	               ? read_data(arena, data, e, err)
	               : damaged("an object without its data", err);
}

enum err_code bcfks_open_entry(const struct bcfks *bc, const struct bcfks_entry *e, uint64_t *work,
                               struct secret *ret, struct err *err)
{
	bool secret = e->type == BCFKS_SECRET_KEY || e->type == BCFKS_PROTECTED_SECRET_KEY;
	struct bcfks_sealed sealed = { .alg = e->alg, .data = e->data };
	CLEANUP(secret_release) struct secret plain = { 0 };

	sealed.label = secret ? "SECRET_KEY_ENCRYPTION" : "PRIVATE_KEY_ENCRYPTION";
	enum err_code rc = bcfks_open(&sealed, bc->has_key_password ? &bc->key_password : NULL,
	                              work, &plain, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (!ks_is_sequence(secret_view(&plain))) {
		return err_set(err, ERR_DENIED, "the password does not open it");
	}
	*ret = plain;
	plain = (struct secret){ 0 };
	return ERR_OK;
}

/* The budget of a file may not reach for all of its keys: those that are left are opened when they
 * are asked for. */
static enum err_code open_key(const struct bcfks *bc, struct bcfks_entry *e, uint64_t *work,
                              struct err *err)
{
	struct ks_cert leaf;

	if (e->type == BCFKS_CERTIFICATE) {
		return ERR_OK;
	}
	enum err_code rc = bcfks_open_entry(bc, e, work, &e->key, /* err= */ NULL);
	if (rc == ERR_NOMEM) {
		return err_nomem(err);
	}
	e->opened = rc == ERR_OK;
	e->warnings |= rc == ERR_DENIED ? (unsigned)KS_WARN_KEY_UNREADABLE : 0u;
	if (e->opened && e->n_chain != 0 && ks_cert_read(e->chain[0], &leaf) &&
	    ks_key_fits(secret_view(&e->key), &leaf) == KS_FITS_NOT) {
		e->warnings |= KS_WARN_KEY_MISMATCH;
	}
	return ERR_OK;
}

static int by_alias(const void *a, const void *b)
{
	return strcmp(((const struct bcfks_entry *)a)->alias,
	              ((const struct bcfks_entry *)b)->alias);
}

static bool enter_objects(struct bytes plain, struct der *ret)
{
	struct der d = der_of(plain);
	struct der data;
	uint64_t version;

	if (!der_enter(&d, DER_SEQUENCE, &data) || !der_get_u64(&data, &version) || version != 1 ||
	    der_peek(&data) != DER_SEQUENCE ||
	    !der_get_any(&data, /* ret_tag= */ NULL, /* ret_content= */ NULL,
	                 /* ret_whole= */ NULL)) {
		return false;
	}
	(void)get_date(&data);
	(void)get_date(&data);
	return der_enter(&data, DER_SEQUENCE, ret);
}

enum err_code bcfks_read_objects(struct bcfks *bc, uint64_t *work, struct err *err)
{
	struct der list;
	struct der count;
	size_t n = 0;
	enum err_code rc = ERR_OK;

	if (!enter_objects(secret_view(&bc->plain), &list)) {
		return damaged("its contents are malformed", err);
	}
	for (count = list; der_get_any(&count, NULL, NULL, NULL);) {
		n++;
	}
	if (n > KS_ENTRIES_MAX || !der_at_end(&count)) {
		return damaged("its list of objects is malformed or too long", err);
	}
	bc->entries = ARENA_ARRAY(&bc->arena, struct bcfks_entry, n + 1);
	if (bc->entries == NULL) {
		return err_nomem(err);
	}
	while (rc == ERR_OK && bc->n < n) {
		rc = read_object(&bc->arena, &list, &bc->entries[bc->n++], err);
	}
	for (size_t i = 0; rc == ERR_OK && !bc->base.keys_closed && i < n; i++) {
		rc = open_key(bc, &bc->entries[i], work, err);
	}
	if (rc == ERR_OK) {
		qsort(bc->entries, bc->n, sizeof(*bc->entries), by_alias);
	}
	return rc;
}
