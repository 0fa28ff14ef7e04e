/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * property.c - random fleets, random trouble, and what must hold whatever happens (design.md, below
 * the tables).
 *
 * A seed makes a fleet of one to three hosts and a dozen things that befall it: time, commits,
 * faults, strangers in its files, operators, kills in the middle of a pass. After each of them the
 * reconciler converges and the promises are tried. At the end all faults are healed, and it must
 * come to rest.
 *
 * property [--seed N] [--first N] [--count N] [-v]
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reconciler/base/str.h"
#include "reconciler/engine/render.h"
#include "state/db.h"
#include "tests/scenario/lab.h"
#include "tests/unit/unit.h"

#define BEGINNING 1893456000 /* 2030-01-01T00:00:00Z */
#define DAY       ((int64_t)86400)
#define HOUR      ((int64_t)3600)
#define STEPS     9
#define DOCS_MAX  8

struct fleet {
	/* chosen once */
	unsigned hosts, format; /* of the identity */
	bool verify, activate, trust, take_over, windows, each, never;
	/* changed by commits */
	int generation, names, renew;
	bool target_gone;
};

struct trial {
	struct rng rng;
	struct fleet fleet;
	struct world *world;
	struct lab lab;
	char *dir;
	uint64_t seed;
	bool verbose, failed;
	bool calm;       /* nothing but time, commits and operators so far */
	unsigned causes; /* for which every identity may be issued once more */
	struct buf log;
};

static const char *const formats[] = { "pem", "jks", "pkcs12", "pem-split" };

static void note(struct trial *t, const char *fmt, ...) ATTR_PRINTF(2, 3);
static void note(struct trial *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_add_str(&t->log, "  ");
	buf_vprintf(&t->log, fmt, ap);
	buf_add_str(&t->log, "\n");
	va_end(ap);
}

static void broken(struct trial *t, const char *fmt, ...) ATTR_PRINTF(2, 3);
static void broken(struct trial *t, const char *fmt, ...)
{
	va_list ap;

	if (t->failed) {
		return;
	}
	t->failed = true;
	fprintf(stderr, "seed %llu: ", (unsigned long long)t->seed);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n%s", buf_str(&t->log));
}

static bool chance(struct trial *t, unsigned one_in)
{
	return rng_below(&t->rng, one_in) == 0;
}

static void fleet_make(struct trial *t)
{
	struct fleet *f = &t->fleet;

	*f = (struct fleet){ .hosts = 1 + rng_below(&t->rng, 3),
		             .format = rng_below(&t->rng, 4),
		             .verify = !chance(t, 4),
		             .activate = !chance(t, 8),
		             .trust = chance(t, 2),
		             .take_over = chance(t, 3),
		             .windows = chance(t, 4),
		             .each = chance(t, 2),
		             .never = chance(t, 4),
		             .generation = 1,
		             .names = 1 };
	f->activate = f->activate || f->verify || f->trust;
	for (unsigned i = 1; i <= f->hosts; i++) {
		CLEANUP(cleanup_free) char *host = str_printf("h%u", i);
		struct server *s = world_server_add(t->world, host, "app", 443);
		(void)snprintf(s->identity, sizeof(s->identity), "/etc/id");
		(void)snprintf(s->password, sizeof(s->password), "changeit");
		if (f->trust) {
			(void)snprintf(s->trust, sizeof(s->trust), "/etc/ca");
		}
	}
	for (size_t i = 0; f->trust && i < f->hosts; i++) {
		world_relation_add(t->world, &t->world->servers[i],
		                   &t->world->servers[(i + 1) % f->hosts]);
	}
	note(t, "%u hosts, %s%s%s%s%s%s%s%s%s", f->hosts, formats[f->format],
	     f->verify ? ", verify" : "", f->activate ? ", activate" : "",
	     f->trust ? ", trust" : "", f->take_over ? ", takeOver" : "",
	     f->windows ? ", windows" : "", f->each ? ", one each" : "",
	     f->never ? ", key kept" : "", ".");
}

static char *doc_issuer(const struct fleet *f)
{
	return str_printf("apiVersion: certwright/v1\n"
	                  "kind: Issuer\n"
	                  "metadata: {name: ca}\n"
	                  "spec: {privateCA: {subject: {commonName: CA}, duration: 3650d,\n"
	                  "  privateKey: {algorithm: ECDSA, size: 256}, generation: %d,\n"
	                  "  allow: {dnsNames: [.test]}}}\n",
	                  f->generation);
}

static char *doc_certificate(const struct fleet *f)
{
	return str_printf("apiVersion: certwright/v1\n"
	                  "kind: Certificate\n"
	                  "metadata: {name: id}\n"
	                  "spec:\n"
	                  "%s"
	                  "  issuerRef: {name: ca}\n"
	                  "  dnsNames: [id%d.test]\n"
	                  "  duration: 90d\n"
	                  "  renew: %d\n"
	                  "  usages: [server auth, client auth]\n"
	                  "  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: %s}\n",
	                  f->each ? "  forEach: {target: t}\n" : "", f->names, f->renew,
	                  f->never ? "Never" : "Always");
}

static char *doc_keystore(const struct fleet *f)
{
	bool aliases =
		str_equal(formats[f->format], "jks") || str_equal(formats[f->format], "pkcs12");

	return str_printf("apiVersion: certwright/v1\n"
	                  "kind: Keystore\n"
	                  "metadata: {name: id}\n"
	                  "spec: {format: %s, entries: [{alias: id, certificateRef: id}]%s}\n",
	                  formats[f->format],
	                  aliases ? ", passwordRef: {wellKnown: changeit}" : "");
}

static char *doc_trust(void)
{
	return str_dup("apiVersion: certwright/v1\n"
	               "kind: CASet\n"
	               "metadata: {name: roots}\n"
	               "spec: {sources: [{issuerRef: {name: ca}}], overlap: 2d}\n"
	               "---\n"
	               "apiVersion: certwright/v1\n"
	               "kind: Keystore\n"
	               "metadata: {name: trust}\n"
	               "spec: {format: pem, entries: [{alias: roots, caSetRef: roots}]}\n");
}

static char *doc_target(const struct fleet *f)
{
	return str_printf("apiVersion: certwright/v1\n"
	                  "kind: Target\n"
	                  "metadata: {name: t}\n"
	                  "spec:\n"
	                  "  hosts: [\"h[1-%u]\"]\n"
	                  "  via: {local: {}}\n"
	                  "  takeOver: %s\n"
	                  "  deliver: [%s{keystoreRef: id, path: /etc/id}]\n"
	                  "%s%s%s"
	                  "  rollout: {maxUnavailable: 1, pause: 0s}\n",
	                  f->hosts, f->take_over ? "true" : "false",
	                  f->trust ? "{keystoreRef: trust, path: /etc/ca}, " : "",
	                  f->activate ? "  activate: [{after: [[start, app]]}]\n" : "",
	                  f->verify ? "  verify: [{tls: {port: 443}}]\n" : "",
	                  f->windows ? "  windows: [{cron: \"0 2 * * *\", duration: 2h}]\n" : "");
}

/* The documents of the commit, begun at any of them: order never matters. */
static char *fleet_yaml(const struct fleet *f, unsigned first)
{
	CLEANUP(buf_release) struct buf out = { 0 };
	char *docs[DOCS_MAX] = { doc_issuer(f), doc_certificate(f), doc_keystore(f) };
	size_t n = 3;

	if (f->trust) {
		docs[n++] = doc_trust();
	}
	if (!f->target_gone || f->each) {
		docs[n++] = doc_target(f);
	}
	buf_init(&out, (size_t)1 << 20);
	for (size_t i = 0; i < n; i++) {
		buf_printf(&out, "%s%s", i == 0 ? "" : "---\n", docs[(i + first) % n]);
	}
	for (size_t i = 0; i < n; i++) {
		free(docs[i]);
	}
	return str_dup(buf_str(&out));
}

static void commit(struct trial *t)
{
	CLEANUP(cleanup_free) char *yaml = fleet_yaml(&t->fleet, 0);
	struct err err = { 0 };

	if (lab_commit(&t->lab, yaml, &err) != ERR_OK) {
		broken(t, "the fleet is not valid: %s", err.msg);
	}
}

/* The same input in another order gives the same plan, byte for byte. */
static void check_order(struct trial *t)
{
	CLEANUP(cleanup_free) char *yaml = fleet_yaml(&t->fleet, 1 + rng_below(&t->rng, 3));
	CLEANUP(buf_release) struct buf one = { 0 };
	CLEANUP(buf_release) struct buf two = { 0 };
	struct memory_file file = { .path = "fleet.yaml", .data = bytes_of_str(yaml) };
	struct diagnostics diag = { 0 };
	const struct desired *other = NULL;
	const struct plan *plan = NULL;
	struct wants *wants = NULL;
	struct pass *p = &t->lab.pass;
	struct err err = { 0 };

	buf_init(&one, BUF_LIMIT_TEXT);
	buf_init(&two, BUF_LIMIT_TEXT);
	if (desired_load_files(&file, 1, &p->arena, &other, &diag, &err) != ERR_OK ||
	    wants_build(other, p->memory, &p->arena, &wants, &err) != ERR_OK) {
		broken(t, "shuffled, the fleet is not valid: %s", err.msg);
		return;
	}
	struct plan_input in = {
		.desired = other,
		.observed = p->observed,
		.memory = p->memory,
		.wants = wants,
		.now = t->world->clock.wall_now,
		.trusted = true,
	};
	if (plan_build(&in, &p->arena, &plan, &err) != ERR_OK) {
		broken(t, "plan: %s", err.msg);
	} else {
		plan_render_json(p->plan, &one);
		plan_render_json(plan, &two);
		if (!bytes_equal(buf_view(&one), buf_view(&two))) {
			broken(t, "the order of input matters:\n%s\n%s", buf_str(&one),
			       buf_str(&two));
		}
	}
	wants_release(wants);
}

/* What cannot be read is not written. */
struct locked {
	const struct vfile *file;
	unsigned writes;
};
static size_t find_locked(const struct trial *t, struct locked *ret)
{
	struct world *w = t->world;
	size_t n = 0;

	for (size_t i = 0; i < w->n_files && n < WORLD_FILES; i++) {
		const struct vfile *f = &w->files[i];
		bool garbage = f->exists && f->n < 64;
		if (garbage || world_host(w, f->host)->unreachable) {
			ret[n++] = (struct locked){ .file = f, .writes = f->writes };
		}
	}
	return n;
}

static void check_locked(struct trial *t, const struct locked *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (v[i].file->writes != v[i].writes) {
			broken(t, "%s%s was written though it could not be read", v[i].file->host,
			       v[i].file->path);
		}
	}
}

static void check_issued(struct trial *t)
{
	int64_t days = (t->world->clock.wall_now.s - BEGINNING) / DAY;
	/* 90 days are renewed after 55 at the earliest. */
	size_t most = 1 + t->causes + (size_t)(days / 55);

	for (unsigned i = 1; i <= (t->fleet.each ? t->fleet.hosts : 1); i++) {
		CLEANUP(cleanup_free)
		char *name = t->fleet.each ? str_printf("id@h%u", i) : str_dup("id");
		size_t n = names_issued_for(t->world, name);
		if (n > most) {
			broken(t, "%s was issued %zu times for at most %zu causes", name, n, most);
		}
	}
}

/* No window makes anything expire: two naps of thirty days are shorter than a life. */
static void check_expiry(struct trial *t)
{
	CLEANUP(arena_release) struct arena arena;

	arena_init(&arena);
	for (size_t i = 0; t->calm && t->fleet.verify && i < t->world->n_servers; i++) {
		const struct server *s = &t->world->servers[i];
		const struct cert *c = server_leaf(s, &arena);
		if (c != NULL && c->not_after.s <= t->world->clock.wall_now.s) {
			broken(t, "%s serves a certificate that expired", s->host);
		}
	}
}

static void converge(struct trial *t)
{
	CLEANUP(cleanup_free) struct locked *locked = calloc(WORLD_FILES, sizeof(*locked));
	size_t n = find_locked(t, locked);

	lab_converge(&t->lab, 20);
	note(t, "converge: %s%s%s, status %d", buf_str(&t->lab.done), t->lab.error[0] ? "; " : "",
	     t->lab.error, t->lab.status);
	check_locked(t, locked, n);
	if (t->lab.status == 1) {
		broken(t, "converging failed as a whole: %s", t->lab.error);
		return;
	}
	if (t->lab.result.rounds >= 20) {
		broken(t, "it does not come to rest");
	}
	if (t->world->broken[0] != '\0') {
		broken(t, "%s", t->world->broken);
	}
	check_issued(t);
	check_expiry(t);
	check_order(t);
	if (t->lab.status == 0) {
		lab_plan(&t->lab);
		if (t->lab.pass.plan == NULL || t->lab.pass.plan->n_actions > 0) {
			broken(t, "the pass after a successful one is not empty");
		}
	}
}

static const char *any_host(struct trial *t)
{
	return t->world->hosts[rng_below(&t->rng, (uint32_t)t->fleet.hosts)].name;
}

static void stranger(struct trial *t)
{
	const char *host = any_host(t);
	const char *path = t->fleet.trust && chance(t, 4) ? "/etc/ca" : "/etc/id";
	unsigned how = rng_below(&t->rng, 5);
	const struct vfile *f = world_file(t->world, host, path);

	note(t, "stranger at %s%s, way %u", host, path, how);
	if (how == 0) {
		world_put(t->world, host, path, bytes_of_str("no keystore\n"));
	} else if (how == 1) {
		(void)world_remove(t->world, host, path);
	} else if (how == 2 && str_equal(path, "/etc/id")) {
		const struct stranger x = { formats[t->fleet.format], "id", "changeit", "foreign" };
		pair_put(t->world, host, path, &x);
	} else if (how == 3 && f != NULL && f->n_before > 0) {
		CLEANUP(buf_release) struct buf before = { 0 };
		buf_init(&before, WORLD_FILE_BYTES);
		buf_add(&before, f->before, f->n_before);
		world_put(t->world, host, path, buf_view(&before));
	} else if (f != NULL && f->exists) {
		world_file(t->world, host, path)->mode = 0666;
	}
}

static void fault(struct trial *t)
{
	struct vhost *h = world_host(t->world, any_host(t));
	unsigned how = rng_below(&t->rng, 5);

	note(t, "fault %u at %s", how, h->name);
	h->unreachable |= how == 0;
	h->writes_fail |= how == 1;
	h->activation_fails |= how == 2;
	h->deaf |= how == 3;
	if (how == 4) {
		t->world->issuer_fault = chance(t, 2) ? ISSUER_NET : ISSUER_REFUSED;
		t->world->issuer_faults_left = 1 + rng_below(&t->rng, 4);
	}
}

static void heal(struct trial *t)
{
	t->world->issuer_faults_left = 0;
	for (size_t i = 0; i < t->world->n_hosts; i++) {
		struct vhost *h = &t->world->hosts[i];
		h->unreachable = h->writes_fail = h->activation_fails = h->deaf = false;
	}
}

static void change(struct trial *t)
{
	struct fleet *f = &t->fleet;
	unsigned how = rng_below(&t->rng, 4);

	note(t, "commit, way %u", how);
	t->causes++;
	f->names += how == 0 ? 1 : 0;
	f->renew += how == 1 ? 1 : 0;
	f->generation += how == 2 ? 1 : 0;
	f->never ^= how == 3;
	commit(t);
}

/* A commit that holds nothing takes nothing away. */
static void empty_commit(struct trial *t)
{
	CLEANUP(cleanup_free) unsigned *writes = calloc(WORLD_FILES, sizeof(*writes));
	struct err err = { 0 };

	note(t, "an empty commit");
	if (lab_commit(&t->lab, "", &err) != ERR_OK) {
		commit(t);
		return;
	}
	for (size_t i = 0; i < t->world->n_files; i++) {
		writes[i] = t->world->files[i].writes;
	}
	lab_converge(&t->lab, 20);
	for (size_t i = 0; i < t->world->n_files; i++) {
		if (t->world->files[i].writes != writes[i]) {
			broken(t, "an empty commit changed %s", t->world->files[i].path);
		}
	}
	commit(t);
}

static struct world *dying;

static int die_at_commit(const char *point)
{
	if (str_equal(point, "commit")) {
		world_event(dying);
	}
	return 0;
}

static void kill_it(struct trial *t)
{
	uint64_t after = 1 + rng_below(&t->rng, 40);
	int status = 0;

	note(t, "killed before event %llu", (unsigned long long)after);
	lab_store_close(&t->lab);
	(void)fflush(/* stream= */ NULL);
	pid_t pid = fork();
	if (pid == 0) {
		dying = t->world;
		t->world->crash_at = t->world->events + after;
		db_fault_hook = die_at_commit;
		lab_converge(&t->lab, 20);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
	    (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != WORLD_CRASH_EXIT)) {
		broken(t, "the child that should be killed ended with %d", status);
	}
	t->world->crash_at = 0;
}

static void operate(struct trial *t)
{
	CLEANUP(cleanup_free)
	char *name = t->fleet.each ? str_printf("id@%s", any_host(t)) : str_dup("id");
	struct err err = { 0 };
	unsigned how = rng_below(&t->rng, 3);

	note(t, "operator, way %u, %s", how, name);
	if (lab_store(&t->lab, &err) != ERR_OK) {
		broken(t, "%s", err.msg);
		return;
	}
	t->causes++;
	if (how == 0) {
		(void)engine_revoke(&t->lab.engine, name, 4, &err);
	} else {
		(void)store_renew_asked(t->lab.store, name, &err);
	}
}

static void befall(struct trial *t)
{
	static const int64_t times[] = { 60, 3600, DAY, 7 * DAY, 30 * DAY };
	unsigned what = t->seed % 4 == 0 ? rng_below(&t->rng, 3) : rng_below(&t->rng, 10);

	if (what < 3) {
		int64_t s = times[rng_below(&t->rng, ARRAY_LEN(times))];
		note(t, "%lld s pass", (long long)s);
		clock_manual_advance(&t->world->clock, s);
	} else if (what < 5) {
		t->calm = false;
		stranger(t);
	} else if (what == 5) {
		t->calm = false;
		fault(t);
	} else if (what == 6) {
		change(t);
	} else if (what == 7) {
		kill_it(t);
	} else if (what == 8) {
		operate(t);
	} else if (chance(t, 2)) {
		empty_commit(t);
	} else {
		lab_store_close(&t->lab);
	}
}

/* Garbage is nobody's business but a person's: one takes it away, starts what is down and lets go
 * of what is held. */
static void tidy(struct trial *t)
{
	struct world *w = t->world;
	struct err err = { 0 };

	heal(t);
	for (size_t i = 0; i < w->n_files; i++) {
		struct vfile *f = &w->files[i];
		if (f->exists && f->n < 64) {
			(void)world_remove(w, f->host, f->path);
		}
	}
	for (size_t i = 0; i < w->n_servers; i++) {
		struct server *s = &w->servers[i];
		s->up = s->up || server_load(w, s);
	}
	if (lab_store(&t->lab, &err) != ERR_OK) {
		broken(t, "%s", err.msg);
		return;
	}
	for (unsigned i = 1; i <= t->fleet.hosts; i++) {
		CLEANUP(cleanup_free) char *id = str_printf("push:t@h%u:/etc/id", i);
		CLEANUP(cleanup_free) char *ca = str_printf("push:t@h%u:/etc/ca", i);
		CLEANUP(cleanup_free) char *each = str_printf("issue:id@h%u", i);
		(void)store_release(t->lab.store, id, &err);
		(void)store_release(t->lab.store, ca, &err);
		(void)store_release(t->lab.store, each, &err);
	}
	(void)store_release(t->lab.store, "issue:id", &err);
	(void)store_release(t->lab.store, "issue:ca", &err);
}

/* Rest is not idleness: what is declared was made, and is served. */
static void check_whole(struct trial *t)
{
	CLEANUP(arena_release) struct arena arena;

	for (unsigned i = 1; i <= (t->fleet.each ? t->fleet.hosts : 1); i++) {
		CLEANUP(cleanup_free)
		char *name = t->fleet.each ? str_printf("id@h%u", i) : str_dup("id");
		if (names_issued_for(t->world, name) == 0) {
			broken(t, "at rest, and %s was never issued", name);
		}
	}
	arena_init(&arena);
	for (size_t i = 0; t->fleet.verify && !t->fleet.target_gone && i < t->world->n_servers;
	     i++) {
		const struct server *s = &t->world->servers[i];
		const struct cert *c = server_leaf(s, &arena);
		if (c == NULL || c->not_after.s <= t->world->clock.wall_now.s) {
			broken(t, "at rest, and %s serves %s", s->host,
			       c == NULL ? "nothing" : "what expired");
		}
	}
}

/* With everything healed it comes to rest, unless a stranger sits where we may not write. */
static void come_to_rest(struct trial *t)
{
	note(t, "healed");
	tidy(t);
	for (int i = 0; i < 40 && !t->failed; i++) {
		converge(t);
		if (t->lab.status == 0) {
			check_whole(t);
			return;
		}
		/* Asleep until it asked to be woken, or half a day. */
		int64_t nap = t->lab.result.wake.s - t->world->clock.wall_now.s;
		clock_manual_advance(&t->world->clock,
		                     nap > 0 && nap < 12 * HOUR ? nap : 12 * HOUR);
	}
	if (!t->failed && t->lab.pass.plan->n_conflicts == 0) {
		lab_render(&t->lab);
		broken(t, "healed, it never comes to rest:\n%s", buf_str(&t->lab.said));
	}
}

static bool run_trial(uint64_t seed, bool verbose)
{
	struct trial *t = calloc(1, sizeof(*t));

	if (t == NULL) {
		abort();
	}
	t->seed = seed;
	t->calm = true;
	t->world = world_new((struct wall){ BEGINNING });
	t->dir = unit_tmpdir();
	rng_seed(&t->rng, seed);
	buf_init(&t->log, BUF_LIMIT_TEXT);
	pki_init(&t->world->clock.clock);
	lab_open(&t->lab, t->world, t->dir, seed);
	fleet_make(t);
	commit(t);
	for (int i = 0; i < STEPS && !t->failed; i++) {
		converge(t);
		befall(t);
	}
	if (!t->failed) {
		come_to_rest(t);
	}
	bool fine = !t->failed;
	if (verbose) {
		fprintf(stderr, "seed %llu\n%s", (unsigned long long)seed, buf_str(&t->log));
	}
	lab_close(&t->lab);
	buf_release(&t->log);
	world_free(t->world);
	unit_rmtree(t->dir);
	free(t);
	return fine;
}

int main(int argc, char **argv)
{
	int64_t first = 1;
	int64_t count = 150;
	bool verbose = false;
	bool fine = true;

	for (int i = 1; i < argc; i++) {
		if (str_equal(argv[i], "-v")) {
			verbose = true;
			continue;
		}
		int64_t *n = str_equal(argv[i], "--count") ? &count : &first;
		count = str_equal(argv[i], "--seed") ? 1 : count;
		if (i + 1 == argc || !str_to_i64(argv[i + 1], 0, INT64_MAX, n)) {
			fprintf(stderr, "property [--seed N] [--first N] [--count N] [-v]\n");
			return EXIT_FAILURE;
		}
		i++;
	}
	for (int64_t seed = first; seed < first + count; seed++) {
		fine = run_trial((uint64_t)seed, verbose) && fine;
	}
	printf("%s seeds %lld to %lld\n", fine ? "ok  " : "FAIL", (long long)first,
	       (long long)(first + count - 1));
	return fine ? EXIT_SUCCESS : EXIT_FAILURE;
}
