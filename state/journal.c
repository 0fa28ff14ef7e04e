/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * journal.c - intent before, outcome after.
 *
 * The journal is bounded: what is done and JOURNAL_KEEP entries old is forgotten, a thousand at a
 * time so that the common entry does not pay for it.
 */
#include "state/store_impl.h"

#define JOURNAL_KEEP  100000
#define JOURNAL_SWEEP 1000
#define RECENT_MAX    100000

static enum err_code intent(struct store *s, const char *pass, const char *action,
                            const char *detail, int64_t *ret_seq, struct err *err)
{
	enum err_code rc =
		db_run(s->db,
	               "INSERT INTO journal (at, pass, action, detail) VALUES (?1, ?2, ?3, ?4)",
	               DB_VALUES(db_wall(store_now(s)), db_text(pass), db_text(action),
	                         db_text(detail == NULL ? "" : detail)),
	               err);

	if (rc != ERR_OK) {
		return rc;
	}
	*ret_seq = db_last_id(s->db);
	return *ret_seq % JOURNAL_SWEEP == 0
	               ? db_run(s->db, "DELETE FROM journal WHERE seq < ?1 AND outcome IS NOT NULL",
	                        DB_VALUES(db_int(*ret_seq - JOURNAL_KEEP)), err)
	               : ERR_OK;
}

enum err_code journal_intent(struct store *s, const char *pass, const char *action,
                             const char *detail, int64_t *ret_seq, struct err *err)
{
	int64_t seq = 0;
	enum err_code rc = store_begin(s, TX_RECONCILER_QUIET, err);

	if (rc == ERR_OK) {
		rc = store_end(s, intent(s, pass, action, detail, &seq, err), err);
	}
	if (rc != ERR_OK) {
		return err_wrap(err, "journal the intent '%s'", action);
	}
	*ret_seq = seq;
	return ERR_OK;
}

static enum err_code outcome_of(struct store *s, int64_t seq, enum err_code outcome,
                                const char *error, struct err *err)
{
	enum err_code rc =
		db_run(s->db,
	               "UPDATE journal SET outcome = ?2, error = ?3, done_at = ?4 WHERE seq = ?1",
	               DB_VALUES(db_int(seq), db_int(outcome), db_text(error == NULL ? "" : error),
	                         db_wall(store_now(s))),
	               err);

	if (rc == ERR_OK && db_changes(s->db) == 0) {
		return err_set(err, ERR_NOT_FOUND, "the journal has no entry %lld", (long long)seq);
	}
	return rc;
}

enum err_code journal_outcome(struct store *s, int64_t seq, enum err_code outcome,
                              const char *error, struct err *err)
{
	enum err_code rc = store_begin(s, TX_RECONCILER_QUIET, err);

	return rc == ERR_OK ? store_end(s, outcome_of(s, seq, outcome, error, err), err) : rc;
}

struct entries {
	struct journal_entry *v;
	size_t n, cap;
};

static enum err_code read_entries(struct store *s, const char *sql, size_t limit,
                                  struct arena *arena, struct entries *ret, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool row = false;
	enum err_code rc =
		db_query(s->db, sql,
	                 DB_VALUES(db_int((int64_t)(limit > RECENT_MAX ? RECENT_MAX : limit))), &q,
	                 err);

	while (rc == ERR_OK && (rc = db_next(q, &row, err)) == ERR_OK && row) {
		struct row r = row_of(q, "journal", arena);
		struct journal_entry *e = ARENA_PUSH(arena, ret);
		if (e == NULL) {
			return err_nomem(err);
		}
		e->seq = row_int(&r, 0, 0, INT64_MAX);
		e->at = row_wall(&r, 1);
		e->pass = row_str(&r, 2);
		e->action = row_str(&r, 3);
		e->detail = row_str(&r, 4);
		e->done = !row_is_null(&r, 5);
		e->outcome = (enum err_code)(e->done ? row_int(&r, 5, ERR_OK, ERR_BUG) : 0);
		e->error = row_is_null(&r, 6) ? "" : row_str(&r, 6);
		rc = row_check(&r, err);
	}
	return rc;
}

enum err_code journal_recent(struct store *s, size_t limit, struct arena *arena,
                             struct journal_entry **ret, size_t *ret_n, struct err *err)
{
	struct entries v = { .v = NULL };
	enum err_code rc =
		read_entries(s,
	                     "SELECT seq, at, pass, action, detail, outcome, error FROM journal"
	                     " ORDER BY seq DESC LIMIT ?1",
	                     limit, arena, &v, err);

	if (rc == ERR_OK) {
		*ret = v.v;
		*ret_n = v.n;
	}
	return rc;
}

enum err_code journal_open_intents(struct store *s, struct arena *arena, struct journal_entry **ret,
                                   size_t *ret_n, struct err *err)
{
	struct entries v = { .v = NULL };
	enum err_code rc =
		read_entries(s,
	                     "SELECT seq, at, pass, action, detail, outcome, error FROM journal"
	                     " WHERE outcome IS NULL ORDER BY seq LIMIT ?1",
	                     RECENT_MAX, arena, &v, err);

	if (rc == ERR_OK) {
		*ret = v.v;
		*ret_n = v.n;
	}
	return rc;
}
