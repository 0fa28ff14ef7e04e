/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * p12_read.c - PFX to safes, safes to bags, keys opened.
 *
 * When the MAC is wrong the safes are opened all the same: if the password decrypts them, it is the
 * file that was changed, and that is what the operator must hear.
 */
#include "providers/keystores/ber.h"
#include "providers/keystores/p12_store.h"
#include "reconciler/base/str.h"

struct reading {
	struct p12 *p12;
	struct p12_password store, key;
	struct p12_ahead ahead;
	uint64_t work;
	bool decrypted; /* some safe opened by password */
	bool differ;    /* the key password is not the store password */
	struct err *err;
};

static void reading_release(struct reading *r)
{
	p12_ahead_release(&r->ahead);
	p12_password_release(&r->store);
	p12_password_release(&r->key);
}

static enum err_code damaged(struct err *err, const char *what)
{
	return err_set(err, ERR_INVALID, "PKCS#12 store: %s", what);
}

/* Normalise one layer; what had to be rewritten is kept in *keep. */
static enum err_code layer(struct bytes in, struct secret *keep, struct bytes *ret,
                           size_t *ret_used, struct err *err)
{
	CLEANUP(buf_release) struct buf storage = { 0 };

	buf_init_secret(&storage, KEYSTORE_FILE_LIMIT);
	enum err_code rc = ber_normalise(in, &storage, ret, ret_used, err);
	if (rc != ERR_OK) {
		return err_wrap(err, "PKCS#12 store");
	}
	if (storage.len != 0) {
		secret_from_buf(keep, &storage);
		*ret = secret_view(keep);
	}
	return ERR_OK;
}

/* The SafeContents that lie in `octets`. */
static enum err_code read_contents(struct reading *r, struct p12_safe *safe, struct bytes octets)
{
	struct bytes contents;
	size_t used;

	if (octets.n == 0) {
		return ERR_OK;
	}
	enum err_code rc = layer(octets, &safe->normal, &contents, &used, r->err);
	return rc != ERR_OK ? rc : p12_bags_read(r->p12, safe, contents, r->err);
}

/* [0] IMPLICIT OCTET STRING, whole or in pieces. */
static bool get_encrypted_content(struct der *d, struct buf *storage, struct bytes *ret)
{
	struct der pieces;
	struct bytes piece;

	if (der_get(d, DER_CONTEXT(0), ret)) {
		return true;
	}
	if (!der_enter(d, DER_CONTEXT_CONSTRUCTED(0), &pieces)) {
		return false;
	}
	while (der_get(&pieces, DER_OCTET_STRING, &piece)) {
		buf_add_bytes(storage, piece);
	}
	*ret = buf_view(storage);
	return der_at_end(&pieces) && !buf_failed(storage);
}

/* The same octets to write to, if they are of this buffer. */
static uint8_t *own_octets(const struct secret *s, struct bytes v)
{
	uintptr_t at = (uintptr_t)v.p;
	uintptr_t start = (uintptr_t)s->p;

	return s->p != NULL && at >= start && at + v.n <= start + s->n ? s->p + (at - start) : NULL;
}

/* In place where it can be: a store of ten thousand certificates is not held twice. */
static enum err_code decrypt(struct reading *r, struct p12_safe *safe, struct bytes cipher,
                             struct bytes *ret)
{
	const struct p12 *p12 = r->p12;
	const struct secret *buffers[] = { &p12->file, &p12->normal_file, &p12->normal_auth };
	enum err_code rc;
	size_t n;

	for (size_t i = 0; safe->opened.p == NULL && i < ARRAY_LEN(buffers); i++) {
		safe->opened.p = own_octets(buffers[i], cipher);
	}
	if (safe->opened.p == NULL) {
		rc = p12_decrypt(safe->alg, &r->store, cipher, &r->work, &safe->plain, r->err);
		*ret = secret_view(&safe->plain);
		return rc;
	}
	safe->opened.n = cipher.n;
	rc = p12_open(safe->alg, &r->store, &safe->opened, &r->work, &n, r->err);
	if (rc == ERR_OK) {
		*ret = bytes_of(safe->opened.p, n);
	}
	return rc;
}

/* EncryptedData up to its algorithm; the ciphertext follows in *ret_info. */
static bool enter_encrypted(struct der *content, struct der *ret_info, struct bytes *ret_alg_id)
{
	struct der data;
	struct bytes oid;
	uint64_t version;

	return der_enter(content, DER_SEQUENCE, &data) && der_get_u64(&data, &version) &&
	       der_enter(&data, DER_SEQUENCE, ret_info) && der_get(ret_info, DER_OID, &oid) &&
	       der_oid_is(oid, P12_OID_DATA) &&
	       der_get_any(ret_info, /* ret_tag= */ NULL, /* ret_content= */ NULL, ret_alg_id);
}

static enum err_code read_encrypted(struct reading *r, struct p12_safe *safe, struct der *content)
{
	CLEANUP(buf_release) struct buf storage = { 0 };
	struct der info;
	struct bytes alg_id;
	struct bytes cipher;
	struct bytes plain = { 0 };

	buf_init(&storage, KEYSTORE_FILE_LIMIT);
	if (!enter_encrypted(content, &info, &alg_id) ||
	    !get_encrypted_content(&info, &storage, &cipher)) {
		return damaged(r->err, "an encrypted safe is damaged");
	}
	struct p12_alg *alg = ARENA_NEW(&r->p12->arena, struct p12_alg);
	if (alg == NULL) {
		return err_nomem(r->err);
	}
	enum err_code rc = p12_alg_parse(alg_id, alg, r->err);
	if (rc == ERR_OK) {
		safe->alg = alg;
		rc = decrypt(r, safe, cipher, &plain);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	safe->type = P12_SAFE_ENCRYPTED;
	r->decrypted = true;
	r->p12->warnings |= p12_alg_is_weak(alg) ? (unsigned)KS_WARN_WEAK : 0u;
	return read_contents(r, safe, plain);
}

static enum err_code read_safe(struct reading *r, struct der *list)
{
	struct p12_safe *safe = p12_safe_insert(r->p12, r->p12->n);
	struct der info;
	struct der content;
	struct der before = *list;
	struct bytes oid;
	struct bytes octets;

	if (safe == NULL) {
		return err_nomem(r->err);
	}
	if (r->p12->n > KS_ENTRIES_MAX) {
		return damaged(r->err, "more than 100,000 safes");
	}
	if (!der_enter(list, DER_SEQUENCE, &info) || !der_get(&info, DER_OID, &oid) ||
	    !der_get_any(&before, /* ret_tag= */ NULL, /* ret_content= */ NULL, &safe->raw)) {
		return damaged(r->err, "the list of safes is damaged");
	}
	safe->type = P12_SAFE_OPAQUE;
	if (!der_enter(&info, DER_CONTEXT_CONSTRUCTED(0), &content)) {
		return ERR_OK; /* nothing in it */
	}
	if (der_oid_is(oid, P12_OID_ENCRYPTED_DATA)) {
		return read_encrypted(r, safe, &content);
	}
	if (!der_oid_is(oid, P12_OID_DATA)) {
		return ERR_OK; /* encrypted for a public key: kept, not read */
	}
	if (!der_get(&content, DER_OCTET_STRING, &octets)) {
		return damaged(r->err, "a safe is damaged");
	}
	safe->type = P12_SAFE_DATA;
	return read_contents(r, safe, octets);
}

static enum err_code read_safes(struct reading *r)
{
	struct bytes auth;
	struct der d;
	struct der list;
	size_t used;

	if (r->p12->auth.n == 0) {
		return ERR_OK;
	}
	enum err_code rc = layer(r->p12->auth, &r->p12->normal_auth, &auth, &used, r->err);
	if (rc != ERR_OK) {
		return rc;
	}
	d = der_of(auth);
	if (!der_enter(&d, DER_SEQUENCE, &list)) {
		return damaged(r->err, "the list of safes is damaged");
	}
	while (rc == ERR_OK && !der_at_end(&list)) {
		rc = read_safe(r, &list);
	}
	return rc;
}

static enum err_code read_auth_safe(struct reading *r, struct der *pfx)
{
	struct der info;
	struct der content;
	struct bytes oid;

	if (!der_enter(pfx, DER_SEQUENCE, &info) || !der_get(&info, DER_OID, &oid)) {
		return damaged(r->err, "its content is missing");
	}
	if (der_oid_is(oid, P12_OID_SIGNED_DATA)) {
		return damaged(r->err, "it is protected by a signature, which is not supported");
	}
	if (!der_oid_is(oid, P12_OID_DATA) ||
	    !der_enter(&info, DER_CONTEXT_CONSTRUCTED(0), &content) ||
	    !der_get(&content, DER_OCTET_STRING, &r->p12->auth)) {
		return damaged(r->err, "its content is damaged");
	}
	return ERR_OK;
}

/* The key of the first encrypted safe is on its way while the MAC is checked. What is no DER here
 * is read in its turn. */
static void begin_first_safe(struct reading *r)
{
	struct der d = der_of(r->p12->auth);
	struct der list;
	struct der safe;
	struct der content;
	struct der info;
	struct bytes oid;
	struct bytes alg_id;
	struct p12_alg alg;

	if (!der_enter(&d, DER_SEQUENCE, &list)) {
		return;
	}
	while (der_enter(&list, DER_SEQUENCE, &safe) && der_get(&safe, DER_OID, &oid)) {
		if (!der_oid_is(oid, P12_OID_ENCRYPTED_DATA)) {
			continue;
		}
		if (der_enter(&safe, DER_CONTEXT_CONSTRUCTED(0), &content) &&
		    enter_encrypted(&content, &info, &alg_id) &&
		    p12_alg_parse(alg_id, &alg, /* err= */ NULL) == ERR_OK) {
			p12_ahead_start(&r->ahead, &alg, &r->store);
		}
		return;
	}
}

/* ERR_DENIED after a MAC that is wrong: is it the password or the file? */
static enum err_code judge(struct reading *r, struct err *mac_err)
{
	enum err_code rc = read_safes(r);

	if (rc == ERR_OK && r->decrypted) {
		return err_set(r->err, ERR_INVALID,
		               "PKCS#12 store: it was modified: the password opens it, but the "
		               "MAC does not match");
	}
	if (rc == ERR_NOMEM) {
		return rc;
	}
	*r->err = *mac_err;
	return ERR_DENIED;
}

static enum err_code read_pfx(struct reading *r, struct bytes whole)
{
	struct der d = der_of(whole);
	struct der pfx;
	struct bytes mac;
	uint64_t version = 0;
	struct err mac_err = { 0 };
	int tag = -1;

	if (!der_enter(&d, DER_SEQUENCE, &pfx) || !der_get_u64(&pfx, &version)) {
		return damaged(r->err, "this is no PKCS#12 file");
	}
	if (version != 3) {
		return damaged(r->err, "a version other than 3");
	}
	enum err_code rc = read_auth_safe(r, &pfx);
	if (rc != ERR_OK) {
		return rc;
	}
	if (der_at_end(&pfx)) {
		r->p12->warnings |= KS_WARN_NO_MAC;
		return read_safes(r);
	}
	if (!der_get_any(&pfx, &tag, /* ret_content= */ NULL, &mac) || tag != DER_SEQUENCE) {
		return damaged(r->err, "its MAC is damaged");
	}
	begin_first_safe(r);
	rc = p12_mac_read(mac, r->p12->auth, &r->store, &r->work, &r->p12->mac, &mac_err);
	if (rc == ERR_DENIED) {
		return judge(r, &mac_err);
	}
	if (rc != ERR_OK) {
		*r->err = mac_err;
		return rc;
	}
	return read_safes(r);
}

/* How it is encrypted, and what. */
static enum err_code read_sealed(struct p12 *p12, struct p12_bag *bag, struct p12_alg *ret,
                                 struct bytes *ret_cipher, struct err *err)
{
	struct der d = der_of(bag->payload);
	struct der info;
	struct bytes alg_id;

	if (!der_enter(&d, DER_SEQUENCE, &info) ||
	    !der_get_any(&info, /* ret_tag= */ NULL, /* ret_content= */ NULL, &alg_id) ||
	    !der_get(&info, DER_OCTET_STRING, ret_cipher)) {
		return err_set(err, ERR_INVALID, "it is not encrypted the way PKCS#8 does it");
	}
	enum err_code rc = p12_alg_parse(alg_id, ret, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (bag->alg == NULL) {
		bag->alg = arena_copy(&p12->arena, ret, sizeof(*ret));
		bag->warnings |= p12_alg_is_weak(ret) ? (unsigned)KS_WARN_WEAK : 0u;
	}
	return bag->alg == NULL ? err_nomem(err) : ERR_OK;
}

enum err_code p12_bag_open(struct p12 *p12, struct p12_bag *bag, const struct p12_password *pw,
                           uint64_t *work, struct secret *ret, struct err *err)
{
	struct bytes cipher;
	struct p12_alg alg;
	enum err_code rc = read_sealed(p12, bag, &alg, &cipher, err);

	return rc == ERR_OK ? p12_decrypt(&alg, pw, cipher, work, ret, err) : rc;
}

/* What cannot be opened is an entry like any other, as it is for Java; but a file that asks for
 * more work than all of it may take was not looked at to the end. */
static enum err_code open_with(struct reading *r, struct p12_bag *bag,
                               const struct p12_password *pw, bool *ret)
{
	enum err_code rc = p12_bag_open(r->p12, bag, pw, &r->work, &bag->plain, r->err);

	*ret = rc == ERR_OK && ks_is_sequence(secret_view(&bag->plain));
	if (rc == ERR_NOMEM || (rc == ERR_INVALID && r->work == 0)) {
		return rc;
	}
	err_clear(r->err);
	return ERR_OK;
}

/* The store's profile depends on it. */
static enum err_code look_at_sealed(struct reading *r, struct p12_bag *bag)
{
	struct bytes cipher;
	struct p12_alg alg;
	enum err_code rc = read_sealed(r->p12, bag, &alg, &cipher, /* err= */ NULL);

	return rc == ERR_NOMEM ? err_nomem(r->err) : ERR_OK;
}

static enum err_code open_sealed(struct reading *r, struct p12_bag *bag)
{
	enum err_code rc = open_with(r, bag, &r->key, &bag->opened);

	if (rc == ERR_OK && !bag->opened && r->differ && bag->alg != NULL) {
		rc = open_with(r, bag, &r->store, &bag->under_store);
	}
	bag->warnings |= bag->opened ? 0u : (unsigned)KS_WARN_KEY_UNREADABLE;
	return rc;
}

bool p12_bag_is_sealed(const struct p12_bag *bag)
{
	return bag->type == P12_SHROUDED ||
	       (bag->type == P12_SECRET &&
	        (bag->raw.n == 0 || der_oid_is(bag->inner_oid, P12_OID_SHROUDED)));
}

static enum err_code open_keys(struct reading *r)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < r->p12->n; i++) {
		struct p12_safe *safe = &r->p12->safes[i];

		for (size_t k = 0; rc == ERR_OK && k < safe->n; k++) {
			if (p12_bag_is_sealed(&safe->bags[k])) {
				rc = r->p12->base.keys_closed ? look_at_sealed(r, &safe->bags[k])
				                              : open_sealed(r, &safe->bags[k]);
			}
		}
	}
	return rc;
}

static enum err_code keep_passwords(struct reading *r, const struct keystore_passwords *pw)
{
	struct p12 *p12 = r->p12;
	enum err_code rc =
		ks_secret_copy(pw->store, &p12->store_password, &p12->has_store_password, r->err);

	if (rc == ERR_OK) {
		rc = ks_secret_copy(ks_key_password(pw), &p12->key_password, &p12->has_key_password,
		                    r->err);
	}
	r->differ = !ks_password_equal(pw->store, ks_key_password(pw));
	if (pw->store != NULL && !ks_is_printable_ascii(pw->store)) {
		p12->warnings |= KS_WARN_PASSWORD_NOT_ASCII;
	}
	if (rc == ERR_OK) {
		rc = p12_password_init(&r->store, pw->store, r->err);
	}
	return rc == ERR_OK ? p12_password_init(&r->key, ks_key_password(pw), r->err) : rc;
}

static enum err_code read_file(struct reading *r)
{
	struct p12 *p12 = r->p12;
	struct bytes whole;
	size_t used = 0;
	enum err_code rc = layer(secret_view(&p12->file), &p12->normal_file, &whole, &used, r->err);

	if (rc == ERR_OK) {
		p12->pfx = bytes_of(p12->file.p, used);
		p12->warnings |= used < p12->file.n ? (unsigned)KS_WARN_TRAILING_BYTES : 0u;
		rc = read_pfx(r, whole);
	}
	if (rc == ERR_OK) {
		p12->respell = r->store.first != 0;
		r->key.first = r->store.first < r->key.n ? r->store.first : 0;
		rc = open_keys(r);
	}
	return rc;
}

enum err_code p12_decode(const struct bytes *parts, size_t n_parts,
                         const struct keystore_passwords *pw, struct keystore **ret,
                         struct err *err)
{
	CLEANUP(cleanup_p12) struct p12 *p12 = NULL;
	CLEANUP(reading_release) struct reading r = { .err = err, .work = p12_limits.work };
	struct bytes in = n_parts == 0 ? bytes_of(NULL, 0) : parts[0];
	struct err local = { 0 };

	if (err == NULL) {
		r.err = &local;
	}
	if (in.n == 0 || in.n > KEYSTORE_FILE_LIMIT) {
		return damaged(err, in.n == 0 ? "the file is empty" : "more than 64 MiB");
	}
	enum err_code rc = p12_new(&p12, r.err);
	if (rc != ERR_OK) {
		return rc;
	}
	r.p12 = p12;
	p12->base.keys_closed = pw->keys_closed;
	rc = secret_set(&p12->file, in.p, in.n) < 0 ? err_nomem(r.err) : keep_passwords(&r, pw);
	if (rc == ERR_OK) {
		rc = read_file(&r);
	}
	if (rc == ERR_OK) {
		rc = p12_name_bags(p12, r.err);
	}
	if (rc == ERR_OK) {
		rc = p12_model_build(p12, r.err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	*ret = &TAKE_PTR(p12)->base;
	return ERR_OK;
}
