/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fs_dir.c - the directory that a file is put into, past links that nobody planted.
 *
 * An application owns its directory and may put a link there in place of the one below it, to where
 * only root writes: followed without a look, our next file would go there, over one of the same
 * name. Directories themselves cannot be borrowed like that, so a way without links is taken at
 * once; else it is gone step by step, each link held open while it is asked whose it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"

#define LINKS_MAX 40

struct walk {
	int fd;
	char *rest; /* of the way */
	unsigned links;
	bool foreign, mixed; /* links of somebody else; of several others */
	uid_t by;
};

static void walk_release(struct walk *w)
{
	cleanup_close(&w->fd);
	free(w->rest);
}

static int open_without_links(const char *dir)
{
	struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		                .resolve = RESOLVE_NO_SYMLINKS };

	return (int)syscall(SYS_openat2, AT_FDCWD, dir, &how, sizeof(how));
}

static void go_to(struct walk *w, int *fd)
{
	cleanup_close(&w->fd);
	w->fd = *fd;
	*fd = -1;
}

static void note_owner(struct walk *w, uid_t uid)
{
	if (uid == 0 || uid == geteuid()) {
		return;
	}
	w->mixed = w->mixed || (w->foreign && w->by != uid);
	w->foreign = true;
	w->by = uid;
}

/* false: errno tells why. */
static bool follow(struct walk *w, int link, const char *after)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(link, "", target, sizeof(target) - 1);

	if (n < 0 || ++w->links > LINKS_MAX) {
		errno = n < 0 ? errno : ELOOP;
		return false;
	}
	target[n] = '\0';
	char *rest = str_printf("%s/%s", target, after);
	if (rest == NULL) {
		errno = ENOMEM;
		return false;
	}
	free(w->rest);
	w->rest = rest;
	if (target[0] == '/') {
		CLEANUP(cleanup_close) int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (root < 0) {
			return false;
		}
		go_to(w, &root);
	}
	return true;
}

/* One name further. false: errno tells why. */
static bool step(struct walk *w, const char *name, size_t n)
{
	CLEANUP(cleanup_close) int next = -1;
	char one[NAME_MAX + 1];
	struct stat st;

	if (n > NAME_MAX) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(one, name, n);
	one[n] = '\0';
	next = openat(w->fd, one, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (next < 0 || fstat(next, &st) != 0) {
		return false;
	}
	if (S_ISLNK(st.st_mode)) {
		note_owner(w, st.st_uid);
		return follow(w, next, name + n);
	}
	if (!S_ISDIR(st.st_mode)) {
		errno = ENOTDIR;
		return false;
	}
	go_to(w, &next);
	memmove(w->rest, name + n, strlen(name + n) + 1);
	return true;
}

static bool walk_to_end(struct walk *w)
{
	while (w->fd >= 0) {
		const char *name = w->rest + strspn(w->rest, "/");
		size_t n = strcspn(name, "/");

		if (n == 0) {
			return true;
		}
		if (!step(w, name, n)) {
			return false;
		}
	}
	return false;
}

enum err_code fs_open_dir(const char *dir, int *ret, struct err *err)
{
	CLEANUP(cleanup_close) int fd = open_without_links(dir);
	CLEANUP(walk_release)
	struct walk w = { .fd = -1 };
	struct stat st;

	if (fd < 0 && errno != ELOOP && errno != ENOSYS) {
		return err_set_sys(err, errno, "open directory '%s'", dir);
	}
	if (fd < 0) {
		w.rest = str_dup(dir);
		w.fd = open(dir[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (w.rest == NULL) {
			return err_nomem(err);
		}
		if (walk_to_end(&w)) {
			fd = openat(w.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		}
		if (fd < 0 || fstat(fd, &st) != 0) {
			return err_set_sys(err, errno, "open directory '%s'", dir);
		}
		if (w.mixed || (w.foreign && st.st_uid != w.by)) {
			return err_set(
				err, ERR_DENIED,
				"open directory '%s': a symbolic link of uid %u on the way leads "
				"to a directory of uid %u",
				dir, (unsigned)w.by, (unsigned)st.st_uid);
		}
	}
	*ret = fd;
	fd = -1;
	return ERR_OK;
}
