/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * p12_kdf.c - keys from passwords.
 *
 * GnuTLS keeps its PKCS#12 derivation to itself and has no cap on iterations, hence nettle.
 */
#include <nettle/hmac.h>
#include <nettle/pbkdf2.h>
#include <stdlib.h>

#include "providers/keystores/kstext.h"
#include "providers/keystores/p12_crypto.h"
#include "reconciler/base/str.h"

#define HASH_MAX  64
#define BLOCK_MAX 128

/* Java's cap; about four seconds of hashing for a whole file; Java's default; a millisecond. */
struct p12_limits p12_limits = {
	.iterations = 5000000, .work = 40000000, .written = 10000, .ahead = 2048
};

static const struct {
	const struct nettle_hash *hash;
	const char *digest_oid, *hmac_oid;
} hashes[] = {
	{ &nettle_sha256, "2.16.840.1.101.3.4.2.1", "1.2.840.113549.2.9" },
	{ &nettle_sha1, "1.3.14.3.2.26", "1.2.840.113549.2.7" },
	{ &nettle_sha512, "2.16.840.1.101.3.4.2.3", "1.2.840.113549.2.11" },
	{ &nettle_sha384, "2.16.840.1.101.3.4.2.2", "1.2.840.113549.2.10" },
	{ &nettle_sha224, "2.16.840.1.101.3.4.2.4", "1.2.840.113549.2.8" },
	{ &nettle_sha512_256, "2.16.840.1.101.3.4.2.6", "1.2.840.113549.2.13" },
	{ &nettle_sha512_224, "2.16.840.1.101.3.4.2.5", "1.2.840.113549.2.12" },
};

const struct nettle_hash *p12_hash_by_digest_oid(struct bytes oid)
{
	for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
		if (der_oid_is(oid, hashes[i].digest_oid)) {
			return hashes[i].hash;
		}
	}
	return NULL;
}

const struct nettle_hash *p12_hash_by_hmac_oid(struct bytes oid)
{
	for (size_t i = 0; i < ARRAY_LEN(hashes); i++) {
		if (der_oid_is(oid, hashes[i].hmac_oid)) {
			return hashes[i].hash;
		}
	}
	return NULL;
}

const char *p12_digest_oid(const struct nettle_hash *hash)
{
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(hashes) && hashes[i].hash != hash) {
		i++;
	}
	return hashes[i].digest_oid;
}

const char *p12_hmac_oid(const struct nettle_hash *hash)
{
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(hashes) && hashes[i].hash != hash) {
		i++;
	}
	return hashes[i].hmac_oid;
}

void p12_hmac_set_key(struct p12_hmac *h, const struct nettle_hash *hash, struct bytes key)
{
	static const uint8_t none = 0;

	h->hash = hash;
	hmac_set_key(&h->outer, &h->inner, &h->state, hash, key.n, key.n == 0 ? &none : key.p);
}

void p12_hmac_update(void *h, size_t n, const uint8_t *p)
{
	struct p12_hmac *self = h;

	hmac_update(&self->state, self->hash, n, p);
}

void p12_hmac_digest(void *h, size_t n, uint8_t *out)
{
	struct p12_hmac *self = h;

	hmac_digest(&self->outer, &self->inner, &self->state, self->hash, n, out);
}

void p12_pbkdf2(const struct nettle_hash *prf, struct bytes raw, struct bytes salt,
                uint64_t iterations, uint8_t *out, size_t n)
{
	struct p12_hmac h;

	p12_hmac_set_key(&h, prf, raw);
	pbkdf2(&h, p12_hmac_update, p12_hmac_digest, prf->digest_size, (unsigned)iterations, salt.n,
	       salt.p, n, out);
	secret_wipe(&h, sizeof(h));
}

enum err_code p12_spend(uint64_t *work, uint64_t iterations, uint64_t blocks, struct err *err)
{
	if (iterations == 0 || iterations > p12_limits.iterations) {
		return err_set(err, ERR_INVALID,
		               "a key derivation of %llu iterations; 1 to %llu are accepted",
		               (unsigned long long)iterations,
		               (unsigned long long)p12_limits.iterations);
	}
	if (iterations * blocks > *work) {
		*work = 0;
		return err_set(err, ERR_INVALID,
		               "the file asks for more key derivation work than is accepted");
	}
	*work -= iterations * blocks;
	return ERR_OK;
}

/* Whole copies of `v` up to a multiple of `block`. */
static size_t fill(uint8_t *to, struct bytes v, size_t block)
{
	size_t n = (v.n + block - 1) / block * block;

	for (size_t i = 0; i < n; i++) {
		to[i] = v.p[i % v.n];
	}
	return n;
}

/* I_j = I_j + B + 1, each I_j a big-endian number of one block. */
static void advance(uint8_t *i_blocks, size_t n, size_t block, const uint8_t *b)
{
	for (size_t at = 0; at < n; at += block) {
		unsigned carry = 1;

		for (size_t k = block; k-- > 0;) {
			carry += (unsigned)i_blocks[at + k] + b[k];
			i_blocks[at + k] = (uint8_t)carry;
			carry >>= 8;
		}
	}
}

/* A = H(H(... H(D | I))), one output block. */
static void hash_block(const struct p12_derivation *d, struct bytes inputs, uint8_t *a)
{
	const struct nettle_hash *hash = d->hash;
	union p12_hash_state ctx;
	uint8_t diversifier[BLOCK_MAX];

	memset(diversifier, d->id, hash->block_size);
	hash->init(&ctx);
	hash->update(&ctx, hash->block_size, diversifier);
	hash->update(&ctx, inputs.n, inputs.p);
	hash->digest(&ctx, hash->digest_size, a);
	for (uint64_t k = 1; k < d->iterations; k++) {
		hash->update(&ctx, hash->digest_size, a); /* digest() has started it anew */
		hash->digest(&ctx, hash->digest_size, a);
	}
	secret_wipe(&ctx, sizeof(ctx));
}

static size_t round_up(size_t n, size_t block)
{
	return (n + block - 1) / block * block;
}

bool p12_kdf(const struct p12_derivation *d, uint8_t *out, size_t n)
{
	size_t block = d->hash->block_size;
	size_t u = d->hash->digest_size;
	CLEANUP(secret_release) struct secret inputs = { 0 };
	uint8_t a[HASH_MAX];
	uint8_t b[BLOCK_MAX];

	inputs.n = round_up(d->salt.n, block) + round_up(d->wide.n, block);
	inputs.p = malloc(inputs.n + 1);
	if (inputs.p == NULL) {
		return false;
	}
	(void)fill(inputs.p + fill(inputs.p, d->salt, block), d->wide, block);
	for (size_t at = 0; at < n; at += u) {
		hash_block(d, secret_view(&inputs), a);
		memcpy(out + at, a, n - at < u ? n - at : u);
		for (size_t k = 0; k < block; k++) {
			b[k] = a[k % u];
		}
		advance(inputs.p, inputs.n, block, b);
	}
	secret_wipe(a, sizeof(a));
	secret_wipe(b, sizeof(b));
	return true;
}

/* Each octet of UTF-8 as one 16-bit character: what OpenSSL before 1.1 took passwords for. */
static enum err_code widen(const struct secret *pw, struct secret *ret, struct err *err)
{
	CLEANUP(buf_release) struct buf b = { 0 };

	buf_init_secret(&b, KEYSTORE_FILE_LIMIT);
	for (size_t i = 0; i < pw->n; i++) {
		buf_add_u16be(&b, pw->p[i]);
	}
	buf_add_u16be(&b, 0);
	enum err_code rc = buf_check(&b, "a keystore password", err);
	if (rc == ERR_OK) {
		secret_from_buf(ret, &b);
	}
	return rc;
}

/* ISO-8859-1 where it reaches, else the UTF-8 itself. */
static enum err_code latin1(const struct secret *pw, struct secret *ret, struct err *err)
{
	CLEANUP(secret_release) struct secret wide = { 0 };
	CLEANUP(buf_release) struct buf b = { 0 };
	bool fits = true;
	enum err_code rc = ks_password_wide(pw, /* terminated= */ false, &wide, err);

	buf_init_secret(&b, KEYSTORE_FILE_LIMIT);
	for (size_t i = 0; rc == ERR_OK && i + 1 < wide.n; i += 2) {
		fits = fits && wide.p[i] == 0;
		buf_add_byte(&b, wide.p[i + 1]);
	}
	if (rc != ERR_OK || buf_failed(&b)) {
		return rc != ERR_OK ? rc : err_nomem(err);
	}
	if (fits) {
		secret_from_buf(ret, &b);
		return ERR_OK;
	}
	return secret_set(ret, pw->p, pw->n) < 0 ? err_nomem(err) : ERR_OK;
}

static bool is_ascii(const struct secret *pw)
{
	for (size_t i = 0; i < pw->n; i++) {
		if (pw->p[i] >= 0x80) {
			return false;
		}
	}
	return true;
}

enum err_code p12_password_init(struct p12_password *p, const struct secret *password,
                                struct err *err)
{
	static const struct secret none = { 0 };
	const struct secret *pw = password == NULL ? &none : password;

	p12_password_release(p);
	enum err_code rc = ks_password_wide(pw, /* terminated= */ true, &p->v[0].wide, err);
	if (rc == ERR_OK && secret_set(&p->v[0].raw, pw->p, pw->n) < 0) {
		rc = err_nomem(err);
	}
	p->n = 1;
	if (rc != ERR_OK || (pw->n != 0 && is_ascii(pw))) {
		return rc;
	}
	p->n = 2;
	if (pw->n == 0) {
		return ERR_OK; /* the second spelling is no octets at all */
	}
	rc = widen(pw, &p->v[1].wide, err);
	return rc == ERR_OK ? latin1(pw, &p->v[1].raw, err) : rc;
}

void p12_password_release(struct p12_password *p)
{
	for (size_t i = 0; i < P12_SPELLINGS_MAX; i++) {
		secret_release(&p->v[i].wide);
		secret_release(&p->v[i].raw);
	}
	*p = (struct p12_password){ 0 };
}
