/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * issuer.c - the lifetime of an order; everything else about issuers is theirs.
 */
#include "providers/issuer.h"

#define ORDER_HANDLE_MAX ((size_t)64 << 10)
#define ORDER_CHAIN_MAX  ((size_t)1 << 20)

void order_init(struct order *o)
{
	*o = (struct order){ .status = ORDER_PENDING };
	buf_init(&o->handle, ORDER_HANDLE_MAX);
	buf_init(&o->chain_pem, ORDER_CHAIN_MAX);
}

void order_release(struct order *o)
{
	buf_release(&o->handle);
	buf_release(&o->chain_pem);
}
