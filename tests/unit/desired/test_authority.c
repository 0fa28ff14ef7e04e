/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_authority.c - what a commit may and may not make us do.
 */
#include <string.h>

#include "desired/authority.h"
#include "desired/places.h"
#include "tests/unit/unit.h"

static struct err err;

static struct texts list(const struct text *v, size_t n)
{
	return (struct texts){ .v = v, .n = n };
}

#define LIST(...)                                                                                  \
	list((const struct text[]){ __VA_ARGS__ },                                                 \
	     ARRAY_LEN(((const struct text[]){ __VA_ARGS__ })))
#define T(word)                                                                                    \
	{                                                                                          \
		.s = (word)                                                                        \
	}

static void denied(enum err_code rc, const char *hint)
{
	ck_assert_int_eq(rc, ERR_DENIED);
	ck_assert_str_eq(err.hint, hint);
	err_clear(&err);
}

START_TEST(nothing_is_allowed_by_default)
{
	struct authority a = { 0 };

	err_clear(&err);
	denied(authority_program(&a, "/usr/bin/pass", &err),
	       "authority.programs: [\"/usr/bin/pass\"]");
	denied(authority_secret_file(&a, "/etc/x", &err), "authority.secretFiles: [\"/etc/x\"]");
	denied(authority_local_write(&a, "/srv/\"x\"", &err),
	       "authority.localWrite: [\"/srv/\\\"x\\\"\"]");
	denied(authority_host(&a, "Web01.Example", &err), "authority.hosts: [\"web01.example\"]");
}
END_TEST

START_TEST(a_trusted_repository_may_everything)
{
	struct authority a = { .trusted = true };

	err_clear(&err);
	ck_assert_ok(authority_program(&a, "anything", &err), &err);
	ck_assert_ok(authority_secret_file(&a, "/etc/shadow", &err), &err);
	ck_assert_ok(authority_local_write(&a, "/etc/x", &err), &err);
	ck_assert_ok(authority_host(&a, "h", &err), &err);
}
END_TEST

START_TEST(a_star_stays_in_its_directory)
{
	struct authority a = { .local_write = LIST(T("/etc/nginx/*.pem"), T("/srv/**"),
		                                   T("/opt/*/conf/key")) };

	err_clear(&err);
	ck_assert_ok(authority_local_write(&a, "/etc/nginx/web.pem", &err), &err);
	ck_assert_ok(authority_local_write(&a, "/srv/a/b/c", &err), &err);
	ck_assert_ok(authority_local_write(&a, "/opt/app/conf/key", &err), &err);
	ck_assert_int_eq(authority_local_write(&a, "/etc/nginx/sub/web.pem", &err), ERR_DENIED);
	err_clear(&err);
	ck_assert_int_eq(authority_local_write(&a, "/opt/a/b/conf/key", &err), ERR_DENIED);
	err_clear(&err);
	ck_assert_int_eq(authority_local_write(&a, "/etc/nginx/web.pem.bak", &err), ERR_DENIED);
}
END_TEST

START_TEST(what_may_be_written_may_be_read_and_a_pattern_goes_no_deeper_than_allowed)
{
	struct authority a = { .local_write = LIST(T("/srv/*.jks")),
		               .local_read = LIST(T("/etc/ssl/*"), T("/opt/**")) };

	ck_assert_ok(authority_local_read(&a, "/srv/a.jks", &err), &err);
	ck_assert_ok(authority_local_read(&a, "/etc/ssl/*.pem", &err), &err);
	ck_assert_ok(authority_local_read(&a, "/opt/**/*.jks", &err), &err);
	ck_assert_int_eq(authority_local_write(&a, "/etc/ssl/a.pem", &err), ERR_DENIED);
	err_clear(&err);
	denied(authority_local_read(&a, "/etc/ssl/**", &err),
	       "authority.localRead: [\"/etc/ssl/**\"]");
	err_clear(&err);
	ck_assert_int_eq(authority_local_read(&a, "/etc/ssl/**/a.pem", &err), ERR_DENIED);
	err_clear(&err);
	ck_assert_int_eq(authority_local_read(&a, "/etc/*/a.pem", &err), ERR_DENIED);
}
END_TEST

START_TEST(a_directory_with_its_slash_is_everything_below_it)
{
	struct authority a = { .local_write = LIST(T("/srv/out/"), T("/opt/*/conf/")),
		               .secret_files = LIST(T("/run/keys/")),
		               .programs = LIST(T("/usr/local/lib/app/")) };

	err_clear(&err);
	ck_assert_ok(authority_local_write(&a, "/srv/out/web.pem", &err), &err);
	ck_assert_ok(authority_local_write(&a, "/srv/out/a/b/web.pem", &err), &err);
	ck_assert_ok(authority_local_write(&a, "/opt/app/conf/x", &err), &err);
	ck_assert_ok(authority_secret_file(&a, "/run/keys/a", &err), &err);
	ck_assert_ok(authority_program(&a, "/usr/local/lib/app/bin/reload", &err), &err);
	ck_assert_int_eq(authority_local_write(&a, "/srv/outer/web.pem", &err), ERR_DENIED);
	err_clear(&err);
	ck_assert_int_eq(authority_local_write(&a, "/srv/web.pem", &err), ERR_DENIED);
	err_clear(&err);
	ck_assert_int_eq(authority_local_write(&a, "/srv/out/../x", &err), ERR_DENIED);
	err_clear(&err);
	ck_assert_int_eq(authority_secret_file(&a, "/run/keys/", &err), ERR_DENIED);
}
END_TEST

START_TEST(double_stars_match_any_number_of_directories)
{
	struct authority a = { .local_write = LIST(T("/a/**/z"), T("/b/**/c/**/d")) };

	err_clear(&err);
	ck_assert_ok(authority_local_write(&a, "/a/z", &err), &err);
	ck_assert_ok(authority_local_write(&a, "/a/x/y/z", &err), &err);
	ck_assert_ok(authority_local_write(&a, "/b/c/c/x/d", &err), &err);
	ck_assert_int_eq(authority_local_write(&a, "/b/x/d", &err), ERR_DENIED);
}
END_TEST

START_TEST(no_way_around_through_dots)
{
	static const char *const tricks[] = { "/usr/bin/../../tmp/x",
		                              "/usr/bin/./x",
		                              "/usr/bin//x",
		                              "usr/bin/x",
		                              "/usr/bin/",
		                              "",
		                              "./x",
		                              "../usr/bin/x" };
	struct authority a = { .programs = LIST(T("/usr/bin/*"), T("/**")),
		               .secret_files = LIST(T("/**")) };

	for (size_t i = 0; i < ARRAY_LEN(tricks); i++) {
		err_clear(&err);
		ck_assert_int_eq(authority_secret_file(&a, tricks[i], &err), ERR_DENIED);
		if (strchr(tricks[i], '/') != NULL) {
			err_clear(&err);
			ck_assert_int_eq(authority_program(&a, tricks[i], &err), ERR_DENIED);
		}
	}
}
END_TEST

START_TEST(a_bare_program_is_allowed_by_name_or_by_where_it_is)
{
	struct authority by_name = { .programs = LIST(T("no-such-program")) };
	struct authority by_path = { .programs = LIST(T("/usr/bin/*"), T("/bin/*")) };
	struct authority none = { 0 };

	err_clear(&err);
	ck_assert_ok(authority_program(&by_name, "no-such-program", &err), &err);
	ck_assert_ok(authority_program(&by_path, "env", &err), &err);
	denied(authority_program(&by_path, "no-such-program", &err),
	       "authority.programs: [\"no-such-program\"]");
	ck_assert_int_eq(authority_program(&none, "env", &err), ERR_DENIED);
	ck_assert_ptr_nonnull(strstr(err.hint, "bin/env\"]"));
}
END_TEST

START_TEST(hosts_match_without_case_and_trailing_dot)
{
	struct authority a = { .hosts = LIST(T("*.dc1.example"), T("10.1.2.?")) };

	err_clear(&err);
	ck_assert_ok(authority_host(&a, "Web01.DC1.example.", &err), &err);
	ck_assert_ok(authority_host(&a, "10.1.2.3", &err), &err);
	ck_assert_int_eq(authority_host(&a, "dc1.example", &err), ERR_DENIED);
	err_clear(&err);
	ck_assert_int_eq(authority_host(&a, "web.dc1.example.evil", &err), ERR_DENIED);
	err_clear(&err);
	ck_assert_int_eq(authority_host(&a, "", &err), ERR_DENIED);
}
END_TEST

START_TEST(a_scan_that_is_refused_names_the_range_that_was_meant)
{
	const char *const words[] = { "192.0.2.7:443", "10.1.0.0/16:8443", "pdu[1-2].example" };
	const struct discovery_def d = { .range_words = words, .n_range_words = 3 };
	struct authority a = { .scan = LIST(T("192.0.2.0/24"), T("*.lab.example")) };
	CLEANUP(arena_release) struct arena arena;

	arena_init(&arena);
	ck_assert_ok(authority_scan(&a, "192.0.2.9", "192.0.2.9", &err), &err);
	ck_assert_ok(authority_scan(&a, "::ffff:192.0.2.9", "", &err), &err);
	denied(authority_scan(&a, "10.1.2.3", discovery_range(&d, "10.1.2.3", &arena), &err),
	       "authority.scan: [\"10.1.0.0/16\"]");
	denied(authority_scan(&a, "pdu1.example", discovery_range(&d, "pdu1.example", &arena),
	                      &err),
	       "authority.scan: [\"pdu1.example\"]");
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("authority");

	tcase_add_test(tc, nothing_is_allowed_by_default);
	tcase_add_test(tc, a_trusted_repository_may_everything);
	tcase_add_test(tc, a_star_stays_in_its_directory);
	tcase_add_test(tc,
	               what_may_be_written_may_be_read_and_a_pattern_goes_no_deeper_than_allowed);
	tcase_add_test(tc, a_directory_with_its_slash_is_everything_below_it);
	tcase_add_test(tc, double_stars_match_any_number_of_directories);
	tcase_add_test(tc, no_way_around_through_dots);
	tcase_add_test(tc, a_bare_program_is_allowed_by_name_or_by_where_it_is);
	tcase_add_test(tc, hosts_match_without_case_and_trailing_dot);
	tcase_add_test(tc, a_scan_that_is_refused_names_the_range_that_was_meant);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("authority", build)
