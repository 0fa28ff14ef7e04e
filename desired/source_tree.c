/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source_tree.c - the files of one commit, straight from the object database.
 *
 * git_odb_read on the ids in the trees, not git_blob_lookup: no object wrapper, no cache, one zlib
 * pass a file. How much memory one object may take is source_alloc.c's business.
 */
#include <git2.h>

#include "desired/source_git.h"

static void cleanup_tree(git_tree **tree)
{
	git_tree_free(*tree);
}

static void cleanup_entry(git_tree_entry **entry)
{
	git_tree_entry_free(*entry);
}

static void cleanup_odb(git_odb **odb)
{
	git_odb_free(*odb);
}

static enum err_code root_tree(struct source *s, const char *commit, git_tree **ret,
                               struct err *err)
{
	git_commit *c = NULL;
	git_oid oid;

	if (git_oid_fromstr(&oid, commit) < 0) {
		return source_git_err(err, ERR_INVALID, "commit '%s'", commit);
	}
	int rc = git_commit_lookup(&c, s->repo, &oid);
	if (rc == 0) {
		rc = git_commit_tree(ret, c);
		git_commit_free(c);
		return rc == 0 ? ERR_OK
		               : source_git_err(err, ERR_IO, "tree of commit %.12s", commit);
	}
	return source_git_err(err, rc == GIT_ENOTFOUND ? ERR_NOT_FOUND : ERR_IO, "commit %.12s",
	                      commit);
}

static enum err_code blob_read(git_odb *odb, const git_oid *oid, const char *path, uint64_t limit,
                               git_odb_object **ret, struct err *err)
{
	git_odb_object *object = NULL;
	enum err_code rc = ERR_OK;

	if (git_odb_read(&object, odb, oid) < 0) {
		return source_git_err(err, ERR_IO, "read '%s'", path);
	}
	size_t size = git_odb_object_size(object);
	if (git_odb_object_type(object) != GIT_OBJECT_BLOB) {
		rc = err_set(err, ERR_IO, "read '%s': object %.12s is no blob", path,
		             git_oid_tostr_s(oid));
	} else if (size > limit) {
		(void)err_set(err, ERR_INVALID, "%s:1:1: the file has %zu bytes, more than %llu",
		              path, size, (unsigned long long)limit);
		rc = err_hint(err, "write it as several files");
	}
	if (rc != ERR_OK) {
		git_odb_object_free(object);
		return rc;
	}
	*ret = object;
	return ERR_OK;
}

static enum err_code walk(struct source_walking *g, git_odb *odb, const git_tree *tree, int depth,
                          struct err *err);

static enum err_code walk_file(struct source_walking *g, git_odb *odb, const git_oid *oid,
                               struct err *err)
{
	git_odb_object *object = NULL;
	enum err_code rc = blob_read(odb, oid, g->path, g->file_limit, &object, err);

	if (rc == ERR_OK) {
		struct bytes data =
			bytes_of(git_odb_object_data(object), git_odb_object_size(object));
		rc = source_walking_file(g, data, oid->id, err);
		git_odb_object_free(object);
	}
	return rc;
}

static enum err_code walk_entry(struct source_walking *g, git_odb *odb, const git_tree_entry *entry,
                                int depth, struct err *err)
{
	const char *name = git_tree_entry_name(entry);
	git_filemode_t mode = git_tree_entry_filemode(entry);
	bool is_tree = mode == GIT_FILEMODE_TREE;
	bool is_blob = mode == GIT_FILEMODE_BLOB || mode == GIT_FILEMODE_BLOB_EXECUTABLE;
	size_t len;

	if (name[0] == '.' || !(is_tree || (is_blob && source_is_yaml(name)))) {
		return ERR_OK;
	}
	if (strchr(name, '/') != NULL) {
		return err_set(err, ERR_INVALID, "below '%s': a file name with '/'", g->path);
	}
	enum err_code rc = source_walking_push(g, name, &len, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (is_blob) {
		rc = walk_file(g, odb, git_tree_entry_id(entry), err);
	} else if (depth >= SOURCE_DEPTH_MAX) {
		rc = err_set(err, ERR_INVALID, "'%.150s...': more than %d directories deep",
		             g->path, SOURCE_DEPTH_MAX);
	} else {
		CLEANUP(cleanup_tree) git_tree *below = NULL;
		rc = git_tree_lookup(&below, g->s->repo, git_tree_entry_id(entry)) < 0
		             ? source_git_err(err, ERR_IO, "read '%s'", g->path)
		             : walk(g, odb, below, depth + 1, err);
	}
	source_walking_pop(g, len);
	return rc;
}

static enum err_code walk(struct source_walking *g, git_odb *odb, const git_tree *tree, int depth,
                          struct err *err)
{
	size_t n = git_tree_entrycount(tree);
	enum err_code rc = ERR_OK;

	/* git sorts a directory as if its name ended in '/': already the order of whole paths */
	for (size_t i = 0; i < n && rc == ERR_OK; i++) {
		rc = walk_entry(g, odb, git_tree_entry_byindex(tree, i), depth, err);
	}
	return rc;
}

enum err_code source_tree_walk(struct source_walking *g, struct err *err)
{
	CLEANUP(cleanup_tree) git_tree *root = NULL;
	CLEANUP(cleanup_tree) git_tree *start = NULL;
	CLEANUP(cleanup_odb) git_odb *odb = NULL;
	enum err_code rc = root_tree(g->s, g->w->commit, &root, err);

	if (rc != ERR_OK) {
		return rc;
	}
	if (git_repository_odb(&odb, g->s->repo) < 0) {
		return source_git_err(err, ERR_IO, "objects of '%s'", g->s->path);
	}
	if (g->path_len == 0) {
		return walk(g, odb, root, /* depth= */ 1, err);
	}
	CLEANUP(cleanup_entry) git_tree_entry *entry = NULL;
	int git_rc = git_tree_entry_bypath(&entry, root, g->path);
	if (git_rc == GIT_ENOTFOUND ||
	    (git_rc == 0 && git_tree_entry_filemode(entry) != GIT_FILEMODE_TREE)) {
		return err_set(err, ERR_NOT_FOUND, "no directory '%s' in commit %.12s", g->path,
		               g->w->commit);
	}
	if (git_rc < 0 || git_tree_lookup(&start, g->s->repo, git_tree_entry_id(entry)) < 0) {
		return source_git_err(err, ERR_IO, "read '%s'", g->path);
	}
	return walk(g, odb, start, /* depth= */ 1, err);
}

enum err_code source_tree_read(struct source *s, const struct source_walk *w, struct arena *arena,
                               struct bytes *ret, struct err *err)
{
	CLEANUP(cleanup_tree) git_tree *root = NULL;
	CLEANUP(cleanup_entry) git_tree_entry *entry = NULL;
	CLEANUP(cleanup_odb) git_odb *odb = NULL;
	enum err_code rc = root_tree(s, w->commit, &root, err);

	if (rc != ERR_OK) {
		return rc;
	}
	int git_rc = git_tree_entry_bypath(&entry, root, w->path);
	if (git_rc == GIT_ENOTFOUND) {
		return err_set(err, ERR_NOT_FOUND, "no file '%s' in commit %.12s", w->path,
		               w->commit);
	}
	if (git_rc < 0 || git_repository_odb(&odb, s->repo) < 0) {
		return source_git_err(err, ERR_IO, "read '%s'", w->path);
	}
	git_filemode_t mode = git_tree_entry_filemode(entry);
	if (mode != GIT_FILEMODE_BLOB && mode != GIT_FILEMODE_BLOB_EXECUTABLE) {
		(void)err_set(err, ERR_INVALID, "'%s' is no regular file in commit %.12s", w->path,
		              w->commit);
		return err_hint(err, "symbolic links are not followed: name the file itself");
	}
	git_odb_object *object = NULL;
	rc = blob_read(odb, git_tree_entry_id(entry), w->path, w->file_limit, &object, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct bytes kept = arena_bytes(arena, bytes_of(git_odb_object_data(object),
	                                                git_odb_object_size(object)));
	git_odb_object_free(object);
	if (arena_failed(arena)) {
		return err_nomem(err);
	}
	*ret = kept;
	return ERR_OK;
}
