/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_jks.c - hostile JKS and JCEKS files, read without a store password so that the digest does
 * not stop the fuzzer; what is read must be there again after an edit and a write. Secret keys make
 * the second a parser of Java object streams.
 */
#include <assert.h>
#include <stdlib.h>

#include "providers/keystores/jks_store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore(void *ctx, const struct keystore_fact *f)
{
	(void)ctx;
	assert(f->name != NULL && f->value != NULL);
}

static void look(const struct keystore *ks)
{
	struct keystore_secret_key secret = { 0 };
	struct secret key = { 0 };
	struct keystore_entry e;

	for (size_t i = 0; i < ks->ops->count(ks); i++) {
		ks->ops->entry(ks, i, &e);
		assert(e.alias != NULL && e.folded != NULL);
		(void)ks->ops->secret(ks, i, &secret, /* err= */ NULL);
		(void)ks->ops->key(ks, i, &key, /* err= */ NULL);
	}
	ks->ops->facts(ks, ignore, /* ctx= */ NULL);
	secret_release(&secret.key);
	secret_release(&key);
}

static void write_and_read(struct keystore *ks, const struct keystore_passwords *pw)
{
	const struct keystore_encode how = { .passwords = *pw };
	struct keystore_part part[KEYSTORE_PARTS_MAX];
	struct keystore *again = NULL;
	struct keystore_entry e;
	size_t n;

	assert(ks->ops->encode(ks, &how, part, &n, /* err= */ NULL) == ERR_OK);
	struct bytes written = secret_view(&part[0].bytes);
	assert(ks->ops->decode(&written, 1, pw, &again, /* err= */ NULL) == ERR_OK);
	assert(ks->ops->count(ks) == again->ops->count(again));
	if (ks->ops->count(ks) != 0) {
		ks->ops->entry(ks, 0, &e);
		char *alias = alias_fold(e.alias);

		enum err_code rc = ks->ops->rename(ks, alias, "a new name", /* err= */ NULL);
		assert(rc == ERR_OK || rc == ERR_CONFLICT);
		assert(rc != ERR_OK ||
		       ks->ops->remove(ks, "A New Name", /* err= */ NULL) == ERR_OK);
		free(alias);
	}
	keystore_part_release(&part[0]);
	ks->ops->close(again);
}

static void run(const struct keystore_ops *ops, struct bytes file)
{
	struct secret password = { .p = (uint8_t[]){ 'a', 0 }, .n = 1 };
	struct keystore_passwords none = { .key = &password };
	struct keystore_passwords pw = { .store = &password };
	struct keystore *ks = NULL;

	(void)ops->recognises(file);
	if (ops->decode(&file, 1, &none, &ks, /* err= */ NULL) == ERR_OK) {
		look(ks);
		write_and_read(ks, &pw);
	}
	ops->close(ks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes file = bytes_of(data, size);

	jks_limits = (struct jks_limits){ .iterations = 2000, .work = 20000, .written = 1 };
	run(&keystore_jks, file);
	run(&keystore_jceks, file);
	return 0;
}
