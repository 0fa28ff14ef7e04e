/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fs_glob.h - the files that a pattern of paths names.
 *
 * '*' and '?' within a name, and "**" as a name of its own for any directories or none. What begins
 * with '.' is named only by a pattern that does so too. Links are followed, but not by "**".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "reconciler/base/arena.h"
#include "reconciler/base/err.h"

#define FS_GLOB_FILES_MAX 10000

struct fs_glob {
	const char *const *v; /* regular files, sorted, each once; arena */
	size_t n;
	size_t n_unseen; /* directories that could not be listed, and links that could not be seen
	                  */
	struct err why;  /* of the first of them */
};

/* Does it name more than one path? */
bool fs_glob_is(const char *path);
/* What is wrong with a pattern or path, as half a sentence; NULL: nothing. */
const char *fs_glob_wrong(const char *pattern);
/* Matching nothing is ERR_OK. ERR_INVALID: wrong, more than FS_GLOB_FILES_MAX files, or too many
 * directories on the way. */
enum err_code fs_glob(const char *pattern, struct arena *arena, struct fs_glob *ret,
                      struct err *err);
