/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_files.c - the files of monitors: every certificate in them is judged, and nothing is ever
 * planned for them.
 *
 * A key entry stands for its chain, as a server would present it. All others stand for themselves:
 * a trust store or a bundle is a heap, in which the neighbours of a certificate are nobody's chain,
 * and are asked only for the way up to an anchor.
 */
#include "reconciler/engine/planner.h"
#include "reconciler/engine/report.h"
#include "reconciler/engine/want_build.h"

/* One certificate of a file. */
struct item {
	const struct seen_cert *cert;
	const struct cert *parsed; /* NULL: that failed */
	const struct obs_entry *entry;
	size_t at; /* in the entry's chain */
};

struct files {
	struct planner *p;
	struct id_plan *ip;
	const struct monitor_spec *monitor;
	struct map judged; /* paths of this identity */
	struct {
		struct verdict *v;
		size_t n, cap;
	} parts;
	size_t n_files, n_certs, n_unhealthy;
	const char *word, *message; /* the first trouble */
	/* of the file in hand */
	struct {
		struct item *v;
		size_t n, cap;
	} items;
	struct arena scratch;
};

static void found(struct files *f, const char *place, const struct seen_cert *cert,
                  const char *word, const char *text)
{
	struct planner *p = f->p;
	const char *message = text[0] == '\0' ? place : say(p, "%s: %s", place, text);
	struct verdict v = { .object_kind = KIND_CERTIFICATE,
		             .row = "A1",
		             .name = f->ip->id->name,
		             .word = word,
		             .message = text[0] == '\0' ? NULL : text,
		             .margin_s = INT64_MAX,
		             .place = place };

	if (cert != NULL) {
		v.not_after = cert->not_after;
		v.sha256 = cert->sha256;
	}
	struct verdict *slot = p->in->no_verdicts ? NULL : ARENA_PUSH(p->a, &f->parts);
	if (slot != NULL) {
		*slot = v;
	}
	if (verdict_healthy(&v)) {
		return;
	}
	f->n_unhealthy++;
	if (f->word == NULL) {
		f->word = word;
		f->message = message;
	}
	report_drift(p, &(struct drift){ .object_kind = KIND_CERTIFICATE,
	                                 .row = "A1",
	                                 .name = f->ip->id->name,
	                                 .verdict = word,
	                                 .message = message });
}

static void add_item(struct files *f, const struct obs_entry *e, size_t at)
{
	/* What stands above a leaf, and is seen already in this file, says nothing new. */
	for (size_t i = 0; at > 0 && i < f->items.n; i++) {
		if (f->items.v[i].cert == e->chain.v[at]) {
			return;
		}
	}
	struct item *slot = ARENA_PUSH(&f->scratch, &f->items);
	if (slot != NULL) {
		*slot = (struct item){ .cert = e->chain.v[at],
			               .parsed = seen_cert_parse(e->chain.v[at], &f->scratch),
			               .entry = e,
			               .at = at };
	}
}

static void gather(struct files *f, const struct obs_store *os)
{
	f->items.v = NULL;
	f->items.n = f->items.cap = 0;
	for (size_t i = 0; i < os->n_entries; i++) {
		if (os->entries[i].chain.n > 0) {
			add_item(f, &os->entries[i], 0);
		}
	}
	for (size_t i = 0; i < os->n_entries; i++) {
		for (size_t k = 1; k < os->entries[i].chain.n; k++) {
			add_item(f, &os->entries[i], k);
		}
	}
}

/* The way up from it through the file, where somebody will ask for an anchor. */
static struct seen_chain way_up(struct files *f, const struct item *it)
{
	const struct cert **pool = ARENA_ARRAY(&f->scratch, const struct cert *, f->items.n);
	const struct seen_cert **v =
		ARENA_ARRAY(&f->scratch, const struct seen_cert *, CHAIN_PATH_MAX);
	size_t n = 0;

	if (pool == NULL || v == NULL) {
		return (struct seen_chain){ 0 };
	}
	v[0] = it->cert;
	if (f->monitor->ca_set.s == NULL || it->parsed == NULL) {
		return (struct seen_chain){ .v = v, .n = 1 };
	}
	for (size_t i = 0; i < f->items.n; i++) {
		pool[n] = f->items.v[i].parsed;
		n += pool[n] == NULL ? 0 : 1;
	}
	struct chain path = chain_build(it->parsed, pool, n, &f->scratch);
	for (n = 0; n < path.n && n < CHAIN_PATH_MAX; n++) {
		v[n] = seen_cert_find(f->p->in->observed->certs, path.v[n]->sha256);
		if (v[n] == NULL) {
			break;
		}
	}
	return (struct seen_chain){ .v = v, .n = n == 0 ? 1 : n };
}

static const char *place_of(struct files *f, const struct obs_store *os, size_t i)
{
	const struct item *it = &f->items.v[i];
	const char *subject = it->parsed == NULL                   ? ""
	                      : it->parsed->common_name[0] != '\0' ? it->parsed->common_name
	                                                           : it->parsed->subject;

	/* Others give their entries names that nobody knows. */
	bool named = os->format != NULL && format_has_aliases(os->format);

	if (f->items.n == 1 && !named) {
		return os->path;
	}
	if (named && it->at == 0) {
		return say(f->p, "%s, entry %s", os->path, it->entry->alias);
	}
	return subject[0] == '\0'
	               ? say(f->p, "%s, certificate %zu", os->path, i + 1)
	               : say(f->p, "%s, certificate %zu (%.200s)", os->path, i + 1, subject);
}

static void judge_item(struct files *f, const struct obs_store *os, size_t i)
{
	const struct item *it = &f->items.v[i];
	bool ca = it->parsed == NULL || it->parsed->is_ca || it->at > 0;
	struct monitored m = { .monitor = f->monitor, .expected = !ca, .any_use = ca };
	const char *text = "";

	m.chain = it->entry->kind == KS_KEY && it->at == 0 ? it->entry->chain : way_up(f, it);
	if (m.chain.n == 0) {
		f->p->a->failed = true;
		return;
	}
	const char *word = judge_monitored(f->p, &m, &text);

	ends_with(f->ip, it->cert);
	f->n_certs++;
	found(f, place_of(f, os, i), it->cert, word, text == NULL ? "" : text);
}

/* Of a certificate that cannot be read nobody knows when it ends. */
static void tell_damaged(struct files *f, const struct obs_store *os)
{
	bool named = os->format != NULL && format_has_aliases(os->format);
	bool told = false;

	for (size_t i = 0; i < os->n_entries && (named || !told); i++) {
		const struct obs_entry *e = &os->entries[i];
		if ((e->warnings & KS_WARN_BAD_CERTIFICATE) != 0) {
			told = true;
			found(f, named ? say(f->p, "%s, entry %s", os->path, e->alias) : os->path,
			      /* cert= */ NULL, "Unreadable", "a certificate of it cannot be read");
		}
	}
}

static void judge_file(struct files *f, const struct obs_store *os)
{
	arena_init(&f->scratch);
	gather(f, os);
	for (size_t i = 0; i < f->items.n; i++) {
		judge_item(f, os, i);
	}
	tell_damaged(f, os);
	f->n_files++;
	if (arena_failed(&f->scratch)) {
		f->p->a->failed = true;
	}
	arena_release(&f->scratch);
}

/* Not looked at, not there, or there and not to be read. false: it was read. */
static bool not_read(struct files *f, const char *path, const struct obs_store *os)
{
	const char *why = os == NULL || os->error == NULL ? "" : os->error;

	switch (os == NULL ? LOOK_NONE : os->status) {
	case LOOK_OK:
		return false;
	case LOOK_ABSENT:
		found(f, path, /* cert= */ NULL, "StoreStale",
		      fs_glob_is(path) ? "no file is there that matches" : "there is no such file");
		return true;
	case LOOK_UNREACHABLE:
		found(f, path, /* cert= */ NULL, "Unreachable", why);
		return true;
	case LOOK_UNREADABLE:
	case LOOK_WRONG_PASSWORD:
		found(f, path, /* cert= */ NULL, "Unreadable", why);
		return true;
	case LOOK_NONE:
		break;
	}
	found(f, path, /* cert= */ NULL, "Unknown", "not looked at yet");
	return true;
}

static const struct obs_store *seen_file(struct files *f, const char *path)
{
	const char *key = store_key(f->p->a, "", f->ip->id->name, path);

	return key == NULL ? NULL : observed_store(f->p->in->observed, key);
}

static bool is_new(struct files *f, const char *path)
{
	static char mark;

	if (map_get_str(&f->judged, path) != NULL) {
		return false;
	}
	if (map_put_str(&f->judged, path, &mark, /* ret_old= */ NULL) < 0) {
		f->p->a->failed = true;
	}
	return true;
}

/* false: it was judged before, under another pattern or by its name. */
static bool take_file(struct files *f, const char *path)
{
	const struct obs_store *os = seen_file(f, path);
	bool first = is_new(f, path);

	if (first && !not_read(f, path, os)) {
		judge_file(f, os);
	}
	return first;
}

static void take_pattern(struct files *f, const char *pattern)
{
	const struct obs_store *os = seen_file(f, pattern);
	size_t before = f->n_certs;
	size_t trouble = f->n_unhealthy;
	bool told = false;

	(void)not_read(f, pattern, os);
	for (size_t i = 0; os != NULL && i < os->n_entries; i++) {
		told = !take_file(f, os->entries[i].alias) || told;
	}
	if (!told && f->n_certs == before && f->n_unhealthy == trouble) {
		found(f, pattern, /* cert= */ NULL, "StoreStale",
		      "no certificate is in any of the files that match");
	}
}

static void take(struct files *f, const struct want_file *w)
{
	size_t before = f->n_certs;
	size_t trouble = f->n_unhealthy;

	if (fs_glob_is(w->path)) {
		take_pattern(f, w->path);
	} else if (take_file(f, w->path) && f->n_certs == before && f->n_unhealthy == trouble) {
		found(f, w->path, /* cert= */ NULL, "StoreStale", "no certificate is in it");
	}
}

static const char *counted(struct planner *p, size_t n, const char *what)
{
	return say(p, "%zu %s%s", n, what, n == 1 ? "" : "s");
}

static void tell(struct files *f)
{
	struct planner *p = f->p;
	struct id_plan *ip = f->ip;
	struct verdict_parts *parts = ARENA_NEW(p->a, struct verdict_parts);

	if (parts == NULL) {
		return;
	}
	*parts = (struct verdict_parts){ .v = f->parts.v,
		                         .n = f->parts.n,
		                         .whole = f->monitor->n_endpoints == 0 &&
		                                  ip->slots == NULL && ip->cur == NULL };
	ip->parts = parts;
	if (ip->word != NULL && !str_equal(ip->word, "InSync")) {
		return;
	}
	if (f->word == NULL) {
		ip->word = "InSync";
		ip->message = say(p, "%s in %s", counted(p, f->n_certs, "certificate"),
		                  counted(p, f->n_files, "file"));
		return;
	}
	parts->told = true;
	ip->word = f->word;
	ip->message = f->n_unhealthy == 1 ? f->message
	                                  : say(p, "%s; and %zu more to look after", f->message,
	                                        f->n_unhealthy - 1);
}

/* Those of one identity, which follow each other. Returns behind the last. */
static size_t judge_identity(struct planner *p, size_t first)
{
	const struct identity *id = p->w->files[first].monitor_of;
	struct files f = { .p = p,
		           .ip = plan_of_identity(p, id),
		           .monitor = id->def->shared->monitor };
	size_t i = first;

	map_init(&f.judged);
	for (; i < p->w->n_files && p->w->files[i].monitor_of == id; i++) {
		if (f.ip->selected) {
			take(&f, &p->w->files[i]);
		}
	}
	map_release(&f.judged);
	if (f.ip->selected) {
		tell(&f);
	}
	return i;
}

void plan_files(struct planner *p)
{
	for (size_t i = 0; i < p->w->n_files;) {
		i = judge_identity(p, i);
	}
}
