/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_discover.c - ranges, batches, guessing, resuming and the YAML of a scan, over a prober that
 * answers from a table.
 */
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/engine/discover.h"
#include "reconciler/pki/pki.h"
#include "state/probe/probe.h"
#include "tests/unit/pki/judge.h"
#include "tests/unit/unit.h"

static const struct wall now = { 1800000000 };
static struct arena arena;
static struct seen_certs certs;
static struct err err;
static struct made root, leaf;
static struct clock_manual clock_now;

static void setup(void)
{
	static const char *const names[] = { "web.example.com" };
	struct str_list dns = { names, 1 };
	struct key_spec p256 = { KEY_ECDSA, 256 };
	struct cert_spec root_spec = made_ca("Root # \"x\"", p256);
	struct cert_spec leaf_spec = made_leaf(&dns, p256);

	pki_init(&clock_system);
	arena_init(&arena);
	seen_certs_init(&certs, &arena);
	err_clear(&err);
	clock_manual_init(&clock_now, now);
	made_init(&root, &root_spec, /* issuer= */ NULL);
	made_init(&leaf, &leaf_spec, &root);
}

static void teardown(void)
{
	made_release(&root);
	made_release(&leaf);
	seen_certs_release(&certs);
	arena_release(&arena);
}

static void places_of(const char *range, const char *port, struct discovery *d)
{
	static const char *const exclude[] = { "10.0.0.6/31" };
	struct place_spec spec = { .ranges = &range,
		                   .n_ranges = 1,
		                   .ports = &port,
		                   .n_ports = 1,
		                   .exclude = exclude,
		                   .n_exclude = 1 };

	ck_assert_ok(places_expand(&spec, &arena, &d->places, &d->n_places, &err), &err);
}

/* 10.0.0.1: a certificate. .2: speaks IMAP only. .3: refuses. .4: silent. .5: a TLS alert. .8 takes
 * connections and is silent, .9 but to TDS. */
struct table_prober {
	struct prober base;
	size_t asked, guessed_at_5, smtp_at_587, asked_8;
};

static enum err_code table_probe(struct prober *p, const struct look_endpoint *looks, size_t n,
                                 struct observed *o, struct obs_endpoint *ret, struct err *e)
{
	struct table_prober *t = CONTAINER_OF(p, struct table_prober, base);

	for (size_t i = 0; i < n; i++) {
		const struct look_endpoint *l = &looks[i];
		char which = l->host[strlen(l->host) - 1];
		bool tls = which == '1' || (which == '2' && l->starttls != NULL &&
		                            strcmp(l->starttls, "imap") == 0);

		t->asked++;
		t->smtp_at_587 +=
			l->port == 587 && l->starttls != NULL && !strcmp(l->starttls, "smtp");
		t->guessed_at_5 += which == '5' && l->starttls != NULL ? 1 : 0;
		t->asked_8 += which == '8' ? 1 : 0;
		ret[i] = (struct obs_endpoint){ .key = l->key, .status = ENDPOINT_NO_TLS };
		ret[i].error = which == '5' ? "TLS alert 40" : "* OK IMAP4rev1";
		ret[i].status = which == '3'   ? ENDPOINT_REFUSED
		                : which == '4' ? ENDPOINT_UNREACHABLE
		                               : ENDPOINT_NO_TLS;
		if (which >= '8') {
			ret[i].status = ENDPOINT_UNREACHABLE;
			ret[i].error = PROBE_SILENT;
			tls = which == '9' && l->starttls != NULL && !strcmp(l->starttls, "mssql");
		}
		if (tls) {
			const struct seen_cert **v =
				ARENA_ARRAY(o->arena, const struct seen_cert *, 1);
			enum err_code rc = seen_cert_add(o->certs, leaf.cert->der, &v[0], e);

			ck_assert_int_eq(rc, ERR_OK);
			ret[i].status = ENDPOINT_OK;
			ret[i].error = NULL;
			ret[i].served = (struct seen_chain){ .v = v, .n = 1 };
		}
	}
	return ERR_OK;
}

static struct discovery scan_of(struct table_prober *t, bool guess)
{
	struct discovery d = { .arena = &arena, .certs = &certs };
	struct discover_scan s = {
		.prober = &t->base, .clock = &clock_now.clock, .batch = 2, .guess = guess
	};

	t->base.probe = table_probe;
	places_of("10.0.0.0/29", "4000", &d);
	ck_assert_ok(discover_run(&s, &d, &err), &err);
	return d;
}

START_TEST(what_answers_is_kept_and_the_rest_is_counted)
{
	struct table_prober t = { .asked = 0 };
	struct discovery d = scan_of(&t, /* guess= */ false);

	ck_assert_uint_eq(d.done, d.n_places);
	ck_assert_uint_eq(d.found.n, 4); /* .0, .1, .2 and .5 */
	ck_assert_uint_eq(d.refused, 1);
	ck_assert_uint_eq(d.silent, 1);
	ck_assert_int_eq(d.found.v[1].status, ENDPOINT_OK);
	ck_assert_int_eq(d.found.v[2].status, ENDPOINT_NO_TLS);
}
END_TEST

START_TEST(a_port_tells_what_is_spoken_there)
{
	struct table_prober t = { .base.probe = table_probe };
	struct discovery d = { .arena = &arena, .certs = &certs };
	struct discover_scan s = { .prober = &t.base, .clock = &clock_now.clock };

	places_of("10.0.0.1", "587", &d);
	ck_assert_ok(discover_run(&s, &d, &err), &err);
	ck_assert_uint_eq(t.smtp_at_587, 1);
	ck_assert_str_eq(d.found.v[0].starttls, "smtp");
}
END_TEST

START_TEST(where_no_tls_answers_another_protocol_is_tried)
{
	struct table_prober t = { .asked = 0 };
	struct discovery d = scan_of(&t, /* guess= */ true);
	size_t imap = 0;

	for (size_t i = 0; i < d.found.n; i++) {
		const struct found *f = &d.found.v[i];

		imap += f->starttls != NULL && strcmp(f->starttls, "imap") == 0 ? 1 : 0;
	}
	ck_assert_uint_eq(imap, 1);
	ck_assert_uint_eq(t.guessed_at_5, 0);
	ck_assert_uint_eq(d.found.n, 4);
}
END_TEST

START_TEST(who_waits_in_silence_is_asked_for_tds_and_nothing_else)
{
	struct table_prober t = { .base.probe = table_probe };
	struct discovery d = { .arena = &arena, .certs = &certs };
	struct discover_scan s = { .prober = &t.base, .clock = &clock_now.clock, .guess = true };

	places_of("10.0.0.8/31", "4000", &d);
	ck_assert_ok(discover_run(&s, &d, &err), &err);
	ck_assert_uint_eq(t.asked, 4);
	ck_assert_uint_eq(t.asked_8, 2);
	ck_assert_uint_eq(d.silent, 1);
	ck_assert_uint_eq(d.found.n, 1);
	ck_assert_int_eq(d.found.v[0].status, ENDPOINT_OK);
	ck_assert_str_eq(d.found.v[0].starttls, "mssql");
}
END_TEST

static enum err_code nameless_probe(struct prober *p, const struct look_endpoint *looks, size_t n,
                                    struct observed *o, struct obs_endpoint *ret, struct err *e)
{
	(void)p;
	(void)o;
	(void)e;
	for (size_t i = 0; i < n; i++) {
		ret[i] = (struct obs_endpoint){ .key = looks[i].key,
			                        .status = ENDPOINT_UNREACHABLE,
			                        .error = "look up 'a': Name or service not known" };
	}
	return ERR_OK;
}

START_TEST(a_name_that_nobody_knows_is_told_and_not_called_silent)
{
	static const char *const ranges[] = { "pdu[1-2].example" };
	static const char *const ports[] = { "443", "8443" };
	const struct place_spec spec = {
		.ranges = ranges, .n_ranges = 1, .ports = ports, .n_ports = 2
	};
	struct prober prober = { .probe = nameless_probe };
	struct discovery d = { .arena = &arena, .certs = &certs };
	struct discover_scan s = { .prober = &prober, .clock = &clock_now.clock, .batch = 3 };
	struct judge_by by = { .purpose = CHAIN_SERVER, .now = now };
	CLEANUP(buf_release) struct buf file = { 0 };
	CLEANUP(buf_release) struct buf text = { 0 };

	buf_init(&file, 1 << 20);
	buf_init(&text, 1 << 20);
	ck_assert_ok(places_expand(&spec, &arena, &d.places, &d.n_places, &err), &err);
	ck_assert_ok(discover_run(&s, &d, &err), &err);
	ck_assert_uint_eq(discover_unresolved(&d), 2);
	ck_assert_uint_eq(d.silent, 0);
	discover_record(&d, 0, &file);
	struct discovery again = {
		.arena = &arena, .certs = &certs, .places = d.places, .n_places = d.n_places
	};
	ck_assert_ok(discover_resume(&again, buf_view(&file), &err), &err);
	discover_judge(&again, &by);
	discover_render_text(&again, now, &text);
	ck_assert_ptr_nonnull(strstr(buf_str(&text), "Name or service not known"));
	ck_assert_ptr_nonnull(strstr(buf_str(&text), "0 listen without TLS"));
	ck_assert_ptr_nonnull(strstr(buf_str(&text), "2 names could not be looked up"));
	buf_reset(&text);
	discover_render_html(&again, now, &text);
	ck_assert_ptr_nonnull(strstr(buf_str(&text), "<td>pdu1.example</td>"));
	discover_render_jsonl(&again, &text);
	ck_assert_ptr_nonnull(strstr(buf_str(&text), "\"unreachable\""));
}
END_TEST

START_TEST(a_kill_costs_ten_seconds_of_a_slow_scan)
{
	ck_assert_uint_eq(discover_batch(0), 4096);
	ck_assert_uint_eq(discover_batch(100000), 4096);
	ck_assert_uint_eq(discover_batch(20), 200);
	ck_assert_uint_eq(discover_batch(1), 64);
}
END_TEST

START_TEST(a_scan_goes_on_where_its_file_ends)
{
	struct table_prober t = { .asked = 0 };
	struct discovery whole = scan_of(&t, /* guess= */ false);
	struct discovery again = {
		.arena = &arena, .certs = &certs, .places = whole.places, .n_places = whole.n_places
	};
	struct discovery other = again;
	struct discover_scan s = { .prober = &t.base, .clock = &clock_now.clock };
	CLEANUP(buf_release) struct buf file = { 0 };

	buf_init(&file, 1 << 20);
	whole.done = 3;
	discover_record(&whole, 0, &file);
	size_t sure = file.len;
	buf_add_str(&file, "{\"place\": 4, \"status\":"); /* torn */
	ck_assert_ok(discover_resume(&again, buf_view(&file), &err), &err);
	ck_assert_uint_eq(again.done, 3);
	ck_assert_uint_eq(again.found.n, whole.found.n);
	ck_assert_ptr_eq(again.found.v[1].served.v[0], whole.found.v[1].served.v[0]);
	t.asked = 0;
	ck_assert_ok(discover_run(&s, &again, &err), &err);
	ck_assert_uint_eq(t.asked, whole.n_places - 3);
	other.n_places--;
	ck_assert_int_eq(discover_resume(&other, bytes_of(file.p, sure), &err), ERR_CONFLICT);
	err_clear(&err);
	ck_assert_int_eq(discover_resume(&again, bytes_of_str("nonsense\n"), &err), ERR_INVALID);
}
END_TEST

START_TEST(a_later_scan_tells_what_is_new_and_what_is_gone)
{
	struct table_prober t = { .asked = 0 };
	struct discovery before = scan_of(&t, /* guess= */ false);
	struct discovery after = scan_of(&t, /* guess= */ true);
	struct wall then = { now.s - 60 };
	struct buf text;

	buf_init(&text, 1 << 20);
	ck_assert_ok(discover_compare(&after, &before, then, &err), &err);
	discover_judge(&after, &(struct judge_by){ .now = now, .any_anchor = true });
	discover_render_text(&after, now, &text);
	ck_assert_ptr_nonnull(strstr(buf_str(&text), ": 1 new, 0 changed, 0 gone"));
	buf_reset(&text);
	after.n_gone = 0;
	ck_assert_ok(discover_compare(&before, &after, then, &err), &err);
	ck_assert_uint_eq(before.n_gone, 1);
	ck_assert_str_eq(before.gone[0]->place->host, "10.0.0.2");
	discover_render_jsonl(&before, &text);
	ck_assert_ptr_nonnull(strstr(buf_str(&text), "\"change\":\"gone\""));
	ck_assert_ptr_nonnull(strstr(buf_str(&text), "\"change\":\"same\""));
	buf_release(&text);
}
END_TEST

START_TEST(a_recorded_scan_is_read_without_its_ranges)
{
	struct table_prober t = { .asked = 0 };
	struct discovery d = scan_of(&t, /* guess= */ true);
	struct discovery again = { .arena = &arena, .certs = &certs };
	struct buf text;

	buf_init(&text, 1 << 20);
	discover_record(&d, 0, &text);
	ck_assert_ok(discover_resume(&again, buf_view(&text), &err), &err);
	ck_assert_uint_eq(again.n_places, d.n_places);
	ck_assert_uint_eq(again.done, d.done);
	ck_assert_uint_eq(again.found.n, d.found.n);
	ck_assert_str_eq(again.found.v[1].place->host, d.found.v[1].place->host);
	ck_assert_int_eq(again.found.v[1].place->port, 4000);
	buf_release(&text);
}
END_TEST

START_TEST(yaml_names_what_was_found_and_nothing_foreign_escapes)
{
	struct table_prober t = { .asked = 0 };
	struct discovery d = scan_of(&t, /* guess= */ true);
	const struct judge_by by = { .any_anchor = true, .now = now };
	const struct discover_file *files = NULL;
	size_t n = 0;
	CLEANUP(buf_release) struct buf page = { 0 };

	discover_judge(&d, &by);
	ck_assert_ok(discover_yaml(&d, now, &files, &n, &err), &err);
	ck_assert_uint_eq(n, 1);
	const char *text = arena_strn(&arena, (const char *)files[0].text.p, files[0].text.n);
	ck_assert_ptr_nonnull(strstr(text, "name: web.example.com-"));
	ck_assert_ptr_nonnull(strstr(text, "host: \"10.0.0.1\"\n        port: 4000\n"
	                                   "        serverName: \"web.example.com\""));
	ck_assert_ptr_nonnull(strstr(text, "starttls: imap"));
	ck_assert_ptr_nonnull(strstr(text, "mode: Monitored"));
	buf_init(&page, 1 << 20);
	discover_render_jsonl(&d, &page);
	ck_assert_ptr_nonnull(strstr(buf_str(&page), "\"sameKeyAs\":\"10.0.0.2:4000 imap\""));
	buf_reset(&page);
	discover_render_text(&d, now, &page);
	ck_assert_ptr_nonnull(strstr(buf_str(&page), "6 of 6 endpoints looked at: 2 certificates"));
	buf_reset(&page);
	discover_render_html(&d, now, &page);
	ck_assert_ptr_nonnull(strstr(buf_str(&page), "Root # \\&#34;x\\&#34;"));
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("discover");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_port_tells_what_is_spoken_there);
	tcase_add_test(tc, what_answers_is_kept_and_the_rest_is_counted);
	tcase_add_test(tc, where_no_tls_answers_another_protocol_is_tried);
	tcase_add_test(tc, who_waits_in_silence_is_asked_for_tds_and_nothing_else);
	tcase_add_test(tc, a_name_that_nobody_knows_is_told_and_not_called_silent);
	tcase_add_test(tc, a_kill_costs_ten_seconds_of_a_slow_scan);
	tcase_add_test(tc, a_scan_goes_on_where_its_file_ends);
	tcase_add_test(tc, a_later_scan_tells_what_is_new_and_what_is_gone);
	tcase_add_test(tc, a_recorded_scan_is_read_without_its_ranges);
	tcase_add_test(tc, yaml_names_what_was_found_and_nothing_foreign_escapes);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("engine/discover", build)
