/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_store_imported.c - pairs brought in from files, until an identity adopts them.
 */
#include "tests/unit/state/fixture.h"

struct bringing {
	const char *name, *key;
	const struct cert *leaf;
	bool replace;
};

static enum err_code bring(struct fixture *f, const struct bringing *b, bool *ret_written)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	const struct cert *v[] = { b->leaf };

	ck_assert_int_eq(secret_set_str(&key, b->key), 0);
	const struct imported_pair p = {
		.name = b->name, .chain = { .v = v, .n = 1 }, .pkcs8 = &key, .replace = b->replace
	};
	return store_import(f->s, &p, ret_written, &f->err);
}

static void check_key(struct fixture *f, const char *name, const char *want)
{
	CLEANUP(secret_release) struct secret got = { 0 };

	ck_assert_ok(store_imported_key(f->s, name, &got, &f->err), &f->err);
	ck_assert_str_eq(secret_str(&got), want);
}

START_TEST(what_is_brought_in_is_there_after_reopening)
{
	struct fixture f;
	struct cert leaf = pretend_cert("a-leaf");
	struct seen_certs certs;
	bool written = false;

	fixture_init(&f);
	const struct bringing web = { .name = "web", .key = "k1", .leaf = &leaf };
	ck_assert_ok(bring(&f, &web, &written), &f.err);
	ck_assert(written);
	fixture_reopen(&f);
	struct memory *m = fixture_memory(&f, &certs);
	const struct imported_memory *im = memory_imported(m, "web");
	ck_assert_ptr_nonnull(im);
	ck_assert_uint_eq(im->chain.n, 1);
	ck_assert_mem_eq(im->chain.v[0]->sha256, leaf.sha256, SHA256_BYTES);
	ck_assert_int_eq(im->imported_at.s, T0.s);
	ck_assert_ptr_null(memory_imported(m, "we"));
	check_key(&f, "web", "k1");
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

START_TEST(the_same_again_changes_nothing_and_another_needs_replace)
{
	struct fixture f;
	struct cert one = pretend_cert("a-leaf");
	struct cert two = pretend_cert("b-leaf");
	int64_t before = 0;
	int64_t after = 0;
	bool written = false;

	fixture_init(&f);
	const struct bringing first = { .name = "web", .key = "k1", .leaf = &one };
	const struct bringing other = { .name = "web", .key = "k2", .leaf = &two };
	const struct bringing instead = {
		.name = "web", .key = "k2", .leaf = &two, .replace = true
	};
	ck_assert_ok(bring(&f, &first, &written), &f.err);
	ck_assert_ok(bring(&f, &first, &written), &f.err);
	ck_assert(!written);
	ck_assert_ok(store_revision(f.s, &before, &f.err), &f.err);
	ck_assert_int_eq(bring(&f, &other, &written), ERR_CONFLICT);
	err_clear(&f.err);
	check_key(&f, "web", "k1");
	ck_assert_ok(bring(&f, &instead, &written), &f.err);
	ck_assert(written);
	check_key(&f, "web", "k2");
	ck_assert_ok(store_revision(f.s, &after, &f.err), &f.err);
	ck_assert_int_gt(after, before);
	fixture_release(&f);
}
END_TEST

START_TEST(what_is_forgotten_is_gone_with_its_key_and_the_others_stay)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	struct fixture f;
	struct cert one = pretend_cert("a-leaf");
	struct cert two = pretend_cert("b-leaf");
	struct seen_certs certs;
	bool written = false;

	fixture_init(&f);
	const struct bringing web = { .name = "web", .key = "k1", .leaf = &one };
	const struct bringing api = { .name = "api", .key = "k2", .leaf = &two };
	ck_assert_ok(bring(&f, &web, &written), &f.err);
	ck_assert_ok(bring(&f, &api, &written), &f.err);
	ck_assert_ok(store_imported_forget(f.s, "web", &f.err), &f.err);
	ck_assert_int_eq(store_imported_forget(f.s, "web", &f.err), ERR_NOT_FOUND);
	err_clear(&f.err);
	ck_assert_int_eq(store_imported_key(f.s, "web", &key, &f.err), ERR_NOT_FOUND);
	err_clear(&f.err);
	fixture_reopen(&f);
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert_ptr_null(memory_imported(m, "web"));
	ck_assert_ptr_nonnull(memory_imported(m, "api"));
	fixture_forget(m, &certs);
	check_key(&f, "api", "k2");
	fixture_release(&f);
}
END_TEST

START_TEST(an_operator_may_bring_in_and_a_reader_may_not)
{
	struct fixture f;
	struct cert leaf = pretend_cert("a-leaf");
	CLEANUP(secret_release) struct secret key = { 0 };
	bool written = false;

	fixture_init(&f);
	store_close(f.s);
	f.s = NULL;
	fixture_open(&f, STORE_OPERATOR);
	const struct bringing web = { .name = "web", .key = "k1", .leaf = &leaf };
	ck_assert_ok(bring(&f, &web, &written), &f.err);
	store_close(f.s);
	f.s = NULL;
	fixture_open(&f, STORE_READ);
	const struct bringing api = { .name = "api", .key = "k1", .leaf = &leaf };
	ck_assert_int_eq(bring(&f, &api, &written), ERR_DENIED);
	err_clear(&f.err);
	ck_assert_int_eq(store_imported_key(f.s, "api", &key, &f.err), ERR_NOT_FOUND);
	err_clear(&f.err);
	fixture_release(&f);
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("pairs");

	tcase_add_test(tc, what_is_brought_in_is_there_after_reopening);
	tcase_add_test(tc, the_same_again_changes_nothing_and_another_needs_replace);
	tcase_add_test(tc, what_is_forgotten_is_gone_with_its_key_and_the_others_stay);
	tcase_add_test(tc, an_operator_may_bring_in_and_a_reader_may_not);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("state/store_imported", build)
