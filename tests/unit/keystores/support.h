/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * support.h - keys, certificates, tools and one textual form for "what is in this store", which
 * KeystoreOracle.java prints for Java's view of the same file.
 */
#pragma once

#include "providers/keystore.h"
#include "reconciler/base/buf.h"
#include "reconciler/base/str.h"
#include "tests/unit/unit.h"

struct identity {
	struct secret key; /* PKCS#8 */
	struct bytes der;
};

/* root <- inter <- web (EC), api (RSA), web2 (EC, another key); other: another root. */
struct world {
	char *dir;
	struct identity root, inter, web, api, web2, other;
	struct bytes web_chain[3], api_chain[3], web2_chain[3]; /* leaf, inter, root */
};
extern struct world world;

/* Unchecked fixtures: made once per program, as files too: web.der, web.key (PKCS#8 DER), web.pem,
 * web.key.pem, and so on, and chain.pem (inter, root). */
void world_make(void);
void world_drop(void);

/* Heap. A path in the scratch directory. */
char *path_of(const char *name);
void put_file(const char *name, struct bytes data);
struct bytes get_file(const char *name); /* heap inside; free((void *)p) */

/* Feed a script to the oracle ("%s" stands for the directory, where fmt asks for it); its output,
 * heap. Fails the test when Java fails. */
char *oracle(const char *fmt, ...) ATTR_PRINTF(1, 2);
/* Run through the shell-less proc_check; words separated by spaces, %D is the directory. stdout,
 * heap. Fails the test when the exit status is not 0. */
char *tool(const char *words);
/* The exit status only. */
int tool_status(const char *words);

struct secret *password(const char *s); /* borrowed until the next of the same slot */
struct keystore_passwords passwords(const char *store, const char *key);

/* Decode part 0 (and 1), or fail the test. */
struct keystore *decode(const struct keystore_ops *ops, const char *name, const char *store,
                        const char *key);
enum err_code decode_code(const struct keystore_ops *ops, struct bytes in, const char *store,
                          const char *key, struct err *err);
/* Encode to a file of that name; with the profile or NULL. */
void encode(const struct keystore *ks, const char *name, const char *store, const char *key,
            const char *profile);
/* The oracle's form. */
char *describe(const struct keystore *ks);
/* Entry by alias; fails the test when there is none. */
struct keystore_entry entry_of(const struct keystore *ks, const char *alias);
void must_set_key(struct keystore *ks, const char *alias, const struct identity *id,
                  const struct bytes *chain, size_t n, int64_t created_ms);
void must_set_trusted(struct keystore *ks, const char *alias, struct bytes cert);
void must_remove(struct keystore *ks, const char *alias);
bool contains(struct bytes whole, struct bytes piece);
