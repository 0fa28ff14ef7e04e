/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arena.h - memory that dies together.
 *
 * Everything inside a desired or observed snapshot or a plan is borrowed from its arena.
 * Allocation failure is sticky like buf's: the allocator returns NULL and arena_failed()
 * stays true. Zeroed memory, 8-byte aligned; texts are packed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/bytes.h"

struct arena_block;

struct arena {
	struct arena_block *head;
	char *at;
	size_t left;
	size_t used; /* bytes handed out */
	bool failed;
};

void arena_init(struct arena *a);
void arena_release(struct arena *a);
void *arena_alloc(struct arena *a, size_t n);
void *arena_array(struct arena *a, size_t count, size_t size); /* overflow checked */
void *arena_copy(struct arena *a, const void *p, size_t n);
char *arena_str(struct arena *a, const char *s);
char *arena_strn(struct arena *a, const char *s, size_t n);
/* The texts, one after the other: a tenth of the work of arena_printf(). */
char *arena_join(struct arena *a, const char *const *parts, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) ATTR_PRINTF(2, 3);
struct bytes arena_bytes(struct arena *a, struct bytes v);
bool arena_failed(const struct arena *a);

#define ARENA_NEW(a, type)      ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_array((a), (n), sizeof(type)))

/* A growing array inside an arena: { type *v; size_t n, cap; }. Old storage is left to the arena.
 * Evaluates to a pointer to the new, zeroed last element, or NULL (arena failed). */
#define ARENA_PUSH(a, vec)                                                                         \
	((vec)->n < (vec)->cap || arena_grow_((a), (void **)&(vec)->v, &(vec)->cap, (vec)->n,      \
	                                      sizeof(*(vec)->v))                                   \
	         ? &(vec)->v[(vec)->n++]                                                           \
	         : NULL)
/* Room for n elements in an empty one, so that a large array leaves no old storage behind. */
#define ARENA_RESERVE(a, vec, count)                                                               \
	arena_reserve_((a), (void **)&(vec)->v, &(vec)->cap, (count), sizeof(*(vec)->v))
void arena_reserve_(struct arena *a, void **v, size_t *cap, size_t n, size_t size);
bool arena_grow_(struct arena *a, void **v, size_t *cap, size_t n, size_t size);
