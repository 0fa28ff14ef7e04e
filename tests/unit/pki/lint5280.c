/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lint5280.c - the rules of RFC 5280 as checks of our own.
 *
 * Written from the RFC, not from sign.c: it walks the encoding itself and recomputes what it
 * compares. Section numbers stand with the findings.
 */
#include "tests/unit/pki/lint5280.h"

#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/when.h"
#include "reconciler/pki/alg.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/dn.h"
#include "reconciler/pki/sign.h"

#define LINT_DEPTH_MAX 32

static void finding(struct buf *out, const char *section, const char *what)
{
	buf_printf(out, "RFC 5280 %s: %s\n", section, what);
}

static void expect(struct buf *out, bool good, const char *section, const char *what)
{
	if (!good) {
		finding(out, section, what);
	}
}

/* X.690: definite minimal lengths everywhere (the reader refuses others), minimal INTEGERs,
 * BOOLEANs of 00 or FF. */
static void lint_der(struct der d, int depth, struct buf *out)
{
	int tag;
	struct bytes v;

	while (!der_at_end(&d)) {
		if (depth > LINT_DEPTH_MAX || !der_get_any(&d, &tag, &v, /* ret_whole= */ NULL)) {
			finding(out, "4.1", "not DER");
			return;
		}
		if (tag == DER_INTEGER || tag == DER_ENUMERATED) {
			bool padded = v.n > 1 && ((v.p[0] == 0x00 && (v.p[1] & 0x80) == 0) ||
			                          (v.p[0] == 0xff && (v.p[1] & 0x80) != 0));
			expect(out, v.n > 0 && !padded, "4.1", "INTEGER is not minimal");
		}
		if (tag == DER_BOOLEAN) {
			expect(out, v.n == 1 && (v.p[0] == 0 || v.p[0] == 0xff), "4.1",
			       "BOOLEAN is neither 00 nor FF");
		}
		if ((tag & 0x20) != 0) {
			lint_der(der_of(v), depth + 1, out);
		}
	}
}

static bool take(struct der *d, int tag, struct bytes *ret_whole)
{
	return der_peek(d) == tag &&
	       der_get_any(d, /* ret_tag= */ NULL, /* ret_content= */ NULL, ret_whole);
}

static void lint_algorithm(struct bytes inner, struct bytes outer, struct buf *out)
{
	struct der d = der_of(outer);
	struct der alg;
	struct bytes oid = { 0 };

	expect(out, bytes_equal(inner, outer), "4.1.1.2",
	       "signature algorithm differs inside and outside");
	(void)(der_enter(&d, DER_SEQUENCE, &alg) && der_get(&alg, DER_OID, &oid));
	const char *name = signature_alg_name(oid);
	if (name == NULL) {
		finding(out, "4.1.1.2", "unknown signature algorithm");
		return;
	}
	bool rsa = strstr(name, "RSA") != NULL;
	expect(out, rsa ? der_peek(&alg) == DER_NULL : der_at_end(&alg), "4.1.1.2",
	       "algorithm parameters: NULL for RSA, absent for the rest");
}

static void lint_time(struct der *d, const char *section, struct buf *out)
{
	int tag = der_peek(d);
	struct wall t;

	if (!der_get_time(d, &t)) {
		finding(out, section, "time is not in the form of 4.1.2.5.1 or .2");
		return;
	}
	int year = when_civil(t).year;
	expect(out, tag == (year < 2050 ? DER_UTC_TIME : DER_GENERALIZED_TIME), section,
	       "UTCTime to 2049, GeneralizedTime from 2050");
}

static void lint_serial(struct bytes v, struct buf *out)
{
	bool zero = v.n == 1 && v.p[0] == 0;

	expect(out, v.n > 0 && (v.p[0] & 0x80) == 0 && !zero, "4.1.2.2", "serial is not positive");
	expect(out, v.n <= 20, "4.1.2.2", "serial is longer than 20 octets");
}

static void lint_name(struct bytes dn, struct buf *out)
{
	struct dn_iter it = dn_iter_of(dn);

	while (dn_next(&it)) {
		const char *name = dn_attr_name(it.attr.oid);
		bool printable = name != NULL &&
		                 (strcmp(name, "C") == 0 || strcmp(name, "serialNumber") == 0 ||
		                  strcmp(name, "dnQualifier") == 0);
		bool ia5 = name != NULL &&
		           (strcmp(name, "DC") == 0 || strcmp(name, "emailAddress") == 0);
		int want = printable ? DER_PRINTABLE : ia5 ? DER_IA5 : DER_UTF8;
		expect(out, it.attr.tag == want, "4.1.2.4/A.1",
		       "attribute has another string type");
		expect(out, it.attr.value.n > 0, "A.1", "attribute is empty");
		if (name != NULL && strcmp(name, "C") == 0) {
			expect(out, it.attr.value.n == 2, "A.1", "countryName is not two letters");
		}
		if (name != NULL && strcmp(name, "CN") == 0) {
			expect(out, it.attr.value.n <= 64 * 4, "A.1", "commonName is too long");
		}
	}
}

static const struct extension *find(const struct cert *c, const char *oid)
{
	for (size_t i = 0; i < c->n_extensions; i++) {
		if (strcmp(c->extensions[i].oid, oid) == 0) {
			return &c->extensions[i];
		}
	}
	return NULL;
}

/* Every Extension as encoded: no default written, no OID twice. */
static void lint_extension_list(struct der list, const char *section, struct buf *out)
{
	struct bytes seen[64];
	size_t n = 0;
	struct der e;

	expect(out, !der_at_end(&list), section, "extension list is empty");
	while (der_enter(&list, DER_SEQUENCE, &e) && n < ARRAY_LEN(seen)) {
		bool critical = true;
		if (!der_get(&e, DER_OID, &seen[n])) {
			finding(out, section, "extension without OID");
			return;
		}
		if (der_peek(&e) == DER_BOOLEAN) {
			expect(out, der_get_bool(&e, &critical) && critical, section,
			       "critical FALSE is written out");
		}
		struct bytes value = { 0 };
		expect(out, der_get(&e, DER_OCTET_STRING, &value) && der_at_end(&e), section,
		       "extension is malformed");
		lint_der(der_of(value), 0, out);
		for (size_t i = 0; i < n; i++) {
			expect(out, !bytes_equal(seen[i], seen[n]), section, "extension twice");
		}
		n++;
	}
	expect(out, der_at_end(&list), section, "extension list is malformed");
}

static void lint_key_usage(const struct cert *c, struct buf *out)
{
	const struct extension *e = find(c, OID_EXT_KU);
	bool rsa = strcmp(c->key_algorithm, "RSA") == 0;

	if (e == NULL) {
		finding(out, "4.2.1.3", "no keyUsage");
		return;
	}
	struct der d = der_of(e->der);
	struct bytes bits = { 0 };
	(void)der_get(&d, DER_BIT_STRING, &bits);
	expect(out, e->critical, "4.2.1.3", "keyUsage is not critical");
	bool minimal = bits.n >= 2 && bits.p[0] < 8 && bits.p[bits.n - 1] != 0 &&
	               (bits.p[bits.n - 1] & ((1u << bits.p[0]) - 1)) == 0 &&
	               (bits.p[bits.n - 1] & (1u << bits.p[0])) != 0;
	expect(out, minimal, "4.2.1.3", "keyUsage bits are not minimal");
	expect(out, ((c->key_usage & KU_CERT_SIGN) != 0) == c->is_ca, "4.2.1.3",
	       "keyCertSign and cA disagree");
	expect(out, rsa || (c->key_usage & (KU_KEY_ENCIPHERMENT | KU_DATA_ENCIPHERMENT)) == 0,
	       "4.2.1.3", "encipherment with a key that cannot (RFC 8813, 8410)");
}

static void lint_constraints(const struct cert *c, struct buf *out)
{
	const struct extension *bc = find(c, OID_EXT_BC);
	const struct extension *nc = find(c, OID_EXT_NC);

	expect(out, bc != NULL && bc->critical, "4.2.1.9",
	       "basicConstraints missing or not critical");
	expect(out, c->path_len < 0 || c->is_ca, "4.2.1.9", "pathLenConstraint without cA");
	if (nc != NULL) {
		expect(out, c->is_ca, "4.2.1.10", "nameConstraints in a leaf");
		expect(out, nc->critical, "4.2.1.10", "nameConstraints is not critical");
		expect(out, nc->der.n > 2, "4.2.1.10", "nameConstraints is empty");
	}
}

static void lint_names(const struct cert *c, struct buf *out)
{
	const struct extension *san = find(c, OID_EXT_SAN);
	bool no_subject = dn_empty(c->subject_der);

	expect(out, !dn_empty(c->issuer_der), "4.1.2.4", "issuer is empty");
	expect(out, !no_subject || !c->is_ca, "4.1.2.6", "CA with an empty subject");
	expect(out, !no_subject || san != NULL, "4.1.2.6", "neither subject nor SAN");
	if (san != NULL) {
		expect(out, san->critical == no_subject, "4.2.1.6",
		       "SAN is critical exactly when the subject is empty");
		expect(out, san->der.n > 2, "4.2.1.6", "SAN is empty");
	}
	for (size_t i = 0; i < c->dns_names.n; i++) {
		expect(out,
		       strpbrk(c->dns_names.v[i], " \\") == NULL && c->dns_names.v[i][0] != '\0',
		       "4.2.1.6", "dNSName is no name");
	}
}

static void lint_key_ids(const struct cert *c, const struct cert *issuer, struct buf *out)
{
	const struct extension *aki = find(c, OID_EXT_AKI);
	const struct extension *ski = find(c, OID_EXT_SKI);
	struct spki_facts f;
	uint8_t id[SHA1_BYTES];

	expect(out, ski != NULL && !ski->critical, "4.2.1.2", "SKI missing or critical");
	if (spki_read(c->spki, &f)) {
		pki_sha1(f.key.p, f.key.n, id);
		expect(out, bytes_equal(c->ski, bytes_of(id, sizeof(id))), "4.2.1.2",
		       "SKI is not the SHA-1 of the key");
	}
	if (issuer != NULL) {
		expect(out, aki != NULL && !aki->critical, "4.2.1.1", "AKI missing or critical");
		expect(out, bytes_equal(c->aki, issuer->ski), "4.2.1.1",
		       "AKI is not the issuer's SKI");
	}
}

static void lint_usages(const struct cert *c, struct buf *out)
{
	const struct extension *eku = find(c, OID_EXT_EKU);

	if (eku != NULL) {
		expect(out, !eku->critical || c->ext_usage == EKU_TIMESTAMPING, "4.2.1.12",
		       "extKeyUsage is critical");
		expect(out, c->ext_usage != 0, "4.2.1.12", "extKeyUsage is empty");
		expect(out,
		       (c->ext_usage & EKU_SERVER_AUTH) == 0 || !c->has_key_usage ||
		               (c->key_usage & (KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT |
		                                KU_KEY_AGREEMENT)) != 0,
		       "4.2.1.12", "serverAuth without a key usage for it");
	}
}

static void lint_encoding(struct bytes der, struct buf *out)
{
	struct der d = der_of(der);
	struct der outer;
	struct der tbs;
	struct der version;
	struct der validity;
	struct der wrapper;
	struct der list;
	struct bytes inner_alg = { 0 };
	struct bytes outer_alg = { 0 };
	struct bytes serial = { 0 };
	uint64_t v = 0;

	lint_der(d, 0, out);
	if (!der_enter(&d, DER_SEQUENCE, &outer) || !der_enter(&outer, DER_SEQUENCE, &tbs)) {
		finding(out, "4.1", "no certificate");
		return;
	}
	(void)take(&outer, DER_SEQUENCE, &outer_alg);
	expect(out,
	       der_enter(&tbs, DER_CONTEXT_CONSTRUCTED(0), &version) && der_get_u64(&version, &v) &&
	               v == 2,
	       "4.1.2.1", "version is not 3");
	(void)der_get(&tbs, DER_INTEGER, &serial);
	lint_serial(serial, out);
	(void)take(&tbs, DER_SEQUENCE, &inner_alg);
	lint_algorithm(inner_alg, outer_alg, out);
	(void)take(&tbs, DER_SEQUENCE, &(struct bytes){ 0 });
	if (der_enter(&tbs, DER_SEQUENCE, &validity)) {
		lint_time(&validity, "4.1.2.5", out);
		lint_time(&validity, "4.1.2.5", out);
	}
	(void)take(&tbs, DER_SEQUENCE, &(struct bytes){ 0 });
	(void)take(&tbs, DER_SEQUENCE, &(struct bytes){ 0 });
	if (der_enter(&tbs, DER_CONTEXT_CONSTRUCTED(3), &wrapper) &&
	    der_enter(&wrapper, DER_SEQUENCE, &list)) {
		lint_extension_list(list, "4.2", out);
	}
	expect(out, der_at_end(&tbs), "4.1.2.8", "unique identifiers or junk in the TBS");
}

void lint5280_cert(struct bytes der, const struct cert *issuer, struct buf *findings)
{
	struct arena arena;
	const struct cert *c;

	lint_encoding(der, findings);
	arena_init(&arena);
	if (cert_parse(der, &arena, &c, /* err= */ NULL) != ERR_OK) {
		finding(findings, "4.1", "does not parse");
		arena_release(&arena);
		return;
	}
	lint_name(c->subject_der, findings);
	lint_name(c->issuer_der, findings);
	expect(findings, c->not_before.s < c->not_after.s, "4.1.2.5", "never valid");
	lint_names(c, findings);
	lint_key_usage(c, findings);
	lint_constraints(c, findings);
	lint_usages(c, findings);
	lint_key_ids(c, issuer, findings);
	expect(findings, issuer != NULL ? cert_issued_by(c, issuer) : cert_self_signed(c),
	       "4.1.1.3", "signature does not verify");
	if (issuer != NULL) {
		expect(findings, bytes_equal(c->issuer_der, issuer->subject_der), "4.1.2.4",
		       "issuer is not the CA's subject byte for byte");
		expect(findings, c->not_after.s <= issuer->not_after.s, "4.1.2.5",
		       "outlives its issuer");
	}
	arena_release(&arena);
}

static void lint_crl_entries(struct der list, struct buf *out)
{
	struct der e;
	struct der extensions;
	struct bytes serial;

	expect(out, !der_at_end(&list), "5.1.2.6", "revokedCertificates is empty");
	while (der_enter(&list, DER_SEQUENCE, &e)) {
		if (!der_get(&e, DER_INTEGER, &serial)) {
			finding(out, "5.1.2.6", "entry without serial");
			return;
		}
		lint_serial(serial, out);
		lint_time(&e, "5.1.2.6", out);
		if (der_enter(&e, DER_SEQUENCE, &extensions)) {
			lint_extension_list(extensions, "5.3", out);
		}
	}
}

void lint5280_crl(struct bytes der, const struct cert *issuer, struct buf *findings)
{
	struct der d = der_of(der);
	struct der outer;
	struct der tbs;
	struct der list;
	struct bytes inner_alg = { 0 };
	struct bytes outer_alg = { 0 };
	struct arena arena;
	struct crl_facts facts;
	uint64_t version = 0;

	lint_der(d, 0, findings);
	if (!der_enter(&d, DER_SEQUENCE, &outer) || !der_enter(&outer, DER_SEQUENCE, &tbs)) {
		finding(findings, "5.1", "no CRL");
		return;
	}
	(void)take(&outer, DER_SEQUENCE, &outer_alg);
	expect(findings, der_get_u64(&tbs, &version) && version == 1, "5.1.2.1",
	       "version is not 2");
	(void)take(&tbs, DER_SEQUENCE, &inner_alg);
	lint_algorithm(inner_alg, outer_alg, findings);
	(void)take(&tbs, DER_SEQUENCE, &(struct bytes){ 0 });
	lint_time(&tbs, "5.1.2.4", findings);
	lint_time(&tbs, "5.1.2.5", findings);
	if (der_enter(&tbs, DER_SEQUENCE, &list)) {
		lint_crl_entries(list, findings);
	}
	struct der wrapper;
	if (der_enter(&tbs, DER_CONTEXT_CONSTRUCTED(0), &wrapper) &&
	    der_enter(&wrapper, DER_SEQUENCE, &list)) {
		lint_extension_list(list, "5.2", findings);
	} else {
		finding(findings, "5.2", "no extensions: AKI and CRL number are due");
	}
	arena_init(&arena);
	expect(findings, crl_parse(der, issuer, &arena, &facts, /* err= */ NULL) == ERR_OK,
	       "5.1.1.3", "does not parse or verify");
	arena_release(&arena);
}
