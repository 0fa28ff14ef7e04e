/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bind.c - mappings, lists; merge keys.
 *
 * A merge key is kept (recorded) until its mapping has ended and played back then: keys written in
 * the mapping itself win wherever they stand, earlier merges win over later ones, and the set of
 * keys already seen is all the memory that takes.
 */
#include "desired/bind.h"

#include <assert.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define MERGES_MAX      16u
#define LIST_MAX        100000u
#define MERGE_DEPTH_MAX 64u
#define ELEMENT_MAX     640u
#define PARTS_MIN       ((size_t)4 << 10)

bool seen_has(const struct seen *s, const char *field)
{
	size_t hint = 0;
	const struct field *f = table_find(s->table, field, &hint);

	return f != NULL && (s->bits & (UINT64_C(1) << (f - s->table->fields))) != 0;
}

struct pos seen_pos(const struct seen *s, const char *field)
{
	size_t hint = 0;
	const struct field *f = table_find(s->table, field, &hint);

	return seen_has(s, field) ? s->at[f - s->table->fields] : s->pos;
}

void bind_init(struct bind *b, struct diags *diags, struct arena *arena)
{
	*b = (struct bind){ .diags = diags, .arena = arena };
}

void bind_release(struct bind *b)
{
	bind_close(b);
	free(b->texts);
	free(b->parts);
	free(b->labels.v);
	free(b->kept);
	*b = (struct bind){ 0 };
}

enum err_code bind_open(struct bind *b, const char *file, struct bytes data, struct err *err)
{
	bind_close(b);
	b->file = file;
	b->broken = false;
	b->merges = 0;
	b->n_texts = 0;
	b->n_parts = 0;
	return yml_open(data, b->arena, &b->yml, err);
}

void bind_close(struct bind *b)
{
	yml_close(b->yml);
	b->yml = NULL;
}

void bind_report(struct bind *b, struct pos pos, const char *hint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	diags_vadd(b->diags, b->file, pos, hint, fmt, ap);
	va_end(ap);
}

static void broke(struct bind *b)
{
	struct pos pos;

	if (!b->broken) {
		const char *what = yml_problem(b->yml, &pos);
		bind_report(b, pos, "the rest of this file was not read", "%s", what);
		b->broken = true;
	}
}

bool bind_next(struct bind *b, struct yml_event *ret)
{
	if (b->broken) {
		return false;
	}
	if (!yml_next(b->yml, ret)) {
		broke(b);
		return false;
	}
	if (ret->tag != NULL) {
		bind_report(b, ret->pos, /* hint= */ NULL, "tag %s is not supported", ret->tag);
	}
	return true;
}

void bind_skip(struct bind *b, const struct yml_event *first)
{
	if (!b->broken && !yml_skip(b->yml, first)) {
		broke(b);
	}
}

bool bind_is_null(const struct yml_event *ev)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	if (ev->what != YML_SCALAR || !ev->plain || ev->n > 4) {
		return false;
	}
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(ev->s, words[i]) == 0) {
			return true;
		}
	}
	return false;
}

static const char *found(struct bind *b, const struct yml_event *ev)
{
	if (bind_is_null(ev)) {
		return "nothing";
	}
	if (ev->what == YML_MAP) {
		return "a mapping";
	}
	if (ev->what == YML_LIST) {
		return "a list";
	}
	return arena_printf(b->arena, "'%.60s'%s", ev->s, ev->n > 60 ? "..." : "");
}

void bind_wrong_type(struct bind *b, const struct field *f, const char *expected,
                     const struct yml_event *ev)
{
	const char *hint = bind_is_null(ev) ? "give a value, quote it, or leave the key out" : NULL;

	bind_report(b, ev->pos, hint, "%s: expected %s, found %s", f->name, expected, found(b, ev));
	bind_skip(b, ev);
}

void bind_each(struct bind *b, const struct field *f, const struct yml_event *first,
               bind_element *fn, void *arg)
{
	struct yml_event ev;

	if (first->what != YML_LIST) {
		bind_wrong_type(b, f, "a list", first);
		return;
	}
	for (size_t n = 0; bind_next(b, &ev) && ev.what != YML_LIST_END; n++) {
		if (n < LIST_MAX) {
			fn(b, f, &ev, arg);
			continue;
		}
		if (n == LIST_MAX) {
			bind_report(b, ev.pos, /* hint= */ NULL, "%s: more than %u elements",
			            f->name, LIST_MAX);
		}
		bind_skip(b, &ev);
	}
}

bool bind_push_text(struct bind *b, struct text t)
{
	if (b->n_texts == b->cap_texts) {
		size_t cap = b->cap_texts == 0 ? 64 : b->cap_texts * 2;
		struct text *v = reallocarray(b->texts, cap, sizeof(*v));
		if (v == NULL) {
			b->arena->failed = true;
			return false;
		}
		b->texts = v;
		b->cap_texts = cap;
	}
	b->texts[b->n_texts++] = t;
	return true;
}

struct texts bind_take_texts(struct bind *b, size_t mark)
{
	size_t n = b->n_texts - mark;
	struct texts ret = { 0 };

	if (n > 0) {
		ret.v = bind_keep(b, b->texts + mark, n * sizeof(*b->texts));
		ret.n = ret.v != NULL ? n : 0;
	}
	b->n_texts = mark;
	return ret;
}

void bind_push_part(struct bind *b, const void *part, size_t size)
{
	if (size > b->cap_parts - b->n_parts) {
		size_t cap = (b->cap_parts + size) * 2;
		char *v = realloc(b->parts, cap < PARTS_MIN ? PARTS_MIN : cap);
		if (v == NULL) {
			b->arena->failed = true;
			return;
		}
		b->parts = v;
		b->cap_parts = cap < PARTS_MIN ? PARTS_MIN : cap;
	}
	memcpy(b->parts + b->n_parts, part, size);
	b->n_parts += size;
}

const void *bind_take_parts(struct bind *b, size_t mark, size_t size, bool shared, size_t *ret_n)
{
	size_t n = b->n_parts - mark;
	const void *v = NULL;

	if (n > 0) {
		v = shared ? bind_keep(b, b->parts + mark, n)
		           : arena_copy(b->arena, b->parts + mark, n);
	}
	b->n_parts = mark;
	*ret_n = v != NULL ? n / size : 0;
	return v;
}

struct merges {
	struct yml_node v[MERGES_MAX];
	size_t n;
};

static void bind_pairs(struct bind *b, const struct table *t, void *obj, struct seen *seen,
                       bool merging);

static void unknown_key(struct bind *b, const struct table *t, const struct yml_event *key)
{
	bind_report(b, key->pos, diags_did_you_mean(b->diags, table_nearest(t, key->s)),
	            "unknown key '%.80s' in %s", key->s, t->name);
}

/* One key has been read; read its value. */
static void bind_pair(struct bind *b, const struct field *f, void *obj, struct seen *seen,
                      const struct yml_event *key, bool merging)
{
	size_t row = (size_t)(f - seen->table->fields);
	uint64_t bit = UINT64_C(1) << row;
	struct pos key_pos = key->pos;
	struct yml_event ev;

	if (!bind_next(b, &ev)) {
		return;
	}
	if ((seen->bits & bit) != 0) {
		if (!merging) {
			bind_report(b, key_pos, /* hint= */ NULL,
			            "key '%s' appears twice; the first is at line %u", f->name,
			            seen->at[row].line);
		}
		bind_skip(b, &ev);
		return;
	}
	seen->bits |= bit;
	seen->at[row] = ev.pos;
	bind_value(b, f, obj, &ev);
}

static void take_merge(struct bind *b, struct merges *m, struct pos pos)
{
	struct yml_event ev;

	if (!bind_next(b, &ev)) {
		return;
	}
	if (ev.what != YML_MAP && ev.what != YML_LIST) {
		bind_report(b, ev.pos, /* hint= */ NULL,
		            "merge key '<<' needs a mapping or a list of them");
		return;
	}
	if (m->n == MERGES_MAX) {
		bind_report(b, pos, /* hint= */ NULL, "more than %u merge keys in one mapping",
		            MERGES_MAX);
		bind_skip(b, &ev);
		return;
	}
	if (!yml_record(b->yml, &ev, &m->v[m->n])) {
		broke(b);
		return;
	}
	m->n++;
}

static void play_merge(struct bind *b, const struct table *t, void *obj, struct seen *seen,
                       struct yml_node node)
{
	struct yml_event ev;

	if (b->broken || !yml_replay(b->yml, node)) {
		broke(b);
		return;
	}
	if (!bind_next(b, &ev)) {
		return;
	}
	if (ev.what == YML_MAP) {
		bind_pairs(b, t, obj, seen, /* merging= */ true);
		return;
	}
	while (bind_next(b, &ev) && ev.what != YML_LIST_END) {
		if (ev.what == YML_MAP) {
			bind_pairs(b, t, obj, seen, /* merging= */ true);
		} else {
			bind_report(b, ev.pos, /* hint= */ NULL,
			            "merge key '<<' needs a mapping or a list of them");
			bind_skip(b, &ev);
		}
	}
}

/* A key that no row has: merge key, oddity or mistake. Reads its value. */
static void bind_odd_key(struct bind *b, struct seen *seen, const struct yml_event *key,
                         struct merges *m)
{
	const struct table *t = seen->table;
	struct yml_event ev;

	if (key->what != YML_SCALAR) {
		bind_report(b, key->pos, /* hint= */ NULL, "a key of %s must be text", t->name);
		bind_skip(b, key);
	} else if (key->plain && strcmp(key->s, "<<") == 0) {
		take_merge(b, m, key->pos);
		return;
	} else {
		unknown_key(b, t, key);
		seen->misread = true;
	}
	if (bind_next(b, &ev)) {
		bind_skip(b, &ev);
	}
}

static void bind_pairs(struct bind *b, const struct table *t, void *obj, struct seen *seen,
                       bool merging)
{
	struct merges m;
	struct yml_event key;
	size_t hint = 0;

	m.n = 0;
	while (bind_next(b, &key) && key.what != YML_MAP_END) {
		const struct field *f = key.what == YML_SCALAR ? table_find(t, key.s, &hint) : NULL;
		if (f == NULL) {
			bind_odd_key(b, seen, &key, &m);
		} else {
			bind_pair(b, f, obj, seen, &key, merging);
		}
	}
	if (m.n == 0) {
		return;
	}
	if (++b->merges > MERGE_DEPTH_MAX) {
		bind_report(b, seen->pos, /* hint= */ NULL,
		            "merge keys nested deeper than %u levels", MERGE_DEPTH_MAX);
	} else {
		for (size_t i = 0; i < m.n; i++) {
			play_merge(b, t, obj, seen, m.v[i]);
		}
	}
	b->merges--;
}

void bind_map(struct bind *b, const struct table *t, void *obj, const struct yml_event *first,
              struct seen *ret_seen)
{
	struct seen own;
	struct seen *seen = ret_seen != NULL ? ret_seen : &own;

	seen->table = t;
	seen->pos = first->pos;
	seen->bits = 0;
	seen->misread = false;
	if (first->what != YML_MAP) {
		const struct field f = { .name = t->name };
		bind_wrong_type(b, &f, "a mapping", first);
		return;
	}
	bind_pairs(b, t, obj, seen, /* merging= */ false);
	if (b->broken) {
		return;
	}
	if (!t->late) {
		struct row_check c = { .table = t,
			               .bits = seen->bits,
			               .pos = seen->pos,
			               .at = seen->at,
			               .misread = seen->misread,
			               .file = b->file };
		rows_check(b->diags, &c);
	}
	if (t->check != NULL) {
		t->check(b, obj, seen);
	}
}

static void bind_list_element(struct bind *b, const struct field *f, const struct yml_event *ev,
                              void *arg)
{
	alignas(max_align_t) char element[ELEMENT_MAX];

	(void)arg;
	assert(f->sub->size <= sizeof(element));
	memset(element, 0, f->sub->size);
	table_defaults(f->sub, element);
	bind_map(b, f->sub, element, ev, /* ret_seen= */ NULL);
	bind_share(b, f->sub, element);
	bind_push_part(b, element, f->sub->own);
}

static void bind_list(struct bind *b, const struct field *f, const struct yml_event *first,
                      void *at)
{
	size_t mark = b->n_parts;
	struct {
		const void *v;
		size_t n;
	} list = { 0 };

	bind_each(b, f, first, bind_list_element, /* arg= */ NULL);
	list.v = bind_take_parts(b, mark, f->sub->own, f->sub->shared, &list.n);
	if (f->width != 0) {
		memcpy(at, &list, sizeof(list));
	}
}

static void bind_pointer(struct bind *b, const struct field *f, const struct yml_event *first,
                         void *at)
{
	alignas(max_align_t) char sub[ELEMENT_MAX];
	const struct table *t = f->sub;

	assert(t->size <= sizeof(sub));
	memset(sub, 0, t->size);
	table_defaults(t, sub);
	bind_map(b, t, sub, first, /* ret_seen= */ NULL);
	bind_share(b, t, sub);
	const void *kept =
		t->shared ? bind_keep(b, sub, t->own) : arena_copy(b->arena, sub, t->own);
	if (f->width != 0) {
		memcpy(at, &kept, sizeof(kept));
	}
}

void bind_value(struct bind *b, const struct field *f, void *obj, const struct yml_event *first)
{
	char *at = (char *)obj + f->offset;
	struct text t;
	struct texts list;

	switch (f->type) {
	case FIELD_TEXT:
	case FIELD_REF:
		if (bind_text(b, f, first, &t) && f->width == sizeof(t)) {
			memcpy(at, &t, sizeof(t));
		}
		return;
	case FIELD_TEXTS:
	case FIELD_REFS:
		bind_texts(b, f, first, &list);
		memcpy(at, &list, f->width == sizeof(list) ? sizeof(list) : 0);
		return;
	case FIELD_WORD:
	case FIELD_ENUM:
		bind_enum(b, f, first, at);
		return;
	case FIELD_BOOL:
		bind_bool(b, f, first, at);
		return;
	case FIELD_INT:
	case FIELD_PERCENT:
		bind_int(b, f, first, at);
		return;
	case FIELD_DURATION:
	case FIELD_URGENT:
		bind_duration(b, f, first, at);
		return;
	case FIELD_MAP:
		bind_map(b, f->sub, at, first, /* ret_seen= */ NULL);
		return;
	case FIELD_POINTER:
		bind_pointer(b, f, first, at);
		return;
	case FIELD_LIST:
		bind_list(b, f, first, at);
		return;
	case FIELD_ANY:
		bind_skip(b, first);
		return;
	case FIELD_UNSUPPORTED:
		bind_report(b, first->pos, /* hint= */ NULL, "%s is not supported by this release",
		            f->name);
		bind_skip(b, first);
		return;
	case FIELD_INLINE_SECRET:
		bind_report(b, first->pos, BIND_SECRET_HINT, "%s: a secret written out", f->name);
		diags_hide_line(b->diags);
		bind_skip(b, first);
		return;
	case FIELD_MODE:
	case FIELD_SECRET:
	case FIELD_SECRETS:
	case FIELD_ISSUER_REF:
	case FIELD_ISSUER_ONE:
	case FIELD_ISSUER_REFS:
	case FIELD_PATH_CHOICE:
	case FIELD_COMMAND:
	case FIELD_COMMANDS:
	case FIELD_USAGES:
	case FIELD_LABELS:
		bind_special(b, f, obj, first);
		return;
	}
}
