/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * probe.c - N looks by the real prober, every certificate compared with the one that should come.
 *
 * probe MODE PORT N PARALLEL TIMEOUT-MS LIST [DEAD-PORT EVERY]
 *   MODE: early, early13 (of a server known to speak nothing older), proven;
 *   early-held, proven-held: of servers that never answer, to see what a flight weighs
 *   LIST: "NAME SHA256" a line; the looks go through them in turn. "-": nothing is compared.
 * Prints "WALL-MS CPU-US-PER-LOOK BYTES-PER-FLIGHT SEEN WRONG UNSEEN WAITED-MS"; 1 when one is
 * wrong.
 */
#include "state/probe/probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "reconciler/base/fs.h"
#include "reconciler/base/str.h"
#include "reconciler/pki/pki.h"

#define LIST_MAX  ((size_t)64 << 20)
#define NAMES_MAX 100000

struct wanted {
	const char *name;
	uint8_t sha256[SHA256_BYTES];
};

struct bench {
	const char *mode;
	int64_t port, n, parallel, timeout, dead, every;
	struct wanted *wanted;
	size_t n_wanted;
	struct look_endpoint *looks;
	struct obs_endpoint *seen;
	struct arena arena;
	struct seen_certs certs;
};

static bool read_list(struct bench *b, const char *file)
{
	CLEANUP(buf_release) struct buf text = { 0 };
	struct err err = { 0 };

	b->wanted = ARENA_ARRAY(&b->arena, struct wanted, NAMES_MAX);
	buf_init(&text, LIST_MAX);
	if (b->wanted == NULL ||
	    (!str_equal(file, "-") && fs_read(file, LIST_MAX, &text, &err) != ERR_OK)) {
		return false;
	}
	char *rest = arena_strn(&b->arena, (const char *)text.p, text.len);
	for (char *line; rest != NULL && (line = strsep(&rest, "\n")) != NULL && *line != '\0';) {
		struct wanted *w = &b->wanted[b->n_wanted++];
		char *space = strchr(line, ' ');
		if (space == NULL || b->n_wanted == NAMES_MAX) {
			return false;
		}
		*space = '\0';
		w->name = line;
		if (!fingerprint_parse(space + 1, w->sha256)) {
			return false;
		}
	}
	return true;
}

static bool is_dead(const struct bench *b, int64_t i)
{
	return b->every > 0 && i % b->every == b->every - 1;
}

static bool fill(struct bench *b)
{
	b->looks = calloc((size_t)b->n + 1, sizeof(*b->looks));
	b->seen = calloc((size_t)b->n + 1, sizeof(*b->seen));
	if (b->looks == NULL || b->seen == NULL) {
		return false;
	}
	for (int64_t i = 0; i < b->n; i++) {
		b->looks[i] = (struct look_endpoint){
			.key = "k",
			.host = "127.0.0.1",
			.port = (int)(is_dead(b, i) ? b->dead : b->port),
			.server_name =
				b->n_wanted == 0 ? NULL : b->wanted[(size_t)i % b->n_wanted].name,
			.possession = str_starts(b->mode, "proven"),
			.tls13_only = str_equal(b->mode, "early13"),
		};
	}
	return true;
}

static size_t resident_kb(void)
{
	size_t size = 0;
	size_t resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (f == NULL || fscanf(f, "%zu %zu", &size, &resident) != 2) { // NOLINT(cert-err34-c)
		resident = 0;
	}
	if (f != NULL) {
		(void)fclose(f);
	}
	return resident * (size_t)sysconf(_SC_PAGESIZE) / 1024;
}

/* Since it began: ready to run, but the processors were others'. */
static int64_t waited_ms(void)
{
	unsigned long long ran = 0;
	unsigned long long waited = 0;
	FILE *f = fopen("/proc/self/schedstat", "re");

	if (f == NULL || fscanf(f, "%llu %llu", &ran, &waited) != 2) { // NOLINT(cert-err34-c)
		waited = 0;
	}
	if (f != NULL) {
		(void)fclose(f);
	}
	return (int64_t)(waited / 1000000);
}

static double cpu_us(const struct rusage *r)
{
	return (double)(r->ru_utime.tv_sec + r->ru_stime.tv_sec) * 1e6 +
	       (double)(r->ru_utime.tv_usec + r->ru_stime.tv_usec);
}

static int judge(const struct bench *b, int64_t wall_ms, double cpu, double flight_bytes)
{
	int64_t seen = 0;
	int64_t wrong = 0;
	int64_t unseen = 0;

	for (int64_t i = 0; i < b->n; i++) {
		const struct obs_endpoint *o = &b->seen[i];
		if (o->status != ENDPOINT_OK) {
			unseen++;
			wrong += is_dead(b, i) || str_ends(b->mode, "-held") ? 0 : 1;
			continue;
		}
		seen++;
		if (b->n_wanted > 0 &&
		    memcmp(o->served.v[0]->sha256, b->wanted[(size_t)i % b->n_wanted].sha256,
		           SHA256_BYTES) != 0) {
			wrong++;
		}
		if (b->looks[i].possession && o->proof != PROOF_POSSESSION) {
			wrong++;
		}
	}
	printf("%lld %.1f %.0f %lld %lld %lld %lld\n", (long long)wall_ms, cpu / (double)b->n,
	       flight_bytes, (long long)seen, (long long)wrong, (long long)unseen,
	       (long long)waited_ms());
	return wrong == 0 ? 0 : 1;
}

static int measure(struct bench *b)
{
	struct observed o = { .arena = &b->arena, .certs = &b->certs };
	const struct probe_options opt = { .timeout_ms = b->timeout, .parallel = (int)b->parallel };
	struct prober *prober = NULL;
	struct err err = { 0 };
	struct rusage before;
	struct rusage after;

	if (prober_tls_open(&opt, &prober, &err) != ERR_OK) {
		return 1;
	}
	size_t resident = resident_kb();
	(void)getrusage(RUSAGE_SELF, &before);
	struct mono begun = clock_system.mono(&clock_system);
	enum err_code rc = prober->probe(prober, b->looks, (size_t)b->n, &o, b->seen, &err);
	struct mono ended = clock_system.mono(&clock_system);
	(void)getrusage(RUSAGE_SELF, &after);
	prober_tls_close(prober);
	if (rc != ERR_OK) {
		(void)fprintf(stderr, "probe: %s\n", err.msg);
		return 1;
	}
	double grown = (double)(after.ru_maxrss - (long)resident) * 1024;
	return judge(b, ended.ms - begun.ms, cpu_us(&after) - cpu_us(&before),
	             grown / (double)(b->parallel < b->n ? b->parallel : b->n));
}

int main(int argc, char **argv)
{
	struct bench b = { .mode = argc > 1 ? argv[1] : "" };
	int status = 64;

	pki_init(&clock_system);
	arena_init(&b.arena);
	seen_certs_init(&b.certs, &b.arena);
	if ((argc == 7 || argc == 9) && str_to_i64(argv[2], 1, 65535, &b.port) &&
	    str_to_i64(argv[3], 1, 1000000, &b.n) && str_to_i64(argv[4], 1, 20000, &b.parallel) &&
	    str_to_i64(argv[5], 1, 600000, &b.timeout) &&
	    (argc == 7 || (str_to_i64(argv[7], 1, 65535, &b.dead) &&
	                   str_to_i64(argv[8], 1, 1000000, &b.every)))) {
		status = read_list(&b, argv[6]) && fill(&b) ? measure(&b) : 1;
	} else {
		(void)fprintf(
			stderr,
			"usage: probe MODE PORT N PARALLEL TIMEOUT-MS LIST [DEAD-PORT EVERY]\n");
	}
	seen_certs_release(&b.certs);
	arena_release(&b.arena);
	free(b.looks);
	free(b.seen);
	return status;
}
