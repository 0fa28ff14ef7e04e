/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cert_match.c - does a certificate say what is asked for?
 *
 * Names are sets. Two additions that CAs make by themselves are no difference: the common name
 * repeated among the DNS names, and one of the DNS names repeated as common name.
 */
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/alg.h"
#include "reconciler/pki/cert.h"
#include "reconciler/pki/dn.h"
#include "reconciler/pki/ext_write.h"
#include "reconciler/pki/names.h"

typedef int compare_fn(const char *a, const char *b);

static bool covers_address(const struct cert *c, const struct ip_addr *ip)
{
	char text[IP_TEXT_MAX];
	struct ip_addr cn;

	if (!ip_format(ip_bytes(ip), text)) {
		return false;
	}
	for (size_t i = 0; i < c->ip_addresses.n; i++) {
		if (strcmp(c->ip_addresses.v[i], text) == 0) {
			return true;
		}
	}
	return c->ip_addresses.n == 0 && ip_parse(c->common_name, &cn) &&
	       bytes_equal(ip_bytes(&cn), ip_bytes(ip));
}

bool cert_covers(const struct cert *c, const char *host)
{
	struct ip_addr ip;

	if (ip_parse(host, &ip)) {
		return covers_address(c, &ip);
	}
	for (size_t i = 0; i < c->dns_names.n; i++) {
		if (dns_matches(c->dns_names.v[i], host)) {
			return true;
		}
	}
	return c->dns_names.n == 0 && dns_matches(c->common_name, host);
}

static int compare_address(const char *a, const char *b)
{
	struct ip_addr x;
	struct ip_addr y;

	if (!ip_parse(a, &x) || !ip_parse(b, &y)) {
		return strcmp(a, b);
	}
	return bytes_compare(ip_bytes(&x), ip_bytes(&y));
}

static bool has(struct str_list list, const char *s, compare_fn *compare)
{
	for (size_t i = 0; i < list.n; i++) {
		if (compare(list.v[i], s) == 0) {
			return true;
		}
	}
	return false;
}

static bool all_in(struct str_list a, struct str_list b, compare_fn *compare)
{
	for (size_t i = 0; i < a.n; i++) {
		if (!has(b, a.v[i], compare)) {
			return false;
		}
	}
	return true;
}

static bool same_set(struct str_list a, struct str_list b, compare_fn *compare)
{
	return all_in(a, b, compare) && all_in(b, a, compare);
}

static bool dns_names_satisfy(const struct cert *c, const struct cert_spec *spec)
{
	const char *cn = spec->subject.common_name != NULL ? spec->subject.common_name : "";

	if (!all_in(spec->dns_names, c->dns_names, str_casecmp_ascii)) {
		return false;
	}
	for (size_t i = 0; i < c->dns_names.n; i++) {
		if (!has(spec->dns_names, c->dns_names.v[i], str_casecmp_ascii) &&
		    str_casecmp_ascii(c->dns_names.v[i], cn) != 0) {
			return false;
		}
	}
	return true;
}

static bool has_other_name(const struct other_name *v, size_t n, const struct other_name *want)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(v[i].oid, want->oid) == 0 && strcmp(v[i].utf8, want->utf8) == 0) {
			return true;
		}
	}
	return false;
}

static bool other_names_satisfy(const struct cert *c, const struct cert_spec *spec)
{
	for (size_t i = 0; i < spec->n_other_names; i++) {
		if (!has_other_name(c->other_names, c->n_other_names, &spec->other_names[i])) {
			return false;
		}
	}
	for (size_t i = 0; i < c->n_other_names; i++) {
		if (!has_other_name(spec->other_names, spec->n_other_names, &c->other_names[i])) {
			return false;
		}
	}
	return true;
}

/* How often the subject has the attribute, and whether every value is wanted. */
static bool subject_values(const struct cert *c, struct bytes oid, struct str_list want)
{
	struct dn_iter it = dn_iter_of(c->subject_der);
	size_t found = 0;
	size_t distinct = 0;

	for (size_t i = 0; i < want.n; i++) {
		distinct += !has((struct str_list){ want.v, i }, want.v[i], strcmp);
	}
	while (dn_next(&it)) {
		CLEANUP(buf_release) struct buf text = { 0 };
		if (!bytes_equal(it.attr.oid, oid)) {
			continue;
		}
		buf_init(&text, it.attr.whole.n * 6 + 1);
		dn_value_text(&it.attr, &text);
		if (!has(want, buf_str(&text), strcmp)) {
			return false;
		}
		found++;
	}
	return found >= distinct;
}

static struct str_list one_or_none(const char *const *s)
{
	return (struct str_list){ s, *s != NULL && (*s)[0] != '\0' ? 1 : 0 };
}

static bool literal_satisfies(const struct cert *c, const char *literal)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };

	der_writer_init(&w);
	if (dn_put_text(&w, literal, /* err= */ NULL) != ERR_OK || w.failed) {
		return false;
	}
	return dn_same(c->subject_der, der_writer_view(&w));
}

static bool common_name_satisfies(const struct cert *c, const struct cert_spec *spec)
{
	struct str_list want = one_or_none(&spec->subject.common_name);

	if (want.n == 0 && c->common_name[0] != '\0') {
		return has(spec->dns_names, c->common_name, str_casecmp_ascii) ||
		       has(spec->ip_addresses, c->common_name, compare_address);
	}
	return subject_values(c, bytes_of("\x55\x04\x03", 3), want);
}

/* NULL: satisfied. */
static const char *subject_differs(const struct cert *c, const struct cert_spec *spec)
{
	const struct subject *s = &spec->subject;
	const struct {
		uint8_t x520;
		struct str_list want;
		const char *field;
	} parts[] = {
		{ 5, one_or_none(&s->serial_number), "subject.serialNumber" },
		{ 6, s->countries, "subject.countries" },
		{ 7, s->localities, "subject.localities" },
		{ 8, s->provinces, "subject.provinces" },
		{ 9, s->street_addresses, "subject.streetAddresses" },
		{ 10, s->organizations, "subject.organizations" },
		{ 11, s->organizational_units, "subject.organizationalUnits" },
		{ 17, s->postal_codes, "subject.postalCodes" },
	};

	if (s->literal != NULL && s->literal[0] != '\0') {
		return literal_satisfies(c, s->literal) ? NULL : "literalSubject";
	}
	if (!common_name_satisfies(c, spec)) {
		return "commonName";
	}
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		uint8_t oid[] = { 0x55, 0x04, parts[i].x520 };
		if (!subject_values(c, bytes_of(oid, sizeof(oid)), parts[i].want)) {
			return parts[i].field;
		}
	}
	return NULL;
}

static bool usages_satisfy(const struct cert *c, const struct cert_spec *spec)
{
	uint32_t key;
	uint32_t ext;
	bool defaulted = cert_spec_usages(spec, &key, &ext);
	uint32_t has_key = c->has_key_usage ? c->key_usage : key;
	uint32_t has_ext = c->ext_usage & ~(uint32_t)EKU_OTHER;

	if (strcmp(c->key_algorithm, "RSA") != 0) {
		has_key &= ~(uint32_t)(KU_KEY_ENCIPHERMENT | KU_DATA_ENCIPHERMENT);
		key &= ~(uint32_t)(KU_KEY_ENCIPHERMENT | KU_DATA_ENCIPHERMENT);
	}
	if (defaulted) {
		return (has_key & key) == key && (has_ext & ext) == ext;
	}
	return has_key == key && has_ext == ext;
}

static const struct extension *find_extension(const struct cert *c, const char *oid)
{
	for (size_t i = 0; i < c->n_extensions; i++) {
		if (strcmp(c->extensions[i].oid, oid) == 0) {
			return &c->extensions[i];
		}
	}
	return NULL;
}

static bool extensions_satisfy(const struct cert *c, const struct cert_spec *spec)
{
	for (size_t i = 0; i < spec->n_extensions; i++) {
		const struct extension *got = find_extension(c, spec->extensions[i].oid);
		if (got == NULL || got->critical != spec->extensions[i].critical ||
		    !bytes_equal(got->der, spec->extensions[i].der)) {
			return false;
		}
	}
	return true;
}

static bool constraints_satisfy(const struct cert *c, const struct cert_spec *spec)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	const struct extension *got = find_extension(c, OID_EXT_NC);

	if (spec->name_constraints == NULL || !spec->is_ca) {
		return got == NULL;
	}
	der_writer_init(&w);
	if (got == NULL ||
	    name_constraints_put(&w, spec->name_constraints, /* err= */ NULL) != ERR_OK ||
	    w.failed) {
		return false;
	}
	return bytes_equal(got->der, der_writer_view(&w));
}

static const char *key_differs(const struct cert *c, const struct key_spec *want)
{
	struct spki_facts f;

	if (!spki_read(c->spki, &f) || !f.supported || f.spec.algorithm != want->algorithm) {
		return "privateKey.algorithm";
	}
	if (want->algorithm != KEY_ED25519 && f.spec.bits != want->bits) {
		return "privateKey.size";
	}
	return NULL;
}

static const char *request_differs(const struct cert *c, const struct cert_spec *spec)
{
	if (!dns_names_satisfy(c, spec)) {
		return "dnsNames";
	}
	if (!same_set(spec->ip_addresses, c->ip_addresses, compare_address)) {
		return "ipAddresses";
	}
	if (!same_set(spec->uris, c->uris, strcmp)) {
		return "uris";
	}
	if (!same_set(spec->emails, c->emails, strcmp)) {
		return "emailAddresses";
	}
	if (!other_names_satisfy(c, spec)) {
		return "otherNames";
	}
	const char *field = subject_differs(c, spec);
	if (field != NULL) {
		return field;
	}
	if (spec->is_ca != c->is_ca) {
		return "isCA";
	}
	if (!usages_satisfy(c, spec)) {
		return "usages";
	}
	if (!constraints_satisfy(c, spec)) {
		return "nameConstraints";
	}
	return extensions_satisfy(c, spec) ? NULL : "extensions";
}

enum spec_verdict cert_satisfies(const struct cert *c, const struct cert_spec *spec,
                                 const char **ret_field)
{
	const char *field = key_differs(c, &spec->key);

	if (field != NULL) {
		*ret_field = field;
		return SPEC_KEY_DIFFERS;
	}
	field = request_differs(c, spec);
	if (field != NULL) {
		*ret_field = field;
		return SPEC_REQUEST_DIFFERS;
	}
	return SPEC_SATISFIED;
}
