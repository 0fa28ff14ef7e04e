/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bytes.h - borrowed bytes: valid as long as their parent.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	const uint8_t *p; /* NULL only when n is 0 */
	size_t n;
};

static inline struct bytes bytes_of(const void *p, size_t n)
{
	return (struct bytes){ .p = p, .n = n };
}

static inline struct bytes bytes_of_str(const char *s)
{
	return (struct bytes){ .p = (const uint8_t *)s, .n = strlen(s) };
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* <0, 0, >0; a prefix sorts first. */
static inline int bytes_compare(struct bytes a, struct bytes b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n == 0 ? 0 : memcmp(a.p, b.p, n);

	return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}
