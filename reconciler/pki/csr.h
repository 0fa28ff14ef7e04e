/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * csr.h - PKCS#10 requests (RFC 2986).
 */
#pragma once

#include "reconciler/base/buf.h"
#include "reconciler/pki/key.h"
#include "reconciler/pki/spec.h"

/* A signed request asking for `spec`; DER appended to out. Usages are put in when encode_usages. */
enum err_code csr_create(const struct cert_spec *spec, bool encode_usages, const struct key *key,
                         struct buf *out, struct err *err);
/* Check the self-signature; SubjectPublicKeyInfo DER of the request (borrowed from `csr`). */
enum err_code csr_check(struct bytes csr, struct bytes *ret_spki, struct err *err);
