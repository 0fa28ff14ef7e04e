/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spec_digest.c - the digest of a specification, in canonical order.
 *
 * A pass over a fleet computes one for every identity, so it is the cost of finding nothing to do:
 * numbers are short, the hash is fed in long runs, and lists of usual length are sorted in place.
 */
#include <nettle/sha2.h>
#include <string.h>

#include "reconciler/base/str.h"
#include "reconciler/pki/names.h"
#include "reconciler/pki/spec.h"

#define FEW 32u /* names sorted at once */

/* What is hashed, gathered so that the hash is fed in long runs. */
struct feed {
	struct sha256_ctx ctx;
	size_t n;
	uint8_t at[512];
};

static void feed_octets(struct feed *f, const uint8_t *p, size_t n)
{
	if (n > sizeof(f->at) - f->n) {
		sha256_update(&f->ctx, f->n, f->at);
		f->n = 0;
	}
	if (n > sizeof(f->at)) {
		sha256_update(&f->ctx, n, p);
	} else if (n > 0) {
		memcpy(f->at + f->n, p, n);
		f->n += n;
	}
}

/* Small numbers, which is nearly all of them, are one octet. */
static void feed_u64(struct feed *f, uint64_t v)
{
	uint8_t octets[9] = { 0xff };

	if (v < octets[0]) {
		octets[0] = (uint8_t)v;
		feed_octets(f, octets, 1);
		return;
	}
	for (size_t i = sizeof(octets); i-- > 1; v >>= 8) {
		octets[i] = (uint8_t)(v & 0xff);
	}
	feed_octets(f, octets, sizeof(octets));
}

static void feed_bytes(struct feed *f, struct bytes v)
{
	feed_u64(f, v.n);
	feed_octets(f, v.p, v.n);
}

static void feed_text(struct feed *f, const char *s)
{
	feed_bytes(f, bytes_of_str(s != NULL ? s : "")); /* empty is not written */
}

static void feed_lower(struct feed *f, const char *s)
{
	size_t n = strlen(s);

	feed_u64(f, n);
	while (n > 0) {
		uint8_t lower[256];
		size_t part = n < sizeof(lower) ? n : sizeof(lower);
		for (size_t i = 0; i < part; i++) {
			lower[i] = (uint8_t)(s[i] >= 'A' && s[i] <= 'Z' ? s[i] - 'A' + 'a' : s[i]);
		}
		feed_octets(f, lower, part);
		s += part;
		n -= part;
	}
}

static void feed_ip(struct feed *f, const char *s)
{
	struct ip_addr ip;

	if (ip_parse(s, &ip)) {
		feed_bytes(f, ip_bytes(&ip));
	} else {
		feed_lower(f, s);
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
	void (*feed)(struct feed *f, const char *s);
};
static const struct feed_kind feed_exact = { strcmp, feed_text };
static const struct feed_kind feed_folded = { str_casecmp_ascii, feed_lower };
static const struct feed_kind feed_address = { compare_ip, feed_ip };

/* Sorted, each once. false: more than fit. */
static bool sort_few(struct str_list list, const struct feed_kind *kind, const char **v,
                     size_t *ret_n)
{
	size_t n = 0;

	if (list.n > FEW) {
		return false;
	}
	for (size_t i = 0; i < list.n; i++) {
		size_t to = n;
		int c = -1;
		while (to > 0 && (c = kind->compare(v[to - 1], list.v[i])) > 0) {
			to--;
		}
		if (to > 0 && c == 0) {
			continue;
		}
		memmove(&v[to + 1], &v[to], (n - to) * sizeof(*v));
		v[to] = list.v[i];
		n++;
	}
	*ret_n = n;
	return true;
}

/* Hashing cannot fail, so there is no memory to sort in: the next larger one is looked for. */
static void feed_many(struct feed *f, struct str_list list, const struct feed_kind *kind)
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
		feed_u64(f, next != NULL);
		if (next != NULL) {
			kind->feed(f, next);
		}
		last = next;
	} while (next != NULL);
}

static void feed_set(struct feed *f, struct str_list list, const struct feed_kind *kind)
{
	const char *sorted[FEW + 1];
	size_t n = 0;

	if (list.n == 0) {
		feed_u64(f, 0);
		return;
	}
	if (!sort_few(list, kind, sorted, &n)) {
		feed_many(f, list, kind);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		feed_u64(f, 1);
		kind->feed(f, sorted[i]);
	}
	feed_u64(f, 0);
}

static void feed_subject(struct feed *f, const struct subject *s)
{
	feed_text(f, s->literal);
	feed_text(f, s->common_name);
	feed_text(f, s->serial_number);
	feed_set(f, s->organizations, &feed_exact);
	feed_set(f, s->countries, &feed_exact);
	feed_set(f, s->organizational_units, &feed_exact);
	feed_set(f, s->localities, &feed_exact);
	feed_set(f, s->provinces, &feed_exact);
	feed_set(f, s->street_addresses, &feed_exact);
	feed_set(f, s->postal_codes, &feed_exact);
}

static int compare_other_name(const struct other_name *a, const struct other_name *b)
{
	int c = strcmp(a->oid, b->oid);

	return c != 0 ? c : strcmp(a->utf8, b->utf8);
}

static void feed_other_names(struct feed *f, const struct other_name *v, size_t n)
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
		feed_u64(f, next != NULL);
		if (next != NULL) {
			feed_text(f, next->oid);
			feed_text(f, next->utf8);
		}
		last = next;
	} while (next != NULL);
}

/* OIDs are unique within a certificate, so ascending order is a total one. */
static void feed_extensions(struct feed *f, const struct extension *v, size_t n)
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
		feed_u64(f, next != NULL);
		if (next != NULL) {
			feed_text(f, next->oid);
			feed_u64(f, next->critical);
			feed_bytes(f, next->der);
		}
		last = next;
	} while (next != NULL);
}

static void feed_constraints(struct feed *f, const struct name_constraints *nc)
{
	feed_u64(f, nc != NULL);
	if (nc == NULL) {
		return;
	}
	feed_u64(f, nc->critical);
	feed_set(f, nc->permitted_dns, &feed_folded);
	feed_set(f, nc->permitted_ips, &feed_folded);
	feed_set(f, nc->permitted_emails, &feed_exact);
	feed_set(f, nc->permitted_uris, &feed_exact);
	feed_set(f, nc->excluded_dns, &feed_folded);
	feed_set(f, nc->excluded_ips, &feed_folded);
	feed_set(f, nc->excluded_emails, &feed_exact);
	feed_set(f, nc->excluded_uris, &feed_exact);
}

/* So little that it is its own digest. */
static void digest_of_key(const struct key_spec *key, uint8_t ret[32])
{
	unsigned bits = key->algorithm == KEY_ED25519 ? 0 : key->bits;

	memset(ret, 0, 32);
	ret[0] = 1; /* never all zero: that stands for none */
	ret[1] = (uint8_t)key->algorithm;
	for (size_t i = 2; i < 6; i++, bits >>= 8) {
		ret[i] = (uint8_t)(bits & 0xff);
	}
}

void cert_spec_digest(const struct cert_spec *spec, struct spec_digest *ret)
{
	struct feed f;
	uint32_t key_usage;
	uint32_t ext_usage;

	(void)cert_spec_usages(spec, &key_usage, &ext_usage);
	f.n = 0;
	sha256_init(&f.ctx);
	feed_subject(&f, &spec->subject);
	feed_set(&f, spec->dns_names, &feed_folded);
	feed_set(&f, spec->ip_addresses, &feed_address);
	feed_set(&f, spec->uris, &feed_exact);
	feed_set(&f, spec->emails, &feed_exact);
	feed_other_names(&f, spec->other_names, spec->n_other_names);
	feed_u64(&f, spec->is_ca);
	feed_u64(&f, (uint64_t)(spec->is_ca ? spec->path_len + 1 : 0));
	feed_u64(&f, key_usage);
	feed_u64(&f, ext_usage);
	feed_constraints(&f, spec->name_constraints);
	feed_extensions(&f, spec->extensions, spec->n_extensions);
	sha256_update(&f.ctx, f.n, f.at);
	sha256_digest(&f.ctx, sizeof(ret->request), ret->request);
	digest_of_key(&spec->key, ret->key);
}
