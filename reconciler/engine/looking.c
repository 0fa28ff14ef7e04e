/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * looking.c - a reference that cannot be resolved makes one row unknown and never the whole pass:
 * other hosts converge.
 */
#include "reconciler/engine/looking.h"

#include <stdlib.h>

#include "reconciler/base/str.h"
#include "reconciler/engine/issuing.h"
#include "reconciler/engine/link.h"
#include "reconciler/engine/passwords.h"
#include "reconciler/engine/rename.h"
#include "reconciler/engine/sources.h"
#include "state/snapshot.h"

const char *look_sentence(struct arena *arena, const struct err *why)
{
	char text[1024];

	err_format(why, text, sizeof(text));
	return why->hint[0] == '\0' ? arena_str(arena, text)
	                            : arena_printf(arena, "%s (%s)", text, why->hint);
}

static enum err_code look_stores(struct engine *e, struct pass *p, struct look_stores *ret,
                                 struct err *err)
{
	const struct wants *w = p->wants;
	struct look_store *looks;

	ARENA_RESERVE(&p->arena, ret, w->n_stores);
	looks = ret->v;
	p->passwords = calloc(w->n_stores + w->n_files + 1, sizeof(*p->passwords));
	if (arena_failed(&p->arena) || p->passwords == NULL) {
		return err_nomem(err);
	}
	p->n_passwords = w->n_stores + w->n_files;
	for (size_t i = 0; i < w->n_stores; i++) {
		const struct want_store *s = &w->stores[i];
		struct passwords *pw = &p->passwords[i];
		struct err why = { 0 };

		enum err_code rc = passwords_resolve(e, s, &p->arena, pw, err);
		if (rc != ERR_OK) {
			return rc;
		}
		looks[i] = (struct look_store){
			.target = s->target->o.name,
			.host = s->host->name,
			.path = s->path,
			.format = registry_keystore(e->registry, s->format),
			.password = pw->has_store ? &pw->store : NULL,
			.key_password = pw->has_key ? &pw->key : NULL,
			.previous = pw->previous,
			.n_previous = pw->n_previous,
			.unresolved = pw->unresolved,
			.owner = s->deliver->shared->owner.s,
			.group = s->deliver->shared->group.s,
			.absent_anyway = pw->not_made,
		};
		if (link_to(e, p, s->target, s->host, &looks[i].transport, &why) != ERR_OK) {
			looks[i].unresolved = look_sentence(&p->arena, &why);
			looks[i].absent_anyway = false;
		}
		ret->n++;
	}
	return look_files(e, p, ret, err);
}

/* The newest revision, also when it was issued a moment ago: its chain as PEM. */
static enum err_code newest_chain(const struct pass *p, const struct identity *id,
                                  int *ret_revision, struct buf *pem, struct err *err)
{
	const struct identity_memory *im = memory_identity(p->memory, id->name);

	for (size_t i = p->n_fresh; i > 0; i--) {
		const struct fresh *f = &p->fresh[i - 1];
		if (f->identity != id) {
			continue;
		}
		for (size_t k = 0; k < f->chain.n; k++) {
			der_to_pem(f->chain.v[k]->der, "CERTIFICATE", pem);
		}
		*ret_revision = f->revision;
		return buf_check(pem, "the client chain", err);
	}
	if (im == NULL || im->n_revisions == 0) {
		return err_set(err, ERR_NOT_FOUND, "client Certificate %s is not issued yet",
		               id->name);
	}
	const struct held *h = &im->revisions[0];
	for (size_t i = 0; i < h->chain.n; i++) {
		der_to_pem(seen_cert_der(h->chain.v[i]), "CERTIFICATE", pem);
	}
	*ret_revision = h->revision;
	return buf_check(pem, "the client chain", err);
}

static enum err_code client_identity(struct engine *e, struct pass *p, const struct identity *id,
                                     struct secret *key, struct look_endpoint *look,
                                     struct err *err)
{
	CLEANUP(buf_release) struct buf pem = { 0 };
	int revision = 0;

	buf_init(&pem, BUF_LIMIT_TEXT);
	enum err_code rc = newest_chain(p, id, &revision, &pem, err);
	if (rc == ERR_OK && e->store == NULL) {
		return err_set(err, ERR_NOT_FOUND, "no state is open to take the key of %s from",
		               id->name);
	}
	if (rc == ERR_OK) {
		rc = store_identity_key(e->store, identity_in_store(p->memory, id->name), revision,
		                        key, err);
	}
	if (rc == ERR_OK) {
		look->client_chain_pem = arena_bytes(&p->arena, buf_view(&pem));
		look->client_key = key;
	}
	return rc;
}

enum err_code look_endpoint_of(struct engine *e, struct pass *p, const struct want_endpoint *w,
                               struct secret *client_key, struct look_endpoint *ret,
                               struct err *err)
{
	struct err why = { 0 };

	*ret = (struct look_endpoint){
		.key = w->key,
		.host = w->host,
		.port = w->port,
		.server_name = w->server_name,
		.starttls = w->spec->shared->starttls.s,
		.possession = true, /* whatever makes us act asks for proof */
		/* A Target names its hosts one by one; what others run may hide several behind a
		 * name, and two certificates behind a port. */
		.every_address = w->monitored != NULL,
		.twins = w->monitored != NULL,
	};
	enum err_code rc = authority_host(e->authority, w->host, &why);
	if (rc == ERR_OK && w->client != NULL) {
		rc = client_identity(e, p, w->client, client_key, ret, &why);
	}
	if (rc != ERR_OK) {
		ret->unresolved = look_sentence(&p->arena, &why);
	}
	return arena_failed(&p->arena) ? err_nomem(err) : ERR_OK;
}

static void release_keys(struct secret *keys, size_t n)
{
	for (size_t i = 0; keys != NULL && i < n; i++) {
		secret_release(&keys[i]);
	}
	free(keys);
}

/* What must not or cannot be asked is not asked: the row says why. */
static enum err_code ask_again(struct engine *e, struct pass *p, const struct look_endpoint *look,
                               struct obs_endpoint *ret, struct err *err)
{
	if (look->unresolved == NULL) {
		return e->prober->probe(e->prober, look, 1, p->observed, ret, err);
	}
	*ret = (struct obs_endpoint){ .key = look->key,
		                      .status = ENDPOINT_NONE,
		                      .error = look->unresolved };
	return ERR_OK;
}

enum err_code look_again(struct engine *e, struct pass *p, const struct want_endpoint *w,
                         struct obs_endpoint *ret, struct err *err)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	struct look_endpoint look;
	enum err_code rc = look_endpoint_of(e, p, w, &key, &look, err);

	return rc == ERR_OK ? ask_again(e, p, &look, ret, err) : rc;
}

static const char *config_value(struct engine *e, struct pass *p, const struct want_config *w,
                                struct secret *ret)
{
	struct generated_secrets generated;
	struct scope scope = { .target = w->target, .host = w->host };
	struct err why = { 0 };

	if (w->value != NULL) {
		return secret_set_str(ret, w->value) < 0 ? "out of memory" : NULL;
	}
	generated_secrets_init(&generated, e);
	struct secret_context ctx = engine_secrets(e, &generated);
	const char *owner = arena_printf(&p->arena, "target/%s", w->target->o.name);
	if (secret_resolve(&ctx, &w->spec->value_ref, &scope, owner, ret, &why) != ERR_OK) {
		return look_sentence(&p->arena, &why);
	}
	return NULL;
}

static enum edit_kind edit_kind_of(enum configure_kind k)
{
	return k == CONFIGURE_INI             ? EDIT_INI
	       : k == CONFIGURE_PROPERTIES    ? EDIT_PROPERTIES
	       : k == CONFIGURE_XML_ATTRIBUTE ? EDIT_XML
	                                      : EDIT_LINE;
}

enum err_code look_config_of(struct engine *e, struct pass *p, const struct want_config *w,
                             struct secret *value, struct look_config *ret, struct err *err)
{
	struct err why = { 0 };

	*ret = (struct look_config){
		.target = w->target->o.name,
		.host = w->host->name,
		.index = w->index,
		.path = w->path,
		.kind = edit_kind_of(w->spec->kind),
		.section = w->section,
		.key = w->name,
		.value = value,
		.sensitive = w->value == NULL,
	};
	ret->unresolved = config_value(e, p, w, value);
	if (link_to(e, p, w->target, w->host, &ret->transport, &why) != ERR_OK) {
		ret->unresolved = look_sentence(&p->arena, &why);
	}
	return arena_failed(&p->arena) ? err_nomem(err) : ERR_OK;
}

struct look_work {
	struct look_list list;
	struct look_endpoint *endpoints;
	struct look_config *configs;
	struct secret *keys, *values; /* of endpoints and configs */
	size_t n_keys, n_values;
};

static void look_work_release(struct look_work *w)
{
	release_keys(w->keys, w->n_keys);
	release_keys(w->values, w->n_values);
	free(w->endpoints);
	free(w->configs);
}

static enum err_code look_work_fill(struct engine *e, struct pass *p, struct look_work *w,
                                    struct err *err)
{
	const struct wants *wants = p->wants;
	struct look_stores stores = { .v = NULL };
	enum err_code rc = look_stores(e, p, &stores, err);

	w->endpoints = calloc(wants->n_endpoints + 1, sizeof(*w->endpoints));
	w->keys = calloc(wants->n_endpoints + 1, sizeof(*w->keys));
	w->configs = calloc(wants->n_configs + 1, sizeof(*w->configs));
	w->values = calloc(wants->n_configs + 1, sizeof(*w->values));
	if (rc == ERR_OK &&
	    (w->endpoints == NULL || w->keys == NULL || w->configs == NULL || w->values == NULL)) {
		return err_nomem(err);
	}
	w->n_keys = wants->n_endpoints;
	w->n_values = wants->n_configs;
	for (size_t i = 0; rc == ERR_OK && i < wants->n_endpoints; i++) {
		rc = look_endpoint_of(e, p, &wants->endpoints[i], &w->keys[i], &w->endpoints[i],
		                      err);
	}
	for (size_t i = 0; rc == ERR_OK && i < wants->n_configs; i++) {
		rc = look_config_of(e, p, &wants->configs[i], &w->values[i], &w->configs[i], err);
	}
	w->list = (struct look_list){
		.stores = stores.v,
		.n_stores = stores.n,
		.endpoints = w->endpoints,
		.n_endpoints = wants->n_endpoints,
		.configs = w->configs,
		.n_configs = wants->n_configs,
	};
	return rc;
}

/* Memory first, wants from it: an anchor that is leaving is wanted only because it is remembered.
 */
enum err_code pass_begin(struct engine *e, struct pass *p, bool look, struct err *err)
{
	*p = (struct pass){ 0 };
	arena_init(&p->arena);
	seen_certs_init(&p->certs, &p->arena);
	enum err_code rc = e->store != NULL
	                           ? memory_load(e->store, &p->arena, &p->certs, &p->memory, err)
	                           : memory_empty(&p->arena, &p->certs, &p->memory, err);
	if (rc == ERR_OK) {
		rc = renames_find(e->desired, p->memory, err);
	}
	if (rc == ERR_OK) {
		rc = sources_fill(e, p, look, err);
	}
	if (rc == ERR_OK) {
		rc = crls_fill(e, p, look, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	return wants_build(e->desired, p->memory, &p->arena, &p->wants, err);
}

enum err_code engine_observe(struct engine *e, struct pass *p, struct err *err)
{
	CLEANUP(look_work_release) struct look_work work = { 0 };
	struct look_context ctx = {
		.formats = e->registry->keystores,
		.n_formats = e->registry->n_keystores,
		.prober = e->prober,
		.clock = e->clock,
		.progress = e->progress,
	};

	enum err_code rc = pass_begin(e, p, /* look= */ true, err);
	if (rc == ERR_OK) {
		rc = look_work_fill(e, p, &work, err);
	}
	if (rc == ERR_OK) {
		rc = observe(&ctx, &work.list, &p->arena, &p->certs, &p->observed, err);
	}
	if (rc == ERR_OK && e->store != NULL && !e->read_only) {
		rc = store_observed_save(e->store, p->observed, err);
	}
	return rc;
}

struct wanted_keys {
	struct known_texts texts;
	const struct wants *wants;
	size_t next;
};

/* What is read comes by key, and what is wanted by Target: mostly the same order. */
static const char *wanted_key(struct known_texts *texts, const char *key)
{
	struct wanted_keys *k = CONTAINER_OF(texts, struct wanted_keys, texts);

	const struct wants *w = k->wants;
	int order = 1;

	while (k->next < w->n_endpoints && (order = strcmp(w->endpoints[k->next].key, key)) < 0) {
		k->next++;
	}
	return k->next < w->n_endpoints && order == 0 ? w->endpoints[k->next].key : NULL;
}

enum err_code engine_recorded(struct engine *e, struct pass *p, struct err *err)
{
	enum err_code rc = pass_begin(e, p, /* look= */ false, err);

	if (rc != ERR_OK) {
		return rc;
	}
	if (e->store == NULL) {
		return err_set(err, ERR_NOT_FOUND, "nothing was recorded yet: there is no state");
	}
	struct wanted_keys keys = { .texts = { .memory = p->memory, .endpoint_key = wanted_key },
		                    .wants = p->wants };
	rc = store_observed_load(e->store, &p->arena, &p->certs, &keys.texts, &p->observed, err);
	return rc == ERR_OK ? renames_of_observed(p->memory, p->observed, err) : rc;
}

enum err_code engine_from_snapshot(struct engine *e, struct bytes snapshot, struct pass *p,
                                   struct err *err)
{
	*p = (struct pass){ 0 };
	arena_init(&p->arena);
	seen_certs_init(&p->certs, &p->arena);
	enum err_code rc =
		snapshot_read(snapshot, &p->arena, &p->certs, &p->observed, &p->memory, err);
	if (rc == ERR_OK) {
		rc = renames_find(e->desired, p->memory, err);
	}
	if (rc == ERR_OK) {
		rc = renames_of_observed(p->memory, p->observed, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	return wants_build(e->desired, p->memory, &p->arena, &p->wants, err);
}

#define PATHS_MAX ((size_t)64 << 20)

static bool judges(const struct wants *w)
{
	for (size_t i = 0; i < w->n_endpoints; i++) {
		if (w->endpoints[i].monitored != NULL) {
			return true;
		}
	}
	return w->n_files > 0;
}

static void recall_paths(struct engine *e, struct pass *p)
{
	CLEANUP(buf_release) struct buf kept = { 0 };
	uint8_t inputs[SHA256_BYTES];
	bool found = false;

	chain_memo_release(&p->paths);
	chain_memo_init(&p->paths, &p->arena);
	if (e->store == NULL || !judges(p->wants)) {
		return;
	}
	chain_memo_inputs(inputs);
	buf_init(&kept, PATHS_MAX);
	if (store_memo_get(e->store, "paths", inputs, &kept, &found, /* err= */ NULL) == ERR_OK &&
	    found) {
		(void)chain_memo_read(&p->paths, buf_view(&kept));
	}
}

void engine_keep_paths(const struct pass *p, struct store *s)
{
	CLEANUP(buf_release) struct buf all = { 0 };
	const struct wall for_ever = { INT64_MAX };
	uint8_t inputs[SHA256_BYTES];

	if (!chain_memo_changed(&p->paths)) {
		return;
	}
	chain_memo_inputs(inputs);
	buf_init(&all, PATHS_MAX);
	chain_memo_write(&p->paths, &all);
	if (!buf_failed(&all)) {
		(void)store_memo_put(s, "paths", inputs, for_ever, buf_view(&all), /* err= */ NULL);
	}
}

enum err_code engine_plan(struct engine *e, struct pass *p, struct err *err)
{
	recall_paths(e, p);
	struct plan_input in = {
		.desired = e->desired,
		.observed = p->observed,
		.memory = p->memory,
		.wants = p->wants,
		.now = e->clock->wall(e->clock),
		.selector = e->selector,
		.target = e->target_name,
		.trusted = e->authority->trusted,
		.key_release_allow = e->authority->key_release_allow,
		.budget_issue_percent = e->budget.issue_percent,
		.budget_disrupt_percent = e->budget.disrupt_percent,
		.budget_retire = e->budget.retire,
		.source_stale = e->source_stale,
		.no_verdicts = e->no_verdicts,
		.paths = &p->paths,
	};
	enum err_code rc = plan_build(&in, &p->arena, &p->plan, err);
	if (rc == ERR_OK && e->store != NULL && !e->read_only) {
		engine_keep_paths(p, e->store);
	}
	return rc;
}

void pass_release(struct pass *p)
{
	for (size_t i = 0; i < p->n_passwords; i++) {
		passwords_release(&p->passwords[i]);
	}
	free(p->passwords);
	links_close(p->links);
	chain_memo_release(&p->paths);
	wants_release(p->wants);
	observed_release(p->observed);
	memory_release(p->memory);
	seen_certs_release(&p->certs);
	arena_release(&p->arena);
	*p = (struct pass){ 0 };
}
