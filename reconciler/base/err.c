/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * err.c - fixed-size error reports.
 *
 * Everything is formatted into the object itself, so that reporting works when memory is gone, and
 * every cut falls between two characters: a report with half a character in it breaks JSON output.
 */
#include "reconciler/base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xC0u) == 0x80u;
}

/* Bytes a character starting with c takes; 1 for what starts none. */
static size_t utf8_length(char c)
{
	unsigned char u = (unsigned char)c;

	if (u >= 0xF0u) {
		return 4;
	}
	if (u >= 0xE0u) {
		return 3;
	}
	return u >= 0xC0u ? 2 : 1;
}

/* The largest position <= at that does not divide a character of s. */
static size_t character_boundary(const char *s, size_t at)
{
	size_t start = at;

	while (start > 0 && at - start < 3 && is_continuation(s[start])) {
		start--;
	}
	if (start == at || start + utf8_length(s[start]) <= at) {
		return at;
	}
	return start;
}

static void mark_cut(char *out, size_t size)
{
	static const char dots[] = "...";
	size_t at;

	if (size < sizeof(dots)) {
		return;
	}
	at = size - sizeof(dots);
	/* The byte at the end was cut by vsnprintf: it is NUL and divides nothing, so look below.
	 */
	at = character_boundary(out, at);
	memcpy(out + at, dots, sizeof(dots));
}

static void ATTR_PRINTF(3, 0) format_cut(char *out, size_t size, const char *fmt, va_list ap)
{
	int n = vsnprintf(out, size, fmt, ap);

	if (n < 0) {
		out[0] = '\0';
	} else if ((size_t)n >= size) {
		mark_cut(out, size);
	}
}

static enum err_code code_of_errno(int sys)
{
	switch (sys) {
	case ENOENT:
		return ERR_NOT_FOUND;
	case EACCES:
	case EPERM:
		return ERR_DENIED;
	case ENOMEM:
		return ERR_NOMEM;
	default:
		return ERR_IO;
	}
}

static void raise_at(struct err *err, enum err_code code, int sys, const char *file, int line)
{
	/* A second raise would hide the first, which is nearer to the cause. */
	assert(err->code == ERR_OK);
	err->code = code;
	err->sys = sys;
	err->file = file;
	err->line = line;
	err->depth = 0;
	err->hint[0] = '\0';
}

enum err_code err_set_at(struct err *err, enum err_code code, int sys, const char *file, int line,
                         const char *fmt, ...)
{
	va_list ap;

	assert(code != ERR_OK);
	if (err == NULL) {
		return code;
	}
	raise_at(err, code, sys, file, line);
	va_start(ap, fmt);
	format_cut(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return code;
}

enum err_code err_set_sys_at(struct err *err, int sys, const char *file, int line, const char *fmt,
                             ...)
{
	enum err_code code = code_of_errno(sys);
	const char *text = strerrordesc_np(sys);
	char what[sizeof(err->msg)];
	size_t room;
	va_list ap;

	if (err == NULL) {
		return code;
	}
	if (text == NULL) {
		text = "unknown error";
	}
	raise_at(err, code, sys, file, line);
	/* The reason matters more than the end of a long name: it gets its room first. */
	room = sizeof(what) - strlen(text) - strlen(": ");
	va_start(ap, fmt);
	format_cut(what, room, fmt, ap);
	va_end(ap);
	int n = snprintf(err->msg, sizeof(err->msg), "%s: %s", what, text);
	assert(n >= 0 && (size_t)n < sizeof(err->msg));
	return code;
}

enum err_code err_wrap_with(struct err *err, const char *fmt, ...)
{
	size_t slot;
	va_list ap;

	if (err == NULL) {
		return ERR_BUG;
	}
	assert(err->code != ERR_OK);
	if (err->depth < ERR_CTX_MAX) {
		slot = err->depth++;
	} else {
		slot = ERR_CTX_MAX - 1;
	}
	va_start(ap, fmt);
	format_cut(err->ctx[slot], sizeof(err->ctx[slot]), fmt, ap);
	va_end(ap);
	return err->code;
}

enum err_code err_hint_with(struct err *err, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL) {
		return ERR_BUG;
	}
	assert(err->code != ERR_OK);
	if (err->hint[0] == '\0') {
		va_start(ap, fmt);
		format_cut(err->hint, sizeof(err->hint), fmt, ap);
		va_end(ap);
	}
	return err->code;
}

void err_clear(struct err *err)
{
	if (err != NULL) {
		*err = (struct err){ .code = ERR_OK };
	}
}

enum err_disposition err_disposition(enum err_code code)
{
	switch (code) {
	case ERR_CONFLICT:
		return ERR_REPLAN;
	case ERR_INVALID:
	case ERR_DENIED:
	case ERR_REFUSED:
	case ERR_NOT_FOUND:
		return ERR_NEEDS_HUMAN;
	case ERR_BUG:
		return ERR_GIVE_UP;
	case ERR_OK:
	case ERR_NOMEM:
	case ERR_IO:
	case ERR_NET:
	case ERR_RATE_LIMITED:
	case ERR_VERIFY:
		return ERR_RETRY;
	}
	return ERR_GIVE_UP;
}

const char *err_code_name(enum err_code code)
{
	switch (code) {
	case ERR_OK:
		return "ok";
	case ERR_NOMEM:
		return "no-memory";
	case ERR_INVALID:
		return "invalid";
	case ERR_NOT_FOUND:
		return "not-found";
	case ERR_DENIED:
		return "denied";
	case ERR_CONFLICT:
		return "conflict";
	case ERR_IO:
		return "io";
	case ERR_NET:
		return "net";
	case ERR_RATE_LIMITED:
		return "rate-limited";
	case ERR_REFUSED:
		return "refused";
	case ERR_VERIFY:
		return "verify";
	case ERR_BUG:
		return "bug";
	}
	return "unknown";
}

/* Appends as much of s as fits; false when something was cut. */
static bool append(char *out, size_t size, size_t *at, const char *s)
{
	size_t n = strlen(s);
	size_t room = size - *at - 1;
	bool fits = n <= room;

	if (!fits) {
		n = room;
	}
	memcpy(out + *at, s, n);
	*at += n;
	out[*at] = '\0';
	return fits;
}

void err_format(const struct err *err, char *out, size_t out_size)
{
	size_t at = 0;
	bool fits = true;

	if (out_size == 0) {
		return;
	}
	out[0] = '\0';
	for (size_t i = err->depth; i > 0 && fits; i--) {
		fits = append(out, out_size, &at, err->ctx[i - 1]) &&
		       append(out, out_size, &at, ": ");
	}
	fits = fits && append(out, out_size, &at, err->msg);
	if (!fits) {
		mark_cut(out, out_size);
	}
}
