/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verify_http.c - the proof that an application answers, which a handshake is not: a proxy with a
 * dead back end shakes hands, too.
 *
 * Whatever the answer holds is looked through for the wanted text and goes no further.
 */
#include "providers/http.h"
#include "reconciler/base/str.h"
#include "reconciler/engine/run.h"

#define ANSWER_LIMIT     ((size_t)1 << 20)
#define REQUEST_LIMIT_MS 10000
#define GRACE_MS         30000
#define AGAIN_MS         250

/* A CA that this very run made is not in the memory that the pass began with. */
static bool made_a_ca(const struct run *r)
{
	for (size_t i = 0; i < r->plan->n_actions; i++) {
		const struct action *a = &r->plan->actions[i];
		if (a->kind == ACTION_ISSUE && a->object_kind == KIND_ISSUER) {
			return r->engine->store != NULL;
		}
	}
	return false;
}

static enum err_code add_anchors(const struct desired *d, const struct memory *m,
                                 const char *ca_set, struct arena *arena, struct buf *ret,
                                 struct err *err)
{
	const struct seen_cert *const *anchors = NULL;
	size_t n = 0;
	enum err_code rc =
		ca_set_anchors(d, m, desired_ca_set(d, ca_set), arena, &anchors, &n, err);

	for (size_t i = 0; rc == ERR_OK && i < n; i++) {
		der_to_pem(seen_cert_der(anchors[i]), "CERTIFICATE", ret);
	}
	if (rc == ERR_OK && n == 0) {
		return err_set(err, ERR_NOT_FOUND, "CASet %s holds nothing yet", ca_set);
	}
	return rc != ERR_OK ? rc : buf_check(ret, "trust anchors", err);
}

static enum err_code anchors_pem(struct run *r, const char *ca_set, struct buf *ret,
                                 struct err *err)
{
	const struct desired *d = r->engine->desired;
	CLEANUP(arena_release) struct arena arena;
	CLEANUP(seen_certs_release) struct seen_certs certs;
	struct memory *now = NULL;

	arena_init(&arena);
	seen_certs_init(&certs, &arena);
	if (!made_a_ca(r)) {
		return add_anchors(d, r->pass->memory, ca_set, &arena, ret, err);
	}
	enum err_code rc = memory_load(r->engine->store, &arena, &certs, &now, err);
	if (rc == ERR_OK) {
		rc = add_anchors(d, now, ca_set, &arena, ret, err);
	}
	memory_release(now);
	return rc;
}

static enum err_code judge(const char *url, int status, const struct buf *body, const char *expect,
                           struct err *err)
{
	if (status >= 400) {
		return err_set(err, ERR_VERIFY, "GET %s: the answer is status %d", url, status);
	}
	if (expect != NULL && memmem(buf_str(body), body->len, expect, strlen(expect)) == NULL) {
		return err_set(err, ERR_VERIFY, "GET %s: '%s' is not in the answer (status %d)",
		               url, expect, status);
	}
	return ERR_OK;
}

static enum err_code ask(const struct http_request *req, const char *expect, bool *ret_again,
                         struct err *err)
{
	CLEANUP(buf_release) struct buf body = { 0 };
	int status = 0;

	buf_init(&body, ANSWER_LIMIT);
	enum err_code rc = http_get(req, &body, &status, err);
	*ret_again = rc == ERR_NET || (rc == ERR_OK && status >= 500);
	return rc == ERR_OK ? judge(req->url, status, &body, expect, err) : rc;
}

/* An application is up some time after its program returned. */
static enum err_code ask_until(struct run *r, const struct http_request *req, const char *expect,
                               struct err *err)
{
	const struct clock *clock = r->engine->clock;
	int64_t deadline = clock->mono(clock).ms + GRACE_MS;

	for (;;) {
		bool again = false;
		enum err_code rc = ask(req, expect, &again, err);
		if (rc == ERR_OK || !again || r->engine->pause_ms == NULL ||
		    clock->mono(clock).ms >= deadline) {
			return rc;
		}
		err_clear(err);
		r->engine->pause_ms(r->engine, AGAIN_MS);
	}
}

enum err_code verify_http(struct run *r, const struct unit *u, const struct verify_spec *v,
                          struct err *err)
{
	struct scope scope = { .target = u->target, .host = u->host };
	struct http_request req = { .timeout_ms = REQUEST_LIMIT_MS };
	CLEANUP(buf_release) struct buf pem = { 0 };
	CLEANUP(cleanup_free) char *host = NULL;
	const char *expect = NULL;

	buf_init(&pem, BUF_LIMIT_TEXT);
	enum err_code rc = expand_text(v->http->url.s, &scope, &r->pass->arena, &req.url, err);
	if (rc == ERR_OK && v->http->expect.s != NULL) {
		rc = expand_text(v->http->expect.s, &scope, &r->pass->arena, &expect, err);
	}
	if (rc == ERR_OK) {
		rc = http_url_host(req.url, &host, err);
	}
	if (rc == ERR_OK) {
		rc = authority_host(r->engine->authority, host, err);
	}
	if (rc == ERR_OK && v->http->ca_set.s != NULL) {
		rc = anchors_pem(r, v->http->ca_set.s, &pem, err);
	}
	if (rc == ERR_OK) {
		req.anchors_pem = buf_view(&pem);
		req.now = r->engine->clock->wall(r->engine->clock);
		rc = ask_until(r, &req, expect, err);
	}
	return rc == ERR_OK ? ERR_OK
	                    : err_wrap(err, "Target %s@%s", u->target->o.name, u->host->name);
}
