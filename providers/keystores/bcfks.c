/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bcfks.c - the table of BCFKS. Read only: whoever must keep this format has a FIPS module that is
 * to do the writing.
 */
#include "providers/keystores/bcfks.h"

#include <stdlib.h>

#include "providers/keystores/p12_crypto.h"
#include "reconciler/base/str.h"

static const uint8_t pbes2[] = { DER_OID, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 13 };

static const struct bcfks *bcfks_of_const(const struct keystore *ks)
{
	return (const struct bcfks *)(const void *)ks; /* base is the first member */
}

static void bcfks_close(struct keystore *ks)
{
	if (ks == NULL) {
		return;
	}
	struct bcfks *bc = CONTAINER_OF(ks, struct bcfks, base);
	for (size_t i = 0; i < bc->n; i++) {
		secret_release(&bc->entries[i].key);
	}
	secret_release(&bc->key_password);
	secret_release(&bc->plain);
	arena_release(&bc->arena);
	free(bc);
}

static void cleanup_bcfks(struct bcfks **bc)
{
	bcfks_close(*bc == NULL ? NULL : &(*bc)->base);
}

/* Contents of the SEQUENCE that begins at *at, however long they say to be. */
static bool step_in(struct bytes file, size_t *at)
{
	if (file.n < *at + 2 || file.p[*at] != DER_SEQUENCE) {
		return false;
	}
	*at += 2 + (file.p[*at + 1] > 0x80 ? file.p[*at + 1] & 0x7fu : 0u);
	return *at < file.n;
}

/* { ObjectStoreData { 1, AlgorithmIdentifier, date, date, objects }, check } */
static bool is_plain(struct bytes file)
{
	struct der d = der_of(file);
	struct der store;
	struct der data;
	uint64_t version;

	return der_enter(&d, DER_SEQUENCE, &store) && der_enter(&store, DER_SEQUENCE, &data) &&
	       der_get_u64(&data, &version) && der_peek(&data) == DER_SEQUENCE &&
	       der_get_any(&data, NULL, NULL, NULL) && der_peek(&data) == DER_GENERALIZED_TIME;
}

static bool bcfks_recognises(struct bytes file)
{
	size_t at = 0;

	/* store, data, algorithm: an encrypted key has one less */
	for (int depth = 0; depth < 3; depth++) {
		if (!step_in(file, &at)) {
			return is_plain(file);
		}
	}
	if (file.n - at >= sizeof(pbes2) && memcmp(file.p + at, pbes2, sizeof(pbes2)) == 0) {
		return true;
	}
	return is_plain(file);
}

static enum err_code damaged(const char *what, struct err *err)
{
	return err_set(err, ERR_INVALID, "BCFKS store: %s", what);
}

struct parts {
	struct bytes data; /* whole */
	struct der check;
	bool sealed;
	struct bcfks_sealed seal;
};

static enum err_code split(struct bytes file, struct parts *ret, struct err *err)
{
	struct der d = der_of(file);
	struct der store;
	struct der inner;
	struct der data;

	if (!der_enter(&d, DER_SEQUENCE, &store) || !der_at_end(&d) ||
	    !der_get_any(&store, /* ret_tag= */ NULL, /* ret_content= */ NULL, &ret->data)) {
		return damaged("the outer structure is malformed", err);
	}
	if (der_peek(&store) == DER_CONTEXT_CONSTRUCTED(0)) {
		return damaged("its integrity is a signature; a password is read only", err);
	}
	inner = der_of(ret->data);
	if (!der_enter(&store, DER_SEQUENCE, &ret->check) || !der_at_end(&store) ||
	    !der_enter(&inner, DER_SEQUENCE, &data)) {
		return damaged("the integrity check is missing", err);
	}
	ret->sealed = der_peek(&data) == DER_SEQUENCE;
	if (ret->sealed &&
	    (!der_get_any(&data, /* ret_tag= */ NULL, /* ret_content= */ NULL, &ret->seal.alg) ||
	     !der_get(&data, DER_OCTET_STRING, &ret->seal.data))) {
		return damaged("the encrypted contents are malformed", err);
	}
	ret->seal.label = "STORE_ENCRYPTION";
	return ERR_OK;
}

static void note_algorithms(struct bcfks *bc, const struct parts *parts)
{
	struct der check = parts->check;

	(void)der_get_any(&check, NULL, NULL, NULL);
	bcfks_derivation_text(check, bc->mac, sizeof(bc->mac));
	if (parts->sealed) {
		struct der d = der_of(parts->seal.alg);
		struct der alg;
		struct der params;

		bcfks_cipher_text(parts->seal.alg, bc->encryption, sizeof(bc->encryption));
		if (der_enter(&d, DER_SEQUENCE, &alg) && der_get_any(&alg, NULL, NULL, NULL) &&
		    der_enter(&alg, DER_SEQUENCE, &params)) {
			bcfks_derivation_text(params, bc->derivation, sizeof(bc->derivation));
		}
	}
}

/* MAC and cipher both know the password: what only one of them likes was tampered with. */
static enum err_code judge(bool mac_right, enum err_code opened, struct err *err)
{
	if (opened == ERR_OK && mac_right) {
		return ERR_OK;
	}
	if (opened == ERR_DENIED && !mac_right) {
		err_clear(err);
		return err_set(err, ERR_DENIED, "the keystore password is wrong");
	}
	err_clear(err);
	return damaged("its integrity check fails: it was modified", err);
}

static enum err_code unseal(struct bcfks *bc, struct parts *parts,
                            const struct keystore_passwords *pw, uint64_t *work, struct err *err)
{
	struct err local = { 0 };
	struct der check = parts->check;
	bool right = false;
	enum err_code rc = bcfks_check_mac(&check, parts->data, pw->store, work, &right, err);

	if (rc != ERR_OK) {
		return rc;
	}
	if (!parts->sealed) { /* nothing else tells a wrong password from a modification */
		if (!right) {
			return err_set(err, ERR_DENIED,
			               "the keystore password is wrong, or the store was modified");
		}
		return secret_set(&bc->plain, parts->data.p, parts->data.n) < 0 ? err_nomem(err)
		                                                                : ERR_OK;
	}
	rc = bcfks_open(&parts->seal, pw->store, work, &bc->plain, &local);
	if (rc != ERR_OK && rc != ERR_DENIED) {
		if (err != NULL) {
			*err = local;
		}
		return rc;
	}
	return judge(right, rc, err);
}

static enum err_code bcfks_new(struct bcfks **ret, const struct keystore_passwords *pw,
                               struct err *err)
{
	struct bcfks *bc = malloc(sizeof(*bc));

	if (bc == NULL) {
		return err_nomem(err);
	}
	*bc = (struct bcfks){ .base = { &keystore_bcfks, .keys_closed = pw->keys_closed } };
	arena_init(&bc->arena);
	*ret = bc;
	return ks_secret_copy(ks_key_password(pw), &bc->key_password, &bc->has_key_password, err);
}

static enum err_code bcfks_decode(const struct bytes *parts, size_t n_parts,
                                  const struct keystore_passwords *pw, struct keystore **ret,
                                  struct err *err)
{
	CLEANUP(cleanup_bcfks) struct bcfks *bc = NULL;
	struct bytes in = n_parts == 0 ? bytes_of(NULL, 0) : parts[0];
	struct parts found = { .sealed = false };
	uint64_t work = p12_limits.work;

	if (in.n > KEYSTORE_FILE_LIMIT) {
		return damaged("more than 64 MiB", err);
	}
	enum err_code rc = split(in, &found, err);
	if (rc == ERR_OK) {
		rc = bcfks_new(&bc, pw, err);
	}
	if (rc == ERR_OK) {
		rc = unseal(bc, &found, pw, &work, err);
	}
	if (rc == ERR_OK) {
		note_algorithms(bc, &found);
		rc = bcfks_read_objects(bc, &work, err);
	}
	if (rc == ERR_OK) {
		*ret = &TAKE_PTR(bc)->base;
	}
	return rc;
}

static enum err_code read_only(struct err *err)
{
	(void)err_set(err, ERR_INVALID, "BCFKS stores are read, not written");
	(void)err_hint(err,
	               "convert it to pkcs12, or let BouncyCastle's own keytool provider write it");
	return ERR_INVALID;
}

static enum err_code bcfks_create(struct keystore **ret, struct err *err)
{
	(void)ret;
	return read_only(err);
}

static size_t bcfks_count(const struct keystore *ks)
{
	return bcfks_of_const(ks)->n;
}

static void bcfks_entry(const struct keystore *ks, size_t i, struct keystore_entry *ret)
{
	const struct bcfks_entry *e = &bcfks_of_const(ks)->entries[i];
	bool key = e->type == BCFKS_PRIVATE_KEY || e->type == BCFKS_PROTECTED_PRIVATE_KEY;

	*ret = (struct keystore_entry){ .alias = e->alias,
		                        .folded = e->alias,
		                        .kind = e->type == BCFKS_CERTIFICATE ? KS_TRUSTED
		                                : key                        ? KS_KEY
		                                                             : KS_SECRET,
		                        .created_ms = e->created_ms,
		                        .chain = e->chain,
		                        .n_chain = e->n_chain,
		                        .warnings = e->warnings };
}

static unsigned bcfks_warnings(const struct keystore *ks)
{
	(void)ks;
	return 0;
}

static const char *bcfks_profile(const struct keystore *ks)
{
	(void)ks;
	return NULL;
}

/* The plain key of an entry, opened now when decode had no budget for it. */
static enum err_code plain_of(const struct keystore *ks, size_t i, struct secret *ret,
                              struct err *err)
{
	const struct bcfks *bc = bcfks_of_const(ks);
	const struct bcfks_entry *e = &bc->entries[i];
	uint64_t work = p12_limits.work;

	if (e->opened) {
		return secret_set(ret, e->key.p, e->key.n) < 0 ? err_nomem(err) : ERR_OK;
	}
	if (ks->keys_closed) {
		return err_set(err, ERR_DENIED, "the key of entry '%s' was left closed", e->alias);
	}
	enum err_code rc = bcfks_open_entry(bc, e, &work, ret, err);
	if (rc == ERR_DENIED) {
		err_clear(err);
		return err_set(err, ERR_DENIED,
		               "the key password does not open the key of entry '%s'", e->alias);
	}
	return rc;
}

static enum err_code bcfks_key(const struct keystore *ks, size_t i, struct secret *ret,
                               struct err *err)
{
	const struct bcfks_entry *e = &bcfks_of_const(ks)->entries[i];

	if (e->type != BCFKS_PRIVATE_KEY && e->type != BCFKS_PROTECTED_PRIVATE_KEY) {
		return err_set(err, ERR_INVALID, "entry '%s' holds no private key", e->alias);
	}
	return plain_of(ks, i, ret, err);
}

static const struct {
	const char *oid, *name;
} algorithms[] = {
	{ "2.16.840.1.101.3.4.1", "AES" },       { "1.3.14.3.2.17", "DESede" },
	{ "1.2.840.113549.2.7", "HmacSHA1" },    { "1.2.840.113549.2.8", "HmacSHA224" },
	{ "1.2.840.113549.2.9", "HmacSHA256" },  { "1.2.840.113549.2.10", "HmacSHA384" },
	{ "1.2.840.113549.2.11", "HmacSHA512" },
};

/* SecretKeyData { algorithm, octets } */
static enum err_code take_secret(struct bytes plain, struct keystore_secret_key *ret,
                                 struct err *err)
{
	struct keystore_secret_key out = { .algorithm = "" };
	struct der d = der_of(plain);
	struct der data;
	struct bytes oid;
	struct bytes key;

	if (!der_enter(&d, DER_SEQUENCE, &data) || !der_get(&data, DER_OID, &oid) ||
	    !der_oid_text(oid, out.algorithm, sizeof(out.algorithm)) ||
	    !der_get(&data, DER_OCTET_STRING, &key)) {
		return damaged("a secret key is malformed", err);
	}
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
		if (str_equal(out.algorithm, algorithms[i].oid)) {
			memcpy(out.algorithm, algorithms[i].name, strlen(algorithms[i].name) + 1);
			break;
		}
	}
	if (secret_set(&out.key, key.p, key.n) < 0) {
		return err_nomem(err);
	}
	*ret = out;
	return ERR_OK;
}

static enum err_code bcfks_secret(const struct keystore *ks, size_t i,
                                  struct keystore_secret_key *ret, struct err *err)
{
	const struct bcfks_entry *e = &bcfks_of_const(ks)->entries[i];
	CLEANUP(secret_release) struct secret plain = { 0 };

	if (e->type != BCFKS_SECRET_KEY && e->type != BCFKS_PROTECTED_SECRET_KEY) {
		return err_set(err, ERR_INVALID, "entry '%s' holds no secret key", e->alias);
	}
	enum err_code rc = plain_of(ks, i, &plain, err);
	return rc == ERR_OK ? take_secret(secret_view(&plain), ret, err) : rc;
}

/* As many parameters as the contract has. NOLINTNEXTLINE(readability-function-size) */
static enum err_code bcfks_set_key(struct keystore *ks, const char *alias,
                                   const struct secret *pkcs8, const struct bytes *chain,
                                   size_t n_chain, int64_t created_ms, struct err *err)
{
	(void)ks;
	(void)alias;
	(void)pkcs8;
	(void)chain;
	(void)n_chain;
	(void)created_ms;
	return read_only(err);
}

static enum err_code bcfks_set_trusted(struct keystore *ks, const char *alias, struct bytes cert,
                                       int64_t created_ms, struct err *err)
{
	(void)ks;
	(void)alias;
	(void)cert;
	(void)created_ms;
	return read_only(err);
}

static enum err_code bcfks_remove(struct keystore *ks, const char *alias, struct err *err)
{
	(void)ks;
	(void)alias;
	return read_only(err);
}

static enum err_code bcfks_rename(struct keystore *ks, const char *from, const char *to,
                                  struct err *err)
{
	(void)ks;
	(void)from;
	(void)to;
	return read_only(err);
}

static enum err_code bcfks_set_key_password(struct keystore *ks, const char *alias,
                                            const struct secret *old, const struct secret *new_pw,
                                            struct err *err)
{
	(void)ks;
	(void)alias;
	(void)old;
	(void)new_pw;
	return read_only(err);
}

static enum err_code bcfks_set_secret(struct keystore *ks, const char *alias,
                                      const struct keystore_secret_key *key, int64_t created_ms,
                                      struct err *err)
{
	(void)ks;
	(void)alias;
	(void)key;
	(void)created_ms;
	return read_only(err);
}

/* NOLINTBEGIN(readability-non-const-parameter): the contract says what the parameters are */
static enum err_code bcfks_encode(const struct keystore *ks, const struct keystore_encode *how,
                                  struct keystore_part ret[KEYSTORE_PARTS_MAX], size_t *ret_n,
                                  struct err *err)
{
	(void)ks;
	(void)how;
	(void)ret;
	(void)ret_n;
	return read_only(err);
}
/* NOLINTEND(readability-non-const-parameter) */

static void bcfks_facts(const struct keystore *ks,
                        void (*say)(void *ctx, const struct keystore_fact *f), void *ctx)
{
	const struct bcfks *bc = bcfks_of_const(ks);
	const struct keystore_fact all[] = {
		{ SIZE_MAX, "mac", bc->mac },
		{ SIZE_MAX, "encryption", bc->encryption },
		{ SIZE_MAX, "keyDerivation", bc->derivation },
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (all[i].value[0] != '\0') {
			say(ctx, &all[i]);
		}
	}
	for (size_t i = 0; i < bc->n; i++) {
		char cipher[64] = "";

		if (bc->entries[i].type != BCFKS_CERTIFICATE) {
			bcfks_cipher_text(bc->entries[i].alg, cipher, sizeof(cipher));
			say(ctx, &(struct keystore_fact){ i, "keyProtection", cipher });
		}
	}
}

static const char *const bcfks_suffixes[] = { "", NULL };

const struct keystore_ops keystore_bcfks = {
	.version = KEYSTORE_OPS_VERSION,
	.type = "bcfks",
	.has_aliases = true,
	.has_password = true,
	.suffixes = bcfks_suffixes,
	.recognises = bcfks_recognises,
	.decode = bcfks_decode,
	.create = bcfks_create,
	.count = bcfks_count,
	.entry = bcfks_entry,
	.warnings = bcfks_warnings,
	.profile = bcfks_profile,
	.key = bcfks_key,
	.set_key = bcfks_set_key,
	.set_trusted = bcfks_set_trusted,
	.remove = bcfks_remove,
	.rename = bcfks_rename,
	.set_key_password = bcfks_set_key_password,
	.secret = bcfks_secret,
	.set_secret = bcfks_set_secret,
	.encode = bcfks_encode,
	.facts = bcfks_facts,
	.close = bcfks_close,
};
