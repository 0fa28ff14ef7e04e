/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * material.h - keys and certificates out of any number of files, put together again.
 *
 * A key and its certificate need not lie in one file: they find each other by the public key, and
 * a chain finds its issuers among all certificates that were given.
 */
#pragma once

#include "reconciler/cli/store_file.h"
#include "reconciler/pki/chain.h"

enum piece_kind {
	PIECE_IDENTITY,    /* key and chain */
	PIECE_KEY,         /* a key whose certificate is not here */
	PIECE_CERTIFICATE, /* without a key */
	PIECE_SECRET,
};
struct piece {
	enum piece_kind kind;
	const char *file;
	const char *alias;   /* "" where the format has none */
	struct secret pkcs8; /* identity, key */
	bool has_spki;
	uint8_t spki_sha256[SHA256_BYTES]; /* of the key */
	struct chain chain; /* leaf first; a certificate: itself and the issuers found */
	bool trusted;       /* a trusted entry of a store with aliases */
	bool used;          /* part of another piece's chain */
	struct piece *same; /* the next of the same certificate, once they are matched */
	int64_t created_ms; /* -1 unknown */
	struct keystore_secret_key secret;
};
struct material {
	struct store_tool *tool;
	struct piece *v; /* heap */
	size_t n, cap;
	const struct cert **pool; /* every certificate there is */
	size_t n_pool, cap_pool;
};
void material_init(struct material *m, struct store_tool *t);
void material_release(struct material *m);
/* What is in the file, by its content: a store, or a bare private key. */
enum err_code material_read(struct material *m, const char *path, const struct store_words *words,
                            struct err *err);
/* Once all files are read: lone keys to their certificates, chains completed. */
enum err_code material_match(struct material *m, struct err *err);
/* "web" for "/etc/ssl/Web.PEM": a name made of the file's. */
const char *material_stem(struct arena *arena, const char *path);
