/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world.h - a fleet in memory for tests of the plan: files, loaded software, endpoints and what the
 * state remembers, all of it open to be bent by a test.
 *
 * world_plan() lays the rows out as an observation and a memory and decides; world_apply() does to
 * the fleet what the actions say. Everything dies with the world. Failures abort the test.
 */
#pragma once

#include <check.h>

#include "desired/load.h"
#include "reconciler/engine/plan.h"
#include "reconciler/engine/render.h"

/* Check writes a line for every assertion that holds; in the loops of thousands of worlds that is
 * most of the work. */
#define MUST(cond, ...)                                                                            \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			ck_abort_msg(__VA_ARGS__);                                                 \
		}                                                                                  \
	} while (0)
#define MUST_OK(expr, err)                                                                         \
	do {                                                                                       \
		char must_text_[1024] = "";                                                        \
		if ((expr) != ERR_OK) {                                                            \
			err_format((err), must_text_, sizeof(must_text_));                         \
			ck_abort_msg("%s: %s", #expr, must_text_);                                 \
		}                                                                                  \
	} while (0)

#define WORLD_DAY   ((int64_t)86400)
#define WORLD_START ((int64_t)1767225600) /* 2026-01-01 */
#define WORLD_CHAIN 4

struct w_entry {
	const char *alias;
	enum keystore_entry_kind kind;
	const struct seen_cert *chain[WORLD_CHAIN];
	size_t n;
	bool key_opens, key_matches;
	unsigned warnings;
};
struct w_content {
	struct w_entry *v;
	size_t n, cap;
};
struct w_store {
	const struct want_store *want; /* of the newest desired state; NULL: no longer wanted */
	const char *key, *target, *host, *path;
	enum look_status status; /* LOOK_OK and LOOK_ABSENT follow from `exists` */
	bool dark;               /* status counts instead */
	bool unseen;             /* no row of it in the observation */
	const char *refused;     /* why it could not be written */
	bool exists;
	struct w_content content, loaded;
	unsigned version; /* of the bytes */
	const char *format, *profile;
	int password;
	uint32_t mode;
	const char *owner; /* NULL: root */
	bool fresh_mode;
	struct store_memory sm;
	bool remembered;
};
struct w_endpoint {
	const char *key;
	enum endpoint_status status; /* ENDPOINT_OK follows what is loaded */
	enum proof proof;
	const struct seen_cert *instead;   /* served whatever is loaded */
	const struct seen_cert *behind;    /* served after what is loaded */
	const struct seen_cert *elsewhere; /* by another address of the name; NULL: there is one */
	const struct seen_cert *twin;
};
struct w_config {
	const char *key;
	enum look_status status;
	bool matches;
};
struct w_identity {
	struct identity_memory im;
	struct held *revisions; /* newest first */
	size_t n;
};
struct w_issuer {
	struct issuer_memory im;
	struct ca_generation *gens;
	size_t n;
};

#define W_ROWS(type)                                                                               \
	struct {                                                                                   \
		struct type **v;                                                                   \
		size_t n, cap;                                                                     \
	}

struct world {
	struct arena arena; /* of the fleet */
	struct seen_certs certs;
	struct wall now;
	const struct desired *desired;
	W_ROWS(w_store) stores;
	W_ROWS(w_endpoint) endpoints;
	W_ROWS(w_config) configs;
	W_ROWS(w_identity) identities;
	W_ROWS(w_issuer) issuers;
	struct {
		struct slot_memory *v;
		size_t n, cap;
	} slots;
	struct {
		struct anchor_memory *v;
		size_t n, cap;
	} anchors;
	struct {
		struct suspension *v;
		size_t n, cap;
	} suspensions;
	struct plan_input in; /* options of the next plan */
	struct wants *wants;
	struct observed *observed;
	const struct plan *plan;
	size_t issued; /* certificates, ever */
	/* Called after every action; may look at the world. */
	void (*after)(struct world *w, const struct action *a);
	/* Does this one fail? NULL: none does. */
	bool (*fails)(struct world *w, const struct action *a);
	void *context;
	bool reversed; /* rows of the observation the other way round */
};

void world_init(struct world *w);
void world_free(struct world *w);
/* Commit a desired state; rows for what it wants are made, absent at first. */
void world_desire(struct world *w, const char *yaml);
const struct plan *world_plan(struct world *w);
void world_apply(struct world *w);
/* Plan and apply until no action is left, at most `rounds`; the rounds that were needed. */
unsigned world_settle(struct world *w, unsigned rounds);
void world_pass(struct world *w, int64_t seconds);
/* All that is remembered is gone; the fleet stays. */
void world_forget(struct world *w);
void world_forget_keys(struct world *w); /* identities and deliveries, but the CA's books stay */

struct w_store *world_store(struct world *w, const char *key);
/* A file that the monitor of the identity names; or a pattern, whose entries are paths. */
struct w_store *world_file(struct world *w, const char *identity, const char *path);
struct w_endpoint *world_endpoint(struct world *w, const char *host, int port);
struct w_identity *world_identity(struct world *w, const char *name);
struct w_issuer *world_issuer(struct world *w, const char *name);
struct w_entry *world_entry(struct w_store *s, const char *alias);
struct w_entry *world_entry_add(struct world *w, struct w_store *s, const char *alias,
                                enum keystore_entry_kind kind, const struct seen_cert *cert);
void world_touch(struct w_store *s); /* other bytes */

/* A certificate for `spec` by a generation of an Issuer, or self-signed (issuer NULL). The same
 * call gives the same certificate. */
const struct seen_cert *world_cert(struct world *w, const struct cert_spec *spec,
                                   const struct seen_cert *issuer, struct wall from,
                                   struct wall until);
const struct seen_cert *world_stranger(struct world *w, const char *name);
/* Does what the verifier's software has loaded accept this chain? */
bool world_accepts(struct world *w, const struct w_store *verifier,
                   const struct w_entry *presented);

/* Looking at a plan. */
const struct action *plan_action(const struct plan *p, enum action_kind kind, const char *name,
                                 const char *host);
size_t plan_actions(const struct plan *p, enum action_kind kind);
const struct waiting *plan_waiting(const struct plan *p, const char *what_for);
const struct conflict *plan_conflict(const struct plan *p, const char *code);
const struct drift *plan_drift(const struct plan *p, const char *verdict);
const struct verdict *plan_verdict_of(const struct plan *p, const char *name, const char *host);
/* Position of the action in the plan; SIZE_MAX: not there. */
size_t plan_position(const struct plan *p, const char *id);
