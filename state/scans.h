/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * scans.h - what the scans of Discoveries found: the one under way, the last, and the one before
 * it, as text in the form of whoever scans.
 */
#pragma once

#include "state/store.h"

struct scan_times {
	struct wall begun, ended; /* ended 0: under way; begun 0: there is none */
};
enum scan_which { SCAN_OPEN, SCAN_LAST, SCAN_BEFORE };

/* One that is under way under this name is given up. */
enum err_code store_scan_begin(struct store *s, const char *name, struct err *err);
/* More of what the one under way found. ERR_NOT_FOUND: there is none. */
enum err_code store_scan_add(struct store *s, const char *name, struct bytes text, struct err *err);
/* The one under way is the last now; of those before it only the newest stays. */
enum err_code store_scan_end(struct store *s, const char *name, struct err *err);
/* None: zero, no error. */
enum err_code store_scan_times(struct store *s, const char *name, enum scan_which which,
                               struct scan_times *ret, struct err *err);
/* All of its text, appended. ERR_NOT_FOUND: there is none. */
enum err_code store_scan_read(struct store *s, const char *name, enum scan_which which,
                              struct buf *ret, struct err *err);
/* Forget the scans of all other names. */
enum err_code store_scans_keep(struct store *s, const char *const *names, size_t n,
                               struct err *err);
