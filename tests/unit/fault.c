/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fault.c - wrappers that count. The linker puts them in front of the C library's (--wrap).
 */
#include "tests/unit/fault.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>

#include "tests/unit/unit.h"

static bool armed, lasting;
static unsigned long count, fails_at;

static bool fails(void)
{
	if (!armed) {
		return false;
	}
	count++;
	if (count != fails_at && !(lasting && count > fails_at)) {
		return false;
	}
	errno = ENOMEM;
	return true;
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
int __real_vasprintf(char **ret, const char *fmt, va_list ap);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
int __wrap_vasprintf(char **ret, const char *fmt, va_list ap) ATTR_PRINTF(2, 0);

void *__wrap_malloc(size_t n)
{
	return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return fails() ? NULL : __real_realloc(p, n);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return fails() ? NULL : __real_reallocarray(p, n, size);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n)
{
	return fails() ? NULL : __real_strndup(s, n);
}

int __wrap_vasprintf(char **ret, const char *fmt, va_list ap)
{
	return fails() ? -1 : __real_vasprintf(ret, fmt, ap);
}

void fault_pause(void)
{
	armed = false;
}

void fault_resume(void)
{
	armed = fails_at != 0;
}

/* false: it never got to the nth allocation. */
static bool try_nth(fault_work *work, void (*after)(void *context), void *context, unsigned long n,
                    bool all)
{
	struct err err = { 0 };
	char text[1024];

	count = 0;
	fails_at = n;
	lasting = all;
	armed = true;
	enum err_code rc = work(context, &err);
	armed = false;
	fails_at = 0;
	bool reached = count >= n;
	err_format(&err, text, sizeof(text));
	ck_assert_msg(rc == ERR_OK || (reached && rc == ERR_NOMEM),
	              "allocation %lu%s failed, and it said: %s (%s)", n, all ? " and on" : "",
	              text, err_code_name(rc));
	ck_assert_msg(rc == ERR_OK || (err.code == rc && err.msg[0] != '\0'),
	              "allocation %lu failed without a word", n);
	if (after != NULL) {
		after(context);
	}
	return reached;
}

void fault_sweep(fault_work *work, void (*after)(void *context), void *context)
{
	for (int all = 0; all < 2; all++) {
		unsigned long n = 1;

		while (try_nth(work, after, context, n, all == 1)) {
			n++;
		}
		ck_assert_msg(n > 1, "it allocates nothing");
	}
}
