/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * observed.c - the set of certificates seen, and finding what was observed by its key.
 *
 * A fleet shows the same intermediate ten thousand times: the hash is looked up before anything is
 * parsed, and a parse uses scratch memory, so that one certificate costs its DER and a few words.
 */
#include "state/observed.h"

#include <string.h>

void seen_certs_init(struct seen_certs *set, struct arena *arena)
{
	set->arena = arena;
	map_init(&set->by_sha256);
}

void seen_certs_release(struct seen_certs *set)
{
	map_release(&set->by_sha256);
}

static enum err_code seen_cert_new(struct arena *arena, struct bytes der,
                                   const uint8_t sha256[SHA256_BYTES], struct seen_cert **ret,
                                   struct err *err)
{
	CLEANUP(arena_release) struct arena scratch = { 0 };
	const struct cert *facts = NULL;

	arena_init(&scratch);
	enum err_code rc = cert_parse(der, &scratch, &facts, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct seen_cert *c = ARENA_NEW(arena, struct seen_cert);
	struct bytes kept = arena_bytes(arena, der);
	if (c == NULL || kept.p == NULL) {
		return err_nomem(err);
	}
	memcpy(c->sha256, sha256, SHA256_BYTES);
	memcpy(c->spki_sha256, facts->spki_sha256, SHA256_BYTES);
	c->not_before = facts->not_before;
	c->not_after = facts->not_after;
	c->self_signed = facts->self_signed;
	c->der = kept;
	*ret = c;
	return ERR_OK;
}

enum err_code seen_cert_add(struct seen_certs *set, struct bytes der, const struct seen_cert **ret,
                            struct err *err)
{
	uint8_t sha256[SHA256_BYTES];
	struct seen_cert *c = NULL;

	if (der.n == 0) {
		return err_set(err, ERR_INVALID, "a certificate of no bytes");
	}
	pki_sha256(der.p, der.n, sha256);
	const struct seen_cert *known = seen_cert_find(set, sha256);
	if (known != NULL) {
		*ret = known;
		return ERR_OK;
	}
	enum err_code rc = seen_cert_new(set->arena, der, sha256, &c, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (map_put(&set->by_sha256, bytes_of(c->sha256, SHA256_BYTES), c, /* ret_old= */ NULL) <
	    0) {
		return err_nomem(err);
	}
	*ret = c;
	return ERR_OK;
}

const struct seen_cert *seen_cert_find(const struct seen_certs *set,
                                       const uint8_t sha256[SHA256_BYTES])
{
	return map_get(&set->by_sha256, bytes_of(sha256, SHA256_BYTES));
}

const struct cert *seen_cert_parse(const struct seen_cert *c, struct arena *arena)
{
	const struct cert *facts = NULL;

	return cert_parse(c->der, arena, &facts, /* err= */ NULL) == ERR_OK ? facts : NULL;
}

const char *look_status_name(enum look_status s)
{
	switch (s) {
	case LOOK_NONE:
		return "none";
	case LOOK_OK:
		return "ok";
	case LOOK_ABSENT:
		return "absent";
	case LOOK_UNREACHABLE:
		return "unreachable";
	case LOOK_UNREADABLE:
		return "unreadable";
	case LOOK_WRONG_PASSWORD:
		return "wrong-password";
	}
	return "none";
}

const char *endpoint_status_name(enum endpoint_status s)
{
	switch (s) {
	case ENDPOINT_NONE:
		return "none";
	case ENDPOINT_OK:
		return "ok";
	case ENDPOINT_REFUSED:
		return "refused";
	case ENDPOINT_UNREACHABLE:
		return "unreachable";
	case ENDPOINT_NO_TLS:
		return "no-tls";
	}
	return "none";
}

void store_digest(const struct bytes *parts, size_t n_parts, uint8_t ret[SHA256_BYTES])
{
	uint8_t each[KEYSTORE_PARTS_MAX][SHA256_BYTES] = { { 0 } };

	if (n_parts == 1 && parts[0].p != NULL) {
		pki_sha256(parts[0].p, parts[0].n, ret);
		return;
	}
	for (size_t i = 0; i < n_parts && i < KEYSTORE_PARTS_MAX; i++) {
		if (parts[i].p != NULL) {
			pki_sha256(parts[i].p, parts[i].n, each[i]);
		}
	}
	pki_sha256(each, n_parts * SHA256_BYTES, ret);
}

const char *store_key(struct arena *a, const char *target, const char *host, const char *path)
{
	return arena_printf(a, "%s@%s:%s", target, host, path);
}

const char *endpoint_key(struct arena *a, const char *host, int port, const char *server_name,
                         const char *starttls, const char *client)
{
	/* An IPv6 address ends where its bracket does, not at its last colon. */
	bool v6 = strchr(host, ':') != NULL;

	return arena_printf(a, "%s%s%s:%d%s%s%s%s%s%s", v6 ? "[" : "", host, v6 ? "]" : "", port,
	                    server_name == NULL ? "" : " sni=",
	                    server_name == NULL ? "" : server_name,
	                    starttls == NULL ? "" : " starttls=", starttls == NULL ? "" : starttls,
	                    client == NULL ? "" : " client=", client == NULL ? "" : client);
}

const char *config_key(struct arena *a, const char *target, const char *host, size_t index)
{
	return arena_printf(a, "%s@%s#%zu", target, host, index);
}

const struct obs_store *observed_store(const struct observed *o, const char *key)
{
	return map_get_str(&o->store_by_key, key);
}

const struct obs_endpoint *observed_endpoint(const struct observed *o, const char *key)
{
	return map_get_str(&o->endpoint_by_key, key);
}

const struct obs_config *observed_config(const struct observed *o, const char *key)
{
	return map_get_str(&o->config_by_key, key);
}

/* Maps hold void *; what they hand out is const again. */
static void *unconst(const void *p)
{
	return (void *)(uintptr_t)p;
}

static bool index_rows(struct observed *o)
{
	for (size_t i = 0; i < o->n_stores; i++) {
		const struct obs_store *s = &o->stores[i];
		const char *key = store_key(o->arena, s->target, s->host, s->path);
		if (key == NULL ||
		    map_put_str(&o->store_by_key, key, unconst(s), /* ret_old= */ NULL) < 0) {
			return false;
		}
	}
	for (size_t i = 0; i < o->n_endpoints; i++) {
		const struct obs_endpoint *e = &o->endpoints[i];
		if (map_put_str(&o->endpoint_by_key, e->key, unconst(e), /* ret_old= */ NULL) < 0) {
			return false;
		}
	}
	for (size_t i = 0; i < o->n_configs; i++) {
		const struct obs_config *c = &o->configs[i];
		if (map_put_str(&o->config_by_key, c->key, unconst(c), /* ret_old= */ NULL) < 0) {
			return false;
		}
	}
	return true;
}

enum err_code observed_index(struct observed *o, struct err *err)
{
	map_release(&o->store_by_key);
	map_release(&o->endpoint_by_key);
	map_release(&o->config_by_key);
	map_init(&o->store_by_key);
	map_init(&o->endpoint_by_key);
	map_init(&o->config_by_key);
	return index_rows(o) ? ERR_OK : err_nomem(err);
}

void observed_release(struct observed *o)
{
	if (o == NULL) {
		return;
	}
	map_release(&o->store_by_key);
	map_release(&o->endpoint_by_key);
	map_release(&o->config_by_key);
}

void cleanup_observed(struct observed **o)
{
	observed_release(*o);
	*o = NULL;
}
