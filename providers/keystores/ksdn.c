/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ksdn.c - only what Java has a word for in RFC 2253, as PrintableString or UTF8String, is text to
 * it; everything else is compared as octets.
 */
#include "providers/keystores/ksdn.h"

#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/der.h"
#include "reconciler/pki/dn.h"

#define AVAS_MAX 16 /* of one RDN that are sorted; more keep their order */

static bool has_word(struct bytes oid)
{
	static const char *const words[] = { "2.5.4.3",
		                             "2.5.4.10",
		                             "2.5.4.11",
		                             "2.5.4.6",
		                             "2.5.4.7",
		                             "2.5.4.8",
		                             "2.5.4.9",
		                             "0.9.2342.19200300.100.1.25",
		                             "0.9.2342.19200300.100.1.1" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (der_oid_is(oid, words[i])) {
			return true;
		}
	}
	return false;
}

static bool is_ascii(struct bytes v)
{
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] >= 0x80) {
			return false;
		}
	}
	return true;
}

/* Runs of spaces are one, none at the ends. */
static void squeeze(struct bytes v, struct buf *out)
{
	bool white = false;

	while (v.n > 0 && v.p[v.n - 1] <= ' ') {
		v.n--;
	}
	while (v.n > 0 && v.p[0] <= ' ') {
		v = bytes_of(v.p + 1, v.n - 1);
	}
	for (size_t i = 0; i < v.n; i++) {
		bool space = v.p[i] == ' ';

		if (!space || !white) {
			buf_add_byte(out, v.p[i]);
		}
		white = space;
	}
}

/* Upper case, lower case, compatibility decomposition: heap, NULL when it cannot be done. */
static uint8_t *fold(struct bytes v, size_t *ret_n)
{
	size_t upper_n = 0;
	size_t lower_n = 0;
	uint8_t *lower = NULL;
	uint8_t *folded = NULL;
	uint8_t *upper =
		u8_toupper(v.p, v.n, "en", /* nf= */ NULL, /* resultbuf= */ NULL, &upper_n);

	if (upper != NULL) {
		lower = u8_tolower(upper, upper_n, "en", /* nf= */ NULL, /* resultbuf= */ NULL,
		                   &lower_n);
	}
	if (lower != NULL) {
		folded = u8_normalize(UNINORM_NFKD, lower, lower_n, /* resultbuf= */ NULL, ret_n);
	}
	free(upper);
	free(lower);
	return folded;
}

static void add_text(struct bytes v, struct buf *out)
{
	size_t n = 0;

	if (is_ascii(v)) {
		size_t at = out->len;

		squeeze(v, out);
		for (; !out->failed && at < out->len; at++) {
			uint8_t c = out->p[at];
			out->p[at] = c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
		}
		return;
	}
	CLEANUP(buf_release) struct buf squeezed = { 0 };
	buf_init(&squeezed, out->limit);
	squeeze(v, &squeezed);
	uint8_t *folded = fold(buf_view(&squeezed), &n);
	if (folded == NULL) {
		out->failed = true;
		return;
	}
	buf_add(out, folded, n);
	free(folded);
}

static void add_attribute(const struct dn_attr *attr, struct buf *out)
{
	bool text = (attr->tag == DER_PRINTABLE || attr->tag == DER_UTF8) && has_word(attr->oid) &&
	            (attr->value.n == 0 || str_is_utf8((const char *)attr->value.p, attr->value.n));

	buf_add_bytes(out, attr->oid);
	buf_add_byte(out, text ? '=' : '#');
	if (text) {
		add_text(attr->value, out);
	} else {
		buf_add_bytes(out, attr->whole);
	}
}

static int compare(const void *a, const void *b)
{
	return bytes_compare(*(const struct bytes *)a, *(const struct bytes *)b);
}

/* One RDN; its attributes in an order of their own. */
static void add_rdn(struct bytes *avas, size_t n, struct buf *out)
{
	if (n > 1) {
		qsort(avas, n, sizeof(*avas), compare);
	}
	for (size_t i = 0; i < n; i++) {
		buf_add_u32be(out, (uint32_t)avas[i].n);
		buf_add_bytes(out, avas[i]);
	}
	buf_add_u32be(out, UINT32_MAX);
}

void ks_dn_canonical(struct bytes dn, struct buf *out)
{
	CLEANUP(buf_release) struct buf texts = { 0 };
	size_t starts[AVAS_MAX + 1];
	struct bytes avas[AVAS_MAX];
	size_t n = 0;
	size_t rdn = 0;
	struct dn_iter it = dn_iter_of(dn);

	buf_init(&texts, out->limit);
	for (bool more = dn_next(&it);; more = dn_next(&it)) {
		if (n != 0 && (!more || it.attr.rdn != rdn || n == AVAS_MAX)) {
			starts[n] = texts.len;
			for (size_t i = 0; i < n; i++) {
				avas[i] = bytes_of(texts.p + starts[i], starts[i + 1] - starts[i]);
			}
			add_rdn(avas, n, out);
			buf_reset(&texts);
			n = 0;
		}
		if (!more || texts.failed) {
			break;
		}
		rdn = it.attr.rdn;
		starts[n++] = texts.len;
		add_attribute(&it.attr, &texts);
	}
	out->failed = out->failed || texts.failed;
}
