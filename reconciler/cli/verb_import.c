/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_import.c - pairs that exist already: sealed into the state, and the YAML that adopts them.
 *
 * Everything is read and every name is settled before the first key is sealed. Sealing the same
 * pair again changes nothing, so that a run that stopped in the middle is simply repeated.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "reconciler/base/json.h"
#include "reconciler/base/str.h"
#include "reconciler/cli/import_yaml.h"
#include "reconciler/cli/keystore_tool.h"
#include "reconciler/cli/password.h"
#include "reconciler/cli/session.h"
#include "reconciler/cli/verbs.h"

#define DEPTH_MAX 16
#define FILES_MAX 100000

static const struct option_spec options[] = {
	OPTION_PASSWORD,
	OPTION_KEY_PASSWORD,
	OPTION_FORMAT,
	{ "name", 0, "NAME", "what it is called here (default: its common name); one pair only" },
	{ "issuer", 0, "NAME", "the Issuer that renews it (default: the one that signed it)" },
	{ "write", 0, "DIR", "write one YAML file per object instead of printing them" },
	{ "replace", 0, NULL, "what has the name already, sealed or written, may be replaced" },
};

struct found_file {
	const char *path;
	bool named; /* by the user, not found in a directory */
};
struct left_out {
	const char *file, *why;
};

struct importing {
	struct store_tool tool;
	struct session session;
	struct pass pass; /* memory alone */
	struct material material;
	struct {
		struct found_file *v;
		size_t n, cap;
	} files;
	struct {
		struct import_object *v;
		size_t n, cap;
	} objects;
	struct {
		struct left_out *v;
		size_t n, cap;
	} left;
	const char *dir; /* of --write, absolute */
	bool failed;     /* a file could not be read */
};

static void importing_release(struct importing *x)
{
	material_release(&x->material);
	pass_release(&x->pass);
	session_release(&x->session);
	store_tool_release(&x->tool);
}

static enum err_code leave_out(struct importing *x, const char *file, const char *why,
                               struct err *err)
{
	struct left_out *l = ARENA_PUSH(&x->tool.arena, &x->left);

	if (l == NULL) {
		return err_nomem(err);
	}
	*l = (struct left_out){ .file = file, .why = arena_str(&x->tool.arena, why) };
	cli_note(x->tool.cli, "note: left out: %s: %s", file, why);
	return l->why == NULL ? err_nomem(err) : ERR_OK;
}

static enum err_code add_file(struct importing *x, const char *path, bool named, struct err *err)
{
	if (x->files.n == FILES_MAX) {
		return err_set(err, ERR_INVALID, "%s: more than %d files", path, FILES_MAX);
	}
	struct found_file *f = ARENA_PUSH(&x->tool.arena, &x->files);
	if (f == NULL) {
		return err_nomem(err);
	}
	*f = (struct found_file){ .path = path, .named = named };
	return ERR_OK;
}

/* A link may lead back to where we come from; one that leads nowhere is nobody's store. */
static bool leads_away(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode) &&
	       (stat(path, &st) != 0 || S_ISDIR(st.st_mode));
}

static enum err_code walk(struct importing *x, const char *path, unsigned depth, struct err *err)
{
	struct dirent **names = NULL;
	struct stat st;
	enum err_code rc = ERR_OK;

	if (depth > 0 && leads_away(path)) {
		return leave_out(x, path, "a symbolic link to a directory, or to nothing", err);
	}
	if (stat(path, &st) != 0) {
		return err_set_sys(err, errno, "%s", path);
	}
	if (!S_ISDIR(st.st_mode)) {
		return S_ISREG(st.st_mode) || depth == 0 ? add_file(x, path, depth == 0, err)
		                                         : ERR_OK;
	}
	if (depth > DEPTH_MAX) {
		return err_set(err, ERR_INVALID, "%s: directories without end", path);
	}
	int n = scandir(path, &names, /* filter= */ NULL, alphasort);
	if (n < 0) {
		return err_set_sys(err, errno, "%s", path);
	}
	for (int i = 0; i < n; i++) {
		if (rc == ERR_OK && names[i]->d_name[0] != '.') {
			const char *below =
				arena_printf(&x->tool.arena, "%s/%s", path, names[i]->d_name);
			rc = below == NULL ? err_nomem(err) : walk(x, below, depth + 1, err);
		}
		free(names[i]);
	}
	free(names);
	return rc;
}

/* Is it anything of ours? What a directory holds beside keys is nobody's mistake. */
static bool is_material(struct importing *x, const char *path)
{
	CLEANUP(store_file_release) struct store_file f = { 0 };
	const struct registry *r = x->tool.cli->registry;
	const struct keystore_ops *ops = NULL;

	if (store_file_locate(&x->tool, path, &f, /* err= */ NULL) != ERR_OK) {
		return true;
	}
	struct bytes data = buf_view(&f.data[0]);
	return keystore_identify(r->keystores, r->n_keystores, data, &ops, /* err= */ NULL) ==
	               ERR_OK ||
	       keystore_refuse_foreign(data, /* err= */ NULL) != ERR_OK;
}

static enum err_code read_all(struct importing *x, struct err *err)
{
	const struct args *a = x->tool.args;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < a->n_words; i++) {
		rc = walk(x, a->words[i], 0, err);
	}
	for (size_t i = 0; rc == ERR_OK && i < x->files.n; i++) {
		const struct found_file *f = &x->files.v[i];
		struct err why = { 0 };
		if (material_read(&x->material, f->path, &store_words_own, &why) == ERR_OK) {
			continue;
		}
		if (!f->named && why.code == ERR_INVALID && !is_material(x, f->path)) {
			rc = leave_out(x, f->path, "no key and no certificate", err);
			continue;
		}
		x->failed = true;
		(void)cli_fail(x->tool.cli, &why);
	}
	return rc == ERR_OK ? material_match(&x->material, err) : rc;
}

static bool is_anchor(const struct piece *p)
{
	return p->trusted || p->chain.v[0]->is_ca || cert_self_signed(p->chain.v[0]);
}

static const struct import_object *same_pair(const struct importing *x, const struct piece *p)
{
	for (size_t i = 0; i < x->objects.n; i++) {
		const struct piece *other = x->objects.v[i].piece;
		if (other != NULL &&
		    memcmp(other->chain.v[0]->sha256, p->chain.v[0]->sha256, SHA256_BYTES) == 0) {
			return &x->objects.v[i];
		}
	}
	return NULL;
}

static enum err_code add_object(struct importing *x, enum import_kind kind, const struct piece *p,
                                struct err *err)
{
	const struct import_object *same = same_pair(x, p);
	struct import_object *o = NULL;

	if (same != NULL) {
		return str_equal(same->file, p->file)
		               ? ERR_OK
		               : leave_out(x, p->file,
		                           arena_printf(&x->tool.arena, "the same as in %s",
		                                        same->file),
		                           err);
	}
	o = ARENA_PUSH(&x->tool.arena, &x->objects);
	if (o == NULL) {
		return err_nomem(err);
	}
	*o = (struct import_object){ .kind = kind, .file = p->file, .alias = p->alias, .piece = p };
	return ERR_OK;
}

static bool listed(const struct import_object *o, const struct cert *c)
{
	for (size_t i = 0; i < o->n_certs; i++) {
		if (memcmp(o->certs[i]->sha256, c->sha256, SHA256_BYTES) == 0) {
			return true;
		}
	}
	return false;
}

/* Anchors of one file are one CASet. */
static enum err_code add_anchor(struct importing *x, const struct piece *p, struct err *err)
{
	struct arena *a = &x->tool.arena;
	struct import_object *o = NULL;

	for (size_t i = 0; i < x->objects.n; i++) {
		struct import_object *other = &x->objects.v[i];
		o = other->kind == IMPORT_CA_SET && str_equal(other->file, p->file) ? other : o;
	}
	if (o == NULL) {
		o = ARENA_PUSH(a, &x->objects);
		if (o == NULL) {
			return err_nomem(err);
		}
		*o = (struct import_object){
			.kind = IMPORT_CA_SET,
			.file = p->file,
			.alias = "",
			.certs = ARENA_ARRAY(a, const struct cert *, x->material.n),
		};
	}
	if (o->certs == NULL) {
		return err_nomem(err);
	}
	if (!listed(o, p->chain.v[0])) {
		/* the arena's own: const for who reads it */
		((const struct cert **)(uintptr_t)o->certs)[o->n_certs++] = p->chain.v[0];
	}
	return ERR_OK;
}

static enum err_code take(struct importing *x, const struct piece *p, struct err *err)
{
	switch (p->kind) {
	case PIECE_IDENTITY:
		return add_object(x, IMPORT_IDENTITY, p, err);
	case PIECE_CERTIFICATE:
		if (p->used) {
			return ERR_OK;
		}
		return is_anchor(p) ? add_anchor(x, p, err)
		                    : add_object(x, IMPORT_MONITORED, p, err);
	case PIECE_KEY:
		return leave_out(x, p->file, "a private key without its certificate", err);
	case PIECE_SECRET:
		break;
	}
	return leave_out(x, p->file, "a secret key is no identity", err);
}

/* A certificate that lies beside an identity as it is, too, is not watched. */
static enum err_code sort_out(struct importing *x, struct err *err)
{
	static const enum piece_kind order[] = { PIECE_IDENTITY, PIECE_CERTIFICATE, PIECE_KEY,
		                                 PIECE_SECRET };
	const struct material *m = &x->material;
	enum err_code rc = ERR_OK;

	for (size_t k = 0; k < ARRAY_LEN(order); k++) {
		for (size_t i = 0; rc == ERR_OK && i < m->n; i++) {
			rc = m->v[i].kind == order[k] ? take(x, &m->v[i], err) : ERR_OK;
		}
	}
	if (rc == ERR_OK && x->objects.n == 0 && !x->failed) {
		return err_set(err, ERR_NOT_FOUND, "there is nothing to import");
	}
	return rc;
}

static bool name_taken(const struct importing *x, size_t until, const char *name)
{
	for (size_t i = 0; i < until; i++) {
		if (str_equal(x->objects.v[i].name, name)) {
			return true;
		}
	}
	return false;
}

static enum err_code name_all(struct importing *x, struct err *err)
{
	struct arena *a = &x->tool.arena;
	const char *wanted = args_get(x->tool.args, "name");

	if (wanted != NULL && x->objects.n != 1) {
		return err_set(err, ERR_INVALID, "--name names one, and there are %zu",
		               x->objects.n);
	}
	for (size_t i = 0; i < x->objects.n; i++) {
		struct import_object *o = &x->objects.v[i];
		const char *name = wanted != NULL ? wanted : import_name(a, o);
		o->name = name;
		for (size_t k = 2; o->name != NULL && name_taken(x, i, o->name); k++) {
			o->name = arena_printf(a, "%s-%zu", name, k);
		}
		if (o->name == NULL) {
			return err_nomem(err);
		}
	}
	return ERR_OK;
}

static bool has_identities(const struct importing *x)
{
	for (size_t i = 0; i < x->objects.n; i++) {
		if (x->objects.v[i].kind == IMPORT_IDENTITY) {
			return true;
		}
	}
	return false;
}

static enum err_code open_state(struct importing *x, struct err *err)
{
	struct session *s = &x->session;

	enum err_code rc = session_source(s, /* loop= */ false, err);
	if (rc == ERR_OK) {
		rc = session_store(s, STORE_OPERATOR, err);
	}
	return rc == ERR_OK
	               ? memory_load(s->store, &x->pass.arena, &x->pass.certs, &x->pass.memory, err)
	               : rc;
}

static const char *issuer_of(struct importing *x, const struct cert *leaf)
{
	const struct memory *m = x->pass.memory;
	const char *wanted = args_get(x->tool.args, "issuer");

	for (size_t i = 0; wanted == NULL && i < m->n_issuers; i++) {
		for (size_t g = 0; g < m->issuers[i].n_generations; g++) {
			const struct seen_cert *c = m->issuers[i].generations[g].cert;
			const struct cert *ca =
				c == NULL ? NULL : seen_cert_parse(c, &x->tool.arena);
			if (ca != NULL && cert_issued_by(leaf, ca)) {
				return m->issuers[i].name;
			}
		}
	}
	return wanted;
}

static enum err_code compose(struct importing *x, struct import_object *o, struct err *err)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	struct arena *a = &x->tool.arena;

	if (o->kind == IMPORT_IDENTITY) {
		o->issuer = issuer_of(x, o->piece->chain.v[0]);
	}
	buf_init(&out, BUF_LIMIT_TEXT);
	import_yaml(o, &out);
	enum err_code rc = buf_check(&out, o->name, err);
	o->yaml = rc == ERR_OK ? arena_str(a, buf_str(&out)) : NULL;
	o->path = x->dir == NULL ? NULL : arena_printf(a, "%s/%s.yaml", x->dir, o->name);
	return rc != ERR_OK ? rc : arena_failed(a) ? err_nomem(err) : ERR_OK;
}

/* *ret_same: it is there as it shall be. */
static enum err_code look_at_place(struct importing *x, const struct import_object *o,
                                   struct fs_facts *ret, bool *ret_same, struct err *err)
{
	CLEANUP(buf_release) struct buf there = { 0 };

	*ret_same = false;
	enum err_code rc = fs_stat(o->path, ret, err);
	if (rc != ERR_OK || !ret->exists) {
		return rc;
	}
	buf_init(&there, BUF_LIMIT_TEXT);
	rc = fs_read(o->path, BUF_LIMIT_TEXT, &there, err);
	*ret_same = rc == ERR_OK && bytes_equal(buf_view(&there), bytes_of_str(o->yaml));
	if (rc == ERR_OK && !*ret_same && !args_has(x->tool.args, "replace")) {
		(void)err_set(err, ERR_CONFLICT, "%s is there already, with other content",
		              o->path);
		return err_hint(err, "--replace puts the new one in its place");
	}
	return rc;
}

static enum err_code write_one(struct importing *x, const struct import_object *o, struct err *err)
{
	struct fs_facts facts = { 0 };
	bool same = false;
	enum err_code rc = look_at_place(x, o, &facts, &same, err);
	const struct fs_replace r = { .path = o->path,
		                      .data = bytes_of_str(o->yaml),
		                      .mode = 0644,
		                      .uid = FS_NO_ID,
		                      .gid = FS_NO_ID,
		                      .expect = &facts };

	return rc == ERR_OK && !same ? fs_replace(&r, err) : rc;
}

static enum err_code seal_one(struct importing *x, struct import_object *o, struct err *err)
{
	const struct imported_pair pair = { .name = o->name,
		                            .chain = o->piece->chain,
		                            .pkcs8 = &o->piece->pkcs8,
		                            .replace = args_has(x->tool.args, "replace") };

	return store_import(x->session.store, &pair, &o->fresh, err);
}

static enum err_code out_dir(struct importing *x, struct err *err)
{
	const char *word = args_get(x->tool.args, "write");
	CLEANUP(cleanup_free) char *real = NULL;

	if (word == NULL) {
		return ERR_OK;
	}
	enum err_code rc = path_absolute(word, &x->tool.arena, &x->dir, err);
	if (rc == ERR_OK) {
		rc = fs_make_dirs(x->dir, 0755, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	real = realpath(x->dir, /* resolved= */ NULL);
	x->dir = real == NULL ? NULL : arena_str(&x->tool.arena, real);
	return x->dir == NULL ? err_set_sys(err, errno, "%s", word) : ERR_OK;
}

static enum err_code import_all(struct importing *x, struct err *err)
{
	struct fs_facts facts;
	bool same = false;
	enum err_code rc = has_identities(x) ? open_state(x, err) : ERR_OK;

	if (rc == ERR_OK) {
		rc = out_dir(x, err);
	}
	for (size_t i = 0; rc == ERR_OK && i < x->objects.n; i++) {
		rc = compose(x, &x->objects.v[i], err);
		if (rc == ERR_OK && x->dir != NULL) {
			rc = look_at_place(x, &x->objects.v[i], &facts, &same, err);
		}
	}
	for (size_t i = 0; rc == ERR_OK && i < x->objects.n; i++) {
		rc = x->objects.v[i].kind == IMPORT_IDENTITY ? seal_one(x, &x->objects.v[i], err)
		                                             : ERR_OK;
	}
	for (size_t i = 0; rc == ERR_OK && x->dir != NULL && i < x->objects.n; i++) {
		rc = write_one(x, &x->objects.v[i], err);
	}
	return rc;
}

static void object_json(const struct import_object *o, struct json_writer *w)
{
	char fingerprint[CERT_FINGERPRINT_TEXT];
	const struct cert *leaf = o->piece == NULL ? NULL : o->piece->chain.v[0];

	json_begin_object(w);
	json_member_str(w, "kind", import_kind_name(o->kind));
	json_member_str(w, "name", o->name);
	json_member_str(w, "file", o->file);
	json_member_str(w, "alias", o->alias[0] == '\0' ? NULL : o->alias);
	if (leaf != NULL) {
		fingerprint_format(leaf->sha256, fingerprint);
		json_member_str(w, "sha256", fingerprint);
		json_member_str(w, "subject", leaf->subject);
		json_member_time(w, "notAfter", leaf->not_after.s);
	} else {
		json_member_int(w, "certificates", (int64_t)o->n_certs);
	}
	json_member_bool(w, "sealed", o->kind == IMPORT_IDENTITY);
	json_member_bool(w, "new", o->fresh);
	json_member_str(w, "issuer", o->issuer);
	json_member_str(w, "written", o->path);
	json_member_str(w, "yaml", o->yaml);
	json_end_object(w);
}

static void print_json(const struct importing *x, struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out, /* pretty= */ true);
	json_begin_object(&w);
	json_key(&w, "objects");
	json_begin_array(&w);
	for (size_t i = 0; i < x->objects.n; i++) {
		object_json(&x->objects.v[i], &w);
	}
	json_end_array(&w);
	json_key(&w, "leftOut");
	json_begin_array(&w);
	for (size_t i = 0; i < x->left.n; i++) {
		json_begin_object(&w);
		json_member_str(&w, "file", x->left.v[i].file);
		json_member_str(&w, "message", x->left.v[i].why);
		json_end_object(&w);
	}
	json_end_array(&w);
	json_end_object(&w);
	buf_add_byte(out, '\n');
}

static void print_text(struct importing *x, struct buf *out)
{
	for (size_t i = 0; i < x->objects.n; i++) {
		const struct import_object *o = &x->objects.v[i];
		if (o->path != NULL) {
			buf_printf(out, "%s %s: ", import_kind_name(o->kind), o->name);
			str_escape_terminal(out, o->path, strlen(o->path));
			buf_add_byte(out, '\n');
		} else {
			buf_printf(out, "%s%s", i == 0 ? "" : "---\n", o->yaml);
		}
		if (o->kind == IMPORT_IDENTITY) {
			cli_note(x->tool.cli, "note: the key of %s is %s the state as '%s'",
			         o->file, o->fresh ? "sealed into" : "already in", o->name);
		}
	}
}

static int run(struct cli *c, const struct args *a)
{
	CLEANUP(importing_release) struct importing x = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };
	struct err err = { 0 };

	store_tool_init(&x.tool, c, a);
	material_init(&x.material, &x.tool);
	session_init(&x.session, c, a);
	arena_init(&x.pass.arena);
	seen_certs_init(&x.pass.certs, &x.pass.arena);
	enum err_code rc = read_all(&x, &err);
	if (rc == ERR_OK) {
		rc = sort_out(&x, &err);
	}
	if (rc == ERR_OK) {
		rc = name_all(&x, &err);
	}
	if (rc == ERR_OK) {
		rc = import_all(&x, &err);
	}
	if (rc != ERR_OK) {
		return cli_fail(c, &err);
	}
	buf_init(&out, BUF_LIMIT_TEXT);
	if (c->output == OUTPUT_JSON) {
		print_json(&x, &out);
	} else {
		print_text(&x, &out);
	}
	int printed = cli_print(c, &out);
	return printed == EXIT_FINE && x.failed ? EXIT_ERROR : printed;
}

const struct verb verb_import = {
	.name = "import",
	.synopsis = "FILE|DIR... [--password-ref REF] [--name NAME] [--issuer NAME] [--write DIR]",
	.summary = "take in pairs that exist: seal their keys, print the YAML that adopts them",
	.text = "PEM, PKCS#12, JKS, JCEKS, BCFKS, DER and P7B, found by content; a key finds its certificate and a chain its issuers in any of the files. Each pair is sealed into the state and becomes a Certificate with spec.adopt.imported: delivered as it is, nothing issued before its own renewal. A certificate without its key becomes a Monitored one, certificates of CAs and trusted entries a CASet. Of a DIR everything below it is read. Sealing a pair again changes nothing; what was adopted is forgotten here, and `state forget NAME` drops what never shall be.",
	.example =
		"certwright import old-server.p12 --password-ref file:/root/old.password --write fleet/imported",
	.exits = "0, 1 error (a file could not be read, a name is taken)",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.min_words = 1,
	.max_words = 10000,
	.run = run,
};
