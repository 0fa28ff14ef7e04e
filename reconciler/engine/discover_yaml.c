/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * discover_yaml.c - what was found as Certificates that monitor it: one per certificate, with every
 * endpoint that serves it; one file per issuing CA.
 *
 * Names out of foreign certificates are written only where they are names; nothing else of them
 * gets into a file, or into the name of one.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/json.h"
#include "reconciler/base/str.h"
#include "reconciler/base/when.h"
#include "reconciler/engine/discover.h"
#include "reconciler/pki/names.h"
#include "reconciler/pki/pki.h"

#define NAME_MAX_CHARS 60u
#define CN_MAX         64u
#define FILE_LIMIT     ((size_t)15 << 20)

struct writer {
	const struct discovery *d;
	struct arena *arena;
	struct wall now;
	const struct found **v; /* by issuer, then certificate */
	size_t n;
	struct {
		struct discover_file *v;
		size_t n, cap;
	} files;
};

static struct bytes issuer_of(const struct found *f, struct arena *arena)
{
	const struct cert *c = seen_cert_parse(f->served.v[0], arena);

	return c == NULL ? (struct bytes){ 0 } : c->issuer_der;
}

struct sorted {
	const struct found *f;
	struct bytes issuer;
};

static int by_issuer(const void *pa, const void *pb)
{
	const struct sorted *a = pa;
	const struct sorted *b = pb;
	int c = bytes_compare(a->issuer, b->issuer);

	c = c != 0 ? c : memcmp(a->f->served.v[0]->sha256, b->f->served.v[0]->sha256, SHA256_BYTES);
	return c != 0 ? c : (a->f < b->f ? -1 : a->f > b->f);
}

static bool collect(struct writer *w)
{
	const struct discovery *d = w->d;
	struct sorted *v = ARENA_ARRAY(w->arena, struct sorted, d->found.n + 1);

	w->v = ARENA_ARRAY(w->arena, const struct found *, d->found.n + 1);
	if (v == NULL || w->v == NULL) {
		return false;
	}
	for (size_t i = 0; i < d->found.n; i++) {
		if (d->found.v[i].served.n > 0) {
			v[w->n++] =
				(struct sorted){ .f = &d->found.v[i],
				                 .issuer = issuer_of(&d->found.v[i], w->arena) };
		}
	}
	if (w->n > 1) {
		qsort(v, w->n, sizeof(*v), by_issuer);
	}
	for (size_t i = 0; i < w->n; i++) {
		w->v[i] = v[i].f;
	}
	return true;
}

static bool plain_text(const char *s)
{
	for (const char *p = s; *p != '\0'; p++) {
		if (*p < 0x20 || *p > 0x7E) {
			return false;
		}
	}
	return s[0] != '\0';
}

static void quoted(struct buf *out, const char *s)
{
	struct json_writer w;

	/* A JSON string of printable ASCII is the same string in double quotes in YAML. */
	json_writer_init(&w, out, /* pretty= */ false);
	json_str(&w, s);
}

/* "web.dc1.example-3f9ac1d2": readable, and never the same for two certificates. */
static void put_name(struct buf *out, const struct cert *c)
{
	char hex[2 * SHA256_BYTES + 1];
	const char *from = c->dns_names.n > 0 ? c->dns_names.v[0] : c->common_name;
	size_t n = 0;

	for (const char *p = from; *p != '\0' && n < NAME_MAX_CHARS; p++) {
		int ch = tolower((unsigned char)*p);
		bool fine = (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9');

		if (fine || (n > 0 && (ch == '.' || ch == '-'))) {
			buf_add_byte(out, (uint8_t)ch);
			n++;
		}
	}
	hex_encode(bytes_of(c->sha256, SHA256_BYTES), hex);
	buf_printf(out, "%s%.12s", n == 0 ? "certificate-" : "-", hex);
}

static void put_names(struct buf *out, const struct cert *c)
{
	size_t n = 0;

	if (plain_text(c->common_name) && strlen(c->common_name) <= CN_MAX) {
		buf_add_str(out, "  commonName: ");
		quoted(out, c->common_name);
		buf_add_byte(out, '\n');
	}
	for (size_t i = 0; i < c->dns_names.n; i++) {
		if (dns_name_valid(c->dns_names.v[i])) {
			buf_add_str(out, n++ == 0 ? "  dnsNames:\n    - " : "    - ");
			quoted(out, c->dns_names.v[i]);
			buf_add_byte(out, '\n');
		}
	}
	n = 0;
	for (size_t i = 0; i < c->ip_addresses.n; i++) {
		buf_add_str(out, n++ == 0 ? "  ipAddresses:\n    - " : "    - ");
		quoted(out, c->ip_addresses.v[i]);
		buf_add_byte(out, '\n');
	}
}

/* The name to ask for where the endpoint was found by one that the certificate does not have. */
static const char *name_to_ask(const struct cert *c, const char *host)
{
	if (cert_covers(c, host)) {
		return NULL;
	}
	for (size_t i = 0; i < c->dns_names.n; i++) {
		if (dns_name_valid(c->dns_names.v[i]) && c->dns_names.v[i][0] != '*') {
			return c->dns_names.v[i];
		}
	}
	return NULL;
}

static void put_endpoint(struct buf *out, const struct cert *c, const struct found *f)
{
	const char *name = name_to_ask(c, f->place->host);

	buf_add_str(out, "      - host: ");
	quoted(out, f->place->host);
	buf_printf(out, "\n        port: %d\n", f->place->port);
	if (name != NULL) {
		buf_add_str(out, "        serverName: ");
		quoted(out, name);
		buf_add_byte(out, '\n');
	}
	if (f->starttls != NULL) {
		buf_printf(out, "        starttls: %s\n", f->starttls);
	}
}

/* Returns how many rows show this certificate. */
static size_t put_certificate(struct writer *w, size_t at, struct buf *out)
{
	const struct seen_cert *seen = w->v[at]->served.v[0];
	const struct cert *c = seen_cert_parse(seen, w->arena);
	struct civil day = when_civil(w->now);
	size_t n = 0;

	if (c != NULL) {
		buf_add_str(out, "---\napiVersion: certwright/v1\nkind: Certificate\nmetadata:\n"
		                 "  name: ");
		put_name(out, c);
		buf_printf(out, "\n  labels: {discovered: \"%04d-%02d-%02d\"}\n", day.year,
		           day.month, day.day);
		buf_add_str(out, "spec:\n  mode: Monitored\n");
		put_names(out, c);
		buf_add_str(out, "  monitor:\n    endpoints:\n");
	}
	while (at + n < w->n && w->v[at + n]->served.v[0] == seen) {
		if (c != NULL) {
			put_endpoint(out, c, w->v[at + n]);
		}
		n++;
	}
	return n;
}

static bool same_issuer(struct writer *w, size_t a, size_t b)
{
	return bytes_equal(issuer_of(w->v[a], w->arena), issuer_of(w->v[b], w->arena));
}

static bool put_file(struct writer *w, size_t from, size_t part, struct buf *text)
{
	struct discover_file *f = ARENA_PUSH(w->arena, &w->files);
	struct bytes issuer = issuer_of(w->v[from], w->arena);
	char hex[2 * SHA256_BYTES + 1];
	uint8_t sha256[SHA256_BYTES];

	pki_sha256(issuer.p, issuer.n, sha256);
	hex_encode(bytes_of(sha256, SHA256_BYTES), hex);
	if (f == NULL) {
		return false;
	}
	*f = (struct discover_file){
		.name = part == 0 ? arena_printf(w->arena, "issuer-%.12s.yaml", hex)
		                  : arena_printf(w->arena, "issuer-%.12s-%zu.yaml", hex, part),
		.text = arena_bytes(w->arena, buf_view(text)),
	};
	buf_reset(text);
	return !arena_failed(w->arena);
}

static void put_head(struct writer *w, size_t at, struct buf *out)
{
	const struct cert *c = seen_cert_parse(w->v[at]->served.v[0], w->arena);

	buf_add_str(out, "# What certwright discover found, issued by\n#   ");
	if (c != NULL) {
		str_escape_terminal(out, c->issuer, strlen(c->issuer));
	}
	buf_add_byte(out, '\n');
}

enum err_code discover_yaml(const struct discovery *d, struct wall now,
                            const struct discover_file **ret, size_t *ret_n, struct err *err)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	struct writer w = { .d = d, .arena = d->arena, .now = now };
	size_t part = 0;

	buf_init(&text, BUF_LIMIT_TEXT);
	if (!collect(&w)) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < w.n;) {
		size_t first = i;

		if (text.len == 0) {
			put_head(&w, i, &text);
		}
		i += put_certificate(&w, i, &text);
		bool ends = i == w.n || !same_issuer(&w, first, i);
		if ((ends || text.len > FILE_LIMIT) && !put_file(&w, first, part, &text)) {
			return err_nomem(err);
		}
		part = ends ? 0 : text.len == 0 ? part + 1 : part;
	}
	enum err_code rc = buf_check(&text, "YAML of what was found", err);
	if (rc == ERR_OK) {
		*ret = w.files.v;
		*ret_n = w.files.n;
	}
	return rc;
}
