/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * p12_cipher.h - the ciphers PKCS#12 files use, behind one table.
 */
#pragma once

#include <nettle/nettle-types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reconciler/base/bytes.h"

struct p12_cipher {
	const char *name;
	const char *pbes2_oid; /* as encryptionScheme of PBES2; NULL: not there */
	const char *pbe_oid;   /* as PKCS#12 PBE; NULL: not there */
	size_t key_n;
	size_t block; /* 1: stream */
	bool weak;
	void (*set_encrypt_key)(void *ctx, const uint8_t *key);
	void (*set_decrypt_key)(void *ctx, const uint8_t *key);
	nettle_cipher_func *encrypt, *decrypt;
};

extern const struct p12_cipher p12_aes256, p12_3des, p12_rc2_40, p12_des;

const struct p12_cipher *p12_cipher_by_pbes2_oid(const uint8_t *oid, size_t n);
/* By the number that stands for the effective key bits; NULL: none of 40, 64, 128. */
const struct p12_cipher *p12_cipher_rc2_by_version(uint64_t version);
const struct p12_cipher *p12_cipher_by_pbe_oid(const uint8_t *oid, size_t n);
/* CBC, or the stream itself. `in` is a multiple of the block; as many octets go to `out`. */
void p12_cipher_run(const struct p12_cipher *c, bool encrypt, const uint8_t *key, const uint8_t *iv,
                    struct bytes in, uint8_t *out);
