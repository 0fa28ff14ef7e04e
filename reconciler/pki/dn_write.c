/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dn_write.c - writing distinguished names.
 *
 * RFC 4514 text names the most specific RDN first, DER the least specific. The writer prepends, so
 * walking the text from its start puts every RDN in its place without a list.
 */
#include <stdlib.h>
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/dn.h"

#define DN_AVA_MAX   8
#define DN_VALUE_MAX 4096

/* String types and bounds: RFC 5280 appendix A; the rest is UTF8String. */
static const struct dn_attr_type {
	const char *names[3];
	const char *oid;
	int tag;
	size_t max;
} dn_attr_types[] = {
	{ { "CN", "commonName" }, "2.5.4.3", DER_UTF8, 64 },
	{ { "SN", "surname" }, "2.5.4.4", DER_UTF8, 64 },
	{ { "serialNumber" }, "2.5.4.5", DER_PRINTABLE, 64 },
	{ { "C", "countryName" }, "2.5.4.6", DER_PRINTABLE, 2 },
	{ { "L", "localityName" }, "2.5.4.7", DER_UTF8, 128 },
	{ { "ST", "S", "stateOrProvinceName" }, "2.5.4.8", DER_UTF8, 128 },
	{ { "STREET", "streetAddress" }, "2.5.4.9", DER_UTF8, 128 },
	{ { "O", "organizationName" }, "2.5.4.10", DER_UTF8, 64 },
	{ { "OU", "organizationalUnitName" }, "2.5.4.11", DER_UTF8, 64 },
	{ { "title" }, "2.5.4.12", DER_UTF8, 64 },
	{ { "businessCategory" }, "2.5.4.15", DER_UTF8, 128 },
	{ { "postalCode" }, "2.5.4.17", DER_UTF8, 40 },
	{ { "name" }, "2.5.4.41", DER_UTF8, 64 },
	{ { "GN", "givenName" }, "2.5.4.42", DER_UTF8, 64 },
	{ { "initials" }, "2.5.4.43", DER_UTF8, 64 },
	{ { "generationQualifier" }, "2.5.4.44", DER_UTF8, 64 },
	{ { "dnQualifier" }, "2.5.4.46", DER_PRINTABLE, 64 },
	{ { "pseudonym" }, "2.5.4.65", DER_UTF8, 128 },
	{ { "organizationIdentifier" }, "2.5.4.97", DER_UTF8, 128 },
	{ { "UID", "userId" }, "0.9.2342.19200300.100.1.1", DER_UTF8, 256 },
	{ { "DC", "domainComponent" }, "0.9.2342.19200300.100.1.25", DER_IA5, 63 },
	{ { "emailAddress", "E", "EMAIL" }, "1.2.840.113549.1.9.1", DER_IA5, 255 },
};

const char *dn_attr_oid(const char *s)
{
	for (size_t i = 0; i < ARRAY_LEN(dn_attr_types); i++) {
		for (size_t k = 0; k < ARRAY_LEN(dn_attr_types[i].names); k++) {
			const char *name = dn_attr_types[i].names[k];
			if (name != NULL && str_casecmp_ascii(name, s) == 0) {
				return dn_attr_types[i].oid;
			}
		}
	}
	return der_oid_valid(s) ? s : NULL;
}

static bool is_printable_string(struct bytes v)
{
	for (size_t i = 0; i < v.n; i++) {
		uint8_t c = v.p[i];
		bool alnum =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!alnum && (c == 0 || strchr(" '()+,-./:=?", c) == NULL)) {
			return false;
		}
	}
	return true;
}

static bool is_ascii(struct bytes v)
{
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] < 0x20 || v.p[i] > 0x7e) {
			return false;
		}
	}
	return true;
}

static size_t utf8_length(struct bytes v)
{
	size_t n = 0;

	for (size_t i = 0; i < v.n; i++) {
		n += (v.p[i] & 0xc0) != 0x80;
	}
	return n;
}

static enum err_code check_value(const struct dn_attr_type *t, const char *name, struct bytes v,
                                 struct err *err)
{
	if (v.n == 0) {
		return err_set(err, ERR_INVALID, "subject attribute %s is empty", name);
	}
	if (!str_is_utf8((const char *)v.p, v.n)) {
		return err_set(err, ERR_INVALID, "subject attribute %s is not UTF-8 text", name);
	}
	if (t == NULL) {
		return ERR_OK;
	}
	if (utf8_length(v) > t->max) {
		return err_set(err, ERR_INVALID,
		               "subject attribute %s is longer than %zu characters", name, t->max);
	}
	if (t->tag == DER_PRINTABLE && !is_printable_string(v)) {
		return err_set(err, ERR_INVALID,
		               "subject attribute %s has characters outside PrintableString", name);
	}
	if (t->tag == DER_IA5 && !is_ascii(v)) {
		return err_set(err, ERR_INVALID, "subject attribute %s is not ASCII", name);
	}
	return ERR_OK;
}

enum err_code dn_put_attr(struct der_writer *w, const char *oid, struct bytes value,
                          struct err *err)
{
	const struct dn_attr_type *type = NULL;
	size_t mark = der_mark(w);

	for (size_t i = 0; i < ARRAY_LEN(dn_attr_types); i++) {
		if (strcmp(dn_attr_types[i].oid, oid) == 0) {
			type = &dn_attr_types[i];
		}
	}
	enum err_code rc = check_value(type, type != NULL ? type->names[0] : oid, value, err);
	if (rc != ERR_OK) {
		return rc;
	}
	der_put(w, type != NULL ? type->tag : DER_UTF8, value);
	der_put_oid(w, oid);
	der_wrap(w, DER_SEQUENCE, mark);
	return ERR_OK;
}

bool subject_is_empty(const struct subject *s)
{
	bool has_text = (s->literal != NULL && s->literal[0] != '\0') ||
	                (s->common_name != NULL && s->common_name[0] != '\0') ||
	                (s->serial_number != NULL && s->serial_number[0] != '\0');

	return !has_text && s->organizations.n + s->countries.n + s->organizational_units.n +
	                                    s->localities.n + s->provinces.n +
	                                    s->street_addresses.n + s->postal_codes.n ==
	                            0;
}

static enum err_code put_single(struct der_writer *w, const char *oid, const char *value,
                                struct err *err)
{
	size_t mark = der_mark(w);
	enum err_code rc = dn_put_attr(w, oid, bytes_of_str(value), err);

	if (rc == ERR_OK) {
		der_wrap(w, DER_SET, mark);
	}
	return rc;
}

/* Written back to front, so the lists are walked from their ends. */
enum err_code dn_put(struct der_writer *w, const struct subject *s, struct err *err)
{
	const struct {
		const char *oid;
		struct str_list list;
		const char *single;
	} parts[] = {
		{ "2.5.4.6", s->countries, NULL },
		{ "2.5.4.8", s->provinces, NULL },
		{ "2.5.4.7", s->localities, NULL },
		{ "2.5.4.9", s->street_addresses, NULL },
		{ "2.5.4.17", s->postal_codes, NULL },
		{ "2.5.4.10", s->organizations, NULL },
		{ "2.5.4.11", s->organizational_units, NULL },
		{ "2.5.4.5", { 0 }, s->serial_number },
		{ "2.5.4.3", { 0 }, s->common_name },
	};
	size_t mark = der_mark(w);
	enum err_code rc = ERR_OK;

	if (s->literal != NULL && s->literal[0] != '\0') {
		return dn_put_text(w, s->literal, err);
	}
	for (size_t i = ARRAY_LEN(parts); i-- > 0 && rc == ERR_OK;) {
		if (parts[i].single != NULL && parts[i].single[0] != '\0') {
			rc = put_single(w, parts[i].oid, parts[i].single, err);
		}
		for (size_t k = parts[i].list.n; k-- > 0 && rc == ERR_OK;) {
			rc = put_single(w, parts[i].oid, parts[i].list.v[k], err);
		}
	}
	if (rc == ERR_OK) {
		der_wrap(w, DER_SEQUENCE, mark);
	}
	return rc;
}

/* One RDN while its text is read: the AVAs, to be sorted as DER wants a SET OF. */
struct rdn_text {
	struct buf avas[DN_AVA_MAX];
	size_t n;
};

static void rdn_release(struct rdn_text *r)
{
	for (size_t i = 0; i < ARRAY_LEN(r->avas); i++) {
		buf_release(&r->avas[i]);
	}
	r->n = 0;
}

static int compare_ava(const void *a, const void *b)
{
	return bytes_compare(buf_view(a), buf_view(b));
}

static enum err_code rdn_put(struct der_writer *w, struct rdn_text *r, struct err *err)
{
	size_t mark = der_mark(w);

	qsort(r->avas, r->n, sizeof(r->avas[0]), compare_ava);
	for (size_t i = r->n; i-- > 0;) {
		enum err_code rc = buf_check(&r->avas[i], "subject", err);
		if (rc != ERR_OK) {
			return rc;
		}
		der_put_raw(w, buf_view(&r->avas[i]));
	}
	der_wrap(w, DER_SET, mark);
	rdn_release(r);
	return ERR_OK;
}

static const char *skip_spaces(const char *p)
{
	return p + strspn(p, " ");
}

static bool hex_pair(const char *p, uint8_t *ret)
{
	char pair[3] = { 0 };
	size_t n;

	memcpy(pair, p, strnlen(p, 2));
	return pair[1] != '\0' && hex_decode(pair, ret, 1, &n) && n == 1;
}

/* One character of a value behind a backslash; *p at the backslash. */
static bool read_escape(const char **p, struct buf *out)
{
	const char *at = *p + 1;
	uint8_t octet;

	if (hex_pair(at, &octet)) {
		buf_add_byte(out, octet);
		*p = at + 2;
		return true;
	}
	if (*at == '\0' || strchr(" \"#+,;<=>\\", *at) == NULL) {
		return false;
	}
	buf_add_byte(out, (uint8_t)*at);
	*p = at + 1;
	return true;
}

static bool read_quoted(const char **p, struct buf *out)
{
	const char *at = *p + 1;

	while (*at != '"') {
		if (*at == '\0' || (*at == '\\' && !read_escape(&at, out))) {
			return false;
		}
		if (*at != '"' && *at != '\\' && *at != '\0') {
			buf_add_byte(out, (uint8_t)*at++);
		}
	}
	*p = skip_spaces(at + 1);
	return true;
}

static bool read_plain(const char **p, struct buf *out)
{
	const char *at = *p;
	size_t keep = 0; /* length without unescaped spaces at the end */

	while (*at != '\0' && strchr(",;+", *at) == NULL) {
		if (*at == '"') {
			return false;
		}
		if (*at == '\\') {
			if (!read_escape(&at, out)) {
				return false;
			}
			keep = out->len;
			continue;
		}
		buf_add_byte(out, (uint8_t)*at);
		keep = *at != ' ' ? out->len : keep;
		at++;
	}
	out->len = buf_failed(out) ? out->len : keep;
	*p = at;
	return true;
}

/* "#04024869": the value's own DER. */
static enum err_code read_hex_value(const char **p, struct der_writer *w, const char *oid,
                                    struct err *err)
{
	uint8_t der[DN_VALUE_MAX / 2];
	char hex[DN_VALUE_MAX + 1];
	size_t n = strspn(*p + 1, "0123456789abcdefABCDEF");
	size_t der_n;
	struct bytes whole;
	size_t mark = der_mark(w);

	if (n == 0 || n > DN_VALUE_MAX) {
		return err_set(err, ERR_INVALID, "subject attribute %s: not a '#' hex value", oid);
	}
	memcpy(hex, *p + 1, n);
	hex[n] = '\0';
	if (!hex_decode(hex, der, sizeof(der), &der_n)) {
		return err_set(err, ERR_INVALID, "subject attribute %s: not a '#' hex value", oid);
	}
	struct der d = der_of(bytes_of(der, der_n));
	if (!der_get_any(&d, /* ret_tag= */ NULL, /* ret_content= */ NULL, &whole) ||
	    !der_at_end(&d)) {
		return err_set(err, ERR_INVALID, "subject attribute %s: hex value is not DER", oid);
	}
	der_put_raw(w, whole);
	der_put_oid(w, oid);
	der_wrap(w, DER_SEQUENCE, mark);
	*p = skip_spaces(*p + 1 + n);
	return ERR_OK;
}

static enum err_code read_value(const char **p, struct der_writer *w, const char *oid,
                                struct err *err)
{
	CLEANUP(buf_release) struct buf value = { 0 };

	buf_init(&value, DN_VALUE_MAX);
	if (**p == '#') {
		return read_hex_value(p, w, oid, err);
	}
	if (!(**p == '"' ? read_quoted(p, &value) : read_plain(p, &value))) {
		return err_set(err, ERR_INVALID, "subject attribute %s: bad escape or quote", oid);
	}
	enum err_code rc = buf_check(&value, "subject attribute", err);
	return rc != ERR_OK ? rc : dn_put_attr(w, oid, buf_view(&value), err);
}

static enum err_code read_ava(const char **p, struct rdn_text *r, struct err *err)
{
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	char type[128];
	const char *at = skip_spaces(*p);
	size_t n = strcspn(at, "=,;+");

	der_writer_init(&w);
	if (at[n] != '=' || n >= sizeof(type)) {
		return err_set(err, ERR_INVALID, "literal subject: expected NAME=value at '%.20s'",
		               at);
	}
	if (r->n == DN_AVA_MAX) {
		return err_set(err, ERR_INVALID,
		               "literal subject: more than %d values joined by '+'", DN_AVA_MAX);
	}
	memcpy(type, at, n);
	while (n > 0 && type[n - 1] == ' ') {
		n--;
	}
	type[n] = '\0';
	const char *oid = dn_attr_oid(type);
	if (oid == NULL) {
		return err_set(err, ERR_INVALID, "literal subject: unknown attribute '%s'", type);
	}
	*p = skip_spaces(strchr(at, '=') + 1);
	enum err_code rc = read_value(p, &w, oid, err);
	if (rc != ERR_OK) {
		return rc;
	}
	buf_init(&r->avas[r->n], DN_VALUE_MAX + sizeof(type) + 16);
	return der_writer_finish(&w, &r->avas[r->n++], err);
}

enum err_code dn_put_text(struct der_writer *w, const char *text, struct err *err)
{
	CLEANUP(rdn_release) struct rdn_text rdn = { 0 };
	size_t mark = der_mark(w);
	const char *p = skip_spaces(text);

	while (*p != '\0') {
		enum err_code rc = read_ava(&p, &rdn, err);
		if (rc != ERR_OK) {
			return rc;
		}
		if (*p == '+') {
			p++;
			continue;
		}
		rc = rdn_put(w, &rdn, err);
		if (rc != ERR_OK) {
			return rc;
		}
		if (*p == ',' || *p == ';') {
			p = skip_spaces(p + 1);
			if (*p == '\0') {
				return err_set(err, ERR_INVALID,
				               "literal subject ends in a separator");
			}
		} else if (*p != '\0') {
			return err_set(err, ERR_INVALID, "literal subject: unexpected '%.20s'", p);
		}
	}
	if (rdn.n > 0) {
		return err_set(err, ERR_INVALID, "literal subject ends in '+'");
	}
	der_wrap(w, DER_SEQUENCE, mark);
	return ERR_OK;
}
