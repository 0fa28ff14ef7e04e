/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_requests.c - what operators ask for, beside a reconciler at work.
 *
 * A request is a row and nothing else: whoever holds the lock takes it in order. What needs no
 * action of ours (suspend, approve, renew) is effective with its own row at once.
 */
#include "reconciler/base/json.h"
#include "state/store_impl.h"

#define REQUESTS_MAX 10000

static enum err_code check_args(const char *args, struct err *err)
{
	CLEANUP(cleanup_json) struct json_t *j = NULL;
	enum err_code rc = json_parse(args, strlen(args), &j, err);

	return rc == ERR_OK ? ERR_OK : err_wrap(err, "arguments of a request");
}

enum err_code store_request_add(struct store *s, const char *verb, const char *name,
                                const char *args, struct err *err)
{
	const char *text = args == NULL || args[0] == 0 ? "{}" : args;
	enum err_code rc = check_args(text, err);

	if (rc == ERR_OK) {
		rc = store_begin(s, TX_OPERATOR, err);
	}
	return rc == ERR_OK ? store_end(s,
	                                db_run(s->db,
	                                       "INSERT INTO request (at, verb, name, args)"
	                                       " VALUES (?1, ?2, ?3, ?4)",
	                                       DB_VALUES(db_wall(store_now(s)), db_text(verb),
	                                                 db_text(name == NULL ? "" : name),
	                                                 db_text(text)),
	                                       err),
	                                err)
	                    : rc;
}

struct requests {
	struct request_row *v;
	size_t n, cap;
};

static enum err_code read_requests(struct store *s, const char *sql, size_t limit,
                                   struct arena *arena, struct requests *ret, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool row = false;
	enum err_code rc = db_query(s->db, sql, DB_VALUES(db_int((int64_t)limit)), &q, err);

	while (rc == ERR_OK && (rc = db_next(q, &row, err)) == ERR_OK && row) {
		struct row r = row_of(q, "request", arena);
		struct request_row *x = ARENA_PUSH(arena, ret);
		if (x == NULL) {
			return err_nomem(err);
		}
		x->id = row_int(&r, 0, 0, INT64_MAX);
		x->at = row_wall(&r, 1);
		x->verb = row_str(&r, 2);
		x->name = row_str(&r, 3);
		x->args = row_str(&r, 4);
		x->done_at = row_is_null(&r, 5) ? (struct wall){ 0 } : row_wall(&r, 5);
		x->result = row_is_null(&r, 6) ? "" : row_str(&r, 6);
		rc = row_check(&r, err);
	}
	return rc;
}

enum err_code store_requests_open(struct store *s, struct arena *arena, struct request_row **ret,
                                  size_t *ret_n, struct err *err)
{
	struct requests v = { .v = NULL };
	enum err_code rc = read_requests(s,
	                                 "SELECT id, at, verb, name, args, done_at, result"
	                                 " FROM request WHERE done_at IS NULL ORDER BY id LIMIT ?1",
	                                 REQUESTS_MAX, arena, &v, err);

	if (rc == ERR_OK) {
		*ret = v.v;
		*ret_n = v.n;
	}
	return rc;
}

enum err_code store_requests_recent(struct store *s, size_t limit, struct arena *arena,
                                    struct request_row **ret, size_t *ret_n, struct err *err)
{
	struct requests v = { .v = NULL };
	enum err_code rc =
		read_requests(s,
	                      "SELECT id, at, verb, name, args, done_at, result"
	                      " FROM request ORDER BY id DESC LIMIT ?1",
	                      limit < REQUESTS_MAX ? limit : REQUESTS_MAX, arena, &v, err);

	if (rc == ERR_OK) {
		*ret = v.v;
		*ret_n = v.n;
	}
	return rc;
}

static enum err_code done(struct store *s, int64_t id, const char *result, struct err *err)
{
	enum err_code rc = db_run(s->db,
	                          "UPDATE request SET done_at = ?2, result = ?3"
	                          " WHERE id = ?1 AND done_at IS NULL",
	                          DB_VALUES(db_int(id), db_wall(store_now(s)),
	                                    db_text(result == NULL ? "" : result)),
	                          err);

	if (rc == ERR_OK && db_changes(s->db) == 0) {
		return err_set(err, ERR_NOT_FOUND, "there is no open request %lld", (long long)id);
	}
	return rc;
}

enum err_code store_request_done(struct store *s, int64_t id, const char *result, struct err *err)
{
	enum err_code rc = store_begin(s, TX_OPERATOR, err);

	return rc == ERR_OK ? store_end(s, done(s, id, result, err), err) : rc;
}

enum err_code store_suspend(struct store *s, const struct suspension *x, struct err *err)
{
	enum err_code rc = store_begin(s, TX_OPERATOR, err);

	return rc == ERR_OK
	               ? store_end(s,
	                           db_run(s->db,
	                                  "INSERT INTO suspension (kind, name, reason, until)"
	                                  " VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET"
	                                  " reason = excluded.reason, until = excluded.until",
	                                  DB_VALUES(db_text(x->kind), db_text(x->name),
	                                            db_text(x->reason == NULL ? "" : x->reason),
	                                            db_wall(x->until)),
	                                  err),
	                           err)
	               : rc;
}

static enum err_code resume(struct store *s, const char *kind, const char *name, struct err *err)
{
	enum err_code rc = db_run(s->db,
	                          "DELETE FROM suspension WHERE (?1 IS NULL OR kind = ?1)"
	                          " AND (?2 IS NULL OR name = ?2)",
	                          DB_VALUES(db_text(kind), db_text(name)), err);

	if (rc == ERR_OK && name != NULL && db_changes(s->db) == 0) {
		return err_set(err, ERR_NOT_FOUND, "%s '%s' is not suspended",
		               kind == NULL ? "object" : kind, name);
	}
	return rc;
}

enum err_code store_resume(struct store *s, const char *kind, const char *name, struct err *err)
{
	enum err_code rc = store_begin(s, TX_OPERATOR, err);

	return rc == ERR_OK ? store_end(s, resume(s, kind, name, err), err) : rc;
}

/* One column of an identity is set to now. */
static enum err_code note_now(struct store *s, const char *sql, const char *identity,
                              struct err *err)
{
	enum err_code rc = store_begin(s, TX_OPERATOR, err);

	return rc == ERR_OK
	               ? store_end(s,
	                           db_run(s->db, sql,
	                                  DB_VALUES(db_text(identity), db_wall(store_now(s))), err),
	                           err)
	               : rc;
}

enum err_code store_renew_asked(struct store *s, const char *identity, struct err *err)
{
	return note_now(s,
	                "INSERT INTO identity (name, renew_asked) VALUES (?1, ?2)"
	                " ON CONFLICT DO UPDATE SET renew_asked = excluded.renew_asked",
	                identity, err);
}

enum err_code store_approve(struct store *s, const char *identity, struct err *err)
{
	return note_now(s,
	                "INSERT INTO identity (name, approved_at) VALUES (?1, ?2)"
	                " ON CONFLICT DO UPDATE SET approved_at = excluded.approved_at",
	                identity, err);
}
