/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * planfile.h - a saved plan is a promise, not a program: commit, digest of the actions, state id,
 * expiry and nonce. apply plans again and compares; when the world has moved, the promise is void.
 */
#pragma once

#include "reconciler/engine/plan.h"

enum err_code planfile_write(const char *path, const struct plan *p, struct wall now,
                             struct err *err);
/* ERR_CONFLICT: the plan at hand is not the one promised, or it has expired. */
enum err_code planfile_check(const char *path, const struct plan *p, struct wall now,
                             struct err *err);
/* The commit it was made for; heap. */
enum err_code planfile_commit(const char *path, char **ret, struct err *err);
