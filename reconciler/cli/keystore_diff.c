/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keystore_diff.c - two stores compared by what they mean.
 */
#include <string.h>

#include "reconciler/base/str.h"
#include "reconciler/cli/keystore_tool.h"

static const struct store_words words_other = { "other-password-ref", "other-key-password-ref",
	                                        "other-format" };

static const struct option_spec options[] = {
	OPTION_PASSWORD,
	OPTION_KEY_PASSWORD,
	OPTION_FORMAT,
	{ "other-password-ref", 0, "REF", "password of the second store (default: the first's)" },
	{ "other-key-password-ref", 0, "REF", "password of its keys" },
	{ "other-format", 0, "FORMAT", "take the second file for this format" },
	{ "dates", 0, NULL, "a date that differs is a difference, too" },
};

struct comparison {
	struct store_tool tool;
	struct store_file left, right;
	struct store_model left_model, right_model;
	const struct store_difference *v;
	size_t n;
};

static void comparison_release(struct comparison *x)
{
	store_file_release(&x->left);
	store_file_release(&x->right);
	store_tool_release(&x->tool);
}

/* Two keys that were not seen are not the same key. */
static enum err_code keys_open(const struct store_file *f, const struct store_model *m,
                               struct err *err)
{
	for (size_t i = 0; i < m->row.n_entries; i++) {
		const struct obs_entry *e = &m->row.entries[i];
		if (e->kind == KS_KEY && !e->key_opens) {
			(void)err_set(err, ERR_DENIED, "%s: the key '%s' does not open", f->shown,
			              e->alias);
			return err_hint(err, "--key-password-ref, --other-key-password-ref");
		}
	}
	return ERR_OK;
}

static enum err_code compare(struct comparison *x, struct err *err)
{
	const struct args *a = x->tool.args;
	struct store_words other = words_other;
	struct store_tool *t = &x->tool;

	if (!args_has(a, other.password)) {
		other.password = store_words_own.password;
	}
	if (!args_has(a, other.key_password)) {
		other.key_password = store_words_own.key_password;
	}
	enum err_code rc =
		store_file_open(t, a->words[0], &store_words_own, STORE_EDIT, &x->left, err);
	if (rc == ERR_OK) {
		rc = store_file_open(t, a->words[1], &other, STORE_EDIT, &x->right, err);
	}
	if (rc == ERR_OK) {
		rc = store_model(x->left.ks, &t->arena, &t->certs, &x->left_model, err);
	}
	if (rc == ERR_OK) {
		rc = store_model(x->right.ks, &t->arena, &t->certs, &x->right_model, err);
	}
	if (rc == ERR_OK) {
		rc = keys_open(&x->left, &x->left_model, err);
	}
	if (rc == ERR_OK) {
		rc = keys_open(&x->right, &x->right_model, err);
	}
	return rc != ERR_OK ? rc
	                    : store_model_diff(&x->left_model, &x->right_model,
	                                       args_has(a, "dates"), &t->arena, &x->v, &x->n, err);
}

static const char *what_is_there(struct arena *a, const struct obs_entry *e)
{
	char fingerprint[16];

	if (e->chain.n == 0) {
		return entry_kind_name(e->kind);
	}
	fingerprint_short(e->chain.v[0]->sha256, fingerprint);
	return arena_printf(a, "%s %s", entry_kind_name(e->kind), fingerprint);
}

static const char *words_of(struct comparison *x, const struct store_difference *d)
{
	struct arena *a = &x->tool.arena;

	switch (d->kind) {
	case STORE_ONLY_LEFT:
		return arena_printf(a, "%s, only in %s", what_is_there(a, d->left), x->left.shown);
	case STORE_ONLY_RIGHT:
		return arena_printf(a, "%s, only in %s", what_is_there(a, d->right),
		                    x->right.shown);
	case STORE_KIND:
	case STORE_CERTIFICATE:
		return arena_printf(a, "%s -> %s", what_is_there(a, d->left),
		                    what_is_there(a, d->right));
	case STORE_CHAIN:
		return arena_printf(a, "chain of %zu -> chain of %zu", d->left->chain.n,
		                    d->right->chain.n);
	case STORE_KEY:
		return "another private key";
	case STORE_SECRET:
		return "another secret key";
	case STORE_ATTRIBUTES:
		return "other attributes";
	case STORE_DATE:
		return "another date";
	}
	return "";
}

static void print_text(struct comparison *x, struct buf *out)
{
	for (size_t i = 0; i < x->n; i++) {
		const struct store_difference *d = &x->v[i];
		const char *words = words_of(x, d);

		buf_add_str(out, d->kind == STORE_ONLY_LEFT    ? "- "
		                 : d->kind == STORE_ONLY_RIGHT ? "+ "
		                                               : "~ ");
		str_escape_terminal(out, d->alias, strlen(d->alias));
		buf_printf(out, "%s%s: ", d->alias[0] == '\0' ? "" : "  ",
		           store_difference_name(d->kind));
		str_escape_terminal(out, words, strlen(words));
		buf_add_byte(out, '\n');
	}
	if (x->n == 0) {
		buf_add_str(out, "No differences.\n");
	}
}

static void side_json(struct comparison *x, const char *name, const struct obs_entry *e,
                      struct json_writer *w)
{
	json_key(w, name);
	if (e == NULL) {
		json_write_null(w);
		return;
	}
	json_begin_object(w);
	json_member_str(w, "alias", e->alias);
	json_member_str(w, "kind", entry_kind_name(e->kind));
	json_key(w, "chain");
	show_chain_json(&e->chain, &x->tool.arena, w);
	json_end_object(w);
}

static void print_json(struct comparison *x, struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out, /* pretty= */ true);
	json_begin_object(&w);
	json_member_str(&w, "left", x->left.shown);
	json_member_str(&w, "right", x->right.shown);
	json_member_bool(&w, "equal", x->n == 0);
	json_key(&w, "differences");
	json_begin_array(&w);
	for (size_t i = 0; i < x->n; i++) {
		json_begin_object(&w);
		json_member_str(&w, "alias", x->v[i].alias);
		json_member_str(&w, "difference", store_difference_name(x->v[i].kind));
		json_member_str(&w, "message", words_of(x, &x->v[i]));
		side_json(x, "left", x->v[i].left, &w);
		side_json(x, "right", x->v[i].right, &w);
		json_end_object(&w);
	}
	json_end_array(&w);
	json_end_object(&w);
	buf_add_byte(out, '\n');
}

static int run(struct cli *c, const struct args *a)
{
	CLEANUP(comparison_release) struct comparison x = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };
	struct err err = { 0 };

	store_tool_init(&x.tool, c, a);
	if (compare(&x, &err) != ERR_OK) {
		return cli_fail(c, &err);
	}
	buf_init(&out, BUF_LIMIT_TEXT);
	if (c->output == OUTPUT_JSON) {
		print_json(&x, &out);
	} else {
		print_text(&x, &out);
	}
	int printed = cli_print(c, &out);
	return printed != EXIT_FINE ? printed : x.n == 0 ? EXIT_FINE : EXIT_ERROR;
}

const struct verb verb_keystore_diff = {
	.name = "keystore diff",
	.synopsis = "FILE FILE [--password-ref REF] [--other-password-ref REF]",
	.summary = "what two keystores mean differently",
	.text = "Compares aliases as Java folds them, kinds, chains as Java rebuilds them, keys by their public half, secret keys and attributes. Order, salts, ciphers, dates and a self-signed root at the end of a chain are no difference. A format without aliases is compared by what it holds.",
	.example =
		"certwright keystore diff old.jks new.p12 --password-ref file:old.pw --other-password-ref file:new.pw",
	.exits =
		"0 they mean the same, 1 they differ, or an error (which is told on standard error)",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.min_words = 2,
	.max_words = 2,
	.run = run,
};
