/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_save.c - a keystore back into its files.
 *
 * What was encoded is decoded again before anything is written: a store that its own reader does
 * not open, or that lacks an entry, never reaches the disk. All parts are checked before the first
 * is written, and the key goes before the certificate.
 *
 * A large store is not held three times: of the one that was encoded no more than digests are left
 * when it is read back. Without aliases that cannot be: what is the counterpart of what is known
 * only with both sides at hand.
 */
#include <string.h>

#include "reconciler/base/str.h"
#include "reconciler/cli/store_file.h"

#define MODE_NEW 0600u

struct saving {
	struct store_file *f;
	const struct keystore_encode *how;
	struct keystore_part parts[KEYSTORE_PARTS_MAX];
	size_t n;
	struct keystore *again; /* what was encoded, as a reader opens it */
	/* Of what was encoded, where f->ks is gone by then. */
	size_t n_entries;
	bool meant_known;
	struct store_meaning meant;
};

static void saving_release(struct saving *s)
{
	if (s->again != NULL) {
		s->again->ops->close(s->again);
	}
	for (size_t i = 0; i < s->n; i++) {
		keystore_part_release(&s->parts[i]);
	}
}

/* A large store is in memory often enough. */
static void forget_files(struct store_file *f)
{
	for (size_t i = 0; i < KEYSTORE_PARTS_MAX; i++) {
		struct bytes was = buf_view(&f->data[i]);

		if (!f->was[i].known) {
			pki_sha256(was.p, was.n, f->was[i].sha256);
			f->was[i].known = true;
		}
	}
	store_file_forget(f);
}

/* Of a store that may be closed then: each certificate of the next is borrowed from there. */
static enum err_code mean(struct store_file *f, const struct keystore *ks,
                          struct store_meaning *ret, struct err *err)
{
	CLEANUP(arena_release) struct arena arena = { 0 };
	struct store_model m = { .details = NULL };

	if (f->certs.arena == NULL) {
		arena_init(&f->certs_arena);
		seen_certs_init(&f->certs, &f->certs_arena);
		f->certs.borrow = true;
	}
	arena_init(&arena);
	enum err_code rc = store_model(ks, &arena, &f->certs, &m, err);
	return rc == ERR_OK ? store_model_meaning(&m, ret, err) : rc;
}

static enum err_code note_model(struct store_file *f, bool ks_stays, struct err *err)
{
	struct seen_certs *certs = &f->tool->certs;
	bool borrow = certs->borrow;

	certs->borrow = ks_stays;
	enum err_code rc = store_model(f->ks, &f->tool->arena, certs, &f->before, err);
	certs->borrow = borrow;
	return rc;
}

static enum err_code note_meaning(struct store_file *f, struct err *err)
{
	const char *profile = f->ops->profile(f->ks);
	const char *kept = profile == NULL ? NULL : arena_str(&f->tool->arena, profile);

	if (profile != NULL && kept == NULL) {
		return err_nomem(err);
	}
	f->before = (struct store_model){ .row = { .format = f->ops->type, .profile = kept } };
	return mean(f, f->ks, &f->meaning, err);
}

enum err_code store_file_note(struct store_file *f, bool ks_stays, struct err *err)
{
	forget_files(f);
	enum err_code rc =
		f->ops->has_aliases ? note_meaning(f, err) : note_model(f, ks_stays, err);
	f->noted = rc == ERR_OK;
	return rc;
}

/* Two entries of one alias, or what has none to speak of: not all of them may be found again. */
static bool may_be_fewer(const struct keystore *ks)
{
	for (size_t i = 0; i < ks->ops->count(ks); i++) {
		struct keystore_entry e = { .alias = NULL };
		ks->ops->entry(ks, i, &e);
		if (e.kind == KS_OPAQUE || (e.warnings & KS_WARN_DUPLICATE_ALIAS) != 0) {
			return true;
		}
	}
	return false;
}

static enum err_code let_go(struct saving *s, struct err *err)
{
	struct store_file *f = s->f;
	enum err_code rc = ERR_OK;

	if (!f->ops->has_aliases) {
		return ERR_OK;
	}
	s->n_entries = f->ops->count(f->ks);
	s->meant_known = may_be_fewer(f->ks);
	if (s->meant_known) {
		rc = mean(f, f->ks, &s->meant, err);
	}
	f->ops->close(f->ks);
	f->ks = NULL;
	return rc;
}

static enum err_code read_back(struct saving *s, struct err *err)
{
	struct bytes views[KEYSTORE_PARTS_MAX] = { 0 };

	for (size_t i = 0; i < s->n; i++) {
		views[i] = secret_view(&s->parts[i].bytes);
	}
	enum err_code rc = s->f->ops->decode(views, s->n, &s->how->passwords, &s->again, err);
	return rc == ERR_OK ? rc : err_wrap(err, "reading back what would be written");
}

static enum err_code compare(struct store_file *f, const struct store_model *a,
                             const struct store_model *b, bool dates, bool *ret_same,
                             struct err *err)
{
	const struct store_difference *v = NULL;
	size_t n = 0;
	enum err_code rc = store_model_diff(a, b, dates, &f->tool->arena, &v, &n, err);

	*ret_same = rc == ERR_OK && n == 0;
	return rc;
}

static enum err_code incomplete(const struct saving *s, struct err *err)
{
	return err_set(err, ERR_BUG, "%s: what would be written lacks an entry", s->f->shown);
}

/* The readers of the file must find what was put into the store. */
static enum err_code check_complete(struct saving *s, const struct store_model *after,
                                    struct err *err)
{
	struct store_file *f = s->f;
	struct store_model meant;
	bool same = false;

	/* Chains that Java rebuilds are longer for a reader than when they were put in. */
	if (f->ks->ops->count(f->ks) == after->row.n_entries) {
		return ERR_OK;
	}
	enum err_code rc = store_model(f->ks, &f->tool->arena, &f->tool->certs, &meant, err);
	if (rc != ERR_OK) {
		return rc;
	}
	rc = compare(f, &meant, after, /* dates= */ false, &same, err);
	return rc != ERR_OK || same ? rc : incomplete(s, err);
}

/* Does the file open with the passwords it shall have, and with its keys under theirs? */
static bool passwords_stay(const struct saving *s)
{
	struct store_file *f = s->f;
	struct keystore_passwords old = store_file_passwords(f);
	const struct secret *was_key = old.key != NULL ? old.key : old.store;
	const struct keystore_passwords *new_pw = &s->how->passwords;
	const struct secret *is_key = new_pw->key != NULL ? new_pw->key : new_pw->store;

	return (old.store == NULL) == (new_pw->store == NULL) &&
	       (old.store == NULL || secret_equal(old.store, new_pw->store)) &&
	       (was_key == NULL) == (is_key == NULL) &&
	       (was_key == NULL || secret_equal(was_key, is_key));
}

/* Whatever its entries mean. */
static bool is_other(const struct saving *s, const char *format, const char *profile)
{
	const struct obs_store *before = &s->f->before.row;

	return !s->f->noted || !passwords_stay(s) || !str_equal(before->format, format) ||
	       !str_equal(before->profile, profile);
}

static enum err_code means_the_same(struct saving *s, bool *ret, struct err *err)
{
	const struct store_file *f = s->f;
	const struct keystore_ops *ops = f->ops;
	struct store_meaning after;
	enum err_code rc = mean(s->f, s->again, &after, err);

	if (rc == ERR_OK && ops->count(s->again) != s->n_entries &&
	    (!s->meant_known || memcmp(after.sha256, s->meant.sha256, SHA256_BYTES) != 0)) {
		return incomplete(s, err);
	}
	*ret = rc == ERR_OK && !is_other(s, ops->type, ops->profile(s->again)) &&
	       memcmp(f->ignore_dates ? after.sha256 : after.dated,
	              f->ignore_dates ? f->meaning.sha256 : f->meaning.dated, SHA256_BYTES) == 0;
	return rc;
}

static enum err_code is_unchanged(struct saving *s, bool *ret, struct err *err)
{
	struct store_file *f = s->f;
	struct store_model after;

	*ret = false;
	if (f->ops->has_aliases) {
		return means_the_same(s, ret, err);
	}
	enum err_code rc = store_model(s->again, &f->tool->arena, &f->tool->certs, &after, err);
	if (rc == ERR_OK) {
		rc = check_complete(s, &after, err);
	}
	if (rc != ERR_OK || is_other(s, after.row.format, after.row.profile)) {
		return rc;
	}
	return compare(f, &f->before, &after, !f->ignore_dates, ret, err);
}

static struct fs_replace part_replace(const struct saving *s, size_t i)
{
	const struct store_file *f = s->f;
	const struct fs_facts *was = &f->facts[i];

	return (struct fs_replace){
		.path = f->part_path[i],
		.data = secret_view(&s->parts[i].bytes),
		.mode = was->exists ? was->mode : MODE_NEW,
		.uid = was->exists ? was->uid : FS_NO_ID,
		.gid = was->exists ? was->gid : FS_NO_ID,
		.expect = was,
	};
}

static bool part_same(const struct saving *s, size_t i)
{
	uint8_t is[SHA256_BYTES];

	pki_sha256(s->parts[i].bytes.p, s->parts[i].bytes.n, is);
	return s->f->facts[i].exists && memcmp(s->f->was[i].sha256, is, sizeof(is)) == 0;
}

/* What a run that was killed left beside it holds keys. */
static void sweep(const struct store_file *f)
{
	const char *slash = strrchr(f->path, '/');
	const char *dir = slash == f->path
	                          ? "/"
	                          : arena_strn(&f->tool->arena, f->path, (size_t)(slash - f->path));
	const struct clock *clock = f->tool->cli->clock;

	if (dir != NULL) {
		(void)fs_sweep_temps(dir, clock->wall(clock), /* ret_removed= */ NULL,
		                     /* err= */ NULL);
	}
}

static enum err_code write_parts(struct saving *s, struct err *err)
{
	const struct store_file *f = s->f;
	enum err_code rc = ERR_OK;

	for (size_t i = 1; i < s->n; i++) {
		if (str_equal(f->part_path[i], f->part_path[0])) {
			(void)err_set(err, ERR_INVALID, "this is the file of the key alone");
			return err_hint(err, "name the file of its certificate: the key is found "
			                     "beside it");
		}
	}
	for (size_t i = s->n; i > 0 && rc == ERR_OK; i--) {
		struct fs_replace r = part_replace(s, i - 1);
		rc = part_same(s, i - 1) ? ERR_OK : fs_replace_check(&r, err);
	}
	if (rc == ERR_OK) {
		sweep(f);
	}
	for (size_t i = s->n; i > 0 && rc == ERR_OK; i--) {
		struct fs_replace r = part_replace(s, i - 1);
		if (part_same(s, i - 1)) {
			continue;
		}
		rc = fs_replace(&r, err);
		if (rc == ERR_OK && s->f->facts[i - 1].exists && s->f->facts[i - 1].links > 1) {
			cli_note(
				s->f->tool->cli,
				"note: %s had other names (hard links), which keep the old content",
				r.path);
		}
	}
	return rc;
}

enum err_code store_file_save(struct store_file *f, const struct keystore_encode *how,
                              bool *ret_written, struct err *err)
{
	CLEANUP(saving_release) struct saving s = { .f = f, .how = how };
	bool unchanged = false;

	forget_files(f);
	enum err_code rc = f->ops->encode(f->ks, how, s.parts, &s.n, err);
	if (rc == ERR_OK) {
		rc = let_go(&s, err);
	}
	if (rc == ERR_OK) {
		rc = read_back(&s, err);
	}
	if (rc == ERR_OK) {
		rc = is_unchanged(&s, &unchanged, err);
	}
	if (rc == ERR_OK && !unchanged && f->keep && f->facts[0].exists) {
		rc = err_set(err, ERR_CONFLICT, "there is a file already, with other content");
		(void)err_hint(err, "--replace puts the new one in its place");
	} else if (rc == ERR_OK && !unchanged) {
		rc = write_parts(&s, err);
	}
	if (rc != ERR_OK) {
		return err_wrap(err, "%s", f->shown);
	}
	if (f->ks == NULL) {
		f->ks = TAKE_PTR(s.again);
	}
	*ret_written = !unchanged;
	return ERR_OK;
}
