/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * alg.h - algorithm identifiers, public keys seen from outside, and checking signatures.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reconciler/base/bytes.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/spec.h"

#define OID_RSA        "1.2.840.113549.1.1.1"
#define OID_EC_KEY     "1.2.840.10045.2.1"
#define OID_ED25519    "1.3.101.112"
#define OID_P256       "1.2.840.10045.3.1.7"
#define OID_P384       "1.3.132.0.34"
#define OID_P521       "1.3.132.0.35"
#define ALG_OID_TEXT   128
#define ALG_RSA_MIN    2048
#define OID_EXT_SKI    "2.5.29.14"
#define OID_EXT_KU     "2.5.29.15"
#define OID_EXT_SAN    "2.5.29.17"
#define OID_EXT_BC     "2.5.29.19"
#define OID_EXT_NUMBER "2.5.29.20"
#define OID_EXT_NC     "2.5.29.30"
#define OID_EXT_CDP    "2.5.29.31"
#define OID_EXT_AKI    "2.5.29.35"
#define OID_EXT_EKU    "2.5.29.37"
#define OID_EXT_AIA    "1.3.6.1.5.5.7.1.1"

/* A SubjectPublicKeyInfo taken apart; everything is borrowed from it. */
struct spki_facts {
	struct bytes alg_oid, params; /* params: the whole element, empty when absent */
	struct bytes key;             /* octets of the BIT STRING */
	const char *name;             /* "RSA", "ECDSA", ...; NULL: not known */
	unsigned bits;                /* 0: not known */
	bool supported;               /* a key that key_spec can describe: then `spec` is set */
	struct key_spec spec;
};
bool spki_read(struct bytes spki, struct spki_facts *ret);

/* "SHA256-RSA" for the contents of an AlgorithmIdentifier's OID; NULL: not known. */
const char *signature_alg_name(struct bytes oid);
/* Does `signature` over `data` verify with the key? Broken hashes are not refused: whether to trust
 * is asked elsewhere. */
bool signature_valid(struct bytes spki, struct bytes alg, struct bytes data,
                     struct bytes signature);

/* The algorithm that `sig` means with this key: never SIG_DEFAULT. false: they do not fit. */
bool signature_resolve(const struct key_spec *key, enum signature_algorithm sig,
                       enum signature_algorithm *ret);
/* Prepend its AlgorithmIdentifier. */
void signature_put_alg(struct der_writer *w, enum signature_algorithm sig);
int signature_gnutls(enum signature_algorithm sig); /* gnutls_sign_algorithm_t */
