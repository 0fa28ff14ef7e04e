/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jks_edit.c - an edit makes new octets for the entry it names; all others stay the slices of the
 * file they are.
 */
#include "providers/keystores/jks_store.h"
#include "providers/keystores/kstext.h"
#include "reconciler/base/str.h"

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
		return err_set(err, ERR_INVALID, "an alias of %zu bytes; 65535 are allowed",
		               alias.len);
	}
	buf_add_u32be(&out, e->kind == KS_KEY ? 1 : e->kind == KS_TRUSTED ? 2 : 3);
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
	enum err_code rc = e->kind == KS_SECRET
	                           ? ERR_OK
	                           : ks_chain_copy(&jks->arena, chain, e->n_chain, &copy, err);
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

static bool note_name(struct jks *jks, const char *folded, size_t at, void **ret_old)
{
	return map_put_str(&jks->names, folded, (void *)(uintptr_t)(at + 1), ret_old) == 0;
}

/* Of each of ten thousand that are put into a store it is asked whether it is there. */
static bool note_names(struct jks *jks)
{
	for (size_t i = 0; !jks->has_names && i < jks->n; i++) {
		void *old = NULL;

		if (!note_name(jks, jks->entries[i].folded, i, &old)) {
			return false;
		}
		jks->twice = jks->twice || old != NULL;
	}
	jks->has_names = true;
	return true;
}

/* The only entry of that alias; the end, when there is none; SIZE_MAX: it has to be looked for,
 * because one was erased before it. */
static size_t known_place(const struct jks *jks, const char *folded)
{
	size_t place = (size_t)(uintptr_t)map_get_str(&jks->names, folded);

	if (place == 0) {
		return jks->n;
	}
	return !jks->twice && place <= jks->n && str_equal(jks->entries[place - 1].folded, folded)
	               ? place - 1
	               : SIZE_MAX;
}

/* `e` is complete: from here on only memory can fail, and before anything is dropped. */
static enum err_code replace(struct jks *jks, struct jks_entry *e, struct err *err)
{
	struct jks_entry *place;

	if (jks->n == KS_ENTRIES_MAX) {
		return err_set(err, ERR_INVALID, "more than 100,000 entries in one store");
	}
	if (!note_names(jks) || jks_insert(jks, jks->n) == NULL) {
		return err_nomem(err);
	}
	jks->n--;
	size_t at = known_place(jks, e->folded);
	if (!note_name(jks, e->folded, at == SIZE_MAX ? jks->n : at, /* ret_old= */ NULL)) {
		return err_nomem(err);
	}
	if (at < jks->n) {
		place = &jks->entries[at];
		jks_entry_release(place);
	} else {
		place = jks_insert(jks, at == SIZE_MAX ? drop(jks, e->folded) : at);
	}
	*place = *e;
	e->key = (struct secret){ 0 };
	e->own = (struct secret){ 0 };
	jks_mark_mismatch(place);
	return ERR_OK;
}

/* As many parameters as the contract has. NOLINTNEXTLINE(readability-function-size) */
enum err_code jks_set_key(struct keystore *ks, const char *alias, const struct secret *pkcs8,
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

enum err_code jks_set_trusted(struct keystore *ks, const char *alias, struct bytes cert,
                              int64_t created_ms, struct err *err)
{
	struct jks *jks = jks_of(ks);
	struct jks_entry e = { .kind = KS_TRUSTED, .created_ms = created_ms, .n_chain = 1 };
	enum err_code rc = build(jks, &e, alias, &cert, err);

	return rc == ERR_OK ? replace(jks, &e, err) : rc;
}

enum err_code jks_remove(struct keystore *ks, const char *alias, struct err *err)
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

/* The one Java sees: the last. NULL: none. */
static struct jks_entry *find(struct jks *jks, const char *folded)
{
	for (size_t i = jks->n; i-- > 0;) {
		if (str_equal(jks->entries[i].folded, folded)) {
			return &jks->entries[i];
		}
	}
	return NULL;
}

static enum err_code find_alias(struct jks *jks, const char *alias, struct jks_entry **ret,
                                struct err *err)
{
	CLEANUP(cleanup_free) char *folded = alias_fold(alias);

	if (folded == NULL) {
		return err_nomem(err);
	}
	struct jks_entry *e = find(jks, folded);
	if (e == NULL) {
		return err_set(err, ERR_NOT_FOUND, "no entry '%s'", alias);
	}
	*ret = e;
	return ERR_OK;
}

enum err_code jks_rename(struct keystore *ks, const char *from, const char *to, struct err *err)
{
	struct jks *jks = jks_of(ks);
	struct jks_entry *e = NULL;
	enum err_code rc = find_alias(jks, from, &e, err);

	if (rc != ERR_OK) {
		return rc;
	}
	struct jks_entry renamed = *e;
	renamed.folded = ks_fold(&jks->arena, to);
	renamed.alias = renamed.folded;
	if (renamed.folded == NULL) {
		return err_nomem(err);
	}
	const struct jks_entry *other = find(jks, renamed.folded);
	if (other != NULL && other != e) {
		return err_set(err, ERR_CONFLICT, "there is an entry '%s' already", renamed.folded);
	}
	rc = build_head(jks, &renamed, err);
	if (rc == ERR_OK && jks->has_names &&
	    !note_name(jks, renamed.folded, (size_t)(e - jks->entries), /* ret_old= */ NULL)) {
		rc = err_nomem(err);
	}
	if (rc == ERR_OK) {
		renamed.warnings &= ~(unsigned)KS_WARN_UNREACHABLE_ALIAS;
		*e = renamed;
		jks_mark_duplicates(jks);
	}
	return rc;
}

/* Open the key of `e` with `old`, unless it is open. */
static enum err_code open_with(struct jks_entry *e, const struct secret *old, struct err *err)
{
	CLEANUP(jks_password_release) struct jks_password pw = { 0 };
	CLEANUP(secret_release) struct secret key = { 0 };
	uint64_t work = jks_limits.work;

	if (e->sealed.n == 0 || (old == NULL && e->opened)) {
		return ERR_OK;
	}
	enum err_code rc = jks_password_init(&pw, old, err);
	if (rc == ERR_OK) {
		rc = jks_open(e, &pw, &work, &key, err);
	}
	if (rc == ERR_OK) {
		secret_release(&e->key);
		e->key = key;
		key = (struct secret){ 0 };
		e->opened = true;
		e->under_store = false;
		e->warnings &= ~(unsigned)KS_WARN_KEY_UNREADABLE;
		jks_mark_mismatch(e);
	}
	return rc;
}

enum err_code jks_set_key_password(struct keystore *ks, const char *alias, const struct secret *old,
                                   const struct secret *new_pw, struct err *err)
{
	CLEANUP(secret_release) struct secret copy = { 0 };
	struct jks_entry *e = NULL;
	enum err_code rc = find_alias(jks_of(ks), alias, &e, err);

	if (rc != ERR_OK) {
		return rc;
	}
	if (e->kind == KS_TRUSTED || new_pw == NULL) {
		return err_set(err, ERR_INVALID,
		               new_pw == NULL ? "the key of entry '%s' needs a password"
		                              : "entry '%s' holds no key",
		               alias);
	}
	if (secret_set(&copy, new_pw->p, new_pw->n) < 0) {
		return err_nomem(err);
	}
	rc = open_with(e, old, err);
	if (rc != ERR_OK) {
		(void)err_wrap(err, "entry '%s'", e->alias);
		return rc;
	}
	secret_release(&e->own);
	e->own = copy;
	copy = (struct secret){ 0 };
	e->has_own = true;
	return ERR_OK;
}

enum err_code jceks_set_secret(struct keystore *ks, const char *alias,
                               const struct keystore_secret_key *key, int64_t created_ms,
                               struct err *err)
{
	struct jks *jks = jks_of(ks);
	CLEANUP(jks_entry_release)
	struct jks_entry e = { .kind = KS_SECRET, .created_ms = created_ms, .opened = true };
	CLEANUP(buf_release) struct buf inner = { 0 };

	if (jks->magic != JCEKS_MAGIC) {
		return ks_no_set_secret(ks, alias, key, created_ms, err);
	}
	enum err_code rc = build(jks, &e, alias, /* chain= */ NULL, err);
	if (rc != ERR_OK) {
		return rc;
	}
	buf_init_secret(&inner, KEYSTORE_FILE_LIMIT);
	jceks_inner_write(bytes_of_str(key->algorithm), secret_view(&key->key), &inner);
	rc = buf_check(&inner, "a secret key", err);
	if (rc != ERR_OK) {
		return rc;
	}
	secret_from_buf(&e.key, &inner);
	return replace(jks, &e, err);
}

enum err_code jceks_secret(const struct keystore *ks, size_t i, struct keystore_secret_key *ret,
                           struct err *err)
{
	const struct jks_entry *e = &jks_of_const(ks)->entries[i];
	struct keystore_secret_key out = { 0 };
	struct bytes algorithm;
	struct bytes key;

	if (e->kind != KS_SECRET) {
		return err_set(err, ERR_INVALID, "entry '%s' holds no secret key", e->alias);
	}
	if (!e->opened) {
		return err_set(err, ERR_DENIED,
		               "the key password does not open the secret key of entry '%s'",
		               e->alias);
	}
	if (!jceks_inner_parse(secret_view(&e->key), &algorithm, &key) ||
	    algorithm.n >= sizeof(out.algorithm) ||
	    !str_is_utf8((const char *)algorithm.p, algorithm.n)) {
		return err_set(err, ERR_INVALID, "entry '%s': a secret key of a sort not known",
		               e->alias);
	}
	memcpy(out.algorithm, algorithm.p, algorithm.n);
	if (secret_set(&out.key, key.p, key.n) < 0) {
		return err_nomem(err);
	}
	*ret = out;
	return ERR_OK;
}
