/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * key.c - private keys.
 *
 * The PKCS#8 octets are the key; GnuTLS objects are made from them where a signature is due. What
 * can be answered from the octets alone (which public key is it?) is answered by pkcs8.c.
 */
#include "reconciler/pki/key.h"

#include <assert.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/pki/alg.h"
#include "reconciler/pki/pkcs8.h"

struct key {
	struct secret pkcs8;
	struct buf spki;
	uint8_t spki_sha256[SHA256_BYTES];
	struct key_spec spec;
	gnutls_privkey_t handle; /* owns the x509 key below it */
};

void key_free(struct key *k)
{
	if (k == NULL) {
		return;
	}
	if (k->handle != NULL) {
		gnutls_privkey_deinit(k->handle);
	}
	secret_release(&k->pkcs8);
	buf_release(&k->spki);
	free(k);
}

void cleanup_key(struct key **k)
{
	key_free(*k);
}

static gnutls_datum_t datum(struct bytes v)
{
	return (gnutls_datum_t){ (unsigned char *)(uintptr_t)v.p, (unsigned)v.n };
}

static int import_ec(gnutls_x509_privkey_t x, const struct pkcs8_facts *f, struct bytes point)
{
	gnutls_ecc_curve_t curve = f->key.bits == 256   ? GNUTLS_ECC_CURVE_SECP256R1
	                           : f->key.bits == 384 ? GNUTLS_ECC_CURVE_SECP384R1
	                                                : GNUTLS_ECC_CURVE_SECP521R1;
	size_t half = (point.n - 1) / 2;
	gnutls_datum_t qx = datum(bytes_of(point.p + 1, half));
	gnutls_datum_t qy = datum(bytes_of(point.p + 1 + half, half));
	gnutls_datum_t d = datum(f->ec_secret);

	return gnutls_x509_privkey_import_ecc_raw(x, curve, &qx, &qy, &d);
}

static int import_x509(gnutls_x509_privkey_t x, const struct pkcs8_facts *f, struct bytes pkcs8,
                       struct bytes point)
{
	if (f->key.algorithm == KEY_ECDSA) {
		return import_ec(x, f, point); /* Java leaves out what GnuTLS's import wants */
	}
	gnutls_datum_t in = datum(pkcs8);
	return gnutls_x509_privkey_import_pkcs8(x, &in, GNUTLS_X509_FMT_DER, /* password= */ NULL,
	                                        GNUTLS_PKCS_PLAIN);
}

static enum err_code make_handle(struct key *k, const struct pkcs8_facts *f, struct err *err)
{
	struct spki_facts public;
	gnutls_x509_privkey_t x = NULL;

	if (!spki_read(buf_view(&k->spki), &public)) {
		return err_set(err, ERR_BUG, "our own SubjectPublicKeyInfo does not parse");
	}
	int r = gnutls_x509_privkey_init(&x);
	if (r >= 0) {
		r = import_x509(x, f, secret_view(&k->pkcs8), public.key);
	}
	if (r >= 0) {
		r = gnutls_privkey_init(&k->handle);
	}
	if (r >= 0) {
		r = gnutls_privkey_import_x509(k->handle, x, GNUTLS_PRIVKEY_IMPORT_AUTO_RELEASE);
	}
	if (r < 0) {
		gnutls_x509_privkey_deinit(x);
		return pki_err(err, r, "importing private key");
	}
	return ERR_OK;
}

enum err_code key_import(struct bytes pkcs8, struct key **ret, struct err *err)
{
	CLEANUP(cleanup_key) struct key *k = calloc(1, sizeof(*k));
	struct pkcs8_facts f;

	if (k == NULL) {
		return err_nomem(err);
	}
	buf_init(&k->spki, PKCS8_SPKI_MAX);
	enum err_code rc = pkcs8_read(pkcs8, &f, err);
	if (rc == ERR_OK && !f.supported) {
		rc = err_set(err, ERR_INVALID,
		             "private key is neither RSA, ECDSA (P-256, P-384, P-521) nor Ed25519");
	}
	if (rc == ERR_OK) {
		rc = pkcs8_spki(&f, &k->spki, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	if (secret_set(&k->pkcs8, pkcs8.p, pkcs8.n) < 0) {
		return err_nomem(err);
	}
	k->spec = f.key;
	pki_sha256(k->spki.p, k->spki.len, k->spki_sha256);
	rc = make_handle(k, &f, err);
	if (rc == ERR_OK) {
		*ret = TAKE_PTR(k);
	}
	return rc;
}

static bool generate_parameters(const struct key_spec *spec, gnutls_pk_algorithm_t *ret_pk,
                                unsigned *ret_bits)
{
	switch (spec->algorithm) {
	case KEY_RSA:
		*ret_pk = GNUTLS_PK_RSA;
		*ret_bits = spec->bits;
		return spec->bits >= ALG_RSA_MIN && spec->bits <= 16384 && spec->bits % 8 == 0;
	case KEY_ECDSA:
		*ret_pk = GNUTLS_PK_ECDSA;
		*ret_bits = GNUTLS_CURVE_TO_BITS(spec->bits == 256   ? GNUTLS_ECC_CURVE_SECP256R1
		                                 : spec->bits == 384 ? GNUTLS_ECC_CURVE_SECP384R1
		                                                     : GNUTLS_ECC_CURVE_SECP521R1);
		return spec->bits == 256 || spec->bits == 384 || spec->bits == 521;
	case KEY_ED25519:
		*ret_pk = GNUTLS_PK_EDDSA_ED25519;
		*ret_bits = GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_ED25519);
		return true;
	default:
		return false;
	}
}

enum err_code key_generate(const struct key_spec *spec, struct key **ret, struct err *err)
{
	gnutls_pk_algorithm_t pk;
	unsigned bits;
	gnutls_x509_privkey_t x = NULL;
	gnutls_datum_t out = { 0 };

	if (!generate_parameters(spec, &pk, &bits)) {
		return err_set(err, ERR_INVALID, "no key of %u bits can be made for this algorithm",
		               spec->bits);
	}
	int r = gnutls_x509_privkey_init(&x);
	if (r >= 0) {
		r = gnutls_x509_privkey_generate(x, pk, bits, 0);
	}
	if (r >= 0) {
		r = gnutls_x509_privkey_export2_pkcs8(x, GNUTLS_X509_FMT_DER, /* password= */ NULL,
		                                      GNUTLS_PKCS_PLAIN, &out);
	}
	gnutls_x509_privkey_deinit(x);
	if (r < 0) {
		return pki_err(err, r, "generating private key");
	}
	enum err_code rc = key_import(bytes_of(out.data, out.size), ret, err);
	secret_wipe(out.data, out.size);
	gnutls_free(out.data);
	return rc;
}

enum err_code key_export_pkcs8(const struct key *k, struct secret *ret, struct err *err)
{
	struct secret copy = { 0 };

	if (secret_set(&copy, k->pkcs8.p, k->pkcs8.n) < 0) {
		return err_nomem(err);
	}
	*ret = copy;
	return ERR_OK;
}

void key_spki_sha256(const struct key *k, uint8_t ret[SHA256_BYTES])
{
	memcpy(ret, k->spki_sha256, SHA256_BYTES);
}

enum err_code key_spki(const struct key *k, struct buf *out, struct err *err)
{
	buf_add_bytes(out, buf_view(&k->spki));
	return buf_check(out, "public key", err);
}

struct key_spec key_spec_of(const struct key *k)
{
	return k->spec;
}

bool key_matches_cert(const struct key *k, const struct cert *c)
{
	return spki_same_key(buf_view(&k->spki), c->spki);
}

enum err_code key_sign(const struct key *k, enum signature_algorithm sig, struct bytes tbs,
                       struct buf *alg_out, struct buf *sig_out, struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	enum signature_algorithm algorithm;
	gnutls_datum_t in = datum(tbs);
	gnutls_datum_t out = { 0 };

	if (!signature_resolve(&k->spec, sig, &algorithm)) {
		return err_set(err, ERR_INVALID, "signature algorithm does not fit the key");
	}
	der_writer_init(&w);
	signature_put_alg(&w, algorithm);
	enum err_code rc = der_writer_finish(&w, alg_out, err);
	if (rc != ERR_OK) {
		return rc;
	}
	int r = gnutls_privkey_sign_data2(k->handle,
	                                  (gnutls_sign_algorithm_t)signature_gnutls(algorithm), 0,
	                                  &in, &out);
	if (r < 0) {
		return pki_err(err, r, "signing");
	}
	buf_add(sig_out, out.data, out.size);
	gnutls_free(out.data);
	return buf_check(sig_out, "signature", err);
}
