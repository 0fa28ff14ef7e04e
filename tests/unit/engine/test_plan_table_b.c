/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_plan_table_b.c - one test a row of table B, from what lies there to the action.
 */
#include "reconciler/base/str.h"
#include "reconciler/engine/diff.h"
#include "tests/unit/engine/world.h"
#include "tests/unit/unit.h"

#define BASE                                                                                       \
	"apiVersion: certwright/v1\nkind: Issuer\nmetadata: {name: ca}\n"                          \
	"spec: {privateCA: {subject: {commonName: Test CA}, privateKey: {algorithm: Ed25519}, "    \
	"duration: 3650d}}\n---\n"                                                                 \
	"apiVersion: certwright/v1\nkind: Certificate\nmetadata: {name: web}\n"                    \
	"spec: {dnsNames: [web.example], issuerRef: {name: ca}, privateKey: "                      \
	"{algorithm: Ed25519}, duration: 90d}\n---\n"                                              \
	"apiVersion: certwright/v1\nkind: CASet\nmetadata: {name: roots}\n"                        \
	"spec: {sources: [{issuerRef: {name: ca}}]}\n---\n"
#define STORE(more)                                                                                \
	"apiVersion: certwright/v1\nkind: Keystore\nmetadata: {name: store}\n"                     \
	"spec: {format: jks, passwordRef: {wellKnown: changeit}, entries: [{alias: web, "          \
	"certificateRef: web}, {alias: root, caSetRef: roots}]" more "}\n---\n"
#define WWW(more)                                                                                  \
	"apiVersion: certwright/v1\nkind: Target\nmetadata: {name: www}\n"                         \
	"spec: {hosts: [h1], via: {local: {}}, deliver: [{keystoreRef: store, path: "              \
	"/etc/web.jks}], activate: [{after: [{systemd: {unit: web, action: reload}}]}]" more "}\n"
#define VERIFY ", verify: [{tls: {port: 443}}]"
#define FLEET  BASE STORE("") WWW(VERIFY)
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

static const struct action *planned(enum action_kind kind, const char *row, const char *code)
{
	const struct action *a = plan_action(world_plan(&w), kind, "www", "h1");

	ck_assert_ptr_nonnull(a);
	ck_assert_str_eq(a->row, row);
	ck_assert_str_eq(a->reasons[0].code, code);
	ck_assert_ptr_null(plan_action(w.plan, ACTION_RENEW, "web", NULL));
	ck_assert_ptr_null(plan_action(w.plan, ACTION_REKEY, "web", NULL));
	return a;
}

/* What a Profile says of its products. */
static void product(struct capabilities can)
{
	struct target *t = (struct target *)(uintptr_t)w.desired->targets[0];
	struct target_shared *own = arena_copy(w.desired->arena, t->shared, sizeof(*own));

	ck_assert_ptr_nonnull(own);
	own->can = can;
	t->shared = own;
}

static void mends(void)
{
	size_t issued = w.issued;

	ck_assert_uint_le(world_settle(&w, 4), 2);
	ck_assert(w.plan->in_sync);
	ck_assert_uint_eq(w.issued, issued);
	world_free(&w);
}

/* A second revision is held and everything but this store has it. */
static const struct seen_cert *renewed(void)
{
	const struct seen_cert *first = world_entry(store, "web")->chain[0];

	world_pass(&w, 60);
	world_identity(&w, "web")->im.renew_asked = w.now;
	world_settle(&w, 4);
	ck_assert(w.plan->in_sync);
	return first;
}

START_TEST(row_B1_what_does_not_open_is_left_alone)
{
	static const enum look_status dark[] = { LOOK_NONE, LOOK_UNREACHABLE, LOOK_UNREADABLE,
		                                 LOOK_WRONG_PASSWORD };

	settled(FLEET);
	store->dark = true;
	for (size_t i = 0; i < ARRAY_LEN(dark); i++) {
		store->status = dark[i];
		(void)world_plan(&w);
		ck_assert_uint_eq(w.plan->n_actions, 0);
		ck_assert_uint_eq(w.plan->n_unobserved, 1);
		ck_assert_str_eq(w.plan->unobserved[0].row, "B1");
	}
	world_free(&w);
}
END_TEST

START_TEST(row_B2_absent_is_pushed)
{
	settled(FLEET);
	store->exists = false;
	store->content.n = 0;
	(void)planned(ACTION_PUSH, "B2", "KeystoreMissing");
	mends();
}
END_TEST

START_TEST(row_B2_an_entry_that_is_missing_is_added)
{
	settled(FLEET);
	*world_entry(store, "web") = *world_entry(store, "root");
	store->content.n = 1;
	store->content.v[0].alias = "root";
	world_touch(store);
	const struct action *a = planned(ACTION_PUSH, "B2", "KeystoreMissing");

	ck_assert_int_eq(a->entries[a->n_entries - 1].op, ENTRY_ADD);
	mends();
}
END_TEST

START_TEST(row_B3_a_factory_identity_is_pushed_over)
{
	struct w_entry *e;

	settled(FLEET);
	product((struct capabilities){ .factory_identity = true });
	e = world_entry(store, "web");
	e->chain[0] = world_stranger(&w, "apc");
	e->n = 1;
	world_touch(store);
	(void)planned(ACTION_PUSH, "B3", "RevertedToSelfSigned");
	mends();
}
END_TEST

START_TEST(row_B3_a_factory_identity_served_before_the_first_push_is_nobodys_face)
{
	fresh(FLEET);
	product((struct capabilities){ .factory_identity = true });
	store->exists = true;
	(void)world_entry_add(&w, store, "web", KS_KEY, world_stranger(&w, "apc"));
	store->loaded = store->content;
	world_settle(&w, 5);
	ck_assert(w.plan->in_sync);
	world_free(&w);
}
END_TEST

START_TEST(row_B4_an_older_one_of_ours_is_pushed_over_never_issued)
{
	settled(FLEET);
	world_entry(store, "web")->chain[0] = renewed();
	world_touch(store);
	(void)planned(ACTION_PUSH, "B4", "KeystoreEntryMismatch");
	mends();
}
END_TEST

START_TEST(row_B5_a_damaged_entry_of_ours_is_pushed_over)
{
	settled(FLEET);
	world_entry(store, "web")->key_matches = false;
	world_touch(store);
	(void)planned(ACTION_PUSH, "B5", "KeystoreEntryMismatch");
	mends();
}
END_TEST

START_TEST(row_B5_somebody_else_s_in_a_slot_of_ours_is_pushed_over)
{
	settled(FLEET);
	world_entry(store, "web")->chain[0] = world_stranger(&w, "else.example");
	world_touch(store);
	(void)planned(ACTION_PUSH, "B5", "KeystoreEntryMismatch");
	mends();
}
END_TEST

START_TEST(row_B6_a_stranger_in_a_slot_never_ours_is_a_conflict)
{
	fresh(FLEET);
	(void)world_entry_add(&w, store, "web", KS_KEY, world_stranger(&w, "else.example"));
	(void)world_entry_add(&w, store, "mine", KS_KEY, world_stranger(&w, "mine.example"));
	world_settle(&w, 5);
	ck_assert_str_eq(plan_conflict(w.plan, "ForeignIdentity")->row, "B6");
	ck_assert_ptr_eq(world_entry(store, "web")->chain[0], world_stranger(&w, "else.example"));
	/* Trust goes in beside it, and nothing else is touched. */
	ck_assert_ptr_nonnull(world_entry(store, "root"));
	ck_assert_ptr_nonnull(world_entry(store, "mine"));
	world_free(&w);
}
END_TEST

START_TEST(row_B6_take_over_replaces_it)
{
	fresh(BASE STORE("") WWW(VERIFY ", takeOver: true"));
	(void)world_entry_add(&w, store, "web", KS_KEY, world_stranger(&w, "else.example"));
	world_settle(&w, 6);
	ck_assert(w.plan->in_sync);
	ck_assert_ptr_ne(world_entry(store, "web")->chain[0], world_stranger(&w, "else.example"));
	world_free(&w);
}
END_TEST

START_TEST(row_B7_every_fact_of_a_store_has_its_code)
{
	settled(FLEET);
	store->password = 1;
	(void)planned(ACTION_PUSH, "B7", "KeystorePasswordMismatch");
	mends();

	settled(FLEET);
	store->mode = 0644;
	(void)planned(ACTION_PUSH, "B7", "FileModeMismatch");
	ck_assert_ptr_null(plan_action(w.plan, ACTION_ACTIVATE, "www", "h1"));
	mends();

	settled(FLEET);
	world_entry(store, "web")->n = 2;
	world_entry(store, "web")->chain[1] = world_entry(store, "web")->chain[0];
	world_touch(store);
	(void)planned(ACTION_PUSH, "B7", "ChainMismatch");
	mends();

	settled(FLEET);
	world_entry(store, "web")->key_opens = false;
	world_touch(store);
	(void)planned(ACTION_PUSH, "B7", "KeystorePasswordMismatch");
	mends();
}
END_TEST

START_TEST(row_B7_wrong_trust_is_mended_without_the_identity)
{
	settled(FLEET);
	world_entry(store, "root")->chain[0] = world_stranger(&w, "evil");
	world_touch(store);
	const struct action *a = planned(ACTION_TRUST_ADD, "B7", "WrongTrust");

	for (size_t i = 0; i < a->n_entries; i++) {
		bool key = a->entries[i].want->source == ENTRY_CERTIFICATE;

		ck_assert_int_eq(a->entries[i].op, key ? ENTRY_KEEP : ENTRY_REPLACE);
	}
	mends();
}
END_TEST

START_TEST(row_B7_a_profile_is_re_encoded)
{
	settled(BASE "apiVersion: certwright/v1\nkind: Keystore\nmetadata: {name: store}\n"
	             "spec: {format: pkcs12, pkcs12Profile: Modern2026, passwordRef: {wellKnown: "
	             "changeit}, entries: [{alias: web, certificateRef: web}]}\n---\n" WWW(VERIFY));
	store->profile = "LegacyRC2";
	(void)planned(ACTION_PUSH, "B7", "KeystoreProfileMismatch");
	mends();
}
END_TEST

START_TEST(row_B7_a_configuration_that_differs_is_edited_and_activated)
{
	settled(BASE STORE("") WWW(", configure: [{ini: {path: /etc/web.ini, section: tls, key: "
	                           "store, value: /etc/web.jks}}]"));
	w.configs.v[0]->matches = false;
	const struct action *a = planned(ACTION_CONFIGURE, "B7", "ConfigMismatch");

	ck_assert_ptr_nonnull(a->config);
	ck_assert_ptr_nonnull(plan_action(w.plan, ACTION_ACTIVATE, "www", "h1"));
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_PUSH), 0);
	w.configs.v[0]->status = LOOK_UNREACHABLE;
	(void)world_plan(&w);
	ck_assert_uint_eq(w.plan->n_actions, 0);
	ck_assert_uint_eq(w.plan->n_unobserved, 1);
	world_free(&w);
}
END_TEST

START_TEST(row_B7_a_root_at_the_end_of_a_chain_is_no_difference)
{
	settled(FLEET);
	world_entry(store, "web")->n = 2;
	world_entry(store, "web")->chain[1] = world_issuer(&w, "ca")->gens[0].cert;
	store->loaded.v[0] = *world_entry(store, "web");
	ck_assert(world_plan(&w)->in_sync);
	ck_assert_uint_eq(w.plan->n_drifts, 0);
	world_free(&w);
}
END_TEST

START_TEST(row_B8_nothing_to_verify_is_in_sync)
{
	settled(BASE STORE("") WWW(""));
	ck_assert_str_eq(plan_verdict_of(w.plan, "www", "h1")->row, "B8");
	ck_assert_str_eq(plan_verdict_of(w.plan, "www", "h1")->word, "InSync");
	world_free(&w);
}
END_TEST

START_TEST(row_B9_an_endpoint_that_cannot_be_asked_is_unverified)
{
	settled(FLEET);
	world_endpoint(&w, "h1", 443)->status = ENDPOINT_UNREACHABLE;
	ck_assert(world_plan(&w)->in_sync);
	ck_assert_str_eq(plan_drift(w.plan, "Unverified")->row, "B9");
	/* Seen without proof: enough to be content, not to act. */
	world_endpoint(&w, "h1", 443)->status = ENDPOINT_OK;
	world_endpoint(&w, "h1", 443)->proof = PROOF_NONE;
	ck_assert(world_plan(&w)->in_sync);
	world_endpoint(&w, "h1", 443)->instead = renewed();
	(void)world_plan(&w);
	ck_assert_uint_eq(w.plan->n_actions, 0);
	ck_assert_ptr_nonnull(plan_drift(w.plan, "Unverified"));
	world_free(&w);
}
END_TEST

START_TEST(row_B10_a_service_that_is_down_is_activated_once_then_reported)
{
	settled(FLEET);
	world_endpoint(&w, "h1", 443)->status = ENDPOINT_REFUSED;
	store->sm.activations = 0;
	(void)planned(ACTION_ACTIVATE, "B10", "ServiceDown");
	world_apply(&w);
	(void)world_plan(&w);
	ck_assert_uint_eq(w.plan->n_actions, 0);
	ck_assert_str_eq(plan_drift(w.plan, "ServiceDown")->row, "B10");
	world_free(&w);
}
END_TEST

START_TEST(row_B11_within_grace_it_is_waited_for)
{
	settled(FLEET);
	world_endpoint(&w, "h1", 443)->instead = renewed();
	(void)world_plan(&w);
	ck_assert_uint_eq(w.plan->n_actions, 0);
	ck_assert_str_eq(plan_waiting(w.plan, "NotReloaded")->row, "B11");
	ck_assert_int_eq(w.plan->wake.s, w.now.s + 120);
	world_free(&w);
}
END_TEST

START_TEST(row_B12_after_grace_it_is_activated_and_not_for_ever)
{
	settled(FLEET);
	world_endpoint(&w, "h1", 443)->instead = renewed();
	world_pass(&w, 300);
	const struct action *a = planned(ACTION_ACTIVATE, "B12", "NotReloaded");

	ck_assert(a->disruptive);
	ck_assert_uint_eq(plan_actions(w.plan, ACTION_PUSH), 0);
	world_apply(&w);
	world_pass(&w, 300);
	(void)world_plan(&w);
	ck_assert_uint_eq(w.plan->n_actions, 0);
	ck_assert_str_eq(plan_waiting(w.plan, "Held")->row, "B12");
	world_free(&w);
}
END_TEST

START_TEST(row_B12_what_was_written_and_never_loaded_is_activated)
{
	settled(FLEET);
	store->sm.activated = NULL; /* a crash between the write and the activation */
	(void)planned(ACTION_ACTIVATE, "B12", "NotReloaded");
	mends();
}
END_TEST

START_TEST(row_B13_a_device_that_fell_back_is_pushed_again)
{
	struct w_endpoint *e;

	settled(FLEET);
	product((struct capabilities){ .factory_identity = true });
	e = world_endpoint(&w, "h1", 443);
	e->instead = world_stranger(&w, "apc");
	(void)planned(ACTION_PUSH, "B13", "RevertedToSelfSigned");
	e->proof = PROOF_NONE;
	(void)world_plan(&w);
	ck_assert_uint_eq(w.plan->n_actions, 0);
	e->proof = PROOF_POSSESSION;
	e->instead = NULL;
	mends();
}
END_TEST

START_TEST(row_B14_a_stranger_served_is_a_conflict)
{
	settled(FLEET);
	world_endpoint(&w, "h1", 443)->instead = world_stranger(&w, "else.example");
	(void)world_plan(&w);
	ck_assert_uint_eq(w.plan->n_actions, 0);
	ck_assert_str_eq(plan_conflict(w.plan, "ServedForeign")->row, "B14");
	world_free(&w);
}
END_TEST

START_TEST(row_B15_stored_and_served_alike_is_in_sync)
{
	settled(FLEET);
	ck_assert_str_eq(plan_verdict_of(w.plan, "www", "h1")->row, "B15");
	world_free(&w);
}
END_TEST

START_TEST(row_B15_the_leaf_served_with_another_chain_is_told_apart)
{
	settled(FLEET);
	world_endpoint(&w, "h1", 443)->behind = world_entry(store, "web")->chain[0];
	(void)world_plan(&w);
	ck_assert_uint_eq(w.plan->n_actions, 0);
	ck_assert_str_eq(plan_verdict_of(w.plan, "www", "h1")->word, "WrongChain");
	ck_assert_str_eq(plan_drift(w.plan, "WrongChain")->message,
	                 "h1:443: certificates served: 2, stored: 1, not counting a root");
	world_endpoint(&w, "h1", 443)->behind = NULL;
	(void)world_plan(&w);
	ck_assert_ptr_null(plan_drift(w.plan, "WrongChain"));
	world_free(&w);
}
END_TEST

#define IDENTITY_ONLY                                                                              \
	"apiVersion: certwright/v1\nkind: Keystore\nmetadata: {name: store}\n"                     \
	"spec: {format: jks, passwordRef: {wellKnown: changeit}, entries: [{alias: web, "          \
	"certificateRef: web}]}\n---\n"

START_TEST(row_B16_what_cannot_be_read_back_is_planned_by_what_is_served)
{
	struct w_endpoint *e;

	settled(BASE IDENTITY_ONLY WWW(VERIFY));
	store->dark = true;
	store->status = LOOK_NONE;
	product((struct capabilities){ .write_only = true });
	(void)world_plan(&w);
	ck_assert(w.plan->in_sync && w.plan->n_unobserved == 0);
	ck_assert_str_eq(plan_verdict_of(w.plan, "www", "h1")->row, "B16");
	e = world_endpoint(&w, "h1", 443);
	e->instead = world_stranger(&w, "else.example");
	(void)world_plan(&w);
	ck_assert_uint_eq(w.plan->n_actions, 0);
	ck_assert_str_eq(plan_conflict(w.plan, "ServedForeign")->row, "B16");
	product((struct capabilities){ .write_only = true, .factory_identity = true });
	(void)planned(ACTION_PUSH, "B16", "KeystoreEntryMismatch");
	e->instead = NULL;
	e->status = ENDPOINT_UNREACHABLE;
	(void)world_plan(&w);
	ck_assert_uint_eq(w.plan->n_actions, 0);
	ck_assert_str_eq(plan_drift(w.plan, "Unverified")->row, "B16");
	world_free(&w);
}
END_TEST

START_TEST(row_B16_what_cannot_be_read_back_gets_the_renewed_one)
{
	const struct seen_cert *first;
	size_t issued;

	settled(BASE IDENTITY_ONLY WWW(VERIFY));
	first = world_entry(store, "web")->chain[0];
	store->dark = true;
	store->status = LOOK_NONE;
	product((struct capabilities){ .write_only = true });
	world_pass(&w, 60);
	world_identity(&w, "web")->im.renew_asked = w.now;
	ck_assert_uint_le(world_settle(&w, 4), 2);
	ck_assert(w.plan->in_sync);
	/* It fell back to the one before: pushed again, nothing issued. */
	issued = w.issued;
	world_endpoint(&w, "h1", 443)->instead = first;
	(void)planned(ACTION_PUSH, "B16", "KeystoreEntryMismatch");
	ck_assert_uint_eq(w.issued, issued);
	world_free(&w);
}
END_TEST

START_TEST(row_B16_every_case_of_what_is_served)
{
	struct slot_facts f = { .desired = true, .stored = STORED_OPAQUE };
	static const struct {
		enum served served;
		enum slot_op op;
	} table[] = { { SERVED_CURRENT, SLOT_NONE },     { SERVED_PREVIOUS, SLOT_PUSH },
		      { SERVED_FACTORY, SLOT_PUSH },     { SERVED_FOREIGN, SLOT_CONFLICT },
		      { SERVED_UNKNOWN, SLOT_REPORT },   { SERVED_NOTHING, SLOT_REPORT },
		      { SERVED_UNDECLARED, SLOT_REPORT } };

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		f.served = table[i].served;
		ck_assert_str_eq(diff_slot(&f).row, "B16");
		ck_assert_int_eq(diff_slot(&f).op, table[i].op);
	}
}
END_TEST

#define TWO                                                                                        \
	"apiVersion: certwright/v1\nkind: Keystore\nmetadata: {name: store}\n"                     \
	"spec: {format: jks, passwordRef: {wellKnown: changeit}, entries: [{alias: web, "          \
	"certificateRef: web}, {alias: second, certificateRef: web}, {alias: root, caSetRef: "     \
	"roots}]}\n---\n"

START_TEST(row_B17_not_desired_is_reported_and_retired_only_with_prune)
{
	settled(BASE TWO WWW(VERIFY));
	world_desire(&w, BASE STORE("") WWW(VERIFY));
	(void)world_plan(&w);
	ck_assert_uint_eq(w.plan->n_actions, 0);
	ck_assert_str_eq(plan_drift(w.plan, "NotDesired")->row, "B17");
	world_desire(&w, BASE STORE("") WWW(VERIFY ", prune: true"));
	(void)planned(ACTION_RETIRE, "B17", "NotDesired");
	world_settle(&w, 4);
	ck_assert_ptr_null(world_entry(store, "second"));
	ck_assert_ptr_nonnull(world_entry(store, "web"));
	world_free(&w);
}
END_TEST

START_TEST(row_B17_protect_forbids_it)
{
	settled(BASE TWO WWW(VERIFY));
	world_desire(&w, BASE STORE("") WWW(VERIFY ", prune: true, protect: true"));
	(void)world_plan(&w);
	ck_assert_uint_eq(w.plan->n_actions, 0);
	world_free(&w);
}
END_TEST

START_TEST(no_fact_combination_acts_upon_what_is_unknown)
{
	struct slot_facts f = { .stored = STORED_UNKNOWN };

	for (unsigned bits = 0; bits < 256; bits++) {
		f.desired = (bits & 1) != 0;
		f.ours = (bits & 2) != 0;
		f.take_over = (bits & 4) != 0;
		f.prune = (bits & 8) != 0;
		f.differs = (bits & 16) != 0;
		f.load_pending = (bits & 32) != 0;
		f.in_grace = (bits & 64) != 0;
		f.activated = (bits & 128) != 0;
		for (int s = SERVED_UNDECLARED; s <= SERVED_CURRENT; s++) {
			f.served = (enum served)s;
			ck_assert_int_eq(diff_slot(&f).op, SLOT_UNOBSERVED);
		}
	}
}
END_TEST

START_TEST(unmanaged_entries_are_kept_unless_told)
{
	settled(FLEET);
	(void)world_entry_add(&w, store, "mine", KS_TRUSTED, world_stranger(&w, "mine"));
	store->loaded = store->content;
	store->sm.activated = store->sm.written;
	ck_assert(world_plan(&w)->in_sync);
	world_desire(&w, BASE STORE(", unmanagedEntries: remove") WWW(VERIFY));
	world_settle(&w, 4);
	ck_assert_ptr_null(world_entry(store, "mine"));
	world_free(&w);
}
END_TEST

START_TEST(a_rolled_back_store_is_held_until_released)
{
	settled(FLEET);
	world_entry(store, "web")->chain[0] = renewed();
	store->sm.hold_revision = 1;
	(void)world_plan(&w);
	ck_assert_uint_eq(w.plan->n_actions, 0);
	ck_assert_ptr_nonnull(plan_waiting(w.plan, "Held"));
	world_free(&w);
}
END_TEST

START_TEST(the_same_push_that_failed_is_held_until_an_input_changes)
{
	settled(FLEET);
	store->mode = 0600;
	world_entry(store, "web")->key_matches = false;
	const struct action *a = planned(ACTION_PUSH, "B5", "KeystoreEntryMismatch");

	struct backoff held = { .failures = 2, .same = 2, .held = true };
	store->sm.push = &held;
	memcpy(held.inputs, a->inputs, SHA256_BYTES);
	(void)world_plan(&w);
	ck_assert_uint_eq(w.plan->n_actions, 0);
	ck_assert_ptr_nonnull(plan_waiting(w.plan, "Held"));
	world_desire(&w,
	             BASE STORE(
			     "") "apiVersion: certwright/v1\nkind: Target\nmetadata: {name: "
	                         "www}\nspec: {hosts: [h1], via: {local: {}}, deliver: "
	                         "[{keystoreRef: store, path: /etc/web.jks}], activate: [{after: "
	                         "[{systemd: {unit: web, action: restart}}]}]" VERIFY "}\n");
	(void)planned(ACTION_PUSH, "B5", "KeystoreEntryMismatch");
	world_free(&w);
}
END_TEST

static void build(Suite *s)
{
	TCase *t = tcase_create("table B");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, row_B1_what_does_not_open_is_left_alone);
	tcase_add_test(t, row_B2_absent_is_pushed);
	tcase_add_test(t, row_B2_an_entry_that_is_missing_is_added);
	tcase_add_test(t, row_B3_a_factory_identity_is_pushed_over);
	tcase_add_test(t, row_B3_a_factory_identity_served_before_the_first_push_is_nobodys_face);
	tcase_add_test(t, row_B4_an_older_one_of_ours_is_pushed_over_never_issued);
	tcase_add_test(t, row_B5_a_damaged_entry_of_ours_is_pushed_over);
	tcase_add_test(t, row_B5_somebody_else_s_in_a_slot_of_ours_is_pushed_over);
	tcase_add_test(t, row_B6_a_stranger_in_a_slot_never_ours_is_a_conflict);
	tcase_add_test(t, row_B6_take_over_replaces_it);
	tcase_add_test(t, row_B7_every_fact_of_a_store_has_its_code);
	tcase_add_test(t, row_B7_wrong_trust_is_mended_without_the_identity);
	tcase_add_test(t, row_B7_a_profile_is_re_encoded);
	tcase_add_test(t, row_B7_a_configuration_that_differs_is_edited_and_activated);
	tcase_add_test(t, row_B7_a_root_at_the_end_of_a_chain_is_no_difference);
	tcase_add_test(t, row_B8_nothing_to_verify_is_in_sync);
	tcase_add_test(t, row_B9_an_endpoint_that_cannot_be_asked_is_unverified);
	tcase_add_test(t, row_B10_a_service_that_is_down_is_activated_once_then_reported);
	tcase_add_test(t, row_B11_within_grace_it_is_waited_for);
	tcase_add_test(t, row_B12_after_grace_it_is_activated_and_not_for_ever);
	tcase_add_test(t, row_B12_what_was_written_and_never_loaded_is_activated);
	tcase_add_test(t, row_B13_a_device_that_fell_back_is_pushed_again);
	tcase_add_test(t, row_B14_a_stranger_served_is_a_conflict);
	tcase_add_test(t, row_B15_stored_and_served_alike_is_in_sync);
	tcase_add_test(t, row_B15_the_leaf_served_with_another_chain_is_told_apart);
	tcase_add_test(t, row_B16_what_cannot_be_read_back_is_planned_by_what_is_served);
	tcase_add_test(t, row_B16_what_cannot_be_read_back_gets_the_renewed_one);
	tcase_add_test(t, row_B16_every_case_of_what_is_served);
	tcase_add_test(t, row_B17_not_desired_is_reported_and_retired_only_with_prune);
	tcase_add_test(t, row_B17_protect_forbids_it);
	tcase_add_test(t, no_fact_combination_acts_upon_what_is_unknown);
	tcase_add_test(t, unmanaged_entries_are_kept_unless_told);
	tcase_add_test(t, a_rolled_back_store_is_held_until_released);
	tcase_add_test(t, the_same_push_that_failed_is_held_until_an_input_changes);
	suite_add_tcase(s, t);
}

UNIT_MAIN("plan: table B", build)
