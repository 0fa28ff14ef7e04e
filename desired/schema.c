/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * schema.c - what can be asked of the tables.
 *
 * Rows are looked for with a hint: people and generators write fields in the order of the
 * documentation, so the row after the last hit is nearly always the next one.
 */
#include "desired/schema.h"

#include <stdio.h>
#include <string.h>

#include "desired/policy.h"
#include "desired/tables.h"
#include "reconciler/base/str.h"

const struct field *table_find(const struct table *t, const char *name, size_t *hint)
{
	for (size_t i = 0, at = *hint; i < t->n; i++, at++) {
		if (at >= t->n) {
			at = 0;
		}
		const struct field *f = &t->fields[at];
		if (f->name[0] == name[0] && strcmp(f->name, name) == 0) {
			*hint = at + 1;
			return f;
		}
	}
	return NULL;
}

const char *table_nearest(const struct table *t, const char *name)
{
	const char *names[64];

	for (size_t i = 0; i < t->n && i < ARRAY_LEN(names); i++) {
		names[i] = t->fields[i].name;
	}
	for (size_t i = 0; i < t->n; i++) {
		if (str_casecmp_ascii(t->fields[i].name, name) == 0) {
			return t->fields[i].name;
		}
	}
	return str_nearest(name, names, t->n);
}

static void store_default(const struct field *f, char *at)
{
	int64_t v = f->dflt;

	switch (f->width) {
	case 1: {
		bool b = v != 0;
		memcpy(at, &b, sizeof(b));
		return;
	}
	case 4: {
		int32_t n = (int32_t)v;
		memcpy(at, &n, sizeof(n));
		return;
	}
	case 8:
		memcpy(at, &v, sizeof(v));
		return;
	default:
		return;
	}
}

void table_defaults(const struct table *t, void *obj)
{
	if (t->link != 0) {
		const char *shared = (char *)obj + t->own;
		memcpy((char *)obj + t->link, &shared, sizeof(shared));
	}
	for (size_t i = 0; i < t->n; i++) {
		const struct field *f = &t->fields[i];
		if (f->type == FIELD_MAP) {
			table_defaults(f->sub, (char *)obj + f->offset);
		} else if (f->dflt != 0) {
			store_default(f, (char *)obj + f->offset);
		}
	}
}

const char *table_place(const struct table *t, const void *obj, const struct field *f)
{
	const char *shared;

	if (t->link == 0 || f->offset < t->own) {
		return (const char *)obj + f->offset;
	}
	memcpy(&shared, (const char *)obj + t->link, sizeof(shared));
	return shared + (f->offset - t->own);
}

static const struct {
	const char *name;
	const struct table *table;
} kinds[KIND_COUNT] = {
	[KIND_ISSUER] = { "Issuer", &table_issuer },
	[KIND_CERTIFICATE] = { "Certificate", &table_certificate },
	[KIND_CASET] = { "CASet", &table_ca_set },
	[KIND_KEYSTORE] = { "Keystore", &table_keystore },
	[KIND_TARGET] = { "Target", &table_target },
	[KIND_DISCOVERY] = { "Discovery", &table_discovery },
	[KIND_POLICY] = { "Policy", &table_policy },
	[KIND_DEFAULTS] = { "Defaults", &table_defaults_spec },
};

const char *kind_name(enum kind k)
{
	return (size_t)k < KIND_COUNT ? kinds[k].name : "object";
}

const struct table *kind_table(enum kind k)
{
	return kinds[k].table;
}

bool kind_from_name(const char *s, enum kind *ret)
{
	for (int k = 0; k < KIND_COUNT; k++) {
		if (strcmp(kinds[k].name, s) == 0) {
			*ret = (enum kind)k;
			return true;
		}
	}
	return false;
}

bool kind_is_unsupported(const char *s)
{
	return strcmp(s, "Profile") == 0 || strcmp(s, "Notifier") == 0;
}

struct pos object_pos_of(const struct object *o, const char *field)
{
	size_t hint = 0;
	const struct table *t = kind_table(o->kind);
	const struct field *f = table_find(t, field, &hint);

	if (f == NULL) {
		return o->pos;
	}
	uint64_t bit = UINT64_C(1) << (f - t->fields);
	if ((o->shared->written & bit) == 0 || o->shared->at == NULL) {
		return o->pos;
	}
	return o->shared->at[__builtin_popcountll(o->shared->written & (bit - 1))];
}

const char *format_words(enum text_format f)
{
	static const char *const words[FORMAT_COUNT] = {
		[FORMAT_NONE] = "text",
		[FORMAT_OBJECT_NAME] =
			"a name of lower-case letters, digits, '-' and '.', at most 253 characters",
		[FORMAT_HOST] = "a host name or an IP address",
		[FORMAT_DNS] = "a DNS name",
		[FORMAT_DNS_CONSTRAINT] = "a DNS name, or one with a leading dot",
		[FORMAT_IP] = "an IP address",
		[FORMAT_NETWORK] = "a network such as 192.0.2.0/24",
		[FORMAT_URI] = "a URI with a scheme",
		[FORMAT_EMAIL] = "an e-mail address",
		[FORMAT_OID] = "an object identifier such as 1.3.6.1.4.1.311.20.2.3",
		[FORMAT_ABSOLUTE] = "an absolute path",
		[FORMAT_REPOSITORY] = "a path inside the repository",
		[FORMAT_FINGERPRINT] = "a SHA-256 fingerprint: 64 hex digits, ':' allowed",
		[FORMAT_TIMEZONE] = "a timezone of the system's zone database",
	};

	return words[f];
}

struct walker {
	const struct value_walk *w;
	char path[256];
	size_t len;
};

static void walk_table(struct walker *k, const struct table *t, const char *obj, uint64_t rows);

static void walk_text(struct walker *k, const struct field *f, const struct text *t)
{
	if (t->s != NULL) {
		struct value v = { .field = f, .path = k->path, .text = t };
		k->w->visit(&v, k->w->arg);
	}
}

static void walk_texts(struct walker *k, const struct field *f, const struct texts *t)
{
	for (size_t i = 0; i < t->n; i++) {
		walk_text(k, f, &t->v[i]);
	}
}

static void walk_number(struct walker *k, const struct field *f, const char *at)
{
	struct value v = { .field = f, .path = k->path };
	int32_t n = 0;
	bool b = false;

	switch (f->width) {
	case 1:
		memcpy(&b, at, sizeof(b));
		v.number = b;
		break;
	case 4:
		memcpy(&n, at, sizeof(n));
		v.number = n;
		break;
	case 8:
		memcpy(&v.number, at, sizeof(v.number));
		break;
	default:
		return;
	}
	k->w->visit(&v, k->w->arg);
}

static void walk_secret(struct walker *k, const struct field *f, const struct secret_ref *s)
{
	struct value v = { .field = f, .path = k->path, .secret = s };

	if (s->kind != SECRET_NONE) {
		k->w->visit(&v, k->w->arg);
		walk_text(k, f, &s->value);
		walk_texts(k, f, &s->argv);
	}
}

static void walk_commands(struct walker *k, const struct field *f, const struct command_spec *c,
                          size_t n)
{
	for (size_t i = 0; i < n; i++) {
		walk_texts(k, f, &c[i].argv);
		walk_text(k, f, &c[i].shell);
		walk_text(k, f, &c[i].systemd_unit);
	}
}

/* How every list is stored. */
struct list_storage {
	const char *v;
	size_t n;
};

static void walk_list(struct walker *k, const struct field *f, const char *at)
{
	struct list_storage l;

	memcpy(&l, at, sizeof(l));
	if (f->type == FIELD_LIST) {
		for (size_t i = 0; i < l.n; i++) {
			walk_table(k, f->sub, l.v + i * f->sub->own, UINT64_MAX);
		}
	} else if (f->type == FIELD_SECRETS) {
		for (size_t i = 0; i < l.n; i++) {
			walk_secret(k, f, (const struct secret_ref *)(const void *)l.v + i);
		}
	} else {
		walk_commands(k, f, (const struct command_spec *)(const void *)l.v, l.n);
	}
}

static void walk_value(struct walker *k, const struct field *f, const char *at)
{
	const void *p = at;
	const char *sub;

	switch (f->type) {
	case FIELD_TEXT:
	case FIELD_WORD:
	case FIELD_REF:
	case FIELD_ISSUER_REF:
		walk_text(k, f, p);
		return;
	case FIELD_TEXTS:
	case FIELD_REFS:
	case FIELD_ISSUER_ONE:
	case FIELD_ISSUER_REFS:
		walk_texts(k, f, p);
		return;
	case FIELD_PATH_CHOICE:
		walk_text(k, f, p);
		walk_texts(k, f, (const struct texts *)(const void *)(at + sizeof(struct text)));
		return;
	case FIELD_ENUM:
	case FIELD_BOOL:
	case FIELD_INT:
	case FIELD_PERCENT:
	case FIELD_DURATION:
	case FIELD_URGENT:
	case FIELD_MODE:
		walk_number(k, f, at);
		return;
	case FIELD_MAP:
		walk_table(k, f->sub, at, UINT64_MAX);
		return;
	case FIELD_POINTER:
		memcpy(&sub, at, sizeof(sub));
		if (sub != NULL) {
			walk_table(k, f->sub, sub, UINT64_MAX);
		}
		return;
	case FIELD_LIST:
	case FIELD_SECRETS:
	case FIELD_COMMANDS:
		walk_list(k, f, at);
		return;
	case FIELD_SECRET:
		walk_secret(k, f, p);
		return;
	case FIELD_COMMAND:
		memcpy(&sub, at, sizeof(sub));
		if (sub != NULL) {
			walk_commands(k, f, (const void *)sub, 1);
		}
		return;
	case FIELD_USAGES:
	case FIELD_LABELS:
	case FIELD_ANY:
	case FIELD_UNSUPPORTED:
	case FIELD_INLINE_SECRET:
		return;
	}
}

/* Texts, lists and what is apart begin with a pointer; most were not written. */
static bool is_empty(const struct field *f, const char *at)
{
	const uint64_t types = UINT64_C(1) << FIELD_TEXT | UINT64_C(1) << FIELD_WORD |
	                       UINT64_C(1) << FIELD_REF | UINT64_C(1) << FIELD_TEXTS |
	                       UINT64_C(1) << FIELD_REFS | UINT64_C(1) << FIELD_LIST |
	                       UINT64_C(1) << FIELD_POINTER | UINT64_C(1) << FIELD_COMMAND |
	                       UINT64_C(1) << FIELD_COMMANDS;
	const void *first = NULL;

	if ((types & UINT64_C(1) << f->type) == 0) {
		return false;
	}
	memcpy(&first, at, sizeof(first));
	return first == NULL;
}

static void walk_table(struct walker *k, const struct table *t, const char *obj, uint64_t rows)
{
	size_t len = k->len;

	for (size_t i = 0; i < t->n; i++) {
		const struct field *f = &t->fields[i];
		const char *at = table_place(t, obj, f);
		if ((rows & (UINT64_C(1) << i)) == 0 || f->width == 0 || is_empty(f, at)) {
			continue;
		}
		size_t n = strlen(f->name);
		if (len + n + 2 > sizeof(k->path)) {
			continue;
		}
		if (len > 0) {
			k->path[len] = '.';
		}
		memcpy(k->path + len + (len > 0), f->name, n + 1);
		k->len = len + (len > 0) + n;
		walk_value(k, f, at);
	}
	k->len = len;
	k->path[len] = '\0';
}

void table_walk(const struct table *t, const void *obj, const struct value_walk *w)
{
	struct walker k = { .w = w };

	walk_table(&k, t, obj, w->top);
}
