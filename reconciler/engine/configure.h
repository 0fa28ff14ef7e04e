/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * configure.h - one configure[] item done on a host, and undone.
 */
#pragma once

#include "reconciler/engine/engine.h"

struct config_change {
	const char *path; /* NULL: nothing was written */
	struct secret before;
	struct fs_facts facts; /* of the file before */
};
void config_change_release(struct config_change *c);

/* Edit the file in place of itself: owner, group and mode stay as they are. A file that is not
 * there is an error. */
enum err_code config_change_do(struct engine *e, struct pass *p, const struct want_config *w,
                               struct transport *t, struct config_change *ret, struct err *err);
enum err_code config_change_undo(struct config_change *c, struct transport *t, struct err *err);
