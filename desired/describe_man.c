/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * describe_man.c - certwright(5) in mdoc, from the tables.
 *
 * A sub-table that many fields share is written once, in a section of its own.
 */
#include <stdio.h>
#include <string.h>

#include "desired/describe.h"
#include "desired/tables.h"
#include "reconciler/base/str.h"

static const struct {
	const char *title;
	const struct table *table;
} shared[] = {
	{ "SECRETS", &table_secret },
	{ "ISSUER REFERENCES", &table_issuer_ref },
	{ "PRIVATE KEYS", &table_private_key },
	{ "SUBJECTS", &table_subject },
	{ "NAME CONSTRAINTS", &table_name_constraints },
	{ "EXTENSIONS", &table_extension },
	{ "WINDOWS", &table_window },
	{ "ENDPOINTS", &table_endpoint },
	{ "STEPS", &table_command },
};

static const char *shared_title(const struct table *t)
{
	for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
		if (shared[i].table == t) {
			return shared[i].title;
		}
	}
	return NULL;
}

/* Text of a mdoc line: a dot or quote at its start and backslashes mean something. */
static void add_text(struct buf *out, const char *s)
{
	if (*s == '.' || *s == '\'') {
		buf_add_str(out, "\\&");
	}
	for (; *s != '\0'; s++) {
		if (*s == '\\') {
			buf_add_str(out, "\\e");
		} else {
			buf_add_byte(out, (uint8_t)*s);
		}
	}
	buf_add_byte(out, '\n');
}

static void add_facts(const struct field *f, struct buf *out)
{
	CLEANUP(buf_release) struct buf text = { 0 };

	buf_init(&text, 8192);
	buf_add_str(&text, "Type: ");
	field_type_words(f, &text);
	buf_add_byte(&text, '.');
	size_t len = text.len;
	buf_add_str(&text, " Default: ");
	if (field_default_words(f, &text)) {
		buf_add_byte(&text, '.');
		len = text.len;
	}
	text.len = len;
	buf_add_str(&text, " Limits: ");
	if (field_limit_words(f, &text)) {
		buf_add_byte(&text, '.');
		len = text.len;
	}
	text.len = len;
	if ((f->flags & FIELD_REQUIRED) != 0 && f->groups == 0) {
		buf_add_str(&text, " Required.");
	}
	buf_add_byte(&text, '\0');
	add_text(out, (const char *)text.p);
}

static void add_table(const struct table *t, const char *prefix, unsigned depth, struct buf *out)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct field *f = &t->fields[i];
		const struct table *sub = field_sub(f);
		char path[256];
		int n = snprintf(path, sizeof(path), "%s%s%s", prefix, prefix[0] == '\0' ? "" : ".",
		                 f->name);
		if (!field_is_documented(f) || n < 0 || (size_t)n >= sizeof(path)) {
			continue;
		}
		buf_printf(out, ".It Cm %s\n", path);
		add_text(out, f->doc);
		add_facts(f, out);
		if (sub == NULL || depth == 0) {
			continue;
		}
		const char *title = shared_title(sub);
		if (title != NULL) {
			buf_printf(out, "See\n.Sx %s .\n", title);
		} else {
			add_table(sub, path, depth - 1, out);
		}
	}
}

static void add_section(const char *title, const struct table *t, unsigned depth, struct buf *out)
{
	buf_printf(out, ".Sh %s\n", title);
	add_text(out, t->doc);
	buf_add_str(out, ".Bl -tag -width Ds\n");
	add_table(t, "", depth, out);
	buf_add_str(out, ".El\n");
}

static void add_head(struct buf *out)
{
	buf_add_str(out,
	            ".Dd November 20, 2026\n"
	            ".Dt CERTWRIGHT 5\n"
	            ".Os\n"
	            ".Sh NAME\n"
	            ".Nm certwright\n"
	            ".Nd desired state and configuration of certwright\n"
	            ".Sh DESCRIPTION\n"
	            "The desired state is YAML in a git repository: every file\n"
	            ".Pa *.yaml\n"
	            "or\n"
	            ".Pa *.yml\n"
	            "with documents of apiVersion certwright/v1, or of cert-manager.io/v1 and "
	            "kind Certificate.\n"
	            "Names beginning with a dot are skipped; layout and order are free.\n"
	            "Each document has apiVersion, kind, metadata and spec; the sections below "
	            "list the fields of spec by kind.\n"
	            ".Pp\n"
	            "Durations are written as 2160h, 15m, 90d or 2w.\n"
	            "Plain words that YAML 1.1 takes for numbers, dates or truth values stay "
	            "text where a field wants text.\n"
	            "Anchors, aliases and merge keys work within a document.\n");
}

void schema_write_man(struct buf *out)
{
	add_head(out);
	add_section("METADATA", &table_metadata, 0, out);
	for (int k = 0; k < KIND_COUNT; k++) {
		char title[32];
		(void)snprintf(title, sizeof(title), "%s", kind_name((enum kind)k));
		for (char *p = title; *p != '\0'; p++) {
			*p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
		}
		add_section(title, kind_table((enum kind)k),
		            k == KIND_DEFAULTS ? 0 : DESCRIBE_DEPTH_MAX, out);
	}
	for (size_t i = 0; i < ARRAY_LEN(shared); i++) {
		add_section(shared[i].title, shared[i].table, DESCRIBE_DEPTH_MAX, out);
	}
	add_section("CONFIGURATION", &table_config, DESCRIBE_DEPTH_MAX, out);
	buf_add_str(out, ".Pp\n"
	                 "A variable of the environment stands for each key and beats the file:\n"
	                 ".Ev CERTWRIGHT_TLS_CA_FILE\n"
	                 "for tlsCAFile.\n"
	                 "What is more than a word is written as in the file:\n"
	                 ".Ev CERTWRIGHT_BUDGET Ns ='{retire: 3}'.\n"
	                 ".Sh FILES\n"
	                 ".Bl -tag -width Ds\n"
	                 ".It Pa /etc/certwright/certwright.yaml\n"
	                 "The configuration.\n"
	                 ".El\n"
	                 ".Sh SEE ALSO\n"
	                 ".Xr certwright 1\n");
}
