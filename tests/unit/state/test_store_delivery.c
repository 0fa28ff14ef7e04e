/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_store_delivery.c - stores, slots, anchors, back-offs, suspensions and requests.
 */
#include "tests/unit/state/fixture.h"

#define KEY "web@h1:/etc/ks.p12"

static struct slot_write trust(const char *alias, const struct cert *c)
{
	struct slot_write w = { .alias = alias, .anchor_der = c->der };

	memcpy(w.sha256, c->sha256, SHA256_BYTES);
	return w;
}

static struct slot_write pair(const char *alias, const char *identity, uint8_t fill)
{
	struct slot_write w = { .alias = alias, .identity = identity };

	memset(w.sha256, fill, SHA256_BYTES);
	return w;
}

static void written(struct fixture *f, uint8_t fill, const struct slot_write *slots, size_t n)
{
	struct store_write w = {
		.target = "web", .host = "h1", .path = "/etc/ks.p12", .slots = slots, .n_slots = n
	};

	memset(w.sha256, fill, sizeof(w.sha256));
	ck_assert_ok(store_written(f->s, &w, &f->err), &f->err);
}

START_TEST(what_was_written_is_ours_until_something_else_is)
{
	struct fixture f;
	struct seen_certs certs;

	fixture_init(&f);
	const struct cert *a = real_cert(&f, fixture_a_pem);
	struct slot_write first[] = { pair("server", "web", 1), trust("corp", a) };
	struct slot_write second[] = { pair("server", "web", 2) };
	written(&f, 9, first, 2);
	fixture_reopen(&f);
	struct memory *m = fixture_memory(&f, &certs);
	const struct store_memory *sm = memory_store(m, KEY);
	ck_assert_ptr_nonnull(sm);
	ck_assert_str_eq(sm->target, "web");
	ck_assert_str_eq(sm->host, "h1");
	ck_assert_str_eq(sm->path, "/etc/ks.p12");
	ck_assert_int_eq(sm->written[0], 9);
	ck_assert_int_eq(sm->written_at.s, T0.s);
	ck_assert_str_eq(memory_slot(m, KEY, "server")->identity, "web");
	ck_assert_ptr_null(memory_slot(m, KEY, "corp")->identity);
	ck_assert_ptr_eq(memory_slot(m, KEY, "corp")->store_key, sm->key);
	ck_assert_uint_eq(m->n_anchors, 1);
	ck_assert_str_eq(m->anchors[0].alias, "corp");
	ck_assert_mem_eq(m->anchors[0].cert->sha256, a->sha256, SHA256_BYTES);
	ck_assert_int_eq(m->anchors[0].first_at.s, T0.s);
	fixture_forget(m, &certs);
	written(&f, 10, second, 1);
	m = fixture_memory(&f, &certs);
	ck_assert_uint_eq(m->n_slots, 1);
	ck_assert_int_eq(m->slots[0].sha256[0], 2);
	ck_assert_uint_eq(m->n_anchors, 0);
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

static const char *owner_now(struct fixture *f)
{
	struct seen_certs certs;
	struct memory *m = fixture_memory(f, &certs);
	const char *owner = memory_store(m, KEY)->owner;
	const char *known = owner == NULL ? "?" : str_equal(owner, "kms") ? "kms" : "root";

	fixture_forget(m, &certs);
	return known;
}

START_TEST(the_owner_found_is_kept_until_the_next_write)
{
	struct slot_write slot = pair("server", "web", 1);
	struct fixture f;

	fixture_init(&f);
	written(&f, 9, &slot, 1);
	ck_assert_str_eq(owner_now(&f), "?");
	ck_assert_ok(store_owned_by(f.s, KEY, "kms", "kms", &f.err), &f.err);
	ck_assert_ok(store_owned_by(f.s, KEY, "root", NULL, &f.err), &f.err);
	fixture_reopen(&f);
	ck_assert_str_eq(owner_now(&f), "kms");
	written(&f, 10, &slot, 1);
	ck_assert_str_eq(owner_now(&f), "?");
	fixture_release(&f);
}
END_TEST

START_TEST(an_anchor_keeps_the_date_it_first_came_and_first_left)
{
	struct fixture f;
	struct seen_certs certs;

	fixture_init(&f);
	const struct cert *a = real_cert(&f, fixture_a_pem);
	struct slot_write slot = trust("corp", a);
	written(&f, 1, &slot, 1);
	clock_manual_advance(&f.clock, 100);
	slot.alias = "corp-2";
	written(&f, 2, &slot, 1);
	ck_assert_ok(store_anchor_left(f.s, KEY, a->sha256, /* left= */ true, &f.err), &f.err);
	clock_manual_advance(&f.clock, 100);
	ck_assert_ok(store_anchor_left(f.s, KEY, a->sha256, /* left= */ true, &f.err), &f.err);
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert_int_eq(m->anchors[0].first_at.s, T0.s);
	ck_assert_int_eq(m->anchors[0].left_at.s, T0.s + 100);
	ck_assert_str_eq(m->anchors[0].alias, "corp-2");
	fixture_forget(m, &certs);
	ck_assert_ok(store_anchor_left(f.s, KEY, a->sha256, /* left= */ false, &f.err), &f.err);
	m = fixture_memory(&f, &certs);
	ck_assert_int_eq(m->anchors[0].left_at.s, 0);
	fixture_forget(m, &certs);
	ck_assert_int_eq(store_anchor_left(f.s, "x@y:/z", a->sha256, /* left= */ true, &f.err),
	                 ERR_NOT_FOUND);
	fixture_release(&f);
}
END_TEST

START_TEST(an_anchor_that_is_another_certificate_writes_nothing)
{
	struct fixture f;
	struct seen_certs certs;

	fixture_init(&f);
	struct slot_write slot = trust("corp", real_cert(&f, fixture_a_pem));
	slot.sha256[0] ^= 1;
	struct store_write w = {
		.target = "web", .host = "h1", .path = "/p", .slots = &slot, .n_slots = 1
	};
	ck_assert_int_eq(store_written(f.s, &w, &f.err), ERR_BUG);
	err_clear(&f.err);
	slot.anchor_der = bytes_of_str("no certificate");
	ck_assert_int_eq(store_written(f.s, &w, &f.err), ERR_INVALID);
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert_uint_eq(m->n_stores + m->n_slots + m->n_anchors, 0);
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

START_TEST(slots_found_right_are_ours_without_having_been_written)
{
	struct fixture f;
	struct seen_certs certs;
	struct slot_write slot = pair("server", "web", 1);

	fixture_init(&f);
	ck_assert_ok(store_slots_ours(f.s,
	                              &(struct store_write){ .target = "web",
	                                                     .host = "h1",
	                                                     .path = "/etc/ks.p12",
	                                                     .slots = &slot,
	                                                     .n_slots = 1 },
	                              &f.err),
	             &f.err);
	struct slot_write more = pair("other", "web", 2);
	ck_assert_ok(store_slots_ours(f.s,
	                              &(struct store_write){ .target = "web",
	                                                     .host = "h1",
	                                                     .path = "/etc/ks.p12",
	                                                     .slots = &more,
	                                                     .n_slots = 1 },
	                              &f.err),
	             &f.err);
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert_ptr_nonnull(memory_slot(m, KEY, "server"));
	ck_assert_ptr_nonnull(memory_slot(m, KEY, "other"));
	ck_assert_int_eq(memory_store(m, KEY)->written_at.s, 0);
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

START_TEST(activations_count_since_the_last_proof)
{
	struct fixture f;
	struct seen_certs certs;
	uint8_t sha256[SHA256_BYTES] = { 5 };

	fixture_init(&f);
	written(&f, 1, NULL, 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_ok(store_activated(f.s, KEY, sha256, /* success= */ true, &f.err),
		             &f.err);
	}
	ck_assert_ok(store_activation_proved(f.s, KEY, &f.err), &f.err);
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert_uint_eq(memory_store(m, KEY)->activations, 1);
	fixture_forget(m, &certs);
	written(&f, 2, NULL, 0);
	ck_assert_ok(store_activation_proved(f.s, KEY, &f.err), &f.err);
	m = fixture_memory(&f, &certs);
	ck_assert_uint_eq(memory_store(m, KEY)->activations, 0);
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

START_TEST(activations_count_since_the_last_write)
{
	struct fixture f;
	struct seen_certs certs;
	uint8_t sha256[SHA256_BYTES] = { 5 };

	fixture_init(&f);
	written(&f, 1, NULL, 0);
	ck_assert_ok(store_activated(f.s, KEY, sha256, /* success= */ false, &f.err), &f.err);
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert_uint_eq(memory_store(m, KEY)->activations, 1);
	ck_assert_int_eq(memory_store(m, KEY)->activated_at.s, 0);
	fixture_forget(m, &certs);
	clock_manual_advance(&f.clock, 5);
	ck_assert_ok(store_activated(f.s, KEY, sha256, /* success= */ true, &f.err), &f.err);
	m = fixture_memory(&f, &certs);
	ck_assert_uint_eq(memory_store(m, KEY)->activations, 2);
	ck_assert_int_eq(memory_store(m, KEY)->activated_at.s, T0.s + 5);
	ck_assert_int_eq(memory_store(m, KEY)->activated[0], 5);
	fixture_forget(m, &certs);
	written(&f, 2, NULL, 0);
	m = fixture_memory(&f, &certs);
	ck_assert_uint_eq(memory_store(m, KEY)->activations, 0);
	ck_assert_int_eq(memory_store(m, KEY)->activated[0], 5);
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

START_TEST(a_back_off_is_kept_until_success_or_release)
{
	struct fixture f;
	struct seen_certs certs;
	struct backoff b = { .failures = 3,
		             .same = 2,
		             .last_at = T0,
		             .next_at = { T0.s + 60 },
		             .error = "the host is silent",
		             .held = true };

	fixture_init(&f);
	b.inputs[31] = 8;
	ck_assert_ok(store_failed(f.s, "push:pdu@fe80::1:/flash/cert", &b, &f.err), &f.err);
	ck_assert_ok(store_failed(f.s, "issue:web", &b, &f.err), &f.err);
	ck_assert_ok(store_failed(f.s, "crl:corp", &b, &f.err), &f.err);
	ck_assert_ok(store_hold(f.s, "pdu@fe80::1:/flash/cert", 4, &f.err), &f.err);
	fixture_reopen(&f);
	struct memory *m = fixture_memory(&f, &certs);
	const struct store_memory *sm = memory_store(m, "pdu@fe80::1:/flash/cert");
	ck_assert_str_eq(sm->host, "fe80::1");
	ck_assert_str_eq(sm->path, "/flash/cert");
	ck_assert_uint_eq(sm->push->failures, 3);
	ck_assert_uint_eq(sm->push->same, 2);
	ck_assert_int_eq(sm->push->next_at.s, T0.s + 60);
	ck_assert_int_eq(sm->push->inputs[31], 8);
	ck_assert_str_eq(sm->push->error, "the host is silent");
	ck_assert(sm->push->held);
	ck_assert_int_eq(sm->hold_revision, 4);
	ck_assert_uint_eq(memory_identity(m, "web")->issue->failures, 3);
	fixture_forget(m, &certs);
	ck_assert_ok(store_succeeded(f.s, "issue:web", &f.err), &f.err);
	ck_assert_ok(store_release(f.s, "push:pdu@fe80::1:/flash/cert", &f.err), &f.err);
	m = fixture_memory(&f, &certs);
	ck_assert_ptr_null(memory_identity(m, "web")->issue);
	sm = memory_store(m, "pdu@fe80::1:/flash/cert");
	ck_assert_ptr_null(sm->push);
	ck_assert_int_eq(sm->hold_revision, 0);
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

START_TEST(suspensions_are_lifted_by_name_or_all_at_once)
{
	struct fixture f;
	struct seen_certs certs;
	struct suspension a = { .kind = "Target", .name = "web@h1", .reason = "fair", .until = T0 };
	struct suspension b = { .kind = "Certificate", .name = "web", .reason = "", .until = T0 };

	fixture_init(&f);
	ck_assert_ok(store_suspend(f.s, &a, &f.err), &f.err);
	a.reason = "longer";
	ck_assert_ok(store_suspend(f.s, &a, &f.err), &f.err);
	ck_assert_ok(store_suspend(f.s, &b, &f.err), &f.err);
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert_uint_eq(m->n_suspensions, 2);
	ck_assert_str_eq(m->suspensions[0].kind, "Certificate");
	ck_assert_str_eq(m->suspensions[1].reason, "longer");
	fixture_forget(m, &certs);
	ck_assert_int_eq(store_resume(f.s, "Target", "other", &f.err), ERR_NOT_FOUND);
	err_clear(&f.err);
	ck_assert_ok(store_resume(f.s, "Target", "web@h1", &f.err), &f.err);
	ck_assert_ok(store_resume(f.s, NULL, NULL, &f.err), &f.err);
	m = fixture_memory(&f, &certs);
	ck_assert_uint_eq(m->n_suspensions, 0);
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

START_TEST(requests_are_taken_in_order_and_done_once)
{
	struct fixture f;
	struct request_row *rows = NULL;
	size_t n = 0;

	fixture_init(&f);
	ck_assert_ok(store_request_add(f.s, "renew", "b", NULL, &f.err), &f.err);
	ck_assert_ok(store_request_add(f.s, "revoke", "a", "{\"reason\":1}", &f.err), &f.err);
	ck_assert_int_eq(store_request_add(f.s, "push", "a", "{", &f.err), ERR_INVALID);
	err_clear(&f.err);
	fixture_reopen(&f);
	ck_assert_ok(store_requests_open(f.s, &f.arena, &rows, &n, &f.err), &f.err);
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(rows[0].name, "b");
	ck_assert_str_eq(rows[0].args, "{}");
	ck_assert_str_eq(rows[1].args, "{\"reason\":1}");
	ck_assert_int_eq(rows[1].at.s, T0.s);
	ck_assert_ok(store_request_done(f.s, rows[0].id, "done", &f.err), &f.err);
	ck_assert_int_eq(store_request_done(f.s, rows[0].id, "done", &f.err), ERR_NOT_FOUND);
	err_clear(&f.err);
	ck_assert_ok(store_requests_open(f.s, &f.arena, &rows, &n, &f.err), &f.err);
	ck_assert_uint_eq(n, 1);
	fixture_release(&f);
}
END_TEST

START_TEST(what_came_of_requests_is_told_newest_first)
{
	struct request_row *rows = NULL;
	struct fixture f;
	size_t n = 0;

	fixture_init(&f);
	ck_assert_ok(store_request_add(f.s, "renew", "b", NULL, &f.err), &f.err);
	ck_assert_ok(store_request_add(f.s, "push", "a", NULL, &f.err), &f.err);
	ck_assert_ok(store_requests_open(f.s, &f.arena, &rows, &n, &f.err), &f.err);
	clock_manual_advance(&f.clock, 5);
	ck_assert_ok(store_request_done(f.s, rows[0].id, "asked for", &f.err), &f.err);
	ck_assert_ok(store_requests_recent(f.s, 10, &f.arena, &rows, &n, &f.err), &f.err);
	ck_assert_uint_eq(n, 2);
	ck_assert_str_eq(rows[0].verb, "push");
	ck_assert_int_eq(rows[0].done_at.s, 0);
	ck_assert_str_eq(rows[0].result, "");
	ck_assert_int_eq(rows[1].done_at.s, T0.s + 5);
	ck_assert_str_eq(rows[1].result, "asked for");
	ck_assert_ok(store_requests_recent(f.s, 1, &f.arena, &rows, &n, &f.err), &f.err);
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(rows[0].verb, "push");
	fixture_release(&f);
}
END_TEST

START_TEST(a_slot_is_found_although_its_path_and_alias_hold_the_separator)
{
	struct fixture f;
	struct seen_certs certs;
	struct slot_write one = pair("b#c", "one", 1);
	struct slot_write two = pair("c", "two", 2);

	fixture_init(&f);
	ck_assert_ok(store_slots_ours(f.s,
	                              &(struct store_write){ .target = "t",
	                                                     .host = "h",
	                                                     .path = "/a",
	                                                     .slots = &one,
	                                                     .n_slots = 1 },
	                              &f.err),
	             &f.err);
	ck_assert_ok(store_slots_ours(f.s,
	                              &(struct store_write){ .target = "t",
	                                                     .host = "h",
	                                                     .path = "/a#b",
	                                                     .slots = &two,
	                                                     .n_slots = 1 },
	                              &f.err),
	             &f.err);
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert_str_eq(memory_slot(m, "t@h:/a", "b#c")->identity, "one");
	ck_assert_str_eq(memory_slot(m, "t@h:/a#b", "c")->identity, "two");
	ck_assert_ptr_null(memory_slot(m, "t@h:/a", "c"));
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

START_TEST(an_empty_memory_knows_nothing_and_can_be_asked)
{
	CLEANUP(arena_release) struct arena arena = { 0 };
	struct seen_certs certs;
	struct memory *m = NULL;
	struct err err = { 0 };

	seen_certs_init(&certs, &arena);
	ck_assert_ok(memory_empty(&arena, &certs, &m, &err), &err);
	ck_assert_ptr_null(memory_identity(m, "web"));
	ck_assert_ptr_null(memory_store(m, KEY));
	ck_assert_ptr_null(memory_slot(m, KEY, "a"));
	ck_assert_ptr_null(memory_issuer(m, "ca"));
	ck_assert_ok(memory_index(m, &err), &err);
	ck_assert_ptr_null(memory_slot(m, KEY, "a"));
	memory_release(m);
	seen_certs_release(&certs);
}
END_TEST

START_TEST(the_journal_shows_what_a_crash_interrupted)
{
	struct fixture f;
	struct journal_entry *v = NULL;
	struct seen_certs certs;
	size_t n = 0;
	int64_t one = 0;
	int64_t two = 0;

	fixture_init(&f);
	ck_assert_ok(journal_intent(f.s, "p1", "push:web", "push web", &one, &f.err), &f.err);
	clock_manual_advance(&f.clock, 10);
	ck_assert_ok(journal_intent(f.s, "p1", "push:db", NULL, &two, &f.err), &f.err);
	ck_assert_ok(journal_outcome(f.s, one, ERR_NET, "silence", &f.err), &f.err);
	ck_assert_int_eq(journal_outcome(f.s, 999, ERR_OK, NULL, &f.err), ERR_NOT_FOUND);
	err_clear(&f.err);
	fixture_reopen(&f);
	ck_assert_ok(journal_open_intents(f.s, &f.arena, &v, &n, &f.err), &f.err);
	ck_assert_uint_eq(n, 1);
	ck_assert_int_eq(v[0].seq, two);
	ck_assert(!v[0].done);
	ck_assert_ok(journal_recent(f.s, 10, &f.arena, &v, &n, &f.err), &f.err);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(v[0].seq, two);
	ck_assert(v[1].done);
	ck_assert_int_eq(v[1].outcome, ERR_NET);
	ck_assert_str_eq(v[1].error, "silence");
	ck_assert_str_eq(v[1].detail, "push web");
	ck_assert_ok(journal_recent(f.s, 1, &f.arena, &v, &n, &f.err), &f.err);
	ck_assert_uint_eq(n, 1);
	struct memory *m = fixture_memory(&f, &certs);
	ck_assert_int_eq(m->newest_journal.s, T0.s + 10);
	fixture_forget(m, &certs);
	fixture_release(&f);
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("delivery");

	tcase_add_test(tc, what_was_written_is_ours_until_something_else_is);
	tcase_add_test(tc, the_owner_found_is_kept_until_the_next_write);
	tcase_add_test(tc, an_anchor_keeps_the_date_it_first_came_and_first_left);
	tcase_add_test(tc, an_anchor_that_is_another_certificate_writes_nothing);
	tcase_add_test(tc, slots_found_right_are_ours_without_having_been_written);
	tcase_add_test(tc, activations_count_since_the_last_write);
	tcase_add_test(tc, activations_count_since_the_last_proof);
	tcase_add_test(tc, a_back_off_is_kept_until_success_or_release);
	tcase_add_test(tc, suspensions_are_lifted_by_name_or_all_at_once);
	tcase_add_test(tc, requests_are_taken_in_order_and_done_once);
	tcase_add_test(tc, what_came_of_requests_is_told_newest_first);
	tcase_add_test(tc, a_slot_is_found_although_its_path_and_alias_hold_the_separator);
	tcase_add_test(tc, an_empty_memory_knows_nothing_and_can_be_asked);
	tcase_add_test(tc, the_journal_shows_what_a_crash_interrupted);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("state/store_delivery", build)
