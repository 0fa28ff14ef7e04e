/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ber.h - BER brought to the framing that der.h reads: definite minimal lengths, primitive OCTET
 * STRINGs.
 *
 * One layer at a time: what lies inside an OCTET STRING is contents, not structure, and is left as
 * it is (a MAC is computed over it).
 */
#pragma once

#include "reconciler/base/buf.h"
#include "reconciler/base/bytes.h"

#define BER_DEPTH_MAX 64

/* The first element of `in`. *ret is borrowed from `in` when nothing had to change, else from
 * `storage` (initialised by the caller). *ret_used: octets of `in` it took. ERR_INVALID with the
 * offset when it is malformed. */
enum err_code ber_normalise(struct bytes in, struct buf *storage, struct bytes *ret,
                            size_t *ret_used, struct err *err);
