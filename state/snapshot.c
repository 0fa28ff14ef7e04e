/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * snapshot.c - writing.
 *
 * Only certificates that a row refers to are written: the set of the pass also holds what the
 * desired state brought along, and the same observation shall be the same bytes.
 */
#include "state/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "reconciler/base/str.h"
#include "state/rename.h"
#include "state/snapshot_rows.h"

struct line {
	struct bytes key;
	const void *row;
};

struct cert_ref {
	const struct seen_cert *cert;
};

struct writer {
	struct arena scratch;
	struct map known; /* fingerprints of `certs` */
	struct {
		struct cert_ref *v;
		size_t n, cap;
	} certs;
	struct {
		struct line *v;
		size_t n;
	} lines[SECTIONS];
	struct buf *out;
};

static void writer_release(struct writer *w)
{
	map_release(&w->known);
	arena_release(&w->scratch);
}

static bool refer(struct writer *w, const struct seen_cert *c)
{
	struct bytes key = bytes_of(c->sha256, SHA256_BYTES);

	if (map_get(&w->known, key) != NULL) {
		return true;
	}
	struct cert_ref *ref = ARENA_PUSH(&w->scratch, &w->certs);
	if (ref == NULL || map_put(&w->known, key, (void *)(uintptr_t)c, /* ret_old= */ NULL) < 0) {
		return false;
	}
	ref->cert = c;
	return true;
}

static bool refer_rows(struct writer *w, const struct rows *rows, const void *row);

static bool refer_chain(struct writer *w, const struct seen_chain *chain)
{
	for (size_t i = 0; i < chain->n; i++) {
		if (!refer(w, chain->v[i])) {
			return false;
		}
	}
	return true;
}

static const char *pointer_at(const void *p)
{
	const char *value;

	memcpy(&value, p, sizeof(value));
	return value;
}

static size_t size_at(const void *p)
{
	size_t n;

	memcpy(&n, p, sizeof(n));
	return n;
}

static bool refer_field(struct writer *w, const struct field *f, const char *row)
{
	const char *at = row + f->at;

	if (f->kind == FIELD_CERT || f->kind == FIELD_CERT_OR_NULL) {
		return pointer_at(at) == NULL || refer(w, (const void *)pointer_at(at));
	}
	if (f->kind == FIELD_CHAIN || f->kind == FIELD_LEAF) {
		return refer_chain(w, (const void *)at);
	}
	if (f->kind == FIELD_STRUCT) {
		return refer_rows(w, f->sub, at);
	}
	if (f->kind == FIELD_MAYBE) {
		return pointer_at(at) == NULL || refer_rows(w, f->sub, pointer_at(at));
	}
	for (size_t i = 0; f->kind == FIELD_LIST && i < size_at(row + f->count_at); i++) {
		if (!refer_rows(w, f->sub, pointer_at(at) + i * f->sub->size)) {
			return false;
		}
	}
	return true;
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables nest */
static bool refer_rows(struct writer *w, const struct rows *rows, const void *row)
{
	for (size_t i = 0; i < rows->n_fields; i++) {
		if (!refer_field(w, &rows->fields[i], row)) {
			return false;
		}
	}
	return true;
}

static int compare_lines(const void *a, const void *b)
{
	const struct line *x = a;
	const struct line *y = b;
	int c = bytes_compare(x->key, y->key);

	/* Rows lie in one array: the later one of two with the same key is further on. */
	return c != 0 ? c : (x->row > y->row) - (x->row < y->row);
}

static int compare_certs(const void *a, const void *b)
{
	const struct cert_ref *x = a;
	const struct cert_ref *y = b;

	return memcmp(x->cert->sha256, y->cert->sha256, SHA256_BYTES);
}

static bool add_line(struct writer *w, enum section s, const char *row, struct buf *key)
{
	struct line *l = &w->lines[s].v[w->lines[s].n++];

	buf_reset(key);
	snapshot_sections[s].key(row, key);
	l->row = row;
	l->key = arena_bytes(&w->scratch, buf_view(key));
	return !buf_failed(key) && !arena_failed(&w->scratch) &&
	       refer_rows(w, &snapshot_sections[s].rows, row);
}

/* Of rows with one key the last stays, as in the maps. */
static void drop_repeated(struct writer *w, enum section s)
{
	struct line *v = w->lines[s].v;
	size_t kept = 0;

	for (size_t i = 0; i < w->lines[s].n; i++) {
		if (kept > 0 && bytes_equal(v[kept - 1].key, v[i].key)) {
			kept--;
		}
		v[kept++] = v[i];
	}
	w->lines[s].n = kept;
}

static bool add_section(struct writer *w, enum section s, const void *rows, size_t n)
{
	struct buf key;
	bool ok = true;

	w->lines[s].v = ARENA_ARRAY(&w->scratch, struct line, n);
	if (w->lines[s].v == NULL) {
		return false;
	}
	buf_init(&key, SNAPSHOT_LINE_MAX);
	for (size_t i = 0; ok && i < n; i++) {
		ok = add_line(w, s, (const char *)rows + i * snapshot_sections[s].rows.size, &key);
	}
	buf_release(&key);
	qsort(w->lines[s].v, w->lines[s].n, sizeof(*w->lines[s].v), compare_lines);
	drop_repeated(w, s);
	return ok;
}

static void write_digest(struct json_writer *j, const uint8_t digest[SHA256_BYTES])
{
	static const uint8_t none[SHA256_BYTES];
	char text[2 * SHA256_BYTES + 1];

	if (memcmp(digest, none, SHA256_BYTES) == 0) {
		json_write_null(j);
		return;
	}
	hex_encode(bytes_of(digest, SHA256_BYTES), text);
	json_str(j, text);
}

static void write_chain(struct json_writer *j, const struct seen_chain *chain)
{
	json_begin_array(j);
	for (size_t i = 0; i < chain->n; i++) {
		write_digest(j, chain->v[i]->sha256);
	}
	json_end_array(j);
}

static void write_reference(struct json_writer *j, const struct seen_cert *c)
{
	if (c == NULL) {
		json_write_null(j);
	} else {
		write_digest(j, c->sha256);
	}
}

static void write_number(struct json_writer *j, const struct field *f, const char *at)
{
	int i;
	unsigned u;

	if (f->kind == FIELD_INT) {
		memcpy(&i, at, sizeof(i));
		json_int(j, i);
	} else if (f->kind == FIELD_SIZE) {
		json_int(j, (int64_t)size_at(at));
	} else {
		memcpy(&u, at, sizeof(u));
		if (f->kind == FIELD_WORD) {
			json_str(j, f->words[u]);
		} else {
			json_int(j, u);
		}
	}
}

static void write_rows(struct json_writer *j, const struct rows *rows, const void *row);

static void write_nested(struct json_writer *j, const struct field *f, const char *row)
{
	const char *at = row + f->at;
	size_t n = f->kind == FIELD_LIST ? size_at(row + f->count_at) : 0;

	if (f->kind == FIELD_STRUCT) {
		write_rows(j, f->sub, at);
		return;
	}
	if (f->kind == FIELD_MAYBE && pointer_at(at) == NULL) {
		json_write_null(j);
		return;
	}
	if (f->kind == FIELD_MAYBE) {
		write_rows(j, f->sub, pointer_at(at));
		return;
	}
	json_begin_array(j);
	for (size_t i = 0; i < n; i++) {
		write_rows(j, f->sub, pointer_at(at) + i * f->sub->size);
	}
	json_end_array(j);
}

static void write_strings(struct json_writer *j, const struct field *f, const char *row)
{
	const char *v = pointer_at(row + f->at);
	size_t n = size_at(row + f->count_at);

	json_begin_array(j);
	for (size_t i = 0; i < n; i++) {
		json_str(j, pointer_at(v + i * sizeof(char *)));
	}
	json_end_array(j);
}

static void write_bytes(struct json_writer *j, const struct bytes *v)
{
	struct buf base64;

	buf_init(&base64, SNAPSHOT_LINE_MAX);
	base64_encode(*v, &base64);
	json_str(j, buf_str(&base64));
	buf_release(&base64);
}

static void write_value(struct json_writer *j, const struct field *f, const char *row)
{
	const char *at = row + f->at;
	bool flag;

	switch (f->kind) {
	case FIELD_TEXT:
	case FIELD_STR:
		json_str(j, pointer_at(at));
		return;
	case FIELD_STRS:
		write_strings(j, f, row);
		return;
	case FIELD_INT:
	case FIELD_UINT:
	case FIELD_SIZE:
	case FIELD_WORD:
		write_number(j, f, at);
		return;
	case FIELD_BOOL:
		memcpy(&flag, at, sizeof(flag));
		json_bool(j, flag);
		return;
	case FIELD_TIME:
		return; /* a member of its own */
	case FIELD_DIGEST:
		write_digest(j, (const uint8_t *)at);
		return;
	case FIELD_DIGEST_AT:
		write_digest(j, digest_or_zeroes((const void *)pointer_at(at)));
		return;
	case FIELD_BYTES:
		write_bytes(j, (const void *)at);
		return;
	case FIELD_CERT:
	case FIELD_CERT_OR_NULL:
		write_reference(j, (const void *)pointer_at(at));
		return;
	case FIELD_CHAIN:
	case FIELD_LEAF:
		write_chain(j, (const void *)at);
		return;
	case FIELD_STRUCT:
	case FIELD_MAYBE:
	case FIELD_LIST:
		write_nested(j, f, row);
		return;
	}
}

static void write_members(struct json_writer *j, const struct rows *rows, const void *row)
{
	for (size_t i = 0; i < rows->n_fields; i++) {
		const struct field *f = &rows->fields[i];
		if (f->kind == FIELD_TIME) {
			struct wall t;
			memcpy(&t, (const char *)row + f->at, sizeof(t));
			json_member_time(j, f->name, t.s);
		} else {
			json_key(j, f->name);
			write_value(j, f, row);
		}
	}
}

/* NOLINTNEXTLINE(misc-no-recursion): as deep as the tables nest */
static void write_rows(struct json_writer *j, const struct rows *rows, const void *row)
{
	json_begin_object(j);
	write_members(j, rows, row);
	json_end_object(j);
}

static bool write_line(struct writer *w, const char *word, const struct rows *rows, const void *row)
{
	struct json_writer j;
	size_t start = w->out->len;

	json_writer_init(&j, w->out, /* pretty= */ false);
	json_begin_object(&j);
	if (word != NULL) {
		json_member_str(&j, "row", word);
	}
	write_members(&j, rows, row);
	json_end_object(&j);
	buf_add_byte(w->out, '\n');
	return w->out->len - start <= SNAPSHOT_LINE_MAX;
}

static bool write_certificate(struct writer *w, const struct seen_cert *c)
{
	struct json_writer j;
	struct buf base64;
	size_t start = w->out->len;

	buf_init(&base64, SNAPSHOT_LINE_MAX);
	base64_encode(seen_cert_der(c), &base64);
	json_writer_init(&j, w->out, /* pretty= */ false);
	json_begin_object(&j);
	json_member_str(&j, "row", "certificate");
	json_member_str(&j, "der", buf_str(&base64));
	json_key(&j, "sha256");
	write_digest(&j, c->sha256);
	json_end_object(&j);
	buf_add_byte(w->out, '\n');
	bool ok = !buf_failed(&base64) && w->out->len - start <= SNAPSHOT_LINE_MAX;
	buf_release(&base64);
	return ok;
}

/* One that a snapshot has no room for is named, with the reason why it is not there. */
static bool add_crls(struct writer *w, const struct memory *m)
{
	struct crl_memory *v = ARENA_ARRAY(&w->scratch, struct crl_memory, m->n_crls + 1);

	if (v == NULL) {
		return false;
	}
	for (size_t i = 0; i < m->n_crls; i++) {
		v[i] = m->crls[i];
		if (v[i].data.n > SNAPSHOT_CRL_MAX) {
			v[i].data = (struct bytes){ 0 };
			v[i].error = "the CRL is too large for a snapshot";
		}
	}
	return add_section(w, SECTION_CRLS, v, m->n_crls);
}

static bool collect(struct writer *w, const struct observed *o, const struct memory *m)
{
	bool ok = add_section(w, SECTION_STORES, o->stores, o->n_stores) &&
	          add_section(w, SECTION_ENDPOINTS, o->endpoints, o->n_endpoints) &&
	          add_section(w, SECTION_CONFIGS, o->configs, o->n_configs) &&
	          add_section(w, SECTION_IDENTITIES, m->identities, m->n_identities) &&
	          add_section(w, SECTION_STORE_MEMORY, m->stores, m->n_stores) &&
	          add_section(w, SECTION_SLOTS, m->slots, m->n_slots) &&
	          add_section(w, SECTION_ANCHORS, m->anchors, m->n_anchors) &&
	          add_section(w, SECTION_ISSUERS, m->issuers, m->n_issuers) &&
	          add_section(w, SECTION_IMPORTED, m->imported, m->n_imported) &&
	          add_section(w, SECTION_SUSPENSIONS, m->suspensions, m->n_suspensions) &&
	          add_section(w, SECTION_SOURCES, m->sources, m->n_sources) && add_crls(w, m);

	if (ok && w->certs.n > 0) {
		qsort(w->certs.v, w->certs.n, sizeof(*w->certs.v), compare_certs);
	}
	return ok;
}

static bool write_all(struct writer *w, const struct observed *o, const struct memory *m)
{
	struct snapshot_header header = { .certwright = "snapshot",
		                          .format_version = SNAPSHOT_VERSION,
		                          .state_id = m->state_id,
		                          .observed_at = o->at,
		                          .newest_journal = m->newest_journal,
		                          .rows = w->certs.n };

	for (size_t s = 0; s < SECTIONS; s++) {
		header.rows += w->lines[s].n;
	}
	bool ok = header.rows <= SNAPSHOT_ROWS_MAX &&
	          write_line(w, /* word= */ NULL, &snapshot_header_rows, &header);
	for (size_t i = 0; ok && i < w->certs.n; i++) {
		ok = write_certificate(w, w->certs.v[i].cert);
	}
	for (size_t s = 0; s < SECTIONS; s++) {
		const struct section_def *def = &snapshot_sections[s];
		for (size_t i = 0; ok && i < w->lines[s].n; i++) {
			ok = write_line(w, def->row, &def->rows, w->lines[s].v[i].row);
		}
	}
	return ok;
}

enum err_code snapshot_write(const struct observed *o, const struct memory *m, struct buf *out,
                             struct err *err)
{
	static const struct memory nothing = { .state_id = NULL };
	CLEANUP(writer_release) struct writer w = { .out = out };
	struct memory kept;
	struct observed seen;

	arena_init(&w.scratch);
	map_init(&w.known);
	m = m == NULL ? &nothing : m;
	if (m->n_renames > 0) {
		enum err_code rc = renames_undone(m, o, &w.scratch, &kept, &seen, err);
		if (rc != ERR_OK) {
			return rc;
		}
		m = &kept;
		o = &seen;
	}
	if (!collect(&w, o, m)) {
		return err_nomem(err);
	}
	if (!write_all(&w, o, m)) {
		return err_set(err, ERR_INVALID,
		               "too much for a snapshot: a row of more than %zu bytes, or more "
		               "than %d rows",
		               SNAPSHOT_LINE_MAX, SNAPSHOT_ROWS_MAX);
	}
	return buf_check(out, "the snapshot", err);
}
