/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keystore_copy.c - an entry from one store into another, of the same format or not.
 *
 * The key goes as the bytes it is: nothing is re-encoded on the way. What the other format has no
 * place for is said, never dropped in silence.
 */
#include "providers/keystore.h"
#include "reconciler/base/str.h"

bool keystore_holds_key(const struct keystore *ks)
{
	for (size_t i = 0; i < ks->ops->count(ks); i++) {
		struct keystore_entry e = { .alias = NULL };
		ks->ops->entry(ks, i, &e);
		if (e.kind == KS_KEY) {
			return true;
		}
	}
	return false;
}

static enum err_code copy_key(const struct keystore *from, size_t i, const struct keystore_entry *e,
                              struct keystore *to, struct err *err)
{
	CLEANUP(secret_release) struct secret key = { 0 };

	if (!to->ops->has_aliases && keystore_holds_key(to)) {
		(void)err_set(err, ERR_INVALID, "format %s holds one private key", to->ops->type);
		return err_hint(err, "take one entry at a time");
	}
	if (e->n_chain == 0) {
		return err_set(err, ERR_INVALID, "the key has no certificate");
	}
	enum err_code rc = from->ops->key(from, i, &key, err);
	return rc == ERR_OK ? to->ops->set_key(to, e->alias, &key, e->chain, e->n_chain,
	                                       e->created_ms, err)
	                    : rc;
}

static enum err_code copy_secret(const struct keystore *from, size_t i,
                                 const struct keystore_entry *e, struct keystore *to,
                                 struct err *err)
{
	struct keystore_secret_key k = { .algorithm = "" };
	enum err_code rc = from->ops->secret(from, i, &k, err);

	if (rc == ERR_OK) {
		rc = to->ops->set_secret(to, e->alias, &k, e->created_ms, err);
	}
	secret_release(&k.key);
	return rc;
}

enum err_code keystore_copy(const struct keystore *from, size_t i, const char *alias,
                            int64_t now_ms, struct keystore *to, struct err *err)
{
	struct keystore_entry e = { .alias = NULL };
	enum err_code rc = ERR_BUG;

	from->ops->entry(from, i, &e);
	const char *name = e.alias;
	e.alias = alias;
	e.created_ms = e.created_ms < 0 ? now_ms : e.created_ms;
	switch (e.kind) {
	case KS_KEY:
		rc = copy_key(from, i, &e, to, err);
		break;
	case KS_TRUSTED:
		rc = to->ops->set_trusted(to, alias, e.chain[0], e.created_ms, err);
		break;
	case KS_SECRET:
		rc = copy_secret(from, i, &e, to, err);
		break;
	case KS_OPAQUE:
		rc = err_set(err, ERR_INVALID, "format %s cannot hold what it is", to->ops->type);
		break;
	}
	return rc == ERR_OK || name[0] == '\0' ? rc : err_wrap(err, "entry '%s'", name);
}
