/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * books.c - the private CA's books over SQLite.
 *
 * A serial belongs to a request before anything is built with it, and the TBS is kept before it is
 * signed: whatever a crash interrupts, the same request gets the same serial and the same contents
 * again. UNIQUE (issuer, serial) is the database's promise, not ours. CRL numbers are handed out by
 * counting up durably first: a number lost to a crash is a gap, and gaps are allowed.
 *
 * No row of ca_serial is ever collected, however long its certificate is out of date: as long as it
 * is there no serial can be used twice, nor can a request that comes back be given a second
 * certificate.
 */
#include <string.h>

#include "state/books_impl.h"

#define SERIAL_BYTES 20
#define SERIAL_MAX   64 /* of a certificate revoked here but not made here */
#define DER_MAX      ((size_t)1 << 20)
#define CRL_MAX      ((size_t)48 << 20)
#define CRLS_KEPT    3 /* of a generation */
#define DAY_S        86400

static void take_blob(struct row *r, int col, struct buf *out)
{
	buf_init(out, DER_MAX);
	if (!row_is_null(r, col)) {
		buf_add_bytes(out, row_blob(r, col));
	}
}

static void drop_reservation(struct ca_reservation *r)
{
	buf_release(&r->tbs);
	buf_release(&r->cert);
}

static enum err_code find_reservation(struct store *s, const char *issuer, const char *request_id,
                                      struct ca_reservation *ret, bool *ret_found, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	enum err_code rc = db_query(s->db,
	                            "SELECT serial, tbs, cert FROM ca_serial"
	                            " WHERE issuer = ?1 AND request_id = ?2",
	                            DB_VALUES(db_text(issuer), db_text(request_id)), &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, ret_found, err);
	}
	if (rc == ERR_OK && *ret_found) {
		struct row r = row_of(q, "ca_serial", /* arena= */ NULL);
		row_fixed(&r, 0, ret->serial, SERIAL_BYTES);
		take_blob(&r, 1, &ret->tbs);
		take_blob(&r, 2, &ret->cert);
		rc = row_check(&r, err);
	}
	if (rc == ERR_OK && (buf_failed(&ret->tbs) || buf_failed(&ret->cert))) {
		rc = err_nomem(err);
	}
	return rc;
}

static enum err_code reserve(struct store *s, const char *issuer, const char *request_id,
                             const uint8_t serial[SERIAL_BYTES], struct ca_reservation *ret,
                             struct err *err)
{
	bool found = false;
	enum err_code rc = find_reservation(s, issuer, request_id, ret, &found, err);

	if (rc != ERR_OK || found) {
		return rc;
	}
	memcpy(ret->serial, serial, SERIAL_BYTES);
	rc = books_touch(s, issuer, err);
	return rc == ERR_OK ? db_run(s->db,
	                             "INSERT INTO ca_serial (issuer, request_id, serial)"
	                             " VALUES (?1, ?2, ?3)",
	                             DB_VALUES(db_text(issuer), db_text(request_id),
	                                       db_blob(bytes_of(serial, SERIAL_BYTES))),
	                             err)
	                    : rc;
}

static enum err_code books_reserve(struct ca_books *b, const char *issuer, const char *request_id,
                                   const uint8_t serial[20], struct ca_reservation *ret,
                                   struct err *err)
{
	CLEANUP(drop_reservation) struct ca_reservation r = { .serial = { 0 } };
	struct store *s = books_store(b);
	enum err_code rc = store_begin(s, TX_RECONCILER_QUIET, err);

	buf_init(&r.tbs, DER_MAX);
	buf_init(&r.cert, DER_MAX);
	if (rc == ERR_OK) {
		rc = store_end(s, reserve(s, issuer, request_id, serial, &r, err), err);
	}
	if (rc != ERR_OK) {
		return err_wrap(err, "Issuer %s: reserve a serial", issuer);
	}
	*ret = r;
	r = (struct ca_reservation){ .serial = { 0 } };
	return ERR_OK;
}

static enum err_code one_serial(struct store *s, enum err_code rc, const char *issuer,
                                const char *request_id, struct err *err)
{
	if (rc == ERR_OK && db_changes(s->db) == 0) {
		return err_set(err, ERR_NOT_FOUND,
		               "Issuer %s: no serial is reserved for request '%s'", issuer,
		               request_id);
	}
	return rc;
}

static enum err_code books_record_tbs(struct ca_books *b, const char *issuer,
                                      const char *request_id, struct bytes tbs, struct err *err)
{
	struct store *s = books_store(b);
	enum err_code rc = store_begin(s, TX_RECONCILER_QUIET, err);

	if (rc != ERR_OK) {
		return rc;
	}
	/* The first one stands: it may have been signed. */
	rc = db_run(s->db,
	            "UPDATE ca_serial SET tbs = coalesce(tbs, ?3)"
	            " WHERE issuer = ?1 AND request_id = ?2",
	            DB_VALUES(db_text(issuer), db_text(request_id), db_blob(tbs)), err);
	return store_end(s, one_serial(s, rc, issuer, request_id, err), err);
}

static enum err_code books_record_cert(struct ca_books *b, const char *issuer,
                                       const char *request_id, struct bytes cert_der,
                                       struct err *err)
{
	CLEANUP(arena_release) struct arena scratch = { 0 };
	const struct cert *c = NULL;
	struct store *s = books_store(b);
	enum err_code rc = cert_parse(cert_der, &scratch, &c, err);

	if (rc == ERR_OK) {
		rc = store_begin(s, TX_RECONCILER_QUIET, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	rc = db_run(s->db,
	            "UPDATE ca_serial SET cert = ?3, not_after = ?4"
	            " WHERE issuer = ?1 AND request_id = ?2",
	            DB_VALUES(db_text(issuer), db_text(request_id), db_blob(cert_der),
	                      db_wall(c->not_after)),
	            err);
	return store_end(s, one_serial(s, rc, issuer, request_id, err), err);
}

static enum err_code revoke(struct store *s, const char *issuer, const struct crl_entry *e,
                            struct err *err)
{
	enum err_code rc = books_touch(s, issuer, err);

	if (rc == ERR_OK) {
		rc = db_run(s->db,
		            "INSERT INTO ca_revocation"
		            " (issuer, serial, revoked_at, reason, not_after)"
		            " VALUES (?1, ?2, ?3, ?4, (SELECT not_after FROM ca_serial"
		            "  WHERE issuer = ?1 AND serial = ?2))"
		            " ON CONFLICT DO NOTHING",
		            DB_VALUES(db_text(issuer), db_blob(e->serial), db_wall(e->revoked_at),
		                      db_int(e->reason)),
		            err);
	}
	if (rc != ERR_OK || db_changes(s->db) == 0) {
		return rc;
	}
	/* When it was recorded, not the date given (that may lie back), and always later than the
	 * newest CRL, even within its second. */
	return db_run(s->db,
	              "UPDATE ca_book SET last_revocation = max(?2, crl_made_at + 1)"
	              " WHERE issuer = ?1",
	              DB_VALUES(db_text(issuer), db_wall(store_now(s))), err);
}

static enum err_code books_record_revocation(struct ca_books *b, const char *issuer,
                                             const struct crl_entry *e, struct err *err)
{
	struct store *s = books_store(b);
	enum err_code rc;

	if (e->serial.n == 0 || e->serial.n > SERIAL_MAX) {
		return err_set(err, ERR_INVALID, "Issuer %s: a serial of %zu octets", issuer,
		               e->serial.n);
	}
	rc = store_begin(s, TX_RECONCILER, err);
	return rc == ERR_OK ? store_end(s, revoke(s, issuer, e, err), err) : rc;
}

struct entries {
	struct crl_entry *v;
	size_t n, cap;
};

static enum err_code read_revocations(struct store *s, const char *issuer, struct arena *arena,
                                      struct entries *ret, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool row = false;
	enum err_code rc =
		db_query(s->db,
	                 "SELECT serial, revoked_at, reason FROM ca_revocation"
	                 " WHERE issuer = ?1 AND (not_after IS NULL OR not_after >= ?2)"
	                 " ORDER BY length(serial), serial",
	                 DB_VALUES(db_text(issuer), db_int(store_now(s).s - DAY_S)), &q, err);

	while (rc == ERR_OK && (rc = db_next(q, &row, err)) == ERR_OK && row) {
		struct row r = row_of(q, "ca_revocation", arena);
		struct crl_entry *e = ARENA_PUSH(arena, ret);
		if (e == NULL) {
			return err_nomem(err);
		}
		e->serial = arena_bytes(arena, row_blob(&r, 0));
		e->revoked_at = row_wall(&r, 1);
		e->reason = (unsigned)row_int(&r, 2, 0, 255);
		if (e->serial.n == 0 || e->serial.n > SERIAL_MAX) {
			row_damage(&r, 0, "has the wrong length");
		}
		rc = row_check(&r, err);
	}
	return rc;
}

static enum err_code books_revocations(struct ca_books *b, const char *issuer, struct arena *arena,
                                       const struct crl_entry **ret, size_t *ret_n, struct err *err)
{
	struct entries v = { .v = NULL };
	enum err_code rc = read_revocations(books_store(b), issuer, arena, &v, err);

	if (rc == ERR_OK) {
		*ret = v.v;
		*ret_n = v.n;
	}
	return rc;
}

static enum err_code read_number(struct store *s, const char *issuer, int64_t *ret, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool found = false;
	enum err_code rc = db_query(s->db, "SELECT crl_number FROM ca_book WHERE issuer = ?1",
	                            DB_VALUES(db_text(issuer)), &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, &found, err);
	}
	if (rc == ERR_OK && found) {
		struct row r = row_of(q, "ca_book", /* arena= */ NULL);
		*ret = row_int(&r, 0, 1, INT64_MAX);
		rc = row_check(&r, err);
	}
	return rc;
}

static enum err_code count_up(struct store *s, const char *issuer, int64_t *ret, struct err *err)
{
	enum err_code rc = books_touch(s, issuer, err);

	if (rc == ERR_OK) {
		rc = db_run(s->db,
		            "UPDATE ca_book SET crl_number = crl_number + 1 WHERE issuer = ?1",
		            DB_VALUES(db_text(issuer)), err);
	}
	return rc == ERR_OK ? read_number(s, issuer, ret, err) : rc;
}

static enum err_code books_next_crl_number(struct ca_books *b, const char *issuer, uint64_t *ret,
                                           struct err *err)
{
	struct store *s = books_store(b);
	int64_t number = 0;
	enum err_code rc = store_begin(s, TX_RECONCILER_QUIET, err);

	if (rc == ERR_OK) {
		rc = store_end(s, count_up(s, issuer, &number, err), err);
	}
	if (rc != ERR_OK) {
		return err_wrap(err, "Issuer %s: the next CRL number", issuer);
	}
	*ret = (uint64_t)number;
	return ERR_OK;
}

static enum err_code keep_crl(struct store *s, const char *issuer, const struct ca_crl *c,
                              struct err *err)
{
	struct db_value number = db_int((int64_t)c->number);
	enum err_code rc = books_touch(s, issuer, err);

	if (rc == ERR_OK) {
		/* A CRL recorded from elsewhere (a restored CA) moves the counter above it. */
		rc = db_run(s->db,
		            "UPDATE ca_book SET crl_number = max(crl_number, ?2),"
		            " crl_made_at = max(?3, last_revocation) WHERE issuer = ?1",
		            DB_VALUES(db_text(issuer), number, db_wall(store_now(s))), err);
	}
	if (rc == ERR_OK) {
		rc = db_run(s->db,
		            "INSERT INTO crl"
		            " (issuer, number, generation, this_update, next_update, der)"
		            " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
		            DB_VALUES(db_text(issuer), number, db_int(c->generation),
		                      db_wall(c->this_update), db_wall(c->next_update),
		                      db_blob(c->der)),
		            err);
	}
	return rc == ERR_OK ? db_run(s->db,
	                             "DELETE FROM crl WHERE issuer = ?1 AND generation = ?2"
	                             " AND number NOT IN (SELECT number FROM crl"
	                             "  WHERE issuer = ?1 AND generation = ?2"
	                             "  ORDER BY number DESC LIMIT ?3)",
	                             DB_VALUES(db_text(issuer), db_int(c->generation),
	                                       db_int(CRLS_KEPT)),
	                             err)
	                    : rc;
}

static enum err_code books_record_crl(struct ca_books *b, const char *issuer,
                                      const struct ca_crl *crl, struct err *err)
{
	struct store *s = books_store(b);
	enum err_code rc;

	if (crl->number > INT64_MAX || crl->der.n > CRL_MAX) {
		return err_set(err, ERR_INVALID, "Issuer %s: CRL %llu cannot be kept", issuer,
		               (unsigned long long)crl->number);
	}
	rc = store_begin(s, TX_RECONCILER, err);
	return rc == ERR_OK ? store_end(s, keep_crl(s, issuer, crl, err), err) : rc;
}

enum err_code store_crl(struct store *s, const char *issuer, struct buf *out, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool found = false;
	enum err_code rc =
		db_query(s->db,
	                 "SELECT der FROM crl WHERE issuer = ?1 ORDER BY number DESC LIMIT 1",
	                 DB_VALUES(db_text(issuer)), &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, &found, err);
	}
	if (rc == ERR_OK && !found) {
		return err_set(err, ERR_NOT_FOUND, "Issuer %s has published no CRL yet", issuer);
	}
	if (rc == ERR_OK) {
		struct row r = row_of(q, "crl", /* arena= */ NULL);
		struct bytes der = row_blob(&r, 0);
		rc = row_check(&r, err);
		if (rc == ERR_OK) {
			buf_add_bytes(out, der);
			rc = buf_check(out, "a CRL", err);
		}
	}
	return rc;
}

void store_books_init(struct store *s)
{
	s->books = (struct ca_books){
		.load_ca = books_load_ca,
		.store_ca = books_store_ca,
		.load_ca_request = books_load_ca_request,
		.store_ca_request = books_store_ca_request,
		.store_ca_cert = books_store_ca_cert,
		.reserve = books_reserve,
		.record_tbs = books_record_tbs,
		.record_cert = books_record_cert,
		.record_revocation = books_record_revocation,
		.revocations = books_revocations,
		.next_crl_number = books_next_crl_number,
		.record_crl = books_record_crl,
	};
}

struct ca_books *store_ca_books(struct store *s)
{
	return &s->books;
}
