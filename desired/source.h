/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source.h - from a repository to the files of one commit. libgit2 is entered here only.
 *
 * Files are read straight out of the tree, nothing is checked out. Object hashes are verified when
 * fetched, not at every read. Remotes are fetched into a bare mirror of ours; ssh goes through the
 * OpenSSH client. libgit2 is initialised on first use.
 */
#pragma once

#include <stdbool.h>

#include "reconciler/base/arena.h"
#include "reconciler/base/bytes.h"
#include "reconciler/base/err.h"
#include "reconciler/base/secret.h"

struct source; /* an open repository */

struct source_file {
	const char *path;  /* relative to the repository's root */
	struct bytes data; /* valid until the next call of the visitor, unless kept by copy */
	uint8_t oid[20];
};

/* A repository on this disk: bare or not, or a directory anywhere below its work tree.
 * ERR_NOT_FOUND: no repository. */
enum err_code source_open_local(const char *path, struct source **ret, struct err *err);
/* Our mirror of `url` (file, https, ssh, scp-like) below `mirror_dir`, made when missing. Nothing
 * is fetched yet. */
struct source_remote_options {
	const char *url;
	const char *ssh_identity;    /* file, or NULL */
	const char *ssh_known_hosts; /* file, or NULL: the user's own */
	const char *tls_ca_file;     /* or NULL: the system's */
	const char *http_user;       /* NULL: none */
	const struct secret *http_password;
	int64_t timeout_ms; /* of one whole fetch; 0: SOURCE_TIMEOUT_MS */
};
#define SOURCE_TIMEOUT_MS 300000
enum err_code source_open_mirror(const char *mirror_dir, const struct source_remote_options *opt,
                                 struct source **ret, struct err *err);
/* Bring the mirror's branches and tags up to date. ERR_NET: out of reach, the mirror is as it was.
 * No-op for a local source. */
enum err_code source_fetch(struct source *s, struct err *err);
void source_close(struct source *s);

/* Resolve a branch, tag or (abbreviated) commit id; NULL: HEAD (of a mirror: the remote's). ret is
 * 40 hex digits and a NUL. */
enum err_code source_resolve(struct source *s, const char *ref, char ret[41], struct err *err);
/* Is `descendant` the same as or a descendant of `ancestor`? Unknown ancestor: *ret false. */
enum err_code source_is_ancestor(struct source *s, const char *ancestor, const char *descendant,
                                 bool *ret, struct err *err);

typedef enum err_code source_visit(const struct source_file *file, void *arg, struct err *err);
struct source_walk {
	const char *commit;  /* 40 hex digits; NULL: the working tree */
	const char *path;    /* sub-directory, NULL: the root; of source_read: the file */
	uint64_t file_limit; /* bytes per file; 0: 16 MiB */
};
/* Every *.yaml and *.yml in path order; names starting with '.' are skipped, symlinks and
 * submodules too. */
enum err_code source_each_yaml(struct source *s, const struct source_walk *w, source_visit *visit,
                               void *arg, struct err *err);
/* One file, path from the root; refused when it leaves the repository. */
enum err_code source_read(struct source *s, const struct source_walk *w, struct arena *arena,
                          struct bytes *ret, struct err *err);
/* A stable id of the repository for state paths: of the remote URL, or of the real path. 16 hex
 * digits. */
void source_id(const struct source *s, char ret[17]);
/* Absolute path of the repository on this disk (work tree or bare), for inotify; NULL for a mirror.
 */
const char *source_local_path(const struct source *s);
/* Was it named as a local path by hand (trusted as a Makefile is), rather than as a URL? */
bool source_is_local(const struct source *s);
