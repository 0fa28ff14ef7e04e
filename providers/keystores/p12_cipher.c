/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * p12_cipher.c - nettle has them all; GnuTLS lacks RC2-128, RC4-40 and two-key triple DES.
 */
#include "providers/keystores/p12_cipher.h"

#include <nettle/aes.h>
#include <nettle/arcfour.h>
#include <nettle/arctwo.h>
#include <nettle/cbc.h>
#include <nettle/des.h>
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/secret.h"
#include "reconciler/pki/der.h"

union context {
	struct aes128_ctx aes128;
	struct aes192_ctx aes192;
	struct aes256_ctx aes256;
	struct des3_ctx des3;
	struct des_ctx des;
	struct arctwo_ctx rc2;
	struct arcfour_ctx rc4;
};

/* nettle's functions take typed contexts; calling them through another type is undefined. */
#define KEYED(name, call)                                                                          \
	static void name(void *ctx, const uint8_t *key)                                            \
	{                                                                                          \
		call;                                                                              \
	}
#define CIPHER(name, function)                                                                     \
	static void name(const void *ctx, size_t n, uint8_t *to, const uint8_t *from)              \
	{                                                                                          \
		function(ctx, n, to, from);                                                        \
	}

KEYED(aes128_e, aes128_set_encrypt_key(ctx, key))
KEYED(aes128_d, aes128_set_decrypt_key(ctx, key))
KEYED(aes192_e, aes192_set_encrypt_key(ctx, key))
KEYED(aes192_d, aes192_set_decrypt_key(ctx, key))
KEYED(aes256_e, aes256_set_encrypt_key(ctx, key))
KEYED(aes256_d, aes256_set_decrypt_key(ctx, key))
/* A weak DES key is the file's choice and still set. */
KEYED(des3_k, (void)des3_set_key(ctx, key))
KEYED(des_k, (void)des_set_key(ctx, key))
KEYED(rc2_40_k, arctwo_set_key_ekb(ctx, 5, key, 40))
KEYED(rc2_64_k, arctwo_set_key_ekb(ctx, 8, key, 64))
KEYED(rc2_128_k, arctwo_set_key_ekb(ctx, 16, key, 128))
KEYED(rc4_40_k, arcfour_set_key(ctx, 5, key))
KEYED(rc4_128_k, arcfour_set_key(ctx, 16, key))

static void des2_k(void *ctx, const uint8_t *key)
{
	uint8_t three[DES3_KEY_SIZE];

	memcpy(three, key, 16);
	memcpy(three + 16, key, 8);
	(void)des3_set_key(ctx, three);
	secret_wipe(three, sizeof(three));
}

CIPHER(aes128_ef, aes128_encrypt)
CIPHER(aes128_df, aes128_decrypt)
CIPHER(aes192_ef, aes192_encrypt)
CIPHER(aes192_df, aes192_decrypt)
CIPHER(aes256_ef, aes256_encrypt)
CIPHER(aes256_df, aes256_decrypt)
CIPHER(des3_ef, des3_encrypt)
CIPHER(des3_df, des3_decrypt)
CIPHER(des_ef, des_encrypt)
CIPHER(des_df, des_decrypt)

/* nettle's RC2 takes a context that is not const, though it only reads it. */
static void rc2_ef(const void *ctx, size_t n, uint8_t *to, const uint8_t *from)
{
	struct arctwo_ctx copy;

	memcpy(&copy, ctx, sizeof(copy));
	arctwo_encrypt(&copy, n, to, from);
	secret_wipe(&copy, sizeof(copy));
}

static void rc2_df(const void *ctx, size_t n, uint8_t *to, const uint8_t *from)
{
	struct arctwo_ctx copy;

	memcpy(&copy, ctx, sizeof(copy));
	arctwo_decrypt(&copy, n, to, from);
	secret_wipe(&copy, sizeof(copy));
}

const struct p12_cipher p12_aes256 = { .name = "AES-256",
	                               .pbes2_oid = "2.16.840.1.101.3.4.1.42",
	                               .key_n = 32,
	                               .block = 16,
	                               .set_encrypt_key = aes256_e,
	                               .set_decrypt_key = aes256_d,
	                               .encrypt = aes256_ef,
	                               .decrypt = aes256_df };
static const struct p12_cipher aes192 = { .name = "AES-192",
	                                  .pbes2_oid = "2.16.840.1.101.3.4.1.22",
	                                  .key_n = 24,
	                                  .block = 16,
	                                  .set_encrypt_key = aes192_e,
	                                  .set_decrypt_key = aes192_d,
	                                  .encrypt = aes192_ef,
	                                  .decrypt = aes192_df };
static const struct p12_cipher aes128 = { .name = "AES-128",
	                                  .pbes2_oid = "2.16.840.1.101.3.4.1.2",
	                                  .key_n = 16,
	                                  .block = 16,
	                                  .set_encrypt_key = aes128_e,
	                                  .set_decrypt_key = aes128_d,
	                                  .encrypt = aes128_ef,
	                                  .decrypt = aes128_df };
const struct p12_cipher p12_3des = { .name = "3DES",
	                             .pbes2_oid = "1.2.840.113549.3.7",
	                             .pbe_oid = "1.2.840.113549.1.12.1.3",
	                             .key_n = 24,
	                             .block = 8,
	                             .set_encrypt_key = des3_k,
	                             .set_decrypt_key = des3_k,
	                             .encrypt = des3_ef,
	                             .decrypt = des3_df };
static const struct p12_cipher des2 = { .name = "2DES",
	                                .pbe_oid = "1.2.840.113549.1.12.1.4",
	                                .key_n = 16,
	                                .block = 8,
	                                .weak = true,
	                                .set_encrypt_key = des2_k,
	                                .set_decrypt_key = des2_k,
	                                .encrypt = des3_ef,
	                                .decrypt = des3_df };
const struct p12_cipher p12_des = { .name = "DES",
	                            .pbes2_oid = "1.3.14.3.2.7",
	                            .key_n = 8,
	                            .block = 8,
	                            .weak = true,
	                            .set_encrypt_key = des_k,
	                            .set_decrypt_key = des_k,
	                            .encrypt = des_ef,
	                            .decrypt = des_df };
static const struct p12_cipher rc2_128 = { .name = "RC2-128",
	                                   .pbe_oid = "1.2.840.113549.1.12.1.5",
	                                   .key_n = 16,
	                                   .block = 8,
	                                   .weak = true,
	                                   .set_encrypt_key = rc2_128_k,
	                                   .set_decrypt_key = rc2_128_k,
	                                   .encrypt = rc2_ef,
	                                   .decrypt = rc2_df };
static const struct p12_cipher rc2_64 = { .name = "RC2-64",
	                                  .key_n = 8,
	                                  .block = 8,
	                                  .weak = true,
	                                  .set_encrypt_key = rc2_64_k,
	                                  .set_decrypt_key = rc2_64_k,
	                                  .encrypt = rc2_ef,
	                                  .decrypt = rc2_df };
const struct p12_cipher p12_rc2_40 = { .name = "RC2-40",
	                               .pbe_oid = "1.2.840.113549.1.12.1.6",
	                               .key_n = 5,
	                               .block = 8,
	                               .weak = true,
	                               .set_encrypt_key = rc2_40_k,
	                               .set_decrypt_key = rc2_40_k,
	                               .encrypt = rc2_ef,
	                               .decrypt = rc2_df };
static const struct p12_cipher rc4_128 = { .name = "RC4-128",
	                                   .pbe_oid = "1.2.840.113549.1.12.1.1",
	                                   .key_n = 16,
	                                   .block = 1,
	                                   .weak = true,
	                                   .set_encrypt_key = rc4_128_k,
	                                   .set_decrypt_key = rc4_128_k };
static const struct p12_cipher rc4_40 = { .name = "RC4-40",
	                                  .pbe_oid = "1.2.840.113549.1.12.1.2",
	                                  .key_n = 5,
	                                  .block = 1,
	                                  .weak = true,
	                                  .set_encrypt_key = rc4_40_k,
	                                  .set_decrypt_key = rc4_40_k };

static const struct p12_cipher *const ciphers[] = {
	&p12_aes256, &p12_3des, &aes128,  &aes192,  &p12_rc2_40,
	&rc2_128,    &des2,     &p12_des, &rc4_128, &rc4_40,
};

const struct p12_cipher *p12_cipher_by_pbes2_oid(const uint8_t *oid, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(ciphers); i++) {
		if (ciphers[i]->pbes2_oid != NULL &&
		    der_oid_is(bytes_of(oid, n), ciphers[i]->pbes2_oid)) {
			return ciphers[i];
		}
	}
	return NULL;
}

const struct p12_cipher *p12_cipher_rc2_by_version(uint64_t version)
{
	switch (version) {
	case 58:
		return &rc2_128;
	case 120:
		return &rc2_64;
	case 160:
		return &p12_rc2_40;
	default:
		return NULL;
	}
}

const struct p12_cipher *p12_cipher_by_pbe_oid(const uint8_t *oid, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(ciphers); i++) {
		if (ciphers[i]->pbe_oid != NULL &&
		    der_oid_is(bytes_of(oid, n), ciphers[i]->pbe_oid)) {
			return ciphers[i];
		}
	}
	return NULL;
}

void p12_cipher_run(const struct p12_cipher *c, bool encrypt, const uint8_t *key, const uint8_t *iv,
                    struct bytes in, uint8_t *out)
{
	union context ctx;
	uint8_t chain[16];

	(encrypt ? c->set_encrypt_key : c->set_decrypt_key)(&ctx, key);
	if (c->block == 1) {
		arcfour_crypt(&ctx.rc4, in.n, out, in.p);
	} else {
		memcpy(chain, iv, c->block);
		if (encrypt) {
			cbc_encrypt(&ctx, c->encrypt, c->block, chain, in.n, out, in.p);
		} else {
			cbc_decrypt(&ctx, c->decrypt, c->block, chain, in.n, out, in.p);
		}
	}
	secret_wipe(&ctx, sizeof(ctx));
}
