/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edit_text.h - lines of a text and the place of an edit in it, shared by edit.c,
 * edit_properties.c and edit_xml.c.
 */
#pragma once

#include "state/edit.h"

struct text_line {
	size_t start; /* past a byte order mark */
	size_t end;   /* of the content */
	size_t next;  /* past the line end */
};
/* From *pos on; false at the end of the text. `lone_cr`: CR alone ends a line, too. */
bool text_next_line(struct bytes text, bool lone_cr, size_t *pos, struct text_line *ret);
size_t text_skip_blanks(struct bytes text, size_t from, size_t to);
size_t text_trim_end(struct bytes text, size_t from, size_t to);
/* The line end of the text: that of its first line, else LF. */
const char *text_eol(struct bytes text);

/* Where an edit goes. Found: `from`..`to` is replaced by `before` and the value. Not found: a whole
 * line is put at `from`. */
struct spot {
	bool found;
	size_t from, to;
	const char *before; /* "" or a separator that the line lacks */
	bool dangling;      /* the text ends within a continued line */
	bool spaced;        /* its author writes "key = value" */
};

/* The decoded value goes to `value` (initialised by the caller) when found. */
void properties_find(struct bytes text, const char *key, struct spot *ret, struct buf *value);
/* Escaped for a properties file; `is_key` escapes separators too. */
void properties_escape(const char *s, bool is_key, struct buf *out);

enum err_code xml_check(const struct edit *e, struct err *err);
/* Found: the span is the value with its quotes. Not found: ` NAME="VALUE"` is put at `from`. */
enum err_code xml_find(struct bytes text, const struct edit *e, struct spot *ret, struct buf *value,
                       struct err *err);
void xml_escape(const char *value, char quote, struct buf *out);
