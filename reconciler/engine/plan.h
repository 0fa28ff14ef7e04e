/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan.h - what would be done and why: a pure function of (desired, observed, memory, now).
 *
 * Tables A and B and the safety rules of order of design.md. No I/O, no clock, no randomness: the
 * same input gives the same bytes. Everything is borrowed from the plan's arena and its inputs.
 */
#pragma once

#include "reconciler/engine/want.h"

enum action_kind {
	ACTION_ISSUE,
	ACTION_RENEW,
	ACTION_REKEY,
	ACTION_ADOPT,
	ACTION_PUSH,
	ACTION_CONFIGURE,
	ACTION_ACTIVATE,
	ACTION_VERIFY,
	ACTION_TRUST_ADD,
	ACTION_TRUST_DROP,
	ACTION_RETIRE,
	ACTION_REVOKE,
	ACTION_PUBLISH_CRL,
	ACTION_COUNT,
};
const char *action_word(enum action_kind k); /* "trust-add" */

struct reason {
	const char *row;                        /* of design.md's tables: "A10", "B4" */
	const char *code;                       /* ux.md */
	const char *field, *desired, *observed; /* NULL where there is none */
	const char *message;
};

enum entry_op { ENTRY_KEEP, ENTRY_ADD, ENTRY_REPLACE, ENTRY_REMOVE };
struct entry_change {
	enum entry_op op;
	const char *alias;
	const struct want_entry *want; /* NULL: an entry that nobody wants, kept or removed */
	const struct seen_cert *from;  /* NULL: nothing there, or unreadable */
	const struct seen_cert *to;    /* NULL with op ADD or REPLACE: known after issue */
	int revision; /* key entries and pins: of the identity; 0: the one issued in this plan */
};

struct action {
	const char *id; /* "push:kms-nodes@kms1:/etc/x.jks": stable over plans, unique in one */
	enum action_kind kind;
	enum kind object_kind;
	const char *name, *host, *path; /* host and path NULL where there is none */
	const struct reason *reasons;
	size_t n_reasons;
	const char *const *depends_on; /* ids, sorted */
	size_t n_depends_on;
	bool disruptive;
	struct wall not_before; /* 0: now */
	const char *detail;     /* one line: "RSA 2048, new key, from Issuer/corp-ca" */
	const char *row;        /* table row that led here (of the first reason) */
	bool urgent;

	/* what apply needs; one group is set by kind */
	const struct identity *identity; /* issue, renew, rekey, adopt, revoke */
	const struct issuer_def *issuer; /* of them; or issue of an Issuer itself, publish-crl */
	int issuer_generation;
	bool keep_key; /* renew with the key held */
	int revision;  /* revoke */
	/* push, trust-add, trust-drop, retire; adopt: from where (NULL: from the repository or
	 * imported). An activation or verification is of the whole host: every store of
	 * (target, target_host) is loaded by it. */
	const struct want_store *store;
	const char *adopt_alias;
	const struct entry_change *entries;
	size_t n_entries;
	const uint8_t *expect_sha256;     /* of the store when it was looked at; NULL: absent */
	const struct want_config *config; /* configure */
	const struct target *target;
	const struct host *target_host;
	const struct activate_spec *const *steps; /* activate: those that apply to what changed */
	size_t n_steps;               /* 0: nothing to run, the store counts as loaded */
	uint8_t inputs[SHA256_BYTES]; /* digest of what led here: Held compares it */
};

struct conflict {
	enum kind object_kind;
	const char *row, *name, *host, *code, *message, *hint;
};
struct waiting {
	enum kind object_kind;
	const char *row, *name, *host, *what_for; /* "TrustPending" ... */
	const char *message;
	struct wall until; /* 0: not a matter of time */
};
struct unobserved {
	enum kind object_kind;
	const char *code; /* "KeystoreUnreadable", "Unreachable", "Unknown": not looked at */
	const char *row, *name, *host, *error;
	const char *hint; /* NULL: none */
};
struct drift {
	enum kind object_kind;
	const char *row, *name, *host, *verdict,
		*message; /* ServiceDown, Unverified, NotDesired: reported, not acted on */
};

/* What the observation taught and the state shall keep (no action: nothing in the world changes).
 * Recorded by the engine before it applies. */
enum mark_kind {
	MARK_ANCHOR_LEFT,     /* store_anchor_left(true): its overlap begins now */
	MARK_ANCHOR_RETURNED, /* store_anchor_left(false) */
	MARK_STORE_OWNED,     /* store_owned_by(): whose its files are */
	MARK_SLOT_OURS,       /* store_slots_ours(): found right, the state did not know */
};
struct mark {
	enum mark_kind kind;
	const struct want_store *store;
	const char *alias;               /* folded */
	const struct identity *identity; /* key entries; NULL for trust */
	const struct seen_cert *cert;
	const char *owner, *group; /* of the files; NULL: not learned now */
};

/* Verdict of every identity and endpoint for `status` (ux.md's words). */
struct verdict_parts;
struct verdict {
	enum kind object_kind;
	const char *row, *name, *host;
	const char *word; /* "InSync" */
	const char *message;
	struct wall not_after, renewal;
	int64_t margin_s; /* time left before the last safe start; INT64_MAX: none */
	const char *waits_for;
	/* an identity's: where one of its earlier certificates is served still */
	const struct obs_endpoint *const *old_servers;
	size_t n_old_servers;
	const struct verdict_parts *parts; /* of the files of its monitor; NULL: it has none */
	const char *place;                 /* a part's: "/etc/a.jks, entry web"; else NULL */
	const uint8_t *sha256;             /* a part's, of the certificate; NULL: of none */
};
/* One for every certificate in the files of a monitor, and one for every file that could not be
 * read or is not there. */
struct verdict_parts {
	const struct verdict *v;
	size_t n;
	bool told;  /* the trouble of the whole is the first of theirs */
	bool whole; /* there is nothing to the whole beside them */
};

struct plan {
	struct arena *arena;
	const char *commit;
	struct wall observed_at, made_at;
	const char *state_id;
	const struct wants *wants;
	const struct action *actions; /* in an order that respects depends_on */
	size_t n_actions;
	const struct conflict *conflicts;
	size_t n_conflicts;
	const struct waiting *waitings;
	size_t n_waitings;
	const struct unobserved *unobserved;
	size_t n_unobserved;
	const struct drift *drifts;
	size_t n_drifts;
	const struct verdict *verdicts;
	size_t n_verdicts;
	const struct mark *marks;
	size_t n_marks;
	const struct rename *renames; /* kept by the state before the actions are done */
	size_t n_renames;
	bool in_sync;     /* no action, rename, conflict or waiting */
	struct wall wake; /* the next moment at which the same inputs give another plan; 0: never */
};

struct plan_input {
	const struct desired *desired;
	const struct observed *observed;
	const struct memory *memory;
	const struct wants *wants; /* wants_build(desired, memory) */
	struct wall now;
	const char *selector; /* -l, NULL: all */
	const char *target;   /* --target, NULL: all */
	bool trusted;         /* authority.trusted */
	bool key_release_allow;
	int budget_issue_percent, budget_disrupt_percent,
		budget_retire; /* 0: no budget (a plan by hand) */
	bool source_stale;
	bool no_verdicts;         /* plan.verdicts stays empty */
	struct chain_memo *paths; /* saves work, changes nothing; NULL: none */
};
enum err_code plan_build(const struct plan_input *in, struct arena *arena, const struct plan **ret,
                         struct err *err);

/* When the certificate is due: 2/3 of its life (1/2 at 10 days or less), renewBefore, windows,
 * smear by name; INT64_MAX: never. */
struct wall renewal_time(const struct certificate *c, const char *identity_name,
                         struct wall not_before, struct wall not_after);

/* SHA-256 over the actions as JSON: what a plan file promises. */
void plan_digest(const struct plan *p, uint8_t ret[SHA256_BYTES]);
