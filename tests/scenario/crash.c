/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crash.c - kill the reconciler at every durable thing it does, run it again, and compare.
 *
 * A child converges in the shared world and ends, without any farewell, right before its k-th
 * commit, file write or command; another one then starts from what is durable. Whatever k was, the
 * world must end up as after an undisturbed run, with as many certificates signed, no serial used
 * twice and no handshake failed on the way.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"
#include "state/db.h"
#include "tests/scenario/lab.h"
#include "tests/unit/unit.h"

#define BEGINNING  1893456000 /* 2030-01-01T00:00:00Z */
#define DAY        ((int64_t)86400)
#define HOUR       ((int64_t)3600)
#define EVENTS_MAX 2000
#define COPY_LIMIT ((size_t)16 << 20)

/* With the CA's generation in between. */
static const char ca_yaml[] = "apiVersion: certwright/v1\n"
			      "kind: Issuer\n"
			      "metadata: {name: corp-ca}\n"
			      "spec:\n"
			      "  privateCA:\n"
			      "    subject: {commonName: Corp CA}\n"
			      "    privateKey: {algorithm: ECDSA, size: 256}\n"
			      "    duration: 3650d\n"
			      "    allow: {dnsNames: [\".test\"]}\n";
static const char roots_yaml[] = "---\n"
				 "apiVersion: certwright/v1\n"
				 "kind: CASet\n"
				 "metadata: {name: roots}\n"
				 "spec: {sources: [{issuerRef: {name: corp-ca}}], overlap: 1h}\n"
				 "---\n";
static const char nodes_yaml[] = "apiVersion: certwright/v1\n"
				 "kind: Certificate\n"
				 "metadata: {name: node}\n"
				 "spec:\n"
				 "  forEach: {target: nodes}\n"
				 "  issuerRef: {name: corp-ca}\n"
				 "  dnsNames: [\"{{host}}.test\"]\n"
				 "  duration: 90d\n"
				 "  usages: [server auth, client auth]\n"
				 "  privateKey: {algorithm: ECDSA, size: 256}\n"
				 "---\n"
				 "apiVersion: certwright/v1\n"
				 "kind: Keystore\n"
				 "metadata: {name: trust}\n"
				 "spec: {format: pem, entries: [{alias: roots, caSetRef: roots}]}\n"
				 "---\n"
				 "apiVersion: certwright/v1\n"
				 "kind: Target\n"
				 "metadata: {name: nodes}\n"
				 "spec:\n"
				 "  hosts: [\"n[1-2]\"]\n"
				 "  via: {local: {}}\n"
				 "  deliver:\n"
				 "    - {certificateRef: node, path: /etc/id.pem}\n"
				 "    - {keystoreRef: trust, path: /etc/ca.pem}\n"
				 "  activate: [{after: [[start, app]]}]\n"
				 "  verify: [{tls: {port: 443, serverName: \"{{host}}.test\"}}]\n"
				 "  rollout: {maxUnavailable: 1, pause: 0s}\n";

static void make_fleet(struct world *w)
{
	static const char *const hosts[] = { "n1", "n2" };

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		struct server *s = world_server_add(w, hosts[i], "app", 443);
		(void)snprintf(s->identity, sizeof(s->identity), "/etc/id.pem");
		(void)snprintf(s->trust, sizeof(s->trust), "/etc/ca.pem");
	}
	world_relation_add(w, &w->servers[0], &w->servers[1]);
	world_relation_add(w, &w->servers[1], &w->servers[0]);
}

struct drill {
	const char *name;
	int generation;   /* of the CA in the commit that is converged to */
	int64_t before_s; /* time between the first convergence and the drill; 0: it is the first */
	unsigned steps;   /* converge, let an hour pass, converge ... */
};
static const struct drill drills[] = {
	{ .name = "first issue", .generation = 1, .before_s = 0, .steps = 1 },
	{ .name = "renewal", .generation = 1, .before_s = 61 * DAY, .steps = 1 },
	{ .name = "roll-over", .generation = 2, .before_s = 5 * DAY, .steps = 4 },
};

struct range {
	struct world *world;
	char *dir;
};

static struct world *watched;

static int die_at_commit(const char *point)
{
	if (str_equal(point, "commit")) {
		world_event(watched);
	}
	return 0;
}

static bool commit_and_converge(struct lab *l, int generation, unsigned steps)
{
	CLEANUP(cleanup_free)
	char *yaml = str_printf("%s    generation: %d\n%s%s", ca_yaml, generation, roots_yaml,
	                        nodes_yaml);
	struct err why = { 0 };

	if (lab_commit(l, yaml, &why) != ERR_OK) {
		return false;
	}
	for (unsigned i = 0; i < steps; i++) {
		lab_converge(l, 20);
		/* Back-off and overlap pass; what a crash delays happens within these hours. */
		clock_manual_advance(&l->world->clock, 2 * HOUR);
	}
	for (unsigned i = 0; l->status != 0 && i < 4; i++) {
		lab_converge(l, 20);
		clock_manual_advance(&l->world->clock, 2 * HOUR);
	}
	return l->status == 0;
}

/* In a child: 0 converged, 1 did not, WORLD_CRASH_EXIT killed. */
static int in_child(const struct range *r, int generation, unsigned steps)
{
	(void)fflush(/* stream= */ NULL);
	pid_t pid = fork();

	if (pid == 0) {
		struct lab l;
		watched = r->world;
		db_fault_hook = die_at_commit;
		lab_open(&l, r->world, r->dir, 1);
		bool fine = commit_and_converge(&l, generation, steps);
		if (!fine) {
			fprintf(stderr, "  did not converge: %s\n%s\n", l.error, buf_str(&l.said));
			lab_render(&l);
			fprintf(stderr, "%s\n", buf_str(&l.said));
		}
		lab_close(&l);
		_exit(fine ? 0 : 1);
	}
	int status = 0;
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
		return 2;
	}
	return WEXITSTATUS(status);
}

static void copy_file(const char *from, const char *to)
{
	CLEANUP(buf_release) struct buf data = { 0 };
	struct err why = { 0 };

	buf_init(&data, COPY_LIMIT);
	if (fs_read(from, COPY_LIMIT, &data, &why) != ERR_OK) {
		fprintf(stderr, "%s\n", why.msg);
		abort();
	}
	FILE *f = fopen(to, "we");
	if (f == NULL || fwrite(data.p, 1, data.len, f) != data.len || fclose(f) != 0 ||
	    chmod(to, 0600) != 0) {
		perror(to);
		abort();
	}
}

static void copy_dir(const char *from, const char *to)
{
	DIR *d = opendir(from);

	(void)mkdir(to, 0700);
	/* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread, one stream */
	for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		CLEANUP(cleanup_free) char *a = str_printf("%s/%s", from, e->d_name);
		CLEANUP(cleanup_free) char *b = str_printf("%s/%s", to, e->d_name);
		struct stat st;

		if (str_equal(e->d_name, ".") || str_equal(e->d_name, "..") || stat(a, &st) != 0) {
			continue;
		}
		if (S_ISDIR(st.st_mode)) {
			copy_dir(a, b);
		} else {
			copy_file(a, b);
		}
	}
	if (d != NULL) {
		(void)closedir(d);
	}
}

/* A fresh directory with what was there before. */
static void bring_back(struct range *r, const struct world *kept, const char *kept_dir)
{
	unit_rmtree(r->dir);
	r->dir = unit_tmpdir();
	copy_dir(kept_dir, r->dir);
	memcpy(r->world, kept, sizeof(*kept));
}

/* What people would see of it: every server and every store, but no backups. */
static void describe(struct world *w, struct buf *out)
{
	for (size_t i = 0; i < w->n_servers; i++) {
		const struct server *s = &w->servers[i];
		buf_printf(out, "%s/%s serves %s\n", s->host, s->name, server_serves(w, s));
	}
	for (size_t i = 0; i < w->n_servers; i++) {
		const struct server *s = &w->servers[i];
		const char *const paths[] = { s->identity, s->trust };
		for (size_t k = 0; k < ARRAY_LEN(paths); k++) {
			CLEANUP(buf_release) struct buf one = { 0 };
			buf_init(&one, (size_t)1 << 16);
			world_describe_store(w, s->host, paths[k], /* password= */ NULL, &one);
			buf_printf(out, "%s%s holds %s\n", s->host, paths[k], buf_str(&one));
		}
	}
	buf_printf(out, "%zu certificates signed\n", names_issued(w));
}

static bool tell(const struct drill *d, uint64_t k, const char *what, const char *more)
{
	fprintf(stderr, "%s, killed before event %llu: %s\n%s\n", d->name, (unsigned long long)k,
	        what, more);
	return false;
}

static bool kill_at(struct range *r, const struct drill *d, uint64_t k, const char *want)
{
	CLEANUP(buf_release) struct buf got = { 0 };

	buf_init(&got, (size_t)1 << 16);
	r->world->crash_at = r->world->events + k;
	int status = in_child(r, d->generation, d->steps);
	r->world->crash_at = 0;
	if (status != WORLD_CRASH_EXIT) {
		return tell(d, k, "it was not killed", "");
	}
	status = in_child(r, d->generation, d->steps);
	describe(r->world, &got);
	if (status != 0) {
		return tell(d, k, "the rerun does not converge", buf_str(&got));
	}
	if (r->world->broken[0] != '\0') {
		return tell(d, k, r->world->broken, buf_str(&got));
	}
	return str_equal(buf_str(&got), want) ||
	       tell(d, k, "the rerun ends elsewhere", buf_str(&got));
}

static bool run_drill(const struct drill *d, uint64_t only)
{
	CLEANUP(buf_release) struct buf want = { 0 };
	struct world *kept = world_new((struct wall){ BEGINNING });
	struct range r = { .world = world_new((struct wall){ BEGINNING }), .dir = unit_tmpdir() };
	char *kept_dir = unit_tmpdir();
	bool fine = true;

	buf_init(&want, (size_t)1 << 16);
	make_fleet(r.world);
	if (d->before_s != 0) {
		fine = in_child(&r, 1, 1) == 0;
		clock_manual_advance(&r.world->clock, d->before_s);
	}
	memcpy(kept, r.world, sizeof(*kept));
	copy_dir(r.dir, kept_dir);
	fine = fine && in_child(&r, d->generation, d->steps) == 0;
	uint64_t events = r.world->events - kept->events;
	describe(r.world, &want);
	for (uint64_t k = only == 0 ? 1 : only; fine && k <= events && k < EVENTS_MAX; k++) {
		bring_back(&r, kept, kept_dir);
		fine = kill_at(&r, d, k, buf_str(&want));
		if (only != 0) {
			break;
		}
	}
	printf("%s %s: killed at each of %llu events; ends as\n%s", fine ? "ok  " : "FAIL", d->name,
	       (unsigned long long)events, buf_str(&want));
	unit_rmtree(r.dir);
	unit_rmtree(kept_dir);
	world_free(r.world);
	world_free(kept);
	return fine;
}

/* crash [DRILL [EVENT]] */
int main(int argc, char **argv)
{
	struct clock_manual clock;
	int64_t only = 0;
	bool fine = true;

	clock_manual_init(&clock, (struct wall){ BEGINNING });
	pki_init(&clock.clock);
	if (argc > 2 && !str_to_i64(argv[2], 1, EVENTS_MAX, &only)) {
		return EXIT_FAILURE;
	}
	for (size_t i = 0; i < ARRAY_LEN(drills); i++) {
		if (argc < 2 || str_equal(argv[1], drills[i].name)) {
			fine = run_drill(&drills[i], (uint64_t)only) && fine;
		}
	}
	return fine ? EXIT_SUCCESS : EXIT_FAILURE;
}
