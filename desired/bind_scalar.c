/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bind_scalar.c - single words: text, numbers, durations, enumerations.
 *
 * A plain word is what its field makes of it: YAML 1.1's no, 0777, 12:30:00 and 2026-01-01 stay the
 * text that was written where text is wanted, and are refused where it is not.
 */
#include <stdio.h>
#include <string.h>

#include "desired/bind.h"
#include "desired/describe.h"
#include "desired/expand.h"
#include "desired/hosts.h"
#include "desired/tables.h"
#include "reconciler/base/str.h"
#include "reconciler/base/when.h"
#include "reconciler/pki/cert.h"
#include "reconciler/pki/names.h"

bool bind_scalar(struct bind *b, const struct field *f, const char *expected,
                 const struct yml_event *ev, struct text *ret)
{
	if (ev->what != YML_SCALAR || bind_is_null(ev)) {
		bind_wrong_type(b, f, expected, ev);
		return false;
	}
	if (strlen(ev->s) != ev->n) {
		bind_report(b, ev->pos, /* hint= */ NULL, "%s: holds a NUL character", f->name);
		return false;
	}
	ret->s = ev->kept ? ev->s : bind_store(b, ev->s, ev->n);
	ret->pos = ev->pos;
	return ret->s != NULL;
}

size_t text_characters(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++) {
		n += ((unsigned char)*s & 0xc0) != 0x80;
	}
	return n;
}

static bool path_stays_inside(const char *s)
{
	if (s[0] == '/' || s[0] == '\0') {
		return false;
	}
	for (const char *p = s; p != NULL; p = strchr(p, '/')) {
		p += *p == '/';
		size_t n = strcspn(p, "/");
		if (n == 0 || (n == 2 && memcmp(p, "..", 2) == 0) ||
		    (n == 4 && memcmp(p, ".git", 4) == 0)) {
			return false;
		}
	}
	return true;
}

static bool oid_valid(const char *s)
{
	unsigned arcs = 0;

	for (const char *p = s;; p++) {
		size_t n = strspn(p, "0123456789");
		if (n == 0 || n > 18 || (n > 1 && *p == '0')) {
			return false;
		}
		if (arcs == 0 && (n > 1 || *p > '2')) {
			return false;
		}
		arcs++;
		p += n;
		if (*p == '\0') {
			return arcs >= 2;
		}
		if (*p != '.') {
			return false;
		}
	}
}

static bool object_name_valid(const char *s)
{
	size_t n = 0;

	for (; s[n] != '\0'; n++) {
		bool plain = (s[n] >= 'a' && s[n] <= 'z') || (s[n] >= '0' && s[n] <= '9');
		if (!plain && s[n] != '-' && s[n] != '.') {
			return false;
		}
	}
	return n > 0 && n <= 253 && strchr("-.", s[0]) == NULL && strchr("-.", s[n - 1]) == NULL;
}

static bool uri_valid(const char *s)
{
	size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");

	if (n == 0 || strchr("0123456789+-.", s[0]) != NULL || s[n] != ':' || s[n + 1] == '\0') {
		return false;
	}
	for (; *s != '\0'; s++) {
		if (*s <= ' ' || *s == 0x7f) {
			return false;
		}
	}
	return true;
}

bool text_valid_as(enum text_format format, const char *s)
{
	struct ip_addr ip;
	struct ip_net net;
	uint8_t sha256[SHA256_BYTES];
	size_t n = 0;
	char host[256];

	switch (format) {
	case FORMAT_NONE:
	case FORMAT_COUNT:
		return true;
	case FORMAT_OBJECT_NAME:
		return object_name_valid(s);
	case FORMAT_HOST:
		return host_name_valid(s);
	case FORMAT_DNS:
		return dns_name_valid(s);
	case FORMAT_DNS_CONSTRAINT:
		return s[0] == '\0' || dns_name_valid(s + (s[0] == '.'));
	case FORMAT_IP:
		return ip_parse(s, &ip);
	case FORMAT_NETWORK:
		return ip_net_parse(s, &net);
	case FORMAT_URI:
		return uri_valid(s);
	case FORMAT_EMAIL:
		return s[0] != '@' && email_host(s, host, sizeof(host));
	case FORMAT_OID:
		return oid_valid(s);
	case FORMAT_ABSOLUTE:
		return s[0] == '/';
	case FORMAT_REPOSITORY:
		return path_stays_inside(s);
	case FORMAT_FINGERPRINT:
		return hex_decode(s, sha256, sizeof(sha256), &n) && n == sizeof(sha256);
	case FORMAT_TIMEZONE:
		return window_timezone_exists(s);
	}
	return true;
}

bool bind_text(struct bind *b, const struct field *f, const struct yml_event *ev, struct text *ret)
{
	struct text t;

	if (!bind_scalar(b, f, format_words(f->format), ev, &t)) {
		return false;
	}
	bool templated = (f->flags & (FIELD_HOST_TEMPLATE | FIELD_ALIAS_TEMPLATE)) != 0 &&
	                 text_is_template(t.s);
	int64_t max = f->max > 0 ? f->max : TEXT_VALUE_MAX;
	if ((f->flags & FIELD_UNBOUNDED) == 0 && !templated && ev->n > (size_t)max &&
	    text_characters(t.s) > (size_t)max) {
		bind_report(b, ev->pos, /* hint= */ NULL, "%s: longer than %lld characters",
		            f->name, (long long)max);
		return false;
	}
	if (f->format != FORMAT_NONE && !templated && !text_valid_as(f->format, t.s)) {
		bind_report(b, ev->pos, /* hint= */ NULL, "%s: expected %s, found '%.80s'", f->name,
		            format_words(f->format), t.s);
		return false;
	}
	if (t.s[0] == '\0' && f->format == FORMAT_NONE && f->min > 0) {
		bind_report(b, ev->pos, /* hint= */ NULL, "%s: must not be empty", f->name);
		return false;
	}
	*ret = t;
	return true;
}

static void push_text(struct bind *b, const struct field *f, const struct yml_event *ev, void *arg)
{
	struct text t;

	(void)arg;
	if (bind_text(b, f, ev, &t)) {
		(void)bind_push_text(b, t);
	}
}

void bind_texts(struct bind *b, const struct field *f, const struct yml_event *first,
                struct texts *ret)
{
	size_t mark = b->n_texts;

	bind_each(b, f, first, push_text, /* arg= */ NULL);
	*ret = bind_take_texts(b, mark);
}

void bind_bool(struct bind *b, const struct field *f, const struct yml_event *ev, void *at)
{
	static const struct {
		const char *word;
		bool value;
	} others[] = { { "yes", true },  { "on", true }, { "y", true },    { "no", false },
		       { "off", false }, { "n", false }, { "true", true }, { "false", false } };
	bool v;

	if (ev->what == YML_SCALAR && ev->plain &&
	    (strcmp(ev->s, "true") == 0 || strcmp(ev->s, "false") == 0)) {
		v = ev->s[0] == 't';
		if (f->width == sizeof(v)) {
			memcpy(at, &v, sizeof(v));
		}
		return;
	}
	for (size_t i = 0; ev->what == YML_SCALAR && i < ARRAY_LEN(others); i++) {
		if (str_casecmp_ascii(ev->s, others[i].word) == 0) {
			bind_report(b, ev->pos,
			            arena_printf(b->arena, "write %s, without quotes",
			                         others[i].value ? "true" : "false"),
			            "%s: expected true or false, found '%s'", f->name, ev->s);
			return;
		}
	}
	bind_wrong_type(b, f, "true or false", ev);
}

static void out_of_range(struct bind *b, const struct field *f, const struct yml_event *ev)
{
	char min[FIELD_BOUND_SIZE], max[FIELD_BOUND_SIZE];

	if (!field_bounds(f, min, max)) {
		bind_report(b, ev->pos, /* hint= */ NULL, "%s: must be at least %s, found %s",
		            f->name, min, ev->s);
	} else {
		bind_report(b, ev->pos, /* hint= */ NULL, "%s: must be from %s to %s, found %s",
		            f->name, min, max, ev->s);
	}
}

static bool within(const struct field *f, int64_t v)
{
	return (f->min == 0 && f->max == 0) || (v >= f->min && (f->max == 0 || v <= f->max));
}

void bind_int(struct bind *b, const struct field *f, const struct yml_event *ev, void *at)
{
	int64_t v;
	const char *s = ev->s;
	char digits[24];
	bool percent = false;

	if (ev->what == YML_SCALAR && f->type == FIELD_PERCENT && ev->n > 1 && ev->n < 8 &&
	    s[ev->n - 1] == '%') {
		memcpy(digits, s, ev->n - 1);
		digits[ev->n - 1] = '\0';
		s = digits;
		percent = true;
	}
	const char *expected =
		f->type == FIELD_PERCENT ? "a percentage such as 50%" : "a whole number";
	if (ev->what != YML_SCALAR || (!ev->plain && !percent) ||
	    !str_to_i64(s, INT32_MIN, INT32_MAX, &v) || (s[s[0] == '-'] == '0' && s[1] != '\0') ||
	    s[0] == '+') {
		bind_wrong_type(b, f, expected, ev);
		return;
	}
	if (!within(f, v)) {
		out_of_range(b, f, ev);
		return;
	}
	int32_t n = (int32_t)v;
	if (f->width == sizeof(n)) {
		memcpy(at, &n, sizeof(n));
	}
}

void bind_duration(struct bind *b, const struct field *f, const struct yml_event *ev, void *at)
{
	int64_t v;

	if (ev->what == YML_SCALAR && f->type == FIELD_URGENT && strcmp(ev->s, "never") == 0) {
		v = -1;
	} else if (ev->what != YML_SCALAR || !duration_parse(ev->s, &v)) {
		bind_wrong_type(b, f, "a duration such as 90d, 2160h or 15m", ev);
		return;
	} else if (!within(f, v)) {
		out_of_range(b, f, ev);
		return;
	}
	if (f->width == sizeof(v)) {
		memcpy(at, &v, sizeof(v));
	}
}

static const char *word_list(struct bind *b, const struct word *words)
{
	CLEANUP(buf_release) struct buf out = { 0 };

	buf_init(&out, 2048);
	for (const struct word *w = words; w->name != NULL; w++) {
		buf_printf(&out, "%s%s", w == words ? "" : ", ",
		           w->name[0] == '\0' ? "''" : w->name);
	}
	return arena_str(b->arena, buf_str(&out));
}

static const struct word *find_word(struct bind *b, const struct field *f,
                                    const struct yml_event *ev)
{
	const char *names[64];
	const char *near = NULL;
	size_t n = 0;

	if (ev->what != YML_SCALAR || bind_is_null(ev)) {
		bind_wrong_type(b, f, arena_printf(b->arena, "one of %s", word_list(b, f->words)),
		                ev);
		return NULL;
	}
	for (const struct word *w = f->words; w->name != NULL; w++) {
		if (strcmp(w->name, ev->s) == 0) {
			return w;
		}
		if (str_casecmp_ascii(w->name, ev->s) == 0) {
			near = w->name;
		}
		if (n < ARRAY_LEN(names)) {
			names[n++] = w->name;
		}
	}
	if ((f->flags & FIELD_CONFIDENTIAL) != 0) {
		bind_report(b, ev->pos, BIND_SECRET_HINT, "%s: expected one of %s", f->name,
		            word_list(b, f->words));
		diags_hide_line(b->diags);
		return NULL;
	}
	if (near == NULL) {
		near = str_nearest(ev->s, names, n);
	}
	bind_report(b, ev->pos, diags_did_you_mean(b->diags, near),
	            "%s: expected one of %s, found '%.60s'", f->name, word_list(b, f->words),
	            ev->s);
	return NULL;
}

void bind_enum(struct bind *b, const struct field *f, const struct yml_event *ev, void *at)
{
	const struct word *w = find_word(b, f, ev);
	bool flag = w != NULL && w->value != 0;

	if (w == NULL) {
		return;
	}
	if (w->value < 0) {
		bind_report(b, ev->pos, /* hint= */ NULL,
		            "%s: '%s' is not supported by this release", f->name, w->name);
	} else if (f->type == FIELD_WORD) {
		struct text t = { .s = w->name, .pos = ev->pos };
		memcpy(at, &t, f->width == sizeof(t) ? sizeof(t) : 0);
	} else if (f->width == sizeof(flag)) {
		memcpy(at, &flag, sizeof(flag));
	} else if (f->width == sizeof(w->value)) {
		memcpy(at, &w->value, sizeof(w->value));
	}
}
