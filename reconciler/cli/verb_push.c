/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_push.c - push, rollback and revoke by hand: done here when no reconciler runs, else left for
 * it to do.
 */
#include <string.h>

#include "reconciler/base/json.h"
#include "reconciler/base/str.h"
#include "reconciler/cli/session.h"
#include "reconciler/cli/verbs.h"
#include "reconciler/engine/ending.h"

struct order_by_hand {
	const char *verb;
	const char *name, *host; /* of "NAME[@HOST]" */
	struct buf args;         /* JSON, for a running reconciler */
	bool of_identity;        /* name is a Certificate, not a Target */
};

static enum err_code split_host(struct session *s, const char *word, struct order_by_hand *o,
                                struct err *err)
{
	const char *name = NULL;

	enum err_code rc = session_name_of(KIND_TARGET, word, &name, err);
	if (rc != ERR_OK) {
		return rc;
	}
	const char *at = strchr(name, '@');
	o->name = at == NULL ? name : arena_strn(&s->arena, name, (size_t)(at - name));
	o->host = at == NULL ? NULL : at + 1;
	return o->name == NULL ? err_nomem(err) : ERR_OK;
}

static enum err_code load_and_check(struct session *s, const struct order_by_hand *o,
                                    struct err *err)
{
	enum err_code rc = session_desired(s, COMMIT_STAND_IN, err);

	if (rc != ERR_OK) {
		return rc;
	}
	return o->of_identity ? session_identity(s, o->name, err)
	                      : session_target(s, o->name, o->host, err);
}

/* ERR_CONFLICT: somebody else holds the lock; then a request row is left and *ret_left says so. */
static enum err_code open_or_leave(struct session *s, const struct order_by_hand *o, bool *ret_left,
                                   struct err *err)
{
	*ret_left = false;
	enum err_code rc = session_source(s, /* loop= */ false, err);
	if (rc == ERR_OK) {
		rc = session_store(s, STORE_RECONCILER, err);
	}
	if (rc == ERR_CONFLICT) {
		err_clear(err);
		rc = session_store(s, STORE_OPERATOR, err);
		if (rc == ERR_OK) {
			rc = load_and_check(s, o, err);
		}
		if (rc == ERR_OK) {
			rc = store_request_add(s->store, o->verb, o->name, buf_str(&o->args), err);
		}
		*ret_left = rc == ERR_OK;
		return rc;
	}
	if (rc == ERR_OK) {
		rc = load_and_check(s, o, err);
	}
	return rc == ERR_OK ? session_engine(s, /* probes= */ true, err) : rc;
}

static int answer(struct cli *c, const struct order_by_hand *o, bool is_left, const char *text)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	struct json_writer w;

	buf_init(&out, BUF_LIMIT_TEXT);
	if (c->output == OUTPUT_JSON) {
		json_writer_init(&w, &out, /* pretty= */ false);
		json_begin_object(&w);
		json_member_str(&w, "verb", o->verb);
		json_member_str(&w, "name", o->name);
		json_member_str(&w, "host", o->host);
		json_member_bool(&w, "left", is_left);
		json_end_object(&w);
		buf_add_byte(&out, '\n');
	} else {
		buf_add_str(&out, text);
	}
	return cli_print(c, &out);
}

static int left(struct session *s, const struct order_by_hand *o)
{
	session_wake(s);
	return answer(s->cli, o, /* is_left= */ true,
	              "A reconciler is running on this state: it was told, and does it at once or "
	              "after the pass in hand.\n");
}

static int done(struct cli *c, const struct order_by_hand *o, const struct apply_result *r)
{
	struct err err = { 0 };
	char text[64];

	if (r->failed > 0) {
		const char *nl = strchr(r->first_error, '\n');
		(void)err_set(&err, ERR_REFUSED, "%.*s",
		              nl == NULL ? (int)strlen(r->first_error) : (int)(nl - r->first_error),
		              r->first_error);
		if (nl != NULL && str_starts(nl + 1, "hint: ")) {
			(void)err_hint(&err, "%s", nl + 1 + strlen("hint: "));
		}
		return cli_fail(c, &err);
	}
	if (r->left[0] != '\0') {
		cli_note(c, "left as it is, having no such revision: Certificate %s", r->left);
	}
	(void)snprintf(text, sizeof(text), "Done: %zu step%s.\n", r->done, r->done == 1 ? "" : "s");
	return answer(c, o, /* is_left= */ false, text);
}

/* What was recorded was seen before anything was done, and 'status' is to say what is there now.
 * It was done, whether or not that can be seen. */
static void look_again(struct session *s, const struct apply_result *r)
{
	CLEANUP(pass_release) struct pass p = { 0 };
	struct err err = { 0 };

	if (r->done > 0 && engine_observe(&s->engine, &p, &err) != ERR_OK) {
		cli_note(s->cli, "what was done could not be looked at: %s", err.msg);
	}
}

static void order_begin(struct order_by_hand *o, struct json_writer *w)
{
	buf_init(&o->args, BUF_LIMIT_TEXT);
	json_writer_init(w, &o->args, /* pretty= */ false);
	json_begin_object(w);
	json_member_str(w, "host", o->host);
}

/* It is one step, however many files it has: the service may be stopped in the middle of it. */
static void finish_whatever_comes(const struct cli *c)
{
	ending_catch(c->verbosity < 0 ? NULL
	                              : "ending when it is delivered; once more ends at once\n");
	ending_catch_hangup();
}

static const struct option_spec push_options[] = {
	{ "activate-only", 0, NULL, "write nothing, only activate" },
	{ "replace-unreadable", 0, NULL,
	  "overwrite a store that does not open (a backup is kept)" },
};

static int run_push(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s = { 0 };
	struct order_by_hand o = { .verb = "push" };
	struct apply_result result = { 0 };
	struct err err = { 0 };
	struct json_writer w;
	bool is_left = false;
	struct push_by_hand what = { .activate_only = args_has(a, "activate-only"),
		                     .replace_unreadable = args_has(a, "replace-unreadable") };

	session_init(&s, c, a);
	if (split_host(&s, a->words[0], &o, &err) != ERR_OK) {
		return cli_fail(c, &err);
	}
	order_begin(&o, &w);
	json_member_bool(&w, "activateOnly", what.activate_only);
	json_member_bool(&w, "replaceUnreadable", what.replace_unreadable);
	json_end_object(&w);
	enum err_code rc = open_or_leave(&s, &o, &is_left, &err);
	if (rc == ERR_OK && !is_left) {
		what.target = o.name;
		what.host = o.host;
		finish_whatever_comes(c);
		rc = engine_push(&s.engine, &what, &result, &err);
		look_again(&s, &result);
	}
	buf_release(&o.args);
	if (rc != ERR_OK) {
		return cli_fail(c, &err);
	}
	return is_left ? left(&s, &o) : done(c, &o, &result);
}

static const struct option_spec rollback_options[] = {
	{ "to", 0, "FINGERPRINT", "back to this certificate (SHA-256) instead of the one before" },
};

static int run_rollback(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s = { 0 };
	struct order_by_hand o = { .verb = "rollback" };
	struct apply_result result = { 0 };
	struct err err = { 0 };
	struct json_writer w;
	bool is_left = false;

	session_init(&s, c, a);
	if (split_host(&s, a->words[0], &o, &err) != ERR_OK) {
		return cli_fail(c, &err);
	}
	order_begin(&o, &w);
	json_member_str(&w, "to", args_get(a, "to"));
	json_end_object(&w);
	enum err_code rc = open_or_leave(&s, &o, &is_left, &err);
	if (rc == ERR_OK && !is_left) {
		finish_whatever_comes(c);
		rc = engine_rollback(&s.engine, o.name, o.host, args_get(a, "to"), &result, &err);
		look_again(&s, &result);
	}
	buf_release(&o.args);
	if (rc != ERR_OK) {
		return cli_fail(c, &err);
	}
	return is_left ? left(&s, &o) : done(c, &o, &result);
}

#define REASON_HELP                                                                                \
	"unspecified, keyCompromise, affiliationChanged, superseded, cessationOfOperation"

const struct option_spec reason_option = { "reason", 0, "WORD", REASON_HELP };

static const struct option_spec revoke_options[] = {
	{ "reason", 0, "WORD", REASON_HELP },
};

/* RFC 5280 5.3.1; reasons that a CA alone can know are left out. */
bool reason_of_word(const char *word, unsigned *ret)
{
	static const struct {
		const char *word;
		unsigned code;
	} reasons[] = {
		{ "unspecified", 0 }, { "keyCompromise", 1 },        { "affiliationChanged", 3 },
		{ "superseded", 4 },  { "cessationOfOperation", 5 },
	};

	*ret = 0;
	for (size_t i = 0; word != NULL && i < ARRAY_LEN(reasons); i++) {
		if (str_equal(word, reasons[i].word)) {
			*ret = reasons[i].code;
			return true;
		}
	}
	return word == NULL;
}

static int run_revoke(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s = { 0 };
	CLEANUP(cleanup_free) char *text = NULL;
	struct order_by_hand o = { .verb = "revoke", .of_identity = true };
	struct err err = { 0 };
	struct json_writer w;
	unsigned reason = 0;
	bool is_left = false;

	if (!reason_of_word(args_get(a, "reason"), &reason)) {
		return cli_usage(c, "--reason %s: not one of %s", args_get(a, "reason"),
		                 reason_option.help);
	}
	session_init(&s, c, a);
	if (session_name_of(KIND_CERTIFICATE, a->words[0], &o.name, &err) != ERR_OK) {
		return cli_fail(c, &err);
	}
	order_begin(&o, &w);
	json_member_int(&w, "reason", reason);
	json_end_object(&w);
	enum err_code rc = open_or_leave(&s, &o, &is_left, &err);
	if (rc == ERR_OK && !is_left) {
		rc = engine_revoke(&s.engine, o.name, reason, &err);
	}
	buf_release(&o.args);
	if (rc != ERR_OK) {
		return cli_fail(c, &err);
	}
	if (is_left) {
		return left(&s, &o);
	}
	text = str_printf("Revoked: Certificate %s; the next pass issues a new one.\n", o.name);
	return answer(c, &o, /* is_left= */ false, text == NULL ? "Revoked.\n" : text);
}

const struct verb verb_push = {
	.name = "push",
	.synopsis = "TARGET[@HOST] [--activate-only] [--replace-unreadable]",
	.summary = "deliver once by hand",
	.text = "TARGET is NAME or Target/NAME.",
	.example = "certwright push powerchute@ups-host7",
	.exits = "0 done and proven, or left for the running reconciler; 1 error",
	.options = push_options,
	.n_options = ARRAY_LEN(push_options),
	.min_words = 1,
	.max_words = 1,
	.run = run_push,
};

const struct verb verb_rollback = {
	.name = "rollback",
	.synopsis = "TARGET[@HOST] [--to FINGERPRINT]",
	.summary = "go back to the identity before, and hold it",
	.text = "The identity stays held until 'push' or 'resume'. A revoked, compromised or expired one is never put back. Of several "
		"in one Target those go back that have such a revision. TARGET is NAME or Target/NAME.",
	.example = "certwright rollback kms-nodes@kms2",
	.exits = "0 done and proven, or left for the running reconciler; 1 error",
	.options = rollback_options,
	.n_options = ARRAY_LEN(rollback_options),
	.min_words = 1,
	.max_words = 1,
	.run = run_rollback,
};

const struct verb verb_revoke = {
	.name = "revoke",
	.synopsis = "CERTIFICATE [--reason WORD]",
	.summary = "revoke at the issuer; a new one follows",
	.text = "CERTIFICATE is NAME or Certificate/NAME.",
	.example = "certwright revoke web --reason keyCompromise",
	.exits = "0 revoked, or left for the running reconciler; 1 error",
	.options = revoke_options,
	.n_options = ARRAY_LEN(revoke_options),
	.min_words = 1,
	.max_words = 1,
	.run = run_revoke,
};
