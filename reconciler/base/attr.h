/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * attr.h - the only language extensions the house uses.
 */
#pragma once

#include <stddef.h>

#define ATTR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define ATTR_NODISCARD         __attribute__((warn_unused_result))
#define ATTR_COLD              __attribute__((cold))
#define ATTR_CONST             __attribute__((const))
#define ATTR_UNUSED            __attribute__((unused))

/* Run fn(&variable) when the variable leaves its scope. One variable per line. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Give a pointer away: evaluates to its value and leaves NULL behind. */
#define TAKE_PTR(p)                                                                                \
	__extension__({                                                                            \
		__auto_type take_ptr_ = &(p);                                                      \
		__auto_type take_val_ = *take_ptr_;                                                \
		*take_ptr_ = NULL;                                                                 \
		take_val_;                                                                         \
	})

/* The struct that `member` is embedded in. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
