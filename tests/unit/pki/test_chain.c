/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_chain.c - order, completeness and trust of chains.
 */
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/pki/chain.h"
#include "reconciler/pki/chain_memo.h"
#include "tests/unit/pki/judge.h"
#include "tests/unit/unit.h"

static const struct key_spec p256 = { KEY_ECDSA, 256 };
static const struct wall now = { 1800000000 };
static const char *const leaf_names[] = { "web.example.com" };
static struct arena arena;
static struct made root, sub, leaf, other_root;

static void setup(void)
{
	struct str_list dns = { leaf_names, 1 };
	struct cert_spec root_spec = made_ca("Root", p256);
	struct cert_spec sub_spec = made_ca("Sub", p256);
	struct cert_spec leaf_spec = made_leaf(&dns, p256);
	struct cert_spec other_spec = made_ca("Other", p256);

	pki_init(&clock_system);
	arena_init(&arena);
	made_init(&root, &root_spec, /* issuer= */ NULL);
	made_init(&sub, &sub_spec, &root);
	made_init(&leaf, &leaf_spec, &sub);
	made_init(&other_root, &other_spec, /* issuer= */ NULL);
}

static void teardown(void)
{
	made_release(&root);
	made_release(&sub);
	made_release(&leaf);
	made_release(&other_root);
	arena_release(&arena);
}

#define CHAIN(...)                                                                                 \
	((struct chain){ (const struct cert *const[]){ __VA_ARGS__ },                              \
	                 sizeof((const struct cert *const[]){ __VA_ARGS__ }) /                     \
	                         sizeof(struct cert *) })

static enum chain_verdict verify_at(struct chain served, const struct cert *anchor,
                                    const char *host, enum chain_purpose purpose, struct wall at)
{
	return chain_verify(served, &anchor, 1, host, purpose, at, /* memo= */ NULL);
}

START_TEST(good_chain_is_good_in_any_order_with_and_without_root)
{
	const char *host = "web.example.com";

	ck_assert_int_eq(verify_at(CHAIN(leaf.cert, sub.cert), root.cert, host, CHAIN_SERVER, now),
	                 CHAIN_OK);
	ck_assert_int_eq(verify_at(CHAIN(leaf.cert, root.cert, other_root.cert, sub.cert),
	                           root.cert, host, CHAIN_SERVER, now),
	                 CHAIN_OK);
	ck_assert_int_eq(verify_at(CHAIN(leaf.cert), sub.cert, host, CHAIN_SERVER, now), CHAIN_OK);
}
END_TEST

START_TEST(each_fault_has_its_verdict)
{
	struct chain good = CHAIN(leaf.cert, sub.cert);
	struct wall early = { JUDGE_NOT_BEFORE - 1 };
	struct wall late = { (int64_t)JUDGE_NOT_AFTER + 1 };

	ck_assert_int_eq(verify_at(good, other_root.cert, NULL, CHAIN_ANY_PURPOSE, now),
	                 CHAIN_INCOMPLETE);
	ck_assert_int_eq(verify_at(CHAIN(leaf.cert, sub.cert, root.cert), other_root.cert, NULL,
	                           CHAIN_ANY_PURPOSE, now),
	                 CHAIN_UNTRUSTED);
	ck_assert_int_eq(verify_at(CHAIN(leaf.cert), root.cert, NULL, CHAIN_ANY_PURPOSE, now),
	                 CHAIN_INCOMPLETE);
	ck_assert_int_eq(verify_at(good, root.cert, NULL, CHAIN_ANY_PURPOSE, early),
	                 CHAIN_NOT_YET_VALID);
	ck_assert_int_eq(verify_at(good, root.cert, NULL, CHAIN_ANY_PURPOSE, late), CHAIN_EXPIRED);
	ck_assert_int_eq(verify_at(good, root.cert, NULL, CHAIN_CLIENT, now), CHAIN_WRONG_PURPOSE);
	ck_assert_int_eq(verify_at(good, root.cert, "db.example.com", CHAIN_SERVER, now),
	                 CHAIN_NAME_MISMATCH);
	ck_assert_int_eq(verify_at((struct chain){ 0 }, root.cert, NULL, CHAIN_SERVER, now),
	                 CHAIN_INCOMPLETE);
}
END_TEST

START_TEST(damaged_signature_is_told_apart)
{
	CLEANUP(buf_release) struct buf der = { 0 };
	const struct cert *forged;
	struct err err = { 0 };

	buf_init(&der, 1 << 16);
	buf_add_bytes(&der, leaf.cert->der);
	uint8_t *name = memmem(der.p, der.len, "web.example.com", 15);
	name[0] = 'v';
	ck_assert_ok(cert_parse(buf_view(&der), &arena, &forged, &err), &err);
	ck_assert_int_eq(verify_at(CHAIN(forged, sub.cert), root.cert, NULL, CHAIN_ANY_PURPOSE,
	                           now),
	                 CHAIN_BAD_SIGNATURE);
	ck_assert(!cert_issued_by(forged, sub.cert));
	ck_assert(cert_issued_by(leaf.cert, sub.cert));
}
END_TEST

START_TEST(leaf_that_signs_is_refused)
{
	CLEANUP(made_release) struct made below = { 0 };
	struct str_list dns = { leaf_names, 1 };
	struct cert_spec spec = made_leaf(&dns, p256);

	spec.subject.common_name = "below";
	made_init(&below, &spec, &leaf);
	ck_assert_int_eq(verify_at(CHAIN(below.cert, leaf.cert, sub.cert), root.cert, NULL,
	                           CHAIN_ANY_PURPOSE, now),
	                 CHAIN_CONSTRAINT);
}
END_TEST

START_TEST(name_constraints_and_path_length_are_kept)
{
	static const char *const permitted[] = { "example.org" };
	struct name_constraints nc = { .critical = true, .permitted_dns = { permitted, 1 } };
	CLEANUP(made_release) struct made narrow = { 0 };
	CLEANUP(made_release) struct made inside = { 0 };
	struct str_list dns = { leaf_names, 1 };
	struct cert_spec ca = made_ca("Narrow", p256);
	struct cert_spec spec = made_leaf(&dns, p256);

	ca.name_constraints = &nc;
	made_init(&narrow, &ca, &root);
	made_init(&inside, &spec, &narrow);
	ck_assert_int_eq(verify_at(CHAIN(inside.cert, narrow.cert), root.cert, NULL,
	                           CHAIN_ANY_PURPOSE, now),
	                 CHAIN_CONSTRAINT);
}
END_TEST

START_TEST(pinned_leaf_is_accepted_whatever_else_is_wrong)
{
	struct wall late = { (int64_t)JUDGE_NOT_AFTER + 1 };

	ck_assert_int_eq(verify_at(CHAIN(leaf.cert), leaf.cert, "other.test", CHAIN_CLIENT, late),
	                 CHAIN_OK);
}
END_TEST

/* The root's name and key in another certificate: by itself, or by `issuer`. */
static const struct cert *root_again(int64_t not_before, int64_t not_after,
                                     const struct cert *issuer, const struct key *signer)
{
	CLEANUP(buf_release) struct buf tbs = { 0 };
	CLEANUP(buf_release) struct buf der = { 0 };
	struct cert_spec spec = made_ca("Root", p256);
	const struct cert *ret = NULL;
	struct err err = { 0 };
	uint8_t serial[20];

	buf_init(&tbs, 1 << 16);
	buf_init(&der, 1 << 16);
	serial_random(serial);
	struct tbs_input in = { .spec = &spec,
		                .spki = root.cert->spki,
		                .serial = bytes_of(serial, 20),
		                .not_before = { not_before },
		                .not_after = { not_after },
		                .issuer = issuer };
	ck_assert_ok(tbs_certificate(&in, signer, SIG_DEFAULT, &tbs, &err), &err);
	ck_assert_ok(sign_tbs(buf_view(&tbs), signer, SIG_DEFAULT, &der, &err), &err);
	ck_assert_ok(cert_parse(buf_view(&der), &arena, &ret, &err), &err);
	return ret;
}

START_TEST(of_two_ways_up_the_trusted_one_is_taken)
{
	const struct cert *crossed =
		root_again(JUDGE_NOT_BEFORE, JUDGE_NOT_AFTER, other_root.cert, other_root.key);
	struct chain served = CHAIN(leaf.cert, sub.cert, crossed);

	ck_assert_int_eq(verify_at(served, root.cert, NULL, CHAIN_SERVER, now), CHAIN_OK);
	ck_assert_int_eq(verify_at(served, other_root.cert, NULL, CHAIN_SERVER, now), CHAIN_OK);
}
END_TEST

START_TEST(chains_are_built_from_a_pool_without_order)
{
	const struct cert *pool[] = { other_root.cert, root.cert, leaf.cert, sub.cert };
	struct chain c = chain_build(leaf.cert, pool, ARRAY_LEN(pool), &arena);

	ck_assert_uint_eq(c.n, 3);
	ck_assert_ptr_eq(c.v[0], leaf.cert);
	ck_assert_ptr_eq(c.v[1], sub.cert);
	ck_assert_ptr_eq(c.v[2], root.cert);
	c = chain_build(leaf.cert, pool, 2, &arena);
	ck_assert_uint_eq(c.n, 1);
}
END_TEST

START_TEST(roots_never_make_chains_differ)
{
	struct chain full = CHAIN(leaf.cert, sub.cert, root.cert);
	struct chain bare = CHAIN(leaf.cert, sub.cert);

	ck_assert(chain_equal(full, bare));
	ck_assert(!chain_equal(bare, CHAIN(leaf.cert)));
	ck_assert(!chain_equal(CHAIN(root.cert), CHAIN(other_root.cert)));
	ck_assert_uint_eq(chain_without_root(CHAIN(root.cert)).n, 1);
}
END_TEST

START_TEST(what_is_remembered_of_a_path_is_what_was_found)
{
	CLEANUP(buf_release) struct buf kept = { 0 };
	struct chain served = CHAIN(leaf.cert, sub.cert);
	const struct cert *anchor = root.cert;
	const struct cert *stranger = other_root.cert;
	struct wall late = { (int64_t)JUDGE_NOT_AFTER + 1 };
	struct chain_memo first;
	struct chain_memo next;

	buf_init(&kept, 1 << 16);
	chain_memo_init(&first, &arena);
	ck_assert(!chain_memo_changed(&first));
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(chain_verify(served, &anchor, 1, NULL, CHAIN_SERVER, now, &first),
		                 CHAIN_OK);
		ck_assert_int_eq(chain_verify(served, &anchor, 1, NULL, CHAIN_CLIENT, now, &first),
		                 CHAIN_WRONG_PURPOSE);
		ck_assert_uint_eq(first.n_new, 2);
	}
	/* Times are no part of it. */
	ck_assert_int_eq(chain_verify(served, &anchor, 1, NULL, CHAIN_SERVER, late, &first),
	                 CHAIN_EXPIRED);
	ck_assert_uint_eq(first.n_new, 2);
	ck_assert_int_eq(chain_verify(served, &stranger, 1, NULL, CHAIN_SERVER, now, &first),
	                 CHAIN_INCOMPLETE);
	chain_memo_write(&first, &kept);
	ck_assert(chain_memo_changed(&first));
	chain_memo_init(&next, &arena);
	ck_assert(chain_memo_read(&next, buf_view(&kept)));
	ck_assert_int_eq(chain_verify(served, &anchor, 1, NULL, CHAIN_CLIENT, now, &next),
	                 CHAIN_WRONG_PURPOSE);
	ck_assert_uint_eq(next.n_new, 0);
	ck_assert(!chain_memo_changed(&next));
	/* Only what was used is written again. */
	buf_reset(&kept);
	chain_memo_write(&next, &kept);
	ck_assert_uint_eq(kept.len, 36);
	chain_memo_release(&next);
	chain_memo_init(&next, &arena);
	ck_assert(!chain_memo_read(&next, bytes_of(kept.p, 35)));
	ck_assert_uint_eq(next.by_path.n, 0);
	chain_memo_release(&next);
	chain_memo_release(&first);
}
END_TEST

START_TEST(one_anchor_that_is_valid_now_is_enough)
{
	const struct cert *brief =
		root_again(JUDGE_NOT_BEFORE, now.s - 1, /* issuer= */ NULL, root.key);
	const struct cert *ahead =
		root_again(now.s + 1, (int64_t)JUDGE_NOT_AFTER + 9, /* issuer= */ NULL, root.key);
	const struct cert *all[] = { brief, root.cert, ahead };
	const struct cert *neither[] = { brief, ahead };
	struct chain served = CHAIN(leaf.cert, sub.cert);

	ck_assert_int_eq(verify_at(served, brief, NULL, CHAIN_SERVER, now), CHAIN_EXPIRED);
	ck_assert_int_eq(verify_at(served, ahead, NULL, CHAIN_SERVER, now), CHAIN_NOT_YET_VALID);
	ck_assert_int_eq(chain_verify(served, all, 3, NULL, CHAIN_SERVER, now, NULL), CHAIN_OK);
	ck_assert_int_eq(chain_verify(served, neither, 2, NULL, CHAIN_SERVER, now, NULL),
	                 CHAIN_NOT_YET_VALID);
}
END_TEST

static void build(Suite *suite)
{
	TCase *t = tcase_create("chain");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, good_chain_is_good_in_any_order_with_and_without_root);
	tcase_add_test(t, what_is_remembered_of_a_path_is_what_was_found);
	tcase_add_test(t, one_anchor_that_is_valid_now_is_enough);
	tcase_add_test(t, each_fault_has_its_verdict);
	tcase_add_test(t, damaged_signature_is_told_apart);
	tcase_add_test(t, leaf_that_signs_is_refused);
	tcase_add_test(t, name_constraints_and_path_length_are_kept);
	tcase_add_test(t, pinned_leaf_is_accepted_whatever_else_is_wrong);
	tcase_add_test(t, of_two_ways_up_the_trusted_one_is_taken);
	tcase_add_test(t, chains_are_built_from_a_pool_without_order);
	tcase_add_test(t, roots_never_make_chains_differ);
	suite_add_tcase(suite, t);
}

UNIT_MAIN("chain", build)
