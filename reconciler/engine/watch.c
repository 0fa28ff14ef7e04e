/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch.c - a commit or a keystore write is several events; they are swallowed until a moment of
 * quiet, so that one change is one pass.
 */
#include "reconciler/engine/watch.h"

#include <errno.h>
#include <inotifytools/inotify.h>
#include <inotifytools/inotifytools.h>
#include <string.h>

#define WATCHED (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ATTRIB)

enum err_code watch_open(struct err *err)
{
	if (!inotifytools_initialize()) {
		return err_set_sys(err, inotifytools_error(), "starting to watch files");
	}
	return ERR_OK;
}

void watch_close(void)
{
	inotifytools_cleanup();
}

enum err_code watch_add(const char *path, struct err *err)
{
	if (!inotifytools_watch_file(path, WATCHED)) {
		return err_set_sys(err, inotifytools_error(), "watching %s", path);
	}
	return ERR_OK;
}

bool watch_wait(int64_t timeout_s)
{
	bool changed = false;
	const struct inotify_event *event = inotifytools_next_event((long)timeout_s);

	while (event != NULL) {
		changed = true;
		event = inotifytools_next_event(0);
	}
	return changed;
}
