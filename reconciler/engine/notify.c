/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * notify.c - one datagram; a whole library for it would cost every start of the program.
 */
#include "reconciler/engine/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"

#define FEEDS 4 /* in the time that systemd waits */

void notify_systemd(const char *message)
{
	const char *path = secure_getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t n = path == NULL ? 0 : strlen(path);

	if (n < 2 || n >= sizeof(to.sun_path)) {
		return;
	}
	memcpy(to.sun_path, path, n);
	if (path[0] == '@') {
		to.sun_path[0] = '\0';
	}
	CLEANUP(cleanup_close) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		(void)sendto(fd, message, strlen(message), MSG_NOSIGNAL, (struct sockaddr *)&to,
		             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
	}
}

void watchdog_init(struct watchdog *w, const struct clock *clock)
{
	const char *usec = secure_getenv("WATCHDOG_USEC");
	const char *pid = secure_getenv("WATCHDOG_PID");
	int64_t whose = 0;
	int64_t us = 0;

	*w = (struct watchdog){ .clock = clock, .fed = clock->mono(clock) };
	if (usec == NULL || !str_to_i64(usec, 1, INT64_MAX, &us)) {
		return;
	}
	if (pid != NULL && (!str_to_i64(pid, 1, INT32_MAX, &whose) || whose != getpid())) {
		return;
	}
	w->every_ms = us / 1000 / FEEDS;
	w->every_ms = w->every_ms > 0 ? w->every_ms : 1;
}

void watchdog_feed(struct watchdog *w)
{
	struct mono now = w->clock->mono(w->clock);

	if (w->every_ms > 0 && now.ms - w->fed.ms >= w->every_ms) {
		notify_systemd("WATCHDOG=1");
		w->fed = now;
	}
}
