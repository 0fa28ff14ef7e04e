/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pkcs8.c - what can be read off a plain PKCS#8.
 *
 * GnuTLS refuses EC keys without their public half, which is how Java writes every one of them.
 * The point is computed here with nettle; what a file says about its public half is not believed.
 */
#include "reconciler/pki/pkcs8.h"

#include <nettle/bignum.h>
#include <nettle/ecc-curve.h>
#include <nettle/ecc.h>
#include <nettle/eddsa.h>
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/secret.h"
#include "reconciler/pki/alg.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/key.h"

#define EC_OCTETS_MAX 66

static enum err_code bad_key(struct err *err, const char *what)
{
	return err_set(err, ERR_INVALID, "not a PKCS#8 private key: bad %s", what);
}

static const struct ecc_curve *curve_of(unsigned bits)
{
	return bits == 256   ? nettle_get_secp_256r1()
	       : bits == 384 ? nettle_get_secp_384r1()
	                     : nettle_get_secp_521r1();
}

static void read_curve(struct pkcs8_facts *f)
{
	static const struct {
		const char *oid;
		unsigned bits;
	} curves[] = { { OID_P256, 256 }, { OID_P384, 384 }, { OID_P521, 521 } };

	for (size_t i = 0; i < ARRAY_LEN(curves); i++) {
		if (der_oid_is(f->curve, curves[i].oid)) {
			f->supported = true;
			f->key = (struct key_spec){ KEY_ECDSA, curves[i].bits };
		}
	}
}

static bool read_ec(struct pkcs8_facts *f, struct der *alg)
{
	struct der d = der_of(f->inner);
	struct der seq;
	struct der params;
	uint64_t version;

	if (!der_enter(&d, DER_SEQUENCE, &seq) || !der_get_u64(&seq, &version) || version != 1 ||
	    !der_get(&seq, DER_OCTET_STRING, &f->ec_secret)) {
		return false;
	}
	if (!der_get(alg, DER_OID, &f->curve) &&
	    (!der_enter(&seq, DER_CONTEXT_CONSTRUCTED(0), &params) ||
	     !der_get(&params, DER_OID, &f->curve))) {
		return true; /* explicit parameters: a key, but not for us */
	}
	read_curve(f);
	return true;
}

/* RSAPrivateKey: version, n, e, ... */
static bool rsa_public(struct bytes inner, struct bytes *ret_n, struct bytes *ret_e)
{
	struct der d = der_of(inner);
	struct der seq;
	uint64_t version;

	return der_enter(&d, DER_SEQUENCE, &seq) && der_get_u64(&seq, &version) &&
	       der_get(&seq, DER_INTEGER, ret_n) && der_get(&seq, DER_INTEGER, ret_e);
}

static bool read_rsa(struct pkcs8_facts *f)
{
	struct bytes n;
	struct bytes e;

	if (!rsa_public(f->inner, &n, &e)) {
		return false;
	}
	while (n.n > 0 && n.p[0] == 0) {
		n = bytes_of(n.p + 1, n.n - 1);
	}
	if (n.n == 0 || n.n > PKCS8_SPKI_MAX / 4) {
		return false;
	}
	unsigned bits = (unsigned)n.n * 8;
	for (unsigned top = n.p[0]; (top & 0x80) == 0; top <<= 1) {
		bits--;
	}
	f->supported = true;
	f->key = (struct key_spec){ KEY_RSA, bits };
	return true;
}

static bool read_ed25519(struct pkcs8_facts *f)
{
	struct der d = der_of(f->inner);
	struct bytes seed;

	if (!der_get(&d, DER_OCTET_STRING, &seed) || seed.n != ED25519_KEY_SIZE) {
		return false;
	}
	f->supported = true;
	f->key = (struct key_spec){ KEY_ED25519, 0 };
	return true;
}

static bool read_kind(struct pkcs8_facts *f, struct bytes oid, struct der *alg)
{
	if (der_oid_is(oid, OID_RSA)) {
		f->kind = PKCS8_RSA;
		return read_rsa(f);
	}
	if (der_oid_is(oid, OID_EC_KEY)) {
		f->kind = PKCS8_EC;
		return read_ec(f, alg);
	}
	if (der_oid_is(oid, OID_ED25519)) {
		f->kind = PKCS8_ED25519;
		return read_ed25519(f);
	}
	f->kind = PKCS8_OTHER;
	return true;
}

enum err_code pkcs8_read(struct bytes pkcs8, struct pkcs8_facts *ret, struct err *err)
{
	struct pkcs8_facts f = { 0 };
	struct der d = der_of(pkcs8);
	struct der seq;
	struct der alg_outer;
	struct der alg;
	struct bytes oid;
	uint64_t version;

	if (!der_enter(&d, DER_SEQUENCE, &seq) || !der_at_end(&d) || !der_get_u64(&seq, &version) ||
	    version > 1) {
		return bad_key(err, "outer structure");
	}
	if (der_peek(&seq) != DER_SEQUENCE ||
	    !der_get_any(&seq, /* ret_tag= */ NULL, /* ret_content= */ NULL, &f.alg)) {
		return bad_key(err, "algorithm");
	}
	alg_outer = der_of(f.alg);
	if (!der_enter(&alg_outer, DER_SEQUENCE, &alg) || !der_get(&alg, DER_OID, &oid)) {
		return bad_key(err, "algorithm");
	}
	if (!der_get(&seq, DER_OCTET_STRING, &f.inner) || !read_kind(&f, oid, &alg)) {
		return bad_key(err, "key value");
	}
	*ret = f;
	return ERR_OK;
}

/* Secret numbers leave no copy behind in memory that malloc hands out again. */
static void wipe_number(mpz_t z)
{
	size_t limbs = mpz_size(z);

	if (limbs > 0) {
		secret_wipe(mpz_limbs_modify(z, (mp_size_t)limbs), limbs * sizeof(mp_limb_t));
	}
	mpz_clear(z);
}

/* 04 | x | y of d*G. false: d is not in [1, order). */
static bool ec_point(unsigned bits, struct bytes secret, uint8_t *out, size_t *ret_n)
{
	const struct ecc_curve *curve = curve_of(bits);
	size_t half = (bits + 7) / 8;
	struct ecc_scalar scalar;
	struct ecc_point point;
	mpz_t d;
	mpz_t x;
	mpz_t y;

	if (secret.n == 0 || secret.n > EC_OCTETS_MAX + 1) {
		return false;
	}
	nettle_mpz_init_set_str_256_u(d, secret.n, secret.p);
	ecc_scalar_init(&scalar, curve);
	bool ok = mpz_sgn(d) > 0 && ecc_scalar_set(&scalar, d) == 1;
	wipe_number(d);
	if (ok) {
		ecc_point_init(&point, curve);
		ecc_point_mul_g(&point, &scalar);
		mpz_init(x);
		mpz_init(y);
		ecc_point_get(&point, x, y);
		out[0] = 0x04;
		nettle_mpz_get_str_256(half, out + 1, x);
		nettle_mpz_get_str_256(half, out + 1 + half, y);
		*ret_n = 1 + 2 * half;
		mpz_clear(x);
		mpz_clear(y);
		ecc_point_clear(&point);
	}
	ecc_scalar_clear(&scalar);
	return ok;
}

static enum err_code put_public(struct der_writer *w, const struct pkcs8_facts *f, struct err *err)
{
	uint8_t point[1 + 2 * EC_OCTETS_MAX];
	uint8_t ed[ED25519_KEY_SIZE];
	size_t n;

	if (f->kind == PKCS8_EC) {
		if (!ec_point(f->key.bits, f->ec_secret, point, &n)) {
			return bad_key(err, "EC secret");
		}
		der_put_bits(w, bytes_of(point, n), 0);
		return ERR_OK;
	}
	if (f->kind == PKCS8_ED25519) {
		ed25519_sha512_public_key(ed, f->inner.p + 2);
		der_put_bits(w, bytes_of(ed, sizeof(ed)), 0);
		return ERR_OK;
	}
	CLEANUP(der_writer_release) struct der_writer key = { 0 };
	struct bytes modulus;
	struct bytes exponent;
	der_writer_init(&key);
	if (!rsa_public(f->inner, &modulus, &exponent)) {
		return bad_key(err, "RSA key");
	}
	der_put_integer(&key, exponent);
	der_put_integer(&key, modulus);
	der_wrap(&key, DER_SEQUENCE, 0);
	w->failed |= key.failed;
	der_put_bits(w, der_writer_view(&key), 0);
	return ERR_OK;
}

enum err_code pkcs8_spki(const struct pkcs8_facts *f, struct buf *out, struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };

	if (!f->supported) {
		return err_set(err, ERR_INVALID, "private key of an algorithm we do not know");
	}
	der_writer_init(&w);
	enum err_code rc = put_public(&w, f, err);
	if (rc != ERR_OK) {
		return rc;
	}
	size_t mark = der_mark(&w);
	if (f->kind == PKCS8_EC) {
		der_put(&w, DER_OID, f->curve);
		der_put_oid(&w, OID_EC_KEY);
	} else if (f->kind == PKCS8_RSA) {
		der_put_null(&w);
		der_put_oid(&w, OID_RSA);
	} else {
		der_put_oid(&w, OID_ED25519);
	}
	der_wrap(&w, DER_SEQUENCE, mark);
	der_wrap(&w, DER_SEQUENCE, 0);
	return der_writer_finish(&w, out, err);
}

/* A compressed point names the same key as the full one: same x, and y's parity. */
static bool same_point(struct bytes full, struct bytes other)
{
	size_t half = full.n / 2;

	return full.n > 1 && full.p[0] == 0x04 && other.n == 1 + half &&
	       other.p[0] == (0x02 | (full.p[full.n - 1] & 1)) &&
	       memcmp(full.p + 1, other.p + 1, half) == 0;
}

bool spki_same_key(struct bytes a, struct bytes b)
{
	struct spki_facts x;
	struct spki_facts y;

	if (bytes_equal(a, b)) {
		return true;
	}
	if (!spki_read(a, &x) || !spki_read(b, &y) || !x.supported || !y.supported ||
	    x.spec.algorithm != y.spec.algorithm || x.spec.bits != y.spec.bits) {
		return false;
	}
	return bytes_equal(x.key, y.key) ||
	       (x.spec.algorithm == KEY_ECDSA &&
	        (same_point(x.key, y.key) || same_point(y.key, x.key)));
}

enum err_code pkcs8_spki_sha256(struct bytes pkcs8, const struct cert *hint_or_null,
                                uint8_t ret[SHA256_BYTES], struct err *err)
{
	CLEANUP(buf_release) struct buf spki = { 0 };
	struct pkcs8_facts f;

	buf_init(&spki, PKCS8_SPKI_MAX);
	enum err_code rc = pkcs8_read(pkcs8, &f, err);
	if (rc == ERR_OK) {
		rc = pkcs8_spki(&f, &spki, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	if (hint_or_null != NULL && spki_same_key(buf_view(&spki), hint_or_null->spki)) {
		memcpy(ret, hint_or_null->spki_sha256, SHA256_BYTES);
	} else {
		pki_sha256(spki.p, spki.len, ret);
	}
	return ERR_OK;
}
