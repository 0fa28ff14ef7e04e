/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * report.h - the daily report: what needs attention, what expires when, what was done.
 *
 * Pure: from a plan over the last look and the newest entries of the journal.
 */
#pragma once

#include "reconciler/engine/discovering.h"
#include "reconciler/engine/plan.h"
#include "state/store.h"

#define REPORT_WEEKS    13
#define REPORT_EXPIRING 20
#define REPORT_DAY_S    ((int64_t)86400)

struct report_tally {
	size_t all, healthy, unhealthy, unknown;
};
struct report {
	const struct plan *plan;
	struct wall now;
	struct report_tally certificates, targets;
	const struct verdict *const *attention; /* unhealthy; least time left first */
	size_t n_attention;
	const struct verdict *const *expiring; /* Certificates, next to expire first */
	size_t n_expiring;                     /* at most REPORT_EXPIRING */
	size_t expired, weeks[REPORT_WEEKS], later;
	const struct journal_entry *events; /* of the last day, newest first */
	size_t n_events, done, failed;
	const struct scan_tally *scans; /* the last of each Discovery; set by the caller */
	size_t n_scans;
};

/* Is that a verdict that nobody needs to look after? */
bool verdict_healthy(const struct verdict *v);
/* "Certificate/web", "Target/kms@kms1", appended; foreign text as it is. */
void verdict_object(const struct verdict *v, struct buf *out);

/* `recent`: newest first, at least a day of it. Borrows from plan and entries. */
enum err_code report_build(const struct plan *plan, struct wall now,
                           const struct journal_entry *recent, size_t n_recent, struct arena *arena,
                           struct report *ret, struct err *err);

void report_render_text(const struct report *r, struct buf *out);
void report_render_json(const struct report *r, struct buf *out);
/* One self-contained page: no script, nothing loaded from elsewhere. */
void report_render_html(const struct report *r, struct buf *out);
