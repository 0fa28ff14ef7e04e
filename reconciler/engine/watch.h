/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch.h - files whose change wakes the loop. inotify-tools is entered here only (it has one
 * instance per process, so there is one watch at a time).
 *
 * Directories are watched, because a file replaced by rename takes its own watch away with it; what
 * else happens in them is not told.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "reconciler/base/arena.h"
#include "reconciler/base/clock.h"
#include "reconciler/base/err.h"
#include "reconciler/base/map.h"

struct watch {
	struct arena arena;
	struct map dirs;   /* watched, by path */
	struct map wanted; /* "dir/name" */
};

enum err_code watch_open(struct watch *w, struct err *err);
void watch_close(struct watch *w);
/* A file (absolute), be it there or not; or all that happens in a directory. What is watched
 * already is ERR_OK; ERR_NOT_FOUND: the directory is absent: ask again later. */
enum err_code watch_file(struct watch *w, const char *path, struct err *err);
enum err_code watch_dir(struct watch *w, const char *path, struct err *err);
/* Wait up to timeout_s (from 1) for a change, or a signal. true: something wanted changed, and it
 * has been quiet for a moment since. When a watched directory went away everything is forgotten:
 * tell it all again. */
bool watch_wait(struct watch *w, const struct clock *c, int64_t timeout_s);
