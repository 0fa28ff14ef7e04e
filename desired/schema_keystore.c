/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * schema_keystore.c - kinds CASet and Keystore.
 */
#include "desired/bind.h"
#include "desired/tables.h"

static void check_source(struct bind *b, void *obj, const struct seen *seen)
{
	struct ca_source *s = obj;
	const struct {
		enum ca_source_kind kind;
		const struct text *text;
	} forms[] = { { CA_FILE, &s->file },
		      { CA_INLINE, &s->inline_pem },
		      { CA_ISSUER, &s->issuer },
		      { CA_CERTIFICATE, &s->certificate },
		      { CA_URL, &s->url } };

	s->kind = CA_SYSTEM;
	s->value = (struct text){ .s = "", .pos = seen->pos };
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if (forms[i].text->s != NULL) {
			s->kind = forms[i].kind;
			s->value = *forms[i].text;
		}
	}
	if (s->kind == CA_INLINE) {
		s->data = bytes_of_str(s->value.s);
	}
	if (s->kind == CA_URL) {
		check_http_url(b, seen_pos(seen, "url"), s->url.s);
	}
	if (seen_has(seen, "url") != seen_has(seen, "sha256")) {
		bind_report(b, seen->pos, "sha256sum FILE says it",
		            "a source needs url and sha256 together");
	}
	if (seen_has(seen, "system") && !s->system) {
		bind_report(b, seen_pos(seen, "system"), "leave the source out instead",
		            "system: only true has a meaning");
	}
}

static const struct field table_ca_source_fields[] = {
	ROW("file", TEXT, AT(ca_source, file), .format = FORMAT_REPOSITORY, .groups = 1,
	    .flags = FIELD_REQUIRED, .doc = "PEM, DER or P7B in the repository."),
	ROW("inline", TEXT, AT(ca_source, inline_pem), .groups = 1, .min = 1,
	    .flags = FIELD_UNBOUNDED, .doc = "PEM."),
	ROW("issuerRef", ISSUER_REF, AT(ca_source, issuer), .sub = &table_issuer_ref, .groups = 1,
	    .doc = "The Issuer's root: old and new while it rolls over."),
	ROW("certificateRef", REF, AT(ca_source, certificate), .ref = KIND_CERTIFICATE, .groups = 1,
	    .doc = "That very certificate, pinned."),
	ROW("system", BOOL, AT(ca_source, system), .groups = 1,
	    .doc = "The anchors of the reconciler's operating system."),
	ROW("url", TEXT, AT(ca_source, url), .groups = 1, .min = 1,
	    .doc = "PEM, DER or P7B at http:// or https://, fetched once, with sha256."),
	ROW("sha256", TEXT, AT(ca_source, sha256), .format = FORMAT_FINGERPRINT,
	    .doc = "Of what the url gives."),
};
static TABLE(table_ca_source, ca_source, "source", "Where anchors come from.",
             .check = check_source);

static void check_crl_source(struct bind *b, void *obj, const struct seen *seen)
{
	const struct crl_source *c = obj;

	if (c->url.s != NULL) {
		check_http_url(b, seen_pos(seen, "url"), c->url.s);
	}
}

static const struct field table_crl_source_fields[] = {
	ROW("file", TEXT, AT(crl_source, file), .format = FORMAT_REPOSITORY, .groups = 1,
	    .flags = FIELD_REQUIRED, .doc = "PEM or DER in the repository."),
	ROW("url", TEXT, AT(crl_source, url), .groups = 1, .min = 1,
	    .doc = "PEM or DER at http:// or https://, fetched again when half of its time is "
	           "over."),
};
static TABLE(table_crl_source, crl_source, "crl", "Where a CRL comes from.",
             .check = check_crl_source);

static const struct field table_ca_set_fields[] = {
	ROW("sources", LIST, AT_LIST(ca_set, sources), .sub = &table_ca_source,
	    .flags = FIELD_REQUIRED, .doc = "Where anchors come from."),
	ROW("crls", LIST, AT_LIST(ca_set, crls), .sub = &table_crl_source,
	    .doc = "CRLs to judge revocation by. Those of the Issuers among the sources are known "
	           "anyway."),
	ROW("exclude", TEXTS, AT(ca_set, exclude), .format = FORMAT_FINGERPRINT,
	    .doc = "Anchors to leave out, by SHA-256."),
	ROW("overlap", DURATION, AT(ca_set, overlap_s), .dflt = 7 * DAY, .min = 0,
	    .max = 3660 * DAY,
	    .doc = "An anchor that leaves stays trusted at least so long, and until nobody presents "
	           "a chain to it any more."),
	COMMON_SPEC_FIELDS,
};
TABLE(table_ca_set, ca_set, "spec of CASet", "Whom to trust.", .late = true,
      .check = spec_note_written);

static void check_entry(struct bind *b, void *obj, const struct seen *seen)
{
	struct keystore_entry_spec *e = obj;

	e->pos = seen->pos;
	if (e->ca_set.s != NULL) {
		e->source = ENTRY_CA_SET;
		e->ref = e->ca_set;
	} else if (e->trust_certificate.s != NULL) {
		e->source = ENTRY_TRUST_CERTIFICATE;
		e->ref = e->trust_certificate;
	} else {
		e->source = ENTRY_CERTIFICATE;
		e->ref = e->certificate;
	}
	if (e->certificate_only && e->source != ENTRY_CERTIFICATE) {
		bind_report(b, seen_pos(seen, "certificateOnly"), /* hint= */ NULL,
		            "certificateOnly: goes with certificateRef only");
	}
}

static const struct field table_entry_fields[] = {
	ROW("alias", TEXT, AT(keystore_entry_spec, alias),
	    .flags = FIELD_HOST_TEMPLATE | FIELD_ALIAS_TEMPLATE, .min = 1, .max = 255,
	    .doc = "Name of the entry. {{index}} {{serial}} {{fingerprint8}} {{notBefore:%Y%m%d}} "
	           "stand for facts of the certificate; a plain alias with several anchors gets "
	           "-2, -3."),
	ROW("certificateRef", REF, AT(keystore_entry_spec, certificate), .ref = KIND_CERTIFICATE,
	    .groups = 1, .flags = FIELD_REQUIRED, .doc = "Key entry: key and chain."),
	ROW("caSetRef", REF, AT(keystore_entry_spec, ca_set), .ref = KIND_CASET, .groups = 1,
	    .doc = "Trusted entries: the anchors."),
	ROW("trustCertificateRef", REF, AT(keystore_entry_spec, trust_certificate),
	    .ref = KIND_CERTIFICATE, .groups = 1,
	    .doc = "Trusted entry: a peer's certificate, pinned."),
	ROW("certificateOnly", BOOL, AT(keystore_entry_spec, certificate_only),
	    .doc = "Chain without the key."),
};
static TABLE(table_entry, keystore_entry_spec, "entry", "What a keystore holds.",
             .check = check_entry);

static const struct word words_format[] = { { "pem", 0 },    { "pem-split", 0 }, { "der", 0 },
	                                    { "pkcs12", 0 }, { "jks", 0 },       { "p7b", 0 },
	                                    { "jceks", 0 },  { "zip", 0 },       { NULL, 0 } };
static const struct word words_chain[] = { { "leaf", CHAIN_LEAF },
	                                   { "full-without-root", CHAIN_FULL_WITHOUT_ROOT },
	                                   { "full", CHAIN_FULL },
	                                   { NULL, 0 } };
static const struct word words_unmanaged[] = { { "keep", 0 }, { "remove", 1 }, { NULL, 0 } };
static const struct field table_keystore_fields[] = {
	ROW("format", WORD, AT(keystore_def, format), .words = words_format,
	    .flags = FIELD_REQUIRED,
	    .doc = "pem: key and chain in one file; pem-split: key and chain in two; der; p7b: "
	           "certificates only; pkcs12; jks; jceks; zip: NAME.key, NAME.crt and NAME.pem "
	           "with the chain. A store that is there in another format is taken along."),
	ROW("forEach", MAP, AT(keystore_def, for_each), .sub = &table_for_each,
	    .doc = "One instance per host of a Target."),
	ROW("entries", LIST, AT_LIST(keystore_def, entries), .sub = &table_entry,
	    .flags = FIELD_REQUIRED, .doc = "What it holds."),
	ROW("passwordRef", SECRET, AT(keystore_def, password), .sub = &table_secret,
	    .doc = "Password of the store. Needed for pkcs12, jks and jceks."),
	ROW("keyPasswordRef", SECRET, AT(keystore_def, key_password), .sub = &table_secret,
	    .dflt_text = "the same", .doc = "Password of its keys."),
	ROW("previousPasswordRefs", SECRETS, AT_LIST(keystore_def, previous_passwords),
	    .sub = &table_secret,
	    .doc = "Tried when the present store does not open; it is then written with the "
	           "current one."),
	ROW("pkcs12Profile", WORD, AT(keystore_def, pkcs12_profile), .words = words_pkcs12_profile,
	    .dflt_text = "Modern2023",
	    .doc = "Algorithms: Modern2023 (AES-256, HMAC-SHA-256), Modern2026 (PBMAC1), LegacyDES, "
	           "LegacyRC2. A store that has others is written anew with these."),
	ROW("chain", ENUM, AT(keystore_def, chain), .words = words_chain,
	    .dflt = CHAIN_FULL_WITHOUT_ROOT, .doc = "How much of the chain key entries carry."),
	ROW("unmanagedEntries", ENUM, AT(keystore_def, remove_unmanaged), .words = words_unmanaged,
	    .flags = FIELD_SHOW_DEFAULT, .doc = "What happens to entries that are not declared."),
	ROW("password", INLINE_SECRET, .doc = "Refused: secrets are references."),
	ROW("keyPassword", INLINE_SECRET, .doc = "Refused: secrets are references."),
	COMMON_SPEC_FIELDS,
};
TABLE(table_keystore, keystore_def, "spec of Keystore",
      "A file format around identities and trust.", .late = true, .check = spec_note_written);
