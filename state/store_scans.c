/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_scans.c - in parts, one a batch: a scan of a million endpoints must not be written anew
 * with each thousand.
 */
#include "reconciler/base/str.h"
#include "state/scans.h"
#include "state/store_impl.h"

struct scan {
	int64_t id; /* 0: none */
	struct scan_times times;
};

static enum err_code find(struct store *s, const char *name, enum scan_which which,
                          struct scan *ret, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool row = false;
	enum err_code rc = db_query(s->db,
	                            "SELECT id, begun_at, ended_at FROM scan"
	                            " WHERE name = ?1 AND (ended_at = 0) = ?2"
	                            " ORDER BY id DESC LIMIT 1 OFFSET ?3",
	                            DB_VALUES(db_text(name), db_int(which == SCAN_OPEN),
	                                      db_int(which == SCAN_BEFORE)),
	                            &q, err);

	*ret = (struct scan){ .id = 0 };
	if (rc == ERR_OK) {
		rc = db_next(q, &row, err);
	}
	if (rc == ERR_OK && row) {
		struct row r = row_of(q, "scan", /* arena= */ NULL);
		ret->id = row_int(&r, 0, 1, INT64_MAX);
		ret->times.begun = row_wall(&r, 1);
		ret->times.ended = row_wall(&r, 2);
		rc = row_check(&r, err);
	}
	return rc;
}

static enum err_code find_one(struct store *s, const char *name, enum scan_which which,
                              struct scan *ret, struct err *err)
{
	enum err_code rc = find(s, name, which, ret, err);

	return rc == ERR_OK && ret->id == 0
	               ? err_set(err, ERR_NOT_FOUND, "no scan of Discovery '%s' is %s", name,
	                         which == SCAN_OPEN ? "under way" : "recorded")
	               : rc;
}

/* Parts whose scan is gone go with it. */
static enum err_code drop_orphans(struct store *s, struct err *err)
{
	return db_exec(s->db, "DELETE FROM scan_part WHERE scan NOT IN (SELECT id FROM scan)", err);
}

enum err_code store_scan_begin(struct store *s, const char *name, struct err *err)
{
	enum err_code rc = store_begin(s, TX_RECONCILER_QUIET, err);

	if (rc != ERR_OK) {
		return rc;
	}
	rc = db_run(s->db, "DELETE FROM scan WHERE name = ?1 AND ended_at = 0",
	            DB_VALUES(db_text(name)), err);
	if (rc == ERR_OK) {
		rc = drop_orphans(s, err);
	}
	if (rc == ERR_OK) {
		rc = db_run(s->db, "INSERT INTO scan (name, begun_at) VALUES (?1, ?2)",
		            DB_VALUES(db_text(name), db_wall(store_now(s))), err);
	}
	return store_end(s, rc, err);
}

enum err_code store_scan_add(struct store *s, const char *name, struct bytes text, struct err *err)
{
	struct scan scan = { .id = 0 };
	enum err_code rc = store_begin(s, TX_RECONCILER_QUIET, err);

	if (rc != ERR_OK) {
		return rc;
	}
	rc = find_one(s, name, SCAN_OPEN, &scan, err);
	if (rc == ERR_OK) {
		rc = db_run(s->db,
		            "INSERT INTO scan_part (scan, part, text) VALUES (?1,"
		            " (SELECT coalesce(max(part), 0) + 1 FROM scan_part WHERE scan = ?1),"
		            " ?2)",
		            DB_VALUES(db_int(scan.id), db_blob(text)), err);
	}
	return store_end(s, rc, err);
}

enum err_code store_scan_end(struct store *s, const char *name, struct err *err)
{
	struct scan scan = { .id = 0 };
	enum err_code rc = store_begin(s, TX_RECONCILER_QUIET, err);

	if (rc != ERR_OK) {
		return rc;
	}
	rc = find_one(s, name, SCAN_OPEN, &scan, err);
	if (rc == ERR_OK) {
		rc = db_run(s->db, "UPDATE scan SET ended_at = ?2 WHERE id = ?1",
		            DB_VALUES(db_int(scan.id), db_wall(store_now(s))), err);
	}
	if (rc == ERR_OK) {
		rc = db_run(s->db,
		            "DELETE FROM scan WHERE name = ?1 AND id NOT IN"
		            " (SELECT id FROM scan WHERE name = ?1 ORDER BY id DESC LIMIT 2)",
		            DB_VALUES(db_text(name)), err);
	}
	if (rc == ERR_OK) {
		rc = drop_orphans(s, err);
	}
	return store_end(s, rc, err);
}

enum err_code store_scan_times(struct store *s, const char *name, enum scan_which which,
                               struct scan_times *ret, struct err *err)
{
	struct scan scan = { .id = 0 };
	enum err_code rc = find(s, name, which, &scan, err);

	if (rc == ERR_OK) {
		*ret = scan.times;
	}
	return rc;
}

enum err_code store_scan_read(struct store *s, const char *name, enum scan_which which,
                              struct buf *ret, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	struct scan scan = { .id = 0 };
	bool row = false;
	enum err_code rc = find_one(s, name, which, &scan, err);

	if (rc == ERR_OK) {
		rc = db_query(s->db, "SELECT text FROM scan_part WHERE scan = ?1 ORDER BY part",
		              DB_VALUES(db_int(scan.id)), &q, err);
	}
	while (rc == ERR_OK && (rc = db_next(q, &row, err)) == ERR_OK && row) {
		struct row r = row_of(q, "scan_part", /* arena= */ NULL);
		struct bytes text = row_blob(&r, 0);

		buf_add(ret, text.p, text.n);
		rc = row_check(&r, err);
	}
	return rc == ERR_OK ? buf_check(ret, "a scan", err) : rc;
}

static bool is_kept(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (str_equal(name, names[i])) {
			return true;
		}
	}
	return false;
}

struct gone {
	const char **v;
	size_t n, cap;
};

static enum err_code list_gone(struct store *s, const char *const *names, size_t n,
                               struct arena *arena, struct gone *ret, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool row = false;
	enum err_code rc =
		db_query(s->db, "SELECT DISTINCT name FROM scan", /* values= */ NULL, 0, &q, err);

	while (rc == ERR_OK && (rc = db_next(q, &row, err)) == ERR_OK && row) {
		struct row r = row_of(q, "scan", arena);
		const char *name = row_str(&r, 0);
		const char **slot = is_kept(name, names, n) ? NULL : ARENA_PUSH(arena, ret);

		if (slot != NULL) {
			*slot = name;
		}
		rc = row_check(&r, err);
	}
	return rc == ERR_OK && arena_failed(arena) ? err_nomem(err) : rc;
}

enum err_code store_scans_keep(struct store *s, const char *const *names, size_t n, struct err *err)
{
	CLEANUP(arena_release) struct arena arena;
	struct gone gone = { .v = NULL };

	arena_init(&arena);
	enum err_code rc = list_gone(s, names, n, &arena, &gone, err);
	if (rc != ERR_OK || gone.n == 0) {
		return rc;
	}
	rc = store_begin(s, TX_RECONCILER_QUIET, err);
	if (rc != ERR_OK) {
		return rc;
	}
	for (size_t i = 0; rc == ERR_OK && i < gone.n; i++) {
		rc = db_run(s->db, "DELETE FROM scan WHERE name = ?1",
		            DB_VALUES(db_text(gone.v[i])), err);
	}
	if (rc == ERR_OK) {
		rc = drop_orphans(s, err);
	}
	return store_end(s, rc, err);
}
