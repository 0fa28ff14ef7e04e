/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_starttls.c - a server's part of a dialog: the first octet chooses the dialect, the second
 * how the rest is cut into pieces. However it is cut, the outcome is the same.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "state/probe/starttls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t hold(struct starttls *s, const struct starttls_dialect *d, struct bytes in,
                   size_t piece)
{
	size_t used = 0;

	starttls_start(s, d, "h.example");
	for (;;) {
		while (s->want == STARTTLS_SEND) {
			size_t n = starttls_out(s).n;
			assert(n > 0);
			starttls_sent(s, n < piece ? n : piece);
		}
		if (s->want != STARTTLS_RECEIVE || used == in.n) {
			break;
		}
		size_t n = in.n - used < piece ? in.n - used : piece;
		size_t took = starttls_take(s, bytes_of(in.p + used, n));
		assert(took <= n);
		assert(took > 0 || s->want != STARTTLS_RECEIVE);
		used += took;
	}
	assert(s->total == used && used <= STARTTLS_TOTAL_MAX);
	assert((s->want == STARTTLS_FAILED) == (s->error[0] != '\0'));
	return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct starttls whole;
	struct starttls cut;

	if (size < 2) {
		return 0;
	}
	const struct starttls_dialect *d = starttls_nth(data[0] % 16u);
	struct bytes in = bytes_of(data + 2, size - 2);
	assert(d != NULL);
	size_t a = hold(&whole, d, in, SIZE_MAX);
	size_t b = hold(&cut, d, in, 1 + (size_t)data[1]);
	assert(a == b && whole.want == cut.want && strcmp(whole.error, cut.error) == 0);
	starttls_eof(&cut);
	assert(cut.want == STARTTLS_READY || cut.error[0] != '\0');
	assert(starttls_waiting(&cut) != NULL);
	return 0;
}
