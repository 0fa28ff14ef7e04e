/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_plan_shown.c - what a plan must not keep to itself: "No changes" is a promise.
 */
#include <stdio.h>

#include "reconciler/base/str.h"
#include "tests/unit/engine/world.h"
#include "tests/unit/unit.h"

#define BASE(freeze)                                                                               \
	"apiVersion: certwright/v1\nkind: Issuer\nmetadata: {name: ca}\n"                          \
	"spec: {privateCA: {subject: {commonName: Test CA}, privateKey: {algorithm: Ed25519}, "    \
	"duration: 3650d}}\n---\n"                                                                 \
	"apiVersion: certwright/v1\nkind: Certificate\nmetadata: {name: web}\n"                    \
	"spec: {" freeze "dnsNames: [web.example], issuerRef: {name: ca}, privateKey: "            \
	"{algorithm: Ed25519}, duration: 90d}\n---\n"                                              \
	"apiVersion: certwright/v1\nkind: CASet\nmetadata: {name: roots}\n"                        \
	"spec: {sources: [{issuerRef: {name: ca}}]}\n---\n"
#define STORE(freeze, format, root)                                                                \
	"apiVersion: certwright/v1\nkind: Keystore\nmetadata: {name: store}\n"                     \
	"spec: {" freeze "format: " format ", passwordRef: {wellKnown: changeit}, entries: "       \
	"[{alias: web, certificateRef: web}, {alias: '" root "', caSetRef: roots}]}\n---\n"
#define WWW(freeze)                                                                                \
	"apiVersion: certwright/v1\nkind: Target\nmetadata: {name: www}\n"                         \
	"spec: {" freeze "hosts: [h1], via: {local: {}}, deliver: [{keystoreRef: store, path: "    \
	"/etc/web.jks}], activate: [{after: [{systemd: {unit: web, action: reload}}]}]}\n"
#define FLEET  BASE("") STORE("", "jks", "root") WWW("")
#define FREEZE "suspend: true, "
#define KEY    "www@h1:/etc/web.jks"

static struct world w;
static struct w_store *store;

static void fresh(const char *yaml)
{
	world_init(&w);
	world_desire(&w, yaml);
	(void)world_plan(&w);
	store = world_store(&w, KEY);
}

static void settled(const char *yaml)
{
	fresh(yaml);
	ck_assert_uint_le(world_settle(&w, 5), 2);
	ck_assert(w.plan->in_sync);
}

static void says(const char *text)
{
	CLEANUP(buf_release) struct buf out = { 0 };

	buf_init(&out, BUF_LIMIT_TEXT);
	plan_render_text(w.plan, /* color= */ false, &out);
	ck_assert_msg(strstr(buf_str(&out), text) != NULL, "'%s' is not in:\n%s", text,
	              buf_str(&out));
}

START_TEST(a_missing_store_of_a_suspended_certificate_waits_for_it)
{
	settled(FLEET);
	store->exists = false;
	world_desire(&w, BASE(FREEZE) STORE("", "jks", "root") WWW(FREEZE));
	ck_assert(!world_plan(&w)->in_sync);
	ck_assert_ptr_nonnull(plan_waiting(w.plan, "Suspended"));
	ck_assert_uint_eq(w.plan->n_actions, 0);
	world_desire(&w, BASE(FREEZE) STORE("", "jks", "root") WWW(""));
	ck_assert(!world_plan(&w)->in_sync);
	ck_assert_ptr_nonnull(plan_waiting(w.plan, "Suspended"));
	world_free(&w);
}
END_TEST

/* Whose suspension it is that holds a missing store up, its end is the moment that is waited for.
 */
START_TEST(what_waits_for_the_end_of_a_suspension_says_when_that_is)
{
	static const struct suspension holds[] = {
		{ .kind = "Target", .name = "www", .reason = "disk swap" },
		{ .kind = "Target", .name = "www@h1", .reason = "disk swap" },
		{ .kind = "Certificate", .name = "web", .reason = "audit" },
		{ .kind = "Keystore", .name = "store", .reason = "audit" },
	};
	struct suspension *s;

	settled(FLEET);
	store->exists = false;
	s = ARENA_PUSH(&w.arena, &w.suspensions);
	for (size_t i = 0; i < ARRAY_LEN(holds); i++) {
		*s = holds[i];
		(void)world_plan(&w);
		ck_assert_ptr_nonnull(plan_waiting(w.plan, "Suspended"));
		ck_assert_int_eq(plan_waiting(w.plan, "Suspended")->until.s, 0);
		s->until = (struct wall){ WORLD_START + 30 * WORLD_DAY };
		(void)world_plan(&w);
		ck_assert_int_eq(plan_waiting(w.plan, "Suspended")->until.s, s->until.s);
		ck_assert_int_le(w.plan->wake.s, s->until.s);
	}
	world_free(&w);
}
END_TEST

/* An Issuer and a Certificate that have yet to be made. */
START_TEST(what_is_not_issued_for_a_suspension_says_when_that_ends)
{
	static const char *const kinds[][2] = { { "Issuer", "ca" }, { "Certificate", "web" } };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		world_init(&w);
		*ARENA_PUSH(&w.arena, &w.suspensions) =
			(struct suspension){ .kind = kinds[i][0],
			                     .name = kinds[i][1],
			                     .reason = "audit",
			                     .until = { WORLD_START + 30 * WORLD_DAY } };
		world_desire(&w, FLEET);
		(void)world_plan(&w);
		ck_assert_ptr_nonnull(plan_waiting(w.plan, "Suspended"));
		ck_assert_int_eq(plan_waiting(w.plan, "Suspended")->until.s,
		                 WORLD_START + 30 * WORLD_DAY);
		world_free(&w);
	}
}
END_TEST

START_TEST(a_suspension_shows_in_the_status_with_nothing_due)
{
	settled(FLEET);
	world_desire(&w, BASE(FREEZE) STORE("", "jks", "root") WWW(""));
	ck_assert(world_plan(&w)->in_sync);
	ck_assert_str_eq(plan_verdict_of(w.plan, "web", NULL)->waits_for, "Suspended");
	ck_assert_str_eq(plan_verdict_of(w.plan, "web", NULL)->message, "spec.suspend");
	ck_assert_ptr_null(plan_verdict_of(w.plan, "www", "h1")->waits_for);
	world_desire(&w, BASE("") STORE("", "jks", "root") WWW(FREEZE));
	ck_assert(world_plan(&w)->in_sync);
	ck_assert_str_eq(plan_verdict_of(w.plan, "www", "h1")->waits_for, "Suspended");
	world_desire(&w, BASE("") STORE(FREEZE, "jks", "root") WWW(""));
	ck_assert(world_plan(&w)->in_sync);
	ck_assert_str_eq(plan_verdict_of(w.plan, "www", "h1")->waits_for, "Suspended");
	*ARENA_PUSH(&w.arena, &w.suspensions) =
		(struct suspension){ .kind = "Issuer", .name = "ca", .reason = "audit" };
	world_desire(&w, FLEET);
	ck_assert(world_plan(&w)->in_sync);
	ck_assert_str_eq(plan_verdict_of(w.plan, "web", NULL)->message, "Issuer ca: audit");
	w.suspensions.v[0].until = (struct wall){ WORLD_START + 30 * WORLD_DAY };
	(void)world_plan(&w);
	ck_assert_str_eq(plan_verdict_of(w.plan, "web", NULL)->message,
	                 "Issuer ca: audit, until 2026-01-31 00:00Z");
	world_free(&w);
}
END_TEST

START_TEST(a_host_whose_certificate_is_due_is_not_unknown)
{
	settled(FLEET);
	world_pass(&w, 70 * WORLD_DAY);
	ck_assert_ptr_nonnull(plan_action(world_plan(&w), ACTION_RENEW, "web", NULL));
	ck_assert_str_eq(plan_verdict_of(w.plan, "www", "h1")->word, "InSync");
	world_desire(&w, BASE(FREEZE) STORE("", "jks", "root") WWW(""));
	(void)world_plan(&w);
	ck_assert_str_eq(plan_verdict_of(w.plan, "www", "h1")->word, "InSync");
	store->exists = false;
	(void)world_plan(&w);
	ck_assert_str_eq(plan_verdict_of(w.plan, "www", "h1")->word, "StoreStale");
	world_free(&w);
}
END_TEST

START_TEST(a_store_nobody_looked_at_is_unknown_and_counted)
{
	settled(FLEET);
	store->unseen = true;
	(void)world_plan(&w);
	ck_assert_uint_eq(w.plan->n_unobserved, 1);
	ck_assert_str_eq(w.plan->unobserved[0].error, "/etc/web.jks: Unknown (not looked at)");
	ck_assert_str_eq(plan_verdict_of(w.plan, "www", "h1")->word, "Unknown");
	says("1 unobserved");
	world_free(&w);
}
END_TEST

START_TEST(an_alias_of_a_ca_not_made_yet_is_pushed_in_the_first_plan)
{
	fresh(BASE("") STORE("", "jks", "root{{fingerprint8}}") WWW(""));
	const struct action *a = plan_action(w.plan, ACTION_PUSH, "www", "h1");

	ck_assert_ptr_nonnull(a);
	ck_assert_uint_eq(a->n_entries, 2);
	says("root{{fingerprint8}}");
	says("(known after issue)");
	world_apply(&w);
	ck_assert_ptr_nonnull(world_entry(store, "web"));
	ck_assert_msg(world_plan(&w)->in_sync, "the push was done in two halves");
	world_free(&w);
}
END_TEST

START_TEST(a_ca_in_a_format_without_aliases_is_not_called_the_key)
{
	fresh(BASE("") "apiVersion: certwright/v1\nkind: Keystore\nmetadata: {name: store}\nspec: "
	               "{format: pem, entries: [{caSetRef: roots}]}\n---\n" WWW(""));
	says("entry (a CA)");
	says("(known after issue)");
	world_free(&w);
}
END_TEST

START_TEST(what_cannot_be_written_is_a_conflict_beforehand)
{
	settled(FLEET);
	store->refused = "replace '/etc/web.jks': it is a symbolic link out of its directory";
	ck_assert(!world_plan(&w)->in_sync);
	ck_assert_str_eq(plan_conflict(w.plan, "TargetIncapable")->message, store->refused);
	world_entry(store, "root")->alias = "other";
	world_touch(store);
	ck_assert_ptr_nonnull(plan_conflict(world_plan(&w), "TargetIncapable"));
	ck_assert_uint_eq(w.plan->n_actions, 0);
	store->refused = NULL;
	ck_assert_ptr_nonnull(plan_action(world_plan(&w), ACTION_TRUST_ADD, "www", "h1"));
	world_free(&w);
}
END_TEST

START_TEST(nothing_is_issued_for_what_can_be_put_nowhere)
{
	fresh(FLEET);
	store->refused = "open directory '/etc': No such file or directory";
	ck_assert_str_eq(plan_conflict(world_plan(&w), "TargetIncapable")->message, store->refused);
	ck_assert_ptr_null(plan_action(w.plan, ACTION_ISSUE, "web", NULL));
	ck_assert_ptr_null(plan_action(w.plan, ACTION_PUSH, "www", "h1"));
	says("Certificate/web");
	says("nowhere to put it: open directory '/etc'");
	store->refused = NULL;
	ck_assert_ptr_nonnull(plan_action(world_plan(&w), ACTION_ISSUE, "web", NULL));
	world_free(&w);
}
END_TEST

START_TEST(a_long_path_does_not_cut_the_reason_behind_it)
{
	char why[1024];

	fresh(FLEET);
	(void)snprintf(why, sizeof(why), "open directory '/%0900d': Permission denied", 7);
	store->refused = why;
	(void)world_plan(&w);
	says("007': Permission denied\n");
	ck_assert_uint_ge(w.plan->n_waitings, 1);
	ck_assert_ptr_nonnull(strstr(w.plan->waitings[0].message, "007': Permission denied"));
	world_free(&w);
}
END_TEST

START_TEST(what_one_host_cannot_take_is_issued_for_the_other)
{
	fresh(BASE("") STORE(
		"", "jks",
		"root") "apiVersion: certwright/v1\nkind: Target\n"
	                "metadata: {name: www}\nspec: {hosts: [h1, h2], via: {local: {}}, deliver: "
	                "[{keystoreRef: store, path: /etc/web.jks}]}\n");
	store->refused = "open directory '/etc': No such file or directory";
	ck_assert_ptr_nonnull(plan_conflict(world_plan(&w), "TargetIncapable"));
	ck_assert_ptr_nonnull(plan_action(w.plan, ACTION_ISSUE, "web", NULL));
	ck_assert_ptr_nonnull(plan_action(w.plan, ACTION_PUSH, "www", "h2"));
	ck_assert_ptr_null(plan_action(w.plan, ACTION_PUSH, "www", "h1"));
	world_free(&w);
}
END_TEST

START_TEST(a_directory_that_a_step_before_makes_is_waited_for)
{
	fresh(BASE("") STORE(
		"", "jks",
		"root") "apiVersion: certwright/v1\nkind: Target\n"
	                "metadata: {name: www}\nspec: {hosts: [h1], via: {local: {}}, deliver: "
	                "[{keystoreRef: store, path: /etc/web.jks}], activate: [{before: [[mkdir, /etc]]}]}\n");
	store->refused = "open directory '/etc': No such file or directory";
	ck_assert_ptr_null(plan_conflict(world_plan(&w), "TargetIncapable"));
	ck_assert_ptr_nonnull(plan_action(w.plan, ACTION_PUSH, "www", "h1"));
	world_free(&w);
}
END_TEST

START_TEST(a_store_that_does_not_open_says_how_to_go_on)
{
	settled(FLEET);
	store->dark = true;
	store->status = LOOK_WRONG_PASSWORD;
	(void)world_plan(&w);
	says("hint: name the password it has in passwordRef or previousPasswordRefs");
	says("certwright push www@h1 --replace-unreadable");
	store->status = LOOK_UNREADABLE;
	(void)world_plan(&w);
	says("hint: put a readable one there, or write it anew: certwright push www@h1 ");
	store->status = LOOK_UNREACHABLE;
	(void)world_plan(&w);
	ck_assert_ptr_null(w.plan->unobserved[0].hint);
	world_free(&w);
}
END_TEST

static void build(Suite *s)
{
	TCase *t = tcase_create("shown");

	tcase_add_test(t, a_missing_store_of_a_suspended_certificate_waits_for_it);
	tcase_add_test(t, a_suspension_shows_in_the_status_with_nothing_due);
	tcase_add_test(t, what_waits_for_the_end_of_a_suspension_says_when_that_is);
	tcase_add_test(t, what_is_not_issued_for_a_suspension_says_when_that_ends);
	tcase_add_test(t, a_host_whose_certificate_is_due_is_not_unknown);
	tcase_add_test(t, a_store_nobody_looked_at_is_unknown_and_counted);
	tcase_add_test(t, an_alias_of_a_ca_not_made_yet_is_pushed_in_the_first_plan);
	tcase_add_test(t, a_ca_in_a_format_without_aliases_is_not_called_the_key);
	tcase_add_test(t, what_cannot_be_written_is_a_conflict_beforehand);
	tcase_add_test(t, nothing_is_issued_for_what_can_be_put_nowhere);
	tcase_add_test(t, a_long_path_does_not_cut_the_reason_behind_it);
	tcase_add_test(t, what_one_host_cannot_take_is_issued_for_the_other);
	tcase_add_test(t, a_directory_that_a_step_before_makes_is_waited_for);
	tcase_add_test(t, a_store_that_does_not_open_says_how_to_go_on);
	suite_add_tcase(s, t);
}

UNIT_MAIN("plan: what it must show", build)
