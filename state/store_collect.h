/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_collect.h - forgetting, once a day at most.
 */
#pragma once

#include "state/store.h"

struct collected {
	size_t revisions, certificates;
};
/* Revisions below the newest `keep_revisions` of their identity that have been out of date for a
 * month and are presented nowhere go with their keys, and so do certificates that nothing refers
 * to. What was forgotten stands in the journal. Zeros when it is not due. Nothing that a pass
 * loaded may be in use meanwhile. */
enum err_code store_collect(struct store *s, int keep_revisions, struct collected *ret,
                            struct err *err);
