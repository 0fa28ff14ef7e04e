/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * describe_json.c - the tables as JSON Schema (draft 2020-12), for editors.
 *
 * It says what an editor can check while one types; validate knows more. Sub-tables are written out
 * where they are used: every editor follows that, not every one follows $ref.
 */
#include <string.h>

#include "desired/describe.h"
#include "desired/tables.h"
#include "reconciler/base/json.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/spec.h"

#define DURATION_PATTERN "^([0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h|d|w))+$|^0$"

static void write_table(struct json_writer *w, const struct table *t, const char *doc,
                        unsigned depth);

static void type_is(struct json_writer *w, const char *type)
{
	json_member_str(w, "type", type);
}

static void begin_items(struct json_writer *w)
{
	type_is(w, "array");
	json_key(w, "items");
	json_begin_object(w);
}

static void write_text(struct json_writer *w, const struct field *f)
{
	bool templated = (f->flags & (FIELD_HOST_TEMPLATE | FIELD_ALIAS_TEMPLATE)) != 0;

	type_is(w, "string");
	if (f->max > 0 && !templated) {
		json_member_int(w, "maxLength", f->max);
	}
	if (f->format == FORMAT_OBJECT_NAME) {
		json_member_str(w, "pattern", "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$");
	} else if (f->format == FORMAT_ABSOLUTE) {
		json_member_str(w, "pattern", templated ? "^(/|\\{\\{)" : "^/");
	}
}

static void write_words(struct json_writer *w, const struct word *words)
{
	json_key(w, "enum");
	json_begin_array(w);
	for (; words->name != NULL; words++) {
		if (words->value >= 0) {
			json_str(w, words->name);
		}
	}
	json_end_array(w);
}

static void write_number(struct json_writer *w, const struct field *f)
{
	type_is(w, "integer");
	if (f->min != 0 || f->max != 0) {
		json_member_int(w, "minimum", f->min);
	}
	if (f->max != 0) {
		json_member_int(w, "maximum", f->max);
	}
}

static void write_pattern(struct json_writer *w, const char *pattern)
{
	type_is(w, "string");
	json_member_str(w, "pattern", pattern);
}

static void write_argv(struct json_writer *w)
{
	begin_items(w);
	type_is(w, "string");
	json_end_object(w);
	json_member_int(w, "minItems", 1);
}

/* A list of programs or a mapping. */
static void write_step(struct json_writer *w, unsigned depth)
{
	json_key(w, "anyOf");
	json_begin_array(w);
	json_begin_object(w);
	write_argv(w);
	json_end_object(w);
	json_begin_object(w);
	write_table(w, &table_command, /* doc= */ NULL, depth);
	json_end_object(w);
	json_end_array(w);
}

static void write_choice(struct json_writer *w, const struct field *f, unsigned depth)
{
	json_key(w, "anyOf");
	json_begin_array(w);
	json_begin_object(w);
	write_text(w, f);
	json_end_object(w);
	json_begin_object(w);
	write_table(w, f->sub, /* doc= */ NULL, depth);
	json_end_object(w);
	json_end_array(w);
}

static void write_usages(struct json_writer *w)
{
	begin_items(w);
	json_key(w, "enum");
	json_begin_array(w);
	for (size_t i = 0; i < usage_words_n; i++) {
		json_str(w, usage_words[i]);
	}
	json_end_array(w);
	json_end_object(w);
}

static void write_labels(struct json_writer *w)
{
	type_is(w, "object");
	json_key(w, "additionalProperties");
	json_begin_object(w);
	type_is(w, "string");
	json_end_object(w);
}

static void write_percent(struct json_writer *w)
{
	json_key(w, "type");
	json_begin_array(w);
	json_str(w, "integer");
	json_str(w, "string");
	json_end_array(w);
	json_member_str(w, "pattern", "^[0-9]+%$");
}

/* A list whose elements are `one`. */
static void write_list(struct json_writer *w, const struct field *f, unsigned depth)
{
	begin_items(w);
	switch ((int)f->type) {
	case FIELD_COMMANDS:
		write_step(w, depth);
		break;
	case FIELD_REFS:
		type_is(w, "string");
		break;
	case FIELD_TEXTS:
		write_text(w, f);
		break;
	default:
		write_table(w, f->sub, /* doc= */ NULL, depth);
		break;
	}
	json_end_object(w);
}

static void write_type(struct json_writer *w, const struct field *f, unsigned depth)
{
	switch (f->type) {
	case FIELD_TEXT:
		write_text(w, f);
		return;
	case FIELD_WORD:
	case FIELD_ENUM:
		write_words(w, f->words);
		return;
	case FIELD_BOOL:
		type_is(w, "boolean");
		return;
	case FIELD_INT:
		write_number(w, f);
		return;
	case FIELD_PERCENT:
		write_percent(w);
		return;
	case FIELD_DURATION:
		write_pattern(w, DURATION_PATTERN);
		return;
	case FIELD_URGENT:
		write_pattern(w, DURATION_PATTERN "|^never$");
		return;
	case FIELD_MODE:
		/* an editor's YAML parser may have made a number of 0640 before it looks here */
		json_key(w, "type");
		json_begin_array(w);
		json_str(w, "string");
		json_str(w, "integer");
		json_end_array(w);
		return;
	case FIELD_MAP:
	case FIELD_POINTER:
	case FIELD_SECRET:
	case FIELD_ISSUER_REF:
	case FIELD_ISSUER_ONE:
		write_table(w, f->sub, /* doc= */ NULL, depth);
		return;
	case FIELD_TEXTS:
	case FIELD_LIST:
	case FIELD_SECRETS:
	case FIELD_ISSUER_REFS:
	case FIELD_REFS:
	case FIELD_COMMANDS:
		write_list(w, f, depth);
		return;
	case FIELD_REF:
		type_is(w, "string");
		return;
	case FIELD_PATH_CHOICE:
		write_choice(w, f, depth);
		return;
	case FIELD_COMMAND:
		write_step(w, depth);
		return;
	case FIELD_USAGES:
		write_usages(w);
		return;
	case FIELD_LABELS:
		write_labels(w);
		return;
	case FIELD_ANY:
	case FIELD_UNSUPPORTED:
	case FIELD_INLINE_SECRET:
		return;
	}
}

static void write_field(struct json_writer *w, const struct field *f, unsigned depth)
{
	CLEANUP(buf_release) struct buf text = { 0 };

	buf_init(&text, 8192);
	buf_add_str(&text, f->doc);
	CLEANUP(buf_release) struct buf dflt = { 0 };
	buf_init(&dflt, 4096);
	if (field_default_words(f, &dflt)) {
		buf_printf(&text, " Default: %s.", buf_str(&dflt));
	}
	json_key(w, f->name);
	json_begin_object(w);
	json_member_str(w, "description", buf_str(&text));
	write_type(w, f, depth);
	json_end_object(w);
}

static void write_required(struct json_writer *w, const struct table *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct field *f = &t->fields[i];
		if ((f->flags & FIELD_REQUIRED) == 0 || f->groups != 0) {
			continue;
		}
		if (n++ == 0) {
			json_key(w, "required");
			json_begin_array(w);
		}
		json_str(w, f->name);
	}
	if (n > 0) {
		json_end_array(w);
	}
}

static void write_table(struct json_writer *w, const struct table *t, const char *doc,
                        unsigned depth)
{
	type_is(w, "object");
	if (doc != NULL) {
		json_member_str(w, "description", doc);
	}
	if (depth == 0) {
		return;
	}
	json_key(w, "properties");
	json_begin_object(w);
	for (size_t i = 0; i < t->n; i++) {
		if (field_is_documented(&t->fields[i])) {
			write_field(w, &t->fields[i], depth - 1);
		}
	}
	json_end_object(w);
	json_member_bool(w, "additionalProperties", false);
	if (!t->late) {
		write_required(w, t);
	}
}

static void write_const(struct json_writer *w, const char *key, const char *value)
{
	json_key(w, key);
	json_begin_object(w);
	json_member_str(w, "const", value);
	json_end_object(w);
}

static void write_api(struct json_writer *w, enum kind k)
{
	json_key(w, "apiVersion");
	json_begin_object(w);
	json_key(w, "enum");
	json_begin_array(w);
	json_str(w, "certwright/v1");
	if (k == KIND_CERTIFICATE) {
		json_str(w, "cert-manager.io/v1");
	}
	json_end_array(w);
	json_end_object(w);
}

static void write_kind(struct json_writer *w, enum kind k)
{
	static const char *const required[] = { "apiVersion", "kind", "metadata", "spec" };

	json_member_str(w, "title", kind_name(k));
	type_is(w, "object");
	json_key(w, "properties");
	json_begin_object(w);
	write_api(w, k);
	write_const(w, "kind", kind_name(k));
	json_key(w, "metadata");
	json_begin_object(w);
	write_table(w, &table_metadata, table_metadata.doc, DESCRIBE_DEPTH_MAX);
	json_end_object(w);
	json_key(w, "spec");
	json_begin_object(w);
	write_table(w, kind_table(k), kind_table(k)->doc, DESCRIBE_DEPTH_MAX);
	json_end_object(w);
	json_key(w, "status");
	json_begin_object(w);
	json_end_object(w);
	json_end_object(w);
	json_key(w, "patternProperties");
	json_begin_object(w);
	json_key(w, "^x-");
	json_begin_object(w);
	json_end_object(w);
	json_end_object(w);
	json_member_bool(w, "additionalProperties", false);
	json_key(w, "required");
	json_begin_array(w);
	for (size_t i = 0; i < ARRAY_LEN(required); i++) {
		json_str(w, required[i]);
	}
	json_end_array(w);
}

static bool kind_of(const char *s, enum kind *ret)
{
	for (int k = 0; k < KIND_COUNT; k++) {
		if (str_casecmp_ascii(s, kind_name((enum kind)k)) == 0) {
			*ret = (enum kind)k;
			return true;
		}
	}
	return false;
}

enum err_code schema_write_json(const char *kind, struct buf *out, struct err *err)
{
	struct json_writer w;
	enum kind one = KIND_ISSUER;

	if (kind != NULL && !kind_of(kind, &one)) {
		return err_set(err, ERR_NOT_FOUND, "there is no kind '%s'", kind);
	}
	json_writer_init(&w, out, /* pretty= */ true);
	json_begin_object(&w);
	json_member_str(&w, "$schema", "https://json-schema.org/draft/2020-12/schema");
	if (kind != NULL) {
		write_kind(&w, one);
	} else {
		json_key(&w, "oneOf");
		json_begin_array(&w);
		for (int k = 0; k < KIND_COUNT; k++) {
			json_begin_object(&w);
			write_kind(&w, (enum kind)k);
			json_end_object(&w);
		}
		json_end_array(&w);
	}
	json_end_object(&w);
	buf_add_byte(out, '\n');
	return buf_check(out, "the schema", err);
}
