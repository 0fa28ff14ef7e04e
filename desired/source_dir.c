/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source_dir.c - the working tree, for editing.
 *
 * Every component is opened from its parent's descriptor without following links, so nothing
 * outside the repository is read whatever changes meanwhile. What git ignores would never be
 * committed and is left out; directories with a .git of their own are submodules.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "desired/source_git.h"
#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"

#define READ_SIZE ((size_t)65536)

struct dir_entry {
	const char *name;
	bool is_dir;
};

struct dir_list {
	struct dir_entry *v;
	size_t n, cap;
};

struct dir_walk {
	struct source_walking *g;
	git_index *index; /* NULL: unreadable, then nothing counts as tracked */
	struct buf data;
};

static void cleanup_dir(DIR **dir)
{
	if (*dir != NULL) {
		(void)closedir(*dir);
	}
}

/* As git orders tree entries: a directory as if its name ended in '/'. */
static int entry_compare(const void *pa, const void *pb)
{
	const struct dir_entry *a = pa;
	const struct dir_entry *b = pb;
	size_t na = strlen(a->name);
	size_t nb = strlen(b->name);
	size_t n = na < nb ? na : nb;
	int c = memcmp(a->name, b->name, n);

	if (c != 0) {
		return c;
	}
	unsigned char ca = a->name[n] != '\0' ? (unsigned char)a->name[n] : a->is_dir ? '/' : 0;
	unsigned char cb = b->name[n] != '\0' ? (unsigned char)b->name[n] : b->is_dir ? '/' : 0;
	return (ca > cb) - (ca < cb);
}

static bool is_ignored(const struct dir_walk *d, bool is_dir)
{
	const struct source_walking *g = d->g;
	char path[SOURCE_PATH_MAX + 1];
	int ignored = 0;
	size_t at;

	(void)snprintf(path, sizeof(path), is_dir ? "%s/" : "%s", g->path);
	if (git_ignore_path_is_ignored(&ignored, g->s->repo, path) < 0 || ignored == 0) {
		return false;
	}
	/* tracked in spite of the rules */
	return d->index == NULL || (is_dir ? git_index_find_prefix(&at, d->index, path)
	                                   : git_index_find(&at, d->index, path)) < 0;
}

static enum err_code list_add(struct dir_list *list, struct arena *arena, int dirfd,
                              const char *name, struct err *err)
{
	struct stat st;

	if (name[0] == '.') {
		return ERR_OK;
	}
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		return errno == ENOENT ? ERR_OK : err_set_sys(err, errno, "read '%s'", name);
	}
	if (!S_ISDIR(st.st_mode) && !(S_ISREG(st.st_mode) && source_is_yaml(name))) {
		return ERR_OK;
	}
	struct dir_entry *e = ARENA_PUSH(arena, list);
	if (e == NULL) {
		return err_nomem(err);
	}
	*e = (struct dir_entry){ .name = arena_str(arena, name), .is_dir = S_ISDIR(st.st_mode) };
	return e->name == NULL ? err_nomem(err) : ERR_OK;
}

static enum err_code list_dir(int fd, const char *path, struct arena *arena, struct dir_list *list,
                              struct err *err)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	CLEANUP(cleanup_dir) DIR *dir = own < 0 ? NULL : fdopendir(own);
	enum err_code rc = ERR_OK;

	if (dir == NULL) {
		int sys = errno;
		if (own >= 0) {
			(void)close(own);
		}
		return err_set_sys(err, sys, "read directory '%s'", path);
	}
	while (rc == ERR_OK) {
		errno = 0;
		const struct dirent *de = readdir(dir); // NOLINT(concurrency-mt-unsafe)
		if (de == NULL) {
			if (errno != 0) {
				rc = err_set_sys(err, errno, "read directory '%s'", path);
			}
			break;
		}
		rc = list_add(list, arena, fd, de->d_name, err);
	}
	if (list->n > 0) {
		qsort(list->v, list->n, sizeof(*list->v), entry_compare);
	}
	return rc;
}

/* ERR_NOT_FOUND: it went away, or became something else, since it was listed. */
static enum err_code read_at(int dirfd, const char *name, const char *path, uint64_t limit,
                             struct buf *out, struct err *err)
{
	CLEANUP(cleanup_close)
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0) {
		if (errno == ELOOP) {
			(void)err_set(err, ERR_INVALID, "'%s' is a symbolic link", path);
			return err_hint(err, "links are not followed: name the file itself");
		}
		return err_set_sys(err, errno, "read '%s'", path);
	}
	if (!S_ISREG(st.st_mode)) {
		return err_set(err, ERR_INVALID, "'%s' is no regular file", path);
	}
	for (;;) {
		uint8_t *room = buf_room(out, READ_SIZE);
		if (room == NULL) {
			return buf_check(out, path, err);
		}
		ssize_t n = read(fd, room, READ_SIZE);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return err_set_sys(err, errno, "read '%s'", path);
		}
		buf_grew(out, (size_t)n);
		if (out->len > limit) {
			(void)err_set(err, ERR_INVALID, "%s:1:1: the file has more than %llu bytes",
			              path, (unsigned long long)limit);
			return err_hint(err, "write it as several files");
		}
		if (n == 0) {
			return ERR_OK;
		}
	}
}

static enum err_code walk(struct dir_walk *d, int fd, int depth, struct err *err);

static enum err_code walk_file(struct dir_walk *d, int dirfd, const char *name, struct err *err)
{
	git_oid oid;

	buf_reset(&d->data);
	enum err_code rc = read_at(dirfd, name, d->g->path, d->g->file_limit, &d->data, err);
	if (rc == ERR_NOT_FOUND) {
		return ERR_OK;
	}
	if (rc != ERR_OK) {
		return rc;
	}
	if (git_odb_hash(&oid, buf_str(&d->data), d->data.len, GIT_OBJECT_BLOB) < 0) {
		return source_git_err(err, ERR_IO, "hash '%s'", d->g->path);
	}
	return source_walking_file(d->g, buf_view(&d->data), oid.id, err);
}

static enum err_code walk_dir(struct dir_walk *d, int dirfd, const char *name, int depth,
                              struct err *err)
{
	struct source_walking *g = d->g;
	struct stat st;

	if (depth >= SOURCE_DEPTH_MAX) {
		return err_set(err, ERR_INVALID, "'%.150s...': more than %d directories deep",
		               g->path, SOURCE_DEPTH_MAX);
	}
	CLEANUP(cleanup_close)
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0) {
		return errno == ENOENT ? ERR_OK
		                       : err_set_sys(err, errno, "read directory '%s'", g->path);
	}
	if (fstatat(fd, ".git", &st, AT_SYMLINK_NOFOLLOW) == 0) {
		return ERR_OK;
	}
	return walk(d, fd, depth + 1, err);
}

static enum err_code walk(struct dir_walk *d, int fd, int depth, struct err *err)
{
	struct source_walking *g = d->g;
	struct arena arena;
	struct dir_list list = { 0 };

	arena_init(&arena);
	enum err_code rc = list_dir(fd, g->path, &arena, &list, err);
	for (size_t i = 0; i < list.n && rc == ERR_OK; i++) {
		const struct dir_entry *e = &list.v[i];
		size_t len;
		rc = source_walking_push(g, e->name, &len, err);
		if (rc != ERR_OK) {
			break;
		}
		if (!is_ignored(d, e->is_dir)) {
			rc = e->is_dir ? walk_dir(d, fd, e->name, depth, err)
			               : walk_file(d, fd, e->name, err);
		}
		source_walking_pop(g, len);
	}
	arena_release(&arena);
	return rc;
}

static int keep(int *fd)
{
	int kept = *fd;

	*fd = -1;
	return kept;
}

/* The directory that holds the last component of `path` (the one before it when `whole`). */
static enum err_code open_dirs(const struct source *s, const char *path, bool whole, int *ret,
                               const char **ret_last, struct err *err)
{
	const char *root = git_repository_workdir(s->repo);

	if (root == NULL) {
		(void)err_set(err, ERR_INVALID, "'%s' has no working tree", s->path);
		return err_hint(err, "read a commit: leave --worktree out");
	}
	CLEANUP(cleanup_close) int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		return err_set_sys(err, errno, "working tree '%s'", root);
	}
	while (*path != '\0') {
		size_t n = strcspn(path, "/");
		char name[256];
		if (path[n] == '\0' && !whole) {
			break;
		}
		(void)snprintf(name, sizeof(name), "%.*s", (int)n, path);
		int below =
			n >= sizeof(name)
				? -1
				: openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below < 0) {
			int sys = n >= sizeof(name)                    ? ENAMETOOLONG
			          : errno == ENOTDIR || errno == ELOOP ? ENOENT
			                                               : errno;
			return err_set_sys(err, sys, "directory '%s' in '%s'", name, s->path);
		}
		(void)close(fd);
		fd = below;
		path += n + (path[n] == '/' ? 1 : 0);
	}
	*ret_last = path;
	*ret = keep(&fd);
	return ERR_OK;
}

enum err_code source_dir_walk(struct source_walking *g, struct err *err)
{
	CLEANUP(cleanup_close) int fd = -1;
	struct dir_walk d = { .g = g };
	const char *last;
	enum err_code rc = open_dirs(g->s, g->path, /* whole= */ true, &fd, &last, err);

	if (rc != ERR_OK) {
		return rc;
	}
	if (git_repository_index(&d.index, g->s->repo) < 0) {
		d.index = NULL;
	}
	buf_init(&d.data, (size_t)g->file_limit + 2 * READ_SIZE);
	rc = walk(&d, fd, /* depth= */ 1, err);
	buf_release(&d.data);
	git_index_free(d.index);
	return rc;
}

enum err_code source_dir_read(struct source *s, const struct source_walk *w, struct arena *arena,
                              struct bytes *ret, struct err *err)
{
	CLEANUP(cleanup_close) int fd = -1;
	CLEANUP(buf_release) struct buf data;
	const char *last = w->path;

	buf_init(&data, (size_t)w->file_limit + 2 * READ_SIZE);
	enum err_code rc = open_dirs(s, w->path, /* whole= */ false, &fd, &last, err);
	if (rc == ERR_OK) {
		rc = read_at(fd, last, w->path, w->file_limit, &data, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	struct bytes kept = arena_bytes(arena, buf_view(&data));
	if (arena_failed(arena)) {
		return err_nomem(err);
	}
	*ret = kept;
	return ERR_OK;
}
