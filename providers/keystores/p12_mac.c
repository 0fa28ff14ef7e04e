/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * p12_mac.c - integrity by password: the classic MacData and PBMAC1 (RFC 9879).
 *
 * A PBMAC1 with a short key is a signature that anybody can guess; hence the lower bound, which
 * some implementations still lack.
 */
#include <nettle/memops.h>

#include "providers/keystores/p12_store.h"
#include "reconciler/pki/pki.h"

#define OID_PBMAC1      "1.2.840.113549.1.5.14"
#define PBMAC1_KEY_MIN  20
#define PBMAC1_KEY_MAX  1024
#define PBMAC1_KEY_MADE 32
#define SALT_N          20
#define DIGEST_MAX      64

struct mac_data {
	struct bytes digest, salt;
	uint64_t iterations;
	const struct nettle_hash *hash;
	bool pbmac1;
	struct p12_alg kdf; /* of PBMAC1 */
	uint64_t key_length;
};

static enum err_code damaged(struct err *err)
{
	return err_set(err, ERR_INVALID, "the MAC's parameters are damaged");
}

static enum err_code unsupported(struct bytes oid, struct err *err)
{
	char text[128];

	if (!der_oid_text(oid, text, sizeof(text))) {
		return damaged(err);
	}
	return err_set(err, ERR_INVALID, "integrity algorithm %s is not supported", text);
}

static enum err_code parse_pbmac1(struct der *alg, struct mac_data *ret, struct err *err)
{
	struct der params;
	struct der scheme;
	struct bytes oid;

	ret->pbmac1 = true;
	if (!der_enter(alg, DER_SEQUENCE, &params)) {
		return damaged(err);
	}
	enum err_code rc = p12_pbkdf2_parse(&params, &ret->kdf, &ret->key_length, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (!der_enter(&params, DER_SEQUENCE, &scheme) || !der_get(&scheme, DER_OID, &oid)) {
		return damaged(err);
	}
	ret->hash = p12_hash_by_hmac_oid(oid);
	if (ret->hash == NULL) {
		return unsupported(oid, err);
	}
	if (ret->key_length < PBMAC1_KEY_MIN || ret->key_length > PBMAC1_KEY_MAX) {
		return err_set(err, ERR_INVALID,
		               "PBMAC1 with a key of %llu octets: at least 20 are needed for it to "
		               "protect anything",
		               (unsigned long long)ret->key_length);
	}
	return ERR_OK;
}

static enum err_code parse(struct bytes whole, struct mac_data *ret, struct err *err)
{
	struct der d = der_of(whole);
	struct der mac;
	struct der info;
	struct der alg;
	struct bytes oid;
	enum err_code rc = ERR_OK;

	ret->iterations = 1;
	if (!der_enter(&d, DER_SEQUENCE, &mac) || !der_enter(&mac, DER_SEQUENCE, &info) ||
	    !der_enter(&info, DER_SEQUENCE, &alg) || !der_get(&alg, DER_OID, &oid) ||
	    !der_get(&info, DER_OCTET_STRING, &ret->digest) ||
	    !der_get(&mac, DER_OCTET_STRING, &ret->salt) || ret->salt.n > P12_SALT_MAX ||
	    (!der_at_end(&mac) && !der_get_u64(&mac, &ret->iterations))) {
		return damaged(err);
	}
	if (der_oid_is(oid, OID_PBMAC1)) {
		rc = parse_pbmac1(&alg, ret, err);
	} else {
		ret->hash = p12_hash_by_digest_oid(oid);
		rc = ret->hash == NULL ? unsupported(oid, err) : ERR_OK;
	}
	if (rc == ERR_OK && ret->digest.n != ret->hash->digest_size) {
		return damaged(err);
	}
	return rc;
}

static bool compute(const struct mac_data *m, struct bytes auth, const struct p12_spelling *pw,
                    uint8_t *out)
{
	uint8_t key[PBMAC1_KEY_MAX];
	size_t key_n = m->pbmac1 ? (size_t)m->key_length : m->hash->digest_size;
	struct p12_hmac h;

	if (m->pbmac1) {
		p12_pbkdf2(m->kdf.prf, secret_view(&pw->raw), m->kdf.salt, m->kdf.iterations, key,
		           key_n);
	} else {
		struct p12_derivation d = { .hash = m->hash,
			                    .id = 3,
			                    .wide = secret_view(&pw->wide),
			                    .salt = m->salt,
			                    .iterations = m->iterations };
		if (!p12_kdf(&d, key, key_n)) {
			return false;
		}
	}
	p12_hmac_set_key(&h, m->hash, bytes_of(key, key_n));
	p12_hmac_update(&h, auth.n, auth.p);
	p12_hmac_digest(&h, m->hash->digest_size, out);
	secret_wipe(key, sizeof(key));
	secret_wipe(&h, sizeof(h));
	return true;
}

static enum err_code spend(const struct mac_data *m, uint64_t *work, struct err *err)
{
	if (!m->pbmac1) {
		return p12_spend(work, m->iterations, 1, err);
	}
	return p12_spend(work, m->kdf.iterations, 2 * (m->key_length / m->kdf.prf->digest_size + 1),
	                 err);
}

enum err_code p12_mac_read(struct bytes whole, struct bytes auth, struct p12_password *pw,
                           uint64_t *work, struct p12_mac *ret, struct err *err)
{
	struct mac_data m = { 0 };
	uint8_t digest[DIGEST_MAX];
	enum err_code rc = parse(whole, &m, err);

	if (rc != ERR_OK) {
		return rc;
	}
	*ret = (struct p12_mac){ .present = true,
		                 .pbmac1 = m.pbmac1,
		                 .hash = m.hash,
		                 .iterations = m.pbmac1 ? m.kdf.iterations : m.iterations,
		                 .salt_n = m.pbmac1 ? m.kdf.salt.n : m.salt.n,
		                 .raw = whole };
	for (size_t i = 0; i < pw->n; i++) {
		rc = spend(&m, work, err);
		if (rc != ERR_OK) {
			return rc;
		}
		if (!compute(&m, auth, &pw->v[i], digest)) {
			return err_nomem(err);
		}
		if (memeql_sec(digest, m.digest.p, m.digest.n)) {
			pw->first = i;
			return ERR_OK;
		}
	}
	return err_set(err, ERR_DENIED, "the store password is wrong, or the file was modified");
}

/* The AlgorithmIdentifier of a DigestInfo. */
static void write_algorithm(const struct mac_data *m, struct der_writer *w)
{
	size_t whole = der_mark(w);

	der_put_null(w);
	if (!m->pbmac1) {
		der_put_oid(w, p12_digest_oid(m->hash));
		der_wrap(w, DER_SEQUENCE, whole);
		return;
	}
	der_put_oid(w, p12_hmac_oid(m->hash));
	der_wrap(w, DER_SEQUENCE, whole);
	p12_pbkdf2_write(m->hash, m->salt, m->iterations, PBMAC1_KEY_MADE, w);
	der_wrap(w, DER_SEQUENCE, whole);
	der_put_oid(w, OID_PBMAC1);
	der_wrap(w, DER_SEQUENCE, whole);
}

enum err_code p12_mac_write(const struct p12_mac *like, struct bytes auth,
                            const struct p12_password *pw, struct der_writer *w, struct err *err)
{
	uint8_t salt[SALT_N];
	uint8_t digest[DIGEST_MAX];
	struct mac_data m = { .hash = like->hash,
		              .iterations = like->iterations,
		              .pbmac1 = like->pbmac1,
		              .key_length = PBMAC1_KEY_MADE };

	pki_random(salt, sizeof(salt));
	m.salt = bytes_of(salt, sizeof(salt));
	m.kdf = (struct p12_alg){ .prf = m.hash, .salt = m.salt, .iterations = m.iterations };
	if (!compute(&m, auth, &pw->v[0], digest)) {
		return err_nomem(err);
	}
	size_t whole = der_mark(w);
	if (m.iterations != 1) {
		der_put_u64(w, m.iterations);
	}
	der_put(w, DER_OCTET_STRING, m.salt);
	size_t info = der_mark(w);
	der_put(w, DER_OCTET_STRING, bytes_of(digest, m.hash->digest_size));
	write_algorithm(&m, w);
	der_wrap(w, DER_SEQUENCE, info);
	der_wrap(w, DER_SEQUENCE, whole);
	return ERR_OK;
}
