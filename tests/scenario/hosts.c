/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hosts.c - a transport into the world, and the few programs that its hosts have.
 *
 * reload NAME, start NAME, stop NAME, check NAME act on the servers of that host; any other program
 * is not there. A host that is out of reach answers nothing, not even "no such file".
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"
#include "tests/scenario/world.h"

struct reach {
	struct transport base;
	struct world *world;
	struct vhost *host;
};

static struct reach *reach_of(struct transport *t)
{
	return CONTAINER_OF(t, struct reach, base);
}

static enum err_code reach_check(const struct reach *r, struct err *err)
{
	return r->host->unreachable ? err_set(err, ERR_NET, "%s does not answer", r->host->name)
	                            : ERR_OK;
}

static enum err_code host_stat(struct transport *t, const char *path, struct fs_facts *ret,
                               struct err *err)
{
	struct reach *r = reach_of(t);
	const struct vfile *f = world_file(r->world, r->host->name, path);

	enum err_code rc = reach_check(r, err);
	if (rc != ERR_OK) {
		return rc;
	}
	*ret = (struct fs_facts){ 0 };
	if (f != NULL && f->exists) {
		*ret = (struct fs_facts){ .exists = true,
			                  .mode = f->mode,
			                  .uid = f->uid,
			                  .gid = f->gid,
			                  .size = f->n,
			                  .dev = 1,
			                  .ino = f->ino,
			                  .mtime_ns = f->mtime_ns,
			                  .links = 1 };
	}
	return ERR_OK;
}

static enum err_code host_read(struct transport *t, const char *path, size_t limit, struct buf *out,
                               struct err *err)
{
	struct reach *r = reach_of(t);
	const struct vfile *f = world_file(r->world, r->host->name, path);

	enum err_code rc = reach_check(r, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (f == NULL || !f->exists) {
		return err_set(err, ERR_NOT_FOUND, "open '%s': No such file or directory", path);
	}
	if (f->n > limit) {
		return err_set(err, ERR_INVALID, "'%s' is too large", path);
	}
	buf_add(out, f->data, f->n);
	return buf_check(out, path, err);
}

static bool is_as_seen(const struct vfile *f, const struct fs_facts *seen)
{
	if (f == NULL || !f->exists) {
		return !seen->exists;
	}
	return seen->exists && seen->ino == f->ino && seen->size == f->n &&
	       seen->mtime_ns == f->mtime_ns;
}

static enum err_code host_check(struct transport *t, const struct transport_write *w,
                                struct err *err)
{
	struct reach *r = reach_of(t);

	(void)w;
	return reach_check(r, err);
}

static enum err_code give_away(struct vfile *f, const struct transport_write *w, struct err *err)
{
	uint32_t id = 0;
	enum err_code rc = ERR_OK;

	f->mode = w->mode;
	if (w->owner != NULL) {
		rc = fs_uid_of(w->owner, &id, err);
		f->uid = rc == ERR_OK ? id : f->uid;
	}
	if (rc == ERR_OK && w->group != NULL) {
		rc = fs_gid_of(w->group, &id, err);
		f->gid = rc == ERR_OK ? id : f->gid;
	}
	return rc;
}

static enum err_code host_replace(struct transport *t, const struct transport_write *w,
                                  struct err *err)
{
	struct reach *r = reach_of(t);
	struct vfile *f = world_file(r->world, r->host->name, w->path);

	enum err_code rc = reach_check(r, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (w->expect != NULL && !is_as_seen(f, w->expect)) {
		return err_set(err, ERR_CONFLICT, "'%s' changed since it was looked at", w->path);
	}
	world_event(r->world);
	if (r->host->writes_fail || (f != NULL && f->refuses)) {
		return err_set(err, ERR_IO, "write '%s': Input/output error", w->path);
	}
	if (w->backup != NULL && f != NULL && f->exists) {
		world_put(r->world, r->host->name, w->backup, bytes_of(f->data, f->n));
	}
	world_put(r->world, r->host->name, w->path, w->data);
	rc = give_away(world_file(r->world, r->host->name, w->path), w, err);
	world_check_handshakes(r->world);
	return rc;
}

static enum err_code host_remove(struct transport *t, const char *path, struct err *err)
{
	struct reach *r = reach_of(t);

	enum err_code rc = reach_check(r, err);
	if (rc == ERR_OK) {
		world_event(r->world);
		(void)world_remove(r->world, r->host->name, path);
		world_check_handshakes(r->world);
	}
	return rc;
}

static bool command(struct reach *r, const char *verb, struct server *s)
{
	if (r->host->deaf) {
		return true;
	}
	if (str_equal(verb, "stop")) {
		s->up = false;
		return true;
	}
	if (str_equal(verb, "check")) {
		/* On a copy: asking whether it would load loads nothing. */
		struct server *trial = malloc(sizeof(*trial));
		if (trial == NULL) {
			abort();
		}
		*trial = *s;
		bool loads = server_load(r->world, trial);
		free(trial);
		return loads;
	}
	if (!str_equal(verb, "reload") && !str_equal(verb, "start")) {
		return false;
	}
	if (str_equal(verb, "reload") && !s->up) {
		return false;
	}
	bool loads = server_load(r->world, s);
	s->up = s->up || loads;
	return loads;
}

static enum err_code host_run(struct transport *t, const struct proc_spec *spec, struct buf *out,
                              struct proc_result *ret, struct err *err)
{
	struct reach *r = reach_of(t);
	bool any = false;
	bool fine = true;

	(void)out;
	enum err_code rc = reach_check(r, err);
	if (rc != ERR_OK) {
		return rc;
	}
	world_event(r->world);
	r->host->commands++;
	*ret = (struct proc_result){ 0 };
	for (size_t i = 0; i < r->world->n_servers && spec->argv[1] != NULL; i++) {
		struct server *s = &r->world->servers[i];
		if (str_equal(s->host, r->host->name) && str_equal(s->name, spec->argv[1])) {
			any = true;
			fine = fine && !r->host->activation_fails && command(r, spec->argv[0], s);
		}
	}
	if (!any) {
		return err_set(err, ERR_NOT_FOUND, "%s: no such program", spec->argv[0]);
	}
	if (!fine) {
		ret->exit_status = 1;
		(void)snprintf(ret->err_tail, sizeof(ret->err_tail), "%s failed", spec->argv[0]);
	}
	world_check_handshakes(r->world);
	return ERR_OK;
}

static void host_close(struct transport *t)
{
	if (t != NULL) {
		free(reach_of(t));
	}
}

static const struct transport_ops transport_world = {
	.version = TRANSPORT_OPS_VERSION,
	.type = "local",
	.stat = host_stat,
	.read = host_read,
	.check = host_check,
	.replace = host_replace,
	.remove = host_remove,
	.run = host_run,
	.close = host_close,
};

static enum err_code open_transport(struct registry *base, const char *via, const char *host,
                                    struct transport **ret, struct err *err)
{
	struct world_registry *r = CONTAINER_OF(base, struct world_registry, base);
	struct reach *t = calloc(1, sizeof(*t));

	(void)via;
	if (t == NULL) {
		return err_nomem(err);
	}
	t->base.ops = &transport_world;
	t->world = r->world;
	t->host = world_host(r->world, host);
	*ret = &t->base;
	return ERR_OK;
}

static const struct keystore_ops *const keystores[] = {
	&keystore_jks,   &keystore_jceks, &keystore_pkcs12,    &keystore_p7b, &keystore_zip,
	&keystore_bcfks, &keystore_pem,   &keystore_pem_split, &keystore_der,
};

void world_registry_init(struct world_registry *r, struct world *w)
{
	*r = (struct world_registry){ .base = { .keystores = keystores,
		                                .n_keystores = ARRAY_LEN(keystores),
		                                .open_transport = open_transport },
		                      .world = w };
}

static struct keystore *open_as(struct world *w, const struct keystore_ops *ops, const char *host,
                                const char *path, const struct keystore_passwords *pw)
{
	struct bytes parts[KEYSTORE_PARTS_MAX] = { { 0 } };
	struct keystore *ks = NULL;
	struct err why = { 0 };
	size_t n = 0;

	for (; n < KEYSTORE_PARTS_MAX && ops->suffixes[n] != NULL; n++) {
		CLEANUP(cleanup_free) char *part = keystore_part_path(path, ops->suffixes[n]);
		const struct vfile *f = world_file(w, host, part);
		if (f != NULL && f->exists) {
			parts[n] = bytes_of(f->data, f->n);
		}
	}
	if (parts[0].p == NULL || !ops->recognises(parts[0])) {
		return NULL;
	}
	return ops->decode(parts, n, pw, &ks, &why) == ERR_OK ? ks : NULL;
}

struct keystore *world_open_store(struct world *w, const char *host, const char *path,
                                  const char *password)
{
	CLEANUP(secret_release) struct secret word = { 0 };
	struct keystore_passwords pw = { 0 };
	struct keystore *ks = NULL;

	if (password != NULL && password[0] != '\0') {
		if (secret_set_str(&word, password) < 0) {
			abort();
		}
		pw.store = &word;
	}
	for (size_t i = 0; ks == NULL && i < ARRAY_LEN(keystores); i++) {
		ks = open_as(w, keystores[i], host, path, &pw);
		/* A certificate alone is also how a split pair begins: only with its key it is one.
		 */
		if (ks != NULL && keystores[i] == &keystore_pem && ks->ops->count(ks) > 0) {
			struct keystore *split = open_as(w, &keystore_pem_split, host, path, &pw);
			struct keystore_entry e = { 0 };
			if (split != NULL && split->ops->count(split) > 0) {
				split->ops->entry(split, 0, &e);
			}
			if (split != NULL && e.kind == KS_KEY) {
				ks->ops->close(ks);
				ks = split;
			} else if (split != NULL) {
				split->ops->close(split);
			}
		}
	}
	return ks;
}

#define DESCRIBED_MAX 64

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void describe_entries(struct world *w, const struct keystore *ks, struct buf *out)
{
	char lines[DESCRIBED_MAX][160];
	size_t n = 0;

	for (size_t i = 0; i < ks->ops->count(ks) && n < DESCRIBED_MAX; i++) {
		struct keystore_entry e = { 0 };
		uint8_t sha256[SHA256_BYTES];
		char name[80];

		ks->ops->entry(ks, i, &e);
		if (e.n_chain == 0) {
			continue;
		}
		pki_sha256(e.chain[0].p, e.chain[0].n, sha256);
		(void)snprintf(lines[n++], sizeof(lines[0]), "%.60s%s%s",
		               ks->ops->has_aliases ? e.alias : "", ks->ops->has_aliases ? "=" : "",
		               names_text(w, sha256, name));
	}
	qsort(lines, n, sizeof(lines[0]), by_text);
	for (size_t i = 0; i < n; i++) {
		buf_printf(out, "%s%s", i == 0 ? "" : " ", lines[i]);
	}
	buf_add_str(out, n == 0 ? "empty" : "");
}

void world_describe_store(struct world *w, const char *host, const char *path, const char *password,
                          struct buf *out)
{
	const struct vfile *f = world_file(w, host, path);
	struct keystore *ks = NULL;

	if (f == NULL || !f->exists) {
		buf_add_str(out, "nothing");
		return;
	}
	ks = world_open_store(w, host, path, password);
	if (ks == NULL) {
		buf_add_str(out, "unreadable");
		return;
	}
	describe_entries(w, ks, out);
	ks->ops->close(ks);
}
