/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_operator.c - the operator's word, recorded: approve, renew, suspend, resume. They are short
 * rows beside a running reconciler, which obeys at its next pass.
 */
#include <string.h>

#include "reconciler/base/str.h"
#include "reconciler/base/when.h"
#include "reconciler/cli/session.h"
#include "reconciler/cli/verbs.h"

static enum err_code open_operator(struct session *s, struct err *err)
{
	enum err_code rc = session_source(s, /* loop= */ false, err);

	if (rc == ERR_OK) {
		rc = session_store(s, STORE_OPERATOR, err);
	}
	return rc == ERR_OK ? session_desired(s, /* read_only= */ true, err) : rc;
}

/* The identity of that name, or an error that suggests the nearest. */
static enum err_code known_identity(const struct session *s, const char *name, struct err *err)
{
	const struct desired *d = s->accepted.desired;
	const char **names = NULL;

	if (desired_identity(d, name) != NULL) {
		return ERR_OK;
	}
	names = ARENA_ARRAY((struct arena *)(uintptr_t)&s->arena, const char *,
	                    d->n_identities + 1);
	for (size_t i = 0; names != NULL && i < d->n_identities; i++) {
		names[i] = d->identities[i].name;
	}
	const char *nearest = names == NULL ? NULL : str_nearest(name, names, d->n_identities);
	(void)err_set(err, ERR_NOT_FOUND, "no such Certificate: %s", name);
	return nearest == NULL ? ERR_NOT_FOUND : err_hint(err, "did you mean '%s'?", nearest);
}

static int say(struct cli *c, const char *fmt, const char *name)
{
	CLEANUP(buf_release) struct buf out = { 0 };

	buf_init(&out, BUF_LIMIT_TEXT);
	if (c->output == OUTPUT_TEXT) {
		buf_add_str(&out, fmt);
		buf_printf(&out, " %s; it takes effect at the next pass.\n", name);
	} else {
		buf_add_str(&out, "{}\n");
	}
	return cli_print(c, &out);
}

static int on_identity(struct cli *c, const struct args *a, const char *done,
                       enum err_code (*record)(struct store *s, const char *identity,
                                               struct err *err))
{
	CLEANUP(session_release) struct session s;
	struct err err = { 0 };

	session_init(&s, c, a);
	enum err_code rc = open_operator(&s, &err);
	if (rc == ERR_OK) {
		rc = known_identity(&s, a->words[0], &err);
	}
	if (rc == ERR_OK) {
		rc = record(s.store, a->words[0], &err);
	}
	return rc != ERR_OK ? cli_fail(c, &err) : say(c, done, a->words[0]);
}

static int run_approve(struct cli *c, const struct args *a)
{
	return on_identity(c, a, "Approved Certificate", store_approve);
}

static int run_renew(struct cli *c, const struct args *a)
{
	return on_identity(c, a, "Renewal asked for Certificate", store_renew_asked);
}

/* "Target/pdu01", "Certificate/web", "Target/kms@kms1". */
static bool split_selector(struct session *s, const char *word, const char **ret_kind,
                           const char **ret_name)
{
	const char *slash = strchr(word, '/');

	if (slash == NULL || slash == word || slash[1] == '\0') {
		return false;
	}
	*ret_kind = arena_strn(&s->arena, word, (size_t)(slash - word));
	*ret_name = slash + 1;
	for (int k = 0; *ret_kind != NULL && k < KIND_COUNT; k++) {
		if (str_casecmp_ascii(kind_name((enum kind)k), *ret_kind) == 0) {
			*ret_kind = kind_name((enum kind)k);
			return true;
		}
	}
	return false;
}

static const struct option_spec suspend_options[] = {
	{ "until", 0, "TIME", "when it ends by itself (RFC 3339, or a duration from now)" },
	{ "reason", 0, "TEXT", "why; it is shown wherever this is waited for" },
};

static bool parse_until(const struct cli *c, const char *text, struct wall *ret)
{
	int64_t s = 0;

	if (when_parse(text, ret)) {
		return true;
	}
	if (!duration_parse(text, &s)) {
		return false;
	}
	ret->s = c->clock->wall(c->clock).s + s;
	return true;
}

static int run_suspend(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s;
	struct suspension x = { .reason = args_get(a, "reason") };
	struct err err = { 0 };

	session_init(&s, c, a);
	if (!split_selector(&s, a->words[0], &x.kind, &x.name)) {
		return cli_usage(c, "suspend takes KIND/NAME or KIND/NAME@HOST, not '%s'",
		                 a->words[0]);
	}
	if (args_get(a, "until") == NULL || !parse_until(c, args_get(a, "until"), &x.until) ||
	    x.reason == NULL) {
		return cli_usage(c, "suspend needs --until TIME and --reason TEXT");
	}
	enum err_code rc = open_operator(&s, &err);
	if (rc == ERR_OK) {
		rc = store_suspend(s.store, &x, &err);
	}
	return rc != ERR_OK ? cli_fail(c, &err) : say(c, "Suspended", a->words[0]);
}

static int run_resume(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s;
	struct err err = { 0 };
	const char *kind = NULL;
	const char *name = NULL;

	session_init(&s, c, a);
	if (!split_selector(&s, a->words[0], &kind, &name)) {
		return cli_usage(c, "resume takes KIND/NAME or KIND/NAME@HOST, not '%s'",
		                 a->words[0]);
	}
	enum err_code rc = open_operator(&s, &err);
	if (rc == ERR_OK) {
		rc = store_resume(s.store, kind, name, &err);
	}
	return rc != ERR_OK ? cli_fail(c, &err) : say(c, "Resumed", a->words[0]);
}

const struct verb verb_approve = {
	.name = "approve",
	.synopsis = "CERTIFICATE",
	.summary = "allow what waits for approval",
	.example = "certwright approve kms-server",
	.exits = "0 recorded, 1 error",
	.min_words = 1,
	.max_words = 1,
	.run = run_approve,
};

const struct verb verb_renew = {
	.name = "renew",
	.synopsis = "CERTIFICATE",
	.summary = "renew at the next pass, due or not",
	.example = "certwright renew pdu-web@pdu01.dc1.example",
	.exits = "0 recorded, 1 error",
	.min_words = 1,
	.max_words = 1,
	.run = run_renew,
};

const struct verb verb_suspend = {
	.name = "suspend",
	.synopsis = "KIND/NAME[@HOST] --until TIME --reason TEXT",
	.summary = "leave an object alone for a while",
	.example =
		"certwright suspend Target/kms-nodes@kms1 --until 8h --reason 'disk swap, ticket 4711'",
	.exits = "0 recorded, 1 error",
	.options = suspend_options,
	.n_options = ARRAY_LEN(suspend_options),
	.min_words = 1,
	.max_words = 1,
	.run = run_suspend,
};

const struct verb verb_resume = {
	.name = "resume",
	.synopsis = "KIND/NAME[@HOST]",
	.summary = "end a suspension, a hold or a back-off",
	.example = "certwright resume Target/kms-nodes@kms1",
	.exits = "0 recorded, 1 error",
	.min_words = 1,
	.max_words = 1,
	.run = run_resume,
};
