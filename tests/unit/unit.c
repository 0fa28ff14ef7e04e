/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unit.c - scratch directories for the unit tests.
 *
 * Made below $TMPDIR so that a test run can be pointed at a tmpfs, and removed with nftw() in
 * depth-first order without following symlinks: tests plant links that point anywhere.
 */
#include "tests/unit/unit.h"

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

char *unit_tmpdir(void)
{
	const char *base = secure_getenv("TMPDIR");
	char *dir = NULL;

	if (asprintf(&dir, "%s/certwright-test-XXXXXX", base == NULL ? "/tmp" : base) < 0) {
		abort();
	}
	if (mkdtemp(dir) == NULL) {
		perror(dir);
		abort();
	}
	return dir;
}

static int open_up(const char *path, const struct stat *st ATTR_UNUSED, int type,
                   struct FTW *ftw ATTR_UNUSED)
{
	/* Tests take permissions away; without them back a directory cannot be emptied. */
	if (type == FTW_D || type == FTW_DNR) {
		(void)chmod(path, 0700);
	}
	return 0;
}

static int remove_one(const char *path, const struct stat *st ATTR_UNUSED, int type ATTR_UNUSED,
                      struct FTW *ftw ATTR_UNUSED)
{
	return remove(path);
}

void unit_rmtree(char *dir)
{
	if (dir == NULL) {
		return;
	}
	(void)nftw(dir, open_up, 16, FTW_PHYS);
	if (nftw(dir, remove_one, 16, FTW_PHYS | FTW_DEPTH) != 0) {
		perror(dir);
	}
	free(dir);
}
