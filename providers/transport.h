/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transport.h - a host: stat, read, replace atomically, run.
 *
 * Failure: ERR_NOT_FOUND is certain absence; ERR_NET could not look. Everything else as fs.h and
 * proc.h say. Threads: one transport is used by one thread at a time.
 */
#pragma once

#include "reconciler/base/fs.h"
#include "reconciler/base/fs_glob.h"
#include "reconciler/base/proc.h"

struct transport;

#define TRANSPORT_OPS_VERSION 1u

struct transport_write {
	const char *path;
	struct bytes data;
	uint32_t mode;
	const char *owner, *group;     /* names; NULL: the writing user's */
	const char *backup;            /* path for the old file, or NULL */
	const struct fs_facts *expect; /* as fs_replace */
};

#define TRANSPORT_BACKUP_INFIX ".certwright-"

struct transport_sweep {
	const char *path;
	size_t keep;       /* backups */
	int64_t max_age_s; /* of a backup */
	struct wall now;
};

struct transport_ops {
	unsigned version;
	const char *type; /* the key under `via`: "local" */

	enum err_code (*stat)(struct transport *t, const char *path, struct fs_facts *ret,
	                      struct err *err);
	enum err_code (*read)(struct transport *t, const char *path, size_t limit, struct buf *out,
	                      struct err *err);
	/* fs_glob on that host. NULL where that cannot be done. */
	enum err_code (*list)(struct transport *t, const char *pattern, struct arena *arena,
	                      struct fs_glob *ret, struct err *err);
	/* Would replace() be allowed to work (directory, owner, space)? Changes nothing. */
	enum err_code (*check)(struct transport *t, const struct transport_write *w,
	                       struct err *err);
	enum err_code (*replace)(struct transport *t, const struct transport_write *w,
	                         struct err *err);
	enum err_code (*remove)(struct transport *t, const char *path, struct err *err);
	/* Tidy up around `path` at `now`: temporaries of a crash, backups (PATH.certwright-*)
	 * beyond `w`'s. NULL where that cannot be done. */
	enum err_code (*sweep)(struct transport *t, const struct transport_sweep *w,
	                       struct err *err);
	/* proc_run on that host. */
	enum err_code (*run)(struct transport *t, const struct proc_spec *spec, struct buf *out,
	                     struct proc_result *ret, struct err *err);
	void (*close)(struct transport *t);
};

/* First member of the concrete type. */
struct transport {
	const struct transport_ops *ops;
};

/* The machine certwright runs on. */
enum err_code transport_local_open(struct transport **ret, struct err *err);
extern const struct transport_ops transport_local;
