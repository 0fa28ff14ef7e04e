/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lab.c - what cli/session does for the program, for tests.
 */
#include "tests/scenario/lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "desired/allowed.h"
#include "reconciler/base/str.h"
#include "reconciler/engine/render.h"

static void pause_ms(struct engine *e, int64_t ms)
{
	struct clock_manual *c = &CONTAINER_OF(e, struct lab, engine)->world->clock;
	int64_t before = c->mono_now.ms / 1000;

	c->mono_now.ms += ms;
	c->wall_now.s += c->mono_now.ms / 1000 - before;
}

static bool ends(struct engine *e)
{
	const struct lab *l = CONTAINER_OF(e, struct lab, engine);

	return l->will_end && l->steps >= l->end_after;
}

void lab_action_text(const struct action *a, struct buf *out)
{
	buf_printf(out, "%s %s/%s", action_word(a->kind), kind_name(a->object_kind), a->name);
	if (a->host != NULL) {
		buf_printf(out, "@%s", a->host);
	}
}

static void note_step(struct engine_listener *base, const struct action *a, bool begins,
                      enum err_code outcome, const struct err *err)
{
	struct lab *l = CONTAINER_OF(base, struct lab, listener);
	char text[1024] = "";

	if (begins) {
		return;
	}
	l->steps += 1;
	if (err != NULL) {
		err_format(err, text, sizeof(text));
	}
	buf_printf(&l->said, "event=step.done id=%s detail=%s error=%s\n", a->id,
	           a->detail == NULL ? "" : a->detail, text);
	buf_add_str(&l->done, l->done.len == 0 ? "" : "; ");
	buf_add_str(&l->done, outcome == ERR_OK ? "" : "!");
	lab_action_text(a, &l->done);
}

static enum err_code agree(struct engine_listener *base, const struct plan *p, struct err *err)
{
	(void)base;
	(void)p;
	(void)err;
	return ERR_OK;
}

static void note_request(struct engine_listener *base, const char *verb, const char *name,
                         const struct err *why)
{
	struct lab *l = CONTAINER_OF(base, struct lab, listener);
	char text[1024] = "";

	if (why != NULL) {
		err_format(why, text, sizeof(text));
	}
	buf_printf(&l->said, "event=request.done verb=%s name=%s error=%s\n", verb, name, text);
}

void lab_open(struct lab *l, struct world *w, const char *dir, uint64_t seed)
{
	*l = (struct lab){ .world = w, .dir = dir, .authority.trusted = true };
	world_registry_init(&l->registry, w);
	world_prober_init(&l->prober, w);
	names_watch(w);
	arena_init(&l->arena);
	buf_init(&l->done, BUF_LIMIT_TEXT);
	buf_init(&l->said, BUF_LIMIT_TEXT);
	l->listener = (struct engine_listener){ .planned = agree,
		                                .request = note_request,
		                                .step = note_step };
	l->engine = (struct engine){
		.authority = &l->authority,
		.registry = &l->registry.base,
		.prober = &l->prober.base,
		.clock = &w->clock.clock,
		.pause_ms = pause_ms,
		.ends = ends,
		.listener = &l->listener,
	};
	rng_seed(&l->engine.rng, seed);
}

static void drop_pass(struct lab *l)
{
	if (l->has_pass) {
		pass_release(&l->pass);
		l->has_pass = false;
	}
}

void lab_store_close(struct lab *l)
{
	drop_pass(l);
	store_close(l->store);
	l->store = NULL;
	l->engine.store = NULL;
}

void lab_close(struct lab *l)
{
	lab_store_close(l);
	arena_release(&l->arena);
	buf_release(&l->done);
	buf_release(&l->said);
	names_watch(NULL);
}

enum err_code lab_store(struct lab *l, struct err *err)
{
	CLEANUP(cleanup_free) char *state = str_printf("%s/state", l->dir);
	CLEANUP(cleanup_free) char *master = str_printf("%s/master.key", l->dir);
	struct store_options opt = { .dir = state,
		                     .master_key = master,
		                     .mode = STORE_RECONCILER,
		                     .clock = &l->world->clock.clock };

	if (l->store != NULL) {
		return ERR_OK;
	}
	if (state == NULL || master == NULL) {
		return err_nomem(err);
	}
	enum err_code rc = store_open(&opt, &l->store, err);
	l->engine.store = l->store;
	return rc;
}

static void first_diagnostics(const struct diagnostics *d, struct err *err)
{
	CLEANUP(buf_release) struct buf out = { 0 };

	buf_init(&out, BUF_LIMIT_TEXT);
	for (size_t i = 0; i < d->n; i++) {
		diagnostic_format(&d->v[i], &out);
	}
	fprintf(stderr, "%s", buf_str(&out));
	(void)err_wrap(err, "the desired state");
}

static void set_error(struct lab *l, const struct err *err)
{
	size_t n = 0;

	err_format(err, l->error, sizeof(l->error));
	n = strlen(l->error);
	if (err->hint[0] != '\0') {
		(void)snprintf(l->error + n, sizeof(l->error) - n, " (%s)", err->hint);
	}
	buf_printf(&l->said, "error: %s\n", l->error);
}

static void refused(struct lab *l, const struct diagnostics *d, const struct err *why)
{
	CLEANUP(buf_release) struct buf out = { 0 };

	buf_init(&out, BUF_LIMIT_TEXT);
	for (size_t i = 0; i < d->n; i++) {
		diagnostic_format(&d->v[i], &out);
	}
	set_error(l, why);
	buf_add_str(&l->said, buf_str(&out));
}

enum err_code lab_commit(struct lab *l, const char *yaml, struct err *err)
{
	struct memory_file file = { .path = "fleet.yaml", .data = bytes_of_str(yaml) };
	struct diagnostics diag = { 0 };
	const struct desired *next = NULL;

	drop_pass(l);
	/* The former desired state stays until the lab ends: plans may still be looked at. */
	enum err_code rc = desired_load_files(&file, 1, &l->arena, &next, &diag, err);
	if (rc != ERR_OK) {
		first_diagnostics(&diag, err);
		return rc;
	}
	rc = desired_allowed(next, &l->authority, &l->arena, &diag, err);
	if (rc != ERR_OK) {
		/* Refused: what was accepted last goes on. */
		refused(l, &diag, err);
		return ERR_OK;
	}
	l->error[0] = '\0';
	l->desired = next;
	l->engine.desired = next;
	return ERR_OK;
}

static void begin(struct lab *l)
{
	drop_pass(l);
	buf_reset(&l->done);
	l->error[0] = '\0';
	l->result = (struct converge_result){ 0 };
	l->status = 1;
}

void lab_plan(struct lab *l)
{
	struct err err = { 0 };

	begin(l);
	enum err_code rc = lab_store(l, &err);
	l->has_pass = rc == ERR_OK;
	l->engine.read_only = true;
	if (rc == ERR_OK) {
		rc = engine_observe(&l->engine, &l->pass, &err);
	}
	if (rc == ERR_OK) {
		rc = engine_plan(&l->engine, &l->pass, &err);
	}
	l->engine.read_only = false;
	if (rc != ERR_OK) {
		set_error(l, &err);
		return;
	}
	const struct plan *p = l->pass.plan;
	l->status = p->n_unobserved > 0 ? 1 : p->in_sync ? 0 : 2;
	if (l->renders) {
		lab_render(l);
	}
}

void lab_converge(struct lab *l, unsigned rounds)
{
	struct err err = { 0 };

	begin(l);
	l->steps = 0;
	enum err_code rc = lab_store(l, &err);
	if (rc == ERR_OK) {
		rc = engine_converge(&l->engine, rounds, &l->result, &l->pass, &err);
		l->has_pass = rc == ERR_OK;
	}
	l->will_end = false;
	if (rc != ERR_OK) {
		set_error(l, &err);
		return;
	}
	(void)snprintf(l->error, sizeof(l->error), "%s", l->result.last.first_error);
	bool whole = l->result.converged && !l->result.ended && l->result.failed == 0 &&
	             l->pass.plan->n_unobserved == 0;
	l->status = whole ? 0 : 2;
	if (l->renders) {
		lab_render(l);
	}
}

void lab_render(struct lab *l)
{
	if (!l->has_pass || l->pass.plan == NULL) {
		return;
	}
	plan_render_text(l->pass.plan, /* color= */ false, &l->said);
	plan_render_json(l->pass.plan, &l->said);
	plan_render_markdown(l->pass.plan, &l->said);
}
