/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * raw_hello13.c - the least that a program can do to see a certificate of TLS 1.3: connect, write
 * a hello with a key share, derive the server's handshake keys, decrypt to the end of the
 * Certificate message, hash the leaf, reset. TLS_AES_128_GCM_SHA256 and X25519 only, all of it
 * nettle's; no signature is checked, no deadline kept and nothing else parsed: the floor that our
 * look is held against.
 *
 * raw_hello13 fresh|kept PORT N: with a key share for each connection, or one for all of them
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <nettle/curve25519.h>
#include <nettle/gcm.h>
#include <nettle/hkdf.h>
#include <nettle/hmac.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "reconciler/base/str.h"
#include "reconciler/pki/pki.h"
#include "state/probe/hello.h"

#define ROOM   65536
#define RECORD 5
#define TAG    GCM_DIGEST_SIZE
#define HASH   SHA256_DIGEST_SIZE

struct raw {
	int epoll;
	bool fresh;
	struct sockaddr_in at;
	uint8_t secret[HELLO_SHARE], share[HELLO_SHARE];
	uint8_t salt[HASH]; /* where the schedule begins */
	uint8_t sealed[ROOM], plain[ROOM];
	size_t got;   /* of sealed */
	size_t at_in; /* of it that was opened */
	size_t n;     /* of plain */
	struct gcm_aes128_ctx cipher;
	uint8_t iv[GCM_IV_SIZE];
	uint64_t records;
};

static size_t size24(const uint8_t *p)
{
	return (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
}

static size_t size16(const uint8_t *p)
{
	return (size_t)p[0] << 8 | p[1];
}

/* HKDF-Expand-Label; `context` NULL: none. */
static void expand(const uint8_t *key, const char *label, const uint8_t *context, uint8_t *out,
                   size_t n)
{
	struct hmac_sha256_ctx mac;
	uint8_t info[64 + HASH] = { 0, (uint8_t)n };
	size_t label_n = (size_t)snprintf((char *)info + 3, sizeof(info) - 3, "tls13 %s", label);
	size_t at = 3 + label_n;

	info[2] = (uint8_t)label_n;
	info[at++] = context == NULL ? 0 : HASH;
	if (context != NULL) {
		memcpy(info + at, context, HASH);
		at += HASH;
	}
	hmac_sha256_set_key(&mac, HASH, key);
	hkdf_expand(&mac, (nettle_hash_update_func *)hmac_sha256_update,
	            (nettle_hash_digest_func *)hmac_sha256_digest, HASH, at, info, n, out);
}

static void extract(const uint8_t *salt, const uint8_t *in, uint8_t *out)
{
	struct hmac_sha256_ctx mac;

	hmac_sha256_set_key(&mac, HASH, salt);
	hkdf_extract(&mac, (nettle_hash_update_func *)hmac_sha256_update,
	             (nettle_hash_digest_func *)hmac_sha256_digest, HASH, HASH, in, out);
}

static void new_share(struct raw *r)
{
	pki_random(r->secret, sizeof(r->secret));
	curve25519_mul_g(r->share, r->secret);
}

static void begin(struct raw *r)
{
	static const uint8_t zeros[HASH];
	struct sha256_ctx hash;
	uint8_t early[HASH];
	uint8_t empty[HASH];

	sha256_init(&hash);
	sha256_digest(&hash, sizeof(empty), empty);
	extract(zeros, zeros, early);
	expand(early, "derived", empty, r->salt, HASH);
	new_share(r);
}

/* The server's share, in a hello that chose what we can read; NULL: it did not. */
static const uint8_t *share_of(const uint8_t *hello, size_t n)
{
	size_t at = 4 + 2 + 32; /* message header, version, random */

	if (n < at + 1 || n < at + 1 + hello[at] + 5) {
		return NULL;
	}
	at += 1 + (size_t)hello[at];
	if (size16(hello + at) != 0x1301) {
		return NULL;
	}
	for (at += 2 + 1 + 2; at + 4 <= n; at += 4 + size16(hello + at + 2)) {
		if (size16(hello + at) == 51 && at + 8 + HELLO_SHARE <= n &&
		    size16(hello + at + 4) == 29) {
			return hello + at + 8;
		}
	}
	return NULL;
}

static bool derive(struct raw *r, struct bytes ours, const uint8_t *hello, size_t n)
{
	const uint8_t *theirs = share_of(hello, n);
	struct sha256_ctx hash;
	uint8_t common[HELLO_SHARE];
	uint8_t secret[HASH];
	uint8_t traffic[HASH];
	uint8_t digest[HASH];
	uint8_t key[AES128_KEY_SIZE];

	if (theirs == NULL) {
		return false;
	}
	sha256_init(&hash);
	sha256_update(&hash, ours.n - RECORD, ours.p + RECORD);
	sha256_update(&hash, n, hello);
	sha256_digest(&hash, sizeof(digest), digest);
	curve25519_mul(common, r->secret, theirs);
	extract(r->salt, common, secret);
	expand(secret, "s hs traffic", digest, traffic, HASH);
	expand(traffic, "key", /* context= */ NULL, key, sizeof(key));
	expand(traffic, "iv", /* context= */ NULL, r->iv, sizeof(r->iv));
	gcm_aes128_set_key(&r->cipher, key);
	return true;
}

static bool unseal(struct raw *r, const uint8_t *record, size_t n)
{
	uint8_t nonce[GCM_IV_SIZE];
	uint8_t tag[TAG];

	if (n <= TAG || r->n + n > ROOM) {
		return false;
	}
	memcpy(nonce, r->iv, sizeof(nonce));
	nonce[GCM_IV_SIZE - 1] ^= (uint8_t)r->records++;
	gcm_aes128_set_iv(&r->cipher, sizeof(nonce), nonce);
	gcm_aes128_update(&r->cipher, RECORD, record);
	gcm_aes128_decrypt(&r->cipher, n - TAG, r->plain + r->n, record + RECORD);
	gcm_aes128_digest(&r->cipher, TAG, tag);
	r->n += n - TAG - 1; /* without its type */
	return memcmp(tag, record + RECORD + n - TAG, TAG) == 0;
}

/* Every record that is there. The first is the server's hello; changes of cipher are passed over.
 */
static bool open_records(struct raw *r, struct bytes ours)
{
	while (r->got - r->at_in >= RECORD) {
		const uint8_t *record = r->sealed + r->at_in;
		size_t n = size16(record + 3);
		bool fine = true;

		if (r->got - r->at_in < RECORD + n) {
			return true;
		}
		if (r->at_in == 0) {
			fine = derive(r, ours, record + RECORD, n);
		} else if (record[0] == 23) {
			fine = unseal(r, record, n);
		}
		if (!fine) {
			return false;
		}
		r->at_in += RECORD + n;
	}
	return true;
}

/* Where the leaf begins, once all of the Certificate message is there; 0: not yet. */
static size_t leaf_of(const struct raw *r, size_t *ret_size)
{
	for (size_t at = 0; at + 4 <= r->n && at + 4 + size24(r->plain + at + 1) <= r->n;) {
		if (r->plain[at] == 11) {
			*ret_size = size24(r->plain + at + 8);
			return at + 11;
		}
		at += 4 + size24(r->plain + at + 1);
	}
	return 0;
}

static bool look(struct raw *r)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	struct hello h = { .name = "ec-0.bench.example", .share = r->share };
	struct epoll_event e = { .events = EPOLLIN };
	uint8_t out[HELLO_MAX];
	uint8_t digest[SHA256_BYTES];
	size_t size = 0;
	size_t leaf = 0;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	r->got = r->at_in = r->n = 0;
	r->records = 0;
	if (r->fresh) {
		new_share(r);
	}
	struct bytes hello = bytes_of(out, hello_write(&h, out));
	if (fd < 0 || connect(fd, (const struct sockaddr *)&r->at, sizeof(r->at)) < 0 ||
	    epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &e) < 0 ||
	    send(fd, hello.p, hello.n, MSG_NOSIGNAL) < 0) {
		return false;
	}
	while (leaf == 0 && epoll_wait(r->epoll, &e, 1, -1) == 1) {
		ssize_t n = recv(fd, r->sealed + r->got, ROOM - r->got, 0);
		if (n <= 0) {
			return false;
		}
		r->got += (size_t)n;
		if (!open_records(r, hello)) {
			return false;
		}
		leaf = leaf_of(r, &size);
	}
	pki_sha256(r->plain + leaf, size, digest);
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return close(fd) == 0;
}

int main(int argc, char **argv)
{
	static struct raw r = { .at = { .sin_family = AF_INET } };
	int64_t port = 0;
	int64_t n = 0;

	if (argc != 4 || (strcmp(argv[1], "fresh") != 0 && strcmp(argv[1], "kept") != 0) ||
	    !str_to_i64(argv[2], 1, 65535, &port) || !str_to_i64(argv[3], 0, 1000000, &n)) {
		(void)fprintf(stderr, "usage: raw_hello13 fresh|kept PORT N\n");
		return 64;
	}
	pki_init(&clock_system);
	r.fresh = strcmp(argv[1], "fresh") == 0;
	r.at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	r.at.sin_port = htons((uint16_t)port);
	r.epoll = epoll_create1(EPOLL_CLOEXEC);
	begin(&r);
	for (int64_t i = 0; i < n; i++) {
		if (!look(&r)) {
			(void)fprintf(stderr, "raw_hello13: no certificate of TLS 1.3 came\n");
			return 1;
		}
	}
	return 0;
}
