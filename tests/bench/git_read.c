/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * git_read.c - read every YAML file of HEAD as load does, and nothing else.
 *
 * git_read REPOSITORY: prints files, bytes and the CPU time of this process in seconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "desired/source.h"

struct total {
	size_t files, bytes;
};

static enum err_code count(const struct source_file *file, void *arg, struct err *err)
{
	struct total *t = arg;

	(void)err;
	t->files++;
	t->bytes += file->data.n;
	return ERR_OK;
}

static double cpu_seconds(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
	struct source *s = NULL;
	struct total total = { 0 };
	struct err err = { 0 };
	char commit[41];
	struct source_walk walk = { .commit = commit };

	enum err_code rc = argc == 2 ? source_open_local(argv[1], &s, &err)
	                             : err_set(&err, ERR_INVALID, "usage: git_read REPOSITORY");
	if (rc == ERR_OK) {
		rc = source_resolve(s, /* ref= */ NULL, commit, &err);
	}
	if (rc == ERR_OK) {
		rc = source_each_yaml(s, &walk, count, &total, &err);
	}
	source_close(s);
	if (rc != ERR_OK) {
		char text[1024];
		err_format(&err, text, sizeof(text));
		(void)fprintf(stderr, "git_read: %s\n", text);
		return EXIT_FAILURE;
	}
	(void)printf("%zu %zu %.4f\n", total.files, total.bytes, cpu_seconds());
	return EXIT_SUCCESS;
}
