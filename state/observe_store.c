/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * observe_store.c - one keystore: its parts, the format and password that open it, its entries.
 *
 * The format wanted goes first where it recognises the content, then whatever does: a PKCS#12 file
 * under a .jks name is the most common surprise of all. When every password fails, the error of
 * the first format that recognised the content is the one reported.
 *
 * A store of several parts of which some are missing is neither absent nor unreadable. What its
 * codec makes of the rest is reported; where it makes nothing of it, one opaque entry without a
 * name stands for the rest, so that a slot of ours is filled again and somebody else's key file is
 * a conflict instead of an empty place.
 */
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "reconciler/base/str.h"
#include "reconciler/pki/pki.h"
#include "state/observe_rows.h"
#include "state/store_model.h"

#define NAMES_MAX ((size_t)64 << 20)

struct parts {
	struct buf data[KEYSTORE_PARTS_MAX];
	struct bytes view[KEYSTORE_PARTS_MAX]; /* p NULL: absent */
	struct fs_facts facts[KEYSTORE_PARTS_MAX];
	size_t n, n_present;
};

struct opened {
	struct keystore *ks;
	const struct keystore_ops *format;
	int password;
};

static void parts_release(struct parts *p)
{
	for (size_t i = 0; i < KEYSTORE_PARTS_MAX; i++) {
		buf_release(&p->data[i]);
	}
}

static void opened_release(struct opened *op)
{
	if (op->ks != NULL) {
		op->format->close(op->ks);
		op->ks = NULL;
	}
}

static enum err_code read_part(struct transport *t, const char *path, struct parts *p, size_t i,
                               struct err *err)
{
	static const uint8_t empty[1];

	enum err_code rc = t->ops->stat(t, path, &p->facts[i], err);
	if (rc != ERR_OK || !p->facts[i].exists) {
		return rc;
	}
	buf_init_secret(&p->data[i], KEYSTORE_FILE_LIMIT);
	rc = t->ops->read(t, path, KEYSTORE_FILE_LIMIT, &p->data[i], err);
	if (rc != ERR_OK) {
		return rc;
	}
	p->view[i] = buf_view(&p->data[i]);
	if (p->view[i].p == NULL) {
		p->view[i].p = empty; /* there, and of no length */
	}
	p->n_present++;
	return ERR_OK;
}

static enum err_code read_parts(const struct look_store *look, const struct keystore_ops *format,
                                struct parts *p, struct err *err)
{
	for (size_t i = 0; i < KEYSTORE_PARTS_MAX && format->suffixes[i] != NULL; i++) {
		CLEANUP(cleanup_free)
		char *path = keystore_part_path(look->path, format->suffixes[i]);
		if (path == NULL) {
			return err_nomem(err);
		}
		p->n = i + 1;
		enum err_code rc = read_part(look->transport, path, p, i, err);
		/* Gone since it was looked at: absent. */
		if (rc == ERR_NOT_FOUND) {
			err_clear(err);
		} else if (rc != ERR_OK) {
			return rc;
		}
	}
	return ERR_OK;
}

static enum err_code open_as(const struct look_store *look, const struct parts *p,
                             struct opened *op, struct err *err)
{
	const struct keystore_tries tries = { .present = { .store = look->password,
		                                           .key = look->key_password },
		                              .previous = look->previous,
		                              .n_previous = look->n_previous };

	return keystore_open(op->format, p->view, p->n, &tries, &op->ks, &op->password, err);
}

/* Another format than the one wanted may have other parts: they are read for it. */
static enum err_code open_other(const struct look_store *look, struct opened *op, struct err *err)
{
	CLEANUP(parts_release) struct parts p = { .n = 0 };

	enum err_code rc = read_parts(look, op->format, &p, err);
	return rc == ERR_OK ? open_as(look, &p, op, err) : rc;
}

static enum err_code open_others(const struct observer *ob, const struct look_store *look,
                                 const struct parts *p, struct opened *op, struct err *err)
{
	enum err_code first = ERR_INVALID;
	bool told = false;

	for (size_t i = 0; i < ob->ctx->n_formats; i++) {
		struct err why = { .code = ERR_OK };
		op->format = ob->ctx->formats[i];
		if (op->format == look->format || !op->format->recognises(p->view[0])) {
			continue;
		}
		enum err_code rc = open_other(look, op, &why);
		if (rc == ERR_OK || rc == ERR_NOMEM) {
			*err = why;
			return rc;
		}
		if (!told) {
			told = true;
			first = rc;
			*err = why;
		}
	}
	return first;
}

/* On failure `err` is the most telling one. */
static enum err_code open_store(const struct observer *ob, const struct look_store *look,
                                const struct parts *p, struct opened *op, struct err *err)
{
	bool ours =
		p->view[0].p == NULL || p->view[0].n == 0 || look->format->recognises(p->view[0]);
	struct err other = { .code = ERR_OK };

	op->format = look->format;
	enum err_code rc = ours ? open_as(look, p, op, err) : ERR_INVALID;
	/* Part 0 alone may well pass for another format; the others are there and tell what it is.
	 */
	if (rc != ERR_INVALID || (ours && p->n > 1 && p->n_present == p->n)) {
		return rc;
	}
	enum err_code other_rc =
		p->view[0].p == NULL ? ERR_INVALID : open_others(ob, look, p, op, &other);
	if (other_rc == ERR_OK || other_rc == ERR_NOMEM) {
		err_clear(err);
		return other_rc;
	}
	op->format = look->format;
	if (ours) {
		return rc;
	}
	if (other.code != ERR_OK) {
		*err = other;
		return other_rc;
	}
	if (p->view[0].p != NULL && keystore_refuse_foreign(p->view[0], err) != ERR_OK) {
		return ERR_INVALID;
	}
	/* Nobody knows it: the format wanted says what it misses. */
	return open_as(look, p, op, err);
}

static const char *owner_name(struct observer *ob, uint32_t uid)
{
	struct passwd entry;
	struct passwd *found = NULL;
	char space[4096];

	if (ob->owner != NULL && ob->uid == uid) {
		return ob->owner;
	}
	(void)getpwuid_r(uid, &entry, space, sizeof(space), &found);
	ob->uid = uid;
	ob->owner = found != NULL ? arena_str(ob->o->arena, found->pw_name)
	                          : arena_printf(ob->o->arena, "%u", uid);
	return ob->owner;
}

static const char *group_name(struct observer *ob, uint32_t gid)
{
	struct group entry;
	struct group *found = NULL;
	char space[4096];

	if (ob->group != NULL && ob->gid == gid) {
		return ob->group;
	}
	(void)getgrgid_r(gid, &entry, space, sizeof(space), &found);
	ob->gid = gid;
	ob->group = found != NULL ? arena_str(ob->o->arena, found->gr_name)
	                          : arena_printf(ob->o->arena, "%u", gid);
	return ob->group;
}

/* Where a format is several files, those beside part 0 hold the keys. */
static void take_file_facts(struct observer *ob, const struct parts *p, struct obs_store *row)
{
	size_t of = 0;

	row->mode = p->facts[0].mode;
	for (size_t i = 1; i < p->n; i++) {
		if (p->facts[i].exists) {
			row->mode = p->facts[i].mode | (of == 0 ? 0u : row->mode);
			of = i;
		}
	}
	row->owner = owner_name(ob, p->facts[of].uid);
	row->group = group_name(ob, p->facts[of].gid);
	uint8_t sha256[SHA256_BYTES];
	store_digest(p->view, p->n, sha256);
	row->sha256 = arena_copy(ob->o->arena, sha256, sizeof(sha256));
}

static enum err_code take_store(struct observer *ob, const struct opened *op, struct obs_store *row,
                                struct err *err)
{
	enum err_code rc = store_model_take(op->ks, ob->o->arena, ob->o->certs, row, err);

	if (rc == ERR_OK) {
		row->status = LOOK_OK;
		row->password = op->password;
	}
	return rc;
}

static enum err_code take_remains(struct observer *ob, const struct keystore_ops *format,
                                  struct obs_store *row, struct err *err)
{
	struct obs_entry *entry = ARENA_NEW(ob->o->arena, struct obs_entry);

	if (entry == NULL) {
		return err_nomem(err);
	}
	*entry = (struct obs_entry){ .alias = "", .folded = "", .kind = KS_OPAQUE };
	row->status = LOOK_OK;
	row->format = format->type;
	row->password = -1;
	row->entries = entry;
	row->n_entries = 1;
	return ERR_OK;
}

static enum err_code open_and_take(struct observer *ob, const struct look_store *look,
                                   const struct parts *p, struct obs_store *row, struct err *err)
{
	CLEANUP(opened_release) struct opened op = { .ks = NULL };
	struct err why = { .code = ERR_OK };

	enum err_code rc = open_store(ob, look, p, &op, &why);
	if (rc == ERR_OK) {
		return take_store(ob, &op, row, err);
	}
	if (rc == ERR_INVALID && p->n_present < p->n) {
		return take_remains(ob, look->format, row, err);
	}
	if (rc == ERR_DENIED && look->read_only && look->password == NULL) {
		err_clear(&why);
		(void)err_set(&why, rc, "it needs a password: passwordRefs names none");
	}
	row->status = rc == ERR_DENIED ? LOOK_WRONG_PASSWORD : LOOK_UNREADABLE;
	row->error = observe_sentence(ob, &why);
	return rc == ERR_NOMEM || row->error == NULL ? err_nomem(err) : ERR_OK;
}

static enum err_code unresolved(const struct look_store *look, struct obs_store *row,
                                struct arena *a, struct err *err)
{
	row->status = LOOK_UNREACHABLE;
	row->error = arena_str(a, look->unresolved);
	return arena_failed(a) ? err_nomem(err) : ERR_OK;
}

/* An account that has the file already exists. */
static const char *unless_had(const char *wanted, const char *had)
{
	return wanted != NULL && had != NULL && str_equal(wanted, had) ? NULL : wanted;
}

/* Known before anything is issued for it: no such directory, not ours to write, a link out of it
 * (it reads like any other file), no such owner, no room. Silence and a lock pass by themselves. */
static bool would_refuse(const struct look_store *look, const char *suffix,
                         const struct obs_store *row, struct err *why)
{
	CLEANUP(cleanup_free) char *path = keystore_part_path(look->path, suffix);
	const struct transport_write w = { .path = path,
		                           .mode = row->mode,
		                           .owner = unless_had(look->owner, row->owner),
		                           .group = unless_had(look->group, row->group) };

	if (path == NULL) {
		return false;
	}
	enum err_code rc = look->transport->ops->check(look->transport, &w, why);
	if (rc == ERR_INVALID) {
		(void)err_wrap(why, "'%s'", path);
	}
	return rc == ERR_NOT_FOUND || rc == ERR_DENIED || rc == ERR_INVALID || rc == ERR_IO;
}

static void ask_whether_writable(struct observer *ob, const struct look_store *look,
                                 const struct parts *p, struct obs_store *row)
{
	for (size_t i = 0; !look->read_only && i < p->n && row->error == NULL; i++) {
		struct err why = { .code = ERR_OK };

		if (would_refuse(look, look->format->suffixes[i], row, &why)) {
			row->error = observe_sentence(ob, &why);
		}
	}
}

/* A pattern is seen when all of its directories were. */
static enum err_code take_names(const struct look_names *names, struct obs_store *row,
                                struct arena *a, struct err *err)
{
	CLEANUP(buf_release) struct buf all = { 0 };
	struct obs_entry *v = ARENA_ARRAY(a, struct obs_entry, names->n);

	if (v == NULL) {
		return err_nomem(err);
	}
	buf_init(&all, NAMES_MAX);
	for (size_t i = 0; i < names->n; i++) {
		const char *path = arena_str(a, names->v[i]);
		buf_add(&all, names->v[i], strlen(names->v[i]) + 1);
		v[i] = (struct obs_entry){ .alias = path, .folded = path, .kind = KS_OPAQUE };
	}
	/* Another set of files is news, as other content of a file is. */
	uint8_t sha256[SHA256_BYTES];
	pki_sha256(all.p, all.len, sha256);
	row->sha256 = arena_copy(a, sha256, sizeof(sha256));
	row->entries = v;
	row->n_entries = names->n;
	row->error = names->error == NULL ? NULL : arena_str(a, names->error);
	row->status = names->error != NULL ? LOOK_UNREACHABLE
	              : names->n == 0      ? LOOK_ABSENT
	                                   : LOOK_OK;
	return arena_failed(a) || buf_failed(&all) ? err_nomem(err) : ERR_OK;
}

enum err_code observe_store(struct observer *ob, const struct look_store *look,
                            struct obs_store *row, struct err *err)
{
	CLEANUP(parts_release) struct parts p = { .n = 0 };
	struct arena *a = ob->o->arena;
	struct err why = { .code = ERR_OK };

	*row = (struct obs_store){ .target = arena_str(a, look->target),
		                   .host = arena_str(a, look->host),
		                   .path = arena_str(a, look->path),
		                   .at = ob->o->at,
		                   .password = -1 };
	if (look->unresolved != NULL && !look->absent_anyway) {
		return unresolved(look, row, a, err);
	}
	if (look->names != NULL) {
		return take_names(look->names, row, a, err);
	}
	enum err_code rc = read_parts(look, look->format, &p, &why);
	if (rc == ERR_OK && look->unresolved != NULL && p.n_present > 0) {
		return unresolved(look, row, a, err);
	}
	if (rc != ERR_OK) {
		row->status = observe_status(rc);
		row->error = observe_sentence(ob, &why);
		return rc == ERR_NOMEM || arena_failed(a) ? err_nomem(err) : ERR_OK;
	}
	if (p.n_present == 0) {
		row->status = LOOK_ABSENT;
		ask_whether_writable(ob, look, &p, row);
		return arena_failed(a) ? err_nomem(err) : ERR_OK;
	}
	take_file_facts(ob, &p, row);
	if (look->read_only && p.view[0].n == 0) {
		/* Nobody is to fill it: it was cut off, and what was in it is gone. */
		row->status = LOOK_UNREADABLE;
		row->error = arena_str(a, "the file is empty");
		return arena_failed(a) ? err_nomem(err) : ERR_OK;
	}
	rc = open_and_take(ob, look, &p, row, err);
	if (rc == ERR_OK && row->status == LOOK_OK) {
		ask_whether_writable(ob, look, &p, row);
	}
	return rc;
}
