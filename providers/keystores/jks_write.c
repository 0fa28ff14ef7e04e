/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jks_write.c - untouched slices are copied; only what was set, or what follows a changed password,
 * is sealed anew.
 */
#include <nettle/sha1.h>

#include "providers/keystores/jks_store.h"

struct sealing {
	const struct jks *jks;
	struct jks_password key, store;  /* to write with */
	bool key_changed, store_changed; /* they differ from those given to decode */
};

static void sealing_release(struct sealing *s)
{
	jks_password_release(&s->key);
	jks_password_release(&s->store);
}

/* The password the entry must be sealed with anew; NULL: its octets are copied. */
static const struct jks_password *new_password(const struct sealing *s, const struct jks_entry *e)
{
	if (e->sealed.n == 0 || (e->opened && s->key_changed)) {
		return &s->key;
	}
	return e->under_store && s->store_changed ? &s->store : NULL;
}

static enum err_code seal(const struct sealing *s, const struct jks_entry *e, struct buf *out,
                          struct err *err)
{
	CLEANUP(jks_password_release) struct jks_password own = { 0 };
	const struct jks_password *pw = new_password(s, e);
	enum err_code rc = ERR_OK;

	if (e->has_own) {
		rc = jks_password_init(&own, &e->own, err);
		pw = &own;
	}
	if (rc == ERR_OK && pw == NULL) {
		buf_add_bytes(out, e->sealed);
		return ERR_OK;
	}
	return rc == ERR_OK ? jks_seal(s->jks, e, pw, out, err) : rc;
}

static enum err_code write_key(const struct sealing *s, const struct jks_entry *e, struct buf *out,
                               struct err *err)
{
	CLEANUP(buf_release) struct buf sealed = { 0 };

	if (e->kind == KS_TRUSTED) {
		return ERR_OK;
	}
	buf_init(&sealed, KEYSTORE_FILE_LIMIT);
	enum err_code rc = seal(s, e, &sealed, err);
	if (rc == ERR_OK) {
		rc = buf_check(&sealed, "an entry of a Java keystore", err);
	}
	if (rc != ERR_OK) {
		(void)err_wrap(err, "entry '%s'", e->alias);
		return rc;
	}
	if (e->kind == KS_KEY) { /* a secret key has no length */
		buf_add_u32be(out, (uint32_t)sealed.len);
	}
	buf_add_bytes(out, buf_view(&sealed));
	return ERR_OK;
}

static enum err_code write_body(const struct sealing *s, struct buf *out, struct err *err)
{
	enum err_code rc = ERR_OK;
	size_t total = 64; /* head and digest */

	for (size_t i = 0; i < s->jks->n; i++) {
		const struct jks_entry *e = &s->jks->entries[i];

		total += e->head.n + e->sealed.n + e->tail.n + sizeof(uint32_t);
	}
	(void)buf_room(out, total); /* at once: what grows is there twice */
	buf_add_u32be(out, s->jks->magic);
	buf_add_u32be(out, s->jks->version);
	buf_add_u32be(out, (uint32_t)s->jks->n);
	for (size_t i = 0; rc == ERR_OK && i < s->jks->n; i++) {
		const struct jks_entry *e = &s->jks->entries[i];

		buf_add_bytes(out, e->head);
		rc = write_key(s, e, out, err);
		buf_add_bytes(out, e->tail);
	}
	return rc;
}

static enum err_code prepare(struct sealing *s, const struct keystore_encode *how, struct err *err)
{
	const struct secret *key = ks_key_password(&how->passwords);
	const struct jks *jks = s->jks;

	if (how->passwords.store == NULL) {
		return err_set(err, ERR_INVALID,
		               "a Java keystore cannot be written without a password");
	}
	s->key_changed = !how->keys_stay &&
	                 !ks_password_equal(key, jks->has_key_password ? &jks->key_password : NULL);
	s->store_changed =
		!how->keys_stay &&
		!ks_password_equal(how->passwords.store,
	                           jks->has_store_password ? &jks->store_password : NULL);
	enum err_code rc = jks_password_init(&s->store, how->passwords.store, err);
	return rc == ERR_OK ? jks_password_init(&s->key, key, err) : rc;
}

enum err_code jks_encode(const struct keystore *ks, const struct keystore_encode *how,
                         struct keystore_part ret[KEYSTORE_PARTS_MAX], size_t *ret_n,
                         struct err *err)
{
	CLEANUP(sealing_release) struct sealing s = { .jks = jks_of_const(ks) };
	CLEANUP(buf_release) struct buf out = { 0 };
	uint8_t digest[SHA1_DIGEST_SIZE];
	enum err_code rc = prepare(&s, how, err);

	if (rc != ERR_OK) {
		return rc;
	}
	buf_init_secret(&out, KEYSTORE_FILE_LIMIT);
	rc = write_body(&s, &out, err);
	if (rc != ERR_OK) {
		return rc;
	}
	jks_digest(&s.store.wide, buf_view(&out), digest);
	buf_add(&out, digest, sizeof(digest));
	rc = buf_check(&out, "the Java keystore", err);
	if (rc != ERR_OK) {
		return rc;
	}
	ret[0] = (struct keystore_part){ .suffix = "", .private = true };
	secret_from_buf(&ret[0].bytes, &out);
	*ret_n = 1;
	return ERR_OK;
}
