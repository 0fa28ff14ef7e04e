/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * allowed.h - everything a desired state would make us do, held against the authority of the
 * configuration. Pure.
 *
 * A repository that asks for more than it may is refused as a whole, like one that does not parse:
 * nothing is planned, run or opened for it, and each finding says which line of the configuration
 * would allow it.
 */
#pragma once

#include "desired/authority.h"

/* ERR_DENIED with every finding in *ret_diag (arena). Programs, secret files, local paths, hosts,
 * ranges to scan. */
enum err_code desired_allowed(const struct desired *d, const struct authority *a,
                              struct arena *arena, struct diagnostics *ret_diag, struct err *err);
