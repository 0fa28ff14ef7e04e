/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_memo.c - small things by name: the accepted commit, memos of derived text.
 *
 * A memo is a cache and nothing more: it does not count as a change of the state.
 */
#include <string.h>

#include "state/store_impl.h"

#define COMMIT_MAX 40

enum err_code store_accepted_set(struct store *s, const char *repo_id, const char *commit,
                                 struct err *err)
{
	enum err_code rc;

	if (strlen(commit) > COMMIT_MAX) {
		return err_set(err, ERR_INVALID, "'%s' is no commit id", commit);
	}
	rc = store_begin(s, TX_RECONCILER_QUIET, err);
	return rc == ERR_OK ? store_end(s,
	                                db_run(s->db,
	                                       "INSERT INTO accepted (repository, commit_id)"
	                                       " VALUES (?1, ?2) ON CONFLICT DO UPDATE"
	                                       " SET commit_id = excluded.commit_id",
	                                       DB_VALUES(db_text(repo_id), db_text(commit)), err),
	                                err)
	                    : rc;
}

enum err_code store_accepted_get(struct store *s, const char *repo_id, char ret[41],
                                 struct err *err)
{
	CLEANUP(arena_release) struct arena scratch = { 0 };
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	const char *commit = "";
	bool found = false;
	enum err_code rc = db_query(s->db, "SELECT commit_id FROM accepted WHERE repository = ?1",
	                            DB_VALUES(db_text(repo_id)), &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, &found, err);
	}
	if (rc == ERR_OK && found) {
		struct row r = row_of(q, "accepted", &scratch);
		commit = row_str(&r, 0);
		rc = row_check(&r, err);
	}
	if (rc == ERR_OK && strlen(commit) > COMMIT_MAX) {
		rc = db_damaged(err, "accepted", "the commit id is too long");
	}
	if (rc == ERR_OK) {
		memcpy(ret, commit, strlen(commit) + 1);
	}
	return rc;
}

enum err_code store_memo_get(struct store *s, const char *name, const uint8_t inputs[SHA256_BYTES],
                             struct buf *ret, bool *ret_found, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool found = false;
	enum err_code rc =
		db_query(s->db,
	                 "SELECT value FROM memo WHERE name = ?1 AND inputs = ?2 AND until > ?3",
	                 DB_VALUES(db_text(name), db_blob(bytes_of(inputs, SHA256_BYTES)),
	                           db_wall(store_now(s))),
	                 &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, &found, err);
	}
	if (rc == ERR_OK && found) {
		struct row r = row_of(q, "memo", /* arena= */ NULL);
		struct bytes v = row_blob(&r, 0);
		rc = row_check(&r, err);
		if (rc == ERR_OK) {
			buf_add_bytes(ret, v);
			rc = buf_check(ret, name, err);
		}
	}
	if (rc == ERR_OK) {
		*ret_found = found;
	}
	return rc;
}

enum err_code store_memo_put(struct store *s, const char *name, const uint8_t inputs[SHA256_BYTES],
                             struct wall until, struct bytes value, struct err *err)
{
	enum err_code rc = store_begin(s, TX_OPERATOR_QUIET, err);

	return rc == ERR_OK ? store_end(s,
	                                db_run(s->db,
	                                       "INSERT INTO memo (name, inputs, until, value)"
	                                       " VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET"
	                                       " inputs = excluded.inputs, until = excluded.until,"
	                                       " value = excluded.value",
	                                       DB_VALUES(db_text(name),
	                                                 db_blob(bytes_of(inputs, SHA256_BYTES)),
	                                                 db_wall(until), db_blob(value)),
	                                       err),
	                                err)
	                    : rc;
}
