/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rows.h - the blobs inside rows, encoded and decoded. Pure; what is decoded is hostile (a damaged
 * database is an error, never a crash).
 *
 * A chain is the SHA-256 of its certificates one after the other. Text is a 16-bit length and its
 * octets.
 */
#pragma once

#include "state/observed.h"

/* Where a decoder gets certificates from. */
struct cert_source {
	/* ERR_INVALID: there is no such certificate. */
	enum err_code (*find)(struct cert_source *src, const uint8_t sha256[SHA256_BYTES],
	                      const struct seen_cert **ret, struct err *err);
};
/* Those of a set, and no others. */
struct cert_source_set {
	struct cert_source src;
	const struct seen_certs *certs;
};
void cert_source_set_init(struct cert_source_set *s, const struct seen_certs *certs);

void row_encode_chain(struct seen_chain chain, struct buf *out);
enum err_code row_decode_chain(struct bytes in, struct cert_source *src, struct arena *arena,
                               struct seen_chain *ret, struct err *err);

enum err_code row_encode_entries(const struct obs_entry *v, size_t n, struct buf *out,
                                 struct err *err);
enum err_code row_decode_entries(struct bytes in, struct cert_source *src, struct arena *arena,
                                 const struct obs_entry **ret, size_t *ret_n, struct err *err);

/* What an endpoint serves beside its chain: its twin and its addresses. The chains go to `chains`,
 * one after the other, the rest to `out`. */
enum err_code row_encode_others(const struct obs_endpoint *e, struct buf *chains, struct buf *out,
                                struct err *err);
enum err_code row_decode_others(struct bytes chains, struct bytes in, struct cert_source *src,
                                struct arena *arena, struct obs_endpoint *ret, struct err *err);

enum err_code row_encode_names(const char *const *v, size_t n, struct buf *out, struct err *err);
enum err_code row_decode_names(struct bytes in, struct arena *arena, const char *const **ret,
                               size_t *ret_n, struct err *err);
