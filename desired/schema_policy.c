/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * schema_policy.c - kinds Policy and Defaults, and the reconciler's own configuration.
 */
#include "desired/bind.h"
#include "desired/config.h"
#include "desired/policy.h"
#include "desired/tables.h"

static const struct field table_match_fields[] = {
	ROW("kinds", TEXTS, AT(policy_match, kinds), .min = 1,
	    .doc = "Kinds it is about; all when absent."),
	ROW("labels", LABELS, AT_LIST(policy_match, labels),
	    .doc = "Labels that objects must have."),
	ROW("names", TEXTS, AT(policy_match, names), .min = 1, .doc = "Names, as globs."),
};
static TABLE(table_match, policy_match, "match", "What a Policy is about.");

static void check_rule(struct bind *b, void *obj, const struct seen *seen)
{
	struct policy_rule *r = obj;

	r->pos = seen->pos;
	if (!seen_has(seen, "allow") && !seen_has(seen, "deny") && !seen_has(seen, "min") &&
	    !seen_has(seen, "max") && !r->required) {
		bind_report(b, seen->pos, /* hint= */ NULL,
		            "rule needs one of allow, deny, min, max, required");
	}
}

static const struct field table_rule_fields[] = {
	ROW("field", TEXT, AT(policy_rule, field), .flags = FIELD_REQUIRED, .min = 1,
	    .doc = "Path below spec, such as privateKey.size or deliver.mode."),
	ROW("allow", TEXTS, AT(policy_rule, allow), .doc = "Every value must match one; globs."),
	ROW("deny", TEXTS, AT(policy_rule, deny), .doc = "No value may match one; globs."),
	ROW("min", TEXT, AT(policy_rule, min), .min = 1, .doc = "Number or duration."),
	ROW("max", TEXT, AT(policy_rule, max), .min = 1, .doc = "Number or duration."),
	ROW("required", BOOL, AT(policy_rule, required), .doc = "It must have a value."),
	ROW("message", TEXT, AT(policy_rule, message), .doc = "What to tell who breaks it."),
};
static TABLE(table_rule, policy_rule, "rule", "What nobody may commit.", .check = check_rule);

static const struct field table_silence_fields[] = {
	ROW("lint", TEXT, AT(policy_silence, lint), .flags = FIELD_REQUIRED, .min = 1,
	    .doc = "Name of a built-in warning."),
	ROW("reason", TEXT, AT(policy_silence, reason), .flags = FIELD_REQUIRED, .min = 1,
	    .doc = "Why it is right here."),
};
static TABLE(table_silence, policy_silence, "silence", "A built-in warning that is known.");

static const struct word words_severity[] = { { "error", SEVERITY_ERROR },
	                                      { "warning", SEVERITY_WARNING },
	                                      { NULL, 0 } };
static const struct field table_policy_fields[] = {
	ROW("match", MAP, AT(policy, match), .sub = &table_match, .doc = "What it is about."),
	ROW("rules", LIST, AT_LIST(policy, rules), .sub = &table_rule,
	    .doc = "What nobody may commit."),
	ROW("severity", ENUM, AT(policy, severity), .words = words_severity,
	    .flags = FIELD_SHOW_DEFAULT, .doc = "What a broken rule is."),
	ROW("silence", LIST, AT_LIST(policy, silence), .sub = &table_silence,
	    .doc = "Built-in warnings that are known, with the reason."),
	COMMON_SPEC_FIELDS,
};
TABLE(table_policy, policy, "spec of Policy", "What nobody may commit.", .late = true,
      .check = spec_note_written);

static const struct field table_defaults_spec_fields[] = {
	ROW("Issuer", POINTER, AT_POINTER(defaults, issuer), .sub = &table_issuer,
	    .doc = "Fields of Issuers."),
	ROW("Certificate", POINTER, AT_POINTER(defaults, certificate), .sub = &table_certificate,
	    .doc = "Fields of Certificates."),
	ROW("CASet", POINTER, AT_POINTER(defaults, ca_set), .sub = &table_ca_set,
	    .doc = "Fields of CASets."),
	ROW("Keystore", POINTER, AT_POINTER(defaults, keystore), .sub = &table_keystore,
	    .doc = "Fields of Keystores."),
	ROW("Target", POINTER, AT_POINTER(defaults, target), .sub = &table_target,
	    .doc = "Fields of Targets."),
	ROW("Discovery", POINTER, AT_POINTER(defaults, discovery), .sub = &table_discovery,
	    .doc = "Fields of Discoveries."),
};
TABLE(table_defaults_spec, defaults, "spec of Defaults",
      "Fields of the spec for all objects in this folder and below that do not write them. A "
      "field is taken whole; the nearest folder wins.",
      .late = true, .check = spec_note_written);

static const struct word words_release[] = { { "approve", 0 }, { "allow", 1 }, { NULL, 0 } };
static const struct field table_authority_fields[] = {
	ROW("programs", TEXTS, AT(authority, programs), .min = 1,
	    .doc = "Programs a commit may run: absolute paths, globs or bare names. '/dir/' is all below it."),
	ROW("secretFiles", TEXTS, AT(authority, secret_files), .min = 1,
	    .doc = "Files a commit may read secrets from, as globs; '/dir/' is all below it."),
	ROW("localWrite", TEXTS, AT(authority, local_write), .min = 1,
	    .doc = "Paths that via: local may write, as globs; '/dir/' is all below it."),
	ROW("localRead", TEXTS, AT(authority, local_read), .min = 1,
	    .doc = "Files a monitor may read, as globs; '/dir/' is all below it. What localWrite "
	           "allows may be read, too. A link is followed to what it names."),
	ROW("hosts", TEXTS, AT(authority, hosts), .min = 1,
	    .doc = "Hosts that may be connected to, as globs."),
	ROW("scan", TEXTS, AT(authority, scan), .min = 1,
	    .doc = "Networks, addresses and names (globs) that may be scanned."),
	ROW("signers", UNSUPPORTED, .doc = "Commit signatures."),
	ROW("keyRelease", ENUM, AT(authority, key_release_allow), .words = words_release,
	    .flags = FIELD_SHOW_DEFAULT,
	    .doc = "Whether a key may go to a host it was never on without approval."),
};
static TABLE(table_authority, authority, "authority",
             "What a commit may make certwright do. Nothing, unless written here.");

static const struct field table_budget_fields[] = {
	ROW("issue", PERCENT, AT(budget, issue_percent), .dflt = 5, .min = 1, .max = 100,
	    .doc = "Certificates issued in one pass; at least 5."),
	ROW("disrupt", PERCENT, AT(budget, disrupt_percent), .dflt = 2, .min = 1, .max = 100,
	    .doc = "Hosts disrupted in one pass; at least 1."),
	ROW("retire", INT, AT(budget, retire), .dflt = 1, .min = 0, .max = 1000000,
	    .doc = "Things retired in one pass."),
};
static TABLE(table_budget, budget, "budget", "Brakes a bad commit: above it the plan waits.");

static const struct field table_probe_fields[] = {
	ROW("timeout", DURATION, AT(probe_pace, timeout_s), .dflt = 5, .min = 1, .max = 600,
	    .doc = "How long an endpoint may take, all of its addresses together."),
	ROW("overall", DURATION, AT(probe_pace, overall_s), .min = 0, .max = DAY,
	    .dflt_text = "no limit", .doc = "How long all endpoints together may take."),
	ROW("parallel", INT, AT(probe_pace, parallel), .dflt = 1000, .min = 1, .max = 20000,
	    .doc = "Endpoints looked at at once."),
	ROW("perHost", INT, AT(probe_pace, per_host), .dflt = 16, .min = 1, .max = 20000,
	    .doc = "Of them, at one host."),
	ROW("rate", INT, AT(probe_pace, rate), .min = 0, .max = 1000000, .dflt_text = "no limit",
	    .doc = "Looks begun in a second."),
	ROW("polite", BOOL, AT(probe_pace, polite),
	    .doc = "Complete every handshake, at three times the cost: cutting it off once the certificate is proven leaves a line in the logs of some servers."),
};
static TABLE(table_probe, probe_pace, "probe", "How endpoints are looked at.");

static const struct field table_config_fields[] = {
	ROW("repository", TEXT, AT(config, repository), .min = 1,
	    .doc = "Path or URL of the git repository."),
	ROW("ref", TEXT, AT(config, ref), .min = 1, .dflt_text = "HEAD",
	    .doc = "Branch, tag or commit."),
	ROW("path", TEXT, AT(config, path), .format = FORMAT_REPOSITORY, .dflt_text = "the root",
	    .doc = "Folder of the repository."),
	ROW("state", TEXT, AT(config, state), .format = FORMAT_ABSOLUTE,
	    .doc = "Directory of the state."),
	ROW("secretsDir", TEXT, AT(config, secrets_dir), .format = FORMAT_ABSOLUTE,
	    .doc = "Where relative {file: PATH} secrets are."),
	ROW("masterKey", TEXT, AT(config, master_key), .format = FORMAT_ABSOLUTE, .groups = 1,
	    .doc = "File of the master key, outside the state."),
	ROW("masterKeyRef", SECRET, AT(config, master_key_ref), .sub = &table_secret, .groups = 1,
	    .doc = "Where the master key comes from instead: {credential: NAME} or {exec: [PROGRAM]}, 32 octets or 64 hexadecimal digits."),
	ROW("interval", DURATION, AT(config, interval_s), .dflt = 300, .min = 1, .max = 86400,
	    .doc = "How often `run` looks at everything."),
	ROW("inbox", TEXT, AT(config, inbox), .format = FORMAT_ABSOLUTE,
	    .doc = "Directory where issued certificates arrive."),
	ROW("watch", TEXTS, AT(config, watch), .format = FORMAT_ABSOLUTE,
	    .doc = "More files to watch."),
	ROW("sshIdentity", TEXT, AT(config, ssh_identity), .format = FORMAT_ABSOLUTE,
	    .doc = "Private key for ssh remotes."),
	ROW("sshKnownHosts", TEXT, AT(config, ssh_known_hosts), .format = FORMAT_ABSOLUTE,
	    .doc = "Host keys of ssh remotes."),
	ROW("tlsCAFile", TEXT, AT(config, tls_ca_file), .format = FORMAT_ABSOLUTE,
	    .dflt_text = "the system's", .doc = "Anchors for https remotes."),
	ROW("httpUser", TEXT, AT(config, http_user), .min = 1, .doc = "User at https remotes."),
	ROW("httpPassword", SECRET, AT(config, http_password), .sub = &table_secret,
	    .doc = "Password at https remotes."),
	ROW("authority", MAP, AT(config, authority), .sub = &table_authority,
	    .doc = "What a commit may make certwright do."),
	ROW("budget", MAP, AT(config, budget), .sub = &table_budget, .doc = "Brakes a bad commit."),
	ROW("probe", MAP, AT(config, probe), .sub = &table_probe,
	    .doc = "How endpoints are looked at."),
	ROW("keepRevisions", INT, AT(config, keep_revisions), .dflt = 10, .min = 1, .max = 1000000,
	    .doc = "Revisions of a certificate that are kept with their keys however old; one below goes a month after it expired, when nothing presents it any more."),
	ROW("acceptRewind", BOOL, AT(config, accept_rewind), .flags = FIELD_SHOW_DEFAULT,
	    .doc = "Accept history that does not fast-forward."),
};
TABLE(table_config, config, "configuration", "The reconciler's own configuration.");
