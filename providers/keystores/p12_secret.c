/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * p12_secret.c - secret keys in PKCS#12 are an invention of Java: a secret bag around what would be
 * a PKCS#8 key, were the algorithm one for key pairs.
 */
#include "providers/keystores/p12_store.h"
#include "reconciler/base/str.h"

/* Java's names for what its SecretKeyFactory and KeyGenerator make. */
static const struct {
	const char *oid, *name;
} algorithms[] = {
	{ "2.16.840.1.101.3.4.1", "AES" },       { "1.3.14.3.2.7", "DES" },
	{ "1.3.14.3.2.17", "DESede" },           { "1.2.840.113549.3.7", "DESede" },
	{ "1.2.840.113549.3.2", "RC2" },         { "1.2.840.113549.3.4", "ARCFOUR" },
	{ "1.2.840.113549.2.7", "HmacSHA1" },    { "1.2.840.113549.2.8", "HmacSHA224" },
	{ "1.2.840.113549.2.9", "HmacSHA256" },  { "1.2.840.113549.2.10", "HmacSHA384" },
	{ "1.2.840.113549.2.11", "HmacSHA512" },
};

enum err_code p12_secret_decode(struct bytes inner, struct keystore_secret_key *ret,
                                struct err *err)
{
	struct keystore_secret_key out = { 0 };
	struct der d = der_of(inner);
	struct der info;
	struct der alg;
	struct bytes oid;
	struct bytes key;
	uint64_t version;

	if (!der_enter(&d, DER_SEQUENCE, &info) || !der_get_u64(&info, &version) ||
	    !der_enter(&info, DER_SEQUENCE, &alg) || !der_get(&alg, DER_OID, &oid) ||
	    !der_get(&info, DER_OCTET_STRING, &key) ||
	    !der_oid_text(oid, out.algorithm, sizeof(out.algorithm))) {
		return err_set(err, ERR_INVALID, "not a secret key as Java writes it");
	}
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
		if (str_equal(algorithms[i].oid, out.algorithm)) {
			memset(out.algorithm, 0, sizeof(out.algorithm));
			memcpy(out.algorithm, algorithms[i].name, strlen(algorithms[i].name));
			break;
		}
	}
	if (secret_set(&out.key, key.p, key.n) < 0) {
		return err_nomem(err);
	}
	*ret = out;
	return ERR_OK;
}

enum err_code p12_secret_encode(const struct keystore_secret_key *key, struct secret *ret,
                                struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };
	const char *oid = key->algorithm;

	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
		if (str_casecmp_ascii(algorithms[i].name, key->algorithm) == 0) {
			oid = algorithms[i].oid;
			break;
		}
	}
	if (!der_oid_valid(oid)) {
		return err_set(err, ERR_INVALID,
		               "a secret key of algorithm '%s' has no identifier in PKCS#12",
		               key->algorithm);
	}
	buf_init_secret(&out, KEYSTORE_FILE_LIMIT);
	der_writer_init(&w);
	size_t whole = der_mark(&w);
	der_put(&w, DER_OCTET_STRING, secret_view(&key->key));
	size_t alg = der_mark(&w);
	der_put_oid(&w, oid);
	der_wrap(&w, DER_SEQUENCE, alg);
	der_put_u64(&w, 0);
	der_wrap(&w, DER_SEQUENCE, whole);
	enum err_code rc = der_writer_finish(&w, &out, err);
	if (rc == ERR_OK) {
		secret_from_buf(ret, &out);
	}
	return rc;
}

enum err_code p12_secret(const struct keystore *ks, size_t i, struct keystore_secret_key *ret,
                         struct err *err)
{
	const struct p12_entry *e = &p12_of_const(ks)->entries[i];

	if (e->kind != KS_SECRET) {
		return err_set(err, ERR_INVALID, "entry '%s' holds no secret key", e->alias);
	}
	if (!p12_bag_is_sealed(e->bag)) {
		return err_set(err, ERR_INVALID, "entry '%s': a secret of a sort not known",
		               e->alias);
	}
	if (!e->bag->opened) {
		return err_set(err, ERR_DENIED,
		               "the key password does not open the secret key of entry '%s'",
		               e->alias);
	}
	enum err_code rc = p12_secret_decode(secret_view(&e->bag->plain), ret, err);
	if (rc != ERR_OK) {
		(void)err_wrap(err, "entry '%s'", e->alias);
	}
	return rc;
}
