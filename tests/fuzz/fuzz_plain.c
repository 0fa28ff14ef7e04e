/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_plain.c - what a server answers to a hello of ours. The first octet says how it is cut into
 * pieces; however it is cut, the outcome is the same.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "state/probe/hello.h"
#include "state/probe/plain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hear(struct plain *p, struct bytes in, size_t piece)
{
	plain_init(p);
	for (size_t at = 0; at < in.n && p->want == PLAIN_MORE; at += piece) {
		size_t n = in.n - at < piece ? in.n - at : piece;
		plain_feed(p, bytes_of(in.p + at, n));
	}
	assert(p->want != PLAIN_BROKEN || p->error != NULL);
	(void)plain_inside_certificate(p);
	(void)hello_suite_name(p->suite);
	(void)hello_version_name(p->version);
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
	hear(&whole, in, SIZE_MAX / 2);
	hear(&cut, in, 1 + (size_t)data[0]);
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
