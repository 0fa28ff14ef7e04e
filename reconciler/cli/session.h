/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session.h - what most verbs open in the same order: configuration, repository, desired state,
 * state, engine.
 *
 * Nothing is opened that the verb did not ask for: `version` reads no file, `validate` no state,
 * `plan --observed` no network.
 */
#pragma once

#include "desired/config.h"
#include "reconciler/cli/progress.h"
#include "reconciler/engine/accept.h"
#include "reconciler/engine/engine.h"

struct session {
	struct cli *cli;
	const struct args *args;
	struct arena arena;
	struct config config;
	bool has_config;
	struct source *source;
	struct master_source master; /* of the store, when it is no file */
	struct store *store;
	const char *state_dir;
	struct accepted accepted;
	struct prober *prober;
	struct cli_progress progress;
	struct engine engine;
};
void session_init(struct session *s, struct cli *c, const struct args *a);
void session_release(struct session *s);

/* Configuration file, CERTWRIGHT_ variables and flags, in rising order of weight. Diagnostics are
 * printed here. */
enum err_code session_config(struct session *s, struct err *err);
/* Configuration, then the repository: --repo, the configuration's, or the one around the current
 * directory. `loop`: run obeys authority also for a local one. */
enum err_code session_source(struct session *s, bool loop, struct err *err);
/* Which commit counts. The newest (or --ref, or --worktree) always comes first. */
enum commit_use {
	COMMIT_LOOK,     /* that one and no other: plan, validate */
	COMMIT_ACT,      /* that one, and history must go forward: apply */
	COMMIT_STAND_IN, /* the last good one stands in for it, as in `run`: status, operator verbs
	                  */
};
/* Loaded and allowed, with the session's store as memory when it is open. Diagnostics are printed
 * here. */
enum err_code session_desired(struct session *s, enum commit_use use, struct err *err);
/* From now on history must go forward from that commit. */
enum err_code session_accept(struct session *s, struct err *err);
/* ERR_NOT_FOUND with the nearest name as its hint. */
enum err_code session_identity(struct session *s, const char *name, struct err *err);
enum err_code session_target(struct session *s, const char *name, const char *host,
                             struct err *err);
/* The name in NAME or KIND/NAME, for a verb that is about one kind; ERR_INVALID: of another. */
enum err_code session_name_of(enum kind k, const char *word, const char **ret, struct err *err);
/* A reconciler that runs on this state shall look at once, because something was left for it. */
void session_wake(const struct session *s);
/* Where the state lies, into s->state_dir. */
enum err_code session_state_dir(struct session *s, struct err *err);
/* ERR_NOT_FOUND with STORE_READ: there is none yet. */
enum err_code session_store(struct session *s, enum store_mode mode, struct err *err);
/* Engine over what is open; a prober is opened when `probes`. */
enum err_code session_engine(struct session *s, bool probes, struct err *err);
/* Observed as FILE of 'observe --out' says, and nothing else asked: needs the engine and no store.
 */
enum err_code session_snapshot(struct session *s, const char *file, struct pass *p,
                               struct err *err);
/* Everything that verbs over the last look need: opened, and planned into *p. ERR_NOT_FOUND: nobody
 * has looked yet. With --observed the snapshot stands for the last look, and no state is opened. */
enum err_code session_recorded(struct session *s, struct pass *p, struct err *err);
void session_print_diagnostics(struct session *s, const struct diagnostics *d);
