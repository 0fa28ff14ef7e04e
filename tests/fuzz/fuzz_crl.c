/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_crl.c - revocation lists from strangers.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "reconciler/pki/sign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct crl_facts facts;
	struct err err = { 0 };

	arena_init(&arena);
	if (crl_parse(bytes_of(data, size), /* issuer= */ NULL, &arena, &facts, &err) == ERR_OK) {
		assert(facts.n_entries <= size / 4);
		for (size_t i = 0; i < facts.n_entries; i++) {
			assert(facts.entries[i].serial.n <= size);
		}
	}
	arena_release(&arena);
	return 0;
}
