/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * p7b_order.c - issuers are looked up by subject, so that a bundle of ten thousand is not compared
 * with itself.
 */
#include "providers/keystores/p7b_order.h"

#include <stdlib.h>

#include "reconciler/base/map.h"
#include "reconciler/base/str.h"

#define NONE           SIZE_MAX
#define CANDIDATES_MAX 64 /* certificates of one subject that are looked at */

struct node {
	size_t same;   /* the next item with this subject */
	size_t parent; /* the item that issued it */
	bool issues;   /* another of them */
	bool placed;
};

struct order {
	const struct flat *flat;
	struct node *nodes;
	size_t *order; /* positions; heap */
	size_t n;
	struct map subjects;
};

static void order_release(struct order *o)
{
	map_release(&o->subjects);
	free(o->nodes);
	free(o->order);
}

/* Values are positions plus one: NULL is "absent". */
static size_t first_of(const struct order *o, struct bytes subject)
{
	return (size_t)(uintptr_t)map_get(&o->subjects, subject) - 1;
}

static const struct ks_cert *cert_at(const struct order *o, size_t i)
{
	const struct flat_item *item = &o->flat->items[i];

	return item->kind == FLAT_CERT && item->cert.subject.n != 0 ? &item->cert : NULL;
}

static bool index_subjects(struct order *o)
{
	for (size_t i = o->flat->n; i-- > 0;) {
		const struct ks_cert *cert = cert_at(o, i);

		o->nodes[i].same = NONE;
		o->nodes[i].parent = NONE;
		if (cert == NULL) {
			continue;
		}
		o->nodes[i].same = first_of(o, cert->subject);
		if (map_put(&o->subjects, cert->subject, (void *)(uintptr_t)(i + 1),
		            /* ret_old= */ NULL) < 0) {
			return false;
		}
	}
	return true;
}

static size_t issuer_of(const struct order *o, size_t child)
{
	const struct ks_cert *cert = cert_at(o, child);
	size_t fallback = NONE;
	size_t at = first_of(o, cert->issuer);

	for (unsigned looked = 0; at != NONE && looked < CANDIDATES_MAX; looked++) {
		int fit = at == child ? 0 : ks_cert_issued_by(cert, cert_at(o, at));

		if (fit == 2) {
			return at;
		}
		fallback = fit == 1 && fallback == NONE ? at : fallback;
		at = o->nodes[at].same;
	}
	return fallback;
}

static void find_parents(struct order *o)
{
	for (size_t i = 0; i < o->flat->n; i++) {
		const struct ks_cert *cert = cert_at(o, i);

		if (cert == NULL || cert->self_issued) {
			continue;
		}
		o->nodes[i].parent = issuer_of(o, i);
		if (o->nodes[i].parent != NONE) {
			o->nodes[o->nodes[i].parent].issues = true;
		}
	}
}

static void place(struct order *o, size_t i)
{
	o->nodes[i].placed = true;
	o->order[o->n++] = i;
}

static void place_paths(struct order *o, bool ca)
{
	for (size_t i = 0; i < o->flat->n; i++) {
		const struct ks_cert *cert = cert_at(o, i);

		if (cert == NULL || cert->self_issued || o->nodes[i].issues || cert->is_ca != ca) {
			continue;
		}
		for (size_t at = i; at != NONE && !o->nodes[at].placed; at = o->nodes[at].parent) {
			place(o, at);
		}
	}
}

enum err_code p7b_order(const struct flat *flat, size_t **ret, struct err *err)
{
	CLEANUP(order_release) struct order o = { .flat = flat };

	map_init(&o.subjects);
	o.nodes = calloc(flat->n + 1, sizeof(*o.nodes));
	o.order = calloc(flat->n + 1, sizeof(*o.order));
	if (o.nodes == NULL || o.order == NULL || !index_subjects(&o)) {
		return err_nomem(err);
	}
	find_parents(&o);
	place_paths(&o, /* ca= */ false);
	place_paths(&o, /* ca= */ true);
	for (size_t i = 0; i < flat->n; i++) {
		if (!o.nodes[i].placed) {
			place(&o, i);
		}
	}
	*ret = TAKE_PTR(o.order);
	return ERR_OK;
}

static const struct ks_cert *plain_issuer(const struct flat *flat, const struct ks_cert *child)
{
	const struct ks_cert *fallback = NULL;

	for (size_t i = 0; i < flat->n; i++) {
		const struct flat_item *item = &flat->items[i];
		int fit = item->kind != FLAT_CERT || item->cert.self_issued
		                  ? 0
		                  : ks_cert_issued_by(child, &item->cert);

		if (fit == 2) {
			return &item->cert;
		}
		fallback = fit == 1 && fallback == NULL ? &item->cert : fallback;
	}
	return fallback;
}

static bool on_path(const struct p7b_path *path, struct bytes der)
{
	for (size_t i = 0; i < path->n; i++) {
		if (bytes_equal(path->ders[i], der)) {
			return true;
		}
	}
	return false;
}

enum err_code p7b_path_of(struct flat *flat, const char *alias, struct p7b_path **ret,
                          struct err *err)
{
	CLEANUP(cleanup_free) char *folded = alias_fold(alias);
	const struct flat_entry *e = folded == NULL ? NULL : flat_find_trusted(flat, folded);
	const struct ks_cert *at = e == NULL ? NULL : &flat->items[e->item].cert;

	if (folded == NULL) {
		return err_nomem(err);
	}
	if (at == NULL || at->is_ca || at->self_issued || at->subject.n == 0) {
		return ERR_OK;
	}
	struct p7b_path *path = ARENA_NEW(&flat->arena, struct p7b_path);
	if (path == NULL) {
		return err_nomem(err);
	}
	path->leaf = at->der;
	for (at = plain_issuer(flat, at);
	     at != NULL && path->n < KS_CHAIN_MAX && !on_path(path, at->der);
	     at = plain_issuer(flat, at)) {
		path->ders[path->n++] = at->der;
	}
	*ret = path;
	return ERR_OK;
}

/* NONE: not there. */
static size_t position(const struct flat *flat, struct bytes der)
{
	for (size_t i = 0; i < flat->n; i++) {
		if (flat->items[i].kind == FLAT_CERT && bytes_equal(flat->items[i].cert.der, der)) {
			return i;
		}
	}
	return NONE;
}

static bool is_needed(const struct flat *flat, size_t issuer)
{
	for (size_t i = 0; i < flat->n; i++) {
		if (i != issuer && flat->items[i].kind == FLAT_CERT &&
		    ks_cert_issued_by(&flat->items[i].cert, &flat->items[issuer].cert) != 0) {
			return true;
		}
	}
	return false;
}

void p7b_drop_orphans(struct flat *flat, const struct p7b_path *path)
{
	if (path == NULL || position(flat, path->leaf) != NONE) {
		return;
	}
	for (size_t i = 0; i < path->n; i++) {
		size_t at = position(flat, path->ders[i]);

		if (at == NONE || is_needed(flat, at)) {
			return;
		}
		flat_erase(flat, at);
	}
}
