/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json_write.c - the writing half of json.h: a streaming writer that builds no tree.
 *
 * A plan for a large fleet is tens of megabytes: runs of plain characters are copied at once and
 * numbers are formatted by hand.
 */
#include <assert.h>
#include <string.h>

#include "reconciler/base/json.h"
#include "reconciler/base/str.h"
#include "reconciler/base/when.h"

void json_writer_init(struct json_writer *w, struct buf *out, bool pretty)
{
	*w = (struct json_writer){ .out = out, .pretty = pretty };
}

static void new_line(struct json_writer *w)
{
	static const char spaces[] = "\n                                ";
	size_t indent = (size_t)w->depth * 2;

	buf_add(w->out, spaces, 1 + (indent < 32 ? indent : 32));
	for (; indent > 32; indent -= 2) {
		buf_add(w->out, spaces + 1, 2);
	}
}

/* What goes between the last thing written and a value or key. */
static void separate(struct json_writer *w)
{
	if (w->after_key) {
		w->after_key = false;
		return;
	}
	if (w->need_comma) {
		buf_add_byte(w->out, ',');
	}
	if (w->pretty && w->depth > 0) {
		new_line(w);
	}
}

static void begin(struct json_writer *w, char bracket)
{
	separate(w);
	buf_add_byte(w->out, (uint8_t)bracket);
	w->depth++;
	w->need_comma = false;
}

static void end(struct json_writer *w, char bracket)
{
	assert(w->depth > 0 && !w->after_key);
	w->depth--;
	if (w->pretty && w->need_comma) {
		new_line(w);
	}
	buf_add_byte(w->out, (uint8_t)bracket);
	w->need_comma = true;
}

void json_begin_object(struct json_writer *w)
{
	begin(w, '{');
}

void json_end_object(struct json_writer *w)
{
	end(w, '}');
}

void json_begin_array(struct json_writer *w)
{
	begin(w, '[');
}

void json_end_array(struct json_writer *w)
{
	end(w, ']');
}

static bool is_plain(char c)
{
	unsigned char u = (unsigned char)c;

	return u >= 0x20 && u < 0x7F && u != '"' && u != '\\';
}

static void add_escaped(struct buf *out, uint32_t c)
{
	static const char *const named[] = {
		['\b'] = "\\b", ['\f'] = "\\f", ['\n'] = "\\n",  ['\r'] = "\\r",
		['\t'] = "\\t", ['"'] = "\\\"", ['\\'] = "\\\\",
	};

	if (c < ARRAY_LEN(named) && named[c] != NULL) {
		buf_add_str(out, named[c]);
	} else {
		buf_printf(out, "\\u%04x", c);
	}
}

static size_t add_character(struct buf *out, const char *s, size_t n)
{
	uint32_t c = 0;
	size_t len = str_utf8_decode(s, n, &c);

	if (len == 0) {
		buf_add_str(out, "\xEF\xBF\xBD");
		return 1;
	}
	if (len == 1) {
		add_escaped(out, c);
	} else {
		buf_add(out, s, len);
	}
	return len;
}

static void add_quoted(struct buf *out, const char *s, size_t n)
{
	size_t i = 0;

	buf_add_byte(out, '"');
	while (i < n) {
		size_t run = i;

		while (run < n && is_plain(s[run])) {
			run++;
		}
		buf_add(out, s + i, run - i);
		i = run;
		if (i < n) {
			i += add_character(out, s + i, n - i);
		}
	}
	buf_add_byte(out, '"');
}

void json_key(struct json_writer *w, const char *key)
{
	assert(w->depth > 0 && !w->after_key);
	separate(w);
	add_quoted(w->out, key, strlen(key));
	buf_add(w->out, ": ", w->pretty ? 2 : 1);
	w->after_key = true;
}

static void add_literal(struct json_writer *w, const char *s, size_t n)
{
	separate(w);
	buf_add(w->out, s, n);
	w->need_comma = true;
}

void json_strn(struct json_writer *w, const char *s, size_t n)
{
	separate(w);
	add_quoted(w->out, s, n);
	w->need_comma = true;
}

void json_str(struct json_writer *w, const char *s)
{
	if (s == NULL) {
		json_write_null(w);
	} else {
		json_strn(w, s, strlen(s));
	}
}

void json_int(struct json_writer *w, int64_t v)
{
	char digits[24];
	size_t at = sizeof(digits);
	uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	do {
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest != 0);
	if (v < 0) {
		digits[--at] = '-';
	}
	add_literal(w, digits + at, sizeof(digits) - at);
}

void json_bool(struct json_writer *w, bool v)
{
	add_literal(w, v ? "true" : "false", v ? 4 : 5);
}

void json_write_null(struct json_writer *w)
{
	add_literal(w, "null", 4);
}

void json_member_str(struct json_writer *w, const char *key, const char *s)
{
	json_key(w, key);
	json_str(w, s);
}

void json_member_int(struct json_writer *w, const char *key, int64_t v)
{
	json_key(w, key);
	json_int(w, v);
}

void json_member_bool(struct json_writer *w, const char *key, bool v)
{
	json_key(w, key);
	json_bool(w, v);
}

void json_member_time(struct json_writer *w, const char *key, int64_t wall_s)
{
	char text[WHEN_TEXT_MAX];

	json_key(w, key);
	if (wall_s == 0) {
		json_write_null(w);
		return;
	}
	when_format((struct wall){ .s = wall_s }, text);
	json_str(w, text);
}
