/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * accept.h - from a repository to the desired state that counts: the newest commit that is valid,
 * allowed and a descendant of the last one; else the last one that was, marked stale.
 *
 * A plan or apply by hand is `strict`: who asks about a commit wants an answer about that one.
 */
#pragma once

#include "desired/allowed.h"
#include "state/store.h"

struct accepted {
	struct arena arena;
	const struct desired *desired; /* NULL: nothing yet */
	char commit[41];               /* "" for the working tree */
	bool stale; /* the repository has something newer that does not count, or is out of reach */
	char why[1024];                 /* when stale */
	struct diagnostics diagnostics; /* of the newest commit, when that is why */
	struct arena findings;          /* of those, when the commit held is another */
};
void accepted_release(struct accepted *a);

struct accept_options {
	struct source *source;
	const struct config *config;
	const char *ref; /* NULL: HEAD */
	bool worktree;
	bool accept_rewind;
	bool strict; /* what is wrong with the newest is an error: nothing older stands in for it */
	bool any_history;    /* older commits and other branches, too: for looking */
	bool fetch;          /* bring a mirror up to date first */
	struct store *store; /* remembers what was accepted; NULL: nothing is remembered */
	bool read_only;      /* look at the memory, do not write it */
};
/* *a keeps what it holds when nothing changed. With a last good commit at hand problems of the
 * newest are `stale`, not an error, unless `strict`; on an error a->diagnostics tells them. */
enum err_code accept_newest(const struct accept_options *opt, struct accepted *a, struct err *err);
