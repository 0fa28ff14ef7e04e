/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * schema_issuer.c - kind Issuer.
 */
#include "desired/bind.h"
#include "desired/tables.h"

static void check_allow(struct bind *b, void *obj, const struct seen *seen)
{
	struct private_ca *ca = obj;

	(void)b;
	(void)seen;
	ca->has_allow = true;
}

static const struct field table_allow_fields[] = {
	ROW("dnsNames", TEXTS, AT(private_ca, allow_dns), .min = 1,
	    .doc = "DNS names, as globs (*.example.org) or domains with a leading dot."),
	ROW("ipRanges", TEXTS, AT(private_ca, allow_ips), .format = FORMAT_NETWORK,
	    .doc = "Networks of addresses."),
	ROW("isCA", BOOL, AT(private_ca, allow_ca), .flags = FIELD_SHOW_DEFAULT,
	    .doc = "Subordinate CAs may be issued."),
};
static TABLE(table_allow, private_ca, "allow", "What may be issued.", .check = check_allow);

static void check_crl(struct bind *b, void *obj, const struct seen *seen)
{
	struct private_ca *ca = obj;

	if (!seen_has(seen, "validity")) {
		ca->crl_validity_s = 4 * ca->crl_interval_s;
	} else if (ca->crl_validity_s <= ca->crl_interval_s) {
		bind_report(b, seen_pos(seen, "validity"), /* hint= */ NULL,
		            "validity: must be longer than interval");
	}
}

static const struct field table_crl_fields[] = {
	ROW("interval", DURATION, AT(private_ca, crl_interval_s), .flags = FIELD_REQUIRED,
	    .min = 60, .max = 366 * DAY, .doc = "How often a new CRL is made."),
	ROW("validity", DURATION, AT(private_ca, crl_validity_s), .min = 60, .max = 3660 * DAY,
	    .dflt_text = "4 intervals", .doc = "How long a CRL is good."),
	ROW("distributionPoints", TEXTS, AT(private_ca, crl_urls), .format = FORMAT_URI,
	    .doc = "URLs put into certificates."),
};
static TABLE(table_crl, private_ca, "crl", "Revocation list. None is made unless this is written.",
             .check = check_crl);

static const struct field table_external_fields[] = {
	ROW("certificate", TEXT, AT(private_ca, external_certificate), .format = FORMAT_REPOSITORY,
	    .flags = FIELD_REQUIRED,
	    .doc = "File in the repository for the certificate that the CA elsewhere makes, with "
	           "those above it. It may be missing at first."),
};
static TABLE(table_external, private_ca, "external", "Who certifies this CA.");

static void check_private_ca(struct bind *b, void *obj, const struct seen *seen)
{
	const struct private_ca *ca = obj;
	const struct subject_spec *s = &ca->subject;

	if (seen_has(seen, "subject") && s->common_name.s == NULL && s->organizations.n == 0 &&
	    s->organizational_units.n == 0) {
		bind_report(b, seen_pos(seen, "subject"), /* hint= */ NULL,
		            "subject: a CA needs commonName or organizations");
	}
	if (ca->parent.s == NULL && ca->external_certificate.s == NULL &&
	    ca->name_constraints != NULL) {
		bind_report(b, seen_pos(seen, "nameConstraints"),
		            "write them on the subordinate, or use allow",
		            "nameConstraints: of no effect in a root");
	}
}

static const struct field table_private_ca_fields[] = {
	ROW("subject", MAP, AT(private_ca, subject), .sub = &table_subject, .flags = FIELD_REQUIRED,
	    .doc = "Its name."),
	ROW("privateKey", MAP, AT(private_ca, key), .sub = &table_private_key, .doc = "Its key."),
	ROW("duration", DURATION, AT(private_ca, duration_s), .dflt = 3650 * DAY, .min = 3600,
	    .max = 36500 * DAY, .doc = "Its life."),
	ROW("generation", INT, AT(private_ca, generation), .dflt = 1, .min = 1, .max = 1000000,
	    .doc = "Raise it to roll the CA over to a new key."),
	ROW("parent", REF, AT(private_ca, parent), .ref = KIND_ISSUER, .groups = 1,
	    .doc = "Issuer that signs this one, which is then subordinate."),
	ROW("external", MAP, .sub = &table_external, WITHIN, .groups = 1,
	    .doc = "Subordinate of a CA elsewhere: 'certwright ca show' prints the request."),
	ROW("pathLen", INT, AT(private_ca, path_len), .dflt = -1, .dflt_text = "no limit", .min = 0,
	    .max = 255, .doc = "CAs that may follow below."),
	ROW("nameConstraints", POINTER, AT_POINTER(private_ca, name_constraints),
	    .sub = &table_name_constraints, .doc = "Of a subordinate."),
	ROW("allow", MAP, .sub = &table_allow, WITHIN,
	    .doc = "What may be issued. Without it any name may, with a warning."),
	ROW("crl", MAP, .sub = &table_crl, WITHIN,
	    .doc = "Revocation list. None is made unless this is written."),
	ROW("issuingCertificateURLs", TEXTS, AT(private_ca, issuer_urls), .format = FORMAT_URI,
	    .doc = "Where the CA's certificate can be fetched; put into certificates."),
	ROW("extensions", LIST, AT_LIST(private_ca, extensions), .sub = &table_extension,
	    .doc = "Put into every certificate."),
	ROW("backdate", DURATION, AT(private_ca, backdate_s), .dflt = 300, .min = 0,
	    .max = 30 * DAY, .doc = "How far notBefore lies in the past, for slow clocks."),
	ROW("key", UNSUPPORTED, .doc = "Key in a token."),
};
static TABLE(table_private_ca, private_ca, "privateCA", "A CA of certwright's own.",
             .check = check_private_ca);

#define LATER(name, text) ROW(name, UNSUPPORTED, .groups = 1, .doc = (text))
static const struct field table_issuer_fields[] = {
	COMMON_SPEC_FIELDS,
	ROW("privateCA", POINTER, AT_POINTER(issuer_def, private_ca), .sub = &table_private_ca,
	    .groups = 1, .flags = FIELD_REQUIRED, .doc = "A CA of certwright's own."),
	LATER("acme", "An ACME server."),
	LATER("manual", "A commercial CA, by CSR and file."),
	LATER("exec", "A program."),
	LATER("est", "EST, RFC 7030."),
	LATER("scep", "SCEP, RFC 8894."),
	LATER("cmp", "CMP, RFC 9483."),
	LATER("adcs", "Active Directory Certificate Services."),
	LATER("vault", "HashiCorp Vault."),
	LATER("stepCA", "step-ca."),
	LATER("ejbca", "EJBCA."),
	LATER("ca", "cert-manager's CA issuer: use privateCA."),
	LATER("selfSigned", "cert-manager's self-signed issuer: use privateCA."),
};
TABLE(table_issuer, issuer_def, "spec of Issuer", "Where certificates come from.", .late = true,
      .check = spec_note_written);
