/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * starttls_xmpp.c - RFC 6120 5, client to server and server to server.
 *
 * Read tag by tag (up to '>'), not as XML: what matters are four element names, and nothing that a
 * server could hide in the rest makes us read past <proceed/>.
 */
#include <stdio.h>
#include <string.h>

#include "reconciler/base/str.h"
#include "state/probe/starttls_impl.h"

enum { FEATURES, STREAM_ERROR, PROCEED };

static void xmpp_start(struct starttls *s)
{
	char open[sizeof(s->out)];

	/* It goes into an attribute: what is no host name is not said. */
	if (s->name[strcspn(s->name, "<>&'\"")] != '\0') {
		starttls_fail(s, "'%.100s' is no xmpp domain", s->name);
		return;
	}
	int n = snprintf(open, sizeof(open),
	                 "<?xml version='1.0'?><stream:stream xmlns='%s' "
	                 "xmlns:stream='http://etherx.jabber.org/streams' to='%s' version='1.0'>",
	                 (const char *)s->dialect->script, s->name);
	starttls_read_until(s, '>');
	if (n < 0) {
		starttls_fail(s, "'%.100s' is no xmpp domain", s->name);
		return;
	}
	starttls_say(s, open, (size_t)n); /* refuses what was cut */
	s->state = FEATURES;
}

/* The name of the tag read, without prefix; with '/' before it when it is an end tag. */
static void tag_name(const struct starttls *s, char *out, size_t size)
{
	const uint8_t *p = memchr(s->in, '<', s->n_in);
	size_t n = 0;

	for (const uint8_t *end = s->in + s->n_in; p != NULL && ++p < end && n + 1 < size;) {
		if (*p == ':') {
			n = n > 0 && out[0] == '/' ? 1 : 0;
		} else if (strchr(" \t\r\n>", *p) != NULL || (*p == '/' && n > 0)) {
			break;
		} else {
			out[n++] = (char)*p;
		}
	}
	out[n] = '\0';
}

static void features_done(struct starttls *s)
{
	if (s->code == 0) {
		starttls_fail(s, "the server does not offer TLS");
		return;
	}
	s->state = PROCEED;
	starttls_say_text(s, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
}

static void xmpp_step(struct starttls *s)
{
	char name[40];
	bool empty = s->n_in >= 2 && s->in[s->n_in - 2] == '/';

	tag_name(s, name, sizeof(name));
	if (s->state == STREAM_ERROR) {
		char said[TEXT_SHOWN + 1];
		starttls_printable(bytes_of_str(name), said);
		starttls_fail(s, "the server ends the stream (%s)", said);
	} else if (str_equal(name, "error")) {
		s->state = STREAM_ERROR;
	} else if (str_equal(name, "/stream")) {
		starttls_fail(s, "the server ends the stream");
	} else if (s->state == PROCEED) {
		if (str_equal(name, "proceed")) {
			s->want = STARTTLS_READY;
		} else {
			starttls_fail_said(s, "the server refuses TLS");
		}
	} else if (str_equal(name, "starttls")) {
		s->code = 1;
	} else if (str_equal(name, "/features") || (str_equal(name, "features") && empty)) {
		features_done(s);
	} else if (s->total == s->n_in && name[0] != '?' && !str_equal(name, "stream")) {
		starttls_fail_said(s, "what is spoken there is not xmpp");
	}
}

const struct starttls_dialect starttls_dialects_xmpp[] = {
	{ .word = "xmpp-client",
	  .port = 5222,
	  .start = xmpp_start,
	  .step = xmpp_step,
	  .script = "jabber:client" },
	{ .word = "xmpp-server",
	  .port = 5269,
	  .start = xmpp_start,
	  .step = xmpp_step,
	  .script = "jabber:server" },
	{ .word = NULL },
};
