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

/* Shared by all sessions: priorities are parsed once. */
struct tls_rules {
	gnutls_certificate_credentials_t credentials;
	gnutls_priority_t common;     /* what any client of today offers */
	gnutls_priority_t permissive; /* what only an observer would offer, without TLS 1.3 */
};
enum err_code tls_rules_init(struct tls_rules *r, struct err *err);
void tls_rules_release(struct tls_rules *r); /* accepts a zeroed one */

struct sighting {
	struct seen_chain chain;
	enum proof proof;
	const char *protocol, *cipher;
	bool client_cert_asked, client_cert_shown;
	const char **ca_names;
	size_t n_ca_names;
};

struct tls_session {
	gnutls_session_t tls;
	const struct look_endpoint *look;
	struct observed *o;
	struct sighting seen;
	int fd;
	bool heard; /* a byte came */
	char first[25];
	bool stopped; /* by us, with the chain in hand */
	bool nomem;
	const char *unreadable; /* sentence: the chain holds what is no certificate */
	const char *identity_error;
	gnutls_pcert_st identity[16];
	unsigned n_identity;
	gnutls_privkey_t identity_key;
};

enum tls_step {
	TLS_WANT_READ,
	TLS_WANT_WRITE,
	TLS_COMPLETE, /* handshake completed */
	TLS_STOPPED,  /* on purpose */
	TLS_FAILED,   /* *ret_error says how */
};

/* `t` holds look and o, the rest is zero. `fd` is borrowed, connected and non-blocking. On failure
 * nothing is held. */
enum err_code tls_session_start(struct tls_session *t, const struct tls_rules *rules,
                                bool permissive, int fd, struct err *err);
enum tls_step tls_session_step(struct tls_session *t, const char **ret_error);
/* What speaks before or instead of TLS, by its first bytes; NULL: it may be TLS. */
const char *tls_session_stranger(struct tls_session *t);
/* After TLS_COMPLETE: has the server refused the identity shown? TLS_WANT_READ: not yet. */
enum tls_step tls_session_linger(struct tls_session *t, const char **ret_error);
/* After TLS_COMPLETE: say good-bye without waiting for the answer. */
void tls_session_bye(struct tls_session *t);
void tls_session_end(struct tls_session *t); /* accepts a zeroed or ended one */
