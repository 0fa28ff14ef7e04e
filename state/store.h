/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store.h - what must not be lost: SQLite in one directory (0700), WAL, synchronous=FULL,
 * migrations by user_version.
 *
 * One reconciler at a time holds the lock (STORE_RECONCILER); operator verbs write request rows
 * beside it in short transactions. Every function is durable when it returns ERR_OK. SQL stands in
 * state/ only. Private keys are sealed (seal.h) before they reach SQLite, with the row's identity
 * as associated data.
 */
#pragma once

#include "providers/private_ca.h"
#include "reconciler/base/clock.h"
#include "state/memory.h"
#include "state/rename.h"

struct store;

enum store_mode {
	STORE_READ,       /* nothing is written; the database must exist */
	STORE_OPERATOR,   /* beside a running reconciler: requests, suspensions, observations,
	                     generated secrets, memos */
	STORE_RECONCILER, /* the lock; ERR_CONFLICT names the pid that has it */
};
/* The master key from elsewhere: a systemd credential, a program. Asked when it is needed. */
struct master_source {
	/* 32 octets or 64 hexadecimal digits; space at the end is passed over. */
	enum err_code (*get)(struct master_source *m, struct secret *ret, struct err *err);
};
struct store_options {
	const char *dir;                     /* made (0700) when missing, but in STORE_READ */
	const char *master_key;              /* file outside dir; made (0600) on first use, told by
	                                        store_made_master_key() */
	struct master_source *master_source; /* instead of the file; outlives the store */
	enum store_mode mode;
	const struct clock *clock;
};
enum err_code store_open(const struct store_options *opt, struct store **ret, struct err *err);
void store_close(struct store *s);
bool store_made_master_key(const struct store *s);
const char *store_id(const struct store *s); /* 16 hex digits, made once */

enum err_code memory_load(struct store *s, struct arena *arena, struct seen_certs *certs,
                          struct memory **ret, struct err *err);

struct new_key {
	const char *identity;
	const char *request_id;
	const struct secret *pkcs8;
	struct bytes csr; /* kept for re-submission */
	uint8_t spki_sha256[SHA256_BYTES];
	struct spec_digest digest;
	const char *issuer;
	int issuer_generation;
	int renew;
};
/* A pending revision (replacing an earlier pending one, whose key is archived). */
enum err_code store_identity_begin(struct store *s, const struct new_key *k, int *ret_revision,
                                   struct err *err);
enum err_code store_identity_csr(struct store *s, const char *identity, struct buf *ret_csr,
                                 struct buf *ret_handle, struct err *err);
enum err_code store_identity_ordered(struct store *s, const char *identity, struct bytes handle,
                                     struct wall next_poll, struct err *err);
/* The pending revision has its certificate: it becomes revisions[0]; request rows it answers are
 * done. */
enum err_code store_identity_issued(struct store *s, const char *identity, struct chain chain,
                                    struct err *err);
struct adoption {
	const char *identity;
	struct chain chain;
	const struct secret *pkcs8; /* NULL: certificate only */
	const char *issuer;         /* "": from elsewhere */
	int issuer_generation;
	int renew;
};
/* Take over a pair as it is: becomes revisions[0]. */
enum err_code store_identity_adopt(struct store *s, const struct adoption *a, int *ret_revision,
                                   struct err *err);
/* A pair from a file, sealed under a name of its own until spec.adopt names it. Again with the same
 * pair changes nothing (*ret_written false). ERR_CONFLICT: the name holds another pair and
 * `replace` is not set. The key must belong to the leaf; that is for the caller to see. */
struct imported_pair {
	const char *name;
	struct chain chain;
	const struct secret *pkcs8;
	bool replace;
};
enum err_code store_import(struct store *s, const struct imported_pair *p, bool *ret_written,
                           struct err *err);
/* ERR_NOT_FOUND: nothing was imported under that name; ERR_DENIED: does not unseal. */
enum err_code store_imported_key(struct store *s, const char *name, struct secret *ret_pkcs8,
                                 struct err *err);
/* The pair and its key go; revisions that adopted it stay. ERR_NOT_FOUND: as above. */
enum err_code store_imported_forget(struct store *s, const char *name, struct err *err);
/* ERR_NOT_FOUND: no such revision or no key; ERR_DENIED: does not unseal. */
enum err_code store_identity_key(struct store *s, const char *identity, int revision,
                                 struct secret *ret_pkcs8, struct err *err);
enum err_code store_identity_revoked(struct store *s, const char *identity, int revision,
                                     bool compromised, struct err *err);
enum err_code store_identity_archive(struct store *s, const char *identity, struct err *err);

/* Rows of these objects go on under their new names, all of them or none; what is not there is no
 * failure, so that twice is once. ERR_CONFLICT: a new name holds something already. */
enum err_code store_rename(struct store *s, const struct rename *v, size_t n, struct err *err);

struct slot_write {
	const char *alias;    /* folded */
	const char *identity; /* NULL: trust */
	uint8_t sha256[SHA256_BYTES];
	struct bytes anchor_der; /* trust: the certificate, kept for retiring */
};
struct store_write {
	const char *target, *host, *path;
	uint8_t sha256[SHA256_BYTES]; /* of what was written */
	const char *owner, *group;    /* given to it; NULL: the writer's own, or not looked at */
	const struct slot_write *slots;
	size_t n_slots;
};
/* We wrote these bytes there; `slots` are all entries of ours in it now (others of this store are
 * forgotten). */
enum err_code store_written(struct store *s, const struct store_write *w, struct err *err);
/* These slots are ours, too: found right, not written (after a lost state). sha256 is not looked
 * at. */
enum err_code store_slots_ours(struct store *s, const struct store_write *w, struct err *err);
/* An activation of the host succeeded (or was tried: success false counts it only). Applies to the
 * store's present content. */
enum err_code store_activated(struct store *s, const char *key, const uint8_t sha256[SHA256_BYTES],
                              bool success, struct err *err);
/* What was activated proved itself: activations without effect are counted from here again. */
enum err_code store_activation_proved(struct store *s, const char *key, struct err *err);
/* Whose the files of a store of ours were found to be; kept until the next write. */
enum err_code store_owned_by(struct store *s, const char *key, const char *owner, const char *group,
                             struct err *err);
enum err_code store_anchor_left(struct store *s, const char *store_key,
                                const uint8_t sha256[SHA256_BYTES], bool left, struct err *err);
enum err_code store_hold(struct store *s, const char *key, int revision, struct err *err);

/* Back-off: `what` is "issue:IDENTITY", "issuer:ISSUER" or "push:STORE_KEY". */
enum err_code store_failed(struct store *s, const char *what, const struct backoff *b,
                           struct err *err);
enum err_code store_succeeded(struct store *s, const char *what, struct err *err);

struct journal_entry {
	int64_t seq;
	struct wall at;
	const char *pass, *action, *detail; /* action id; detail: one line for people */
	bool done;
	enum err_code outcome; /* when done */
	const char *error;
};
enum err_code journal_intent(struct store *s, const char *pass, const char *action,
                             const char *detail, int64_t *ret_seq, struct err *err);
enum err_code journal_outcome(struct store *s, int64_t seq, enum err_code outcome,
                              const char *error, struct err *err);
/* Newest first. */
enum err_code journal_recent(struct store *s, size_t limit, struct arena *arena,
                             struct journal_entry **ret, size_t *ret_n, struct err *err);
/* Intents without an outcome: what a crash interrupted. */
enum err_code journal_open_intents(struct store *s, struct arena *arena, struct journal_entry **ret,
                                   size_t *ret_n, struct err *err);

/* Requests of the operator. */
/* verb: renew, approve, revoke, push, rollback, suspend, resume; `args` is a JSON object. The
 * reconciler takes them in order. */
struct request_row {
	int64_t id;
	struct wall at;
	const char *verb, *name, *args;
	struct wall done_at; /* 0: not taken yet */
	const char *result;  /* what came of it; "" until then */
};
enum err_code store_request_add(struct store *s, const char *verb, const char *name,
                                const char *args, struct err *err);
enum err_code store_requests_open(struct store *s, struct arena *arena, struct request_row **ret,
                                  size_t *ret_n, struct err *err);
/* Newest first, taken or not. */
enum err_code store_requests_recent(struct store *s, size_t limit, struct arena *arena,
                                    struct request_row **ret, size_t *ret_n, struct err *err);
enum err_code store_request_done(struct store *s, int64_t id, const char *result, struct err *err);
/* Suspensions are effective at once: `name` NULL with resume lifts all. */
enum err_code store_suspend(struct store *s, const struct suspension *x, struct err *err);
enum err_code store_resume(struct store *s, const char *kind, const char *name, struct err *err);
enum err_code store_renew_asked(struct store *s, const char *identity, struct err *err);
enum err_code store_approve(struct store *s, const char *identity, struct err *err);
/* Forget failures and holds of a store or identity. */
enum err_code store_release(struct store *s, const char *what, struct err *err);

/* Observations, snapshots, secrets, memo. */
/* The last look, replaced row by row; changes of status or fingerprint go to the history. */
enum err_code store_observed_save(struct store *s, const struct observed *o, struct err *err);
/* Texts that are in memory already, and need not be there twice. */
struct known_texts {
	const struct memory *memory; /* NULL: none */
	/* The caller's own text of the key, or NULL. May be NULL itself. */
	const char *(*endpoint_key)(struct known_texts *known, const char *key);
};
enum err_code store_observed_load(struct store *s, struct arena *arena, struct seen_certs *certs,
                                  struct known_texts *known, struct observed **ret,
                                  struct err *err);
enum observed_what { OBSERVED_STORE, OBSERVED_ENDPOINT, OBSERVED_CONFIG };
struct observed_change {
	struct wall at;
	const char *key;    /* as in observed.h */
	const char *status; /* "ok", "absent" ... */
	bool content_only;  /* the status is that of the change before */
};
/* Changes seen at one key, newest first, appended to `ret`. */
struct observed_changes {
	struct observed_change *v;
	size_t n, cap;
};
enum err_code store_history(struct store *s, enum observed_what what, const char *key, size_t limit,
                            struct arena *arena, struct observed_changes *ret, struct err *err);
enum err_code store_accepted_set(struct store *s, const char *repo_id, const char *commit,
                                 struct err *err);
/* "" when none was accepted yet. */
enum err_code store_accepted_get(struct store *s, const char *repo_id, char ret[41],
                                 struct err *err);
/* {generated: ...}: make is used (and sealed) when absent. */
enum err_code store_generated(struct store *s, const char *name, int length, struct secret *ret,
                              struct err *err);
/* Was it made already? */
enum err_code store_generated_exists(struct store *s, const char *name, bool *ret, struct err *err);
/* A memo of derived text, valid while `inputs` stays the same and until `until`: no-op plans. */
enum err_code store_memo_get(struct store *s, const char *name, const uint8_t inputs[SHA256_BYTES],
                             struct buf *ret, bool *ret_found, struct err *err);
enum err_code store_memo_put(struct store *s, const char *name, const uint8_t inputs[SHA256_BYTES],
                             struct wall until, struct bytes value, struct err *err);
/* Changes with every write to anything that a plan reads (identities, stores, slots, anchors,
 * issuers, back-offs, suspensions, requests, observations). */
enum err_code store_revision(struct store *s, int64_t *ret, struct err *err);

/* The books of the private CA. */
struct ca_books *store_ca_books(struct store *s); /* borrowed, lives as long as the store */
/* The request (PKCS#10, DER, appended) of a CA that a CA elsewhere certifies. ERR_NOT_FOUND: none.
 */
enum err_code store_ca_csr(struct store *s, const char *issuer, int generation, struct buf *out,
                           struct err *err);
/* The newest CRL published, DER, appended. ERR_NOT_FOUND: none yet. */
enum err_code store_crl(struct store *s, const char *issuer, struct buf *out, struct err *err);

/* Re-wrap the data key under a new master key file and re-seal every row; all or nothing. */
/* Does the master key open what is sealed? ERR_OK when nothing is sealed yet. */
enum err_code store_keys_check(struct store *s, struct err *err);
enum err_code store_rekey(struct store *s, const char *new_master_key, struct err *err);
