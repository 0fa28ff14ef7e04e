/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * template.h - the pieces of a text with {{placeholders}}.
 */
#pragma once

#include "desired/expand.h"

enum placeholder {
	PLACE_LITERAL, /* text between placeholders */
	PLACE_HOST,
	PLACE_HOST_SHORT,
	PLACE_HOST_INDEX,
	PLACE_OTHER_HOSTS,
	PLACE_VAR, /* piece.s: the column */
	PLACE_INDEX,
	PLACE_SERIAL,
	PLACE_FINGERPRINT8,
	PLACE_NOT_BEFORE, /* piece.s: the format */
	PLACE_UNKNOWN,
	PLACE_OPEN, /* no closing }} */
};

struct piece {
	enum placeholder what;
	const char *s;
	size_t n;
};

/* Split off the next piece; false at the end. */
bool template_next(const char **at, struct piece *ret);
bool placeholder_is_about_host(enum placeholder p);
bool placeholder_is_about_cert(enum placeholder p);
/* Only %Y %m %d %H %M %S and plain characters, at least one of them. */
bool template_time_valid(const char *s, size_t n);
/* Column of the target's inventory by name; -1: there is none. */
long target_column(const struct target *t, const char *name, size_t n);
