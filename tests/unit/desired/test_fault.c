/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_fault.c - loading a repository without enough memory: all of it, all of its errors, or a
 * refusal that says why.
 */
#include <string.h>

#include "desired/allowed.h"
#include "reconciler/base/str.h"
#include "tests/unit/desired/loading.h"
#include "tests/unit/fault.h"
#include "tests/unit/unit.h"

static const char fleet[] = CORP_CA API
	"kind: Defaults\nmetadata: {name: all}\nspec: {Certificate: {duration: 90d}}\n---\n" API
	"kind: Policy\nmetadata: {name: keys}\nspec: {match: {kinds: [Certificate]}, rules: [{field: "
	"duration, max: 200d, message: too long}]}\n---\n" API
	"kind: CASet\nmetadata: {name: roots}\nspec: {sources: [{issuerRef: {name: corp-ca}}]}\n---\n" API
	"kind: Certificate\nmetadata: {name: node, labels: &l {team: a, site: 'b'}}\n"
	"spec: {forEach: {target: nodes}, issuerRef: {name: corp-ca}, dnsNames: "
	"['{{host}}', '{{var.alias}}.example'], subject: {organizations: [Example]}}\n---\n" API
	"kind: Certificate\nmetadata: {name: web, labels: &m {team: c}}\n"
	"spec: {issuerRef: {name: corp-ca}, dnsNames: [web.example], usages: [server auth]}\n---\n" API
	"kind: Keystore\nmetadata: {name: store, labels: &n {<<: &o {a: b}, c: d}}\nspec: {format: jks, "
	"forEach: {target: nodes}, passwordRef: {file: "
	"'/run/{{host.short}}'}, entries: [{alias: node, certificateRef: node}, {alias: root, caSetRef: "
	"roots}]}\n---\n" API
	"kind: Target\nmetadata: {name: nodes}\nspec: {inventory: hosts.csv, via: {local: {}}, deliver: "
	"[{keystoreRef: store, path: '/srv/{{host.short}}.jks', mode: 0640}], activate: [{after: [[systemctl, "
	"reload, app]]}], verify: [{tls: {port: 443, serverName: '{{host}}'}}], windows: [{cron: '0 2 * * *', "
	"duration: 2h, timezone: UTC}]}\n";
static const char hosts[] = "host,alias\nn1.example,one\nn2.example,two\n";
static const char wrong[] = API
	"kind: Certificate\nmetadata: {name: web}\nspec: {issuerRef: {name: nobody}, dnsName: [x], duration: 1}\n"
	"---\n" API "kind: Keystor\nmetadata: {name: x}\n---\n" API
	"kind: Target\nmetadata: {name: t}\nspec: {host: [}\n";

struct job {
	struct memory_file files[2];
	size_t n;
	uint8_t digest[32];
	size_t n_identities, n_diagnostics;
	bool known;
};

/* What it gives with memory enough is taken down the first time. */
static void look_at(struct job *j, const struct loading *l)
{
	for (size_t i = 0; i < l->diag.n; i++) {
		ck_assert_str_ne(l->diag.v[i].message, "");
	}
	if (!j->known) {
		j->n_diagnostics = l->diag.n;
		j->n_identities = l->d == NULL ? 0 : l->d->n_identities;
		j->known = true;
		memcpy(j->digest, l->d == NULL ? j->digest : l->d->tree_digest, 32);
		return;
	}
	ck_assert_uint_eq(l->diag.n, j->n_diagnostics);
	ck_assert_uint_eq(l->d == NULL ? 0 : l->d->n_identities, j->n_identities);
	ck_assert(l->d == NULL || memcmp(l->d->tree_digest, j->digest, 32) == 0);
}

static enum err_code load(void *context, struct err *err)
{
	struct job *j = context;
	struct loading l = { .d = NULL };

	arena_init(&l.arena);
	enum err_code rc = desired_load_files(j->files, j->n, &l.arena, &l.d, &l.diag, err);
	fault_pause();
	if (rc == ERR_OK || rc == ERR_INVALID) {
		look_at(j, &l);
	} else {
		ck_assert_ptr_null(l.d);
	}
	fault_resume();
	arena_release(&l.arena);
	return rc == ERR_INVALID ? ERR_OK : rc;
}

START_TEST(a_fleet_is_loaded_whole_or_not_at_all)
{
	struct job j = { .files = { { "fleet.yaml", bytes_of_str(fleet) },
		                    { "hosts.csv", bytes_of_str(hosts) } },
		         .n = 2 };
	struct err err = { 0 };

	ck_assert_ok(load(&j, &err), &err);
	ck_assert_uint_eq(j.n_identities, 3);
	fault_sweep(load, /* after= */ NULL, &j);
}
END_TEST

START_TEST(every_error_is_told_or_none)
{
	struct job j = { .files = { { "wrong.yaml", bytes_of_str(wrong) } }, .n = 1 };
	struct err err = { 0 };

	ck_assert_ok(load(&j, &err), &err);
	ck_assert_uint_ge(j.n_diagnostics, 4);
	fault_sweep(load, /* after= */ NULL, &j);
}
END_TEST

struct judgement {
	const struct desired *d;
	size_t n;
};

static enum err_code allow(void *context, struct err *err)
{
	struct judgement *j = context;
	struct authority none = { 0 };
	struct diagnostics diag = { 0 };
	struct arena arena;

	arena_init(&arena);
	enum err_code rc = desired_allowed(j->d, &none, &arena, &diag, err);
	fault_pause();
	ck_assert_int_ne(rc, ERR_OK);
	if (rc == ERR_DENIED) {
		j->n = j->n == 0 ? diag.n : j->n;
		ck_assert_uint_eq(diag.n, j->n);
	}
	fault_resume();
	arena_release(&arena);
	return rc == ERR_DENIED ? ERR_OK : rc;
}

START_TEST(nothing_is_allowed_for_want_of_memory)
{
	struct loading l;
	struct judgement j = { .n = 0 };
	struct err err = { 0 };
	const struct memory_file files[] = { { "fleet.yaml", bytes_of_str(fleet) },
		                             { "hosts.csv", bytes_of_str(hosts) } };

	ck_assert_ok(load_memory(&l, files, 2), &l.err);
	j.d = l.d;
	ck_assert_ok(allow(&j, &err), &err);
	ck_assert_uint_ge(j.n, 4);
	fault_sweep(allow, /* after= */ NULL, &j);
	loading_release(&l);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("without memory");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_fleet_is_loaded_whole_or_not_at_all);
	tcase_add_test(tc, every_error_is_told_or_none);
	tcase_add_test(tc, nothing_is_allowed_for_want_of_memory);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("desired: fault", build)
