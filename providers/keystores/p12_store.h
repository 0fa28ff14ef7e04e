/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * p12_store.h - a PKCS#12 file as a list of safes, each a list of bags, each with its octets.
 *
 * Two views: safes and bags are what is in the file and what edits change; entries are what Java
 * would see in it, rebuilt after every edit. Bags that no entry speaks of stay where they are.
 */
#pragma once

#include "providers/keystores/kscert.h"
#include "providers/keystores/p12_crypto.h"
#include "reconciler/base/map.h"

enum p12_bag_type { P12_KEY, P12_SHROUDED, P12_CERT, P12_SECRET, P12_OTHER };

struct p12_bag {
	enum p12_bag_type type;
	struct bytes raw;       /* whole SafeBag; empty for a key set since the decode */
	struct bytes attrs;     /* whole SET of attributes, or empty */
	struct bytes inner_oid; /* contents of a secret bag's type */
	struct bytes payload;   /* EncryptedPrivateKeyInfo, PrivateKeyInfo */
	struct ks_cert cert;
	const char *alias, *folded; /* NULL: no name */
	struct bytes key_id;
	bool trusted;
	bool in_chain, doomed; /* scratch of p12_model.c and p12_edit.c */
	unsigned warnings;
	const struct p12_alg *alg; /* NULL: not encrypted, or not known to us */
	struct secret plain;       /* what the payload decrypts to */
	bool opened;               /* by the key password */
	bool under_store;          /* by the store password, and not by the key password */
	struct secret own;         /* the password it is to have, whatever the others have */
	bool has_own;
	struct bytes judged; /* the leaf the key was held against */
	bool mismatch;
};

enum p12_safe_type { P12_SAFE_DATA, P12_SAFE_ENCRYPTED, P12_SAFE_OPAQUE };

struct p12_safe {
	enum p12_safe_type type;
	struct bytes raw;          /* whole ContentInfo; empty for a new one */
	const struct p12_alg *alg; /* of an encrypted one; NULL: by the profile */
	struct p12_opened opened;  /* where the ciphertext was, in one piece; else in `plain` */
	struct secret plain, normal;
	struct p12_bag *bags; /* heap */
	size_t n, cap;
	bool edited;
};

struct p12_mac {
	bool present, pbmac1;
	const struct nettle_hash *hash;
	uint64_t iterations;
	size_t salt_n;
	struct bytes raw; /* whole MacData */
};

struct p12_entry {
	const char *alias, *folded;
	enum keystore_entry_kind kind;
	int64_t created_ms;
	const struct bytes *chain;
	struct p12_bag *const *chain_bags; /* KS_KEY only */
	size_t n_chain;
	unsigned warnings;
	struct p12_bag *bag;
};

/* What was encrypted in one piece is decrypted where it lies, not copied: `raw` and `pfx` go out
 * through p12_write.c, which encrypts a copy of it again. */
struct p12 {
	struct keystore base;
	struct arena arena; /* lives as long as the store */
	struct secret file, normal_file, normal_auth;
	struct bytes pfx, auth; /* the PFX as read; contents of authSafe */
	struct p12_safe *safes; /* heap */
	size_t n, cap;
	size_t n_bags; /* read */
	struct p12_mac mac;
	unsigned warnings;
	struct secret store_password, key_password; /* given to decode */
	bool has_store_password, has_key_password;
	bool respell; /* the file's spelling of the password is not the one we write */
	bool edited;
	struct arena model; /* of entries */
	struct p12_entry *entries;
	size_t n_entries, cap_entries;
	size_t n_keys;      /* of entries */
	struct map names;   /* folded aliases; some may be gone again */
	struct map issuers; /* canonical names of those that certified what is in the chains */
};

struct p12 *p12_of(struct keystore *ks);
const struct p12 *p12_of_const(const struct keystore *ks);
enum err_code p12_new(struct p12 **ret, struct err *err);
void p12_free(struct p12 *p12);
void cleanup_p12(struct p12 **p12);
/* Zeroed room at `at`; NULL: no memory. Pointers into the array move. */
struct p12_safe *p12_safe_insert(struct p12 *p12, size_t at);
struct p12_bag *p12_bag_insert(struct p12_safe *safe, size_t at);
/* Room for so many in an empty one. false: no memory. */
bool p12_bags_reserve(struct p12_safe *safe, size_t n);
void p12_bag_erase(struct p12_safe *safe, size_t at);

enum err_code p12_decode(const struct bytes *parts, size_t n_parts,
                         const struct keystore_passwords *pw, struct keystore **ret,
                         struct err *err);
/* Bags of one SafeContents, appended to the safe. */
enum err_code p12_bags_read(struct p12 *p12, struct p12_safe *safe, struct bytes contents,
                            struct err *err);

/* `pw` learns in `first` what the MAC was right with. ERR_DENIED: with none. */
enum err_code p12_mac_read(struct bytes whole, struct bytes auth, struct p12_password *pw,
                           uint64_t *work, struct p12_mac *ret, struct err *err);
/* Prepends a MacData with a fresh salt. */
enum err_code p12_mac_write(const struct p12_mac *like, struct bytes auth,
                            const struct p12_password *pw, struct der_writer *w, struct err *err);

enum err_code p12_model_build(struct p12 *p12, struct err *err);
/* Instead, for a trusted certificate under a new alias that was put at the very end and belongs to
 * no chain. false: it has to be built anew. */
bool p12_model_add_trusted(struct p12 *p12, struct p12_bag *bag);
/* Instead, for a trusted certificate in the place of another under its alias, neither of which
 * belongs to a chain: takes `by` into the bag that is there. false: nothing was changed. */
bool p12_model_replace_trusted(struct p12 *p12, const struct p12_bag *by);
/* Once, after reading: Java's names for what has none, and its guesses at key identifiers. */
enum err_code p12_name_bags(struct p12 *p12, struct err *err);

enum err_code p12_set_key(struct keystore *ks, const char *alias, const struct secret *pkcs8,
                          const struct bytes *chain, size_t n_chain, int64_t created_ms,
                          struct err *err);
enum err_code p12_set_trusted(struct keystore *ks, const char *alias, struct bytes cert,
                              int64_t created_ms, struct err *err);
enum err_code p12_remove(struct keystore *ks, const char *alias, struct err *err);
enum err_code p12_rename(struct keystore *ks, const char *from, const char *to, struct err *err);
enum err_code p12_set_key_password(struct keystore *ks, const char *alias, const struct secret *old,
                                   const struct secret *new_pw, struct err *err);
enum err_code p12_secret(const struct keystore *ks, size_t i, struct keystore_secret_key *ret,
                         struct err *err);
enum err_code p12_set_secret(struct keystore *ks, const char *alias,
                             const struct keystore_secret_key *key, int64_t created_ms,
                             struct err *err);
void p12_facts(const struct keystore *ks, void (*say)(void *ctx, const struct keystore_fact *f),
               void *ctx);
/* SecretKey of Java as SEQUENCE { 0, AlgorithmIdentifier, OCTET STRING }, and back. */
enum err_code p12_secret_encode(const struct keystore_secret_key *key, struct secret *ret,
                                struct err *err);
enum err_code p12_secret_decode(struct bytes inner, struct keystore_secret_key *ret,
                                struct err *err);
/* Is there something in the bag that a password closes? */
bool p12_bag_is_sealed(const struct p12_bag *bag);
/* Decrypt its payload into *ret, filling bag->alg. ERR_DENIED: another password; ERR_INVALID: not
 * an encryption we know, or too much work for it (*work is 0 when it was more than is left). */
enum err_code p12_bag_open(struct p12 *p12, struct p12_bag *bag, const struct p12_password *pw,
                           uint64_t *work, struct secret *ret, struct err *err);
/* A name for the bag in its attributes, the others kept; raw is made anew when there is one. */
enum err_code p12_bag_rename(struct p12 *p12, struct p12_bag *bag, const char *folded,
                             struct err *err);
enum err_code p12_finish(struct p12 *p12, struct der_writer *w, struct bytes *ret, struct err *err);

/* What a profile word asks for; NULL: no such word. */
struct p12_profile {
	const char *word;
	enum p12_suite keys, certs;
	bool pbmac1;
	const struct nettle_hash *mac;
};
extern const struct p12_profile p12_profiles[4]; /* the default first */
const struct p12_profile *p12_profile_by_word(const char *word);
/* The one the store follows; NULL: none ("custom"). */
const struct p12_profile *p12_profile_of(const struct p12 *p12);

enum err_code p12_encode(const struct keystore *ks, const struct keystore_encode *how,
                         struct keystore_part ret[KEYSTORE_PARTS_MAX], size_t *ret_n,
                         struct err *err);

#define P12_OID_DATA           "1.2.840.113549.1.7.1"
#define P12_OID_ENCRYPTED_DATA "1.2.840.113549.1.7.6"
#define P12_OID_SIGNED_DATA    "1.2.840.113549.1.7.2"
#define P12_OID_ENVELOPED_DATA "1.2.840.113549.1.7.3"
#define P12_OID_KEY            "1.2.840.113549.1.12.10.1.1"
#define P12_OID_SHROUDED       "1.2.840.113549.1.12.10.1.2"
#define P12_OID_CERT           "1.2.840.113549.1.12.10.1.3"
#define P12_OID_SECRET         "1.2.840.113549.1.12.10.1.5"
#define P12_OID_X509           "1.2.840.113549.1.9.22.1"
#define P12_OID_NAME           "1.2.840.113549.1.9.20"
#define P12_OID_KEY_ID         "1.2.840.113549.1.9.21"
#define P12_OID_TRUSTED        "2.16.840.1.113894.746875.1.1"
#define P12_OID_ANY_USAGE      "2.5.29.37.0"
