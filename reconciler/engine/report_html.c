/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * report_html.c - the report as a page that a person reads gladly: what is wrong first, the weeks
 * to come as bars, everything else below. It travels by mail, so it loads nothing and runs nothing.
 */
#include <stdio.h>
#include <string.h>

#include "reconciler/base/str.h"
#include "reconciler/base/when.h"
#include "reconciler/engine/html.h"
#include "reconciler/engine/report.h"

#define BAR_PERCENT 100u

static void put_summary(struct buf *out, const struct report *r)
{
	const struct plan *p = r->plan;

	buf_add_str(out, "<div class=\"cards\">\n");
	html_card(out, "", r->certificates.all, "certificates");
	html_card(out, "good", r->certificates.healthy, "healthy");
	html_card(out, r->certificates.unhealthy > 0 ? "bad" : "soft", r->certificates.unhealthy,
	          "to look after");
	html_card(out, r->certificates.unknown > 0 ? "warn" : "soft", r->certificates.unknown,
	          "unknown");
	html_card(out, "", r->targets.all, "targets");
	html_card(out, r->targets.healthy < r->targets.all ? "bad" : "soft",
	          r->targets.all - r->targets.healthy, "targets in trouble");
	html_card(out, p->n_conflicts > 0 ? "bad" : "soft", p->n_conflicts, "conflicts");
	html_card(out, r->failed > 0 ? "bad" : "soft", r->failed, "failed in the last day");
	buf_add_str(out, "</div>\n");
}

static void put_bar(struct buf *out, const char *class, size_t n, size_t most, const char *label)
{
	size_t percent = most == 0 ? 0 : (n * BAR_PERCENT + most - 1) / most;

	buf_printf(out, "<div class=\"%s\">%zu<i style=\"height:%zu%%\"></i>%s</div>\n", class, n,
	           percent * 3 / 4, label);
}

static void put_timeline(struct buf *out, const struct report *r)
{
	size_t most = r->expired > r->later ? r->expired : r->later;

	for (size_t i = 0; i < REPORT_WEEKS; i++) {
		most = r->weeks[i] > most ? r->weeks[i] : most;
	}
	buf_add_str(out, "<h2>Expiry by week</h2>\n<div class=\"weeks\">\n");
	put_bar(out, "over", r->expired, most, "expired");
	for (size_t i = 0; i < REPORT_WEEKS; i++) {
		struct civil c =
			when_civil((struct wall){ r->now.s + (int64_t)i * 7 * REPORT_DAY_S });
		char label[32];

		(void)snprintf(label, sizeof(label), "%02d-%02d", c.month, c.day);
		put_bar(out, "", r->weeks[i], most, label);
	}
	put_bar(out, "", r->later, most, "later");
	buf_add_str(out, "</div>\n");
}

static const char *class_of(const struct verdict *v)
{
	return verdict_healthy(v) ? "good" : str_equal(v->word, "Unknown") ? "warn" : "bad";
}

static void put_verdicts(struct buf *out, const struct report *r, const char *title,
                         const struct verdict *const *v, size_t n)
{
	if (n == 0) {
		return;
	}
	buf_printf(out,
	           "<h2>%s</h2>\n<table><tr><th>Object</th><th>Verdict</th><th>Expires</th>"
	           "<th>Renews</th><th>Note</th></tr>\n",
	           title);
	for (size_t i = 0; i < n; i++) {
		CLEANUP(buf_release) struct buf object = { 0 };

		buf_init(&object, BUF_LIMIT_TEXT);
		verdict_object(v[i], &object);
		buf_add_str(out, "<tr><td>");
		html_text(out, buf_str(&object));
		buf_printf(out, "</td><td class=\"%s\">%s</td><td>", class_of(v[i]), v[i]->word);
		html_when(out, v[i]->not_after, r->now);
		buf_add_str(out, "</td><td>");
		html_when(out, v[i]->renewal, r->now);
		buf_add_str(out, "</td><td>");
		html_text(out, v[i]->message);
		buf_add_str(out, "</td></tr>\n");
	}
	buf_add_str(out, "</table>\n");
}

static void put_row(struct buf *out, const char *kind, const char *name, const char *host,
                    const char *code, const char *message)
{
	buf_printf(out, "<tr><td>%s/", kind);
	html_text(out, name);
	if (host != NULL) {
		buf_add_byte(out, '@');
		html_text(out, host);
	}
	buf_add_str(out, "</td><td>");
	html_text(out, code);
	buf_add_str(out, "</td><td>");
	html_text(out, message);
	buf_add_str(out, "</td></tr>\n");
}

static void put_open(struct buf *out, const struct plan *p)
{
	if (p->n_conflicts + p->n_waitings == 0) {
		return;
	}
	buf_add_str(out, "<h2>To decide, and waiting</h2>\n<table>\n");
	for (size_t i = 0; i < p->n_conflicts; i++) {
		const struct conflict *c = &p->conflicts[i];
		put_row(out, kind_name(c->object_kind), c->name, c->host, c->code, c->message);
	}
	for (size_t i = 0; i < p->n_waitings; i++) {
		const struct waiting *w = &p->waitings[i];
		put_row(out, kind_name(w->object_kind), w->name, w->host, w->what_for, w->message);
	}
	buf_add_str(out, "</table>\n");
}

static void put_events(struct buf *out, const struct report *r)
{
	if (r->n_events == 0) {
		return;
	}
	buf_add_str(out, "<h2>The last day</h2>\n<table>\n");
	for (size_t i = 0; i < r->n_events; i++) {
		const struct journal_entry *e = &r->events[i];
		bool fine = e->done && e->outcome == ERR_OK;
		char at[WHEN_TEXT_MAX];

		when_format_short(e->at, at);
		buf_printf(out, "<tr><td class=\"soft\">%s</td><td class=\"%s\">%s</td><td>", at,
		           fine ? "good" : "bad",
		           !e->done ? "open"
		           : fine   ? "done"
		                    : "failed");
		html_text(out, e->action);
		if (e->error != NULL && e->error[0] != '\0') {
			buf_add_str(out, "<br>");
			html_text(out, e->error);
		}
		buf_add_str(out, "</td></tr>\n");
	}
	buf_add_str(out, "</table>\n");
}

static void put_scans(struct buf *out, const struct report *r)
{
	for (size_t i = 0; i < r->n_scans; i++) {
		const struct scan_tally *y = &r->scans[i];

		buf_add_str(out, i == 0 ? "<h2>Discovered</h2>\n<table><tr><th>Discovery</th>"
		                          "<th>Scanned</th><th>Certificates</th><th>To look after"
		                          "</th><th>New</th><th>Changed</th><th>Gone</th></tr>\n"
		                        : "");
		buf_add_str(out, "<tr><td>");
		html_text(out, y->name);
		buf_add_str(out, "</td><td>");
		html_when(out, y->begun, r->now);
		buf_printf(out,
		           "</td><td>%zu at %zu endpoints</td><td class=\"%s\">%zu</td>"
		           "<td>%zu</td><td>%zu</td><td>%zu</td></tr>\n",
		           y->certificates, y->places, y->unhealthy > 0 ? "bad" : "soft",
		           y->unhealthy, y->fresh, y->changed, y->gone);
	}
	buf_add_str(out, r->n_scans > 0 ? "</table>\n" : "");
}

void report_render_html(const struct report *r, struct buf *out)
{
	char at[WHEN_TEXT_MAX];

	when_format_short(r->now, at);
	html_head(out, "certwright report");
	buf_printf(out, "<h1>certwright report</h1>\n<p class=\"soft\">%s, commit %.12s, looked ",
	           at, r->plan->commit);
	html_when(out, r->plan->observed_at, r->now);
	buf_add_str(out, "</p>\n");
	put_summary(out, r);
	put_verdicts(out, r, "To look after", r->attention, r->n_attention);
	put_open(out, r->plan);
	put_timeline(out, r);
	put_verdicts(out, r, "Next to expire", r->expiring, r->n_expiring);
	put_scans(out, r);
	put_events(out, r);
	html_end(out);
}
