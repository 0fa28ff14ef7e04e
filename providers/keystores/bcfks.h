/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bcfks.h - BouncyCastle's FIPS keystore, which we read and do not write.
 */
#pragma once

#include "providers/keystores/ksutil.h"
#include "reconciler/pki/der.h"

enum bcfks_type {
	BCFKS_CERTIFICATE,
	BCFKS_PRIVATE_KEY,
	BCFKS_SECRET_KEY,
	BCFKS_PROTECTED_PRIVATE_KEY, /* encrypted by whoever put it there */
	BCFKS_PROTECTED_SECRET_KEY,
};

struct bcfks_entry {
	const char *alias; /* compared as it is: BouncyCastle does not fold */
	enum bcfks_type type;
	int64_t created_ms;
	const struct bytes *chain;
	size_t n_chain;
	struct bytes alg, data; /* of the encrypted key */
	bool opened;
	struct secret key; /* PKCS#8, or SecretKeyData */
	unsigned warnings;
};

struct bcfks {
	struct keystore base;
	struct arena arena;
	struct secret key_password;
	bool has_key_password;
	struct secret plain; /* ObjectStoreData */
	struct bcfks_entry *entries;
	size_t n;
	char mac[64], encryption[64], derivation[64]; /* for people */
};

/* From an AlgorithmIdentifier of PBES2 with AES-256 in CCM or KWP, or anything PKCS#12 knows.
 * ERR_DENIED: the password does not open it. `label` parts the uses of one password. */
struct bcfks_sealed {
	struct bytes alg; /* whole */
	struct bytes data;
	const char *label;
};
enum err_code bcfks_open(const struct bcfks_sealed *s, const struct secret *password,
                         uint64_t *work, struct secret *ret, struct err *err);
/* PbkdMacIntegrityCheck (the cursor inside it) over `content`. *ret_right tells. */
enum err_code bcfks_check_mac(struct der *check, struct bytes content,
                              const struct secret *password, uint64_t *work, bool *ret_right,
                              struct err *err);
/* "scrypt", "PBKDF2, HMAC-SHA-512, 51200 iterations": what an AlgorithmIdentifier says. */
void bcfks_derivation_text(struct der d, char *out, size_t out_size);
void bcfks_cipher_text(struct bytes alg, char *out, size_t out_size);

/* ObjectStoreData in bc->plain to entries, sorted by alias. */
enum err_code bcfks_read_objects(struct bcfks *bc, uint64_t *work, struct err *err);
/* Open the key of an entry with the key password. */
enum err_code bcfks_open_entry(const struct bcfks *bc, const struct bcfks_entry *e, uint64_t *work,
                               struct secret *ret, struct err *err);
