/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hosts.h - "pdu[01-40].dc1.example" to names.
 */
#pragma once

#include "reconciler/base/arena.h"
#include "reconciler/base/err.h"

/* An address, or a name that can be asked for: no wildcard, and no mistyped address (10.0.0.256,
 * 10.0.0.1-9), which a resolver would never find. */
bool host_name_valid(const char *s);

struct host_names {
	const char **v;
	size_t n, cap;
};

/* Append what the pattern stands for: [01-40] keeps the width of its start, [a,b,7-9] is a list of
 * such; several brackets multiply. At most `limit` names altogether, else ERR_INVALID. */
enum err_code host_range_expand(const char *pattern, size_t limit, struct arena *arena,
                                struct host_names *out, struct err *err);
