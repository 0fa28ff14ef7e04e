/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * local.c - the machine certwright runs on, as a transport.
 *
 * Nearly all of it is fs and proc. What check() adds are the questions whose answers fs_replace
 * would only find half way: may we give the file away, is there room.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "providers/transport.h"
#include "reconciler/base/str.h"

#define ROOM_SLACK 65536 /* directory blocks, journals */

static enum err_code local_stat(struct transport *t, const char *path, struct fs_facts *ret,
                                struct err *err)
{
	(void)t;
	return fs_stat(path, ret, err);
}

static enum err_code local_read(struct transport *t, const char *path, size_t limit,
                                struct buf *out, struct err *err)
{
	(void)t;
	return fs_read(path, limit, out, err);
}

static enum err_code local_list(struct transport *t, const char *pattern, struct arena *arena,
                                struct fs_glob *ret, struct err *err)
{
	(void)t;
	return fs_glob(pattern, arena, ret, err);
}

/* An unknown name is a mistake in the request, not an absent file. */
static enum err_code known(enum err_code rc, const char *what, const char *name, struct err *err)
{
	if (rc != ERR_NOT_FOUND) {
		return rc;
	}
	err_clear(err);
	(void)err_set(err, ERR_INVALID, "there is no %s '%s' on this machine", what, name);
	return err_hint(err, "create it, or correct owner and group");
}

static enum err_code to_replace(const struct transport_write *w, struct fs_replace *ret,
                                struct err *err)
{
	struct fs_replace r = { .path = w->path,
		                .data = w->data,
		                .mode = w->mode,
		                .uid = FS_NO_ID,
		                .gid = FS_NO_ID,
		                .backup = w->backup,
		                .expect = w->expect };
	enum err_code rc = ERR_OK;

	if (w->owner != NULL) {
		rc = known(fs_uid_of(w->owner, &r.uid, err), "user", w->owner, err);
	}
	if (rc == ERR_OK && w->group != NULL) {
		rc = known(fs_gid_of(w->group, &r.gid, err), "group", w->group, err);
	}
	if (rc == ERR_OK) {
		*ret = r;
	}
	return rc;
}

static bool in_group(gid_t gid)
{
	gid_t *groups = NULL;
	int n = getgroups(0, NULL);
	bool found = gid == getegid();

	if (!found && n > 0) {
		groups = calloc((size_t)n, sizeof(*groups));
		n = groups == NULL ? 0 : getgroups(n, groups);
		for (int i = 0; i < n && !found; i++) {
			found = groups[i] == gid;
		}
		free(groups);
	}
	return found;
}

static enum err_code check_ownership(const struct fs_replace *r, struct err *err)
{
	if (geteuid() == 0) {
		return ERR_OK;
	}
	if ((r->uid != FS_NO_ID && r->uid != geteuid()) ||
	    (r->gid != FS_NO_ID && !in_group(r->gid))) {
		(void)err_set(err, ERR_DENIED, "'%s': we may not give it owner %lld, group %lld",
		              r->path, r->uid == FS_NO_ID ? -1LL : (long long)r->uid,
		              r->gid == FS_NO_ID ? -1LL : (long long)r->gid);
		return err_hint(err, "run as root, or leave owner and group out");
	}
	return ERR_OK;
}

static enum err_code check_room(const struct fs_replace *r, struct err *err)
{
	CLEANUP(cleanup_free) char *dir = str_dup(r->path);
	struct statvfs vfs;

	if (dir == NULL) {
		return err_nomem(err);
	}
	char *slash = strrchr(dir, '/');
	assert(slash != NULL); /* fs_replace_check took the path */
	slash[slash == dir ? 1 : 0] = '\0';
	if (statvfs(dir, &vfs) != 0) {
		return err_set_sys(err, errno, "room in '%s'", dir);
	}
	/* root may use what is kept back from others */
	uint64_t blocks = geteuid() == 0 ? vfs.f_bfree : vfs.f_bavail;
	uint64_t room = blocks > UINT64_MAX / vfs.f_frsize ? UINT64_MAX : blocks * vfs.f_frsize;
	/* file systems without a table of inodes say that they have none at all */
	bool no_inode = vfs.f_files > 0 && vfs.f_ffree == 0;
	if (no_inode || room < r->data.n + ROOM_SLACK) {
		return err_set(err, ERR_IO, "no room in '%s': %zu bytes wanted, %llu free%s", dir,
		               r->data.n, (unsigned long long)room, no_inode ? ", no inode" : "");
	}
	return ERR_OK;
}

static enum err_code local_check(struct transport *t, const struct transport_write *w,
                                 struct err *err)
{
	struct fs_replace r;
	enum err_code rc = to_replace(w, &r, err);

	(void)t;
	if (rc == ERR_OK) {
		rc = fs_replace_check(&r, err);
		if (rc == ERR_NOT_FOUND) {
			return err_hint(err, "create the directory: install -d");
		}
		if (rc == ERR_DENIED && err != NULL && (err->sys == EACCES || err->sys == EPERM)) {
			return err_hint(err, "let uid %u write there, or run as its owner",
			                (unsigned)geteuid());
		}
	}
	if (rc == ERR_OK) {
		rc = check_ownership(&r, err);
	}
	return rc == ERR_OK ? check_room(&r, err) : rc;
}

static enum err_code local_replace(struct transport *t, const struct transport_write *w,
                                   struct err *err)
{
	struct fs_replace r;
	enum err_code rc = to_replace(w, &r, err);

	(void)t;
	return rc == ERR_OK ? fs_replace(&r, err) : rc;
}

static enum err_code local_remove(struct transport *t, const char *path, struct err *err)
{
	(void)t;
	return fs_remove(path, err);
}

static enum err_code local_sweep(struct transport *t, const struct transport_sweep *w,
                                 struct err *err)
{
	const char *slash = strrchr(w->path, '/');
	const struct wall all = { INT64_MAX };
	const struct wall old = { w->now.s - w->max_age_s };

	(void)t;
	if (slash == NULL) {
		return err_set(err, ERR_INVALID, "'%s' is no absolute path", w->path);
	}
	CLEANUP(cleanup_free)
	char *dir = slash == w->path ? str_dup("/") : strndup(w->path, (size_t)(slash - w->path));
	CLEANUP(cleanup_free) char *stem = str_printf("%s" TRANSPORT_BACKUP_INFIX, slash + 1);
	if (dir == NULL || stem == NULL) {
		return err_nomem(err);
	}
	enum err_code rc = fs_prune_backups(dir, stem, w->keep, all, err);
	if (rc == ERR_OK) {
		rc = fs_prune_backups(dir, stem, /* keep= */ 0, old, err);
	}
	return rc == ERR_OK ? fs_sweep_temps(dir, w->now, /* ret_removed= */ NULL, err) : rc;
}

static enum err_code local_run(struct transport *t, const struct proc_spec *spec, struct buf *out,
                               struct proc_result *ret, struct err *err)
{
	(void)t;
	return proc_run(spec, out, ret, err);
}

static void local_close(struct transport *t)
{
	free(t);
}

const struct transport_ops transport_local = {
	.version = TRANSPORT_OPS_VERSION,
	.type = "local",
	.stat = local_stat,
	.read = local_read,
	.list = local_list,
	.check = local_check,
	.replace = local_replace,
	.remove = local_remove,
	.sweep = local_sweep,
	.run = local_run,
	.close = local_close,
};

enum err_code transport_local_open(struct transport **ret, struct err *err)
{
	struct transport *t = malloc(sizeof(*t));

	if (t == NULL) {
		return err_nomem(err);
	}
	*t = (struct transport){ .ops = &transport_local };
	*ret = t;
	return ERR_OK;
}
