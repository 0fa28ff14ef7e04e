/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * operator.c - deliveries by hand: a small plan of our own making, applied like any other, so that
 * journal, backup, proof and rollback are the same.
 */
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
};

static const struct held *revision_now(const struct identity_memory *im,
                                       const struct obs_entry *stored)
{
	for (size_t i = 0; stored != NULL && stored->chain.n > 0 && i < im->n_revisions; i++) {
		if (im->revisions[i].chain.v[0] == stored->chain.v[0]) {
			return &im->revisions[i];
		}
	}
	return im->n_revisions > 0 ? &im->revisions[0] : NULL;
}

static const struct held *revision_before(const struct by_hand *b, const struct identity_memory *im,
                                          const struct held *now)
{
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

	if (h == NULL) {
		return err_set(err, ERR_NOT_FOUND, "Certificate %s has no such earlier revision",
		               id->name);
	}
	if (h->revoked || h->compromised) {
		return err_set(err, ERR_REFUSED, "Certificate %s revision %d was revoked", id->name,
		               h->revision);
	}
	if (h->chain.v[0]->not_after.s <= clock->wall(clock).s) {
		return err_set(err, ERR_REFUSED, "Certificate %s revision %d has expired", id->name,
		               h->revision);
	}
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

static enum err_code change_of(const struct by_hand *b, const struct obs_store *o,
                               const struct want_entry *w, struct entry_change *ret,
                               struct err *err)
{
	const struct obs_entry *stored = stored_entry(o, w);

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
	const struct identity_memory *im = memory_identity(b->pass->memory, w->identity->name);
	const struct held *h = im == NULL || im->n_revisions == 0 ? NULL : &im->revisions[0];
	if (h == NULL) {
		return err_set(err, ERR_NOT_FOUND, "Certificate %s has nothing to deliver yet",
		               w->identity->name);
	}
	if (b->back) {
		h = revision_before(b, im, revision_now(im, stored));
		enum err_code rc = check_return(b, w->identity, h, err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	ret->revision = h->revision;
	ret->to = h->chain.v[0];
	return ERR_OK;
}

static enum err_code push_action(const struct by_hand *b, const struct want_store *s,
                                 struct action *a, struct err *err)
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

/* Stores of one host stand together because wants are sorted by "target@host:path". */
static enum err_code plan_by_hand(const struct by_hand *b, struct plan *ret, struct err *err)
{
	const struct wants *w = b->pass->wants;
	struct action *actions = ARENA_ARRAY(&b->pass->arena, struct action, 2 * w->n_stores + 1);
	size_t n = 0;

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
			n++;
		}
		bool last = i + 1 == w->n_stores || w->stores[i + 1].target != s->target ||
		            w->stores[i + 1].host != s->host;
		if (last && s->target->shared->n_activate > 0) {
			activate_action(b, s, &actions[n++]);
		}
	}
	if (n == 0) {
		return err_set(err, ERR_NOT_FOUND, "nothing is delivered to Target %s%s%s",
		               b->target, b->host == NULL ? "" : "@",
		               b->host == NULL ? "" : b->host);
	}
	*ret = (struct plan){ .arena = &b->pass->arena,
		              .commit = b->engine->desired->commit,
		              .wants = w,
		              .actions = actions,
		              .n_actions = n };
	return ERR_OK;
}

static enum err_code apply_by_hand(struct by_hand *b, bool replace_unreadable,
                                   struct apply_result *ret, struct err *err)
{
	struct plan plan = { 0 };

	enum err_code rc = plan_by_hand(b, &plan, err);
	if (rc == ERR_OK) {
		b->pass->plan = &plan;
		rc = apply_plan(b->engine, b->pass, replace_unreadable, ret, err);
		b->pass->plan = NULL;
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

static enum err_code hold_all(struct engine *e, const struct pass *p, const char *target,
                              const char *host, const struct by_hand *b, struct err *err)
{
	for (size_t i = 0; i < p->wants->n_stores; i++) {
		const struct want_store *s = &p->wants->stores[i];
		const struct obs_store *o = observed_store(p->observed, s->key);
		struct entry_change ch;

		if (!str_equal(s->target->o.name, target) ||
		    (host != NULL && !str_equal(s->host->name, host))) {
			continue;
		}
		for (size_t k = 0; k < s->n_entries; k++) {
			if (s->entries[k].source != ENTRY_CERTIFICATE) {
				continue;
			}
			enum err_code rc = change_of(b, o, &s->entries[k], &ch, err);
			if (rc == ERR_OK) {
				rc = store_hold(e->store, s->key, ch.revision, err);
			}
			if (rc != ERR_OK) {
				return rc;
			}
		}
	}
	return ERR_OK;
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
	if (rc == ERR_OK && ret->failed == 0) {
		rc = hold_all(e, &p, target, host, &b, err);
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
	for (size_t i = 0; rc == ERR_OK && i < n; i++) {
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
