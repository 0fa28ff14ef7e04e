/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source_alloc.c - libgit2's memory, with a ceiling on every single request.
 *
 * A kilobyte of pack can declare a gigabyte of blob, tree, commit or delta base, and libgit2
 * allocates what is declared. Asking for each size first costs a fifth of the whole read and covers
 * blobs only; refusing the allocation covers everything and costs nothing.
 */
#include <git2.h>
#include <git2/sys/alloc.h>
#include <stdint.h>
#include <stdlib.h>

#include "desired/source_git.h"

static bool fits(size_t n, size_t size)
{
	return size == 0 || n <= SOURCE_OBJECT_MAX / size;
}

static void *get(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return fits(1, size) ? malloc(size == 0 ? 1 : size) : NULL;
}

static void *resize(void *p, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return fits(1, size) ? realloc(p, size == 0 ? 1 : size) : NULL;
}

static void give_back(void *p)
{
	free(p);
}

#if LIBGIT2_VER_MAJOR == 1 && LIBGIT2_VER_MINOR < 7
static void *get_zeroed(size_t n, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return fits(n, size) ? calloc(n, size) : NULL;
}

static void *get_array(size_t n, size_t size, const char *file, int line)
{
	return fits(n, size) ? get(n * size, file, line) : NULL;
}

static void *resize_array(void *p, size_t n, size_t size, const char *file, int line)
{
	return fits(n, size) ? resize(p, n * size, file, line) : NULL;
}

static char *copy_exactly(const char *s, size_t n, const char *file, int line)
{
	char *copy = n < SOURCE_OBJECT_MAX ? get(n + 1, file, line) : NULL;

	if (copy != NULL) {
		memcpy(copy, s, n);
		copy[n] = '\0';
	}
	return copy;
}

static char *copy_at_most(const char *s, size_t n, const char *file, int line)
{
	return copy_exactly(s, strnlen(s, n), file, line);
}

static char *copy(const char *s, const char *file, int line)
{
	return copy_exactly(s, strlen(s), file, line);
}
#endif

int source_git_bound_memory(void)
{
	git_allocator a = {
		.gmalloc = get,
		.grealloc = resize,
		.gfree = give_back,
#if LIBGIT2_VER_MAJOR == 1 && LIBGIT2_VER_MINOR < 7
		.gcalloc = get_zeroed,
		.gmallocarray = get_array,
		.greallocarray = resize_array,
		.gstrdup = copy,
		.gstrndup = copy_at_most,
		.gsubstrdup = copy_exactly
#endif
	};

	return git_libgit2_opts(GIT_OPT_SET_ALLOCATOR, &a);
}
