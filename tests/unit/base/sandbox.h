/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sandbox.h - a directory of a test's own, with two names in it to write to.
 */
#pragma once

#include <dirent.h>
#include <stdio.h>

#include "reconciler/base/fs.h"
#include "tests/unit/unit.h"

static char *dir;
static char path[512];
static char other[512];

static inline void in_dir(char *out, const char *name)
{
	int n = snprintf(out, sizeof(path), "%s/%s", dir, name);

	ck_assert_int_lt(n, (int)sizeof(path));
}

static inline void setup(void)
{
	dir = unit_tmpdir();
	in_dir(path, "web.pem");
	in_dir(other, "other");
}

static inline void teardown(void)
{
	fs_fault_hook = NULL;
	unit_rmtree(dir);
}

static inline void put(const char *where, const char *text)
{
	FILE *f = fopen(where, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

static inline void holds(const char *where, const char *text)
{
	struct err err = { 0 };
	struct buf b;

	buf_init(&b, 10000);
	ck_assert_ok(fs_read(where, 10000, &b, &err), &err);
	ck_assert_str_eq(buf_str(&b), text);
	buf_release(&b);
}

static inline size_t files(void)
{
	DIR *d = opendir(dir);
	size_t n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d) != NULL) {
		n++;
	}
	ck_assert_int_eq(closedir(d), 0);
	return n - 2; /* "." and ".." */
}
