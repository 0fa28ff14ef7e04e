/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_object_stream.c - the Java object streams of JCEKS secret keys, outer and inner: what is
 * understood is written, and understood again.
 */
#include <assert.h>

#include "providers/keystores/jks_store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void outer(struct bytes in)
{
	struct jceks_sealed sealed;
	struct jceks_sealed again;
	struct jceks_params params;
	struct buf out;
	const char *problem = jceks_sealed_parse(in, &sealed);

	if (problem != NULL) {
		assert(problem[0] != '\0');
		return;
	}
	assert(sealed.used <= in.n);
	assert(sealed.params.n + sealed.content.n <= in.n);
	(void)jceks_params_parse(sealed.params, &params);
	buf_init(&out, KEYSTORE_FILE_LIMIT);
	jceks_sealed_write(sealed.params, sealed.content, &out);
	assert(jceks_sealed_parse(buf_view(&out), &again) == NULL);
	assert(again.used == out.len);
	assert(bytes_equal(again.params, sealed.params));
	assert(bytes_equal(again.content, sealed.content));
	buf_release(&out);
}

static void inner(struct bytes in)
{
	struct bytes algorithm;
	struct bytes key;
	struct bytes algorithm_again;
	struct bytes key_again;
	struct buf out;

	if (!jceks_inner_parse(in, &algorithm, &key)) {
		return;
	}
	buf_init(&out, KEYSTORE_FILE_LIMIT);
	jceks_inner_write(algorithm, key, &out);
	assert(jceks_inner_parse(buf_view(&out), &algorithm_again, &key_again));
	assert(bytes_equal(algorithm, algorithm_again));
	assert(bytes_equal(key, key_again));
	buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	outer(bytes_of(data, size));
	inner(bytes_of(data, size));
	return 0;
}
