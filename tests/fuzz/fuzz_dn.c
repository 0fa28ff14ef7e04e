/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_dn.c - subjects: RFC 4514 text to DER and back must come to rest.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/dn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const char *literal)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	CLEANUP(der_writer_release) struct der_writer again = { 0 };
	CLEANUP(buf_release) struct buf text = { 0 };

	if (dn_put_text(&w, literal, /* err= */ NULL) != ERR_OK || w.failed) {
		return;
	}
	struct bytes dn = der_writer_view(&w);
	buf_init(&text, 1 << 20);
	dn_text(dn, &text);
	assert(!buf_failed(&text));
	/* What we show can be written down as a literal subject again, unless it was hexadecimal.
	 */
	if (strchr(buf_str(&text), '#') == NULL &&
	    dn_put_text(&again, buf_str(&text), /* err= */ NULL) == ERR_OK) {
		assert(dn_same(dn, der_writer_view(&again)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	char literal[1024];

	buf_init(&text, size * 16 + 4096);
	dn_text(bytes_of(data, size), &text);
	assert(str_is_utf8(buf_str(&text), text.len));
	if (size < sizeof(literal) && memchr(data, 0, size) == NULL) {
		memcpy(literal, data, size);
		literal[size] = '\0';
		check_round_trip(literal);
	}
	return 0;
}
