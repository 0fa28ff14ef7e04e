/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * schema_certificate.c - kind Certificate: cert-manager 1.21's spec and what is ours beside it.
 */
#include "desired/bind.h"
#include "desired/tables.h"
#include "reconciler/base/fs_glob.h"
#include "reconciler/base/str.h"

#define HOST_T .flags = FIELD_HOST_TEMPLATE

const struct word words_pkcs12_profile[] = { { "LegacyRC2", 1 },
	                                     { "LegacyDES", 1 },
	                                     { "Modern2023", 1 },
	                                     { "Modern2026", 1 },
	                                     { NULL, 0 } };

static const struct field table_other_name_fields[] = {
	ROW("oid", TEXT, AT(other_name_spec, oid), .format = FORMAT_OID, .flags = FIELD_REQUIRED,
	    .doc = "Type of the name, such as 1.3.6.1.4.1.311.20.2.3 (UPN)."),
	ROW("utf8Value", TEXT, AT(other_name_spec, utf8), HOST_T | FIELD_REQUIRED, .min = 1,
	    .doc = "Its value."),
};
static TABLE(table_other_name, other_name_spec, "otherName", "A SAN of any other type.");

static const struct word words_renewal[] = { { "RenewBefore", 0 }, { "Disabled", 1 }, { NULL, 0 } };
static const struct field table_renewal_fields[] = {
	ROW("policy", ENUM, AT_SHARED(certificate, renewal_disabled), .words = words_renewal,
	    .flags = FIELD_SHOW_DEFAULT, .doc = "Disabled: never renew by itself."),
	ROW("windows", LIST, AT_SHARED_LIST(certificate, renewal_windows),
	    .sub = &table_renewal_window,
	    .doc = "Times when a renewal may begin; never later than is safe."),
};
static TABLE_SHARED(table_renewal, certificate, "renewal", "When renewals happen.");

static void check_create(struct bind *b, void *obj, const struct seen *seen)
{
	const struct cm_keystores *k = obj;
	bool create = seen->table->fields[1].words == NULL ? k->jks_create : k->pkcs12_create;

	if (create && !seen_has(seen, "passwordSecretRef") && !seen_has(seen, "password")) {
		bind_report(b, seen->pos,
		            "passwordSecretRef: {name: NAME, key: KEY} reads secretsDir/NAME/KEY",
		            "%s: create needs passwordSecretRef", seen->table->name);
	}
}

static const struct field table_jks_fields[] = {
	ROW("create", BOOL, AT(cm_keystores, jks_create), .flags = FIELD_REQUIRED,
	    .doc = "Make keystore.jks and truststore.jks."),
	ROW("alias", TEXT, AT(cm_keystores, jks_alias), .min = 1, .dflt_text = "certificate",
	    .doc = "Alias of the key entry."),
	ROW("passwordSecretRef", SECRET, AT(cm_keystores, jks_password), .sub = &table_secret,
	    .doc = "Its password."),
	ROW("password", INLINE_SECRET, .doc = "Refused: secrets are references."),
};
static TABLE(table_jks, cm_keystores, "keystores.jks", "A Java keystore of the certificate.",
             .check = check_create);
static const struct field table_pkcs12_fields[] = {
	ROW("create", BOOL, AT(cm_keystores, pkcs12_create), .flags = FIELD_REQUIRED,
	    .doc = "Make keystore.p12 and truststore.p12."),
	ROW("profile", WORD, AT(cm_keystores, pkcs12_profile), .words = words_pkcs12_profile,
	    .dflt_text = "Modern2023", .doc = "Algorithms."),
	ROW("passwordSecretRef", SECRET, AT(cm_keystores, pkcs12_password), .sub = &table_secret,
	    .doc = "Its password."),
	ROW("password", INLINE_SECRET, .doc = "Refused: secrets are references."),
};
static TABLE(table_pkcs12, cm_keystores, "keystores.pkcs12", "A PKCS#12 file of the certificate.",
             .check = check_create);

static const struct field table_keystores_fields[] = {
	ROW("jks", MAP, .sub = &table_jks, WITHIN, .doc = "A Java keystore of the certificate."),
	ROW("pkcs12", MAP, .sub = &table_pkcs12, WITHIN,
	    .doc = "A PKCS#12 file of the certificate."),
};
static TABLE(table_keystores, cm_keystores, "keystores",
             "cert-manager's keystores beside the certificate.");

static const struct word words_output[] = { { "DER", 0 }, { "CombinedPEM", 1 }, { NULL, 0 } };
struct output_form {
	int type;
};
static const struct field table_output_fields[] = {
	ROW("type", ENUM, AT(output_form, type), .words = words_output, .flags = FIELD_REQUIRED,
	    .doc = "DER: the key alone; CombinedPEM: key and chain."),
};
static TABLE(table_output, output_form, "additionalOutputFormats",
             "Accepted; deliver a Keystore of format der or pem instead.");

struct template_form {
	const struct label *annotations;
	size_t n_annotations;
	const struct label *labels;
	size_t n_labels;
};
static const struct field table_secret_template_fields[] = {
	ROW("annotations", LABELS, AT_LIST(template_form, annotations),
	    .doc = "Accepted and ignored."),
	ROW("labels", LABELS, AT_LIST(template_form, labels), .doc = "Accepted and ignored."),
};
static TABLE(table_secret_template, template_form, "secretTemplate",
             "Accepted and ignored: there is no Secret.");

static const struct field table_expect_fields[] = {
	ROW("commonName", TEXT, AT(monitor_spec, expect_common_name), HOST_T, .min = 1,
	    .doc = "CN."),
	ROW("organization", TEXT, AT(monitor_spec, expect_organization), .min = 1, .doc = "O."),
	ROW("country", TEXT, AT(monitor_spec, expect_country), .min = 1, .doc = "C."),
	ROW("fingerprint", TEXT, AT(monitor_spec, expect_fingerprint), .format = FORMAT_FINGERPRINT,
	    .doc = "SHA-256 of the certificate."),
};
static TABLE(table_expect, monitor_spec, "expect",
             "What the certificate shall say; of files, every one that is no CA's.");
/* A template stands for a name or a part of one. */
static bool without_templates(const char *s, char *out, size_t size)
{
	size_t n = 0;

	while (*s != '\0' && n + 2 < size) {
		const char *end = str_starts(s, "{{") ? strstr(s, "}}") : NULL;

		out[n] = 'x';
		if (end == NULL) {
			out[n] = *s;
		}
		n++;
		s = end == NULL ? s + 1 : end + 2;
	}
	out[n] = '\0';
	return *s == '\0';
}

static void check_file(struct bind *b, void *obj, const struct seen *seen)
{
	const struct monitor_file *f = obj;
	char plain[TEXT_VALUE_MAX + 1];

	/* What does not begin with '/' was refused as a value. */
	for (size_t i = 0; i < f->n_passwords; i++) {
		if (f->passwords[i].kind == SECRET_GENERATED) {
			bind_report(b, f->passwords[i].pos, /* hint= */ NULL,
			            "passwordRefs: a password that is made here opens no file of "
			            "others");
		}
	}
	if (f->path.s == NULL) {
		return;
	}
	const char *wrong = without_templates(f->path.s, plain, sizeof(plain))
	                            ? fs_glob_wrong(plain)
	                            : "it is longer than any path";
	if (plain[0] != '/') {
		return;
	}
	if (wrong != NULL) {
		bind_report(b, seen_pos(seen, "path"),
		            "such as /etc/ssl/*.pem, or /srv/**/*.jks for any directories below",
		            "path: '%.200s' names no files: %s", f->path.s, wrong);
	}
}

static const struct field table_file_fields[] = {
	ROW("path", TEXT, AT(monitor_file, path), .format = FORMAT_ABSOLUTE,
	    HOST_T | FIELD_REQUIRED,
	    .doc = "A file of this machine, or a pattern: '*' and '?' within a name, '**' for any "
	           "directories. PEM, DER, P7B, PKCS#12, JKS, JCEKS, BCFKS or ZIP, by content."),
	ROW("passwordRefs", SECRETS, AT_LIST(monitor_file, passwords), .sub = &table_secret,
	    .doc = "Passwords, tried in order. Without one, what can be read without is."),
	ROW("password", INLINE_SECRET, .doc = "Refused: secrets are references."),
};
static TABLE(table_file, monitor_file, "file",
             "Files with certificates, each of which is judged; nothing of them is ever changed.",
             .check = check_file);

static const struct field table_monitor_fields[] = {
	ROW("endpoints", LIST, AT_LIST(monitor_spec, endpoints), .sub = &table_endpoint,
	    .doc = "Servers to look at."),
	ROW("files", LIST, AT_LIST(monitor_spec, files), .sub = &table_file,
	    .doc = "Keystores and certificate files to look at."),
	ROW("caSetRef", REF, AT(monitor_spec, ca_set), .ref = KIND_CASET,
	    .doc = "Anchors that chains shall end in."),
	ROW("minimumRemaining", DURATION, AT(monitor_spec, minimum_remaining_s), .min = 60,
	    .max = 3650 * DAY, .dflt_text = "30d or a third of life, whichever is less",
	    .doc = "Less life than this is reported."),
	ROW("expect", MAP, .sub = &table_expect, WITHIN,
	    .doc = "What the certificate shall say; of files, every one that is no CA's."),
};
static TABLE(table_monitor, monitor_spec, "monitor", "What is observed and reported.");

static void check_adopt(struct bind *b, void *obj, const struct seen *seen)
{
	const struct adopt_spec *a = obj;

	if (seen_has(seen, "target") && !seen_has(seen, "keystoreRef") &&
	    !seen_has(seen, "alias")) {
		bind_report(b, seen->pos, "add keystoreRef and, where it has several keys, alias",
		            "adopt: target does not say which keystore of it");
	}
	if (seen_has(seen, "certificate") && a->key.kind == SECRET_NONE &&
	    !seen_has(seen, "keyRef")) {
		bind_report(b, seen_pos(seen, "certificate"), /* hint= */ NULL,
		            "adopt: certificate needs keyRef");
	}
}

static const struct field table_adopt_fields[] = {
	ROW("target", REF, AT(adopt_spec, target), .ref = KIND_TARGET, .groups = 1,
	    .flags = FIELD_REQUIRED,
	    .doc = "From where it lives now; all hosts must hold the same pair."),
	ROW("host", TEXT, AT(adopt_spec, host), .format = FORMAT_HOST, .doc = "Only this host."),
	ROW("keystoreRef", REF, AT(adopt_spec, keystore), .ref = KIND_KEYSTORE,
	    .doc = "Which of the Target's keystores."),
	ROW("alias", TEXT, AT(adopt_spec, alias), .min = 1, .doc = "Which of its key entries."),
	ROW("keySha256", TEXT, AT(adopt_spec, key_sha256), .format = FORMAT_FINGERPRINT,
	    .doc = "SHA-256 of the public key that it must have."),
	ROW("certificate", TEXT, AT(adopt_spec, certificate), .format = FORMAT_REPOSITORY,
	    .groups = 1, .doc = "A certificate file in the repository, with keyRef."),
	ROW("keyRef", SECRET, AT(adopt_spec, key), .sub = &table_secret,
	    .doc = "The key of that certificate."),
	ROW("imported", TEXT, AT(adopt_spec, imported), HOST_T, .min = 1, .max = 253, .groups = 1,
	    .doc = "The name under which `certwright import` sealed it."),
};
static TABLE(table_adopt, adopt_spec, "adopt",
             "Take over a pair that exists, as it is; nothing is issued before its own renewal "
             "time.",
             .check = check_adopt);

static const struct word words_mode[] = { { "Managed", MODE_MANAGED },
	                                  { "Monitored", MODE_MONITORED },
	                                  { NULL, 0 } };
static const struct word words_approval[] = { { "None", 0 }, { "Required", 1 }, { NULL, 0 } };
static const struct word words_signature[] = {
	{ "SHA256WithRSA", SIG_SHA256_RSA },     { "SHA384WithRSA", SIG_SHA384_RSA },
	{ "SHA512WithRSA", SIG_SHA512_RSA },     { "ECDSAWithSHA256", SIG_ECDSA_SHA256 },
	{ "ECDSAWithSHA384", SIG_ECDSA_SHA384 }, { "ECDSAWithSHA512", SIG_ECDSA_SHA512 },
	{ "PureEd25519", SIG_ED25519 },          { NULL, 0 },
};

static const struct field table_certificate_fields[] = {
	ROW("commonName", TEXT, AT(certificate, common_name), HOST_T, .max = 64, .min = 1,
	    .groups = 1, .doc = "CN of the subject."),
	ROW("dnsNames", TEXTS, AT(certificate, dns_names), HOST_T, .format = FORMAT_DNS,
	    .doc = "DNS names; '*' only as the whole leftmost label."),
	ROW("ipAddresses", TEXTS, AT(certificate, ip_addresses), HOST_T, .format = FORMAT_IP,
	    .doc = "IP addresses."),
	ROW("uris", TEXTS, AT_SHARED(certificate, uris), HOST_T, .format = FORMAT_URI,
	    .doc = "URIs."),
	ROW("emailAddresses", TEXTS, AT_SHARED(certificate, emails), HOST_T, .format = FORMAT_EMAIL,
	    .doc = "E-mail addresses."),
	ROW("otherNames", LIST, AT_SHARED_LIST(certificate, other_names), .sub = &table_other_name,
	    .doc = "SANs of any other type."),
	ROW("subject", POINTER, AT_SHARED(certificate, subject), .sub = &table_subject, .groups = 2,
	    .doc = "Attributes of the subject beside commonName."),
	ROW("literalSubject", TEXT, AT_SHARED(certificate, literal_subject), HOST_T, .min = 1,
	    .groups = 1 | 2, .doc = "The whole subject as RFC 4514 text, order kept."),
	ROW("secretName", TEXT, AT(certificate, secret_name),
	    .doc = "Kept as a label; cert-manager's Secret."),
	ROW("secretTemplate", POINTER, .width = 0, .sub = &table_secret_template,
	    .doc = "Accepted and ignored: there is no Secret."),
	ROW("issuerRef", ISSUER_ONE, AT_SHARED(certificate, issuers), .sub = &table_issuer_ref,
	    .groups = 4,
	    .doc = "Who issues it. Needed unless Monitored, or adopted with renewal "
	           "Disabled."),
	ROW("issuerRefs", ISSUER_REFS, AT_SHARED(certificate, issuers), .sub = &table_issuer_ref,
	    .groups = 4, .doc = "Who issues it: first choice, then fallbacks."),
	ROW("duration", DURATION, AT_SHARED(certificate, duration_s), .dflt = 90 * DAY, .min = 3600,
	    .max = 36500 * DAY, .doc = "Its life; the issuer may shorten it."),
	ROW("renewBefore", DURATION, AT_SHARED(certificate, renew_before_s), .min = 300,
	    .max = 36500 * DAY, .groups = 8,
	    .dflt_text = "a third of the real life; half of it when that is 10d or less",
	    .doc = "Renew when so much life is left. Must be less than duration."),
	ROW("renewBeforePercentage", INT, AT_SHARED(certificate, renew_before_percentage), .min = 1,
	    .max = 99, .groups = 8, .doc = "Renew when this part of life is left."),
	ROW("renewal", MAP, .sub = &table_renewal, WITHIN, .doc = "When renewals happen."),
	ROW("isCA", BOOL, AT_SHARED(certificate, is_ca),
	    .doc = "A CA certificate; adds cert sign."),
	ROW("usages", USAGES, AT_SHARED(certificate, key_usage),
	    .dflt_text = "digital signature, server auth, and key encipherment for RSA",
	    .doc = "Key usages and extended key usages."),
	ROW("encodeUsagesInRequest", BOOL, AT_SHARED(certificate, encode_usages), .dflt = 1,
	    .doc = "Put the usages into the CSR."),
	ROW("privateKey", MAP, AT_SHARED(certificate, key), .sub = &table_private_key,
	    .doc = "The key."),
	ROW("signatureAlgorithm", ENUM, AT_SHARED(certificate, signature), .words = words_signature,
	    .dflt_text = "by the key", .doc = "How the CSR is signed."),
	ROW("keystores", POINTER, AT_SHARED(certificate, keystores), .sub = &table_keystores,
	    .doc = "cert-manager's keystores beside the certificate."),
	ROW("additionalOutputFormats", LIST, .width = 0, .sub = &table_output,
	    .doc = "Accepted; deliver a Keystore of format der or pem instead."),
	ROW("nameConstraints", POINTER, AT_SHARED(certificate, name_constraints),
	    .sub = &table_name_constraints, .doc = "Of a CA certificate."),
	ROW("revisionHistoryLimit", INT, .width = 0, .min = 1, .max = INT32_MAX,
	    .doc = "Accepted and ignored."),
	ROW("extensions", LIST, AT_SHARED_LIST(certificate, extensions), .sub = &table_extension,
	    .doc = "X.509 extensions put in as they are."),
	ROW("mode", ENUM, AT_SHARED(certificate, mode), .words = words_mode,
	    .flags = FIELD_SHOW_DEFAULT,
	    .doc = "Monitored: never issued or delivered, only observed and reported."),
	ROW("forEach", MAP, AT_SHARED(certificate, for_each), .sub = &table_for_each,
	    .doc = "One instance per host of a Target."),
	ROW("allowTargets", REFS, AT_SHARED(certificate, allow_targets), .ref = KIND_TARGET,
	    .doc = "The only Targets that its key may go to."),
	ROW("monitor", POINTER, AT_SHARED(certificate, monitor), .sub = &table_monitor,
	    .doc = "What is observed and reported."),
	ROW("adopt", POINTER, AT_SHARED(certificate, adopt), .sub = &table_adopt,
	    .doc = "Take over a pair that exists."),
	ROW("request", UNSUPPORTED, .doc = "For keys that certwright never holds."),
	ROW("generation", INT, AT_SHARED(certificate, generation), .min = 0, .max = 1000000,
	    .doc = "Raise it to issue anew after IssuerKeyLost."),
	ROW("renew", INT, AT_SHARED(certificate, renew), .min = 0, .max = INT32_MAX,
	    .doc = "Raise it to renew once."),
	ROW("approval", ENUM, AT_SHARED(certificate, approval_required), .words = words_approval,
	    .flags = FIELD_SHOW_DEFAULT, .doc = "Required: wait for `certwright approve`."),
	COMMON_SPEC_FIELDS,
};
TABLE_SHARED(table_certificate, certificate, "spec of Certificate",
             "An identity: names, a key, an issuer, and when it is renewed.", .late = true,
             .check = spec_note_written);
