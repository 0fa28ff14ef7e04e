/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_collect.c - what nobody will ask for again: old revisions with their sealed keys, and
 * certificates that no row refers to any more.
 *
 * A revision goes only when its certificate has been out of date for long, newer ones are there,
 * and nothing holds it: not a slot, not a store or server when last looked at, not a rollback.
 * Then it can neither be rolled back to nor be taken for a stranger. The highest number always
 * stays: the next one is counted from it.
 *
 * Certificates are marked from every row that names one, and the rest is swept. Whoever read the
 * table before (another process beside us, too) believes that rows stay; store_certs.c therefore
 * asks for the number of collections before it relies on it.
 */
#include "state/store_collect.h"

#include <stdio.h>

#include "reconciler/base/map.h"
#include "state/rows.h"
#include "state/store_impl.h"

#define DAY_S         ((int64_t)86400)
#define EXPIRED_DAYS  30  /* a revision this long out of date may go */
#define DROPPED_DAYS  400 /* a request given up this long ago, and what operators asked for */
#define COLLECT_EVERY DAY_S

/* The digests in use, as a source for the row decoders: each that is asked for is noted. */
struct marks {
	struct cert_source src;
	struct arena arena;
	struct map used;
	struct seen_cert any; /* stands for all: only digests are of interest here */
};

static void marks_release(struct marks *m)
{
	map_release(&m->used);
	arena_release(&m->arena);
}

static enum err_code mark(struct marks *m, const uint8_t sha256[SHA256_BYTES], struct err *err)
{
	if (map_get(&m->used, bytes_of(sha256, SHA256_BYTES)) != NULL) {
		return ERR_OK;
	}
	struct bytes key = arena_bytes(&m->arena, bytes_of(sha256, SHA256_BYTES));
	return key.p == NULL || map_put(&m->used, key, m, /* ret_old= */ NULL) < 0 ? err_nomem(err)
	                                                                           : ERR_OK;
}

static enum err_code mark_found(struct cert_source *src, const uint8_t sha256[SHA256_BYTES],
                                const struct seen_cert **ret, struct err *err)
{
	struct marks *m = CONTAINER_OF(src, struct marks, src);

	*ret = &m->any;
	return mark(m, sha256, err);
}

typedef enum err_code mark_fn(struct marks *m, struct bytes v, struct err *err);

static enum err_code mark_chain(struct marks *m, struct bytes v, struct err *err)
{
	enum err_code rc = v.n % SHA256_BYTES == 0 ? ERR_OK : err_set(err, ERR_INVALID, "a chain");

	for (size_t i = 0; rc == ERR_OK && i < v.n; i += SHA256_BYTES) {
		rc = mark(m, v.p + i, err);
	}
	return rc;
}

static enum err_code mark_entries(struct marks *m, struct bytes v, struct err *err)
{
	CLEANUP(arena_release) struct arena scratch = { 0 };
	const struct obs_entry *entries = NULL;
	size_t n = 0;

	return v.n == 0 ? ERR_OK : row_decode_entries(v, &m->src, &scratch, &entries, &n, err);
}

/* Every column that names certificates. */
static const struct {
	const char *table, *sql;
	mark_fn *mark;
} presented[] = {
	{ "slot", "SELECT sha256 FROM slot", mark_chain },
	{ "seen_store", "SELECT entries FROM seen_store", mark_entries },
	{ "seen_endpoint", "SELECT served FROM seen_endpoint", mark_chain },
	{ "seen_endpoint", "SELECT others FROM seen_endpoint", mark_chain },
}, kept[] = {
	{ "revision", "SELECT chain FROM revision", mark_chain },
	{ "imported", "SELECT chain FROM imported", mark_chain },
	{ "anchor", "SELECT sha256 FROM anchor", mark_chain },
	{ "ca", "SELECT sha256 FROM ca", mark_chain },
	{ "history", "SELECT content FROM history WHERE kind = 1", mark_chain },
};

static enum err_code mark_column(struct store *s, struct marks *m, const char *table,
                                 const char *sql, mark_fn *fn, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool row = false;
	enum err_code rc = db_query(s->db, sql, /* values= */ NULL, 0, &q, err);

	while (rc == ERR_OK && (rc = db_next(q, &row, err)) == ERR_OK && row) {
		struct row r = row_of(q, table, /* arena= */ NULL);
		struct bytes v = row_blob(&r, 0);
		rc = row_check(&r, err);
		if (rc == ERR_OK) {
			rc = fn(m, v, err);
		}
	}
	return rc == ERR_OK ? rc : err_wrap(err, "table %s", table);
}

static enum err_code mark_presented(struct store *s, struct marks *m, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(presented); i++) {
		rc = mark_column(s, m, presented[i].table, presented[i].sql, presented[i].mark,
		                 err);
	}
	return rc;
}

static enum err_code mark_kept(struct store *s, struct marks *m, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(kept); i++) {
		rc = mark_column(s, m, kept[i].table, kept[i].sql, kept[i].mark, err);
	}
	return rc;
}

struct doomed {
	const char *name;
	int64_t revision;
};
struct doomed_list {
	struct doomed *v;
	size_t n, cap;
};

static const char old_revisions[] =
	"SELECT r.name, r.revision, c.sha256 FROM revision r"
	" JOIN certificate c ON c.sha256 = substr(r.chain, 1, 32)"
	" WHERE r.status = 1 AND c.not_after < ?1"
	" AND (SELECT count(*) FROM revision n WHERE n.name = r.name AND n.status = 1"
	" AND n.revision > r.revision) >= ?2"
	" AND NOT EXISTS (SELECT 1 FROM store WHERE hold_revision = r.revision)";
static const char given_up[] =
	"SELECT r.name, r.revision FROM revision r WHERE r.status = 2 AND r.since < ?1"
	" AND EXISTS (SELECT 1 FROM revision n WHERE n.name = r.name AND n.revision > r.revision)";

static enum err_code note_doomed(struct marks *m, struct stmt *q, bool certified,
                                 struct doomed_list *list, struct err *err)
{
	struct row r = row_of(q, "revision", &m->arena);
	uint8_t sha256[SHA256_BYTES] = { 0 };
	struct doomed d = { .name = row_str(&r, 0), .revision = row_int(&r, 1, 1, INT32_MAX) };

	if (certified) {
		row_fixed(&r, 2, sha256, SHA256_BYTES);
	}
	enum err_code rc = row_check(&r, err);
	if (rc != ERR_OK ||
	    (certified && map_get(&m->used, bytes_of(sha256, SHA256_BYTES)) != NULL)) {
		return rc;
	}
	struct doomed *x = ARENA_PUSH(&m->arena, list);
	if (x == NULL) {
		return err_nomem(err);
	}
	*x = d;
	return ERR_OK;
}

static enum err_code find_doomed(struct store *s, struct marks *m, int keep,
                                 struct doomed_list *list, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *held = NULL;
	CLEANUP(cleanup_stmt) struct stmt *dropped = NULL;
	int64_t now = store_now(s).s;
	bool row = false;
	enum err_code rc =
		db_query(s->db, old_revisions,
	                 DB_VALUES(db_int(now - EXPIRED_DAYS * DAY_S), db_int(keep)), &held, err);

	while (rc == ERR_OK && (rc = db_next(held, &row, err)) == ERR_OK && row) {
		rc = note_doomed(m, held, /* certified= */ true, list, err);
	}
	if (rc == ERR_OK) {
		rc = db_query(s->db, given_up, DB_VALUES(db_int(now - DROPPED_DAYS * DAY_S)),
		              &dropped, err);
	}
	while (rc == ERR_OK && (rc = db_next(dropped, &row, err)) == ERR_OK && row) {
		rc = note_doomed(m, dropped, /* certified= */ false, list, err);
	}
	return rc;
}

static enum err_code drop_revisions(struct store *s, struct marks *m, int keep, size_t *ret_n,
                                    struct err *err)
{
	static const char *const parts[] = {
		"DELETE FROM sealed WHERE kind = 'identity' AND name = ?1 AND number = ?2",
		"DELETE FROM exchange WHERE name = ?1 AND revision = ?2",
		"DELETE FROM revision WHERE name = ?1 AND revision = ?2",
	};
	struct doomed_list list = { .v = NULL };
	enum err_code rc = find_doomed(s, m, keep, &list, err);

	for (size_t i = 0; rc == ERR_OK && i < list.n * ARRAY_LEN(parts); i++) {
		const struct doomed *d = &list.v[i / ARRAY_LEN(parts)];
		rc = db_run(s->db, parts[i % ARRAY_LEN(parts)],
		            DB_VALUES(db_text(d->name), db_int(d->revision)), err);
	}
	*ret_n = list.n;
	return rc;
}

struct id_list {
	int64_t *v;
	size_t n, cap;
};

static enum err_code find_unused(struct store *s, struct marks *m, struct id_list *list,
                                 struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool row = false;
	enum err_code rc = db_query(s->db, "SELECT id, sha256 FROM certificate",
	                            /* values= */ NULL, 0, &q, err);

	while (rc == ERR_OK && (rc = db_next(q, &row, err)) == ERR_OK && row) {
		struct row r = row_of(q, "certificate", /* arena= */ NULL);
		int64_t id = row_int(&r, 0, 1, INT64_MAX);
		uint8_t sha256[SHA256_BYTES] = { 0 };

		row_fixed(&r, 1, sha256, SHA256_BYTES);
		rc = row_check(&r, err);
		if (rc != ERR_OK || map_get(&m->used, bytes_of(sha256, SHA256_BYTES)) != NULL) {
			continue;
		}
		int64_t *x = ARENA_PUSH(&m->arena, list);
		if (x == NULL) {
			return err_nomem(err);
		}
		*x = id;
	}
	return rc;
}

static enum err_code drop_certificates(struct store *s, struct marks *m, size_t *ret_n,
                                       struct err *err)
{
	struct id_list list = { .v = NULL };
	enum err_code rc = find_unused(s, m, &list, err);

	for (size_t i = 0; rc == ERR_OK && i < list.n; i++) {
		rc = db_run(s->db, "DELETE FROM certificate WHERE id = ?1",
		            DB_VALUES(db_int(list.v[i])), err);
	}
	*ret_n = list.n;
	return rc;
}

/* Done the moment it is written: it stands in the same transaction as what it tells. */
static enum err_code tell(struct store *s, const struct collected *c, struct err *err)
{
	char detail[160];

	if (c->revisions + c->certificates == 0) {
		return ERR_OK;
	}
	(void)snprintf(detail, sizeof(detail),
	               "forgot %zu revisions long out of date and %zu certificates that nothing "
	               "refers to",
	               c->revisions, c->certificates);
	return db_run(s->db,
	              "INSERT INTO journal (at, pass, action, detail, outcome, done_at)"
	              " VALUES (?1, '', 'collect', ?2, 0, ?1)",
	              DB_VALUES(db_wall(store_now(s)), db_text(detail)), err);
}

static enum err_code collect(struct store *s, int keep, struct collected *ret, struct err *err)
{
	CLEANUP(marks_release) struct marks m = { .src.find = mark_found };
	enum err_code rc = ERR_OK;

	map_init(&m.used);
	arena_init(&m.arena);
	rc = mark_presented(s, &m, err);
	if (rc == ERR_OK) {
		rc = drop_revisions(s, &m, keep, &ret->revisions, err);
	}
	if (rc == ERR_OK) {
		rc = mark_kept(s, &m, err);
	}
	if (rc == ERR_OK) {
		rc = drop_certificates(s, &m, &ret->certificates, err);
	}
	if (rc == ERR_OK) {
		rc = db_run(s->db, "DELETE FROM request WHERE done_at < ?1",
		            DB_VALUES(db_int(store_now(s).s - DROPPED_DAYS * DAY_S)), err);
	}
	return rc == ERR_OK ? tell(s, ret, err) : rc;
}

static enum err_code count_sweep(struct store *s, struct err *err)
{
	int64_t n = 0;
	enum err_code rc = meta_int(s, META_COLLECTIONS, &n, err);

	return rc == ERR_OK ? meta_put_int(s, META_COLLECTIONS, n + 1, err) : rc;
}

enum err_code store_collect(struct store *s, int keep_revisions, struct collected *ret,
                            struct err *err)
{
	struct collected c = { 0 };
	int64_t last = 0;
	enum err_code rc = store_begin(s, TX_RECONCILER_QUIET, err);

	if (rc != ERR_OK) {
		return rc;
	}
	rc = meta_int(s, META_COLLECTED_AT, &last, err);
	int64_t now = store_now(s).s;
	bool due = now >= last + COLLECT_EVERY || now < last;
	if (rc == ERR_OK && due) {
		rc = collect(s, keep_revisions, &c, err);
	}
	if (rc == ERR_OK && c.certificates > 0) {
		rc = count_sweep(s, err);
	}
	if (rc == ERR_OK && due) {
		rc = meta_put_int(s, META_COLLECTED_AT, now, err);
	}
	rc = store_end(s, rc, err);
	if (rc != ERR_OK) {
		return err_wrap(err, "forget what is not needed any more");
	}
	*ret = c;
	return ERR_OK;
}
