/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fs_replace.c - put a file there, all or nothing.
 *
 * The directory is held open and everything happens relative to it, so that a directory renamed
 * under us stays the one we checked. What works on names (create, link, rename) is done with the
 * file system identity of the directory's owner, what works on our descriptor (owner, mode, sync)
 * with our own: the owner of a directory can swap names between two of our calls, but cannot make
 * root act on a file that is not theirs.
 *
 * A hard-linked target is replaced by the rename; its other names keep the old content. ACLs and
 * other extended attributes of the old file are not carried over: permissions come from the caller.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"

#define LINK_HOPS_MAX  8
#define LOCK_TRIES     200
#define LOCK_PAUSE_NS  10000000L
#define TEMP_NAME_SIZE (sizeof(FS_TEMP_PREFIX) + 6)
#define COPY_LIMIT     ((size_t)64 << 20)
#define BACKUP_MODE    0600 /* it may hold a key, and nothing but its owner reads it */

int (*fs_fault_hook)(const char *step);

struct job {
	const struct fs_replace *r;
	struct err *err;
	int dirfd;
	char *dir;
	char *leaf; /* after symlinks within the directory */
	uid_t as_uid;
	gid_t as_gid; /* identity for work on names */
	bool switch_identity;
	bool locks; /* against others who write, while it is written */
	bool exists;
	bool shared; /* a sticky directory that others write to: only what is ours is replaced */
	char temp[TEMP_NAME_SIZE]; /* "" when there is none to remove */
	int fd;                    /* the temporary, later the file */
};

/* 0, or the errno that a test wants to see at this step. */
static int fault(const char *step)
{
	return fs_fault_hook == NULL ? 0 : fs_fault_hook(step);
}

static bool failed_at(const char *step)
{
	int sys = fault(step);

	if (sys != 0) {
		errno = sys;
	}
	return sys != 0;
}

static enum err_code report(const struct job *j, const char *doing)
{
	return err_set_sys(j->err, errno, "%s '%s'", doing, j->r->path);
}

static bool act_as_owner(const struct job *j)
{
	if (!j->switch_identity) {
		return true;
	}
	(void)setfsgid(j->as_gid);
	(void)setfsuid(j->as_uid);
	/* An invalid id changes nothing and tells what is in force. */
	if ((uid_t)setfsuid((uid_t)-1) == j->as_uid) {
		return true;
	}
	(void)setfsgid(getegid());
	errno = EPERM;
	return false;
}

static void act_as_self(const struct job *j)
{
	if (j->switch_identity) {
		int kept = errno;

		(void)setfsuid(geteuid());
		(void)setfsgid(getegid());
		errno = kept;
	}
}

static enum err_code check_directory(struct job *j)
{
	struct stat st;
	bool sticky;
	bool group_of_many;

	if (fstat(j->dirfd, &st) != 0) {
		return err_set_sys(j->err, errno, "look at '%s'", j->dir);
	}
	sticky = (st.st_mode & S_ISVTX) != 0;
	/* A user's private group (same number) and root's are as good as no group. */
	group_of_many = (st.st_mode & S_IWGRP) != 0 && st.st_gid != st.st_uid && st.st_gid != 0;
	if (!sticky && (group_of_many || (st.st_mode & S_IWOTH) != 0)) {
		(void)err_set(j->err, ERR_DENIED, "replace '%s': others may write to its directory",
		              j->r->path);
		return err_hint(j->err, "take the write permission of group and others from it, or "
		                        "set its sticky bit: chmod go-w DIRECTORY");
	}
	j->shared = sticky && (st.st_mode & (S_IWGRP | S_IWOTH)) != 0;
	if (st.st_uid != geteuid() && st.st_uid != 0) {
		if (geteuid() != 0) {
			return err_set(j->err, ERR_DENIED,
			               "replace '%s': its directory belongs to uid %u", j->r->path,
			               (unsigned)st.st_uid);
		}
		j->switch_identity = true;
		j->as_uid = st.st_uid;
		j->as_gid = st.st_gid;
	}
	return ERR_OK;
}

static bool is_leaf(const char *name)
{
	return name[0] != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0;
}

static enum err_code split_path(struct job *j)
{
	const char *slash = strrchr(j->r->path, '/');

	if (j->r->path[0] != '/' || !is_leaf(slash + 1)) {
		return err_set(j->err, ERR_INVALID, "replace '%s': not the absolute path of a file",
		               j->r->path);
	}
	j->dir = slash == j->r->path ? str_dup("/")
	                             : strndup(j->r->path, (size_t)(slash - j->r->path));
	j->leaf = str_dup(slash + 1);
	return j->dir == NULL || j->leaf == NULL ? err_nomem(j->err) : ERR_OK;
}

/* The name in the same directory that the link names, or NULL. */
static const char *target_within(const struct job *j, const char *target)
{
	size_t n = strlen(j->dir);

	if (strncmp(target, j->dir, n) == 0 && target[n] == '/') {
		target += n + 1;
	} else if (str_starts(target, "./")) {
		target += 2;
	}
	return is_leaf(target) ? target : NULL;
}

static enum err_code follow_link(struct job *j)
{
	char target[4096];
	ssize_t n = readlinkat(j->dirfd, j->leaf, target, sizeof(target) - 1);
	const char *within;
	char *leaf;

	if (n < 0) {
		return report(j, "read link");
	}
	target[n] = '\0';
	within = target_within(j, target);
	if (within == NULL) {
		return err_set(j->err, ERR_DENIED,
		               "replace '%s': it is a symbolic link out of its directory",
		               j->r->path);
	}
	leaf = str_dup(within);
	if (leaf == NULL) {
		return err_nomem(j->err);
	}
	free(j->leaf);
	j->leaf = leaf;
	return ERR_OK;
}

static enum err_code find_leaf(struct job *j, struct stat *st)
{
	for (int hops = 0; hops <= LINK_HOPS_MAX; hops++) {
		if (fstatat(j->dirfd, j->leaf, st, AT_SYMLINK_NOFOLLOW) != 0) {
			j->exists = false;
			return errno == ENOENT ? ERR_OK : report(j, "look at");
		}
		j->exists = true;
		if (j->shared && st->st_uid != geteuid()) {
			return err_set(j->err, ERR_DENIED, "replace '%s': it belongs to uid %u",
			               j->r->path, (unsigned)st->st_uid);
		}
		if (S_ISREG(st->st_mode)) {
			return ERR_OK;
		}
		if (!S_ISLNK(st->st_mode)) {
			return err_set(j->err, ERR_INVALID, "replace '%s': not a regular file",
			               j->r->path);
		}
		enum err_code rc = follow_link(j);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return err_set(j->err, ERR_INVALID, "replace '%s': too many symbolic links", j->r->path);
}

static enum err_code check_expected(const struct job *j)
{
	const struct fs_facts *e = j->r->expect;
	struct stat st;
	bool same;

	if (e == NULL) {
		return ERR_OK;
	}
	if (fstatat(j->dirfd, j->leaf, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno != ENOENT) {
			return report(j, "look at");
		}
		same = !e->exists;
	} else {
		same = e->exists && e->ino == st.st_ino && e->dev == st.st_dev &&
		       e->size == (uint64_t)st.st_size &&
		       e->mtime_ns == (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	}
	return same ? ERR_OK
	            : err_set(j->err, ERR_CONFLICT,
	                      "replace '%s': it was changed since it was read", j->r->path);
}

static enum err_code lock_directory(const struct job *j)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };

	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(j->dirfd, LOCK_EX | LOCK_NB) == 0) {
			return ERR_OK;
		}
		/* Some network file systems have no locks: then there is nothing to wait for. */
		if (errno != EWOULDBLOCK && errno != EINTR) {
			return ERR_OK;
		}
		(void)nanosleep(&pause, /* remain= */ NULL);
	}
	return err_set(j->err, ERR_CONFLICT, "replace '%s': another program locks its directory",
	               j->r->path);
}

static void random_name(char *out)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz012345";
	uint8_t raw[6] = { 0 };
	size_t at = strlen(FS_TEMP_PREFIX);

	/* A short answer only makes a collision likelier, and O_EXCL sees that. */
	(void)!getrandom(raw, sizeof(raw), GRND_NONBLOCK);
	memcpy(out, FS_TEMP_PREFIX, at);
	for (size_t i = 0; i < sizeof(raw); i++) {
		out[at + i] = letters[raw[i] & 31];
	}
	out[at + sizeof(raw)] = '\0';
}

/* A new file for writing; its name goes to `name`. -1 and errno on failure. */
static int create_temp(const struct job *j, char *name)
{
	int fd = -1;

	if (!act_as_owner(j)) {
		return -1;
	}
	for (int i = 0; i < 32; i++) {
		random_name(name);
		fd = openat(j->dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		            0600);
		if (fd >= 0 || errno != EEXIST) {
			break;
		}
	}
	act_as_self(j);
	if (fd < 0) {
		name[0] = '\0';
	}
	return fd;
}

static void remove_name(const struct job *j, const char *name)
{
	int kept = errno;

	if (name[0] != '\0' && act_as_owner(j)) {
		(void)unlinkat(j->dirfd, name, 0);
		act_as_self(j);
	}
	errno = kept;
}

static bool write_all(int fd, struct bytes data)
{
	while (data.n > 0) {
		ssize_t n = write(fd, data.p, data.n);

		if (n < 0 && errno != EINTR) {
			return false;
		}
		if (n > 0) {
			data = bytes_of(data.p + n, data.n - (size_t)n);
		}
	}
	return true;
}

static bool set_owner_and_mode(int fd, const struct fs_replace *r)
{
	/* Owner first: changing it takes set-id bits away. */
	return ((r->uid == FS_NO_ID && r->gid == FS_NO_ID) || fchown(fd, r->uid, r->gid) == 0) &&
	       fchmod(fd, r->mode) == 0;
}

static enum err_code write_temp(struct job *j)
{
	if (failed_at("open-temp")) {
		return report(j, "create a temporary file for");
	}
	j->fd = create_temp(j, j->temp);
	if (j->fd < 0) {
		return report(j, "create a temporary file for");
	}
	if (failed_at("write") || !write_all(j->fd, j->r->data)) {
		return report(j, "write");
	}
	if (!set_owner_and_mode(j->fd, j->r)) {
		return report(j, "set owner and mode of");
	}
	if (failed_at("fsync-temp") || fsync(j->fd) != 0) {
		return report(j, "sync");
	}
	return ERR_OK;
}

/* As large as COPY_LIMIT allows; the copy has the permissions of the original, but no more than
 * `most`. */
static bool copy_old(const struct job *j, int to, mode_t most)
{
	CLEANUP(cleanup_close) int from = -1;
	CLEANUP(buf_release) struct buf content;
	struct stat st;

	buf_init_secret(&content, COPY_LIMIT);
	from = openat(j->dirfd, j->leaf, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (from < 0 || fstat(from, &st) != 0) {
		return false;
	}
	for (;;) {
		uint8_t *room = buf_room(&content, (size_t)16 << 10);
		ssize_t n = room == NULL ? -1 : read(from, room, (size_t)16 << 10);

		if (room == NULL) {
			errno = EFBIG;
		}
		if (n < 0) {
			return false;
		}
		if (n == 0) {
			break;
		}
		buf_grew(&content, (size_t)n);
	}
	/* Without the privilege the copy stays ours, and then nobody else may read it. */
	if (fchown(to, st.st_uid, st.st_gid) == 0 && fchmod(to, st.st_mode & most) != 0) {
		return false;
	}
	return write_all(to, buf_view(&content)) && fsync(to) == 0;
}

/* A copy of the old file under the name `name`, replacing what has that name. */
static bool copy_to_name(const struct job *j, const char *name)
{
	char temp[TEMP_NAME_SIZE];
	CLEANUP(cleanup_close) int fd = create_temp(j, temp);
	bool ok;

	if (fd < 0) {
		return false;
	}
	ok = copy_old(j, fd, BACKUP_MODE) && act_as_owner(j);
	if (ok) {
		ok = renameat(j->dirfd, temp, j->dirfd, name) == 0;
		act_as_self(j);
	}
	if (!ok) {
		remove_name(j, temp);
	}
	return ok;
}

static bool is_old_file(const struct job *j, const char *name)
{
	struct stat a;
	struct stat b;

	return fstatat(j->dirfd, j->leaf, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(j->dirfd, name, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_ino == b.st_ino &&
	       a.st_dev == b.st_dev;
}

/* A link has the mode of the old file: good enough only where that is no wider than a backup's. */
static bool link_to_name(const struct job *j, const char *name)
{
	struct stat st;
	bool ok;

	if (fstatat(j->dirfd, j->leaf, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
	    (st.st_mode & 07777 & ~(mode_t)BACKUP_MODE) != 0 || !act_as_owner(j)) {
		return false;
	}
	ok = linkat(j->dirfd, j->leaf, j->dirfd, name, 0) == 0;
	act_as_self(j);
	/* A rerun after a crash finds the link it made. */
	return ok || (errno == EEXIST && is_old_file(j, name));
}

static enum err_code make_backup(const struct job *j)
{
	const char *name;
	size_t n = strlen(j->dir);

	if (j->r->backup == NULL || !j->exists) {
		return ERR_OK;
	}
	name = strcmp(j->dir, "/") == 0 ? j->r->backup + 1 : j->r->backup + n + 1;
	if (!str_starts(j->r->backup, j->dir) || name[-1] != '/' || !is_leaf(name) ||
	    strcmp(name, j->leaf) == 0) {
		return err_set(j->err, ERR_INVALID, "backup '%s' is not beside '%s'", j->r->backup,
		               j->r->path);
	}
	/* No link over a mount, nor on file systems without links, nor to another's file. */
	if (failed_at("backup") || (!link_to_name(j, name) && !copy_to_name(j, name))) {
		return report(j, "back up");
	}
	return ERR_OK;
}

static bool overwrite(int fd, struct bytes data)
{
	return lseek(fd, 0, SEEK_SET) == 0 && write_all(fd, data) &&
	       ftruncate(fd, (off_t)data.n) == 0 && fsync(fd) == 0;
}

/* A file that is a mount of its own (a container's) cannot be renamed over. The old content is
 * safe in the backup, or in a copy that is removed at the end, before the first byte is written. */
static enum err_code write_in_place(struct job *j)
{
	char copy[TEMP_NAME_SIZE] = "";
	CLEANUP(cleanup_close) int kept = -1;
	CLEANUP(cleanup_close) int fd = -1;
	enum err_code rc;
	struct stat st;

	if (j->r->backup == NULL) {
		kept = create_temp(j, copy);
		if (kept < 0 || !copy_old(j, kept, 0777)) {
			rc = report(j, "keep a copy of");
			remove_name(j, copy);
			return rc;
		}
	}
	fd = openat(j->dirfd, j->leaf, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0) {
		rc = report(j, "open");
		remove_name(j, copy);
		return rc;
	}
	/* From here on the copy stays when something fails: it is the old file. */
	if (st.st_nlink > 1 || !S_ISREG(st.st_mode)) {
		remove_name(j, copy);
		return err_set(j->err, ERR_DENIED,
		               "replace '%s': a mount that has other names (hard links)",
		               j->r->path);
	}
	if (!overwrite(fd, j->r->data) || !set_owner_and_mode(fd, j->r)) {
		return report(j, "overwrite in place");
	}
	remove_name(j, copy);
	(void)futimens(fd, /* times= */ NULL);
	return ERR_OK;
}

static enum err_code swap_in(struct job *j)
{
	int rc;

	if (failed_at("rename")) {
		rc = -1;
	} else {
		rc = act_as_owner(j) ? renameat(j->dirfd, j->temp, j->dirfd, j->leaf) : -1;
		act_as_self(j);
	}
	if (rc != 0 && errno == EBUSY && j->exists) {
		return write_in_place(j);
	}
	if (rc != 0) {
		return report(j, "rename over");
	}
	j->temp[0] = '\0';
	if (failed_at("fsync-dir") || fsync(j->dirfd) != 0) {
		return report(j, "sync the directory of");
	}
	/* Watchers of modification do not see a rename. */
	if (futimens(j->fd, /* times= */ NULL) != 0) {
		return report(j, "set the time of");
	}
	return ERR_OK;
}

static enum err_code prepare(struct job *j)
{
	struct stat st;
	enum err_code rc = split_path(j);

	if (rc != ERR_OK) {
		return rc;
	}
	rc = fs_open_dir(j->dir, &j->dirfd, j->err);
	if (rc == ERR_OK) {
		rc = check_directory(j);
	}
	if (rc == ERR_OK && j->locks) {
		rc = lock_directory(j);
	}
	return rc == ERR_OK ? find_leaf(j, &st) : rc;
}

static enum err_code replace(struct job *j)
{
	enum err_code rc = prepare(j);

	if (rc == ERR_OK) {
		rc = check_expected(j);
	}
	if (rc == ERR_OK) {
		rc = write_temp(j);
	}
	if (rc == ERR_OK) {
		rc = make_backup(j);
	}
	/* Again, as late as can be: nothing stops other programs from writing meanwhile. */
	if (rc == ERR_OK) {
		rc = check_expected(j);
	}
	return rc == ERR_OK ? swap_in(j) : rc;
}

enum err_code fs_replace(const struct fs_replace *r, struct err *err)
{
	struct job j = { .r = r, .err = err, .dirfd = -1, .fd = -1, .locks = true };
	enum err_code rc = replace(&j);

	remove_name(&j, j.temp);
	cleanup_close(&j.fd);
	cleanup_close(&j.dirfd);
	free(j.dir);
	free(j.leaf);
	return rc;
}

enum err_code fs_replace_check(const struct fs_replace *r, struct err *err)
{
	struct job j = { .r = r, .err = err, .dirfd = -1, .fd = -1 };
	enum err_code rc = prepare(&j);

	if (rc == ERR_OK) {
		rc = check_expected(&j);
	}
	if (rc == ERR_OK &&
	    (!act_as_owner(&j) || faccessat(j.dirfd, ".", W_OK | X_OK, AT_EACCESS) != 0)) {
		rc = report(&j, "write");
		(void)err_hint(err, "a new file is made beside it: let uid %u write there",
		               (unsigned)geteuid());
	}
	act_as_self(&j);
	cleanup_close(&j.dirfd);
	free(j.dir);
	free(j.leaf);
	return rc;
}
