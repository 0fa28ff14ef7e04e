/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * key_file.c - private keys as they lie in files: PKCS#8, encrypted PKCS#8, PKCS#1, SEC1.
 *
 * The old shapes are wrapped, not re-encoded: the octets of the key stay what they were. Only what
 * is encrypted goes through GnuTLS.
 */
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/pki/alg.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/key.h"
#include "reconciler/pki/pem.h"
#include "reconciler/pki/pkcs8.h"

#define KEY_FILE_MAX   ((size_t)1 << 20)
#define ITERATIONS_MAX 5000000u /* as Java */

enum key_shape { SHAPE_NONE, SHAPE_PKCS8, SHAPE_ENCRYPTED, SHAPE_PKCS1, SHAPE_SEC1 };

static enum key_shape shape_of(struct bytes in)
{
	struct der d = der_of(in);
	struct der seq;
	uint64_t version;

	if (!der_enter(&d, DER_SEQUENCE, &seq)) {
		return SHAPE_NONE;
	}
	if (der_peek(&seq) == DER_SEQUENCE) {
		return SHAPE_ENCRYPTED;
	}
	if (!der_get_u64(&seq, &version)) {
		return SHAPE_NONE;
	}
	int next = der_peek(&seq);
	return next == DER_SEQUENCE       ? SHAPE_PKCS8
	       : next == DER_INTEGER      ? SHAPE_PKCS1
	       : next == DER_OCTET_STRING ? SHAPE_SEC1
	                                  : SHAPE_NONE;
}

/* PrivateKeyInfo { 0, alg, OCTET STRING inner }; the algorithm was written by `put_alg`. */
static enum err_code wrap_pkcs8(struct bytes inner, const char *alg, struct bytes curve,
                                struct secret *ret, struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };

	der_writer_init(&w);
	buf_init_secret(&out, KEY_FILE_MAX);
	der_put(&w, DER_OCTET_STRING, inner);
	size_t mark = der_mark(&w);
	if (curve.n > 0) {
		der_put(&w, DER_OID, curve);
	} else {
		der_put_null(&w);
	}
	der_put_oid(&w, alg);
	der_wrap(&w, DER_SEQUENCE, mark);
	der_put_u64(&w, 0);
	der_wrap(&w, DER_SEQUENCE, 0);
	enum err_code rc = der_writer_finish(&w, &out, err);
	if (rc == ERR_OK) {
		secret_from_buf(ret, &out);
	}
	return rc;
}

static enum err_code wrap_sec1(struct bytes in, struct secret *ret, struct err *err)
{
	struct der d = der_of(in);
	struct der seq;
	struct der params;
	struct bytes curve;
	uint64_t version;

	if (!der_enter(&d, DER_SEQUENCE, &seq) || !der_get_u64(&seq, &version) ||
	    !der_get(&seq, DER_OCTET_STRING, &(struct bytes){ 0 }) ||
	    !der_enter(&seq, DER_CONTEXT_CONSTRUCTED(0), &params) ||
	    !der_get(&params, DER_OID, &curve)) {
		return err_set(err, ERR_INVALID, "EC private key does not name its curve");
	}
	return wrap_pkcs8(in, OID_EC_KEY, curve, ret, err);
}

static enum err_code take_plain(struct bytes in, struct secret *ret, struct err *err)
{
	struct secret copy = { 0 };
	struct pkcs8_facts f;
	enum err_code rc = pkcs8_read(in, &f, err);

	if (rc == ERR_OK && secret_set(&copy, in.p, in.n) < 0) {
		rc = err_nomem(err);
	}
	if (rc == ERR_OK) {
		*ret = copy;
	}
	return rc;
}

static enum err_code export_plain(gnutls_x509_privkey_t x, struct secret *ret, struct err *err)
{
	gnutls_datum_t out = { 0 };
	int r = gnutls_x509_privkey_export2_pkcs8(x, GNUTLS_X509_FMT_DER, /* password= */ NULL,
	                                          GNUTLS_PKCS_PLAIN, &out);

	if (r < 0) {
		return pki_err(err, r, "re-encoding decrypted private key");
	}
	enum err_code rc = take_plain(bytes_of(out.data, out.size), ret, err);
	secret_wipe(out.data, out.size);
	gnutls_free(out.data);
	return rc;
}

/* Of PBES1, the PKCS#12 ciphers and PBES2 with PBKDF2: all that GnuTLS decrypts. */
static bool read_iterations(struct bytes in, uint64_t *ret)
{
	struct der d = der_of(in);
	struct der seq;
	struct der alg;
	struct der params;
	struct der kdf;
	struct bytes oid;

	if (!der_enter(&d, DER_SEQUENCE, &seq) || !der_enter(&seq, DER_SEQUENCE, &alg) ||
	    !der_get(&alg, DER_OID, &oid) || !der_enter(&alg, DER_SEQUENCE, &params)) {
		return false;
	}
	if (der_enter(&params, DER_SEQUENCE, &kdf) &&
	    (!der_get(&kdf, DER_OID, &oid) || !der_enter(&kdf, DER_SEQUENCE, &params))) {
		return false;
	}
	return der_get(&params, DER_OCTET_STRING, &(struct bytes){ 0 }) &&
	       der_get_u64(&params, ret);
}

/* GnuTLS would count as far as a file says. */
static enum err_code check_iterations(struct bytes in, struct err *err)
{
	uint64_t iterations = 0;

	if (!read_iterations(in, &iterations)) {
		return err_set(err, ERR_INVALID,
		               "private key is encrypted in a way that is not known");
	}
	if (iterations > ITERATIONS_MAX) {
		return err_set(err, ERR_INVALID,
		               "private key asks for %llu iterations; at most %u are accepted",
		               (unsigned long long)iterations, ITERATIONS_MAX);
	}
	return ERR_OK;
}

/* Encrypted PKCS#8 (DER), or RFC 1421 PEM as OpenSSL used to write it. */
static enum err_code decrypt(struct bytes in, bool openssl_pem, const char *password,
                             struct secret *ret, struct err *err)
{
	gnutls_x509_privkey_t x;
	gnutls_datum_t data = { (unsigned char *)(uintptr_t)in.p, (unsigned)in.n };

	if (password == NULL) {
		return err_set(err, ERR_DENIED,
		               "private key is encrypted and no password was given");
	}
	enum err_code rc = openssl_pem ? ERR_OK : check_iterations(in, err);
	if (rc != ERR_OK) {
		return rc;
	}
	int r = gnutls_x509_privkey_init(&x);
	if (r < 0) {
		return pki_err(err, r, "decrypting private key");
	}
	r = openssl_pem
	            ? gnutls_x509_privkey_import_openssl(x, &data, password)
	            : gnutls_x509_privkey_import_pkcs8(x, &data, GNUTLS_X509_FMT_DER, password, 0);
	rc = r < 0 ? pki_err(err, r, "decrypting private key") : export_plain(x, ret, err);
	gnutls_x509_privkey_deinit(x);
	return rc;
}

static enum err_code decode_der(struct bytes in, const char *password, struct secret *ret,
                                struct err *err)
{
	switch (shape_of(in)) {
	case SHAPE_PKCS8:
		return take_plain(in, ret, err);
	case SHAPE_ENCRYPTED:
		return decrypt(in, /* openssl_pem= */ false, password, ret, err);
	case SHAPE_PKCS1:
		return wrap_pkcs8(in, OID_RSA, bytes_of(/* p= */ NULL, 0), ret, err);
	case SHAPE_SEC1:
		return wrap_sec1(in, ret, err);
	case SHAPE_NONE:
	default:
		return err_set(err, ERR_INVALID, "not a private key");
	}
}

enum err_code key_decode(struct bytes in, const char *password, struct secret *ret_pkcs8,
                         struct err *err)
{
	struct bytes rest = in;
	struct pem_block block;

	if (in.n > KEY_FILE_MAX) {
		return err_set(err, ERR_INVALID, "private key file is larger than 1 MiB");
	}
	if (!pem_looks_like(in)) {
		return decode_der(in, password, ret_pkcs8, err);
	}
	while (pem_next(&rest, &block)) {
		CLEANUP(buf_release) struct buf der = { 0 };
		if (strstr(block.label, "PRIVATE KEY") == NULL) {
			continue; /* EC PARAMETERS, certificates */
		}
		if (block.encrypted) {
			return decrypt(block.whole, /* openssl_pem= */ true, password, ret_pkcs8,
			               err);
		}
		buf_init_secret(&der, KEY_FILE_MAX);
		enum err_code rc = pem_decode(&block, &der, err);
		return rc != ERR_OK ? rc : decode_der(buf_view(&der), password, ret_pkcs8, err);
	}
	return err_set(err, ERR_INVALID, "no private key in the PEM text");
}

/* SEC1 stands alone, so it must name its curve and should carry the public half. */
static enum err_code put_sec1(const struct pkcs8_facts *f, struct buf *out, struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	CLEANUP(buf_release) struct buf spki = { 0 };
	CLEANUP(buf_release) struct buf der = { 0 };
	struct spki_facts public = { 0 };

	der_writer_init(&w);
	buf_init(&spki, PKCS8_SPKI_MAX);
	buf_init_secret(&der, KEY_FILE_MAX);
	enum err_code rc = pkcs8_spki(f, &spki, err);
	if (rc != ERR_OK) {
		return rc;
	}
	(void)spki_read(buf_view(&spki), &public);
	der_put_bits(&w, public.key, 0);
	der_wrap(&w, DER_CONTEXT_CONSTRUCTED(1), 0);
	size_t mark = der_mark(&w);
	der_put(&w, DER_OID, f->curve);
	der_wrap(&w, DER_CONTEXT_CONSTRUCTED(0), mark);
	der_put(&w, DER_OCTET_STRING, f->ec_secret);
	der_put_u64(&w, 1);
	der_wrap(&w, DER_SEQUENCE, 0);
	rc = der_writer_finish(&w, &der, err);
	if (rc != ERR_OK) {
		return rc;
	}
	pem_encode(buf_view(&der), "EC PRIVATE KEY", out);
	return ERR_OK;
}

enum err_code pkcs8_to_pem(struct bytes pkcs8, bool traditional, struct buf *out, struct err *err)
{
	struct pkcs8_facts f;
	enum err_code rc = pkcs8_read(pkcs8, &f, err);

	if (rc != ERR_OK) {
		return rc;
	}
	if (traditional && f.kind == PKCS8_EC && f.supported) {
		rc = put_sec1(&f, out, err);
	} else if (traditional && f.kind == PKCS8_RSA) {
		pem_encode(f.inner, "RSA PRIVATE KEY", out);
	} else {
		pem_encode(pkcs8, "PRIVATE KEY", out);
	}
	return rc != ERR_OK ? rc : buf_check(out, "private key", err);
}
