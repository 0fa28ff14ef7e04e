/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session.c - defaults live here: where a state, a master key and a repository are when nobody
 * says.
 */
#include "reconciler/cli/session.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"
#include "reconciler/engine/loop.h"
#include "state/probe/probe.h"

#define CONFIG_DEFAULT   "/etc/certwright/certwright.yaml"
#define FETCH_TIMEOUT_MS 60000

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
	cli_line_over(s->cli);
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

/* Whoever writes the configuration decides what runs here. */
static enum err_code check_config_file(const char *path, struct err *err)
{
	struct fs_facts f;
	enum err_code rc = fs_stat(path, &f, err);

	if (rc == ERR_DENIED) {
		return err_hint(err,
		                "let uid %u look into its directory, or name another: --config",
		                (unsigned)geteuid());
	}
	if (rc != ERR_OK || !f.exists) {
		return rc;
	}
	if ((f.mode & 022) != 0) {
		(void)err_set(err, ERR_DENIED, "configuration %s: others may write to it", path);
		return err_hint(err, "chmod go-w %s", path);
	}
	if (f.uid != 0 && f.uid != geteuid()) {
		(void)err_set(err, ERR_DENIED, "configuration %s belongs to uid %u", path, f.uid);
		return err_hint(err, "it must belong to root or to who runs certwright");
	}
	return ERR_OK;
}

/* Those with a flag are left to setting(), which also takes what is relative. */
static const char *variable(const char *name)
{
	static const char *const flags[] = { "CERTWRIGHT_REPOSITORY", "CERTWRIGHT_REF",
		                             "CERTWRIGHT_STATE" };

	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		if (str_equal(name, flags[i])) {
			return NULL;
		}
	}
	return secure_getenv(name);
}

static enum err_code from_environment(struct session *s, struct err *err)
{
	struct diagnostics diag = { 0 };
	struct config *c = &s->config;
	const char *file = c->master_key.s;
	enum secret_kind kind = c->master_key_ref.kind;
	enum err_code rc = config_from_environment(variable, &s->arena, c, &diag, err);

	session_print_diagnostics(s, &diag);
	/* One of the two from the environment puts the other of the file out of force. */
	if (c->master_key.s != file && c->master_key_ref.kind == kind) {
		c->master_key_ref = (struct secret_ref){ 0 };
	}
	return rc;
}

enum err_code session_config(struct session *s, struct err *err)
{
	struct config *c = &s->config;
	const char *named = setting(s, "config", "CERTWRIGHT_CONFIG", /* from_file= */ NULL);
	struct diagnostics diag = { 0 };

	const char *path = named == NULL ? CONFIG_DEFAULT : named;
	enum err_code rc = check_config_file(path, err);
	if (rc == ERR_OK) {
		rc = config_load(path, &s->arena, c, &diag, err);
	}
	s->has_config = rc == ERR_OK;
	if (rc == ERR_NOT_FOUND && named == NULL) {
		err_clear(err);
		config_defaults(c);
		rc = ERR_OK;
	}
	session_print_diagnostics(s, &diag);
	if (rc == ERR_NOT_FOUND) {
		return err_wrap(err, "configuration");
	}
	if (rc == ERR_OK) {
		rc = from_environment(s, err);
	}
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
		err_clear(err);
		(void)err_set(err, ERR_NOT_FOUND,
		              "no git repository at or above the current directory");
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

static enum err_code master_key_from(struct master_source *m, struct secret *ret, struct err *err)
{
	const struct session *s = CONTAINER_OF(m, struct session, master);
	/* The configuration is the operator's own word. */
	const struct authority own_word = { .trusted = true };
	struct secret_context ctx = { .authority = &own_word };

	return secret_resolve_whole(&ctx, &s->config.master_key_ref, /* scope= */ NULL,
	                            "masterKeyRef", ret, err);
}

static enum err_code master_key(struct session *s, struct store_options *opt, struct err *err)
{
	enum secret_kind kind = s->config.master_key_ref.kind;

	if (kind == SECRET_NONE) {
		return master_key_path(s, &opt->master_key, err);
	}
	if (kind != SECRET_CREDENTIAL && kind != SECRET_EXEC) {
		(void)err_set(err, ERR_INVALID,
		              "masterKeyRef: the master key comes from a credential or a program");
		return err_hint(err, "a file of its own is masterKey: PATH");
	}
	s->master.get = master_key_from;
	opt->master_source = &s->master;
	return ERR_OK;
}

enum err_code session_store(struct session *s, enum store_mode mode, struct err *err)
{
	struct store_options opt = { .mode = mode, .clock = s->cli->clock };

	enum err_code rc = session_state_dir(s, err);
	if (rc == ERR_OK) {
		rc = master_key(s, &opt, err);
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

enum err_code session_desired(struct session *s, enum commit_use use, struct err *err)
{
	struct accept_options opt = {
		.source = s->source,
		.config = &s->config,
		.ref = s->config.ref.s,
		.worktree = args_has(s->args, "worktree"),
		.accept_rewind = args_has(s->args, "accept-rewind") || s->config.accept_rewind,
		.fetch = !source_is_local(s->source),
		.store = s->store,
		.read_only = true,
		.strict = use != COMMIT_STAND_IN,
		.any_history = use == COMMIT_LOOK,
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

enum err_code session_accept(struct session *s, struct err *err)
{
	char id[17];

	if (s->accepted.commit[0] == '\0') {
		return ERR_OK;
	}
	source_id(s->source, id);
	return store_accepted_set(s->store, id, s->accepted.commit, err);
}

/* Closing a file that was open for writing is what a watch sees; what is in it says nothing. */
void session_wake(const struct session *s)
{
	CLEANUP(cleanup_free) char *path = str_printf("%s/" LOOP_WAKE_FILE, s->state_dir);
	CLEANUP(cleanup_close)
	int fd = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	(void)fd;
}

static void pause_for(struct engine *e, int64_t ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (ms % 1000) * 1000000 };

	(void)e;
	(void)nanosleep(&t, /* rem= */ NULL);
}

static size_t add_labels(const struct object *o, struct arena *a, const char **ret)
{
	for (size_t i = 0; i < o->shared->n_labels; i++) {
		ret[i] = arena_printf(a, "%s=%s", o->shared->labels[i].key,
		                      o->shared->labels[i].value);
	}
	return o->shared->n_labels;
}

/* What a selector can choose from. */
static const struct object *selectable(const struct desired *d, size_t i)
{
	if (i < d->n_certificates) {
		return &d->certificates[i]->o;
	}
	i -= d->n_certificates;
	if (i < d->n_targets) {
		return &d->targets[i]->o;
	}
	i -= d->n_targets;
	return i < d->n_issuers ? &d->issuers[i]->o : NULL;
}

static bool selects_any(const struct desired *d, const char *selector)
{
	const struct object *o;

	for (size_t i = 0; (o = selectable(d, i)) != NULL; i++) {
		if (object_selected(o, selector)) {
			return true;
		}
	}
	return false;
}

/* The label of a selector that nobody has; all of it when each has somebody, but nobody all. */
static const char *odd_label(struct session *s, const char *selector)
{
	for (const char *at = selector; *at != '\0';) {
		size_t n = strcspn(at, ",");
		const char *one = arena_strn(&s->arena, at, n);

		if (one != NULL && !selects_any(s->accepted.desired, one)) {
			return one;
		}
		at += n + (at[n] == ',');
	}
	return selector;
}

static enum err_code selects_nothing(struct session *s, const char *selector, struct err *err)
{
	const struct desired *d = s->accepted.desired;
	const struct object *o;
	size_t n = 0;

	for (size_t i = 0; (o = selectable(d, i)) != NULL; i++) {
		n += o->shared->n_labels;
	}
	const char **labels = ARENA_ARRAY(&s->arena, const char *, n + 1);
	n = 0;
	for (size_t i = 0; labels != NULL && (o = selectable(d, i)) != NULL; i++) {
		n += add_labels(o, &s->arena, labels + n);
	}
	if (arena_failed(&s->arena)) {
		return err_nomem(err);
	}
	(void)err_set(err, ERR_NOT_FOUND,
	              "-l '%s': no Certificate, Target or Issuer has these labels", selector);
	cli_nearest(err, odd_label(s, selector), labels, n);
	(void)err_hint(err, "see the labels under metadata, and 'certwright get targets -l ...'");
	return ERR_NOT_FOUND;
}

static enum err_code check_selector(struct session *s, const char *selector, struct err *err)
{
	static const char fine[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "-_./=,";

	if (selector[strspn(selector, fine)] != '\0') {
		return err_set(err, ERR_INVALID,
		               "-l '%s' is not a list of labels like team=kms,site=dc1", selector);
	}
	return selects_any(s->accepted.desired, selector) ? ERR_OK
	                                                  : selects_nothing(s, selector, err);
}

/* What selects nothing must not read "No changes". */
static enum err_code check_selection(struct session *s, struct err *err)
{
	const char *selector = args_get(s->args, "selector");
	const char *target = args_get(s->args, "target");

	enum err_code rc = selector == NULL ? ERR_OK : check_selector(s, selector, err);
	if (rc == ERR_OK && target != NULL) {
		rc = session_target(s, target, /* host= */ NULL, err);
	}
	if (rc == ERR_OK && target != NULL && selector != NULL &&
	    !object_selected(&desired_target(s->accepted.desired, target)->o, selector)) {
		return err_set(err, ERR_NOT_FOUND, "Target %s has not the labels of -l '%s'",
		               target, selector);
	}
	return rc;
}

enum err_code session_engine(struct session *s, bool probes, struct err *err)
{
	const struct probe_pace *pace = &s->config.probe;
	const struct probe_options opt = { .timeout_ms = pace->timeout_s * 1000,
		                           .overall_ms = pace->overall_s * 1000,
		                           .parallel = pace->parallel,
		                           .per_host = pace->per_host,
		                           .rate = pace->rate,
		                           .polite = pace->polite };

	s->engine = (struct engine){
		.desired = s->accepted.desired,
		.authority = &s->config.authority,
		.secrets_dir = s->config.secrets_dir.s,
		.registry = s->cli->registry,
		.keep_revisions = s->config.keep_revisions,
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
	if (probes && cli_progress_init(&s->progress, s->cli)) {
		s->engine.progress = &s->progress.look;
	}
	rng_seed(&s->engine.rng, (uint64_t)s->cli->clock->wall(s->cli->clock).s);
	enum err_code rc = check_selection(s, err);
	if (rc == ERR_OK && probes) {
		rc = prober_tls_open(&opt, &s->prober, err);
		s->engine.prober = s->prober;
	}
	return rc;
}
