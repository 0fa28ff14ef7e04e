/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arena.c - bump allocation in blocks that double from 8 KiB to 1 MiB.
 *
 * calloc() gives the zeroes: for a large block the kernel has them already, which is cheaper than
 * clearing on every allocation. What is larger than a quarter of a block gets one of its own, so
 * that no long tail is thrown away.
 */
#include "reconciler/base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MIN ((size_t)8 << 10)
#define BLOCK_MAX ((size_t)1 << 20)
#define ALIGN     8u

#define LARGE_ELEMENT 24u

struct arena_block {
	struct arena_block *next;
	size_t size; /* of the whole block, header included; decides the next one's */
};

static_assert(sizeof(struct arena_block) % ALIGN == 0, "the first allocation must be aligned");

void arena_init(struct arena *a)
{
	*a = (struct arena){ .head = NULL };
}

void arena_release(struct arena *a)
{
	struct arena_block *next;

	for (struct arena_block *b = a->head; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
	*a = (struct arena){ .head = NULL };
}

static void *fail(struct arena *a)
{
	a->failed = true;
	return NULL;
}

static void *alloc_alone(struct arena *a, size_t n)
{
	struct arena_block *b;

	if (n > SIZE_MAX - sizeof(*b)) {
		return fail(a);
	}
	b = calloc(1, sizeof(*b) + n);
	if (b == NULL) {
		return fail(a);
	}
	/* Behind the current block, whose rest stays in use. */
	if (a->head == NULL) {
		a->head = b;
	} else {
		b->next = a->head->next;
		a->head->next = b;
	}
	a->used += n;
	return b + 1;
}

static void *alloc_slow(struct arena *a, size_t n)
{
	size_t last = a->head == NULL ? 0 : a->head->size;
	size_t size = last == 0 ? BLOCK_MIN : last * 2;
	struct arena_block *b;

	size = size > BLOCK_MAX ? BLOCK_MAX : size;
	if (n > size / 4) {
		return alloc_alone(a, n);
	}
	b = calloc(1, size);
	if (b == NULL) {
		return fail(a);
	}
	b->size = size;
	b->next = a->head;
	a->head = b;
	a->at = (char *)(b + 1) + n;
	a->left = size - sizeof(*b) - n;
	a->used += n;
	return b + 1;
}

void *arena_alloc(struct arena *a, size_t n)
{
	void *p = a->at;

	if (n > SIZE_MAX - ALIGN) {
		return fail(a);
	}
	n = n == 0 ? ALIGN : (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (n > a->left) {
		return alloc_slow(a, n);
	}
	a->at += n;
	a->left -= n;
	a->used += n;
	return p;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
	size_t n;

	if (__builtin_mul_overflow(count, size, &n)) {
		return fail(a);
	}
	return arena_alloc(a, n);
}

void *arena_copy(struct arena *a, const void *p, size_t n)
{
	void *to = arena_alloc(a, n);

	if (to != NULL && n > 0) {
		memcpy(to, p, n);
	}
	return to;
}

/* From the end of the block, where nothing needs aligning. */
static char *alloc_text(struct arena *a, size_t n)
{
	if (n > a->left) {
		return arena_alloc(a, n);
	}
	a->left -= n;
	a->used += n;
	return a->at + a->left;
}

char *arena_strn(struct arena *a, const char *s, size_t n)
{
	char *to = n == SIZE_MAX ? fail(a) : alloc_text(a, n + 1);

	if (to != NULL && n > 0) {
		memcpy(to, s, n);
	}
	return to;
}

char *arena_str(struct arena *a, const char *s)
{
	return arena_strn(a, s, strlen(s));
}

char *arena_join(struct arena *a, const char *const *parts, size_t n)
{
	size_t total = 0;
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		total += strlen(parts[i]);
	}
	char *to = alloc_text(a, total + 1);
	for (size_t i = 0; to != NULL && i < n; i++) {
		size_t len = strlen(parts[i]);
		memcpy(to + at, parts[i], len);
		at += len;
	}
	return to;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *to;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0) {
		return fail(a);
	}
	to = alloc_text(a, (size_t)n + 1);
	if (to != NULL) {
		va_start(ap, fmt);
		int m = vsnprintf(to, (size_t)n + 1, fmt, ap);
		va_end(ap);
		assert(m == n);
	}
	return to;
}

struct bytes arena_bytes(struct arena *a, struct bytes v)
{
	const uint8_t *p = v.n == 0 ? NULL : arena_copy(a, v.p, v.n);

	return bytes_of(p, p == NULL ? 0 : v.n);
}

bool arena_failed(const struct arena *a)
{
	return a->failed;
}

void arena_reserve_(struct arena *a, void **v, size_t *cap, size_t n, size_t size)
{
	void *room = *cap > 0 || n == 0 ? NULL : arena_array(a, n, size);

	if (room != NULL) {
		*v = room;
		*cap = n;
	}
}

/* The array handed out last grows where it stands. */
static bool grow_in_place(struct arena *a, const void *v, size_t had, size_t more)
{
	size_t step;

	had = (had + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	more = (more + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	step = more - had;
	if (v == NULL || (const char *)v + had != a->at || step > a->left) {
		return false;
	}
	a->at += step;
	a->left -= step;
	a->used += step;
	return true;
}

bool arena_grow_(struct arena *a, void **v, size_t *cap, size_t n, size_t size)
{
	/* Most lists of structs have one element; there are a few for each object of a fleet. */
	size_t more = *cap == 0 ? (size < LARGE_ELEMENT ? 8 : 1) : *cap * 2;
	size_t bytes;
	void *to;

	if (more < *cap || __builtin_mul_overflow(more, size, &bytes) || bytes > SIZE_MAX - ALIGN) {
		a->failed = true;
		return false;
	}
	if (grow_in_place(a, *v, *cap * size, bytes)) {
		*cap = more;
		return true;
	}
	to = arena_alloc(a, bytes);
	if (to == NULL) {
		return false;
	}
	if (n > 0 && *v != NULL) {
		memcpy(to, *v, n * size);
	}
	*v = to;
	*cap = more;
	return true;
}
