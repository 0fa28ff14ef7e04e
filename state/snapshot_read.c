/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapshot_read.c - reading what snapshot.c wrote, and nothing else.
 *
 * A snapshot comes from another machine and decides what a plan says. So whatever the writer would
 * not have written is an error with its line: unknown or missing members, rows out of order, twice,
 * or fewer than promised, certificates that are not what their fingerprint says.
 */
#include <string.h>

#include "reconciler/base/str.h"
#include "reconciler/base/when.h"
#include "state/snapshot_rows.h"

struct reader {
	struct arena *arena;
	struct seen_certs *certs;
	struct bytes rest;
	size_t line; /* number of the present one */
	size_t rows; /* lines read after the first */
	struct buf sections[SECTIONS];
	struct buf key, last_key; /* sorting */
	bool started;
	int at;            /* section of the present row; -1: certificates */
	struct map listed; /* fingerprints of the certificate rows */
	struct err *err;
};

static void reader_release(struct reader *r)
{
	for (size_t s = 0; s < SECTIONS; s++) {
		buf_release(&r->sections[s]);
	}
	buf_release(&r->key);
	buf_release(&r->last_key);
	map_release(&r->listed);
}

static enum err_code refuse(struct reader *r, const char *member, const char *what)
{
	if (r->err != NULL && r->err->code != ERR_OK) {
		return r->err->code;
	}
	return err_set(r->err, ERR_INVALID, "snapshot, line %zu: '%s' %s", r->line, member, what);
}

static enum err_code no_memory(struct reader *r)
{
	return r->err != NULL && r->err->code != ERR_OK ? r->err->code : err_nomem(r->err);
}

static enum err_code read_text(struct reader *r, const struct field *f, const struct json_t *v,
                               char *at)
{
	const char *text = json_as_str(v, NULL);
	const char *kept = NULL;

	if (text == NULL && (f->kind == FIELD_TEXT || json_shape(v) != JSON_SHAPE_NULL)) {
		return refuse(r, f->name, "is not text");
	}
	if (text != NULL) {
		kept = arena_str(r->arena, text);
		if (kept == NULL) {
			return no_memory(r);
		}
	}
	memcpy(at, &kept, sizeof(kept));
	return ERR_OK;
}

static enum err_code read_texts(struct reader *r, const struct field *f, const struct json_t *v,
                                char *row)
{
	size_t n = json_array_len(v);
	const char **list = ARENA_ARRAY(r->arena, const char *, n);

	if (json_shape(v) != JSON_SHAPE_ARRAY) {
		return refuse(r, f->name, "is not a list");
	}
	if (list == NULL) {
		return no_memory(r);
	}
	for (size_t i = 0; i < n; i++) {
		const char *text = json_as_str(json_array_at(v, i), NULL);
		if (text == NULL) {
			return refuse(r, f->name, "holds what is not text");
		}
		list[i] = arena_str(r->arena, text);
		if (list[i] == NULL) {
			return no_memory(r);
		}
	}
	memcpy(row + f->at, &list, sizeof(list));
	memcpy(row + f->count_at, &n, sizeof(n));
	return ERR_OK;
}

static enum err_code read_word(struct reader *r, const struct field *f, const struct json_t *v,
                               char *at)
{
	const char *word = json_as_str(v, "");

	for (unsigned i = 0; f->words[i] != NULL; i++) {
		if (strcmp(word, f->words[i]) == 0) {
			memcpy(at, &i, sizeof(i));
			return ERR_OK;
		}
	}
	return refuse(r, f->name, "is none of the words known");
}

static enum err_code read_number(struct reader *r, const struct field *f,
                                 const struct json_t *object, char *at)
{
	int64_t n = json_get_int(object, f->name, -1);
	int64_t min = f->kind == FIELD_INT ? INT32_MIN : 0;
	int64_t max = f->kind == FIELD_INT ? INT32_MAX : UINT32_MAX;

	max = f->kind == FIELD_SIZE ? INT64_MAX : max;
	if (json_shape(json_get(object, f->name)) != JSON_SHAPE_INT || n < min || n > max) {
		return refuse(r, f->name, "is no such number");
	}
	if (f->kind == FIELD_SIZE) {
		memcpy(at, &n, sizeof(n));
	} else {
		uint32_t low = (uint32_t)n;
		memcpy(at, &low, sizeof(low));
	}
	return ERR_OK;
}

static enum err_code read_flag(struct reader *r, const struct field *f, const struct json_t *object,
                               char *at)
{
	bool flag = json_get_bool(object, f->name, false);

	if (json_shape(json_get(object, f->name)) != JSON_SHAPE_BOOL) {
		return refuse(r, f->name, "is neither true nor false");
	}
	memcpy(at, &flag, sizeof(flag));
	return ERR_OK;
}

static enum err_code read_time(struct reader *r, const struct field *f, const struct json_t *v,
                               char *at)
{
	struct wall t = { .s = 0 };

	if (json_shape(v) != JSON_SHAPE_NULL && !when_parse(json_as_str(v, ""), &t)) {
		return refuse(r, f->name, "is no time");
	}
	memcpy(at, &t, sizeof(t));
	return ERR_OK;
}

static bool parse_digest(const struct json_t *v, uint8_t ret[SHA256_BYTES])
{
	const char *text = json_as_str(v, "");
	size_t n = 0;

	return strlen(text) == 2 * (size_t)SHA256_BYTES &&
	       hex_decode(text, ret, SHA256_BYTES, &n) && n == SHA256_BYTES;
}

static enum err_code read_digest(struct reader *r, const struct field *f, const struct json_t *v,
                                 char *at)
{
	uint8_t digest[SHA256_BYTES] = { 0 };

	if (json_shape(v) != JSON_SHAPE_NULL && !parse_digest(v, digest)) {
		return refuse(r, f->name, "is no SHA-256");
	}
	memcpy(at, digest, SHA256_BYTES);
	return ERR_OK;
}

static enum err_code read_digest_at(struct reader *r, const struct field *f, const struct json_t *v,
                                    char *at)
{
	char *digest = NULL;
	enum err_code rc = ERR_OK;

	if (json_shape(v) != JSON_SHAPE_NULL) {
		digest = arena_alloc(r->arena, SHA256_BYTES);
		rc = digest == NULL ? err_nomem(r->err) : read_digest(r, f, v, digest);
	}
	memcpy(at, &digest, sizeof(digest));
	return rc;
}

static enum err_code read_bytes(struct reader *r, const struct field *f, const struct json_t *v,
                                char *at)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	const char *text = json_as_str(v, NULL);

	buf_init(&out, SNAPSHOT_LINE_MAX);
	if (text == NULL || !base64_decode(text, strlen(text), &out)) {
		return refuse(r, f->name, "is no base64");
	}
	const struct bytes kept = arena_bytes(r->arena, buf_view(&out));
	if (kept.p == NULL && out.len > 0) {
		return no_memory(r);
	}
	memcpy(at, &kept, sizeof(kept));
	return ERR_OK;
}

static const struct seen_cert *find_certificate(struct reader *r, const struct json_t *v)
{
	uint8_t digest[SHA256_BYTES];

	return parse_digest(v, digest) ? map_get(&r->listed, bytes_of(digest, SHA256_BYTES)) : NULL;
}

static enum err_code read_certificate_ref(struct reader *r, const struct field *f,
                                          const struct json_t *v, char *at)
{
	const struct seen_cert *c = find_certificate(r, v);

	if (c == NULL) {
		return refuse(r, f->name, "is no certificate of this snapshot");
	}
	*(const struct seen_cert **)(void *)at = c;
	return ERR_OK;
}

static enum err_code read_chain(struct reader *r, const struct field *f, const struct json_t *v,
                                char *at)
{
	size_t n = json_array_len(v);
	const struct seen_cert **list = ARENA_ARRAY(r->arena, const struct seen_cert *, n);
	const struct seen_chain chain = { .v = list, .n = n };

	if (json_shape(v) != JSON_SHAPE_ARRAY || (f->kind == FIELD_LEAF && n == 0)) {
		return refuse(r, f->name, "is no chain");
	}
	if (list == NULL) {
		return no_memory(r);
	}
	for (size_t i = 0; i < n; i++) {
		list[i] = find_certificate(r, json_array_at(v, i));
		if (list[i] == NULL) {
			return refuse(r, f->name, "holds no certificate of this snapshot");
		}
	}
	memcpy(at, &chain, sizeof(chain));
	return ERR_OK;
}

/* `members` beside the fields are the caller's. */
static enum err_code read_members(struct reader *r, const struct rows *rows,
                                  const struct json_t *object, size_t members, char *row);

static enum err_code read_list(struct reader *r, const struct field *f, const struct json_t *v,
                               char *row)
{
	size_t n = json_array_len(v);
	char *list = arena_array(r->arena, n, f->sub->size);

	if (json_shape(v) != JSON_SHAPE_ARRAY) {
		return refuse(r, f->name, "is not a list");
	}
	if (list == NULL) {
		return no_memory(r);
	}
	for (size_t i = 0; i < n; i++) {
		enum err_code rc = read_members(r, f->sub, json_array_at(v, i), /* members= */ 0,
		                                list + i * f->sub->size);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	memcpy(row + f->at, &list, sizeof(list));
	memcpy(row + f->count_at, &n, sizeof(n));
	return ERR_OK;
}

static enum err_code read_maybe(struct reader *r, const struct field *f, const struct json_t *v,
                                char *at)
{
	char *one = NULL;

	if (json_shape(v) != JSON_SHAPE_NULL) {
		one = arena_alloc(r->arena, f->sub->size);
		enum err_code rc = one == NULL ? no_memory(r)
		                               : read_members(r, f->sub, v, /* members= */ 0, one);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	memcpy(at, &one, sizeof(one));
	return ERR_OK;
}

static enum err_code read_field(struct reader *r, const struct field *f,
                                const struct json_t *object, char *row)
{
	const struct json_t *v = json_get(object, f->name);
	char *at = row + f->at;

	if (v == NULL) {
		return refuse(r, f->name, "is missing");
	}
	switch (f->kind) {
	case FIELD_TEXT:
	case FIELD_STR:
		return read_text(r, f, v, at);
	case FIELD_STRS:
		return read_texts(r, f, v, row);
	case FIELD_INT:
	case FIELD_UINT:
	case FIELD_SIZE:
		return read_number(r, f, object, at);
	case FIELD_BOOL:
		return read_flag(r, f, object, at);
	case FIELD_TIME:
		return read_time(r, f, v, at);
	case FIELD_DIGEST:
		return read_digest(r, f, v, at);
	case FIELD_DIGEST_AT:
		return read_digest_at(r, f, v, at);
	case FIELD_BYTES:
		return read_bytes(r, f, v, at);
	case FIELD_WORD:
		return read_word(r, f, v, at);
	case FIELD_CERT:
		return read_certificate_ref(r, f, v, at);
	case FIELD_CERT_OR_NULL:
		return json_shape(v) == JSON_SHAPE_NULL ? ERR_OK
		                                        : read_certificate_ref(r, f, v, at);
	case FIELD_CHAIN:
	case FIELD_LEAF:
		return read_chain(r, f, v, at);
	case FIELD_STRUCT:
		return read_members(r, f->sub, v, /* members= */ 0, at);
	case FIELD_MAYBE:
		return read_maybe(r, f, v, at);
	case FIELD_LIST:
		return read_list(r, f, v, row);
	}
	return refuse(r, f->name, "has no kind");
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables nest */
static enum err_code read_members(struct reader *r, const struct rows *rows,
                                  const struct json_t *object, size_t members, char *row)
{
	if (json_shape(object) != JSON_SHAPE_OBJECT) {
		return refuse(r, rows->fields[0].name, "stands in no object");
	}
	for (size_t i = 0; i < rows->n_fields; i++) {
		enum err_code rc = read_field(r, &rows->fields[i], object, row);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	if (json_members(object) != rows->n_fields + members) {
		return refuse(r, rows->fields[0].name, "stands beside members not known here");
	}
	return ERR_OK;
}

static enum err_code next_line(struct reader *r, struct json_t **ret)
{
	const uint8_t *end = memchr(r->rest.p, '\n', r->rest.n);
	size_t n = end == NULL ? r->rest.n : (size_t)(end - r->rest.p);

	r->line++;
	if (end == NULL || n > SNAPSHOT_LINE_MAX) {
		return err_set(r->err, ERR_INVALID, "snapshot, line %zu: %s", r->line,
		               end == NULL ? "cut short" : "longer than any row");
	}
	enum err_code rc = json_parse((const char *)r->rest.p, n, ret, r->err);
	if (rc != ERR_OK) {
		return err_wrap(r->err, "snapshot, line %zu", r->line);
	}
	r->rest = bytes_of(end + 1, r->rest.n - n - 1);
	return ERR_OK;
}

/* Rows rise by section and key. */
static enum err_code check_order(struct reader *r, int section, struct bytes key)
{
	if (r->started && (section < r->at ||
	                   (section == r->at && bytes_compare(key, buf_view(&r->last_key)) <= 0))) {
		return refuse(r, "row", "is out of order or stands twice");
	}
	r->started = true;
	r->at = section;
	buf_reset(&r->last_key);
	buf_add_bytes(&r->last_key, key);
	return buf_failed(&r->last_key) ? no_memory(r) : ERR_OK;
}

static enum err_code read_certificate(struct reader *r, const struct json_t *object)
{
	CLEANUP(buf_release) struct buf der = { 0 };
	const char *text = json_get_str(object, "der", "");
	const struct seen_cert *c = NULL;
	uint8_t digest[SHA256_BYTES];

	buf_init(&der, SNAPSHOT_LINE_MAX);
	if (json_members(object) != 3 || !parse_digest(json_get(object, "sha256"), digest) ||
	    !base64_decode(text, strlen(text), &der)) {
		return refuse(r, "certificate", "is damaged");
	}
	enum err_code rc = check_order(r, /* section= */ -1, bytes_of(digest, SHA256_BYTES));
	if (rc != ERR_OK) {
		return rc;
	}
	rc = seen_cert_add(r->certs, buf_view(&der), &c, r->err);
	if (rc != ERR_OK) {
		return err_wrap(r->err, "snapshot, line %zu", r->line);
	}
	if (memcmp(c->sha256, digest, SHA256_BYTES) != 0) {
		return refuse(r, "sha256", "is not that of the certificate");
	}
	return map_put(&r->listed, bytes_of(c->sha256, SHA256_BYTES), (void *)(uintptr_t)c,
	               /* ret_old= */ NULL) < 0
	               ? no_memory(r)
	               : ERR_OK;
}

static enum err_code read_row(struct reader *r, enum section s, const struct json_t *object)
{
	const struct section_def *def = &snapshot_sections[s];
	char *row = (char *)buf_room(&r->sections[s], def->rows.size);

	if (row == NULL) {
		return no_memory(r);
	}
	memset(row, 0, def->rows.size);
	enum err_code rc = read_members(r, &def->rows, object, /* members= */ 1, row);
	if (rc != ERR_OK) {
		return rc;
	}
	buf_reset(&r->key);
	def->key(row, &r->key);
	buf_grew(&r->sections[s], def->rows.size);
	return buf_failed(&r->key) ? no_memory(r) : check_order(r, (int)s, buf_view(&r->key));
}

static enum err_code read_line(struct reader *r, const struct json_t *object)
{
	const char *word = json_get_str(object, "row", "");

	if (strcmp(word, "certificate") == 0) {
		return read_certificate(r, object);
	}
	for (size_t s = 0; s < SECTIONS; s++) {
		if (strcmp(word, snapshot_sections[s].row) == 0) {
			return read_row(r, (enum section)s, object);
		}
	}
	return refuse(r, "row", "is no row known here");
}

static enum err_code read_header(struct reader *r, struct snapshot_header *ret)
{
	CLEANUP(cleanup_json) struct json_t *object = NULL;

	enum err_code rc = next_line(r, &object);
	if (rc != ERR_OK) {
		return rc;
	}
	if (strcmp(json_get_str(object, "certwright", ""), "snapshot") != 0) {
		return refuse(r, "certwright", "does not say that this is a snapshot");
	}
	if (strcmp(json_get_str(object, "formatVersion", ""), SNAPSHOT_VERSION) != 0) {
		(void)refuse(r, "formatVersion", "is not the one known here");
		return err_hint(r->err,
		                "look again with this version: certwright observe --out FILE");
	}
	return read_members(r, &snapshot_header_rows, object, /* members= */ 0, (char *)ret);
}

static enum err_code read_lines(struct reader *r, struct snapshot_header *header)
{
	enum err_code rc = read_header(r, header);

	while (rc == ERR_OK && r->rest.n > 0) {
		CLEANUP(cleanup_json) struct json_t *object = NULL;
		if (r->rows++ == SNAPSHOT_ROWS_MAX) {
			return refuse(r, "row", "is one too many");
		}
		rc = next_line(r, &object);
		if (rc == ERR_OK) {
			rc = read_line(r, object);
		}
	}
	if (rc == ERR_OK && r->rows != header->rows) {
		return refuse(r, "rows", "promised another number of lines");
	}
	return rc;
}

static const void *take_section(struct reader *r, enum section s, size_t *ret_n)
{
	struct bytes all = buf_view(&r->sections[s]);

	*ret_n = all.n / snapshot_sections[s].rows.size;
	return arena_copy(r->arena, all.p, all.n);
}

static void fill_observed(struct reader *r, const struct snapshot_header *header,
                          struct observed *o)
{
	o->arena = r->arena;
	o->certs = r->certs;
	o->at = header->observed_at;
	o->stores = take_section(r, SECTION_STORES, &o->n_stores);
	o->endpoints = take_section(r, SECTION_ENDPOINTS, &o->n_endpoints);
	o->configs = take_section(r, SECTION_CONFIGS, &o->n_configs);
}

static void fill_memory(struct reader *r, const struct snapshot_header *header, struct memory *m)
{
	m->state_id = header->state_id == NULL ? "" : header->state_id;
	m->newest_journal = header->newest_journal;
	m->identities = take_section(r, SECTION_IDENTITIES, &m->n_identities);
	m->stores = take_section(r, SECTION_STORE_MEMORY, &m->n_stores);
	m->slots = take_section(r, SECTION_SLOTS, &m->n_slots);
	m->anchors = take_section(r, SECTION_ANCHORS, &m->n_anchors);
	m->issuers = take_section(r, SECTION_ISSUERS, &m->n_issuers);
	m->imported = take_section(r, SECTION_IMPORTED, &m->n_imported);
	m->suspensions = take_section(r, SECTION_SUSPENSIONS, &m->n_suspensions);
	m->sources = take_section(r, SECTION_SOURCES, &m->n_sources);
	m->crls = take_section(r, SECTION_CRLS, &m->n_crls);
}

static enum err_code build(struct reader *r, const struct snapshot_header *header,
                           struct observed **ret_o, struct memory **ret_m, struct err *err)
{
	struct observed *o = ARENA_NEW(r->arena, struct observed);
	struct memory *m = NULL;

	enum err_code rc = memory_empty(r->arena, r->certs, &m, err);
	if (rc != ERR_OK || o == NULL) {
		return rc != ERR_OK ? rc : err_nomem(err);
	}
	fill_observed(r, header, o);
	fill_memory(r, header, m);
	rc = arena_failed(r->arena) ? err_nomem(err) : observed_index(o, err);
	if (rc == ERR_OK) {
		rc = memory_index(m, err);
	}
	if (rc != ERR_OK) {
		observed_release(o);
		memory_release(m);
		return rc;
	}
	*ret_o = o;
	*ret_m = m;
	return ERR_OK;
}

enum err_code snapshot_read(struct bytes in, struct arena *arena, struct seen_certs *certs,
                            struct observed **ret_o, struct memory **ret_m, struct err *err)
{
	struct err unasked = { .code = ERR_OK };
	CLEANUP(reader_release)
	struct reader r = { .arena = arena,
		            .certs = certs,
		            .rest = in,
		            .at = -1,
		            .err = err != NULL ? err : &unasked };
	struct snapshot_header header = { .rows = 0 };

	for (size_t s = 0; s < SECTIONS; s++) {
		buf_init(&r.sections[s], SNAPSHOT_ROWS_MAX * snapshot_sections[s].rows.size);
	}
	buf_init(&r.key, SNAPSHOT_LINE_MAX);
	buf_init(&r.last_key, SNAPSHOT_LINE_MAX);
	enum err_code rc = read_lines(&r, &header);
	return rc == ERR_OK ? build(&r, &header, ret_o, ret_m, r.err) : rc;
}
