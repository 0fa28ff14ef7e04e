/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * discovering.c - one scan at a time, each batch written to the state before the next begins. What
 * is known of the scan under way stays in memory between batches: read anew from the state it would
 * cost more with each.
 */
#include "reconciler/engine/discovering.h"

#include <stdlib.h>
#include <string.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"
#include "reconciler/engine/looking.h"
#include "state/probe/probe.h"
#include "state/scans.h"

#define TIMEOUT_MS   5000
#define PARALLEL_MAX 1000
#define SCAN_MAX     ((size_t)1 << 30)
#define BUNDLE_MAX   ((size_t)16 << 20)
#define FOR_EVER     INT64_C(253402300799) /* year 9999 */

static const char system_bundle[] = "/etc/ssl/certs/ca-certificates.crt";

struct discovering {
	struct wall since;
	char *name; /* of the scan under way, or of the last */
	bool under_way;
	struct arena arena; /* of the scan under way */
	struct seen_certs certs;
	struct discovery d;
	uint8_t tree_digest[32]; /* of the model that it was begun for */
};

struct discovering *discovering_new(struct wall since)
{
	struct discovering *x = calloc(1, sizeof(*x));

	if (x != NULL) {
		x->since = since;
	}
	return x;
}

static void let_go(struct discovering *x)
{
	if (x->under_way) {
		seen_certs_release(&x->certs);
		arena_release(&x->arena);
		x->under_way = false;
	}
}

void discovering_free(struct discovering *x)
{
	if (x != NULL) {
		let_go(x);
		free(x->name);
		free(x);
	}
}

enum err_code discovering_places(const struct discovery_def *def, struct discovery *d,
                                 struct err *err)
{
	enum err_code rc = discovery_places(def, d->arena, &d->places, &d->n_places, err);

	return rc == ERR_OK ? ERR_OK : err_wrap(err, "Discovery %s", def->o.name);
}

/* When it is due next; 0: never. A scan that was begun does not wait for its hour. */
static enum err_code due_at(const struct discovering *x, struct store *s,
                            const struct discovery_def *def, struct wall *ret, struct err *err)
{
	struct scan_times open = { .begun = { 0 } };
	struct scan_times last = { .begun = { 0 } };
	enum err_code rc = store_scan_times(s, def->o.name, SCAN_OPEN, &open, err);

	*ret = (struct wall){ 0 };
	if (rc == ERR_OK) {
		rc = store_scan_times(s, def->o.name, SCAN_LAST, &last, err);
	}
	if (rc != ERR_OK || def->o.suspend || def->schedule == NULL) {
		return rc;
	}
	if (open.begun.s != 0) {
		*ret = open.begun;
		return ERR_OK;
	}
	struct wall from = last.begun.s == 0 ? x->since : (struct wall){ last.begun.s + 60 };
	if (from.s == 0) {
		*ret = (struct wall){ 1 };
		return ERR_OK;
	}
	from = from.s < x->since.s ? x->since : from;
	(void)window_next_open(&def->schedule->window, from, (struct wall){ FOR_EVER }, ret);
	return ERR_OK;
}

/* The one that is due for the longest time; NULL: none is, and *ret_next says when. */
static enum err_code choose(const struct discovering *x, struct engine *e,
                            const struct discovery_def **ret, struct wall *ret_next,
                            struct err *err)
{
	const struct desired *d = e->desired;
	struct wall now = e->clock->wall(e->clock);
	const struct discovery_def *first = NULL;
	struct wall when = { 0 };
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < d->n_discoveries; i++) {
		struct wall due;

		rc = due_at(x, e->store, d->discoveries[i], &due, err);
		if (rc == ERR_OK && due.s != 0 && (when.s == 0 || due.s < when.s)) {
			first = d->discoveries[i];
			when = due;
		}
	}
	*ret = when.s != 0 && when.s <= now.s ? first : NULL;
	*ret_next = *ret == NULL ? when : (struct wall){ 0 };
	return rc;
}

static enum err_code take_up(struct discovering *x, struct engine *e, struct err *err)
{
	CLEANUP(buf_release) struct buf text = { 0 };

	buf_init(&text, SCAN_MAX);
	enum err_code rc = store_scan_read(e->store, x->name, SCAN_OPEN, &text, err);
	return rc == ERR_OK ? discover_resume(&x->d, buf_view(&text), err) : rc;
}

/* What was begun for other ranges, or cannot be read any more, is begun anew. */
static enum err_code open_scan(struct discovering *x, struct engine *e,
                               const struct discovery_def *def, bool *ret_begins, struct err *err)
{
	struct err why = { 0 };

	char *name = strdup(def->o.name);

	if (name == NULL) {
		return err_nomem(err);
	}
	free(x->name);
	x->name = name;
	memcpy(x->tree_digest, e->desired->tree_digest, sizeof(x->tree_digest));
	arena_init(&x->arena);
	seen_certs_init(&x->certs, &x->arena);
	x->under_way = true;
	x->d = (struct discovery){ .arena = &x->arena, .certs = &x->certs };
	enum err_code rc = discovering_places(def, &x->d, err);
	if (rc != ERR_OK) {
		return rc;
	}
	size_t n = x->d.n_places;
	const struct place *places = x->d.places;
	rc = take_up(x, e, &why);
	*ret_begins = rc != ERR_OK;
	if (rc == ERR_OK || rc == ERR_NOMEM) {
		return rc == ERR_OK ? ERR_OK : err_nomem(err);
	}
	x->d = (struct discovery){
		.arena = &x->arena, .certs = &x->certs, .places = places, .n_places = n
	};
	return store_scan_begin(e->store, x->name, err);
}

struct keeping {
	struct discovering *x;
	struct engine *e;
};

static enum err_code keep_batch(struct discover_scan *s, const struct discovery *d, size_t from,
                                struct err *err)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	const struct keeping *k = s->arg;

	buf_init(&text, SCAN_MAX);
	discover_record(d, from, &text);
	enum err_code rc = buf_check(&text, "the scan", err);
	return rc == ERR_OK ? store_scan_add(k->e->store, k->x->name, buf_view(&text), err) : rc;
}

static enum err_code one_batch(struct discovering *x, struct engine *e,
                               const struct discovery_def *def, struct err *err)
{
	CLEANUP(discover_fence_release) struct discover_fence fence = { 0 };
	struct keeping keeping = { .x = x, .e = e };
	int parallel = def->rate * (TIMEOUT_MS / 1000);
	const struct probe_options probing = { .timeout_ms = TIMEOUT_MS,
		                               .parallel = parallel > PARALLEL_MAX ? PARALLEL_MAX
		                                                                   : parallel,
		                               .rate = def->rate,
		                               .fence = &fence.base };
	struct discover_scan s = { .clock = e->clock,
		                   .guess = true,
		                   .most = discover_batch(def->rate),
		                   .after = keep_batch,
		                   .arg = &keeping };
	enum err_code rc = discover_fence_init(&fence, def->exclude_words, def->exclude.n, err);

	if (rc == ERR_OK) {
		rc = prober_tls_open(&probing, &s.prober, err);
	}
	if (rc == ERR_OK) {
		rc = discover_run(&s, &x->d, err);
	}
	prober_tls_close(s.prober);
	return rc;
}

static void count(const struct discovery *d, struct scan_tally *ret)
{
	ret->places = d->n_places;
	for (size_t i = 0; i < d->found.n; i++) {
		const struct found *f = &d->found.v[i];

		if (f->status == ENDPOINT_OK) {
			ret->certificates++;
			ret->unhealthy += judged_healthy(&f->judgement) ? 0 : 1;
		}
		ret->fresh += f->change == FOUND_NEW ? 1 : 0;
		ret->changed += f->change == FOUND_CHANGED ? 1 : 0;
	}
	ret->gone = d->n_gone;
}

static enum err_code compare_with(struct store *s, const char *name, enum scan_which which,
                                  struct discovery *d, struct err *err)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	struct discovery *before = ARENA_NEW(d->arena, struct discovery);
	struct scan_times times = { .begun = { 0 } };

	if (before == NULL) {
		return err_nomem(err);
	}
	*before = (struct discovery){ .arena = d->arena, .certs = d->certs };
	enum err_code rc = store_scan_times(s, name, which, &times, err);
	if (rc != ERR_OK || times.begun.s == 0) {
		return rc;
	}
	buf_init(&text, SCAN_MAX);
	rc = store_scan_read(s, name, which, &text, err);
	if (rc == ERR_OK) {
		rc = discover_resume(before, buf_view(&text), err);
	}
	return rc == ERR_OK ? discover_compare(d, before, times.begun, err) : rc;
}

static enum err_code end_scan(struct discovering *x, struct engine *e, struct discovering_news *ret,
                              struct err *err)
{
	/* compared before it becomes the last itself */
	enum err_code rc = compare_with(e->store, x->name, SCAN_LAST, &x->d, err);

	if (rc == ERR_OK) {
		rc = store_scan_end(e->store, x->name, err);
	}
	count(&x->d, &ret->tally);
	ret->ends = rc == ERR_OK;
	return rc;
}

static enum err_code forget_others(struct engine *e, struct err *err)
{
	CLEANUP(arena_release) struct arena arena;
	const struct desired *d = e->desired;

	arena_init(&arena);
	const char **names = ARENA_ARRAY(&arena, const char *, d->n_discoveries + 1);
	for (size_t i = 0; names != NULL && i < d->n_discoveries; i++) {
		names[i] = d->discoveries[i]->o.name;
	}
	return names == NULL ? err_nomem(err)
	                     : store_scans_keep(e->store, names, d->n_discoveries, err);
}

/* The Discovery whose scan is under way, if it is still what it was begun for. */
static const struct discovery_def *going_on(const struct discovering *x, const struct desired *d)
{
	bool same = memcmp(x->tree_digest, d->tree_digest, sizeof(x->tree_digest)) == 0;

	return x->under_way && same ? desired_discovery(d, x->name) : NULL;
}

enum err_code discovering_step(struct discovering *x, struct engine *e,
                               struct discovering_news *ret, struct err *err)
{
	const struct discovery_def *def = going_on(x, e->desired);
	enum err_code rc = ERR_OK;

	*ret = (struct discovering_news){ .begins = false };
	if (def == NULL) {
		let_go(x);
		rc = forget_others(e, err);
		if (rc == ERR_OK) {
			rc = choose(x, e, &def, &ret->next, err);
		}
		if (rc == ERR_OK && def != NULL) {
			rc = open_scan(x, e, def, &ret->begins, err);
		}
	}
	if (rc != ERR_OK || def == NULL) {
		let_go(x);
		return rc;
	}
	ret->tally.name = x->name;
	rc = one_batch(x, e, def, err);
	if (rc == ERR_OK && x->d.done == x->d.n_places) {
		rc = end_scan(x, e, ret, err);
	}
	if (rc != ERR_OK || ret->ends) {
		let_go(x);
	}
	return rc;
}

enum err_code discovering_recorded(struct store *s, const char *name, struct discovery *d,
                                   struct wall *ret_begun, struct err *err)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	struct scan_times times = { .begun = { 0 } };

	buf_init(&text, SCAN_MAX);
	enum err_code rc = store_scan_read(s, name, SCAN_LAST, &text, err);
	if (rc == ERR_OK) {
		rc = store_scan_times(s, name, SCAN_LAST, &times, err);
	}
	if (rc == ERR_OK) {
		rc = discover_resume(d, buf_view(&text), err);
	}
	if (rc == ERR_OK) {
		rc = compare_with(s, name, SCAN_BEFORE, d, err);
	}
	*ret_begun = times.begun;
	return rc;
}

static enum err_code system_anchors(struct arena *arena, const struct cert *const **ret,
                                    size_t *ret_n, struct err *err)
{
	CLEANUP(buf_release) struct buf pem = { 0 };
	const struct cert **v = NULL;

	buf_init(&pem, BUNDLE_MAX);
	enum err_code rc = fs_read(system_bundle, BUNDLE_MAX, &pem, err);
	if (rc == ERR_OK) {
		rc = cert_parse_bundle(buf_view(&pem), arena, &v, ret_n, err);
	} else if (rc == ERR_NOT_FOUND) {
		err_clear(err);
		*ret_n = 0;
		rc = ERR_OK;
	}
	*ret = v;
	return rc;
}

static enum err_code parse_all(const struct seen_cert *const *from, size_t n, struct arena *arena,
                               const struct cert *const **ret, size_t *ret_n, struct err *err)
{
	const struct cert **v = ARENA_ARRAY(arena, const struct cert *, n + 1);
	size_t kept = 0;

	for (size_t i = 0; v != NULL && i < n; i++) {
		const struct seen_cert *c = from[i];
		struct bytes der = arena_bytes(arena, seen_cert_der(c));

		if (cert_parse(der, arena, &v[kept], /* err= */ NULL) == ERR_OK) {
			kept++;
		}
	}
	*ret = v;
	*ret_n = kept;
	return v == NULL || arena_failed(arena) ? err_nomem(err) : ERR_OK;
}

enum err_code discovering_anchors(struct engine *e, const struct discovery_def *def,
                                  struct arena *arena, const struct cert *const **ret,
                                  size_t *ret_n, struct err *err)
{
	CLEANUP(pass_release) struct pass p = { 0 };
	const struct seen_cert *const *anchors = NULL;
	size_t n = 0;

	if (def->ca_set.s == NULL) {
		return system_anchors(arena, ret, ret_n, err);
	}
	enum err_code rc = pass_begin(e, &p, /* look= */ true, err);
	if (rc == ERR_OK) {
		rc = ca_set_anchors(e->desired, p.memory, desired_ca_set(e->desired, def->ca_set.s),
		                    &p.arena, &anchors, &n, err);
	}
	return rc == ERR_OK ? parse_all(anchors, n, arena, ret, ret_n, err) : rc;
}

enum err_code discovering_tally(struct engine *e, const struct discovery_def *def,
                                struct scan_tally *ret, struct err *err)
{
	CLEANUP(arena_release) struct arena arena;
	struct seen_certs certs;
	struct discovery d = { .arena = &arena, .certs = &certs };
	struct judge_by by = { .purpose = CHAIN_SERVER, .now = e->clock->wall(e->clock) };

	arena_init(&arena);
	seen_certs_init(&certs, &arena);
	*ret = (struct scan_tally){ .name = def->o.name };
	enum err_code rc = discovering_recorded(e->store, def->o.name, &d, &ret->begun, err);
	if (rc == ERR_OK) {
		rc = discovering_anchors(e, def, &arena, &by.anchors, &by.n_anchors, err);
	}
	if (rc == ERR_OK) {
		discover_judge(&d, &by);
		count(&d, ret);
	}
	seen_certs_release(&certs);
	return rc;
}
