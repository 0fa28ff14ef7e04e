/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * str.c - text helpers that libc lacks or gets wrong.
 *
 * The places that may call vasprintf() and strtoll(): here their failures are seen to.
 */
#include "reconciler/base/str.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cleanup_free(void *p)
{
	int kept = errno;
	void *memory;

	memcpy(&memory, p, sizeof(memory));
	free(memory);
	errno = kept;
}

char *str_printf(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	/* On failure vasprintf leaves s unspecified. */
	return n < 0 ? NULL : s;
}

char *str_dup(const char *s)
{
	return strdup(s);
}

bool str_equal(const char *a, const char *b)
{
	if (a == NULL || b == NULL) {
		return a == b;
	}
	return strcmp(a, b) == 0;
}

bool str_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s);
	size_t m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret)
{
	const char *digits = s[0] == '-' ? s + 1 : s;
	char *end;
	long long v;

	static_assert(sizeof(v) == sizeof(*ret), "strtoll must cover int64_t");
	/* strtoll would take white space and '+' as well. */
	if (digits[0] < '0' || digits[0] > '9') {
		return false;
	}
	errno = 0;
	v = strtoll(s, &end, 10);
	if (errno != 0 || *end != '\0' || v < min || v > max) {
		return false;
	}
	*ret = v;
	return true;
}

void str_lower_ascii(char *s)
{
	for (; *s != '\0'; s++) {
		if (*s >= 'A' && *s <= 'Z') {
			*s = (char)(*s - 'A' + 'a');
		}
	}
}

static unsigned char folded(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

int str_casecmp_ascii(const char *a, const char *b)
{
	while (*a != '\0' && folded(*a) == folded(*b)) {
		a++;
		b++;
	}
	return (folded(*a) > folded(*b)) - (folded(*a) < folded(*b));
}

bool str_glob(const char *pattern, const char *s)
{
	const char *star = NULL; /* behind the last '*' seen */
	const char *retry = s;   /* where that one's match ends so far */

	/* Only the last star is ever retried: what matched before it stays matched. No backtracking
	 * over several stars, so hostile patterns cannot make this explode. */
	while (*s != '\0') {
		if (*pattern == '*') {
			star = ++pattern;
			retry = s;
		} else if (*pattern == '?' || *pattern == *s) {
			pattern++;
			s++;
		} else if (star != NULL) {
			pattern = star;
			s = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*') {
		pattern++;
	}
	return *pattern == '\0';
}

#define DISTANCE_MAX 64u

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned str_distance(const char *a, const char *b, unsigned limit)
{
	unsigned rows[3][DISTANCE_MAX + 1];
	size_t n = strlen(a);
	size_t m = strlen(b);
	size_t longer = n > m ? n : m;

	/* Nobody mistypes a word of 64 letters; the bound keeps this off the heap. */
	if (longer > DISTANCE_MAX) {
		return str_equal(a, b) ? 0 : limit;
	}
	for (unsigned j = 0; j <= m; j++) {
		rows[0][j] = j;
	}
	for (unsigned i = 1; i <= n; i++) {
		unsigned *row = rows[i % 3];
		const unsigned *up = rows[(i + 2) % 3];
		const unsigned *up2 = rows[(i + 1) % 3];
		unsigned best = i;

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			unsigned d = up[j - 1] + (a[i - 1] != b[j - 1] ? 1u : 0u);

			d = least(d, least(up[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
				d = least(d, up2[j - 2] + 1);
			}
			row[j] = d;
			best = least(best, d);
		}
		/* No later row is cheaper: a transposition costs what a deletion had to pay here.
		 */
		if (best > limit) {
			return limit;
		}
	}
	return least(rows[n % 3][m], limit);
}

const char *str_nearest(const char *word, const char *const *candidates, size_t n)
{
	size_t len = strlen(word);
	unsigned allowed = len < 6 ? 1 : (unsigned)(len < DISTANCE_MAX ? len : DISTANCE_MAX) / 3;
	unsigned best = allowed + 1;
	const char *nearest = NULL;

	for (size_t i = 0; i < n; i++) {
		unsigned d = str_distance(word, candidates[i], best);

		if (d < best) {
			best = d;
			nearest = candidates[i];
		}
	}
	return nearest;
}
