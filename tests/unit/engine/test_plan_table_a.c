/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_plan_table_a.c - one test a row of table A, from the desired state to the action.
 */
#include "reconciler/base/str.h"
#include "reconciler/engine/diff.h"
#include "tests/unit/engine/world.h"
#include "tests/unit/unit.h"

#define CA(generation)                                                                             \
	"apiVersion: certwright/v1\nkind: Issuer\nmetadata: {name: ca}\n"                          \
	"spec: {privateCA: {subject: {commonName: Test CA}, privateKey: {algorithm: Ed25519}, "    \
	"duration: 3650d, generation: " generation "}}\n---\n"
#define WEB(more)                                                                                  \
	"apiVersion: certwright/v1\nkind: Certificate\nmetadata: {name: web}\n"                    \
	"spec: {dnsNames: [web.example], issuerRef: {name: ca}, privateKey: "                      \
	"{algorithm: Ed25519}, duration: 90d" more "}\n---\n"
#define WWW                                                                                        \
	"apiVersion: certwright/v1\nkind: Target\nmetadata: {name: www}\n"                         \
	"spec: {hosts: [h1, h2], via: {local: {}}, deliver: [{certificateRef: web, path: "         \
	"/etc/web.pem}], activate: [{after: [{systemd: {unit: web, action: reload}}]}], "          \
	"verify: [{tls: {port: 443}}]}\n"
#define JKS                                                                                        \
	"apiVersion: certwright/v1\nkind: Keystore\nmetadata: {name: store}\n"                     \
	"spec: {format: jks, passwordRef: {wellKnown: changeit}, entries: [{alias: web, "          \
	"certificateRef: web}]}\n---\n"                                                            \
	"apiVersion: certwright/v1\nkind: Target\nmetadata: {name: www}\n"                         \
	"spec: {hosts: [h1, h2], via: {local: {}}, deliver: [{keystoreRef: store, path: "          \
	"/etc/web.jks}]}\n"
#define ADOPT CA("1") WEB(", adopt: {target: www, keystoreRef: store, alias: web}") JKS
#define JKS1  "www@h1:/etc/web.jks"
#define JKS2  "www@h2:/etc/web.jks"
#define FLEET CA("1") WEB("") WWW
#define KEY1  "www@h1:/etc/web.pem"
#define KEY2  "www@h2:/etc/web.pem"

static struct world w;

static void settled(const char *yaml)
{
	world_init(&w);
	world_desire(&w, yaml);
	ck_assert_uint_le(world_settle(&w, 5), 2);
	ck_assert(w.plan->in_sync);
}

static const struct action *planned(enum action_kind kind, const char *row, const char *code)
{
	const struct action *a = plan_action(world_plan(&w), kind, "web", NULL);

	ck_assert_ptr_nonnull(a);
	ck_assert_str_eq(a->row, row);
	ck_assert_str_eq(a->reasons[0].code, code);
	return a;
}

static size_t issuances(const struct plan *p)
{
	return plan_actions(p, ACTION_ISSUE) + plan_actions(p, ACTION_RENEW) +
	       plan_actions(p, ACTION_REKEY);
}

START_TEST(row_A1_monitored_is_observed_and_judged_never_issued)
{
	world_init(&w);
	world_desire(&w, CA("1") WEB(", mode: Monitored, monitor: {endpoints: [{host: h9, "
	                             "port: 443}]}"));
	(void)world_plan(&w);
	world_endpoint(&w, "h9", 443)->instead = world_stranger(&w, "else.example");
	ck_assert_uint_eq(issuances(world_plan(&w)), 1); /* the CA, nothing for it */
	ck_assert_ptr_null(plan_action(w.plan, ACTION_ISSUE, "web", NULL));
	ck_assert_str_eq(plan_verdict_of(w.plan, "web", NULL)->word, "NameMismatch");
	ck_assert_str_eq(plan_drift(w.plan, "NameMismatch")->row, "A1");
	world_free(&w);
}
END_TEST

static void expect_A1(const char *word, const char *said)
{
	const struct verdict *v = plan_verdict_of(world_plan(&w), "web", NULL);

	ck_assert_str_eq(v->word, word);
	ck_assert_msg(strstr(v->message, said) != NULL, "'%s' lacks '%s'", v->message, said);
}

START_TEST(row_A1_every_address_and_both_certificates_are_judged)
{
	const char *names[] = { "h9" };
	struct cert_spec spec = { .subject = { .common_name = "h9" },
		                  .dns_names = { .v = names, .n = 1 },
		                  .path_len = -1,
		                  .key = { .algorithm = KEY_ED25519 } };

	world_init(&w);
	world_desire(&w, CA("1") WEB(", mode: Monitored, monitor: {endpoints: [{host: h9, "
	                             "port: 443}]}"));
	(void)world_plan(&w);
	struct w_endpoint *e = world_endpoint(&w, "h9", 443);
	const struct seen_cert *old = world_stranger(&w, "h9");
	const struct seen_cert *renewed =
		world_cert(&w, &spec, /* issuer= */ NULL, (struct wall){ WORLD_START },
	                   (struct wall){ WORLD_START + 400 * WORLD_DAY });
	e->instead = renewed;
	e->elsewhere = renewed;
	expect_A1("InSync", "h9:443");
	ck_assert_int_eq(plan_verdict_of(w.plan, "web", NULL)->not_after.s, renewed->not_after.s);
	e->elsewhere = old;
	expect_A1("NotReloaded",
	          "10.0.0.2 still serves the certificate that 10.0.0.1 has replaced");
	ck_assert_int_eq(plan_verdict_of(w.plan, "web", NULL)->not_after.s, old->not_after.s);
	e->elsewhere = world_stranger(&w, "else.example");
	expect_A1("NameMismatch", "at 10.0.0.2: ");
	e->elsewhere = NULL;
	e->twin = renewed;
	expect_A1("InSync", "h9:443");
	e->twin = world_stranger(&w, "else.example");
	expect_A1("NameMismatch", "its certificate with another kind of key: ");
	world_free(&w);
}
END_TEST

START_TEST(row_A1_what_a_store_holds_is_judged_and_left_alone)
{
	world_init(&w);
	world_desire(&w, CA("1") WEB(", mode: Monitored, monitor: {minimumRemaining: 10d}") JKS);
	expect_A1("StoreStale", "h1: /etc/web.jks, entry web: there is no such certificate");
	const struct seen_cert *c = world_stranger(&w, "else.example");
	(void)world_entry_add(&w, world_store(&w, JKS1), "web", KS_KEY, c);
	(void)world_entry_add(&w, world_store(&w, JKS2), "web", KS_KEY, c);
	expect_A1("InSync", "/etc/web.jks, entry web");
	ck_assert_int_eq(plan_verdict_of(w.plan, "web", NULL)->not_after.s, c->not_after.s);
	w.now.s = c->not_after.s - 9 * WORLD_DAY;
	expect_A1("Expiring", "h1: /etc/web.jks, entry web: the certificate expires soon");
	ck_assert_str_eq(plan_verdict_of(w.plan, "www", "h2")->word, "Expiring");
	ck_assert_str_eq(plan_drift(w.plan, "Expiring")->row, "A1");
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_PUSH), 0);
	world_store(&w, JKS1)->dark = true;
	world_store(&w, JKS1)->status = LOOK_WRONG_PASSWORD;
	world_store(&w, JKS2)->dark = true;
	world_store(&w, JKS2)->status = LOOK_WRONG_PASSWORD;
	expect_A1("Unreadable", "/etc/web.jks");
	world_free(&w);
}
END_TEST

static const struct verdict *part_of(const char *place)
{
	const struct verdict_parts *parts = plan_verdict_of(w.plan, "web", NULL)->parts;

	for (size_t i = 0; i < parts->n; i++) {
		if (str_equal(parts->v[i].place, place)) {
			return &parts->v[i];
		}
	}
	ck_abort_msg("nothing is said of %s", place);
	return NULL;
}

#define FILES                                                                                      \
	", mode: Monitored, monitor: {minimumRemaining: 10d, files: [{path: /etc/*.jks}, "         \
	"{path: /etc/a.jks}, {path: /etc/b.p12}]}"

START_TEST(row_A1_every_certificate_of_every_file_is_judged_and_left_alone)
{
	world_init(&w);
	world_desire(&w, CA("1") WEB(FILES));
	expect_A1("Unknown", "/etc/*.jks: not looked at yet");
	const struct seen_cert *c = world_stranger(&w, "else.example");
	struct w_store *pattern = world_file(&w, "web", "/etc/*.jks");
	struct w_store *a = world_file(&w, "web", "/etc/a.jks");
	struct w_store *b = world_file(&w, "web", "/etc/b.p12");
	(void)world_entry_add(&w, pattern, "/etc/a.jks", KS_OPAQUE, c);
	pattern->content.v[0].n = 0;
	(void)world_entry_add(&w, a, "web", KS_KEY, c);
	(void)world_entry_add(&w, a, "root", KS_TRUSTED, world_stranger(&w, "root.example"));
	(void)world_entry_add(&w, b, "web", KS_KEY, c);
	expect_A1("InSync", "3 certificates in 2 files"); /* named twice, judged once */
	ck_assert_uint_eq(plan_verdict_of(w.plan, "web", NULL)->parts->n, 3);
	ck_assert_int_eq(part_of("/etc/a.jks, entry root")->not_after.s, c->not_after.s);
	ck_assert_uint_eq(issuances(w.plan), 1); /* the CA, nothing for it */
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_PUSH), 0);
	w.now.s = c->not_after.s - 9 * WORLD_DAY;
	expect_A1("Expiring", "/etc/a.jks, entry web: the certificate expires soon; and 2 more");
	ck_assert_str_eq(plan_drift(w.plan, "Expiring")->row, "A1");
	world_free(&w);
}
END_TEST

START_TEST(row_A1_a_file_that_cannot_be_looked_at_is_not_one_that_is_not_there)
{
	world_init(&w);
	world_desire(&w, CA("1") WEB(FILES));
	world_file(&w, "web", "/etc/*.jks")->exists = false;
	world_file(&w, "web", "/etc/a.jks")->exists = false;
	struct w_store *b = world_file(&w, "web", "/etc/b.p12");
	b->dark = true;
	b->status = LOOK_WRONG_PASSWORD;
	expect_A1("StoreStale", "/etc/*.jks: no file is there that matches");
	ck_assert_str_eq(part_of("/etc/a.jks")->message, "there is no such file");
	ck_assert_str_eq(part_of("/etc/b.p12")->word, "Unreadable");
	ck_assert_str_eq(part_of("/etc/b.p12")->message, "could not look");
	b->status = LOOK_UNREACHABLE;
	(void)world_plan(&w);
	ck_assert_str_eq(part_of("/etc/b.p12")->word, "Unreachable");
	struct w_entry *e = world_entry_add(&w, world_file(&w, "web", "/etc/a.jks"), "bad",
	                                    KS_TRUSTED, world_stranger(&w, "bad.example"));
	e->n = 0;
	e->warnings = KS_WARN_BAD_CERTIFICATE;
	(void)world_plan(&w);
	ck_assert_str_eq(part_of("/etc/a.jks, entry bad")->word, "Unreadable");
	world_free(&w);
}
END_TEST

START_TEST(who_serves_the_old_one_is_found_behind_another_address)
{
	settled(FLEET);
	const struct seen_cert *old = world_identity(&w, "web")->revisions[0].chain.v[0];

	world_identity(&w, "web")->im.renew_asked = w.now;
	ck_assert_uint_le(world_settle(&w, 4), 3);
	ck_assert_ptr_ne(world_identity(&w, "web")->revisions[0].chain.v[0], old);
	ck_assert_uint_eq(plan_verdict_of(world_plan(&w), "web", NULL)->n_old_servers, 0);
	world_endpoint(&w, "h1", 443)->elsewhere = old;
	const struct verdict *v = plan_verdict_of(world_plan(&w), "web", NULL);
	ck_assert_uint_eq(v->n_old_servers, 1);
	ck_assert_ptr_nonnull(strstr(v->message, "still serves the one before"));
	world_free(&w);
}
END_TEST

START_TEST(row_A2_a_readable_pair_is_adopted_as_it_is)
{
	world_init(&w);
	world_desire(&w, ADOPT);
	(void)world_plan(&w);
	const struct seen_cert *old = world_stranger(&w, "old.example");

	(void)world_entry_add(&w, world_store(&w, JKS1), "web", KS_KEY, old);
	(void)world_entry_add(&w, world_store(&w, JKS2), "web", KS_KEY, old);
	const struct action *a = planned(ACTION_ADOPT, "A2", "Adopting");

	ck_assert_ptr_nonnull(a->store);
	ck_assert_ptr_null(plan_conflict(w.plan, "ForeignIdentity"));
	world_settle(&w, 4);
	/* It does not satisfy the spec, and stays until its own renewal. */
	ck_assert_uint_eq(w.issued, 0);
	ck_assert(w.plan->in_sync);
	world_free(&w);
}
END_TEST

START_TEST(row_A2_an_unreadable_pair_is_waited_for_never_replaced)
{
	world_init(&w);
	world_desire(&w, ADOPT);
	(void)world_plan(&w);
	world_store(&w, JKS1)->dark = true;
	world_store(&w, JKS1)->status = LOOK_WRONG_PASSWORD;
	(void)world_plan(&w);
	ck_assert_ptr_null(plan_action(w.plan, ACTION_ISSUE, "web", NULL));
	ck_assert_str_eq(plan_waiting(w.plan, "Adopting")->row, "A2");
	world_free(&w);
}
END_TEST

START_TEST(row_A2_nothing_to_adopt_is_a_conflict)
{
	world_init(&w);
	world_desire(&w, ADOPT);
	(void)world_plan(&w);
	ck_assert_ptr_null(plan_action(w.plan, ACTION_ISSUE, "web", NULL));
	ck_assert_str_eq(plan_conflict(w.plan, "MissingData")->row, "A2");
	world_free(&w);
}
END_TEST

START_TEST(row_A3_after_a_lost_state_one_pair_everywhere_is_adopted)
{
	settled(FLEET);
	world_forget_keys(&w);
	(void)planned(ACTION_ADOPT, "A3", "Adopting");
	world_settle(&w, 4);
	ck_assert_uint_eq(w.issued, 1);
	ck_assert(w.plan->in_sync);
	world_free(&w);
}
END_TEST

START_TEST(row_A3_slots_that_disagree_are_a_conflict)
{
	settled(FLEET);
	const struct seen_cert *first = world_store(&w, KEY1)->content.v[0].chain[0];

	world_identity(&w, "web")->im.renew_asked = w.now;
	world_pass(&w, 60);
	world_settle(&w, 4);
	world_store(&w, KEY1)->content.v[0].chain[0] = first;
	world_forget_keys(&w);
	(void)world_plan(&w);
	ck_assert_str_eq(plan_conflict(w.plan, "IncorrectCertificate")->row, "A3");
	ck_assert_uint_eq(issuances(w.plan), 0);
	world_free(&w);
}
END_TEST

START_TEST(row_A3_slots_that_cannot_be_read_are_waited_for)
{
	world_init(&w);
	world_desire(&w, FLEET);
	(void)world_plan(&w);
	world_apply(&w);
	world_forget_keys(&w);
	world_store(&w, KEY1)->dark = true;
	world_store(&w, KEY1)->status = LOOK_UNREACHABLE;
	world_store(&w, KEY2)->dark = true;
	world_store(&w, KEY2)->status = LOOK_UNREACHABLE;
	(void)world_plan(&w);
	ck_assert_str_eq(plan_waiting(w.plan, "Unreachable")->row, "A3");
	ck_assert_uint_eq(issuances(w.plan), 0);
	ck_assert_uint_eq(w.plan->n_unobserved, 2);
	world_free(&w);
}
END_TEST

START_TEST(row_A4_a_lost_issuer_key_issues_nothing_and_adopts_all_the_same)
{
	settled(FLEET);
	world_forget(&w);
	(void)world_plan(&w);
	ck_assert_str_eq(plan_conflict(w.plan, "IssuerKeyLost")->row, "A4");
	ck_assert_ptr_nonnull(plan_action(w.plan, ACTION_ADOPT, "web", NULL));
	world_settle(&w, 4);
	world_pass(&w, 80 * WORLD_DAY);
	(void)world_plan(&w);
	ck_assert_uint_eq(issuances(w.plan), 0);
	ck_assert_str_eq(plan_waiting(w.plan, "IssuerKeyLost")->row, "A4");
	ck_assert_uint_eq(w.issued, 1);
	world_free(&w);
}
END_TEST

START_TEST(row_A4_a_new_generation_ends_it)
{
	settled(FLEET);
	world_issuer(&w, "ca")->gens[0].has_key = false;
	(void)world_plan(&w);
	ck_assert_ptr_nonnull(plan_conflict(w.plan, "IssuerKeyLost"));
	world_desire(&w, CA("2") WEB("") WWW);
	world_settle(&w, 8);
	ck_assert(w.plan->in_sync);
	ck_assert_int_eq(world_identity(&w, "web")->revisions[0].issuer_generation, 2);
	world_free(&w);
}
END_TEST

START_TEST(row_A5_nothing_held_is_issued)
{
	world_init(&w);
	world_desire(&w, FLEET);
	(void)planned(ACTION_ISSUE, "A5", "DoesNotExist");
	world_free(&w);
}
END_TEST

START_TEST(row_A6_a_key_that_is_not_there_is_replaced)
{
	settled(FLEET);
	world_identity(&w, "web")->revisions[0].has_key = false;
	(void)planned(ACTION_REKEY, "A6", "InvalidKeyPair");
	world_free(&w);
}
END_TEST

START_TEST(row_A7_another_key_spec_rekeys)
{
	settled(FLEET);
	world_desire(&w, CA("1") "apiVersion: certwright/v1\nkind: Certificate\nmetadata: {name: "
	                         "web}\nspec: {dnsNames: [web.example], issuerRef: {name: ca}, "
	                         "privateKey: {algorithm: ECDSA}, duration: 90d}\n---\n" WWW);
	const struct action *a = planned(ACTION_REKEY, "A7", "KeySpecMismatch");

	ck_assert(str_starts(a->reasons[0].field, "privateKey"));
	world_free(&w);
}
END_TEST

START_TEST(row_A8_another_name_is_issued_anew)
{
	settled(FLEET);
	world_desire(&w, CA("1") "apiVersion: certwright/v1\nkind: Certificate\nmetadata: {name: "
	                         "web}\nspec: {dnsNames: [web.example, www.example], issuerRef: "
	                         "{name: ca}, privateKey: {algorithm: Ed25519}, duration: "
	                         "90d}\n---\n" WWW);
	const struct action *a = planned(ACTION_RENEW, "A8", "RequestChanged");

	ck_assert_str_eq(a->reasons[0].field, "dnsNames");
	world_free(&w);
}
END_TEST

START_TEST(row_A8_another_issuer_is_asked)
{
	settled(FLEET);
	world_desire(&w, CA("1") "apiVersion: certwright/v1\nkind: Issuer\nmetadata: {name: "
	                         "other}\nspec: {privateCA: {subject: {commonName: Other CA}, "
	                         "privateKey: {algorithm: Ed25519}, duration: 3650d}}\n---\n"
	                         "apiVersion: certwright/v1\nkind: Certificate\nmetadata: {name: "
	                         "web}\nspec: {dnsNames: [web.example], issuerRef: {name: other}, "
	                         "privateKey: {algorithm: Ed25519}, duration: 90d}\n---\n" WWW);
	(void)planned(ACTION_RENEW, "A8", "IncorrectIssuer");
	world_free(&w);
}
END_TEST

START_TEST(row_A9_revoked_is_replaced_under_a_new_key)
{
	settled(FLEET);
	world_identity(&w, "web")->revisions[0].revoked = true;
	(void)planned(ACTION_REKEY, "A9", "Revoked");
	world_free(&w);
}
END_TEST

START_TEST(row_A9_asked_by_hand_or_by_commit_renews_once)
{
	settled(FLEET);
	world_pass(&w, 60);
	world_identity(&w, "web")->im.renew_asked = w.now;
	(void)planned(ACTION_RENEW, "A9", "ManuallyTriggered");
	world_settle(&w, 4);
	ck_assert(w.plan->in_sync);
	world_desire(&w, CA("1") WEB(", renew: 1") WWW);
	(void)planned(ACTION_RENEW, "A9", "ManuallyTriggered");
	world_settle(&w, 4);
	ck_assert(w.plan->in_sync);
	ck_assert_uint_eq(w.issued, 3);
	world_free(&w);
}
END_TEST

START_TEST(row_A10_two_thirds_through_its_life_it_is_renewed)
{
	settled(FLEET);
	const struct plan *p = w.plan;

	ck_assert_int_gt(p->wake.s, w.now.s + 54 * WORLD_DAY);
	ck_assert_int_le(p->wake.s, w.now.s + 60 * WORLD_DAY);
	w.now.s = p->wake.s - 1;
	ck_assert(world_plan(&w)->in_sync);
	w.now.s++;
	const struct action *a = planned(ACTION_RENEW, "A10", "Renewing");

	ck_assert(!a->keep_key);
	world_free(&w);
}
END_TEST

START_TEST(row_A10_rotation_policy_never_keeps_the_key)
{
	world_init(&w);
	world_desire(&w, CA("1") "apiVersion: certwright/v1\nkind: Certificate\nmetadata: {name: "
	                         "web}\nspec: {dnsNames: [web.example], issuerRef: {name: ca}, "
	                         "privateKey: {algorithm: Ed25519, rotationPolicy: Never}, "
	                         "duration: 90d}\n---\n" WWW);
	world_settle(&w, 3);
	world_pass(&w, 61 * WORLD_DAY);
	ck_assert(planned(ACTION_RENEW, "A10", "Renewing")->keep_key);
	world_free(&w);
}
END_TEST

START_TEST(row_A10_expired_says_so)
{
	settled(FLEET);
	world_pass(&w, 91 * WORLD_DAY);
	(void)planned(ACTION_RENEW, "A10", "Expired");
	world_free(&w);
}
END_TEST

START_TEST(row_A11_good_has_nothing_to_do_and_a_moment_to_wake)
{
	settled(FLEET);
	ck_assert_str_eq(plan_verdict_of(w.plan, "web", NULL)->row, "A11");
	ck_assert_str_eq(plan_verdict_of(w.plan, "web", NULL)->word, "InSync");
	ck_assert_int_eq(plan_verdict_of(w.plan, "web", NULL)->renewal.s, w.plan->wake.s);
	world_free(&w);
}
END_TEST

START_TEST(row_A12_gone_from_git_is_archived_once)
{
	settled(FLEET);
	world_desire(&w, CA("1") "apiVersion: certwright/v1\nkind: CASet\nmetadata: {name: s}\n"
	                         "spec: {sources: [{issuerRef: {name: ca}}]}\n");
	(void)planned(ACTION_RETIRE, "A12", "NotDesired");
	world_apply(&w);
	ck_assert(world_plan(&w)->in_sync);
	world_free(&w);
}
END_TEST

START_TEST(row_A12_an_empty_desired_state_takes_nothing_away)
{
	settled(FLEET);
	world_desire(&w, "apiVersion: certwright/v1\nkind: Policy\nmetadata: {name: p}\n"
	                 "spec: {rules: []}\n");
	(void)world_plan(&w);
	ck_assert_uint_eq(w.plan->n_actions, 0);
	ck_assert_ptr_nonnull(plan_drift(w.plan, "NotDesired"));
	world_free(&w);
}
END_TEST

START_TEST(rows_are_tried_from_the_top)
{
	struct identity_facts f = { .desired = true, .managed = true, .held = true };

	f.due = f.asked = f.revoked = f.issuer_differs = f.request_differs = true;
	f.key_differs = f.pair_broken = f.issuer_key_lost = true;
	ck_assert_str_eq(diff_identity(&f).row, "A4");
	f.issuer_key_lost = false;
	ck_assert_str_eq(diff_identity(&f).row, "A6");
	f.pair_broken = false;
	ck_assert_str_eq(diff_identity(&f).row, "A7");
	f.key_differs = false;
	ck_assert_str_eq(diff_identity(&f).code, "RequestChanged");
	f.request_differs = false;
	ck_assert_str_eq(diff_identity(&f).code, "IncorrectIssuer");
	f.issuer_differs = false;
	ck_assert_str_eq(diff_identity(&f).code, "Revoked");
	f.revoked = false;
	ck_assert_str_eq(diff_identity(&f).code, "ManuallyTriggered");
	f.asked = false;
	ck_assert_str_eq(diff_identity(&f).row, "A10");
	f.due = false;
	ck_assert_str_eq(diff_identity(&f).row, "A11");
}
END_TEST

START_TEST(an_issue_that_fails_backs_off_and_is_held_only_when_told)
{
	settled(FLEET);
	world_pass(&w, 61 * WORLD_DAY);
	const struct action *a = planned(ACTION_RENEW, "A10", "Renewing");
	struct backoff *b = ARENA_NEW(&w.arena, struct backoff);

	world_identity(&w, "web")->im.issue = b;
	*b = (struct backoff){ .failures = 1, .same = 1, .next_at = { w.now.s + 60 } };
	memcpy(b->inputs, a->inputs, SHA256_BYTES);
	(void)world_plan(&w);
	ck_assert_int_eq(plan_waiting(w.plan, "BackOff")->until.s, w.now.s + 60);
	ck_assert_int_eq(w.plan->wake.s, w.now.s + 60);
	b->held = true;
	(void)world_plan(&w);
	ck_assert_ptr_nonnull(plan_waiting(w.plan, "Held"));
	/* Another wish is another action. */
	world_desire(&w, CA("1") WEB(", renew: 1") WWW);
	(void)planned(ACTION_RENEW, "A9", "ManuallyTriggered");
	world_free(&w);
}
END_TEST

START_TEST(approval_and_suspension_hold_an_issue)
{
	world_init(&w);
	world_desire(&w, CA("1") WEB(", approval: Required") WWW);
	(void)world_plan(&w);
	ck_assert_ptr_nonnull(plan_waiting(w.plan, "ApprovalPending"));
	world_identity(&w, "web")->im.approved_at = w.now;
	(void)planned(ACTION_ISSUE, "A5", "DoesNotExist");
	world_desire(&w, CA("1") WEB(", suspend: true") WWW);
	(void)world_plan(&w);
	ck_assert_ptr_null(plan_action(w.plan, ACTION_ISSUE, "web", NULL));
	ck_assert_ptr_nonnull(plan_waiting(w.plan, "Suspended"));
	world_free(&w);
}
END_TEST

START_TEST(a_renewal_window_moves_it_later_but_never_into_the_margin)
{
	struct certificate_shared shared = { 0 };
	struct certificate c = { .o = { .name = "x" }, .shared = &shared };
	struct window_spec win = { 0 };
	struct err err = { 0 };
	struct wall nb = { WORLD_START };
	struct wall na = { WORLD_START + 90 * WORLD_DAY };
	struct wall plain = renewal_time(&c, "x", nb, na);

	ck_assert_ok(window_parse_cron("0 3 1 * *", &win.window, &err), &err);
	win.window.duration_s = 3600;
	shared.renewal_windows = &win;
	shared.n_renewal_windows = 1;
	struct wall at = renewal_time(&c, "x", nb, na);

	ck_assert_int_gt(at.s, plain.s);
	ck_assert(window_is_open(&win.window, at));
	ck_assert_ok(window_parse_cron("0 3 1 1 *", &win.window, &err), &err);
	win.window.duration_s = 3600;
	ck_assert_int_eq(renewal_time(&c, "x", nb, na).s, plain.s);
	shared.renewal_disabled = true;
	ck_assert_int_eq(renewal_time(&c, "x", nb, na).s, INT64_MAX);
}
END_TEST

START_TEST(a_bad_commit_is_braked_and_renewals_are_not)
{
	CLEANUP(buf_release) struct buf yaml = { 0 };

	buf_init(&yaml, BUF_LIMIT_TEXT);
	buf_add_str(&yaml, CA("1"));
	for (int i = 0; i < 8; i++) {
		buf_printf(&yaml,
		           "apiVersion: certwright/v1\nkind: Certificate\nmetadata: {name: c%d}\n"
		           "spec: {dnsNames: [c%d.example], issuerRef: {name: ca}, privateKey: "
		           "{algorithm: Ed25519}, duration: 90d}\n---\n",
		           i, i);
	}
	world_init(&w);
	world_desire(&w, buf_str(&yaml));
	w.in.budget_issue_percent = 5;
	(void)world_plan(&w);
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_ISSUE), 1); /* the CA */
	ck_assert_ptr_nonnull(plan_waiting(w.plan, "BudgetExceeded"));
	w.in.budget_issue_percent = 0;
	world_settle(&w, 3);
	w.in.budget_issue_percent = 5;
	world_pass(&w, 61 * WORLD_DAY);
	ck_assert_uint_eq(plan_actions(world_plan(&w), ACTION_RENEW), 8);
	world_free(&w);
}
END_TEST

START_TEST(a_crl_is_published_when_due_and_after_a_revocation)
{
	world_init(&w);
	world_desire(&w, "apiVersion: certwright/v1\nkind: Issuer\nmetadata: {name: ca}\n"
	                 "spec: {privateCA: {subject: {commonName: Test CA}, privateKey: "
	                 "{algorithm: Ed25519}, duration: 3650d, crl: {interval: 24h, validity: "
	                 "72h}}}\n---\n" WEB("") WWW);
	world_settle(&w, 4);
	ck_assert_uint_eq(world_issuer(&w, "ca")->im.crl_number, 1);
	ck_assert_int_eq(w.plan->wake.s, w.now.s + WORLD_DAY);
	world_issuer(&w, "ca")->im.last_revocation.s = w.now.s + 1;
	ck_assert_uint_eq(plan_actions(world_plan(&w), ACTION_PUBLISH_CRL), 1);
	world_issuer(&w, "ca")->im.last_revocation.s = 0;
	ck_assert_uint_eq(plan_actions(world_plan(&w), ACTION_PUBLISH_CRL), 0);
	world_pass(&w, WORLD_DAY);
	ck_assert_uint_eq(plan_actions(world_plan(&w), ACTION_PUBLISH_CRL), 1);
	world_free(&w);
}
END_TEST

static void build(Suite *s)
{
	TCase *t = tcase_create("table A");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, row_A1_monitored_is_observed_and_judged_never_issued);
	tcase_add_test(t, row_A1_what_a_store_holds_is_judged_and_left_alone);
	tcase_add_test(t, row_A1_every_certificate_of_every_file_is_judged_and_left_alone);
	tcase_add_test(t, row_A1_a_file_that_cannot_be_looked_at_is_not_one_that_is_not_there);
	tcase_add_test(t, row_A1_every_address_and_both_certificates_are_judged);
	tcase_add_test(t, who_serves_the_old_one_is_found_behind_another_address);
	tcase_add_test(t, row_A2_a_readable_pair_is_adopted_as_it_is);
	tcase_add_test(t, row_A2_an_unreadable_pair_is_waited_for_never_replaced);
	tcase_add_test(t, row_A2_nothing_to_adopt_is_a_conflict);
	tcase_add_test(t, row_A3_after_a_lost_state_one_pair_everywhere_is_adopted);
	tcase_add_test(t, row_A3_slots_that_disagree_are_a_conflict);
	tcase_add_test(t, row_A3_slots_that_cannot_be_read_are_waited_for);
	tcase_add_test(t, row_A4_a_lost_issuer_key_issues_nothing_and_adopts_all_the_same);
	tcase_add_test(t, row_A4_a_new_generation_ends_it);
	tcase_add_test(t, row_A5_nothing_held_is_issued);
	tcase_add_test(t, row_A6_a_key_that_is_not_there_is_replaced);
	tcase_add_test(t, row_A7_another_key_spec_rekeys);
	tcase_add_test(t, row_A8_another_name_is_issued_anew);
	tcase_add_test(t, row_A8_another_issuer_is_asked);
	tcase_add_test(t, row_A9_revoked_is_replaced_under_a_new_key);
	tcase_add_test(t, row_A9_asked_by_hand_or_by_commit_renews_once);
	tcase_add_test(t, row_A10_two_thirds_through_its_life_it_is_renewed);
	tcase_add_test(t, row_A10_rotation_policy_never_keeps_the_key);
	tcase_add_test(t, row_A10_expired_says_so);
	tcase_add_test(t, row_A11_good_has_nothing_to_do_and_a_moment_to_wake);
	tcase_add_test(t, row_A12_gone_from_git_is_archived_once);
	tcase_add_test(t, row_A12_an_empty_desired_state_takes_nothing_away);
	tcase_add_test(t, rows_are_tried_from_the_top);
	tcase_add_test(t, an_issue_that_fails_backs_off_and_is_held_only_when_told);
	tcase_add_test(t, approval_and_suspension_hold_an_issue);
	tcase_add_test(t, a_renewal_window_moves_it_later_but_never_into_the_margin);
	tcase_add_test(t, a_bad_commit_is_braked_and_renewals_are_not);
	tcase_add_test(t, a_crl_is_published_when_due_and_after_a_revocation);
	suite_add_tcase(s, t);
}

UNIT_MAIN("plan: table A", build)
