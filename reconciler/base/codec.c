/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * codec.c - hexadecimal and base64 of str.h.
 *
 * Base64 is strict (padding required, unused bits zero): two texts for one value would defeat
 * comparisons of what is stored with what is wanted.
 */
#include "reconciler/base/str.h"

void hex_encode(struct bytes v, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < v.n; i++) {
		*out++ = digits[v.p[i] >> 4];
		*out++ = digits[v.p[i] & 15];
	}
	*out = '\0';
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	if (c >= 'a' && c <= 'f') {
		return c - 'a' + 10;
	}
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool hex_decode(const char *s, uint8_t *out, size_t cap, size_t *ret_n)
{
	size_t n = 0;

	while (*s != '\0') {
		int high = hex_value(s[0]);
		int low = high < 0 ? -1 : hex_value(s[1]);

		if (low < 0 || n == cap) {
			return false;
		}
		out[n++] = (uint8_t)(high << 4 | low);
		s += 2;
		if (*s == ':' && s[1] != '\0') {
			s++;
		}
	}
	*ret_n = n;
	return true;
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct bytes v, struct buf *out)
{
	uint8_t *to = v.n > SIZE_MAX / 2 ? NULL : buf_room(out, (v.n + 2) / 3 * 4);

	if (to == NULL) {
		out->failed = true;
		return;
	}
	for (size_t i = 0; i < v.n; i += 3) {
		size_t have = v.n - i;
		uint32_t w = (uint32_t)v.p[i] << 16 | (have > 1 ? (uint32_t)v.p[i + 1] << 8 : 0) |
		             (have > 2 ? v.p[i + 2] : 0);

		*to++ = (uint8_t)alphabet[w >> 18];
		*to++ = (uint8_t)alphabet[w >> 12 & 63];
		*to++ = (uint8_t)(have > 1 ? alphabet[w >> 6 & 63] : '=');
		*to++ = (uint8_t)(have > 2 ? alphabet[w & 63] : '=');
	}
	buf_grew(out, (v.n + 2) / 3 * 4);
}

/* 0..63, 64 padding, 65 white space, 66 nothing of base64. */
static unsigned sextet(char c)
{
	if (c >= 'A' && c <= 'Z') {
		return (unsigned)(c - 'A');
	}
	if (c >= 'a' && c <= 'z') {
		return (unsigned)(c - 'a') + 26;
	}
	if (c >= '0' && c <= '9') {
		return (unsigned)(c - '0') + 52;
	}
	switch (c) {
	case '+':
		return 62;
	case '/':
		return 63;
	case '=':
		return 64;
	case ' ':
	case '\t':
	case '\r':
	case '\n':
		return 65;
	default:
		return 66;
	}
}

/* Four sextets, of which `pad` are padding. */
static bool flush(uint32_t group, unsigned pad, uint8_t **to)
{
	if ((pad == 1 && (group & 0xFF) != 0) || (pad == 2 && (group & 0xFFFF) != 0)) {
		return false;
	}
	*(*to)++ = (uint8_t)(group >> 16);
	if (pad < 2) {
		*(*to)++ = (uint8_t)(group >> 8);
	}
	if (pad < 1) {
		*(*to)++ = (uint8_t)group;
	}
	return true;
}

/* Writes to *to and moves it, also when it fails. */
static bool decode_into(const char *s, size_t n, uint8_t **to)
{
	uint32_t group = 0;
	unsigned have = 0;
	unsigned pad = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned v = sextet(s[i]);

		if (v == 65) {
			continue;
		}
		if (v == 66 || (v == 64 && have < 2) || (v < 64 && pad > 0) || pad == 3) {
			return false;
		}
		pad += v == 64;
		group = group << 6 | (v & 63);
		if (++have < 4) {
			continue;
		}
		if (!flush(group, pad, to)) {
			return false;
		}
		have = 0;
		group = 0;
		/* Anything but white space behind the padding is an error. */
		pad = pad > 0 ? 3 : 0;
	}
	return have == 0;
}

bool base64_decode(const char *s, size_t n, struct buf *out)
{
	uint8_t *start = buf_room(out, n / 4 * 3);
	uint8_t *to = start;

	if (start == NULL) {
		return false;
	}
	if (!decode_into(s, n, &to)) {
		/* What was written lies behind the end, over the terminator. */
		start[0] = 0;
		return false;
	}
	buf_grew(out, (size_t)(to - start));
	return true;
}
