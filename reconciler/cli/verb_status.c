/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_status.c - judged from the last look, whose age is shown: a status that takes a scan is not
 * asked often enough.
 */
#include <stdio.h>
#include <string.h>

#include "reconciler/base/json.h"
#include "reconciler/base/str.h"
#include "reconciler/base/when.h"
#include "reconciler/cli/plan_memo.h"
#include "reconciler/cli/session.h"
#include "reconciler/cli/status_history.h"
#include "reconciler/cli/verbs.h"

#define OBJECT_WIDTH_MAX 60
#define VERDICT_WIDTH    18
#define TIME_WIDTH       27
#define MARGIN_WIDTH     6
#define RELATIVE_MAX     32
#define HOUR_S           UINT64_C(3600)
#define DAY_S            UINT64_C(86400)

static const struct option_spec options[] = {
	{ "check", 0, NULL, "exit 2 when something is unhealthy" },
	{ "observed", 0, "FILE", "judge a snapshot of 'observe --out'; touches nothing" },
	{ "selector", 'l', "LABELS", "only objects with these labels" },
	{ "target", 0, "TARGET", "only this Target" },
};

/* "Certificate", "target/kms-nodes". */
static bool split_word(const char *word, enum kind *ret_kind, const char **ret_name)
{
	const char *slash = strchr(word, '/');
	size_t n = slash == NULL ? strlen(word) : (size_t)(slash - word);

	for (int k = 0; k < KIND_COUNT; k++) {
		const char *kind = kind_name((enum kind)k);
		if (strlen(kind) == n && strncasecmp(kind, word, n) == 0) {
			*ret_kind = (enum kind)k;
			*ret_name = slash == NULL ? NULL : slash + 1;
			return true;
		}
	}
	return false;
}

struct filter {
	bool any;
	enum kind kind;
	const char *name; /* NULL: all of the kind; may be NAME@HOST */
};

static bool wanted(const struct filter *f, const struct verdict *v)
{
	const char *at = f->name == NULL ? NULL : strrchr(f->name, '@');

	if (f->any) {
		return true;
	}
	if (v->object_kind != f->kind) {
		return false;
	}
	if (f->name == NULL || str_equal(f->name, v->name)) {
		return true;
	}
	return at != NULL && v->host != NULL && strlen(v->name) == (size_t)(at - f->name) &&
	       strncmp(v->name, f->name, (size_t)(at - f->name)) == 0 && str_equal(at + 1, v->host);
}

static bool healthy(const struct verdict *v)
{
	return str_equal(v->word, "InSync") || str_equal(v->word, "Unverified");
}

/* "in 23d, 2026-12-13 04:10Z" */
static void put_time(struct buf *out, struct wall t, struct wall now)
{
	char cell[RELATIVE_MAX + 2 + WHEN_TEXT_MAX] = "-";

	if (t.s != 0 && t.s != INT64_MAX) {
		when_format_relative(t, now, cell, RELATIVE_MAX);
		size_t n = strlen(cell);
		cell[n++] = ',';
		cell[n++] = ' ';
		when_format_short(t, cell + n);
	}
	str_pad_terminal(out, cell, TIME_WIDTH);
}

static void put_margin(struct buf *out, int64_t margin_s)
{
	char cell[32] = "-";

	if (margin_s != INT64_MAX) {
		const char *sign = margin_s < 0 ? "-" : "";
		uint64_t s = margin_s < 0 ? 0 - (uint64_t)margin_s : (uint64_t)margin_s;
		bool days = s >= 2 * DAY_S;
		(void)snprintf(cell, sizeof(cell), "%s%llu%c", sign,
		               (unsigned long long)(days ? s / DAY_S : s / HOUR_S),
		               days ? 'd' : 'h');
	}
	str_pad_terminal(out, cell, MARGIN_WIDTH);
}

static bool has_host_apart(const struct verdict *v)
{
	return v->host != NULL && strchr(v->name, '@') == NULL;
}

static size_t object_length(const struct verdict *v)
{
	return strlen(kind_name(v->object_kind)) + 1 + strlen(v->name) +
	       (has_host_apart(v) ? 1 + strlen(v->host) : 0);
}

/* What is behind its name. */
static void put_facts(const struct verdict *v, struct wall now, struct buf *out)
{
	str_pad_terminal(out, v->word, VERDICT_WIDTH);
	put_time(out, v->not_after, now);
	put_time(out, v->renewal, now);
	put_margin(out, v->margin_s);
	if (v->waits_for != NULL) {
		buf_add_str(out, "waits: ");
		str_escape_terminal(out, v->waits_for, strlen(v->waits_for));
		buf_add_str(out, v->message == NULL ? "" : "; ");
	}
	if (v->place != NULL) {
		str_escape_terminal(out, v->place, strlen(v->place));
		buf_add_str(out, v->message == NULL ? "" : ": ");
	}
	if (v->message != NULL) {
		str_escape_terminal(out, v->message, strlen(v->message));
	}
	while (out->len > 0 && out->p[out->len - 1] == ' ') {
		out->len--;
		out->p[out->len] = '\0';
	}
	buf_add_byte(out, '\n');
}

/* "Target/kms-nodes@n1" */
static void put_object(struct buf *out, const struct verdict *v, size_t width)
{
	size_t n = object_length(v);

	buf_add_str(out, kind_name(v->object_kind));
	buf_add_byte(out, '/');
	str_escape_terminal(out, v->name, strlen(v->name));
	if (has_host_apart(v)) {
		buf_add_byte(out, '@');
		str_escape_terminal(out, v->host, strlen(v->host));
	}
	str_pad_terminal(out, "", n < width ? width - n : 0);
}

static void text_row(const struct verdict *v, struct wall now, size_t width, struct buf *out)
{
	put_object(out, v, width);
	put_facts(v, now, out);
}

/* All of them where it was asked for by name; else those in trouble. */
static void text_parts(const struct filter *f, const struct verdict *whole, struct wall now,
                       size_t width, struct buf *out)
{
	const struct verdict_parts *parts = whole->parts;

	for (size_t i = 0; parts != NULL && i < parts->n; i++) {
		const struct verdict *v = &parts->v[i];

		if (f->name == NULL && healthy(v)) {
			continue;
		}
		str_pad_terminal(out, "  stored", width);
		put_facts(v, now, out);
	}
}

static void json_parts(const struct verdict *whole, struct json_writer *w)
{
	const struct verdict_parts *parts = whole->parts;
	char digest[2 * SHA256_BYTES + 1];

	json_key(w, "stored");
	json_begin_array(w);
	for (size_t i = 0; parts != NULL && i < parts->n; i++) {
		const struct verdict *v = &parts->v[i];

		if (v->sha256 != NULL) {
			hex_encode(bytes_of(v->sha256, SHA256_BYTES), digest);
		}
		json_begin_object(w);
		json_member_str(w, "place", v->place);
		json_member_str(w, "verdict", v->word);
		json_member_str(w, "message", v->message);
		json_member_time(w, "notAfter", v->not_after.s);
		json_member_str(w, "sha256", v->sha256 == NULL ? NULL : digest);
		json_end_object(w);
	}
	json_end_array(w);
}

static void json_row(const struct verdict *v, struct json_writer *w)
{
	json_begin_object(w);
	json_member_str(w, "kind", kind_name(v->object_kind));
	json_member_str(w, "name", v->name);
	json_member_str(w, "host", v->host);
	json_member_str(w, "verdict", v->word);
	json_member_str(w, "message", v->message);
	json_member_time(w, "notAfter", v->not_after.s);
	json_member_time(w, "renewal", v->renewal.s == INT64_MAX ? 0 : v->renewal.s);
	json_key(w, "marginSeconds");
	if (v->margin_s == INT64_MAX) {
		json_write_null(w);
	} else {
		json_int(w, v->margin_s);
	}
	json_member_str(w, "waitsFor", v->waits_for);
	json_parts(v, w);
	json_key(w, "stillServedBefore");
	json_begin_array(w);
	for (size_t i = 0; i < v->n_old_servers; i++) {
		json_str(w, v->old_servers[i]->key);
	}
	json_end_array(w);
	json_end_object(w);
}

struct outcome {
	size_t shown;
	bool fine;
};

/* What is ours and nobody declares any more has no verdict, and is not to be forgotten. */
static bool left_over(const struct filter *f, const struct drift *d)
{
	const struct verdict as = { .object_kind = d->object_kind,
		                    .name = d->name,
		                    .host = d->host };

	return str_equal(d->verdict, "NotDesired") && wanted(f, &as);
}

static void json_left_over(const struct filter *f, const struct plan *p, struct json_writer *w)
{
	json_key(w, "notDesired");
	json_begin_array(w);
	for (size_t i = 0; i < p->n_drifts; i++) {
		const struct drift *d = &p->drifts[i];
		if (left_over(f, d)) {
			json_begin_object(w);
			json_member_str(w, "kind", kind_name(d->object_kind));
			json_member_str(w, "name", d->name);
			json_member_str(w, "host", d->host);
			json_member_str(w, "message", d->message);
			json_end_object(w);
		}
	}
	json_end_array(w);
}

static void text_left_over(const struct filter *f, const struct plan *p, struct outcome *o,
                           struct buf *out)
{
	for (size_t i = 0; i < p->n_drifts; i++) {
		const struct drift *d = &p->drifts[i];
		if (!left_over(f, d)) {
			continue;
		}
		buf_printf(out, "NotDesired: %s/", kind_name(d->object_kind));
		str_escape_terminal(out, d->name, strlen(d->name));
		if (d->host != NULL) {
			buf_add_byte(out, '@');
			str_escape_terminal(out, d->host, strlen(d->host));
		}
		if (d->message != NULL) {
			buf_add_str(out, ": ");
			str_escape_terminal(out, d->message, strlen(d->message));
		}
		buf_add_byte(out, '\n');
		o->shown++;
	}
}

static void render_json(const struct filter *f, const struct pass *p,
                        const struct observed_changes *changes, struct outcome *o, struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out, /* pretty= */ true);
	json_begin_object(&w);
	json_member_time(&w, "observedAt", p->observed->at.s);
	json_key(&w, "objects");
	json_begin_array(&w);
	for (size_t i = 0; i < p->plan->n_verdicts; i++) {
		const struct verdict *v = &p->plan->verdicts[i];
		if (wanted(f, v)) {
			json_row(v, &w);
			o->fine = o->fine && healthy(v);
			o->shown++;
		}
	}
	json_end_array(&w);
	json_left_over(f, p->plan, &w);
	if (f->name != NULL) {
		status_history_json(changes, &w);
	}
	json_member_bool(&w, "healthy", o->fine);
	json_end_object(&w);
	buf_add_byte(out, '\n');
}

static size_t widest(const struct filter *f, const struct plan *p)
{
	size_t width = strlen("OBJECT");

	for (size_t i = 0; i < p->n_verdicts; i++) {
		size_t n = wanted(f, &p->verdicts[i]) ? object_length(&p->verdicts[i]) : 0;
		width = n > width ? n : width;
	}
	return width > OBJECT_WIDTH_MAX ? OBJECT_WIDTH_MAX : width;
}

static void render_text(const struct cli *c, const struct filter *f, const struct pass *p,
                        const struct observed_changes *changes, struct outcome *o, struct buf *out)
{
	struct wall now = c->clock->wall(c->clock);
	size_t width = widest(f, p->plan);
	char looked[32];
	char at[WHEN_TEXT_MAX];

	/* --now does not go on while a program runs: what it looked at seems to lie ahead. */
	struct wall seen = { p->observed->at.s > now.s ? now.s : p->observed->at.s };
	when_format_relative(seen, now, looked, sizeof(looked));
	when_format_short(p->observed->at, at);
	buf_printf(out, "Looked %s, %s.\n", looked, at);
	str_pad_terminal(out, "OBJECT", width);
	str_pad_terminal(out, "VERDICT", VERDICT_WIDTH);
	str_pad_terminal(out, "EXPIRES", TIME_WIDTH);
	str_pad_terminal(out, "RENEWS", TIME_WIDTH);
	str_pad_terminal(out, "MARGIN", MARGIN_WIDTH);
	buf_add_str(out, "NOTE\n");
	for (size_t i = 0; i < p->plan->n_verdicts; i++) {
		const struct verdict *v = &p->plan->verdicts[i];
		if (wanted(f, v)) {
			text_row(v, now, width, out);
			text_parts(f, v, now, width, out);
			o->fine = o->fine && healthy(v);
			o->shown++;
		}
	}
	text_left_over(f, p->plan, o, out);
	status_history_text(changes, out);
}

static int unknown_kind(struct cli *c, const char *word)
{
	CLEANUP(cleanup_free) char *kind = str_printf("%.*s", (int)strcspn(word, "/"), word);
	const char *names[KIND_COUNT];

	for (int k = 0; k < KIND_COUNT; k++) {
		names[k] = kind_name((enum kind)k);
	}
	const char *nearest = kind == NULL ? NULL : str_nearest(kind, names, KIND_COUNT);
	return nearest == NULL
	               ? cli_usage(c, "'%s' is neither KIND nor KIND/NAME", word)
	               : cli_usage(c, "there is no kind '%s'; did you mean '%s'?", kind, nearest);
}

static int run(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s = { 0 };
	CLEANUP(pass_release) struct pass p = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };
	struct filter f = { .any = a->n_words == 0 };
	struct observed_changes changes = { .v = NULL };
	struct outcome o = { .fine = true };
	struct err err = { 0 };

	session_init(&s, c, a);
	if (!f.any && !split_word(a->words[0], &f.kind, &f.name)) {
		return unknown_kind(c, a->words[0]);
	}
	if (!f.any && f.kind != KIND_CERTIFICATE && f.kind != KIND_TARGET) {
		return cli_usage(c, "%s: only a Certificate and a Target have a status%s",
		                 a->words[0],
		                 f.kind == KIND_ISSUER ? "; 'certwright ca show' shows a CA" : "");
	}
	buf_init(&out, BUF_LIMIT_TEXT);
	enum err_code rc = session_recorded(&s, &p, &err);
	if (rc == ERR_OK && f.name != NULL && s.store != NULL) {
		rc = status_history(&s, &p, f.kind, f.name, &changes, &err);
	}
	if (rc != ERR_OK) {
		return cli_fail(c, &err);
	}
	if (s.store != NULL) {
		plan_memo_keep_paths(&s, &p);
	}
	if (c->output == OUTPUT_JSON) {
		render_json(&f, &p, &changes, &o, &out);
	} else {
		render_text(c, &f, &p, &changes, &o, &out);
	}
	if (o.shown == 0 && f.name != NULL) {
		(void)err_set(&err, ERR_NOT_FOUND, "no %s is called '%s'", kind_name(f.kind),
		              f.name);
		return cli_fail(c, &err);
	}
	int printed = cli_print(c, &out);
	return printed != EXIT_FINE || o.fine || !args_has(a, "check") ? printed : EXIT_CHANGES;
}

const struct verb verb_status = {
	.name = "status",
	.synopsis = "[KIND[/NAME]] [--check] [--observed FILE]",
	.summary = "verdict, expiry and next renewal of everything, from the last look",
	.text = "Of KIND/NAME also the last changes that were seen where it is. What was delivered once and is not "
		"declared any more stands below the table as NotDesired. With --observed nothing is looked at, no state is opened, no "
		"program run and no connection opened.",
	.example = "certwright status Certificate/kms-server",
	.words = "Issuer Certificate CASet Keystore Target",
	.exits = "0; with --check 2 when something is unhealthy; 1 error",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.max_words = 1,
	.run = run,
};
