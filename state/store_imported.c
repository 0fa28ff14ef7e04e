/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_imported.c - pairs that a person brought in from files.
 *
 * They stand under names of their own and stay there while an identity adopts them: adopting is
 * then the same whether it happens now or again after a crash. Only when a pass finds them adopted
 * do they go: a key is not kept twice.
 */
#include <string.h>

#include "reconciler/pki/chain.h"
#include "state/store_impl.h"

#define CHAIN_BLOB_MAX ((size_t)64 << 10)

static enum err_code digests_of(struct chain c, struct buf *out, struct err *err)
{
	buf_init(out, CHAIN_BLOB_MAX);
	for (size_t i = 0; i < c.n; i++) {
		buf_add(out, c.v[i]->sha256, SHA256_BYTES);
	}
	return buf_check(out, "a chain", err);
}

/* *ret_same: the name holds this very chain. ERR_CONFLICT: another leaf. */
static enum err_code compare(struct store *s, const struct imported_pair *p, struct bytes digests,
                             bool *ret_same, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool found = false;
	enum err_code rc = db_query(s->db, "SELECT chain FROM imported WHERE name = ?1",
	                            DB_VALUES(db_text(p->name)), &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, &found, err);
	}
	if (rc != ERR_OK || !found) {
		return rc;
	}
	struct row r = row_of(q, "imported", /* arena= */ NULL);
	struct bytes there = row_blob(&r, 0);
	rc = row_check(&r, err);
	if (rc != ERR_OK) {
		return rc;
	}
	*ret_same = bytes_equal(there, digests);
	bool same_leaf = there.n >= SHA256_BYTES && memcmp(there.p, digests.p, SHA256_BYTES) == 0;
	if (!same_leaf && !p->replace) {
		(void)err_set(err, ERR_CONFLICT, "another pair was imported under that name");
		return err_hint(err,
		                "--name gives this one another, --replace puts it in its place");
	}
	return ERR_OK;
}

static enum err_code put(struct store *s, const struct imported_pair *p, struct bytes digests,
                         struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < p->chain.n; i++) {
		rc = cert_row_put(s, p->chain.v[i], err);
	}
	if (rc == ERR_OK) {
		rc = db_run(s->db,
		            "INSERT INTO imported (name, chain, imported_at) VALUES (?1, ?2, ?3)"
		            " ON CONFLICT (name) DO UPDATE SET chain = ?2, imported_at = ?3",
		            DB_VALUES(db_text(p->name), db_blob(digests), db_wall(store_now(s))),
		            err);
	}
	if (rc == ERR_OK) {
		rc = db_run(s->db, "DELETE FROM sealed WHERE kind = 'imported' AND name = ?1",
		            DB_VALUES(db_text(p->name)), err);
	}
	return rc == ERR_OK ? sealed_put(s, SEALED_IMPORTED, p->name, 0, secret_view(p->pkcs8), err)
	                    : rc;
}

static enum err_code import(struct store *s, const struct imported_pair *p, bool *ret_written,
                            struct err *err)
{
	CLEANUP(buf_release) struct buf digests = { 0 };
	bool same = false;
	enum err_code rc = p->chain.n == 0 ? err_set(err, ERR_INVALID, "an empty chain")
	                                   : digests_of(p->chain, &digests, err);

	if (rc == ERR_OK) {
		rc = compare(s, p, buf_view(&digests), &same, err);
	}
	if (rc == ERR_OK && !same) {
		rc = put(s, p, buf_view(&digests), err);
	}
	*ret_written = rc == ERR_OK && !same;
	return rc;
}

enum err_code store_import(struct store *s, const struct imported_pair *p, bool *ret_written,
                           struct err *err)
{
	struct imported_pair pair = *p;
	bool written = false;

	pair.chain = chain_without_root(p->chain);
	enum err_code rc = store_begin(s, TX_OPERATOR, err);
	if (rc == ERR_OK) {
		rc = store_end(s, import(s, &pair, &written, err), err);
	}
	if (rc != ERR_OK) {
		return err_wrap(err, "import '%s'", p->name);
	}
	*ret_written = written;
	return ERR_OK;
}

static enum err_code forget(struct store *s, const char *name, struct err *err)
{
	bool gone = false;
	enum err_code rc = db_run(s->db, "DELETE FROM imported WHERE name = ?1",
	                          DB_VALUES(db_text(name)), err);

	if (rc == ERR_OK) {
		gone = db_changes(s->db) > 0;
		rc = db_run(s->db, "DELETE FROM sealed WHERE kind = 'imported' AND name = ?1",
		            DB_VALUES(db_text(name)), err);
	}
	return rc != ERR_OK || gone
	               ? rc
	               : err_set(err, ERR_NOT_FOUND, "nothing was imported under that name");
}

enum err_code store_imported_forget(struct store *s, const char *name, struct err *err)
{
	enum err_code rc = store_begin(s, TX_OPERATOR, err);

	if (rc == ERR_OK) {
		rc = store_end(s, forget(s, name, err), err);
	}
	return rc == ERR_OK ? rc : err_wrap(err, "imported '%s'", name);
}

enum err_code store_imported_key(struct store *s, const char *name, struct secret *ret_pkcs8,
                                 struct err *err)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	enum err_code rc = store_begin(s, TX_READ, err);

	if (rc == ERR_OK) {
		rc = store_end(s, sealed_get(s, SEALED_IMPORTED, name, 0, &key, err), err);
	}
	if (rc != ERR_OK) {
		return err_wrap(err, "imported '%s': private key", name);
	}
	secret_release(ret_pkcs8);
	*ret_pkcs8 = key;
	key = (struct secret){ 0 };
	return ERR_OK;
}
