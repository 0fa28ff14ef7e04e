/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_plan_order.c - trust before identity, step by step, with every handshake watched; waves,
 * windows, budgets and key release.
 */
#include <stdio.h>

#include "reconciler/base/str.h"
#include "tests/unit/engine/guard.h"
#include "tests/unit/engine/world.h"
#include "tests/unit/unit.h"

#define CA(generation)                                                                             \
	"apiVersion: certwright/v1\nkind: Issuer\nmetadata: {name: ca}\n"                          \
	"spec: {privateCA: {subject: {commonName: Test CA}, privateKey: {algorithm: Ed25519}, "    \
	"duration: 3650d, generation: " generation "}}\n---\n"
/* Five nodes that talk to each other under one CA. */
#define NODES                                                                                      \
	"apiVersion: certwright/v1\nkind: CASet\nmetadata: {name: roots}\n"                        \
	"spec: {overlap: 7d, sources: [{issuerRef: {name: ca}}]}\n---\n"                           \
	"apiVersion: certwright/v1\nkind: Certificate\nmetadata: {name: node}\n"                   \
	"spec: {forEach: {target: nodes}, dnsNames: ['{{host}}'], issuerRef: {name: ca}, "         \
	"privateKey: {algorithm: Ed25519}, duration: 90d}\n---\n"                                  \
	"apiVersion: certwright/v1\nkind: Keystore\nmetadata: {name: node}\n"                      \
	"spec: {format: jks, passwordRef: {wellKnown: changeit}, entries: [{alias: node, "         \
	"certificateRef: node}, {alias: root, caSetRef: roots}]}\n---\n"
#define NODE_TARGET(more)                                                                          \
	"apiVersion: certwright/v1\nkind: Target\nmetadata: {name: nodes}\n"                       \
	"spec: {hosts: ['n[1-5]'], via: {local: {}}, deliver: [{keystoreRef: node, path: "         \
	"/etc/node.jks}], activate: [{after: [{systemd: {unit: node, action: restart}}]}], "       \
	"verify: [{tls: {port: 443}}]" more "}\n"
#define CLUSTER(generation) CA(generation) NODES NODE_TARGET("")
/* One backend, five clients that pin its certificate. */
#define PINNED PINNED_AS("backend{{notBefore:%Y%m%d}}")
#define PINNED_AS(alias)                                                                           \
	CA("1")                                                                                    \
	"apiVersion: certwright/v1\nkind: Certificate\nmetadata: {name: backend}\n"                \
	"spec: {dnsNames: [backend], issuerRef: {name: ca}, privateKey: {algorithm: Ed25519}, "    \
	"duration: 90d}\n---\n"                                                                    \
	"apiVersion: certwright/v1\nkind: Target\nmetadata: {name: backend}\n"                     \
	"spec: {hosts: [b1], via: {local: {}}, deliver: [{certificateRef: backend, path: "         \
	"/etc/b.pem}], activate: [{after: [{systemd: {unit: b, action: restart}}]}], verify: "     \
	"[{tls: {port: 443}}]}\n---\n"                                                             \
	"apiVersion: certwright/v1\nkind: Keystore\nmetadata: {name: trust}\n"                     \
	"spec: {format: jks, passwordRef: {wellKnown: changeit}, entries: [{alias: "               \
	"'" alias "', trustCertificateRef: backend}]}\n---\n"                                      \
	"apiVersion: certwright/v1\nkind: Target\nmetadata: {name: clients}\n"                     \
	"spec: {hosts: ['c[1-5]'], via: {local: {}}, deliver: [{keystoreRef: trust, path: "        \
	"/etc/t.jks}], activate: [{after: [{systemd: {unit: c, action: restart}}]}]}\n"

static struct world w;
static struct guard guard;

static void start(const char *yaml)
{
	world_init(&w);
	guard = (struct guard){ 0 };
	world_desire(&w, yaml);
	ck_assert_uint_le(world_settle(&w, 6), 3);
	ck_assert(w.plan->in_sync);
	w.after = guard_after;
	w.context = &guard;
}

static void step(void)
{
	guard_begin(&guard, &w);
	world_apply(&w);
	ck_assert_msg(guard.broken[0] == '\0', "%s", guard.broken);
	(void)world_plan(&w);
}

static struct w_store *node(int n)
{
	char key[64];

	(void)snprintf(key, sizeof(key), "nodes@n%d:/etc/node.jks", n);
	return world_store(&w, key);
}

static size_t trusted(const struct w_store *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->content.n; i++) {
		n += s->content.v[i].kind == KS_TRUSTED ? 1 : 0;
	}
	return n;
}

static size_t nodes_from_generation(int generation)
{
	size_t n = 0;

	for (int i = 1; i <= 5; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "node@n%d", i);
		n += world_identity(&w, name)->revisions[0].issuer_generation == generation ? 1 : 0;
	}
	return n;
}

START_TEST(a_ca_rolls_over_without_breaking_a_handshake)
{
	start(CLUSTER("1"));
	ck_assert_uint_eq(trusted(node(1)), 1);
	world_desire(&w, CLUSTER("2"));

	/* Preparing: the new CA, no identity yet. */
	(void)world_plan(&w);
	ck_assert_ptr_nonnull(plan_action(w.plan, ACTION_ISSUE, "ca", NULL));
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_RENEW), 0);
	for (int i = 0; i < 4 && plan_actions(w.plan, ACTION_RENEW) == 0; i++) {
		ck_assert_uint_eq(plan_actions(w.plan, ACTION_PUSH), 0);
		step();
	}
	/* Prepared: everybody holds both and has loaded them. */
	for (int i = 1; i <= 5; i++) {
		ck_assert_uint_eq(trusted(node(i)), 2);
	}
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_RENEW), 5);
	ck_assert_str_eq(plan_action(w.plan, ACTION_RENEW, "node@n1", NULL)->reasons[0].code,
	                 "IncorrectIssuer");
	for (int i = 0; i < 4 && w.plan->n_actions > 0; i++) {
		ck_assert_uint_eq(plan_actions(w.plan, ACTION_TRUST_DROP), 0);
		step();
	}
	ck_assert_uint_eq(nodes_from_generation(2), 5);
	/* Completing: nobody presents the old one, but its overlap is not over. */
	ck_assert(w.plan->in_sync);
	ck_assert_ptr_nonnull(plan_drift(w.plan, "TrustPending"));
	ck_assert_int_le(w.plan->wake.s, w.now.s + 7 * WORLD_DAY);
	world_pass(&w, 7 * WORLD_DAY);
	(void)world_plan(&w);
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_TRUST_DROP), 5);
	step();
	for (int i = 1; i <= 5; i++) {
		ck_assert_uint_eq(trusted(node(i)), 1);
	}
	ck_assert(w.plan->in_sync);
	ck_assert_uint_eq(w.plan->n_drifts, 0);
	ck_assert_uint_ge(guard.pairs, 25);
	ck_assert_uint_eq(w.issued, 10);
	world_free(&w);
}
END_TEST

START_TEST(a_verifier_that_cannot_be_seen_holds_the_roll_over)
{
	start(CLUSTER("1"));
	world_desire(&w, CLUSTER("2"));
	(void)world_plan(&w);
	node(3)->dark = true;
	node(3)->status = LOOK_UNREACHABLE;
	(void)world_plan(&w);
	for (int i = 0; i < 6; i++) {
		step();
	}
	ck_assert_uint_eq(nodes_from_generation(2), 0);
	ck_assert_str_eq(plan_waiting(w.plan, "TrustPending")->name, "ca");
	/* What falls due meanwhile is renewed by the old generation. */
	world_pass(&w, 61 * WORLD_DAY);
	(void)world_plan(&w);
	ck_assert_int_eq(plan_action(w.plan, ACTION_RENEW, "node@n1", NULL)->issuer_generation, 1);
	step();
	node(3)->dark = false;
	(void)world_plan(&w);
	for (int i = 0; i < 8; i++) {
		step();
	}
	ck_assert_uint_eq(nodes_from_generation(2), 5);
	world_free(&w);
}
END_TEST

START_TEST(trust_is_never_dropped_for_what_cannot_be_seen)
{
	start(CLUSTER("1"));
	world_desire(&w, CLUSTER("2"));
	(void)world_plan(&w);
	for (int i = 0; i < 8; i++) {
		step();
	}
	ck_assert_uint_eq(nodes_from_generation(2), 5);
	world_pass(&w, 8 * WORLD_DAY);
	world_endpoint(&w, "n4", 443)->status = ENDPOINT_UNREACHABLE;
	(void)world_plan(&w);
	ck_assert_uint_eq(w.plan->n_actions, 0);
	world_endpoint(&w, "n4", 443)->status = ENDPOINT_OK;
	node(2)->dark = true;
	node(2)->status = LOOK_WRONG_PASSWORD;
	(void)world_plan(&w);
	ck_assert_uint_eq(w.plan->n_actions, 0);
	node(2)->dark = false;
	ck_assert_uint_eq(plan_actions(world_plan(&w), ACTION_TRUST_DROP), 5);
	world_free(&w);
}
END_TEST

static struct w_store *client(int n)
{
	char key[64];

	(void)snprintf(key, sizeof(key), "clients@c%d:/etc/t.jks", n);
	return world_store(&w, key);
}

START_TEST(a_pinned_certificate_rolls_over_without_breaking_a_handshake)
{
	start(PINNED);
	ck_assert_uint_eq(trusted(client(1)), 1);
	const char *old_alias = client(1)->content.v[0].alias;

	world_pass(&w, 61 * WORLD_DAY);
	(void)world_plan(&w);
	/* It is issued, and goes nowhere before it is trusted. */
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_RENEW), 1);
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_PUSH), 0);
	ck_assert_ptr_nonnull(plan_waiting(w.plan, "TrustPending"));
	step();
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_TRUST_ADD), 5);
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_PUSH), 0);
	step();
	for (int i = 1; i <= 5; i++) {
		ck_assert_uint_eq(trusted(client(i)), 2);
	}
	/* The old one keeps its alias, the new one has its own. */
	ck_assert_str_eq(client(1)->content.v[0].alias, old_alias);
	ck_assert_str_ne(client(1)->content.v[1].alias, old_alias);
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_PUSH), 1);
	step();
	ck_assert(w.plan->in_sync);
	world_pass(&w, 7 * WORLD_DAY);
	ck_assert_uint_eq(plan_actions(world_plan(&w), ACTION_TRUST_DROP), 5);
	step();
	for (int i = 1; i <= 5; i++) {
		ck_assert_uint_eq(trusted(client(i)), 1);
	}
	ck_assert(w.plan->in_sync);
	world_free(&w);
}
END_TEST

START_TEST(a_pin_that_is_written_but_not_loaded_does_not_count)
{
	start(PINNED);
	world_pass(&w, 61 * WORLD_DAY);
	(void)world_plan(&w);
	step();
	step();
	client(4)->sm.activated = NULL;
	client(4)->loaded.n = 1;
	(void)world_plan(&w);
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_PUSH), 0);
	ck_assert_ptr_nonnull(plan_action(w.plan, ACTION_ACTIVATE, "clients", "c4"));
	step();
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_PUSH), 1);
	step();
	ck_assert(w.plan->in_sync);
	world_free(&w);
}
END_TEST

START_TEST(first_deliveries_wait_no_rounds_and_trust_goes_first)
{
	world_init(&w);
	world_desire(&w, PINNED_AS("backend"));
	(void)world_plan(&w);
	size_t push = plan_position(w.plan, "push:backend@b1:/etc/b.pem");

	ck_assert_uint_ne(push, SIZE_MAX);
	for (int i = 1; i <= 5; i++) {
		char id[64];

		(void)snprintf(id, sizeof(id), "push:clients@c%d:/etc/t.jks", i);
		ck_assert_uint_lt(plan_position(w.plan, id), push);
	}
	world_free(&w);
}
END_TEST

START_TEST(hosts_go_in_waves_in_the_order_written)
{
	world_init(&w);
	world_desire(&w,
	             CA("1") NODES NODE_TARGET(", rollout: {maxUnavailable: 2, order: [n5, n3]}"));
	(void)world_plan(&w);
	size_t n5 = plan_position(w.plan, "push:nodes@n5:/etc/node.jks");
	size_t n3 = plan_position(w.plan, "push:nodes@n3:/etc/node.jks");
	size_t n1 = plan_position(w.plan, "push:nodes@n1:/etc/node.jks");

	ck_assert(n5 < n3 && n3 < n1);
	/* Two at once: the third waits for both. */
	const struct action *a = &w.plan->actions[n1];
	size_t waits = 0;

	for (size_t i = 0; i < a->n_depends_on; i++) {
		waits += str_equal(a->depends_on[i], "verify:nodes@n5") ? 1 : 0;
		waits += str_equal(a->depends_on[i], "verify:nodes@n3") ? 1 : 0;
	}
	ck_assert_uint_eq(waits, 2);
	world_free(&w);
}
END_TEST

START_TEST(a_pause_lets_one_wave_go_at_a_time)
{
	world_init(&w);
	world_desire(&w, CA("1") NODES NODE_TARGET(", rollout: {pause: 10m}"));
	ck_assert_uint_eq(plan_actions(world_plan(&w), ACTION_PUSH), 1);
	ck_assert_ptr_nonnull(plan_waiting(w.plan, "RolloutPending"));
	world_apply(&w);
	ck_assert_uint_eq(plan_actions(world_plan(&w), ACTION_PUSH), 0);
	ck_assert_int_eq(w.plan->wake.s, w.now.s + 600);
	world_pass(&w, 600);
	ck_assert_uint_eq(plan_actions(world_plan(&w), ACTION_PUSH), 1);
	world_free(&w);
}
END_TEST

#define NIGHT ", windows: [{cron: '0 2 * * *', duration: 2h}]"

START_TEST(a_closed_window_waits_until_it_opens)
{
	world_init(&w);
	world_desire(&w, CA("1") NODES NODE_TARGET(NIGHT));
	world_pass(&w, 12 * 3600);
	(void)world_plan(&w);
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_PUSH), 0);
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_ISSUE), 6);
	ck_assert_int_eq(plan_waiting(w.plan, "WindowClosed")->until.s,
	                 WORLD_START + WORLD_DAY + 2 * 3600);
	ck_assert_int_eq(w.plan->wake.s, WORLD_START + WORLD_DAY + 2 * 3600);
	w.now = w.plan->wake;
	ck_assert_uint_eq(plan_actions(world_plan(&w), ACTION_PUSH), 5);
	world_free(&w);
}
END_TEST

START_TEST(no_window_makes_anything_expire)
{
	start(CA("1") NODES NODE_TARGET(""));
	/* From now on a window that never opens. */
	world_desire(&w,
	             CA("1") NODES NODE_TARGET(", windows: [{cron: '0 2 30 2 *', duration: 2h}]"));
	world_pass(&w, 86 * WORLD_DAY);
	(void)world_plan(&w);
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_PUSH), 0);
	step();
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_PUSH), 0);
	ck_assert_int_eq(w.plan->wake.s, WORLD_START + 87 * WORLD_DAY);
	w.now = w.plan->wake;
	ck_assert_uint_eq(plan_actions(world_plan(&w), ACTION_PUSH), 5);
	ck_assert(plan_action(w.plan, ACTION_PUSH, "nodes", "n1")->urgent);
	world_free(&w);
}
END_TEST

START_TEST(what_an_urgent_step_waits_for_is_urgent_too)
{
	start(PINNED);
	char closed[sizeof(PINNED) + 200];
	size_t n = strlen(PINNED) - 2; /* before "}\n" of the last document */

	(void)snprintf(closed, sizeof(closed),
	               "%.*s, windows: [{cron: '0 2 30 2 *', duration: 2h}]}\n", (int)n, PINNED);
	world_desire(&w, closed);
	world_pass(&w, 61 * WORLD_DAY);
	(void)world_plan(&w);
	step();
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_TRUST_ADD), 0);
	ck_assert_ptr_nonnull(plan_waiting(w.plan, "WindowClosed"));
	world_pass(&w, 27 * WORLD_DAY);
	ck_assert_uint_eq(plan_actions(world_plan(&w), ACTION_TRUST_ADD), 5);
	step();
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_PUSH), 1);
	world_free(&w);
}
END_TEST

START_TEST(a_key_goes_to_a_new_host_only_with_approval)
{
	start(CA("1") "apiVersion: certwright/v1\nkind: Certificate\nmetadata: {name: web}\n"
	              "spec: {dnsNames: [web], issuerRef: {name: ca}, privateKey: {algorithm: "
	              "Ed25519}}\n---\n"
	              "apiVersion: certwright/v1\nkind: Target\nmetadata: {name: www}\n"
	              "spec: {hosts: [h1], via: {local: {}}, deliver: [{certificateRef: web, path: "
	              "/etc/w.pem}]}\n");
	world_desire(&w, CA("1") "apiVersion: certwright/v1\nkind: Certificate\nmetadata: {name: "
	                         "web}\nspec: {dnsNames: [web], issuerRef: {name: ca}, privateKey: "
	                         "{algorithm: Ed25519}}\n---\n"
	                         "apiVersion: certwright/v1\nkind: Target\nmetadata: {name: www}\n"
	                         "spec: {hosts: [h1, evil], via: {local: {}}, deliver: "
	                         "[{certificateRef: web, path: /etc/w.pem}]}\n");
	w.in.trusted = false;
	(void)world_plan(&w);
	ck_assert_uint_eq(w.plan->n_actions, 0);
	ck_assert(str_starts(plan_waiting(w.plan, "ApprovalPending")->message, "KeyRelease"));
	world_identity(&w, "web")->im.approved_at = w.now;
	ck_assert_uint_eq(plan_actions(world_plan(&w), ACTION_PUSH), 1);
	world_free(&w);
}
END_TEST

START_TEST(allow_targets_narrows_it)
{
	world_init(&w);
	world_desire(&w, CA("1") "apiVersion: certwright/v1\nkind: Certificate\nmetadata: {name: "
	                         "web}\nspec: {dnsNames: [web], issuerRef: {name: ca}, privateKey: "
	                         "{algorithm: Ed25519}, allowTargets: [other]}\n---\n"
	                         "apiVersion: certwright/v1\nkind: Target\nmetadata: {name: www}\n"
	                         "spec: {hosts: [h1], via: {local: {}}, deliver: "
	                         "[{certificateRef: web, path: /etc/w.pem}]}\n---\n"
	                         "apiVersion: certwright/v1\nkind: Target\nmetadata: {name: "
	                         "other}\nspec: {hosts: [h2], via: {local: {}}, deliver: "
	                         "[{certificateRef: web, path: /etc/w.pem}]}\n");
	world_settle(&w, 4);
	ck_assert_ptr_nonnull(plan_conflict(w.plan, "KeyRelease"));
	ck_assert(!world_store(&w, "www@h1:/etc/w.pem")->exists);
	ck_assert(world_store(&w, "other@h2:/etc/w.pem")->exists);
	world_free(&w);
}
END_TEST

START_TEST(one_bad_host_does_not_cost_a_second_issuance)
{
	start(CA("1") NODES NODE_TARGET(", rollout: {onFailure: continue}"));
	world_pass(&w, 61 * WORLD_DAY);
	node(2)->dark = true;
	node(2)->status = LOOK_UNREACHABLE;
	size_t issued = w.issued;

	for (int i = 0; i < 6; i++) {
		(void)world_plan(&w);
		step();
	}
	ck_assert_uint_eq(w.issued, issued + 5);
	node(2)->dark = false;
	(void)world_plan(&w);
	ck_assert_str_eq(plan_action(w.plan, ACTION_PUSH, "nodes", "n2")->row, "B4");
	step();
	ck_assert_uint_eq(w.issued, issued + 5);
	world_free(&w);
}
END_TEST

START_TEST(a_selector_plans_its_objects_only)
{
	world_init(&w);
	world_desire(&w, CA("1") NODES NODE_TARGET(""));
	w.in.target = "none";
	(void)world_plan(&w);
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_PUSH), 0);
	w.in.target = "nodes";
	(void)world_plan(&w);
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_PUSH), 5);
	world_free(&w);
}
END_TEST

static void build(Suite *s)
{
	TCase *t = tcase_create("order");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, a_ca_rolls_over_without_breaking_a_handshake);
	tcase_add_test(t, a_verifier_that_cannot_be_seen_holds_the_roll_over);
	tcase_add_test(t, trust_is_never_dropped_for_what_cannot_be_seen);
	tcase_add_test(t, a_pinned_certificate_rolls_over_without_breaking_a_handshake);
	tcase_add_test(t, a_pin_that_is_written_but_not_loaded_does_not_count);
	tcase_add_test(t, first_deliveries_wait_no_rounds_and_trust_goes_first);
	tcase_add_test(t, hosts_go_in_waves_in_the_order_written);
	tcase_add_test(t, a_pause_lets_one_wave_go_at_a_time);
	tcase_add_test(t, a_closed_window_waits_until_it_opens);
	tcase_add_test(t, no_window_makes_anything_expire);
	tcase_add_test(t, what_an_urgent_step_waits_for_is_urgent_too);
	tcase_add_test(t, a_key_goes_to_a_new_host_only_with_approval);
	tcase_add_test(t, allow_targets_narrows_it);
	tcase_add_test(t, one_bad_host_does_not_cost_a_second_issuance);
	tcase_add_test(t, a_selector_plans_its_objects_only);
	suite_add_tcase(s, t);
}

UNIT_MAIN("plan: order", build)
