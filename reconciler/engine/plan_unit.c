/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_unit.c - one host of one Target: may it be changed now?
 *
 * The writes, edits and the activation of a host are one unit: a service stopped for one file must
 * not wait for another.
 */
#include "reconciler/engine/planner.h"
#include "reconciler/engine/renewal.h"

#define WINDOW_SEARCH_S ((int64_t)40 * 86400)

static struct waiting waiting_of(const struct unit_plan *u, const char *what_for,
                                 const char *message)
{
	return (struct waiting){ .object_kind = KIND_TARGET,
		                 .name = u->target->o.name,
		                 .host = u->host->name,
		                 .what_for = what_for,
		                 .message = message };
}

static bool slot_urgent(const struct planner *p, const struct target *t, const struct slot *s)
{
	const struct seen_cert *c = slot_leaf(s);
	int64_t before = t->shared->urgent_before_s;

	if (c == NULL || before < 0) {
		return false;
	}
	before = before == 0 ? urgent_margin(c->not_before, c->not_after) : before;
	return p->now.s >= c->not_after.s - before;
}

const struct unit_work *unit_work_of(const struct unit_plan *u)
{
	static const struct unit_work none;

	return u->work == NULL ? &none : u->work;
}

struct unit_work *unit_work_for(struct planner *p, struct unit_plan *u)
{
	if (u->work == NULL) {
		u->work = ARENA_NEW(p->a, struct unit_work);
	}
	return u->work == NULL ? &p->no_unit_work : u->work;
}

void plan_urgency(struct planner *p)
{
	for (size_t i = 0; i < p->w->n_stores; i++) {
		struct store_plan *sp = &p->stores[i];

		for (size_t k = 0; k < sp->n_slots; k++) {
			const struct slot *s = &sp->slots[k];
			int64_t before = sp->ws->target->shared->urgent_before_s;
			const struct seen_cert *c = slot_leaf(s);

			if (slot_urgent(p, sp->ws->target, s)) {
				sp->unit->urgent = true;
			} else if (c != NULL && before >= 0 && s->id != NULL &&
			           s->id->cur != NULL && s->id->cur->chain.v[0] != c) {
				/* What waits to be replaced becomes urgent one day. */
				before = before == 0 ? urgent_margin(c->not_before, c->not_after)
				                     : before;
				wake_at(p, (struct wall){ c->not_after.s - before });
			}
		}
	}
}

static void add_texts(struct buf *b, const struct texts *t)
{
	for (size_t i = 0; i < t->n; i++) {
		buf_printf(b, "%s|", t->v[i].s);
	}
}

static void add_text(struct buf *b, const struct text *t)
{
	buf_printf(b, "%s|", t->s == NULL ? "" : t->s);
}

static void add_commands(struct buf *b, const struct command_spec *c, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		add_texts(b, &c[i].argv);
		add_text(b, &c[i].shell);
		add_text(b, &c[i].systemd_unit);
		add_text(b, &c[i].systemd_action);
	}
}

/* How the host is activated and proven: changing it in git lets a held action go again. */
static void add_target(struct buf *b, const struct target *t)
{
	static const struct command_spec no_command;
	static const struct http_spec no_http;
	static const struct endpoint_spec_shared no_tls_shared;
	static const struct endpoint_spec no_tls = { .shared = &no_tls_shared };

	for (size_t i = 0; i < t->shared->n_activate; i++) {
		const struct activate_spec *s = &t->shared->activate[i];

		add_commands(b, s->before, s->n_before);
		add_commands(b, s->check, s->n_check);
		add_commands(b, s->after, s->n_after);
		add_texts(b, &s->when_entries);
		buf_printf(b, "%d %lld;", s->when_configured, (long long)s->timeout_s);
	}
	for (size_t i = 0; i < t->n_verify; i++) {
		const struct verify_spec *v = &t->verify[i];
		const struct http_spec *http = v->http == NULL ? &no_http : v->http;
		const struct endpoint_spec *tls = v->tls == NULL ? &no_tls : v->tls;

		add_commands(b, v->command == NULL ? &no_command : v->command, 1);
		add_text(b, &http->url);
		add_text(b, &http->expect);
		add_text(b, &http->ca_set);
		add_text(b, &tls->shared->url);
		add_text(b, &tls->server_name);
		add_text(b, &tls->shared->starttls);
		buf_printf(b, "%d %lld;", tls->shared->port, (long long)tls->shared->grace_s);
	}
}

static void add_entries(struct buf *b, const struct planner *p, const struct store_plan *sp)
{
	for (size_t i = 0; i < sp->changes->n; i++) {
		const struct entry_change *ch = &sp->changes->v[i];
		const struct id_plan *ip =
			ch->want == NULL ? NULL : plan_of_identity(p, ch->want->identity);

		if (ch->op == ENTRY_KEEP) {
			continue;
		}
		buf_printf(b, "%d %s ", (int)ch->op, ch->alias);
		/* By number: a push that fails right after the issue is the same push a pass later,
		 * when the certificate has a fingerprint. */
		if (ip != NULL && (ch->revision != 0 || ch->to == NULL)) {
			int held = ip->cur == NULL ? 0 : ip->cur->revision;

			buf_printf(b, "%s %d ", ip->id->name,
			           ch->revision != 0 ? ch->revision : held + 1);
		} else if (ch->to != NULL) {
			buf_add(b, ch->to->sha256, SHA256_BYTES);
		}
	}
}

static void store_inputs(struct planner *p, struct store_plan *sp)
{
	CLEANUP(buf_release) struct buf b = { 0 };
	const struct deliver_spec *dl = sp->ws->deliver;
	const struct keystore_def *ks = sp->ws->keystore;

	buf_init(&b, BUF_LIMIT_TEXT);
	buf_printf(&b, "%s %s %o|", sp->ws->key, sp->ws->format, dl->shared->mode);
	add_text(&b, &dl->shared->owner);
	add_text(&b, &dl->shared->group);
	if (ks != NULL) {
		add_text(&b, &ks->pkcs12_profile);
		add_text(&b, &ks->password.value);
		buf_printf(&b, "%d|", (int)ks->chain);
	}
	add_entries(&b, p, sp);
	add_target(&b, sp->ws->target);
	plan_check_buf(p, &b);
	pki_sha256(b.p, b.len, work_for(p, sp)->inputs);
}

static bool wants_something(const struct store_plan *sp)
{
	return sp->write || work_of(sp)->activate.code != NULL || sp->need_load;
}

static void give_up(struct store_plan *sp)
{
	sp->write = false;
	if (sp->work != NULL) {
		sp->work->activate.code = NULL;
	}
	sp->need_load = false;
}

/* Loading a store for its trust loads its keys as well: never somebody else's. */
static bool safe_to_load(const struct store_plan *sp)
{
	for (size_t i = 0; i < sp->n_slots; i++) {
		enum stored is = sp->slots[i].stored;

		if (is == STORED_FOREIGN || is == STORED_DAMAGED || is == STORED_UNKNOWN) {
			return false;
		}
	}
	return true;
}

const struct halt *store_suspended(struct planner *p, const struct store_plan *sp)
{
	const struct keystore_def *ks = sp->ws->keystore;

	return ks == NULL ? NULL
	                  : suspended_by(p, &ks->o, suspended(p, &ks->o, sp->ws->host->name));
}

static void gate_store(struct planner *p, struct unit_plan *u, struct store_plan *sp)
{
	const struct halt *frozen;

	sp->need_load = sp->need_load && (sp->write || safe_to_load(sp));
	if (!wants_something(sp)) {
		return;
	}
	frozen = store_suspended(p, sp);
	if (frozen != NULL) {
		struct waiting w = waiting_of(u, "Suspended", frozen->why);

		w.until = frozen->until;
		u->waits_for = w.what_for;
		report_waiting(p, &w);
		give_up(sp);
		return;
	}
	store_inputs(p, sp);
	if (sp->sm != NULL &&
	    held_back(p, sp->sm->push, work_of(sp)->inputs, waiting_of(u, "BackOff", NULL))) {
		u->waits_for = "BackOff";
		u->failing = true;
		give_up(sp);
	}
}

static void judge_configs(struct planner *p, struct unit_plan *u)
{
	for (size_t i = 0; i < u->n_configs; i++) {
		const struct want_config *c = &p->w->configs[u->first_config + i];
		const struct obs_config *oc = observed_config(p->in->observed, c->key);
		bool seen = oc != NULL && (oc->status == LOOK_OK || oc->status == LOOK_ABSENT);
		struct unobserved x = { .object_kind = KIND_TARGET,
			                .code = oc == NULL ? "Unknown" : "Unreachable",
			                .row = "B1",
			                .name = u->target->o.name,
			                .host = u->host->name };

		if (c->spec->one_shot) {
			continue;
		}
		if (!seen) {
			x.error =
				say(p, "%s: %s", c->path,
			            oc == NULL || oc->error == NULL ? "not looked at" : oc->error);
			report_unobserved(p, &x);
		} else if (!oc->matches) {
			u->configures = true;
		}
	}
}

static bool unit_wants(const struct planner *p, const struct unit_plan *u)
{
	for (size_t i = 0; i < u->n_stores; i++) {
		if (wants_something(&p->stores[u->first_store + i])) {
			return true;
		}
	}
	return u->configures;
}

static bool window_open(struct planner *p, struct unit_plan *u)
{
	const struct target *t = u->target;
	struct wall until = { p->now.s + WINDOW_SEARCH_S };
	struct wall at = { 0 };

	if (u->urgent || t->shared->n_windows == 0 ||
	    windows_open(t->shared->windows, t->shared->n_windows, p->now)) {
		return true;
	}
	bool found =
		windows_next_open(t->shared->windows, t->shared->n_windows, p->now, until, &at);
	struct waiting w = waiting_of(u, "WindowClosed", NULL);

	w.message = found ? say(p, "opens its window %s", say_when(p, at))
	                  : "opens no window in the next weeks";
	w.until = at;
	u->waits_for = w.what_for;
	report_waiting(p, &w);
	return false;
}

static enum stage stage_of(const struct planner *p, const struct unit_plan *u)
{
	bool adds = false;
	bool takes = false;
	bool other = u->configures;

	for (size_t i = 0; i < u->n_stores; i++) {
		const struct store_plan *sp = &p->stores[u->first_store + i];

		if (sp->write && sp->identity_changes) {
			return STAGE_DELIVERY;
		}
		adds = adds || (sp->write && sp->trust_adds) || sp->need_load;
		takes = takes || (sp->write && sp->drops);
		other = other || work_of(sp)->activate.code != NULL;
	}
	if (other && !adds) {
		return STAGE_DELIVERY;
	}
	return takes && !adds ? STAGE_LAST : STAGE_TRUST;
}

bool unit_ready(struct planner *p, struct unit_plan *u)
{
	if (!u->selected) {
		return false;
	}
	judge_configs(p, u);
	if (!unit_wants(p, u)) {
		return false;
	}
	if (u->suspended != NULL) {
		struct waiting w = waiting_of(u, "Suspended", u->suspended->why);

		w.until = u->suspended->until;
		u->waits_for = w.what_for;
		report_waiting(p, &w);
		return false;
	}
	for (size_t i = 0; i < u->n_stores; i++) {
		gate_store(p, u, &p->stores[u->first_store + i]);
	}
	if (!unit_wants(p, u) || !window_open(p, u)) {
		return false;
	}
	u->stage = stage_of(p, u);
	return true;
}

/* A write that changes nothing its software reads (mode, owner) needs no activation. */
bool unit_activates(const struct planner *p, const struct unit_plan *u)
{
	bool load = u->configures;

	for (size_t i = 0; i < u->n_stores; i++) {
		const struct store_plan *sp = &p->stores[u->first_store + i];

		load = load || (sp->write && sp->reload) || work_of(sp)->activate.code != NULL ||
		       sp->need_load;
	}
	return load && u->target->shared->n_activate > 0;
}
