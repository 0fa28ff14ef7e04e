/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * p12_model.c - the entries Java would see (OpenJDK 17 and 25 agree).
 *
 * Chains are not in the file: Java walks from the leaf through all certificates of the store,
 * trusted ones included. A reader with another rule would report differences that no write can
 * remove.
 */
#include "providers/keystores/ksdn.h"
#include "providers/keystores/p12_store.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/cert.h"

/* Of all chains together: a file may be made to have many, or to make them hard to find. */
#define LINKS_MAX  1000000u
#define VISITS_MAX 50000000u

/* Certificates of one name, or with one identifier, in the order of the file. */
struct node {
	struct p12_bag *bag;
	struct node *next;
};
struct list {
	struct node *first, *last;
};

struct building {
	struct p12 *p12;
	struct arena arena;
	struct map by_subject, by_id, by_alias; /* to struct list */
	struct map issuers;                     /* to anything */
	struct buf name;                        /* scratch */
	struct p12_entry *entries;
	size_t n, keys, links, visits, matched;
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

	bag->warnings &= ~(unsigned)KS_WARN_DUPLICATE_ALIAS;
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

static enum err_code mark_duplicates(struct p12 *p12, struct err *err)
{
	map_release(&p12->names);
	map_init(&p12->names);
	for (size_t i = 0; i < p12->n; i++) {
		for (size_t k = 0; k < p12->safes[i].n; k++) {
			if (!mark_duplicate(&p12->names, &p12->safes[i].bags[k])) {
				return err_nomem(err);
			}
		}
	}
	return ERR_OK;
}

enum err_code p12_name_bags(struct p12 *p12, struct err *err)
{
	static const struct bytes guess = { .p = (const uint8_t *)"01", .n = 2 };
	unsigned keys = 0;
	unsigned counter = 0;

	for (size_t i = 0; i < p12->n; i++) {
		for (size_t k = 0; k < p12->safes[i].n; k++) {
			struct p12_bag *bag = &p12->safes[i].bags[k];

			keys += is_key(bag);
			if (bag->key_id.n == 0 && keys == 1 &&
			    (is_key(bag) || (bag->type == P12_CERT && k == 0))) {
				bag->key_id = guess;
			}
			if (!name_bag(p12, bag, &counter)) {
				return err_nomem(err);
			}
		}
	}
	return ERR_OK;
}

static const struct node *nodes(const struct map *map, struct bytes key)
{
	const struct list *list = map_get(map, key);

	return list == NULL ? NULL : list->first;
}

/* The certificate of a key: by identifier and alias, by identifier, by alias; of several the last,
 * as it is for Java. */
static struct p12_bag *leaf_of(struct building *b, const struct p12_bag *key)
{
	struct p12_bag *leaf = NULL;
	const struct node *node = nodes(&b->by_id, key->key_id);

	for (; node != NULL; node = node->next) {
		b->visits++;
		leaf = node->bag;
		if (leaf->folded != NULL && str_equal(leaf->folded, key->folded)) {
			return leaf;
		}
	}
	node = leaf == NULL ? nodes(&b->by_alias, bytes_of_str(key->folded)) : NULL;
	for (; node != NULL; node = node->next) {
		b->visits++;
		leaf = node->bag;
	}
	return leaf;
}

/* The canonical form of a name, in scratch until the next. */
static struct bytes canonical(struct building *b, struct bytes dn)
{
	buf_reset(&b->name);
	ks_dn_canonical(dn, &b->name);
	return buf_view(&b->name);
}

static struct p12_bag *issuer_of(struct building *b, const struct p12_bag *child)
{
	struct p12_bag *fallback = NULL;
	const struct node *node = nodes(&b->by_subject, canonical(b, child->cert.issuer));

	for (; node != NULL; node = node->next) {
		const struct ks_cert *issuer = &node->bag->cert;

		b->visits++;
		if (child->cert.aki.n == 0 || bytes_equal(child->cert.aki, issuer->ski)) {
			return node->bag;
		}
		if (issuer->ski.n == 0) {
			fallback = node->bag;
		}
	}
	return fallback;
}

/* Java verifies the signature; that is done where the answer changes something. */
static bool ends_chain(struct building *b, const struct p12_bag *bag)
{
	const struct ks_cert *c = &bag->cert;
	const struct cert *parsed = NULL;
	struct arena scratch;

	size_t n = canonical(b, c->subject).n;
	ks_dn_canonical(c->issuer, &b->name);
	if (buf_failed(&b->name) ||
	    !bytes_equal(bytes_of(b->name.p, n), bytes_of(b->name.p + n, b->name.len - n))) {
		return false;
	}
	const struct node *same = nodes(&b->by_subject, bytes_of(b->name.p, n));
	if (same == NULL || same->next == NULL || (c->aki.n != 0 && bytes_equal(c->aki, c->ski))) {
		return true;
	}
	arena_init(&scratch);
	bool signed_by_itself = cert_parse(c->der, &scratch, &parsed, /* err= */ NULL) == ERR_OK &&
	                        cert_self_signed(parsed);
	arena_release(&scratch);
	return signed_by_itself;
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

static bool note_issuer(struct building *b, struct p12_bag *bag)
{
	struct bytes issuer = canonical(b, bag->cert.issuer);

	if (map_get(&b->issuers, issuer) != NULL) {
		return true;
	}
	issuer = arena_bytes(&b->arena, issuer);
	return !arena_failed(&b->arena) && !buf_failed(&b->name) &&
	       map_put(&b->issuers, issuer, bag, /* ret_old= */ NULL) == 0;
}

static bool build_chain(struct building *b, struct p12_entry *e)
{
	struct p12_bag *chain[KS_CHAIN_MAX];
	size_t n = 0;

	/* Java drops a key without an identifier unless it is the first. */
	struct p12_bag *bag = e->bag->key_id.n == 0 ? NULL : leaf_of(b, e->bag);
	while (bag != NULL && n < KS_CHAIN_MAX && !in_chain(chain, n, bag)) {
		if (!bag->in_chain && !note_issuer(b, bag)) {
			return false;
		}
		chain[n++] = bag;
		bag->in_chain = true;
		e->warnings |= bag->warnings & KS_WARN_BAD_CERTIFICATE;
		bag = ends_chain(b, bag) ? NULL : issuer_of(b, bag);
	}
	b->links += n;
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

/* The leaf is for another key? Asked once for a pair, because it costs a point on a curve. */
static bool is_mismatch(struct building *b, struct p12_bag *key, struct bytes leaf)
{
	bool readable = key->type == P12_KEY || key->opened;

	if (readable && leaf.p != key->judged.p && b->matched < KS_MATCHES_MAX) {
		key->mismatch = ks_key_is_another(key->type == P12_KEY ? key->payload
		                                                       : secret_view(&key->plain),
		                                  leaf);
		key->judged = leaf;
		b->matched++;
	}
	return key->mismatch && leaf.p == key->judged.p;
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
		b->keys++;
		if (!build_chain(b, e)) {
			return false;
		}
		if (e->n_chain != 0 && is_mismatch(b, bag, e->chain[0])) {
			e->warnings |= KS_WARN_KEY_MISMATCH;
		}
		return b->links <= LINKS_MAX && b->visits <= VISITS_MAX;
	}
	if (bag->type == P12_CERT) {
		e->chain = &bag->cert.der;
		e->n_chain = 1;
		e->created_ms = -1;
	}
	return true;
}

static bool add_node(struct building *b, struct map *map, struct bytes key, struct p12_bag *bag)
{
	struct list *list = map_get(map, key);
	struct node *node = ARENA_NEW(&b->arena, struct node);

	if (node == NULL) {
		return false;
	}
	node->bag = bag;
	if (list != NULL) {
		list->last->next = node;
		list->last = node;
		return true;
	}
	list = ARENA_NEW(&b->arena, struct list);
	if (list == NULL) {
		return false;
	}
	*list = (struct list){ node, node };
	return map_put(map, key, list, /* ret_old= */ NULL) == 0;
}

static bool index_certificate(struct building *b, struct p12_bag *bag)
{
	struct bytes subject = arena_bytes(&b->arena, canonical(b, bag->cert.subject));
	if (arena_failed(&b->arena) || buf_failed(&b->name) ||
	    !add_node(b, &b->by_subject, subject, bag)) {
		return false;
	}
	if (bag->trusted) {
		return true;
	}
	return (bag->key_id.n == 0 || add_node(b, &b->by_id, bag->key_id, bag)) &&
	       (bag->folded == NULL || add_node(b, &b->by_alias, bytes_of_str(bag->folded), bag));
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

static bool count_key(struct building *b, struct p12_bag *bag)
{
	(void)bag;
	b->keys++;
	return true;
}

static bool is_the_rest(const struct p12_bag *bag)
{
	return !is_key(bag) && !(bag->type == P12_CERT && bag->in_chain && !bag->trusted);
}

static bool build(struct building *b)
{
	size_t bags = 0;

	for (size_t i = 0; i < b->p12->n; i++) {
		struct p12_safe *safe = &b->p12->safes[i];

		bags += safe->n;
		for (size_t k = 0; k < safe->n; k++) {
			safe->bags[k].in_chain = false;
		}
	}
	/* Room to grow into: see p12_model_add_trusted(). */
	b->p12->cap_entries = bags + bags / 4 + 8;
	b->entries = ARENA_ARRAY(&b->arena, struct p12_entry, b->p12->cap_entries);
	/* Chains are asked for only where there are keys. */
	bool keys = each(b, is_key, count_key) && b->keys != 0;
	b->keys = 0;
	return b->entries != NULL && (!keys || each(b, is_certificate, index_certificate)) &&
	       each(b, is_key, add_entry) && each(b, is_the_rest, add_entry);
}

enum err_code p12_model_build(struct p12 *p12, struct err *err)
{
	struct building b = { .p12 = p12 };
	enum err_code rc = mark_duplicates(p12, err);

	if (rc != ERR_OK) {
		return rc;
	}
	arena_init(&b.arena);
	buf_init(&b.name, KEYSTORE_FILE_LIMIT);
	map_init(&b.by_subject);
	map_init(&b.by_id);
	map_init(&b.by_alias);
	map_init(&b.issuers);
	bool done = build(&b);
	map_release(&b.by_subject);
	map_release(&b.by_id);
	map_release(&b.by_alias);
	buf_release(&b.name);
	if (!done) {
		map_release(&b.issuers);
		arena_release(&b.arena);
		return b.links > LINKS_MAX || b.visits > VISITS_MAX
		               ? err_set(err, ERR_INVALID,
		                         "PKCS#12 store: its chains take more work than is accepted")
		               : err_nomem(err);
	}
	arena_release(&p12->model);
	map_release(&p12->issuers);
	p12->model = b.arena;
	p12->issuers = b.issuers;
	p12->entries = b.entries;
	p12->n_entries = b.n;
	p12->n_keys = b.keys;
	return ERR_OK;
}

/* Any chain that it may be in has a member that it may have issued. */
static bool concerns_keys(const struct p12 *p12, const struct p12_bag *bag)
{
	CLEANUP(buf_release) struct buf name = { 0 };

	if (p12->n_keys == 0) {
		return false;
	}
	buf_init(&name, KEYSTORE_FILE_LIMIT);
	ks_dn_canonical(bag->cert.subject, &name);
	return buf_failed(&name) || map_get(&p12->issuers, buf_view(&name)) != NULL;
}

bool p12_model_add_trusted(struct p12 *p12, struct p12_bag *bag)
{
	const struct p12_safe *last = &p12->safes[p12->n - 1];
	void *old = NULL;

	if (p12->n_entries == p12->cap_entries || bag != &last->bags[last->n - 1] ||
	    concerns_keys(p12, bag) || map_put_str(&p12->names, bag->folded, bag, &old) < 0 ||
	    old != NULL) {
		return false;
	}
	p12->entries[p12->n_entries++] = (struct p12_entry){ .alias = bag->alias,
		                                             .folded = bag->folded,
		                                             .kind = KS_TRUSTED,
		                                             .created_ms = -1,
		                                             .chain = &bag->cert.der,
		                                             .n_chain = 1,
		                                             .warnings = bag->warnings,
		                                             .bag = bag };
	return true;
}

static void mark_edited(struct p12 *p12, const struct p12_bag *bag)
{
	for (size_t i = 0; i < p12->n; i++) {
		struct p12_safe *safe = &p12->safes[i];
		uintptr_t at = (uintptr_t)bag;

		safe->edited = safe->edited || (at >= (uintptr_t)safe->bags &&
		                                at < (uintptr_t)(safe->bags + safe->n));
	}
	p12->edited = true;
}

bool p12_model_replace_trusted(struct p12 *p12, const struct p12_bag *by)
{
	struct p12_bag *bag = map_get_str(&p12->names, by->folded);
	struct p12_entry *e = NULL;

	for (size_t i = 0; bag != NULL && i < p12->n_entries; i++) {
		if (p12->entries[i].bag == bag) {
			e = &p12->entries[i];
		}
	}
	if (e == NULL || e->kind != KS_TRUSTED || !str_equal(e->folded, by->folded) ||
	    (e->warnings & KS_WARN_DUPLICATE_ALIAS) != 0 || concerns_keys(p12, bag) ||
	    concerns_keys(p12, by)) {
		return false;
	}
	*bag = *by;
	mark_edited(p12, bag);
	e->alias = bag->alias;
	e->folded = bag->folded;
	e->warnings = bag->warnings;
	return true;
}
