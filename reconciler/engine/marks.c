/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * marks.c - what a plan learned without changing the world is written down before it is applied:
 * anchors whose overlap begins now, slots found to be ours after a lost state.
 */
#include "reconciler/engine/run.h"

static enum err_code mark_slots(struct engine *e, struct pass *p, size_t first, size_t end,
                                struct err *err)
{
	const struct want_store *ws = p->plan->marks[first].store;
	struct slot_write *slots = ARENA_ARRAY(&p->arena, struct slot_write, end - first);
	size_t n = 0;

	if (slots == NULL) {
		return err_nomem(err);
	}
	for (size_t i = first; i < end; i++) {
		const struct mark *m = &p->plan->marks[i];

		if (m->kind != MARK_SLOT_OURS) {
			continue;
		}
		slots[n].alias = m->alias;
		slots[n].identity = m->identity == NULL ? NULL : m->identity->name;
		slots[n].anchor_der =
			m->identity == NULL ? seen_cert_der(m->cert) : (struct bytes){ 0 };
		memcpy(slots[n].sha256, m->cert->sha256, SHA256_BYTES);
		n++;
	}
	const struct store_write note = { .target = ws->target->o.name,
		                          .host = ws->host->name,
		                          .path = ws->path,
		                          .slots = slots,
		                          .n_slots = n };

	return n == 0 ? ERR_OK : store_slots_ours(e->store, &note, err);
}

static enum err_code mark_anchor(struct engine *e, const struct mark *m, struct err *err)
{
	if (m->kind == MARK_SLOT_OURS) {
		return ERR_OK;
	}
	if (m->kind == MARK_STORE_OWNED) {
		return store_owned_by(e->store, m->store->key, m->owner, m->group, err);
	}
	return store_anchor_left(e->store, m->store->key, m->cert->sha256,
	                         m->kind == MARK_ANCHOR_LEFT, err);
}

enum err_code record_marks(struct engine *e, struct pass *p, struct err *err)
{
	const struct plan *plan = p->plan;
	enum err_code rc = ERR_OK;
	size_t end;

	for (size_t i = 0; rc == ERR_OK && i < plan->n_marks; i = end) {
		for (end = i + 1;
		     end < plan->n_marks && plan->marks[end].store == plan->marks[i].store; end++) {
		}
		rc = mark_slots(e, p, i, end, err);
		for (size_t k = i; rc == ERR_OK && k < end; k++) {
			rc = mark_anchor(e, &plan->marks[k], err);
		}
	}
	return rc;
}
