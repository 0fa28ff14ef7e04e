/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * yaml.h - one YAML file as a stream of events with positions. libyaml is entered here only.
 *
 * No tree is kept. Only anchored nodes and nodes the caller asks to keep are recorded, and played
 * back where an alias or the caller wants them: aliases are invisible above this header. Merge keys
 * are not resolved here; record and replay let the binder do it.
 *
 * Limits: nesting 64, alias expansion 10 times the file (64 KiB at least): an error, not a crash.
 *
 * Ownership: an event's text is valid until the next call, unless `kept`: then it lives in the
 * arena given to yml_open(). Failure is sticky: after false only yml_close() makes sense.
 */
#pragma once

#include "desired/model.h"
#include "reconciler/base/err.h"

#define YML_NESTING_MAX 64u
#define YML_FILE_MAX    ((size_t)16 << 20)

enum yml_what {
	YML_SCALAR,
	YML_MAP,
	YML_MAP_END,
	YML_LIST,
	YML_LIST_END,
	YML_DOCUMENT,
	YML_DOCUMENT_END,
	YML_END,   /* of the file */
	YML_ALIAS, /* inside recordings only, never returned */
};

struct yml_event {
	enum yml_what what;
	bool plain;    /* scalar written without quotes and without a tag */
	bool kept;     /* s lives in the arena */
	const char *s; /* scalar, NUL-terminated; may hold more NULs: compare n */
	size_t n;
	const char *tag; /* a tag that is not one of YAML's own, else NULL */
	struct pos pos;  /* where it starts */
};

/* A recorded node; valid until the document ends. */
struct yml_node {
	size_t start, end;
};

struct yml;

/* Without the byte order mark that editors on Windows put in front: it is no part of the text. */
struct bytes yml_without_mark(struct bytes data);

enum err_code yml_open(struct bytes data, struct arena *arena, struct yml **ret, struct err *err);
void yml_close(struct yml *y); /* accepts NULL */
void cleanup_yml(struct yml **y);

/* false: broken, ask yml_problem(). */
bool yml_next(struct yml *y, struct yml_event *ret);
/* What is wrong with the file, and where. */
const char *yml_problem(const struct yml *y, struct pos *ret);
/* Having read the first event of a node: pass over the rest of it. */
bool yml_skip(struct yml *y, const struct yml_event *first);
/* The same, keeping it. */
bool yml_record(struct yml *y, const struct yml_event *first, struct yml_node *ret);
/* The next events are those of the node. */
bool yml_replay(struct yml *y, struct yml_node node);
