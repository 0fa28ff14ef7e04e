/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * schema_target.c - kind Target.
 */
#include "desired/bind.h"
#include "desired/expand.h"
#include "desired/tables.h"
#include "reconciler/base/str.h"
#include "reconciler/base/xml_path.h"

#define HOST_T .flags = FIELD_HOST_TEMPLATE

static void check_via(struct bind *b, void *obj, const struct seen *seen)
{
	struct text *via = obj;

	(void)b;
	if (seen_has(seen, "local")) {
		*via = (struct text){ .s = "local", .pos = seen->pos };
	}
}

static const struct table table_local = { .name = "local",
	                                  .doc = "The machine certwright runs on.",
	                                  .size = 1 };
#define LATER(name, text) ROW(name, UNSUPPORTED, .groups = 1, .doc = (text))
static const struct field table_via_fields[] = {
	ROW("local", MAP, .sub = &table_local, WITHIN, .groups = 1, .flags = FIELD_REQUIRED,
	    .doc = "The machine certwright runs on: local: {}."),
	LATER("ssh", "A machine reached by ssh."),
	LATER("package", "An installer for machines out of reach."),
	LATER("manual", "A human step."),
	LATER("econnect", "A PDU."),
	LATER("apcNMC", "A network management card."),
	LATER("haproxy", "HAProxy's runtime API."),
	LATER("kmip", "A KMIP server."),
	LATER("httpSteps", "Anything with a web form."),
	LATER("redfish", "A BMC."),
};
static TABLE(table_via, text, "via", "How the hosts are reached.", .check = check_via);

static void check_deliver(struct bind *b, void *obj, const struct seen *seen)
{
	struct deliver_spec *d = obj;

	(void)b;
	d->pos = seen->pos;
}

static const struct field table_backup_fields[] = {
	ROW("keep", INT, AT_SHARED(deliver_spec, backup_keep), .dflt = 1, .min = 0, .max = 1000,
	    .doc = "How many former files are kept beside it."),
	ROW("maxAge", DURATION, AT_SHARED(deliver_spec, backup_max_age_s), .dflt = 7 * DAY,
	    .min = 3600, .max = 3660 * DAY, .doc = "And for how long."),
};
static TABLE_SHARED(table_backup, deliver_spec, "backup", "Former files.");
static const struct field table_deliver_fields[] = {
	ROW("keystoreRef", REF, AT(deliver_spec, keystore), .ref = KIND_KEYSTORE, .groups = 1,
	    .flags = FIELD_REQUIRED, .doc = "Keystore to put there."),
	ROW("certificateRef", REF, AT(deliver_spec, certificate), .ref = KIND_CERTIFICATE,
	    .groups = 1, .doc = "Certificate to put there, as PEM with its key."),
	ROW("path", PATH_CHOICE, AT(deliver_spec, path), .sub = &table_path_choice,
	    HOST_T | FIELD_REQUIRED, .format = FORMAT_ABSOLUTE,
	    .doc = "Where: absolute, or {oneOf: [PATH...]}."),
	ROW("owner", TEXT, AT_SHARED(deliver_spec, owner), HOST_T, .min = 1, .max = 64,
	    .dflt_text = "the writing process's", .doc = "User."),
	ROW("group", TEXT, AT_SHARED(deliver_spec, group), HOST_T, .min = 1, .max = 64,
	    .dflt_text = "the writing process's", .doc = "Group."),
	ROW("mode", MODE, AT_SHARED(deliver_spec, mode), .dflt = 0600, .max = 0777,
	    .doc = "Permissions, octal."),
	ROW("backup", MAP, .sub = &table_backup, WITHIN, .doc = "Former files."),
};
static TABLE_SHARED(table_deliver, deliver_spec, "delivery", "A file and where it goes.",
                    .check = check_deliver);

#define CONFIGURE_VALUE                                                                            \
	ROW("value", TEXT, AT(configure_spec, value), HOST_T | FIELD_REQUIRED, .groups = 1,        \
	    .doc = "The value."),                                                                  \
		ROW("valueRef", SECRET, AT(configure_spec, value_ref), .sub = &table_secret,       \
	            .groups = 1, .doc = "The value, a secret.")
#define CONFIGURE_PATH                                                                             \
	ROW("path", TEXT, AT(configure_spec, path), HOST_T | FIELD_REQUIRED,                       \
	    .format = FORMAT_ABSOLUTE, .doc = "File to edit.")

static const struct field table_ini_fields[] = {
	CONFIGURE_PATH,
	ROW("section", TEXT, AT(configure_spec, section), HOST_T, .doc = "Name in brackets."),
	ROW("key", TEXT, AT(configure_spec, key), HOST_T | FIELD_REQUIRED, .min = 1,
	    .doc = "Key of the section."),
	CONFIGURE_VALUE,
};
static TABLE(table_ini, configure_spec, "ini", "A key of an ini file.");
static const struct field table_properties_fields[] = {
	CONFIGURE_PATH,
	ROW("key", TEXT, AT(configure_spec, key), HOST_T | FIELD_REQUIRED, .min = 1, .doc = "Key."),
	CONFIGURE_VALUE,
};
static TABLE(table_properties, configure_spec, "properties", "A key of a Java properties file.");
static const struct field table_line_fields[] = {
	CONFIGURE_PATH,
	ROW("prefix", TEXT, AT(configure_spec, prefix), HOST_T | FIELD_REQUIRED, .min = 1,
	    .doc = "The line that begins so is replaced."),
	ROW("line", TEXT, AT(configure_spec, line), HOST_T | FIELD_REQUIRED,
	    .doc = "What the line shall be."),
};
static const struct field table_xml_attribute_fields[] = {
	CONFIGURE_PATH,
	ROW("xpath", TEXT, AT(configure_spec, xpath), HOST_T | FIELD_REQUIRED, .min = 1,
	    .doc = "The element, which must be there once: steps '/name', '//name' or '/*', with "
	           "tests [@attribute='value'], [@attribute] and [position]."),
	ROW("attribute", TEXT, AT(configure_spec, attribute), FIELD_REQUIRED, .min = 1,
	    .doc = "Its attribute, made where it lacks."),
	CONFIGURE_VALUE,
};
static TABLE(table_xml_attribute, configure_spec, "xmlAttribute", "An attribute in an XML file.");
static TABLE(table_line, configure_spec, "line", "A line of a text file.");

static void check_xml(struct bind *b, const struct configure_spec *c)
{
	struct xml_path path;
	struct err err = { 0 };

	if (c->xpath.s != NULL && !text_is_template(c->xpath.s) &&
	    xml_path_parse(c->xpath.s, &path, &err) != ERR_OK) {
		bind_report(b, c->xpath.pos,
		            "see 'certwright explain Target.configure.xmlAttribute'", "%s",
		            err.msg);
	}
	if (c->attribute.s != NULL && !xml_name_valid(c->attribute.s, strlen(c->attribute.s))) {
		bind_report(b, c->attribute.pos, /* hint= */ NULL,
		            "'%.80s' cannot be an attribute of XML", c->attribute.s);
	}
}

static void check_configure(struct bind *b, void *obj, const struct seen *seen)
{
	struct configure_spec *c = obj;

	c->pos = seen->pos;
	c->kind = seen_has(seen, "ini")            ? CONFIGURE_INI
	          : seen_has(seen, "properties")   ? CONFIGURE_PROPERTIES
	          : seen_has(seen, "xmlAttribute") ? CONFIGURE_XML_ATTRIBUTE
	                                           : CONFIGURE_LINE;
	if (c->kind == CONFIGURE_XML_ATTRIBUTE) {
		check_xml(b, c);
	}
}

static const struct field table_configure_fields[] = {
	ROW("ini", MAP, .sub = &table_ini, WITHIN, .groups = 1, .flags = FIELD_REQUIRED,
	    .doc = "A key of an ini file."),
	ROW("properties", MAP, .sub = &table_properties, WITHIN, .groups = 1,
	    .doc = "A key of a Java properties file."),
	ROW("xmlAttribute", MAP, .sub = &table_xml_attribute, WITHIN, .groups = 1,
	    .doc = "An attribute in an XML file."),
	ROW("line", MAP, .sub = &table_line, WITHIN, .groups = 1, .doc = "A line of a text file."),
	ROW("oneShot", BOOL, AT(configure_spec, one_shot),
	    .doc = "A mailbox that the software empties: not a difference when gone."),
};
static TABLE(table_configure, configure_spec, "edit", "An idempotent edit of a file.",
             .check = check_configure);

static void check_activate(struct bind *b, void *obj, const struct seen *seen)
{
	struct activate_spec *a = obj;

	(void)b;
	a->pos = seen->pos;
}

static const struct field table_when_fields[] = {
	ROW("entries", TEXTS, AT(activate_spec, when_entries), HOST_T, .min = 1,
	    .doc = "Only when one of these aliases changed."),
	ROW("configured", BOOL, AT(activate_spec, when_configured),
	    .doc = "Only when an edit was made."),
};
static TABLE(table_when, activate_spec, "when", "Chooses by what changed.");
static const struct field table_activate_fields[] = {
	ROW("before", COMMANDS, AT_LIST(activate_spec, before), .sub = &table_command, HOST_T,
	    .doc = "Before anything is written: [[systemctl, stop, tomcat]]."),
	ROW("check", COMMANDS, AT_LIST(activate_spec, check), .sub = &table_command, HOST_T,
	    .doc = "After writing, before activation: [[nginx, -t]]."),
	ROW("after", COMMANDS, AT_LIST(activate_spec, after), .sub = &table_command, HOST_T,
	    .doc = "Activates: [{systemd: {unit: nginx, action: reload}}]."),
	ROW("timeout", DURATION, AT(activate_spec, timeout_s), .dflt = 60, .min = 1, .max = 86400,
	    .doc = "For each program."),
	ROW("when", MAP, .sub = &table_when, WITHIN, .doc = "Chooses by what changed."),
	ROW("drain", UNSUPPORTED, .doc = "Take the server out of a load balancer meanwhile."),
};
static TABLE(table_activate, activate_spec, "activation", "How new files come into use.",
             .shared = true, .check = check_activate);

static void check_verify(struct bind *b, void *obj, const struct seen *seen)
{
	struct verify_spec *v = obj;

	(void)b;
	v->kind = seen_has(seen, "command") ? VERIFY_COMMAND
	          : seen_has(seen, "http")  ? VERIFY_HTTP
	                                    : VERIFY_TLS;
}

static void check_http(struct bind *b, void *obj, const struct seen *seen)
{
	const struct http_spec *h = obj;

	if (h->url.s != NULL) {
		check_http_url(b, seen_pos(seen, "url"), h->url.s);
	}
}

static const struct field table_http_fields[] = {
	ROW("url", TEXT, AT(http_spec, url), HOST_T | FIELD_REQUIRED, .min = 1,
	    .doc = "http:// or https://, asked with GET. Below 400 is a success."),
	ROW("expect", TEXT, AT(http_spec, expect), HOST_T, .min = 1,
	    .doc = "Text that the answer holds."),
	ROW("caSetRef", REF, AT(http_spec, ca_set), .ref = KIND_CASET, .dflt_text = "the system's",
	    .doc = "Anchors for https."),
};
static TABLE(table_http, http_spec, "http", "An HTTP request.", .check = check_http);

static const struct field table_verify_fields[] = {
	ROW("tls", POINTER, AT_POINTER(verify_spec, tls), .sub = &table_endpoint, .groups = 1,
	    .flags = FIELD_REQUIRED, .doc = "A TLS handshake."),
	ROW("command", COMMAND, AT_POINTER(verify_spec, command), .sub = &table_command, HOST_T,
	    .groups = 1, .doc = "A program that succeeds."),
	ROW("http", POINTER, AT_POINTER(verify_spec, http), .sub = &table_http, .groups = 1,
	    .doc = "An HTTP request."),
};
static TABLE(table_verify, verify_spec, "verification", "How success is proven.",
             .check = check_verify);

static const struct word words_failure[] = { { "rollback", FAIL_ROLLBACK },
	                                     { "stop", FAIL_STOP },
	                                     { "continue", FAIL_CONTINUE },
	                                     { NULL, 0 } };
static const struct field table_rollout_fields[] = {
	ROW("maxUnavailable", INT, AT(rollout_spec, max_unavailable), .dflt = 1, .min = 1,
	    .max = 1000000, .doc = "Hosts worked on at a time."),
	ROW("order", TEXTS, AT(rollout_spec, order), .format = FORMAT_HOST,
	    .doc = "Hosts that come first, in this order."),
	ROW("pause", DURATION, AT(rollout_spec, pause_s), .min = 0, .max = 86400,
	    .doc = "Between waves."),
	ROW("exclusive", TEXT, AT(rollout_spec, exclusive), HOST_T, .min = 1,
	    .doc = "Hosts with the same value are never worked on together, across Targets."),
	ROW("onFailure", ENUM, AT(rollout_spec, on_failure), .words = words_failure,
	    .flags = FIELD_SHOW_DEFAULT, .doc = "What a failed activation or verification does."),
};
static TABLE(table_rollout, rollout_spec, "rollout", "In what order and how many at a time.");

static const struct word words_deadline[] = { { "hold", 0 }, { "proceed", 1 }, { NULL, 0 } };
static const struct word words_proof[] = { { "confirm", 0 }, { NULL, 0 } };
static const struct field table_consumer_fields[] = {
	ROW("target", REF, AT(consumer_spec, target), .ref = KIND_TARGET, .groups = 1,
	    .flags = FIELD_REQUIRED, .doc = "Target whose hosts must trust it first."),
	ROW("external", TEXT, AT(consumer_spec, external), .min = 1, .max = 253, .groups = 1,
	    .doc = "Somebody certwright cannot see, by name."),
	ROW("proof", WORD, .width = 0, .words = words_proof,
	    .doc = "External: proven by `certwright confirm`."),
	ROW("quorum", PERCENT, AT(consumer_spec, quorum_percent), .dflt = 100, .min = 1, .max = 100,
	    .doc = "How many of them."),
	ROW("deadline", DURATION, AT(consumer_spec, deadline_s), .min = 60, .max = 3660 * DAY,
	    .doc = "How long to wait for them."),
	ROW("onDeadline", ENUM, AT(consumer_spec, proceed_on_deadline), .words = words_deadline,
	    .flags = FIELD_SHOW_DEFAULT, .doc = "What happens then."),
};
static TABLE(table_consumer, consumer_spec, "consumer", "Who must trust what is presented.");

static const struct field table_target_fields[] = {
	ROW("hosts", TEXTS, AT_SHARED(target, host_ranges), .groups = 1, .flags = FIELD_REQUIRED,
	    .min = 1, .doc = "Hosts, with ranges: pdu[01-40].dc1.example."),
	ROW("host", TEXT, AT(target, host), .groups = 1, .format = FORMAT_HOST,
	    .doc = "A single host."),
	ROW("inventory", TEXT, AT_SHARED(target, inventory), .groups = 1,
	    .format = FORMAT_REPOSITORY,
	    .doc = "File in the repository: CSV with a header whose first column is the host, or "
	           "one host a line."),
	ROW("via", MAP, AT_SHARED(target, via), .sub = &table_via, .flags = FIELD_REQUIRED,
	    .doc = "How the hosts are reached."),
	ROW("deliver", LIST, AT_LIST(target, deliver), .sub = &table_deliver,
	    .doc = "Files and where they go."),
	ROW("configure", LIST, AT_SHARED_LIST(target, configure), .sub = &table_configure,
	    .doc = "Idempotent edits."),
	ROW("activate", LIST, AT_SHARED_LIST(target, activate), .sub = &table_activate,
	    .doc = "How new files come into use."),
	ROW("verify", LIST, AT_LIST(target, verify), .sub = &table_verify,
	    .doc = "How success is proven."),
	ROW("rollout", MAP, AT_SHARED(target, rollout), .sub = &table_rollout,
	    .doc = "In what order and how many at a time."),
	ROW("windows", LIST, AT_SHARED_LIST(target, windows), .sub = &table_window,
	    .doc = "When changes may be activated."),
	ROW("urgentBefore", URGENT, AT_SHARED(target, urgent_before_s), .min = 60,
	    .max = 3660 * DAY, .dflt_text = "3d or a sixth of life, whichever is less",
	    .doc = "So long before expiry windows do not count any more; or never."),
	ROW("consumers", LIST, AT_SHARED_LIST(target, consumers), .sub = &table_consumer,
	    .doc = "Who must trust what the hosts present; derived where keystores say so."),
	ROW("takeOver", BOOL, AT_SHARED(target, take_over), .flags = FIELD_SHOW_DEFAULT,
	    .doc = "Replace foreign identities in the declared places, with a backup."),
	ROW("prune", BOOL, AT_SHARED(target, prune), .flags = FIELD_SHOW_DEFAULT,
	    .doc = "Remove what certwright put there and nobody declares any more."),
	ROW("profile", UNSUPPORTED, .doc = "Knowledge about a product."),
	ROW("parameters", UNSUPPORTED, .doc = "Of the profile."),
	ROW("drain", UNSUPPORTED, .doc = "Take hosts out of a load balancer meanwhile."),
	COMMON_SPEC_FIELDS,
};
TABLE_SHARED(table_target, target, "spec of Target", "Where identities go and how they are seen.",
             .late = true, .check = spec_note_written);
