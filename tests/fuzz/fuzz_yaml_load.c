/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_yaml_load.c - bytes to model: whatever a commit holds is loaded or told to be wrong.
 *
 * The bytes are two files, cut at the first NUL, so that references between files, inventories and
 * CA files are reached as well.
 */
#include <assert.h>
#include <string.h>

#include "desired/expand.h"
#include "desired/load.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void specs(const struct desired *d, struct arena *arena)
{
	for (size_t i = 0; i < d->n_identities && i < 1000; i++) {
		struct cert_spec spec;
		struct err err = { 0 };
		assert(d->identities[i].name != NULL);
		if (identity_spec(&d->identities[i], arena, &spec, &err) == ERR_OK) {
			struct spec_digest digest;
			cert_spec_digest(&spec, &digest);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size == 0 ? NULL : memchr(data, 0, size);
	size_t first = nul != NULL ? (size_t)(nul - data) : size;
	const struct memory_file files[] = {
		{ "fleet.yaml", bytes_of(data, first) },
		{ "hosts.csv",
		  bytes_of(nul != NULL ? nul + 1 : NULL, nul != NULL ? size - first - 1 : 0) },
	};
	const struct desired *d = NULL;
	struct diagnostics diag = { 0 };
	struct err err = { 0 };
	struct arena arena;
	struct buf out;

	arena_init(&arena);
	buf_init(&out, (size_t)16 << 20);
	enum err_code rc = desired_load_files(files, 2, &arena, &d, &diag, &err);
	assert((rc == ERR_OK) == (d != NULL));
	assert(rc != ERR_OK || diag.n == 0);
	assert(rc != ERR_INVALID || diag.n > 0 || err.msg[0] != '\0');
	for (size_t i = 0; i < diag.n; i++) {
		diagnostic_format(&diag.v[i], &out);
	}
	if (d != NULL) {
		specs(d, &arena);
	}
	buf_release(&out);
	arena_release(&arena);
	return 0;
}
