/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * link.h - the open transports of one pass: a host is reached once, however many stores it has.
 */
#pragma once

#include "reconciler/engine/engine.h"

/* Borrowed: lives as long as the pass. */
enum err_code link_to(struct engine *e, struct pass *p, const struct target *target,
                      const struct host *host, struct transport **ret, struct err *err);
/* The machine certwright runs on. */
enum err_code link_here(struct engine *e, struct pass *p, struct transport **ret, struct err *err);
void links_close(struct link *first);
