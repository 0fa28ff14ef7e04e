/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keystore.h - bytes in, entries out, edits, bytes out. Pure: no file, no clock, no password
 * source.
 *
 * An edit touches the alias it names; everything else is written back as it was read (unknown bags,
 * attributes, dates, other entries' ciphertext), whatever keytool would do.
 *
 * Some formats are several files (key and certificate apart): a store is then made of parts. Part 0
 * lies at the path the user wrote, the others at the same path with the part's suffix in place of
 * the extension.
 *
 * Ownership: strings and bytes returned are borrowed from the keystore until its next edit or
 * close. Threads:   one keystore, one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reconciler/base/buf.h"
#include "reconciler/base/bytes.h"
#include "reconciler/base/clock.h"
#include "reconciler/base/err.h"
#include "reconciler/base/secret.h"

#define KEYSTORE_OPS_VERSION 1u
#define KEYSTORE_PARTS_MAX   3
#define KEYSTORE_FILE_LIMIT  ((size_t)64 << 20)

struct keystore;

enum keystore_entry_kind { KS_KEY, KS_TRUSTED, KS_SECRET, KS_OPAQUE };

enum keystore_warning {
	KS_WARN_DUPLICATE_ALIAS = 1u << 0,
	KS_WARN_UNREACHABLE_ALIAS = 1u << 1, /* upper case in a JKS file */
	KS_WARN_KEY_UNREADABLE = 1u << 2,    /* does not open with the key password given */
	KS_WARN_BAD_CERTIFICATE = 1u << 3,
	KS_WARN_NO_MAC = 1u << 4, /* integrity not protected */
	KS_WARN_WEAK = 1u << 5,   /* RC2-40, RC4, single DES, MD5 */
	KS_WARN_TRAILING_BYTES = 1u << 6,
	KS_WARN_KEY_MISMATCH = 1u << 7,       /* the leaf is for another key than the entry's */
	KS_WARN_PASSWORD_NOT_ASCII = 1u << 8, /* Java refuses it in this format */
};

struct keystore_entry {
	const char *alias;  /* as written, UTF-8; "" for formats without aliases */
	const char *folded; /* as Java compares: full Unicode lower case */
	enum keystore_entry_kind kind;
	int64_t created_ms;        /* since 1970; -1 unknown */
	const struct bytes *chain; /* DER; KS_KEY leaf first; KS_TRUSTED one */
	size_t n_chain;
	unsigned warnings;
};

struct keystore_passwords {
	const struct secret *store; /* NULL: none */
	const struct secret *key;   /* NULL: the same as store */
	/* Names and certificates suffice: keys that cost a derivation stay closed, and nothing is
	 * said about whether they open. */
	bool keys_closed;
};

struct keystore_part {
	const char *suffix;  /* "" for part 0, ".key" ... */
	bool private;        /* holds a key: mode at most 0640 */
	struct secret bytes; /* wiped when released */
};

struct keystore_encode {
	struct keystore_passwords passwords;
	const char
		*profile; /* pkcs12Profile word, NULL: keep what the store has, else the default */
	bool traditional; /* pem: PKCS#1 / SEC1 private keys */
	/* zip: what its members are called, "NAME.key"; NULL: as in the store read, else
	 * "certificate". */
	const char *name;
	/* As keytool -storepasswd of JKS: keys read keep the password they are under. Else those
	 * under the store password, or the key password, given to decode follow the new one. */
	bool keys_stay;
};

/* As Java sees it: "AES", "HmacSHA256", or a dotted OID where there is no name. */
struct keystore_secret_key {
	char algorithm[64];
	struct secret key;
};

/* One thing `keystore inspect` shows: "mac", "macIterations", "keyProtection", "attributes" ... */
struct keystore_fact {
	size_t entry; /* SIZE_MAX: about the whole store */
	const char *name, *value;
};

struct keystore_ops {
	unsigned version;
	const char *type; /* the word in YAML: "jks" */
	bool has_aliases; /* several named entries in one store */
	bool has_password;
	const char *const *suffixes; /* of the parts, part 0 = "" first, NULL-terminated */

	/* By content alone. */
	bool (*recognises)(struct bytes file);

	/* n_parts bytes in the order of `suffixes`; an absent part has p == NULL. ERR_DENIED: wrong
	 * password (or modified; the two are told apart where the format can). ERR_INVALID:
	 * damaged, with offset and sentence. */
	enum err_code (*decode)(const struct bytes *parts, size_t n_parts,
	                        const struct keystore_passwords *pw, struct keystore **ret,
	                        struct err *err);
	/* An empty one. */
	enum err_code (*create)(struct keystore **ret, struct err *err);

	size_t (*count)(const struct keystore *ks);
	void (*entry)(const struct keystore *ks, size_t i, struct keystore_entry *ret);
	/* Store-wide warnings and the profile word that describes it ("Modern2023", "LegacyRC2",
	 * "custom"; NULL where the format has none). */
	unsigned (*warnings)(const struct keystore *ks);
	const char *(*profile)(const struct keystore *ks);
	/* Private key of entry i as PKCS#8, by the key password given to decode. ERR_DENIED: does
	 * not open. */
	enum err_code (*key)(const struct keystore *ks, size_t i, struct secret *ret,
	                     struct err *err);

	/* Insert or replace the entry whose folded alias is alias's. chain leaf first; may not be
	 * empty. created_ms of a replaced entry becomes the new one. */
	enum err_code (*set_key)(struct keystore *ks, const char *alias, const struct secret *pkcs8,
	                         const struct bytes *chain, size_t n_chain, int64_t created_ms,
	                         struct err *err);
	enum err_code (*set_trusted)(struct keystore *ks, const char *alias, struct bytes cert,
	                             int64_t created_ms, struct err *err);
	/* ERR_NOT_FOUND when there is none. */
	enum err_code (*remove)(struct keystore *ks, const char *alias, struct err *err);
	/* The alias alone changes; the entry stays byte for byte. Of several entries with one
	 * alias, the one Java sees. ERR_NOT_FOUND; ERR_CONFLICT: the new folded name is another
	 * entry's; ERR_INVALID: a format without aliases. */
	enum err_code (*rename)(struct keystore *ks, const char *from, const char *to,
	                        struct err *err);
	/* `old` opens the key of the alias (NULL: what decode opened it with), `new_pw` closes it
	 * in every encode from now on, whatever key password that is given. ERR_NOT_FOUND;
	 * ERR_DENIED: `old` does not open it; ERR_INVALID: no key, or a format without key
	 * passwords. */
	enum err_code (*set_key_password)(struct keystore *ks, const char *alias,
	                                  const struct secret *old, const struct secret *new_pw,
	                                  struct err *err);
	/* The secret key of a KS_SECRET entry. ERR_DENIED: does not open; ERR_INVALID: no secret,
	 * or one of a sort not known. The caller releases ret->key. */
	enum err_code (*secret)(const struct keystore *ks, size_t i,
	                        struct keystore_secret_key *ret, struct err *err);
	/* ERR_INVALID: the format cannot hold secret keys. */
	enum err_code (*set_secret)(struct keystore *ks, const char *alias,
	                            const struct keystore_secret_key *key, int64_t created_ms,
	                            struct err *err);

	/* As many parts as `suffixes` has; released by the caller. Fresh salts for what changed
	 * only. */
	enum err_code (*encode)(const struct keystore *ks, const struct keystore_encode *how,
	                        struct keystore_part ret[KEYSTORE_PARTS_MAX], size_t *ret_n,
	                        struct err *err);
	/* One call per fact, those of the store first, then entry by entry; name and value are
	 * borrowed for the call. */
	void (*facts)(const struct keystore *ks,
	              void (*say)(void *ctx, const struct keystore_fact *f), void *ctx);
	void (*close)(struct keystore *ks); /* accepts NULL */
};

/* First member of the concrete type. */
struct keystore {
	const struct keystore_ops *ops;
	/* Nobody tried to open its keys, because decode was told not to; key() and secret() give
	 * none. */
	bool keys_closed;
};

/* Where the part with this suffix lies: "/a/web.crt" with ".key" is "/a/web.key"; "" is the path
 * itself. Heap; NULL: no memory. */
char *keystore_part_path(const char *path, const char *suffix);
void keystore_part_release(struct keystore_part *p);
bool keystore_holds_key(const struct keystore *ks); /* any private key */
/* Entry i of `from` into `to` under that alias: replaces what has it. now_ms stands in for a date
 * that is not known. ERR_INVALID: `to` has no place for such an entry (or for a second key);
 * ERR_DENIED: the entry does not open. */
enum err_code keystore_copy(const struct keystore *from, size_t i, const char *alias,
                            int64_t now_ms, struct keystore *to, struct err *err);
/* Passwords that a store may be under: the present ones, and those it had before. */
struct keystore_tries {
	struct keystore_passwords present;
	const struct secret *previous;
	size_t n_previous;
};
/* With the first that opens the store, and its keys with the one that opens most of them.
 * *ret_which: 0 the present ones, k + 1 when previous[k] was needed for the store or its keys,
 * n_previous + 1 when the keys are under the store's password instead of their own, -1 a format
 * without passwords. ERR_DENIED: none opens it. */
enum err_code keystore_open(const struct keystore_ops *ops, const struct bytes *parts,
                            size_t n_parts, const struct keystore_tries *t, struct keystore **ret,
                            int *ret_which, struct err *err);
/* Java's String.toLowerCase(Locale.ENGLISH); heap. NULL: no memory. */
char *alias_fold(const char *alias);

/* The first of `formats` that recognises the content of part 0. ERR_INVALID: none does; the message
 * names what it is where that is known, the hint says what to do with it. */
enum err_code keystore_identify(const struct keystore_ops *const *formats, size_t n,
                                struct bytes file, const struct keystore_ops **ret,
                                struct err *err);
/* ERR_INVALID, as above, for the formats that we know and do not read (BKS, UBER, KDB, DKS, SST,
 * PVK); else ERR_OK. */
enum err_code keystore_refuse_foreign(struct bytes file, struct err *err);

extern const struct keystore_ops keystore_pem, keystore_pem_split, keystore_der, keystore_jks,
	keystore_jceks, keystore_pkcs12, keystore_p7b, keystore_zip, keystore_bcfks;
