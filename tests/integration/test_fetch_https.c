/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_fetch_https.c - mirrors over https, from a real nginx with git's own http-backend.
 *
 * The server speaks TLS 1.3 only: libgit2's own TLS could not.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "reconciler/base/clock.h"
#include "reconciler/base/fs.h"
#include "reconciler/base/secret.h"
#include "tests/integration/fetching.h"
#include "tests/integration/servers.h"
#include "tests/unit/gitrepo.h"

static char *ca_file;
static int port, wrong_name_port, silent_port, silent_fd;
static struct server nginx, fcgiwrap;

static void make_certificate(const char *name, const char *names)
{
	CLEANUP(cleanup_free) char *subject = str_printf("/CN=%s", name);
	CLEANUP(cleanup_free) char *key = str_printf("%s.key", name);
	CLEANUP(cleanup_free) char *csr = str_printf("%s.csr", name);
	CLEANUP(cleanup_free) char *pem = str_printf("%s.pem", name);
	CLEANUP(cleanup_free) char *ext = str_printf("%s.ext", name);
	CLEANUP(cleanup_free) char *san = str_printf("subjectAltName=%s\n", names);

	repo_write(dir, ext, san);
	repo_run(dir, "openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
	         "-nodes", "-subj", subject, "-keyout", key, "-out", csr, /* end= */ NULL);
	repo_run(dir, "openssl", "x509", "-req", "-in", csr, "-CA", "ca.pem", "-CAkey", "ca.key",
	         "-CAcreateserial", "-days", "2", "-extfile", ext, "-out", pem, /* end= */ NULL);
}

static void make_ca(const char *name)
{
	CLEANUP(cleanup_free) char *subject = str_printf("/CN=%s", name);
	CLEANUP(cleanup_free) char *key = str_printf("%s.key", name);
	CLEANUP(cleanup_free) char *pem = str_printf("%s.pem", name);

	repo_run(dir, "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
	         "ec_paramgen_curve:P-256", "-nodes", "-subj", subject, "-days", "2", "-keyout",
	         key, "-out", pem, /* end= */ NULL);
}

static void write_config(void)
{
	CLEANUP(cleanup_free) char *user = str_printf("%s", geteuid() == 0 ? "user root;" : "");
	CLEANUP(cleanup_free)
	char *backend =
		str_printf("include /etc/nginx/fastcgi_params;\n"
	                   "fastcgi_param SCRIPT_FILENAME /usr/lib/git-core/git-http-backend;\n"
	                   "fastcgi_param GIT_HTTP_EXPORT_ALL '';\n"
	                   "fastcgi_param GIT_PROJECT_ROOT %s/repos;\n"
	                   "fastcgi_param PATH_INFO $1;\n"
	                   "fastcgi_param REMOTE_USER $remote_user;\n"
	                   "fastcgi_pass unix:%s/fcgi.sock;\n",
	                   dir, dir);
	CLEANUP(cleanup_free)
	char *text = str_printf(
		"%s daemon off; worker_processes 1; pid %s/nginx.pid; error_log stderr warn;\n"
		"events {}\n"
		"http { access_log off; client_body_temp_path %s/t1; proxy_temp_path %s/t2;\n"
		"fastcgi_temp_path %s/t3; uwsgi_temp_path %s/t4; scgi_temp_path %s/t5;\n"
		"server { listen 127.0.0.1:%d ssl; ssl_protocols TLSv1.3;\n"
		"ssl_certificate %s/localhost.pem; ssl_certificate_key %s/localhost.key;\n"
		"location ~ ^/git(/.*)$ { %s }\n"
		"location ~ ^/private(/.*)$ { auth_basic git; auth_basic_user_file %s/htpasswd; "
		"%s }\n"
		"location /moved/ { rewrite ^/moved(/.*)$ /git$1 permanent; }\n"
		"location /away/ { return 301 "
		"https://localhost:%d/git/fleet.git/info/refs?service=git-upload-pack; }\n"
		"location /broken/ { return 503; }\n"
		"location /hidden/ { return 403; } }\n"
		"server { listen 127.0.0.1:%d ssl; ssl_certificate %s/other.example.pem;\n"
		"ssl_certificate_key %s/other.example.key; location / { return 404; } } }\n",
		user, dir, dir, dir, dir, dir, dir, port, dir, dir, backend, dir, backend,
		wrong_name_port, wrong_name_port, dir, dir);

	repo_write(dir, "nginx.conf", text);
}

static void listen_silently(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	silent_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(silent_fd, (struct sockaddr *)&a, n), 0);
	ck_assert_int_eq(listen(silent_fd, 10), 0);
	ck_assert_int_eq(getsockname(silent_fd, (struct sockaddr *)&a, &n), 0);
	silent_port = ntohs(a.sin_port);
}

static void make_repository(void)
{
	CLEANUP(cleanup_free) char *repo = repo_new(dir, "fleet");
	CLEANUP(cleanup_free) char *bare = in_dir("repos/fleet.git");

	repo_write(repo, "x.yaml", "x\n");
	commit = repo_commit(repo, "one");
	repo_git(dir, "clone", "-q", "--bare", repo, bare, /* end= */ NULL);
}

static void start(void)
{
	dir = unit_tmpdir();
	ca_file = in_dir("ca.pem");
	make_repository();
	make_ca("ca");
	make_ca("stranger");
	make_certificate("localhost", "DNS:localhost,IP:127.0.0.1");
	make_certificate("other.example", "DNS:other.example");
	repo_write(dir, "password", "s3cret\n");
	repo_run(dir, "sh", "-c",
	         "printf 'me:%s\\n' \"$(openssl passwd -apr1 -stdin <password)\" >htpasswd",
	         /* end= */ NULL);
	port = server_free_port();
	listen_silently();
	do {
		wrong_name_port = server_free_port();
	} while (wrong_name_port == port);
	write_config();
	CLEANUP(cleanup_free) char *log = in_dir("servers.log");
	CLEANUP(cleanup_free) char *path = in_dir("fcgi.sock");
	CLEANUP(cleanup_free) char *address = str_printf("unix:%s", path);
	CLEANUP(cleanup_free) char *config = in_dir("nginx.conf");
	const char *fcgi[] = { "/usr/sbin/fcgiwrap", "-s", address, /* end= */ NULL };
	server_start(&fcgiwrap, log, fcgi);
	server_wait_file(&fcgiwrap, path, log);
	const char *web[] = { "/usr/sbin/nginx", "-e", "stderr", "-p", dir, "-c", config,
		              /* end= */ NULL };
	server_start(&nginx, log, web);
	server_wait_port(&nginx, port, log);
}

static void stop(void)
{
	server_stop(&nginx);
	server_stop(&fcgiwrap);
	(void)close(silent_fd);
	free(commit);
	free(ca_file);
	unit_rmtree(dir);
}

struct visit {
	const char *host, *path, *ca, *user, *password;
	int port;
	int64_t timeout_ms;
};

static enum err_code fetch(struct visit v)
{
	static int visits;
	CLEANUP(cleanup_free)
	char *mirrors = str_printf("%s/mirrors-%d-%d", dir, getpid(), visits++);
	CLEANUP(secret_release) struct secret password = { 0 };
	CLEANUP(cleanup_free)
	char *url = str_printf("https://%s:%d%s", v.host == NULL ? "localhost" : v.host,
	                       v.port == 0 ? port : v.port, v.path);
	struct source_remote_options opt = { .url = url,
		                             .tls_ca_file = v.ca == NULL ? ca_file : v.ca,
		                             .http_user = v.user,
		                             .http_password = &password,
		                             .timeout_ms =
		                                     v.timeout_ms == 0 ? 30000 : v.timeout_ms };

	ck_assert_int_eq(secret_set_str(&password, v.password == NULL ? "" : v.password), 0);
	close_source();
	err_clear(&err);
	ck_assert_ok(source_open_mirror(mirrors, &opt, &src, &err), &err);
	return source_fetch(src, &err);
}

START_TEST(a_repository_is_fetched_over_tls13)
{
	ck_assert_ok(fetch((struct visit){ .path = "/git/fleet.git" }), &err);
	has_commit(true);
	ck_assert_ok(source_fetch(src, &err), &err);
}
END_TEST

START_TEST(a_certificate_for_an_address_counts)
{
	ck_assert_ok(fetch((struct visit){ .host = "127.0.0.1", .path = "/git/fleet.git" }), &err);
	has_commit(true);
}
END_TEST

START_TEST(an_unknown_ca_is_refused)
{
	CLEANUP(cleanup_free) char *stranger = in_dir("stranger.pem");

	ck_assert_int_eq(fetch((struct visit){ .path = "/git/fleet.git", .ca = stranger }),
	                 ERR_DENIED);
	ck_assert_ptr_nonnull(strstr(err.msg, "not trusted"));
	ck_assert_ptr_nonnull(strstr(err.hint, "tlsCaFile"));
	has_commit(false);
}
END_TEST

START_TEST(the_systems_anchors_do_not_know_a_private_ca)
{
	struct source_remote_options opt = { .timeout_ms = 30000 };
	CLEANUP(cleanup_free) char *mirrors = in_dir("mirrors-system");
	CLEANUP(cleanup_free) char *url = str_printf("https://localhost:%d/git/fleet.git", port);

	opt.url = url;
	ck_assert_ok(source_open_mirror(mirrors, &opt, &src, &err), &err);
	ck_assert_int_eq(source_fetch(src, &err), ERR_DENIED);
}
END_TEST

START_TEST(a_certificate_of_another_name_is_refused)
{
	ck_assert_int_eq(fetch((struct visit){ .path = "/x", .port = wrong_name_port }),
	                 ERR_DENIED);
	ck_assert_ptr_nonnull(strstr(err.msg, "name"));
}
END_TEST

START_TEST(a_password_opens_what_is_private)
{
	struct visit v = { .path = "/private/fleet.git", .user = "me", .password = "s3cret" };

	ck_assert_ok(fetch(v), &err);
	has_commit(true);
}
END_TEST

START_TEST(a_missing_or_wrong_password_is_said_and_not_shown)
{
	struct visit v = { .path = "/private/fleet.git" };
	char text[1024];

	ck_assert_int_eq(fetch(v), ERR_DENIED);
	ck_assert_ptr_nonnull(strstr(err.hint, "httpUser"));
	v.user = "me";
	v.password = "wr0ng";
	ck_assert_int_eq(fetch(v), ERR_DENIED);
	err_format(&err, text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, "'me'"));
	ck_assert_ptr_null(strstr(text, "wr0ng"));
}
END_TEST

START_TEST(redirections_stay_on_the_server)
{
	ck_assert_ok(fetch((struct visit){ .path = "/moved/fleet.git" }), &err);
	has_commit(true);
	ck_assert_int_eq(fetch((struct visit){ .path = "/away/fleet.git" }), ERR_REFUSED);
	ck_assert_ptr_nonnull(strstr(err.msg, "another server"));
	has_commit(false);
}
END_TEST

START_TEST(the_servers_status_decides_what_kind_of_failure_it_is)
{
	ck_assert_int_eq(fetch((struct visit){ .path = "/nothing/here.git" }), ERR_REFUSED);
	ck_assert_int_eq(fetch((struct visit){ .path = "/broken/x.git" }), ERR_NET);
	ck_assert_int_eq(fetch((struct visit){ .path = "/hidden/x.git" }), ERR_DENIED);
}
END_TEST

START_TEST(a_silent_server_is_given_up_in_time)
{
	struct visit v = { .path = "/git/fleet.git", .port = silent_port, .timeout_ms = 500 };
	int64_t start_ms = clock_system.mono(&clock_system).ms;

	ck_assert_int_eq(fetch(v), ERR_NET);
	ck_assert_int_lt(clock_system.mono(&clock_system).ms - start_ms, 5000);
}
END_TEST

START_TEST(nobody_listening_is_out_of_reach)
{
	struct visit v = { .path = "/git/fleet.git", .port = server_free_port() };

	ck_assert_int_eq(fetch(v), ERR_NET);
}
END_TEST

static void build(Suite *suite)
{
	TCase *tc = tcase_create("https");

	tcase_add_unchecked_fixture(tc, start, stop);
	tcase_add_checked_fixture(tc, open_source, close_source);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_repository_is_fetched_over_tls13);
	tcase_add_test(tc, a_certificate_for_an_address_counts);
	tcase_add_test(tc, an_unknown_ca_is_refused);
	tcase_add_test(tc, the_systems_anchors_do_not_know_a_private_ca);
	tcase_add_test(tc, a_certificate_of_another_name_is_refused);
	tcase_add_test(tc, a_password_opens_what_is_private);
	tcase_add_test(tc, a_missing_or_wrong_password_is_said_and_not_shown);
	tcase_add_test(tc, redirections_stay_on_the_server);
	tcase_add_test(tc, the_servers_status_decides_what_kind_of_failure_it_is);
	tcase_add_test(tc, a_silent_server_is_given_up_in_time);
	tcase_add_test(tc, nobody_listening_is_out_of_reach);
	suite_add_tcase(suite, tc);
}

UNIT_MAIN("fetch_https", build)
