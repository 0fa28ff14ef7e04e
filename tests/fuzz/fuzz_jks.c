/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_jks.c - hostile JKS files, read without a password so that the digest does not stop the
 * fuzzer; what is read must be there again after a write.
 */
#include <assert.h>

#include "providers/keystore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes file = bytes_of(data, size);
	struct secret password = { .p = (uint8_t[]){ 'a', 0 }, .n = 1 };
	struct keystore_passwords none = { 0 };
	struct keystore_passwords pw = { .store = &password };
	struct keystore_encode how = { .passwords = pw };
	struct keystore_part part[KEYSTORE_PARTS_MAX];
	struct keystore *ks = NULL;
	struct keystore *again = NULL;
	struct keystore_entry e;
	size_t n;

	if (keystore_jks.decode(&file, 1, &none, &ks, /* err= */ NULL) == ERR_OK) {
		assert(keystore_jks.encode(ks, &how, part, &n, /* err= */ NULL) == ERR_OK);
		struct bytes written = secret_view(&part[0].bytes);
		assert(keystore_jks.decode(&written, 1, &pw, &again, /* err= */ NULL) == ERR_OK);
		assert(keystore_jks.count(ks) == keystore_jks.count(again));
		for (size_t i = 0; i < keystore_jks.count(ks); i++) {
			keystore_jks.entry(ks, i, &e);
			assert(e.alias != NULL && e.folded != NULL);
		}
		keystore_part_release(&part[0]);
		keystore_jks.close(again);
	}
	keystore_jks.close(ks);
	return 0;
}
