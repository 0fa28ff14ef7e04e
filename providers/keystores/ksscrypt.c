/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ksscrypt.c - written for the few keys that a file holds, not for speed.
 *
 * A file says how much memory its reader shall spend: OpenSSL asks for 16 MiB, BouncyCastle for
 * less. Four times OpenSSL's is the most that is given.
 */
#include "providers/keystores/ksscrypt.h"

#include <endian.h>
#include <stdlib.h>

#include "providers/keystores/p12_crypto.h"

#define OID_SCRYPT "1.3.6.1.4.1.11591.4.11"
#define MEMORY_MAX ((uint64_t)64 << 20)
#define WORK_MAX   ((uint64_t)256 << 20) /* octets mixed */
#define UNIT       128u                  /* octets per block of block size 1 */
#define WORDS      16u                   /* of one Salsa20 block */

bool ks_scrypt_is_next(const struct der *d)
{
	struct der copy = *d;
	struct der alg;
	struct bytes oid;

	return der_enter(&copy, DER_SEQUENCE, &alg) && der_get(&alg, DER_OID, &oid) &&
	       der_oid_is(oid, OID_SCRYPT);
}

static bool affordable(const struct ks_scrypt *s)
{
	uint64_t most = MEMORY_MAX / UNIT;

	return s->cost >= 2 && (s->cost & (s->cost - 1)) == 0 && s->block >= 1 &&
	       s->parallel >= 1 && s->cost <= most && s->block <= most / s->cost &&
	       s->parallel <= WORK_MAX / (UNIT * s->cost * s->block) && s->salt.n <= P12_SALT_MAX;
}

enum err_code ks_scrypt_parse(struct der *d, struct ks_scrypt *ret, struct err *err)
{
	struct ks_scrypt s = { .key_length = 0 };
	struct der alg;
	struct der params;
	struct bytes oid;

	if (!der_enter(d, DER_SEQUENCE, &alg) || !der_get(&alg, DER_OID, &oid) ||
	    !der_enter(&alg, DER_SEQUENCE, &params) ||
	    !der_get(&params, DER_OCTET_STRING, &s.salt) || !der_get_u64(&params, &s.cost) ||
	    !der_get_u64(&params, &s.block) || !der_get_u64(&params, &s.parallel) ||
	    (!der_at_end(&params) && !der_get_u64(&params, &s.key_length))) {
		return err_set(err, ERR_INVALID, "the parameters of scrypt are damaged");
	}
	if (!affordable(&s)) {
		return err_set(err, ERR_INVALID,
		               "scrypt with more memory or work than is accepted");
	}
	*ret = s;
	return ERR_OK;
}

static uint32_t rotate(uint32_t v, unsigned by)
{
	return v << by | v >> (32 - by);
}

static void quarter(uint32_t x[WORDS], const uint8_t at[4])
{
	x[at[1]] ^= rotate(x[at[0]] + x[at[3]], 7);
	x[at[2]] ^= rotate(x[at[1]] + x[at[0]], 9);
	x[at[3]] ^= rotate(x[at[2]] + x[at[1]], 13);
	x[at[0]] ^= rotate(x[at[3]] + x[at[2]], 18);
}

/* Salsa20/8 core. */
static void salsa(uint32_t b[WORDS])
{
	static const uint8_t rounds[8][4] = { { 0, 4, 8, 12 },  { 5, 9, 13, 1 },   { 10, 14, 2, 6 },
		                              { 15, 3, 7, 11 }, { 0, 1, 2, 3 },    { 5, 6, 7, 4 },
		                              { 10, 11, 8, 9 }, { 15, 12, 13, 14 } };
	uint32_t x[WORDS];

	memcpy(x, b, sizeof(x));
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned k = 0; k < 8; k++) {
			quarter(x, rounds[k]);
		}
	}
	for (unsigned i = 0; i < WORDS; i++) {
		b[i] += x[i];
	}
	secret_wipe(x, sizeof(x));
}

/* scryptBlockMix of `b`, 2r Salsa20 blocks, into `y`. */
static void mix_block(const uint32_t *b, uint32_t *y, size_t r)
{
	uint32_t x[WORDS];

	memcpy(x, b + (2 * r - 1) * WORDS, sizeof(x));
	for (size_t i = 0; i < 2 * r; i++) {
		for (unsigned k = 0; k < WORDS; k++) {
			x[k] ^= b[i * WORDS + k];
		}
		salsa(x);
		memcpy(y + (i / 2 + (i % 2) * r) * WORDS, x, sizeof(x));
	}
	secret_wipe(x, sizeof(x));
}

static void swap_words(uint32_t *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		words[i] = le32toh(words[i]);
	}
}

/* scryptROMix; `space` holds cost + 2 blocks. */
static void mix(uint32_t *b, uint32_t *space, size_t r, uint64_t cost)
{
	size_t words = 2 * r * WORDS;
	uint32_t *x = space;
	uint32_t *y = space + words;
	uint32_t *v = space + 2 * words;

	swap_words(b, words);
	memcpy(x, b, words * sizeof(*x));
	for (uint64_t i = 0; i < cost; i++) {
		memcpy(v + i * words, x, words * sizeof(*x));
		mix_block(v + i * words, x, r);
	}
	for (uint64_t i = 0; i < cost; i++) {
		uint64_t j = x[words - WORDS] & (cost - 1);

		for (size_t k = 0; k < words; k++) {
			y[k] = x[k] ^ v[j * words + k];
		}
		mix_block(y, x, r);
	}
	memcpy(b, x, words * sizeof(*b));
	swap_words(b, words);
}

enum err_code ks_scrypt_run(const struct ks_scrypt *s, struct bytes password, uint8_t *out,
                            size_t n, struct err *err)
{
	size_t block = UNIT * s->block;
	size_t blocks = block * s->parallel;
	uint32_t *b = malloc(blocks);
	uint32_t *space = malloc((s->cost + 2) * block);

	if (b == NULL || space == NULL) {
		free(b);
		free(space);
		return err_nomem(err);
	}
	p12_pbkdf2(&nettle_sha256, password, s->salt, 1, (uint8_t *)b, blocks);
	for (uint64_t i = 0; i < s->parallel; i++) {
		mix(b + i * block / sizeof(*b), space, s->block, s->cost);
	}
	p12_pbkdf2(&nettle_sha256, password, bytes_of(b, blocks), 1, out, n);
	secret_wipe(b, blocks);
	secret_wipe(space, (s->cost + 2) * block);
	free(b);
	free(space);
	return ERR_OK;
}
