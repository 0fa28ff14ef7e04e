/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_old.h - who still serves a certificate that an identity has left behind.
 */
#pragma once

#include "reconciler/base/map.h"
#include "reconciler/engine/planner.h"

struct old_servers {
	const struct obs_endpoint **v;
	size_t n, cap;
};

/* By identity name; `ret` is an initialised map, its values are of the planner's arena. */
void old_servers_find(struct planner *p, struct map *ret);
/* NULL: nobody does. */
const struct old_servers *old_servers_of(const struct map *servers, const char *identity);
/* "kms2:443 still serves the one before" */
const char *old_servers_say(struct planner *p, const struct old_servers *s);
