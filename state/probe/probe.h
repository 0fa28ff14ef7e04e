/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe.h - one look at what a TLS server presents. GnuTLS is entered here for sessions.
 *
 * The chain is taken as its message comes, so it is known for servers that ask for a client
 * certificate or cut the handshake after theirs. A look that wants no possession stops there and
 * says PROOF_NONE. Deadlines cover name lookup, connect, and every handshake together; the
 * addresses of a name share them out. Never resumes a session. STARTTLS is not supported by this
 * release: a row with an error.
 */
#pragma once

#include "state/look.h"

struct probe_options {
	int64_t timeout_ms; /* per endpoint; 0: 10 s */
	int parallel;       /* sessions in flight at most; 0: 64 */
};

/* The real prober. Close with prober_tls_close(). */
enum err_code prober_tls_open(const struct probe_options *opt, struct prober **ret,
                              struct err *err);
void prober_tls_close(struct prober *base); /* accepts NULL */
