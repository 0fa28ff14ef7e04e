/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * render_markdown.c - a plan as a pull-request comment: a table to skim, details to unfold.
 */
#include "reconciler/base/str.h"
#include "reconciler/engine/render.h"
#include "reconciler/engine/render_words.h"
#include "state/rename.h"

#define ROWS_MAX 200 /* a comment has a size limit; the rest is in the details' text */

static void put(struct buf *out, const char *s)
{
	str_escape_markdown(out, s, strlen(s));
}

static void put_object(struct buf *out, enum kind kind, const char *name, const char *host)
{
	buf_printf(out, "%s/", kind_name(kind));
	put(out, name);
	if (host != NULL) {
		buf_add_str(out, "@");
		put(out, host);
	}
}

static void put_reasons(struct buf *out, const struct action *a)
{
	for (size_t i = 0; i < a->n_reasons; i++) {
		buf_add_str(out, i == 0 ? "" : "; ");
		buf_add_str(out, a->reasons[i].code);
		if (a->reasons[i].message != NULL) {
			buf_add_str(out, ": ");
			put(out, a->reasons[i].message);
		}
	}
}

static void put_actions(const struct plan *p, struct buf *out)
{
	if (p->n_actions == 0 && p->n_renames == 0) {
		return;
	}
	buf_add_str(out, "| | action | object | why |\n|---|---|---|---|\n");
	for (size_t i = 0; i < p->n_renames && i < ROWS_MAX; i++) {
		const struct rename *r = &p->renames[i];

		buf_printf(out, "| `~` | rename | %s/", renamed_kind(r));
		put(out, r->from);
		buf_add_str(out, " | called ");
		put(out, r->to);
		buf_add_str(out, " from now on |\n");
	}
	for (size_t i = 0; i < p->n_actions && i < ROWS_MAX; i++) {
		const struct action *a = &p->actions[i];

		buf_printf(out, "| `%s` | %s%s | ", action_symbol(a), action_word(a->kind),
		           a->disruptive ? " (restarts a service)" : "");
		put_object(out, a->object_kind, a->name, a->host);
		buf_add_str(out, " | ");
		put_reasons(out, a);
		buf_add_str(out, " |\n");
	}
	if (p->n_actions > ROWS_MAX) {
		buf_printf(out, "\n... and %zu more.\n", p->n_actions - ROWS_MAX);
	}
	buf_add_str(out, "\n");
}

static void put_rows(const struct plan *p, struct buf *out)
{
	for (size_t i = 0; i < p->n_conflicts; i++) {
		const struct conflict *c = &p->conflicts[i];

		buf_add_str(out, "- **conflict** ");
		put_object(out, c->object_kind, c->name, c->host);
		buf_printf(out, ": %s: ", c->code);
		put(out, c->message);
		buf_add_str(out, "\n");
	}
	for (size_t i = 0; i < p->n_waitings; i++) {
		const struct waiting *w = &p->waitings[i];

		buf_add_str(out, "- waiting ");
		put_object(out, w->object_kind, w->name, w->host);
		buf_printf(out, ": %s", w->what_for);
		if (w->message != NULL) {
			buf_add_str(out, ": ");
			put(out, w->message);
		}
		buf_add_str(out, "\n");
	}
	for (size_t i = 0; i < p->n_unobserved; i++) {
		const struct unobserved *u = &p->unobserved[i];

		buf_add_str(out, "- unobserved ");
		put_object(out, u->object_kind, u->name, u->host);
		buf_printf(out, ": %s: ", u->code);
		put(out, u->error);
		buf_add_str(out, "\n");
	}
}

/* Four spaces make a code block that no foreign text can end. */
static void put_indented(struct buf *out, const char *text)
{
	buf_add_str(out, "    ");
	for (const char *c = text; *c != '\0'; c++) {
		buf_add_byte(out, (uint8_t)*c);
		if (*c == '\n' && c[1] != '\0') {
			buf_add_str(out, "    ");
		}
	}
}

void plan_render_markdown(const struct plan *p, struct buf *out)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	CLEANUP(buf_release) struct buf summary = { 0 };

	buf_init(&text, BUF_LIMIT_TEXT);
	buf_init(&summary, 4096);
	plan_summary_line(p, &summary);
	buf_printf(out, "### certwright plan\n\n%s\n\n", buf_str(&summary));
	put_actions(p, out);
	put_rows(p, out);
	if (p->n_actions > 0 || p->n_renames > 0) {
		plan_render_text(p, /* color= */ false, &text);
		buf_add_str(out, "\n<details><summary>The whole plan</summary>\n\n");
		put_indented(out, buf_str(&text));
		buf_add_str(out, "\n</details>\n");
	}
}
