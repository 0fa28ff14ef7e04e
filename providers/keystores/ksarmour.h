/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ksarmour.h - binary formats as people pass them on: base64 with PEM lines, or without.
 */
#pragma once

#include <stdbool.h>

#include "reconciler/base/buf.h"
#include "reconciler/base/bytes.h"

/* Text that is base64 of one ASN.1 SEQUENCE and nothing else, decoded into `out` (initialised);
 * false: it is not, `out` is as it was. */
bool ks_bare_base64(struct bytes file, struct buf *out);
/* Does an ASN.1 SEQUENCE begin here whose first element begins with these octets? Lengths of
 * any form; nothing is read behind them. */
bool ks_sequence_starts(struct bytes file, const void *octets, size_t n);
