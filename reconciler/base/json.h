/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json.h - jansson, entered here only: strict reading, sorted compact writing.
 *
 * struct json is jansson's json_t under our name; containers own their members.
 * Reading refuses duplicate keys, NUL in strings and nesting beyond jansson's own limit.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "reconciler/base/buf.h"
#include "reconciler/base/err.h"

struct json_t;

void json_free(struct json_t *j); /* accepts NULL */
void cleanup_json(struct json_t **j);

enum err_code json_parse(const char *text, size_t n, struct json_t **ret, struct err *err);

/* Streaming writer: no tree. Members come out in the order written; callers keep it fixed. */
struct json_writer {
	struct buf *out;
	bool pretty;
	unsigned depth;
	bool need_comma;
	bool after_key;
};
void json_writer_init(struct json_writer *w, struct buf *out, bool pretty);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_str(struct json_writer *w, const char *s); /* NULL writes null; invalid UTF-8 as U+FFFD */
void json_strn(struct json_writer *w, const char *s, size_t n);
void json_int(struct json_writer *w, int64_t v);
void json_bool(struct json_writer *w, bool v);
void json_write_null(struct json_writer *w); /* json_null() is jansson's own */
/* key + value in one */
void json_member_str(struct json_writer *w, const char *key, const char *s);
void json_member_int(struct json_writer *w, const char *key, int64_t v);
void json_member_bool(struct json_writer *w, const char *key, bool v);
void json_member_time(struct json_writer *w, const char *key,
                      int64_t wall_s); /* RFC 3339, or null for 0 */

enum json_shape {
	JSON_SHAPE_NULL,
	JSON_SHAPE_BOOL,
	JSON_SHAPE_INT,
	JSON_SHAPE_STR,
	JSON_SHAPE_ARRAY,
	JSON_SHAPE_OBJECT,
	JSON_SHAPE_OTHER, /* a number with a fraction; also NULL: absent */
};
enum json_shape json_shape(const struct json_t *j);
size_t json_members(const struct json_t *obj); /* 0 for NULL and for what is no object */

/* Reading a tree. Absent and wrong type give the default; use json_has to tell. */
bool json_has(const struct json_t *obj, const char *key);
struct json_t *json_get(const struct json_t *obj, const char *key); /* borrowed, NULL when absent */
const char *json_get_str(const struct json_t *obj, const char *key, const char *dflt);
int64_t json_get_int(const struct json_t *obj, const char *key, int64_t dflt);
bool json_get_bool(const struct json_t *obj, const char *key, bool dflt);
size_t json_array_len(const struct json_t *arr); /* 0 for NULL and for what is no array */
struct json_t *json_array_at(const struct json_t *arr, size_t i);
const char *json_as_str(const struct json_t *j, const char *dflt);
/* Object members in sorted order of keys: call fn for each. */
void json_object_each(const struct json_t *obj,
                      void (*fn)(const char *key, struct json_t *value, void *arg), void *arg);
