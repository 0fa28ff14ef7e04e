/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * starttls_lines.c - protocols of lines: smtp, lmtp, ftp and nntp with three digits, imap, pop3 and
 * sieve with words.
 *
 * We ask for TLS whether it is advertised or not: the answer tells more than a missing keyword, and
 * some relays hide the keyword.
 */
#include <string.h>

#include "state/probe/starttls_impl.h"

enum { GREETING, HELLO, ANSWER };

struct replies {
	const char *greeting; /* beginning of the code */
	const char *hello, *hello_code;
	const char *ask, *code;
};

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* The code of a reply's last line, 0 while there is more, -1: no reply. RFC 959 4.2 lets lines
 * between first and last say anything. */
static int reply_code(struct starttls *s)
{
	bool coded = s->n_in >= 4 && is_digit(s->in[0]) && is_digit(s->in[1]) && is_digit(s->in[2]);
	int code = coded ? (s->in[0] - '0') * 100 + (s->in[1] - '0') * 10 + (s->in[2] - '0') : -1;

	if (coded && s->in[3] == '-' && (s->code == 0 || s->code == code)) {
		s->code = code;
		return 0;
	}
	if (s->code != 0 && code != s->code) {
		return 0;
	}
	s->code = 0;
	return code;
}

static void ask(struct starttls *s, const struct replies *r)
{
	s->state = ANSWER;
	starttls_say_text(s, r->ask);
}

static void replies_greeted(struct starttls *s, const struct replies *r)
{
	if (!starttls_in_starts(s, r->greeting)) {
		starttls_fail_said(s, "the server does not welcome us");
	} else if (r->hello != NULL) {
		s->state = HELLO;
		starttls_say_text(s, r->hello);
	} else {
		ask(s, r);
	}
}

static void replies_step(struct starttls *s)
{
	const struct replies *r = s->dialect->script;
	int code = reply_code(s);

	if (code == 0) {
		return;
	}
	if (code < 0) {
		starttls_fail_said(s, "what is spoken there is another protocol");
	} else if (s->state == GREETING) {
		replies_greeted(s, r);
	} else if (s->state == HELLO) {
		if (starttls_in_starts(s, r->hello_code)) {
			ask(s, r);
		} else {
			starttls_fail_said(s, "the server refuses our greeting");
		}
	} else if (starttls_in_starts(s, r->code)) {
		s->want = STARTTLS_READY;
	} else {
		starttls_fail_said(s, "the server refuses TLS");
	}
}

static void replies_start(struct starttls *s)
{
	s->state = GREETING;
}

static void imap_step(struct starttls *s)
{
	if (s->state == GREETING) {
		if (starttls_in_starts(s, "* OK") || starttls_in_starts(s, "* PREAUTH")) {
			s->state = ANSWER;
			starttls_say_text(s, "a1 STARTTLS\r\n");
		} else {
			starttls_fail_said(s, starttls_in_starts(s, "* BYE")
			                              ? "the server does not welcome us"
			                              : "what is spoken there is another protocol");
		}
	} else if (starttls_in_starts(s, "a1 OK")) {
		s->want = STARTTLS_READY;
	} else if (!starttls_in_starts(s, "* ") || starttls_in_starts(s, "* BYE")) {
		starttls_fail_said(s, "the server refuses TLS");
	}
}

static void pop3_step(struct starttls *s)
{
	bool ok = starttls_in_starts(s, "+OK");

	if (!ok) {
		starttls_fail_said(s, s->state == ANSWER ? "the server refuses TLS"
		                      : starttls_in_starts(s, "-ERR")
		                              ? "the server does not welcome us"
		                              : "what is spoken there is another protocol");
	} else if (s->state == GREETING) {
		s->state = ANSWER;
		starttls_say_text(s, "STLS\r\n");
	} else {
		s->want = STARTTLS_READY;
	}
}

/* A word of its own at the beginning of the line. */
static bool first_word(const struct starttls *s, const char *word)
{
	size_t n = strlen(word);

	return starttls_in_starts(s, word) && (s->n_in == n || strchr(" (\r\n", s->in[n]) != NULL);
}

static void sieve_step(struct starttls *s)
{
	if (first_word(s, "NO") || first_word(s, "BYE")) {
		starttls_fail_said(s, s->state == GREETING ? "the server does not welcome us"
		                                           : "the server refuses TLS");
	} else if (!first_word(s, "OK")) {
		/* RFC 5804 1.7: capabilities are quoted strings, a line each */
		if (s->in[0] != '"') {
			starttls_fail_said(s, "what is spoken there is another protocol");
		}
	} else if (s->state == GREETING) {
		s->state = ANSWER;
		starttls_say_text(s, "STARTTLS\r\n");
	} else {
		s->want = STARTTLS_READY;
	}
}

/* RFC 6761: a name that certainly is nobody's. */
static const struct replies smtp = { "220", "EHLO certwright.invalid\r\n", "250", "STARTTLS\r\n",
	                             "220" };
static const struct replies lmtp = { "220", "LHLO certwright.invalid\r\n", "250", "STARTTLS\r\n",
	                             "220" };
static const struct replies ftp = { "220", NULL, NULL, "AUTH TLS\r\n", "234" };
static const struct replies nntp = { "20", NULL, NULL, "STARTTLS\r\n", "382" };

const struct starttls_dialect starttls_dialects_lines[] = {
	{ .word = "smtp",
	  .port = 25,
	  .start = replies_start,
	  .step = replies_step,
	  .script = &smtp },
	{ .word = "lmtp",
	  .port = 24,
	  .start = replies_start,
	  .step = replies_step,
	  .script = &lmtp },
	{ .word = "imap", .port = 143, .start = replies_start, .step = imap_step },
	{ .word = "pop3", .port = 110, .start = replies_start, .step = pop3_step },
	{ .word = "sieve", .port = 4190, .start = replies_start, .step = sieve_step },
	{ .word = "ftp", .port = 21, .start = replies_start, .step = replies_step, .script = &ftp },
	{ .word = "nntp",
	  .port = 119,
	  .start = replies_start,
	  .step = replies_step,
	  .script = &nntp },
	{ .word = NULL },
};
