/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * window.c - maintenance windows of when.h: five cron fields, a timezone, a length.
 *
 * Openings are enumerated by local day, so that "02:00 in Berlin" is found without stepping
 * through minutes of UTC. Within a day the moments never decrease (tz_from_local maps a skipped
 * hour to one moment), which lets a search stop at the first hit from either end.
 */
#include <string.h>

#include "reconciler/base/str.h"
#include "reconciler/base/tz.h"
#include "reconciler/base/when.h"

#define DAY        INT64_C(86400)
#define SEARCH_MAX (INT64_C(12) * 366 * DAY) /* 29 February comes within eight years */

struct field {
	const char *name;
	int min, max;
	const char *const *words; /* of min, min+1, ...; NULL-terminated, or NULL */
};

static const char *const month_words[] = { "jan", "feb", "mar", "apr", "may", "jun", "jul",
	                                   "aug", "sep", "oct", "nov", "dec", NULL };
static const char *const day_words[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL };

static const struct field fields[] = {
	{ "minute", 0, 59, NULL },          { "hour", 0, 23, NULL },
	{ "day of month", 1, 31, NULL },    { "month", 1, 12, month_words },
	{ "day of week", 0, 7, day_words },
};

static bool take_value(const struct field *f, const char **s, int *ret)
{
	int v = 0;

	for (int i = 0; f->words != NULL && f->words[i] != NULL; i++) {
		char word[4] = { 0 };

		memcpy(word, *s, strnlen(*s, 3));
		if (str_casecmp_ascii(word, f->words[i]) == 0) {
			*s += 3;
			*ret = f->min + i;
			return true;
		}
	}
	if (**s < '0' || **s > '9') {
		return false;
	}
	for (; **s >= '0' && **s <= '9'; (*s)++) {
		v = v * 10 + (**s - '0');
		if (v > f->max) {
			return false;
		}
	}
	*ret = v;
	return v >= f->min;
}

/* "*", "5", "1-5", with "/2" behind a star or a range. */
static bool take_range(const struct field *f, const char **s, uint64_t *bits)
{
	struct field step = { .min = 1, .max = f->max };
	int from = f->min;
	int to = f->max;
	int by = 1;
	bool single = false;

	if (**s == '*') {
		(*s)++;
	} else {
		if (!take_value(f, s, &from)) {
			return false;
		}
		to = from;
		single = **s != '-';
		if (!single) {
			(*s)++;
			if (!take_value(f, s, &to)) {
				return false;
			}
			/* "fri-sun": Sunday closes a week as well as it opens one. */
			to = f->max == 7 && to == 0 && from > 0 ? 7 : to;
		}
	}
	if (**s == '/') {
		(*s)++;
		if (single || !take_value(&step, s, &by)) {
			return false;
		}
	}
	for (int v = from; v <= to; v += by) {
		*bits |= UINT64_C(1) << v;
	}
	return from <= to;
}

static bool take_field(const struct field *f, const char **s, uint64_t *bits, bool *ret_any)
{
	const char *start = *s;

	do {
		if (!take_range(f, s, bits)) {
			return false;
		}
	} while (**s == ',' && *(*s)++ == ',');
	*ret_any = *s - start == 1 && *start == '*';
	return **s == ' ' || **s == '\t' || **s == '\0';
}

enum err_code window_parse_cron(const char *cron, struct window *w, struct err *err)
{
	uint64_t bits[ARRAY_LEN(fields)] = { 0 };
	bool any[ARRAY_LEN(fields)] = { false };
	const char *s = cron + strspn(cron, " \t");

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		if (*s == '\0') {
			return err_set(err, ERR_INVALID, "cron has %zu fields, not five", i);
		}
		if (!take_field(&fields[i], &s, &bits[i], &any[i])) {
			return err_set(err, ERR_INVALID,
			               "cron field %zu (%s) is not a list of values from %d to %d, "
			               "ranges or steps",
			               i + 1, fields[i].name, fields[i].min, fields[i].max);
		}
		s += strspn(s, " \t");
	}
	if (*s != '\0') {
		return err_set(err, ERR_INVALID, "cron has more than five fields");
	}
	w->minutes = bits[0];
	w->hours = (uint32_t)bits[1];
	w->days = (uint32_t)bits[2];
	w->months = (uint16_t)bits[3];
	w->weekdays = (uint8_t)((bits[4] & 0x7F) | (bits[4] >> 7 & 1));
	w->any_day = any[2];
	w->any_weekday = any[4];
	return ERR_OK;
}

static bool day_matches(const struct window *w, int64_t local_day)
{
	struct civil c = when_civil((struct wall){ .s = local_day * DAY });
	bool day = (w->days >> c.day & 1) != 0;
	bool weekday = (w->weekdays >> c.weekday & 1) != 0;

	if ((w->months >> c.month & 1) == 0) {
		return false;
	}
	return w->any_day || w->any_weekday ? day && weekday : day || weekday;
}

static bool minute_matches(const struct window *w, int64_t minute_of_day)
{
	return (w->hours >> (minute_of_day / 60) & 1) != 0 &&
	       (w->minutes >> (minute_of_day % 60) & 1) != 0;
}

static int64_t local_day(const struct tz *tz, struct wall t)
{
	int64_t local = t.s + tz_offset(tz, t);

	return local / DAY - (local % DAY < 0);
}

static struct wall opening(const struct tz *tz, int64_t day, int64_t minute)
{
	return tz_from_local(tz, day * DAY + minute * 60);
}

/* The last opening at or before t, not before `since`. */
static bool last_opening(const struct window *w, const struct tz *tz, struct wall t, int64_t since,
                         struct wall *ret)
{
	int64_t first = local_day(tz, (struct wall){ .s = since }) - 1;

	for (int64_t day = local_day(tz, t) + 1; day >= first; day--) {
		if (!day_matches(w, day)) {
			continue;
		}
		for (int64_t minute = 1439; minute >= 0; minute--) {
			if (!minute_matches(w, minute)) {
				continue;
			}
			*ret = opening(tz, day, minute);
			if (ret->s <= t.s) {
				return ret->s >= since;
			}
		}
	}
	return false;
}

/* The first opening after t, not after `until`. */
static bool next_opening(const struct window *w, const struct tz *tz, struct wall t, int64_t until,
                         struct wall *ret)
{
	int64_t last = local_day(tz, (struct wall){ .s = until }) + 1;

	for (int64_t day = local_day(tz, t) - 1; day <= last; day++) {
		if (!day_matches(w, day)) {
			continue;
		}
		for (int64_t minute = 0; minute < 1440; minute++) {
			if (!minute_matches(w, minute)) {
				continue;
			}
			*ret = opening(tz, day, minute);
			if (ret->s > t.s) {
				return ret->s <= until;
			}
		}
	}
	return false;
}

bool window_timezone_exists(const char *timezone)
{
	return tz_find(timezone) != NULL;
}

bool window_is_open(const struct window *w, struct wall t)
{
	const struct tz *tz = tz_find(w->timezone);
	int64_t length = w->duration_s < SEARCH_MAX ? w->duration_s : SEARCH_MAX;
	struct wall opened;

	if (tz == NULL || length <= 0) {
		return false;
	}
	return last_opening(w, tz, t, t.s - length + 1, &opened);
}

bool window_next_open(const struct window *w, struct wall t, struct wall until, struct wall *ret)
{
	const struct tz *tz = tz_find(w->timezone);
	struct wall found;

	if (tz == NULL || w->duration_s <= 0 || until.s < t.s) {
		return false;
	}
	if (until.s - t.s > SEARCH_MAX) {
		until.s = t.s + SEARCH_MAX;
	}
	if (window_is_open(w, t)) {
		*ret = t;
		return true;
	}
	if (!next_opening(w, tz, t, until.s, &found)) {
		return false;
	}
	*ret = found;
	return true;
}
