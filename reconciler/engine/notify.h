/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * notify.h - what systemd wants to hear: sd_notify(3) without its library.
 *
 * The watchdog is fed from the loop itself, between steps and looks and never from a thread of its
 * own: one that says "alive" while a step hangs would be worse than none.
 */
#pragma once

#include "reconciler/base/clock.h"

/* "READY=1", "STATUS=...". Nothing when systemd did not start us. */
void notify_systemd(const char *message);

struct watchdog {
	const struct clock *clock;
	int64_t every_ms; /* 0: nobody watches */
	struct mono fed;
};
/* From WATCHDOG_USEC, when it is meant for this process. */
void watchdog_init(struct watchdog *w, const struct clock *clock);
/* Called often; a message goes out four times in the time that systemd waits. */
void watchdog_feed(struct watchdog *w);
