/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_bcfks.c - hostile BCFKS stores. The MAC would stop the fuzzer at the door, so its contents
 * are also read as they are, as if they had been decrypted.
 */
#include <assert.h>

#include "providers/keystores/bcfks.h"
#include "providers/keystores/p12_crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void show(const struct keystore *ks)
{
	struct keystore_secret_key secret = { .algorithm = "" };
	struct keystore_entry e;
	struct secret key = { 0 };

	for (size_t i = 0; i < ks->ops->count(ks); i++) {
		ks->ops->entry(ks, i, &e);
		assert(e.alias != NULL && e.folded != NULL);
		if (ks->ops->key(ks, i, &key, /* err= */ NULL) == ERR_OK) {
			secret_release(&key);
		}
		if (ks->ops->secret(ks, i, &secret, /* err= */ NULL) == ERR_OK) {
			secret_release(&secret.key);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes file = bytes_of(data, size);
	struct secret password = { .p = (uint8_t[]){ 'a', 0 }, .n = 1 };
	struct keystore_passwords pw = { .store = &password };
	struct keystore *ks = NULL;
	struct bcfks bare = { .base.ops = &keystore_bcfks };
	uint64_t work = 20000;

	p12_limits = (struct p12_limits){ .iterations = 100, .work = 20000, .written = 1 };
	(void)keystore_bcfks.recognises(file);
	if (keystore_bcfks.decode(&file, 1, &pw, &ks, /* err= */ NULL) == ERR_OK) {
		show(ks);
	}
	keystore_bcfks.close(ks);

	arena_init(&bare.arena);
	if (secret_set(&bare.plain, data, size) == 0 &&
	    bcfks_read_objects(&bare, &work, /* err= */ NULL) == ERR_OK) {
		show(&bare.base);
	}
	for (size_t i = 0; i < bare.n; i++) {
		secret_release(&bare.entries[i].key);
	}
	secret_release(&bare.plain);
	arena_release(&bare.arena);
	return 0;
}
