/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * secrets.c - from a reference to its value, under authority.
 *
 * What lies below secrets_dir was put there for this and needs no further permission; every other
 * file and every program does. Files below secrets_dir may be links as long as they end below it:
 * that is how a mounted Kubernetes secret looks.
 *
 * Values never pass through an error, and buffers that held one are wiped.
 */
#include "desired/secrets.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/proc.h"
#include "reconciler/base/str.h"

#define SECRET_LIMIT     65536
#define READ_SIZE        4096
#define PROGRAM_MS       30000
#define PROGRAM_ARGS     64
#define REFERENCE_DEPTH  8
#define GENERATED_LENGTH 24

struct resolving {
	const struct secret_context *ctx;
	const struct scope *scope;
	const char *owner;
	bool whole; /* not just the first line */
	int depth;
	struct arena *arena;
};

static enum err_code resolve(struct resolving *r, const struct secret_ref *ref, struct secret *ret,
                             struct err *err);

/* `data` becomes the value: its first line, or all of it. */
static enum err_code take(const struct resolving *r, struct bytes data, const char *what,
                          struct secret *ret, struct err *err)
{
	size_t n = data.n;

	if (!r->whole) {
		const uint8_t *nl = n == 0 ? NULL : memchr(data.p, '\n', n);
		n = nl == NULL ? n : (size_t)(nl - data.p);
		n -= n > 0 && data.p[n - 1] == '\r' ? 1 : 0;
	}
	if (n == 0) {
		return err_set(err, ERR_INVALID, "%s is empty", what);
	}
	if (!r->whole && memchr(data.p, '\0', n) != NULL) {
		return err_set(err, ERR_INVALID, "%s holds a NUL byte", what);
	}
	struct secret s = { 0 };
	if (secret_set(&s, data.p, n) < 0) {
		return err_nomem(err);
	}
	*ret = s;
	return ERR_OK;
}

static enum err_code read_secret(const struct resolving *r, int fd, const char *what,
                                 struct secret *ret, struct err *err)
{
	CLEANUP(buf_release) struct buf data;
	struct stat st;

	buf_init_secret(&data, SECRET_LIMIT + READ_SIZE);
	if (fstat(fd, &st) != 0) {
		return err_set_sys(err, errno, "%s", what);
	}
	if (!S_ISREG(st.st_mode)) {
		return err_set(err, ERR_INVALID, "%s is no regular file", what);
	}
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		(void)err_set(err, ERR_DENIED, "%s: others may write to it", what);
		return err_hint(err, "chmod go-w, better 0600");
	}
	for (;;) {
		uint8_t *room = buf_room(&data, READ_SIZE);
		if (room == NULL) {
			return buf_check(&data, what, err);
		}
		ssize_t n = read(fd, room, READ_SIZE);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n < 0) {
			return err_set_sys(err, errno, "%s", what);
		}
		buf_grew(&data, (size_t)n);
		if (data.len > SECRET_LIMIT) {
			return err_set(err, ERR_INVALID, "%s has more than %d bytes", what,
			               SECRET_LIMIT);
		}
		if (n == 0) {
			return take(r, buf_view(&data), what, ret, err);
		}
	}
}

static int open_beneath(int dirfd, const char *path)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
		                .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

	return (int)fd;
}

static bool has_dots(const char *path)
{
	for (const char *at = path;; at++) {
		size_t n = strcspn(at, "/");
		if (n == 0 || (n == 1 && at[0] == '.') || (n == 2 && memcmp(at, "..", 2) == 0)) {
			return true;
		}
		at += n;
		if (*at == '\0') {
			return false;
		}
	}
}

static enum err_code read_below(const struct resolving *r, const char *dir, const char *path,
                                const char *what, struct secret *ret, struct err *err)
{
	CLEANUP(cleanup_close) int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(cleanup_close) int fd = -1;

	if (dirfd < 0) {
		return err_set_sys(err, errno, "%s: directory '%s'", what, dir);
	}
	if (has_dots(path)) {
		return err_set(err, ERR_DENIED, "%s leaves '%s'", what, dir);
	}
	fd = open_beneath(dirfd, path);
	if (fd < 0 && errno == EXDEV) {
		return err_set(err, ERR_DENIED, "%s leaves '%s' through a link", what, dir);
	}
	return fd < 0 ? err_set_sys(err, errno, "%s below '%s'", what, dir)
	              : read_secret(r, fd, what, ret, err);
}

static enum err_code from_file(const struct resolving *r, const char *path, const char *what,
                               struct secret *ret, struct err *err)
{
	if (path[0] != '/') {
		if (r->ctx->secrets_dir == NULL) {
			(void)err_set(err, ERR_INVALID,
			              "%s is relative, and there is no directory "
			              "for secrets",
			              what);
			return err_hint(err, "secretsDir: /etc/certwright/secrets");
		}
		return read_below(r, r->ctx->secrets_dir, path, what, ret, err);
	}
	enum err_code rc = authority_secret_file(r->ctx->authority, path, err);
	if (rc != ERR_OK) {
		return rc;
	}
	CLEANUP(cleanup_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 ? err_set_sys(err, errno, "%s", what) : read_secret(r, fd, what, ret, err);
}

static enum err_code from_credential(const struct resolving *r, const char *name, const char *what,
                                     struct secret *ret, struct err *err)
{
	const char *dir = secure_getenv("CREDENTIALS_DIRECTORY");

	if (strchr(name, '/') != NULL) {
		return err_set(err, ERR_INVALID, "%s: a name, not a path", what);
	}
	if (dir == NULL) {
		(void)err_set(err, ERR_NOT_FOUND, "%s: systemd gave us no credentials", what);
		return err_hint(err, "in the unit: LoadCredential=%s:PATH", name);
	}
	return read_below(r, dir, name, what, ret, err);
}

static enum err_code from_env(const struct resolving *r, const char *name, const char *what,
                              struct secret *ret, struct err *err)
{
	for (const char *s = name; *s != '\0'; s++) {
		if (*s != '_' && !isalnum((unsigned char)*s)) {
			return err_set(err, ERR_INVALID, "%s is no name of a variable", what);
		}
	}
	const char *value = secure_getenv(name);
	if (value == NULL) {
		return err_set(err, ERR_NOT_FOUND, "%s is not set", what);
	}
	return take(r, bytes_of_str(value), what, ret, err);
}

static enum err_code from_program(const struct resolving *r, const struct secret_ref *ref,
                                  const char *what, struct secret *ret, struct err *err)
{
	CLEANUP(buf_release) struct buf out;
	const char *argv[PROGRAM_ARGS + 1] = { NULL };

	buf_init_secret(&out, SECRET_LIMIT);
	if (ref->argv.n == 0 || ref->argv.n > PROGRAM_ARGS) {
		return err_set(err, ERR_INVALID, "exec: no program, or too many arguments");
	}
	for (size_t i = 0; i < ref->argv.n; i++) {
		enum err_code rc = expand_text(ref->argv.v[i].s, r->scope, r->arena, &argv[i], err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	enum err_code rc = authority_program(r->ctx->authority, argv[0], err);
	if (rc != ERR_OK) {
		return rc;
	}
	struct proc_spec spec = { .argv = argv,
		                  .timeout_ms = PROGRAM_MS,
		                  .out_limit = SECRET_LIMIT };
	rc = proc_check(&spec, &out, err);
	return rc != ERR_OK ? rc : take(r, buf_view(&out), what, ret, err);
}

static enum err_code from_keystore(struct resolving *r, const char *name, struct secret *ret,
                                   struct err *err)
{
	struct resolving other = *r;
	const struct keystore_def *ks =
		r->ctx->desired == NULL ? NULL : desired_keystore(r->ctx->desired, name);

	if (ks == NULL) {
		return err_set(err, ERR_NOT_FOUND, "there is no Keystore '%s'", name);
	}
	if (++other.depth > REFERENCE_DEPTH) {
		return err_set(err, ERR_INVALID, "passwords refer to one another in a circle");
	}
	other.owner = arena_printf(r->arena, "keystore/%s", name);
	return other.owner == NULL ? err_nomem(err) : resolve(&other, &ks->password, ret, err);
}

static enum err_code from_generator(const struct resolving *r, int length, struct secret *ret,
                                    struct err *err)
{
	struct generated_store *g = r->ctx->generated;

	if (g == NULL) {
		return err_set(err, ERR_DENIED, "values cannot be generated here");
	}
	return g->get(g, r->owner, length > 0 ? length : GENERATED_LENGTH, ret, err);
}

static const char *kind_word(enum secret_kind kind)
{
	switch (kind) {
	case SECRET_FILE:
		return "file";
	case SECRET_ENV:
		return "env";
	case SECRET_EXEC:
		return "exec";
	case SECRET_CREDENTIAL:
		return "credential";
	case SECRET_GENERATED:
		return "generated";
	case SECRET_KEYSTORE_PASSWORD:
		return "keystorePassword";
	case SECRET_WELL_KNOWN:
		return "wellKnown";
	case SECRET_NONE:
		break;
	}
	return "none";
}

/* "file 'pdu/web01'": what errors call it. */
static const char *describe(const struct resolving *r, const struct secret_ref *ref,
                            const char *value)
{
	const char *name = ref->kind == SECRET_EXEC && ref->argv.n > 0 ? ref->argv.v[0].s : value;

	if (name == NULL || ref->kind == SECRET_WELL_KNOWN) {
		return kind_word(ref->kind);
	}
	const char *text = arena_printf(r->arena, "%s '%s'", kind_word(ref->kind), name);
	return text != NULL ? text : kind_word(ref->kind);
}

static enum err_code dispatch(struct resolving *r, const struct secret_ref *ref, const char *value,
                              const char *what, struct secret *ret, struct err *err)
{
	switch (ref->kind) {
	case SECRET_FILE:
		return from_file(r, value, what, ret, err);
	case SECRET_ENV:
		return from_env(r, value, what, ret, err);
	case SECRET_EXEC:
		return from_program(r, ref, what, ret, err);
	case SECRET_CREDENTIAL:
		return from_credential(r, value, what, ret, err);
	case SECRET_GENERATED:
		return from_generator(r, ref->length, ret, err);
	case SECRET_KEYSTORE_PASSWORD:
		return from_keystore(r, value, ret, err);
	case SECRET_WELL_KNOWN:
		return take(r, bytes_of_str(value), what, ret, err);
	case SECRET_NONE:
		break;
	}
	*ret = (struct secret){ 0 };
	return ERR_OK;
}

static enum err_code resolve(struct resolving *r, const struct secret_ref *ref, struct secret *ret,
                             struct err *err)
{
	bool has_value = ref->kind != SECRET_NONE && ref->kind != SECRET_EXEC &&
	                 ref->kind != SECRET_GENERATED;
	const char *value = NULL;

	if (has_value && (ref->value.s == NULL || ref->value.s[0] == '\0')) {
		return err_set(err, ERR_INVALID, "%s without a name", kind_word(ref->kind));
	}
	if (has_value) {
		enum err_code rc = expand_text(ref->value.s, r->scope, r->arena, &value, err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	const char *what = describe(r, ref, value);
	return dispatch(r, ref, value, what, ret, err);
}

static enum err_code start(struct resolving *r, const struct secret_ref *ref, struct secret *ret,
                           struct err *err)
{
	struct arena arena;

	arena_init(&arena);
	r->arena = &arena;
	enum err_code rc = resolve(r, ref, ret, err);
	r->arena = NULL;
	arena_release(&arena);
	return rc == ERR_OK ? rc : err_wrap(err, "secret");
}

enum err_code secret_resolve(const struct secret_context *ctx, const struct secret_ref *ref,
                             const struct scope *scope, const char *owner, struct secret *ret,
                             struct err *err)
{
	struct resolving r = { .ctx = ctx, .scope = scope, .owner = owner };

	return start(&r, ref, ret, err);
}

enum err_code secret_resolve_whole(const struct secret_context *ctx, const struct secret_ref *ref,
                                   const struct scope *scope, const char *owner, struct secret *ret,
                                   struct err *err)
{
	struct resolving r = { .ctx = ctx, .scope = scope, .owner = owner, .whole = true };

	return start(&r, ref, ret, err);
}
