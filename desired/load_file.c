/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * load_file.c - the documents of one file.
 *
 * A document is ours or not by apiVersion and kind, and nothing may be said about one that is not.
 * They come first nearly always, and then the rest is bound as it passes; what comes before them is
 * recorded and played back.
 */
#include <stdio.h>
#include <string.h>

#include "desired/forms.h"
#include "desired/loader.h"
#include "desired/tables.h"
#include "reconciler/base/str.h"

#define ODD_MAX 32u

enum header { HEADER_UNKNOWN, HEADER_OURS, HEADER_FOREIGN };
enum part { PART_API, PART_KIND, PART_METADATA, PART_SPEC, PART_STATUS, PART_COUNT };

struct odd {
	const char *key;
	struct pos pos;
	bool twice;
};

struct document {
	struct loader *l;
	struct bind *b;
	struct pos pos;
	enum header header;
	bool kind_known; /* kind is one of ours */
	enum kind kind;
	struct text api, kind_text;
	unsigned seen; /* bit per part */
	struct pos at[PART_COUNT];
	struct yml_node node[PART_COUNT];
	unsigned kept; /* parts recorded for later */
	struct odd odd[ODD_MAX];
	size_t n_odd;
	struct object *object;
	struct text name, ns;
	size_t errors; /* reported before this document */
};

static const char *const part_names[PART_COUNT] = { "apiVersion", "kind", "metadata", "spec",
	                                            "status" };

static const struct object_shared nothing_yet;

void spec_note_written(struct bind *b, void *obj, const struct seen *seen)
{
	struct object *o = obj;
	struct object_shared shared = o->shared == NULL ? nothing_yet : *o->shared;
	size_t n = 0;
	struct pos at[ARRAY_LEN(seen->at)];

	shared.written = seen->bits;
	shared.set = seen->bits;
	o->misread = seen->misread;
	for (uint64_t bits = seen->bits; bits != 0; bits &= bits - 1) {
		at[n++] = seen->at[__builtin_ctzll(bits)];
	}
	shared.at = bind_keep(b, at, n * sizeof(*at));
	object_share(b, o, &shared);
}

static bool mentions(struct bytes data, const char *word)
{
	return data.n > 0 && memmem(data.p, data.n, word, strlen(word)) != NULL;
}

bool load_concerns_us(struct bytes data)
{
	if (mentions(data, "certwright/") || mentions(data, "cert-manager.io/v1")) {
		return true;
	}
	/* A forgotten apiVersion: say so rather than skip what somebody meant for us. */
	if (mentions(data, "apiVersion") || !mentions(data, "metadata") ||
	    !mentions(data, "spec")) {
		return false;
	}
	for (int k = 0; k < KIND_COUNT; k++) {
		char line[32];
		(void)snprintf(line, sizeof(line), "kind: %s", kind_name((enum kind)k));
		if (mentions(data, line)) {
			return true;
		}
	}
	return false;
}

static void bad_kind(struct document *doc)
{
	const char *names[KIND_COUNT];
	const char *s = doc->kind_text.s;

	for (int k = 0; k < KIND_COUNT; k++) {
		names[k] = kind_name((enum kind)k);
		if (str_casecmp_ascii(names[k], s) == 0) {
			bind_report(doc->b, doc->kind_text.pos,
			            diags_did_you_mean(doc->b->diags, names[k]),
			            "kind: there is no kind '%.60s'", s);
			return;
		}
	}
	if (kind_is_unsupported(s)) {
		bind_report(doc->b, doc->kind_text.pos, /* hint= */ NULL,
		            "kind: %s is not supported by this release", s);
		return;
	}
	bind_report(doc->b, doc->kind_text.pos,
	            diags_did_you_mean(doc->b->diags, str_nearest(s, names, KIND_COUNT)),
	            "kind: there is no kind '%.60s'", s);
}

static void ours(struct document *doc, bool kind_known)
{
	doc->header = HEADER_OURS;
	doc->kind_known = kind_known;
	if (!kind_known) {
		bad_kind(doc);
		return;
	}
	/* Where it shares much with others, share() in load.c makes it small. */
	struct arena *arena = kind_table(doc->kind)->link != 0 ? &doc->l->scratch : doc->b->arena;

	doc->object = arena_alloc(arena, kind_table(doc->kind)->size);
	if (doc->object != NULL) {
		doc->object->kind = doc->kind;
		doc->object->file = doc->b->file;
		doc->object->shared = &nothing_yet;
		table_defaults(kind_table(doc->kind), doc->object);
	}
}

static void judge_header(struct document *doc)
{
	if (doc->header != HEADER_UNKNOWN || doc->api.s == NULL) {
		return;
	}
	bool manager = strcmp(doc->api.s, "cert-manager.io/v1") == 0;
	bool mine = strcmp(doc->api.s, "certwright/v1") == 0;
	if (!manager && !mine) {
		doc->header = HEADER_FOREIGN;
		if (str_starts(doc->api.s, "certwright/")) {
			bind_report(doc->b, doc->api.pos, /* hint= */ NULL,
			            "apiVersion: expected certwright/v1, found '%.60s'",
			            doc->api.s);
		}
		return;
	}
	if (doc->kind_text.s == NULL) {
		return;
	}
	bool known = kind_from_name(doc->kind_text.s, &doc->kind);
	if (manager && (!known || doc->kind != KIND_CERTIFICATE)) {
		doc->header = HEADER_FOREIGN;
		return;
	}
	ours(doc, known);
}

/* Everything was read and the header is still not complete. */
static void judge_incomplete(struct document *doc)
{
	enum kind k;

	if (doc->api.s != NULL && (doc->seen & (1u << PART_KIND)) == 0) {
		if (strcmp(doc->api.s, "certwright/v1") == 0) {
			bind_report(doc->b, doc->pos, /* hint= */ NULL, "document needs kind");
		}
	} else if ((doc->seen & (1u << PART_API)) == 0 && doc->kind_text.s != NULL &&
	           (doc->seen & (1u << PART_SPEC)) != 0 && kind_from_name(doc->kind_text.s, &k)) {
		bind_report(doc->b, doc->pos, "write apiVersion: certwright/v1",
		            "document needs apiVersion");
		doc->kind = k;
		ours(doc, /* kind_known= */ true);
		return;
	}
	doc->header = HEADER_FOREIGN;
}

static void bind_metadata(struct document *doc, const struct yml_event *ev)
{
	/* Metadata of an object whose kind is wrong is read all the same, for its name. */
	struct {
		struct object_shared o;
		struct text name;
	} form = { 0 };
	struct seen seen;

	bind_map(doc->b, &table_metadata, &form, ev, &seen);
	doc->name = form.name;
	if (seen.table != NULL && ev->what == YML_MAP && seen_has(&seen, "namespace")) {
		doc->ns = (struct text){ .s = "", .pos = seen_pos(&seen, "namespace") };
	}
	if (doc->object != NULL) {
		struct object_shared shared = *doc->object->shared;
		shared.labels = form.o.labels;
		shared.n_labels = form.o.n_labels;
		shared.former_names = form.o.former_names;
		object_share(doc->b, doc->object, &shared);
	}
}

static void bind_part(struct document *doc, enum part part, const struct yml_event *ev)
{
	if (part == PART_METADATA) {
		bind_metadata(doc, ev);
	} else if (part == PART_SPEC && doc->object != NULL) {
		bind_map(doc->b, kind_table(doc->kind), doc->object, ev, /* ret_seen= */ NULL);
	} else {
		bind_skip(doc->b, ev);
	}
}

static void read_header_text(struct document *doc, const struct yml_event *ev, struct text *ret)
{
	if (ev->what == YML_SCALAR && ev->n > 0) {
		ret->s = bind_store(doc->b, ev->s, ev->n);
		ret->pos = ev->pos;
		judge_header(doc);
	}
	bind_skip(doc->b, ev);
}

static void read_part(struct document *doc, enum part part, const struct yml_event *ev)
{
	doc->at[part] = ev->pos;
	if (part == PART_API) {
		read_header_text(doc, ev, &doc->api);
	} else if (part == PART_KIND) {
		read_header_text(doc, ev, &doc->kind_text);
	} else if (part == PART_STATUS || doc->header == HEADER_FOREIGN) {
		bind_skip(doc->b, ev);
	} else if (doc->header == HEADER_OURS) {
		bind_part(doc, part, ev);
	} else if (yml_record(doc->b->yml, ev, &doc->node[part])) {
		doc->kept |= 1u << part;
	}
}

static void note_odd(struct document *doc, const char *key, struct pos pos, bool twice)
{
	if (doc->n_odd < ODD_MAX) {
		doc->odd[doc->n_odd++] = (struct odd){ .key = arena_str(doc->b->arena, key),
			                               .pos = pos,
			                               .twice = twice };
	}
}

static int part_of(const struct yml_event *key)
{
	if (key->what != YML_SCALAR) {
		return -1;
	}
	for (int i = 0; i < PART_COUNT; i++) {
		if (strcmp(key->s, part_names[i]) == 0) {
			return i;
		}
	}
	return -1;
}

static void read_odd_key(struct document *doc, const struct yml_event *key)
{
	struct yml_event ev;

	if (key->what != YML_SCALAR) {
		note_odd(doc, "?", key->pos, /* twice= */ false);
		bind_skip(doc->b, key);
	} else if (!str_starts(key->s, "x-")) {
		note_odd(doc, key->s, key->pos, /* twice= */ false);
	}
	if (bind_next(doc->b, &ev)) {
		bind_skip(doc->b, &ev);
	}
}

static void read_document(struct document *doc)
{
	struct yml_event key, ev;

	while (bind_next(doc->b, &key) && key.what != YML_MAP_END) {
		int part = part_of(&key);
		struct pos pos = key.pos;
		if (part < 0) {
			read_odd_key(doc, &key);
			continue;
		}
		if (!bind_next(doc->b, &ev)) {
			return;
		}
		if ((doc->seen & (1u << part)) != 0) {
			note_odd(doc, part_names[part], pos, /* twice= */ true);
			bind_skip(doc->b, &ev);
			continue;
		}
		doc->seen |= 1u << part;
		read_part(doc, (enum part)part, &ev);
	}
}

static void play_kept(struct document *doc)
{
	struct yml_event ev;

	for (int i = 0; i < PART_COUNT && !doc->b->broken; i++) {
		if ((doc->kept & (1u << i)) != 0 && yml_replay(doc->b->yml, doc->node[i]) &&
		    bind_next(doc->b, &ev)) {
			bind_part(doc, (enum part)i, &ev);
		}
	}
}

static void report_odd(struct document *doc)
{
	for (size_t i = 0; i < doc->n_odd; i++) {
		const struct odd *o = &doc->odd[i];
		if (o->twice) {
			bind_report(doc->b, o->pos, /* hint= */ NULL, "key '%s' appears twice",
			            o->key);
			continue;
		}
		const char *near = str_nearest(o->key, part_names, PART_COUNT);
		const char *hint = diags_did_you_mean(doc->b->diags, near);
		if (near == NULL && doc->object != NULL &&
		    table_find(kind_table(doc->kind), o->key, &(size_t){ 0 }) != NULL) {
			hint = "it belongs under spec";
		}
		bind_report(doc->b, o->pos, hint, "unknown key '%.80s' in document", o->key);
	}
	for (int i = PART_METADATA; i <= PART_SPEC; i++) {
		if ((doc->seen & (1u << i)) == 0) {
			bind_report(doc->b, doc->pos, /* hint= */ NULL, "document needs %s",
			            part_names[i]);
		}
	}
}

static void keep_object(struct document *doc)
{
	struct loader *l = doc->l;

	if (doc->name.s == NULL) {
		return;
	}
	if (doc->object == NULL || (doc->seen & (1u << PART_SPEC)) == 0) {
		if (map_put_str(&l->ghosts, doc->name.s, l, /* ret_old= */ NULL) < 0) {
			l->arena->failed = true;
		}
		return;
	}
	struct objects *list = &l->by_kind[doc->kind];
	if (list->n == list->cap &&
	    !arena_grow_(&l->scratch, (void **)&list->v, &list->cap, list->n, sizeof(void *))) {
		l->arena->failed = true;
		return;
	}
	doc->object->name = doc->name.s;
	doc->object->pos = doc->name.pos;
	list->v[list->n++] = doc->object;
	l->n_objects++;
	if (doc->ns.s != NULL && l->n_namespaces++ == 0) {
		l->namespace_at = arena_printf(l->arena, "%s:%u:%u", doc->b->file, doc->ns.pos.line,
		                               doc->ns.pos.col);
	}
}

static void load_document(struct loader *l, const struct yml_event *root)
{
	struct document doc = { .l = l, .b = &l->bind, .pos = root->pos };

	if (root->what != YML_MAP) {
		bind_skip(&l->bind, root);
		return;
	}
	read_document(&doc);
	if (!l->bind.broken && doc.header == HEADER_UNKNOWN) {
		judge_incomplete(&doc);
	}
	if (l->bind.broken || doc.header == HEADER_FOREIGN) {
		return;
	}
	play_kept(&doc);
	report_odd(&doc);
	if (!l->bind.broken) {
		keep_object(&doc);
	}
}

enum err_code load_file(struct loader *l, const char *path, struct bytes data, struct err *err)
{
	struct yml_event ev;
	const char *file = bind_store(&l->bind, path, strlen(path));

	if (file == NULL) {
		return err_nomem(err);
	}
	if (data.n > YML_FILE_MAX) {
		diags_add(&l->diags, file, (struct pos){ 1, 1 }, "write it as several files",
		          "larger than %zu MiB", YML_FILE_MAX >> 20);
		return ERR_OK;
	}
	enum err_code rc = bind_open(&l->bind, file, data, err);
	if (rc != ERR_OK) {
		return rc;
	}
	while (bind_next(&l->bind, &ev) && ev.what != YML_END) {
		if (ev.what == YML_DOCUMENT && bind_next(&l->bind, &ev)) {
			load_document(l, &ev);
		}
	}
	if (l->bind.broken) {
		buf_add_bytes(&l->unread, data);
	}
	bind_close(&l->bind);
	if (l->n_objects > OBJECTS_MAX) {
		return err_set(err, ERR_INVALID,
		               "%s:1:1: with this file the repository holds more than %u objects",
		               file, OBJECTS_MAX);
	}
	return arena_failed(l->arena) ? err_nomem(err) : ERR_OK;
}
