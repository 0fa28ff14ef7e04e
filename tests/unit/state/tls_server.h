/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls_server.h - servers to be looked at: a child process each, on a loopback port of its own.
 *
 * Certificates are made by pki/, sessions by GnuTLS; what misbehaves speaks bytes.
 */
#pragma once

#include <sys/types.h>

#include "reconciler/base/arena.h"
#include "reconciler/base/clock.h"
#include "reconciler/pki/cert.h"
#include "reconciler/pki/key.h"

/* A certificate and its key, in the shapes that the tests need. */
struct test_identity {
	struct key *key;
	const struct cert *cert;
	struct secret pkcs8;
	const char *key_pem, *cert_pem;
};
/* issuer NULL: self-signed. */
void test_identity_make(struct test_identity *id, struct arena *a, enum key_algorithm algorithm,
                        const char *name, const struct test_identity *issuer, bool is_ca,
                        struct wall now);
void test_identity_release(struct test_identity *id);

enum server_kind {
	SERVER_TLS,
	SERVER_SAYS,   /* `says`, after the client spoke */
	SERVER_SILENT, /* accepts, reads nothing */
	SERVER_STALLS, /* TLS, but stops reading and writing after its first flight */
};

struct server_spec {
	enum server_kind kind;
	const char *priority;
	const char *chain_pem, *key_pem;
	const char *only_name; /* unrecognized_name for others */
	const char *client_ca; /* PEM: a client certificate by it is demanded */
	const char *says;
	size_t n_says;
	bool says_first;
	bool holds;    /* SERVER_SAYS: keeps the connection open afterwards */
	bool no_names; /* unrecognized_name for whoever names any */
	const char *twin_pem, *twin_key_pem;
	const char *const *dialog; /* said before TLS, each but the first after an answer */
	bool framed;               /* the handshake in TDS packets */
};

struct server {
	pid_t pid;
	int port;
};
void server_start(struct server *s, const struct server_spec *spec);
void server_stop(struct server *s);
/* A port of loopback on which nothing listens. */
int free_port(void);
