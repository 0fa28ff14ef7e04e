/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pki.c - GnuTLS starts and is given our clock here.
 *
 * GnuTLS initialises itself when it is loaded, so there is nothing to pay here but a pointer.
 * Hashes come from nettle directly: no handle, no allocation, no way to fail.
 */
#include "reconciler/pki/pki.h"

#include <assert.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <time.h>

static const struct clock *pki_clock = &clock_system;

static time_t pki_time(time_t *ret)
{
	time_t now = pki_clock->wall(pki_clock).s;

	if (ret != NULL) {
		*ret = now;
	}
	return now;
}

void pki_init(const struct clock *clock)
{
	assert(clock != NULL);
	pki_clock = clock;
	gnutls_global_set_time_function(pki_time);
}

void pki_random(void *p, size_t n)
{
	if (gnutls_rnd(GNUTLS_RND_KEY, p, n) < 0) {
		abort(); /* going on with predictable keys would be worse than any crash */
	}
}

void pki_sha256(const void *p, size_t n, uint8_t out[SHA256_BYTES])
{
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	sha256_update(&ctx, n, p);
	sha256_digest(&ctx, SHA256_BYTES, out);
}

void pki_sha1(const void *p, size_t n, uint8_t out[SHA1_BYTES])
{
	struct sha1_ctx ctx;

	sha1_init(&ctx);
	sha1_update(&ctx, n, p);
	sha1_digest(&ctx, SHA1_BYTES, out);
}

enum err_code pki_err(struct err *err, int gnutls_code, const char *doing)
{
	enum err_code code = ERR_INVALID;

	switch (gnutls_code) {
	case GNUTLS_E_MEMORY_ERROR:
		code = ERR_NOMEM;
		break;
	case GNUTLS_E_DECRYPTION_FAILED:
	case GNUTLS_E_MAC_VERIFY_FAILED:
	case GNUTLS_E_PKCS11_PIN_ERROR:
	case GNUTLS_E_PKCS11_PIN_LOCKED:
		code = ERR_DENIED;
		break;
	case GNUTLS_E_PK_SIG_VERIFY_FAILED:
		code = ERR_VERIFY;
		break;
	case GNUTLS_E_FILE_ERROR:
	case GNUTLS_E_RANDOM_FAILED:
		code = ERR_IO;
		break;
	case GNUTLS_E_INTERNAL_ERROR:
		code = ERR_BUG;
		break;
	default:
		break;
	}
	return err_set(err, code, "%s: %s", doing, gnutls_strerror(gnutls_code));
}
