/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tz.c - TZif (RFC 8536): a sorted list of changes, and for the time after the last one a rule in
 * the notation of POSIX TZ.
 *
 * Only version 2 and later, whose second block has 64-bit times; version 1 files have not been
 * made for twenty years. A file that breaks the format is no zone: better an error about a
 * timezone than a maintenance window at the wrong hour.
 */
#include "reconciler/base/tz.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "reconciler/base/buf.h"
#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"
#include "reconciler/base/when.h"

#define ZONE_DIR   "/usr/share/zoneinfo/"
#define FILE_LIMIT ((size_t)256 << 10)
#define CACHE_MAX  1024u
#define DAY        INT64_C(86400)

/* One of the two yearly changes of a rule. */
struct change_rule {
	char kind; /* 'M' month.week.day, 'J' day 1-365 without 29 February, 'N' day 0-365 */
	int month, week, day;
	int64_t time_s; /* local time of the change, may be negative or beyond a day */
};

struct rule {
	bool has_dst;
	int64_t std_s, dst_s; /* added to UTC */
	struct change_rule to_dst, to_std;
};

struct change {
	int64_t at;
	int64_t offset; /* from then on */
};

struct tz {
	struct change *changes;
	size_t n;
	int64_t first_offset; /* before the first change */
	bool has_rule;
	struct rule rule;
};

static bool skip_name(const char **s)
{
	const char *start = *s;

	if (**s == '<') {
		const char *close = strchr(*s, '>');

		if (close == NULL) {
			return false;
		}
		*s = close + 1;
		return true;
	}
	while ((**s >= 'A' && **s <= 'Z') || (**s >= 'a' && **s <= 'z')) {
		(*s)++;
	}
	return *s - start >= 3;
}

static bool take_number(const char **s, int max, int *ret)
{
	int v = 0;

	if (**s < '0' || **s > '9') {
		return false;
	}
	for (; **s >= '0' && **s <= '9'; (*s)++) {
		v = v * 10 + (**s - '0');
		if (v > max) {
			return false;
		}
	}
	*ret = v;
	return true;
}

/* [+-]hh[:mm[:ss]] in seconds. */
static bool take_hms(const char **s, int64_t *ret)
{
	static const int64_t weight[] = { 3600, 60, 1 };
	bool negative = **s == '-';
	int64_t sum = 0;
	int v;

	if (**s == '-' || **s == '+') {
		(*s)++;
	}
	for (size_t i = 0; i < 3; i++) {
		if (i > 0 && **s != ':') {
			break;
		}
		*s += i > 0;
		if (!take_number(s, i == 0 ? 167 : 59, &v)) {
			return false;
		}
		sum += v * weight[i];
	}
	*ret = negative ? -sum : sum;
	return true;
}

static bool take_month_week_day(const char **s, struct change_rule *r)
{
	r->kind = 'M';
	if (!take_number(s, 12, &r->month) || r->month < 1 || *(*s)++ != '.') {
		return false;
	}
	if (!take_number(s, 5, &r->week) || r->week < 1 || *(*s)++ != '.') {
		return false;
	}
	return take_number(s, 6, &r->day);
}

static bool take_change(const char **s, struct change_rule *r)
{
	if (*(*s)++ != ',') {
		return false;
	}
	if (**s == 'M') {
		(*s)++;
		if (!take_month_week_day(s, r)) {
			return false;
		}
	} else {
		r->kind = **s == 'J' ? 'J' : 'N';
		*s += **s == 'J';
		if (!take_number(s, 365, &r->day)) {
			return false;
		}
	}
	r->time_s = 7200;
	if (**s == '/') {
		(*s)++;
		return take_hms(s, &r->time_s);
	}
	return true;
}

static bool parse_rule(const char *s, struct rule *r)
{
	if (!skip_name(&s) || !take_hms(&s, &r->std_s)) {
		return false;
	}
	r->std_s = -r->std_s; /* POSIX counts west of Greenwich */
	if (*s == '\0') {
		return true;
	}
	r->has_dst = true;
	r->dst_s = r->std_s + 3600;
	if (!skip_name(&s)) {
		return false;
	}
	if (*s != ',') {
		if (!take_hms(&s, &r->dst_s)) {
			return false;
		}
		r->dst_s = -r->dst_s;
	}
	return take_change(&s, &r->to_dst) && take_change(&s, &r->to_std) && *s == '\0';
}

static int64_t day_number(int year, int month, int day)
{
	struct civil c = { .year = year, .month = month, .day = day };

	return when_from_civil(&c).s / DAY;
}

/* Local time, in seconds since 1970, of the change in that year. */
static int64_t change_in_year(const struct change_rule *r, int year)
{
	bool leap = day_number(year, 3, 1) - day_number(year, 2, 1) == 29;
	int64_t day = day_number(year, 1, 1);

	if (r->kind == 'N') {
		day += r->day;
	} else if (r->kind == 'J') {
		day += r->day - 1 + (leap && r->day >= 60);
	} else {
		int64_t first = day_number(year, r->month, 1);
		int64_t next = r->month == 12 ? day_number(year + 1, 1, 1)
		                              : day_number(year, r->month + 1, 1);
		int64_t weekday = (first + 4) % 7;

		day = first + (r->day - weekday + 7) % 7 + (int64_t)(r->week - 1) * 7;
		/* Week 5 is the last one, which may be the fourth. */
		day -= day >= next ? 7 : 0;
	}
	return day * DAY + r->time_s;
}

static int64_t rule_offset(const struct rule *r, struct wall t)
{
	int year;
	int64_t on;
	int64_t off;
	bool dst;

	if (!r->has_dst) {
		return r->std_s;
	}
	year = when_civil((struct wall){ .s = t.s + r->std_s }).year;
	on = change_in_year(&r->to_dst, year) - r->std_s;
	off = change_in_year(&r->to_std, year) - r->dst_s;
	/* In the south summer spans the new year. */
	dst = on < off ? (t.s >= on && t.s < off) : (t.s >= on || t.s < off);
	return dst ? r->dst_s : r->std_s;
}

struct tzif_header {
	uint32_t isut, isstd, leap, times, types, chars;
};

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t be64(const uint8_t *p)
{
	return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

static bool take_header(struct bytes *f, struct tzif_header *h)
{
	const uint8_t *p = f->p;

	if (f->n < 44 || memcmp(p, "TZif", 4) != 0 || p[4] < '2') {
		return false;
	}
	*h = (struct tzif_header){ be32(p + 20), be32(p + 24), be32(p + 28),
		                   be32(p + 32), be32(p + 36), be32(p + 40) };
	*f = bytes_of(p + 44, f->n - 44);
	/* Small enough that no sum below overflows. */
	return h->isut < FILE_LIMIT && h->isstd < FILE_LIMIT && h->leap < FILE_LIMIT &&
	       h->times < FILE_LIMIT && h->types < FILE_LIMIT && h->chars < FILE_LIMIT;
}

static size_t block_size(const struct tzif_header *h, size_t time_size)
{
	return h->times * time_size + h->times + (size_t)h->types * 6 + h->chars +
	       h->leap * (time_size + 4) + h->isstd + h->isut;
}

static bool read_changes(struct tz *tz, const uint8_t *p, const struct tzif_header *h)
{
	const uint8_t *index = p + (size_t)h->times * 8;
	const uint8_t *types = index + h->times;

	tz->changes = calloc(h->times == 0 ? 1 : h->times, sizeof(*tz->changes));
	if (tz->changes == NULL) {
		return false;
	}
	tz->n = h->times;
	tz->first_offset = (int32_t)be32(types);
	for (size_t i = 0; i < tz->n; i++) {
		if (index[i] >= h->types) {
			return false;
		}
		tz->changes[i].at = be64(p + i * 8);
		tz->changes[i].offset = (int32_t)be32(types + (size_t)index[i] * 6);
		if (i > 0 && tz->changes[i].at <= tz->changes[i - 1].at) {
			return false;
		}
	}
	return true;
}

/* What follows the data: newline, rule, newline. An empty rule is allowed. */
static bool read_footer(struct tz *tz, struct bytes f)
{
	char text[128];

	if (f.n < 2 || f.n > sizeof(text) || f.p[0] != '\n' || f.p[f.n - 1] != '\n') {
		return false;
	}
	memcpy(text, f.p + 1, f.n - 2);
	text[f.n - 2] = '\0';
	tz->has_rule = text[0] != '\0';
	return !tz->has_rule || parse_rule(text, &tz->rule);
}

static bool parse_file(struct tz *tz, struct bytes f)
{
	struct tzif_header h;
	size_t size;

	if (f.n > FILE_LIMIT || !take_header(&f, &h)) {
		return false;
	}
	size = block_size(&h, 4);
	if (size > f.n) {
		return false;
	}
	f = bytes_of(f.p + size, f.n - size);
	if (!take_header(&f, &h) || h.types == 0) {
		return false;
	}
	size = block_size(&h, 8);
	return size <= f.n && read_changes(tz, f.p, &h) &&
	       read_footer(tz, bytes_of(f.p + size, f.n - size));
}

struct tz *tz_parse(struct bytes file)
{
	struct tz *tz = calloc(1, sizeof(*tz));

	if (tz != NULL && !parse_file(tz, file)) {
		tz_free(tz);
		return NULL;
	}
	return tz;
}

void tz_free(struct tz *tz)
{
	if (tz != NULL) {
		free(tz->changes);
		free(tz);
	}
}

int64_t tz_offset(const struct tz *tz, struct wall t)
{
	size_t low = 0;
	size_t high = tz->n;

	if (tz->has_rule && (tz->n == 0 || t.s >= tz->changes[tz->n - 1].at)) {
		return rule_offset(&tz->rule, t);
	}
	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (tz->changes[mid].at <= t.s) {
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	return low == 0 ? tz->first_offset : tz->changes[low - 1].offset;
}

struct wall tz_from_local(const struct tz *tz, int64_t local_s)
{
	/* No zone is further than a day from UTC: the answer lies between the two, and with at
	 * most one change in that stretch only these two offsets can apply. */
	int64_t before = tz_offset(tz, (struct wall){ .s = local_s - DAY });
	int64_t after = tz_offset(tz, (struct wall){ .s = local_s + DAY });
	int64_t early = local_s - (before > after ? before : after);
	int64_t late = local_s - (before > after ? after : before);

	if (early + tz_offset(tz, (struct wall){ .s = early }) == local_s) {
		return (struct wall){ .s = early };
	}
	if (late + tz_offset(tz, (struct wall){ .s = late }) == local_s) {
		return (struct wall){ .s = late };
	}
	/* Skipped: find the jump, which lies between the two. */
	while (late - early > 1) {
		int64_t mid = early + (late - early) / 2;

		if (tz_offset(tz, (struct wall){ .s = mid }) == after) {
			late = mid;
		} else {
			early = mid;
		}
	}
	return (struct wall){ .s = late };
}

static struct tz utc;
static pthread_mutex_t cache_lock = PTHREAD_MUTEX_INITIALIZER;
static struct cached {
	char *name;
	struct tz *tz; /* NULL: looked for and not found */
} cache[CACHE_MAX];
static size_t cache_n;

static bool is_zone_name(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789_+-/";
	size_t n = strlen(name);

	/* Without a dot there is no way out of the directory. */
	return n < 64 && name[0] != '/' && strspn(name, allowed) == n;
}

static struct tz *load(const char *name)
{
	CLEANUP(cleanup_free) char *path = str_printf(ZONE_DIR "%s", name);
	CLEANUP(buf_release) struct buf file = { .limit = FILE_LIMIT };

	if (path == NULL || fs_read(path, FILE_LIMIT, &file, /* err= */ NULL) != ERR_OK) {
		return NULL;
	}
	return tz_parse(buf_view(&file));
}

static const struct tz *find_cached(const char *name)
{
	char *copy;

	for (size_t i = 0; i < cache_n; i++) {
		if (strcmp(cache[i].name, name) == 0) {
			return cache[i].tz;
		}
	}
	copy = cache_n < CACHE_MAX ? str_dup(name) : NULL;
	if (copy == NULL) {
		return NULL;
	}
	cache[cache_n] = (struct cached){ .name = copy, .tz = load(name) };
	return cache[cache_n++].tz;
}

const struct tz *tz_find(const char *name)
{
	const struct tz *tz;

	if (name == NULL || name[0] == '\0' || strcmp(name, "UTC") == 0 ||
	    strcmp(name, "Etc/UTC") == 0) {
		return &utc;
	}
	if (!is_zone_name(name) || pthread_mutex_lock(&cache_lock) != 0) {
		return NULL;
	}
	tz = find_cached(name);
	(void)pthread_mutex_unlock(&cache_lock);
	return tz;
}
