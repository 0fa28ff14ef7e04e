/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * observe.c - look at every store, endpoint and edit of a list.
 *
 * One thing that cannot be seen costs its own row and nothing else; the only error that ends a
 * pass is memory. No decision is taken here, not even a small one: rows say what was found.
 */
#include <stdlib.h>
#include <string.h>

#include "reconciler/base/str.h"
#include "state/edit.h"
#include "state/observe_rows.h"

#define CONFIG_LIMIT ((size_t)16 << 20)

const char *observe_sentence(struct observer *ob, const struct err *err)
{
	char text[1024];

	err_format(err, text, sizeof(text));
	return arena_str(ob->o->arena, text);
}

enum look_status observe_status(enum err_code rc)
{
	if (rc == ERR_OK) {
		return LOOK_OK;
	}
	if (rc == ERR_NOT_FOUND) {
		return LOOK_ABSENT;
	}
	/* A directory, or larger than anything we would read: it is there. */
	return rc == ERR_INVALID ? LOOK_UNREADABLE : LOOK_UNREACHABLE;
}

static enum err_code compare_edit(const struct look_config *look, struct bytes text,
                                  struct observer *ob, struct obs_config *row, struct err *err)
{
	CLEANUP(buf_release) struct buf edited = { 0 };
	CLEANUP(cleanup_free) char *now = NULL;
	const struct edit e = { .kind = look->kind,
		                .section = look->section,
		                .key = look->key,
		                .value = secret_str(look->value) };
	bool changed = true;

	buf_init_secret(&edited, CONFIG_LIMIT + ((size_t)4 << 20));
	enum err_code rc = edit_apply(text, &e, &edited, &changed, err);
	if (rc == ERR_OK && !look->sensitive) {
		rc = edit_current(text, &e, &now, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	row->matches = !changed;
	if (now != NULL && str_is_utf8(now, strlen(now))) {
		row->value = arena_str(ob->o->arena, now);
		return row->value == NULL ? err_nomem(err) : ERR_OK;
	}
	return ERR_OK;
}

static enum err_code read_config(const struct look_config *look, struct observer *ob,
                                 struct obs_config *row, struct err *err)
{
	CLEANUP(buf_release) struct buf text = { 0 };

	buf_init_secret(&text, CONFIG_LIMIT);
	enum err_code rc =
		look->transport->ops->read(look->transport, look->path, CONFIG_LIMIT, &text, err);
	if (rc == ERR_OK) {
		rc = compare_edit(look, buf_view(&text), ob, row, err);
	}
	return rc;
}

static enum err_code observe_config(struct observer *ob, const struct look_config *look,
                                    struct obs_config *row, struct err *err)
{
	struct arena *a = ob->o->arena;
	struct err why = { .code = ERR_OK };

	row->key = config_key(a, look->target, look->host, look->index);
	row->at = ob->o->at;
	if (look->unresolved != NULL) {
		row->status = LOOK_UNREACHABLE;
		row->error = arena_str(a, look->unresolved);
		return row->error == NULL ? err_nomem(err) : ERR_OK;
	}
	enum err_code rc = read_config(look, ob, row, &why);
	row->status = observe_status(rc);
	if (rc != ERR_OK && rc != ERR_NOT_FOUND) {
		row->error = observe_sentence(ob, &why);
	}
	return rc == ERR_NOMEM || arena_failed(a) ? err_nomem(err) : ERR_OK;
}

/* Endpoints come last: those seen are counted behind everything else. */
struct behind {
	struct look_progress base;
	struct look_progress *whole;
	size_t before, total;
};

static void tell_behind(struct look_progress *p, size_t done, size_t total)
{
	struct behind *b = CONTAINER_OF(p, struct behind, base);

	(void)total;
	b->whole->tell(b->whole, b->before + done, b->total);
}

static enum err_code probe_telling(const struct observer *ob, const struct look_list *list,
                                   const struct look_endpoint *looks, size_t n,
                                   struct obs_endpoint *found, struct err *err)
{
	struct prober *prober = ob->ctx->prober;
	size_t before = list->n_stores + list->n_configs;
	struct behind behind = { .base.tell = tell_behind,
		                 .whole = ob->ctx->progress,
		                 .before = before,
		                 .total = before + n };

	prober->progress = behind.whole == NULL ? NULL : &behind.base;
	enum err_code rc = prober->probe(prober, looks, n, ob->o, found, err);
	prober->progress = NULL;
	return rc;
}

static void tell(const struct observer *ob, const struct look_list *list, size_t done)
{
	struct look_progress *p = ob->ctx->progress;

	if (p != NULL) {
		p->tell(p, done, list->n_stores + list->n_configs + list->n_endpoints);
	}
}

static enum err_code row_unresolved(struct observer *ob, const struct look_endpoint *look,
                                    struct obs_endpoint *row, struct err *err)
{
	*row = (struct obs_endpoint){ .key = arena_str(ob->o->arena, look->key),
		                      .status = ENDPOINT_UNREACHABLE,
		                      .error = arena_str(ob->o->arena, look->unresolved),
		                      .at = ob->o->at };
	return row->key == NULL || row->error == NULL ? err_nomem(err) : ERR_OK;
}

/* `looks` and `found` hold room for all of the list. */
static enum err_code probe_resolved(struct observer *ob, const struct look_list *list,
                                    struct look_endpoint *looks, struct obs_endpoint *found,
                                    struct obs_endpoint *rows, struct err *err)
{
	size_t n = 0;

	for (size_t i = 0; i < list->n_endpoints; i++) {
		if (list->endpoints[i].unresolved == NULL) {
			looks[n++] = list->endpoints[i];
		}
	}
	enum err_code rc = n == 0 ? ERR_OK : probe_telling(ob, list, looks, n, found, err);
	n = 0;
	for (size_t i = 0; rc == ERR_OK && i < list->n_endpoints; i++) {
		if (list->endpoints[i].unresolved == NULL) {
			rows[i] = found[n++];
		} else {
			rc = row_unresolved(ob, &list->endpoints[i], &rows[i], err);
		}
	}
	return rc;
}

static enum err_code observe_endpoints(struct observer *ob, const struct look_list *list,
                                       struct err *err)
{
	size_t n = list->n_endpoints;
	struct obs_endpoint *rows = ARENA_ARRAY(ob->o->arena, struct obs_endpoint, n);
	CLEANUP(cleanup_free) struct look_endpoint *looks = calloc(n + 1, sizeof(*looks));
	CLEANUP(cleanup_free) struct obs_endpoint *found = calloc(n + 1, sizeof(*found));

	if (rows == NULL || looks == NULL || found == NULL) {
		return err_nomem(err);
	}
	enum err_code rc = probe_resolved(ob, list, looks, found, rows, err);
	ob->o->endpoints = rows;
	ob->o->n_endpoints = rc == ERR_OK ? n : 0;
	return rc;
}

static enum err_code observe_stores(struct observer *ob, const struct look_list *list,
                                    struct err *err)
{
	struct obs_store *rows = ARENA_ARRAY(ob->o->arena, struct obs_store, list->n_stores);

	if (rows == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < list->n_stores; i++) {
		tell(ob, list, i);
		enum err_code rc = observe_store(ob, &list->stores[i], &rows[i], err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	ob->o->stores = rows;
	ob->o->n_stores = list->n_stores;
	return ERR_OK;
}

static enum err_code observe_configs(struct observer *ob, const struct look_list *list,
                                     struct err *err)
{
	struct obs_config *rows = ARENA_ARRAY(ob->o->arena, struct obs_config, list->n_configs);

	if (rows == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < list->n_configs; i++) {
		tell(ob, list, list->n_stores + i);
		enum err_code rc = observe_config(ob, &list->configs[i], &rows[i], err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	ob->o->configs = rows;
	ob->o->n_configs = list->n_configs;
	return ERR_OK;
}

enum err_code observe(const struct look_context *ctx, const struct look_list *list,
                      struct arena *arena, struct seen_certs *certs, struct observed **ret,
                      struct err *err)
{
	struct observed *o = ARENA_NEW(arena, struct observed);
	struct observer ob = { .ctx = ctx, .o = o, .uid = FS_NO_ID, .gid = FS_NO_ID };

	if (o == NULL) {
		return err_nomem(err);
	}
	o->arena = arena;
	o->certs = certs;
	o->at = ctx->clock->wall(ctx->clock);
	enum err_code rc = observe_stores(&ob, list, err);
	if (rc == ERR_OK) {
		rc = observe_configs(&ob, list, err);
	}
	if (rc == ERR_OK) {
		rc = observe_endpoints(&ob, list, err);
	}
	if (rc == ERR_OK) {
		tell(&ob, list, list->n_stores + list->n_configs + list->n_endpoints);
		rc = observed_index(o, err);
	}
	if (rc != ERR_OK) {
		observed_release(o);
		return rc;
	}
	*ret = o;
	return ERR_OK;
}
