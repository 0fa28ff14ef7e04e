/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bind.h - from YAML events into the structs of model.h, through the tables of schema.h.
 *
 * Everything that is wrong is reported and passed over, so that one run finds all of it. Only a
 * file that is no YAML ends early: then `broken` is set and every function returns at once.
 *
 * Ownership: results live in `arena`; scratch belongs to the binder.
 */
#pragma once

#include "desired/diag.h"
#include "desired/schema.h"
#include "desired/yaml.h"

struct seen {
	const struct table *table;
	struct pos pos; /* of the mapping */
	bool misread;   /* a key was unknown: what is missing may be just that */
	uint64_t bits;  /* rows written */
	struct pos at[64];
};
bool seen_has(const struct seen *s, const char *field);
struct pos seen_pos(const struct seen *s,
                    const char *field); /* of its value, else of the mapping */

struct bind {
	struct diags *diags;
	struct arena *arena;
	struct yml *yml;
	const char *file;
	bool broken;
	unsigned merges; /* how deep in merge keys of merge keys */

	struct text *texts; /* scratch stacks: lists of unknown length grow here */
	size_t n_texts, cap_texts;
	char *parts;
	size_t n_parts, cap_parts; /* octets */
	struct {
		struct label_part *v;
		size_t n, cap;
	} labels;

	/* The objects of a fleet resemble one another: texts ("corp-ca", "Example Corporation")
	 * and blocks met lately are not stored again. */
	struct kept {
		const void *p;
		uint32_t n, hash;
	} recent[1024], *kept;
};
/* A label while its mapping is being read. */
struct label_part {
	struct label label;
	struct pos pos;
	bool merged;
};

void bind_init(struct bind *b, struct diags *diags, struct arena *arena);
void bind_release(struct bind *b);
/* Begin a file. */
enum err_code bind_open(struct bind *b, const char *file, struct bytes data, struct err *err);
void bind_close(struct bind *b);

/* The next event; false when the file is broken (reported once). */
bool bind_next(struct bind *b, struct yml_event *ret);
void bind_skip(struct bind *b, const struct yml_event *first);
/* Read the mapping that begins with *first into obj, through t. */
void bind_map(struct bind *b, const struct table *t, void *obj, const struct yml_event *first,
              struct seen *ret_seen);
/* Read one value into its place in obj. */
void bind_value(struct bind *b, const struct field *f, void *obj, const struct yml_event *first);

bool text_valid_as(enum text_format format, const char *s);
size_t text_characters(const char *s); /* of UTF-8 */

/* Report at a place of the file being read. */
void bind_report(struct bind *b, struct pos pos, const char *hint, const char *fmt, ...)
	ATTR_PRINTF(4, 5);

#define BIND_SECRET_HINT                                                                           \
	"a secret does not belong into git; refer to it: {file: PATH}, {env: NAME}, "              \
	"{exec: [PROGRAM]}, {credential: NAME} or {generated: {length: 24}}"

/* Between the bind*.c files. */
/* "expected WHAT, found ...", and passes over the node. */
void bind_wrong_type(struct bind *b, const struct field *f, const char *expected,
                     const struct yml_event *ev);
/* Scalar with a value into arena text. false: reported and skipped. */
bool bind_scalar(struct bind *b, const struct field *f, const char *expected,
                 const struct yml_event *ev, struct text *ret);
/* For each element of a list call fn; a scalar or mapping instead of a list is reported. */
typedef void bind_element(struct bind *b, const struct field *f, const struct yml_event *ev,
                          void *arg);
void bind_each(struct bind *b, const struct field *f, const struct yml_event *first,
               bind_element *fn, void *arg);
/* The text, stored in the arena. NULL: no memory. */
const char *bind_store(struct bind *b, const char *s, size_t n);
bool bind_push_text(struct bind *b, struct text t);
struct texts bind_take_texts(struct bind *b, size_t mark);
void bind_push_part(struct bind *b, const void *part, size_t size);
/* One contiguous array of the parts since mark. */
const void *bind_take_parts(struct bind *b, size_t mark, size_t size, bool shared, size_t *ret_n);
/* A block as it is, in the arena: an equal one that was kept lately is used again, so nobody may
 * write to it. NULL: no memory. */
const void *bind_keep(struct bind *b, const void *p, size_t n);
/* Keep what stands behind the struct as bind_keep() does, and link the struct to that. */
void bind_share(struct bind *b, const struct table *t, void *obj);
/* Make it the object's; it stays as it was when there is no memory. */
void object_share(struct bind *b, struct object *o, const struct object_shared *shared);
void bind_texts(struct bind *b, const struct field *f, const struct yml_event *first,
                struct texts *ret);
bool bind_text(struct bind *b, const struct field *f, const struct yml_event *ev, struct text *ret);
bool bind_is_null(const struct yml_event *ev);
void bind_bool(struct bind *b, const struct field *f, const struct yml_event *ev, void *at);
void bind_int(struct bind *b, const struct field *f, const struct yml_event *ev, void *at);
void bind_duration(struct bind *b, const struct field *f, const struct yml_event *ev, void *at);
void bind_enum(struct bind *b, const struct field *f, const struct yml_event *ev, void *at);
/* The types that are more than one word. */
void bind_secret(struct bind *b, const struct field *f, const struct yml_event *first,
                 struct secret_ref *ret);
void bind_special(struct bind *b, const struct field *f, void *obj, const struct yml_event *first);
/* Report rows of t that must be there and are not, or exclude one another; `bits` are the rows that
 * have a value. */
struct row_check {
	const struct table *table;
	uint64_t bits;
	struct pos pos;       /* of the whole */
	const struct pos *at; /* by row, or NULL */
	const char *file;
	bool misread; /* say nothing about what is missing */
};
void rows_check(struct diags *d, const struct row_check *c);
