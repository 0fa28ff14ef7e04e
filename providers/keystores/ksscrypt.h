/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ksscrypt.h - scrypt (RFC 7914): OpenSSL's -scrypt keys and BouncyCastle's BCFKS stores use it,
 * neither GnuTLS nor the nettle of Debian 12 has it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "reconciler/base/bytes.h"
#include "reconciler/base/err.h"
#include "reconciler/pki/der.h"

struct ks_scrypt {
	struct bytes salt; /* borrowed */
	uint64_t cost, block, parallel;
	uint64_t key_length; /* 0: not said */
};

/* Does the AlgorithmIdentifier behind the cursor say scrypt? The cursor stays. */
bool ks_scrypt_is_next(const struct der *d);
/* AlgorithmIdentifier (whole). ERR_INVALID also for more memory or work than is accepted. */
enum err_code ks_scrypt_parse(struct der *d, struct ks_scrypt *ret, struct err *err);
enum err_code ks_scrypt_run(const struct ks_scrypt *s, struct bytes password, uint8_t *out,
                            size_t n, struct err *err);
