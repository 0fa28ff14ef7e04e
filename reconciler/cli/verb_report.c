/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_report.c - the daily report, from the last look: it is made by a timer and read by people
 * who will not log in.
 */
#include "reconciler/base/str.h"
#include "reconciler/cli/plan_memo.h"
#include "reconciler/cli/session.h"
#include "reconciler/cli/verbs.h"
#include "reconciler/engine/report.h"

#define EVENTS_MAX 10000

static const struct option_spec options[] = {
	{ "html", 0, "FILE", "write the page there" },
	{ "selector", 'l', "LABELS", "only objects with these labels" },
	{ "target", 0, "TARGET", "only this Target" },
};

static enum err_code build(struct session *s, struct pass *p, struct report *ret, struct err *err)
{
	struct journal_entry *recent = NULL;
	size_t n = 0;
	enum err_code rc = session_recorded(s, p, err);

	if (rc == ERR_OK) {
		plan_memo_keep_paths(s, p);
		rc = journal_recent(s->store, EVENTS_MAX, &p->arena, &recent, &n, err);
	}
	if (rc == ERR_OK) {
		rc = report_build(p->plan, s->cli->clock->wall(s->cli->clock), recent, n, &p->arena,
		                  ret, err);
	}
	return rc;
}

/* The last scan of every Discovery that has one. */
static enum err_code add_scans(struct session *s, struct pass *p, struct report *r, struct err *err)
{
	const struct desired *d = s->accepted.desired;
	struct scan_tally *v = ARENA_ARRAY(&p->arena, struct scan_tally, d->n_discoveries + 1);
	enum err_code rc = v == NULL ? err_nomem(err) : ERR_OK;

	r->scans = v;
	for (size_t i = 0; rc == ERR_OK && i < d->n_discoveries; i++) {
		rc = discovering_tally(&s->engine, d->discoveries[i], &v[r->n_scans], err);
		if (rc == ERR_NOT_FOUND) {
			err_clear(err);
			rc = ERR_OK;
		} else {
			r->n_scans++;
		}
	}
	return rc;
}

static int run(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s = { 0 };
	CLEANUP(pass_release) struct pass p = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };
	CLEANUP(buf_release) struct buf page = { 0 };
	struct report r;
	struct err err = { 0 };

	session_init(&s, c, a);
	buf_init(&out, BUF_LIMIT_TEXT);
	buf_init(&page, BUF_LIMIT_TEXT);
	enum err_code rc = cli_check_file(a, "html", "read", &err);
	if (rc == ERR_OK) {
		rc = build(&s, &p, &r, &err);
	}
	if (rc == ERR_OK) {
		rc = add_scans(&s, &p, &r, &err);
	}
	if (rc == ERR_OK && args_has(a, "html")) {
		report_render_html(&r, &page);
		rc = cli_write_file(args_get(a, "html"), buf_view(&page), &err);
	}
	if (rc != ERR_OK) {
		return cli_fail(c, &err);
	}
	if (c->output == OUTPUT_JSON) {
		report_render_json(&r, &out);
	} else if (!args_has(a, "html")) {
		report_render_text(&r, &out);
	}
	return cli_print(c, &out);
}

const struct verb verb_report = {
	.name = "report",
	.synopsis = "[--html FILE]",
	.summary = "the daily report: what to look after, what expires when, what was done",
	.text = "From the last look, like status. With --html the page is written and nothing printed; it loads nothing, so it "
		"can be mailed as it is.",
	.example = "certwright report --html /var/www/certificates.html",
	.exits = "0, 1 error",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.run = run,
};
