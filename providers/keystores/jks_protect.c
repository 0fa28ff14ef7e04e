/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jks_protect.c - Sun's private key protector: a SHA-1 key stream and a SHA-1 check value.
 *
 * It resists nobody with a graphics card; what protects such a file is its mode. Written because
 * JKS knows nothing else. A JCEKS file may hold both protectors: each key says which.
 */
#include <nettle/memops.h>
#include <nettle/sha1.h>

#include "providers/keystores/jks_store.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/pki.h"

#define PROTECTOR_OID "1.3.6.1.4.1.42.2.17.1.1"
#define SALT          SHA1_DIGEST_SIZE

/* XOR `n` octets of the key stream that `salt` starts. */
static void apply_stream(const struct secret *wide, const uint8_t *salt, const uint8_t *in,
                         size_t n, uint8_t *out)
{
	uint8_t block[SHA1_DIGEST_SIZE];
	struct sha1_ctx ctx;

	memcpy(block, salt, SALT);
	for (size_t at = 0; at < n; at++) {
		if (at % sizeof(block) == 0) {
			sha1_init(&ctx);
			sha1_update(&ctx, wide->n, wide->p);
			sha1_update(&ctx, sizeof(block), block);
			sha1_digest(&ctx, sizeof(block), block);
		}
		out[at] = in[at] ^ block[at % sizeof(block)];
	}
	secret_wipe(block, sizeof(block));
	secret_wipe(&ctx, sizeof(ctx));
}

static void check_value(const struct secret *wide, const uint8_t *plain, size_t n, uint8_t *out)
{
	struct sha1_ctx ctx;

	sha1_init(&ctx);
	sha1_update(&ctx, wide->n, wide->p);
	sha1_update(&ctx, n, plain);
	sha1_digest(&ctx, SHA1_DIGEST_SIZE, out);
	secret_wipe(&ctx, sizeof(ctx));
}

static bool parse_sealed(struct bytes sealed, struct bytes *ret_data)
{
	struct der d = der_of(sealed);
	struct der info;
	struct der alg;
	struct bytes oid;
	struct bytes data;

	if (!der_enter(&d, DER_SEQUENCE, &info) || !der_enter(&info, DER_SEQUENCE, &alg) ||
	    !der_get(&alg, DER_OID, &oid) || !der_oid_is(oid, PROTECTOR_OID) ||
	    !der_get(&info, DER_OCTET_STRING, &data) || data.n < SALT + SHA1_DIGEST_SIZE) {
		return false;
	}
	*ret_data = data;
	return true;
}

enum err_code jks_key_open(struct bytes sealed, const struct secret *wide, struct secret *ret,
                           struct err *err)
{
	CLEANUP(buf_release) struct buf plain = { 0 };
	struct bytes data = { 0 };
	uint8_t check[SHA1_DIGEST_SIZE];

	if (!parse_sealed(sealed, &data)) {
		return err_set(err, ERR_INVALID, "the key is not protected the way JKS does it");
	}
	size_t n = data.n - SALT - SHA1_DIGEST_SIZE;
	buf_init_secret(&plain, KEYSTORE_FILE_LIMIT);
	uint8_t *p = buf_room(&plain, n);
	if (p == NULL) {
		return err_nomem(err);
	}
	apply_stream(wide, data.p, data.p + SALT, n, p);
	buf_grew(&plain, n);
	check_value(wide, p, n, check);
	if (!memeql_sec(check, data.p + SALT + n, sizeof(check))) {
		return err_set(err, ERR_DENIED, "the key password does not open the private key");
	}
	secret_from_buf(ret, &plain);
	return ERR_OK;
}

enum err_code jks_key_seal(const struct secret *pkcs8, const struct secret *wide, struct buf *out,
                           struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	CLEANUP(buf_release) struct buf data = { 0 };

	buf_init_secret(&data, KEYSTORE_FILE_LIMIT);
	uint8_t *p = buf_room(&data, SALT + pkcs8->n + SHA1_DIGEST_SIZE);
	if (p == NULL) {
		return err_nomem(err);
	}
	pki_random(p, SALT);
	apply_stream(wide, p, pkcs8->p, pkcs8->n, p + SALT);
	check_value(wide, pkcs8->p, pkcs8->n, p + SALT + pkcs8->n);
	buf_grew(&data, SALT + pkcs8->n + SHA1_DIGEST_SIZE);

	der_writer_init(&w);
	size_t whole = der_mark(&w);
	der_put(&w, DER_OCTET_STRING, buf_view(&data));
	size_t alg = der_mark(&w);
	der_put_null(&w);
	der_put_oid(&w, PROTECTOR_OID);
	der_wrap(&w, DER_SEQUENCE, alg);
	der_wrap(&w, DER_SEQUENCE, whole);
	return der_writer_finish(&w, out, err);
}

enum err_code jks_password_init(struct jks_password *p, const struct secret *raw, struct err *err)
{
	p->raw = raw;
	if (raw == NULL) {
		return ERR_OK;
	}
	p->ascii = ks_is_printable_ascii(raw);
	return ks_password_wide(raw, /* terminated= */ false, &p->wide, err);
}

void jks_password_release(struct jks_password *p)
{
	secret_release(&p->wide);
	*p = (struct jks_password){ 0 };
}

enum err_code jks_open(const struct jks_entry *e, const struct jks_password *pw, uint64_t *work,
                       struct secret *ret, struct err *err)
{
	struct jceks_params params;
	struct jceks_sealed sealed;
	struct bytes cipher;

	if (pw->raw == NULL) {
		return err_set(err, ERR_DENIED, "there is no password to open it with");
	}
	if (e->kind == KS_SECRET) {
		const char *problem = jceks_sealed_parse(e->sealed, &sealed);
		if (problem != NULL || !jceks_params_parse(sealed.params, &params)) {
			return err_set(err, ERR_INVALID, "%s",
			               problem != NULL ? problem : "damaged parameters");
		}
		return jceks_decrypt(&params, sealed.content, pw, work, ret, err);
	}
	if (jceks_key_parse(e->sealed, &params, &cipher)) {
		return jceks_decrypt(&params, cipher, pw, work, ret, err);
	}
	return jks_key_open(e->sealed, &pw->wide, ret, err);
}

static enum err_code seal_secret(const struct secret *inner, const struct jks_password *pw,
                                 struct buf *out, struct err *err)
{
	CLEANUP(buf_release) struct buf params = { 0 };
	CLEANUP(buf_release) struct buf cipher = { 0 };

	buf_init(&params, KEYSTORE_FILE_LIMIT);
	buf_init(&cipher, KEYSTORE_FILE_LIMIT);
	enum err_code rc = jceks_encrypt(secret_view(inner), pw, &params, &cipher, err);
	if (rc == ERR_OK) {
		jceks_sealed_write(buf_view(&params), buf_view(&cipher), out);
	}
	return rc;
}

enum err_code jks_seal(const struct jks *jks, const struct jks_entry *e,
                       const struct jks_password *pw, struct buf *out, struct err *err)
{
	if (pw->raw == NULL) {
		return err_set(err, ERR_INVALID, "entry '%s': a key needs a password", e->alias);
	}
	if (e->kind == KS_SECRET) {
		return seal_secret(&e->key, pw, out, err);
	}
	return jks->magic == JCEKS_MAGIC ? jceks_key_seal(&e->key, pw, out, err)
	                                 : jks_key_seal(&e->key, &pw->wide, out, err);
}
