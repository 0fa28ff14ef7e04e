/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shell.h - the one place that quotes for a shell, here or at the other end of ssh.
 */
#pragma once

#include "reconciler/base/buf.h"

/* Append `s` as one word of a POSIX shell (csh too). `s` holds no NUL by its type; new lines are
 * kept, refuse them before where they make no sense. */
void shell_quote(struct buf *out, const char *s);
