/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_operator.c - the operator's word, recorded: approve, renew, suspend, resume. They are short
 * rows beside a running reconciler, which is woken to obey them.
 */
#include <string.h>

#include "reconciler/base/json.h"
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
	return rc == ERR_OK ? session_desired(s, COMMIT_STAND_IN, err) : rc;
}

static int recorded(struct session *s, const char *done, const char *what)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	struct cli *c = s->cli;
	struct json_writer w;

	session_wake(s);
	buf_init(&out, BUF_LIMIT_TEXT);
	if (c->output == OUTPUT_JSON) {
		json_writer_init(&w, &out, /* pretty= */ false);
		json_begin_object(&w);
		json_member_str(&w, "verb", c->verb->name);
		json_member_str(&w, "object", what);
		json_member_bool(&w, "recorded", true);
		json_end_object(&w);
		buf_add_byte(&out, '\n');
	} else {
		buf_printf(&out, "%s %s; the next pass of 'run' or 'apply' obeys.\n", done, what);
	}
	return cli_print(c, &out);
}

static int on_identity(struct cli *c, const struct args *a, const char *done,
                       enum err_code (*record)(struct session *s, const char *identity,
                                               struct err *err))
{
	CLEANUP(session_release) struct session s = { 0 };
	const char *name = NULL;
	struct err err = { 0 };

	session_init(&s, c, a);
	enum err_code rc = session_name_of(KIND_CERTIFICATE, a->words[0], &name, &err);
	if (rc == ERR_OK) {
		rc = open_operator(&s, &err);
	}
	if (rc == ERR_OK) {
		rc = record(&s, name, &err);
	}
	return rc != ERR_OK ? cli_fail(c, &err) : recorded(&s, done, name);
}

/* An approval given when nothing waits would be spent on a change that nobody has seen yet. */
static enum err_code check_waits_for_approval(struct session *s, const char *identity,
                                              struct err *err)
{
	CLEANUP(pass_release) struct pass p = { 0 };

	enum err_code rc = session_engine(s, /* probes= */ false, err);
	if (rc == ERR_OK) {
		rc = engine_recorded(&s->engine, &p, err);
	}
	if (rc == ERR_OK) {
		rc = engine_plan(&s->engine, &p, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	/* A key that waits for its release waits in the name of its Target. */
	CLEANUP(cleanup_free) char *asked = str_printf("approve %s", identity);
	for (size_t i = 0; asked != NULL && i < p.plan->n_waitings; i++) {
		const struct waiting *w = &p.plan->waitings[i];
		if (w->message != NULL && str_ends(w->message, asked) &&
		    (str_equal(w->what_for, "ApprovalPending") ||
		     str_equal(w->what_for, "BudgetExceeded"))) {
			return ERR_OK;
		}
	}
	/* What left the desired state may still wait: only now is a name nobody knows an error. */
	rc = session_identity(s, identity, err);
	if (rc != ERR_OK) {
		return rc;
	}
	(void)err_set(err, ERR_REFUSED, "nothing of Certificate %s waits for approval", identity);
	return err_hint(err, "'certwright plan' shows what does");
}

static enum err_code approve(struct session *s, const char *identity, struct err *err)
{
	enum err_code rc = check_waits_for_approval(s, identity, err);

	return rc == ERR_OK ? store_approve(s->store, identity, err) : rc;
}

static int run_approve(struct cli *c, const struct args *a)
{
	return on_identity(c, a, "Approved: Certificate", approve);
}

static enum err_code renew(struct session *s, const char *identity, struct err *err)
{
	enum err_code rc = session_identity(s, identity, err);

	return rc == ERR_OK ? store_renew_asked(s->store, identity, err) : rc;
}

static int run_renew(struct cli *c, const struct args *a)
{
	return on_identity(c, a, "Renewal asked for: Certificate", renew);
}

/* What a selector means: "Target/kms", "Target/kms@kms1", "Certificate/web", "team=kms". */

struct chosen {
	const char *kind, *name; /* name may be NAME@HOST */
};

struct choice {
	struct chosen *v;
	size_t n;
};

static bool takes_suspension(enum kind k)
{
	return k == KIND_TARGET || k == KIND_CERTIFICATE;
}

static enum err_code check_chosen(struct session *s, enum kind k, const char *name, struct err *err)
{
	const char *at = strchr(name, '@');

	if (k == KIND_CERTIFICATE) {
		return session_identity(s, name, err);
	}
	return session_target(s,
	                      at == NULL ? name : arena_strn(&s->arena, name, (size_t)(at - name)),
	                      at == NULL ? NULL : at + 1, err);
}

static enum err_code choose_one(struct session *s, const char *word, size_t kind_len,
                                struct choice *ret, struct err *err)
{
	const char *name = word + kind_len + 1;

	for (int k = 0; k < KIND_COUNT; k++) {
		const char *kind = kind_name((enum kind)k);
		if (!takes_suspension((enum kind)k) || strlen(kind) != kind_len ||
		    strncasecmp(kind, word, kind_len) != 0) {
			continue;
		}
		enum err_code rc = check_chosen(s, (enum kind)k, name, err);
		ret->v[0] = (struct chosen){ .kind = kind, .name = name };
		ret->n = 1;
		return rc;
	}
	(void)err_set(err, ERR_INVALID, "'%s' is neither Target/NAME nor Certificate/NAME", word);
	return err_hint(err, "a whole Target: Target/NAME; one host of it: Target/NAME@HOST; "
	                     "by labels: team=kms");
}

static enum err_code choose(struct session *s, const char *word, struct choice *ret,
                            struct err *err)
{
	const struct desired *d = s->accepted.desired;
	const char *slash = strchr(word, '/');

	ret->n = 0;
	ret->v = ARENA_ARRAY(&s->arena, struct chosen, d->n_identities + d->n_targets + 1);
	if (ret->v == NULL) {
		return err_nomem(err);
	}
	if (slash != NULL || strchr(word, '=') == NULL) {
		return choose_one(s, word, slash == NULL ? strlen(word) : (size_t)(slash - word),
		                  ret, err);
	}
	for (size_t i = 0; i < d->n_targets; i++) {
		if (object_selected(&d->targets[i]->o, word)) {
			ret->v[ret->n++] =
				(struct chosen){ kind_name(KIND_TARGET), d->targets[i]->o.name };
		}
	}
	for (size_t i = 0; i < d->n_identities; i++) {
		if (object_selected(&d->identities[i].def->o, word)) {
			ret->v[ret->n++] = (struct chosen){ kind_name(KIND_CERTIFICATE),
				                            d->identities[i].name };
		}
	}
	return ret->n > 0 ? ERR_OK
	                  : err_set(err, ERR_NOT_FOUND,
	                            "no Target and no Certificate has the labels %s", word);
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
	CLEANUP(session_release) struct session s = { 0 };
	struct suspension x = { .reason = args_get(a, "reason") };
	struct choice chosen = { 0 };
	struct err err = { 0 };
	char until[WHEN_TEXT_MAX];

	session_init(&s, c, a);
	if (args_get(a, "until") == NULL || x.reason == NULL) {
		return cli_usage(c, "suspend needs --until TIME and --reason TEXT");
	}
	if (!parse_until(c, args_get(a, "until"), &x.until)) {
		return cli_usage(c, "--until %s: not a time like 2026-11-21T02:00:00Z or 3d",
		                 args_get(a, "until"));
	}
	if (x.until.s <= c->clock->wall(c->clock).s) {
		when_format_short(x.until, until);
		return cli_usage(c, "--until %s: %s is over already", args_get(a, "until"), until);
	}
	enum err_code rc = open_operator(&s, &err);
	if (rc == ERR_OK) {
		rc = choose(&s, a->words[0], &chosen, &err);
	}
	for (size_t i = 0; rc == ERR_OK && i < chosen.n; i++) {
		x.kind = chosen.v[i].kind;
		x.name = chosen.v[i].name;
		rc = store_suspend(s.store, &x, &err);
	}
	return rc != ERR_OK ? cli_fail(c, &err) : recorded(&s, "Suspended:", a->words[0]);
}

static enum err_code release_stores(struct session *s, const struct memory *m, const char *name,
                                    size_t *n, struct err *err)
{
	const char *at = strchr(name, '@');
	size_t len = at == NULL ? strlen(name) : (size_t)(at - name);

	for (size_t i = 0; i < m->n_stores; i++) {
		const struct store_memory *sm = &m->stores[i];
		if (strlen(sm->target) != len || strncmp(sm->target, name, len) != 0 ||
		    (at != NULL && !str_equal(sm->host, at + 1)) ||
		    (sm->hold_revision == 0 && sm->push == NULL)) {
			continue;
		}
		const char *what = arena_printf(&s->arena, "push:%s", sm->key);
		enum err_code rc =
			what == NULL ? err_nomem(err) : store_release(s->store, what, err);
		if (rc != ERR_OK) {
			return rc;
		}
		*n += 1;
	}
	return ERR_OK;
}

static enum err_code release_identity(struct session *s, const struct memory *m, const char *name,
                                      size_t *n, struct err *err)
{
	const struct identity_memory *im = memory_identity(m, name);

	if (im == NULL || im->issue == NULL) {
		return ERR_OK;
	}
	const char *what = arena_printf(&s->arena, "issue:%s", name);
	*n += 1;
	return what == NULL ? err_nomem(err) : store_release(s->store, what, err);
}

static enum err_code resume_one(struct session *s, const struct memory *m, const struct chosen *x,
                                size_t *n, struct err *err)
{
	enum err_code rc = ERR_OK;

	for (size_t i = 0; rc == ERR_OK && i < m->n_suspensions; i++) {
		if (str_equal(m->suspensions[i].kind, x->kind) &&
		    str_equal(m->suspensions[i].name, x->name)) {
			rc = store_resume(s->store, x->kind, x->name, err);
			*n += 1;
		}
	}
	if (rc != ERR_OK) {
		return rc;
	}
	return str_equal(x->kind, kind_name(KIND_TARGET)) ? release_stores(s, m, x->name, n, err)
	                                                  : release_identity(s, m, x->name, n, err);
}

static int run_resume(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s = { 0 };
	CLEANUP(pass_release) struct pass p = { 0 };
	struct choice chosen = { 0 };
	struct err err = { 0 };
	size_t n = 0;

	session_init(&s, c, a);
	arena_init(&p.arena);
	seen_certs_init(&p.certs, &p.arena);
	enum err_code rc = open_operator(&s, &err);
	if (rc == ERR_OK) {
		rc = choose(&s, a->words[0], &chosen, &err);
	}
	if (rc == ERR_OK) {
		rc = memory_load(s.store, &p.arena, &p.certs, &p.memory, &err);
	}
	for (size_t i = 0; rc == ERR_OK && i < chosen.n; i++) {
		rc = resume_one(&s, p.memory, &chosen.v[i], &n, &err);
	}
	if (rc == ERR_OK && n == 0) {
		rc = err_set(&err, ERR_NOT_FOUND,
		             "%s is neither suspended nor held, and nothing of it failed",
		             a->words[0]);
	}
	return rc != ERR_OK ? cli_fail(c, &err) : recorded(&s, "Resumed:", a->words[0]);
}

const struct verb verb_approve = {
	.name = "approve",
	.synopsis = "CERTIFICATE",
	.summary = "allow what waits for approval",
	.text = "CERTIFICATE is NAME or Certificate/NAME.",
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
	.text = "CERTIFICATE is NAME or Certificate/NAME.",
	.example = "certwright renew pdu-web@pdu01.dc1.example",
	.exits = "0 recorded, 1 error",
	.min_words = 1,
	.max_words = 1,
	.run = run_renew,
};

const struct verb verb_suspend = {
	.name = "suspend",
	.synopsis = "KIND/NAME[@HOST] | LABELS --until TIME --reason TEXT",
	.summary = "leave an object alone for a while",
	.text = "Of a Target, of one host of it, of a Certificate, or of all of them with these labels "
		"(team=kms).",
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
	.synopsis = "KIND/NAME[@HOST] | LABELS",
	.summary = "end a suspension, a hold or a back-off",
	.example = "certwright resume Target/kms-nodes@kms1",
	.exits = "0 recorded, 1 error",
	.min_words = 1,
	.max_words = 1,
	.run = run_resume,
};
