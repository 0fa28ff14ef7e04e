/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_model.h - the decrypted meaning of a keystore, and how two of them differ.
 *
 * Ciphertext, salts, order and MAC are the business of a format and change with every write; what
 * is compared here is what a program that reads the store would find. One model for all who look:
 * observation, the keystore tool, adoption.
 */
#pragma once

#include "state/observed.h"

/* What an entry has beyond what the reconciler compares. */
struct entry_details {
	int64_t created_ms; /* -1 unknown */
	/* Bag attributes, one text; NULL: none, or a format without. */
	const char *attributes;
	/* KS_SECRET, when it opens. */
	const char *secret_algorithm;
	uint8_t secret_sha256[SHA256_BYTES];
};

struct store_model {
	struct obs_store row; /* as observe() makes it, without the facts about files */
	bool has_aliases;
	const struct entry_details *details; /* of each entry */
};

/* Format, profile, warnings and entries of an open store into *row; the rest of the row stays. */
enum err_code store_model_take(const struct keystore *ks, struct arena *arena,
                               struct seen_certs *certs, struct obs_store *row, struct err *err);
/* All there is to know. Certificates of models to be compared come from one set. */
enum err_code store_model(const struct keystore *ks, struct arena *arena, struct seen_certs *certs,
                          struct store_model *ret, struct err *err);

enum store_difference_kind {
	STORE_ONLY_LEFT,
	STORE_ONLY_RIGHT,
	STORE_KIND,
	STORE_CERTIFICATE, /* the leaf, or the trusted certificate */
	STORE_CHAIN,       /* above the leaf */
	STORE_KEY,         /* another key, or one of them does not open */
	STORE_SECRET,
	STORE_ATTRIBUTES,
	STORE_DATE, /* only when asked for */
};
struct store_difference {
	enum store_difference_kind kind;
	const char *alias;                    /* as written on the left, else on the right */
	const struct obs_entry *left, *right; /* NULL: not there */
};
const char *store_difference_name(enum store_difference_kind k); /* "only-left" */

/* By folded alias; of entries with one alias, the last, which is the one Java sees. In formats
 * without aliases (and against them) entries are matched by what they hold. A trailing self-signed
 * root is never a difference. `dates`: nor is a date, unless set. Sorted by alias; empty: the two
 * mean the same. Pure. */
enum err_code store_model_diff(const struct store_model *left, const struct store_model *right,
                               bool dates, struct arena *arena, const struct store_difference **ret,
                               size_t *ret_n, struct err *err);

/* What is left to keep of a model that is only compared: two stores of one format, with aliases,
 * mean the same when these are equal; store_model_diff() finds nothing then, and something else. */
struct store_meaning {
	uint8_t sha256[SHA256_BYTES];
	uint8_t dated[SHA256_BYTES]; /* the same, and dates */
};
enum err_code store_model_meaning(const struct store_model *m, struct store_meaning *ret,
                                  struct err *err);
