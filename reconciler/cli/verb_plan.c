/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_plan.c - what would be done and why; nothing is written but the observation.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "reconciler/base/str.h"
#include "reconciler/base/when.h"
#include "reconciler/cli/plan_memo.h"
#include "reconciler/cli/planfile.h"
#include "reconciler/cli/session.h"
#include "reconciler/cli/verbs.h"
#include "reconciler/engine/render.h"

static const struct option_spec options[] = {
	{ "out", 0, "FILE", "save the plan for 'certwright apply FILE'" },
	{ "observed", 0, "FILE", "plan from a snapshot of 'observe --out'; touches nothing" },
	{ "recorded", 0, NULL, "plan from the last look" },
	{ "selector", 'l', "LABELS", "only objects with these labels (team=kms,site=dc1)" },
	{ "target", 0, "TARGET", "only this Target" },
	{ "allow-unobserved", 0, "[LABELS]",
	  "what could not be observed (of objects with these labels) does not make exit 1" },
};

static enum err_code look(struct session *s, struct pass *p, struct err *err)
{
	const char *file = args_get(s->args, "observed");

	if (file == NULL) {
		return args_has(s->args, "recorded") ? engine_recorded(&s->engine, p, err)
		                                     : engine_observe(&s->engine, p, err);
	}
	return session_snapshot(s, file, p, err);
}

static bool probes(const struct session *s)
{
	return !args_has(s->args, "observed") && !args_has(s->args, "recorded");
}

static enum err_code open_sources(struct session *s, struct err *err)
{
	enum err_code rc = session_source(s, /* loop= */ false, err);

	if (rc == ERR_OK && !args_has(s->args, "observed")) {
		rc = session_store(s, STORE_READ, err);
		if (rc == ERR_NOT_FOUND && probes(s)) {
			/* The first plan of a repository: nothing is remembered yet. */
			err_clear(err);
			return ERR_OK;
		}
	}
	/* Only a plan that looks needs it; one that could not be applied helps nobody. */
	return rc == ERR_OK && probes(s) ? store_keys_check(s->store, err) : rc;
}

static enum err_code make(struct session *s, struct pass *p, struct err *err)
{
	enum err_code rc = session_desired(s, COMMIT_LOOK, err);

	/* All is read: a repository keeps its packs mapped, as large as the model made of them. */
	source_close(s->source);
	s->source = NULL;
	if (rc == ERR_OK) {
		rc = session_engine(s, probes(s), err);
	}
	s->engine.read_only = true;
	s->engine.no_verdicts = true;
	if (rc == ERR_OK) {
		rc = look(s, p, err);
	}
	return rc == ERR_OK ? engine_plan(&s->engine, p, err) : rc;
}

void plan_print(const struct cli *c, const struct plan *p, struct buf *out)
{
	switch (c->output) {
	case OUTPUT_TEXT:
		plan_render_text(p, c->color_out, out);
		break;
	case OUTPUT_JSON:
		plan_render_json(p, out);
		break;
	case OUTPUT_MARKDOWN:
		plan_render_markdown(p, out);
		break;
	}
}

static const struct object *object_of(const struct desired *d, enum kind kind, const char *name)
{
	const struct identity *id = NULL;
	const struct target *t = NULL;
	const struct issuer_def *i = NULL;

	switch (kind) {
	case KIND_CERTIFICATE:
		id = desired_identity(d, name);
		return id == NULL ? NULL : &id->def->o;
	case KIND_TARGET:
		t = desired_target(d, name);
		return t == NULL ? NULL : &t->o;
	case KIND_ISSUER:
		i = desired_issuer(d, name);
		return i == NULL ? NULL : &i->o;
	case KIND_CASET:
	case KIND_KEYSTORE:
	case KIND_DISCOVERY:
	case KIND_POLICY:
	case KIND_DEFAULTS:
	case KIND_COUNT:
		break;
	}
	return NULL;
}

static bool all_allowed(const struct session *s, const struct plan *p)
{
	const char *selector = args_get(s->args, "allow-unobserved");

	for (size_t i = 0; i < p->n_unobserved; i++) {
		const struct unobserved *u = &p->unobserved[i];
		const struct object *o = object_of(s->accepted.desired, u->object_kind, u->name);
		bool every = selector != NULL && selector[0] == '\0';
		bool this_one = selector != NULL && o != NULL && object_selected(o, selector);

		if (!every && !this_one) {
			return false;
		}
	}
	return true;
}

static int verdict(const struct session *s, const struct plan *p)
{
	if (!all_allowed(s, p)) {
		return EXIT_ERROR;
	}
	return p->in_sync ? EXIT_FINE : EXIT_CHANGES;
}

/* A plan of yesterday's world looks like one of today's. */
static void say_age(const struct session *s, struct wall observed_at, struct buf *out)
{
	const struct cli *c = s->cli;
	bool now = !args_has(s->args, "observed") && !args_has(s->args, "recorded");
	char relative[32];
	char at[WHEN_TEXT_MAX];

	if (now || c->output == OUTPUT_JSON) {
		return;
	}
	when_format_relative(observed_at, c->clock->wall(c->clock), relative, sizeof(relative));
	when_format_short(observed_at, at);
	buf_printf(out, "From what was seen %s, %s.\n%s", relative, at,
	           c->output == OUTPUT_MARKDOWN ? "\n" : "");
}

static int run(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s = { 0 };
	CLEANUP(pass_release) struct pass p = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };
	CLEANUP(buf_release) struct buf body = { 0 };
	struct err err = { 0 };
	struct plan_memo memo;

	session_init(&s, c, a);
	if (args_has(a, "observed") && args_has(a, "recorded")) {
		return cli_usage(c, "--observed and --recorded exclude one another");
	}
	buf_init(&out, BUF_LIMIT_TEXT);
	buf_init(&body, BUF_LIMIT_TEXT);
	enum err_code rc = cli_check_file(a, "out", "planned", &err);
	if (rc == ERR_OK) {
		rc = open_sources(&s, &err);
	}
	if (rc == ERR_OK && plan_memo_find(&s, &memo, &body)) {
		say_age(&s, memo.observed_at, &out);
		buf_add_bytes(&out, buf_view(&body));
		return cli_print(c, &out);
	}
	if (rc == ERR_OK) {
		rc = make(&s, &p, &err);
	}
	if (rc == ERR_OK && args_has(a, "out")) {
		rc = planfile_write(args_get(a, "out"), p.plan, c->clock->wall(c->clock), &err);
	}
	if (rc != ERR_OK) {
		return cli_fail(c, &err);
	}
	say_age(&s, p.plan->observed_at, &out);
	plan_print(c, p.plan, &body);
	buf_add_bytes(&out, buf_view(&body));
	int printed = buf_failed(&body) ? cli_print(c, &body) : cli_print(c, &out);
	if (printed == EXIT_FINE) {
		plan_memo_keep(&s, &memo, p.plan, buf_view(&body));
	}
	return printed != EXIT_FINE ? printed : verdict(&s, p.plan);
}

const struct verb verb_plan = {
	.name = "plan",
	.synopsis =
		"[--out FILE] [--observed FILE | --recorded] [--allow-unobserved[=SEL]] [-l SEL] [--target NAME]",
	.summary = "what would be done, and why",
	.text = "Looks at everything and changes nothing. With --observed nothing is looked at, no program "
		"runs, no secret is read and no connection is opened.",
	.example = "certwright plan -o markdown --observed fleet.snapshot",
	.exits =
		"0 in sync, 2 changes, conflicts or waiting, 1 error or something could not be observed",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.run = run,
};
