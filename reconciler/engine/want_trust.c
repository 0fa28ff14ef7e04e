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
#include "reconciler/engine/want_build.h"

#define FLAT_ALIAS_HEX 16
#define OLDER_PINS     3 /* revisions behind the newest that somebody may still present */

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

/* ---- members -------------------------------------------------------------------------------- */

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

/* ---- aliases -------------------------------------------------------------------------------- */

/* The name that formats without aliases give a certificate. */
static const char *flat_alias(struct arena *a, const struct seen_cert *c)
{
	char hex[2 * SHA256_BYTES + 1];

	if (c == NULL) {
		return "";
	}
	hex_encode(bytes_of(c->sha256, sizeof(c->sha256)), hex);
	return arena_strn(a, hex, FLAT_ALIAS_HEX);
}

static const char *remembered_alias(const struct anchor_memory *am, size_t n,
                                    const struct seen_cert *c)
{
	for (size_t i = 0; c != NULL && i < n; i++) {
		if (am[i].cert == c) {
			return am[i].alias;
		}
	}
	return NULL;
}

static bool alias_taken(const struct want_entries *out, const char *folded)
{
	for (size_t i = 0; i < out->n; i++) {
		if (str_equal(out->v[i].folded, folded)) {
			return true;
		}
	}
	return false;
}

static const struct cert *parsed(struct want_build *b, const struct seen_cert *c)
{
	struct bytes key = bytes_of(c->sha256, sizeof(c->sha256));
	const struct cert *found = map_get(&b->parsed, key);

	if (found == NULL) {
		found = seen_cert_parse(c, b->a);
		/* A failed insert costs a second parse, nothing else. */
		if (found != NULL && map_put(&b->parsed, key, (void *)(uintptr_t)found, NULL) < 0) {
			return found;
		}
	}
	return found;
}

/* The alias text of one member before suffixes; a template that needs a certificate not known yet
 * stays as it is written. */
static enum err_code base_alias(struct want_build *b, const struct want_store *store,
                                const struct keystore_entry_spec *spec,
                                const struct trust_member *m, size_t index, const char **ret,
                                struct err *err)
{
	struct scope scope = { .target = store->target, .host = store->host, .index = index };

	if (!text_is_template(spec->alias.s)) {
		*ret = spec->alias.s;
		return ERR_OK;
	}
	if (m->cert == NULL) {
		*ret = spec->alias.s;
		return ERR_OK;
	}
	scope.cert = parsed(b, m->cert);
	if (scope.cert == NULL) {
		return err_set(err, ERR_INVALID, "alias %s: the certificate does not parse",
		               spec->alias.s);
	}
	return expand_text(spec->alias.s, &scope, b->a, ret, err);
}

static const char *free_alias(struct want_build *b, const struct want_entries *out,
                              const struct anchor_memory *am, size_t n_am, const char *base)
{
	for (int k = 1; k < 10000; k++) {
		const char *alias = k == 1 ? base : arena_printf(b->a, "%s-%d", base, k);
		const char *folded = alias == NULL ? NULL : want_fold(b->a, alias);
		bool used = false;

		if (folded == NULL) {
			return NULL;
		}
		for (size_t i = 0; i < n_am; i++) {
			const char *other = want_fold(b->a, am[i].alias);

			used = used || str_equal(other, folded);
		}
		if (!used && !alias_taken(out, folded)) {
			return alias;
		}
	}
	return NULL;
}

static enum err_code add_member(struct want_build *b, const struct keystore_entry_spec *spec,
                                const struct trust_member *m, const char *alias, int64_t overlap_s,
                                struct want_entries *out, struct err *err)
{
	struct want_entry *e = alias == NULL ? NULL : ARENA_PUSH(b->a, out);

	if (e == NULL) {
		return err_nomem(err);
	}
	e->alias = alias;
	e->folded = want_fold(b->a, alias);
	e->source = spec->source;
	e->identity = m->identity;
	e->ca_set = spec->source == ENTRY_CA_SET ? desired_ca_set(b->d, spec->ref.s) : NULL;
	e->anchor = m->cert;
	e->revision = m->revision;
	e->issuer = m->issuer;
	e->issuer_generation = m->generation;
	e->overlap_s = overlap_s;
	e->leaving = m->leaving;
	return e->folded == NULL ? err_nomem(err) : ERR_OK;
}

/* In two rounds: who has an alias already keeps it, the others take what is free. */
enum err_code trust_entries_add(struct want_build *b, const struct want_store *store,
                                const struct keystore_entry_spec *spec,
                                const struct trust_list *list, int64_t overlap_s,
                                struct want_entries *out, struct err *err)
{
	size_t n_am = 0;
	const struct anchor_memory *am = memory_anchors_of(b->m, store->key, &n_am);
	enum err_code rc = ERR_OK;

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; rc == ERR_OK && i < list->n; i++) {
			const struct trust_member *m = &list->v[i];
			const char *base = "";

			if (store->has_aliases) {
				rc = base_alias(b, store, spec, m, i + 1, &base, err);
			}
			if (rc != ERR_OK) {
				break;
			}
			const char *old =
				store->has_aliases ? remembered_alias(am, n_am, m->cert) : NULL;

			if (old != NULL && !alias_in_family(old, base)) {
				old = NULL;
			}
			if ((old != NULL) != (round == 0)) {
				continue;
			}
			if (round == 1 && store->has_aliases) {
				old = free_alias(b, out, am, n_am, base);
			}
			rc = add_member(b, spec, m,
			                store->has_aliases ? old : flat_alias(b->a, m->cert),
			                overlap_s, out, err);
		}
	}
	return rc;
}

/* ---- what is left over ----------------------------------------------------------------------- */

static bool alias_of_spec(const char *alias, const char *spec_alias)
{
	const char *brace = strstr(spec_alias, "{{");

	if (brace == NULL) {
		return alias_in_family(alias, spec_alias);
	}
	return strncmp(alias, spec_alias, (size_t)(brace - spec_alias)) == 0;
}

static const struct keystore_entry_spec *entry_of_alias(const struct want_store *store,
                                                        const char *alias)
{
	const struct keystore_def *ks = store->keystore;

	for (size_t i = 0; ks != NULL && i < ks->n_entries; i++) {
		const struct keystore_entry_spec *e = &ks->entries[i];

		if (e->source != ENTRY_CERTIFICATE &&
		    (!store->has_aliases || alias_of_spec(alias, e->alias.s))) {
			return e;
		}
	}
	return NULL;
}

static bool entries_have(const struct want_entries *out, const struct seen_cert *c)
{
	for (size_t i = 0; i < out->n; i++) {
		if (out->v[i].source != ENTRY_CERTIFICATE && out->v[i].anchor == c) {
			return true;
		}
	}
	return false;
}

enum err_code trust_leftovers_add(struct want_build *b, const struct want_store *store,
                                  struct want_entries *out, struct err *err)
{
	size_t n = 0;
	const struct anchor_memory *am = memory_anchors_of(b->m, store->key, &n);
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < n; i++) {
		const struct keystore_entry_spec *spec;
		struct keystore_entry_spec gone = { .source = ENTRY_TRUST_CERTIFICATE };
		struct trust_member m = { .cert = am[i].cert, .leaving = true };
		const struct ca_set *set = NULL;

		if (entries_have(out, am[i].cert)) {
			continue;
		}
		spec = entry_of_alias(store, am[i].alias);
		if (spec != NULL && spec->source == ENTRY_CA_SET) {
			set = desired_ca_set(b->d, spec->ref.s);
		}
		rc = add_member(b, spec == NULL ? &gone : spec, &m, am[i].alias,
		                set == NULL ? PIN_OVERLAP_S : set->overlap_s, out, err);
		if (rc == ERR_OK) {
			out->v[out->n - 1].orphan = spec == NULL;
		}
	}
	return rc;
}
