/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * report.c - counting and sorting; the words are in report_text.c and report_html.c.
 */
#include "reconciler/engine/report.h"

#include <stdlib.h>
#include <string.h>

#include "reconciler/base/str.h"

#define WEEK_S (7 * REPORT_DAY_S)

bool verdict_healthy(const struct verdict *v)
{
	return str_equal(v->word, "InSync") || str_equal(v->word, "Unverified");
}

void verdict_object(const struct verdict *v, struct buf *out)
{
	bool at = v->host != NULL && strchr(v->name, '@') == NULL;

	buf_printf(out, "%s/%s%s%s%s%s", kind_name(v->object_kind), v->name, at ? "@" : "",
	           at ? v->host : "", v->place == NULL ? "" : " ",
	           v->place == NULL ? "" : v->place);
}

static int by_place(const struct verdict *a, const struct verdict *b)
{
	int c = a->object_kind < b->object_kind ? -1 : a->object_kind > b->object_kind;

	c = c != 0 ? c : strcmp(a->name, b->name);
	c = c != 0 || a->host == NULL || b->host == NULL ? c : strcmp(a->host, b->host);
	return c != 0 || a->place == NULL || b->place == NULL ? c : strcmp(a->place, b->place);
}

static int by_margin(const void *pa, const void *pb)
{
	const struct verdict *a = *(const struct verdict *const *)pa;
	const struct verdict *b = *(const struct verdict *const *)pb;

	return a->margin_s != b->margin_s ? (a->margin_s < b->margin_s ? -1 : 1) : by_place(a, b);
}

static int by_end(const void *pa, const void *pb)
{
	const struct verdict *a = *(const struct verdict *const *)pa;
	const struct verdict *b = *(const struct verdict *const *)pb;

	return a->not_after.s != b->not_after.s ? (a->not_after.s < b->not_after.s ? -1 : 1)
	                                        : by_place(a, b);
}

static void tally(struct report_tally *t, const struct verdict *v)
{
	t->all++;
	if (verdict_healthy(v)) {
		t->healthy++;
	} else if (str_equal(v->word, "Unknown")) {
		t->unknown++;
	} else {
		t->unhealthy++;
	}
}

static void into_week(struct report *r, const struct verdict *v)
{
	int64_t left = v->not_after.s - r->now.s;

	if (left < 0) {
		r->expired++;
	} else if (left / WEEK_S < REPORT_WEEKS) {
		r->weeks[left / WEEK_S]++;
	} else {
		r->later++;
	}
}

static void count_events(struct report *r, const struct journal_entry *recent, size_t n)
{
	r->events = recent;
	while (r->n_events < n && recent[r->n_events].at.s > r->now.s - REPORT_DAY_S) {
		const struct journal_entry *e = &recent[r->n_events++];

		if (e->done && e->outcome == ERR_OK) {
			r->done++;
		} else if (e->done) {
			r->failed++;
		}
	}
}

struct lists {
	const struct verdict **attention, **expiring;
};

/* Where there are parts, they are what is to be looked after and what expires. */
static void into_lists(struct report *r, const struct lists *l, const struct verdict *v)
{
	if (!verdict_healthy(v) && (v->parts == NULL || !v->parts->told)) {
		l->attention[r->n_attention++] = v;
	}
	if (v->object_kind == KIND_CERTIFICATE && v->not_after.s != 0 &&
	    (v->parts == NULL || !v->parts->whole)) {
		into_week(r, v);
		l->expiring[r->n_expiring++] = v;
	}
}

static size_t count_rows(const struct plan *plan)
{
	size_t n = plan->n_verdicts;

	for (size_t i = 0; i < plan->n_verdicts; i++) {
		n += plan->verdicts[i].parts == NULL ? 0 : plan->verdicts[i].parts->n;
	}
	return n;
}

enum err_code report_build(const struct plan *plan, struct wall now,
                           const struct journal_entry *recent, size_t n_recent, struct arena *arena,
                           struct report *ret, struct err *err)
{
	struct report r = { .plan = plan, .now = now };
	size_t rows = count_rows(plan);
	const struct verdict **attention = ARENA_ARRAY(arena, const struct verdict *, rows + 1);
	const struct verdict **expiring = ARENA_ARRAY(arena, const struct verdict *, rows + 1);
	const struct lists lists = { .attention = attention, .expiring = expiring };

	if (attention == NULL || expiring == NULL) {
		return err_nomem(err);
	}
	for (size_t i = 0; i < plan->n_verdicts; i++) {
		const struct verdict *v = &plan->verdicts[i];

		tally(v->object_kind == KIND_CERTIFICATE ? &r.certificates : &r.targets, v);
		into_lists(&r, &lists, v);
		for (size_t k = 0; v->parts != NULL && k < v->parts->n; k++) {
			into_lists(&r, &lists, &v->parts->v[k]);
		}
	}
	qsort(attention, r.n_attention, sizeof(struct verdict *), by_margin);
	qsort(expiring, r.n_expiring, sizeof(struct verdict *), by_end);
	r.attention = attention;
	r.expiring = expiring;
	r.n_expiring = r.n_expiring > REPORT_EXPIRING ? REPORT_EXPIRING : r.n_expiring;
	count_events(&r, recent, n_recent);
	*ret = r;
	return ERR_OK;
}
