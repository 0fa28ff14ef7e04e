/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source_walk.c - one face for a commit's tree and a working tree.
 *
 * Both come out in the order of their whole paths, so that a model built from either is the same.
 * Limits count what is walked, not what is stored: a few kilobytes of trees that contain one
 * another unfold to more files than there are atoms.
 */
#include "desired/source_git.h"
#include "reconciler/base/str.h"

enum err_code source_walking_push(struct source_walking *g, const char *name, size_t *ret_len,
                                  struct err *err)
{
	size_t old = g->path_len;
	size_t n = strlen(name);
	size_t slash = old > 0 ? 1 : 0;

	if (++g->entries > SOURCE_ENTRIES_MAX) {
		return err_set(err, ERR_INVALID, "more than %d entries", SOURCE_ENTRIES_MAX);
	}
	if (old + slash + n >= sizeof(g->path)) {
		return err_set(err, ERR_INVALID, "below '%.100s...': path too long", g->path);
	}
	if (slash > 0) {
		g->path[old] = '/';
	}
	memcpy(g->path + old + slash, name, n + 1);
	g->path_len = old + slash + n;
	*ret_len = old;
	return ERR_OK;
}

void source_walking_pop(struct source_walking *g, size_t len)
{
	g->path_len = len;
	g->path[len] = '\0';
}

enum err_code source_walking_file(struct source_walking *g, struct bytes data,
                                  const uint8_t oid[20], struct err *err)
{
	struct source_file file = { .path = g->path, .data = data };

	if (++g->files > SOURCE_FILES_MAX) {
		return err_set(err, ERR_INVALID, "more than %d YAML files", SOURCE_FILES_MAX);
	}
	g->total += data.n;
	if (g->total > SOURCE_TOTAL_LIMIT) {
		return err_set(err, ERR_INVALID, "more than %d GiB of YAML",
		               (int)(SOURCE_TOTAL_LIMIT >> 30));
	}
	memcpy(file.oid, oid, sizeof(file.oid));
	return g->visit(&file, g->arg, err);
}

static bool at_root(const char *path)
{
	return path == NULL || path[0] == '\0' || str_equal(path, ".");
}

enum err_code source_each_yaml(struct source *s, const struct source_walk *w, source_visit *visit,
                               void *arg, struct err *err)
{
	struct source_walking g = { .s = s, .w = w, .visit = visit, .arg = arg };
	size_t ignored;

	g.file_limit = w->file_limit > 0 ? w->file_limit : SOURCE_FILE_LIMIT;
	if (!at_root(w->path)) {
		CLEANUP(cleanup_free) char *path = str_dup(w->path);
		if (path == NULL) {
			return err_nomem(err);
		}
		size_t n = strlen(path);
		if (n > 0 && path[n - 1] == '/') {
			path[n - 1] = '\0';
		}
		enum err_code rc = source_path_check(path, err);
		if (rc == ERR_OK) {
			rc = source_walking_push(&g, path, &ignored, err);
		}
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return w->commit != NULL ? source_tree_walk(&g, err) : source_dir_walk(&g, err);
}

enum err_code source_read(struct source *s, const struct source_walk *w, struct arena *arena,
                          struct bytes *ret, struct err *err)
{
	struct source_walk bounded = *w;
	enum err_code rc = source_path_check(w->path, err);

	if (rc != ERR_OK) {
		return rc;
	}
	if (bounded.file_limit == 0) {
		bounded.file_limit = SOURCE_FILE_LIMIT;
	}
	return w->commit != NULL ? source_tree_read(s, &bounded, arena, ret, err)
	                         : source_dir_read(s, &bounded, arena, ret, err);
}
