/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keystore_edit.c - delete, rename, passwd: what changes a store from within.
 */
#include "reconciler/base/str.h"
#include "reconciler/cli/keystore_tool.h"
#include "reconciler/cli/password.h"

static const struct option_spec edit_options[] = { OPTION_PASSWORD, OPTION_KEY_PASSWORD,
	                                           OPTION_FORMAT };

static const struct option_spec passwd_options[] = {
	OPTION_PASSWORD,
	OPTION_KEY_PASSWORD,
	OPTION_FORMAT,
	{ "new-password-ref", 0, "REF", "the new password (default: asked for, twice)" },
	{ "new-key-password-ref", 0, "REF", "from now on the keys have this one of their own" },
	{ "alias", 0, "ALIAS", "change the password of this key instead of the store's" },
	{ "keytool-exact", 0, NULL,
	  "as keytool -storepasswd: keys of JKS and JCEKS stay under the old password" },
};

enum err_code tool_need_alias(const struct store_file *f, const char *alias, size_t *ret,
                              struct err *err)
{
	if (store_find_alias(f->ks, alias, ret)) {
		return ERR_OK;
	}
	(void)err_set(err, ERR_NOT_FOUND, "%s: there is no alias '%s'", f->shown, alias);
	return err_hint(err, "'certwright keystore list %s' shows them", f->shown);
}

static enum err_code open_to_edit(struct store_tool *t, struct store_file *f, struct err *err)
{
	return store_file_open(t, t->args->words[0], &store_words_own, STORE_EDIT, f, err);
}

static enum err_code save_as_it_was(struct store_file *f, bool *ret_written, struct err *err)
{
	const struct keystore_encode how = { .passwords = store_file_passwords(f) };

	return store_file_save(f, &how, ret_written, err);
}

static enum err_code delete_all(struct store_file *f, struct err *err)
{
	const struct args *a = f->tool->args;
	size_t i;

	for (size_t k = 1; k < a->n_words; k++) {
		enum err_code rc = tool_need_alias(f, a->words[k], &i, err);
		if (rc == ERR_OK) {
			rc = f->ops->remove(f->ks, a->words[k], err);
			rc = rc == ERR_OK ? rc : err_wrap(err, "%s", f->shown);
		}
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return ERR_OK;
}

static enum err_code rename_one(struct store_file *f, struct err *err)
{
	const struct args *a = f->tool->args;
	size_t i;
	enum err_code rc = tool_need_alias(f, a->words[1], &i, err);

	if (rc != ERR_OK) {
		return rc;
	}
	rc = a->words[2][0] == '\0' ? err_set(err, ERR_INVALID, "the new alias is empty")
	                            : f->ops->rename(f->ks, a->words[1], a->words[2], err);
	return rc == ERR_OK ? rc : err_wrap(err, "%s", f->shown);
}

static int edit(struct cli *c, const struct args *a,
                enum err_code (*change)(struct store_file *f, struct err *err))
{
	CLEANUP(store_tool_release) struct store_tool t = { 0 };
	CLEANUP(store_file_release) struct store_file f = { 0 };
	struct err err = { 0 };
	bool written = false;

	store_tool_init(&t, c, a);
	enum err_code rc = open_to_edit(&t, &f, &err);
	if (rc == ERR_OK) {
		rc = store_file_note(&f, /* ks_stays= */ true, &err);
	}
	if (rc == ERR_OK) {
		rc = change(&f, &err);
	}
	if (rc == ERR_OK) {
		rc = save_as_it_was(&f, &written, &err);
	}
	return rc == ERR_OK ? tool_report(&t, a->words[0], written) : cli_fail(c, &err);
}

static int run_delete(struct cli *c, const struct args *a)
{
	return edit(c, a, delete_all);
}

static int run_rename(struct cli *c, const struct args *a)
{
	return edit(c, a, rename_one);
}

struct passwd {
	struct store_tool tool;
	struct store_file f;
	struct secret store, key; /* the new ones */
	bool has_key;
};

static void passwd_release(struct passwd *p)
{
	store_file_release(&p->f);
	secret_release(&p->store);
	secret_release(&p->key);
	store_tool_release(&p->tool);
}

static enum err_code new_passwords(struct passwd *p, struct err *err)
{
	const struct args *a = p->tool.args;
	const char *word = args_get(a, "new-password-ref");
	const char *key_word = args_get(a, "new-key-password-ref");
	enum err_code rc =
		word != NULL ? password_resolve(word, &p->store, err)
			     : password_ask("new password: ", /* twice= */ true, &p->store, err);

	if (rc != ERR_OK && word == NULL) {
		return err_hint(err, "--new-password-ref file:PATH, env:NAME or exec:PROGRAM");
	}
	if (rc != ERR_OK) {
		return err_wrap(err, "%s: --new-password-ref", a->words[0]);
	}
	if (key_word == NULL) {
		return ERR_OK;
	}
	p->has_key = true;
	rc = password_resolve(key_word, &p->key, err);
	return rc == ERR_OK ? rc : err_wrap(err, "%s: --new-key-password-ref", a->words[0]);
}

static bool all_keys_open(const struct keystore *ks)
{
	for (size_t i = 0; i < ks->ops->count(ks); i++) {
		CLEANUP(secret_release) struct secret key = { 0 };
		struct keystore_entry e = { .alias = NULL };
		ks->ops->entry(ks, i, &e);
		if (e.kind == KS_KEY && ks->ops->key(ks, i, &key, /* err= */ NULL) != ERR_OK) {
			return false;
		}
	}
	return true;
}

/* It was done before: the store opens with the new password, and so do its keys. */
static bool has_new_password(struct passwd *p)
{
	CLEANUP(store_file_release) struct store_file f = { 0 };
	const struct args *a = p->tool.args;
	const struct store_words words = { .password = "new-password-ref",
		                           .key_password =
		                                   p->has_key ? "new-key-password-ref" : NULL,
		                           .format = "format" };

	return args_has(a, words.password) &&
	       store_file_open(&p->tool, a->words[0], &words, STORE_LOOK, &f, /* err= */ NULL) ==
	               ERR_OK &&
	       f.ops->has_password && (args_has(a, "keytool-exact") || all_keys_open(f.ks));
}

static enum err_code change_store_password(struct passwd *p, bool *ret_written, struct err *err)
{
	struct store_file *f = &p->f;
	bool java = str_equal(f->ops->type, "jks") || str_equal(f->ops->type, "jceks");
	const struct keystore_encode how = {
		.passwords = { .store = &p->store,
		               .key = p->has_key            ? &p->key
		                      : f->has_key_password ? &f->key_password
		                                            : NULL },
		.keys_stay = java && args_has(p->tool.args, "keytool-exact"),
	};

	if (!how.keys_stay && !all_keys_open(f->ks)) {
		(void)err_set(err, ERR_DENIED,
		              "%s: not every key opens, so not every key can follow", f->shown);
		return err_hint(err,
		                "give their password with --key-password-ref, or leave them as "
		                "keytool would: --keytool-exact");
	}
	enum err_code rc = store_file_note(f, /* ks_stays= */ true, err);
	return rc == ERR_OK ? store_file_save(f, &how, ret_written, err) : rc;
}

static bool key_has_password(struct store_file *f, size_t i, const struct secret *password)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	struct bytes view = buf_view(&f->data[0]);
	const struct keystore_passwords pw = { .store = f->has_password ? &f->password : NULL,
		                               .key = password };
	struct keystore *ks = NULL;

	if (f->ops->decode(&view, 1, &pw, &ks, /* err= */ NULL) != ERR_OK) {
		return false;
	}
	bool opens = ks->ops->key(ks, i, &key, /* err= */ NULL) == ERR_OK;
	ks->ops->close(ks);
	return opens;
}

static enum err_code change_key_password(struct passwd *p, const char *alias, bool *ret_written,
                                         struct err *err)
{
	struct store_file *f = &p->f;
	size_t i = 0;
	enum err_code rc = tool_need_alias(f, alias, &i, err);

	if (rc != ERR_OK || key_has_password(f, i, &p->store)) {
		return rc;
	}
	rc = f->ops->set_key_password(f->ks, alias, f->has_key_password ? &f->key_password : NULL,
	                              &p->store, err);
	/* Its meaning is the same, and yet it must be written: nothing was noted. */
	return rc == ERR_OK ? save_as_it_was(f, ret_written, err) : err_wrap(err, "%s", f->shown);
}

static enum err_code change_password(struct passwd *p, bool *ret_written, struct err *err)
{
	const char *alias = args_get(p->tool.args, "alias");
	enum err_code rc = new_passwords(p, err);

	if (rc != ERR_OK || (alias == NULL && has_new_password(p))) {
		return rc;
	}
	rc = open_to_edit(&p->tool, &p->f, err);
	if (rc != ERR_OK) {
		return rc;
	}
	if (!p->f.ops->has_password) {
		return err_set(err, ERR_INVALID, "%s: format %s has no password", p->f.shown,
		               p->f.ops->type);
	}
	return alias == NULL ? change_store_password(p, ret_written, err)
	                     : change_key_password(p, alias, ret_written, err);
}

static int run_passwd(struct cli *c, const struct args *a)
{
	CLEANUP(passwd_release) struct passwd p = { 0 };
	struct err err = { 0 };
	bool written = false;

	store_tool_init(&p.tool, c, a);
	return change_password(&p, &written, &err) == ERR_OK
	               ? tool_report(&p.tool, a->words[0], written)
	               : cli_fail(c, &err);
}

const struct verb verb_keystore_delete = {
	.name = "keystore delete",
	.synopsis = "FILE ALIAS... [--password-ref REF]",
	.summary = "take entries out of a keystore",
	.text = "All of them or, when one is not there, none. Every other entry stays byte for byte.",
	.example =
		"certwright keystore delete truststore.jks oldroot --password-ref wellKnown:changeit",
	.exits = "0, 1 error: nothing was written",
	.options = edit_options,
	.n_options = ARRAY_LEN(edit_options),
	.min_words = 2,
	.max_words = 1000,
	.run = run_delete,
};

const struct verb verb_keystore_rename = {
	.name = "keystore rename",
	.synopsis = "FILE ALIAS NEW-ALIAS [--password-ref REF]",
	.summary = "give an entry another alias",
	.text = "The entry itself stays byte for byte; no key password is needed.",
	.example = "certwright keystore rename keystore.p12 1 tomcat --password-ref file:password",
	.exits = "0, 1 error (no such alias, or the new one is taken): nothing was written",
	.options = edit_options,
	.n_options = ARRAY_LEN(edit_options),
	.min_words = 3,
	.max_words = 3,
	.run = run_rename,
};

const struct verb verb_keystore_passwd = {
	.name = "keystore passwd",
	.synopsis = "FILE [--password-ref REF] [--new-password-ref REF] [--alias ALIAS]",
	.summary = "change the password of a keystore or of one key",
	.text = "Keys that were under the old password follow, because Tomcat and others expect both to be the same; --keytool-exact leaves those of JKS and JCEKS behind, as keytool does. With --alias the new password is for that key alone.",
	.example =
		"certwright keystore passwd keystore.jks --password-ref file:old --new-password-ref file:new",
	.exits = "0, 1 error: nothing was written",
	.options = passwd_options,
	.n_options = ARRAY_LEN(passwd_options),
	.min_words = 1,
	.max_words = 1,
	.run = run_passwd,
};
