/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * alg.c - algorithm identifiers, public keys seen from outside, and checking signatures.
 *
 * Key facts are read from DER without a GnuTLS object: they are asked for every certificate of a
 * fleet, a signature is checked for few.
 */
#include "reconciler/pki/alg.h"

#include <assert.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <string.h>

#include "reconciler/base/attr.h"

#define OCTETS(...)                                                                                \
	{                                                                                          \
		(const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ })         \
	}
#define PKCS1(n)     OCTETS(0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, (n))
#define ECDSA_SHA(n) OCTETS(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, (n))

static const struct {
	struct bytes oid;
	const char *name;
} signature_names[] = {
	{ PKCS1(11), "SHA256-RSA" },
	{ ECDSA_SHA(2), "ECDSA-SHA256" },
	{ ECDSA_SHA(3), "ECDSA-SHA384" },
	{ PKCS1(12), "SHA384-RSA" },
	{ PKCS1(13), "SHA512-RSA" },
	{ ECDSA_SHA(4), "ECDSA-SHA512" },
	{ OCTETS(0x2b, 0x65, 0x70), "Ed25519" },
	{ OCTETS(0x2b, 0x65, 0x71), "Ed448" },
	{ PKCS1(10), "RSA-PSS" },
	{ PKCS1(5), "SHA1-RSA" },
	{ PKCS1(4), "MD5-RSA" },
	{ PKCS1(14), "SHA224-RSA" },
	{ ECDSA_SHA(1), "ECDSA-SHA224" },
	{ OCTETS(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01), "ECDSA-SHA1" },
	{ OCTETS(0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x03), "DSA-SHA1" },
	{ OCTETS(0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, 0x02), "DSA-SHA256" },
};

enum key_kind { KIND_RSA, KIND_EC, KIND_DSA, KIND_EDWARDS };
static const struct {
	struct bytes oid;
	const char *name;
	enum key_kind kind;
	unsigned bits; /* fixed by the algorithm */
} key_kinds[] = {
	{ PKCS1(1), "RSA", KIND_RSA, 0 },
	{ OCTETS(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01), "ECDSA", KIND_EC, 0 },
	{ OCTETS(0x2b, 0x65, 0x70), "Ed25519", KIND_EDWARDS, 256 },
	{ OCTETS(0x2b, 0x65, 0x71), "Ed448", KIND_EDWARDS, 456 },
	{ PKCS1(10), "RSA", KIND_RSA, 0 },
	{ OCTETS(0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01), "DSA", KIND_DSA, 0 },
};

static const struct {
	struct bytes oid;
	unsigned bits;
} curves[] = {
	{ OCTETS(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07), 256 },
	{ OCTETS(0x2b, 0x81, 0x04, 0x00, 0x22), 384 },
	{ OCTETS(0x2b, 0x81, 0x04, 0x00, 0x23), 521 },
};

const char *signature_alg_name(struct bytes oid)
{
	for (size_t i = 0; i < ARRAY_LEN(signature_names); i++) {
		if (bytes_equal(signature_names[i].oid, oid)) {
			return signature_names[i].name;
		}
	}
	return NULL;
}

/* Bits of an INTEGER's contents; a sign octet does not count. */
static unsigned integer_bits(struct bytes v)
{
	while (v.n > 0 && v.p[0] == 0) {
		v = bytes_of(v.p + 1, v.n - 1);
	}
	if (v.n == 0 || v.n > 1 << 16) {
		return 0;
	}
	unsigned bits = (unsigned)v.n * 8;
	for (unsigned top = v.p[0]; (top & 0x80) == 0; top <<= 1) {
		bits--;
	}
	return bits;
}

/* First INTEGER of a SEQUENCE: RSA's modulus in a key, DSA's p in parameters. */
static unsigned first_integer_bits(struct bytes sequence)
{
	struct der outer = der_of(sequence);
	struct der inner;
	struct bytes v;

	if (!der_enter(&outer, DER_SEQUENCE, &inner) || !der_get(&inner, DER_INTEGER, &v)) {
		return 0;
	}
	return integer_bits(v);
}

static void ec_facts(struct spki_facts *f)
{
	struct der d = der_of(f->params);
	struct bytes curve;

	if (der_get(&d, DER_OID, &curve)) {
		for (size_t i = 0; i < ARRAY_LEN(curves); i++) {
			if (bytes_equal(curves[i].oid, curve)) {
				f->bits = curves[i].bits;
				f->supported = true;
				f->spec = (struct key_spec){ KEY_ECDSA, f->bits };
				return;
			}
		}
	}
	/* Another curve: the point tells its size. */
	if (f->key.n > 1 && f->key.n < 1 << 10) {
		size_t octets = f->key.n - 1;
		f->bits = (unsigned)(f->key.p[0] == 0x04 ? octets / 2 * 8 : octets * 8);
	}
}

static void key_facts(struct spki_facts *f, enum key_kind kind, unsigned bits)
{
	f->bits = bits;
	switch (kind) {
	case KIND_RSA:
		f->bits = first_integer_bits(f->key);
		f->supported = f->bits > 0;
		f->spec = (struct key_spec){ KEY_RSA, f->bits };
		return;
	case KIND_EC:
		ec_facts(f);
		return;
	case KIND_DSA:
		f->bits = first_integer_bits(f->params);
		return;
	case KIND_EDWARDS:
		f->supported = bits == 256 && f->key.n == 32;
		f->spec = (struct key_spec){ KEY_ED25519, 0 };
		return;
	default:
		return;
	}
}

bool spki_read(struct bytes spki, struct spki_facts *ret)
{
	struct spki_facts f = { 0 };
	struct der d = der_of(spki);
	struct der outer;
	struct der alg;

	if (!der_enter(&d, DER_SEQUENCE, &outer) || !der_enter(&outer, DER_SEQUENCE, &alg) ||
	    !der_get(&alg, DER_OID, &f.alg_oid) || !der_get(&outer, DER_BIT_STRING, &f.key) ||
	    f.key.n == 0) {
		return false;
	}
	f.key = bytes_of(f.key.p + 1, f.key.n - 1);
	(void)der_get_any(&alg, /* ret_tag= */ NULL, /* ret_content= */ NULL, &f.params);
	for (size_t i = 0; i < ARRAY_LEN(key_kinds); i++) {
		if (bytes_equal(key_kinds[i].oid, f.alg_oid)) {
			f.name = key_kinds[i].name;
			key_facts(&f, key_kinds[i].kind, key_kinds[i].bits);
			break;
		}
	}
	*ret = f;
	return true;
}

/* RSASSA-PSS-params: the hash decides; other parameters follow it in every real certificate. */
static gnutls_sign_algorithm_t pss_algorithm(struct der *params)
{
	struct der seq;
	struct der field;
	struct der alg;
	struct bytes oid;

	if (der_enter(params, DER_SEQUENCE, &seq) &&
	    der_enter(&seq, DER_CONTEXT_CONSTRUCTED(0), &field) &&
	    der_enter(&field, DER_SEQUENCE, &alg) && der_get(&alg, DER_OID, &oid)) {
		if (der_oid_is(oid, "2.16.840.1.101.3.4.2.1")) {
			return GNUTLS_SIGN_RSA_PSS_SHA256;
		}
		if (der_oid_is(oid, "2.16.840.1.101.3.4.2.2")) {
			return GNUTLS_SIGN_RSA_PSS_SHA384;
		}
		if (der_oid_is(oid, "2.16.840.1.101.3.4.2.3")) {
			return GNUTLS_SIGN_RSA_PSS_SHA512;
		}
	}
	return GNUTLS_SIGN_UNKNOWN;
}

static gnutls_sign_algorithm_t signature_algorithm_of(struct bytes alg_whole)
{
	struct der d = der_of(alg_whole);
	struct der alg;
	struct bytes oid;
	char text[ALG_OID_TEXT];

	if (!der_enter(&d, DER_SEQUENCE, &alg) || !der_get(&alg, DER_OID, &oid) ||
	    !der_oid_text(oid, text, sizeof(text))) {
		return GNUTLS_SIGN_UNKNOWN;
	}
	if (strcmp(text, "1.2.840.113549.1.1.10") == 0) {
		return pss_algorithm(&alg);
	}
	return gnutls_oid_to_sign(text);
}

static gnutls_datum_t datum(struct bytes v)
{
	/* GnuTLS takes its inputs without const and leaves them alone. */
	return (gnutls_datum_t){ .data = (unsigned char *)(uintptr_t)v.p, .size = (unsigned)v.n };
}

bool signature_valid(struct bytes spki, struct bytes alg, struct bytes data, struct bytes signature)
{
	gnutls_sign_algorithm_t algorithm = signature_algorithm_of(alg);
	gnutls_datum_t key_data = datum(spki);
	gnutls_datum_t tbs = datum(data);
	gnutls_datum_t sig = datum(signature);
	gnutls_pubkey_t key;

	if (algorithm == GNUTLS_SIGN_UNKNOWN || gnutls_pubkey_init(&key) < 0) {
		return false;
	}
	bool ok = gnutls_pubkey_import(key, &key_data, GNUTLS_X509_FMT_DER) >= 0 &&
	          gnutls_pubkey_verify_data2(key, algorithm, GNUTLS_VERIFY_ALLOW_BROKEN, &tbs,
	                                     &sig) >= 0;
	gnutls_pubkey_deinit(key);
	return ok;
}

static const struct {
	enum signature_algorithm sig;
	enum key_algorithm key;
	const char *oid;
	gnutls_sign_algorithm_t gnutls;
} signatures[] = {
	{ SIG_SHA256_RSA, KEY_RSA, "1.2.840.113549.1.1.11", GNUTLS_SIGN_RSA_SHA256 },
	{ SIG_SHA384_RSA, KEY_RSA, "1.2.840.113549.1.1.12", GNUTLS_SIGN_RSA_SHA384 },
	{ SIG_SHA512_RSA, KEY_RSA, "1.2.840.113549.1.1.13", GNUTLS_SIGN_RSA_SHA512 },
	{ SIG_ECDSA_SHA256, KEY_ECDSA, "1.2.840.10045.4.3.2", GNUTLS_SIGN_ECDSA_SHA256 },
	{ SIG_ECDSA_SHA384, KEY_ECDSA, "1.2.840.10045.4.3.3", GNUTLS_SIGN_ECDSA_SHA384 },
	{ SIG_ECDSA_SHA512, KEY_ECDSA, "1.2.840.10045.4.3.4", GNUTLS_SIGN_ECDSA_SHA512 },
	{ SIG_ED25519, KEY_ED25519, OID_ED25519, GNUTLS_SIGN_EDDSA_ED25519 },
};

bool signature_resolve(const struct key_spec *key, enum signature_algorithm sig,
                       enum signature_algorithm *ret)
{
	if (sig == SIG_DEFAULT) {
		*ret = key->algorithm == KEY_RSA       ? SIG_SHA256_RSA
		       : key->algorithm == KEY_ED25519 ? SIG_ED25519
		       : key->bits <= 256              ? SIG_ECDSA_SHA256
		       : key->bits <= 384              ? SIG_ECDSA_SHA384
		                                       : SIG_ECDSA_SHA512;
		return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(signatures); i++) {
		if (signatures[i].sig == sig && signatures[i].key == key->algorithm) {
			*ret = sig;
			return true;
		}
	}
	return false;
}

void signature_put_alg(struct der_writer *w, enum signature_algorithm sig)
{
	size_t mark = der_mark(w);

	for (size_t i = 0; i < ARRAY_LEN(signatures); i++) {
		if (signatures[i].sig == sig) {
			if (signatures[i].key == KEY_RSA) {
				der_put_null(
					w); /* RFC 4055: present for RSA, absent for the rest */
			}
			der_put_oid(w, signatures[i].oid);
			der_wrap(w, DER_SEQUENCE, mark);
			return;
		}
	}
	w->failed = true;
}

int signature_gnutls(enum signature_algorithm sig)
{
	for (size_t i = 0; i < ARRAY_LEN(signatures); i++) {
		if (signatures[i].sig == sig) {
			return (int)signatures[i].gnutls;
		}
	}
	return GNUTLS_SIGN_UNKNOWN;
}
