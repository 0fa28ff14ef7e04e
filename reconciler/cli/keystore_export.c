/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keystore_export.c - one entry out of a store.
 *
 * A private key goes to a file (0600) or into another store, never to standard output: what a
 * terminal or a log has seen is no secret any more.
 */
#include <string.h>

#include "reconciler/base/str.h"
#include "reconciler/cli/keystore_tool.h"
#include "reconciler/cli/password.h"
#include "reconciler/pki/key.h"
#include "reconciler/pki/pem.h"

static const struct option_spec options[] = {
	{ "alias", 0, "ALIAS", "which entry (default: the only one)" },
	{ "out", 0, "FILE", "write it there instead of standard output" },
	{ "to", 0, "FORMAT", "pem (default), der, or a store of that format" },
	{ "key", 0, NULL, "the private key, too; needs --out" },
	OPTION_PASSWORD,
	OPTION_KEY_PASSWORD,
	OPTION_FORMAT,
	{ "out-password-ref", 0, "REF",
	  "password of the store written; with pem: the key is encrypted with it" },
	OPTION_REPLACE,
	OPTION_PROFILE,
};

struct exporting {
	struct store_tool tool;
	struct store_file from, to;
	size_t entry;
	const char *out; /* NULL: standard output */
	bool key;
};

static void exporting_release(struct exporting *x)
{
	store_file_release(&x->from);
	store_file_release(&x->to);
	store_tool_release(&x->tool);
}

static enum err_code choose(struct exporting *x, struct err *err)
{
	const char *alias = args_get(x->tool.args, "alias");
	size_t n = x->from.ops->count(x->from.ks);

	if (alias != NULL) {
		return tool_need_alias(&x->from, alias, &x->entry, err);
	}
	if (n != 1) {
		(void)err_set(err, n == 0 ? ERR_NOT_FOUND : ERR_INVALID, "%s has %zu entries",
		              x->from.shown, n);
		return n == 0 ? ERR_NOT_FOUND : err_hint(err, "say which: --alias ALIAS");
	}
	x->entry = 0;
	return ERR_OK;
}

/* The key before its chain, as servers read it. */
static enum err_code pem_key(struct exporting *x, struct buf *out, struct err *err)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	CLEANUP(secret_release) struct secret password = { 0 };
	CLEANUP(buf_release) struct buf der = { 0 };
	const char *word = args_get(x->tool.args, "out-password-ref");

	enum err_code rc = x->from.ops->key(x->from.ks, x->entry, &key, err);
	if (rc != ERR_OK || word == NULL) {
		return rc == ERR_OK
		               ? pkcs8_to_pem(secret_view(&key), /* traditional= */ false, out, err)
		               : rc;
	}
	buf_init_secret(&der, KEYSTORE_FILE_LIMIT);
	rc = password_resolve(word, &password, err);
	if (rc == ERR_OK) {
		rc = pkcs8_encrypt(secret_view(&key), &password, &der, err);
	}
	if (rc == ERR_OK) {
		pem_encode(buf_view(&der), "ENCRYPTED PRIVATE KEY", out);
	}
	return rc;
}

static enum err_code as_text(struct exporting *x, const struct keystore_entry *e, bool der,
                             struct buf *out, struct err *err)
{
	if (e->n_chain == 0) {
		(void)err_set(err, ERR_INVALID, "%s: entry '%s' has no certificate", x->from.shown,
		              e->alias[0] == '\0' ? "-" : e->alias);
		return e->kind != KS_SECRET
		               ? ERR_INVALID
		               : err_hint(err, "a secret key goes into a store: --key --to pkcs12 "
		                               "or jceks --out FILE");
	}
	if (der) {
		buf_add_bytes(out, e->chain[0]);
		return buf_check(out, "the certificate", err);
	}
	enum err_code rc = x->key ? pem_key(x, out, err) : ERR_OK;
	for (size_t i = 0; rc == ERR_OK && i < e->n_chain; i++) {
		der_to_pem(e->chain[i], "CERTIFICATE", out);
	}
	return rc == ERR_OK ? buf_check(out, "the certificates", err) : rc;
}

/* Does the file there mean the same? Salts of an encrypted key differ each time. */
static bool is_there(struct exporting *x, const struct keystore_entry *e, struct bytes text)
{
	CLEANUP(store_file_release) struct store_file f = { 0 };
	CLEANUP(secret_release) struct secret mine = { 0 };
	CLEANUP(secret_release) struct secret theirs = { 0 };
	const struct store_words words = { .password = "out-password-ref" };
	struct keystore_entry o = { .alias = NULL };
	bool locked = args_has(x->tool.args, "out-password-ref");

	if (store_file_locate(&x->tool, x->out, &f, /* err= */ NULL) != ERR_OK ||
	    !f.facts[0].exists) {
		return false;
	}
	if (!x->key || !locked) {
		return bytes_equal(buf_view(&f.data[0]), text);
	}
	struct bytes was = buf_view(&f.data[0]);
	if (was.n == 0 || memmem(was.p, was.n, "ENCRYPTED PRIVATE KEY", 21) == NULL) {
		return false;
	}
	store_file_release(&f);
	if (store_file_open(&x->tool, x->out, &words, STORE_LOOK, &f, /* err= */ NULL) != ERR_OK ||
	    f.ops->count(f.ks) == 0) {
		return false;
	}
	f.ops->entry(f.ks, 0, &o);
	return o.kind == KS_KEY && o.n_chain > 0 && bytes_equal(o.chain[0], e->chain[0]) &&
	       f.ops->key(f.ks, 0, &theirs, /* err= */ NULL) == ERR_OK &&
	       x->from.ops->key(x->from.ks, x->entry, &mine, /* err= */ NULL) == ERR_OK &&
	       secret_equal(&mine, &theirs);
}

static int put_text(struct exporting *x, const struct keystore_entry *e, bool der, struct err *err)
{
	CLEANUP(buf_release) struct buf out = { 0 };

	buf_init_secret(&out, KEYSTORE_FILE_LIMIT);
	enum err_code rc = as_text(x, e, der, &out, err);
	if (rc != ERR_OK) {
		return cli_fail(x->tool.cli, err);
	}
	if (x->out == NULL) {
		return cli_print(x->tool.cli, &out);
	}
	if (is_there(x, e, buf_view(&out))) {
		return tool_report(&x->tool, x->out, /* written= */ false);
	}
	rc = cli_write_file(x->out, buf_view(&out), err);
	return rc == ERR_OK ? tool_report(&x->tool, x->out, /* written= */ true)
	                    : cli_fail(x->tool.cli, err);
}

enum err_code tool_put_chain(struct keystore *to, const struct keystore_entry *e, const char *alias,
                             int64_t now_ms, struct err *err)
{
	/* Where there are aliases, one is the leaf's and the rest would need names of their own. */
	size_t n = to->ops->has_aliases && e->n_chain > 1 ? 1 : e->n_chain;
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < n; i++) {
		rc = to->ops->set_trusted(to, alias, e->chain[i], now_ms, err);
	}
	return rc;
}

static enum err_code into_store(struct exporting *x, const struct keystore_entry *e,
                                const struct keystore_ops *ops, bool *ret_written, struct err *err)
{
	int64_t now = store_tool_now_ms(&x->tool);
	const char *alias = e->alias[0] == '\0' ? "1" : e->alias;
	enum err_code rc = tool_open_out(&x->tool, x->out, ops, &x->from, &x->to, err);

	if (rc == ERR_OK && !x->key && e->kind == KS_KEY && e->n_chain > 0) {
		rc = tool_put_chain(x->to.ks, e, alias, now, err);
	} else if (rc == ERR_OK) {
		rc = keystore_copy(x->from.ks, x->entry, alias, now, x->to.ks, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	const struct keystore_encode how = { .passwords = store_file_passwords(&x->to),
		                             .profile = args_get(x->tool.args, "profile") };
	return store_file_save(&x->to, &how, ret_written, err);
}

static int put_store(struct exporting *x, const struct keystore_entry *e, const char *to,
                     struct err *err)
{
	const struct keystore_ops *ops = NULL;
	bool written = false;

	if (x->out == NULL) {
		return cli_usage(x->tool.cli, "--to %s needs --out FILE", to);
	}
	enum err_code rc = store_format(x->tool.cli, to, &ops, err);
	if (rc == ERR_OK) {
		rc = into_store(x, e, ops, &written, err);
	}
	return rc == ERR_OK ? tool_report(&x->tool, x->out, written) : cli_fail(x->tool.cli, err);
}

static int run(struct cli *c, const struct args *a)
{
	CLEANUP(exporting_release)
	struct exporting x = { .out = args_get(a, "out"), .key = args_has(a, "key") };
	const char *to = args_get(a, "to");
	struct keystore_entry e = { .alias = NULL };
	struct err err = { 0 };
	bool der = str_equal(to, "der");

	if (x.key && x.out == NULL) {
		return cli_usage(c, "a private key goes to a file: --out FILE");
	}
	if (x.key && der) {
		return cli_usage(c, "--to der is the certificate alone; take pem for the key");
	}
	store_tool_init(&x.tool, c, a);
	enum err_code rc = store_file_open(&x.tool, a->words[0], &store_words_own,
	                                   x.key ? STORE_EDIT : STORE_LOOK, &x.from, &err);
	if (rc == ERR_OK) {
		rc = choose(&x, &err);
	}
	if (rc != ERR_OK) {
		return cli_fail(c, &err);
	}
	x.from.ops->entry(x.from.ks, x.entry, &e);
	if (x.key && e.kind != KS_KEY && e.kind != KS_SECRET) {
		(void)err_set(&err, ERR_INVALID, "%s: entry '%s' has no private key", x.from.shown,
		              e.alias[0] == '\0' ? "-" : e.alias);
		return cli_fail(c, &err);
	}
	return to == NULL || der || str_equal(to, "pem") ? put_text(&x, &e, der, &err)
	                                                 : put_store(&x, &e, to, &err);
}

const struct verb verb_keystore_export = {
	.name = "keystore export",
	.synopsis = "FILE [--alias ALIAS] [--out FILE] [--to FORMAT] [--key] [--password-ref REF]",
	.summary = "an entry out of a keystore",
	.text = "Without --key the certificates of the entry as PEM, the leaf first. With --key the private key before them, to a file that only its owner can read (encrypted when --out-password-ref is given), or into a store of another format. A key is never printed.",
	.example =
		"certwright keystore export keystore.jks --alias tomcat --key --out tomcat.pem --password-ref file:password",
	.exits = "0, 1 error: nothing was written",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.min_words = 1,
	.max_words = 1,
	.run = run,
};
