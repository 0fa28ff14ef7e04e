/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ksdn.h - names as Java compares them.
 *
 * Java finds issuers by X500Principal.equals(), which disregards case, spaces and string types
 * where it can: two names that differ in octets may be one name there, and a chain longer.
 */
#pragma once

#include "reconciler/base/buf.h"
#include "reconciler/base/bytes.h"

/* Appends octets that are the same for the names (whole, DER) that Java takes for equal. */
void ks_dn_canonical(struct bytes dn, struct buf *out);
