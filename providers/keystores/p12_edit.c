/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * p12_edit.c - edits are made on bags: those of the alias go, new ones come in their place.
 *
 * Chain certificates belong to no alias. They go with the last key that needs them, and they are
 * not written twice.
 */
#include "providers/keystores/kstext.h"
#include "providers/keystores/p12_store.h"
#include "reconciler/base/str.h"

struct place {
	size_t safe, bag; /* SIZE_MAX: none */
};

static const struct place nowhere = { SIZE_MAX, SIZE_MAX };

/* An attribute of one value, which was put in front of `mark`. */
static void close_attribute(struct der_writer *w, size_t mark, const char *oid)
{
	der_wrap(w, DER_SET, mark);
	der_put_oid(w, oid);
	der_wrap(w, DER_SEQUENCE, mark);
}

enum err_code p12_finish(struct p12 *p12, struct der_writer *w, struct bytes *ret, struct err *err)
{
	CLEANUP(buf_release) struct buf out = { 0 };

	buf_init(&out, KEYSTORE_FILE_LIMIT);
	enum err_code rc = der_writer_finish(w, &out, err);
	if (rc != ERR_OK) {
		return rc;
	}
	*ret = arena_bytes(&p12->arena, buf_view(&out));
	return buf_failed(&out) || arena_failed(&p12->arena) ? err_nomem(err) : ERR_OK;
}

/* Attributes of a named bag; it has a key identifier, or is trusted. */
static enum err_code build_attributes(struct p12 *p12, struct p12_bag *bag, struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	CLEANUP(buf_release) struct buf wide = { 0 };

	buf_init(&wide, KEYSTORE_FILE_LIMIT);
	if (!utf16be_from_utf8(bytes_of_str(bag->folded), &wide)) {
		return err_set(err, ERR_INVALID, "the alias is not valid UTF-8");
	}
	if (buf_failed(&wide)) {
		return err_nomem(err);
	}
	der_writer_init(&w);
	size_t set = der_mark(&w);
	if (bag->trusted) {
		der_put_oid(&w, P12_OID_ANY_USAGE);
		close_attribute(&w, set, P12_OID_TRUSTED);
	} else {
		der_put(&w, DER_OCTET_STRING, bag->key_id);
		close_attribute(&w, set, P12_OID_KEY_ID);
	}
	size_t name = der_mark(&w);
	der_put(&w, DER_BMP, buf_view(&wide));
	close_attribute(&w, name, P12_OID_NAME);
	der_wrap(&w, DER_SET, set);
	return p12_finish(p12, &w, &bag->attrs, err);
}

static enum err_code build_certificate(struct p12 *p12, struct p12_bag *bag, struct bytes der,
                                       struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };

	bag->type = P12_CERT;
	if (!ks_cert_read(der, &bag->cert)) {
		return err_set(err, ERR_INVALID, "not an X.509 certificate");
	}
	if (bag->folded != NULL) {
		enum err_code rc = build_attributes(p12, bag, err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	der_writer_init(&w);
	size_t whole = der_mark(&w);
	der_put_raw(&w, bag->attrs);
	size_t value = der_mark(&w);
	der_put(&w, DER_OCTET_STRING, der);
	der_wrap(&w, DER_CONTEXT_CONSTRUCTED(0), value);
	der_put_oid(&w, P12_OID_X509);
	der_wrap(&w, DER_SEQUENCE, value);
	der_wrap(&w, DER_CONTEXT_CONSTRUCTED(0), value);
	der_put_oid(&w, P12_OID_CERT);
	der_wrap(&w, DER_SEQUENCE, whole);
	return p12_finish(p12, &w, &bag->raw, err);
}

static bool key_id_taken(const struct p12 *p12, struct bytes id, const char *folded)
{
	for (size_t i = 0; i < p12->n; i++) {
		for (size_t k = 0; k < p12->safes[i].n; k++) {
			const struct p12_bag *bag = &p12->safes[i].bags[k];

			if (bytes_equal(bag->key_id, id) && !str_equal(bag->folded, folded)) {
				return true;
			}
		}
	}
	return false;
}

/* The date in milliseconds is all that tells keys apart for Java: it must be unique. */
static struct bytes make_key_id(struct p12 *p12, const char *folded, int64_t created_ms)
{
	struct bytes id;

	do {
		id = bytes_of_str(arena_printf(&p12->arena, "Time %lld", (long long)created_ms++));
	} while (!arena_failed(&p12->arena) && key_id_taken(p12, id, folded));
	return id;
}

/* Mark what goes with an entry. */
static void doom(const struct p12_entry *e)
{
	e->bag->doomed = true;
	for (size_t i = 0; e->kind == KS_KEY && i < e->n_chain; i++) {
		struct p12_bag *bag = e->chain_bags[i];

		/* A named certificate above the leaf is somebody's: not ours to drop. */
		bag->doomed = !bag->trusted && (i == 0 || bag->key_id.n == 0);
	}
}

static void spare(const struct p12_entry *e)
{
	for (size_t i = 0; e->kind == KS_KEY && i < e->n_chain; i++) {
		/* A trusted one is an entry of its own: it is in the chain because Java looks
		 * there, not because the key needs it. */
		e->chain_bags[i]->doomed = e->chain_bags[i]->doomed && e->chain_bags[i]->trusted;
	}
}

static bool is_of(const struct p12_entry *e, const char *folded)
{
	return e->kind != KS_OPAQUE && str_equal(e->folded, folded);
}

/* Mark the bags of an alias; how many entries it names. */
static size_t doom_alias(struct p12 *p12, const char *folded)
{
	size_t found = 0;

	for (size_t i = 0; i < p12->n_entries; i++) {
		if (is_of(&p12->entries[i], folded)) {
			doom(&p12->entries[i]);
			found++;
		}
	}
	for (size_t i = 0; found != 0 && i < p12->n_entries; i++) {
		if (!is_of(&p12->entries[i], folded)) {
			spare(&p12->entries[i]);
		}
	}
	return found;
}

/* Erase what is marked; where the first key and the first certificate were. */
static void sweep(struct p12 *p12, struct place *key, struct place *cert)
{
	*key = nowhere;
	*cert = nowhere;
	for (size_t i = 0; i < p12->n; i++) {
		struct p12_safe *safe = &p12->safes[i];

		for (size_t k = 0; k < safe->n;) {
			struct place *place = safe->bags[k].type == P12_CERT ? cert : key;

			if (!safe->bags[k].doomed) {
				k++;
				continue;
			}
			if (place->safe == SIZE_MAX) {
				*place = (struct place){ i, k };
			}
			p12_bag_erase(safe, k);
			safe->edited = true;
		}
	}
}

static bool safe_holds(const struct p12_safe *safe, bool certificates)
{
	for (size_t k = 0; k < safe->n; k++) {
		enum p12_bag_type type = safe->bags[k].type;

		if (certificates ? type == P12_CERT
		                 : type == P12_SHROUDED || type == P12_KEY || type == P12_SECRET) {
			return true;
		}
	}
	return false;
}

/* Where a bag of that sort belongs when nothing was there before. */
static enum err_code find_place(struct p12 *p12, bool certificate, struct place *ret,
                                struct err *err)
{
	enum p12_safe_type type = certificate ? P12_SAFE_ENCRYPTED : P12_SAFE_DATA;
	size_t second = SIZE_MAX;

	for (size_t i = 0; i < p12->n; i++) {
		if (safe_holds(&p12->safes[i], certificate)) {
			*ret = (struct place){ i, p12->safes[i].n };
			return ERR_OK;
		}
		if (second == SIZE_MAX && p12->safes[i].type == type &&
		    !safe_holds(&p12->safes[i], !certificate)) {
			second = i;
		}
	}
	if (second == SIZE_MAX) { /* keys first, as Java writes them */
		second = certificate ? p12->n : 0;
		struct p12_safe *safe = p12_safe_insert(p12, second);
		if (safe == NULL) {
			return err_nomem(err);
		}
		safe->type = type;
	}
	*ret = (struct place){ second, p12->safes[second].n };
	return ERR_OK;
}

static enum err_code insert(struct p12 *p12, struct place at, struct p12_bag *bag, struct err *err)
{
	struct p12_bag *place = p12_bag_insert(&p12->safes[at.safe], at.bag);

	if (place == NULL) {
		return err_nomem(err);
	}
	*place = *bag;
	bag->plain = (struct secret){ 0 };
	p12->safes[at.safe].edited = true;
	return ERR_OK;
}

static bool has_certificate(const struct p12 *p12, struct bytes der)
{
	for (size_t i = 0; i < p12->n; i++) {
		for (size_t k = 0; k < p12->safes[i].n; k++) {
			const struct p12_bag *bag = &p12->safes[i].bags[k];

			if (bag->type == P12_CERT && !bag->trusted &&
			    bytes_equal(bag->cert.der, der)) {
				return true;
			}
		}
	}
	return false;
}

static enum err_code too_many(const struct p12 *p12, struct err *err)
{
	if (p12->n_entries >= KS_ENTRIES_MAX) {
		return err_set(err, ERR_INVALID, "more than 100,000 entries in one store");
	}
	return ERR_OK;
}

/* Put `certs` (leaf first) at `at` or where certificates are. */
static enum err_code insert_chain(struct p12 *p12, struct place at, struct p12_bag *certs, size_t n,
                                  struct err *err)
{
	enum err_code rc = ERR_OK;

	if (at.safe == SIZE_MAX) {
		rc = find_place(p12, /* certificate= */ true, &at, err);
	}
	for (size_t i = 0; rc == ERR_OK && i < n; i++) {
		if (i == 0 || !has_certificate(p12, certs[i].cert.der)) {
			rc = insert(p12, at, &certs[i], err);
			at.bag++;
		}
	}
	return rc;
}

struct new_key {
	struct p12_bag key;
	struct p12_bag *certs; /* in the arena */
	size_t n;
};

static void new_key_release(struct new_key *new)
{
	secret_release(&new->key.plain);
}

static enum err_code build_key(struct p12 *p12, struct new_key *new, const char *alias,
                               const struct secret *pkcs8, int64_t created_ms, struct err *err)
{
	struct p12_bag *key = &new->key;

	key->folded = ks_fold(&p12->arena, alias);
	if (key->folded == NULL) {
		return err_nomem(err);
	}
	*key = (struct p12_bag){ .type = P12_SHROUDED,
		                 .alias = key->folded,
		                 .folded = key->folded,
		                 .key_id = make_key_id(p12, key->folded, created_ms),
		                 .opened = true };
	if (secret_set(&key->plain, pkcs8->p, pkcs8->n) < 0) {
		return err_nomem(err);
	}
	return build_attributes(p12, key, err);
}

static enum err_code build_new(struct p12 *p12, struct new_key *new, const struct bytes *chain,
                               struct err *err)
{
	struct bytes *copy = NULL;
	enum err_code rc = ks_chain_copy(&p12->arena, chain, new->n, &copy, err);

	if (rc != ERR_OK) {
		return rc;
	}
	new->certs = ARENA_ARRAY(&p12->arena, struct p12_bag, new->n);
	if (new->certs == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; rc == ERR_OK && i < new->n; i++) {
		if (i == 0) {
			new->certs[i].alias = new->key.alias;
			new->certs[i].folded = new->key.folded;
			new->certs[i].key_id = new->key.key_id;
		}
		rc = build_certificate(p12, &new->certs[i], copy[i], err);
	}
	return rc;
}

/* The bags of the alias go, unless nothing has it. */
static void clear_alias(struct p12 *p12, const char *folded, struct place *key, struct place *cert)
{
	*key = nowhere;
	*cert = nowhere;
	if (map_get_str(&p12->names, folded) != NULL) {
		(void)doom_alias(p12, folded);
		sweep(p12, key, cert);
	}
	p12->edited = true;
}

/* As many parameters as the contract has. NOLINTNEXTLINE(readability-function-size) */
enum err_code p12_set_key(struct keystore *ks, const char *alias, const struct secret *pkcs8,
                          const struct bytes *chain, size_t n_chain, int64_t created_ms,
                          struct err *err)
{
	struct p12 *p12 = p12_of(ks);
	CLEANUP(new_key_release) struct new_key new = { .n = n_chain };
	struct place key_at;
	struct place cert_at;
	enum err_code rc = too_many(p12, err);

	if (rc != ERR_OK) {
		return rc;
	}
	if (!ks_is_sequence(secret_view(pkcs8))) {
		return err_set(err, ERR_INVALID, "the private key is not PKCS#8");
	}
	rc = build_key(p12, &new, alias, pkcs8, created_ms, err);
	if (rc == ERR_OK) {
		rc = build_new(p12, &new, chain, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	clear_alias(p12, new.key.folded, &key_at, &cert_at);
	rc = insert_chain(p12, cert_at, new.certs, new.n, err);
	if (rc == ERR_OK && key_at.safe == SIZE_MAX) {
		rc = find_place(p12, /* certificate= */ false, &key_at, err);
	}
	if (rc == ERR_OK) {
		rc = insert(p12, key_at, &new.key, err);
	}
	return rc == ERR_OK ? p12_model_build(p12, err) : rc;
}

/* The alias names this trusted certificate and nothing else. */
static bool is_there(const struct p12 *p12, const char *folded, struct bytes cert)
{
	size_t same = 0;
	size_t other = 0;

	for (size_t i = 0; i < p12->n_entries; i++) {
		const struct p12_entry *e = &p12->entries[i];

		if (is_of(e, folded)) {
			bool equal = e->kind == KS_TRUSTED && bytes_equal(e->chain[0], cert);

			same += equal;
			other += !equal;
		}
	}
	return same == 1 && other == 0;
}

/* The bag itself comes to stand in the store. A trust store of 10,000 is filled, or replaced, one
 * by one: the model is built anew only when it must. */
static enum err_code add_trusted(struct p12 *p12, struct p12_bag *bag, struct err *err)
{
	struct place key_at;
	struct place cert_at;

	if (p12_model_replace_trusted(p12, bag)) {
		return ERR_OK;
	}
	clear_alias(p12, bag->folded, &key_at, &cert_at);
	bool fresh = key_at.safe == SIZE_MAX && cert_at.safe == SIZE_MAX;
	size_t n = p12->n;
	const struct p12_safe *last = n == 0 ? NULL : &p12->safes[n - 1];
	const struct p12_bag *bags = last == NULL ? NULL : last->bags;
	enum err_code rc = insert_chain(p12, cert_at, bag, 1, err);

	if (rc != ERR_OK) {
		return rc;
	}
	/* It may stand in another safe, before the last, and that may be empty. */
	if (fresh && bags != NULL && p12->n == n && p12->safes[n - 1].bags == bags &&
	    p12->safes[n - 1].n != 0) {
		struct p12_bag *end = &p12->safes[n - 1].bags[p12->safes[n - 1].n - 1];

		if (end->folded == bag->folded && p12_model_add_trusted(p12, end)) {
			return ERR_OK;
		}
	}
	return p12_model_build(p12, err);
}

enum err_code p12_set_trusted(struct keystore *ks, const char *alias, struct bytes cert,
                              int64_t created_ms, struct err *err)
{
	struct p12 *p12 = p12_of(ks);
	struct p12_bag bag = { .trusted = true };
	struct bytes *copy = NULL;
	enum err_code rc = too_many(p12, err);

	(void)created_ms; /* the format has no place for the date of a certificate */
	bag.folded = ks_fold(&p12->arena, alias);
	bag.alias = bag.folded;
	if (rc == ERR_OK && bag.folded == NULL) {
		rc = err_nomem(err);
	}
	if (rc != ERR_OK ||
	    (map_get_str(&p12->names, bag.folded) != NULL && is_there(p12, bag.folded, cert))) {
		return rc;
	}
	rc = ks_chain_copy(&p12->arena, &cert, 1, &copy, err);
	if (rc == ERR_OK) {
		rc = build_certificate(p12, &bag, copy[0], err);
	}
	return rc == ERR_OK ? add_trusted(p12, &bag, err) : rc;
}

enum err_code p12_set_secret(struct keystore *ks, const char *alias,
                             const struct keystore_secret_key *key, int64_t created_ms,
                             struct err *err)
{
	struct p12 *p12 = p12_of(ks);
	CLEANUP(secret_release) struct secret inner = { 0 };
	CLEANUP(new_key_release) struct new_key new = { 0 };
	struct place key_at;
	struct place cert_at;
	enum err_code rc = too_many(p12, err);

	if (rc == ERR_OK) {
		rc = p12_secret_encode(key, &inner, err);
	}
	if (rc == ERR_OK) {
		rc = build_key(p12, &new, alias, &inner, created_ms, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	new.key.type = P12_SECRET;
	clear_alias(p12, new.key.folded, &key_at, &cert_at);
	if (key_at.safe == SIZE_MAX) {
		rc = find_place(p12, /* certificate= */ false, &key_at, err);
	}
	if (rc == ERR_OK) {
		rc = insert(p12, key_at, &new.key, err);
	}
	return rc == ERR_OK ? p12_model_build(p12, err) : rc;
}

enum err_code p12_remove(struct keystore *ks, const char *alias, struct err *err)
{
	struct p12 *p12 = p12_of(ks);
	CLEANUP(cleanup_free) char *folded = alias_fold(alias);
	struct place key_at;
	struct place cert_at;

	if (folded == NULL) {
		return err_nomem(err);
	}
	if (doom_alias(p12, folded) == 0) {
		return err_set(err, ERR_NOT_FOUND, "no entry '%s'", alias);
	}
	sweep(p12, &key_at, &cert_at);
	p12->edited = true;
	return p12_model_build(p12, err);
}
