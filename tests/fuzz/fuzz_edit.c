/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_edit.c - any text, any edit: what was written is read back, and the second edit is none.
 *
 * Input: a kind octet, then section, key, value and text, each but the last ended by NUL.
 */
#include <assert.h>
#include <stdlib.h>

#include "reconciler/base/str.h"
#include "state/edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *take_field(const uint8_t **data, size_t *size)
{
	const uint8_t *end = *size == 0 ? NULL : memchr(*data, '\0', *size);
	size_t n = end == NULL ? *size : (size_t)(end - *data);
	char *field = malloc(n + 1);

	if (field == NULL) {
		abort();
	}
	memcpy(field, *data, n);
	field[n] = '\0';
	*data += end == NULL ? n : n + 1;
	*size -= end == NULL ? n : n + 1;
	return field;
}

static void check_edit(const struct edit *e, struct bytes text)
{
	struct buf once;
	struct buf twice;
	bool changed = false;
	char *now = NULL;

	buf_init(&once, (size_t)1 << 24);
	buf_init(&twice, (size_t)1 << 24);
	if (edit_apply(text, e, &once, &changed, /* err= */ NULL) == ERR_OK) {
		assert(changed || bytes_equal(text, buf_view(&once)));
		assert(edit_current(buf_view(&once), e, &now, /* err= */ NULL) == ERR_OK);
		assert(now != NULL && str_equal(now, e->value));
		assert(edit_apply(buf_view(&once), e, &twice, &changed, /* err= */ NULL) == ERR_OK);
		assert(!changed && bytes_equal(buf_view(&once), buf_view(&twice)));
	}
	free(now);
	buf_release(&once);
	buf_release(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum edit_kind kinds[] = { EDIT_INI, EDIT_PROPERTIES, EDIT_LINE, EDIT_XML };

	if (size == 0) {
		return 0;
	}
	struct edit e = { .kind = kinds[data[0] % ARRAY_LEN(kinds)] };
	data++;
	size--;
	CLEANUP(cleanup_free) char *section = take_field(&data, &size);
	CLEANUP(cleanup_free) char *key = take_field(&data, &size);
	CLEANUP(cleanup_free) char *value = take_field(&data, &size);
	e.section = section;
	e.key = key;
	e.value = value;
	check_edit(&e, bytes_of(data, size));
	return 0;
}
