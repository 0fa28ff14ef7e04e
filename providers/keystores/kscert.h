/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kscert.h - the few facts of a certificate that decide where in a store it belongs.
 *
 * pki/cert.h knows all of them and verifies signatures; a 10,000-entry trust store needs four
 * slices of each.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "reconciler/base/bytes.h"

struct ks_cert {
	struct bytes der;
	struct bytes subject, issuer, spki; /* DER, borrowed from der */
	struct bytes ski, aki;              /* key identifiers; empty when absent */
	bool self_issued;
	bool is_ca;
};

/* false: not a certificate (ret->der is set, the rest empty). */
bool ks_cert_read(struct bytes der, struct ks_cert *ret);
/* Is the key of this PKCS#8 the certificate's? Not known for keys that we cannot use. */
enum ks_fit { KS_FITS_NOT, KS_FITS, KS_FIT_UNKNOWN };
enum ks_fit ks_key_fits(struct bytes pkcs8, const struct ks_cert *cert);
/* May `issuer` have issued `c`? By names and key identifiers, as Java's PKCS#12 store decides: 2
 * certainly (identifiers equal), 1 (nothing speaks against it), 0 no. */
int ks_cert_issued_by(const struct ks_cert *c, const struct ks_cert *issuer);
