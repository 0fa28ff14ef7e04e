/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock.h - time is passed in.
 *
 * `now` is read once per pass and given to diff and plan as a value; whatever has a deadline
 * re-reads the monotonic clock.
 */
#pragma once

#include <stdint.h>

struct wall {
	int64_t s; /* seconds since 1970: compared with certificates, written down */
};

struct mono {
	int64_t ms; /* deadlines and back-off: never compared with a certificate, never stored */
};

struct clock {
	struct wall (*wall)(const struct clock *self);
	struct mono (*mono)(const struct clock *self);
};

extern const struct clock clock_system;

/* The system clock moved so that its wall time started at `start` when it was made (--now);
 * the monotonic part is the system's. */
struct clock_shifted {
	struct clock clock;
	int64_t offset_s;
};
void clock_shifted_init(struct clock_shifted *c, struct wall start);

/* Stands still until told: tests, simulations. */
struct clock_manual {
	struct clock clock;
	struct wall wall_now;
	struct mono mono_now;
};
void clock_manual_init(struct clock_manual *c, struct wall start);
void clock_manual_advance(struct clock_manual *c, int64_t seconds);
