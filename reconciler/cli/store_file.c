/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * store_file.c - opening a keystore that lies in files.
 */
#include "reconciler/cli/store_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "reconciler/base/str.h"
#include "reconciler/cli/password.h"

const struct store_words store_words_own = { "password-ref", "key-password-ref", "format" };
const struct store_words store_words_source = { "source-password-ref", "source-key-password-ref",
	                                        "source-format" };

void store_tool_init(struct store_tool *t, struct cli *c, const struct args *a)
{
	*t = (struct store_tool){ .cli = c, .args = a };
	arena_init(&t->arena);
	seen_certs_init(&t->certs, &t->arena);
}

void store_tool_release(struct store_tool *t)
{
	seen_certs_release(&t->certs);
	arena_release(&t->arena);
}

int64_t store_tool_now_ms(const struct store_tool *t)
{
	return t->cli->clock->wall(t->cli->clock).s * 1000;
}

void store_file_forget(struct store_file *f)
{
	for (size_t i = 0; i < KEYSTORE_PARTS_MAX; i++) {
		buf_release(&f->data[i]);
	}
}

void store_file_release(struct store_file *f)
{
	if (f->ks != NULL) {
		f->ks->ops->close(f->ks);
	}
	secret_release(&f->password);
	secret_release(&f->key_password);
	store_file_forget(f);
	seen_certs_release(&f->certs);
	arena_release(&f->certs_arena);
	*f = (struct store_file){ 0 };
}

struct keystore_passwords store_file_passwords(const struct store_file *f)
{
	return (struct keystore_passwords){
		.store = f->has_password ? &f->password : NULL,
		.key = f->has_key_password ? &f->key_password : NULL,
	};
}

enum err_code store_format(const struct cli *c, const char *word, const struct keystore_ops **ret,
                           struct err *err)
{
	const struct keystore_ops *ops = registry_keystore(c->registry, word);
	char names[160] = "";
	size_t n = 0;

	if (ops != NULL) {
		*ret = ops;
		return ERR_OK;
	}
	for (size_t i = 0; i < c->registry->n_keystores && n < sizeof(names); i++) {
		int w = snprintf(names + n, sizeof(names) - n, "%s%s", i == 0 ? "" : ", ",
		                 c->registry->keystores[i]->type);
		n += w > 0 ? (size_t)w : 0;
	}
	(void)err_set(err, ERR_INVALID, "there is no format '%s'", word);
	return err_hint(err, "one of %s", names);
}

const struct keystore_ops *store_format_by_name(const struct cli *c, const char *path)
{
	static const struct {
		const char *suffix, *type;
	} known[] = {
		{ ".jks", "jks" },      { ".jceks", "jceks" },    { ".p12", "pkcs12" },
		{ ".pfx", "pkcs12" },   { ".pem", "pem" },        { ".crt", "pem" },
		{ ".cer", "der" },      { ".der", "der" },        { ".p7b", "p7b" },
		{ ".p7c", "p7b" },      { ".zip", "zip" },        { ".bcfks", "bcfks" },
		{ ".keystore", "jks" }, { ".truststore", "jks" },
	};
	CLEANUP(cleanup_free) char *lower = str_dup(path);

	if (lower == NULL) {
		return NULL;
	}
	str_lower_ascii(lower);
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (str_ends(lower, known[i].suffix)) {
			return registry_keystore(c->registry, known[i].type);
		}
	}
	return NULL;
}

bool store_find_alias(const struct keystore *ks, const char *alias, size_t *ret)
{
	CLEANUP(cleanup_free) char *folded = alias_fold(alias);
	bool found = false;

	for (size_t i = 0; folded != NULL && i < ks->ops->count(ks); i++) {
		struct keystore_entry e = { .alias = NULL };
		ks->ops->entry(ks, i, &e);
		if (str_equal(e.folded, folded)) {
			*ret = i;
			found = true;
		}
	}
	return found;
}

/* Where it leads; for what is not there, where its directory leads. */
static enum err_code resolve_path(struct store_file *f, struct err *err)
{
	struct arena *a = &f->tool->arena;
	CLEANUP(cleanup_free) char *real = realpath(f->shown, /* resolved= */ NULL);

	if (real == NULL && errno == ENOENT) {
		const char *slash = strrchr(f->shown, '/');
		const char *name = slash == NULL ? f->shown : slash + 1;
		const char *dir = slash == NULL ? "."
		                  : slash == f->shown
		                          ? "/"
		                          : arena_strn(a, f->shown, (size_t)(slash - f->shown));
		CLEANUP(cleanup_free) char *real_dir = NULL;

		real_dir = dir == NULL ? NULL : realpath(dir, /* resolved= */ NULL);
		if (real_dir == NULL) {
			return err_set_sys(err, errno, "its directory");
		}
		f->path = arena_printf(a, "%s/%s", str_equal(real_dir, "/") ? "" : real_dir, name);
	} else if (real == NULL) {
		return err_set_sys(err, errno, "where it leads");
	} else {
		f->path = arena_str(a, real);
	}
	return f->path == NULL ? err_nomem(err) : ERR_OK;
}

static enum err_code read_part(struct store_file *f, size_t i, const char *path, struct err *err)
{
	f->part_path[i] = path;
	f->was[i].known = false;
	enum err_code rc = fs_stat(path, &f->facts[i], err);
	if (rc != ERR_OK || !f->facts[i].exists) {
		return rc;
	}
	buf_init_secret(&f->data[i], KEYSTORE_FILE_LIMIT);
	return fs_read(path, KEYSTORE_FILE_LIMIT, &f->data[i], err);
}

static enum err_code read_other_parts(struct store_file *f, struct err *err)
{
	f->n_parts = 1;
	for (size_t i = 1; f->ops->suffixes[i] != NULL && i < KEYSTORE_PARTS_MAX; i++) {
		CLEANUP(cleanup_free) char *path = keystore_part_path(f->path, f->ops->suffixes[i]);
		const char *kept = path == NULL ? NULL : arena_str(&f->tool->arena, path);

		if (kept == NULL) {
			return err_nomem(err);
		}
		f->part_path[i] = kept;
		/* Who names the key file itself sees it once. */
		enum err_code rc = str_equal(kept, f->path) ? ERR_OK : read_part(f, i, kept, err);
		if (rc != ERR_OK) {
			return rc;
		}
		f->n_parts = i + 1;
	}
	return ERR_OK;
}

static enum err_code find_format(struct store_file *f, const struct store_words *words,
                                 struct err *err)
{
	const struct cli *c = f->tool->cli;
	const char *word = words->format == NULL ? NULL : args_get(f->tool->args, words->format);

	if (word != NULL) {
		return store_format(c, word, &f->ops, err);
	}
	return keystore_identify(c->registry->keystores, c->registry->n_keystores,
	                         buf_view(&f->data[0]), &f->ops, err);
}

static enum err_code decode(struct store_file *f, const struct keystore_passwords *pw,
                            struct keystore **ret, struct err *err)
{
	static const uint8_t nothing[1];
	struct bytes views[KEYSTORE_PARTS_MAX] = { 0 };
	struct keystore_passwords with = *pw;

	for (size_t i = 0; i < f->n_parts; i++) {
		views[i] = f->facts[i].exists ? buf_view(&f->data[i]) : (struct bytes){ 0 };
		if (f->facts[i].exists && views[i].p == NULL) {
			views[i].p = nothing;
		}
	}
	with.keys_closed = f->keys_closed;
	return f->ops->decode(views, f->n_parts, &with, ret, err);
}

static enum err_code resolve_option(const struct store_file *f, const char *option,
                                    struct secret *ret, bool *ret_given, struct err *err)
{
	const char *word = option == NULL ? NULL : args_get(f->tool->args, option);

	if (word == NULL) {
		return ERR_OK;
	}
	*ret_given = true;
	enum err_code rc = password_resolve(word, ret, err);
	return rc == ERR_OK ? rc : err_wrap(err, "--%s", option);
}

/* Without a password. A format that can be read so is not therefore fit to be written so: whether
 * it opens with an empty password tells, and one that has no MAC stays without. */
static enum err_code decode_open(struct store_file *f, enum store_use use, struct err *err)
{
	CLEANUP(secret_release) struct secret empty = { 0 };
	const struct keystore_passwords none = { .store = NULL };
	const struct keystore_passwords blank = { .store = &empty };

	if ((use == STORE_EDIT || use == STORE_ANY) && f->ops->has_password) {
		if (secret_set_str(&empty, "") < 0) {
			return err_nomem(err);
		}
		enum err_code rc = decode(f, &blank, &f->ks, err);
		if (rc != ERR_OK) {
			return rc;
		}
		if ((f->ops->warnings(f->ks) & KS_WARN_NO_MAC) == 0) {
			f->has_password = true;
			return ERR_OK;
		}
		f->ops->close(f->ks);
		f->ks = NULL;
	}
	return decode(f, &none, &f->ks, err);
}

static enum err_code decode_asking(struct store_file *f, const struct store_words *words,
                                   struct err *err)
{
	CLEANUP(cleanup_free) char *prompt = str_printf("password of %s: ", f->shown);

	if (prompt == NULL) {
		return err_nomem(err);
	}
	if (!password_can_ask()) {
		(void)err_set(err, ERR_DENIED, "it needs a password");
		return err_hint(err, "--%s file:PATH, env:NAME or exec:PROGRAM",
		                words->password == NULL ? "password-ref" : words->password);
	}
	enum err_code rc = password_ask(prompt, /* twice= */ false, &f->password, err);
	if (rc != ERR_OK) {
		return rc;
	}
	f->has_password = true;
	struct keystore_passwords pw = store_file_passwords(f);
	return decode(f, &pw, &f->ks, err);
}

static enum err_code open_with_passwords(struct store_file *f, const struct store_words *words,
                                         enum store_use use, struct err *err)
{
	enum err_code rc = resolve_option(f, words->password, &f->password, &f->has_password, err);

	if (rc == ERR_OK) {
		rc = resolve_option(f, words->key_password, &f->key_password, &f->has_key_password,
		                    err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	f->keys_closed = use == STORE_NAMES;
	if (f->has_password) {
		struct keystore_passwords pw = store_file_passwords(f);
		return decode(f, &pw, &f->ks, err);
	}
	struct err why = { 0 };
	rc = decode_open(f, use, &why);
	if (rc == ERR_DENIED) {
		return decode_asking(f, words, err);
	}
	if (rc != ERR_OK) {
		*err = why;
	}
	return rc;
}

enum err_code store_file_locate(struct store_tool *t, const char *path, struct store_file *f,
                                struct err *err)
{
	*f = (struct store_file){ .tool = t, .shown = path, .n_parts = 1 };
	enum err_code rc = resolve_path(f, err);
	return rc == ERR_OK ? read_part(f, 0, f->path, err) : rc;
}

enum err_code store_file_open(struct store_tool *t, const char *path,
                              const struct store_words *words, enum store_use use,
                              struct store_file *f, struct err *err)
{
	enum err_code rc = store_file_locate(t, path, f, err);
	if (rc == ERR_OK && !f->facts[0].exists) {
		return use == STORE_ANY
		               ? ERR_OK
		               : err_set(err, ERR_NOT_FOUND, "%s: there is no such file", path);
	}
	if (rc == ERR_OK) {
		rc = find_format(f, words, err);
	}
	if (rc == ERR_OK && use != STORE_ALONE) {
		rc = read_other_parts(f, err);
	}
	if (rc == ERR_OK) {
		rc = open_with_passwords(f, words, use, err);
	}
	return rc == ERR_OK ? rc : err_wrap(err, "%s", path);
}

static enum err_code new_password(struct store_file *f, const struct store_words *words,
                                  struct err *err)
{
	CLEANUP(cleanup_free) char *prompt = str_printf("new password of %s: ", f->shown);
	enum err_code rc = resolve_option(f, words->password, &f->password, &f->has_password, err);

	if (rc == ERR_OK) {
		rc = resolve_option(f, words->key_password, &f->key_password, &f->has_key_password,
		                    err);
	}
	if (rc != ERR_OK || f->has_password || !f->ops->has_password) {
		return rc;
	}
	if (prompt == NULL) {
		return err_nomem(err);
	}
	f->has_password = true;
	rc = password_ask(prompt, /* twice= */ true, &f->password, err);
	return rc == ERR_OK
	               ? rc
	               : err_hint(err, "--%s file:PATH, env:NAME or exec:PROGRAM", words->password);
}

enum err_code store_file_create(struct store_file *f, const struct store_words *words,
                                struct err *err)
{
	const struct cli *c = f->tool->cli;
	const char *word = words->format == NULL ? NULL : args_get(f->tool->args, words->format);
	enum err_code rc = ERR_OK;

	if (f->ops == NULL && word != NULL) {
		rc = store_format(c, word, &f->ops, err);
	} else if (f->ops == NULL) {
		f->ops = store_format_by_name(c, f->path);
	}
	if (rc == ERR_OK && f->ops == NULL) {
		(void)err_set(err, ERR_INVALID, "its name does not say which format it shall have");
		rc = err_hint(err, "--%s FORMAT", words->format == NULL ? "format" : words->format);
	}
	if (rc == ERR_OK) {
		rc = new_password(f, words, err);
	}
	if (rc == ERR_OK) {
		rc = read_other_parts(f, err);
	}
	if (rc == ERR_OK) {
		rc = f->ops->create(&f->ks, err);
	}
	return rc == ERR_OK ? rc : err_wrap(err, "%s", f->shown);
}
