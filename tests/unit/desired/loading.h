/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loading.h - a model from text, for tests.
 */
#pragma once

#include "desired/expand.h"
#include "desired/load.h"

#define API "apiVersion: certwright/v1\n"
#define CORP_CA                                                                                    \
	API "kind: Issuer\nmetadata: {name: corp-ca}\nspec: {privateCA: {subject: {commonName: Corp CA}, allow: {dnsNames: [.example]}}}\n---\n"

struct loading {
	struct arena arena;
	const struct desired *d;
	struct diagnostics diag;
	struct err err;
	char *text; /* of the diagnostics */
};

/* One file, "fleet.yaml". */
enum err_code load_text(struct loading *l, const char *yaml);
enum err_code load_memory(struct loading *l, const struct memory_file *files, size_t n);
void loading_release(struct loading *l);
/* Must load; gives up the test with the diagnostics otherwise. */
const struct desired *load_good(struct loading *l, const char *yaml);
