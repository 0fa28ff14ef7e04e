/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cert_ext.c - extensions of a certificate.
 *
 * Contents that cannot be read grant nothing: no name, no CA-ness, no usage.
 */
#include "reconciler/pki/cert_ext.h"

#include <stdio.h>
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/alg.h"
#include "reconciler/pki/names.h"

#define SAN_DNS   DER_CONTEXT(2)
#define SAN_EMAIL DER_CONTEXT(1)
#define SAN_URI   DER_CONTEXT(6)
#define SAN_IP    DER_CONTEXT(7)
#define SAN_OTHER DER_CONTEXT_CONSTRUCTED(0)

/* Text of a name: NUL, control and non-UTF-8 octets as \XX, so that nothing is cut or hidden. */
static const char *name_text(struct bytes v, struct arena *arena)
{
	static const char digits[] = "0123456789ABCDEF";
	bool utf8 = str_is_utf8((const char *)v.p, v.n);
	size_t escapes = 0;

	for (size_t i = 0; i < v.n; i++) {
		escapes += v.p[i] < 0x20 || v.p[i] == 0x7f || v.p[i] == '\\' ||
		           (v.p[i] >= 0x80 && !utf8);
	}
	if (escapes == 0) {
		return arena_strn(arena, (const char *)v.p, v.n);
	}
	char *out = arena_alloc(arena, v.n + escapes * 2 + 1);
	for (size_t i = 0, at = 0; out != NULL && i < v.n; i++) {
		uint8_t c = v.p[i];
		if (c < 0x20 || c == 0x7f || c == '\\' || (c >= 0x80 && !utf8)) {
			out[at++] = '\\';
			out[at++] = digits[c >> 4];
			out[at++] = digits[c & 0x0f];
		} else {
			out[at++] = (char)c;
		}
	}
	return out;
}

static const char *address_text(struct bytes v, struct arena *arena)
{
	char text[IP_TEXT_MAX];

	if (ip_format(v, text)) {
		return arena_str(arena, text);
	}
	char *out =
		arena_alloc(arena, v.n * 2 + 2); /* neither IPv4 nor IPv6: shown, never matched */
	if (out != NULL) {
		out[0] = '#';
		hex_encode(v, out + 1);
	}
	return out;
}

static bool other_name(struct bytes v, struct other_name *ret, struct arena *arena)
{
	struct der d = der_of(v);
	struct der wrapped;
	struct bytes oid;
	struct bytes text;
	char dotted[ALG_OID_TEXT];

	if (!der_get(&d, DER_OID, &oid) || !der_oid_text(oid, dotted, sizeof(dotted)) ||
	    !der_enter(&d, DER_CONTEXT_CONSTRUCTED(0), &wrapped) ||
	    !der_get(&wrapped, DER_UTF8, &text)) {
		return false;
	}
	ret->oid = arena_str(arena, dotted);
	ret->utf8 = name_text(text, arena);
	return true;
}

struct san_counts {
	size_t dns, emails, uris, ips, others;
};

static bool count_names(struct der names, struct san_counts *ret)
{
	int tag;

	while (!der_at_end(&names)) {
		if (!der_get_any(&names, &tag, /* ret_content= */ NULL, /* ret_whole= */ NULL)) {
			return false;
		}
		ret->dns += tag == SAN_DNS;
		ret->emails += tag == SAN_EMAIL;
		ret->uris += tag == SAN_URI;
		ret->ips += tag == SAN_IP;
		ret->others += tag == SAN_OTHER;
	}
	return true;
}

static void read_san(struct bytes der, struct cert *c, struct arena *arena)
{
	struct der d = der_of(der);
	struct der names;
	struct san_counts n = { 0 };

	if (!der_enter(&d, DER_SEQUENCE, &names) || !count_names(names, &n)) {
		return;
	}
	const char **dns = ARENA_ARRAY(arena, const char *, n.dns);
	const char **emails = ARENA_ARRAY(arena, const char *, n.emails);
	const char **uris = ARENA_ARRAY(arena, const char *, n.uris);
	const char **ips = ARENA_ARRAY(arena, const char *, n.ips);
	struct other_name *others = ARENA_ARRAY(arena, struct other_name, n.others);
	if (arena_failed(arena)) {
		return;
	}
	n = (struct san_counts){ 0 };
	int tag;
	struct bytes v;
	while (der_get_any(&names, &tag, &v, /* ret_whole= */ NULL)) {
		if (tag == SAN_DNS) {
			dns[n.dns++] = name_text(v, arena);
		} else if (tag == SAN_EMAIL) {
			emails[n.emails++] = name_text(v, arena);
		} else if (tag == SAN_URI) {
			uris[n.uris++] = name_text(v, arena);
		} else if (tag == SAN_IP) {
			ips[n.ips++] = address_text(v, arena);
		} else if (tag == SAN_OTHER && other_name(v, &others[n.others], arena)) {
			n.others++;
		}
	}
	c->dns_names = (struct str_list){ dns, n.dns };
	c->emails = (struct str_list){ emails, n.emails };
	c->uris = (struct str_list){ uris, n.uris };
	c->ip_addresses = (struct str_list){ ips, n.ips };
	c->other_names = others;
	c->n_other_names = n.others;
}

static void read_key_usage(struct bytes der, struct cert *c)
{
	struct der d = der_of(der);
	struct bytes v;

	if (!der_get(&d, DER_BIT_STRING, &v) || v.n < 1) {
		return;
	}
	c->has_key_usage = true;
	c->key_usage = 0;
	for (unsigned bit = 0; bit < 9 && 1 + bit / 8 < v.n; bit++) {
		if ((v.p[1 + bit / 8] & (0x80u >> bit % 8)) != 0) {
			c->key_usage |= 1u << bit;
		}
	}
}

static void read_ext_usage(struct bytes der, struct cert *c)
{
	struct der d = der_of(der);
	struct der list;
	struct bytes oid;
	char text[ALG_OID_TEXT];

	if (!der_enter(&d, DER_SEQUENCE, &list)) {
		return;
	}
	while (der_get(&list, DER_OID, &oid)) {
		c->ext_usage |= der_oid_text(oid, text, sizeof(text)) ? ext_usage_from_oid(text)
		                                                      : EKU_OTHER;
	}
}

static void read_basic_constraints(struct bytes der, struct cert *c)
{
	struct der d = der_of(der);
	struct der seq;
	struct bytes flag;
	uint64_t path_len;

	if (!der_enter(&d, DER_SEQUENCE, &seq)) {
		return;
	}
	if (der_get(&seq, DER_BOOLEAN, &flag)) {
		c->is_ca = flag.n == 1 && flag.p[0] != 0;
	}
	if (c->is_ca && der_get_u64(&seq, &path_len)) {
		c->path_len = path_len > 1000 ? 1000 : (int)path_len;
	}
}

static void read_key_id(struct bytes der, struct cert *c)
{
	struct der d = der_of(der);

	(void)der_get(&d, DER_OCTET_STRING, &c->ski);
}

static void read_authority_key_id(struct bytes der, struct cert *c)
{
	struct der d = der_of(der);
	struct der seq;

	if (der_enter(&d, DER_SEQUENCE, &seq)) {
		(void)der_get(&seq, DER_CONTEXT(0), &c->aki);
	}
}

static void read_known(uint8_t id_ce, struct bytes der, struct cert *c, struct arena *arena)
{
	switch (id_ce) {
	case 14:
		read_key_id(der, c);
		break;
	case 15:
		read_key_usage(der, c);
		break;
	case 17:
		read_san(der, c, arena);
		break;
	case 19:
		read_basic_constraints(der, c);
		break;
	case 35:
		read_authority_key_id(der, c);
		break;
	case 37:
		read_ext_usage(der, c);
		break;
	default:
		break;
	}
}

/* Texts of the OIDs that nearly every certificate has, so that they cost nothing. */
static const char *oid_name(struct bytes oid, struct arena *arena)
{
	static const char *const id_ce[] = {
		[14] = OID_EXT_SKI, [15] = OID_EXT_KU,  [17] = OID_EXT_SAN,
		[19] = OID_EXT_BC,  [30] = OID_EXT_NC,  [31] = OID_EXT_CDP,
		[32] = "2.5.29.32", [35] = OID_EXT_AKI, [37] = OID_EXT_EKU,
	};
	static const uint8_t aia[] = { 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x01 };
	char text[ALG_OID_TEXT];

	if (oid.n == 3 && oid.p[0] == 0x55 && oid.p[1] == 0x1d && oid.p[2] < ARRAY_LEN(id_ce) &&
	    id_ce[oid.p[2]] != NULL) {
		return id_ce[oid.p[2]];
	}
	if (bytes_equal(oid, bytes_of(aia, sizeof(aia)))) {
		return OID_EXT_AIA;
	}
	return arena_str(arena, der_oid_text(oid, text, sizeof(text)) ? text : "unknown");
}

bool cert_ext_read(struct der *list, struct extension *ret, struct cert *c, struct arena *arena)
{
	struct der e;
	struct bytes oid;
	struct bytes flag = { 0 };

	if (!der_enter(list, DER_SEQUENCE, &e) || !der_get(&e, DER_OID, &oid)) {
		return false;
	}
	(void)der_get(&e, DER_BOOLEAN, &flag);
	if (!der_get(&e, DER_OCTET_STRING, &ret->der)) {
		return false;
	}
	ret->critical = flag.n == 1 && flag.p[0] != 0;
	ret->oid = oid_name(oid, arena);
	if (oid.n == 3 && oid.p[0] == 0x55 && oid.p[1] == 0x1d) {
		read_known(oid.p[2], ret->der, c, arena);
	}
	return true;
}
