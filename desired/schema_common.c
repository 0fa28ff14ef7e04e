/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * schema_common.c - the tables that several kinds share.
 */
#include <string.h>

#include "desired/bind.h"
#include "desired/forms.h"
#include "desired/tables.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/der.h"

#define HOST_T .flags = FIELD_HOST_TEMPLATE

struct metadata_form {
	struct object_shared o;
	struct text name;
};

static const struct field table_metadata_fields[] = {
	ROW("name", TEXT, AT(metadata_form, name), .format = FORMAT_OBJECT_NAME,
	    .flags = FIELD_REQUIRED, .doc = "Name, unique among the objects of the kind."),
	ROW("labels", LABELS, AT_LIST(object_shared, labels),
	    .doc = "Labels, for -l team=kms and for Policy."),
	ROW("formerNames", TEXTS, AT(object_shared, former_names), .format = FORMAT_OBJECT_NAME,
	    .doc = "Names it had before, the newest first: key, history and ownership go along, and nothing is issued."),
	ROW("namespace", TEXT, .width = 0, .doc = "Accepted and ignored, with a note."),
	ROW("annotations", ANY, .doc = "Accepted and ignored."),
	ROW("uid", ANY, .doc = "Accepted and ignored (copied from a cluster)."),
	ROW("resourceVersion", ANY, .doc = "Accepted and ignored (copied from a cluster)."),
	ROW("generation", ANY, .doc = "Accepted and ignored (copied from a cluster)."),
	ROW("creationTimestamp", ANY, .doc = "Accepted and ignored (copied from a cluster)."),
	ROW("managedFields", ANY, .doc = "Accepted and ignored (copied from a cluster)."),
	ROW("ownerReferences", ANY, .doc = "Accepted and ignored (copied from a cluster)."),
	ROW("finalizers", ANY, .doc = "Accepted and ignored (copied from a cluster)."),
};
TABLE(table_metadata, metadata_form, "metadata", "Who the object is.");

static const struct word words_api[] = { { "certwright/v1", 0 },
	                                 { "cert-manager.io/v1", 1 },
	                                 { NULL, 0 } };
struct document_form {
	int api;
	struct text kind;
};
static const struct field table_document_fields[] = {
	ROW("apiVersion", ENUM, AT(document_form, api), .words = words_api, .flags = FIELD_REQUIRED,
	    .doc = "certwright/v1, or cert-manager.io/v1 for a Certificate copied from a cluster. "
	           "Documents of any other version are not looked at."),
	ROW("kind", TEXT, AT(document_form, kind), .flags = FIELD_REQUIRED,
	    .doc = "What the document describes."),
	ROW("metadata", ANY, .flags = FIELD_REQUIRED, .sub = &table_metadata,
	    .doc = "Name and labels."),
	ROW("spec", ANY, .flags = FIELD_REQUIRED, .doc = "The description; see the kinds."),
	ROW("status", ANY, .doc = "Accepted and ignored (copied from a cluster)."),
};
TABLE(table_document, document_form, "document",
      "One object. Keys that begin with x- are for anchors and not looked at.");

static const struct word words_well_known[] = {
	{ "changeit", 0 }, { "changeme", 0 }, { "password", 0 }, { "secret", 0 },
	{ "tomcat", 0 },   { "apc", 0 },      { "", 0 },         { NULL, 0 },
};
static const struct field table_generated_fields[] = {
	ROW("length", INT, AT(generated_form, length), .min = 8, .max = 128, .dflt = 24,
	    .doc = "Characters, of A-Z, a-z and 0-9."),
};
static TABLE(table_generated, generated_form, "generated",
             "Made once by certwright and kept sealed.");
static const struct field table_secret_fields[] = {
	ROW("file", TEXT, AT(secret_form, file), HOST_T | FIELD_REQUIRED, .groups = 1, .min = 1,
	    .doc = "First line of a file: absolute, or relative to the configuration's secretsDir."),
	ROW("env", TEXT, AT(secret_form, env), HOST_T, .groups = 1, .min = 1,
	    .doc = "An environment variable of the reconciler."),
	ROW("exec", TEXTS, AT(secret_form, exec), HOST_T, .groups = 1,
	    .doc = "First line that the program writes: [PROGRAM, ARGUMENT...]. sops, pass and age "
	           "work this way."),
	ROW("credential", TEXT, AT(secret_form, credential), HOST_T, .groups = 1, .min = 1,
	    .doc = "A systemd credential: a file of $CREDENTIALS_DIRECTORY."),
	ROW("generated", POINTER, AT_POINTER(secret_form, generated), .sub = &table_generated,
	    .groups = 1, .doc = "Made once by certwright and kept sealed."),
	ROW("keystorePassword", REF, AT(secret_form, keystore_password), .ref = KIND_KEYSTORE,
	    .groups = 1, .doc = "The password of that Keystore."),
	ROW("wellKnown", WORD, AT(secret_form, well_known), .words = words_well_known,
	    .flags = FIELD_CONFIDENTIAL, .groups = 1,
	    .doc = "A password that is public by nature."),
	ROW("name", TEXT, AT(secret_form, name), .groups = 1, .min = 1,
	    .doc = "cert-manager's form, with key: reads secretsDir/NAME/KEY."),
	ROW("key", TEXT, AT(secret_form, key), .min = 1, .doc = "With name."),
};
TABLE(table_secret, secret_form, "secret reference",
      "Where a secret is to be had. Secrets are never written into the repository.");

static const struct word words_issuer_kind[] = { { "Issuer", 0 },
	                                         { "ClusterIssuer", 0 },
	                                         { NULL, 0 } };
static const struct word words_issuer_group[] = { { "cert-manager.io", 0 },
	                                          { "certwright", 0 },
	                                          { NULL, 0 } };
static const struct field table_issuer_ref_fields[] = {
	ROW("name", TEXT, AT(issuer_ref_form, name), .format = FORMAT_OBJECT_NAME,
	    .flags = FIELD_REQUIRED, .doc = "Name of the Issuer."),
	ROW("kind", WORD, AT(issuer_ref_form, kind), .words = words_issuer_kind,
	    .dflt_text = "Issuer", .doc = "ClusterIssuer means Issuer."),
	ROW("group", WORD, AT(issuer_ref_form, group), .words = words_issuer_group,
	    .dflt_text = "cert-manager.io", .doc = "Of no meaning here."),
};
TABLE(table_issuer_ref, issuer_ref_form, "issuerRef", "An Issuer, as cert-manager writes it.");

static const struct field table_path_choice_fields[] = {
	ROW("oneOf", TEXTS, AT(path_choice_form, one_of), .format = FORMAT_ABSOLUTE,
	    HOST_T | FIELD_REQUIRED, .doc = "Places of which exactly one is in use."),
};
TABLE(table_path_choice, path_choice_form, "path", "One of several places.");

static const struct field table_for_each_fields[] = {
	ROW("target", REF, AT(for_each_form, target), .ref = KIND_TARGET, .flags = FIELD_REQUIRED,
	    .doc = "One instance per host of this Target, called NAME@HOST."),
};
TABLE(table_for_each, for_each_form, "forEach", "One instance per host of a Target.");

static const struct word words_systemd[] = { { "start", 0 },
	                                     { "stop", 0 },
	                                     { "restart", 0 },
	                                     { "reload", 0 },
	                                     { "reload-or-restart", 0 },
	                                     { NULL, 0 } };
static const struct field table_systemd_fields[] = {
	ROW("unit", TEXT, AT(command_spec, systemd_unit), HOST_T | FIELD_REQUIRED, .min = 1,
	    .doc = "Unit, such as nginx.service."),
	ROW("action", WORD, AT(command_spec, systemd_action), .flags = FIELD_REQUIRED,
	    .words = words_systemd, .doc = "What systemctl shall do."),
};
static TABLE(table_systemd, command_spec, "systemd", "systemctl ACTION UNIT.");
static const struct field table_command_fields[] = {
	ROW("command", TEXTS, AT(command_spec, argv), HOST_T | FIELD_REQUIRED, .groups = 1,
	    .doc = "Program and arguments; the same as writing the list alone."),
	ROW("shell", TEXT, AT(command_spec, shell), HOST_T, .groups = 1, .min = 1,
	    .doc = "A line for /bin/sh -c."),
	ROW("systemd", MAP, .sub = &table_systemd, WITHIN, .groups = 1,
	    .doc = "A unit and what to do with it."),
	ROW("haproxy", UNSUPPORTED, .groups = 1, .doc = "Runtime API of HAProxy."),
	ROW("tomcat", UNSUPPORTED, .groups = 1, .doc = "Manager of Tomcat."),
};
TABLE(table_command, command_spec, "step", "A program to run. No shell unless it says so.");

#define SUBJECT_LIST(name, member, text)                                                           \
	ROW(name, TEXTS, AT(subject_spec, member), HOST_T, .min = 1, .max = 128, .doc = (text))
static const struct field table_subject_fields[] = {
	ROW("commonName", TEXT, AT(subject_spec, common_name), .max = 64, .min = 1,
	    .doc = "CN, for CAs; a Certificate has its own commonName."),
	SUBJECT_LIST("organizations", organizations, "O."),
	SUBJECT_LIST("countries", countries, "C, two letters each."),
	SUBJECT_LIST("organizationalUnits", organizational_units, "OU."),
	SUBJECT_LIST("localities", localities, "L."),
	SUBJECT_LIST("provinces", provinces, "ST."),
	SUBJECT_LIST("streetAddresses", street_addresses, "STREET."),
	SUBJECT_LIST("postalCodes", postal_codes, "postalCode."),
	ROW("serialNumber", TEXT, AT(subject_spec, serial_number), HOST_T, .max = 64, .min = 1,
	    .doc = "serialNumber attribute."),
};
TABLE(table_subject, subject_spec, "subject", "Attributes of the subject name.", .shared = true);

static const struct word words_algorithm[] = {
	{ "RSA", KEY_RSA }, { "ECDSA", KEY_ECDSA }, { "Ed25519", KEY_ED25519 }, { NULL, 0 }
};
static const struct word words_encoding[] = { { "PKCS1", KEY_PKCS1 },
	                                      { "PKCS8", KEY_PKCS8 },
	                                      { NULL, 0 } };
static const struct word words_rotation[] = { { "Always", ROTATE_ALWAYS },
	                                      { "Never", ROTATE_NEVER },
	                                      { NULL, 0 } };

static void check_private_key(struct bind *b, void *obj, const struct seen *seen)
{
	const struct private_key_spec *k = obj;
	int n = k->size;

	if (!seen_has(seen, "size") || n == 0) {
		return;
	}
	if (k->algorithm == KEY_RSA && (n < 1024 || n > 8192 || n % 256 != 0)) {
		bind_report(b, seen_pos(seen, "size"), "2048, 3072, 4096 and 8192 are usual",
		            "size: RSA keys have 1024 to 8192 bits in steps of 256, found %d", n);
	} else if (k->algorithm == KEY_ECDSA && n != 256 && n != 384 && n != 521) {
		bind_report(b, seen_pos(seen, "size"), /* hint= */ NULL,
		            "size: ECDSA keys have 256, 384 or 521 bits, found %d", n);
	}
}

static const struct field table_private_key_fields[] = {
	ROW("algorithm", ENUM, AT(private_key_spec, algorithm), .words = words_algorithm,
	    .flags = FIELD_SHOW_DEFAULT, .doc = "Kind of key."),
	ROW("size", INT, AT(private_key_spec, size), .min = 0, .max = 16384,
	    .dflt_text = "2048 for RSA, 256 for ECDSA",
	    .doc = "Bits. RSA: 1024 to 8192; ECDSA: 256, 384 or 521; of no meaning for Ed25519."),
	ROW("encoding", ENUM, AT(private_key_spec, encoding), .words = words_encoding,
	    .flags = FIELD_SHOW_DEFAULT,
	    .doc = "How PEM files hold the key: PKCS1 (SEC1 for ECDSA) or PKCS8."),
	ROW("rotationPolicy", ENUM, AT(private_key_spec, rotation), .words = words_rotation,
	    .flags = FIELD_SHOW_DEFAULT,
	    .doc = "Always makes a new key at every renewal, Never keeps the key."),
	ROW("pkcs11", UNSUPPORTED, .doc = "URI of a key in a token."),
};
TABLE(table_private_key, private_key_spec, "privateKey", "The key.", .check = check_private_key);

static const struct field table_nc_items_fields[] = {
	ROW("dnsDomains", TEXTS, AT(name_constraints_items, dns_domains),
	    .format = FORMAT_DNS_CONSTRAINT, .doc = "DNS names: the domain and all below it."),
	ROW("ipRanges", TEXTS, AT(name_constraints_items, ip_ranges), .format = FORMAT_NETWORK,
	    .doc = "Networks."),
	ROW("emailAddresses", TEXTS, AT(name_constraints_items, emails), .min = 1,
	    .doc = "Mailboxes, hosts, or domains with a leading dot."),
	ROW("uriDomains", TEXTS, AT(name_constraints_items, uri_domains),
	    .format = FORMAT_DNS_CONSTRAINT, .doc = "Hosts of URIs."),
};
static TABLE(table_nc_items, name_constraints_items, "names", "Names by type.");
static const struct field table_name_constraints_fields[] = {
	ROW("critical", BOOL, AT(name_constraints_spec, critical),
	    .doc = "Mark the extension critical."),
	ROW("permitted", MAP, AT(name_constraints_spec, permitted), .sub = &table_nc_items,
	    .doc = "Only these."),
	ROW("excluded", MAP, AT(name_constraints_spec, excluded), .sub = &table_nc_items,
	    .doc = "None of these."),
};
TABLE(table_name_constraints, name_constraints_spec, "nameConstraints",
      "Names that certificates below a CA may have.");

static bool extension_der(struct bind *b, const char *s, struct bytes *ret)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	CLEANUP(der_writer_release) struct der_writer w = { 0 };
	struct bytes content, whole;
	uint8_t raw[TEXT_VALUE_MAX];
	size_t n;
	int tag;

	buf_init(&out, (size_t)2 * TEXT_VALUE_MAX);
	if (str_starts(s, "utf8:")) {
		der_writer_init(&w);
		der_put_str(&w, DER_UTF8, s + 5);
		if (der_writer_finish(&w, &out, /* err= */ NULL) != ERR_OK) {
			return false;
		}
	} else if (str_starts(s, "hex:")) {
		if (!hex_decode(s + 4, raw, sizeof(raw), &n)) {
			return false;
		}
		buf_add(&out, raw, n);
	} else if (!base64_decode(s, strlen(s), &out)) {
		return false;
	}
	struct der d = der_of(buf_view(&out));
	if (buf_failed(&out) || !der_get_any(&d, &tag, &content, &whole) || !der_at_end(&d)) {
		return false;
	}
	*ret = arena_bytes(b->arena, buf_view(&out));
	return true;
}

static void check_extension(struct bind *b, void *obj, const struct seen *seen)
{
	struct extension_spec *e = obj;

	if (e->value.s != NULL && !extension_der(b, e->value.s, &e->der)) {
		bind_report(
			b, seen_pos(seen, "value"), "write utf8:TEXT for a text",
			"value: expected utf8:TEXT, or one DER element as hex:DIGITS or base64");
	}
}

static const struct field table_extension_fields[] = {
	ROW("oid", TEXT, AT(extension_spec, oid), .format = FORMAT_OID, .flags = FIELD_REQUIRED,
	    .doc = "Object identifier of the extension."),
	ROW("critical", BOOL, AT(extension_spec, critical), .doc = "Mark it critical."),
	ROW("value", TEXT, AT(extension_spec, value), .flags = FIELD_REQUIRED,
	    .doc = "utf8:TEXT (a UTF8String), or the DER as hex:DIGITS or base64."),
};
TABLE(table_extension, extension_spec, "extension", "An X.509 extension put in as it is.",
      .check = check_extension);

static void check_window(struct bind *b, void *obj, const struct seen *seen)
{
	struct window_spec *w = obj;
	struct err err = { 0 };
	int64_t duration = w->window.duration_s;
	char text[512];

	w->window.timezone = w->timezone.s;
	if (w->cron.s == NULL) {
		return;
	}
	if (window_parse_cron(w->cron.s, &w->window, &err) != ERR_OK) {
		err_format(&err, text, sizeof(text));
		bind_report(b, seen_pos(seen, "cron"), "five fields: minute hour day month weekday",
		            "cron: %s", text);
	}
	w->window.duration_s = duration;
	w->window.timezone = w->timezone.s;
}

#define WINDOW_ROWS(title)                                                                         \
	ROW("cron", TEXT, AT(window_spec, cron), .flags = FIELD_REQUIRED, .max = 256, .min = 1,    \
	    .doc = "When it opens: minute, hour, day, month, weekday."),                           \
		ROW(title, DURATION, AT(window_spec, window.duration_s), .flags = FIELD_REQUIRED,  \
	            .min = 60, .max = 366 * DAY, .doc = "How long it stays open."),                \
		ROW("timezone", TEXT, AT(window_spec, timezone), .format = FORMAT_TIMEZONE,        \
	            .dflt_text = "UTC", .doc = "IANA name, such as Europe/Berlin.")

static const struct field table_window_fields[] = {
	WINDOW_ROWS("duration"),
	ROW("deny", BOOL, AT(window_spec, deny),
	    .doc = "A time when nothing may be activated, whatever other windows say."),
};
TABLE(table_window, window_spec, "window", "A time when changes may be activated.", .shared = true,
      .check = check_window);
static const struct field table_renewal_window_fields[] = { WINDOW_ROWS("windowDuration") };
TABLE(table_renewal_window, window_spec, "window", "A time when a renewal may begin.",
      .shared = true, .check = check_window);

void check_http_url(struct bind *b, struct pos pos, const char *url)
{
	if (!str_starts(url, "https://") && !str_starts(url, "http://")) {
		bind_report(b, pos, /* hint= */ NULL,
		            "url: expected http:// or https://, found '%.80s'", url);
	} else if (strpbrk(url, "@\\ ") != NULL) {
		/* What stands before an '@' is no host, however much it looks like one. */
		bind_report(b, pos, "write %40 for an @ of the path",
		            "url: no user, backslash or space in it, found '%.80s'", url);
	}
}

static void check_endpoint(struct bind *b, void *obj, const struct seen *seen)
{
	struct endpoint_spec *e = obj;

	e->pos = seen->pos;
	if (e->shared->url.s != NULL && !str_starts(e->shared->url.s, "https://")) {
		bind_report(b, e->shared->url.pos, /* hint= */ NULL,
		            "url: expected https://HOST[:PORT], found '%.80s'", e->shared->url.s);
	}
}

/* What state/probe/ speaks; a unit test of the engine holds the two together. */
static const struct word words_starttls[] = {
	{ "none", 0 },
	{ "smtp", 0 },
	{ "lmtp", 0 },
	{ "imap", 0 },
	{ "pop3", 0 },
	{ "sieve", 0 },
	{ "ftp", 0 },
	{ "nntp", 0 },
	{ "ldap", 0 },
	{ "postgres", 0 },
	{ "mysql", 0 },
	{ "xmpp-client", 0 },
	{ "xmpp-server", 0 },
	{ "rdp", 0 },
	{ "mssql", 0 },
	{ "mssql-strict", 0 },
	{ "postgres-direct", 0 },
	{ NULL, 0 },
};
static const struct word words_from[] = { { "here", 0 }, { "target", -1 }, { NULL, 0 } };
static const struct field table_endpoint_fields[] = {
	ROW("host", TEXT, AT(endpoint_spec, host), HOST_T, .format = FORMAT_HOST,
	    .dflt_text = "the Target's host", .doc = "Where to connect to."),
	ROW("port", INT, AT_SHARED(endpoint_spec, port), .min = 1, .max = 65535, .groups = 1,
	    .flags = FIELD_REQUIRED, .doc = "TCP port."),
	ROW("url", TEXT, AT_SHARED(endpoint_spec, url), HOST_T, .groups = 1, .min = 1,
	    .doc = "https://HOST[:PORT] instead of host and port."),
	ROW("serverName", TEXT, AT(endpoint_spec, server_name), HOST_T, .format = FORMAT_HOST,
	    .dflt_text = "the host", .doc = "SNI to send and name to expect."),
	ROW("starttls", WORD, AT_SHARED(endpoint_spec, starttls), .words = words_starttls,
	    .doc = "Speak this protocol first."),
	ROW("present", REF, AT_SHARED(endpoint_spec, present), .ref = KIND_CERTIFICATE,
	    .dflt_text = "the one that is delivered", .doc = "Certificate that shall be served."),
	ROW("clientCertificateRef", REF, AT_SHARED(endpoint_spec, client_certificate),
	    .ref = KIND_CERTIFICATE, .doc = "Certificate to present when the server asks for one."),
	ROW("caSetRef", REF, AT_SHARED(endpoint_spec, ca_set), .ref = KIND_CASET,
	    .doc = "Anchors that the served chain shall end in."),
	ROW("grace", DURATION, AT_SHARED(endpoint_spec, grace_s), .dflt = 120, .min = 0,
	    .max = 86400,
	    .doc = "How long after activation the previous certificate may still be served."),
	ROW("from", ENUM, AT_SHARED(endpoint_spec, from_target), .words = words_from,
	    .flags = FIELD_SHOW_DEFAULT, .doc = "Who connects."),
	ROW("once", BOOL, AT_SHARED(endpoint_spec, once),
	    .doc = "Only after a delivery, not always."),
};
TABLE_SHARED(table_endpoint, endpoint_spec, "endpoint", "A TLS server and what it shall serve.",
             .check = check_endpoint);
