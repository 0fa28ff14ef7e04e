/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * starttls.c - reading by line or by length, and the limits; what is said is in the dialects.
 *
 * A line or packet is kept up to a bound and counted beyond it: no dialect needs more of an answer
 * than its beginning, and a server may send what it likes.
 */
#include "state/probe/starttls.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "reconciler/base/str.h"
#include "state/probe/starttls_impl.h"

#define RECORD_ALERT     0x15
#define RECORD_HANDSHAKE 0x16

static const struct starttls_dialect *const groups[] = {
	starttls_dialects_lines,
	starttls_dialects_binary,
	starttls_dialects_xmpp,
};

const struct starttls_dialect *starttls_nth(size_t i)
{
	for (size_t g = 0; g < ARRAY_LEN(groups); g++) {
		for (const struct starttls_dialect *d = groups[g]; d->word != NULL; d++) {
			if (i-- == 0) {
				return d;
			}
		}
	}
	return NULL;
}

const struct starttls_dialect *starttls_find(const char *word)
{
	const struct starttls_dialect *d;

	for (size_t i = 0; (d = starttls_nth(i)) != NULL; i++) {
		if (str_equal(d->word, word)) {
			return d;
		}
	}
	return NULL;
}

void starttls_fail(struct starttls *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(s->error, sizeof(s->error), fmt, ap);
	va_end(ap);
	s->want = STARTTLS_FAILED;
}

void starttls_printable(struct bytes said, char out[TEXT_SHOWN + 1])
{
	size_t n = 0;

	while (n < said.n && n < TEXT_SHOWN && said.p[n] != '\r' && said.p[n] != '\n') {
		char c = (char)said.p[n];
		out[n] = '?';
		if (c >= ' ' && c <= '~') {
			out[n] = c;
		}
		n++;
	}
	out[n] = '\0';
}

void starttls_fail_said(struct starttls *s, const char *what)
{
	char text[TEXT_SHOWN + 1];

	starttls_printable(bytes_of(s->in, s->n_in), text);
	starttls_fail(s, "%s: \"%s\"", what, text);
}

void starttls_say(struct starttls *s, const void *p, size_t n)
{
	if (n > sizeof(s->out)) {
		starttls_fail(s, "starttls %s: the name is too long to be said", s->dialect->word);
		return;
	}
	memcpy(s->out, p, n);
	s->n_out = n;
	s->n_sent = 0;
	s->want = STARTTLS_SEND;
}

void starttls_say_text(struct starttls *s, const char *text)
{
	starttls_say(s, text, strlen(text));
}

void starttls_read_until(struct starttls *s, int octet)
{
	s->until = octet;
	s->n_in = 0;
}

void starttls_read_octets(struct starttls *s, size_t n)
{
	s->until = -1;
	s->need = n;
	s->n_in = 0;
}

bool starttls_in_starts(const struct starttls *s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s->n_in >= n && strncasecmp((const char *)s->in, prefix, n) == 0;
}

void starttls_start(struct starttls *s, const struct starttls_dialect *d, const char *name)
{
	memset(s, 0, sizeof(*s));
	s->dialect = d;
	s->name = name;
	s->want = STARTTLS_RECEIVE;
	s->until = '\n';
	d->start(s);
}

struct bytes starttls_out(const struct starttls *s)
{
	return s->want == STARTTLS_SEND ? bytes_of(s->out + s->n_sent, s->n_out - s->n_sent)
	                                : bytes_of(NULL, 0);
}

void starttls_sent(struct starttls *s, size_t n)
{
	s->n_sent += n;
	if (s->n_sent >= s->n_out) {
		s->want = s->until >= 0 || s->need > 0 ? STARTTLS_RECEIVE : STARTTLS_READY;
	}
}

static void keep(struct starttls *s, struct bytes v)
{
	size_t room = sizeof(s->in) - s->n_in;
	size_t n = v.n < room ? v.n : room;

	memcpy(s->in + s->n_in, v.p, n);
	s->n_in += n;
}

/* Part of a line or packet, up to its end. */
static size_t take_some(struct starttls *s, struct bytes seen)
{
	size_t n = seen.n;
	bool whole;

	if (s->until >= 0) {
		const uint8_t *end = memchr(seen.p, s->until, seen.n);
		whole = end != NULL;
		n = whole ? (size_t)(end - seen.p) + 1 : n;
	} else {
		n = s->need < n ? s->need : n;
		s->need -= n;
		whole = s->need == 0;
	}
	keep(s, bytes_of(seen.p, n));
	s->total += n;
	if (whole) {
		s->dialect->step(s);
		s->n_in = 0;
	}
	return n;
}

static void refuse_tls(struct starttls *s)
{
	starttls_fail(s, "TLS is spoken there at once, without starttls");
}

size_t starttls_take(struct starttls *s, struct bytes seen)
{
	size_t used = 0;

	if (s->want == STARTTLS_RECEIVE && s->total == 0 && seen.n > 0 && s->until == '\n' &&
	    (seen.p[0] == RECORD_HANDSHAKE || seen.p[0] == RECORD_ALERT)) {
		refuse_tls(s);
	}
	while (s->want == STARTTLS_RECEIVE && used < seen.n) {
		size_t left = STARTTLS_TOTAL_MAX - s->total;
		if (left == 0) {
			starttls_fail(s, "what the server says before TLS has no end");
			break;
		}
		size_t n = seen.n - used < left ? seen.n - used : left;
		used += take_some(s, bytes_of(seen.p + used, n));
	}
	return used;
}

void starttls_eof(struct starttls *s)
{
	if (s->want == STARTTLS_READY || s->want == STARTTLS_FAILED) {
		return;
	}
	starttls_fail(s, "the server closed the connection %s",
	              s->total == 0 ? "without a word" : "before TLS could begin");
}

const char *starttls_waiting(const struct starttls *s)
{
	if (s->total > 0) {
		return "the server fell silent before TLS could begin";
	}
	return s->until == '\n' ? "the server does not greet: TLS may be spoken there at once"
	                        : "the server does not answer the request for TLS";
}
