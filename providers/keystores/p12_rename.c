/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * p12_rename.c - edits of a bag in its place: its name, the password of its key.
 *
 * A name lies in the attributes of the bag, outside of what a password protects: a key is renamed
 * without being opened.
 */
#include "providers/keystores/kstext.h"
#include "providers/keystores/p12_store.h"
#include "reconciler/base/str.h"

static enum err_code put_name(const char *folded, struct buf *out, struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	CLEANUP(buf_release) struct buf wide = { 0 };

	buf_init(&wide, KEYSTORE_FILE_LIMIT);
	if (!utf16be_from_utf8(bytes_of_str(folded), &wide)) {
		return err_set(err, ERR_INVALID, "the alias is not valid UTF-8");
	}
	if (buf_failed(&wide)) {
		return err_nomem(err);
	}
	der_writer_init(&w);
	size_t whole = der_mark(&w);
	der_put(&w, DER_BMP, buf_view(&wide));
	der_wrap(&w, DER_SET, whole);
	der_put_oid(&w, P12_OID_NAME);
	der_wrap(&w, DER_SEQUENCE, whole);
	return der_writer_finish(&w, out, err);
}

static bool is_name(struct bytes attribute)
{
	struct der d = der_of(attribute);
	struct der inner;
	struct bytes oid;

	return der_enter(&d, DER_SEQUENCE, &inner) && der_get(&inner, DER_OID, &oid) &&
	       der_oid_is(oid, P12_OID_NAME);
}

/* The attributes with one name, in the place of the first that was there. */
static enum err_code rename_attributes(struct p12 *p12, struct p12_bag *bag, const char *folded,
                                       struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	CLEANUP(buf_release) struct buf list = { 0 };
	struct der set = der_of(bag->attrs);
	struct der d = der_of(bytes_of(/* p= */ NULL, 0));
	struct bytes attribute;
	enum err_code rc = ERR_OK;
	bool named = false;

	buf_init(&list, KEYSTORE_FILE_LIMIT);
	if (bag->attrs.n != 0) {
		(void)der_enter(&set, DER_SET, &d);
	}
	while (rc == ERR_OK &&
	       der_get_any(&d, /* ret_tag= */ NULL, /* ret_content= */ NULL, &attribute)) {
		if (!is_name(attribute)) {
			buf_add_bytes(&list, attribute);
		} else if (!named) {
			rc = put_name(folded, &list, err);
			named = true;
		}
	}
	if (rc == ERR_OK && !named) {
		rc = put_name(folded, &list, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	der_writer_init(&w);
	der_put(&w, DER_SET, buf_view(&list));
	return buf_failed(&list) ? err_nomem(err) : p12_finish(p12, &w, &bag->attrs, err);
}

enum err_code p12_bag_rename(struct p12 *p12, struct p12_bag *bag, const char *folded,
                             struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	struct der d = der_of(bag->raw);
	struct der inner;
	struct bytes oid;
	struct bytes value;
	enum err_code rc = rename_attributes(p12, bag, folded, err);

	if (rc != ERR_OK) {
		return rc;
	}
	bag->alias = folded;
	bag->folded = folded;
	bag->warnings &= ~(unsigned)KS_WARN_UNREACHABLE_ALIAS;
	if (bag->raw.n == 0) {
		return ERR_OK;
	}
	if (!der_enter(&d, DER_SEQUENCE, &inner) ||
	    !der_get_any(&inner, /* ret_tag= */ NULL, /* ret_content= */ NULL, &oid) ||
	    !der_get_any(&inner, /* ret_tag= */ NULL, /* ret_content= */ NULL, &value)) {
		return err_set(err, ERR_BUG, "a bag that was read cannot be read");
	}
	der_writer_init(&w);
	size_t whole = der_mark(&w);
	der_put_raw(&w, bag->attrs);
	der_put_raw(&w, value);
	der_put_raw(&w, oid);
	der_wrap(&w, DER_SEQUENCE, whole);
	return p12_finish(p12, &w, &bag->raw, err);
}

/* The entry Java sees: of several with one alias the one whose bag comes last. */
static const struct p12_entry *find(const struct p12 *p12, const char *folded)
{
	const struct p12_entry *last = NULL;
	size_t at = 0;

	for (size_t i = 0; i < p12->n_entries; i++) {
		const struct p12_entry *e = &p12->entries[i];

		if (e->kind == KS_OPAQUE || !str_equal(e->folded, folded)) {
			continue;
		}
		for (size_t s = 0; s < p12->n; s++) {
			const struct p12_safe *safe = &p12->safes[s];
			bool here = e->bag >= safe->bags && e->bag < safe->bags + safe->n;
			size_t place = here ? (s << 32) + (size_t)(e->bag - safe->bags) : 0;

			if (here && (last == NULL || place > at)) {
				last = e;
				at = place;
			}
		}
	}
	return last;
}

static enum err_code find_alias(struct p12 *p12, const char *alias, const struct p12_entry **ret,
                                struct err *err)
{
	CLEANUP(cleanup_free) char *folded = alias_fold(alias);

	if (folded == NULL) {
		return err_nomem(err);
	}
	const struct p12_entry *e = find(p12, folded);
	if (e == NULL) {
		return err_set(err, ERR_NOT_FOUND, "no entry '%s'", alias);
	}
	*ret = e;
	return ERR_OK;
}

static void mark_edited(struct p12 *p12, const struct p12_bag *bag)
{
	p12->edited = true;
	for (size_t i = 0; i < p12->n; i++) {
		struct p12_safe *safe = &p12->safes[i];

		safe->edited = safe->edited || (bag >= safe->bags && bag < safe->bags + safe->n);
	}
}

enum err_code p12_rename(struct keystore *ks, const char *from, const char *to, struct err *err)
{
	struct p12 *p12 = p12_of(ks);
	const struct p12_entry *e = NULL;
	enum err_code rc = find_alias(p12, from, &e, err);

	if (rc != ERR_OK) {
		return rc;
	}
	const char *folded = ks_fold(&p12->arena, to);
	if (folded == NULL) {
		return err_nomem(err);
	}
	const struct p12_entry *other = find(p12, folded);
	if (other != NULL && !str_equal(folded, e->folded)) {
		return err_set(err, ERR_CONFLICT, "there is an entry '%s' already", folded);
	}
	struct p12_bag *leaf = e->kind == KS_KEY && e->n_chain != 0 ? e->chain_bags[0] : NULL;
	bool both = leaf != NULL && str_equal(leaf->folded, e->folded);
	mark_edited(p12, e->bag);
	rc = p12_bag_rename(p12, e->bag, folded, err);
	if (rc == ERR_OK && both) {
		mark_edited(p12, leaf);
		rc = p12_bag_rename(p12, leaf, folded, err);
	}
	return rc == ERR_OK ? p12_model_build(p12, err) : rc;
}

/* Open the key with `old`, unless it is open. */
static enum err_code open_with(struct p12 *p12, struct p12_bag *bag, const struct secret *old,
                               struct err *err)
{
	CLEANUP(p12_password_release) struct p12_password pw = { 0 };
	CLEANUP(secret_release) struct secret plain = { 0 };
	uint64_t work = p12_limits.work;

	if (bag->type == P12_KEY) { /* it had none */
		if (secret_set(&bag->plain, bag->payload.p, bag->payload.n) < 0) {
			return err_nomem(err);
		}
		bag->type = P12_SHROUDED;
		bag->raw = bytes_of(/* p= */ NULL, 0);
		bag->warnings &= ~(unsigned)KS_WARN_WEAK;
		bag->opened = true;
	}
	if (bag->raw.n == 0 || (old == NULL && bag->opened)) {
		return ERR_OK;
	}
	if (old == NULL) {
		return err_set(err, ERR_DENIED, "the key password does not open it");
	}
	enum err_code rc = p12_password_init(&pw, old, err);
	if (rc == ERR_OK) {
		rc = p12_bag_open(p12, bag, &pw, &work, &plain, err);
	}
	if (rc == ERR_OK) {
		secret_release(&bag->plain);
		bag->plain = plain;
		plain = (struct secret){ 0 };
		bag->opened = true;
		bag->under_store = false;
		bag->warnings &= ~(unsigned)KS_WARN_KEY_UNREADABLE;
	}
	return rc;
}

enum err_code p12_set_key_password(struct keystore *ks, const char *alias, const struct secret *old,
                                   const struct secret *new_pw, struct err *err)
{
	struct p12 *p12 = p12_of(ks);
	CLEANUP(secret_release) struct secret copy = { 0 };
	const struct p12_entry *e = NULL;
	enum err_code rc = find_alias(p12, alias, &e, err);

	if (rc != ERR_OK) {
		return rc;
	}
	if (new_pw == NULL || e->kind == KS_TRUSTED ||
	    (e->bag->type != P12_KEY && !p12_bag_is_sealed(e->bag))) {
		return err_set(err, ERR_INVALID,
		               new_pw == NULL ? "the key of entry '%s' needs a password"
		                              : "entry '%s' holds no key",
		               alias);
	}
	if (secret_set(&copy, new_pw->p, new_pw->n) < 0) {
		return err_nomem(err);
	}
	struct p12_bag *bag = e->bag;
	rc = open_with(p12, bag, old, err);
	if (rc != ERR_OK) {
		(void)err_wrap(err, "entry '%s'", alias);
		return rc;
	}
	secret_release(&bag->own);
	bag->own = copy;
	copy = (struct secret){ 0 };
	bag->has_own = true;
	mark_edited(p12, bag);
	return p12_model_build(p12, err);
}
