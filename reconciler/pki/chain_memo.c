/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chain_memo.c - rows of 36 octets: SHA-256 of the question, GnuTLS's status word.
 */
#include "reconciler/pki/chain_memo.h"

#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>

#include "reconciler/pki/pki.h"

#define ROW      (SHA256_BYTES + 4)
#define ROWS_MAX 1000000

struct known_path {
	uint8_t key[SHA256_BYTES];
	unsigned status;
	bool used;
};

void chain_memo_init(struct chain_memo *m, struct arena *arena)
{
	*m = (struct chain_memo){ .arena = arena };
	map_init(&m->by_path);
}

void chain_memo_release(struct chain_memo *m)
{
	map_release(&m->by_path);
}

void chain_memo_inputs(uint8_t ret[SHA256_BYTES])
{
	char text[64];

	(void)snprintf(text, sizeof(text), "paths 1, GnuTLS %s",
	               gnutls_check_version(/* req_version= */ NULL));
	pki_sha256(text, strlen(text), ret);
}

static struct known_path *put(struct chain_memo *m, const uint8_t key[SHA256_BYTES],
                              unsigned status)
{
	struct known_path *k = ARENA_NEW(m->arena, struct known_path);

	if (k == NULL) {
		return NULL;
	}
	memcpy(k->key, key, SHA256_BYTES);
	k->status = status;
	return map_put(&m->by_path, bytes_of(k->key, SHA256_BYTES), k, /* ret_old= */ NULL) < 0
	               ? NULL
	               : k;
}

static unsigned status_at(const uint8_t *p)
{
	return (unsigned)p[0] << 24 | (unsigned)p[1] << 16 | (unsigned)p[2] << 8 | p[3];
}

bool chain_memo_read(struct chain_memo *m, struct bytes in)
{
	bool whole = in.n % ROW == 0 && in.n / ROW <= ROWS_MAX;

	for (size_t i = 0; whole && i < in.n / ROW; i++) {
		const uint8_t *row = in.p + i * ROW;
		whole = put(m, row, status_at(row + SHA256_BYTES)) != NULL;
	}
	if (!whole) {
		map_release(&m->by_path);
		map_init(&m->by_path);
	}
	m->n_read = m->by_path.n;
	return whole;
}

bool chain_memo_changed(const struct chain_memo *m)
{
	return m->n_new > 0 || m->n_used < m->n_read / 2;
}

void chain_memo_write(const struct chain_memo *m, struct buf *out)
{
	size_t pos = 0;
	struct bytes key;
	void *value;

	while (map_next(&m->by_path, &pos, &key, &value)) {
		const struct known_path *k = value;
		if (k->used) {
			buf_add_bytes(out, key);
			buf_add_u32be(out, (uint32_t)k->status);
		}
	}
}

static void digest_anchors(struct chain_memo *m, struct chain anchors)
{
	CLEANUP(buf_release) struct buf all = { 0 };

	if (m->anchors == anchors.v && m->n_anchors == anchors.n && anchors.v != NULL) {
		return;
	}
	buf_init(&all, BUF_LIMIT_TEXT);
	for (size_t i = 0; i < anchors.n; i++) {
		buf_add(&all, anchors.v[i]->sha256, SHA256_BYTES);
	}
	/* Never the same as another set's. */
	if (buf_failed(&all)) {
		pki_random(m->anchors_sha256, SHA256_BYTES);
		m->anchors = NULL;
		return;
	}
	pki_sha256(all.p, all.len, m->anchors_sha256);
	m->anchors = anchors.v;
	m->n_anchors = anchors.n;
}

void chain_memo_key(struct chain_memo *m, struct chain path, struct chain anchors,
                    enum chain_purpose purpose, uint8_t ret[SHA256_BYTES])
{
	uint8_t question[1 + SHA256_BYTES + CHAIN_PATH_MAX * SHA256_BYTES];
	size_t n = 1 + SHA256_BYTES;

	digest_anchors(m, anchors);
	question[0] = (uint8_t)purpose;
	memcpy(question + 1, m->anchors_sha256, SHA256_BYTES);
	for (size_t i = 0; i < path.n && i < CHAIN_PATH_MAX; i++) {
		memcpy(question + n, path.v[i]->sha256, SHA256_BYTES);
		n += SHA256_BYTES;
	}
	pki_sha256(question, n, ret);
}

bool chain_memo_find(struct chain_memo *m, const uint8_t key[SHA256_BYTES], unsigned *ret_status)
{
	struct known_path *k = map_get(&m->by_path, bytes_of(key, SHA256_BYTES));

	if (k == NULL) {
		return false;
	}
	m->n_used += k->used ? 0 : 1;
	k->used = true;
	*ret_status = k->status;
	return true;
}

void chain_memo_add(struct chain_memo *m, const uint8_t key[SHA256_BYTES], unsigned status)
{
	struct known_path *k = put(m, key, status);

	if (k != NULL) {
		k->used = true;
		m->n_new++;
	}
}
