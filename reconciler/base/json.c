/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json.c - the reading half of json.h, on jansson.
 *
 * jansson quotes the offending input in its messages; that part is cut off, because an error text
 * ends up on a terminal and the input may be a device's answer.
 */
#include "reconciler/base/json.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

void json_free(struct json_t *j)
{
	json_decref(j);
}

void cleanup_json(struct json_t **j)
{
	json_decref(*j);
}

enum err_code json_parse(const char *text, size_t n, struct json_t **ret, struct err *err)
{
	json_error_t why;
	json_t *j = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);

	if (j == NULL) {
		const char *quoted = strstr(why.text, " near '");
		int len = quoted == NULL ? (int)strnlen(why.text, sizeof(why.text))
		                         : (int)(quoted - why.text);

		return err_set(err, ERR_INVALID, "not valid JSON: line %d, column %d: %.*s",
		               why.line, why.column, len, why.text);
	}
	*ret = j;
	return ERR_OK;
}

enum json_shape json_shape(const struct json_t *j)
{
	static const enum json_shape shapes[] = {
		[JSON_OBJECT] = JSON_SHAPE_OBJECT, [JSON_ARRAY] = JSON_SHAPE_ARRAY,
		[JSON_STRING] = JSON_SHAPE_STR,    [JSON_INTEGER] = JSON_SHAPE_INT,
		[JSON_REAL] = JSON_SHAPE_OTHER,    [JSON_TRUE] = JSON_SHAPE_BOOL,
		[JSON_FALSE] = JSON_SHAPE_BOOL,    [JSON_NULL] = JSON_SHAPE_NULL,
	};

	return j == NULL ? JSON_SHAPE_OTHER : shapes[json_typeof(j)];
}

size_t json_members(const struct json_t *obj)
{
	return json_object_size(obj);
}

struct json_t *json_get(const struct json_t *obj, const char *key)
{
	return json_object_get(obj, key);
}

bool json_has(const struct json_t *obj, const char *key)
{
	return json_object_get(obj, key) != NULL;
}

const char *json_as_str(const struct json_t *j, const char *dflt)
{
	const char *s = json_string_value(j);

	return s == NULL ? dflt : s;
}

const char *json_get_str(const struct json_t *obj, const char *key, const char *dflt)
{
	return json_as_str(json_object_get(obj, key), dflt);
}

int64_t json_get_int(const struct json_t *obj, const char *key, int64_t dflt)
{
	const json_t *j = json_object_get(obj, key);

	return json_is_integer(j) ? (int64_t)json_integer_value(j) : dflt;
}

bool json_get_bool(const struct json_t *obj, const char *key, bool dflt)
{
	const json_t *j = json_object_get(obj, key);

	return json_is_boolean(j) ? json_is_true(j) : dflt;
}

size_t json_array_len(const struct json_t *arr)
{
	return json_array_size(arr);
}

struct json_t *json_array_at(const struct json_t *arr, size_t i)
{
	return json_array_get(arr, i);
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The smallest key greater than `last`, NULL behind the end. */
static const char *key_after(json_t *obj, const char *last)
{
	const char *next = NULL;

	for (void *it = json_object_iter(obj); it != NULL; it = json_object_iter_next(obj, it)) {
		const char *key = json_object_iter_key(it);

		if ((last == NULL || strcmp(key, last) > 0) &&
		    (next == NULL || strcmp(key, next) < 0)) {
			next = key;
		}
	}
	return next;
}

void json_object_each(const struct json_t *obj,
                      void (*fn)(const char *key, struct json_t *value, void *arg), void *arg)
{
	/* jansson's iterators want a json_t that is not const, yet change nothing. */
	json_t *o = (json_t *)(uintptr_t)obj;
	size_t n = json_object_size(obj);
	const char **keys = n == 0 ? NULL : calloc(n, sizeof(*keys));
	size_t i = 0;

	if (keys == NULL) {
		/* Slow, but there is no way to report: no memory must not mean no members. */
		for (const char *k = key_after(o, NULL); k != NULL; k = key_after(o, k)) {
			fn(k, json_object_get(obj, k), arg);
		}
		return;
	}
	for (void *it = json_object_iter(o); it != NULL; it = json_object_iter_next(o, it)) {
		keys[i++] = json_object_iter_key(it);
	}
	assert(i == n);
	qsort(keys, n, sizeof(*keys), compare_keys);
	for (i = 0; i < n; i++) {
		fn(keys[i], json_object_get(obj, keys[i]), arg);
	}
	free(keys);
}
