/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * want.c - the desired state flattened: a row per store, endpoint and edit of every host.
 *
 * What is wrong with one store (two entries under one alias) is written on its row and stops that
 * store alone; only what cannot happen after validation ends the pass.
 */
#include "reconciler/engine/want.h"

#include <stdlib.h>

#include "reconciler/base/str.h"
#include "reconciler/engine/want_build.h"

#define SCRATCH_LIMIT ((size_t)1 << 20)

static int by_store_key(const void *a, const void *b)
{
	return strcmp(((const struct want_store *)a)->key, ((const struct want_store *)b)->key);
}

const char *ca_source_name(struct arena *arena, const struct ca_source *src)
{
	char *name = src->kind == CA_SYSTEM ? arena_str(arena, "system")
	                                    : arena_printf(arena, "url/%s", src->sha256.s);

	if (name != NULL) {
		str_lower_ascii(name);
	}
	return name;
}

static enum err_code add_key_entry(struct want_build *b, struct want_store *s, const char *alias,
                                   const char *certificate, bool certificate_only,
                                   struct want_entries *out, struct err *err)
{
	struct scope scope = { .target = s->target, .host = s->host };
	struct want_entry *e = ARENA_PUSH(b->a, out);
	enum err_code rc = ERR_OK;

	if (e == NULL) {
		return err_nomem(err);
	}
	e->alias = "";
	if (s->has_aliases) {
		rc = expand_text(alias, &scope, b->a, &e->alias, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	e->folded = want_fold(b->a, e->alias);
	e->source = ENTRY_CERTIFICATE;
	e->certificate_only = certificate_only;
	e->identity = desired_identity_on(b->d, certificate, s->host->name);
	if (e->identity == NULL) {
		s->error = arena_printf(b->a, "Certificate %s has no instance for host %s",
		                        certificate, s->host->name);
	}
	return e->folded == NULL ? err_nomem(err) : ERR_OK;
}

static enum err_code add_entry(struct want_build *b, struct want_store *s,
                               const struct keystore_entry_spec *spec, struct want_entries *out,
                               struct err *err)
{
	const struct trust_list *shared = NULL;
	const struct ca_set *set;
	struct trust_list own = { 0 };
	enum err_code rc;

	switch (spec->source) {
	case ENTRY_CERTIFICATE:
		return add_key_entry(b, s, spec->alias.s == NULL ? "" : spec->alias.s, spec->ref.s,
		                     spec->certificate_only, out, err);
	case ENTRY_CA_SET:
		set = desired_ca_set(b->d, spec->ref.s);
		if (set == NULL) {
			break;
		}
		rc = trust_of_set(b, set, &shared, err);
		return rc != ERR_OK
		               ? rc
		               : trust_entries_add(b, s, spec, shared, set->overlap_s, out, err);
	case ENTRY_TRUST_CERTIFICATE:
		rc = trust_of_certificate(b, spec->ref.s, &own, err);
		return rc != ERR_OK ? rc
		                    : trust_entries_add(b, s, spec, &own, PIN_OVERLAP_S, out, err);
	}
	return err_set(err, ERR_BUG, "Keystore entry %s refers to nothing", spec->alias.s);
}

/* Quadratic, but over the aliases of one store: bundles of a few hundred at most. */
static void check_collisions(struct want_build *b, struct want_store *s)
{
	if (!s->has_aliases) {
		return;
	}
	for (size_t i = 0; i < s->n_entries; i++) {
		for (size_t j = i + 1; j < s->n_entries; j++) {
			/* Of templates only what they become can collide. */
			if (str_equal(s->entries[i].folded, s->entries[j].folded) &&
			    (s->entries[i].anchor != NULL ||
			     !text_is_template(s->entries[i].alias))) {
				s->error = arena_printf(b->a, "two entries want the alias %s",
				                        s->entries[i].alias);
				return;
			}
		}
	}
}

static enum err_code fill_entries(struct want_build *b, struct want_store *s, struct err *err)
{
	const struct keystore_def *ks = s->keystore;
	struct want_entries out = { 0 };
	enum err_code rc = ERR_OK;

	if (ks == NULL) {
		rc = add_key_entry(b, s, "", s->deliver->certificate.s,
		                   /* certificate_only= */ false, &out, err);
	}
	/* Key entries first: their aliases are fixed, anchors step aside. */
	for (int keys = 1; ks != NULL && keys >= 0; keys--) {
		for (size_t i = 0; rc == ERR_OK && i < ks->n_entries; i++) {
			if ((ks->entries[i].source == ENTRY_CERTIFICATE) == (keys == 1)) {
				rc = add_entry(b, s, &ks->entries[i], &out, err);
			}
		}
	}
	if (rc == ERR_OK) {
		rc = trust_leftovers_add(b, s, &out, err);
	}
	s->entries = out.v;
	s->n_entries = out.n;
	check_collisions(b, s);
	return rc;
}

/* Of several possible places the one that we have written to; else the first. */
static enum err_code choose_path(struct want_build *b, const struct deliver_spec *dl,
                                 const struct scope *scope, const char **ret, struct err *err)
{
	if (dl->path.s != NULL) {
		return expand_text(dl->path.s, scope, b->a, ret, err);
	}
	const char *first = "";

	for (size_t i = 0; i < dl->one_of.n; i++) {
		const char *path = NULL;
		enum err_code rc = expand_text(dl->one_of.v[i].s, scope, b->a, &path, err);

		if (rc != ERR_OK) {
			return rc;
		}
		const char *key = store_key(b->a, scope->target->o.name, scope->host->name, path);

		if (key != NULL && memory_store(b->m, key) != NULL) {
			*ret = path;
			return ERR_OK;
		}
		first = i == 0 ? path : first;
	}
	*ret = first;
	return ERR_OK;
}

/* The memory's own text when it knows the store, as it does nearly always. */
static const char *key_of_store(struct want_build *b, const char *target, const char *host,
                                const char *path)
{
	const char *key = store_key(&b->scratch, target, host, path);
	const struct store_memory *sm = key == NULL ? NULL : memory_store(b->m, key);
	const char *kept = sm != NULL ? sm->key : key == NULL ? NULL : arena_str(b->a, key);

	if (b->scratch.used > SCRATCH_LIMIT) {
		arena_release(&b->scratch);
	}
	return kept;
}

static enum err_code add_store(struct want_build *b, const struct target *t,
                               const struct host *host, const struct deliver_spec *dl,
                               struct err *err)
{
	struct scope scope = { .target = t, .host = host };
	struct want_store s = { .target = t, .host = host, .deliver = dl };
	enum err_code rc = choose_path(b, dl, &scope, &s.path, err);

	if (rc != ERR_OK) {
		return rc;
	}
	s.key = key_of_store(b, t->o.name, host->name, s.path);
	s.keystore = dl->keystore.s == NULL ? NULL : desired_keystore(b->d, dl->keystore.s);
	s.format = s.keystore == NULL ? "pem" : s.keystore->format.s;
	s.has_aliases = format_has_aliases(s.format);
	if (s.key == NULL) {
		return err_nomem(err);
	}
	rc = fill_entries(b, &s, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct want_store *slot = ARENA_PUSH(b->a, &b->stores);

	if (slot == NULL) {
		return err_nomem(err);
	}
	*slot = s;
	return ERR_OK;
}

/* https://host:port/... */
static enum err_code split_url(struct want_build *b, const char *url, const char **ret_host,
                               int *ret_port, struct err *err)
{
	const char *p = strstr(url, "://");

	p = p == NULL ? url : p + 3;
	size_t n = strcspn(p, "/?#");
	const char *end = p + n;
	const char *close = *p == '[' ? memchr(p, ']', n) : NULL;
	const char *colon = memrchr(close == NULL ? p : close, ':',
	                            (size_t)(end - (close == NULL ? p : close)));
	const char *host_end = colon == NULL ? end : colon;
	int64_t port = 443;

	if (colon != NULL) {
		const char *digits = arena_strn(b->a, colon + 1, (size_t)(end - colon - 1));

		if (digits == NULL || !str_to_i64(digits, 1, 65535, &port)) {
			return err_set(err, ERR_INVALID, "no port in url %s", url);
		}
	}
	*ret_host = close == NULL ? arena_strn(b->a, p, (size_t)(host_end - p))
	                          : arena_strn(b->a, p + 1, (size_t)(close - p - 1));
	*ret_port = (int)port;
	return *ret_host == NULL ? err_nomem(err) : ERR_OK;
}

static enum err_code endpoint_place(struct want_build *b, const struct endpoint_spec *spec,
                                    const struct scope *scope, struct want_endpoint *e,
                                    struct err *err)
{
	const char *url = NULL;
	enum err_code rc = ERR_OK;

	e->port = spec->shared->port == 0 ? 443 : spec->shared->port;
	e->host = scope->host == NULL ? "" : scope->host->name;
	if (spec->shared->url.s != NULL) {
		rc = expand_text(spec->shared->url.s, scope, b->a, &url, err);
		rc = rc != ERR_OK ? rc : split_url(b, url, &e->host, &e->port, err);
	} else if (spec->host.s != NULL) {
		rc = expand_text(spec->host.s, scope, b->a, &e->host, err);
	}
	e->server_name = e->host;
	if (rc == ERR_OK && spec->server_name.s != NULL) {
		rc = expand_text(spec->server_name.s, scope, b->a, &e->server_name, err);
	}
	return rc;
}

static const struct identity *identity_of(struct want_build *b, const struct text *certificate,
                                          const struct host *host)
{
	if (certificate->s == NULL) {
		return NULL;
	}
	return desired_identity_on(b->d, certificate->s, host == NULL ? "" : host->name);
}

static enum err_code add_endpoint(struct want_build *b, const struct endpoint_spec *spec,
                                  const struct scope *scope, struct want_endpoint *e,
                                  struct err *err)
{
	enum err_code rc = endpoint_place(b, spec, scope, e, err);

	if (rc != ERR_OK) {
		return rc;
	}
	e->spec = spec;
	e->client = identity_of(b, &spec->shared->client_certificate, scope->host);
	e->ca_set = spec->shared->ca_set.s == NULL ? NULL
	                                           : desired_ca_set(b->d, spec->shared->ca_set.s);
	e->key = endpoint_key(b->a, e->host, e->port, e->server_name, spec->shared->starttls.s,
	                      e->client == NULL ? NULL : e->client->name);
	struct want_endpoint *slot = e->key == NULL ? NULL : ARENA_PUSH(b->a, &b->endpoints);

	if (slot == NULL) {
		return err_nomem(err);
	}
	*slot = *e;
	return ERR_OK;
}

/* The one identity that the host gets; NULL when there are several. */
static const struct identity *only_identity(const struct want_build *b, size_t first)
{
	const struct identity *only = NULL;

	for (size_t i = first; i < b->stores.n; i++) {
		for (size_t j = 0; j < b->stores.v[i].n_entries; j++) {
			const struct want_entry *e = &b->stores.v[i].entries[j];

			if (e->source != ENTRY_CERTIFICATE || e->identity == only) {
				continue;
			}
			if (only != NULL) {
				return NULL;
			}
			only = e->identity;
		}
	}
	return only;
}

static enum err_code add_verifies(struct want_build *b, const struct target *t,
                                  const struct host *host, size_t first_store, struct err *err)
{
	struct scope scope = { .target = t, .host = host };
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < t->n_verify; i++) {
		const struct verify_spec *v = &t->verify[i];
		struct want_endpoint e = { .target = t, .target_host = host };

		if (v->kind != VERIFY_TLS) {
			continue;
		}
		e.identity = v->tls->shared->present.s == NULL
		                     ? only_identity(b, first_store)
		                     : identity_of(b, &v->tls->shared->present, host);
		rc = add_endpoint(b, v->tls, &scope, &e, err);
	}
	return rc;
}

static enum err_code add_monitors(struct want_build *b, const struct identity *id, struct err *err)
{
	const struct monitor_spec *mon = id->def->shared->monitor;
	struct scope scope = { .target = id->target, .host = id->host };
	enum err_code rc = ERR_OK;

	for (size_t i = 0; mon != NULL && rc == ERR_OK && i < mon->n_endpoints; i++) {
		struct want_endpoint e = { .monitored = id->def, .monitor_of = id };

		e.identity = id->def->shared->mode == MODE_MANAGED ? id : NULL;
		rc = add_endpoint(b, &mon->endpoints[i], &scope, &e, err);
	}
	for (size_t i = 0; mon != NULL && rc == ERR_OK && i < mon->n_files; i++) {
		struct want_file f = { .monitor_of = id, .spec = &mon->files[i] };

		rc = expand_text(f.spec->path.s, &scope, b->a, &f.path, err);
		struct want_file *slot = rc == ERR_OK ? ARENA_PUSH(b->a, &b->files) : NULL;
		if (rc == ERR_OK && slot == NULL) {
			return err_nomem(err);
		}
		if (slot != NULL) {
			*slot = f;
		}
	}
	return rc == ERR_OK ? ERR_OK : err_wrap(err, "Certificate %s, monitor", id->name);
}

static enum err_code expand_or_null(struct want_build *b, const struct text *t,
                                    const struct scope *scope, const char **ret, struct err *err)
{
	return t->s == NULL ? ERR_OK : expand_text(t->s, scope, b->a, ret, err);
}

static enum err_code add_config(struct want_build *b, const struct scope *scope, size_t index,
                                struct err *err)
{
	const struct configure_spec *spec = &scope->target->shared->configure[index];
	struct want_config c = {
		.target = scope->target, .host = scope->host, .index = index, .spec = spec
	};
	const struct text *name = spec->kind == CONFIGURE_LINE            ? &spec->prefix
	                          : spec->kind == CONFIGURE_XML_ATTRIBUTE ? &spec->attribute
	                                                                  : &spec->key;
	enum err_code rc = expand_or_null(b, &spec->path, scope, &c.path, err);

	rc = rc != ERR_OK ? rc
	                  : expand_or_null(b,
	                                   spec->kind == CONFIGURE_XML_ATTRIBUTE ? &spec->xpath
	                                                                         : &spec->section,
	                                   scope, &c.section, err);
	rc = rc != ERR_OK ? rc : expand_or_null(b, name, scope, &c.name, err);
	rc = rc != ERR_OK
	             ? rc
	             : expand_or_null(b, spec->kind == CONFIGURE_LINE ? &spec->line : &spec->value,
	                              scope, &c.value, err);
	c.key = config_key(b->a, scope->target->o.name, scope->host->name, index);
	struct want_config *slot =
		rc == ERR_OK && c.key != NULL ? ARENA_PUSH(b->a, &b->configs) : NULL;

	if (rc == ERR_OK && slot == NULL) {
		rc = err_nomem(err);
	}
	if (rc == ERR_OK) {
		*slot = c;
	}
	return rc;
}

static enum err_code add_host(struct want_build *b, const struct target *t, const struct host *host,
                              struct err *err)
{
	struct scope scope = { .target = t, .host = host };
	size_t first = b->stores.n;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < t->n_deliver; i++) {
		rc = add_store(b, t, host, &t->deliver[i], err);
	}
	if (rc == ERR_OK) {
		rc = add_verifies(b, t, host, first, err);
	}
	for (size_t i = 0; rc == ERR_OK && i < t->shared->n_configure; i++) {
		rc = add_config(b, &scope, i, err);
	}
	return rc == ERR_OK ? ERR_OK : err_wrap(err, "Target %s@%s", t->o.name, host->name);
}

/* What a Target may come to; endpoints of monitors are few and grow by themselves. */
static void reserve(struct want_build *b)
{
	size_t stores = 0;
	size_t endpoints = 0;

	for (size_t i = 0; i < b->d->n_targets; i++) {
		stores += b->d->targets[i]->n_hosts * b->d->targets[i]->n_deliver;
		endpoints += b->d->targets[i]->n_hosts * b->d->targets[i]->n_verify;
	}
	ARENA_RESERVE(b->a, &b->stores, stores);
	ARENA_RESERVE(b->a, &b->endpoints, endpoints);
}

static enum err_code add_all(struct want_build *b, struct err *err)
{
	enum err_code rc = ERR_OK;

	reserve(b);

	for (size_t i = 0; rc == ERR_OK && i < b->d->n_targets; i++) {
		const struct target *t = b->d->targets[i];

		for (size_t h = 0; rc == ERR_OK && h < t->n_hosts; h++) {
			rc = add_host(b, t, &t->hosts[h], err);
		}
	}
	for (size_t i = 0; rc == ERR_OK && i < b->d->n_identities; i++) {
		rc = add_monitors(b, &b->d->identities[i], err);
	}
	return rc;
}

static int compare_store(const void *key, const void *row)
{
	return strcmp(key, ((const struct want_store *)row)->key);
}

const struct want_store *wants_store(const struct wants *w, const char *key)
{
	return w->n_stores == 0
	               ? NULL
	               : bsearch(key, w->stores, w->n_stores, sizeof(*w->stores), compare_store);
}

static enum err_code check_twice(const struct wants *w, struct err *err)
{
	for (size_t i = 1; i < w->n_stores; i++) {
		if (str_equal(w->stores[i - 1].key, w->stores[i].key)) {
			(void)err_set(err, ERR_INVALID, "%s is delivered to twice",
			              w->stores[i].key);
			return err_hint(err, "put both into one Keystore");
		}
	}
	return ERR_OK;
}

static enum err_code finish(struct want_build *b, struct wants **ret, struct err *err)
{
	struct wants *w = ARENA_NEW(b->a, struct wants);

	if (w == NULL) {
		return err_nomem(err);
	}
	if (b->stores.n > 1) {
		qsort(b->stores.v, b->stores.n, sizeof(*b->stores.v), by_store_key);
	}
	*w = (struct wants){ .arena = b->a,
		             .stores = b->stores.v,
		             .n_stores = b->stores.n,
		             .endpoints = b->endpoints.v,
		             .n_endpoints = b->endpoints.n,
		             .configs = b->configs.v,
		             .n_configs = b->configs.n,
		             .files = b->files.v,
		             .n_files = b->files.n };
	enum err_code rc = check_twice(w, err);

	if (rc != ERR_OK) {
		wants_release(w);
		return rc;
	}
	*ret = w;
	return ERR_OK;
}

enum err_code wants_build(const struct desired *d, const struct memory *m, struct arena *arena,
                          struct wants **ret, struct err *err)
{
	struct want_build b = { .d = d, .m = m, .a = arena };

	arena_init(&b.scratch);
	map_init(&b.sets);
	map_init(&b.parsed);
	enum err_code rc = add_all(&b, err);

	if (rc == ERR_OK) {
		rc = finish(&b, ret, err);
	}
	map_release(&b.parsed);
	map_release(&b.sets);
	arena_release(&b.scratch);
	return rc;
}

void wants_release(struct wants *w)
{
	(void)w;
}
