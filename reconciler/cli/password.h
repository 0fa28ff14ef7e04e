/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * password.h - passwords on the command line: by reference, or asked for on the terminal. Never as
 * a word, which every other user of the machine can read in the process list.
 */
#pragma once

#include "reconciler/base/arena.h"
#include "reconciler/base/secret.h"
#include "reconciler/cli/cli.h"

/* "file:PATH", "env:NAME", "exec:PROGRAM ARG...", "credential:NAME", "wellKnown:WORD". */
enum err_code password_resolve(const char *word, struct secret *ret, struct err *err);
/* From the current directory, when it is relative; arena memory or `path` itself. */
enum err_code path_absolute(const char *path, struct arena *arena, const char **ret,
                            struct err *err);
/* Is there a person to ask? */
bool password_can_ask(void);
/* On the controlling terminal, without echo. `twice`: a new one, asked for again until both agree.
 * ERR_DENIED: no terminal, or interrupted. */
enum err_code password_ask(const char *prompt, bool twice, struct secret *ret, struct err *err);
