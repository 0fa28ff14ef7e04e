/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * schema.h - the tables, and how an older database becomes a newer one.
 */
#pragma once

#include "state/db.h"

#define SCHEMA_VERSION 7

/* user_version of the database as it is. */
enum err_code schema_version(struct db *db, int *ret, struct err *err);
/* Bring it to SCHEMA_VERSION, each step in a transaction of its own. Newer than known is
 * ERR_CONFLICT. */
enum err_code schema_migrate(struct db *db, struct err *err);
