/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fs.h - files: bounded reads, and replacement that leaves the old file or the new one.
 *
 * Rules from design.md "Files": temp + fsync + rename + fsync of the directory, then a fresh mtime
 * (a rename alone is invisible to watchers of ENTRY_MODIFY, and JSSE keys a cache on the mtime);
 * owner, group and mode come from the caller, never from a file that is there; no symlink is
 * followed out of the directory; a directory writable by another uid is refused (unless it is
 * sticky and the file is ours), and so is one that somebody else's link leads to. A bind-mounted
 * single file (rename says EBUSY) is overwritten in place after the backup was made.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "reconciler/base/buf.h"
#include "reconciler/base/bytes.h"
#include "reconciler/base/clock.h"
#include "reconciler/base/err.h"

#define FS_NO_ID       ((uint32_t)-1)
#define FS_TEMP_PREFIX ".certwright-" /* every temporary file we make starts so */

void cleanup_close(int *fd); /* CLEANUP(cleanup_close) int fd = -1; keeps errno */

struct fs_facts {
	bool exists;
	bool is_symlink; /* the leaf itself */
	mode_t mode;     /* permission bits */
	uint32_t uid, gid;
	uint64_t size, dev, ino;
	int64_t mtime_ns;
	nlink_t links;
};

/* A missing file is ERR_OK with exists false; a directory that cannot be entered is an error. */
enum err_code fs_stat(const char *path, struct fs_facts *ret, struct err *err);
/* Whole file, at most `limit` bytes, appended to `out`. Regular files only. ERR_NOT_FOUND is
 * certain absence. */
enum err_code fs_read(const char *path, size_t limit, struct buf *out, struct err *err);

/* A directory, to work on names in it. A symbolic link on the way there is followed when it is
 * root's, ours or of the owner of where it leads; nobody else says where our files go. */
enum err_code fs_open_dir(const char *dir, int *ret, struct err *err);

struct fs_replace {
	const char *path; /* absolute */
	struct bytes data;
	uint32_t mode;     /* 0600 ... */
	uint32_t uid, gid; /* FS_NO_ID: the writing process's own */
	/* Absolute path in the same directory for the old file, at most 0600; or NULL. */
	const char *backup;
	/* When set: what the caller saw; replaced only if the file is still that (else
	 * ERR_CONFLICT). */
	const struct fs_facts *expect;
};
/* Put it there: all or nothing. A file that is a symlink is resolved within its own directory only;
 * pointing elsewhere is ERR_DENIED. */
enum err_code fs_replace(const struct fs_replace *r, struct err *err);
/* Would fs_replace be allowed to do that? Changes nothing. */
enum err_code fs_replace_check(const struct fs_replace *r, struct err *err);
/* unlink + fsync of the directory; absent is ERR_OK. */
enum err_code fs_remove(const char *path, struct err *err);
/* Create the directory and its parents with `mode` (leaf) / 0755 (parents); present is ERR_OK. */
enum err_code fs_make_dirs(const char *path, uint32_t mode, struct err *err);
/* Remove temporaries that a crash left in `dir` (FS_TEMP_PREFIX, ours, older than a minute by
 * `now`). */
enum err_code fs_sweep_temps(const char *dir, struct wall now, size_t *ret_removed,
                             struct err *err);
/* Remove files `stem*` of `dir` last changed before `before`, keeping the newest `keep`: old
 * backups. */
enum err_code fs_prune_backups(const char *dir, const char *stem, size_t keep, struct wall before,
                               struct err *err);
/* Names to ids and back, by the system's databases. ERR_NOT_FOUND for an unknown name. */
enum err_code fs_uid_of(const char *user, uint32_t *ret, struct err *err);
enum err_code fs_gid_of(const char *group, uint32_t *ret, struct err *err);

/* Observe writes for fault tests: called before each step of fs_replace with its name ("open-temp",
 * "write", "fsync-temp", "rename", "fsync-dir", "backup"); a non-zero return is taken as that
 * errno. */
extern int (*fs_fault_hook)(const char *step);
