/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plain.c - records, handshake messages, and the few of them that matter (RFC 5246 6.2, 7.4; RFC
 * 8446 4, 5).
 *
 * Nothing is checked that does not protect us: not the order of messages, not the suite chosen. An
 * observer of broken appliances should not be more particular than their clients are.
 */
#include "state/probe/plain.h"

#include <string.h>

#include "reconciler/base/attr.h"

enum { RECORD_CHANGE = 20, RECORD_ALERT = 21, RECORD_HANDSHAKE = 22, RECORD_SEALED = 23 };
enum {
	SERVER_HELLO = 2,
	CERTIFICATE = 11,
	KEY_EXCHANGE = 12,
	CERTIFICATE_REQUEST = 13,
	SERVER_HELLO_DONE = 14,
	CERTIFICATE_VERIFY = 15,
};
enum { SUPPORTED_VERSIONS = 43, CERTIFICATE_AUTHORITIES = 47, KEY_SHARE = 51, X25519 = 29 };
enum { ALERT_WARNING = 1, CLOSE_NOTIFY = 0 };
enum { RECORD_MAX = 16384 + 2048, MESSAGE_HEADER = 4 };
enum { TLS12 = 0x0303, TLS13 = 0x0304, SIGNED_MAX = 65536, NAMED_CURVE = 3 };

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
	buf_init(&p->sealed, RECORD_MAX);
	buf_init(&p->said, SIGNED_MAX);
	buf_init(&p->signature, SIGNED_MAX);
}

void plain_release(struct plain *p)
{
	buf_release(&p->in);
	buf_release(&p->certificates);
	buf_release(&p->ca_names);
	buf_release(&p->sealed);
	buf_release(&p->said);
	buf_release(&p->signature);
}

static void broken(struct plain *p, const char *error)
{
	p->want = PLAIN_BROKEN;
	p->error = error;
}

/* An extension's contents, by its number. */
static bool find_extension(struct bytes all, size_t number, struct bytes *ret)
{
	struct bytes id;
	struct bytes contents;

	while (take(&all, 2, &id) && take_vector(&all, 2, &contents)) {
		if (be(id.p, 2) == number) {
			*ret = contents;
			return true;
		}
	}
	return false;
}

/* `in`: from the compression method on. */
static void server_hello13(struct plain *p, struct bytes in, struct bytes whole)
{
	struct bytes compression;
	struct bytes extensions;
	struct bytes version;
	struct bytes share;
	struct bytes group;
	struct bytes key;

	if (!take(&in, 1, &compression) || !take_vector(&in, 2, &extensions) ||
	    !find_extension(extensions, SUPPORTED_VERSIONS, &version) || version.n != 2 ||
	    be(version.p, 2) != TLS13) {
		return;
	}
	p->tls13 = true;
	p->version = TLS13;
	/* A HelloRetryRequest names a group only. */
	if (!find_extension(extensions, KEY_SHARE, &share) || !take(&share, 2, &group) ||
	    be(group.p, 2) != X25519 || !take_vector(&share, 2, &key) || key.n != HELLO_SHARE) {
		broken(p, "the server wants a key exchange other than X25519");
	} else if (!veil_begin(p->veil, p->suite, key.p, whole)) {
		broken(p, "the server chooses a cipher that it was not offered");
	}
}

static void server_hello(struct plain *p, struct bytes in, struct bytes whole)
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
	memcpy(p->random, fixed.p + 2, sizeof(p->random));
	if (p->veil != NULL) {
		server_hello13(p, in, whole);
	}
}

static void certificate_request13(struct plain *p, struct bytes in)
{
	struct bytes context;
	struct bytes extensions;
	struct bytes authorities;
	struct bytes names;

	p->certificate_asked = true;
	if (take_vector(&in, 1, &context) && take_vector(&in, 2, &extensions) &&
	    find_extension(extensions, CERTIFICATE_AUTHORITIES, &authorities) &&
	    take_vector(&authorities, 2, &names)) {
		buf_reset(&p->ca_names);
		buf_add_bytes(&p->ca_names, names);
	}
}

/* DigitallySigned, or CertificateVerify. */
static void take_signature(struct plain *p, struct bytes in)
{
	struct bytes scheme;
	struct bytes signature;

	if (!take(&in, 2, &scheme) || !take_vector(&in, 2, &signature)) {
		broken(p, "the server's signature is malformed");
		return;
	}
	p->scheme = (uint16_t)be(scheme.p, 2);
	buf_reset(&p->signature);
	buf_add_bytes(&p->signature, signature);
}

/* RFC 8446 4.4.3 */
static void certificate_verify(struct plain *p, struct bytes in)
{
	static const char context[] = "TLS 1.3, server CertificateVerify";
	uint8_t digest[VEIL_DIGEST_MAX];
	size_t n = veil_digest(p->veil, digest);

	buf_reset(&p->said);
	for (size_t i = 0; i < 64; i++) {
		buf_add_byte(&p->said, ' ');
	}
	buf_add(&p->said, context, sizeof(context)); /* with its NUL */
	buf_add(&p->said, digest, n);
	take_signature(p, in);
	if (p->want == PLAIN_MORE) {
		p->want = PLAIN_DONE;
	}
}

/* RFC 8422 5.4; other exchanges, and those of TLS 1.1, are left to the library. */
static void key_exchange(struct plain *p, struct bytes in)
{
	struct bytes all = in;
	struct bytes type;
	struct bytes curve;
	struct bytes point;

	if (p->version != TLS12 || !take(&in, 1, &type) || type.p[0] != NAMED_CURVE ||
	    !take(&in, 2, &curve) || !take_vector(&in, 1, &point) || in.n == 0) {
		return;
	}
	buf_reset(&p->said);
	buf_add(&p->said, p->veil->hello->random, HELLO_RANDOM);
	buf_add(&p->said, p->random, sizeof(p->random));
	buf_add(&p->said, all.p, all.n - in.n);
	take_signature(p, in);
}

static void certificate(struct plain *p, struct bytes body)
{
	buf_reset(&p->certificates);
	buf_add_bytes(&p->certificates, body);
	if (p->tls13 && !p->veil->proof) {
		p->want = PLAIN_DONE;
	}
}

static void message13(struct plain *p, unsigned type, struct bytes body, struct bytes whole)
{
	if (type == CERTIFICATE) {
		certificate(p, body);
	} else if (type == CERTIFICATE_REQUEST) {
		certificate_request13(p, body);
	} else if (type == CERTIFICATE_VERIFY) {
		certificate_verify(p, body);
	}
	if (p->want == PLAIN_MORE) {
		veil_hear(p->veil, whole);
	}
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

static void message(struct plain *p, unsigned type, struct bytes body, struct bytes whole)
{
	if (p->tls13) {
		message13(p, type, body, whole);
		return;
	}
	switch (type) {
	case SERVER_HELLO:
		server_hello(p, body, whole);
		break;
	case CERTIFICATE:
		certificate(p, body);
		break;
	case KEY_EXCHANGE:
		if (p->veil != NULL) {
			key_exchange(p, body);
		}
		break;
	case CERTIFICATE_REQUEST:
		certificate_request(p, body);
		break;
	case SERVER_HELLO_DONE:
		p->want = PLAIN_DONE;
		break;
	default: /* stapled status, hello request */
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
		message(p, in.p[0], bytes_of(in.p + MESSAGE_HEADER, n),
		        bytes_of(in.p, MESSAGE_HEADER + n));
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

static bool known_record(const struct plain *p)
{
	return p->header[0] == RECORD_ALERT ||
	       (p->tls13 ? p->header[0] == RECORD_SEALED || p->header[0] == RECORD_CHANGE
	                 : p->header[0] == RECORD_HANDSHAKE);
}

static void record_begins(struct plain *p)
{
	bool known = known_record(p);

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

/* A sealed record is whole. What is in it: padding of zeros, before that its type. */
static void unveil(struct plain *p)
{
	size_t n = 0;
	uint8_t *out = buf_room(&p->in, p->sealed.len);

	if (out == NULL) {
		return;
	}
	if (!veil_open(p->veil, p->header, buf_view(&p->sealed), out, &n)) {
		broken(p, "the server's first flight cannot be decrypted");
		return;
	}
	buf_reset(&p->sealed);
	while (n > 0 && out[n - 1] == 0) {
		n--;
	}
	if (n > 1 && out[n - 1] == RECORD_HANDSHAKE) {
		buf_grew(&p->in, n - 1);
		messages(p);
	} else if (n == sizeof(p->level) + 1 && out[n - 1] == RECORD_ALERT) {
		memcpy(p->level, out, sizeof(p->level));
		alert(p);
	} else {
		broken(p, "the server sends what is no handshake");
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
	p->left -= n;
	if (p->header[0] == RECORD_SEALED) {
		buf_add(&p->sealed, in.p, n);
		if (p->left == 0) {
			unveil(p);
		}
	} else if (p->header[0] == RECORD_HANDSHAKE) {
		buf_add(&p->in, in.p, n);
		messages(p);
	}
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
		    buf_failed(&p->ca_names) || buf_failed(&p->sealed) || buf_failed(&p->said) ||
		    buf_failed(&p->signature)) {
			broken(p, "out of memory");
		}
	}
}

bool plain_inside_certificate(const struct plain *p)
{
	return p->certificates.len == 0 && p->in.len > 0 && p->in.p[0] == CERTIFICATE;
}
