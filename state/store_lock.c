/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_lock.c - one reconciler at a time.
 *
 * An open-file-description lock: it belongs to the descriptor, so that another part of the process
 * closing the same file does not drop it (as POSIX locks would), and the kernel frees it whatever
 * way the process ends. F_GETLK does not know the owner of such a lock; hence the pid in the text,
 * which is for people only and never believed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"
#include "state/store_impl.h"

static enum err_code taken(const char *dir, int fd, struct err *err)
{
	char text[32] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	int64_t pid = 0;

	text[n < 0 ? 0 : n] = 0;
	text[strcspn(text, "\n")] = 0;
	if (!str_to_i64(text, 1, INT32_MAX, &pid)) {
		(void)err_set(err, ERR_CONFLICT, "another reconciler holds %s", dir);
		return err_hint(err, "wait for it, or stop it");
	}
	(void)err_set(err, ERR_CONFLICT, "reconciler with pid %d holds %s", (int)pid, dir);
	return err_hint(err, "wait for it, or stop it: kill %d; operator verbs work beside it",
	                (int)pid);
}

static int give_away(int *fd)
{
	int kept = *fd;

	*fd = -1;
	return kept;
}

enum err_code store_lock(const char *dir, int *ret_fd, struct err *err)
{
	CLEANUP(cleanup_close) int fd = -1;
	CLEANUP(cleanup_free) char *path = str_printf("%s/lock", dir);
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char text[32];
	int n;

	if (path == NULL) {
		return err_nomem(err);
	}
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		return err_set_sys(err, errno, "open lock %s", path);
	}
	if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
		return errno == EAGAIN || errno == EACCES
		               ? taken(dir, fd, err)
		               : err_set_sys(err, errno, "lock %s", path);
	}
	n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n) {
		return err_set_sys(err, errno, "write lock %s", path);
	}
	*ret_fd = give_away(&fd);
	return ERR_OK;
}

/* A removed file takes writes without a word: keys would be gone with the process, and somebody
 * else could hold the new lock. */
enum err_code store_lock_holds(const char *dir, int fd, struct err *err)
{
	CLEANUP(cleanup_free) char *path = str_printf("%s/lock", dir);
	struct stat ours;
	struct stat there;

	if (path == NULL) {
		return err_nomem(err);
	}
	if (fstat(fd, &ours) != 0) {
		return err_set_sys(err, errno, "look at lock %s", path);
	}
	bool gone = stat(path, &there) != 0;
	if (gone && errno != ENOENT) {
		return err_set_sys(err, errno, "look at lock %s", path);
	}
	if (!gone && there.st_ino == ours.st_ino && there.st_dev == ours.st_dev) {
		return ERR_OK;
	}
	(void)err_set(err, ERR_CONFLICT, "the state in %s was removed or replaced meanwhile", dir);
	return err_hint(err, "put it back as it was, then start again; nothing was written");
}
