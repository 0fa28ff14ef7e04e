/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * books_ca.c - keys, requests and certificates of CAs.
 *
 * A CA key is never replaced; the certificate over it may be, when a CA elsewhere renews it.
 */
#include "reconciler/pki/csr.h"
#include "reconciler/pki/pki.h"
#include "state/books_impl.h"

#define DER_MAX ((size_t)1 << 20)

struct store *books_store(struct ca_books *b)
{
	return CONTAINER_OF(b, struct store, books);
}

enum err_code books_touch(struct store *s, const char *issuer, struct err *err)
{
	return db_run(s->db, "INSERT INTO ca_book (issuer) VALUES (?1) ON CONFLICT DO NOTHING",
	              DB_VALUES(db_text(issuer)), err);
}

static enum err_code ca_digest(struct store *s, const char *issuer, int generation,
                               uint8_t ret[SHA256_BYTES], struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool found = false;
	enum err_code rc =
		db_query(s->db, "SELECT sha256 FROM ca WHERE issuer = ?1 AND generation = ?2",
	                 DB_VALUES(db_text(issuer), db_int(generation)), &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, &found, err);
	}
	if (rc == ERR_OK && !found) {
		return err_set(err, ERR_NOT_FOUND,
		               "Issuer %s: generation %d of the CA was never made here", issuer,
		               generation);
	}
	if (rc == ERR_OK) {
		struct row r = row_of(q, "ca", /* arena= */ NULL);
		row_fixed(&r, 0, ret, SHA256_BYTES);
		rc = row_check(&r, err);
	}
	return rc;
}

static enum err_code read_cert(struct store *s, const char *issuer, int generation, struct buf *out,
                               struct err *err)
{
	uint8_t sha256[SHA256_BYTES] = { 0 };
	enum err_code rc = ca_digest(s, issuer, generation, sha256, err);

	return rc == ERR_OK ? cert_row_der(s, sha256, out, err) : rc;
}

static enum err_code read_request(struct store *s, const char *issuer, int generation,
                                  struct buf *out, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool found = false;
	enum err_code rc =
		db_query(s->db, "SELECT csr FROM ca_request WHERE issuer = ?1 AND generation = ?2",
	                 DB_VALUES(db_text(issuer), db_int(generation)), &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, &found, err);
	}
	if (rc == ERR_OK && !found) {
		return err_set(err, ERR_NOT_FOUND,
		               "Issuer %s: no request of generation %d was made here", issuer,
		               generation);
	}
	if (rc == ERR_OK) {
		struct row r = row_of(q, "ca_request", /* arena= */ NULL);
		struct bytes csr = row_blob(&r, 0);
		rc = row_check(&r, err);
		if (rc == ERR_OK) {
			buf_add_bytes(out, csr);
		}
	}
	return rc;
}

typedef enum err_code read_fn(struct store *s, const char *issuer, int generation, struct buf *out,
                              struct err *err);

static enum err_code read_with_key(struct ca_books *b, const char *issuer, int generation,
                                   read_fn *read, struct secret *ret_pkcs8, struct buf *ret,
                                   struct err *err)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	CLEANUP(buf_release) struct buf der = { 0 };
	struct store *s = books_store(b);
	enum err_code rc = store_begin(s, TX_READ, err);

	if (rc != ERR_OK) {
		return rc;
	}
	buf_init(&der, DER_MAX);
	rc = read(s, issuer, generation, &der, err);
	if (rc == ERR_OK) {
		rc = sealed_get(s, SEALED_CA, issuer, generation, &key, err);
	}
	rc = store_end(s, rc, err);
	if (rc == ERR_OK) {
		buf_add_bytes(ret, buf_view(&der));
		rc = buf_check(ret, "a CA certificate", err);
	}
	if (rc == ERR_OK) {
		secret_release(ret_pkcs8);
		*ret_pkcs8 = key;
		key = (struct secret){ 0 };
	}
	return rc;
}

enum err_code store_ca_csr(struct store *s, const char *issuer, int generation, struct buf *out,
                           struct err *err)
{
	enum err_code rc = store_begin(s, TX_READ, err);

	return rc == ERR_OK ? store_end(s, read_request(s, issuer, generation, out, err), err) : rc;
}

enum err_code books_load_ca(struct ca_books *b, const char *issuer, int generation,
                            struct secret *ret_pkcs8, struct buf *ret_cert_der, struct err *err)
{
	return read_with_key(b, issuer, generation, read_cert, ret_pkcs8, ret_cert_der, err);
}

enum err_code books_load_ca_request(struct ca_books *b, const char *issuer, int generation,
                                    struct secret *ret_pkcs8, struct buf *ret_csr, struct err *err)
{
	return read_with_key(b, issuer, generation, read_request, ret_pkcs8, ret_csr, err);
}

static enum err_code write_cert(struct store *s, const char *issuer, int generation,
                                struct bytes cert_der, struct err *err)
{
	uint8_t sha256[SHA256_BYTES] = { 0 };
	enum err_code rc = cert_row_put_der(s, cert_der, sha256, err);

	if (rc == ERR_OK) {
		rc = db_run(s->db,
		            "INSERT INTO ca (issuer, generation, sha256, created_at)"
		            " VALUES (?1, ?2, ?3, ?4)"
		            " ON CONFLICT DO UPDATE SET sha256 = excluded.sha256",
		            DB_VALUES(db_text(issuer), db_int(generation),
		                      db_blob(bytes_of(sha256, SHA256_BYTES)),
		                      db_wall(store_now(s))),
		            err);
	}
	return rc;
}

/* Present already breaks the key: a CA key is never replaced. */
static enum err_code write_key(struct store *s, const char *issuer, int generation,
                               const struct secret *pkcs8, struct err *err)
{
	enum err_code rc = books_touch(s, issuer, err);

	return rc == ERR_OK ? sealed_put(s, SEALED_CA, issuer, generation, secret_view(pkcs8), err)
	                    : rc;
}

enum err_code books_store_ca(struct ca_books *b, const char *issuer, int generation,
                             const struct secret *pkcs8, struct bytes cert_der, struct err *err)
{
	struct store *s = books_store(b);
	enum err_code rc = store_begin(s, TX_RECONCILER, err);

	if (rc == ERR_OK) {
		rc = write_key(s, issuer, generation, pkcs8, err);
		if (rc == ERR_OK) {
			rc = write_cert(s, issuer, generation, cert_der, err);
		}
		rc = store_end(s, rc, err);
	}
	return rc == ERR_OK ? ERR_OK
	                    : err_wrap(err, "Issuer %s: keep generation %d of the CA", issuer,
	                               generation);
}

static enum err_code write_request(struct store *s, const char *issuer, int generation,
                                   struct bytes csr, struct err *err)
{
	uint8_t sha256[SHA256_BYTES];
	struct bytes spki = { 0 };
	enum err_code rc = csr_check(csr, &spki, err);

	if (rc != ERR_OK) {
		return rc;
	}
	pki_sha256(spki.p, spki.n, sha256);
	return db_run(s->db,
	              "INSERT INTO ca_request (issuer, generation, csr, spki_sha256, created_at)"
	              " VALUES (?1, ?2, ?3, ?4, ?5)",
	              DB_VALUES(db_text(issuer), db_int(generation), db_blob(csr),
	                        db_blob(bytes_of(sha256, SHA256_BYTES)), db_wall(store_now(s))),
	              err);
}

enum err_code books_store_ca_request(struct ca_books *b, const char *issuer, int generation,
                                     const struct secret *pkcs8, struct bytes csr, struct err *err)
{
	struct store *s = books_store(b);
	enum err_code rc = store_begin(s, TX_RECONCILER, err);

	if (rc == ERR_OK) {
		rc = write_key(s, issuer, generation, pkcs8, err);
		if (rc == ERR_OK) {
			rc = write_request(s, issuer, generation, csr, err);
		}
		rc = store_end(s, rc, err);
	}
	return rc == ERR_OK ? ERR_OK
	                    : err_wrap(err, "Issuer %s: keep the request of generation %d", issuer,
	                               generation);
}

enum err_code books_store_ca_cert(struct ca_books *b, const char *issuer, int generation,
                                  struct bytes cert_der, struct err *err)
{
	CLEANUP(buf_release) struct buf csr = { 0 };
	struct store *s = books_store(b);
	enum err_code rc = store_begin(s, TX_RECONCILER, err);

	buf_init(&csr, DER_MAX);
	if (rc == ERR_OK) {
		rc = read_request(s, issuer, generation, &csr, err);
		if (rc == ERR_OK) {
			rc = write_cert(s, issuer, generation, cert_der, err);
		}
		rc = store_end(s, rc, err);
	}
	return rc == ERR_OK ? ERR_OK
	                    : err_wrap(err, "Issuer %s: keep the certificate of generation %d",
	                               issuer, generation);
}
