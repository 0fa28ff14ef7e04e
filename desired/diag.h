/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * diag.h - collects what is wrong with a repository.
 *
 * Reports in any order; diags_finish() sorts, drops repetitions (an anchor's error shows once, not
 * once per alias), and asks for the offending lines.
 */
#pragma once

#include <stdarg.h>

#include "desired/load.h"

#define DIAGS_MAX 1000u

struct diags {
	struct arena *arena;
	struct diagnostic *v;
	size_t n, cap;
	size_t dropped;
};

void diags_init(struct diags *d, struct arena *arena);
void diags_add(struct diags *d, const char *file, struct pos pos, const char *hint, const char *fmt,
               ...) ATTR_PRINTF(5, 6);
void diags_vadd(struct diags *d, const char *file, struct pos pos, const char *hint,
                const char *fmt, va_list ap) ATTR_PRINTF(5, 0);
/* The line of the report made last holds a secret: it is not shown, nor is it for others there. */
void diags_hide_line(struct diags *d);
/* "did you mean 'NAME'?" in the arena, NULL for NULL. */
const char *diags_did_you_mean(struct diags *d, const char *name);
/* The bytes of a file by its path; false: not to be had. */
typedef bool diags_file(const char *path, struct bytes *ret, void *arg);
struct diagnostics diags_finish(struct diags *d, diags_file *file, void *arg);
