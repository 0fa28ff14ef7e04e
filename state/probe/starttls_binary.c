/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * starttls_binary.c - protocols of packets: ldap, postgres, mysql, rdp, mssql; and those that begin
 * with TLS but want to be asked for by name (ALPN).
 */
#include <string.h>

#include "state/probe/starttls_impl.h"

#define PACKET_MAX ((size_t)32 << 10)

enum { HEADER, LENGTH, BODY, PRELUDE };

static size_t in_le(const uint8_t *p, size_t n)
{
	size_t v = 0;

	while (n-- > 0) {
		v = v << 8 | p[n];
	}
	return v;
}

static size_t in_be(const uint8_t *p, size_t n)
{
	size_t v = 0;

	for (size_t i = 0; i < n; i++) {
		v = v << 8 | p[i];
	}
	return v;
}

/* Read the rest of a packet whose length was just told; false: failed. */
static bool read_body(struct starttls *s, size_t n)
{
	if (n == 0 || n > PACKET_MAX) {
		starttls_fail(s, "what is spoken there is not %s", s->dialect->word);
		return false;
	}
	s->state = BODY;
	starttls_read_octets(s, n);
	return true;
}

/* RFC 4511 4.14.1, with the message number 1. */
static const uint8_t ldap_request[] = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16"
				      "1.3.6.1.4.1.1466.20037";

static void ldap_start(struct starttls *s)
{
	s->state = HEADER;
	starttls_read_octets(s, 2);
	starttls_say(s, ldap_request, sizeof(ldap_request) - 1);
}

/* One BER element with a definite length; not DER: directories of renown write 84 00 00 00 10. */
static bool ber_take(struct bytes *in, int *ret_tag, struct bytes *ret)
{
	size_t octets = in->n >= 2 && in->p[1] > 0x80 ? (size_t)in->p[1] - 0x80 : 0;

	if (in->n < 2 || in->p[1] == 0x80 || octets > 4 || in->n < 2 + octets) {
		return false;
	}
	size_t n = octets == 0 ? in->p[1] : in_be(in->p + 2, octets);
	if (n > in->n - 2 - octets) {
		return false;
	}
	*ret_tag = in->p[0];
	*ret = bytes_of(in->p + 2 + octets, n);
	*in = bytes_of(ret->p + n, in->n - 2 - octets - n);
	return true;
}

/* As far as it was kept: the diagnostic message may be cut. */
static void ldap_answered(struct starttls *s)
{
	struct bytes in = bytes_of(s->in, s->n_in);
	struct bytes id;
	struct bytes code;
	struct bytes text = { 0 };
	char said[TEXT_SHOWN + 1];
	int tag = 0;
	int ignored = 0;

	if (!ber_take(&in, &tag, &id) || tag != 0x02 || in.n < 2 || in.p[0] != 0x78) {
		starttls_fail(s, "the server does not answer the request for TLS as ldap does");
		return;
	}
	/* Step into the answer without believing its length more than the packet's. */
	size_t octets = in.p[1] > 0x80 ? (size_t)in.p[1] - 0x80 : 0;
	in = octets > 4 || in.n < 2 + octets ? bytes_of(in.p, 0)
	                                     : bytes_of(in.p + 2 + octets, in.n - 2 - octets);
	if (!ber_take(&in, &tag, &code) || tag != 0x0a || code.n == 0 || code.n > 4) {
		starttls_fail(s, "the server does not answer the request for TLS as ldap does");
		return;
	}
	size_t result = in_be(code.p, code.n);
	if (result == 0) {
		s->want = STARTTLS_READY;
		return;
	}
	if (ber_take(&in, &ignored, &text)) {
		text = bytes_of(NULL, 0);
		(void)ber_take(&in, &ignored, &text);
	}
	starttls_printable(text, said);
	starttls_fail(s, "the server refuses TLS (ldap result %zu): \"%s\"", result, said);
}

static void ldap_step(struct starttls *s)
{
	if (s->state == HEADER) {
		if (s->in[0] != 0x30 || s->in[1] == 0x80 || s->in[1] > 0x84) {
			starttls_fail(s, "what is spoken there is not ldap");
		} else if (s->in[1] < 0x80) {
			(void)read_body(s, s->in[1]);
		} else {
			s->state = LENGTH;
			starttls_read_octets(s, (size_t)s->in[1] - 0x80);
		}
	} else if (s->state == LENGTH) {
		(void)read_body(s, in_be(s->in, s->n_in));
	} else {
		ldap_answered(s);
	}
}

static void postgres_start(struct starttls *s)
{
	static const uint8_t request[] = { 0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f };

	starttls_read_octets(s, 1);
	starttls_say(s, request, sizeof(request));
}

static void postgres_step(struct starttls *s)
{
	if (s->in[0] == 'S') {
		s->want = STARTTLS_READY;
	} else if (s->in[0] == 'N') {
		starttls_fail(s, "the server refuses TLS: it is switched off (ssl = off)");
	} else if (s->in[0] == 'E') {
		starttls_fail(s, "the server answers the request for TLS with an error");
	} else {
		starttls_fail(s, "what is spoken there is not postgres");
	}
}

enum {
	MYSQL_LONG_PASSWORD = 0x1,
	MYSQL_PROTOCOL_41 = 0x200,
	MYSQL_SSL = 0x800,
	MYSQL_SECURE_CONNECTION = 0x8000
};

static void mysql_start(struct starttls *s)
{
	s->state = HEADER;
	starttls_read_octets(s, 4);
}

static void mysql_refused(struct starttls *s)
{
	char said[TEXT_SHOWN + 1];
	size_t at = s->n_in >= 9 && s->in[3] == '#' ? 9 : 3;
	size_t code = s->n_in >= 3 ? in_le(s->in + 1, 2) : 0;

	starttls_printable(at < s->n_in ? bytes_of(s->in + at, s->n_in - at) : bytes_of(NULL, 0),
	                   said);
	starttls_fail(s, "the server refuses us (mysql error %zu): \"%s\"", code, said);
}

static void mysql_greeted(struct starttls *s)
{
	static const uint32_t capabilities =
		MYSQL_LONG_PASSWORD | MYSQL_PROTOCOL_41 | MYSQL_SSL | MYSQL_SECURE_CONNECTION;
	/* header: length 32, number 1; flags, packets of 16 MB, utf8 */
	uint8_t request[36] = { 32, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 33 };
	const uint8_t *version = s->in + 1;
	const uint8_t *end = s->n_in < 2 ? NULL : memchr(version, 0, s->n_in - 1);

	if (s->in[0] == 0xff) {
		mysql_refused(s);
		return;
	}
	/* connection number, half of the challenge, a filler, half of the capabilities */
	if (s->in[0] != 10 || end == NULL || (size_t)(s->in + s->n_in - end) < 1 + 4 + 8 + 1 + 2) {
		starttls_fail(s, "what is spoken there is not mysql");
		return;
	}
	if ((in_le(end + 1 + 4 + 8 + 1, 2) & MYSQL_SSL) == 0) {
		starttls_fail(s, "the server does not offer TLS (have_ssl)");
		return;
	}
	for (size_t i = 0; i < 4; i++) {
		request[4 + i] = (uint8_t)(capabilities >> (8 * i));
	}
	starttls_read_octets(s, 0);
	starttls_say(s, request, sizeof(request));
}

static void mysql_step(struct starttls *s)
{
	if (s->state == BODY) {
		mysql_greeted(s);
	} else {
		(void)read_body(s, in_le(s->in, 3));
	}
}

/* TPKT, X.224 connection request, RDP_NEG_REQ for TLS or CredSSP (MS-RDPBCGR 2.2.1.1). */
static void rdp_start(struct starttls *s)
{
	static const uint8_t request[] = { 3, 0, 0, 19, 14, 0xe0, 0, 0, 0, 0,
		                           0, 1, 0, 8,  0,  3,    0, 0, 0 };

	s->state = HEADER;
	starttls_read_octets(s, 4);
	starttls_say(s, request, sizeof(request));
}

static const char *rdp_failure(size_t code)
{
	static const char *const sentences[] = {
		"no reason given",
		"the server demands TLS of another kind",
		"the server is set to RDP security without TLS",
		"the server has no certificate",
		"the server does not keep to the protocol",
		"the server demands CredSSP",
		"the server demands TLS with a client certificate",
	};

	return sentences[code < ARRAY_LEN(sentences) ? code : 0];
}

static void rdp_answered(struct starttls *s)
{
	const uint8_t *negotiation = s->in + 7; /* behind the X.224 connection confirm */

	if (s->n_in < 7 || (s->in[1] & 0xf0) != 0xd0) {
		starttls_fail(s, "what is spoken there is not rdp");
	} else if (s->n_in < 15) {
		starttls_fail(s, "the server knows no TLS: it speaks RDP security only");
	} else if (negotiation[0] == 3) {
		size_t code = in_le(negotiation + 4, 4);
		starttls_fail(s, "the server refuses TLS (rdp failure %zu: %s)", code,
		              rdp_failure(code));
	} else if (negotiation[0] != 2 || in_le(negotiation + 4, 4) == 0) {
		starttls_fail(s, "the server chooses RDP security without TLS");
	} else {
		s->want = STARTTLS_READY;
	}
}

static void rdp_step(struct starttls *s)
{
	if (s->state == BODY) {
		rdp_answered(s);
	} else if (s->in[0] != 3 || in_be(s->in + 2, 2) <= 4) {
		starttls_fail(s, "what is spoken there is not rdp");
	} else {
		(void)read_body(s, in_be(s->in + 2, 2) - 4);
	}
}

enum { TDS_VERSION, TDS_ENCRYPTION, TDS_END = 0xff };
enum { TDS_HEADER = 8, TDS_ENCRYPT_NOT_SUPPORTED = 2 };

/* PRELOGIN (MS-TDS 2.2.6.5): version and ENCRYPT_ON. */
static void mssql_start(struct starttls *s)
{
	static const uint8_t request[] = {
		0x12,        1,  0,  26, 0,       0,
		1,           0, /* packet */
		TDS_VERSION, 0,  11, 0,  6,       TDS_ENCRYPTION,
		0,           17, 0,  1,  TDS_END, 0,
		0,           0,  0,  0,  0,       1,
	};

	s->state = HEADER;
	starttls_read_octets(s, TDS_HEADER);
	starttls_say(s, request, sizeof(request));
}

static void mssql_answered(struct starttls *s)
{
	size_t at = 0;

	while (at + 5 <= s->n_in && s->in[at] != TDS_END) {
		size_t offset = in_be(s->in + at + 1, 2);
		if (s->in[at] == TDS_ENCRYPTION && offset < s->n_in) {
			if (s->in[offset] == TDS_ENCRYPT_NOT_SUPPORTED) {
				starttls_fail(s, "the server knows no TLS (tds encryption 2)");
			} else {
				s->want = STARTTLS_READY;
			}
			return;
		}
		at += 5;
	}
	starttls_fail(s, "what is spoken there is not tds");
}

static void mssql_step(struct starttls *s)
{
	size_t n = in_be(s->in + 2, 2);

	if (s->state == BODY) {
		mssql_answered(s);
	} else if ((s->in[0] != 0x04 && s->in[0] != 0x12) || n <= TDS_HEADER) {
		starttls_fail(s, "what is spoken there is not tds");
	} else {
		(void)read_body(s, n - TDS_HEADER);
	}
}

static void direct_start(struct starttls *s)
{
	s->want = STARTTLS_READY;
}

static void direct_step(struct starttls *s)
{
	starttls_fail(s, "nothing is said before TLS");
}

const struct starttls_dialect starttls_dialects_binary[] = {
	{ .word = "ldap", .port = 389, .start = ldap_start, .step = ldap_step },
	{ .word = "postgres", .port = 5432, .start = postgres_start, .step = postgres_step },
	{ .word = "postgres-direct", /* PostgreSQL 17: sslnegotiation=direct */
	  .port = 5432,
	  .start = direct_start,
	  .step = direct_step,
	  .alpn = "postgresql" },
	{ .word = "mysql", .port = 3306, .start = mysql_start, .step = mysql_step },
	{ .word = "rdp", .port = 3389, .start = rdp_start, .step = rdp_step },
	{ .word = "mssql", .port = 1433, .start = mssql_start, .step = mssql_step, .framed = true },
	{ .word = "mssql-strict", /* TDS 8 */
	  .port = 1433,
	  .start = direct_start,
	  .step = direct_step,
	  .alpn = "tds/8.0" },
	{ .word = NULL },
};
