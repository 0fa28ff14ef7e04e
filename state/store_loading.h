/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_loading.h - what the files that read the memory out of the tables share.
 */
#pragma once

#include "state/store_certs.h"

struct loading {
	struct store *s;
	struct arena *arena;
	struct memory *m;
	struct cert_rows certs;
	/* writable views of what m points to */
	struct identity_memory *identities;
	struct held *held;
	struct store_memory *stores;
	struct issuer_memory *issuers;
	struct ca_generation *generations;
};

/* Room for one more than there are, so that no rows is an array, too. */
void *loading_room(struct loading *l, const char *sql, size_t size, size_t *ret_n,
                   enum err_code *ret, struct err *err);
enum err_code load_imported(struct loading *l, struct err *err);
enum err_code load_suspensions(struct loading *l, struct err *err);
enum err_code load_newest_journal(struct loading *l, struct err *err);
