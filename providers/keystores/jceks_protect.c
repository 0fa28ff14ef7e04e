/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jceks_protect.c - PBEWithMD5AndTripleDES, an invention of SunJCE.
 *
 * When both halves of the salt are equal the first is changed. It was meant to be reversed; for
 * twenty years a slip made [a,b,c,d] into [d,a,b,d], and files written so are still around: both
 * are tried. Nothing in the format tells a wrong password but the padding and the shape of what
 * comes out.
 */
#include <nettle/cbc.h>
#include <nettle/des.h>
#include <nettle/md5.h>
#include <string.h>

#include "providers/keystores/jks_store.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/pki.h"

#define OID_JCEKS_KEY "1.3.6.1.4.1.42.2.19.1"
#define BLOCK         DES_BLOCK_SIZE
#define HALF          4

/* Java's cap; about ten seconds; Java's default. */
struct jks_limits jks_limits = { .iterations = 5000000, .work = 100000000, .written = 200000 };

bool jceks_params_parse(struct bytes der, struct jceks_params *ret)
{
	struct der d = der_of(der);
	struct der seq;
	struct bytes salt;
	struct jceks_params out;

	if (der.n == 0 || !der_enter(&d, DER_SEQUENCE, &seq) ||
	    !der_get(&seq, DER_OCTET_STRING, &salt) || salt.n != sizeof(out.salt) ||
	    !der_get_u64(&seq, &out.iterations)) {
		return false;
	}
	memcpy(out.salt, salt.p, salt.n);
	*ret = out;
	return true;
}

bool jceks_key_parse(struct bytes sealed, struct jceks_params *ret, struct bytes *ret_cipher)
{
	struct der d = der_of(sealed);
	struct der info;
	struct der alg;
	struct bytes oid;
	struct bytes params;

	return sealed.n != 0 && der_enter(&d, DER_SEQUENCE, &info) &&
	       der_enter(&info, DER_SEQUENCE, &alg) && der_get(&alg, DER_OID, &oid) &&
	       der_oid_is(oid, OID_JCEKS_KEY) &&
	       der_get_any(&alg, /* ret_tag= */ NULL, /* ret_content= */ NULL, &params) &&
	       jceks_params_parse(params, ret) && der_get(&info, DER_OCTET_STRING, ret_cipher);
}

static void derive(const struct jceks_params *params, struct bytes pw,
                   uint8_t out[2 * MD5_DIGEST_SIZE])
{
	struct md5_ctx ctx;

	md5_init(&ctx);
	for (size_t half = 0; half < 2; half++) {
		uint8_t *d = out + half * MD5_DIGEST_SIZE;

		md5_update(&ctx, HALF, params->salt + half * HALF);
		for (uint64_t i = 0; i < params->iterations; i++) {
			md5_update(&ctx, pw.n, pw.p);
			md5_digest(&ctx, MD5_DIGEST_SIZE, d); /* starts anew */
			md5_update(&ctx, MD5_DIGEST_SIZE, d);
		}
		md5_init(&ctx);
	}
	secret_wipe(&ctx, sizeof(ctx));
}

/* nettle's functions take typed contexts; calling them through another type is undefined. */
static void encrypt_blocks(const void *ctx, size_t n, uint8_t *to, const uint8_t *from)
{
	des3_encrypt(ctx, n, to, from);
}

static void decrypt_blocks(const void *ctx, size_t n, uint8_t *to, const uint8_t *from)
{
	des3_decrypt(ctx, n, to, from);
}

void jceks_run(const struct jceks_params *params, struct bytes pw, bool encrypt, struct bytes in,
               uint8_t *out)
{
	struct des3_ctx ctx;
	uint8_t derived[2 * MD5_DIGEST_SIZE];

	derive(params, pw, derived);
	(void)des3_set_key(&ctx, derived); /* a weak key is the file's choice */
	if (encrypt) {
		cbc_encrypt(&ctx, encrypt_blocks, BLOCK, derived + DES3_KEY_SIZE, in.n, out, in.p);
	} else {
		cbc_decrypt(&ctx, decrypt_blocks, BLOCK, derived + DES3_KEY_SIZE, in.n, out, in.p);
	}
	secret_wipe(&ctx, sizeof(ctx));
	secret_wipe(derived, sizeof(derived));
}

static size_t padding(const uint8_t *p, size_t n)
{
	size_t pad = p[n - 1];

	for (size_t i = 0; pad <= BLOCK && i < pad; i++) {
		if (p[n - 1 - i] != pad) {
			return 0;
		}
	}
	return pad <= BLOCK ? pad : 0;
}

/* PKCS#8, or an object stream. */
static bool has_shape(struct bytes plain)
{
	return ks_is_sequence(plain) || (plain.n > 4 && memcmp(plain.p, "\xac\xed\0\5", 4) == 0);
}

static bool try_one(const struct jceks_params *params, struct bytes pw, struct bytes cipher,
                    struct buf *out)
{
	uint8_t *p = out->p + out->len;

	jceks_run(params, pw, /* encrypt= */ false, cipher, p);
	size_t pad = padding(p, cipher.n);
	if (pad == 0 || !has_shape(bytes_of(p, cipher.n - pad))) {
		return false;
	}
	buf_grew(out, cipher.n - pad);
	return true;
}

static enum err_code spend(const struct jceks_params *params, uint64_t *work, struct err *err)
{
	if (params->iterations == 0 || params->iterations > jks_limits.iterations) {
		return err_set(err, ERR_INVALID,
		               "a key derivation of %llu iterations; 1 to %llu are accepted",
		               (unsigned long long)params->iterations,
		               (unsigned long long)jks_limits.iterations);
	}
	if (params->iterations * 2 > *work) {
		*work = 0;
		return err_set(err, ERR_INVALID,
		               "the file asks for more key derivation work than is accepted");
	}
	*work -= params->iterations * 2;
	return ERR_OK;
}

enum err_code jceks_decrypt(const struct jceks_params *params, struct bytes cipher,
                            const struct jks_password *pw, uint64_t *work, struct secret *ret,
                            struct err *err)
{
	CLEANUP(buf_release) struct buf plain = { 0 };
	struct jceks_params p = *params;
	const uint8_t *s = params->salt;
	bool twins = memcmp(s, s + HALF, HALF) == 0;
	const uint8_t first[2][HALF] = { { s[3], s[2], s[1], s[0] }, { s[3], s[0], s[1], s[3] } };

	if (cipher.n == 0 || cipher.n % BLOCK != 0) {
		return err_set(err, ERR_INVALID, "ciphertext of %zu octets, no multiple of 8",
		               cipher.n);
	}
	buf_init_secret(&plain, KEYSTORE_FILE_LIMIT);
	if (buf_room(&plain, cipher.n) == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; pw->ascii && i < (twins ? 2u : 1u); i++) {
		enum err_code rc = spend(params, work, err);
		if (rc != ERR_OK) {
			return rc;
		}
		if (twins) {
			memcpy(p.salt, first[i], HALF);
		}
		if (try_one(&p, secret_view(pw->raw), cipher, &plain)) {
			secret_from_buf(ret, &plain);
			return ERR_OK;
		}
	}
	return err_set(err, ERR_DENIED, "the key password does not open it");
}

static void write_params(const struct jceks_params *params, struct der_writer *w)
{
	size_t whole = der_mark(w);

	der_put_u64(w, params->iterations);
	der_put(w, DER_OCTET_STRING, bytes_of(params->salt, sizeof(params->salt)));
	der_wrap(w, DER_SEQUENCE, whole);
}

enum err_code jceks_encrypt(struct bytes plain, const struct jks_password *pw,
                            struct buf *ret_params, struct buf *ret_cipher, struct err *err)
{
	CLEANUP(buf_release) struct buf padded = { 0 };
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	struct jceks_params params = { .iterations = jks_limits.written };
	size_t pad = BLOCK - plain.n % BLOCK;

	if (!pw->ascii) {
		(void)err_set(err, ERR_INVALID,
		              "a JCEKS key cannot be protected by a password with characters "
		              "outside ASCII");
		(void)err_hint(err, "Java refuses it as well: choose a password of ASCII letters");
		return ERR_INVALID;
	}
	do {
		pki_random(params.salt, sizeof(params.salt));
	} while (memcmp(params.salt, params.salt + HALF, HALF) == 0);
	buf_init_secret(&padded, KEYSTORE_FILE_LIMIT);
	buf_add_bytes(&padded, plain);
	for (size_t i = 0; i < pad; i++) {
		buf_add_byte(&padded, (uint8_t)pad);
	}
	uint8_t *p = buf_failed(&padded) ? NULL : buf_room(ret_cipher, padded.len);
	if (p == NULL) {
		return err_nomem(err);
	}
	jceks_run(&params, secret_view(pw->raw), /* encrypt= */ true, buf_view(&padded), p);
	buf_grew(ret_cipher, padded.len);
	der_writer_init(&w);
	write_params(&params, &w);
	return der_writer_finish(&w, ret_params, err);
}

enum err_code jceks_key_seal(const struct secret *pkcs8, const struct jks_password *pw,
                             struct buf *out, struct err *err)
{
	CLEANUP(buf_release) struct buf params = { 0 };
	CLEANUP(buf_release) struct buf cipher = { 0 };
	CLEANUP(der_writer_release) struct der_writer w = { 0 };

	buf_init(&params, KEYSTORE_FILE_LIMIT);
	buf_init(&cipher, KEYSTORE_FILE_LIMIT);
	enum err_code rc = jceks_encrypt(secret_view(pkcs8), pw, &params, &cipher, err);
	if (rc != ERR_OK) {
		return rc;
	}
	der_writer_init(&w);
	size_t whole = der_mark(&w);
	der_put(&w, DER_OCTET_STRING, buf_view(&cipher));
	size_t alg = der_mark(&w);
	der_put_raw(&w, buf_view(&params));
	der_put_oid(&w, OID_JCEKS_KEY);
	der_wrap(&w, DER_SEQUENCE, alg);
	der_wrap(&w, DER_SEQUENCE, whole);
	return der_writer_finish(&w, out, err);
}
