/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * key.h - private keys.
 *
 * The bytes of a key are PKCS#8 DER in a struct secret and are never re-encoded on the way through
 * (GnuTLS refuses EC keys that Java wrote without their public half; here they are completed for
 * use, never for storage).
 */
#pragma once

#include <stdbool.h>

#include "reconciler/base/secret.h"
#include "reconciler/pki/cert.h"
#include "reconciler/pki/spec.h"

struct key; /* a usable key object */

enum err_code key_generate(const struct key_spec *spec, struct key **ret, struct err *err);
/* From PKCS#8 DER (also EC without public key). */
enum err_code key_import(struct bytes pkcs8, struct key **ret, struct err *err);
/* From any PEM or DER shape: PKCS#8, encrypted PKCS#8 (password), PKCS#1, SEC1. *ret_pkcs8 gets
 * plain PKCS#8. */
enum err_code key_decode(struct bytes in, const char *password, struct secret *ret_pkcs8,
                         struct err *err);
void key_free(struct key *k);
void cleanup_key(struct key **k);

enum err_code key_export_pkcs8(const struct key *k, struct secret *ret, struct err *err);
struct key_spec key_spec_of(const struct key *k);
void key_spki_sha256(const struct key *k, uint8_t ret[SHA256_BYTES]);
/* SubjectPublicKeyInfo DER, appended. */
enum err_code key_spki(const struct key *k, struct buf *out, struct err *err);
bool key_matches_cert(const struct key *k, const struct cert *c);
/* Same question for opaque PKCS#8 bytes; ERR_INVALID when they are no key. */
enum err_code pkcs8_spki_sha256(struct bytes pkcs8, const struct cert *hint_or_null,
                                uint8_t ret[SHA256_BYTES], struct err *err);
/* PEM for files: "PRIVATE KEY" (PKCS#8) or, when `traditional`, "RSA PRIVATE KEY"/"EC PRIVATE KEY".
 */
enum err_code pkcs8_to_pem(struct bytes pkcs8, bool traditional, struct buf *out, struct err *err);

/* EncryptedPrivateKeyInfo (DER, appended): PBES2 with AES-256 and HMAC-SHA-256. */
enum err_code pkcs8_encrypt(struct bytes pkcs8, const struct secret *password, struct buf *out,
                            struct err *err);

/* Sign `tbs` with the key: DER AlgorithmIdentifier into alg_out, signature octets into sig_out.
 * `sig` SIG_DEFAULT chooses by key. */
enum err_code key_sign(const struct key *k, enum signature_algorithm sig, struct bytes tbs,
                       struct buf *alg_out, struct buf *sig_out, struct err *err);
