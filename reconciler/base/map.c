/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * map.c - linear probing at a load of at most 3/4, the full hash kept in each slot.
 *
 * The hash folds 64x64 -> 128 bit products of seeded words. The seed comes from the kernel, once
 * for the process, because names are chosen by whoever writes to the repository; without one the
 * address layout has to do.
 */
#include "reconciler/base/map.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_CAP 16u
#define CAP_MAX   (SIZE_MAX / 64)

/* 24 octets: the maps of a fleet are the largest single pieces of memory there are. */
struct map_slot {
	const void *key;
	void *value;
	uint32_t n;    /* octets of the key */
	uint32_t hash; /* 0: free */
};

static uint64_t process_seed[2];
static pthread_once_t seeded = PTHREAD_ONCE_INIT;

static void seed_process(void)
{
	if (getrandom(process_seed, sizeof(process_seed), GRND_NONBLOCK) !=
	    (ssize_t)sizeof(process_seed)) {
		process_seed[0] ^= (uint64_t)(uintptr_t)&process_seed;
		process_seed[1] ^= (uint64_t)(uintptr_t)&free;
	}
	process_seed[0] |= 1;
	process_seed[1] |= 1;
}

static uint64_t fold(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 r = (unsigned __int128)a * b;

	return (uint64_t)r ^ (uint64_t)(r >> 64);
}

static uint64_t word_at(const uint8_t *p, size_t n)
{
	uint64_t w = 0;

	memcpy(&w, p, n);
	return w;
}

static uint32_t hash_of(struct bytes key)
{
	uint64_t h = process_seed[0] ^ key.n;
	const uint8_t *p = key.p;
	size_t n = key.n;

	for (; n >= 16; p += 16, n -= 16) {
		h = fold(word_at(p, 8) ^ process_seed[1], word_at(p + 8, 8) ^ h);
	}
	if (n >= 8) {
		h = fold(word_at(p, 8) ^ process_seed[1], h ^ UINT64_C(0xA0761D6478BD642F));
		p += 8;
		n -= 8;
	}
	if (n > 0) {
		h = fold(word_at(p, n) ^ process_seed[1], h ^ UINT64_C(0xE7037ED1A0B428DB));
	}
	h = fold(h ^ process_seed[0], process_seed[1] ^ UINT64_C(0x8EBC6AF09C88C6E3));
	return (uint32_t)h == 0 ? 1 : (uint32_t)h;
}

void map_init(struct map *m)
{
	*m = (struct map){ .slots = NULL };
}

void map_release(struct map *m)
{
	free(m->slots);
	*m = (struct map){ .slots = NULL };
}

static struct bytes key_of(const struct map_slot *s)
{
	return bytes_of(s->key, s->n);
}

/* The slot that holds the key, or the free one where it belongs. */
static struct map_slot *find(const struct map *m, struct bytes key, uint32_t hash)
{
	size_t mask = m->cap - 1;
	size_t i = hash & mask;

	while (m->slots[i].hash != 0 &&
	       (m->slots[i].hash != hash || !bytes_equal(key_of(&m->slots[i]), key))) {
		i = (i + 1) & mask;
	}
	return &m->slots[i];
}

void *map_get(const struct map *m, struct bytes key)
{
	if (m->n == 0) {
		return NULL;
	}
	return find(m, key, hash_of(key))->value;
}

void *map_get_str(const struct map *m, const char *key)
{
	return map_get(m, bytes_of_str(key));
}

static int grow_to(struct map *m, size_t cap)
{
	struct map bigger = { .cap = cap, .n = m->n };

	bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
	if (bigger.slots == NULL) {
		return -1;
	}
	for (size_t i = 0; i < m->cap; i++) {
		const struct map_slot *s = &m->slots[i];

		if (s->hash != 0) {
			*find(&bigger, key_of(s), s->hash) = *s;
		}
	}
	free(m->slots);
	*m = bigger;
	return 0;
}

/* How many a map of this size holds. */
static size_t room(size_t cap)
{
	return cap / 4 * 3;
}

int map_reserve(struct map *m, size_t n)
{
	size_t cap = m->cap == 0 ? FIRST_CAP : m->cap;

	while (room(cap) < m->n + n) {
		if (cap > CAP_MAX / 2) {
			return -1;
		}
		cap *= 2;
	}
	return cap == m->cap ? 0 : grow_to(m, cap);
}

int map_put(struct map *m, struct bytes key, void *value, void **ret_old)
{
	struct map_slot *slot;
	uint32_t hash;

	if (key.n > UINT32_MAX) {
		return -1;
	}
	if (pthread_once(&seeded, seed_process) != 0) {
		return -1;
	}
	if (m->n >= room(m->cap) && map_reserve(m, 1) < 0) {
		return -1;
	}
	hash = hash_of(key);
	slot = find(m, key, hash);
	if (ret_old != NULL) {
		*ret_old = slot->value;
	}
	if (slot->hash == 0) {
		slot->key = key.p;
		slot->n = (uint32_t)key.n;
		slot->hash = hash;
		m->n++;
	}
	slot->value = value;
	return 0;
}

int map_put_str(struct map *m, const char *key, void *value, void **ret_old)
{
	return map_put(m, bytes_of_str(key), value, ret_old);
}

bool map_next(const struct map *m, size_t *pos, struct bytes *ret_key, void **ret_value)
{
	for (; *pos < m->cap; (*pos)++) {
		const struct map_slot *s = &m->slots[*pos];

		if (s->hash != 0) {
			*ret_key = key_of(s);
			*ret_value = s->value;
			(*pos)++;
			return true;
		}
	}
	return false;
}
