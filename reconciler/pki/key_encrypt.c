/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * key_encrypt.c - a private key under a password: EncryptedPrivateKeyInfo (RFC 5958) with PBES2.
 *
 * GnuTLS could, but only by re-encoding the key; the octets of a key are nobody's to change.
 */
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "reconciler/pki/der.h"
#include "reconciler/pki/key.h"

#define OID_PBES2       "1.2.840.113549.1.5.13"
#define OID_PBKDF2      "1.2.840.113549.1.5.12"
#define OID_HMAC_SHA256 "1.2.840.113549.2.9"
#define OID_AES256_CBC  "2.16.840.1.101.3.4.1.42"
#define SALT_BYTES      16
#define KEY_BYTES       32
#define BLOCK           16
#define ITERATIONS      600000 /* a file that leaves the machine: what OWASP asks for */

struct sealing {
	uint8_t salt[SALT_BYTES], iv[BLOCK], key[KEY_BYTES];
};

static enum err_code derive(struct sealing *s, const struct secret *password, struct err *err)
{
	const gnutls_datum_t pw = { password->p, (unsigned)password->n };
	const gnutls_datum_t salt = { s->salt, sizeof(s->salt) };

	pki_random(s->salt, sizeof(s->salt));
	pki_random(s->iv, sizeof(s->iv));
	int r = gnutls_pbkdf2(GNUTLS_MAC_SHA256, &pw, &salt, ITERATIONS, s->key, sizeof(s->key));
	return r < 0 ? pki_err(err, r, "derive a key from the password") : ERR_OK;
}

static enum err_code encrypt_padded(struct sealing *s, struct buf *padded, struct err *err)
{
	const gnutls_datum_t key = { s->key, sizeof(s->key) };
	const gnutls_datum_t iv = { s->iv, sizeof(s->iv) };
	gnutls_cipher_hd_t h;
	int r = gnutls_cipher_init(&h, GNUTLS_CIPHER_AES_256_CBC, &key, &iv);

	if (r >= 0) {
		r = gnutls_cipher_encrypt(h, padded->p, padded->len);
		gnutls_cipher_deinit(h);
	}
	return r < 0 ? pki_err(err, r, "encrypt the key") : ERR_OK;
}

/* EncryptedPrivateKeyInfo { PBES2 { PBKDF2, AES }, data }, last first. */
static void put_info(struct der_writer *w, const struct sealing *s, struct bytes data)
{
	size_t all = der_mark(w);

	der_put(w, DER_OCTET_STRING, data);
	size_t algorithm = der_mark(w);
	size_t params = der_mark(w);
	size_t cipher = der_mark(w);
	der_put(w, DER_OCTET_STRING, bytes_of(s->iv, sizeof(s->iv)));
	der_put_oid(w, OID_AES256_CBC);
	der_wrap(w, DER_SEQUENCE, cipher);
	size_t kdf = der_mark(w);
	size_t kdf_params = der_mark(w);
	size_t prf = der_mark(w);
	der_put_null(w);
	der_put_oid(w, OID_HMAC_SHA256);
	der_wrap(w, DER_SEQUENCE, prf);
	der_put_u64(w, ITERATIONS);
	der_put(w, DER_OCTET_STRING, bytes_of(s->salt, sizeof(s->salt)));
	der_wrap(w, DER_SEQUENCE, kdf_params);
	der_put_oid(w, OID_PBKDF2);
	der_wrap(w, DER_SEQUENCE, kdf);
	der_wrap(w, DER_SEQUENCE, params);
	der_put_oid(w, OID_PBES2);
	der_wrap(w, DER_SEQUENCE, algorithm);
	der_wrap(w, DER_SEQUENCE, all);
}

enum err_code pkcs8_encrypt(struct bytes pkcs8, const struct secret *password, struct buf *out,
                            struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	CLEANUP(buf_release) struct buf padded = { 0 };
	struct sealing s;
	uint8_t pad = (uint8_t)(BLOCK - pkcs8.n % BLOCK);

	buf_init_secret(&padded, pkcs8.n + BLOCK);
	buf_add_bytes(&padded, pkcs8);
	for (size_t i = 0; i < pad; i++) {
		buf_add_byte(&padded, pad);
	}
	enum err_code rc = buf_check(&padded, "the private key", err);
	if (rc == ERR_OK) {
		rc = derive(&s, password, err);
	}
	if (rc == ERR_OK) {
		rc = encrypt_padded(&s, &padded, err);
	}
	secret_wipe(s.key, sizeof(s.key));
	if (rc != ERR_OK) {
		return rc;
	}
	der_writer_init(&w);
	put_info(&w, &s, buf_view(&padded));
	return der_writer_finish(&w, out, err);
}
