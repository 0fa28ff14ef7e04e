/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_load.c - what is written arrives in the model.
 */
#include <string.h>

#include "reconciler/base/str.h"
#include "reconciler/pki/pki.h"
#include "tests/unit/desired/loading.h"
#include "tests/unit/unit.h"

static struct loading l;

static void teardown(void)
{
	loading_release(&l);
	l = (struct loading){ 0 };
}

/* Every field of cert-manager 1.21's Certificate.spec. */
static const char cert_manager[] =
	"apiVersion: cert-manager.io/v1\n"
	"kind: Certificate\n"
	"metadata:\n"
	"  name: example-com\n"
	"  namespace: sandbox\n"
	"  annotations: {a: b}\n"
	"  creationTimestamp: null\n"
	"spec:\n"
	"  secretName: example-com-tls\n"
	"  secretTemplate:\n"
	"    annotations: {my-secret-annotation-1: \"foo\"}\n"
	"    labels: {my-secret-label: foo}\n"
	"  privateKey:\n"
	"    algorithm: RSA\n"
	"    encoding: PKCS8\n"
	"    size: 4096\n"
	"    rotationPolicy: Never\n"
	"  signatureAlgorithm: SHA384WithRSA\n"
	"  duration: 2160h # 90d\n"
	"  renewBefore: 360h # 15d\n"
	"  renewal:\n"
	"    policy: Disabled\n"
	"    windows:\n"
	"    - {cron: \"0 2 * * sun\", windowDuration: 3h, timezone: Europe/Berlin}\n"
	"  isCA: true\n"
	"  usages:\n"
	"    - server auth\n"
	"    - client auth\n"
	"  encodeUsagesInRequest: false\n"
	"  subject:\n"
	"    organizations: [jetstack]\n"
	"    countries: [GB]\n"
	"    organizationalUnits: [ou]\n"
	"    localities: [l]\n"
	"    provinces: [p]\n"
	"    streetAddresses: [s]\n"
	"    postalCodes: [\"1\"]\n"
	"    serialNumber: \"7\"\n"
	"  commonName: example.com\n"
	"  dnsNames:\n"
	"    - example.com\n"
	"    - \"*.example.com\"\n"
	"  uris:\n"
	"    - spiffe://cluster.local/ns/sandbox/sa/example\n"
	"  emailAddresses:\n"
	"    - john.doe@cert-manager.io\n"
	"  ipAddresses:\n"
	"    - 192.168.0.5\n"
	"  otherNames:\n"
	"    - {oid: 1.3.6.1.4.1.311.20.2.3, utf8Value: user@example.com}\n"
	"  keystores:\n"
	"    jks: {create: true, alias: web, passwordSecretRef: {name: jks, key: password}}\n"
	"    pkcs12: {create: true, profile: Modern2023, passwordSecretRef: {name: p12, key: pw}}\n"
	"  additionalOutputFormats:\n"
	"    - type: CombinedPEM\n"
	"    - type: DER\n"
	"  nameConstraints:\n"
	"    critical: true\n"
	"    permitted: {dnsDomains: [example.com], ipRanges: [10.0.0.0/8], emailAddresses: "
	"[example.com], uriDomains: [example.com]}\n"
	"    excluded: {ipRanges: [10.1.0.0/16]}\n"
	"  revisionHistoryLimit: 3\n"
	"  issuerRef:\n"
	"    name: corp-ca\n"
	"    kind: ClusterIssuer\n"
	"    group: cert-manager.io\n"
	"status:\n"
	"  conditions: [{type: Ready, status: \"True\"}]\n"
	"---\n" CORP_CA
	"apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: theirs}\nspec: {zebra: 1}\n";

START_TEST(a_cert_manager_certificate_with_every_field_runs_unchanged)
{
	const struct desired *d = load_good(&l, cert_manager);
	const struct certificate *c = desired_certificate(d, "example-com");

	ck_assert_uint_eq(d->n_certificates, 1);
	ck_assert_uint_eq(d->n_issuers, 1);
	ck_assert_str_eq(c->secret_name.s, "example-com-tls");
	ck_assert_int_eq(c->shared->key.size, 4096);
	ck_assert_int_eq(c->shared->key.encoding, KEY_PKCS8);
	ck_assert_int_eq(c->shared->key.rotation, ROTATE_NEVER);
	ck_assert_int_eq(c->shared->signature, SIG_SHA384_RSA);
	ck_assert_int_eq(c->shared->duration_s, 90 * 86400);
	ck_assert_int_eq(c->shared->renew_before_s, 15 * 86400);
	ck_assert(c->shared->renewal_disabled);
	ck_assert_uint_eq(c->shared->n_renewal_windows, 1);
	ck_assert_int_eq(c->shared->renewal_windows[0].window.duration_s, 3 * 3600);
	ck_assert_str_eq(c->shared->renewal_windows[0].window.timezone, "Europe/Berlin");
	ck_assert_uint_eq(c->shared->renewal_windows[0].window.weekdays, 1);
	ck_assert(c->shared->is_ca && !c->shared->encode_usages);
	ck_assert_uint_eq(c->shared->key_usage, KU_CERT_SIGN);
	ck_assert_uint_eq(c->shared->ext_usage, EKU_SERVER_AUTH | EKU_CLIENT_AUTH);
}
END_TEST

START_TEST(the_names_of_a_cert_manager_certificate_arrive)
{
	const struct certificate *c =
		desired_certificate(load_good(&l, cert_manager), "example-com");

	ck_assert_str_eq(c->common_name.s, "example.com");
	ck_assert_uint_eq(c->dns_names.n, 2);
	ck_assert_str_eq(c->dns_names.v[1].s, "*.example.com");
	ck_assert_uint_eq(c->dns_names.v[1].pos.line, 42);
	ck_assert_uint_eq(c->dns_names.v[1].pos.col, 7);
	ck_assert_uint_eq(c->shared->uris.n + c->shared->emails.n + c->ip_addresses.n, 3);
	ck_assert_str_eq(c->shared->other_names[0].utf8.s, "user@example.com");
	ck_assert_str_eq(c->shared->subject->postal_codes.v[0].s, "1");
	ck_assert_str_eq(c->shared->name_constraints->excluded.ip_ranges.v[0].s, "10.1.0.0/16");
	ck_assert_str_eq(c->shared->keystores->jks_alias.s, "web");
	ck_assert_int_eq(c->shared->keystores->jks_password.kind, SECRET_FILE);
	ck_assert_str_eq(c->shared->keystores->jks_password.value.s, "jks/password");
	ck_assert_str_eq(c->shared->issuers.v[0].s, "corp-ca");
	ck_assert_uint_eq(l.d->n_warnings, 3);
	ck_assert_str_eq(l.d->warnings[0].name, "namespace-ignored");
	ck_assert_str_eq(l.d->warnings[0].text, "fleet.yaml:5:14: metadata.namespace is ignored");
	ck_assert_str_eq(l.d->warnings[1].name, "renewal-disabled");
	ck_assert_str_eq(l.d->warnings[2].name, "keystores-ignored");
}
END_TEST

START_TEST(what_is_left_out_has_its_default)
{
	const struct desired *d =
		load_good(&l, CORP_CA API
	                  "kind: Certificate\nmetadata: {name: web}\n"
	                  "spec: {commonName: a.example, issuerRef: {name: corp-ca}}\n");
	const struct certificate *c = desired_certificate(d, "web");
	const struct private_ca *ca = desired_issuer(d, "corp-ca")->private_ca;

	ck_assert_int_eq(c->shared->duration_s, 90 * 86400);
	ck_assert_int_eq(c->shared->key.algorithm, KEY_RSA);
	ck_assert_int_eq(c->shared->key.size, 2048);
	ck_assert(c->shared->encode_usages && !c->shared->is_ca);
	ck_assert_uint_eq(c->shared->key_usage, KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT);
	ck_assert_uint_eq(c->shared->ext_usage, EKU_SERVER_AUTH);
	ck_assert_int_eq(ca->generation, 1);
	ck_assert_int_eq(ca->path_len, -1);
	ck_assert_int_eq(ca->backdate_s, 300);
	ck_assert(ca->has_allow && !ca->allow_ca);
	ck_assert_int_eq(ca->crl_interval_s, 0);
}
END_TEST

START_TEST(words_that_yaml_takes_for_something_else_stay_text)
{
	static const char *const words[] = { "no",  "on",         "0777", "12:30:00",
		                             "1e3", "2026-01-01", "0x10", "1_000",
		                             "+1",  ".5",         "y",    "NO",
		                             "1.0", "true",       "=",    "0o17" };
	struct buf yaml;

	buf_init(&yaml, 8192);
	buf_add_str(&yaml, CORP_CA API "kind: Certificate\nmetadata:\n  name: web\n  labels:\n");
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		buf_printf(&yaml, "    l%zu: %s\n", i, words[i]);
	}
	buf_add_str(&yaml,
	            "spec:\n  issuerRef: {name: corp-ca}\n  commonName: no\n  secretName: 0777\n"
	            "  subject:\n    organizations: [12:30:00, 2026-01-01, on]\n");
	const struct certificate *c = desired_certificate(load_good(&l, buf_str(&yaml)), "web");
	ck_assert_uint_eq(c->o.shared->n_labels, ARRAY_LEN(words));
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		ck_assert_str_eq(c->o.shared->labels[i].value, words[i]);
	}
	ck_assert_str_eq(c->common_name.s, "no");
	ck_assert_str_eq(c->secret_name.s, "0777");
	ck_assert_str_eq(c->shared->subject->organizations.v[0].s, "12:30:00");
	ck_assert_str_eq(c->shared->subject->organizations.v[1].s, "2026-01-01");
	ck_assert_str_eq(c->shared->subject->organizations.v[2].s, "on");
	buf_release(&yaml);
}
END_TEST

START_TEST(anchors_aliases_and_merges_work_in_any_order)
{
	const struct desired *d = load_good(
		&l, CORP_CA API
		"x-base: &base {algorithm: ECDSA, size: 384}\n"
		"x-more: &more\n  <<: *base\n  size: 521\n  rotationPolicy: Never\n"
		"kind: Certificate\nmetadata: {name: a, labels: {<<: {x: merged, y: merged}, x: own}}\n"
		"spec:\n"
		"  privateKey:\n    size: 256\n    <<: [*more, *base]\n"
		"  dnsNames: &names [a.example, &b b.example]\n"
		"  uris: []\n"
		"  commonName: *b\n"
		"  issuerRef: {name: corp-ca}\n"
		"---\n" API
		"spec: {commonName: &c c.example, dnsNames: [*c], issuerRef: {name: corp-ca}}\n"
		"metadata: {name: late}\nkind: Certificate\n");
	const struct certificate *c = desired_certificate(d, "a");

	ck_assert_int_eq(c->shared->key.algorithm, KEY_ECDSA);
	ck_assert_int_eq(c->shared->key.size, 256);
	ck_assert_int_eq(c->shared->key.rotation, ROTATE_NEVER);
	ck_assert_str_eq(c->common_name.s, "b.example");
	ck_assert(object_selected(&c->o, "x=own,y=merged"));
	ck_assert(!object_selected(&c->o, "x=merged"));
	ck_assert_str_eq(desired_certificate(d, "late")->dns_names.v[0].s, "c.example");
}
END_TEST

START_TEST(places_of_fields_are_known)
{
	const struct desired *d =
		load_good(&l, CORP_CA API
	                  "kind: Certificate\nmetadata:\n  name: web\nspec:\n"
	                  "  privateKey:\n    algorithm: ECDSA\n  commonName: a.example\n"
	                  "  issuerRef: {name: corp-ca}\n  duration:  30d\n");
	const struct object *o = &desired_certificate(d, "web")->o;

	ck_assert_str_eq(o->file, "fleet.yaml");
	ck_assert_uint_eq(o->pos.line, 9);
	ck_assert_uint_eq(object_pos_of(o, "duration").line, 15);
	ck_assert_uint_eq(object_pos_of(o, "duration").col, 14);
	ck_assert_uint_eq(object_pos_of(o, "privateKey").line, 12);
	ck_assert_uint_eq(object_pos_of(o, "usages").line, 9);
}
END_TEST

START_TEST(files_that_are_not_ours_are_not_judged)
{
	const struct memory_file files[] = {
		{ "chart.yaml", bytes_of_str("{{ .Values }}\n") },
		{ "compose.yml", bytes_of_str("version: 3\nversion: 4\n") },
		{ "deploy.yaml",
		  bytes_of_str("apiVersion: apps/v1\nkind: Deployment\nspec: {}\n---\n"
		               "# cert-manager.io/v1\n- just\n- a list\n") },
		{ "notes.txt", bytes_of_str("certwright/v1: [") },
	};

	ck_assert_int_eq(load_memory(&l, files, ARRAY_LEN(files)), ERR_OK);
	ck_assert_uint_eq(l.d->n_certificates, 0);
}
END_TEST

START_TEST(equal_files_give_equal_digests_and_others_do_not)
{
	struct loading other;
	const char *yaml =
		API "kind: CASet\nmetadata: {name: roots}\nspec: {sources: [{file: r.pem}]}\n";
	struct memory_file files[] = { { "a.yaml", bytes_of_str(yaml) },
		                       { "r.pem",
		                         bytes_of_str("-----BEGIN CERTIFICATE-----\n1") } };

	ck_assert_int_eq(load_memory(&l, files, 2), ERR_OK);
	ck_assert_int_eq(load_memory(&other, files, 2), ERR_OK);
	ck_assert_mem_eq(l.d->tree_digest, other.d->tree_digest, SHA256_BYTES);
	loading_release(&other);
	files[1].data = bytes_of_str("-----BEGIN CERTIFICATE-----\n2");
	ck_assert_int_eq(load_memory(&other, files, 2), ERR_OK);
	ck_assert_mem_ne(l.d->tree_digest, other.d->tree_digest, SHA256_BYTES);
	loading_release(&other);
}
END_TEST

START_TEST(more_than_a_thousand_errors_are_counted)
{
	struct buf yaml;

	buf_init(&yaml, (size_t)1 << 20);
	for (int i = 0; i < 1100; i++) {
		buf_printf(&yaml,
		           API "kind: CASet\nmetadata: {name: s%d}\nspec: {sourcs: []}\n---\n", i);
	}
	ck_assert_int_eq(load_text(&l, buf_str(&yaml)), ERR_INVALID);
	ck_assert_uint_eq(l.diag.n, 1001);
	ck_assert_str_eq(l.diag.v[1000].message, "and 100 more errors, which are not shown");
	buf_release(&yaml);
}
END_TEST

START_TEST(an_error_is_shown_with_its_line_a_caret_and_a_hint)
{
	struct buf out;

	buf_init(&out, 4096);
	ck_assert_int_eq(load_text(&l, API
	                           "kind: CASet\nmetadata: {name: s}\nspec: {overlap: \033x}\n"),
	                 ERR_INVALID);
	loading_release(&l);
	ck_assert_int_eq(load_text(&l,
	                           API "kind: CASet\nmetadata: {name: s}\nspec: {sorces: []}\n"),
	                 ERR_INVALID);
	diagnostic_format(&l.diag.v[0], &out);
	ck_assert_str_eq(buf_str(&out), "fleet.yaml:4:8: unknown key 'sorces' in spec of CASet\n"
	                                "    spec: {sorces: []}\n"
	                                "           ^\n"
	                                "    hint: did you mean 'sources'?\n");
	buf_release(&out);
}
END_TEST

START_TEST(the_caret_stands_below_its_place_whatever_was_escaped_before_it)
{
	static const struct {
		const char *spec, *shown;
	} cases[] = {
		{ "{\"a\\\\b\": 1, sorces: []}", "    spec: {\"a\\\\\\\\b\": 1, sorces: []}\n"
		                                 "                        ^\n" },
		{ "{\"\xc3\xa4\": 1,\tsorces: []}", "    spec: {\"\xc3\xa4\": 1, sorces: []}\n"
		                                    "                   ^\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(buf_release) struct buf out = { 0 };
		CLEANUP(cleanup_free)
		char *yaml = str_printf(API "kind: CASet\nmetadata: {name: s}\nspec: %s\n",
		                        cases[i].spec);
		buf_init(&out, 4096);
		ck_assert_int_eq(load_text(&l, yaml), ERR_INVALID);
		diagnostic_format(&l.diag.v[l.diag.n - 1], &out);
		ck_assert_msg(strstr(buf_str(&out), cases[i].shown) != NULL, "%s", buf_str(&out));
		teardown();
	}
}
END_TEST

START_TEST(a_byte_order_mark_in_front_is_no_part_of_the_text)
{
	static const char good[] = "\xef\xbb\xbf" CORP_CA API "kind: Target\nmetadata: {name: t}\n"
				   "spec: {inventory: hosts.csv, via: {local: {}}}\n";
	static const char bad[] =
		"\xef\xbb\xbf{apiVersion: certwright/v1, kind: CASet, metadata: {name: s}, sp: {}}\n";
	const struct memory_file files[] = {
		{ "fleet.yaml", bytes_of_str(good) },
		{ "hosts.csv", bytes_of_str("\xef\xbb\xbfhost,rack\r\na.example,1\r\n") },
	};
	CLEANUP(buf_release) struct buf out = { 0 };

	ck_assert_ok(load_memory(&l, files, ARRAY_LEN(files)), &l.err);
	ck_assert_uint_eq(l.d->n_targets, 1);
	teardown();
	ck_assert_int_eq(load_text(&l, bad), ERR_INVALID);
	buf_init(&out, 4096);
	diagnostic_format(&l.diag.v[l.diag.n - 1], &out);
	ck_assert_msg(strstr(buf_str(&out), "fleet.yaml:1:63: unknown key 'sp'") != NULL &&
	                      strstr(buf_str(&out), "    {apiVersion") != NULL,
	              "%s", buf_str(&out));
}
END_TEST

START_TEST(a_secret_written_out_is_not_repeated)
{
	static const char *const secrets[] = { "password: hunter2", "passwordRef: hunter2",
		                               "passwordRef: {wellKnown: hunter2}",
		                               "keyPassword: [hunter2]" };

	for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
		struct buf out;
		CLEANUP(cleanup_free)
		char *yaml =
			str_printf(API "kind: Keystore\nmetadata: {name: k}\nspec:\n  format: jks\n"
		                       "  entries: []\n  %s\n",
		                   secrets[i]);
		buf_init(&out, 4096);
		ck_assert_int_eq(load_text(&l, yaml), ERR_INVALID);
		for (size_t k = 0; k < l.diag.n; k++) {
			diagnostic_format(&l.diag.v[k], &out);
		}
		ck_assert_ptr_null(strstr(buf_str(&out), "hunter2"));
		ck_assert_ptr_nonnull(strstr(buf_str(&out), "a secret does not belong into git"));
		buf_release(&out);
		loading_release(&l);
	}
	l = (struct loading){ 0 };
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("load");

	tcase_add_checked_fixture(tc, /* setup= */ NULL, teardown);
	tcase_add_test(tc, a_cert_manager_certificate_with_every_field_runs_unchanged);
	tcase_add_test(tc, the_names_of_a_cert_manager_certificate_arrive);
	tcase_add_test(tc, what_is_left_out_has_its_default);
	tcase_add_test(tc, words_that_yaml_takes_for_something_else_stay_text);
	tcase_add_test(tc, anchors_aliases_and_merges_work_in_any_order);
	tcase_add_test(tc, places_of_fields_are_known);
	tcase_add_test(tc, files_that_are_not_ours_are_not_judged);
	tcase_add_test(tc, equal_files_give_equal_digests_and_others_do_not);
	tcase_add_test(tc, more_than_a_thousand_errors_are_counted);
	tcase_add_test(tc, an_error_is_shown_with_its_line_a_caret_and_a_hint);
	tcase_add_test(tc, the_caret_stands_below_its_place_whatever_was_escaped_before_it);
	tcase_add_test(tc, a_byte_order_mark_in_front_is_no_part_of_the_text);
	tcase_add_test(tc, a_secret_written_out_is_not_repeated);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("desired/load", build)
