/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * buf.h - a growing buffer that cannot be made without a limit.
 *
 * Failure is sticky: after an append that does not fit (limit) or finds no memory, further
 * appends do nothing; check once at the end with buf_failed().
 * Always NUL-terminated behind `len`, so that text buffers can be read as strings.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/bytes.h"
#include "reconciler/base/err.h"

#define BUF_LIMIT_TEXT ((size_t)64 << 20) /* output documents */

struct buf {
	uint8_t *p;
	size_t len;
	size_t cap;
	size_t limit;
	bool failed;
	bool wipe; /* holds secrets: wiped on growth and release */
};

void buf_init(struct buf *b, size_t limit);
void buf_init_secret(struct buf *b, size_t limit);
void buf_release(struct buf *b); /* accepts a zeroed one */
void buf_reset(struct buf *b);   /* len 0, failure forgotten, memory kept */

void buf_add(struct buf *b, const void *p, size_t n);
void buf_add_byte(struct buf *b, uint8_t c);
void buf_add_str(struct buf *b, const char *s);
void buf_add_bytes(struct buf *b, struct bytes v);
void buf_printf(struct buf *b, const char *fmt, ...) ATTR_PRINTF(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) ATTR_PRINTF(2, 0);
void buf_add_u16be(struct buf *b, uint16_t v);
void buf_add_u32be(struct buf *b, uint32_t v);
void buf_add_u64be(struct buf *b, uint64_t v);
/* Room for n more bytes, NULL when failed; the caller fills it and calls buf_grew(). */
uint8_t *buf_room(struct buf *b, size_t n);
void buf_grew(struct buf *b, size_t n);

bool buf_failed(const struct buf *b);
/* ERR_OK or a raised error naming `what` ("the plan", "keystore /etc/x"). */
enum err_code buf_check(const struct buf *b, const char *what, struct err *err) ATTR_NODISCARD;
struct bytes buf_view(const struct buf *b);
const char *buf_str(const struct buf *b); /* "" when empty */
/* Give the memory away (free()); *ret_len may be NULL. The buffer is empty afterwards. */
uint8_t *buf_take(struct buf *b, size_t *ret_len);
/* The reverse: memory of malloc(), `len` bytes of `cap` used and the rest wiped, into an empty one.
 * false: beyond its limit, or no room for the NUL; nothing was taken. */
bool buf_adopt(struct buf *b, uint8_t *p, size_t len, size_t cap) ATTR_NODISCARD;
