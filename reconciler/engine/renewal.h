/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * renewal.h - moments: when a certificate is due, when it gets urgent, when a window is open.
 */
#pragma once

#include "desired/model.h"

/* The last part of a life that no window may eat: min(3d, life/6). */
int64_t urgent_margin(struct wall not_before, struct wall not_after);

/* No list is an open door. `deny` windows close whatever the others open. */
bool windows_open(const struct window_spec *w, size_t n, struct wall t);
/* First open moment at or after t, at most `until`; false: none. */
bool windows_next_open(const struct window_spec *w, size_t n, struct wall t, struct wall until,
                       struct wall *ret);
