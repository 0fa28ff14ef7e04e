/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * discovering.h - the scans of the model's Discoveries: when they are due, a batch at a time, kept
 * in the state as they go.
 *
 * What a scan finds never changes anything: it is reported, and turned into YAML by whoever asks.
 * A scan that is interrupted goes on where it was. An opening that was slept through is not made up
 * for: somebody chose the hour.
 */
#pragma once

#include "reconciler/engine/discover.h"
#include "reconciler/engine/engine.h"

struct discovering;

/* `since`: openings before it do not count; zero: a Discovery never scanned is due at once. NULL:
 * no memory. */
struct discovering *discovering_new(struct wall since);
void discovering_free(struct discovering *x); /* accepts NULL */

struct scan_tally {
	const char *name; /* of the Discovery */
	struct wall begun;
	size_t places, certificates, unhealthy, fresh, changed, gone;
};
struct discovering_news {
	struct scan_tally tally; /* name NULL: nothing was due; the counts are there when it ends;
	                            nothing is judged */
	bool begins, ends;       /* with this step */
	struct wall next; /* when something is due; 0: never. Not while a scan is under way. */
};
/* One batch of the scan under way, or of the first that is due. `ret->tally.name` lives until the
 * next step. */
enum err_code discovering_step(struct discovering *x, struct engine *e,
                               struct discovering_news *ret, struct err *err);

/* The last scan that ended, compared with the one before where there is one; when it was in
 * *ret_times. `d` is empty but for arena and certs. ERR_NOT_FOUND: none has ended. */
enum err_code discovering_recorded(struct store *s, const char *name, struct discovery *d,
                                   struct wall *ret_begun, struct err *err);
/* The last scan of the Discovery, judged. ERR_NOT_FOUND: none has ended. */
enum err_code discovering_tally(struct engine *e, const struct discovery_def *def,
                                struct scan_tally *ret, struct err *err);
/* The ranges of a Discovery as places. */
enum err_code discovering_places(const struct discovery_def *def, struct discovery *d,
                                 struct err *err);
/* What judges the finds of a Discovery: its CASet as of the state and the commit, else the system's
 * anchors. Arena. */
enum err_code discovering_anchors(struct engine *e, const struct discovery_def *def,
                                  struct arena *arena, const struct cert *const **ret,
                                  size_t *ret_n, struct err *err);
