/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * veil.c - the key schedule of RFC 8446 7.1 as far as the server's handshake keys, and its records
 * (5.2). X25519 is nettle's, all else GnuTLS's.
 */
#include "state/probe/veil.h"

#include <nettle/curve25519.h>
#include <stdio.h>
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/pki/pki.h"

#define TAG       16
#define LABEL_MAX 64

struct veil_suite {
	uint16_t id;
	unsigned hash, n_hash, n_key;
	gnutls_mac_algorithm_t mac;
	gnutls_digest_algorithm_t digest;
	gnutls_cipher_algorithm_t cipher;
};

static const struct veil_suite suites[] = {
	{ 0x1301, VEIL_SHA256, 32, 16, GNUTLS_MAC_SHA256, GNUTLS_DIG_SHA256,
	  GNUTLS_CIPHER_AES_128_GCM },
	{ 0x1302, VEIL_SHA384, 48, 32, GNUTLS_MAC_SHA384, GNUTLS_DIG_SHA384,
	  GNUTLS_CIPHER_AES_256_GCM },
	{ 0x1303, VEIL_SHA256, 32, 32, GNUTLS_MAC_SHA256, GNUTLS_DIG_SHA256,
	  GNUTLS_CIPHER_CHACHA20_POLY1305 },
};

static gnutls_datum_t datum(const void *p, size_t n)
{
	return (gnutls_datum_t){ .data = (unsigned char *)(uintptr_t)p, .size = (unsigned)n };
}

/* HKDF-Expand-Label. */
static bool expand(const struct veil_suite *s, const uint8_t *secret, const char *label,
                   struct bytes context, uint8_t *out, size_t n)
{
	uint8_t info[2 + 1 + LABEL_MAX + 1 + VEIL_DIGEST_MAX] = { 0, (uint8_t)n };
	size_t n_label = (size_t)snprintf((char *)info + 3, LABEL_MAX, "tls13 %s", label);
	size_t at = 3 + n_label;

	info[2] = (uint8_t)n_label;
	info[at++] = (uint8_t)context.n;
	if (context.n > 0) {
		memcpy(info + at, context.p, context.n);
	}
	const gnutls_datum_t key = datum(secret, s->n_hash);
	const gnutls_datum_t all = datum(info, at + context.n);
	return gnutls_hkdf_expand(s->mac, &key, &all, out, n) >= 0;
}

static bool extract(const struct veil_suite *s, const uint8_t *salt, struct bytes in, uint8_t *out)
{
	const gnutls_datum_t key = datum(in.p, in.n);
	const gnutls_datum_t seasoning = datum(salt, s->n_hash);

	return gnutls_hkdf_extract(s->mac, &key, &seasoning, out) >= 0;
}

/* Without a pre-shared key the schedule begins with constants. */
static bool begin_salt(const struct veil_suite *s, uint8_t out[VEIL_DIGEST_MAX])
{
	static const uint8_t zeros[VEIL_DIGEST_MAX];
	uint8_t early[VEIL_DIGEST_MAX];
	uint8_t empty[VEIL_DIGEST_MAX];

	return extract(s, zeros, bytes_of(zeros, s->n_hash), early) &&
	       gnutls_hash_fast(s->digest, "", 0, empty) >= 0 &&
	       expand(s, early, "derived", bytes_of(empty, s->n_hash), out, s->n_hash);
}

bool veil_share_init(struct veil_share *s)
{
	pki_random(s->secret, sizeof(s->secret));
	curve25519_mul_g(s->open, s->secret);
	return begin_salt(&suites[0], s->salt[VEIL_SHA256]) &&
	       begin_salt(&suites[1], s->salt[VEIL_SHA384]);
}

static const struct veil_suite *find(uint16_t id)
{
	for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
		if (suites[i].id == id) {
			return &suites[i];
		}
	}
	return NULL;
}

static bool begin_transcript(struct veil *v, struct bytes server_hello)
{
	uint8_t ours[HELLO_MAX];
	/* Written again, which costs less than to keep it meanwhile. */
	size_t n = hello_write(v->hello, ours);

	return gnutls_hash_init(&v->transcript, v->suite->digest) >= 0 &&
	       gnutls_hash(v->transcript, ours + HELLO_RECORD, n - HELLO_RECORD) >= 0 &&
	       gnutls_hash(v->transcript, server_hello.p, server_hello.n) >= 0;
}

static bool begin_keys(struct veil *v, const uint8_t share[HELLO_SHARE])
{
	const struct veil_suite *s = v->suite;
	uint8_t common[HELLO_SHARE];
	uint8_t secret[VEIL_DIGEST_MAX];
	uint8_t traffic[VEIL_DIGEST_MAX];
	uint8_t digest[VEIL_DIGEST_MAX];
	uint8_t key[32];
	size_t n = veil_digest(v, digest);

	curve25519_mul(common, v->share->secret, share);
	if (n == 0 ||
	    !extract(s, v->share->salt[s->hash], bytes_of(common, sizeof(common)), secret) ||
	    !expand(s, secret, "s hs traffic", bytes_of(digest, n), traffic, s->n_hash) ||
	    !expand(s, traffic, "key", bytes_of(/* p= */ NULL, 0), key, s->n_key) ||
	    !expand(s, traffic, "iv", bytes_of(/* p= */ NULL, 0), v->iv, sizeof(v->iv))) {
		return false;
	}
	const gnutls_datum_t all = datum(key, s->n_key);
	return gnutls_aead_cipher_init(&v->cipher, s->cipher, &all) >= 0;
}

bool veil_begin(struct veil *v, uint16_t suite, const uint8_t share[HELLO_SHARE],
                struct bytes server_hello)
{
	v->suite = v->suite == NULL ? find(suite) : NULL;
	return v->suite != NULL && begin_transcript(v, server_hello) && begin_keys(v, share);
}

bool veil_open(struct veil *v, const uint8_t header[5], struct bytes sealed, uint8_t *out,
               size_t *ret_n)
{
	uint8_t nonce[VEIL_NONCE];
	size_t n = sealed.n;

	memcpy(nonce, v->iv, sizeof(nonce));
	for (size_t i = 0; i < sizeof(v->records); i++) {
		nonce[VEIL_NONCE - 1 - i] ^= (uint8_t)(v->records >> (8 * i));
	}
	v->records++;
	if (sealed.n < TAG || gnutls_aead_cipher_decrypt(v->cipher, nonce, sizeof(nonce), header, 5,
	                                                 TAG, sealed.p, sealed.n, out, &n) < 0) {
		return false;
	}
	*ret_n = n;
	return true;
}

void veil_hear(struct veil *v, struct bytes message)
{
	(void)gnutls_hash(v->transcript, message.p, message.n);
}

size_t veil_digest(const struct veil *v, uint8_t out[VEIL_DIGEST_MAX])
{
	gnutls_hash_hd_t so_far = gnutls_hash_copy(v->transcript);

	if (so_far == NULL) {
		return 0;
	}
	gnutls_hash_deinit(so_far, out);
	return v->suite->n_hash;
}

void veil_end(struct veil *v)
{
	if (v->transcript != NULL) {
		gnutls_hash_deinit(v->transcript, /* digest= */ NULL);
		v->transcript = NULL;
	}
	if (v->cipher != NULL) {
		gnutls_aead_cipher_deinit(v->cipher);
		v->cipher = NULL;
	}
}
