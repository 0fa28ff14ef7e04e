/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edit_properties.c - java.util.Properties.load(), as far as finding a key and its value goes.
 *
 * Logical lines continue over a backslash at the end; keys end at the first '=', ':' or blank that
 * is not escaped. Octets beyond ASCII are read as UTF-8 where they are that and as Latin-1
 * otherwise (both are in use since Java 9) and are always written as \uXXXX, which both read.
 */
#include <string.h>

#include "reconciler/base/str.h"
#include "state/edit_text.h"

#define REPLACEMENT 0xfffdu

/* Walks the characters of one logical line. */
struct walker {
	struct bytes text;
	size_t at;
	size_t end;    /* of the logical line's last content */
	unsigned high; /* surrogate waiting for its other half */
};

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\f';
}

static size_t skip_blanks(struct bytes text, size_t at, size_t end)
{
	while (at < end && is_blank(text.p[at])) {
		at++;
	}
	return at;
}

static bool continues(struct bytes text, size_t from, size_t to)
{
	size_t n = 0;

	while (to - n > from && text.p[to - n - 1] == '\\') {
		n++;
	}
	return n % 2 == 1;
}

static void add_utf8(struct buf *out, unsigned c)
{
	if (c < 0x80) {
		buf_add_byte(out, (uint8_t)c);
	} else if (c < 0x800) {
		buf_add_byte(out, (uint8_t)(0xc0 | c >> 6));
		buf_add_byte(out, (uint8_t)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		buf_add_byte(out, (uint8_t)(0xe0 | c >> 12));
		buf_add_byte(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
		buf_add_byte(out, (uint8_t)(0x80 | (c & 0x3f)));
	} else {
		buf_add_byte(out, (uint8_t)(0xf0 | c >> 18));
		buf_add_byte(out, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
		buf_add_byte(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
		buf_add_byte(out, (uint8_t)(0x80 | (c & 0x3f)));
	}
}

/* Java escapes beyond U+FFFF as two surrogates. */
static void add_unit(struct walker *w, struct buf *out, unsigned c)
{
	bool low = c >= 0xdc00 && c <= 0xdfff;

	if (w->high != 0 && low) {
		add_utf8(out, 0x10000 + ((w->high - 0xd800) << 10) + (c - 0xdc00));
		w->high = 0;
		return;
	}
	if (w->high != 0) {
		add_utf8(out, REPLACEMENT);
		w->high = 0;
	}
	if (c >= 0xd800 && c <= 0xdbff) {
		w->high = c;
	} else {
		add_utf8(out, low || c == 0 ? REPLACEMENT : c);
	}
}

static void flush_surrogate(struct walker *w, struct buf *out)
{
	if (w->high != 0) {
		add_utf8(out, REPLACEMENT);
		w->high = 0;
	}
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_unicode(struct walker *w, struct buf *out)
{
	unsigned c = 0;

	if (w->end - w->at < 4) {
		return false;
	}
	for (size_t i = 0; i < 4; i++) {
		int digit = hex_digit(w->text.p[w->at + i]);
		if (digit < 0) {
			return false;
		}
		c = c << 4 | (unsigned)digit;
	}
	w->at += 4;
	add_unit(w, out, c);
	return true;
}

/* Past a backslash: a line end, or one escaped character. */
static void take_escaped(struct walker *w, struct buf *out)
{
	uint8_t c = w->text.p[w->at++];

	if (c == '\r' || c == '\n') {
		w->at += c == '\r' && w->at < w->end && w->text.p[w->at] == '\n' ? 1 : 0;
		w->at = skip_blanks(w->text, w->at, w->end);
		return;
	}
	if (c == 'u' && take_unicode(w, out)) {
		return;
	}
	flush_surrogate(w, out);
	const char *from = "tnrf";
	const char *known = strchr(from, c);
	buf_add_byte(out, known != NULL ? (uint8_t) "\t\n\r\f"[known - from] : c);
}

static size_t utf8_length(const struct walker *w)
{
	for (size_t n = 2; n <= 4 && n <= w->end - w->at; n++) {
		if (str_is_utf8((const char *)w->text.p + w->at, n)) {
			return n;
		}
	}
	return 0;
}

static void take_plain(struct walker *w, struct buf *out)
{
	uint8_t c = w->text.p[w->at];
	size_t n = c < 0x80 ? 1 : utf8_length(w);

	flush_surrogate(w, out);
	if (n > 0) {
		buf_add(out, w->text.p + w->at, n);
		w->at += n;
	} else {
		add_utf8(out, c);
		w->at++;
	}
}

/* Up to an unescaped separator (keys) or the end. */
static void take_text(struct walker *w, bool is_key, struct buf *out)
{
	while (w->at < w->end) {
		uint8_t c = w->text.p[w->at];
		if (is_key && (c == '=' || c == ':' || is_blank(c))) {
			break;
		}
		if (c == '\\') {
			w->at++;
			if (w->at < w->end) {
				take_escaped(w, out);
			}
		} else {
			take_plain(w, out);
		}
	}
	flush_surrogate(w, out);
}

/* A backslash and line end within the blanks around a separator is skipped like a blank. */
static void skip_gap(struct walker *w)
{
	for (;;) {
		w->at = skip_blanks(w->text, w->at, w->end);
		size_t left = w->end - w->at;
		const uint8_t *p = w->text.p + w->at;
		if (left < 2 || p[0] != '\\' || (p[1] != '\r' && p[1] != '\n')) {
			return;
		}
		w->at += left > 2 && p[1] == '\r' && p[2] == '\n' ? 3 : 2;
	}
}

/* One logical line from start to end: is it `key`'s? */
static void judge(struct bytes text, size_t start, size_t end, const char *key, struct spot *spot,
                  struct buf *value)
{
	CLEANUP(buf_release) struct buf name = { 0 };
	struct walker w = { .text = text, .at = start, .end = end };

	buf_init(&name, end - start + 4 * (end - start) + 4);
	take_text(&w, /* is_key= */ true, &name);
	size_t name_end = w.at;
	skip_gap(&w);
	bool sign = w.at < end && (text.p[w.at] == '=' || text.p[w.at] == ':');
	if (sign) {
		spot->spaced = w.at > name_end;
		w.at++;
		skip_gap(&w);
	}
	if (buf_failed(&name) || !str_equal(buf_str(&name), key)) {
		return;
	}
	spot->found = true;
	/* A key that ends in the backslash of a line that never came. */
	spot->from = spot->dangling && name_end == end ? end - 1 : w.at;
	spot->to = end;
	spot->before = sign || w.at > name_end ? "" : "=";
	buf_reset(value);
	take_text(&w, /* is_key= */ false, value);
}

void properties_find(struct bytes text, const char *key, struct spot *ret, struct buf *value)
{
	struct text_line line;
	size_t pos = 0;

	while (text_next_line(text, /* lone_cr= */ true, &pos, &line)) {
		size_t start = skip_blanks(text, line.start, line.end);
		if (start == line.end || text.p[start] == '#' || text.p[start] == '!') {
			continue;
		}
		bool open = continues(text, start, line.end);
		while (open && text_next_line(text, /* lone_cr= */ true, &pos, &line)) {
			open = continues(text, line.start, line.end);
		}
		ret->dangling = open;
		judge(text, start, line.end, key, ret, value);
	}
	if (!ret->found) {
		ret->from = text.n;
		ret->to = text.n;
	}
}

static void escape_unit(struct buf *out, unsigned c)
{
	buf_printf(out, "\\u%04X", c);
}

/* `s` is UTF-8 as all text of the model. */
static size_t escape_wide(const uint8_t *p, struct buf *out)
{
	size_t n = p[0] >= 0xf0 ? 4 : (p[0] >= 0xe0 ? 3 : 2);
	unsigned c = p[0] & (n == 4 ? 0x07u : (n == 3 ? 0x0fu : 0x1fu));

	for (size_t i = 1; i < n; i++) {
		c = c << 6 | (p[i] & 0x3fu);
	}
	if (c >= 0x10000) {
		escape_unit(out, 0xd800 + ((c - 0x10000) >> 10));
		escape_unit(out, 0xdc00 + ((c - 0x10000) & 0x3ff));
	} else {
		escape_unit(out, c);
	}
	return n;
}

void properties_escape(const char *s, bool is_key, struct buf *out)
{
	static const char named[] = "\t\n\r\f";
	const uint8_t *p = (const uint8_t *)s;
	bool leading = true;

	if (!str_is_utf8(s, strlen(s))) {
		out->failed = true; /* the model admits UTF-8 only */
		return;
	}
	for (size_t i = 0; p[i] != '\0'; leading = false) {
		const char *letter = strchr(named, p[i]);
		if (p[i] >= 0x80) {
			i += escape_wide(p + i, out);
			continue;
		}
		if (letter != NULL) {
			buf_add_byte(out, '\\');
			buf_add_byte(out, (uint8_t) "tnrf"[letter - named]);
		} else if (p[i] < ' ' || p[i] == 0x7f) {
			escape_unit(out, p[i]);
		} else if (p[i] == '\\' || ((leading || is_key) && strchr(" =:#!", p[i]) != NULL)) {
			buf_add_byte(out, '\\');
			buf_add_byte(out, p[i]);
		} else {
			buf_add_byte(out, p[i]);
		}
		i++;
	}
}
