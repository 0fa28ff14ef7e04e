/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * err.h - what went wrong, where, and what to do about it.
 *
 * A function that can fail for more than one reason returns enum err_code and fills a
 * caller-owned struct err. Raised once (err_set on a fresh object), wrapped on the way up
 * with what the callee could not know, printed by cli/ and logged by engine/loop only.
 * Fixed size, no allocation: running out of memory reports like anything else.
 *
 * Threads: an object belongs to one thread.
 */
#pragma once

#include <stddef.h>

#include "reconciler/base/attr.h"

#define ERR_CTX_MAX 6

enum err_code {
	ERR_OK = 0,
	ERR_NOMEM,
	ERR_INVALID,      /* input breaks its rules: somebody must edit it */
	ERR_NOT_FOUND,    /* looked, and it is not there (never: could not look) */
	ERR_DENIED,       /* permission, authority, wrong password */
	ERR_CONFLICT,     /* the world moved, or somebody else owns it */
	ERR_IO,           /* local file, database, process */
	ERR_NET,          /* could not reach or lost the peer */
	ERR_RATE_LIMITED, /* the peer asks for patience */
	ERR_REFUSED,      /* the peer understood and said no */
	ERR_VERIFY,       /* done, but the proof is missing */
	ERR_BUG,          /* cannot happen */
};

enum err_disposition { ERR_RETRY, ERR_REPLAN, ERR_NEEDS_HUMAN, ERR_GIVE_UP };

struct err {
	enum err_code code;
	int sys; /* errno, 0 when there is none */
	int line;
	const char *file;
	size_t depth; /* contexts in use */
	char msg[256];
	char hint[192];
	char ctx[ERR_CTX_MAX][96]; /* innermost first; when full, the last slot is reused */
};

/* Raise: fill *err, return code. `err` may be NULL when the caller cares for the code only.
 * Too long a message is cut at a character boundary and ends in "...". */
#define err_set(err, code, ...)                                                                    \
	err_not_ok_(err_set_at((err), (code), 0, __FILE__, __LINE__, __VA_ARGS__))
/* Raise with errno `sys`: ": <its text>" is appended. code is ERR_IO unless the errno says
 * better (ENOENT: NOT_FOUND, EACCES/EPERM: DENIED, ENOMEM: NOMEM). */
#define err_set_sys(err, sys, ...)                                                                 \
	err_not_ok_(err_set_sys_at((err), (sys), __FILE__, __LINE__, __VA_ARGS__))
#define err_nomem(err) err_set((err), ERR_NOMEM, "out of memory")

enum err_code err_set_at(struct err *err, enum err_code code, int sys, const char *file, int line,
                         const char *fmt, ...) ATTR_PRINTF(6, 7) ATTR_COLD;
enum err_code err_set_sys_at(struct err *err, int sys, const char *file, int line, const char *fmt,
                             ...) ATTR_PRINTF(5, 6) ATTR_COLD;

/* Add what the callee could not know ("Target web01: ..."). Returns err->code (ERR_BUG for NULL).
 */
#define err_wrap(err, ...) err_not_ok_(err_wrap_with((err), __VA_ARGS__))
/* What the operator should do next; the first hint given stays. Returns err->code. */
#define err_hint(err, ...) err_not_ok_(err_hint_with((err), __VA_ARGS__))

enum err_code err_wrap_with(struct err *err, const char *fmt, ...) ATTR_PRINTF(2, 3) ATTR_COLD;
enum err_code err_hint_with(struct err *err, const char *fmt, ...) ATTR_PRINTF(2, 3) ATTR_COLD;

/* Tells compilers and analysers what the functions above assert, across files. */
static inline enum err_code err_not_ok_(enum err_code code)
{
	if (code == ERR_OK) {
		__builtin_unreachable();
	}
	return code;
}

/* Forget, so that the object can be raised again. */
void err_clear(struct err *err);

enum err_disposition err_disposition(enum err_code code);
/* "invalid", "not-found": lower-case word for JSON and logs. */
const char *err_code_name(enum err_code code);
/* "outer: inner: msg", without the hint. Always terminated. */
void err_format(const struct err *err, char *out, size_t out_size);
