/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe.h - looks at what TLS servers present, thousands at once.
 *
 * The chain is taken as its message comes, so it is known for servers that ask for a client
 * certificate or cut the handshake after theirs. A look that wants no possession stops there and
 * says PROOF_NONE; it offers TLS 1.2 first, so `protocol` and `cipher` of such a row are those of
 * the look, not the best that the server has. One that wants it stops once the key of the
 * certificate has signed this handshake, unless it has an identity to show. Deadlines cover name
 * lookup, connect, the dialog before TLS and every handshake together; the addresses of a name
 * share them out. Never resumes a session.
 */
#pragma once

#include "state/look.h"

/* Which addresses may be connected to, whatever name led there. */
struct probe_fence {
	bool (*open)(struct probe_fence *f, const char *address);
};

struct probe_options {
	int64_t timeout_ms; /* per endpoint; 0: 10 s */
	int64_t overall_ms; /* of one call; what has not ended then is UNREACHABLE; 0: none */
	int parallel; /* sessions in flight at most; 0: 1000; as many as there are descriptors */
	int per_host; /* of them to one host; 0: no limit */
	int rate;     /* begun in a second; 0: no limit */
	bool polite;  /* complete every handshake: an early stop leaves a line in server logs */
	struct probe_fence *fence; /* NULL: none; else it outlives the prober */
	const struct clock *clock; /* of deadlines; NULL: the system's */
};

/* The real prober. Close with prober_tls_close(). */
enum err_code prober_tls_open(const struct probe_options *opt, struct prober **ret,
                              struct err *err);
void prober_tls_close(struct prober *base); /* accepts NULL */

/* What is said of an endpoint that takes a connection and waits, our hello or none. */
#define PROBE_SILENT "accepts connections but does not answer"
/* And what of a name whose addresses the fence keeps all. */
#define PROBE_FENCED "all of its addresses are excluded"

/* May `starttls` of a look say this? NULL and "none" may. */
bool probe_speaks(const char *starttls);
/* The words that it knows; NULL behind the last. */
const char *probe_dialect(size_t i);
/* The port where a dialect is usually spoken; 0: no such dialect. */
int probe_dialect_port(const char *starttls);
