/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_status.c - judged from the last look, whose age is shown: a status that takes a scan is not
 * asked often enough.
 */
#include <string.h>

#include "reconciler/base/json.h"
#include "reconciler/base/str.h"
#include "reconciler/base/when.h"
#include "reconciler/cli/session.h"
#include "reconciler/cli/verbs.h"

static const struct option_spec options[] = {
	{ "check", 0, NULL, "exit 2 when something is unhealthy" },
	{ "selector", 'l', "LABELS", "only objects with these labels" },
	{ "target", 0, "TARGET", "only this Target" },
};

static bool wanted(const struct args *a, const struct verdict *v)
{
	if (a->n_words == 0) {
		return true;
	}
	const char *slash = strchr(a->words[0], '/');
	size_t n = slash == NULL ? strlen(a->words[0]) : (size_t)(slash - a->words[0]);
	const char *kind = kind_name(v->object_kind);

	if (strlen(kind) != n || strncasecmp(kind, a->words[0], n) != 0) {
		return false;
	}
	return slash == NULL || str_equal(slash + 1, v->name);
}

static bool healthy(const struct verdict *v)
{
	return str_equal(v->word, "InSync") || str_equal(v->word, "Unverified");
}

static void text_row(const struct verdict *v, struct wall now, struct buf *out)
{
	char expiry[32] = "-";
	char renewal[32] = "-";
	CLEANUP(cleanup_free)
	char *name = str_printf("%s/%s%s%s", kind_name(v->object_kind), v->name,
	                        v->host == NULL || strchr(v->name, '@') != NULL ? "" : "@",
	                        v->host == NULL || strchr(v->name, '@') != NULL ? "" : v->host);

	if (v->not_after.s != 0) {
		when_format_relative(v->not_after, now, expiry, sizeof(expiry));
	}
	if (v->renewal.s != 0 && v->renewal.s != INT64_MAX) {
		when_format_relative(v->renewal, now, renewal, sizeof(renewal));
	}
	buf_printf(out, "%-44s %-22s %-10s %-10s ", name == NULL ? v->name : name, v->word, expiry,
	           renewal);
	const char *note = v->waits_for != NULL ? v->waits_for : v->message;
	if (note != NULL) {
		str_escape_terminal(out, note, strlen(note));
	}
	while (out->len > 0 && out->p[out->len - 1] == ' ') {
		out->len--;
		out->p[out->len] = '\0';
	}
	buf_add_byte(out, '\n');
}

static void json_row(const struct verdict *v, struct json_writer *w)
{
	json_begin_object(w);
	json_member_str(w, "kind", kind_name(v->object_kind));
	json_member_str(w, "name", v->name);
	json_member_str(w, "host", v->host);
	json_member_str(w, "verdict", v->word);
	json_member_str(w, "message", v->message);
	json_member_time(w, "notAfter", v->not_after.s);
	json_member_time(w, "renewal", v->renewal.s == INT64_MAX ? 0 : v->renewal.s);
	json_key(w, "marginSeconds");
	if (v->margin_s == INT64_MAX) {
		json_write_null(w);
	} else {
		json_int(w, v->margin_s);
	}
	json_member_str(w, "waitsFor", v->waits_for);
	json_end_object(w);
}

static bool render(struct cli *c, const struct args *a, const struct pass *p, struct buf *out)
{
	struct wall now = c->clock->wall(c->clock);
	char looked[32];
	struct json_writer w;
	bool fine = true;
	size_t n = 0;

	json_writer_init(&w, out, /* pretty= */ true);
	when_format_relative(p->observed->at, now, looked, sizeof(looked));
	if (c->output == OUTPUT_JSON) {
		json_begin_object(&w);
		json_member_time(&w, "observedAt", p->observed->at.s);
		json_key(&w, "objects");
		json_begin_array(&w);
	} else {
		buf_printf(out, "Looked %s.\n%-44s %-22s %-10s %-10s %s\n", looked, "OBJECT",
		           "VERDICT", "EXPIRES", "RENEWS", "NOTE");
	}
	for (size_t i = 0; i < p->plan->n_verdicts; i++) {
		const struct verdict *v = &p->plan->verdicts[i];
		if (!wanted(a, v)) {
			continue;
		}
		fine = fine && healthy(v);
		n++;
		if (c->output == OUTPUT_JSON) {
			json_row(v, &w);
		} else {
			text_row(v, now, out);
		}
	}
	if (c->output == OUTPUT_JSON) {
		json_end_array(&w);
		json_member_bool(&w, "healthy", fine);
		json_end_object(&w);
		buf_add_byte(out, '\n');
	} else if (n == 0) {
		buf_add_str(out, "Nothing of that name is declared.\n");
	}
	return fine;
}

static int run(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s;
	CLEANUP(pass_release) struct pass p = { 0 };
	CLEANUP(buf_release) struct buf out = { 0 };
	struct err err = { 0 };

	session_init(&s, c, a);
	buf_init(&out, BUF_LIMIT_TEXT);
	enum err_code rc = session_source(&s, /* loop= */ false, &err);
	if (rc == ERR_OK) {
		rc = session_store(&s, STORE_READ, &err);
	}
	if (rc == ERR_OK) {
		rc = session_desired(&s, /* read_only= */ true, &err);
	}
	if (rc == ERR_OK) {
		rc = session_engine(&s, /* probes= */ false, &err);
	}
	if (rc == ERR_OK) {
		rc = engine_recorded(&s.engine, &p, &err);
	}
	if (rc == ERR_NOT_FOUND) {
		(void)err_hint(&err, "look first: certwright observe");
	}
	if (rc == ERR_OK) {
		rc = engine_plan(&s.engine, &p, &err);
	}
	if (rc != ERR_OK) {
		return cli_fail(c, &err);
	}
	bool fine = render(c, a, &p, &out);
	int printed = cli_print(c, &out);
	return printed != EXIT_FINE || fine || !args_has(a, "check") ? printed : EXIT_CHANGES;
}

const struct verb verb_status = {
	.name = "status",
	.synopsis = "[KIND[/NAME]] [--check]",
	.summary = "verdict, expiry and next renewal of everything, from the last look",
	.example = "certwright status Certificate/kms-server",
	.exits = "0; with --check 2 when something is unhealthy; 1 error",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.max_words = 1,
	.run = run,
};
