/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch.h - files whose change wakes the loop. inotify-tools is entered here only (it has one
 * instance per process).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "reconciler/base/err.h"

enum err_code watch_open(struct err *err);
void watch_close(void);
/* Watch a file or directory for what a writer leaves behind: close after write, rename into place,
 * delete. Watching the directory of a file that is replaced by rename is the caller's business.
 * Absent paths are ERR_NOT_FOUND. */
enum err_code watch_add(const char *path, struct err *err);
/* Wait up to timeout_s for a change, or a signal. true: something changed (and events that came
 * with it are swallowed). */
bool watch_wait(int64_t timeout_s);
