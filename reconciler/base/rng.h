/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rng.h - repeatable randomness for jitter, back-off and tests. Never for keys, serials or salts:
 * those come from pki/.
 */
#pragma once

#include <stdint.h>

struct rng {
	uint64_t s[2];
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
uint32_t rng_below(struct rng *r, uint32_t n); /* 0 <= x < n, n > 0 */
/* A stable 64-bit hash of text: the same on every machine and run (renewal smear). Not for maps. */
uint64_t rng_hash_str(const char *s);
