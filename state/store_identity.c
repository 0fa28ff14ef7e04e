/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_identity.c - identities: a revision for every key there ever was.
 *
 * Revisions are never deleted and their keys stay sealed: a file restored from last year's backup
 * on some host must still be recognised as ours, and rollback needs the old pair. At most one is
 * pending; it becomes the newest held one by being issued, so a pending one is always the highest.
 */
#include <string.h>

#include "reconciler/pki/chain.h"
#include "state/rows.h"
#include "state/store_impl.h"

enum revision_status { REVISION_PENDING, REVISION_HELD, REVISION_DROPPED };

#define BLOB_MAX ((size_t)1 << 20) /* CSR, handle, chain of digests */

static enum err_code touch_identity(struct store *s, const char *identity, struct err *err)
{
	return db_run(s->db, "INSERT INTO identity (name) VALUES (?1) ON CONFLICT DO NOTHING",
	              DB_VALUES(db_text(identity)), err);
}

static enum err_code drop_pending(struct store *s, const char *identity, struct err *err)
{
	return db_run(s->db, "UPDATE revision SET status = 2 WHERE name = ?1 AND status = 0",
	              DB_VALUES(db_text(identity)), err);
}

static enum err_code one_number(struct store *s, const char *sql, const char *identity,
                                int64_t *ret, bool *ret_found, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	enum err_code rc = db_query(s->db, sql, DB_VALUES(db_text(identity)), &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, ret_found, err);
	}
	if (rc == ERR_OK && *ret_found) {
		struct row r = row_of(q, "revision", /* arena= */ NULL);
		*ret = row_int(&r, 0, 0, INT32_MAX - 1);
		rc = row_check(&r, err);
	}
	return rc;
}

static enum err_code next_revision(struct store *s, const char *identity, int64_t *ret,
                                   struct err *err)
{
	int64_t last = 0;
	bool found = false;
	enum err_code rc = one_number(
		s, "SELECT revision FROM revision WHERE name = ?1 ORDER BY revision DESC LIMIT 1",
		identity, &last, &found, err);

	if (rc == ERR_OK) {
		*ret = last + 1;
	}
	return rc;
}

static enum err_code pending_revision(struct store *s, const char *identity, int64_t *ret,
                                      struct err *err)
{
	bool found = false;
	enum err_code rc =
		one_number(s,
	                   "SELECT revision FROM revision WHERE name = ?1 AND status = 0 LIMIT 1",
	                   identity, ret, &found, err);

	if (rc == ERR_OK && !found) {
		return err_set(err, ERR_NOT_FOUND, "identity '%s': no issue is under way",
		               identity);
	}
	return rc;
}

/* What both ways to a revision write. */
struct new_revision {
	const char *identity;
	int64_t revision;
	enum revision_status status;
	const char *issuer, *request_id;
	int issuer_generation, renew;
	const uint8_t *request_digest, *key_digest, *spki;
	struct bytes chain;
	const struct secret *pkcs8; /* NULL: none */
};

static enum err_code insert_revision(struct store *s, const struct new_revision *n, struct err *err)
{
	struct wall now = store_now(s);
	bool held = n->status == REVISION_HELD;
	enum err_code rc = db_run(
		s->db,
		"INSERT INTO revision (name, revision, status, issuer, issuer_generation, renew,"
		" request_digest, key_digest, spki_sha256, since, issued_at, chain, has_key,"
		" revoked, compromised, request_id, ordered, next_poll)"
		" VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,0,0,?14,0,0)",
		DB_VALUES(db_text(n->identity), db_int(n->revision), db_int(n->status),
	                  db_text(n->issuer), db_int(n->issuer_generation), db_int(n->renew),
	                  db_blob(bytes_of(n->request_digest, SHA256_BYTES)),
	                  db_blob(bytes_of(n->key_digest, SHA256_BYTES)),
	                  db_blob(bytes_of(n->spki, SHA256_BYTES)), db_wall(now),
	                  held ? db_wall(now) : db_int(0), db_blob(n->chain),
	                  db_int(n->pkcs8 != NULL), db_text(n->request_id)),
		err);

	if (rc == ERR_OK && n->pkcs8 != NULL) {
		rc = sealed_put(s, SEALED_IDENTITY, n->identity, n->revision, secret_view(n->pkcs8),
		                err);
	}
	return rc == ERR_OK ? db_run(s->db, "UPDATE identity SET archived = 0 WHERE name = ?1",
	                             DB_VALUES(db_text(n->identity)), err)
	                    : rc;
}

static enum err_code begin(struct store *s, const struct new_key *k, int64_t *ret_revision,
                           struct err *err)
{
	int64_t revision = 0;
	enum err_code rc = touch_identity(s, k->identity, err);

	if (rc == ERR_OK) {
		rc = drop_pending(s, k->identity, err);
	}
	if (rc == ERR_OK) {
		rc = next_revision(s, k->identity, &revision, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	struct new_revision n = { .identity = k->identity,
		                  .revision = revision,
		                  .status = REVISION_PENDING,
		                  .issuer = k->issuer,
		                  .request_id = k->request_id,
		                  .issuer_generation = k->issuer_generation,
		                  .renew = k->renew,
		                  .request_digest = k->digest.request,
		                  .key_digest = k->digest.key,
		                  .spki = k->spki_sha256,
		                  .pkcs8 = k->pkcs8 };
	rc = insert_revision(s, &n, err);
	if (rc == ERR_OK) {
		rc = db_run(s->db,
		            "INSERT INTO exchange (name, revision, csr, handle)"
		            " VALUES (?1, ?2, ?3, ?4)",
		            DB_VALUES(db_text(k->identity), db_int(revision), db_blob(k->csr),
		                      db_blob(bytes_of(NULL, 0))),
		            err);
	}
	*ret_revision = rc == ERR_OK ? revision : *ret_revision;
	return rc;
}

enum err_code store_identity_begin(struct store *s, const struct new_key *k, int *ret_revision,
                                   struct err *err)
{
	int64_t revision = 0;
	enum err_code rc = store_begin(s, TX_RECONCILER, err);

	if (rc == ERR_OK) {
		rc = store_end(s, begin(s, k, &revision, err), err);
	}
	if (rc != ERR_OK) {
		return err_wrap(err, "identity '%s': keep a new key", k->identity);
	}
	*ret_revision = (int)revision;
	return ERR_OK;
}

static enum err_code read_exchange(struct store *s, const char *identity, struct buf *csr,
                                   struct buf *handle, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool found = false;
	enum err_code rc = db_query(s->db,
	                            "SELECT x.csr, x.handle FROM revision r JOIN exchange x"
	                            " ON x.name = r.name AND x.revision = r.revision"
	                            " WHERE r.name = ?1 AND r.status = 0",
	                            DB_VALUES(db_text(identity)), &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, &found, err);
	}
	if (rc == ERR_OK && !found) {
		return err_set(err, ERR_NOT_FOUND, "identity '%s': no issue is under way",
		               identity);
	}
	if (rc == ERR_OK) {
		struct row r = row_of(q, "exchange", /* arena= */ NULL);
		buf_add_bytes(csr, row_blob(&r, 0));
		buf_add_bytes(handle, row_blob(&r, 1));
		rc = row_check(&r, err);
	}
	if (rc == ERR_OK) {
		rc = buf_check(csr, "a certificate request", err);
	}
	return rc == ERR_OK ? buf_check(handle, "the handle of an order", err) : rc;
}

enum err_code store_identity_csr(struct store *s, const char *identity, struct buf *ret_csr,
                                 struct buf *ret_handle, struct err *err)
{
	CLEANUP(buf_release) struct buf csr = { 0 };
	CLEANUP(buf_release) struct buf handle = { 0 };

	buf_init(&csr, BLOB_MAX);
	buf_init(&handle, BLOB_MAX);
	enum err_code rc = read_exchange(s, identity, &csr, &handle, err);
	if (rc != ERR_OK) {
		return rc;
	}
	buf_add_bytes(ret_csr, buf_view(&csr));
	buf_add_bytes(ret_handle, buf_view(&handle));
	rc = buf_check(ret_csr, "a certificate request", err);
	return rc == ERR_OK ? buf_check(ret_handle, "the handle of an order", err) : rc;
}

static enum err_code ordered(struct store *s, const char *identity, struct bytes handle,
                             struct wall next_poll, struct err *err)
{
	int64_t revision = 0;
	enum err_code rc = pending_revision(s, identity, &revision, err);

	if (rc == ERR_OK) {
		rc = db_run(s->db,
		            "UPDATE exchange SET handle = ?3 WHERE name = ?1 AND revision = ?2",
		            DB_VALUES(db_text(identity), db_int(revision), db_blob(handle)), err);
	}
	return rc == ERR_OK
	               ? db_run(s->db,
	                        "UPDATE revision SET ordered = 1, next_poll = ?3"
	                        " WHERE name = ?1 AND revision = ?2",
	                        DB_VALUES(db_text(identity), db_int(revision), db_wall(next_poll)),
	                        err)
	               : rc;
}

enum err_code store_identity_ordered(struct store *s, const char *identity, struct bytes handle,
                                     struct wall next_poll, struct err *err)
{
	enum err_code rc = store_begin(s, TX_RECONCILER, err);

	return rc == ERR_OK ? store_end(s, ordered(s, identity, handle, next_poll, err), err) : rc;
}

/* The certificates into their table, their digests into `out`, the root left out. */
static enum err_code keep_chain(struct store *s, const char *identity, struct chain chain,
                                struct buf *out, struct err *err)
{
	struct chain c = chain_without_root(chain);

	if (c.n == 0) {
		return err_set(err, ERR_INVALID, "identity '%s': an empty chain", identity);
	}
	for (size_t i = 0; i < c.n; i++) {
		enum err_code rc = cert_row_put(s, c.v[i], err);
		if (rc != ERR_OK) {
			return rc;
		}
		buf_add(out, c.v[i]->sha256, SHA256_BYTES);
	}
	return buf_check(out, "a chain", err);
}

static enum err_code check_key(struct store *s, const char *identity, int64_t revision,
                               const struct cert *leaf, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	uint8_t spki[SHA256_BYTES] = { 0 };
	bool found = false;
	enum err_code rc =
		db_query(s->db,
	                 "SELECT spki_sha256 FROM revision WHERE name = ?1 AND revision = ?2",
	                 DB_VALUES(db_text(identity), db_int(revision)), &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, &found, err);
	}
	if (rc == ERR_OK && !found) {
		rc = db_damaged(err, "revision", "a row is missing");
	}
	if (rc != ERR_OK) {
		return rc;
	}
	struct row r = row_of(q, "revision", /* arena= */ NULL);
	row_fixed(&r, 0, spki, sizeof(spki));
	rc = row_check(&r, err);
	if (rc == ERR_OK && memcmp(spki, leaf->spki_sha256, SHA256_BYTES) != 0) {
		return err_set(
			err, ERR_VERIFY,
			"identity '%s': the certificate is for another key than was asked for",
			identity);
	}
	return rc;
}

/* Requests of the operator that a new revision answers; an approval is spent by it. */
static enum err_code answered(struct store *s, const char *identity, struct err *err)
{
	enum err_code rc =
		db_run(s->db,
	               "UPDATE identity SET renew_asked = 0, approved_at = 0 WHERE name = ?1",
	               DB_VALUES(db_text(identity)), err);

	return rc == ERR_OK ? db_run(s->db,
	                             "UPDATE request SET done_at = ?2, result = 'issued'"
	                             " WHERE done_at IS NULL AND verb = 'renew' AND name = ?1",
	                             DB_VALUES(db_text(identity), db_wall(store_now(s))), err)
	                    : rc;
}

static enum err_code issued(struct store *s, const char *identity, struct chain chain,
                            struct err *err)
{
	CLEANUP(buf_release) struct buf digests = { 0 };
	int64_t revision = 0;
	enum err_code rc = pending_revision(s, identity, &revision, err);

	buf_init(&digests, BLOB_MAX);
	if (rc == ERR_OK) {
		rc = keep_chain(s, identity, chain, &digests, err);
	}
	if (rc == ERR_OK) {
		rc = check_key(s, identity, revision, chain.v[0], err);
	}
	if (rc == ERR_OK) {
		rc = db_run(s->db,
		            "UPDATE revision SET status = 1, chain = ?3, issued_at = ?4"
		            " WHERE name = ?1 AND revision = ?2",
		            DB_VALUES(db_text(identity), db_int(revision),
		                      db_blob(buf_view(&digests)), db_wall(store_now(s))),
		            err);
	}
	if (rc == ERR_OK) {
		rc = db_run(s->db, "DELETE FROM exchange WHERE name = ?1 AND revision <= ?2",
		            DB_VALUES(db_text(identity), db_int(revision)), err);
	}
	return rc == ERR_OK ? answered(s, identity, err) : rc;
}

enum err_code store_identity_issued(struct store *s, const char *identity, struct chain chain,
                                    struct err *err)
{
	enum err_code rc = store_begin(s, TX_RECONCILER, err);

	return rc == ERR_OK ? store_end(s, issued(s, identity, chain, err), err) : rc;
}

static enum err_code adopt(struct store *s, const struct new_revision *in, struct chain chain,
                           int *ret_revision, struct err *err)
{
	CLEANUP(buf_release) struct buf digests = { 0 };
	struct new_revision n = *in;
	enum err_code rc = touch_identity(s, n.identity, err);

	buf_init(&digests, BLOB_MAX);
	if (rc == ERR_OK) {
		/* A pending one below an adopted one would be issued as an older revision. */
		rc = drop_pending(s, n.identity, err);
	}
	if (rc == ERR_OK) {
		rc = keep_chain(s, n.identity, chain, &digests, err);
	}
	if (rc == ERR_OK) {
		rc = next_revision(s, n.identity, &n.revision, err);
	}
	if (rc == ERR_OK) {
		n.spki = chain.v[0]->spki_sha256;
		n.chain = buf_view(&digests);
		rc = insert_revision(s, &n, err);
		*ret_revision = (int)n.revision;
	}
	return rc == ERR_OK ? answered(s, n.identity, err) : rc;
}

enum err_code store_identity_adopt(struct store *s, const struct adoption *a, int *ret_revision,
                                   struct err *err)
{
	int revision = 0;
	static const uint8_t none[SHA256_BYTES];
	struct new_revision n = { .identity = a->identity,
		                  .status = REVISION_HELD,
		                  .issuer = a->issuer == NULL ? "" : a->issuer,
		                  .request_id = "",
		                  .issuer_generation = a->issuer_generation,
		                  .renew = a->renew,
		                  .request_digest = none,
		                  .key_digest = none,
		                  .pkcs8 = a->pkcs8 };
	enum err_code rc = store_begin(s, TX_RECONCILER, err);

	if (rc == ERR_OK) {
		rc = store_end(s, adopt(s, &n, a->chain, &revision, err), err);
	}
	if (rc != ERR_OK) {
		return err_wrap(err, "identity '%s': adopt", a->identity);
	}
	if (ret_revision != NULL) {
		*ret_revision = revision;
	}
	return ERR_OK;
}

enum err_code store_identity_key(struct store *s, const char *identity, int revision,
                                 struct secret *ret_pkcs8, struct err *err)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	enum err_code rc = store_begin(s, TX_READ, err);

	if (rc == ERR_OK) {
		rc = store_end(s, sealed_get(s, SEALED_IDENTITY, identity, revision, &key, err),
		               err);
	}
	if (rc != ERR_OK) {
		return err_wrap(err, "identity '%s', revision %d: private key", identity, revision);
	}
	secret_release(ret_pkcs8);
	*ret_pkcs8 = key;
	key = (struct secret){ 0 };
	return ERR_OK;
}

static enum err_code revoked(struct store *s, const char *identity, int revision, bool compromised,
                             struct err *err)
{
	enum err_code rc =
		db_run(s->db,
	               "UPDATE revision SET revoked = 1, compromised = max(compromised, ?3)"
	               " WHERE name = ?1 AND revision = ?2",
	               DB_VALUES(db_text(identity), db_int(revision), db_int(compromised)), err);

	if (rc == ERR_OK && db_changes(s->db) == 0) {
		return err_set(err, ERR_NOT_FOUND, "identity '%s': there is no revision %d",
		               identity, revision);
	}
	return rc;
}

enum err_code store_identity_revoked(struct store *s, const char *identity, int revision,
                                     bool compromised, struct err *err)
{
	enum err_code rc = store_begin(s, TX_RECONCILER, err);

	return rc == ERR_OK ? store_end(s, revoked(s, identity, revision, compromised, err), err)
	                    : rc;
}

static enum err_code archive(struct store *s, const char *identity, struct err *err)
{
	enum err_code rc = drop_pending(s, identity, err);

	if (rc == ERR_OK) {
		rc = db_run(s->db,
		            "UPDATE identity SET archived = 1, renew_asked = 0 WHERE name = ?1",
		            DB_VALUES(db_text(identity)), err);
	}
	if (rc == ERR_OK && db_changes(s->db) == 0) {
		return err_set(err, ERR_NOT_FOUND, "identity '%s' is not known here", identity);
	}
	return rc;
}

enum err_code store_identity_archive(struct store *s, const char *identity, struct err *err)
{
	enum err_code rc = store_begin(s, TX_RECONCILER, err);

	return rc == ERR_OK ? store_end(s, archive(s, identity, err), err) : rc;
}
