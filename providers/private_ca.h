/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * private_ca.h - the built-in CA: its parameters, and the books it keeps through somebody else.
 *
 * The CA itself remembers nothing. Keys and books are durable elsewhere (state/), reached by struct
 * ca_books, so that a crash between signing and recording can never use a serial twice: the serial
 * and the TBS are reserved first.
 */
#pragma once

#include "providers/issuer.h"
#include "reconciler/base/secret.h"
#include "reconciler/pki/sign.h"

struct private_ca_spec {
	const char *name; /* the Issuer's */
	struct subject subject;
	struct key_spec key;
	int64_t duration_s;
	int generation;     /* from 1 */
	const char *parent; /* Issuer name, NULL: root */
	int path_len;       /* -1: none */
	const struct name_constraints *name_constraints;
	struct str_list allow_dns; /* patterns: "*.dc1.example", ".example" */
	struct str_list allow_ips; /* CIDR */
	bool has_allow, allow_ca;
	int64_t crl_interval_s, crl_validity_s; /* 0: no CRL */
	struct str_list crl_urls, issuer_urls;
	const struct extension *extensions;
	size_t n_extensions;
	int64_t backdate_s;
};

struct ca_reservation {
	uint8_t serial[20];
	struct buf tbs;  /* empty: reserved, nothing built yet */
	struct buf cert; /* empty: not signed yet */
};
void ca_reservation_release(struct ca_reservation *r);

struct ca_crl {
	int generation; /* of the CA that signed it */
	uint64_t number;
	struct wall this_update, next_update;
	struct bytes der;
};

/* Durable when a call returns ERR_OK. Serials are unique per issuer over all generations, for ever:
 * the books never forget one, not even long after its certificate expired. */
struct ca_books {
	/* The CA key and certificate of a generation. ERR_NOT_FOUND: never made here. */
	enum err_code (*load_ca)(struct ca_books *b, const char *issuer, int generation,
	                         struct secret *ret_pkcs8, struct buf *ret_cert_der,
	                         struct err *err);
	enum err_code (*store_ca)(struct ca_books *b, const char *issuer, int generation,
	                          const struct secret *pkcs8, struct bytes cert_der,
	                          struct err *err);
	/* The same for a CA that another CA certifies: its key and the request for it, ... */
	enum err_code (*load_ca_request)(struct ca_books *b, const char *issuer, int generation,
	                                 struct secret *ret_pkcs8, struct buf *ret_csr,
	                                 struct err *err);
	enum err_code (*store_ca_request)(struct ca_books *b, const char *issuer, int generation,
	                                  const struct secret *pkcs8, struct bytes csr,
	                                  struct err *err);
	/* ... then its certificate, in place of an earlier one over the same key. ERR_NOT_FOUND:
	 * no request was made. */
	enum err_code (*store_ca_cert)(struct ca_books *b, const char *issuer, int generation,
	                               struct bytes cert_der, struct err *err);
	/* Find the reservation of request_id, or make it with `serial`. ERR_CONFLICT: that serial
	 * is taken. */
	enum err_code (*reserve)(struct ca_books *b, const char *issuer, const char *request_id,
	                         const uint8_t serial[20], struct ca_reservation *ret,
	                         struct err *err);
	enum err_code (*record_tbs)(struct ca_books *b, const char *issuer, const char *request_id,
	                            struct bytes tbs, struct err *err);
	enum err_code (*record_cert)(struct ca_books *b, const char *issuer, const char *request_id,
	                             struct bytes cert_der, struct err *err);
	/* Present already is ERR_OK and keeps the first date. */
	enum err_code (*record_revocation)(struct ca_books *b, const char *issuer,
	                                   const struct crl_entry *e, struct err *err);
	/* Every revocation of certificates not past expiry + a day, in serial order; arena-owned.
	 */
	enum err_code (*revocations)(struct ca_books *b, const char *issuer, struct arena *arena,
	                             const struct crl_entry **ret, size_t *ret_n, struct err *err);
	/* The next number, never handed out before (made durable first). */
	enum err_code (*next_crl_number)(struct ca_books *b, const char *issuer, uint64_t *ret,
	                                 struct err *err);
	enum err_code (*record_crl)(struct ca_books *b, const char *issuer,
	                            const struct ca_crl *crl, struct err *err);
};

/* Make key and certificate of spec->generation, once: present already is ERR_OK. A subordinate is
 * signed by `parent` (opened at its own generation); NULL for a root. */
enum err_code private_ca_create(const struct private_ca_spec *spec, struct ca_books *books,
                                struct issuer *parent, struct wall now, struct err *err);
/* Make key and request (PKCS#10) of spec->generation for a CA elsewhere, once. */
enum err_code private_ca_request(const struct private_ca_spec *spec, struct ca_books *books,
                                 struct err *err);
/* Take what the CA elsewhere made of that request. ERR_REFUSED: for another key, no CA, or not
 * valid now; nothing is changed. */
enum err_code private_ca_accept(const struct private_ca_spec *spec, struct ca_books *books,
                                const struct cert *cert, struct wall now, struct err *err);
/* ERR_NOT_FOUND: that generation has no key here. spec and books are borrowed as long as the issuer
 * lives. `upper` are the certificates above this CA without the root (for the chains handed out).
 */
enum err_code private_ca_open(const struct private_ca_spec *spec, struct ca_books *books,
                              struct chain upper, struct issuer **ret, struct err *err);
/* Sign a fresh CRL with everything revoked, record and return it (DER, appended). */
enum err_code private_ca_publish_crl(struct issuer *iss, struct wall now, struct buf *out,
                                     struct err *err);
/* Would this spec be allowed (names, CA-ness)? ERR_REFUSED with the reason. Pure. */
enum err_code private_ca_allows(const struct private_ca_spec *spec, const struct cert_spec *want,
                                struct err *err);

extern const struct issuer_ops issuer_private_ca;
