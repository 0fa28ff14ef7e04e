/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_run.c - the reconcile loop. Unlike the verbs given by hand it obeys the configuration's
 * authority for a local repository, too.
 */
#include "reconciler/base/str.h"
#include "reconciler/base/when.h"
#include "reconciler/cli/session.h"
#include "reconciler/cli/verbs.h"
#include "reconciler/engine/loop.h"

#define ROUNDS 10

static const struct option_spec options[] = {
	{ "interval", 0, "DURATION", "look at least so often (default 5m)" },
	{ "once", 0, NULL, "one pass, then end" },
	{ "accept-rewind", 0, NULL, "accept a history that does not descend from the last commit" },
};

static int run(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s = { 0 };
	struct err err = { 0 };
	struct log log;
	int64_t interval = 0;

	if (args_has(a, "interval") &&
	    (!duration_parse(args_get(a, "interval"), &interval) || interval < 1)) {
		return cli_usage(c, "--interval takes a duration like 5m");
	}
	session_init(&s, c, a);
	log_init(&log, fileno(c->err),
	         c->verbosity < 0   ? LOG_LEVEL_WARN
	         : c->verbosity > 0 ? LOG_LEVEL_DEBUG
	                            : LOG_LEVEL_INFO,
	         c->output == OUTPUT_JSON);
	enum err_code rc = session_source(&s, /* loop= */ true, &err);
	if (rc == ERR_OK) {
		rc = session_store(&s, STORE_RECONCILER, &err);
	}
	if (rc == ERR_OK) {
		rc = session_engine(&s, /* probes= */ true, &err);
	}
	if (rc == ERR_OK) {
		struct loop loop = {
			.engine = &s.engine,
			.accept = { .source = s.source,
			            .config = &s.config,
			            .ref = s.config.ref.s,
			            .accept_rewind =
			                    args_has(a, "accept-rewind") || s.config.accept_rewind,
			            .fetch = !source_is_local(s.source),
			            .store = s.store },
			.log = &log,
			.interval_s = interval > 0 ? interval : s.config.interval_s,
			.max_rounds = ROUNDS,
			.once = args_has(a, "once"),
			.watch = s.config.watch,
			.inbox = s.config.inbox.s,
			.state_dir = s.state_dir,
		};
		rc = loop_run(&loop, &err);
	}
	if (rc == ERR_VERIFY) {
		(void)cli_fail(c, &err);
		return EXIT_CHANGES;
	}
	return rc == ERR_OK ? EXIT_FINE : cli_fail(c, &err);
}

const struct verb verb_run = {
	.name = "run",
	.synopsis = "[--interval D] [--once]",
	.summary = "the reconcile loop: git changes, file changes, timers",
	.text = "Wakes for commits, for changes of the files it delivered, and when something becomes due. SIGHUP looks at once, "
		"SIGTERM ends after the step in hand, a second one at once. What the repository asks for must be allowed by authority in the "
		"configuration.",
	.example = "certwright --config /etc/certwright/certwright.yaml run",
	.exits = "0 on SIGTERM; with --once also 2 when something failed or waits; 1 error",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.run = run,
};
