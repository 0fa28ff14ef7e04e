/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * convert.c - a Keystore whose `format` was changed: what the old file holds is carried over entry
 * by entry, because not all of it need be ours, and what cannot be carried stops the write.
 *
 * Between formats with and without aliases an entry is found by what it is: the one key, or the
 * certificate itself.
 */
#include "reconciler/engine/convert.h"

#include <stdlib.h>

#include "reconciler/base/str.h"

const struct keystore_ops *format_seen(const struct engine *e, const struct pass *p,
                                       const struct want_store *s)
{
	const struct obs_store *o = observed_store(p->observed, s->key);
	const struct keystore_ops *there = o == NULL || o->status != LOOK_OK || o->format == NULL
	                                           ? NULL
	                                           : registry_keystore(e->registry, o->format);

	return there == NULL ? registry_keystore(e->registry, s->format) : there;
}

static bool same_alias(const char *alias, const struct keystore_entry *e)
{
	CLEANUP(cleanup_free) char *folded = alias_fold(alias);

	return str_equal(folded, e->folded);
}

static bool same_certificate(const struct seen_cert *c, const struct keystore_entry *e)
{
	uint8_t sha256[SHA256_BYTES];

	if (c == NULL || e->n_chain == 0) {
		return false;
	}
	pki_sha256(e->chain[0].p, e->chain[0].n, sha256);
	return memcmp(sha256, c->sha256, SHA256_BYTES) == 0;
}

/* What the action says about an entry of the old store; NULL: nothing. */
static const struct entry_change *change_of(const struct compose *c,
                                            const struct keystore_ops *from,
                                            const struct keystore_entry *e)
{
	bool by_alias = from->has_aliases && c->ops->has_aliases;

	for (size_t i = 0; i < c->action->n_entries; i++) {
		const struct entry_change *ch = &c->action->entries[i];
		bool key = ch->want != NULL && ch->want->source == ENTRY_CERTIFICATE &&
		           !ch->want->certificate_only;

		if (by_alias ? same_alias(ch->alias, e)
		    : key    ? e->kind == KS_KEY
		             : same_certificate(ch->from, e) || same_certificate(ch->to, e)) {
			return ch;
		}
	}
	return NULL;
}

static enum err_code cannot(const struct compose *c, const struct keystore_entry *e,
                            struct err *err)
{
	(void)err_set(err, ERR_REFUSED, "format %s cannot hold the entry '%s' that is there",
	              c->ops->type, e->alias);
	return err_hint(err, "move it elsewhere, or deliver to another path");
}

static enum err_code carry(const struct compose *c, struct keystore *old, size_t i,
                           struct keystore *to, struct err *err)
{
	struct keystore_entry e = { 0 };
	struct err why = { 0 };

	old->ops->entry(old, i, &e);
	const struct entry_change *ch = change_of(c, old->ops, &e);
	if (ch != NULL && ch->op != ENTRY_KEEP) {
		return ERR_OK;
	}
	const char *alias = ch != NULL ? ch->alias : e.alias;
	int64_t at = c->engine->clock->wall(c->engine->clock).s * 1000;
	bool nameless = c->ops->has_aliases && alias[0] == '\0';
	bool second_key = !c->ops->has_aliases && e.kind == KS_KEY && ch == NULL;

	if (nameless || second_key || e.kind == KS_OPAQUE || (e.kind == KS_KEY && e.n_chain == 0)) {
		return cannot(c, &e, err);
	}
	enum err_code rc = keystore_copy(old, i, alias, at, to, &why);
	if (rc == ERR_INVALID) {
		return cannot(c, &e, err);
	}
	if (rc != ERR_OK) {
		*err = why;
	}
	return rc;
}

enum err_code image_convert(const struct compose *c, const struct keystore_ops *from,
                            struct keystore **ret, struct err *err)
{
	CLEANUP(image_release) struct image there = { 0 };
	CLEANUP(cleanup_keystore) struct keystore *old = NULL;
	CLEANUP(cleanup_keystore) struct keystore *to = NULL;
	struct bytes views[KEYSTORE_PARTS_MAX];

	enum err_code rc = image_read(c->transport, from, c->store->path, &there, err);
	if (rc == ERR_OK) {
		image_views(&there, views);
		rc = passwords_open(c->passwords, from, views, there.n, &old, err);
	}
	if (rc == ERR_OK) {
		rc = c->ops->create(&to, err);
	}
	for (size_t i = 0; rc == ERR_OK && i < from->count(old); i++) {
		rc = carry(c, old, i, to, err);
	}
	if (rc == ERR_OK) {
		*ret = TAKE_PTR(to);
	}
	return rc;
}
