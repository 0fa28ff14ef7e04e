/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keystore_open.c - a store of which we do not know how far a change of its passwords has come.
 *
 * Store and keys may be under different ones, and each of them may be a former one. How many keys
 * open is counted only where there is something to choose between: every key costs its iterations.
 */
#include "providers/keystore.h"

struct candidate {
	struct keystore_passwords pw;
	int which;
};

static size_t keys_of(const struct keystore *ks, size_t *ret_opens)
{
	size_t keys = 0;

	*ret_opens = 0;
	for (size_t i = 0; i < ks->ops->count(ks); i++) {
		CLEANUP(secret_release) struct secret key = { 0 };
		struct keystore_entry e = { .alias = NULL };
		ks->ops->entry(ks, i, &e);
		if (e.kind == KS_KEY) {
			keys++;
			*ret_opens += ks->ops->key(ks, i, &key, /* err= */ NULL) == ERR_OK ? 1 : 0;
		}
	}
	return keys;
}

struct opening {
	const struct keystore_ops *ops;
	const struct bytes *parts;
	size_t n_parts;
	struct keystore *ks;
	size_t keys, opens;
	int which;
};

/* Better than what is open now? Then it is what is open. */
static void try_keys(struct opening *o, const struct candidate *c)
{
	struct keystore *ks = NULL;
	size_t opens = 0;

	if (o->opens == o->keys ||
	    o->ops->decode(o->parts, o->n_parts, &c->pw, &ks, /* err= */ NULL) != ERR_OK) {
		return;
	}
	(void)keys_of(ks, &opens);
	if (opens > o->opens) {
		o->ops->close(o->ks);
		o->ks = ks;
		o->opens = opens;
		o->which = c->which;
	} else {
		o->ops->close(ks);
	}
}

static void find_keys(struct opening *o, const struct keystore_tries *t, const struct secret *store)
{
	struct candidate c = { .pw = { .store = store, .key = t->present.key }, .which = o->which };

	int first = o->which;

	o->keys = keys_of(o->ks, &o->opens);
	if (first > 0 && t->present.key != NULL) {
		try_keys(o, &c);
	}
	/* Keys that nobody gave a password of their own. */
	if (first == 0 && t->present.key != NULL) {
		c.pw.key = NULL;
		c.which = (int)t->n_previous + 1;
		try_keys(o, &c);
	}
	for (size_t i = 0; i < t->n_previous; i++) {
		c.pw.key = &t->previous[i];
		c.which = first > 0 ? first : (int)i + 1;
		try_keys(o, &c);
	}
}

enum err_code keystore_open(const struct keystore_ops *ops, const struct bytes *parts,
                            size_t n_parts, const struct keystore_tries *t, struct keystore **ret,
                            int *ret_which, struct err *err)
{
	struct opening o = { .ops = ops, .parts = parts, .n_parts = n_parts };
	const struct secret *store = t->present.store;

	enum err_code rc = ops->decode(parts, n_parts, &t->present, &o.ks, err);
	for (size_t i = 0; rc == ERR_DENIED && i < t->n_previous; i++) {
		const struct keystore_passwords pw = { .store = &t->previous[i] };
		struct err again = { .code = ERR_OK };

		rc = ops->decode(parts, n_parts, &pw, &o.ks, &again);
		if (rc == ERR_OK) {
			store = pw.store;
			o.which = (int)i + 1;
			err_clear(err);
		} else if (rc != ERR_DENIED && err != NULL) {
			*err = again;
		}
	}
	if (rc != ERR_OK) {
		return rc;
	}
	if (ops->has_password && (t->n_previous > 0 || t->present.key != NULL)) {
		find_keys(&o, t, store);
	}
	*ret = o.ks;
	*ret_which = ops->has_password ? o.which : -1;
	return ERR_OK;
}
