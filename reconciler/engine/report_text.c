/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * report_text.c - the report for terminals and mails, and as JSON.
 */
#include <stdio.h>
#include <string.h>

#include "reconciler/base/json.h"
#include "reconciler/base/str.h"
#include "reconciler/base/when.h"
#include "reconciler/engine/report.h"

#define BAR_MAX      40
#define OBJECT_WIDTH 40
#define WORD_WIDTH   18

static void put_when(struct buf *out, struct wall t, struct wall now)
{
	char relative[WHEN_TEXT_MAX];
	char at[WHEN_TEXT_MAX];

	when_format_relative(t, now, relative, sizeof(relative));
	when_format_short(t, at);
	buf_printf(out, "%s, %s", relative, at);
}

static void put_tally(struct buf *out, const struct report_tally *t, const char *what)
{
	buf_printf(out, "%zu %s%s: %zu healthy, %zu to look after, %zu unknown\n", t->all, what,
	           t->all == 1 ? "" : "s", t->healthy, t->unhealthy, t->unknown);
}

static void put_verdict(struct buf *out, const struct report *r, const struct verdict *v)
{
	CLEANUP(buf_release) struct buf object = { 0 };

	buf_init(&object, BUF_LIMIT_TEXT);
	verdict_object(v, &object);
	buf_add_str(out, "  ");
	str_pad_terminal(out, buf_str(&object), OBJECT_WIDTH);
	str_pad_terminal(out, v->word, WORD_WIDTH);
	if (v->not_after.s != 0) {
		buf_add_str(out, v->not_after.s < r->now.s ? "expired " : "expires ");
		put_when(out, v->not_after, r->now);
	}
	if (v->message != NULL) {
		buf_add_str(out, v->not_after.s != 0 ? "; " : "");
		str_escape_terminal(out, v->message, strlen(v->message));
	}
	buf_add_byte(out, '\n');
}

static void put_bar(struct buf *out, const char *label, size_t n, size_t most)
{
	size_t bar = most == 0 ? 0 : (n * BAR_MAX + most - 1) / most;

	buf_printf(out, "  %-22s %6zu ", label, n);
	for (size_t i = 0; i < bar; i++) {
		buf_add_byte(out, '#');
	}
	while (out->len > 0 && out->p[out->len - 1] == ' ') {
		out->len--;
		out->p[out->len] = '\0';
	}
	buf_add_byte(out, '\n');
}

static void put_timeline(struct buf *out, const struct report *r)
{
	size_t most = r->expired > r->later ? r->expired : r->later;
	char label[64];

	for (size_t i = 0; i < REPORT_WEEKS; i++) {
		most = r->weeks[i] > most ? r->weeks[i] : most;
	}
	buf_add_str(out, "\nExpiry\n");
	put_bar(out, "expired", r->expired, most);
	for (size_t i = 0; i < REPORT_WEEKS; i++) {
		struct wall from = { r->now.s + (int64_t)i * 7 * REPORT_DAY_S };
		struct civil c = when_civil(from);

		(void)snprintf(label, sizeof(label), "week from %04d-%02d-%02d", c.year, c.month,
		               c.day);
		put_bar(out, label, r->weeks[i], most);
	}
	put_bar(out, "later", r->later, most);
}

static void put_waiting(struct buf *out, const struct plan *p)
{
	for (size_t i = 0; i < p->n_conflicts; i++) {
		const struct conflict *c = &p->conflicts[i];

		buf_printf(out, "%s  %s/%s%s%s  %s: ", i == 0 ? "\nConflicts: decide\n" : "",
		           kind_name(c->object_kind), c->name, c->host == NULL ? "" : "@",
		           c->host == NULL ? "" : c->host, c->code);
		str_escape_terminal(out, c->message, strlen(c->message));
		buf_add_byte(out, '\n');
	}
	for (size_t i = 0; i < p->n_waitings; i++) {
		const struct waiting *w = &p->waitings[i];

		buf_printf(out, "%s  %s/%s%s%s  %s", i == 0 ? "\nWaiting\n" : "",
		           kind_name(w->object_kind), w->name, w->host == NULL ? "" : "@",
		           w->host == NULL ? "" : w->host, w->what_for);
		if (w->message != NULL) {
			buf_add_str(out, ": ");
			str_escape_terminal(out, w->message, strlen(w->message));
		}
		buf_add_byte(out, '\n');
	}
}

static void put_events(struct buf *out, const struct report *r)
{
	for (size_t i = 0; i < r->n_events; i++) {
		const struct journal_entry *e = &r->events[i];
		char at[WHEN_TEXT_MAX];

		when_format_short(e->at, at);
		buf_printf(out, "%s  %s  %-6s ", i == 0 ? "\nThe last day\n" : "", at,
		           !e->done               ? "open"
		           : e->outcome == ERR_OK ? "done"
		                                  : "FAILED");
		str_escape_terminal(out, e->action, strlen(e->action));
		if (e->error != NULL && e->error[0] != '\0') {
			buf_add_str(out, ": ");
			str_escape_terminal(out, e->error, strlen(e->error));
		}
		buf_add_byte(out, '\n');
	}
}

static void put_scans(struct buf *out, const struct report *r)
{
	for (size_t i = 0; i < r->n_scans; i++) {
		const struct scan_tally *y = &r->scans[i];

		buf_add_str(out, i == 0 ? "\nDiscovered\n" : "");
		buf_printf(out,
		           "  %s: %zu certificates at %zu endpoints, %zu to look after; %zu new, "
		           "%zu changed, %zu gone; scanned ",
		           y->name, y->certificates, y->places, y->unhealthy, y->fresh, y->changed,
		           y->gone);
		put_when(out, y->begun, r->now);
		buf_add_byte(out, '\n');
	}
}

void report_render_text(const struct report *r, struct buf *out)
{
	char at[WHEN_TEXT_MAX];

	when_format_short(r->now, at);
	buf_printf(out, "certwright report of %s, commit %.12s, looked ", at, r->plan->commit);
	put_when(out, r->plan->observed_at, r->now);
	buf_add_str(out, "\n\n");
	put_tally(out, &r->certificates, "certificate");
	put_tally(out, &r->targets, "target");
	buf_printf(out, "The last day: %zu done, %zu failed. To do now: %zu.\n", r->done, r->failed,
	           r->plan->n_actions);
	for (size_t i = 0; i < r->n_attention; i++) {
		buf_add_str(out, i == 0 ? "\nTo look after\n" : "");
		put_verdict(out, r, r->attention[i]);
	}
	put_waiting(out, r->plan);
	put_timeline(out, r);
	for (size_t i = 0; i < r->n_expiring; i++) {
		buf_add_str(out, i == 0 ? "\nNext to expire\n" : "");
		put_verdict(out, r, r->expiring[i]);
	}
	put_scans(out, r);
	put_events(out, r);
}

static void json_scans(struct json_writer *w, const struct report *r)
{
	json_key(w, "discoveries");
	json_begin_array(w);
	for (size_t i = 0; i < r->n_scans; i++) {
		const struct scan_tally *y = &r->scans[i];

		json_begin_object(w);
		json_member_str(w, "name", y->name);
		json_member_time(w, "begun", y->begun.s);
		json_member_int(w, "endpoints", (int64_t)y->places);
		json_member_int(w, "certificates", (int64_t)y->certificates);
		json_member_int(w, "unhealthy", (int64_t)y->unhealthy);
		json_member_int(w, "new", (int64_t)y->fresh);
		json_member_int(w, "changed", (int64_t)y->changed);
		json_member_int(w, "gone", (int64_t)y->gone);
		json_end_object(w);
	}
	json_end_array(w);
}

static void json_tally(struct json_writer *w, const char *name, const struct report_tally *t)
{
	json_key(w, name);
	json_begin_object(w);
	json_member_int(w, "all", (int64_t)t->all);
	json_member_int(w, "healthy", (int64_t)t->healthy);
	json_member_int(w, "unhealthy", (int64_t)t->unhealthy);
	json_member_int(w, "unknown", (int64_t)t->unknown);
	json_end_object(w);
}

static void json_verdicts(struct json_writer *w, const char *name, const struct verdict *const *v,
                          size_t n)
{
	json_key(w, name);
	json_begin_array(w);
	for (size_t i = 0; i < n; i++) {
		json_begin_object(w);
		json_member_str(w, "kind", kind_name(v[i]->object_kind));
		json_member_str(w, "name", v[i]->name);
		json_member_str(w, "host", v[i]->host);
		json_member_str(w, "place", v[i]->place);
		json_member_str(w, "verdict", v[i]->word);
		json_member_str(w, "message", v[i]->message);
		json_member_time(w, "notAfter", v[i]->not_after.s);
		json_end_object(w);
	}
	json_end_array(w);
}

static void json_events(struct json_writer *w, const struct report *r)
{
	json_key(w, "events");
	json_begin_array(w);
	for (size_t i = 0; i < r->n_events; i++) {
		const struct journal_entry *e = &r->events[i];

		json_begin_object(w);
		json_member_time(w, "at", e->at.s);
		json_member_str(w, "action", e->action);
		json_member_str(w, "outcome",
		                !e->done               ? "open"
		                : e->outcome == ERR_OK ? "done"
		                                       : "failed");
		json_member_str(w, "error", e->error);
		json_end_object(w);
	}
	json_end_array(w);
}

void report_render_json(const struct report *r, struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out, /* pretty= */ true);
	json_begin_object(&w);
	json_member_time(&w, "at", r->now.s);
	json_member_str(&w, "commit", r->plan->commit);
	json_member_time(&w, "observedAt", r->plan->observed_at.s);
	json_tally(&w, "certificates", &r->certificates);
	json_tally(&w, "targets", &r->targets);
	json_member_int(&w, "toDo", (int64_t)r->plan->n_actions);
	json_member_int(&w, "conflicts", (int64_t)r->plan->n_conflicts);
	json_member_int(&w, "waiting", (int64_t)r->plan->n_waitings);
	json_verdicts(&w, "attention", r->attention, r->n_attention);
	json_key(&w, "expiry");
	json_begin_object(&w);
	json_member_int(&w, "expired", (int64_t)r->expired);
	json_key(&w, "weeks");
	json_begin_array(&w);
	for (size_t i = 0; i < REPORT_WEEKS; i++) {
		json_int(&w, (int64_t)r->weeks[i]);
	}
	json_end_array(&w);
	json_member_int(&w, "later", (int64_t)r->later);
	json_end_object(&w);
	json_verdicts(&w, "expiring", r->expiring, r->n_expiring);
	json_scans(&w, r);
	json_events(&w, r);
	json_end_object(&w);
	buf_add_byte(out, '\n');
}
