/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * describe.h - between the writers of explain, JSON Schema, manual and errors.
 */
#pragma once

#include "desired/schema.h"

#define DESCRIBE_DEPTH_MAX 12u /* secrets refer to secrets: nothing refers to itself, yet */

#define FIELD_BOUND_SIZE 40

/* Its least and its greatest value as they are written; false: there is no greatest. */
bool field_bounds(const struct field *f, char min[FIELD_BOUND_SIZE], char max[FIELD_BOUND_SIZE]);
/* "5m to 24h"; false: none. */
bool field_limit_words(const struct field *f, struct buf *out);
/* Not one of those that are known only to be refused. */
bool field_is_documented(const struct field *f);
/* The fields below it, NULL when there are none. */
const struct table *field_sub(const struct field *f);
