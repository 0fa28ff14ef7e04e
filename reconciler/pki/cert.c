/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cert.c - reading a certificate.
 *
 * One walk over the DER, no GnuTLS object: a fleet is parsed on every pass. What the structure
 * needs to be a certificate at all is demanded; everything inside is taken as found.
 */
#include "reconciler/pki/cert.h"

#include <assert.h>
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/when.h"
#include "reconciler/pki/alg.h"
#include "reconciler/pki/cert_ext.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/dn.h"

#define CERT_EXTENSIONS_MAX 512

static enum err_code not_a_cert(struct err *err, const char *where)
{
	return err_set(err, ERR_INVALID, "not an X.509 certificate: bad %s", where);
}

static bool lenient_digits(struct bytes *v, size_t n, int *ret)
{
	int value = 0;

	if (v->n < n) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (v->p[i] < '0' || v->p[i] > '9') {
			return false;
		}
		value = value * 10 + (v->p[i] - '0');
	}
	*v = bytes_of(v->p + n, v->n - n);
	*ret = value;
	return true;
}

/* "Z", nothing, "+0100" or "-0100": seconds to subtract. */
static bool lenient_zone(struct bytes v, int64_t *ret)
{
	int hours;
	int minutes;

	if (v.n == 0 || (v.n == 1 && v.p[0] == 'Z')) {
		*ret = 0;
		return true;
	}
	bool west = v.p[0] == '-';
	if ((v.p[0] != '+' && v.p[0] != '-') || v.n != 5) {
		return false;
	}
	v = bytes_of(v.p + 1, v.n - 1);
	if (!lenient_digits(&v, 2, &hours) || !lenient_digits(&v, 2, &minutes)) {
		return false;
	}
	*ret = (west ? -1 : 1) * (int64_t)(hours * 3600 + minutes * 60);
	return true;
}

/* Times as old appliances write them: no seconds, fractions, offsets (X.680 allows, RFC 5280 not).
 */
static bool lenient_time(struct der *d, struct wall *ret)
{
	int tag;
	struct bytes v;
	struct civil c = { 0 };
	int64_t zone;

	if (!der_get_any(d, &tag, &v, /* ret_whole= */ NULL) ||
	    (tag != DER_UTC_TIME && tag != DER_GENERALIZED_TIME) ||
	    !lenient_digits(&v, tag == DER_UTC_TIME ? 2 : 4, &c.year) ||
	    !lenient_digits(&v, 2, &c.month) || !lenient_digits(&v, 2, &c.day) ||
	    !lenient_digits(&v, 2, &c.hour) || !lenient_digits(&v, 2, &c.minute)) {
		return false;
	}
	if (tag == DER_UTC_TIME) {
		c.year += c.year >= 50 ? 1900 : 2000;
	}
	(void)lenient_digits(&v, 2, &c.second);
	if (v.n > 0 && (v.p[0] == '.' || v.p[0] == ',')) {
		size_t skip = 1;
		while (skip < v.n && v.p[skip] >= '0' && v.p[skip] <= '9') {
			skip++;
		}
		v = bytes_of(v.p + skip, v.n - skip);
	}
	if (!lenient_zone(v, &zone) || c.month < 1 || c.month > 12 || c.day < 1 || c.day > 31 ||
	    c.hour > 24 || c.minute > 59 || c.second > 60) {
		return false;
	}
	*ret = (struct wall){ when_from_civil(&c).s - zone };
	return true;
}

static bool read_validity(struct der *tbs, struct cert *c)
{
	struct der v;

	return der_enter(tbs, DER_SEQUENCE, &v) &&
	       (der_get_time(&v, &c->not_before) || lenient_time(&v, &c->not_before)) &&
	       (der_get_time(&v, &c->not_after) || lenient_time(&v, &c->not_after));
}

static const char *alg_oid_text(struct bytes oid, struct arena *arena)
{
	char text[ALG_OID_TEXT];

	return arena_str(arena, der_oid_text(oid, text, sizeof(text)) ? text : "unknown");
}

static bool read_signature_alg(struct bytes alg, struct cert *c, struct arena *arena)
{
	struct der d = der_of(alg);
	struct der inner;
	struct bytes oid;

	if (!der_enter(&d, DER_SEQUENCE, &inner) || !der_get(&inner, DER_OID, &oid)) {
		return false;
	}
	c->signature_algorithm = signature_alg_name(oid);
	if (c->signature_algorithm == NULL) {
		c->signature_algorithm = alg_oid_text(oid, arena);
	}
	return true;
}

static bool read_spki(struct cert *c, struct arena *arena)
{
	struct spki_facts f;

	if (!spki_read(c->spki, &f)) {
		return false;
	}
	c->key_algorithm = f.name != NULL ? f.name : alg_oid_text(f.alg_oid, arena);
	c->key_bits = f.bits;
	return true;
}

/* Take the next element with this tag, header included. */
static bool get_whole(struct der *d, int tag, struct bytes *ret)
{
	if (der_peek(d) != tag) {
		return false;
	}
	return der_get_any(d, /* ret_tag= */ NULL, /* ret_content= */ NULL, ret);
}

static bool read_version(struct der *tbs)
{
	struct der version;

	if (der_peek(tbs) != DER_CONTEXT_CONSTRUCTED(0)) {
		return true;
	}
	return der_enter(tbs, DER_CONTEXT_CONSTRUCTED(0), &version);
}

static bool read_extensions(struct der *tbs, struct cert *c, struct arena *arena)
{
	struct der wrapper;
	struct der list;

	(void)der_get(tbs, DER_CONTEXT(1), &(struct bytes){ 0 });
	(void)der_get(tbs, DER_CONTEXT(2), &(struct bytes){ 0 });
	if (der_at_end(tbs)) {
		return true;
	}
	if (!der_enter(tbs, DER_CONTEXT_CONSTRUCTED(3), &wrapper) ||
	    !der_enter(&wrapper, DER_SEQUENCE, &list)) {
		return false;
	}
	size_t n = 0;
	for (struct der count = list; !der_at_end(&count); n++) {
		if (n == CERT_EXTENSIONS_MAX ||
		    !der_get(&count, DER_SEQUENCE, &(struct bytes){ 0 })) {
			return false;
		}
	}
	struct extension *v = ARENA_ARRAY(arena, struct extension, n);
	for (size_t i = 0; i < n && v != NULL; i++) {
		if (!cert_ext_read(&list, &v[i], c, arena)) {
			return false;
		}
	}
	c->extensions = v;
	c->n_extensions = n;
	return true;
}

static void read_names(struct cert *c, struct arena *arena)
{
	struct buf text;
	struct dn_iter it = dn_iter_of(c->subject_der);

	c->self_issued = bytes_equal(c->subject_der, c->issuer_der);
	buf_init(&text, (c->subject_der.n + c->issuer_der.n) * 8 + 4096);
	dn_text(c->subject_der, &text);
	c->subject = arena_strn(arena, buf_str(&text), text.len);
	c->issuer = c->subject;
	if (!c->self_issued) {
		buf_reset(&text);
		dn_text(c->issuer_der, &text);
		c->issuer = arena_strn(arena, buf_str(&text), text.len);
	}
	c->common_name = "";
	while (dn_next(&it)) {
		if (bytes_equal(it.attr.oid, bytes_of("\x55\x04\x03", 3))) {
			buf_reset(&text);
			dn_value_text(&it.attr, &text);
			c->common_name = arena_strn(arena, buf_str(&text), text.len);
			break;
		}
	}
	buf_release(&text);
}

static enum err_code read_tbs(struct cert *c, struct arena *arena, struct err *err)
{
	struct der whole = der_of(c->tbs);
	struct der tbs;

	if (!der_enter(&whole, DER_SEQUENCE, &tbs) || !read_version(&tbs) ||
	    !der_get(&tbs, DER_INTEGER, &c->serial) ||
	    !der_get(&tbs, DER_SEQUENCE, &(struct bytes){ 0 })) {
		return not_a_cert(err, "version, serial or algorithm");
	}
	if (!get_whole(&tbs, DER_SEQUENCE, &c->issuer_der) || !read_validity(&tbs, c) ||
	    !get_whole(&tbs, DER_SEQUENCE, &c->subject_der)) {
		return not_a_cert(err, "names or validity");
	}
	if (!get_whole(&tbs, DER_SEQUENCE, &c->spki) || !read_spki(c, arena)) {
		return not_a_cert(err, "public key");
	}
	if (!read_extensions(&tbs, c, arena)) {
		return not_a_cert(err, "extensions");
	}
	return ERR_OK;
}

/* A fleet shows the same few roots again and again; checking a signature costs as much as
 * reading ten certificates. The verdict is a function of the bytes, so a thread may remember it. */
static bool self_signature(const struct cert *c)
{
	static _Thread_local struct {
		uint8_t sha256[SHA256_BYTES];
		bool known, valid;
	} memo[64];
	size_t slot = c->sha256[0] % ARRAY_LEN(memo);

	if (!memo[slot].known || memcmp(memo[slot].sha256, c->sha256, SHA256_BYTES) != 0) {
		memcpy(memo[slot].sha256, c->sha256, SHA256_BYTES);
		memo[slot].valid = signature_valid(c->spki, c->signature_alg, c->tbs, c->signature);
		memo[slot].known = true;
	}
	return memo[slot].valid;
}

/* What is signed, how, and the signature. */
static bool read_parts(struct cert *c)
{
	struct der d = der_of(c->der);
	struct der outer;

	if (!der_enter(&d, DER_SEQUENCE, &outer) || !get_whole(&outer, DER_SEQUENCE, &c->tbs) ||
	    !get_whole(&outer, DER_SEQUENCE, &c->signature_alg) ||
	    !der_get(&outer, DER_BIT_STRING, &c->signature) || c->signature.n == 0) {
		return false;
	}
	c->signature = bytes_of(c->signature.p + 1, c->signature.n - 1);
	return true;
}

bool cert_self_signed(const struct cert *c)
{
	return c->self_issued && self_signature(c);
}

bool cert_der_self_signed(struct bytes der, const uint8_t sha256[SHA256_BYTES])
{
	struct cert c = { .der = der };
	struct der d;
	struct der tbs;

	if (!read_parts(&c)) {
		return false;
	}
	memcpy(c.sha256, sha256, SHA256_BYTES);
	d = der_of(c.tbs);
	return der_enter(&d, DER_SEQUENCE, &tbs) && read_version(&tbs) &&
	       der_get(&tbs, DER_INTEGER, &c.serial) &&
	       der_get(&tbs, DER_SEQUENCE, &(struct bytes){ 0 }) &&
	       get_whole(&tbs, DER_SEQUENCE, &c.issuer_der) && read_validity(&tbs, &c) &&
	       get_whole(&tbs, DER_SEQUENCE, &c.subject_der) &&
	       get_whole(&tbs, DER_SEQUENCE, &c.spki) && bytes_equal(c.subject_der, c.issuer_der) &&
	       self_signature(&c);
}

static void take_digest(const uint8_t *known, struct bytes of, uint8_t ret[SHA256_BYTES])
{
	if (known != NULL) {
		memcpy(ret, known, SHA256_BYTES);
	} else {
		pki_sha256(of.p, of.n, ret);
	}
}

enum err_code cert_parse_hashed(struct bytes der, struct cert_digests known, struct arena *arena,
                                const struct cert **ret, struct err *err)
{
	struct der d = der_of(der);
	struct bytes whole;

	if (der_peek(&d) != DER_SEQUENCE ||
	    !der_get_any(&d, /* ret_tag= */ NULL, /* ret_content= */ NULL, &whole) ||
	    !der_at_end(&d)) {
		return not_a_cert(err, "outer SEQUENCE");
	}
	struct cert *c = ARENA_NEW(arena, struct cert);
	whole = arena_bytes(arena, whole);
	if (c == NULL || whole.p == NULL) {
		return err_nomem(err);
	}
	*c = (struct cert){ .der = whole, .path_len = -1 };
	take_digest(known.sha256, whole, c->sha256);
	if (!read_parts(c) || !read_signature_alg(c->signature_alg, c, arena)) {
		return not_a_cert(err, "signature");
	}
	enum err_code rc = read_tbs(c, arena, err);
	if (rc != ERR_OK) {
		return rc;
	}
	take_digest(known.spki_sha256, c->spki, c->spki_sha256);
	read_names(c, arena);
	if (arena_failed(arena)) {
		return err_nomem(err);
	}
	*ret = c;
	return ERR_OK;
}

enum err_code cert_parse(struct bytes der, struct arena *arena, const struct cert **ret,
                         struct err *err)
{
	return cert_parse_hashed(der, (struct cert_digests){ NULL, NULL }, arena, ret, err);
}

bool cert_issued_by(const struct cert *c, const struct cert *issuer)
{
	return dn_same(c->issuer_der, issuer->subject_der) &&
	       signature_valid(issuer->spki, c->signature_alg, c->tbs, c->signature);
}
