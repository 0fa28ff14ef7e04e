/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_store_trust.c - trust entries of one store: added as soon as they are known, dropped only
 * when nobody presents them any more and their overlap is over.
 */
#include "reconciler/engine/planner.h"
#include "reconciler/engine/want_build.h"

static const struct obs_entry *entry_at(const struct store_plan *sp, const char *folded)
{
	for (size_t i = 0; !sp->absent && i < sp->os->n_entries; i++) {
		if (str_equal(sp->os->entries[i].folded, folded)) {
			return &sp->os->entries[i];
		}
	}
	return NULL;
}

static bool is_anchor(const struct obs_entry *e, const struct seen_cert *c)
{
	return e != NULL && e->kind == KS_TRUSTED && e->chain.n > 0 && e->chain.v[0] == c;
}

/* Under its alias, or (the state forgot which suffix it had) under one of the family. */
static const struct obs_entry *where_is(const struct store_plan *sp, const struct want_entry *we)
{
	const struct obs_entry *at = sp->ws->has_aliases ? entry_at(sp, we->folded) : NULL;

	if (we->anchor == NULL || is_anchor(at, we->anchor)) {
		return is_anchor(at, we->anchor) ? at : NULL;
	}
	for (size_t i = 0; !sp->absent && i < sp->os->n_entries; i++) {
		const struct obs_entry *e = &sp->os->entries[i];

		if (is_anchor(e, we->anchor) &&
		    (!sp->ws->has_aliases || alias_in_family(e->folded, we->folded))) {
			return e;
		}
	}
	return NULL;
}

static const struct anchor_memory *remembered(const struct planner *p, const struct store_plan *sp,
                                              const struct seen_cert *c)
{
	size_t n = 0;
	const struct anchor_memory *am = memory_anchors_of(p->in->memory, sp->ws->key, &n);

	for (size_t i = 0; c != NULL && i < n; i++) {
		if (am[i].cert == c) {
			return &am[i];
		}
	}
	return NULL;
}

static void trust_reason(struct planner *p, struct store_plan *sp, const struct want_entry *we,
                         bool later, const char *verb)
{
	struct reason r = { .row = sp->absent ? "B2" : "B7",
		            .code = sp->absent ? "KeystoreMissing" : "WrongTrust" };
	struct store_work *work = work_for(p, sp);

	r.field = say(p, "entries.%s", we->alias);
	r.desired = later ? "known after issue" : say_cert(p, we->anchor);
	r.message = say(p, "trust in %s %s%s%s", later ? "what is issued first" : r.desired, verb,
	                we->alias[0] == '\0' ? "" : " under ", we->alias);
	reason_add(p, later ? &work->later_reasons : &work->reasons, &r);
}

static void mark(struct planner *p, const struct store_plan *sp, const struct want_entry *we,
                 enum mark_kind kind, const char *alias)
{
	struct mark m = { .kind = kind, .store = sp->ws, .alias = alias, .cert = we->anchor };

	report_mark(p, &m);
}

static struct draft *known_after(struct planner *p, const struct want_entry *we)
{
	const struct id_plan *ip = plan_of_identity(p, we->identity);
	const struct issuer_plan *is =
		we->issuer == NULL ? NULL : plan_of_issuer(p, we->issuer->o.name);

	return ip != NULL ? ip->draft : is != NULL ? is->draft : NULL;
}

/* Why a source of the CASet is not known. */
static const char *source_error(struct planner *p, const struct ca_set *set)
{
	for (size_t i = 0; set != NULL && i < set->n_sources; i++) {
		const struct ca_source *src = &set->sources[i];
		const char *name = src->kind == CA_SYSTEM || src->kind == CA_URL
		                           ? ca_source_name(p->a, src)
		                           : NULL;
		const struct source_memory *sm =
			name == NULL ? NULL : memory_source(p->in->memory, name);
		if (sm != NULL && sm->error != NULL) {
			return sm->error;
		}
	}
	return "it was not looked at";
}

static void unresolved(struct planner *p, struct store_plan *sp, const struct want_entry *we)
{
	struct conflict c = { .object_kind = KIND_TARGET,
		              .row = "B7",
		              .name = sp->ws->target->o.name,
		              .host = sp->ws->host->name,
		              .code = "MissingData" };

	if (we->identity == NULL && we->issuer == NULL) {
		c.message = say(p, "CASet %s has a source that is not known: %s",
		                we->ca_set == NULL ? "?" : we->ca_set->o.name,
		                source_error(p, we->ca_set));
		report_conflict(p, &c);
	}
	/* Otherwise whoever issues it says what it waits for. */
}

static bool alias_is_ours(struct planner *p, const struct store_plan *sp,
                          const struct obs_entry *at)
{
	return memory_slot(p->in->memory, sp->ws->key, at->folded) != NULL ||
	       sp->ws->target->shared->take_over;
}

static void foreign_alias(struct planner *p, struct store_plan *sp, const struct want_entry *we,
                          const struct obs_entry *at)
{
	struct conflict c = { .object_kind = KIND_TARGET,
		              .row = "B6",
		              .name = sp->ws->target->o.name,
		              .host = sp->ws->host->name,
		              .code = "ForeignIdentity",
		              .hint = "choose another alias, or takeOver: true on the Target" };

	c.message = say(p, "%s: alias %s is taken by an entry that we did not put there",
	                sp->ws->path, we->alias);
	report_conflict(p, &c);
	(void)change_add(p, sp, ENTRY_KEEP, /* we= */ NULL, at, NULL);
}

static void add(struct planner *p, struct store_plan *sp, const struct want_entry *we)
{
	struct draft *on = we->anchor == NULL ? known_after(p, we) : NULL;
	const struct obs_entry *at = sp->ws->has_aliases ? entry_at(sp, we->folded) : NULL;

	if (we->anchor == NULL && on == NULL) {
		unresolved(p, sp, we);
		return;
	}
	if (at != NULL && !alias_is_ours(p, sp, at)) {
		foreign_alias(p, sp, we, at);
		return;
	}
	struct entry_change *ch =
		change_add(p, sp, at == NULL ? ENTRY_ADD : ENTRY_REPLACE, we, at, on);

	if (ch != NULL) {
		ch->to = we->anchor;
		ch->revision = we->revision;
	}
	trust_reason(p, sp, we, on != NULL, "is missing");
}

static void keep_wanted(struct planner *p, struct store_plan *sp, const struct want_entry *we,
                        const struct obs_entry *at)
{
	const struct anchor_memory *am = remembered(p, sp, we->anchor);

	(void)change_add(p, sp, ENTRY_KEEP, we, at, NULL);
	if (am == NULL) {
		mark(p, sp, we, MARK_SLOT_OURS, at->folded);
	} else if (am->left_at.s != 0) {
		mark(p, sp, we, MARK_ANCHOR_RETURNED, at->folded);
	}
}

static void stays(struct planner *p, struct store_plan *sp, const struct want_entry *we,
                  const struct obs_entry *at, const char *verdict, const char *why)
{
	struct drift d = { .object_kind = KIND_TARGET,
		           .row = "B17",
		           .name = sp->ws->target->o.name,
		           .host = sp->ws->host->name,
		           .verdict = verdict,
		           .message = why };

	(void)change_add(p, sp, ENTRY_KEEP, we, at, NULL);
	report_drift(p, &d);
}

static void leave(struct planner *p, struct store_plan *sp, const struct want_entry *we,
                  const struct obs_entry *at)
{
	const struct anchor_memory *am = remembered(p, sp, we->anchor);
	struct wall since = { am == NULL || am->left_at.s == 0 ? p->now.s : am->left_at.s };
	struct wall until = { since.s + we->overlap_s };
	const char *who = NULL;

	/* Not ours, as far as anybody knows: it may be there for others. */
	if (am == NULL) {
		(void)change_add(p, sp, ENTRY_KEEP, /* we= */ NULL, at, NULL);
		return;
	}
	if (am->left_at.s == 0) {
		mark(p, sp, we, MARK_ANCHOR_LEFT, at->folded);
	}
	if (we->orphan && !sp->ws->target->shared->prune) {
		stays(p, sp, we, at, "NotDesired",
		      say(p, "%s trusts %s (%s), which is not desired any more", sp->ws->path,
		          say_cert(p, we->anchor), at->alias));
		return;
	}
	switch (presented(p, we, &who)) {
	case ANSWER_YES:
		stays(p, sp, we, at, "TrustPending",
		      say(p, "Completing: %s stays trusted, %s still presents it",
		          say_cert(p, we->anchor), who));
		return;
	case ANSWER_UNKNOWN:
		stays(p, sp, we, at, "TrustPending",
		      say(p, "Completing: %s stays trusted, %s could not be asked",
		          say_cert(p, we->anchor), who));
		return;
	case ANSWER_NO:
		break;
	}
	if (p->now.s < until.s) {
		wake_at(p, until);
		stays(p, sp, we, at, "TrustPending",
		      say(p, "Completing: %s stays trusted until its overlap ends, %s",
		          say_cert(p, we->anchor), say_when(p, until)));
		return;
	}
	(void)change_add(p, sp, ENTRY_REMOVE, we, at, NULL);
	trust_reason(p, sp, we, /* later= */ false, "is over");
}

/* A verifier that joins (or lost its file) in the middle of a roll-over must accept both sides.
 * What it had before it gets back as long as nobody can say that it is over. */
static bool must_join(struct planner *p, struct store_plan *sp, const struct want_entry *we)
{
	const char *who = NULL;
	bool had = remembered(p, sp, we->anchor) != NULL;

	if (we->orphan || (!had && we->issuer == NULL && we->identity == NULL)) {
		return false;
	}
	enum answer a = presented(p, we, &who);

	return a == ANSWER_YES || (had && a == ANSWER_UNKNOWN);
}

static void join(struct planner *p, struct store_plan *sp, const struct want_entry *we)
{
	const struct obs_entry *at = sp->ws->has_aliases ? entry_at(sp, we->folded) : NULL;

	if ((at != NULL && !alias_is_ours(p, sp, at)) || !must_join(p, sp, we)) {
		return;
	}
	struct entry_change *ch =
		change_add(p, sp, at == NULL ? ENTRY_ADD : ENTRY_REPLACE, we, at, NULL);

	if (ch != NULL) {
		ch->to = we->anchor;
		ch->revision = we->revision;
	}
	trust_reason(p, sp, we, /* later= */ false, "is still presented and missing");
}

void plan_store_trust(struct planner *p, struct store_plan *sp)
{
	for (size_t i = 0; i < sp->ws->n_entries; i++) {
		const struct want_entry *we = &sp->ws->entries[i];

		if (we->source == ENTRY_CERTIFICATE) {
			continue;
		}
		const struct obs_entry *at = where_is(sp, we);

		if (!we->leaving) {
			if (at != NULL) {
				keep_wanted(p, sp, we, at);
			} else {
				add(p, sp, we);
			}
		} else if (at != NULL) {
			leave(p, sp, we, at);
		} else {
			join(p, sp, we);
		}
	}
}
