/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_config.c - the reconciler's own configuration.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "desired/config.h"
#include "reconciler/base/str.h"
#include "tests/unit/desired/repository.h"
#include "tests/unit/unit.h"

static char *dir;
static struct arena arena;
static struct config config;
static struct diagnostics diag;
static struct err err;

static void setup(void)
{
	dir = unit_tmpdir();
	arena_init(&arena);
	diag = (struct diagnostics){ 0 };
	err_clear(&err);
}

static void teardown(void)
{
	arena_release(&arena);
	unit_rmtree(dir);
}

static enum err_code load(const char *yaml)
{
	CLEANUP(cleanup_free) char *path = str_printf("%s/certwright.yaml", dir);

	if (yaml != NULL) {
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(write(fd, yaml, strlen(yaml)), (ssize_t)strlen(yaml));
		ck_assert_int_eq(close(fd), 0);
	}
	return config_load(path, &arena, &config, &diag, &err);
}

START_TEST(a_missing_file_is_not_found_and_an_empty_one_is_all_defaults)
{
	ck_assert_int_eq(load(NULL), ERR_NOT_FOUND);
	err_clear(&err);
	ck_assert_ok(load("# nothing\n"), &err);
	ck_assert_int_eq(config.interval_s, 300);
	ck_assert_int_eq(config.budget.issue_percent, 5);
	ck_assert_int_eq(config.budget.disrupt_percent, 2);
	ck_assert_int_eq(config.budget.retire, 1);
	ck_assert(!config.authority.key_release_allow && !config.authority.trusted);
	ck_assert_uint_eq(config.authority.programs.n, 0);
}
END_TEST

START_TEST(every_key_arrives)
{
	ck_assert_ok(
		load("repository: https://git.example/fleet.git\nref: main\npath: eu\n"
	             "state: /var/lib/x\nsecretsDir: /etc/x/secrets\nmasterKey: /etc/x/key\n"
	             "interval: 1m\ninbox: /srv/in\nwatch: [/etc/a]\nsshIdentity: /etc/x/id\n"
	             "sshKnownHosts: /etc/x/kh\ntlsCAFile: /etc/x/ca.pem\nhttpUser: u\n"
	             "httpPassword: {credential: git}\nacceptRewind: true\n"
	             "authority:\n  programs: [/usr/bin/sops]\n  secretFiles: [/run/s/*]\n"
	             "  localWrite: [/etc/nginx/*]\n  hosts: ['*.example']\n"
	             "  scan: [10.0.0.0/8]\n  keyRelease: allow\n"
	             "budget: {issue: 50%, disrupt: 3, retire: 0}\n"
	             "probe: {timeout: 3s, overall: 1m, parallel: 200, perHost: 4, rate: 50, polite: true}\n"),
		&err);
	ck_assert_str_eq(config.repository.s, "https://git.example/fleet.git");
	ck_assert_str_eq(config.path.s, "eu");
	ck_assert_str_eq(config.secrets_dir.s, "/etc/x/secrets");
	ck_assert_int_eq(config.interval_s, 60);
	ck_assert_str_eq(config.http_password.value.s, "git");
	ck_assert_int_eq(config.http_password.kind, SECRET_CREDENTIAL);
	ck_assert_str_eq(config.authority.programs.v[0].s, "/usr/bin/sops");
	ck_assert(config.authority.key_release_allow && config.accept_rewind);
	ck_assert_int_eq(config.budget.issue_percent, 50);
	ck_assert_int_eq(config.budget.disrupt_percent, 3);
	ck_assert_int_eq(config.budget.retire, 0);
	ck_assert_int_eq(config.probe.timeout_s, 3);
	ck_assert_int_eq(config.probe.overall_s, 60);
	ck_assert_int_eq(config.probe.parallel, 200);
	ck_assert_int_eq(config.probe.per_host, 4);
	ck_assert_int_eq(config.probe.rate, 50);
	ck_assert(config.probe.polite);
}
END_TEST

START_TEST(mistakes_are_told_with_their_place)
{
	struct buf out;

	buf_init(&out, 4096);
	ck_assert_int_eq(load("repositry: /srv/x\nstate: relative\nauthority: {program: [a]}\n"),
	                 ERR_INVALID);
	ck_assert_uint_eq(diag.n, 3);
	diagnostics_print(&diag, /* hints= */ false, &out);
	ck_assert_ptr_nonnull(
		strstr(buf_str(&out), ":1:1: unknown key 'repositry' in configuration\n"));
	ck_assert_ptr_nonnull(strstr(buf_str(&out), ":2:8: state: expected an absolute path"));
	ck_assert_ptr_nonnull(strstr(buf_str(&out), ":3:13: unknown key 'program' in authority\n"));
	ck_assert_str_eq(diag.v[0].line, "repositry: /srv/x");
	buf_release(&out);
}
END_TEST

static const char *pretend(const char *name)
{
	static const char *const set[][2] = {
		{ "CERTWRIGHT_TLS_CA_FILE", "/etc/x: y #z" },
		{ "CERTWRIGHT_INTERVAL", "10m" },
		{ "CERTWRIGHT_ACCEPT_REWIND", "true" },
		{ "CERTWRIGHT_KEEP_REVISIONS", "3" },
		{ "CERTWRIGHT_WATCH", "[/a, '/b c']" },
		{ "CERTWRIGHT_BUDGET", "{retire: 7}" },
		{ "CERTWRIGHT_MASTER_KEY_REF", "{credential: key}" },
		{ "CERTWRIGHT_INBOX", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(set); i++) {
		if (strcmp(set[i][0], name) == 0) {
			return set[i][1];
		}
	}
	return NULL;
}

START_TEST(every_key_is_a_variable_that_beats_the_file)
{
	ck_assert_ok(load("interval: 1m\nwatch: [/etc/a]\ninbox: /srv/in\n"
	                  "budget: {issue: 50%, retire: 0}\n"),
	             &err);
	ck_assert_ok(config_from_environment(pretend, &arena, &config, &diag, &err), &err);
	ck_assert_str_eq(config.tls_ca_file.s, "/etc/x: y #z");
	ck_assert_int_eq(config.interval_s, 600);
	ck_assert(config.accept_rewind);
	ck_assert_int_eq(config.keep_revisions, 3);
	ck_assert_uint_eq(config.watch.n, 2);
	ck_assert_str_eq(config.watch.v[1].s, "/b c");
	ck_assert_int_eq(config.budget.issue_percent, 50);
	ck_assert_int_eq(config.budget.retire, 7);
	ck_assert_int_eq(config.master_key_ref.kind, SECRET_CREDENTIAL);
	ck_assert_str_eq(config.inbox.s, "/srv/in");
}
END_TEST

static const char *broken(const char *name)
{
	if (strcmp(name, "CERTWRIGHT_INTERVAL") == 0) {
		return "soon";
	}
	if (strcmp(name, "CERTWRIGHT_WATCH") == 0) {
		return "[/a\n--- b";
	}
	if (strcmp(name, "CERTWRIGHT_BUDGET") == 0) {
		return "{retier: 1}\n---\n{}";
	}
	return strcmp(name, "CERTWRIGHT_INBOX") == 0 ? "in" : NULL;
}

START_TEST(mistakes_in_variables_name_the_variable_and_change_nothing)
{
	struct buf out;

	buf_init(&out, 4096);
	ck_assert_ok(load("interval: 1m\n"), &err);
	ck_assert_int_eq(config_from_environment(broken, &arena, &config, &diag, &err),
	                 ERR_INVALID);
	diagnostics_print(&diag, /* hints= */ false, &out);
	ck_assert_ptr_nonnull(strstr(buf_str(&out), "CERTWRIGHT_INTERVAL:1:1: "));
	ck_assert_ptr_nonnull(strstr(buf_str(&out), "CERTWRIGHT_INBOX:1:1: inbox: expected"));
	ck_assert_ptr_nonnull(strstr(buf_str(&out), "CERTWRIGHT_WATCH:2:1: "));
	ck_assert_ptr_nonnull(strstr(buf_str(&out), "unknown key 'retier' in budget"));
	ck_assert_ptr_nonnull(strstr(buf_str(&out), "a single document"));
	ck_assert_int_eq(config.interval_s, 60);
	buf_release(&out);
}
END_TEST

START_TEST(a_master_key_has_one_source)
{
	ck_assert_int_eq(load("masterKey: /etc/x\nmasterKeyRef: {exec: [/bin/x]}\n"), ERR_INVALID);
	ck_assert_uint_eq(diag.n, 1);
}
END_TEST

static void build(Suite *s)
{
	TCase *tc = tcase_create("config");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_missing_file_is_not_found_and_an_empty_one_is_all_defaults);
	tcase_add_test(tc, every_key_arrives);
	tcase_add_test(tc, mistakes_are_told_with_their_place);
	tcase_add_test(tc, every_key_is_a_variable_that_beats_the_file);
	tcase_add_test(tc, mistakes_in_variables_name_the_variable_and_change_nothing);
	tcase_add_test(tc, a_master_key_has_one_source);
	suite_add_tcase(s, tc);
}

UNIT_MAIN("desired/config", build)
