/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chain_memo.h - what GnuTLS has found wrong with paths, apart from their times.
 *
 * That is a function of the certificates, of the purpose and of GnuTLS, so it holds for ever, while
 * asking costs a public-key operation for each signature: ten thousand monitored endpoints make ten
 * seconds. What is written out is what was used since it was read, so it does not grow.
 */
#pragma once

#include "reconciler/base/arena.h"
#include "reconciler/base/map.h"
#include "reconciler/pki/chain.h"

struct chain_memo {
	struct arena *arena;
	struct map by_path;
	size_t n_read, n_new, n_used;
	/* the anchors asked about last, by their address */
	const struct cert *const *anchors;
	size_t n_anchors;
	uint8_t anchors_sha256[SHA256_BYTES];
};

void chain_memo_init(struct chain_memo *m, struct arena *arena);
void chain_memo_release(struct chain_memo *m); /* the map; accepts a zeroed one */

/* What another program or another GnuTLS wrote is not read: keep text and this together. */
void chain_memo_inputs(uint8_t ret[SHA256_BYTES]);
/* False: damaged, or no memory; then it knows nothing. */
bool chain_memo_read(struct chain_memo *m, struct bytes in);
/* Would writing it save the next reader work? */
bool chain_memo_changed(const struct chain_memo *m);
void chain_memo_write(const struct chain_memo *m, struct buf *out);

/* A path is its certificates, leaf first, the anchors it is judged by, and a purpose. Anchors at
 * one address are the same as long as the memo lives. */
void chain_memo_key(struct chain_memo *m, struct chain path, struct chain anchors,
                    enum chain_purpose purpose, uint8_t ret[SHA256_BYTES]);
bool chain_memo_find(struct chain_memo *m, const uint8_t key[SHA256_BYTES], unsigned *ret_status);
/* What there is no memory for is asked again. */
void chain_memo_add(struct chain_memo *m, const uint8_t key[SHA256_BYTES], unsigned status);
