/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_validate.c - the desired state alone: no network, no secrets, no state.
 */
#include "reconciler/base/json.h"
#include "reconciler/cli/session.h"
#include "reconciler/cli/verbs.h"

static void print_json(const struct diagnostics *d, const struct desired *desired, struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out, /* pretty= */ true);
	json_begin_object(&w);
	json_member_bool(&w, "valid", desired != NULL);
	json_key(&w, "errors");
	json_begin_array(&w);
	for (size_t i = 0; i < d->n; i++) {
		json_begin_object(&w);
		json_member_str(&w, "file", d->v[i].file);
		json_member_int(&w, "line", d->v[i].pos.line);
		json_member_int(&w, "column", d->v[i].pos.col);
		json_member_str(&w, "message", d->v[i].message);
		json_member_str(&w, "hint", d->v[i].hint);
		json_end_object(&w);
	}
	json_end_array(&w);
	json_key(&w, "warnings");
	json_begin_array(&w);
	for (size_t i = 0; desired != NULL && i < desired->n_warnings; i++) {
		json_begin_object(&w);
		json_member_str(&w, "name", desired->warnings[i].name);
		json_member_str(&w, "text", desired->warnings[i].text);
		json_end_object(&w);
	}
	json_end_array(&w);
	json_end_object(&w);
	buf_add_byte(out, '\n');
}

static void print_text(struct cli *c, const struct desired *d, struct buf *out)
{
	for (size_t i = 0; i < d->n_warnings; i++) {
		cli_note(c, "warning: %s [%s]", d->warnings[i].text, d->warnings[i].name);
	}
	const struct {
		size_t n;
		const char *word;
	} counts[] = {
		{ d->n_issuers, "issuer" }, { d->n_identities, "certificate" },
		{ d->n_ca_sets, "CA set" }, { d->n_keystores, "keystore" },
		{ d->n_targets, "target" },
	};
	buf_add_str(out, "Valid:");
	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		buf_printf(out, "%s %zu %s%s", i == 0 ? "" : ",", counts[i].n, counts[i].word,
		           counts[i].n == 1 ? "" : "s");
	}
	if (d->n_discoveries > 0) {
		buf_printf(out, ", %zu %s", d->n_discoveries,
		           d->n_discoveries == 1 ? "discovery" : "discoveries");
	}
	buf_add_str(out, ".\n");
}

static int run(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };
	struct err err = { 0 };

	session_init(&s, c, a);
	buf_init(&out, BUF_LIMIT_TEXT);
	enum err_code rc = session_source(&s, /* loop= */ false, &err);
	bool opened = rc == ERR_OK;
	if (rc == ERR_OK) {
		rc = session_desired(&s, COMMIT_LOOK, &err);
	}
	bool judged = rc == ERR_OK || rc == ERR_INVALID || rc == ERR_DENIED;
	if (opened && judged && c->output == OUTPUT_JSON) {
		print_json(&s.accepted.diagnostics, s.accepted.desired, &out);
		int printed = cli_print(c, &out);
		return printed != EXIT_FINE || rc == ERR_OK ? printed : EXIT_ERROR;
	}
	if (rc != ERR_OK) {
		return cli_fail(c, &err);
	}
	print_text(c, s.accepted.desired, &out);
	return cli_print(c, &out);
}

const struct verb verb_validate = {
	.name = "validate",
	.synopsis = "[--worktree]",
	.summary = "check the desired state",
	.example = "certwright validate --worktree",
	.exits = "0 fine, 1 errors",
	.run = run,
};
