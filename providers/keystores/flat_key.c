/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flat_key.c - a private key in whatever shape a file holds it.
 *
 * Encrypted PKCS#8 is opened with the ciphers of PKCS#12 files rather than by GnuTLS, which refuses
 * the EC keys that Java writes, re-encodes what it decrypts, and has no limit on iterations.
 */
#include "providers/keystores/flat.h"
#include "providers/keystores/ksscrypt.h"
#include "providers/keystores/p12_cipher.h"
#include "providers/keystores/p12_crypto.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/key.h"
#include "reconciler/pki/pem.h"

#define OID_PBES2 "1.2.840.113549.1.5.13"
#define KEY_MAX   ((size_t)1 << 20)

struct shrouded {
	struct bytes alg; /* whole */
	struct bytes data;
};

/* EncryptedPrivateKeyInfo: an algorithm and octets, and nothing else. */
static bool is_shrouded(struct bytes der, struct shrouded *ret)
{
	struct der d = der_of(der);
	struct der seq;

	return der_enter(&d, DER_SEQUENCE, &seq) && der_peek(&seq) == DER_SEQUENCE &&
	       der_get_any(&seq, /* ret_tag= */ NULL, /* ret_content= */ NULL, &ret->alg) &&
	       der_get(&seq, DER_OCTET_STRING, &ret->data) && der_at_end(&seq);
}

bool flat_is_der_key(struct bytes der)
{
	struct shrouded s;
	struct der d = der_of(der);
	struct der seq;
	uint64_t version;

	if (is_shrouded(der, &s)) {
		struct der alg = der_of(s.alg);
		return der_enter(&alg, DER_SEQUENCE, &seq) && der_peek(&seq) == DER_OID;
	}
	if (!der_enter(&d, DER_SEQUENCE, &seq) || !der_at_end(&d) || !der_get_u64(&seq, &version) ||
	    version > 1) {
		return false;
	}
	int next = der_peek(&seq);
	return next == DER_SEQUENCE || next == DER_INTEGER || next == DER_OCTET_STRING;
}

/* PBES2 { scrypt, a cipher of PKCS#12 }: the cursor behind the OID. */
static bool enter_scrypt(struct bytes whole, struct der *ret)
{
	struct der d = der_of(whole);
	struct der alg;
	struct bytes oid;

	return der_enter(&d, DER_SEQUENCE, &alg) && der_get(&alg, DER_OID, &oid) &&
	       der_oid_is(oid, OID_PBES2) && der_enter(&alg, DER_SEQUENCE, ret) &&
	       ks_scrypt_is_next(ret);
}

static enum err_code take_padded(const uint8_t *plain, size_t n, size_t block, struct secret *ret,
                                 struct err *err)
{
	size_t pad = plain[n - 1];

	if (pad == 0 || pad > block || pad >= n || !ks_is_sequence(bytes_of(plain, n - pad))) {
		return err_set(err, ERR_DENIED, "the password does not decrypt it");
	}
	return secret_set(ret, plain, n - pad) < 0 ? err_nomem(err) : ERR_OK;
}

static enum err_code open_scrypt(struct der *params, struct bytes data,
                                 const struct secret *password, uint64_t *work, struct secret *ret,
                                 struct err *err)
{
	CLEANUP(buf_release) struct buf plain = { 0 };
	const struct p12_cipher *cipher;
	struct ks_scrypt kdf = { .cost = 0 };
	struct der scheme;
	struct bytes oid;
	struct bytes iv;
	uint8_t key[32];
	enum err_code rc = ks_scrypt_parse(params, &kdf, err);

	if (rc != ERR_OK) {
		return rc;
	}
	if (!der_enter(params, DER_SEQUENCE, &scheme) || !der_get(&scheme, DER_OID, &oid) ||
	    (cipher = p12_cipher_by_pbes2_oid(oid.p, oid.n)) == NULL ||
	    !der_get(&scheme, DER_OCTET_STRING, &iv) || iv.n != cipher->block ||
	    cipher->key_n > sizeof(key) || data.n == 0 || data.n % cipher->block != 0) {
		return err_set(err, ERR_INVALID, "the cipher behind scrypt is not supported");
	}
	buf_init_secret(&plain, KEYSTORE_FILE_LIMIT);
	uint8_t *room = buf_room(&plain, data.n);
	if (room == NULL) {
		return err_nomem(err);
	}
	rc = p12_spend(work, kdf.cost, kdf.block * kdf.parallel * 2, err);
	if (rc == ERR_OK) {
		rc = ks_scrypt_run(&kdf, secret_view(password), key, cipher->key_n, err);
	}
	if (rc == ERR_OK) {
		p12_cipher_run(cipher, /* encrypt= */ false, key, iv.p, data, room);
		buf_grew(&plain, data.n);
		rc = take_padded(plain.p, plain.len, cipher->block, ret, err);
	}
	secret_wipe(key, sizeof(key));
	return rc;
}

static enum err_code open_shrouded(const struct shrouded *s, const struct secret *password,
                                   uint64_t *work, struct secret *ret, unsigned *ret_warnings,
                                   struct err *err)
{
	CLEANUP(p12_password_release) struct p12_password pw = { .n = 0 };
	struct p12_alg alg = { .cipher = NULL };
	struct der params;

	if (password == NULL) {
		return err_set(err, ERR_DENIED, "the key is encrypted and no password was given");
	}
	if (enter_scrypt(s->alg, &params)) {
		return open_scrypt(&params, s->data, password, work, ret, err);
	}
	enum err_code rc = p12_alg_parse(s->alg, &alg, err);
	if (rc == ERR_OK) {
		rc = p12_password_init(&pw, password, err);
	}
	if (rc == ERR_OK) {
		*ret_warnings |= p12_alg_is_weak(&alg) ? (unsigned)KS_WARN_WEAK : 0u;
		rc = p12_decrypt(&alg, &pw, s->data, work, ret, err);
	}
	return rc;
}

/* GnuTLS counts as many iterations as a file asks for. */
static bool is_affordable(struct bytes whole, uint64_t *work)
{
	struct der d = der_of(whole);
	struct der alg;
	struct der params;
	struct der kdf;
	uint64_t iterations;

	if (!der_enter(&d, DER_SEQUENCE, &alg) || !der_get(&alg, DER_OID, &(struct bytes){ 0 }) ||
	    !der_enter(&alg, DER_SEQUENCE, &params)) {
		return false;
	}
	if (der_enter(&params, DER_SEQUENCE, &kdf) &&
	    (!der_get(&kdf, DER_OID, &(struct bytes){ 0 }) ||
	     !der_enter(&kdf, DER_SEQUENCE, &params))) {
		return false;
	}
	return der_get(&params, DER_OCTET_STRING, &(struct bytes){ 0 }) &&
	       der_get_u64(&params, &iterations) &&
	       p12_spend(work, iterations, 2, /* err= */ NULL) == ERR_OK;
}

static enum err_code decode_key(struct bytes in, const struct secret *password, uint64_t *work,
                                struct secret *ret, unsigned *ret_warnings, struct err *err)
{
	CLEANUP(buf_release) struct buf der = { 0 };
	CLEANUP(secret_release) struct secret plain = { 0 };
	struct bytes rest = in;
	struct pem_block block;
	struct shrouded s;

	buf_init_secret(&der, KEY_MAX);
	if (pem_next(&rest, &block)) {
		*ret_warnings |= block.encrypted ? (unsigned)KS_WARN_WEAK : 0u; /* MD5, once */
		if (!block.encrypted && pem_decode(&block, &der, /* err= */ NULL) == ERR_OK) {
			in = buf_view(&der);
		}
	}
	if (!is_shrouded(in, &s)) {
		return key_decode(in, password == NULL ? NULL : secret_str(password), ret, err);
	}
	enum err_code rc = open_shrouded(&s, password, work, &plain, ret_warnings, err);
	if (rc == ERR_INVALID && password != NULL && is_affordable(s.alg, work)) {
		/* It knows a few others. */
		return key_decode(in, secret_str(password), ret, err);
	}
	return rc == ERR_OK ? key_decode(secret_view(&plain), /* password= */ NULL, ret, err) : rc;
}

enum err_code flat_fill_key(struct flat *flat, struct flat_item *item, struct bytes in,
                            const struct keystore_passwords *pw, struct err *err)
{
	enum err_code rc = decode_key(in, ks_key_password(pw), &flat->work, &item->key,
	                              &item->warnings, /* err= */ NULL);

	item->kind = FLAT_KEY;
	if (rc == ERR_NOMEM) {
		return err_nomem(err);
	}
	item->opened = rc == ERR_OK;
	if (!item->opened && pw->keys_closed) {
		flat->base.keys_closed = true;
	} else if (!item->opened) {
		item->warnings |= KS_WARN_KEY_UNREADABLE;
	}
	return ERR_OK;
}

/* Without the text in front of it. */
static struct bytes block_of(struct bytes raw)
{
	struct pem_block block;

	return pem_next(&raw, &block) ? block.whole : raw;
}

enum err_code flat_check_keys(const struct flat *flat, struct err *err)
{
	const struct flat_item *first = NULL;

	for (size_t i = 0; i < flat->n; i++) {
		const struct flat_item *item = &flat->items[i];

		if (item->kind != FLAT_KEY) {
			continue;
		}
		if (first == NULL) {
			first = item;
			continue;
		}
		bool same = first->opened && item->opened
		                    ? secret_equal(&first->key, &item->key)
		                    : bytes_equal(block_of(first->raw), block_of(item->raw));
		if (!same) {
			(void)err_set(
				err, ERR_INVALID,
				"two different private keys; a store of format '%s' holds one",
				flat->base.ops->type);
			(void)err_hint(err, "put each key with its chain into a file of its "
			                    "own, or use pkcs12");
			return ERR_INVALID;
		}
	}
	return ERR_OK;
}
