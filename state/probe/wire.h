/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire.h - octets between a handshake and its socket: counted, the first ones kept for sentences,
 * and in TDS packets where the dialect wants it.
 *
 * Non-blocking; answers are recv()'s and send()'s, with errno.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "reconciler/base/buf.h"

#define WIRE_TOTAL_MAX ((size_t)1 << 20)
#define WIRE_FIRST     24

struct wire {
	int fd;       /* borrowed */
	size_t total; /* octets received */
	char first[WIRE_FIRST + 1];
	size_t n_first;
	bool framed;
	bool drained; /* the last receive found nothing */
	uint8_t head[8];
	size_t n_head, left; /* of the TDS packet under way */
	struct buf out;      /* framed: until it is flushed */
};

void wire_open(struct wire *w, int fd, bool framed);
void wire_close(struct wire *w); /* not the socket; accepts a zeroed one */
/* More than WIRE_TOTAL_MAX: -1 and EMSGSIZE. */
ssize_t wire_recv(struct wire *w, void *p, size_t n);
ssize_t wire_send(struct wire *w, const void *p, size_t n);
/* Framed: what was sent so far goes out as one packet. False: not all of it yet, or errno. */
bool wire_flush(struct wire *w);
/* What speaks before or instead of TLS, by its first octets, in `out`; NULL: it may be TLS. */
const char *wire_stranger(struct wire *w, char *out, size_t size);
