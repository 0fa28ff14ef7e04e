/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loader.h - the passes of a load, between load.c and the files that do one pass each.
 *
 * Files are bound one by one (load_file.c); then, with everything known: Defaults (defaults.c),
 * hosts (hosts.c), rules of each kind (check.c), references and templates (refs.c), what holds
 * between objects (cross.c), policies and lints (policy.c).
 */
#pragma once

#include "desired/bind.h"
#include "desired/load.h"
#include "desired/policy.h"
#include "reconciler/base/map.h"

#define HOSTS_MAX   1000000u
#define OBJECTS_MAX 1000000u
#define WORK_MAX    50000000u

struct objects {
	struct object **v;
	size_t n, cap;
};

struct loader {
	struct arena *arena;
	struct diags diags;
	struct bind bind;
	struct desired *d;
	struct objects by_kind[KIND_COUNT]; /* sorted by name once all files are read */
	size_t n_objects, n_hosts;
	struct {
		struct warning *v;
		size_t n, cap;
	} warnings;
	size_t n_namespaces;      /* metadata.namespace seen ... */
	const char *namespace_at; /* ... first here */
	struct buf unread;        /* text of broken files: names in it are not called dangling */
	struct map ghosts;        /* names of objects whose kind was wrong */
	struct arena scratch;     /* dies with the load */
	size_t work;              /* steps spent on combinations of objects */

	struct buf digested; /* what tree_digest will cover next */

	/* The file whose lines are being shown. */
	struct arena lines;
	size_t lines_read;

	/* One file of the same commit into the arena; for inventories, CA files and lines. */
	enum err_code (*read)(struct loader *l, const char *path, struct arena *arena,
	                      struct bytes *ret, struct err *err);
	void *reader;
};

/* read(), and the file counts in the digest. */
enum err_code loader_read(struct loader *l, const char *path, struct bytes *ret, struct err *err);
/* What a few kilobytes of YAML can multiply to must cost no more than this: false once WORK_MAX
 * steps are spent. */
bool loader_spend(struct loader *l, size_t steps);

/* Does the file hold anything of ours? Others are not even parsed. */
bool load_concerns_us(struct bytes data);
enum err_code load_file(struct loader *l, const char *path, struct bytes data, struct err *err);

struct object *loader_find(const struct loader *l, enum kind k, const char *name);
/* Report at a spec field of an object (or its name). */
void loader_report(struct loader *l, const struct object *o, const char *field, const char *hint,
                   const char *fmt, ...) ATTR_PRINTF(5, 6);
void loader_report_at(struct loader *l, const struct object *o, struct pos pos, const char *hint,
                      const char *fmt, ...) ATTR_PRINTF(5, 6);
void loader_warn(struct loader *l, const char *lint, const struct object *o, struct pos pos,
                 const char *fmt, ...) ATTR_PRINTF(5, 6);
/* Was this field's value written in the object's own file (its positions hold there)? */
bool object_wrote(const struct object *o, const char *field);
bool object_has(const struct object *o, const char *field);

/* Was something inside this written field reported already? */
bool loader_has_error_in(struct loader *l, const struct object *o, const char *field);

void defaults_fill(struct loader *l);
void hosts_expand(struct loader *l);
void objects_check(struct loader *l);
void discovery_check(struct loader *l, struct object *o);
void references_check(struct loader *l);
enum err_code identities_make(struct loader *l, struct err *err);
void cross_check(struct loader *l);
void policies_apply(struct loader *l);
