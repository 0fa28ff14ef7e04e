/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_report.c - drafts of actions and the rows beside them.
 *
 * Out of memory is swallowed here on purpose: the arena remembers, and plan_build() asks it once.
 */
#include <stdarg.h>
#include <stdio.h>

#include "reconciler/engine/planner.h"

static const char *const words[ACTION_COUNT] = {
	[ACTION_ISSUE] = "issue",
	[ACTION_RENEW] = "renew",
	[ACTION_REKEY] = "rekey",
	[ACTION_ADOPT] = "adopt",
	[ACTION_PUSH] = "push",
	[ACTION_CONFIGURE] = "configure",
	[ACTION_ACTIVATE] = "activate",
	[ACTION_VERIFY] = "verify",
	[ACTION_TRUST_ADD] = "trust-add",
	[ACTION_TRUST_DROP] = "trust-drop",
	[ACTION_RETIRE] = "retire",
	[ACTION_REVOKE] = "revoke",
	[ACTION_PUBLISH_CRL] = "publish-crl",
};

const char *action_word(enum action_kind k)
{
	return k < ACTION_COUNT ? words[k] : "?";
}

void plan_check_buf(struct planner *p, const struct buf *b)
{
	if (p->rc == ERR_OK) {
		p->rc = buf_check(b, "a text of the plan", p->err);
	}
}

struct draft *draft_new(struct planner *p, enum action_kind kind, enum stage stage,
                        enum kind object_kind, const char *name)
{
	struct draft *d = ARENA_NEW(p->a, struct draft);
	struct draft **slot = d == NULL ? NULL : ARENA_PUSH(p->a, &p->drafts);

	if (slot == NULL) {
		return NULL;
	}
	*slot = d;
	d->stage = stage;
	d->a.kind = kind;
	d->a.object_kind = object_kind;
	d->a.name = name;
	d->a.id = arena_printf(p->a, "%s:%s", action_word(kind), name);
	return d;
}

void draft_depends(struct planner *p, struct draft *d, struct draft *on)
{
	if (d == NULL || on == NULL || d == on) {
		return;
	}
	struct draft **slot = ARENA_PUSH(p->a, &d->deps);

	if (slot != NULL) {
		*slot = on;
	}
}

void reason_add(struct planner *p, struct reasons *r, const struct reason *reason)
{
	struct reason *slot = ARENA_PUSH(p->a, r);

	if (slot != NULL) {
		*slot = *reason;
	}
}

#define ROW_ADD(p, rows, type, value)                                                              \
	do {                                                                                       \
		struct type *slot_ = ARENA_PUSH((p)->a, &(p)->rows);                               \
		if (slot_ != NULL) {                                                               \
			*slot_ = *(value);                                                         \
		}                                                                                  \
	} while (0)

void report_conflict(struct planner *p, const struct conflict *c)
{
	ROW_ADD(p, conflicts, conflict, c);
}

void report_waiting(struct planner *p, const struct waiting *w)
{
	wake_at(p, w->until);
	ROW_ADD(p, waitings, waiting, w);
}

void report_unobserved(struct planner *p, const struct unobserved *u)
{
	ROW_ADD(p, unobserved, unobserved, u);
}

void report_drift(struct planner *p, const struct drift *d)
{
	ROW_ADD(p, drifts, drift, d);
}

void report_mark(struct planner *p, const struct mark *m)
{
	ROW_ADD(p, marks, mark, m);
}

void wake_at(struct planner *p, struct wall t)
{
	if (t.s > p->now.s && t.s != INT64_MAX && (p->wake.s == 0 || t.s < p->wake.s)) {
		p->wake = t;
	}
}

const char *say(struct planner *p, const char *fmt, ...)
{
	char text[512];
	char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(text)) {
		s = arena_str(p->a, text);
	} else if (n >= 0) {
		s = arena_alloc(p->a, (size_t)n + 1);
	}
	/* A path alone may be longer: what is cut loses the reason at its end. */
	if (s != NULL && (size_t)n >= sizeof(text)) {
		va_start(ap, fmt);
		(void)vsnprintf(s, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	return s == NULL ? "" : s;
}

const char *say_when(struct planner *p, struct wall t)
{
	char text[48];

	when_format_relative(t, p->now, text, sizeof(text));
	return say(p, "%s", text);
}

const char *say_cert(struct planner *p, const struct seen_cert *c)
{
	char text[16];

	if (c == NULL) {
		return "nothing";
	}
	fingerprint_short(c->sha256, text);
	return say(p, "%s", text);
}

const char *unit_name(struct planner *p, const struct unit_plan *u)
{
	return say(p, "%s@%s", u->target->o.name, u->host->name);
}
