/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xml_path.c - a reader that refuses what it does not know: half an XPath that is understood
 * otherwise than it was meant would edit the wrong element.
 */
#include "reconciler/base/xml_path.h"

#include <string.h>

#include "reconciler/base/str.h"

#define POSITION_MAX 1000000

struct reader {
	const char *text, *at;
	struct err *err;
};

static enum err_code refuse(struct reader *r, const char *what)
{
	return err_set(r->err, ERR_INVALID, "xpath '%.80s': %s expected at character %zu", r->text,
	               what, (size_t)(r->at - r->text) + 1);
}

static bool is_name_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';
}

static bool is_name_char(char c)
{
	return is_name_start(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

bool xml_name_valid(const char *s, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		if (!is_name_char(s[i])) {
			return false;
		}
	}
	return n > 0 && is_name_start(s[0]);
}

static struct bytes take_name(struct reader *r)
{
	const char *from = r->at;

	while (is_name_char(*r->at)) {
		r->at++;
	}
	return bytes_of(from, (size_t)(r->at - from));
}

static enum err_code read_value(struct reader *r, struct xml_test *t)
{
	char quote = *r->at;

	if (quote != '\'' && quote != '"') {
		return refuse(r, "a value in quotes");
	}
	const char *from = ++r->at;
	const char *end = strchr(from, quote);
	if (end == NULL) {
		return refuse(r, "the closing quote");
	}
	t->value = bytes_of(from, (size_t)(end - from));
	r->at = end + 1;
	return ERR_OK;
}

static enum err_code read_position(struct reader *r, struct xml_test *t)
{
	while (*r->at >= '0' && *r->at <= '9' && t->position < POSITION_MAX) {
		t->position = t->position * 10 + (unsigned)(*r->at++ - '0');
	}
	return t->position == 0 ? refuse(r, "@attribute or a position from 1") : ERR_OK;
}

static enum err_code read_test(struct reader *r, struct xml_step *s)
{
	struct xml_test t = { .position = 0 };
	enum err_code rc = ERR_OK;

	r->at++;
	if (s->n_tests == XML_PATH_TESTS) {
		return refuse(r, "no further [test]");
	}
	if (*r->at == '@') {
		r->at++;
		t.attribute = take_name(r);
		if (!xml_name_valid((const char *)t.attribute.p, t.attribute.n)) {
			return refuse(r, "the name of an attribute");
		}
		if (*r->at == '=') {
			r->at++;
			rc = read_value(r, &t);
		}
	} else {
		rc = read_position(r, &t);
	}
	if (rc == ERR_OK && *r->at != ']') {
		return refuse(r, "']'");
	}
	r->at += rc == ERR_OK ? 1 : 0;
	s->tests[s->n_tests++] = t;
	return rc;
}

static enum err_code read_step(struct reader *r, struct xml_step *s)
{
	enum err_code rc = ERR_OK;

	*s = (struct xml_step){ .deep = r->at[1] == '/' };
	r->at += s->deep ? 2 : 1;
	if (*r->at == '*') {
		s->name = bytes_of(r->at++, 1);
	} else {
		s->name = take_name(r);
		if (!xml_name_valid((const char *)s->name.p, s->name.n)) {
			return refuse(r, "the name of an element");
		}
	}
	while (rc == ERR_OK && *r->at == '[') {
		rc = read_test(r, s);
	}
	return rc;
}

enum err_code xml_path_parse(const char *text, struct xml_path *ret, struct err *err)
{
	struct reader r = { .text = text, .at = text, .err = err };
	struct xml_path path = { .n = 0 };
	enum err_code rc = ERR_OK;

	while (rc == ERR_OK && (*r.at != '\0' || path.n == 0)) {
		if (*r.at != '/') {
			return refuse(&r, "'/'");
		}
		if (path.n == XML_PATH_STEPS) {
			return refuse(&r, "no further step");
		}
		rc = read_step(&r, &path.steps[path.n++]);
	}
	if (rc == ERR_OK) {
		*ret = path;
	}
	return rc;
}
