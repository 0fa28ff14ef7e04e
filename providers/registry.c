/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * registry.c - found by name, never by number: tests plug in fewer formats than the program.
 */
#include "providers/registry.h"

#include "reconciler/base/str.h"

const struct keystore_ops *registry_keystore(const struct registry *r, const char *type)
{
	for (size_t i = 0; i < r->n_keystores; i++) {
		if (str_equal(r->keystores[i]->type, type)) {
			return r->keystores[i];
		}
	}
	return NULL;
}
