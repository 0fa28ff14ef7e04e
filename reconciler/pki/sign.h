/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sign.h - making certificates and CRLs: TBS structures written by our own DER writer, signed
 * through key.h.
 *
 * GnuTLS writes a serial with its top bit set as a negative number, cannot put a reasonCode into a
 * CRL and is quadratic in the entries of one; hence not GnuTLS. Source: RFC 5280.
 */
#pragma once

#include "reconciler/base/buf.h"
#include "reconciler/pki/cert.h"
#include "reconciler/pki/key.h"

struct tbs_input {
	const struct cert_spec *spec; /* subject, SANs, usages, CA-ness, constraints, extensions */
	struct bytes spki;            /* DER of the subject's key */
	struct bytes serial;          /* 20 octets, first 0x40..0x7f */
	struct wall not_before, not_after;
	const struct cert *issuer;   /* NULL: self-signed root */
	struct str_list crl_urls;    /* cRLDistributionPoints */
	struct str_list issuer_urls; /* authorityInfoAccess caIssuers */
};
/* 20 random octets as the private CA uses them. */
void serial_random(uint8_t out[20]);

/* SKI is SHA-1 of the subject's public key bits (RFC 5280 4.2.1.2 (1)); AKI the issuer's SKI. SAN
 * is critical when the subject is empty. BasicConstraints is critical and always present. */
enum err_code tbs_certificate(const struct tbs_input *in, const struct key *signer,
                              enum signature_algorithm sig, struct buf *out, struct err *err);
/* Wrap a TBS in its signature. Same TBS, same certificate (ECDSA differs in its nonce only). */
enum err_code sign_tbs(struct bytes tbs, const struct key *signer, enum signature_algorithm sig,
                       struct buf *out, struct err *err);

struct crl_entry {
	struct bytes serial;
	struct wall revoked_at;
	unsigned reason; /* RFC 5280 5.3.1; 0 unspecified is left out */
};
struct crl_input {
	const struct cert *issuer;
	uint64_t number;
	struct wall this_update, next_update;
	const struct crl_entry *entries;
	size_t n_entries;
};
enum err_code crl_create(const struct crl_input *in, const struct key *signer, struct buf *out,
                         struct err *err);

struct crl_facts {
	struct bytes issuer_der;
	uint64_t number;
	struct wall this_update, next_update;
	const struct crl_entry *entries; /* in the arena */
	size_t n_entries;
};
/* Linear time. The signature is checked when issuer is not NULL. */
enum err_code crl_parse(struct bytes der, const struct cert *issuer, struct arena *arena,
                        struct crl_facts *ret, struct err *err);
