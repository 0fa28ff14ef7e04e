/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lint5280.h - the rules of RFC 5280 as checks of our own, applied to everything we sign.
 *
 * One line a finding, appended; nothing appended means clean.
 */
#pragma once

#include "reconciler/base/buf.h"
#include "reconciler/base/bytes.h"
#include "reconciler/pki/cert.h"

/* `issuer` NULL: self-signed. */
void lint5280_cert(struct bytes der, const struct cert *issuer, struct buf *findings);
void lint5280_crl(struct bytes der, const struct cert *issuer, struct buf *findings);

#define ck_assert_clean(findings) ck_assert_msg((findings)->len == 0, "%s", buf_str(findings))
