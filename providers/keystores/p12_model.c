/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * p12_model.c - the entries Java would see (OpenJDK 17 and 25 agree).
 *
 * Chains are not in the file: Java walks from the leaf through all certificates of the store,
 * trusted ones included. A reader with another rule would report differences that no write can
 * remove.
 */
#include "providers/keystores/p12_store.h"
#include "reconciler/base/map.h"
#include "reconciler/base/str.h"

/* Certificates with the same subject. */
struct node {
	struct p12_bag *bag;
	struct node *next;
};

struct building {
	struct p12 *p12;
	struct arena arena;
	struct map by_subject;
	struct p12_entry *entries;
	size_t n;
};

static bool is_key(const struct p12_bag *bag)
{
	return bag->type == P12_KEY || bag->type == P12_SHROUDED;
}

/* Has an alias that Java's API reaches. */
static bool is_named_entry(const struct p12_bag *bag)
{
	return is_key(bag) || bag->type == P12_SECRET || (bag->type == P12_CERT && bag->trusted);
}

static bool name_bag(struct p12 *p12, struct p12_bag *bag, unsigned *counter)
{
	if (bag->alias == NULL && is_named_entry(bag)) {
		bag->alias = arena_printf(&p12->arena, "%u", ++*counter);
		bag->folded = bag->alias;
	}
	return !arena_failed(&p12->arena);
}

static bool mark_duplicate(struct map *seen, struct p12_bag *bag)
{
	void *old = NULL;

	if (!is_named_entry(bag)) {
		return true;
	}
	if (map_put_str(seen, bag->folded, bag, &old) < 0) {
		return false;
	}
	if (old != NULL) {
		((struct p12_bag *)old)->warnings |= KS_WARN_DUPLICATE_ALIAS;
		bag->warnings |= KS_WARN_DUPLICATE_ALIAS;
	}
	return true;
}

enum err_code p12_name_bags(struct p12 *p12, struct err *err)
{
	static const struct bytes guess = { .p = (const uint8_t *)"01", .n = 2 };
	CLEANUP(map_release) struct map seen;
	unsigned keys = 0;
	unsigned counter = 0;

	map_init(&seen);
	for (size_t i = 0; i < p12->n; i++) {
		for (size_t k = 0; k < p12->safes[i].n; k++) {
			struct p12_bag *bag = &p12->safes[i].bags[k];

			keys += is_key(bag);
			if (bag->key_id.n == 0 && keys == 1 &&
			    (is_key(bag) || (bag->type == P12_CERT && k == 0))) {
				bag->key_id = guess;
			}
			if (!name_bag(p12, bag, &counter) || !mark_duplicate(&seen, bag)) {
				return err_nomem(err);
			}
		}
	}
	return ERR_OK;
}

/* The certificate of a key: by identifier and alias, by identifier, by alias. */
static struct p12_bag *leaf_of(const struct p12 *p12, const struct p12_bag *key)
{
	struct p12_bag *by_id = NULL;
	struct p12_bag *by_alias = NULL;

	for (size_t i = 0; i < p12->n; i++) {
		for (size_t k = 0; k < p12->safes[i].n; k++) {
			struct p12_bag *bag = &p12->safes[i].bags[k];
			bool named = bag->folded != NULL && str_equal(bag->folded, key->folded);

			if (bag->type != P12_CERT || bag->trusted) {
				continue;
			}
			if (bag->key_id.n != 0 && bytes_equal(bag->key_id, key->key_id)) {
				by_id = bag;
				if (named) {
					return bag;
				}
			} else if (named) {
				by_alias = bag;
			}
		}
	}
	return by_id != NULL ? by_id : by_alias;
}

static struct p12_bag *issuer_of(const struct building *b, const struct p12_bag *child)
{
	struct p12_bag *fallback = NULL;
	const struct node *node = map_get(&b->by_subject, child->cert.issuer);

	for (; node != NULL; node = node->next) {
		int fit = ks_cert_issued_by(&child->cert, &node->bag->cert);

		if (fit == 2) {
			return node->bag;
		}
		if (fit == 1 && fallback == NULL) {
			fallback = node->bag;
		}
	}
	return fallback;
}

static bool in_chain(struct p12_bag *const *chain, size_t n, const struct p12_bag *bag)
{
	for (size_t i = 0; i < n; i++) {
		if (bytes_equal(chain[i]->cert.der, bag->cert.der)) {
			return true;
		}
	}
	return false;
}

static bool build_chain(struct building *b, struct p12_entry *e)
{
	struct p12_bag *chain[KS_CHAIN_MAX];
	size_t n = 0;

	/* Java drops a key without an identifier unless it is the first. */
	struct p12_bag *bag = e->bag->key_id.n == 0 ? NULL : leaf_of(b->p12, e->bag);
	while (bag != NULL && n < KS_CHAIN_MAX && !in_chain(chain, n, bag)) {
		chain[n++] = bag;
		bag->in_chain = true;
		e->warnings |= bag->warnings & KS_WARN_BAD_CERTIFICATE;
		bag = bag->cert.self_issued ? NULL : issuer_of(b, bag);
	}
	struct bytes *ders = ARENA_ARRAY(&b->arena, struct bytes, n == 0 ? 1 : n);
	e->chain_bags = arena_copy(&b->arena, chain, n * sizeof(struct p12_bag *));
	if (ders == NULL || e->chain_bags == NULL) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		ders[i] = chain[i]->cert.der;
	}
	e->chain = ders;
	e->n_chain = n;
	return true;
}

/* Java keeps the date of a key in its identifier: "Time 1700000000000". */
static int64_t date_of(const struct p12_bag *bag)
{
	char text[40];
	int64_t ms;

	if (bag->key_id.n < 6 || bag->key_id.n >= sizeof(text) ||
	    memcmp(bag->key_id.p, "Time ", 5) != 0) {
		return -1;
	}
	memcpy(text, bag->key_id.p, bag->key_id.n);
	text[bag->key_id.n] = '\0';
	return str_to_i64(text + 5, INT64_MIN, INT64_MAX, &ms) ? ms : -1;
}

static enum keystore_entry_kind kind_of(const struct p12_bag *bag)
{
	if (is_key(bag)) {
		return KS_KEY;
	}
	if (bag->type == P12_SECRET) {
		return KS_SECRET;
	}
	return bag->type == P12_CERT && bag->trusted ? KS_TRUSTED : KS_OPAQUE;
}

static bool add_entry(struct building *b, struct p12_bag *bag)
{
	struct p12_entry *e = &b->entries[b->n++];

	*e = (struct p12_entry){ .alias = bag->alias == NULL ? "" : bag->alias,
		                 .folded = bag->folded == NULL ? "" : bag->folded,
		                 .kind = kind_of(bag),
		                 .created_ms = date_of(bag),
		                 .warnings = bag->warnings,
		                 .bag = bag };
	if (e->kind == KS_KEY) {
		return build_chain(b, e);
	}
	if (bag->type == P12_CERT) {
		e->chain = &bag->cert.der;
		e->n_chain = 1;
		e->created_ms = -1;
	}
	return true;
}

static bool index_certificate(struct building *b, struct p12_bag *bag)
{
	struct node *node = ARENA_NEW(&b->arena, struct node);
	void *old = NULL;

	bag->in_chain = false;
	if (node == NULL) {
		return false;
	}
	/* Java asks in the order of the file, so the first stays in front. */
	struct node *first = map_get(&b->by_subject, bag->cert.subject);
	node->bag = bag;
	if (first != NULL) {
		node->next = first->next;
		first->next = node;
		return true;
	}
	return map_put(&b->by_subject, bag->cert.subject, node, &old) == 0;
}

/* Apply `visit` to every bag for which `want` holds. */
static bool each(struct building *b, bool (*want)(const struct p12_bag *),
                 bool (*visit)(struct building *, struct p12_bag *))
{
	for (size_t i = 0; i < b->p12->n; i++) {
		for (size_t k = 0; k < b->p12->safes[i].n; k++) {
			struct p12_bag *bag = &b->p12->safes[i].bags[k];

			if (want(bag) && !visit(b, bag)) {
				return false;
			}
		}
	}
	return true;
}

static bool is_certificate(const struct p12_bag *bag)
{
	return bag->type == P12_CERT && bag->cert.subject.n != 0;
}

static bool is_the_rest(const struct p12_bag *bag)
{
	return !is_key(bag) && !(bag->type == P12_CERT && bag->in_chain && !bag->trusted);
}

enum err_code p12_model_build(struct p12 *p12, struct err *err)
{
	struct building b = { .p12 = p12 };
	size_t bags = 0;

	arena_init(&b.arena);
	map_init(&b.by_subject);
	for (size_t i = 0; i < p12->n; i++) {
		bags += p12->safes[i].n;
	}
	b.entries = ARENA_ARRAY(&b.arena, struct p12_entry, bags == 0 ? 1 : bags);
	bool done = b.entries != NULL && each(&b, is_certificate, index_certificate) &&
	            each(&b, is_key, add_entry) && each(&b, is_the_rest, add_entry);
	map_release(&b.by_subject);
	if (!done) {
		arena_release(&b.arena);
		return err_nomem(err);
	}
	arena_release(&p12->model);
	p12->model = b.arena;
	p12->entries = b.entries;
	p12->n_entries = b.n;
	return ERR_OK;
}
