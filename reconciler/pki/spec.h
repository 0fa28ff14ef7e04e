/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spec.h - what a certificate shall be: the value that desired state, CSR, issuer and diff share.
 *
 * Field meanings are cert-manager 1.21's Certificate.spec. Everything is borrowed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reconciler/base/arena.h"
#include "reconciler/base/bytes.h"
#include "reconciler/base/err.h"

enum key_algorithm { KEY_RSA, KEY_ECDSA, KEY_ED25519 };

struct key_spec {
	enum key_algorithm algorithm;
	unsigned bits; /* RSA 2048.., ECDSA 256/384/521, 0 for Ed25519 */
};

struct str_list {
	const char *const *v;
	size_t n;
};

struct subject {
	const char *literal; /* RFC 4514 string, order kept; excludes the rest */
	const char *common_name;
	const char *serial_number;
	struct str_list organizations, countries, organizational_units, localities, provinces,
		street_addresses, postal_codes;
};

/* Bits of X.509 keyUsage, in the order of RFC 5280 4.2.1.3 (bit 0 = digitalSignature). */
enum key_usage {
	KU_DIGITAL_SIGNATURE = 1u << 0,
	KU_CONTENT_COMMITMENT = 1u << 1,
	KU_KEY_ENCIPHERMENT = 1u << 2,
	KU_DATA_ENCIPHERMENT = 1u << 3,
	KU_KEY_AGREEMENT = 1u << 4,
	KU_CERT_SIGN = 1u << 5,
	KU_CRL_SIGN = 1u << 6,
	KU_ENCIPHER_ONLY = 1u << 7,
	KU_DECIPHER_ONLY = 1u << 8,
};
/* Extended key usages as bits; their OIDs are in spec.c. */
enum ext_usage {
	EKU_ANY = 1u << 0,
	EKU_SERVER_AUTH = 1u << 1,
	EKU_CLIENT_AUTH = 1u << 2,
	EKU_CODE_SIGNING = 1u << 3,
	EKU_EMAIL_PROTECTION = 1u << 4,
	EKU_IPSEC_END_SYSTEM = 1u << 5,
	EKU_IPSEC_TUNNEL = 1u << 6,
	EKU_IPSEC_USER = 1u << 7,
	EKU_TIMESTAMPING = 1u << 8,
	EKU_OCSP_SIGNING = 1u << 9,
	EKU_MICROSOFT_SGC = 1u << 10,
	EKU_NETSCAPE_SGC = 1u << 11,
	EKU_OTHER = 1u << 30, /* seen in a certificate: an OID not in this list */
};
/* cert-manager's usage words ("digital signature", "server auth", "signing", "s/mime" ...): adds
 * the bit to one of the two. false: no such word. */
bool usage_from_word(const char *word, uint32_t *key_usage, uint32_t *ext_usage);
/* All words, for messages and schema. */
extern const char *const usage_words[];
extern const size_t usage_words_n;
/* Dotted OID of one EKU_ bit (NULL for EKU_OTHER), and back (EKU_OTHER for what is not listed). */
const char *ext_usage_oid(uint32_t bit);
uint32_t ext_usage_from_oid(const char *oid);

struct other_name {
	const char *oid;
	const char *utf8;
};

struct extension {
	const char *oid;
	bool critical;
	struct bytes der; /* extnValue contents */
};

struct name_constraints {
	bool critical;
	struct str_list permitted_dns, permitted_ips, permitted_emails, permitted_uris;
	struct str_list excluded_dns, excluded_ips, excluded_emails, excluded_uris;
};

enum signature_algorithm {
	SIG_DEFAULT, /* by key */
	SIG_SHA256_RSA,
	SIG_SHA384_RSA,
	SIG_SHA512_RSA,
	SIG_ECDSA_SHA256,
	SIG_ECDSA_SHA384,
	SIG_ECDSA_SHA512,
	SIG_ED25519,
};

struct cert_spec {
	struct subject subject;
	struct str_list dns_names, ip_addresses, uris, emails;
	const struct other_name *other_names;
	size_t n_other_names;
	bool is_ca;
	int path_len; /* -1: none */
	uint32_t key_usage, ext_usage;
	struct key_spec key;
	enum signature_algorithm signature;
	int64_t duration_s;                              /* wanted; issuers may shorten */
	const struct name_constraints *name_constraints; /* NULL: none */
	const struct extension *extensions;
	size_t n_extensions;
};

/* A digest over everything that decides whether a certificate must be re-issued (A7 and A8 of
 * design.md), in canonical order: names are sets. The key part is left out of `request` and alone
 * in `key`. */
struct spec_digest {
	uint8_t request[32];
	uint8_t key[32];
};
void cert_spec_digest(const struct cert_spec *spec, struct spec_digest *ret);

/* The usages that a certificate for `spec` gets: with none written, server auth with digital
 * signature and key encipherment (a CA: cert sign, crl sign); a CA always has cert sign; keys
 * other than RSA never have an encipherment bit. True when none were written. */
bool cert_spec_usages(const struct cert_spec *spec, uint32_t *ret_key_usage,
                      uint32_t *ret_ext_usage);
