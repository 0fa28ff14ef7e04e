/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * der_write.c - the backward writer.
 *
 * Written from the end towards the start, an element's length is known when its header is due:
 * no second pass, no temporary per nesting level, and a CRL of 100,000 entries is one sweep.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "reconciler/base/secret.h"
#include "reconciler/base/when.h"
#include "reconciler/pki/der.h"

#define DER_WRITER_MAX ((size_t)1 << 30) /* far above any CRL; a length always fits 4 octets */
#define DER_OID_OCTETS 128
#define SPARE          256u /* for headers */
#define LARGE          ((size_t)64 << 10)

void der_writer_init(struct der_writer *w)
{
	*w = (struct der_writer){ 0 };
}

void der_writer_release(struct der_writer *w)
{
	if (w->p != NULL) {
		secret_wipe(w->p, w->cap);
		free(w->p);
	}
	*w = (struct der_writer){ 0 };
}

size_t der_mark(const struct der_writer *w)
{
	return w->cap - w->at;
}

/* Make `at` move down by n; where to write, or NULL when failed. Old contents are wiped: the
 * writer also writes private keys. */
static uint8_t *der_room(struct der_writer *w, size_t n)
{
	size_t used = der_mark(w);

	if (w->failed || n > DER_WRITER_MAX - used) {
		w->failed = true;
		return NULL;
	}
	if (n > w->at) {
		/* All of it is wiped, and so used: half of what is large is not to be empty. */
		size_t cap = used + n + (n < LARGE ? used + n : 0) + SPARE;
		uint8_t *p = malloc(cap);
		if (p == NULL) {
			w->failed = true;
			return NULL;
		}
		if (w->p != NULL) {
			memcpy(p + cap - used, w->p + w->at, used);
			secret_wipe(w->p, w->cap);
			free(w->p);
		}
		w->p = p;
		w->cap = cap;
		w->at = cap - used;
	}
	w->at -= n;
	return w->p + w->at;
}

void der_put_raw(struct der_writer *w, struct bytes encoded)
{
	uint8_t *p = encoded.n > 0 ? der_room(w, encoded.n) : NULL;

	if (p != NULL) {
		memcpy(p, encoded.p, encoded.n);
	}
}

void der_take_raw(struct der_writer *w, struct buf *encoded)
{
	size_t len = encoded->len;
	size_t cap = encoded->cap;

	if (w->failed || w->p != NULL || len < LARGE || len > DER_WRITER_MAX) {
		der_put_raw(w, buf_view(encoded));
		buf_release(encoded);
		return;
	}
	w->p = buf_take(encoded, /* ret_len= */ NULL);
	w->cap = cap;
	w->at = cap - len;
	memmove(w->p + w->at, w->p, len);
	secret_wipe(w->p, w->at);
}

static void der_put_byte(struct der_writer *w, uint8_t c)
{
	der_put_raw(w, bytes_of(&c, 1));
}

static void der_put_header(struct der_writer *w, int tag, size_t len)
{
	uint8_t head[6];
	size_t at = sizeof(head);

	assert((tag & ~0xff) == 0 && (tag & 0x1f) != 0x1f);
	if (len < 0x80) {
		head[--at] = (uint8_t)len;
	} else {
		uint8_t octets = 0;
		for (size_t n = len; n > 0; n >>= 8) {
			head[--at] = (uint8_t)(n & 0xff);
			octets++;
		}
		head[--at] = 0x80 | octets;
	}
	head[--at] = (uint8_t)tag;
	der_put_raw(w, bytes_of(head + at, sizeof(head) - at));
}

void der_put(struct der_writer *w, int tag, struct bytes content)
{
	der_put_raw(w, content);
	der_put_header(w, tag, content.n);
}

void der_wrap(struct der_writer *w, int tag, size_t mark)
{
	if (!w->failed) {
		assert(der_mark(w) >= mark);
		der_put_header(w, tag, der_mark(w) - mark);
	}
}

void der_put_integer(struct der_writer *w, struct bytes magnitude)
{
	size_t mark = der_mark(w);

	while (magnitude.n > 0 && magnitude.p[0] == 0) {
		magnitude = bytes_of(magnitude.p + 1, magnitude.n - 1);
	}
	der_put_raw(w, magnitude);
	if (magnitude.n == 0 || (magnitude.p[0] & 0x80) != 0) {
		der_put_byte(w, 0);
	}
	der_wrap(w, DER_INTEGER, mark);
}

void der_put_u64(struct der_writer *w, uint64_t v)
{
	uint8_t octets[8];

	for (size_t i = sizeof(octets); i-- > 0; v >>= 8) {
		octets[i] = (uint8_t)(v & 0xff);
	}
	der_put_integer(w, bytes_of(octets, sizeof(octets)));
}

void der_put_bool(struct der_writer *w, bool v)
{
	uint8_t octet = v ? 0xff : 0x00;

	der_put(w, DER_BOOLEAN, bytes_of(&octet, 1));
}

void der_put_null(struct der_writer *w)
{
	der_put(w, DER_NULL, bytes_of(/* p= */ NULL, 0));
}

void der_put_str(struct der_writer *w, int tag, const char *s)
{
	der_put(w, tag, bytes_of_str(s));
}

void der_put_bits(struct der_writer *w, struct bytes v, unsigned unused_bits)
{
	size_t mark = der_mark(w);

	assert(unused_bits < 8 && (v.n > 0 || unused_bits == 0));
	der_put_raw(w, v);
	der_put_byte(w, (uint8_t)unused_bits);
	der_wrap(w, DER_BIT_STRING, mark);
}

/* One decimal arc without leading zeros; *s moves behind it and the dot that follows. */
static bool der_parse_arc(const char **s, uint64_t *ret)
{
	const char *p = *s;
	uint64_t n = 0;

	if (*p < '0' || *p > '9' || (p[0] == '0' && p[1] >= '0' && p[1] <= '9')) {
		return false;
	}
	for (; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');
		if (n > (UINT64_MAX - digit) / 10) {
			return false;
		}
		n = n * 10 + digit;
	}
	if (*p == '.' && p[1] == '\0') {
		return false;
	}
	*s = *p == '.' ? p + 1 : p;
	*ret = n;
	return *p == '.' || *p == '\0';
}

static bool der_add_arc(uint8_t *out, size_t *n, uint64_t arc)
{
	uint8_t octets[10];
	size_t at = sizeof(octets);

	octets[--at] = (uint8_t)(arc & 0x7f);
	while ((arc >>= 7) != 0) {
		octets[--at] = (uint8_t)(0x80 | (arc & 0x7f));
	}
	size_t len = sizeof(octets) - at;
	if (*n + len > DER_OID_OCTETS) {
		return false;
	}
	memcpy(out + *n, octets + at, len);
	*n += len;
	return true;
}

static bool der_oid_encode(const char *s, uint8_t *out, size_t *ret_n)
{
	uint64_t top;
	uint64_t arc;

	*ret_n = 0;
	if (!der_parse_arc(&s, &top) || *s == '\0' || !der_parse_arc(&s, &arc) || top > 2 ||
	    (top < 2 && arc > 39) || arc > UINT64_MAX - 80 ||
	    !der_add_arc(out, ret_n, top * 40 + arc)) {
		return false;
	}
	while (*s != '\0') {
		if (!der_parse_arc(&s, &arc) || !der_add_arc(out, ret_n, arc)) {
			return false;
		}
	}
	return true;
}

bool der_oid_valid(const char *dotted)
{
	uint8_t octets[DER_OID_OCTETS];
	size_t n;

	return der_oid_encode(dotted, octets, &n);
}

void der_put_oid(struct der_writer *w, const char *dotted)
{
	uint8_t octets[DER_OID_OCTETS];
	size_t n;

	if (!der_oid_encode(dotted, octets, &n)) {
		w->failed = true;
		return;
	}
	der_put(w, DER_OID, bytes_of(octets, n));
}

static void der_two_digits(char *out, int v)
{
	out[0] = "0123456789"[v / 10];
	out[1] = "0123456789"[v % 10];
}

/* By hand: a CRL has one of these an entry, and snprintf would be most of its cost. */
static void der_put_time_as(struct der_writer *w, struct wall t, bool utc)
{
	struct civil c = when_civil(t);
	char text[] = "YYYYMMDDHHMMSSZ";

	if (c.year < 0 || c.year > 9999) {
		w->failed = true;
		return;
	}
	der_two_digits(text, c.year / 100);
	der_two_digits(text + 2, c.year % 100);
	der_two_digits(text + 4, c.month);
	der_two_digits(text + 6, c.day);
	der_two_digits(text + 8, c.hour);
	der_two_digits(text + 10, c.minute);
	der_two_digits(text + 12, c.second);
	der_put_str(w, utc ? DER_UTC_TIME : DER_GENERALIZED_TIME, utc ? text + 2 : text);
}

void der_put_time(struct der_writer *w, struct wall t)
{
	int year = when_civil(t).year;

	der_put_time_as(w, t, year >= 1950 && year <= 2049);
}

void der_put_generalized_time(struct der_writer *w, struct wall t)
{
	der_put_time_as(w, t, /* utc= */ false);
}

struct bytes der_writer_view(const struct der_writer *w)
{
	return w->p == NULL ? bytes_of(/* p= */ NULL, 0) : bytes_of(w->p + w->at, der_mark(w));
}

static bool der_hand_over(struct der_writer *w, struct buf *out)
{
	size_t used = der_mark(w);

	if (used < LARGE || out->p != NULL) {
		return false;
	}
	memmove(w->p, w->p + w->at, used);
	secret_wipe(w->p + used, w->cap - used);
	if (!buf_adopt(out, w->p, used, w->cap)) {
		memmove(w->p + w->at, w->p, used);
		return false;
	}
	*w = (struct der_writer){ 0 };
	return true;
}

enum err_code der_writer_finish(struct der_writer *w, struct buf *out, struct err *err)
{
	if (w->failed) {
		return err_set(err, ERR_INVALID,
		               "value cannot be encoded in DER (bad OID, date or size)");
	}
	if (!der_hand_over(w, out)) {
		buf_add_bytes(out, der_writer_view(w));
	}
	return buf_check(out, "DER encoding", err);
}
