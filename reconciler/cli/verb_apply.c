/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_apply.c - observe, plan, do, verify, until nothing is left to do now.
 *
 * What was agreed to is what is done: the question, or the saved plan, is held against the very
 * plan that the first pass goes on to apply.
 */
#include <string.h>
#include <unistd.h>

#include "reconciler/base/str.h"
#include "reconciler/cli/planfile.h"
#include "reconciler/cli/session.h"
#include "reconciler/cli/verbs.h"
#include "reconciler/engine/ending.h"
#include "reconciler/engine/render.h"

#define ROUNDS_DEFAULT 10

static const char ending_note[] = "ending after the step in hand; once more ends at once\n";

static const struct option_spec options[] = {
	{ "yes", 'y', NULL, "do not ask" },
	{ "max-rounds", 0, "N", "passes at most (default 10)" },
	{ "selector", 'l', "LABELS", "only objects with these labels" },
	{ "target", 0, "TARGET", "only this Target" },
	{ "accept-rewind", 0, NULL, "accept a history that does not descend from the last commit" },
};

struct applying {
	struct engine_listener listener;
	struct session *session;
	const char *planfile; /* NULL: none */
	bool agreed, declined;
};

static void tell_step(struct engine_listener *l, const struct action *a, bool begins,
                      enum err_code outcome, const struct err *err)
{
	struct cli *c = CONTAINER_OF(l, struct applying, listener)->session->cli;
	const char *at = a->host == NULL ? "" : "@";
	const char *host = a->host == NULL ? "" : a->host;

	if (begins && c->verbosity < 1) {
		return;
	}
	if (begins) {
		cli_note(c, "  ... %-9s %s/%s%s%s", action_word(a->kind), kind_name(a->object_kind),
		         a->name, at, host);
		return;
	}
	cli_note(c, "%s %-9s %s/%s%s%s%s%s",
	         outcome == ERR_OK         ? "  ok "
	         : outcome == ERR_CONFLICT ? "  left"
	                                   : "  FAIL",
	         action_word(a->kind), kind_name(a->object_kind), a->name, at, host,
	         a->path == NULL ? "" : " ", a->path == NULL ? "" : a->path);
	if (outcome != ERR_OK && err != NULL) {
		char text[1024];
		err_format(err, text, sizeof(text));
		cli_note(c, "       %s", text);
		if (err->hint[0] != '\0') {
			cli_note(c, "       hint: %s", err->hint);
		}
	}
}

static void tell_request(struct engine_listener *l, const char *verb, const char *name,
                         const struct err *why)
{
	struct cli *c = CONTAINER_OF(l, struct applying, listener)->session->cli;
	char text[1024] = "done";

	if (why != NULL) {
		err_format(why, text, sizeof(text));
	}
	cli_note(c, "%s %s %s, left by an operator: %s", why == NULL ? "  ok " : "  FAIL", verb,
	         name, text);
}

static enum err_code ask(struct applying *x, const struct plan *p, struct err *err)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	struct cli *c = x->session->cli;
	char answer[16] = "";

	buf_init(&out, BUF_LIMIT_TEXT);
	plan_render_text(p, c->color_err, &out);
	(void)fputs(buf_str(&out), c->err);
	if (isatty(STDIN_FILENO) != 1) {
		(void)err_set(err, ERR_DENIED, "there is nobody to ask whether to do it");
		return err_hint(err, "say --yes, or apply a saved plan");
	}
	(void)fputs("Do it? Only 'yes' is taken for an answer: ", c->err);
	(void)fflush(c->err);
	if (fgets(answer, sizeof(answer), stdin) != NULL && strcmp(answer, "yes\n") == 0) {
		return ERR_OK;
	}
	x->declined = true;
	return err_set(err, ERR_DENIED, "not agreed to");
}

static enum err_code agree(struct engine_listener *l, const struct plan *p, struct err *err)
{
	struct applying *x = CONTAINER_OF(l, struct applying, listener);
	const struct clock *clock = x->session->cli->clock;
	enum err_code rc = ERR_OK;

	if (x->agreed) {
		return ERR_OK;
	}
	if (x->planfile != NULL) {
		rc = planfile_check(x->planfile, p, clock->wall(clock), err);
	} else if (!args_has(x->session->args, "yes") && (p->n_actions > 0 || p->n_renames > 0)) {
		rc = ask(x, p, err);
	}
	x->agreed = rc == ERR_OK;
	return rc == ERR_OK ? session_accept(x->session, err) : rc;
}

static enum err_code open_all(struct session *s, struct err *err)
{
	enum err_code rc = session_source(s, /* loop= */ false, err);

	if (rc == ERR_OK) {
		rc = session_store(s, STORE_RECONCILER, err);
	}
	if (rc == ERR_OK) {
		rc = session_desired(s, COMMIT_ACT, err);
	}
	return rc == ERR_OK ? session_engine(s, /* probes= */ true, err) : rc;
}

static void put_left(struct cli *c, const struct converge_result *r, const struct plan *p,
                     struct buf *out)
{
	if (r->ended && p->n_actions == 0) {
		buf_add_str(out,
		            "Nothing of the plan is left; what comes next was not looked at.\n");
	} else if (!p->in_sync || p->n_unobserved > 0 || p->n_drifts > 0) {
		buf_add_str(out, "What is left:\n");
		plan_render_text(p, c->color_out, out);
	}
}

static int finish(struct cli *c, const struct converge_result *r, const struct pass *p)
{
	CLEANUP(buf_release) struct buf out = { 0 };

	buf_init(&out, BUF_LIMIT_TEXT);
	if (c->output == OUTPUT_TEXT) {
		if (r->ended) {
			buf_printf(&out,
			           "Ended by a signal: %zu done, %zu failed; "
			           "'certwright apply' goes on from here.\n",
			           r->done, r->failed);
		} else if (r->done == 0 && r->failed == 0) {
			buf_add_str(&out, p->plan->in_sync && p->plan->n_unobserved == 0
			                          ? "Nothing to do.\n"
			                          : "Nothing could be done now.\n");
		} else {
			buf_printf(&out, "Applied: %zu done, %zu failed, in %zu round%s.\n",
			           r->done, r->failed, r->rounds, r->rounds == 1 ? "" : "s");
		}
		put_left(c, r, p->plan, &out);
	} else {
		plan_print(c, p->plan, &out);
	}
	int printed = cli_print(c, &out);
	if (printed != EXIT_FINE) {
		return printed;
	}
	bool whole = r->converged && !r->ended && r->failed == 0 && p->plan->n_unobserved == 0;
	return whole ? EXIT_FINE : EXIT_CHANGES;
}

static int run(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s = { 0 };
	CLEANUP(pass_release) struct pass last = { 0 };
	struct applying x = {
		.listener = { .planned = agree, .request = tell_request, .step = tell_step },
		.session = &s,
		.planfile = a->n_words > 0 ? a->words[0] : NULL,
	};
	struct converge_result result = { 0 };
	struct err err = { 0 };
	int64_t rounds = x.planfile != NULL ? 1 : ROUNDS_DEFAULT;

	session_init(&s, c, a);
	if (args_has(a, "max-rounds") && !str_to_i64(args_get(a, "max-rounds"), 1, 1000, &rounds)) {
		return cli_usage(c, "--max-rounds takes a number from 1 to 1000");
	}
	if (x.planfile != NULL && args_has(a, "max-rounds")) {
		return cli_usage(c, "a saved plan is one round: no --max-rounds with it");
	}
	enum err_code rc = open_all(&s, &err);
	s.engine.listener = &x.listener;
	s.engine.ends = ending_asked;
	if (rc == ERR_OK) {
		/* Not before: what only reads may end at once. */
		ending_catch(c->verbosity < 0 ? NULL : ending_note);
		ending_catch_hangup();
		rc = engine_converge(&s.engine, (unsigned)rounds, &result, &last, &err);
	}
	if (x.declined) {
		cli_note(c, "Nothing was done.");
		return EXIT_ERROR;
	}
	return rc != ERR_OK ? cli_fail(c, &err) : finish(c, &result, &last);
}

const struct verb verb_apply = {
	.name = "apply",
	.synopsis = "[PLANFILE] [--yes] [--max-rounds N] [-l SEL] [--target NAME]",
	.summary = "make the machines agree with the repository",
	.text = "Observes, plans, does and verifies until nothing is left to do now. A saved plan is applied exactly, and refused "
		"when the world has moved since. SIGINT and SIGTERM end it after the step in hand, a second one at once; a lost terminal (SIGHUP) "
		"after the step in hand.",
	.example = "certwright apply --yes",
	.exits = "0 converged, 2 partly (some targets failed, or wait), 1 error",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.max_words = 1,
	.run = run,
};
