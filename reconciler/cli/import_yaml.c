/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * import_yaml.c - see import_yaml.h.
 */
#include "reconciler/cli/import_yaml.h"

#include <ctype.h>
#include <string.h>

#include "reconciler/base/str.h"
#include "reconciler/base/when.h"

#define NAME_MAX_LEN   253
#define CN_MAX         64
#define HOUR           INT64_C(3600)
#define DURATION_MAX_S (INT64_C(36500) * 86400)
#define RSA_LEAST      2048

const char *import_kind_name(enum import_kind k)
{
	return k == IMPORT_CA_SET ? "CASet" : "Certificate";
}

static bool name_octet(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static const char *as_name(struct arena *a, const char *s)
{
	bool star = s[0] == '*';
	char *v = arena_printf(a, "%s%s", star ? "wildcard" : "", star ? s + 1 : s);
	size_t n = 0;

	if (v == NULL) {
		return NULL;
	}
	str_lower_ascii(v);
	for (const char *at = v; *at != '\0' && n < NAME_MAX_LEN; at++) {
		char c = *at;
		if (!name_octet(c) && c != '.') {
			c = '-';
		}
		/* One for a run of what is not fine, and none at the beginning. */
		if (name_octet(c) || (n > 0 && name_octet(v[n - 1]))) {
			v[n++] = c;
		}
	}
	while (n > 0 && !name_octet(v[n - 1])) {
		n--;
	}
	v[n] = '\0';
	return v;
}

const char *import_name(struct arena *a, const struct import_object *o)
{
	const struct cert *leaf = o->piece == NULL ? NULL : o->piece->chain.v[0];
	const char *from[] = {
		leaf == NULL ? "" : leaf->common_name,
		leaf == NULL || leaf->dns_names.n == 0 ? "" : leaf->dns_names.v[0],
		o->alias,
		material_stem(a, o->file),
	};

	for (size_t i = 0; i < ARRAY_LEN(from); i++) {
		const char *name = from[i] == NULL ? NULL : as_name(a, from[i]);
		if (name == NULL || name[0] != '\0') {
			return name;
		}
	}
	return "imported";
}

static bool is_plain(const char *s)
{
	static const char *const words[] = { "true", "false", "yes", "no", "on",
		                             "off",  "null",  "y",   "n" };

	if (!isalpha((unsigned char)s[0])) {
		return false;
	}
	for (const char *p = s; *p != '\0'; p++) {
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '.' && *p != '_') {
			return false;
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (str_casecmp_ascii(s, words[i]) == 0) {
			return false;
		}
	}
	return true;
}

/* Letters of every script stay readable, unless they are invisible or turn the direction. */
static bool may_stand(uint32_t c)
{
	return c >= 0x20 && c != 0x7f && !(c >= 0x80 && c < 0xa0) && !(c >= 0x2000 && c < 0x2070) &&
	       c != 0x61c && c != 0xfeff;
}

static void add_text(struct buf *out, const char *s)
{
	size_t left = strlen(s);

	if (is_plain(s)) {
		buf_add_str(out, s);
		return;
	}
	buf_add_byte(out, '"');
	while (left > 0) {
		uint32_t c = 0xfffd;
		size_t n = str_utf8_decode(s, left, &c);
		size_t step = n == 0 ? 1 : n;

		if (c == '"' || c == '\\') {
			buf_printf(out, "\\%c", (char)c);
		} else if (n == 0 || !may_stand(c)) {
			buf_printf(out, "\\U%08X", c);
		} else {
			buf_add(out, s, n);
		}
		s += step;
		left -= step;
	}
	buf_add_byte(out, '"');
}

static void add_line(struct buf *out, const char *key, const char *value)
{
	buf_printf(out, "  %s: ", key);
	add_text(out, value);
	buf_add_byte(out, '\n');
}

static void add_list(struct buf *out, const char *key, const struct str_list *list)
{
	if (list->n == 0) {
		return;
	}
	buf_printf(out, "  %s: [", key);
	for (size_t i = 0; i < list->n; i++) {
		buf_add_str(out, i == 0 ? "" : ", ");
		add_text(out, list->v[i]);
	}
	buf_add_str(out, "]\n");
}

static void add_other_names(struct buf *out, const struct cert *c)
{
	for (size_t i = 0; i < c->n_other_names; i++) {
		buf_printf(out, "%s    - {oid: ", i == 0 ? "  otherNames:\n" : "");
		add_text(out, c->other_names[i].oid);
		buf_add_str(out, ", utf8Value: ");
		add_text(out, c->other_names[i].utf8);
		buf_add_str(out, "}\n");
	}
}

static void add_subject(struct buf *out, const struct cert *c)
{
	size_t n = strlen(c->common_name);
	bool alone = str_starts(c->subject, "CN=") && str_equal(c->subject + 3, c->common_name);

	if (alone && n > 0 && n <= CN_MAX) {
		add_line(out, "commonName", c->common_name);
	} else if (c->subject[0] != '\0') {
		add_line(out, "literalSubject", c->subject);
	}
}

static void add_usages(struct buf *out, const struct cert *c)
{
	uint32_t ku = 0;
	uint32_t eku = 0;
	size_t n = 0;

	for (size_t i = 0; i < usage_words_n; i++) {
		uint32_t k = 0;
		uint32_t e = 0;
		if (!usage_from_word(usage_words[i], &k, &e) ||
		    str_equal(usage_words[i], "signing") || (k & c->key_usage) != k ||
		    (e & c->ext_usage) != e || ((k & ~ku) == 0 && (e & ~eku) == 0)) {
			continue;
		}
		ku |= k;
		eku |= e;
		buf_printf(out, "%s%s", n++ == 0 ? "  usages: [" : ", ", usage_words[i]);
	}
	buf_add_str(out, n == 0 ? "" : "]\n");
}

static void add_key(struct buf *out, const struct cert *c)
{
	bool rsa = str_equal(c->key_algorithm, "RSA") && c->key_bits >= RSA_LEAST;
	bool ec = str_equal(c->key_algorithm, "ECDSA") &&
	          (c->key_bits == 256 || c->key_bits == 384 || c->key_bits == 521);

	if (rsa || ec) {
		buf_printf(out, "  privateKey: {algorithm: %s, size: %u}\n", c->key_algorithm,
		           c->key_bits);
	} else if (str_equal(c->key_algorithm, "Ed25519")) {
		buf_add_str(out, "  privateKey: {algorithm: Ed25519}\n");
	} else {
		buf_add_str(out, "  # its key is ");
		str_escape_terminal(out, c->key_algorithm, strlen(c->key_algorithm));
		buf_printf(out, " %u, which nobody issues any more: the next one is RSA\n",
		           c->key_bits);
	}
}

static void add_duration(struct buf *out, const struct cert *c)
{
	int64_t s = (c->not_after.s - c->not_before.s + HOUR - 1) / HOUR * HOUR;
	char text[64];

	s = s < HOUR ? HOUR : s > DURATION_MAX_S ? DURATION_MAX_S : s;
	duration_format(s, text, sizeof(text));
	buf_printf(out, "  duration: %s\n", text);
}

static void add_comment(struct buf *out, const char *indent, const struct cert *c)
{
	char fingerprint[16];
	char until[WHEN_TEXT_MAX];

	fingerprint_short(c->sha256, fingerprint);
	when_format_short(c->not_after, until);
	buf_printf(out, "%s# %s until %s, from ", indent, fingerprint, until);
	str_escape_terminal(out, c->issuer, strlen(c->issuer));
	buf_add_byte(out, '\n');
}

static void add_names(struct buf *out, const struct cert *c)
{
	add_subject(out, c);
	add_list(out, "dnsNames", &c->dns_names);
	add_list(out, "ipAddresses", &c->ip_addresses);
	add_list(out, "uris", &c->uris);
	add_list(out, "emailAddresses", &c->emails);
	add_other_names(out, c);
}

static void identity_yaml(const struct import_object *o, struct buf *out)
{
	const struct cert *c = o->piece->chain.v[0];
	char key[2 * SHA256_BYTES + 1];

	hex_encode(bytes_of(c->spki_sha256, SHA256_BYTES), key);
	add_comment(out, "  ", c);
	buf_add_str(out, "  adopt:\n    imported: ");
	add_text(out, o->name);
	buf_printf(out, "\n    keySha256: \"%s\"\n", key);
	if (o->issuer != NULL) {
		buf_add_str(out, "  issuerRef: {name: ");
		add_text(out, o->issuer);
		buf_add_str(out, "}\n");
	} else {
		buf_add_str(out, "  # nobody renews it until issuerRef names an Issuer\n"
		                 "  renewal: {policy: Disabled}\n");
	}
	add_names(out, c);
	add_duration(out, c);
	add_key(out, c);
	buf_add_str(out, c->is_ca ? "  isCA: true\n" : "");
	add_usages(out, c);
}

static void monitored_yaml(const struct import_object *o, struct buf *out)
{
	const struct cert *c = o->piece->chain.v[0];
	char key[2 * SHA256_BYTES + 1];

	hex_encode(bytes_of(c->sha256, SHA256_BYTES), key);
	add_comment(out, "  ", c);
	buf_add_str(out, "  # its key is not here: it is watched, never issued or delivered\n"
	                 "  mode: Monitored\n");
	add_names(out, c);
	buf_printf(out,
	           "  monitor:\n    # endpoints: [{host: HOST, port: 443}]\n"
	           "    expect: {fingerprint: \"%s\"}\n",
	           key);
}

static void ca_set_yaml(const struct import_object *o, struct buf *out)
{
	buf_add_str(out, "  sources:\n");
	for (size_t i = 0; i < o->n_certs; i++) {
		CLEANUP(buf_release) struct buf pem = { 0 };

		add_comment(out, "    ", o->certs[i]);
		buf_init(&pem, BUF_LIMIT_TEXT);
		cert_to_pem(o->certs[i], &pem);
		buf_add_str(out, "    - inline: |\n");
		const char *at = buf_str(&pem);
		while (*at != '\0') {
			size_t n = strcspn(at, "\n");
			buf_add_str(out, "        ");
			buf_add(out, at, n);
			buf_add_byte(out, '\n');
			at += n + (at[n] == '\n');
		}
	}
}

void import_yaml(const struct import_object *o, struct buf *out)
{
	buf_printf(out, "apiVersion: certwright/v1\nkind: %s\nmetadata: {name: ",
	           import_kind_name(o->kind));
	add_text(out, o->name);
	buf_add_str(out, "}\nspec:\n");
	switch (o->kind) {
	case IMPORT_IDENTITY:
		identity_yaml(o, out);
		break;
	case IMPORT_MONITORED:
		monitored_yaml(o, out);
		break;
	case IMPORT_CA_SET:
		ca_set_yaml(o, out);
		break;
	}
}
