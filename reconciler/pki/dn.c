/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dn.c - reading distinguished names.
 *
 * Own code instead of GnuTLS: it fails on names that appliances really send, cuts at NUL, and
 * costs more than the whole rest of reading a certificate.
 */
#include "reconciler/pki/dn.h"

#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/str.h"

#define DN_RDN_MAX 64 /* shown in hexadecimal beyond: nobody reads that */

static const struct {
	const char *name;
	struct bytes oid;
} dn_names[] = {
#define DN_X520(n, name)                                                                           \
	{                                                                                          \
		name,                                                                              \
		{                                                                                  \
			(const uint8_t[]){ 0x55, 0x04, (n) }, 3                                    \
		}                                                                                  \
	}
	DN_X520(3, "CN"),
	DN_X520(4, "SN"),
	DN_X520(5, "serialNumber"),
	DN_X520(6, "C"),
	DN_X520(7, "L"),
	DN_X520(8, "ST"),
	DN_X520(9, "STREET"),
	DN_X520(10, "O"),
	DN_X520(11, "OU"),
	DN_X520(12, "title"),
	DN_X520(15, "businessCategory"),
	DN_X520(17, "postalCode"),
	DN_X520(41, "name"),
	DN_X520(42, "GN"),
	DN_X520(43, "initials"),
	DN_X520(44, "generationQualifier"),
	DN_X520(46, "dnQualifier"),
	DN_X520(65, "pseudonym"),
	DN_X520(97, "organizationIdentifier"),
#undef DN_X520
	{ "UID",
	  { (const uint8_t[]){ 0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01 }, 10 } },
	{ "DC",
	  { (const uint8_t[]){ 0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19 }, 10 } },
	{ "emailAddress",
	  { (const uint8_t[]){ 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01 }, 9 } },
};

const char *dn_attr_name(struct bytes oid)
{
	for (size_t i = 0; i < ARRAY_LEN(dn_names); i++) {
		if (bytes_equal(dn_names[i].oid, oid)) {
			return dn_names[i].name;
		}
	}
	return NULL;
}

struct dn_iter dn_iter_of(struct bytes dn)
{
	struct dn_iter it = { .avas = der_of(bytes_of(/* p= */ NULL, 0)) };
	struct der outer = der_of(dn);

	if (!der_enter(&outer, DER_SEQUENCE, &it.rdns)) {
		it.rdns = it.avas;
	}
	return it;
}

bool dn_next(struct dn_iter *it)
{
	struct der ava;

	while (der_at_end(&it->avas)) {
		if (!der_enter(&it->rdns, DER_SET, &it->avas)) {
			return false;
		}
		it->rdn++;
	}
	if (!der_enter(&it->avas, DER_SEQUENCE, &ava) || !der_get(&ava, DER_OID, &it->attr.oid) ||
	    !der_get_any(&ava, &it->attr.tag, &it->attr.value, &it->attr.whole)) {
		it->avas = it->rdns = der_of(bytes_of(/* p= */ NULL, 0));
		return false;
	}
	it->attr.rdn = it->rdn - 1;
	return true;
}

bool dn_empty(struct bytes dn)
{
	return dn.n <= 2;
}

static void put_escaped_octet(struct buf *out, uint8_t c)
{
	static const char digits[] = "0123456789ABCDEF";

	buf_add_byte(out, '\\');
	buf_add_byte(out, (uint8_t)digits[c >> 4]);
	buf_add_byte(out, (uint8_t)digits[c & 0x0f]);
}

static void put_utf8(struct buf *out, uint32_t c)
{
	if (c < 0x80) {
		buf_add_byte(out, (uint8_t)c);
		return;
	}
	if (c < 0x800) {
		buf_add_byte(out, (uint8_t)(0xc0 | c >> 6));
	} else if (c < 0x10000) {
		buf_add_byte(out, (uint8_t)(0xe0 | c >> 12));
		buf_add_byte(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
	} else {
		buf_add_byte(out, (uint8_t)(0xf0 | c >> 18));
		buf_add_byte(out, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
		buf_add_byte(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
	}
	buf_add_byte(out, (uint8_t)(0x80 | (c & 0x3f)));
}

/* Strings of 1, 2 or 4 octets a character, big-endian. false: no such text. */
static bool put_wide(struct buf *out, struct bytes v, size_t width)
{
	if (v.n % width != 0) {
		return false;
	}
	for (size_t i = 0; i < v.n; i += width) {
		uint32_t c = 0;
		for (size_t k = 0; k < width; k++) {
			c = c << 8 | v.p[i + k];
		}
		if (width == 2 && c >= 0xd800 && c < 0xdc00 && i + 4 <= v.n &&
		    (v.p[i + 2] & 0xfc) == 0xdc) {
			uint32_t low = (uint32_t)(v.p[i + 2] & 0x03) << 8 | v.p[i + 3];
			c = 0x10000 + ((c & 0x3ff) << 10) + low;
			i += 2;
		}
		if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
			return false;
		}
		put_utf8(out, c);
	}
	return true;
}

/* Types whose octets are the text already (or nearly: what is no UTF-8 gets escaped). */
static bool is_plain_text(const struct dn_attr *attr)
{
	return attr->tag == DER_UTF8 || attr->tag == DER_PRINTABLE || attr->tag == DER_IA5 ||
	       attr->tag == 0x12 /* NumericString */ || attr->tag == 0x1a /* VisibleString */;
}

/* The raw characters of a value as UTF-8, controls and all. false: a type that is no text. */
static bool value_decode(const struct dn_attr *attr, struct buf *out)
{
	switch (attr->tag) {
	case DER_T61:
		if (str_is_utf8((const char *)attr->value.p, attr->value.n)) {
			buf_add_bytes(out, attr->value);
			return true;
		}
		return put_wide(out, attr->value, 1); /* in the field T61 means Latin-1 */
	case DER_BMP:
		return put_wide(out, attr->value, 2);
	case 0x1c: /* UniversalString */
		return put_wide(out, attr->value, 4);
	default:
		return false;
	}
}

/* Escape what would change the meaning of RFC 4514 text (`special`) or is no printable text. */
static void put_text(struct buf *out, struct bytes v, const char *special)
{
	bool utf8 = str_is_utf8((const char *)v.p, v.n);
	size_t done = 0;

	for (size_t i = 0; i < v.n; i++) {
		uint8_t c = v.p[i];
		bool edge = special[0] != '\0' &&
		            ((i == 0 && (c == ' ' || c == '#')) || (i + 1 == v.n && c == ' '));
		bool hidden = c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8);
		if (!hidden && !edge && (c >= 0x80 || strchr(special, c) == NULL)) {
			continue;
		}
		buf_add(out, v.p + done, i - done);
		done = i + 1;
		if (hidden) {
			put_escaped_octet(out, c);
		} else {
			buf_add_byte(out, '\\');
			buf_add_byte(out, c);
		}
	}
	if (done < v.n) {
		buf_add(out, v.p + done, v.n - done);
	}
}

static void put_hex(struct buf *out, struct bytes v)
{
	static const char digits[] = "0123456789abcdef";

	buf_add_byte(out, '#');
	for (size_t i = 0; i < v.n; i++) {
		buf_add_byte(out, (uint8_t)digits[v.p[i] >> 4]);
		buf_add_byte(out, (uint8_t)digits[v.p[i] & 0x0f]);
	}
}

static void put_value(struct buf *out, const struct dn_attr *attr, const char *special)
{
	CLEANUP(buf_release) struct buf text = { 0 };

	if (is_plain_text(attr)) {
		put_text(out, attr->value, special);
		return;
	}
	buf_init(&text, attr->value.n * 3 + 1);
	if (value_decode(attr, &text) && !buf_failed(&text)) {
		put_text(out, buf_view(&text), special);
	} else {
		put_hex(out, attr->whole);
	}
}

void dn_value_text(const struct dn_attr *attr, struct buf *out)
{
	put_value(out, attr, "");
}

static void put_attr(struct buf *out, const struct dn_attr *attr)
{
	const char *name = dn_attr_name(attr->oid);
	char oid[128];

	if (name != NULL) {
		buf_add_str(out, name);
		buf_add_byte(out, '=');
		put_value(out, attr, ",+\"\\<>;");
		return;
	}
	if (der_oid_text(attr->oid, oid, sizeof(oid))) {
		buf_add_str(out, oid);
	} else {
		put_hex(out, attr->oid);
	}
	buf_add_byte(out, '=');
	put_hex(out, attr->whole);
}

void dn_text(struct bytes dn, struct buf *out)
{
	struct dn_iter starts[DN_RDN_MAX];
	struct dn_iter it = dn_iter_of(dn);
	struct dn_iter before = it;
	size_t n = 0;

	while (dn_next(&it)) {
		if (it.attr.rdn >= DN_RDN_MAX) {
			put_hex(out, dn);
			return;
		}
		while (n <= it.attr.rdn) { /* an empty SET leaves a gap */
			starts[n++] = before;
		}
		before = it;
	}
	bool first = true;
	for (size_t i = n; i-- > 0;) {
		it = starts[i];
		for (bool more = false; dn_next(&it) && it.attr.rdn == i; more = true) {
			buf_add_str(out, first ? "" : more ? "+" : ",");
			put_attr(out, &it.attr);
			first = false;
		}
	}
}

static bool attr_same(const struct dn_attr *a, const struct dn_attr *b)
{
	CLEANUP(buf_release) struct buf x = { 0 };
	CLEANUP(buf_release) struct buf y = { 0 };

	buf_init(&x, a->whole.n * 6 + 1);
	buf_init(&y, b->whole.n * 6 + 1);
	dn_value_text(a, &x);
	dn_value_text(b, &y);
	return a->rdn == b->rdn && bytes_equal(a->oid, b->oid) && !buf_failed(&x) &&
	       !buf_failed(&y) && bytes_equal(buf_view(&x), buf_view(&y));
}

bool dn_same(struct bytes a, struct bytes b)
{
	if (bytes_equal(a, b)) {
		return true;
	}
	struct dn_iter x = dn_iter_of(a);
	struct dn_iter y = dn_iter_of(b);
	for (;;) {
		bool more_x = dn_next(&x);
		bool more_y = dn_next(&y);
		if (more_x != more_y) {
			return false;
		}
		if (!more_x) {
			return true;
		}
		if (!attr_same(&x.attr, &y.attr)) {
			return false;
		}
	}
}
