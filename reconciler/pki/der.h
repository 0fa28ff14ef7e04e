/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * der.h - a strict DER reader and a backward writer (X.690).
 *
 * Reader: a cursor over borrowed bytes; definite, minimal lengths only, at most 4 length octets,
 * never past the end. Writer: fills a buffer from its end towards its start, so that a length is
 * known when its header is written; nothing is measured twice and nothing is copied until
 * der_writer_finish().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reconciler/base/buf.h"
#include "reconciler/base/bytes.h"
#include "reconciler/base/clock.h"
#include "reconciler/base/err.h"

enum {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_ENUMERATED = 0x0a,
	DER_UTF8 = 0x0c,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
	DER_PRINTABLE = 0x13,
	DER_T61 = 0x14,
	DER_IA5 = 0x16,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_BMP = 0x1e,
};
#define DER_CONTEXT(n)             (0x80 | (n)) /* primitive */
#define DER_CONTEXT_CONSTRUCTED(n) (0xa0 | (n))

struct der {
	const uint8_t *p;
	const uint8_t *end;
};

struct der der_of(struct bytes v);
bool der_at_end(const struct der *d);
/* Tag of the next element, or -1 at the end. Multi-byte tags are refused by the getters. */
int der_peek(const struct der *d);
/* Next element with this tag: its contents. false (cursor unmoved): other tag, malformed, or end.
 */
bool der_get(struct der *d, int tag, struct bytes *ret_content);
/* Next element whatever it is; ret_whole includes the header. Each may be NULL. */
bool der_get_any(struct der *d, int *ret_tag, struct bytes *ret_content, struct bytes *ret_whole);
/* Enter a constructed element: `inner` walks its contents. */
bool der_enter(struct der *d, int tag, struct der *inner);
bool der_get_bool(struct der *d, bool *ret);
/* Non-negative, fits; minimal encoding demanded. */
bool der_get_u64(struct der *d, uint64_t *ret);
/* UTCTime or GeneralizedTime in the DER forms of RFC 5280 4.1.2.5. */
bool der_get_time(struct der *d, struct wall *ret);
/* Dotted form of OID contents. false: malformed or does not fit. */
bool der_oid_text(struct bytes oid, char *out, size_t out_size);
bool der_oid_is(struct bytes oid, const char *dotted);
/* Is it dotted text that der_put_oid() can write? */
bool der_oid_valid(const char *dotted);

struct der_writer {
	uint8_t *p; /* allocation */
	size_t cap;
	size_t at; /* first used octet; cap when empty */
	bool failed;
};
void der_writer_init(struct der_writer *w);
void der_writer_release(struct der_writer *w); /* wipes */
/* All of these PREPEND. Write the last element first. */
void der_put(struct der_writer *w, int tag, struct bytes content);
void der_put_raw(struct der_writer *w, struct bytes encoded);
/* As der_put_raw(), and empties the buffer: something large that is the first thing written stays
 * where it lies. */
void der_take_raw(struct der_writer *w, struct buf *encoded);
size_t der_mark(const struct der_writer *w); /* before the contents of a constructed one */
void der_wrap(struct der_writer *w, int tag, size_t mark); /* header over all since mark */
void der_put_u64(struct der_writer *w, uint64_t v);
void der_put_integer(struct der_writer *w,
                     struct bytes magnitude); /* unsigned big-endian, made minimal */
void der_put_bool(struct der_writer *w, bool v);
void der_put_null(struct der_writer *w);
void der_put_oid(struct der_writer *w, const char *dotted);
void der_put_time(struct der_writer *w, struct wall t); /* UTCTime to 2049, then GeneralizedTime */
void der_put_generalized_time(struct der_writer *w, struct wall t);
void der_put_str(struct der_writer *w, int tag, const char *s);
void der_put_bits(struct der_writer *w, struct bytes v, unsigned unused_bits);
/* What was written so far; borrowed until the next write. Check `failed` first. */
struct bytes der_writer_view(const struct der_writer *w);
/* Append the finished encoding to `out`: the writer's own memory when it is large and `out` empty.
 * The writer is empty then. */
enum err_code der_writer_finish(struct der_writer *w, struct buf *out, struct err *err);
