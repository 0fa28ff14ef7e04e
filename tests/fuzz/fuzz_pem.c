/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_pem.c - PEM bundles, split or not, and DER pairs: read, edited, written, read.
 */
#include <assert.h>

#include "providers/keystore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t cert[] = { 0x30, 0x0f, 0x30, 0x0d, 0x02, 0x01, 0x01, 0x30, 0x00,
	                        0x30, 0x00, 0x30, 0x00, 0x30, 0x00, 0x30, 0x00 };

static void round_trip(const struct keystore_ops *ops, const struct bytes *parts, size_t n_parts)
{
	struct keystore_passwords pw = { 0 };
	struct keystore_encode how = { 0 };
	struct keystore_part part[KEYSTORE_PARTS_MAX] = { 0 };
	struct bytes written[KEYSTORE_PARTS_MAX] = { 0 };
	struct keystore *ks = NULL;
	struct keystore *again = NULL;
	size_t n = 0;

	if (ops->decode(parts, n_parts, &pw, &ks, /* err= */ NULL) != ERR_OK) {
		return;
	}
	size_t before = ops->count(ks);
	enum err_code rc = ops->set_trusted(ks, "x", bytes_of(cert, sizeof(cert)), 0,
	                                    /* err= */ NULL);
	assert(rc == ERR_OK || rc == ERR_INVALID);
	assert(ops->count(ks) >= before || ops == &keystore_der);
	assert(ops->encode(ks, &how, part, &n, /* err= */ NULL) == ERR_OK);
	for (size_t i = 0; i < n; i++) {
		written[i] = secret_view(&part[i].bytes);
	}
	assert(ops->decode(written, n, &pw, &again, /* err= */ NULL) == ERR_OK);
	assert(ops->count(again) == ops->count(ks));
	for (size_t i = 0; i < n; i++) {
		keystore_part_release(&part[i]);
	}
	ops->close(again);
	ops->close(ks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes halves[2] = { bytes_of(data, size / 2),
		                   bytes_of(data + size / 2, size - size / 2) };
	struct bytes whole = bytes_of(data, size);

	(void)keystore_pem.recognises(whole);
	(void)keystore_der.recognises(whole);
	round_trip(&keystore_pem, &whole, 1);
	round_trip(&keystore_pem_split, halves, 2);
	round_trip(&keystore_der, &whole, 1);
	round_trip(&keystore_der, halves, 2);
	return 0;
}
