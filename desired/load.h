/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load.h - files to model, with every error of the repository in one run.
 *
 * Pure apart from the source it reads: no network, no secrets, no state.
 */
#pragma once

#include "desired/model.h"
#include "desired/source.h"
#include "reconciler/base/buf.h"
#include "reconciler/base/err.h"

struct diagnostic {
	const char *file;
	struct pos pos;
	const char *message; /* what is wrong and what was expected */
	const char *hint;    /* nearest name or what to do, or NULL */
	const char *
		line; /* the offending line, escaped, cut to 200 columns; NULL when there is none */
	uint32_t caret; /* the place in `line` as it is shown, from 1; 0: beyond it */
};

struct diagnostics {
	const struct diagnostic
		*v; /* sorted by file, line, column; at most 1,000, then one that says so */
	size_t n;
};

struct load_options {
	const char *commit; /* 40 hex digits, NULL: working tree */
	const char *path;   /* sub-directory of the repository, NULL: root */
};

/* ERR_INVALID: the repository has errors, in *ret_diag (arena-owned). Others: could not read.
 * *ret_diag may also hold nothing on success. The desired state borrows from `arena`. */
enum err_code desired_load(struct source *s, const struct load_options *opt, struct arena *arena,
                           const struct desired **ret, struct diagnostics *ret_diag,
                           struct err *err);
/* The same from files in memory (tests, fuzzing, --observed runs). */
struct memory_file {
	const char *path;
	struct bytes data;
};
enum err_code desired_load_files(const struct memory_file *files, size_t n, struct arena *arena,
                                 const struct desired **ret, struct diagnostics *ret_diag,
                                 struct err *err);
/* "file:line:col: message" + line + caret + hint, as terminal text. */
void diagnostic_format(const struct diagnostic *d, struct buf *out);
