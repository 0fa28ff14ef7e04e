/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spec.c - usage words and the canonical digest.
 *
 * Lists are sets: the digest feeds them in ascending order, each value once, by looking for the
 * next greater value again and again. Quadratic, but lists are short and nothing is allocated, so
 * the digest cannot fail.
 */
#include "reconciler/pki/spec.h"

#include <nettle/sha2.h>
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/names.h"

struct usage_word {
	const char *word;
	uint32_t key, ext;
};

static const struct usage_word usage_table[] = {
	{ "signing", KU_DIGITAL_SIGNATURE, 0 },
	{ "digital signature", KU_DIGITAL_SIGNATURE, 0 },
	{ "content commitment", KU_CONTENT_COMMITMENT, 0 },
	{ "key encipherment", KU_KEY_ENCIPHERMENT, 0 },
	{ "key agreement", KU_KEY_AGREEMENT, 0 },
	{ "data encipherment", KU_DATA_ENCIPHERMENT, 0 },
	{ "cert sign", KU_CERT_SIGN, 0 },
	{ "crl sign", KU_CRL_SIGN, 0 },
	{ "encipher only", KU_ENCIPHER_ONLY, 0 },
	{ "decipher only", KU_DECIPHER_ONLY, 0 },
	{ "any", 0, EKU_ANY },
	{ "server auth", 0, EKU_SERVER_AUTH },
	{ "client auth", 0, EKU_CLIENT_AUTH },
	{ "code signing", 0, EKU_CODE_SIGNING },
	{ "email protection", 0, EKU_EMAIL_PROTECTION },
	{ "s/mime", 0, EKU_EMAIL_PROTECTION },
	{ "ipsec end system", 0, EKU_IPSEC_END_SYSTEM },
	{ "ipsec tunnel", 0, EKU_IPSEC_TUNNEL },
	{ "ipsec user", 0, EKU_IPSEC_USER },
	{ "timestamping", 0, EKU_TIMESTAMPING },
	{ "ocsp signing", 0, EKU_OCSP_SIGNING },
	{ "microsoft sgc", 0, EKU_MICROSOFT_SGC },
	{ "netscape sgc", 0, EKU_NETSCAPE_SGC },
};

const char *const usage_words[] = {
	"signing",
	"digital signature",
	"content commitment",
	"key encipherment",
	"key agreement",
	"data encipherment",
	"cert sign",
	"crl sign",
	"encipher only",
	"decipher only",
	"any",
	"server auth",
	"client auth",
	"code signing",
	"email protection",
	"s/mime",
	"ipsec end system",
	"ipsec tunnel",
	"ipsec user",
	"timestamping",
	"ocsp signing",
	"microsoft sgc",
	"netscape sgc",
};
const size_t usage_words_n = ARRAY_LEN(usage_words);
_Static_assert(ARRAY_LEN(usage_words) == ARRAY_LEN(usage_table), "one word, one meaning");

bool usage_from_word(const char *word, uint32_t *key_usage, uint32_t *ext_usage)
{
	for (size_t i = 0; i < ARRAY_LEN(usage_table); i++) {
		if (strcmp(usage_table[i].word, word) == 0) {
			*key_usage |= usage_table[i].key;
			*ext_usage |= usage_table[i].ext;
			return true;
		}
	}
	return false;
}

static const struct ext_usage_oid {
	uint32_t bit;
	const char *oid;
} ext_usage_oids[] = {
	{ EKU_ANY, "2.5.29.37.0" },
	{ EKU_SERVER_AUTH, "1.3.6.1.5.5.7.3.1" },
	{ EKU_CLIENT_AUTH, "1.3.6.1.5.5.7.3.2" },
	{ EKU_CODE_SIGNING, "1.3.6.1.5.5.7.3.3" },
	{ EKU_EMAIL_PROTECTION, "1.3.6.1.5.5.7.3.4" },
	{ EKU_IPSEC_END_SYSTEM, "1.3.6.1.5.5.7.3.5" },
	{ EKU_IPSEC_TUNNEL, "1.3.6.1.5.5.7.3.6" },
	{ EKU_IPSEC_USER, "1.3.6.1.5.5.7.3.7" },
	{ EKU_TIMESTAMPING, "1.3.6.1.5.5.7.3.8" },
	{ EKU_OCSP_SIGNING, "1.3.6.1.5.5.7.3.9" },
	{ EKU_MICROSOFT_SGC, "1.3.6.1.4.1.311.10.3.3" },
	{ EKU_NETSCAPE_SGC, "2.16.840.1.113730.4.1" },
};

const char *ext_usage_oid(uint32_t bit)
{
	for (size_t i = 0; i < ARRAY_LEN(ext_usage_oids); i++) {
		if (ext_usage_oids[i].bit == bit) {
			return ext_usage_oids[i].oid;
		}
	}
	return NULL;
}

uint32_t ext_usage_from_oid(const char *oid)
{
	for (size_t i = 0; i < ARRAY_LEN(ext_usage_oids); i++) {
		if (strcmp(ext_usage_oids[i].oid, oid) == 0) {
			return ext_usage_oids[i].bit;
		}
	}
	return EKU_OTHER;
}

bool cert_spec_usages(const struct cert_spec *spec, uint32_t *ret_key_usage,
                      uint32_t *ret_ext_usage)
{
	uint32_t key = spec->key_usage;
	uint32_t ext = spec->ext_usage;
	bool defaulted = key == 0 && ext == 0;

	if (defaulted && spec->is_ca) {
		key = KU_CRL_SIGN;
	} else if (defaulted) {
		key = KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT;
		ext = EKU_SERVER_AUTH;
	}
	if (spec->is_ca) {
		key |= KU_CERT_SIGN;
	}
	if (spec->key.algorithm != KEY_RSA) {
		/* Only RSA keys encipher; linters and some peers reject the bit elsewhere. */
		key &= ~(uint32_t)(KU_KEY_ENCIPHERMENT | KU_DATA_ENCIPHERMENT);
	}
	*ret_key_usage = key;
	*ret_ext_usage = ext;
	return defaulted;
}

static void feed_u64(struct sha256_ctx *ctx, uint64_t v)
{
	uint8_t octets[8];

	for (size_t i = sizeof(octets); i-- > 0; v >>= 8) {
		octets[i] = (uint8_t)(v & 0xff);
	}
	sha256_update(ctx, sizeof(octets), octets);
}

static void feed_bytes(struct sha256_ctx *ctx, struct bytes v)
{
	feed_u64(ctx, v.n);
	sha256_update(ctx, v.n, v.p);
}

static void feed_text(struct sha256_ctx *ctx, const char *s)
{
	feed_bytes(ctx, bytes_of_str(s != NULL ? s : "")); /* empty is not written */
}

static void feed_lower(struct sha256_ctx *ctx, const char *s)
{
	feed_u64(ctx, strlen(s));
	for (; *s != '\0'; s++) {
		uint8_t c = (uint8_t)(*s >= 'A' && *s <= 'Z' ? *s - 'A' + 'a' : *s);
		sha256_update(ctx, 1, &c);
	}
}

static void feed_ip(struct sha256_ctx *ctx, const char *s)
{
	struct ip_addr ip;

	if (ip_parse(s, &ip)) {
		feed_bytes(ctx, ip_bytes(&ip));
	} else {
		feed_lower(ctx, s);
	}
}

static int compare_ip(const char *a, const char *b)
{
	struct ip_addr x;
	struct ip_addr y;

	if (ip_parse(a, &x) && ip_parse(b, &y)) {
		return bytes_compare(ip_bytes(&x), ip_bytes(&y));
	}
	return str_casecmp_ascii(a, b);
}

struct feed_kind {
	int (*compare)(const char *a, const char *b);
	void (*feed)(struct sha256_ctx *ctx, const char *s);
};
static const struct feed_kind feed_exact = { strcmp, feed_text };
static const struct feed_kind feed_folded = { str_casecmp_ascii, feed_lower };
static const struct feed_kind feed_address = { compare_ip, feed_ip };

static void feed_set(struct sha256_ctx *ctx, struct str_list list, const struct feed_kind *kind)
{
	const char *last = NULL;
	const char *next = NULL;

	do {
		next = NULL;
		for (size_t i = 0; i < list.n; i++) {
			if ((last == NULL || kind->compare(list.v[i], last) > 0) &&
			    (next == NULL || kind->compare(list.v[i], next) < 0)) {
				next = list.v[i];
			}
		}
		feed_u64(ctx, next != NULL);
		if (next != NULL) {
			kind->feed(ctx, next);
		}
		last = next;
	} while (next != NULL);
}

static void feed_subject(struct sha256_ctx *ctx, const struct subject *s)
{
	feed_text(ctx, s->literal);
	feed_text(ctx, s->common_name);
	feed_text(ctx, s->serial_number);
	feed_set(ctx, s->organizations, &feed_exact);
	feed_set(ctx, s->countries, &feed_exact);
	feed_set(ctx, s->organizational_units, &feed_exact);
	feed_set(ctx, s->localities, &feed_exact);
	feed_set(ctx, s->provinces, &feed_exact);
	feed_set(ctx, s->street_addresses, &feed_exact);
	feed_set(ctx, s->postal_codes, &feed_exact);
}

static int compare_other_name(const struct other_name *a, const struct other_name *b)
{
	int c = strcmp(a->oid, b->oid);

	return c != 0 ? c : strcmp(a->utf8, b->utf8);
}

static void feed_other_names(struct sha256_ctx *ctx, const struct other_name *v, size_t n)
{
	const struct other_name *last = NULL;
	const struct other_name *next = NULL;

	do {
		next = NULL;
		for (size_t i = 0; i < n; i++) {
			if ((last == NULL || compare_other_name(&v[i], last) > 0) &&
			    (next == NULL || compare_other_name(&v[i], next) < 0)) {
				next = &v[i];
			}
		}
		feed_u64(ctx, next != NULL);
		if (next != NULL) {
			feed_text(ctx, next->oid);
			feed_text(ctx, next->utf8);
		}
		last = next;
	} while (next != NULL);
}

/* OIDs are unique within a certificate, so ascending order is a total one. */
static void feed_extensions(struct sha256_ctx *ctx, const struct extension *v, size_t n)
{
	const struct extension *last = NULL;
	const struct extension *next = NULL;

	do {
		next = NULL;
		for (size_t i = 0; i < n; i++) {
			if ((last == NULL || strcmp(v[i].oid, last->oid) > 0) &&
			    (next == NULL || strcmp(v[i].oid, next->oid) < 0)) {
				next = &v[i];
			}
		}
		feed_u64(ctx, next != NULL);
		if (next != NULL) {
			feed_text(ctx, next->oid);
			feed_u64(ctx, next->critical);
			feed_bytes(ctx, next->der);
		}
		last = next;
	} while (next != NULL);
}

static void feed_constraints(struct sha256_ctx *ctx, const struct name_constraints *nc)
{
	feed_u64(ctx, nc != NULL);
	if (nc == NULL) {
		return;
	}
	feed_u64(ctx, nc->critical);
	feed_set(ctx, nc->permitted_dns, &feed_folded);
	feed_set(ctx, nc->permitted_ips, &feed_folded);
	feed_set(ctx, nc->permitted_emails, &feed_exact);
	feed_set(ctx, nc->permitted_uris, &feed_exact);
	feed_set(ctx, nc->excluded_dns, &feed_folded);
	feed_set(ctx, nc->excluded_ips, &feed_folded);
	feed_set(ctx, nc->excluded_emails, &feed_exact);
	feed_set(ctx, nc->excluded_uris, &feed_exact);
}

void cert_spec_digest(const struct cert_spec *spec, struct spec_digest *ret)
{
	struct sha256_ctx ctx;
	uint32_t key_usage;
	uint32_t ext_usage;

	(void)cert_spec_usages(spec, &key_usage, &ext_usage);
	sha256_init(&ctx);
	feed_subject(&ctx, &spec->subject);
	feed_set(&ctx, spec->dns_names, &feed_folded);
	feed_set(&ctx, spec->ip_addresses, &feed_address);
	feed_set(&ctx, spec->uris, &feed_exact);
	feed_set(&ctx, spec->emails, &feed_exact);
	feed_other_names(&ctx, spec->other_names, spec->n_other_names);
	feed_u64(&ctx, spec->is_ca);
	feed_u64(&ctx, (uint64_t)(spec->is_ca ? spec->path_len + 1 : 0));
	feed_u64(&ctx, key_usage);
	feed_u64(&ctx, ext_usage);
	feed_constraints(&ctx, spec->name_constraints);
	feed_extensions(&ctx, spec->extensions, spec->n_extensions);
	sha256_digest(&ctx, sizeof(ret->request), ret->request);

	sha256_init(&ctx);
	feed_u64(&ctx, spec->key.algorithm);
	feed_u64(&ctx, spec->key.algorithm == KEY_ED25519 ? 0 : spec->key.bits);
	sha256_digest(&ctx, sizeof(ret->key), ret->key);
}
