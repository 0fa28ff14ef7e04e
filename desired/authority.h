/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * authority.h - may a commit make us do this?
 *
 * Pure, apart from looking bare program names up in PATH.
 * Default: no. Every refusal is ERR_DENIED and its hint is the line of the configuration that would
 * allow it. Paths are matched by components: '*' stays within one, "**" is any number of them.
 */
#pragma once

#include "desired/config.h"

/* argv[0]: absolute, or a bare name, which must be listed as such or by the absolute path that
 * proc_run would find for it. */
enum err_code authority_program(const struct authority *a, const char *program, struct err *err);
enum err_code authority_secret_file(const struct authority *a, const char *path, struct err *err);
enum err_code authority_local_write(const struct authority *a, const char *path, struct err *err);
/* A file that is looked at and never written. A pattern of fs_glob.h is allowed where every path it
 * can name seems to be: the paths that it did name are to be asked for again. */
enum err_code authority_local_read(const struct authority *a, const char *path, struct err *err);
enum err_code authority_host(const struct authority *a, const char *host, struct err *err);
/* A host of a scan: in one of the networks, or matched by one of the names and globs. `range`: what
 * it is of, to be named when that is refused. */
enum err_code authority_scan(const struct authority *a, const char *host, const char *range,
                             struct err *err);
