/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * escape.c - foreign text made harmless: UTF-8 checks and escaping for terminals and Markdown.
 *
 * Part of str.h, in a file of its own because every sink for foreign text is judged here together.
 */
#include <string.h>

#include "reconciler/base/str.h"

size_t str_utf8_decode(const char *s, size_t n, uint32_t *ret)
{
	const unsigned char *u = (const unsigned char *)s;
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len;
	uint32_t c;

	if (u[0] < 0x80) {
		*ret = u[0];
		return 1;
	}
	if (u[0] < 0xC2 || u[0] > 0xF4) {
		return 0;
	}
	len = u[0] >= 0xF0 ? 4 : u[0] >= 0xE0 ? 3 : 2;
	if (len > n) {
		return 0;
	}
	c = u[0] & (0xFFu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((u[i] & 0xC0) != 0x80) {
			return 0;
		}
		c = c << 6 | (u[i] & 0x3Fu);
	}
	if (c < least[len] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) {
		return 0;
	}
	*ret = c;
	return len;
}

bool str_is_utf8(const char *s, size_t n)
{
	uint32_t c;

	for (size_t i = 0; i < n;) {
		size_t len = str_utf8_decode(s + i, n - i, &c);

		if (len == 0 || c == 0) {
			return false;
		}
		i += len;
	}
	return true;
}

/* What moves the cursor, reorders what is shown, or shows nothing at all. */
static bool is_harmful(uint32_t c)
{
	return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xAD || c == 0x061C ||
	       (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
	       (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB) ||
	       (c >= 0xE0000 && c <= 0xE0FFF);
}

static void add_hex(struct buf *out, const char *p, size_t n, const char *backslash)
{
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "%sx%02x", backslash, (unsigned)(unsigned char)p[i]);
	}
}

/* A bit per character of ASCII. */
struct ascii_set {
	uint64_t bits[2];
};

static bool in_set(const struct ascii_set *set, unsigned char c)
{
	return (set->bits[c >> 6] >> (c & 63) & 1) != 0;
}

/* As long as it is plain: nearly all text is, to its end. */
static size_t plain_run(const char *s, size_t n, const struct ascii_set *special)
{
	size_t i = 0;

	while (i < n && s[i] >= 0x20 && s[i] < 0x7F && !in_set(special, (unsigned char)s[i])) {
		i++;
	}
	return i;
}

static void escape(struct buf *out, const char *s, size_t n, const char *special,
                   const char *backslash)
{
	struct ascii_set set = { { 0 } };
	uint32_t c = 0;

	for (; *special != '\0'; special++) {
		set.bits[(unsigned char)*special >> 6] |= UINT64_C(1)
		                                          << ((unsigned char)*special & 63);
	}
	for (size_t i = 0; i < n;) {
		size_t run = plain_run(s + i, n - i, &set);

		buf_add(out, s + i, run);
		i += run;
		if (i == n) {
			return;
		}
		size_t len = str_utf8_decode(s + i, n - i, &c);
		if (len == 0 || is_harmful(c)) {
			len = len == 0 ? 1 : len;
			add_hex(out, s + i, len, backslash);
		} else {
			if (c < 0x80) {
				buf_add_byte(out, '\\');
			}
			buf_add(out, s + i, len);
		}
		i += len;
	}
}

void str_escape_terminal(struct buf *out, const char *s, size_t n)
{
	escape(out, s, n, "\\", "\\");
}

void str_pad_terminal(struct buf *out, const char *s, size_t width)
{
	static const char blanks[] = "                                ";
	size_t n = strlen(s);
	size_t wanted = n < width ? width - n + 1 : 1;

	str_escape_terminal(out, s, n);
	for (size_t some = 0; wanted > 0; wanted -= some) {
		some = wanted < sizeof(blanks) - 1 ? wanted : sizeof(blanks) - 1;
		buf_add(out, blanks, some);
	}
}

void str_escape_markdown(struct buf *out, const char *s, size_t n)
{
	/* A backslash before 'x' would be shown as such in Markdown, but two are certain. */
	escape(out, s, n, "\\`*_{}[]()<>#+-.!|~&:@", "\\\\");
}

void str_escape_html(struct buf *out, const char *s, size_t n)
{
	CLEANUP(buf_release) struct buf plain = { 0 };

	buf_init(&plain, BUF_LIMIT_TEXT);
	escape(&plain, s, n, /* special= */ "", "\\");
	for (size_t i = 0; i < plain.len; i++) {
		char c = buf_str(&plain)[i];

		if (strchr("&<>\"'", c) != NULL) {
			buf_printf(out, "&#%d;", c);
		} else {
			buf_add_byte(out, (uint8_t)c);
		}
	}
}
