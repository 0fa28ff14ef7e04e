/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * want_alias.c - trust entries of a store: a certificate that is there keeps the alias it has,
 * because renaming it would be a removal and an addition to whoever reads the store in between.
 */
#include <stdlib.h>

#include "providers/keystore.h"
#include "reconciler/base/str.h"
#include "reconciler/engine/want_build.h"

#define FLAT_ALIAS_HEX 16
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

	if (!text_is_template(spec->alias.s) || m->cert == NULL) {
		*ret = spec->alias.s;
		return ERR_OK;
	}
	scope.cert = parsed(b, m->cert);
	if (scope.cert == NULL && arena_failed(b->a)) {
		return err_nomem(err);
	}
	if (scope.cert == NULL) {
		return err_set(err, ERR_INVALID, "alias %s: the certificate does not parse",
		               spec->alias.s);
	}
	return expand_text(spec->alias.s, &scope, b->a, ret, err);
}

enum err_code want_alias_known(const struct want_store *s, const struct want_entry *e,
                               const struct cert *c, struct arena *arena, const char **ret,
                               struct err *err)
{
	struct scope scope = { .target = s->target, .host = s->host, .cert = c, .index = e->index };

	return expand_text(e->alias, &scope, arena, ret, err);
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

struct trust_naming {
	const struct want_store *store;
	const struct keystore_entry_spec *spec;
	const struct anchor_memory *am;
	size_t n_am;
	bool keeping; /* the round of those that have an alias already */
};

/* The alias of one member in this round; NULL in *ret: not its round. */
static enum err_code member_alias(struct want_build *b, const struct trust_naming *n,
                                  const struct trust_member *m, size_t index,
                                  const struct want_entries *out, const char **ret, struct err *err)
{
	const char *base = "";

	if (!n->store->has_aliases) {
		*ret = n->keeping ? NULL : flat_alias(b->a, m->cert);
		return n->keeping || *ret != NULL ? ERR_OK : err_nomem(err);
	}
	enum err_code rc = base_alias(b, n->store, n->spec, m, index, &base, err);
	if (rc != ERR_OK) {
		return rc;
	}
	const char *old = remembered_alias(n->am, n->n_am, m->cert);
	bool kept = old != NULL && alias_in_family(old, base);

	if (kept != n->keeping) {
		*ret = NULL;
		return ERR_OK;
	}
	/* Whether a template's alias is free is known with its certificate. */
	*ret = kept                     ? old
	       : text_is_template(base) ? base
	                                : free_alias(b, out, n->am, n->n_am, base);
	return *ret != NULL ? ERR_OK : err_nomem(err);
}

/* In two rounds: who has an alias already keeps it, the others take what is free. */
enum err_code trust_entries_add(struct want_build *b, const struct want_store *store,
                                const struct keystore_entry_spec *spec,
                                const struct trust_list *list, int64_t overlap_s,
                                struct want_entries *out, struct err *err)
{
	struct trust_naming n = { .store = store, .spec = spec };

	n.am = memory_anchors_of(b->m, store->key, &n.n_am);
	for (int round = 0; round < 2; round++) {
		n.keeping = round == 0;
		for (size_t i = 0; i < list->n; i++) {
			const struct trust_member *m = &list->v[i];
			const char *alias = NULL;
			enum err_code rc = member_alias(b, &n, m, i + 1, out, &alias, err);

			if (rc == ERR_OK && alias != NULL) {
				rc = add_member(b, spec, m, alias, overlap_s, out, err);
				if (rc == ERR_OK) {
					out->v[out->n - 1].index = (uint32_t)i + 1;
				}
			}
			if (rc != ERR_OK) {
				return rc;
			}
		}
	}
	return ERR_OK;
}

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
