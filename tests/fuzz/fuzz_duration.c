/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_duration.c - everything of when.h that reads text, and timezone files.
 *
 * What is accepted must survive being written and read again.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "reconciler/base/tz.h"
#include "reconciler/base/when.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void durations(const char *text)
{
	char again[WHEN_TEXT_MAX * 2];
	int64_t s;
	int64_t t = -1;

	if (duration_parse(text, &s)) {
		duration_format(s, again, sizeof(again));
		assert(duration_parse(again, &t) && s == t);
	}
}

static void moments(const char *text)
{
	struct wall t;
	struct wall u = { 0 };
	char again[WHEN_TEXT_MAX];

	if (when_parse(text, &t) && when_civil(t).year >= 0 && when_civil(t).year <= 9999) {
		when_format(t, again);
		assert(when_parse(again, &u) && u.s == t.s);
	}
}

static void windows(const char *text)
{
	struct window w = { .duration_s = 3600, .timezone = "Europe/Berlin" };
	struct wall from = { .s = 1774656000 };
	struct wall until = { .s = from.s + 30 * 86400 };
	struct wall t;

	if (window_parse_cron(text, &w, /* err= */ NULL) == ERR_OK &&
	    window_next_open(&w, from, until, &t)) {
		assert(t.s >= from.s && t.s <= until.s && window_is_open(&w, t));
	}
}

static void zones(struct bytes file)
{
	struct tz *tz = tz_parse(file);

	if (tz != NULL) {
		struct wall t = tz_from_local(tz, 1774656000);

		(void)tz_offset(tz, t);
		(void)tz_offset(tz, (struct wall){ .s = INT64_C(1) << 33 });
		tz_free(tz);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (text != NULL) {
		if (size > 0) {
			memcpy(text, data, size);
		}
		text[size] = '\0';
		durations(text);
		moments(text);
		windows(text);
		free(text);
	}
	zones(bytes_of(data, size));
	return 0;
}
