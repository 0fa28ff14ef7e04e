/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * identity.h - a client certificate and its key, as GnuTLS wants them. Most looks have none.
 */
#pragma once

#include <gnutls/abstract.h>

#include "state/look.h"

#define IDENTITY_CHAIN_MAX 16

struct tls_identity {
	gnutls_pcert_st chain[IDENTITY_CHAIN_MAX];
	unsigned n;
	gnutls_privkey_t key;
};

/* GnuTLS's result; below 0 nothing is held. */
int tls_identity_new(const struct look_endpoint *look, struct tls_identity **ret);
void tls_identity_free(struct tls_identity *id); /* accepts NULL */
