/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * issuing.c - the key is sealed and the request recorded before anything leaves for the issuer, so
 * that a crash at any point resumes the same order instead of placing a second one.
 */
#include "reconciler/engine/issuing.h"

#include <stdlib.h>

#include "reconciler/base/str.h"
#include "reconciler/engine/external_ca.h"
#include "reconciler/pki/csr.h"
#include "reconciler/pki/key.h"

static const struct ca_generation *generation_of(const struct memory *m, const char *issuer,
                                                 int generation)
{
	const struct issuer_memory *im = memory_issuer(m, issuer);

	for (size_t i = 0; im != NULL && i < im->n_generations; i++) {
		if (im->generations[i].generation == generation) {
			return &im->generations[i];
		}
	}
	return NULL;
}

/* Which of the parent's generations signed this certificate? */
static const struct ca_generation *signer_of(struct pass *p, const char *parent,
                                             const struct cert *c)
{
	const struct issuer_memory *im = memory_issuer(p->memory, parent);

	for (size_t i = im == NULL ? 0 : im->n_generations; i > 0; i--) {
		const struct ca_generation *g = &im->generations[i - 1];
		const struct cert *issuer = seen_cert_parse(g->cert, &p->arena);

		if (issuer != NULL && cert_issued_by(c, issuer)) {
			return g;
		}
	}
	return NULL;
}

#define CA_DEPTH_MAX 8

/* What was committed above a CA that a CA elsewhere certifies, without the root. */
static enum err_code add_committed(struct pass *p, const struct issuer_def *def,
                                   const struct seen_cert *ca, const struct cert **v, size_t *n,
                                   struct err *err)
{
	struct chain c = { 0 };
	enum err_code rc = external_ca_chain(def, ca->spki_sha256, &p->arena, &c, err);

	for (size_t i = 1; rc == ERR_OK && i < c.n && *n < CA_DEPTH_MAX; i++) {
		if (!cert_self_signed(c.v[i])) {
			v[(*n)++] = c.v[i];
		}
	}
	return rc;
}

/* The certificates above a subordinate, without the root. */
static enum err_code chain_above(struct engine *e, struct pass *p, const struct issuer_def *def,
                                 int generation, struct chain *ret, struct err *err)
{
	const struct cert **v = ARENA_ARRAY(&p->arena, const struct cert *, CA_DEPTH_MAX);
	const struct ca_generation *g = generation_of(p->memory, def->o.name, generation);
	size_t n = 0;

	if (v == NULL) {
		return err_nomem(err);
	}
	while (g != NULL && def->private_ca->parent.s != NULL && n < CA_DEPTH_MAX) {
		const char *parent = def->private_ca->parent.s;
		const struct cert *c = seen_cert_parse(g->cert, &p->arena);

		g = c == NULL ? NULL : signer_of(p, parent, c);
		def = desired_issuer(e->desired, parent);
		if (g == NULL || def == NULL) {
			return err_set(
				err, ERR_NOT_FOUND,
				"Issuer %s: no certificate of it that signed its subordinate is known",
				parent);
		}
		if (!seen_cert_self_signed(g->cert)) {
			v[n++] = seen_cert_parse(g->cert, &p->arena);
		}
	}
	*ret = (struct chain){ .v = v, .n = n };
	return g == NULL || g->cert == NULL || def->private_ca->external_certificate.s == NULL
	               ? ERR_OK
	               : add_committed(p, def, g->cert, v, &ret->n, err);
}

enum err_code issuer_open(struct engine *e, struct pass *p, const struct issuer_def *def,
                          int generation, struct issuer **ret, struct err *err)
{
	struct private_ca_spec *spec = ARENA_NEW(&p->arena, struct private_ca_spec);
	struct chain upper = { 0 };

	if (spec == NULL) {
		return err_nomem(err);
	}
	enum err_code rc = issuer_ca_spec(def, generation, &p->arena, spec, err);
	if (rc == ERR_OK) {
		rc = chain_above(e, p, def, generation, &upper, err);
	}
	if (rc == ERR_OK) {
		rc = private_ca_open(spec, store_ca_books(e->store), upper, ret, err);
	}
	return rc == ERR_OK ? rc : err_wrap(err, "Issuer %s", def->o.name);
}

void cleanup_issuer(struct issuer **iss)
{
	if (*iss != NULL) {
		(*iss)->ops->close(*iss);
	}
}

static enum err_code issue_external(struct engine *e, struct pass *p, const struct action *a,
                                    const struct private_ca_spec *spec, struct err *err)
{
	const struct ca_generation *g =
		generation_of(p->memory, a->issuer->o.name, a->issuer_generation);
	struct chain c = { 0 };

	if (g == NULL) {
		return private_ca_request(spec, store_ca_books(e->store), err);
	}
	enum err_code rc = external_ca_chain(a->issuer, g->request_spki, &p->arena, &c, err);
	if (rc == ERR_OK && c.n == 0) {
		rc = err_set(err, ERR_NOT_FOUND, "%s holds no certificate for the key",
		             a->issuer->private_ca->external_certificate.s);
	}
	return rc != ERR_OK ? rc
	                    : private_ca_accept(spec, store_ca_books(e->store), c.v[0],
	                                        e->clock->wall(e->clock), err);
}

enum err_code issue_ca(struct engine *e, struct pass *p, const struct action *a, struct err *err)
{
	CLEANUP(cleanup_issuer) struct issuer *parent = NULL;
	struct private_ca_spec *spec = ARENA_NEW(&p->arena, struct private_ca_spec);

	if (spec == NULL) {
		return err_nomem(err);
	}
	enum err_code rc = issuer_ca_spec(a->issuer, a->issuer_generation, &p->arena, spec, err);
	if (rc == ERR_OK && a->issuer->private_ca->external_certificate.s != NULL) {
		return issue_external(e, p, a, spec, err);
	}
	if (rc == ERR_OK && spec->parent != NULL) {
		const struct issuer_def *up = desired_issuer(e->desired, spec->parent);
		rc = issuer_open(e, p, up, up->private_ca->generation, &parent, err);
	}
	if (rc == ERR_OK) {
		rc = private_ca_create(spec, store_ca_books(e->store), parent,
		                       e->clock->wall(e->clock), err);
	}
	return rc;
}

enum err_code issue_crl(struct engine *e, struct pass *p, const struct action *a, struct err *err)
{
	CLEANUP(cleanup_issuer) struct issuer *iss = NULL;
	CLEANUP(buf_release) struct buf crl = { 0 };

	buf_init(&crl, BUF_LIMIT_TEXT);
	enum err_code rc = issuer_open(e, p, a->issuer, a->issuer_generation, &iss, err);
	if (rc == ERR_OK) {
		rc = private_ca_publish_crl(iss, e->clock->wall(e->clock), &crl, err);
	}
	return rc;
}

/* The cause in one word: the same revision of the same key never asks twice. */
static const char *request_id_of(struct arena *arena, const char *identity, const uint8_t *spki)
{
	char hex[2 * SHA256_BYTES + 1];

	hex_encode(bytes_of(spki, SHA256_BYTES), hex);
	return arena_printf(arena, "%s/%.32s", identity, hex);
}

static enum err_code make_key(struct engine *e, const struct action *a,
                              const struct cert_spec *spec, const struct identity_memory *im,
                              struct key **ret, struct err *err)
{
	CLEANUP(secret_release) struct secret old = { 0 };

	if (!a->keep_key || im == NULL || im->n_revisions == 0) {
		return key_generate(&spec->key, ret, err);
	}
	enum err_code rc = store_identity_key(e->store, a->identity->name,
	                                      im->revisions[0].revision, &old, err);
	return rc == ERR_OK ? key_import(secret_view(&old), ret, err) : rc;
}

struct asking {
	struct cert_spec spec;
	struct spec_digest digest;
	int revision;
	const char *request_id;
	uint8_t spki[SHA256_BYTES];
	struct buf csr, handle;
};

static void asking_release(struct asking *q)
{
	buf_release(&q->csr);
	buf_release(&q->handle);
}

static enum err_code begin(struct engine *e, struct pass *p, const struct action *a,
                           const struct identity_memory *im, struct asking *q, struct err *err)
{
	CLEANUP(cleanup_key) struct key *key = NULL;
	CLEANUP(secret_release) struct secret pkcs8 = { 0 };
	/* A second certificate over a kept key is a new cause: its revision tells them apart. */
	int next = im == NULL || im->n_revisions == 0 ? 1 : im->revisions[0].revision + 1;

	enum err_code rc = make_key(e, a, &q->spec, im, &key, err);
	if (rc == ERR_OK) {
		rc = key_export_pkcs8(key, &pkcs8, err);
	}
	if (rc == ERR_OK) {
		rc = csr_create(&q->spec, a->identity->def->shared->encode_usages, key, &q->csr,
		                err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	key_spki_sha256(key, q->spki);
	const char *id = request_id_of(&p->arena, a->identity->name, q->spki);
	q->request_id = id == NULL ? NULL : arena_printf(&p->arena, "%s/%d", id, next);
	if (q->request_id == NULL) {
		return err_nomem(err);
	}
	struct new_key nk = {
		.identity = a->identity->name,
		.request_id = q->request_id,
		.pkcs8 = &pkcs8,
		.csr = buf_view(&q->csr),
		.digest = q->digest,
		.issuer = a->issuer->o.name,
		.issuer_generation = a->issuer_generation,
		.renew = a->identity->def->shared->renew,
	};
	memcpy(nk.spki_sha256, q->spki, SHA256_BYTES);
	return store_identity_begin(e->store, &nk, &q->revision, err);
}

static bool pending_serves(const struct pending *pend, const struct spec_digest *d)
{
	return pend != NULL && memcmp(pend->request_digest, d->request, sizeof(d->request)) == 0 &&
	       memcmp(pend->key_digest, d->key, sizeof(d->key)) == 0;
}

static enum err_code ask(struct engine *e, struct pass *p, const struct action *a,
                         const struct identity_memory *im, struct asking *q, struct err *err)
{
	const struct pending *pend = im == NULL ? NULL : im->pending;

	buf_init(&q->csr, (size_t)1 << 20);
	buf_init(&q->handle, (size_t)1 << 20);
	enum err_code rc = identity_spec(a->identity, &p->arena, &q->spec, err);
	if (rc != ERR_OK) {
		return rc;
	}
	cert_spec_digest(&q->spec, &q->digest);
	if (!pending_serves(pend, &q->digest)) {
		return begin(e, p, a, im, q, err);
	}
	q->revision = pend->revision;
	q->request_id = pend->request_id;
	memcpy(q->spki, pend->spki_sha256, SHA256_BYTES);
	return store_identity_csr(e->store, a->identity->name, &q->csr, &q->handle, err);
}

static enum err_code place(struct engine *e, const struct action *a, struct issuer *iss,
                           const struct asking *q, struct order *ret, struct err *err)
{
	struct issuer_request req = {
		.identity = a->identity->name,
		.request_id = q->request_id,
		.csr = buf_view(&q->csr),
		.spec = &q->spec,
		.now = e->clock->wall(e->clock),
	};

	if (q->handle.len > 0) {
		struct err lost = { 0 };
		enum err_code rc = iss->ops->resume(iss, buf_view(&q->handle), req.now, ret, &lost);
		if (rc != ERR_NOT_FOUND) {
			*err = lost;
			return rc;
		}
	}
	return iss->ops->submit(iss, &req, ret, err);
}

/* Never store what was not asked for: an issuer may be wrong, misconfigured or somebody else. */
static enum err_code accept(struct pass *p, const struct action *a, const struct asking *q,
                            struct bytes pem, struct chain *ret, struct err *err)
{
	const struct cert **v = NULL;
	const char *field = NULL;
	size_t n = 0;

	enum err_code rc = cert_parse_bundle(pem, &p->arena, &v, &n, err);
	if (rc != ERR_OK) {
		return err_wrap(err, "what Issuer %s answered", a->issuer->o.name);
	}
	if (n == 0 || memcmp(v[0]->spki_sha256, q->spki, SHA256_BYTES) != 0) {
		return err_set(err, ERR_VERIFY,
		               "Issuer %s answered with a certificate for another key",
		               a->issuer->o.name);
	}
	if (cert_satisfies(v[0], &q->spec, &field) != SPEC_SATISFIED) {
		(void)err_set(err, ERR_VERIFY,
		              "Issuer %s answered with a certificate that differs in %s",
		              a->issuer->o.name, field);
		return err_hint(err, "ask for what the issuer grants, or change its policy");
	}
	*ret = chain_without_root((struct chain){ .v = v, .n = n });
	return ERR_OK;
}

enum err_code issue_identity(struct engine *e, struct pass *p, const struct action *a,
                             struct fresh *ret, bool *ret_pending, struct err *err)
{
	CLEANUP(asking_release) struct asking q = { 0 };
	CLEANUP(cleanup_issuer) struct issuer *iss = NULL;
	CLEANUP(order_release) struct order order;
	const char *name = a->identity->name;
	struct chain chain = { 0 };

	order_init(&order);
	enum err_code rc = issuer_open(e, p, a->issuer, a->issuer_generation, &iss, err);
	if (rc == ERR_OK) {
		rc = ask(e, p, a, memory_identity(p->memory, name), &q, err);
	}
	if (rc == ERR_OK) {
		rc = place(e, a, iss, &q, &order, err);
	}
	if (rc == ERR_OK) {
		rc = store_identity_ordered(e->store, name, buf_view(&order.handle),
		                            order.next_poll, err);
	}
	if (rc != ERR_OK || order.status == ORDER_PENDING) {
		*ret_pending = rc == ERR_OK;
		return rc;
	}
	rc = accept(p, a, &q, buf_view(&order.chain_pem), &chain, err);
	if (rc == ERR_OK) {
		rc = store_identity_issued(e->store, name, chain, err);
	}
	if (rc == ERR_OK) {
		*ret_pending = false;
		*ret = (struct fresh){ .identity = a->identity,
			               .revision = q.revision,
			               .chain = chain };
	}
	return rc;
}
