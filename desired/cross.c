/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cross.c - identities, and what must hold between objects: instances meet their hosts, no two
 * deliveries want one place.
 */
#include <stdlib.h>
#include <string.h>

#include "desired/expand.h"
#include "desired/loader.h"
#include "providers/keystore.h"
#include "reconciler/base/map.h"
#include "reconciler/base/str.h"

#define PLACES_MAX 2000000u

static int compare_identities(const void *a, const void *b)
{
	return strcmp(((const struct identity *)a)->name, ((const struct identity *)b)->name);
}

static const struct target *for_each_target(const struct loader *l, const struct text *t)
{
	return t->s == NULL ? NULL
	                    : (const struct target *)(void *)loader_find(l, KIND_TARGET, t->s);
}

static size_t count_identities(struct loader *l)
{
	size_t n = 0;

	for (size_t i = 0; i < l->d->n_certificates; i++) {
		const struct certificate *c = l->d->certificates[i];
		const struct target *t = for_each_target(l, &c->shared->for_each);
		n += c->shared->for_each.s == NULL ? 1 : t != NULL ? t->n_hosts : 0;
		if (n > OBJECTS_MAX) {
			loader_report(l, &c->o, "forEach", /* hint= */ NULL,
			              "with this one, there are more than %u certificates",
			              OBJECTS_MAX);
			return 0;
		}
	}
	return n;
}

enum err_code identities_make(struct loader *l, struct err *err)
{
	size_t total = count_identities(l), n = 0;
	bool sorted = true;

	struct identity *v = total == 0 ? NULL : ARENA_ARRAY(l->arena, struct identity, total);

	for (size_t i = 0; v != NULL && i < l->d->n_certificates; i++) {
		const struct certificate *c = l->d->certificates[i];
		const struct target *t = for_each_target(l, &c->shared->for_each);
		if (c->shared->for_each.s == NULL) {
			v[n++] = (struct identity){ .name = c->o.name, .def = c };
			continue;
		}
		sorted = false;
		for (size_t h = 0; t != NULL && h < t->n_hosts; h++) {
			v[n++] = (struct identity){ .name = arena_printf(l->arena, "%s@%s",
				                                         c->o.name,
				                                         t->hosts[h].name),
				                    .def = c,
				                    .target = t,
				                    .host = &t->hosts[h] };
		}
	}
	if (arena_failed(l->arena)) {
		return err_nomem(err);
	}
	if (!sorted && n > 1) {
		qsort(v, n, sizeof(*v), compare_identities);
	}
	l->d->identities = v;
	l->d->n_identities = n;
	return ERR_OK;
}

static void check_instance(struct loader *l, const struct target *t, const struct text *ref,
                           struct pos pos)
{
	const struct certificate *c = desired_certificate(l->d, ref->s);

	if (c == NULL || c->shared->for_each.s == NULL ||
	    strcmp(c->shared->for_each.s, t->o.name) == 0 ||
	    loader_find(l, KIND_TARGET, c->shared->for_each.s) == NULL) {
		return;
	}
	for (size_t h = 0; h < t->n_hosts && loader_spend(l, 1); h++) {
		if (desired_identity_on(l->d, c->o.name, t->hosts[h].name) == NULL) {
			loader_report_at(
				l, &t->o, pos, /* hint= */ NULL,
				"Certificate '%s' has no instance for host %s: its forEach is "
				"Target '%s'",
				c->o.name, t->hosts[h].name, c->shared->for_each.s);
			return;
		}
	}
}

static void check_delivered_keystore(struct loader *l, const struct target *t,
                                     const struct text *ref)
{
	const struct keystore_def *k = desired_keystore(l->d, ref->s);

	if (k == NULL) {
		return;
	}
	if (k->for_each.s != NULL && strcmp(k->for_each.s, t->o.name) != 0 &&
	    loader_find(l, KIND_TARGET, k->for_each.s) != NULL) {
		loader_report_at(
			l, &t->o, ref->pos, /* hint= */ NULL,
			"Keystore '%s' has an instance per host of Target '%s', not of this one",
			k->o.name, k->for_each.s);
		return;
	}
	for (size_t i = 0; i < k->n_entries; i++) {
		if (k->entries[i].source == ENTRY_CERTIFICATE && k->entries[i].ref.s != NULL) {
			check_instance(l, t, &k->entries[i].ref, ref->pos);
		}
	}
}

static const char *place_of(struct loader *l, const struct target *t, const struct host *h,
                            const char *path)
{
	struct scope scope = { .target = t, .host = h };
	const char *expanded;

	if (expand_text(path, &scope, &l->scratch, &expanded, /* err= */ NULL) != ERR_OK) {
		return NULL;
	}
	return arena_printf(&l->scratch, "%s\n%s\n%s", t->shared->via.s, h->name, expanded);
}

/* Formats of two files put the key beside the certificate, under a name of their own making. */
static const char *key_place_of(struct loader *l, const struct deliver_spec *d, const char *place)
{
	const struct keystore_def *k =
		d->keystore.s == NULL ? NULL : desired_keystore(l->d, d->keystore.s);
	const char *format = k == NULL ? NULL : k->format.s;

	if (place == NULL || format == NULL ||
	    (strcmp(format, "pem-split") != 0 && strcmp(format, "der") != 0)) {
		return NULL;
	}
	CLEANUP(cleanup_free) char *key = keystore_part_path(place, ".key");
	return key == NULL ? NULL : arena_str(&l->scratch, key);
}

static bool claim(struct loader *l, struct map *places, const struct target *t,
                  const struct deliver_spec *d, const struct text *path, const struct host *h,
                  const char *place)
{
	const struct target *owner = place != NULL ? map_get_str(places, place) : NULL;

	if (owner != NULL) {
		loader_report_at(l, &t->o, path->pos.line != 0 ? path->pos : d->pos,
		                 /* hint= */ NULL, "path: %s of host %s is delivered by %s already",
		                 strrchr(place, '\n') + 1, h->name,
		                 owner == t
		                         ? "this Target"
		                         : arena_printf(&l->scratch, "Target '%s'", owner->o.name));
		return false;
	}
	if (place != NULL &&
	    map_put_str(places, place, (void *)(uintptr_t)t, /* ret_old= */ NULL) < 0) {
		l->arena->failed = true;
	}
	return true;
}

static bool claim_all(struct loader *l, struct map *places, const struct target *t,
                      const struct deliver_spec *d, const struct text *path, const struct host *h)
{
	const char *place = place_of(l, t, h, path->s);
	const char *key = key_place_of(l, d, place);

	return claim(l, places, t, d, path, h, place) &&
	       (key == NULL || claim(l, places, t, d, path, h, key));
}

static void check_places(struct loader *l, struct map *places, const struct target *t)
{
	for (size_t i = 0; t->shared->via.s != NULL && i < t->n_deliver; i++) {
		const struct deliver_spec *d = &t->deliver[i];
		const struct text *paths = d->path.s != NULL ? &d->path : d->one_of.v;
		size_t n = d->path.s != NULL ? 1 : d->one_of.n;
		bool fine = true;
		for (size_t p = 0; p < n; p++) {
			for (size_t h = 0; fine && h < t->n_hosts; h++) {
				if (places->n >= PLACES_MAX) {
					loader_report_at(l, &t->o, d->pos, /* hint= */ NULL,
					                 "more than %u files to deliver",
					                 PLACES_MAX);
					return;
				}
				fine = claim_all(l, places, t, d, &paths[p], &t->hosts[h]);
			}
		}
	}
}

static void check_keystore_passwords(struct loader *l)
{
	for (size_t i = 0; i < l->d->n_keystores; i++) {
		const struct keystore_def *k = l->d->keystores[i];
		const struct secret_ref *r = &k->password;
		if (r->kind != SECRET_KEYSTORE_PASSWORD) {
			continue;
		}
		const struct keystore_def *other = desired_keystore(l->d, r->value.s);
		if (other != NULL && other->password.kind == SECRET_KEYSTORE_PASSWORD) {
			loader_report(l, &k->o, "passwordRef", /* hint= */ NULL,
			              "passwordRef: Keystore '%s' refers to another one itself",
			              other->o.name);
		}
	}
}

void cross_check(struct loader *l)
{
	CLEANUP(map_release) struct map places;

	map_init(&places);
	check_keystore_passwords(l);
	for (size_t i = 0; i < l->d->n_targets; i++) {
		const struct target *t = l->d->targets[i];
		for (size_t k = 0; k < t->n_deliver; k++) {
			const struct deliver_spec *d = &t->deliver[k];
			if (d->keystore.s != NULL) {
				check_delivered_keystore(l, t, &d->keystore);
			} else if (d->certificate.s != NULL) {
				check_instance(l, t, &d->certificate, d->certificate.pos);
			}
		}
		check_places(l, &places, t);
	}
}
