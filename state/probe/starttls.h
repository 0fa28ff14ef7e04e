/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * starttls.h - what is said before TLS begins, as machines without a socket: octets in, octets out.
 *
 * The caller shows what has arrived (peeked) and drops from the socket only what was taken, so the
 * first octet of TLS is never read. Everything is bounded: a line, a packet, the whole dialog.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reconciler/base/bytes.h"

#define STARTTLS_KEPT      512 /* of a line or packet; the rest is counted and dropped */
#define STARTTLS_TOTAL_MAX ((size_t)64 << 10)

struct starttls;

struct starttls_dialect {
	const char *word;
	uint16_t port; /* where it is usually spoken */
	void (*start)(struct starttls *s);
	void (*step)(struct starttls *s); /* a line or packet is complete in s->in */
	const void *script;               /* of those that share functions */
	const char *alpn;                 /* to be offered in the handshake; NULL: none */
	bool framed;                      /* the handshake travels in TDS packets */
};

enum starttls_want {
	STARTTLS_SEND,    /* starttls_out() */
	STARTTLS_RECEIVE, /* starttls_take() */
	STARTTLS_READY,   /* TLS begins */
	STARTTLS_FAILED,  /* `error` says how */
};

/* All fields are for the dialects; callers read `dialect`, `want` and `error`. */
struct starttls {
	const struct starttls_dialect *dialect;
	const char *name; /* the domain asked for */
	enum starttls_want want;
	int state, code;
	int until;   /* last octet of what is being read, or -1: `need` octets are read */
	size_t need; /* still */
	uint8_t in[STARTTLS_KEPT];
	size_t n_in;
	uint8_t out[STARTTLS_KEPT];
	size_t n_out, n_sent;
	size_t total; /* octets taken */
	char error[256];
};

/* NULL: no such dialect. */
const struct starttls_dialect *starttls_find(const char *word);
/* In the order of documentation; NULL behind the last. */
const struct starttls_dialect *starttls_nth(size_t i);

/* `name` is borrowed. It may be ready at once, when only the handshake is special. */
void starttls_start(struct starttls *s, const struct starttls_dialect *d, const char *name);
/* To be sent now; tell with starttls_sent() how much of it was. */
struct bytes starttls_out(const struct starttls *s);
void starttls_sent(struct starttls *s, size_t n);
/* How many of these octets belong to the dialog: they are consumed. None once it wants no more. */
size_t starttls_take(struct starttls *s, struct bytes seen);
/* The peer has closed. */
void starttls_eof(struct starttls *s);
/* What a deadline interrupts, as a sentence. */
const char *starttls_waiting(const struct starttls *s);
