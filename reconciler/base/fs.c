/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fs.c - looking at files, reading them, directories, and the house-keeping of temporaries.
 *
 * Replacing a file is fs_replace.c.
 */
#include "reconciler/base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "reconciler/base/str.h"

#define TEMP_AGE_S  60
#define READ_CHUNK  ((size_t)64 << 10)
#define NAME_SUFFIX 6u

void cleanup_close(int *fd)
{
	int kept = errno;

	if (*fd >= 0) {
		(void)close(*fd);
		*fd = -1;
	}
	errno = kept;
}

static void cleanup_closedir(DIR **d)
{
	if (*d != NULL) {
		(void)closedir(*d);
	}
}

static void facts_of(const struct stat *st, struct fs_facts *f)
{
	f->exists = true;
	f->mode = st->st_mode & 07777;
	f->uid = st->st_uid;
	f->gid = st->st_gid;
	f->size = (uint64_t)st->st_size;
	f->dev = st->st_dev;
	f->ino = st->st_ino;
	f->mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
	f->links = st->st_nlink;
}

enum err_code fs_stat(const char *path, struct fs_facts *ret, struct err *err)
{
	struct fs_facts f = { .exists = false };
	struct stat st;

	if (lstat(path, &st) == 0) {
		f.is_symlink = S_ISLNK(st.st_mode);
		if (!f.is_symlink || stat(path, &st) == 0) {
			facts_of(&st, &f);
			*ret = f;
			return ERR_OK;
		}
	}
	/* A link to nothing is absent like the thing itself. */
	if (errno != ENOENT) {
		return err_set_sys(err, errno, "look at '%s'", path);
	}
	*ret = f;
	return ERR_OK;
}

/* read() that is not put off by signals. */
static ssize_t read_some(int fd, void *to, size_t n)
{
	ssize_t got;

	do {
		got = read(fd, to, n);
	} while (got < 0 && errno == EINTR);
	return got;
}

/* Room for all of it, and for the read that finds its end: growing on the way holds it twice. */
static void expect(struct buf *out, size_t n, size_t limit)
{
	if (n > READ_CHUNK && n <= limit && out->len == 0 && out->limit > n &&
	    out->limit - n > READ_CHUNK) {
		(void)buf_room(out, n + READ_CHUNK);
	}
}

static enum err_code read_all(int fd, const char *path, size_t limit, struct buf *out,
                              struct err *err)
{
	size_t room_left = out->limit - out->len;
	size_t left = limit < room_left ? limit : room_left;
	uint8_t beyond;
	ssize_t n = 1;

	while (left > 0 && n > 0) {
		size_t want = left < READ_CHUNK ? left : READ_CHUNK;
		uint8_t *room = buf_room(out, want);

		if (room == NULL) {
			return err_set(err, ERR_NOMEM, "read '%s': no room for it", path);
		}
		n = read_some(fd, room, want);
		if (n > 0) {
			buf_grew(out, (size_t)n);
			left -= (size_t)n;
		}
	}
	if (n > 0) {
		n = read_some(fd, &beyond, 1);
	}
	if (n < 0) {
		return err_set_sys(err, errno, "read '%s'", path);
	}
	return n == 0 ? ERR_OK
	              : err_set(err, ERR_INVALID, "read '%s': larger than %zu bytes", path,
	                        limit < room_left ? limit : room_left);
}

enum err_code fs_read(const char *path, size_t limit, struct buf *out, struct err *err)
{
	/* Not blocking: opening somebody's FIFO must not hang us before we see that it is one. */
	CLEANUP(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	size_t before = out->len;
	enum err_code rc;

	if (fd < 0 || fstat(fd, &st) != 0) {
		return err_set_sys(err, errno, "read '%s'", path);
	}
	if (!S_ISREG(st.st_mode)) {
		return err_set(err, ERR_INVALID, "read '%s': not a regular file", path);
	}
	if (st.st_size > 0 && (uint64_t)st.st_size > limit) {
		return err_set(err, ERR_INVALID, "read '%s': larger than %zu bytes", path, limit);
	}
	expect(out, (size_t)st.st_size, limit);
	rc = read_all(fd, path, limit, out, err);
	if (rc != ERR_OK && !buf_failed(out)) {
		out->len = before;
		if (out->p != NULL) {
			out->p[before] = 0;
		}
	}
	return rc;
}

/* The directory part of an absolute path, "/" included; heap. */
static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL || slash == path) {
		return str_dup(slash == NULL ? "." : "/");
	}
	return strndup(path, (size_t)(slash - path));
}

enum err_code fs_remove(const char *path, struct err *err)
{
	CLEANUP(cleanup_free) char *parent = parent_of(path);
	CLEANUP(cleanup_close) int dirfd = -1;
	const char *slash = strrchr(path, '/');

	if (parent == NULL) {
		return err_nomem(err);
	}
	enum err_code rc = fs_open_dir(parent, &dirfd, err);
	if (rc == ERR_NOT_FOUND) {
		err_clear(err);
		return ERR_OK;
	}
	if (rc != ERR_OK) {
		return rc;
	}
	if (unlinkat(dirfd, slash == NULL ? path : slash + 1, 0) != 0) {
		return errno == ENOENT ? ERR_OK : err_set_sys(err, errno, "remove '%s'", path);
	}
	if (fsync(dirfd) != 0) {
		return err_set_sys(err, errno, "sync '%s' after removing '%s'", parent, path);
	}
	return ERR_OK;
}

static enum err_code make_dir(const char *path, uint32_t mode, struct err *err)
{
	CLEANUP(cleanup_close) int fd = -1;
	struct stat st;

	if (mkdir(path, 0700) != 0) {
		int why = errno;

		if (why == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
			return ERR_OK;
		}
		return err_set_sys(err, why, "create directory '%s'", path);
	}
	/* The umask has its say in mkdir(), not in fchmod(). */
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, mode) != 0) {
		return err_set_sys(err, errno, "set mode of directory '%s'", path);
	}
	return ERR_OK;
}

enum err_code fs_make_dirs(const char *path, uint32_t mode, struct err *err)
{
	CLEANUP(cleanup_free) char *p = str_dup(path);
	size_t n;

	if (p == NULL) {
		return err_nomem(err);
	}
	for (n = strlen(p); n > 1 && p[n - 1] == '/'; n--) {
		p[n - 1] = '\0';
	}
	for (size_t i = 1; i < n; i++) {
		if (p[i] == '/' && p[i - 1] != '/') {
			enum err_code rc;

			p[i] = '\0';
			rc = make_dir(p, 0755, err);
			p[i] = '/';
			if (rc != ERR_OK) {
				return rc;
			}
		}
	}
	return make_dir(p, mode, err);
}

/* ERR_OK with *ret NULL when there is no such directory. */
static enum err_code open_listing(const char *dir, DIR **ret, struct err *err)
{
	CLEANUP(cleanup_close) int fd = -1;
	enum err_code rc = fs_open_dir(dir, &fd, err);

	if (rc == ERR_NOT_FOUND) {
		err_clear(err);
		*ret = NULL;
		return ERR_OK;
	}
	if (rc != ERR_OK) {
		return rc;
	}
	*ret = fdopendir(fd);
	if (*ret == NULL) {
		return err_set_sys(err, errno, "list '%s'", dir);
	}
	fd = -1;
	return ERR_OK;
}

/* The next entry that is a regular file and starts with `prefix`; NULL at the end or on an error,
 * which errno tells. */
static const char *next_file(DIR *d, const char *prefix, struct stat *st)
{
	const struct dirent *e;

	for (;;) {
		errno = 0;
		/* Threads: the stream is the caller's own. */
		e = readdir(d); // NOLINT(concurrency-mt-unsafe)
		if (e == NULL) {
			return NULL;
		}
		if (str_starts(e->d_name, prefix) &&
		    fstatat(dirfd(d), e->d_name, st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st->st_mode)) {
			return e->d_name;
		}
	}
}

static bool is_stale_temp(const char *name, const struct stat *st, struct wall now)
{
	/* Root may have given it to its later owner already; nobody else's process can. */
	bool ours = geteuid() == 0 || st->st_uid == geteuid();

	return ours && strlen(name) == strlen(FS_TEMP_PREFIX) + NAME_SUFFIX &&
	       st->st_mtim.tv_sec < now.s - TEMP_AGE_S;
}

enum err_code fs_sweep_temps(const char *dir, struct wall now, size_t *ret_removed, struct err *err)
{
	CLEANUP(cleanup_closedir) DIR *d = NULL;
	size_t removed = 0;
	struct stat st;
	const char *name;
	enum err_code rc = open_listing(dir, &d, err);

	if (rc != ERR_OK) {
		return rc;
	}
	while (d != NULL && (name = next_file(d, FS_TEMP_PREFIX, &st)) != NULL) {
		if (!is_stale_temp(name, &st, now)) {
			continue;
		}
		if (unlinkat(dirfd(d), name, 0) == 0) {
			removed++;
		} else if (errno != ENOENT) {
			return err_set_sys(err, errno, "remove '%s/%s'", dir, name);
		}
	}
	if (d != NULL && errno != 0) {
		return err_set_sys(err, errno, "list '%s'", dir);
	}
	if (ret_removed != NULL) {
		*ret_removed = removed;
	}
	return ERR_OK;
}

struct backup {
	char *name;
	struct timespec changed;
};

struct backups {
	struct backup *v;
	size_t n, cap;
};

static void backups_release(struct backups *b)
{
	for (size_t i = 0; i < b->n; i++) {
		free(b->v[i].name);
	}
	free(b->v);
}

static bool backups_add(struct backups *b, const char *name, const struct stat *st)
{
	if (b->n == b->cap) {
		size_t cap = b->cap == 0 ? 16 : b->cap * 2;
		struct backup *v = reallocarray(b->v, cap, sizeof(*v));

		if (v == NULL) {
			return false;
		}
		b->v = v;
		b->cap = cap;
	}
	/* ctime: a backup that is a link keeps the mtime of the day the key was made. */
	b->v[b->n] = (struct backup){ .name = str_dup(name), .changed = st->st_ctim };
	return b->v[b->n++].name != NULL;
}

static int newest_first(const void *a, const void *b)
{
	const struct backup *x = a;
	const struct backup *y = b;

	if (x->changed.tv_sec != y->changed.tv_sec) {
		return x->changed.tv_sec < y->changed.tv_sec ? 1 : -1;
	}
	if (x->changed.tv_nsec != y->changed.tv_nsec) {
		return x->changed.tv_nsec < y->changed.tv_nsec ? 1 : -1;
	}
	return strcmp(y->name, x->name);
}

enum err_code fs_prune_backups(const char *dir, const char *stem, size_t keep, struct wall before,
                               struct err *err)
{
	CLEANUP(backups_release) struct backups found = { 0 };
	CLEANUP(cleanup_closedir) DIR *d = NULL;
	const char *name;
	struct stat st;
	enum err_code rc;

	if (stem[0] == '\0') {
		return err_set(err, ERR_BUG, "prune backups of '%s' without a stem", dir);
	}
	rc = open_listing(dir, &d, err);
	if (rc != ERR_OK || d == NULL) {
		return rc;
	}
	while ((name = next_file(d, stem, &st)) != NULL) {
		if (!backups_add(&found, name, &st)) {
			return err_nomem(err);
		}
	}
	if (errno != 0) {
		return err_set_sys(err, errno, "list '%s'", dir);
	}
	if (found.n > keep) {
		qsort(found.v, found.n, sizeof(*found.v), newest_first);
	}
	for (size_t i = keep; i < found.n; i++) {
		if (found.v[i].changed.tv_sec < before.s &&
		    unlinkat(dirfd(d), found.v[i].name, 0) != 0 && errno != ENOENT) {
			return err_set_sys(err, errno, "remove '%s/%s'", dir, found.v[i].name);
		}
	}
	return ERR_OK;
}

#define DATABASE_ROOM ((size_t)64 << 10) /* a group can have thousands of members */

static bool is_numeric_id(const char *name, uint32_t *ret)
{
	int64_t v;

	if (!str_to_i64(name, 0, FS_NO_ID - 1, &v)) {
		return false;
	}
	*ret = (uint32_t)v;
	return true;
}

enum err_code fs_uid_of(const char *user, uint32_t *ret, struct err *err)
{
	CLEANUP(cleanup_free) char *room = malloc(DATABASE_ROOM);
	struct passwd pw;
	struct passwd *found = NULL;
	int rc;

	if (room == NULL) {
		return err_nomem(err);
	}
	rc = getpwnam_r(user, &pw, room, DATABASE_ROOM, &found);
	if (found != NULL) {
		*ret = found->pw_uid;
		return ERR_OK;
	}
	if (is_numeric_id(user, ret)) {
		return ERR_OK;
	}
	if (rc != 0 && rc != ENOENT && rc != ESRCH) {
		return err_set_sys(err, rc, "look up user '%s'", user);
	}
	return err_set(err, ERR_NOT_FOUND, "there is no user '%s'", user);
}

enum err_code fs_gid_of(const char *group, uint32_t *ret, struct err *err)
{
	CLEANUP(cleanup_free) char *room = malloc(DATABASE_ROOM);
	struct group gr;
	struct group *found = NULL;
	int rc;

	if (room == NULL) {
		return err_nomem(err);
	}
	rc = getgrnam_r(group, &gr, room, DATABASE_ROOM, &found);
	if (found != NULL) {
		*ret = found->gr_gid;
		return ERR_OK;
	}
	if (is_numeric_id(group, ret)) {
		return ERR_OK;
	}
	if (rc != 0 && rc != ENOENT && rc != ESRCH) {
		return err_set_sys(err, rc, "look up group '%s'", group);
	}
	return err_set(err, ERR_NOT_FOUND, "there is no group '%s'", group);
}
