/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * db.h - SQLite, entered here only: a connection, transactions, statements prepared once, and rows
 * that are judged before they are believed.
 *
 * SQL text is a literal: statements are cached by its address. One statement is used by one query
 * at a time. Everything a query hands out is borrowed until its next step.
 * Failure: the sentence names the database and what SQLite said; a full disk and a damaged file
 * have a hint.
 * Threads: a connection belongs to one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reconciler/base/arena.h"
#include "reconciler/base/attr.h"
#include "reconciler/base/bytes.h"
#include "reconciler/base/clock.h"
#include "reconciler/base/err.h"
#include "reconciler/pki/pki.h"

struct db;
struct stmt;

/* The file must exist. `writable` turns WAL and synchronous=FULL on. */
enum err_code db_open(const char *path, bool writable, struct db **ret, struct err *err);
void db_close(struct db *db); /* accepts NULL; rolls back */

/* Several statements without parameters: schema, pragmas. */
enum err_code db_exec(struct db *db, const char *script, struct err *err);
/* `write` takes the writer's lock at once, so that nothing fails for it later. */
enum err_code db_begin(struct db *db, bool write, struct err *err);
/* Durable on ERR_OK; rolled back otherwise. */
enum err_code db_commit(struct db *db, struct err *err);
void db_rollback(struct db *db); /* nothing open is fine */

struct db_value {
	enum { DB_NULL, DB_INT, DB_TEXT, DB_BLOB } type;
	int64_t i;
	struct bytes v;
};
static inline struct db_value db_int(int64_t i)
{
	return (struct db_value){ .type = DB_INT, .i = i };
}
static inline struct db_value db_wall(struct wall t)
{
	return db_int(t.s);
}
static inline struct db_value db_blob(struct bytes v)
{
	return (struct db_value){ .type = DB_BLOB, .v = v };
}
static inline struct db_value db_text(const char *s) /* NULL is NULL */
{
	return s == NULL ? (struct db_value){ .type = DB_NULL }
	                 : (struct db_value){ .type = DB_TEXT, .v = bytes_of_str(s) };
}
/* The two arguments `values, n` of the functions below. */
#define DB_VALUES(...)                                                                             \
	(const struct db_value[]){ __VA_ARGS__ },                                                  \
		sizeof((const struct db_value[]){ __VA_ARGS__ }) / sizeof(struct db_value)

/* A statement that hands out no rows. A broken UNIQUE or PRIMARY KEY is ERR_CONFLICT. */
enum err_code db_run(struct db *db, const char *sql, const struct db_value *values, size_t n,
                     struct err *err);
int64_t db_last_id(const struct db *db);
int64_t db_changes(const struct db *db); /* rows touched by the last db_run() */

/* CLEANUP(cleanup_stmt) struct stmt *q = NULL; db_query(..., &q, err); while db_next() */
enum err_code db_query(struct db *db, const char *sql, const struct db_value *values, size_t n,
                       struct stmt **ret, struct err *err);
enum err_code db_next(struct stmt *st, bool *ret_row, struct err *err);
void cleanup_stmt(struct stmt **st); /* ready for its next use */
/* What a SELECT count(*) says. */
enum err_code db_count(struct db *db, const char *sql, size_t *ret, struct err *err);

/* The row under a statement, read column by column; the first thing wrong is kept and told by
 * row_check(). What is wrong reads as zero or "". */
struct row {
	struct stmt *st;
	const char *table; /* for the sentence */
	struct arena *arena;
	const char *wrong; /* NULL: fine */
	int column;
};
struct row row_of(struct stmt *st, const char *table, struct arena *arena);
int64_t row_int(struct row *r, int col, int64_t min, int64_t max);
bool row_bool(struct row *r, int col);
struct wall row_wall(struct row *r, int col);
const char *row_str(struct row *r, int col);         /* arena; NULL in the row is damage */
const char *row_str_or_null(struct row *r, int col); /* arena */
/* As row_str(), but `last` itself when it is the same text: long runs share one string. */
const char *row_str_like(struct row *r, int col, const char *last);
const char *row_str_borrowed(struct row *r, int col);           /* until the next step */
struct bytes row_blob(struct row *r, int col);                  /* borrowed until the next step */
void row_fixed(struct row *r, int col, uint8_t *out, size_t n); /* exactly n octets */
/* A SHA-256: NULL when it is all zeroes, `like` (which may be NULL) when it is the same. */
const uint8_t *row_digest_like(struct row *r, int col, const uint8_t *like);
bool row_is_null(const struct row *r, int col);
void row_damage(struct row *r, int col, const char *why);
enum err_code row_check(const struct row *r, struct err *err);
/* "the state is damaged: table T: why": the sentence for content that cannot be. */
enum err_code db_damaged(struct err *err, const char *table, const char *why);

/* For fault tests: called before every statement that writes ("run") and every commit ("commit");
 * non-zero is taken as that errno. */
extern int (*db_fault_hook)(const char *point);
