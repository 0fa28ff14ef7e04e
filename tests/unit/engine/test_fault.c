/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_fault.c - a plan made without enough memory is the same plan or none: a step left out would
 * be taken for one that is not needed.
 */
#include <string.h>

#include "tests/unit/engine/world.h"
#include "tests/unit/fault.h"
#include "tests/unit/unit.h"

static const char fleet[] =
	"apiVersion: certwright/v1\nkind: Issuer\nmetadata: {name: ca}\n"
	"spec: {privateCA: {subject: {commonName: Test CA}, privateKey: {algorithm: Ed25519}, duration: 3650d, "
	"generation: 1}}\n---\n"
	"apiVersion: certwright/v1\nkind: CASet\nmetadata: {name: roots}\nspec: {sources: [{issuerRef: {name: ca}}]}\n---\n"
	"apiVersion: certwright/v1\nkind: Certificate\nmetadata: {name: node}\n"
	"spec: {forEach: {target: nodes}, dnsNames: ['{{host}}.example'], issuerRef: {name: ca}, privateKey: {algorithm: "
	"Ed25519}, duration: 90d}\n---\n"
	"apiVersion: certwright/v1\nkind: Keystore\nmetadata: {name: store}\n"
	"spec: {format: jks, passwordRef: {wellKnown: changeit}, entries: [{alias: node, certificateRef: node}, {alias: "
	"'root{{serial}}', caSetRef: roots}]}\n---\n"
	"apiVersion: certwright/v1\nkind: Target\nmetadata: {name: nodes}\n"
	"spec: {hosts: ['n[1-3]'], via: {local: {}}, deliver: [{keystoreRef: store, path: /etc/node.jks}], activate: "
	"[{after: [[restart]]}], verify: [{tls: {port: 443}}], windows: [{cron: '0 2 * * *', duration: 2h, timezone: UTC}]}\n";

struct planning {
	struct world w;
	uint8_t digest[32];
	size_t n_waitings;
};

static enum err_code plan(void *context, struct err *err)
{
	struct planning *x = context;
	struct arena arena;
	struct wants *wants = NULL;
	const struct plan *p = NULL;
	struct plan_input in = x->w.in;
	uint8_t digest[32] = { 0 };

	arena_init(&arena);
	enum err_code rc = wants_build(x->w.desired, in.memory, &arena, &wants, err);
	in.wants = wants;
	if (rc == ERR_OK) {
		rc = plan_build(&in, &arena, &p, err);
	}
	fault_pause();
	if (rc == ERR_OK) {
		plan_digest(p, digest);
		ck_assert_int_eq(memcmp(digest, x->digest, sizeof(digest)), 0);
		ck_assert_uint_eq(p->n_waitings, x->n_waitings);
	}
	fault_resume();
	wants_release(wants);
	arena_release(&arena);
	return rc;
}

static void same_or_none(struct planning *x)
{
	(void)world_plan(&x->w);
	plan_digest(x->w.plan, x->digest);
	x->n_waitings = x->w.plan->n_waitings;
	fault_sweep(plan, /* after= */ NULL, x);
}

START_TEST(a_first_plan_is_whole_or_none)
{
	struct planning x;

	world_init(&x.w);
	world_desire(&x.w, fleet);
	same_or_none(&x);
	ck_assert_uint_ge(x.w.plan->n_actions, 4);
	world_free(&x.w);
}
END_TEST

START_TEST(a_roll_over_and_renewals_are_planned_whole_or_not_at_all)
{
	CLEANUP(buf_release) struct buf next = { 0 };
	struct planning x;
	const char *at = strstr(fleet, "generation: 1");

	buf_init(&next, BUF_LIMIT_TEXT);
	buf_add(&next, fleet, (size_t)(at - fleet));
	buf_add_str(&next, "generation: 2");
	buf_add_str(&next, at + strlen("generation: 1"));
	world_init(&x.w);
	world_desire(&x.w, fleet);
	(void)world_settle(&x.w, 5);
	world_pass(&x.w, 61 * WORLD_DAY);
	same_or_none(&x);
	world_desire(&x.w, buf_str(&next));
	for (int round = 0; round < 3; round++) {
		same_or_none(&x);
		world_apply(&x.w);
	}
	world_free(&x.w);
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("without memory");

	tcase_set_timeout(tc, 200);
	tcase_add_test(tc, a_first_plan_is_whole_or_none);
	tcase_add_test(tc, a_roll_over_and_renewals_are_planned_whole_or_not_at_all);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("plan: fault", build)
