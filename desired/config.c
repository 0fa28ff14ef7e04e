/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config.c - one file, one mapping, the same tables.
 *
 * Who can write the configuration can do what certwright can, so it must not be writable by others
 * than its owner and root; that is the caller's check, who knows as whom we run.
 */
#include "desired/config.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "desired/bind.h"
#include "reconciler/base/fs.h"
#include "reconciler/base/json.h"
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

static enum err_code judged(struct diags *diags, diags_file *file, void *arg, const char *what,
                            struct diagnostics *ret, struct err *err)
{
	struct diagnostics found = diags_finish(diags, file, arg);

	if (arena_failed(diags->arena)) {
		return err_nomem(err);
	}
	if (found.n > 0) {
		*ret = found;
		return err_set(err, ERR_INVALID, "%s has %zu error%s", what, found.n,
		               found.n == 1 ? "" : "s");
	}
	return ERR_OK;
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
	rc = judged(&diags, the_file, &file, path, ret_diag, err);
	if (rc == ERR_OK) {
		*ret = c;
	}
	return rc;
}

/* "tlsCAFile" is CERTWRIGHT_TLS_CA_FILE. */
static void variable_of(const char *key, struct buf *out)
{
	buf_add_str(out, "CERTWRIGHT_");
	for (const char *p = key; *p != '\0'; p++) {
		bool upper = isupper((unsigned char)*p) != 0;
		bool begins = p > key && upper &&
		              (islower((unsigned char)p[-1]) || islower((unsigned char)p[1]));

		if (begins) {
			buf_add_byte(out, '_');
		}
		buf_add_byte(out, (uint8_t)toupper((unsigned char)*p));
	}
}

/* A word is taken as it is; all else is written as in the file: 10m, true, [a, b], {retire: 3}. */
static struct bytes as_yaml(const struct field *f, const char *value, struct arena *arena)
{
	CLEANUP(buf_release) struct buf quoted = { 0 };
	struct json_writer w;

	if (f->type != FIELD_TEXT) {
		return bytes_of_str(value);
	}
	buf_init(&quoted, CONFIG_FILE_MAX);
	json_writer_init(&w, &quoted, /* pretty= */ false);
	json_str(&w, value);
	return arena_bytes(arena, buf_view(&quoted));
}

struct variables {
	struct one_file v[64];
	size_t n;
};

static bool the_variable(const char *path, struct bytes *ret, void *arg)
{
	const struct variables *all = arg;

	for (size_t i = 0; i < all->n; i++) {
		if (strcmp(path, all->v[i].path) == 0) {
			*ret = all->v[i].data;
			return true;
		}
	}
	return false;
}

static enum err_code bind_variable(struct bind *b, const struct field *f,
                                   const struct one_file *file, struct config *c, struct err *err)
{
	struct yml_event ev;
	enum err_code rc = bind_open(b, file->path, file->data, err);

	if (rc != ERR_OK) {
		return rc;
	}
	if (bind_next(b, &ev) && ev.what == YML_DOCUMENT && bind_next(b, &ev)) {
		bind_value(b, f, c, &ev);
	}
	while (!b->broken && bind_next(b, &ev) && ev.what != YML_END) {
		if (ev.what == YML_DOCUMENT) {
			bind_report(b, ev.pos, /* hint= */ NULL, "a variable is a single document");
		}
	}
	bind_close(b);
	return ERR_OK;
}

static enum err_code take_variables(struct bind *b, config_variable *get, struct config *c,
                                    struct variables *all, struct err *err)
{
	const struct table *t = &table_config;
	enum err_code rc = ERR_OK;

	static_assert(ARRAY_LEN(all->v) == 64, "as many as a table has rows at most");
	for (size_t i = 0; rc == ERR_OK && i < t->n; i++) {
		CLEANUP(buf_release) struct buf name = { 0 };

		buf_init(&name, BUF_LIMIT_TEXT);
		variable_of(t->fields[i].name, &name);
		const char *value = get(buf_str(&name));
		if (value == NULL || value[0] == '\0') {
			continue;
		}
		struct one_file *file = &all->v[all->n++];
		file->path = arena_str(b->arena, buf_str(&name));
		file->data = as_yaml(&t->fields[i], value, b->arena);
		rc = file->path == NULL || file->data.p == NULL
		             ? err_nomem(err)
		             : bind_variable(b, &t->fields[i], file, c, err);
	}
	return rc;
}

enum err_code config_from_environment(config_variable *get, struct arena *arena, struct config *c,
                                      struct diagnostics *ret_diag, struct err *err)
{
	CLEANUP(bind_release) struct bind b = { 0 };
	struct variables all = { .n = 0 };
	struct config changed = *c;
	struct diags diags;

	diags_init(&diags, arena);
	bind_init(&b, &diags, arena);
	enum err_code rc = take_variables(&b, get, &changed, &all, err);
	if (rc == ERR_OK) {
		rc = judged(&diags, the_variable, &all, "the environment", ret_diag, err);
	}
	if (rc == ERR_OK) {
		*c = changed;
	}
	return rc;
}
