/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * raw_hello.c - the least that a program can do to see a certificate of TLS 1.2: connect, write one
 * fixed hello, read to the end of the Certificate message, hash the leaf, reset. No state, no
 * deadline, no parser to speak of: the floor that our look is held against.
 *
 * raw_hello PORT N
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "reconciler/base/str.h"
#include "reconciler/pki/pki.h"
#include "state/probe/hello.h"

#define ROOM 32768

/* Where the leaf begins, once all of the Certificate message is there; 0: not yet. */
static size_t leaf_of(const uint8_t *p, size_t n, size_t *ret_size)
{
	const size_t certificate = 5 + 4 + 38; /* behind a ServerHello in the same record */

	if (n < certificate + 10) {
		return 0;
	}
	size_t body = (size_t)p[certificate + 1] << 16 | (size_t)p[certificate + 2] << 8 |
	              p[certificate + 3];
	*ret_size = (size_t)p[certificate + 7] << 16 | (size_t)p[certificate + 8] << 8 |
	            p[certificate + 9];
	return n >= certificate + 4 + body ? certificate + 10 : 0;
}

static bool look(int epoll, const struct sockaddr_in *at, struct bytes hello, uint8_t *room)
{
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	uint8_t digest[SHA256_BYTES];
	struct epoll_event e = { .events = EPOLLIN };
	size_t got = 0;
	size_t size = 0;
	size_t leaf = 0;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)at, sizeof(*at)) < 0 ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0 ||
	    send(fd, hello.p, hello.n, MSG_NOSIGNAL) < 0) {
		return false;
	}
	while (leaf == 0 && epoll_wait(epoll, &e, 1, -1) == 1) {
		ssize_t n = recv(fd, room + got, ROOM - got, 0);
		if (n <= 0) {
			return false;
		}
		got += (size_t)n;
		leaf = leaf_of(room, got, &size);
	}
	pki_sha256(room + leaf, size, digest);
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return close(fd) == 0;
}

int main(int argc, char **argv)
{
	static uint8_t room[ROOM];
	uint8_t out[HELLO_MAX];
	struct hello h = { .name = "ec-0.bench.example" };
	struct sockaddr_in at = { .sin_family = AF_INET,
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int64_t port = 0;
	int64_t n = 0;

	if (argc != 3 || !str_to_i64(argv[1], 1, 65535, &port) ||
	    !str_to_i64(argv[2], 0, 1000000, &n)) {
		(void)fprintf(stderr, "usage: raw_hello PORT N\n");
		return 64;
	}
	pki_init(&clock_system);
	at.sin_port = htons((uint16_t)port);
	size_t size = hello_write(&h, out);
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	for (int64_t i = 0; i < n; i++) {
		if (!look(epoll, &at, bytes_of(out, size), room)) {
			return 1;
		}
	}
	return 0;
}
