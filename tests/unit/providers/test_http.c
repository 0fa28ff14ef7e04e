/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_http.c - GETs against a server that lives in a child process of the test.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "providers/http.h"
#include "reconciler/base/str.h"
#include "tests/unit/unit.h"

static pid_t server;
static int port;

static void say(int fd, const char *text)
{
	ck_assert(write(fd, text, strlen(text)) >= 0);
}

static void redirect(int fd, const char *to)
{
	char answer[256];

	(void)snprintf(answer, sizeof(answer),
	               "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 5\r\n"
	               "Connection: close\r\n\r\nmoved",
	               to);
	say(fd, answer);
}

static void answer(int fd, const char *path)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";

	if (str_starts(path, "/ok ")) {
		say(fd, head);
		say(fd, "hello");
	} else if (str_starts(path, "/big ")) {
		say(fd, head);
		for (int i = 0; i < 64; i++) {
			say(fd, "a stretch of sixty-four octets, of which many make a long answer");
		}
	} else if (str_starts(path, "/here ")) {
		redirect(fd, "/ok");
	} else if (str_starts(path, "/loop ")) {
		redirect(fd, "/loop");
	} else if (str_starts(path, "/there ")) {
		redirect(fd, "http://localhost:1/elsewhere");
	} else if (str_starts(path, "/file ")) {
		redirect(fd, "file:///etc/passwd");
	} else if (str_starts(path, "/silent ")) {
		(void)pause();
	} else {
		say(fd,
		    "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngone");
	}
}

static void serve(int listener)
{
	for (;;) {
		char request[4096] = "";
		int fd = accept(listener, NULL, NULL);
		ssize_t n = fd < 0 ? -1 : read(fd, request, sizeof(request) - 1);

		if (n > 4) {
			answer(fd, request + 4); /* behind "GET " */
		}
		if (fd >= 0) {
			(void)close(fd);
		}
	}
}

static void start(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert(listener >= 0 && bind(listener, (struct sockaddr *)&at, size) == 0 &&
	          listen(listener, 8) == 0 &&
	          getsockname(listener, (struct sockaddr *)&at, &size) == 0);
	port = ntohs(at.sin_port);
	server = fork();
	ck_assert(server >= 0);
	if (server == 0) {
		serve(listener);
	}
	(void)close(listener);
}

static void stop(void)
{
	(void)kill(server, SIGKILL);
	(void)waitpid(server, NULL, 0);
}

static enum err_code get(const char *path, size_t limit, struct buf *body, int *status,
                         struct err *err)
{
	char url[128];
	struct http_request req = { .url = url, .timeout_ms = 5000 };

	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", port, path);
	if (str_equal(path, "/silent")) {
		req.timeout_ms = 100;
	}
	buf_init(body, limit);
	return http_get(&req, body, status, err);
}

static void refused(const char *path, enum err_code code, const char *says)
{
	CLEANUP(buf_release) struct buf body = { 0 };
	struct err err = { 0 };
	char text[1024];
	int status = -1;

	ck_assert_int_eq(get(path, 1024, &body, &status, &err), code);
	err_format(&err, text, sizeof(text));
	ck_assert_msg(strstr(text, says) != NULL, "'%s' is not in: %s", says, text);
	ck_assert_int_eq(status, -1);
}

static void given(const char *path, int status, const char *text)
{
	CLEANUP(buf_release) struct buf body = { 0 };
	struct err err = { 0 };
	int got = 0;

	ck_assert_ok(get(path, 1024, &body, &got, &err), &err);
	ck_assert_int_eq(got, status);
	ck_assert_str_eq(buf_str(&body), text);
}

START_TEST(body_and_status_of_any_answer_are_given)
{
	given("/ok", 200, "hello");
	given("/nothing", 404, "gone");
}
END_TEST

START_TEST(an_answer_longer_than_the_buffer_takes_is_refused)
{
	refused("/big", ERR_REFUSED, "longer than we take");
}
END_TEST

START_TEST(a_redirection_on_the_same_server_is_followed)
{
	given("/here", 200, "hello");
}
END_TEST

START_TEST(a_redirection_elsewhere_is_refused_and_named)
{
	refused("/there", ERR_REFUSED, "redirected to another place, http://localhost:1/elsewhere");
	refused("/file", ERR_INVALID, "no http or https URL: file:///etc/passwd");
	refused("/loop", ERR_REFUSED, "without an end");
}
END_TEST

START_TEST(a_silent_server_is_given_up)
{
	refused("/silent", ERR_NET, "GET http://127.0.0.1:");
}
END_TEST

START_TEST(a_proxy_of_the_environment_is_not_asked)
{
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): this test is a process with one thread */
	ck_assert_int_eq(setenv("http_proxy", "http://127.0.0.1:1", 1), 0);
	given("/ok", 200, "hello");
}
END_TEST

START_TEST(only_http_and_https_without_a_user_are_taken)
{
	static const char *const bad[] = {
		"ftp://h.example/",        "file:///etc/passwd",     "h.example",
		"https://u@h.example/",    "https://u:p@h.example/", "https://",
		"https://h.example:99999/"
	};
	char *host = NULL;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct err err = { 0 };
		ck_assert_int_eq(http_url_host(bad[i], &host, &err), ERR_INVALID);
		ck_assert_ptr_null(host);
	}
}
END_TEST

START_TEST(the_host_of_a_url_is_what_is_connected_to)
{
	static const char *const urls[][2] = { { "https://h.example/x", "h.example" },
		                               { "http://h.example:80?u@x", "h.example" },
		                               { "https://[::1]:8443/x", "::1" },
		                               { "https://h.example#@x", "h.example" } };

	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		CLEANUP(cleanup_free) char *host = NULL;
		struct err err = { 0 };
		ck_assert_ok(http_url_host(urls[i][0], &host, &err), &err);
		ck_assert_str_eq(host, urls[i][1]);
	}
}
END_TEST

static void http_suite(Suite *s)
{
	TCase *talk = tcase_create("talk");
	TCase *urls = tcase_create("urls");

	tcase_add_checked_fixture(talk, start, stop);
	tcase_add_test(talk, body_and_status_of_any_answer_are_given);
	tcase_add_test(talk, an_answer_longer_than_the_buffer_takes_is_refused);
	tcase_add_test(talk, a_redirection_on_the_same_server_is_followed);
	tcase_add_test(talk, a_redirection_elsewhere_is_refused_and_named);
	tcase_add_test(talk, a_silent_server_is_given_up);
	tcase_add_test(talk, a_proxy_of_the_environment_is_not_asked);
	suite_add_tcase(s, talk);
	tcase_add_test(urls, only_http_and_https_without_a_user_are_taken);
	tcase_add_test(urls, the_host_of_a_url_is_what_is_connected_to);
	suite_add_tcase(s, urls);
}

UNIT_MAIN("http", http_suite)
