/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * map.h - hash map from byte strings to pointers, open addressing, SipHash-free:
 * seeded per process, so that hostile names cannot be chosen to collide.
 *
 * Keys are borrowed: they must live as long as the map (normally in an arena). No removal.
 * Iteration order is not defined: sort before anything is shown.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/bytes.h"

struct map_slot;

struct map {
	struct map_slot *slots;
	size_t cap; /* power of two, or 0 */
	size_t n;
};

void map_init(struct map *m);
void map_release(struct map *m); /* values are not touched */
/* Room for n more: growing leaves holes behind as large as what it grew from. <0: no memory. */
int map_reserve(struct map *m, size_t n) ATTR_NODISCARD;
/* NULL when absent. */
void *map_get(const struct map *m, struct bytes key);
void *map_get_str(const struct map *m, const char *key);
/* Insert or replace. <0: no memory. *ret_old (may be NULL) gets the former value. */
int map_put(struct map *m, struct bytes key, void *value, void **ret_old) ATTR_NODISCARD;
int map_put_str(struct map *m, const char *key, void *value, void **ret_old) ATTR_NODISCARD;
/* Start with *pos = 0; false at the end. */
bool map_next(const struct map *m, size_t *pos, struct bytes *ret_key, void **ret_value);
