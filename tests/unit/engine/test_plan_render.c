/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_plan_render.c - a plan as people, programs and pull requests see it.
 */
#include "reconciler/base/json.h"
#include "reconciler/base/str.h"
#include "tests/unit/engine/world.h"
#include "tests/unit/unit.h"

static const char fleet[] =
	"apiVersion: certwright/v1\nkind: Issuer\nmetadata: {name: ca}\n"
	"spec: {privateCA: {subject: {commonName: Test CA}, privateKey: {algorithm: Ed25519}, "
	"duration: 3650d}}\n---\n"
	"apiVersion: certwright/v1\nkind: Certificate\nmetadata: {name: web}\n"
	"spec: {dnsNames: [web.example], issuerRef: {name: ca}, privateKey: {algorithm: "
	"Ed25519}, duration: 90d}\n---\n"
	"apiVersion: certwright/v1\nkind: Target\nmetadata: {name: www}\n"
	"spec: {hosts: [h1, h2], via: {local: {}}, deliver: [{certificateRef: web, path: "
	"/etc/web.pem}], activate: [{after: [{systemd: {unit: web, action: reload}}]}], verify: "
	"[{tls: {port: 443}}]}\n";

static struct world w;
static struct buf out;

static void due(void)
{
	world_init(&w);
	buf_init(&out, BUF_LIMIT_TEXT);
	world_desire(&w, fleet);
	world_settle(&w, 4);
	world_pass(&w, 61 * WORLD_DAY);
	(void)world_plan(&w);
}

static void done(void)
{
	buf_release(&out);
	world_free(&w);
}

static bool says(const char *text)
{
	return strstr(buf_str(&out), text) != NULL;
}

START_TEST(text_uses_terraforms_words)
{
	due();
	plan_render_text(w.plan, /* color= */ false, &out);
	ck_assert(str_starts(buf_str(&out), "certwright will perform the following actions:\n\n"));
	ck_assert(says("  # Certificate web will be renewed: Renewing (2/3 of its life is over"));
	ck_assert(says("  ~   renew      Certificate/web "));
	ck_assert(says("Ed25519, new key, from Issuer/ca"));
	ck_assert(says("(after: renew web)"));
	ck_assert(says(" replace  "));
	ck_assert(says("(known after issue)"));
	ck_assert(says("systemctl reload web      [restarts a service]"));
	ck_assert(says("Plan: 1 to renew, 2 to push, 2 to activate. 0 unobserved.\n"));
	ck_assert(!says("\033["));
	done();
}
END_TEST

START_TEST(colour_only_when_asked)
{
	due();
	plan_render_text(w.plan, /* color= */ true, &out);
	ck_assert(says("\033[1m"));
	done();
}
END_TEST

START_TEST(nothing_to_do_is_one_line)
{
	due();
	world_settle(&w, 4);
	plan_render_text(w.plan, /* color= */ false, &out);
	ck_assert_str_eq(buf_str(&out), "No changes. What is there matches the desired state. "
	                                "0 unobserved.\n");
	done();
}
END_TEST

START_TEST(a_moment_is_told_once_relative_and_once_absolute)
{
	struct waiting v[] = { { .object_kind = KIND_TARGET,
		                 .name = "www",
		                 .what_for = "WindowClosed",
		                 .message = "opens its window in 5h",
		                 .until = { WORLD_START + 5 * 3600 } },
		               { .object_kind = KIND_TARGET,
		                 .name = "app",
		                 .what_for = "BackOff",
		                 .message = "no answer",
		                 .until = { WORLD_START + 3 * 3600 } },
		               { .object_kind = KIND_TARGET,
		                 .name = "db",
		                 .what_for = "Suspended",
		                 .message = "disk swap, until 2026-01-01 08:00Z",
		                 .until = { WORLD_START + 8 * 3600 } } };
	struct plan p = { .made_at = { WORLD_START }, .waitings = v, .n_waitings = ARRAY_LEN(v) };

	buf_init(&out, BUF_LIMIT_TEXT);
	plan_render_text(&p, /* color= */ false, &out);
	ck_assert(says("www: WindowClosed: opens its window in 5h (2"));
	ck_assert(says("app: BackOff: no answer (in 3h, 2"));
	ck_assert(says("db: Suspended: disk swap, until 2026-01-01 08:00Z (in 8h)\n"));
	buf_release(&out);
}
END_TEST

START_TEST(waiting_conflicts_and_the_unobserved_are_named)
{
	due();
	world_store(&w, "www@h2:/etc/web.pem")->dark = true;
	world_store(&w, "www@h2:/etc/web.pem")->status = LOOK_UNREACHABLE;
	world_endpoint(&w, "h1", 443)->instead = world_stranger(&w, "else.example");
	world_desire(&w, fleet);
	w.now.s = WORLD_START + 60;
	(void)world_plan(&w);
	plan_render_text(w.plan, /* color= */ false, &out);
	ck_assert(says("Conflicts: Target/www@h1: ServedForeign: "));
	ck_assert(says("hint: "));
	ck_assert(says("Unobserved: Target/www@h2: Unreachable: /etc/web.pem: could not look"));
	ck_assert(says("1 unobserved."));
	done();
}
END_TEST

START_TEST(json_has_every_key_of_the_contract)
{
	static const char *const keys[] = { "formatVersion", "commit",    "observedAt",
		                            "inSync",        "complete",  "summary",
		                            "actions",       "conflicts", "waiting",
		                            "unobserved",    "drift" };
	static const char *const action_keys[] = { "id",        "action",     "kind",
		                                   "name",      "host",       "reasons",
		                                   "dependsOn", "disruptive", "notBefore" };
	struct json_t *doc = NULL;
	struct err err = { 0 };

	due();
	plan_render_json(w.plan, &out);
	ck_assert_ok(json_parse(buf_str(&out), out.len, &doc, &err), &err);
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		ck_assert_msg(json_has(doc, keys[i]), "%s", keys[i]);
	}
	const struct json_t *first = json_array_at(json_get(doc, "actions"), 0);

	for (size_t i = 0; i < ARRAY_LEN(action_keys); i++) {
		ck_assert_msg(json_has(first, action_keys[i]), "%s", action_keys[i]);
	}
	ck_assert_str_eq(json_get_str(first, "action", ""), "renew");
	ck_assert_int_eq(json_get_int(json_get(doc, "summary"), "push", -1), 2);
	ck_assert(!json_get_bool(doc, "inSync", true));
	json_free(doc);
	done();
}
END_TEST

START_TEST(the_digest_moves_with_the_actions_and_not_with_the_clock)
{
	uint8_t a[SHA256_BYTES];
	uint8_t b[SHA256_BYTES];

	due();
	plan_digest(w.plan, a);
	world_pass(&w, 60);
	plan_digest(world_plan(&w), b);
	ck_assert_mem_eq(a, b, SHA256_BYTES);
	world_touch(world_store(&w, "www@h1:/etc/web.pem"));
	plan_digest(world_plan(&w), b);
	ck_assert_mem_ne(a, b, SHA256_BYTES);
	done();
}
END_TEST

START_TEST(markdown_has_a_table_and_details)
{
	due();
	plan_render_markdown(w.plan, &out);
	ck_assert(str_starts(buf_str(&out), "### certwright plan\n"));
	ck_assert(says("| `~` | renew | Certificate/web | Renewing: "));
	ck_assert(says("<details><summary>The whole plan</summary>"));
	done();
}
END_TEST

static void build(Suite *s)
{
	TCase *t = tcase_create("render");

	tcase_add_test(t, text_uses_terraforms_words);
	tcase_add_test(t, colour_only_when_asked);
	tcase_add_test(t, nothing_to_do_is_one_line);
	tcase_add_test(t, a_moment_is_told_once_relative_and_once_absolute);
	tcase_add_test(t, waiting_conflicts_and_the_unobserved_are_named);
	tcase_add_test(t, json_has_every_key_of_the_contract);
	tcase_add_test(t, the_digest_moves_with_the_actions_and_not_with_the_clock);
	tcase_add_test(t, markdown_has_a_table_and_details);
	suite_add_tcase(s, t);
}

UNIT_MAIN("plan: render", build)
