/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * external_ca.h - what the user committed for a CA of ours that a CA elsewhere certifies
 * (privateCA.external): its certificate and, beside it in the same file, those above it.
 */
#pragma once

#include "desired/model.h"
#include "reconciler/pki/chain.h"

/* The committed certificate of the key and those above it, the root too when it is there; n == 0:
 * none was committed for this key. Parsed into the arena. ERR_INVALID: the file is damaged. */
enum err_code external_ca_chain(const struct issuer_def *def,
                                const uint8_t spki_sha256[SHA256_BYTES], struct arena *arena,
                                struct chain *ret, struct err *err);
/* The self-signed one at the top of it, NULL: none was committed, or the CA is not external. */
const struct cert *external_ca_root(const struct issuer_def *def,
                                    const uint8_t spki_sha256[SHA256_BYTES], struct arena *arena);
