/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_text.c - escaping, globs, hex and base64.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "reconciler/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void escaped(const char *text, size_t size)
{
	struct buf b;

	buf_init(&b, BUF_LIMIT_TEXT);
	str_escape_terminal(&b, text, size);
	assert(!buf_failed(&b) && str_is_utf8(buf_str(&b), b.len));
	for (size_t i = 0; i < b.len; i++) {
		assert(b.p[i] >= 0x20 && b.p[i] != 0x7F);
	}
	buf_reset(&b);
	str_escape_markdown(&b, text, size);
	assert(!buf_failed(&b) && str_is_utf8(buf_str(&b), b.len));
	buf_release(&b);
}

static void decoded(const char *text, size_t size)
{
	struct buf raw;
	struct buf again;

	buf_init(&raw, BUF_LIMIT_TEXT);
	buf_init(&again, BUF_LIMIT_TEXT);
	if (base64_decode(text, size, &raw)) {
		base64_encode(buf_view(&raw), &again);
		buf_reset(&raw);
		assert(base64_decode(buf_str(&again), again.len, &raw));
	}
	buf_release(&again);
	buf_release(&raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	uint8_t raw[64];
	size_t n;

	if (text == NULL) {
		return 0;
	}
	if (size > 0) {
		memcpy(text, data, size);
	}
	text[size] = '\0';
	escaped(text, size);
	decoded(text, size);
	(void)hex_decode(text, raw, sizeof(raw), &n);
	if (size < 2000) {
		(void)str_glob(text, text + size / 2);
		(void)str_distance(text, text + size / 2, 8);
	}
	free(text);
	return 0;
}
