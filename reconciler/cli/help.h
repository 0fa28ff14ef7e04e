/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * help.h - the verb table as --help, man page 1 and shell completion.
 */
#pragma once

#include "reconciler/cli/cli.h"

int help_all(struct cli *c);
int help_verb(struct cli *c, const struct verb *v);
/* mdoc source of certwright(1). */
void help_man(struct buf *out);
/* A bash completion script. */
void help_bash(struct buf *out);
