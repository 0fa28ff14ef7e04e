/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * glance.h - a look without cryptography: hello.h asks, plain.h reads, and it ends with the
 * certificate. Proves nothing.
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
	bool open;
};

enum glance_step {
	GLANCE_WAIT,
	GLANCE_SEEN,
	GLANCE_FAILED, /* *ret_error; g->plain.alert when it was one */
};

/* Sends the hello. False: it could not be sent. `g` holds nothing before. */
bool glance_start(struct glance *g, struct observed *o, struct wire *w, const char *name,
                  const char *alpn, enum hello_keys keys);
/* Reads what there is, by way of `scratch`. *ret_error NULL: no memory. */
enum glance_step glance_step(struct glance *g, uint8_t *scratch, size_t n, const char **ret_error);
/* What a deadline or a cut interrupts. */
const char *glance_cut(const struct glance *g);
void glance_end(struct glance *g); /* accepts a zeroed or ended one */
