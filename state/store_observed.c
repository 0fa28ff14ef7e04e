/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_observed.c - the last look, and what changed since the one before.
 *
 * A row is replaced when it was looked at again; rows that nobody looked at for OBSERVED_DAYS go.
 * The history holds changes of status or content only, so a fleet in order writes none. A row
 * without a look (LOOK_NONE) says nothing and replaces nothing.
 */
#include <limits.h>
#include <string.h>

#include "state/store_certs.h"
#include "state/store_impl.h"

#define BLOB_MAX      ((size_t)16 << 20)
#define DAY_S         86400
#define OBSERVED_DAYS 90
#define HISTORY_DAYS  400

struct saving {
	struct store *s;
	const struct observed *o;
	struct map written; /* certificates put already, by SHA-256 */
	struct buf blob;
};

static enum err_code save_chain(struct saving *w, struct seen_chain chain, struct err *err)
{
	static char mark;

	for (size_t i = 0; i < chain.n; i++) {
		const struct seen_cert *c = chain.v[i];
		struct bytes key = bytes_of(c->sha256, SHA256_BYTES);
		enum err_code rc;
		if (map_get(&w->written, key) != NULL) {
			continue;
		}
		rc = cert_row_put_seen(w->s, c, err);
		if (rc != ERR_OK) {
			return rc;
		}
		if (map_put(&w->written, key, &mark, /* ret_old= */ NULL) < 0) {
			return err_nomem(err);
		}
	}
	return ERR_OK;
}

static bool same_as(struct stmt *q, int64_t status, struct bytes content)
{
	struct row r = row_of(q, "seen", /* arena= */ NULL);
	int64_t old_status = row_int(&r, 0, 0, INT_MAX);
	struct bytes old = row_blob(&r, 1);

	return r.wrong == NULL && old_status == status && bytes_equal(old, content);
}

struct change {
	enum observed_what kind;
	const char *key;
	int64_t status;
	struct bytes content;
};

static enum err_code is_news(struct saving *w, const char *sql, const struct change *c, bool *ret,
                             struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool found = false;
	enum err_code rc = db_query(w->s->db, sql, DB_VALUES(db_text(c->key)), &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, &found, err);
	}
	if (rc == ERR_OK) {
		*ret = !found || !same_as(q, c->status, c->content);
	}
	return rc;
}

/* Into the history unless `sql` finds the same status and content. */
static enum err_code note_change(struct saving *w, const char *sql, const struct change *c,
                                 struct err *err)
{
	uint8_t digest[SHA256_BYTES] = { 0 };
	bool news = false;
	enum err_code rc = is_news(w, sql, c, &news, err);

	if (rc != ERR_OK || !news) {
		return rc;
	}
	pki_sha256(c->content.p, c->content.n, digest);
	return db_run(w->s->db,
	              "INSERT INTO history (at, kind, key, status, content)"
	              " VALUES (?1, ?2, ?3, ?4, ?5)",
	              DB_VALUES(db_wall(w->o->at), db_int(c->kind), db_text(c->key),
	                        db_int(c->status), db_blob(bytes_of(digest, SHA256_BYTES))),
	              err);
}

static enum err_code write_store(struct saving *w, const char *key, const struct obs_store *o,
                                 struct err *err)
{
	return db_run(w->s->db,
	              "INSERT INTO seen_store (key, target, host, path, status, error, at, format,"
	              " profile, password, mode, owner, grp, sha256, warnings, entries)"
	              " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)"
	              " ON CONFLICT DO UPDATE SET status = excluded.status, error = excluded.error,"
	              " at = excluded.at, format = excluded.format, profile = excluded.profile,"
	              " password = excluded.password, mode = excluded.mode, owner = excluded.owner,"
	              " grp = excluded.grp, sha256 = excluded.sha256, warnings = excluded.warnings,"
	              " entries = excluded.entries",
	              DB_VALUES(db_text(key), db_text(o->target), db_text(o->host),
	                        db_text(o->path), db_int(o->status), db_text(o->error),
	                        db_wall(o->at), db_text(o->format), db_text(o->profile),
	                        db_int(o->password), db_int(o->mode), db_text(o->owner),
	                        db_text(o->group),
	                        db_blob(bytes_of(digest_or_zeroes(o->sha256), SHA256_BYTES)),
	                        db_int(o->warnings), db_blob(buf_view(&w->blob))),
	              err);
}

static enum err_code save_store(struct saving *w, const struct obs_store *o, struct err *err)
{
	CLEANUP(arena_release) struct arena scratch = { 0 };
	const char *key = store_key(&scratch, o->target, o->host, o->path);
	enum err_code rc = key == NULL ? err_nomem(err) : ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < o->n_entries; i++) {
		rc = save_chain(w, o->entries[i].chain, err);
	}
	buf_reset(&w->blob);
	if (rc == ERR_OK) {
		rc = row_encode_entries(o->entries, o->n_entries, &w->blob, err);
	}
	if (rc == ERR_OK) {
		rc = note_change(w, "SELECT status, sha256 FROM seen_store WHERE key = ?1",
		                 &(struct change){ .kind = OBSERVED_STORE,
		                                   .key = key,
		                                   .status = o->status,
		                                   .content = bytes_of(digest_or_zeroes(o->sha256),
		                                                       SHA256_BYTES) },
		                 err);
	}
	return rc == ERR_OK ? write_store(w, key, o, err) : rc;
}

static enum err_code save_chains(struct saving *w, const struct obs_endpoint *o, struct err *err)
{
	enum err_code rc = save_chain(w, o->served, err);

	if (rc == ERR_OK) {
		rc = save_chain(w, o->twin, err);
	}
	for (size_t i = 0; rc == ERR_OK && i < o->n_addresses; i++) {
		rc = save_chain(w, o->addresses[i].served, err);
	}
	return rc;
}

/* The blobs of a row of seen_endpoint. `shown`: all chains, whose change is news. */
struct endpoint_blobs {
	struct buf names, others, addresses, shown;
};

static void endpoint_blobs_release(struct endpoint_blobs *b)
{
	buf_release(&b->names);
	buf_release(&b->others);
	buf_release(&b->addresses);
	buf_release(&b->shown);
}

static enum err_code encode_endpoint(struct saving *w, const struct obs_endpoint *o,
                                     struct endpoint_blobs *b, struct err *err)
{
	buf_init(&b->names, BLOB_MAX);
	buf_init(&b->others, BLOB_MAX);
	buf_init(&b->addresses, BLOB_MAX);
	buf_init(&b->shown, BLOB_MAX);
	buf_reset(&w->blob);
	row_encode_chain(o->served, &w->blob);
	enum err_code rc = buf_check(&w->blob, "a served chain", err);
	if (rc == ERR_OK) {
		rc = row_encode_others(o, &b->others, &b->addresses, err);
	}
	if (rc == ERR_OK) {
		rc = row_encode_names(o->ca_names, o->n_ca_names, &b->names, err);
	}
	buf_add_bytes(&b->shown, buf_view(&w->blob));
	buf_add_bytes(&b->shown, buf_view(&b->others));
	return rc == ERR_OK ? buf_check(&b->shown, "served chains", err) : rc;
}

static enum err_code write_endpoint(struct saving *w, const struct obs_endpoint *o,
                                    const struct endpoint_blobs *b, struct err *err)
{
	return db_run(w->s->db,
	              "INSERT INTO seen_endpoint (key, status, error, at, proof, served,"
	              " protocol, cipher, client_cert_asked, ca_names, others, addresses,"
	              " name_refused)"
	              " VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13) ON CONFLICT DO UPDATE"
	              " SET status = excluded.status, error = excluded.error,"
	              " at = excluded.at, proof = excluded.proof,"
	              " served = excluded.served, protocol = excluded.protocol,"
	              " cipher = excluded.cipher,"
	              " client_cert_asked = excluded.client_cert_asked,"
	              " ca_names = excluded.ca_names, others = excluded.others,"
	              " addresses = excluded.addresses, name_refused = excluded.name_refused",
	              DB_VALUES(db_text(o->key), db_int(o->status), db_text(o->error),
	                        db_wall(o->at), db_int(o->proof), db_blob(buf_view(&w->blob)),
	                        db_text(o->protocol), db_text(o->cipher),
	                        db_int(o->client_cert_asked), db_blob(buf_view(&b->names)),
	                        db_blob(buf_view(&b->others)), db_blob(buf_view(&b->addresses)),
	                        db_int(o->name_refused)),
	              err);
}

static enum err_code save_endpoint(struct saving *w, const struct obs_endpoint *o, struct err *err)
{
	CLEANUP(endpoint_blobs_release) struct endpoint_blobs b = { 0 };
	enum err_code rc = save_chains(w, o, err);

	if (rc == ERR_OK) {
		rc = encode_endpoint(w, o, &b, err);
	}
	if (rc == ERR_OK) {
		rc = note_change(w,
		                 "SELECT status, CAST(served || others AS BLOB) FROM seen_endpoint"
		                 " WHERE key = ?1",
		                 &(struct change){ .kind = OBSERVED_ENDPOINT,
		                                   .key = o->key,
		                                   .status = o->status,
		                                   .content = buf_view(&b.shown) },
		                 err);
	}
	return rc == ERR_OK ? write_endpoint(w, o, &b, err) : rc;
}

static enum err_code save_config(struct saving *w, const struct obs_config *o, struct err *err)
{
	struct bytes content = o->value == NULL ? bytes_of(NULL, 0) : bytes_of_str(o->value);
	enum err_code rc = note_change(
		w,
		"SELECT status, CAST(coalesce(value, '') AS BLOB) FROM seen_config WHERE key = ?1",
		&(struct change){ .kind = OBSERVED_CONFIG,
	                          .key = o->key,
	                          .status = o->status,
	                          .content = content },
		err);

	return rc == ERR_OK
	               ? db_run(w->s->db,
	                        "INSERT INTO seen_config (key, status, error, at, matches, value)"
	                        " VALUES (?1,?2,?3,?4,?5,?6) ON CONFLICT DO UPDATE SET"
	                        " status = excluded.status, error = excluded.error,"
	                        " at = excluded.at, matches = excluded.matches,"
	                        " value = excluded.value",
	                        DB_VALUES(db_text(o->key), db_int(o->status), db_text(o->error),
	                                  db_wall(o->at), db_int(o->matches), db_text(o->value)),
	                        err)
	               : rc;
}

static enum err_code sweep(struct saving *w, struct err *err)
{
	static const char *const old[] = {
		"DELETE FROM seen_store WHERE at < ?1",
		"DELETE FROM seen_endpoint WHERE at < ?1",
		"DELETE FROM seen_config WHERE at < ?1",
	};
	int64_t at = w->o->at.s;
	enum err_code rc = db_run(w->s->db, "DELETE FROM history WHERE at < ?1",
	                          DB_VALUES(db_int(at - (int64_t)HISTORY_DAYS * DAY_S)), err);

	for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(old); i++) {
		rc = db_run(w->s->db, old[i],
		            DB_VALUES(db_int(at - (int64_t)OBSERVED_DAYS * DAY_S)), err);
	}
	return rc;
}

static enum err_code save_all(struct saving *w, struct err *err)
{
	const struct observed *o = w->o;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < o->n_stores; i++) {
		if (o->stores[i].status != LOOK_NONE) {
			rc = save_store(w, &o->stores[i], err);
		}
	}
	for (size_t i = 0; rc == ERR_OK && i < o->n_endpoints; i++) {
		if (o->endpoints[i].status != ENDPOINT_NONE) {
			rc = save_endpoint(w, &o->endpoints[i], err);
		}
	}
	for (size_t i = 0; rc == ERR_OK && i < o->n_configs; i++) {
		if (o->configs[i].status != LOOK_NONE) {
			rc = save_config(w, &o->configs[i], err);
		}
	}
	if (rc == ERR_OK) {
		rc = db_run(w->s->db,
		            "INSERT INTO meta (name, value) VALUES ('observed_at', ?1)"
		            " ON CONFLICT DO UPDATE SET value = excluded.value",
		            DB_VALUES(db_wall(o->at)), err);
	}
	return rc == ERR_OK ? sweep(w, err) : rc;
}

enum err_code store_observed_save(struct store *s, const struct observed *o, struct err *err)
{
	struct saving w = { .s = s, .o = o };
	enum err_code rc = store_begin(s, TX_OPERATOR, err);

	map_init(&w.written);
	buf_init(&w.blob, BLOB_MAX);
	if (rc == ERR_OK) {
		rc = store_end(s, save_all(&w, err), err);
	}
	map_release(&w.written);
	buf_release(&w.blob);
	return rc == ERR_OK ? ERR_OK : err_wrap(err, "keep what was seen");
}

struct loading {
	struct store *s;
	struct arena *arena;
	struct known_texts *known; /* NULL: none */
	struct observed *o;
	struct cert_rows certs;
};

/* Room for what there is and one more. Counting first costs a look at every page; growing would
 * leave as much again behind in the arena. */
static void *room(struct loading *l, const char *sql, size_t size, size_t *ret_n,
                  enum err_code *ret, struct err *err)
{
	void *v = NULL;

	*ret = db_count(l->s->db, sql, ret_n, err);
	if (*ret == ERR_OK) {
		v = arena_array(l->arena, *ret_n + 1, size);
		*ret = v == NULL ? err_nomem(err) : ERR_OK;
	}
	return v;
}

static enum err_code take_store(struct loading *l, struct stmt *q, const struct obs_store *last,
                                struct obs_store *o, struct err *err)
{
	struct row r = row_of(q, "seen_store", l->arena);
	const struct store_memory *sm =
		l->known == NULL || l->known->memory == NULL
			? NULL
			: memory_store(l->known->memory, row_str_borrowed(&r, 15));
	enum err_code rc;

	o->target = row_str_like(&r, 0, sm == NULL ? NULL : sm->target);
	o->host = row_str_like(&r, 1, sm == NULL ? NULL : sm->host);
	o->path = row_str_like(&r, 2, sm == NULL ? NULL : sm->path);
	o->status = (enum look_status)row_int(&r, 3, 0, LOOK_WRONG_PASSWORD);
	o->error = row_str_or_null(&r, 4);
	o->at = row_wall(&r, 5);
	o->format =
		row_is_null(&r, 6) ? NULL : row_str_like(&r, 6, last == NULL ? NULL : last->format);
	o->profile = row_is_null(&r, 7) ? NULL
	                                : row_str_like(&r, 7, last == NULL ? NULL : last->profile);
	o->password = (int)row_int(&r, 8, -1, INT_MAX);
	o->mode = (uint32_t)row_int(&r, 9, 0, 07777);
	o->owner = row_is_null(&r, 10) ? NULL
	                               : row_str_like(&r, 10, last == NULL ? NULL : last->owner);
	o->group = row_is_null(&r, 11) ? NULL
	                               : row_str_like(&r, 11, last == NULL ? NULL : last->group);
	o->sha256 = row_digest_like(&r, 12, sm == NULL ? NULL : sm->written);
	o->warnings = (unsigned)row_int(&r, 13, 0, UINT_MAX);
	struct bytes entries = row_blob(&r, 14);
	rc = row_check(&r, err);
	if (rc == ERR_OK) {
		rc = row_decode_entries(entries, &l->certs.src, l->arena, &o->entries,
		                        &o->n_entries, err);
	}
	return rc == ERR_OK ? ERR_OK : err_wrap(err, "store %s@%s:%s", o->target, o->host, o->path);
}

static enum err_code load_stores(struct loading *l, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool row = false;
	size_t n = 0;
	enum err_code rc;
	struct obs_store *v = room(l, "SELECT count(*) FROM seen_store", sizeof(*v), &n, &rc, err);

	if (rc == ERR_OK) {
		rc = db_query(l->s->db,
		              "SELECT target, host, path, status, error, at, format,"
		              " profile, password, mode, owner, grp, sha256, warnings,"
		              " entries, key FROM seen_store ORDER BY key",
		              /* values= */ NULL, 0, &q, err);
	}
	for (size_t i = 0; rc == ERR_OK && (rc = db_next(q, &row, err)) == ERR_OK && row; i++) {
		rc = i >= n ? db_damaged(err, "seen_store", "more rows than counted")
		            : take_store(l, q, i == 0 ? NULL : &v[i - 1], &v[i], err);
		l->o->n_stores = i + 1;
	}
	l->o->stores = v;
	return rc;
}

static const char *row_endpoint_key(struct loading *l, struct row *r)
{
	const char *mine = l->known == NULL || l->known->endpoint_key == NULL
	                           ? NULL
	                           : l->known->endpoint_key(l->known, row_str_borrowed(r, 0));

	return mine == NULL ? row_str(r, 0) : mine;
}

static enum err_code take_endpoint(struct loading *l, struct stmt *q,
                                   const struct obs_endpoint *last, struct obs_endpoint *o,
                                   struct err *err)
{
	struct row r = row_of(q, "seen_endpoint", l->arena);
	struct bytes served;
	struct bytes names;
	enum err_code rc;

	o->key = row_endpoint_key(l, &r);
	o->status = (enum endpoint_status)row_int(&r, 1, 0, ENDPOINT_NO_TLS);
	o->error = row_str_or_null(&r, 2);
	o->at = row_wall(&r, 3);
	o->proof = (enum proof)row_int(&r, 4, 0, PROOF_POSSESSION);
	served = row_blob(&r, 5);
	o->protocol = row_is_null(&r, 6)
	                      ? NULL
	                      : row_str_like(&r, 6, last == NULL ? NULL : last->protocol);
	o->cipher =
		row_is_null(&r, 7) ? NULL : row_str_like(&r, 7, last == NULL ? NULL : last->cipher);
	o->client_cert_asked = row_bool(&r, 8);
	names = row_blob(&r, 9);
	struct bytes others = row_blob(&r, 10);
	struct bytes addresses = row_blob(&r, 11);
	o->name_refused = row_bool(&r, 12);
	rc = row_check(&r, err);
	if (rc == ERR_OK) {
		rc = row_decode_chain(served, &l->certs.src, l->arena, &o->served, err);
	}
	if (rc == ERR_OK) {
		rc = row_decode_names(names, l->arena, &o->ca_names, &o->n_ca_names, err);
	}
	if (rc == ERR_OK) {
		rc = row_decode_others(others, addresses, &l->certs.src, l->arena, o, err);
	}
	return rc == ERR_OK ? ERR_OK : err_wrap(err, "endpoint %s", o->key);
}

static enum err_code load_endpoints(struct loading *l, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool row = false;
	size_t n = 0;
	enum err_code rc;
	struct obs_endpoint *v =
		room(l, "SELECT count(*) FROM seen_endpoint", sizeof(*v), &n, &rc, err);

	if (rc == ERR_OK) {
		rc = db_query(l->s->db,
		              "SELECT key, status, error, at, proof, served, protocol,"
		              " cipher, client_cert_asked, ca_names, others, addresses,"
		              " name_refused FROM seen_endpoint"
		              " ORDER BY key",
		              /* values= */ NULL, 0, &q, err);
	}
	for (size_t i = 0; rc == ERR_OK && (rc = db_next(q, &row, err)) == ERR_OK && row; i++) {
		rc = i >= n ? db_damaged(err, "seen_endpoint", "more rows than counted")
		            : take_endpoint(l, q, i == 0 ? NULL : &v[i - 1], &v[i], err);
		l->o->n_endpoints = i + 1;
	}
	l->o->endpoints = v;
	return rc;
}

static enum err_code take_config(struct loading *l, struct stmt *q, struct obs_config *o,
                                 struct err *err)
{
	struct row r = row_of(q, "seen_config", l->arena);

	*o = (struct obs_config){
		.key = row_str(&r, 0),
		.status = (enum look_status)row_int(&r, 1, 0, LOOK_WRONG_PASSWORD),
		.error = row_str_or_null(&r, 2),
		.at = row_wall(&r, 3),
		.matches = row_bool(&r, 4),
		.value = row_str_or_null(&r, 5),
	};
	return row_check(&r, err);
}

static enum err_code load_configs(struct loading *l, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool row = false;
	size_t n = 0;
	enum err_code rc;
	struct obs_config *v =
		room(l, "SELECT count(*) FROM seen_config", sizeof(*v), &n, &rc, err);

	if (rc == ERR_OK) {
		rc = db_query(l->s->db,
		              "SELECT key, status, error, at, matches, value"
		              " FROM seen_config ORDER BY key",
		              /* values= */ NULL, 0, &q, err);
	}
	for (size_t i = 0; rc == ERR_OK && (rc = db_next(q, &row, err)) == ERR_OK && row; i++) {
		rc = i >= n ? db_damaged(err, "seen_config", "more rows than counted")
		            : take_config(l, q, &v[i], err);
		l->o->n_configs = i + 1;
	}
	l->o->configs = v;
	return rc;
}

static enum err_code load_at(struct loading *l, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool found = false;
	enum err_code rc = db_query(l->s->db, "SELECT value FROM meta WHERE name = 'observed_at'",
	                            /* values= */ NULL, 0, &q, err);

	if (rc == ERR_OK) {
		rc = db_next(q, &found, err);
	}
	if (rc == ERR_OK && found) {
		struct row r = row_of(q, "meta", /* arena= */ NULL);
		l->o->at = row_wall(&r, 0);
		rc = row_check(&r, err);
	}
	return rc;
}

static enum err_code load_all(struct loading *l, struct err *err)
{
	enum err_code rc = load_at(l, err);

	if (rc == ERR_OK) {
		rc = load_stores(l, err);
	}
	if (rc == ERR_OK) {
		rc = load_endpoints(l, err);
	}
	if (rc == ERR_OK) {
		rc = load_configs(l, err);
	}
	return rc == ERR_OK ? observed_index(l->o, err) : rc;
}

enum err_code store_observed_load(struct store *s, struct arena *arena, struct seen_certs *certs,
                                  struct known_texts *known, struct observed **ret, struct err *err)
{
	struct loading l = {
		.s = s, .arena = arena, .known = known, .o = ARENA_NEW(arena, struct observed)
	};
	enum err_code rc;

	if (l.o == NULL) {
		return err_nomem(err);
	}
	l.o->arena = arena;
	l.o->certs = certs;
	cert_rows_init(&l.certs, s, certs);
	rc = store_begin(s, TX_READ, err);
	if (rc == ERR_OK) {
		rc = store_end(s, load_all(&l, err), err);
	}
	if (rc != ERR_OK) {
		observed_release(l.o);
		return err_wrap(err, "read what was seen last");
	}
	*ret = l.o;
	return ERR_OK;
}
