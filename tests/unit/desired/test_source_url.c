/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_source_url.c - addresses of repositories, good and malicious.
 */
#include <string.h>

#include "desired/source_git.h"
#include "reconciler/base/str.h"
#include "tests/unit/unit.h"

static struct source_url u;
static struct err err;

static void parses(const char *url, enum source_scheme scheme, const char *user, const char *host,
                   const char *port, const char *path)
{
	err_clear(&err);
	ck_assert_ok(source_url_parse(url, &u, &err), &err);
	ck_assert_int_eq(u.scheme, scheme);
	ck_assert_msg(str_equal(u.user, user), "%s: user %s", url, u.user);
	ck_assert_msg(str_equal(u.host, host), "%s: host %s", url, u.host);
	ck_assert_msg(str_equal(u.port, port), "%s: port %s", url, u.port);
	ck_assert_str_eq(u.path, path);
	source_url_release(&u);
}

START_TEST(the_four_ways_to_write_an_address)
{
	parses("file:///srv/fleet.git", SOURCE_FILE, NULL, NULL, NULL, "/srv/fleet.git");
	parses("https://git.example/a/b.git", SOURCE_HTTPS, NULL, "git.example", NULL, "/a/b.git");
	parses("https://me@git.example:8443/b", SOURCE_HTTPS, "me", "git.example", "8443", "/b");
	parses("https://[::1]:8443/b", SOURCE_HTTPS, NULL, "::1", "8443", "/b");
	parses("ssh://git@git.example/srv/x", SOURCE_SSH, "git", "git.example", NULL, "/srv/x");
	parses("ssh://git.example:2222/~me/x", SOURCE_SSH, NULL, "git.example", "2222", "~me/x");
	parses("ssh://h/my%20fleet%2f", SOURCE_SSH, NULL, "h", NULL, "/my fleet/");
	parses("git+ssh://h/x", SOURCE_SSH, NULL, "h", NULL, "/x");
	parses("git@git.example:team/x.git", SOURCE_SSH, "git", "git.example", NULL, "team/x.git");
	parses("host:/abs", SOURCE_SSH, NULL, "host", NULL, "/abs");
	parses("git@[::1]:x", SOURCE_SSH, "git", "::1", NULL, "x");
}
END_TEST

START_TEST(what_could_be_an_option_or_a_command_is_refused)
{
	static const char *const bad[] = {
		"ssh://-oProxyCommand=x/y",
		"ssh://-u@host/y",
		"-u@host:y",
		"-oProxyCommand=x:y",
		"host:-x",
		"ssh://host:22x/y",
		"ssh://host:0/y",
		"ssh://host:/y",
		"ssh://ho st/y",
		"ssh://ho$(x)st/y",
		"ssh://us;er@h/y",
		"ssh://host\n/y",
		"ssh://[::1/y",
		"ssh://[::1]x/y",
		"ssh:///y",
		"ssh://host",
		"https://host",
		"http://host/x",
		"git://host/x",
		"ext::sh -c x",
		"file://relative",
		"file://host/x",
		"host",
		"./dir:x",
		"",
		"ssh://@host/x",
		"ssh://h/%0a",
		"ssh://h/%00",
		"ssh://h/%4",
		"ssh://h/%zz",
		"https://h:99999/x",
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		err_clear(&err);
		ck_assert_msg(source_url_parse(bad[i], &u, &err) == ERR_INVALID, "%s", bad[i]);
	}
}
END_TEST

START_TEST(a_password_in_an_address_is_refused_and_not_repeated)
{
	char text[1024];

	err_clear(&err);
	ck_assert_int_eq(source_url_parse("https://me:hunter2@h/x", &u, &err), ERR_INVALID);
	err_format(&err, text, sizeof(text));
	ck_assert_ptr_null(strstr(text, "hunter2"));
	ck_assert_ptr_null(strstr(err.hint, "hunter2"));
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("url");

	tcase_add_test(tc, the_four_ways_to_write_an_address);
	tcase_add_test(tc, what_could_be_an_option_or_a_command_is_refused);
	tcase_add_test(tc, a_password_in_an_address_is_refused_and_not_repeated);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("source_url", build)
