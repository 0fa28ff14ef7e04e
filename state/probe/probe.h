/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe.h - one look at what a TLS server presents. GnuTLS is entered here for sessions.
 *
 * The chain is taken inside the verify callback, so it is known for servers that ask for a client
 * certificate or cut the handshake after theirs. Deadlines cover name lookup, connect, STARTTLS and
 * handshake together. Never resumes a session.
 */
#pragma once

#include "state/look.h"

struct probe_options {
	int64_t timeout_ms; /* per endpoint */
	int parallel;       /* sessions in flight at most */
};

/* The real prober. Close with prober_tls_close(). */
enum err_code prober_tls_open(const struct probe_options *opt, struct prober **ret,
                              struct err *err);
void prober_tls_close(struct prober *p);
