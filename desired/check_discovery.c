/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check_discovery.c - ranges, ports and exclusions of a Discovery, as words for places.h. All of it
 * is expanded once here, so that what a scan would stumble over at night is said when it is
 * committed.
 */
#include <string.h>

#include "desired/exclusions.h"
#include "desired/loader.h"
#include "desired/places.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/names.h"

struct words {
	const char **v;
	size_t n, cap;
};

static void add_word(struct loader *l, struct words *list, const char *word)
{
	const char **slot = ARENA_PUSH(l->arena, list);

	if (slot != NULL) {
		*slot = word;
	}
}

/* One a line; '#' begins a comment. */
static void add_file(struct loader *l, const struct object *o, const struct text *name,
                     struct words *ret)
{
	struct err err = { 0 };
	struct bytes data;
	char text[512];

	if (loader_read(l, name->s + 1, &data, &err) != ERR_OK) {
		err_format(&err, text, sizeof(text));
		loader_report_at(l, o, name->pos, /* hint= */ NULL, "ranges: %s", text);
		return;
	}
	char *rest = arena_strn(l->arena, (const char *)data.p, data.n);
	char *word;
	while (rest != NULL && (word = strsep(&rest, "\r\n")) != NULL) {
		word[strcspn(word, "# \t")] = '\0';
		if (word[0] != '\0') {
			add_word(l, ret, word);
		}
	}
}

static const char *hint_of(struct loader *l, const struct err *err)
{
	return err->hint[0] == '\0' ? NULL : arena_str(l->arena, err->hint);
}

static const char *const *words_of(struct loader *l, const struct texts *from)
{
	struct words w = { .v = NULL };

	for (size_t i = 0; i < from->n; i++) {
		add_word(l, &w, from->v[i].s);
	}
	return w.v;
}

/* Word by word, so that the one that is wrong is the one pointed at. */
static bool check_word(struct loader *l, const struct discovery_def *d, struct pos pos,
                       const char *range, const char *port)
{
	const struct place_spec spec = {
		.ranges = &range, .n_ranges = 1, .ports = &port, .n_ports = 1
	};
	CLEANUP(arena_release) struct arena scratch;
	const struct place *places = NULL;
	struct err err = { 0 };
	size_t n = 0;

	arena_init(&scratch);
	if (places_expand(&spec, &scratch, &places, &n, &err) != ERR_OK) {
		loader_report_at(l, &d->o, pos, hint_of(l, &err), "%s", err.msg);
		return false;
	}
	return loader_spend(l, n);
}

static void check_all(struct loader *l, const struct discovery_def *d)
{
	CLEANUP(arena_release) struct arena scratch;
	const struct place *places = NULL;
	struct err err = { 0 };
	size_t n = 0;

	arena_init(&scratch);
	if (discovery_places(d, &scratch, &places, &n, &err) != ERR_OK) {
		loader_report(l, &d->o, "ranges", hint_of(l, &err), "ranges: %s", err.msg);
	}
}

static void check_ports(struct loader *l, const struct discovery_def *d)
{
	for (size_t i = 0; i < d->ports.n; i++) {
		(void)check_word(l, d, d->ports.v[i].pos, "127.0.0.1", d->ports.v[i].s);
	}
}

static void check_exclusions(struct loader *l, const struct discovery_def *d)
{
	CLEANUP(arena_release) struct arena scratch;
	CLEANUP(exclusions_release) struct exclusions x;
	struct err err = { 0 };

	arena_init(&scratch);
	exclusions_init(&x);
	for (size_t i = 0; i < d->exclude.n; i++) {
		err_clear(&err);
		if (exclusions_add(&x, d->exclude.v[i].s, &scratch, &err) != ERR_OK) {
			loader_report_at(l, &d->o, d->exclude.v[i].pos, hint_of(l, &err), "%s",
			                 err.msg);
		}
	}
}

void discovery_check(struct loader *l, struct object *o)
{
	struct discovery_def *d = (struct discovery_def *)(void *)o;
	struct words ranges = { .v = NULL };
	size_t before = l->diags.n;

	d->port_words = words_of(l, &d->ports);
	d->exclude_words = words_of(l, &d->exclude);
	check_ports(l, d);
	check_exclusions(l, d);
	for (size_t i = 0; i < d->ranges.n; i++) {
		const struct text *range = &d->ranges.v[i];
		size_t from = ranges.n;

		if (range->s[0] == '@') {
			add_file(l, o, range, &ranges);
		} else {
			add_word(l, &ranges, range->s);
		}
		for (size_t k = from; k < ranges.n; k++) {
			(void)check_word(l, d, range->pos, ranges.v[k], "443");
		}
	}
	d->range_words = ranges.v;
	d->n_range_words = ranges.n;
	if (l->diags.n == before && d->ranges.n > 0) {
		check_all(l, d);
	}
}
