/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_der.c - the strict reader; whatever it understands, the writer must write back unchanged.
 * BER is brought to the framing that it reads, once and for all.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "providers/keystore.h"
#include "providers/keystores/ber.h"
#include "reconciler/base/attr.h"
#include "reconciler/pki/der.h"

#define DEPTH_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_same(struct der_writer *w, struct bytes whole)
{
	assert(!w->failed);
	assert(bytes_equal(der_writer_view(w), whole));
	der_writer_release(w);
}

static void check_element(int tag, struct bytes content, struct bytes whole)
{
	struct der_writer w;
	struct der d = der_of(whole);
	char text[256];
	uint64_t n;
	struct wall t;
	bool b;

	der_writer_init(&w);
	der_put(&w, tag, content);
	assert_same(&w, whole);
	if (der_get_u64(&d, &n)) {
		der_put_u64(&w, n);
		assert_same(&w, whole);
	} else if (der_get_bool(&d, &b)) {
		der_put_bool(&w, b);
		assert_same(&w, whole);
	} else if (der_get_time(&d, &t) && tag == DER_GENERALIZED_TIME) {
		der_put_generalized_time(&w, t);
		assert_same(&w, whole);
	} else if (tag == DER_UTC_TIME && der_at_end(&d)) {
		der_put_time(&w, t);
		assert_same(&w, whole);
	}
	if (tag == DER_OID && der_oid_text(content, text, sizeof(text))) {
		assert(der_oid_valid(text));
		der_put_oid(&w, text);
		if (!w.failed) { /* OIDs of more than 128 octets are read, not written */
			assert_same(&w, whole);
		}
		der_writer_release(&w);
	}
}

static void walk(struct der d, int depth)
{
	int tag;
	struct bytes content;
	struct bytes whole;

	while (depth < DEPTH_MAX && der_get_any(&d, &tag, &content, &whole)) {
		check_element(tag, content, whole);
		if ((tag & 0x20) != 0) {
			walk(der_of(content), depth + 1);
		}
	}
}

static void normalise(struct bytes in)
{
	struct buf first;
	struct buf second;
	struct bytes once;
	struct bytes twice;
	size_t used;

	buf_init(&first, KEYSTORE_FILE_LIMIT);
	buf_init(&second, KEYSTORE_FILE_LIMIT);
	if (ber_normalise(in, &first, &once, &used, /* err= */ NULL) == ERR_OK) {
		struct der d = der_of(once);

		assert(used <= in.n);
		/* It knows no tags of several octets. */
		assert((once.p[0] & 0x1f) == 0x1f ||
		       (der_get_any(&d, /* ret_tag= */ NULL, /* ret_content= */ NULL,
		                    /* ret_whole= */ NULL) &&
		        der_at_end(&d)));
		assert(ber_normalise(once, &second, &twice, &used, /* err= */ NULL) == ERR_OK);
		assert(bytes_equal(once, twice) && second.len == 0);
		walk(der_of(once), 0);
	}
	buf_release(&first);
	buf_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[64];

	normalise(bytes_of(data, size));
	walk(der_of(bytes_of(data, size)), 0);
	(void)der_oid_text(bytes_of(data, size), text, sizeof(text));
	if (size > 0 && size < sizeof(text)) {
		memcpy(text, data, size);
		text[size] = '\0';
		(void)der_oid_valid(text);
	}
	return 0;
}
