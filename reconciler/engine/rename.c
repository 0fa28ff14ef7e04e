/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rename.c - which rows of the state belong to which object, when names changed.
 *
 * Decided over the memory as a value, so that a plan shows it and is made as if it were done; the
 * store follows when the plan is agreed to. An instance keeps its host: "old@h1" becomes "new@h1".
 * Nobody of the present is ever taken for somebody's past: the loader refuses a former name that is
 * in use.
 */
#include "reconciler/engine/rename.h"

#include "reconciler/base/str.h"
#include "state/rename.h"

/* A former name, with or without a host behind it, and whose it was. */
struct former {
	const struct object *object;
	size_t rank; /* in formerNames */
};
/* Who wants to be called so from now on. */
struct claim {
	enum renamed what;
	const char *from, *to;
	size_t rank;
	bool weak; /* archived: a past that nobody misses */
};
struct finding {
	const struct desired *d;
	struct memory *m;
	struct arena *a;
	struct map formers; /* by name; of one kind at a time */
	struct map claims;  /* by new name */
	struct {
		struct claim *v;
		size_t n, cap;
	} all;
	struct {
		struct rename *v;
		size_t n, cap;
	} renames, clashes;
	bool no_memory;
};

static void finding_release(struct finding *f)
{
	map_release(&f->formers);
	map_release(&f->claims);
}

static void note_formers(struct finding *f, const struct object *o)
{
	for (size_t i = 0; i < o->shared->former_names.n; i++) {
		struct former *x = ARENA_NEW(f->a, struct former);

		if (x == NULL) {
			return;
		}
		*x = (struct former){ .object = o, .rank = i };
		if (map_put_str(&f->formers, o->shared->former_names.v[i].s, x,
		                /* ret_old= */ NULL) < 0) {
			f->no_memory = true;
		}
	}
}

/* What the name in the state is called now; NULL: as it was. */
static const char *name_now(struct finding *f, const char *name, size_t *ret_rank)
{
	const char *at = strchr(name, '@');
	size_t n = at == NULL ? strlen(name) : (size_t)(at - name);
	const struct former *x = map_get(&f->formers, bytes_of(name, n));

	if (x == NULL) {
		return NULL;
	}
	*ret_rank = x->rank;
	return arena_printf(f->a, "%s%s", x->object->name, name + n);
}

static void claim(struct finding *f, const struct claim *c)
{
	struct claim *x = ARENA_PUSH(f->a, &f->all);

	if (x != NULL) {
		*x = *c;
	}
}

static bool holds(const struct identity_memory *im)
{
	return im != NULL && (im->n_revisions > 0 || im->pending != NULL);
}

static void claim_identities(struct finding *f)
{
	for (size_t i = 0; i < f->m->n_identities; i++) {
		const struct identity_memory *im = &f->m->identities[i];
		struct claim c = { .what = RENAMED_IDENTITY,
			           .from = im->name,
			           .weak = im->archived };

		c.to = name_now(f, im->name, &c.rank);
		if (c.to != NULL && holds(im) && desired_identity(f->d, c.to) != NULL) {
			claim(f, &c);
		}
	}
}

static void claim_issuers(struct finding *f)
{
	for (size_t i = 0; i < f->m->n_issuers; i++) {
		const struct issuer_memory *im = &f->m->issuers[i];
		struct claim c = { .what = RENAMED_ISSUER, .from = im->name };

		c.to = name_now(f, im->name, &c.rank);
		if (c.to != NULL && im->n_generations > 0) {
			claim(f, &c);
		}
	}
}

static void claim_targets(struct finding *f)
{
	const char *last = NULL;

	for (size_t i = 0; i < f->m->n_stores; i++) {
		struct claim c = { .what = RENAMED_TARGET, .from = f->m->stores[i].target };

		if (last != NULL && str_equal(last, c.from)) {
			continue; /* sorted by key, which begins with it */
		}
		last = c.from;
		c.to = name_now(f, c.from, &c.rank);
		if (c.to != NULL) {
			claim(f, &c);
		}
	}
}

static bool target_known(const struct memory *m, const char *name)
{
	for (size_t i = 0; i < m->n_stores; i++) {
		if (str_equal(m->stores[i].target, name)) {
			return true;
		}
	}
	return false;
}

static bool occupied(const struct finding *f, const struct claim *c)
{
	const struct issuer_memory *issuer;

	switch (c->what) {
	case RENAMED_IDENTITY:
		return holds(memory_identity(f->m, c->to));
	case RENAMED_ISSUER:
		issuer = memory_issuer(f->m, c->to);
		return issuer != NULL && issuer->n_generations > 0;
	case RENAMED_TARGET:
		return target_known(f->m, c->to);
	case RENAMED_SECRET:
		break;
	}
	return false;
}

static bool better(const struct claim *a, const struct claim *b)
{
	return a->weak != b->weak ? b->weak : a->rank < b->rank;
}

/* One claim a new name gets it; the others of its kind are told, unless they are history anyway. */
static void settle(struct finding *f)
{
	for (size_t i = 0; i < f->all.n; i++) {
		struct claim *c = &f->all.v[i];
		const struct claim *best = map_get_str(&f->claims, c->to);

		if ((best == NULL || better(c, best)) &&
		    map_put_str(&f->claims, c->to, c, /* ret_old= */ NULL) < 0) {
			f->no_memory = true;
		}
	}
	for (size_t i = 0; i < f->all.n; i++) {
		const struct claim *c = &f->all.v[i];
		bool first = map_get_str(&f->claims, c->to) == c && !occupied(f, c);
		struct rename *r;

		if (!first && c->weak) {
			continue;
		}
		r = first ? ARENA_PUSH(f->a, &f->renames) : ARENA_PUSH(f->a, &f->clashes);
		if (r != NULL) {
			*r = (struct rename){ .what = c->what, .from = c->from, .to = c->to };
		}
	}
	f->all.n = 0;
}

static void one_kind(struct finding *f, const struct object *const *v, size_t n,
                     void (*claims)(struct finding *f))
{
	map_release(&f->formers);
	map_release(&f->claims);
	for (size_t i = 0; i < n; i++) {
		note_formers(f, v[i]);
	}
	if (f->formers.n > 0) {
		claims(f);
		settle(f);
	}
}

/* Each model struct begins with its object. */
#define OBJECTS(list) ((const struct object *const *)(const void *)(list))

enum err_code renames_find(const struct desired *d, struct memory *m, struct err *err)
{
	CLEANUP(finding_release) struct finding f = { .d = d, .m = m, .a = m->arena };

	map_init(&f.formers);
	map_init(&f.claims);
	one_kind(&f, OBJECTS(d->issuers), d->n_issuers, claim_issuers);
	one_kind(&f, OBJECTS(d->certificates), d->n_certificates, claim_identities);
	one_kind(&f, OBJECTS(d->targets), d->n_targets, claim_targets);
	if (f.no_memory || arena_failed(f.a)) {
		return err_nomem(err);
	}
	m->clashes = f.clashes.v;
	m->n_clashes = f.clashes.n;
	m->renames = f.renames.v;
	m->n_renames = f.renames.n;
	return f.renames.n == 0 ? ERR_OK : memory_rename(m, f.renames.v, f.renames.n, err);
}

enum err_code renames_of_observed(const struct memory *m, struct observed *o, struct err *err)
{
	return m->n_renames == 0 ? ERR_OK : observed_rename(o, m->renames, m->n_renames, err);
}

struct renames {
	struct rename *v;
	size_t n, cap;
};

static enum err_code secret_of(struct engine *e, const char *owner, struct arena *arena,
                               struct renames *list, struct err *err)
{
	const char *kept = NULL;
	enum err_code rc =
		owner == NULL ? err_nomem(err) : generated_name(e, owner, arena, &kept, err);

	if (rc != ERR_OK || kept == owner) {
		return rc;
	}
	struct rename *r = ARENA_PUSH(arena, list);
	if (r == NULL) {
		return err_nomem(err);
	}
	*r = (struct rename){ .what = RENAMED_SECRET, .from = kept, .to = owner };
	return ERR_OK;
}

static enum err_code keep_secrets(struct engine *e, struct arena *a, struct err *err)
{
	const struct desired *d = e->desired;
	struct renames list = { .v = NULL };
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < d->n_keystores; i++) {
		const struct object *o = &d->keystores[i]->o;
		if (o->shared->former_names.n > 0) {
			rc = secret_of(e, arena_printf(a, "keystore/%s", o->name), a, &list, err);
		}
	}
	for (size_t i = 0; rc == ERR_OK && i < d->n_targets; i++) {
		const struct object *o = &d->targets[i]->o;
		if (o->shared->former_names.n > 0) {
			rc = secret_of(e, arena_printf(a, "target/%s", o->name), a, &list, err);
		}
	}
	return rc == ERR_OK ? store_rename(e->store, list.v, list.n, err) : rc;
}

enum err_code renames_keep(struct engine *e, struct pass *p, size_t *ret_n, struct err *err)
{
	struct memory *m = p->memory;

	enum err_code rc = store_rename(e->store, m->renames, m->n_renames, err);
	if (rc == ERR_OK) {
		rc = keep_secrets(e, &p->arena, err);
	}
	if (rc == ERR_OK) {
		*ret_n = m->n_renames;
		m->n_renames = 0;
	}
	return rc;
}

const char *identity_in_store(const struct memory *m, const char *name)
{
	for (size_t i = 0; i < m->n_renames; i++) {
		if (m->renames[i].what == RENAMED_IDENTITY && str_equal(m->renames[i].to, name)) {
			return m->renames[i].from;
		}
	}
	return name;
}

static const struct object *owner_of(const struct desired *d, const char *name)
{
	const char *slash = strchr(name, '/');

	if (slash == NULL) {
		return NULL;
	}
	if (strncmp(name, "keystore/", 9) == 0) {
		const struct keystore_def *k = desired_keystore(d, slash + 1);
		return k == NULL ? NULL : &k->o;
	}
	if (strncmp(name, "target/", 7) == 0) {
		const struct target *t = desired_target(d, slash + 1);
		return t == NULL ? NULL : &t->o;
	}
	return NULL;
}

enum err_code generated_name(const struct engine *e, const char *name, struct arena *arena,
                             const char **ret, struct err *err)
{
	const struct object *o = e->desired == NULL ? NULL : owner_of(e->desired, name);
	enum err_code rc = ERR_OK;
	bool found = false;

	*ret = name;
	if (o == NULL || o->shared->former_names.n == 0) {
		return ERR_OK;
	}
	rc = store_generated_exists(e->store, name, &found, err);
	for (size_t i = 0; rc == ERR_OK && !found && i < o->shared->former_names.n; i++) {
		const char *former =
			arena_printf(arena, "%.*s%s", (int)(strchr(name, '/') + 1 - name), name,
		                     o->shared->former_names.v[i].s);
		if (former == NULL) {
			return err_nomem(err);
		}
		rc = store_generated_exists(e->store, former, &found, err);
		*ret = found ? former : name;
	}
	return rc;
}
