/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_rows.c - the blobs: round trips, and every damage an error.
 */
#include "state/rows.h"
#include "tests/unit/state/fixture.h"

struct rows {
	struct arena arena;
	struct seen_certs certs;
	struct seen_cert a, b;
	const struct seen_cert *chain[2];
	struct cert_source_set src;
	struct obs_entry entries[2];
	struct buf blob;
	struct err err;
};

static void rows_init(struct rows *r)
{
	*r = (struct rows){ .a = { .sha256 = { 1 } }, .b = { .sha256 = { 2 } } };
	seen_certs_init(&r->certs, &r->arena);
	ck_assert_int_eq(map_put(&r->certs.by_sha256, bytes_of(r->a.sha256, SHA256_BYTES), &r->a,
	                         NULL),
	                 0);
	ck_assert_int_eq(map_put(&r->certs.by_sha256, bytes_of(r->b.sha256, SHA256_BYTES), &r->b,
	                         NULL),
	                 0);
	r->chain[0] = &r->a;
	r->chain[1] = &r->b;
	cert_source_set_init(&r->src, &r->certs);
	r->entries[0] = (struct obs_entry){ .alias = "A",
		                            .folded = "a",
		                            .kind = KS_KEY,
		                            .key_opens = true,
		                            .chain = { .v = r->chain, .n = 2 } };
	r->entries[1] = (struct obs_entry){ .alias = "b", .folded = "b", .kind = KS_TRUSTED };
	buf_init(&r->blob, 10000);
}

static void rows_release(struct rows *r)
{
	buf_release(&r->blob);
	seen_certs_release(&r->certs);
	arena_release(&r->arena);
}

static enum err_code decode(struct rows *r, struct bytes in)
{
	const struct obs_entry *v = NULL;
	size_t n = 0;

	err_clear(&r->err);
	return row_decode_entries(in, &r->src.src, &r->arena, &v, &n, &r->err);
}

START_TEST(every_shorter_or_longer_blob_of_entries_is_an_error)
{
	struct rows r;

	rows_init(&r);
	ck_assert_ok(row_encode_entries(r.entries, 2, &r.blob, &r.err), &r.err);
	ck_assert_int_eq(decode(&r, buf_view(&r.blob)), ERR_OK);
	for (size_t n = 0; n < r.blob.len; n++) {
		ck_assert_int_eq(decode(&r, bytes_of(r.blob.p, n)), ERR_INVALID);
	}
	buf_add_byte(&r.blob, 0);
	ck_assert_int_eq(decode(&r, buf_view(&r.blob)), ERR_INVALID);
	rows_release(&r);
}
END_TEST

START_TEST(a_count_larger_than_the_blob_allocates_nothing)
{
	static const uint8_t many[] = { 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0 };
	struct rows r;

	rows_init(&r);
	ck_assert_int_eq(decode(&r, bytes_of(many, sizeof(many))), ERR_INVALID);
	ck_assert_uint_eq(r.arena.used, 0);
	rows_release(&r);
}
END_TEST

START_TEST(a_chain_of_unknown_certificates_or_odd_length_is_an_error)
{
	struct rows r;
	struct seen_chain chain = { .v = r.chain, .n = 2 };
	struct seen_chain got = { .n = 0 };

	rows_init(&r);
	row_encode_chain(chain, &r.blob);
	ck_assert_ok(row_decode_chain(buf_view(&r.blob), &r.src.src, &r.arena, &got, &r.err),
	             &r.err);
	ck_assert_uint_eq(got.n, 2);
	ck_assert_ptr_eq(got.v[1], &r.b);
	ck_assert_int_eq(row_decode_chain(bytes_of(r.blob.p, 63), &r.src.src, &r.arena, &got,
	                                  &r.err),
	                 ERR_INVALID);
	err_clear(&r.err);
	r.blob.p[40] ^= 1;
	ck_assert_int_eq(row_decode_chain(buf_view(&r.blob), &r.src.src, &r.arena, &got, &r.err),
	                 ERR_INVALID);
	ck_assert_uint_eq(got.n, 2);
	rows_release(&r);
}
END_TEST

START_TEST(names_come_back_and_a_nul_inside_one_is_damage)
{
	static const char *const v[] = { "CN=a", "", "O=b" };
	struct rows r;
	const char *const *got = NULL;
	size_t n = 0;

	rows_init(&r);
	ck_assert_ok(row_encode_names(v, 3, &r.blob, &r.err), &r.err);
	ck_assert_ok(row_decode_names(buf_view(&r.blob), &r.arena, &got, &n, &r.err), &r.err);
	ck_assert_uint_eq(n, 3);
	ck_assert_str_eq(got[0], "CN=a");
	ck_assert_str_eq(got[1], "");
	ck_assert_str_eq(got[2], "O=b");
	r.blob.p[7] = 0;
	ck_assert_int_eq(row_decode_names(buf_view(&r.blob), &r.arena, &got, &n, &r.err),
	                 ERR_INVALID);
	rows_release(&r);
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("rows");

	tcase_add_test(tc, every_shorter_or_longer_blob_of_entries_is_an_error);
	tcase_add_test(tc, a_count_larger_than_the_blob_allocates_nothing);
	tcase_add_test(tc, a_chain_of_unknown_certificates_or_odd_length_is_an_error);
	tcase_add_test(tc, names_come_back_and_a_nul_inside_one_is_damage);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("state/rows", build)
