/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_fetch_ssh.c - mirrors over ssh, against a real sshd with keys of its own.
 *
 * What the server does is chosen by the key: some have a forced command that breaks off or says
 * nothing.
 */
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reconciler/base/clock.h"
#include "reconciler/base/fs.h"
#include "tests/integration/fetching.h"
#include "tests/integration/servers.h"
#include "tests/unit/gitrepo.h"

static char *repo, *known_hosts;
static int port;
static struct server sshd;
static bool made_run_sshd;

static void make_key(const char *name, const char *type)
{
	CLEANUP(cleanup_free) char *path = in_dir(name);

	repo_run(dir, "ssh-keygen", "-q", "-t", type, "-N", "", "-C", name, "-f", path,
	         /* end= */ NULL);
}

static void allow(FILE *f, const char *name, const char *options)
{
	CLEANUP(cleanup_free) char *file = str_printf("%s/%s.pub", dir, name);
	CLEANUP(buf_release) struct buf key;

	buf_init(&key, 8192);
	ck_assert_ok(fs_read(file, 8192, &key, &err), &err);
	ck_assert_int_gt(fprintf(f, "%s%s", options, buf_str(&key)), 0);
}

static void write_authorized_keys(void)
{
	CLEANUP(cleanup_free) char *path = in_dir("authorized_keys");
	CLEANUP(cleanup_free)
	char *cut = str_printf(
		"command=\"git-upload-pack %s | dd bs=1 count=4000 status=none; kill -9 $PPID\" ",
		repo);
	FILE *f = fopen(path, "we");

	ck_assert_ptr_nonnull(f);
	allow(f, "ed25519", "");
	allow(f, "rsa", "");
	allow(f, "cut", cut);
	allow(f, "mute", "command=\"exec cat >/dev/null\" ");
	ck_assert_int_eq(fclose(f), 0);
}

static void write_known_hosts(const char *name, const char *key)
{
	CLEANUP(cleanup_free) char *pub = str_printf("%s/%s.pub", dir, key);
	CLEANUP(buf_release) struct buf text;
	CLEANUP(cleanup_free) char *line = NULL;

	buf_init(&text, 8192);
	ck_assert_ok(fs_read(pub, 8192, &text, &err), &err);
	line = str_printf("[127.0.0.1]:%d %s", port, buf_str(&text));
	repo_write(dir, name, line);
}

static void write_config(void)
{
	CLEANUP(cleanup_free)
	char *text = str_printf("ListenAddress 127.0.0.1:%d\nHostKey %s/host\nPidFile none\n"
	                        "AuthorizedKeysFile %s/authorized_keys\nStrictModes no\n"
	                        "UsePAM no\nPasswordAuthentication no\n"
	                        "KbdInteractiveAuthentication no\nPermitRootLogin yes\n"
	                        "PrintMotd no\nMaxStartups 100\n",
	                        port, dir, dir);

	repo_write(dir, "sshd_config", text);
}

/* Enough noise that a pack does not fit into what the "cut" key lets through. */
static void write_noise(void)
{
	CLEANUP(buf_release) struct buf text;
	uint32_t x = 1;

	buf_init(&text, 1 << 20);
	for (int i = 0; i < 20000; i++) {
		x = x * 1664525u + 1013904223u;
		buf_printf(&text, "%08x\n", x);
	}
	repo_write(repo, "noise.yaml", buf_str(&text));
}

static void start(void)
{
	CLEANUP(cleanup_free) char *config = NULL;
	CLEANUP(cleanup_free) char *log = NULL;

	dir = unit_tmpdir();
	repo = repo_new(dir, "fleet");
	write_noise();
	commit = repo_commit(repo, "one");
	known_hosts = in_dir("known_hosts");
	port = server_free_port();
	make_key("host", "ed25519");
	make_key("other_host", "ed25519");
	make_key("ed25519", "ed25519");
	make_key("rsa", "rsa");
	make_key("cut", "ed25519");
	make_key("mute", "ed25519");
	make_key("stranger", "ed25519");
	CLEANUP(cleanup_free) char *plain = in_dir("plain");
	repo_git(dir, "clone", "-q", "--bare", repo, plain, /* end= */ NULL);
	free(repo);
	repo = TAKE_PTR(plain);
	write_authorized_keys();
	write_known_hosts("known_hosts", "host");
	write_known_hosts("changed_hosts", "other_host");
	repo_write(dir, "no_hosts", "");
	write_config();
	made_run_sshd = geteuid() == 0 && mkdir("/run/sshd", 0755) == 0;
	config = in_dir("sshd_config");
	log = in_dir("sshd.log");
	const char *argv[] = { "/usr/sbin/sshd", "-D", "-e", "-f", config, /* end= */ NULL };
	server_start(&sshd, log, argv);
	server_wait_port(&sshd, port, log);
}

static void stop(void)
{
	server_stop(&sshd);
	if (made_run_sshd) {
		(void)rmdir("/run/sshd");
	}
	free(repo);
	free(commit);
	free(known_hosts);
	unit_rmtree(dir);
}

/* Fetch `path` with `key`, into a mirror of its own. */
static enum err_code fetch_path(const char *key, const char *hosts, const char *path,
                                int64_t timeout_ms)
{
	CLEANUP(cleanup_free) char *identity = in_dir(key);
	CLEANUP(cleanup_free) char *known = in_dir(hosts);
	CLEANUP(cleanup_free) char *mirrors = str_printf("%s/mirrors-%s-%s", dir, key, hosts);
	const struct passwd *pw = getpwuid(geteuid());
	CLEANUP(cleanup_free)
	char *url = str_printf("ssh://%s@127.0.0.1:%d%s", pw->pw_name, port, path);
	struct source_remote_options opt = { .url = url,
		                             .ssh_identity = identity,
		                             .ssh_known_hosts = known,
		                             .timeout_ms = timeout_ms };

	close_source();
	err_clear(&err);
	ck_assert_ok(source_open_mirror(mirrors, &opt, &src, &err), &err);
	return source_fetch(src, &err);
}

static enum err_code fetch(const char *key, const char *hosts, int64_t timeout_ms)
{
	return fetch_path(key, hosts, repo, timeout_ms);
}

START_TEST(ed25519_and_rsa_keys_fetch)
{
	ck_assert_ok(fetch("ed25519", "known_hosts", 30000), &err);
	has_commit(true);
	ck_assert_ok(fetch("rsa", "known_hosts", 30000), &err);
	has_commit(true);
	ck_assert_ok(source_fetch(src, &err), &err); /* nothing new */
}
END_TEST

START_TEST(an_unusual_path_is_quoted)
{
	CLEANUP(cleanup_free) char *odd = in_dir("it's !a;exit 9;$(exit 8)&\\");
	CLEANUP(cleanup_free)
	char *path = str_printf("%s/it's%%20!a;exit%%209;$(exit%%208)&\\", dir);

	ck_assert_int_eq(rename(repo, odd), 0);
	enum err_code rc = fetch_path("ed25519", "known_hosts", path, 30000);
	ck_assert_int_eq(rename(odd, repo), 0);
	ck_assert_ok(rc, &err);
	has_commit(true);
}
END_TEST

START_TEST(an_unknown_host_key_is_refused)
{
	ck_assert_int_eq(fetch("ed25519", "no_hosts", 30000), ERR_DENIED);
	ck_assert_ptr_nonnull(strstr(err.msg, "not known"));
	ck_assert_ptr_nonnull(strstr(err.hint, "ssh-keyscan -p"));
	has_commit(false);
}
END_TEST

START_TEST(a_changed_host_key_is_refused)
{
	ck_assert_int_eq(fetch("ed25519", "changed_hosts", 30000), ERR_DENIED);
	ck_assert_ptr_nonnull(strstr(err.msg, "has changed"));
	has_commit(false);
}
END_TEST

START_TEST(a_wrong_key_is_refused)
{
	ck_assert_int_eq(fetch("stranger", "known_hosts", 30000), ERR_DENIED);
	ck_assert_ptr_nonnull(strstr(err.msg, "refused our ssh key"));
	has_commit(false);
}
END_TEST

START_TEST(a_missing_repository_is_the_servers_answer)
{
	CLEANUP(cleanup_free) char *path = in_dir("nothing-here");

	ck_assert_int_eq(fetch_path("ed25519", "known_hosts", path, 30000), ERR_REFUSED);
	ck_assert_ptr_nonnull(strstr(err.msg, "nothing-here"));
}
END_TEST

START_TEST(a_server_killed_half_way_changes_nothing)
{
	ck_assert_int_eq(fetch("cut", "known_hosts", 30000), ERR_NET);
	ck_assert_ptr_null(strstr(err.msg, "does not answer"));
	has_commit(false);
}
END_TEST

START_TEST(a_silent_server_is_given_up_in_time)
{
	int64_t start_ms = clock_system.mono(&clock_system).ms;

	ck_assert_int_eq(fetch("mute", "known_hosts", 1500), ERR_NET);
	ck_assert_int_lt(clock_system.mono(&clock_system).ms - start_ms, 8000);
	ck_assert_ptr_nonnull(strstr(err.msg, "1500 ms"));
	has_commit(false);
}
END_TEST

START_TEST(nobody_listening_is_out_of_reach)
{
	int used = port;

	port = server_free_port();
	enum err_code rc = fetch("ed25519", "known_hosts", 10000);
	port = used;
	ck_assert_int_eq(rc, ERR_NET);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("ssh");

	tcase_add_unchecked_fixture(tc, start, stop);
	tcase_add_checked_fixture(tc, open_source, close_source);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, ed25519_and_rsa_keys_fetch);
	tcase_add_test(tc, an_unusual_path_is_quoted);
	tcase_add_test(tc, an_unknown_host_key_is_refused);
	tcase_add_test(tc, a_changed_host_key_is_refused);
	tcase_add_test(tc, a_wrong_key_is_refused);
	tcase_add_test(tc, a_missing_repository_is_the_servers_answer);
	tcase_add_test(tc, a_server_killed_half_way_changes_nothing);
	tcase_add_test(tc, a_silent_server_is_given_up_in_time);
	tcase_add_test(tc, nobody_listening_is_out_of_reach);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("fetch_ssh", build)
