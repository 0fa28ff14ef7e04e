/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source_git.h - what the files of source share among themselves.
 *
 * Not for anybody else: source.h is the contract.
 */
#pragma once

#include "desired/source.h"
#include "reconciler/base/clock.h"
#include "reconciler/base/secret.h"

struct git_repository;
struct git_oid;

#define SOURCE_PATH_MAX    4096
#define SOURCE_DEPTH_MAX   64
#define SOURCE_FILES_MAX   1000000
#define SOURCE_ENTRIES_MAX 8000000 /* a tree that names itself a million times ends here */
#define SOURCE_FILE_LIMIT  ((uint64_t)16 << 20) /* when the caller names none */
#define SOURCE_TOTAL_LIMIT ((uint64_t)8 << 30)

#define SOURCE_OBJECT_MAX ((size_t)512 << 20) /* of any object that libgit2 unpacks */

enum source_scheme { SOURCE_FILE, SOURCE_HTTPS, SOURCE_SSH };

/* Where a remote is; every part validated, so that none can be taken for an option. */
struct source_url {
	enum source_scheme scheme;
	char *whole; /* as libgit2 gets it */
	char *user;  /* NULL: none */
	char *host;  /* without brackets; NULL for file */
	char *port;  /* decimal digits; NULL: the default */
	char *path;
};
enum err_code source_url_parse(const char *url, struct source_url *ret, struct err *err);
void source_url_release(struct source_url *u); /* accepts a zeroed one */

struct source_remote {
	struct source_url url;
	char *ssh_identity, *ssh_known_hosts, *tls_ca_file, *http_user;
	struct secret http_password;
	int64_t timeout_ms;
};

struct source {
	struct git_repository *repo;
	char *path;                   /* work tree or bare repository; of a mirror: the mirror */
	struct source_remote *remote; /* NULL: local */
	char id[17];
};

/* One fetch under way. Callbacks that libgit2 runs leave the true reason of a failure in `cause`:
 * libgit2 itself keeps a sentence at best. */
struct source_fetching {
	const struct source_remote *remote;
	struct mono deadline;
	struct err cause;
	int credentials_asked;
};

/* Start libgit2 (first call) with the options we want. */
enum err_code source_git_start(struct err *err);
/* No allocation of libgit2's above SOURCE_OBJECT_MAX. Before it is initialised. <0: no. */
int source_git_bound_memory(void);
/* Raise what libgit2 said last: "<doing>: <its sentence>". */
enum err_code source_git_err(struct err *err, enum err_code code, const char *doing, ...)
	ATTR_PRINTF(3, 4) ATTR_COLD;
/* Did `rc` mean that the repository belongs to somebody we do not trust? */
bool source_git_is_foreign(int rc);
/* Raise what git_repository_open_ext returned for `path`. */
enum err_code source_open_err(struct err *err, int rc, const char *path);
/* Relative, no empty, "." or ".." component, nothing below ".git". */
enum err_code source_path_check(const char *path, struct err *err);
bool source_is_yaml(const char *name);

/* What the walks over trees and directories share: the path so far, and limits. */
struct source_walking {
	struct source *s;
	const struct source_walk *w;
	uint64_t file_limit;
	source_visit *visit;
	void *arg;
	size_t entries, files;
	uint64_t total;
	size_t path_len;
	char path[SOURCE_PATH_MAX];
};
/* Make `name` the last component of the path; *ret_len is what path_len was, to go back to. */
enum err_code source_walking_push(struct source_walking *g, const char *name, size_t *ret_len,
                                  struct err *err);
void source_walking_pop(struct source_walking *g, size_t len);
enum err_code source_walking_file(struct source_walking *g, struct bytes data,
                                  const uint8_t oid[20], struct err *err);

enum err_code source_tree_walk(struct source_walking *g, struct err *err);
enum err_code source_tree_read(struct source *s, const struct source_walk *w, struct arena *arena,
                               struct bytes *ret, struct err *err);
enum err_code source_dir_walk(struct source_walking *g, struct err *err);
enum err_code source_dir_read(struct source *s, const struct source_walk *w, struct arena *arena,
                              struct bytes *ret, struct err *err);

/* For git_remote_callbacks.transport: the OpenSSH client; payload is the source_fetching. */
struct git_transport;
struct git_remote;
int source_ssh_transport(struct git_transport **ret, struct git_remote *owner, void *payload);
/* Make libgit2's https go through pki/tls for this fetch (this thread); NULL ends that. */
enum err_code source_https_use(struct source_fetching *f, struct err *err);
