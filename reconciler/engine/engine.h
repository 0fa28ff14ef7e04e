/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine.h - looking, doing and converging: the impure half around plan.h.
 *
 * One pass: memory_load, wants_build, look list (secrets resolved under authority), observe,
 * plan_build, apply. converge() repeats until nothing can be done now, and says when to wake.
 */
#pragma once

#include "desired/secrets.h"
#include "providers/registry.h"
#include "reconciler/base/rng.h"
#include "reconciler/engine/plan.h"
#include "reconciler/pki/chain_memo.h"
#include "state/look.h"
#include "state/store.h"

struct engine {
	const struct desired *desired;
	const struct authority *authority;
	const char *secrets_dir;
	struct budget budget; /* zero: none */
	int keep_revisions;   /* of each identity, however old; 0: all of them */
	struct registry *registry;
	struct prober *prober;
	struct store *store; /* NULL: nothing is remembered (plan without a state) */
	const struct clock *clock;
	struct rng rng;
	const char *selector, *target_name;
	bool source_stale;
	bool clock_confirmed; /* --now, or the operator's word: a journal from the future does not
	                         stop us */
	bool read_only;       /* plan: nothing is written to the store */
	bool no_verdicts;     /* nobody asks how each object is */
	/* Wait between looks while a server comes up; tests move their clock instead. */
	void (*pause_ms)(struct engine *e, int64_t ms);
	/* Asked before each step: true when no other one may begin. NULL: never. */
	bool (*ends)(struct engine *e);
	/* Asked before and told of each step; NULL: nobody listens. */
	struct engine_listener *listener;
	struct look_progress *progress; /* told while looking; NULL */
};

struct engine_listener {
	/* The plan of a pass before anything of it is done; anything but ERR_OK ends it there. */
	enum err_code (*planned)(struct engine_listener *l, const struct plan *p, struct err *err);
	/* A request left by an operator was taken; why is NULL when it was done. */
	void (*request)(struct engine_listener *l, const char *verb, const char *name,
	                const struct err *why);
	void (*step)(struct engine_listener *l, const struct action *a, bool begins,
	             enum err_code outcome, const struct err *err);
};

struct passwords;
struct link;
struct fresh;

/* What one look and one decision gave; release frees all and wipes the passwords. */
struct pass {
	struct arena arena;
	struct seen_certs certs;
	struct passwords *passwords; /* of the wanted stores, same order; NULL until looked */
	size_t n_passwords;
	struct link *links; /* open transports */
	struct memory *memory;
	struct wants *wants;
	struct observed *observed;
	const struct plan *plan;
	struct chain_memo paths;   /* of the plan, for those to come */
	const struct fresh *fresh; /* issued since the memory was read */
	size_t n_fresh;
};
void pass_release(struct pass *p);

/* Look at everything wanted; fills memory, wants, observed. Saves the observation when there is a
 * store opened for writing. */
enum err_code engine_observe(struct engine *e, struct pass *p, struct err *err);
/* The last observation instead (--recorded). ERR_NOT_FOUND: none yet. */
enum err_code engine_recorded(struct engine *e, struct pass *p, struct err *err);
/* From a snapshot (--observed): runs nothing, resolves nothing, opens nothing. */
enum err_code engine_from_snapshot(struct engine *e, struct bytes snapshot, struct pass *p,
                                   struct err *err);
enum err_code engine_plan(struct engine *e, struct pass *p, struct err *err);
/* What a plan found out about certificates, for the next one. engine_plan() does it where the store
 * of the engine may be written to; a cache that cannot be kept is no error. */
void engine_keep_paths(const struct pass *p, struct store *s);

struct apply_result {
	size_t done, failed, skipped; /* actions */
	bool moved;                   /* the world was not as planned somewhere: plan again */
	bool ended;             /* by engine.ends: the plan of the pass is now what is left of it */
	char first_error[1024]; /* formatted, with hint after a newline; "" when none */
	char left[256];         /* rollback: identities without such a revision; "" when none */
};
/* Do the plan's actions in order: journal intent, provider, outcome, verify, rollback. Failures of
 * one object do not stop others that do not depend on it. The return code is for what stops
 * everything (state lost, out of memory). */
enum err_code engine_apply(struct engine *e, struct pass *p, struct apply_result *ret,
                           struct err *err);

struct converge_result {
	size_t rounds, done, failed;
	bool converged;   /* the last plan was in sync */
	bool ended;       /* by engine.ends: the last plan is what is left, as far as it is known */
	struct wall wake; /* when something becomes due; 0: nothing known */
	struct apply_result last;
};
/* Passes until a plan has nothing that can be done now, at most max_rounds. `ret_last` (may be
 * NULL) gets the last pass with its plan; release it. */
enum err_code engine_converge(struct engine *e, unsigned max_rounds, struct converge_result *ret,
                              struct pass *ret_last, struct err *err);

/* Operator requests waiting in the store are taken (renew, approve, revoke, push, rollback ...). */
enum err_code engine_take_requests(struct engine *e, struct err *err);
struct push_by_hand {
	const char *target, *host; /* host NULL: all of the target's */
	bool activate_only;
	bool replace_unreadable; /* overwrite what does not open, with backup */
};
/* One delivery by hand: push again, or only activate. */
enum err_code engine_push(struct engine *e, const struct push_by_hand *what,
                          struct apply_result *ret, struct err *err);
/* Back to the revision before, or to one by fingerprint; holds re-push until released. Never to a
 * revoked, compromised or expired one. An identity without such a revision stays as it is beside
 * those that have one; ERR_NOT_FOUND: none has. */
enum err_code engine_rollback(struct engine *e, const char *target, const char *host,
                              const char *to_fingerprint, struct apply_result *ret,
                              struct err *err);
/* Look at everything and adopt what satisfies its declaration; forget back-offs and holds. Issues
 * and delivers nothing. */
struct rebuild_result {
	size_t adopted, failed, entries, released;
	char first_error[1024];
};
enum err_code engine_rebuild(struct engine *e, struct rebuild_result *ret, struct err *err);
enum err_code engine_revoke(struct engine *e, const char *identity, unsigned reason,
                            struct err *err);
/* The CRL of the Issuer, DER, appended to out: the newest published one, or a new one of its newest
 * generation where that is due, or `anew` says so. A number is used up by each new one. */
enum err_code engine_publish_crl(struct engine *e, const char *issuer, bool anew, struct buf *out,
                                 struct err *err);
/* Revoke a certificate of the Issuer that no identity of ours holds any more. */
enum err_code engine_revoke_certificate(struct engine *e, const char *issuer, struct bytes cert,
                                        unsigned reason, struct err *err);
