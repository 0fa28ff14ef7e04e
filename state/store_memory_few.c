/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_memory_few.c - the parts of the memory that are few: imported pairs, suspensions, the time
 * of the last journal entry.
 */
#include <string.h>

#include "state/store_loading.h"

enum err_code load_imported(struct loading *l, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	struct imported_memory *v;
	bool row = false;
	size_t n = 0;
	enum err_code rc;

	v = loading_room(l, "SELECT count(*) FROM imported", sizeof(*v), &n, &rc, err);
	if (rc == ERR_OK) {
		rc = db_query(l->s->db,
		              "SELECT name, chain, imported_at FROM imported ORDER BY name",
		              /* values= */ NULL, 0, &q, err);
	}
	for (size_t i = 0; rc == ERR_OK && (rc = db_next(q, &row, err)) == ERR_OK && row; i++) {
		struct row r = row_of(q, "imported", l->arena);
		if (i >= n) {
			return db_damaged(err, "imported", "more rows than counted");
		}
		v[i] = (struct imported_memory){ .name = row_str(&r, 0),
			                         .imported_at = row_wall(&r, 2) };
		struct bytes chain = row_blob(&r, 1);
		if (chain.n == 0) {
			row_damage(&r, 1, "is empty");
		}
		rc = row_check(&r, err);
		if (rc == ERR_OK) {
			rc = row_decode_chain(chain, &l->certs.src, l->arena, &v[i].chain, err);
		}
		l->m->n_imported = i + 1;
	}
	l->m->imported = v;
	return rc;
}

enum err_code load_suspensions(struct loading *l, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	struct suspension *v;
	bool row = false;
	size_t n = 0;
	enum err_code rc;

	v = loading_room(l, "SELECT count(*) FROM suspension", sizeof(*v), &n, &rc, err);
	if (rc == ERR_OK) {
		rc = db_query(l->s->db,
		              "SELECT kind, name, reason, until FROM suspension"
		              " ORDER BY kind, name",
		              /* values= */ NULL, 0, &q, err);
	}
	for (size_t i = 0; rc == ERR_OK && (rc = db_next(q, &row, err)) == ERR_OK && row; i++) {
		struct row r = row_of(q, "suspension", l->arena);
		if (i >= n) {
			return db_damaged(err, "suspension", "more rows than counted");
		}
		v[i] = (struct suspension){ .kind = row_str(&r, 0),
			                    .name = row_str(&r, 1),
			                    .reason = row_str(&r, 2),
			                    .until = row_wall(&r, 3) };
		rc = row_check(&r, err);
		l->m->n_suspensions = i + 1;
	}
	l->m->suspensions = v;
	return rc;
}

enum err_code load_newest_journal(struct loading *l, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool found = false;
	/* The last written, not the latest: once the operator has confirmed a clock that was set
	 * back, the next entry ends the matter. */
	enum err_code rc = db_query(l->s->db,
	                            "SELECT max(at, coalesce(done_at, at)) FROM journal"
	                            " ORDER BY seq DESC LIMIT 1",
	                            /* values= */ NULL, 0, &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, &found, err);
	}
	if (rc == ERR_OK && found) {
		struct row r = row_of(q, "journal", /* arena= */ NULL);
		l->m->newest_journal = row_wall(&r, 0);
		rc = row_check(&r, err);
	}
	return rc;
}
