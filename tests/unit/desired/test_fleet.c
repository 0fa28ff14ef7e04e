/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_fleet.c - one document, many hosts: ranges, inventories, instances, templates, defaults,
 * policies.
 */
#include <string.h>

#include "desired/hosts.h"
#include "reconciler/base/str.h"
#include "tests/unit/desired/loading.h"
#include "tests/unit/unit.h"

static struct loading l;

static void teardown(void)
{
	loading_release(&l);
	l = (struct loading){ 0 };
}

static void expands(const char *pattern, const char *joined)
{
	struct arena arena;
	struct host_names names = { 0 };
	struct err err = { 0 };
	struct buf out;

	arena_init(&arena);
	buf_init(&out, 4096);
	ck_assert_ok(host_range_expand(pattern, 1000, &arena, &names, &err), &err);
	for (size_t i = 0; i < names.n; i++) {
		buf_printf(&out, "%s%s", i == 0 ? "" : " ", names.v[i]);
	}
	ck_assert_str_eq(buf_str(&out), joined);
	buf_release(&out);
	arena_release(&arena);
}

START_TEST(ranges_keep_their_width_and_multiply)
{
	expands("a.example", "a.example");
	expands("pdu[08-11].dc1", "pdu08.dc1 pdu09.dc1 pdu10.dc1 pdu11.dc1");
	expands("n[8-10]", "n8 n9 n10");
	expands("r[1-2]n[a,c,7-8]", "r1na r1nc r1n7 r1n8 r2na r2nc r2n7 r2n8");
	expands("x[5]", "x5");
}
END_TEST

START_TEST(ranges_that_are_none_are_refused_and_cost_nothing)
{
	static const char *const bad[] = { "a[2-1]",
		                           "a[",
		                           "a]",
		                           "a[]",
		                           "a[1-]",
		                           "a[1,]",
		                           "a[[1]]",
		                           "a[1-2][3-4][5][6][7]",
		                           "a[1-9999999999]",
		                           "a[x-y]",
		                           "[1-999999999][1-999999999]" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct arena arena;
		struct host_names names = { 0 };
		struct err err = { 0 };
		arena_init(&arena);
		ck_assert_msg(host_range_expand(bad[i], 1000, &arena, &names, &err) == ERR_INVALID,
		              "%s is accepted", bad[i]);
		ck_assert_uint_eq(names.n, 0);
		arena_release(&arena);
	}
}
END_TEST

#define FLEET                                                                                      \
	CORP_CA API "kind: Target\nmetadata: {name: ups}\n"                                        \
		    "spec: {inventory: ups.csv, via: {local: {}}}\n---\n" API                      \
		    "kind: Certificate\nmetadata: {name: card}\nspec:\n"                           \
		    "  forEach: {target: ups}\n  commonName: \"{{host.short}}-{{var.room}}\"\n"    \
		    "  dnsNames: [\"{{host}}\", \"{{otherHosts}}\", ups.example]\n"                \
		    "  subject: {organizationalUnits: [\"{{ host.index }} of {{otherHosts}}\"]}\n" \
		    "  issuerRef: {name: corp-ca}\n"

static void load_fleet(void)
{
	const struct memory_file files[] = {
		{ "fleet.yaml", bytes_of_str(FLEET) },
		{ "ups.csv", bytes_of_str("# our cards\nroom,host\r\n\"r \"\"1\"\"\",b.example\n"
		                          " r2 , a.example\n\nr3,c.example") },
	};
	enum err_code rc = load_memory(&l, files, ARRAY_LEN(files));

	ck_assert_msg(rc == ERR_OK, "%s", l.text);
}

START_TEST(for_each_makes_an_identity_per_host)
{
	load_fleet();
	ck_assert_uint_eq(l.d->n_identities, 3);
	ck_assert_str_eq(l.d->identities[0].name, "card@a.example");
	ck_assert_str_eq(l.d->identities[2].name, "card@c.example");
	ck_assert_ptr_eq(desired_identity_on(l.d, "card", "b.example"),
	                 desired_identity(l.d, "card@b.example"));
	ck_assert_ptr_null(desired_identity_on(l.d, "card", "z.example"));
	ck_assert_ptr_null(desired_identity(l.d, "card"));
	const struct target *t = desired_target(l.d, "ups");
	ck_assert_str_eq(t->hosts[0].name, "b.example");
	ck_assert_str_eq(t->hosts[0].values[0], "r \"1\"");
	ck_assert_str_eq(t->hosts[1].values[0], "r2");
}
END_TEST

START_TEST(the_spec_of_an_instance_is_its_host_s)
{
	struct cert_spec spec;
	struct arena arena;

	load_fleet();
	arena_init(&arena);
	ck_assert_ok(identity_spec(desired_identity(l.d, "card@a.example"), &arena, &spec, &l.err),
	             &l.err);
	ck_assert_str_eq(spec.subject.common_name, "a-r2");
	ck_assert_uint_eq(spec.dns_names.n, 4);
	ck_assert_str_eq(spec.dns_names.v[0], "a.example");
	ck_assert_str_eq(spec.dns_names.v[1], "b.example");
	ck_assert_str_eq(spec.dns_names.v[2], "c.example");
	ck_assert_str_eq(spec.dns_names.v[3], "ups.example");
	ck_assert_str_eq(spec.subject.organizational_units.v[0], "1 of b.example,c.example");
	ck_assert_int_eq(spec.path_len, -1);
	ck_assert_uint_eq(spec.key.bits, 2048);
	arena_release(&arena);
}
END_TEST

START_TEST(facts_of_a_certificate_stand_in_an_alias)
{
	static const uint8_t serial[] = { 0x0a, 0xff };
	struct cert cert = { .serial = { serial, sizeof(serial) },
		             .sha256 = { 0xde, 0xad, 0xbe, 0xef, 0x01 },
		             .not_before = { 1795219200 } };
	struct scope scope = { .cert = &cert, .index = 2 };
	struct arena arena;
	struct err err = { 0 };
	const char *s = NULL;

	arena_init(&arena);
	ck_assert_ok(expand_text("x{{index}}-{{serial}}-{{fingerprint8}}-{{notBefore:%Y%m%d}}",
	                         &scope, &arena, &s, &err),
	             &err);
	ck_assert_str_eq(s, "x2-0aff-deadbeef-20261121");
	ck_assert_int_eq(expand_text("{{host}}", &scope, &arena, &s, &err), ERR_INVALID);
	scope.cert = NULL;
	err_clear(&err);
	ck_assert_int_eq(expand_text("{{serial}}", &scope, &arena, &s, &err), ERR_INVALID);
	arena_release(&arena);
}
END_TEST

START_TEST(the_nearest_folder_s_defaults_win_field_by_field)
{
	const struct memory_file files[] = {
		{ "a/b/web.yaml", bytes_of_str(API "kind: Certificate\nmetadata: {name: web}\n"
		                                   "spec: {commonName: x.example}\n") },
		{ "a/b/z.yaml", bytes_of_str(API "kind: Defaults\nmetadata: {name: near}\nspec:\n"
		                                 "  Certificate: {duration: 10d}\n") },
		{ "a/own.yaml", bytes_of_str(API "kind: Certificate\nmetadata: {name: own}\nspec:\n"
		                                 "  commonName: o.example\n  duration: 20d\n"
		                                 "  renewBeforePercentage: 10\n") },
		{ "ca.yaml", bytes_of_str(CORP_CA) },
		{ "defaults.yaml",
		  bytes_of_str(
			  API "kind: Defaults\nmetadata: {name: far}\nspec:\n"
			      "  Certificate:\n    duration: 30d\n    renewBefore: 2d\n"
			      "    issuerRef: {name: corp-ca}\n    privateKey: {algorithm: ECDSA}\n"
			      "    renewal: {policy: Disabled}\n") },
	};
	enum err_code rc = load_memory(&l, files, ARRAY_LEN(files));

	ck_assert_msg(rc == ERR_OK, "%s", l.text);
	const struct certificate *web = desired_certificate(l.d, "web");
	ck_assert_int_eq(web->shared->duration_s, 10 * 86400);
	ck_assert_int_eq(web->shared->renew_before_s, 2 * 86400);
	ck_assert_str_eq(web->shared->issuers.v[0].s, "corp-ca");
	ck_assert_int_eq(web->shared->key.algorithm, KEY_ECDSA);
	ck_assert_int_eq(web->shared->key.size, 256);
	ck_assert(web->shared->renewal_disabled);
	const struct certificate *own = desired_certificate(l.d, "own");
	ck_assert_int_eq(own->shared->duration_s, 20 * 86400);
	/* renewBefore and the percentage exclude each other: the object's own stays alone */
	ck_assert_int_eq(own->shared->renew_before_s, 0);
	ck_assert_int_eq(own->shared->renew_before_percentage, 10);
}
END_TEST

#define WEAK                                                                                       \
	CORP_CA API "kind: Certificate\nmetadata: {name: old, labels: {team: ups}}\nspec:\n"       \
		    "  commonName: a.example\n  issuerRef: {name: corp-ca}\n"                      \
		    "  privateKey: {size: 1024}\n"

/* Two files of one shape: sharing is by content, places in the file included. */
START_TEST(what_objects_have_alike_is_there_once_and_defaults_reach_their_own_only)
{
	static const char *const yaml[] = {
		CORP_CA,
		API "kind: Certificate\nmetadata: {name: b, labels: {team: x}}\n"
		    "spec: {issuerRef: {name: corp-ca}, commonName: b.example}\n",
		API "kind: Certificate\nmetadata: {name: c, labels: {team: x}}\n"
		    "spec: {issuerRef: {name: corp-ca}, commonName: c.example}\n---\n" API
		    "kind: Defaults\nmetadata: {name: d}\n"
		    "spec: {Certificate: {duration: 30d, privateKey: {algorithm: RSA}}}\n",
		API "kind: Certificate\nmetadata: {name: e, labels: {team: x}}\n"
		    "spec: {issuerRef: {name: corp-ca}, commonName: e.example}\n",
	};
	const struct memory_file files[] = {
		{ "a.yaml", bytes_of_str(yaml[0]) },
		{ "b.yaml", bytes_of_str(yaml[1]) },
		{ "sub/c.yaml", bytes_of_str(yaml[2]) },
		{ "e.yaml", bytes_of_str(yaml[3]) },
	};

	enum err_code rc = load_memory(&l, files, ARRAY_LEN(files));
	ck_assert_msg(rc == ERR_OK, "%s", l.text);
	const struct certificate *b = desired_certificate(l.d, "b");
	const struct certificate *c = desired_certificate(l.d, "c");
	const struct certificate *e = desired_certificate(l.d, "e");

	ck_assert_ptr_eq(b->shared, e->shared);
	ck_assert_ptr_eq(b->o.shared, e->o.shared);
	ck_assert_str_eq(b->common_name.s, "b.example");
	ck_assert_str_eq(e->common_name.s, "e.example");
	ck_assert_ptr_ne(b->shared, c->shared);
	ck_assert_int_eq(b->shared->duration_s, 90 * 86400);
	ck_assert_int_eq(c->shared->duration_s, 30 * 86400);
	ck_assert_uint_eq(c->shared->key_usage, b->shared->key_usage | KU_KEY_ENCIPHERMENT);
	ck_assert(object_selected(&c->o, "team=x"));
	ck_assert(object_selected(&c->o, "team==x"));
	ck_assert(!object_selected(&c->o, "team=="));
}
END_TEST

START_TEST(a_lint_warns_until_it_is_silenced_with_a_reason)
{
	load_good(&l, WEAK);
	ck_assert_uint_eq(l.d->n_warnings, 1);
	ck_assert_str_eq(l.d->warnings[0].name, "rsa-below-2048");
	loading_release(&l);
	load_good(&l,
	          WEAK "---\n" API "kind: Policy\nmetadata: {name: known}\nspec:\n"
	               "  match: {labels: {team: ups}}\n"
	               "  silence: [{lint: rsa-below-2048, reason: the card cannot do more}]\n");
	ck_assert_uint_eq(l.d->n_warnings, 0);
	loading_release(&l);
	load_good(&l,
	          WEAK "---\n" API "kind: Policy\nmetadata: {name: known}\nspec:\n"
	               "  match: {labels: {team: kms}}\n"
	               "  silence: [{lint: rsa-below-2048, reason: the card cannot do more}]\n");
	ck_assert_uint_eq(l.d->n_warnings, 1);
}
END_TEST

START_TEST(a_policy_of_severity_warning_only_warns)
{
	load_good(&l, WEAK "---\n" API "kind: Policy\nmetadata: {name: size}\nspec:\n"
	                   "  severity: warning\n"
	                   "  rules: [{field: privateKey.size, min: 2048, message: too small}]\n");
	ck_assert_uint_eq(l.d->n_warnings, 2);
	ck_assert_str_eq(l.d->warnings[0].text,
	                 "fleet.yaml:12:15: Policy 'size': privateKey.size is "
	                 "1024; at least 2048: too small");
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("fleet");

	tcase_add_checked_fixture(tc, /* setup= */ NULL, teardown);
	tcase_add_test(tc, ranges_keep_their_width_and_multiply);
	tcase_add_test(tc, ranges_that_are_none_are_refused_and_cost_nothing);
	tcase_add_test(tc, for_each_makes_an_identity_per_host);
	tcase_add_test(tc, the_spec_of_an_instance_is_its_host_s);
	tcase_add_test(tc, facts_of_a_certificate_stand_in_an_alias);
	tcase_add_test(tc, the_nearest_folder_s_defaults_win_field_by_field);
	tcase_add_test(tc, what_objects_have_alike_is_there_once_and_defaults_reach_their_own_only);
	tcase_add_test(tc, a_lint_warns_until_it_is_silenced_with_a_reason);
	tcase_add_test(tc, a_policy_of_severity_warning_only_warns);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("desired/fleet", build)
