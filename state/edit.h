/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edit.h - idempotent edits of text configuration: an ini key, a property, a line, an attribute in
 * XML. Pure.
 *
 * Everything not named stays byte for byte: line ends (CRLF kept), comments, order, encoding. Keys
 * of ini files compare without case, those of properties files with it. A key that stands twice is
 * changed where it counts for its reader (ini: first; properties: last).
 */
#pragma once

#include "reconciler/base/buf.h"
#include "reconciler/base/secret.h"
#include "state/look.h"

struct edit {
	enum edit_kind kind;
	const char *section, *key; /* XML: which element (xml_path.h), and the attribute's name */
	const char *value;
};
/* What is written now: heap, NULL in *ret when absent. XML: ERR_NOT_FOUND without the element. */
enum err_code edit_current(struct bytes text, const struct edit *e, char **ret, struct err *err);
/* The text with the edit done; *ret_changed false when it already was. */
enum err_code edit_apply(struct bytes text, const struct edit *e, struct buf *out,
                         bool *ret_changed, struct err *err);
