/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fetching.h - what the tests of fetching share: a directory, a commit that shall arrive, the
 * mirror it arrives in.
 */
#pragma once

#include "desired/source.h"
#include "reconciler/base/str.h"
#include "tests/unit/unit.h"

static char *dir, *commit;
static struct err err;
static struct source *src;

static inline char *in_dir(const char *name)
{
	return str_printf("%s/%s", dir, name);
}

static inline void close_source(void)
{
	source_close(src);
	src = NULL;
}

static inline void open_source(void)
{
	src = NULL;
	err_clear(&err);
}

static inline void has_commit(bool want)
{
	char got[41];

	err_clear(&err);
	ck_assert_int_eq(source_resolve(src, NULL, got, &err), want ? ERR_OK : ERR_NOT_FOUND);
	if (want) {
		ck_assert_str_eq(got, commit);
	}
}
