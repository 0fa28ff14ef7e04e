/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_plain.c - what a server answers to a hello of ours. The first octet says how it is cut into
 * pieces; however it is cut, the outcome is the same. The rest is heard in clear, with and without
 * a key share in the hello, and once more as what a server of TLS 1.3 says under keys.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "state/probe/hello.h"
#include "state/probe/plain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECE = 4096, TAG = 16 };

static const struct hello hello;
static struct veil_share share;

static struct veil veiled(void)
{
	return (struct veil){ .share = &share, .hello = &hello, .proof = true };
}

static void hear(struct plain *p, struct bytes in, size_t piece, struct veil *v)
{
	plain_init(p);
	p->veil = v;
	for (size_t at = 0; at < in.n && p->want == PLAIN_MORE; at += piece) {
		size_t n = in.n - at < piece ? in.n - at : piece;
		plain_feed(p, bytes_of(in.p + at, n));
	}
	assert(p->want != PLAIN_BROKEN || p->error != NULL);
	(void)plain_inside_certificate(p);
	(void)hello_suite_name(p->suite);
	(void)hello_version_name(p->version);
}

/* Messages, in records sealed with the keys that the reader has. */
static void hear_sealed(struct bytes in)
{
	static const uint8_t server_hello[] = { 2, 0, 0, 0 };
	struct veil v = veiled();
	struct plain p;
	uint8_t nonce[VEIL_NONCE];
	uint8_t clear[PIECE + 1];
	uint8_t record[5 + PIECE + 1 + TAG] = { 23, 3, 3 };

	plain_init(&p);
	p.veil = &v;
	p.tls13 = true;
	p.version = 0x0304;
	assert(veil_begin(&v, 0x1301, share.open, bytes_of(server_hello, sizeof(server_hello))));
	for (uint8_t i = 0; in.n > 0 && i < 8; i++) {
		size_t n = in.n < PIECE ? in.n : PIECE;
		size_t n_sealed = n + 1 + TAG;
		memcpy(clear, in.p, n);
		clear[n] = 22;
		memcpy(nonce, v.iv, sizeof(nonce));
		nonce[VEIL_NONCE - 1] ^= i;
		record[3] = (uint8_t)(n_sealed >> 8);
		record[4] = (uint8_t)n_sealed;
		assert(gnutls_aead_cipher_encrypt(v.cipher, nonce, sizeof(nonce), record, 5, TAG,
		                                  clear, n + 1, record + 5, &n_sealed) >= 0);
		plain_feed(&p, bytes_of(record, 5 + n_sealed));
		in = bytes_of(in.p + n, in.n - n);
	}
	assert(p.want != PLAIN_BROKEN || p.error != NULL);
	assert(p.scheme == 0 || p.said.len > 0);
	plain_release(&p);
	veil_end(&v);
}

static void walk(struct bytes message, bool tls13)
{
	struct bytes list;
	struct bytes der;
	size_t n = 0;

	if (!plain_list(message, tls13, &list)) {
		return;
	}
	while (plain_next(&list, tls13, &der)) {
		n += der.n;
	}
	assert(n <= message.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plain whole;
	struct plain cut;

	if (size == 0) {
		return 0;
	}
	struct bytes in = bytes_of(data + 1, size - 1);
	struct veil of_offer = veiled();
	if (share.open[0] == 0 && !veil_share_init(&share)) {
		return 0;
	}
	hear_sealed(in);
	hear(&whole, in, SIZE_MAX / 2, &of_offer);
	plain_release(&whole);
	veil_end(&of_offer);
	hear(&whole, in, SIZE_MAX / 2, /* v= */ NULL);
	hear(&cut, in, 1 + (size_t)data[0], /* v= */ NULL);
	assert(whole.want == cut.want && whole.version == cut.version && whole.suite == cut.suite);
	assert(whole.alert == cut.alert && whole.certificate_asked == cut.certificate_asked);
	assert(bytes_equal(buf_view(&whole.certificates), buf_view(&cut.certificates)));
	walk(buf_view(&whole.certificates), /* tls13= */ false);
	walk(in, /* tls13= */ false);
	walk(in, /* tls13= */ true);
	struct bytes names = buf_view(&whole.ca_names);
	struct bytes name;
	while (plain_next_name(&names, &name)) {
		assert(name.n <= UINT16_MAX);
	}
	plain_release(&whole);
	plain_release(&cut);
	return 0;
}
