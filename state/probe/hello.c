/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hello.c - strong suites first: a server that lets the client choose shall show what it shows to
 * clients of today; the rest is there for those that have nothing better.
 *
 * Anonymous suites are left out, they would win where a certificate could be had.
 */
#include "state/probe/hello.h"

#include <string.h>

#include "reconciler/base/attr.h"

enum { FOR_RSA = 1, FOR_ECDSA = 2, FOR_DSA = 4, FOR_TLS13 = 8 };
enum { LAST_OF_TODAY = 0x0035, GROUPS_OF_TODAY = 6, X25519 = 29 };

static const struct {
	uint16_t id;
	uint16_t keys;
	const char *name;
} suites[] = {
	{ 0x1301, FOR_TLS13, "TLS_AES_128_GCM_SHA256" },
	{ 0x1302, FOR_TLS13, "TLS_AES_256_GCM_SHA384" },
	{ 0x1303, FOR_TLS13, "TLS_CHACHA20_POLY1305_SHA256" },
	{ 0xc02b, FOR_ECDSA, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" },
	{ 0xc02f, FOR_RSA, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" },
	{ 0xc02c, FOR_ECDSA, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" },
	{ 0xc030, FOR_RSA, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" },
	{ 0xcca9, FOR_ECDSA, "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" },
	{ 0xcca8, FOR_RSA, "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" },
	{ 0xc0ac, FOR_ECDSA, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM" },
	{ 0xc0ae, FOR_ECDSA, "TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8" },
	{ 0xc023, FOR_ECDSA, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256" },
	{ 0xc027, FOR_RSA, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256" },
	{ 0xc024, FOR_ECDSA, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384" },
	{ 0xc028, FOR_RSA, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384" },
	{ 0xc009, FOR_ECDSA, "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA" },
	{ 0xc013, FOR_RSA, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA" },
	{ 0xc00a, FOR_ECDSA, "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA" },
	{ 0xc014, FOR_RSA, "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA" },
	{ 0x009e, FOR_RSA, "TLS_DHE_RSA_WITH_AES_128_GCM_SHA256" },
	{ 0x009f, FOR_RSA, "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384" },
	{ 0x0067, FOR_RSA, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA256" },
	{ 0x006b, FOR_RSA, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA256" },
	{ 0x0033, FOR_RSA, "TLS_DHE_RSA_WITH_AES_128_CBC_SHA" },
	{ 0x0039, FOR_RSA, "TLS_DHE_RSA_WITH_AES_256_CBC_SHA" },
	{ 0x009c, FOR_RSA, "TLS_RSA_WITH_AES_128_GCM_SHA256" },
	{ 0x009d, FOR_RSA, "TLS_RSA_WITH_AES_256_GCM_SHA384" },
	{ 0x003c, FOR_RSA, "TLS_RSA_WITH_AES_128_CBC_SHA256" },
	{ 0x003d, FOR_RSA, "TLS_RSA_WITH_AES_256_CBC_SHA256" },
	{ 0x002f, FOR_RSA, "TLS_RSA_WITH_AES_128_CBC_SHA" },
	{ 0x0035, FOR_RSA, "TLS_RSA_WITH_AES_256_CBC_SHA" },
	{ 0x0041, FOR_RSA, "TLS_RSA_WITH_CAMELLIA_128_CBC_SHA" },
	{ 0x0084, FOR_RSA, "TLS_RSA_WITH_CAMELLIA_256_CBC_SHA" },
	{ 0x00a2, FOR_DSA, "TLS_DHE_DSS_WITH_AES_128_GCM_SHA256" },
	{ 0x0040, FOR_DSA, "TLS_DHE_DSS_WITH_AES_128_CBC_SHA256" },
	{ 0x0032, FOR_DSA, "TLS_DHE_DSS_WITH_AES_128_CBC_SHA" },
	{ 0x0038, FOR_DSA, "TLS_DHE_DSS_WITH_AES_256_CBC_SHA" },
	{ 0xc008, FOR_ECDSA, "TLS_ECDHE_ECDSA_WITH_3DES_EDE_CBC_SHA" },
	{ 0xc012, FOR_RSA, "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA" },
	{ 0x0016, FOR_RSA, "TLS_DHE_RSA_WITH_3DES_EDE_CBC_SHA" },
	{ 0x0013, FOR_DSA, "TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA" },
	{ 0x000a, FOR_RSA, "TLS_RSA_WITH_3DES_EDE_CBC_SHA" },
	{ 0xc007, FOR_ECDSA, "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA" },
	{ 0xc011, FOR_RSA, "TLS_ECDHE_RSA_WITH_RC4_128_SHA" },
	{ 0x0005, FOR_RSA, "TLS_RSA_WITH_RC4_128_SHA" },
	{ 0x0004, FOR_RSA, "TLS_RSA_WITH_RC4_128_MD5" },
	{ 0x0015, FOR_RSA, "TLS_DHE_RSA_WITH_DES_CBC_SHA" },
	{ 0x0012, FOR_DSA, "TLS_DHE_DSS_WITH_DES_CBC_SHA" },
	{ 0x0009, FOR_RSA, "TLS_RSA_WITH_DES_CBC_SHA" },
	{ 0x0003, FOR_RSA, "TLS_RSA_EXPORT_WITH_RC4_40_MD5" },
	{ 0x0008, FOR_RSA, "TLS_RSA_EXPORT_WITH_DES40_CBC_SHA" },
	{ 0x0002, FOR_RSA, "TLS_RSA_WITH_NULL_SHA" },
	{ 0x0001, FOR_RSA, "TLS_RSA_WITH_NULL_MD5" },
};

/* signature_algorithms, RFC 8446 4.2.3 and RFC 5246 7.4.1.4.1 */
static const struct {
	uint16_t id;
	uint16_t keys;
} signatures[] = {
	{ 0x0403, FOR_ECDSA }, { 0x0804, FOR_RSA },   { 0x0401, FOR_RSA },   { 0x0503, FOR_ECDSA },
	{ 0x0805, FOR_RSA },   { 0x0501, FOR_RSA },   { 0x0603, FOR_ECDSA }, { 0x0806, FOR_RSA },
	{ 0x0601, FOR_RSA },   { 0x0807, FOR_ECDSA }, { 0x0303, FOR_ECDSA }, { 0x0301, FOR_RSA },
	{ 0x0402, FOR_DSA },   { 0x0302, FOR_DSA },   { 0x0203, FOR_ECDSA }, { 0x0201, FOR_RSA },
	{ 0x0202, FOR_DSA },   { 0x0101, FOR_RSA },
};

/* x25519, secp256r1, secp384r1, secp521r1, x448, ffdhe2048; then those of old appliances */
static const uint16_t groups[] = { 29, 23, 24, 25, 30, 256, 19, 21, 22, 26, 27, 28 };

struct writer {
	uint8_t *p;
	size_t n;
};

static void put(struct writer *w, const void *p, size_t n)
{
	memcpy(w->p + w->n, p, n);
	w->n += n;
}

static void put8(struct writer *w, size_t v)
{
	w->p[w->n++] = (uint8_t)v;
}

static void put16(struct writer *w, size_t v)
{
	put8(w, v >> 8);
	put8(w, v & 0xff);
}

/* Room for a length of two octets; end16() fills it. */
static size_t begin16(struct writer *w)
{
	put16(w, 0);
	return w->n;
}

static void end16(struct writer *w, size_t from)
{
	size_t n = w->n - from;

	w->p[from - 2] = (uint8_t)(n >> 8);
	w->p[from - 1] = (uint8_t)n;
}

static unsigned keys_wanted(enum hello_keys keys)
{
	return keys == HELLO_KEYS_RSA     ? FOR_RSA
	       : keys == HELLO_KEYS_ECDSA ? FOR_ECDSA
	                                  : FOR_RSA | FOR_ECDSA | FOR_DSA;
}

static void put_name(struct writer *w, const char *name)
{
	size_t n = strlen(name);

	/* RFC 6066 3: without the dot that makes a name absolute. */
	n -= n > 0 && name[n - 1] == '.' ? 1 : 0;
	put16(w, 0); /* server_name */
	size_t extension = begin16(w);
	size_t list = begin16(w);
	put8(w, 0); /* host_name */
	put16(w, n);
	put(w, name, n);
	end16(w, list);
	end16(w, extension);
}

static void put_alpn(struct writer *w, const char *protocol)
{
	size_t n = strlen(protocol);

	put16(w, 16);
	size_t extension = begin16(w);
	size_t list = begin16(w);
	put8(w, n);
	put(w, protocol, n);
	end16(w, list);
	end16(w, extension);
}

static void put_groups(struct writer *w, size_t n)
{
	put16(w, 10); /* supported_groups */
	size_t extension = begin16(w);
	size_t list = begin16(w);
	for (size_t i = 0; i < n; i++) {
		put16(w, groups[i]);
	}
	end16(w, list);
	end16(w, extension);
	put16(w, 11); /* ec_point_formats: uncompressed */
	put16(w, 2);
	put16(w, 0x0100);
}

static void put_signatures(struct writer *w, unsigned keys)
{
	put16(w, 13);
	size_t extension = begin16(w);
	size_t list = begin16(w);
	for (size_t i = 0; i < ARRAY_LEN(signatures); i++) {
		if ((signatures[i].keys & keys) != 0) {
			put16(w, signatures[i].id);
		}
	}
	end16(w, list);
	end16(w, extension);
}

static void put_tls13(struct writer *w, const uint8_t share[HELLO_SHARE])
{
	put16(w, 43); /* supported_versions */
	size_t extension = begin16(w);
	put8(w, 4);
	put16(w, 0x0304);
	put16(w, 0x0303);
	end16(w, extension);
	put16(w, 51); /* key_share */
	extension = begin16(w);
	size_t list = begin16(w);
	put16(w, X25519);
	put16(w, HELLO_SHARE);
	put(w, share, HELLO_SHARE);
	end16(w, list);
	end16(w, extension);
}

static void put_suites(struct writer *w, unsigned keys, bool today)
{
	size_t list = begin16(w);

	for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
		if ((suites[i].keys & keys) != 0) {
			put16(w, suites[i].id);
		}
		if (today && suites[i].id == LAST_OF_TODAY) {
			break;
		}
	}
	end16(w, list);
}

static void put_extensions(struct writer *w, const struct hello *h)
{
	size_t all = begin16(w);

	if (h->name != NULL) {
		put_name(w, h->name);
	}
	put_groups(w, h->share != NULL ? GROUPS_OF_TODAY : ARRAY_LEN(groups));
	put_signatures(w, keys_wanted(h->keys));
	if (h->alpn != NULL) {
		put_alpn(w, h->alpn);
	}
	if (h->share != NULL) {
		put_tls13(w, h->share);
	}
	/* extended_master_secret, which some refuse to go without; renegotiation_info */
	put16(w, 23);
	put16(w, 0);
	put16(w, 0xff01);
	put16(w, 1);
	put8(w, 0);
	end16(w, all);
}

/* It is written to, behind a struct. NOLINTNEXTLINE(readability-non-const-parameter) */
size_t hello_write(const struct hello *h, uint8_t out[HELLO_MAX])
{
	struct writer w = { .p = out };
	unsigned keys = keys_wanted(h->keys);

	if ((h->name != NULL && strlen(h->name) > HELLO_NAME_MAX) ||
	    (h->alpn != NULL && strlen(h->alpn) > HELLO_ALPN_MAX)) {
		return 0;
	}
	put8(&w, 0x16);
	put16(&w, 0x0301); /* the record's version: what old servers do not trip over */
	size_t record = begin16(&w);
	put8(&w, 1); /* client_hello, a length of three octets */
	put8(&w, 0);
	size_t message = begin16(&w);
	put16(&w, 0x0303);
	put(&w, h->random, sizeof(h->random));
	put8(&w, 0); /* no session to resume */
	put_suites(&w, keys | (h->share != NULL ? FOR_TLS13 : 0), h->share != NULL);
	put16(&w, 0x0100); /* no compression */
	put_extensions(&w, h);
	end16(&w, message);
	end16(&w, record);
	return w.n;
}

const char *hello_suite_name(uint16_t suite)
{
	for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
		if (suites[i].id == suite) {
			return suites[i].name;
		}
	}
	return NULL;
}

const char *hello_version_name(uint16_t version)
{
	static const char *const names[] = { "SSL3.0", "TLS1.0", "TLS1.1", "TLS1.2", "TLS1.3" };

	return version >= 0x0300 && version < 0x0300 + ARRAY_LEN(names) ? names[version - 0x0300]
	                                                                : NULL;
}
