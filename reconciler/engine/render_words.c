/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * render_words.c - symbols, participles and sums of a plan.
 */
#include "reconciler/engine/render_words.h"

#include "state/rename.h"

static const struct {
	const char *symbol, *done;
} words[ACTION_COUNT] = {
	[ACTION_ISSUE] = { "+", "issued" },
	[ACTION_RENEW] = { "~", "renewed" },
	[ACTION_REKEY] = { "~", "re-keyed" },
	[ACTION_ADOPT] = { "<=", "adopted" },
	[ACTION_PUSH] = { "~", "pushed" },
	[ACTION_CONFIGURE] = { "~", "configured" },
	[ACTION_ACTIVATE] = { "~", "activated" },
	[ACTION_VERIFY] = { "<=", "verified" },
	[ACTION_TRUST_ADD] = { "+", "trusted" },
	[ACTION_TRUST_DROP] = { "-", "dropped" },
	[ACTION_RETIRE] = { "-", "retired" },
	[ACTION_REVOKE] = { "-", "revoked" },
	[ACTION_PUBLISH_CRL] = { "~", "given a new CRL" },
};

const char *action_symbol(const struct action *a)
{
	if (a->kind == ACTION_PUSH && a->expect_sha256 == NULL) {
		return "+";
	}
	return words[a->kind].symbol;
}

const char *action_done_word(const struct action *a)
{
	return words[a->kind].done;
}

const char *renamed_kind(const struct rename *r)
{
	static const enum kind kinds[] = { [RENAMED_ISSUER] = KIND_ISSUER,
		                           [RENAMED_IDENTITY] = KIND_CERTIFICATE,
		                           [RENAMED_TARGET] = KIND_TARGET };

	return kind_name(kinds[r->what]);
}

struct plan_counts plan_count(const struct plan *p)
{
	struct plan_counts c = { 0 };

	for (size_t i = 0; i < p->n_actions; i++) {
		c.n[p->actions[i].kind]++;
	}
	return c;
}

void plan_summary_line(const struct plan *p, struct buf *out)
{
	struct plan_counts c = plan_count(p);
	bool first = true;

	if (p->n_actions == 0 && p->in_sync) {
		buf_printf(
			out,
			p->n_unobserved == 0
				? "No changes. What is there matches the desired state. %zu unobserved."
				: "No changes to what could be looked at. %zu unobserved.",
			p->n_unobserved);
		return;
	}
	buf_add_str(out, "Plan: ");
	if (p->n_renames > 0) {
		buf_printf(out, "%zu to rename", p->n_renames);
		first = false;
	}
	for (int k = 0; k < ACTION_COUNT; k++) {
		/* A proof is part of what it proves. */
		if (c.n[k] == 0 || k == ACTION_VERIFY) {
			continue;
		}
		buf_printf(out, "%s%zu to %s", first ? "" : ", ", c.n[k],
		           action_word((enum action_kind)k));
		first = false;
	}
	buf_printf(out, "%s. %zu unobserved.", first ? "nothing to do now" : "", p->n_unobserved);
}
