/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * passwords.c - resolved once per pass: an exec source may be slow or ask a token, and looking and
 * writing must use the same value.
 */
#include "reconciler/engine/passwords.h"

#include <stdlib.h>

#include "reconciler/base/str.h"
#include "reconciler/engine/looking.h"
#include "reconciler/engine/rename.h"

static enum err_code generated_get(struct generated_store *g, const char *name, int length,
                                   struct secret *ret, struct err *err)
{
	struct generated_secrets *self = CONTAINER_OF(g, struct generated_secrets, base);
	CLEANUP(arena_release) struct arena scratch = { 0 };
	struct store *store = self->engine->store;
	const char *kept = name;

	if (store == NULL) {
		self->not_made = true;
		return err_set(err, ERR_NOT_FOUND,
		               "generated secret '%s' lives in the state, and there is none", name);
	}
	arena_init(&scratch);
	enum err_code rc = generated_name(self->engine, name, &scratch, &kept, err);
	if (rc == ERR_OK) {
		rc = store_generated(store, kept, length, ret, err);
	}
	self->not_made = self->not_made || rc == ERR_NOT_FOUND;
	return rc;
}

void generated_secrets_init(struct generated_secrets *g, const struct engine *e)
{
	*g = (struct generated_secrets){ .base.get = generated_get, .engine = e };
}

struct secret_context engine_secrets(const struct engine *e, struct generated_secrets *g)
{
	return (struct secret_context){
		.authority = e->authority,
		.secrets_dir = e->secrets_dir,
		.desired = e->desired,
		.generated = &g->base,
	};
}

/* No format of ours has passwords of octets: known before anything is issued for the store. */
static enum err_code check_text(const struct secret *s, const char *what, struct err *err)
{
	struct bytes b = secret_view(s);

	return b.n == 0 || str_is_utf8((const char *)b.p, b.n)
	               ? ERR_OK
	               : err_set(err, ERR_INVALID, "%s: not valid UTF-8", what);
}

static enum err_code resolve_all(const struct secret_context *ctx, const struct keystore_def *def,
                                 const struct scope *scope, const char *owner, struct passwords *p,
                                 struct err *err)
{
	enum err_code rc = secret_resolve(ctx, &def->password, scope, owner, &p->store, err);

	if (rc != ERR_OK) {
		return rc;
	}
	p->has_store = def->password.kind != SECRET_NONE;
	rc = p->has_store ? check_text(&p->store, "passwordRef", err) : ERR_OK;
	if (rc != ERR_OK) {
		return rc;
	}
	rc = secret_resolve(ctx, &def->key_password, scope, owner, &p->key, err);
	if (rc != ERR_OK) {
		return rc;
	}
	p->has_key = def->key_password.kind != SECRET_NONE;
	rc = p->has_key ? check_text(&p->key, "keyPasswordRef", err) : ERR_OK;
	if (rc != ERR_OK) {
		return rc;
	}
	if (def->n_previous_passwords == 0) {
		return ERR_OK;
	}
	p->previous = calloc(def->n_previous_passwords, sizeof(*p->previous));
	if (p->previous == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < def->n_previous_passwords; i++) {
		rc = secret_resolve(ctx, &def->previous_passwords[i], scope, owner, &p->previous[i],
		                    err);
		if (rc != ERR_OK) {
			return rc;
		}
		p->n_previous = i + 1;
	}
	return ERR_OK;
}

enum err_code passwords_resolve(struct engine *e, const struct want_store *w, struct arena *arena,
                                struct passwords *ret, struct err *err)
{
	struct generated_secrets generated;
	struct scope scope = { .target = w->target, .host = w->host };
	struct err why = { 0 };

	*ret = (struct passwords){ 0 };
	if (w->keystore == NULL) {
		return ERR_OK;
	}
	generated_secrets_init(&generated, e);
	struct secret_context ctx = engine_secrets(e, &generated);
	const char *owner = arena_printf(arena, "keystore/%s", w->keystore->o.name);
	if (owner == NULL) {
		return err_nomem(err);
	}
	enum err_code rc = resolve_all(&ctx, w->keystore, &scope, owner, ret, &why);
	if (rc == ERR_NOMEM) {
		passwords_release(ret);
		return err_nomem(err);
	}
	if (rc != ERR_OK) {
		ret->not_made = generated.not_made;
		err_wrap(&why, "Keystore %s", w->keystore->o.name);
		ret->unresolved = look_sentence(arena, &why);
	}
	return arena_failed(arena) ? err_nomem(err) : ERR_OK;
}

static enum err_code resolve_tries(const struct secret_context *ctx, const struct want_file *w,
                                   struct passwords *p, struct err *err)
{
	const struct scope scope = { .target = w->monitor_of->target, .host = w->monitor_of->host };
	const struct monitor_file *f = w->spec;

	if (f->n_passwords > 1) {
		p->previous = calloc(f->n_passwords - 1, sizeof(*p->previous));
		if (p->previous == NULL) {
			return err_nomem(err);
		}
	}
	for (size_t i = 0; i < f->n_passwords; i++) {
		struct secret *s = i == 0 ? &p->store : &p->previous[i - 1];
		enum err_code rc =
			secret_resolve(ctx, &f->passwords[i], &scope, w->monitor_of->name, s, err);
		p->n_previous = i;
		if (rc == ERR_OK) {
			rc = check_text(s, "passwordRefs", err);
		}
		if (rc != ERR_OK) {
			return rc;
		}
		p->has_store = true;
	}
	return ERR_OK;
}

enum err_code passwords_of_file(struct engine *e, const struct want_file *w, struct arena *arena,
                                struct passwords *ret, struct err *err)
{
	struct generated_secrets generated;
	struct err why = { 0 };

	*ret = (struct passwords){ 0 };
	generated_secrets_init(&generated, e);
	struct secret_context ctx = engine_secrets(e, &generated);
	enum err_code rc = resolve_tries(&ctx, w, ret, &why);
	if (rc == ERR_NOMEM) {
		passwords_release(ret);
		return err_nomem(err);
	}
	if (rc != ERR_OK) {
		ret->unresolved = look_sentence(arena, &why);
	}
	return arena_failed(arena) ? err_nomem(err) : ERR_OK;
}

void passwords_release(struct passwords *p)
{
	secret_release(&p->store);
	secret_release(&p->key);
	for (size_t i = 0; i < p->n_previous; i++) {
		secret_release(&p->previous[i]);
	}
	free(p->previous);
	*p = (struct passwords){ 0 };
}

struct keystore_passwords passwords_view(const struct passwords *p)
{
	return (struct keystore_passwords){
		.store = p->has_store ? &p->store : NULL,
		.key = p->has_key ? &p->key : NULL,
	};
}

enum err_code passwords_open(const struct passwords *p, const struct keystore_ops *ops,
                             const struct bytes *parts, size_t n_parts, struct keystore **ret,
                             struct err *err)
{
	const struct keystore_tries tries = { .present = passwords_view(p),
		                              .previous = p->previous,
		                              .n_previous = p->n_previous };
	int which = 0;

	return keystore_open(ops, parts, n_parts, &tries, ret, &which, err);
}

void cleanup_keystore(struct keystore **ks)
{
	if (*ks != NULL) {
		(*ks)->ops->close(*ks);
	}
}
