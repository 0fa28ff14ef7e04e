/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pkcs12.c - the table, and the life of a store.
 */
#include <stdlib.h>

#include "providers/keystores/p12_store.h"

struct p12 *p12_of(struct keystore *ks)
{
	return CONTAINER_OF(ks, struct p12, base);
}

const struct p12 *p12_of_const(const struct keystore *ks)
{
	return (const struct p12 *)(const void *)ks; /* base is the first member */
}

enum err_code p12_new(struct p12 **ret, struct err *err)
{
	struct p12 *p12 = malloc(sizeof(*p12));

	if (p12 == NULL) {
		return err_nomem(err);
	}
	*p12 = (struct p12){ .base.ops = &keystore_pkcs12 };
	arena_init(&p12->arena);
	arena_init(&p12->model);
	map_init(&p12->names);
	map_init(&p12->issuers);
	*ret = p12;
	return ERR_OK;
}

static void safe_release(struct p12_safe *safe)
{
	for (size_t k = 0; k < safe->n; k++) {
		secret_release(&safe->bags[k].plain);
		secret_release(&safe->bags[k].own);
	}
	free(safe->bags);
	p12_opened_release(&safe->opened);
	secret_release(&safe->plain);
	secret_release(&safe->normal);
}

void p12_free(struct p12 *p12)
{
	if (p12 == NULL) {
		return;
	}
	for (size_t i = 0; i < p12->n; i++) {
		safe_release(&p12->safes[i]);
	}
	free(p12->safes);
	secret_release(&p12->file);
	secret_release(&p12->normal_file);
	secret_release(&p12->normal_auth);
	secret_release(&p12->store_password);
	secret_release(&p12->key_password);
	map_release(&p12->names);
	map_release(&p12->issuers);
	arena_release(&p12->model);
	arena_release(&p12->arena);
	free(p12);
}

void cleanup_p12(struct p12 **p12)
{
	p12_free(*p12);
}

struct p12_safe *p12_safe_insert(struct p12 *p12, size_t at)
{
	if (p12->n == p12->cap) {
		size_t cap = p12->cap == 0 ? 4 : p12->cap * 2;
		struct p12_safe *grown = reallocarray(p12->safes, cap, sizeof(*grown));

		if (grown == NULL) {
			return NULL;
		}
		p12->safes = grown;
		p12->cap = cap;
	}
	memmove(&p12->safes[at + 1], &p12->safes[at], (p12->n - at) * sizeof(*p12->safes));
	p12->safes[at] = (struct p12_safe){ 0 };
	p12->n++;
	return &p12->safes[at];
}

bool p12_bags_reserve(struct p12_safe *safe, size_t n)
{
	safe->bags = reallocarray(/* ptr= */ NULL, n + 1, sizeof(*safe->bags));
	safe->cap = safe->bags == NULL ? 0 : n + 1;
	return safe->bags != NULL;
}

struct p12_bag *p12_bag_insert(struct p12_safe *safe, size_t at)
{
	if (safe->n == safe->cap) {
		size_t cap = safe->cap == 0 ? 8 : safe->cap * 2;
		struct p12_bag *grown = reallocarray(safe->bags, cap, sizeof(*grown));

		if (grown == NULL) {
			return NULL;
		}
		safe->bags = grown;
		safe->cap = cap;
	}
	memmove(&safe->bags[at + 1], &safe->bags[at], (safe->n - at) * sizeof(*safe->bags));
	safe->bags[at] = (struct p12_bag){ 0 };
	safe->n++;
	return &safe->bags[at];
}

void p12_bag_erase(struct p12_safe *safe, size_t at)
{
	secret_release(&safe->bags[at].plain);
	secret_release(&safe->bags[at].own);
	safe->n--;
	memmove(&safe->bags[at], &safe->bags[at + 1], (safe->n - at) * sizeof(*safe->bags));
}

/* SEQUENCE { INTEGER 3, SEQUENCE ...: whatever the lengths look like. */
static bool p12_recognises(struct bytes file)
{
	static const uint8_t version[] = { DER_INTEGER, 1, 3, DER_SEQUENCE };
	size_t at = 2;

	if (file.n < 2 || file.p[0] != DER_SEQUENCE) {
		return false;
	}
	if (file.p[1] > 0x80) {
		at += file.p[1] & 0x7f;
	}
	return at + sizeof(version) <= file.n && memcmp(file.p + at, version, sizeof(version)) == 0;
}

static enum err_code p12_create(struct keystore **ret, struct err *err)
{
	struct p12 *p12 = NULL;
	enum err_code rc = p12_new(&p12, err);

	if (rc == ERR_OK) {
		*ret = &p12->base;
	}
	return rc;
}

static size_t p12_count(const struct keystore *ks)
{
	return p12_of_const(ks)->n_entries;
}

static void p12_entry(const struct keystore *ks, size_t i, struct keystore_entry *ret)
{
	const struct p12_entry *e = &p12_of_const(ks)->entries[i];

	*ret = (struct keystore_entry){ .alias = e->alias,
		                        .folded = e->folded,
		                        .kind = e->kind,
		                        .created_ms = e->created_ms,
		                        .chain = e->chain,
		                        .n_chain = e->n_chain,
		                        .warnings = e->warnings };
}

static unsigned p12_warnings(const struct keystore *ks)
{
	return p12_of_const(ks)->warnings;
}

static const char *p12_profile(const struct keystore *ks)
{
	const struct p12_profile *profile = p12_profile_of(p12_of_const(ks));

	return profile == NULL ? "custom" : profile->word;
}

static enum err_code p12_key(const struct keystore *ks, size_t i, struct secret *ret,
                             struct err *err)
{
	const struct p12_entry *e = &p12_of_const(ks)->entries[i];
	struct bytes key = e->bag->payload;

	if (e->kind != KS_KEY) {
		return err_set(err, ERR_INVALID, "entry '%s' holds no private key", e->alias);
	}
	if (e->bag->type == P12_SHROUDED) {
		if (!e->bag->opened) {
			return err_set(err, ERR_DENIED,
			               "the key password does not open the key of entry '%s'",
			               e->alias);
		}
		key = secret_view(&e->bag->plain);
	}
	return secret_set(ret, key.p, key.n) < 0 ? err_nomem(err) : ERR_OK;
}

static void p12_close(struct keystore *ks)
{
	p12_free(ks == NULL ? NULL : p12_of(ks));
}

static const char *const p12_suffixes[] = { "", NULL };

const struct keystore_ops keystore_pkcs12 = {
	.version = KEYSTORE_OPS_VERSION,
	.type = "pkcs12",
	.has_aliases = true,
	.has_password = true,
	.suffixes = p12_suffixes,
	.recognises = p12_recognises,
	.decode = p12_decode,
	.create = p12_create,
	.count = p12_count,
	.entry = p12_entry,
	.warnings = p12_warnings,
	.profile = p12_profile,
	.key = p12_key,
	.set_key = p12_set_key,
	.set_trusted = p12_set_trusted,
	.remove = p12_remove,
	.rename = p12_rename,
	.set_key_password = p12_set_key_password,
	.secret = p12_secret,
	.set_secret = p12_set_secret,
	.encode = p12_encode,
	.facts = p12_facts,
	.close = p12_close,
};
