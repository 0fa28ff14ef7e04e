/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config.c - one file, one mapping, the same tables.
 *
 * Who can write the configuration can do what certwright can, so it must not be writable by others
 * than its owner and root; that is the caller's check, who knows as whom we run.
 */
#include "desired/config.h"

#include <string.h>

#include "desired/bind.h"
#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"

#define CONFIG_FILE_MAX ((size_t)1 << 20)

void config_defaults(struct config *c)
{
	*c = (struct config){ 0 };
	table_defaults(&table_config, c);
}

struct one_file {
	const char *path;
	struct bytes data;
};

static bool the_file(const char *path, struct bytes *ret, void *arg)
{
	const struct one_file *f = arg;

	*ret = f->data;
	return strcmp(path, f->path) == 0;
}

static void bind_config(struct bind *b, struct config *c)
{
	struct yml_event ev;
	bool read = false;

	while (bind_next(b, &ev) && ev.what != YML_END) {
		if (ev.what != YML_DOCUMENT || !bind_next(b, &ev)) {
			continue;
		}
		if (read) {
			bind_report(b, ev.pos, /* hint= */ NULL,
			            "the configuration is a single document");
			bind_skip(b, &ev);
		} else if (ev.what == YML_SCALAR && ev.plain && ev.n == 0) {
			read = true; /* nothing but comments */
		} else {
			read = true;
			bind_map(b, &table_config, c, &ev, /* ret_seen= */ NULL);
		}
	}
}

enum err_code config_load(const char *path, struct arena *arena, struct config *ret,
                          struct diagnostics *ret_diag, struct err *err)
{
	CLEANUP(buf_release) struct buf data = { 0 };
	CLEANUP(bind_release) struct bind b = { 0 };
	struct diags diags;
	struct config c;

	buf_init(&data, CONFIG_FILE_MAX);
	enum err_code rc = fs_read(path, CONFIG_FILE_MAX, &data, err);
	if (rc != ERR_OK) {
		return rc;
	}
	config_defaults(&c);
	diags_init(&diags, arena);
	bind_init(&b, &diags, arena);
	c.file.s = arena_str(arena, path);
	rc = c.file.s == NULL ? err_nomem(err) : bind_open(&b, c.file.s, buf_view(&data), err);
	if (rc != ERR_OK) {
		return rc;
	}
	bind_config(&b, &c);
	struct one_file file = { .path = c.file.s, .data = buf_view(&data) };
	struct diagnostics found = diags_finish(&diags, the_file, &file);
	if (arena_failed(arena)) {
		return err_nomem(err);
	}
	if (found.n > 0) {
		*ret_diag = found;
		return err_set(err, ERR_INVALID, "%s has %zu error%s", path, found.n,
		               found.n == 1 ? "" : "s");
	}
	*ret = c;
	return ERR_OK;
}
