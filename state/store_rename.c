/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_rename.c - other names for what is kept, all of a list in one transaction.
 *
 * Sealed rows carry the name as associated data, so each is opened and sealed anew: a database in
 * which somebody exchanged two rows by hand must not open. What nothing but the fleet can say
 * (written digests, approvals, requests not taken yet) goes along; the journal keeps the words that
 * were true when they were written.
 */
#include "state/rename.h"
#include "state/store_impl.h"

/* ?1: the name so far, ?2: the new one. '@' cannot be in a Target's name and 'A' follows it. */
static const char *const identity_changes[] = {
	/* A wish under the new name was left for this very identity. */
	"UPDATE identity SET"
	" renew_asked = max(renew_asked, coalesce((SELECT renew_asked FROM identity"
	" WHERE name = ?2), 0)),"
	" approved_at = max(approved_at, coalesce((SELECT approved_at FROM identity"
	" WHERE name = ?2), 0)) WHERE name = ?1",
	("DELETE FROM identity WHERE name = ?2"
	 " AND EXISTS (SELECT 1 FROM identity WHERE name = ?1)"),
	"UPDATE identity SET name = ?2 WHERE name = ?1",
	/* All that is left there are requests that were given up: their numbers are needed. */
	"DELETE FROM exchange WHERE name = ?2",
	"DELETE FROM sealed WHERE kind = 'identity' AND name = ?2",
	"DELETE FROM revision WHERE name = ?2",
	"UPDATE revision SET name = ?2 WHERE name = ?1",
	"UPDATE exchange SET name = ?2 WHERE name = ?1",
	"UPDATE slot SET identity = ?2 WHERE identity = ?1",
	"UPDATE OR REPLACE backoff SET what = 'issue:' || ?2 WHERE what = 'issue:' || ?1",
	"UPDATE OR REPLACE suspension SET name = ?2 WHERE kind = 'Certificate' AND name = ?1",
	"UPDATE request SET name = ?2 WHERE done_at IS NULL AND name = ?1 AND verb = 'revoke'",
	NULL,
};
static const char *const issuer_changes[] = {
	("DELETE FROM ca_book WHERE issuer = ?2"
	 " AND EXISTS (SELECT 1 FROM ca_book WHERE issuer = ?1)"),
	"UPDATE ca_book SET issuer = ?2 WHERE issuer = ?1",
	"UPDATE ca SET issuer = ?2 WHERE issuer = ?1",
	"UPDATE ca_request SET issuer = ?2 WHERE issuer = ?1",
	"UPDATE ca_serial SET issuer = ?2 WHERE issuer = ?1",
	"UPDATE ca_revocation SET issuer = ?2 WHERE issuer = ?1",
	"UPDATE crl SET issuer = ?2 WHERE issuer = ?1",
	"UPDATE revision SET issuer = ?2 WHERE issuer = ?1",
	"UPDATE OR REPLACE backoff SET what = 'issuer:' || ?2 WHERE what = 'issuer:' || ?1",
	"UPDATE OR REPLACE suspension SET name = ?2 WHERE kind = 'Issuer' AND name = ?1",
	NULL,
};
static const char *const target_changes[] = {
	"UPDATE slot SET store_key = ?2 || substr(store_key, length(?1) + 1)"
	" WHERE store_key >= ?1 || '@' AND store_key < ?1 || 'A'",
	"UPDATE anchor SET store_key = ?2 || substr(store_key, length(?1) + 1)"
	" WHERE store_key >= ?1 || '@' AND store_key < ?1 || 'A'",
	"UPDATE store SET target = ?2, key = ?2 || substr(key, length(?1) + 1)"
	" WHERE key >= ?1 || '@' AND key < ?1 || 'A'",
	"UPDATE OR REPLACE backoff SET what = 'push:' || ?2 || substr(what, length(?1) + 6)"
	" WHERE what >= 'push:' || ?1 || '@' AND what < 'push:' || ?1 || 'A'",
	"UPDATE OR REPLACE suspension SET name = ?2 || substr(name, length(?1) + 1)"
	" WHERE kind = 'Target' AND (name = ?1 OR (name >= ?1 || '@' AND name < ?1 || 'A'))",
	"UPDATE OR REPLACE seen_store SET target = ?2, key = ?2 || substr(key, length(?1) + 1)"
	" WHERE key >= ?1 || '@' AND key < ?1 || 'A'",
	"UPDATE OR REPLACE seen_config SET key = ?2 || substr(key, length(?1) + 1)"
	" WHERE key >= ?1 || '@' AND key < ?1 || 'A'",
	"UPDATE history SET key = ?2 || substr(key, length(?1) + 1)"
	" WHERE kind <> 1 AND key >= ?1 || '@' AND key < ?1 || 'A'",
	"UPDATE request SET name = ?2"
	" WHERE done_at IS NULL AND name = ?1 AND verb IN ('push', 'rollback')",
	NULL,
};
static const char *const no_changes[] = { NULL };

static const struct {
	const char *kind;  /* for people, and in the journal */
	const char *taken; /* a row: the new name holds something already */
	const char *const *changes;
	const char *sealed; /* kind of sealed row, NULL: none */
} ways[] = {
	[RENAMED_ISSUER] = { "Issuer",
	                     "SELECT 1 FROM ca WHERE issuer = ?1 UNION ALL"
	                     " SELECT 1 FROM ca_request WHERE issuer = ?1 LIMIT 1",
	                     issuer_changes, SEALED_CA },
	[RENAMED_IDENTITY] = { "Certificate",
	                       "SELECT 1 FROM revision WHERE name = ?1 AND status < 2 LIMIT 1",
	                       identity_changes, SEALED_IDENTITY },
	[RENAMED_SECRET] = { "generated secret", NULL, no_changes, SEALED_GENERATED },
	[RENAMED_TARGET] = { "Target",
	                     "SELECT 1 FROM store WHERE key >= ?1 || '@' AND key < ?1 || 'A'"
	                     " LIMIT 1",
	                     target_changes, NULL },
};

static enum err_code check_free(struct store *s, const struct rename *r, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	const char *sql = ways[r->what].taken;
	bool taken = false;

	if (sql == NULL) {
		return ERR_OK;
	}
	enum err_code rc = db_query(s->db, sql, DB_VALUES(db_text(r->to)), &q, err);
	if (rc == ERR_OK) {
		rc = db_next(q, &taken, err);
	}
	return rc == ERR_OK && taken
	               ? err_set(err, ERR_CONFLICT, "both names hold something in the state")
	               : rc;
}

/* Done the moment it is written: it stands in the same transaction as what it tells. */
static enum err_code note(struct store *s, const struct rename *r, struct err *err)
{
	CLEANUP(buf_release) struct buf action = { 0 };
	CLEANUP(buf_release) struct buf detail = { 0 };
	const char *kind = ways[r->what].kind;

	buf_init(&action, BUF_LIMIT_TEXT);
	buf_init(&detail, BUF_LIMIT_TEXT);
	buf_printf(&action, "rename:%s/%s", kind, r->from);
	buf_printf(&detail, "%s %s is called %s from now on", kind, r->from, r->to);
	enum err_code rc = buf_check(&detail, "a name", err);
	return rc == ERR_OK ? db_run(s->db,
	                             "INSERT INTO journal (at, pass, action, detail, outcome,"
	                             " done_at) VALUES (?1, '', ?2, ?3, 0, ?1)",
	                             DB_VALUES(db_wall(store_now(s)), db_text(buf_str(&action)),
	                                       db_text(buf_str(&detail))),
	                             err)
	                    : rc;
}

static enum err_code rename_one(struct store *s, const struct rename *r, struct err *err)
{
	const char *const *changes = ways[r->what].changes;
	enum err_code rc = check_free(s, r, err);
	int64_t touched = 0;

	for (size_t i = 0; rc == ERR_OK && changes[i] != NULL; i++) {
		rc = db_run(s->db, changes[i], DB_VALUES(db_text(r->from), db_text(r->to)), err);
		touched += rc == ERR_OK ? db_changes(s->db) : 0;
	}
	if (rc == ERR_OK && ways[r->what].sealed != NULL) {
		rc = sealed_rename(s, ways[r->what].sealed, r->from, r->to, err);
	}
	if (rc == ERR_OK && touched > 0) {
		rc = note(s, r, err);
	}
	return rc == ERR_OK ? rc
	                    : err_wrap(err, "rename %s '%s' to '%s'", ways[r->what].kind, r->from,
	                               r->to);
}

enum err_code store_rename(struct store *s, const struct rename *v, size_t n, struct err *err)
{
	enum err_code rc = n == 0 ? ERR_OK : store_begin(s, TX_RECONCILER, err);

	if (rc != ERR_OK || n == 0) {
		return rc;
	}
	for (size_t i = 0; rc == ERR_OK && i < n; i++) {
		rc = rename_one(s, &v[i], err);
	}
	return store_end(s, rc, err);
}
