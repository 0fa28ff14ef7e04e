/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edit.c - find the place, cut there, put the rest back as it was.
 *
 * No document is parsed and written anew: the files belong to products whose own readers are
 * stranger than any model of them. What cannot be read back as it was written (a blank at the end
 * of an ini value) is refused, or every pass would edit again.
 */
#include "state/edit.h"

#include <string.h>

#include "reconciler/base/str.h"
#include "state/edit_text.h"

#define VALUE_MAX ((size_t)1 << 20)
#define BOM       "\xef\xbb\xbf"

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

bool text_next_line(struct bytes text, bool lone_cr, size_t *pos, struct text_line *ret)
{
	size_t at = *pos;

	if (at >= text.n) {
		return false;
	}
	ret->start = at;
	if (at == 0 && text.n >= 3 && memcmp(text.p, BOM, 3) == 0) {
		ret->start = 3;
		at = 3;
	}
	while (at < text.n && text.p[at] != '\n' && !(lone_cr && text.p[at] == '\r')) {
		at++;
	}
	ret->end = at;
	if (at < text.n && text.p[at] == '\r') {
		at += at + 1 < text.n && text.p[at + 1] == '\n' ? 2 : 1;
	} else if (at < text.n) {
		at++;
		ret->end -= ret->end > ret->start && text.p[ret->end - 1] == '\r' ? 1 : 0;
	}
	ret->next = at;
	*pos = at;
	return true;
}

size_t text_skip_blanks(struct bytes text, size_t from, size_t to)
{
	while (from < to && is_blank(text.p[from])) {
		from++;
	}
	return from;
}

size_t text_trim_end(struct bytes text, size_t from, size_t to)
{
	while (to > from && is_blank(text.p[to - 1])) {
		to--;
	}
	return to;
}

const char *text_eol(struct bytes text)
{
	const uint8_t *lf = text.n == 0 ? NULL : memchr(text.p, '\n', text.n);

	return lf != NULL && lf > text.p && lf[-1] == '\r' ? "\r\n" : "\n";
}

static bool span_is(struct bytes text, size_t from, size_t to, const char *word)
{
	size_t n = strlen(word);

	if (to - from != n) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		uint8_t a = text.p[from + i];
		uint8_t b = (uint8_t)word[i];
		a = (uint8_t)(a >= 'A' && a <= 'Z' ? a + 32 : a);
		b = (uint8_t)(b >= 'A' && b <= 'Z' ? b + 32 : b);
		if (a != b) {
			return false;
		}
	}
	return true;
}

/* A header line's name in from..to. */
static bool ini_header(struct bytes text, size_t *from, size_t *to)
{
	if (*from == *to || text.p[*from] != '[') {
		return false;
	}
	const uint8_t *close = memchr(text.p + *from, ']', *to - *from);
	if (close == NULL) {
		return false;
	}
	*to = (size_t)(close - text.p);
	*from = text_skip_blanks(text, *from + 1, *to);
	*to = text_trim_end(text, *from, *to);
	return true;
}

/* Is from..to a line that assigns to `key`? */
static bool ini_assigns(struct bytes text, size_t from, size_t to, const char *key,
                        struct spot *spot)
{
	if (from == to || text.p[from] == ';' || text.p[from] == '#') {
		return false;
	}
	const uint8_t *sign = memchr(text.p + from, '=', to - from);
	size_t name_end = sign == NULL ? to : (size_t)(sign - text.p);
	size_t name_to = text_trim_end(text, from, name_end);
	if (sign != NULL) {
		spot->spaced = name_to < name_end;
	}
	if (!span_is(text, from, name_to, key)) {
		return false;
	}
	spot->found = true;
	spot->from = sign == NULL ? to : text_skip_blanks(text, name_end + 1, to);
	spot->to = to;
	spot->before = sign == NULL ? "=" : "";
	return true;
}

static void ini_find(struct bytes text, const struct edit *e, struct spot *spot)
{
	const char *section = e->section == NULL ? "" : e->section;
	bool inside = section[0] == '\0';
	bool known = inside; /* a place for a new key was found */
	bool first = inside; /* and is still being looked for */
	struct text_line line;
	size_t pos = 0;

	spot->from = inside ? (text_next_line(text, false, &pos, &line) ? line.start : 0) : text.n;
	pos = 0;
	while (text_next_line(text, /* lone_cr= */ false, &pos, &line)) {
		size_t from = text_skip_blanks(text, line.start, line.end);
		size_t to = text_trim_end(text, from, line.end);
		size_t name = from;
		size_t name_to = to;
		if (ini_header(text, &name, &name_to)) {
			inside = section[0] != '\0' && span_is(text, name, name_to, section);
			first = inside && !known;
			known = known || inside;
		} else if (inside && ini_assigns(text, from, to, e->key, spot)) {
			return;
		}
		if (first && from < to) {
			spot->from = line.next;
		}
	}
	spot->to = spot->from;
	spot->before = known ? "" : section;
}

static bool has_indent(const struct edit *e)
{
	return e->value != NULL && is_blank((uint8_t)e->value[0]);
}

static void line_find(struct bytes text, const struct edit *e, struct spot *spot)
{
	size_t n = strlen(e->key);
	struct text_line line;
	size_t pos = 0;

	spot->from = text.n;
	spot->to = text.n;
	while (text_next_line(text, /* lone_cr= */ false, &pos, &line)) {
		size_t from = text_skip_blanks(text, line.start, line.end);
		if (line.end - from >= n && memcmp(text.p + from, e->key, n) == 0) {
			spot->found = true;
			spot->from = has_indent(e) ? line.start : from;
			spot->to = line.end;
			return;
		}
	}
}

static bool has_line_end(const char *s)
{
	return s != NULL && strpbrk(s, "\r\n") != NULL;
}

static bool has_edge_blank(const char *s)
{
	size_t n = s == NULL ? 0 : strlen(s);

	return n > 0 && (is_blank((uint8_t)s[0]) || is_blank((uint8_t)s[n - 1]));
}

static enum err_code check_ini(const struct edit *e, struct err *err)
{
	if (strpbrk(e->key, "=[;#") != NULL || has_edge_blank(e->key) || has_line_end(e->key)) {
		return err_set(err, ERR_INVALID, "'%s' cannot be a key of an ini file", e->key);
	}
	if (e->section != NULL && (strchr(e->section, ']') != NULL || has_edge_blank(e->section) ||
	                           has_line_end(e->section))) {
		return err_set(err, ERR_INVALID, "'%s' cannot be a section of an ini file",
		               e->section);
	}
	if (has_edge_blank(e->value) || has_line_end(e->value)) {
		return err_set(err, ERR_INVALID,
		               "the value of '%s' cannot be kept in an ini file: a blank at an "
		               "end, or a line end",
		               e->key);
	}
	return ERR_OK;
}

static enum err_code check_line(const struct edit *e, struct err *err)
{
	if (is_blank((uint8_t)e->key[0]) || has_line_end(e->key)) {
		return err_set(err, ERR_INVALID, "'%s' cannot be the beginning of a line", e->key);
	}
	if (has_line_end(e->value)) {
		return err_set(err, ERR_INVALID, "the line for '%s' holds a line end", e->key);
	}
	if (e->value != NULL && !str_starts(e->value + strspn(e->value, " \t"), e->key)) {
		return err_set(err, ERR_INVALID,
		               "the line for '%s' does not begin with it: it would be added again "
		               "each time",
		               e->key);
	}
	return ERR_OK;
}

static enum err_code check(struct bytes text, const struct edit *e, struct err *err)
{
	if (e->key == NULL || e->key[0] == '\0') {
		return err_set(err, ERR_INVALID, "an edit without a key");
	}
	if (str_starts(e->key, BOM) || (e->value != NULL && str_starts(e->value, BOM))) {
		return err_set(err, ERR_INVALID, "an edit that begins with a byte order mark");
	}
	if (text.n > 0 && memchr(text.p, '\0', text.n) != NULL) {
		return err_set(err, ERR_INVALID, "the file is no text: it holds NUL octets");
	}
	switch (e->kind) {
	case EDIT_INI:
		return check_ini(e, err);
	case EDIT_LINE:
		return check_line(e, err);
	case EDIT_XML:
		return xml_check(e, err);
	case EDIT_PROPERTIES:
		break;
	}
	return ERR_OK;
}

static enum err_code find(struct bytes text, const struct edit *e, struct spot *spot,
                          struct buf *value, struct err *err)
{
	*spot = (struct spot){ .before = "" };
	switch (e->kind) {
	case EDIT_INI:
		ini_find(text, e, spot);
		break;
	case EDIT_LINE:
		line_find(text, e, spot);
		break;
	case EDIT_PROPERTIES:
		properties_find(text, e->key, spot, value);
		return ERR_OK;
	case EDIT_XML:
		return xml_find(text, e, spot, value, err);
	}
	if (spot->found) {
		buf_add(value, text.p + spot->from, spot->to - spot->from);
	}
	return ERR_OK;
}

enum err_code edit_current(struct bytes text, const struct edit *e, char **ret, struct err *err)
{
	CLEANUP(buf_release) struct buf value = { 0 };
	struct spot spot;

	enum err_code rc = check(text, e, err);
	if (rc != ERR_OK) {
		return rc;
	}
	buf_init_secret(&value, VALUE_MAX);
	rc = find(text, e, &spot, &value, err);
	if (rc == ERR_OK) {
		rc = buf_check(&value, "the value", err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	char *current = spot.found ? str_dup(buf_str(&value)) : NULL;
	if (spot.found && current == NULL) {
		return err_nomem(err);
	}
	*ret = current;
	return ERR_OK;
}

static void add_new_line(struct bytes text, const struct edit *e, const struct spot *spot,
                         struct buf *out)
{
	const char *eol = text_eol(text);

	if (spot->from == text.n && text.n > 0 && text.p[text.n - 1] != '\n') {
		buf_add_str(out, eol);
	}
	if (spot->dangling) {
		buf_add_str(out, eol);
	}
	if (e->kind == EDIT_INI && spot->before[0] != '\0') {
		buf_printf(out, "[%s]%s", spot->before, eol);
	}
	if (e->kind == EDIT_INI) {
		buf_printf(out, "%s%s%s", e->key, spot->spaced ? " = " : "=", e->value);
	} else if (e->kind == EDIT_PROPERTIES) {
		properties_escape(e->key, /* is_key= */ true, out);
		buf_add_str(out, spot->spaced ? " = " : "=");
		properties_escape(e->value, /* is_key= */ false, out);
	} else {
		buf_add_str(out, e->value);
	}
	buf_add_str(out, eol);
}

static void put_value(struct bytes text, const struct edit *e, const struct spot *spot,
                      struct buf *out)
{
	if (e->kind == EDIT_XML) {
		if (!spot->found) {
			buf_printf(out, " %s=", e->key);
		}
		bool single = spot->found && text.p[spot->from] == '\'';
		xml_escape(e->value, single ? '\'' : '"', out);
	} else if (!spot->found) {
		add_new_line(text, e, spot, out);
	} else {
		buf_add_str(out, spot->before);
		if (e->kind == EDIT_PROPERTIES) {
			properties_escape(e->value, /* is_key= */ false, out);
		} else {
			buf_add_str(out, e->value);
		}
	}
}

/* An attribute that the path itself asks for may lead elsewhere once it is changed. */
static enum err_code check_read_back(const struct edit *e, struct buf *out, struct err *err)
{
	CLEANUP(buf_release) struct buf value = { 0 };
	struct spot spot;

	if (e->kind != EDIT_XML) {
		return ERR_OK;
	}
	buf_init_secret(&value, VALUE_MAX);
	if (find(buf_view(out), e, &spot, &value, /* err= */ NULL) == ERR_OK && spot.found &&
	    str_equal(buf_str(&value), e->value)) {
		return ERR_OK;
	}
	buf_reset(out);
	return err_set(err, ERR_INVALID, "'%.200s' would not find %s='...' again", e->section,
	               e->key);
}

enum err_code edit_apply(struct bytes text, const struct edit *e, struct buf *out,
                         bool *ret_changed, struct err *err)
{
	CLEANUP(buf_release) struct buf value = { 0 };
	struct spot spot;

	enum err_code rc = e->value == NULL ? err_set(err, ERR_INVALID, "an edit without a value")
	                                    : check(text, e, err);
	if (rc != ERR_OK) {
		return rc;
	}
	buf_init_secret(&value, VALUE_MAX);
	rc = find(text, e, &spot, &value, err);
	if (rc != ERR_OK) {
		return rc;
	}
	/* A value too large to be kept here is not the one wanted, whatever it is. */
	if (spot.found && !buf_failed(&value) && spot.before[0] == '\0' &&
	    str_equal(buf_str(&value), e->value)) {
		buf_add_bytes(out, text);
		*ret_changed = false;
		return buf_check(out, "the edited file", err);
	}
	buf_add(out, text.p, spot.from);
	put_value(text, e, &spot, out);
	if (spot.to < text.n) {
		buf_add(out, text.p + spot.to, text.n - spot.to);
	}
	rc = buf_check(out, "the edited file", err);
	if (rc == ERR_OK) {
		rc = check_read_back(e, out, err);
	}
	if (rc == ERR_OK) {
		*ret_changed = true;
	}
	return rc;
}
