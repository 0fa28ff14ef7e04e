/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * p12_crypto.h - password-based encryption and integrity of PKCS#12 (RFC 7292, 8018, 9879).
 *
 * A password has several spellings in this format (empty or absent, UTF-16 or widened octets), and
 * a file does not say which one its writer used: readers try them in order.
 */
#pragma once

#include <nettle/nettle-meta.h>
#include <pthread.h>

#include "providers/keystores/ksutil.h"
#include "reconciler/pki/der.h"

#define P12_SALT_MAX      1024u
#define P12_SPELLINGS_MAX 2
#define P12_KEY_MAX       32u

/* What a hostile file may cost, and what our own cost. Tests and fuzzers lower them. */
struct p12_limits {
	uint64_t iterations; /* of one derivation */
	uint64_t work;       /* hash blocks times iterations over one file */
	uint64_t written;    /* iterations of what we write by a profile */
	uint64_t ahead;      /* iterations that are worth a thread */
};
extern struct p12_limits p12_limits;

struct p12_spelling {
	struct secret wide; /* for the PKCS#12 KDF */
	struct secret raw;  /* for PBKDF1/2 */
};

struct p12_password {
	struct p12_spelling v[P12_SPELLINGS_MAX];
	size_t n;                /* 0: cannot happen after p12_password_init */
	size_t first;            /* the one to try first: what the MAC was right with */
	struct p12_ahead *ahead; /* borrowed; NULL: nothing is derived from it in advance */
};

/* NULL is read as an empty password: there are files made without one. */
enum err_code p12_password_init(struct p12_password *p, const struct secret *password,
                                struct err *err);
void p12_password_release(struct p12_password *p);

enum p12_scheme { P12_PBES2, P12_PKCS12_PBE, P12_MD5_DES };

struct p12_cipher;

struct p12_alg {
	enum p12_scheme scheme;
	const struct p12_cipher *cipher;
	const struct nettle_hash *prf; /* PBES2 only */
	struct bytes salt, iv;         /* borrowed */
	uint64_t iterations;
	uint8_t fresh[64]; /* storage of salt and iv made by p12_alg_fresh() */
};

/* One key that another thread derives from a password's first spelling. */
struct p12_ahead {
	pthread_t thread;
	bool running; /* and all below is the thread's */
	struct p12_alg alg;
	const struct p12_spelling *password;
	uint8_t key[P12_KEY_MAX];
};
/* Begins where it is worth it, and tells the password; what `alg` borrows and `pw` stay until the
 * release. */
void p12_ahead_start(struct p12_ahead *a, const struct p12_alg *alg, struct p12_password *pw);
/* Waits for the key, once. False: it is not this one that was begun. `a` may be NULL. */
bool p12_ahead_take(struct p12_ahead *a, const struct p12_alg *alg, const struct p12_spelling *pw,
                    uint8_t *key);
void p12_ahead_release(struct p12_ahead *a);

/* Words for p12_alg_make(). */
enum p12_suite { P12_AES256, P12_3DES, P12_RC2_40 };

/* From an AlgorithmIdentifier (whole). ERR_INVALID names what is not supported. */
enum err_code p12_alg_parse(struct bytes whole, struct p12_alg *ret, struct err *err);
struct p12_alg p12_alg_make(enum p12_suite suite);
/* The same algorithm and iterations with new salt and IV inside *ret. */
void p12_alg_fresh(const struct p12_alg *like, struct p12_alg *ret);
/* Prepends the AlgorithmIdentifier. */
void p12_alg_write(const struct p12_alg *alg, struct der_writer *w);
bool p12_alg_is(const struct p12_alg *alg, enum p12_suite suite);
bool p12_alg_is_weak(const struct p12_alg *alg);
/* May we write it again? Not what is broken beyond what a profile asks for. */
bool p12_alg_is_writable(const struct p12_alg *alg);

/* Ciphertext that was decrypted where it lies, and what it takes to get it back. */
struct p12_opened {
	uint8_t *p;
	size_t n;
	const struct p12_cipher *cipher;
	struct secret key; /* and the IV behind it */
};
void p12_opened_release(struct p12_opened *o);
/* Decrypt o->p with each spelling until the result is one SEQUENCE (*ret_n octets and padding).
 * ERR_DENIED: none fits, and the ciphertext is as it was. */
enum err_code p12_open(const struct p12_alg *alg, const struct p12_password *pw,
                       struct p12_opened *o, uint64_t *work, size_t *ret_n, struct err *err);
/* The ciphertext again, bit for bit, in a copy of what lies there now. */
void p12_opened_close(const struct p12_opened *o, uint8_t *copy);
/* Decrypt with each spelling until the result is one SEQUENCE. ERR_DENIED: none fits. `work` is
 * what is left of p12_limits.work. */
enum err_code p12_decrypt(const struct p12_alg *alg, const struct p12_password *pw,
                          struct bytes data, uint64_t *work, struct secret *ret, struct err *err);
/* Encrypt with the first spelling, in place: a store of ten thousand certificates is not held
 * twice. What fails leaves `io` to be released. */
enum err_code p12_encrypt(const struct p12_alg *alg, const struct p12_password *pw, struct buf *io,
                          struct err *err);

/* RFC 7292 appendix B. false: out of memory. */
struct p12_derivation {
	const struct nettle_hash *hash;
	uint8_t id; /* 1 key, 2 IV, 3 MAC */
	struct bytes wide, salt;
	uint64_t iterations;
};
bool p12_kdf(const struct p12_derivation *d, uint8_t *out, size_t n);
void p12_pbkdf2(const struct nettle_hash *prf, struct bytes raw, struct bytes salt,
                uint64_t iterations, uint8_t *out, size_t n);
/* PBKDF2-params (whole). *ret_key_length 0 when absent. */
enum err_code p12_pbkdf2_parse(struct der *d, struct p12_alg *ret, uint64_t *ret_key_length,
                               struct err *err);
void p12_pbkdf2_write(const struct nettle_hash *prf, struct bytes salt, uint64_t iterations,
                      size_t key_length, struct der_writer *w);
/* Is there room for this derivation? Takes it from *work. ERR_INVALID: the file asks for too much.
 */
enum err_code p12_spend(uint64_t *work, uint64_t iterations, uint64_t blocks, struct err *err);

/* The hash behind a digest OID or an hmacWith OID; NULL: not known. */
const struct nettle_hash *p12_hash_by_digest_oid(struct bytes oid);
const struct nettle_hash *p12_hash_by_hmac_oid(struct bytes oid);
const char *p12_digest_oid(const struct nettle_hash *hash);
const char *p12_hmac_oid(const struct nettle_hash *hash);

struct p12_hmac {
	const struct nettle_hash *hash;
	union p12_hash_state {
		uint64_t align;
		uint8_t octets[320]; /* SHA-3 is the largest */
	} outer, inner, state;
};
void p12_hmac_set_key(struct p12_hmac *h, const struct nettle_hash *hash, struct bytes key);
void p12_hmac_update(void *h, size_t n, const uint8_t *p);
void p12_hmac_digest(void *h, size_t n, uint8_t *out);
