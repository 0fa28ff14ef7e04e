/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * str.h - text helpers that libc lacks or gets wrong.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/buf.h"
#include "reconciler/base/bytes.h"

void cleanup_free(void *p); /* CLEANUP(cleanup_free) char *x */

char *str_printf(const char *fmt, ...) ATTR_PRINTF(1, 2); /* NULL: no memory */
char *str_dup(const char *s);
bool str_equal(const char *a, const char *b); /* NULL equals NULL only */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* Whole string is a decimal number within [min, max]. */
bool str_to_i64(const char *s, int64_t min, int64_t max, int64_t *ret);
/* Valid UTF-8 (no surrogates, no overlong forms) without NUL. */
bool str_is_utf8(const char *s, size_t n);
/* The character at s (n > 0 bytes left): its length and *ret, or 0 when it is not valid UTF-8. NUL
 * is a character here. */
size_t str_utf8_decode(const char *s, size_t n, uint32_t *ret);
/* ASCII case folding; DNS names and keywords, not keystore aliases. */
void str_lower_ascii(char *s);
int str_casecmp_ascii(const char *a, const char *b);
/* '*' and '?' as in a shell glob, linear time, no path or bracket rules. */
bool str_glob(const char *pattern, const char *s);
/* Damerau-Levenshtein, stops counting at limit; for "did you mean". */
unsigned str_distance(const char *a, const char *b, unsigned limit);
/* The candidate nearest to `word` within a third of its length (at least 1), else NULL. */
const char *str_nearest(const char *word, const char *const *candidates, size_t n);

/* "3f9ac1" ; out must hold 2n+1. */
void hex_encode(struct bytes v, char *out);
/* Even number of hex digits, upper or lower; ':' between pairs allowed. false: not hex, or more
 * than cap. */
bool hex_decode(const char *s, uint8_t *out, size_t cap, size_t *ret_n);
/* RFC 4648; encode appends to `out`; decode ignores white space and is strict otherwise. */
void base64_encode(struct bytes v, struct buf *out);
bool base64_decode(const char *s, size_t n, struct buf *out);

/* Append foreign text for a terminal: control characters, bidi overrides and invalid UTF-8 as \xNN.
 */
void str_escape_terminal(struct buf *out, const char *s, size_t n);
/* The same as a column: blanks up to `width`, one at the least. */
void str_pad_terminal(struct buf *out, const char *s, size_t width);
/* Append foreign text for Markdown: as above, and Markdown's own characters escaped. */
void str_escape_markdown(struct buf *out, const char *s, size_t n);
/* Append foreign text for HTML, as contents or inside a quoted attribute: as for a terminal, and
 * the characters of markup as references. */
void str_escape_html(struct buf *out, const char *s, size_t n);
