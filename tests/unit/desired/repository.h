/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * repository.h - directories of tests/ as repositories in memory.
 */
#pragma once

#include "desired/load.h"

#define REPOSITORY_FILES_MAX 64u

struct repository {
	struct memory_file files[REPOSITORY_FILES_MAX];
	size_t n;
	char *expect; /* what the file `expect` holds, or NULL */
};

/* tests/NAME of the source tree; heap. */
char *tests_path(const char *name);
/* Every file below `dir`, in path order; aborts the test when it cannot. */
void repository_read(const char *dir, struct repository *ret);
void repository_release(struct repository *r);
/* "file:line:col: message" lines, with their "    hint: ..." lines below them. */
void diagnostics_print(const struct diagnostics *d, bool hints, struct buf *out);
