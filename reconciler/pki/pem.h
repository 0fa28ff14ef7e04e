/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pem.h - PEM armour (RFC 7468) as found in files: text around blocks, CRLF and headers are
 * accepted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "reconciler/base/buf.h"
#include "reconciler/base/bytes.h"
#include "reconciler/base/err.h"

#define PEM_LABEL_MAX 64

struct pem_block {
	char label[PEM_LABEL_MAX]; /* "CERTIFICATE" */
	struct bytes whole;        /* BEGIN line to END line */
	struct bytes body;         /* base64 between them, behind the headers */
	bool encrypted;            /* "Proc-Type: 4,ENCRYPTED" (RFC 1421) */
};

bool pem_looks_like(struct bytes in);
/* Next whole block of *rest, which moves behind it; false at the end (and for a block without its
 * END line). */
bool pem_next(struct bytes *rest, struct pem_block *ret);
/* Its contents, appended. ERR_INVALID: no base64. */
enum err_code pem_decode(const struct pem_block *block, struct buf *out, struct err *err);
/* Armour with lines of 64, appended. */
void pem_encode(struct bytes der, const char *label, struct buf *out);
