/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edit_xml.c - one attribute of one element of an XML file.
 *
 * expat says where the element's tag stands and that the whole is well-formed; the edit itself is a
 * cut in the text, so that comments, blanks, quotes and encoding stay what they were. expat and not
 * libxml2: it gives octet offsets, reads no other file and no network by itself, and costs a
 * process nothing at its start, where libxml2 brings ICU along.
 *
 * A document that declares entities is refused: what stands in it is not all in it.
 */
#include <expat.h>
#include <stdlib.h>
#include <string.h>

#include "reconciler/base/str.h"
#include "reconciler/base/xml_path.h"
#include "state/edit_text.h"

#define DEPTH_MAX 256

/* One open element: which steps of the path it completes. */
struct frame {
	uint32_t done;  /* bit i: it is the element of the first i steps */
	uint32_t above; /* ... or is below one that is */
	unsigned passed[XML_PATH_STEPS][XML_PATH_TESTS]; /* children that got so far */
};

struct search {
	const struct xml_path *path;
	const char *attribute;
	XML_Parser parser;
	struct frame *frames; /* DEPTH_MAX */
	size_t depth;
	size_t matches;
	size_t from, to; /* the tag of the first match, '<' to '>' */
	struct buf *value;
	bool has_value;
	const char *refused; /* sentence: why it was stopped */
};

static const char *attribute_of(const char *const *atts, int n, struct bytes name)
{
	for (int i = 0; i + 1 < n; i += 2) {
		if (bytes_equal(bytes_of_str(atts[i]), name)) {
			return atts[i + 1];
		}
	}
	return NULL;
}

static bool passes(struct frame *parent, const struct xml_step *s, size_t step,
                   const char *const *atts, int n)
{
	for (size_t i = 0; i < s->n_tests; i++) {
		const struct xml_test *t = &s->tests[i];
		const char *v = t->attribute.n == 0 ? NULL : attribute_of(atts, n, t->attribute);

		if (t->attribute.n == 0) {
			if (++parent->passed[step][i] != t->position) {
				return false;
			}
		} else if (v == NULL ||
		           (t->value.p != NULL && !bytes_equal(bytes_of_str(v), t->value))) {
			return false;
		}
	}
	return true;
}

static uint32_t steps_done(struct search *s, struct frame *parent, const char *name,
                           const char *const *atts, int n)
{
	uint32_t done = 0;

	for (size_t i = 0; i < s->path->n; i++) {
		const struct xml_step *step = &s->path->steps[i];
		uint32_t from = step->deep ? parent->above : parent->done;
		bool any = step->name.n == 1 && step->name.p[0] == '*';

		if ((from >> i & 1u) != 0 && (any || bytes_equal(step->name, bytes_of_str(name))) &&
		    passes(parent, step, i, atts, n)) {
			done |= 1u << (i + 1);
		}
	}
	return done;
}

static void stop(struct search *s, const char *why)
{
	s->refused = why;
	(void)XML_StopParser(s->parser, XML_FALSE);
}

static void XMLCALL on_start(void *arg, const XML_Char *name, const XML_Char **atts)
{
	struct search *s = arg;
	int n = XML_GetSpecifiedAttributeCount(s->parser);

	if (s->depth + 1 >= DEPTH_MAX) {
		stop(s, "its elements are nested too deep");
		return;
	}
	struct frame *parent = &s->frames[s->depth];
	struct frame *own = &s->frames[++s->depth];
	uint32_t done = steps_done(s, parent, name, atts, n);
	*own = (struct frame){ .done = done, .above = parent->above | done };
	if ((done >> s->path->n & 1u) == 0 || ++s->matches > 1) {
		return;
	}
	const char *v = attribute_of(atts, n, bytes_of_str(s->attribute));
	s->from = (size_t)XML_GetCurrentByteIndex(s->parser);
	s->to = s->from + (size_t)XML_GetCurrentByteCount(s->parser);
	s->has_value = v != NULL;
	buf_add_str(s->value, v == NULL ? "" : v);
}

static void XMLCALL on_end(void *arg, const XML_Char *name ATTR_UNUSED)
{
	((struct search *)arg)->depth--;
}

/* NOLINTNEXTLINE(readability-function-size): the parameters are expat's. */
static void XMLCALL on_entity(void *arg, const XML_Char *name ATTR_UNUSED,
                              int parameter ATTR_UNUSED, const XML_Char *value ATTR_UNUSED,
                              int n ATTR_UNUSED, const XML_Char *base ATTR_UNUSED,
                              const XML_Char *system ATTR_UNUSED,
                              const XML_Char *public ATTR_UNUSED,
                              const XML_Char *notation ATTR_UNUSED)
{
	stop(arg, "it declares entities");
}

static enum err_code run_parser(struct search *s, struct bytes text, struct err *err)
{
	XML_SetUserData(s->parser, s);
	XML_SetElementHandler(s->parser, on_start, on_end);
	XML_SetEntityDeclHandler(s->parser, on_entity);
	if (text.n <= INT32_MAX &&
	    XML_Parse(s->parser, (const char *)text.p, (int)text.n, XML_TRUE) == XML_STATUS_OK) {
		return ERR_OK;
	}
	if (s->refused != NULL) {
		return err_set(err, ERR_INVALID, "the XML is not edited: %s", s->refused);
	}
	if (XML_GetErrorCode(s->parser) == XML_ERROR_NO_MEMORY) {
		return err_nomem(err);
	}
	return err_set(err, ERR_INVALID, "the XML cannot be read: line %lu, column %lu: %s",
	               (unsigned long)XML_GetCurrentLineNumber(s->parser),
	               (unsigned long)XML_GetCurrentColumnNumber(s->parser) + 1,
	               XML_ErrorString(XML_GetErrorCode(s->parser)));
}

static enum err_code search(struct search *s, struct bytes text, const char *xpath, struct err *err)
{
	struct xml_path path;
	enum err_code rc = xml_path_parse(xpath, &path, err);

	if (rc != ERR_OK) {
		return rc;
	}
	s->path = &path;
	s->parser = XML_ParserCreate(/* encoding= */ NULL);
	s->frames = calloc(DEPTH_MAX, sizeof(*s->frames));
	if (s->parser == NULL || s->frames == NULL) {
		rc = err_nomem(err);
	} else {
		s->frames[0] = (struct frame){ .done = 1, .above = 1 };
		rc = run_parser(s, text, err);
	}
	XML_ParserFree(s->parser);
	free(s->frames);
	s->path = NULL;
	if (rc == ERR_OK && s->matches != 1) {
		(void)err_set(err, s->matches == 0 ? ERR_NOT_FOUND : ERR_CONFLICT,
		              s->matches == 0 ? "no element is found by '%.200s'"
		                              : "more than one element is found by '%.200s'",
		              xpath);
		return err_hint(err, s->matches == 0
		                             ? "elements are not made: put it there by hand once"
		                             : "tell them apart, like [@port='8443'] or [1]");
	}
	return rc;
}

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The tag is known to be well-formed: only its parts are told from one another. */
static void cut_tag(struct bytes text, const struct search *s, struct spot *spot)
{
	struct bytes name = bytes_of_str(s->attribute);
	size_t at = s->from + 1;

	while (at < s->to && !is_space(text.p[at]) && text.p[at] != '/' && text.p[at] != '>') {
		at++;
	}
	spot->from = at;
	spot->to = at;
	while (at < s->to) {
		while (at < s->to && is_space(text.p[at])) {
			at++;
		}
		size_t word = at;
		while (at < s->to && !is_space(text.p[at]) && text.p[at] != '=' &&
		       text.p[at] != '/' && text.p[at] != '>') {
			at++;
		}
		size_t word_end = at;
		while (at < s->to && text.p[at] != '"' && text.p[at] != '\'') {
			at++;
		}
		const uint8_t *close =
			at + 1 < s->to ? memchr(text.p + at + 1, text.p[at], s->to - at - 1) : NULL;
		if (close == NULL) {
			return;
		}
		size_t end = (size_t)(close - text.p);
		if (bytes_equal(bytes_of(text.p + word, word_end - word), name)) {
			spot->found = true;
			spot->from = at;
			spot->to = end + 1;
			return;
		}
		at = end + 1;
		spot->from = at;
		spot->to = at;
	}
}

static bool xml_can_hold(const char *value)
{
	size_t n = strlen(value);
	uint32_t c = 0;

	for (size_t i = 0; i < n;) {
		size_t len = str_utf8_decode(value + i, n - i, &c);
		if (len == 0 || c == 0xFFFE || c == 0xFFFF ||
		    (c < ' ' && c != '\t' && c != '\r' && c != '\n')) {
			return false;
		}
		i += len;
	}
	return true;
}

enum err_code xml_check(const struct edit *e, struct err *err)
{
	struct xml_path path;

	if (!xml_name_valid(e->key, strlen(e->key))) {
		return err_set(err, ERR_INVALID, "'%s' cannot be an attribute of XML", e->key);
	}
	if (e->value != NULL && !xml_can_hold(e->value)) {
		return err_set(err, ERR_INVALID, "the value of '%s' holds what no XML can", e->key);
	}
	return e->section == NULL ? err_set(err, ERR_INVALID, "an XML edit without an xpath")
	                          : xml_path_parse(e->section, &path, err);
}

enum err_code xml_find(struct bytes text, const struct edit *e, struct spot *ret, struct buf *value,
                       struct err *err)
{
	struct search s = { .attribute = e->key, .value = value };
	enum err_code rc = search(&s, text, e->section, err);

	if (rc != ERR_OK) {
		return rc;
	}
	*ret = (struct spot){ .before = "" };
	cut_tag(text, &s, ret);
	/* Two readers of one tag: what they do not agree on is not touched. */
	if (ret->found != s.has_value) {
		return err_set(err, ERR_INVALID, "the element's tag is written in a way not known");
	}
	return ERR_OK;
}

void xml_escape(const char *value, char quote, struct buf *out)
{
	size_t n = strlen(value);
	uint32_t c = 0;

	buf_add_byte(out, (uint8_t)quote);
	for (size_t i = 0; i < n;) {
		size_t len = str_utf8_decode(value + i, n - i, &c);
		/* As a number it means the same in every encoding that the file may have. */
		if (c == '&' || c == '<' || c == (uint32_t)(unsigned char)quote || c < ' ' ||
		    c > '~') {
			buf_printf(out, "&#%u;", (unsigned)c);
		} else {
			buf_add_byte(out, (uint8_t)c);
		}
		i += len == 0 ? 1 : len;
	}
	buf_add_byte(out, (uint8_t)quote);
}
