/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_get.c - what is declared, as a list; and the schema's own words about a field.
 */
#include <string.h>

#include "desired/schema.h"
#include "reconciler/base/json.h"
#include "reconciler/base/str.h"
#include "reconciler/cli/session.h"
#include "reconciler/cli/verbs.h"

struct listing {
	struct cli *cli;
	struct buf *out;
	struct json_writer w;
	const char *name, *selector;
	size_t n;
};

static void list_object(struct listing *l, const struct object *o, const char *name)
{
	if ((l->name != NULL && !str_equal(l->name, name)) || !object_selected(o, l->selector)) {
		return;
	}
	l->n++;
	if (l->cli->output == OUTPUT_JSON) {
		json_begin_object(&l->w);
		json_member_str(&l->w, "kind", kind_name(o->kind));
		json_member_str(&l->w, "name", name);
		json_member_str(&l->w, "file", o->file);
		json_member_int(&l->w, "line", o->pos.line);
		json_key(&l->w, "labels");
		json_begin_object(&l->w);
		for (size_t i = 0; i < o->shared->n_labels; i++) {
			json_member_str(&l->w, o->shared->labels[i].key,
			                o->shared->labels[i].value);
		}
		json_end_object(&l->w);
		json_end_object(&l->w);
	} else {
		buf_printf(l->out, "%-40s %s:%u\n", name, o->file, o->pos.line);
	}
}

static void list_kind(struct listing *l, const struct desired *d, enum kind k)
{
	if (k == KIND_CERTIFICATE) {
		for (size_t i = 0; i < d->n_identities; i++) {
			list_object(l, &d->identities[i].def->o, d->identities[i].name);
		}
	}
	for (size_t i = 0; k == KIND_ISSUER && i < d->n_issuers; i++) {
		list_object(l, &d->issuers[i]->o, d->issuers[i]->o.name);
	}
	for (size_t i = 0; k == KIND_CASET && i < d->n_ca_sets; i++) {
		list_object(l, &d->ca_sets[i]->o, d->ca_sets[i]->o.name);
	}
	for (size_t i = 0; k == KIND_KEYSTORE && i < d->n_keystores; i++) {
		list_object(l, &d->keystores[i]->o, d->keystores[i]->o.name);
	}
	for (size_t i = 0; k == KIND_TARGET && i < d->n_targets; i++) {
		list_object(l, &d->targets[i]->o, d->targets[i]->o.name);
	}
	for (size_t i = 0; k == KIND_DISCOVERY && i < d->n_discoveries; i++) {
		list_object(l, &d->discoveries[i]->o, d->discoveries[i]->o.name);
	}
}

static const enum kind listed[] = { KIND_ISSUER,   KIND_CERTIFICATE, KIND_CASET,
	                            KIND_KEYSTORE, KIND_TARGET,      KIND_DISCOVERY };

/* "certificate", "Certificates", "CERTIFICATE", "discoveries". */
static bool kind_of_word(const char *word, enum kind *ret)
{
	size_t n = strlen(word);

	for (size_t i = 0; i < ARRAY_LEN(listed); i++) {
		const char *name = kind_name(listed[i]);
		size_t len = strlen(name);
		bool plural = n == len + 1 && (word[len] == 's' || word[len] == 'S');
		bool ies = name[len - 1] == 'y' && n == len + 2 &&
		           strcasecmp(word + len - 1, "ies") == 0;
		if ((n == len || plural || ies) &&
		    strncasecmp(word, name, ies ? len - 1 : len) == 0) {
			*ret = listed[i];
			return true;
		}
	}
	return false;
}

static int unknown_kind(struct cli *c, const char *word)
{
	const char *names[ARRAY_LEN(listed)];

	for (size_t i = 0; i < ARRAY_LEN(listed); i++) {
		names[i] = kind_name(listed[i]);
	}
	const char *nearest = str_nearest(word, names, ARRAY_LEN(listed));
	return nearest == NULL
	               ? cli_usage(c, "there is no kind '%s'", word)
	               : cli_usage(c, "there is no kind '%s'; did you mean '%s'?", word, nearest);
}

static int print_listing(struct cli *c, struct session *s, enum kind k, const char *name)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	struct listing l = { .cli = c, .out = &out, .name = name };
	struct err err = { 0 };

	l.selector = args_get(s->args, "selector");
	buf_init(&out, BUF_LIMIT_TEXT);
	json_writer_init(&l.w, &out, /* pretty= */ true);
	if (c->output == OUTPUT_JSON) {
		json_begin_array(&l.w);
	}
	list_kind(&l, s->accepted.desired, k);
	if (c->output == OUTPUT_JSON) {
		json_end_array(&l.w);
		buf_add_byte(&out, '\n');
	}
	if (l.n == 0 && name != NULL) {
		(void)err_set(&err, ERR_NOT_FOUND, "no %s is called '%s'", kind_name(k), name);
		return cli_fail(c, &err);
	}
	if (l.n == 0 && c->output == OUTPUT_TEXT) {
		buf_printf(&out, "No %s is declared.\n", kind_name(k));
	}
	return cli_print(c, &out);
}

static int run_get(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s = { 0 };
	struct err err = { 0 };
	enum kind kind;

	if (!kind_of_word(a->words[0], &kind)) {
		return unknown_kind(c, a->words[0]);
	}
	session_init(&s, c, a);
	enum err_code rc = session_source(&s, /* loop= */ false, &err);
	if (rc == ERR_OK) {
		rc = session_desired(&s, COMMIT_LOOK, &err);
	}
	return rc != ERR_OK ? cli_fail(c, &err)
	                    : print_listing(c, &s, kind, a->n_words > 1 ? a->words[1] : NULL);
}

static int run_explain(struct cli *c, const struct args *a)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	struct err err = { 0 };

	buf_init(&out, BUF_LIMIT_TEXT);
	if (schema_explain(a->words[0], &out, &err) != ERR_OK) {
		return cli_fail(c, &err);
	}
	if (c->output == OUTPUT_JSON) {
		const struct cli_member v[] = { { "path", a->words[0] },
			                        { "text", buf_str(&out) } };
		return cli_print_members(c, v, ARRAY_LEN(v));
	}
	return cli_print(c, &out);
}

static int run_schema(struct cli *c, const struct args *a)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	struct err err = { 0 };

	buf_init(&out, BUF_LIMIT_TEXT);
	if (schema_write_json(a->n_words > 0 ? a->words[0] : NULL, &out, &err) != ERR_OK) {
		const char *names[KIND_COUNT];
		for (int k = 0; k < KIND_COUNT; k++) {
			names[k] = kind_name((enum kind)k);
		}
		cli_nearest(&err, a->n_words > 0 ? a->words[0] : "", names, KIND_COUNT);
		return cli_fail(c, &err);
	}
	return cli_print(c, &out);
}

static const struct option_spec get_options[] = {
	{ "selector", 'l', "LABELS", "only objects with these labels" },
};

const struct verb verb_get = {
	.name = "get",
	.synopsis = "KIND [NAME]",
	.summary = "list what is declared",
	.example = "certwright get certificates -l team=kms",
	.words = "Issuer Certificate CASet Keystore Target Discovery",
	.exits = "0, 1 error or no such object",
	.options = get_options,
	.n_options = ARRAY_LEN(get_options),
	.min_words = 1,
	.max_words = 2,
	.run = run_get,
};

const struct verb verb_explain = {
	.name = "explain",
	.synopsis = "KIND[.FIELD...]",
	.summary = "what a field means, from the schema",
	.example = "certwright explain Certificate.privateKey.rotationPolicy",
	.words = "Issuer Certificate CASet Keystore Target Discovery Policy Defaults",
	.exits = "0, 1 no such field",
	.min_words = 1,
	.max_words = 1,
	.run = run_explain,
};

const struct verb verb_schema = {
	.name = "schema",
	.synopsis = "[KIND]",
	.summary = "JSON Schema of the desired state",
	.example = "certwright schema Certificate > certificate.schema.json",
	.words = "Issuer Certificate CASet Keystore Target Policy Defaults",
	.exits = "0, 1 no such kind",
	.max_words = 1,
	.run = run_schema,
};
