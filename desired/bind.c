/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bind.c - mappings, lists, scalars; merge keys.
 *
 * A merge key is kept (recorded) until its mapping has ended and played back then: keys written in
 * the mapping itself win wherever they stand, earlier merges win over later ones, and the set of
 * keys already seen is all the memory that takes.
 */
#include "desired/bind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "desired/tables.h"
#include "reconciler/base/str.h"
#include "reconciler/base/when.h"
#include "reconciler/pki/cert.h"
#include "reconciler/pki/names.h"

#define MERGES_MAX      16u
#define MERGE_DEPTH_MAX 64u

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

/* ---- wrong things ---- */

static bool is_null(const struct yml_event *ev)
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
	if (is_null(ev)) {
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
	const char *hint = is_null(ev) ? "give a value, quote it, or leave the key out" : NULL;

	bind_report(b, ev->pos, hint, "%s: expected %s, found %s", f->name, expected, found(b, ev));
	bind_skip(b, ev);
}

/* ---- lists ---- */

void bind_each(struct bind *b, const struct field *f, const struct yml_event *first,
               bind_element *fn, void *arg)
{
	struct yml_event ev;

	if (first->what != YML_LIST) {
		bind_wrong_type(b, f, "a list", first);
		return;
	}
	while (bind_next(b, &ev) && ev.what != YML_LIST_END) {
		fn(b, f, &ev, arg);
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
		ret.v = arena_copy(b->arena, b->texts + mark, n * sizeof(*b->texts));
		ret.n = ret.v != NULL ? n : 0;
	}
	b->n_texts = mark;
	return ret;
}

bool bind_push_part(struct bind *b, void *part)
{
	if (part == NULL) {
		return false;
	}
	if (b->n_parts == b->cap_parts) {
		size_t cap = b->cap_parts == 0 ? 16 : b->cap_parts * 2;
		void **v = reallocarray(b->parts, cap, sizeof(*v));
		if (v == NULL) {
			b->arena->failed = true;
			return false;
		}
		b->parts = v;
		b->cap_parts = cap;
	}
	b->parts[b->n_parts++] = part;
	return true;
}

void *bind_take_parts(struct bind *b, size_t mark, size_t size, size_t *ret_n)
{
	size_t n = b->n_parts - mark;
	char *v = NULL;

	if (n == 1) {
		v = b->parts[mark];
	} else if (n > 1) {
		v = arena_array(b->arena, n, size);
		for (size_t i = 0; v != NULL && i < n; i++) {
			memcpy(v + i * size, b->parts[mark + i], size);
		}
	}
	b->n_parts = mark;
	*ret_n = v != NULL ? n : 0;
	return v;
}

/* ---- scalars ---- */

bool bind_scalar(struct bind *b, const struct field *f, const char *expected,
                 const struct yml_event *ev, struct text *ret)
{
	if (ev->what != YML_SCALAR || is_null(ev)) {
		bind_wrong_type(b, f, expected, ev);
		return false;
	}
	if (strlen(ev->s) != ev->n) {
		bind_report(b, ev->pos, /* hint= */ NULL, "%s: holds a NUL character", f->name);
		return false;
	}
	ret->s = ev->kept ? ev->s : arena_strn(b->arena, ev->s, ev->n);
	ret->pos = ev->pos;
	return ret->s != NULL;
}

static size_t characters(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++) {
		n += ((unsigned char)*s & 0xc0) != 0x80;
	}
	return n;
}

static bool path_stays_inside(const char *s)
{
	if (s[0] == '/' || s[0] == '\0') {
		return false;
	}
	for (const char *p = s; p != NULL; p = strchr(p, '/')) {
		p += *p == '/';
		size_t n = strcspn(p, "/");
		if (n == 0 || (n == 2 && memcmp(p, "..", 2) == 0) ||
		    (n == 4 && memcmp(p, ".git", 4) == 0)) {
			return false;
		}
	}
	return true;
}

static bool oid_valid(const char *s)
{
	unsigned arcs = 0;

	for (const char *p = s;; p++) {
		size_t n = strspn(p, "0123456789");
		if (n == 0 || n > 18 || (n > 1 && *p == '0')) {
			return false;
		}
		if (arcs == 0 && (n > 1 || *p > '2')) {
			return false;
		}
		arcs++;
		p += n;
		if (*p == '\0') {
			return arcs >= 2;
		}
		if (*p != '.') {
			return false;
		}
	}
}

static bool object_name_valid(const char *s)
{
	size_t n = strlen(s);

	if (n == 0 || n > 253 || strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-.") != n) {
		return false;
	}
	return strchr("-.", s[0]) == NULL && strchr("-.", s[n - 1]) == NULL;
}

static bool uri_valid(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

	if (n == 0 || strchr("0123456789+-.", s[0]) != NULL || s[n] != ':' || s[n + 1] == '\0') {
		return false;
	}
	for (; *s != '\0'; s++) {
		if (*s <= ' ' || *s == 0x7f) {
			return false;
		}
	}
	return true;
}

bool text_valid_as(enum text_format format, const char *s)
{
	struct ip_addr ip;
	struct ip_net net;
	uint8_t sha256[SHA256_BYTES];
	size_t n = 0;
	char host[256];

	switch (format) {
	case FORMAT_NONE:
	case FORMAT_COUNT:
		return true;
	case FORMAT_OBJECT_NAME:
		return object_name_valid(s);
	case FORMAT_HOST:
		return ip_parse(s, &ip) || (dns_name_valid(s) && s[0] != '*');
	case FORMAT_DNS:
		return dns_name_valid(s);
	case FORMAT_DNS_CONSTRAINT:
		return s[0] == '\0' || dns_name_valid(s + (s[0] == '.'));
	case FORMAT_IP:
		return ip_parse(s, &ip);
	case FORMAT_NETWORK:
		return ip_net_parse(s, &net);
	case FORMAT_URI:
		return uri_valid(s);
	case FORMAT_EMAIL:
		return s[0] != '@' && email_host(s, host, sizeof(host));
	case FORMAT_OID:
		return oid_valid(s);
	case FORMAT_ABSOLUTE:
		return s[0] == '/';
	case FORMAT_REPOSITORY:
		return path_stays_inside(s);
	case FORMAT_FINGERPRINT:
		return hex_decode(s, sha256, sizeof(sha256), &n) && n == sizeof(sha256);
	case FORMAT_TIMEZONE:
		return window_timezone_exists(s);
	}
	return true;
}

bool bind_text(struct bind *b, const struct field *f, const struct yml_event *ev, struct text *ret)
{
	struct text t;

	if (!bind_scalar(b, f, format_words(f->format), ev, &t)) {
		return false;
	}
	bool templated = (f->flags & (FIELD_HOST_TEMPLATE | FIELD_ALIAS_TEMPLATE)) != 0 &&
	                 strstr(t.s, "{{") != NULL;
	int64_t max = f->max > 0 ? f->max : TEXT_VALUE_MAX;
	if ((f->flags & FIELD_UNBOUNDED) == 0 && !templated && ev->n > (size_t)max &&
	    characters(t.s) > (size_t)max) {
		bind_report(b, ev->pos, /* hint= */ NULL, "%s: longer than %lld characters",
		            f->name, (long long)max);
		return false;
	}
	if (f->format != FORMAT_NONE && !templated && !text_valid_as(f->format, t.s)) {
		bind_report(b, ev->pos, /* hint= */ NULL, "%s: expected %s, found '%.80s'", f->name,
		            format_words(f->format), t.s);
		return false;
	}
	if (t.s[0] == '\0' && f->format == FORMAT_NONE && f->min > 0) {
		bind_report(b, ev->pos, /* hint= */ NULL, "%s: must not be empty", f->name);
		return false;
	}
	*ret = t;
	return true;
}

static void push_text(struct bind *b, const struct field *f, const struct yml_event *ev, void *arg)
{
	struct text t;

	(void)arg;
	if (bind_text(b, f, ev, &t)) {
		(void)bind_push_text(b, t);
	}
}

void bind_texts(struct bind *b, const struct field *f, const struct yml_event *first,
                struct texts *ret)
{
	size_t mark = b->n_texts;

	bind_each(b, f, first, push_text, /* arg= */ NULL);
	*ret = bind_take_texts(b, mark);
}

static void bind_bool(struct bind *b, const struct field *f, const struct yml_event *ev, void *at)
{
	static const struct {
		const char *word;
		bool value;
	} others[] = { { "yes", true },  { "on", true }, { "y", true },    { "no", false },
		       { "off", false }, { "n", false }, { "true", true }, { "false", false } };
	bool v;

	if (ev->what == YML_SCALAR && ev->plain &&
	    (strcmp(ev->s, "true") == 0 || strcmp(ev->s, "false") == 0)) {
		v = ev->s[0] == 't';
		if (f->width == sizeof(v)) {
			memcpy(at, &v, sizeof(v));
		}
		return;
	}
	for (size_t i = 0; ev->what == YML_SCALAR && i < ARRAY_LEN(others); i++) {
		if (str_casecmp_ascii(ev->s, others[i].word) == 0) {
			bind_report(b, ev->pos,
			            arena_printf(b->arena, "write %s, without quotes",
			                         others[i].value ? "true" : "false"),
			            "%s: expected true or false, found '%s'", f->name, ev->s);
			return;
		}
	}
	bind_wrong_type(b, f, "true or false", ev);
}

static void out_of_range(struct bind *b, const struct field *f, const struct yml_event *ev)
{
	char min[40], max[40];

	if (f->type == FIELD_DURATION || f->type == FIELD_URGENT) {
		duration_format(f->min, min, sizeof(min));
		duration_format(f->max, max, sizeof(max));
	} else {
		(void)snprintf(min, sizeof(min), "%lld", (long long)f->min);
		(void)snprintf(max, sizeof(max), "%lld", (long long)f->max);
	}
	if (f->max == INT32_MAX || f->max == INT64_MAX || f->max == 0) {
		bind_report(b, ev->pos, /* hint= */ NULL, "%s: must be at least %s, found %s",
		            f->name, min, ev->s);
	} else {
		bind_report(b, ev->pos, /* hint= */ NULL, "%s: must be from %s to %s, found %s",
		            f->name, min, max, ev->s);
	}
}

static bool within(const struct field *f, int64_t v)
{
	return (f->min == 0 && f->max == 0) || (v >= f->min && (f->max == 0 || v <= f->max));
}

static void bind_int(struct bind *b, const struct field *f, const struct yml_event *ev, void *at)
{
	int64_t v;
	const char *s = ev->s;
	char digits[24];
	bool percent = false;

	if (ev->what == YML_SCALAR && f->type == FIELD_PERCENT && ev->n > 1 && ev->n < 8 &&
	    s[ev->n - 1] == '%') {
		memcpy(digits, s, ev->n - 1);
		digits[ev->n - 1] = '\0';
		s = digits;
		percent = true;
	}
	const char *expected =
		f->type == FIELD_PERCENT ? "a percentage such as 50%" : "a whole number";
	if (ev->what != YML_SCALAR || (!ev->plain && !percent) ||
	    !str_to_i64(s, INT32_MIN, INT32_MAX, &v) || (s[s[0] == '-'] == '0' && s[1] != '\0') ||
	    s[0] == '+') {
		bind_wrong_type(b, f, expected, ev);
		return;
	}
	if (!within(f, v)) {
		out_of_range(b, f, ev);
		return;
	}
	int32_t n = (int32_t)v;
	if (f->width == sizeof(n)) {
		memcpy(at, &n, sizeof(n));
	}
}

static void bind_duration(struct bind *b, const struct field *f, const struct yml_event *ev,
                          void *at)
{
	int64_t v;

	if (ev->what == YML_SCALAR && f->type == FIELD_URGENT && strcmp(ev->s, "never") == 0) {
		v = -1;
	} else if (ev->what != YML_SCALAR || !duration_parse(ev->s, &v)) {
		bind_wrong_type(b, f, "a duration such as 90d, 2160h or 15m", ev);
		return;
	} else if (!within(f, v)) {
		out_of_range(b, f, ev);
		return;
	}
	if (f->width == sizeof(v)) {
		memcpy(at, &v, sizeof(v));
	}
}

static const char *word_list(struct bind *b, const struct word *words)
{
	CLEANUP(buf_release) struct buf out = { 0 };

	buf_init(&out, 2048);
	for (const struct word *w = words; w->name != NULL; w++) {
		buf_printf(&out, "%s%s", w == words ? "" : ", ",
		           w->name[0] == '\0' ? "''" : w->name);
	}
	return arena_str(b->arena, buf_str(&out));
}

static const struct word *find_word(struct bind *b, const struct field *f,
                                    const struct yml_event *ev)
{
	const char *names[64];
	const char *near = NULL;
	size_t n = 0;

	if (ev->what != YML_SCALAR || is_null(ev)) {
		bind_wrong_type(b, f, arena_printf(b->arena, "one of %s", word_list(b, f->words)),
		                ev);
		return NULL;
	}
	for (const struct word *w = f->words; w->name != NULL; w++) {
		if (strcmp(w->name, ev->s) == 0) {
			return w;
		}
		if (str_casecmp_ascii(w->name, ev->s) == 0) {
			near = w->name;
		}
		if (n < ARRAY_LEN(names)) {
			names[n++] = w->name;
		}
	}
	if ((f->flags & FIELD_CONFIDENTIAL) != 0) {
		bind_report(b, ev->pos, BIND_SECRET_HINT, "%s: expected one of %s", f->name,
		            word_list(b, f->words));
		diags_hide_line(b->diags);
		return NULL;
	}
	if (near == NULL) {
		near = str_nearest(ev->s, names, n);
	}
	bind_report(b, ev->pos, diags_did_you_mean(b->diags, near),
	            "%s: expected one of %s, found '%.60s'", f->name, word_list(b, f->words),
	            ev->s);
	return NULL;
}

static void bind_enum(struct bind *b, const struct field *f, const struct yml_event *ev, void *at)
{
	const struct word *w = find_word(b, f, ev);
	bool flag = w != NULL && w->value != 0;

	if (w == NULL) {
		return;
	}
	if (w->value < 0) {
		bind_report(b, ev->pos, /* hint= */ NULL,
		            "%s: '%s' is not supported by this release", f->name, w->name);
	} else if (f->type == FIELD_WORD) {
		struct text t = { .s = w->name, .pos = ev->pos };
		memcpy(at, &t, f->width == sizeof(t) ? sizeof(t) : 0);
	} else if (f->width == sizeof(flag)) {
		memcpy(at, &flag, sizeof(flag));
	} else if (f->width == sizeof(w->value)) {
		memcpy(at, &w->value, sizeof(w->value));
	}
}

/* ---- mappings ---- */

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
static void bind_odd_key(struct bind *b, const struct table *t, const struct yml_event *key,
                         struct merges *m)
{
	struct yml_event ev;

	if (key->what != YML_SCALAR) {
		bind_report(b, key->pos, /* hint= */ NULL, "a key of %s must be text", t->name);
		bind_skip(b, key);
	} else if (key->plain && strcmp(key->s, "<<") == 0) {
		take_merge(b, m, key->pos);
		return;
	} else {
		unknown_key(b, t, key);
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
			bind_odd_key(b, t, &key, &m);
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
	void *element = arena_alloc(b->arena, f->sub->size);

	(void)arg;
	if (!bind_push_part(b, element)) {
		bind_skip(b, ev);
		return;
	}
	table_defaults(f->sub, element);
	bind_map(b, f->sub, element, ev, /* ret_seen= */ NULL);
}

static void bind_list(struct bind *b, const struct field *f, const struct yml_event *first,
                      void *at)
{
	size_t mark = b->n_parts;
	struct {
		void *v;
		size_t n;
	} list = { 0 };

	bind_each(b, f, first, bind_list_element, /* arg= */ NULL);
	list.v = bind_take_parts(b, mark, f->sub->size, &list.n);
	if (f->width != 0) {
		memcpy(at, &list, sizeof(list));
	}
}

static void bind_pointer(struct bind *b, const struct field *f, const struct yml_event *first,
                         void *at)
{
	void *sub = arena_alloc(b->arena, f->sub->size);

	if (sub == NULL) {
		bind_skip(b, first);
		return;
	}
	table_defaults(f->sub, sub);
	bind_map(b, f->sub, sub, first, /* ret_seen= */ NULL);
	if (f->width != 0) {
		memcpy(at, &sub, sizeof(sub));
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
