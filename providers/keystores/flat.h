/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flat.h - the model behind formats without aliases: one key, its chain, other certificates.
 *
 * An item is one block of a file with the text in front of it. What no edit named is written as it
 * was read, comments included. Of the certificates in a store with a key, the leaf is the one that
 * matches, its chain is the path of issuers in the file; roots and what else is there are trusted
 * entries, whose alias is the start of their SHA-256.
 */
#pragma once

#include "providers/keystores/kscert.h"
#include "providers/keystores/ksutil.h"
#include "reconciler/base/map.h"

#define FLAT_PARTS_MAX  4
#define FLAT_ALIAS_TEXT 17

enum flat_kind { FLAT_KEY, FLAT_CERT, FLAT_OTHER };

struct flat_item {
	enum flat_kind kind;
	size_t part;      /* of raw */
	struct bytes raw; /* as read; empty for what was set since */
	struct ks_cert cert;
	const char *alias;
	struct secret key; /* PKCS#8, when it opened */
	bool opened;
	bool in_chain;
	unsigned warnings;
};

struct flat_entry {
	struct keystore_entry entry;
	size_t item;
};

struct flat {
	struct keystore base;
	struct arena arena;
	struct secret files[FLAT_PARTS_MAX];
	struct bytes tails[FLAT_PARTS_MAX]; /* text behind the last block */
	struct flat_item *items;            /* heap */
	size_t n, cap;
	bool edited;
	uint64_t work; /* left for opening its keys */
	void *own;     /* what else the format remembers; in the arena */
	struct arena model;
	struct flat_entry *entries;
	size_t n_entries, cap_entries;
	bool stale;         /* items have come or gone since the entries were made */
	struct map trusted; /* alias to the first trusted entry that has it */
};

struct flat *flat_of(struct keystore *ks);
const struct flat *flat_of_const(const struct keystore *ks);
enum err_code flat_new(const struct keystore_ops *ops, struct flat **ret, struct err *err);
void cleanup_flat(struct flat **flat);

/* Zeroed room at `at`; NULL: no memory. */
struct flat_item *flat_insert(struct flat *flat, size_t at);
void flat_erase(struct flat *flat, size_t at);
/* What a certificate is called: the start of its SHA-256. */
void flat_alias_of(struct bytes der, char ret[FLAT_ALIAS_TEXT]);
/* A certificate item from DER in the arena or the files. ERR_NOMEM only. */
enum err_code flat_fill_cert(struct flat *flat, struct flat_item *item, struct bytes der,
                             struct err *err);
/* Open a key given in any shape with the key password; what does not open, or asks for too much
 * work, gets its warning. */
enum err_code flat_fill_key(struct flat *flat, struct flat_item *item, struct bytes in,
                            const struct keystore_passwords *pw, struct err *err);
/* PKCS#8, encrypted or not, PKCS#1 or SEC1, as far as one can see from outside. */
bool flat_is_der_key(struct bytes der);
/* ERR_INVALID: there are two different keys. */
enum err_code flat_check_keys(const struct flat *flat, struct err *err);
/* Entries anew, after reading and after every edit. */
enum err_code flat_model_build(struct flat *flat, struct err *err);
/* Instead, when the entries were right until a certificate was put at the very end. false: it has
 * to be built anew. */
bool flat_model_append(struct flat *flat);
/* The trusted entry with this alias; NULL: there is none. */
const struct flat_entry *flat_find_trusted(const struct flat *flat, const char *folded);
/* The end of create: builds the model and gives the store away; *flat stays the caller's on
 * failure. */
enum err_code flat_hand_over(struct flat **flat, struct keystore **ret, struct err *err);
/* The end of decode: the keys are checked first. */
enum err_code flat_hand_over_read(struct flat **flat, struct keystore **ret, struct err *err);

/* PEM text of one part: read into items, and items written back. */
enum err_code flat_read_pem(struct flat *flat, size_t part, struct bytes in,
                            const struct keystore_passwords *pw, struct err *err);
enum err_code flat_write_pem(const struct flat_item *item, bool traditional, struct buf *out,
                             struct err *err);

/* Members of the table that all flat formats share. */
size_t flat_count(const struct keystore *ks);
void flat_entry(const struct keystore *ks, size_t i, struct keystore_entry *ret);
unsigned flat_warnings(const struct keystore *ks);
const char *flat_profile(const struct keystore *ks);
enum err_code flat_key(const struct keystore *ks, size_t i, struct secret *ret, struct err *err);
enum err_code flat_set_key(struct keystore *ks, const char *alias, const struct secret *pkcs8,
                           const struct bytes *chain, size_t n_chain, int64_t created_ms,
                           struct err *err);
enum err_code flat_set_trusted(struct keystore *ks, const char *alias, struct bytes cert,
                               int64_t created_ms, struct err *err);
enum err_code flat_remove(struct keystore *ks, const char *alias, struct err *err);
void flat_close(struct keystore *ks);
