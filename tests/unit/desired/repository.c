/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/desired/repository.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"
#include "tests/unit/unit.h"

char *tests_path(const char *name)
{
	/* __FILE__ is absolute under CMake: .../tests/unit/desired/repository.c */
	const char *tail = strstr(__FILE__, "unit/desired/repository.c");
	char *path;

	if (tail == NULL ||
	    (path = str_printf("%.*s%s", (int)(tail - __FILE__), __FILE__, name)) == NULL) {
		abort(); /* also called before Check runs anything */
	}
	return path;
}

static void read_file(const char *path, const char *name, struct repository *r)
{
	struct buf data;
	struct err err = { 0 };
	size_t n;

	buf_init(&data, (size_t)1 << 20);
	ck_assert_ok(fs_read(path, (size_t)1 << 20, &data, &err), &err);
	if (strcmp(name, "expect") == 0) {
		r->expect = (char *)buf_take(&data, &n);
		return;
	}
	ck_assert_uint_lt(r->n, REPOSITORY_FILES_MAX);
	struct memory_file *f = &r->files[r->n++];
	f->path = str_dup(name);
	uint8_t *p = buf_take(&data, &n);
	f->data = bytes_of(p, n);
}

static void walk(const char *dir, const char *prefix, struct repository *r)
{
	struct dirent **entries;
	int n = scandir(dir, &entries, /* filter= */ NULL, alphasort);

	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; i++) {
		struct stat st;
		CLEANUP(cleanup_free) char *path = str_printf("%s/%s", dir, entries[i]->d_name);
		CLEANUP(cleanup_free) char *name = str_printf("%s%s", prefix, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.') {
			ck_assert_int_eq(stat(path, &st), 0);
			if (S_ISDIR(st.st_mode)) {
				CLEANUP(cleanup_free) char *below = str_printf("%s/", name);
				walk(path, below, r);
			} else {
				read_file(path, name, r);
			}
		}
		free(entries[i]);
	}
	free(entries);
}

void repository_read(const char *dir, struct repository *ret)
{
	*ret = (struct repository){ 0 };
	walk(dir, "", ret);
}

void repository_release(struct repository *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free((void *)(uintptr_t)r->files[i].path);
		free((void *)(uintptr_t)r->files[i].data.p);
	}
	free(r->expect);
}

void diagnostics_print(const struct diagnostics *d, bool hints, struct buf *out)
{
	for (size_t i = 0; i < d->n; i++) {
		const struct diagnostic *v = &d->v[i];
		if (v->pos.line > 0) {
			buf_printf(out, "%s:%u:%u: %s\n", v->file, v->pos.line, v->pos.col,
			           v->message);
		} else {
			buf_printf(out, "%s: %s\n", v->file, v->message);
		}
		if (hints && v->hint != NULL) {
			buf_printf(out, "    hint: %s\n", v->hint);
		}
	}
}
