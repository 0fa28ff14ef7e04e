/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kscert.c - reads as little as it can, because a certificate that is odd elsewhere is still the
 * one that is in the store.
 */
#include "providers/keystores/kscert.h"

#include "reconciler/base/attr.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/pkcs8.h"

static void read_extension(struct der *ext, struct ks_cert *ret)
{
	struct der value = { 0 };
	struct der inner;
	struct bytes oid;
	struct bytes octets;
	bool critical = false;

	if (!der_get(ext, DER_OID, &oid)) {
		return;
	}
	(void)der_get_bool(ext, &critical);
	if (!der_get(ext, DER_OCTET_STRING, &octets)) {
		return;
	}
	value = der_of(octets);
	if (der_oid_is(oid, "2.5.29.14")) {
		(void)der_get(&value, DER_OCTET_STRING, &ret->ski);
	} else if (der_oid_is(oid, "2.5.29.35") && der_enter(&value, DER_SEQUENCE, &inner)) {
		(void)der_get(&inner, DER_CONTEXT(0), &ret->aki);
	} else if (der_oid_is(oid, "2.5.29.19") && der_enter(&value, DER_SEQUENCE, &inner)) {
		(void)der_get_bool(&inner, &ret->is_ca);
	}
}

static void read_extensions(struct der *tbs, struct ks_cert *ret)
{
	struct bytes content;
	struct der wrapped;
	struct der list;
	struct der ext;
	int tag;

	while (der_get_any(tbs, &tag, &content, /* ret_whole= */ NULL)) {
		wrapped = der_of(content);
		if (tag != DER_CONTEXT_CONSTRUCTED(3) ||
		    !der_enter(&wrapped, DER_SEQUENCE, &list)) {
			continue;
		}
		while (der_enter(&list, DER_SEQUENCE, &ext)) {
			read_extension(&ext, ret);
		}
	}
}

/* The next element, which must be a SEQUENCE, whole. */
static bool take_sequence(struct der *d, struct bytes *ret)
{
	int tag = -1;

	return der_get_any(d, &tag, /* ret_content= */ NULL, ret) && tag == DER_SEQUENCE;
}

bool ks_cert_read(struct bytes der, struct ks_cert *ret)
{
	struct der d = der_of(der);
	struct der cert;
	struct der tbs;
	struct bytes skipped;
	struct ks_cert out = { .der = der };

	*ret = out;
	if (der.n == 0 || !der_enter(&d, DER_SEQUENCE, &cert) || !der_at_end(&d) ||
	    !der_enter(&cert, DER_SEQUENCE, &tbs)) {
		return false;
	}
	(void)der_get(&tbs, DER_CONTEXT_CONSTRUCTED(0), &skipped);
	if (!der_get(&tbs, DER_INTEGER, &skipped) || !take_sequence(&tbs, &skipped) ||
	    !take_sequence(&tbs, &out.issuer) || !take_sequence(&tbs, &skipped) ||
	    !take_sequence(&tbs, &out.subject) || !take_sequence(&tbs, &out.spki)) {
		return false;
	}
	out.self_issued = bytes_equal(out.issuer, out.subject);
	read_extensions(&tbs, &out);
	*ret = out;
	return true;
}

enum ks_fit ks_key_fits(struct bytes pkcs8, const struct ks_cert *cert)
{
	CLEANUP(buf_release) struct buf spki = { 0 };
	struct pkcs8_facts facts;

	buf_init(&spki, PKCS8_SPKI_MAX);
	if (cert->spki.n == 0 || pkcs8_read(pkcs8, &facts, /* err= */ NULL) != ERR_OK ||
	    pkcs8_spki(&facts, &spki, /* err= */ NULL) != ERR_OK) {
		return KS_FIT_UNKNOWN;
	}
	return spki_same_key(buf_view(&spki), cert->spki) ? KS_FITS : KS_FITS_NOT;
}

int ks_cert_issued_by(const struct ks_cert *c, const struct ks_cert *issuer)
{
	if (c->issuer.n == 0 || !bytes_equal(c->issuer, issuer->subject)) {
		return 0;
	}
	if (c->aki.n == 0 || issuer->ski.n == 0) {
		return 1;
	}
	return bytes_equal(c->aki, issuer->ski) ? 2 : 0;
}
