/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * planner.h - one plan in the making: what the plan*.c files share.
 *
 * Filled in stages, each reading only what earlier ones wrote: rows of the world laid side by side
 * (plan_rows.c), issuers, identities (table A), stores (table B), hosts (order), what is left over.
 * All memory is the plan's arena; running out is noticed once, at the end, by arena_failed().
 */
#pragma once

#include "reconciler/base/str.h"
#include "reconciler/engine/diff.h"
#include "reconciler/engine/plan.h"
#include "reconciler/pki/judge.h"

struct planner;
struct rollout_state;
struct store_plan;
struct unit_plan;
struct id_plan;

enum stage {
	STAGE_ISSUER,
	STAGE_IDENTITY,
	STAGE_CRL,
	STAGE_TRUST,    /* hosts where only trust changes */
	STAGE_DELIVERY, /* hosts that get an identity */
	STAGE_LAST,     /* what is taken away */
};
struct drafts {
	struct draft **v;
	size_t n, cap;
};
struct reasons {
	struct reason *v;
	size_t n, cap;
};
/* An action that may still be given up. */
struct draft {
	struct action a;
	enum stage stage;
	bool dropped;
	struct reasons reasons;
	struct drafts deps;
};

/* A key entry of a store. */
struct slot {
	struct store_plan *sp;
	const struct want_entry *we;
	const struct obs_entry *oe; /* NULL: none there */
	struct id_plan *id;
	struct slot *next; /* of the same identity */
	const struct slot_memory *sm;
	enum stored stored;
	bool first; /* nothing of ours is replaced */
};
struct pin_ref {
	struct store_plan *sp;
	struct pin_ref *next;
};
struct endpoint_ref {
	const struct want_endpoint *we;
	const struct obs_endpoint *oe; /* NULL: not looked at */
	struct endpoint_ref *next, *next_of_identity;
};

/* What is suspended: why, and until when (0: until somebody says so). */
struct halt {
	const char *why;
	struct wall until;
};

struct id_plan {
	const struct identity *id;
	const struct identity_memory *mem; /* NULL */
	const struct held *cur;            /* NULL: nothing held */
	struct slot *slots;
	struct pin_ref *pins;
	struct endpoint_ref *endpoints;
	struct draft *draft; /* issue, renew, rekey or adopt planned now */
	const struct issuer_def *issuer;
	int generation;
	bool adopting; /* draft is an adoption: slots are the next pass's */
	bool usable;   /* what is held may be delivered */
	bool urgent, selected;
	const struct halt *suspended; /* NULL: not */
	bool braked;                  /* counts against the budget of issues */
	struct wall due;
	struct wall ends; /* monitored: the first that was seen; 0: none was */
	const char *row, *word, *message, *waits_for; /* verdict so far */
	const struct verdict_parts *parts;            /* of its files; NULL: none */
};

struct issuer_plan {
	const struct issuer_def *def;
	const struct issuer_memory *mem;
	int active; /* generation to issue from; 0: none */
	int wanted;
	const struct seen_cert **anchors; /* per generation of the memory; found on demand */
	bool lost, blocked, done, visiting;
	bool preparing; /* the wanted generation waits for its verifiers */
	struct draft *draft;
};

struct entry_changes {
	struct entry_change *v;
	size_t n, cap;
};
/* Nearly every store of a fleet is in order and has none. */
struct store_work {
	struct reasons reasons;
	struct drafts deps;
	/* What must wait for an issue of this plan: written with the rest when nothing is there
	 * yet, else in a write of its own, so that a failing issuer never holds up trust or repair.
	 */
	struct entry_changes later;
	struct reasons later_reasons;
	struct drafts later_deps;
	struct reason activate; /* code NULL: no activation of its own */
	uint8_t inputs[SHA256_BYTES];
};
struct store_plan {
	const struct want_store *ws;
	const struct obs_store *os;    /* NULL: not looked at */
	const struct store_memory *sm; /* NULL */
	struct unit_plan *unit;
	struct slot *slots;
	/* While it is planned, a list that all stores use one after the other. */
	struct entry_changes *changes;
	struct store_work *work; /* NULL: none; work_of() and work_for() */
	struct draft *draft;
	uint32_t n_slots;
	bool readable, absent;
	bool write;
	bool identity_changes, identity_first, trust_adds, drops, retires;
	bool reload;     /* the software must load what is written */
	bool incomplete; /* absent, and a key entry cannot be had yet */
	bool need_load;  /* others wait for it to be loaded */
	bool converts;   /* of another format than the wanted one */
};

/* The verdict so far. In a fleet nearly all say the same, and share it. */
struct said {
	const char *row, *word, *message;
};
/* Of a host where something changes. */
struct unit_work {
	struct drafts first, last;   /* what others wait for, and what waits */
	struct rollout_state *state; /* of its Target; on the Target's first unit only */
};
struct unit_plan {
	const struct target *target;
	const struct host *host;
	struct endpoint_ref *endpoints;
	const struct halt *suspended; /* NULL: not */
	const char *waits_for;
	const struct said *said;          /* NULL: nothing yet */
	struct unit_work *work;           /* NULL: none; unit_work_of() and unit_work_for() */
	uint32_t first_store, n_stores;   /* in planner.stores */
	uint32_t first_config, n_configs; /* in wants->configs */
	uint32_t rank;                    /* within its Target's rollout */
	bool selected, urgent, down, failing;
	bool configures; /* an edit of its own is due */
	enum stage stage;
};

enum answer { ANSWER_NO, ANSWER_YES, ANSWER_UNKNOWN };
struct blocker {
	struct store_plan *sp;
	struct blocker *next;
};
/* What is known about one certificate as an anchor or pin. */
struct anchor_plan {
	const struct seen_cert *cert;
	size_t verifiers;
	struct blocker *blockers; /* stores that want it and do not hold and load it */
	bool presented_known;
	enum answer presented;
	const char *who;
	const struct cert *parsed;
	bool parse_tried;
};

#define PLANNER_ROWS(type)                                                                         \
	struct {                                                                                   \
		struct type *v;                                                                    \
		size_t n, cap;                                                                     \
	}

struct planner {
	const struct plan_input *in;
	struct arena *a;
	struct arena scratch; /* specs of identities, thrown away now and then */
	const struct wants *w;
	struct wall now;
	struct id_plan *ids;         /* as desired->identities */
	struct issuer_plan *issuers; /* as desired->issuers */
	struct store_plan *stores;   /* as wants->stores */
	struct unit_plan *units;     /* targets x hosts */
	size_t n_units;
	size_t *first_unit;   /* of desired->targets */
	struct map anchors;   /* fingerprint to struct anchor_plan */
	struct map revisions; /* leaf fingerprint to struct revision_ref; filled on demand */
	bool revisions_ready;
	struct map parsed_sets; /* struct ca_set to its anchors; filled on demand */
	struct known_crls crls; /* filled on demand */
	bool crls_ready;
	struct drafts drafts;
	PLANNER_ROWS(conflict) conflicts;
	PLANNER_ROWS(waiting) waitings;
	PLANNER_ROWS(unobserved) unobserved;
	PLANNER_ROWS(drift) drifts;
	PLANNER_ROWS(verdict) verdicts;
	PLANNER_ROWS(mark) marks;
	struct wall wake;
	struct entry_changes changes, no_changes; /* of the store in hand; of all that have none */
	const struct said *said;                  /* last, by anybody */
	struct store_work no_work;     /* what work_for() gives when memory has run out ... */
	struct unit_work no_unit_work; /* ... and unit_work_for() */
	struct err *err;
	enum err_code rc; /* first failure */
};

/* plan_report.c: drafts and rows */
struct draft *draft_new(struct planner *p, enum action_kind kind, enum stage stage,
                        enum kind object_kind, const char *name);
void draft_depends(struct planner *p, struct draft *d, struct draft *on);
void reason_add(struct planner *p, struct reasons *r, const struct reason *reason);
/* A text that a decision hangs on: when it is not whole, there is no plan. */
void plan_check_buf(struct planner *p, const struct buf *b);
void report_conflict(struct planner *p, const struct conflict *c);
void report_waiting(struct planner *p, const struct waiting *w);
void report_unobserved(struct planner *p, const struct unobserved *u);
void report_drift(struct planner *p, const struct drift *d);
void report_mark(struct planner *p, const struct mark *m);
void wake_at(struct planner *p, struct wall t); /* moments past do not count */
const char *say(struct planner *p, const char *fmt, ...) ATTR_PRINTF(2, 3);
const char *say_when(struct planner *p, struct wall t);              /* "in 3d" */
const char *say_cert(struct planner *p, const struct seen_cert *c);  /* "3f:9a...c1" or "nothing" */
const char *unit_name(struct planner *p, const struct unit_plan *u); /* "web@h1" */

/* plan_rows.c: the world side by side */
enum err_code planner_rows(struct planner *p, struct err *err);
struct id_plan *plan_of_identity(const struct planner *p, const struct identity *id);
struct issuer_plan *plan_of_issuer(const struct planner *p, const char *name);
struct unit_plan *plan_of_unit(const struct planner *p, const struct target *t,
                               const struct host *h);
/* By the repository, or by the memory's suspension that covers it now; NULL: it is not. Notes when
 * it ends. */
const struct halt *suspended(struct planner *p, const struct object *o, const char *host);
/* The same of something that depends on it: "Keystore app: reason". Of NULL it is NULL. */
const struct halt *suspended_by(struct planner *p, const struct object *o, const struct halt *h);
/* Does the back-off hold this action now? Says so in a waiting row. */
bool held_back(struct planner *p, const struct backoff *b, const uint8_t inputs[SHA256_BYTES],
               struct waiting w);

/* plan_issuer.c */
void plan_issuers(struct planner *p);
/* After trust is known: which generation issues now. */
void plan_generations(struct planner *p);
void plan_crls(struct planner *p);
const struct ca_generation *generation_of(const struct issuer_plan *ip, int generation);
/* The root that a generation's chains end in; NULL: not known. */
const struct seen_cert *anchor_of(struct planner *p, const char *issuer, int generation);

/* plan_identity.c: table A */
void plan_identities(struct planner *p);
/* plan_facts.c */
void identity_facts_gather(struct planner *p, struct id_plan *ip, struct identity_facts *ret,
                           const char **ret_field, struct spec_digest *ret_digest);
const struct slot *adoption_slot(struct planner *p, struct id_plan *ip, enum adopt_look *ret);
/* What its adopt.imported means; NULL: nothing was imported under that name. */
const struct imported_memory *imported_of(struct planner *p, const struct identity *id);

/* plan_trust.c: who verifies whom */
void trust_index(struct planner *p);
struct anchor_plan *anchor_plan_of(struct planner *p, const struct seen_cert *c);
bool store_holds(const struct store_plan *sp, const struct seen_cert *c);
bool store_loaded(const struct store_plan *sp);
/* Why it could not be written, seen beforehand; NULL: nothing is known against it. */
const char *store_refuses(const struct store_plan *sp);
/* What an identity would present instead of what is there. */
struct change_of_face {
	struct id_plan *id;
	const struct seen_cert *leaf;       /* NULL: known after issue */
	const struct seen_cert *anchor;     /* NULL: not known */
	const struct seen_cert *old_anchor; /* NULL: not known */
	const struct seen_cert *old_leaf;   /* NULL: not known */
	const struct store_plan *where;     /* NULL: asked for no store in particular */
	bool urgent;
};
/* NULL when everyone who verifies it would accept it; else who does not, as a sentence. Whoever is
 * in the way of something urgent becomes urgent; whoever only has to load gets need_load. */
const char *trust_in_the_way(struct planner *p, const struct change_of_face *c);
/* Is anybody observed, or possibly, presenting a chain to it? */
enum answer presented(struct planner *p, const struct want_entry *e, const char **ret_who);
const struct held *held_by_leaf(struct planner *p, const struct seen_cert *leaf,
                                struct id_plan **ret_id);

/* plan_store.c: table B */
void plan_stores(struct planner *p);
/* To be read, and to be added to. */
const struct store_work *work_of(const struct store_plan *sp);
struct store_work *work_for(struct planner *p, struct store_plan *sp);
void plan_store_trust(struct planner *p, struct store_plan *sp);          /* plan_store_trust.c */
void plan_store_facts(struct planner *p, struct store_plan *sp);          /* plan_store_facts.c */
void plan_store_undesired(struct planner *p, struct store_plan *sp);      /* plan_leftover.c */
void plan_slot(struct planner *p, struct store_plan *sp, struct slot *s); /* plan_slot.c */
/* What the product made for itself, where its Profile says that it does. `t` may be NULL. */
bool is_factory(const struct target *t, const struct seen_cert *leaf);
enum stored slot_stored(struct planner *p, struct slot *s);
const struct held *slot_revision(const struct id_plan *ip, const struct seen_cert *leaf);
/* plan_deliver.c */
void slot_waits(struct planner *p, struct slot *s, const char *row, const char *what_for,
                const char *message, struct wall until);
void slot_reason(struct planner *p, struct slot *s, const struct slot_decision *d,
                 const struct held *next);
void slot_keep(struct planner *p, struct slot *s, bool ours);
void slot_monitored(struct planner *p, struct slot *s);
/* `next` NULL: the one issued in this plan. */
void slot_deliver_revision(struct planner *p, struct slot *s, const struct slot_decision *d,
                           const struct held *next);
void slot_deliver(struct planner *p, struct slot *s, const struct slot_decision *d);
const struct seen_cert *slot_leaf(const struct slot *s);
enum served endpoint_served(struct planner *p, const struct endpoint_ref *e,
                            const struct id_plan *ip);
/* `on`: the issue that the change waits for; NULL: none. */
struct entry_change *change_add(struct planner *p, struct store_plan *sp, enum entry_op op,
                                const struct want_entry *we, const struct obs_entry *oe,
                                struct draft *on);
void store_word(struct planner *p, struct store_plan *sp, const char *row, const char *word,
                const char *message);

/* plan_unit.c, plan_rollout.c: hosts */
void plan_units(struct planner *p);
/* To be read, and to be added to. */
const struct unit_work *unit_work_of(const struct unit_plan *u);
struct unit_work *unit_work_for(struct planner *p, struct unit_plan *u);
void unit_emit(struct planner *p, struct unit_plan *u);
/* Does anything of the unit change now, past the gates of suspension, back-off and windows? */
bool unit_ready(struct planner *p, struct unit_plan *u);
bool unit_activates(const struct planner *p, const struct unit_plan *u);
/* As its Keystore is. */
const struct halt *store_suspended(struct planner *p, const struct store_plan *sp);
void plan_urgency(struct planner *p);

void plan_leftovers(struct planner *p); /* plan_leftover.c: A12, B17 */
void plan_verdicts(struct planner *p);  /* plan_verdict.c */
/* A chain, and what a monitor says of it. */
struct monitored {
	const struct monitor_spec *monitor;
	const char *host;         /* asked for; NULL: no name */
	const struct ca_set *set; /* NULL: the monitor's */
	struct seen_chain chain;
	bool expected; /* the one that the monitor's fingerprint is about */
	bool any_use;  /* not a server's: `expect` is not about it at all */
};
const char *judge_monitored(struct planner *p, const struct monitored *m, const char **ret_text);
void ends_with(struct id_plan *ip, const struct seen_cert *leaf); /* it ends then, or before */
void plan_files(struct planner *p);                               /* plan_files.c */
