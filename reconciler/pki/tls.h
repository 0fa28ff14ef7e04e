/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls.h - a client connection to a peer that proves who it is, with a deadline over everything.
 *
 * For whoever speaks a protocol of its own over TLS: git, devices. Observing strangers is
 * state/probe's job; here an unproven peer gets no byte. There is no switch for that.
 *
 * Failure: ERR_NET out of reach, lost or too slow; ERR_DENIED the peer does not prove its name
 * (its hint says how to trust it). Threads: one connection belongs to one thread.
 */
#pragma once

#include <stddef.h>

#include "reconciler/base/clock.h"
#include "reconciler/base/err.h"

struct tls;

struct tls_client {
	const char *host;    /* name or address, also what the certificate must say */
	const char *port;    /* digits */
	const char *ca_file; /* PEM; NULL: the system's anchors */
	struct mono deadline;
};

/* Connect and shake hands. */
enum err_code tls_connect(const struct tls_client *c, struct tls **ret, struct err *err);
/* Some bytes; *ret_n 0 at a clean end. */
enum err_code tls_read(struct tls *t, void *p, size_t n, size_t *ret_n, struct err *err);
/* All of them. */
enum err_code tls_write(struct tls *t, const void *p, size_t n, struct err *err);
void tls_close(struct tls *t); /* accepts NULL */
