/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_certs.c - every certificate once, with the facts that plans compare beside its DER.
 *
 * Loading parses nothing: 100,000 certificates are one sequential pass. The table is read whole
 * when the first certificate is missing from the set, because looking them up one by one costs
 * forty times as much; a second load that shares the set then finds everything there.
 */
#include "state/store_certs.h"

#include <string.h>

#include "state/store_impl.h"

#define DER_MAX ((size_t)1 << 20)

/* A set's certificates of one store: their DER is read when asked for. */
struct stored_ders {
	struct cert_ders ders;
	struct store *store;
	struct arena *arena;
	int64_t collections; /* that there had been by then */
};

static const char insert_sql[] = "INSERT INTO certificate"
				 " (sha256, spki_sha256, not_before, not_after, self_signed, der)"
				 " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING";

static enum err_code collections(struct store *s, int64_t *ret, struct err *err)
{
	enum err_code rc =
		s->collections_read ? ERR_OK : meta_int(s, META_COLLECTIONS, &s->collections, err);

	s->collections_read = rc == ERR_OK;
	*ret = s->collections;
	return rc;
}

/* What came from here is here, unless somebody swept in between. */
static enum err_code is_here(struct store *s, const struct seen_cert *c, bool *ret, struct err *err)
{
	const struct stored_ders *from =
		c->ders == NULL ? NULL : CONTAINER_OF(c->ders, struct stored_ders, ders);
	int64_t now = 0;

	*ret = false;
	if (from == NULL || from->store != s) {
		return ERR_OK;
	}
	enum err_code rc = collections(s, &now, err);
	*ret = now == from->collections;
	return rc;
}

enum err_code cert_row_put_seen(struct store *s, const struct seen_cert *c, struct err *err)
{
	bool here = false;
	enum err_code rc = is_here(s, c, &here, err);

	if (rc != ERR_OK || here) {
		return rc;
	}
	struct bytes der = seen_cert_der(c);
	if (der.n == 0 && c->ders != NULL) {
		return err_set(err, ERR_CONFLICT,
		               "a certificate was forgotten while it was in use");
	}
	return db_run(s->db, insert_sql,
	              DB_VALUES(db_blob(bytes_of(c->sha256, SHA256_BYTES)),
	                        db_blob(bytes_of(c->spki_sha256, SHA256_BYTES)),
	                        db_wall(c->not_before), db_wall(c->not_after),
	                        db_int(seen_cert_self_signed(c)), db_blob(der)),
	              err);
}

enum err_code cert_row_put(struct store *s, const struct cert *c, struct err *err)
{
	struct seen_cert facts = { .not_before = c->not_before,
		                   .not_after = c->not_after,
		                   .self_signed =
		                           cert_self_signed(c) ? SELF_SIGNED_YES : SELF_SIGNED_NO,
		                   .der_read = c->der };

	memcpy(facts.sha256, c->sha256, SHA256_BYTES);
	memcpy(facts.spki_sha256, c->spki_sha256, SHA256_BYTES);
	return cert_row_put_seen(s, &facts, err);
}

enum err_code cert_row_put_der(struct store *s, struct bytes der, uint8_t ret[SHA256_BYTES],
                               struct err *err)
{
	CLEANUP(arena_release) struct arena scratch = { 0 };
	const struct cert *c = NULL;
	enum err_code rc = cert_parse(der, &scratch, &c, err);

	if (rc == ERR_OK) {
		rc = cert_row_put(s, c, err);
	}
	if (rc == ERR_OK && ret != NULL) {
		memcpy(ret, c->sha256, SHA256_BYTES);
	}
	return rc;
}

enum err_code cert_row_der(struct store *s, const uint8_t sha256[SHA256_BYTES], struct buf *out,
                           struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool found = false;
	enum err_code rc = db_query(s->db, "SELECT der FROM certificate WHERE sha256 = ?1",
	                            DB_VALUES(db_blob(bytes_of(sha256, SHA256_BYTES))), &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, &found, err);
	}
	if (rc == ERR_OK && !found) {
		return db_damaged(err, "certificate", "one that is in use is missing");
	}
	if (rc == ERR_OK) {
		struct row r = row_of(q, "certificate", /* arena= */ NULL);
		struct bytes der = row_blob(&r, 0);
		rc = row_check(&r, err);
		buf_add_bytes(out, rc == ERR_OK ? der : bytes_of(NULL, 0));
	}
	return rc == ERR_OK ? buf_check(out, "a certificate", err) : rc;
}

static enum err_code read_der(struct cert_ders *d, const uint8_t sha256[SHA256_BYTES],
                              struct bytes *ret, struct err *err)
{
	CLEANUP(buf_release) struct buf der = { 0 };
	struct stored_ders *from = CONTAINER_OF(d, struct stored_ders, ders);

	buf_init(&der, DER_MAX);
	enum err_code rc = cert_row_der(from->store, sha256, &der, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct bytes kept = arena_bytes(from->arena, buf_view(&der));
	if (kept.p == NULL) {
		return err_nomem(err);
	}
	*ret = kept;
	return ERR_OK;
}

static enum err_code take_row(struct stmt *q, struct seen_certs *set, struct cert_ders *ders,
                              struct err *err)
{
	struct row r = row_of(q, "certificate", set->arena);
	uint8_t sha256[SHA256_BYTES] = { 0 };
	struct seen_cert *c;

	row_fixed(&r, 0, sha256, SHA256_BYTES);
	if (r.wrong == NULL && seen_cert_find(set, sha256) != NULL) {
		return ERR_OK;
	}
	c = ARENA_NEW(set->arena, struct seen_cert);
	if (c == NULL) {
		return err_nomem(err);
	}
	memcpy(c->sha256, sha256, SHA256_BYTES);
	row_fixed(&r, 1, c->spki_sha256, SHA256_BYTES);
	c->not_before = row_wall(&r, 2);
	c->not_after = row_wall(&r, 3);
	c->self_signed = row_bool(&r, 4) ? SELF_SIGNED_YES : SELF_SIGNED_NO;
	c->ders = ders;
	enum err_code rc = row_check(&r, err);
	if (rc != ERR_OK) {
		return rc;
	}
	return map_put(&set->by_sha256, bytes_of(c->sha256, SHA256_BYTES), c,
	               /* ret_old= */ NULL) < 0
	               ? err_nomem(err)
	               : ERR_OK;
}

static enum err_code load_all(struct store *s, struct seen_certs *set, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	struct stored_ders *from = ARENA_NEW(set->arena, struct stored_ders);
	bool row = false;
	size_t n = 0;

	if (from == NULL) {
		return err_nomem(err);
	}
	*from = (struct stored_ders){ .ders.read = read_der, .store = s, .arena = set->arena };
	enum err_code rc = collections(s, &from->collections, err);
	if (rc == ERR_OK) {
		rc = db_count(s->db, "SELECT count(*) FROM certificate", &n, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	if (map_reserve(&set->by_sha256, n) < 0) {
		return err_nomem(err);
	}
	rc = db_query(s->db,
	              "SELECT sha256, spki_sha256, not_before, not_after,"
	              " self_signed FROM certificate ORDER BY id",
	              /* values= */ NULL, 0, &q, err);

	while (rc == ERR_OK && (rc = db_next(q, &row, err)) == ERR_OK && row) {
		rc = take_row(q, set, &from->ders, err);
	}
	return rc;
}

static enum err_code find_or_load(struct cert_source *src, const uint8_t sha256[SHA256_BYTES],
                                  const struct seen_cert **ret, struct err *err)
{
	struct cert_rows *rows = CONTAINER_OF(src, struct cert_rows, src);
	const struct seen_cert *c = seen_cert_find(rows->set, sha256);

	if (c == NULL && !rows->loaded) {
		enum err_code rc = load_all(rows->store, rows->set, err);
		if (rc != ERR_OK) {
			return rc;
		}
		rows->loaded = true;
		c = seen_cert_find(rows->set, sha256);
	}
	if (c == NULL) {
		return db_damaged(err, "certificate", "one that is in use is missing");
	}
	*ret = c;
	return ERR_OK;
}

void cert_rows_init(struct cert_rows *rows, struct store *s, struct seen_certs *set)
{
	*rows = (struct cert_rows){ .src.find = find_or_load, .store = s, .set = set };
}
