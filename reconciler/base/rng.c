/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rng.c - xorshift128+ seeded by splitmix64; FNV-1a with a final mix for the stable hash.
 *
 * Both are fixed for ever: renewal moments are derived from them, and changing one would move the
 * renewal of every certificate in every installation at once.
 */
#include "reconciler/base/rng.h"

#include <assert.h>

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
	return z ^ (z >> 31);
}

void rng_seed(struct rng *r, uint64_t seed)
{
	for (unsigned i = 0; i < 2; i++) {
		seed += UINT64_C(0x9E3779B97F4A7C15);
		r->s[i] = mix(seed);
	}
}

uint64_t rng_next(struct rng *r)
{
	uint64_t x = r->s[0];
	uint64_t y = r->s[1];

	r->s[0] = y;
	x ^= x << 23;
	r->s[1] = x ^ y ^ (x >> 17) ^ (y >> 26);
	return r->s[1] + y;
}

uint32_t rng_below(struct rng *r, uint32_t n)
{
	assert(n > 0);
	/* The high half times n: a bias of n / 2^32 is nothing to jitter. */
	return (uint32_t)(((rng_next(r) >> 32) * n) >> 32);
}

uint64_t rng_hash_str(const char *s)
{
	uint64_t h = UINT64_C(0xCBF29CE484222325);

	for (; *s != '\0'; s++) {
		h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001B3);
	}
	return mix(h);
}
