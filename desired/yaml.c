/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * yaml.c - libyaml's events, with anchors resolved by recording.
 *
 * libyaml's document API costs 40 times the memory of the model it would be turned into; events
 * cost nothing. The price is that an alias has to be played back from a recording: every event of
 * an anchored node is appended to one vector while it passes, an anchor is a range of it, and a
 * stack of ranges is what is being played back. Anchors are complete before an alias can name them
 * (an alias inside its own anchor is refused), so ranges nest without cycles.
 */
#include "desired/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "reconciler/base/attr.h"
#include "reconciler/base/map.h"
#include "reconciler/base/str.h"

#define EXPANSION_FACTOR ((size_t)10)
#define EXPANSION_FLOOR  ((size_t)64 << 10)
#define FRAMES_MAX       128u
#define RECORDED_MAX     1000000u
#define NOT_RECORDED     SIZE_MAX

struct anchor {
	size_t start, end; /* end 0: still open */
};

struct open_anchor {
	struct anchor *anchor;
	unsigned depth;
};

struct frame {
	size_t at, end;
};

struct yml {
	yaml_parser_t parser;
	yaml_event_t live; /* whose text the last event borrows */
	bool have_live;
	struct bytes data;
	struct arena *arena;

	struct yml_event *rec;
	size_t n_rec, cap_rec;
	unsigned hold;    /* record everything while not 0 */
	size_t last;      /* index in rec of the last event returned */
	bool from_replay; /* and it came from there */
	struct map anchors;
	size_t n_open;
	size_t n_frames;

	unsigned depth;
	size_t expanded;
	bool failed;
	struct pos problem_pos;
	/* From here on not cleared: a file a certificate is a hundred thousand of these. */
	char problem[192];
	struct open_anchor open[YML_NESTING_MAX];
	struct frame frames[FRAMES_MAX];
};

static struct pos pos_of(yaml_mark_t m)
{
	return (struct pos){ .line = (uint32_t)m.line + 1, .col = (uint32_t)m.column + 1 };
}

ATTR_PRINTF(3, 4)
static bool fail(struct yml *y, struct pos pos, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(y->problem, sizeof(y->problem), fmt, ap);
	va_end(ap);
	y->problem_pos = pos;
	y->failed = true;
	return false;
}

static bool printable_ascii(struct bytes data)
{
	uint8_t odd = 0;

	/* Octets only and no early end, or the compiler does not take sixteen in one step. */
	for (size_t i = 0; i < data.n; i++) {
		uint8_t c = data.p[i];
		uint8_t printable = c >= ' ' && c <= '~' ? 1 : 0;
		uint8_t space = c == '\n' || c == '\t' || c == '\r' ? 1 : 0;
		odd |= (uint8_t)((printable | space) ^ 1);
	}
	return odd == 0;
}

/*
 * libyaml decodes one character after the other, a sixth of all it does. Of printable ASCII the
 * decoded text is the text: put where its reader would have put it, as at the end of the file.
 * Everything else, what its reader refuses among it, goes the long way; and so does a libyaml that
 * is not the 0.2 whose buffer we know (those fields of yaml_parser_t are in its header, yet its
 * own).
 */
static void fill(yaml_parser_t *p, struct bytes data)
{
	static const uint8_t nothing[1];
	int major, minor, patch;

	yaml_parser_set_encoding(p, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(p, data.n == 0 ? nothing : data.p, data.n);
	yaml_get_version(&major, &minor, &patch);
	if (major != 0 || minor != 2 || data.n == 0 ||
	    data.n >= (size_t)(p->buffer.end - p->buffer.start) || !printable_ascii(data)) {
		return;
	}
	memcpy(p->buffer.start, data.p, data.n);
	p->buffer.start[data.n] = '\0';
	p->buffer.last = p->buffer.start + data.n + 1;
	p->unread = data.n + 1;
	p->eof = 1;
}

struct bytes yml_without_mark(struct bytes data)
{
	static const uint8_t mark[] = { 0xef, 0xbb, 0xbf };

	if (data.n < sizeof(mark) || memcmp(data.p, mark, sizeof(mark)) != 0) {
		return data;
	}
	return (struct bytes){ data.p + sizeof(mark), data.n - sizeof(mark) };
}

enum err_code yml_open(struct bytes data, struct arena *arena, struct yml **ret, struct err *err)
{
	struct yml *y = malloc(sizeof(*y));

	if (y != NULL) {
		memset(y, 0, offsetof(struct yml, problem));
		y->problem[0] = '\0';
	}
	if (y == NULL || yaml_parser_initialize(&y->parser) == 0) {
		free(y);
		return err_nomem(err);
	}
	y->data = yml_without_mark(data);
	y->arena = arena;
	map_init(&y->anchors);
	fill(&y->parser, y->data);
	*ret = y;
	return ERR_OK;
}

/* Four of ten events are mere brackets. */
static bool owns_text(const yaml_event_t *e)
{
	switch (e->type) {
	case YAML_MAPPING_START_EVENT:
		return e->data.mapping_start.anchor != NULL || e->data.mapping_start.tag != NULL;
	case YAML_SEQUENCE_START_EVENT:
		return e->data.sequence_start.anchor != NULL || e->data.sequence_start.tag != NULL;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_STREAM_END_EVENT:
	case YAML_DOCUMENT_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return false;
	case YAML_DOCUMENT_START_EVENT:
	case YAML_ALIAS_EVENT:
	case YAML_SCALAR_EVENT:
		break;
	}
	return true;
}

static void drop_live(struct yml *y)
{
	if (y->have_live && owns_text(&y->live)) {
		yaml_event_delete(&y->live);
	}
	y->have_live = false;
}

void yml_close(struct yml *y)
{
	if (y == NULL) {
		return;
	}
	drop_live(y);
	yaml_parser_delete(&y->parser);
	map_release(&y->anchors);
	free(y->rec);
	free(y);
}

void cleanup_yml(struct yml **y)
{
	yml_close(*y);
}

const char *yml_problem(const struct yml *y, struct pos *ret)
{
	*ret = y->problem_pos;
	return y->problem;
}

/* libyaml gives a byte offset for what its reader refuses, and no mark. */
static struct pos pos_of_offset(struct bytes data, size_t offset)
{
	struct pos pos = { .line = 1, .col = 1 };

	for (size_t i = 0; i < offset && i < data.n; i++) {
		if (data.p[i] == '\n') {
			pos.line++;
			pos.col = 1;
		} else if ((data.p[i] & 0xc0) != 0x80) {
			pos.col++;
		}
	}
	return pos;
}

/* No error of the file: whoever owns the arena sees it there. */
static bool fail_memory(struct yml *y)
{
	y->arena->failed = true;
	return fail(y, (struct pos){ 0 }, "out of memory");
}

static bool fail_parser(struct yml *y)
{
	const yaml_parser_t *p = &y->parser;
	const char *problem = p->problem != NULL ? p->problem : "cannot be read";

	if (p->error == YAML_MEMORY_ERROR) {
		return fail_memory(y);
	}
	if (p->error == YAML_READER_ERROR) {
		return fail(y, pos_of_offset(y->data, p->problem_offset), "not valid YAML: %s",
		            problem);
	}
	if (p->context != NULL) {
		return fail(y, pos_of(p->problem_mark), "not valid YAML: %s %s", p->context,
		            problem);
	}
	return fail(y, pos_of(p->problem_mark), "not valid YAML: %s", problem);
}

static const char *foreign_tag(const yaml_char_t *tag)
{
	static const char core[] = "tag:yaml.org,2002:";
	static const char *const known[] = { "str", "int", "bool", "float", "null", "seq", "map" };
	const char *s = (const char *)tag;

	if (strcmp(s, "!") == 0) {
		return NULL;
	}
	if (!str_starts(s, core)) {
		return s;
	}
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (strcmp(s + sizeof(core) - 1, known[i]) == 0) {
			return NULL;
		}
	}
	return s;
}

static bool rec_append(struct yml *y, const struct yml_event *ev)
{
	if (y->n_rec == RECORDED_MAX) {
		return fail(y, ev->pos, "more than %u anchored values", RECORDED_MAX);
	}
	if (y->n_rec == y->cap_rec) {
		size_t cap = y->cap_rec == 0 ? 64 : y->cap_rec * 2;
		struct yml_event *rec = reallocarray(y->rec, cap, sizeof(*rec));
		if (rec == NULL) {
			return fail_memory(y);
		}
		y->rec = rec;
		y->cap_rec = cap;
	}
	struct yml_event *copy = &y->rec[y->n_rec++];
	*copy = *ev;
	if (ev->what == YML_SCALAR && !ev->kept) {
		copy->s = arena_strn(y->arena, ev->s, ev->n);
		copy->kept = true;
	}
	if (ev->tag != NULL) {
		copy->tag = arena_str(y->arena, ev->tag);
	}
	return arena_failed(y->arena) ? fail_memory(y) : true;
}

static bool anchor_begin(struct yml *y, const char *name, const struct yml_event *ev)
{
	struct anchor *a = ARENA_NEW(y->arena, struct anchor);
	const char *key = arena_str(y->arena, name);

	if (a == NULL || key == NULL || map_put_str(&y->anchors, key, a, /* ret_old= */ NULL) < 0) {
		return fail_memory(y);
	}
	a->start = y->n_rec;
	if (ev->what == YML_SCALAR) {
		a->end = y->n_rec + 1;
	} else {
		/* depth has been checked against the size of open[] by the caller */
		y->open[y->n_open++] = (struct open_anchor){ .anchor = a, .depth = y->depth };
	}
	return true;
}

static void anchors_end(struct yml *y)
{
	while (y->n_open > 0 && y->open[y->n_open - 1].depth > y->depth) {
		y->open[--y->n_open].anchor->end = y->n_rec;
	}
}

static void document_forget(struct yml *y)
{
	map_release(&y->anchors);
	map_init(&y->anchors);
	y->n_rec = 0;
	y->n_open = 0;
	y->hold = 0;
}

static bool went_deeper(struct yml *y, const struct yml_event *ev)
{
	if (ev->what == YML_MAP || ev->what == YML_LIST) {
		if (++y->depth > YML_NESTING_MAX) {
			return fail(y, ev->pos, "nested deeper than %u levels", YML_NESTING_MAX);
		}
	} else if (ev->what == YML_MAP_END || ev->what == YML_LIST_END) {
		y->depth--;
	}
	return true;
}

static bool push_frame(struct yml *y, size_t start, size_t end, struct pos pos)
{
	while (y->n_frames > 0 && y->frames[y->n_frames - 1].at == y->frames[y->n_frames - 1].end) {
		y->n_frames--;
	}
	if (y->n_frames == FRAMES_MAX) {
		return fail(y, pos, "aliases nested deeper than %u levels", FRAMES_MAX);
	}
	y->frames[y->n_frames++] = (struct frame){ .at = start, .end = end };
	return true;
}

static bool replayed(struct yml *y, struct yml_event *ret, bool *ret_some)
{
	size_t limit = y->data.n > EXPANSION_FLOOR / EXPANSION_FACTOR ? y->data.n * EXPANSION_FACTOR
	                                                              : EXPANSION_FLOOR;

	*ret_some = false;
	while (y->n_frames > 0) {
		struct frame *f = &y->frames[y->n_frames - 1];
		if (f->at == f->end) {
			y->n_frames--;
			continue;
		}
		size_t i = f->at++;
		const struct yml_event *ev = &y->rec[i];
		y->expanded += 1 + (ev->what == YML_SCALAR ? ev->n : 0);
		if (y->expanded > limit) {
			return fail(y, ev->pos, "aliases expand to more than %zu times the file",
			            EXPANSION_FACTOR);
		}
		if (ev->what == YML_ALIAS) {
			const struct anchor *a = (const struct anchor *)(const void *)ev->s;
			if (!push_frame(y, a->start, a->end, ev->pos)) {
				return false;
			}
			continue;
		}
		*ret = *ev;
		y->last = i;
		y->from_replay = true;
		*ret_some = true;
		return went_deeper(y, ret);
	}
	return true;
}

static bool live_alias(struct yml *y, const char *name, struct pos pos)
{
	struct anchor *a = map_get_str(&y->anchors, name);

	if (a == NULL) {
		return fail(y, pos, "alias '*%.60s' names no anchor of this document", name);
	}
	if (a->end == 0) {
		return fail(y, pos, "alias '*%.60s' stands inside what it names", name);
	}
	if (y->n_open > 0 || y->hold > 0) {
		struct yml_event ev = { .what = YML_ALIAS, .kept = true, .pos = pos };
		ev.s = (const char *)(const void *)a;
		if (!rec_append(y, &ev)) {
			return false;
		}
	}
	return push_frame(y, a->start, a->end, pos);
}

static enum yml_what what_of(yaml_event_type_t type)
{
	static const enum yml_what words[] = {
		[YAML_NO_EVENT] = YML_END,
		[YAML_STREAM_START_EVENT] = YML_END,
		[YAML_STREAM_END_EVENT] = YML_END,
		[YAML_DOCUMENT_START_EVENT] = YML_DOCUMENT,
		[YAML_DOCUMENT_END_EVENT] = YML_DOCUMENT_END,
		[YAML_ALIAS_EVENT] = YML_ALIAS,
		[YAML_SCALAR_EVENT] = YML_SCALAR,
		[YAML_SEQUENCE_START_EVENT] = YML_LIST,
		[YAML_SEQUENCE_END_EVENT] = YML_LIST_END,
		[YAML_MAPPING_START_EVENT] = YML_MAP,
		[YAML_MAPPING_END_EVENT] = YML_MAP_END,
	};

	return words[type];
}

/* Translate y->live; *ret_anchor borrows from it. */
static void translate(const struct yml *y, struct yml_event *ret, const char **ret_anchor)
{
	const yaml_event_t *e = &y->live;
	const yaml_char_t *tag = NULL;

	ret->what = what_of(e->type);
	ret->plain = false;
	ret->kept = false;
	ret->s = NULL;
	ret->n = 0;
	ret->pos = pos_of(e->start_mark);
	*ret_anchor = NULL;
	if (ret->what == YML_SCALAR) {
		ret->s = (const char *)e->data.scalar.value;
		ret->n = e->data.scalar.length;
		tag = e->data.scalar.tag;
		ret->plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && tag == NULL;
		*ret_anchor = (const char *)e->data.scalar.anchor;
	} else if (ret->what == YML_MAP) {
		tag = e->data.mapping_start.tag;
		*ret_anchor = (const char *)e->data.mapping_start.anchor;
	} else if (ret->what == YML_LIST) {
		tag = e->data.sequence_start.tag;
		*ret_anchor = (const char *)e->data.sequence_start.anchor;
	}
	ret->tag = tag == NULL ? NULL : foreign_tag(tag);
}

static bool live_next(struct yml *y, struct yml_event *ret, bool *ret_some)
{
	const char *anchor;

	do {
		drop_live(y);
		if (yaml_parser_parse(&y->parser, &y->live) == 0) {
			return fail_parser(y);
		}
		y->have_live = true;
	} while (y->live.type == YAML_STREAM_START_EVENT);
	translate(y, ret, &anchor);
	if (ret->what == YML_ALIAS) {
		*ret_some = false;
		return live_alias(y, (const char *)y->live.data.alias.anchor, ret->pos);
	}
	if (ret->what == YML_DOCUMENT_END) {
		document_forget(y);
	}
	*ret_some = true;
	y->from_replay = false;
	y->last = NOT_RECORDED;
	if (ret->what == YML_SCALAR && anchor == NULL && y->n_open == 0 && y->hold == 0) {
		return true;
	}
	if (!went_deeper(y, ret) || (anchor != NULL && !anchor_begin(y, anchor, ret))) {
		return false;
	}
	if (y->n_open > 0 || y->hold > 0 || anchor != NULL) {
		y->last = y->n_rec;
		if (!rec_append(y, ret)) {
			return false;
		}
		anchors_end(y);
	}
	return true;
}

bool yml_next(struct yml *y, struct yml_event *ret)
{
	bool some = false;

	if (y->failed) {
		return false;
	}
	while (!some) {
		if (y->n_frames > 0) {
			if (!replayed(y, ret, &some)) {
				return false;
			}
			if (some) {
				return true;
			}
		}
		if (!live_next(y, ret, &some)) {
			return false;
		}
	}
	return true;
}

bool yml_skip(struct yml *y, const struct yml_event *first)
{
	struct yml_event ev;

	if (first->what != YML_MAP && first->what != YML_LIST) {
		return !y->failed;
	}
	unsigned outside = y->depth - 1;
	do {
		if (!yml_next(y, &ev)) {
			return false;
		}
	} while (y->depth > outside);
	return true;
}

/* A node met while playing back is a range already. */
static bool record_replayed(struct yml *y, const struct yml_event *first, struct yml_node *ret)
{
	size_t depth = 0, i = y->last;

	do {
		enum yml_what w = y->rec[i++].what;
		depth += w == YML_MAP || w == YML_LIST;
		depth -= w == YML_MAP_END || w == YML_LIST_END;
	} while (depth > 0);
	*ret = (struct yml_node){ .start = y->last, .end = i };
	if (first->what != YML_SCALAR) {
		y->frames[y->n_frames - 1].at = i;
		y->depth--;
	}
	return true;
}

bool yml_record(struct yml *y, const struct yml_event *first, struct yml_node *ret)
{
	if (y->failed) {
		return false;
	}
	if (y->from_replay) {
		return record_replayed(y, first, ret);
	}
	struct yml_node node = { .start = y->last };
	if (y->last == NOT_RECORDED) {
		node.start = y->n_rec;
		if (!rec_append(y, first)) {
			return false;
		}
	}
	node.end = node.start + 1;
	if (first->what == YML_MAP || first->what == YML_LIST) {
		y->hold++;
		bool ok = yml_skip(y, first);
		y->hold--;
		node.end = y->n_rec;
		if (!ok) {
			return false;
		}
	}
	*ret = node;
	return true;
}

bool yml_replay(struct yml *y, struct yml_node node)
{
	return !y->failed && push_frame(y, node.start, node.end, y->rec[node.start].pos);
}
