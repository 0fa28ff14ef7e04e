/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_host_range.c - host ranges and templates.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "desired/hosts.h"
#include "desired/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void templates(const char *text, struct arena *arena)
{
	const struct host hosts[] = { { .name = "a.example", .index = 0 },
		                      { .name = "b.example", .index = 1 } };
	const struct target_shared shared = { 0 };
	const struct target target = { .hosts = hosts, .n_hosts = 2, .shared = &shared };
	const struct cert cert = { .serial = { (const uint8_t *)"\x01", 1 } };
	const struct scope scope = {
		.target = &target, .host = &hosts[1], .cert = &cert, .index = 1
	};
	struct err err = { 0 };
	const char *out = NULL;

	if (expand_text(text, &scope, arena, &out, &err) == ERR_OK) {
		assert(out != NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena arena;
	struct host_names names = { 0 };
	struct err err = { 0 };
	char *text = strndup(size == 0 ? "" : (const char *)data, size);

	if (text == NULL) {
		return 0;
	}
	arena_init(&arena);
	if (host_range_expand(text, 1000, &arena, &names, &err) == ERR_OK) {
		assert(names.n > 0 && names.n <= 1000);
	}
	templates(text, &arena);
	arena_release(&arena);
	free(text);
	return 0;
}
