/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_snapshot.c - any bytes: an error, or a world that is written and read again unchanged.
 */
#include <assert.h>

#include "state/snapshot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT ((size_t)64 << 20)

/* False: refused. */
static bool pass_on(struct bytes in, struct buf *out)
{
	struct arena arena;
	struct seen_certs certs;
	struct observed *o = NULL;
	struct memory *m = NULL;

	arena_init(&arena);
	seen_certs_init(&certs, &arena);
	bool ok = snapshot_read(in, &arena, &certs, &o, &m, /* err= */ NULL) == ERR_OK;
	if (ok) {
		assert(snapshot_write(o, m, out, /* err= */ NULL) == ERR_OK);
	}
	observed_release(o);
	memory_release(m);
	seen_certs_release(&certs);
	arena_release(&arena);
	return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf once;
	struct buf twice;

	buf_init(&once, LIMIT);
	buf_init(&twice, LIMIT);
	if (pass_on(bytes_of(data, size), &once)) {
		bool again = pass_on(buf_view(&once), &twice);
		assert(again && bytes_equal(buf_view(&once), buf_view(&twice)));
	}
	buf_release(&once);
	buf_release(&twice);
	return 0;
}
