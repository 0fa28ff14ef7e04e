/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * allowed.c - the walk over all that a commit can make us touch: programs, secret files, local
 * paths, hosts.
 *
 * Secrets and commands are checked again where they are used; this is what makes a refusal come
 * before anything was done.
 */
#include "desired/allowed.h"

#include <stdlib.h>

#include "desired/expand.h"
#include "desired/places.h"
#include "reconciler/base/map.h"
#include "reconciler/base/str.h"

#define FINDINGS_MAX 1000

struct findings {
	struct arena *arena;
	const struct authority *authority;
	const struct desired *desired;
	struct map said;
	struct {
		struct diagnostic *v;
		size_t n, cap;
	} list;
};

/* What is wrong on every host of a Target is said once. */
static bool is_news(struct findings *f, const struct object *o, struct pos pos, const char *message)
{
	const char *key =
		arena_printf(f->arena, "%s:%u:%u:%s", o->file, pos.line, pos.col, message);

	if (key == NULL || map_get_str(&f->said, key) != NULL) {
		return false;
	}
	if (map_put_str(&f->said, key, f, /* ret_old= */ NULL) < 0) {
		f->arena->failed = true;
		return false;
	}
	return true;
}

static void find(struct findings *f, const struct object *o, struct pos pos, const struct err *why)
{
	struct pos at = pos.line != 0 ? pos : o->pos;

	if (why->code == ERR_NOMEM) {
		f->arena->failed = true; /* says nothing about the commit */
		return;
	}
	if (f->list.n >= FINDINGS_MAX || !is_news(f, o, at, why->msg)) {
		return;
	}
	struct diagnostic *d = ARENA_PUSH(f->arena, &f->list);
	if (d == NULL) {
		return;
	}
	*d = (struct diagnostic){
		.file = o->file,
		.pos = at,
		.message =
			arena_printf(f->arena, "%s %s: %s", kind_name(o->kind), o->name, why->msg),
		.hint = why->hint[0] == '\0' ? NULL : arena_str(f->arena, why->hint),
	};
}

/* Without a host to fill it in a template stands for itself: a glob may still match it, and the
 * value is checked again when it is known. */
static const char *plain_value(struct findings *f, const char *text, const struct scope *scope)
{
	struct err why = { 0 };
	const char *value = text;

	if (scope != NULL && expand_text(text, scope, f->arena, &value, &why) == ERR_NOMEM) {
		f->arena->failed = true;
	}
	return value;
}

static void check_secret(struct findings *f, const struct object *o, const struct secret_ref *ref,
                         const struct scope *scope)
{
	struct err why = { 0 };
	enum err_code rc = ERR_OK;

	if (ref->kind == SECRET_EXEC && ref->argv.n > 0) {
		rc = authority_program(f->authority, ref->argv.v[0].s, &why);
	} else if (ref->kind == SECRET_FILE && ref->value.s[0] == '/') {
		rc = authority_secret_file(f->authority, plain_value(f, ref->value.s, scope), &why);
	}
	if (rc != ERR_OK) {
		find(f, o, ref->pos, &why);
	}
}

static void check_command(struct findings *f, const struct object *o, const struct command_spec *c)
{
	struct err why = { 0 };
	const char *program = c->systemd_unit.s != NULL ? "systemctl"
	                      : c->shell.s != NULL      ? "/bin/sh"
	                      : c->argv.n > 0           ? c->argv.v[0].s
	                                                : NULL;

	if (program != NULL && authority_program(f->authority, program, &why) != ERR_OK) {
		find(f, o, c->pos, &why);
	}
}

static void check_commands(struct findings *f, const struct object *o, const struct command_spec *v,
                           size_t n)
{
	for (size_t i = 0; i < n; i++) {
		check_command(f, o, &v[i]);
	}
}

static void check_path(struct findings *f, const struct target *t, const struct host *h,
                       const struct text *path)
{
	struct scope scope = { .target = t, .host = h };
	struct err why = { 0 };
	const char *resolved = NULL;

	if (path->s == NULL) {
		return;
	}
	if (expand_text(path->s, &scope, f->arena, &resolved, &why) != ERR_OK ||
	    authority_local_write(f->authority, resolved, &why) != ERR_OK) {
		find(f, &t->o, path->pos, &why);
	}
}

static void check_host(struct findings *f, const struct object *o, struct pos pos, const char *host)
{
	struct err why = { 0 };

	if (host != NULL && authority_host(f->authority, host, &why) != ERR_OK) {
		find(f, o, pos, &why);
	}
}

/* The host of "https://name:port/..."; arena, or NULL. The schema refuses a user before it. */
static const char *url_host(struct arena *arena, const char *url)
{
	const char *start = strstr(url, "://");

	start = start == NULL ? url : start + 3;
	size_t n = start[0] == '[' ? strcspn(start, "]") : strcspn(start, ":/?#");
	return start[0] == '[' ? arena_strn(arena, start + 1, n == 0 ? 0 : n - 1)
	                       : arena_strn(arena, start, n);
}

static void check_endpoint(struct findings *f, const struct object *o,
                           const struct endpoint_spec *e, const struct target *t,
                           const struct host *h)
{
	struct scope scope = { .target = t, .host = h };
	const char *host = e->host.s != NULL          ? e->host.s
	                   : e->shared->url.s != NULL ? url_host(f->arena, e->shared->url.s)
	                   : h != NULL                ? h->name
	                                              : NULL;
	struct err why = { 0 };

	if (host != NULL && expand_text(host, &scope, f->arena, &host, &why) != ERR_OK) {
		find(f, o, e->pos, &why);
		return;
	}
	check_host(f, o, e->pos, host);
}

static void check_keystore(struct findings *f, const struct keystore_def *k,
                           const struct scope *scope)
{
	check_secret(f, &k->o, &k->password, scope);
	check_secret(f, &k->o, &k->key_password, scope);
	for (size_t i = 0; i < k->n_previous_passwords; i++) {
		check_secret(f, &k->o, &k->previous_passwords[i], scope);
	}
}

static void check_target_host(struct findings *f, const struct target *t, const struct host *h)
{
	const struct scope scope = { .target = t, .host = h };
	bool local = t->shared->via.s == NULL || str_equal(t->shared->via.s, "local");

	for (size_t i = 0; i < t->n_deliver; i++) {
		const struct deliver_spec *d = &t->deliver[i];
		const struct keystore_def *ks =
			d->keystore.s == NULL ? NULL : desired_keystore(f->desired, d->keystore.s);
		if (ks != NULL) {
			check_keystore(f, ks, &scope);
		}
		if (local) {
			check_path(f, t, h, &d->path);
		}
		for (size_t k = 0; local && k < d->one_of.n; k++) {
			check_path(f, t, h, &d->one_of.v[k]);
		}
	}
	for (size_t i = 0; i < t->shared->n_configure; i++) {
		check_secret(f, &t->o, &t->shared->configure[i].value_ref, &scope);
		if (local) {
			check_path(f, t, h, &t->shared->configure[i].path);
		}
	}
	for (size_t i = 0; i < t->n_verify; i++) {
		if (t->verify[i].kind == VERIFY_TLS) {
			check_endpoint(f, &t->o, t->verify[i].tls, t, h);
		} else if (t->verify[i].kind == VERIFY_HTTP) {
			const char *host = url_host(f->arena, t->verify[i].http->url.s);
			check_host(f, &t->o, t->verify[i].http->url.pos,
			           host == NULL ? NULL : plain_value(f, host, &scope));
		}
	}
}

static void check_target(struct findings *f, const struct target *t)
{
	for (size_t i = 0; i < t->shared->n_activate; i++) {
		const struct activate_spec *a = &t->shared->activate[i];
		check_commands(f, &t->o, a->before, a->n_before);
		check_commands(f, &t->o, a->check, a->n_check);
		check_commands(f, &t->o, a->after, a->n_after);
	}
	for (size_t i = 0; i < t->n_verify; i++) {
		if (t->verify[i].kind == VERIFY_COMMAND) {
			check_command(f, &t->o, t->verify[i].command);
		}
	}
	for (size_t i = 0; i < t->n_hosts; i++) {
		check_target_host(f, t, &t->hosts[i]);
	}
}

/* Of a monitor. What is a pattern is asked again for each file that it turns out to name. */
static void check_file(struct findings *f, const struct certificate *c,
                       const struct monitor_file *file, const struct scope *scope)
{
	const char *path = plain_value(f, file->path.s, scope);
	struct err why = { 0 };

	if (authority_local_read(f->authority, path, &why) != ERR_OK) {
		find(f, &c->o, file->path.pos, &why);
	}
	for (size_t i = 0; i < file->n_passwords; i++) {
		check_secret(f, &c->o, &file->passwords[i], scope);
	}
}

static void check_monitor_files(struct findings *f, const struct identity *id)
{
	const struct monitor_spec *m = id->def->shared->monitor;
	const struct scope scope = { .target = id->target, .host = id->host };

	for (size_t i = 0; m != NULL && i < m->n_files; i++) {
		check_file(f, id->def, &m->files[i], id->host == NULL ? NULL : &scope);
	}
}

static void check_certificate(struct findings *f, const struct certificate *c)
{
	const struct monitor_spec *m = c->shared->monitor;

	for (size_t i = 0; m != NULL && i < m->n_endpoints; i++) {
		check_endpoint(f, &c->o, &m->endpoints[i], /* t= */ NULL, /* h= */ NULL);
	}
	if (c->shared->keystores != NULL) {
		check_secret(f, &c->o, &c->shared->keystores->jks_password, /* scope= */ NULL);
		check_secret(f, &c->o, &c->shared->keystores->pkcs12_password, /* scope= */ NULL);
	}
	if (c->shared->adopt != NULL) {
		check_secret(f, &c->o, &c->shared->adopt->key, /* scope= */ NULL);
	}
}

static int by_place(const void *a, const void *b)
{
	const struct diagnostic *x = a;
	const struct diagnostic *y = b;
	int c = strcmp(x->file, y->file);

	if (c != 0) {
		return c;
	}
	if (x->pos.line != y->pos.line) {
		return x->pos.line < y->pos.line ? -1 : 1;
	}
	return (x->pos.col > y->pos.col) - (x->pos.col < y->pos.col);
}

static void map_cleanup(struct findings *f)
{
	map_release(&f->said);
}

static void check_ca_set(struct findings *f, const struct ca_set *set)
{
	for (size_t i = 0; i < set->n_sources; i++) {
		const struct text *url = &set->sources[i].url;
		if (url->s != NULL) {
			check_host(f, &set->o, url->pos, url_host(f->arena, url->s));
		}
	}
}

/* Not hosts, which are for what we keep: a range to scan is allowed by ranges. */
static void check_discovery(struct findings *f, const struct discovery_def *d)
{
	CLEANUP(arena_release) struct arena scratch;
	const struct place *places = NULL;
	struct err why = { 0 };
	size_t n = 0;

	arena_init(&scratch);
	enum err_code rc = discovery_places(d, &scratch, &places, &n, &why);
	for (size_t i = 0; rc == ERR_OK && i < n; i++) {
		/* the ports of a host follow each other */
		if (i == 0 || places[i].host != places[i - 1].host) {
			rc = authority_scan(f->authority, places[i].host,
			                    discovery_range(d, places[i].host, &scratch), &why);
		}
	}
	if (rc != ERR_OK) {
		find(f, &d->o, d->ranges.n > 0 ? d->ranges.v[0].pos : d->o.pos, &why);
	}
}

enum err_code desired_allowed(const struct desired *d, const struct authority *a,
                              struct arena *arena, struct diagnostics *ret_diag, struct err *err)
{
	CLEANUP(map_cleanup)
	struct findings f = { .arena = arena, .authority = a, .desired = d };

	if (a->trusted) {
		return ERR_OK;
	}
	map_init(&f.said);
	for (size_t i = 0; i < d->n_targets; i++) {
		check_target(&f, d->targets[i]);
	}
	for (size_t i = 0; i < d->n_certificates; i++) {
		check_certificate(&f, d->certificates[i]);
	}
	for (size_t i = 0; i < d->n_identities; i++) {
		check_monitor_files(&f, &d->identities[i]);
	}
	for (size_t i = 0; i < d->n_ca_sets; i++) {
		check_ca_set(&f, d->ca_sets[i]);
	}
	for (size_t i = 0; i < d->n_discoveries; i++) {
		check_discovery(&f, d->discoveries[i]);
	}
	if (arena_failed(arena)) {
		return err_nomem(err);
	}
	if (f.list.n == 0) {
		return ERR_OK;
	}
	qsort(f.list.v, f.list.n, sizeof(*f.list.v), by_place);
	*ret_diag = (struct diagnostics){ .v = f.list.v, .n = f.list.n };
	(void)err_set(err, ERR_DENIED,
	              "commit %.12s asks for more than its authority: %zu finding%s", d->commit,
	              f.list.n, f.list.n == 1 ? "" : "s");
	return err_hint(err, "allow it in the configuration, if it is meant: %s",
	                f.list.v[0].hint == NULL ? "authority" : f.list.v[0].hint);
}
