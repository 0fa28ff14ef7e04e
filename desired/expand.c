/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * expand.c - one template language, read in one place: the loader's checks and the expansion see
 * the same pieces, so that what validates expands.
 */
#include "desired/expand.h"

#include <stdio.h>
#include <string.h>

#include "desired/template.h"
#include "reconciler/base/str.h"

bool text_is_template(const char *s)
{
	/* Hardly any text has even one brace, and one octet is found much faster than two. */
	const char *brace = s == NULL ? NULL : strchr(s, '{');

	return brace != NULL && strstr(brace, "{{") != NULL;
}

static bool is_word(const char *s, size_t n, const char *word)
{
	return strlen(word) == n && memcmp(s, word, n) == 0;
}

static void classify(struct piece *p)
{
	static const struct {
		const char *word;
		enum placeholder what;
	} words[] = {
		{ "host", PLACE_HOST },
		{ "host.short", PLACE_HOST_SHORT },
		{ "host.index", PLACE_HOST_INDEX },
		{ "otherHosts", PLACE_OTHER_HOSTS },
		{ "index", PLACE_INDEX },
		{ "serial", PLACE_SERIAL },
		{ "fingerprint8", PLACE_FINGERPRINT8 },
	};

	p->what = PLACE_UNKNOWN;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (is_word(p->s, p->n, words[i].word)) {
			p->what = words[i].what;
			return;
		}
	}
	if (p->n > 4 && memcmp(p->s, "var.", 4) == 0) {
		*p = (struct piece){ .what = PLACE_VAR, .s = p->s + 4, .n = p->n - 4 };
	} else if (p->n > 10 && memcmp(p->s, "notBefore:", 10) == 0 &&
	           template_time_valid(p->s + 10, p->n - 10)) {
		*p = (struct piece){ .what = PLACE_NOT_BEFORE, .s = p->s + 10, .n = p->n - 10 };
	}
}

bool template_next(const char **at, struct piece *ret)
{
	const char *s = *at;

	if (*s == '\0') {
		return false;
	}
	const char *open = strstr(s, "{{");
	if (open != s) {
		size_t n = open != NULL ? (size_t)(open - s) : strlen(s);
		*ret = (struct piece){ .what = PLACE_LITERAL, .s = s, .n = n };
		*at = s + n;
		return true;
	}
	const char *close = strstr(s + 2, "}}");
	if (close == NULL) {
		*ret = (struct piece){ .what = PLACE_OPEN, .s = s, .n = strlen(s) };
		*at = s + ret->n;
		return true;
	}
	*at = close + 2;
	s += 2;
	while (s < close && *s == ' ') {
		s++;
	}
	while (close > s && close[-1] == ' ') {
		close--;
	}
	*ret = (struct piece){ .s = s, .n = (size_t)(close - s) };
	classify(ret);
	return true;
}

bool placeholder_is_about_host(enum placeholder p)
{
	return p >= PLACE_HOST && p <= PLACE_VAR;
}

bool placeholder_is_about_cert(enum placeholder p)
{
	return p >= PLACE_INDEX && p <= PLACE_NOT_BEFORE;
}

bool template_time_valid(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '%' && (++i == n || strchr("YmdHMS", s[i]) == NULL)) {
			return false;
		}
	}
	return n > 0;
}

long target_column(const struct target *t, const char *name, size_t n)
{
	for (size_t i = 0; i < t->shared->n_columns; i++) {
		if (is_word(name, n, t->shared->columns[i])) {
			return (long)i;
		}
	}
	return -1;
}

static void add_other_hosts(const struct scope *s, const char *separator, struct buf *out)
{
	size_t n = 0;

	for (size_t i = 0; i < s->target->n_hosts; i++) {
		if (&s->target->hosts[i] != s->host) {
			buf_printf(out, "%s%s", n++ == 0 ? "" : separator,
			           s->target->hosts[i].name);
		}
	}
}

static void add_time(struct wall t, const struct piece *p, struct buf *out)
{
	struct civil c = when_civil(t);

	for (size_t i = 0; i < p->n; i++) {
		if (p->s[i] != '%') {
			buf_add_byte(out, (uint8_t)p->s[i]);
			continue;
		}
		switch (p->s[++i]) {
		case 'Y':
			buf_printf(out, "%04d", c.year);
			break;
		case 'm':
			buf_printf(out, "%02d", c.month);
			break;
		case 'd':
			buf_printf(out, "%02d", c.day);
			break;
		case 'H':
			buf_printf(out, "%02d", c.hour);
			break;
		case 'M':
			buf_printf(out, "%02d", c.minute);
			break;
		default:
			buf_printf(out, "%02d", c.second);
			break;
		}
	}
}

static void add_hex(struct bytes v, size_t limit, struct buf *out)
{
	for (size_t i = 0; i < v.n && i < limit; i++) {
		buf_printf(out, "%02x", (unsigned)v.p[i]);
	}
}

static bool add_about_host(const struct piece *p, const struct scope *s, struct buf *out)
{
	long column;

	if (s->host == NULL) {
		return false;
	}
	switch ((int)p->what) {
	case PLACE_HOST:
		buf_add_str(out, s->host->name);
		return true;
	case PLACE_HOST_SHORT:
		buf_add(out, s->host->name, strcspn(s->host->name, "."));
		return true;
	case PLACE_HOST_INDEX:
		buf_printf(out, "%zu", s->host->index);
		return true;
	case PLACE_OTHER_HOSTS:
		if (s->target == NULL) {
			return false;
		}
		add_other_hosts(s, ",", out);
		return true;
	default:
		column = s->target != NULL ? target_column(s->target, p->s, p->n) : -1;
		if (column < 0 || s->host->values == NULL) {
			return false;
		}
		buf_add_str(out, s->host->values[column]);
		return true;
	}
}

static bool add_about_cert(const struct piece *p, const struct scope *s, struct buf *out)
{
	if (s->cert == NULL) {
		return false;
	}
	switch ((int)p->what) {
	case PLACE_INDEX:
		buf_printf(out, "%zu", s->index);
		return true;
	case PLACE_SERIAL:
		add_hex(s->cert->serial, s->cert->serial.n, out);
		return true;
	case PLACE_FINGERPRINT8:
		add_hex(bytes_of(s->cert->sha256, sizeof(s->cert->sha256)), 4, out);
		return true;
	default:
		add_time(s->cert->not_before, p, out);
		return true;
	}
}

enum err_code expand_text(const char *s, const struct scope *scope, struct arena *arena,
                          const char **ret, struct err *err)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	const char *at = s;
	struct piece p;

	if (!text_is_template(s)) {
		*ret = s;
		return ERR_OK;
	}
	buf_init(&out, (size_t)1 << 20);
	while (template_next(&at, &p)) {
		bool ok = true;
		if (p.what == PLACE_LITERAL) {
			buf_add(&out, p.s, p.n);
		} else if (placeholder_is_about_host(p.what)) {
			ok = add_about_host(&p, scope, &out);
		} else {
			ok = placeholder_is_about_cert(p.what) && add_about_cert(&p, scope, &out);
		}
		if (!ok) {
			return err_set(err, ERR_INVALID, "'%.80s': '%.*s' has no value here", s,
			               (int)(p.n < 40 ? p.n : 40), p.s);
		}
	}
	enum err_code rc = buf_check(&out, "an expanded template", err);
	if (rc != ERR_OK) {
		return rc;
	}
	const char *text = arena_strn(arena, buf_str(&out), out.len);
	if (text == NULL) {
		return err_nomem(err);
	}
	*ret = text;
	return ERR_OK;
}
