/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * p12_write.c - safes to PFX.
 *
 * A safe that nobody edited is copied, ciphertext and all, unless its password or the profile asks
 * for something else. Without a profile an edited safe is encrypted again the way it was found: a
 * consumer that reads the store today reads it tomorrow.
 */
#include "providers/keystores/p12_store.h"
#include "reconciler/base/str.h"

const struct p12_profile p12_profiles[4] = {
	{ "Modern2023", P12_AES256, P12_AES256, false, &nettle_sha256 },
	{ "Modern2026", P12_AES256, P12_AES256, true, &nettle_sha256 },
	{ "LegacyDES", P12_3DES, P12_3DES, false, &nettle_sha1 },
	{ "LegacyRC2", P12_3DES, P12_RC2_40, false, &nettle_sha1 },
};

/* What comes around the certificates of a store, and behind them: one buffer for all of it. */
#define AROUND 512u

struct writing {
	const struct p12 *p12;
	const struct p12_profile *profile; /* NULL: keep what is there */
	struct p12_password store, key;
	bool has_store, has_key;
	bool store_changed;                    /* safes and MAC follow */
	bool key_changed, under_store_changed; /* keys under that password follow */
	struct p12_alg key_like, cert_like;    /* what new things are encrypted with */
};

static void writing_release(struct writing *w)
{
	p12_password_release(&w->store);
	p12_password_release(&w->key);
}

const struct p12_profile *p12_profile_by_word(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(p12_profiles); i++) {
		if (str_equal(p12_profiles[i].word, word)) {
			return &p12_profiles[i];
		}
	}
	return NULL;
}

static bool holds_certificates(const struct p12_safe *safe)
{
	for (size_t k = 0; k < safe->n; k++) {
		if (safe->bags[k].type == P12_CERT) {
			return true;
		}
	}
	return false;
}

static bool safe_follows(const struct p12_safe *safe, const struct p12_profile *profile)
{
	if (safe->type == P12_SAFE_ENCRYPTED && safe->alg != NULL &&
	    !p12_alg_is(safe->alg, profile->certs)) {
		return false;
	}
	if (safe->type == P12_SAFE_DATA && holds_certificates(safe)) {
		return false;
	}
	for (size_t k = 0; k < safe->n; k++) {
		const struct p12_bag *bag = &safe->bags[k];

		/* What does not open cannot be brought to follow, and says nothing. */
		if (p12_bag_is_sealed(bag) && bag->raw.n != 0 &&
		    (bag->opened || bag->under_store) &&
		    (bag->alg == NULL || !p12_alg_is(bag->alg, profile->keys))) {
			return false;
		}
	}
	return true;
}

static bool mac_follows(const struct p12_mac *mac, const struct p12_profile *profile)
{
	return mac->present && mac->pbmac1 == profile->pbmac1 && mac->hash == profile->mac;
}

static bool follows(const struct p12 *p12, const struct p12_profile *profile)
{
	for (size_t i = 0; i < p12->n; i++) {
		if (!safe_follows(&p12->safes[i], profile)) {
			return false;
		}
	}
	return mac_follows(&p12->mac, profile);
}

const struct p12_profile *p12_profile_of(const struct p12 *p12)
{
	if (p12->pfx.n == 0) {
		return &p12_profiles[0];
	}
	for (size_t i = 0; i < ARRAY_LEN(p12_profiles); i++) {
		if (follows(p12, &p12_profiles[i])) {
			return &p12_profiles[i];
		}
	}
	return NULL;
}

/* Must the bag be sealed anew? One that did not open cannot be. */
static bool needs_sealing(const struct writing *w, const struct p12_bag *bag)
{
	if (!p12_bag_is_sealed(bag) || (!bag->opened && !bag->under_store)) {
		return false;
	}
	return bag->raw.n == 0 || bag->has_own ||
	       (bag->under_store ? w->under_store_changed : w->key_changed) ||
	       (w->profile != NULL && !p12_alg_is(bag->alg, w->profile->keys));
}

static bool safe_is_final(const struct writing *w, const struct p12_safe *safe)
{
	if (safe->type == P12_SAFE_OPAQUE) {
		return true;
	}
	if (safe->edited || safe->raw.n == 0) {
		return false;
	}
	for (size_t k = 0; k < safe->n; k++) {
		if (needs_sealing(w, &safe->bags[k])) {
			return false;
		}
	}
	if (safe->type == P12_SAFE_DATA) {
		return w->profile == NULL || !w->has_store || !holds_certificates(safe);
	}
	return w->has_store && !w->store_changed &&
	       (w->profile == NULL || p12_alg_is(safe->alg, w->profile->certs));
}

/* Nothing to do: not an edit, not a password, not a profile. */
static bool all_is_final(const struct writing *w)
{
	if (w->p12->edited || w->p12->pfx.n == 0 || w->store_changed ||
	    (w->profile != NULL && !mac_follows(&w->p12->mac, w->profile))) {
		return false;
	}
	for (size_t i = 0; i < w->p12->n; i++) {
		if (!safe_is_final(w, &w->p12->safes[i])) {
			return false;
		}
	}
	return true;
}

/* What the store encrypts keys and certificates with today. */
static void find_likes(struct writing *w)
{
	const struct p12_alg *key = NULL;
	const struct p12_alg *cert = NULL;

	for (size_t i = 0; i < w->p12->n; i++) {
		const struct p12_safe *safe = &w->p12->safes[i];

		if (cert == NULL && safe->alg != NULL && p12_alg_is_writable(safe->alg)) {
			cert = safe->alg;
		}
		for (size_t k = 0; k < safe->n && key == NULL; k++) {
			const struct p12_alg *alg = safe->bags[k].alg;

			key = alg != NULL && p12_alg_is_writable(alg) ? alg : NULL;
		}
	}
	struct p12_alg modern = p12_alg_make(P12_AES256);
	struct p12_alg legacy = p12_alg_make(P12_3DES);
	bool old = (key != NULL && key->scheme != P12_PBES2) ||
	           (cert != NULL && cert->scheme != P12_PBES2);
	w->key_like = key != NULL && !p12_alg_is_weak(key) ? *key : old ? legacy : modern;
	w->cert_like = cert != NULL ? *cert : old ? legacy : modern;
	if (w->profile != NULL) {
		w->key_like = p12_alg_make(w->profile->keys);
		w->cert_like = p12_alg_make(w->profile->certs);
	}
}

/* The algorithm it had, if that is still good enough. */
static const struct p12_alg *alg_like(const struct writing *w, const struct p12_bag *bag)
{
	bool keep = w->profile == NULL && bag->alg != NULL && p12_alg_is_writable(bag->alg) &&
	            !p12_alg_is_weak(bag->alg);

	return keep ? bag->alg : &w->key_like;
}

/* EncryptedPrivateKeyInfo of the bag's key, fresh. */
static enum err_code seal(const struct writing *w, const struct p12_bag *bag, struct buf *out,
                          struct err *err)
{
	CLEANUP(p12_password_release) struct p12_password own = { 0 };
	CLEANUP(der_writer_release) struct der_writer der = { 0 };
	CLEANUP(buf_release) struct buf cipher = { 0 };
	const struct p12_password *pw = bag->under_store ? &w->store : &w->key;
	struct p12_alg alg;
	enum err_code rc = ERR_OK;

	if (bag->has_own) {
		rc = p12_password_init(&own, &bag->own, err);
		pw = &own;
	} else if (!w->has_key) {
		rc = err_set(err, ERR_INVALID,
		             "a PKCS#12 store with a private key needs a password");
	}
	p12_alg_fresh(alg_like(w, bag), &alg);
	buf_init_secret(&cipher, KEYSTORE_FILE_LIMIT);
	if (rc == ERR_OK) {
		buf_add_bytes(&cipher, secret_view(&bag->plain));
		rc = p12_encrypt(&alg, pw, &cipher, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	der_writer_init(&der);
	size_t whole = der_mark(&der);
	der_put(&der, DER_OCTET_STRING, buf_view(&cipher));
	p12_alg_write(&alg, &der);
	der_wrap(&der, DER_SEQUENCE, whole);
	return der_writer_finish(&der, out, err);
}

static enum err_code write_bag(const struct writing *w, const struct p12_bag *bag, struct buf *out,
                               struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer der = { 0 };
	CLEANUP(buf_release) struct buf sealed = { 0 };

	if (!needs_sealing(w, bag)) {
		buf_add_bytes(out, bag->raw);
		return ERR_OK;
	}
	buf_init(&sealed, KEYSTORE_FILE_LIMIT);
	enum err_code rc = seal(w, bag, &sealed, err);
	if (rc != ERR_OK) {
		return rc;
	}
	der_writer_init(&der);
	size_t whole = der_mark(&der);
	der_put_raw(&der, bag->attrs);
	size_t value = der_mark(&der);
	if (bag->type == P12_SECRET) {
		der_put(&der, DER_OCTET_STRING, buf_view(&sealed));
		der_wrap(&der, DER_CONTEXT_CONSTRUCTED(0), value);
		der_put_oid(&der, P12_OID_SHROUDED);
		der_wrap(&der, DER_SEQUENCE, value);
	} else {
		der_put_raw(&der, buf_view(&sealed));
	}
	der_wrap(&der, DER_CONTEXT_CONSTRUCTED(0), value);
	der_put_oid(&der, bag->type == P12_SECRET ? P12_OID_SECRET : P12_OID_SHROUDED);
	der_wrap(&der, DER_SEQUENCE, whole);
	return der_writer_finish(&der, out, err);
}

/* As a SEQUENCE; takes them away. */
static enum err_code wrap_all(struct buf *elements, struct buf *out, struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer der = { 0 };

	der_writer_init(&der);
	size_t whole = der_mark(&der);
	der_take_raw(&der, elements);
	der_wrap(&der, DER_SEQUENCE, whole);
	return der_writer_finish(&der, out, err);
}

/* The SafeContents of a safe, whole. */
static enum err_code write_contents(const struct writing *w, const struct p12_safe *safe,
                                    struct buf *out, struct err *err)
{
	CLEANUP(buf_release) struct buf bags = { 0 };
	enum err_code rc = ERR_OK;
	size_t total = 0;

	buf_init_secret(&bags, KEYSTORE_FILE_LIMIT);
	for (size_t k = 0; k < safe->n; k++) {
		total += safe->bags[k].raw.n;
	}
	/* At once: what grows is there twice. */
	(void)buf_room(&bags, total + safe->n + AROUND);
	for (size_t k = 0; rc == ERR_OK && k < safe->n; k++) {
		rc = write_bag(w, &safe->bags[k], &bags, err);
	}
	if (rc == ERR_OK) {
		rc = buf_check(&bags, "the PKCS#12 store", err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	return wrap_all(&bags, out, err);
}

/* Takes the contents away, as the next one does. */
static enum err_code write_data(struct buf *contents, struct buf *out, struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer der = { 0 };

	der_writer_init(&der);
	size_t whole = der_mark(&der);
	der_take_raw(&der, contents);
	der_wrap(&der, DER_OCTET_STRING, whole);
	der_wrap(&der, DER_CONTEXT_CONSTRUCTED(0), whole);
	der_put_oid(&der, P12_OID_DATA);
	der_wrap(&der, DER_SEQUENCE, whole);
	return der_writer_finish(&der, out, err);
}

static enum err_code write_encrypted(const struct writing *w, const struct p12_safe *safe,
                                     struct buf *contents, struct buf *out, struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer der = { 0 };
	bool keep = w->profile == NULL && safe->alg != NULL && p12_alg_is_writable(safe->alg);
	struct p12_alg alg;

	p12_alg_fresh(keep ? safe->alg : &w->cert_like, &alg);
	enum err_code rc = p12_encrypt(&alg, &w->store, contents, err);
	if (rc != ERR_OK) {
		return rc;
	}
	der_writer_init(&der);
	size_t whole = der_mark(&der);
	der_take_raw(&der, contents);
	der_wrap(&der, DER_CONTEXT(0), whole);
	p12_alg_write(&alg, &der);
	der_put_oid(&der, P12_OID_DATA);
	der_wrap(&der, DER_SEQUENCE, whole);
	der_put_u64(&der, 0);
	der_wrap(&der, DER_SEQUENCE, whole);
	der_wrap(&der, DER_CONTEXT_CONSTRUCTED(0), whole);
	der_put_oid(&der, P12_OID_ENCRYPTED_DATA);
	der_wrap(&der, DER_SEQUENCE, whole);
	return der_writer_finish(&der, out, err);
}

/* Octets of the file, what was decrypted in them encrypted again. */
static void add_as_read(const struct p12_safe *safes, size_t n, struct bytes raw, struct buf *out)
{
	uint8_t *copy = buf_room(out, raw.n);

	if (copy == NULL) {
		return;
	}
	memcpy(copy, raw.p, raw.n);
	for (size_t i = 0; i < n; i++) {
		const struct p12_opened *o = &safes[i].opened;
		uintptr_t at = (uintptr_t)o->p;

		if (o->key.n != 0 && at >= (uintptr_t)raw.p &&
		    at + o->n <= (uintptr_t)raw.p + raw.n) {
			p12_opened_close(o, copy + (at - (uintptr_t)raw.p));
		}
	}
	buf_grew(out, raw.n);
}

static enum err_code write_safe(const struct writing *w, const struct p12_safe *safe,
                                struct buf *out, struct err *err)
{
	CLEANUP(buf_release) struct buf contents = { 0 };
	bool encrypt = w->has_store && (safe->type == P12_SAFE_ENCRYPTED ||
	                                (w->profile != NULL && holds_certificates(safe)));

	if (safe_is_final(w, safe)) {
		add_as_read(safe, /* n= */ 1, safe->raw, out);
		return ERR_OK;
	}
	if (safe->n == 0) {
		return ERR_OK;
	}
	buf_init_secret(&contents, KEYSTORE_FILE_LIMIT);
	enum err_code rc = write_contents(w, safe, &contents, err);
	if (rc != ERR_OK) {
		return rc;
	}
	return encrypt ? write_encrypted(w, safe, &contents, out, err)
	               : write_data(&contents, out, err);
}

/* The AuthenticatedSafe, whole. */
static enum err_code write_auth(const struct writing *w, struct buf *out, struct err *err)
{
	CLEANUP(buf_release) struct buf safes = { 0 };
	enum err_code rc = ERR_OK;

	buf_init_secret(&safes, KEYSTORE_FILE_LIMIT);
	for (size_t i = 0; rc == ERR_OK && i < w->p12->n; i++) {
		rc = write_safe(w, &w->p12->safes[i], &safes, err);
	}
	if (rc == ERR_OK) {
		rc = buf_check(&safes, "the PKCS#12 store", err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	return wrap_all(&safes, out, err);
}

/* What the MAC is to be; not present: none. */
static struct p12_mac mac_like(const struct writing *w)
{
	const struct p12 *p12 = w->p12;
	struct p12_mac mac = p12->mac;

	if (w->profile != NULL && !mac_follows(&mac, w->profile)) {
		mac = (struct p12_mac){ .present = true,
			                .pbmac1 = w->profile->pbmac1,
			                .hash = w->profile->mac,
			                .iterations = p12_limits.written };
	} else if (!mac.present && (p12->pfx.n == 0 || w->store_changed)) {
		mac = (struct p12_mac){ .present = true,
			                .hash = &nettle_sha256,
			                .iterations = p12_limits.written };
	}
	mac.present = mac.present && w->has_store;
	return mac;
}

/* The MAC stands behind what it is of: *ret_n octets are appended, none without. */
static enum err_code add_mac(const struct writing *w, struct buf *auth, size_t *ret_n,
                             struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer der = { 0 };
	struct p12_mac mac = mac_like(w);
	size_t n = auth->len;

	der_writer_init(&der);
	enum err_code rc =
		mac.present ? p12_mac_write(&mac, buf_view(auth), &w->store, &der, err) : ERR_OK;
	if (rc == ERR_OK) {
		rc = der_writer_finish(&der, auth, err);
	}
	*ret_n = auth->len - n;
	return rc;
}

static enum err_code write_pfx(const struct writing *w, struct buf *out, struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer der = { 0 };
	CLEANUP(buf_release) struct buf auth = { 0 };
	size_t mac_n = 0;

	buf_init_secret(&auth, KEYSTORE_FILE_LIMIT);
	enum err_code rc = write_auth(w, &auth, err);
	if (rc == ERR_OK) {
		rc = add_mac(w, &auth, &mac_n, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	der_writer_init(&der);
	size_t whole = der_mark(&der);
	der_take_raw(&der, &auth);
	der_wrap(&der, DER_OCTET_STRING, mac_n);
	der_wrap(&der, DER_CONTEXT_CONSTRUCTED(0), mac_n);
	der_put_oid(&der, P12_OID_DATA);
	der_wrap(&der, DER_SEQUENCE, mac_n);
	der_put_u64(&der, 3);
	der_wrap(&der, DER_SEQUENCE, whole);
	return der_writer_finish(&der, out, err);
}

static enum err_code prepare(struct writing *w, const struct keystore_encode *how, struct err *err)
{
	const struct p12 *p12 = w->p12;
	const struct secret *key = ks_key_password(&how->passwords);

	w->has_store = how->passwords.store != NULL;
	w->has_key = key != NULL;
	w->store_changed =
		!ks_password_equal(how->passwords.store,
	                           p12->has_store_password ? &p12->store_password : NULL);
	w->under_store_changed = !how->keys_stay && w->store_changed;
	w->key_changed = !how->keys_stay &&
	                 !ks_password_equal(key, p12->has_key_password ? &p12->key_password : NULL);
	if (how->profile != NULL) {
		w->profile = p12_profile_by_word(how->profile);
		if (w->profile == NULL) {
			return err_set(err, ERR_INVALID, "no PKCS#12 profile '%s'", how->profile);
		}
	}
	enum err_code rc = p12_password_init(&w->store, how->passwords.store, err);
	if (rc == ERR_OK) {
		rc = p12_password_init(&w->key, key, err);
	}
	find_likes(w);
	return rc;
}

enum err_code p12_encode(const struct keystore *ks, const struct keystore_encode *how,
                         struct keystore_part ret[KEYSTORE_PARTS_MAX], size_t *ret_n,
                         struct err *err)
{
	CLEANUP(writing_release) struct writing w = { .p12 = p12_of_const(ks) };
	CLEANUP(buf_release) struct buf out = { 0 };
	enum err_code rc = prepare(&w, how, err);

	if (rc != ERR_OK) {
		return rc;
	}
	buf_init_secret(&out, KEYSTORE_FILE_LIMIT);
	if (all_is_final(&w)) {
		add_as_read(w.p12->safes, w.p12->n, w.p12->pfx, &out);
	} else {
		/* A reader tries one spelling of the password for the whole file. */
		bool respell = w.p12->respell;

		w.store_changed = w.store_changed || respell;
		w.key_changed = w.key_changed || (respell && !how->keys_stay);
		w.under_store_changed = w.under_store_changed || (respell && !how->keys_stay);
		rc = write_pfx(&w, &out, err);
	}
	if (rc == ERR_OK) {
		rc = buf_check(&out, "the PKCS#12 store", err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	ret[0] = (struct keystore_part){ .suffix = "", .private = true };
	secret_from_buf(&ret[0].bytes, &out);
	*ret_n = 1;
	return ERR_OK;
}
