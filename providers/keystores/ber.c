/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ber.c - BouncyCastle and NSS write indefinite lengths and OCTET STRINGs in pieces.
 *
 * Two passes: the first only looks, and for the many files that are DER already it is the last.
 */
#include "providers/keystores/ber.h"

#define CONSTRUCTED 0x20

struct scan {
	const uint8_t *start, *p, *end;
	bool dirty;
	const char *problem;
};

struct header {
	uint8_t tag;
	struct bytes tag_octets;
	bool indefinite;
	size_t length;
};

static bool fail(struct scan *s, const char *problem)
{
	s->problem = problem;
	return false;
}

static size_t left(const struct scan *s)
{
	return (size_t)(s->end - s->p);
}

static bool read_tag(struct scan *s, struct header *h)
{
	const uint8_t *tag = s->p;

	if (left(s) == 0) {
		return fail(s, "an element is missing");
	}
	h->tag = *s->p++;
	if ((h->tag & 0x1f) == 0x1f) {
		do {
			if (left(s) == 0 || s->p - tag > 4) {
				return fail(s, "a tag does not end");
			}
		} while ((*s->p++ & 0x80) != 0);
	}
	h->tag_octets = bytes_of(tag, (size_t)(s->p - tag));
	return true;
}

static bool read_length(struct scan *s, struct header *h)
{
	if (left(s) == 0) {
		return fail(s, "a length is missing");
	}
	size_t first = *s->p++;
	h->indefinite = first == 0x80;
	h->length = first;
	if (h->indefinite) {
		s->dirty = true;
		return (h->tag & CONSTRUCTED) != 0 ||
		       fail(s, "an indefinite length on a primitive element");
	}
	if (first > 0x80) {
		size_t octets = first & 0x7f;

		h->length = 0;
		if (octets > 4 || octets > left(s)) {
			return fail(s, "a length of more than 4 octets");
		}
		for (size_t i = 0; i < octets; i++) {
			h->length = h->length << 8 | s->p[i];
		}
		s->dirty = s->dirty || h->length < 0x80 || s->p[0] == 0;
		s->p += octets;
	}
	return h->length <= left(s) || fail(s, "a length points past the end");
}

/* Take the end-of-contents octets when they are next. */
static bool at_end_of_contents(struct scan *s)
{
	if (left(s) >= 2 && s->p[0] == 0 && s->p[1] == 0) {
		s->p += 2;
		return true;
	}
	return false;
}

static bool look(struct scan *s, unsigned depth);

static bool look_inside(struct scan *s, const struct header *h, unsigned depth)
{
	struct scan inner = { .start = s->start,
		              .p = s->p,
		              .end = h->indefinite ? s->end : s->p + h->length };

	while (h->indefinite ? !at_end_of_contents(&inner) : inner.p < inner.end) {
		if (!look(&inner, depth + 1)) {
			s->p = inner.p;
			return fail(s, inner.problem);
		}
	}
	s->p = inner.p;
	s->dirty = s->dirty || inner.dirty;
	return true;
}

static bool look(struct scan *s, unsigned depth)
{
	struct header h = { 0 };

	if (depth > BER_DEPTH_MAX) {
		return fail(s, "elements nest deeper than 64");
	}
	if (!read_tag(s, &h) || !read_length(s, &h)) {
		return false;
	}
	if ((h.tag & CONSTRUCTED) == 0) {
		s->p += h.length;
		return true;
	}
	s->dirty = s->dirty || h.tag == (0x04 | CONSTRUCTED);
	return look_inside(s, &h, depth);
}

static void add_header(struct buf *out, struct bytes tag, size_t n)
{
	uint8_t length[5];
	size_t octets = 0;

	buf_add_bytes(out, tag);
	if (n < 0x80) {
		buf_add_byte(out, (uint8_t)n);
		return;
	}
	for (size_t rest = n; rest != 0; rest >>= 8) {
		length[sizeof(length) - ++octets] = (uint8_t)rest;
	}
	buf_add_byte(out, (uint8_t)(0x80 | octets));
	buf_add(out, length + sizeof(length) - octets, octets);
}

static void rewrite(struct scan *s, struct buf *out, bool bare);

/* `bare`: an element of a constructed OCTET STRING; its contents alone are wanted. */
static void rewrite_inside(struct scan *s, const struct header *h, struct buf *out, bool bare)
{
	static const uint8_t octet_string = 0x04;
	bool pieces = h->tag == (0x04 | CONSTRUCTED);
	CLEANUP(buf_release) struct buf inner = { 0 };
	struct scan in = { .p = s->p, .end = h->indefinite ? s->end : s->p + h->length };

	buf_init_secret(&inner, out->limit);
	while (h->indefinite ? !at_end_of_contents(&in) : in.p < in.end) {
		rewrite(&in, &inner, pieces);
	}
	s->p = in.p;
	if (!bare) {
		add_header(out, pieces ? bytes_of(&octet_string, 1) : h->tag_octets, inner.len);
	}
	buf_add_bytes(out, buf_view(&inner));
	out->failed = out->failed || buf_failed(&inner);
}

/* look() has been here: nothing can be malformed any more. */
static void rewrite(struct scan *s, struct buf *out, bool bare)
{
	struct header h = { 0 };

	(void)(read_tag(s, &h) && read_length(s, &h));
	if ((h.tag & CONSTRUCTED) != 0) {
		rewrite_inside(s, &h, out, bare);
		return;
	}
	if (!bare) {
		add_header(out, h.tag_octets, h.length);
	}
	buf_add(out, s->p, h.length);
	s->p += h.length;
}

enum err_code ber_normalise(struct bytes in, struct buf *storage, struct bytes *ret,
                            size_t *ret_used, struct err *err)
{
	struct scan s = { .start = in.p, .p = in.p, .end = in.n == 0 ? in.p : in.p + in.n };

	if (!look(&s, 0)) {
		return err_set(err, ERR_INVALID, "offset %zu: %s",
		               in.n == 0 ? (size_t)0 : (size_t)(s.p - s.start), s.problem);
	}
	size_t used = (size_t)(s.p - s.start);
	if (!s.dirty) {
		*ret = bytes_of(in.p, used);
		*ret_used = used;
		return ERR_OK;
	}
	s.p = s.start;
	rewrite(&s, storage, /* bare= */ false);
	enum err_code rc = buf_check(storage, "a BER structure", err);
	if (rc == ERR_OK) {
		*ret = buf_view(storage);
		*ret_used = used;
	}
	return rc;
}
