/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_delivery.c - what we put where: stores, slots, anchors, and how often it failed.
 *
 * A back-off or an activation may come before anything was written; then the store's row is made
 * from its key.
 */
#include <string.h>

#include "state/store_impl.h"

static const uint8_t no_digest[SHA256_BYTES];

static struct db_value digest(const uint8_t sha256[SHA256_BYTES])
{
	return db_blob(bytes_of(sha256, SHA256_BYTES));
}

static enum err_code touch_store(struct store *s, const char *key, const char *target,
                                 const char *host, const char *path, struct err *err)
{
	return db_run(s->db,
	              "INSERT INTO store (key, target, host, path, written, written_at, activated,"
	              " activated_at, activations, hold_revision)"
	              " VALUES (?1, ?2, ?3, ?4, ?5, 0, ?5, 0, 0, 0) ON CONFLICT DO NOTHING",
	              DB_VALUES(db_text(key), db_text(target), db_text(host), db_text(path),
	                        digest(no_digest)),
	              err);
}

/* "target@host:path". Hosts may hold colons (IPv6); paths of files begin with a slash, so the first
 * ":/" ends the host, and without one the last colon does. */
static enum err_code touch_key(struct store *s, const char *key, struct err *err)
{
	CLEANUP(arena_release) struct arena scratch = { 0 };
	const char *at = strchr(key, '@');
	const char *colon = at == NULL ? NULL : strstr(at, ":/");
	const char *target;
	const char *host;

	colon = at != NULL && colon == NULL ? strrchr(at, ':') : colon;
	if (colon == NULL) {
		return err_set(err, ERR_BUG, "'%s' is no key of a store", key);
	}
	target = arena_strn(&scratch, key, (size_t)(at - key));
	host = arena_strn(&scratch, at + 1, (size_t)(colon - at - 1));
	return arena_failed(&scratch) ? err_nomem(err)
	                              : touch_store(s, key, target, host, colon + 1, err);
}

static enum err_code put_anchor(struct store *s, const char *key, const struct slot_write *w,
                                struct err *err)
{
	uint8_t sha256[SHA256_BYTES];
	enum err_code rc = cert_row_put_der(s, w->anchor_der, sha256, err);

	if (rc == ERR_OK && memcmp(sha256, w->sha256, SHA256_BYTES) != 0) {
		rc = err_set(err, ERR_BUG, "anchor '%s' is not the certificate it is said to be",
		             w->alias);
	}
	return rc == ERR_OK
	               ? db_run(s->db,
	                        "INSERT INTO anchor (store_key, sha256, alias, first_at, left_at)"
	                        " VALUES (?1, ?2, ?3, ?4, 0)"
	                        " ON CONFLICT DO UPDATE SET alias = excluded.alias",
	                        DB_VALUES(db_text(key), digest(sha256), db_text(w->alias),
	                                  db_wall(store_now(s))),
	                        err)
	               : rc;
}

static enum err_code put_slots(struct store *s, const char *key, const struct store_write *w,
                               struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < w->n_slots; i++) {
		const struct slot_write *slot = &w->slots[i];
		rc = db_run(s->db,
		            "INSERT INTO slot (store_key, alias, identity, sha256)"
		            " VALUES (?1, ?2, ?3, ?4)"
		            " ON CONFLICT DO UPDATE SET identity = excluded.identity,"
		            " sha256 = excluded.sha256",
		            DB_VALUES(db_text(key), db_text(slot->alias), db_text(slot->identity),
		                      digest(digest_or_zeroes(slot->sha256))),
		            err);
		if (rc == ERR_OK && slot->identity == NULL && slot->anchor_der.n > 0) {
			rc = put_anchor(s, key, slot, err);
		}
	}
	/* Anchors keep their first date as long as a slot of theirs stays. */
	return rc == ERR_OK ? db_run(s->db,
	                             "DELETE FROM anchor WHERE store_key = ?1 AND sha256 NOT IN"
	                             " (SELECT sha256 FROM slot"
	                             "  WHERE store_key = ?1 AND identity IS NULL)",
	                             DB_VALUES(db_text(key)), err)
	                    : rc;
}

static enum err_code note(struct store *s, const struct store_write *w, bool written,
                          struct err *err)
{
	CLEANUP(arena_release) struct arena scratch = { 0 };
	const char *key = store_key(&scratch, w->target, w->host, w->path);
	enum err_code rc = key == NULL ? err_nomem(err)
	                               : touch_store(s, key, w->target, w->host, w->path, err);

	if (rc == ERR_OK && written) {
		rc = db_run(s->db,
		            "UPDATE store SET written = ?2, written_at = ?3, activations = 0,"
		            " owner = ?4, grp = ?5 WHERE key = ?1",
		            DB_VALUES(db_text(key), digest(w->sha256), db_wall(store_now(s)),
		                      db_text(w->owner), db_text(w->group)),
		            err);
	}
	if (rc == ERR_OK && written) {
		rc = db_run(s->db, "DELETE FROM slot WHERE store_key = ?1", DB_VALUES(db_text(key)),
		            err);
	}
	return rc == ERR_OK ? put_slots(s, key, w, err) : rc;
}

enum err_code store_written(struct store *s, const struct store_write *w, struct err *err)
{
	enum err_code rc = store_begin(s, TX_RECONCILER, err);

	return rc == ERR_OK ? store_end(s, note(s, w, /* written= */ true, err), err) : rc;
}

enum err_code store_slots_ours(struct store *s, const struct store_write *w, struct err *err)
{
	enum err_code rc = store_begin(s, TX_RECONCILER, err);

	return rc == ERR_OK ? store_end(s, note(s, w, /* written= */ false, err), err) : rc;
}

static enum err_code owned_by(struct store *s, const char *key, const char *owner,
                              const char *group, struct err *err)
{
	enum err_code rc = touch_key(s, key, err);

	return rc == ERR_OK ? db_run(s->db,
	                             "UPDATE store SET owner = coalesce(owner, ?2),"
	                             " grp = coalesce(grp, ?3) WHERE key = ?1",
	                             DB_VALUES(db_text(key), db_text(owner), db_text(group)), err)
	                    : rc;
}

enum err_code store_owned_by(struct store *s, const char *key, const char *owner, const char *group,
                             struct err *err)
{
	enum err_code rc = store_begin(s, TX_RECONCILER, err);

	return rc == ERR_OK ? store_end(s, owned_by(s, key, owner, group, err), err) : rc;
}

static enum err_code activated(struct store *s, const char *key, const uint8_t sha256[SHA256_BYTES],
                               bool success, struct err *err)
{
	enum err_code rc = touch_key(s, key, err);

	if (rc == ERR_OK) {
		rc = db_run(s->db, "UPDATE store SET activations = activations + 1 WHERE key = ?1",
		            DB_VALUES(db_text(key)), err);
	}
	return rc == ERR_OK && success
	               ? db_run(s->db,
	                        "UPDATE store SET activated = ?2, activated_at = ?3 WHERE key = ?1",
	                        DB_VALUES(db_text(key), digest(sha256), db_wall(store_now(s))), err)
	               : rc;
}

enum err_code store_activated(struct store *s, const char *key, const uint8_t sha256[SHA256_BYTES],
                              bool success, struct err *err)
{
	enum err_code rc = store_begin(s, TX_RECONCILER, err);

	return rc == ERR_OK ? store_end(s, activated(s, key, sha256, success, err), err) : rc;
}

enum err_code store_activation_proved(struct store *s, const char *key, struct err *err)
{
	enum err_code rc = store_begin(s, TX_RECONCILER, err);

	if (rc == ERR_OK) {
		rc = db_run(s->db,
		            "UPDATE store SET activations = 1 WHERE key = ?1 AND activations > 1",
		            DB_VALUES(db_text(key)), err);
		rc = store_end(s, rc, err);
	}
	return rc;
}

static enum err_code anchor_left(struct store *s, const char *key,
                                 const uint8_t sha256[SHA256_BYTES], bool left, struct err *err)
{
	/* Leaving twice is leaving once: overlap counts from the first time. */
	enum err_code rc = db_run(
		s->db,
		"UPDATE anchor SET left_at = CASE WHEN ?3 = 0 THEN 0 WHEN left_at = 0 THEN ?4"
		" ELSE left_at END WHERE store_key = ?1 AND sha256 = ?2",
		DB_VALUES(db_text(key), digest(sha256), db_int(left), db_wall(store_now(s))), err);

	if (rc == ERR_OK && db_changes(s->db) == 0) {
		return err_set(err, ERR_NOT_FOUND, "store %s: that anchor is not ours", key);
	}
	return rc;
}

enum err_code store_anchor_left(struct store *s, const char *store_key,
                                const uint8_t sha256[SHA256_BYTES], bool left, struct err *err)
{
	enum err_code rc = store_begin(s, TX_RECONCILER, err);

	return rc == ERR_OK ? store_end(s, anchor_left(s, store_key, sha256, left, err), err) : rc;
}

static enum err_code hold(struct store *s, const char *key, int revision, struct err *err)
{
	enum err_code rc = touch_key(s, key, err);

	return rc == ERR_OK ? db_run(s->db, "UPDATE store SET hold_revision = ?2 WHERE key = ?1",
	                             DB_VALUES(db_text(key), db_int(revision)), err)
	                    : rc;
}

enum err_code store_hold(struct store *s, const char *key, int revision, struct err *err)
{
	enum err_code rc = store_begin(s, TX_RECONCILER, err);

	return rc == ERR_OK ? store_end(s, hold(s, key, revision, err), err) : rc;
}

static enum err_code touch_subject(struct store *s, const char *what, struct err *err)
{
	if (strncmp(what, "issue:", 6) == 0) {
		return db_run(s->db,
		              "INSERT INTO identity (name) VALUES (?1) ON CONFLICT DO NOTHING",
		              DB_VALUES(db_text(what + 6)), err);
	}
	if (strncmp(what, "issuer:", 7) == 0) {
		return db_run(s->db,
		              "INSERT INTO ca_book (issuer) VALUES (?1) ON CONFLICT DO NOTHING",
		              DB_VALUES(db_text(what + 7)), err);
	}
	return strncmp(what, "push:", 5) == 0 ? touch_key(s, what + 5, err) : ERR_OK;
}

static enum err_code failed(struct store *s, const char *what, const struct backoff *b,
                            struct err *err)
{
	enum err_code rc = touch_subject(s, what, err);

	return rc == ERR_OK ? db_run(s->db,
	                             "INSERT INTO backoff (what, failures, same, last_at, next_at,"
	                             " inputs, error, held) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
	                             " ON CONFLICT DO UPDATE SET failures = excluded.failures,"
	                             " same = excluded.same, last_at = excluded.last_at,"
	                             " next_at = excluded.next_at, inputs = excluded.inputs,"
	                             " error = excluded.error, held = excluded.held",
	                             DB_VALUES(db_text(what), db_int(b->failures), db_int(b->same),
	                                       db_wall(b->last_at), db_wall(b->next_at),
	                                       digest(b->inputs),
	                                       db_text(b->error == NULL ? "" : b->error),
	                                       db_int(b->held)),
	                             err)
	                    : rc;
}

enum err_code store_failed(struct store *s, const char *what, const struct backoff *b,
                           struct err *err)
{
	enum err_code rc = store_begin(s, TX_RECONCILER, err);

	return rc == ERR_OK ? store_end(s, failed(s, what, b, err), err) : rc;
}

enum err_code store_succeeded(struct store *s, const char *what, struct err *err)
{
	enum err_code rc = store_begin(s, TX_RECONCILER, err);

	return rc == ERR_OK ? store_end(s,
	                                db_run(s->db, "DELETE FROM backoff WHERE what = ?1",
	                                       DB_VALUES(db_text(what)), err),
	                                err)
	                    : rc;
}

static enum err_code release(struct store *s, const char *what, struct err *err)
{
	enum err_code rc =
		db_run(s->db, "DELETE FROM backoff WHERE what = ?1", DB_VALUES(db_text(what)), err);

	return rc == ERR_OK && strncmp(what, "push:", 5) == 0
	               ? db_run(s->db,
	                        "UPDATE store SET hold_revision = 0,"
	                        " activations = MIN(activations, 1) WHERE key = ?1",
	                        DB_VALUES(db_text(what + 5)), err)
	               : rc;
}

enum err_code store_release(struct store *s, const char *what, struct err *err)
{
	enum err_code rc = store_begin(s, TX_OPERATOR, err);

	return rc == ERR_OK ? store_end(s, release(s, what, err), err) : rc;
}
