/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * expect.c - what must be so. Everything is compared as text, so that a failure shows both sides.
 */
#include <stdio.h>

#include "reconciler/base/str.h"
#include "reconciler/base/when.h"
#include "tests/scenario/script.h"

static const struct plan *plan_of(const struct stage *st)
{
	return st->lab.has_pass ? st->lab.pass.plan : NULL;
}

static bool same(const struct statement *s, const char *want, const char *got)
{
	return str_equal(want, got) || say_failed(s, "wanted %s\n    got    %s", want, got);
}

/* The words behind the n-th and the body, blanks folded: "a; b; c". */
static const char *rest(struct stage *st, const struct statement *s, size_t n)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	bool blank = false;

	buf_init(&out, (size_t)1 << 16);
	for (size_t i = n; i < s->n; i++) {
		buf_printf(&out, "%s%s", out.len == 0 ? "" : " ", s->v[i]);
	}
	for (const char *p = s->body; *p != '\0'; p++) {
		if (*p == ' ' || *p == '\t' || *p == '\n') {
			blank = true;
			continue;
		}
		if (blank || p == s->body) {
			buf_add_str(&out, out.len == 0 ? "" : " ");
			blank = false;
		}
		buf_add_byte(&out, (uint8_t)*p);
	}
	return arena_str(&st->arena, buf_str(&out));
}

static bool expect_plan(struct stage *st, const struct statement *s)
{
	CLEANUP(buf_release) struct buf got = { 0 };
	const struct plan *p = plan_of(st);

	buf_init(&got, (size_t)1 << 16);
	if (p == NULL) {
		return say_failed(s, "there is no plan: %s", st->lab.error);
	}
	for (size_t i = 0; i < p->n_actions; i++) {
		buf_add_str(&got, i == 0 ? "" : "; ");
		lab_action_text(&p->actions[i], &got);
	}
	return same(s, rest(st, s, 2), got.len == 0 ? "(nothing)" : buf_str(&got));
}

static bool expect_done(struct stage *st, const struct statement *s)
{
	const struct buf *done = &st->lab.done;

	return same(s, rest(st, s, 2), done->len == 0 ? "(nothing)" : buf_str(done));
}

static bool row_is(const char *row, const char *want)
{
	return row != NULL && str_equal(row, want);
}

static bool plan_has_row(const struct plan *p, const char *row)
{
	bool has = false;

	for (size_t i = 0; i < p->n_actions; i++) {
		has = has || row_is(p->actions[i].row, row);
		for (size_t k = 0; k < p->actions[i].n_reasons; k++) {
			has = has || row_is(p->actions[i].reasons[k].row, row);
		}
	}
	for (size_t i = 0; i < p->n_conflicts; i++) {
		has = has || row_is(p->conflicts[i].row, row);
	}
	for (size_t i = 0; i < p->n_waitings; i++) {
		has = has || row_is(p->waitings[i].row, row);
	}
	for (size_t i = 0; i < p->n_unobserved; i++) {
		has = has || row_is(p->unobserved[i].row, row);
	}
	for (size_t i = 0; i < p->n_drifts; i++) {
		has = has || row_is(p->drifts[i].row, row);
	}
	for (size_t i = 0; i < p->n_verdicts; i++) {
		has = has || row_is(p->verdicts[i].row, row);
	}
	return has;
}

static bool expect_row(struct stage *st, const struct statement *s)
{
	const struct plan *p = plan_of(st);

	for (size_t i = 2; i < s->n; i++) {
		if (p == NULL || !plan_has_row(p, s->v[i])) {
			return say_failed(s, "row %s of the tables led to nothing", s->v[i]);
		}
	}
	return s->n > 2;
}

static bool expect_reason(struct stage *st, const struct statement *s)
{
	const struct plan *p = plan_of(st);

	for (size_t i = 0; p != NULL && i < p->n_actions; i++) {
		for (size_t k = 0; k < p->actions[i].n_reasons; k++) {
			if (str_equal(p->actions[i].reasons[k].code, s->v[2])) {
				return true;
			}
		}
	}
	return say_failed(s, "no action has that reason");
}

static void add_report(struct buf *out, enum kind kind, const char *name, const char *host,
                       const char *word)
{
	buf_printf(out, "%s%s/%s", out->len == 0 ? "" : "; ", kind_name(kind), name);
	if (host != NULL) {
		buf_printf(out, "@%s", host);
	}
	buf_printf(out, " %s", word);
}

static bool has_report(const char *all, const char *want)
{
	size_t n = strlen(want);

	for (const char *p = strstr(all, want); p != NULL; p = strstr(p + 1, want)) {
		if ((p == all || p[-1] == ' ') && (p[n] == '\0' || p[n] == ';' || p[n] == ' ')) {
			return true;
		}
	}
	return false;
}

static void list_reports(const struct plan *p, const char *which, struct buf *out)
{
	for (size_t i = 0; str_equal(which, "waiting") && i < p->n_waitings; i++) {
		const struct waiting *x = &p->waitings[i];
		add_report(out, x->object_kind, x->name, x->host, x->what_for);
	}
	for (size_t i = 0; str_equal(which, "conflict") && i < p->n_conflicts; i++) {
		const struct conflict *x = &p->conflicts[i];
		add_report(out, x->object_kind, x->name, x->host, x->code);
	}
	for (size_t i = 0; str_equal(which, "unobserved") && i < p->n_unobserved; i++) {
		const struct unobserved *x = &p->unobserved[i];
		add_report(out, x->object_kind, x->name, x->host, x->code);
	}
	for (size_t i = 0; str_equal(which, "drift") && i < p->n_drifts; i++) {
		const struct drift *x = &p->drifts[i];
		add_report(out, x->object_kind, x->name, x->host, x->verdict);
	}
	for (size_t i = 0; str_equal(which, "verdict") && i < p->n_verdicts; i++) {
		const struct verdict *x = &p->verdicts[i];
		add_report(out, x->object_kind, x->name, x->host, x->word);
	}
	for (size_t i = 0; str_equal(which, "old") && i < p->n_verdicts; i++) {
		const struct verdict *x = &p->verdicts[i];
		for (size_t k = 0; k < x->n_old_servers; k++) {
			add_report(out, x->object_kind, x->name, x->host, x->old_servers[k]->key);
		}
	}
}

/* expect waiting|conflict|unobserved|drift|verdict|old Kind/name[@host] [WORD] | nothing */
static bool expect_report(struct stage *st, const struct statement *s)
{
	CLEANUP(buf_release) struct buf got = { 0 };
	const struct plan *p = plan_of(st);

	buf_init(&got, (size_t)1 << 18);
	if (p == NULL) {
		return say_failed(s, "there is no plan: %s", st->lab.error);
	}
	list_reports(p, s->v[1], &got);
	const char *want = rest(st, s, 2);
	if (str_equal(want, "nothing")) {
		return got.len == 0 || say_failed(s, "got %s", buf_str(&got));
	}
	return has_report(buf_str(&got), want) ||
	       say_failed(s, "got %s", got.len == 0 ? "nothing" : buf_str(&got));
}

static bool expect_wake(struct stage *st, const struct statement *s)
{
	const struct plan *p = plan_of(st);
	char got[WHEN_TEXT_MAX] = "never";
	struct wall from = { 0 };
	struct wall until = { 0 };

	if (p == NULL || s->n < 3) {
		return say_failed(s, "there is no plan, or no time");
	}
	if (p->wake.s != 0) {
		when_format(p->wake, got);
	}
	if (s->n == 5 && str_equal(s->v[3], "to") && when_parse(s->v[2], &from) &&
	    when_parse(s->v[4], &until)) {
		return (p->wake.s >= from.s && p->wake.s <= until.s) ||
		       say_failed(s, "got %s", got);
	}
	return same(s, s->v[2], got);
}

static bool expect_exit(struct stage *st, const struct statement *s)
{
	char got[16];

	(void)snprintf(got, sizeof(got), "%d", st->lab.status);
	return same(s, s->n == 3 ? s->v[2] : "", got);
}

static bool expect_error(struct stage *st, const struct statement *s)
{
	const char *want = rest(st, s, 2);

	if (str_equal(want, "none")) {
		return same(s, "", st->lab.error);
	}
	return strstr(st->lab.error, want) != NULL || say_failed(s, "got '%s'", st->lab.error);
}

/* expect served HOST/NAME = web#1 */
static bool expect_served(struct stage *st, const struct statement *s)
{
	const struct server *x = server_named(st, s, s->n == 5 ? s->v[2] : NULL);

	return x != NULL && same(s, s->v[4], server_serves(st->lab.world, x));
}

/* expect stored HOST PATH [password=WORD] = ENTRIES */
static bool expect_stored(struct stage *st, const struct statement *s)
{
	CLEANUP(buf_release) struct buf got = { 0 };
	size_t eq = 2;

	buf_init(&got, (size_t)1 << 16);
	while (eq < s->n && !str_equal(s->v[eq], "=")) {
		eq++;
	}
	if (eq < 4 || eq == s->n) {
		return say_failed(s, "expect stored HOST PATH [password=WORD] = ENTRIES");
	}
	world_describe_store(st->lab.world, s->v[2], s->v[3], word_value(s, "password"), &got);
	return same(s, rest(st, s, eq + 1), buf_str(&got));
}

static bool expect_issued(struct stage *st, const struct statement *s)
{
	char got[16];
	size_t n =
		s->n == 4 ? names_issued_for(st->lab.world, s->v[2]) : names_issued(st->lab.world);

	(void)snprintf(got, sizeof(got), "%zu", n);
	return same(s, s->v[s->n - 1], got);
}

static bool expect_untouched(struct stage *st, const struct statement *s)
{
	for (size_t i = st->n_remembered; s->n == 4 && i > 0; i--) {
		const struct remembered *r = &st->remembered[i - 1];
		if (str_equal(r->host, s->v[2]) && str_equal(r->path, s->v[3])) {
			const struct vfile *f = world_file(st->lab.world, r->host, r->path);
			return f->writes == r->writes ||
			       say_failed(s, "it was written %u times since",
			                  f->writes - r->writes);
		}
	}
	return say_failed(s, "remember it first");
}

static bool expect_mode(struct stage *st, const struct statement *s)
{
	const struct vfile *f = s->n == 5 ? world_file(st->lab.world, s->v[2], s->v[3]) : NULL;
	char got[16] = "none";

	if (f != NULL) {
		(void)snprintf(got, sizeof(got), "%04o", f->mode);
	}
	return same(s, s->v[s->n - 1], got);
}

static bool expect_text(struct stage *st, const struct statement *s)
{
	const struct vfile *f = s->n == 4 ? world_file(st->lab.world, s->v[2], s->v[3]) : NULL;

	if (f == NULL || !f->exists) {
		return say_failed(s, "there is no such file");
	}
	const char *got = arena_strn(&st->arena, (const char *)f->data, f->n);
	return same(s, s->body, got);
}

static bool expect_commands(struct stage *st, const struct statement *s)
{
	char got[16];

	if (s->n != 4) {
		return say_failed(s, "expect commands HOST N");
	}
	(void)snprintf(got, sizeof(got), "%u", world_host(st->lab.world, s->v[2])->commands);
	return same(s, s->v[3], got);
}

static bool expect_armed(struct stage *st, const struct statement *s)
{
	return world_is_armed(st->lab.world) || say_failed(s, "some peers never had a handshake");
}

/* expect key HOST/NAME same|new */
static bool expect_key(struct stage *st, const struct statement *s)
{
	const struct server *x = server_named(st, s, s->n == 4 ? s->v[2] : NULL);
	const struct cert *leaf = x == NULL ? NULL : server_leaf(x, &st->arena);
	bool kept = leaf != NULL && memcmp(leaf->spki_sha256, st->key, sizeof(st->key)) == 0;

	return leaf != NULL && same(s, s->v[3], kept ? "same" : "new");
}

static const struct {
	const char *word;
	act *act;
} acts[] = {
	{ "plan:", expect_plan },
	{ "done:", expect_done },
	{ "row", expect_row },
	{ "reason", expect_reason },
	{ "waiting", expect_report },
	{ "conflict", expect_report },
	{ "unobserved", expect_report },
	{ "drift", expect_report },
	{ "old", expect_report },
	{ "verdict", expect_report },
	{ "wake", expect_wake },
	{ "exit", expect_exit },
	{ "error", expect_error },
	{ "served", expect_served },
	{ "stored", expect_stored },
	{ "issued", expect_issued },
	{ "untouched", expect_untouched },
	{ "mode", expect_mode },
	{ "text", expect_text },
	{ "commands", expect_commands },
	{ "armed", expect_armed },
	{ "key", expect_key },
};

bool expect(struct stage *st, const struct statement *s)
{
	for (size_t i = 0; s->n > 1 && i < ARRAY_LEN(acts); i++) {
		if (str_equal(s->v[1], acts[i].word)) {
			return acts[i].act(st, s);
		}
	}
	return say_failed(s, "expect what?");
}
