/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * timers.h - when which of `n` things is due: a heap, each of them in it at most once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reconciler/base/clock.h"

struct timers {
	size_t *heap, *at; /* things by due time; where a thing is, SIZE_MAX: nowhere */
	struct mono *due;  /* of a thing */
	size_t n;          /* in the heap */
};

bool timers_init(struct timers *t, size_t n); /* false: no memory */
void timers_release(struct timers *t);        /* accepts a zeroed one */
void timers_set(struct timers *t, size_t thing, struct mono due);
void timers_remove(struct timers *t, size_t thing);
/* The thing that is due first; false: none. */
bool timers_first(const struct timers *t, size_t *ret_thing, struct mono *ret_due);
