/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_store.c - table B for one store: its entries and its own facts come together into at most
 * one write.
 */
#include "reconciler/engine/planner.h"
#include "reconciler/engine/want_build.h"

void store_word(struct planner *p, struct store_plan *sp, const char *row, const char *word,
                const char *message)
{
	struct said said = { .row = row, .word = word, .message = message };
	const struct said *now = sp->unit->said;
	const struct said *last = p->said;

	/* The first trouble named stays; trouble beats peace. */
	if (now != NULL && (!str_equal(now->word, "InSync") || str_equal(word, "InSync"))) {
		return;
	}
	if (last == NULL || last->row != row || last->word != word || last->message != message) {
		p->said = arena_copy(p->a, &said, sizeof(said));
	}
	sp->unit->said = p->said;
}

/* Formats without aliases have none to show. */
static const char *change_alias(const struct store_plan *sp, const struct want_entry *we,
                                const struct obs_entry *oe)
{
	if (we == NULL) {
		return oe == NULL ? "" : oe->alias;
	}
	/* There the old one goes by its content. */
	return we->certificate_only && !sp->ws->has_aliases && oe != NULL ? oe->alias : we->alias;
}

const struct store_work *work_of(const struct store_plan *sp)
{
	static const struct store_work none;

	return sp->work == NULL ? &none : sp->work;
}

struct store_work *work_for(struct planner *p, struct store_plan *sp)
{
	if (sp->work == NULL) {
		sp->work = ARENA_NEW(p->a, struct store_work);
	}
	return sp->work == NULL ? &p->no_work : sp->work;
}

static void wait_for_draft(struct planner *p, struct store_plan *sp, struct draft *on)
{
	struct draft **slot = ARENA_PUSH(p->a, &work_for(p, sp)->later_deps);

	if (slot != NULL) {
		*slot = on;
	}
}

struct entry_change *change_add(struct planner *p, struct store_plan *sp, enum entry_op op,
                                const struct want_entry *we, const struct obs_entry *oe,
                                struct draft *on)
{
	struct entry_changes *list = on == NULL ? sp->changes : &work_for(p, sp)->later;
	struct entry_change *ch = ARENA_PUSH(p->a, list);

	if (ch == NULL) {
		return NULL;
	}
	ch->op = op;
	ch->want = we;
	ch->alias = change_alias(sp, we, oe);
	ch->from = oe == NULL || oe->chain.n == 0 ? NULL : oe->chain.v[0];
	if (op != ENTRY_KEEP && on == NULL) {
		sp->write = true;
		sp->reload = true;
	}
	if (on != NULL) {
		wait_for_draft(p, sp, on);
	}
	return ch;
}

static const char *look_word(enum look_status s)
{
	switch (s) {
	case LOOK_NONE:
		return "Unknown";
	case LOOK_UNREACHABLE:
		return "Unreachable";
	case LOOK_UNREADABLE:
	case LOOK_WRONG_PASSWORD:
		return "Unreadable";
	case LOOK_OK:
	case LOOK_ABSENT:
		break;
	}
	return "InSync";
}

static const char *look_code(enum look_status s)
{
	switch (s) {
	case LOOK_UNREADABLE:
	case LOOK_WRONG_PASSWORD:
		return "KeystoreUnreadable";
	case LOOK_UNREACHABLE:
		return "Unreachable";
	case LOOK_NONE:
	case LOOK_OK:
	case LOOK_ABSENT:
		break;
	}
	return "Unknown";
}

/* An error of its own says itself what to do about it; a store that lies there does not. */
static const char *unreadable_hint(struct planner *p, const struct store_plan *sp,
                                   enum look_status status)
{
	const char *target = sp->ws->target->o.name, *host = sp->ws->host->name;

	if (status == LOOK_WRONG_PASSWORD) {
		return say(p,
		           "name the password it has in passwordRef or previousPasswordRefs, or "
		           "write it anew: certwright push %s@%s --replace-unreadable",
		           target, host);
	}
	return status == LOOK_UNREADABLE
	               ? say(p,
	                     "put a readable one there, or write it anew: certwright push %s@%s "
	                     "--replace-unreadable",
	                     target, host)
	               : NULL;
}

static void unreadable(struct planner *p, struct store_plan *sp)
{
	enum look_status status = sp->os == NULL ? LOOK_NONE : sp->os->status;
	const char *error = status == LOOK_NONE     ? "Unknown (not looked at)"
	                    : sp->os->error == NULL ? look_status_name(status)
	                                            : sp->os->error;
	struct unobserved u = { .object_kind = KIND_TARGET,
		                .code = look_code(status),
		                .row = "B1",
		                .name = sp->ws->target->o.name,
		                .host = sp->ws->host->name };

	u.error = say(p, "%s: %s", sp->ws->path, error);
	u.hint = unreadable_hint(p, sp, status);
	report_unobserved(p, &u);
	store_word(p, sp, "B1", look_word(status), u.error);
}

static void merge_later(struct planner *p, struct store_plan *sp)
{
	struct store_work *work = work_for(p, sp);

	for (size_t i = 0; i < work->later.n; i++) {
		struct entry_change *ch = ARENA_PUSH(p->a, sp->changes);

		if (ch != NULL) {
			*ch = work->later.v[i];
		}
	}
	for (size_t i = 0; i < work->later_reasons.n; i++) {
		reason_add(p, &work->reasons, &work->later_reasons.v[i]);
	}
	work->deps = work->later_deps;
	sp->write = true;
	sp->reload = true;
}

/* What there is now stays for this write; the next pass plans the rest. */
static void keep_for_later(struct planner *p, struct store_plan *sp)
{
	const struct entry_changes *later = &work_of(sp)->later;

	for (size_t i = 0; i < later->n; i++) {
		if (later->v[i].from == NULL) {
			continue;
		}
		struct entry_change *ch = ARENA_PUSH(p->a, sp->changes);

		if (ch != NULL) {
			*ch = later->v[i];
			ch->op = ENTRY_KEEP;
			ch->to = NULL;
		}
	}
}

static void classify(struct store_plan *sp)
{
	sp->identity_changes = false;
	for (size_t i = 0; i < sp->changes->n; i++) {
		const struct entry_change *ch = &sp->changes->v[i];
		bool key = ch->want != NULL && ch->want->source == ENTRY_CERTIFICATE;
		bool puts = ch->op == ENTRY_ADD || ch->op == ENTRY_REPLACE;

		sp->identity_changes = sp->identity_changes || (puts && key);
		sp->trust_adds = sp->trust_adds || (puts && !key);
		sp->drops = sp->drops || ch->op == ENTRY_REMOVE;
	}
}

static void settle(struct planner *p, struct store_plan *sp)
{
	if (work_of(sp)->later.n > 0) {
		if (sp->absent || !sp->write) {
			merge_later(p, sp);
		} else {
			keep_for_later(p, sp);
		}
	}
	if (sp->absent && sp->incomplete) {
		/* A keystore without its key would be worse than none. */
		sp->write = false;
	}
	classify(sp);
	if (sp->absent && sp->write && !sp->trust_adds && !sp->identity_changes) {
		sp->write = false;
	}
}

/* Trust that was written and never loaded; a store with key entries says it there. */
static void trust_only_load(struct planner *p, struct store_plan *sp)
{
	const struct store_memory *sm = sp->sm;

	if (sp->n_slots > 0 || sp->write || sm == NULL || sp->ws->target->shared->n_activate == 0 ||
	    sp->absent || digests_equal(sm->written, /* b= */ NULL) ||
	    !digests_equal(sm->written, sp->os->sha256) ||
	    digests_equal(sm->activated, sm->written)) {
		return;
	}
	work_for(p, sp)->activate = (struct reason){
		.row = "B12", .code = "NotReloaded", .message = "what was written was never loaded"
	};
}

static void rolled_back(struct planner *p, struct store_plan *sp)
{
	struct waiting w = { .object_kind = KIND_TARGET,
		             .name = sp->ws->target->o.name,
		             .host = sp->ws->host->name,
		             .what_for = "Held" };

	w.message = say(p, "%s was rolled back to revision %d; push releases it", sp->ws->path,
	                sp->sm->hold_revision);
	sp->unit->waits_for = w.what_for;
	store_word(p, sp, "B4", "StoreStale", w.message);
	report_waiting(p, &w);
}

static void broken(struct planner *p, const struct store_plan *sp)
{
	struct conflict c = { .object_kind = KIND_TARGET,
		              .row = "B7",
		              .name = sp->ws->target->o.name,
		              .host = sp->ws->host->name,
		              .code = "MissingData",
		              .message = sp->ws->error,
		              .hint = "correct the Keystore" };

	report_conflict(p, &c);
}

static void foreign_format(struct planner *p, const struct store_plan *sp)
{
	struct conflict c = { .object_kind = KIND_TARGET,
		              .row = "B6",
		              .name = sp->ws->target->o.name,
		              .host = sp->ws->host->name,
		              .code = "ForeignIdentity",
		              .hint = "deliver to another path, or takeOver: true on the Target" };

	c.message = say(p, "%s is a %s store that we did not put there, wanted: %s", sp->ws->path,
	                sp->os->format, sp->ws->format);
	report_conflict(p, &c);
}

/* An entry that is missing under our alias is no proof that the rest is ours. */
static bool format_is_ours(struct planner *p, const struct store_plan *sp)
{
	static const uint8_t never[SHA256_BYTES];
	size_t n_anchors = 0;
	bool ours = sp->ws->target->shared->take_over ||
	            (sp->sm != NULL && memcmp(sp->sm->written, never, SHA256_BYTES) != 0);

	(void)memory_anchors_of(p->in->memory, sp->ws->key, &n_anchors);
	for (size_t i = 0; i < sp->n_slots; i++) {
		const struct slot *s = &sp->slots[i];

		ours = ours || s->sm != NULL || s->stored == STORED_CURRENT ||
		       s->stored == STORED_PREVIOUS;
	}
	return ours || n_anchors > 0;
}

static bool content_is_ours(const struct store_plan *sp)
{
	bool ours = sp->n_slots == 0 || sp->sm != NULL || work_of(sp)->later.n > 0;

	for (size_t i = 0; i < sp->n_slots; i++) {
		ours = ours || sp->slots[i].stored != STORED_FOREIGN;
	}
	for (size_t i = 0; i < sp->changes->n; i++) {
		ours = ours || sp->changes->v[i].op != ENTRY_KEEP;
	}
	return ours;
}

/* What is wrong with a file as a file is ours to mend only when something in it is ours. */
static void leave_foreign(struct planner *p, struct store_plan *sp)
{
	if (sp->converts ? format_is_ours(p, sp) : content_is_ours(sp)) {
		return;
	}
	if (sp->converts) {
		foreign_format(p, sp);
	}
	sp->write = false;
	sp->reload = false;
	if (sp->work != NULL) {
		sp->work->later.n = 0;
	}
}

/* Its facts and its trust are unknown and stay so; its slots are judged by what is served. */
static void plan_opaque(struct planner *p, struct store_plan *sp)
{
	for (size_t i = 0; i < sp->n_slots; i++) {
		plan_slot(p, sp, &sp->slots[i]);
	}
	settle(p, sp);
}

/* What runs before the write may well make the directory. */
static bool is_prepared(const struct target *t)
{
	for (size_t i = 0; i < t->shared->n_activate; i++) {
		if (t->shared->activate[i].n_before > 0) {
			return true;
		}
	}
	return false;
}

const char *store_refuses(const struct store_plan *sp)
{
	const struct obs_store *os = sp->os;

	if (os == NULL || (os->status != LOOK_OK && os->status != LOOK_ABSENT) ||
	    (os->status == LOOK_ABSENT && is_prepared(sp->ws->target))) {
		return NULL;
	}
	return os->error;
}

/* Reported while there is nothing to write as well: the next renewal would fail. */
static void not_writable(struct planner *p, struct store_plan *sp)
{
	struct conflict c = {
		.object_kind = KIND_TARGET,
		.row = "B7",
		.name = sp->ws->target->o.name,
		.host = sp->ws->host->name,
		.code = "TargetIncapable",
		.message = store_refuses(sp),
		.hint = "mend it there, or deliver to another path; nothing is issued "
			"for what cannot be written"
	};

	if (c.message == NULL) {
		return;
	}
	report_conflict(p, &c);
	sp->write = false;
	sp->reload = false;
}

static void plan_entries(struct planner *p, struct store_plan *sp)
{
	if (sp->ws->error != NULL) {
		broken(p, sp);
		return;
	}
	if (sp->ws->target->shared->can.write_only) {
		plan_opaque(p, sp);
		return;
	}
	if (!sp->readable) {
		unreadable(p, sp);
		return;
	}
	if (sp->sm != NULL && sp->sm->hold_revision != 0) {
		rolled_back(p, sp);
		return;
	}
	plan_store_facts(p, sp);
	plan_store_trust(p, sp);
	plan_store_undesired(p, sp);
	for (size_t i = 0; i < sp->n_slots; i++) {
		plan_slot(p, sp, &sp->slots[i]);
	}
	leave_foreign(p, sp);
	trust_only_load(p, sp);
	settle(p, sp);
	not_writable(p, sp);
	if (sp->n_slots == 0) {
		store_word(p, sp, sp->write ? "B7" : "B8", sp->write ? "StoreStale" : "InSync",
		           NULL);
	}
}

/* Most stores of a fleet keep what they have, and nobody asks for that. */
static void keep_changes(struct planner *p, struct store_plan *sp)
{
	struct entry_changes *kept = NULL;
	bool any = sp->write;

	for (size_t i = 0; i < p->changes.n; i++) {
		any = any || p->changes.v[i].op != ENTRY_KEEP;
	}
	if (any) {
		kept = arena_copy(p->a, &p->changes, sizeof(p->changes));
		p->changes = (struct entry_changes){ 0 };
	}
	p->changes.n = 0;
	sp->changes = kept == NULL ? &p->no_changes : kept;
}

static void plan_store(struct planner *p, struct store_plan *sp)
{
	if (!sp->unit->selected) {
		return;
	}
	sp->changes = &p->changes;
	plan_entries(p, sp);
	keep_changes(p, sp);
}

void plan_stores(struct planner *p)
{
	for (size_t i = 0; i < p->w->n_stores && p->rc == ERR_OK; i++) {
		plan_store(p, &p->stores[i]);
	}
}
