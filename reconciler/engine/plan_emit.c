/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_emit.c - the actions of one host: writes, edits, activation, proof.
 */
#include "reconciler/engine/planner.h"

#define DETAIL_ENOUGH  400 /* of the commands of an activation */
#define TRUST_DEPS_MAX 32  /* more are ordered by stage alone: a wall of ids helps nobody */

static void remember(struct planner *p, struct drafts *list, struct draft *d)
{
	struct draft **slot = d == NULL ? NULL : ARENA_PUSH(p->a, list);

	if (slot != NULL) {
		*slot = d;
	}
}

static struct draft *unit_draft(struct planner *p, struct unit_plan *u, enum action_kind kind,
                                const char *suffix)
{
	struct draft *d = draft_new(p, kind, u->stage, KIND_TARGET, u->target->o.name);

	if (d == NULL) {
		return NULL;
	}
	d->a.id = say(p, "%s:%s%s", action_word(kind), unit_name(p, u), suffix);
	d->a.host = u->host->name;
	d->a.target = u->target;
	d->a.target_host = u->host;
	d->a.urgent = u->urgent;
	return d;
}

static enum action_kind write_kind(const struct store_plan *sp)
{
	if (sp->absent || sp->identity_changes) {
		return ACTION_PUSH;
	}
	if (sp->retires && !sp->trust_adds) {
		return ACTION_RETIRE;
	}
	if (sp->trust_adds) {
		return ACTION_TRUST_ADD;
	}
	return sp->drops ? ACTION_TRUST_DROP : ACTION_PUSH;
}

static void depend_on_writer(struct planner *p, struct draft *d, const struct store_plan *writer)
{
	if (writer->draft != NULL && writer->draft != d && writer->trust_adds &&
	    writer->draft->stage <= d->stage && d->deps.n < TRUST_DEPS_MAX) {
		draft_depends(p, d, writer->draft);
	}
}

/* A first delivery waits for nobody, but trust that is written in this plan goes first. */
static void trust_first(struct planner *p, struct draft *d, const struct slot *s)
{
	const struct held *h = s->id->cur;
	const struct seen_cert *anchor = h == NULL || h->issuer[0] == '\0'
	                                         ? NULL
	                                         : anchor_of(p, h->issuer, h->issuer_generation);

	for (const struct pin_ref *r = s->id->pins; r != NULL; r = r->next) {
		depend_on_writer(p, d, r->sp);
	}
	if (anchor != NULL) {
		const struct anchor_plan *ap = anchor_plan_of(p, anchor);

		for (const struct blocker *b = ap == NULL ? NULL : ap->blockers; b != NULL;
		     b = b->next) {
			depend_on_writer(p, d, b->sp);
		}
	}
}

static void emit_write(struct planner *p, struct unit_plan *u, struct store_plan *sp)
{
	struct draft *d = unit_draft(p, u, write_kind(sp), say(p, ":%s", sp->ws->path));

	if (d == NULL) {
		return;
	}
	d->a.path = sp->ws->path;
	d->a.store = sp->ws;
	d->a.entries = sp->changes->v;
	d->a.n_entries = sp->changes->n;
	d->a.expect_sha256 = sp->readable && !sp->absent ? digest_or_zeroes(sp->os->sha256) : NULL;
	d->a.detail = sp->ws->path;
	memcpy(d->a.inputs, work_of(sp)->inputs, SHA256_BYTES);
	d->reasons = work_of(sp)->reasons;
	for (size_t i = 0; i < work_of(sp)->deps.n; i++) {
		draft_depends(p, d, work_of(sp)->deps.v[i]);
	}
	for (size_t i = 0; i < sp->n_slots; i++) {
		if (sp->slots[i].first) {
			trust_first(p, d, &sp->slots[i]);
		}
	}
	sp->draft = d;
	remember(p, &unit_work_for(p, u)->first, d);
}

static void emit_writes(struct planner *p, struct unit_plan *u)
{
	/* Trust before identity, also between two files of one host. */
	for (int identity = 0; identity < 2; identity++) {
		for (size_t i = 0; i < u->n_stores; i++) {
			struct store_plan *sp = &p->stores[u->first_store + i];

			if (sp->write && sp->identity_changes == (identity == 1)) {
				emit_write(p, u, sp);
			}
		}
	}
}

static bool config_due(struct planner *p, const struct want_config *c, bool writes)
{
	const struct obs_config *oc = observed_config(p->in->observed, c->key);

	if (c->spec->one_shot) {
		return writes;
	}
	return oc != NULL && (oc->status == LOOK_OK || oc->status == LOOK_ABSENT) && !oc->matches;
}

static void emit_config(struct planner *p, struct unit_plan *u, const struct want_config *c)
{
	const struct obs_config *oc = observed_config(p->in->observed, c->key);
	struct draft *d = unit_draft(p, u, ACTION_CONFIGURE, say(p, "#%zu", c->index));
	struct reason r = { .row = "B7", .code = "ConfigMismatch", .field = c->name };

	if (d == NULL) {
		return;
	}
	r.desired = c->value == NULL ? "(sensitive)" : c->value;
	r.observed = oc == NULL ? NULL : oc->value;
	r.message = say(p, "%s: %s%s%s differs", c->path, c->section == NULL ? "" : c->section,
	                c->section == NULL ? "" : ".", c->name == NULL ? "line" : c->name);
	reason_add(p, &d->reasons, &r);
	d->a.config = c;
	d->a.path = c->path;
	d->a.detail = say(p, "%s %s", c->path, c->name == NULL ? "" : c->name);
	remember(p, &unit_work_for(p, u)->first, d);
}

static bool entry_changed(const struct planner *p, const struct unit_plan *u, const char *alias)
{
	for (size_t i = 0; i < u->n_stores; i++) {
		const struct store_plan *sp = &p->stores[u->first_store + i];

		for (size_t k = 0; sp->write && k < sp->changes->n; k++) {
			if (sp->changes->v[k].op != ENTRY_KEEP &&
			    str_equal(sp->changes->v[k].alias, alias)) {
				return true;
			}
		}
	}
	return false;
}

/* Without a change of its own (NotReloaded) every step runs. */
static bool step_applies(const struct planner *p, const struct unit_plan *u,
                         const struct activate_spec *s)
{
	if (unit_work_of(u)->first.n == 0 || (s->when_entries.n == 0 && !s->when_configured)) {
		return true;
	}
	if (s->when_configured && u->configures) {
		return true;
	}
	for (size_t i = 0; i < s->when_entries.n; i++) {
		if (entry_changed(p, u, s->when_entries.v[i].s)) {
			return true;
		}
	}
	return false;
}

/* As it will be run on this host. */
static const char *said(struct planner *p, const struct unit_plan *u, const char *word)
{
	struct scope scope = { .target = u->target, .host = u->host };
	struct err ignored = { 0 };
	const char *expanded = word;

	if (expand_text(word, &scope, p->a, &expanded, &ignored) == ERR_NOMEM) {
		p->rc = p->rc == ERR_OK ? err_nomem(p->err) : p->rc;
	}
	return expanded;
}

static void say_command(struct planner *p, const struct unit_plan *u, struct buf *out,
                        const struct command_spec *c)
{
	if (out->len > 0) {
		buf_add_str(out, "; ");
	}
	if (c->systemd_unit.s != NULL) {
		buf_printf(out, "systemctl %s %s",
		           c->systemd_action.s == NULL ? "restart" : c->systemd_action.s,
		           said(p, u, c->systemd_unit.s));
	} else if (c->shell.s != NULL) {
		buf_add_str(out, said(p, u, c->shell.s));
	}
	for (size_t i = 0; i < c->argv.n; i++) {
		if (out->len < DETAIL_ENOUGH) {
			buf_printf(out, "%s%s", i == 0 ? "" : " ", said(p, u, c->argv.v[i].s));
		}
	}
}

static void choose_steps(struct planner *p, const struct unit_plan *u, struct draft *d)
{
	CLEANUP(buf_release) struct buf line = { 0 };
	const struct target *t = u->target;
	const struct activate_spec **v =
		ARENA_ARRAY(p->a, const struct activate_spec *, t->shared->n_activate + 1);
	size_t n = 0;

	buf_init(&line, BUF_LIMIT_TEXT);
	for (size_t i = 0; v != NULL && i < t->shared->n_activate; i++) {
		const struct activate_spec *s = &t->shared->activate[i];

		if (!step_applies(p, u, s)) {
			continue;
		}
		v[n++] = s;
		d->a.disruptive = d->a.disruptive || s->n_before > 0 || s->n_after > 0;
		for (size_t k = 0; k < s->n_after && line.len < DETAIL_ENOUGH; k++) {
			say_command(p, u, &line, &s->after[k]);
		}
	}
	plan_check_buf(p, &line);
	d->a.steps = v;
	d->a.n_steps = n;
	d->a.detail = n == 0 ? "nothing to run for this change" : say(p, "%s", buf_str(&line));
}

/* The store whose back-off counts for the activation: the first that led to it. */
static const struct store_plan *cause(const struct planner *p, const struct unit_plan *u)
{
	for (size_t i = 0; i < u->n_stores; i++) {
		const struct store_plan *sp = &p->stores[u->first_store + i];

		if ((sp->write && sp->reload) || work_of(sp)->activate.code != NULL ||
		    sp->need_load) {
			return sp;
		}
	}
	return NULL;
}

static void activation_reasons(struct planner *p, const struct unit_plan *u, struct draft *d)
{
	struct reason trust = { .row = "B12",
		                .code = "NotReloaded",
		                .message = "others wait until its new trust is loaded" };

	for (size_t i = 0; i < u->n_stores; i++) {
		const struct store_plan *sp = &p->stores[u->first_store + i];

		if (work_of(sp)->activate.code != NULL) {
			reason_add(p, &d->reasons, &work_of(sp)->activate);
		} else if (sp->need_load && !sp->write) {
			reason_add(p, &d->reasons, &trust);
		}
	}
	for (size_t i = 0; d->reasons.n == 0 && i < unit_work_of(u)->first.n; i++) {
		if (unit_work_of(u)->first.v[i]->reasons.n > 0) {
			reason_add(p, &d->reasons, &unit_work_of(u)->first.v[i]->reasons.v[0]);
		}
	}
}

static struct draft *emit_activate(struct planner *p, struct unit_plan *u)
{
	struct draft *d = unit_draft(p, u, ACTION_ACTIVATE, "");
	const struct store_plan *sp = cause(p, u);

	if (d == NULL) {
		return NULL;
	}
	if (sp != NULL) {
		d->a.store = sp->ws;
		memcpy(d->a.inputs, work_of(sp)->inputs, SHA256_BYTES);
	}
	choose_steps(p, u, d);
	activation_reasons(p, u, d);
	for (size_t i = 0; i < unit_work_of(u)->first.n; i++) {
		draft_depends(p, d, unit_work_of(u)->first.v[i]);
	}
	return d;
}

static void emit_verify(struct planner *p, struct unit_plan *u)
{
	struct draft *d = unit_draft(p, u, ACTION_VERIFY, "");

	if (d == NULL) {
		return;
	}
	for (size_t i = 0; i < unit_work_of(u)->last.n; i++) {
		draft_depends(p, d, unit_work_of(u)->last.v[i]);
	}
	if (unit_work_of(u)->last.n > 0 && unit_work_of(u)->last.v[0]->reasons.n > 0) {
		reason_add(p, &d->reasons, &unit_work_of(u)->last.v[0]->reasons.v[0]);
	}
	d->a.detail = say(p, "%zu checks", u->target->n_verify);
	unit_work_for(p, u)->last = (struct drafts){ 0 };
	remember(p, &unit_work_for(p, u)->last, d);
}

void unit_emit(struct planner *p, struct unit_plan *u)
{
	emit_writes(p, u);
	bool writes = unit_work_of(u)->first.n > 0;

	for (size_t i = 0; i < u->n_configs; i++) {
		const struct want_config *c = &p->w->configs[u->first_config + i];

		if (config_due(p, c, writes)) {
			emit_config(p, u, c);
		}
	}
	unit_work_for(p, u)->last = unit_work_of(u)->first;
	if (unit_activates(p, u)) {
		struct draft *d = emit_activate(p, u);

		unit_work_for(p, u)->last = (struct drafts){ 0 };
		remember(p, &unit_work_for(p, u)->last, d);
		if (unit_work_of(u)->first.n == 0) {
			remember(p, &unit_work_for(p, u)->first, d);
		}
	}
	if (u->target->n_verify > 0) {
		emit_verify(p, u);
	}
}
