/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chain.h - chains as values: order, completeness, trust.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "reconciler/pki/cert.h"

#define CHAIN_PATH_MAX 10

struct chain_memo;

struct chain {
	const struct cert *const *v; /* leaf first */
	size_t n;
};

/* Same certificates in the same order, a self-signed root at either end disregarded (Java rebuilds
 * chains with it; it is never a difference). */
bool chain_equal(struct chain a, struct chain b);
/* The chain without a trailing self-signed root (a lone self-signed leaf stays). */
struct chain chain_without_root(struct chain c);
/* From `leaf` upwards through `pool` by issuer and key identifier, leaf first, at most 10; arena
 * holds the result. Ends with the root when the pool has it. */
struct chain chain_build(const struct cert *leaf, const struct cert *const *pool, size_t n_pool,
                         struct arena *arena);

enum chain_verdict {
	CHAIN_OK,
	CHAIN_UNTRUSTED,  /* ends in no anchor */
	CHAIN_INCOMPLETE, /* an intermediate is missing */
	CHAIN_EXPIRED,
	CHAIN_NOT_YET_VALID,
	CHAIN_BAD_SIGNATURE,
	CHAIN_WRONG_PURPOSE,
	CHAIN_NAME_MISMATCH,
	CHAIN_INSECURE,   /* weak key or signature algorithm */
	CHAIN_CONSTRAINT, /* path length, name constraints, not a CA */
};
enum chain_purpose { CHAIN_ANY_PURPOSE, CHAIN_SERVER, CHAIN_CLIENT };

/* RFC 5280 path validation by GnuTLS at time `now` against the anchors. An anchor that is the leaf
 * itself is a pin: accepted whatever else is wrong but the key. `host` NULL: names are not judged.
 * `memo`: see chain_memo.h; NULL: every signature is checked now. */
enum chain_verdict chain_verify(struct chain served, const struct cert *const *anchors,
                                size_t n_anchors, const char *host, enum chain_purpose purpose,
                                struct wall now, struct chain_memo *memo);
