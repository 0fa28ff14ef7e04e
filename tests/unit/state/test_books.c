/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_books.c - the CA's books: whatever a crash interrupts, a serial belongs to one request.
 */
#include "reconciler/pki/csr.h"
#include "reconciler/pki/key.h"
#include "tests/unit/state/fixture.h"

static void reservation_release(struct ca_reservation *r)
{
	buf_release(&r->tbs);
	buf_release(&r->cert);
}

static void serial_of(uint8_t fill, uint8_t out[20])
{
	memset(out, fill, 20);
	out[0] = 0x40;
}

START_TEST(a_request_keeps_the_serial_it_was_given_first)
{
	struct fixture f;
	CLEANUP(reservation_release) struct ca_reservation one = { .serial = { 0 } };
	CLEANUP(reservation_release) struct ca_reservation again = { .serial = { 0 } };
	uint8_t s1[20];
	uint8_t s2[20];

	fixture_init(&f);
	struct ca_books *b = store_ca_books(f.s);
	serial_of(1, s1);
	serial_of(2, s2);
	ck_assert_ok(b->reserve(b, "corp", "r1", s1, &one, &f.err), &f.err);
	ck_assert_mem_eq(one.serial, s1, 20);
	ck_assert_uint_eq(one.tbs.len + one.cert.len, 0);
	fixture_reopen(&f);
	b = store_ca_books(f.s);
	ck_assert_ok(b->reserve(b, "corp", "r1", s2, &again, &f.err), &f.err);
	ck_assert_mem_eq(again.serial, s1, 20);
	fixture_release(&f);
}
END_TEST

START_TEST(a_serial_is_used_once_for_an_issuer)
{
	struct fixture f;
	CLEANUP(reservation_release) struct ca_reservation r = { .serial = { 0 } };
	CLEANUP(reservation_release) struct ca_reservation other = { .serial = { 0 } };
	struct ca_reservation none = { .serial = { 0 } };
	uint8_t s1[20];

	fixture_init(&f);
	struct ca_books *b = store_ca_books(f.s);
	serial_of(1, s1);
	ck_assert_ok(b->reserve(b, "corp", "r1", s1, &r, &f.err), &f.err);
	ck_assert_int_eq(b->reserve(b, "corp", "r2", s1, &none, &f.err), ERR_CONFLICT);
	ck_assert_ptr_null(none.tbs.p);
	err_clear(&f.err);
	ck_assert_ok(b->reserve(b, "other", "r2", s1, &other, &f.err), &f.err);
	fixture_release(&f);
}
END_TEST

START_TEST(what_was_built_first_stands)
{
	struct fixture f;
	CLEANUP(reservation_release) struct ca_reservation r = { .serial = { 0 } };
	CLEANUP(reservation_release) struct ca_reservation got = { .serial = { 0 } };
	uint8_t s1[20];

	fixture_init(&f);
	struct ca_books *b = store_ca_books(f.s);
	const struct cert *c = real_cert(&f, fixture_a_pem);
	serial_of(1, s1);
	ck_assert_int_eq(b->record_tbs(b, "corp", "r1", bytes_of_str("tbs"), &f.err),
	                 ERR_NOT_FOUND);
	err_clear(&f.err);
	ck_assert_ok(b->reserve(b, "corp", "r1", s1, &r, &f.err), &f.err);
	ck_assert_ok(b->record_tbs(b, "corp", "r1", bytes_of_str("first"), &f.err), &f.err);
	ck_assert_ok(b->record_tbs(b, "corp", "r1", bytes_of_str("second"), &f.err), &f.err);
	ck_assert_int_eq(b->record_cert(b, "corp", "r1", bytes_of_str("no"), &f.err), ERR_INVALID);
	err_clear(&f.err);
	ck_assert_ok(b->record_cert(b, "corp", "r1", c->der, &f.err), &f.err);
	fixture_reopen(&f);
	b = store_ca_books(f.s);
	ck_assert_ok(b->reserve(b, "corp", "r1", s1, &got, &f.err), &f.err);
	ck_assert_str_eq(buf_str(&got.tbs), "first");
	ck_assert(bytes_equal(buf_view(&got.cert), c->der));
	fixture_release(&f);
}
END_TEST

START_TEST(a_ca_key_is_kept_sealed_and_never_replaced)
{
	struct fixture f;
	CLEANUP(secret_release) struct secret key = { 0 };
	CLEANUP(secret_release) struct secret got = { 0 };
	CLEANUP(buf_release) struct buf cert = { 0 };
	struct seen_certs certs;

	fixture_init(&f);
	struct ca_books *b = store_ca_books(f.s);
	const struct cert *a = real_cert(&f, fixture_a_pem);
	const struct cert *other = real_cert(&f, fixture_b_pem);
	buf_init(&cert, 10000);
	ck_assert_int_eq(secret_set_str(&key, "ca key"), 0);
	ck_assert_int_eq(b->load_ca(b, "corp", 1, &got, &cert, &f.err), ERR_NOT_FOUND);
	err_clear(&f.err);
	ck_assert_ok(b->store_ca(b, "corp", 1, &key, a->der, &f.err), &f.err);
	ck_assert_int_eq(b->store_ca(b, "corp", 1, &key, other->der, &f.err), ERR_CONFLICT);
	err_clear(&f.err);
	ck_assert_ok(b->store_ca(b, "corp", 2, &key, other->der, &f.err), &f.err);
	fixture_reopen(&f);
	b = store_ca_books(f.s);
	ck_assert_ok(b->load_ca(b, "corp", 1, &got, &cert, &f.err), &f.err);
	ck_assert_str_eq(secret_str(&got), "ca key");
	ck_assert(bytes_equal(buf_view(&cert), a->der));
	struct memory *m = fixture_memory(&f, &certs);
	const struct issuer_memory *im = memory_issuer(m, "corp");
	ck_assert_uint_eq(im->n_generations, 2);
	ck_assert_int_eq(im->generations[0].generation, 1);
	ck_assert_mem_eq(im->generations[1].cert->sha256, other->sha256, SHA256_BYTES);
	ck_assert(im->generations[1].has_key);
	ck_assert_int_eq(im->generations[0].created_at.s, T0.s);
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

START_TEST(a_request_is_kept_with_its_key_until_its_certificate_comes)
{
	struct fixture f;
	CLEANUP(cleanup_key) struct key *key = NULL;
	CLEANUP(secret_release) struct secret pkcs8 = { 0 };
	CLEANUP(secret_release) struct secret got = { 0 };
	CLEANUP(buf_release) struct buf csr = { 0 };
	CLEANUP(buf_release) struct buf read = { 0 };
	struct cert_spec spec = { .subject = { .common_name = "Sub CA" },
		                  .is_ca = true,
		                  .path_len = -1 };
	struct key_spec kind = { .algorithm = KEY_ECDSA, .bits = 256 };
	uint8_t spki[SHA256_BYTES];
	struct seen_certs certs;

	fixture_init(&f);
	struct ca_books *b = store_ca_books(f.s);
	const struct cert *a = real_cert(&f, fixture_a_pem);
	buf_init(&csr, 10000);
	buf_init(&read, 10000);
	ck_assert_ok(key_generate(&kind, &key, &f.err), &f.err);
	ck_assert_ok(key_export_pkcs8(key, &pkcs8, &f.err), &f.err);
	ck_assert_ok(csr_create(&spec, /* encode_usages= */ true, key, &csr, &f.err), &f.err);
	key_spki_sha256(key, spki);
	ck_assert_int_eq(b->store_ca_cert(b, "sub", 1, a->der, &f.err), ERR_NOT_FOUND);
	err_clear(&f.err);
	ck_assert_ok(b->store_ca_request(b, "sub", 1, &pkcs8, buf_view(&csr), &f.err), &f.err);
	ck_assert_int_eq(b->store_ca_request(b, "sub", 1, &pkcs8, buf_view(&csr), &f.err),
	                 ERR_CONFLICT);
	err_clear(&f.err);
	ck_assert_int_eq(b->store_ca_request(b, "sub", 2, &pkcs8, bytes_of_str("no request"),
	                                     &f.err),
	                 ERR_INVALID);
	err_clear(&f.err);
	fixture_reopen(&f);
	b = store_ca_books(f.s);
	ck_assert_int_eq(b->load_ca(b, "sub", 1, &got, &read, &f.err), ERR_NOT_FOUND);
	err_clear(&f.err);
	struct memory *m = fixture_memory(&f, &certs);
	const struct issuer_memory *im = memory_issuer(m, "sub");
	ck_assert_uint_eq(im->n_generations, 1);
	ck_assert_ptr_null(im->generations[0].cert);
	ck_assert(im->generations[0].has_key);
	ck_assert_mem_eq(im->generations[0].request_spki, spki, SHA256_BYTES);
	fixture_forget(m, &certs);
	ck_assert_ok(b->load_ca_request(b, "sub", 1, &got, &read, &f.err), &f.err);
	ck_assert(bytes_equal(buf_view(&read), buf_view(&csr)));
	ck_assert(bytes_equal(secret_view(&got), secret_view(&pkcs8)));
	ck_assert_ok(b->store_ca_cert(b, "sub", 1, a->der, &f.err), &f.err);
	buf_reset(&read);
	ck_assert_ok(b->load_ca(b, "sub", 1, &got, &read, &f.err), &f.err);
	ck_assert(bytes_equal(buf_view(&read), a->der));
	m = fixture_memory(&f, &certs);
	im = memory_issuer(m, "sub");
	ck_assert_uint_eq(im->n_generations, 1);
	ck_assert_mem_eq(im->generations[0].cert->sha256, a->sha256, SHA256_BYTES);
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

START_TEST(revocations_come_in_serial_order_and_keep_their_first_date)
{
	struct fixture f;
	const struct crl_entry *v = NULL;
	struct seen_certs certs;
	size_t n = 0;

	fixture_init(&f);
	struct ca_books *b = store_ca_books(f.s);
	struct crl_entry e = { .serial = bytes_of_str("\x50\x01"), .revoked_at = { T0.s - 5 } };
	ck_assert_ok(b->record_revocation(b, "corp", &e, &f.err), &f.err);
	e.serial = bytes_of_str("\x7f");
	e.reason = 1;
	ck_assert_ok(b->record_revocation(b, "corp", &e, &f.err), &f.err);
	clock_manual_advance(&f.clock, 50);
	e.revoked_at.s += 50;
	e.reason = 4;
	ck_assert_ok(b->record_revocation(b, "corp", &e, &f.err), &f.err);
	ck_assert_ok(b->revocations(b, "corp", &f.arena, &v, &n, &f.err), &f.err);
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_eq(v[0].serial.n, 1);
	ck_assert_int_eq(v[0].revoked_at.s, T0.s - 5);
	ck_assert_uint_eq(v[0].reason, 1);
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert_int_eq(memory_issuer(m, "corp")->last_revocation.s, T0.s);
	fixture_forget(m, &certs);
	e.serial.n = 0;
	ck_assert_int_eq(b->record_revocation(b, "corp", &e, &f.err), ERR_INVALID);
	fixture_release(&f);
}
END_TEST

START_TEST(a_revocation_goes_a_day_after_its_certificate_expired)
{
	struct fixture f;
	CLEANUP(reservation_release) struct ca_reservation r = { .serial = { 0 } };
	const struct crl_entry *v = NULL;
	size_t n = 0;
	uint8_t s1[20];

	fixture_init(&f);
	struct ca_books *b = store_ca_books(f.s);
	const struct cert *c = real_cert(&f, fixture_a_pem);
	serial_of(1, s1);
	struct crl_entry e = { .serial = bytes_of(s1, 20), .revoked_at = T0 };
	ck_assert_ok(b->reserve(b, "corp", "r1", s1, &r, &f.err), &f.err);
	ck_assert_ok(b->record_cert(b, "corp", "r1", c->der, &f.err), &f.err);
	ck_assert_ok(b->record_revocation(b, "corp", &e, &f.err), &f.err);
	f.clock.wall_now.s = c->not_after.s + 86400;
	ck_assert_ok(b->revocations(b, "corp", &f.arena, &v, &n, &f.err), &f.err);
	ck_assert_uint_eq(n, 1);
	f.clock.wall_now.s++;
	ck_assert_ok(b->revocations(b, "corp", &f.arena, &v, &n, &f.err), &f.err);
	ck_assert_uint_eq(n, 0);
	fixture_release(&f);
}
END_TEST

START_TEST(crl_numbers_rise_for_ever_and_above_what_was_published_elsewhere)
{
	struct fixture f;
	CLEANUP(buf_release) struct buf crl = { 0 };
	struct seen_certs certs;
	uint64_t n = 0;

	fixture_init(&f);
	struct ca_books *b = store_ca_books(f.s);
	buf_init(&crl, 100);
	ck_assert_int_eq(store_crl(f.s, "corp", &crl, &f.err), ERR_NOT_FOUND);
	err_clear(&f.err);
	ck_assert_ok(b->next_crl_number(b, "corp", &n, &f.err), &f.err);
	ck_assert_uint_eq(n, 1);
	fixture_reopen(&f);
	b = store_ca_books(f.s);
	ck_assert_ok(b->next_crl_number(b, "corp", &n, &f.err), &f.err);
	ck_assert_uint_eq(n, 2);
	for (uint64_t i = 2; i < 8; i++) {
		struct ca_crl crl_n = { .generation = 1,
			                .number = i,
			                .this_update = { T0.s - 300 },
			                .next_update = { T0.s + (int64_t)i },
			                .der = bytes_of_str(i == 7 ? "seven" : "crl") };
		ck_assert_ok(b->record_crl(b, "corp", &crl_n, &f.err), &f.err);
	}
	ck_assert_ok(b->next_crl_number(b, "corp", &n, &f.err), &f.err);
	ck_assert_uint_eq(n, 8);
	ck_assert_ok(store_crl(f.s, "corp", &crl, &f.err), &f.err);
	ck_assert_str_eq(buf_str(&crl), "seven");
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert_uint_eq(memory_issuer(m, "corp")->crl_number, 7);
	ck_assert_int_eq(memory_issuer(m, "corp")->crl_next_update.s, T0.s + 7);
	ck_assert_int_eq(memory_issuer(m, "corp")->crl_this_update.s, T0.s);
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

START_TEST(a_crl_is_stale_from_the_revocation_to_the_next_crl_even_within_a_second)
{
	struct fixture f;
	struct seen_certs certs;
	struct crl_entry e = { .revoked_at = { T0.s - 9999 } };
	struct ca_crl crl = { .generation = 1, .this_update = T0, .next_update = T0 };

	fixture_init(&f);
	struct ca_books *b = store_ca_books(f.s);
	crl.der = bytes_of_str("crl");
	for (int round = 0; round < 3; round++) {
		uint8_t serial = (uint8_t)(0x40 + round);
		e.serial = bytes_of(&serial, 1);
		ck_assert_ok(b->record_revocation(b, "corp", &e, &f.err), &f.err);
		struct memory *m = fixture_memory(&f, &certs);
		const struct issuer_memory *im = memory_issuer(m, "corp");
		ck_assert_int_gt(im->last_revocation.s, im->crl_this_update.s);
		fixture_forget(m, &certs);
		ck_assert_ok(b->next_crl_number(b, "corp", &crl.number, &f.err), &f.err);
		ck_assert_ok(b->record_crl(b, "corp", &crl, &f.err), &f.err);
		m = fixture_memory(&f, &certs);
		im = memory_issuer(m, "corp");
		ck_assert_int_le(im->last_revocation.s, im->crl_this_update.s);
		fixture_forget(m, &certs);
	}
	fixture_release(&f);
}
END_TEST

/* One issue as a CA does it; the serial proposed is another one every time. */
static int issue_once(struct fixture *f, uint8_t fill)
{
	struct ca_reservation r = { .serial = { 0 } };
	struct store_options opt = { .dir = f->dir,
		                     .master_key = f->master,
		                     .mode = STORE_RECONCILER,
		                     .clock = &f->clock.clock };
	const struct cert *c = real_cert(f, fixture_a_pem);
	uint8_t serial[20];

	if (store_open(&opt, &f->s, &f->err) != ERR_OK) {
		return 1;
	}
	struct ca_books *b = store_ca_books(f->s);
	serial_of(fill, serial);
	fixture_countdown = fill;
	db_fault_hook = fixture_die;
	if (b->reserve(b, "corp", "r1", serial, &r, &f->err) != ERR_OK ||
	    b->record_tbs(b, "corp", "r1", bytes_of(r.serial, 20), &f->err) != ERR_OK ||
	    b->record_cert(b, "corp", "r1", c->der, &f->err) != ERR_OK) {
		return 2;
	}
	return 7;
}

START_TEST(a_crash_after_any_write_of_an_issue_never_takes_a_second_serial)
{
	struct fixture f;
	CLEANUP(reservation_release) struct ca_reservation got = { .serial = { 0 } };
	uint8_t other[20];
	int status = 0;
	int rounds = 0;

	fixture_init(&f);
	store_close(f.s);
	f.s = NULL;
	for (; rounds < 50 && status == 0; rounds++) {
		(void)fflush(NULL);
		pid_t pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0) {
			_exit(issue_once(&f, (uint8_t)rounds));
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	}
	ck_assert_int_eq(WEXITSTATUS(status), 7);
	ck_assert_int_gt(rounds, 5);
	fixture_open(&f, STORE_RECONCILER);
	struct ca_books *b = store_ca_books(f.s);
	serial_of(99, other);
	ck_assert_ok(b->reserve(b, "corp", "r1", other, &got, &f.err), &f.err);
	/* The TBS was built with the serial that is kept, whichever round did it. */
	ck_assert_uint_eq(got.tbs.len, 20);
	ck_assert_mem_eq(got.tbs.p, got.serial, 20);
	fixture_release(&f);
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("books");

	tcase_add_test(tc, a_request_keeps_the_serial_it_was_given_first);
	tcase_add_test(tc, a_serial_is_used_once_for_an_issuer);
	tcase_add_test(tc, what_was_built_first_stands);
	tcase_add_test(tc, a_ca_key_is_kept_sealed_and_never_replaced);
	tcase_add_test(tc, a_request_is_kept_with_its_key_until_its_certificate_comes);
	tcase_add_test(tc, revocations_come_in_serial_order_and_keep_their_first_date);
	tcase_add_test(tc, a_revocation_goes_a_day_after_its_certificate_expired);
	tcase_add_test(tc, crl_numbers_rise_for_ever_and_above_what_was_published_elsewhere);
	tcase_add_test(tc, a_crl_is_stale_from_the_revocation_to_the_next_crl_even_within_a_second);
	tcase_add_test(tc, a_crash_after_any_write_of_an_issue_never_takes_a_second_serial);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("state/books", build)
