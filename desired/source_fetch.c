/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source_fetch.c - bring a mirror up to date.
 *
 * Everything is forced and pruned: the mirror says what the remote says, and whether a rewind is
 * acceptable is for the caller to ask (source_is_ancestor). References move only after all objects
 * have arrived and their hashes were checked; pruning comes before moving, because branch `a` must
 * go before `a/b` can be.
 *
 * Each fetch adds a pack; above PACKS_MAX they are merged into one, unreachable objects included:
 * the last accepted commit may be one of them after a rewind.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <git2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "desired/source_git.h"
#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"

#define PACKS_MAX       64
#define RECEIVED_MAX    ((size_t)8 << 30)
#define LOCK_POLL_MS    50
#define REFSPEC_BRANCHS "+refs/heads/*:refs/heads/*"
#define REFSPEC_TAGS    "+refs/tags/*:refs/tags/*"

static bool is_late(const struct source_fetching *f)
{
	return clock_system.mono(&clock_system).ms >= f->deadline.ms;
}

static int too_late(struct source_fetching *f)
{
	err_clear(&f->cause);
	(void)err_set(&f->cause, ERR_NET, "not finished within %lld ms",
	              (long long)f->remote->timeout_ms);
	return GIT_EUSER;
}

static int on_progress(const git_indexer_progress *stats, void *payload)
{
	struct source_fetching *f = payload;

	if (is_late(f)) {
		return too_late(f);
	}
	if (stats->received_bytes > RECEIVED_MAX) {
		(void)err_set(&f->cause, ERR_REFUSED, "the remote sends more than %d GiB",
		              (int)(RECEIVED_MAX >> 30));
		return GIT_EUSER;
	}
	return 0;
}

static int on_sideband(const char *text, int len, void *payload)
{
	struct source_fetching *f = payload;

	(void)text;
	(void)len;
	return is_late(f) ? too_late(f) : 0;
}

static int on_credentials(git_credential **ret, const char *url, const char *user, unsigned allowed,
                          void *payload)
{
	struct source_fetching *f = payload;
	const struct source_remote *r = f->remote;
	const char *name = r->http_user != NULL ? r->http_user : user;

	(void)url;
	if (name == NULL || r->http_password.n == 0 ||
	    (allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT) == 0) {
		(void)err_set(&f->cause, ERR_DENIED, "the server asks for a user and a password");
		(void)err_hint(&f->cause, "set httpUser and httpPasswordRef in the configuration");
		return GIT_EUSER;
	}
	if (f->credentials_asked++ > 0) {
		(void)err_set(&f->cause, ERR_DENIED, "the server refused user '%s'", name);
		(void)err_hint(&f->cause, "check httpUser and httpPasswordRef");
		return GIT_EUSER;
	}
	return git_credential_userpass_plaintext_new(ret, name, secret_str(&r->http_password));
}

static void set_callbacks(git_remote_callbacks *c, struct source_fetching *f)
{
	c->payload = f;
	c->transfer_progress = on_progress;
	c->sideband_progress = on_sideband;
	c->credentials = on_credentials;
	if (f->remote->url.scheme == SOURCE_SSH) {
		c->transport = source_ssh_transport;
	}
}

/* libgit2 keeps a sentence; http's says the status. */
static enum err_code code_of(const struct source_fetching *f, int rc)
{
	const git_error *last = git_error_last();
	const char *status = last == NULL ? NULL : strstr(last->message, "http status code: ");

	if (rc == GIT_EAUTH || rc == GIT_ECERTIFICATE || source_git_is_foreign(rc)) {
		return ERR_DENIED;
	}
	if (rc == GIT_ELOCKED) {
		return ERR_CONFLICT;
	}
	if (status != NULL) {
		status += strlen("http status code: ");
		return str_starts(status, "401") || str_starts(status, "403") ? ERR_DENIED
		       : status[0] == '5'                                     ? ERR_NET
		                                                              : ERR_REFUSED;
	}
	if (last != NULL && (last->klass == GIT_ERROR_OS || last->klass == GIT_ERROR_FILESYSTEM) &&
	    f->remote->url.scheme != SOURCE_FILE) {
		return ERR_IO;
	}
	return ERR_NET;
}

static enum err_code fetch_err(struct source_fetching *f, int rc, struct err *err)
{
	const char *url = f->remote->url.whole;

	if (f->cause.code != ERR_OK) {
		if (err != NULL) {
			*err = f->cause;
		}
		(void)err_wrap(err, "fetch %s", url);
		return f->cause.code;
	}
	bool foreign = source_git_is_foreign(rc);
	enum err_code code = source_git_err(err, code_of(f, rc), "fetch %s", url);
	if (foreign) {
		(void)err_hint(err, "if you trust it: git config --global --add safe.directory %s",
		               f->remote->url.path);
	}
	return code;
}

/* The remote's HEAD decides what "no ref" means. */
static int take_head(struct source *s, git_remote *remote)
{
	git_buf name = GIT_BUF_INIT;
	const git_remote_head **heads = NULL;
	size_t n = 0;

	if (git_remote_default_branch(&name, remote) == 0) {
		int rc = git_repository_set_head(s->repo, name.ptr);
		git_buf_dispose(&name);
		return rc;
	}
	int rc = git_remote_ls(&heads, &n, remote);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		if (str_equal(heads[i]->name, "HEAD")) {
			return git_repository_set_head_detached(s->repo, &heads[i]->oid);
		}
	}
	return rc;
}

static int transfer(struct source *s, git_remote *remote, struct source_fetching *f)
{
	char *specs[] = { (char[]){ REFSPEC_BRANCHS }, (char[]){ REFSPEC_TAGS } };
	git_strarray refspecs = { .strings = specs, .count = ARRAY_LEN(specs) };
	git_remote_connect_options connect;
	git_fetch_options fetch;

	(void)git_remote_connect_options_init(&connect, GIT_REMOTE_CONNECT_OPTIONS_VERSION);
	(void)git_fetch_options_init(&fetch, GIT_FETCH_OPTIONS_VERSION);
	set_callbacks(&connect.callbacks, f);
	set_callbacks(&fetch.callbacks, f);
	connect.proxy_opts.type = GIT_PROXY_NONE;
	fetch.proxy_opts.type = GIT_PROXY_NONE;
	connect.follow_redirects = GIT_REMOTE_REDIRECT_INITIAL;
	fetch.follow_redirects = GIT_REMOTE_REDIRECT_INITIAL;
	fetch.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
	fetch.update_fetchhead = 0;

	int rc = git_remote_connect_ext(remote, GIT_DIRECTION_FETCH, &connect);
	if (rc == 0) {
		rc = git_remote_download(remote, &refspecs, &fetch);
	}
	if (rc == 0) {
		rc = git_remote_prune(remote, &fetch.callbacks);
	}
	if (rc == 0) {
		rc = git_remote_update_tips(remote, &fetch.callbacks, /* update_fetchhead= */ 0,
		                            GIT_REMOTE_DOWNLOAD_TAGS_NONE,
		                            /* reflog_message= */ NULL);
	}
	return rc == 0 ? take_head(s, remote) : rc;
}

static enum err_code fetch_from(struct source *s, struct source_fetching *f, struct err *err)
{
	git_remote_create_options how;
	git_remote *remote = NULL;

	(void)git_remote_create_options_init(&how, GIT_REMOTE_CREATE_OPTIONS_VERSION);
	how.repository = s->repo;
	/* url.<base>.insteadOf of some ~/.gitconfig must not send us elsewhere */
	how.flags = GIT_REMOTE_CREATE_SKIP_INSTEADOF | GIT_REMOTE_CREATE_SKIP_DEFAULT_FETCHSPEC;
	int rc = git_remote_create_with_opts(&remote, f->remote->url.whole, &how);
	if (rc == 0) {
		rc = transfer(s, remote, f);
	}
	enum err_code code = rc == 0 ? ERR_OK : fetch_err(f, rc, err);
	git_remote_free(remote);
	return code;
}

static int unlink_lock(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	if (type == FTW_F && ftw->level < SOURCE_DEPTH_MAX && str_ends(path, ".lock")) {
		(void)unlink(path);
	}
	return 0;
}

/* Whoever holds our lock is the only writer: locks and half-received packs are a crash's. */
static void sweep(const struct source *s)
{
	static const char *const locks[] = { "HEAD.lock", "packed-refs.lock", "config.lock" };
	CLEANUP(cleanup_free) char *refs = str_printf("%s/refs", s->path);
	CLEANUP(cleanup_free) char *packs = str_printf("%s/objects/pack", s->path);

	for (size_t i = 0; i < ARRAY_LEN(locks); i++) {
		CLEANUP(cleanup_free) char *path = str_printf("%s/%s", s->path, locks[i]);
		if (path != NULL) {
			(void)unlink(path);
		}
	}
	if (refs != NULL) {
		/* NOLINTNEXTLINE(concurrency-mt-unsafe): keeps its place where we do */
		(void)nftw(refs, unlink_lock, 16, FTW_PHYS);
	}
	DIR *dir = packs == NULL ? NULL : opendir(packs);
	const struct dirent *de;
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is ours */
	while (dir != NULL && (de = readdir(dir)) != NULL) {
		if (str_starts(de->d_name, "pack_git2_") || str_starts(de->d_name, "tmp_")) {
			(void)unlinkat(dirfd(dir), de->d_name, 0);
		}
	}
	if (dir != NULL) {
		(void)closedir(dir);
	}
}

static int keep(int *fd)
{
	int kept = *fd;

	*fd = -1;
	return kept;
}

static enum err_code lock_mirror(const struct source *s, const struct source_fetching *f, int *ret,
                                 struct err *err)
{
	CLEANUP(cleanup_free) char *path = str_printf("%s/certwright.lock", s->path);
	CLEANUP(cleanup_close) int fd = -1;

	if (path == NULL) {
		return err_nomem(err);
	}
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		return err_set_sys(err, errno, "lock '%s'", path);
	}
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR) {
			return err_set_sys(err, errno, "lock '%s'", path);
		}
		if (is_late(f)) {
			return err_set(err, ERR_CONFLICT, "another fetch of %s does not end",
			               f->remote->url.whole);
		}
		(void)poll(/* fds= */ NULL, 0, LOCK_POLL_MS);
	}
	*ret = keep(&fd);
	return ERR_OK;
}

static bool is_pack(const char *name)
{
	return str_starts(name, "pack-") && str_ends(name, ".pack");
}

static int insert_object(const git_oid *id, void *builder)
{
	return git_packbuilder_insert(builder, id, /* name= */ NULL);
}

static int merge_packs(struct source *s, char *ret_name, size_t size)
{
	git_packbuilder *builder = NULL;
	git_odb *odb = NULL;
	int rc = git_packbuilder_new(&builder, s->repo);

	if (rc == 0) {
		rc = git_repository_odb(&odb, s->repo);
	}
	if (rc == 0) {
		(void)git_packbuilder_set_threads(builder, 1);
		rc = git_odb_foreach(odb, insert_object, builder);
	}
	if (rc == 0) {
		rc = git_packbuilder_write(builder, /* path= */ NULL, 0400,
		                           /* progress_cb= */ NULL, /* payload= */ NULL);
	}
	if (rc == 0) {
		(void)snprintf(ret_name, size, "pack-%s.", git_packbuilder_name(builder));
	}
	git_odb_free(odb);
	git_packbuilder_free(builder);
	return rc;
}

/* A mirror that cannot be tidied is still right: failures wait for the next time. */
static void tidy(struct source *s)
{
	CLEANUP(cleanup_free) char *path = str_printf("%s/objects/pack", s->path);
	DIR *dir = path == NULL ? NULL : opendir(path);
	const struct dirent *de;
	char merged[80];
	size_t n = 0;

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is ours */
	while (dir != NULL && (de = readdir(dir)) != NULL) {
		n += is_pack(de->d_name) ? 1 : 0;
	}
	if (n > PACKS_MAX && merge_packs(s, merged, sizeof(merged)) == 0) {
		rewinddir(dir);
		/* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is ours */
		while ((de = readdir(dir)) != NULL) {
			if (str_starts(de->d_name, "pack-") && !str_starts(de->d_name, merged)) {
				(void)unlinkat(dirfd(dir), de->d_name, 0);
			}
		}
	}
	if (dir != NULL) {
		(void)closedir(dir);
	}
}

enum err_code source_fetch(struct source *s, struct err *err)
{
	struct source_fetching f = { .remote = s->remote };
	CLEANUP(cleanup_close) int lock = -1;

	if (s->remote == NULL) {
		return ERR_OK;
	}
	f.deadline.ms = clock_system.mono(&clock_system).ms + s->remote->timeout_ms;
	enum err_code rc = lock_mirror(s, &f, &lock, err);
	if (rc != ERR_OK) {
		return rc;
	}
	sweep(s);
	bool https = s->remote->url.scheme == SOURCE_HTTPS;
	rc = https ? source_https_use(&f, err) : ERR_OK;
	if (rc != ERR_OK) {
		return rc;
	}
	/* what comes from outside is checked once, here; see source.c for reading */
	(void)git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 1);
	rc = fetch_from(s, &f, err);
	(void)git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
	if (https) {
		(void)source_https_use(/* f= */ NULL, err);
	}
	if (rc == ERR_OK) {
		tidy(s);
	}
	return rc;
}
