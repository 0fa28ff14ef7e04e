/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_impl.h - what the files of the store share among themselves. Nobody else includes it but
 * tests.
 */
#pragma once

#include "state/db.h"
#include "state/store.h"

struct store {
	struct db *db;
	char *dir; /* resolved */
	char *master_path;
	struct master_source *master_source; /* NULL: the file */
	enum store_mode mode;
	const struct clock *clock;
	int lock_fd;
	char id[17];
	bool made_master_key;
	bool noted;             /* the transaction under way changes what plans read */
	bool collections_read;  /* ... and `collections` was read in it */
	int64_t collections;    /* how often certificates were swept */
	struct secret data_key; /* empty: not unwrapped yet */
	struct buf wrapped;     /* the box it came from: a rekey elsewhere is noticed */
	struct ca_books books;
};

enum store_tx {
	TX_READ,
	TX_OPERATOR,       /* also beside a running reconciler */
	TX_RECONCILER,     /* holders of the lock only */
	TX_OPERATOR_QUIET, /* plans do not read it: the revision stays */
	TX_RECONCILER_QUIET,
};
/* ERR_DENIED when the store was opened for less. */
enum err_code store_begin(struct store *s, enum store_tx kind, struct err *err);
/* Commit when rc is ERR_OK, else roll back; the outcome of both. */
enum err_code store_end(struct store *s, enum err_code rc, struct err *err);
struct wall store_now(const struct store *s);

/* store_lock.c: the lock, and the pid in its text. */
enum err_code store_lock(const char *dir, int *ret_fd, struct err *err);
/* ERR_CONFLICT: the lock is no longer the one of the directory, which was removed or replaced. */
enum err_code store_lock_holds(const char *dir, int fd, struct err *err);

/* store_certs.c */
/* One certificate, found or written. Inside a transaction. */
enum err_code cert_row_put(struct store *s, const struct cert *c, struct err *err);
enum err_code cert_row_put_seen(struct store *s, const struct seen_cert *c, struct err *err);
/* As above from DER alone; its digest when ret is not NULL. ERR_INVALID: no certificate. */
enum err_code cert_row_put_der(struct store *s, struct bytes der, uint8_t ret[SHA256_BYTES],
                               struct err *err);
enum err_code cert_row_der(struct store *s, const uint8_t sha256[SHA256_BYTES], struct buf *out,
                           struct err *err);

/* sealed rows, store_keys.c. Inside a transaction. */
enum err_code store_keys_open(struct store *s, struct err *err); /* at store_open */
enum err_code sealed_put(struct store *s, const char *kind, const char *name, int64_t number,
                         struct bytes plain, struct err *err);
/* ERR_NOT_FOUND: no such row. */
enum err_code sealed_get(struct store *s, const char *kind, const char *name, int64_t number,
                         struct secret *ret, struct err *err);

/* Every number of it under another name, sealed anew; none is fine, and one that is there under the
 * new name already stays. */
enum err_code sealed_rename(struct store *s, const char *kind, const char *from, const char *to,
                            struct err *err);

#define SEALED_IDENTITY  "identity"
#define SEALED_CA        "ca"
#define SEALED_GENERATED "generated"
#define SEALED_IMPORTED  "imported"

/* books.c */
void store_books_init(struct store *s);

/* A row of meta. *ret_found false: none. */
enum err_code meta_blob(struct store *s, const char *name, struct buf *ret, bool *ret_found,
                        struct err *err);
enum err_code meta_put_blob(struct store *s, const char *name, struct bytes v, struct err *err);
/* 0: there is none. */
enum err_code meta_int(struct store *s, const char *name, int64_t *ret, struct err *err);
enum err_code meta_put_int(struct store *s, const char *name, int64_t v, struct err *err);
#define META_COLLECTED_AT "collected_at"
#define META_COLLECTIONS  "collections"
