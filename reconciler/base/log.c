/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.c - a line is built whole and written with one write(), so that lines of several processes
 * do not mix. No time in it: journald and every supervisor add their own.
 */
#include "reconciler/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "reconciler/base/buf.h"
#include "reconciler/base/json.h"
#include "reconciler/base/str.h"

#define LINE_LIMIT ((size_t)64 << 10)

void log_init(struct log *l, int fd, enum log_level level, bool json)
{
	*l = (struct log){ .fd = fd, .level = level, .json = json };
}

static const char *level_name(enum log_level level)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };

	return names[level];
}

static bool is_bare(const char *s)
{
	static const char bare[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				   "._:@/+-";

	return *s != '\0' && s[strspn(s, bare)] == '\0';
}

static void add_value(struct buf *b, const char *s)
{
	if (is_bare(s)) {
		buf_add_str(b, s);
		return;
	}
	buf_add_byte(b, '"');
	while (*s != '\0') {
		size_t n = strcspn(s, "\"");

		str_escape_terminal(b, s, n);
		s += n;
		if (*s == '"') {
			buf_add_str(b, "\\\"");
			s++;
		}
	}
	buf_add_byte(b, '"');
}

static void add_field(struct buf *b, const char *key, const char *value)
{
	if (b->len > 0) {
		buf_add_byte(b, ' ');
	}
	buf_add_str(b, key);
	buf_add_byte(b, '=');
	add_value(b, value == NULL ? "" : value);
}

static void build_text(struct buf *b, enum log_level level, const char *event, va_list ap)
{
	const char *key;

	add_field(b, "event", event);
	if (level != LOG_LEVEL_INFO) {
		add_field(b, "level", level_name(level));
	}
	while ((key = va_arg(ap, const char *)) != NULL) {
		add_field(b, key, va_arg(ap, const char *));
	}
}

static void build_json(struct buf *b, enum log_level level, const char *event, va_list ap)
{
	struct json_writer w;
	const char *key;

	json_writer_init(&w, b, /* pretty= */ false);
	json_begin_object(&w);
	json_member_str(&w, "event", event);
	json_member_str(&w, "level", level_name(level));
	while ((key = va_arg(ap, const char *)) != NULL) {
		json_member_str(&w, key, va_arg(ap, const char *));
	}
	json_end_object(&w);
}

static void write_all(int fd, struct bytes line)
{
	while (line.n > 0) {
		ssize_t n = write(fd, line.p, line.n);

		/* A log that cannot be written has nowhere to complain. */
		if (n <= 0 && errno != EINTR) {
			return;
		}
		if (n > 0) {
			line = bytes_of(line.p + n, line.n - (size_t)n);
		}
	}
}

void log_event(struct log *l, enum log_level level, const char *event, ...)
{
	CLEANUP(buf_release) struct buf b;
	int kept = errno;
	va_list ap;

	buf_init(&b, LINE_LIMIT);
	if (level > l->level) {
		return;
	}
	va_start(ap, event);
	if (l->json) {
		build_json(&b, level, event, ap);
	} else {
		build_text(&b, level, event, ap);
	}
	va_end(ap);
	buf_add_byte(&b, '\n');
	if (buf_failed(&b)) {
		buf_reset(&b);
		buf_printf(&b,
		           l->json ? "{\"event\":\"%s\",\"cut\":true}\n" : "event=%s cut=true\n",
		           event);
	}
	write_all(l->fd, buf_view(&b));
	errno = kept;
}
