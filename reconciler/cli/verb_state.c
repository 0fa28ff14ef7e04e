/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_state.c - what the state directory holds, without anything secret, and its master key.
 */
#include <string.h>

#include "reconciler/base/json.h"
#include "reconciler/base/str.h"
#include "reconciler/base/when.h"
#include "reconciler/cli/session.h"
#include "reconciler/cli/verbs.h"

#define JOURNAL_SHOWN  20
#define REQUESTS_SHOWN 20

struct shown {
	const struct memory *memory;
	struct journal_entry *journal;
	struct request_row *requests;
	size_t n_journal, n_requests;
};

static const struct option_spec options[] = {
	{ "master-key", 0, "FILE", "rekey: the new master key file, made when missing" },
};

static enum err_code open_state(struct session *s, enum store_mode mode, struct err *err)
{
	enum err_code rc = session_config(s, err);

	/* Where a state was named no repository is needed to find it. */
	if (rc == ERR_OK && s->config.state.s == NULL) {
		rc = session_source(s, /* loop= */ false, err);
	}
	return rc == ERR_OK ? session_store(s, mode, err) : rc;
}

/* The host that it is for, NULL for all; the arguments were JSON when they were taken in. */
static const char *request_host(const struct request_row *r, struct json_t **tree)
{
	struct err ignored = { 0 };

	return json_parse(r->args, strlen(r->args), tree, &ignored) == ERR_OK
	               ? json_get_str(*tree, "host", /* dflt= */ NULL)
	               : NULL;
}

/* What an operator left while `run` was at work is answered here and in its log. */
static void text_requests(const struct request_row *v, size_t n, struct buf *out)
{
	if (n > 0) {
		buf_add_str(out, "Requests of operators, newest first:\n");
	}
	for (size_t i = 0; i < n; i++) {
		CLEANUP(cleanup_json) struct json_t *args = NULL;
		const char *host = request_host(&v[i], &args);
		char at[WHEN_TEXT_MAX];

		when_format_short(v[i].at, at);
		buf_printf(out, "  %s  %-11s %s %s%s%s", at,
		           v[i].done_at.s == 0 ? "waiting" : "taken", v[i].verb, v[i].name,
		           host == NULL ? "" : "@", host == NULL ? "" : host);
		if (v[i].done_at.s != 0) {
			buf_add_str(out, ": ");
			str_escape_terminal(out, v[i].result, strlen(v[i].result));
		}
		buf_add_byte(out, '\n');
	}
}

static void json_requests(const struct request_row *v, size_t n, struct json_writer *w)
{
	json_key(w, "requests");
	json_begin_array(w);
	for (size_t i = 0; i < n; i++) {
		CLEANUP(cleanup_json) struct json_t *args = NULL;

		json_begin_object(w);
		json_member_time(w, "at", v[i].at.s);
		json_member_str(w, "verb", v[i].verb);
		json_member_str(w, "name", v[i].name);
		json_member_str(w, "host", request_host(&v[i], &args));
		json_member_time(w, "doneAt", v[i].done_at.s);
		json_member_str(w, "result", v[i].done_at.s == 0 ? NULL : v[i].result);
		json_end_object(w);
	}
	json_end_array(w);
}

static void text_journal(const struct journal_entry *v, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		char at[WHEN_TEXT_MAX];
		when_format_short(v[i].at, at);
		buf_printf(out, "  %s  %-11s %s", at,
		           !v[i].done               ? "interrupted"
		           : v[i].outcome == ERR_OK ? "done"
		                                    : err_code_name(v[i].outcome),
		           v[i].action);
		if (v[i].done && v[i].outcome != ERR_OK && v[i].error != NULL) {
			buf_add_str(out, ": ");
			str_escape_terminal(out, v[i].error, strlen(v[i].error));
		}
		buf_add_byte(out, '\n');
	}
}

/* They wait for a Certificate that names them, or for `state forget`. */
static void text_imported(const struct memory *m, struct buf *out)
{
	for (size_t i = 0; i < m->n_imported; i++) {
		const struct imported_memory *im = &m->imported[i];
		char fingerprint[CERT_FINGERPRINT_TEXT];
		char at[WHEN_TEXT_MAX];

		if (im->chain.n == 0) {
			continue;
		}
		fingerprint_format(im->chain.v[0]->sha256, fingerprint);
		when_format_short(im->imported_at, at);
		buf_add_str(out, "  imported ");
		str_escape_terminal(out, im->name, strlen(im->name));
		buf_printf(out, " at %s, not adopted yet: %s\n", at, fingerprint);
	}
}

static void json_imported(const struct memory *m, struct json_writer *w)
{
	char fingerprint[CERT_FINGERPRINT_TEXT];

	json_key(w, "imported");
	json_begin_array(w);
	for (size_t i = 0; i < m->n_imported; i++) {
		const struct imported_memory *im = &m->imported[i];

		json_begin_object(w);
		json_member_str(w, "name", im->name);
		json_member_time(w, "at", im->imported_at.s);
		if (im->chain.n > 0) {
			fingerprint_format(im->chain.v[0]->sha256, fingerprint);
			json_member_str(w, "sha256", fingerprint);
		}
		json_end_object(w);
	}
	json_end_array(w);
}

static void text_state(const struct session *s, const struct shown *x, struct buf *out)
{
	const struct memory *m = x->memory;
	size_t revisions = 0;

	for (size_t i = 0; i < m->n_identities; i++) {
		revisions += m->identities[i].n_revisions;
	}
	buf_printf(out, "State %s in %s\n", store_id(s->store), s->state_dir);
	buf_printf(out, "  %zu certificate%s (%zu revision%s, keys sealed)\n", m->n_identities,
	           m->n_identities == 1 ? "" : "s", revisions, revisions == 1 ? "" : "s");
	buf_printf(out, "  %zu store%s delivered to, %zu entr%s of ours\n", m->n_stores,
	           m->n_stores == 1 ? "" : "s", m->n_slots, m->n_slots == 1 ? "y" : "ies");
	for (size_t i = 0; i < m->n_issuers; i++) {
		buf_printf(out, "  Issuer %s: %zu generation%s, newest CRL %llu\n",
		           m->issuers[i].name, m->issuers[i].n_generations,
		           m->issuers[i].n_generations == 1 ? "" : "s",
		           (unsigned long long)m->issuers[i].crl_number);
	}
	for (size_t i = 0; i < m->n_suspensions; i++) {
		const struct suspension *pause = &m->suspensions[i];
		char until[WHEN_TEXT_MAX];
		when_format_short(pause->until, until);
		buf_printf(out, "  suspended: %s/%s until %s: ", pause->kind, pause->name, until);
		str_escape_terminal(out, pause->reason, strlen(pause->reason));
		buf_add_byte(out, '\n');
	}
	text_imported(m, out);
	text_requests(x->requests, x->n_requests, out);
	buf_add_str(out, "Journal, newest first:\n");
	text_journal(x->journal, x->n_journal, out);
}

static void json_state(const struct session *s, const struct shown *x, struct buf *out)
{
	const struct memory *m = x->memory;
	const struct journal_entry *v = x->journal;
	struct json_writer w;

	json_writer_init(&w, out, /* pretty= */ true);
	json_begin_object(&w);
	json_member_str(&w, "stateId", store_id(s->store));
	json_member_int(&w, "certificates", (int64_t)m->n_identities);
	json_member_int(&w, "stores", (int64_t)m->n_stores);
	json_member_int(&w, "entries", (int64_t)m->n_slots);
	json_key(&w, "issuers");
	json_begin_array(&w);
	for (size_t i = 0; i < m->n_issuers; i++) {
		json_begin_object(&w);
		json_member_str(&w, "name", m->issuers[i].name);
		json_member_int(&w, "generations", (int64_t)m->issuers[i].n_generations);
		json_member_int(&w, "crlNumber", (int64_t)m->issuers[i].crl_number);
		json_end_object(&w);
	}
	json_end_array(&w);
	json_imported(m, &w);
	json_requests(x->requests, x->n_requests, &w);
	json_key(&w, "journal");
	json_begin_array(&w);
	for (size_t i = 0; i < x->n_journal; i++) {
		json_begin_object(&w);
		json_member_time(&w, "at", v[i].at.s);
		json_member_str(&w, "action", v[i].action);
		json_member_bool(&w, "done", v[i].done);
		json_member_str(&w, "outcome", v[i].done ? err_code_name(v[i].outcome) : NULL);
		json_member_str(&w, "error", v[i].error);
		json_end_object(&w);
	}
	json_end_array(&w);
	json_end_object(&w);
	buf_add_byte(out, '\n');
}

static int show(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s = { 0 };
	CLEANUP(pass_release) struct pass p = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };
	struct shown x = { .memory = NULL };
	struct err err = { 0 };

	session_init(&s, c, a);
	arena_init(&p.arena);
	seen_certs_init(&p.certs, &p.arena);
	buf_init(&out, BUF_LIMIT_TEXT);
	enum err_code rc = open_state(&s, STORE_READ, &err);
	if (rc == ERR_OK) {
		rc = memory_load(s.store, &p.arena, &p.certs, &p.memory, &err);
	}
	if (rc == ERR_OK) {
		rc = journal_recent(s.store, JOURNAL_SHOWN, &p.arena, &x.journal, &x.n_journal,
		                    &err);
	}
	if (rc == ERR_OK) {
		rc = store_requests_recent(s.store, REQUESTS_SHOWN, &p.arena, &x.requests,
		                           &x.n_requests, &err);
	}
	if (rc != ERR_OK) {
		return cli_fail(c, &err);
	}
	x.memory = p.memory;
	if (c->output == OUTPUT_JSON) {
		json_state(&s, &x, &out);
	} else {
		text_state(&s, &x, &out);
	}
	return cli_print(c, &out);
}

static int rekey(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };
	const char *file = args_get(a, "master-key");
	struct err err = { 0 };

	if (file == NULL || file[0] != '/') {
		return cli_usage(c, "state rekey needs --master-key /ABSOLUTE/FILE");
	}
	session_init(&s, c, a);
	enum err_code rc = open_state(&s, STORE_RECONCILER, &err);
	if (rc == ERR_OK) {
		rc = store_rekey(s.store, file, &err);
	}
	if (rc != ERR_OK) {
		return cli_fail(c, &err);
	}
	if (c->output == OUTPUT_JSON) {
		return cli_print_members(c, &(struct cli_member){ "masterKey", file }, 1);
	}
	buf_init(&out, BUF_LIMIT_TEXT);
	buf_printf(&out,
	           "Every key is sealed anew under %s; set masterKey in the configuration to it.\n",
	           file);
	return cli_print(c, &out);
}

static void text_rebuilt(const struct rebuild_result *r, struct buf *out)
{
	buf_printf(out,
	           "Rebuilt from what is there: %zu certificate%s adopted, %zu entr%s found to be "
	           "ours, %zu back-off%s and holds forgotten.\n",
	           r->adopted, r->adopted == 1 ? "" : "s", r->entries,
	           r->entries == 1 ? "y" : "ies", r->released, r->released == 1 ? "" : "s");
}

static void json_rebuilt(const struct rebuild_result *r, struct buf *out)
{
	struct json_writer w;

	json_writer_init(&w, out, /* pretty= */ false);
	json_begin_object(&w);
	json_member_int(&w, "adopted", (int64_t)r->adopted);
	json_member_int(&w, "failed", (int64_t)r->failed);
	json_member_int(&w, "entries", (int64_t)r->entries);
	json_member_int(&w, "released", (int64_t)r->released);
	json_member_str(&w, "firstError", r->failed == 0 ? NULL : r->first_error);
	json_end_object(&w);
	buf_add_byte(out, '\n');
}

static int rebuild(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };
	struct rebuild_result r = { 0 };
	struct err err = { 0 };

	session_init(&s, c, a);
	enum err_code rc = session_source(&s, /* loop= */ false, &err);
	if (rc == ERR_OK) {
		rc = session_store(&s, STORE_RECONCILER, &err);
	}
	if (rc == ERR_OK) {
		rc = session_desired(&s, COMMIT_LOOK, &err);
	}
	if (rc == ERR_OK) {
		rc = session_engine(&s, /* probes= */ true, &err);
	}
	if (rc == ERR_OK) {
		rc = engine_rebuild(&s.engine, &r, &err);
	}
	if (rc != ERR_OK) {
		return cli_fail(c, &err);
	}
	buf_init(&out, BUF_LIMIT_TEXT);
	if (c->output == OUTPUT_JSON) {
		json_rebuilt(&r, &out);
	} else {
		text_rebuilt(&r, &out);
	}
	if (r.failed > 0) {
		cli_note(c, "%zu could not be adopted: %s", r.failed, r.first_error);
	}
	int printed = cli_print(c, &out);
	return r.failed > 0 ? EXIT_ERROR : printed;
}

static int forget(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };
	const char *name = a->n_words > 1 ? a->words[1] : NULL;
	struct err err = { 0 };

	if (name == NULL) {
		return cli_usage(c, "state forget needs the NAME of what was imported");
	}
	session_init(&s, c, a);
	enum err_code rc = open_state(&s, STORE_OPERATOR, &err);
	if (rc == ERR_OK) {
		rc = store_imported_forget(s.store, name, &err);
	}
	if (rc == ERR_NOT_FOUND) {
		(void)err_hint(&err, "`certwright state show` lists what was imported and not "
		                     "adopted yet");
	}
	if (rc != ERR_OK) {
		return cli_fail(c, &err);
	}
	if (c->output == OUTPUT_JSON) {
		return cli_print_members(c, &(struct cli_member){ "forgotten", name }, 1);
	}
	buf_init(&out, BUF_LIMIT_TEXT);
	buf_add_str(&out, "Forgot ");
	str_escape_terminal(&out, name, strlen(name));
	buf_add_str(&out, " and its private key.\n");
	return cli_print(c, &out);
}

static int run(struct cli *c, const struct args *a)
{
	if (str_equal(a->words[0], "forget")) {
		return forget(c, a);
	}
	if (a->n_words > 1) {
		return cli_usage(c, "state %s takes no further word", a->words[0]);
	}
	if (str_equal(a->words[0], "show")) {
		return show(c, a);
	}
	if (str_equal(a->words[0], "rekey")) {
		return rekey(c, a);
	}
	if (str_equal(a->words[0], "rebuild")) {
		return rebuild(c, a);
	}
	return cli_usage(c, "state %s: not one of show, rekey, rebuild, forget", a->words[0]);
}

const struct verb verb_state = {
	.name = "state",
	.synopsis = "show | rekey --master-key FILE | rebuild | forget NAME",
	.summary = "the state directory",
	.text = "show tells what it holds, without anything secret, and what came of requests left for `run`; rekey seals every key anew under another "
		"master key; rebuild looks at everything and adopts what satisfies its declaration, issuing and "
		"delivering nothing: for after a loss; forget drops what `import` sealed under a name and no Certificate shall adopt any more.",
	.example = "certwright state show",
	.words = "show rekey rebuild forget",
	.exits = "0, 1 error",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.min_words = 1,
	.max_words = 2,
	.run = run,
};
