/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fs_glob.c - a stack of directories still to be listed, each with the rest of the pattern.
 *
 * glob(3) tells neither which directory it could not enter nor stops anywhere: whoever asks what is
 * there has to know what was not seen, and a pattern from elsewhere must not walk a whole machine.
 */
#include "reconciler/base/fs_glob.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "reconciler/base/str.h"

#define PATTERN_MAX 4096
#define NAMES_MAX   64
#define DEPTH_MAX   64
#define SEEN_MAX    1000000 /* names of directories looked at */

/* A directory, and which name of the pattern comes next in it. */
struct stop {
	const char *dir; /* "" is the root */
	size_t next, depth;
};

struct glob {
	const char *names[NAMES_MAX];
	size_t n_names;
	struct arena *arena; /* of what is found */
	struct arena scratch;
	struct {
		struct stop *v;
		size_t n, cap;
	} stops;
	struct {
		const char **v;
		size_t n, cap;
	} found;
	size_t seen;
	struct fs_glob *ret;
};

static void cleanup_closedir(DIR **d)
{
	if (*d != NULL) {
		(void)closedir(*d);
	}
}

static void glob_release(struct glob *g)
{
	arena_release(&g->scratch);
}

static bool has_wildcard(const char *s)
{
	return strpbrk(s, "*?") != NULL;
}

bool fs_glob_is(const char *path)
{
	return has_wildcard(path);
}

static const char *name_wrong(const char *name, size_t n)
{
	if (n == 0) {
		return "two '/' follow each other";
	}
	if ((n == 1 && name[0] == '.') || (n == 2 && memcmp(name, "..", 2) == 0)) {
		return "'.' and '..' lead elsewhere than they say";
	}
	if (n != 2 && memmem(name, n, "**", 2) != NULL) {
		return "'**' stands for whole directories, between two '/'";
	}
	return NULL;
}

const char *fs_glob_wrong(const char *pattern)
{
	size_t names = 0;

	if (pattern[0] != '/') {
		return "it does not begin with '/'";
	}
	if (strlen(pattern) >= PATTERN_MAX) {
		return "it is longer than any path";
	}
	if (strpbrk(pattern, "[]{}") != NULL) {
		return "'[', ']', '{' and '}' mean nothing here: '*', '?' and '**' do";
	}
	for (const char *at = pattern; *at == '/';) {
		size_t n = strcspn(++at, "/");

		if (n == 0 && *at == '\0') {
			return "it ends with '/': a directory is no file";
		}
		const char *wrong = name_wrong(at, n);
		if (wrong != NULL) {
			return wrong;
		}
		if (++names > NAMES_MAX) {
			return "it has more than 64 names";
		}
		at += n;
	}
	return NULL;
}

static enum err_code split(struct glob *g, const char *pattern, struct err *err)
{
	const char *wrong = fs_glob_wrong(pattern);
	char *at = wrong == NULL ? arena_str(&g->scratch, pattern) : NULL;

	if (wrong != NULL) {
		return err_set(err, ERR_INVALID, "pattern '%s': %s", pattern, wrong);
	}
	if (at == NULL) {
		return err_nomem(err);
	}
	while (*at == '/') {
		*at++ = '\0';
		/* "**" twice in a row is the same as once, and would be gone through twice. */
		if (g->n_names == 0 || strncmp(at, "**", 2) != 0 ||
		    strcmp(g->names[g->n_names - 1], "**") != 0) {
			g->names[g->n_names++] = at;
		}
		at += strcspn(at, "/");
	}
	return ERR_OK;
}

static void unseen(struct glob *g, const char *what, const char *path, int error)
{
	if (g->ret->n_unseen++ == 0) {
		(void)err_set_sys(&g->ret->why, error, "%s '%s'", what, path);
	}
}

static bool push(struct glob *g, const char *dir, size_t next, size_t depth)
{
	struct stop *s = ARENA_PUSH(&g->scratch, &g->stops);

	if (s == NULL) {
		return false;
	}
	*s = (struct stop){ .dir = dir, .next = next, .depth = depth };
	return true;
}

static bool matches(const char *pattern, const char *name)
{
	return (name[0] != '.' || pattern[0] == '.') && str_glob(pattern, name);
}

/* The path matched; is it a file? */
static bool take(struct glob *g, const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) {
			unseen(g, "look at", path, errno);
		}
		return true;
	}
	if (!S_ISREG(st.st_mode)) {
		return true;
	}
	const char **slot = ARENA_PUSH(&g->scratch, &g->found);
	if (slot == NULL) {
		return false;
	}
	*slot = path;
	return true;
}

/* A name that the pattern's next one fits. */
static bool enter(struct glob *g, const struct stop *s, const char *name)
{
	const char *path = arena_printf(&g->scratch, "%s/%s", s->dir, name);

	if (path == NULL) {
		return false;
	}
	return s->next + 1 == g->n_names ? take(g, path) : push(g, path, s->next + 1, s->depth);
}

static bool is_directory(const char *dir, const struct dirent *e)
{
	CLEANUP(cleanup_free) char *path = str_printf("%s/%s", dir, e->d_name);
	struct stat st;

	if (e->d_type != DT_UNKNOWN) {
		return e->d_type == DT_DIR;
	}
	return path != NULL && lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Of "**": what follows it may fit here already, and may lie below. */
static bool descend(struct glob *g, const struct stop *s, const struct dirent *e)
{
	bool last = s->next + 1 == g->n_names;

	if (e->d_name[0] == '.') {
		return true;
	}
	if (is_directory(s->dir, e)) {
		const char *path = arena_printf(&g->scratch, "%s/%s", s->dir, e->d_name);
		if (path == NULL ||
		    (s->depth < DEPTH_MAX && !push(g, path, s->next, s->depth + 1))) {
			return false;
		}
	}
	return !last || enter(g, s, e->d_name);
}

static bool list(struct glob *g, const struct stop *s, DIR *d)
{
	const char *pattern = g->names[s->next];
	bool deep = strcmp(pattern, "**") == 0;
	const struct dirent *e;
	bool fine = true;

	errno = 0;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is ours alone */
	while (fine && g->seen <= SEEN_MAX && (e = readdir(d)) != NULL) {
		g->seen++;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
			continue;
		}
		fine = deep ? descend(g, s, e)
		            : !matches(pattern, e->d_name) || enter(g, s, e->d_name);
		errno = 0;
	}
	if (fine && errno != 0) {
		unseen(g, "list", s->dir, errno);
	}
	return fine;
}

static bool visit(struct glob *g, const struct stop *s)
{
	CLEANUP(cleanup_closedir) DIR *d = NULL;
	const char *name = g->names[s->next];

	if (!has_wildcard(name)) {
		return enter(g, s, name);
	}
	d = opendir(s->dir[0] == '\0' ? "/" : s->dir);
	if (d == NULL) {
		if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) {
			unseen(g, "list", s->dir[0] == '\0' ? "/" : s->dir, errno);
		}
		return true;
	}
	/* No directory at all between what is before "**" and what is behind it. */
	if (strcmp(name, "**") == 0 && s->next + 1 < g->n_names &&
	    !push(g, s->dir, s->next + 1, s->depth)) {
		return false;
	}
	return list(g, s, d);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum err_code keep(struct glob *g, const char *pattern, struct err *err)
{
	const char **v = ARENA_ARRAY(g->arena, const char *, g->found.n + 1);
	size_t n = 0;

	if (v == NULL) {
		return err_nomem(err);
	}
	if (g->found.n > 1) {
		qsort(g->found.v, g->found.n, sizeof(*g->found.v), by_text);
	}
	for (size_t i = 0; i < g->found.n; i++) {
		if (n > 0 && strcmp(v[n - 1], g->found.v[i]) == 0) {
			continue;
		}
		if (n == FS_GLOB_FILES_MAX) {
			(void)err_set(err, ERR_INVALID, "pattern '%s': more than %d files match",
			              pattern, FS_GLOB_FILES_MAX);
			return err_hint(err, "write several that name fewer each");
		}
		v[n] = arena_str(g->arena, g->found.v[i]);
		if (v[n++] == NULL) {
			return err_nomem(err);
		}
	}
	g->ret->v = v;
	g->ret->n = n;
	return ERR_OK;
}

enum err_code fs_glob(const char *pattern, struct arena *arena, struct fs_glob *ret,
                      struct err *err)
{
	struct fs_glob result = { .n = 0 };
	CLEANUP(glob_release) struct glob g = { .arena = arena, .ret = &result };

	arena_init(&g.scratch);
	enum err_code rc = split(&g, pattern, err);
	if (rc != ERR_OK) {
		return rc;
	}
	bool fine = push(&g, "", /* next= */ 0, /* depth= */ 0);
	while (fine && g.stops.n > 0 && g.seen <= SEEN_MAX) {
		struct stop s = g.stops.v[--g.stops.n];
		fine = visit(&g, &s);
	}
	if (!fine) {
		return err_nomem(err);
	}
	if (g.seen > SEEN_MAX) {
		(void)err_set(err, ERR_INVALID, "pattern '%s': more than %d names on the way",
		              pattern, SEEN_MAX);
		return err_hint(err, "begin it with the directories that are meant");
	}
	rc = keep(&g, pattern, err);
	if (rc == ERR_OK) {
		*ret = result;
	}
	return rc;
}
