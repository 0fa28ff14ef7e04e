/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_fault.c - a state opened, read and written without enough memory: nothing is taken for lost,
 * nothing is half written.
 */
#include "tests/unit/fault.h"
#include "tests/unit/state/fixture.h"

static void revision(struct fixture *f, const char *identity, const char *id,
                     const struct cert *leaf)
{
	CLEANUP(secret_release) struct secret k = { 0 };
	const struct cert *v[] = { leaf };

	ck_assert_int_eq(secret_set_str(&k, "the key"), 0);
	struct new_key n = pretend_key(identity, id, &k, leaf);
	int number = 0;
	ck_assert_ok(store_identity_begin(f->s, &n, &number, &f->err), &f->err);
	ck_assert_ok(store_identity_issued(f->s, identity, (struct chain){ .v = v, .n = 1 },
	                                   &f->err),
	             &f->err);
}

static void fill(struct fixture *f)
{
	const struct cert a = pretend_cert("a-leaf");
	const struct cert b = pretend_cert("b-leaf");
	struct slot_write slot = { .alias = "web", .identity = "web" };
	struct store_write note = {
		.target = "www", .host = "h1", .path = "/etc/web.pem", .slots = &slot, .n_slots = 1
	};

	fixture_init(f);
	revision(f, "web", "cause-1", &a);
	revision(f, "mail", "cause-2", &b);
	memcpy(slot.sha256, a.sha256, SHA256_BYTES);
	ck_assert_ok(store_written(f->s, &note, &f->err), &f->err);
	store_close(f->s);
	f->s = NULL;
}

static void is_all_there(const struct memory *m)
{
	ck_assert_uint_eq(m->n_identities, 2);
	ck_assert_uint_eq(m->identities[0].n_revisions, 1);
	ck_assert_uint_eq(m->n_stores, 1);
	ck_assert_uint_eq(m->n_slots, 1);
}

static enum err_code open_and_read(void *context, struct err *err)
{
	struct fixture *f = context;
	struct store_options opt = { .dir = f->dir,
		                     .master_key = f->master,
		                     .mode = STORE_RECONCILER,
		                     .clock = &f->clock.clock };
	CLEANUP(secret_release) struct secret key = { 0 };
	struct seen_certs certs;
	struct memory *m = NULL;
	struct store *s = NULL;
	struct arena arena;

	arena_init(&arena);
	seen_certs_init(&certs, &arena);
	enum err_code rc = store_open(&opt, &s, err);
	if (rc == ERR_OK) {
		rc = memory_load(s, &arena, &certs, &m, err);
	}
	if (rc == ERR_OK) {
		rc = store_identity_key(s, "web", 1, &key, err);
	}
	fault_pause();
	if (rc == ERR_OK) {
		is_all_there(m);
		ck_assert_str_eq(secret_str(&key), "the key");
	}
	fault_resume();
	memory_release(m);
	seen_certs_release(&certs);
	store_close(s);
	arena_release(&arena);
	return rc;
}

static void still_there(void *context)
{
	struct err err = { 0 };

	ck_assert_ok(open_and_read(context, &err), &err);
}

START_TEST(a_state_is_read_whole_or_not_at_all)
{
	struct fixture f;

	fill(&f);
	fault_sweep(open_and_read, still_there, &f);
	fixture_release(&f);
}
END_TEST

struct writing {
	struct fixture f;
	int revision; /* before */
	char id[32];
};

static enum err_code write_revision(void *context, struct err *err)
{
	struct writing *w = context;
	struct store *s = w->f.s;
	const struct cert leaf = pretend_cert("a-leaf");
	const struct cert *v[] = { &leaf };
	static uint8_t bytes[] = "another key";
	const struct secret k = { .p = bytes, .n = sizeof(bytes) - 1 };

	fault_pause();
	(void)snprintf(w->id, sizeof(w->id), "cause-%d", w->revision + 1);
	struct new_key n = pretend_key("web", w->id, &k, &leaf);
	int number = 0;
	fault_resume();
	enum err_code rc = store_identity_begin(s, &n, &number, err);
	return rc == ERR_OK ? store_identity_issued(s, "web", (struct chain){ .v = v, .n = 1 }, err)
	                    : rc;
}

/* Before, pending or after: nothing between them, and the next attempt gets through. */
static void consistent(void *context)
{
	struct writing *w = context;
	struct seen_certs certs;
	struct memory *m = fixture_memory(&w->f, &certs);
	const struct identity_memory *im = memory_identity(m, "web");

	ck_assert_ptr_nonnull(im);
	ck_assert_uint_ge(im->n_revisions, 1);
	w->revision = im->revisions[0].revision;
	for (size_t i = 0; i < im->n_revisions; i++) {
		ck_assert_uint_eq(im->revisions[i].chain.n, 1);
		ck_assert(im->revisions[i].has_key);
	}
	fixture_forget(m, &certs);
}

START_TEST(a_revision_is_written_whole_or_not_at_all)
{
	struct writing w = { .revision = 0 };

	fixture_init(&w.f);
	const struct cert leaf = pretend_cert("a-leaf");
	revision(&w.f, "web", "cause-0", &leaf);
	consistent(&w);
	fault_sweep(write_revision, consistent, &w);
	fixture_release(&w.f);
}
END_TEST

struct rekeying {
	struct fixture f;
	char other[256]; /* the master key that is not in force */
};

static enum err_code rekey(void *context, struct err *err)
{
	struct rekeying *r = context;
	enum err_code rc = store_rekey(r->f.s, r->other, err);

	if (rc == ERR_OK) {
		char was[sizeof(r->other)];

		memcpy(was, r->other, sizeof(was));
		memcpy(r->other, r->f.master, sizeof(was));
		memcpy(r->f.master, was, sizeof(was));
	}
	return rc;
}

static void opens(void *context)
{
	struct rekeying *r = context;
	CLEANUP(secret_release) struct secret key = { 0 };

	fixture_reopen(&r->f);
	ck_assert_ok(store_identity_key(r->f.s, "web", 1, &key, &r->f.err), &r->f.err);
	ck_assert_str_eq(secret_str(&key), "the key");
	/* It is made anew where it is wanted. */
	(void)unlink(r->other);
}

START_TEST(the_key_in_force_opens_everything_after_each_try_at_another)
{
	struct rekeying r = { .other = "" };

	fixture_init(&r.f);
	(void)snprintf(r.other, sizeof(r.other), "%s/next.key", r.f.tmp);
	const struct cert leaf = pretend_cert("a-leaf");
	revision(&r.f, "web", "cause-0", &leaf);
	fault_sweep(rekey, opens, &r);
	fixture_release(&r.f);
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("without memory");

	tcase_set_timeout(tc, 200);
	tcase_add_test(tc, a_state_is_read_whole_or_not_at_all);
	tcase_add_test(tc, a_revision_is_written_whole_or_not_at_all);
	tcase_add_test(tc, the_key_in_force_opens_everything_after_each_try_at_another);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("state: fault", build)
