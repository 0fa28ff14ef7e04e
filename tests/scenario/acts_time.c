/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * acts_time.c - statements that let time pass, commit, converge, and speak for the operator.
 */
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "reconciler/base/str.h"
#include "reconciler/base/when.h"
#include "tests/scenario/script.h"

static bool act_at(struct stage *st, const struct statement *s)
{
	struct wall t = { 0 };
	struct clock_manual *c = &st->lab.world->clock;

	if (s->n != 2 || !when_parse(s->v[1], &t) || t.s < c->wall_now.s) {
		return say_failed(s, "at TIME, and never back");
	}
	clock_manual_advance(c, t.s - c->wall_now.s);
	return true;
}

static bool act_pass(struct stage *st, const struct statement *s)
{
	int64_t seconds = 0;

	if (s->n != 2 || !duration_parse(s->v[1], &seconds)) {
		return say_failed(s, "pass DURATION");
	}
	clock_manual_advance(&st->lab.world->clock, seconds);
	return true;
}

static const char *yaml_of(const struct stage *st, const char *name)
{
	for (size_t i = 0; i < st->n_versions; i++) {
		if (str_equal(st->versions[i].name, name)) {
			return st->versions[i].yaml;
		}
	}
	return NULL;
}

/* Every `old` in `text`; NULL when there is none. */
static char *replaced(struct arena *arena, const char *text, const char *old, const char *new)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	const char *p = text;
	bool any = false;

	buf_init(&out, (size_t)1 << 20);
	for (const char *at; (at = strstr(p, old)) != NULL; p = at + strlen(old)) {
		buf_add(&out, p, (size_t)(at - p));
		buf_add_str(&out, new);
		any = true;
	}
	buf_add_str(&out, p);
	return any ? arena_str(arena, buf_str(&out)) : NULL;
}

static const char *unescaped(struct stage *st, const char *s)
{
	const char *lines = replaced(&st->arena, s, "\\n", "\n");

	return lines == NULL ? s : lines;
}

/* Body lines: old => new. `\n` in them is a line's end. */
static const char *edited(struct stage *st, const struct statement *s, const char *yaml)
{
	char *p = arena_str(&st->arena, s->body);

	while (p != NULL && *p != '\0') {
		char *end = strchr(p, '\n');
		char *arrow = strstr(p, " => ");
		if (end == NULL || arrow == NULL || arrow > end) {
			(void)say_failed(s, "the lines below are edits: OLD => NEW");
			return NULL;
		}
		*end = '\0';
		*arrow = '\0';
		yaml = replaced(&st->arena, yaml, unescaped(st, p), unescaped(st, arrow + 4));
		if (yaml == NULL) {
			(void)say_failed(s, "'%s' does not stand in it", p);
			return NULL;
		}
		p = end + 1;
	}
	return yaml;
}

/* desired NAME, YAML below; desired NAME = OTHER, edits below; desired NAME = OTHER + YAML */
static bool act_desired(struct stage *st, const struct statement *s)
{
	const char *yaml = s->body;

	if (s->n < 2 || st->n_versions == ARRAY_LEN(st->versions)) {
		return say_failed(s, "desired NAME [= NAME [+]]");
	}
	if (s->n >= 4) {
		yaml = yaml_of(st, s->v[3]);
		if (yaml == NULL) {
			return say_failed(s, "no desired state of the name %s", s->v[3]);
		}
		yaml = s->n == 5 ? arena_printf(&st->arena, "%s---\n%s", yaml, s->body)
		                 : edited(st, s, yaml);
		if (yaml == NULL) {
			return false;
		}
	}
	st->versions[st->n_versions++] = (struct version){ .name = s->v[1], .yaml = yaml };
	return true;
}

static bool act_commit(struct stage *st, const struct statement *s)
{
	const char *yaml = s->n == 2 ? yaml_of(st, s->v[1]) : NULL;
	struct err why = { 0 };

	if (yaml == NULL) {
		return say_failed(s, "no such desired state");
	}
	if (lab_commit(&st->lab, yaml, &why) != ERR_OK) {
		return say_failed(s, "%s", why.msg);
	}
	return true;
}

/* profile TARGET factoryIdentity: what its Profile would say, until the next commit */
static bool act_profile(struct stage *st, const struct statement *s)
{
	const struct desired *d = st->lab.desired;

	for (size_t i = 0; d != NULL && s->n == 3 && i < d->n_targets; i++) {
		struct target *t = (struct target *)(uintptr_t)d->targets[i];

		if (str_equal(t->o.name, s->v[1]) && str_equal(s->v[2], "factoryIdentity")) {
			struct target_shared *own =
				arena_copy(d->arena, t->shared, sizeof(*t->shared));
			if (own == NULL) {
				return false;
			}
			own->can.factory_identity = true;
			t->shared = own;
			return true;
		}
	}
	return say_failed(s, "profile TARGET factoryIdentity");
}

/* authority KEY=VALUE...: the repository is a remote one; each key allows what its value matches.
 * authority trusted: as at first. */
static bool act_authority(struct stage *st, const struct statement *s)
{
	struct authority *a = &st->lab.authority;
	const struct {
		const char *key;
		struct texts *list;
	} lists[] = { { "programs", &a->programs },
		      { "secretFiles", &a->secret_files },
		      { "localWrite", &a->local_write },
		      { "hosts", &a->hosts } };

	*a = (struct authority){ .trusted = s->n == 2 && str_equal(s->v[1], "trusted") };
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		const char *value = word_value(s, lists[i].key);
		struct text *t = value == NULL ? NULL : ARENA_NEW(&st->arena, struct text);

		if (t != NULL) {
			t->s = value;
			*lists[i].list = (struct texts){ .v = t, .n = 1 };
		}
	}
	const char *release = word_value(s, "keyRelease");
	a->key_release_allow = release != NULL && str_equal(release, "allow");
	return true;
}

/* budget [issue=PERCENT] [disrupt=PERCENT] [retire=N]: what is not named has none */
static bool act_budget(struct stage *st, const struct statement *s)
{
	struct budget *b = &st->lab.engine.budget;
	int *const fields[] = { &b->issue_percent, &b->disrupt_percent, &b->retire };
	static const char *const names[] = { "issue", "disrupt", "retire" };
	int64_t n = 0;

	*b = (struct budget){ 0 };
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		const char *value = word_value(s, names[i]);

		if (value != NULL && !str_to_i64(value, 1, 1000000, &n)) {
			return say_failed(s, "budget [issue=PERCENT] [disrupt=PERCENT] [retire=N]");
		}
		*fields[i] = value == NULL ? 0 : (int)n;
	}
	return true;
}

static bool has_desired(const struct stage *st, const struct statement *s)
{
	return st->lab.desired != NULL || say_failed(s, "nothing was committed yet");
}

static bool act_plan(struct stage *st, const struct statement *s)
{
	if (!has_desired(st, s)) {
		return false;
	}
	lab_plan(&st->lab);
	return true;
}

static bool act_converge(struct stage *st, const struct statement *s)
{
	int64_t rounds = 20;

	if (!has_desired(st, s) || (s->n == 2 && !str_to_i64(s->v[1], 1, 100, &rounds))) {
		return false;
	}
	lab_converge(&st->lab, (unsigned)rounds);
	return true;
}

/* end after N: somebody asks the next converge to end when N steps are done. */
static bool act_end(struct stage *st, const struct statement *s)
{
	int64_t n = 0;

	if (s->n != 3 || !str_equal(s->v[1], "after") || !str_to_i64(s->v[2], 0, 100, &n)) {
		return say_failed(s, "end after N");
	}
	st->lab.will_end = true;
	st->lab.end_after = (size_t)n;
	return true;
}

/* loop DURATION every DURATION: converge, sleep until woken or the interval is over, ... */
static bool act_loop(struct stage *st, const struct statement *s)
{
	int64_t total = 0;
	int64_t every = 0;
	struct clock_manual *c = &st->lab.world->clock;

	if (s->n != 4 || !duration_parse(s->v[1], &total) || !duration_parse(s->v[3], &every) ||
	    !has_desired(st, s)) {
		return say_failed(s, "loop DURATION every DURATION");
	}
	int64_t end = c->wall_now.s + total;
	while (c->wall_now.s < end) {
		lab_converge(&st->lab, 20);
		int64_t next = c->wall_now.s + every;
		int64_t wake = st->lab.result.wake.s;
		next = wake > c->wall_now.s && wake < next ? wake : next;
		clock_manual_advance(c, (next < end ? next : end) - c->wall_now.s);
		if (st->lab.world->broken[0] != '\0') {
			return true;
		}
	}
	lab_converge(&st->lab, 20);
	return true;
}

static bool act_restart(struct stage *st, const struct statement *s)
{
	(void)s;
	lab_store_close(&st->lab);
	return true;
}

static bool delete_state(struct stage *st)
{
	CLEANUP(cleanup_free) char *dir = str_printf("%s/state", st->lab.dir);
	DIR *d = NULL;

	lab_store_close(&st->lab);
	d = dir == NULL ? NULL : opendir(dir);
	if (d == NULL) {
		return false;
	}
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread, one stream */
	for (const struct dirent *e; (e = readdir(d)) != NULL;) {
		if (e->d_name[0] != '.') {
			(void)unlinkat(dirfd(d), e->d_name, 0);
		}
	}
	(void)closedir(d);
	return true;
}

/* A certificate is held, its key is not. */
static bool forget_key(struct stage *st, const char *name, struct err *err)
{
	CLEANUP(pass_release) struct pass p = { 0 };

	enum err_code rc = engine_observe(&st->lab.engine, &p, err);
	const struct identity_memory *im = rc == ERR_OK ? memory_identity(p.memory, name) : NULL;
	if (im == NULL || im->n_revisions == 0) {
		return false;
	}
	const struct held *h = &im->revisions[0];
	const struct cert **v = ARENA_ARRAY(&p.arena, const struct cert *, h->chain.n);
	for (size_t i = 0; v != NULL && i < h->chain.n; i++) {
		v[i] = seen_cert_parse(h->chain.v[i], &p.arena);
	}
	struct adoption a = { .identity = name,
		              .chain = { .v = v, .n = h->chain.n },
		              .issuer = h->issuer,
		              .issuer_generation = h->issuer_generation,
		              .renew = h->renew };
	return store_identity_adopt(st->lab.store, &a, /* ret_revision= */ NULL, err) == ERR_OK;
}

static bool act_delete(struct stage *st, const struct statement *s)
{
	return (s->n == 2 && str_equal(s->v[1], "state") && delete_state(st)) ||
	       say_failed(s, "delete state");
}

static bool suspend(struct stage *st, const struct statement *s, struct err *err)
{
	const char *slash = s->n < 3 ? NULL : strchr(s->v[1], '/');
	int64_t seconds = 0;

	if (slash == NULL || !duration_parse(s->v[2], &seconds)) {
		return false;
	}
	const char *kind = arena_printf(&st->arena, "%.*s", (int)(slash - s->v[1]), s->v[1]);
	struct suspension x = { .kind = kind, .name = slash + 1, .reason = "scenario" };
	x.until.s = st->lab.world->clock.wall_now.s + seconds;
	return store_suspend(st->lab.store, &x, err) == ERR_OK;
}

/* "web#1", as --to takes it; what nobody signed is taken as it stands. */
static const char *fingerprint_of(struct stage *st, const char *name)
{
	struct world *w = st->lab.world;
	char text[80];

	for (size_t i = 0; name != NULL && i < w->n_names; i++) {
		if (str_equal(names_text(w, w->names[i].sha256, text), name)) {
			char *hex = arena_alloc(&st->arena, CERT_FINGERPRINT_TEXT);
			if (hex != NULL) {
				fingerprint_format(w->names[i].sha256, hex);
			}
			return hex;
		}
	}
	return name;
}

static enum err_code by_hand(struct stage *st, const struct statement *s, const char *target,
                             const char *host, struct err *err)
{
	struct apply_result result = { 0 };
	struct push_by_hand what = {
		.target = target,
		.host = host,
		.activate_only = str_equal(s->v[s->n - 1], "activate-only"),
		.replace_unreadable = str_equal(s->v[s->n - 1], "replace-unreadable"),
	};
	struct engine *e = &st->lab.engine;

	enum err_code rc =
		str_equal(s->v[0], "push")
			? engine_push(e, &what, &result, err)
			: engine_rollback(e, target, host, fingerprint_of(st, word_after(s, "to")),
	                                  &result, err);
	if (rc == ERR_OK && result.failed > 0) {
		return err_set(err, ERR_REFUSED, "%s", result.first_error);
	}
	return rc;
}

static bool push(struct stage *st, const struct statement *s, struct err *err)
{
	const char *at = s->n < 2 ? NULL : strchr(s->v[1], '@');
	CLEANUP(cleanup_free)
	char *target = at == NULL ? str_dup(s->n < 2 ? "" : s->v[1])
	                          : str_printf("%.*s", (int)(at - s->v[1]), s->v[1]);

	return by_hand(st, s, target, at == NULL ? NULL : at + 1, err) == ERR_OK;
}

static bool resume(struct stage *st, const struct statement *s, struct err *err)
{
	const char *slash = s->n < 2 ? NULL : strchr(s->v[1], '/');
	const char *kind =
		slash == NULL ? NULL
			      : arena_printf(&st->arena, "%.*s", (int)(slash - s->v[1]), s->v[1]);

	return store_resume(st->lab.store, kind, slash == NULL ? NULL : slash + 1, err) == ERR_OK;
}

static enum err_code seal_entry(struct stage *st, const struct keystore *ks, const char *name,
                                struct err *err)
{
	CLEANUP(secret_release) struct secret key = { 0 };
	struct keystore_entry e = { .alias = NULL };
	const struct cert *leaf = NULL;
	bool written = false;

	ks->ops->entry(ks, 0, &e);
	enum err_code rc = ks->ops->key(ks, 0, &key, err);
	if (rc == ERR_OK) {
		rc = cert_parse(e.chain[0], &st->arena, &leaf, err);
	}
	const struct imported_pair pair = { .name = name,
		                            .chain = { .v = &leaf, .n = 1 },
		                            .pkcs8 = &key };
	return rc == ERR_OK ? store_import(st->lab.store, &pair, &written, err) : rc;
}

/* import HOST PATH as NAME: the first entry of that file, as `certwright import` would seal it. */
static bool import(struct stage *st, const struct statement *s, struct err *err)
{
	const char *name = word_after(s, "as");
	struct keystore *ks =
		name == NULL ? NULL : world_open_store(st->lab.world, s->v[1], s->v[2], NULL);

	if (ks == NULL) {
		return false;
	}
	enum err_code rc = seal_entry(st, ks, name, err);
	ks->ops->close(ks);
	return rc == ERR_OK;
}

static bool operate(struct stage *st, const struct statement *s, struct err *err)
{
	const char *verb = s->v[0];
	const char *name = s->n > 1 ? s->v[1] : NULL;
	struct store *store = st->lab.store;

	if (str_equal(verb, "suspend")) {
		return suspend(st, s, err);
	}
	if (str_equal(verb, "resume")) {
		return resume(st, s, err);
	}
	if (name == NULL) {
		return false;
	}
	if (str_equal(verb, "forget")) {
		return s->n == 3 && forget_key(st, s->v[2], err);
	}
	if (str_equal(verb, "import")) {
		return import(st, s, err);
	}
	if (str_equal(verb, "renew")) {
		return store_renew_asked(store, name, err) == ERR_OK;
	}
	if (str_equal(verb, "approve")) {
		return store_approve(store, name, err) == ERR_OK;
	}
	if (str_equal(verb, "release")) {
		return store_release(store, name, err) == ERR_OK;
	}
	if (str_equal(verb, "revoke")) {
		return engine_revoke(&st->lab.engine, name, /* reason= */ s->n > 2 ? 1 : 4, err) ==
		       ERR_OK;
	}
	return push(st, s, err);
}

/* What the operator was told stands in the lab's error, for `expect error`. */
static bool act_operator(struct stage *st, const struct statement *s)
{
	struct lab *l = &st->lab;
	struct err why = { 0 };

	if (lab_store(l, &why) != ERR_OK) {
		return say_failed(s, "%s", why.msg);
	}
	buf_reset(&l->done);
	l->error[0] = '\0';
	if (operate(st, s, &why)) {
		return true;
	}
	if (why.code == ERR_OK) {
		return say_failed(s, "what is meant?");
	}
	err_format(&why, l->error, sizeof(l->error));
	return true;
}

static const struct {
	const char *word;
	act *act;
} acts[] = {
	{ "at", act_at },           { "pass", act_pass },         { "desired", act_desired },
	{ "commit", act_commit },   { "profile", act_profile },   { "authority", act_authority },
	{ "budget", act_budget },   { "plan", act_plan },         { "converge", act_converge },
	{ "end", act_end },         { "loop", act_loop },         { "restart", act_restart },
	{ "delete", act_delete },   { "forget", act_operator },   { "import", act_operator },
	{ "renew", act_operator },  { "approve", act_operator },  { "release", act_operator },
	{ "revoke", act_operator }, { "suspend", act_operator },  { "resume", act_operator },
	{ "push", act_operator },   { "rollback", act_operator },
};

bool act_on_time(struct stage *st, const struct statement *s, bool *ret_known)
{
	for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
		if (str_equal(s->v[0], acts[i].word)) {
			*ret_known = true;
			return acts[i].act(st, s);
		}
	}
	return true;
}
