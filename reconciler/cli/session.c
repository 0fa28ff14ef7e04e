/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session.c - defaults live here: where a state, a master key and a repository are when nobody
 * says.
 */
#include "reconciler/cli/session.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"
#include "state/probe/probe.h"

#define CONFIG_DEFAULT   "/etc/certwright/certwright.yaml"
#define FETCH_TIMEOUT_MS 60000
#define PROBE_TIMEOUT_MS 5000
#define PROBE_PARALLEL   256

void session_init(struct session *s, struct cli *c, const struct args *a)
{
	*s = (struct session){ .cli = c, .args = a };
	arena_init(&s->arena);
	arena_init(&s->accepted.arena);
	config_defaults(&s->config);
}

void session_release(struct session *s)
{
	prober_tls_close(s->prober);
	store_close(s->store);
	accepted_release(&s->accepted);
	source_close(s->source);
	arena_release(&s->arena);
}

void session_print_diagnostics(struct session *s, const struct diagnostics *d)
{
	CLEANUP(buf_release) struct buf out = { 0 };

	buf_init(&out, BUF_LIMIT_TEXT);
	for (size_t i = 0; i < d->n; i++) {
		diagnostic_format(&d->v[i], &out);
	}
	(void)fputs(buf_str(&out), s->cli->err);
}

/* A flag beats the variable, the variable beats the file. */
static const char *setting(const struct session *s, const char *flag, const char *variable,
                           const char *from_file)
{
	const char *value = args_get(s->args, flag);

	if (value == NULL) {
		value = secure_getenv(variable);
	}
	return value == NULL || value[0] == '\0' ? from_file : value;
}

enum err_code session_config(struct session *s, struct err *err)
{
	struct config *c = &s->config;
	const char *named = setting(s, "config", "CERTWRIGHT_CONFIG", /* from_file= */ NULL);
	struct diagnostics diag = { 0 };

	enum err_code rc =
		config_load(named == NULL ? CONFIG_DEFAULT : named, &s->arena, c, &diag, err);
	s->has_config = rc == ERR_OK;
	if (rc == ERR_NOT_FOUND && named == NULL) {
		err_clear(err);
		config_defaults(c);
		rc = ERR_OK;
	}
	session_print_diagnostics(s, &diag);
	c->repository.s = setting(s, "repo", "CERTWRIGHT_REPOSITORY", c->repository.s);
	c->ref.s = setting(s, "ref", "CERTWRIGHT_REF", c->ref.s);
	c->state.s = setting(s, "state", "CERTWRIGHT_STATE", c->state.s);
	return rc;
}

/* A scheme, or scp's "host:path". */
static bool is_url(const char *s)
{
	const char *colon = strchr(s, ':');
	const char *slash = strchr(s, '/');

	return colon != NULL && (slash == NULL || colon < slash);
}

static enum err_code state_dir_for(struct session *s, const char *id, struct err *err)
{
	const char *xdg = secure_getenv("XDG_STATE_HOME");
	const char *home = secure_getenv("HOME");

	if (s->config.state.s != NULL) {
		s->state_dir = s->config.state.s;
	} else if (geteuid() == 0) {
		s->state_dir = arena_printf(&s->arena, "/var/lib/certwright/%s", id);
	} else if (xdg != NULL && xdg[0] == '/') {
		s->state_dir = arena_printf(&s->arena, "%s/certwright/%s", xdg, id);
	} else if (home != NULL) {
		s->state_dir = arena_printf(&s->arena, "%s/.local/state/certwright/%s", home, id);
	} else {
		(void)err_set(err, ERR_NOT_FOUND, "no place for the state: HOME is not set");
		return err_hint(err, "say --state DIR");
	}
	return s->state_dir == NULL ? err_nomem(err) : ERR_OK;
}

enum err_code session_state_dir(struct session *s, struct err *err)
{
	char id[17] = "";

	if (s->state_dir != NULL) {
		return ERR_OK;
	}
	if (s->source != NULL) {
		source_id(s->source, id);
	}
	return state_dir_for(s, id, err);
}

static enum err_code open_mirror(struct session *s, struct err *err)
{
	CLEANUP(secret_release) struct secret password = { 0 };
	const struct config *c = &s->config;
	/* The configuration is the operator's own word, unlike what the repository will say. */
	const struct authority own_word = { .trusted = true };
	struct secret_context ctx = { .authority = &own_word, .secrets_dir = c->secrets_dir.s };
	struct source_remote_options opt = {
		.url = c->repository.s,
		.ssh_identity = c->ssh_identity.s,
		.ssh_known_hosts = c->ssh_known_hosts.s,
		.tls_ca_file = c->tls_ca_file.s,
		.http_user = c->http_user.s,
		.http_password = &password,
		.timeout_ms = FETCH_TIMEOUT_MS,
	};
	char id[17];

	(void)snprintf(id, sizeof(id), "%016llx",
	               (unsigned long long)rng_hash_str(c->repository.s));
	enum err_code rc = secret_resolve(&ctx, &c->http_password, /* scope= */ NULL, "repository",
	                                  &password, err);
	if (rc == ERR_OK) {
		rc = state_dir_for(s, id, err);
	}
	if (rc == ERR_OK) {
		rc = fs_make_dirs(s->state_dir, 0700, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	const char *mirror = arena_printf(&s->arena, "%s/mirror.git", s->state_dir);
	return mirror == NULL ? err_nomem(err) : source_open_mirror(mirror, &opt, &s->source, err);
}

enum err_code session_source(struct session *s, bool loop, struct err *err)
{
	enum err_code rc = session_config(s, err);

	if (rc != ERR_OK) {
		return rc;
	}
	const char *repository = s->config.repository.s;
	if (repository != NULL && is_url(repository)) {
		return open_mirror(s, err);
	}
	s->config.authority.trusted = !loop;
	rc = source_open_local(repository == NULL ? "." : repository, &s->source, err);
	if (rc == ERR_NOT_FOUND && repository == NULL) {
		return err_hint(err,
		                "run inside the repository of your desired state, or say --repo "
		                "PATH|URL; 'certwright init' makes one");
	}
	return rc;
}

static const char *beside(struct session *s, const char *file, const char *name)
{
	const char *slash = strrchr(file, '/');

	return slash == NULL ? name
	                     : arena_printf(&s->arena, "%.*s/%s", (int)(slash - file), file, name);
}

/* Outside the state directory: whoever takes the one has not got the other. */
static enum err_code master_key_path(struct session *s, const char **ret, struct err *err)
{
	const char *xdg = secure_getenv("XDG_CONFIG_HOME");
	const char *home = secure_getenv("HOME");
	const char *base = strrchr(s->state_dir, '/');

	base = base == NULL ? s->state_dir : base + 1;
	if (s->config.master_key.s != NULL) {
		*ret = s->config.master_key.s;
	} else if (s->has_config && s->config.file.s != NULL) {
		*ret = beside(s, s->config.file.s, "master.key");
	} else if (geteuid() == 0) {
		*ret = arena_printf(&s->arena, "/etc/certwright/%s.key", base);
	} else if (xdg != NULL && xdg[0] == '/') {
		*ret = arena_printf(&s->arena, "%s/certwright/%s.key", xdg, base);
	} else if (home != NULL) {
		*ret = arena_printf(&s->arena, "%s/.config/certwright/%s.key", home, base);
	} else {
		(void)err_set(err, ERR_NOT_FOUND, "no place for the master key: HOME is not set");
		return err_hint(err, "set masterKey in the configuration");
	}
	return *ret == NULL ? err_nomem(err) : ERR_OK;
}

enum err_code session_store(struct session *s, enum store_mode mode, struct err *err)
{
	struct store_options opt = { .mode = mode, .clock = s->cli->clock };

	enum err_code rc = session_state_dir(s, err);
	if (rc == ERR_OK) {
		rc = master_key_path(s, &opt.master_key, err);
	}
	if (rc != ERR_OK) {
		return rc;
	}
	opt.dir = s->state_dir;
	rc = store_open(&opt, &s->store, err);
	if (rc == ERR_OK && store_made_master_key(s->store)) {
		cli_note(
			s->cli,
			"note: made the master key %s; without it no key in the state can be used: "
			"keep a copy elsewhere",
			opt.master_key);
	}
	return rc;
}

enum err_code session_desired(struct session *s, bool read_only, struct err *err)
{
	struct accept_options opt = {
		.source = s->source,
		.config = &s->config,
		.ref = s->config.ref.s,
		.worktree = args_has(s->args, "worktree"),
		.accept_rewind = args_has(s->args, "accept-rewind") || s->config.accept_rewind,
		.fetch = !source_is_local(s->source),
		.store = s->store,
		.read_only = read_only,
	};

	enum err_code rc = accept_newest(&opt, &s->accepted, err);
	if (rc != ERR_OK || s->accepted.stale) {
		session_print_diagnostics(s, &s->accepted.diagnostics);
	}
	if (rc == ERR_OK && s->accepted.stale) {
		cli_note(s->cli, "warning: SourceStale: %s; going on with %.12s", s->accepted.why,
		         s->accepted.commit);
	}
	return rc;
}

static void pause_for(struct engine *e, int64_t ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000 };

	(void)e;
	(void)nanosleep(&t, /* rem= */ NULL);
}

enum err_code session_engine(struct session *s, bool probes, struct err *err)
{
	struct probe_options opt = { .timeout_ms = PROBE_TIMEOUT_MS, .parallel = PROBE_PARALLEL };

	s->engine = (struct engine){
		.desired = s->accepted.desired,
		.authority = &s->config.authority,
		.secrets_dir = s->config.secrets_dir.s,
		.registry = s->cli->registry,
		.store = s->store,
		.clock = s->cli->clock,
		.clock_confirmed = s->cli->now_given,
		.selector = args_get(s->args, "selector"),
		.target_name = args_get(s->args, "target"),
		.source_stale = s->accepted.stale,
		.pause_ms = pause_for,
	};
	if (!s->config.authority.trusted) {
		s->engine.budget = s->config.budget;
	}
	rng_seed(&s->engine.rng, (uint64_t)s->cli->clock->wall(s->cli->clock).s);
	if (!probes) {
		return ERR_OK;
	}
	enum err_code rc = prober_tls_open(&opt, &s->prober, err);
	s->engine.prober = s->prober;
	return rc;
}
