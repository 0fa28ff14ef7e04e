/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model.h - the desired state as typed, immutable values.
 *
 * Built by load.h from the YAML of one commit; lives and dies with its arena; const once built. The
 * structs are filled through the tables of schema.c, which also make the JSON Schema, `explain`,
 * man page 5 and completion. Texts keep where they stood, so that anything found wrong later can
 * name file:line:col. Field meanings: desired-model.md.
 *
 * Templates ({{host}} ...) stay templates here; expand.h resolves them for one host.
 *
 * Memory: the objects of a fleet differ in their names and are alike in nearly all else. What is
 * alike stands behind `shared`, and equal ones of a commit are one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reconciler/base/arena.h"
#include "reconciler/base/bytes.h"
#include "reconciler/base/when.h"
#include "reconciler/pki/spec.h"

struct pos {
	uint32_t line, col; /* from 1; 0: not written */
};

struct text {
	const char *s; /* NULL: not written */
	struct pos pos;
};

struct texts {
	const struct text *v;
	size_t n;
};

enum kind {
	KIND_ISSUER,
	KIND_CERTIFICATE,
	KIND_CASET,
	KIND_KEYSTORE,
	KIND_TARGET,
	KIND_DISCOVERY,
	KIND_POLICY,
	KIND_DEFAULTS,
	KIND_COUNT,
};
const char *kind_name(enum kind k); /* "Certificate" */

struct label {
	const char *key, *value;
};

struct object_shared {
	const struct label *labels;
	size_t n_labels;
	struct texts former_names;
	uint64_t set;         /* bit per spec field that has a value, in table order ... */
	uint64_t written;     /* ... in the object itself; the rest comes from Defaults */
	const struct pos *at; /* of each written spec field, in table order */
};
/* First member of every kind. */
struct object {
	enum kind kind;
	bool suspend, protect;
	bool misread; /* its spec held an unknown key: what is missing may be just that */
	const char *name;
	const char *file; /* path in the repository */
	struct pos pos;   /* of metadata.name */
	const struct object_shared *shared;
};
/* Where spec field `field` ("duration") stands in o->file; the name's place when it was not written
 * there. */
struct pos object_pos_of(const struct object *o, const char *field);

enum secret_kind {
	SECRET_NONE,
	SECRET_FILE,
	SECRET_ENV,
	SECRET_EXEC,
	SECRET_CREDENTIAL,
	SECRET_GENERATED,         /* made once, kept sealed under `generated_name` */
	SECRET_KEYSTORE_PASSWORD, /* valueRef: {keystorePassword: KEYSTORE} */
	SECRET_WELL_KNOWN,
};
struct secret_ref {
	enum secret_kind kind;
	struct pos pos;
	struct text value; /* path, variable, credential, keystore name, the well-known word */
	struct texts argv; /* exec */
	int length;        /* generated */
};

struct subject_spec {
	struct text common_name, serial_number;
	struct texts organizations, countries, organizational_units, localities, provinces,
		street_addresses, postal_codes;
};
struct name_constraints_items {
	struct texts dns_domains, ip_ranges, emails, uri_domains;
};
struct name_constraints_spec {
	bool critical;
	struct name_constraints_items permitted, excluded;
};
struct extension_spec {
	struct text oid;
	bool critical;
	struct text value; /* "utf8:TEXT" (a UTF8String), "hex:..." or base64 of the DER */
	struct bytes der;  /* decoded by the loader */
};
struct private_key_spec {
	enum key_algorithm algorithm;
	int size; /* 0: the algorithm's default */
	enum { KEY_PKCS1, KEY_PKCS8 } encoding;
	enum { ROTATE_ALWAYS, ROTATE_NEVER } rotation;
};
struct private_ca {
	struct subject_spec subject;
	struct private_key_spec key;
	int64_t duration_s;
	int generation; /* from 1 */
	struct text parent;
	struct text external_certificate; /* path in the repository ... */
	struct bytes external_data;       /* ... what it holds; empty: not committed yet */
	int path_len;                     /* -1: not written */
	const struct name_constraints_spec *name_constraints;
	bool has_allow, allow_ca;
	struct texts allow_dns, allow_ips;
	int64_t crl_interval_s, crl_validity_s; /* 0: no CRL */
	struct texts crl_urls, issuer_urls;
	const struct extension_spec *extensions;
	size_t n_extensions;
	int64_t backdate_s;
};
struct issuer_def {
	struct object o;
	const struct private_ca *private_ca; /* the only type of this release */
};

struct window_spec {
	struct text cron, timezone;
	struct window window;
	bool deny;
};
struct endpoint_spec_shared {
	struct text url; /* https://host:port instead */
	struct text starttls;
	struct text present; /* Certificate name; default: the one key entry delivered */
	struct text client_certificate, ca_set;
	int64_t grace_s; /* default 2m */
	int port;
	bool from_target;
	bool once;
};
struct endpoint_spec {    /* verify[].tls and monitor.endpoints[] */
	struct text host; /* monitor only, or from url; default: the target's host */
	struct text server_name;
	struct pos pos;
	const struct endpoint_spec_shared *shared;
};
struct monitor_file {
	struct text path;                   /* or a pattern of fs_glob.h */
	const struct secret_ref *passwords; /* tried in order */
	size_t n_passwords;
};
struct monitor_spec {
	const struct endpoint_spec *endpoints;
	size_t n_endpoints;
	const struct monitor_file *files;
	size_t n_files;
	struct text ca_set;
	int64_t minimum_remaining_s; /* 0: min(30d, life/3) */
	struct text expect_common_name, expect_organization, expect_country, expect_fingerprint;
};
struct adopt_spec {
	struct text target, host, keystore, alias; /* from where it lives now */
	struct text key_sha256;
	struct text certificate; /* path in the repository ... */
	struct bytes data;       /* ... what it holds ... */
	struct secret_ref key;   /* ... with its key */
	struct text imported;
};
struct request_spec {
	struct text csr;
	struct text device_target, device_host;
};
/* cert-manager's spec.keystores: a Keystore of the same certificate in all but name */
struct cm_keystores {
	bool jks_create, pkcs12_create;
	struct text jks_alias, pkcs12_profile;
	struct secret_ref jks_password, pkcs12_password;
};
struct other_name_spec {
	struct text oid, utf8;
};
struct certificate_shared {
	enum { MODE_MANAGED, MODE_MONITORED } mode;
	bool renewal_disabled, is_ca, encode_usages, approval_required;
	struct text for_each; /* Target */
	struct texts issuers; /* issuerRef or issuerRefs in order; names */
	struct text literal_subject;
	const struct subject_spec *subject;
	struct texts uris, emails;
	const struct other_name_spec *other_names;
	size_t n_other_names;
	int64_t duration_s;     /* default 90d */
	int64_t renew_before_s; /* 0: not written */
	const struct window_spec *renewal_windows;
	size_t n_renewal_windows;
	int renew_before_percentage;
	uint32_t key_usage, ext_usage; /* resolved from usages, or the default */
	enum signature_algorithm signature;
	struct private_key_spec key;
	const struct name_constraints_spec *name_constraints;
	const struct extension_spec *extensions;
	size_t n_extensions;
	const struct cm_keystores *keystores;
	const struct monitor_spec *monitor;
	const struct adopt_spec *adopt;
	const struct request_spec *request;
	struct texts allow_targets;
	int generation; /* raised by hand after IssuerKeyLost */
	int renew;
};
struct certificate {
	struct object o;
	struct text common_name, secret_name;
	struct texts dns_names, ip_addresses;
	const struct certificate_shared *shared;
};

enum ca_source_kind { CA_FILE, CA_INLINE, CA_ISSUER, CA_CERTIFICATE, CA_SYSTEM, CA_URL };
struct ca_source {
	struct text file, inline_pem, issuer, certificate, url; /* as written: one of them ... */
	bool system;
	enum ca_source_kind kind; /* ... and what that comes to */
	struct text value;  /* path, PEM, issuer or certificate name, url; "" for the system's */
	struct text sha256; /* of what the url gives */
	struct bytes data;  /* file and inline: contents, read from the commit */
};
struct crl_source {
	struct text file, url; /* one of them */
	struct bytes data;     /* of the file */
};
struct ca_set {
	struct object o;
	const struct ca_source *sources;
	size_t n_sources;
	const struct crl_source *crls;
	size_t n_crls;
	struct texts exclude; /* fingerprints */
	int64_t overlap_s;    /* default 7d */
};

enum entry_source { ENTRY_CERTIFICATE, ENTRY_CA_SET, ENTRY_TRUST_CERTIFICATE };
struct keystore_entry_spec {
	struct text alias;                                  /* may be a template */
	struct text certificate, ca_set, trust_certificate; /* as written: one of them */
	enum entry_source source;
	struct text ref;
	bool certificate_only;
	struct pos pos;
};
enum chain_mode { CHAIN_LEAF, CHAIN_FULL_WITHOUT_ROOT, CHAIN_FULL };
struct keystore_def {
	struct object o;
	struct text format; /* "jks": one of the keystore providers */
	struct text for_each;
	const struct keystore_entry_spec *entries;
	size_t n_entries;
	struct secret_ref password, key_password;
	const struct secret_ref *previous_passwords;
	size_t n_previous_passwords;
	struct text pkcs12_profile; /* ask keystore_profile() */
	enum chain_mode chain;
	bool remove_unmanaged;
};

struct host {
	const char *name;          /* "pdu01.dc1.example" */
	size_t index;              /* from 0, in the order of the Target */
	const char *const *values; /* of the inventory's columns, NULL without */
};
struct deliver_spec_shared {
	struct text owner, group;
	uint32_t mode;            /* default 0600 */
	int backup_keep;          /* default 1 */
	int64_t backup_max_age_s; /* default 7d */
};
struct deliver_spec {
	struct text keystore, certificate; /* one of the two */
	struct text path;
	struct texts one_of; /* path: {oneOf: [...]} */
	struct pos pos;
	const struct deliver_spec_shared *shared;
};
enum configure_kind {
	CONFIGURE_INI,
	CONFIGURE_PROPERTIES,
	CONFIGURE_LINE,
	CONFIGURE_XML_ATTRIBUTE
};
struct configure_spec {
	enum configure_kind kind;
	struct text path, section, key, xpath, attribute, prefix, line, value;
	struct secret_ref value_ref;
	bool one_shot;
	struct pos pos;
};
struct command_spec {
	struct texts argv;
	struct text shell;                        /* instead of argv */
	struct text systemd_unit, systemd_action; /* typed form */
	struct pos pos;
};
struct activate_spec {
	const struct command_spec *before;
	size_t n_before;
	const struct command_spec *check;
	size_t n_check;
	const struct command_spec *after;
	size_t n_after;
	int64_t timeout_s;         /* default 60 */
	struct texts when_entries; /* aliases; empty: any change */
	bool when_configured;
	struct pos pos;
};
struct http_spec {
	struct text url, expect, ca_set;
};
struct verify_spec {
	enum { VERIFY_TLS, VERIFY_COMMAND, VERIFY_HTTP } kind;
	const struct endpoint_spec *tls; /* of its kind, else NULL; likewise: */
	const struct command_spec *command;
	const struct http_spec *http;
};
enum on_failure { FAIL_ROLLBACK, FAIL_STOP, FAIL_CONTINUE };
struct rollout_spec {
	int max_unavailable; /* default 1 */
	struct texts order;
	int64_t pause_s;
	struct text exclusive;
	enum on_failure on_failure;
};
struct consumer_spec {
	struct text target, external;
	int quorum_percent; /* default 100 */
	int64_t deadline_s;
	bool proceed_on_deadline;
};
/* What a product can and cannot do: from its Profile; without one, nothing special. */
struct capabilities {
	bool factory_identity; /* falls back to a self-signed certificate of its own making */
	bool write_only;       /* what it holds cannot be read back */
};

struct target_shared {
	struct capabilities can;
	struct texts host_ranges; /* as written; the next likewise */
	struct text inventory;
	const char *const *columns; /* of the inventory, as in its header */
	size_t n_columns;
	struct text via; /* "local" */
	const struct configure_spec *configure;
	size_t n_configure;
	const struct activate_spec *activate;
	size_t n_activate;
	struct rollout_spec rollout;
	const struct window_spec *windows;
	size_t n_windows;
	int64_t urgent_before_s; /* -1: never; 0: min(3d, life/6) */
	const struct consumer_spec *consumers;
	size_t n_consumers;
	bool take_over, prune;
};
struct target {
	struct object o;
	struct text host;         /* as written */
	const struct host *hosts; /* expanded */
	size_t n_hosts;
	const struct deliver_spec *deliver;
	size_t n_deliver;
	const struct verify_spec *verify;
	size_t n_verify;
	const struct target_shared *shared;
};

struct schedule_spec {
	struct text cron, timezone;
	struct window window; /* open for the minutes that the cron names */
};
/* What to scan, and when. Nothing of what it finds is ever touched. */
struct discovery_def {
	struct object o;
	struct texts ranges; /* see places.h; "@FILE" is a file of the repository, one a line */
	struct texts ports, exclude;
	const char *const *range_words; /* the ranges, with the lines of files */
	size_t n_range_words;
	const char *const *port_words;
	const char *const *exclude_words;
	const struct schedule_spec *schedule; /* NULL: by hand only */
	int rate;                             /* endpoints a second */
	struct text ca_set;                   /* NULL: the system's anchors judge */
};

/* A Certificate as one identity: itself, or one instance per host of its forEach Target. */
struct identity {
	const char *name; /* "web", "pdu-web@pdu01.dc1.example" */
	const struct certificate *def;
	const struct target *target; /* forEach, else NULL */
	const struct host *host;
};

struct warning {
	const char *name; /* of the lint, "private-ca-without-allow" */
	const char *text; /* "file:line:col: ..." */
};

struct desired {
	struct arena *arena;
	const char *commit;      /* hex id, or "worktree" */
	uint8_t tree_digest[32]; /* over every file read: equal means equal desired state */
	/* sorted by name */
	const struct issuer_def *const *issuers;
	size_t n_issuers;
	const struct certificate *const *certificates;
	size_t n_certificates;
	const struct identity *identities;
	size_t n_identities;
	const struct ca_set *const *ca_sets;
	size_t n_ca_sets;
	const struct keystore_def *const *keystores;
	size_t n_keystores;
	const struct target *const *targets;
	size_t n_targets;
	const struct discovery_def *const *discoveries;
	size_t n_discoveries;
	const struct warning *warnings;
	size_t n_warnings;
};

const struct issuer_def *desired_issuer(const struct desired *d, const char *name);
const struct certificate *desired_certificate(const struct desired *d, const char *name);
const struct identity *desired_identity(const struct desired *d, const char *name);
const struct ca_set *desired_ca_set(const struct desired *d, const char *name);
const struct keystore_def *desired_keystore(const struct desired *d, const char *name);
/* The profile it is to have, written or not; NULL (as for k): a format that has none. */
const char *keystore_profile(const struct keystore_def *k);
const struct target *desired_target(const struct desired *d, const char *name);
const struct discovery_def *desired_discovery(const struct desired *d, const char *name);
/* The identity that `certificate` (a Certificate name) means on this host of this target: the
 * host's own instance when it has a forEach, else the one there is. NULL when there is none. */
const struct identity *desired_identity_on(const struct desired *d, const char *certificate,
                                           const char *host);
/* Does the object carry every label of "team=kms,site=dc1"? NULL or "" matches all. */
bool object_selected(const struct object *o, const char *selector);
