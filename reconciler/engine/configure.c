/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * configure.c - the file belongs to the product: only the one key changes, and its owner and mode
 * are the file's own because the product chose them, unlike those of a key file.
 */
#include "reconciler/engine/configure.h"

#include "reconciler/base/str.h"
#include "reconciler/engine/looking.h"
#include "state/edit.h"

#define CONFIG_FILE_LIMIT ((size_t)4 << 20)

void config_change_release(struct config_change *c)
{
	secret_release(&c->before);
	*c = (struct config_change){ 0 };
}

static enum err_code config_write(struct transport *t, const char *path, struct bytes data,
                                  const struct fs_facts *facts, const struct fs_facts *expect,
                                  struct err *err)
{
	CLEANUP(cleanup_free) char *owner = str_printf("%u", facts->uid);
	CLEANUP(cleanup_free) char *group = str_printf("%u", facts->gid);
	struct transport_write w = {
		.path = path,
		.data = data,
		.mode = facts->mode & 07777,
		.owner = owner,
		.group = group,
		.expect = expect,
	};

	if (owner == NULL || group == NULL) {
		return err_nomem(err);
	}
	enum err_code rc = t->ops->check(t, &w, err);
	return rc == ERR_OK ? t->ops->replace(t, &w, err) : rc;
}

static enum err_code config_edit(const struct look_config *look, struct transport *t,
                                 struct config_change *c, struct err *err)
{
	CLEANUP(buf_release) struct buf before = { 0 };
	CLEANUP(buf_release) struct buf after = { 0 };
	struct edit edit = {
		.kind = look->kind,
		.section = look->section,
		.key = look->key,
		.value = secret_str(look->value),
	};
	bool changed = false;

	buf_init_secret(&before, CONFIG_FILE_LIMIT);
	buf_init_secret(&after, CONFIG_FILE_LIMIT);
	enum err_code rc = t->ops->stat(t, look->path, &c->facts, err);
	if (rc == ERR_OK) {
		rc = t->ops->read(t, look->path, CONFIG_FILE_LIMIT, &before, err);
	}
	if (rc == ERR_OK) {
		rc = edit_apply(buf_view(&before), &edit, &after, &changed, err);
	}
	if (rc != ERR_OK || !changed) {
		return rc;
	}
	rc = config_write(t, look->path, buf_view(&after), &c->facts, &c->facts, err);
	if (rc == ERR_OK) {
		secret_from_buf(&c->before, &before);
		c->path = look->path;
	}
	return rc;
}

enum err_code config_change_do(struct engine *e, struct pass *p, const struct want_config *w,
                               struct transport *t, struct config_change *ret, struct err *err)
{
	CLEANUP(secret_release) struct secret value = { 0 };
	struct look_config look;

	enum err_code rc = authority_local_write(e->authority, w->path, err);
	if (rc == ERR_OK) {
		rc = look_config_of(e, p, w, &value, &look, err);
	}
	if (rc == ERR_OK && look.unresolved != NULL) {
		rc = err_set(err, ERR_DENIED, "%s", look.unresolved);
	}
	if (rc == ERR_OK) {
		rc = config_edit(&look, t, ret, err);
	}
	return rc == ERR_OK ? rc : err_wrap(err, "configuring %s", w->path);
}

enum err_code config_change_undo(struct config_change *c, struct transport *t, struct err *err)
{
	if (c->path == NULL) {
		return err_set(err, ERR_NOT_FOUND, "nothing was changed");
	}
	return config_write(t, c->path, secret_view(&c->before), &c->facts, /* expect= */ NULL,
	                    err);
}
