/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ksutil.h - what the formats with passwords and aliases share.
 */
#pragma once

#include <stdbool.h>

#include "providers/keystore.h"
#include "reconciler/base/arena.h"

#define KS_ENTRIES_MAX 100000u
#define KS_CHAIN_MAX   100u
#define KS_MATCHES_MAX 2000u /* keys held against their certificates, which costs a point each */

/* A copy; NULL stays "none". *ret_given tells which. */
enum err_code ks_secret_copy(const struct secret *from, struct secret *ret, bool *ret_given,
                             struct err *err);
/* The key password that applies: pw->key, else pw->store, else NULL. */
const struct secret *ks_key_password(const struct keystore_passwords *pw);
/* Same password, "none" equal to "none" only. */
bool ks_password_equal(const struct secret *a, const struct secret *b);
/* 0x20 to 0x7e: what Java allows in PKCS#12 and for JCEKS keys. */
bool ks_is_printable_ascii(const struct secret *s);
/* UTF-16BE of a password, with a 16-bit zero behind it when `terminated`. ERR_INVALID: no UTF-8. */
enum err_code ks_password_wide(const struct secret *pw, bool terminated, struct secret *ret,
                               struct err *err);
/* alias_fold() into the arena; NULL: no memory. */
const char *ks_fold(struct arena *arena, const char *alias);
/* Is this exactly one DER SEQUENCE: what a certificate or a PKCS#8 key must at least be? */
bool ks_is_sequence(struct bytes der);
/* Is the certificate certainly for another key than this PKCS#8? What is not known is not. */
bool ks_key_is_another(struct bytes pkcs8, struct bytes leaf);
/* Copies of a chain's certificates in the arena; ERR_INVALID for none, too many, or no DER. */
enum err_code ks_chain_copy(struct arena *arena, const struct bytes *chain, size_t n,
                            struct bytes **ret, struct err *err);

/* Where facts go, and which entry they are about (SIZE_MAX: the store). */
struct ks_saying {
	void (*say)(void *ctx, const struct keystore_fact *f);
	void *ctx;
	size_t entry;
};

void ks_tell(const struct ks_saying *s, const char *name, const char *value);
void ks_tell_number(const struct ks_saying *s, const char *name, uint64_t n);

/* Members of the table for formats that have no such thing. */
enum err_code ks_no_rename(struct keystore *ks, const char *from, const char *to, struct err *err);
enum err_code ks_no_key_password(struct keystore *ks, const char *alias, const struct secret *old,
                                 const struct secret *new_pw, struct err *err);
enum err_code ks_no_secret(const struct keystore *ks, size_t i, struct keystore_secret_key *ret,
                           struct err *err);
enum err_code ks_no_set_secret(struct keystore *ks, const char *alias,
                               const struct keystore_secret_key *key, int64_t created_ms,
                               struct err *err);
void ks_no_facts(const struct keystore *ks, void (*say)(void *ctx, const struct keystore_fact *f),
                 void *ctx);
