/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * secret.c - private bytes, wiped with explicit_bzero(), which the compiler must keep.
 */
#include "reconciler/base/secret.h"

#include <stdlib.h>
#include <string.h>

int secret_set(struct secret *s, const void *p, size_t n)
{
	uint8_t *copy;

	if (n == SIZE_MAX) {
		return -1;
	}
	copy = malloc(n + 1);
	if (copy == NULL) {
		return -1;
	}
	if (n > 0) {
		memcpy(copy, p, n);
	}
	copy[n] = 0;
	secret_release(s);
	s->p = copy;
	s->n = n;
	return 0;
}

int secret_set_str(struct secret *s, const char *str)
{
	return secret_set(s, str, strlen(str));
}

void secret_from_buf(struct secret *s, struct buf *b)
{
	secret_release(s);
	s->p = buf_take(b, &s->n);
}

void secret_release(struct secret *s)
{
	if (s->p != NULL) {
		explicit_bzero(s->p, s->n);
		free(s->p);
	}
	s->p = NULL;
	s->n = 0;
}

struct bytes secret_view(const struct secret *s)
{
	return bytes_of(s->p, s->n);
}

const char *secret_str(const struct secret *s)
{
	return s->p == NULL ? "" : (const char *)s->p;
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
	volatile uint8_t diff = 0;

	if (a->n != b->n) {
		return false;
	}
	for (size_t i = 0; i < a->n; i++) {
		diff = (uint8_t)(diff | (a->p[i] ^ b->p[i]));
	}
	return diff == 0;
}

void secret_wipe(void *p, size_t n)
{
	if (n > 0) {
		explicit_bzero(p, n);
	}
}
