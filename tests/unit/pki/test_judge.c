/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_judge.c - every fault of a chain is found, and the worst names it.
 */
#include <stdio.h>
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/fs.h"
#include "reconciler/pki/judge.h"
#include "tests/unit/pki/judge.h"
#include "tests/unit/unit.h"

#define DAY ((int64_t)86400)

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

static struct judge_by by_root(void)
{
	const struct cert **anchors = ARENA_ARRAY(&arena, const struct cert *, 1);

	anchors[0] = root.cert;
	return (struct judge_by){ .anchors = anchors,
		                  .n_anchors = 1,
		                  .host = "web.example.com",
		                  .purpose = CHAIN_SERVER,
		                  .now = now };
}

static void expect_only(struct judgement j, enum finding f, const char *word)
{
	ck_assert_msg(j.findings == UINT32_C(1) << f, "wanted %s alone: %s", finding_name(f),
	              j.text);
	ck_assert_str_eq(j.word, word);
	ck_assert_str_eq(j.text, finding_text(f));
}

START_TEST(a_good_chain_has_no_finding)
{
	struct judge_by by = by_root();
	struct judgement j = judge_chain(CHAIN(leaf.cert, sub.cert), &by, &arena);

	ck_assert_msg(j.findings == 0, "%s", j.text);
	ck_assert_str_eq(j.word, "InSync");
	ck_assert_str_eq(j.text, "");
	ck_assert(judged_healthy(&j));
	j = judge_chain(CHAIN(leaf.cert, sub.cert, root.cert), &by, &arena);
	ck_assert_msg(j.findings == 0, "a root sent along is no finding: %s", j.text);
}
END_TEST

START_TEST(what_clients_mind_is_unhealthy)
{
	struct judge_by by = by_root();
	struct judge_by elsewhere = by_root();
	struct judge_by late = by_root();
	struct judge_by early = by_root();

	expect_only(judge_chain(CHAIN(leaf.cert), &by, &arena), FINDING_INCOMPLETE, "WrongChain");
	elsewhere.host = "mail.example.com";
	expect_only(judge_chain(CHAIN(leaf.cert, sub.cert), &elsewhere, &arena),
	            FINDING_NAME_MISMATCH, "NameMismatch");
	late.now.s = leaf.cert->not_after.s - 5 * DAY;
	expect_only(judge_chain(CHAIN(leaf.cert, sub.cert), &late, &arena), FINDING_EXPIRING,
	            "Expiring");
	late.minimum_remaining_s = 4 * DAY;
	ck_assert_uint_eq(judge_chain(CHAIN(leaf.cert, sub.cert), &late, &arena).findings, 0);
	late.now.s = leaf.cert->not_after.s + 1;
	ck_assert_str_eq(judge_chain(CHAIN(leaf.cert, sub.cert), &late, &arena).word, "Expired");
	early.now.s = leaf.cert->not_before.s - 1;
	expect_only(judge_chain(CHAIN(leaf.cert, sub.cert), &early, &arena), FINDING_NOT_YET_VALID,
	            "Untrusted");
	by.purpose = CHAIN_CLIENT;
	expect_only(judge_chain(CHAIN(leaf.cert, sub.cert), &by, &arena), FINDING_WRONG_PURPOSE,
	            "Untrusted");
}
END_TEST

START_TEST(a_stranger_is_self_signed_or_untrusted)
{
	struct judge_by by = by_root();

	by.host = NULL;
	struct judgement j = judge_chain(CHAIN(other_root.cert), &by, &arena);
	ck_assert(judged(&j, FINDING_SELF_SIGNED));
	ck_assert_str_eq(j.word, "Untrusted");
	by.n_anchors = 0;
	j = judge_chain(CHAIN(leaf.cert, sub.cert, root.cert), &by, &arena);
	ck_assert(judged(&j, FINDING_UNTRUSTED));
	ck_assert(!judged(&j, FINDING_SELF_SIGNED));
	by.any_anchor = true;
	ck_assert_uint_eq(judge_chain(CHAIN(leaf.cert, sub.cert, root.cert), &by, &arena).findings,
	                  0);
}
END_TEST

START_TEST(order_and_strangers_in_the_chain_are_said_and_do_no_harm)
{
	struct judge_by by = by_root();
	struct judgement j = judge_chain(CHAIN(leaf.cert, root.cert, sub.cert), &by, &arena);

	expect_only(j, FINDING_WRONG_ORDER, "InSync");
	ck_assert(judged_healthy(&j));
	j = judge_chain(CHAIN(leaf.cert, sub.cert, other_root.cert), &by, &arena);
	expect_only(j, FINDING_UNRELATED, "InSync");
}
END_TEST

START_TEST(what_is_expected_is_compared)
{
	struct judge_by by = by_root();
	struct chain good = CHAIN(leaf.cert, sub.cert);

	by.sha256 = leaf.cert->sha256;
	by.common_name = leaf.cert->common_name;
	ck_assert_uint_eq(judge_chain(good, &by, &arena).findings, 0);
	by.sha256 = sub.cert->sha256;
	expect_only(judge_chain(good, &by, &arena), FINDING_UNEXPECTED, "ServedForeign");
	by.sha256 = NULL;
	by.organization = "Somebody";
	expect_only(judge_chain(good, &by, &arena), FINDING_UNEXPECTED, "ServedForeign");
	by.organization = NULL;
	by.country = "DE";
	expect_only(judge_chain(good, &by, &arena), FINDING_UNEXPECTED, "ServedForeign");
}
END_TEST

static struct bytes crl_of(const struct made *ca, const struct cert *revoked, struct wall next)
{
	struct crl_entry e = { .serial = revoked->serial, .revoked_at = { now.s - DAY } };
	struct crl_input in = { .issuer = ca->cert,
		                .number = 1,
		                .this_update = { now.s - 2 * DAY },
		                .next_update = next,
		                .entries = &e,
		                .n_entries = 1 };
	CLEANUP(buf_release) struct buf der = { 0 };
	struct err err = { 0 };

	buf_init(&der, 1 << 16);
	ck_assert_ok(crl_create(&in, ca->key, &der, &err), &err);
	return arena_bytes(&arena, buf_view(&der));
}

START_TEST(a_crl_counts_only_from_the_issuer_itself)
{
	struct judge_by by = by_root();
	struct known_crls crls = { 0 };
	struct chain good = CHAIN(leaf.cert, sub.cert);
	CLEANUP(buf_release) struct buf pem = { 0 };
	struct err err = { 0 };

	by.crls = &crls;
	ck_assert_ok(known_crls_add(&crls, crl_of(&root, leaf.cert, (struct wall){ now.s + DAY }),
	                            &arena, &err),
	             &err);
	ck_assert_msg(judge_chain(good, &by, &arena).findings == 0,
	              "another issuer's CRL with the same serial");
	buf_init(&pem, 1 << 16);
	der_to_pem(crl_of(&sub, leaf.cert, (struct wall){ now.s + DAY }), "X509 CRL", &pem);
	ck_assert_ok(known_crls_add(&crls, buf_view(&pem), &arena, &err), &err);
	expect_only(judge_chain(good, &by, &arena), FINDING_REVOKED, "Untrusted");
	expect_only(judge_chain(good, &by, &arena), FINDING_REVOKED, "Untrusted");
}
END_TEST

START_TEST(an_old_crl_still_revokes_and_is_called_stale_otherwise)
{
	struct judge_by by = by_root();
	struct known_crls crls = { 0 };
	struct err err = { 0 };

	by.crls = &crls;
	ck_assert_ok(known_crls_add(&crls, crl_of(&sub, leaf.cert, (struct wall){ now.s - DAY }),
	                            &arena, &err),
	             &err);
	expect_only(judge_chain(CHAIN(leaf.cert, sub.cert), &by, &arena), FINDING_REVOKED,
	            "Untrusted");
	crls.n = 0;
	ck_assert_ok(known_crls_add(&crls, crl_of(&sub, root.cert, (struct wall){ now.s - DAY }),
	                            &arena, &err),
	             &err);
	expect_only(judge_chain(CHAIN(leaf.cert, sub.cert), &by, &arena), FINDING_CRL_STALE,
	            "InSync");
	ck_assert_int_eq(known_crls_add(&crls, bytes_of_str("no CRL"), &arena, &err), ERR_INVALID);
}
END_TEST

START_TEST(weak_keys_and_hashes_are_found_without_any_anchor)
{
	struct judge_by by = { .any_anchor = true, .minimum_remaining_s = -1 };
	CLEANUP(buf_release) struct buf pem = { 0 };
	char *dir = unit_tmpdir();
	char path[512];
	const struct cert *weak = NULL;
	struct err err = { 0 };

	buf_init(&pem, 1 << 16);
	ck_assert_int_eq(JUDGE(dir, &pem, "openssl", "req", "-x509", "-newkey", "rsa:1024",
	                       "-nodes", "-sha1", "-keyout", "weak.key", "-out", "weak.crt",
	                       "-subj", "/CN=old", "-addext", "subjectAltName=DNS:old.example"),
	                 0);
	buf_reset(&pem);
	(void)snprintf(path, sizeof(path), "%s/weak.crt", dir);
	ck_assert_ok(fs_read(path, 1 << 16, &pem, &err), &err);
	ck_assert_ok(cert_parse_any(buf_view(&pem), &arena, &weak, &err), &err);
	by.now.s = weak->not_before.s + DAY;
	expect_only(judge_chain(CHAIN(weak), &by, &arena), FINDING_WEAK_KEY, "Untrusted");
	unit_rmtree(dir);
}
END_TEST

START_TEST(a_ca_that_has_expired_is_not_taken_for_the_certificate)
{
	struct str_list dns = { leaf_names, 1 };
	struct cert_spec ca_spec = made_ca("Old sub", p256);
	struct cert_spec leaf_spec = made_leaf(&dns, p256);
	struct judge_by by = by_root();
	struct made ca, under;

	made_until(&ca, &ca_spec, &root, (struct wall){ now.s - DAY });
	made_init(&under, &leaf_spec, &ca);
	struct judgement j = judge_chain(CHAIN(under.cert, ca.cert), &by, &arena);
	ck_assert_str_eq(j.word, "Expired");
	ck_assert(judged(&j, FINDING_CA_EXPIRED));
	ck_assert(!judged(&j, FINDING_EXPIRED));
	ck_assert_ptr_nonnull(strstr(j.text, "a CA of the chain has expired"));
	by.now.s = under.cert->not_after.s + DAY;
	j = judge_chain(CHAIN(under.cert, ca.cert), &by, &arena);
	ck_assert(judged(&j, FINDING_EXPIRED));
	made_release(&under);
	made_release(&ca);
}
END_TEST

START_TEST(nothing_to_judge_is_unreadable)
{
	struct judge_by by = by_root();

	expect_only(judge_chain((struct chain){ 0 }, &by, &arena), FINDING_UNREADABLE,
	            "Unreadable");
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("judge");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_good_chain_has_no_finding);
	tcase_add_test(tc, what_clients_mind_is_unhealthy);
	tcase_add_test(tc, a_stranger_is_self_signed_or_untrusted);
	tcase_add_test(tc, order_and_strangers_in_the_chain_are_said_and_do_no_harm);
	tcase_add_test(tc, what_is_expected_is_compared);
	tcase_add_test(tc, a_crl_counts_only_from_the_issuer_itself);
	tcase_add_test(tc, an_old_crl_still_revokes_and_is_called_stale_otherwise);
	tcase_add_test(tc, weak_keys_and_hashes_are_found_without_any_anchor);
	tcase_add_test(tc, a_ca_that_has_expired_is_not_taken_for_the_certificate);
	tcase_add_test(tc, nothing_to_judge_is_unreadable);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("pki/judge", build)
