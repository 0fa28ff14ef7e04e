/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_secrets.c - every kind of reference, and what each refuses.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "desired/secrets.h"
#include "reconciler/base/str.h"
#include "tests/unit/gitrepo.h"
#include "tests/unit/unit.h"

static char *dir, *secrets;
static struct err err;
static struct secret got;
static struct authority nobody, trusted;
static struct secret_context ctx;

static void setup(void)
{
	dir = unit_tmpdir();
	secrets = str_printf("%s/secrets", dir);
	repo_write(secrets, "web/password", "hunter2\nsecond line\n");
	repo_run(dir, "chmod", "-R", "go-rwx", secrets, /* end= */ NULL);
	nobody = (struct authority){ .trusted = false };
	trusted = (struct authority){ .trusted = true };
	ctx = (struct secret_context){ .authority = &nobody, .secrets_dir = secrets };
	err_clear(&err);
}

static void teardown(void)
{
	secret_release(&got);
	free(secrets);
	unit_rmtree(dir);
}

static enum err_code resolve(const struct secret_ref *ref)
{
	secret_release(&got);
	err_clear(&err);
	return secret_resolve(&ctx, ref, /* scope= */ NULL, "keystore/web", &got, &err);
}

static enum err_code resolve_value(enum secret_kind kind, const char *value)
{
	struct secret_ref ref = { .kind = kind, .value = { .s = value } };

	return resolve(&ref);
}

static void gives(enum err_code rc, const char *value)
{
	ck_assert_ok(rc, &err);
	ck_assert_str_eq(secret_str(&got), value);
}

static void never_says(const char *value)
{
	char text[1024];

	err_format(&err, text, sizeof(text));
	ck_assert_ptr_null(strstr(text, value));
	ck_assert_ptr_null(strstr(err.hint, value));
}

START_TEST(a_relative_file_is_read_below_the_directory_for_secrets)
{
	gives(resolve_value(SECRET_FILE, "web/password"), "hunter2");
	ctx.secrets_dir = NULL;
	ck_assert_int_eq(resolve_value(SECRET_FILE, "web/password"), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(err.hint, "secretsDir"));
}
END_TEST

START_TEST(an_absolute_file_needs_authority)
{
	CLEANUP(cleanup_free) char *path = str_printf("%s/web/password", secrets);

	ck_assert_int_eq(resolve_value(SECRET_FILE, path), ERR_DENIED);
	ck_assert_ptr_nonnull(strstr(err.hint, "authority.secretFiles: [\"/"));
	ctx.authority = &trusted;
	gives(resolve_value(SECRET_FILE, path), "hunter2");
}
END_TEST

START_TEST(no_relative_file_leaves_the_directory)
{
	CLEANUP(cleanup_free) char *inside = str_printf("%s/inside", secrets);
	CLEANUP(cleanup_free) char *outside = str_printf("%s/outside", secrets);

	repo_write(dir, "other", "not yours\n");
	ck_assert_int_eq(symlink("web/password", inside), 0);
	ck_assert_int_eq(symlink("../other", outside), 0);
	gives(resolve_value(SECRET_FILE, "inside"), "hunter2");
	ck_assert_int_eq(resolve_value(SECRET_FILE, "outside"), ERR_DENIED);
	ck_assert_int_eq(resolve_value(SECRET_FILE, "../other"), ERR_DENIED);
	ck_assert_int_eq(resolve_value(SECRET_FILE, "web/../../other"), ERR_DENIED);
	ck_assert_int_eq(resolve_value(SECRET_FILE, "web/../web/password"), ERR_DENIED);
	ck_assert_int_eq(resolve_value(SECRET_FILE, "nothing"), ERR_NOT_FOUND);
	ck_assert_int_eq(resolve_value(SECRET_FILE, "web"), ERR_INVALID);
}
END_TEST

START_TEST(a_file_that_others_may_change_is_refused)
{
	CLEANUP(cleanup_free) char *path = str_printf("%s/web/password", secrets);

	ck_assert_int_eq(chmod(path, 0644), 0);
	gives(resolve_value(SECRET_FILE, "web/password"), "hunter2");
	ck_assert_int_eq(chmod(path, 0620), 0);
	ck_assert_int_eq(resolve_value(SECRET_FILE, "web/password"), ERR_DENIED);
	ck_assert_ptr_nonnull(strstr(err.hint, "chmod"));
	never_says("hunter2");
}
END_TEST

START_TEST(lines_end_as_they_do_everywhere)
{
	repo_write(secrets, "dos", "hunter2\r\n");
	repo_write(secrets, "bare", "hunter2");
	repo_write(secrets, "empty", "\n");
	gives(resolve_value(SECRET_FILE, "dos"), "hunter2");
	gives(resolve_value(SECRET_FILE, "bare"), "hunter2");
	ck_assert_int_eq(resolve_value(SECRET_FILE, "empty"), ERR_INVALID);
}
END_TEST

START_TEST(a_key_is_read_whole)
{
	struct secret_ref ref = { .kind = SECRET_FILE, .value = { .s = "web/password" } };

	ck_assert_ok(secret_resolve_whole(&ctx, &ref, NULL, "x", &got, &err), &err);
	ck_assert_str_eq(secret_str(&got), "hunter2\nsecond line\n");
}
END_TEST

START_TEST(more_than_64_kib_is_no_secret)
{
	CLEANUP(cleanup_free) char *path = str_printf("%s/big", secrets);

	repo_run(dir, "sh", "-c", "head -c 70000 /dev/zero | tr '\\0' x >\"$0\"", path,
	         /* end= */ NULL);
	ck_assert_int_eq(resolve_value(SECRET_FILE, "big"), ERR_INVALID);
}
END_TEST

START_TEST(variables_of_the_environment)
{
	ck_assert_int_eq(setenv("CERTWRIGHT_TEST_SECRET", "from env", 1), 0);
	gives(resolve_value(SECRET_ENV, "CERTWRIGHT_TEST_SECRET"), "from env");
	ck_assert_int_eq(resolve_value(SECRET_ENV, "CERTWRIGHT_NOT_SET"), ERR_NOT_FOUND);
	ck_assert_int_eq(resolve_value(SECRET_ENV, "A B"), ERR_INVALID);
}
END_TEST

START_TEST(systemd_credentials)
{
	ck_assert_int_eq(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	ck_assert_int_eq(resolve_value(SECRET_CREDENTIAL, "password"), ERR_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(err.hint, "LoadCredential=password:"));
	repo_write(dir, "creds/password", "sealed\n");
	CLEANUP(cleanup_free) char *creds = str_printf("%s/creds", dir);
	ck_assert_int_eq(setenv("CREDENTIALS_DIRECTORY", creds, 1), 0);
	gives(resolve_value(SECRET_CREDENTIAL, "password"), "sealed");
	ck_assert_int_eq(resolve_value(SECRET_CREDENTIAL, "../secrets/web/password"), ERR_INVALID);
	ck_assert_int_eq(resolve_value(SECRET_CREDENTIAL, ".."), ERR_DENIED);
}
END_TEST

static enum err_code run(const char *script)
{
	const struct text argv[] = { { .s = "sh" }, { .s = "-c" }, { .s = script } };
	struct secret_ref ref = { .kind = SECRET_EXEC,
		                  .argv = { .v = argv, .n = ARRAY_LEN(argv) } };

	return resolve(&ref);
}

START_TEST(a_program_needs_authority_and_gives_its_first_line)
{
	CLEANUP(cleanup_free) char *mark = str_printf("touch '%s/ran'; echo x", dir);
	CLEANUP(cleanup_free) char *ran = str_printf("%s/ran", dir);

	ck_assert_int_eq(run(mark), ERR_DENIED);
	ck_assert_ptr_nonnull(strstr(err.hint, "authority.programs: [\"/"));
	ck_assert_int_ne(access(ran, F_OK), 0);
	ctx.authority = &trusted;
	gives(run("echo hunter2; echo more"), "hunter2");
	ck_assert_int_eq(run("echo hunter2; exit 3"), ERR_REFUSED);
	never_says("hunter2");
	ck_assert_int_eq(run("true"), ERR_INVALID);
	ck_assert_int_ne(run("head -c 70000 /dev/zero | tr '\\0' x"), ERR_OK);
}
END_TEST

struct fake_store {
	struct generated_store base;
	char name[64];
	int length;
};

static enum err_code fake_get(struct generated_store *g, const char *name, int length,
                              struct secret *ret, struct err *e)
{
	struct fake_store *f = CONTAINER_OF(g, struct fake_store, base);

	(void)snprintf(f->name, sizeof(f->name), "%s", name);
	f->length = length;
	return secret_set_str(ret, "made") == 0 ? ERR_OK : err_nomem(e);
}

START_TEST(generated_values_come_from_the_store_under_the_owners_name)
{
	struct fake_store store = { .base.get = fake_get };
	struct secret_ref ref = { .kind = SECRET_GENERATED, .length = 32 };

	ck_assert_int_eq(resolve(&ref), ERR_DENIED);
	ctx.generated = &store.base;
	gives(resolve(&ref), "made");
	ck_assert_str_eq(store.name, "keystore/web");
	ck_assert_int_eq(store.length, 32);
	ref.length = 0;
	gives(resolve(&ref), "made");
	ck_assert_int_eq(store.length, 24);
}
END_TEST

START_TEST(a_keystores_password_is_shared_by_name_but_not_in_a_circle)
{
	struct fake_store store = { .base.get = fake_get };
	struct keystore_def made = { .o = { .kind = KIND_KEYSTORE, .name = "made" },
		                     .password = { .kind = SECRET_GENERATED } };
	struct keystore_def loop = { .o = { .kind = KIND_KEYSTORE, .name = "loop" },
		                     .password = { .kind = SECRET_KEYSTORE_PASSWORD,
		                                   .value = { .s = "loop" } } };
	const struct keystore_def *const sorted[] = { &loop, &made };
	struct desired desired = { .keystores = sorted, .n_keystores = ARRAY_LEN(sorted) };

	ctx.desired = &desired;
	ctx.generated = &store.base;
	gives(resolve_value(SECRET_KEYSTORE_PASSWORD, "made"), "made");
	ck_assert_str_eq(store.name, "keystore/made");
	ck_assert_int_eq(resolve_value(SECRET_KEYSTORE_PASSWORD, "loop"), ERR_INVALID);
	ck_assert_int_eq(resolve_value(SECRET_KEYSTORE_PASSWORD, "none"), ERR_NOT_FOUND);
}
END_TEST

START_TEST(well_known_and_no_secret_at_all)
{
	struct secret_ref none = { .kind = SECRET_NONE };

	gives(resolve_value(SECRET_WELL_KNOWN, "changeit"), "changeit");
	gives(resolve(&none), "");
	ck_assert_int_eq(resolve_value(SECRET_FILE, ""), ERR_INVALID);
	ck_assert_int_eq(resolve_value(SECRET_FILE, NULL), ERR_INVALID);
}
END_TEST

START_TEST(templates_follow_the_host_but_not_out_of_the_directory)
{
	struct host host = { .name = "web.dc1.example" };
	struct target_shared shared = { 0 };
	struct target target = { .hosts = &host, .n_hosts = 1, .shared = &shared };
	struct scope scope = { .target = &target, .host = &host };
	struct secret_ref ref = { .kind = SECRET_FILE,
		                  .value = { .s = "{{host.short}}/password" } };

	ck_assert_ok(secret_resolve(&ctx, &ref, &scope, "x", &got, &err), &err);
	ck_assert_str_eq(secret_str(&got), "hunter2");
	secret_release(&got);
	host.name = "..";
	ref.value.s = "{{host}}/other";
	ck_assert_int_eq(secret_resolve(&ctx, &ref, &scope, "x", &got, &err), ERR_DENIED);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("secrets");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_relative_file_is_read_below_the_directory_for_secrets);
	tcase_add_test(tc, an_absolute_file_needs_authority);
	tcase_add_test(tc, no_relative_file_leaves_the_directory);
	tcase_add_test(tc, a_file_that_others_may_change_is_refused);
	tcase_add_test(tc, lines_end_as_they_do_everywhere);
	tcase_add_test(tc, a_key_is_read_whole);
	tcase_add_test(tc, more_than_64_kib_is_no_secret);
	tcase_add_test(tc, variables_of_the_environment);
	tcase_add_test(tc, systemd_credentials);
	tcase_add_test(tc, a_program_needs_authority_and_gives_its_first_line);
	tcase_add_test(tc, generated_values_come_from_the_store_under_the_owners_name);
	tcase_add_test(tc, a_keystores_password_is_shared_by_name_but_not_in_a_circle);
	tcase_add_test(tc, well_known_and_no_secret_at_all);
	tcase_add_test(tc, templates_follow_the_host_but_not_out_of_the_directory);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("secrets", build)
