/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_memo.h - what `plan --recorded` said the last time, while nothing that it reads has changed.
 *
 * A memo is of a plan in sync and of nothing else: its text says that there is nothing to do, and
 * that stays true until the desired state, the recorded state, the program or the question changes
 * or a moment comes at which something falls due.
 */
#pragma once

#include "reconciler/cli/session.h"

struct plan_memo {
	bool usable; /* this question may have a memo */
	char commit[41];
	struct wall observed_at; /* when found */
	uint8_t inputs[SHA256_BYTES];
};

/* After session_source() and session_store(): fills *memo, and on a find `out` gets the text. What
 * goes wrong on the way is a memo that is not found: the plan itself says it better. */
bool plan_memo_find(struct session *s, struct plan_memo *memo, struct buf *out);
/* A memo that cannot be kept is no error: the next plan is made again. */
void plan_memo_keep(struct session *s, const struct plan_memo *memo, const struct plan *p,
                    struct bytes text);
/* What the plan of a session that only reads its store found out about certificates. */
void plan_memo_keep_paths(struct session *s, const struct pass *p);
