/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jks.c - Java's own keystore, version 1 and 2.
 *
 * The order of entries in the file is that of a Java hash table and means nothing; it is kept
 * anyway, because an edit of ours shall show in a binary comparison as that edit.
 */
#include <stdlib.h>

#include "providers/keystores/jks_store.h"
#include "providers/keystores/kstext.h"
#include "reconciler/base/map.h"
#include "reconciler/base/str.h"

struct jks *jks_of(struct keystore *ks)
{
	return CONTAINER_OF(ks, struct jks, base);
}

const struct jks *jks_of_const(const struct keystore *ks)
{
	return (const struct jks *)(const void *)ks; /* base is the first member */
}

enum err_code jks_new(struct jks **ret, struct err *err)
{
	struct jks *jks = malloc(sizeof(*jks));

	if (jks == NULL) {
		return err_nomem(err);
	}
	*jks = (struct jks){ .base.ops = &keystore_jks, .version = 2 };
	arena_init(&jks->arena);
	*ret = jks;
	return ERR_OK;
}

void jks_free(struct jks *jks)
{
	if (jks == NULL) {
		return;
	}
	for (size_t i = 0; i < jks->n; i++) {
		secret_release(&jks->entries[i].key);
	}
	free(jks->entries);
	secret_release(&jks->file);
	secret_release(&jks->key_password);
	arena_release(&jks->arena);
	free(jks);
}

void cleanup_jks(struct jks **jks)
{
	jks_free(*jks);
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
	secret_release(&jks->entries[at].key);
	jks->n--;
	memmove(&jks->entries[at], &jks->entries[at + 1], (jks->n - at) * sizeof(*jks->entries));
}

void jks_mark_duplicates(struct jks *jks)
{
	struct map seen;

	map_init(&seen);
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

static bool jks_recognises(struct bytes file)
{
	/* JCEKS too: decode has the sentence that explains the refusal. */
	return file.n >= 4 && (memcmp(file.p, "\xfe\xed\xfe\xed", 4) == 0 ||
	                       memcmp(file.p, "\xce\xce\xce\xce", 4) == 0);
}

static enum err_code jks_create(struct keystore **ret, struct err *err)
{
	struct jks *jks = NULL;
	enum err_code rc = jks_new(&jks, err);

	if (rc == ERR_OK) {
		*ret = &jks->base;
	}
	return rc;
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

/* Tag, alias, date. */
static enum err_code build_head(struct jks *jks, struct jks_entry *e, struct err *err)
{
	CLEANUP(buf_release) struct buf wide = { 0 };
	CLEANUP(buf_release) struct buf alias = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };

	buf_init(&wide, KEYSTORE_FILE_LIMIT);
	buf_init(&alias, KEYSTORE_FILE_LIMIT);
	buf_init(&out, KEYSTORE_FILE_LIMIT);
	if (!utf16be_from_utf8(bytes_of_str(e->folded), &wide)) {
		return err_set(err, ERR_INVALID, "the alias is not valid UTF-8");
	}
	mutf8_from_utf16be(buf_view(&wide), &alias);
	if (alias.len > UINT16_MAX) {
		return err_set(err, ERR_INVALID, "an alias of %zu bytes; JKS allows 65535",
		               alias.len);
	}
	buf_add_u32be(&out, e->kind == KS_KEY ? 1 : 2);
	buf_add_u16be(&out, (uint16_t)alias.len);
	buf_add_bytes(&out, buf_view(&alias));
	buf_add_u64be(&out, (uint64_t)e->created_ms);
	e->head = arena_bytes(&jks->arena, buf_view(&out));
	return buf_failed(&wide) || buf_failed(&alias) || buf_failed(&out) ? err_nomem(err)
	                                                                   : ERR_OK;
}

static enum err_code build_tail(struct jks *jks, struct jks_entry *e, struct err *err)
{
	CLEANUP(buf_release) struct buf out = { 0 };

	buf_init(&out, KEYSTORE_FILE_LIMIT);
	if (e->kind == KS_KEY) {
		buf_add_u32be(&out, (uint32_t)e->n_chain);
	}
	for (size_t i = 0; i < e->n_chain; i++) {
		if (jks->version == 2) {
			buf_add_u16be(&out, 5);
			buf_add_str(&out, "X.509");
		}
		buf_add_u32be(&out, (uint32_t)e->chain[i].n);
		buf_add_bytes(&out, e->chain[i]);
	}
	e->tail = arena_bytes(&jks->arena, buf_view(&out));
	return buf_check(&out, "a JKS entry", err);
}

static enum err_code build(struct jks *jks, struct jks_entry *e, const char *alias,
                           const struct bytes *chain, struct err *err)
{
	struct bytes *copy = NULL;

	e->folded = ks_fold(&jks->arena, alias);
	e->alias = e->folded;
	if (e->folded == NULL) {
		return err_nomem(err);
	}
	enum err_code rc = ks_chain_copy(&jks->arena, chain, e->n_chain, &copy, err);
	e->chain = copy;
	if (rc == ERR_OK) {
		rc = build_head(jks, e, err);
	}
	if (rc == ERR_OK) {
		rc = build_tail(jks, e, err);
	}
	return rc == ERR_OK && arena_failed(&jks->arena) ? err_nomem(err) : rc;
}

/* Drop every entry of that alias; the place of the first, or the end. */
static size_t drop(struct jks *jks, const char *folded)
{
	size_t place = SIZE_MAX;

	for (size_t i = jks->n; i-- > 0;) {
		if (str_equal(jks->entries[i].folded, folded)) {
			jks_erase(jks, i);
			place = i;
		}
	}
	return place == SIZE_MAX ? jks->n : place;
}

/* `e` is complete: from here on only memory can fail, and before anything is dropped. */
static enum err_code replace(struct jks *jks, struct jks_entry *e, struct err *err)
{
	if (jks->n == KS_ENTRIES_MAX) {
		return err_set(err, ERR_INVALID, "more than 100,000 entries in one JKS store");
	}
	if (jks_insert(jks, jks->n) == NULL) {
		return err_nomem(err);
	}
	jks->n--;
	struct jks_entry *place = jks_insert(jks, drop(jks, e->folded));
	*place = *e;
	e->key = (struct secret){ 0 };
	return ERR_OK;
}

/* As many parameters as the contract has. NOLINTNEXTLINE(readability-function-size) */
static enum err_code jks_set_key(struct keystore *ks, const char *alias, const struct secret *pkcs8,
                                 const struct bytes *chain, size_t n_chain, int64_t created_ms,
                                 struct err *err)
{
	struct jks *jks = jks_of(ks);
	struct jks_entry e = {
		.kind = KS_KEY, .created_ms = created_ms, .n_chain = n_chain, .opened = true
	};

	if (!ks_is_sequence(secret_view(pkcs8))) {
		return err_set(err, ERR_INVALID, "the private key is not PKCS#8");
	}
	enum err_code rc = build(jks, &e, alias, chain, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (secret_set(&e.key, pkcs8->p, pkcs8->n) < 0) {
		return err_nomem(err);
	}
	rc = replace(jks, &e, err);
	secret_release(&e.key);
	return rc;
}

static enum err_code jks_set_trusted(struct keystore *ks, const char *alias, struct bytes cert,
                                     int64_t created_ms, struct err *err)
{
	struct jks *jks = jks_of(ks);
	struct jks_entry e = { .kind = KS_TRUSTED, .created_ms = created_ms, .n_chain = 1 };
	enum err_code rc = build(jks, &e, alias, &cert, err);

	return rc == ERR_OK ? replace(jks, &e, err) : rc;
}

static enum err_code jks_remove(struct keystore *ks, const char *alias, struct err *err)
{
	struct jks *jks = jks_of(ks);
	CLEANUP(cleanup_free) char *folded = alias_fold(alias);
	size_t before = jks->n;

	if (folded == NULL) {
		return err_nomem(err);
	}
	(void)drop(jks, folded);
	return jks->n == before ? err_set(err, ERR_NOT_FOUND, "no entry '%s'", alias) : ERR_OK;
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
	.rename = ks_no_rename,
	.set_key_password = ks_no_key_password,
	.secret = ks_no_secret,
	.set_secret = ks_no_set_secret,
	.encode = jks_encode,
	.facts = ks_no_facts,
	.close = jks_close,
};
