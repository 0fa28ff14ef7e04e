/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proof.h - did the key of a certificate sign this? GnuTLS checks; this finds out what to ask it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "state/observed.h"

enum proof_answer {
	PROOF_HOLDS,
	PROOF_FAILS,
	PROOF_UNKNOWN, /* a scheme or key that is none of ours, or no memory */
};

/* `scheme`: a SignatureScheme of RFC 8446 4.2.3. */
enum proof_answer proof_check(const struct seen_cert *leaf, uint16_t scheme, struct bytes said,
                              struct bytes signature);
