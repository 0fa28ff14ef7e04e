/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bind_keep.c - what objects say alike is in memory once.
 *
 * The objects of a fleet resemble one another: names of teams, labels, activations, windows and the
 * places of fields are the same octets in file after file. Two small tables that forget find nearly
 * all of it; one that remembers everything would cost more than it saves.
 */
#include <stdlib.h>
#include <string.h>

#include "desired/bind.h"

#define RECENT_LENGTH 40u
#define KEPT_MAX      1024u /* octets */
#define KEPT_SLOTS    2048u

/* One to seven octets, some of them twice: cheaper than a step for each. */
static uint64_t rest_of(const char *at, size_t n)
{
	uint32_t first, last;

	if (n < sizeof(first)) {
		return (uint64_t)(uint8_t)at[0] << 16 | (uint64_t)(uint8_t)at[n / 2] << 8 |
		       (uint8_t)at[n - 1];
	}
	memcpy(&first, at, sizeof(first));
	memcpy(&last, at + n - sizeof(last), sizeof(last));
	return (uint64_t)first << 32 | last;
}

/* Only ever compared within one run, and equal hashes only cost memory. */
static size_t hash_of(const void *p, size_t n)
{
	const char *at = p;
	uint64_t hash = n;
	uint64_t word;

	for (; n >= sizeof(word); n -= sizeof(word), at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 32;
	}
	if (n > 0) {
		hash = (hash ^ rest_of(at, n)) * UINT64_C(0x9e3779b97f4a7c15);
	}
	return hash ^ (hash >> 32);
}

/* By length and hash first: what p points to has long left the cache when it is another. */
static bool is_kept(const struct kept *k, uint32_t hash, const void *p, size_t n)
{
	return k->hash == hash && k->n == n && k->p != NULL && memcmp(k->p, p, n) == 0;
}

/* In pairs, the one met last in front: what all objects say is not driven out by what one says.
 * Without p: to be kept. */
static struct kept *kept_at(struct kept *v, size_t slots, const void *p, size_t n)
{
	size_t hash = hash_of(p, n);
	uint32_t tag = (uint32_t)(hash >> 32);
	struct kept *k = &v[hash % slots & ~(size_t)1];
	struct kept first = k[0];

	if (!is_kept(k, tag, p, n)) {
		k[0] = is_kept(&k[1], tag, p, n) ? k[1]
		                                 : (struct kept){ .n = (uint32_t)n, .hash = tag };
		k[1] = first;
	}
	return k;
}

const char *bind_store(struct bind *b, const char *s, size_t n)
{
	if (n > RECENT_LENGTH) {
		return arena_strn(b->arena, s, n);
	}
	struct kept *k = kept_at(b->recent, ARRAY_LEN(b->recent), s, n);
	if (k->p == NULL) {
		k->p = arena_strn(b->arena, s, n);
	}
	return k->p;
}

const void *bind_keep(struct bind *b, const void *p, size_t n)
{
	if (b->kept == NULL) {
		b->kept = calloc(KEPT_SLOTS, sizeof(*b->kept));
	}
	if (n > KEPT_MAX || b->kept == NULL) {
		return arena_copy(b->arena, p, n);
	}
	struct kept *k = kept_at(b->kept, KEPT_SLOTS, p, n);
	if (k->p == NULL) {
		k->p = arena_copy(b->arena, p, n);
	}
	return k->p;
}

void bind_share(struct bind *b, const struct table *t, void *obj)
{
	if (t->link != 0) {
		const void *shared = bind_keep(b, (char *)obj + t->own, t->size - t->own);
		memcpy((char *)obj + t->link, &shared, sizeof(shared));
	}
}

void object_share(struct bind *b, struct object *o, const struct object_shared *shared)
{
	const struct object_shared *kept = bind_keep(b, shared, sizeof(*shared));

	o->shared = kept == NULL ? o->shared : kept;
}
