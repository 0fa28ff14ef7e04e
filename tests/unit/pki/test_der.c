/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_der.c - the strict reader and the backward writer.
 */
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/pki/der.h"
#include "tests/unit/unit.h"

#define BYTES(s) bytes_of((s), sizeof(s) - 1)

START_TEST(reader_refuses_what_is_not_minimal_or_runs_past_the_end)
{
	static const struct {
		const char *text;
		size_t n;
	} bad[] = {
		{ "\x04", 1 },                         /* no length */
		{ "\x04\x01", 2 },                     /* contents missing */
		{ "\x04\x80", 2 },                     /* indefinite */
		{ "\x04\x81\x01x", 4 },                /* long form of a short length */
		{ "\x04\x82\x00\x80", 4 },             /* leading zero */
		{ "\x04\x85\x01\x00\x00\x00\x00", 7 }, /* five octets */
		{ "\x04\x84\xff\xff\xff\xff", 6 },     /* beyond the end */
		{ "\x1f\x81\x01\x00", 4 },             /* multi-byte tag */
	};
	struct bytes v;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct der d = der_of(bytes_of(bad[i].text, bad[i].n));
		const uint8_t *before = d.p;
		ck_assert(!der_get_any(&d, /* ret_tag= */ NULL, &v, /* ret_whole= */ NULL));
		ck_assert_ptr_eq(d.p, before);
	}
}
END_TEST

START_TEST(cursor_does_not_move_on_another_tag)
{
	struct der d = der_of(BYTES("\x02\x01\x05"));
	struct bytes v;
	uint64_t n;

	ck_assert(!der_get(&d, DER_OCTET_STRING, &v));
	ck_assert_int_eq(der_peek(&d), DER_INTEGER);
	ck_assert(der_get_u64(&d, &n));
	ck_assert_uint_eq(n, 5);
	ck_assert(der_at_end(&d));
	ck_assert_int_eq(der_peek(&d), -1);
	d = der_of(bytes_of(/* p= */ NULL, 0));
	ck_assert(der_at_end(&d));
}
END_TEST

START_TEST(integers_that_do_not_fit_or_are_padded_are_refused)
{
	uint64_t n;
	struct der d = der_of(BYTES("\x02\x09\x00\xff\xff\xff\xff\xff\xff\xff\xff"));

	ck_assert(der_get_u64(&d, &n));
	ck_assert(n == UINT64_MAX);
	d = der_of(BYTES("\x02\x09\x01\x00\x00\x00\x00\x00\x00\x00\x00"));
	ck_assert(!der_get_u64(&d, &n));
	d = der_of(BYTES("\x02\x02\x00\x7f"));
	ck_assert(!der_get_u64(&d, &n));
	d = der_of(BYTES("\x02\x01\x80"));
	ck_assert(!der_get_u64(&d, &n));
	d = der_of(BYTES("\x02\x00"));
	ck_assert(!der_get_u64(&d, &n));
}
END_TEST

START_TEST(booleans_are_00_or_ff)
{
	bool b;
	struct der d = der_of(BYTES("\x01\x01\xff"));

	ck_assert(der_get_bool(&d, &b) && b);
	d = der_of(BYTES("\x01\x01\x01"));
	ck_assert(!der_get_bool(&d, &b));
}
END_TEST

static const struct {
	const char *text; /* tag, length, digits */
	bool good;
	int64_t s;
} times[] = {
	{ "\x17\x0d"
	  "700101000000Z",
	  true, 0 },
	{ "\x17\x0d"
	  "491231235959Z",
	  true, 2524607999 },
	{ "\x17\x0d"
	  "500101000000Z",
	  true, -631152000 },
	{ "\x18\x0f"
	  "20500101000000Z",
	  true, 2524608000 },
	{ "\x18\x0f"
	  "99991231235959Z",
	  true, 253402300799 },
	{ "\x18\x0f"
	  "19490101000000Z",
	  true, -662688000 },
	{ "\x17\x0d"
	  "000229000000Z",
	  true, 951782400 },
	{ "\x17\x0d"
	  "010229000000Z",
	  false, 0 },
	{ "\x17\x0d"
	  "001301000000Z",
	  false, 0 },
	{ "\x17\x0d"
	  "000100000000Z",
	  false, 0 },
	{ "\x17\x0d"
	  "000101240000Z",
	  false, 0 },
	{ "\x17\x0d"
	  "0001010000600",
	  false, 0 },
	{ "\x17\x0b"
	  "0001010000Z",
	  false, 0 },
	{ "\x18\x11"
	  "20000101000000.5Z",
	  false, 0 },
};

START_TEST(times_are_those_of_rfc_5280)
{
	struct der d = der_of(bytes_of_str(times[_i].text));
	struct wall t = { -1 };

	ck_assert_int_eq(der_get_time(&d, &t), times[_i].good);
	if (times[_i].good) {
		ck_assert_int_eq(t.s, times[_i].s);
	} else {
		ck_assert_int_eq(t.s, -1);
		ck_assert(!der_at_end(&d));
	}
}
END_TEST

START_TEST(oids_go_both_ways)
{
	static const char *const good[] = { "2.5.29.17", "1.2.840.113549.1.1.11",     "0.0",
		                            "2.999.1",   "2.25.18446744073709551615", "1.39.0" };
	static const char *const bad[] = { "",      "1",    "1.",   ".1",
		                           "1..2",  "3.1",  "1.40", "01.2",
		                           "1.2.x", "1.2 ", "a.b",  "1.2.18446744073709551616" };
	char text[128];

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct der_writer w;
		der_writer_init(&w);
		der_put_oid(&w, good[i]);
		ck_assert(!w.failed && der_oid_valid(good[i]));
		struct der d = der_of(der_writer_view(&w));
		struct bytes oid;
		ck_assert(der_get(&d, DER_OID, &oid));
		ck_assert(der_oid_text(oid, text, sizeof(text)));
		ck_assert_str_eq(text, good[i]);
		ck_assert(der_oid_is(oid, good[i]));
		der_writer_release(&w);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_msg(!der_oid_valid(bad[i]), "%s", bad[i]);
	}
}
END_TEST

START_TEST(damaged_oids_have_no_text)
{
	char text[128];
	char small[6];

	ck_assert(!der_oid_text(bytes_of(/* p= */ NULL, 0), text, sizeof(text)));
	ck_assert(!der_oid_text(BYTES("\x55\x80\x01"), text, sizeof(text))); /* padded arc */
	ck_assert(!der_oid_text(BYTES("\x55\x81"), text, sizeof(text)));     /* cut */
	ck_assert(!der_oid_text(BYTES("\x2a\x83\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), text,
	                        sizeof(text))); /* more than 64 bits */
	ck_assert(!der_oid_text(BYTES("\x55\x1d\x11"), small, sizeof(small)));
}
END_TEST

START_TEST(writer_nests_backwards_and_grows)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	static const uint8_t filler[300];
	struct der_writer w;
	struct err err = { 0 };

	buf_init(&out, 1 << 20);
	der_writer_init(&w);
	for (int i = 0; i < 100; i++) {
		size_t mark = der_mark(&w);
		der_put(&w, DER_OCTET_STRING, bytes_of(filler, sizeof(filler)));
		der_put_u64(&w, (uint64_t)i);
		der_wrap(&w, DER_SEQUENCE, mark);
	}
	der_wrap(&w, DER_SEQUENCE, 0);
	ck_assert_ok(der_writer_finish(&w, &out, &err), &err);
	der_writer_release(&w);
	struct der d = der_of(buf_view(&out));
	struct der list;
	ck_assert(der_enter(&d, DER_SEQUENCE, &list) && der_at_end(&d));
	for (int i = 100; i-- > 0;) {
		struct der one;
		uint64_t n;
		struct bytes v;
		ck_assert(der_enter(&list, DER_SEQUENCE, &one) && der_get_u64(&one, &n));
		ck_assert_uint_eq(n, (uint64_t)i);
		ck_assert(der_get(&one, DER_OCTET_STRING, &v) && v.n == 300 && der_at_end(&one));
	}
	ck_assert(der_at_end(&list));
}
END_TEST

static void assert_written(struct der_writer *w, const char *want, size_t n)
{
	ck_assert(!w->failed);
	ck_assert_uint_eq(der_mark(w), n);
	ck_assert_int_eq(memcmp(w->p + w->at, want, n), 0);
	der_writer_release(w);
}

START_TEST(writer_writes_minimal_integers_bits_and_lengths)
{
	struct der_writer w;

	der_writer_init(&w);
	der_put_u64(&w, 128);
	assert_written(&w, "\x02\x02\x00\x80", 4);
	der_put_u64(&w, 0);
	assert_written(&w, "\x02\x01\x00", 3);
	der_put_integer(&w, BYTES("\x00\x00\x7f"));
	assert_written(&w, "\x02\x01\x7f", 3);
	der_put_bits(&w, BYTES("\xa0"), 5);
	assert_written(&w, "\x03\x02\x05\xa0", 4);
	der_put_bool(&w, /* v= */ true);
	der_put_null(&w);
	assert_written(&w, "\x05\x00\x01\x01\xff", 5);
	der_put_generalized_time(&w, (struct wall){ 0 });
	assert_written(&w,
	               "\x18\x0f"
	               "19700101000000Z",
	               17);
	der_put_time(&w, (struct wall){ -662688000 }); /* 1949 */
	assert_written(&w,
	               "\x18\x0f"
	               "19490101000000Z",
	               17);
}
END_TEST

/* 100,000 octets and `room` more. */
static void fill_large(struct buf *b, size_t room)
{
	buf_init_secret(b, (size_t)1 << 20);
	ck_assert_ptr_nonnull(buf_room(b, 100000 + room));
	for (unsigned i = 0; i < 100000; i++) {
		buf_add_byte(b, (uint8_t)(i * i >> 3));
	}
}

START_TEST(what_is_large_is_written_in_one_piece_of_memory)
{
	static const size_t rooms[] = { 500, 9, 0 };
	CLEANUP(buf_release) struct buf large = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };
	CLEANUP(buf_release) struct buf wanted = { 0 };
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	CLEANUP(der_writer_release) struct der_writer copying = { 0 };
	struct err err = { 0 };

	fill_large(&large, rooms[_i]);
	const uint8_t *memory = large.p;
	der_writer_init(&copying);
	der_put(&copying, DER_OCTET_STRING, buf_view(&large));
	der_put_u64(&copying, 3);
	der_wrap(&copying, DER_SEQUENCE, 0);
	buf_init(&wanted, (size_t)1 << 20);
	buf_add_bytes(&wanted, der_writer_view(&copying));

	der_writer_init(&w);
	der_take_raw(&w, &large);
	ck_assert_ptr_null(large.p);
	der_wrap(&w, DER_OCTET_STRING, 0);
	der_put_u64(&w, 3);
	der_wrap(&w, DER_SEQUENCE, 0);
	buf_init_secret(&out, (size_t)1 << 20);
	ck_assert_ok(der_writer_finish(&w, &out, &err), &err);
	ck_assert(bytes_equal(buf_view(&out), buf_view(&wanted)));
	ck_assert_int_eq(out.p == memory, rooms[_i] >= 500);
	/* A secret is wiped as far as it goes, and nothing is to lie behind it. */
	for (size_t i = out.len; i < out.cap; i++) {
		ck_assert_uint_eq(out.p[i], 0);
	}
	ck_assert_uint_eq(der_mark(&w), 0);
}
END_TEST

START_TEST(what_is_large_is_appended_and_limited_as_everything)
{
	CLEANUP(buf_release) struct buf large = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };
	CLEANUP(buf_release) struct buf small = { 0 };
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	struct err err = { 0 };

	fill_large(&large, 500);
	der_writer_init(&w);
	der_put_null(&w);
	der_take_raw(&w, &large);
	ck_assert_ptr_null(large.p);
	ck_assert_uint_eq(der_mark(&w), 100002);
	buf_init(&small, 100001);
	ck_assert_int_eq(der_writer_finish(&w, &small, &err), ERR_NOMEM);
	buf_init(&out, (size_t)1 << 20);
	buf_add_byte(&out, 'x');
	err_clear(&err);
	ck_assert_ok(der_writer_finish(&w, &out, &err), &err);
	ck_assert_uint_eq(out.len, 100003);
	ck_assert_uint_eq(out.p[0], 'x');
	ck_assert_uint_eq(out.p[100001], DER_NULL);
}
END_TEST

START_TEST(writer_failure_is_sticky_and_reported_once)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	struct der_writer w;
	struct err err = { 0 };

	buf_init(&out, 1 << 20);
	der_writer_init(&w);
	der_put_oid(&w, "not.an.oid");
	der_put_u64(&w, 1);
	der_wrap(&w, DER_SEQUENCE, 0);
	ck_assert_int_eq(der_writer_finish(&w, &out, &err), ERR_INVALID);
	ck_assert_uint_eq(out.len, 0);
	der_writer_release(&w);
	der_put_time(&w, (struct wall){ INT64_C(400000000000) }); /* beyond 9999 */
	ck_assert(w.failed);
	der_writer_release(&w);
}
END_TEST

static void build(Suite *suite)
{
	TCase *t = tcase_create("der");

	tcase_add_test(t, reader_refuses_what_is_not_minimal_or_runs_past_the_end);
	tcase_add_test(t, cursor_does_not_move_on_another_tag);
	tcase_add_test(t, integers_that_do_not_fit_or_are_padded_are_refused);
	tcase_add_test(t, booleans_are_00_or_ff);
	tcase_add_loop_test(t, times_are_those_of_rfc_5280, 0, ARRAY_LEN(times));
	tcase_add_test(t, oids_go_both_ways);
	tcase_add_test(t, damaged_oids_have_no_text);
	tcase_add_test(t, writer_nests_backwards_and_grows);
	tcase_add_test(t, writer_writes_minimal_integers_bits_and_lengths);
	tcase_add_loop_test(t, what_is_large_is_written_in_one_piece_of_memory, 0, 3);
	tcase_add_test(t, what_is_large_is_appended_and_limited_as_everything);
	tcase_add_test(t, writer_failure_is_sticky_and_reported_once);
	suite_add_tcase(suite, t);
}

UNIT_MAIN("der", build)
