/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * backups.c - `backup {keep, maxAge}`: right after a write, and once an hour for what only grows
 * old. What cannot be removed now is tried again then; it is no reason to stop a delivery.
 */
#include <stdio.h>
#include <stdlib.h>

#include "providers/registry.h"
#include "reconciler/base/str.h"
#include "reconciler/engine/link.h"
#include "reconciler/engine/run.h"

#define SWEEP_EVERY_S 3600
#define MEMO_LIFE_S   ((int64_t)3650 * 86400)

static const uint8_t no_inputs[SHA256_BYTES];

void backups_sweep_store(struct engine *e, struct transport *t, const struct want_store *s)
{
	const struct keystore_ops *ops = registry_keystore(e->registry, s->format);
	const struct deliver_spec *dl = s->deliver;
	struct transport_sweep w = { .keep = (size_t)dl->shared->backup_keep,
		                     .max_age_s = dl->shared->backup_max_age_s,
		                     .now = e->clock->wall(e->clock) };

	if (ops == NULL || t->ops->sweep == NULL) {
		return;
	}
	for (size_t i = 0; i < KEYSTORE_PARTS_MAX && ops->suffixes[i] != NULL; i++) {
		CLEANUP(cleanup_free) char *path = keystore_part_path(s->path, ops->suffixes[i]);
		w.path = path;
		if (path != NULL) {
			(void)t->ops->sweep(t, &w, /* err= */ NULL);
		}
	}
}

static enum err_code last_sweep(struct engine *e, int64_t *ret, struct err *err)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	bool found = false;

	*ret = 0;
	buf_init(&text, BUF_LIMIT_TEXT);
	enum err_code rc = store_memo_get(e->store, "backups", no_inputs, &text, &found, err);
	if (rc == ERR_OK && found && !str_to_i64(buf_str(&text), 0, INT64_MAX, ret)) {
		*ret = 0;
	}
	return rc;
}

enum err_code backups_sweep(struct engine *e, struct pass *p, struct err *err)
{
	int64_t now = e->clock->wall(e->clock).s;
	char text[24];
	int64_t last;

	enum err_code rc = last_sweep(e, &last, err);
	if (rc != ERR_OK || (now >= last && now < last + SWEEP_EVERY_S)) {
		return rc;
	}
	for (size_t i = 0; i < p->wants->n_stores; i++) {
		const struct want_store *s = &p->wants->stores[i];
		const struct store_memory *sm = memory_store(p->memory, s->key);
		struct transport *t = NULL;

		/* Every write leaves one backup at most, so an old write has no young ones. */
		if (sm != NULL && sm->written_at.s != 0 &&
		    (last > now ||
		     sm->written_at.s + s->deliver->shared->backup_max_age_s >= last) &&
		    link_to(e, p, s->target, s->host, &t, /* err= */ NULL) == ERR_OK) {
			backups_sweep_store(e, t, s);
		}
	}
	(void)snprintf(text, sizeof(text), "%lld", (long long)now);
	return store_memo_put(e->store, "backups", no_inputs, (struct wall){ now + MEMO_LIFE_S },
	                      bytes_of(text, strlen(text)), err);
}
