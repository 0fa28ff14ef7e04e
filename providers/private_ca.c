/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * private_ca.c - what the private CA and the keeper of its books share.
 */
#include "providers/private_ca.h"

void ca_reservation_release(struct ca_reservation *r)
{
	buf_release(&r->tbs);
	buf_release(&r->cert);
}
