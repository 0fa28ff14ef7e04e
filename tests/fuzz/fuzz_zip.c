/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_zip.c - ZIP archives: read, edited, written, read.
 */
#include <assert.h>

#include "providers/keystore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t cert[] = { 0x30, 0x0f, 0x30, 0x0d, 0x02, 0x01, 0x01, 0x30, 0x00,
	                        0x30, 0x00, 0x30, 0x00, 0x30, 0x00, 0x30, 0x00 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct keystore_ops *ops = &keystore_zip;
	struct bytes file = bytes_of(data, size);
	struct keystore_passwords pw = { 0 };
	struct keystore_encode how = { 0 };
	struct keystore_part part[KEYSTORE_PARTS_MAX] = { 0 };
	struct keystore *ks = NULL;
	struct keystore *again = NULL;
	struct keystore_entry e;
	size_t n = 0;

	if (ops->decode(&file, 1, &pw, &ks, /* err= */ NULL) != ERR_OK) {
		return 0;
	}
	assert(ops->recognises(file));
	const char *alias = "x";
	if (ops->count(ks) != 0) {
		ops->entry(ks, 0, &e);
		alias = e.alias;
	}
	assert(ops->set_trusted(ks, alias, bytes_of(cert, sizeof(cert)), 0, /* err= */ NULL) ==
	       ERR_OK);
	enum err_code rc = ops->encode(ks, &how, part, &n, /* err= */ NULL);
	assert(rc == ERR_OK || rc == ERR_INVALID);
	if (rc == ERR_OK) {
		struct bytes written = secret_view(&part[0].bytes);

		assert(ops->decode(&written, 1, &pw, &again, /* err= */ NULL) == ERR_OK);
		assert(ops->count(again) == ops->count(ks));
		ops->close(again);
		keystore_part_release(&part[0]);
	}
	ops->close(ks);
	return 0;
}
