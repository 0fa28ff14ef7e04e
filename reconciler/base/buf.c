/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * buf.c - growing by doubling, one spare byte for the NUL.
 *
 * realloc() is not used for secrets: it would leave a copy behind that nobody wipes.
 */
#include "reconciler/base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP   64u
#define FIRST_LARGE ((size_t)64 << 10)

void buf_init(struct buf *b, size_t limit)
{
	*b = (struct buf){ .limit = limit };
}

void buf_init_secret(struct buf *b, size_t limit)
{
	*b = (struct buf){ .limit = limit, .wipe = true };
}

void buf_release(struct buf *b)
{
	if (b->p != NULL && b->wipe) {
		explicit_bzero(b->p, b->cap);
	}
	free(b->p);
	*b = (struct buf){ .limit = b->limit, .wipe = b->wipe };
}

void buf_reset(struct buf *b)
{
	if (b->p != NULL) {
		if (b->wipe) {
			explicit_bzero(b->p, b->cap);
		}
		b->p[0] = 0;
	}
	b->len = 0;
	b->failed = false;
}

static uint8_t *move_secret(const struct buf *b, size_t cap)
{
	uint8_t *p = malloc(cap);

	if (p != NULL && b->p != NULL) {
		memcpy(p, b->p, b->len);
		explicit_bzero(b->p, b->cap);
		free(b->p);
	}
	return p;
}

static bool grow(struct buf *b, size_t n)
{
	size_t want = b->len + n + 1;
	size_t cap = b->cap < FIRST_CAP ? FIRST_CAP : b->cap;
	uint8_t *p;

	/* Who begins with much knows how much: half of it empty would be wiped, and so used. */
	if (b->cap == 0 && want > FIRST_LARGE) {
		cap = want;
	}
	while (cap < want) {
		cap = cap > SIZE_MAX / 2 ? want : cap * 2;
	}
	p = b->wipe ? move_secret(b, cap) : realloc(b->p, cap);
	if (p == NULL) {
		b->failed = true;
		return false;
	}
	b->p = p;
	b->p[b->len] = 0;
	b->cap = cap;
	return true;
}

uint8_t *buf_room(struct buf *b, size_t n)
{
	if (b->failed) {
		return NULL;
	}
	if (b->limit == SIZE_MAX || b->len > b->limit || n > b->limit - b->len) {
		b->failed = true;
		return NULL;
	}
	if (b->cap - b->len <= n && !grow(b, n)) {
		return NULL;
	}
	return b->p + b->len;
}

void buf_grew(struct buf *b, size_t n)
{
	assert(!b->failed && n < b->cap - b->len);
	b->len += n;
	b->p[b->len] = 0;
}

void buf_add(struct buf *b, const void *p, size_t n)
{
	uint8_t *to = buf_room(b, n);

	if (to == NULL) {
		return;
	}
	if (n > 0) {
		memcpy(to, p, n);
	}
	buf_grew(b, n);
}

void buf_add_byte(struct buf *b, uint8_t c)
{
	uint8_t *to = buf_room(b, 1);

	if (to != NULL) {
		*to = c;
		buf_grew(b, 1);
	}
}

void buf_add_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_add_bytes(struct buf *b, struct bytes v)
{
	buf_add(b, v.p, v.n);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	uint8_t *to;
	int n;

	if (b->failed) {
		return;
	}
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, ap);
	to = n < 0 ? NULL : buf_room(b, (size_t)n);
	if (to == NULL) {
		b->failed = true;
	} else {
		int m = vsnprintf((char *)to, (size_t)n + 1, fmt, again);
		assert(m == n);
		buf_grew(b, (size_t)n);
	}
	va_end(again);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void buf_add_u16be(struct buf *b, uint16_t v)
{
	uint8_t be[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	buf_add(b, be, sizeof(be));
}

void buf_add_u32be(struct buf *b, uint32_t v)
{
	uint8_t be[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v };

	buf_add(b, be, sizeof(be));
}

void buf_add_u64be(struct buf *b, uint64_t v)
{
	buf_add_u32be(b, (uint32_t)(v >> 32));
	buf_add_u32be(b, (uint32_t)v);
}

bool buf_failed(const struct buf *b)
{
	return b->failed;
}

enum err_code buf_check(const struct buf *b, const char *what, struct err *err)
{
	if (b->failed) {
		return err_set(err, ERR_NOMEM,
		               "%s is larger than its limit of %zu bytes, or memory ran out", what,
		               b->limit);
	}
	return ERR_OK;
}

struct bytes buf_view(const struct buf *b)
{
	return bytes_of(b->p, b->len);
}

const char *buf_str(const struct buf *b)
{
	return b->p == NULL ? "" : (const char *)b->p;
}

uint8_t *buf_take(struct buf *b, size_t *ret_len)
{
	uint8_t *p = b->p;

	if (ret_len != NULL) {
		*ret_len = b->len;
	}
	b->p = NULL;
	b->len = 0;
	b->cap = 0;
	return p;
}

bool buf_adopt(struct buf *b, uint8_t *p, size_t len, size_t cap)
{
	if (b->failed || b->p != NULL || len > b->limit || len >= cap) {
		return false;
	}
	b->p = p;
	b->p[len] = 0;
	b->len = len;
	b->cap = cap;
	return true;
}
