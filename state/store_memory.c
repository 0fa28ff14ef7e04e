/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_memory.c - the whole memory in one reading transaction.
 *
 * Every table is read once, in the order of its key, and joined by walking two sorted lists side by
 * side: 100,000 identities cost two sequential scans and no lookups. Rows that belong together
 * stand together in one array; what hangs below (revisions of an identity) is a piece of it.
 */
#include <limits.h>
#include <string.h>

#include "reconciler/base/str.h"
#include "state/store_loading.h"

void *loading_room(struct loading *l, const char *sql, size_t size, size_t *ret_n,
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

static enum err_code load_names(struct loading *l, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool row = false;
	size_t n = 0;
	enum err_code rc;

	l->identities = loading_room(l, "SELECT count(*) FROM identity", sizeof(*l->identities), &n,
	                             &rc, err);
	if (rc == ERR_OK) {
		rc = db_query(l->s->db,
		              "SELECT name, renew_asked, approved_at, archived FROM identity"
		              " ORDER BY name",
		              /* values= */ NULL, 0, &q, err);
	}
	for (size_t i = 0; rc == ERR_OK && (rc = db_next(q, &row, err)) == ERR_OK && row; i++) {
		struct row r = row_of(q, "identity", l->arena);
		if (i >= n) {
			return db_damaged(err, "identity", "more rows than counted");
		}
		l->identities[i] = (struct identity_memory){
			.name = row_str(&r, 0),
			.renew_asked = row_wall(&r, 1),
			.approved_at = row_wall(&r, 2),
			.archived = row_bool(&r, 3),
		};
		rc = row_check(&r, err);
		l->m->n_identities = i + 1;
	}
	l->m->identities = l->identities;
	return rc;
}

enum {
	REV_NAME,
	REV_REVISION,
	REV_STATUS,
	REV_ISSUER,
	REV_GENERATION,
	REV_RENEW,
	REV_REQUEST,
	REV_KEY,
	REV_SPKI,
	REV_SINCE,
	REV_ISSUED,
	REV_CHAIN,
	REV_HAS_KEY,
	REV_REVOKED,
	REV_COMPROMISED,
	REV_REQUEST_ID,
	REV_ORDERED,
	REV_NEXT_POLL,
};

static enum err_code take_pending(struct loading *l, struct row *r, struct identity_memory *im,
                                  struct err *err)
{
	struct pending *p = ARENA_NEW(l->arena, struct pending);

	if (p == NULL) {
		return err_nomem(err);
	}
	p->revision = (int)row_int(r, REV_REVISION, 1, INT_MAX);
	p->request_id = row_str(r, REV_REQUEST_ID);
	row_fixed(r, REV_SPKI, p->spki_sha256, SHA256_BYTES);
	row_fixed(r, REV_REQUEST, p->request_digest, SHA256_BYTES);
	row_fixed(r, REV_KEY, p->key_digest, SHA256_BYTES);
	p->ordered = row_bool(r, REV_ORDERED);
	p->next_poll = row_wall(r, REV_NEXT_POLL);
	p->since = row_wall(r, REV_SINCE);
	im->pending = p;
	return row_check(r, err);
}

static enum err_code take_held(struct loading *l, struct row *r, const struct held *last,
                               struct held *h, struct err *err)
{
	struct bytes chain;
	enum err_code rc;

	h->revision = (int)row_int(r, REV_REVISION, 1, INT_MAX);
	row_fixed(r, REV_REQUEST, h->request_digest, SHA256_BYTES);
	h->key_digest = row_digest_like(r, REV_KEY, last == NULL ? NULL : last->key_digest);
	h->issuer = row_str_like(r, REV_ISSUER, last == NULL ? NULL : last->issuer);
	h->issuer_generation = (int)row_int(r, REV_GENERATION, INT_MIN, INT_MAX);
	h->issued_at = row_wall(r, REV_ISSUED);
	h->renew = (int)row_int(r, REV_RENEW, INT_MIN, INT_MAX);
	h->has_key = row_bool(r, REV_HAS_KEY);
	h->revoked = row_bool(r, REV_REVOKED);
	h->compromised = row_bool(r, REV_COMPROMISED);
	chain = row_blob(r, REV_CHAIN);
	if (chain.n == 0) {
		row_damage(r, REV_CHAIN, "is empty");
	}
	rc = row_check(r, err);
	return rc == ERR_OK ? row_decode_chain(chain, &l->certs.src, l->arena, &h->chain, err) : rc;
}

static enum err_code take_revision(struct loading *l, struct row *r, size_t *at, size_t *n_held,
                                   size_t limit, struct err *err)
{
	const char *name = row_str_borrowed(r, REV_NAME);
	const struct held *last = *n_held == 0 ? NULL : &l->held[*n_held - 1];
	struct identity_memory *im;
	enum err_code rc;

	while (*at < l->m->n_identities && strcmp(l->identities[*at].name, name) < 0) {
		(*at)++;
	}
	im = &l->identities[*at];
	if (*at >= l->m->n_identities || strcmp(im->name, name) != 0) {
		return db_damaged(err, "revision", "a revision of no identity");
	}
	if (row_int(r, REV_STATUS, 0, 1) == 0) {
		return take_pending(l, r, im, err);
	}
	if (*n_held >= limit) {
		return db_damaged(err, "revision", "more rows than counted");
	}
	rc = take_held(l, r, last, &l->held[*n_held], err);
	if (rc != ERR_OK) {
		return err_wrap(err, "identity '%s'", im->name);
	}
	if (im->n_revisions == 0) {
		im->revisions = &l->held[*n_held];
	}
	im->n_revisions++;
	(*n_held)++;
	return ERR_OK;
}

static enum err_code load_revisions(struct loading *l, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool row = false;
	size_t limit = 0;
	size_t at = 0;
	size_t n_held = 0;
	enum err_code rc;

	l->held = loading_room(l, "SELECT count(*) FROM revision WHERE status = 1",
	                       sizeof(*l->held), &limit, &rc, err);
	if (rc == ERR_OK) {
		rc = db_query(l->s->db,
		              "SELECT name, revision, status, issuer, issuer_generation, renew,"
		              " request_digest, key_digest, spki_sha256, since, issued_at, chain,"
		              " has_key, revoked, compromised, request_id, ordered, next_poll"
		              " FROM revision WHERE status < 2 ORDER BY name, revision DESC",
		              /* values= */ NULL, 0, &q, err);
	}
	while (rc == ERR_OK && (rc = db_next(q, &row, err)) == ERR_OK && row) {
		struct row r = row_of(q, "revision", l->arena);
		rc = take_revision(l, &r, &at, &n_held, limit, err);
	}
	return rc;
}

/* A key ends with its path. */
static const char *path_of_key(struct row *r, const char *key)
{
	const char *path = row_str_borrowed(r, 3);
	return str_ends(key, path) ? key + strlen(key) - strlen(path) : row_str(r, 3);
}

static enum err_code load_stores(struct loading *l, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool row = false;
	size_t n = 0;
	enum err_code rc;

	l->stores = loading_room(l, "SELECT count(*) FROM store", sizeof(*l->stores), &n, &rc, err);
	if (rc == ERR_OK) {
		rc = db_query(l->s->db,
		              "SELECT key, target, host, path, written, written_at, activated,"
		              " activated_at, activations, hold_revision, owner, grp"
		              " FROM store ORDER BY key",
		              /* values= */ NULL, 0, &q, err);
	}
	for (size_t i = 0; rc == ERR_OK && (rc = db_next(q, &row, err)) == ERR_OK && row; i++) {
		struct row r = row_of(q, "store", l->arena);
		struct store_memory *sm = &l->stores[i];
		if (i >= n) {
			return db_damaged(err, "store", "more rows than counted");
		}
		sm->key = row_str(&r, 0);
		sm->target = row_str_like(&r, 1, i == 0 ? NULL : sm[-1].target);
		sm->host = row_str(&r, 2);
		sm->path = path_of_key(&r, sm->key);
		row_fixed(&r, 4, sm->written, SHA256_BYTES);
		sm->written_at = row_wall(&r, 5);
		sm->activated = row_digest_like(&r, 6, sm->written);
		sm->activated_at = row_wall(&r, 7);
		sm->activations = (unsigned)row_int(&r, 8, 0, UINT_MAX);
		sm->hold_revision = (int)row_int(&r, 9, 0, INT_MAX);
		sm->owner = row_is_null(&r, 10)
		                    ? NULL
		                    : row_str_like(&r, 10, i == 0 ? NULL : sm[-1].owner);
		sm->group = row_is_null(&r, 11)
		                    ? NULL
		                    : row_str_like(&r, 11, i == 0 ? NULL : sm[-1].group);
		rc = row_check(&r, err);
		l->m->n_stores = i + 1;
	}
	l->m->stores = l->stores;
	return rc;
}

/* The string of the store whose key this is, walking both sorted lists. */
static const char *row_store_key(struct loading *l, struct row *r, size_t *at)
{
	const char *key = row_str_borrowed(r, 0);

	while (*at < l->m->n_stores && strcmp(l->stores[*at].key, key) < 0) {
		(*at)++;
	}
	if (*at >= l->m->n_stores || strcmp(l->stores[*at].key, key) != 0) {
		row_damage(r, 0, "names no store");
		return "";
	}
	return l->stores[*at].key;
}

/* The string of the identity when there is one: a slot's may be gone. */
static const char *row_identity(struct loading *l, struct row *r, int col)
{
	const struct identity_memory *im = memory_identity(l->m, row_str_borrowed(r, col));

	return im == NULL ? row_str(r, col) : im->name;
}

/* That of the certificate when it is among those that are held. */
static const uint8_t *row_fingerprint(struct loading *l, struct row *r, int col)
{
	struct bytes digest = row_blob(r, col);
	const struct seen_cert *c =
		digest.n == SHA256_BYTES ? seen_cert_find(l->certs.set, digest.p) : NULL;

	return row_digest_like(r, col, c == NULL ? NULL : c->sha256);
}

static enum err_code load_slots(struct loading *l, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	struct slot_memory *v;
	bool row = false;
	size_t n = 0;
	size_t at = 0;
	enum err_code rc;

	v = loading_room(l, "SELECT count(*) FROM slot", sizeof(*v), &n, &rc, err);
	if (rc == ERR_OK) {
		rc = db_query(l->s->db,
		              "SELECT store_key, alias, identity, sha256 FROM slot"
		              " ORDER BY store_key, alias",
		              /* values= */ NULL, 0, &q, err);
	}
	for (size_t i = 0; rc == ERR_OK && (rc = db_next(q, &row, err)) == ERR_OK && row; i++) {
		struct row r = row_of(q, "slot", l->arena);
		if (i >= n) {
			return db_damaged(err, "slot", "more rows than counted");
		}
		v[i].store_key = row_store_key(l, &r, &at);
		v[i].alias = row_str_like(&r, 1, i == 0 ? NULL : v[i - 1].alias);
		v[i].identity = row_is_null(&r, 2) ? NULL : row_identity(l, &r, 2);
		v[i].sha256 = row_fingerprint(l, &r, 3);
		rc = row_check(&r, err);
		l->m->n_slots = i + 1;
	}
	l->m->slots = v;
	return rc;
}

static enum err_code load_anchors(struct loading *l, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	struct anchor_memory *v;
	bool row = false;
	size_t n = 0;
	size_t at = 0;
	enum err_code rc;

	v = loading_room(l, "SELECT count(*) FROM anchor", sizeof(*v), &n, &rc, err);
	if (rc == ERR_OK) {
		rc = db_query(l->s->db,
		              "SELECT store_key, sha256, alias, first_at, left_at FROM anchor"
		              " ORDER BY store_key, sha256",
		              /* values= */ NULL, 0, &q, err);
	}
	for (size_t i = 0; rc == ERR_OK && (rc = db_next(q, &row, err)) == ERR_OK && row; i++) {
		struct row r = row_of(q, "anchor", l->arena);
		uint8_t sha256[SHA256_BYTES] = { 0 };
		if (i >= n) {
			return db_damaged(err, "anchor", "more rows than counted");
		}
		v[i].store_key = row_store_key(l, &r, &at);
		row_fixed(&r, 1, sha256, SHA256_BYTES);
		v[i].alias = row_str_like(&r, 2, i == 0 ? NULL : v[i - 1].alias);
		v[i].first_at = row_wall(&r, 3);
		v[i].left_at = row_wall(&r, 4);
		rc = row_check(&r, err);
		if (rc == ERR_OK) {
			rc = l->certs.src.find(&l->certs.src, sha256, &v[i].cert, err);
		}
		l->m->n_anchors = i + 1;
	}
	l->m->anchors = v;
	return rc;
}

static enum err_code load_issuers(struct loading *l, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool row = false;
	size_t n = 0;
	enum err_code rc;

	l->issuers =
		loading_room(l, "SELECT count(*) FROM ca_book", sizeof(*l->issuers), &n, &rc, err);
	if (rc == ERR_OK) {
		rc = db_query(
			l->s->db,
			"SELECT b.issuer, b.last_revocation, coalesce(c.number, 0),"
			" b.crl_made_at, coalesce(c.next_update, 0)"
			" FROM ca_book b LEFT JOIN crl c ON c.issuer = b.issuer AND c.number ="
			" (SELECT max(number) FROM crl WHERE issuer = b.issuer)"
			" ORDER BY b.issuer",
			/* values= */ NULL, 0, &q, err);
	}
	for (size_t i = 0; rc == ERR_OK && (rc = db_next(q, &row, err)) == ERR_OK && row; i++) {
		struct row r = row_of(q, "ca_book", l->arena);
		if (i >= n) {
			return db_damaged(err, "ca_book", "more rows than counted");
		}
		l->issuers[i] = (struct issuer_memory){
			.name = row_str(&r, 0),
			.last_revocation = row_wall(&r, 1),
			.crl_number = (uint64_t)row_int(&r, 2, 0, INT64_MAX),
			.crl_this_update = row_wall(&r, 3),
			.crl_next_update = row_wall(&r, 4),
		};
		rc = row_check(&r, err);
		l->m->n_issuers = i + 1;
	}
	l->m->issuers = l->issuers;
	return rc;
}

static enum err_code take_generation(struct loading *l, struct row *r, size_t *at,
                                     struct ca_generation *g, struct err *err)
{
	const char *name = row_str_borrowed(r, 0);
	uint8_t sha256[SHA256_BYTES] = { 0 };
	struct issuer_memory *im;
	enum err_code rc;

	while (*at < l->m->n_issuers && strcmp(l->issuers[*at].name, name) < 0) {
		(*at)++;
	}
	im = &l->issuers[*at];
	if (*at >= l->m->n_issuers || strcmp(im->name, name) != 0) {
		return db_damaged(err, "ca", "a generation of no issuer");
	}
	g->generation = (int)row_int(r, 1, 0, INT_MAX);
	bool certified = !row_is_null(r, 2);
	if (certified) {
		row_fixed(r, 2, sha256, SHA256_BYTES);
	}
	g->created_at = row_wall(r, 3);
	g->has_key = row_bool(r, 4);
	if (!row_is_null(r, 5)) {
		row_fixed(r, 5, g->request_spki, SHA256_BYTES);
	}
	rc = row_check(r, err);
	if (rc == ERR_OK && certified) {
		rc = l->certs.src.find(&l->certs.src, sha256, &g->cert, err);
	}
	im->generations = im->n_generations == 0 ? g : im->generations;
	im->n_generations++;
	return rc;
}

static enum err_code load_generations(struct loading *l, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool row = false;
	size_t n = 0;
	size_t at = 0;
	enum err_code rc;

	l->generations =
		loading_room(l,
	                     "SELECT (SELECT count(*) FROM ca) + (SELECT count(*) FROM ca_request)",
	                     sizeof(*l->generations), &n, &rc, err);
	if (rc == ERR_OK) {
		rc = db_query(
			l->s->db,
			"SELECT issuer, generation, sha256, created_at, EXISTS (SELECT 1 FROM"
			" sealed WHERE kind = 'ca' AND name = issuer AND number = generation),"
			" (SELECT spki_sha256 FROM ca_request r"
			" WHERE r.issuer = a.issuer AND r.generation = a.generation)"
			" FROM (SELECT issuer, generation, sha256, created_at FROM ca UNION ALL"
			" SELECT issuer, generation, NULL, created_at FROM ca_request r WHERE"
			" NOT EXISTS (SELECT 1 FROM ca WHERE issuer = r.issuer"
			" AND generation = r.generation)) a"
			" ORDER BY issuer, generation",
			/* values= */ NULL, 0, &q, err);
	}
	for (size_t i = 0; rc == ERR_OK && (rc = db_next(q, &row, err)) == ERR_OK && row; i++) {
		struct row r = row_of(q, "ca", l->arena);
		rc = i >= n ? db_damaged(err, "ca", "more rows than counted")
		            : take_generation(l, &r, &at, &l->generations[i], err);
	}
	return rc;
}

/* Where the back-off of `what` goes; NULL for what plans do not ask about. */
static struct backoff *backoff_of(struct loading *l, const char *what)
{
	const struct backoff **at = NULL;

	if (strncmp(what, "issue:", 6) == 0) {
		const struct identity_memory *im = memory_identity(l->m, what + 6);
		at = im == NULL ? NULL : &l->identities[im - l->identities].issue;
	} else if (strncmp(what, "issuer:", 7) == 0) {
		const struct issuer_memory *im = memory_issuer(l->m, what + 7);
		return im == NULL ? NULL : &l->issuers[im - l->issuers].make;
	} else if (strncmp(what, "push:", 5) == 0) {
		const struct store_memory *sm = memory_store(l->m, what + 5);
		at = sm == NULL ? NULL : &l->stores[sm - l->stores].push;
	}
	struct backoff *b = at == NULL ? NULL : ARENA_NEW(l->arena, struct backoff);

	if (b != NULL) {
		*at = b;
	}
	return b;
}

static enum err_code load_backoffs(struct loading *l, struct err *err)
{
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	bool row = false;
	enum err_code rc = db_query(l->s->db,
	                            "SELECT what, failures, same, last_at, next_at, inputs, error,"
	                            " held FROM backoff ORDER BY what",
	                            /* values= */ NULL, 0, &q, err);

	while (rc == ERR_OK && (rc = db_next(q, &row, err)) == ERR_OK && row) {
		struct row r = row_of(q, "backoff", l->arena);
		struct backoff b = {
			.failures = (unsigned)row_int(&r, 1, 0, UINT_MAX),
			.same = (unsigned)row_int(&r, 2, 0, UINT_MAX),
			.last_at = row_wall(&r, 3),
			.next_at = row_wall(&r, 4),
			.error = row_str(&r, 6),
			.held = row_bool(&r, 7),
		};
		row_fixed(&r, 5, b.inputs, SHA256_BYTES);
		struct backoff *to = backoff_of(l, row_str_borrowed(&r, 0));
		rc = row_check(&r, err);
		if (rc == ERR_OK && to != NULL) {
			*to = b;
		}
	}
	return rc;
}

static enum err_code load_all(struct loading *l, struct err *err)
{
	static enum err_code (*const parts[])(struct loading *, struct err *) = {
		load_names,       load_revisions,      load_stores,      load_slots,
		load_anchors,     load_issuers,        load_generations, load_imported,
		load_suspensions, load_newest_journal,
	};
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(parts); i++) {
		rc = parts[i](l, err);
	}
	if (rc == ERR_OK) {
		rc = memory_index(l->m, err);
	}
	return rc == ERR_OK ? load_backoffs(l, err) : rc;
}

enum err_code memory_load(struct store *s, struct arena *arena, struct seen_certs *certs,
                          struct memory **ret, struct err *err)
{
	struct loading l = { .s = s, .arena = arena };
	enum err_code rc = memory_empty(arena, certs, &l.m, err);

	if (rc != ERR_OK) {
		return rc;
	}
	cert_rows_init(&l.certs, s, certs);
	l.m->state_id = arena_str(arena, s->id);
	rc = store_begin(s, TX_READ, err);
	if (rc == ERR_OK) {
		rc = store_end(s, load_all(&l, err), err);
	}
	if (rc != ERR_OK) {
		memory_release(l.m);
		return err_wrap(err, "read the state in %s", s->dir);
	}
	*ret = l.m;
	return ERR_OK;
}
