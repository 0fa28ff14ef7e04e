/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * operator.c - deliveries by hand: a small plan of our own making, applied like any other, so that
 * journal, backup, proof and rollback are the same.
 */
#include <stdio.h>

#include "reconciler/base/json.h"
#include "reconciler/base/str.h"
#include "reconciler/engine/issuing.h"
#include "reconciler/engine/looking.h"
#include "reconciler/engine/rename.h"
#include "reconciler/engine/run.h"

struct by_hand {
	struct engine *engine;
	struct pass *pass;
	const char *target, *host; /* host NULL: all */
	const uint8_t *to;         /* rollback to this leaf; NULL: the revision before */
	bool back, activate_only;
	struct {
		const char **v;
		size_t n, cap;
	} left; /* identities that rollback leaves: they have no such revision */
};

static const struct held *revision_there(const struct identity_memory *im,
                                         const struct obs_entry *stored)
{
	for (size_t i = 0; stored != NULL && stored->chain.n > 0 && i < im->n_revisions; i++) {
		if (im->revisions[i].chain.v[0] == stored->chain.v[0]) {
			return &im->revisions[i];
		}
	}
	return NULL;
}

static const struct held *revision_before(const struct by_hand *b, const struct identity_memory *im,
                                          const struct obs_entry *stored)
{
	const struct held *there = revision_there(im, stored);
	const struct held *now = there == NULL ? &im->revisions[0] : there;
	bool passed = false;

	for (size_t i = 0; i < im->n_revisions; i++) {
		const struct held *h = &im->revisions[i];
		if (b->to != NULL) {
			if (memcmp(h->chain.v[0]->sha256, b->to, SHA256_BYTES) == 0) {
				return h;
			}
			continue;
		}
		if (passed) {
			return h;
		}
		passed = h == now;
	}
	return NULL;
}

static enum err_code check_return(const struct by_hand *b, const struct identity *id,
                                  const struct held *h, struct err *err)
{
	const struct clock *clock = b->engine->clock;

	if (h->revoked || h->compromised) {
		(void)err_set(err, ERR_REFUSED, "Certificate %s revision %d was revoked", id->name,
		              h->revision);
	} else if (h->chain.v[0]->not_after.s <= clock->wall(clock).s) {
		(void)err_set(err, ERR_REFUSED, "Certificate %s revision %d has expired", id->name,
		              h->revision);
	} else {
		return ERR_OK;
	}
	return err_hint(err, "such a one is never put back; --to FINGERPRINT says which one is to "
	                     "come back, and every other Certificate is left as it is");
}

/* Of an identity without the revision asked for there is nothing to undo: what lies there stays,
 * and does not become ours by it. */
static enum err_code leave(struct by_hand *b, const struct want_entry *w,
                           const struct identity_memory *im, const struct obs_entry *stored,
                           struct entry_change *ret, struct err *err)
{
	ret->op = ENTRY_KEEP;
	ret->want = im == NULL || revision_there(im, stored) == NULL ? NULL : w;
	for (size_t i = 0; i < b->left.n; i++) {
		if (str_equal(b->left.v[i], w->identity->name)) {
			return ERR_OK;
		}
	}
	const char **name = ARENA_PUSH(&b->pass->arena, &b->left);
	if (name == NULL) {
		return err_nomem(err);
	}
	*name = w->identity->name;
	return ERR_OK;
}

static const struct obs_entry *stored_entry(const struct obs_store *o, const struct want_entry *w)
{
	for (size_t i = 0; o != NULL && i < o->n_entries; i++) {
		if (str_equal(o->entries[i].folded, w->folded) ||
		    (w->folded[0] == '\0' && o->entries[i].kind == KS_KEY)) {
			return &o->entries[i];
		}
	}
	return NULL;
}

static enum err_code change_of(struct by_hand *b, const struct obs_store *o,
                               const struct want_entry *w, struct entry_change *ret,
                               struct err *err)
{
	const struct obs_entry *stored = stored_entry(o, w);
	const struct identity_memory *im;
	const struct held *h;

	*ret = (struct entry_change){
		.op = ENTRY_REPLACE,
		.alias = w->alias,
		.want = w,
		.from = stored != NULL && stored->chain.n > 0 ? stored->chain.v[0] : NULL,
		.to = w->anchor,
	};
	if (w->source != ENTRY_CERTIFICATE) {
		ret->op = ret->from == w->anchor ? ENTRY_KEEP : ENTRY_REPLACE;
		return ERR_OK;
	}
	im = memory_identity(b->pass->memory, w->identity->name);
	h = im == NULL || im->n_revisions == 0 ? NULL : &im->revisions[0];
	if (h != NULL && b->back) {
		h = revision_before(b, im, stored);
	}
	if (h == NULL) {
		return b->back ? leave(b, w, im, stored, ret, err)
		               : err_set(err, ERR_NOT_FOUND,
		                         "Certificate %s has nothing to deliver yet",
		                         w->identity->name);
	}
	enum err_code rc = b->back ? check_return(b, w->identity, h, err) : ERR_OK;
	if (rc != ERR_OK) {
		return rc;
	}
	ret->revision = h->revision;
	ret->to = h->chain.v[0];
	return ERR_OK;
}

static enum err_code push_action(struct by_hand *b, const struct want_store *s, struct action *a,
                                 struct err *err)
{
	struct arena *arena = &b->pass->arena;
	const struct obs_store *o = observed_store(b->pass->observed, s->key);
	struct entry_change *changes = ARENA_ARRAY(arena, struct entry_change, s->n_entries + 1);

	if (changes == NULL) {
		return err_nomem(err);
	}
	*a = (struct action){
		.id = arena_printf(arena, "push:%s", s->key),
		.kind = ACTION_PUSH,
		.object_kind = KIND_TARGET,
		.name = s->target->o.name,
		.host = s->host->name,
		.path = s->path,
		.detail = b->back ? "rollback by hand" : "push by hand",
		.store = s,
		.target = s->target,
		.target_host = s->host,
		.entries = changes,
		.n_entries = s->n_entries,
		.expect_sha256 =
			o == NULL || o->status == LOOK_ABSENT ? NULL : digest_or_zeroes(o->sha256),
	};
	for (size_t i = 0; i < s->n_entries; i++) {
		enum err_code rc = change_of(b, o, &s->entries[i], &changes[i], err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return arena_failed(arena) ? err_nomem(err) : ERR_OK;
}

/* The revision that an entry of a key goes to; 0: none. */
static int goes_to(const struct entry_change *ch)
{
	bool moves = ch->op == ENTRY_REPLACE && ch->want->source == ENTRY_CERTIFICATE;

	return moves ? ch->revision : 0;
}

static bool goes_back(const struct action *a)
{
	for (size_t i = 0; i < a->n_entries; i++) {
		if (goes_to(&a->entries[i]) > 0) {
			return true;
		}
	}
	return false;
}

static void activate_action(const struct by_hand *b, const struct want_store *s, struct action *a)
{
	*a = (struct action){
		.id = arena_printf(&b->pass->arena, "activate:%s@%s", s->target->o.name,
		                   s->host->name),
		.kind = ACTION_ACTIVATE,
		.object_kind = KIND_TARGET,
		.name = s->target->o.name,
		.host = s->host->name,
		.detail = "by hand",
		.disruptive = true,
		.target = s->target,
		.target_host = s->host,
	};
}

static enum err_code names_left(const struct by_hand *b, const char **ret, struct err *err)
{
	const char *names = NULL;

	for (size_t i = 0; i < b->left.n; i++) {
		names = i == 0 ? b->left.v[i]
		               : arena_printf(&b->pass->arena, "%s, %s", names, b->left.v[i]);
		if (names == NULL) {
			return err_nomem(err);
		}
	}
	*ret = names;
	return ERR_OK;
}

static enum err_code nothing_by_hand(const struct by_hand *b, struct err *err)
{
	const char *at = b->host == NULL ? "" : "@";
	const char *host = b->host == NULL ? "" : b->host;
	const char *names = NULL;

	enum err_code rc = names_left(b, &names, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (names == NULL) {
		return err_set(err, ERR_NOT_FOUND, "nothing is delivered to Target %s%s%s",
		               b->target, at, host);
	}
	(void)err_set(err, ERR_NOT_FOUND,
	              "Target %s%s%s: there is no %s revision of Certificate %s", b->target, at,
	              host, b->to == NULL ? "earlier" : "such", names);
	return b->to == NULL ? err_hint(err,
	                                "what lies there is the first one, or the oldest that "
	                                "is kept; 'certwright renew %s' makes a new one",
	                                b->left.v[0])
	                     : err_hint(err, "--to takes the SHA-256 fingerprint of a certificate "
	                                     "that was issued for this Target before");
}

/* Stores of one host stand together because wants are sorted by "target@host:path". */
static enum err_code plan_by_hand(struct by_hand *b, struct plan *ret, struct err *err)
{
	const struct wants *w = b->pass->wants;
	struct action *actions = ARENA_ARRAY(&b->pass->arena, struct action, 2 * w->n_stores + 1);
	size_t n = 0;
	size_t of_host = 0; /* of the host in hand; an activation alone counts as one */

	if (actions == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < w->n_stores; i++) {
		const struct want_store *s = &w->stores[i];
		if (!str_equal(s->target->o.name, b->target) ||
		    (b->host != NULL && !str_equal(s->host->name, b->host))) {
			continue;
		}
		if (!b->activate_only) {
			enum err_code rc = push_action(b, s, &actions[n], err);
			if (rc != ERR_OK) {
				return rc;
			}
		}
		bool pushes = !b->activate_only && (!b->back || goes_back(&actions[n]));
		n += pushes ? 1 : 0;
		of_host += pushes || b->activate_only ? 1 : 0;
		bool last = i + 1 == w->n_stores || w->stores[i + 1].target != s->target ||
		            w->stores[i + 1].host != s->host;
		if (last && of_host > 0 && s->target->shared->n_activate > 0) {
			activate_action(b, s, &actions[n++]);
		}
		of_host = last ? 0 : of_host;
	}
	if (n == 0) {
		return nothing_by_hand(b, err);
	}
	*ret = (struct plan){ .arena = &b->pass->arena,
		              .commit = b->engine->desired->commit,
		              .wants = w,
		              .actions = actions,
		              .n_actions = n };
	return ERR_OK;
}

static enum err_code hold_all(const struct by_hand *b, const struct plan *plan, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; i < plan->n_actions; i++) {
		const struct action *a = &plan->actions[i];
		for (size_t k = 0; rc == ERR_OK && k < a->n_entries; k++) {
			int revision = goes_to(&a->entries[k]);
			rc = revision == 0
			             ? rc
			             : store_hold(b->engine->store, a->store->key, revision, err);
		}
	}
	return rc;
}

static enum err_code apply_by_hand(struct by_hand *b, bool replace_unreadable,
                                   struct apply_result *ret, struct err *err)
{
	const struct apply_how how = { .replace_unreadable = replace_unreadable, .whole = true };
	struct plan plan = { 0 };
	const char *names = NULL;

	enum err_code rc = plan_by_hand(b, &plan, err);
	if (rc == ERR_OK) {
		b->pass->plan = &plan;
		rc = apply_plan(b->engine, b->pass, how, ret, err);
		b->pass->plan = NULL;
	}
	if (rc == ERR_OK && b->back && ret->failed == 0) {
		rc = hold_all(b, &plan, err);
	}
	if (rc == ERR_OK && b->left.n > 0) {
		rc = names_left(b, &names, err);
		(void)snprintf(ret->left, sizeof(ret->left), "%s", names == NULL ? "" : names);
	}
	return rc;
}

enum err_code engine_push(struct engine *e, const struct push_by_hand *what,
                          struct apply_result *ret, struct err *err)
{
	CLEANUP(pass_release) struct pass p = { 0 };
	struct by_hand b = { .engine = e,
		             .pass = &p,
		             .target = what->target,
		             .host = what->host,
		             .activate_only = what->activate_only };

	size_t renamed = 0;
	enum err_code rc = engine_observe(e, &p, err);
	if (rc == ERR_OK) {
		rc = renames_keep(e, &p, &renamed, err);
	}
	if (rc == ERR_OK) {
		rc = apply_by_hand(&b, what->replace_unreadable, ret, err);
	}
	for (size_t i = 0; rc == ERR_OK && ret->failed == 0 && i < p.wants->n_stores; i++) {
		const struct want_store *s = &p.wants->stores[i];
		if (str_equal(s->target->o.name, what->target) &&
		    (what->host == NULL || str_equal(s->host->name, what->host))) {
			rc = store_hold(e->store, s->key, /* revision= */ 0, err);
		}
	}
	return rc;
}

enum err_code engine_rollback(struct engine *e, const char *target, const char *host,
                              const char *to_fingerprint, struct apply_result *ret, struct err *err)
{
	CLEANUP(pass_release) struct pass p = { 0 };
	uint8_t to[SHA256_BYTES];
	struct by_hand b = {
		.engine = e, .pass = &p, .target = target, .host = host, .back = true
	};

	if (to_fingerprint != NULL) {
		if (!fingerprint_parse(to_fingerprint, to)) {
			return err_set(err, ERR_INVALID, "'%s' is no SHA-256 fingerprint",
			               to_fingerprint);
		}
		b.to = to;
	}
	size_t renamed = 0;
	enum err_code rc = engine_observe(e, &p, err);
	if (rc == ERR_OK) {
		rc = renames_keep(e, &p, &renamed, err);
	}
	if (rc == ERR_OK) {
		rc = apply_by_hand(&b, /* replace_unreadable= */ false, ret, err);
	}
	return rc;
}

enum err_code engine_revoke(struct engine *e, const char *identity, unsigned reason,
                            struct err *err)
{
	CLEANUP(pass_release) struct pass p = { 0 };
	CLEANUP(cleanup_issuer) struct issuer *iss = NULL;
	struct wall now = e->clock->wall(e->clock);

	size_t renamed = 0;
	enum err_code rc = pass_begin(e, &p, /* look= */ false, err);
	if (rc == ERR_OK) {
		rc = renames_keep(e, &p, &renamed, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	const struct identity_memory *im = memory_identity(p.memory, identity);
	if (im == NULL || im->n_revisions == 0) {
		return err_set(err, ERR_NOT_FOUND, "Certificate %s was never issued here",
		               identity);
	}
	const struct held *h = &im->revisions[0];
	const struct issuer_def *def = desired_issuer(e->desired, h->issuer);
	if (def == NULL) {
		return err_set(
			err, ERR_NOT_FOUND,
			"Certificate %s came from Issuer '%s', which is not declared any more",
			identity, h->issuer);
	}
	const struct cert *leaf = seen_cert_parse(h->chain.v[0], &p.arena);
	if (leaf == NULL) {
		return err_nomem(err);
	}
	rc = issuer_open(e, &p, def, h->issuer_generation, &iss, err);
	if (rc == ERR_OK) {
		rc = iss->ops->revoke(iss, leaf, reason, now, err);
	}
	if (rc == ERR_OK) {
		rc = store_identity_revoked(e->store, identity, h->revision,
		                            /* compromised= */ reason == 1, err);
	}
	return rc;
}

/* The issuer at the newest generation that has its key here. */
static enum err_code open_newest(struct engine *e, struct pass *p, const char *name,
                                 struct issuer **ret, struct err *err)
{
	const struct issuer_def *def = desired_issuer(e->desired, name);
	size_t renamed = 0;
	enum err_code rc = pass_begin(e, p, /* look= */ false, err);

	if (rc == ERR_OK) {
		rc = renames_keep(e, p, &renamed, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	const struct issuer_memory *im = memory_issuer(p->memory, name);
	size_t n = im == NULL ? 0 : im->n_generations;

	while (n > 0 && im->generations[n - 1].cert == NULL) {
		n--;
	}
	if (def == NULL || n == 0) {
		return err_set(err, ERR_NOT_FOUND, "no CA of the name '%s' was made here", name);
	}
	return issuer_open(e, p, def, im->generations[n - 1].generation, ret, err);
}

/* As the plan sees it: nothing was revoked, it is not due, and the CA is not a new one. */
static bool crl_stands(const struct engine *e, const struct memory *m, const char *issuer)
{
	const struct issuer_def *def = desired_issuer(e->desired, issuer);
	const struct issuer_memory *im = memory_issuer(m, issuer);
	const struct private_ca *ca = def->private_ca;

	if (im->crl_number == 0 || ca == NULL || ca->crl_interval_s <= 0) {
		return false;
	}
	for (size_t i = 0; i < im->n_generations; i++) {
		if (im->generations[i].created_at.s > im->crl_this_update.s) {
			return false;
		}
	}
	int64_t now = e->clock->wall(e->clock).s;
	return im->last_revocation.s <= im->crl_this_update.s &&
	       now < im->crl_this_update.s + ca->crl_interval_s && now < im->crl_next_update.s;
}

enum err_code engine_publish_crl(struct engine *e, const char *issuer, bool anew, struct buf *out,
                                 struct err *err)
{
	CLEANUP(pass_release) struct pass p = { 0 };
	CLEANUP(cleanup_issuer) struct issuer *iss = NULL;

	enum err_code rc = open_newest(e, &p, issuer, &iss, err);
	if (rc == ERR_OK && !anew && crl_stands(e, p.memory, issuer)) {
		return store_crl(e->store, issuer, out, err);
	}
	return rc == ERR_OK ? private_ca_publish_crl(iss, e->clock->wall(e->clock), out, err) : rc;
}

enum err_code engine_revoke_certificate(struct engine *e, const char *issuer, struct bytes cert,
                                        unsigned reason, struct err *err)
{
	CLEANUP(pass_release) struct pass p = { 0 };
	CLEANUP(cleanup_issuer) struct issuer *iss = NULL;
	const struct cert *c = NULL;

	enum err_code rc = open_newest(e, &p, issuer, &iss, err);
	if (rc == ERR_OK) {
		rc = cert_parse_any(cert, &p.arena, &c, err);
	}
	return rc == ERR_OK ? iss->ops->revoke(iss, c, reason, e->clock->wall(e->clock), err) : rc;
}

static enum err_code take_request(struct engine *e, const struct request_row *q, struct err *err)
{
	CLEANUP(cleanup_json) struct json_t *args = NULL;
	struct apply_result result = { 0 };

	enum err_code rc = json_parse(q->args, strlen(q->args), &args, err);
	if (rc != ERR_OK) {
		return rc;
	}
	const char *host = json_get_str(args, "host", /* dflt= */ NULL);
	if (str_equal(q->verb, "push")) {
		const struct push_by_hand what = {
			.target = q->name,
			.host = host,
			.activate_only = json_get_bool(args, "activateOnly", /* dflt= */ false),
			.replace_unreadable =
				json_get_bool(args, "replaceUnreadable", /* dflt= */ false),
		};
		rc = engine_push(e, &what, &result, err);
	} else if (str_equal(q->verb, "rollback")) {
		rc = engine_rollback(e, q->name, host, json_get_str(args, "to", /* dflt= */ NULL),
		                     &result, err);
	} else if (str_equal(q->verb, "revoke")) {
		rc = engine_revoke(e, q->name, (unsigned)json_get_int(args, "reason", 0), err);
	} else {
		rc = err_set(err, ERR_INVALID, "no such request: %s", q->verb);
	}
	if (rc == ERR_OK && result.failed > 0) {
		rc = err_set(err, ERR_REFUSED, "%s", result.first_error);
	}
	return rc;
}

enum err_code engine_take_requests(struct engine *e, struct err *err)
{
	CLEANUP(arena_release) struct arena arena;
	struct request_row *rows = NULL;
	size_t n = 0;

	arena_init(&arena);
	enum err_code rc = store_requests_open(e->store, &arena, &rows, &n, err);
	for (size_t i = 0; rc == ERR_OK && i < n && !engine_ends(e); i++) {
		struct err why = { 0 };
		char result[1024] = "done";
		enum err_code taken = take_request(e, &rows[i], &why);
		if (taken != ERR_OK) {
			err_format(&why, result, sizeof(result));
		}
		if (e->listener != NULL) {
			e->listener->request(e->listener, rows[i].verb, rows[i].name,
			                     taken == ERR_OK ? NULL : &why);
		}
		rc = store_request_done(e->store, rows[i].id, result, err);
	}
	return rc;
}
