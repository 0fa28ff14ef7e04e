/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gitrepo.c - git run with a fixed author, a fixed date and no configuration but its own.
 */
#include "tests/unit/gitrepo.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/proc.h"
#include "reconciler/base/str.h"
#include "tests/unit/unit.h"

#define ARGS 32

static char *run(const char *dir, const char *program, const char *first, va_list ap)
{
	static const char *const env[] = { "GIT_CONFIG_GLOBAL=/dev/null",
		                           "GIT_CONFIG_SYSTEM=/dev/null",
		                           "GIT_AUTHOR_NAME=A",
		                           "GIT_AUTHOR_EMAIL=a@example.org",
		                           "GIT_COMMITTER_NAME=A",
		                           "GIT_COMMITTER_EMAIL=a@example.org",
		                           "GIT_AUTHOR_DATE=2030-01-01T00:00:00Z",
		                           "GIT_COMMITTER_DATE=2030-01-01T00:00:00Z",
		                           /* end= */ NULL };
	const char *argv[ARGS] = { program, first };
	size_t n = 2;
	struct buf out;
	struct err err = { 0 };

	while (n < ARGS - 1 && (argv[n] = va_arg(ap, const char *)) != NULL) {
		n++;
	}
	struct proc_spec spec = {
		.argv = argv, .env = env, .cwd = dir, .timeout_ms = 60000, .out_limit = 1 << 24
	};
	buf_init(&out, 1 << 24);
	ck_assert_ok(proc_check(&spec, &out, &err), &err);
	while (out.len > 0 && out.p[out.len - 1] == '\n') {
		out.p[--out.len] = '\0';
	}
	char *text = str_dup(buf_str(&out));
	buf_release(&out);
	ck_assert_ptr_nonnull(text);
	return text;
}

void repo_git(const char *dir, const char *first, ...)
{
	va_list ap;

	va_start(ap, first);
	free(run(dir, "git", first, ap));
	va_end(ap);
}

char *repo_git_out(const char *dir, const char *first, ...)
{
	va_list ap;

	va_start(ap, first);
	char *text = run(dir, "git", first, ap);
	va_end(ap);
	return text;
}

void repo_run(const char *dir, const char *program, ...)
{
	va_list ap;

	va_start(ap, program);
	const char *first = va_arg(ap, const char *);
	free(run(dir, program, first, ap));
	va_end(ap);
}

void repo_write(const char *dir, const char *name, const char *text)
{
	CLEANUP(cleanup_free) char *path = str_printf("%s/%s", dir, name);
	CLEANUP(cleanup_free) char *parent = str_dup(path);
	struct err err = { 0 };

	*strrchr(parent, '/') = '\0';
	ck_assert_ok(fs_make_dirs(parent, 0755, &err), &err);
	FILE *f = fopen(path, "we");
	ck_assert_msg(f != NULL, "open %s", path);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

char *repo_new(const char *dir, const char *name)
{
	char *path = str_printf("%s/%s", dir, name);

	repo_git(dir, "init", "-q", "-b", "main", path, /* end= */ NULL);
	return path;
}

char *repo_commit(const char *repo, const char *message)
{
	repo_git(repo, "add", "-A", /* end= */ NULL);
	repo_git(repo, "commit", "-q", "--allow-empty", "-m", message, /* end= */ NULL);
	return repo_git_out(repo, "rev-parse", "HEAD", /* end= */ NULL);
}
