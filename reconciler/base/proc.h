/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proc.h - run a program: argv, clean environment, deadline, bounded output. No shell.
 *
 * The child gets its own process group (killed whole at the deadline: SIGTERM, then SIGKILL after
 * 2 s), default signal dispositions, no descriptors but the three, no core dumps, and the
 * environment given (PATH, LANG=C.UTF-8 and HOME are added when not given).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reconciler/base/buf.h"
#include "reconciler/base/bytes.h"
#include "reconciler/base/err.h"

struct proc_spec {
	const char *const
		*argv; /* NULL-terminated; argv[0] is searched in PATH when it has no '/' */
	const char *const *env; /* NULL-terminated "K=V", or NULL for the clean default only */
	const char *cwd;        /* NULL: / */
	struct bytes input;     /* fed to stdin, then closed */
	int64_t timeout_ms;     /* > 0 */
	size_t out_limit;       /* bytes of stdout kept; more is an error */
};

struct proc_result {
	int exit_status; /* 0..255, or -1 when killed by a signal */
	int signal;      /* 0 or the signal */
	bool timed_out;
	char err_tail[512]; /* the last of stderr, for error texts; escape before printing */
};

/* Run to the end. ERR_OK also for a non-zero exit: look at the result. ERR_NOT_FOUND when there is
 * no such program, ERR_IO for others, ERR_NET never. Timeout: ERR_IO with timed_out set.
 * `out` (may be NULL: discarded) is appended to. */
enum err_code proc_run(const struct proc_spec *spec, struct buf *out, struct proc_result *ret,
                       struct err *err);
/* As proc_run, but anything other than exit status 0 is ERR_REFUSED naming the program, its status
 * and the last line of its stderr. */
enum err_code proc_check(const struct proc_spec *spec, struct buf *out, struct err *err);
/* Where proc_run finds a name without '/' in the clean PATH: its absolute path, heap. */
enum err_code proc_find(const char *name, char **ret, struct err *err);
