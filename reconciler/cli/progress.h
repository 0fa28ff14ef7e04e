/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * progress.h - one line on a terminal while a look takes long: count, rate, time left.
 *
 * Shown after a second, on err only and only where a person watches: not with -q, not when results
 * are JSON or Markdown, not when err is no terminal. Whatever else is said takes its place.
 */
#pragma once

#include "reconciler/cli/cli.h"
#include "state/look.h"

struct cli_progress {
	struct look_progress look; /* give this to whoever looks */
	struct cli *cli;
	struct mono began, drawn;
	size_t first, done; /* at the beginning, and now */
	bool running, shown;
};
/* False: nobody would see it, and nothing needs to be told. */
bool cli_progress_init(struct cli_progress *p, struct cli *c);
/* "Looking: 1200 of 10000, 340/s, 26s left", appended. */
void cli_progress_line(const struct cli_progress *p, size_t total, struct mono now,
                       struct buf *out);
