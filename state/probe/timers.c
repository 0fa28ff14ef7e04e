/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * timers.c - a binary heap with positions, so that a deadline moves in log n.
 */
#include "state/probe/timers.h"

#include <stdlib.h>

bool timers_init(struct timers *t, size_t n)
{
	*t = (struct timers){ .heap = calloc(n, sizeof(*t->heap)),
		              .at = calloc(n, sizeof(*t->at)),
		              .due = calloc(n, sizeof(*t->due)) };
	if (t->heap == NULL || t->at == NULL || t->due == NULL) {
		timers_release(t);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		t->at[i] = SIZE_MAX;
	}
	return true;
}

void timers_release(struct timers *t)
{
	free(t->heap);
	free(t->at);
	free(t->due);
	*t = (struct timers){ .n = 0 };
}

static bool before(const struct timers *t, size_t a, size_t b)
{
	return t->due[t->heap[a]].ms < t->due[t->heap[b]].ms;
}

static void swap(struct timers *t, size_t a, size_t b)
{
	size_t thing = t->heap[a];

	t->heap[a] = t->heap[b];
	t->heap[b] = thing;
	t->at[t->heap[a]] = a;
	t->at[t->heap[b]] = b;
}

/* Move what is at `i` to where it belongs. */
static void settle(struct timers *t, size_t i)
{
	while (i > 0 && before(t, i, (i - 1) / 2)) {
		swap(t, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
	for (;;) {
		size_t child = 2 * i + 1;
		if (child + 1 < t->n && before(t, child + 1, child)) {
			child++;
		}
		if (child >= t->n || !before(t, child, i)) {
			return;
		}
		swap(t, i, child);
		i = child;
	}
}

void timers_set(struct timers *t, size_t thing, struct mono due)
{
	if (t->at[thing] == SIZE_MAX) {
		t->at[thing] = t->n;
		t->heap[t->n++] = thing;
	} else if (t->due[thing].ms == due.ms) {
		return;
	}
	t->due[thing] = due;
	settle(t, t->at[thing]);
}

void timers_remove(struct timers *t, size_t thing)
{
	size_t i = t->at[thing];

	if (i == SIZE_MAX) {
		return;
	}
	t->n--;
	if (i != t->n) {
		swap(t, i, t->n);
		settle(t, i);
	}
	t->at[thing] = SIZE_MAX;
}

bool timers_first(const struct timers *t, size_t *ret_thing, struct mono *ret_due)
{
	if (t->n == 0) {
		return false;
	}
	*ret_thing = t->heap[0];
	*ret_due = t->due[t->heap[0]];
	return true;
}
