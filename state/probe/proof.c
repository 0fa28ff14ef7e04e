/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proof.c - what is observed is not judged: weak keys and hashes prove possession as well.
 */
#include "state/probe/proof.h"

#include <gnutls/abstract.h>

#include "reconciler/base/attr.h"

static const struct {
	uint16_t scheme;
	gnutls_sign_algorithm_t sign;
} schemes[] = {
	{ 0x0403, GNUTLS_SIGN_ECDSA_SHA256 },
	{ 0x0503, GNUTLS_SIGN_ECDSA_SHA384 },
	{ 0x0603, GNUTLS_SIGN_ECDSA_SHA512 },
	{ 0x0804, GNUTLS_SIGN_RSA_PSS_RSAE_SHA256 },
	{ 0x0805, GNUTLS_SIGN_RSA_PSS_RSAE_SHA384 },
	{ 0x0806, GNUTLS_SIGN_RSA_PSS_RSAE_SHA512 },
	{ 0x0401, GNUTLS_SIGN_RSA_SHA256 },
	{ 0x0501, GNUTLS_SIGN_RSA_SHA384 },
	{ 0x0601, GNUTLS_SIGN_RSA_SHA512 },
	{ 0x0807, GNUTLS_SIGN_EDDSA_ED25519 },
	{ 0x0201, GNUTLS_SIGN_RSA_SHA1 },
	{ 0x0203, GNUTLS_SIGN_ECDSA_SHA1 },
};

static bool find(uint16_t scheme, gnutls_sign_algorithm_t *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		if (schemes[i].scheme == scheme) {
			*ret = schemes[i].sign;
			return true;
		}
	}
	return false;
}

static gnutls_datum_t datum(struct bytes b)
{
	return (gnutls_datum_t){ .data = (unsigned char *)(uintptr_t)b.p, .size = (unsigned)b.n };
}

static enum proof_answer check(struct bytes spki, gnutls_sign_algorithm_t sign, struct bytes said,
                               struct bytes signature)
{
	const gnutls_datum_t key_data = datum(spki);
	const gnutls_datum_t data = datum(said);
	const gnutls_datum_t signed_by = datum(signature);
	gnutls_pubkey_t key = NULL;
	enum proof_answer answer = PROOF_UNKNOWN;

	if (gnutls_pubkey_init(&key) < 0) {
		return PROOF_UNKNOWN;
	}
	if (gnutls_pubkey_import(key, &key_data, GNUTLS_X509_FMT_DER) >= 0) {
		int rc = gnutls_pubkey_verify_data2(key, sign, GNUTLS_VERIFY_ALLOW_BROKEN, &data,
		                                    &signed_by);
		answer = rc >= 0                               ? PROOF_HOLDS
		         : rc == GNUTLS_E_PK_SIG_VERIFY_FAILED ? PROOF_FAILS
		                                               : PROOF_UNKNOWN;
	}
	gnutls_pubkey_deinit(key);
	return answer;
}

enum proof_answer proof_check(const struct seen_cert *leaf, uint16_t scheme, struct bytes said,
                              struct bytes signature)
{
	struct arena scratch;
	gnutls_sign_algorithm_t sign;
	enum proof_answer answer = PROOF_UNKNOWN;

	if (!find(scheme, &sign)) {
		return PROOF_UNKNOWN;
	}
	arena_init(&scratch);
	const struct cert *c = seen_cert_parse(leaf, &scratch);
	if (c != NULL) {
		answer = check(c->spki, sign, said, signature);
	}
	arena_release(&scratch);
	return answer;
}
