/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model.c - finding things in the desired state. Lists are sorted by name; a map would cost more
 * memory than it saves time.
 */
#include "desired/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare_object(const void *key, const void *element)
{
	return strcmp(key, (*(const struct object *const *)element)->name);
}

static const void *find(const void *list, size_t n, const char *name)
{
	const void *hit = n == 0 ? NULL : bsearch(name, list, n, sizeof(void *), compare_object);

	return hit != NULL ? *(const void *const *)hit : NULL;
}

const struct issuer_def *desired_issuer(const struct desired *d, const char *name)
{
	return find(d->issuers, d->n_issuers, name);
}

const struct certificate *desired_certificate(const struct desired *d, const char *name)
{
	return find(d->certificates, d->n_certificates, name);
}

const struct ca_set *desired_ca_set(const struct desired *d, const char *name)
{
	return find(d->ca_sets, d->n_ca_sets, name);
}

const struct keystore_def *desired_keystore(const struct desired *d, const char *name)
{
	return find(d->keystores, d->n_keystores, name);
}

const char *keystore_profile(const struct keystore_def *k)
{
	if (k == NULL || k->format.s == NULL || strcmp(k->format.s, "pkcs12") != 0) {
		return NULL;
	}
	return k->pkcs12_profile.s == NULL ? "Modern2023" : k->pkcs12_profile.s;
}

const struct target *desired_target(const struct desired *d, const char *name)
{
	return find(d->targets, d->n_targets, name);
}

const struct discovery_def *desired_discovery(const struct desired *d, const char *name)
{
	return find(d->discoveries, d->n_discoveries, name);
}

static int compare_identity(const void *key, const void *element)
{
	return strcmp(key, ((const struct identity *)element)->name);
}

const struct identity *desired_identity(const struct desired *d, const char *name)
{
	return d->n_identities == 0 ? NULL
	                            : bsearch(name, d->identities, d->n_identities,
	                                      sizeof(*d->identities), compare_identity);
}

const struct identity *desired_identity_on(const struct desired *d, const char *certificate,
                                           const char *host)
{
	char name[600];
	const struct certificate *c = desired_certificate(d, certificate);

	if (c == NULL || c->shared->for_each.s == NULL) {
		return c == NULL ? NULL : desired_identity(d, certificate);
	}
	int n = snprintf(name, sizeof(name), "%s@%s", certificate, host);
	return n < 0 || (size_t)n >= sizeof(name) ? NULL : desired_identity(d, name);
}

static bool label_is(const struct object *o, const char *s, size_t n)
{
	const char *eq = memchr(s, '=', n);
	size_t nk = eq != NULL ? (size_t)(eq - s) : n;

	eq += eq != NULL && nk + 1 < n && eq[1] == '=' ? 1 : 0; /* either sign, as kubectl has it */
	for (size_t i = 0; i < o->shared->n_labels; i++) {
		const struct label *l = &o->shared->labels[i];
		if (strlen(l->key) != nk || memcmp(l->key, s, nk) != 0) {
			continue;
		}
		size_t nv = eq == NULL ? 0 : (size_t)(s + n - eq - 1);
		return eq == NULL || (strlen(l->value) == nv && memcmp(l->value, eq + 1, nv) == 0);
	}
	return false;
}

bool object_selected(const struct object *o, const char *selector)
{
	for (const char *s = selector; s != NULL && *s != '\0';) {
		size_t n = strcspn(s, ",");
		if (n > 0 && !label_is(o, s, n)) {
			return false;
		}
		s += n + (s[n] == ',');
	}
	return true;
}
