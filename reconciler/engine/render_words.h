/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * render_words.h - the words that text, JSON and Markdown share.
 */
#pragma once

#include "reconciler/engine/plan.h"

const char *action_symbol(const struct action *a);    /* "+", "~", "-", "<=" */
const char *action_done_word(const struct action *a); /* "renewed" */
struct plan_counts {
	size_t n[ACTION_COUNT];
};
struct plan_counts plan_count(const struct plan *p);
const char *renamed_kind(const struct rename *r); /* "Certificate" */
/* "Plan: 1 to renew, 3 to push. 0 unobserved." or that there is nothing to do. */
void plan_summary_line(const struct plan *p, struct buf *out);
