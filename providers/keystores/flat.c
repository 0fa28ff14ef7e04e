/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flat.c - storage and entries of the formats without aliases.
 */
#include "providers/keystores/flat.h"

#include <stdlib.h>

#include "providers/keystores/p12_crypto.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/key.h"
#include "reconciler/pki/pkcs8.h"

struct flat *flat_of(struct keystore *ks)
{
	return CONTAINER_OF(ks, struct flat, base);
}

const struct flat *flat_of_const(const struct keystore *ks)
{
	return (const struct flat *)(const void *)ks; /* base is the first member */
}

enum err_code flat_new(const struct keystore_ops *ops, struct flat **ret, struct err *err)
{
	struct flat *flat = malloc(sizeof(*flat));

	if (flat == NULL) {
		return err_nomem(err);
	}
	*flat = (struct flat){ .base.ops = ops, .work = p12_limits.work };
	arena_init(&flat->arena);
	arena_init(&flat->model);
	map_init(&flat->trusted);
	*ret = flat;
	return ERR_OK;
}

void flat_close(struct keystore *ks)
{
	if (ks == NULL) {
		return;
	}
	struct flat *flat = flat_of(ks);
	for (size_t i = 0; i < flat->n; i++) {
		secret_release(&flat->items[i].key);
	}
	free(flat->items);
	for (size_t i = 0; i < FLAT_PARTS_MAX; i++) {
		secret_release(&flat->files[i]);
	}
	map_release(&flat->trusted);
	arena_release(&flat->model);
	arena_release(&flat->arena);
	free(flat);
}

void cleanup_flat(struct flat **flat)
{
	flat_close(*flat == NULL ? NULL : &(*flat)->base);
}

struct flat_item *flat_insert(struct flat *flat, size_t at)
{
	if (flat->n == flat->cap) {
		size_t cap = flat->cap == 0 ? 8 : flat->cap * 2;
		struct flat_item *grown = reallocarray(flat->items, cap, sizeof(*grown));

		if (grown == NULL) {
			return NULL;
		}
		flat->items = grown;
		flat->cap = cap;
	}
	memmove(&flat->items[at + 1], &flat->items[at], (flat->n - at) * sizeof(*flat->items));
	flat->items[at] = (struct flat_item){ 0 };
	flat->n++;
	flat->stale = true;
	return &flat->items[at];
}

void flat_erase(struct flat *flat, size_t at)
{
	secret_release(&flat->items[at].key);
	flat->n--;
	flat->stale = true;
	memmove(&flat->items[at], &flat->items[at + 1], (flat->n - at) * sizeof(*flat->items));
}

void flat_alias_of(struct bytes der, char ret[FLAT_ALIAS_TEXT])
{
	uint8_t sha256[SHA256_BYTES];

	pki_sha256(der.p, der.n, sha256);
	hex_encode(bytes_of(sha256, (FLAT_ALIAS_TEXT - 1) / 2), ret);
}

enum err_code flat_fill_cert(struct flat *flat, struct flat_item *item, struct bytes der,
                             struct err *err)
{
	char alias[FLAT_ALIAS_TEXT];

	item->kind = FLAT_CERT;
	if (!ks_cert_read(der, &item->cert)) {
		item->warnings |= KS_WARN_BAD_CERTIFICATE;
	}
	flat_alias_of(der, alias);
	item->alias = arena_str(&flat->arena, alias);
	return item->alias == NULL ? err_nomem(err) : ERR_OK;
}

static struct flat_item *the_key(const struct flat *flat)
{
	for (size_t i = 0; i < flat->n; i++) {
		if (flat->items[i].kind == FLAT_KEY) {
			return &flat->items[i];
		}
	}
	return NULL;
}

/* *ret_fits false: the key is known and none of the certificates is for it. */
static struct flat_item *leaf_of(const struct flat *flat, const struct flat_item *key,
                                 bool *ret_fits)
{
	CLEANUP(buf_release) struct buf spki = { 0 };
	struct flat_item *first = NULL;
	struct pkcs8_facts facts;

	buf_init(&spki, PKCS8_SPKI_MAX);
	bool known = key->opened &&
	             pkcs8_read(secret_view(&key->key), &facts, /* err= */ NULL) == ERR_OK &&
	             pkcs8_spki(&facts, &spki, /* err= */ NULL) == ERR_OK;
	for (size_t i = 0; i < flat->n; i++) {
		struct flat_item *item = &flat->items[i];

		if (item->kind != FLAT_CERT) {
			continue;
		}
		first = first == NULL ? item : first;
		if (known && item->cert.spki.n != 0 &&
		    spki_same_key(buf_view(&spki), item->cert.spki)) {
			*ret_fits = true;
			return item;
		}
	}
	*ret_fits = !known || first == NULL;
	return first;
}

/* A root above the leaf is left out: it is an anchor, and chains are compared without it. */
static struct flat_item *issuer_of(const struct flat *flat, const struct flat_item *child)
{
	struct flat_item *fallback = NULL;

	for (size_t i = 0; i < flat->n; i++) {
		struct flat_item *item = &flat->items[i];

		if (item->kind != FLAT_CERT || item->in_chain || item->cert.self_issued) {
			continue;
		}
		int fit = ks_cert_issued_by(&child->cert, &item->cert);
		if (fit == 2) {
			return item;
		}
		fallback = fit == 1 && fallback == NULL ? item : fallback;
	}
	return fallback;
}

static void add_entry(struct flat *flat, struct flat_item *item, enum keystore_entry_kind kind)
{
	struct flat_entry *e = &flat->entries[flat->n_entries++];

	*e = (struct flat_entry){ .item = (size_t)(item - flat->items) };
	e->entry = (struct keystore_entry){ .alias = kind == KS_TRUSTED ? item->alias : "",
		                            .kind = kind,
		                            .created_ms = -1,
		                            .warnings = item->warnings };
	e->entry.folded = e->entry.alias;
	if (kind == KS_TRUSTED) {
		e->entry.chain = &item->cert.der;
		e->entry.n_chain = 1;
	}
}

static bool add_key(struct flat *flat, struct flat_item *key)
{
	struct bytes *chain = ARENA_ARRAY(&flat->model, struct bytes, KS_CHAIN_MAX);
	bool fits = true;
	struct flat_item *item = leaf_of(flat, key, &fits);
	size_t n = 0;

	if (chain == NULL) {
		return false;
	}
	add_entry(flat, key, KS_KEY);
	struct keystore_entry *e = &flat->entries[flat->n_entries - 1].entry;
	e->warnings |= fits ? 0u : (unsigned)KS_WARN_KEY_MISMATCH;
	while (item != NULL && n < KS_CHAIN_MAX) {
		item->in_chain = true;
		e->warnings |= item->warnings;
		chain[n++] = item->cert.der;
		item = item->cert.self_issued ? NULL : issuer_of(flat, item);
	}
	e->chain = chain;
	e->n_chain = n;
	return true;
}

/* A bundle may hold a certificate twice; both are shown, both say so. */
static bool add_trusted(struct flat *flat, struct flat_item *item)
{
	struct flat_entry *e = &flat->entries[flat->n_entries];
	struct flat_entry *first = map_get_str(&flat->trusted, item->alias);

	add_entry(flat, item, KS_TRUSTED);
	if (first != NULL) {
		first->entry.warnings |= KS_WARN_DUPLICATE_ALIAS;
		e->entry.warnings |= KS_WARN_DUPLICATE_ALIAS;
		return true;
	}
	return map_put_str(&flat->trusted, item->alias, e, /* ret_old= */ NULL) == 0;
}

static bool add_items(struct flat *flat, const struct flat_item *key)
{
	for (size_t i = 0; i < flat->n; i++) {
		struct flat_item *item = &flat->items[i];

		if (item->kind == FLAT_CERT && !item->in_chain) {
			if (!add_trusted(flat, item)) {
				return false;
			}
		} else if (item->kind == FLAT_KEY && item != key) {
			add_entry(flat, item, KS_OPAQUE);
		}
	}
	return true;
}

enum err_code flat_model_build(struct flat *flat, struct err *err)
{
	struct flat_item *key = the_key(flat);

	arena_release(&flat->model);
	arena_init(&flat->model);
	map_release(&flat->trusted);
	flat->n_entries = 0;
	flat->stale = false;
	flat->cap_entries = flat->n + flat->n / 4 + 8; /* room to grow into */
	flat->entries = ARENA_ARRAY(&flat->model, struct flat_entry, flat->cap_entries);
	if (flat->entries == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < flat->n; i++) {
		flat->items[i].in_chain = false;
	}
	return (key == NULL || add_key(flat, key)) && add_items(flat, key) ? ERR_OK
	                                                                   : err_nomem(err);
}

/* May it be the leaf of the key, or an issuer in its chain? */
static bool concerns_key(const struct flat *flat, const struct ks_cert *cert)
{
	const struct keystore_entry *e = &flat->entries[0].entry;

	if (flat->n_entries == 0 || e->kind != KS_KEY) {
		return false;
	}
	if (e->n_chain == 0 || (e->warnings & KS_WARN_KEY_MISMATCH) != 0) {
		return true;
	}
	for (size_t i = 0; !cert->self_issued && i < e->n_chain; i++) {
		struct ks_cert child;

		if (ks_cert_read(e->chain[i], &child) && ks_cert_issued_by(&child, cert) != 0) {
			return true;
		}
	}
	return false;
}

bool flat_model_append(struct flat *flat)
{
	struct flat_item *last = &flat->items[flat->n - 1];

	if (flat->n_entries == flat->cap_entries || concerns_key(flat, &last->cert) ||
	    !add_trusted(flat, last)) {
		return false;
	}
	flat->stale = false;
	return true;
}

const struct flat_entry *flat_find_trusted(const struct flat *flat, const char *folded)
{
	return map_get_str(&flat->trusted, folded);
}

enum err_code flat_hand_over(struct flat **flat, struct keystore **ret, struct err *err)
{
	enum err_code rc = flat_model_build(*flat, err);

	if (rc == ERR_OK) {
		*ret = &TAKE_PTR(*flat)->base;
	}
	return rc;
}

enum err_code flat_hand_over_read(struct flat **flat, struct keystore **ret, struct err *err)
{
	enum err_code rc = flat_check_keys(*flat, err);

	return rc == ERR_OK ? flat_hand_over(flat, ret, err) : rc;
}

size_t flat_count(const struct keystore *ks)
{
	return flat_of_const(ks)->n_entries;
}

void flat_entry(const struct keystore *ks, size_t i, struct keystore_entry *ret)
{
	*ret = flat_of_const(ks)->entries[i].entry;
}

unsigned flat_warnings(const struct keystore *ks)
{
	(void)ks;
	return 0;
}

const char *flat_profile(const struct keystore *ks)
{
	(void)ks;
	return NULL;
}

enum err_code flat_key(const struct keystore *ks, size_t i, struct secret *ret, struct err *err)
{
	const struct flat *flat = flat_of_const(ks);
	const struct flat_item *item = &flat->items[flat->entries[i].item];

	if (item->kind != FLAT_KEY) {
		return err_set(err, ERR_INVALID, "a trusted certificate has no private key");
	}
	if (!item->opened) {
		return err_set(err, ERR_DENIED, "the key password does not open the private key");
	}
	return secret_set(ret, item->key.p, item->key.n) < 0 ? err_nomem(err) : ERR_OK;
}
