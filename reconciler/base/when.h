/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * when.h - times, durations and windows as text. Pure: no clock is read here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/clock.h"
#include "reconciler/base/err.h"

#define WHEN_TEXT_MAX 32

/* RFC 3339, UTC: "2026-11-21T02:00:00Z". out holds WHEN_TEXT_MAX. Years 0000 to 9999. */
void when_format(struct wall t, char *out);
/* For people: "2026-11-21 02:00Z". */
void when_format_short(struct wall t, char *out);
/* "in 23d", "3h ago", "now": largest unit of s, m, h, d that is at least 2, at most one unit. */
void when_format_relative(struct wall t, struct wall now, char *out, size_t out_size);
/* RFC 3339 with any offset. */
bool when_parse(const char *s, struct wall *ret);
/* Go style ("2160h", "1h30m", "15m", "1.5h") and "90d", "2w". Negative is refused. Seconds; below
 * one second is refused unless zero; fractions of a second above it are dropped. false: not a
 * duration or more than 1000 years. */
bool duration_parse(const char *s, int64_t *ret_s);
/* Go style with days: "90d", "2h30m", "0s". */
void duration_format(int64_t s, char *out, size_t out_size);

/* Civil calendar, proleptic Gregorian, UTC. */
struct civil {
	int year, month, day, hour, minute, second; /* month 1-12, day 1-31 */
	int weekday;                                /* 0 Sunday */
};
struct civil when_civil(struct wall t);
struct wall when_from_civil(const struct civil *c);

/* A window that opens by 5-field cron in a timezone and stays open for a while (elapsed time).
 * An opening that daylight saving skips happens at the moment of the jump; one that it repeats
 * happens the first time only. A timezone that does not exist never opens. */
struct window {
	uint64_t minutes; /* bit per minute */
	uint32_t hours;   /* bit per hour */
	uint32_t days;    /* bit per day of month, bit 1 = 1st */
	uint16_t months;  /* bit 1 = January */
	uint8_t weekdays; /* bit 0 = Sunday */
	bool any_day;     /* day-of-month was '*' */
	bool any_weekday; /* day-of-week was '*' */
	int64_t duration_s;
	const char *timezone; /* IANA name, borrowed; NULL is UTC */
};
/* Parse the cron part: *, lists, ranges, steps, names (jan, mon), 7 = Sunday. When both day fields
 * are restricted, either matches (POSIX cron). */
enum err_code window_parse_cron(const char *cron, struct window *w, struct err *err);
/* The timezone exists in the system's zone database. UTC always does. */
bool window_timezone_exists(const char *timezone);
bool window_is_open(const struct window *w, struct wall t);
/* The first moment at or after `t` at which the window is open, searched no further than `until`
 * nor than 12 years; false when there is none. */
bool window_next_open(const struct window *w, struct wall t, struct wall until, struct wall *ret);
