/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jks_write.c - untouched slices are copied; only what was set, or what follows a changed key
 * password, is sealed anew.
 */
#include <nettle/sha1.h>

#include "providers/keystores/jks_store.h"

struct sealing {
	const struct jks *jks;
	const struct secret *wide; /* of the key password to write with; NULL: none */
	bool changed;              /* the key password differs from the one given to decode */
};

static enum err_code write_key(const struct sealing *s, const struct jks_entry *e, struct buf *out,
                               struct err *err)
{
	CLEANUP(buf_release) struct buf fresh = { 0 };
	struct bytes sealed = e->sealed;

	if (e->opened && (s->changed || sealed.n == 0)) {
		if (s->wide == NULL) {
			return err_set(err, ERR_INVALID, "a JKS key needs a password");
		}
		buf_init(&fresh, KEYSTORE_FILE_LIMIT);
		enum err_code rc = jks_key_seal(&e->key, s->wide, &fresh, err);
		if (rc != ERR_OK) {
			return rc;
		}
		sealed = buf_view(&fresh);
	}
	buf_add_u32be(out, (uint32_t)sealed.n);
	buf_add_bytes(out, sealed);
	return ERR_OK;
}

static enum err_code write_body(const struct sealing *s, struct buf *out, struct err *err)
{
	buf_add_u32be(out, JKS_MAGIC);
	buf_add_u32be(out, s->jks->version);
	buf_add_u32be(out, (uint32_t)s->jks->n);
	for (size_t i = 0; i < s->jks->n; i++) {
		const struct jks_entry *e = &s->jks->entries[i];

		buf_add_bytes(out, e->head);
		if (e->kind == KS_KEY) {
			enum err_code rc = write_key(s, e, out, err);
			if (rc != ERR_OK) {
				return rc;
			}
		}
		buf_add_bytes(out, e->tail);
	}
	return ERR_OK;
}

enum err_code jks_encode(const struct keystore *ks, const struct keystore_encode *how,
                         struct keystore_part ret[KEYSTORE_PARTS_MAX], size_t *ret_n,
                         struct err *err)
{
	const struct jks *jks = jks_of_const(ks);
	const struct secret *key_password = ks_key_password(&how->passwords);
	CLEANUP(secret_release) struct secret store_wide = { 0 };
	CLEANUP(secret_release) struct secret key_wide = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };
	uint8_t digest[SHA1_DIGEST_SIZE];

	if (how->passwords.store == NULL) {
		return err_set(err, ERR_INVALID,
		               "a JKS store cannot be written without a password");
	}
	enum err_code rc =
		ks_password_wide(how->passwords.store, /* terminated= */ false, &store_wide, err);
	if (rc == ERR_OK) {
		rc = ks_password_wide(key_password, /* terminated= */ false, &key_wide, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	buf_init_secret(&out, KEYSTORE_FILE_LIMIT);
	struct sealing s = { .jks = jks, .wide = &key_wide };
	s.changed =
		!ks_password_equal(key_password, jks->has_key_password ? &jks->key_password : NULL);
	rc = write_body(&s, &out, err);
	if (rc != ERR_OK) {
		return rc;
	}
	jks_digest(&store_wide, buf_view(&out), digest);
	buf_add(&out, digest, sizeof(digest));
	rc = buf_check(&out, "the JKS store", err);
	if (rc != ERR_OK) {
		return rc;
	}
	ret[0] = (struct keystore_part){ .suffix = "", .private = true };
	secret_from_buf(&ret[0].bytes, &out);
	*ret_n = 1;
	return ERR_OK;
}
