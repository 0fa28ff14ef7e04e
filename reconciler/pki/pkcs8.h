/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pkcs8.h - what can be read off a plain PKCS#8 without making a key object of it.
 */
#pragma once

#include <stdbool.h>

#include "reconciler/base/buf.h"
#include "reconciler/base/bytes.h"
#include "reconciler/base/err.h"
#include "reconciler/pki/spec.h"

#define PKCS8_SPKI_MAX ((size_t)64 << 10)

enum pkcs8_kind { PKCS8_RSA, PKCS8_EC, PKCS8_ED25519, PKCS8_OTHER };

/* Borrowed from the PKCS#8. */
struct pkcs8_facts {
	struct bytes alg;   /* AlgorithmIdentifier, whole */
	struct bytes inner; /* octets of privateKey */
	enum pkcs8_kind kind;
	bool supported; /* `key` is set: we can use it */
	struct key_spec key;
	struct bytes curve;     /* EC: contents of the curve's OID */
	struct bytes ec_secret; /* EC: d */
};
enum err_code pkcs8_read(struct bytes pkcs8, struct pkcs8_facts *ret, struct err *err);
/* SubjectPublicKeyInfo of a supported key, computed where the PKCS#8 has no public half; appended.
 */
enum err_code pkcs8_spki(const struct pkcs8_facts *f, struct buf *out, struct err *err);
/* Do two SubjectPublicKeyInfos hold the same key, whatever their encoding of it? */
bool spki_same_key(struct bytes a, struct bytes b);
