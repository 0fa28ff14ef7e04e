/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flat_edit.c - a new key comes first and its chain behind it: what servers and appliances that
 * read one block and stop expect.
 */
#include "providers/keystores/flat.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/key.h"

/* The key and its chain go. In a format with the key in a file of its own, a certificate whose key
 * is missing was a leaf all the same. */
static void drop_key(struct flat *flat)
{
	bool key_dropped = false;

	for (size_t i = 0; i < flat->n;) {
		struct flat_item *item = &flat->items[i];

		if (item->in_chain || (item->kind == FLAT_KEY && !key_dropped)) {
			key_dropped = key_dropped || item->kind == FLAT_KEY;
			flat_erase(flat, i);
		} else {
			i++;
		}
	}
}

static bool has_key(const struct flat *flat)
{
	for (size_t i = 0; i < flat->n; i++) {
		if (flat->items[i].kind == FLAT_KEY) {
			return true;
		}
	}
	return false;
}

static void drop_orphaned_leaf(struct flat *flat)
{
	if (flat->base.ops->suffixes[1] == NULL || has_key(flat) || flat->n == 0 ||
	    flat->items[0].kind != FLAT_CERT || flat->items[0].cert.is_ca) {
		return;
	}
	struct ks_cert child = flat->items[0].cert;
	flat_erase(flat, 0);
	for (size_t i = 0; i < flat->n;) {
		const struct ks_cert *cert = &flat->items[i].cert;

		if (flat->items[i].kind == FLAT_CERT && !cert->self_issued &&
		    ks_cert_issued_by(&child, cert) != 0) {
			child = *cert;
			flat_erase(flat, i);
			i = 0;
		} else {
			i++;
		}
	}
}

/* SIZE_MAX: not there. */
static size_t find_cert(const struct flat *flat, struct bytes der)
{
	for (size_t i = 0; i < flat->n; i++) {
		if (flat->items[i].kind == FLAT_CERT && bytes_equal(flat->items[i].cert.der, der)) {
			return i;
		}
	}
	return SIZE_MAX;
}

static enum err_code insert_cert(struct flat *flat, size_t at, struct bytes der, struct err *err)
{
	struct flat_item *item = flat_insert(flat, at);

	return item == NULL ? err_nomem(err) : flat_fill_cert(flat, item, der, err);
}

/* The chain at the front. A root that is there already stays where it is. */
static enum err_code insert_chain(struct flat *flat, const struct bytes *chain, size_t n,
                                  struct err *err)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		size_t there = find_cert(flat, chain[i]);

		if (there != SIZE_MAX && flat->items[there].cert.self_issued && i > 0) {
			continue;
		}
		if (there != SIZE_MAX) {
			flat_erase(flat, there);
			at -= there < at;
		}
		enum err_code rc = insert_cert(flat, at++, chain[i], err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return ERR_OK;
}

static enum err_code check_key(const struct secret *pkcs8, struct err *err)
{
	if (!ks_is_sequence(secret_view(pkcs8))) {
		return err_set(err, ERR_INVALID, "the private key is not PKCS#8");
	}
	return ERR_OK;
}

/* As many parameters as the contract has. NOLINTNEXTLINE(readability-function-size) */
enum err_code flat_set_key(struct keystore *ks, const char *alias, const struct secret *pkcs8,
                           const struct bytes *chain, size_t n_chain, int64_t created_ms,
                           struct err *err)
{
	struct flat *flat = flat_of(ks);
	CLEANUP(secret_release) struct secret key = { 0 };
	struct bytes *copy = NULL;
	enum err_code rc = check_key(pkcs8, err);

	(void)alias; /* there is one key, and no place for a date */
	(void)created_ms;
	if (rc == ERR_OK) {
		rc = ks_chain_copy(&flat->arena, chain, n_chain, &copy, err);
	}
	if (rc == ERR_OK && secret_set(&key, pkcs8->p, pkcs8->n) < 0) {
		rc = err_nomem(err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	flat->edited = true;
	drop_orphaned_leaf(flat);
	drop_key(flat);
	rc = insert_chain(flat, copy, n_chain, err);
	struct flat_item *item = rc == ERR_OK ? flat_insert(flat, 0) : NULL;
	if (item == NULL) {
		return rc == ERR_OK ? err_nomem(err) : rc;
	}
	*item = (struct flat_item){ .kind = FLAT_KEY, .key = key, .opened = true };
	key = (struct secret){ 0 };
	return flat_model_build(flat, err);
}

static size_t find_trusted(const struct flat *flat, const char *folded)
{
	const struct flat_entry *e = flat_find_trusted(flat, folded);

	return e == NULL ? SIZE_MAX : e->item;
}

/* Asked for each of ten thousand: by its alias first. One of the same alias and other octets must
 * have been made for it. */
static bool holds_cert(const struct flat *flat, struct bytes der)
{
	char alias[FLAT_ALIAS_TEXT];

	flat_alias_of(der, alias);
	size_t at = find_trusted(flat, alias);
	if (at != SIZE_MAX) {
		return bytes_equal(flat->items[at].cert.der, der) ||
		       find_cert(flat, der) != SIZE_MAX;
	}
	const struct keystore_entry *key = &flat->entries[0].entry;
	for (size_t i = 0; flat->n_entries != 0 && i < key->n_chain; i++) {
		if (bytes_equal(key->chain[i], der)) {
			return true;
		}
	}
	return false;
}

/* A model of as many entries as there are is not built for each that comes. */
static enum err_code append_cert(struct flat *flat, struct bytes der, struct err *err)
{
	const struct flat_item *before = flat->items;
	enum err_code rc = insert_cert(flat, flat->n, der, err);

	if (rc != ERR_OK) {
		return rc;
	}
	/* Entries point into the items: have these moved? */
	bool stayed = before == flat->items;
	return stayed && flat_model_append(flat) ? ERR_OK : flat_model_build(flat, err);
}

enum err_code flat_set_trusted(struct keystore *ks, const char *alias, struct bytes cert,
                               int64_t created_ms, struct err *err)
{
	struct flat *flat = flat_of(ks);
	CLEANUP(cleanup_free) char *folded = alias_fold(alias);
	struct bytes *copy = NULL;

	(void)created_ms;
	if (folded == NULL) {
		return err_nomem(err);
	}
	enum err_code rc = ks_chain_copy(&flat->arena, &cert, 1, &copy, err);
	if (rc == ERR_OK && flat->stale) {
		rc = flat_model_build(flat, err);
	}
	if (rc != ERR_OK || holds_cert(flat, cert)) {
		return rc;
	}
	if (flat->n >= KS_ENTRIES_MAX) {
		return err_set(err, ERR_INVALID, "more than 100,000 entries in one store");
	}
	flat->edited = true;
	size_t at = find_trusted(flat, folded);
	if (at == SIZE_MAX) {
		return append_cert(flat, copy[0], err);
	}
	flat_erase(flat, at);
	rc = insert_cert(flat, at, copy[0], err);
	return rc == ERR_OK ? flat_model_build(flat, err) : rc;
}

enum err_code flat_remove(struct keystore *ks, const char *alias, struct err *err)
{
	struct flat *flat = flat_of(ks);
	CLEANUP(cleanup_free) char *folded = alias_fold(alias);

	if (folded == NULL) {
		return err_nomem(err);
	}
	flat->edited = true;
	if (folded[0] == '\0') {
		if (!has_key(flat)) {
			return err_set(err, ERR_NOT_FOUND, "no private key in the store");
		}
		drop_key(flat);
		return flat_model_build(flat, err);
	}
	size_t at = find_trusted(flat, folded);
	if (at == SIZE_MAX) {
		return err_set(err, ERR_NOT_FOUND, "no certificate '%s'", alias);
	}
	while (at != SIZE_MAX) { /* it may be there twice */
		flat_erase(flat, at);
		enum err_code rc = flat_model_build(flat, err);
		if (rc != ERR_OK) {
			return rc;
		}
		at = find_trusted(flat, folded);
	}
	return ERR_OK;
}
