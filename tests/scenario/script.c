/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * script.c - lines to statements. An indented line belongs to the statement above it, so that YAML
 * stands in a scenario as it is.
 */
#include "tests/scenario/script.h"

#include <stdio.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"

#define SCRIPT_LIMIT ((size_t)1 << 20)
#define USE_DEPTH    4

struct reader {
	struct script *script;
	const char *file;
	int line;
	struct buf body;
	struct statement *open; /* the statement whose body is being read */
};

static bool complain(const struct reader *r, const char *what, const char *which)
{
	fprintf(stderr, "%s:%d: %s%s\n", r->file, r->line, what, which);
	return false;
}

/* Words are apart by blanks; "..." is one word. */
static bool split(struct reader *r, struct statement *s)
{
	char *p = arena_str(&r->script->arena, s->text);

	while (p != NULL && *p != '\0') {
		while (*p == ' ' || *p == '\t') {
			*p++ = '\0';
		}
		if (*p == '\0') {
			break;
		}
		if (s->n + 1 == SCRIPT_WORDS) {
			return complain(r, "too many words", "");
		}
		char end = ' ';
		if (*p == '"') {
			end = '"';
			p++;
		}
		s->v[s->n++] = p;
		while (*p != '\0' && *p != end) {
			p++;
		}
		if (end == '"' && *p == '\0') {
			return complain(r, "a word that does not end: ", s->v[s->n - 1]);
		}
		if (*p != '\0') {
			*p++ = '\0';
		}
	}
	return true;
}

static void end_body(struct reader *r)
{
	if (r->open != NULL && r->body.len > 0) {
		r->open->body = arena_str(&r->script->arena, buf_str(&r->body));
	}
	r->open = NULL;
	buf_reset(&r->body);
}

static bool read_file(struct script *s, const char *path, int depth);

static bool use(struct reader *r, const struct statement *s, int depth)
{
	const char *slash = strrchr(r->file, '/');
	CLEANUP(cleanup_free)
	char *path = str_printf("%.*s%s", slash == NULL ? 0 : (int)(slash + 1 - r->file), r->file,
	                        s->v[1]);

	if (s->n != 2 || path == NULL || depth == USE_DEPTH) {
		return complain(r, "use FILE", "");
	}
	return read_file(r->script, path, depth + 1);
}

static bool head(struct reader *r, const char *text, int depth)
{
	struct statement s = { .file = r->file, .line = r->line, .text = text, .body = "" };

	end_body(r);
	if (!split(r, &s)) {
		return false;
	}
	if (str_equal(s.v[0], "use")) {
		return use(r, &s, depth);
	}
	struct statement *kept = ARENA_PUSH(&r->script->arena, &r->script->statements);
	if (kept == NULL) {
		return complain(r, "out of memory", "");
	}
	*kept = s;
	r->open = kept;
	return true;
}

static bool one_line(struct reader *r, char *line, int depth)
{
	size_t n = strlen(line);

	while (n > 0 && (line[n - 1] == ' ' || line[n - 1] == '\r')) {
		line[--n] = '\0';
	}
	if (line[0] == '\t' || str_starts(line, "    ")) {
		if (r->open == NULL) {
			return complain(r, "an indented line without a statement above it", "");
		}
		buf_printf(&r->body, "%s\n", line + (line[0] == '\t' ? 1 : 4));
		return true;
	}
	if (n == 0) {
		return true;
	}
	return line[0] == '#' ? true : head(r, line, depth);
}

static bool read_file(struct script *s, const char *path, int depth)
{
	CLEANUP(buf_release) struct buf in = { 0 };
	CLEANUP(buf_release) struct buf body = { 0 };
	struct err why = { 0 };
	bool fine = true;

	buf_init(&in, SCRIPT_LIMIT);
	buf_init(&body, SCRIPT_LIMIT);
	if (fs_read(path, SCRIPT_LIMIT, &in, &why) != ERR_OK) {
		fprintf(stderr, "%s: %s\n", path, why.msg);
		return false;
	}
	struct reader r = { .script = s, .file = arena_str(&s->arena, path), .body = body };
	char *p = arena_str(&s->arena, buf_str(&in));
	while (fine && p != NULL && *p != '\0') {
		char *end = strchr(p, '\n');
		if (end != NULL) {
			*end = '\0';
		}
		r.line++;
		fine = one_line(&r, p, depth);
		p = end == NULL ? NULL : end + 1;
	}
	end_body(&r);
	body = r.body;
	return fine && !arena_failed(&s->arena);
}

bool script_read(struct script *s, const char *path)
{
	*s = (struct script){ 0 };
	arena_init(&s->arena);
	return read_file(s, path, 0);
}

const char *word_after(const struct statement *s, const char *key)
{
	for (size_t i = 0; i + 1 < s->n; i++) {
		if (str_equal(s->v[i], key)) {
			return s->v[i + 1];
		}
	}
	return NULL;
}

const char *word_value(const struct statement *s, const char *key)
{
	size_t n = strlen(key);

	for (size_t i = 0; i < s->n; i++) {
		if (str_starts(s->v[i], key) && s->v[i][n] == '=') {
			return s->v[i] + n + 1;
		}
	}
	return NULL;
}

bool say_failed(const struct statement *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "%s:%d: %s\n    ", s->file, s->line, s->text);
	(void)vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	return false;
}
