/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load.c - the order of the passes, and where files come from.
 */
#include "desired/load.h"

#include <stdlib.h>
#include <string.h>

#include "desired/loader.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/pki.h"

#define UNREAD_LIMIT   ((size_t)64 << 20)
#define LINES_READ_MAX ((size_t)256 << 20)
#define DIGEST_RUN     ((size_t)8 << 10)

static int compare_name(const void *key, const void *element)
{
	return strcmp(key, (*(struct object *const *)element)->name);
}

struct object *loader_find(const struct loader *l, enum kind k, const char *name)
{
	const struct objects *list = &l->by_kind[k];
	struct object **hit =
		list->n == 0 ? NULL : bsearch(name, list->v, list->n, sizeof(void *), compare_name);

	return hit != NULL ? *hit : NULL;
}

bool loader_spend(struct loader *l, size_t steps)
{
	if (steps > WORK_MAX - l->work) {
		l->work = WORK_MAX;
		return false;
	}
	l->work += steps;
	return true;
}

static uint64_t row_bit(const struct object *o, const char *field)
{
	size_t hint = 0;
	const struct table *t = kind_table(o->kind);
	const struct field *f = table_find(t, field, &hint);

	return f != NULL ? UINT64_C(1) << (f - t->fields) : 0;
}

bool object_wrote(const struct object *o, const char *field)
{
	return (o->shared->written & row_bit(o, field)) != 0;
}

bool object_has(const struct object *o, const char *field)
{
	return (o->shared->set & row_bit(o, field)) != 0;
}

static bool before(struct pos a, struct pos b)
{
	return a.line != b.line ? a.line < b.line : a.col < b.col;
}

bool loader_has_error_in(struct loader *l, const struct object *o, const char *field)
{
	struct pos from = object_pos_of(o, field);
	struct pos to = { .line = UINT32_MAX };

	for (int i = 0; i < __builtin_popcountll(o->shared->written); i++) {
		if (before(from, o->shared->at[i]) && before(o->shared->at[i], to)) {
			to = o->shared->at[i];
		}
	}
	for (size_t i = 0; i < l->diags.n; i++) {
		const struct diagnostic *d = &l->diags.v[i];
		if (!loader_spend(l, 1)) {
			return true;
		}
		if (strcmp(d->file, o->file) == 0 && !before(d->pos, from) && before(d->pos, to)) {
			return true;
		}
	}
	return false;
}

void loader_report(struct loader *l, const struct object *o, const char *field, const char *hint,
                   const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	diags_vadd(&l->diags, o->file, object_pos_of(o, field), hint, fmt, ap);
	va_end(ap);
}

void loader_report_at(struct loader *l, const struct object *o, struct pos pos, const char *hint,
                      const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	diags_vadd(&l->diags, o->file, pos.line != 0 ? pos : o->pos, hint, fmt, ap);
	va_end(ap);
}

void loader_warn(struct loader *l, const char *lint, const struct object *o, struct pos pos,
                 const char *fmt, ...)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	struct warning *w = ARENA_PUSH(l->arena, &l->warnings);
	va_list ap;

	if (w == NULL) {
		return;
	}
	buf_init(&text, (size_t)8 << 10);
	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	w->name = lint;
	w->text =
		arena_printf(l->arena, "%s:%u:%u: %s", o->file, pos.line, pos.col, buf_str(&text));
}

static int compare_objects(const void *pa, const void *pb)
{
	const struct object *a = *(struct object *const *)pa, *b = *(struct object *const *)pb;
	int c = strcmp(a->name, b->name);

	if (c == 0) {
		c = strcmp(a->file, b->file);
	}
	return c != 0 ? c : (a->pos.line > b->pos.line) - (a->pos.line < b->pos.line);
}

static bool is_sorted(const struct objects *list)
{
	for (size_t i = 1; i < list->n; i++) {
		if (compare_objects(&list->v[i - 1], &list->v[i]) > 0) {
			return false;
		}
	}
	return true;
}

static void sort_objects(struct loader *l, struct objects *list)
{
	size_t kept = 0;

	if (list->n == 0) {
		return;
	}
	/* A file each, called after what is in it: they came in this order. */
	if (!is_sorted(list)) {
		qsort(list->v, list->n, sizeof(void *), compare_objects);
	}
	for (size_t i = 0; i < list->n; i++) {
		struct object *o = list->v[i];
		if (kept > 0 && strcmp(list->v[kept - 1]->name, o->name) == 0) {
			const struct object *first = list->v[kept - 1];
			loader_report_at(l, o, o->pos, /* hint= */ NULL,
			                 "%s '%s' is defined twice; the first is at %s:%u:%u",
			                 kind_name(o->kind), o->name, first->file, first->pos.line,
			                 first->pos.col);
			continue;
		}
		list->v[kept++] = o;
	}
	list->n = kept;
}

/* Everything that fills objects in is done: keep what they have alike once. */
static void share(struct loader *l)
{
	for (int k = 0; k < KIND_COUNT; k++) {
		const struct table *t = kind_table((enum kind)k);
		for (size_t i = 0; t->link != 0 && i < l->by_kind[k].n; i++) {
			struct object **o = &l->by_kind[k].v[i];
			bind_share(&l->bind, t, *o);
			*o = arena_copy(l->arena, *o, t->own);
		}
	}
}

static void publish(struct loader *l)
{
	struct desired *d = l->d;
	void *lists[KIND_COUNT] = { 0 };
	size_t n[KIND_COUNT];

	for (int k = 0; k < KIND_COUNT; k++) {
		struct objects *list = &l->by_kind[k];
		n[k] = list->n;
		lists[k] = list->n == 0 ? NULL
		                        : arena_copy(l->arena, list->v, list->n * sizeof(void *));
	}
	/* struct object is the first member of every kind, so the pointers are the same */
	d->issuers = lists[KIND_ISSUER];
	d->n_issuers = n[KIND_ISSUER];
	d->certificates = lists[KIND_CERTIFICATE];
	d->n_certificates = n[KIND_CERTIFICATE];
	d->ca_sets = lists[KIND_CASET];
	d->n_ca_sets = n[KIND_CASET];
	d->keystores = lists[KIND_KEYSTORE];
	d->n_keystores = n[KIND_KEYSTORE];
	d->targets = lists[KIND_TARGET];
	d->n_targets = n[KIND_TARGET];
	d->discoveries = lists[KIND_DISCOVERY];
	d->n_discoveries = n[KIND_DISCOVERY];
}

/* In runs, each beginning with the digest so far: one file at a time would be two blocks more. */
static void digest_run(struct loader *l)
{
	if (buf_failed(&l->digested)) {
		l->arena->failed = true;
		return;
	}
	pki_sha256(l->digested.p, l->digested.len, l->d->tree_digest);
	buf_reset(&l->digested);
	buf_add(&l->digested, l->d->tree_digest, sizeof(l->d->tree_digest));
}

static void digest_add(struct loader *l, const char *path, const void *id, size_t n)
{
	buf_add(&l->digested, path, strlen(path) + 1);
	buf_add(&l->digested, id, n);
	if (l->digested.len >= DIGEST_RUN) {
		digest_run(l);
	}
}

static void digest_data(struct loader *l, const char *path, struct bytes data)
{
	uint8_t hash[SHA256_BYTES];

	pki_sha256(data.p, data.n, hash);
	digest_add(l, path, hash, sizeof(hash));
}

enum err_code loader_read(struct loader *l, const char *path, struct bytes *ret, struct err *err)
{
	struct bytes data;
	enum err_code rc = l->read(l, path, l->arena, &data, err);

	if (rc == ERR_OK) {
		digest_data(l, path, data);
		*ret = data;
	}
	return rc;
}

static bool file_for_lines(const char *path, struct bytes *ret, void *arg)
{
	struct loader *l = arg;

	arena_release(&l->lines);
	if (l->lines_read > LINES_READ_MAX ||
	    l->read(l, path, &l->lines, ret, /* err= */ NULL) != ERR_OK) {
		return false;
	}
	l->lines_read += ret->n;
	return true;
}

static void note_namespaces(struct loader *l)
{
	if (l->n_namespaces == 0) {
		return;
	}
	struct warning *w = ARENA_PUSH(l->arena, &l->warnings);
	if (w != NULL) {
		w->name = "namespace-ignored";
		w->text = l->n_namespaces == 1
		                  ? arena_printf(l->arena, "%s: metadata.namespace is ignored",
		                                 l->namespace_at)
		                  : arena_printf(l->arena,
		                                 "%s: metadata.namespace is ignored, here and in "
		                                 "%zu more objects",
		                                 l->namespace_at, l->n_namespaces - 1);
	}
}

static enum err_code passes(struct loader *l, struct err *err)
{
	for (int k = 0; k < KIND_COUNT; k++) {
		sort_objects(l, &l->by_kind[k]);
	}
	defaults_fill(l);
	hosts_expand(l);
	objects_check(l);
	references_check(l);
	share(l);
	if (arena_failed(l->arena)) {
		return err_nomem(err);
	}
	publish(l);
	enum err_code rc = identities_make(l, err);
	if (rc != ERR_OK) {
		return rc;
	}
	cross_check(l);
	note_namespaces(l);
	policies_apply(l);
	digest_run(l);
	l->d->warnings = l->warnings.v;
	l->d->n_warnings = l->warnings.n;
	return arena_failed(l->arena) || arena_failed(&l->scratch) ? err_nomem(err) : ERR_OK;
}

static enum err_code finish(struct loader *l, const struct desired **ret,
                            struct diagnostics *ret_diag, struct err *err)
{
	enum err_code rc = passes(l, err);

	if (rc != ERR_OK) {
		return rc;
	}
	if (l->diags.n == 0) {
		*ret = l->d;
		return ERR_OK;
	}
	struct diagnostics found = diags_finish(&l->diags, file_for_lines, l);
	if (arena_failed(l->arena)) {
		return err_nomem(err);
	}
	*ret_diag = found;
	return err_set(err, ERR_INVALID, "the desired state has %zu error%s", found.n,
	               found.n == 1 ? "" : "s");
}

static enum err_code loader_init(struct loader *l, struct arena *arena, const char *commit,
                                 struct err *err)
{
	*l = (struct loader){ .arena = arena };
	arena_init(&l->scratch);
	arena_init(&l->lines);
	map_init(&l->ghosts);
	buf_init(&l->unread, UNREAD_LIMIT);
	buf_init(&l->digested, DIGEST_RUN * 4);
	diags_init(&l->diags, arena);
	bind_init(&l->bind, &l->diags, arena);
	l->d = ARENA_NEW(arena, struct desired);
	if (l->d == NULL) {
		return err_nomem(err);
	}
	l->d->arena = arena;
	l->d->commit = arena_str(arena, commit);
	return ERR_OK;
}

static void loader_release(struct loader *l)
{
	bind_release(&l->bind);
	buf_release(&l->unread);
	buf_release(&l->digested);
	arena_release(&l->scratch);
	arena_release(&l->lines);
	map_release(&l->ghosts);
}

struct from_source {
	struct source *source;
	const char *commit;
};

/* Whichever directory on the way is missing. */
static enum err_code no_such_file(const char *path, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND, "%s: there is no such file in the repository", path);
}

static enum err_code read_source(struct loader *l, const char *path, struct arena *arena,
                                 struct bytes *ret, struct err *err)
{
	const struct from_source *from = l->reader;
	struct source_walk file = { .commit = from->commit,
		                    .path = path,
		                    .file_limit = YML_FILE_MAX };

	enum err_code rc = source_read(from->source, &file, arena, ret, err);
	if (rc == ERR_NOT_FOUND) {
		err_clear(err);
		return no_such_file(path, err);
	}
	return rc;
}

static enum err_code visit(const struct source_file *file, void *arg, struct err *err)
{
	static const uint8_t none[sizeof(file->oid)];
	struct loader *l = arg;

	if (!load_concerns_us(file->data)) {
		return ERR_OK;
	}
	if (memcmp(file->oid, none, sizeof(none)) == 0) {
		digest_data(l, file->path, file->data);
	} else {
		digest_add(l, file->path, file->oid, sizeof(file->oid));
	}
	return load_file(l, file->path, file->data, err);
}

enum err_code desired_load(struct source *s, const struct load_options *opt, struct arena *arena,
                           const struct desired **ret, struct diagnostics *ret_diag,
                           struct err *err)
{
	CLEANUP(loader_release) struct loader l = { 0 };
	struct from_source from = { .source = s, .commit = opt->commit };
	struct source_walk walk = { .commit = opt->commit,
		                    .path = opt->path,
		                    .file_limit = YML_FILE_MAX };
	enum err_code rc =
		loader_init(&l, arena, opt->commit != NULL ? opt->commit : "worktree", err);

	if (rc == ERR_OK) {
		l.read = read_source;
		l.reader = &from;
		rc = source_each_yaml(s, &walk, visit, &l, err);
	}
	return rc == ERR_OK ? finish(&l, ret, ret_diag, err) : rc;
}

struct from_memory {
	const struct memory_file *files;
	size_t n;
};

static enum err_code read_memory(struct loader *l, const char *path, struct arena *arena,
                                 struct bytes *ret, struct err *err)
{
	const struct from_memory *from = l->reader;

	(void)arena;
	for (size_t i = 0; i < from->n; i++) {
		if (strcmp(from->files[i].path, path) == 0) {
			*ret = from->files[i].data;
			return ERR_OK;
		}
	}
	return no_such_file(path, err);
}

static bool is_yaml(const char *path)
{
	return str_ends(path, ".yaml") || str_ends(path, ".yml");
}

enum err_code desired_load_files(const struct memory_file *files, size_t n, struct arena *arena,
                                 const struct desired **ret, struct diagnostics *ret_diag,
                                 struct err *err)
{
	CLEANUP(loader_release) struct loader l = { 0 };
	struct from_memory from = { .files = files, .n = n };
	enum err_code rc = loader_init(&l, arena, "worktree", err);

	l.read = read_memory;
	l.reader = &from;
	for (size_t i = 0; rc == ERR_OK && i < n; i++) {
		if (is_yaml(files[i].path) && load_concerns_us(files[i].data)) {
			digest_data(&l, files[i].path, files[i].data);
			rc = load_file(&l, files[i].path, files[i].data, err);
		}
	}
	return rc == ERR_OK ? finish(&l, ret, ret_diag, err) : rc;
}
