/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edit.h - whatever a keystore without passwords is read from: an entry is set, it is written, and
 * read again with as many entries. A header, because each fuzz target is one file.
 */
#pragma once

#include <assert.h>

#include "providers/keystore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_reread(const struct keystore_ops *ops, const struct keystore *ks)
{
	struct keystore_passwords pw = { 0 };
	struct keystore_encode how = { 0 };
	struct keystore_part part[KEYSTORE_PARTS_MAX] = { 0 };
	struct keystore *again = NULL;
	size_t n = 0;
	enum err_code rc = ops->encode(ks, &how, part, &n, /* err= */ NULL);

	assert(rc == ERR_OK || rc == ERR_INVALID);
	if (rc == ERR_OK) {
		struct bytes written = secret_view(&part[0].bytes);

		assert(ops->decode(&written, 1, &pw, &again, /* err= */ NULL) == ERR_OK);
		assert(ops->count(again) == ops->count(ks));
		ops->close(again);
		keystore_part_release(&part[0]);
	}
}

static inline void fuzz_edit(const struct keystore_ops *ops, struct bytes file)
{
	static const uint8_t cert[] = { 0x30, 0x0f, 0x30, 0x0d, 0x02, 0x01, 0x01, 0x30, 0x00,
		                        0x30, 0x00, 0x30, 0x00, 0x30, 0x00, 0x30, 0x00 };
	struct keystore_passwords pw = { 0 };
	struct keystore *ks = NULL;
	struct keystore_entry e = { .alias = "x" };

	if (ops->decode(&file, 1, &pw, &ks, /* err= */ NULL) != ERR_OK) {
		return;
	}
	assert(ops->recognises(file));
	if (ops->count(ks) != 0) {
		ops->entry(ks, 0, &e);
	}
	assert(ops->set_trusted(ks, e.alias, bytes_of(cert, sizeof(cert)), 0, /* err= */ NULL) ==
	       ERR_OK);
	fuzz_reread(ops, ks);
	ops->close(ks);
}
