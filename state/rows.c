/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rows.c - compact blobs instead of JSON: a fleet's observation is read back in every pass, and a
 * row of a store with two entries is 200 octets this way.
 */
#include "state/rows.h"

#include <string.h>

#define ENTRIES_FORMAT 1
#define CHAIN_MAX      0xffffu
#define ENTRY_MIN      (1 + 1 + 4 + 2 + 2 + 2) /* smallest encoding of one entry */
#define SAME_TEXT      0xffffu                 /* folded is the alias itself; no text at all */
#define ADDRESS_MIN    (2 + 1 + 1 + 2 + 2)

enum { ENTRY_KEY_OPENS = 1, ENTRY_KEY_MATCHES = 2 };

static enum err_code find_in_set(struct cert_source *src, const uint8_t sha256[SHA256_BYTES],
                                 const struct seen_cert **ret, struct err *err)
{
	struct cert_source_set *s = CONTAINER_OF(src, struct cert_source_set, src);
	const struct seen_cert *c = seen_cert_find(s->certs, sha256);

	if (c == NULL) {
		return err_set(err, ERR_INVALID, "a certificate that is not kept");
	}
	*ret = c;
	return ERR_OK;
}

void cert_source_set_init(struct cert_source_set *s, const struct seen_certs *certs)
{
	*s = (struct cert_source_set){ .src.find = find_in_set, .certs = certs };
}

static enum err_code damaged(struct err *err, const char *what)
{
	return err_set(err, ERR_INVALID, "%s is damaged", what);
}

void row_encode_chain(struct seen_chain chain, struct buf *out)
{
	for (size_t i = 0; i < chain.n; i++) {
		buf_add(out, chain.v[i]->sha256, SHA256_BYTES);
	}
}

enum err_code row_decode_chain(struct bytes in, struct cert_source *src, struct arena *arena,
                               struct seen_chain *ret, struct err *err)
{
	size_t n = in.n / SHA256_BYTES;
	const struct seen_cert **v;

	if (in.n % SHA256_BYTES != 0 || n > CHAIN_MAX) {
		return damaged(err, "a chain");
	}
	v = ARENA_ARRAY(arena, const struct seen_cert *, n == 0 ? 1 : n);
	if (v == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < n; i++) {
		enum err_code rc = src->find(src, in.p + i * SHA256_BYTES, &v[i], err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	*ret = (struct seen_chain){ .v = v, .n = n };
	return ERR_OK;
}

struct reader {
	const uint8_t *p;
	size_t left;
	bool bad;
};

static const uint8_t *take(struct reader *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || n > r->left) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	r->left -= n;
	return p;
}

static uint32_t take_be(struct reader *r, size_t n)
{
	const uint8_t *p = take(r, n);
	uint32_t v = 0;

	for (size_t i = 0; p != NULL && i < n; i++) {
		v = v << 8 | p[i];
	}
	return v;
}

static const char *take_text(struct reader *r, uint32_t n, struct arena *arena)
{
	const uint8_t *p = take(r, n);

	if (p == NULL || (n > 0 && memchr(p, 0, n) != NULL)) {
		r->bad = true;
		return "";
	}
	return n == 0 ? "" : arena_strn(arena, (const char *)p, n);
}

static enum err_code put_text(struct buf *out, const char *s, struct err *err)
{
	size_t n = strlen(s);

	if (n >= SAME_TEXT) {
		return err_set(err, ERR_INVALID, "a name of %zu octets is too long to be kept", n);
	}
	buf_add_u16be(out, (uint16_t)n);
	buf_add(out, s, n);
	return ERR_OK;
}

static enum err_code put_entry(const struct obs_entry *e, struct buf *out, struct err *err)
{
	bool same = strcmp(e->alias, e->folded) == 0;
	enum err_code rc;

	buf_add_byte(out, (uint8_t)e->kind);
	buf_add_byte(out, (uint8_t)((e->key_opens ? ENTRY_KEY_OPENS : 0) |
	                            (e->key_matches ? ENTRY_KEY_MATCHES : 0)));
	buf_add_u32be(out, e->warnings);
	rc = put_text(out, e->alias, err);
	if (rc == ERR_OK && same) {
		buf_add_u16be(out, SAME_TEXT);
	} else if (rc == ERR_OK) {
		rc = put_text(out, e->folded, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	if (e->key_opens) {
		buf_add(out, digest_or_zeroes(e->key_spki_sha256), SHA256_BYTES);
	}
	if (e->chain.n > CHAIN_MAX) {
		return err_set(err, ERR_INVALID, "entry '%s': a chain of %zu certificates",
		               e->alias, e->chain.n);
	}
	buf_add_u16be(out, (uint16_t)e->chain.n);
	row_encode_chain(e->chain, out);
	return ERR_OK;
}

enum err_code row_encode_entries(const struct obs_entry *v, size_t n, struct buf *out,
                                 struct err *err)
{
	buf_add_byte(out, ENTRIES_FORMAT);
	buf_add_u32be(out, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		enum err_code rc = put_entry(&v[i], out, err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return buf_check(out, "the entries of a store", err);
}

static enum err_code take_entry(struct reader *r, struct cert_source *src, struct arena *arena,
                                struct obs_entry *e, struct err *err)
{
	uint32_t kind = take_be(r, 1);
	uint32_t flags = take_be(r, 1);
	uint32_t n;
	const uint8_t *p, *spki;

	e->kind = (enum keystore_entry_kind)kind;
	e->key_opens = (flags & ENTRY_KEY_OPENS) != 0;
	e->key_matches = (flags & ENTRY_KEY_MATCHES) != 0;
	e->warnings = take_be(r, 4);
	e->alias = take_text(r, take_be(r, 2), arena);
	n = take_be(r, 2);
	e->folded = n == SAME_TEXT ? e->alias : take_text(r, n, arena);
	spki = e->key_opens ? take(r, SHA256_BYTES) : NULL;
	n = take_be(r, 2);
	p = take(r, (size_t)n * SHA256_BYTES);
	if (r->bad || kind > KS_OPAQUE || (flags & ~3u) != 0) {
		return damaged(err, "an entry of a store");
	}
	if (arena_failed(arena)) {
		return err_nomem(err);
	}
	enum err_code rc =
		row_decode_chain(bytes_of(p, (size_t)n * SHA256_BYTES), src, arena, &e->chain, err);
	if (rc == ERR_OK && spki != NULL) {
		/* the leaf's own, when they belong together */
		const uint8_t *of = e->chain.n == 0 ? NULL : e->chain.v[0]->spki_sha256;
		e->key_spki_sha256 =
			digests_equal(of, spki) ? of : arena_copy(arena, spki, SHA256_BYTES);
		rc = arena_failed(arena) ? err_nomem(err) : ERR_OK;
	}
	return rc;
}

enum err_code row_decode_entries(struct bytes in, struct cert_source *src, struct arena *arena,
                                 const struct obs_entry **ret, size_t *ret_n, struct err *err)
{
	struct reader r = { .p = in.p, .left = in.n };
	uint32_t format = take_be(&r, 1);
	uint32_t n = take_be(&r, 4);
	struct obs_entry *v;

	/* The count is checked against what is there before anything is allocated for it. */
	if (r.bad || format != ENTRIES_FORMAT || n > r.left / ENTRY_MIN) {
		return damaged(err, "the entries of a store");
	}
	v = ARENA_ARRAY(arena, struct obs_entry, n == 0 ? 1 : n);
	if (v == NULL) {
		return err_nomem(err);
	}
	for (uint32_t i = 0; i < n; i++) {
		enum err_code rc = take_entry(&r, src, arena, &v[i], err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	if (r.left != 0) {
		return damaged(err, "the entries of a store");
	}
	*ret = v;
	*ret_n = n;
	return ERR_OK;
}

static enum err_code put_address(const struct obs_address *a, struct buf *chains, struct buf *out,
                                 struct err *err)
{
	enum err_code rc = put_text(out, a->address, err);

	buf_add_byte(out, (uint8_t)a->status);
	buf_add_byte(out, (uint8_t)a->proof);
	if (rc == ERR_OK && a->error == NULL) {
		buf_add_u16be(out, SAME_TEXT);
	} else if (rc == ERR_OK) {
		rc = put_text(out, a->error, err);
	}
	buf_add_u16be(out, (uint16_t)a->served.n);
	row_encode_chain(a->served, chains);
	return rc;
}

/* Nothing of an endpoint that serves nothing else, so that most rows stay as they were. */
enum err_code row_encode_others(const struct obs_endpoint *e, struct buf *chains, struct buf *out,
                                struct err *err)
{
	enum err_code rc = ERR_OK;

	if (e->twin.n == 0 && e->n_addresses == 0) {
		return ERR_OK;
	}
	if (e->twin.n > CHAIN_MAX) {
		return err_set(err, ERR_INVALID, "a chain of %zu certificates", e->twin.n);
	}
	buf_add_u16be(out, (uint16_t)e->twin.n);
	row_encode_chain(e->twin, chains);
	buf_add_u32be(out, (uint32_t)e->n_addresses);
	for (size_t i = 0; rc == ERR_OK && i < e->n_addresses; i++) {
		rc = e->addresses[i].served.n > CHAIN_MAX
		             ? err_set(err, ERR_INVALID, "a chain is too long")
		             : put_address(&e->addresses[i], chains, out, err);
	}
	if (rc == ERR_OK) {
		rc = buf_check(out, "the addresses of an endpoint", err);
	}
	return rc == ERR_OK ? buf_check(chains, "the chains of an endpoint", err) : rc;
}

static enum err_code take_served(struct reader *chains, uint32_t n, struct cert_source *src,
                                 struct arena *arena, struct seen_chain *ret, struct err *err)
{
	const uint8_t *p = take(chains, (size_t)n * SHA256_BYTES);

	return chains->bad ? damaged(err, "the addresses of an endpoint")
	                   : row_decode_chain(bytes_of(p, (size_t)n * SHA256_BYTES), src, arena,
	                                      ret, err);
}

static enum err_code take_address(struct reader *r, struct reader *chains, struct cert_source *src,
                                  struct arena *arena, struct obs_address *a, struct err *err)
{
	a->address = take_text(r, take_be(r, 2), arena);
	uint32_t status = take_be(r, 1);
	uint32_t proof = take_be(r, 1);
	uint32_t n = take_be(r, 2);
	a->error = n == SAME_TEXT ? NULL : take_text(r, n, arena);
	n = take_be(r, 2);
	if (r->bad || status > ENDPOINT_NO_TLS || proof > PROOF_POSSESSION) {
		return damaged(err, "the addresses of an endpoint");
	}
	a->status = (enum endpoint_status)status;
	a->proof = (enum proof)proof;
	return take_served(chains, n, src, arena, &a->served, err);
}

enum err_code row_decode_others(struct bytes chains, struct bytes in, struct cert_source *src,
                                struct arena *arena, struct obs_endpoint *ret, struct err *err)
{
	struct reader r = { .p = in.p, .left = in.n };
	struct reader all = { .p = chains.p, .left = chains.n };
	struct seen_chain twin = { .n = 0 };

	if (in.n == 0 && chains.n == 0) {
		return ERR_OK;
	}
	uint32_t n_twin = take_be(&r, 2);
	uint32_t n = take_be(&r, 4);
	if (r.bad || n > r.left / ADDRESS_MIN) {
		return damaged(err, "the addresses of an endpoint");
	}
	struct obs_address *v = ARENA_ARRAY(arena, struct obs_address, n == 0 ? 1 : n);
	if (v == NULL) {
		return err_nomem(err);
	}
	enum err_code rc = take_served(&all, n_twin, src, arena, &twin, err);
	for (uint32_t i = 0; rc == ERR_OK && i < n; i++) {
		rc = take_address(&r, &all, src, arena, &v[i], err);
	}
	if (rc == ERR_OK && (r.left != 0 || all.left != 0)) {
		rc = damaged(err, "the addresses of an endpoint");
	}
	if (rc == ERR_OK && arena_failed(arena)) {
		rc = err_nomem(err);
	}
	if (rc == ERR_OK) {
		ret->twin = twin;
		ret->addresses = v;
		ret->n_addresses = n;
	}
	return rc;
}

enum err_code row_encode_names(const char *const *v, size_t n, struct buf *out, struct err *err)
{
	buf_add_u32be(out, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		enum err_code rc = put_text(out, v[i], err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return buf_check(out, "a list of names", err);
}

enum err_code row_decode_names(struct bytes in, struct arena *arena, const char *const **ret,
                               size_t *ret_n, struct err *err)
{
	struct reader r = { .p = in.p, .left = in.n };
	uint32_t n = take_be(&r, 4);
	const char **v;

	if (r.bad || n > r.left / 2) {
		return damaged(err, "a list of names");
	}
	v = ARENA_ARRAY(arena, const char *, n == 0 ? 1 : n);
	if (v == NULL) {
		return err_nomem(err);
	}
	for (uint32_t i = 0; i < n; i++) {
		v[i] = take_text(&r, take_be(&r, 2), arena);
	}
	if (r.bad || r.left != 0) {
		return damaged(err, "a list of names");
	}
	if (arena_failed(arena)) {
		return err_nomem(err);
	}
	*ret = v;
	*ret_n = n;
	return ERR_OK;
}
