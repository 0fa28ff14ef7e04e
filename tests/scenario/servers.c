/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * servers.c - what the servers of the world have in their memory, and handshakes between them.
 *
 * A server serves and believes what it loaded last, not what lies on the disk: the whole point of
 * activation, and the reason why trust must be loaded before an identity is switched.
 */
#include <stdio.h>
#include <stdlib.h>

#include "reconciler/base/str.h"
#include "reconciler/pki/key.h"
#include "tests/scenario/world.h"

static bool load_add(struct loaded *l, struct bytes der)
{
	size_t at = 0;

	for (size_t i = 0; i < l->n; i++) {
		at += l->len[i];
	}
	if (l->n == WORLD_LOAD_CERTS || at + der.n > WORLD_LOAD_BYTES) {
		fprintf(stderr, "too many certificates for a server of the world\n");
		abort();
	}
	memcpy(l->der + at, der.p, der.n);
	l->len[l->n++] = der.n;
	return true;
}

static struct bytes load_at(const struct loaded *l, size_t k)
{
	size_t at = 0;

	for (size_t i = 0; i < k; i++) {
		at += l->len[i];
	}
	return bytes_of(l->der + at, l->len[k]);
}

static bool key_fits(const struct keystore *ks, size_t i, struct bytes leaf)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	CLEANUP(cleanup_key) struct key *k = NULL;
	CLEANUP(arena_release) struct arena arena;
	const struct cert *c = NULL;
	struct err why = { 0 };

	arena_init(&arena);
	return ks->ops->key(ks, i, &key, &why) == ERR_OK &&
	       key_import(secret_view(&key), &k, &why) == ERR_OK &&
	       cert_parse(leaf, &arena, &c, &why) == ERR_OK && key_matches_cert(k, c);
}

static bool load_identity(struct world *w, const struct server *s, struct server *next)
{
	struct keystore *ks = world_open_store(w, s->host, s->identity, s->password);
	bool found = false;

	for (size_t i = 0; ks != NULL && !found && i < ks->ops->count(ks); i++) {
		struct keystore_entry e = { 0 };

		ks->ops->entry(ks, i, &e);
		bool other = s->alias[0] != '\0' && !str_equal(e.folded, s->alias);
		if (e.kind != KS_KEY || e.n_chain == 0 || other) {
			continue;
		}
		found = true;
		for (size_t k = 0; k < e.n_chain; k++) {
			(void)load_add(&next->chain, e.chain[k]);
		}
		next->key_fits = key_fits(ks, i, e.chain[0]);
	}
	if (ks != NULL) {
		ks->ops->close(ks);
	}
	return found && next->key_fits;
}

static bool load_trust(struct world *w, const struct server *s, struct server *next)
{
	struct keystore *ks = world_open_store(w, s->host, s->trust, s->password);

	for (size_t i = 0; ks != NULL && i < ks->ops->count(ks); i++) {
		struct keystore_entry e = { 0 };

		ks->ops->entry(ks, i, &e);
		if (e.kind == KS_TRUSTED && e.n_chain > 0) {
			(void)load_add(&next->anchors, e.chain[0]);
		}
	}
	if (ks == NULL) {
		return false;
	}
	ks->ops->close(ks);
	return true;
}

bool server_load(struct world *w, struct server *s)
{
	struct server *next = calloc(1, sizeof(*next));
	bool fine = next != NULL;

	if (next == NULL) {
		abort();
	}
	if (s->identity[0] != '\0') {
		fine = load_identity(w, s, next);
	}
	if (fine && s->trust[0] != '\0') {
		fine = load_trust(w, s, next);
	}
	if (fine) {
		s->chain = next->chain;
		s->anchors = next->anchors;
		s->key_fits = next->key_fits;
		s->loads++;
	}
	free(next);
	return fine;
}

void server_serve(struct server *s, const struct bytes *ders, size_t n)
{
	s->chain = (struct loaded){ 0 };
	for (size_t i = 0; i < n; i++) {
		(void)load_add(&s->chain, ders[i]);
	}
	s->key_fits = true;
	s->up = true;
}

const char *server_serves(struct world *w, const struct server *s)
{
	static char name[80];
	uint8_t sha256[SHA256_BYTES];

	if (!s->up || s->chain.n == 0) {
		return "nothing";
	}
	struct bytes leaf = load_at(&s->chain, 0);
	pki_sha256(leaf.p, leaf.n, sha256);
	return names_text(w, sha256, name);
}

const struct cert *server_leaf(const struct server *s, struct arena *arena)
{
	const struct cert *c = NULL;
	struct err why = { 0 };

	if (!s->up || s->chain.n == 0) {
		return NULL;
	}
	return cert_parse(load_at(&s->chain, 0), arena, &c, &why) == ERR_OK ? c : NULL;
}

static struct chain parse_all(const struct loaded *l, struct arena *arena)
{
	const struct cert **v = ARENA_ARRAY(arena, const struct cert *, l->n + 1);
	struct err why = { 0 };

	for (size_t i = 0; v != NULL && i < l->n; i++) {
		if (cert_parse(load_at(l, i), arena, &v[i], &why) != ERR_OK) {
			return (struct chain){ 0 };
		}
	}
	return (struct chain){ .v = v, .n = v == NULL ? 0 : l->n };
}

static enum chain_verdict handshake(const struct world *w, const struct server *verifier,
                                    const struct server *presenter)
{
	CLEANUP(arena_release) struct arena arena;

	arena_init(&arena);
	struct chain served = parse_all(&presenter->chain, &arena);
	struct chain anchors = parse_all(&verifier->anchors, &arena);
	if (served.n == 0 || !presenter->key_fits) {
		return CHAIN_BAD_SIGNATURE;
	}
	return chain_verify(served, anchors.v, anchors.n, /* host= */ NULL, CHAIN_ANY_PURPOSE,
	                    w->clock.wall_now, /* memo= */ NULL);
}

void world_check_handshakes(struct world *w)
{
	for (size_t i = 0; i < w->n_relations; i++) {
		struct relation *r = &w->relations[i];
		const struct server *v = &w->servers[r->verifier];
		const struct server *p = &w->servers[r->presenter];

		if (!v->up || !p->up || v->loads == 0 || p->chain.n == 0) {
			continue;
		}
		enum chain_verdict verdict = handshake(w, v, p);
		w->handshakes++;
		if (verdict == CHAIN_OK) {
			r->armed = true;
		} else if (r->armed) {
			world_broken(
				w, "a handshake failed: %s/%s would refuse %s of %s/%s: verdict %d",
				v->host, v->name, server_serves(w, p), p->host, p->name,
				(int)verdict);
		}
	}
}

bool world_is_armed(const struct world *w)
{
	for (size_t i = 0; i < w->n_relations; i++) {
		if (!w->relations[i].armed) {
			return false;
		}
	}
	return w->n_relations > 0;
}

static enum err_code fill_served(struct observed *o, const struct server *s,
                                 struct obs_endpoint *ret, struct err *err)
{
	const struct seen_cert **v = ARENA_ARRAY(o->arena, const struct seen_cert *, s->chain.n);

	if (v == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < s->chain.n; i++) {
		enum err_code rc = seen_cert_add(o->certs, load_at(&s->chain, i), &v[i], err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	ret->served = (struct seen_chain){ .v = v, .n = s->chain.n };
	ret->protocol = "TLS1.3";
	ret->cipher = "TLS_AES_128_GCM_SHA256";
	return ERR_OK;
}

static enum err_code probe_one(struct world *w, const struct look_endpoint *look,
                               struct observed *o, struct obs_endpoint *ret, struct err *err)
{
	const struct server *s = world_server_at(w, look->host, look->port);

	*ret = (struct obs_endpoint){ .key = arena_str(o->arena, look->key), .at = o->at };
	if (world_host(w, look->host)->unreachable) {
		ret->status = ENDPOINT_UNREACHABLE;
		ret->error = "no answer within the deadline";
		return ERR_OK;
	}
	if (s == NULL || !s->up || s->chain.n == 0) {
		ret->status = ENDPOINT_REFUSED;
		ret->error = "connection refused";
		return ERR_OK;
	}
	ret->status = ENDPOINT_OK;
	ret->proof = look->possession && s->key_fits ? PROOF_POSSESSION : PROOF_NONE;
	if (s->wants_clients && look->client_key == NULL) {
		ret->proof = PROOF_NONE;
		ret->error = "certificate required";
	}
	return fill_served(o, s, ret, err);
}

static enum err_code world_probe(struct prober *base, const struct look_endpoint *looks, size_t n,
                                 struct observed *o, struct obs_endpoint *ret, struct err *err)
{
	struct world_prober *p = CONTAINER_OF(base, struct world_prober, base);

	for (size_t i = 0; i < n; i++) {
		enum err_code rc = probe_one(p->world, &looks[i], o, &ret[i], err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return ERR_OK;
}

void world_prober_init(struct world_prober *p, struct world *w)
{
	*p = (struct world_prober){ .base.probe = world_probe, .world = w };
}
