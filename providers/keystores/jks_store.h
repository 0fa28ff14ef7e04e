/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jks_store.h - a JKS file taken apart so that it can be put together again byte for byte.
 *
 * Every entry keeps its octets in three slices: what stands before the protected key (tag, alias,
 * date), the protected key, and what follows (certificates). A slice that nobody edits is written
 * as it was read.
 */
#pragma once

#include "providers/keystores/ksutil.h"

#define JKS_MAGIC   0xfeedfeedu
#define JCEKS_MAGIC 0xcecececeu

struct jks_entry {
	const char *alias, *folded;
	enum keystore_entry_kind kind;
	int64_t created_ms;
	struct bytes head, tail;
	struct bytes sealed; /* EncryptedPrivateKeyInfo; empty for a key set since the decode */
	const struct bytes *chain;
	size_t n_chain;
	unsigned warnings;
	struct secret key; /* PKCS#8, when it opened */
	bool opened;
};

struct jks {
	struct keystore base;
	struct arena arena;
	struct secret file;
	uint32_t version;
	struct jks_entry *entries; /* heap: the keys inside are wiped one by one */
	size_t n, cap;
	unsigned warnings;
	struct secret key_password; /* given to decode */
	bool has_key_password;
};

struct jks *jks_of(struct keystore *ks);
const struct jks *jks_of_const(const struct keystore *ks);
enum err_code jks_new(struct jks **ret, struct err *err);
void jks_free(struct jks *jks);
void cleanup_jks(struct jks **jks);
/* Room for one more at `at`, zeroed; NULL: no memory. Pointers into entries move. */
struct jks_entry *jks_insert(struct jks *jks, size_t at);
void jks_erase(struct jks *jks, size_t at);
void jks_mark_duplicates(struct jks *jks);

enum err_code jks_decode(const struct bytes *parts, size_t n_parts,
                         const struct keystore_passwords *pw, struct keystore **ret,
                         struct err *err);
enum err_code jks_encode(const struct keystore *ks, const struct keystore_encode *how,
                         struct keystore_part ret[KEYSTORE_PARTS_MAX], size_t *ret_n,
                         struct err *err);
/* SHA-1 over password, salt text and body: the 20 octets at the end of the file. */
void jks_digest(const struct secret *wide, struct bytes body, uint8_t out[20]);

/* Key protector, OID 1.3.6.1.4.1.42.2.17.1.1. `wide`: UTF-16BE, no terminator. ERR_DENIED: another
 * password; ERR_INVALID: not this protector. */
enum err_code jks_key_open(struct bytes sealed, const struct secret *wide, struct secret *ret,
                           struct err *err);
/* Appends the EncryptedPrivateKeyInfo. */
enum err_code jks_key_seal(const struct secret *pkcs8, const struct secret *wide, struct buf *out,
                           struct err *err);
