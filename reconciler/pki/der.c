/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * der.c - the strict reader.
 *
 * Strict, because every leniency here becomes two readers that disagree about what was signed.
 * The cursor moves only when a whole element was understood, so a caller may try alternatives.
 */
#include "reconciler/pki/der.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "reconciler/base/when.h"

#define DER_LENGTH_OCTETS_MAX 4

static const uint8_t der_nothing[1];

struct der der_of(struct bytes v)
{
	if (v.n == 0) {
		return (struct der){ .p = der_nothing, .end = der_nothing };
	}
	return (struct der){ .p = v.p, .end = v.p + v.n };
}

bool der_at_end(const struct der *d)
{
	return d->p == d->end;
}

int der_peek(const struct der *d)
{
	return der_at_end(d) ? -1 : d->p[0];
}

/* Length octets in long form; `p` points at the first of them. */
static bool der_long_length(const uint8_t *p, size_t octets, size_t *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < octets; i++) {
		n = n << 8 | p[i];
	}
	*ret = n;
	return p[0] != 0 && n >= 0x80;
}

static bool der_header(const struct der *d, size_t *ret_header, size_t *ret_len)
{
	size_t left = (size_t)(d->end - d->p);

	if (left < 2 || (d->p[0] & 0x1f) == 0x1f) {
		return false;
	}
	size_t header = 2;
	size_t len = d->p[1];
	if (len >= 0x80) {
		size_t octets = len & 0x7f;
		if (octets == 0 || octets > DER_LENGTH_OCTETS_MAX || octets > left - 2 ||
		    !der_long_length(d->p + 2, octets, &len)) {
			return false;
		}
		header += octets;
	}
	if (len > left - header) {
		return false;
	}
	*ret_header = header;
	*ret_len = len;
	return true;
}

bool der_get_any(struct der *d, int *ret_tag, struct bytes *ret_content, struct bytes *ret_whole)
{
	size_t header;
	size_t len;

	if (!der_header(d, &header, &len)) {
		return false;
	}
	if (ret_tag != NULL) {
		*ret_tag = d->p[0];
	}
	if (ret_content != NULL) {
		*ret_content = bytes_of(d->p + header, len);
	}
	if (ret_whole != NULL) {
		*ret_whole = bytes_of(d->p, header + len);
	}
	d->p += header + len;
	return true;
}

bool der_get(struct der *d, int tag, struct bytes *ret_content)
{
	if (der_peek(d) != tag) {
		return false;
	}
	return der_get_any(d, /* ret_tag= */ NULL, ret_content, /* ret_whole= */ NULL);
}

bool der_enter(struct der *d, int tag, struct der *inner)
{
	struct bytes content;

	if (!der_get(d, tag, &content)) {
		return false;
	}
	*inner = der_of(content);
	return true;
}

bool der_get_bool(struct der *d, bool *ret)
{
	struct der at = *d;
	struct bytes v;

	if (!der_get(&at, DER_BOOLEAN, &v) || v.n != 1 || (v.p[0] != 0x00 && v.p[0] != 0xff)) {
		return false;
	}
	*ret = v.p[0] == 0xff;
	*d = at;
	return true;
}

bool der_get_u64(struct der *d, uint64_t *ret)
{
	struct der at = *d;
	struct bytes v;

	if (!der_get(&at, DER_INTEGER, &v) || v.n == 0 || (v.p[0] & 0x80) != 0 ||
	    (v.n > 1 && v.p[0] == 0 && (v.p[1] & 0x80) == 0) || v.n > 9 ||
	    (v.n == 9 && v.p[0] != 0)) {
		return false;
	}
	uint64_t n = 0;
	for (size_t i = 0; i < v.n; i++) {
		n = n << 8 | v.p[i];
	}
	*ret = n;
	*d = at;
	return true;
}

static int der_two_digits(const uint8_t *p)
{
	if (p[0] < '0' || p[0] > '9' || p[1] < '0' || p[1] > '9') {
		return -1;
	}
	return (p[0] - '0') * 10 + (p[1] - '0');
}

static int der_month_days(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* MMDDHHMMSSZ behind a year that was read already. */
static bool der_time_rest(struct bytes v, int year, struct wall *ret)
{
	struct civil c = { .year = year };

	if (v.n != 11 || v.p[10] != 'Z') {
		return false;
	}
	c.month = der_two_digits(v.p);
	c.day = der_two_digits(v.p + 2);
	c.hour = der_two_digits(v.p + 4);
	c.minute = der_two_digits(v.p + 6);
	c.second = der_two_digits(v.p + 8);
	if (c.month < 1 || c.month > 12 || c.day < 1 || c.day > der_month_days(year, c.month) ||
	    c.hour < 0 || c.hour > 23 || c.minute < 0 || c.minute > 59 || c.second < 0 ||
	    c.second > 59) {
		return false;
	}
	*ret = when_from_civil(&c);
	return true;
}

bool der_get_time(struct der *d, struct wall *ret)
{
	struct der at = *d;
	struct bytes v;
	struct wall t;

	if (der_get(&at, DER_UTC_TIME, &v) && v.n == 13) {
		int year = der_two_digits(v.p);
		/* RFC 5280 4.1.2.5.1: 50 to 99 are the last century. */
		int century = year >= 50 ? 1900 : 2000;
		if (year < 0 || !der_time_rest(bytes_of(v.p + 2, v.n - 2), century + year, &t)) {
			return false;
		}
	} else if (der_get(&at, DER_GENERALIZED_TIME, &v) && v.n == 15) {
		int high = der_two_digits(v.p);
		int low = der_two_digits(v.p + 2);
		if (high < 0 || low < 0 ||
		    !der_time_rest(bytes_of(v.p + 4, v.n - 4), high * 100 + low, &t)) {
			return false;
		}
	} else {
		return false;
	}
	*ret = t;
	*d = at;
	return true;
}

/* Next base-128 arc. false: malformed, not minimal, or more than 64 bits. */
static bool der_arc(struct bytes *oid, uint64_t *ret)
{
	uint64_t arc = 0;

	if (oid->n == 0 || oid->p[0] == 0x80) {
		return false;
	}
	for (size_t i = 0; i < oid->n; i++) {
		if (arc >> 57 != 0) {
			return false;
		}
		arc = arc << 7 | (oid->p[i] & 0x7f);
		if ((oid->p[i] & 0x80) == 0) {
			*oid = bytes_of(oid->p + i + 1, oid->n - i - 1);
			*ret = arc;
			return true;
		}
	}
	return false;
}

bool der_oid_text(struct bytes oid, char *out, size_t out_size)
{
	uint64_t arc;

	if (!der_arc(&oid, &arc)) {
		return false;
	}
	uint64_t top = arc < 80 ? arc / 40 : 2;
	int n = snprintf(out, out_size, "%" PRIu64 ".%" PRIu64, top, arc - top * 40);
	while (n > 0 && (size_t)n < out_size && oid.n > 0) {
		if (!der_arc(&oid, &arc)) {
			return false;
		}
		int more = snprintf(out + n, out_size - (size_t)n, ".%" PRIu64, arc);
		n = more < 0 ? -1 : n + more;
	}
	return n > 0 && (size_t)n < out_size;
}

/* The next number of dotted text, which moves behind its dot. */
static uint64_t dotted_arc(const char **text)
{
	uint64_t v = 0;

	for (; **text >= '0' && **text <= '9'; (*text)++) {
		v = v * 10 + (uint64_t)(**text - '0');
	}
	*text += **text == '.';
	return v;
}

/* Number by number, without text: stores with 10,000 certificates ask this 200,000 times. */
bool der_oid_is(struct bytes oid, const char *dotted)
{
	uint64_t want = dotted_arc(&dotted) * 40;
	uint64_t arc;

	want += dotted_arc(&dotted);
	if (!der_arc(&oid, &arc) || arc != want) {
		return false;
	}
	while (*dotted != '\0') {
		if (!der_arc(&oid, &arc) || arc != dotted_arc(&dotted)) {
			return false;
		}
	}
	return oid.n == 0;
}
