/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_db_row.c - blobs of a damaged database: an error, or something that is written again the
 * same way.
 *
 * Input: an octet that chooses the decoder, then the blob. The set of certificates knows two, whose
 * digests are all 0x01 and all 0x02.
 */
#include <assert.h>
#include <string.h>

#include "state/rows.h"
#include "state/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX ((size_t)1 << 26)

struct world {
	struct arena arena;
	struct seen_certs certs;
	struct seen_cert known[2];
	struct cert_source_set src;
};

static void world_init(struct world *w)
{
	*w = (struct world){ .arena = { 0 } };
	seen_certs_init(&w->certs, &w->arena);
	for (size_t i = 0; i < 2; i++) {
		memset(w->known[i].sha256, (int)i + 1, SHA256_BYTES);
		int rc = map_put(&w->certs.by_sha256, bytes_of(w->known[i].sha256, SHA256_BYTES),
		                 &w->known[i], /* ret_old= */ NULL);
		assert(rc == 0);
	}
	cert_source_set_init(&w->src, &w->certs);
}

static void chain(struct world *w, struct bytes in)
{
	CLEANUP(buf_release) struct buf out = { .limit = OUT_MAX };
	struct seen_chain got;

	if (row_decode_chain(in, &w->src.src, &w->arena, &got, /* err= */ NULL) == ERR_OK) {
		row_encode_chain(got, &out);
		assert(bytes_equal(buf_view(&out), in));
	}
}

static void entries(struct world *w, struct bytes in)
{
	CLEANUP(buf_release) struct buf once = { .limit = OUT_MAX };
	CLEANUP(buf_release) struct buf twice = { .limit = OUT_MAX };
	const struct obs_entry *v;
	size_t n;
	size_t again;

	if (row_decode_entries(in, &w->src.src, &w->arena, &v, &n, /* err= */ NULL) != ERR_OK) {
		return;
	}
	/* A folded alias may be spelt out although it is the alias; the second time it is not. */
	enum err_code rc = row_encode_entries(v, n, &once, /* err= */ NULL);
	assert(rc == ERR_OK && once.len <= in.n);
	rc = row_decode_entries(buf_view(&once), &w->src.src, &w->arena, &v, &again,
	                        /* err= */ NULL);
	assert(rc == ERR_OK && again == n);
	rc = row_encode_entries(v, n, &twice, /* err= */ NULL);
	assert(rc == ERR_OK && bytes_equal(buf_view(&once), buf_view(&twice)));
}

static void names(struct world *w, struct bytes in)
{
	CLEANUP(buf_release) struct buf out = { .limit = OUT_MAX };
	const char *const *v;
	size_t n;

	if (row_decode_names(in, &w->arena, &v, &n, /* err= */ NULL) == ERR_OK) {
		enum err_code rc = row_encode_names(v, n, &out, /* err= */ NULL);
		assert(rc == ERR_OK && bytes_equal(buf_view(&out), in));
	}
}

static void box(struct bytes in)
{
	CLEANUP(secret_release) struct secret plain = { 0 };
	uint8_t raw[SEAL_KEY_BYTES] = { 7 };
	struct secret key = { .p = raw, .n = sizeof(raw) };

	/* Nobody forges a tag by chance. */
	assert(unseal(&key, bytes_of_str("place"), in, &plain, /* err= */ NULL) != ERR_OK);
	assert(plain.p == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w;

	if (size == 0) {
		return 0;
	}
	world_init(&w);
	struct bytes in = bytes_of(data + 1, size - 1);
	switch (data[0] & 3) {
	case 0:
		chain(&w, in);
		break;
	case 1:
		entries(&w, in);
		break;
	case 2:
		names(&w, in);
		break;
	default:
		box(in);
	}
	seen_certs_release(&w.certs);
	arena_release(&w.arena);
	return 0;
}
