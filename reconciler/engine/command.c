/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command.c - a Target's programs: argv with templates resolved, no shell unless the user wrote
 * one.
 */
#include "reconciler/base/str.h"
#include "reconciler/engine/link.h"
#include "reconciler/engine/run.h"

#define COMMAND_OUTPUT_LIMIT ((size_t)1 << 20)

static enum err_code command_argv(struct arena *arena, const struct command_spec *c,
                                  const struct scope *scope, const char ***ret, struct err *err)
{
	size_t n = c->argv.n > 3 ? c->argv.n : 3;
	const char **argv = ARENA_ARRAY(arena, const char *, n + 1);

	if (argv == NULL) {
		return err_nomem(err);
	}
	*ret = argv;
	if (c->systemd_unit.s != NULL) {
		argv[0] = "systemctl";
		argv[1] = c->systemd_action.s != NULL ? c->systemd_action.s : "restart";
		return expand_text(c->systemd_unit.s, scope, arena, &argv[2], err);
	}
	if (c->shell.s != NULL) {
		argv[0] = "/bin/sh";
		argv[1] = "-c";
		return expand_text(c->shell.s, scope, arena, &argv[2], err);
	}
	for (size_t i = 0; i < c->argv.n; i++) {
		enum err_code rc = expand_text(c->argv.v[i].s, scope, arena, &argv[i], err);
		if (rc != ERR_OK) {
			return rc;
		}
	}
	return ERR_OK;
}

static enum err_code run_command(struct run *r, const struct unit *u, struct transport *t,
                                 const struct command_spec *c, int64_t timeout_s, struct err *err)
{
	struct scope scope = { .target = u->target, .host = u->host };
	struct proc_result result = { 0 };
	const char **argv = NULL;

	enum err_code rc = command_argv(&r->pass->arena, c, &scope, &argv, err);
	if (rc == ERR_OK) {
		rc = authority_program(r->engine->authority, argv[0], err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	struct proc_spec spec = {
		.argv = argv,
		.timeout_ms = timeout_s * 1000,
		.out_limit = COMMAND_OUTPUT_LIMIT,
	};
	rc = t->ops->run(t, &spec, /* out= */ NULL, &result, err);
	if (rc != ERR_OK) {
		return err_wrap(err, "running '%s'", argv[0]);
	}
	if (result.exit_status != 0) {
		size_t n = strlen(result.err_tail);
		while (n > 0 && (unsigned char)result.err_tail[n - 1] <= ' ') {
			n--;
		}
		/* Escaped where it is printed, as every foreign text. */
		return err_set(err, ERR_REFUSED, "'%s' %s %d%s%.*s", argv[0],
		               result.signal != 0 ? "was killed by signal" : "ended with status",
		               result.signal != 0 ? result.signal : result.exit_status,
		               n == 0 ? "" : ": ", (int)n, result.err_tail);
	}
	return ERR_OK;
}

enum err_code run_commands(struct run *r, const struct unit *u, const struct command_spec *v,
                           size_t n, int64_t timeout_s, struct err *err)
{
	struct transport *t = NULL;

	for (size_t i = 0; i < n; i++) {
		enum err_code rc = link_to(r->engine, r->pass, u->target, u->host, &t, err);
		if (rc == ERR_OK) {
			rc = run_command(r, u, t, &v[i], timeout_s, err);
		}
		if (rc != ERR_OK) {
			return err_wrap(err, "Target %s@%s", u->target->o.name, u->host->name);
		}
	}
	return ERR_OK;
}
