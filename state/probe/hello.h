/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hello.h - a ClientHello of our own, and what the suites in it are called.
 *
 * It is never followed by another message: up to TLS 1.2 the server's certificate travels in clear,
 * so whoever only looks needs no cryptography, and may offer what no library implements any more.
 * With a key share it offers TLS 1.3 as well (veil.h), and nothing that clients of today do not.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HELLO_MAX      1024
#define HELLO_NAME_MAX 255
#define HELLO_RANDOM   32
#define HELLO_SHARE    32
#define HELLO_RECORD   5 /* octets before the message */
#define HELLO_ALPN_MAX 32

/* Servers with two certificates choose by what the client can check. */
enum hello_keys { HELLO_KEYS_ANY, HELLO_KEYS_RSA, HELLO_KEYS_ECDSA };

struct hello {
	const char *name; /* NULL: no server name */
	const char *alpn; /* NULL: none */
	enum hello_keys keys;
	const uint8_t *share; /* of X25519; NULL: no TLS 1.3 */
	uint8_t random[HELLO_RANDOM];
};

/* One record. 0: name or alpn is too long. */
size_t hello_write(const struct hello *h, uint8_t out[HELLO_MAX]);

/* "TLS_RSA_WITH_RC4_128_MD5"; NULL: not one of ours. */
const char *hello_suite_name(uint16_t suite);
/* "TLS1.0"; NULL: no version that we know. */
const char *hello_version_name(uint16_t version);
