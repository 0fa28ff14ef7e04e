/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_plan_consumers.c - who is declared to trust what a Target presents: quorum, deadline, those
 * nobody can look at; and what shares one thing that only one may disturb at a time.
 */
#include "reconciler/base/str.h"
#include "tests/unit/engine/world.h"
#include "tests/unit/unit.h"

#define BASE                                                                                       \
	"apiVersion: certwright/v1\nkind: Issuer\nmetadata: {name: ca}\n"                          \
	"spec: {privateCA: {subject: {commonName: Test CA}, privateKey: {algorithm: Ed25519}, "    \
	"duration: 3650d, generation: 1}}\n---\n"                                                  \
	"apiVersion: certwright/v1\nkind: Certificate\nmetadata: {name: web}\n"                    \
	"spec: {dnsNames: [web], issuerRef: {name: ca}, privateKey: {algorithm: Ed25519}, "        \
	"duration: 90d}\n---\n"
#define WWW(more)                                                                                  \
	"apiVersion: certwright/v1\nkind: Target\nmetadata: {name: www}\n"                         \
	"spec: {hosts: [h1], via: {local: {}}, deliver: [{certificateRef: web, path: /etc/w.pem}"  \
	"], activate: [{after: [{systemd: {unit: w, action: restart}}]}]" more "}\n"
/* Four clients that pin the certificate. */
#define CLIENTS                                                                                    \
	"---\napiVersion: certwright/v1\nkind: Keystore\nmetadata: {name: trust}\n"                \
	"spec: {format: jks, passwordRef: {wellKnown: changeit}, entries: [{alias: "               \
	"'web{{notBefore:%Y%m%d}}', trustCertificateRef: web}]}\n---\n"                            \
	"apiVersion: certwright/v1\nkind: Target\nmetadata: {name: clients}\n"                     \
	"spec: {hosts: ['c[1-4]'], via: {local: {}}, deliver: [{keystoreRef: trust, path: "        \
	"/etc/t.jks}], activate: [{after: [{systemd: {unit: c, action: restart}}]}]}\n"

static struct world w;

static void settled(const char *yaml)
{
	world_init(&w);
	world_desire(&w, yaml);
	ck_assert_uint_le(world_settle(&w, 6), 4);
	ck_assert(w.plan->in_sync);
}

/* Everything but the presenter's own push is done. */
static const struct action *renewed(void)
{
	world_pass(&w, 61 * WORLD_DAY);
	(void)world_settle(&w, 6);
	return plan_action(w.plan, ACTION_PUSH, "www", "h1");
}

static struct w_store *held_by(const char *key)
{
	struct w_store *s = world_store(&w, key);

	ck_assert_ptr_nonnull(s);
	return s;
}

static const struct seen_cert *stored(void)
{
	return held_by("www@h1:/etc/w.pem")->content.v[0].chain[0];
}

START_TEST(an_outsider_who_has_not_confirmed_holds_a_switch)
{
	settled(BASE WWW(", consumers: [{external: laptops, proof: confirm}]"));
	const struct seen_cert *before = stored();

	(void)renewed();
	ck_assert_uint_eq(w.issued, 2);
	ck_assert_ptr_nonnull(plan_waiting(w.plan, "TrustPending"));
	ck_assert_ptr_nonnull(
		strstr(plan_waiting(w.plan, "TrustPending")->message, "laptops has not confirmed"));
	ck_assert_ptr_eq(stored(), before);
	world_free(&w);
}
END_TEST

START_TEST(a_deadline_that_proceeds_lets_it_go_and_one_that_holds_does_not)
{
	settled(BASE WWW(", consumers: [{external: laptops, proof: confirm, deadline: 14d, "
	                 "onDeadline: proceed}]"));
	const struct seen_cert *before = stored();

	(void)renewed();
	ck_assert_ptr_eq(stored(), before);
	world_pass(&w, 15 * WORLD_DAY);
	(void)world_settle(&w, 6);
	ck_assert_ptr_ne(stored(), before);
	ck_assert(w.plan->in_sync);
	world_free(&w);
	settled(BASE WWW(", consumers: [{external: laptops, proof: confirm, deadline: 14d, "
	                 "onDeadline: hold}]"));
	before = stored();
	(void)renewed();
	world_pass(&w, 15 * WORLD_DAY);
	(void)world_settle(&w, 6);
	ck_assert_ptr_eq(stored(), before);
	world_free(&w);
}
END_TEST

START_TEST(a_quorum_of_hosts_is_enough)
{
	settled(BASE WWW(", consumers: [{target: clients, quorum: 75%}]") CLIENTS);
	const struct seen_cert *before = stored();

	held_by("clients@c1:/etc/t.jks")->dark = true;
	held_by("clients@c1:/etc/t.jks")->status = LOOK_UNREACHABLE;
	(void)renewed();
	ck_assert_ptr_ne(stored(), before);
	before = stored();
	held_by("clients@c2:/etc/t.jks")->dark = true;
	held_by("clients@c2:/etc/t.jks")->status = LOOK_UNREACHABLE;
	(void)renewed();
	ck_assert_ptr_eq(stored(), before);
	ck_assert_ptr_nonnull(strstr(plan_waiting(w.plan, "TrustPending")->message,
	                             "2 of 4 hosts of Target clients trust it, 75 % must"));
	world_free(&w);
}
END_TEST

#define SHARED(name, host)                                                                         \
	"---\napiVersion: certwright/v1\nkind: Target\nmetadata: {name: " name "}\n"               \
	"spec: {hosts: [" host "], via: {local: {}}, deliver: [{certificateRef: web, path: "       \
	"/etc/w.pem}], activate: [{after: [{systemd: {unit: w, action: restart}}]}], "             \
	"rollout: {exclusive: ups1}}\n"

START_TEST(targets_that_share_one_thing_go_one_after_the_other)
{
	world_init(&w);
	world_desire(&w, BASE WWW("") SHARED("first", "a1") SHARED("second", "b1"));
	const struct plan *p = world_plan(&w);
	const struct action *last = plan_action(p, ACTION_ACTIVATE, "first", "a1");
	const struct action *next = plan_action(p, ACTION_PUSH, "second", "b1");
	const struct action *free = plan_action(p, ACTION_PUSH, "www", "h1");
	bool follows = false;

	ck_assert(last != NULL && next != NULL && free != NULL);
	for (size_t i = 0; i < next->n_depends_on; i++) {
		follows = follows || str_equal(next->depends_on[i], last->id);
	}
	ck_assert_msg(follows, "both may be down at once");
	for (size_t i = 0; i < free->n_depends_on; i++) {
		ck_assert_str_ne(free->depends_on[i], last->id);
	}
	world_free(&w);
}
END_TEST

#define NEVER ", windows: [{cron: '0 2 29 2 *', duration: 1h, timezone: UTC}]"

START_TEST(urgent_before_says_when_a_window_no_longer_counts)
{
	settled(BASE WWW(""));
	world_desire(&w, BASE WWW(NEVER ", urgentBefore: 20d"));
	const struct seen_cert *before = stored();

	(void)renewed(); /* 29 days are left */
	ck_assert_ptr_eq(stored(), before);
	ck_assert_ptr_nonnull(plan_waiting(w.plan, "WindowClosed"));
	world_pass(&w, 10 * WORLD_DAY);
	(void)world_settle(&w, 6);
	ck_assert_ptr_ne(stored(), before);
	world_free(&w);
	settled(BASE WWW(""));
	world_desire(&w, BASE WWW(NEVER ", urgentBefore: never"));
	before = stored();
	(void)renewed();
	world_pass(&w, 28 * WORLD_DAY);
	(void)world_settle(&w, 6);
	ck_assert_ptr_eq(stored(), before);
	ck_assert_ptr_nonnull(plan_waiting(w.plan, "WindowClosed"));
	world_free(&w);
}
END_TEST

static void build(Suite *s)
{
	TCase *t = tcase_create("consumers");

	tcase_add_test(t, an_outsider_who_has_not_confirmed_holds_a_switch);
	tcase_add_test(t, a_deadline_that_proceeds_lets_it_go_and_one_that_holds_does_not);
	tcase_add_test(t, a_quorum_of_hosts_is_enough);
	tcase_add_test(t, targets_that_share_one_thing_go_one_after_the_other);
	tcase_add_test(t, urgent_before_says_when_a_window_no_longer_counts);
	suite_add_tcase(s, t);
}

UNIT_MAIN("plan: consumers", build)
