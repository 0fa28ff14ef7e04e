/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_leftover.c - what is ours and no longer desired: A12 and B17.
 *
 * An empty desired state is more likely a mistake than a wish: it takes nothing away.
 */
#include "reconciler/engine/planner.h"
#include "reconciler/engine/want_build.h"
#include "state/rename.h"

static bool entry_wanted(const struct want_store *ws, const char *folded)
{
	for (size_t i = 0; i < ws->n_entries; i++) {
		if (str_equal(ws->entries[i].folded, folded)) {
			return true;
		}
	}
	return false;
}

static size_t first_slot(const struct memory *m, const char *key)
{
	size_t lo = 0;
	size_t hi = m->n_slots;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(m->slots[mid].store_key, key) < 0) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo;
}

static const struct obs_entry *entry_of(const struct store_plan *sp, const struct slot_memory *s)
{
	for (size_t i = 0; !sp->absent && i < sp->os->n_entries; i++) {
		const struct obs_entry *e = &sp->os->entries[i];

		/* Only what we put there: somebody else's under the same alias is theirs. */
		if (str_equal(e->folded, s->alias) && e->chain.n > 0 &&
		    digests_equal(e->chain.v[0]->sha256, s->sha256)) {
			return e;
		}
	}
	return NULL;
}

static void not_desired(struct planner *p, const char *name, const char *host, enum kind kind,
                        const char *message)
{
	struct drift d = { .object_kind = kind,
		           .row = kind == KIND_CERTIFICATE ? "A12" : "B17",
		           .name = name,
		           .host = host,
		           .verdict = "NotDesired",
		           .message = message };

	report_drift(p, &d);
}

static void undesired_slot(struct planner *p, struct store_plan *sp, const struct slot_memory *s)
{
	const struct target *t = sp->ws->target;
	const struct obs_entry *e = entry_of(sp, s);
	struct slot_facts f = { .ours = true, .prune = t->shared->prune && !t->o.protect };

	f.stored = e == NULL ? STORED_ABSENT : STORED_CURRENT;
	struct slot_decision d = diff_slot(&f);
	struct reason r = { .row = d.row, .code = d.code };

	if (d.op == SLOT_RETIRE) {
		r.field = say(p, "entries.%s", e->alias);
		r.message = say(p, "alias %s is not desired any more", e->alias);
		reason_add(p, &work_for(p, sp)->reasons, &r);
		(void)change_add(p, sp, ENTRY_REMOVE, /* we= */ NULL, e, NULL);
		sp->retires = true;
	} else if (d.op == SLOT_REPORT) {
		not_desired(p, t->o.name, sp->ws->host->name, KIND_TARGET,
		            say(p, "%s holds %s under '%s', which is not desired any more",
		                sp->ws->path, say_cert(p, e->chain.v[0]), e->alias));
	}
}

void plan_store_undesired(struct planner *p, struct store_plan *sp)
{
	const struct memory *m = p->in->memory;

	if (!sp->ws->has_aliases) {
		return;
	}
	for (size_t i = first_slot(m, sp->ws->key);
	     i < m->n_slots && str_equal(m->slots[i].store_key, sp->ws->key); i++) {
		const struct slot_memory *s = &m->slots[i];

		if (s->identity != NULL && !entry_wanted(sp->ws, s->alias)) {
			undesired_slot(p, sp, s);
		}
	}
}

/* Stores that no Target names any more: nobody looks at them, hence nobody touches them. */
static void abandoned_stores(struct planner *p)
{
	const struct memory *m = p->in->memory;

	for (size_t i = 0; i < m->n_stores; i++) {
		const struct store_memory *s = &m->stores[i];

		if (wants_store(p->w, s->key) == NULL) {
			not_desired(p, s->target, s->host, KIND_TARGET,
			            say(p, "%s is not delivered to any more", s->path));
		}
	}
}

/* Whose it is must be said first. */
static bool clashes(const struct planner *p, const char *identity)
{
	const struct memory *m = p->in->memory;

	for (size_t i = 0; i < m->n_clashes; i++) {
		if (m->clashes[i].what == RENAMED_IDENTITY &&
		    str_equal(m->clashes[i].from, identity)) {
			return true;
		}
	}
	return false;
}

static void report_clashes(struct planner *p)
{
	static const enum kind kinds[] = { [RENAMED_ISSUER] = KIND_ISSUER,
		                           [RENAMED_IDENTITY] = KIND_CERTIFICATE,
		                           [RENAMED_TARGET] = KIND_TARGET };
	const struct memory *m = p->in->memory;

	for (size_t i = 0; i < m->n_clashes; i++) {
		const struct rename *r = &m->clashes[i];
		struct conflict c = { .object_kind = kinds[r->what],
			              .name = r->to,
			              .code = "RenameConflict" };

		c.message = say(p,
		                "the state holds something of '%s', a former name, and of '%s' "
		                "itself or of another former name",
		                r->from, r->to);
		c.hint = say(p, "take '%s' out of formerNames: what it holds is then retired",
		             r->from);
		report_conflict(p, &c);
	}
}

static bool desired_is_empty(const struct desired *d)
{
	return d->n_certificates == 0 && d->n_targets == 0 && d->n_issuers == 0;
}

static bool archives(const struct planner *p, const struct identity_memory *im)
{
	struct identity_facts f = { .held = im->n_revisions > 0 && !im->archived };

	return desired_identity(p->in->desired, im->name) == NULL &&
	       diff_identity(&f).op == IDENTITY_ARCHIVE && !clashes(p, im->name);
}

/* An approval given for what it was issued as is spent by the issue. */
static bool archive_approved(const struct identity_memory *im)
{
	return im->approved_at.s != 0 && im->approved_at.s >= im->revisions[0].issued_at.s;
}

static void archive(struct planner *p, const struct identity_memory *im)
{
	struct reason r = { .row = "A12",
		            .code = "NotDesired",
		            .message = "gone from the desired state; key and history are kept" };
	struct draft *d = draft_new(p, ACTION_RETIRE, STAGE_LAST, KIND_CERTIFICATE, im->name);

	if (d != NULL) {
		d->a.detail = "archive";
		reason_add(p, &d->reasons, &r);
	}
}

static void archive_identities(struct planner *p)
{
	const struct memory *m = p->in->memory;
	size_t n = 0;

	if (p->in->selector != NULL || p->in->target != NULL) {
		return;
	}
	for (size_t i = 0; i < m->n_identities; i++) {
		const struct identity_memory *im = &m->identities[i];

		n += archives(p, im) && !archive_approved(im) ? 1 : 0;
	}
	bool too_many = p->in->budget_retire > 0 && n > (size_t)p->in->budget_retire;

	for (size_t i = 0; i < m->n_identities; i++) {
		const struct identity_memory *im = &m->identities[i];
		struct waiting w = { .object_kind = KIND_CERTIFICATE,
			             .row = "A12",
			             .name = im->name,
			             .what_for = "BudgetExceeded" };

		if (!archives(p, im)) {
			continue;
		}
		if (desired_is_empty(p->in->desired)) {
			not_desired(p, im->name, NULL, KIND_CERTIFICATE,
			            "the desired state is empty: nothing is taken away");
		} else if (too_many && !archive_approved(im)) {
			w.message =
				say(p,
			            "%zu certificates would be retired at once, %d may: approve %s",
			            n, p->in->budget_retire, im->name);
			report_waiting(p, &w);
		} else {
			archive(p, im);
		}
	}
}

void plan_leftovers(struct planner *p)
{
	report_clashes(p);
	abandoned_stores(p);
	archive_identities(p);
}
