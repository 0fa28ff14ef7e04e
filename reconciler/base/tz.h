/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tz.h - timezones of the system's zone database (TZif files), for windows.
 *
 * The C library can only switch the whole process to another zone (TZ, tzset), which is wrong in
 * a program with threads; so the files are read here.
 *
 * Ownership: zones are cached for the life of the process; a returned pointer stays valid.
 * Threads:   any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "reconciler/base/bytes.h"
#include "reconciler/base/clock.h"

struct tz;

/* NULL: no such zone, or its file is damaged. NULL, "", "UTC" and "Etc/UTC" need no file. */
const struct tz *tz_find(const char *name);
/* Parse a TZif file; free with tz_free(). For tests and tz_find(). */
struct tz *tz_parse(struct bytes file);
void tz_free(struct tz *tz);

/* Seconds to add to UTC at `t`. */
int64_t tz_offset(const struct tz *tz, struct wall t);
/* `local_s` counts seconds since 1970 as a clock on the wall shows them. The first moment at which
 * it shows that; a time that is skipped gives the moment of the jump. */
struct wall tz_from_local(const struct tz *tz, int64_t local_s);
