/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plain.c - records, handshake messages, and the three of them that matter (RFC 5246 6.2, 7.4).
 *
 * Nothing is checked that does not protect us: not the order of messages, not the suite chosen. An
 * observer of broken appliances should not be more particular than their clients are.
 */
#include "state/probe/plain.h"

#include <string.h>

#include "reconciler/base/attr.h"

enum { RECORD_ALERT = 21, RECORD_HANDSHAKE = 22 };
enum { SERVER_HELLO = 2, CERTIFICATE = 11, CERTIFICATE_REQUEST = 13, SERVER_HELLO_DONE = 14 };
enum { ALERT_WARNING = 1, CLOSE_NOTIFY = 0 };
enum { RECORD_MAX = 16384 + 2048, MESSAGE_HEADER = 4, TLS12 = 0x0303 };

static size_t be(const uint8_t *p, size_t n)
{
	size_t v = 0;

	for (size_t i = 0; i < n; i++) {
		v = v << 8 | p[i];
	}
	return v;
}

static bool take(struct bytes *in, size_t n, struct bytes *ret)
{
	if (n > in->n) {
		return false;
	}
	*ret = bytes_of(in->p, n);
	*in = bytes_of(in->p + n, in->n - n);
	return true;
}

/* A vector with a length of `octets` octets. */
static bool take_vector(struct bytes *in, size_t octets, struct bytes *ret)
{
	struct bytes rest = *in;
	struct bytes length;

	if (!take(&rest, octets, &length) || !take(&rest, be(length.p, octets), ret)) {
		return false;
	}
	*in = rest;
	return true;
}

bool plain_list(struct bytes message, bool tls13, struct bytes *ret_list)
{
	struct bytes context;
	struct bytes list;

	if ((tls13 && !take_vector(&message, 1, &context)) || !take_vector(&message, 3, &list) ||
	    message.n != 0) {
		return false;
	}
	*ret_list = list;
	return true;
}

bool plain_next(struct bytes *list, bool tls13, struct bytes *ret_der)
{
	struct bytes rest = *list;
	struct bytes der;
	struct bytes extensions;

	if (!take_vector(&rest, 3, &der) || (tls13 && !take_vector(&rest, 2, &extensions))) {
		return false;
	}
	*list = rest;
	*ret_der = der;
	return true;
}

bool plain_next_name(struct bytes *names, struct bytes *ret_der)
{
	return take_vector(names, 2, ret_der);
}

void plain_init(struct plain *p)
{
	*p = (struct plain){ .want = PLAIN_MORE };
	buf_init(&p->in, PLAIN_MESSAGE_MAX + RECORD_MAX);
	buf_init(&p->certificates, PLAIN_MESSAGE_MAX);
	buf_init(&p->ca_names, PLAIN_MESSAGE_MAX);
}

void plain_release(struct plain *p)
{
	buf_release(&p->in);
	buf_release(&p->certificates);
	buf_release(&p->ca_names);
}

static void broken(struct plain *p, const char *error)
{
	p->want = PLAIN_BROKEN;
	p->error = error;
}

static void server_hello(struct plain *p, struct bytes in)
{
	struct bytes fixed;
	struct bytes session;
	struct bytes suite;

	if (!take(&in, 2 + 32, &fixed) || !take_vector(&in, 1, &session) || !take(&in, 2, &suite)) {
		broken(p, "the server's hello is malformed");
		return;
	}
	p->version = (uint16_t)be(fixed.p, 2);
	p->suite = (uint16_t)be(suite.p, 2);
}

static void certificate_request(struct plain *p, struct bytes in)
{
	struct bytes types;
	struct bytes algorithms;
	struct bytes names;

	p->certificate_asked = true;
	if (!take_vector(&in, 1, &types) ||
	    (p->version >= TLS12 && !take_vector(&in, 2, &algorithms)) ||
	    !take_vector(&in, 2, &names)) {
		return;
	}
	buf_reset(&p->ca_names);
	buf_add_bytes(&p->ca_names, names);
}

static void message(struct plain *p, unsigned type, struct bytes body)
{
	switch (type) {
	case SERVER_HELLO:
		server_hello(p, body);
		break;
	case CERTIFICATE:
		buf_reset(&p->certificates);
		buf_add_bytes(&p->certificates, body);
		break;
	case CERTIFICATE_REQUEST:
		certificate_request(p, body);
		break;
	case SERVER_HELLO_DONE:
		p->want = PLAIN_DONE;
		break;
	default: /* key exchange, stapled status, hello request */
		break;
	}
}

/* Whole messages in `in`; what is left over is kept for the next record. */
static void messages(struct plain *p)
{
	struct bytes in = buf_view(&p->in);

	while (p->want == PLAIN_MORE && in.n >= MESSAGE_HEADER) {
		size_t n = be(in.p + 1, 3);
		if (p->version == 0 && in.p[0] != SERVER_HELLO && in.p[0] != 0) {
			broken(p, "the server answers our hello with something else");
			return;
		}
		if (n > PLAIN_MESSAGE_MAX - MESSAGE_HEADER) {
			broken(p, in.p[0] == CERTIFICATE
			                  ? "the server's chain is larger than 256 KiB"
			                  : "the server announces a message of more than 256 KiB");
			return;
		}
		if (in.n < MESSAGE_HEADER + n) {
			break;
		}
		message(p, in.p[0], bytes_of(in.p + MESSAGE_HEADER, n));
		in = bytes_of(in.p + MESSAGE_HEADER + n, in.n - MESSAGE_HEADER - n);
	}
	if (in.n > 0 && in.p != p->in.p) {
		memmove(p->in.p, in.p, in.n);
	}
	p->in.len = in.n;
}

static void alert(struct plain *p)
{
	/* Warnings (unrecognized_name of old servers) end nothing, but for a good-bye. */
	if (p->level[0] != ALERT_WARNING || p->level[1] == CLOSE_NOTIFY) {
		p->alert = p->level[1];
		p->want = PLAIN_ALERT;
	}
}

static void record_begins(struct plain *p)
{
	bool known = p->header[0] == RECORD_HANDSHAKE || p->header[0] == RECORD_ALERT;

	p->left = be(p->header + 3, 2);
	if (!known || p->header[1] != 3 || p->left > RECORD_MAX) {
		if (p->version == 0) {
			p->want = PLAIN_FOREIGN;
		} else {
			broken(p, "the server sends what is no TLS record");
		}
	} else if (p->left == 0) {
		broken(p, "the server sends an empty record");
	} else if (p->header[0] == RECORD_ALERT && p->left != sizeof(p->level)) {
		broken(p, "the server sends a malformed alert");
	}
}

static size_t feed_some(struct plain *p, struct bytes in)
{
	if (p->left == 0) {
		p->header[p->n_header++] = in.p[0];
		if (p->n_header == sizeof(p->header)) {
			p->n_header = 0;
			record_begins(p);
		}
		return 1;
	}
	if (p->header[0] == RECORD_ALERT) {
		p->level[sizeof(p->level) - p->left--] = in.p[0];
		if (p->left == 0) {
			alert(p);
		}
		return 1;
	}
	size_t n = in.n < p->left ? in.n : p->left;
	buf_add(&p->in, in.p, n);
	p->left -= n;
	messages(p);
	return n;
}

void plain_feed(struct plain *p, struct bytes in)
{
	while (p->want == PLAIN_MORE && in.n > 0) {
		size_t n = feed_some(p, in);
		in = bytes_of(in.p + n, in.n - n);
		p->total += n;
		if (p->want == PLAIN_MORE && p->total > PLAIN_TOTAL_MAX) {
			broken(p, "the server's part of the handshake has no end");
		}
		if (buf_failed(&p->in) || buf_failed(&p->certificates) ||
		    buf_failed(&p->ca_names)) {
			broken(p, "out of memory");
		}
	}
}

bool plain_inside_certificate(const struct plain *p)
{
	return p->certificates.len == 0 && p->in.len > 0 && p->in.p[0] == CERTIFICATE;
}
