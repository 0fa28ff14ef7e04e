/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * external_ca.c - the key decides which certificate of the file is meant: people commit bundles in
 * any order, and leave the certificate of an earlier generation in them.
 */
#include "reconciler/engine/external_ca.h"

#include <string.h>

enum err_code external_ca_chain(const struct issuer_def *def,
                                const uint8_t spki_sha256[SHA256_BYTES], struct arena *arena,
                                struct chain *ret, struct err *err)
{
	const struct private_ca *ca = def->private_ca;
	const struct cert *newest = NULL;
	const struct cert **v = NULL;
	size_t n = 0;
	enum err_code rc = ERR_OK;

	if (ca->external_data.n > 0) {
		rc = cert_parse_bundle(ca->external_data, arena, &v, &n, err);
	}
	if (rc != ERR_OK) {
		return err_wrap(err, "Issuer %s: %s", def->o.name, ca->external_certificate.s);
	}
	for (size_t i = 0; i < n; i++) {
		if (memcmp(v[i]->spki_sha256, spki_sha256, SHA256_BYTES) == 0 &&
		    (newest == NULL || v[i]->not_before.s > newest->not_before.s)) {
			newest = v[i];
		}
	}
	*ret = newest == NULL ? (struct chain){ 0 } : chain_build(newest, v, n, arena);
	return ERR_OK;
}

const struct cert *external_ca_root(const struct issuer_def *def,
                                    const uint8_t spki_sha256[SHA256_BYTES], struct arena *arena)
{
	struct chain c = { 0 };

	if (external_ca_chain(def, spki_sha256, arena, &c, /* err= */ NULL) != ERR_OK || c.n < 2) {
		return NULL;
	}
	return cert_self_signed(c.v[c.n - 1]) ? c.v[c.n - 1] : NULL;
}
