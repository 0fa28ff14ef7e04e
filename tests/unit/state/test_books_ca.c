/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_books_ca.c - the built-in CA over the real books, killed at every write.
 */
#include "reconciler/pki/csr.h"
#include "tests/unit/state/fixture.h"

#define DAY 86400

struct ca {
	struct fixture f;
	struct key *key;
	struct buf csr;
	struct cert_spec want;
	const char *names[1];
	struct private_ca_spec spec;
};

static void ca_init(struct ca *c)
{
	*c = (struct ca){ .names = { "web.example" } };
	fixture_init(&c->f);
	pki_init(&c->f.clock.clock);
	store_close(c->f.s);
	c->f.s = NULL;
	c->want = (struct cert_spec){ .dns_names = { .v = c->names, .n = 1 },
		                      .path_len = -1,
		                      .key_usage = KU_DIGITAL_SIGNATURE,
		                      .ext_usage = EKU_SERVER_AUTH,
		                      .key = { KEY_ECDSA, 256 },
		                      .duration_s = 90 * DAY };
	c->spec = (struct private_ca_spec){ .name = "corp",
		                            .subject = { .common_name = "Corp" },
		                            .key = { KEY_ECDSA, 256 },
		                            .duration_s = (int64_t)3650 * DAY,
		                            .generation = 1,
		                            .path_len = -1,
		                            .crl_validity_s = 7 * DAY,
		                            .crl_interval_s = DAY };
	buf_init(&c->csr, 10000);
	ck_assert_ok(key_generate(&c->want.key, &c->key, &c->f.err), &c->f.err);
	ck_assert_ok(csr_create(&c->want, /* encode_usages= */ true, c->key, &c->csr, &c->f.err),
	             &c->f.err);
}

static void ca_release(struct ca *c)
{
	key_free(c->key);
	buf_release(&c->csr);
	fixture_release(&c->f);
}

/* From nothing to a certificate, its revocation and a CRL; what is there already stays. */
static enum err_code whole_story(struct ca *c, struct order *o)
{
	CLEANUP(buf_release) struct buf crl = { 0 };
	struct ca_books *b = store_ca_books(c->f.s);
	struct wall now = c->f.clock.wall_now;
	struct issuer *iss = NULL;
	struct issuer_request req = { .identity = "web",
		                      .request_id = "r1",
		                      .csr = buf_view(&c->csr),
		                      .spec = &c->want,
		                      .now = now };
	enum err_code rc = private_ca_create(&c->spec, b, /* parent= */ NULL, now, &c->f.err);

	buf_init(&crl, 1 << 20);
	if (rc == ERR_OK) {
		rc = private_ca_open(&c->spec, b, (struct chain){ 0 }, &iss, &c->f.err);
	}
	if (rc == ERR_OK) {
		rc = iss->ops->submit(iss, &req, o, &c->f.err);
	}
	const struct cert *leaf = NULL;
	if (rc == ERR_OK) {
		rc = cert_parse_any(buf_view(&o->chain_pem), &c->f.arena, &leaf, &c->f.err);
	}
	if (rc == ERR_OK) {
		rc = iss->ops->revoke(iss, leaf, 1, now, &c->f.err);
	}
	if (rc == ERR_OK) {
		rc = private_ca_publish_crl(iss, now, &crl, &c->f.err);
	}
	if (iss != NULL) {
		iss->ops->close(iss);
	}
	return rc;
}

static int countdown;

static int die(const char *point ATTR_UNUSED)
{
	if (countdown-- == 0) {
		_exit(0);
	}
	return 0;
}

static int64_t one_number(struct ca *c, const char *sql)
{
	CLEANUP(cleanup_free) char *path = str_printf("%s/certwright.db", c->f.dir);
	CLEANUP(cleanup_stmt) struct stmt *q = NULL;
	struct db *db = NULL;
	bool found = false;

	ck_assert_ok(db_open(path, /* writable= */ true, &db, &c->f.err), &c->f.err);
	ck_assert_ok(db_query(db, sql, /* values= */ NULL, 0, &q, &c->f.err), &c->f.err);
	ck_assert_ok(db_next(q, &found, &c->f.err), &c->f.err);
	struct row r = row_of(q, "count", /* arena= */ NULL);
	int64_t n = row_int(&r, 0, 0, INT64_MAX);
	cleanup_stmt(&q);
	db_close(db);
	return n;
}

START_TEST(a_ca_killed_at_any_write_makes_one_key_one_serial_and_one_certificate)
{
	struct ca c;
	struct order first;
	struct order again;
	int status = 0;
	int rounds = 0;

	ca_init(&c);
	order_init(&first);
	order_init(&again);
	for (; rounds < 200 && status == 0; rounds++) {
		(void)fflush(NULL);
		pid_t pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0) {
			fixture_open(&c.f, STORE_RECONCILER);
			countdown = rounds;
			db_fault_hook = die;
			_exit(whole_story(&c, &first) == ERR_OK ? 7 : 1);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	}
	ck_assert_int_eq(WEXITSTATUS(status), 7);
	ck_assert_int_gt(rounds, 15);
	fixture_open(&c.f, STORE_RECONCILER);
	ck_assert_ok(whole_story(&c, &first), &c.f.err);
	ck_assert_ok(whole_story(&c, &again), &c.f.err);
	ck_assert(bytes_equal(buf_view(&first.chain_pem), buf_view(&again.chain_pem)));
	store_close(c.f.s);
	c.f.s = NULL;
	ck_assert_int_eq(one_number(&c, "SELECT count(*) FROM ca"), 1);
	ck_assert_int_eq(one_number(&c, "SELECT count(*) FROM ca_serial WHERE request_id = 'r1'"),
	                 1);
	ck_assert_int_eq(one_number(&c, "SELECT count(*) FROM ca_revocation"), 1);
	/* No number was handed out twice: the counter is at or above every CRL. */
	ck_assert_int_ge(one_number(&c, "SELECT crl_number FROM ca_book"),
	                 one_number(&c, "SELECT max(number) FROM crl"));
	order_release(&first);
	order_release(&again);
	ca_release(&c);
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("books_ca");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_ca_killed_at_any_write_makes_one_key_one_serial_and_one_certificate);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("state/books_ca", build)
