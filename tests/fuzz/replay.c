/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replay.c - the main() of a fuzz target in ordinary test runs: every file of the corpus
 * directories given, once.
 *
 * Each input is copied to the heap at its exact size, so that AddressSanitizer sees a read beyond
 * its end. An empty or missing corpus is a failure: it would mean that nothing is tested.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void feed(int fd, size_t size, const char *name)
{
	uint8_t *data = malloc(size == 0 ? 1 : size);

	if (data == NULL || read(fd, data, size) != (ssize_t)size) {
		(void)fprintf(stderr, "cannot read '%s'\n", name);
		exit(EXIT_FAILURE);
	}
	(void)LLVMFuzzerTestOneInput(data, size);
	free(data);
}

static int replay(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	int n = 0;

	while (d != NULL && (e = readdir(d)) != NULL) {
		int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC);
		struct stat st;

		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
			feed(fd, (size_t)st.st_size, e->d_name);
			n++;
		}
		if (fd >= 0) {
			(void)close(fd);
		}
	}
	if (d != NULL) {
		(void)closedir(d);
	}
	return n;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int n = replay(argv[i]);

		if (n == 0) {
			(void)fprintf(stderr, "no corpus in '%s'\n", argv[i]);
			return EXIT_FAILURE;
		}
		(void)printf("%d inputs of '%s'\n", n, argv[i]);
	}
	(void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
