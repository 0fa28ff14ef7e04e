/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * when.c - times and durations as text, on our own calendar arithmetic.
 *
 * timegm() and gmtime_r() differ between C libraries outside of 1970..2037 and accept 31 February;
 * certificates are valid until 9999, so the few lines are ours.
 */
#include "reconciler/base/when.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "reconciler/base/str.h"

#define MINUTE INT64_C(60)
#define HOUR   INT64_C(3600)
#define DAY    INT64_C(86400)
#define WEEK   (7 * DAY)

#define YEAR_0     INT64_C(-62167219200)
#define YEAR_10000 INT64_C(253402300800)

/* Days since 1970 of a day in a year that starts in March, so that the leap day comes last. */
static int64_t days_from_civil(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t in_era = y - era * 400;
	int64_t in_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

struct civil when_civil(struct wall t)
{
	int64_t days = t.s / DAY - (t.s % DAY < 0);
	int64_t second = t.s - days * DAY;
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t in_era = z - era * 146097;
	int64_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	int64_t in_year = in_era - (365 * y + y / 4 - y / 100);
	int64_t m = (5 * in_year + 2) / 153;
	int month = (int)(m < 10 ? m + 3 : m - 9);

	return (struct civil){
		.year = (int)(y + era * 400 + (month <= 2)),
		.month = month,
		.day = (int)(in_year - (153 * m + 2) / 5 + 1),
		.hour = (int)(second / HOUR),
		.minute = (int)(second % HOUR / MINUTE),
		.second = (int)(second % MINUTE),
		.weekday = (int)(((days + 4) % 7 + 7) % 7),
	};
}

struct wall when_from_civil(const struct civil *c)
{
	return (struct wall){ .s = days_from_civil(c->year, c->month, c->day) * DAY +
		                   c->hour * HOUR + c->minute * MINUTE + c->second };
}

static struct civil civil_within_four_digits(struct wall t)
{
	t.s = t.s < YEAR_0 ? YEAR_0 : t.s >= YEAR_10000 ? YEAR_10000 - 1 : t.s;
	return when_civil(t);
}

static char *put_digits(char *out, int v, int width)
{
	for (int i = width - 1; i >= 0; i--) {
		out[i] = (char)('0' + v % 10);
		v /= 10;
	}
	return out + width;
}

static char *put_date(char *out, const struct civil *c)
{
	out = put_digits(out, c->year, 4);
	*out++ = '-';
	out = put_digits(out, c->month, 2);
	*out++ = '-';
	return put_digits(out, c->day, 2);
}

static char *put_hour_minute(char *out, const struct civil *c)
{
	out = put_digits(out, c->hour, 2);
	*out++ = ':';
	return put_digits(out, c->minute, 2);
}

void when_format(struct wall t, char *out)
{
	struct civil c = civil_within_four_digits(t);

	out = put_date(out, &c);
	*out++ = 'T';
	out = put_hour_minute(out, &c);
	*out++ = ':';
	out = put_digits(out, c.second, 2);
	*out++ = 'Z';
	*out = '\0';
}

void when_format_short(struct wall t, char *out)
{
	struct civil c = civil_within_four_digits(t);

	out = put_date(out, &c);
	*out++ = ' ';
	out = put_hour_minute(out, &c);
	*out++ = 'Z';
	*out = '\0';
}

/* Text into a caller's buffer of any size: cut, never overrun. */
static void put_cut(char *out, size_t size, const char *text, size_t n)
{
	if (size > 0) {
		n = n < size ? n : size - 1;
		memcpy(out, text, n);
		out[n] = '\0';
	}
}

static void ATTR_PRINTF(3, 4) put_text(char *out, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(out, size, fmt, ap);
	va_end(ap);
	assert(n >= 0);
}

/* "in 23d", "23d ago": of every object of a list, so without a format. */
static void put_away(char *out, size_t out_size, uint64_t n, char unit, bool past)
{
	char text[32];
	char *end = text + sizeof(text);
	char *at = end;

	*--at = '\0';
	if (past) {
		at -= strlen(" ago");
		memcpy(at, " ago", strlen(" ago"));
	}
	*--at = unit;
	do {
		*--at = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	if (!past) {
		at -= strlen("in ");
		memcpy(at, "in ", strlen("in "));
	}
	put_cut(out, out_size, at, (size_t)(end - at) - 1);
}

void when_format_relative(struct wall t, struct wall now, char *out, size_t out_size)
{
	static const struct {
		int64_t s;
		char unit;
	} units[] = { { DAY, 'd' }, { HOUR, 'h' }, { MINUTE, 'm' }, { 1, 's' } };
	bool past = t.s < now.s;
	/* Unsigned: two far ends of time differ by more than an int64_t holds. */
	uint64_t away = past ? (uint64_t)now.s - (uint64_t)t.s : (uint64_t)t.s - (uint64_t)now.s;

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		uint64_t n = away / (uint64_t)units[i].s;

		if (n >= 2) {
			put_away(out, out_size, n, units[i].unit, past);
			return;
		}
	}
	put_text(out, out_size, "now");
}

/* Exactly `width` digits; *s moves behind them. */
static bool take_digits(const char **s, int width, int *ret)
{
	int v = 0;

	for (int i = 0; i < width; i++) {
		char c = (*s)[i];

		if (c < '0' || c > '9') {
			return false;
		}
		v = v * 10 + (c - '0');
	}
	*s += width;
	*ret = v;
	return true;
}

static bool take_char(const char **s, char c)
{
	if (**s != c) {
		return false;
	}
	(*s)++;
	return true;
}

static int days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

static bool take_date_time(const char **s, struct civil *c)
{
	if (!take_digits(s, 4, &c->year) || !take_char(s, '-') || !take_digits(s, 2, &c->month) ||
	    !take_char(s, '-') || !take_digits(s, 2, &c->day) ||
	    !(take_char(s, 'T') || take_char(s, 't'))) {
		return false;
	}
	if (!take_digits(s, 2, &c->hour) || !take_char(s, ':') || !take_digits(s, 2, &c->minute) ||
	    !take_char(s, ':') || !take_digits(s, 2, &c->second)) {
		return false;
	}
	/* Second 60 is a leap second: it lands on the second after it. */
	return c->month >= 1 && c->month <= 12 && c->day >= 1 &&
	       c->day <= days_in_month(c->year, c->month) && c->hour <= 23 && c->minute <= 59 &&
	       c->second <= 60;
}

static bool skip_fraction(const char **s)
{
	if (!take_char(s, '.')) {
		return true;
	}
	size_t n = strspn(*s, "0123456789");
	*s += n;
	return n > 0;
}

static bool take_offset(const char **s, int64_t *ret_s)
{
	int hours;
	int minutes;
	bool west;

	if (take_char(s, 'Z') || take_char(s, 'z')) {
		*ret_s = 0;
		return true;
	}
	west = **s == '-';
	if ((!take_char(s, '+') && !take_char(s, '-')) || !take_digits(s, 2, &hours) ||
	    !take_char(s, ':') || !take_digits(s, 2, &minutes) || hours > 23 || minutes > 59) {
		return false;
	}
	*ret_s = (hours * HOUR + minutes * MINUTE) * (west ? -1 : 1);
	return true;
}

bool when_parse(const char *s, struct wall *ret)
{
	struct civil c = { 0 };
	int64_t offset = 0;

	if (!take_date_time(&s, &c) || !skip_fraction(&s) || !take_offset(&s, &offset) ||
	    *s != '\0') {
		return false;
	}
	ret->s = when_from_civil(&c).s - offset;
	return true;
}

#define MICRO          INT64_C(1000000)
#define DURATION_MAX_S (INT64_C(1000) * 366 * DAY)

/* The unit at *s in microseconds, 0 when there is none. */
static int64_t take_unit(const char **s)
{
	static const struct {
		const char *name;
		int64_t us;
	} units[] = {
		{ "ms", 1000 },       { "us", 1 },           { "w", WEEK * MICRO },
		{ "d", DAY * MICRO }, { "h", HOUR * MICRO }, { "m", MINUTE * MICRO },
		{ "s", MICRO },
	};

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		const char *name = units[i].name;
		if ((*s)[0] == name[0] && (name[1] == '\0' || (*s)[1] == name[1])) {
			*s += name[1] == '\0' ? 1 : 2;
			return units[i].us;
		}
	}
	return 0;
}

/* One "12.5h"; adds to *us. */
static bool take_term(const char **s, int64_t *us)
{
	int64_t whole = 0;
	int64_t fraction = 0;
	int64_t scale = 1;
	size_t digits = 0;
	int64_t unit;

	for (; **s >= '0' && **s <= '9'; (*s)++, digits++) {
		if (whole > DURATION_MAX_S * MICRO / 10 - 1) {
			return false;
		}
		whole = whole * 10 + (**s - '0');
	}
	if (take_char(s, '.')) {
		for (; **s >= '0' && **s <= '9'; (*s)++, digits++) {
			if (scale < MICRO) {
				fraction = fraction * 10 + (**s - '0');
				scale *= 10;
			}
		}
	}
	unit = digits == 0 ? 0 : take_unit(s);
	if (unit == 0 || whole > DURATION_MAX_S * MICRO / unit) {
		return false;
	}
	/* The fraction has at most six digits, the largest unit less than 2^40 microseconds. */
	*us += whole * unit + fraction * (unit / scale) + fraction * (unit % scale) / scale;
	return *us <= DURATION_MAX_S * MICRO;
}

bool duration_parse(const char *s, int64_t *ret_s)
{
	int64_t us = 0;

	if (strcmp(s, "0") == 0) {
		*ret_s = 0;
		return true;
	}
	do {
		if (!take_term(&s, &us)) {
			return false;
		}
	} while (*s != '\0');
	if (us > 0 && us < MICRO) {
		return false;
	}
	*ret_s = us / MICRO;
	return true;
}

void duration_format(int64_t s, char *out, size_t out_size)
{
	static const struct {
		uint64_t s;
		char unit;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	uint64_t rest = s < 0 ? 0 - (uint64_t)s : (uint64_t)s;
	char text[64];
	size_t at = 0;

	if (s < 0) {
		text[at++] = '-';
	}
	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		uint64_t n = rest / units[i].s;

		rest %= units[i].s;
		if (n > 0 || (s == 0 && units[i].unit == 's')) {
			put_text(text + at, sizeof(text) - at, "%llu%c", (unsigned long long)n,
			         units[i].unit);
			at += strlen(text + at);
		}
	}
	put_text(out, out_size, "%s", text);
}
