/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_starttls.c - dialogs as servers hold them, octet by octet and at once: what we say, where
 * reading stops, and the sentence when it comes to nothing.
 */
#include <stdio.h>
#include <string.h>

#include "reconciler/base/attr.h"
#include "state/probe/starttls.h"
#include "tests/unit/unit.h"

#define HELLO "\x16\x03\x03\x00\x7a" /* what follows is not the dialog's */
#define B(s)  s, sizeof(s) - 1
#define TURNS 4

/* The server says, then we say; an empty turn of ours ends the dialog. */
struct dialog {
	const char *word;
	struct {
		const char *they;
		size_t n_they;
		const char *we;
		size_t n_we;
	} turns[TURNS];
	const char *error; /* NULL: TLS begins */
};

static const char xmpp_open[] =
	"<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
	"xmlns:stream='http://etherx.jabber.org/streams' to='h.example' version='1.0'>";
static const char xmpp_ask[] = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
static const char ldap_ask[] = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16"
			       "1.3.6.1.4.1.1466.20037";
static const char rdp_ask[] = "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00"
			      "\x00\x00";
static const char mssql_ask[] = "\x12\x01\x00\x1a\x00\x00\x01\x00\x00\x00\x0b\x00\x06\x01\x00\x11"
				"\x00\x01\xff\x00\x00\x00\x00\x00\x00\x01";
static const char postgres_ask[] = "\x00\x00\x00\x08\x04\xd2\x16\x2f";
static const char mysql_greeting[] = "\x4a\x00\x00\x00\x0a"
				     "8.0.36\x00\x08\x00\x00\x00"
				     "abcdefgh\x00\xff\xff\xff\x02\x00\xff\xdf\x15"
				     "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
				     "abcdefghijkl\x00"
				     "caching_sha2_password\x00";
static const char mysql_ask[] =
	"\x20\x00\x00\x01\x01\x8a\x00\x00\x00\x00\x00\x01\x21"
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";

static const struct dialog dialogs[] = {
	{ "smtp",
	  { { B("220 mail.example ESMTP Postfix\r\n"), B("EHLO certwright.invalid\r\n") },
	    { B("250-mail.example\r\n250-STARTTLS\r\n250 DSN\r\n"), B("STARTTLS\r\n") },
	    { B("220 2.0.0 Ready to start TLS\r\n"), NULL, 0 } },
	  NULL },
	{ "smtp",
	  { { B("220-first\r\n220 second\n"), B("EHLO certwright.invalid\r\n") },
	    { B("250 mail.example\n"), B("STARTTLS\r\n") },
	    { B("502 5.5.1 not implemented\r\n"), NULL, 0 } },
	  "the server refuses TLS: \"502 5.5.1 not implemented\"" },
	{ "smtp",
	  { { B("554 go away\r\n"), NULL, 0 } },
	  "the server does not welcome us: \"554 go" },
	{ "smtp", { { B("* OK imap\r\n"), NULL, 0 } }, "another protocol: \"* OK imap\"" },
	{ "smtp",
	  { { B("HTTP/1.1 400 Bad Request\r\n"), NULL, 0 } },
	  "another protocol: \"HTTP/1.1 400" },
	{ "smtp", { { B("\x16\x03\x03\x00\x02"), NULL, 0 } }, "TLS is spoken there at once" },
	{ "smtp",
	  { { B("220 x\r\n"), B("EHLO certwright.invalid\r\n") },
	    { B("501 \xffno\x1b such host\r\n"), NULL, 0 } },
	  "refuses our greeting: \"501 ?no? such host\"" },
	{ "lmtp",
	  { { B("220 x\r\n"), B("LHLO certwright.invalid\r\n") },
	    { B("250 x\r\n"), B("STARTTLS\r\n") },
	    { B("220 go\r\n"), NULL, 0 } },
	  NULL },
	{ "imap",
	  { { B("* OK [CAPABILITY IMAP4rev1 STARTTLS] ready.\r\n"), B("a1 STARTTLS\r\n") },
	    { B("* BAD noise\r\na1 OK Begin TLS\r\n"), NULL, 0 } },
	  NULL },
	{ "imap",
	  { { B("* OK x\r\n"), B("a1 STARTTLS\r\n") }, { B("a1 BAD unknown\r\n"), NULL, 0 } },
	  "refuses TLS: \"a1 BAD unknown\"" },
	{ "imap", { { B("* BYE full\r\n"), NULL, 0 } }, "does not welcome us: \"* BYE full\"" },
	{ "pop3",
	  { { B("+OK Dovecot ready.\r\n"), B("STLS\r\n") }, { B("+OK Begin\r\n"), NULL, 0 } },
	  NULL },
	{ "pop3",
	  { { B("+OK\r\n"), B("STLS\r\n") }, { B("-ERR no\r\n"), NULL, 0 } },
	  "refuses TLS: \"-ERR no\"" },
	{ "sieve",
	  { { B("\"IMPLEMENTATION\" \"Dovecot\"\r\n\"STARTTLS\"\r\nOK \"ready.\"\r\n"),
	      B("STARTTLS\r\n") },
	    { B("OK \"Begin TLS\"\r\n"), NULL, 0 } },
	  NULL },
	{ "sieve",
	  { { B("\"OKAY\" \"x\"\r\nOK\r\n"), B("STARTTLS\r\n") },
	    { B("NO \"not now\"\r\n"), NULL, 0 } },
	  "refuses TLS: \"NO \"not now\"\"" },
	{ "ftp",
	  { { B("220-Welcome\r\n to this\r\n330 jokes\r\n220 end\r\n"), B("AUTH TLS\r\n") },
	    { B("234 Proceed with negotiation.\r\n"), NULL, 0 } },
	  NULL },
	{ "ftp",
	  { { B("220 (vsFTPd)\r\n"), B("AUTH TLS\r\n") },
	    { B("530 Please login with USER and PASS.\r\n"), NULL, 0 } },
	  "refuses TLS: \"530 Please" },
	{ "nntp",
	  { { B("201 news\r\n"), B("STARTTLS\r\n") }, { B("382 go\r\n"), NULL, 0 } },
	  NULL },
	{ "nntp",
	  { { B("200 news\r\n"), B("STARTTLS\r\n") }, { B("580 no\r\n"), NULL, 0 } },
	  "refuses TLS: \"580 no\"" },
	{ "ldap",
	  { { NULL, 0, B(ldap_ask) },
	    { B("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"), NULL, 0 } },
	  NULL },
	{ "ldap", /* lengths as Active Directory writes them, and the name of the operation */
	  { { NULL, 0, B(ldap_ask) },
	    { B("\x30\x84\x00\x00\x00\x28\x02\x01\x01\x78\x84\x00\x00\x00\x1f\x0a\x01\x00\x04\x00"
	        "\x04\x00\x8a\x16"
	        "1.3.6.1.4.1.1466.20037"),
	      NULL, 0 } },
	  NULL },
	{ "ldap",
	  { { NULL, 0, B(ldap_ask) },
	    { B("\x30\x1b\x02\x01\x01\x78\x16\x0a\x01\x34\x04\x00\x04\x0fno certificate"), NULL,
	      0 } },
	  "(ldap result 52): \"no certificate" },
	{ "ldap", { { NULL, 0, B(ldap_ask) }, { B("HTTP/1.1"), NULL, 0 } }, "not ldap" },
	{ "ldap",
	  { { NULL, 0, B(ldap_ask) }, { B("\x30\x84\xff\xff\xff\xff"), NULL, 0 } },
	  "not ldap" },
	{ "ldap",
	  { { NULL, 0, B(ldap_ask) }, { B("\x30\x03\x02\x01\x01"), NULL, 0 } },
	  "as ldap does" },
	{ "postgres", { { NULL, 0, B(postgres_ask) }, { B("S"), NULL, 0 } }, NULL },
	{ "postgres", { { NULL, 0, B(postgres_ask) }, { B("N"), NULL, 0 } }, "ssl = off" },
	{ "postgres", { { NULL, 0, B(postgres_ask) }, { B("E"), NULL, 0 } }, "with an error" },
	{ "postgres", { { NULL, 0, B(postgres_ask) }, { B("H"), NULL, 0 } }, "not postgres" },
	{ "postgres-direct", { { NULL, 0, NULL, 0 } }, NULL },
	{ "mysql", { { mysql_greeting, 78, B(mysql_ask) } }, NULL },
	{ "mysql",
	  { { B("\x45\x00\x00\x00\xff\x6a\x04Host '10.0.0.1' is not allowed to connect to this "
	        "MariaDB server!!"),
	      NULL, 0 } },
	  "(mysql error 1130): \"Host '10.0.0.1'" },
	{ "mysql",
	  { { B("\x18\x00\x00\x00\x0a"
	        "5\x00\x01\x00\x00\x00"
	        "abcdefgh\x00\xff\xf7\x08\x02\x00\x00\x00"),
	      NULL, 0 } },
	  "does not offer TLS" },
	{ "mysql", { { B("\x00\x00\x00\x00"), NULL, 0 } }, "not mysql" },
	{ "mysql", { { B("HTTP"), NULL, 0 } }, "not mysql" },
	{ "mysql", { { B("\x03\x00\x00\x00\x0a\x35\x00"), NULL, 0 } }, "not mysql" },
	{ "xmpp-client",
	  { { NULL, 0, xmpp_open, sizeof(xmpp_open) - 1 },
	    { B("<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' "
	        "id='1'><stream:features><mechanisms/><starttls "
	        "xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>"),
	      xmpp_ask, sizeof(xmpp_ask) - 1 },
	    { B("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"), NULL, 0 } },
	  NULL },
	{ "xmpp-client",
	  { { NULL, 0, xmpp_open, sizeof(xmpp_open) - 1 },
	    { B("<stream:stream id='1'><stream:features><mechanisms/></stream:features>"), NULL,
	      0 } },
	  "does not offer TLS" },
	{ "xmpp-client",
	  { { NULL, 0, xmpp_open, sizeof(xmpp_open) - 1 },
	    { B("<stream:stream><stream:features/>"), NULL, 0 } },
	  "does not offer TLS" },
	{ "xmpp-client",
	  { { NULL, 0, xmpp_open, sizeof(xmpp_open) - 1 },
	    { B("<?xml version='1.0'?><stream:stream><stream:error><host-unknown "
	        "xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"),
	      NULL, 0 } },
	  "(host-unknown)" },
	{ "xmpp-client",
	  { { NULL, 0, xmpp_open, sizeof(xmpp_open) - 1 },
	    { B("<s:stream><s:features><starttls/></s:features>"), xmpp_ask, sizeof(xmpp_ask) - 1 },
	    { B("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"), NULL, 0 } },
	  "refuses TLS: \"<failure" },
	{ "xmpp-client",
	  { { NULL, 0, xmpp_open, sizeof(xmpp_open) - 1 }, { B("220 smtp <x>"), NULL, 0 } },
	  "not xmpp" },
	{ "rdp",
	  { { NULL, 0, B(rdp_ask) },
	    { B("\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00\x02\x00\x08\x00\x01\x00\x00\x00"),
	      NULL, 0 } },
	  NULL },
	{ "rdp",
	  { { NULL, 0, B(rdp_ask) },
	    { B("\x03\x00\x00\x13\x0e\xd0\x00\x00\x12\x34\x00\x03\x00\x08\x00\x02\x00\x00\x00"),
	      NULL, 0 } },
	  "(rdp failure 2: the server is set to RDP security without TLS)" },
	{ "rdp",
	  { { NULL, 0, B(rdp_ask) },
	    { B("\x03\x00\x00\x0b\x06\xd0\x00\x00\x12\x34\x00"), NULL, 0 } },
	  "RDP security only" },
	{ "rdp", { { NULL, 0, B(rdp_ask) }, { B("SSH-2.0-x"), NULL, 0 } }, "not rdp" },
	{ "mssql",
	  { { NULL, 0, B(mssql_ask) },
	    { B("\x04\x01\x00\x1a\x00\x00\x01\x00\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff\x0f"
	        "\x00\x00\x00\x00\x00\x01"),
	      NULL, 0 } },
	  NULL },
	{ "mssql",
	  { { NULL, 0, B(mssql_ask) },
	    { B("\x04\x01\x00\x1a\x00\x00\x01\x00\x00\x00\x0b\x00\x06\x01\x00\x11\x00\x01\xff\x0f"
	        "\x00\x00\x00\x00\x00\x02"),
	      NULL, 0 } },
	  "knows no TLS" },
	{ "mssql", { { NULL, 0, B(mssql_ask) }, { B("HTTP/1.1 400"), NULL, 0 } }, "not tds" },
	{ "mssql",
	  { { NULL, 0, B(mssql_ask) }, { B("\x04\x01\x00\x0a\x00\x00\x01\x00\xff\x00"), NULL, 0 } },
	  "not tds" },
	{ "mssql-strict", { { NULL, 0, NULL, 0 } }, NULL },
};

static void assert_we_say(struct starttls *s, const char *we, size_t n)
{
	struct bytes out = starttls_out(s);

	ck_assert_msg(s->want == STARTTLS_SEND, "%s: %s", s->dialect->word, s->error);
	ck_assert_uint_eq(out.n, n);
	ck_assert_mem_eq(out.p, we, n);
	starttls_sent(s, 1);
	ck_assert_uint_eq(starttls_out(s).n, n - 1);
	starttls_sent(s, n - 1);
	ck_assert_uint_eq(starttls_out(s).n, 0);
}

/* Returns how much was taken of what they say and of TLS behind it. */
static size_t hear(struct starttls *s, const char *they, size_t n, size_t at_once)
{
	char both[1024];
	size_t used = 0;

	ck_assert_uint_le(n + sizeof(HELLO) - 1, sizeof(both));
	memcpy(both, they, n);
	memcpy(both + n, HELLO, sizeof(HELLO) - 1);
	size_t all = n + sizeof(HELLO) - 1;
	while (used < all && s->want == STARTTLS_RECEIVE) {
		size_t shown = all - used < at_once ? all - used : at_once;
		size_t took = starttls_take(s, bytes_of(both + used, shown));
		ck_assert_uint_le(took, shown);
		used += took;
		if (took == 0) {
			break;
		}
	}
	return used;
}

static void hold(const struct dialog *d, size_t at_once)
{
	struct starttls s;

	starttls_start(&s, starttls_find(d->word), "h.example");
	for (size_t i = 0; i < TURNS; i++) {
		size_t n = d->turns[i].n_they;
		if (n > 0) {
			size_t used = hear(&s, d->turns[i].they, n, at_once);
			if (s.want != STARTTLS_FAILED) {
				ck_assert_msg(used == n, "%s: took %zu of %zu", d->word, used, n);
			}
		}
		if (d->turns[i].n_we == 0) {
			break;
		}
		assert_we_say(&s, d->turns[i].we, d->turns[i].n_we);
	}
	if (d->error == NULL) {
		ck_assert_msg(s.want == STARTTLS_READY, "%s: %d %s", d->word, (int)s.want, s.error);
		ck_assert_uint_eq(starttls_take(&s, bytes_of(B(HELLO))), 0);
		return;
	}
	ck_assert_msg(s.want == STARTTLS_FAILED, "%s: no error, but '%s'", d->word, d->error);
	ck_assert_msg(strstr(s.error, d->error) != NULL, "'%s' lacks '%s'", s.error, d->error);
}

START_TEST(a_dialog_ends_before_tls_or_in_a_sentence)
{
	hold(&dialogs[_i], 1024);
}
END_TEST

START_TEST(octet_by_octet_is_no_different)
{
	hold(&dialogs[_i], 1);
}
END_TEST

START_TEST(every_dialect_is_found_by_its_word)
{
	size_t n = 0;

	for (const struct starttls_dialect *d; (d = starttls_nth(n)) != NULL; n++) {
		ck_assert_ptr_eq(starttls_find(d->word), d);
	}
	ck_assert_uint_eq(n, 16);
	ck_assert_ptr_null(starttls_find("smpt"));
}
END_TEST

static void drown(const char *word, const char *drop)
{
	struct starttls s;
	size_t n = strlen(drop);
	size_t fed = 0;

	starttls_start(&s, starttls_find(word), "h.example");
	starttls_sent(&s, starttls_out(&s).n);
	for (size_t i = 0; i < 1000000 && s.want == STARTTLS_RECEIVE; i++) {
		fed += starttls_take(&s, bytes_of(drop, n));
	}
	ck_assert_int_eq(s.want, STARTTLS_FAILED);
	ck_assert_uint_le(fed, STARTTLS_TOTAL_MAX);
	ck_assert_ptr_nonnull(strstr(s.error, "has no end"));
}

START_TEST(an_endless_greeting_ends)
{
	drown("smtp", "220-and more\r\n");
	drown("smtp", "a line without end");
	drown("ftp", "220-x\r\nanything\r\n");
	drown("sieve", "\"CAPABILITY\" \"x\"\r\n");
	drown("xmpp-client", "<stream><a>");
	drown("xmpp-server", "no tag ");
}
END_TEST

START_TEST(a_line_longer_than_what_is_kept_is_understood)
{
	struct starttls s;
	char line[4000];

	memset(line, 'x', sizeof(line));
	memcpy(line, "220 ", 4);
	line[sizeof(line) - 1] = '\n';
	starttls_start(&s, starttls_find("smtp"), "h.example");
	ck_assert_uint_eq(starttls_take(&s, bytes_of(line, sizeof(line))), sizeof(line));
	ck_assert_int_eq(s.want, STARTTLS_SEND);
}
END_TEST

START_TEST(a_name_that_is_no_domain_is_not_said)
{
	struct starttls s;
	char name[1000];

	starttls_start(&s, starttls_find("xmpp-client"), "a'b");
	ck_assert_int_eq(s.want, STARTTLS_FAILED);
	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	starttls_start(&s, starttls_find("xmpp-client"), name);
	ck_assert_int_eq(s.want, STARTTLS_FAILED);
}
END_TEST

START_TEST(closing_and_silence_are_told_apart)
{
	struct starttls s;

	starttls_start(&s, starttls_find("smtp"), "h.example");
	ck_assert_ptr_nonnull(strstr(starttls_waiting(&s), "does not greet"));
	starttls_eof(&s);
	ck_assert_str_eq(s.error, "the server closed the connection without a word");
	starttls_start(&s, starttls_find("postgres"), "h.example");
	starttls_sent(&s, 8);
	ck_assert_ptr_nonnull(strstr(starttls_waiting(&s), "does not answer"));
	starttls_start(&s, starttls_find("smtp"), "h.example");
	(void)starttls_take(&s, bytes_of(B("220 x\r\n")));
	ck_assert_ptr_nonnull(strstr(starttls_waiting(&s), "fell silent"));
	starttls_eof(&s);
	ck_assert_str_eq(s.error, "the server closed the connection before TLS could begin");
}
END_TEST

static void build(Suite *s)
{
	TCase *t = tcase_create("starttls");

	tcase_add_loop_test(t, a_dialog_ends_before_tls_or_in_a_sentence, 0,
	                    (int)ARRAY_LEN(dialogs));
	tcase_add_loop_test(t, octet_by_octet_is_no_different, 0, (int)ARRAY_LEN(dialogs));
	tcase_add_test(t, every_dialect_is_found_by_its_word);
	tcase_add_test(t, an_endless_greeting_ends);
	tcase_add_test(t, a_line_longer_than_what_is_kept_is_understood);
	tcase_add_test(t, a_name_that_is_no_domain_is_not_said);
	tcase_add_test(t, closing_and_silence_are_told_apart);
	suite_add_tcase(s, t);
}

UNIT_MAIN("state/starttls", build)
