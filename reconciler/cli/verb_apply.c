/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_apply.c - observe, plan, do, verify, until nothing is left to do now.
 */
#include <string.h>
#include <unistd.h>

#include "reconciler/base/str.h"
#include "reconciler/cli/planfile.h"
#include "reconciler/cli/session.h"
#include "reconciler/cli/verbs.h"
#include "reconciler/engine/render.h"

#define ROUNDS_DEFAULT 10

static const struct option_spec options[] = {
	{ "yes", 'y', NULL, "do not ask" },
	{ "max-rounds", 0, "N", "passes at most (default 10)" },
	{ "selector", 'l', "LABELS", "only objects with these labels" },
	{ "target", 0, "TARGET", "only this Target" },
	{ "accept-rewind", 0, NULL, "accept a history that does not descend from the last commit" },
};

struct telling {
	struct engine_listener listener;
	struct cli *cli;
};

static void tell_step(struct engine_listener *l, const struct action *a, bool begins,
                      enum err_code outcome, const struct err *err)
{
	struct telling *t = CONTAINER_OF(l, struct telling, listener);
	const char *at = a->host == NULL ? "" : "@";
	const char *host = a->host == NULL ? "" : a->host;

	if (begins && t->cli->verbosity < 1) {
		return;
	}
	if (begins) {
		cli_note(t->cli, "  ... %-9s %s/%s%s%s", action_word(a->kind),
		         kind_name(a->object_kind), a->name, at, host);
		return;
	}
	cli_note(t->cli, "%s %-9s %s/%s%s%s%s%s", outcome == ERR_OK ? "  ok " : "  FAIL",
	         action_word(a->kind), kind_name(a->object_kind), a->name, at, host,
	         a->path == NULL ? "" : " ", a->path == NULL ? "" : a->path);
	if (outcome != ERR_OK && err != NULL) {
		char text[1024];
		err_format(err, text, sizeof(text));
		cli_note(t->cli, "       %s", text);
	}
}

static bool confirmed(struct cli *c)
{
	char answer[16] = "";

	(void)fputs("Do it? Only 'yes' is taken for an answer: ", c->err);
	(void)fflush(c->err);
	return fgets(answer, sizeof(answer), stdin) != NULL && strcmp(answer, "yes\n") == 0;
}

/* Show the plan and ask, or hold it against the saved one. */
static enum err_code agree(struct session *s, const char *planfile, bool *ret_go, struct err *err)
{
	CLEANUP(pass_release) struct pass p = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };
	struct cli *c = s->cli;
	bool asks = planfile == NULL && !args_has(s->args, "yes");

	*ret_go = true;
	if (!asks && planfile == NULL) {
		return ERR_OK;
	}
	enum err_code rc = engine_observe(&s->engine, &p, err);
	if (rc == ERR_OK) {
		rc = engine_plan(&s->engine, &p, err);
	}
	if (rc != ERR_OK || planfile != NULL) {
		return rc != ERR_OK
		               ? rc
		               : planfile_check(planfile, p.plan, c->clock->wall(c->clock), err);
	}
	if (p.plan->n_actions == 0) {
		return ERR_OK;
	}
	buf_init(&out, BUF_LIMIT_TEXT);
	plan_render_text(p.plan, c->color_err, &out);
	(void)fputs(buf_str(&out), c->err);
	if (isatty(STDIN_FILENO) != 1) {
		(void)err_set(err, ERR_DENIED, "there is nobody to ask");
		return err_hint(err, "say --yes, or apply a saved plan");
	}
	*ret_go = confirmed(c);
	return ERR_OK;
}

static int finish(struct cli *c, const struct converge_result *r, const struct pass *p)
{
	CLEANUP(buf_release) struct buf out = { 0 };

	buf_init(&out, BUF_LIMIT_TEXT);
	if (c->output == OUTPUT_TEXT) {
		if (r->done == 0 && r->failed == 0) {
			buf_add_str(&out, p->plan->in_sync ? "Nothing to do.\n"
			                                   : "Nothing could be done now.\n");
		} else {
			buf_printf(&out, "Applied: %zu done, %zu failed, in %zu rounds.\n", r->done,
			           r->failed, r->rounds);
		}
		if (!p->plan->in_sync) {
			plan_render_text(p->plan, c->color_out, &out);
		}
	} else {
		plan_print(c, p->plan, &out);
	}
	int printed = cli_print(c, &out);
	if (printed != EXIT_FINE) {
		return printed;
	}
	bool whole = r->converged && r->failed == 0 && p->plan->n_unobserved == 0;
	return whole ? EXIT_FINE : EXIT_CHANGES;
}

static enum err_code open_all(struct session *s, struct err *err)
{
	enum err_code rc = session_source(s, /* loop= */ false, err);

	if (rc == ERR_OK) {
		rc = session_store(s, STORE_RECONCILER, err);
	}
	if (rc == ERR_OK) {
		rc = session_desired(s, /* read_only= */ false, err);
	}
	return rc == ERR_OK ? session_engine(s, /* probes= */ true, err) : rc;
}

static int run(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s;
	CLEANUP(pass_release) struct pass last = { 0 };
	struct telling telling = { .listener.step = tell_step, .cli = c };
	struct converge_result result = { 0 };
	struct err err = { 0 };
	int64_t rounds = ROUNDS_DEFAULT;
	bool go = false;

	if (args_has(a, "max-rounds") && !str_to_i64(args_get(a, "max-rounds"), 1, 1000, &rounds)) {
		return cli_usage(c, "--max-rounds takes a number from 1 to 1000");
	}
	session_init(&s, c, a);
	enum err_code rc = open_all(&s, &err);
	s.engine.listener = &telling.listener;
	if (rc == ERR_OK) {
		rc = agree(&s, a->n_words > 0 ? a->words[0] : NULL, &go, &err);
	}
	if (rc == ERR_OK && !go) {
		cli_note(c, "Nothing was done.");
		return EXIT_ERROR;
	}
	if (rc == ERR_OK) {
		rc = engine_converge(&s.engine, a->n_words > 0 ? 1 : (unsigned)rounds, &result,
		                     &last, &err);
	}
	return rc != ERR_OK ? cli_fail(c, &err) : finish(c, &result, &last);
}

const struct verb verb_apply = {
	.name = "apply",
	.synopsis = "[PLANFILE] [--yes] [--max-rounds N]",
	.summary = "make the machines agree with the repository",
	.text = "Observes, plans, does and verifies until nothing is left to do now. A saved plan is applied exactly, and refused "
		"when the world has moved since.",
	.example = "certwright apply --yes",
	.exits = "0 converged, 2 partly (some targets failed, or wait), 1 error",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.max_words = 1,
	.run = run,
};
