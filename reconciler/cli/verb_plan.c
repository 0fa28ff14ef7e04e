/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_plan.c - what would be done and why; nothing is written but the observation.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"
#include "reconciler/cli/planfile.h"
#include "reconciler/cli/session.h"
#include "reconciler/cli/verbs.h"
#include "reconciler/engine/render.h"

#define SNAPSHOT_LIMIT ((size_t)4 << 30)

static const struct option_spec options[] = {
	{ "out", 0, "FILE", "save the plan for 'certwright apply FILE'" },
	{ "observed", 0, "FILE", "plan from a snapshot of 'observe --out'; touches nothing" },
	{ "recorded", 0, NULL, "plan from the last look" },
	{ "selector", 'l', "LABELS", "only objects with these labels (team=kms,site=dc1)" },
	{ "target", 0, "TARGET", "only this Target" },
	{ "allow-unobserved", 0, NULL, "what could not be observed does not make exit 1" },
};

static enum err_code look(struct session *s, struct pass *p, struct err *err)
{
	CLEANUP(buf_release) struct buf snapshot = { 0 };
	const char *file = args_get(s->args, "observed");

	if (file == NULL) {
		return args_has(s->args, "recorded") ? engine_recorded(&s->engine, p, err)
		                                     : engine_observe(&s->engine, p, err);
	}
	buf_init(&snapshot, SNAPSHOT_LIMIT);
	enum err_code rc = fs_read(file, SNAPSHOT_LIMIT, &snapshot, err);
	return rc == ERR_OK ? engine_from_snapshot(&s->engine, buf_view(&snapshot), p, err) : rc;
}

static enum err_code open_all(struct session *s, struct err *err)
{
	bool off_line = args_has(s->args, "observed");
	bool probes = !off_line && !args_has(s->args, "recorded");

	enum err_code rc = session_source(s, /* loop= */ false, err);
	if (rc == ERR_OK && !off_line) {
		rc = session_store(s, STORE_READ, err);
		if (rc == ERR_NOT_FOUND && probes) {
			/* The first plan of a repository: nothing is remembered yet. */
			err_clear(err);
			rc = ERR_OK;
		}
	}
	if (rc == ERR_OK) {
		rc = session_desired(s, /* read_only= */ true, err);
	}
	if (rc == ERR_OK) {
		rc = session_engine(s, probes, err);
	}
	s->engine.read_only = true;
	return rc;
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

static int verdict(const struct session *s, const struct plan *p)
{
	if (p->n_unobserved > 0 && !args_has(s->args, "allow-unobserved")) {
		return EXIT_ERROR;
	}
	return p->in_sync ? EXIT_FINE : EXIT_CHANGES;
}

static int run(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s;
	CLEANUP(pass_release) struct pass p = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };
	struct err err = { 0 };

	session_init(&s, c, a);
	buf_init(&out, BUF_LIMIT_TEXT);
	enum err_code rc = open_all(&s, &err);
	if (rc == ERR_OK) {
		rc = look(&s, &p, &err);
	}
	if (rc == ERR_OK) {
		rc = engine_plan(&s.engine, &p, &err);
	}
	if (rc == ERR_OK && args_has(a, "out")) {
		rc = planfile_write(args_get(a, "out"), p.plan, c->clock->wall(c->clock), &err);
	}
	if (rc != ERR_OK) {
		return cli_fail(c, &err);
	}
	plan_print(c, p.plan, &out);
	int printed = cli_print(c, &out);
	return printed != EXIT_FINE ? printed : verdict(&s, p.plan);
}

const struct verb verb_plan = {
	.name = "plan",
	.synopsis = "[--out FILE] [--observed FILE | --recorded] [-l SEL] [--target NAME]",
	.summary = "what would be done, and why",
	.example = "certwright plan -o markdown --observed fleet.snapshot",
	.exits =
		"0 in sync, 2 changes, conflicts or waiting, 1 error or something could not be observed",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.run = run,
};
