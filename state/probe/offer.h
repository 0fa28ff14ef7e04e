/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * offer.h - what to offer a server, and what to offer next when that came to nothing. Pure.
 *
 * A look that needs no proof offers TLS 1.2 by a hello of our own first: no cryptography on our
 * side, and no more than half of it on the server's. Only a server that speaks nothing but TLS 1.3
 * costs it a second connection. A look that needs proof offers what clients of today offer, by our
 * hello, then by GnuTLS, which completes the handshake; then TLS 1.2 and below with all that GnuTLS
 * knows, then the hello of our own without proof. Who must complete handshakes, to be polite or to
 * show an identity, begins with GnuTLS.
 */
#pragma once

#include <stdbool.h>

#include "state/probe/hello.h"

enum offer_kind {
	OFFER_GLANCE,     /* ours, TLS 1.2 and below, ends with the certificate */
	OFFER_VEILED,     /* ours, TLS 1.3 and 1.2, ends with the certificate or its proof */
	OFFER_COMMON,     /* what any client of today offers */
	OFFER_PERMISSIVE, /* what only an observer would, without TLS 1.3 */
};

struct offer {
	enum offer_kind kind;
	bool nameless; /* without the server's name */
	enum hello_keys keys;
};

struct offer_end {
	bool has_name; /* there is one to leave out */
	bool wanted_proof;
	bool completes;    /* handshakes */
	bool seen, proven; /* of all offers to this address */
	bool foreign;      /* it is not TLS */
	bool hung_up;      /* closed without a word */
	int alert;         /* -1: none */
};

/* For the first connection to an address. `completes`: handshakes. */
struct offer offer_first(bool wants_proof, bool completes);
/* For the next one; false: there is no use. */
bool offer_next(struct offer *o, const struct offer_end *end);

/* A server may hold a second certificate, with a key of another kind; `leaf_rsa` is about the one
 * seen. */
struct offer offer_twin(const struct offer *seen_with, bool leaf_rsa);
bool offer_next_twin(struct offer *o, bool seen_tls13, const struct offer_end *end);
