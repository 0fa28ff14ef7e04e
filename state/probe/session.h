/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session.h - one TLS handshake as an observer: what came, and what of it was proven.
 *
 * The chain is taken from the Certificate message in a handshake hook, before GnuTLS has an opinion
 * on it. Proof of possession is a signature over this very handshake by the key of the leaf,
 * checked by GnuTLS: CertificateVerify (TLS 1.3) or ServerKeyExchange (before); with RSA key
 * transport it is the server's Finished. Whoever asks a client for its certificate has shown all
 * but the last by then, which is why servers of mutual TLS need not let us in to be proven.
 */
#pragma once

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdbool.h>

#include "state/look.h"
#include "state/probe/offer.h"
#include "state/probe/sighting.h"
#include "state/probe/wire.h"

#define RULES_MAX 4

/* Shared by all sessions: priorities are parsed once. */
struct tls_rules {
	gnutls_certificate_credentials_t credentials;
	gnutls_priority_t priorities[RULES_MAX];
};
enum err_code tls_rules_init(struct tls_rules *r, struct err *err);
void tls_rules_release(struct tls_rules *r); /* accepts a zeroed one */

struct tls_session {
	gnutls_session_t tls;
	const struct look_endpoint *look;
	struct observed *o;
	struct wire *wire;
	struct sighting seen;
	const char *alpn;
	bool early;   /* stop at the certificate */
	bool stopped; /* by us, with the chain in hand */
	bool foreign; /* after TLS_FAILED: it is not TLS */
	int alert;    /* after TLS_FAILED: fatal, from the server; -1: none */
	const char *identity_error;
	struct tls_identity *identity;
};

enum tls_step {
	TLS_WANT,     /* wait for the socket */
	TLS_COMPLETE, /* handshake completed */
	TLS_STOPPED,  /* on purpose */
	TLS_FAILED,   /* *ret_error says how; NULL: no memory */
};

/* `t` holds look, o, wire, alpn and early, the rest is zero; the wire is connected and
 * non-blocking. On failure nothing is held. `offer` is no glance. */
enum err_code tls_session_start(struct tls_session *t, const struct tls_rules *rules,
                                const struct offer *offer, struct err *err);
enum tls_step tls_session_step(struct tls_session *t, const char **ret_error);
/* After TLS_COMPLETE: has the server refused the identity shown? TLS_WANT: not yet. */
enum tls_step tls_session_linger(struct tls_session *t, const char **ret_error);
/* After TLS_COMPLETE: say good-bye without waiting for the answer. */
void tls_session_bye(struct tls_session *t);
void tls_session_end(struct tls_session *t); /* accepts a zeroed or ended one */

/* The name to send as SNI; NULL: none, it is an address. */
const char *look_sni(const struct look_endpoint *look);
