/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_discover.c - ranges as somebody types them, and the file of a scan that was tampered with.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "reconciler/engine/discover.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct place places[] = { { .host = "10.0.0.1", .port = 443 },
		                               { .host = "10.0.0.2", .port = 443 } };
	const uint8_t *end = size == 0 ? NULL : memchr(data, '\n', size);
	size_t n = end == NULL ? 0 : (size_t)(end - data);
	const struct place *made = NULL;
	struct seen_certs certs;
	struct arena arena;
	size_t n_made = 0;

	arena_init(&arena);
	seen_certs_init(&certs, &arena);
	const char *range = arena_strn(&arena, (const char *)data, n > 64 ? 64 : n);
	const char *port = "443";
	struct place_spec spec = { .ranges = &range, .n_ranges = 1, .ports = &port, .n_ports = 1 };
	struct discovery d = { .arena = &arena, .certs = &certs, .places = places, .n_places = 2 };

	if (range != NULL && strchr(range, '/') == NULL) {
		(void)places_expand(&spec, &arena, &made, &n_made, /* err= */ NULL);
	}
	(void)discover_resume(&d, bytes_of(data + n, size - n), /* err= */ NULL);
	seen_certs_release(&certs);
	arena_release(&arena);
	return 0;
}
