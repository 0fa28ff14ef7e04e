/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * secrets.h - from a reference to its value, under authority.
 */
#pragma once

#include "desired/authority.h"
#include "desired/expand.h"
#include "reconciler/base/secret.h"

/* Where {generated: ...} values are kept sealed; implemented above this layer. */
struct generated_store {
	/* Find the value of `name`, or make one of `length` characters [A-Za-z0-9] and make it
	 * durable. */
	enum err_code (*get)(struct generated_store *g, const char *name, int length,
	                     struct secret *ret, struct err *err);
};

struct secret_context {
	const struct authority *authority;
	const char *secrets_dir;       /* for relative paths, which need no further authority; NULL:
	                                * relative paths are refused */
	const struct desired *desired; /* for keystorePassword references */
	struct generated_store *generated; /* NULL: those are refused */
};

/* `owner` names a generated value: "keystore/NAME", for every host of a forEach the same. Templates
 * in the reference are resolved in `scope`. A file's or a program's first line without its newline
 * is the value. Errors name the reference, never the value. SECRET_NONE gives an empty secret. */
enum err_code secret_resolve(const struct secret_context *ctx, const struct secret_ref *ref,
                             const struct scope *scope, const char *owner, struct secret *ret,
                             struct err *err);
/* The same, but all of the file or output: a private key in PEM (adopt.keyRef). At most 64 KiB. */
enum err_code secret_resolve_whole(const struct secret_context *ctx, const struct secret_ref *ref,
                                   const struct scope *scope, const char *owner, struct secret *ret,
                                   struct err *err);
