/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gitrepo.h - real repositories for tests, made by the git program with nobody's configuration.
 */
#pragma once

#include <stddef.h>

/* git -C DIR ARG...; fails the test when git does. */
void repo_git(const char *dir, const char *first, ...) __attribute__((sentinel));
/* What it prints, without the last newline; heap. */
char *repo_git_out(const char *dir, const char *first, ...) __attribute__((sentinel));
/* Any program; the same two ways. */
void repo_run(const char *dir, const char *program, ...) __attribute__((sentinel));
/* Write DIR/NAME, directories made as needed. */
void repo_write(const char *dir, const char *name, const char *text);
/* git init DIR/NAME with branch main; heap, the whole path. */
char *repo_new(const char *dir, const char *name);
/* Stage everything and commit; the id, heap. */
char *repo_commit(const char *repo, const char *message);
