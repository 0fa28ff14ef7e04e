/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * glance.h - a look with little cryptography: hello.h asks, plain.h reads, and it ends with the
 * certificate, or with the signature that proves its key.
 *
 * That signature, over our random and all that the server has said, is what possession means;
 * what would follow proves nothing more about the certificate. So a look ends there, as a
 * handshake cut off: who would rather not, completes them (session.h).
 *
 * Whether a client certificate is asked for comes later in the server's flight; it is recorded when
 * it has arrived by then, which it has where the flight is one write.
 */
#pragma once

#include "state/probe/hello.h"
#include "state/probe/plain.h"
#include "state/probe/sighting.h"
#include "state/probe/wire.h"

struct glance {
	struct observed *o;
	struct wire *wire;
	struct plain plain;
	struct sighting seen;
	struct hello hello;
	struct veil veil;
	bool wants_proof;
	bool open;
};

enum glance_step {
	GLANCE_WAIT,
	GLANCE_SEEN,   /* *ret_error: the proof is wrong; NULL: it is right, unwanted or missing */
	GLANCE_FAILED, /* *ret_error; g->plain.alert when it was one */
};

/* What to ask, and how much to hear. The texts are borrowed. */
struct glance_ask {
	const char *name, *alpn; /* NULL: none */
	enum hello_keys keys;
	const struct veil_share *share; /* NULL: TLS 1.2 at most, and no proof */
	bool proof;
};

/* Sends the hello. False: it could not be sent. `g` holds nothing before, and stays where it is. */
bool glance_start(struct glance *g, struct observed *o, struct wire *w,
                  const struct glance_ask *ask);
/* Reads what there is, by way of `scratch`. *ret_error NULL: no memory. */
enum glance_step glance_step(struct glance *g, uint8_t *scratch, size_t n, const char **ret_error);
/* What a deadline or a cut interrupts. */
const char *glance_cut(const struct glance *g);
void glance_end(struct glance *g); /* accepts a zeroed or ended one */
