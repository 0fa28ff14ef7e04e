/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * p7b_order.h - which certificate of a heap is the leaf, and which are its issuers.
 */
#pragma once

#include "providers/keystores/flat.h"

/* The positions of all items, heap: leaves first, each with its issuers behind it; what is on no
 * path keeps its place behind them. */
enum err_code p7b_order(const struct flat *flat, size_t **ret, struct err *err);

/* The issuers of one certificate below its root. */
struct p7b_path {
	struct bytes ders[KS_CHAIN_MAX];
	size_t n;
	struct bytes leaf;
};

/* Of the certificate with this alias when it is a leaf; else *ret stays. In the store's arena. */
enum err_code p7b_path_of(struct flat *flat, const char *alias, struct p7b_path **ret,
                          struct err *err);
/* After the leaf was replaced: its issuers go, where no other certificate needs them. */
void p7b_drop_orphans(struct flat *flat, const struct p7b_path *path);
