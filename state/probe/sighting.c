/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sighting.c - from messages to rows; whoever read them.
 */
#include "state/probe/sighting.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "state/probe/plain.h"

#define CA_NAMES_MAX 1024
#define CHAIN_MAX    128

static const struct {
	gnutls_alert_description_t alert;
	const char *sentence;
} alert_sentences[] = {
	{ GNUTLS_A_UNRECOGNIZED_NAME, "the server does not serve this name" },
	{ GNUTLS_A_HANDSHAKE_FAILURE, "the server refused the handshake" },
	{ GNUTLS_A_PROTOCOL_VERSION, "the server speaks no TLS version of ours" },
	{ GNUTLS_A_INSUFFICIENT_SECURITY, "the server demands ciphers that we do not have" },
	{ GNUTLS_A_CERTIFICATE_REQUIRED, "the server demands a client certificate" },
	{ GNUTLS_A_BAD_CERTIFICATE, "the server cannot read the client certificate" },
	{ GNUTLS_A_UNSUPPORTED_CERTIFICATE, "the server does not take this kind of certificate" },
	{ GNUTLS_A_CERTIFICATE_REVOKED, "the server holds the client certificate for revoked" },
	{ GNUTLS_A_CERTIFICATE_EXPIRED, "the server holds the client certificate for expired" },
	{ GNUTLS_A_CERTIFICATE_UNKNOWN, "the server did not accept the client certificate" },
	{ GNUTLS_A_UNKNOWN_CA, "the server does not know the issuer of the client certificate" },
	{ GNUTLS_A_ACCESS_DENIED, "the server denies this client access" },
	{ GNUTLS_A_INTERNAL_ERROR, "the server failed inside" },
	{ GNUTLS_A_NO_APPLICATION_PROTOCOL, "the server demands an application protocol (ALPN)" },
	{ GNUTLS_A_CLOSE_NOTIFY, "the server said good-bye during the handshake" },
};

const char *alert_sentence(struct arena *a, int alert)
{
	const char *name = gnutls_alert_get_name((gnutls_alert_description_t)alert);

	for (size_t i = 0; i < ARRAY_LEN(alert_sentences); i++) {
		if ((int)alert_sentences[i].alert == alert) {
			return arena_printf(a, "%s (alert %d: %s)", alert_sentences[i].sentence,
			                    alert, name == NULL ? "unknown" : name);
		}
	}
	return arena_printf(a, "the server ended the handshake (alert %d: %s)", alert,
	                    name == NULL ? "unknown" : name);
}

static const struct seen_cert *keep_certificate(struct sighting *s, struct observed *o,
                                                struct bytes der, size_t number)
{
	const struct seen_cert *c = NULL;
	enum err_code rc = seen_cert_add(o->certs, der, &c, /* err= */ NULL);

	if (rc == ERR_OK) {
		return c;
	}
	if (rc == ERR_INVALID) {
		s->unreadable = arena_printf(
			o->arena,
			"the server sent as number %zu of its chain what is no certificate",
			number);
	}
	s->nomem = s->nomem || s->unreadable == NULL;
	return NULL;
}

void sighting_take_chain(struct sighting *s, struct observed *o, struct bytes message, bool tls13)
{
	struct bytes list;
	struct bytes der;
	size_t n = 0;

	s->chain = (struct seen_chain){ .n = 0 };
	if (!plain_list(message, tls13, &list)) {
		return;
	}
	for (struct bytes in = list; n < CHAIN_MAX && plain_next(&in, tls13, &der); n++) {
	}
	const struct seen_cert **v = ARENA_ARRAY(o->arena, const struct seen_cert *, n);
	s->nomem = s->nomem || v == NULL;
	for (size_t i = 0; v != NULL && i < n; i++) {
		(void)plain_next(&list, tls13, &der);
		v[i] = keep_certificate(s, o, der, i + 1);
		if (v[i] == NULL) {
			break;
		}
		s->chain.n = i + 1;
	}
	s->chain.v = v;
}

void sighting_take_ca_name(struct sighting *s, struct observed *o, struct bytes der)
{
	const gnutls_datum_t name = { .data = (unsigned char *)(uintptr_t)der.p,
		                      .size = (unsigned)der.n };
	gnutls_datum_t text = { .data = NULL };

	if (s->ca_names.n >= CA_NAMES_MAX ||
	    gnutls_x509_rdn_get2(&name, &text, /* flags= */ 0) < 0) {
		return;
	}
	const char *kept = arena_strn(o->arena, (const char *)text.data, text.size);
	gnutls_free(text.data);
	const char **slot = kept == NULL ? NULL : ARENA_PUSH(o->arena, &s->ca_names);
	if (slot == NULL) {
		s->nomem = true;
		return;
	}
	*slot = kept;
}
