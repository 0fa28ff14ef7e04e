/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * status_history.c - which places belong to an object is what it is wanted at now: where it was
 * once is another object's history.
 */
#include "reconciler/cli/status_history.h"

#include <stdlib.h>

#include "reconciler/base/fs_glob.h"
#include "reconciler/base/str.h"
#include "reconciler/base/when.h"

#define SHOWN_MAX  10
#define PLACES_MAX 64

struct places {
	struct session *session;
	struct arena *arena;
	struct observed_changes *changes;
	size_t n;
	struct err *err;
	enum err_code rc;
};

/* "NAME" or "NAME@HOST". */
static bool is_named(const char *name, const char *object, const char *host)
{
	size_t n = strlen(object);

	return strncmp(name, object, n) == 0 &&
	       (name[n] == '\0' ||
	        (name[n] == '@' && host != NULL && str_equal(name + n + 1, host)));
}

static bool is_instance(const char *name, const struct identity *id)
{
	return id != NULL && (str_equal(name, id->name) || str_equal(name, id->def->o.name));
}

static bool concerns_store(enum kind kind, const char *name, const struct want_store *s)
{
	if (kind == KIND_TARGET) {
		return is_named(name, s->target->o.name, s->host->name);
	}
	for (size_t i = 0; kind == KIND_CERTIFICATE && i < s->n_entries; i++) {
		if (is_instance(name, s->entries[i].identity)) {
			return true;
		}
	}
	return false;
}

static bool concerns_endpoint(enum kind kind, const char *name, const struct want_endpoint *e)
{
	if (kind == KIND_TARGET) {
		return e->target != NULL &&
		       is_named(name, e->target->o.name,
		                e->target_host == NULL ? NULL : e->target_host->name);
	}
	return kind == KIND_CERTIFICATE &&
	       (is_instance(name, e->identity) || is_instance(name, e->monitor_of));
}

static void add(struct places *x, enum observed_what what, const char *key)
{
	if (x->rc == ERR_OK && x->n++ < PLACES_MAX) {
		x->rc = store_history(x->session->store, what, key, SHOWN_MAX, x->arena, x->changes,
		                      x->err);
	}
}

/* A pattern, and what it names now. */
static void add_files(struct places *x, const struct observed *o, const struct want_file *f)
{
	const char *of = f->monitor_of->name;
	const char *key = store_key(x->arena, "", of, f->path);
	const struct obs_store *os = key == NULL ? NULL : observed_store(o, key);

	if (key != NULL) {
		add(x, OBSERVED_STORE, key);
	}
	for (size_t i = 0; os != NULL && fs_glob_is(f->path) && i < os->n_entries; i++) {
		key = store_key(x->arena, "", of, os->entries[i].alias);
		if (key != NULL) {
			add(x, OBSERVED_STORE, key);
		}
	}
}

static int by_time(const void *a, const void *b)
{
	const struct observed_change *x = a;
	const struct observed_change *y = b;

	return x->at.s != y->at.s ? (x->at.s < y->at.s ? 1 : -1) : strcmp(x->key, y->key);
}

enum err_code status_history(struct session *s, const struct pass *p, enum kind kind,
                             const char *name, struct observed_changes *ret, struct err *err)
{
	struct places x = { .session = s, .arena = &s->arena, .changes = ret, .err = err };
	const struct wants *w = p->wants;

	for (size_t i = 0; i < w->n_stores; i++) {
		if (concerns_store(kind, name, &w->stores[i])) {
			add(&x, OBSERVED_STORE, w->stores[i].key);
		}
	}
	for (size_t i = 0; i < w->n_endpoints; i++) {
		if (concerns_endpoint(kind, name, &w->endpoints[i])) {
			add(&x, OBSERVED_ENDPOINT, w->endpoints[i].key);
		}
	}
	for (size_t i = 0; kind == KIND_CERTIFICATE && i < w->n_files; i++) {
		if (is_instance(name, w->files[i].monitor_of)) {
			add_files(&x, p->observed, &w->files[i]);
		}
	}
	for (size_t i = 0; kind == KIND_TARGET && i < w->n_configs; i++) {
		if (is_named(name, w->configs[i].target->o.name, w->configs[i].host->name)) {
			add(&x, OBSERVED_CONFIG, w->configs[i].key);
		}
	}
	if (ret->n > 1) {
		qsort(ret->v, ret->n, sizeof(*ret->v), by_time);
	}
	ret->n = ret->n > SHOWN_MAX ? SHOWN_MAX : ret->n;
	return x.rc;
}

void status_history_text(const struct observed_changes *v, struct buf *out)
{
	if (v->n > 0) {
		buf_add_str(out, "Last changes:\n");
	}
	for (size_t i = 0; i < v->n; i++) {
		char at[WHEN_TEXT_MAX];

		when_format_short(v->v[i].at, at);
		buf_printf(out, "  %s  %-15s ", at,
		           v->v[i].content_only ? "other content" : v->v[i].status);
		str_escape_terminal(out, v->v[i].key, strlen(v->v[i].key));
		buf_add_byte(out, '\n');
	}
}

void status_history_json(const struct observed_changes *v, struct json_writer *w)
{
	json_key(w, "changes");
	json_begin_array(w);
	for (size_t i = 0; i < v->n; i++) {
		json_begin_object(w);
		json_member_time(w, "at", v->v[i].at.s);
		json_member_str(w, "where", v->v[i].key);
		json_member_str(w, "status", v->v[i].status);
		json_member_bool(w, "contentOnly", v->v[i].content_only);
		json_end_object(w);
	}
	json_end_array(w);
}
