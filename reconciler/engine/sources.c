/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sources.c - looked at before wants are built, so that deciding stays pure.
 *
 * What a URL gives is known by its hash: fetched once, it never changes and is never asked for
 * again. The system's bundle is read at every look; when it cannot be read, the last one counts, so
 * that nobody loses trust because we could not look.
 */
#include "reconciler/engine/sources.h"

#include "providers/http.h"
#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"

#define BUNDLE_LIMIT   ((size_t)16 << 20)
#define FETCH_LIMIT_MS 30000
#define FOR_EVER       INT64_C(253402300799) /* year 9999 */

static const char system_bundle[] = "/etc/ssl/certs/ca-certificates.crt";

enum err_code sources_fetch(struct engine *e, const char *url, struct buf *ret, struct err *err)
{
	CLEANUP(cleanup_free) char *host = NULL;
	struct http_request req = { .url = url,
		                    .now = e->clock->wall(e->clock),
		                    .timeout_ms = FETCH_LIMIT_MS };
	int status = 0;

	enum err_code rc = http_url_host(url, &host, err);
	if (rc == ERR_OK) {
		rc = authority_host(e->authority, host, err);
	}
	if (rc == ERR_OK) {
		rc = http_get(&req, ret, &status, err);
	}
	if (rc == ERR_OK && status != 200) {
		return err_set(err, ERR_NET, "GET %s: the answer is status %d", url, status);
	}
	return rc;
}

static enum err_code fetch(struct engine *e, const char *url, const uint8_t sha256[SHA256_BYTES],
                           struct buf *ret, struct err *err)
{
	uint8_t got[SHA256_BYTES];
	char hex[SHA256_BYTES * 2 + 1];

	enum err_code rc = sources_fetch(e, url, ret, err);
	if (rc != ERR_OK) {
		return rc;
	}
	pki_sha256(ret->p, ret->len, got);
	if (memcmp(got, sha256, sizeof(got)) != 0) {
		hex_encode(bytes_of(got, sizeof(got)), hex);
		return err_set(err, ERR_VERIFY, "%s holds something else than sha256 says: %s", url,
		               hex);
	}
	return ERR_OK;
}

struct place {
	const char *name; /* in the memory and the state */
	const char *url;  /* NULL: the system's */
	uint8_t inputs[SHA256_BYTES];
};

static enum err_code recall(struct engine *e, const struct place *at, struct buf *ret,
                            bool *ret_found, struct err *err)
{
	*ret_found = false;
	return e->store == NULL
	               ? ERR_OK
	               : store_memo_get(e->store, at->name, at->inputs, ret, ret_found, err);
}

static enum err_code keep(struct engine *e, const struct place *at, const struct buf *data,
                          struct err *err)
{
	if (e->store == NULL || e->read_only) {
		return ERR_OK;
	}
	return store_memo_put(e->store, at->name, at->inputs, (struct wall){ .s = FOR_EVER },
	                      buf_view(data), err);
}

static enum err_code read_place(struct engine *e, const struct place *at, struct buf *ret,
                                struct err *err)
{
	return at->url == NULL ? fs_read(system_bundle, BUNDLE_LIMIT, ret, err)
	                       : fetch(e, at->url, at->inputs, ret, err);
}

/* ERR_NOT_FOUND and its kin go into the row; only the state's own failure ends the pass. */
static enum err_code obtain(struct engine *e, const struct place *at, bool look, struct buf *ret,
                            struct err *why, struct err *err)
{
	CLEANUP(buf_release) struct buf fresh = { 0 };
	bool found = false;

	enum err_code rc = recall(e, at, ret, &found, err);
	if (rc != ERR_OK || (found && (at->url != NULL || !look))) {
		return rc;
	}
	if (!look) {
		(void)err_set(why, ERR_NOT_FOUND, "it was not looked at yet");
		return ERR_OK;
	}
	buf_init(&fresh, BUNDLE_LIMIT);
	if (read_place(e, at, &fresh, why) != ERR_OK) {
		if (found) {
			err_clear(why);
		}
		return ERR_OK;
	}
	if (found && bytes_equal(buf_view(&fresh), buf_view(ret))) {
		return ERR_OK;
	}
	buf_reset(ret);
	buf_add_bytes(ret, buf_view(&fresh));
	return keep(e, at, ret, err);
}

static enum err_code certificates(struct pass *p, struct bytes data, struct seen_chain *ret,
                                  struct err *why, struct err *err)
{
	const struct cert **certs = NULL;
	size_t n = 0;

	if (cert_parse_bundle(data, &p->arena, &certs, &n, why) != ERR_OK) {
		return ERR_OK;
	}
	const struct seen_cert **v = ARENA_ARRAY(&p->arena, const struct seen_cert *, n);
	enum err_code rc = v == NULL && n > 0 ? err_nomem(err) : ERR_OK;
	for (size_t i = 0; rc == ERR_OK && i < n; i++) {
		rc = seen_cert_add(&p->certs, certs[i]->der, &v[i], err);
	}
	*ret = (struct seen_chain){ .v = v, .n = n };
	return rc;
}

static enum err_code fill_one(struct engine *e, struct pass *p, const struct place *at, bool look,
                              struct source_memory *ret, struct err *err)
{
	CLEANUP(buf_release) struct buf data = { 0 };
	struct err why = { 0 };
	char text[1024];

	buf_init(&data, BUNDLE_LIMIT);
	enum err_code rc = obtain(e, at, look, &data, &why, err);
	if (rc == ERR_OK && why.code == ERR_OK) {
		rc = certificates(p, buf_view(&data), &ret->certs, &why, err);
	}
	ret->name = at->name;
	if (why.code != ERR_OK) {
		err_format(&why, text, sizeof(text));
		ret->error = arena_str(&p->arena, text);
	}
	return rc;
}

static bool listed(const struct memory *m, const char *name)
{
	return memory_source(m, name) != NULL;
}

static enum err_code add_source(struct engine *e, struct pass *p, const struct ca_source *src,
                                bool look, struct err *err)
{
	struct memory *m = p->memory;
	struct place at = { .name = ca_source_name(&p->arena, src) };

	if (at.name == NULL) {
		return err_nomem(err);
	}
	if (listed(m, at.name)) {
		return ERR_OK;
	}
	if (src->kind == CA_URL) {
		at.url = src->value.s;
		if (!fingerprint_parse(src->sha256.s, at.inputs)) {
			return err_set(err, ERR_BUG, "no sha256: %s", src->sha256.s);
		}
	}
	struct source_memory *v = ARENA_ARRAY(&p->arena, struct source_memory, m->n_sources + 1);
	if (v == NULL) {
		return err_nomem(err);
	}
	if (m->n_sources > 0) {
		memcpy(v, m->sources, m->n_sources * sizeof(*v));
	}
	enum err_code rc = fill_one(e, p, &at, look, &v[m->n_sources], err);
	if (rc == ERR_OK) {
		m->sources = v;
		m->n_sources++;
	}
	return rc;
}

enum err_code sources_fill(struct engine *e, struct pass *p, bool look, struct err *err)
{
	const struct desired *d = e->desired;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < d->n_ca_sets; i++) {
		const struct ca_set *set = d->ca_sets[i];
		for (size_t k = 0; rc == ERR_OK && k < set->n_sources; k++) {
			const struct ca_source *src = &set->sources[k];
			if (src->kind == CA_SYSTEM || src->kind == CA_URL) {
				rc = add_source(e, p, src, look, err);
			}
		}
	}
	return rc;
}
