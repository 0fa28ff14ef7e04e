/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * observed.c - the set of certificates seen, and finding what was observed by its key.
 *
 * A fleet shows the same intermediate ten thousand times: the hash is looked up before anything is
 * parsed, and a parse uses scratch memory, so that one certificate costs its DER and a few words.
 */
#include "state/observed.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t zeroes[SHA256_BYTES];

const uint8_t *digest_or_zeroes(const uint8_t *digest)
{
	return digest == NULL ? zeroes : digest;
}

bool digests_equal(const uint8_t *a, const uint8_t *b)
{
	return memcmp(digest_or_zeroes(a), digest_or_zeroes(b), SHA256_BYTES) == 0;
}

void seen_certs_init(struct seen_certs *set, struct arena *arena)
{
	set->arena = arena;
	set->borrow = false;
	map_init(&set->by_sha256);
}

void seen_certs_release(struct seen_certs *set)
{
	map_release(&set->by_sha256);
}

static enum err_code seen_cert_new(const struct seen_certs *set, struct bytes der,
                                   const uint8_t sha256[SHA256_BYTES], struct seen_cert **ret,
                                   struct err *err)
{
	CLEANUP(arena_release) struct arena scratch = { 0 };
	const struct cert *facts = NULL;

	arena_init(&scratch);
	const struct cert_digests known = { .sha256 = sha256 };
	enum err_code rc = cert_parse_hashed(der, known, &scratch, &facts, err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct seen_cert *c = ARENA_NEW(set->arena, struct seen_cert);
	struct bytes kept = set->borrow ? der : arena_bytes(set->arena, der);
	if (c == NULL || kept.p == NULL) {
		return err_nomem(err);
	}
	memcpy(c->sha256, sha256, SHA256_BYTES);
	memcpy(c->spki_sha256, facts->spki_sha256, SHA256_BYTES);
	c->not_before = facts->not_before;
	c->not_after = facts->not_after;
	c->self_signed = facts->self_issued ? SELF_SIGNED_UNKNOWN : SELF_SIGNED_NO;
	c->der_read = kept;
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
	struct seen_cert *known = map_get(&set->by_sha256, bytes_of(sha256, SHA256_BYTES));
	if (known != NULL) {
		if (set->borrow) {
			known->der_read = der; /* what it was borrowed from may be gone */
		}
		*ret = known;
		return ERR_OK;
	}
	enum err_code rc = seen_cert_new(set, der, sha256, &c, err);
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

struct bytes seen_cert_der(const struct seen_cert *c)
{
	struct bytes der = c->der_read;

	if (c->ders != NULL && c->der_read.p == NULL &&
	    c->ders->read(c->ders, c->sha256, &der, /* err= */ NULL) == ERR_OK) {
		/* Sets are made of what seen_certs_new() and loaders allocated: not const there. */
		((struct seen_cert *)(uintptr_t)c)->der_read = der;
	}
	return der;
}

bool seen_cert_self_signed(const struct seen_cert *c)
{
	if (c->self_signed == SELF_SIGNED_UNKNOWN) {
		bool yes = cert_der_self_signed(seen_cert_der(c), c->sha256);
		/* not const there, as above */
		((struct seen_cert *)(uintptr_t)c)->self_signed =
			yes ? SELF_SIGNED_YES : SELF_SIGNED_NO;
	}
	return c->self_signed == SELF_SIGNED_YES;
}

const struct cert *seen_cert_parse(const struct seen_cert *c, struct arena *arena)
{
	const struct cert *facts = NULL;
	struct cert_digests known = { NULL, NULL };

	if (c == NULL) {
		return NULL;
	}
	/* What a store of rows gives back may be damaged. */
	if (c->ders == NULL) {
		known = (struct cert_digests){ c->sha256, c->spki_sha256 };
	}
	enum err_code rc =
		cert_parse_hashed(seen_cert_der(c), known, arena, &facts, /* err= */ NULL);
	if (rc == ERR_NOMEM) {
		arena->failed = true; /* else it would pass for one that is broken */
	}
	return rc == ERR_OK ? facts : NULL;
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
	const char *const parts[] = { target, "@", host, ":", path };

	return arena_join(a, parts, ARRAY_LEN(parts));
}

const char *endpoint_key(struct arena *a, const char *host, int port, const char *server_name,
                         const char *starttls, const char *client)
{
	/* An IPv6 address ends where its bracket does, not at its last colon. */
	bool v6 = strchr(host, ':') != NULL;
	const char *parts[10] = { v6 ? "[" : "", host, v6 ? "]:" : ":" };
	const struct {
		const char *word, *value;
	} rest[] = { { " sni=", server_name }, { " starttls=", starttls }, { " client=", client } };
	size_t n = 3;
	char number[16];

	(void)snprintf(number, sizeof(number), "%d", port);
	parts[n++] = number;
	for (size_t i = 0; i < ARRAY_LEN(rest); i++) {
		if (rest[i].value != NULL) {
			parts[n++] = rest[i].word;
			parts[n++] = rest[i].value;
		}
	}
	return arena_join(a, parts, n);
}

const char *config_key(struct arena *a, const char *target, const char *host, size_t index)
{
	return arena_printf(a, "%s@%s#%zu", target, host, index);
}

/*
 * Rows come sorted from the store and nearly so from a look; a sorted list of pointers is a
 * fifteenth of what a map with its own keys would be.
 */

/* The key of a store is put together from three texts, read here one after the other. */
struct key_reader {
	const char *parts[5];
	size_t part;
};

static struct key_reader key_reader_of(const struct obs_store *s)
{
	return (struct key_reader){ .parts = { s->target, "@", s->host, ":", s->path } };
}

static int key_next(struct key_reader *r)
{
	while (r->part < ARRAY_LEN(r->parts) && *r->parts[r->part] == '\0') {
		r->part++;
	}
	return r->part == ARRAY_LEN(r->parts) ? -1 : (unsigned char)*r->parts[r->part]++;
}

static int compare_keys(struct key_reader a, struct key_reader b)
{
	for (;;) {
		int x = key_next(&a);
		int y = key_next(&b);
		if (x != y || x < 0) {
			return x - y;
		}
	}
}

static int by_store(const void *a, const void *b)
{
	return compare_keys(key_reader_of(*(const struct obs_store *const *)a),
	                    key_reader_of(*(const struct obs_store *const *)b));
}

static int store_by_text(const void *key, const void *element)
{
	const struct obs_store *s = *(const struct obs_store *const *)element;
	const char *const parts[] = { s->target, "@", s->host, ":", s->path };
	const char *at = key;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		size_t n = strlen(parts[i]);
		int c = strncmp(at, parts[i], n);
		if (c != 0) {
			return c;
		}
		at += n;
	}
	return *at != '\0';
}

/* Endpoints and edits begin with their key. */
static_assert(offsetof(struct obs_endpoint, key) == 0, "found by its first member");
static_assert(offsetof(struct obs_config, key) == 0, "found by its first member");

static int by_text(const void *a, const void *b)
{
	return strcmp(**(const char *const *const *)a, **(const char *const *const *)b);
}

static int text_by_text(const void *key, const void *element)
{
	return strcmp(key, **(const char *const *const *)element);
}

/* Rows are asked for in their order nearly always, forwards or backwards: the one that stands at
 * the last hit or beside it is found without a search. */
static bool beside(const void *const *rows, size_t n, const char *key,
                   int (*compare)(const void *key, const void *element), size_t *near)
{
	static const int steps[] = { 1, 0, -1 };

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		size_t at = *near + (size_t)steps[i];
		if (at < n && compare(key, &rows[at]) == 0) {
			*near = at;
			return true;
		}
	}
	const void *const *hit = n == 0 ? NULL : bsearch(key, rows, n, sizeof(*rows), compare);
	if (hit != NULL) {
		*near = (size_t)(hit - rows);
	}
	return hit != NULL;
}

const struct obs_store *observed_store_near(const struct observed *o, const char *key, size_t *near)
{
	return beside((const void *const *)o->stores_by_key, o->n_stores, key, store_by_text, near)
	               ? o->stores_by_key[*near]
	               : NULL;
}

const struct obs_store *observed_store(const struct observed *o, const char *key)
{
	return observed_store_near(o, key, &(size_t){ 0 });
}

const struct obs_endpoint *observed_endpoint_near(const struct observed *o, const char *key,
                                                  size_t *near)
{
	return beside((const void *const *)o->endpoints_by_key, o->n_endpoints, key, text_by_text,
	              near)
	               ? o->endpoints_by_key[*near]
	               : NULL;
}

const struct obs_endpoint *observed_endpoint(const struct observed *o, const char *key)
{
	return observed_endpoint_near(o, key, &(size_t){ 0 });
}

const struct obs_config *observed_config(const struct observed *o, const char *key)
{
	const struct obs_config *const *hit =
		o->n_configs == 0 ? NULL
				  : bsearch(key, o->configs_by_key, o->n_configs,
	                                    sizeof(*o->configs_by_key), text_by_text);

	return hit == NULL ? NULL : *hit;
}

static const void **sorted_list(struct arena *a, const void *rows, size_t n, size_t size,
                                int (*compare)(const void *, const void *))
{
	const void **v = ARENA_ARRAY(a, const void *, n + 1);
	bool sorted = true;

	for (size_t i = 0; v != NULL && i < n; i++) {
		v[i] = (const char *)rows + i * size;
		sorted = sorted && (i == 0 || compare(&v[i - 1], &v[i]) <= 0);
	}
	if (v != NULL && !sorted) {
		qsort(v, n, sizeof(*v), compare);
	}
	return v;
}

enum err_code observed_index(struct observed *o, struct err *err)
{
	o->stores_by_key =
		(const struct obs_store *const *)sorted_list(o->arena, o->stores, o->n_stores,
	                                                     sizeof(*o->stores), by_store);
	o->endpoints_by_key =
		(const struct obs_endpoint *const *)sorted_list(o->arena, o->endpoints,
	                                                        o->n_endpoints,
	                                                        sizeof(*o->endpoints), by_text);
	o->configs_by_key =
		(const struct obs_config *const *)sorted_list(o->arena, o->configs, o->n_configs,
	                                                      sizeof(*o->configs), by_text);
	return arena_failed(o->arena) ? err_nomem(err) : ERR_OK;
}

void observed_release(struct observed *o)
{
	(void)o;
}

void cleanup_observed(struct observed **o)
{
	observed_release(*o);
	*o = NULL;
}
