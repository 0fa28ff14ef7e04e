/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * p12_alg.c - AlgorithmIdentifiers of encrypted bags and safes, and what they do.
 *
 * PBES2 is written with AES only: the JDK reads nothing else inside it.
 */
#include <nettle/md5.h>
#include <stdlib.h>

#include "providers/keystores/p12_cipher.h"
#include "providers/keystores/p12_crypto.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/pki.h"

#define OID_PBES2   "1.2.840.113549.1.5.13"
#define OID_PBKDF2  "1.2.840.113549.1.5.12"
#define OID_MD5_DES "1.2.840.113549.1.5.3"
#define OID_RC2     "1.2.840.113549.3.2"
#define SALT_N      20 /* as the JDK */

static enum err_code damaged(struct err *err)
{
	return err_set(err, ERR_INVALID, "the parameters of an encryption are damaged");
}

static enum err_code unsupported(struct bytes oid, const char *what, struct err *err)
{
	char text[128];

	if (!der_oid_text(oid, text, sizeof(text))) {
		return damaged(err);
	}
	return err_set(err, ERR_INVALID, "%s %s is not supported", what, text);
}

static bool get_salt(struct der *d, struct bytes *ret)
{
	return der_get(d, DER_OCTET_STRING, ret) && ret->n <= P12_SALT_MAX;
}

enum err_code p12_pbkdf2_parse(struct der *d, struct p12_alg *ret, uint64_t *ret_key_length,
                               struct err *err)
{
	struct der alg;
	struct der params;
	struct der prf;
	struct bytes oid;

	if (!der_enter(d, DER_SEQUENCE, &alg) || !der_get(&alg, DER_OID, &oid)) {
		return damaged(err);
	}
	if (!der_oid_is(oid, OID_PBKDF2)) {
		return unsupported(oid, "key derivation", err);
	}
	if (!der_enter(&alg, DER_SEQUENCE, &params) || !get_salt(&params, &ret->salt) ||
	    !der_get_u64(&params, &ret->iterations)) {
		return damaged(err);
	}
	*ret_key_length = 0;
	if (der_peek(&params) == DER_INTEGER && !der_get_u64(&params, ret_key_length)) {
		return damaged(err);
	}
	ret->prf = &nettle_sha1;
	if (der_at_end(&params)) {
		return ERR_OK;
	}
	if (!der_enter(&params, DER_SEQUENCE, &prf) || !der_get(&prf, DER_OID, &oid)) {
		return damaged(err);
	}
	ret->prf = p12_hash_by_hmac_oid(oid);
	return ret->prf == NULL ? unsupported(oid, "pseudo-random function", err) : ERR_OK;
}

/* Cipher and IV. RC2 says its effective key bits in a code of its own (RFC 8018, B.2.3). */
static enum err_code parse_scheme(struct der *scheme, struct p12_alg *ret, struct err *err)
{
	struct bytes oid;
	struct der params = *scheme;
	uint64_t version = 0;

	if (!der_get(scheme, DER_OID, &oid)) {
		return damaged(err);
	}
	if (der_oid_is(oid, OID_RC2)) {
		if (!der_enter(scheme, DER_SEQUENCE, &params) || !der_get_u64(&params, &version)) {
			return damaged(err);
		}
		ret->cipher = p12_cipher_rc2_by_version(version);
	} else {
		params = *scheme;
		ret->cipher = p12_cipher_by_pbes2_oid(oid.p, oid.n);
	}
	if (ret->cipher == NULL) {
		return unsupported(oid, "cipher", err);
	}
	return der_get(&params, DER_OCTET_STRING, &ret->iv) && ret->iv.n == ret->cipher->block
	               ? ERR_OK
	               : damaged(err);
}

static enum err_code parse_pbes2(struct der *d, struct p12_alg *ret, struct err *err)
{
	struct der params;
	struct der scheme;
	uint64_t key_length = 0;

	ret->scheme = P12_PBES2;
	if (!der_enter(d, DER_SEQUENCE, &params)) {
		return damaged(err);
	}
	enum err_code rc = p12_pbkdf2_parse(&params, ret, &key_length, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (!der_enter(&params, DER_SEQUENCE, &scheme)) {
		return damaged(err);
	}
	rc = parse_scheme(&scheme, ret, err);
	if (rc == ERR_OK && key_length != 0 && key_length != ret->cipher->key_n) {
		return damaged(err);
	}
	return rc;
}

static enum err_code parse_salt_and_count(struct der *d, struct p12_alg *ret, struct err *err)
{
	struct der params;

	if (!der_enter(d, DER_SEQUENCE, &params) || !get_salt(&params, &ret->salt) ||
	    !der_get_u64(&params, &ret->iterations)) {
		return damaged(err);
	}
	return ERR_OK;
}

enum err_code p12_alg_parse(struct bytes whole, struct p12_alg *ret, struct err *err)
{
	struct der d = der_of(whole);
	struct der alg;
	struct bytes oid;
	struct p12_alg out = { .scheme = P12_PKCS12_PBE };
	enum err_code rc;

	if (!der_enter(&d, DER_SEQUENCE, &alg) || !der_get(&alg, DER_OID, &oid)) {
		return damaged(err);
	}
	if (der_oid_is(oid, OID_PBES2)) {
		rc = parse_pbes2(&alg, &out, err);
	} else if (der_oid_is(oid, OID_MD5_DES)) {
		out.scheme = P12_MD5_DES;
		out.cipher = &p12_des;
		rc = parse_salt_and_count(&alg, &out, err);
	} else {
		out.cipher = p12_cipher_by_pbe_oid(oid.p, oid.n);
		rc = out.cipher == NULL ? unsupported(oid, "encryption", err)
		                        : parse_salt_and_count(&alg, &out, err);
	}
	if (rc == ERR_OK) {
		*ret = out;
	}
	return rc;
}

struct p12_alg p12_alg_make(enum p12_suite suite)
{
	struct p12_alg alg = { .scheme = P12_PKCS12_PBE, .iterations = p12_limits.written };

	alg.cipher = suite == P12_3DES ? &p12_3des : &p12_rc2_40;
	if (suite == P12_AES256) {
		alg.scheme = P12_PBES2;
		alg.cipher = &p12_aes256;
		alg.prf = &nettle_sha256;
	}
	return alg;
}

void p12_alg_fresh(const struct p12_alg *like, struct p12_alg *ret)
{
	*ret = *like;
	pki_random(ret->fresh, sizeof(ret->fresh));
	ret->salt = bytes_of(ret->fresh, SALT_N);
	ret->iv = bytes_of(ret->fresh + SALT_N, like->cipher->block);
}

void p12_pbkdf2_write(const struct nettle_hash *prf, struct bytes salt, uint64_t iterations,
                      size_t key_length, struct der_writer *w)
{
	size_t whole = der_mark(w);

	if (prf != &nettle_sha1) { /* the DEFAULT, which DER leaves out */
		size_t id = der_mark(w);

		der_put_null(w);
		der_put_oid(w, p12_hmac_oid(prf));
		der_wrap(w, DER_SEQUENCE, id);
	}
	der_put_u64(w, key_length);
	der_put_u64(w, iterations);
	der_put(w, DER_OCTET_STRING, salt);
	der_wrap(w, DER_SEQUENCE, whole);
	der_put_oid(w, OID_PBKDF2);
	der_wrap(w, DER_SEQUENCE, whole);
}

void p12_alg_write(const struct p12_alg *alg, struct der_writer *w)
{
	size_t whole = der_mark(w);

	if (alg->scheme == P12_PBES2) {
		der_put(w, DER_OCTET_STRING, alg->iv);
		der_put_oid(w, alg->cipher->pbes2_oid);
		der_wrap(w, DER_SEQUENCE, whole);
		p12_pbkdf2_write(alg->prf, alg->salt, alg->iterations, alg->cipher->key_n, w);
		der_wrap(w, DER_SEQUENCE, whole);
		der_put_oid(w, OID_PBES2);
	} else {
		der_put_u64(w, alg->iterations);
		der_put(w, DER_OCTET_STRING, alg->salt);
		der_wrap(w, DER_SEQUENCE, whole);
		der_put_oid(w, alg->cipher->pbe_oid);
	}
	der_wrap(w, DER_SEQUENCE, whole);
}

bool p12_alg_is(const struct p12_alg *alg, enum p12_suite suite)
{
	struct p12_alg like = p12_alg_make(suite);

	return alg->scheme == like.scheme && alg->cipher == like.cipher && alg->prf == like.prf;
}

bool p12_alg_is_weak(const struct p12_alg *alg)
{
	return alg->cipher->weak || alg->scheme == P12_MD5_DES;
}

bool p12_alg_is_writable(const struct p12_alg *alg)
{
	return alg->scheme == P12_PBES2
	               ? alg->cipher->block == 16
	               : alg->scheme == P12_PKCS12_PBE &&
	                         (alg->cipher == &p12_3des || alg->cipher == &p12_rc2_40);
}

static uint64_t blocks_of(size_t n, const struct nettle_hash *hash)
{
	return (n + hash->digest_size - 1) / hash->digest_size;
}

/* Hash blocks one derivation of key and IV takes. */
static uint64_t cost(const struct p12_alg *alg)
{
	if (alg->scheme == P12_PBES2) {
		return 2 * blocks_of(alg->cipher->key_n, alg->prf); /* HMAC: two each */
	}
	return blocks_of(alg->cipher->key_n, &nettle_sha1) + (alg->cipher->block > 1 ? 1 : 0);
}

static void pbkdf1_md5(const struct p12_alg *alg, struct bytes raw, uint8_t out[16])
{
	struct md5_ctx ctx;

	md5_init(&ctx);
	md5_update(&ctx, raw.n, raw.p);
	md5_update(&ctx, alg->salt.n, alg->salt.p);
	md5_digest(&ctx, MD5_DIGEST_SIZE, out);
	for (uint64_t i = 1; i < alg->iterations; i++) {
		md5_update(&ctx, MD5_DIGEST_SIZE, out);
		md5_digest(&ctx, MD5_DIGEST_SIZE, out);
	}
	secret_wipe(&ctx, sizeof(ctx));
}

enum { P12_IV_MAX = 16 };

static bool derive_pkcs12(const struct p12_alg *alg, const struct p12_spelling *pw, uint8_t key[32],
                          uint8_t iv[16])
{
	struct p12_derivation d = { .hash = &nettle_sha1,
		                    .id = 1,
		                    .wide = secret_view(&pw->wide),
		                    .salt = alg->salt,
		                    .iterations = alg->iterations };

	if (!p12_kdf(&d, key, alg->cipher->key_n)) {
		return false;
	}
	d.id = 2;
	return alg->cipher->block == 1 || p12_kdf(&d, iv, alg->cipher->block);
}

static bool derive(const struct p12_alg *alg, const struct p12_password *password, size_t spelling,
                   uint8_t key[32], uint8_t iv[16])
{
	const struct p12_spelling *pw = &password->v[spelling];
	uint8_t both[MD5_DIGEST_SIZE];

	switch (alg->scheme) {
	case P12_PBES2:
		if (!p12_ahead_take(password->ahead, alg, pw, key)) {
			p12_pbkdf2(alg->prf, secret_view(&pw->raw), alg->salt, alg->iterations, key,
			           alg->cipher->key_n);
		}
		memcpy(iv, alg->iv.p, alg->cipher->block);
		return true;
	case P12_MD5_DES:
		pbkdf1_md5(alg, secret_view(&pw->raw), both);
		memcpy(key, both, 8);
		memcpy(iv, both + 8, 8);
		secret_wipe(both, sizeof(both));
		return true;
	case P12_PKCS12_PBE:
		return derive_pkcs12(alg, pw, key, iv);
	}
	return false;
}

/* Octets of PKCS#5 padding at the end, 0 when there is none. */
static size_t padding(const uint8_t *p, size_t n, size_t block)
{
	size_t pad = p[n - 1];

	if (pad == 0 || pad > block) {
		return 0;
	}
	for (size_t i = 0; i < pad; i++) {
		if (p[n - 1 - i] != pad) {
			return 0;
		}
	}
	return pad;
}

/* BER allowed: the first octets only are judged, the rest by who reads it. */
static bool starts_a_sequence(const uint8_t *p, size_t n)
{
	if (n < 2 || p[0] != DER_SEQUENCE) {
		return false;
	}
	if (p[1] < 0x80) {
		return p[1] == n - 2;
	}
	size_t octets = p[1] & 0x7f;
	size_t length = 0;
	for (size_t i = 0; i < octets && i < 5 && i + 2 < n; i++) {
		length = length << 8 | p[2 + i];
	}
	return octets <= 4 && (octets == 0 || length + octets + 2 == n);
}

void p12_opened_release(struct p12_opened *o)
{
	secret_release(&o->key);
}

static bool is_open(const struct p12_alg *alg, const uint8_t *p, size_t n, size_t *ret)
{
	size_t pad = alg->cipher->block == 1 ? 0 : padding(p, n, alg->cipher->block);

	*ret = n - pad;
	return (pad != 0 || alg->cipher->block == 1) && starts_a_sequence(p, n - pad);
}

void p12_opened_close(const struct p12_opened *o, uint8_t *copy)
{
	p12_cipher_run(o->cipher, /* encrypt= */ true, o->key.p, o->key.p + P12_KEY_MAX,
	               bytes_of(copy, o->n), copy);
}

/* *ret_n: of the plaintext; what did not open is what it was. */
static enum err_code try_one(const struct p12_alg *alg, const struct p12_password *pw,
                             size_t spelling, struct p12_opened *o, size_t *ret_n)
{
	uint8_t key[P12_KEY_MAX + P12_IV_MAX] = { 0 };
	enum err_code rc = ERR_NOMEM;

	if (derive(alg, pw, spelling, key, key + P12_KEY_MAX) &&
	    secret_set(&o->key, key, sizeof(key)) == 0) {
		o->cipher = alg->cipher;
		p12_cipher_run(alg->cipher, /* encrypt= */ false, key, key + P12_KEY_MAX,
		               bytes_of(o->p, o->n), o->p);
		rc = is_open(alg, o->p, o->n, ret_n) ? ERR_OK : ERR_DENIED;
	}
	if (rc == ERR_DENIED) {
		p12_opened_close(o, o->p);
	}
	secret_wipe(key, sizeof(key));
	return rc;
}

enum err_code p12_open(const struct p12_alg *alg, const struct p12_password *pw,
                       struct p12_opened *o, uint64_t *work, size_t *ret_n, struct err *err)
{
	if (o->n == 0 || o->n % alg->cipher->block != 0) {
		return err_set(err, ERR_INVALID, "ciphertext of %zu octets, no multiple of %zu",
		               o->n, alg->cipher->block);
	}
	for (size_t i = 0; i < pw->n; i++) {
		enum err_code rc = p12_spend(work, alg->iterations, cost(alg), err);

		if (rc != ERR_OK) {
			return rc;
		}
		rc = try_one(alg, pw, (pw->first + i) % pw->n, o, ret_n);
		if (rc != ERR_DENIED) {
			return rc == ERR_OK ? rc : err_nomem(err);
		}
	}
	secret_release(&o->key);
	return err_set(err, ERR_DENIED, "the password does not decrypt it");
}

enum err_code p12_decrypt(const struct p12_alg *alg, const struct p12_password *pw,
                          struct bytes data, uint64_t *work, struct secret *ret, struct err *err)
{
	CLEANUP(secret_release) struct secret copy = { 0 };
	CLEANUP(p12_opened_release) struct p12_opened o = { 0 };
	size_t n;

	if (secret_set(&copy, data.p, data.n) < 0) {
		return err_nomem(err);
	}
	o.p = copy.p;
	o.n = copy.n;
	enum err_code rc = p12_open(alg, pw, &o, work, &n, err);
	if (rc != ERR_OK) {
		return rc;
	}
	/* The padding stays behind its end; nothing secret in it. */
	copy.n = n;
	copy.p[n] = 0;
	secret_release(ret);
	*ret = copy;
	copy = (struct secret){ 0 };
	return ERR_OK;
}

enum err_code p12_encrypt(const struct p12_alg *alg, const struct p12_password *pw, struct buf *io,
                          struct err *err)
{
	uint8_t key[32] = { 0 };
	uint8_t iv[16] = { 0 };
	size_t pad = alg->cipher->block - io->len % alg->cipher->block;

	for (size_t i = 0; i < pad; i++) {
		buf_add_byte(io, (uint8_t)pad);
	}
	if (buf_failed(io) || !derive(alg, pw, /* spelling= */ 0, key, iv)) {
		return err_nomem(err);
	}
	p12_cipher_run(alg->cipher, /* encrypt= */ true, key, iv, buf_view(io), io->p);
	secret_wipe(key, sizeof(key));
	secret_wipe(iv, sizeof(iv));
	return ERR_OK;
}
