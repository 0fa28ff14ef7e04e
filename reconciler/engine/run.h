/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.h - one application of a plan in progress: what apply.c, deliver.c and verify.c share.
 */
#pragma once

#include "reconciler/engine/image.h"

enum step_status { STEP_WAITING, STEP_DONE, STEP_FAILED, STEP_SKIPPED };

struct apply_how {
	bool replace_unreadable; /* the operator's word: a store that does not open is replaced,
	                          * with backup */
	bool whole;              /* one step to whoever asked for it: engine.ends is not asked */
};

struct run {
	struct engine *engine;
	struct pass *pass;
	const struct plan *plan;
	struct apply_result *result;
	const char *id;           /* of the pass, for the journal */
	enum step_status *status; /* per action of the plan */
	int64_t *seq;             /* open journal intents, 0: none */
	struct fresh *fresh;
	size_t n_fresh;
	struct apply_how how;
};

/* What the plan learned and the state shall keep; before anything is applied. */
enum err_code record_marks(struct engine *e, struct pass *p, struct err *err);

enum err_code apply_plan(struct engine *e, struct pass *p, struct apply_how how,
                         struct apply_result *ret, struct err *err);
bool engine_ends(struct engine *e);

/* Journal and listener around one action. run_end records the outcome (err NULL: fine) and the
 * action's status. Their own failure stops everything: what is not journalled is not done. */
enum err_code run_begin(struct run *r, size_t action, struct err *err);
enum err_code run_end(struct run *r, size_t action, const struct err *outcome, struct err *err);
/* Count a failure of `what` ("push:KEY", "issue:NAME") against its back-off. */
enum err_code run_failed(struct run *r, const char *what, const struct backoff *before,
                         const struct action *a, const struct err *why, struct err *err);

/* The delivery actions of one host that are ready now, done as one unit: before, write, configure,
 * check, activate, verify; put back from backup when that fails. Failures are recorded per action;
 * the return code is for what stops everything. */
struct unit {
	const struct target *target;
	const struct host *host;
	const size_t *actions; /* indices into the plan, in its order */
	size_t n;
};
enum err_code deliver(struct run *r, const struct unit *u, struct err *err);

/* Backups of a store beyond its `backup`; and, once an hour, of all stores written lately. */
void backups_sweep_store(struct engine *e, struct transport *t, const struct want_store *s);
enum err_code backups_sweep(struct engine *e, struct pass *p, struct err *err);

/* Commands of a Target's host under authority and deadline; the error names the command. */
enum err_code run_commands(struct run *r, const struct unit *u, const struct command_spec *v,
                           size_t n, int64_t timeout_s, struct err *err);
/* One http check of a Target's host, waited for; the host must be allowed. */
enum err_code verify_http(struct run *r, const struct unit *u, const struct verify_spec *v,
                          struct err *err);
/* Every endpoint, command and request of the host's verify[] after an activation; waits up to the
 * grace of each. Not proven, and no failure either: what could be seen neither before nor now. */
enum err_code verify_host(struct run *r, const struct unit *u, bool *ret_proven, struct err *err);
