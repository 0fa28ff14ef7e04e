/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * identity.c - the identity that we show when a server asks for one.
 */
#include "state/probe/identity.h"

#include <stdlib.h>

#include "reconciler/pki/key.h"

static int import_key(gnutls_privkey_t key, struct bytes pkcs8)
{
	const gnutls_datum_t der = { .data = (unsigned char *)(uintptr_t)pkcs8.p,
		                     .size = (unsigned)pkcs8.n };

	return gnutls_privkey_import_x509_raw(key, &der, GNUTLS_X509_FMT_DER,
	                                      /* password= */ NULL, /* flags= */ 0);
}

/* EC keys as Java writes them lack their public half: key.h completes them. */
static int import_completed(gnutls_privkey_t key, struct bytes pkcs8)
{
	CLEANUP(secret_release) struct secret whole = { 0 };
	CLEANUP(cleanup_key) struct key *completed = NULL;

	if (key_import(pkcs8, &completed, /* err= */ NULL) != ERR_OK ||
	    key_export_pkcs8(completed, &whole, /* err= */ NULL) != ERR_OK) {
		return GNUTLS_E_ASN1_DER_ERROR;
	}
	return import_key(key, secret_view(&whole));
}

static int import(struct tls_identity *id, const struct look_endpoint *look)
{
	struct bytes pem = look->client_chain_pem;
	const gnutls_datum_t chain = { .data = (unsigned char *)(uintptr_t)pem.p,
		                       .size = (unsigned)pem.n };
	unsigned n = IDENTITY_CHAIN_MAX;

	int rc = gnutls_privkey_init(&id->key);
	if (rc < 0) {
		return rc;
	}
	rc = import_key(id->key, secret_view(look->client_key));
	if (rc < 0) {
		rc = import_completed(id->key, secret_view(look->client_key));
	}
	if (rc < 0) {
		return rc;
	}
	rc = gnutls_pcert_list_import_x509_raw(id->chain, &n, &chain, GNUTLS_X509_FMT_PEM,
	                                       /* flags= */ 0);
	id->n = rc < 0 ? 0 : n;
	return rc;
}

int tls_identity_new(const struct look_endpoint *look, struct tls_identity **ret)
{
	struct tls_identity *id = calloc(1, sizeof(*id));

	if (id == NULL) {
		return GNUTLS_E_MEMORY_ERROR;
	}
	int rc = import(id, look);
	if (rc < 0) {
		tls_identity_free(id);
		return rc;
	}
	*ret = id;
	return 0;
}

void tls_identity_free(struct tls_identity *id)
{
	if (id == NULL) {
		return;
	}
	for (unsigned i = 0; i < id->n; i++) {
		gnutls_pcert_deinit(&id->chain[i]);
	}
	if (id->key != NULL) {
		gnutls_privkey_deinit(id->key);
	}
	free(id);
}
