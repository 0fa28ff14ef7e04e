/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * want_trust.c - whom to trust: issuers, pins and files become certificates with an alias each.
 *
 * An anchor keeps the alias under which it was written; a newcomer takes the next free one. So a
 * roll-over never moves an entry that is already there, whatever order the sources are written in.
 */
#include <stdlib.h>

#include "providers/keystore.h"
#include "reconciler/base/str.h"
#include "reconciler/engine/external_ca.h"
#include "reconciler/engine/want_build.h"

#define OLDER_PINS 3 /* revisions behind the newest that somebody may still present */

bool format_has_aliases(const char *format)
{
	return str_equal(format, "jks") || str_equal(format, "jceks") ||
	       str_equal(format, "pkcs12");
}

const char *want_fold(struct arena *a, const char *alias)
{
	bool same = true;

	for (const char *p = alias; *p != '\0'; p++) {
		if ((unsigned char)*p >= 0x80) {
			CLEANUP(cleanup_free) char *folded = alias_fold(alias);

			return folded == NULL ? NULL : arena_str(a, folded);
		}
		same = same && !(*p >= 'A' && *p <= 'Z');
	}
	if (same) {
		return alias;
	}
	char *folded = arena_str(a, alias);

	if (folded != NULL) {
		str_lower_ascii(folded);
	}
	return folded;
}

bool alias_in_family(const char *alias, const char *name)
{
	size_t n = strlen(name);
	int64_t k;

	if (strncmp(alias, name, n) != 0) {
		return false;
	}
	return alias[n] == '\0' || (alias[n] == '-' && str_to_i64(alias + n + 1, 2, 9999, &k));
}

const struct anchor_memory *memory_anchors_of(const struct memory *m, const char *store_key,
                                              size_t *ret_n)
{
	size_t lo = 0;
	size_t hi = m->n_anchors;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(m->anchors[mid].store_key, store_key) < 0) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	size_t end = lo;

	while (end < m->n_anchors && str_equal(m->anchors[end].store_key, store_key)) {
		end++;
	}
	*ret_n = end - lo;
	return m->anchors + lo;
}

static bool list_has(const struct trust_list *l, const struct seen_cert *c)
{
	for (size_t i = 0; c != NULL && i < l->n; i++) {
		if (l->v[i].cert == c) {
			return true;
		}
	}
	return false;
}

static enum err_code list_add(struct want_build *b, struct trust_list *l,
                              const struct trust_member *m, struct err *err)
{
	if (list_has(l, m->cert)) {
		return ERR_OK;
	}
	struct trust_member *slot = ARENA_PUSH(b->a, l);

	if (slot == NULL) {
		return err_nomem(err);
	}
	*slot = *m;
	return ERR_OK;
}

/* The Issuer at the top of the chain: what it signs, directly or not, is trusted through it. */
static const struct issuer_def *root_issuer(const struct desired *d, const struct issuer_def *iss)
{
	for (int depth = 0; iss != NULL && iss->private_ca != NULL && depth < 16; depth++) {
		if (iss->private_ca->parent.s == NULL) {
			return iss;
		}
		iss = desired_issuer(d, iss->private_ca->parent.s);
	}
	return iss;
}

/* Whom to trust for a CA that a CA elsewhere certifies: the root committed beside it; without one,
 * the CA itself. */
static enum err_code top_of(struct want_build *b, const struct issuer_def *iss,
                            const struct seen_cert **c, struct err *err)
{
	const struct cert *top = external_ca_root(iss, (*c)->spki_sha256, b->a);

	return top == NULL ? ERR_OK : seen_cert_add(b->m->certs, top->der, c, err);
}

static enum err_code add_generations(struct want_build *b, const struct issuer_def *root,
                                     struct trust_list *l, struct err *err)
{
	const struct issuer_memory *im = memory_issuer(b->m, root->o.name);
	int wanted = root->private_ca->generation;
	bool have_wanted = false;
	bool first = true;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; im != NULL && i < im->n_generations; i++) {
		have_wanted = have_wanted || (im->generations[i].generation == wanted &&
		                              im->generations[i].cert != NULL);
	}
	if (!have_wanted) {
		struct trust_member next = { .issuer = root, .generation = wanted };

		rc = list_add(b, l, &next, err);
	}
	for (size_t i = im == NULL ? 0 : im->n_generations; rc == ERR_OK && i > 0; i--) {
		const struct ca_generation *g = &im->generations[i - 1];
		struct trust_member m = { .cert = g->cert,
			                  .issuer = root,
			                  .generation = g->generation };

		if (g->cert == NULL) {
			continue;
		}
		rc = top_of(b, root, &m.cert, err);
		if (rc != ERR_OK) {
			break;
		}
		m.leaving = have_wanted ? g->generation != wanted : !first;
		first = false;
		rc = list_add(b, l, &m, err);
	}
	return rc;
}

static enum err_code add_revisions(struct want_build *b, const struct identity *id,
                                   struct trust_list *l, struct err *err)
{
	const struct identity_memory *im = memory_identity(b->m, id->name);
	enum err_code rc = ERR_OK;

	if (im == NULL || im->n_revisions == 0) {
		struct trust_member m = { .identity = id };

		return list_add(b, l, &m, err);
	}
	for (size_t i = 0; rc == ERR_OK && i < im->n_revisions && i <= OLDER_PINS; i++) {
		const struct held *h = &im->revisions[i];
		struct trust_member m = { .identity = id,
			                  .revision = h->revision,
			                  .leaving = i > 0 };

		if (h->chain.n == 0) {
			continue;
		}
		m.cert = h->chain.v[0];
		rc = list_add(b, l, &m, err);
	}
	return rc;
}

/* Instances of a forEach Certificate stand together in the sorted list: NAME@... */
static size_t first_instance(const struct desired *d, const char *certificate)
{
	size_t lo = 0;
	size_t hi = d->n_identities;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(d->identities[mid].name, certificate) < 0) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return lo;
}

enum err_code trust_of_certificate(struct want_build *b, const char *certificate,
                                   struct trust_list *ret, struct err *err)
{
	const struct certificate *def = desired_certificate(b->d, certificate);
	size_t n = strlen(certificate);
	enum err_code rc = ERR_OK;

	for (size_t i = first_instance(b->d, certificate);
	     rc == ERR_OK && i < b->d->n_identities &&
	     strncmp(b->d->identities[i].name, certificate, n) == 0;
	     i++) {
		if (b->d->identities[i].def == def) {
			rc = add_revisions(b, &b->d->identities[i], ret, err);
		}
	}
	return rc;
}

/* What is not known is a member that stays unknown, never an empty set. */
static enum err_code add_looked_at(struct want_build *b, const struct ca_source *src,
                                   struct trust_list *l, struct err *err)
{
	const char *name = ca_source_name(b->a, src);
	const struct source_memory *sm = name == NULL ? NULL : memory_source(b->m, name);
	enum err_code rc = ERR_OK;

	if (name == NULL) {
		return err_nomem(err);
	}
	if (sm == NULL || sm->error != NULL) {
		return list_add(b, l, &(struct trust_member){ 0 }, err);
	}
	for (size_t i = 0; rc == ERR_OK && i < sm->certs.n; i++) {
		rc = list_add(b, l, &(struct trust_member){ .cert = sm->certs.v[i] }, err);
	}
	return rc;
}

static enum err_code add_bundle(struct want_build *b, const struct ca_set *set,
                                const struct ca_source *src, struct trust_list *l, struct err *err)
{
	const struct cert **certs = NULL;
	size_t n = 0;
	enum err_code rc = cert_parse_bundle(src->data, b->a, &certs, &n, err);

	for (size_t i = 0; rc == ERR_OK && i < n; i++) {
		struct trust_member m = { 0 };

		rc = seen_cert_add(b->m->certs, certs[i]->der, &m.cert, err);
		if (rc == ERR_OK) {
			rc = list_add(b, l, &m, err);
		}
	}
	return rc == ERR_OK ? ERR_OK : err_wrap(err, "CASet %s", set->o.name);
}

static enum err_code add_source(struct want_build *b, const struct ca_set *set,
                                const struct ca_source *src, struct trust_list *l, struct err *err)
{
	const struct issuer_def *iss;

	switch (src->kind) {
	case CA_FILE:
	case CA_INLINE:
		return add_bundle(b, set, src, l, err);
	case CA_ISSUER:
		iss = root_issuer(b->d, desired_issuer(b->d, src->value.s));
		if (iss == NULL || iss->private_ca == NULL) {
			return ERR_OK;
		}
		return add_generations(b, iss, l, err);
	case CA_CERTIFICATE:
		return trust_of_certificate(b, src->value.s, l, err);
	case CA_SYSTEM:
	case CA_URL:
		break;
	}
	return add_looked_at(b, src, l, err);
}

static bool excluded(const struct ca_set *set, const struct seen_cert *c)
{
	uint8_t fp[SHA256_BYTES];

	for (size_t i = 0; c != NULL && i < set->exclude.n; i++) {
		if (fingerprint_parse(set->exclude.v[i].s, fp) &&
		    memcmp(fp, c->sha256, sizeof(fp)) == 0) {
			return true;
		}
	}
	return false;
}

/* Excluded ones out; wanted ones first, each half in the order it was found. */
static enum err_code settle(struct want_build *b, const struct ca_set *set,
                            const struct trust_list *in, struct trust_list *out, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (int leaving = 0; leaving < 2; leaving++) {
		for (size_t i = 0; rc == ERR_OK && i < in->n; i++) {
			if (in->v[i].leaving == (leaving == 1) && !excluded(set, in->v[i].cert)) {
				rc = list_add(b, out, &in->v[i], err);
			}
		}
	}
	return rc;
}

enum err_code trust_of_set(struct want_build *b, const struct ca_set *set,
                           const struct trust_list **ret, struct err *err)
{
	struct trust_list *done = map_get_str(&b->sets, set->o.name);
	struct trust_list found = { 0 };
	enum err_code rc = ERR_OK;

	if (done != NULL) {
		*ret = done;
		return ERR_OK;
	}
	for (size_t i = 0; rc == ERR_OK && i < set->n_sources; i++) {
		rc = add_source(b, set, &set->sources[i], &found, err);
	}
	done = ARENA_NEW(b->a, struct trust_list);
	if (rc == ERR_OK && done == NULL) {
		rc = err_nomem(err);
	}
	if (rc == ERR_OK) {
		rc = settle(b, set, &found, done, err);
	}
	if (rc == ERR_OK && map_put_str(&b->sets, set->o.name, done, NULL) < 0) {
		rc = err_nomem(err);
	}
	if (rc == ERR_OK) {
		*ret = done;
	}
	return rc;
}

enum err_code ca_set_anchors(const struct desired *d, const struct memory *m,
                             const struct ca_set *set, struct arena *arena,
                             const struct seen_cert *const **ret, size_t *ret_n, struct err *err)
{
	struct want_build b = { .d = d, .m = m, .a = arena };
	const struct trust_list *l = NULL;

	map_init(&b.sets);
	enum err_code rc = trust_of_set(&b, set, &l, err);

	map_release(&b.sets);
	if (rc != ERR_OK) {
		return rc;
	}
	const struct seen_cert **v = ARENA_ARRAY(arena, const struct seen_cert *, l->n + 1);
	size_t n = 0;

	if (v == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].cert != NULL) {
			v[n++] = l->v[i].cert;
		}
	}
	*ret = v;
	*ret_n = n;
	return ERR_OK;
}
