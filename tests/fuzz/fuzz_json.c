/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_json.c - reading a document, and writing any text as a string that reads back.
 */
#include <assert.h>
#include <string.h>

#include "reconciler/base/json.h"
#include "reconciler/base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void visit(const char *key, struct json_t *value, void *arg)
{
	size_t *n = arg;

	(*n) += strlen(key) + strlen(json_as_str(value, ""));
}

static void as_string(const char *text, size_t size)
{
	struct json_writer w;
	struct json_t *j = NULL;
	struct buf b;

	buf_init(&b, BUF_LIMIT_TEXT);
	json_writer_init(&w, &b, /* pretty= */ true);
	json_begin_array(&w);
	json_strn(&w, text, size);
	json_end_array(&w);
	assert(!buf_failed(&b) && str_is_utf8(buf_str(&b), b.len));
	/* Only NUL, which we write but do not read, may be refused. */
	if (json_parse(buf_str(&b), b.len, &j, /* err= */ NULL) == ERR_OK) {
		assert(!str_is_utf8(text, size) ||
		       strlen(json_as_str(json_array_at(j, 0), "")) == size);
	} else {
		assert(memchr(text, 0, size) != NULL);
	}
	json_free(j);
	buf_release(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = size == 0 ? "" : (const char *)data;
	struct json_t *j = NULL;
	size_t n = 0;

	if (json_parse(text, size, &j, /* err= */ NULL) == ERR_OK) {
		json_object_each(j, visit, &n);
	}
	json_free(j);
	as_string(text, size);
	return 0;
}
