/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * canned.c - a TLS 1.2 server that costs nothing: it plays back one ServerHello and Certificate to
 * whoever says hello, so that the client is what is measured. Its second port accepts and never
 * answers.
 *
 * canned CHAIN.pem PORT DEAD-PORT: one thread, epoll, until it is killed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "reconciler/base/buf.h"
#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/cert.h"
#include "reconciler/pki/pki.h"

#define EVENTS    256
#define FILE_MAX  ((size_t)1 << 20)
#define HELLO_MAX 4096

static void put24(struct buf *b, size_t n)
{
	buf_add_byte(b, (uint8_t)(n >> 16));
	buf_add_u16be(b, (uint16_t)n);
}

static void put_record(struct buf *out, const struct buf *messages)
{
	buf_add_byte(out, 22);
	buf_add_u16be(out, 0x0303);
	buf_add_u16be(out, (uint16_t)messages->len);
	buf_add_bytes(out, buf_view(messages));
}

static int compose(const char *file, struct buf *out, struct err *err)
{
	CLEANUP(buf_release) struct buf pem = { 0 };
	CLEANUP(buf_release) struct buf m = { 0 };
	static const uint8_t random[32] = { 7 };
	const struct cert **chain = NULL;
	size_t n = 0;
	size_t total = 0;
	struct arena a;

	arena_init(&a);
	buf_init(&pem, FILE_MAX);
	buf_init(&m, FILE_MAX);
	if (fs_read(file, FILE_MAX, &pem, err) != ERR_OK ||
	    cert_parse_bundle(buf_view(&pem), &a, &chain, &n, err) != ERR_OK) {
		arena_release(&a);
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		total += 3 + chain[i]->der.n;
	}
	buf_add_byte(&m, 2);
	put24(&m, 38);
	buf_add_u16be(&m, 0x0303);
	buf_add(&m, random, sizeof(random));
	buf_add_byte(&m, 0);
	buf_add_u16be(&m, 0xc02b);
	buf_add_byte(&m, 0);
	buf_add_byte(&m, 11);
	put24(&m, total + 3);
	put24(&m, total);
	for (size_t i = 0; i < n; i++) {
		put24(&m, chain[i]->der.n);
		buf_add_bytes(&m, chain[i]->der);
	}
	put_record(out, &m);
	arena_release(&a);
	return 0;
}

static int listen_on(int64_t port)
{
	const struct sockaddr_in at = { .sin_family = AF_INET,
		                        .sin_port = htons((uint16_t)port),
		                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
	    bind(fd, (const struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 4096) < 0) {
		(void)fprintf(stderr, "canned: cannot listen on port %lld\n", (long long)port);
		_Exit(1);
	}
	return fd;
}

static void watch(int epoll, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0) {
		(void)close(fd);
	}
}

static void accept_all(int epoll, int listener, bool dead)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		watch(epoll, fd, dead ? EPOLLRDHUP : EPOLLIN);
	}
}

static void answer(int fd, struct bytes said)
{
	uint8_t hello[HELLO_MAX];
	ssize_t n = recv(fd, hello, sizeof(hello), 0);

	if (n > 0) {
		n = send(fd, said.p, said.n, MSG_NOSIGNAL);
	}
	if (n <= 0 && !(n < 0 && errno == EAGAIN)) {
		(void)close(fd);
	}
}

static void serve(struct bytes said, int live, int dead)
{
	struct epoll_event events[EVENTS];
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	watch(epoll, live, EPOLLIN);
	watch(epoll, dead, EPOLLIN);
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == live || fd == dead) {
				accept_all(epoll, fd, fd == dead);
			} else if ((events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
				(void)close(fd);
			} else {
				answer(fd, said);
			}
		}
	}
}

int main(int argc, char **argv)
{
	struct rlimit files;
	struct buf said;
	struct err err = { 0 };
	int64_t live = 0;
	int64_t dead = 0;

	if (argc != 4 || !str_to_i64(argv[2], 1, 65535, &live) ||
	    !str_to_i64(argv[3], 1, 65535, &dead)) {
		(void)fprintf(stderr, "usage: canned CHAIN.pem PORT DEAD-PORT\n");
		return 64;
	}
	pki_init(&clock_system);
	buf_init(&said, FILE_MAX);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	if (compose(argv[1], &said, &err) < 0) {
		(void)fprintf(stderr, "canned: %s\n", err.msg);
		return 1;
	}
	serve(buf_view(&said), listen_on(live), listen_on(dead));
	return 0;
}
