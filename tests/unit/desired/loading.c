/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/desired/loading.h"

#include "reconciler/base/str.h"
#include "tests/unit/desired/repository.h"
#include "tests/unit/unit.h"

enum err_code load_memory(struct loading *l, const struct memory_file *files, size_t n)
{
	struct buf out;
	enum err_code rc;

	*l = (struct loading){ 0 };
	arena_init(&l->arena);
	buf_init(&out, (size_t)1 << 20);
	rc = desired_load_files(files, n, &l->arena, &l->d, &l->diag, &l->err);
	diagnostics_print(&l->diag, /* hints= */ false, &out);
	l->text = str_dup(buf_str(&out));
	buf_release(&out);
	return rc;
}

enum err_code load_text(struct loading *l, const char *yaml)
{
	struct memory_file file = { .path = "fleet.yaml", .data = bytes_of_str(yaml) };

	return load_memory(l, &file, 1);
}

void loading_release(struct loading *l)
{
	arena_release(&l->arena);
	free(l->text);
}

const struct desired *load_good(struct loading *l, const char *yaml)
{
	enum err_code rc = load_text(l, yaml);

	ck_assert_msg(rc == ERR_OK, "%s%s", l->err.msg, l->text);
	return l->d;
}
