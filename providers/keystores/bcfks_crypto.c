/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bcfks_crypto.c - one password, told apart by a label behind it: STORE_ENCRYPTION,
 * INTEGRITY_CHECK, PRIVATE_KEY_ENCRYPTION, SECRET_KEY_ENCRYPTION.
 *
 * BouncyCastle's scrypt takes the block size for the degree of parallelism as well; whoever wants
 * to read its files does the same.
 */
#include <nettle/aes.h>
#include <nettle/ccm.h>
#include <nettle/sha3.h>
#include <stdio.h>

#include "providers/keystores/bcfks.h"
#include "providers/keystores/ksscrypt.h"
#include "providers/keystores/kstext.h"
#include "providers/keystores/p12_crypto.h"
#include "reconciler/base/str.h"

#define OID_PBES2         "1.2.840.113549.1.5.13"
#define OID_AES256_CCM    "2.16.840.1.101.3.4.1.47"
#define OID_AES256_KWP    "2.16.840.1.101.3.4.1.48"
#define OID_HMAC_SHA3_512 "2.16.840.1.101.3.4.2.16"
#define OID_PBKDF2        "1.2.840.113549.1.5.12"
#define KEY_N             32u
#define MAC_MAX           64u
#define KEY_MAX           256u
#define HALF              ((size_t)8) /* of an AES block: what key wrap counts in */

static enum err_code damaged(const char *what, struct err *err)
{
	return err_set(err, ERR_INVALID, "BCFKS store: %s", what);
}

/* UTF-16BE of password and label, each with its zero; an empty password is nothing at all. */
static enum err_code spell(const struct secret *password, const char *label, struct secret *ret,
                           struct err *err)
{
	CLEANUP(buf_release) struct buf both = { 0 };

	buf_init_secret(&both, KEYSTORE_FILE_LIMIT);
	if (password != NULL && password->n != 0) {
		if (!utf16be_from_utf8(secret_view(password), &both)) {
			return err_set(err, ERR_INVALID,
			               "the keystore password is not valid UTF-8");
		}
		buf_add_u16be(&both, 0);
	}
	(void)utf16be_from_utf8(bytes_of_str(label), &both);
	buf_add_u16be(&both, 0);
	enum err_code rc = buf_check(&both, "a keystore password", err);
	if (rc == ERR_OK) {
		secret_from_buf(ret, &both);
	}
	return rc;
}

static const struct nettle_hash *prf_of(struct bytes oid)
{
	return der_oid_is(oid, OID_HMAC_SHA3_512) ? &nettle_sha3_512 : p12_hash_by_hmac_oid(oid);
}

struct pbkdf2 {
	struct bytes salt;
	uint64_t iterations, key_length;
	const struct nettle_hash *prf;
};

static enum err_code parse_pbkdf2(struct der *d, struct pbkdf2 *ret, struct err *err)
{
	struct pbkdf2 k = { .prf = &nettle_sha1 };
	struct der alg;
	struct der params;
	struct der prf;
	struct bytes oid;

	if (!der_enter(d, DER_SEQUENCE, &alg) || !der_get(&alg, DER_OID, &oid)) {
		return damaged("a key derivation is malformed", err);
	}
	if (!der_oid_is(oid, OID_PBKDF2)) {
		return damaged("a key derivation that is neither PBKDF2 nor scrypt", err);
	}
	if (!der_enter(&alg, DER_SEQUENCE, &params) ||
	    !der_get(&params, DER_OCTET_STRING, &k.salt) || k.salt.n > P12_SALT_MAX ||
	    !der_get_u64(&params, &k.iterations)) {
		return damaged("a key derivation is malformed", err);
	}
	(void)der_get_u64(&params, &k.key_length);
	if (der_enter(&params, DER_SEQUENCE, &prf) && der_get(&prf, DER_OID, &oid)) {
		k.prf = prf_of(oid);
	}
	if (k.prf == NULL) {
		return damaged("a pseudo-random function that is not known", err);
	}
	*ret = k;
	return ERR_OK;
}

/* `fallback`: the length when the file does not say it. */
static enum err_code derive_pbkdf2(struct der *d, struct bytes password, size_t fallback,
                                   uint64_t *work, struct secret *ret, struct err *err)
{
	struct pbkdf2 k = { .salt = { 0 } };
	uint8_t key[KEY_MAX];
	enum err_code rc = parse_pbkdf2(d, &k, err);

	if (rc != ERR_OK) {
		return rc;
	}
	size_t n = k.key_length == 0 ? fallback : k.key_length;
	if (n == 0 || n > sizeof(key)) {
		return damaged("a key of a length that makes no sense", err);
	}
	rc = p12_spend(work, k.iterations, 2 * ((n - 1) / k.prf->digest_size + 1), err);
	if (rc == ERR_OK) {
		p12_pbkdf2(k.prf, password, k.salt, k.iterations, key, n);
		rc = secret_set(ret, key, n) < 0 ? err_nomem(err) : ERR_OK;
	}
	secret_wipe(key, sizeof(key));
	return rc;
}

static enum err_code derive_scrypt(struct der *d, struct bytes password, size_t fallback,
                                   uint64_t *work, struct secret *ret, struct err *err)
{
	struct ks_scrypt s = { .cost = 0 };
	uint8_t key[KEY_MAX];
	enum err_code rc = ks_scrypt_parse(d, &s, err);

	if (rc != ERR_OK) {
		return rc;
	}
	size_t n = s.key_length == 0 ? fallback : s.key_length;
	if (n == 0 || n > sizeof(key) || s.block > 64) {
		return damaged("a key derivation that makes no sense", err);
	}
	s.parallel = s.block;
	for (uint64_t i = 0; rc == ERR_OK && i < s.parallel; i++) {
		rc = p12_spend(work, s.cost, s.block * 2, err);
	}
	if (rc == ERR_OK) {
		rc = ks_scrypt_run(&s, password, key, n, err);
	}
	if (rc == ERR_OK && secret_set(ret, key, n) < 0) {
		rc = err_nomem(err);
	}
	secret_wipe(key, sizeof(key));
	return rc;
}

static enum err_code derive(struct der *d, struct bytes password, size_t fallback, uint64_t *work,
                            struct secret *ret, struct err *err)
{
	return ks_scrypt_is_next(d) ? derive_scrypt(d, password, fallback, work, ret, err)
	                            : derive_pbkdf2(d, password, fallback, work, ret, err);
}

static enum err_code wrong_password(struct err *err)
{
	return err_set(err, ERR_DENIED, "the password does not open it");
}

struct ccm {
	struct bytes nonce;
	uint64_t tag_n;
};

static bool read_ccm(struct der *alg, struct ccm *ret)
{
	struct der params;

	ret->tag_n = 12;
	return der_enter(alg, DER_SEQUENCE, &params) &&
	       der_get(&params, DER_OCTET_STRING, &ret->nonce) && ret->nonce.n >= 7 &&
	       ret->nonce.n <= 13 && (der_at_end(&params) || der_get_u64(&params, &ret->tag_n)) &&
	       ret->tag_n >= 4 && ret->tag_n <= 16 && ret->tag_n % 2 == 0;
}

static enum err_code open_ccm(struct der *alg, struct bytes key, struct bytes data, struct buf *out,
                              struct err *err)
{
	struct ccm_aes256_ctx ctx;
	struct ccm ccm;

	if (!read_ccm(alg, &ccm) || data.n < ccm.tag_n ||
	    data.n - ccm.tag_n > CCM_MAX_MSG_SIZE(ccm.nonce.n)) {
		return damaged("the parameters of AES-CCM are malformed", err);
	}
	size_t n = data.n - ccm.tag_n;
	uint8_t *room = buf_room(out, n + 1);
	if (room == NULL) {
		return err_nomem(err);
	}
	ccm_aes256_set_key(&ctx, key.p);
	int right = ccm_aes256_decrypt_message(&ctx, ccm.nonce.n, ccm.nonce.p, 0, NULL, ccm.tag_n,
	                                       n, room, data.p);
	secret_wipe(&ctx, sizeof(ctx));
	if (right == 0) {
		return wrong_password(err);
	}
	buf_grew(out, n);
	return ERR_OK;
}

/* RFC 3394's W^-1 over `n` halves behind the integrity half, in place. */
static void unwrap_halves(const struct aes256_ctx *ctx, uint8_t *a, uint8_t *r, size_t n)
{
	uint8_t block[2 * HALF];

	for (uint64_t t = 6 * (uint64_t)n; t > 0; t--) {
		uint8_t *half = r + ((t - 1) % n) * HALF;

		memcpy(block, a, HALF);
		for (unsigned k = 0; k < HALF; k++) {
			block[HALF - 1 - k] ^= (uint8_t)(t >> (8 * k));
		}
		memcpy(block + HALF, half, HALF);
		aes256_decrypt(ctx, sizeof(block), block, block);
		memcpy(a, block, HALF);
		memcpy(half, block + HALF, HALF);
	}
	secret_wipe(block, sizeof(block));
}

/* Key wrap with padding, RFC 5649: a constant, the length, zeros at the end. */
static bool kwp_is_right(const uint8_t *a, const uint8_t *r, size_t n, size_t *ret_n)
{
	static const uint8_t magic[4] = { 0xa6, 0x59, 0x59, 0xa6 };
	size_t length = (size_t)a[4] << 24 | (size_t)a[5] << 16 | (size_t)a[6] << 8 | a[7];

	if (memcmp(a, magic, sizeof(magic)) != 0 || length > n || n - length >= HALF) {
		return false;
	}
	for (size_t i = length; i < n; i++) {
		if (r[i] != 0) {
			return false;
		}
	}
	*ret_n = length;
	return true;
}

static enum err_code open_kwp(struct bytes key, struct bytes data, struct buf *out, struct err *err)
{
	struct aes256_ctx ctx;
	uint8_t a[HALF];
	size_t n = 0;

	if (data.n < 2 * HALF || data.n % HALF != 0) {
		return damaged("a wrapped key of a length that makes no sense", err);
	}
	uint8_t *room = buf_room(out, data.n);
	if (room == NULL) {
		return err_nomem(err);
	}
	aes256_set_decrypt_key(&ctx, key.p);
	if (data.n == 2 * HALF) {
		aes256_decrypt(&ctx, data.n, room, data.p);
		memcpy(a, room, HALF);
		memmove(room, room + HALF, HALF);
	} else {
		memcpy(a, data.p, HALF);
		memcpy(room, data.p + HALF, data.n - HALF);
		unwrap_halves(&ctx, a, room, data.n / HALF - 1);
	}
	secret_wipe(&ctx, sizeof(ctx));
	if (!kwp_is_right(a, room, data.n - HALF, &n)) {
		return wrong_password(err);
	}
	buf_grew(out, n);
	return ERR_OK;
}

/* PBES2 whose cipher is one of BouncyCastle's two: the cursor behind the OID of PBES2. */
static bool is_ours(struct bytes whole, struct der *ret_params, bool *ret_ccm)
{
	struct der d = der_of(whole);
	struct der alg;
	struct der params;
	struct der scheme;
	struct bytes oid;

	if (!der_enter(&d, DER_SEQUENCE, &alg) || !der_get(&alg, DER_OID, &oid) ||
	    !der_oid_is(oid, OID_PBES2) || !der_enter(&alg, DER_SEQUENCE, &params)) {
		return false;
	}
	*ret_params = params;
	if (!der_get_any(&params, NULL, NULL, NULL) || !der_enter(&params, DER_SEQUENCE, &scheme) ||
	    !der_get(&scheme, DER_OID, &oid)) {
		return false;
	}
	*ret_ccm = der_oid_is(oid, OID_AES256_CCM);
	return *ret_ccm || der_oid_is(oid, OID_AES256_KWP);
}

/* What somebody else encrypted and BouncyCastle only keeps. */
static enum err_code open_foreign(const struct bcfks_sealed *s, const struct secret *password,
                                  uint64_t *work, struct secret *ret, struct err *err)
{
	CLEANUP(p12_password_release) struct p12_password pw = { .n = 0 };
	struct p12_alg alg = { .cipher = NULL };
	enum err_code rc = p12_alg_parse(s->alg, &alg, err);

	if (rc == ERR_OK) {
		rc = p12_password_init(&pw, password, err);
	}
	return rc == ERR_OK ? p12_decrypt(&alg, &pw, s->data, work, ret, err) : rc;
}

enum err_code bcfks_open(const struct bcfks_sealed *s, const struct secret *password,
                         uint64_t *work, struct secret *ret, struct err *err)
{
	CLEANUP(secret_release) struct secret spelt = { 0 };
	CLEANUP(secret_release) struct secret key = { 0 };
	CLEANUP(buf_release) struct buf plain = { 0 };
	struct der params;
	struct der scheme;
	bool ccm = false;

	if (!is_ours(s->alg, &params, &ccm)) {
		return open_foreign(s, password, work, ret, err);
	}
	enum err_code rc = spell(password, s->label, &spelt, err);
	if (rc == ERR_OK) {
		rc = derive(&params, secret_view(&spelt), KEY_N, work, &key, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	if (key.n != KEY_N) {
		return damaged("an AES-256 key of another length", err);
	}
	buf_init_secret(&plain, KEYSTORE_FILE_LIMIT);
	(void)der_enter(&params, DER_SEQUENCE, &scheme);
	(void)der_get(&scheme, DER_OID, &(struct bytes){ 0 });
	rc = ccm ? open_ccm(&scheme, secret_view(&key), s->data, &plain, err)
	         : open_kwp(secret_view(&key), s->data, &plain, err);
	if (rc == ERR_OK) {
		secret_from_buf(ret, &plain);
	}
	return rc;
}

enum err_code bcfks_check_mac(struct der *check, struct bytes content,
                              const struct secret *password, uint64_t *work, bool *ret_right,
                              struct err *err)
{
	CLEANUP(secret_release) struct secret spelt = { 0 };
	CLEANUP(secret_release) struct secret key = { 0 };
	uint8_t mac[MAC_MAX];
	struct p12_hmac hmac;
	struct der alg;
	struct bytes oid;
	struct bytes want;

	if (!der_enter(check, DER_SEQUENCE, &alg) || !der_get(&alg, DER_OID, &oid)) {
		return damaged("the integrity check is malformed", err);
	}
	const struct nettle_hash *hash = prf_of(oid);
	if (hash == NULL) {
		return damaged("a MAC of an algorithm that is not known", err);
	}
	enum err_code rc = spell(password, "INTEGRITY_CHECK", &spelt, err);
	if (rc == ERR_OK) {
		rc = derive(check, secret_view(&spelt), /* fallback= */ 0, work, &key, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	if (!der_get(check, DER_OCTET_STRING, &want)) {
		return damaged("the MAC is missing", err);
	}
	p12_hmac_set_key(&hmac, hash, secret_view(&key));
	p12_hmac_update(&hmac, content.n, content.p);
	p12_hmac_digest(&hmac, hash->digest_size, mac);
	*ret_right = want.n == hash->digest_size && memcmp(mac, want.p, want.n) == 0;
	secret_wipe(&hmac, sizeof(hmac));
	return ERR_OK;
}

void bcfks_derivation_text(struct der d, char *out, size_t out_size)
{
	struct pbkdf2 k = { .salt = { 0 } };

	if (ks_scrypt_is_next(&d)) {
		struct ks_scrypt s = { .cost = 0 };

		(void)ks_scrypt_parse(&d, &s, /* err= */ NULL);
		(void)snprintf(out, out_size, "scrypt, N %llu, r %llu", (unsigned long long)s.cost,
		               (unsigned long long)s.block);
	} else if (parse_pbkdf2(&d, &k, /* err= */ NULL) == ERR_OK) {
		(void)snprintf(out, out_size, "PBKDF2, HMAC-%s, %llu iterations", k.prf->name,
		               (unsigned long long)k.iterations);
	}
}

void bcfks_cipher_text(struct bytes alg, char *out, size_t out_size)
{
	struct der params;
	bool ccm = false;

	(void)snprintf(out, out_size, "%s",
	               !is_ours(alg, &params, &ccm) ? "other"
	               : ccm                        ? "AES-256-CCM"
	                                            : "AES-256-KWP");
}
