/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verb_observe.c - look at everything now; the snapshot holds no secret and lets CI plan without
 * network.
 */
#include "reconciler/base/json.h"
#include "reconciler/cli/session.h"
#include "reconciler/cli/verbs.h"
#include "state/snapshot.h"

#define SNAPSHOT_LIMIT ((size_t)4 << 30)

static const struct option_spec options[] = {
	{ "out", 0, "FILE", "write a snapshot for 'plan --observed FILE'" },
};

struct counts {
	size_t seen, absent, unseen;
};

static void count_all(const struct observed *o, struct counts *n)
{
	for (size_t i = 0; i < o->n_stores; i++) {
		enum look_status s = o->stores[i].status;
		*(s == LOOK_OK ? &n->seen : s == LOOK_ABSENT ? &n->absent : &n->unseen) += 1;
	}
	for (size_t i = 0; i < o->n_endpoints; i++) {
		enum endpoint_status s = o->endpoints[i].status;
		*(s == ENDPOINT_OK        ? &n->seen
		  : s == ENDPOINT_REFUSED ? &n->absent
		                          : &n->unseen) += 1;
	}
	for (size_t i = 0; i < o->n_configs; i++) {
		*(o->configs[i].status == LOOK_OK ? &n->seen : &n->unseen) += 1;
	}
}

static void print_unseen(struct cli *c, const struct observed *o)
{
	for (size_t i = 0; i < o->n_stores; i++) {
		const struct obs_store *s = &o->stores[i];
		if (s->error != NULL && s->target[0] == '\0') {
			cli_note(c, "Certificate %s, %s: %s", s->host, s->path, s->error);
		} else if (s->error != NULL) {
			cli_note(c, "%s@%s %s: %s", s->target, s->host, s->path, s->error);
		}
	}
	for (size_t i = 0; i < o->n_endpoints; i++) {
		if (o->endpoints[i].status != ENDPOINT_OK && o->endpoints[i].error != NULL) {
			cli_note(c, "%s: %s", o->endpoints[i].key, o->endpoints[i].error);
		}
	}
}

static int report(struct cli *c, const struct observed *o)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	struct counts n = { 0 };
	struct json_writer w;

	count_all(o, &n);
	print_unseen(c, o);
	buf_init(&out, BUF_LIMIT_TEXT);
	if (c->output == OUTPUT_JSON) {
		json_writer_init(&w, &out, /* pretty= */ false);
		json_begin_object(&w);
		json_member_time(&w, "observedAt", o->at.s);
		json_member_int(&w, "seen", (int64_t)n.seen);
		json_member_int(&w, "absent", (int64_t)n.absent);
		json_member_int(&w, "unobserved", (int64_t)n.unseen);
		json_end_object(&w);
		buf_add_byte(&out, '\n');
	} else {
		buf_printf(&out, "Observed: %zu seen, %zu absent, %zu could not be observed.\n",
		           n.seen, n.absent, n.unseen);
	}
	int printed = cli_print(c, &out);
	return printed != EXIT_FINE || n.unseen == 0 ? printed : EXIT_ERROR;
}

static enum err_code write_snapshot(struct session *s, const struct pass *p, struct err *err)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	const char *file = args_get(s->args, "out");

	if (file == NULL) {
		return ERR_OK;
	}
	buf_init(&out, SNAPSHOT_LIMIT);
	enum err_code rc = snapshot_write(p->observed, p->memory, &out, err);
	return rc == ERR_OK ? cli_write_file(file, buf_view(&out), err) : rc;
}

static int run(struct cli *c, const struct args *a)
{
	CLEANUP(session_release) struct session s = { 0 };
	CLEANUP(pass_release) struct pass p = { 0 };
	struct err err = { 0 };

	session_init(&s, c, a);
	enum err_code rc = cli_check_file(a, "out", "looked at", &err);
	if (rc == ERR_OK) {
		rc = session_source(&s, /* loop= */ false, &err);
	}
	if (rc == ERR_OK) {
		rc = session_store(&s, STORE_OPERATOR, &err);
	}
	if (rc == ERR_OK) {
		rc = session_desired(&s, COMMIT_LOOK, &err);
	}
	if (rc == ERR_OK) {
		rc = session_engine(&s, /* probes= */ true, &err);
	}
	if (rc == ERR_OK) {
		rc = engine_observe(&s.engine, &p, &err);
	}
	if (rc == ERR_OK) {
		rc = write_snapshot(&s, &p, &err);
	}
	/* What takes long about judging what was seen is done while we are at it, for `status`. */
	if (rc == ERR_OK) {
		(void)engine_plan(&s.engine, &p, /* err= */ NULL);
	}
	return rc != ERR_OK ? cli_fail(c, &err) : report(c, p.observed);
}

const struct verb verb_observe = {
	.name = "observe",
	.synopsis = "[--out FILE]",
	.summary = "look at everything now",
	.example = "certwright observe --out fleet.snapshot",
	.exits = "0 everything was seen, 1 something could not be observed, or an error",
	.options = options,
	.n_options = ARRAY_LEN(options),
	.run = run,
};
