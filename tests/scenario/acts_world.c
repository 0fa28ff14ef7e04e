/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * acts_world.c - statements that make the world, or change it behind the reconciler's back.
 */
#include <stdio.h>

#include "reconciler/base/str.h"
#include "tests/scenario/script.h"

struct server *server_named(struct stage *st, const struct statement *s, const char *name)
{
	const char *slash = name == NULL ? NULL : strchr(name, '/');
	CLEANUP(cleanup_free)
	char *host = slash == NULL ? NULL : str_printf("%.*s", (int)(slash - name), name);
	struct server *found = host == NULL ? NULL : world_server(st->lab.world, host, slash + 1);

	if (found == NULL) {
		(void)say_failed(s, "no server %s; servers are HOST/NAME",
		                 name == NULL ? "" : name);
	}
	return found;
}

static void put_path(char out[160], const char *path)
{
	(void)snprintf(out, 160, "%s", path == NULL ? "" : path);
}

/* server HOST NAME PORT [identity=PATH] [trust=PATH] [password=WORD] [alias=WORD]
 * [clients=required] */
static bool act_server(struct stage *st, const struct statement *s)
{
	int64_t port = 0;

	if (s->n < 4 || !str_to_i64(s->v[3], 1, 65535, &port)) {
		return say_failed(s, "server HOST NAME PORT [identity=] [trust=] [password=]");
	}
	struct server *x = world_server_add(st->lab.world, s->v[1], s->v[2], (int)port);
	const char *password = word_value(s, "password");
	put_path(x->identity, word_value(s, "identity"));
	put_path(x->trust, word_value(s, "trust"));
	const char *alias = word_value(s, "alias");
	(void)snprintf(x->password, sizeof(x->password), "%s", password == NULL ? "" : password);
	(void)snprintf(x->alias, sizeof(x->alias), "%s", alias == NULL ? "" : alias);
	x->wants_clients = str_equal(word_value(s, "clients"), "required");
	return true;
}

static bool act_trusts(struct stage *st, const struct statement *s)
{
	const struct server *v = server_named(st, s, s->n == 3 ? s->v[1] : NULL);
	const struct server *p = v == NULL ? NULL : server_named(st, s, s->v[2]);

	if (p == NULL) {
		return false;
	}
	world_relation_add(st->lab.world, v, p);
	return true;
}

static bool act_peers(struct stage *st, const struct statement *s)
{
	struct world *w = st->lab.world;

	for (size_t i = 0; i < w->n_servers; i++) {
		for (size_t k = 0; k < w->n_servers; k++) {
			if (i != k && str_equal(w->servers[i].name, s->v[1]) &&
			    str_equal(w->servers[k].name, s->v[1])) {
				world_relation_add(w, &w->servers[i], &w->servers[k]);
			}
		}
	}
	return w->n_relations > 0 || say_failed(s, "there are no two servers of that name");
}

static bool act_fault(struct stage *st, const struct statement *s)
{
	struct world *w = st->lab.world;
	int64_t times = 1000000;

	if (s->n < 3) {
		return say_failed(
			s, "fault unreachable|writes|activation|deaf HOST, fault issuer HOW [N]");
	}
	if (str_equal(s->v[1], "issuer")) {
		if (s->n > 3 && !str_to_i64(s->v[3], 1, 1000000, &times)) {
			return say_failed(s, "how often?");
		}
		w->issuer_faults_left = (unsigned)times;
		w->issuer_fault = str_equal(s->v[2], "net")            ? ISSUER_NET
		                  : str_equal(s->v[2], "rate-limited") ? ISSUER_RATE_LIMITED
		                                                       : ISSUER_REFUSED;
		return true;
	}
	if (str_equal(s->v[1], "file")) {
		struct vfile *f = s->n == 4 ? world_file(w, s->v[2], s->v[3]) : NULL;
		if (f == NULL) {
			return say_failed(s, "fault file HOST PATH, of a file that was there");
		}
		f->refuses = true;
		return true;
	}
	for (size_t i = 2; i < s->n; i++) {
		struct vhost *h = world_host(w, s->v[i]);
		h->unreachable |= str_equal(s->v[1], "unreachable");
		h->writes_fail |= str_equal(s->v[1], "writes");
		h->activation_fails |= str_equal(s->v[1], "activation");
		h->deaf |= str_equal(s->v[1], "deaf");
	}
	return true;
}

static bool act_heal(struct stage *st, const struct statement *s)
{
	struct world *w = st->lab.world;

	w->issuer_faults_left = 0;
	for (size_t i = 0; i < w->n_files; i++) {
		w->files[i].refuses = false;
	}
	for (size_t i = 0; i < w->n_hosts; i++) {
		struct vhost *h = &w->hosts[i];
		if (s->n < 2 || str_equal(h->name, s->v[1])) {
			h->unreachable = false;
			h->writes_fail = false;
			h->activation_fails = false;
			h->deaf = false;
		}
	}
	return true;
}

/* overwrite HOST PATH with previous|garbage|mismatch|foreign [format=] [alias=] [password=] */
static bool act_overwrite(struct stage *st, const struct statement *s)
{
	static const char garbage[] = "this is no keystore\n";
	struct world *w = st->lab.world;
	const char *how = word_after(s, "with");
	const char *password = word_value(s, "password");
	const char *format = word_value(s, "format");
	const char *alias = word_value(s, "alias");

	if (s->n < 5 || how == NULL) {
		return say_failed(s, "overwrite HOST PATH with WHAT");
	}
	const struct vfile *f = world_file(w, s->v[1], s->v[2]);
	if (str_equal(how, "garbage")) {
		world_put(w, s->v[1], s->v[2], bytes_of_str(garbage));
	} else if (str_equal(how, "previous")) {
		if (f == NULL || f->n_before == 0) {
			return say_failed(s, "nothing stood there before");
		}
		CLEANUP(buf_release) struct buf before = { 0 };
		buf_init(&before, WORLD_FILE_BYTES);
		buf_add(&before, f->before, f->n_before);
		world_put(w, s->v[1], s->v[2], buf_view(&before));
	} else if (str_equal(how, "mismatch")) {
		if (!pair_mix(w, s->v[1], s->v[2], password)) {
			return say_failed(s, "there is no key entry in it");
		}
	} else {
		struct stranger x = { .format = format == NULL ? "pem" : format,
			              .alias = alias == NULL ? "web" : alias,
			              .password = password,
			              .name = how };
		pair_put(w, s->v[1], s->v[2], &x);
	}
	return true;
}

/* append HOST PATH with NAME: a stranger's certificate at the end of a PEM bundle */
static bool act_append(struct stage *st, const struct statement *s)
{
	struct world *w = st->lab.world;
	const char *name = word_after(s, "with");
	const struct vfile *f = s->n == 5 ? world_file(w, s->v[1], s->v[2]) : NULL;
	CLEANUP(buf_release) struct buf all = { 0 };
	struct keystore_entry e = { .alias = NULL };

	if (f == NULL || !f->exists || name == NULL) {
		return say_failed(s, "append HOST PATH with NAME, to a file that is there");
	}
	const struct stranger x = { .format = "pem", .alias = "x", .name = name };
	pair_put(w, "elsewhere", "/x.pem", &x);
	struct keystore *ks = world_open_store(w, "elsewhere", "/x.pem", /* password= */ NULL);
	if (ks == NULL) {
		return say_failed(s, "the stranger does not open");
	}
	ks->ops->entry(ks, 0, &e);
	buf_init(&all, WORLD_FILE_BYTES);
	buf_add(&all, f->data, f->n);
	der_to_pem(e.chain[0], "CERTIFICATE", &all);
	ks->ops->close(ks);
	world_put(w, s->v[1], s->v[2], buf_view(&all));
	return true;
}

static bool act_remove(struct stage *st, const struct statement *s)
{
	return (s->n == 3 && world_remove(st->lab.world, s->v[1], s->v[2])) ||
	       say_failed(s, "there is no such file");
}

static bool act_copy(struct stage *st, const struct statement *s)
{
	const struct vfile *f = s->n != 5 ? NULL : world_file(st->lab.world, s->v[1], s->v[2]);

	if (f == NULL || !f->exists) {
		return say_failed(s, "copy HOST PATH HOST PATH, of a file that is there");
	}
	CLEANUP(buf_release) struct buf data = { 0 };
	buf_init(&data, WORLD_FILE_BYTES);
	buf_add(&data, f->data, f->n);
	world_put(st->lab.world, s->v[3], s->v[4], buf_view(&data));
	return true;
}

static bool act_put(struct stage *st, const struct statement *s)
{
	if (s->n != 3) {
		return say_failed(s, "put HOST PATH, and the text below it");
	}
	world_put(st->lab.world, s->v[1], s->v[2], bytes_of_str(s->body));
	return true;
}

static bool act_chmod(struct stage *st, const struct statement *s)
{
	struct vfile *f = s->n == 4 ? world_file(st->lab.world, s->v[1], s->v[2]) : NULL;
	uint32_t mode = 0;

	for (const char *p = f == NULL ? "" : s->v[3]; *p >= '0' && *p <= '7'; p++) {
		mode = mode * 8 + (uint32_t)(*p - '0');
	}
	if (f == NULL) {
		return say_failed(s, "chmod HOST PATH MODE");
	}
	f->mode = mode;
	return true;
}

static bool act_chown(struct stage *st, const struct statement *s)
{
	struct vfile *f = s->n == 4 ? world_file(st->lab.world, s->v[1], s->v[2]) : NULL;
	struct err why = { 0 };

	return (f != NULL && fs_uid_of(s->v[3], &f->uid, &why) == ERR_OK) ||
	       say_failed(s, "chown HOST PATH USER");
}

/* load|start|stop HOST/NAME: somebody else does it */
static bool act_service(struct stage *st, const struct statement *s)
{
	struct server *x = server_named(st, s, s->n == 2 ? s->v[1] : NULL);

	if (x == NULL) {
		return false;
	}
	if (str_equal(s->v[0], "stop")) {
		x->up = false;
		return true;
	}
	if (!server_load(st->lab.world, x)) {
		return say_failed(s, "its files do not load");
	}
	x->up = true;
	world_check_handshakes(st->lab.world);
	return true;
}

/* serve HOST/NAME foreign: whatever lies in its files */
static bool act_serve(struct stage *st, const struct statement *s)
{
	struct server *x = server_named(st, s, s->n == 3 ? s->v[1] : NULL);
	char path[] = "/elsewhere.pem";
	char kept[160];

	if (x == NULL) {
		return false;
	}
	const struct stranger other = { .format = "pem", .alias = "web", .name = s->v[2] };
	pair_put(st->lab.world, x->host, path, &other);
	memcpy(kept, x->identity, sizeof(kept));
	put_path(x->identity, path);
	bool loads = server_load(st->lab.world, x);
	memcpy(x->identity, kept, sizeof(kept));
	x->up = true;
	return loads || say_failed(s, "it does not load");
}

static bool remember_key(struct stage *st, const struct statement *s)
{
	const struct server *x = server_named(st, s, s->v[2]);
	const struct cert *leaf = x == NULL ? NULL : server_leaf(x, &st->arena);

	if (leaf == NULL) {
		return say_failed(s, "it serves nothing");
	}
	memcpy(st->key, leaf->spki_sha256, sizeof(st->key));
	return true;
}

static bool act_remember(struct stage *st, const struct statement *s)
{
	if (s->n == 3 && str_equal(s->v[1], "key")) {
		return remember_key(st, s);
	}
	const struct vfile *f = s->n == 3 ? world_file(st->lab.world, s->v[1], s->v[2]) : NULL;
	if (f == NULL || st->n_remembered == ARRAY_LEN(st->remembered)) {
		return say_failed(s, "remember HOST PATH, of a file that is there");
	}
	st->remembered[st->n_remembered++] =
		(struct remembered){ .host = s->v[1], .path = s->v[2], .writes = f->writes };
	return true;
}

static const struct {
	const char *word;
	act *act;
} acts[] = {
	{ "server", act_server }, { "trusts", act_trusts },     { "peers", act_peers },
	{ "fault", act_fault },   { "heal", act_heal },         { "overwrite", act_overwrite },
	{ "remove", act_remove }, { "copy", act_copy },         { "append", act_append },
	{ "put", act_put },       { "chown", act_chown },       { "chmod", act_chmod },
	{ "load", act_service },  { "start", act_service },     { "stop", act_service },
	{ "serve", act_serve },   { "remember", act_remember },
};

bool act_on_world(struct stage *st, const struct statement *s, bool *ret_known)
{
	for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
		if (str_equal(s->v[0], acts[i].word)) {
			*ret_known = true;
			return acts[i].act(st, s);
		}
	}
	return true;
}
