/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ksutil.c - "no password" and "the empty password" are different things in every format, so the
 * pointer decides the first and the length the second, here and nowhere else.
 */
#include "providers/keystores/ksutil.h"

#include <stdio.h>

#include "providers/keystores/kscert.h"
#include "providers/keystores/kstext.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/pkcs8.h"

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

bool ks_is_printable_ascii(const struct secret *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->p[i] < 0x20 || s->p[i] > 0x7e) {
			return false;
		}
	}
	return true;
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

bool ks_key_is_another(struct bytes pkcs8, struct bytes leaf)
{
	CLEANUP(buf_release) struct buf spki = { 0 };
	struct pkcs8_facts facts;
	struct ks_cert cert;

	buf_init(&spki, PKCS8_SPKI_MAX);
	return ks_cert_read(leaf, &cert) && pkcs8_read(pkcs8, &facts, /* err= */ NULL) == ERR_OK &&
	       facts.supported && pkcs8_spki(&facts, &spki, /* err= */ NULL) == ERR_OK &&
	       !spki_same_key(buf_view(&spki), cert.spki);
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

void ks_tell(const struct ks_saying *s, const char *name, const char *value)
{
	const struct keystore_fact f = { .entry = s->entry, .name = name, .value = value };

	s->say(s->ctx, &f);
}

void ks_tell_number(const struct ks_saying *s, const char *name, uint64_t n)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)n);
	ks_tell(s, name, text);
}

enum err_code ks_no_rename(struct keystore *ks, const char *from, const char *to, struct err *err)
{
	(void)to;
	return err_set(err, ERR_INVALID, "'%s' cannot be renamed: format '%s' has no aliases", from,
	               ks->ops->type);
}

enum err_code ks_no_key_password(struct keystore *ks, const char *alias, const struct secret *old,
                                 const struct secret *new_pw, struct err *err)
{
	(void)alias;
	(void)old;
	(void)new_pw;
	return err_set(err, ERR_INVALID, "format '%s' has no password for a single key",
	               ks->ops->type);
}

enum err_code ks_no_secret(const struct keystore *ks, size_t i, struct keystore_secret_key *ret,
                           struct err *err)
{
	(void)i;
	(void)ret;
	return err_set(err, ERR_INVALID, "format '%s' holds no secret keys", ks->ops->type);
}

enum err_code ks_no_set_secret(struct keystore *ks, const char *alias,
                               const struct keystore_secret_key *key, int64_t created_ms,
                               struct err *err)
{
	(void)key;
	(void)created_ms;
	return err_set(err, ERR_INVALID, "secret key '%s': format '%s' cannot hold it", alias,
	               ks->ops->type);
}

void ks_no_facts(const struct keystore *ks, void (*say)(void *ctx, const struct keystore_fact *f),
                 void *ctx)
{
	(void)ks;
	(void)say;
	(void)ctx;
}
