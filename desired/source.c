/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source.c - opening, naming and ordering commits.
 *
 * Branches win over tags of the same name, unlike in git: whoever may push a tag could otherwise
 * shadow a protected branch and put another tree under the reconciler.
 */
#include "desired/source.h"

#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <threads.h>
#include <unistd.h>

#include "desired/source_git.h"
#include "reconciler/base/fs.h"
#include "reconciler/base/map.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/pki.h"

static int git_started;

static void start_git(void)
{
	/* They change neither objects nor references, so reading stays right. */
	static const char *extensions[] = { "worktreeconfig", "partialclone", "preciousobjects" };

	git_started = source_git_bound_memory();
	if (git_started >= 0) {
		git_started = git_libgit2_init();
	}
	if (git_started < 0) {
		return;
	}
	(void)git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 1);
	(void)git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
	(void)git_libgit2_opts(GIT_OPT_SET_CACHE_OBJECT_LIMIT, GIT_OBJECT_BLOB, (size_t)0);
	(void)git_libgit2_opts(GIT_OPT_SET_EXTENSIONS, extensions, ARRAY_LEN(extensions));
	(void)git_libgit2_opts(GIT_OPT_SET_PACK_MAX_OBJECTS, (size_t)20000000);
#ifdef HAVE_GIT_OPT_SET_PACK_MAX_OBJECT_SIZE
	(void)git_libgit2_opts(GIT_OPT_SET_PACK_MAX_OBJECT_SIZE, SOURCE_OBJECT_MAX);
#endif
}

enum err_code source_git_start(struct err *err)
{
	static once_flag once = ONCE_FLAG_INIT;

	call_once(&once, start_git);
	return git_started < 0 ? source_git_err(err, ERR_IO, "start libgit2") : ERR_OK;
}

enum err_code source_git_err(struct err *err, enum err_code code, const char *doing, ...)
{
	const git_error *last = git_error_last();
	char what[256];
	va_list ap;

	va_start(ap, doing);
	int n = vsnprintf(what, sizeof(what), doing, ap);
	va_end(ap);
	if (n < 0) {
		what[0] = '\0';
	}
	if (last != NULL && last->klass == GIT_ERROR_NOMEMORY) {
		return err_nomem(err);
	}
	return err_set(err, code, "%s: %s", what, last != NULL ? last->message : "no reason given");
}

bool source_is_yaml(const char *name)
{
	return name[0] != '.' && (str_ends(name, ".yaml") || str_ends(name, ".yml"));
}

enum err_code source_path_check(const char *path, struct err *err)
{
	size_t len = strlen(path);

	if (len == 0 || len >= SOURCE_PATH_MAX) {
		return err_set(err, ERR_INVALID, "path in the repository: empty or too long");
	}
	for (const char *at = path;; at += 1) {
		size_t n = strcspn(at, "/");
		bool dots = (n == 1 && at[0] == '.') || (n == 2 && memcmp(at, "..", 2) == 0);
		if (n == 0 || dots) {
			(void)err_set(err, ERR_INVALID, "path '%s' does not stay in the repository",
			              path);
			return err_hint(err, "write it relative to the repository's root, "
			                     "without '.' and '..'");
		}
		if (n == 4 && strncasecmp(at, ".git", 4) == 0) {
			return err_set(err, ERR_DENIED, "path '%s' is git's own", path);
		}
		at += n;
		if (*at == '\0') {
			return ERR_OK;
		}
	}
}

/* ERR_OK: it can be looked into. libgit2 says "not found" for a directory it may not enter. */
static enum err_code look_at(const char *path, struct err *err)
{
	CLEANUP(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0) {
		return err_set_sys(err, errno, "repository '%s'", path);
	}
	if (fstatat(fd, ".git", &st, 0) != 0 && errno != ENOENT && errno != ENOTDIR) {
		return err_set_sys(err, errno, "repository '%s'", path);
	}
	return ERR_OK;
}

bool source_git_is_foreign(int rc)
{
	const git_error *last = git_error_last();

	/* libgit2 1.5 forgets what it wanted to say when no safe.directory is configured at all */
	return rc == GIT_EOWNER || (rc == GIT_ENOTFOUND && last != NULL &&
	                            strstr(last->message, "safe.directory") != NULL);
}

enum err_code source_open_err(struct err *err, int rc, const char *path)
{
	if (source_git_is_foreign(rc)) {
		(void)err_set(err, ERR_DENIED, "repository '%s' belongs to another user", path);
		return err_hint(err, "if you trust it: git config --global --add safe.directory %s",
		                path);
	}
	if (rc == GIT_ENOTFOUND) {
		if (look_at(path, err) != ERR_OK) {
			return err_hint(err, "name a git repository or a directory inside one");
		}
		(void)err_set(err, ERR_NOT_FOUND, "no git repository at or above '%s'", path);
		return err_hint(err, "make one with: git init");
	}
	return source_git_err(err, ERR_IO, "open repository '%s'", path);
}

static void hex_id(const char *text, char ret[17])
{
	uint8_t digest[SHA256_BYTES];

	pki_sha256(text, strlen(text), digest);
	hex_encode(bytes_of(digest, 8), ret);
}

static char *without_trailing_slash(const char *path)
{
	char *copy = str_dup(path);
	size_t n = copy == NULL ? 0 : strlen(copy);

	while (n > 1 && copy[n - 1] == '/') {
		copy[--n] = '\0';
	}
	return copy;
}

enum err_code source_open_local(const char *path, struct source **ret, struct err *err)
{
	enum err_code rc = source_git_start(err);
	if (rc != ERR_OK) {
		return rc;
	}
	git_repository *repo = NULL;
	int git_rc = git_repository_open_ext(&repo, path, /* flags= */ 0, /* ceilings= */ NULL);
	if (git_rc < 0) {
		return source_open_err(err, git_rc, path);
	}
	struct source *s = calloc(1, sizeof(*s));
	if (s == NULL) {
		git_repository_free(repo);
		return err_nomem(err);
	}
	s->repo = repo;
	const char *dir = git_repository_workdir(repo);
	s->path = without_trailing_slash(dir != NULL ? dir : git_repository_path(repo));
	CLEANUP(cleanup_free) char *real = s->path == NULL ? NULL : realpath(s->path, NULL);
	if (s->path == NULL) {
		source_close(s);
		return err_nomem(err);
	}
	hex_id(real != NULL ? real : s->path, s->id);
	*ret = s;
	return ERR_OK;
}

static void remote_free(struct source_remote *r)
{
	if (r == NULL) {
		return;
	}
	source_url_release(&r->url);
	free(r->ssh_identity);
	free(r->ssh_known_hosts);
	free(r->tls_ca_file);
	free(r->http_user);
	secret_release(&r->http_password);
	free(r);
}

void source_close(struct source *s)
{
	if (s == NULL) {
		return;
	}
	git_repository_free(s->repo);
	remote_free(s->remote);
	free(s->path);
	free(s);
	/* What libgit2 kept stood between what was made of it: holes too small for what follows. */
	(void)malloc_trim(/* pad= */ 0);
}

static bool copy_text(char **ret, const char *text)
{
	*ret = text == NULL ? NULL : str_dup(text);
	return text == NULL || *ret != NULL;
}

static enum err_code remote_new(const struct source_remote_options *opt, struct source_remote **ret,
                                struct err *err)
{
	struct source_remote *r = calloc(1, sizeof(*r));
	if (r == NULL) {
		return err_nomem(err);
	}
	enum err_code rc = source_url_parse(opt->url, &r->url, err);
	if (rc != ERR_OK) {
		remote_free(r);
		return rc;
	}
	r->timeout_ms = opt->timeout_ms > 0 ? opt->timeout_ms : SOURCE_TIMEOUT_MS;
	bool copied = copy_text(&r->ssh_identity, opt->ssh_identity) &&
	              copy_text(&r->ssh_known_hosts, opt->ssh_known_hosts) &&
	              copy_text(&r->tls_ca_file, opt->tls_ca_file) &&
	              copy_text(&r->http_user, opt->http_user);
	if (copied && opt->http_password != NULL) {
		struct bytes v = secret_view(opt->http_password);
		copied = secret_set(&r->http_password, v.p, v.n) == 0;
	}
	if (!copied) {
		remote_free(r);
		return err_nomem(err);
	}
	*ret = r;
	return ERR_OK;
}

/* The mirror is ours alone: a leftover of a crash during creation is simply completed. */
static enum err_code mirror_open(const char *path, git_repository **ret, struct err *err)
{
	unsigned flags = GIT_REPOSITORY_OPEN_NO_SEARCH | GIT_REPOSITORY_OPEN_BARE;
	int rc = git_repository_open_ext(ret, path, flags, /* ceilings= */ NULL);

	if (rc == GIT_ENOTFOUND) {
		git_repository_init_options init;
		(void)git_repository_init_options_init(&init, GIT_REPOSITORY_INIT_OPTIONS_VERSION);
		init.flags = GIT_REPOSITORY_INIT_BARE;
		init.initial_head = "main";
		rc = git_repository_init_ext(ret, path, &init);
	}
	return rc < 0 ? source_open_err(err, rc, path) : ERR_OK;
}

enum err_code source_open_mirror(const char *mirror_dir, const struct source_remote_options *opt,
                                 struct source **ret, struct err *err)
{
	enum err_code rc = source_git_start(err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct source *s = calloc(1, sizeof(*s));
	if (s == NULL) {
		return err_nomem(err);
	}
	rc = remote_new(opt, &s->remote, err);
	if (rc == ERR_OK) {
		hex_id(s->remote->url.whole, s->id);
		s->path = str_printf("%s/%s.git", mirror_dir, s->id);
		rc = s->path == NULL ? err_nomem(err) : fs_make_dirs(s->path, 0700, err);
	}
	if (rc == ERR_OK) {
		rc = mirror_open(s->path, &s->repo, err);
	}
	if (rc != ERR_OK) {
		source_close(s);
		return rc;
	}
	*ret = s;
	return ERR_OK;
}

static enum err_code commit_of(struct source *s, git_reference *ref, char ret[41], struct err *err)
{
	git_object *commit = NULL;
	char name[128];

	(void)snprintf(name, sizeof(name), "%s", git_reference_name(ref));
	if (git_reference_peel(&commit, ref, GIT_OBJECT_COMMIT) < 0) {
		const git_error *last = git_error_last();
		bool other = last != NULL && last->klass == GIT_ERROR_OBJECT;
		return source_git_err(err, other ? ERR_INVALID : ERR_IO, "'%s' of '%s'", name,
		                      s->path);
	}
	(void)git_oid_tostr(ret, 41, git_object_id(commit));
	git_object_free(commit);
	return ERR_OK;
}

static enum err_code resolve_head(struct source *s, char ret[41], struct err *err)
{
	git_reference *head = NULL;
	int rc = git_repository_head(&head, s->repo);

	if (rc == GIT_EUNBORNBRANCH || rc == GIT_ENOTFOUND) {
		bool mirror = s->remote != NULL;
		(void)err_set(err, ERR_NOT_FOUND, "'%s' has no commit yet",
		              mirror ? s->remote->url.whole : s->path);
		return err_hint(err,
		                mirror ? "push a commit to its default branch, or name a branch"
		                       : "commit something first");
	}
	if (rc < 0) {
		return source_git_err(err, ERR_IO, "HEAD of '%s'", s->path);
	}
	enum err_code code = commit_of(s, head, ret, err);
	git_reference_free(head);
	return code;
}

/* GIT_ENOTFOUND when no reference is called so. */
static int lookup_name(struct source *s, const char *name, git_reference **ret)
{
	static const char *const places[] = { "refs/heads/%s", "refs/tags/%s", "refs/remotes/%s",
		                              "%s" };
	int rc = GIT_ENOTFOUND;

	for (size_t i = str_starts(name, "refs/") ? 3 : 0; i < ARRAY_LEN(places); i++) {
		char full[512];
		int n = i == 3 ? snprintf(full, sizeof(full), "%s", name)
		               : snprintf(full, sizeof(full), "%.*s%s", (int)strlen(places[i]) - 2,
		                          places[i], name);
		bool plain = i == 3 && !str_starts(name, "refs/") && !str_equal(name, "HEAD");
		if (n < 0 || (size_t)n >= sizeof(full) || plain) {
			continue;
		}
		rc = git_reference_lookup(ret, s->repo, full);
		if (rc != GIT_ENOTFOUND && rc != GIT_EINVALIDSPEC) {
			return rc;
		}
	}
	return GIT_ENOTFOUND;
}

static enum err_code resolve_id(struct source *s, const char *ref, char ret[41], struct err *err)
{
	size_t n = strlen(ref);
	git_oid oid;
	git_commit *commit = NULL;

	if (n < 4 || n > 40 || strspn(ref, "0123456789abcdefABCDEF") != n ||
	    git_oid_fromstrn(&oid, ref, n) < 0) {
		(void)err_set(err, ERR_NOT_FOUND, "no branch, tag or commit '%s' in '%s'", ref,
		              s->remote != NULL ? s->remote->url.whole : s->path);
		return err_hint(err, "git branch -a; git tag");
	}
	int rc = git_commit_lookup_prefix(&commit, s->repo, &oid, n);
	if (rc == GIT_EAMBIGUOUS) {
		(void)err_set(err, ERR_INVALID, "commit id '%s' is ambiguous", ref);
		return err_hint(err, "write more digits");
	}
	if (rc < 0) {
		return source_git_err(err, rc == GIT_ENOTFOUND ? ERR_NOT_FOUND : ERR_IO,
		                      "commit '%s'", ref);
	}
	(void)git_oid_tostr(ret, 41, git_commit_id(commit));
	git_commit_free(commit);
	return ERR_OK;
}

enum err_code source_resolve(struct source *s, const char *ref, char ret[41], struct err *err)
{
	git_reference *found = NULL;

	if (ref == NULL) {
		return resolve_head(s, ret, err);
	}
	/* A whole id is that commit, whatever branches are called. */
	bool whole = strlen(ref) == 40 && strspn(ref, "0123456789abcdefABCDEF") == 40;
	int rc = whole ? GIT_ENOTFOUND : lookup_name(s, ref, &found);
	if (rc == GIT_ENOTFOUND) {
		return resolve_id(s, ref, ret, err);
	}
	if (rc < 0) {
		return source_git_err(err, ERR_IO, "look up '%s' in '%s'", ref, s->path);
	}
	enum err_code code = commit_of(s, found, ret, err);
	git_reference_free(found);
	return code;
}

struct ancestry {
	struct source *s;
	git_oid wanted;
	git_oid *queue;
	size_t n, cap;
	struct map seen;
	struct arena arena;
};

static enum err_code ancestry_add(struct ancestry *a, const git_oid *id, struct err *err)
{
	struct bytes key = bytes_of(id->id, sizeof(id->id));

	if (map_get(&a->seen, key) != NULL) {
		return ERR_OK;
	}
	struct bytes kept = arena_bytes(&a->arena, key);
	if (a->n == a->cap) {
		size_t cap = a->cap == 0 ? 256 : a->cap * 2;
		git_oid *queue = realloc(a->queue, cap * sizeof(*queue));
		if (queue == NULL) {
			return err_nomem(err);
		}
		a->queue = queue;
		a->cap = cap;
	}
	if (kept.p == NULL || map_put(&a->seen, kept, a, /* ret_old= */ NULL) < 0) {
		return err_nomem(err);
	}
	a->queue[a->n++] = *id;
	return ERR_OK;
}

/* A shallow clone ends at commits whose parents are not there; libgit2's own walk calls that
 * damage. */
static enum err_code ancestry_search(struct ancestry *a, bool *ret, struct err *err)
{
	enum err_code rc = ERR_OK;
	bool found = false;

	while (rc == ERR_OK && a->n > 0 && !found) {
		git_oid id = a->queue[--a->n];
		git_commit *commit = NULL;
		found = git_oid_equal(&id, &a->wanted) != 0;
		int git_rc = git_commit_lookup(&commit, a->s->repo, &id);
		if (git_rc < 0 && git_rc != GIT_ENOTFOUND) {
			return source_git_err(err, ERR_IO, "history of '%s'", a->s->path);
		}
		unsigned parents = commit == NULL ? 0 : git_commit_parentcount(commit);
		for (unsigned i = 0; i < parents && rc == ERR_OK; i++) {
			rc = ancestry_add(a, git_commit_parent_id(commit, i), err);
		}
		git_commit_free(commit);
	}
	if (rc == ERR_OK) {
		*ret = found;
	}
	return rc;
}

static enum err_code shallow_is_ancestor(struct source *s, const git_oid *ancestor,
                                         const git_oid *descendant, bool *ret, struct err *err)
{
	struct ancestry a = { .s = s, .wanted = *ancestor };

	arena_init(&a.arena);
	map_init(&a.seen);
	enum err_code rc = ancestry_add(&a, descendant, err);
	if (rc == ERR_OK) {
		rc = ancestry_search(&a, ret, err);
	}
	free(a.queue);
	map_release(&a.seen);
	arena_release(&a.arena);
	return rc;
}

enum err_code source_is_ancestor(struct source *s, const char *ancestor, const char *descendant,
                                 bool *ret, struct err *err)
{
	git_oid old, young;
	git_commit *commit = NULL;

	if (git_oid_fromstr(&old, ancestor) < 0 || git_oid_fromstr(&young, descendant) < 0) {
		return source_git_err(err, ERR_INVALID, "compare commits");
	}
	int rc = git_commit_lookup(&commit, s->repo, &young);
	git_commit_free(commit);
	if (rc < 0) {
		return source_git_err(err, rc == GIT_ENOTFOUND ? ERR_NOT_FOUND : ERR_IO,
		                      "commit %s", descendant);
	}
	commit = NULL;
	rc = git_commit_lookup(&commit, s->repo, &old);
	git_commit_free(commit);
	if (rc < 0 && rc != GIT_ENOTFOUND) {
		return source_git_err(err, ERR_IO, "commit %s", ancestor);
	}
	if (rc == GIT_ENOTFOUND || git_oid_equal(&old, &young)) {
		*ret = rc != GIT_ENOTFOUND;
		return ERR_OK;
	}
	if (git_repository_is_shallow(s->repo) == 1) {
		return shallow_is_ancestor(s, &old, &young, ret, err);
	}
	rc = git_graph_descendant_of(s->repo, &young, &old);
	if (rc < 0) {
		return source_git_err(err, ERR_IO, "history of '%s'", s->path);
	}
	*ret = rc == 1;
	return ERR_OK;
}

void source_id(const struct source *s, char ret[17])
{
	memcpy(ret, s->id, sizeof(s->id));
}

const char *source_local_path(const struct source *s)
{
	return s->remote != NULL ? NULL : s->path;
}

bool source_is_local(const struct source *s)
{
	return s->remote == NULL;
}
