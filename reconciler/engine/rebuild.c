/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rebuild.c - table A's row A3 and nothing else: the plan as always, of which only the adoptions
 * are applied.
 */
#include "reconciler/base/str.h"
#include "reconciler/engine/looking.h"
#include "reconciler/engine/rename.h"
#include "reconciler/engine/run.h"

static enum err_code release(struct engine *e, struct pass *p, const char *kind, const char *name,
                             struct err *err)
{
	const char *what = arena_printf(&p->arena, "%s:%s", kind, name);

	return what == NULL ? err_nomem(err) : store_release(e->store, what, err);
}

static enum err_code release_all(struct engine *e, struct pass *p, size_t *n, struct err *err)
{
	const struct memory *m = p->memory;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < m->n_stores; i++) {
		if (m->stores[i].push != NULL || m->stores[i].hold_revision != 0) {
			rc = release(e, p, "push", m->stores[i].key, err);
			*n += 1;
		}
	}
	for (size_t i = 0; rc == ERR_OK && i < m->n_identities; i++) {
		if (m->identities[i].issue != NULL) {
			rc = release(e, p, "issue", m->identities[i].name, err);
			*n += 1;
		}
	}
	return rc;
}

/* An adoption waits for nothing but what the plan of all would have done first. */
static enum err_code only_adoptions(struct pass *p, struct plan *ret, struct err *err)
{
	struct action *v = ARENA_ARRAY(&p->arena, struct action, p->plan->n_actions + 1);

	if (v == NULL) {
		return err_nomem(err);
	}
	*ret = *p->plan;
	ret->actions = v;
	ret->n_actions = 0;
	for (size_t i = 0; i < p->plan->n_actions; i++) {
		if (p->plan->actions[i].kind == ACTION_ADOPT) {
			v[ret->n_actions] = p->plan->actions[i];
			v[ret->n_actions].n_depends_on = 0;
			ret->n_actions++;
		}
	}
	return ERR_OK;
}

enum err_code engine_rebuild(struct engine *e, struct rebuild_result *ret, struct err *err)
{
	CLEANUP(pass_release) struct pass p = { 0 };
	struct apply_result result = { 0 };
	struct plan adoptions;

	*ret = (struct rebuild_result){ 0 };
	size_t renamed = 0;
	enum err_code rc = engine_observe(e, &p, err);
	if (rc == ERR_OK) {
		rc = renames_keep(e, &p, &renamed, err);
	}
	if (rc == ERR_OK) {
		rc = release_all(e, &p, &ret->released, err);
	}
	if (rc == ERR_OK) {
		rc = engine_plan(e, &p, err);
	}
	if (rc == ERR_OK) {
		rc = record_marks(e, &p, err);
	}
	if (rc == ERR_OK) {
		rc = only_adoptions(&p, &adoptions, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	for (size_t i = 0; i < p.plan->n_marks; i++) {
		ret->entries += p.plan->marks[i].kind == MARK_SLOT_OURS;
	}
	const struct plan *whole = p.plan;
	p.plan = &adoptions;
	rc = engine_apply(e, &p, &result, err);
	p.plan = whole;
	ret->adopted = result.done;
	ret->failed = result.failed;
	memcpy(ret->first_error, result.first_error, sizeof(ret->first_error));
	return rc;
}
