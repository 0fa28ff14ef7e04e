/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * args.h - command lines against option tables. "--" ends options; long ones take "=VALUE" or the
 * next word.
 */
#pragma once

#include "reconciler/cli/cli.h"

/* Globals plus a verb's own (NULL: globals only); then parse. All strings stay argv's. */
enum err_code args_specs(struct args *a, const struct option_spec *own, size_t n_own,
                         struct err *err);
enum err_code args_parse(struct args *a, int argc, char **argv, struct err *err);
void args_release(struct args *a);
