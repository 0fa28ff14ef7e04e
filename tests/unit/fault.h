/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fault.h - the nth allocation fails, for each n that a piece of work gets to.
 *
 * Only allocations of our own code fail: a test_fault.c is linked with wrappers around malloc and
 * its kin, and libraries keep theirs.
 */
#pragma once

#include <stdbool.h>

#include "reconciler/base/err.h"

/* One piece of work, the same each time; what it made it takes down again. It may return ERR_OK
 * although an allocation failed, when nothing is missing from its result: that it checks itself. */
typedef enum err_code fault_work(void *context, struct err *err);

/* Once for each allocation alone and once for each with all that follow. A failure of the work must
 * be ERR_NOMEM, with a sentence; `after` (may be NULL) looks at what is left, with memory to be had
 * again. */
void fault_sweep(fault_work *work, void (*after)(void *context), void *context);
/* Between the two calls nothing fails and nothing is counted: for what the test itself must do
 * within the work. */
void fault_pause(void);
void fault_resume(void);
