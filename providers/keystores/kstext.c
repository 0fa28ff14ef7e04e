/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kstext.c - everything goes through UTF-16 code units, because that is what Java's two encodings
 * are encodings of: a lone surrogate is legal there and survives.
 */
#include "providers/keystores/kstext.h"

#include "reconciler/base/str.h"

static void add_unit(struct buf *out, unsigned unit)
{
	buf_add_u16be(out, (uint16_t)unit);
}

static void add_utf8(struct buf *out, unsigned c)
{
	if (c < 0x80) {
		buf_add_byte(out, (uint8_t)c);
		return;
	}
	if (c < 0x800) {
		buf_add_byte(out, (uint8_t)(0xc0 | c >> 6));
		buf_add_byte(out, (uint8_t)(0x80 | (c & 0x3f)));
		return;
	}
	if (c < 0x10000) {
		buf_add_byte(out, (uint8_t)(0xe0 | c >> 12));
	} else {
		buf_add_byte(out, (uint8_t)(0xf0 | c >> 18));
		buf_add_byte(out, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
	}
	buf_add_byte(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
	buf_add_byte(out, (uint8_t)(0x80 | (c & 0x3f)));
}

bool utf16be_from_utf8(struct bytes utf8, struct buf *out)
{
	const uint8_t *p = utf8.p;
	const uint8_t *end = utf8.n == 0 ? p : p + utf8.n;

	if (utf8.n != 0 && !str_is_utf8((const char *)utf8.p, utf8.n)) {
		return false;
	}
	while (p < end) {
		unsigned c = *p++;
		unsigned more = c < 0x80 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;

		c &= more == 0 ? 0x7fu : 0x3fu >> more;
		for (; more > 0; more--) {
			c = c << 6 | (*p++ & 0x3fu);
		}
		if (c >= 0x10000) {
			add_unit(out, 0xd800 + ((c - 0x10000) >> 10));
			add_unit(out, 0xdc00 + ((c - 0x10000) & 0x3ff));
		} else {
			add_unit(out, c);
		}
	}
	return true;
}

static unsigned unit_at(struct bytes utf16, size_t at)
{
	return at + 2 <= utf16.n ? (unsigned)utf16.p[at] << 8 | utf16.p[at + 1] : 0;
}

bool utf8_from_utf16be(struct bytes utf16, struct buf *out)
{
	bool exact = utf16.n % 2 == 0;

	for (size_t at = 0; at + 2 <= utf16.n; at += 2) {
		unsigned c = unit_at(utf16, at);

		if (c >= 0xd800 && c < 0xdc00) {
			unsigned low = unit_at(utf16, at + 2);

			if (low >= 0xdc00 && low < 0xe000) {
				add_utf8(out, 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00));
				at += 2;
				continue;
			}
		}
		if (c == 0 || (c >= 0xd800 && c < 0xe000)) {
			exact = false;
			c = 0xfffd;
		}
		add_utf8(out, c);
	}
	if (utf16.n % 2 != 0) {
		add_utf8(out, 0xfffd);
	}
	return exact;
}

bool utf16be_from_mutf8(struct bytes in, struct buf *out)
{
	for (size_t i = 0; i < in.n;) {
		unsigned c = in.p[i];
		size_t len = c < 0x80 ? 1 : (c & 0xe0) == 0xc0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : 0;

		if (len == 0 || in.n - i < len) {
			return false;
		}
		c &= len == 1 ? 0x7fu : len == 2 ? 0x1fu : 0x0fu;
		for (size_t k = 1; k < len; k++) {
			if ((in.p[i + k] & 0xc0) != 0x80) {
				return false;
			}
			c = c << 6 | (in.p[i + k] & 0x3fu);
		}
		add_unit(out, c);
		i += len;
	}
	return true;
}

void mutf8_from_utf16be(struct bytes utf16, struct buf *out)
{
	for (size_t at = 0; at + 2 <= utf16.n; at += 2) {
		unsigned c = unit_at(utf16, at);

		if (c == 0) {
			buf_add(out, "\xc0\x80", 2);
		} else {
			add_utf8(out, c);
		}
	}
}
