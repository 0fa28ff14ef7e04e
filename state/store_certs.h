/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_certs.h - the certificate table as a source for the row decoders.
 */
#pragma once

#include "state/rows.h"
#include "state/store_impl.h"

/* Used inside one reading transaction. */
struct cert_rows {
	struct cert_source src;
	struct store *store;
	struct seen_certs *set;
	bool loaded;
};
void cert_rows_init(struct cert_rows *rows, struct store *s, struct seen_certs *set);
