/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * accept.h - from a repository to the desired state that counts: the newest commit that is valid,
 * allowed and a descendant of the last one; else the last one that was, marked stale.
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
};
void accepted_release(struct accepted *a);

struct accept_options {
	struct source *source;
	const struct config *config;
	const char *ref; /* NULL: HEAD */
	bool worktree;
	bool accept_rewind;
	bool fetch;          /* bring a mirror up to date first */
	struct store *store; /* remembers what was accepted; NULL: nothing is remembered */
	bool read_only;      /* look at the memory, do not write it */
};
/* *a keeps what it holds when nothing changed; on an error it is as it was. With a last good commit
 * at hand problems of the newest are `stale`, not an error. */
enum err_code accept_newest(const struct accept_options *opt, struct accepted *a, struct err *err);
