/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * watch.c - a commit or a keystore write is several events; they are swallowed until a moment of
 * quiet, so that one change is one pass.
 */
#include "reconciler/engine/watch.h"

#include <errno.h>
#include <inotifytools/inotify.h>
#include <inotifytools/inotifytools.h>
#include <string.h>

#include "reconciler/base/str.h"

#define WRITTEN (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB)
#define GONE    (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)

#define PATIENCE_MS 3000

/* Values of the maps: only whether there is one counts. */
static char yes;

static void forget(struct watch *w)
{
	map_release(&w->dirs);
	map_release(&w->wanted);
	arena_release(&w->arena);
	arena_init(&w->arena);
	map_init(&w->dirs);
	map_init(&w->wanted);
}

enum err_code watch_open(struct watch *w, struct err *err)
{
	*w = (struct watch){ 0 };
	forget(w);
	if (!inotifytools_initialize()) {
		return err_set_sys(err, inotifytools_error(), "starting to watch files");
	}
	return ERR_OK;
}

void watch_close(struct watch *w)
{
	inotifytools_cleanup();
	forget(w);
}

static enum err_code note(struct map *m, const char *key, struct err *err)
{
	return key == NULL || map_put_str(m, key, &yes, /* ret_old= */ NULL) < 0 ? err_nomem(err)
	                                                                         : ERR_OK;
}

static enum err_code add_dir(struct watch *w, const char *dir, struct err *err)
{
	if (map_get_str(&w->dirs, dir) != NULL) {
		return ERR_OK;
	}
	if (!inotifytools_watch_file(dir, WRITTEN | GONE)) {
		return err_set_sys(err, inotifytools_error(), "watching %s", dir);
	}
	return note(&w->dirs, arena_str(&w->arena, dir), err);
}

enum err_code watch_file(struct watch *w, const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL || map_get_str(&w->wanted, path) != NULL) {
		return ERR_OK;
	}
	size_t n = slash == path ? 1 : (size_t)(slash - path);
	const char *dir = arena_strn(&w->arena, path, n);
	enum err_code rc = dir == NULL ? err_nomem(err) : add_dir(w, dir, err);
	return rc == ERR_OK ? note(&w->wanted, arena_str(&w->arena, path), err) : rc;
}

enum err_code watch_dir(struct watch *w, const char *path, struct err *err)
{
	CLEANUP(cleanup_free) char *any = str_printf("%s/", path);

	if (any == NULL) {
		return err_nomem(err);
	}
	if (map_get_str(&w->wanted, any) != NULL) {
		return ERR_OK;
	}
	enum err_code rc = add_dir(w, path, err);
	return rc == ERR_OK ? note(&w->wanted, arena_str(&w->arena, any), err) : rc;
}

static bool is_wanted(const struct watch *w, const struct inotify_event *e)
{
	const char *dir = inotifytools_filename_from_wd(e->wd);
	size_t n = dir == NULL ? 0 : strlen(dir);

	if (n == 0) {
		return false;
	}
	const char *slash = dir[n - 1] == '/' ? "" : "/";
	CLEANUP(cleanup_free) char *any = str_printf("%s%s", dir, slash);
	CLEANUP(cleanup_free)
	char *file = e->len == 0 ? NULL : str_printf("%s%s%s", dir, slash, e->name);

	return (any != NULL && map_get_str(&w->wanted, any) != NULL) ||
	       (file != NULL && map_get_str(&w->wanted, file) != NULL);
}

struct happened {
	bool wanted, lost;
};

static void judge(const struct watch *w, const struct inotify_event *e, struct happened *h)
{
	h->lost = h->lost || (e->mask & (GONE | IN_Q_OVERFLOW)) != 0;
	h->wanted = h->wanted || is_wanted(w, e);
}

bool watch_wait(struct watch *w, const struct clock *c, int64_t timeout_s)
{
	const struct inotify_event *e = inotifytools_next_event((long)timeout_s);
	struct happened h = { 0 };

	if (e != NULL) {
		judge(w, e, &h);
	}
	if (!h.wanted && !h.lost) {
		return false;
	}
	/* A writer may be at work: look when it has put its pen down. The library takes no
	 * timeout below a second: zero waits for ever. */
	int64_t until = c->mono(c).ms + PATIENCE_MS;
	while (e != NULL && c->mono(c).ms < until) {
		e = inotifytools_next_event(/* timeout= */ 1);
		if (e != NULL) {
			judge(w, e, &h);
		}
	}
	if (h.lost) {
		inotifytools_cleanup();
		(void)inotifytools_initialize();
		forget(w);
	}
	return true;
}
