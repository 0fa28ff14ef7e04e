/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keystore_convert.c - a store in another format, or with other algorithms.
 *
 * Keys and certificates go as the bytes they are. What the other format has no place for is named:
 * names and dates are notes, a whole entry is a refusal until --allow-loss.
 */
#include <string.h>

#include "reconciler/base/str.h"
#include "reconciler/cli/keystore_tool.h"
#include "reconciler/cli/material.h"

static const struct store_words words_out = { "out-password-ref", "out-key-password-ref", NULL };

static const struct option_spec options[] = {
	{ "to", 0, "FORMAT", "the format wanted (default: the same, with another --profile)" },
	{ "out", 0, "FILE", "write it there (default: in place)" },
	{ "alias", 0, "ALIAS", "the alias of a key that had none (default: the file's name)" },
	OPTION_PASSWORD,
	OPTION_KEY_PASSWORD,
	OPTION_FORMAT,
	OPTION_OUT_PASSWORD,
	OPTION_OUT_KEY_PASSWORD,
	OPTION_PROFILE,
	{ "allow-loss", 0, NULL, "leave out entries that the other format cannot hold" },
	OPTION_REPLACE,
};

static enum err_code passwords_like(const struct store_file *like, struct store_file *f,
                                    struct err *err)
{
	const struct args *a = f->tool->args;

	if (!args_has(a, words_out.password) && like->has_password && !f->has_password) {
		f->has_password = true;
		if (secret_set(&f->password, like->password.p, like->password.n) < 0) {
			return err_nomem(err);
		}
	}
	if (!args_has(a, words_out.password) && !args_has(a, words_out.key_password) &&
	    like->has_key_password && !f->has_key_password) {
		f->has_key_password = true;
		if (secret_set(&f->key_password, like->key_password.p, like->key_password.n) < 0) {
			return err_nomem(err);
		}
	}
	return ERR_OK;
}

/* What lies there now, when it opens as what will be written. */
static void note_present(struct store_tool *t, const char *path, const struct keystore_ops *ops,
                         const struct store_file *like, struct store_file *f)
{
	const struct args *a = t->args;
	struct store_words words = words_out;

	if (!args_has(a, words.password)) {
		words.password = store_words_own.password;
	}
	if (!args_has(a, words.key_password)) {
		words.key_password = store_words_own.key_password;
	}
	bool can_open = args_has(a, words.password) || !like->has_password || !ops->has_password;
	if (!can_open ||
	    store_file_open(t, path, &words, STORE_LOOK, f, /* err= */ NULL) != ERR_OK) {
		return;
	}
	(void)store_file_note(f, /* ks_stays= */ false, /* err= */ NULL);
	f->ops->close(f->ks);
	f->ks = NULL;
}

enum err_code tool_open_out(struct store_tool *t, const char *path, const struct keystore_ops *ops,
                            const struct store_file *like, struct store_file *f, struct err *err)
{
	enum err_code rc = ERR_OK;

	note_present(t, path, ops, like, f);
	if (!f->noted) {
		store_file_release(f);
		rc = store_file_locate(t, path, f, err);
		rc = rc == ERR_OK ? rc : err_wrap(err, "%s", path);
	}
	if (rc == ERR_OK) {
		rc = passwords_like(like, f, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	f->ops = ops;
	f->ignore_dates = true;
	f->keep = !args_has(t->args, "replace");
	return store_file_create(f, &words_out, err);
}

struct conversion {
	struct store_tool tool;
	struct store_file from, to;
	const struct keystore_ops *ops;
	const char *out;
	bool named; /* somebody lost a name */
};

static void conversion_release(struct conversion *x)
{
	store_file_release(&x->from);
	store_file_release(&x->to);
	store_tool_release(&x->tool);
}

static const char *name_for(struct conversion *x, const struct keystore_entry *e)
{
	const char *alias = args_get(x->tool.args, "alias");

	if (e->alias[0] != '\0') {
		return e->alias;
	}
	return alias != NULL ? alias : material_stem(&x->tool.arena, x->from.shown);
}

static enum err_code copy_all(struct conversion *x, struct err *err)
{
	const struct keystore *ks = x->from.ks;
	bool loss = args_has(x->tool.args, "allow-loss");

	for (size_t i = 0; i < ks->ops->count(ks); i++) {
		struct keystore_entry e = { .alias = NULL };
		struct err why = { 0 };
		ks->ops->entry(ks, i, &e);
		const char *name = name_for(x, &e);
		enum err_code rc = name == NULL
		                           ? err_nomem(&why)
		                           : keystore_copy(ks, i, name, store_tool_now_ms(&x->tool),
		                                           x->to.ks, &why);
		if (rc == ERR_INVALID && loss && e.kind == KS_KEY && e.n_chain > 0 &&
		    tool_put_chain(x->to.ks, &e, name, store_tool_now_ms(&x->tool),
		                   /* err= */ NULL) == ERR_OK) {
			cli_note(x->tool.cli, "note: left out: the private key of entry '%s'",
			         e.alias[0] == '\0' ? "-" : e.alias);
			rc = ERR_OK;
		} else if (rc == ERR_INVALID && loss) {
			cli_note(x->tool.cli, "note: left out: entry '%s': %s",
			         e.alias[0] == '\0' ? "-" : e.alias, why.msg);
		} else if (rc != ERR_OK) {
			*err = why;
			rc = err_wrap(err, "%s", x->from.shown);
			return rc != ERR_INVALID ? rc : err_hint(err, "--allow-loss leaves it out");
		}
		x->named = x->named || (rc == ERR_OK && e.alias[0] != '\0');
	}
	return ERR_OK;
}

static void note_losses(const struct conversion *x)
{
	struct cli *c = x->tool.cli;

	if (x->from.ops->has_aliases && !x->ops->has_aliases && x->named) {
		cli_note(c, "note: format %s has no aliases and no dates: they are not in %s",
		         x->ops->type, x->out);
	}
	if (x->from.ops->has_password && !x->ops->has_password) {
		cli_note(c, "note: format %s has no password: only its mode protects %s",
		         x->ops->type, x->out);
	}
}

static enum err_code other_format(struct conversion *x, bool *ret_written, struct err *err)
{
	enum err_code rc = tool_open_out(&x->tool, x->out, x->ops, &x->from, &x->to, err);

	x->to.keep = x->to.keep && x->out != x->tool.args->words[0];
	if (rc == ERR_OK) {
		rc = copy_all(x, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	const struct keystore_encode how = { .passwords = store_file_passwords(&x->to),
		                             .profile = args_get(x->tool.args, "profile") };
	rc = store_file_save(&x->to, &how, ret_written, err);
	if (rc == ERR_OK) {
		note_losses(x);
	}
	return rc;
}

/* In place and in its format: other algorithms for the same store, everything else kept. */
static enum err_code same_format(struct conversion *x, bool *ret_written, struct err *err)
{
	const struct keystore_encode how = { .passwords = store_file_passwords(&x->from),
		                             .profile = args_get(x->tool.args, "profile") };
	enum err_code rc = store_file_note(&x->from, /* ks_stays= */ true, err);

	return rc == ERR_OK ? store_file_save(&x->from, &how, ret_written, err) : rc;
}

static enum err_code convert(struct conversion *x, bool *ret_written, struct err *err)
{
	const struct args *a = x->tool.args;
	const char *to = args_get(a, "to");
	bool in_place = !args_has(a, "out");

	x->out = in_place ? a->words[0] : args_get(a, "out");
	enum err_code rc =
		store_file_open(&x->tool, a->words[0], &store_words_own, STORE_EDIT, &x->from, err);
	if (rc == ERR_OK && to != NULL) {
		rc = store_format(x->tool.cli, to, &x->ops, err);
	} else if (rc == ERR_OK) {
		x->ops = in_place ? NULL : store_format_by_name(x->tool.cli, x->out);
		x->ops = x->ops == NULL ? x->from.ops : x->ops;
	}
	if (rc != ERR_OK) {
		return rc;
	}
	bool same = in_place && x->ops == x->from.ops && !args_has(a, words_out.password) &&
	            !args_has(a, words_out.key_password);
	return same ? same_format(x, ret_written, err) : other_format(x, ret_written, err);
}

static int run(struct cli *c, const struct args *a)
{
	CLEANUP(conversion_release) struct conversion x = { 0 };
	struct err err = { 0 };
	bool written = false;

	store_tool_init(&x.tool, c, a);
	return convert(&x, &written, &err) == ERR_OK ? tool_report(&x.tool, x.out, written)
	                                             : cli_fail(c, &err);
}

const struct verb verb_keystore_convert = {
	.name = "keystore convert",
	.synopsis = "FILE [--to FORMAT] [--out FILE] [--profile PROFILE] [--password-ref REF]",
	.summary = "a keystore in another format, or with other algorithms",
	.text = "Without --to the format follows the name of --out. Without --out the file itself is replaced; 'convert --profile Modern2023' takes an old PKCS#12 from RC2 to AES and keeps everything else. An entry that the other format cannot hold (secret keys, a second key in PEM) is refused unless --allow-loss.",
	.example =
		"certwright keystore convert keystore.jks --to pkcs12 --out keystore.p12 --password-ref file:password",
	.exits = "0, 1 error: nothing was written",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.min_words = 1,
	.max_words = 1,
	.run = run,
};
