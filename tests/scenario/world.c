/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world.c - tables of fixed size: a mapping that two processes share cannot grow.
 */
#include "tests/scenario/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "reconciler/base/str.h"

struct world *world_new(struct wall start)
{
	void *p = mmap(/* addr= */ NULL, sizeof(struct world), PROT_READ | PROT_WRITE,
	               MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("mmap");
		abort();
	}
	struct world *w = p;
	clock_manual_init(&w->clock, start);
	w->next_ino = 100;
	return w;
}

void world_free(struct world *w)
{
	if (w != NULL) {
		(void)munmap(w, sizeof(*w));
	}
}

/* A scenario that does not fit is a mistake in the scenario. */
static void put_text(char *out, size_t size, const char *s)
{
	int n = snprintf(out, size, "%s", s);

	if (n < 0 || (size_t)n >= size) {
		fprintf(stderr, "too long for the world: %s\n", s);
		abort();
	}
}

static void must_fit(size_t n, size_t max, const char *what)
{
	if (n >= max) {
		fprintf(stderr, "too many %s for the world\n", what);
		abort();
	}
}

struct vhost *world_host(struct world *w, const char *name)
{
	for (size_t i = 0; i < w->n_hosts; i++) {
		if (str_equal(w->hosts[i].name, name)) {
			return &w->hosts[i];
		}
	}
	must_fit(w->n_hosts, WORLD_HOSTS, "hosts");
	struct vhost *h = &w->hosts[w->n_hosts++];
	put_text(h->name, sizeof(h->name), name);
	return h;
}

struct vfile *world_file(struct world *w, const char *host, const char *path)
{
	for (size_t i = 0; i < w->n_files; i++) {
		if (str_equal(w->files[i].path, path) && str_equal(w->files[i].host, host)) {
			return &w->files[i];
		}
	}
	return NULL;
}

static struct vfile *file_place(struct world *w, const char *host, const char *path)
{
	struct vfile *f = world_file(w, host, path);

	for (size_t i = 0; f == NULL && i < w->n_files; i++) {
		/* Backups that were pruned make room. */
		if (!w->files[i].exists && strstr(w->files[i].path, ".certwright-") != NULL) {
			f = &w->files[i];
			f->n_before = 0;
		}
	}
	if (f == NULL) {
		must_fit(w->n_files, WORLD_FILES, "files");
		f = &w->files[w->n_files++];
	}
	put_text(f->host, sizeof(f->host), host);
	put_text(f->path, sizeof(f->path), path);
	return f;
}

void world_put(struct world *w, const char *host, const char *path, struct bytes data)
{
	struct vfile *f = file_place(w, host, path);

	must_fit(data.n, WORLD_FILE_BYTES, "bytes of a file");
	if (f->exists) {
		memcpy(f->before, f->data, f->n);
		f->n_before = f->n;
	} else {
		f->mode = 0600;
		f->uid = (uint32_t)geteuid();
		f->gid = (uint32_t)getegid();
	}
	f->exists = true;
	f->ino = w->next_ino++;
	f->mtime_ns = w->clock.wall_now.s * 1000000000 + (int64_t)(f->ino % 1000000000);
	f->writes++;
	f->n = data.n;
	if (data.n > 0) {
		memcpy(f->data, data.p, data.n);
	}
}

bool world_remove(struct world *w, const char *host, const char *path)
{
	struct vfile *f = world_file(w, host, path);

	if (f == NULL || !f->exists) {
		return false;
	}
	memcpy(f->before, f->data, f->n);
	f->n_before = f->n;
	f->exists = false;
	f->writes++;
	return true;
}

struct server *world_server(struct world *w, const char *host, const char *name)
{
	for (size_t i = 0; i < w->n_servers; i++) {
		if (str_equal(w->servers[i].host, host) && str_equal(w->servers[i].name, name)) {
			return &w->servers[i];
		}
	}
	return NULL;
}

struct server *world_server_at(struct world *w, const char *host, int port)
{
	for (size_t i = 0; i < w->n_servers; i++) {
		if (str_equal(w->servers[i].host, host) && w->servers[i].port == port) {
			return &w->servers[i];
		}
	}
	return NULL;
}

struct server *world_server_add(struct world *w, const char *host, const char *name, int port)
{
	must_fit(w->n_servers, WORLD_SERVERS, "servers");
	struct server *s = &w->servers[w->n_servers++];

	*s = (struct server){ .port = port };
	put_text(s->host, sizeof(s->host), host);
	put_text(s->name, sizeof(s->name), name);
	(void)world_host(w, host);
	return s;
}

void world_relation_add(struct world *w, const struct server *verifier,
                        const struct server *presenter)
{
	must_fit(w->n_relations, WORLD_RELATIONS, "relations");
	w->relations[w->n_relations++] =
		(struct relation){ .verifier = (size_t)(verifier - w->servers),
		                   .presenter = (size_t)(presenter - w->servers) };
}

void world_event(struct world *w)
{
	w->events++;
	if (w->crash_at != 0 && w->events == w->crash_at) {
		_exit(WORLD_CRASH_EXIT);
	}
}

void world_broken(struct world *w, const char *fmt, ...)
{
	va_list ap;

	if (w->broken[0] != '\0') {
		return;
	}
	va_start(ap, fmt);
	(void)vsnprintf(w->broken, sizeof(w->broken), fmt, ap);
	va_end(ap);
}
