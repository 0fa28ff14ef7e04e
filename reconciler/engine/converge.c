/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * converge.c - pass after pass until a plan has nothing that can be done now. Two guards end it:
 * the number of rounds, and a round in which nothing succeeded; and whoever asks for it, between
 * two steps.
 */
#include "reconciler/engine/issuing.h"
#include "reconciler/engine/rename.h"
#include "reconciler/engine/run.h"
#include "state/store_collect.h"

#define CLOCK_TOLERANCE_S 120

/* What is issued or dropped by a wrong clock cannot be taken back. */
static enum err_code check_clock(const struct engine *e, const struct memory *m, struct err *err)
{
	struct wall now = e->clock->wall(e->clock);
	char now_text[WHEN_TEXT_MAX];
	char journal_text[WHEN_TEXT_MAX];

	if (e->clock_confirmed || now.s + CLOCK_TOLERANCE_S >= m->newest_journal.s) {
		return ERR_OK;
	}
	when_format(now, now_text);
	when_format(m->newest_journal, journal_text);
	(void)err_set(err, ERR_CONFLICT,
	              "the clock says %s, but the journal was written until %s: observing only",
	              now_text, journal_text);
	return err_hint(err, "set the clock, or confirm it with --now");
}

static enum err_code look_and_plan(struct engine *e, struct pass *p, struct converge_result *ret,
                                   struct err *err)
{
	enum err_code rc = engine_observe(e, p, err);

	if (rc == ERR_OK) {
		rc = check_clock(e, p->memory, err);
	}
	if (rc == ERR_OK) {
		rc = engine_plan(e, p, err);
	}
	if (rc == ERR_OK) {
		ret->converged = p->plan->in_sync;
		ret->wake = p->plan->wake;
	}
	return rc;
}

static enum err_code one_pass(struct engine *e, struct pass *p, struct converge_result *ret,
                              struct err *err)
{
	struct apply_result *last = &ret->last;
	size_t renamed = 0;

	*last = (struct apply_result){ 0 };
	enum err_code rc = look_and_plan(e, p, ret, err);
	if (rc == ERR_OK && engine_ends(e)) {
		ret->ended = p->plan->n_actions > 0 || p->plan->n_renames > 0;
		return ERR_OK;
	}
	if (rc == ERR_OK && e->listener != NULL) {
		rc = e->listener->planned(e->listener, p->plan, err);
	}
	if (rc == ERR_OK) {
		rc = renames_keep(e, p, &renamed, err);
	}
	if (rc == ERR_OK) {
		rc = record_marks(e, p, err);
	}
	if (rc == ERR_OK) {
		rc = imports_settle(e, p, err);
	}
	if (rc == ERR_OK && p->plan->n_actions > 0) {
		rc = engine_apply(e, p, last, err);
	}
	last->done += renamed;
	ret->done += last->done;
	ret->failed += last->failed;
	ret->ended = last->ended;
	return rc;
}

/* Between passes: what a pass has loaded is in use until it is released. */
static enum err_code forget_what_is_old(struct engine *e, struct err *err)
{
	struct collected c;

	return e->store == NULL || e->read_only || e->keep_revisions == 0
	               ? ERR_OK
	               : store_collect(e->store, e->keep_revisions, &c, err);
}

enum err_code engine_converge(struct engine *e, unsigned max_rounds, struct converge_result *ret,
                              struct pass *ret_last, struct err *err)
{
	struct apply_result first = { 0 };
	struct pass own = { 0 };
	/* In place: what a pass holds points into it. */
	struct pass *p = ret_last == NULL ? &own : ret_last;

	*p = (struct pass){ 0 };
	*ret = (struct converge_result){ 0 };
	enum err_code rc = engine_take_requests(e, err);
	if (rc == ERR_OK) {
		rc = forget_what_is_old(e, err);
	}
	while (rc == ERR_OK && ret->rounds < max_rounds && !ret->ended) {
		pass_release(p);
		rc = one_pass(e, p, ret, err);
		ret->rounds += 1;
		if (first.first_error[0] == '\0') {
			first = ret->last;
		}
		if (rc == ERR_OK && ret->last.done == 0 && !ret->last.moved) {
			break;
		}
	}
	memcpy(ret->last.first_error, first.first_error, sizeof(first.first_error));
	/* What is told at the end is what is left and when it is due, not what was just tried. */
	if (rc == ERR_OK && !ret->ended && p->plan != NULL &&
	    (p->plan->n_actions > 0 || p->plan->n_renames > 0)) {
		pass_release(p);
		rc = look_and_plan(e, p, ret, err);
	}
	if (rc == ERR_OK && !ret->ended && p->wants != NULL && e->store != NULL && !e->read_only) {
		rc = backups_sweep(e, p, err);
	}
	if (rc != ERR_OK || ret_last == NULL) {
		pass_release(p);
	}
	return rc;
}
