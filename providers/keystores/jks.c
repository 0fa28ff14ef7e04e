/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jks.c - Java's own keystores, JKS and JCEKS, version 1 and 2: the tables, and the life of a
 * store.
 *
 * The order of entries in the file is that of a Java hash table and means nothing; it is kept
 * anyway, because an edit of ours shall show in a binary comparison as that edit.
 */
#include <stdlib.h>

#include "providers/keystores/jks_store.h"
#include "reconciler/base/str.h"

struct jks *jks_of(struct keystore *ks)
{
	return CONTAINER_OF(ks, struct jks, base);
}

const struct jks *jks_of_const(const struct keystore *ks)
{
	return (const struct jks *)(const void *)ks; /* base is the first member */
}

enum err_code jks_new(const struct keystore_ops *ops, struct jks **ret, struct err *err)
{
	struct jks *jks = malloc(sizeof(*jks));

	if (jks == NULL) {
		return err_nomem(err);
	}
	*jks = (struct jks){ .base.ops = ops,
		             .version = 2,
		             .magic = ops == &keystore_jceks ? JCEKS_MAGIC : JKS_MAGIC };
	arena_init(&jks->arena);
	map_init(&jks->names);
	*ret = jks;
	return ERR_OK;
}

void jks_entry_release(struct jks_entry *e)
{
	secret_release(&e->key);
	secret_release(&e->own);
}

void jks_free(struct jks *jks)
{
	if (jks == NULL) {
		return;
	}
	for (size_t i = 0; i < jks->n; i++) {
		jks_entry_release(&jks->entries[i]);
	}
	free(jks->entries);
	secret_release(&jks->file);
	secret_release(&jks->store_password);
	secret_release(&jks->key_password);
	map_release(&jks->names);
	arena_release(&jks->arena);
	free(jks);
}

void cleanup_jks(struct jks **jks)
{
	jks_free(*jks);
}

bool jks_reserve(struct jks *jks, size_t n)
{
	jks->entries = reallocarray(/* ptr= */ NULL, n + 1, sizeof(*jks->entries));
	jks->cap = jks->entries == NULL ? 0 : n + 1;
	return jks->entries != NULL;
}

struct jks_entry *jks_insert(struct jks *jks, size_t at)
{
	if (jks->n == jks->cap) {
		size_t cap = jks->cap == 0 ? 16 : jks->cap * 2;
		struct jks_entry *grown = reallocarray(jks->entries, cap, sizeof(*grown));

		if (grown == NULL) {
			return NULL;
		}
		jks->entries = grown;
		jks->cap = cap;
	}
	memmove(&jks->entries[at + 1], &jks->entries[at], (jks->n - at) * sizeof(*jks->entries));
	jks->entries[at] = (struct jks_entry){ 0 };
	jks->n++;
	return &jks->entries[at];
}

void jks_erase(struct jks *jks, size_t at)
{
	jks_entry_release(&jks->entries[at]);
	jks->n--;
	memmove(&jks->entries[at], &jks->entries[at + 1], (jks->n - at) * sizeof(*jks->entries));
}

void jks_mark_duplicates(struct jks *jks)
{
	struct map seen;

	map_init(&seen);
	for (size_t i = 0; i < jks->n; i++) {
		jks->entries[i].warnings &= ~(unsigned)KS_WARN_DUPLICATE_ALIAS;
	}
	for (size_t i = 0; i < jks->n; i++) {
		struct jks_entry *e = &jks->entries[i];
		void *old = NULL;

		if (map_put_str(&seen, e->folded, e, &old) < 0) {
			break; /* a warning less is all that is lost */
		}
		if (old != NULL) {
			((struct jks_entry *)old)->warnings |= KS_WARN_DUPLICATE_ALIAS;
			e->warnings |= KS_WARN_DUPLICATE_ALIAS;
		}
	}
	map_release(&seen);
}

void jks_mark_mismatch(struct jks_entry *e)
{
	e->warnings &= ~(unsigned)KS_WARN_KEY_MISMATCH;
	if (e->kind == KS_KEY && e->opened && e->n_chain != 0 &&
	    ks_key_is_another(secret_view(&e->key), e->chain[0])) {
		e->warnings |= KS_WARN_KEY_MISMATCH;
	}
}

static bool jks_recognises(struct bytes file)
{
	return file.n >= 4 && memcmp(file.p, "\xfe\xed\xfe\xed", 4) == 0;
}

static bool jceks_recognises(struct bytes file)
{
	return file.n >= 4 && memcmp(file.p, "\xce\xce\xce\xce", 4) == 0;
}

static enum err_code create(const struct keystore_ops *ops, struct keystore **ret, struct err *err)
{
	struct jks *jks = NULL;
	enum err_code rc = jks_new(ops, &jks, err);

	if (rc == ERR_OK) {
		*ret = &jks->base;
	}
	return rc;
}

static enum err_code jks_create(struct keystore **ret, struct err *err)
{
	return create(&keystore_jks, ret, err);
}

static enum err_code jceks_create(struct keystore **ret, struct err *err)
{
	return create(&keystore_jceks, ret, err);
}

static struct bytes first(const struct bytes *parts, size_t n_parts)
{
	return n_parts == 0 ? bytes_of(NULL, 0) : parts[0];
}

static enum err_code jks_decode(const struct bytes *parts, size_t n_parts,
                                const struct keystore_passwords *pw, struct keystore **ret,
                                struct err *err)
{
	return jks_read(&keystore_jks, first(parts, n_parts), pw, ret, err);
}

static enum err_code jceks_decode(const struct bytes *parts, size_t n_parts,
                                  const struct keystore_passwords *pw, struct keystore **ret,
                                  struct err *err)
{
	return jks_read(&keystore_jceks, first(parts, n_parts), pw, ret, err);
}

static size_t jks_count(const struct keystore *ks)
{
	return jks_of_const(ks)->n;
}

static void jks_entry(const struct keystore *ks, size_t i, struct keystore_entry *ret)
{
	const struct jks_entry *e = &jks_of_const(ks)->entries[i];

	*ret = (struct keystore_entry){ .alias = e->alias,
		                        .folded = e->folded,
		                        .kind = e->kind,
		                        .created_ms = e->created_ms,
		                        .chain = e->chain,
		                        .n_chain = e->n_chain,
		                        .warnings = e->warnings };
}

static unsigned jks_warnings(const struct keystore *ks)
{
	return jks_of_const(ks)->warnings;
}

static const char *jks_profile(const struct keystore *ks)
{
	(void)ks;
	return NULL;
}

static enum err_code jks_key(const struct keystore *ks, size_t i, struct secret *ret,
                             struct err *err)
{
	const struct jks_entry *e = &jks_of_const(ks)->entries[i];

	if (e->kind != KS_KEY) {
		return err_set(err, ERR_INVALID, "entry '%s' holds no private key", e->alias);
	}
	if (!e->opened) {
		return err_set(err, ERR_DENIED,
		               "the key password does not open the key of entry '%s'", e->alias);
	}
	return secret_set(ret, e->key.p, e->key.n) < 0 ? err_nomem(err) : ERR_OK;
}

static void jks_close(struct keystore *ks)
{
	jks_free(ks == NULL ? NULL : jks_of(ks));
}

static const char *const jks_suffixes[] = { "", NULL };

const struct keystore_ops keystore_jks = {
	.version = KEYSTORE_OPS_VERSION,
	.type = "jks",
	.has_aliases = true,
	.has_password = true,
	.suffixes = jks_suffixes,
	.recognises = jks_recognises,
	.decode = jks_decode,
	.create = jks_create,
	.count = jks_count,
	.entry = jks_entry,
	.warnings = jks_warnings,
	.profile = jks_profile,
	.key = jks_key,
	.set_key = jks_set_key,
	.set_trusted = jks_set_trusted,
	.remove = jks_remove,
	.rename = jks_rename,
	.set_key_password = jks_set_key_password,
	.secret = ks_no_secret,
	.set_secret = ks_no_set_secret,
	.encode = jks_encode,
	.facts = jks_facts,
	.close = jks_close,
};

const struct keystore_ops keystore_jceks = {
	.version = KEYSTORE_OPS_VERSION,
	.type = "jceks",
	.has_aliases = true,
	.has_password = true,
	.suffixes = jks_suffixes,
	.recognises = jceks_recognises,
	.decode = jceks_decode,
	.create = jceks_create,
	.count = jks_count,
	.entry = jks_entry,
	.warnings = jks_warnings,
	.profile = jks_profile,
	.key = jks_key,
	.set_key = jks_set_key,
	.set_trusted = jks_set_trusted,
	.remove = jks_remove,
	.rename = jks_rename,
	.set_key_password = jks_set_key_password,
	.secret = jceks_secret,
	.set_secret = jceks_set_secret,
	.encode = jks_encode,
	.facts = jks_facts,
	.close = jks_close,
};
