/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plain.h - what a server says to a hello of ours: ServerHello, Certificate, CertificateRequest,
 * alerts; with a veil also what it has signed, and what servers of TLS 1.3 say under keys. A
 * machine without a socket; octets in.
 *
 * It stops at the first octet that it does not understand. What it holds in memory is one handshake
 * message, and no more than PLAIN_MESSAGE_MAX.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reconciler/base/buf.h"
#include "state/probe/veil.h"

#define PLAIN_MESSAGE_MAX ((size_t)256 << 10)
#define PLAIN_TOTAL_MAX   ((size_t)512 << 10)

enum plain_want {
	PLAIN_MORE,
	PLAIN_DONE,    /* the server has said all that is of use */
	PLAIN_ALERT,   /* fatal: `alert` */
	PLAIN_FOREIGN, /* not TLS */
	PLAIN_BROKEN,  /* TLS, but `error` */
};

struct plain {
	enum plain_want want;
	struct veil *veil; /* set it after plain_init(); NULL: our hello had no share */
	bool tls13;
	struct buf in;               /* of the handshake message under way */
	uint8_t header[5], level[2]; /* of an alert */
	size_t n_header, left;       /* of the record under way */
	size_t total;
	uint16_t version, suite; /* 0: no ServerHello yet */
	int alert;
	const char *error;
	bool certificate_asked;
	struct buf certificates;      /* body of the Certificate message */
	struct buf ca_names;          /* DistinguishedName<1..2^16-1> each, as sent */
	struct buf sealed;            /* of the record under way */
	uint8_t random[HELLO_RANDOM]; /* the server's */
	uint16_t scheme;              /* of `signature`, which is over `said`; 0: none came */
	struct buf said, signature;
};

void plain_init(struct plain *p);
void plain_release(struct plain *p); /* accepts a zeroed one */
/* Feed until it wants no more; what is behind that is ignored. */
void plain_feed(struct plain *p, struct bytes in);
/* In the middle of the Certificate message: what ends now was cut there. */
bool plain_inside_certificate(const struct plain *p);

/* Walk certificates: the body of a Certificate message of TLS 1.2 and below, or of TLS 1.3
 * (RFC 8446 4.4.2). plain_list() returns false when the message is malformed as a whole. */
bool plain_list(struct bytes message, bool tls13, struct bytes *ret_list);
bool plain_next(struct bytes *list, bool tls13, struct bytes *ret_der);
/* Walk names of authorities. */
bool plain_next_name(struct bytes *names, struct bytes *ret_der);
