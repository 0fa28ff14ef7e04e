/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_pkcs12.c - BER, DER and bags of hostile PKCS#12 files; what is read must survive an edit and
 * a write. Derivations are kept short: they are not what is tested here.
 */
#include <assert.h>

#include "providers/keystores/ber.h"
#include "providers/keystores/p12_store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The least that passes for a certificate. */
static const uint8_t cert[] = { 0x30, 0x0f, 0x30, 0x0d, 0x02, 0x01, 0x01, 0x30, 0x00,
	                        0x30, 0x00, 0x30, 0x00, 0x30, 0x00, 0x30, 0x00 };

static void normalised_stays_so(struct bytes in)
{
	struct buf first;
	struct buf second;
	struct bytes once;
	struct bytes twice;
	size_t used;

	buf_init(&first, KEYSTORE_FILE_LIMIT);
	buf_init(&second, KEYSTORE_FILE_LIMIT);
	if (ber_normalise(in, &first, &once, &used, /* err= */ NULL) == ERR_OK) {
		assert(used <= in.n);
		assert(ber_normalise(once, &second, &twice, &used, /* err= */ NULL) == ERR_OK);
		assert(bytes_equal(once, twice) && second.len == 0);
	}
	buf_release(&first);
	buf_release(&second);
}

static void edited_can_be_read_again(struct keystore *ks, const struct keystore_passwords *pw)
{
	struct keystore_encode how = { .passwords = *pw };
	struct keystore_part part[KEYSTORE_PARTS_MAX];
	struct keystore *again = NULL;
	struct keystore_entry e;
	size_t n;
	bool found = false;

	assert(keystore_pkcs12.set_trusted(ks, "fuzz", bytes_of(cert, sizeof(cert)), 0,
	                                   /* err= */ NULL) == ERR_OK);
	assert(keystore_pkcs12.encode(ks, &how, part, &n, /* err= */ NULL) == ERR_OK);
	struct bytes file = secret_view(&part[0].bytes);
	assert(keystore_pkcs12.decode(&file, 1, pw, &again, /* err= */ NULL) == ERR_OK);
	for (size_t i = 0; i < keystore_pkcs12.count(again); i++) {
		keystore_pkcs12.entry(again, i, &e);
		found = found || strcmp(e.folded, "fuzz") == 0;
	}
	assert(found);
	keystore_pkcs12.close(again);
	keystore_part_release(&part[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes file = bytes_of(data, size);
	struct secret password = { .p = (uint8_t[]){ 'a', 0 }, .n = 1 };
	struct keystore_passwords pw = { .store = &password };
	struct keystore *ks = NULL;

	p12_limits = (struct p12_limits){ .iterations = 2000, .work = 20000, .written = 1 };
	normalised_stays_so(file);
	(void)keystore_pkcs12.recognises(file);
	if (keystore_pkcs12.decode(&file, 1, &pw, &ks, /* err= */ NULL) == ERR_OK) {
		p12_limits.work = 200000; /* room for what the edit adds */
		edited_can_be_read_again(ks, &pw);
	}
	keystore_pkcs12.close(ks);
	return 0;
}
