/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory.h - what cannot be observed, as a value for diff and plan. Secret-free: keys stay sealed
 * in the store.
 *
 * Loaded whole by memory_load() (store.h) or read from a snapshot; borrowed from its arena.
 */
#pragma once

#include "state/observed.h"

/* How often something failed, and when it may be tried again. */
struct backoff {
	unsigned failures; /* in a row */
	unsigned same;     /* of them: same action, same inputs, same error */
	struct wall last_at, next_at;
	uint8_t inputs[SHA256_BYTES];
	const char *error; /* last sentence */
	bool held;         /* until inputs change or the operator says so */
};

/* One revision of an identity that we hold or held. */
struct held {
	int revision;            /* from 1, rising */
	int issuer_generation;   /* privateCA generation that signed it */
	struct seen_chain chain; /* leaf first, without root */
	/* Of the spec it was made for (spec.h); zero and NULL when adopted. */
	uint8_t request_digest[32];
	const uint8_t *key_digest;
	const char *issuer; /* Issuer name, "" when adopted from elsewhere */
	struct wall issued_at;
	int renew;    /* spec.renew it answers */
	bool has_key; /* sealed here */
	bool revoked;
	bool compromised;
};

/* An issue under way: key sealed, maybe ordered. */
struct pending {
	int revision;
	const char *request_id;
	uint8_t spki_sha256[SHA256_BYTES];
	uint8_t request_digest[32], key_digest[32];
	bool ordered;          /* a handle is kept */
	struct wall next_poll; /* when ordered */
	struct wall since;
};

struct identity_memory {
	const char *name;
	const struct held *revisions; /* newest first; revisions[0] is what table A holds */
	size_t n_revisions;
	const struct pending *pending; /* NULL: none */
	const struct backoff *issue;   /* NULL: it never failed */
	struct wall renew_asked;       /* by `renew NAME`, 0: no */
	struct wall approved_at;       /* by `approve NAME` */
	bool archived;
};

/* A file (or device) we deliver to. */
struct store_memory {
	const char *key; /* store_key() */
	const char *target, *host, *path;
	uint8_t written[SHA256_BYTES]; /* digest of what we wrote last, zero: never */
	struct wall written_at;
	struct wall activated_at; /* when a success of `activate` was recorded */
	const uint8_t *activated; /* digest of the content loaded by it; NULL: none */
	unsigned activations;     /* since written_at, or since the last that was proved */
	int hold_revision; /* `rollback` holds re-push: the revision it went back to, 0: no */
	const struct backoff *push; /* NULL: it never failed */
	/* Of its files since we wrote or adopted them: what holds where the YAML says nothing.
	 * NULL: not known yet. */
	const char *owner, *group;
};

/* A slot (store, alias) is ours when it is listed here. */
struct slot_memory {
	const char *store_key, *alias; /* folded */
	const char *identity;          /* key entries; NULL for trust */
	const uint8_t *sha256;         /* leaf or anchor we put there last */
};

/* An anchor or pin we put into a store. */
struct anchor_memory {
	const char *store_key;
	const struct seen_cert *cert;
	const char *alias;
	struct wall first_at;
	struct wall left_at; /* no longer desired since; 0: still desired */
};

struct ca_generation {
	int generation;
	const struct seen_cert *cert; /* NULL: a CA elsewhere has not certified it yet */
	bool has_key;
	struct wall created_at;
	uint8_t request_spki[SHA256_BYTES]; /* of the request to a CA elsewhere; zero: none */
};
struct issuer_memory {
	const char *name;
	const struct ca_generation *generations; /* rising */
	size_t n_generations;
	uint64_t crl_number; /* newest published, 0: none */
	struct wall crl_next_update;
	struct wall crl_this_update; /* when it was made; it is stale when that is before */
	struct wall last_revocation; /* the last time something was revoked */
	struct backoff make;         /* of the newest generation */
};

struct suspension {
	const char *kind, *name; /* "Target", "web"; name may be NAME@HOST */
	const char *reason;
	struct wall until;
};

/* Anchors that are not in the commit. */
struct source_memory {
	const char *name; /* "system" or "url/SHA256" */
	struct seen_chain certs;
	const char *error; /* why they are not known; NULL: they are */
};

/* A CRL that is not in the commit: of an Issuer of ours, or fetched, as it was had last. */
struct crl_memory {
	const char *name; /* "issuer/NAME" or "crl/URL" */
	struct bytes data;
	const char *error; /* why there is none; NULL: there is */
};

/* A pair that `import` sealed. */
struct imported_memory {
	const char *name;
	struct seen_chain chain; /* leaf first, without root */
	struct wall imported_at;
};

struct rename;
struct memory {
	struct arena *arena;
	const char *state_id;
	struct wall newest_journal; /* newest entry written: time before it means a wrong clock */
	struct seen_certs *certs;   /* shared with the observation of the same pass */
	/* all sorted by name / key */
	const struct identity_memory *identities;
	size_t n_identities;
	const struct store_memory *stores;
	size_t n_stores;
	const struct slot_memory *slots;
	size_t n_slots;
	const struct anchor_memory *anchors;
	size_t n_anchors;
	const struct issuer_memory *issuers;
	size_t n_issuers;
	const struct suspension *suspensions;
	size_t n_suspensions;
	const struct imported_memory *imported;
	size_t n_imported;
	const struct source_memory *sources; /* in no order; few */
	size_t n_sources;
	const struct crl_memory *crls; /* as well */
	size_t n_crls;
	/* What has another name in these rows than in the store, where it is not renamed yet; and
	 * what cannot be, because both names hold something. */
	const struct rename *renames, *clashes;
	size_t n_renames, n_clashes;
};
const struct identity_memory *memory_identity(const struct memory *m, const char *name);
const struct store_memory *memory_store(const struct memory *m, const char *key);
const struct slot_memory *memory_slot(const struct memory *m, const char *store_key,
                                      const char *folded_alias);
const struct issuer_memory *memory_issuer(const struct memory *m, const char *name);
const struct imported_memory *memory_imported(const struct memory *m, const char *name);
/* NULL: not asked for. */
const struct source_memory *memory_source(const struct memory *m, const char *name);
/* An empty one (no state yet). */
enum err_code memory_empty(struct arena *arena, struct seen_certs *certs, struct memory **ret,
                           struct err *err);
/* Make the rows findable, once they are complete: sorts what is not sorted. */
enum err_code memory_index(struct memory *m, struct err *err);
void memory_release(struct memory *m); /* nothing beside the arena, today; accepts NULL */
