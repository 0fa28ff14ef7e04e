/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cert.h - a certificate as a value: facts read once from DER.
 *
 * Lenient reader: what appliances really send (negative or 21-octet serials, NUL in names, dates
 * before 1970 and after 2050, weak keys) becomes facts, not errors. Everything is borrowed from the
 * arena. Source: RFC 5280.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reconciler/base/arena.h"
#include "reconciler/base/buf.h"
#include "reconciler/base/bytes.h"
#include "reconciler/base/clock.h"
#include "reconciler/base/err.h"
#include "reconciler/pki/pki.h"
#include "reconciler/pki/spec.h"

#define CERT_FINGERPRINT_TEXT (SHA256_BYTES * 3) /* "3F:9A:...": includes the NUL */

struct cert {
	struct bytes der;
	uint8_t sha256[SHA256_BYTES];      /* of der: the identity of a certificate everywhere */
	uint8_t spki_sha256[SHA256_BYTES]; /* of SubjectPublicKeyInfo: the identity of a key */
	struct bytes tbs;                  /* what is signed */
	struct bytes spki;                 /* SubjectPublicKeyInfo */
	struct bytes signature_alg;        /* AlgorithmIdentifier beside the signature */
	struct bytes signature;            /* octets */
	struct bytes serial;               /* contents octets of the INTEGER */
	struct bytes subject_der, issuer_der;
	const char *subject, *issuer; /* RFC 4514, foreign text: escape before showing */
	const char *common_name;      /* first, or "" */
	struct wall not_before, not_after;
	struct str_list dns_names, ip_addresses, uris, emails; /* IPs textual, canonical */
	const struct other_name *other_names;
	size_t n_other_names;
	const char *key_algorithm; /* "RSA", "ECDSA", "Ed25519", "Ed448", "DSA" or the OID */
	unsigned key_bits;
	const char *signature_algorithm; /* "SHA256-RSA", "ECDSA-SHA384", ... or the OID */
	bool has_key_usage;
	uint32_t key_usage, ext_usage;
	bool is_ca;
	int path_len;                       /* -1: none */
	struct bytes ski, aki;              /* key identifiers, empty when absent */
	bool self_issued;                   /* subject equals issuer; see cert_self_signed() */
	const struct extension *extensions; /* all, in order */
	size_t n_extensions;
};

/* ERR_INVALID for what is no certificate. `der` is copied into the arena. */
enum err_code cert_parse(struct bytes der, struct arena *arena, const struct cert **ret,
                         struct err *err);
/* The same where digests of these very octets are known: each NULL or right. */
struct cert_digests {
	const uint8_t *sha256, *spki_sha256;
};
enum err_code cert_parse_hashed(struct bytes der, struct cert_digests known, struct arena *arena,
                                const struct cert **ret, struct err *err);
/* One certificate from PEM or DER. */
enum err_code cert_parse_any(struct bytes in, struct arena *arena, const struct cert **ret,
                             struct err *err);
/* Every CERTIFICATE of a PEM text (or one DER, or the certificates of a P7B), in file order. */
enum err_code cert_parse_bundle(struct bytes in, struct arena *arena, const struct cert ***ret,
                                size_t *ret_n, struct err *err);
void cert_to_pem(const struct cert *c, struct buf *out);
void der_to_pem(struct bytes der, const char *label, struct buf *out);

/* "3F:9A:..." of a SHA-256; out holds CERT_FINGERPRINT_TEXT. */
void fingerprint_format(const uint8_t sha256[SHA256_BYTES], char *out);
/* "3f:9a…c1": for plans; out holds 16. */
void fingerprint_short(const uint8_t sha256[SHA256_BYTES], char *out);
bool fingerprint_parse(const char *s, uint8_t ret[SHA256_BYTES]);

/* Does the certificate speak for this DNS name or IP address (RFC 6125: SAN; wildcard in the
 * leftmost label; CN only when there is no SAN of that kind)? */
bool cert_covers(const struct cert *c, const char *host);

/* Does it satisfy the spec (names as sets, usages, subject, extensions asked for, CA-ness, key)?
 * When not, *ret_field names the first field that differs by its YAML path ("dnsNames",
 * "privateKey.size"); static text. The two halves are told apart for A7 and A8. Duration, serial
 * and issuer are not judged. */
enum spec_verdict { SPEC_SATISFIED, SPEC_KEY_DIFFERS, SPEC_REQUEST_DIFFERS };
enum spec_verdict cert_satisfies(const struct cert *c, const struct cert_spec *spec,
                                 const char **ret_field);
/* Self-issued, and the signature verifies with its own key: checked now, which costs ten times what
 * reading it does. */
bool cert_self_signed(const struct cert *c);
/* The same of DER that is a certificate and whose SHA-256 this is; needs no memory to parse it. */
bool cert_der_self_signed(struct bytes der, const uint8_t sha256[SHA256_BYTES]);
/* Was `c` signed by `issuer`'s key? Names must chain too. */
bool cert_issued_by(const struct cert *c, const struct cert *issuer);
