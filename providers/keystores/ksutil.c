/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ksutil.c - "no password" and "the empty password" are different things in every format, so the
 * pointer decides the first and the length the second, here and nowhere else.
 */
#include "providers/keystores/ksutil.h"

#include "providers/keystores/kstext.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/der.h"

enum err_code ks_secret_copy(const struct secret *from, struct secret *ret, bool *ret_given,
                             struct err *err)
{
	if (from != NULL && secret_set(ret, from->p, from->n) < 0) {
		return err_nomem(err);
	}
	*ret_given = from != NULL;
	return ERR_OK;
}

const struct secret *ks_key_password(const struct keystore_passwords *pw)
{
	return pw->key != NULL ? pw->key : pw->store;
}

bool ks_password_equal(const struct secret *a, const struct secret *b)
{
	if (a == NULL || b == NULL) {
		return a == b;
	}
	return secret_equal(a, b);
}

enum err_code ks_password_wide(const struct secret *pw, bool terminated, struct secret *ret,
                               struct err *err)
{
	CLEANUP(buf_release) struct buf wide = { 0 };

	buf_init_secret(&wide, KEYSTORE_FILE_LIMIT);
	if (!utf16be_from_utf8(secret_view(pw), &wide)) {
		return err_set(err, ERR_INVALID, "the keystore password is not valid UTF-8");
	}
	if (terminated) {
		buf_add_u16be(&wide, 0);
	}
	enum err_code rc = buf_check(&wide, "a keystore password", err);
	if (rc == ERR_OK) {
		secret_from_buf(ret, &wide);
	}
	return rc;
}

const char *ks_fold(struct arena *arena, const char *alias)
{
	CLEANUP(cleanup_free) char *folded = alias_fold(alias);

	return folded == NULL ? NULL : arena_str(arena, folded);
}

bool ks_is_sequence(struct bytes der)
{
	struct der d = der_of(der);
	struct bytes inner;

	return der.n != 0 && der_get(&d, DER_SEQUENCE, &inner) && der_at_end(&d);
}

enum err_code ks_chain_copy(struct arena *arena, const struct bytes *chain, size_t n,
                            struct bytes **ret, struct err *err)
{
	if (n == 0 || n > KS_CHAIN_MAX) {
		return err_set(err, ERR_INVALID, "a chain of %zu certificates", n);
	}
	struct bytes *copy = ARENA_ARRAY(arena, struct bytes, n);
	for (size_t i = 0; copy != NULL && i < n; i++) {
		if (!ks_is_sequence(chain[i])) {
			return err_set(err, ERR_INVALID,
			               "certificate %zu of the chain is not one DER structure",
			               i + 1);
		}
		copy[i] = arena_bytes(arena, chain[i]);
	}
	if (arena_failed(arena)) {
		return err_nomem(err);
	}
	*ret = copy;
	return ERR_OK;
}
