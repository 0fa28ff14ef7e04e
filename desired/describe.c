/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * describe.c - the tables in words: `explain`, completion, and what the other writers share.
 */
#include "desired/describe.h"

#include <stdio.h>
#include <string.h>

#include "desired/tables.h"
#include "reconciler/base/str.h"
#include "reconciler/base/when.h"

static const char *plain_type_words(enum field_type t)
{
	static const char *const words[] = {
		[FIELD_TEXT] = "text",
		[FIELD_TEXTS] = "list of text",
		[FIELD_WORD] = "one of",
		[FIELD_ENUM] = "one of",
		[FIELD_BOOL] = "true or false",
		[FIELD_INT] = "number",
		[FIELD_PERCENT] = "percentage",
		[FIELD_DURATION] = "duration",
		[FIELD_URGENT] = "duration or never",
		[FIELD_MODE] = "octal mode",
		[FIELD_MAP] = "mapping",
		[FIELD_POINTER] = "mapping",
		[FIELD_LIST] = "list of mappings",
		[FIELD_SECRET] = "secret reference",
		[FIELD_SECRETS] = "list of secret references",
		[FIELD_REF] = "name of a",
		[FIELD_REFS] = "list of names of a",
		[FIELD_ISSUER_REF] = "issuer reference",
		[FIELD_ISSUER_ONE] = "issuer reference",
		[FIELD_ISSUER_REFS] = "list of issuer references",
		[FIELD_PATH_CHOICE] = "path, or oneOf",
		[FIELD_COMMAND] = "program and arguments, or a step",
		[FIELD_COMMANDS] = "list of steps",
		[FIELD_USAGES] = "list of usages",
		[FIELD_LABELS] = "mapping of text to text",
		[FIELD_ANY] = "anything",
		[FIELD_UNSUPPORTED] = "not supported by this release",
		[FIELD_INLINE_SECRET] = "refused",
	};

	return words[t];
}

static void add_words(const struct word *words, struct buf *out)
{
	const char *separator = " ";

	for (const struct word *w = words; w->name != NULL; w++) {
		if (w->value >= 0) {
			buf_printf(out, "%s%s", separator, w->name[0] == '\0' ? "''" : w->name);
			separator = ", ";
		}
	}
}

void field_type_words(const struct field *f, struct buf *out)
{
	buf_add_str(out, plain_type_words(f->type));
	if (f->type == FIELD_WORD || f->type == FIELD_ENUM) {
		add_words(f->words, out);
	} else if (f->type == FIELD_REF || f->type == FIELD_REFS) {
		buf_printf(out, " %s", kind_name(f->ref));
	} else if (f->format != FORMAT_NONE) {
		buf_printf(out, f->type == FIELD_TEXTS ? ", each %s" : ", %s",
		           format_words(f->format));
	}
}

bool field_default_words(const struct field *f, struct buf *out)
{
	char text[40];

	if (f->dflt_text != NULL) {
		buf_add_str(out, f->dflt_text);
		return true;
	}
	if (f->dflt == 0 && (f->flags & FIELD_SHOW_DEFAULT) == 0) {
		return false;
	}
	switch ((int)f->type) {
	case FIELD_BOOL:
		buf_add_str(out, f->dflt != 0 ? "true" : "false");
		return true;
	case FIELD_DURATION:
	case FIELD_URGENT:
		duration_format(f->dflt, text, sizeof(text));
		buf_add_str(out, text);
		return true;
	case FIELD_MODE:
		buf_printf(out, "0%llo", (unsigned long long)f->dflt);
		return true;
	case FIELD_PERCENT:
		buf_printf(out, "%lld%%", (long long)f->dflt);
		return true;
	case FIELD_ENUM:
		for (const struct word *w = f->words; w->name != NULL; w++) {
			if (w->value == f->dflt) {
				buf_add_str(out, w->name);
				return true;
			}
		}
		return false;
	default:
		buf_printf(out, "%lld", (long long)f->dflt);
		return true;
	}
}

bool field_bounds(const struct field *f, char min[FIELD_BOUND_SIZE], char max[FIELD_BOUND_SIZE])
{
	if (f->type == FIELD_DURATION || f->type == FIELD_URGENT) {
		duration_format(f->min, min, FIELD_BOUND_SIZE);
		duration_format(f->max, max, FIELD_BOUND_SIZE);
	} else {
		(void)snprintf(min, FIELD_BOUND_SIZE, "%lld", (long long)f->min);
		(void)snprintf(max, FIELD_BOUND_SIZE, "%lld", (long long)f->max);
	}
	return f->max != 0 && f->max != INT32_MAX && f->max != INT64_MAX;
}

bool field_limit_words(const struct field *f, struct buf *out)
{
	char min[FIELD_BOUND_SIZE], max[FIELD_BOUND_SIZE];
	bool open = !field_bounds(f, min, max);

	if (f->type == FIELD_TEXT || f->type == FIELD_TEXTS) {
		if (f->max > 0) {
			buf_printf(out, "at most %lld characters", (long long)f->max);
		}
		return f->max > 0;
	}
	if ((f->min == 0 && open) || f->type == FIELD_MODE) {
		return false;
	}
	if (open) {
		buf_printf(out, "at least %s", min);
	} else {
		buf_printf(out, "%s to %s", min, max);
	}
	return true;
}

bool field_is_documented(const struct field *f)
{
	return f->type != FIELD_UNSUPPORTED && f->type != FIELD_INLINE_SECRET;
}

const struct table *field_sub(const struct field *f)
{
	return f->sub != NULL && f->sub->n > 0 ? f->sub : NULL;
}

struct root {
	const char *name;
	const struct table *table;
};

static bool find_root(const char *s, size_t n, struct root *ret)
{
	for (int k = 0; k < KIND_COUNT; k++) {
		const char *name = kind_name((enum kind)k);
		if (strlen(name) == n && strncasecmp(name, s, n) == 0) {
			*ret = (struct root){ .name = name, .table = kind_table((enum kind)k) };
			return true;
		}
	}
	if (n == 6 && strncasecmp(s, "config", n) == 0) {
		*ret = (struct root){ .name = "config", .table = &table_config };
		return true;
	}
	return false;
}

static enum err_code no_such_root(const char *path, struct err *err)
{
	const char *names[KIND_COUNT + 1];
	char word[64];
	size_t n = strcspn(path, ".");

	for (int k = 0; k < KIND_COUNT; k++) {
		names[k] = kind_name((enum kind)k);
	}
	names[KIND_COUNT] = "config";
	(void)snprintf(word, sizeof(word), "%.*s", (int)(n < 60 ? n : 60), path);
	(void)err_set(err, ERR_NOT_FOUND, "there is no kind '%s'", word);
	const char *near = str_nearest(word, names, ARRAY_LEN(names));
	if (near != NULL) {
		return err_hint(err, "did you mean '%s'?", near);
	}
	CLEANUP(buf_release) struct buf all = { 0 };

	buf_init(&all, sizeof(err->hint));
	for (size_t k = 0; k < ARRAY_LEN(names); k++) {
		buf_printf(&all, "%s%s", k == 0 ? "" : ", ", names[k]);
	}
	return err_hint(err, "there are: %s", buf_str(&all));
}

static enum err_code no_such_field(const struct table *t, const char *word, struct err *err)
{
	const char *near = table_nearest(t, word);

	(void)err_set(err, ERR_NOT_FOUND, "%s has no field '%s'", t->name, word);
	return near != NULL ? err_hint(err, "did you mean '%s'?", near) : ERR_NOT_FOUND;
}

static void add_facts(const struct field *f, struct buf *out)
{
	CLEANUP(buf_release) struct buf text = { 0 };

	buf_init(&text, 4096);
	field_type_words(f, &text);
	buf_printf(out, "  type: %s\n", buf_str(&text));
	buf_reset(&text);
	if (field_default_words(f, &text)) {
		buf_printf(out, "  default: %s\n", buf_str(&text));
	}
	buf_reset(&text);
	if (field_limit_words(f, &text)) {
		buf_printf(out, "  limits: %s\n", buf_str(&text));
	}
	if ((f->flags & FIELD_REQUIRED) != 0 && f->groups == 0) {
		buf_add_str(out, "  required\n");
	}
	if ((f->flags & FIELD_HOST_TEMPLATE) != 0) {
		buf_add_str(out, "  placeholders: {{host}} {{host.short}} {{host.index}} "
		                 "{{otherHosts}} {{var.COLUMN}}\n");
	}
}

static void add_fields(const struct table *t, struct buf *out)
{
	size_t width = 0;

	for (size_t i = 0; i < t->n; i++) {
		size_t n = strlen(t->fields[i].name);
		width = n > width ? n : width;
	}
	buf_add_str(out, "\nFields:\n");
	for (size_t i = 0; i < t->n; i++) {
		const struct field *f = &t->fields[i];
		const char *mark = (f->flags & FIELD_REQUIRED) != 0 && f->groups == 0
		                           ? " (required)"
		                   : !field_is_documented(f) ? " (not in this release)"
		                                             : "";
		mark = f->type == FIELD_INLINE_SECRET ? "" : mark;
		buf_printf(out, "  %-*s  %s%s\n", (int)width, f->name, f->doc, mark);
	}
}

enum err_code schema_explain(const char *path, struct buf *out, struct err *err)
{
	const char *at = path + strcspn(path, ".");
	struct root root;
	const struct field *f = NULL;
	char word[64];

	if (!find_root(path, (size_t)(at - path), &root)) {
		return no_such_root(path, err);
	}
	const struct table *t = root.table;
	if (strncmp(at, ".spec", 5) == 0 && (at[5] == '.' || at[5] == '\0')) {
		at += 5;
	}
	while (*at == '.') {
		at++;
		size_t n = strcspn(at, ".");
		size_t hint = 0;
		(void)snprintf(word, sizeof(word), "%.*s", (int)(n < 60 ? n : 60), at);
		at += n;
		if (t == NULL) {
			return err_set(err, ERR_NOT_FOUND, "'%.*s' has no fields",
			               (int)(at - path - (ptrdiff_t)n - 1), path);
		}
		f = table_find(t, word, &hint);
		if (f == NULL) {
			return no_such_field(t, word, err);
		}
		t = field_sub(f);
	}
	buf_printf(out, "%s\n  %s\n", path, f != NULL ? f->doc : root.table->doc);
	if (f != NULL) {
		add_facts(f, out);
	}
	if (t != NULL) {
		add_fields(t, out);
	}
	return ERR_OK;
}

static void add_names(const struct table *t, struct buf *path, const char *prefix, unsigned depth,
                      struct buf *out)
{
	size_t len = path->len;

	for (size_t i = 0; i < t->n && depth > 0; i++) {
		const struct field *f = &t->fields[i];
		if (!field_is_documented(f)) {
			continue;
		}
		buf_printf(path, ".%s", f->name);
		size_t n = strlen(prefix) < path->len ? strlen(prefix) : path->len;
		if (strncasecmp(buf_str(path), prefix, n) == 0) {
			if (str_starts(buf_str(path), prefix) || path->len >= strlen(prefix)) {
				buf_printf(out, "%s\n", buf_str(path));
			}
			if (field_sub(f) != NULL) {
				add_names(f->sub, path, prefix, depth - 1, out);
			}
		}
		path->len = len;
		path->p[len] = '\0';
	}
}

void schema_field_names(const char *prefix, struct buf *out)
{
	for (int k = 0; k <= KIND_COUNT; k++) {
		CLEANUP(buf_release) struct buf path = { 0 };
		const char *name = k < KIND_COUNT ? kind_name((enum kind)k) : "config";
		const struct table *t = k < KIND_COUNT ? kind_table((enum kind)k) : &table_config;
		size_t n = strlen(prefix) < strlen(name) ? strlen(prefix) : strlen(name);
		buf_init(&path, 1024);
		buf_add_str(&path, name);
		for (size_t i = 0; k < KIND_COUNT && i < path.len; i++) {
			path.p[i] |=
				0x20; /* names of kinds are letters: lower case, as people type */
		}
		if (strncasecmp(buf_str(&path), prefix, n) != 0) {
			continue;
		}
		if (strlen(prefix) <= path.len) {
			buf_printf(out, "%s\n", buf_str(&path));
		}
		/* Defaults repeat the other kinds */
		add_names(t, &path, prefix, k == KIND_DEFAULTS ? 1 : DESCRIBE_DEPTH_MAX, out);
	}
}
