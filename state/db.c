/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * db.c - the only file that includes sqlite3.h.
 *
 * Statements are found again by the address of their SQL literal: preparing costs more than most of
 * them run, and an address is compared faster than a name is hashed. The file is not trusted:
 * cell_size_check, trusted_schema=OFF and the defensive flag keep a crafted database from steering
 * us, and rows are judged column by column.
 */
#include "state/db.h"

#include <assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATEMENTS_MAX   192 /* different SQL literals in state/ */
#define BUSY_TIMEOUT_MS  15000
#define ROW_LENGTH_LIMIT (64 << 20)

struct stmt {
	const char *sql;
	sqlite3_stmt *st;
	struct db *db;
	bool busy;
};

struct db {
	sqlite3 *conn;
	char *path;
	bool in_tx;
	size_t n;
	struct stmt stmts[STATEMENTS_MAX];
};

int (*db_fault_hook)(const char *point);

static enum err_code code_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	case SQLITE_CONSTRAINT:
		return ERR_CONFLICT;
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_READONLY:
		return ERR_DENIED;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_INVALID;
	case SQLITE_MISUSE:
		return ERR_BUG;
	default:
		return ERR_IO;
	}
}

static enum err_code fail(const struct db *db, int rc, struct err *err)
{
	const char *said = db->conn == NULL ? sqlite3_errstr(rc) : sqlite3_errmsg(db->conn);
	bool file = (rc & 0xff) == SQLITE_IOERR || (rc & 0xff) == SQLITE_CANTOPEN;
	int sys = file && db->conn != NULL ? sqlite3_system_errno(db->conn) : 0;
	/* the database was there a moment ago: what it misses is a file beside it, and the hint
	 * says so */
	const char *why = sys == 0 || sys == ENOENT ? NULL : strerrordesc_np(sys);
	enum err_code code = err_set(err, code_of(rc), "state database %s: %s%s%s", db->path, said,
	                             why == NULL ? "" : ": ", why == NULL ? "" : why);

	if ((rc & 0xff) == SQLITE_FULL || sys == ENOSPC || sys == EDQUOT) {
		return err_hint(err, "free some space there; nothing was changed");
	}
	switch (rc & 0xff) {
	case SQLITE_CANTOPEN:
		return err_hint(err,
		                "even to be read it needs to be written beside: let uid %u "
		                "write to its directory",
		                (unsigned)geteuid());
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return err_hint(err, "restore a backup of the state directory");
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_hint(err, "another certwright is writing; try again");
	default:
		return code;
	}
}

enum err_code db_damaged(struct err *err, const char *table, const char *why)
{
	(void)err_set(err, ERR_INVALID, "the state is damaged: table %s: %s", table, why);
	(void)err_hint(err, "restore a backup of the state directory");
	return ERR_INVALID;
}

static enum err_code fault(const struct db *db, const char *point, struct err *err)
{
	int sys = db_fault_hook == NULL ? 0 : db_fault_hook(point);

	if (sys == 0) {
		return ERR_OK;
	}
	return sys == ENOSPC ? fail(db, SQLITE_FULL, err)
	                     : err_set_sys(err, sys, "state database %s", db->path);
}

enum err_code db_exec(struct db *db, const char *script, struct err *err)
{
	enum err_code rc = fault(db, "run", err);
	int sq;

	if (rc != ERR_OK) {
		return rc;
	}
	sq = sqlite3_exec(db->conn, script, /* callback= */ NULL, /* arg= */ NULL,
	                  /* errmsg= */ NULL);
	return sq == SQLITE_OK ? ERR_OK : fail(db, sq, err);
}

static enum err_code configure(struct db *db, bool writable, struct err *err)
{
	enum err_code rc;

	(void)sqlite3_extended_result_codes(db->conn, /* on= */ 1);
	(void)sqlite3_busy_timeout(db->conn, BUSY_TIMEOUT_MS);
	(void)sqlite3_limit(db->conn, SQLITE_LIMIT_LENGTH, ROW_LENGTH_LIMIT);
	(void)sqlite3_db_config(db->conn, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL);
	rc = db_exec(db,
	             "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; "
	             "PRAGMA temp_store=MEMORY;",
	             err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (!writable) {
		/* Who only reads, reads each table once from end to end. */
		return db_exec(db, "PRAGMA cache_size=-256;", err);
	}
	return db_exec(db,
	               "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;"
	               "PRAGMA cache_size=-16384;",
	               err);
}

enum err_code db_open(const char *path, bool writable, struct db **ret, struct err *err)
{
	int flags = (writable ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY) |
	            SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOFOLLOW;
	struct db *db = calloc(1, sizeof(*db));
	enum err_code rc;
	int sq;

	if (db == NULL || (db->path = strdup(path)) == NULL) {
		free(db);
		return err_nomem(err);
	}
	sq = sqlite3_open_v2(path, &db->conn, flags, /* vfs= */ NULL);
	rc = sq == SQLITE_OK ? configure(db, writable, err) : fail(db, sq, err);
	if (rc != ERR_OK) {
		db_close(db);
		return rc;
	}
	*ret = db;
	return ERR_OK;
}

void db_close(struct db *db)
{
	if (db == NULL) {
		return;
	}
	for (size_t i = 0; i < db->n; i++) {
		(void)sqlite3_finalize(db->stmts[i].st);
	}
	(void)sqlite3_close_v2(db->conn);
	free(db->path);
	free(db);
}

static enum err_code prepare(struct db *db, const char *sql, struct stmt **ret, struct err *err)
{
	struct stmt *st;
	int sq;

	for (size_t i = 0; i < db->n; i++) {
		if (db->stmts[i].sql == sql) {
			*ret = &db->stmts[i];
			return ERR_OK;
		}
	}
	assert(db->n < STATEMENTS_MAX);
	st = &db->stmts[db->n];
	sq = sqlite3_prepare_v3(db->conn, sql, -1, SQLITE_PREPARE_PERSISTENT, &st->st,
	                        /* tail= */ NULL);
	if (sq != SQLITE_OK) {
		return fail(db, sq, err);
	}
	st->sql = sql;
	st->db = db;
	db->n++;
	*ret = st;
	return ERR_OK;
}

static int bind_one(sqlite3_stmt *st, int at, const struct db_value *v)
{
	/* A NULL pointer would bind NULL: an empty blob is a blob. */
	const void *p = v->v.n == 0 ? "" : (const void *)v->v.p;

	switch (v->type) {
	case DB_NULL:
		return sqlite3_bind_null(st, at);
	case DB_INT:
		return sqlite3_bind_int64(st, at, v->i);
	case DB_TEXT:
		return sqlite3_bind_text64(st, at, p, v->v.n, SQLITE_STATIC, SQLITE_UTF8);
	case DB_BLOB:
		return sqlite3_bind_blob64(st, at, p, v->v.n, SQLITE_STATIC);
	}
	return SQLITE_MISUSE;
}

enum err_code db_query(struct db *db, const char *sql, const struct db_value *values, size_t n,
                       struct stmt **ret, struct err *err)
{
	struct stmt *st = NULL;
	enum err_code rc = prepare(db, sql, &st, err);

	if (rc != ERR_OK) {
		return rc;
	}
	assert(!st->busy);
	for (size_t i = 0; i < n; i++) {
		int sq = bind_one(st->st, (int)i + 1, &values[i]);
		if (sq != SQLITE_OK) {
			return fail(db, sq, err);
		}
	}
	st->busy = true;
	*ret = st;
	return ERR_OK;
}

void cleanup_stmt(struct stmt **st)
{
	if (*st != NULL) {
		(void)sqlite3_reset((*st)->st);
		/* What was bound is borrowed from a caller who is about to return. */
		(void)sqlite3_clear_bindings((*st)->st);
		(*st)->busy = false;
		*st = NULL;
	}
}

enum err_code db_next(struct stmt *st, bool *ret_row, struct err *err)
{
	int sq = sqlite3_step(st->st);

	if (sq != SQLITE_ROW && sq != SQLITE_DONE) {
		return fail(st->db, sq, err);
	}
	*ret_row = sq == SQLITE_ROW;
	return ERR_OK;
}

enum err_code db_run(struct db *db, const char *sql, const struct db_value *values, size_t n,
                     struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *st = NULL;
	enum err_code rc = fault(db, "run", err);
	bool row;

	if (rc == ERR_OK) {
		rc = db_query(db, sql, values, n, &st, err);
	}
	return rc == ERR_OK ? db_next(st, &row, err) : rc;
}

int64_t db_last_id(const struct db *db)
{
	return sqlite3_last_insert_rowid(db->conn);
}

int64_t db_changes(const struct db *db)
{
	return sqlite3_changes64(db->conn);
}

enum err_code db_begin(struct db *db, bool write, struct err *err)
{
	int sq;

	assert(!db->in_tx);
	sq = sqlite3_exec(db->conn, write ? "BEGIN IMMEDIATE" : "BEGIN", /* callback= */ NULL,
	                  /* arg= */ NULL, /* errmsg= */ NULL);
	if (sq != SQLITE_OK) {
		return fail(db, sq, err);
	}
	db->in_tx = true;
	return ERR_OK;
}

void db_rollback(struct db *db)
{
	if (db->in_tx) {
		/* SQLite may have rolled back by itself (disk full): then this says so, and that is
		 * fine. */
		(void)sqlite3_exec(db->conn, "ROLLBACK", /* callback= */ NULL, /* arg= */ NULL,
		                   /* errmsg= */ NULL);
		db->in_tx = false;
	}
}

enum err_code db_commit(struct db *db, struct err *err)
{
	enum err_code rc = fault(db, "commit", err);

	assert(db->in_tx);
	if (rc == ERR_OK) {
		int sq = sqlite3_exec(db->conn, "COMMIT", /* callback= */ NULL, /* arg= */ NULL,
		                      /* errmsg= */ NULL);
		if (sq == SQLITE_OK) {
			db->in_tx = false;
			return ERR_OK;
		}
		rc = fail(db, sq, err);
	}
	db_rollback(db);
	return rc;
}

struct row row_of(struct stmt *st, const char *table, struct arena *arena)
{
	return (struct row){ .st = st, .table = table, .arena = arena };
}

void row_damage(struct row *r, int col, const char *why)
{
	if (r->wrong == NULL) {
		r->wrong = why;
		r->column = col;
	}
}

bool row_is_null(const struct row *r, int col)
{
	return sqlite3_column_type(r->st->st, col) == SQLITE_NULL;
}

int64_t row_int(struct row *r, int col, int64_t min, int64_t max)
{
	int64_t v;

	if (sqlite3_column_type(r->st->st, col) != SQLITE_INTEGER) {
		row_damage(r, col, "is no number");
		return 0;
	}
	v = sqlite3_column_int64(r->st->st, col);
	if (v < min || v > max) {
		row_damage(r, col, "is out of range");
		return 0;
	}
	return v;
}

bool row_bool(struct row *r, int col)
{
	return row_int(r, col, 0, 1) != 0;
}

struct wall row_wall(struct row *r, int col)
{
	return (struct wall){ row_int(r, col, INT64_MIN, INT64_MAX) };
}

static struct bytes column_text(struct row *r, int col)
{
	const unsigned char *p = sqlite3_column_text(r->st->st, col);
	int n = sqlite3_column_bytes(r->st->st, col);

	if (p == NULL || sqlite3_column_type(r->st->st, col) != SQLITE_TEXT ||
	    strlen((const char *)p) != (size_t)n) {
		row_damage(r, col, "is no text");
		return bytes_of("", 0);
	}
	return bytes_of(p, (size_t)n);
}

const char *row_str_borrowed(struct row *r, int col)
{
	return (const char *)column_text(r, col).p;
}

const char *row_str(struct row *r, int col)
{
	struct bytes v = column_text(r, col);

	return v.n == 0 ? "" : arena_strn(r->arena, (const char *)v.p, v.n);
}

const char *row_str_or_null(struct row *r, int col)
{
	return row_is_null(r, col) ? NULL : row_str(r, col);
}

const char *row_str_like(struct row *r, int col, const char *last)
{
	struct bytes v = column_text(r, col);

	if (last != NULL && bytes_equal(v, bytes_of_str(last))) {
		return last;
	}
	return v.n == 0 ? "" : arena_strn(r->arena, (const char *)v.p, v.n);
}

struct bytes row_blob(struct row *r, int col)
{
	const void *p;

	if (sqlite3_column_type(r->st->st, col) != SQLITE_BLOB) {
		row_damage(r, col, "is no blob");
		return bytes_of(NULL, 0);
	}
	p = sqlite3_column_blob(r->st->st, col);
	return bytes_of(p, p == NULL ? 0 : (size_t)sqlite3_column_bytes(r->st->st, col));
}

void row_fixed(struct row *r, int col, uint8_t *out, size_t n)
{
	struct bytes v = row_blob(r, col);

	if (v.p == NULL || v.n != n) {
		row_damage(r, col, "has the wrong length");
		return;
	}
	memcpy(out, v.p, n);
}

enum err_code db_count(struct db *db, const char *sql, size_t *ret, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool found = false;
	enum err_code rc = db_query(db, sql, /* values= */ NULL, 0, &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, &found, err);
	}
	if (rc == ERR_OK) {
		struct row r = row_of(q, "count", /* arena= */ NULL);
		*ret = (size_t)row_int(&r, 0, 0, INT32_MAX);
		rc = row_check(&r, err);
	}
	return rc;
}

const uint8_t *row_digest_like(struct row *r, int col, const uint8_t *like)
{
	static const uint8_t none[SHA256_BYTES];
	uint8_t digest[SHA256_BYTES] = { 0 };

	row_fixed(r, col, digest, sizeof(digest));
	if (memcmp(digest, none, sizeof(none)) == 0) {
		return NULL;
	}
	if (like != NULL && memcmp(digest, like, sizeof(digest)) == 0) {
		return like;
	}
	return arena_copy(r->arena, digest, sizeof(digest));
}

enum err_code row_check(const struct row *r, struct err *err)
{
	if (r->wrong != NULL) {
		(void)db_damaged(err, r->table, r->wrong);
		return err_wrap(err, "column %s", sqlite3_column_name(r->st->st, r->column));
	}
	return r->arena != NULL && arena_failed(r->arena) ? err_nomem(err) : ERR_OK;
}
