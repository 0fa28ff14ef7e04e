/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log.h - one line per decision on stderr: "event=step.done identity=web took_ms=12".
 *
 * Used by engine/loop and cli only (others return errors). Values from outside are escaped and
 * quoted when they hold anything but [A-Za-z0-9._:@/+-]. JSON when asked (one object per line).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

struct log {
	int fd;
	enum log_level level;
	bool json;
};

void log_init(struct log *l, int fd, enum log_level level, bool json);

/* Fields are "key", value pairs as strings, ended by NULL. `event` is dotted lower case. */
void log_event(struct log *l, enum log_level level, const char *event, ...)
	__attribute__((sentinel));
