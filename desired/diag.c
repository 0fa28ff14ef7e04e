/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * diag.c - sorted late, because errors are found in the order of passes, not of lines.
 */
#include "desired/diag.h"

#include <stdlib.h>
#include <string.h>

#include "desired/yaml.h"
#include "reconciler/base/str.h"

#define LINE_COLUMNS 200u

static const char hidden[] = "";

void diags_init(struct diags *d, struct arena *arena)
{
	*d = (struct diags){ .arena = arena };
}

void diags_vadd(struct diags *d, const char *file, struct pos pos, const char *hint,
                const char *fmt, va_list ap)
{
	CLEANUP(buf_release) struct buf raw = { 0 };
	CLEANUP(buf_release) struct buf text = { 0 };

	if (d->n >= DIAGS_MAX) {
		d->dropped++;
		return;
	}
	buf_init(&raw, (size_t)16 << 10);
	buf_init(&text, (size_t)64 << 10);
	buf_vprintf(&raw, fmt, ap);
	str_escape_terminal(&text, buf_str(&raw), raw.len);
	struct diagnostic *v = ARENA_PUSH(d->arena, d);
	if (v == NULL) {
		return;
	}
	v->file = file;
	v->pos = pos;
	v->hint = hint;
	v->message = arena_str(d->arena, buf_str(&text));
	if (buf_failed(&raw) || buf_failed(&text)) {
		d->arena->failed = true; /* values are cut: it cannot be too long */
	}
}

void diags_add(struct diags *d, const char *file, struct pos pos, const char *hint, const char *fmt,
               ...)
{
	va_list ap;

	va_start(ap, fmt);
	diags_vadd(d, file, pos, hint, fmt, ap);
	va_end(ap);
}

void diags_hide_line(struct diags *d)
{
	if (d->n > 0 && d->dropped == 0) {
		d->v[d->n - 1].line = hidden;
	}
}

const char *diags_did_you_mean(struct diags *d, const char *name)
{
	return name == NULL ? NULL : arena_printf(d->arena, "did you mean '%s'?", name);
}

static int compare(const void *pa, const void *pb)
{
	const struct diagnostic *a = pa, *b = pb;
	int c = strcmp(a->file, b->file);

	if (c != 0) {
		return c;
	}
	if (a->pos.line != b->pos.line) {
		return a->pos.line < b->pos.line ? -1 : 1;
	}
	if (a->pos.col != b->pos.col) {
		return a->pos.col < b->pos.col ? -1 : 1;
	}
	return strcmp(a->message, b->message);
}

/* One character as a terminal may see it; how many columns it takes there. */
static uint32_t put_shown(struct buf *out, const char *p, size_t n)
{
	size_t before = out->len;

	/* A tab is a column to libyaml and eight to a terminal: the caret would miss. */
	str_escape_terminal(out, p[0] == '\t' ? " " : p, n);
	return out->len - before == n ? 1 : (uint32_t)(out->len - before);
}

static const char *line_of(struct arena *arena, struct bytes data, struct pos pos,
                           uint32_t *ret_caret)
{
	uint32_t shown = 1;
	uint32_t col = 1;
	const char *p = (const char *)data.p;
	const char *end = p + data.n;
	CLEANUP(buf_release) struct buf out = { 0 };

	for (uint32_t i = 1; i < pos.line; i++) {
		p = memchr(p, '\n', (size_t)(end - p));
		if (p == NULL) {
			return NULL;
		}
		p++;
	}
	const char *stop = memchr(p, '\n', (size_t)(end - p));
	size_t n = (size_t)((stop != NULL ? stop : end) - p);
	if (n > 0 && p[n - 1] == '\r') {
		n--;
	}
	bool cut = n > LINE_COLUMNS;
	if (cut) {
		n = LINE_COLUMNS;
		while (n > 0 && ((unsigned char)p[n] & 0xc0) == 0x80) {
			n--;
		}
	}
	buf_init(&out, (size_t)8 << 10);
	*ret_caret = 0;
	for (size_t i = 0; i < n; col++) {
		uint32_t c = 0;
		size_t len = str_utf8_decode(p + i, n - i, &c);
		*ret_caret = col == pos.col ? shown : *ret_caret;
		shown += put_shown(&out, p + i, len == 0 ? 1 : len);
		i += len == 0 ? 1 : len;
	}
	if (!cut && *ret_caret == 0 && pos.col >= col) {
		*ret_caret = shown + (pos.col - col);
	}
	buf_add_str(&out, cut ? "..." : "");
	return buf_failed(&out) ? NULL : arena_str(arena, buf_str(&out));
}

static void add_lines(struct diags *d, diags_file *file, void *arg)
{
	const char *path = NULL;
	struct bytes data = { 0 };
	bool have = false;

	for (size_t i = 0; i < d->n; i++) {
		struct diagnostic *v = &d->v[i];
		if (path == NULL || strcmp(path, v->file) != 0) {
			path = v->file;
			have = file(path, &data, arg);
			data = yml_without_mark(data);
		}
		if (have && v->pos.line > 0 && data.n > 0 && v->line != hidden) {
			v->line = line_of(d->arena, data, v->pos, &v->caret);
		}
	}
	for (size_t i = 0; i < d->n; i++) {
		d->v[i].line = d->v[i].line == hidden ? NULL : d->v[i].line;
	}
}

static bool same_line(const struct diagnostic *a, const struct diagnostic *b)
{
	return a->pos.line == b->pos.line && strcmp(a->file, b->file) == 0;
}

static void hide_neighbours(struct diags *d)
{
	for (size_t i = 1; i < d->n; i++) {
		if (d->v[i - 1].line == hidden && same_line(&d->v[i - 1], &d->v[i])) {
			d->v[i].line = hidden;
		}
	}
	for (size_t i = d->n - 1; i > 0; i--) {
		if (d->v[i].line == hidden && same_line(&d->v[i - 1], &d->v[i])) {
			d->v[i - 1].line = hidden;
		}
	}
}

struct diagnostics diags_finish(struct diags *d, diags_file *file, void *arg)
{
	size_t kept = 0;

	if (d->n == 0 || arena_failed(d->arena)) {
		return (struct diagnostics){ 0 };
	}
	qsort(d->v, d->n, sizeof(*d->v), compare);
	for (size_t i = 0; i < d->n; i++) {
		if (kept == 0 || compare(&d->v[kept - 1], &d->v[i]) != 0) {
			d->v[kept++] = d->v[i];
		}
	}
	d->n = kept;
	hide_neighbours(d);
	add_lines(d, file, arg);
	if (d->dropped > 0) {
		struct diagnostic *v = ARENA_PUSH(d->arena, d);
		if (v != NULL) {
			v->file = d->v[0].file;
			v->message =
				arena_printf(d->arena, "and %zu more errors, which are not shown",
			                     d->dropped);
		}
	}
	return (struct diagnostics){ .v = d->v, .n = d->n };
}

void diagnostic_format(const struct diagnostic *d, struct buf *out)
{
	/* A name in a git tree may hold anything but a slash. */
	str_escape_terminal(out, d->file, strlen(d->file));
	if (d->pos.line > 0) {
		buf_printf(out, ":%u:%u", d->pos.line, d->pos.col);
	}
	buf_add_str(out, ": ");
	buf_printf(out, "%s\n", d->message);
	if (d->line != NULL) {
		buf_printf(out, "    %s\n", d->line);
		if (d->caret > 0 && d->caret <= 4 * LINE_COLUMNS) {
			buf_printf(out, "    %*s\n", (int)d->caret, "^");
		}
	}
	if (d->hint != NULL) {
		buf_printf(out, "    hint: %s\n", d->hint);
	}
}
