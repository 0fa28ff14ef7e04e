/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * clock.c - the only file that asks the system for the time.
 *
 * CLOCK_BOOTTIME, not CLOCK_MONOTONIC: a laptop or a suspended virtual machine must not
 * believe that a deadline is still far away.
 */
#include "reconciler/base/clock.h"

#include <assert.h>
#include <time.h>

#include "reconciler/base/attr.h"

static struct timespec read_clock(clockid_t id)
{
	struct timespec ts;
	int rc = clock_gettime(id, &ts);

	assert(rc == 0);
	return ts;
}

static struct wall system_wall(const struct clock *self ATTR_UNUSED)
{
	return (struct wall){ .s = read_clock(CLOCK_REALTIME).tv_sec };
}

static struct mono system_mono(const struct clock *self ATTR_UNUSED)
{
	struct timespec ts = read_clock(CLOCK_BOOTTIME);

	return (struct mono){ .ms = (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000 };
}

const struct clock clock_system = {
	.wall = system_wall,
	.mono = system_mono,
};

static struct wall shifted_wall(const struct clock *self)
{
	const struct clock_shifted *c = (const struct clock_shifted *)(const void *)self;

	return (struct wall){ .s = system_wall(self).s + c->offset_s };
}

void clock_shifted_init(struct clock_shifted *c, struct wall start)
{
	*c = (struct clock_shifted){
		.clock = { .wall = shifted_wall, .mono = system_mono },
		.offset_s = start.s - system_wall(&clock_system).s,
	};
}

static struct wall manual_wall(const struct clock *self)
{
	return ((const struct clock_manual *)(const void *)self)->wall_now;
}

static struct mono manual_mono(const struct clock *self)
{
	return ((const struct clock_manual *)(const void *)self)->mono_now;
}

void clock_manual_init(struct clock_manual *c, struct wall start)
{
	*c = (struct clock_manual){
		.clock = { .wall = manual_wall, .mono = manual_mono },
		.wall_now = start,
	};
}

void clock_manual_advance(struct clock_manual *c, int64_t seconds)
{
	c->wall_now.s += seconds;
	c->mono_now.ms += seconds * 1000;
}
