/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * veil.h - TLS 1.3 as an observer: the keys behind a server's hello, and what its key has signed.
 *
 * The certificate of TLS 1.3 travels under keys that both sides agree on first. Nothing that we
 * learn from it is secret and no message of ours follows, so one key share serves all looks of a
 * pass: making one costs a quarter of a look. What makes a proof fresh is the random of each hello.
 */
#pragma once

#include <gnutls/crypto.h>
#include <stdbool.h>
#include <stdint.h>

#include "reconciler/base/bytes.h"
#include "state/probe/hello.h"

#define VEIL_DIGEST_MAX 48
#define VEIL_NONCE      12

enum { VEIL_SHA256, VEIL_SHA384, VEIL_HASHES };

struct veil_share {
	uint8_t secret[HELLO_SHARE], open[HELLO_SHARE];
	uint8_t salt[VEIL_HASHES][VEIL_DIGEST_MAX]; /* where every key schedule begins */
};
bool veil_share_init(struct veil_share *s); /* false: GnuTLS fails */

struct veil_suite;

struct veil {
	const struct veil_share *share;
	const struct hello *hello; /* the one sent */
	bool proof;                /* read on until the server's signature */
	const struct veil_suite *suite;
	gnutls_hash_hd_t transcript;
	gnutls_aead_cipher_hd_t cipher;
	uint8_t iv[VEIL_NONCE];
	uint64_t records;
};

/* The server's hello (a whole message) has chosen `suite` and its share. False: not to be read.
 * `v` holds share, hello and proof, the rest is zero. */
bool veil_begin(struct veil *v, uint16_t suite, const uint8_t share[HELLO_SHARE],
                struct bytes server_hello);
/* Decrypt a record's body to `out`, of as many octets. False: it is not the server's. */
bool veil_open(struct veil *v, const uint8_t header[5], struct bytes sealed, uint8_t *out,
               size_t *ret_n);
/* A message behind the hello, for the transcript. */
void veil_hear(struct veil *v, struct bytes message);
/* Of all messages so far; 0: it failed. */
size_t veil_digest(const struct veil *v, uint8_t out[VEIL_DIGEST_MAX]);
void veil_end(struct veil *v); /* accepts a zeroed one */
