/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * render_text.c - a plan in terraform's words, so that reviewers need no training.
 */
#include <stdio.h>

#include "reconciler/base/str.h"
#include "reconciler/engine/render.h"
#include "reconciler/engine/render_words.h"
#include "state/rename.h"

#define BOLD   "\033[1m"
#define GREEN  "\033[32m"
#define YELLOW "\033[33m"
#define RED    "\033[31m"
#define RESET  "\033[0m"

struct view {
	const struct plan *p;
	struct buf *out;
	bool color;
};

static void put(const struct view *v, const char *s)
{
	str_escape_terminal(v->out, s, strlen(s));
}

static void paint(const struct view *v, const char *with)
{
	if (v->color) {
		buf_add_str(v->out, with);
	}
}

static void put_object(const struct view *v, enum kind kind, const char *name, const char *host)
{
	buf_add_str(v->out, kind_name(kind));
	buf_add_str(v->out, "/");
	put(v, name);
	if (host != NULL) {
		buf_add_str(v->out, "@");
		put(v, host);
	}
}

static void put_reasons(const struct view *v, const struct action *a)
{
	for (size_t i = 0; i < a->n_reasons; i++) {
		const struct reason *r = &a->reasons[i];

		buf_add_str(v->out, i == 0 ? ": " : "; ");
		buf_add_str(v->out, r->code);
		if (r->message != NULL) {
			buf_add_str(v->out, " (");
			put(v, r->message);
			buf_add_str(v->out, ")");
		}
	}
}

static void put_headline(const struct view *v, const struct action *a)
{
	paint(v, BOLD);
	buf_printf(v->out, "  # %s ", kind_name(a->object_kind));
	put(v, a->name);
	if (a->host != NULL && a->object_kind == KIND_TARGET) {
		buf_add_str(v->out, ": ");
		put(v, a->host);
	} else {
		buf_printf(v->out, " will be %s", action_done_word(a));
	}
	put_reasons(v, a);
	paint(v, RESET);
	buf_add_str(v->out, "\n");
}

/* "(after: renew kms-server, push web@h1)" */
static void put_after(const struct view *v, const struct action *a)
{
	size_t shown = 0;

	for (size_t i = 0; i < a->n_depends_on; i++) {
		const char *id = a->depends_on[i];
		const char *colon = strchr(id, ':');

		if (colon == NULL || (a->host != NULL && strstr(id, a->host) != NULL)) {
			continue; /* the steps of one host stand below one another anyway */
		}
		if (++shown > 3) {
			buf_add_str(v->out, ", ...");
			break;
		}
		buf_add_str(v->out, shown == 1 ? "  (after: " : ", ");
		str_escape_terminal(v->out, id, (size_t)(colon - id));
		buf_add_str(v->out, " ");
		put(v, colon + 1);
	}
	buf_add_str(v->out, shown > 0 ? ")" : "");
}

static void put_fingerprint(const struct view *v, const struct seen_cert *c, const char *otherwise)
{
	char text[16];

	if (c == NULL) {
		buf_add_str(v->out, otherwise);
		return;
	}
	fingerprint_short(c->sha256, text);
	buf_add_str(v->out, text);
}

/* Formats without aliases hold one key under no name, and certificates that are not known yet. */
static const char *nameless(const struct entry_change *e)
{
	bool trust = e->want != NULL &&
	             (e->want->source != ENTRY_CERTIFICATE || e->want->certificate_only);

	return !trust ? "(the key)" : e->want->ca_set != NULL ? "(a CA)" : "(a certificate)";
}

static void put_entry(const struct view *v, const struct entry_change *e)
{
	static const char *const ops[] = { "keep", "add", "replace", "remove" };
	char alias[64];
	size_t at = v->out->len;

	(void)snprintf(alias, sizeof(alias), "%s", e->alias[0] == '\0' ? nameless(e) : e->alias);
	buf_add_str(v->out, "      entry ");
	put(v, alias);
	while (v->out->len < at + 28 && !buf_failed(v->out)) {
		buf_add_str(v->out, " ");
	}
	buf_printf(v->out, " %-9s", ops[e->op]);
	if (e->op == ENTRY_REPLACE) {
		put_fingerprint(v, e->from, "(unreadable)");
		buf_add_str(v->out, " \xe2\x86\x92 ");
	}
	if (e->op == ENTRY_ADD || e->op == ENTRY_REPLACE) {
		put_fingerprint(v, e->to, "(known after issue)");
	} else if (e->op == ENTRY_REMOVE) {
		put_fingerprint(v, e->from, "(unreadable)");
	}
	buf_add_str(v->out, "\n");
}

/* The activation of a host that was just written needs no headline of its own. */
static bool continues(const struct action *a, const struct action *before)
{
	return before != NULL && a->kind == ACTION_ACTIVATE && before->target != NULL &&
	       a->target == before->target && a->target_host == before->target_host;
}

static void put_action(const struct view *v, const struct action *a, const struct action *before)
{
	const char *symbol = action_symbol(a);
	size_t at;

	if (!continues(a, before)) {
		buf_add_str(v->out, "\n");
		put_headline(v, a);
	}
	paint(v, symbol[0] == '+' ? GREEN : symbol[0] == '-' ? RED : YELLOW);
	buf_printf(v->out, "  %-3s", symbol);
	paint(v, RESET);
	buf_printf(v->out, " %-10s ", action_word(a->kind));
	at = v->out->len;
	put_object(v, a->object_kind, a->name, a->host);
	while (v->out->len < at + 34 && !buf_failed(v->out)) {
		buf_add_str(v->out, " ");
	}
	if (a->detail != NULL) {
		buf_add_str(v->out, " ");
		put(v, a->detail);
	}
	put_after(v, a);
	if (a->disruptive) {
		buf_add_str(v->out, "      [restarts a service]");
	}
	buf_add_str(v->out, "\n");
	for (size_t i = 0; i < a->n_entries; i++) {
		put_entry(v, &a->entries[i]);
	}
}

/* The message may have said "in 5h" already, or the moment itself. */
static void put_moment(const struct view *v, const char *message, const char *relative,
                       const char *when)
{
	bool near = message != NULL && strstr(message, relative) != NULL;
	bool at = message != NULL && strstr(message, when) != NULL;

	if (!near || !at) {
		buf_printf(v->out, " (%s%s%s)", near ? "" : relative, near || at ? "" : ", ",
		           at ? "" : when);
	}
}

static void put_waitings(const struct view *v)
{
	char when[WHEN_TEXT_MAX];
	char relative[48];

	for (size_t i = 0; i < v->p->n_waitings; i++) {
		const struct waiting *w = &v->p->waitings[i];

		buf_add_str(v->out, i == 0 ? "Waiting: " : "         ");
		put_object(v, w->object_kind, w->name, w->host);
		buf_printf(v->out, ": %s", w->what_for);
		if (w->message != NULL) {
			buf_add_str(v->out, ": ");
			put(v, w->message);
		}
		if (w->until.s != 0) {
			when_format_short(w->until, when);
			when_format_relative(w->until, v->p->made_at, relative, sizeof(relative));
			put_moment(v, w->message, relative, when);
		}
		buf_add_str(v->out, "\n");
	}
}

static void put_conflicts(const struct view *v)
{
	for (size_t i = 0; i < v->p->n_conflicts; i++) {
		const struct conflict *c = &v->p->conflicts[i];

		paint(v, RED);
		buf_add_str(v->out, i == 0 ? "Conflicts: " : "           ");
		paint(v, RESET);
		put_object(v, c->object_kind, c->name, c->host);
		buf_printf(v->out, ": %s: ", c->code);
		put(v, c->message);
		buf_add_str(v->out, "\n");
		if (c->hint != NULL) {
			buf_add_str(v->out, "           hint: ");
			put(v, c->hint);
			buf_add_str(v->out, "\n");
		}
	}
}

static void put_unobserved(const struct view *v)
{
	for (size_t i = 0; i < v->p->n_unobserved; i++) {
		const struct unobserved *u = &v->p->unobserved[i];

		buf_add_str(v->out, i == 0 ? "Unobserved: " : "            ");
		put_object(v, u->object_kind, u->name, u->host);
		buf_printf(v->out, ": %s: ", u->code);
		put(v, u->error);
		buf_add_str(v->out, "\n");
		if (u->hint != NULL) {
			buf_add_str(v->out, "            hint: ");
			put(v, u->hint);
			buf_add_str(v->out, "\n");
		}
	}
}

static void put_drifts(const struct view *v)
{
	for (size_t i = 0; i < v->p->n_drifts; i++) {
		const struct drift *d = &v->p->drifts[i];

		buf_add_str(v->out, i == 0 ? "Note: " : "      ");
		put_object(v, d->object_kind, d->name, d->host);
		buf_printf(v->out, ": %s", d->verdict);
		if (d->message != NULL) {
			buf_add_str(v->out, ": ");
			put(v, d->message);
		}
		buf_add_str(v->out, "\n");
	}
}

static void put_renames(const struct view *v)
{
	for (size_t i = 0; i < v->p->n_renames; i++) {
		const struct rename *r = &v->p->renames[i];

		paint(v, BOLD);
		buf_printf(v->out, "%s  # %s ", i == 0 ? "" : "\n", renamed_kind(r));
		put(v, r->from);
		buf_add_str(v->out, " is called ");
		put(v, r->to);
		buf_add_str(v->out,
		            " from now on: what is kept of it goes along, nothing is issued");
		paint(v, RESET);
		paint(v, YELLOW);
		buf_add_str(v->out, "\n  ~  ");
		paint(v, RESET);
		buf_printf(v->out, " %-10s %s/", "rename", renamed_kind(r));
		put(v, r->from);
		buf_add_str(v->out, " \xe2\x86\x92 ");
		put(v, r->to);
		buf_add_str(v->out, "\n");
	}
	buf_add_str(v->out, v->p->n_renames > 0 ? "\n" : "");
}

/* A proof is part of what it proves: text leaves it out, JSON has it. */
static void put_actions(const struct view *v)
{
	const struct action *before = NULL;

	if (v->p->n_actions == 0) {
		return;
	}
	buf_add_str(v->out, "certwright will perform the following actions:\n");
	for (size_t i = 0; i < v->p->n_actions; i++) {
		const struct action *a = &v->p->actions[i];

		if (a->kind != ACTION_VERIFY) {
			put_action(v, a, before);
			before = a;
		}
	}
	buf_add_str(v->out, "\n");
}

void plan_render_text(const struct plan *p, bool color, struct buf *out)
{
	struct view v = { .p = p, .out = out, .color = color };

	put_renames(&v);
	put_actions(&v);
	put_waitings(&v);
	put_conflicts(&v);
	put_unobserved(&v);
	put_drifts(&v);
	plan_summary_line(p, out);
	buf_add_str(out, "\n");
}
