/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * key_id.h - key identifiers, shared by certificates and CRLs.
 */
#pragma once

#include <stdbool.h>

#include "reconciler/base/bytes.h"
#include "reconciler/pki/cert.h"
#include "reconciler/pki/der.h"

/* SHA-1 of the public key bits: RFC 5280 4.2.1.2 (1). */
bool spki_key_id(struct bytes spki, uint8_t ret[SHA1_BYTES]);
/* The certificate's SKI; computed where it has none (then *ret points to `computed`). */
bool cert_key_id(const struct cert *c, uint8_t computed[SHA1_BYTES], struct bytes *ret);
/* Prepend the extension. */
void ext_put_key_id(struct der_writer *w, struct bytes id);
void ext_put_authority_key_id(struct der_writer *w, struct bytes id);
