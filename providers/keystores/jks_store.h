/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * jks_store.h - a JKS or JCEKS file taken apart so that it can be put together again byte for byte.
 *
 * Every entry keeps its octets in three slices: what stands before the protected key (tag, alias,
 * date), the protected key, and what follows (certificates). A slice that nobody edits is written
 * as it was read.
 */
#pragma once

#include "providers/keystores/ksutil.h"
#include "reconciler/base/map.h"

#define JKS_MAGIC   0xfeedfeedu
#define JCEKS_MAGIC 0xcecececeu

struct jks_entry {
	const char *alias, *folded;
	enum keystore_entry_kind kind;
	int64_t created_ms;
	struct bytes head, tail;
	/* EncryptedPrivateKeyInfo, or the object stream of a secret key; empty for what was set
	 * since the decode. */
	struct bytes sealed;
	const struct bytes *chain;
	size_t n_chain;
	unsigned warnings;
	struct secret key; /* PKCS#8, or the object stream inside, when it opened */
	bool opened;       /* by the key password */
	bool under_store;  /* by the store password, and not by the key password */
	struct secret own; /* the password it is to have, whatever the others have */
	bool has_own;
};

/* A password in the two spellings of the two protectors. */
struct jks_password {
	const struct secret *raw; /* borrowed; NULL: none */
	struct secret wide;
	bool ascii; /* 0x20 to 0x7e: what Java allows for JCEKS keys */
};
enum err_code jks_password_init(struct jks_password *p, const struct secret *raw, struct err *err);
void jks_password_release(struct jks_password *p);

struct jks {
	struct keystore base;
	struct arena arena;
	struct secret file;
	uint32_t magic, version;
	struct jks_entry *entries; /* heap: the keys inside are wiped one by one */
	size_t n, cap;
	struct map names; /* once one was set: folded aliases, to place + 1; some are gone again */
	bool has_names;
	bool twice; /* one of them names several entries */
	unsigned warnings;
	struct secret store_password, key_password; /* given to decode */
	bool has_store_password, has_key_password;
};

struct jks *jks_of(struct keystore *ks);
const struct jks *jks_of_const(const struct keystore *ks);
enum err_code jks_new(const struct keystore_ops *ops, struct jks **ret, struct err *err);
void jks_free(struct jks *jks);
void cleanup_jks(struct jks **jks);
/* Room for one more at `at`, zeroed; NULL: no memory. Pointers into entries move. */
struct jks_entry *jks_insert(struct jks *jks, size_t at);
/* Room for so many in an empty one. false: no memory. */
bool jks_reserve(struct jks *jks, size_t n);
void jks_erase(struct jks *jks, size_t at);
void jks_entry_release(struct jks_entry *e);
void jks_mark_duplicates(struct jks *jks);
/* Set or clear the warning that key and leaf do not match. */
void jks_mark_mismatch(struct jks_entry *e);

/* `ops` decides which of the two is expected. */
enum err_code jks_read(const struct keystore_ops *ops, struct bytes in,
                       const struct keystore_passwords *pw, struct keystore **ret, struct err *err);
enum err_code jks_encode(const struct keystore *ks, const struct keystore_encode *how,
                         struct keystore_part ret[KEYSTORE_PARTS_MAX], size_t *ret_n,
                         struct err *err);
void jks_facts(const struct keystore *ks, void (*say)(void *ctx, const struct keystore_fact *f),
               void *ctx);
/* SHA-1 over password, salt text and body: the 20 octets at the end of the file. */
void jks_digest(const struct secret *wide, struct bytes body, uint8_t out[20]);

enum err_code jks_set_key(struct keystore *ks, const char *alias, const struct secret *pkcs8,
                          const struct bytes *chain, size_t n_chain, int64_t created_ms,
                          struct err *err);
enum err_code jks_set_trusted(struct keystore *ks, const char *alias, struct bytes cert,
                              int64_t created_ms, struct err *err);
enum err_code jks_remove(struct keystore *ks, const char *alias, struct err *err);
enum err_code jks_rename(struct keystore *ks, const char *from, const char *to, struct err *err);
enum err_code jks_set_key_password(struct keystore *ks, const char *alias, const struct secret *old,
                                   const struct secret *new_pw, struct err *err);
enum err_code jceks_secret(const struct keystore *ks, size_t i, struct keystore_secret_key *ret,
                           struct err *err);
enum err_code jceks_set_secret(struct keystore *ks, const char *alias,
                               const struct keystore_secret_key *key, int64_t created_ms,
                               struct err *err);

/* What opening the keys of one file may cost, in hashes, and what sealing costs. Tests and fuzzers
 * lower them. */
struct jks_limits {
	uint64_t iterations; /* of one derivation */
	uint64_t work;
	uint64_t written;
};
extern struct jks_limits jks_limits;

/* Open what `e` seals, a key or a secret. ERR_DENIED: another password; ERR_INVALID: a protection
 * that is not known, or that asks for too much work (*work is 0 when it was more than is left). */
enum err_code jks_open(const struct jks_entry *e, const struct jks_password *pw, uint64_t *work,
                       struct secret *ret, struct err *err);
/* Append what stands in the file for e->key. */
enum err_code jks_seal(const struct jks *jks, const struct jks_entry *e,
                       const struct jks_password *pw, struct buf *out, struct err *err);

/* Sun's key protector, OID 1.3.6.1.4.1.42.2.17.1.1. ERR_DENIED: another password; ERR_INVALID: not
 * this protector. */
enum err_code jks_key_open(struct bytes sealed, const struct secret *wide, struct secret *ret,
                           struct err *err);
/* Appends the EncryptedPrivateKeyInfo. */
enum err_code jks_key_seal(const struct secret *pkcs8, const struct secret *wide, struct buf *out,
                           struct err *err);

/* PBEWithMD5AndTripleDES as JCEKS does it. */
struct jceks_params {
	uint8_t salt[8];
	uint64_t iterations;
};
bool jceks_params_parse(struct bytes der, struct jceks_params *ret);
/* The parameters and the ciphertext of an EncryptedPrivateKeyInfo of OID 1.3.6.1.4.1.42.2.19.1. */
bool jceks_key_parse(struct bytes sealed, struct jceks_params *ret, struct bytes *ret_cipher);
/* The bare cipher with the salt as it is; `in` is a multiple of 8. */
void jceks_run(const struct jceks_params *params, struct bytes pw, bool encrypt, struct bytes in,
               uint8_t *out);
enum err_code jceks_decrypt(const struct jceks_params *params, struct bytes cipher,
                            const struct jks_password *pw, uint64_t *work, struct secret *ret,
                            struct err *err);
/* Fresh parameters as DER, and the ciphertext. */
enum err_code jceks_encrypt(struct bytes plain, const struct jks_password *pw,
                            struct buf *ret_params, struct buf *ret_cipher, struct err *err);
/* Appends the EncryptedPrivateKeyInfo. */
enum err_code jceks_key_seal(const struct secret *pkcs8, const struct jks_password *pw,
                             struct buf *out, struct err *err);

/* A SealedObject at the start of `in`. NULL, or what is wrong with it. */
struct jceks_sealed {
	struct bytes params, content;
	size_t used;
};
const char *jceks_sealed_parse(struct bytes in, struct jceks_sealed *ret);
void jceks_sealed_write(struct bytes params, struct bytes content, struct buf *out);
/* The object stream inside: algorithm and key octets, borrowed. false: of no known shape. */
bool jceks_inner_parse(struct bytes in, struct bytes *ret_algorithm, struct bytes *ret_key);
void jceks_inner_write(struct bytes algorithm, struct bytes key, struct buf *out);
