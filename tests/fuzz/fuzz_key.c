/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_key.c - private keys and requests from files that somebody else wrote.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/pki/csr.h"
#include "reconciler/pki/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_key(struct bytes pkcs8)
{
	CLEANUP(cleanup_key) struct key *key = NULL;
	CLEANUP(buf_release) struct buf pem = { 0 };
	uint8_t cheap[SHA256_BYTES];
	uint8_t full[SHA256_BYTES];

	buf_init_secret(&pem, 1 << 22);
	(void)pkcs8_to_pem(pkcs8, /* traditional= */ true, &pem, /* err= */ NULL);
	enum err_code rc =
		pkcs8_spki_sha256(pkcs8, /* hint_or_null= */ NULL, cheap, /* err= */ NULL);
	if (key_import(pkcs8, &key, /* err= */ NULL) == ERR_OK) {
		assert(rc == ERR_OK);
		key_spki_sha256(key, full);
		assert(memcmp(cheap, full, sizeof(full)) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(secret_release) struct secret pkcs8 = { 0 };
	struct bytes in = bytes_of(data, size);
	struct bytes spki;

	if (key_decode(in, /* password= */ NULL, &pkcs8, /* err= */ NULL) == ERR_OK) {
		check_key(secret_view(&pkcs8));
	}
	(void)csr_check(in, &spki, /* err= */ NULL);
	return 0;
}
